// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `platenctl update`, `reboot` and `reset --factory`: what an administrator does with a box that runs
//! from an image.

use std::fs::File;
use std::io::{self, BufRead as _, Read, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use platen_model::UpdatePhase;
use platen_model::local::{
    FactoryReset, Reboot, Status, UpdateBegin, UpdateBegun, UpdateEnd, UpdateStatus,
};
use platen_net::{LocalClient, LocalError};
use ring::digest::{Context, SHA256};

use crate::Done;
use crate::args::Call;
use crate::commands::CommandError;
use crate::show::{complain, json, line};

/// Pause between two looks at an installation.
const LOOK_AGAIN: Duration = Duration::from_millis(500);
/// Looks after which an installation that does not end is left alone: half an hour.
const LOOKS_MAX: u32 = 3600;
/// Progress is told in steps of so many percent.
const STEP: u8 = 10;
/// Longest piece that is sent, whatever the daemon takes.
const PIECE_MAX: u64 = 1 << 20;

/// What is asked.
#[derive(Debug, Eq, PartialEq)]
pub(crate) enum UpdateWish {
    Install {
        file: PathBuf,
        now: bool,
        allow_older: bool,
    },
    Status,
    Cancel,
}

type Outcome = Result<Done, CommandError>;

/// Does it, and tells how it goes.
pub(crate) fn run(wish: &UpdateWish, call: &Call) -> Outcome {
    let client = LocalClient::new(&call.socket);
    smol::block_on(async {
        match wish {
            UpdateWish::Install {
                file,
                now,
                allow_older,
            } => {
                let teller = &mut Teller::new(call.json);
                let begin = UpdateBegin {
                    size: 0,
                    now: *now,
                    allow_older: *allow_older,
                };
                send(&client, file, begin, teller).await?;
                follow(&client, teller).await
            }
            UpdateWish::Status => {
                let status = client.get("/v1/update").await?;
                tell(&status, call.json);
                Ok(Done::Well)
            }
            UpdateWish::Cancel => {
                let status: UpdateStatus = client.post("/v1/update/cancel", &()).await?;
                tell(&status, call.json);
                Ok(Done::Well)
            }
        }
    })
}

async fn send(
    client: &LocalClient,
    path: &Path,
    begin: UpdateBegin,
    teller: &mut Teller,
) -> Result<(), CommandError> {
    let unread = |source| CommandError::Read {
        path: path.display().to_string(),
        source,
    };
    let mut file = File::open(path).map_err(unread)?;
    let size = file.metadata().map_err(unread)?.len();
    let begin = UpdateBegin { size, ..begin };
    let begun: UpdateBegun = client.post("/v1/update", &begin).await?;
    let below = format!("/v1/update/{}", begun.upload);
    let piece = begun.piece.clamp(1, PIECE_MAX);
    let (mut hash, mut offset) = (Context::new(&SHA256), 0_u64);
    loop {
        let mut bytes = Vec::new();
        let read = Read::by_ref(&mut file).take(piece).read_to_end(&mut bytes);
        if read.map_err(unread)? == 0 {
            break;
        }
        hash.update(&bytes);
        let length = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        let target = format!("{below}/at/{offset}");
        let kind = "application/octet-stream";
        let status: UpdateStatus = client.post_bytes(&target, kind, bytes).await?;
        offset = offset.saturating_add(length);
        teller.tell(&status);
    }
    let sum = hash.finish();
    let sha256 = sum.as_ref().iter().map(|b| format!("{b:02x}")).collect();
    let end = UpdateEnd { sha256 };
    let status: UpdateStatus = client.post(&format!("{below}/end"), &end).await?;
    teller.tell(&status);
    Ok(())
}

/// Tells of the installation until it has ended; the restart is the box's own business.
async fn follow(client: &LocalClient, teller: &mut Teller) -> Outcome {
    let mut was_installed = false;
    for _ in 0..LOOKS_MAX {
        let status: UpdateStatus = match client.get("/v1/update").await {
            Ok(status) => status,
            // The daemon ends with the restart.
            Err(LocalError::Unreachable { .. } | LocalError::Broken(_)) if was_installed => {
                return Ok(Done::Well);
            }
            Err(error) => return Err(error.into()),
        };
        teller.tell(&status);
        was_installed = status.phase == UpdatePhase::Installed;
        let waits = status.waits.is_some() || !status.reason.is_empty();
        match status.phase {
            phase if phase.is_failure() => return Ok(Done::WithFaults),
            UpdatePhase::Installed if waits => return Ok(Done::Well),
            phase if phase.is_under_way() => {}
            _ => return Ok(Done::Well),
        }
        smol::Timer::after(LOOK_AGAIN).await;
    }
    Err(CommandError::Unended)
}

/// Tells each step once.
struct Teller {
    json: bool,
    told: Option<(UpdatePhase, u8, bool)>,
}

impl Teller {
    fn new(json: bool) -> Self {
        Self { json, told: None }
    }

    fn tell(&mut self, status: &UpdateStatus) {
        let step = status.percent / STEP;
        let waits = status.waits.is_some() || !status.reason.is_empty();
        let now = Some((status.phase, step, waits));
        if self.told != now {
            tell(status, self.json);
            self.told = now;
        }
    }
}

fn tell(status: &UpdateStatus, as_json: bool) {
    if as_json {
        json(status);
        return;
    }
    match status.phase.is_failure() {
        true => complain!("{}", words(status)),
        false => line!("{}", words(status)),
    }
}

/// How an update stands, in one line.
fn words(status: &UpdateStatus) -> String {
    let UpdateStatus {
        version,
        from,
        percent,
        ..
    } = status;
    let version = match version.is_empty() {
        true => "the release".to_owned(),
        false => version.clone(),
    };
    let slot = status.slot.as_ref();
    let running = slot.map_or_else(
        || status.running.clone(),
        |slot| format!("{} (slot {slot})", status.running),
    );
    let mut words = match status.phase {
        _ if !status.on => format!("{running} runs; this box takes no updates"),
        UpdatePhase::Idle => format!("{running} runs; no update is under way"),
        UpdatePhase::Fetching => format!("the bundle comes: {percent} %"),
        UpdatePhase::Checking => format!("{version} is being checked"),
        UpdatePhase::Installing => format!("{version} is being installed: {percent} %"),
        UpdatePhase::Installed => {
            format!("{version} is installed and starts with the next restart")
        }
        UpdatePhase::Trial => format!("{version} runs on trial"),
        UpdatePhase::Good => format!("{version} runs and is good"),
        UpdatePhase::FellBack => format!("{version} did not work: the box fell back to {from}"),
        UpdatePhase::Refused => format!("{version} was refused"),
        UpdatePhase::Failed => format!("{version} was not installed"),
        _ => "the update is in a state that this program does not know".to_owned(),
    };
    if !status.reason.is_empty() {
        words = format!("{words}: {}", status.reason);
    }
    if let Some(waits) = &status.waits {
        words = format!("{words}; it waits {waits}");
    }
    words
}

/// Starts the box anew.
pub(crate) fn reboot(now: bool, call: &Call) -> Outcome {
    let client = LocalClient::new(&call.socket);
    let wish = Reboot { now };
    let asked = client.post::<_, UpdateStatus>("/v1/reboot", &wish);
    smol::block_on(asked)?;
    line!("the box starts anew");
    Ok(Done::Well)
}

/// Has everything on the box erased, once its name is typed.
pub(crate) fn factory_reset(yes: bool, call: &Call) -> Outcome {
    let client = LocalClient::new(&call.socket);
    let status: Status = smol::block_on(client.get("/v1/status"))?;
    let name = match yes {
        true => status.name,
        false => typed(&status).map_err(|source| CommandError::Read {
            path: "the answer".to_owned(),
            source,
        })?,
    };
    let wish = FactoryReset { name };
    let asked = client.post::<_, UpdateStatus>("/v1/factory-reset", &wish);
    smol::block_on(asked)?;
    line!("everything on the box is erased, and it starts as on its first day");
    Ok(Done::Well)
}

fn typed(status: &Status) -> io::Result<String> {
    line!(
        "This erases everything on the box '{}': {} held jobs, its journal, its keys, its place in \
         its site. Type the box's name to go on:",
        status.name,
        status.held_jobs
    );
    io::stdout().flush()?;
    let mut typed = String::new();
    io::stdin().lock().read_line(&mut typed)?;
    Ok(typed.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn how_an_update_stands_is_one_line() {
        let mut status = UpdateStatus {
            on: true,
            running: "1.2.2".to_owned(),
            slot: Some("A".to_owned()),
            ..UpdateStatus::default()
        };
        assert_eq!(
            words(&status),
            "1.2.2 (slot A) runs; no update is under way"
        );
        (status.version, status.from) = ("1.2.3".to_owned(), "1.2.2".to_owned());
        (status.phase, status.percent) = (UpdatePhase::Installing, 40);
        assert_eq!(words(&status), "1.2.3 is being installed: 40 %");
        status.phase = UpdatePhase::Installed;
        status.waits = Some("for the maintenance window".to_owned());
        assert!(words(&status).ends_with("; it waits for the maintenance window"));
        (status.phase, status.waits) = (UpdatePhase::FellBack, None);
        status.reason = "device door is not well".to_owned();
        assert_eq!(
            words(&status),
            "1.2.3 did not work: the box fell back to 1.2.2: device door is not well"
        );
        status.on = false;
        assert!(words(&status).contains("takes no updates"));
    }
}
