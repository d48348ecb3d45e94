// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The bench on which a box's simulated parts lie: each has its name of the board file and is
//! driven by lines of text, `NAME COMMAND WORDS…`, whatever socket brings them.
//!
//! A command acts on the world in front of a part or on its wires, never on the driver above it.

use std::collections::BTreeMap;

use thiserror::Error;

use crate::edges::SimLines;
use crate::field::{Fault, Field};
use crate::finger::FingerField;
use crate::keypad::KeyMatrix;
use crate::osdp::OsdpModel;

mod commands;
mod words;

pub use words::HELP;

/// Longest line that is taken, bytes.
pub const LINE_MAX: usize = 512;
/// Parts that fit on the bench.
pub const PARTS_MAX: usize = 32;

/// A simulated part, by what stands in front of it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum SimPart {
    /// A contactless reader: cards in its field.
    Cards(Field),
    /// An OSDP reader at its line: cards, keys, a case.
    Osdp(OsdpModel),
    /// A fingerprint sensor: fingers on its surface.
    Fingers(FingerField),
    /// A Wiegand reader: D0 is line 0, D1 is line 1.
    Wires(SimLines),
    /// A switch: its line, high while it is open.
    Switch(SimLines, usize),
    /// A PIN pad, with the key in each contact, row by row.
    Keys(KeyMatrix, Vec<Vec<char>>),
}

impl SimPart {
    /// What it is, in one word.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Cards(_) => "cards",
            Self::Osdp(_) => "osdp",
            Self::Fingers(_) => "fingers",
            Self::Wires(_) => "wires",
            Self::Switch(..) => "switch",
            Self::Keys(..) => "keys",
        }
    }
}

/// Simulated parts by name.
#[derive(Clone, Debug, Default)]
pub struct Bench {
    parts: BTreeMap<String, SimPart>,
}

