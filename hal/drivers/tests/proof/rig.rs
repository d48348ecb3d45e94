// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A reader with keys, the cards that they open, and looks that keep the limits of the trait.

use platen_drivers::{
    AesKey, CardKeys, HsuLink, I2cLink, MasterKey, Mfrc522, Pn532, Random, SpiLink, SunLayout,
};
use platen_hal::{CardReader, CardUid, Proof, ReaderError};
use platen_hal_sim::{
    Card, Desfire, Field, Mfrc522Model, Ntag424, Pn532I2c, Pn532Spi, Pn532Uart, SimDelay,
};

/// Limit of the trait for a look with a proof, and what of it may be asked from the delay; the
/// rest is left to the bus.
const POLL_MS: u64 = 600;
const TRANSACTIONS_MAX: u64 = 2_048;

pub(crate) const APPLICATION: u32 = 0x00f5_4230;
pub(crate) const KEY: [u8; 16] = [
    0x1f, 0x2e, 0x3d, 0x4c, 0x5b, 0x6a, 0x79, 0x88, 0x97, 0xa6, 0xb5, 0xc4, 0xd3, 0xe2, 0xf1, 0x07,
];
pub(crate) const OTHER_KEY: [u8; 16] = [0x33; 16];
pub(crate) const TAIL: [u8; 10] = *b"\x30\x42\xf5OFFICE1";
pub(crate) const META: [u8; 16] = [0x51; 16];
pub(crate) const TEXT: &str =
    "\u{1}u\u{0}example.net/t?p=PPPPPPPPPPPPPPPPPPPPPPPPPPPPPPPP&c=MMMMMMMMMMMMMMMM";

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Part {
    Mfrc522,
    Spi,
    I2c,
    Uart,
}

pub(crate) const PARTS: [Part; 4] = [Part::Mfrc522, Part::Spi, Part::I2c, Part::Uart];

pub(crate) struct Rig {
    pub(crate) field: Field,
    pub(crate) delay: SimDelay,
    pub(crate) reader: Box<dyn CardReader>,
}

pub(crate) fn random() -> Random {
    let mut state = 0x1234_5678_9abc_def1_u64;
    Box::new(move |bytes| {
        for byte in bytes {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            *byte = (state >> 24) as u8;
        }
    })
}

pub(crate) fn rig(part: Part, keys: CardKeys) -> Rig {
    let field = Field::new();
    let delay = SimDelay::default();
    let reader: Box<dyn CardReader> = match part {
        Part::Mfrc522 => {
            let chip = Mfrc522Model::new(&field);
            Box::new(Mfrc522::new(chip, delay.clone()).with_keys(keys, random()))
        }
        Part::Spi => {
            let link = SpiLink::new(Pn532Spi::new(&field));
            Box::new(Pn532::new(link, delay.clone()).with_keys(keys, random()))
        }
        Part::I2c => {
            let link = I2cLink::new(Pn532I2c::new(&field));
            Box::new(Pn532::new(link, delay.clone()).with_keys(keys, random()))
        }
        Part::Uart => {
            let link = HsuLink::new(Pn532Uart::new(&field));
            Box::new(Pn532::new(link, delay.clone()).with_keys(keys, random()))
        }
    };
    Rig {
        field,
        delay,
        reader,
    }
}

pub(crate) fn started(part: Part, keys: CardKeys) -> Rig {
    let mut rig = rig(part, keys);
    rig.reader.start().unwrap();
    rig
}

pub(crate) fn shared() -> MasterKey {
    MasterKey::shared(AesKey::new(KEY))
}

pub(crate) fn desfire_keys() -> CardKeys {
    CardKeys::default()
        .with_desfire(APPLICATION, 1, shared())
        .unwrap()
}

pub(crate) fn diversified_keys() -> CardKeys {
    let key = MasterKey::diversified(AesKey::new(KEY), &TAIL).unwrap();
    CardKeys::default()
        .with_desfire(APPLICATION, 1, key)
        .unwrap()
}

pub(crate) fn ntag_keys() -> CardKeys {
    CardKeys::default().with_ntag424(2, shared()).unwrap()
}

pub(crate) fn offset(of: &str) -> u16 {
    u16::try_from(TEXT.find(of).unwrap() + 2).unwrap()
}

pub(crate) fn sun_keys() -> CardKeys {
    let layout = SunLayout {
        picc_data: offset("PPPP"),
        mac_input: offset("example"),
        mac: offset("MMMM"),
    };
    CardKeys::default()
        .with_sun(AesKey::new(META), shared(), layout)
        .unwrap()
}

pub(crate) fn uid(bytes: &[u8]) -> CardUid {
    CardUid::new(bytes).unwrap()
}

pub(crate) fn number(n: u8) -> CardUid {
    uid(&[0x04, 0x9a, 0x31, 0x52, n, 0x6d, 0x80])
}

pub(crate) fn ev1() -> Desfire {
    Desfire::ev1(APPLICATION).with_key(1, KEY)
}

pub(crate) fn ev2() -> Desfire {
    Desfire::ev2(APPLICATION).with_key(1, KEY)
}

pub(crate) fn ntag() -> Ntag424 {
    Ntag424::new().with_key(2, KEY)
}

pub(crate) fn sun() -> Ntag424 {
    Ntag424::new().with_sun(META, KEY, TEXT, usize::from(offset("example")))
}

/// Each kind of genuine card, with the keys that it proves itself with.
/// Keys are made anew at each call: clones share what cards have counted.
pub(crate) type Keys = fn() -> CardKeys;

pub(crate) fn genuine(n: u8) -> [(&'static str, Keys, Card); 4] {
    [
        ("EV1", desfire_keys, Card::desfire(number(n), ev1())),
        ("EV2", desfire_keys, Card::desfire(number(n), ev2())),
        ("NTAG 424", ntag_keys, Card::ntag424(number(n), ntag())),
        ("SUN", sun_keys, Card::ntag424(number(n), sun())),
    ]
}

pub(crate) type Found = Result<Option<CardUid>, ReaderError>;

impl Rig {
    /// A poll that must keep the trait's limit.
    pub(crate) fn poll(&mut self) -> Found {
        let (ms, transactions) = (self.delay.total_ms(), self.field.transactions());
        let result = self.reader.poll();
        let spent = self.delay.total_ms() - ms;
        assert!(spent <= POLL_MS, "poll took {spent} ms: {result:?}");
        let made = self.field.transactions() - transactions;
        assert!(made <= TRANSACTIONS_MAX, "{made} transactions: {result:?}");
        result
    }

    pub(crate) fn place(&self, card: Card) {
        assert!(self.field.place_card(card));
    }

    pub(crate) fn is_proved(&self) -> bool {
        self.reader.proof() == Proof::Proved
    }

    /// A poll that must give this number, proved.
    pub(crate) fn proves(&mut self, uid: &CardUid) -> bool {
        self.poll() == Ok(Some(uid.clone())) && self.is_proved()
    }

    pub(crate) fn empty(&mut self) {
        self.field.clear();
        assert_eq!(self.poll(), Ok(None));
        assert!(!self.is_proved());
    }
}

pub(crate) fn is_garbled(found: &Found) -> bool {
    matches!(found, Err(ReaderError::Garbled { .. }))
}
