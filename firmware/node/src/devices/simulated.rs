// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Simulated parts of the board: the production drivers on models of the chips, and a bench by
//! which cards, fingers and screwdrivers reach them.

mod edges;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use platen_drivers::bmlite::wire::{SpiWire, UartWire};
use platen_drivers::keypad::Layout;
use platen_drivers::osdp::Protection;
use platen_drivers::pn532::link::Link;
use platen_drivers::{
    AesKey, BmLite, Ef01, HsuLink, I2cLink, Keypad, Mfrc522, Osdp, OsdpConfig, Pn532, Renumbered,
    SpiLink,
};
use platen_hal::{CardReader, CardUid, DeviceEvent, FingerprintSensor};
use platen_hal_linux::board::{
    BmLiteLink, FingerprintKind, FingerprintPart, KeypadPart, OsdpPart, OsdpSecurity, Pn532Link,
    Pn532Part, ReaderKind, ReaderPart, SwitchPart,
};
use platen_hal_linux::bus::{OpenError, OpenReader};
use platen_hal_linux::device::kernel_random;
use platen_hal_linux::finger::OpenSensor;
use platen_hal_linux::keypad::{KeypadFailed, OpenKeypad};
use platen_hal_linux::{
    BoardError, DeviceSecrets, KeypadHandle, SwitchesHandle, WiegandReader, keypad, lines, switches,
};
use platen_hal_sim::{
    Bench, BenchError, BmLiteSetup, BmLiteSpi, BmLiteUart, Ef01Setup, Ef01Uart, Field, FingerField,
    KeyMatrix, Mfrc522Model, OsdpModel, Pn532I2c, Pn532Spi, Pn532Uart, SimDelay, SimLines, SimPart,
};
use platen_model::local::TapResult;
use smol::Executor;
use smol::lock::Mutex;

use self::edges::SimEdges;
use super::Door;
use super::keys::DeviceKeys;

/// How long a tap may take from the card in the field to the decision.
const LIMIT: Duration = Duration::from_secs(5);
/// A card must be away this long before it counts again; longer than the debounce.
const AWAY: Duration = Duration::from_millis(500);
/// The key that a simulated OSDP reader has, as if it had been installed: the published default,
/// SCBK-D. Keys that were imported are for real readers.
const OSDP_KEY: [u8; 16] = *b"0123456789:;<=>?";

/// The simulated parts of a box.
pub(crate) struct Simulator {
    bench: Bench,
    /// Where the hand of `platenctl tap` holds its cards.
    field: Option<Field>,
    hand: Arc<Mutex<()>>,
    executor: Arc<Executor<'static>>,
}

impl Simulator {
    /// Nothing is simulated yet.
    pub(crate) fn new(executor: &Arc<Executor<'static>>) -> Self {
        Self {
            bench: Bench::new(),
            field: None,
            hand: Arc::default(),
            executor: Arc::clone(executor),
        }
    }

    /// How to open a reader with nothing in front of it: the real driver on a model of its chip.
    ///
    /// # Errors
    /// [`BoardError::Unusable`] for a part that has no model.
    pub(crate) fn reader(
        &mut self,
        part: &ReaderPart,
        keys: &Arc<DeviceKeys>,
    ) -> Result<OpenReader, BoardError> {
        let (whole, keys) = (part.clone(), Arc::clone(keys));
        Ok(match &part.kind {
            ReaderKind::Mfrc522 { .. } => {
                let field = self.cards(&part.name);
                Box::new(move || Ok(mfrc522(&field, &whole, &keys.secrets())))
            }
            ReaderKind::Pn532(chip) => {
                let (field, chip) = (self.cards(&part.name), chip.clone());
                Box::new(move || Ok(pn532(&field, &whole, &chip, &keys.secrets())))
            }
            ReaderKind::Osdp(osdp) if osdp.secure == OsdpSecurity::Install => {
                let problem = "is `install`: a simulated reader has its key already";
                return Err(unusable(part, "reader.secure", problem));
            }
            ReaderKind::Osdp(osdp) => {
                let (model, osdp) = (osdp_model(osdp), osdp.clone());
                self.lay(&part.name, SimPart::Osdp(model.clone()));
                Box::new(move || osdp_reader(&model, &whole, &osdp))
            }
            ReaderKind::Wiegand(_) => {
                let wires = SimLines::new(2, true, lines::now_ns);
                self.lay(&part.name, SimPart::Wires(wires.clone()));
                Box::new(move || {
                    let wires = wires.clone();
                    let open = move || Ok(SimEdges::new(&wires));
                    Ok(Box::new(WiegandReader::on_source(
                        open,
                        whole.number.clone(),
                    )))
                })
            }
            _ => {
                let problem = "is `sim`: the kernel's keyboards have no model";
                return Err(unusable(part, "reader.backend", problem));
            }
        })
    }

