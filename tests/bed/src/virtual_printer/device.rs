// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The printer's own state: its condition, whether it is plugged in, and the jobs it has seen.
//! Shared by the RAW connections, the control socket and the renderer.

use std::collections::VecDeque;
use std::fs;
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::sync::mpsc::SyncSender;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Settings;
use super::mib::Facts;
use super::snmp::Manner;
use crate::wait::{self, Stopwatch};

/// Job records kept for the command `jobs`; older ones stay on disk.
const JOBS_REMEMBERED: usize = 1000;
/// How long `unplug` and `plug` may take to be carried out.
const PLUG_LIMIT: Duration = Duration::from_secs(5);

/// What is the matter with the printer.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Condition {
    /// Nothing.
    #[default]
    Ready,
    /// Paper jam.
    Jam,
    /// The tray is empty.
    PaperOut,
    /// The cover is open.
    CoverOpen,
    /// Takes no more bytes and says nothing about it.
    Stall,
}

impl Condition {
    /// The PJL status code, display text and on-line flag (PJL Technical Reference, appendix D:
    /// 10xxx informational, 40xxx operator intervention, 41xxx paper, 42xxx jam).
    pub(super) fn pjl(self, printing: bool) -> (u32, &'static str, bool) {
        match self {
            Self::Ready | Self::Stall if printing => (10023, "PRINTING", true),
            Self::Ready | Self::Stall => (10001, "READY", true),
            Self::Jam => (42202, "PAPER JAM IN TRAY 2", false),
            Self::PaperOut => (41202, "TRAY 2 LOAD A4 PLAIN", false),
            Self::CoverOpen => (40021, "CLOSE COVER", false),
        }
    }
}

/// How a job's connection came to its end.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ended {
    /// The sender closed it in order.
    Closed,
    /// It broke.
    Broken,
    /// The printer was unplugged.
    Unplugged,
    /// The printer's program was ended.
    Stopped,
}

/// One job as the printer saw it; also the content of `job-NNN.json`. Elapsed times count from
/// the program's start on the monotonic clock, unix times from 1970 on the wall clock.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct JobRecord {
    /// 1, 2, 3 … in order of their first document byte.
    pub number: u32,
    /// Bytes on the wire (`job-NNN.bin`).
    pub octets: u64,
    /// Bytes of the document without PJL around it (`job-NNN-document.bin` if wrapped).
    pub document_octets: u64,
    /// Whether PJL was around the document.
    pub wrapped: bool,
    /// Arrival of the first document byte, µs since the program's start.
    pub first_byte_elapsed_us: u64,
    /// The same, µs since 1970.
    pub first_byte_unix_us: u64,
    /// Arrival of the last byte, µs since the program's start.
    pub last_byte_elapsed_us: u64,
    /// The same, µs since 1970.
    pub last_byte_unix_us: u64,
    /// How the connection ended; `None` while bytes may still come.
    pub ended: Option<Ended>,
    /// What the document is.
    pub format: Option<super::Format>,
    /// Sides marked, copies counted; `None` until it is printed.
    #[serde(default)]
    pub impressions: Option<u32>,
    /// PNG pages made; `None` until rendering has ended, or if it failed.
    pub pages: Option<u32>,
    /// Why it could not be rendered.
    pub render_error: Option<String>,
    /// Whether nothing more will be written about this job.
    pub done: bool,
}

/// The answer to the command `status`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct PrinterStatus {
    /// What is the matter.
    pub condition: Condition,
    /// Whether it can be reached.
    pub plugged: bool,
    /// Jobs seen since the start.
    pub jobs: u32,
    /// Jobs whose bytes are arriving now.
    pub receiving: u32,
    /// Pages made since the start.
    pub pages: u64,
    /// Sides marked since the start, copies counted.
    #[serde(default)]
    pub impressions: u64,
}

/// What a connection may do next.
pub(super) enum Leave {
    /// Read at most so many bytes.
    Read(usize),
    /// Wait; the condition may have changed meanwhile.
    Wait,
    /// Close.
    End(Ended),
}

#[derive(Default)]
struct Inner {
    condition: Condition,
    /// Sets in as soon as a job has brought so many bytes.
    pending: Option<(Condition, u64)>,
    unplugged: bool,
    listening: bool,
    stopping: bool,
    jobs: VecDeque<JobRecord>,
    job_count: u32,
    receiving: u32,
    /// Jobs begun whose pages are not all out.
    unfinished: u32,
    pages: u64,
    impressions: u64,
    agent: Agent,
}

