// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What the bits of a Wiegand frame mean: facility, card and parity of the formats in use. Sources:
//! XPR BIOC3 manual p. 17, ZKTeco and Roger manuals, the layouts as public readers know them.
//!
//! The length alone names no format (there are others with 34 and 37 bits): which one a reader
//! sends is configuration.

use thiserror::Error;

use super::Frame;

/// Formats that are known. The names are HID's.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Format {
    /// 26 bits: facility 8, card 16.
    H10301,
    /// 34 bits: facility 16, card 16.
    H10306,
    /// 37 bits: facility 16, card 19.
    H10304,
    /// 37 bits: card 35.
    H10302,
    /// This many bits, all of them the number, no parity.
    Raw(u8),
}

/// Facility and card.
#[derive(Clone, Copy, Eq, PartialEq)]
pub struct Number {
    /// Facility code, where the format has one.
    pub facility: Option<u16>,
    /// Card number.
    pub card: u64,
    /// All bits but parity, facility first.
    pub data: u64,
    /// How many these are.
    pub data_bits: u8,
}

/// Hides the number.
impl core::fmt::Debug for Number {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Number({} bits)", self.data_bits)
    }
}

/// Why a frame is not of the format.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[non_exhaustive]
pub enum FormatError {
    /// It has another length.
    #[error("{got} bits instead of {wanted}")]
    Length {
        /// Bits that came.
        got: u8,
        /// Bits of the format.
        wanted: u8,
    },
    /// A parity bit is wrong.
    #[error("parity is wrong")]
    Parity,
}

/// Bits of a format: how many in all, of the facility, and covered by each parity bit. The first
/// bit makes the first ones even, the last bit makes the last ones odd.
struct Layout {
    length: u8,
    facility: u8,
    covered: u8,
}

impl Format {
    fn layout(self) -> Option<Layout> {
        let (length, facility, covered) = match self {
            Self::H10301 => (26, 8, 13),
            Self::H10306 => (34, 16, 17),
            Self::H10304 => (37, 16, 19), // the middle bit counts in both
            Self::H10302 => (37, 0, 19),
            Self::Raw(_) => return None,
        };
        Some(Layout {
            length,
            facility,
            covered,
        })
    }

    /// Length of its frames.
    #[must_use]
    pub fn length(self) -> u8 {
        match self {
            Self::Raw(length) => length,
            _ => self.layout().map_or(0, |layout| layout.length),
        }
    }

    /// Takes a frame apart.
    ///
    /// # Errors
    /// [`FormatError::Length`] and [`FormatError::Parity`].
    pub fn decode(self, frame: Frame) -> Result<Number, FormatError> {
        let (got, wanted) = (frame.length(), self.length());
        if got != wanted {
            return Err(FormatError::Length { got, wanted });
        }
        let Some(layout) = self.layout() else {
            return Ok(Number {
                facility: None,
                card: frame.bits(),
                data: frame.bits(),
                data_bits: got,
            });
        };
        let first = frame.bits() >> (layout.length - layout.covered);
        let last = frame.bits() & low_mask(layout.covered);
        let odd = |bits: u64| bits.count_ones() % 2 == 1;
        if odd(first) || !odd(last) {
            return Err(FormatError::Parity);
        }
        let data_bits = layout.length - 2;
        let data = frame.bits() >> 1 & low_mask(data_bits);
        let card_bits = data_bits - layout.facility;
        let facility = u16::try_from(data >> card_bits).ok();
        Ok(Number {
            facility: facility.filter(|_| layout.facility > 0),
            card: data & low_mask(card_bits),
            data,
            data_bits,
        })
    }
}

/// This many ones, 63 at most.
fn low_mask(bits: u8) -> u64 {
    (1_u64 << bits.min(63)) - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn published_and_computed_numbers_are_taken_apart() {
        let numbers = [
            (Format::H10301, 0x354_f64e, Some(170), 31_527), // XPR BIOC3 manual, p. 17
            (Format::H10301, 0x202_0002, Some(1), 1),        // ZKTeco
            (Format::H10306, 0x2_0002_0002, Some(1), 1),
            (Format::H10306, 0x2_2468_acf1, Some(0x1234), 0x5678),
            (Format::H10304, 0x10_0010_0002, Some(1), 1),
            (Format::H10304, 0x10_4d23_c481, Some(1234), 123_456),
            (Format::H10302, 0x10_0eb7_9a2b, None, 123_456_789),
        ];
        for (format, bits, facility, card) in numbers {
            let frame = Frame::new(bits, format.length()).unwrap();
            let number = format.decode(frame).unwrap();
            assert_eq!((number.facility, number.card), (facility, card), "{bits:x}");
        }
    }

    #[test]
    fn each_flipped_bit_breaks_the_parity() {
        let formats = [
            (Format::H10301, 0x354_f64e),
            (Format::H10306, 0x2_2468_acf1),
            (Format::H10304, 0x10_4d23_c481),
            (Format::H10302, 0x10_0eb7_9a2b),
        ];
        for (format, bits) in formats {
            for bit in 0..format.length() {
                let frame = Frame::new(bits ^ 1 << bit, format.length()).unwrap();
                assert_eq!(format.decode(frame), Err(FormatError::Parity), "bit {bit}");
            }
        }
    }

    #[test]
    fn another_length_is_refused_and_a_raw_one_of_its_length_is_taken() {
        let frame = Frame::new(u64::MAX, 64).unwrap();
        let number = Format::Raw(64).decode(frame).unwrap();
        assert_eq!(
            (number.facility, number.data, number.data_bits),
            (None, u64::MAX, 64)
        );
        let (got, wanted) = (64, 32);
        assert_eq!(
            Format::Raw(32).decode(frame),
            Err(FormatError::Length { got, wanted })
        );
        assert!(Format::H10302.decode(frame).is_err());
    }
}
