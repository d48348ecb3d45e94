// SPDX-License-Identifier: Apache-2.0 OR MIT
//! One-time codes that people type at a box or a page: nine random digits and a check digit, so that
//! a slip of the finger is told at once and costs no try. Digits alone: a PIN pad has no letters. Only
//! the keyed hash of a code is kept, and by it the code is found: whoever holds the site's keys makes
//! it of [`Code::shown`].

use std::fmt;

use ring::rand::{SecureRandom, SystemRandom};
use zeroize::Zeroizing;

use crate::secret::SecretError;

/// Digits of a code, the check digit among them. One in a billion: with 20,000 codes out and
/// [`BOX_TRY_EVERY`](crate::tries::BOX_TRY_EVERY) between tries, guessing one takes a month of
/// standing at the box.
pub const CODE_DIGITS: usize = 10;
/// Characters that [`Code::parse`] looks at, at most: digits, spaces and dashes.
pub const CODE_TYPED_MAX: usize = 32;

/// Quasigroup of order 10 without fixed points: H. M. Damm, 2004. Finds every single wrong digit and
/// every swap of two neighbours.
const DAMM: [[u8; 10]; 10] = [
    [0, 3, 1, 7, 5, 9, 8, 6, 4, 2],
    [7, 0, 9, 2, 1, 5, 4, 8, 6, 3],
    [4, 2, 0, 6, 8, 7, 1, 3, 5, 9],
    [1, 7, 5, 0, 9, 8, 3, 4, 2, 6],
    [6, 1, 2, 3, 0, 4, 5, 9, 7, 8],
    [3, 6, 7, 4, 2, 0, 9, 5, 8, 1],
    [5, 8, 6, 9, 7, 2, 0, 1, 3, 4],
    [8, 9, 4, 5, 3, 6, 2, 0, 1, 7],
    [9, 4, 3, 8, 6, 1, 7, 2, 0, 5],
    [2, 5, 8, 1, 4, 3, 6, 7, 9, 0],
];

/// A code in clear: wiped when dropped, shown by [`Code::shown`] alone.
#[derive(Clone, Eq, PartialEq)]
pub struct Code(Zeroizing<[u8; CODE_DIGITS]>);

impl Code {
    /// A new code.
    ///
    /// # Errors
    /// [`SecretError::NoRandom`].
    pub fn generate() -> Result<Self, SecretError> {
        let mut digits = Zeroizing::new([0; CODE_DIGITS]);
        if let Some((check, free)) = digits.split_last_mut() {
            for digit in free.iter_mut() {
                *digit = random_digit()?;
            }
            *check = interim(free);
        }
        Ok(Self(digits))
    }

    /// A code as somebody typed it, spaces and dashes anywhere; `None` when it can't be one.
    #[must_use]
    pub fn parse(typed: &str) -> Option<Self> {
        if typed.len() > CODE_TYPED_MAX {
            return None;
        }
        let mut digits = Zeroizing::new([0; CODE_DIGITS]);
        let mut places = digits.iter_mut();
        for byte in typed.bytes().filter(|byte| !b" -".contains(byte)) {
            *places.next()? = byte.is_ascii_digit().then(|| byte - b'0')?;
        }
        let complete = places.next().is_none() && interim(&*digits) == 0;
        complete.then_some(Self(digits))
    }

    /// For hashing with the box's own key, where there is no site: a label and the digits in ASCII.
    #[must_use]
    pub fn bytes(&self) -> Zeroizing<Vec<u8>> {
        let digits = self.0.iter().map(|digit| digit + b'0');
        Zeroizing::new(b"code ".iter().copied().chain(digits).collect())
    }

    /// As people read it: two groups of five digits.
    #[must_use]
    pub fn shown(&self) -> Zeroizing<String> {
        let mut text = Zeroizing::new(String::with_capacity(CODE_DIGITS + 1));
        for (at, digit) in self.0.iter().enumerate() {
            if at == CODE_DIGITS / 2 {
                text.push(' ');
            }
            text.push(char::from(digit + b'0'));
        }
        text
    }
}

impl fmt::Debug for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Code")
    }
}

/// Damm's interim digit: the check digit of what comes before it, and zero of the whole.
fn interim(digits: &[u8]) -> u8 {
    digits.iter().fold(0, |interim, digit| {
        let row = DAMM.get(usize::from(interim));
        row.and_then(|row| row.get(usize::from(*digit)))
            .copied()
            .unwrap_or(0)
    })
}

/// Bytes above the last whole ten are thrown away, so that no digit is likelier than another.
fn random_digit() -> Result<u8, SecretError> {
    let mut byte = Zeroizing::new([0_u8; 1]);
    loop {
        SystemRandom::new()
            .fill(&mut *byte)
            .map_err(|_| SecretError::NoRandom)?;
        let [byte] = *byte;
        if byte < 250 {
            return Ok(byte % 10);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shown_can_be_typed_again() {
        for _ in 0..100 {
            let code = Code::generate().unwrap();
            assert_eq!(Code::parse(&code.shown()).unwrap(), code);
            let dashed = code.shown().replace(' ', "-");
            assert_eq!(Code::parse(&dashed).unwrap(), code);
            assert_eq!(code.shown().len(), 11);
        }
    }

    #[test]
    fn one_wrong_digit_or_two_swapped_ones_are_told() {
        let code = Code::generate().unwrap();
        let digits: Vec<u8> = code.shown().replace(' ', "").into_bytes();
        let typed = |digits: &[u8]| Code::parse(std::str::from_utf8(digits).unwrap());
        assert!(typed(&digits).is_some());
        for at in 0..CODE_DIGITS {
            for digit in b'0'..=b'9' {
                let mut wrong = digits.clone();
                wrong[at] = digit;
                assert_eq!(typed(&wrong).is_some(), digit == digits[at]);
            }
            if at > 0 && digits[at] != digits[at - 1] {
                let mut swapped = digits.clone();
                swapped.swap(at, at - 1);
                assert!(typed(&swapped).is_none());
            }
        }
    }

    #[test]
    fn nothing_else_is_a_code() {
        let long = " ".repeat(CODE_TYPED_MAX) + "0000000000";
        for typed in [
            "",
            "000000000",
            "00000000000",
            "12345x7890",
            "１２３４５６７８９０",
            &long,
        ] {
            assert!(Code::parse(typed).is_none(), "{typed}");
        }
        assert!(Code::parse("00000 00000").is_some(), "its check digit fits");
    }

    #[test]
    fn codes_are_spread_over_all_digits() {
        let mut seen = [0_u32; 10];
        for _ in 0..1000 {
            let code = Code::generate().unwrap();
            for digit in code.0.iter().take(CODE_DIGITS - 1) {
                seen[usize::from(*digit)] += 1;
            }
        }
        // 900 of each are expected; the deviation is about 28.
        assert!(
            seen.iter().all(|count| (700..1100).contains(count)),
            "{seen:?}"
        );
    }
}
