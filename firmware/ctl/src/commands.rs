// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Commands that ask the daemon.

use std::path::Path;
use std::time::Duration;

use platen_model::local::{
    CentreStatus, DeviceKeyFacts, Explained, FingerEnrol, FingerProgress, ImportReport, JobEntry,
    PhoneCodeShown, Simulated, Status, Tap, TapResult, VerifyReport,
};
use platen_net::{LocalClient, LocalError};
use platen_wire::form::encode;
use serde::Serialize;
use serde::de::DeserializeOwned;
use smol::Timer;
use thiserror::Error;

use crate::Done;
use crate::args::{Call, Command, Question};
use crate::show;

/// How often a command that waits looks again.
const LOOK_AGAIN: Duration = Duration::from_millis(500);

/// Why a command failed.
#[derive(Debug, Error)]
#[non_exhaustive]
pub(crate) enum CommandError {
    #[error(transparent)]
    Local(#[from] LocalError),
    #[error("can't read {path}: {source}")]
    Read {
        path: String,
        source: std::io::Error,
    },
    #[error("can't run {program}, which tries the parts: {source}")]
    Program {
        program: &'static str,
        source: std::io::Error,
    },
    #[error("the installation did not say how it ended; 'platenctl update --status' may know")]
    Unended,
    #[error("the parts were not tried: {0}")]
    Board(String),
    #[error(
        "this box has no centre: set url = \"https://host:8445\" under [centre] in node.toml and \
         start platend again"
    )]
    NoCentre,
}

impl CommandError {
    pub(crate) fn exit_status(&self) -> u8 {
        match self {
            Self::Local(error) if error.is_unreachable() => 3,
            _ => 1,
        }
    }
}

type Outcome = Result<Done, CommandError>;

/// Runs a command that needs the daemon.
pub(crate) fn run(command: &Command, call: &Call) -> Outcome {
    let client = LocalClient::new(&call.socket);
    smol::block_on(async {
        match command {
            Command::Status => {
                let status: Status = client.get("/v1/status").await?;
                tell(call, &status, show::status)
            }
            Command::Phone => {
                let code: PhoneCodeShown = client.get("/v1/phone-code").await?;
                tell(call, &code, show::phone)
            }
            Command::Enrol => enrol(&client, call).await,
            Command::Leave => {
                let status: CentreStatus = ask(&client, "/v1/centre/leave").await?;
                tell(call, &status, |_| {
                    println!("this box is part of no site now")
                })
            }
            Command::Jobs { all } => jobs(&client, call, *all).await,
            Command::Tap { uid } => {
                let result: TapResult = client.post("/v1/tap", &Tap { uid: uid.clone() }).await?;
                tell(call, &result, show::tap)
            }
            Command::Simulate { line } => {
                let line = line.clone().into_bytes();
                let answer: Simulated = client.post_bytes("/v1/sim", "text/plain", line).await?;
                tell(call, &answer, |answer| {
                    println!("{}", answer.text.trim_end())
                })
            }
            Command::Explain(question) => explain(&client, call, question).await,
            Command::Approve { numbers } => approve(&client, numbers).await,
            Command::EnrolFinger { user, sensor } => enrol_finger(&client, user, sensor).await,
            Command::Cancel { numbers } => cancel(&client, numbers).await,
            Command::ImportUsers { file } => import(&client, call, file).await,
            Command::Journal { from } => journal(&client, *from).await,
            Command::Verify => verify(&client, call).await,
            Command::Ring { device } => {
                let ring: serde_json::Value = client.get(&format!("/v1/ring/{device}")).await?;
                for line in ring.as_array().into_iter().flatten() {
                    show::json(line);
                }
                Ok(Done::Well)
            }
            Command::ImportKeys { file } => import_keys(&client, call, file).await,
            Command::ShowKeys => {
                let facts: DeviceKeyFacts = client.get("/v1/device-keys").await?;
                tell(call, &facts, show::keys)
            }
            Command::Central(_)
            | Command::Help
            | Command::Version
            | Command::Health(_)
            | Command::Update(_)
            | Command::Reboot { .. }
            | Command::FactoryReset { .. }
            | Command::Count { .. }
            | Command::CheckBoard { .. } => Ok(Done::Well),
        }
    })
}

fn tell<T: Serialize>(call: &Call, answer: &T, as_text: impl Fn(&T)) -> Outcome {
    if call.json {
        show::json(answer);
    } else {
        as_text(answer);
    }
    Ok(Done::Well)
}

/// Shows each code until the box is part of a site.
async fn enrol(client: &LocalClient, call: &Call) -> Outcome {
    let mut shown = None;
    loop {
        let status: Status = client.get("/v1/status").await?;
        let centre = status.centre;
        if centre.url.is_none() {
            return Err(CommandError::NoCentre);
        }
        if centre.site.is_some() {
            return tell(call, &centre, show::centre);
        }
        let now = (centre.code.clone(), centre.last_error.clone());
        if shown.as_ref() != Some(&now) {
            tell(call, &centre, show::centre)?;
            shown = Some(now);
        }
        Timer::after(LOOK_AGAIN).await;
    }
}