    fn cards(&mut self, name: &str) -> Field {
        let field = Field::new();
        self.field.get_or_insert_with(|| field.clone());
        self.lay(name, SimPart::Cards(field.clone()));
        field
    }

    /// How to open a sensor with nothing on it and no template.
    pub(crate) fn sensor(&mut self, part: &FingerprintPart) -> OpenSensor {
        let field = FingerField::new();
        self.lay(&part.name, SimPart::Fingers(field.clone()));
        match &part.kind {
            FingerprintKind::BmLite { link, capacity, .. } => {
                let (uart, capacity) = (matches!(link, BmLiteLink::Uart(_)), *capacity);
                Box::new(move || Ok(bm_lite(&field, uart, capacity)))
            }
            FingerprintKind::Ef01 { address, .. } => {
                let address = *address;
                Box::new(move || {
                    let setup = Ef01Setup {
                        address,
                        ..Ef01Setup::r503()
                    };
                    let port = Ef01Uart::new(&field, setup);
                    let sensor = Ef01::new(port, SimDelay::default());
                    Ok(Box::new(sensor.with_address(address)))
                })
            }
            // A sensor that has no model yet is one that does not answer.
            _ => Box::new(|| Err("the sensor has no model".into())),
        }
    }

    /// A pad whose keys nobody presses, in its owner's thread.
    pub(crate) fn keypad<E>(&mut self, part: &KeypadPart, events: E) -> io::Result<KeypadHandle>
    where
        E: FnMut(DeviceEvent) -> bool + Send + 'static,
    {
        let matrix = KeyMatrix::new(1);
        let keys = part.layout.iter().map(|row| row.chars().collect());
        let pad = SimPart::Keys(matrix.clone(), keys.collect());
        self.lay(&part.name, pad);
        let layout = part.layout.clone();
        let widest = layout.iter().map(|row| row.chars().count()).max();
        let open = move || {
            let rows = (0..layout.len()).map(|row| matrix.row(row)).collect();
            let columns = (0..widest.unwrap_or(0))
                .map(|at| matrix.column(at))
                .collect();
            let layout = Layout::new(&layout).ok_or(KeypadFailed::Layout)?;
            let keypad = Keypad::new(layout, rows, columns, SimDelay::default());
            Ok(OpenKeypad {
                keypad: keypad.ok_or(KeypadFailed::Layout)?,
                wake: SimEdges::always(),
            })
        };
        keypad::spawn_on(&part.name, open, events)
    }

    /// Switches that are closed, in their owner's thread.
    pub(crate) fn switches<E>(
        &mut self,
        parts: &[&SwitchPart],
        events: E,
    ) -> io::Result<SwitchesHandle>
    where
        E: FnMut(DeviceEvent) -> bool + Send + 'static,
    {
        let wires = SimLines::new(parts.len(), false, lines::now_ns);
        for (line, part) in parts.iter().enumerate() {
            self.lay(&part.name, SimPart::Switch(wires.clone(), line));
        }
        let names = parts.iter().map(|part| part.name.clone()).collect();
        let open = move || Ok(SimEdges::new(&wires));
        switches::spawn_on(names, open, events)
    }

    /// The board file has names once, and fewer parts than the bench has room for.
    fn lay(&mut self, name: &str, part: SimPart) {
        if !self.bench.lay(name, part) {
            log::warn!(device = name; "no room on the bench for a simulated part");
        }
    }

    /// Whether there is a simulated reader of cards.
    pub(crate) fn has_cards(&self) -> bool {
        self.field.is_some()
    }

