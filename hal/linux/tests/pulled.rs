// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Readers whose wires fail at each transaction of their start and of a look that finds a card: the
//! bus's owner tells that the reader is gone, whatever the wire does, and finds it again.
#![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

use std::sync::mpsc::{Receiver, sync_channel};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::scope;
use std::time::Duration;

use embedded_hal::spi::{ErrorType, Operation, SpiDevice};
use platen_drivers::{Mfrc522, Pn532, SpiLink};
use platen_hal::{CardReader, CardUid, DeviceEvent};
use platen_hal_linux::{BusHandle, bus};
use platen_hal_sim::{Field, Mfrc522Model, Pn532Spi, SimDelay};

const INTERVAL: Duration = Duration::from_millis(20);
/// Far above what is promised, for a machine that does much else.
const DEADLINE: Duration = Duration::from_secs(20);
/// Cases at a time; most of each is waiting.
const AT_A_TIME: usize = 24;

/// The promise is two seconds from the failure to the event.
const _: () = assert!(bus::CALL_LIMIT.as_millis() <= 1_500);

#[derive(Clone, Copy, Debug)]
enum Failure {
    /// The data line reads this, and nothing reaches the chip.
    Stuck(u8),
    /// The call does not return before the wire is mended.
    Hangs,
}

/// A wire that fails after some transactions.
#[derive(Debug, Default)]
struct Wire {
    state: Mutex<WireState>,
    mended: Condvar,
}

#[derive(Debug, Default)]
struct WireState {
    made: u64,
    fails: Option<(u64, Failure)>,
}

impl Wire {
    /// Counts a transaction, and tells what it reads when the wire is broken.
    fn transaction(&self) -> Option<u8> {
        let mut state = self.state.lock().unwrap();
        state.made += 1;
        match state.fails {
            Some((at, Failure::Stuck(byte))) if state.made > at => Some(byte),
            Some((at, Failure::Hangs)) if state.made > at => {
                let hanging = |state: &mut WireState| state.fails.is_some();
                drop(self.mended.wait_while(state, hanging).unwrap());
                None
            }
            _ => None,
        }
    }

    fn mend(&self) {
        self.state.lock().unwrap().fails = None;
        self.mended.notify_all();
    }
}

struct Wired<S>(S, Arc<Wire>);

impl<S: ErrorType> ErrorType for Wired<S> {
    type Error = S::Error;
}

impl<S: SpiDevice> SpiDevice for Wired<S> {
    fn transaction(&mut self, operations: &mut [Operation<'_, u8>]) -> Result<(), S::Error> {
        let Some(byte) = self.1.transaction() else {
            return self.0.transaction(operations);
        };
        for operation in operations {
            match operation {
                Operation::Read(read)
                | Operation::Transfer(read, _)
                | Operation::TransferInPlace(read) => read.fill(byte),
                _ => {}
            }
        }
        Ok(())
    }
}

#[derive(Clone, Copy, Debug)]
enum Chip {
    Mfrc522,
    Pn532,
}

struct Rig {
    field: Field,
    wire: Arc<Wire>,
    events: Receiver<DeviceEvent>,
    _bus: BusHandle,
}

fn card() -> CardUid {
    CardUid::new(&[0x04, 1, 2, 3, 4, 5, 6]).unwrap()
}

fn rig(chip: Chip, fails: Option<(u64, Failure)>) -> Rig {
    let (field, wire) = (Field::new(), Arc::<Wire>::default());
    wire.state.lock().unwrap().fails = fails;
    assert!(field.place(&card()));
    let wired = Arc::clone(&wire);
    let reader: Box<dyn CardReader> = match chip {
        Chip::Mfrc522 => {
            let spi = Wired(Mfrc522Model::new(&field), wired);
            Box::new(Mfrc522::new(spi, SimDelay::default()))
        }
        Chip::Pn532 => {
            let spi = Wired(Pn532Spi::new(&field), wired);
            Box::new(Pn532::new(SpiLink::new(spi), SimDelay::default()))
        }
    };
    let (sender, events) = sync_channel(64);
    let sink = move |event| sender.try_send(event).is_ok();
    Rig {
        _bus: bus::spawn(reader, "door", sink, INTERVAL).unwrap(),
        field,
        wire,
        events,
    }
}

impl Rig {
    /// Waits for an event; a card on the way there must be one that lies there.
    fn until(&self, what: &str, wanted: impl Fn(&DeviceEvent) -> bool) {
        loop {
            let event = self.events.recv_timeout(DEADLINE);
            let event = event.unwrap_or_else(|_| panic!("no {what}"));
            if wanted(&event) {
                return;
            }
            if let DeviceEvent::CardPresented { uid, .. } = event {
                assert_eq!(uid, card());
            }
        }
    }
}

/// Transactions until the card was told.
fn transactions(chip: Chip) -> u64 {
    let rig = rig(chip, None);
    rig.until("card", |event| {
        matches!(event, DeviceEvent::CardPresented { .. })
    });
    rig.wire.state.lock().unwrap().made
}

fn fails_and_comes_back(chip: Chip, at: u64, failure: Failure) {
    let rig = rig(chip, Some((at, failure)));
    rig.until("reader gone", |event| {
        matches!(event, DeviceEvent::ReaderGone { .. })
    });
    rig.wire.mend();
    rig.until("reader back", |event| {
        matches!(event, DeviceEvent::ReaderBack { .. })
    });
    rig.field.remove(&card());
    let other = CardUid::new(&[9, 8, 7, 6]).unwrap();
    assert!(rig.field.place(&other));
    rig.until(
        "other card",
        |event| matches!(event, DeviceEvent::CardPresented { uid, .. } if *uid == other),
    );
}

/// Every `step`th transaction.
fn at_each(chip: Chip, failure: Failure, step: usize) {
    let all: Vec<u64> = (0..transactions(chip)).step_by(step).collect();
    for some in all.chunks(AT_A_TIME) {
        scope(|scope| {
            for at in some {
                scope.spawn(move || fails_and_comes_back(chip, *at, failure));
            }
        });
    }
}

#[test]
fn an_mfrc522_whose_wire_sticks_at_any_transaction_is_told_as_gone_and_found_again() {
    at_each(Chip::Mfrc522, Failure::Stuck(0x00), 1);
    at_each(Chip::Mfrc522, Failure::Stuck(0xff), 1);
}

#[test]
fn a_pn532_whose_wire_sticks_at_any_transaction_is_told_as_gone_and_found_again() {
    at_each(Chip::Pn532, Failure::Stuck(0x00), 1);
    at_each(Chip::Pn532, Failure::Stuck(0xff), 1);
}

#[test]
fn a_bus_that_hangs_at_any_transaction_is_told_as_gone_although_the_call_does_not_return() {
    at_each(Chip::Mfrc522, Failure::Hangs, 3);
    at_each(Chip::Pn532, Failure::Hangs, 3);
}
