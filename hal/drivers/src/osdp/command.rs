// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What a box says to an OSDP reader. Source: SIA OSDP 2.2 §6, as public implementations state it.

use heapless::Vec;
use platen_hal::PanelSignal;

use super::secure::Nonce;
use crate::aes128::{AesKey, Block};

/// Longest data of a command that is used here: KEYSET's.
const DATA_MAX: usize = 18;

/// A command's data.
pub type Data = Vec<u8, DATA_MAX>;

/// The commands that a card reader needs.
#[derive(Clone, Debug)]
pub enum Command {
    /// 60: say what happened.
    Poll,
    /// 61: say who you are.
    Identify,
    /// 62: say what you can do.
    Capabilities,
    /// 64: say how your case and your supply are.
    LocalStatus,
    /// 67: say how the readers behind you are.
    ReaderStatus,
    /// 69: show this.
    Lamp(Lamp),
    /// 6A: sound this.
    Buzzer(Tone),
    /// 75: from now on our key is this one.
    SetKey(AesKey),
    /// 76: prove that you know the key, with our random number.
    Challenge(Nonce),
    /// 77: our proof.
    Prove(Block),
}

impl Command {
    /// Its code.
    #[must_use]
    pub fn code(&self) -> u8 {
        match self {
            Self::Poll => 0x60,
            Self::Identify => 0x61,
            Self::Capabilities => 0x62,
            Self::LocalStatus => 0x64,
            Self::ReaderStatus => 0x67,
            Self::Lamp(_) => 0x69,
            Self::Buzzer(_) => 0x6a,
            Self::SetKey(_) => 0x75,
            Self::Challenge(_) => 0x76,
            Self::Prove(_) => 0x77,
        }
    }

    /// What follows the code.
    #[must_use]
    pub fn data(&self) -> Data {
        let mut data = Data::new();
        match self {
            Self::Poll | Self::LocalStatus | Self::ReaderStatus => {}
            Self::Identify | Self::Capabilities => data.extend([0x00]),
            Self::Lamp(lamp) => data.extend(lamp.data()),
            Self::Buzzer(tone) => data.extend(tone.data()),
            Self::SetKey(key) => {
                data.extend([0x01, 16]); // kind of key, its length
                data.extend(key.bytes().iter().copied());
            }
            Self::Challenge(nonce) => data.extend(nonce.iter().copied()),
            Self::Prove(cryptogram) => data.extend(cryptogram.iter().copied()),
        }
        data
    }
}

/// Colours of a reader's lamp.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Color {
    /// Dark.
    None = 0,
    /// Red.
    Red = 1,
    /// Green.
    Green = 2,
    /// Red and green together.
    Amber = 3,
}

/// What the lamp does until it is told something else: two colours in turn.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Lamp {
    /// First colour.
    pub on: Color,
    /// The other one.
    pub off: Color,
    /// How long the first is shown, in 100 ms.
    pub on_ds: u8,
    /// How long the other is shown, in 100 ms.
    pub off_ds: u8,
}

/// What the buzzer does: tones with silence between.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Tone {
    /// Length of each tone in 100 ms; 0 is silence.
    pub on_ds: u8,
    /// Silence behind each, in 100 ms.
    pub off_ds: u8,
    /// How many.
    pub count: u8,
}

impl Lamp {
    fn data(self) -> [u8; 14] {
        let (on, off) = (self.on as u8, self.off as u8);
        // Reader 0, lamp 0; no temporary setting; the permanent one.
        [
            0,
            0,
            0,
            0,
            0,
            0,
            0,
            0,
            0,
            1,
            self.on_ds,
            self.off_ds,
            on,
            off,
        ]
    }
}

impl Tone {
    fn data(self) -> [u8; 5] {
        // Reader 0; 1 is silence, 2 the usual tone.
        if self.on_ds == 0 {
            return [0, 1, 0, 0, 0];
        }
        [0, 2, self.on_ds, self.off_ds, self.count]
    }
}

/// What a signal looks and sounds like at a reader, as near to the box's own panel as a lamp of
/// one place and a buzzer of one rhythm come.
#[must_use]
pub fn shown(signal: PanelSignal) -> (Lamp, Tone) {
    use Color::{Amber, Green, None, Red};
    let (on, off, on_ds, off_ds, tone) = match signal {
        PanelSignal::Idle => (Green, None, 1, 0, (0, 0, 0)),
        PanelSignal::Accepted => (Green, None, 1, 1, (1, 0, 1)),
        PanelSignal::NoJobs => (Green, None, 5, 5, (1, 1, 2)),
        PanelSignal::UnknownCard => (Red, None, 2, 2, (1, 1, 3)),
        PanelSignal::Refused => (Red, None, 1, 0, (8, 0, 1)),
        PanelSignal::PrinterError => (Red, None, 2, 18, (5, 2, 2)),
        PanelSignal::ReaderGone => (Red, Green, 10, 10, (8, 4, 2)),
        PanelSignal::Interrupted => (Amber, None, 1, 0, (2, 2, 2)),
        PanelSignal::Identify => (Red, Green, 2, 2, (2, 8, 10)),
    };
    let lamp = Lamp {
        on,
        off,
        on_ds,
        off_ds,
    };
    let (on_ds, off_ds, count) = tone;
    let tone = Tone {
        on_ds,
        off_ds,
        count,
    };
    (lamp, tone)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    const SIGNALS: [PanelSignal; 9] = [
        PanelSignal::Idle,
        PanelSignal::Accepted,
        PanelSignal::NoJobs,
        PanelSignal::UnknownCard,
        PanelSignal::Refused,
        PanelSignal::PrinterError,
        PanelSignal::ReaderGone,
        PanelSignal::Interrupted,
        PanelSignal::Identify,
    ];

    #[test]
    fn each_signal_sounds_different_from_all_others() {
        let tones: HashSet<Tone> = SIGNALS.map(|signal| shown(signal).1).into();
        assert_eq!(tones.len(), SIGNALS.len());
    }

    #[test]
    fn each_signal_looks_different_from_all_others() {
        let lamps: HashSet<Lamp> = SIGNALS.map(|signal| shown(signal).0).into();
        assert_eq!(lamps.len(), SIGNALS.len());
    }

    #[test]
    fn commands_carry_as_much_data_as_the_standard_says() {
        let lengths = [
            (Command::Poll, 0x60, 0),
            (Command::Identify, 0x61, 1),
            (Command::Capabilities, 0x62, 1),
            (Command::LocalStatus, 0x64, 0),
            (Command::ReaderStatus, 0x67, 0),
            (Command::Lamp(shown(PanelSignal::Idle).0), 0x69, 14),
            (Command::Buzzer(shown(PanelSignal::Refused).1), 0x6a, 5),
            (Command::SetKey(AesKey::new([7; 16])), 0x75, 18),
            (Command::Challenge([0; 8]), 0x76, 8),
            (Command::Prove([0; 16]), 0x77, 16),
        ];
        for (command, code, length) in lengths {
            assert_eq!((command.code(), command.data().len()), (code, length));
        }
    }

    #[test]
    fn a_silent_signal_silences_the_buzzer() {
        let (lamp, tone) = shown(PanelSignal::Idle);
        assert_eq!(tone.data(), [0, 1, 0, 0, 0]);
        assert_eq!(lamp.data(), [0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 0, 2, 0]);
    }
}