/// Why a line was not carried out.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
#[non_exhaustive]
pub enum BenchError {
    /// Longer than [`LINE_MAX`], or nothing in it.
    #[error("write `NAME COMMAND WORDS…` in at most {LINE_MAX} bytes; `help` tells more")]
    Line,
    /// No part of that name.
    #[error("no simulated part has that name; there are: {}", names.join(", "))]
    Part {
        /// The parts that there are.
        names: Vec<String>,
    },
    /// The part knows no such command.
    #[error("a part of kind {kind} knows: {known}")]
    Command {
        /// What the part is.
        kind: &'static str,
        /// Its commands.
        known: &'static str,
    },
    /// A word of the command can't be used.
    #[error("{what} {problem}")]
    Word {
        /// Which word.
        what: &'static str,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// There is no room for it.
    #[error("{0} is full")]
    Full(&'static str),
}

impl Bench {
    /// An empty bench.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Lays a part down. Returns false when the bench is full or the name is taken.
    #[must_use = "a full bench takes no part"]
    pub fn lay(&mut self, name: &str, part: SimPart) -> bool {
        let free = self.parts.len() < PARTS_MAX && !self.parts.contains_key(name);
        if free {
            self.parts.insert(name.to_owned(), part);
        }
        free
    }

    /// The parts and what they are.
    pub fn parts(&self) -> impl Iterator<Item = (&str, &SimPart)> {
        self.parts.iter().map(|(name, part)| (name.as_str(), part))
    }

    /// Carries out one line, and answers with text for people.
    ///
    /// # Errors
    /// [`BenchError`]; nothing has been done then.
    pub fn run(&self, line: &str) -> Result<String, BenchError> {
        if line.len() > LINE_MAX {
            return Err(BenchError::Line);
        }
        let words: Vec<&str> = line.split_whitespace().collect();
        match words.as_slice() {
            [] => Err(BenchError::Line),
            ["help"] => Ok(HELP.to_owned()),
            ["list"] => Ok(self.list()),
            [name, command @ ..] => {
                let part = self.parts.get(*name).ok_or_else(|| BenchError::Part {
                    names: self.parts.keys().cloned().collect(),
                })?;
                commands::run(part, command)?;
                Ok("done".to_owned())
            }
        }
    }

    fn list(&self) -> String {
        let lines = self
            .parts()
            .map(|(name, part)| format!("{name} {}", part.kind()));
        lines.collect::<Vec<_>>().join("\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bench(part: SimPart) -> Bench {
        let mut bench = Bench::new();
        assert!(bench.lay("door", part));
        bench
    }

    #[test]
    fn a_part_has_its_name_once_and_others_are_told_apart() {
        let mut bench = bench(SimPart::Cards(Field::new()));
        assert!(!bench.lay("door", SimPart::Fingers(FingerField::new())));
        assert!(bench.lay("finger", SimPart::Fingers(FingerField::new())));
        assert_eq!(bench.run("list").unwrap(), "door cards\nfinger fingers");
        let names = vec!["door".to_owned(), "finger".to_owned()];
        assert_eq!(bench.run("gate place 1"), Err(BenchError::Part { names }));
    }

    #[test]
    fn what_is_no_command_is_answered_with_those_there_are() {
        let bench = bench(SimPart::Cards(Field::new()));
        for (line, part) in [
            ("", "write `NAME"),
            ("door", "knows: place"),
            ("door jump", "knows: place"),
            ("door place", "knows: place"),
            ("door place 01020304 gold", "kind"),
            ("door place 04010203040506 desfire f48110 0 00", "key"),
            ("door place 12", "number"),
            ("door fault loud", "fault"),
        ] {
            let error = bench.run(line).unwrap_err().to_string();
            assert!(error.contains(part), "{line}: {error}");
        }
        assert_eq!(bench.run(&"x".repeat(LINE_MAX + 1)), Err(BenchError::Line));
    }

    #[test]
    fn each_fault_reaches_the_wires() {
        let field = Field::new();
        let bench = bench(SimPart::Cards(field.clone()));
        for (line, fault) in [
            ("door fault gone", Fault::Gone),
            ("door fault stuck-low", Fault::StuckLow),
            ("door fault stuck-high", Fault::StuckHigh),
            ("door fault failed", Fault::BusFailed),
            (
                "door fault garbled 7 3",
                Fault::Garbled {
                    seed: 3,
                    per_mille: 7,
                },
            ),
            ("door fault none", Fault::None),
        ] {
            bench.run(line).unwrap();
            assert_eq!(field.lock().fault, fault, "{line}");
        }
    }

    #[test]
    fn a_reader_with_osdp_takes_cards_keys_and_an_open_case() {
        let bench = bench(SimPart::Osdp(OsdpModel::new(1)));
        for line in [
            "door card 26 0102ff40",
            "door digits 4711",
            "door keys 12#",
            "door tamper open",
            "door fault garbled 3",
            "door reboot",
        ] {
            assert_eq!(bench.run(line).as_deref(), Ok("done"), "{line}");
        }
        assert!(bench.run("door card 26 0102").is_err());
    }

    #[test]
    fn cards_with_keys_are_held_to_a_reader() {
        let bench = bench(SimPart::Cards(Field::new()));
        let key = "00112233445566778899aabbccddeeff";
        for line in [
            format!("door place 04010203040506 desfire f48110 0 {key}"),
            format!("door place 04010203040507 ntag424 2 {key}"),
            "door place 08010203 random".to_owned(),
            "door remove 04010203040506".to_owned(),
            "door remove".to_owned(),
        ] {
            assert_eq!(bench.run(&line).as_deref(), Ok("done"), "{line}");
        }
    }

    #[test]
    fn wires_carry_bits_and_switches_open() {
        let lines = SimLines::new(2, true, || 1_000_000_000);
        let wires = bench(SimPart::Wires(lines.clone()));
        wires.run("door send 26 d4fb2780").unwrap();
        assert_eq!(lines.take().len(), 52);
        assert!(wires.run("door send 26 d4fb").is_err());
        let line = SimLines::new(1, false, || 1);
        let switch = bench(SimPart::Switch(line.clone(), 0));
        switch.run("door open").unwrap();
        assert!(line.is_high(0));
        switch.run("door close").unwrap();
        assert!(!line.is_high(0));
    }

    #[test]
    fn fingers_are_taught_and_laid() {
        let field = FingerField::new();
        let bench = bench(SimPart::Fingers(field.clone()));
        bench.run("door teach 3 77").unwrap();
        assert!(field.knows(3, 77));
        for line in ["door lay 77", "door poor", "door lift", "door irq off"] {
            bench.run(line).unwrap();
        }
        assert!(bench.run("door lay x").is_err());
    }
}
