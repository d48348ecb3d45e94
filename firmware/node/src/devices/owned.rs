// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The running parts of the box: each opened by the board file and owned by a thread, what they are
//! like now, and the lamps that show the panel's signals.

use std::convert::Infallible;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use platen_drivers::Lights;
use platen_hal::{DeviceEvent, Indicator as _, PanelSignal, ReaderTrace};
use platen_hal_linux::board::{FingerprintPart, KeypadPart, SwitchPart};
use platen_hal_linux::bus::{self, OpenError, OpenReader};
use platen_hal_linux::finger;
use platen_hal_linux::{
    Backend, Board, BoardError, BusHandle, FingerHandle, KeypadHandle, ReaderPart, SwitchesHandle,
    keypad, panel, switches,
};
use platen_hal_sim::SimPin;
use platen_model::Clock;
use platen_model::local::DeviceStatus;
use smol::Executor;
use smol::channel::Sender;

use super::flood::Flood;
use super::keys::DeviceKeys;
use super::simulated::Simulator;
use crate::panel::ShowLights;
use crate::start::StartError;

/// Events of parts that wait to be handled; a tap past this is dropped and counted.
pub(crate) const EVENTS: usize = 64;

/// What the parts are started with.
pub(crate) struct Parts<'a> {
    pub(crate) board: &'a Board,
    pub(crate) keys: &'a Arc<DeviceKeys>,
    pub(crate) clock: &'a Arc<dyn Clock>,
    pub(crate) events: &'a Sender<DeviceEvent>,
    pub(crate) executor: &'a Arc<Executor<'static>>,
    pub(crate) lamps: &'a ReaderLamps,
}

/// The parts, each with its owner.
pub(crate) struct Owned {
    readers: Arc<[BusHandle]>,
    sensors: Vec<FingerHandle>,
    switches: Vec<SwitchesHandle>,
    keypad: Option<KeypadHandle>,
    /// For the parts' places.
    board: Board,
    /// The parts of the backend `sim`, if there are any.
    pub(crate) simulator: Simulator,
}

/// Lamps of the readers, once there are readers.
pub(crate) type ReaderLamps = Arc<OnceLock<Arc<[BusHandle]>>>;

impl Owned {
    /// Starts the owners. A part that can't be opened is one that is gone: its owner tries again.
    pub(crate) fn start(parts: &Parts<'_>) -> Result<Self, StartError> {
        let mut simulator = Simulator::new(parts.executor);
        let readers = parts.board.readers.iter();
        let readers: Vec<_> = readers
            .map(|part| parts.reader(part, &mut simulator))
            .collect::<Result<_, _>>()?;
        let readers: Arc<[BusHandle]> = readers.into();
        // Set once: there is one start.
        let _ = parts.lamps.set(Arc::clone(&readers));
        let sensors = parts.board.fingerprints.iter();
        let keypad = parts.board.keypad.as_ref();
        Ok(Self {
            readers,
            sensors: sensors
                .map(|part| parts.sensor(part, &mut simulator))
                .collect::<Result<_, _>>()?,
            switches: parts.switches(&mut simulator)?,
            keypad: keypad
                .map(|part| parts.keypad(part, &mut simulator))
                .transpose()?,
            board: parts.board.clone(),
            simulator,
        })
    }

    /// Opens all readers anew, with the keys as they are now.
    pub(crate) fn reopen_readers(&self) {
        self.readers.iter().for_each(BusHandle::reopen);
    }

    /// For the local API, in the board file's order.
    pub(crate) fn report(&self) -> Vec<DeviceStatus> {
        let readers = self.readers.iter().zip(&self.board.readers);
        let mut all: Vec<_> = readers.map(|(bus, part)| reader(bus, part)).collect();
        let sensors = self.sensors.iter().zip(&self.board.fingerprints);
        all.extend(sensors.map(|(owner, part)| sensor(owner, part)));
        let states = self.switches.iter().flat_map(SwitchesHandle::state);
        all.extend(states.filter_map(|state| {
            let mut parts = self.board.switches.iter();
            let part = parts.find(|part| part.name == state.name)?;
            Some(switch(&state, part))
        }));
        let pad = self.keypad.iter().zip(&self.board.keypad);
        all.extend(pad.map(|(owner, part)| pad_status(owner, part)));
        all
    }

