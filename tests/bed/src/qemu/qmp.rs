// SPDX-License-Identifier: Apache-2.0 OR MIT
//! QEMU's own control socket (QMP): the hands outside the guest, such as the ones on a keyboard.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};

use crate::process::BedError;
use crate::wait;

/// How long QEMU may take for an answer.
const LIMIT: Duration = Duration::from_secs(20);

/// The connection, negotiated.
#[derive(Debug)]
pub struct Qmp {
    stream: BufReader<UnixStream>,
    events: Vec<Value>,
}

impl Qmp {
    /// Connects as soon as QEMU has made its socket.
    pub(super) fn connect(socket: &Path) -> Result<Self, BedError> {
        let stream = connect(socket)?;
        let mut qmp = Self {
            stream: BufReader::new(stream),
            events: Vec::new(),
        };
        qmp.line()?; // the greeting
        qmp.ask("qmp_capabilities", json!({}))?;
        Ok(qmp)
    }

    /// Gives a command and returns its answer; events that come meanwhile are kept.
    ///
    /// # Errors
    /// [`BedError::Answer`] for a refusal, [`BedError::Io`] when QEMU has gone.
    pub fn ask(&mut self, command: &str, arguments: Value) -> Result<Value, BedError> {
        let text = json!({ "execute": command, "arguments": arguments }).to_string();
        writeln!(self.stream.get_mut(), "{text}").map_err(BedError::io("speak with QEMU"))?;
        loop {
            let mut answer = self.line()?;
            if answer.get("event").is_some() {
                self.events.push(answer);
            } else if let Some(result) = answer.get_mut("return") {
                return Ok(result.take());
            } else {
                return Err(BedError::Answer {
                    from: format!("QEMU, asked to {command},"),
                    answer: answer.to_string(),
                });
            }
        }
    }

    /// Presses and releases one key of the guest's keyboard, by QEMU's name for it.
    ///
    /// # Errors
    /// As [`Qmp::ask`].
    pub fn press(&mut self, key: &str) -> Result<(), BedError> {
        let keys = json!([{ "type": "qcode", "data": key }]);
        self.ask("send-key", json!({ "keys": keys, "hold-time": 50 }))
            .map(drop)
    }

    fn line(&mut self) -> Result<Value, BedError> {
        let mut line = String::new();
        self.stream
            .read_line(&mut line)
            .map_err(BedError::io("hear from QEMU"))?;
        serde_json::from_str(&line).map_err(|_| BedError::Answer {
            from: "QEMU".to_owned(),
            answer: line.chars().take(300).collect(),
        })
    }
}

/// Connects to a socket of QEMU's; waits until it is there.
pub(super) fn connect(socket: &Path) -> Result<UnixStream, BedError> {
    let what = format!("{} to be there", socket.display());
    let stream = wait::until(&what, LIMIT, || Ok(UnixStream::connect(socket).ok()))?;
    stream
        .set_read_timeout(Some(LIMIT))
        .map_err(BedError::io("limit a wait for QEMU"))?;
    Ok(stream)
}
