// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The `usb:` port: a printer at the kernel's `usblp` driver. `usb:/dev/usb/lp1` is that file,
//! `usb:` is `/dev/usb/lp0`; `usb:auto` and `usb:?serial=…&model=…` find the printer by what it says
//! of itself, also when it comes back as another file.
//!
//! Opened for each job and status question, since the driver lets only one program in at a time.
//! Its status byte knows paper, selection and error; door, jam and toner come by PJL, where the
//! printer's id says that it speaks it. Neither is asked while a job is on its way: some printers
//! mix the answer into it.

mod back;
mod find;
mod ioctl;

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use platen_hal::{PortError, PortReport, PortSession, PortStatus, PrinterPort, Sending};
use platen_wire::ieee1284::DeviceId;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::OFlags;
use rustix::io::Errno;

use self::find::Roots;
use super::wanted::Wanted;
use super::{PortUriError, path_of};

/// How long a printer may take no byte before the job counts as stalled: longer than the warm-up
/// and calibration of office printers, shorter than a person waits beside one.
pub const DEFAULT_STALL: Duration = Duration::from_secs(60);
const DEFAULT_DEVICE: &str = "/dev/usb/lp0";
/// Wait between two looks at whether the job was deleted.
const LOOK: Duration = Duration::from_secs(1);

// Status byte, USB printer class 1.1 §4.2.2.
const PAPER_EMPTY: i32 = 0x20;
const SELECTED: i32 = 0x10;
const NOT_ERROR: i32 = 0x08;

/// A `usb:` port.
#[derive(Debug)]
pub struct UsbPort {
    uri: String,
    which: Which,
    stall: Duration,
    pjl: bool,
    roots: Roots,
}

#[derive(Debug)]
enum Which {
    File(PathBuf),
    Found(Wanted),
}

impl UsbPort {
    /// Takes `usb:`, `usb:/dev/usb/lpN`, `usb:auto` or `usb:?serial=…&model=…`, and the stall limit
    /// (whole seconds are reported).
    ///
    /// # Errors
    /// [`PortUriError`] for another scheme, an unknown key or no absolute path.
    pub fn new(uri: &str, stall: Duration) -> Result<Self, PortUriError> {
        let rest = uri.strip_prefix("usb:").unwrap_or_default();
        let which = match Wanted::parse(uri, rest)? {
            Some(wanted) => Which::Found(wanted),
            None => {
                let mut device = path_of(uri, "usb")?;
                if device.as_os_str().is_empty() {
                    device.push(DEFAULT_DEVICE);
                }
                Which::File(device)
            }
        };
        Ok(Self {
            uri: uri.to_owned(),
            which,
            stall,
            pjl: false,
            roots: Roots::default(),
        })
    }

    /// Asks for more than the status byte by PJL, if the printer's id says that it speaks it.
    #[must_use]
    pub fn with_pjl(mut self, pjl: bool) -> Self {
        self.pjl = pjl;
        self
    }

    /// The device file that the printer has now.
    fn device(&self) -> io::Result<PathBuf> {
        match &self.which {
            Which::File(path) => Ok(path.clone()),
            Which::Found(wanted) => {
                let found = self.roots.find(wanted);
                found.ok_or_else(|| io::ErrorKind::NotFound.into())
            }
        }
    }

    fn open_device(&self) -> io::Result<File> {
        open_device(&self.device()?)
    }

    /// Asks for the IEEE 1284 device id, such as `MFG:…;MDL:…;CMD:…;`. Returns within 5 s, the
    /// driver's own limit.
    ///
    /// # Errors
    /// [`PortError::Offline`] when the printer is not there or gives none.
    pub fn device_id(&self) -> Result<DeviceId, PortError> {
        let file = self.open_device().map_err(PortError::Offline)?;
        let raw = ioctl::device_id(&file).map_err(|errno| PortError::Offline(errno.into()))?;
        Ok(DeviceId::from_counted(&raw))
    }

    /// Whether the printer said, when it was put in, that it speaks PJL. Asking it now could reset
    /// some.
    fn speaks_pjl(&self) -> bool {
        let device = self.device().ok();
        let id = device.and_then(|device| self.roots.device_id(&device));
        id.is_some_and(|id| id.speaks("PJL"))
    }
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
    match ioctl::status(device) {
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
        let Ok(device) = self.open_device() else {
            return reason("offline-report");
        };
        let by_byte = ask(&device);
        // A printer out of paper may take no byte, also not those of a question.
        if !by_byte.ready || !self.pjl || !self.speaks_pjl() {
            return by_byte;
        }
        match back::ask(&device) {
            Some(said) => PortStatus {
                ready: said.is_ready(),
                reasons: said.reasons().into_iter().map(str::to_owned).collect(),
            },
            None => by_byte,
        }
    }

    fn open(&mut self, sending: &Sending) -> Result<Box<dyn PortSession>, PortError> {
        let device = self.open_device().map_err(PortError::Offline)?;
        let PortStatus { ready, reasons } = ask(&device);
        if !ready {
            return Err(PortError::Stopped { reasons });
        }
        Ok(Box::new(UsbSession {
            device,
            stall: self.stall,
            octets: 0,
            sending: sending.clone(),
        }))
    }
}

struct UsbSession {
    device: File,
    stall: Duration,
    octets: u64,
    sending: Sending,
}

impl UsbSession {
    /// Waits until the printer takes bytes again, or has taken the last ones.
    fn await_room(&self) -> Result<(), PortError> {
        let mut waited = Duration::ZERO;
        while waited < self.stall {
            if self.sending.is_canceled() {
                return Err(PortError::Canceled);
            }
            let look = LOOK.min(self.stall - waited);
            if await_out(&self.device, look)? {
                return Ok(());
            }
            waited += look;
        }
        Err(self.why_stalled())
    }

    /// The job is given up: now the printer may be asked why.
    fn why_stalled(&self) -> PortError {
        let PortStatus { ready, reasons } = ask(&self.device);
        if ready {
            PortError::Stalled {
                seconds: self.stall.as_secs(),
            }
        } else {
            PortError::Stopped { reasons }
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

/// Whether the device takes bytes within `limit`.
fn await_out(device: &File, limit: Duration) -> Result<bool, PortError> {
    let timeout = Timespec::try_from(limit).ok();
    let mut fds = [PollFd::from_borrowed_fd(device.as_fd(), PollFlags::OUT)];
    let ready = loop {
        match poll(&mut fds, timeout.as_ref()) {
            Err(Errno::INTR) => {}
            result => break result.map_err(|errno| PortError::Broken(errno.into()))?,
        }
    };
    let gone = PollFlags::ERR | PollFlags::HUP | PollFlags::NVAL;
    if fds.iter().any(|fd| fd.revents().intersects(gone)) {
        return Err(PortError::Broken(Errno::NODEV.into()));
    }
    Ok(ready > 0)
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
        // One that ended because the printer was pulled out looks the same to some kernels.
        match ioctl::status(&self.device) {
            Err(errno @ (Errno::NODEV | Errno::IO | Errno::SHUTDOWN)) => {
                Err(PortError::Broken(errno.into()))
            }
            _ => Ok(PortReport {
                octets: self.octets,
                ..PortReport::default()
            }),
        }
    }
}

#[cfg(test)]
mod tests;
