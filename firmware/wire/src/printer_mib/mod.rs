// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What a printer tells about itself by SNMP: the Printer MIB (RFC 3805, IANA-PRINTER-MIB) and the
//! printer's part of the Host Resources MIB (RFC 2790), read into [`PrinterFacts`].
//!
//! [`Interview`] says what to ask and takes the answers, without I/O; [`PrinterFacts::reasons`]
//! says it in IPP's words. The table of the mapping is `docs/protocols/printer-status.md`.

mod interview;
mod reasons;

pub use interview::{Depth, Interview, REQUESTS_MAX, ROWS_MAX};

/// Impressions of one job that a difference of counters is believed to: ten thousand copies of a
/// book of a hundred pages. More is a counter that was set back.
pub const JOB_IMPRESSIONS_MAX: u32 = 1_000_000;

/// What a printer has told. What it has not is `None` or missing.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct PrinterFacts {
    /// `hrDeviceDescr`: make and model as the printer's maker writes it, 128 characters at most;
    /// wrong UTF-8 is replaced.
    pub description: Option<String>,
    /// `hrDeviceStatus`
    pub device: Option<DeviceState>,
    /// `hrPrinterStatus`
    pub printer: Option<PrinterState>,
    /// `hrPrinterDetectedErrorState`
    pub errors: Option<ErrorState>,
    /// `prtMarkerLifeCount` of the first marker, with its unit.
    pub life_count: Option<LifeCount>,
    /// `prtMarkerSuppliesTable`
    pub supplies: Vec<Supply>,
    /// `prtInputTable`
    pub inputs: Vec<Input>,
    /// `prtCoverTable`
    pub covers: Vec<CoverState>,
    /// `prtAlertTable`
    pub alerts: Vec<Alert>,
}

/// `hrDeviceStatus`, RFC 2790.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum DeviceState {
    /// 1
    Unknown,
    /// 2: nothing is wrong.
    Running,
    /// 3: something needs attention and does not keep it from printing.
    Warning,
    /// 4: it tests itself.
    Testing,
    /// 5: it can't print.
    Down,
}

impl DeviceState {
    fn of(number: i32) -> Option<Self> {
        Some(match number {
            1 => Self::Unknown,
            2 => Self::Running,
            3 => Self::Warning,
            4 => Self::Testing,
            5 => Self::Down,
            _ => return None,
        })
    }
}

/// `hrPrinterStatus`, RFC 2790.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum PrinterState {
    /// 1: off-line, in error, or asleep.
    Other,
    /// 2
    Unknown,
    /// 3
    Idle,
    /// 4
    Printing,
    /// 5
    Warmup,
}

impl PrinterState {
    fn of(number: i32) -> Option<Self> {
        Some(match number {
            1 => Self::Other,
            2 => Self::Unknown,
            3 => Self::Idle,
            4 => Self::Printing,
            5 => Self::Warmup,
            _ => return None,
        })
    }
}

/// `hrPrinterDetectedErrorState`, RFC 2790: bit 0 is the highest of the first octet. Printers send
/// one octet or two; others are ignored.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct ErrorState(pub u16);

impl ErrorState {
    /// From its octets.
    #[must_use]
    pub fn of(octets: &[u8]) -> Self {
        let first = octets.first().copied().unwrap_or(0);
        let second = octets.get(1).copied().unwrap_or(0);
        Self(u16::from_be_bytes([first, second]))
    }

    /// Whether the condition with this number was detected.
    #[must_use]
    pub fn has(self, bit: u8) -> bool {
        0x8000_u16
            .checked_shr(bit.into())
            .is_some_and(|mask| self.0 & mask != 0)
    }
}

/// A count of the printer's life, which wraps at 32 bits.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct LifeCount {
    /// `prtMarkerLifeCount`
    pub count: u32,
    /// `prtMarkerCounterUnit`: 7 impressions, 8 sheets, others feet, hours and the like.
    pub unit: i32,
}

impl LifeCount {
    /// `prtMarkerCounterUnit` of a printer that counts sides.
    pub const IMPRESSIONS: i32 = 7;

    /// Impressions from `self` to `later`. `None` when either counts something else, when nothing
    /// was counted, or when the counter went back or jumped beyond [`JOB_IMPRESSIONS_MAX`].
    #[must_use]
    pub fn impressions_until(self, later: Self) -> Option<u32> {
        let sides = self.unit == Self::IMPRESSIONS && later.unit == Self::IMPRESSIONS;
        let counted = later.count.wrapping_sub(self.count);
        (sides && (1..=JOB_IMPRESSIONS_MAX).contains(&counted)).then_some(counted)
    }
}

