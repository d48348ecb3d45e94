// SPDX-License-Identifier: Apache-2.0 OR MIT
//! PINs and passwords are hashed and compared off the executor, and every look at one is counted in
//! the database before it is taken.

use platen_auth::secret::{self, Busy, Secret, SecretError};
use platen_model::Settings;

use super::{Centre, CentreError};
use crate::db;

const MINUTE_MS: u64 = 60_000;

/// What came of a look at a secret.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Looked {
    Right,
    Wrong,
    LockedUntil(u64),
}

impl From<Busy> for CentreError {
    fn from(_: Busy) -> Self {
        Self::Busy
    }
}

impl Centre {
    /// The Argon2id hash of a new secret.
    pub(super) async fn hash_secret(&self, secret: Secret) -> Result<String, CentreError> {
        let hashed = self.inner.verifier.run_off(move || secret::hash(&secret));
        hashed.await?.map_err(|error| match error {
            SecretError::TooLong => CentreError::invalid("secret", error),
            _ => CentreError::System,
        })
    }

    /// Looks at a secret, unless there were too many wrong ones. Without a subject it only takes as long.
    pub(super) async fn look(
        &self,
        subject: Option<(String, String)>,
        typed: Secret,
        settings: &Settings,
    ) -> Result<Looked, CentreError> {
        let Some((subject, hash)) = subject else {
            self.compare(None, typed).await?;
            return Ok(Looked::Wrong);
        };
        let now = self.now_ms();
        let tries = u64::from(settings.tries.max(1));
        let until = now + u64::from(settings.locked_minutes) * MINUTE_MS;
        let mut tx = self.write().await?;
        let begun = db::tries::begin(&mut tx, &subject, now).await?;
        tx.commit().await?;
        let failed = match begun {
            Err(until) => return Ok(Looked::LockedUntil(until)),
            // Others are being looked at that used up what was left.
            Ok(failed) if failed > tries => {
                self.lock_out(&subject, until).await?;
                return Ok(Looked::LockedUntil(until));
            }
            Ok(failed) => failed,
        };
        let right = match self.compare(Some(hash), typed).await {
            Ok(right) => right,
            Err(error) => {
                // Nothing was looked at: this was no try.
                let mut tx = self.write().await?;
                db::tries::take_back(&mut tx, &subject).await?;
                tx.commit().await?;
                return Err(error);
            }
        };
        if right {
            let mut tx = self.write().await?;
            db::tries::clear(&mut tx, &subject).await?;
            tx.commit().await?;
            return Ok(Looked::Right);
        }
        if failed >= tries {
            self.lock_out(&subject, until).await?;
        }
        Ok(Looked::Wrong)
    }

    async fn lock_out(&self, subject: &str, until_unix_ms: u64) -> Result<(), CentreError> {
        let mut tx = self.write().await?;
        db::tries::lock(&mut tx, subject, until_unix_ms).await?;
        tx.commit().await
    }

    async fn compare(&self, hash: Option<String>, typed: Secret) -> Result<bool, CentreError> {
        let compared = move || secret::verify(hash.as_deref(), &typed);
        match self.inner.verifier.run_off(compared).await? {
            Ok(right) => Ok(right),
            Err(SecretError::TooLong) => Ok(false),
            Err(SecretError::BadHash) => Err(CentreError::corrupt("hash of a secret")),
            Err(_) => Err(CentreError::System),
        }
    }
}
