// SPDX-License-Identifier: Apache-2.0 OR MIT
//! How a pull waits: for a change that this server made, which wakes it at once, or for one that
//! another server on the same database made, which the watcher sees within a second.

use std::sync::Arc;
use std::time::Duration;

use platen_central::app::CentreError;
use platen_model::{Chain, NodeId};
use platen_sync::message::Pull;
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
        if central.is_stopping() || central.centre.news(node, pull).await? {
            return Ok(());
        }
        let waited = central.clock.now().elapsed.saturating_sub(begun);
        let left = limit.saturating_sub(waited);
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
