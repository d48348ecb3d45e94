// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The printer at the other end of the USB wire: takes jobs, answers for its state, can stop
//! taking bytes and be pulled out. Its second interface is for IPP (`ippusb.rs`). Source: USB printer
//! class 1.1; Linux FunctionFS (`include/uapi/linux/usb/functionfs.h`).
//!
//! It keeps what it gets and renders nothing. A job whose last transfer is a whole number of
//! packets is complete for it only when more comes: the kernel waits for the end of its buffer.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::Builder;
use std::time::Duration;

use crate::clock::pause;
use crate::control;
use crate::gadget::Gadget;
use crate::ippusb;

/// The commands, for a person.
pub const HELP: &str = "plug, unplug, ready, paper-out, off-line, failed, stall, stall-after BYTES, \
resume, octets, take FILE";

const DEVICE_ID: &str = "MFG:Platen;MDL:Simulated;CMD:PJL,PDF,PWGRaster;CLS:PRINTER;SN:475-SIM;";
/// Bytes of one read: what usblp sends at once.
const CHUNK: usize = 8192;
/// Most bytes that are kept until they are taken away.
const KEPT_MAX: usize = 64 << 20;

// Status byte, USB printer class 1.1 §4.2.2.
const READY: u8 = 0x18;
const PAPER_OUT: u8 = 0x30;
const OFF_LINE: u8 = 0x08;
const FAILED: u8 = 0x10;

// Requests of the printer class, §4.2.
const GET_DEVICE_ID: u8 = 0;
const GET_PORT_STATUS: u8 = 1;

// FunctionFS.
const STRINGS_MAGIC: u32 = 2;
const DESCRIPTORS_MAGIC: u32 = 3;
const FULL_AND_HIGH_SPEED: u32 = 1 | 2;
const EVENT_BYTES: usize = 12;
const SETUP: u8 = 4;

#[derive(Debug)]
struct State {
    status: u8,
    /// Bytes that are taken before it stops taking any.
    room: Option<usize>,
    kept: Vec<u8>,
}

#[derive(Debug)]
struct Printer {
    state: Mutex<State>,
    changed: Condvar,
}

impl Printer {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.lock());
        self.changed.notify_all();
    }

    /// Waits until the printer wants bytes again.
    fn await_wish(&self) {
        let full = |state: &mut State| state.room == Some(0) || state.kept.len() >= KEPT_MAX;
        drop(self.changed.wait_while(self.lock(), full));
    }

    fn keep(&self, bytes: &[u8]) {
        let mut state = self.lock();
        state.kept.extend_from_slice(bytes);
        if let Some(room) = &mut state.room {
            *room = room.saturating_sub(bytes.len());
        }
    }
}

/// Makes the printer, plugs it in, and serves it and the commands on `socket` for ever.
///
/// # Errors
/// The system's own.
pub fn serve(files: &Path, socket: &Path) -> io::Result<()> {
    let gadget = Gadget::describe("printer", files)?;
    let mut control_pipe = open(&files.join("ep0"))?;
    control_pipe.write_all(&descriptors())?;
    control_pipe.write_all(&strings())?;
    let printer = Arc::new(Printer {
        state: Mutex::new(State {
            status: READY,
            room: None,
            kept: Vec::new(),
        }),
        changed: Condvar::new(),
    });
    let out = files.join("ep1");
    let paper = Arc::clone(&printer);
    Builder::new()
        .name("paper".to_owned())
        .spawn(move || take_bytes(&out, &paper))?;
    let (out, back) = (files.join("ep3"), files.join("ep4"));
    let paper = Arc::clone(&printer);
    Builder::new()
        .name("ipp".to_owned())
        .spawn(move || ippusb::serve(&out, &back, |document| paper.keep(document)))?;
    gadget.plug()?;
    let told = Arc::clone(&printer);
    control::serve(socket, move |words| act(&gadget, &told, words))?;
    answer_requests(&mut control_pipe, &printer)
}

fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).open(path)
}

fn act(gadget: &Gadget, printer: &Printer, words: &[&str]) -> Result<String, String> {
    let told = |error: io::Error| error.to_string();
    let status = |status| {
        printer.change(|state| state.status = status);
        Ok(String::new())
    };
    match words {
        ["plug"] => gadget.plug().map(|()| String::new()).map_err(told),
        ["unplug"] => gadget.unplug().map(|()| String::new()).map_err(told),
        ["ready"] => status(READY),
        ["paper-out"] => status(PAPER_OUT),
        ["off-line"] => status(OFF_LINE),
        ["failed"] => status(FAILED),
        ["stall"] => room(printer, Some(0)),
        ["stall-after", bytes] => room(printer, Some(bytes.parse().map_err(|_| HELP)?)),
        ["resume"] => room(printer, None),
        ["octets"] => Ok(printer.lock().kept.len().to_string()),
        ["take", file] => take(printer, &PathBuf::from(file)).map_err(told),
        _ => Err(HELP.to_owned()),
    }
}

fn room(printer: &Printer, room: Option<usize>) -> Result<String, String> {
    printer.change(|state| state.room = room);
    Ok(String::new())
}

/// Puts what has come into a file, as a person takes the paper.
fn take(printer: &Printer, file: &Path) -> io::Result<String> {
    let mut state = printer.lock();
    fs::write(file, &state.kept)?;
    let octets = state.kept.len();
    state.kept.clear();
    drop(state);
    printer.changed.notify_all();
    Ok(octets.to_string())
}

