// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The socket of a simulated part: one line with a command, one line with the answer, which starts
//! with `ok` or `error`. `platen-guest tell SOCKET COMMAND …` is the other end.

use std::fs;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

/// Longest command, in bytes.
const COMMAND_MAX: u64 = 4096;
/// How long one end waits for the other's line.
const LIMIT: Duration = Duration::from_secs(10);

/// Answers commands on a thread of its own, for as long as the program runs. `act` gets the words
/// of a command and returns the answer, or why there is none.
///
/// # Errors
/// The system's own, when there can be no socket or no thread.
pub fn serve(
    socket: &Path,
    mut act: impl FnMut(&[&str]) -> Result<String, String> + Send + 'static,
) -> io::Result<JoinHandle<()>> {
    let _ = fs::remove_file(socket);
    let listener = UnixListener::bind(socket)?;
    Builder::new().name("control".to_owned()).spawn(move || {
        for stream in listener.incoming().flatten() {
            // Whoever asked may be gone already.
            let _ = answer(&stream, &mut act);
        }
    })
}

fn answer(
    mut stream: &UnixStream,
    act: &mut impl FnMut(&[&str]) -> Result<String, String>,
) -> io::Result<()> {
    stream.set_read_timeout(Some(LIMIT))?;
    let mut line = String::new();
    BufReader::new(stream.take(COMMAND_MAX)).read_line(&mut line)?;
    let words: Vec<&str> = line.split_whitespace().collect();
    let answer = match act(&words) {
        Ok(answer) => format!("ok {answer}"),
        Err(why) => format!("error {why}"),
    };
    writeln!(stream, "{}", answer.trim_end())
}

/// Sends a command and returns the answer without its `ok`.
///
/// # Errors
/// Nobody there, no answer in time, or the part's refusal.
pub fn tell(socket: &Path, command: &str) -> io::Result<String> {
    let mut stream = UnixStream::connect(socket)?;
    stream.set_read_timeout(Some(LIMIT))?;
    writeln!(stream, "{command}")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    match answer.trim_end().strip_prefix("ok") {
        Some(rest) => Ok(rest.trim_start().to_owned()),
        None => Err(io::Error::other(answer.trim_end().to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_answered_and_a_refusal_is_an_error() {
        let name = format!("platen-control-{}.sock", std::process::id());
        let socket = std::env::temp_dir().join(name);
        let served = serve(&socket, |words| match words {
            ["add", a, b] => Ok(format!("{a}{b}")),
            _ => Err("what?".to_owned()),
        });
        served.unwrap();
        assert_eq!(tell(&socket, "add 1 2").unwrap(), "12");
        let refused = tell(&socket, "sub").unwrap_err().to_string();
        assert_eq!(refused, "error what?");
        fs::remove_file(&socket).unwrap();
    }
}
