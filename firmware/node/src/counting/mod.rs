// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Page counting, away from the daemon: a child process reads the documents, so that a hostile one
//! can exhaust only the child's memory and time. See `worker` for the child's side.

mod process;
pub(crate) mod worker;

use std::collections::VecDeque;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use platen_model::{Chain, Job, JobNumber, PageCount};
use platen_spool::Spool;

use self::process::Worker;

/// Jobs waiting to be counted; past this they are counted when they are released.
const QUEUE: usize = 1024;
/// Counting waits until no job has come for so long: clients that send now have the processor.
const QUIET: Duration = Duration::from_millis(200);
/// The child leaves after this long without work, so that an idle box has its memory back.
const IDLE: Duration = Duration::from_secs(30);

/// Counts pages in the background and on demand. One document at a time.
pub(crate) struct Counter {
    spool: Spool,
    worker: Mutex<Option<Worker>>,
    orders: SyncSender<JobNumber>,
}

impl Counter {
    /// Starts the background thread.
    pub(crate) fn start(spool: Spool) -> std::io::Result<Arc<Self>> {
        let (orders, waiting) = sync_channel(QUEUE);
        let counter = Arc::new(Self {
            spool,
            worker: Mutex::new(None),
            orders,
        });
        let background = Arc::downgrade(&counter);
        std::thread::Builder::new()
            .name("counting".to_owned())
            .spawn(move || count_when_quiet(&background, &waiting))?;
        Ok(counter)
    }

    /// Asks for a count some time soon. A full queue is no fault: the release counts then.
    pub(crate) fn request(&self, number: JobNumber) {
        // Full or ended: counted at release.
        let _ = self.orders.try_send(number);
    }

    /// The job's count, from the index or counted now. Blocks for at most the child's CPU limit
    /// and the time that reading the body takes.
    pub(crate) fn count(&self, job: &Job) -> PageCount {
        if let Some(count) = &job.count {
            return count.clone();
        }
        let options = &job.options;
        let unknown = |note: &str| PageCount::unknown(options.copies, options.sides, note);
        if job.octets > worker::MAX_OCTETS {
            return unknown("The document is too large to be counted on this box.");
        }
        let body = match self.spool.body(job.number) {
            Ok(body) => body,
            Err(error) => {
                log::warn!(job:% = job.number, err:% = Chain(&error); "body could not be read for counting");
                return unknown("The box could not read its copy of the document.");
            }
        };
        let mut slot = self.worker.lock().unwrap_or_else(PoisonError::into_inner);
        // The background may have counted it while this waited.
        if let Ok(Some(Job {
            count: Some(count), ..
        })) = self.spool.job(job.number)
        {
            return count;
        }
        let counted = Worker::take_or_start(&mut slot)
            .and_then(|mut worker| Ok((worker.count(options, job.octets, body)?, worker)));
        match counted {
            Ok((count, worker)) => {
                *slot = Some(worker);
                count
            }
            Err(error) => {
                log::warn!(job:% = job.number, err:% = error; "counting ended early");
                unknown("The document needs more memory or time to count than it is given.")
            }
        }
    }

    /// Counts a job and keeps the count, if nobody has. Blocks as [`Counter::count`] does.
    pub(crate) fn count_and_keep(&self, number: JobNumber) {
        let Ok(Some(job)) = self.spool.job(number) else {
            return;
        };
        if job.count.is_some() || job.state.is_ended() || job.octets == 0 {
            return;
        }
        let count = self.count(&job);
        if let Err(error) = self.spool.set_count(number, count) {
            log::debug!(job:% = number, err:% = Chain(&error); "count not kept: the job has ended");
        }
    }

    fn rest(&self) {
        *self.worker.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

/// The background thread: gathers what comes, and counts in quiet moments, oldest first.
fn count_when_quiet(counter: &Weak<Counter>, waiting: &Receiver<JobNumber>) {
    let mut jobs = VecDeque::new();
    loop {
        let order = waiting.recv_timeout(if jobs.is_empty() { IDLE } else { QUIET });
        let Some(counter) = counter.upgrade() else {
            return;
        };
        match order {
            Ok(job) if jobs.len() < QUEUE => jobs.push_back(job),
            Ok(_) => {} // Counted at release.
            Err(RecvTimeoutError::Disconnected) => return,
            Err(RecvTimeoutError::Timeout) if jobs.is_empty() => counter.rest(),
            Err(RecvTimeoutError::Timeout) => {
                while let Some(job) = jobs.pop_front() {
                    counter.count_and_keep(job);
                    if let Ok(job) = waiting.try_recv() {
                        jobs.push_back(job);
                        break;
                    }
                }
            }
        }
    }
}
