// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What all requests share: the site's database, its authority, and what is kept in memory of who
//! asks too often. Two servers on one database share nothing else.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use platen_auth::secret::Verifier;
use platen_central::app::{Actor, Centre, CentreError};
use platen_model::Clock;
use platen_sync::enrol::{CODE_LIFE_MS, WRONG_CODES_MAX};
use smol::lock::Semaphore;
use thiserror::Error;

use crate::authority::{Authority, AuthorityError, AuthorityKeys, ServerCertificate, ServerKeys};
use crate::config::AuthorityConfig;
use crate::limiter::Limiter;
use crate::news::News;
use crate::sync::{Pieces, Told};

/// The names of secrets in the database.
const AUTHORITY: &str = "authority";
const SERVER: &str = "server-certificate";
/// Servers that start at once may each make a certificate; the last one stays, with all names.
const ATTEMPTS: usize = 8;

/// Wrong tokens and passwords of one address, at once and then one a refill.
const WRONG_TOKENS: (u32, Duration) = (20, Duration::from_secs(6));
/// Requests to become a member of one address: a box asks every 3 s, and many may share an address.
const ENROLMENTS: (u32, Duration) = (60, Duration::from_millis(500));

/// Key derivations that wait for their turn: a code typed at once with others, each against every
/// box that waits.
const CODES_WAITING_MAX: usize = 64;

/// Bundles that are taken at once; more wait.
const UPLOADS_AT_ONCE: usize = 2;

/// What all requests share.
pub(crate) struct Central {
    pub(crate) centre: Centre,
    pub(crate) authority: Authority,
    pub(crate) certificate: Arc<ServerCertificate>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) news: News,
    /// What boxes were told of their leases.
    pub(crate) told: Told,
    /// Pieces of bundles that boxes fetch now.
    pub(crate) pieces: Pieces,
    /// Bundles that administrators send now.
    pub(crate) uploads: Semaphore,
    /// Wrong tokens and passwords, by address.
    pub(crate) guesses: Limiter,
    /// Wrong codes of boxes, by the administrator's address.
    pub(crate) codes: Limiter,
    /// Bounds the key derivations of codes that administrators type.
    pub(crate) codes_under_way: Verifier,
    /// Requests to become a member, by address.
    pub(crate) enrolments: Limiter,
    names: Vec<String>,
    stopping: AtomicBool,
}

/// Why the server can't work on this database.
#[derive(Debug, Error)]
#[non_exhaustive]
pub(crate) enum CentralError {
    #[error("the site's database can't be used")]
    Centre(#[from] CentreError),
    #[error("the site's authority can't be used")]
    Authority(#[from] AuthorityError),
}

impl Central {
    /// Puts it together: finds or makes the site's authority and the servers' certificate, which
    /// names `names`.
    ///
    /// # Errors
    /// [`CentralError`]
    pub(crate) async fn assemble(
        centre: Centre,
        config: &AuthorityConfig,
        names: Vec<String>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, CentralError> {
        let authority = authority(&centre, config).await?;
        let keys = server_keys(&centre, &authority, &names, &*clock).await?;
        let certificate = Arc::new(ServerCertificate::new(&keys, &authority)?);
        let life = Duration::from_millis(CODE_LIFE_MS);
        Ok(Self {
            centre,
            authority,
            certificate,
            clock,
            news: News::new(),
            told: Told::default(),
            pieces: Pieces::default(),
            uploads: Semaphore::new(UPLOADS_AT_ONCE),
            guesses: Limiter::new(WRONG_TOKENS.0, WRONG_TOKENS.1),
            codes: Limiter::new(WRONG_CODES_MAX, life / WRONG_CODES_MAX),
            codes_under_way: Verifier::new(1, CODES_WAITING_MAX),
            enrolments: Limiter::new(ENROLMENTS.0, ENROLMENTS.1),
            names,
            stopping: AtomicBool::new(false),
        })
    }

    /// Wall milliseconds since 1970.
    pub(crate) fn now_unix_ms(&self) -> u64 {
        self.clock.now().unix_ms
    }

    /// Takes up a certificate that another server has made, or makes one when it is time to.
    ///
    /// # Errors
    /// [`CentralError`]; the certificate in force stays then.
    pub(crate) async fn renew_certificate(&self) -> Result<(), CentralError> {
        let keys = server_keys(&self.centre, &self.authority, &self.names, &*self.clock).await?;
        Ok(self.certificate.show(&keys, &self.authority)?)
    }

    /// From now on nobody waits for news.
    pub(crate) fn stop_waiting(&self) {
        self.stopping.store(true, Ordering::Release);
        self.news.tell();
    }

    pub(crate) fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Acquire)
    }
}

impl fmt::Debug for Central {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Central")
    }
}

async fn authority(centre: &Centre, config: &AuthorityConfig) -> Result<Authority, CentralError> {
    if let (Some(certificate), Some(key)) = (&config.certificate, &config.key) {
        let (certificate, key) = (certificate.clone(), key.clone());
        let read = smol::unblock(move || Authority::of_files(&certificate, &key));
        return Ok(read.await?);
    }
    let kept = match centre.secret(AUTHORITY).await? {
        Some(kept) => kept,
        None => {
            let made = AuthorityKeys::generate(&centre.site().await?.name)?;
            centre.keep_secret(AUTHORITY, &made.to_bytes()).await?
        }
    };
    Ok(Authority::own(&AuthorityKeys::from_bytes(&kept)?)?)
}

async fn server_keys(
    centre: &Centre,
    authority: &Authority,
    names: &[String],
    clock: &dyn Clock,
) -> Result<ServerKeys, CentralError> {
    let mut attempts = 0;
    loop {
        attempts += 1;
        let kept = match centre.secret(SERVER).await? {
            Some(kept) => kept,
            None => {
                let made = ServerKeys::issue(authority, names, None, clock.now().unix_ms)?;
                centre.keep_secret(SERVER, &made.to_bytes()).await?
            }
        };
        let kept = ServerKeys::from_bytes(&kept)?;
        let now = clock.now().unix_ms;
        if attempts > ATTEMPTS || kept.suits(authority, names, now) {
            return Ok(kept);
        }
        log::info!("making a new certificate for the central servers");
        let next = ServerKeys::issue(authority, names, Some(&kept), now)?;
        let next = next.to_bytes();
        centre
            .replace_secret(&Actor::Program, SERVER, &next)
            .await?;
    }
}
