// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A thread that owns a part, and the way to end it: waits that end with the wish to stop, an end
//! that is not waited for for ever, and pauses between tries that grow.

pub(crate) mod teller;
pub(crate) mod watchdog;

use std::convert::Infallible;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

/// First pause before lines that are gone are asked for again; it doubles from try to try.
const RETRY_MIN: Duration = Duration::from_millis(100);
/// Longest pause: lines that are back work within this time.
const RETRY_MAX: Duration = Duration::from_secs(2);
/// Longest wait for an edge, after which a thread looks whether it shall end.
pub(crate) const EDGE_WAIT: Duration = Duration::from_millis(250);

/// Longest wait for a thread at the end: a look and some. One that hangs is left behind.
pub const END_LIMIT: Duration = Duration::from_secs(1);
/// The threads need little; the usual 2 MiB would be seen in the address space only.
const STACK_BYTES: usize = 256 << 10;

/// The wish that a thread ends.
#[derive(Clone, Debug, Default)]
pub(crate) struct Stop {
    shared: Arc<(Mutex<bool>, Condvar)>,
    looks: Arc<AtomicU64>,
}

impl Stop {
    /// Waits, and tells whether the thread shall end.
    pub(crate) fn within(&self, wait: Duration) -> bool {
        self.looks.fetch_add(1, Ordering::AcqRel);
        let (stop, wake) = &*self.shared;
        let waited = wake.wait_timeout_while(lock(stop), wait, |stop| !*stop);
        *waited.unwrap_or_else(PoisonError::into_inner).0
    }

    /// Wishes it.
    pub(crate) fn set(&self) {
        let (stop, wake) = &*self.shared;
        *lock(stop) = true;
        wake.notify_all();
    }
}

/// A thread that was told to end when this is dropped: it is waited for, for [`END_LIMIT`], and then
/// left behind, with everything it holds.
#[derive(Debug)]
pub(crate) struct BoundedThread {
    thread: Option<JoinHandle<()>>,
    /// Closed when the thread ends, in whatever way; in a lock so that others can share the owner.
    ended: Mutex<Receiver<Infallible>>,
}

impl BoundedThread {
    /// Starts it.
    pub(crate) fn spawn(name: String, body: impl FnOnce() + Send + 'static) -> io::Result<Self> {
        let (alive, ended) = sync_channel(0);
        let builder = Builder::new().name(name).stack_size(STACK_BYTES);
        let thread = builder.spawn(move || {
            let _alive = alive;
            body();
        })?;
        Ok(Self {
            thread: Some(thread),
            ended: Mutex::new(ended),
        })
    }
}

impl Drop for BoundedThread {
    fn drop(&mut self) {
        let ended = lock(&self.ended).recv_timeout(END_LIMIT);
        if let (Some(thread), Err(RecvTimeoutError::Disconnected)) = (self.thread.take(), ended) {
            // A thread that panicked has said so on standard error; there is nothing to add.
            let _ = thread.join();
        }
    }
}

/// A thread that ends when this is dropped, within [`EDGE_WAIT`]; one that hangs is left behind.
#[derive(Debug)]
pub(crate) struct OwnerThread {
    stop: Stop,
    /// Waited for when it has been told to stop.
    _thread: BoundedThread,
}

impl OwnerThread {
    /// Starts it.
    pub(crate) fn spawn(
        name: String,
        body: impl FnOnce(&Stop) + Send + 'static,
    ) -> io::Result<Self> {
        let stop = Stop::default();
        let seen = stop.clone();
        Ok(Self {
            stop,
            _thread: BoundedThread::spawn(name, move || body(&seen))?,
        })
    }
}

impl OwnerThread {
    /// Grows each time the thread looks whether it shall end.
    pub(crate) fn beats(&self) -> u64 {
        self.stop.looks.load(Ordering::Acquire)
    }
}

impl Drop for OwnerThread {
    fn drop(&mut self) {
        self.stop.set();
    }
}

/// Pauses between tries.
#[derive(Debug)]
pub(crate) struct Retry(Duration);

impl Default for Retry {
    fn default() -> Self {
        Self(RETRY_MIN)
    }
}

impl Retry {
    /// How long to pause now.
    pub(crate) fn pause(&mut self) -> Duration {
        let pause = self.0;
        self.0 = (pause * 2).min(RETRY_MAX);
        pause
    }

    /// It works again.
    pub(crate) fn reset(&mut self) {
        *self = Self::default();
    }
}

/// How many looks fit into `span`, rounded up.
pub(crate) fn looks_in(span: Duration, interval: Duration) -> u16 {
    let looks = span.as_millis().div_ceil(interval.as_millis().max(1));
    u16::try_from(looks).unwrap_or(u16::MAX)
}

/// Takes a lock, also of a thread that panicked.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_a_limit_and_begin_again() {
        let mut retry = Retry::default();
        let pauses: Vec<u128> = (0..7).map(|_| retry.pause().as_millis()).collect();
        assert_eq!(pauses, [100, 200, 400, 800, 1_600, 2_000, 2_000]);
        retry.reset();
        assert_eq!(retry.pause(), RETRY_MIN);
    }

    #[test]
    fn dropping_the_owner_ends_a_thread_that_waits_for_long() {
        let (sender, ended) = sync_channel(1);
        let owner = OwnerThread::spawn("waits".to_owned(), move |stop| {
            let stopped = stop.within(Duration::from_secs(3_600));
            let _ = sender.send(stopped);
        });
        drop(owner.unwrap());
        assert_eq!(ended.recv(), Ok(true));
    }

    #[test]
    fn a_thread_that_hangs_is_left_behind() {
        let (release, held) = sync_channel::<()>(0);
        let (sender, ended) = sync_channel(1);
        let owner = OwnerThread::spawn("hangs".to_owned(), move |stop| {
            let _ = held.recv();
            let _ = sender.send(stop.within(Duration::ZERO));
        });
        drop(owner.unwrap()); // would wait for ever
        drop(release);
        assert_eq!(ended.recv(), Ok(true));
    }
}
