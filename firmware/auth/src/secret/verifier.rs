// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Bounds how many hashes are under way: each takes 19 MiB or more and a core. Who finds the queue
//! full is refused at once instead of waiting for minutes.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use smol::lock::{Semaphore, SemaphoreGuardArc};
use thiserror::Error;

/// The queue is full: ask again later.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[error("too many logins at once; try again in a moment")]
pub struct Busy;

/// Runs costly work, so many at once, so many waiting. Share it in an [`Arc`].
#[derive(Debug)]
pub struct Verifier {
    turns: Arc<Semaphore>,
    /// Under way and waiting together.
    inside: Arc<AtomicUsize>,
    inside_max: usize,
}

impl Verifier {
    /// Takes `at_once` (at least 1) pieces of work at a time and lets `waiting` more wait. A box has
    /// 1 and 16; the centre one a core and some hundreds.
    #[must_use]
    pub fn new(at_once: usize, waiting: usize) -> Self {
        let at_once = at_once.max(1);
        Self {
            turns: Arc::new(Semaphore::new(at_once)),
            inside: Arc::default(),
            inside_max: at_once.saturating_add(waiting),
        }
    }

    /// Waits for its turn and does the work, on this thread.
    ///
    /// # Errors
    /// [`Busy`]; the work was not begun.
    pub fn run<T>(&self, work: impl FnOnce() -> T) -> Result<T, Busy> {
        let _place = self.place()?;
        let _turn = self.turns.acquire_arc_blocking();
        Ok(work())
    }

    /// Waits for its turn without a thread, and does the work on a thread for blocking work. A
    /// waiting caller that gives up leaves the queue; work that has begun ends.
    ///
    /// # Errors
    /// [`Busy`]; the work was not begun.
    pub async fn run_off<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Busy> {
        let place = self.place()?;
        let turn: SemaphoreGuardArc = self.turns.acquire_arc().await;
        let held = (place, turn);
        Ok(smol::unblock(move || {
            let done = work();
            drop(held);
            done
        })
        .await)
    }

    fn place(&self) -> Result<Place, Busy> {
        let place = Place(Arc::clone(&self.inside));
        let before = self.inside.fetch_add(1, Ordering::Relaxed);
        if before < self.inside_max {
            Ok(place)
        } else {
            Err(Busy)
        }
    }
}

/// A place in the queue, given back when dropped.
struct Place(Arc<AtomicUsize>);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use smol::future;
    use std::sync::mpsc;

    #[test]
    fn no_more_run_at_once_than_allowed_and_none_is_lost() {
        let verifier = Arc::new(Verifier::new(2, 64));
        let (running, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let threads: Vec<_> = (0..20)
            .map(|_| {
                let (verifier, running, most) = (verifier.clone(), running.clone(), most.clone());
                std::thread::spawn(move || {
                    verifier.run(|| {
                        let now = running.fetch_add(1, Ordering::SeqCst) + 1;
                        most.fetch_max(now, Ordering::SeqCst);
                        std::thread::yield_now();
                        running.fetch_sub(1, Ordering::SeqCst);
                    })
                })
            })
            .collect();
        let done = threads.into_iter().map(|thread| thread.join().unwrap());
        assert_eq!(done.filter(Result::is_ok).count(), 20);
        assert!(most.load(Ordering::SeqCst) <= 2);
    }

    #[test]
    fn who_finds_the_queue_full_is_refused_at_once() {
        let verifier = Arc::new(Verifier::new(1, 1));
        let (release, held) = mpsc::sync_channel::<()>(1);
        let (begun, begins) = mpsc::sync_channel::<()>(1);
        let holder = std::thread::spawn({
            let verifier = Arc::clone(&verifier);
            move || {
                verifier.run(|| {
                    begun.send(()).unwrap();
                    held.recv().unwrap();
                })
            }
        });
        begins.recv().unwrap();
        let mut waiting = Box::pin(verifier.run_off(|| 7));
        assert!(
            smol::block_on(future::poll_once(&mut waiting)).is_none(),
            "it waits"
        );
        assert_eq!(verifier.run(|| ()), Err(Busy));
        release.send(()).unwrap();
        holder.join().unwrap().unwrap();
        assert_eq!(smol::block_on(waiting), Ok(7));
        assert_eq!(verifier.run(|| 8), Ok(8), "places are given back");
    }

    #[test]
    fn a_waiting_caller_that_gives_up_leaves_the_queue() {
        let verifier = Verifier::new(1, 1);
        let turn = verifier.turns.try_acquire_arc().unwrap();
        let mut waiting = Box::pin(verifier.run_off(|| ()));
        assert!(smol::block_on(future::poll_once(&mut waiting)).is_none());
        assert_eq!(verifier.inside.load(Ordering::Relaxed), 1);
        drop(waiting);
        assert_eq!(verifier.inside.load(Ordering::Relaxed), 0);
        drop(turn);
    }
}
