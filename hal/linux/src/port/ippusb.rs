// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `ippusb:auto` and `ippusb:?serial=…&model=…`: the byte pipe of an IPP-over-USB printer, over the
//! kernel's usbfs. What is said in it (HTTP with IPP) is `firmware/net`'s business.
//!
//! USB-IF *IPP over USB* 1.0: an interface of class 7, subclass 1, protocol 4 has one bulk endpoint
//! each way and carries one HTTP exchange after another. Choosing its alternate setting anew makes
//! the printer forget a talk that was broken off. A printer has two or three of them; one is used.

mod settings;

use std::io::{self, ErrorKind};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use nusb::transfer::{Buffer, Bulk, Completion, In, Out, TransferError};
use nusb::{Device, DeviceInfo, Endpoint, Interface, MaybeFuture, list_devices};
use platen_hal::{BytePipe, PipeSource};

use self::settings::{Setting, may_have_ipp, settings};
use super::PortUriError;
use super::wanted::{Named, PRINTERS_MAX, Wanted};

/// Bytes of one transfer to the printer.
const TRANSFER: usize = 16 * 1024;
/// Transfers without a byte that are passed over at one look.
const EMPTY_MAX: usize = 8;
/// How long a fresh pipe must be quiet before it counts as empty.
const QUIET: Duration = Duration::from_millis(100);
/// Transfers left over from an earlier talk that are dropped before a pipe is given up.
const LEFT_OVER_MAX: usize = 16;

/// Finds an IPP-over-USB printer and opens its pipe.
#[derive(Debug)]
pub struct IppUsbSource {
    wanted: Wanted,
}

impl IppUsbSource {
    /// Takes `ippusb:auto` or `ippusb:?serial=…&model=…`. Nothing is opened yet.
    ///
    /// # Errors
    /// [`PortUriError`] for anything else.
    pub fn new(uri: &str) -> Result<Self, PortUriError> {
        let rest = uri.strip_prefix("ippusb:");
        let rest = rest.ok_or_else(|| PortUriError::Scheme {
            uri: uri.to_owned(),
            scheme: "ippusb",
        })?;
        let wanted = Wanted::parse(uri, rest)?.ok_or_else(|| PortUriError::Query {
            uri: uri.to_owned(),
        })?;
        Ok(Self { wanted })
    }
}

impl PipeSource for IppUsbSource {
    /// The first interface that is free, of the first printer that fits; the driver of the kernel
    /// is taken off it. [`ErrorKind::ResourceBusy`] when another program has them all.
    fn open(&mut self) -> io::Result<Box<dyn BytePipe>> {
        let devices = list_devices().wait().map_err(io_error)?;
        let fitting = devices.filter(|device| self.wanted.fits(&named(device)));
        let mut last = io::Error::from(ErrorKind::NotFound);
        for info in fitting.filter(may_have_ipp).take(PRINTERS_MAX) {
            match open_printer(&info) {
                Ok(pipe) => return Ok(Box::new(pipe)),
                Err(error) => last = error,
            }
        }
        Err(last)
    }
}

fn named(device: &DeviceInfo) -> Named {
    let one = |text: Option<&str>| text.map(str::to_owned).into_iter().collect();
    Named {
        serials: one(device.serial_number()),
        models: one(device.product_string()),
    }
}

fn open_printer(info: &DeviceInfo) -> io::Result<UsbPipe> {
    let device = info.open().wait().map_err(io_error)?;
    let all = {
        let configuration = device
            .active_configuration()
            .map_err(|_| io::Error::from(ErrorKind::NotFound))?;
        settings(&configuration, info.vendor_id())
    };
    let mut last = io::Error::from(ErrorKind::NotFound);
    for setting in all {
        match open_pipe(&device, &setting) {
            Ok(pipe) => return Ok(pipe),
            Err(error) => last = error,
        }
    }
    Err(last)
}

fn open_pipe(device: &Device, setting: &Setting) -> io::Result<UsbPipe> {
    let interface = device.detach_and_claim_interface(setting.interface);
    let interface = interface.wait().map_err(io_error)?;
    let chosen = interface.set_alt_setting(setting.alternate);
    chosen.wait().map_err(io_error)?;
    let mut pipe = UsbPipe {
        input: interface.endpoint(setting.input).map_err(io_error)?,
        output: interface.endpoint(setting.output).map_err(io_error)?,
        _interface: interface,
        received: Vec::new(),
        taken: 0,
    };
    pipe.drop_left_over()?;
    Ok(pipe)
}

