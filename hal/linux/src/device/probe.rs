// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Tries every part of a board: opens it as the daemon would, starts it, looks once, and lets it go.
//! For `board check`, while nobody else has the parts.

use std::sync::mpsc::sync_channel;
use std::thread::Builder;
use std::time::Duration;

use platen_hal::{ReaderError, TraceEvent};
use platen_model::Chain;

use super::{DeviceSecrets, open_fingerprint, open_lights, open_reader};
use crate::board::{
    Backend, Board, BoardError, FingerprintPart, KeypadPart, PanelPart, ReaderPart, SwitchPart,
};
use crate::lines::{InputLine, LineError, OutputLine, now_ns};

/// Longest try of all parts together. A start and a look are over in 2 s and 5 s; this is a system that does
/// not answer.
pub const PROBE_LIMIT: Duration = Duration::from_secs(8);
const SIMULATED: &str = "simulated: nothing to answer";

/// What came of trying a part.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Finding {
    /// Its name in the board file; `panel` for lamps and buzzer.
    pub name: String,
    /// What it is, such as `mfrc522`.
    pub part: &'static str,
    /// Where it is.
    pub place: String,
    /// What it answered, or what is wrong and what to do.
    pub outcome: Result<String, String>,
}

/// What a try tells: the part's answer, or the sentence of what is wrong.
type Tried = Result<String, String>;
type Try = Box<dyn FnOnce() -> Tried + Send>;
/// A try with the part's name, what it is, and its place.
type Named = (String, &'static str, String, Try);

/// Tries all parts at once, and tells of them in the board file's order. Returns within
/// [`PROBE_LIMIT`]; a part that hangs the system is left behind in its thread.
#[must_use]
pub fn probe(board: &Board, secrets: &DeviceSecrets) -> Vec<Finding> {
    let mut tries: Vec<Named> = Vec::new();
    for part in &board.readers {
        let (whole, secrets) = (part.clone(), secrets.clone());
        let work: Try = Box::new(move || reader(&whole, &secrets));
        tries.push((part.name.clone(), part.kind.part(), part.place(), work));
    }
    for part in &board.fingerprints {
        let whole = part.clone();
        let work: Try = Box::new(move || fingerprint(&whole));
        tries.push((part.name.clone(), part.kind.part(), part.place(), work));
    }
    if let Some(part) = &board.panel {
        let whole = part.clone();
        let work: Try = Box::new(move || panel(&whole));
        tries.push(("panel".to_owned(), "panel", part.place(), work));
    }
    for part in &board.switches {
        let whole = part.clone();
        let work: Try = Box::new(move || switch(&whole));
        tries.push((part.name.clone(), part.kind.keyword(), part.place(), work));
    }
    if let Some(part) = &board.keypad {
        let whole = part.clone();
        let work: Try = Box::new(move || keypad(&whole));
        tries.push((part.name.clone(), "keypad", part.place(), work));
    }
    outcomes(tries, PROBE_LIMIT)
}

/// Waits for all of them together, for `limit`.
fn outcomes(tries: Vec<Named>, limit: Duration) -> Vec<Finding> {
    let deadline_ns = now_ns().saturating_add(u64::try_from(limit.as_nanos()).unwrap_or(u64::MAX));
    let begun: Vec<_> = tries
        .into_iter()
        .map(|(name, part, place, work)| (name, part, place, begin(work)))
        .collect();
    begun
        .into_iter()
        .map(|(name, part, place, answer)| {
            let left = Duration::from_nanos(deadline_ns.saturating_sub(now_ns()));
            let late = format!(
                "the system does not return from its bus in {} s",
                limit.as_secs()
            );
            Finding {
                name,
                part,
                place,
                outcome: answer(left).unwrap_or(Err(late)),
            }
        })
        .collect()
}

/// Begins in a thread of its own, and returns how to wait for the end; `None` when it did not come.
fn begin(work: Try) -> impl FnOnce(Duration) -> Option<Tried> {
    let (sender, answer) = sync_channel(1);
    let thread = Builder::new().name("probe".to_owned());
    let spawned = thread.spawn(move || {
        // Nobody may wait any more.
        let _ = sender.send(work());
    });
    move |limit| match spawned {
        Ok(_) => answer.recv_timeout(limit).ok(),
        Err(error) => Some(Err(format!("no thread for it: {error}"))),
    }
}

fn reader(part: &ReaderPart, secrets: &DeviceSecrets) -> Tried {
    if part.backend == Backend::Sim {
        return Ok(SIMULATED.to_owned());
    }
    let mut reader = open_reader(part, secrets).map_err(|error| not_opened(&error))?;
    reader.start().map_err(|error| silent(&error))?;
    match reader.poll() {
        // A card that can't be read is no fault of the reader.
        Ok(_) | Err(ReaderError::Garbled { .. } | ReaderError::Refused { .. }) => (),
        Err(error) => return Err(silent(&error)),
    }
    let trace = reader.trace().into_iter().flat_map(|trace| trace.entries());
    let version = trace.filter_map(|entry| match entry.event {
        TraceEvent::Started { version } if version != 0 => Some(version),
        _ => None,
    });
    Ok(match version.last() {
        Some(version) => format!("answers, version 0x{version:02x}"),
        None => "answers".to_owned(),
    })
}

fn fingerprint(part: &FingerprintPart) -> Tried {
    if part.backend == Backend::Sim {
        return Ok(SIMULATED.to_owned());
    }
    let mut sensor = open_fingerprint(part).map_err(|error| not_opened(&error))?;
    let facts = sensor.start().map_err(|error| silent(&error))?;
    match sensor.identify() {
        Ok(_) | Err(ReaderError::Garbled { .. }) => (),
        Err(error) => return Err(silent(&error)),
    }
    let (used, capacity) = (facts.used, facts.capacity);
    Ok(format!("answers, {used} of {capacity} templates used"))
}

fn panel(part: &PanelPart) -> Tried {
    if part.backend == Backend::Sim {
        return Ok(SIMULATED.to_owned());
    }
    let lights = open_lights(part).map_err(|error| not_opened(&error))?;
    drop(lights);
    Ok("lines can be driven; lamps don't answer".to_owned())
}

fn switch(part: &SwitchPart) -> Tried {
    use embedded_hal::digital::InputPin as _;
    let Some(input) = &part.input else {
        return Ok(SIMULATED.to_owned());
    };
    let read = InputLine::open(input).and_then(|mut line| line.is_high());
    Ok(match read.map_err(|error| no_line(&error))? {
        true => "is open".to_owned(),
        false => "is closed".to_owned(),
    })
}

fn keypad(part: &KeypadPart) -> Tried {
    if part.backend == Backend::Sim {
        return Ok(SIMULATED.to_owned());
    }
    let rows: Result<Vec<_>, _> = part.rows.iter().map(OutputLine::open_drain).collect();
    let columns: Result<Vec<_>, _> = part.columns.iter().map(InputLine::open).collect();
    match rows.map(|_| ()).and(columns.map(|_| ())) {
        Ok(()) => Ok("lines can be had; keys don't answer".to_owned()),
        Err(error) => Err(no_line(&error)),
    }
}

fn not_opened(error: &BoardError) -> String {
    Chain(error).to_string()
}

fn silent(error: &ReaderError) -> String {
    format!("{error}; look at its supply and wires, and at the keys of its table")
}

fn no_line(error: &LineError) -> String {
    format!(
        "{}; has the chip that line, is it free (`gpioinfo`), is the user in its group?",
        Chain(error)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_that_hang_are_waited_for_together_and_the_others_are_told() {
        let limit = Duration::from_secs(2);
        let mut held = Vec::new();
        let mut tries: Vec<Named> = Vec::new();
        for _ in 0..3 {
            let (release, hold) = sync_channel::<()>(0);
            held.push(release);
            let work: Try = Box::new(move || {
                let _ = hold.recv();
                Ok("too late".to_owned())
            });
            tries.push(("hung".to_owned(), "x", String::new(), work));
        }
        let work: Try = Box::new(|| Ok("answers".to_owned()));
        tries.push(("sound".to_owned(), "x", String::new(), work));
        let began = now_ns();
        let findings = outcomes(tries, limit);
        let took = Duration::from_nanos(now_ns() - began);
        assert!(took < 2 * limit, "{took:?}");
        let (sound, hung) = findings.split_last().unwrap();
        assert_eq!(sound.outcome, Ok("answers".to_owned()));
        assert_eq!(hung.len(), 3);
        let late = "the system does not return from its bus in 2 s".to_owned();
        assert!(hung.iter().all(|one| one.outcome == Err(late.clone())));
    }
}