async fn jobs(client: &LocalClient, call: &Call, all: bool) -> Outcome {
    let mut jobs = pages(client, "/v1/jobs", |last| last.checked_add(1)).await?;
    if all {
        jobs.extend(pages(client, "/v1/jobs/ended", |last| last.checked_sub(1)).await?);
    }
    if call.json {
        jobs.iter().for_each(show::json);
    } else {
        show::jobs(&jobs);
    }
    Ok(Done::Well)
}

/// Every page of a list of jobs; `next` gives the number that the next page begins with.
async fn pages(
    client: &LocalClient,
    path: &str,
    next: impl Fn(u32) -> Option<u32>,
) -> Result<Vec<JobEntry>, CommandError> {
    let mut jobs: Vec<JobEntry> = client.get(path).await?;
    let mut last = jobs.last().map(|job| job.number.0);
    while let Some(first) = last.and_then(&next) {
        let page: Vec<JobEntry> = client.get(&format!("{path}/from/{first}")).await?;
        last = page.last().map(|job| job.number.0);
        jobs.extend(page);
    }
    Ok(jobs)
}

async fn cancel(client: &LocalClient, numbers: &[u32]) -> Outcome {
    let mut done = Done::Well;
    for number in numbers {
        match ask::<serde_json::Value>(client, &format!("/v1/jobs/{number}/cancel")).await {
            Ok(_) => println!("deleted job {number}"),
            Err(error) if error.is_unreachable() => return Err(error.into()),
            Err(error) => {
                eprintln!("job {number}: {error}");
                done = Done::WithFaults;
            }
        }
    }
    Ok(done)
}

async fn explain(client: &LocalClient, call: &Call, question: &Question) -> Outcome {
    let fields = [("user", &question.user), ("printer", &question.printer)];
    let fields = fields.iter().filter_map(|(name, value)| {
        let value = value.as_deref()?;
        Some(format!("{name}={}", encode(value)))
    });
    let query = fields.collect::<Vec<_>>().join("&");
    let path = format!("/v1/jobs/{}/explain?{query}", question.job);
    let explained: Explained = client.get(&path).await?;
    tell(call, &explained, show::explained)
}

async fn approve(client: &LocalClient, numbers: &[u32]) -> Outcome {
    let mut done = Done::Well;
    for number in numbers {
        match ask::<serde_json::Value>(client, &format!("/v1/jobs/{number}/approve")).await {
            Ok(_) => println!("approved job {number}; its owner's next tap releases it"),
            Err(error) if error.is_unreachable() => return Err(error.into()),
            Err(error) => {
                eprintln!("job {number}: {error}");
                done = Done::WithFaults;
            }
        }
    }
    Ok(done)
}

/// Takes a finger, and tells each step as the sensor does.
async fn enrol_finger(client: &LocalClient, user: &str, sensor: &str) -> Outcome {
    let asked = FingerEnrol {
        user: user.to_owned(),
        sensor: sensor.to_owned(),
    };
    let mut told = String::new();
    let mut progress: FingerProgress = client.post("/v1/fingers/enrol", &asked).await?;
    loop {
        if progress.text != told {
            println!("{}", progress.text);
            told.clone_from(&progress.text);
        }
        if progress.ended {
            let done = if progress.stored {
                Done::Well
            } else {
                Done::WithFaults
            };
            return Ok(done);
        }
        Timer::after(LOOK_AGAIN).await;
        progress = client.get("/v1/fingers/enrolment").await?;
    }
}

async fn ask<T: DeserializeOwned>(client: &LocalClient, path: &str) -> Result<T, LocalError> {
    client.post(path, &serde_json::Value::Null).await
}

async fn import_keys(client: &LocalClient, call: &Call, file: &Path) -> Outcome {
    let toml = std::fs::read(file).map_err(|source| CommandError::Read {
        path: file.display().to_string(),
        source,
    })?;
    let facts: DeviceKeyFacts = client
        .post_bytes("/v1/device-keys/import", "application/toml", toml)
        .await?;
    tell(call, &facts, show::keys)
}

async fn import(client: &LocalClient, call: &Call, file: &Path) -> Outcome {
    let csv = std::fs::read(file).map_err(|source| CommandError::Read {
        path: file.display().to_string(),
        source,
    })?;
    let report: ImportReport = client
        .post_bytes("/v1/users/import", "text/csv", csv)
        .await?;
    tell(call, &report, show::import)?;
    Ok(if report.errors.is_empty() {
        Done::Well
    } else {
        Done::WithFaults
    })
}

/// All entries, page after page.
async fn journal(client: &LocalClient, mut from: u64) -> Outcome {
    loop {
        let page: Vec<serde_json::Value> = client.get(&format!("/v1/journal/{from}")).await?;
        page.iter().for_each(show::json);
        let last = page.last().and_then(|entry| entry["sequence"].as_u64());
        match last.and_then(|last| last.checked_add(1)) {
            Some(next) => from = next,
            None => return Ok(Done::Well),
        }
    }
}

async fn verify(client: &LocalClient, call: &Call) -> Outcome {
    let report: VerifyReport = client.get("/v1/verify").await?;
    tell(call, &report, show::verify)?;
    Ok(if report.faults.is_empty() {
        Done::Well
    } else {
        Done::WithFaults
    })
}
