// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What a card reader costs and how soon it tells of a card: the shipped driver and bus thread on
//! the chip's register model, with a wire in between that takes the time of a real one.

use std::error::Error;
use std::fs;
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::Duration;

use embedded_hal::delay::DelayNs;
use embedded_hal::spi::{ErrorType, Operation, SpiDevice};
use platen_bed::wait::{Stopwatch, pause};
use platen_drivers::{Mfrc522, Pn532, SpiLink};
use platen_hal::{CardReader, CardUid, DeviceEvent};
use platen_hal_linux::{BusHandle, bus};
use platen_hal_sim::{Field, Mfrc522Model, Pn532Spi};
use serde::Serialize;

use crate::statistics::Spread;

/// Clock of the simulated wire, the board files' usual one.
const WIRE_HZ: u64 = 1_000_000;
/// Time between two looks, the board files' usual one.
const INTERVAL: Duration = Duration::from_millis(80);
const IDLE: Duration = Duration::from_secs(5);
const TAPS: u32 = 40;
/// A card that is not told within this was missed.
const TAP_LIMIT: Duration = Duration::from_secs(3);
/// Longer than a card must be away before it counts again.
const AWAY: Duration = Duration::from_millis(500);
const BUS: &str = "bench";

/// What one part gave.
#[derive(Clone, Debug, Serialize)]
pub struct ReaderRun {
    /// The part and its bus.
    pub part: &'static str,
    /// From the card in the field to the event.
    pub tap: Spread,
    /// Taps that were not told.
    pub missed: usize,
    /// Processor time of the bus thread with nobody there, of 100 of one core. The model of the
    /// chip is in it.
    pub idle_percent: f64,
    /// Accesses to the bus in a second with nobody there.
    pub idle_accesses: f64,
}

/// Measures each part that has a model on SPI.
///
/// # Errors
/// When a thread can't be started, or the reader does not come up.
pub fn run() -> Result<Vec<ReaderRun>, Box<dyn Error>> {
    let (one, other) = (Field::new(), Field::new());
    let mfrc522 = Mfrc522::new(Wire(Mfrc522Model::new(&one)), Delay);
    let pn532 = Pn532::new(SpiLink::new(Wire(Pn532Spi::new(&other))), Delay);
    Ok(vec![
        measure("mfrc522, SPI", Box::new(mfrc522), &one)?,
        measure("pn532, SPI", Box::new(pn532), &other)?,
    ])
}

fn measure(
    part: &'static str,
    reader: Box<dyn CardReader>,
    field: &Field,
) -> Result<ReaderRun, Box<dyn Error>> {
    let (events, told) = sync_channel(16);
    let send = move |event| events.try_send(event).is_ok();
    let bus = bus::spawn(reader, BUS, send, INTERVAL)?;
    match told.recv_timeout(TAP_LIMIT)? {
        DeviceEvent::ReaderBack { .. } => {}
        other => return Err(format!("{part} does not start: {other:?}").into()),
    }
    let (idle_percent, idle_accesses) = idle(field)?;
    let (tap, missed) = taps(field, &told)?;
    drop::<BusHandle>(bus);
    Ok(ReaderRun {
        part,
        tap,
        missed,
        idle_percent,
        idle_accesses,
    })
}

fn idle(field: &Field) -> Result<(f64, f64), Box<dyn Error>> {
    let (before, accesses) = (thread_time()?, field.transactions());
    let watch = Stopwatch::start();
    pause(IDLE);
    let seconds = watch.elapsed().as_secs_f64();
    let used = thread_time()?.saturating_sub(before);
    let made = u32::try_from(field.transactions() - accesses)?;
    let percent = used.as_secs_f64() / seconds * 100.0;
    Ok((percent, f64::from(made) / seconds))
}