/// What the SNMP agent shows beside the printer's own state.
struct Agent {
    manner: Manner,
    /// Added to the sides marked; counters wrap.
    life_base: u32,
    counter_unit: i32,
    toner: i32,
    bits: u16,
}

impl Default for Agent {
    fn default() -> Self {
        Self {
            manner: Manner::Good,
            life_base: 4200,
            counter_unit: 7,
            toner: 80,
            bits: 0,
        }
    }
}

pub(super) struct Device {
    inner: Mutex<Inner>,
    changed: Condvar,
    started: Stopwatch,
    pub(super) folder: PathBuf,
    /// Resolution of the pages in dots per inch; `None` when none are made.
    pub(super) resolution_dpi: Option<u32>,
    address: SocketAddr,
    renderer: Mutex<Option<SyncSender<JobRecord>>>,
}

impl Device {
    pub(super) fn new(
        settings: &Settings,
        address: SocketAddr,
        renderer: SyncSender<JobRecord>,
    ) -> Self {
        Self {
            inner: Mutex::default(),
            changed: Condvar::new(),
            started: Stopwatch::start(),
            folder: settings.folder.clone(),
            resolution_dpi: settings.rendering.then_some(settings.resolution_dpi),
            address,
            renderer: Mutex::new(Some(renderer)),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change<T>(&self, change: impl FnOnce(&mut Inner) -> T) -> T {
        let result = change(&mut self.lock());
        self.changed.notify_all();
        result
    }

    /// Waits up to `limit` until `done` holds.
    fn wait(&self, limit: Duration, mut done: impl FnMut(&Inner) -> bool) -> bool {
        let (_guard, result) = self
            .changed
            .wait_timeout_while(self.lock(), limit, |inner| !done(inner))
            .unwrap_or_else(PoisonError::into_inner);
        !result.timed_out()
    }

    /// Elapsed and wall time, µs.
    pub(super) fn now_us(&self) -> (u64, u64) {
        let us = |time: Duration| u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        (us(self.started.elapsed()), us(wait::unix_time()))
    }

    pub(super) fn condition(&self) -> (Condition, bool) {
        let inner = self.lock();
        (inner.condition, inner.receiving > 0)
    }

    /// How the SNMP agent behaves, and what it knows.
    pub(super) fn agent(&self) -> (Manner, Facts) {
        let inner = self.lock();
        let agent = &inner.agent;
        // The counter is the lower half of what was printed.
        let marked = u32::try_from(inner.impressions & 0xffff_ffff).unwrap_or(0);
        let facts = Facts {
            condition: inner.condition,
            printing: inner.unfinished > 0,
            life_count: agent.life_base.wrapping_add(marked),
            counter_unit: agent.counter_unit,
            toner: agent.toner,
            bits: agent.bits,
        };
        (agent.manner, facts)
    }

    pub(super) fn set_agent(&self, manner: Manner) {
        self.change(|inner| inner.agent.manner = manner);
    }

    /// Sets one of the agent's numbers; false when there is none of that name, or it does not fit.
    pub(super) fn set_fact(&self, name: &str, number: u64) -> bool {
        let small = i32::try_from(number).ok();
        self.change(|inner| {
            let agent = &mut inner.agent;
            match (name, small, u32::try_from(number), u16::try_from(number)) {
                ("life", _, Ok(number), _) => agent.life_base = number,
                ("unit", Some(number), _, _) => agent.counter_unit = number,
                ("toner", Some(number), _, _) => agent.toner = number,
                ("bits", _, _, Ok(number)) => agent.bits = number,
                _ => return false,
            }
            true
        })
    }

    /// One sheet is out with so many sides marked.
    pub(super) fn count(&self, sides: u32) {
        self.change(|inner| inner.impressions += u64::from(sides));
    }

    /// Sets a condition, at once or when the running or next job has brought `after` bytes.
    pub(super) fn set_condition(&self, condition: Condition, after: u64) {
        self.change(|inner| {
            if after == 0 {
                inner.condition = condition;
                inner.pending = None;
            } else {
                inner.pending = Some((condition, after));
            }
        });
    }

    /// Whether a connection with `received` bytes, document or not yet, may read on, up to
    /// `most` bytes. Blocks a little while it may not.
    pub(super) fn leave(&self, received: u64, document: bool, most: usize) -> Leave {
        let mut inner = self.lock();
        if inner.stopping {
            return Leave::End(Ended::Stopped);
        }
        if inner.unplugged {
            return Leave::End(Ended::Unplugged);
        }
        let mut room = most;
        if let Some((condition, after)) = inner.pending {
            let left = after.saturating_sub(received);
            room = room.min(usize::try_from(left).unwrap_or(usize::MAX));
            if left == 0 && document {
                inner.condition = condition;
                inner.pending = None;
                self.changed.notify_all();
            }
            room = room.max(1);
        }
        if !document || inner.condition == Condition::Ready {
            return Leave::Read(room);
        }
        let _ = self.changed.wait_timeout(inner, Duration::from_millis(50));
        Leave::Wait
    }

    /// The number of a job that begins.
    pub(super) fn next_job(&self) -> u32 {
        self.change(|inner| {
            inner.job_count += 1;
            inner.job_count
        })
    }

    /// A job's bytes begin to arrive; [`Device::end_job`] follows.
    pub(super) fn begin_job(&self) {
        self.change(|inner| {
            inner.receiving += 1;
            inner.unfinished += 1;
        });
    }

    /// Stores what is known about a job, on disk too.
    pub(super) fn record(&self, job: &JobRecord) {
        let path = self.folder.join(format!("job-{:03}.json", job.number));
        let part = path.with_extension("json.part");
        if let Ok(text) = serde_json::to_vec_pretty(job) {
            let _ = fs::write(&part, text).and_then(|()| fs::rename(&part, &path));
        }
        self.change(|inner| {
            inner.jobs.retain(|known| known.number != job.number);
            inner.jobs.push_back(job.clone());
            if inner.jobs.len() > JOBS_REMEMBERED {
                inner.jobs.pop_front();
            }
            if job.done {
                inner.unfinished = inner.unfinished.saturating_sub(1);
                inner.pages += u64::from(job.pages.unwrap_or(0));
            }
        });
    }

    /// The last byte of a job has come: hands it to the renderer.
    pub(super) fn end_job(&self, job: JobRecord) {
        self.record(&job);
        self.change(|inner| inner.receiving -= 1);
        let renderer = self
            .renderer
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        if let Some(renderer) = renderer {
            let _ = renderer.send(job);
        }
    }

    pub(super) fn jobs(&self) -> Vec<JobRecord> {
        let mut jobs: Vec<_> = self.lock().jobs.iter().cloned().collect();
        jobs.sort_by_key(|job| job.number);
        jobs
    }

    pub(super) fn status(&self) -> PrinterStatus {
        let inner = self.lock();
        PrinterStatus {
            condition: inner.condition,
            plugged: !inner.unplugged,
            jobs: inner.job_count,
            receiving: inner.receiving,
            pages: inner.pages,
            impressions: inner.impressions,
        }
    }

    /// Unplugs or plugs in, and waits until that is so on the network. False if it took too long.
    pub(super) fn set_plugged(&self, plugged: bool) -> bool {
        self.change(|inner| inner.unplugged = !plugged);
        if !plugged {
            self.wake_listener();
        }
        self.wait(PLUG_LIMIT, |inner| {
            inner.listening == plugged && (plugged || inner.receiving == 0)
        })
    }

    pub(super) fn set_listening(&self, listening: bool) {
        self.change(|inner| inner.listening = listening);
    }

    pub(super) fn is_plugged(&self) -> bool {
        let inner = self.lock();
        !inner.unplugged && !inner.stopping
    }

    pub(super) fn is_stopping(&self) -> bool {
        self.lock().stopping
    }

    /// Blocks until the printer is plugged in or ends.
    pub(super) fn wait_plugged(&self) {
        while !self.wait(PLUG_LIMIT, |inner| !inner.unplugged || inner.stopping) {}
    }

    /// Waits until no connection brings bytes any more.
    pub(super) fn wait_quiet(&self) {
        self.wait(PLUG_LIMIT, |inner| inner.receiving == 0);
        // The renderer ends when the last sender is gone.
        *self.renderer.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    pub(super) fn stop(&self) {
        self.change(|inner| inner.stopping = true);
        self.wake_listener();
    }

    /// A blocked `accept` returns when somebody connects.
    fn wake_listener(&self) {
        let _ = TcpStream::connect_timeout(&self.address, Duration::from_millis(200));
    }
}
