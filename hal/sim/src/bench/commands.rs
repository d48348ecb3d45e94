// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What each kind of part can be told.

use super::words::{bytes, fault, key, number, osdp_fault, uid, word};
use super::{BenchError, SimPart};
use crate::card::{Card, Desfire, Ntag424};
use crate::edges::SimLines;
use crate::field::Field;
use crate::finger::FingerField;
use crate::keypad::{Contact, KeyMatrix};
use crate::osdp::OsdpModel;

/// Reads of the columns for which a contact of the pad bounces.
const BOUNCES: u32 = 6;

pub(super) fn run(part: &SimPart, words: &[&str]) -> Result<(), BenchError> {
    match part {
        SimPart::Cards(field) => cards(field, words),
        SimPart::Osdp(model) => osdp(model, words),
        SimPart::Fingers(field) => fingers(field, words),
        SimPart::Wires(lines) => wires(lines, words),
        SimPart::Switch(lines, line) => switch(lines, *line, words),
        SimPart::Keys(matrix, layout) => keys(matrix, layout, words),
    }
}

fn cards(field: &Field, words: &[&str]) -> Result<(), BenchError> {
    match words {
        ["place", number, kind @ ..] => placed(field.place_card(card(number, kind)?)),
        ["remove"] => {
            field.clear();
            Ok(())
        }
        ["remove", number] => {
            field.remove(&uid(number)?);
            Ok(())
        }
        ["fault", words @ ..] => {
            field.set_fault(fault(words)?);
            Ok(())
        }
        ["reset"] => {
            field.brown_out();
            Ok(())
        }
        _ => Err(BenchError::Command {
            kind: "cards",
            known: "place, remove, fault, reset",
        }),
    }
}

fn card(number_: &str, kind: &[&str]) -> Result<Card, BenchError> {
    let uid = uid(number_)?;
    match kind {
        [] => Ok(Card::new(uid)),
        ["random"] => Ok(Card::new(uid).with_random_number()),
        ["desfire", application, slot, secret] => {
            let digits = word(
                "the application",
                "is no number from 1 to ffffff in hexadecimal",
            );
            let application = u32::from_str_radix(application, 16).map_err(|_| digits)?;
            let setup = Desfire::ev2(application);
            let setup = setup.with_key(number("the key's number", slot)?, key(secret)?);
            Ok(Card::desfire(uid, setup))
        }
        ["ntag424", slot, secret] => {
            let setup = Ntag424::new();
            let setup = setup.with_key(number("the key's number", slot)?, key(secret)?);
            Ok(Card::ntag424(uid, setup))
        }
        _ => Err(word(
            "the card",
            "is a number, or a number and a kind; see `help`",
        )),
    }
}

fn placed(taken: bool) -> Result<(), BenchError> {
    let full = BenchError::Full("the field, or that card is there: it");
    taken.then_some(()).ok_or(full)
}

fn osdp(model: &OsdpModel, words: &[&str]) -> Result<(), BenchError> {
    let taken = match words {
        ["card", count, digits] => {
            let (count, octets) = bits(count, digits)?;
            model.present(&octets, count)
        }
        ["digits", digits] => model.present_digits(digits),
        ["keys", keys] => model.press(keys),
        ["tamper", "open"] => {
            model.set_tamper(true);
            true
        }
        ["tamper", "closed"] => {
            model.set_tamper(false);
            true
        }
        ["reboot"] => {
            model.reboot();
            true
        }
        ["fault", words @ ..] => {
            model.set_fault(osdp_fault(words)?);
            true
        }
        _ => {
            return Err(BenchError::Command {
                kind: "osdp",
                known: "card, digits, keys, tamper, reboot, fault",
            });
        }
    };
    taken.then_some(()).ok_or(BenchError::Full("the reader"))
}

fn wires(lines: &SimLines, words: &[&str]) -> Result<(), BenchError> {
    let ["send", count, digits] = words else {
        return Err(BenchError::Command {
            kind: "wires",
            known: "send",
        });
    };
    let (count, octets) = bits(count, digits)?;
    let all = octets
        .iter()
        .flat_map(|byte| (0..8).rev().map(move |bit| byte >> bit & 1 == 1));
    let sent: Vec<bool> = all.take(usize::from(count)).collect();
    let full = BenchError::Full("the line");
    lines.send(&sent).then_some(()).ok_or(full)
}

/// So many bits, the first one highest in the first byte.
fn bits(count: &str, digits: &str) -> Result<(u16, Vec<u8>), BenchError> {
    let count: u16 = number("the count of bits", count)?;
    let octets = bytes("the card's bits", digits)?;
    if octets.len() != usize::from(count).div_ceil(8) {
        return Err(word("the card's bits", "are not as many as was said"));
    }
    Ok((count, octets))
}

fn switch(lines: &SimLines, line: usize, words: &[&str]) -> Result<(), BenchError> {
    match words {
        ["open"] => lines.drive(line, true),
        ["close"] => lines.drive(line, false),
        _ => {
            return Err(BenchError::Command {
                kind: "switch",
                known: "open, close",
            });
        }
    }
    Ok(())
}

fn fingers(field: &FingerField, words: &[&str]) -> Result<(), BenchError> {
    match words {
        ["lay", finger] => field.lay(number("the finger", finger)?),
        ["poor"] => field.lay_poor(),
        ["lift"] => field.lift(),
        ["teach", slot, finger] => {
            field.teach(number("the slot", slot)?, number("the finger", finger)?);
        }
        ["irq", "on"] => field.drop_ready(false),
        ["irq", "off"] => field.drop_ready(true),
        ["fault", words @ ..] => field.set_fault(fault(words)?),
        ["reset"] => field.brown_out(),
        _ => {
            return Err(BenchError::Command {
                kind: "fingers",
                known: "lay, poor, lift, teach, irq, fault, reset",
            });
        }
    }
    Ok(())
}

fn keys(matrix: &KeyMatrix, layout: &[Vec<char>], words: &[&str]) -> Result<(), BenchError> {
    match words {
        ["press", key] => matrix.press(contact(layout, key)?, BOUNCES),
        ["release", key] => matrix.release(contact(layout, key)?, BOUNCES),
        _ => {
            return Err(BenchError::Command {
                kind: "keys",
                known: "press, release",
            });
        }
    }
    Ok(())
}

fn contact(layout: &[Vec<char>], key: &str) -> Result<Contact, BenchError> {
    let mut contacts = layout.iter().enumerate().flat_map(|(row, keys)| {
        let at = move |(column, key): (usize, &char)| (key.to_string(), (row, column));
        keys.iter().enumerate().map(at)
    });
    let found = contacts.find(|(name, _)| name == key);
    found
        .map(|(_, contact)| contact)
        .ok_or(word("the key", "is not on this pad"))
}