fn io_error(error: nusb::Error) -> io::Error {
    let kind = match error.kind() {
        nusb::ErrorKind::Disconnected | nusb::ErrorKind::NotFound => ErrorKind::NotFound,
        nusb::ErrorKind::Busy => ErrorKind::ResourceBusy,
        nusb::ErrorKind::PermissionDenied => ErrorKind::PermissionDenied,
        _ => ErrorKind::Other,
    };
    io::Error::new(kind, error)
}

fn transfer_error(error: TransferError) -> io::Error {
    let kind = match error {
        TransferError::Disconnected => ErrorKind::NotConnected,
        _ => ErrorKind::BrokenPipe,
    };
    io::Error::new(kind, error)
}

/// One interface, claimed.
struct UsbPipe {
    input: Endpoint<Bulk, In>,
    output: Endpoint<Bulk, Out>,
    _interface: Interface,
    /// What the last transfer brought, and how much of it has been read.
    received: Vec<u8>,
    taken: usize,
}

impl UsbPipe {
    /// Reads away what the printer still had to say to somebody before.
    fn drop_left_over(&mut self) -> io::Result<()> {
        for _ in 0..LEFT_OVER_MAX {
            if self.input.pending() == 0 {
                self.begin_read();
            }
            match self.input.wait_next_complete(QUIET) {
                // The transfer stays and becomes the first one of the talk.
                None => return Ok(()),
                Some(done) => done.status.map_err(transfer_error)?,
            }
        }
        Err(ErrorKind::ResourceBusy.into())
    }

    /// One packet each: a longer transfer would end only with a short one, which a printer whose
    /// answer fills its last packet may forget to send.
    fn begin_read(&mut self) {
        let packet = self.input.max_packet_size();
        self.input.submit(Buffer::new(packet));
    }

    fn take(&mut self, buffer: &mut [u8]) -> usize {
        let left = self.received.get(self.taken..).unwrap_or_default();
        let length = left.len().min(buffer.len());
        for (place, octet) in buffer.iter_mut().zip(left) {
            *place = *octet;
        }
        self.taken += length;
        length
    }

    /// The result of a transfer to the printer.
    fn settle(done: Completion) -> io::Result<()> {
        done.status.map_err(transfer_error)?;
        if done.actual_len == done.buffer.len() {
            Ok(())
        } else {
            Err(ErrorKind::WriteZero.into())
        }
    }
}

impl BytePipe for UsbPipe {
    fn poll_read(&mut self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        for _ in 0..EMPTY_MAX {
            let taken = self.take(buffer);
            if taken > 0 || buffer.is_empty() {
                return Poll::Ready(Ok(taken));
            }
            if self.input.pending() == 0 {
                self.begin_read();
            }
            let done = ready!(self.input.poll_next_complete(cx));
            let received = done.into_result().map_err(transfer_error);
            (self.received, self.taken) = (received?.into_vec(), 0);
        }
        // Many transfers without a byte: others get their turn first.
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        ready!(self.poll_flush(cx))?;
        let piece = bytes.get(..TRANSFER).unwrap_or(bytes);
        if !piece.is_empty() {
            self.output.submit(Buffer::from(piece));
        }
        Poll::Ready(Ok(piece.len()))
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.output.pending() > 0 {
            let done = ready!(self.output.poll_next_complete(cx));
            Self::settle(done)?;
        }
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_printer_is_named_by_what_it_says_or_left_to_chance() {
        for uri in ["ippusb:auto", "ippusb:?serial=X1", "ippusb:?model=A%20B"] {
            assert!(IppUsbSource::new(uri).is_ok(), "{uri}");
        }
        for uri in ["ippusb:", "ippusb:/dev/usb/lp0", "usb:auto", "ippusb:?x=1"] {
            assert!(IppUsbSource::new(uri).is_err(), "{uri}");
        }
    }

    #[test]
    fn a_printer_that_is_not_there_is_not_found() {
        let mut source = IppUsbSource::new("ippusb:?serial=none-such").unwrap();
        let error = source.open().map(|_| ()).unwrap_err();
        // A machine without usbfs can't be looked at.
        assert_ne!(error.kind(), ErrorKind::ResourceBusy);
    }
}
