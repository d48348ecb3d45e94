// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The driver, the model of a reader at the far end of its line, and the time that was waited.

use platen_drivers::osdp::frame::Check;
use platen_drivers::osdp::{Osdp, OsdpConfig, Protection};
use platen_drivers::{AesKey, NumberFormat};
use platen_hal::{CardReader, CardUid, ReaderError};
use platen_hal_sim::{OsdpModel, SimDelay};

/// Limits of the trait, in time asked from the delay.
pub(crate) const START_MS: u64 = 450;
pub(crate) const POLL_MS: u64 = 250;
pub(crate) const ADDRESS: u8 = 5;
pub(crate) const KEY: [u8; 16] = *b"a key of a site.";

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Mode {
    Clear,
    Sum,
    Secure,
}

pub(crate) const MODES: [Mode; 3] = [Mode::Clear, Mode::Sum, Mode::Secure];

pub(crate) struct Rig {
    pub(crate) model: OsdpModel,
    pub(crate) delay: SimDelay,
    pub(crate) reader: Box<dyn CardReader>,
}

pub(crate) fn config(mode: Mode, number: &str) -> OsdpConfig {
    OsdpConfig {
        address: ADDRESS,
        check: match mode {
            Mode::Sum => Check::Sum,
            _ => Check::Crc,
        },
        protection: match mode {
            Mode::Secure => Protection::Secure(AesKey::new(KEY)),
            _ => Protection::Clear,
        },
        number: number.parse::<NumberFormat>().unwrap(),
        ask_twice: true,
    }
}

pub(crate) fn with(model: OsdpModel, config: OsdpConfig) -> Rig {
    let delay = SimDelay::default();
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let random = move |into: &mut [u8]| {
        for byte in into {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            *byte = (state >> 56) as u8;
        }
    };
    let reader = Osdp::new(model.port(), delay.clone(), random, config).unwrap();
    Rig {
        model,
        delay,
        reader: Box::new(reader),
    }
}

pub(crate) fn rig(mode: Mode) -> Rig {
    with(OsdpModel::with_key(ADDRESS, KEY), config(mode, "uid"))
}

/// Started, and past the questions that follow the start.
pub(crate) fn running(mode: Mode) -> Rig {
    let mut rig = rig(mode);
    rig.reader.start().unwrap();
    rig.settle();
    rig
}

pub(crate) fn uid(bytes: &[u8]) -> CardUid {
    CardUid::new(bytes).unwrap()
}

pub(crate) type Seen = Result<Option<CardUid>, ReaderError>;

impl Rig {
    pub(crate) fn start(&mut self) -> Result<(), ReaderError> {
        let before = self.delay.total_ms();
        let result = self.reader.start();
        let spent = self.delay.total_ms() - before;
        assert!(spent <= START_MS, "start took {spent} ms: {result:?}");
        result
    }

    pub(crate) fn poll(&mut self) -> Seen {
        let before = self.delay.total_ms();
        let result = self.reader.poll();
        let spent = self.delay.total_ms() - before;
        assert!(spent <= POLL_MS, "poll took {spent} ms: {result:?}");
        result
    }

    pub(crate) fn settle(&mut self) {
        for _ in 0..6 {
            assert_eq!(self.poll(), Ok(None));
        }
    }

    pub(crate) fn present(&self, bytes: &[u8]) -> CardUid {
        assert!(self.model.present(bytes, bytes.len() as u16 * 8));
        uid(bytes)
    }

    /// Polls, and starts again where the reader is gone, until it gives something or `rounds` end.
    pub(crate) fn next_card(&mut self, rounds: usize) -> Option<CardUid> {
        (0..rounds).find_map(|_| match self.poll() {
            Ok(card) => card,
            Err(ReaderError::Garbled { .. }) => None,
            Err(_) => {
                let _ = self.start();
                None
            }
        })
    }

    /// Every poll until the reader is gone; why it is.
    pub(crate) fn cause_of_end(&mut self) -> &'static str {
        for _ in 0..40 {
            match self.poll() {
                Err(ReaderError::Gone { cause }) => return cause,
                Ok(None) | Err(ReaderError::Garbled { .. }) => {}
                other => panic!("{other:?}"),
            }
        }
        panic!("the reader is not told as gone")
    }
}

pub(crate) fn is_lost<T>(result: &Result<T, ReaderError>) -> bool {
    matches!(result, Err(ReaderError::Gone { .. } | ReaderError::Bus))
}

pub(crate) fn cause<T: std::fmt::Debug>(result: Result<T, ReaderError>) -> &'static str {
    match result {
        Err(ReaderError::Gone { cause }) => cause,
        other => panic!("{other:?}"),
    }
}