    /// For each thread of a part its name and a number that grows as long as it comes round.
    pub(crate) fn beats(&self) -> Vec<(String, u64)> {
        let readers = self.readers.iter();
        let readers = readers.map(|bus| (bus.name().to_owned(), bus.beats()));
        let sensors = self.sensors.iter();
        let sensors = sensors.map(|sensor| (sensor.name().to_owned(), sensor.beats()));
        let switches = self.switches.iter().flat_map(SwitchesHandle::beats);
        let switches = switches.map(|beat| ("switches".to_owned(), beat));
        let pad = self.keypad.iter();
        let pad = pad.map(|pad| (pad.name().to_owned(), pad.beats()));
        readers.chain(sensors).chain(switches).chain(pad).collect()
    }

    /// The fingerprint sensors.
    pub(crate) fn sensors(&self) -> &[FingerHandle] {
        &self.sensors
    }

    /// The sensor of this name.
    pub(crate) fn sensor(&self, name: &str) -> Option<&FingerHandle> {
        self.sensors.iter().find(|sensor| sensor.name() == name)
    }

    /// A driver's last steps, oldest first.
    pub(crate) fn ring(&self, name: &str) -> Option<Vec<String>> {
        let reader = self.readers.iter().find(|bus| bus.name() == name);
        let sensor = self.sensors.iter().find(|sensor| sensor.name() == name);
        let trace = reader.map(|bus| bus.state().trace);
        let trace = trace.or_else(|| sensor.map(|sensor| sensor.state().trace))?;
        Some(trace.entries().map(ToString::to_string).collect())
    }

    /// Names of the parts that have a ring.
    pub(crate) fn rings(&self) -> Vec<&str> {
        let readers = self.readers.iter().map(BusHandle::name);
        readers
            .chain(self.sensors.iter().map(FingerHandle::name))
            .collect()
    }
}

impl Parts<'_> {
    /// Takes one part's events, as many as it may send.
    fn sink(&self) -> impl FnMut(DeviceEvent) -> bool + Clone + Send + 'static {
        let events = self.events.clone();
        let mut flood = Flood::new(self.clock);
        move |event| flood.passes(&event) && events.try_send(event).is_ok()
    }

    fn reader(
        &self,
        part: &ReaderPart,
        simulator: &mut Simulator,
    ) -> Result<BusHandle, StartError> {
        let open = if part.backend == Backend::Sim {
            simulator.reader(part, self.keys)?
        } else {
            let (whole, keys) = (part.clone(), Arc::clone(self.keys));
            let open =
                move || platen_hal_linux::open_reader(&whole, &keys.secrets()).map_err(boxed);
            Box::new(open) as OpenReader
        };
        let (name, interval) = (part.name.as_str(), part.interval);
        bus::spawn_opening(part.kind.part(), open, name, self.sink(), interval)
            .map_err(StartError::Spawn)
    }

    fn sensor(
        &self,
        part: &FingerprintPart,
        simulator: &mut Simulator,
    ) -> Result<FingerHandle, StartError> {
        let open = if part.backend == Backend::Sim {
            simulator.sensor(part)
        } else {
            let whole = part.clone();
            Box::new(move || platen_hal_linux::open_fingerprint(&whole).map_err(boxed))
        };
        let (name, interval) = (part.name.as_str(), part.interval);
        finger::spawn_opening(part.kind.part(), open, name, self.sink(), interval)
            .map_err(StartError::Spawn)
    }

    /// Those on real lines, and the simulated ones.
    fn switches(&self, simulator: &mut Simulator) -> Result<Vec<SwitchesHandle>, StartError> {
        let all = self.board.switches.iter();
        let simulated: Vec<_> = all.filter(|part| part.backend == Backend::Sim).collect();
        let mut owners =
            vec![switches::spawn(&self.board.switches, self.sink()).map_err(StartError::Spawn)?];
        if !simulated.is_empty() {
            let owner = simulator.switches(&simulated, self.sink());
            owners.push(owner.map_err(StartError::Spawn)?);
        }
        Ok(owners)
    }

    fn keypad(
        &self,
        part: &KeypadPart,
        simulator: &mut Simulator,
    ) -> Result<KeypadHandle, StartError> {
        let spawned = match part.backend {
            Backend::Sim => simulator.keypad(part, self.sink()),
            _ => keypad::spawn(part, self.sink()),
        };
        spawned.map_err(StartError::Spawn)
    }
}

