// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `platenctl board check`: which parts of the box answer. A running daemon has the parts, so it is
//! asked; else, or for a file that is named, `platend --check-board` tries them.

use std::path::{Path, PathBuf};
use std::process::Command;

use platen_model::local::{DeviceStatus, PartFinding, Status};
use platen_net::{LocalClient, LocalError};

use crate::Done;
use crate::args::Call;
use crate::commands::CommandError;
use crate::show;

/// Where a box has its board file.
const USUAL_FILE: &str = "/etc/platen/board.toml";
const DAEMON: &str = "platend";

/// Tells of each part; with faults when one does not answer.
pub(crate) fn check(file: Option<&Path>, call: &Call) -> Result<Done, CommandError> {
    let (findings, source) = match file {
        Some(file) => (tried(file)?, format!("tried by {}", file.display())),
        None => match asked(call) {
            Ok(findings) => (findings, "as the running daemon has them".to_owned()),
            Err(error) if error.is_unreachable() => {
                let file = Path::new(USUAL_FILE);
                (
                    tried(file)?,
                    format!("no daemon runs; tried by {USUAL_FILE}"),
                )
            }
            Err(error) => return Err(error.into()),
        },
    };
    if call.json {
        findings.iter().for_each(show::json);
    } else {
        println!("{source}");
        findings.iter().for_each(print);
    }
    if findings.iter().all(|finding| finding.answers) {
        Ok(Done::Well)
    } else {
        Ok(Done::WithFaults)
    }
}

fn asked(call: &Call) -> Result<Vec<PartFinding>, LocalError> {
    let client = LocalClient::new(&call.socket);
    let status: Status = smol::block_on(client.get("/v1/status"))?;
    Ok(status.devices.into_iter().map(finding).collect())
}

fn finding(device: DeviceStatus) -> PartFinding {
    PartFinding {
        answers: device.state != "gone",
        text: device.cause.unwrap_or(device.state),
        name: device.name,
        part: device.part,
        place: device.place,
    }
}

/// Has the daemon's program try the parts.
fn tried(file: &Path) -> Result<Vec<PartFinding>, CommandError> {
    let output = Command::new(daemon())
        .arg("--check-board")
        .arg(file)
        .output()
        .map_err(|source| CommandError::Program {
            program: DAEMON,
            source,
        })?;
    let lines = String::from_utf8_lossy(&output.stdout);
    let findings: Result<Vec<PartFinding>, _> = lines.lines().map(serde_json::from_str).collect();
    match findings {
        Ok(findings) if output.status.success() || !findings.is_empty() => Ok(findings),
        _ => {
            let told = String::from_utf8_lossy(&output.stderr).trim().to_owned();
            Err(CommandError::Board(told))
        }
    }
}

/// The one that was installed together with this program, else the one in the path.
fn daemon() -> PathBuf {
    let beside = std::env::current_exe().ok();
    let beside = beside.map(|program| program.with_file_name(DAEMON));
    beside
        .filter(|program| program.is_file())
        .unwrap_or_else(|| DAEMON.into())
}

fn print(finding: &PartFinding) {
    let mark = if finding.answers { "ok  " } else { "FAIL" };
    println!(
        "{mark}  {:<12} {:<9} {:<34} {}",
        finding.name, finding.part, finding.place, finding.text
    );
}
