// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A keyboard of the kernel's input layer, taken for this program alone. Sources: Linux
//! `Documentation/input/input.rst`, `include/uapi/linux/input.h`.
//!
//! Events are taken raw: when the kernel had to drop some, it says so, and the text is given up. An
//! interface that puts the missing ones right by the keyboard's state would leave characters out.

use std::ffi::c_int;
use std::fs::{File, OpenOptions, read_dir};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

use evdev::raw_stream::RawDevice;
use evdev::{EventType, KeyCode};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::OFlags;
use rustix::ioctl::{Setter, ioctl, opcode};

use super::{KeyEvent, KeySource, WedgeError};
use crate::board::WedgePart;
use crate::lines::now_ns;

/// Devices that are looked at in one search.
pub const DEVICES_MAX: usize = 64;
const FOLDER: &str = "/dev/input";
/// Takes of events that were typed before the keyboard was ours.
const STALE_TAKES_MAX: usize = 64;
/// `SYN_DROPPED`: the kernel's buffer was full.
const SYN_DROPPED: u16 = 3;
const CLOCK_MONOTONIC: c_int = 1;
/// `EVIOCSCLOCKID`: on which clock events are timed.
const SET_CLOCK: rustix::ioctl::Opcode = opcode::write::<c_int>(b'E', 0xa0);

/// A keyboard that nobody else hears.
#[derive(Debug)]
pub struct Keyboard(RawDevice);

impl Keyboard {
    /// Finds a keyboard and takes it: the first, by the number of its device file, that has digits
    /// and Enter and is what `part` names. What it typed before is dropped.
    ///
    /// # Errors
    /// [`WedgeError`] as told there.
    pub fn find(part: &WedgePart) -> Result<Self, WedgeError> {
        let mut closed = false;
        for path in devices(Path::new(FOLDER)) {
            match open(&path) {
                Ok(device) if fits(part, &device) => return Self::take(device),
                Ok(_) => {}
                Err(error) => closed |= error.kind() == io::ErrorKind::PermissionDenied,
            }
        }
        Err(if closed {
            WedgeError::NoPermission
        } else {
            WedgeError::NotFound
        })
    }

    fn take(mut device: RawDevice) -> Result<Self, WedgeError> {
        device.grab().map_err(WedgeError::Taken)?;
        // SAFETY: EVIOCSCLOCKID reads one int, which the setter holds, and nothing else.
        #[allow(unsafe_code, reason = "an ioctl that no crate in the tree has")]
        unsafe {
            ioctl(&device, Setter::<SET_CLOCK, c_int>::new(CLOCK_MONOTONIC))
                .map_err(io::Error::from)?;
        }
        let mut keyboard = Self(device);
        for _ in 0..STALE_TAKES_MAX {
            if !keyboard.wait(Duration::ZERO)? {
                break;
            }
            keyboard.0.fetch_events()?.for_each(drop);
        }
        Ok(keyboard)
    }
}

impl KeySource for Keyboard {
    fn wait(&mut self, limit: Duration) -> Result<bool, WedgeError> {
        let too_long = |_| io::Error::from(io::ErrorKind::InvalidInput);
        let limit = Timespec::try_from(limit).map_err(too_long)?;
        let mut fds = [PollFd::from_borrowed_fd(self.0.as_fd(), PollFlags::IN)];
        match poll(&mut fds, Some(&limit)) {
            // Nothing came; the caller waits on.
            Err(rustix::io::Errno::INTR) => return Ok(false),
            other => other.map_err(io::Error::from)?,
        };
        let [fd] = fds;
        let lost = PollFlags::HUP | PollFlags::ERR | PollFlags::NVAL;
        if fd.revents().intersects(lost) {
            return Err(WedgeError::Gone);
        }
        Ok(fd.revents().contains(PollFlags::IN))
    }

    fn take(&mut self) -> Result<Vec<KeyEvent>, WedgeError> {
        let events = match self.0.fetch_events() {
            Ok(events) => events,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(Vec::new()),
            Err(error) if error.raw_os_error() == Some(NO_DEVICE) => return Err(WedgeError::Gone),
            Err(error) => return Err(error.into()),
        };
        let key = |event: evdev::InputEvent| {
            let at = event.timestamp().duration_since(UNIX_EPOCH);
            let at_ns = at.map_or(0, |at| u64::try_from(at.as_nanos()).unwrap_or(u64::MAX));
            match (event.event_type(), event.code(), event.value()) {
                (EventType::KEY, code, value) => Some(KeyEvent::Key { code, value, at_ns }),
                (EventType::SYNCHRONIZATION, SYN_DROPPED, _) => Some(KeyEvent::Lost { at_ns }),
                _ => None,
            }
        };
        Ok(events.filter_map(key).collect())
    }

    fn now_ns(&self) -> u64 {
        now_ns()
    }
}

/// What a read says once the device is gone.
const NO_DEVICE: i32 = rustix::io::Errno::NODEV.raw_os_error();

fn open(path: &Path) -> io::Result<RawDevice> {
    // Reading is enough for taking it, and does not need the right to light its lamps.
    let flags = OFlags::NONBLOCK | OFlags::NOCTTY;
    let file: File = OpenOptions::new()
        .read(true)
        .custom_flags(flags.bits().cast_signed())
        .open(path)?;
    RawDevice::from_fd(OwnedFd::from(file))
}

/// Whether it is the keyboard that is named. A composite reader has other devices of the same
/// name, which have no digits.
fn fits(part: &WedgePart, device: &RawDevice) -> bool {
    let types = |key| {
        device
            .supported_keys()
            .is_some_and(|keys| keys.contains(key))
    };
    let id = device.input_id();
    let name = part.device_name.as_deref();
    [KeyCode::KEY_0, KeyCode::KEY_9, KeyCode::KEY_ENTER]
        .into_iter()
        .all(types)
        && part.vendor.is_none_or(|vendor| vendor == id.vendor())
        && part.product.is_none_or(|product| product == id.product())
        && name.is_none_or(|name| device.name().map(str::trim) == Some(name.trim()))
}

/// The device files, by their number.
fn devices(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = read_dir(folder) else {
        return Vec::new();
    };
    let number = |path: &PathBuf| {
        let name = path.file_name()?.to_str()?;
        name.strip_prefix("event")?.parse::<u32>().ok()
    };
    let mut found: Vec<(u32, PathBuf)> = entries
        .filter_map(|entry| {
            let path = entry.ok()?.path();
            Some((number(&path)?, path))
        })
        .take(DEVICES_MAX)
        .collect();
    found.sort();
    found.into_iter().map(|(_, path)| path).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn device_files_come_by_their_number_and_others_are_left_out() {
        let folder = tempfile::tempdir().expect("a folder");
        for name in [
            "event10", "event9", "event", "mice", "js0", "event1x", "event0",
        ] {
            File::create(folder.path().join(name)).expect("a file");
        }
        let names: Vec<_> = devices(folder.path())
            .iter()
            .filter_map(|path| path.file_name()?.to_str().map(str::to_owned))
            .collect();
        assert_eq!(names, ["event0", "event9", "event10"]);
        assert!(devices(Path::new("/nowhere")).is_empty());
    }

    #[test]
    fn a_file_that_is_no_keyboard_is_an_error() {
        let file = tempfile::NamedTempFile::new().expect("a file");
        assert!(open(file.path()).is_err());
    }
}
