// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A serial port of the kernel, raw, 8N1, without flow control, as a port of embedded-io. Reading
//! takes what is there; writing waits [`WRITE_LIMIT`] at most.

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::Duration;

use embedded_io::{Error, ErrorKind, ErrorType, Read, ReadReady, Write};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::OFlags;
use rustix::termios::{
    ControlModes, OptionalActions, QueueSelector, tcflush, tcgetattr, tcsetattr,
};

/// Longest wait for room in the port's buffer, which a working port with short frames always has.
const WRITE_LIMIT: Duration = Duration::from_millis(100);

/// The port failed; the kernel's answer.
#[derive(Debug, thiserror::Error)]
#[error("serial port failed")]
pub struct SerialFailed(#[from] io::Error);

impl Error for SerialFailed {
    fn kind(&self) -> ErrorKind {
        ErrorKind::Other
    }
}

/// An open port.
#[derive(Debug)]
pub struct SerialPort(File);

impl SerialPort {
    /// Opens a port at `baud` bits per second and drops what it has received before.
    ///
    /// # Errors
    /// The system's own, also for a file that is no terminal, a rate that the port can't have, and
    /// a port that another program has locked (`flock`).
    pub fn open(path: &Path, baud: u32) -> io::Result<Self> {
        // Without NONBLOCK opening waits for a carrier; without NOCTTY a hang-up ends the daemon.
        let flags = OFlags::NONBLOCK | OFlags::NOCTTY;
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .custom_flags(flags.bits().cast_signed())
            .open(path)?;
        // Two programs at one port would each hear half of what comes.
        match file.try_lock() {
            Ok(()) => (),
            Err(TryLockError::WouldBlock) => return Err(io::ErrorKind::ResourceBusy.into()),
            Err(TryLockError::Error(error)) => return Err(error),
        }
        let mut modes = tcgetattr(&file)?;
        modes.make_raw();
        modes.control_modes |= ControlModes::CLOCAL | ControlModes::CREAD;
        modes.control_modes &= !(ControlModes::CSTOPB | ControlModes::CRTSCTS);
        modes.set_speed(baud)?;
        tcsetattr(&file, OptionalActions::Now, &modes)?;
        tcflush(&file, QueueSelector::IOFlush)?;
        Ok(Self(file))
    }

    /// Whether one of `flags` is set within `limit`. A port that was unplugged is an error.
    fn is(&self, flags: PollFlags, limit: Duration) -> io::Result<bool> {
        let limit = Timespec::try_from(limit).map_err(|_| io::ErrorKind::InvalidInput)?;
        let mut fds = [PollFd::new(&self.0, flags)];
        poll(&mut fds, Some(&limit))?;
        let [fd] = fds;
        if fd
            .revents()
            .intersects(PollFlags::HUP | PollFlags::ERR | PollFlags::NVAL)
        {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        Ok(fd.revents().intersects(flags))
    }
}

impl ErrorType for SerialPort {
    type Error = SerialFailed;
}

impl ReadReady for SerialPort {
    fn read_ready(&mut self) -> Result<bool, SerialFailed> {
        Ok(self.is(PollFlags::IN, Duration::ZERO)?)
    }
}

impl Read for SerialPort {
    fn read(&mut self, into: &mut [u8]) -> Result<usize, SerialFailed> {
        match io::Read::read(&mut self.0, into) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(0),
            result => Ok(result?),
        }
    }
}

impl Write for SerialPort {
    fn write(&mut self, bytes: &[u8]) -> Result<usize, SerialFailed> {
        if !self.is(PollFlags::OUT, WRITE_LIMIT)? {
            return Err(io::Error::from(io::ErrorKind::TimedOut).into());
        }
        Ok(io::Write::write(&mut self.0, bytes)?)
    }

    fn flush(&mut self) -> Result<(), SerialFailed> {
        // The kernel sends what it has taken; waiting for it would have no limit.
        Ok(())
    }
}
