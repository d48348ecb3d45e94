// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The loop of updates: looks what the other side says, does what follows from it, and restarts the
//! box at the right moment.

use std::sync::Arc;
use std::time::Duration;

use platen_model::{Chain, UpdatePhase};
use platen_policy::update::{Moment, Wish, may_restart};
use smol::future::FutureExt as _;

use super::machine::{Act, Source};
use super::{NOTE, UpdateError, Updates, orders};
use crate::health;
use crate::node::Node;

/// How often it looks while something goes on …
const BUSY: Duration = Duration::from_secs(1);
/// … and else: a stick that is put in starts an update without the daemon.
const IDLE: Duration = Duration::from_secs(5);
/// What has to be well in a release that takes over from a box that stands aside.
const EXPECTED_ASIDE: [&str; 2] = ["daemon", "disk"];
/// What becomes of an order is told in these words.
const NO_ORDER: &str = "the order to install it could not be written";
const NOBODY: &str =
    "nobody took the order to install it: does platen-install.path run on this box?";

/// Looks after updates until the task is dropped.
pub(crate) async fn run(node: Arc<Node>) {
    let mut quiet_since = node.clock.now().elapsed;
    let mut told = UpdatePhase::Idle;
    loop {
        let updates = &node.updates;
        if updates.is_on() {
            let moment = moment(&node, &mut quiet_since);
            step(&node, moment).await;
            tell(&node, &mut told);
        }
        pause(updates).await;
    }
}

async fn step(node: &Arc<Node>, moment: Moment) {
    let done = match next(&node.updates).await {
        Act::Rest => Ok(()),
        Act::Order {
            source,
            allow_older,
        } => {
            let expect = well(node).await;
            hand_over(Arc::clone(&node.updates), source, allow_older, expect).await
        }
        Act::GiveUp => give_up(&node.updates),
        Act::Note => note(&node.updates),
        Act::AskMoment(wish) => ask_moment(node, wish, moment).await,
    };
    note_failure(done);
}

fn note_failure(done: Result<(), UpdateError>) {
    if let Err(error) = done {
        log::error!(err:% = Chain(&error); "an update does not go on");
    }
}

/// Looks what the other side says, and what follows from it.
async fn next(updates: &Arc<Updates>) -> Act {
    let shared = Arc::clone(updates);
    smol::unblock(move || {
        shared.end_idle_upload();
        shared.look();
        let now = shared.clock.now().elapsed;
        shared.machine().act(now)
    })
    .await
}

/// The same where there is no box around it that could be in use.
pub(crate) async fn run_aside(updates: Arc<Updates>) {
    loop {
        if updates.is_on() {
            let done = match next(&updates).await {
                Act::Rest => Ok(()),
                Act::Order {
                    source,
                    allow_older,
                } => {
                    let expect = EXPECTED_ASIDE.map(str::to_owned).to_vec();
                    hand_over(Arc::clone(&updates), source, allow_older, expect).await
                }
                Act::GiveUp => give_up(&updates),
                Act::Note => note(&updates),
                Act::AskMoment(_) => start_anew(&updates),
            };
            note_failure(done);
        }
        pause(&updates).await;
    }
}

/// Until there may be something new.
async fn pause(updates: &Updates) {
    let pause = match updates.state().phase.is_under_way() {
        true => BUSY,
        false => IDLE,
    };
    let pause = async {
        smol::Timer::after(pause).await;
    };
    let stirred = async {
        let _ = updates.stirred.1.recv().await;
    };
    pause.or(stirred).await;
}

/// What is well now, and has to be well in the new release.
async fn well(node: &Arc<Node>) -> Vec<String> {
    let health = health::look(node).await;
    let well = health.items.into_iter().filter(|item| item.ok);
    orders::expected(well.map(|item| item.name).collect())
}

/// Asks for the installation.
async fn hand_over(
    updates: Arc<Updates>,
    source: Source,
    allow_older: bool,
    expect: Vec<String>,
) -> Result<(), UpdateError> {
    smol::unblock(move || {
        // Held, so that nobody takes the bundle back meanwhile.
        let mut machine = updates.machine();
        let now = updates.clock.now().elapsed;
        if !matches!(machine.act(now), Act::Order { .. }) {
            return Ok(());
        }
        match orders::install(&updates.orders, source, allow_older, &expect) {
            Ok(()) => {
                log::info!(source = source.keyword(); "an update is handed over to be installed");
                machine.ordered(now);
                Ok(())
            }
            Err(error) => {
                machine.failed(format!("{NO_ORDER}: {error}"));
                Err(error.into())
            }
        }
    })
    .await
}

fn give_up(updates: &Updates) -> Result<(), UpdateError> {
    let mut machine = updates.machine();
    machine.failed(NOBODY.to_owned());
    log::error!("nobody took the order to install an update");
    orders::take_back(&updates.orders)?;
    Ok(super::remove(&updates.folder.join(super::BUNDLE))?)
}

fn note(updates: &Updates) -> Result<(), UpdateError> {
    match updates.machine().note() {
        Some(note) => Ok(orders::replace(&updates.folder, NOTE, note.as_bytes())?),
        None => Ok(()),
    }
}

async fn ask_moment(node: &Arc<Node>, wish: Wish, moment: Moment) -> Result<(), UpdateError> {
    if let Err(waits) = may_restart(&wish, &moment) {
        node.updates.machine().waits(waits);
        return Ok(());
    }
    let expect = well(node).await;
    let updates = &node.updates;
    if let Err(error) = orders::expect_at_trial(&updates.folder, &expect) {
        log::warn!(err:% = error; "the new release is judged by what was well when it was installed");
    }
    // Asking the printers has taken a while.
    if node.is_printing() {
        return Ok(());
    }
    start_anew(updates)
}

fn start_anew(updates: &Updates) -> Result<(), UpdateError> {
    log::info!("the box starts anew for an update");
    let now = updates.clock.now().elapsed;
    // Whoever is told of the restart finds it ordered.
    let ordered = orders::restart(&updates.orders);
    updates.machine().restarting(now);
    Ok(ordered?)
}

/// How the box is, for the moment of its restart.
fn moment(node: &Node, quiet_since: &mut Duration) -> Moment {
    let now = node.clock.now();
    let printing = node.is_printing();
    let people = node.somebody_is_in();
    if printing || people || !node.incoming.is_empty() {
        *quiet_since = now.elapsed;
    }
    Moment {
        printing,
        people,
        quiet: now.elapsed.saturating_sub(*quiet_since),
        unix_ms: now.trusted.then_some(now.unix_ms),
    }
}

/// Tells the log and the panel what has changed.
fn tell(node: &Node, told: &mut UpdatePhase) {
    let state = node.updates.state();
    let restarting = node.updates.machine().is_restarting();
    let notice = match state.phase {
        _ if restarting => Some(node.panel.restart_words()),
        UpdatePhase::FellBack => Some(node.panel.fell_back_words()),
        _ => None,
    };
    node.panel.notice_update(notice);
    if state.phase == *told {
        return;
    }
    *told = state.phase;
    let (version, from, reason) = (&state.version, &state.from, &state.reason);
    match state.phase {
        UpdatePhase::FellBack => {
            log::error!(version, from, reason; "the box fell back from an update");
        }
        UpdatePhase::Refused | UpdatePhase::Failed => {
            log::error!(version, reason; "an update was not installed");
        }
        phase => log::info!(phase:?, version, from; "update"),
    }
}
