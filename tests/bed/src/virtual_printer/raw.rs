// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The RAW port (9100 on real printers): one connection is one job. A connection that only asks
//! for the status brings no job. In error the printer stops reading once a document has begun,
//! but still answers status questions on other connections and before a document.

use std::fs::File;
use std::io::{self, BufWriter, ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use super::device::{Device, Leave};
use super::pjl::{self, Piece, Unwrapper};
use super::render::render;
use super::reports::{Effect, Name, Reports, job_report, page_report};
use super::{Condition, Ended, JobRecord};
use crate::process::chain;

/// Connections at once; further ones are closed at once, as a busy printer would.
const CONNECTIONS: usize = 32;
/// How soon a silent connection notices that the printer was unplugged.
const LOOK_UP: Duration = Duration::from_millis(50);
const READ_SIZE: usize = 64 * 1024;
/// Bytes before a document that are kept for the job's file.
const HEADER_LIMIT: usize = 256 * 1024;

/// Serves until the device stops. The port is closed while the printer is unplugged.
pub(super) fn serve(listener: TcpListener, device: &Arc<Device>) {
    let address = listener.local_addr();
    let mut listener = Some(listener);
    let open = Arc::new(AtomicUsize::new(0));
    while !device.is_stopping() {
        device.wait_plugged();
        let bound = match (listener.take(), &address) {
            (Some(bound), _) => bound,
            (None, Ok(address)) => match TcpListener::bind(address) {
                Ok(bound) => bound,
                Err(_) => {
                    crate::wait::pause(LOOK_UP);
                    continue;
                }
            },
            (None, Err(_)) => return,
        };
        device.set_listening(true);
        while device.is_plugged() {
            if let Ok((stream, _)) = bound.accept() {
                accept(stream, device, &open);
            }
        }
        drop(bound);
        device.set_listening(false);
    }
    device.wait_quiet();
}

fn accept(stream: TcpStream, device: &Arc<Device>, open: &Arc<AtomicUsize>) {
    if !device.is_plugged() || open.load(Ordering::SeqCst) >= CONNECTIONS {
        return;
    }
    open.fetch_add(1, Ordering::SeqCst);
    let (device, count) = (device.clone(), open.clone());
    let started = thread::Builder::new()
        .name("connection".to_owned())
        .spawn(move || {
            // A broken connection ends its own job; the printer goes on.
            let _ = Connection::new(&stream, &device).and_then(Connection::serve);
            count.fetch_sub(1, Ordering::SeqCst);
        });
    if started.is_err() {
        open.fetch_sub(1, Ordering::SeqCst);
    }
}

/// A job whose bytes are arriving.
struct Arriving {
    record: JobRecord,
    wire: BufWriter<File>,
    document: Option<BufWriter<File>>,
}

impl Arriving {
    fn begin(device: &Device, wrapped: bool) -> io::Result<Self> {
        let (elapsed, unix) = device.now_us();
        let number = device.next_job();
        let create = |suffix: &str| {
            File::create(device.folder.join(format!("job-{number:03}{suffix}.bin")))
                .map(BufWriter::new)
        };
        let wire = create("")?;
        let document = wrapped.then(|| create("-document")).transpose()?;
        device.begin_job();
        Ok(Self {
            wire,
            document,
            record: JobRecord {
                number,
                octets: 0,
                document_octets: 0,
                wrapped,
                first_byte_elapsed_us: elapsed,
                first_byte_unix_us: unix,
                last_byte_elapsed_us: elapsed,
                last_byte_unix_us: unix,
                ended: None,
                format: None,
                impressions: None,
                pages: None,
                render_error: None,
                done: false,
            },
        })
    }

    fn write_document(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.record.document_octets += bytes.len() as u64;
        self.document
            .as_mut()
            .map_or(Ok(()), |file| file.write_all(bytes))
    }

    fn write_wire(&mut self, bytes: &[u8], device: &Device) -> io::Result<()> {
        if bytes.is_empty() {
            return Ok(());
        }
        let now = device.now_us();
        (
            self.record.last_byte_elapsed_us,
            self.record.last_byte_unix_us,
        ) = now;
        self.record.octets += bytes.len() as u64;
        self.wire.write_all(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.wire.flush()?;
        self.document.as_mut().map_or(Ok(()), BufWriter::flush)
    }

    fn end(mut self, ended: Ended, device: &Device) -> io::Result<()> {
        let flushed = self.flush();
        self.record.ended = Some(ended);
        device.end_job(self.record);
        flushed
    }
}

struct Connection<'a> {
    stream: &'a TcpStream,
    device: &'a Device,
    unwrapper: Unwrapper,
    /// What has come before a document began.
    header: Vec<u8>,
    received: u64,
    job: Option<Arriving>,
    reports: Reports,
}

impl<'a> Connection<'a> {
    fn new(stream: &'a TcpStream, device: &'a Device) -> io::Result<Self> {
        stream.set_read_timeout(Some(LOOK_UP))?;
        stream.set_write_timeout(Some(Duration::from_secs(2)))?;
        stream.set_nodelay(true)?;
        Ok(Self {
            stream,
            device,
            unwrapper: Unwrapper::default(),
            header: Vec::new(),
            received: 0,
            job: None,
            reports: Reports::default(),
        })
    }

    fn serve(mut self) -> io::Result<()> {
        let mut buffer = vec![0; READ_SIZE];
        let ended = loop {
            let room = match self
                .device
                .leave(self.received, self.job.is_some(), READ_SIZE)
            {
                Leave::Read(room) => room,
                Leave::Wait => {
                    self.tell_change();
                    continue;
                }
                Leave::End(ended) => break ended,
            };
            let Some(space) = buffer.get_mut(..room) else {
                break Ended::Broken;
            };
            match self.stream.read(space) {
                Ok(0) => break Ended::Closed,
                Ok(size) => {
                    if self.take(space.get(..size).unwrap_or_default()).is_err() {
                        break Ended::Broken;
                    }
                }
                Err(error) => match error.kind() {
                    ErrorKind::WouldBlock | ErrorKind::TimedOut => self.tell_change(),
                    ErrorKind::Interrupted => {}
                    _ => break Ended::Broken,
                },
            }
        };
        if matches!(ended, Ended::Unplugged) {
            // Gone without a word: the sender sees a reset, not an orderly end.
            let _ = rustix::net::sockopt::set_socket_linger(self.stream, Some(Duration::ZERO));
        }
        self.end(ended)
    }

    fn take(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.received += bytes.len() as u64;
        let mut unwrapper = std::mem::take(&mut self.unwrapper);
        let wrapped_before = unwrapper.is_wrapped();
        let mut pieces = Pieces::default();
        unwrapper.feed(bytes, &mut |piece| pieces.take(&piece));
        let wrapped = wrapped_before || unwrapper.is_wrapped();
        self.unwrapper = unwrapper;
        self.carry_out(bytes, &pieces, wrapped)
    }

    fn carry_out(&mut self, wire: &[u8], pieces: &Pieces, wrapped: bool) -> io::Result<()> {
        if self.job.is_none() && !pieces.document.is_empty() {
            let mut job = Arriving::begin(self.device, wrapped)?;
            job.write_wire(&std::mem::take(&mut self.header), self.device)?;
            self.job = Some(job);
        }
        match &mut self.job {
            Some(job) => {
                job.write_wire(wire, self.device)?;
                job.write_document(&pieces.document)?;
            }
            None if self.header.len() + wire.len() <= HEADER_LIMIT => {
                self.header.extend_from_slice(wire);
            }
            None => return Err(ErrorKind::InvalidData.into()),
        }
        pieces
            .commands
            .iter()
            .try_for_each(|command| self.answer(command))
    }

    fn answer(&mut self, command: &str) -> io::Result<()> {
        let (condition, printing) = self.device.condition();
        match self.reports.command(command, condition) {
            Effect::Nothing => {}
            Effect::Tell(report) => self.back_channel(&report)?,
            Effect::Print(end) => self.print(end)?,
        }
        let pages = self.device.status().pages;
        match pjl::answer(command, condition, printing, pages) {
            Some(answer) => self.back_channel(&answer),
            None => Ok(()),
        }
    }

    /// Prints a job that is whole: renders it, lets its sheets out one after another while nothing
    /// is in the way, and tells of each sheet and of the end to a sender that wants to hear of it.
    fn print(&mut self, end: Option<Name>) -> io::Result<()> {
        let Some(job) = &mut self.job else {
            return Ok(());
        };
        job.flush()?;
        if let Some(resolution_dpi) = self.device.resolution_dpi {
            let stem = self
                .device
                .folder
                .join(format!("job-{:03}", job.record.number));
            let document = document_file(&self.device.folder, &job.record);
            match render(&document, &stem, resolution_dpi) {
                Ok(pages) => job.record.pages = Some(pages),
                Err(error) => job.record.render_error = Some(chain(&error)),
            }
        }
        let pages = job.record.pages;
        let mut out = 0;
        for sides in self.reports.sheets(pages.unwrap_or(0)) {
            self.wait_clear()?;
            self.device.count(sides);
            out += sides;
            if self.reports.pages {
                self.back_channel(&page_report(out))?;
            }
        }
        if let Some(job) = &mut self.job {
            job.record.impressions = pages.map(|_| out);
        }
        let further = pages.map(|_| format!("PAGES={out}\r\nRESULT=OK\r\n"));
        match end {
            Some(name) => {
                self.back_channel(&job_report("END", &name, &further.unwrap_or_default()))
            }
            None => Ok(()),
        }
    }

    /// Waits until nothing keeps a sheet from coming out; a change of that is told meanwhile.
    fn wait_clear(&mut self) -> io::Result<()> {
        loop {
            match self.device.leave(self.received, true, 1) {
                Leave::Read(_) => {
                    self.tell_change();
                    return Ok(());
                }
                Leave::Wait => self.tell_change(),
                Leave::End(_) => return Err(ErrorKind::ConnectionAborted.into()),
            }
        }
    }

    fn back_channel(&mut self, text: &str) -> io::Result<()> {
        let mut stream = self.stream;
        stream.write_all(text.as_bytes())
    }

    /// Unsolicited status (PJL `USTATUS DEVICE`): told when it changes. A stall tells nothing.
    fn tell_change(&mut self) {
        let (condition, printing) = self.device.condition();
        let news = self.reports.told.is_some_and(|told| told != condition);
        if news && condition != Condition::Stall {
            self.reports.told = Some(condition);
            let _ = self.back_channel(&pjl::status("USTATUS DEVICE", condition, printing));
        }
    }

    fn end(mut self, ended: Ended) -> io::Result<()> {
        let mut unwrapper = std::mem::take(&mut self.unwrapper);
        let mut pieces = Pieces::default();
        unwrapper.finish(&mut |piece| pieces.take(&piece));
        let written = self.carry_out(&[], &pieces, unwrapper.is_wrapped());
        let ended = match self.job.take() {
            Some(job) => job.end(ended, self.device),
            None => Ok(()),
        };
        written.and(ended)
    }
}

/// What one read brought.
#[derive(Default)]
struct Pieces {
    document: Vec<u8>,
    commands: Vec<String>,
}

impl Pieces {
    fn take(&mut self, piece: &Piece<'_>) {
        match piece {
            Piece::Document(bytes) => self.document.extend_from_slice(bytes),
            Piece::Command(command) => self.commands.push((*command).to_owned()),
        }
    }
}

/// The file that holds a job's document without PJL.
pub(super) fn document_file(folder: &Path, job: &JobRecord) -> std::path::PathBuf {
    let suffix = if job.wrapped { "-document" } else { "" };
    folder.join(format!("job-{:03}{suffix}.bin", job.number))
}
