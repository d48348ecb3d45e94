// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The control socket: one command a line, one answer a line. `ok`, a line of JSON, or
//! `error REASON`. The commands stand in `--help` of the binary.

use std::fs;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::Arc;
use std::thread;

use super::Condition;
use super::device::Device;
use super::snmp::Manner;

/// Longest command line, bytes.
const LINE_LIMIT: u64 = 1024;

/// Opens the socket; one left behind by an ended program is replaced.
pub(super) fn open(path: &Path) -> io::Result<UnixListener> {
    if UnixStream::connect(path).is_ok() {
        return Err(io::ErrorKind::AddrInUse.into());
    }
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    UnixListener::bind(path)
}

/// Serves commands until the program ends.
pub(super) fn serve(listener: &UnixListener, device: &Arc<Device>) {
    for stream in listener.incoming().flatten() {
        let device = device.clone();
        // A client that cannot get a thread sees its connection closed.
        let _ = thread::Builder::new()
            .name("command".to_owned())
            .spawn(move || converse(&stream, &device));
    }
}

fn converse(stream: &UnixStream, device: &Device) -> io::Result<()> {
    let mut reader = BufReader::new(stream);
    loop {
        let mut line = String::new();
        if reader.by_ref().take(LINE_LIMIT).read_line(&mut line)? == 0 {
            return Ok(());
        }
        let answer = carry_out(line.trim(), device);
        let mut writer = stream;
        writer.write_all(format!("{answer}\n").as_bytes())?;
    }
}

fn carry_out(line: &str, device: &Device) -> String {
    let mut words = line.split_whitespace();
    let command = words.next().unwrap_or_default();
    let after = match words.next().map(str::parse::<u64>) {
        None => 0,
        Some(Ok(after)) => after,
        Some(Err(_)) => return "error a number is wanted".to_owned(),
    };
    let set = |condition| {
        device.set_condition(condition, after);
        "ok".to_owned()
    };
    match command {
        "life" | "unit" | "toner" | "bits" => match device.set_fact(command, after) {
            true => "ok".to_owned(),
            false => "error the number is too large".to_owned(),
        },
        "agent-good" => agent(device, Manner::Good),
        "agent-silent" => agent(device, Manner::Silent),
        "agent-garbage" => agent(device, Manner::Garbage),
        "jam" => set(Condition::Jam),
        "paper-out" => set(Condition::PaperOut),
        "cover-open" => set(Condition::CoverOpen),
        "stall" => set(Condition::Stall),
        "clear" => {
            device.set_condition(Condition::Ready, 0);
            plug(device, true)
        }
        "unplug" => plug(device, false),
        "plug" => plug(device, true),
        "status" => json(&device.status()),
        "jobs" => json(&device.jobs()),
        _ => format!("error unknown command `{command}`"),
    }
}

fn agent(device: &Device, manner: Manner) -> String {
    device.set_agent(manner);
    "ok".to_owned()
}

fn plug(device: &Device, plugged: bool) -> String {
    if device.set_plugged(plugged) {
        "ok".to_owned()
    } else {
        "error the port is taken or a connection does not end".to_owned()
    }
}

fn json<T: serde::Serialize>(value: &T) -> String {
    serde_json::to_string(value).unwrap_or_else(|error| format!("error {error}"))
}
