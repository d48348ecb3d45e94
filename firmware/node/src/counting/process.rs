// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The daemon's end of the counting child: starts it, feeds it one document at a time.

use std::io::{self, BufReader, Read, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use platen_model::{JobOptions, PageCount};

use super::worker::{MAX_ANSWER, SWITCH};

/// A pipe's capacity.
const PIECE: usize = 64 << 10;

/// A running child.
pub(super) struct Worker {
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
}

impl Worker {
    /// The child from `slot`, or a new one.
    pub(super) fn take_or_start(slot: &mut Option<Self>) -> io::Result<Self> {
        slot.take().map_or_else(Self::start, Ok)
    }

    fn start() -> io::Result<Self> {
        let mut child = Command::new(std::env::current_exe()?)
            .arg(SWITCH)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()?;
        let input = child.stdin.take();
        let output = child
            .stdout
            .take()
            .ok_or_else(|| io::Error::other("no pipe"))?;
        Ok(Self {
            child,
            input,
            output: BufReader::new(output),
        })
    }

    /// Has one document counted. After an error the child is not to be used again.
    pub(super) fn count(
        &mut self,
        options: &JobOptions,
        octets: u64,
        body: impl Read,
    ) -> io::Result<PageCount> {
        let input = self.input.as_mut().ok_or(io::ErrorKind::BrokenPipe)?;
        let options = serde_json::to_vec(options)?;
        let length = u32::try_from(options.len()).map_err(io::Error::other)?;
        input.write_all(&length.to_le_bytes())?;
        input.write_all(&options)?;
        input.write_all(&octets.to_le_bytes())?;
        pass_on(body.take(octets), octets, input)?;
        input.flush()?;
        self.answer()
    }

    fn answer(&mut self) -> io::Result<PageCount> {
        let mut length = [0; 4];
        self.output.read_exact(&mut length)?;
        let length = u32::from_le_bytes(length);
        if length > MAX_ANSWER {
            return Err(io::Error::other("the counting child answered too much"));
        }
        let mut answer = Vec::new();
        Read::by_ref(&mut self.output)
            .take(length.into())
            .read_to_end(&mut answer)?;
        Ok(serde_json::from_slice(&answer)?)
    }
}

/// Passes a body on in pieces as large as a pipe takes at once.
fn pass_on(mut body: impl Read, octets: u64, input: &mut impl Write) -> io::Result<()> {
    let mut buffer = vec![0; PIECE];
    let mut sent = 0;
    loop {
        match body.read(&mut buffer)? {
            0 if sent == octets => return Ok(()),
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            length => {
                input.write_all(buffer.get(..length).unwrap_or_default())?;
                sent += u64::try_from(length).unwrap_or(u64::MAX);
            }
        }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        drop(self.input.take());
        // It leaves at the end of its input; one that hangs is ended. Either way it is reaped.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