/// One row of `prtMarkerSuppliesTable`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Supply {
    /// `prtMarkerSuppliesClass`: 3 is used up, 4 fills up, 1 other.
    pub class: i32,
    /// `prtMarkerSuppliesType`: 3 toner, 5 ink, 21 toner cartridge …
    pub kind: i32,
    /// `prtMarkerSuppliesSupplyUnit`: 19 percent …
    pub unit: i32,
    /// `prtMarkerSuppliesMaxCapacity`; negative when not known.
    pub capacity: i32,
    /// `prtMarkerSuppliesLevel`: −1 other, −2 unknown, −3 some left.
    pub level: i32,
}

impl Supply {
    /// What is left, 0 to 100; `None` when the printer does not say, or for what fills up.
    #[must_use]
    pub fn percent_left(self) -> Option<u32> {
        const PERCENT: i32 = 19;
        const FILLS_UP: i32 = 4;
        let capacity = if self.unit == PERCENT {
            100
        } else {
            self.capacity
        };
        if self.level < 0 || capacity <= 0 || self.class == FILLS_UP {
            return None;
        }
        let percent = i64::from(self.level) * 100 / i64::from(capacity);
        u32::try_from(percent.min(100)).ok()
    }
}

/// One row of `prtInputTable`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Input {
    /// `prtInputType`: 3 and 4 are trays that feed by themselves, 5 is fed by hand.
    pub kind: i32,
    /// `prtInputMaxCapacity`, in the tray's unit; negative when not known.
    pub capacity: i32,
    /// `prtInputCurrentLevel`: −1 other, −2 unknown, −3 some left.
    pub level: i32,
}

/// `prtCoverStatus`, RFC 3805 (`PrtCoverStatusTC`).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum CoverState {
    /// 1 and 2
    Unknown,
    /// 3
    Open,
    /// 4
    Closed,
    /// 5: a cover whose opening switches something dangerous off.
    InterlockOpen,
    /// 6
    InterlockClosed,
}

impl CoverState {
    fn of(number: i32) -> Self {
        match number {
            3 => Self::Open,
            4 => Self::Closed,
            5 => Self::InterlockOpen,
            6 => Self::InterlockClosed,
            _ => Self::Unknown,
        }
    }
}

/// One row of `prtAlertTable`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Alert {
    /// `prtAlertSeverityLevel`: 3 critical, 4 warning, 5 warning that goes away again, 1 other.
    pub severity: i32,
    /// `prtAlertGroup`: 8 input, 9 output, 10 marker, 11 supplies …
    pub group: i32,
    /// `prtAlertCode`
    pub code: i32,
}

impl PrinterFacts {
    /// Whether the printer says that nothing keeps it busy. Asleep counts: RFC 3805 §2.2.13.2 has
    /// `running` and `other` for it.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        let asleep =
            self.printer == Some(PrinterState::Other) && self.device == Some(DeviceState::Running);
        self.printer == Some(PrinterState::Idle) || asleep
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn impressions(count: u32) -> LifeCount {
        LifeCount { count, unit: 7 }
    }

    #[test]
    fn a_difference_of_counters_survives_the_wrap_and_nothing_else() {
        let pages = |before, after| impressions(before).impressions_until(impressions(after));
        assert_eq!(pages(100, 112), Some(12));
        assert_eq!(pages(u32::MAX - 2, 3), Some(6));
        assert_eq!(pages(112, 100), None);
        assert_eq!(pages(100, 0), None);
        assert_eq!(pages(100, 100), None);
        assert_eq!(pages(0, JOB_IMPRESSIONS_MAX + 1), None);
        let sheets = LifeCount { count: 0, unit: 8 };
        assert_eq!(
            sheets.impressions_until(LifeCount { count: 4, ..sheets }),
            None
        );
        assert_eq!(sheets.impressions_until(impressions(4)), None);
    }

    #[test]
    fn error_bits_count_from_the_highest_of_the_first_octet() {
        assert!(ErrorState::of(&[0x80]).has(0));
        assert!(ErrorState::of(&[0x04]).has(5));
        assert!(ErrorState::of(&[0x00, 0x02]).has(14));
        assert_eq!(ErrorState::of(&[]), ErrorState(0));
        assert!(!ErrorState(0xffff).has(16) && !ErrorState(0xffff).has(255));
    }

    #[test]
    fn levels_are_percent_only_where_they_are_known() {
        let toner = Supply {
            class: 3,
            kind: 3,
            unit: 7,
            capacity: 3000,
            level: 150,
        };
        assert_eq!(toner.percent_left(), Some(5));
        let percent = Supply {
            unit: 19,
            capacity: -2,
            level: 40,
            ..toner
        };
        assert_eq!(percent.percent_left(), Some(40));
        for level in [-1, -2, -3] {
            assert_eq!(Supply { level, ..toner }.percent_left(), None);
        }
        assert_eq!(
            Supply {
                capacity: 0,
                ..toner
            }
            .percent_left(),
            None
        );
        assert_eq!(Supply { class: 4, ..toner }.percent_left(), None);
        let odd = Supply {
            level: i32::MAX,
            capacity: 1,
            ..toner
        };
        assert_eq!(odd.percent_left(), Some(100));
    }
}
