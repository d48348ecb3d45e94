// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The card reader: the register model of an MFRC522 behind `/dev/spidev0.0`, cards placed and
//! wires broken by commands on a socket.

use std::io;
use std::path::Path;

use platen_hal::CardUid;
use platen_hal_sim::{Fault, Field, Mfrc522Model};

use crate::spidev::Spidev;
use crate::{control, cuse};

/// The commands, for a person.
pub const HELP: &str = "place UID, remove UID, clear, fault none|stuck-low|stuck-high|gone|\
oscillator-dead|bus-failed, fault garbled SEED PER_MILLE, brown-out, transactions";

/// Serves `/dev/NAME` and the commands on `socket` until the device is taken away.
///
/// # Errors
/// The system's own.
pub fn serve(name: &str, socket: &Path) -> io::Result<()> {
    let field = Field::new();
    let mut file = Spidev::new(Mfrc522Model::new(&field));
    control::serve(socket, move |words| act(&field, words))?;
    cuse::serve(name, &mut file)
}

fn act(field: &Field, words: &[&str]) -> Result<String, String> {
    match words {
        ["place", uid] => {
            let placed = field.place(&parsed(uid)?);
            placed
                .then(String::new)
                .ok_or("there is no room".to_owned())
        }
        ["remove", uid] => {
            field.remove(&parsed(uid)?);
            Ok(String::new())
        }
        ["clear"] => {
            field.clear();
            Ok(String::new())
        }
        ["fault", rest @ ..] => {
            field.set_fault(fault(rest)?);
            Ok(String::new())
        }
        ["brown-out"] => {
            field.brown_out();
            Ok(String::new())
        }
        ["transactions"] => Ok(field.transactions().to_string()),
        _ => Err(HELP.to_owned()),
    }
}

fn fault(words: &[&str]) -> Result<Fault, String> {
    Ok(match words {
        ["none"] => Fault::None,
        ["stuck-low"] => Fault::StuckLow,
        ["stuck-high"] => Fault::StuckHigh,
        ["gone"] => Fault::Gone,
        ["oscillator-dead"] => Fault::OscillatorDead,
        ["bus-failed"] => Fault::BusFailed,
        ["garbled", seed, per_mille] => Fault::Garbled {
            seed: seed.parse().map_err(|_| HELP)?,
            per_mille: per_mille.parse().map_err(|_| HELP)?,
        },
        _ => return Err(HELP.to_owned()),
    })
}

fn parsed(text: &str) -> Result<CardUid, String> {
    let digit = |byte: &u8| char::from(*byte).to_digit(16);
    let digits: Option<Vec<u32>> = text.as_bytes().iter().map(digit).collect();
    let bytes: Vec<u8> = digits
        .unwrap_or_default()
        .chunks_exact(2)
        .filter_map(|pair| u8::try_from(pair.first()? << 4 | pair.last()?).ok())
        .collect();
    CardUid::new(&bytes).ok_or_else(|| "a UID is 4, 7 or 10 bytes in hexadecimal".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cards_and_faults_are_told_in_words() {
        let field = Field::new();
        assert!(act(&field, &["place", "04A1B2C3"]).is_ok());
        assert!(act(&field, &["place", "04a1b2c3"]).is_err(), "it is there");
        assert!(act(&field, &["remove", "04A1B2C3"]).is_ok());
        assert!(act(&field, &["place", "04A1B2C3"]).is_ok());
        assert_eq!(fault(&["gone"]), Ok(Fault::Gone));
        let garbled = Fault::Garbled {
            seed: 7,
            per_mille: 50,
        };
        assert_eq!(fault(&["garbled", "7", "50"]), Ok(garbled));
        assert!(act(&field, &["fault", "no-such"]).is_err());
        assert!(act(&field, &["place", "xyz"]).is_err());
    }
}
