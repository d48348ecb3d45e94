// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The box: everything that its front ends share. Made once by `start`, never changed afterwards.

use std::sync::{Arc, Mutex, PoisonError, Weak};

use platen_auth::{Cache, Directory};
use platen_ledger::{Entry, Ledger};
use platen_model::{Clock, JobNumber, JobStateReason, Moment, UserId};
use platen_spool::{Spool, SpoolError};
use platen_store::{Disk, Keys};
use thiserror::Error;
use uuid::Uuid;

use crate::alive::Alive;
use crate::centre::Centre;
use crate::config::{Config, PrinterConfig};
use crate::counting::Counter;
use crate::devices::fingers::Fingers;
use crate::devices::keys::DeviceKeys;
use crate::devices::{Door, Owned};
use crate::intake::incoming::Incoming;
use crate::intake::shown::ShownStates;
use crate::panel::Panel;
use crate::release::{Releases, Target};
use crate::update::Updates;
use crate::web::Web;

/// IPP `printer-state` (RFC 8011 §5.4.11).
const IDLE: i32 = 3;
const PROCESSING: i32 = 4;
const STOPPED: i32 = 5;

/// A fifth of the reserve left is an alarm (the standard's 80 %).
const JOURNAL_LOW_PART: u64 = 5;

/// The box.
pub(crate) struct Node {
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) config: Config,
    pub(crate) executor: Arc<smol::Executor<'static>>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) keys: Arc<Keys>,
    pub(crate) spool: Spool,
    pub(crate) ledger: Arc<Ledger>,
    pub(crate) directory: Arc<Directory>,
    /// The copy of the centre's directory; empty on a box of no site.
    pub(crate) cache: Arc<Cache>,
    pub(crate) counter: Arc<Counter>,
    pub(crate) panel: Arc<Panel>,
    /// The link to the site's centre.
    pub(crate) centre: Arc<Centre>,
    pub(crate) releases: Arc<Releases>,
    pub(crate) door: Arc<Door>,
    pub(crate) incoming: Incoming,
    pub(crate) shown_states: ShownStates,
    pub(crate) devices: Owned,
    /// Fingers in the sensors.
    pub(crate) fingers: Fingers,
    /// Keys of cards and readers.
    pub(crate) device_keys: Arc<DeviceKeys>,
    /// `printer-uuid`, the same for the life of the box.
    pub(crate) uuid: Uuid,
    /// Wall time at start, for IPP's times in seconds of up-time.
    pub(crate) started_unix_ms: u64,
    /// Address of the first IPP listener, once bound.
    pub(crate) listens_at: Mutex<Option<std::net::SocketAddr>>,
    /// The web page, while there is one.
    pub(crate) web: Mutex<Weak<Web>>,
    /// Parts of the daemon that don't come round.
    pub(crate) alive: Alive,
    /// Updates of the image, and which release this is.
    pub(crate) updates: Arc<Updates>,
    /// Whether this start found damage that somebody should look at.
    pub(crate) faults: Vec<String>,
}

/// Why a job is not canceled.
#[derive(Debug, Error)]
#[non_exhaustive]
pub(crate) enum CancelError {
    #[error("there is no such job")]
    NotFound,
    #[error("the job has ended already")]
    Ended,
    #[error("the job could not be removed")]
    Failed(#[from] SpoolError),
}

/// Seconds of up-time at this moment, 1 or more, as IPP counts.
pub(crate) fn up_time_s(moment: Moment) -> i32 {
    let seconds = moment.elapsed.as_secs().saturating_add(1);
    i32::try_from(seconds).unwrap_or(i32::MAX)
}

impl Node {
    /// The printer that a tap releases to. The configuration has at least one.
    pub(crate) fn default_printer(&self) -> &PrinterConfig {
        let first = self.config.printers.first();
        first.expect("the configuration is refused without a printer")
    }

    /// Deletes a job, also one that is being printed: then it ends a moment later.
    pub(crate) async fn cancel(
        self: &Arc<Self>,
        number: JobNumber,
        reason: JobStateReason,
        user: Option<UserId>,
    ) -> Result<(), CancelError> {
        let job = self.spool.job(number)?.ok_or(CancelError::NotFound)?;
        if job.state.is_ended() {
            return Err(CancelError::Ended);
        }
        self.incoming.arrived(number);
        let prints = |target: &Arc<Target>| target.cancel(number);
        if self.releases.targets().iter().any(prints) {
            return Ok(());
        }
        let node = Arc::clone(self);
        let canceled = self
            .whatever_the_client_does(async move {
                node.spool.cancel(number, reason).await?;
                node.releases.judge().approvals.forget(job.id);
                let entry = Entry::Canceled {
                    job: job.id,
                    number,
                    user,
                };
                if let Err(error) = node.ledger.append(entry).await {
                    log::error!(job:% = number, err:% = platen_model::Chain(&error); "deletion not journaled");
                }
                Ok(())
            })
            .await;
        match canceled.unwrap_or(Err(SpoolError::Closed)) {
            Ok(()) => Ok(()),
            // Its printer began with it meanwhile, or has just ended it.
            Err(SpoolError::NotNow(_)) if self.releases.targets().iter().any(prints) => Ok(()),
            Err(SpoolError::NotNow(_) | SpoolError::NotFound(_)) => Err(CancelError::Ended),
            Err(error) => Err(error.into()),
        }
    }