/// Takes the bytes of jobs for as long as the program runs.
fn take_bytes(out: &Path, printer: &Printer) {
    let mut buffer = vec![0; CHUNK];
    let mut endpoint = None;
    loop {
        printer.await_wish();
        let read = match &mut endpoint {
            Some(endpoint) => File::read(endpoint, &mut buffer),
            None => open(out).map(|opened| {
                endpoint = Some(opened);
                0
            }),
        };
        match read {
            Ok(length) => printer.keep(buffer.get(..length).unwrap_or_default()),
            // Pulled out: the next read waits for the plug.
            Err(_) => pause(Duration::from_millis(20)),
        }
    }
}

/// Answers the host's questions on the control pipe.
fn answer_requests(control_pipe: &mut File, printer: &Printer) -> io::Result<()> {
    let mut events = [0; EVENT_BYTES * 4];
    loop {
        let length = control_pipe.read(&mut events)?;
        let events = events.get(..length).unwrap_or_default();
        for event in events.chunks_exact(EVENT_BYTES) {
            let &[kind, request, _, _, _, _, low, high, SETUP, ..] = event else {
                continue;
            };
            let wanted = usize::from(u16::from_le_bytes([low, high]));
            let answered = answer(control_pipe, printer, (kind, request), wanted);
            if let Err(error) = answered {
                eprintln!("printer: request {request}: {error}");
            }
        }
    }
}

fn answer(
    control_pipe: &mut File,
    printer: &Printer,
    request: (u8, u8),
    wanted: usize,
) -> io::Result<()> {
    let from_device = request.0 & 0x80 != 0;
    let text = match request {
        (0xa1, GET_DEVICE_ID) => device_id(),
        (0xa1, GET_PORT_STATUS) => vec![printer.lock().status],
        // Whatever is not known is refused: the wrong direction tells the kernel to stall.
        _ if from_device => return refused(control_pipe.read(&mut [])),
        _ => return control_pipe.read(&mut []).map(drop),
    };
    let text = text.get(..wanted).unwrap_or(&text);
    control_pipe.write(text).map(drop)
}

/// A stalled request ends with an error of its own, which is what was wanted.
fn refused(done: io::Result<usize>) -> io::Result<()> {
    match done {
        Ok(_) => Ok(()),
        Err(error) if error.raw_os_error() == Some(51) => Ok(()), // EL2HLT
        Err(error) => Err(error),
    }
}

fn device_id() -> Vec<u8> {
    let length = u16::try_from(DEVICE_ID.len() + 2).unwrap_or(u16::MAX);
    let mut text = length.to_be_bytes().to_vec();
    text.extend(DEVICE_ID.bytes());
    text
}

/// Two interfaces (class printer; bidirectional, and IPP over USB), each with bulk out and bulk in;
/// for both speeds.
fn descriptors() -> Vec<u8> {
    const PER_SPEED: u32 = 6;
    let interface = |number: u8, protocol: u8| [9, 4, number, 0, 2, 7, 1, protocol, 1];
    let endpoint = |address: u8, packet: u16| {
        let [low, high] = packet.to_le_bytes();
        [7, 5, address, 2, low, high, 0]
    };
    let mut body = Vec::new();
    for count in [PER_SPEED; 2] {
        body.extend(count.to_le_bytes());
    }
    for packet in [64, 512] {
        body.extend(interface(0, 2));
        body.extend(endpoint(0x01, packet));
        body.extend(endpoint(0x82, packet));
        body.extend(interface(1, 4));
        body.extend(endpoint(0x03, packet));
        body.extend(endpoint(0x84, packet));
    }
    with_head(DESCRIPTORS_MAGIC, Some(FULL_AND_HIGH_SPEED), &body)
}

/// The interface's name, in English.
fn strings() -> Vec<u8> {
    let mut body = Vec::new();
    for count in [1_u32; 2] {
        body.extend(count.to_le_bytes());
    }
    body.extend(0x409_u16.to_le_bytes());
    body.extend(b"Printer\0");
    with_head(STRINGS_MAGIC, None, &body)
}

fn with_head(magic: u32, flags: Option<u32>, body: &[u8]) -> Vec<u8> {
    let flags = flags.map(u32::to_le_bytes);
    let flags = flags.as_ref().map_or(&[][..], |flags| flags.as_slice());
    let length = u32::try_from(8 + flags.len() + body.len()).unwrap_or(u32::MAX);
    [&magic.to_le_bytes(), &length.to_le_bytes(), flags, body].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_functionfs_is_told_has_the_lengths_it_states() {
        for told in [descriptors(), strings()] {
            let length = told.get(4..8).and_then(<[u8]>::first_chunk).copied();
            let length = usize::try_from(u32::from_le_bytes(length.unwrap())).unwrap();
            assert_eq!(length, told.len());
        }
        // Head 12, counts 8; twice two interfaces (9) with two endpoints (7).
        assert_eq!(descriptors().len(), 12 + 8 + 2 * 2 * 23);
    }

    #[test]
    fn the_device_id_counts_its_own_length_bytes() {
        let id = device_id();
        assert_eq!(usize::from(id[0]) << 8 | usize::from(id[1]), id.len());
    }
}
