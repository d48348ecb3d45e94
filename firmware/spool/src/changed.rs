// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Tells of jobs that changed, to whoever passes it on. Nothing is lost when nobody listens in time:
//! numbers are kept, each once, and where they get too many it is said that any job may have changed.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use platen_model::JobNumber;
use smol::channel::{Receiver, Sender, bounded};

/// Numbers that are kept for one listener.
const KEPT_MAX: usize = 4096;

/// What changed since it was last asked.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Changes {
    /// These jobs.
    pub jobs: BTreeSet<JobNumber>,
    /// Too many to be kept: any job.
    pub any: bool,
}

/// One listener's ear; dropping it ends the listening.
#[derive(Debug)]
pub struct Changed {
    kept: Arc<Mutex<Changes>>,
    signal: Receiver<()>,
}

impl Changed {
    /// Waits until something has changed since [`Changed::take`].
    pub async fn wait(&self) {
        if self.signal.recv().await.is_err() {
            // The spool is closed: nothing changes any more.
            std::future::pending::<()>().await;
        }
    }

    /// What has changed since this was last asked.
    #[must_use]
    pub fn take(&self) -> Changes {
        std::mem::take(&mut *self.kept.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Who listens: what is kept for it, while it is there, and its signal.
type Listener = (Weak<Mutex<Changes>>, Sender<()>);

/// All listeners.
#[derive(Debug, Default)]
pub(crate) struct Listeners(Mutex<Vec<Listener>>);

impl Listeners {
    pub(crate) fn listen(&self) -> Changed {
        let (sender, signal) = bounded(1);
        let kept = Arc::default();
        let mut listeners = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        listeners.push((Arc::downgrade(&kept), sender));
        Changed { kept, signal }
    }

    pub(crate) fn tell(&self, numbers: impl IntoIterator<Item = JobNumber> + Clone) {
        let mut listeners = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        listeners.retain(|(kept, signal)| {
            let Some(kept) = kept.upgrade() else {
                return false;
            };
            let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
            if !kept.any {
                kept.jobs.extend(numbers.clone());
            }
            if kept.jobs.len() > KEPT_MAX {
                *kept = Changes {
                    jobs: BTreeSet::new(),
                    any: true,
                };
            }
            // A signal that was not taken yet stands for this one as well.
            let _ = signal.try_send(());
            true
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listener_hears_of_each_job_once_and_of_a_flood_as_a_whole() {
        let listeners = Listeners::default();
        let changed = listeners.listen();
        listeners.tell([JobNumber(1), JobNumber(2)]);
        listeners.tell([JobNumber(2)]);
        smol::block_on(changed.wait());
        let heard = changed.take();
        assert_eq!(heard.jobs, BTreeSet::from([JobNumber(1), JobNumber(2)]));
        assert!(!heard.any);
        assert_eq!(changed.take(), Changes::default());
        (0..5000).for_each(|number| listeners.tell([JobNumber(number)]));
        let heard = changed.take();
        assert!(heard.any && heard.jobs.is_empty());
        drop(changed);
        listeners.tell([JobNumber(1)]);
        assert!(listeners.0.lock().unwrap().is_empty());
    }
}
