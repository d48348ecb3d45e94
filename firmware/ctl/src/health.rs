// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `platenctl health`: whether the box does what it is for, now or within a wait. A new release of the
//! image is judged by its exit status.

use std::time::Duration;

use platen_model::Clock as _;
use platen_model::local::{Health, HealthItem};
use platen_net::{LocalClient, LocalError};
use platen_service::SystemClock;

use crate::Done;
use crate::args::Call;
use crate::commands::CommandError;
use crate::show::{complain, json, line};

/// Items that have to be well when none are named.
const USUAL: [&str; 2] = ["daemon", "disk"];
/// Pause between two looks.
const LOOK_AGAIN: Duration = Duration::from_secs(1);
/// Longest time that one answer may take: printers are asked for 2.5 s.
const ANSWER: Duration = Duration::from_secs(10);

/// What is asked.
#[derive(Debug, Default)]
pub(crate) struct HealthWish {
    /// How long to wait for everything to be well.
    pub(crate) wait: Duration,
    /// Items that have to be well; none: the usual ones.
    pub(crate) expect: Vec<String>,
}

/// Looks until all is well, or the wait is over.
pub(crate) fn run(wish: &HealthWish, call: &Call) -> Result<Done, CommandError> {
    let clock = SystemClock::start();
    let client = LocalClient::new(&call.socket).with_limit(ANSWER);
    smol::block_on(async {
        loop {
            let asked: Result<Health, LocalError> = client.get("/v1/health").await;
            let over = clock.now().elapsed >= wish.wait;
            match asked {
                Ok(health) => {
                    let failing = failing(&health, &wish.expect);
                    if failing.is_empty() || over {
                        tell(&health, &failing, call.json);
                        return Ok(match failing.is_empty() {
                            true => Done::Well,
                            false => Done::WithFaults,
                        });
                    }
                }
                Err(error) if over => return Err(error.into()),
                Err(_) => {}
            }
            smol::Timer::after(LOOK_AGAIN).await;
        }
    })
}

/// The items that have to be well and are not.
fn failing(health: &Health, expect: &[String]) -> Vec<HealthItem> {
    let usual = || USUAL.map(str::to_owned).to_vec();
    let wanted = match expect.is_empty() {
        true => usual(),
        false => expect.to_vec(),
    };
    let found = wanted.into_iter().map(|name| {
        let item = health.items.iter().find(|item| item.name == name);
        item.cloned().unwrap_or_else(|| HealthItem {
            name,
            ok: false,
            text: "is not there".to_owned(),
        })
    });
    found.filter(|item| !item.ok).collect()
}

fn tell(health: &Health, failing: &[HealthItem], as_json: bool) {
    if as_json {
        json(health);
    } else {
        let slot = health.slot.as_ref();
        let slot = slot.map_or_else(String::new, |slot| format!(" · slot {slot}"));
        line!("version {}{slot}", health.version);
        for item in &health.items {
            let mark = if item.ok { "ok  " } else { "FAIL" };
            line!("{mark}  {:<24} {}", item.name, item.text);
        }
    }
    for item in failing {
        complain!("not well: {}: {}", item.name, item.text);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(name: &str, ok: bool) -> HealthItem {
        HealthItem {
            name: name.to_owned(),
            ok,
            text: String::new(),
        }
    }

    fn names(health: &Health, expect: &[&str]) -> Vec<String> {
        let expect: Vec<_> = expect.iter().map(|name| (*name).to_owned()).collect();
        let failing = failing(health, &expect).into_iter();
        failing.map(|item| item.name).collect()
    }

    #[test]
    fn what_is_expected_has_to_be_well_and_else_daemon_and_disk() {
        let health = Health {
            version: "1.2.3".to_owned(),
            slot: None,
            items: vec![
                item("daemon", true),
                item("disk", true),
                item("device door", false),
                item("printer hall", true),
            ],
        };
        assert!(names(&health, &[]).is_empty());
        assert!(names(&health, &["printer hall"]).is_empty());
        assert_eq!(names(&health, &["disk", "device door"]), ["device door"]);
        assert_eq!(
            names(&health, &["device gone", "daemon"]),
            ["device gone"],
            "an item that is not there any more is not well"
        );
    }
}