    /// Does `work` to its end, also when the client that asked for it goes away meanwhile: the
    /// server drops what it waits for then. `None` only at the end of the daemon.
    pub(crate) async fn whatever_the_client_does<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> Option<T> {
        let (done, told) = smol::channel::bounded(1);
        let work = async move {
            // Nobody may be there to be told.
            let _ = done.try_send(work.await);
        };
        self.executor.spawn(work).detach();
        told.recv().await.ok()
    }

    /// `host:port` to name in URIs: as the client called the box, else where it listens.
    pub(crate) fn authority(&self, host: Option<&str>) -> String {
        let plain = |host: &&str| {
            !host.is_empty()
                && host.len() <= 253
                && host
                    .chars()
                    .all(|c| c.is_ascii_alphanumeric() || "-._:[]".contains(c))
        };
        host.filter(plain)
            .map_or_else(|| self.own_authority(), str::to_owned)
    }

    fn own_authority(&self) -> String {
        let listens = self
            .listens_at
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        listens.map_or_else(
            || "localhost".to_owned(),
            |address| format!("localhost:{}", address.port()),
        )
    }

    /// Where people print to.
    pub(crate) fn queue_uri(&self) -> String {
        format!(
            "ipp://{}{}",
            self.own_authority(),
            crate::intake::PROXY_PATH
        )
    }

    /// The web page, where the box has one.
    pub(crate) fn web(&self) -> Option<Arc<Web>> {
        let web = self.web.lock().unwrap_or_else(PoisonError::into_inner);
        web.upgrade()
    }

    /// Seconds since the start, 1 or more, as IPP counts.
    pub(crate) fn up_time_s(&self) -> i32 {
        up_time_s(self.clock.now())
    }

    /// A wall time in seconds of up-time; what was before the start is 0.
    pub(crate) fn up_time_at_s(&self, unix_ms: u64) -> i32 {
        let seconds = unix_ms.saturating_sub(self.started_unix_ms) / 1000;
        i32::try_from(seconds).unwrap_or(i32::MAX)
    }

    /// `printer-state` and `printer-state-reasons` of a push queue's printer, or of the proxy
    /// queue, which takes jobs whatever its printers do.
    pub(crate) fn queue_state(&self, target: Option<&Target>) -> (i32, Vec<String>) {
        let none = || vec!["none".to_owned()];
        let printing = self
            .releases
            .targets()
            .iter()
            .any(|target| target.is_printing());
        let Some(target) = target else {
            return (if printing { PROCESSING } else { IDLE }, none());
        };
        let status = target.status();
        let state = match (status.ready, target.is_printing()) {
            (_, true) => PROCESSING,
            (true, false) => IDLE,
            (false, false) => STOPPED,
        };
        (
            state,
            if status.reasons.is_empty() {
                none()
            } else {
                status.reasons
            },
        )
    }

    /// Whether a job is at a printer, or in its queue.
    pub(crate) fn is_printing(&self) -> bool {
        self.releases.is_printing()
    }

    /// Whether somebody is logged in, at the box or at its web page.
    pub(crate) fn somebody_is_in(&self) -> bool {
        let web = self.web();
        let at_page = web.is_some_and(|web| web.somebody_is_in());
        at_page || self.door.is_busy()
    }

    /// Whether four fifths of the space that is kept for release and journal are used up: soon
    /// nothing is released any more, or unrecorded.
    fn journal_is_low(&self) -> bool {
        let free = self.disk.free_bytes();
        free.is_ok_and(|free| free < self.journal_reserve())
    }

    /// What has to be free so that everything that is released is recorded.
    pub(crate) fn journal_reserve(&self) -> u64 {
        let reserve = self.config.spool.reserve_mib.saturating_mul(1 << 20);
        reserve / JOURNAL_LOW_PART
    }

    /// `ready`, or what is degraded.
    pub(crate) fn modes(&self) -> Vec<String> {
        let mut modes = Vec::new();
        modes.extend(self.door.faults.modes().into_iter().map(str::to_owned));
        if self
            .releases
            .targets()
            .iter()
            .all(|target| !target.status().ready)
        {
            modes.push("no-printer".to_owned());
        }
        if !self.spool.has_room() {
            modes.push("disk-full".to_owned());
        }
        if self.journal_is_low() {
            modes.push("journal-low".to_owned());
        }
        modes.extend(self.centre.modes());
        modes.extend(self.updates.modes().map(str::to_owned));
        modes.extend(self.faults.iter().cloned());
        if modes.is_empty() {
            modes.push("ready".to_owned());
        }
        modes
    }
}