    /// Does what a line of the bench's language says.
    pub(crate) fn run(&self, line: &str) -> Result<String, BenchError> {
        self.bench.run(line)
    }

    /// Holds a card to the first reader until the box has decided. `None` when it does not.
    pub(crate) async fn tap(&self, door: &Door, uid: CardUid) -> Option<TapResult> {
        let field = self.field.clone()?;
        let hand = self.hand.lock_arc().await;
        let outcome = door.outcomes.expect(&uid);
        if !field.place(&uid) {
            return None;
        }
        let decided = async { outcome.recv().await.ok() };
        let limit = async {
            smol::Timer::after(LIMIT).await;
            None
        };
        let result = smol::future::or(decided, limit).await;
        field.remove(&uid);
        let away = async move {
            smol::Timer::after(AWAY).await;
            drop(hand);
        };
        self.executor.spawn(away).detach();
        result
    }
}

fn unusable(part: &ReaderPart, key: &'static str, problem: &'static str) -> BoardError {
    BoardError::Unusable {
        line: part.line,
        key,
        problem,
    }
}

fn mfrc522(field: &Field, part: &ReaderPart, secrets: &DeviceSecrets) -> Box<dyn CardReader> {
    let mut reader = Mfrc522::new(Mfrc522Model::new(field), SimDelay::default());
    if let Some(keys) = &secrets.cards {
        reader = reader.with_keys(keys.clone(), kernel_random());
    }
    Box::new(Renumbered::new(reader, part.number.clone()))
}

fn osdp_model(osdp: &OsdpPart) -> OsdpModel {
    match osdp.secure {
        OsdpSecurity::Off => OsdpModel::new(osdp.address),
        _ => OsdpModel::with_key(osdp.address, OSDP_KEY),
    }
}

fn osdp_reader(
    model: &OsdpModel,
    part: &ReaderPart,
    osdp: &OsdpPart,
) -> Result<Box<dyn CardReader>, OpenError> {
    let protection = match osdp.secure {
        OsdpSecurity::Off => Protection::Clear,
        OsdpSecurity::Required | OsdpSecurity::Install => Protection::Secure(AesKey::new(OSDP_KEY)),
    };
    let config = OsdpConfig {
        address: osdp.address,
        check: osdp.check,
        protection,
        number: part.number.clone(),
        ask_twice: osdp.ask_twice,
    };
    let reader = Osdp::new(model.port(), SimDelay::default(), kernel_random(), config)?;
    Ok(Box::new(reader))
}

fn pn532(
    field: &Field,
    part: &ReaderPart,
    chip: &Pn532Part,
    secrets: &DeviceSecrets,
) -> Box<dyn CardReader> {
    match &chip.link {
        Pn532Link::Spi(_) => on_link(SpiLink::new(Pn532Spi::new(field)), part, chip, secrets),
        Pn532Link::I2c(_) => on_link(I2cLink::new(Pn532I2c::new(field)), part, chip, secrets),
        Pn532Link::Uart(_) => on_link(HsuLink::new(Pn532Uart::new(field)), part, chip, secrets),
    }
}

fn on_link<L: Link + Send + 'static>(
    link: L,
    part: &ReaderPart,
    chip: &Pn532Part,
    secrets: &DeviceSecrets,
) -> Box<dyn CardReader> {
    let mut reader = Pn532::new(link, SimDelay::default()).with_kinds(chip.kinds);
    if let Some(keys) = &secrets.cards {
        reader = reader.with_keys(keys.clone(), kernel_random());
    }
    Box::new(Renumbered::new(reader, part.number.clone()))
}

fn bm_lite(field: &FingerField, uart: bool, capacity: u16) -> Box<dyn FingerprintSensor> {
    let setup = BmLiteSetup::default();
    let delay = SimDelay::default();
    if uart {
        let (port, reset) = BmLiteUart::new(field, setup);
        let module = BmLite::with_reset(UartWire::new(port), delay, reset);
        Box::new(module.with_capacity(capacity))
    } else {
        let (spi, ready, reset) = BmLiteSpi::new(field, setup);
        let module = BmLite::with_reset(SpiWire::new(spi, ready), delay, reset);
        Box::new(module.with_capacity(capacity))
    }
}
