// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The way back from a `usblp` printer: what it answers to a PJL question. Only asked while no job
//! is on its way; bounded in bytes and time.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::time::Duration;

use platen_wire::pjl::{Answer, AnswerReader, DeviceStatus, INFO_STATUS};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

/// Waits for the pieces of the answer: 1 s in all, as much as the rest of a status may take. The
/// first wait is the printer's time to think.
const WAITS: [Duration; 4] = [
    Duration::from_millis(700),
    Duration::from_millis(100),
    Duration::from_millis(100),
    Duration::from_millis(100),
];
/// Pieces of an answer, or of what is left of an earlier one, that are read: 16 KiB in all.
const PIECES_MAX: usize = 16;

/// Asks how the printer is; `None` when it does not answer in time, or can't be asked.
pub(super) fn ask(mut device: &File) -> Option<DeviceStatus> {
    // Written whole or not at all: usblp takes up to 8 KiB at once, when it takes anything.
    let written = device.write(INFO_STATUS).ok()?;
    if written < INFO_STATUS.len() {
        return None;
    }
    let mut reader = AnswerReader::new();
    let mut piece = [0; 1024];
    let mut waits = WAITS.into_iter();
    for _ in 0..PIECES_MAX {
        let length = match device.read(&mut piece) {
            // A transfer of no length is no end.
            Ok(length) => length,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => 0,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                await_in(device, waits.next()?);
                0
            }
            Err(_) => return None,
        };
        for answer in reader.push(piece.get(..length).unwrap_or_default()) {
            if let Answer::Status(status) = answer {
                return Some(status);
            }
        }
    }
    None
}

fn await_in(device: &File, limit: Duration) {
    let timeout = Timespec::try_from(limit).ok();
    let mut fds = [PollFd::from_borrowed_fd(device.as_fd(), PollFlags::IN)];
    // Whatever went wrong, the next read says it.
    let _woken = poll(&mut fds, timeout.as_ref());
}
