// SPDX-License-Identifier: Apache-2.0 OR MIT
//! How a pull waits: for a change that this server made, which wakes it at once, or for one that
//! another server on the same database made, which the watcher sees within a second. News of leases
//! ends a wait once: a box that can't take or close them now hears of them again with other news, or
//! when its time is up.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use platen_central::app::CentreError;
use platen_model::{Chain, LeaseId, NodeId};
use platen_sync::message::{LeaseNews, Pull};
use smol::Timer;
use smol::future::FutureExt as _;

use crate::central::Central;

/// Longest wait for news; a box may ask for less.
const WAIT_MAX: Duration = Duration::from_secs(60);
/// How often the watcher looks whether the directory has changed.
const LOOK: Duration = Duration::from_secs(1);
/// How often somebody who waits looks for themselves: leases to give back are no change of the
/// directory.
const LOOK_AGAIN: Duration = Duration::from_secs(5);

/// Shortest time between two answers to a box that news of leases ended the wait for.
const LEASES_AGAIN: Duration = Duration::from_secs(5);

/// What boxes were told of leases that they have not taken or closed since.
#[derive(Debug, Default)]
pub(crate) struct Told(Mutex<HashMap<NodeId, LastTold>>);

#[derive(Debug)]
struct LastTold {
    leases: HashSet<(LeaseId, Step)>,
    /// Since the clock's start.
    at: Duration,
}

/// What a box is to do with a lease.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
enum Step {
    Take,
    Close,
}

fn steps(news: &LeaseNews) -> impl Iterator<Item = (LeaseId, Step)> {
    let fresh = news.fresh.iter().map(|lease| (lease.id, Step::Take));
    fresh.chain(news.recalled.iter().map(|id| (*id, Step::Close)))
}

impl Told {
    /// Notes what an answer tells a box at `now`, the clock's elapsed time.
    pub(super) fn note(&self, node: NodeId, news: &LeaseNews, now: Duration) {
        let leases: HashSet<_> = steps(news).collect();
        let mut told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if leases.is_empty() {
            told.remove(&node);
        } else {
            told.insert(node, LastTold { leases, at: now });
        }
    }

    /// How long from `now` until a box is to hear of its leases; `None` when it was told of all of it.
    fn due_in(&self, node: NodeId, news: &LeaseNews, now: Duration) -> Option<Duration> {
        let told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(last) = told.get(&node) else {
            return steps(news).next().map(|_| Duration::ZERO);
        };
        let new = steps(news).any(|step| !last.leases.contains(&step));
        new.then(|| (last.at + LEASES_AGAIN).saturating_sub(now))
    }
}

/// Ends when there is news for `node`, when its time is up, or when the server stops.
///
/// # Errors
/// The database's.
pub(super) async fn for_news(
    central: &Central,
    node: NodeId,
    pull: &Pull,
) -> Result<(), CentreError> {
    let limit = Duration::from_millis(pull.wait_ms).min(WAIT_MAX);
    let begun = central.clock.now().elapsed;
    loop {
        // Before looking, so that a change just after it is heard of.
        let ear = central.news.listen();
        if central.is_stopping() {
            return Ok(());
        }
        let Some(leases) = central.centre.news(node, pull).await? else {
            return Ok(());
        };
        let now = central.clock.now().elapsed;
        let left = limit.saturating_sub(now.saturating_sub(begun));
        let due = central.told.due_in(node, &leases, now);
        let left = left.min(due.unwrap_or(Duration::MAX));
        if left.is_zero() {
            return Ok(());
        }
        let pause = async {
            Timer::after(left.min(LOOK_AGAIN)).await;
        };
        ear.heard().or(pause).await;
    }
}

/// Watches the directory for changes of other servers, for as long as the program runs.
pub(crate) async fn watch(central: Arc<Central>) {
    let mut seen = None;
    let mut failing = false;
    loop {
        Timer::after(LOOK).await;
        match central.centre.site().await {
            Ok(site) => {
                failing = false;
                let now = Some((site.generation, site.revision));
                if seen != now {
                    seen = now;
                    central.news.tell();
                }
            }
            Err(error) => {
                if !failing {
                    log::warn!(err:% = Chain(&error); "the database does not answer, trying again");
                }
                failing = true;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[test]
    fn a_box_hears_of_each_step_once_and_not_too_often() {
        let (told, node) = (Told::default(), NodeId(Uuid::from_u128(1)));
        let news = |ids: &[u128]| LeaseNews {
            recalled: ids.iter().map(|id| LeaseId(Uuid::from_u128(*id))).collect(),
            ..LeaseNews::default()
        };
        let second = Duration::from_secs;
        assert_eq!(told.due_in(node, &news(&[]), second(1)), None);
        assert_eq!(told.due_in(node, &news(&[1]), second(1)), Some(second(0)));
        told.note(node, &news(&[1]), second(1));
        assert_eq!(told.due_in(node, &news(&[1]), second(100)), None);
        let both = news(&[1, 2]);
        assert_eq!(told.due_in(node, &both, second(2)), Some(second(4)));
        assert_eq!(told.due_in(node, &both, second(9)), Some(second(0)));
        told.note(node, &both, second(9));
        assert_eq!(
            told.due_in(node, &news(&[2]), second(10)),
            None,
            "one is closed"
        );
        told.note(node, &news(&[]), second(11));
        assert_eq!(told.due_in(node, &news(&[3]), second(12)), Some(second(0)));
        assert_eq!(
            told.due_in(NodeId(Uuid::nil()), &both, second(12)),
            Some(second(0))
        );
    }
}
