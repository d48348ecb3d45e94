// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The `usb:` port: a printer at the kernel's `usblp` driver, `/dev/usb/lp0` unless named.
//!
//! Opened for each job and status question, since the driver lets only one program in at a time.
//! Its status byte knows paper, selection and error; door, jam and toner come only by other ways.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use platen_hal::{PortError, PortReport, PortSession, PortStatus, PrinterPort, Sending};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::OFlags;
use rustix::io::Errno;

use super::{PortUriError, path_of, usb_ioctl};

/// How long a printer may take no byte before the job counts as stalled: longer than the warm-up
/// and calibration of office printers, shorter than a person waits beside one.
pub const DEFAULT_STALL: Duration = Duration::from_secs(60);
const DEFAULT_DEVICE: &str = "/dev/usb/lp0";

// Status byte, USB printer class 1.1 §4.2.2.
const PAPER_EMPTY: i32 = 0x20;
const SELECTED: i32 = 0x10;
const NOT_ERROR: i32 = 0x08;

/// A `usb:` port.
#[derive(Debug)]
pub struct UsbPort {
    uri: String,
    device: PathBuf,
    stall: Duration,
}

impl UsbPort {
    /// Takes `usb:` or `usb:/dev/usb/lpN`, and the stall limit (whole seconds are reported).
    ///
    /// # Errors
    /// [`PortUriError`] for another scheme or no absolute path.
    pub fn new(uri: &str, stall: Duration) -> Result<Self, PortUriError> {
        let mut device = path_of(uri, "usb")?;
        if device.as_os_str().is_empty() {
            device.push(DEFAULT_DEVICE);
        }
        Ok(Self {
            uri: uri.to_owned(),
            device,
            stall,
        })
    }

    /// Asks for the IEEE 1284 device id, such as `MFG:…;MDL:…;CMD:…;`. Returns within 2 s.
    ///
    /// # Errors
    /// [`PortError::Offline`] when the printer is not there or gives none.
    pub fn device_id(&self) -> Result<String, PortError> {
        let file = open_device(&self.device).map_err(PortError::Offline)?;
        let raw = usb_ioctl::device_id(&file).map_err(|errno| PortError::Offline(errno.into()))?;
        Ok(device_id_text(&raw))
    }
}

/// The text of a device id behind its length, which counts itself and is not always right.
fn device_id_text(raw: &[u8]) -> String {
    let Some((length, text)) = raw.split_first_chunk::<2>() else {
        return String::new();
    };
    let length = usize::from(u16::from_be_bytes(*length)).saturating_sub(2);
    let text = text.get(..length).unwrap_or(text);
    let end = text
        .iter()
        .position(|byte| *byte == 0)
        .unwrap_or(text.len());
    let text = String::from_utf8_lossy(text.get(..end).unwrap_or_default());
    text.trim().to_owned()
}

fn open_device(path: &Path) -> io::Result<File> {
    let flags = i32::try_from(OFlags::NONBLOCK.bits()).unwrap_or(0);
    OpenOptions::new()
        .read(true)
        .write(true)
        .custom_flags(flags)
        .open(path)
}

fn reason(keyword: &str) -> PortStatus {
    PortStatus {
        ready: false,
        reasons: vec![keyword.to_owned()],
    }
}

/// What the status byte says, in IPP's words.
fn status_of(byte: i32) -> PortStatus {
    if byte & PAPER_EMPTY != 0 {
        reason("media-empty-error")
    } else if byte & SELECTED == 0 {
        reason("offline-report")
    } else if byte & NOT_ERROR == 0 {
        reason("other-error")
    } else {
        PortStatus {
            ready: true,
            reasons: Vec::new(),
        }
    }
}

fn ask(device: &File) -> PortStatus {
    match usb_ioctl::status(device) {
        Ok(byte) => status_of(byte),
        // Not usblp, or a printer without the request: the bytes will tell.
        Err(Errno::NOTTY | Errno::INVAL | Errno::OPNOTSUPP) => status_of(SELECTED | NOT_ERROR),
        Err(_) => reason("offline-report"),
    }
}

impl PrinterPort for UsbPort {
    fn uri(&self) -> &str {
        &self.uri
    }

    fn status(&mut self) -> PortStatus {
        match open_device(&self.device) {
            Ok(device) => ask(&device),
            Err(_) => reason("offline-report"),
        }
    }

    fn open(&mut self, _sending: &Sending) -> Result<Box<dyn PortSession>, PortError> {
        let device = open_device(&self.device).map_err(PortError::Offline)?;
        let PortStatus { ready, reasons } = ask(&device);
        if !ready {
            return Err(PortError::Stopped { reasons });
        }
        Ok(Box::new(UsbSession {
            device,
            stall: self.stall,
            octets: 0,
        }))
    }
}

struct UsbSession {
    device: File,
    stall: Duration,
    octets: u64,
}

impl UsbSession {
    /// Waits until the printer takes bytes again, or has taken the last ones.
    fn await_room(&self) -> Result<(), PortError> {
        let timeout = Timespec::try_from(self.stall).map_err(|_| {
            PortError::Broken(io::ErrorKind::InvalidInput.into()) // a stall limit of centuries
        })?;
        let mut fds = [PollFd::from_borrowed_fd(
            self.device.as_fd(),
            PollFlags::OUT,
        )];
        let ready = loop {
            match poll(&mut fds, Some(&timeout)) {
                Err(Errno::INTR) => {}
                result => break result.map_err(|errno| PortError::Broken(errno.into()))?,
            }
        };
        let gone = PollFlags::ERR | PollFlags::HUP | PollFlags::NVAL;
        if ready == 0 {
            Err(PortError::Stalled {
                seconds: self.stall.as_secs(),
            })
        } else if fds.iter().any(|fd| fd.revents().intersects(gone)) {
            Err(PortError::Broken(io::ErrorKind::BrokenPipe.into()))
        } else {
            Ok(())
        }
    }

