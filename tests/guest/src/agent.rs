// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The bed's hand inside the guest: runs programs, reads and writes files, as it is told over the
//! virtio port. Asked for one thing at a time, it does one thing at a time.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, BufReader};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::mpsc::sync_channel;
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use crate::clock::{pause, until, uptime};
use crate::protocol::{Reply, Request, send_reply, take_request};

/// Where programs that were started write to.
pub const LOGS: &str = "/run/log";
/// How long a program may take to end in order.
const STOP_LIMIT: Duration = Duration::from_secs(15);
/// Most bytes of a program's messages in an answer.
const MESSAGES_MAX: usize = 4000;

/// Programs that were started, by name.
#[derive(Debug, Default)]
pub struct Agent {
    running: BTreeMap<String, Child>,
}

type Done = io::Result<(Reply, Vec<u8>)>;

impl Agent {
    /// Serves the port until it is told to power off or to go on with something else: that question
    /// is returned.
    ///
    /// # Errors
    /// The port's own.
    pub fn serve(&mut self, port: &Path) -> io::Result<Request> {
        let file = File::options().read(true).write(true).open(port)?;
        let mut questions = BufReader::new(&file);
        loop {
            let Some((request, body)) = take_request(&mut questions)? else {
                // Nobody at the other end yet.
                pause(Duration::from_millis(20));
                continue;
            };
            let start = uptime();
            let (mut reply, body) = self.act(&request, &body).unwrap_or_else(|error| {
                let error = Some(error.to_string());
                let reply = Reply {
                    error,
                    ..Reply::default()
                };
                (reply, Vec::new())
            });
            reply.elapsed_ms = millis(uptime().saturating_sub(start));
            send_reply(&file, &reply, &body)?;
            if matches!(request, Request::PowerOff | Request::Proceed { .. }) {
                return Ok(request);
            }
        }
    }

    /// Starts a program whose output goes to its log.
    ///
    /// # Errors
    /// The system's own; `AlreadyExists` for a name that is taken by a running program.
    pub fn start(&mut self, name: &str, argv: &[String]) -> io::Result<()> {
        let runs = self.running.get_mut(name).map(Child::try_wait);
        if matches!(runs, Some(Ok(None))) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        fs::create_dir_all(LOGS)?;
        let log = File::options()
            .append(true)
            .create(true)
            .open(Path::new(LOGS).join(name))?;
        let child = command(argv)?
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()?;
        self.running.insert(name.to_owned(), child);
        Ok(())
    }

    fn act(&mut self, request: &Request, body: &[u8]) -> Done {
        match request {
            Request::Run { argv, limit_ms } => run(argv, Duration::from_millis(*limit_ms)),
            Request::Await {
                argv,
                text,
                limit_ms,
            } => wait_for(argv, text, Duration::from_millis(*limit_ms)),
            Request::Start { name, argv } => self.start(name, argv).map(|()| nothing()),
            Request::Stop { name, kill } => self.stop(name, *kill),
            Request::Read { path } => Ok((Reply::default(), fs::read(path)?)),
            Request::Write { path } => fs::write(path, body).map(|()| nothing()),
            Request::PowerOff | Request::Proceed { .. } => Ok(nothing()),
        }
    }

    fn stop(&mut self, name: &str, kill: bool) -> Done {
        let mut child = self.running.remove(name).ok_or(io::ErrorKind::NotFound)?;
        signal(child.id(), if kill { Signal::KILL } else { Signal::TERM });
        let ended = until(STOP_LIMIT, || child.try_wait().transpose());
        let status = match ended {
            Some(status) => status?,
            None => {
                child.kill()?;
                child.wait()?;
                return Err(io::ErrorKind::TimedOut.into());
            }
        };
        let reply = Reply {
            status: Some(number(status)),
            ..Reply::default()
        };
        Ok((reply, Vec::new()))
    }
}

fn nothing() -> (Reply, Vec<u8>) {
    (Reply::default(), Vec::new())
}

fn command(argv: &[String]) -> io::Result<Command> {
    let (program, arguments) = argv.split_first().ok_or(io::ErrorKind::InvalidInput)?;
    let mut command = Command::new(program);
    command.args(arguments);
    Ok(command)
}

fn run(argv: &[String], limit: Duration) -> Done {
    let output = output(argv, limit)?;
    let reply = Reply {
        status: Some(number(output.status)),
        messages: cut(&output.stderr),
        ..Reply::default()
    };
    Ok((reply, output.stdout))
}

fn wait_for(argv: &[String], text: &str, limit: Duration) -> Done {
    let start = uptime();
    let mut last = None;
    let found = until(limit, || {
        let left = limit.saturating_sub(uptime().saturating_sub(start));
        let shown = output(argv, left.max(Duration::from_secs(1))).ok()?;
        let found = String::from_utf8_lossy(&shown.stdout).contains(text);
        last = Some(shown);
        found.then_some(())
    });
    let Some(last) = last else {
        return Err(io::ErrorKind::TimedOut.into());
    };
    let error = found
        .is_none()
        .then(|| format!("waited in vain for {text}"));
    let reply = Reply {
        error,
        status: Some(number(last.status)),
        messages: cut(&last.stderr),
        ..Reply::default()
    };
    Ok((reply, last.stdout))
}

/// Runs a program to its end, or kills it when that takes too long.
fn output(argv: &[String], limit: Duration) -> io::Result<Output> {
    let child = command(argv)?
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    let id = child.id();
    let (sender, ended) = sync_channel(1);
    let waiting = thread::spawn(move || {
        // Nobody listens any more when the program was killed.
        let _ = sender.send(child.wait_with_output());
    });
    match ended.recv_timeout(limit) {
        Ok(output) => output,
        Err(_) => {
            signal(id, Signal::KILL);
            let _ = waiting.join();
            Err(io::ErrorKind::TimedOut.into())
        }
    }
}

fn signal(id: u32, signal: Signal) {
    if let Some(pid) = i32::try_from(id).ok().and_then(Pid::from_raw) {
        // One that has ended needs no signal.
        let _ = kill_process(pid, signal);
    }
}

fn number(status: ExitStatus) -> i32 {
    let signal = || 128 + status.signal().unwrap_or(0);
    status.code().unwrap_or_else(signal)
}

fn cut(messages: &[u8]) -> String {
    let from = messages.len().saturating_sub(MESSAGES_MAX);
    String::from_utf8_lossy(messages.get(from..).unwrap_or_default()).into_owned()
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn argv(words: &[&str]) -> Vec<String> {
        words.iter().map(|word| (*word).to_owned()).collect()
    }

    #[test]
    fn a_program_s_status_output_and_messages_come_back() {
        let ask = argv(&["/bin/sh", "-c", "echo out; echo err >&2; exit 3"]);
        let (reply, out) = run(&ask, Duration::from_secs(10)).unwrap();
        assert_eq!((reply.status, out.as_slice()), (Some(3), &b"out\n"[..]));
        assert_eq!(reply.messages, "err\n");
    }

    #[test]
    fn a_program_that_does_not_end_is_ended() {
        let error = run(&argv(&["/bin/sleep", "60"]), Duration::from_millis(50)).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    }

    #[test]
    fn what_is_waited_for_in_vain_is_named() {
        let echo = argv(&["/bin/echo", "moon"]);
        let (reply, _) = wait_for(&echo, "moon", Duration::from_secs(5)).unwrap();
        assert_eq!(reply.error, None);
        let (reply, out) = wait_for(&echo, "sun", Duration::from_millis(50)).unwrap();
        assert!(reply.error.is_some_and(|error| error.contains("sun")));
        assert_eq!(out, b"moon\n");
    }
}