fn taps(field: &Field, told: &Receiver<DeviceEvent>) -> Result<(Spread, usize), Box<dyn Error>> {
    let (mut times, mut missed) = (Vec::new(), 0);
    for tap in 0..TAPS {
        // Cards come at all moments between two looks.
        pause(AWAY + INTERVAL * tap / TAPS);
        let [.., low] = tap.to_be_bytes();
        let uid = CardUid::new(&[0x04, 0x4c, 0x3f, low]).ok_or("no number")?;
        let watch = Stopwatch::start();
        if !field.place(&uid) {
            return Err("the field takes no card".into());
        }
        match told.recv_timeout(TAP_LIMIT) {
            Ok(DeviceEvent::CardPresented { .. }) => times.push(watch.elapsed()),
            _ => missed += 1,
        }
        field.remove(&uid);
    }
    Ok((Spread::of(&mut times), missed))
}

/// Processor time of the bus thread: the first number of `schedstat`, nanoseconds (kernel:
/// Documentation/scheduler/sched-stats.rst).
fn thread_time() -> Result<Duration, Box<dyn Error>> {
    let name = format!("bus {BUS}");
    for thread in fs::read_dir("/proc/self/task")?.flatten() {
        let path = thread.path();
        if fs::read_to_string(path.join("comm"))?.trim() == name {
            let line = fs::read_to_string(path.join("schedstat"))?;
            let nanoseconds = line.split_whitespace().next().ok_or("schedstat is empty")?;
            return Ok(Duration::from_nanos(nanoseconds.parse()?));
        }
    }
    Err("the bus has no thread".into())
}

/// What a driver waits by.
struct Delay;

impl DelayNs for Delay {
    fn delay_ns(&mut self, ns: u32) {
        pause(Duration::from_nanos(ns.into()));
    }
}

/// Makes an access to `S` take as long as its bytes take on a wire of [`WIRE_HZ`].
struct Wire<S>(S);

impl<S: ErrorType> ErrorType for Wire<S> {
    type Error = S::Error;
}

impl<S: SpiDevice> SpiDevice for Wire<S> {
    fn transaction(&mut self, operations: &mut [Operation<'_, u8>]) -> Result<(), S::Error> {
        let bytes: usize = operations.iter().map(length).sum();
        self.0.transaction(operations)?;
        let bits = u64::try_from(bytes).unwrap_or(u64::MAX).saturating_mul(8);
        pause(Duration::from_nanos(
            bits.saturating_mul(1_000_000_000) / WIRE_HZ,
        ));
        Ok(())
    }
}

fn length(operation: &Operation<'_, u8>) -> usize {
    match operation {
        Operation::Read(bytes) => bytes.len(),
        Operation::Write(bytes) => bytes.len(),
        Operation::Transfer(read, write) => read.len().max(write.len()),
        Operation::TransferInPlace(bytes) => bytes.len(),
        Operation::DelayNs(_) => 0,
    }
}

impl ReaderRun {
    /// One line of the table: tap p50, p95, max in ms, missed, idle processor, idle accesses.
    #[must_use]
    pub fn line(&self) -> String {
        format!(
            "{:<14}{:>9.1}{:>9.1}{:>9.1}{:>8}{:>9.2}{:>12.0}",
            self.part,
            self.tap.p50_ms,
            self.tap.p95_ms,
            self.tap.max_ms,
            self.missed,
            self.idle_percent,
            self.idle_accesses,
        )
    }

    /// Head of the table.
    #[must_use]
    pub fn head() -> String {
        format!(
            "{:<14}{:>9}{:>9}{:>9}{:>8}{:>9}{:>12}",
            "reader", "tap p50", "p95", "max", "missed", "CPU %", "accesses/s"
        )
    }

    /// What the figures mean.
    pub const NOTE: &'static str = "ms from the card in the field to the device event, a look \
        every 80 ms, SPI of 1 MHz; with nobody there:\nprocessor time of the bus thread, of one \
        core, and accesses to the bus in a second.\n\n";
}
