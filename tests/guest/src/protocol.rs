// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What the bed asks of a guest and what it hears. Both directions: a line of JSON, then as many
//! bytes as the line announces. One question at a time.

use std::io::{self, BufRead, Read, Write};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// Name of the virtio port that carries it.
pub const PORT: &str = "platen.agent";
/// Name of the port at which an image's first program waits: another one, as what is sent to a port that
/// is just being closed is lost.
pub const START_PORT: &str = "platen.start";
/// Longest line, in bytes.
const LINE_MAX: u64 = 64 * 1024;
/// Most bytes behind a line.
const BODY_MAX: usize = 64 << 20;

/// A question.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Request {
    /// Runs a program to its end. The body of the answer is its standard output.
    Run {
        /// The program and its arguments.
        argv: Vec<String>,
        /// When it is killed, in milliseconds.
        limit_ms: u64,
    },
    /// Runs a program again and again until its output contains `text`.
    Await {
        /// The program and its arguments.
        argv: Vec<String>,
        /// What is waited for.
        text: String,
        /// When the waiting ends, in milliseconds.
        limit_ms: u64,
    },
    /// Starts a program whose output goes to `/run/log/NAME`.
    Start {
        /// What it is called from now on.
        name: String,
        /// The program and its arguments.
        argv: Vec<String>,
    },
    /// Ends a program in order, or at once.
    Stop {
        /// Its name.
        name: String,
        /// Kill instead of asking: a power cut.
        kill: bool,
    },
    /// Reads a file: it is the body of the answer.
    Read {
        /// The file.
        path: String,
    },
    /// Writes the body of the question into a file.
    Write {
        /// The file.
        path: String,
    },
    /// Ends the guest.
    PowerOff,
    /// Goes on with the start of the image, which waits for it.
    Proceed {
        /// The time of day.
        unix_ms: u64,
        /// The kernel's command line as the system is to see it.
        words: String,
    },
}

/// An answer.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct Reply {
    /// Why it could not be done.
    pub error: Option<String>,
    /// Exit status of a program; 128 and more for the signal that ended it.
    pub status: Option<i32>,
    /// What a program wrote on standard error, cut.
    pub messages: String,
    /// How long it took by the guest's clock, in milliseconds.
    pub elapsed_ms: u64,
}

#[derive(Deserialize, Serialize)]
struct Head<T> {
    body: usize,
    #[serde(flatten)]
    message: T,
}

#[derive(Deserialize, Serialize)]
struct Asked {
    ask: Request,
}

/// Sends a question.
///
/// # Errors
/// The wire's own.
pub fn send_request(wire: impl Write, ask: &Request, body: &[u8]) -> io::Result<()> {
    send(wire, &Asked { ask: ask.clone() }, body)
}

/// Takes a question and its body; `None` when the other side has gone.
///
/// # Errors
/// The wire's own, or `InvalidData` for what is no question.
pub fn take_request(wire: impl BufRead) -> io::Result<Option<(Request, Vec<u8>)>> {
    let taken = take::<Asked>(wire)?;
    Ok(taken.map(|(asked, body)| (asked.ask, body)))
}

/// Sends an answer.
///
/// # Errors
/// The wire's own.
pub fn send_reply(wire: impl Write, reply: &Reply, body: &[u8]) -> io::Result<()> {
    send(wire, reply, body)
}

/// Takes an answer and its body; `None` when the other side has gone.
///
/// # Errors
/// The wire's own, or `InvalidData` for what is no answer.
pub fn take_reply(wire: impl BufRead) -> io::Result<Option<(Reply, Vec<u8>)>> {
    take(wire)
}

fn send<T: Serialize>(mut wire: impl Write, message: &T, body: &[u8]) -> io::Result<()> {
    let head = Head {
        body: body.len(),
        message,
    };
    let mut bytes = serde_json::to_vec(&head)?;
    bytes.push(b'\n');
    bytes.extend_from_slice(body);
    wire.write_all(&bytes)?;
    wire.flush()
}

fn take<T: DeserializeOwned>(mut wire: impl BufRead) -> io::Result<Option<(T, Vec<u8>)>> {
    let mut line = Vec::new();
    wire.by_ref().take(LINE_MAX).read_until(b'\n', &mut line)?;
    if line.is_empty() {
        return Ok(None);
    }
    let head: Head<T> = serde_json::from_slice(&line)?;
    if head.body > BODY_MAX {
        return Err(io::ErrorKind::FileTooLarge.into());
    }
    let mut body = vec![0; head.body];
    wire.read_exact(&mut body)?;
    Ok(Some((head.message, body)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_and_its_body_arrive_as_they_were_sent() {
        let ask = Request::Write {
            path: "/run/x".to_owned(),
        };
        let mut wire = Vec::new();
        send_request(&mut wire, &ask, b"one\ntwo\n").unwrap();
        send_request(&mut wire, &Request::PowerOff, b"").unwrap();
        let mut wire = wire.as_slice();
        let (taken, body) = take_request(&mut wire).unwrap().unwrap();
        assert_eq!((taken, body.as_slice()), (ask, &b"one\ntwo\n"[..]));
        let (taken, _) = take_request(&mut wire).unwrap().unwrap();
        assert_eq!(taken, Request::PowerOff);
        assert!(take_request(&mut wire).unwrap().is_none());
    }

    #[test]
    fn what_is_no_answer_is_refused() {
        assert!(take_reply(&b"hello\n"[..]).is_err());
        assert!(take_reply(&b"{\"body\":99999999999}\n"[..]).is_err());
    }
}