fn boxed(error: BoardError) -> OpenError {
    Box::new(error)
}

fn status(running: bool) -> String {
    if running { "ok" } else { "gone" }.to_owned()
}

fn counters(trace: &ReaderTrace, more: &[(&str, u64)]) -> Vec<(String, u64)> {
    let named = trace.counters.by_name();
    let all = named.iter().chain(more);
    all.map(|(name, value)| ((*name).to_owned(), *value))
        .collect()
}

fn reader(bus: &BusHandle, part: &ReaderPart) -> DeviceStatus {
    let state = bus.state();
    let more = [
        ("taps", state.taps),
        ("taps-dropped", state.taps_dropped),
        ("keys-dropped", state.keys_dropped),
        ("hangs", state.hangs),
    ];
    DeviceStatus {
        name: bus.name().to_owned(),
        part: bus.part().to_owned(),
        place: part.place(),
        state: status(state.running),
        counters: counters(&state.trace, &more),
        cause: state.cause,
    }
}

fn sensor(owner: &FingerHandle, part: &FingerprintPart) -> DeviceStatus {
    let state = owner.state();
    let more = [
        ("touches", state.touches),
        ("touches-dropped", state.touches_dropped),
    ];
    DeviceStatus {
        name: owner.name().to_owned(),
        part: owner.part().to_owned(),
        place: part.place(),
        state: status(state.running),
        counters: counters(&state.trace, &more),
        cause: state.cause,
    }
}

fn switch(state: &switches::SwitchState, part: &SwitchPart) -> DeviceStatus {
    let rest = match state.open {
        _ if state.cause.is_some() => "gone",
        Some(true) => "open",
        Some(false) => "closed",
        None => "unknown",
    };
    DeviceStatus {
        name: state.name.clone(),
        part: part.kind.keyword().to_owned(),
        place: part.place(),
        state: rest.to_owned(),
        counters: vec![("changes".to_owned(), state.changes)],
        cause: state.cause.clone(),
    }
}

fn pad_status(owner: &KeypadHandle, part: &KeypadPart) -> DeviceStatus {
    let state = owner.state();
    DeviceStatus {
        name: owner.name().to_owned(),
        part: "keypad".to_owned(),
        place: part.place(),
        state: status(state.running),
        counters: vec![("keys-dropped".to_owned(), state.dropped)],
        cause: state.cause,
    }
}

/// The board's lamps and buzzer, and those of its readers. A panel that can't be opened leaves the box dark until it can:
/// jobs come out all the same.
pub(crate) fn lights(board: &Board, readers: ReaderLamps) -> Result<ShowLights, StartError> {
    let real = board.panel.clone();
    let handle = match real.filter(|part| part.backend != Backend::Sim) {
        Some(part) => panel::spawn(move || platen_hal_linux::open_lights(&part)),
        None => panel::spawn(|| Ok::<_, Infallible>(simulated_lights())),
    };
    let handle = Mutex::new(handle.map_err(StartError::Spawn)?);
    Ok(Box::new(move |signal: PanelSignal| {
        let mut panel = handle.lock().unwrap_or_else(PoisonError::into_inner);
        panel.show(signal);
        let readers = readers.get().into_iter().flat_map(|readers| readers.iter());
        readers.for_each(|reader| reader.show(signal));
    }))
}

fn simulated_lights() -> Lights<SimPin, SimPin, SimPin> {
    let ((red, _), (green, _), (buzzer, _)) = (SimPin::new(), SimPin::new(), SimPin::new());
    Lights::new(red, green, buzzer)
}
