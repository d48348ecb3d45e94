// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Words of the bench's commands: numbers, keys, faults.

use platen_hal::CardUid;

use super::{BenchError, Fault};
use crate::osdp::OsdpFault;

/// The commands, for people.
pub const HELP: &str = "\
help                              this
list                              the simulated parts
CARDS  place UID                  hold a card to the reader: 4, 7 or 10 bytes in hexadecimal
       place UID desfire APP N KEY  a DESFire EV2: application, number and AES key, hexadecimal
       place UID ntag424 N KEY    an NTAG 424 DNA with this application key
       place UID random           a card that says another number at each look
       remove [UID]               take it away, or all
OSDP   card BITS HEX              hold a card of so many bits to the reader
       digits NUMBER              a card that is told as digits
       keys 0123*#                press keys
       tamper open|closed         the reader's case
       reboot                     take its power away for a moment
FINGERS  lay N                    lay finger N down
       poor                       lay a finger down that can't be read
       lift                       lift it
       teach SLOT N               as if finger N had been enrolled
       irq on|off                 let the READY line work, or hold it
WIRES  send BITS HEX              a Wiegand reader sends so many bits
SWITCH  open | close
KEYS   press K | release K        a key of the pad
CARDS, OSDP, FINGERS:
       fault none|gone|stuck-low|stuck-high|failed
       fault garbled PER-MILLE [SEED]
       reset                      a dip of the supply (CARDS, FINGERS)
";

pub(super) fn word(what: &'static str, problem: &'static str) -> BenchError {
    BenchError::Word { what, problem }
}

pub(super) fn uid(text: &str) -> Result<CardUid, BenchError> {
    CardUid::from_hex(text).ok_or(word(
        "the card's number",
        "is not 4, 7 or 10 bytes in hexadecimal",
    ))
}

pub(super) fn number<N: std::str::FromStr>(
    what: &'static str,
    text: &str,
) -> Result<N, BenchError> {
    text.parse()
        .map_err(|_| word(what, "is no number in range"))
}

/// An AES-128 key in hexadecimal.
pub(super) fn key(text: &str) -> Result<[u8; 16], BenchError> {
    let length = word("the key", "is not 16 bytes in hexadecimal");
    bytes("the key", text)?.try_into().map_err(|_| length)
}

/// Hexadecimal of any length.
pub(super) fn bytes(what: &'static str, text: &str) -> Result<Vec<u8>, BenchError> {
    let digits: Option<Vec<u8>> = text
        .chars()
        .map(|c| c.to_digit(16).and_then(|digit| u8::try_from(digit).ok()))
        .collect();
    let digits = digits.filter(|digits| digits.len() % 2 == 0);
    let digits = digits.ok_or(word(what, "is not hexadecimal"))?;
    let pair = |pair: &[u8]| pair.iter().fold(0, |byte, digit| byte << 4 | digit);
    Ok(digits.chunks_exact(2).map(pair).collect())
}

pub(super) fn fault(words: &[&str]) -> Result<Fault, BenchError> {
    Ok(match words {
        ["none"] => Fault::None,
        ["gone"] => Fault::Gone,
        ["stuck-low"] => Fault::StuckLow,
        ["stuck-high"] => Fault::StuckHigh,
        ["failed"] => Fault::BusFailed,
        ["garbled", per_mille, seed @ ..] => {
            let (per_mille, seed) = garbled(per_mille, seed)?;
            Fault::Garbled { seed, per_mille }
        }
        _ => return Err(no_fault()),
    })
}

pub(super) fn osdp_fault(words: &[&str]) -> Result<OsdpFault, BenchError> {
    Ok(match words {
        ["none"] => OsdpFault::None,
        ["gone"] => OsdpFault::Gone,
        ["stuck-low"] => OsdpFault::StuckLow,
        ["failed"] => OsdpFault::PortFailed,
        ["garbled", per_mille, seed @ ..] => {
            let (per_mille, seed) = garbled(per_mille, seed)?;
            OsdpFault::Garbled { seed, per_mille }
        }
        _ => return Err(no_fault()),
    })
}

fn garbled(per_mille: &str, seed: &[&str]) -> Result<(u16, u64), BenchError> {
    let seed = match seed {
        [] => 1,
        [seed] => number("the seed", seed)?,
        _ => return Err(no_fault()),
    };
    let per_mille = number("the share", per_mille)?;
    if per_mille > 1000 {
        return Err(word("the share", "is not 0 to 1000"));
    }
    Ok((per_mille, seed))
}

fn no_fault() -> BenchError {
    word(
        "the fault",
        "is none of: none, gone, stuck-low, stuck-high, failed, garbled PER-MILLE [SEED]",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hexadecimal_is_read_whole_or_not_at_all() {
        assert_eq!(bytes("it", "00ffA5"), Ok(vec![0x00, 0xff, 0xa5]));
        assert!(bytes("it", "0").is_err());
        assert!(bytes("it", "zz").is_err());
    }

    #[test]
    fn a_share_is_of_a_thousand() {
        assert!(fault(&["garbled", "1001"]).is_err());
        assert!(fault(&["garbled", "5", "1", "2"]).is_err());
        let wanted = Fault::Garbled {
            seed: 1,
            per_mille: 5,
        };
        assert_eq!(fault(&["garbled", "5"]), Ok(wanted));
    }
}
