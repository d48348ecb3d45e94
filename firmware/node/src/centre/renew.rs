// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The box's certificate is renewed when a third of its life is left, and when the centre says that it
//! has run out. Always for the same key.

use std::sync::Arc;
use std::time::Duration;

use platen_model::Chain;
use platen_sync::message::{Renew, Renewed, VERSION, path};
use platen_sync::node::pace::{ANSWER_MS, CONNECT_MS, Pace};
use smol::Timer;
use thiserror::Error;

use super::line::{LineError, ask};
use super::{Centre, CentreError, random};

/// How often it looks at the date.
const LOOK: Duration = Duration::from_secs(600);

#[derive(Debug, Error)]
enum RenewError {
    #[error(transparent)]
    Line(#[from] LineError),
    #[error("the box's new certificate is not kept")]
    Own(#[from] CentreError),
}

impl Centre {
    /// Renews until the box leaves its site.
    pub(super) async fn renew_forever(self: &Arc<Self>) {
        let mut pace = Pace::default();
        loop {
            let look = async {
                Timer::after(LOOK).await;
                false
            };
            let told = async {
                self.renew_now.wait().await;
                true
            };
            let told = smol::future::or(told, look).await;
            while told || self.is_renewal_due() {
                let Err(error) = self.renew().await else {
                    log::info!("the box's certificate is renewed");
                    break;
                };
                log::warn!(err:% = Chain(&error); "the box's certificate is not renewed");
                let RenewError::Line(error) = error else {
                    break;
                };
                Timer::after(pace.after(error.ended(), random())).await;
            }
        }
    }

    /// By the centre's clock: the box's own may be wrong. Not before that was heard.
    fn is_renewal_due(&self) -> bool {
        let knows_time = self.standing.facts().skew_ms.is_some();
        let now = self.centre_now_unix_ms();
        knows_time
            && self
                .joined()
                .is_some_and(|joined| joined.member.is_due(now))
    }

    async fn renew(self: &Arc<Self>) -> Result<(), RenewError> {
        let joined = self.joined().ok_or(CentreError::NoSite)?;
        let Some(client) = &joined.client else {
            return Ok(());
        };
        let csr = joined
            .member
            .request(self.node)
            .map_err(CentreError::Member)?;
        let question = Renew {
            version: VERSION,
            csr,
        };
        let limit = Duration::from_millis(CONNECT_MS + ANSWER_MS);
        let certificate: Renewed = ask(client, path::RENEW, &question, limit).await?;
        let now_unix_ms = self.centre_now_unix_ms();
        let centre = Arc::clone(self);
        let keep = move || centre.change(|member| member.renewed(certificate, now_unix_ms));
        Ok(smol::unblock(keep).await?)
    }
}
