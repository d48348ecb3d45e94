// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What the printer tells by SNMP: its state as objects of RFC 3805 and RFC 2790, in the order of a
//! walk. Device and marker have the index 1, the trays 1 and 2.

use std::collections::BTreeMap;

use super::Condition;

/// What an object is, as far as a printer has such.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Object {
    Integer(i32),
    Text(Vec<u8>),
    Counter(u32),
}

/// Objects by name, without the common `1.3.6.1.2.1`.
pub(super) type Mib = BTreeMap<Vec<u32>, Object>;

/// What the agent knows of the printer.
#[derive(Clone, Copy, Debug)]
pub(super) struct Facts {
    pub(super) condition: Condition,
    pub(super) printing: bool,
    /// Sides marked in its life, as the counter shows them.
    pub(super) life_count: u32,
    /// `prtMarkerCounterUnit`: 7 impressions.
    pub(super) counter_unit: i32,
    /// Toner left, percent.
    pub(super) toner: i32,
    /// Further bits of `hrPrinterDetectedErrorState`, set by command.
    pub(super) bits: u16,
}

impl Facts {
    /// Bits that the condition sets: numbered from the highest, RFC 2790.
    fn error_bits(self) -> u16 {
        let own = match self.condition {
            Condition::Ready | Condition::Stall => 0,
            Condition::PaperOut => 0x4000,
            Condition::CoverOpen => 0x0800,
            Condition::Jam => 0x0400,
        };
        let toner = match self.toner {
            ..=1 => 0x1000,
            2..=5 => 0x2000,
            _ => 0,
        };
        own | toner | self.bits
    }

    fn is_down(self) -> bool {
        !matches!(self.condition, Condition::Ready | Condition::Stall)
    }

    /// `hrDeviceStatus` and `hrPrinterStatus`, as RFC 3805 §2.2.13.2 pairs them.
    fn states(self) -> (i32, i32) {
        match (self.is_down(), self.error_bits(), self.printing) {
            (true, _, _) => (5, 1),
            (false, 0, false) => (2, 3),
            (false, 0, true) => (2, 4),
            (false, _, false) => (3, 3),
            (false, _, true) => (3, 4),
        }
    }

    /// `prtAlertGroup` and `prtAlertCode` of the condition.
    fn alert(self) -> Option<(i32, i32)> {
        match self.condition {
            Condition::Ready | Condition::Stall => None,
            Condition::Jam => Some((13, 8)),
            Condition::PaperOut => Some((8, 808)),
            Condition::CoverOpen => Some((6, 3)),
        }
    }

    /// Everything that the agent answers.
    pub(super) fn mib(self) -> Mib {
        let (device, printer) = self.states();
        let bits = self.error_bits().to_be_bytes();
        let mut mib = Mib::new();
        let mut put = |name: &[u32], object| drop(mib.insert(name.to_vec(), object));
        put(
            &[25, 3, 2, 1, 3, 1],
            Object::Text(b"Platen Virtual Printer".to_vec()),
        );
        put(&[25, 3, 2, 1, 5, 1], Object::Integer(device));
        put(&[25, 3, 5, 1, 1, 1], Object::Integer(printer));
        put(&[25, 3, 5, 1, 2, 1], Object::Text(bits.to_vec()));
        let cover = if self.condition == Condition::CoverOpen {
            3
        } else {
            4
        };
        put(&[43, 6, 1, 1, 3, 1, 1], Object::Integer(cover));
        let sheets = if self.condition == Condition::PaperOut {
            0
        } else {
            -3
        };
        for (tray, kind, level) in [(1, 5, 0), (2, 3, sheets)] {
            put(&[43, 8, 2, 1, 2, 1, tray], Object::Integer(kind));
            put(&[43, 8, 2, 1, 9, 1, tray], Object::Integer(250));
            put(&[43, 8, 2, 1, 10, 1, tray], Object::Integer(level));
        }
        put(&[43, 10, 2, 1, 3, 1, 1], Object::Integer(self.counter_unit));
        put(&[43, 10, 2, 1, 4, 1, 1], Object::Counter(self.life_count));
        // Toner, consumed, in percent.
        let supply = [(4, 3), (5, 3), (7, 19), (8, 100), (9, self.toner)];
        for (column, number) in supply {
            put(&[43, 11, 1, 1, column, 1, 1], Object::Integer(number));
        }
        if let Some((group, code)) = self.alert() {
            for (column, number) in [(2, 3), (4, group), (7, code)] {
                put(&[43, 18, 1, 1, column, 1, 1], Object::Integer(number));
            }
        }
        mib
    }
}