    fn send_some(&mut self, bytes: &[u8]) -> Result<usize, PortError> {
        match self.device.write(bytes) {
            Ok(0) => Err(PortError::Broken(io::ErrorKind::WriteZero.into())),
            Ok(taken) => Ok(taken),
            Err(error) => match error.kind() {
                io::ErrorKind::WouldBlock => self.await_room().map(|()| 0),
                io::ErrorKind::Interrupted => Ok(0),
                // usblp's way of saying that the paper ran out while it waited.
                io::ErrorKind::StorageFull => Err(PortError::Stopped {
                    reasons: vec!["media-empty-error".to_owned()],
                }),
                _ => Err(PortError::Broken(error)),
            },
        }
    }
}

impl PortSession for UsbSession {
    fn send(&mut self, bytes: &[u8]) -> Result<(), PortError> {
        let mut rest = bytes;
        while !rest.is_empty() {
            let taken = self.send_some(rest)?;
            self.octets += taken as u64;
            rest = rest.get(taken..).unwrap_or_default();
        }
        Ok(())
    }

    fn finish(self: Box<Self>) -> Result<PortReport, PortError> {
        // usblp is writable again only once the last transfer has been taken by the printer.
        self.await_room()?;
        Ok(PortReport {
            octets: self.octets,
            impressions: None,
            confirmed_by: None,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use rustix::fs::{CWD, Mode, mkfifoat};

    use super::*;

    /// A named pipe in the printer's place: takes bytes as usblp does, and knows no status.
    fn pipe() -> (tempfile::TempDir, PathBuf, UsbPort) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lp0");
        mkfifoat(CWD, &path, Mode::RUSR | Mode::WUSR).unwrap();
        let uri = format!("usb:{}", path.display());
        let port = UsbPort::new(&uri, Duration::from_millis(200)).unwrap();
        (folder, path, port)
    }

    #[test]
    fn the_status_byte_is_told_in_ipp_keywords() {
        assert!(status_of(0x18).ready);
        assert_eq!(status_of(0x30).reasons, ["media-empty-error"]);
        assert_eq!(status_of(0x08).reasons, ["offline-report"]);
        assert_eq!(status_of(0x10).reasons, ["other-error"]);
        assert!(!status_of(0x00).ready);
    }

    #[test]
    fn a_device_id_is_cut_at_its_length_its_end_or_the_buffer() {
        assert_eq!(device_id_text(b"\x00\x09MFG:X;\0\0\0"), "MFG:X;");
        assert_eq!(device_id_text(b"\xff\xffMFG:X;\0\0\0"), "MFG:X;");
        assert_eq!(device_id_text(b"\x00\x05MFG:X;"), "MFG");
        assert_eq!(device_id_text(b"\x00\x00MFG"), "");
        assert_eq!(device_id_text(b"\x00"), "");
    }

    #[test]
    fn the_first_printer_is_meant_when_none_is_named() {
        let port = UsbPort::new("usb:", DEFAULT_STALL).unwrap();
        assert_eq!(port.device, Path::new(DEFAULT_DEVICE));
        assert!(UsbPort::new("usb:lp0", DEFAULT_STALL).is_err());
    }

    #[test]
    fn a_printer_that_is_not_there_is_off_line() {
        let mut port = UsbPort::new("usb:/dev/usb/none", DEFAULT_STALL).unwrap();
        assert_eq!(port.status().reasons, ["offline-report"]);
        assert!(matches!(
            port.open(&Sending::default()),
            Err(PortError::Offline(_))
        ));
        assert!(matches!(port.device_id(), Err(PortError::Offline(_))));
    }

    #[test]
    fn a_device_without_the_ioctls_still_takes_a_job() {
        let (_folder, path, mut port) = pipe();
        assert!(port.status().ready);
        assert!(port.device_id().is_err());
        let sent: Vec<u8> = (0..=255).cycle().take(300_000).collect();
        let mut reader = open_device(&path).unwrap();
        let total = sent.len();
        let received = std::thread::spawn(move || {
            let mut received = Vec::new();
            let mut buffer = [0; 4096];
            while received.len() < total {
                match reader.read(&mut buffer) {
                    Ok(length) => received.extend_from_slice(&buffer[..length]),
                    Err(_) => {
                        let fd = PollFd::from_borrowed_fd(reader.as_fd(), PollFlags::IN);
                        poll(&mut [fd], None).unwrap();
                    }
                }
            }
            received
        });
        let mut session = port.open(&Sending::default()).unwrap();
        session.send(&sent).unwrap();
        assert_eq!(session.finish().unwrap().octets, 300_000);
        assert!(received.join().unwrap() == sent);
    }

    #[test]
    fn a_printer_that_takes_nothing_stalls_the_job_within_its_limit() {
        let (_folder, _path, mut port) = pipe();
        let mut session = port.open(&Sending::default()).unwrap();
        let error = session.send(&vec![0; 1_000_000]).unwrap_err();
        assert!(matches!(error, PortError::Stalled { .. }));
        assert!(matches!(session.finish(), Err(PortError::Stalled { .. })));
    }
}
