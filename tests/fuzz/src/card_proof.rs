// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What a card without the keys can say to a reader that has them: at both readers and each of their
//! links, then straight to the prover, then as a genuine NTAG 424 DNA with a hostile file. Whatever
//! it says: no panic, an end within the limits, no reader that seems gone, and no proof.

use std::collections::VecDeque;

use platen_drivers::isodep::{Answer, CardChannel};
use platen_drivers::proof::{Prover, Verdict};
use platen_drivers::{
    AesKey, CardKeys, HsuLink, I2cLink, MasterKey, Mfrc522, Pn532, Random, SpiLink, SunLayout,
};
use platen_hal::{CardReader, CardUid, Proof, ReaderError};
use platen_hal_sim::{Card, Field, Mfrc522Model, Ntag424, Pn532I2c, Pn532Spi, Pn532Uart, SimDelay};

/// Milliseconds that one look may ask for, and the accesses that it may make.
const POLL_MS_MAX: u64 = 600;
const ACCESSES_MAX: u64 = 2_048;
const LINES_MAX: usize = 24;
const COMMANDS_MAX: usize = 12;

const UID: [u8; 7] = [0x04, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66];
const KEY: [u8; 16] = [0x6b; 16];
const META: [u8; 16] = [0x24; 16];
const LAYOUT: SunLayout = SunLayout {
    picc_data: 6,
    mac_input: 6,
    mac: 41,
};

/// Runs the three on `data`: two octets that choose, then lines, each with its length in front.
///
/// # Panics
/// When a limit is passed, or something is proved that is not.
pub fn card_proof(data: &[u8]) {
    let [choice, how, lines @ ..] = data else {
        return;
    };
    let Some(uid) = CardUid::new(&UID) else {
        return;
    };
    at_reader(&uid, *choice, *how, lines);
    at_prover(&uid, *choice, lines);
    with_file(&uid, lines);
}

fn keys(choice: u8) -> Option<CardKeys> {
    let key = || MasterKey::shared(AesKey::new(KEY));
    let keys = CardKeys::default().with_desfire(1, 1, key()).ok()?;
    match choice & 1 {
        0 => keys.with_ntag424(1, key()).ok(),
        _ => keys.with_sun(AesKey::new(META), key(), LAYOUT).ok(),
    }
}

fn random() -> Random {
    let mut last = 0_u8;
    Box::new(move |bytes| {
        for byte in bytes {
            last = last.wrapping_mul(5).wrapping_add(77);
            *byte = last;
        }
    })
}

/// What the card says to each command.
fn lines(data: &[u8]) -> VecDeque<Vec<u8>> {
    let mut lines = VecDeque::new();
    let mut rest = data;
    while let [length, more @ ..] = rest
        && lines.len() < LINES_MAX
    {
        let (line, more) = more.split_at(usize::from(*length).min(more.len()));
        lines.push_back(line.to_vec());
        rest = more;
    }
    lines
}

fn at_reader(uid: &CardUid, choice: u8, how: u8, data: &[u8]) {
    let (field, delay) = (Field::new(), SimDelay::default());
    let Some(keys) = keys(choice) else {
        return;
    };
    let link = delay.clone();
    let mut reader: Box<dyn CardReader> = match choice >> 1 & 3 {
        0 => Box::new(Mfrc522::new(Mfrc522Model::new(&field), link).with_keys(keys, random())),
        1 => {
            let chip = SpiLink::new(Pn532Spi::new(&field));
            Box::new(Pn532::new(chip, link).with_keys(keys, random()))
        }
        2 => {
            let chip = I2cLink::new(Pn532I2c::new(&field));
            Box::new(Pn532::new(chip, link).with_keys(keys, random()))
        }
        _ => {
            let chip = HsuLink::new(Pn532Uart::new(&field));
            Box::new(Pn532::new(chip, link).with_keys(keys, random()))
        }
    };
    assert_eq!(reader.start(), Ok(()));
    let card = Card::parrot(uid.clone(), lines(data).into())
        .with_frames(how & 0x07)
        .with_waits(
            u32::from(how >> 3 & 3) * 30_000,
            u32::from(how >> 5 & 3),
            how | 1,
        )
        .losing(u32::from(choice >> 4 & 7));
    assert!(field.place_card(card));
    for _ in 0..2 {
        let (ms, accesses) = (delay.total_ms(), field.transactions());
        match reader.poll() {
            Ok(Some(seen)) => assert_eq!(seen, *uid),
            Ok(None) | Err(ReaderError::Garbled { .. }) => {}
            Err(error) => panic!("a card made the reader {error}"),
        }
        assert_eq!(reader.proof(), Proof::Weak);
        assert!(delay.total_ms() - ms <= POLL_MS_MAX, "waits too long");
        assert!(field.transactions() - accesses <= ACCESSES_MAX, "too many");
    }
}

/// Says the lines whatever it hears, and the last one for ever.
struct Parrot {
    lines: VecDeque<Vec<u8>>,
    commands: usize,
}

impl CardChannel for Parrot {
    fn transmit(&mut self, _apdu: &[u8], answer_max: usize) -> Result<Answer, ReaderError> {
        self.commands += 1;
        let garbled = ReaderError::Garbled { cause: "card left" };
        let line = self.lines.pop_front().ok_or(garbled.clone())?;
        let line = line.get(..answer_max.min(line.len())).unwrap_or_default();
        Answer::from_slice(line).map_err(|_| garbled)
    }
}

fn at_prover(uid: &CardUid, choice: u8, data: &[u8]) {
    let Some(keys) = keys(choice) else {
        return;
    };
    let mut card = Parrot {
        lines: lines(data),
        commands: 0,
    };
    let verdict = Prover::new(keys, random()).prove(&mut card, uid);
    let proved = matches!(verdict, Ok(Verdict::Proved { .. }));
    assert!(!proved, "proved without a key");
    assert!(card.commands <= COMMANDS_MAX, "{} commands", card.commands);
}

/// A card with the right keys, in whose file `text` stands.
fn with_file(uid: &CardUid, text: &[u8]) {
    let text: String = text.iter().take(300).copied().map(char::from).collect();
    let mac_input = usize::from(LAYOUT.mac_input);
    let setup = Ntag424::new().with_sun(META, KEY, &text, mac_input);
    let (field, delay) = (Field::new(), SimDelay::default());
    let Some(keys) = keys(1) else {
        return;
    };
    let mut reader = Mfrc522::new(Mfrc522Model::new(&field), delay).with_keys(keys, random());
    assert_eq!(reader.start(), Ok(()));
    assert!(field.place_card(Card::ntag424(uid.clone(), setup)));
    match reader.poll() {
        Ok(Some(seen)) => {
            assert_eq!(seen, *uid);
            let in_place = text.get(4..36) == Some(&"P".repeat(32));
            let has_mac = text.get(39..55) == Some(&"M".repeat(16));
            let proved = reader.proof() == Proof::Proved;
            assert!(!proved || (in_place && has_mac), "no message, and a proof");
        }
        found => assert!(matches!(found, Err(ReaderError::Garbled { .. }))),
    }
}
