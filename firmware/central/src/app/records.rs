// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What names, numbers and amounts of the directory may be.

use super::CentreError;

/// Bytes of a name, at most: as boxes take.
pub(super) const NAME_BYTES_MAX: usize = 255;
/// Aliases of a person, at most.
pub(super) const ALIASES_MAX: usize = 16;
/// Groups of a person, at most.
pub(super) const GROUPS_MAX: usize = 64;
/// Cards of a person, at most.
pub(super) const CARDS_MAX: usize = 16;
/// People of a site, at most.
pub(super) const USERS_MAX: u64 = 100_000;
/// Groups of a site, at most.
pub(super) const GROUPS_OF_SITE_MAX: u64 = 10_000;
/// An amount, at most: a million of them still is a sum that both databases can hold.
pub(super) const AMOUNT_MAX: u64 = 1_000_000_000_000;
/// Digits of a person's number, at most.
const NUMBER_DIGITS_MAX: usize = 12;

/// A name that is not empty, without outer white space.
pub(super) fn check_name(field: &'static str, name: &str) -> Result<String, CentreError> {
    let name = check_text(field, name)?;
    match name.is_empty() {
        true => Err(CentreError::invalid(field, "is empty")),
        false => Ok(name),
    }
}

/// A name that may be empty, without outer white space.
pub(super) fn check_text(field: &'static str, text: &str) -> Result<String, CentreError> {
    let text = text.trim();
    if text.len() > NAME_BYTES_MAX {
        let why = format!("longer than {NAME_BYTES_MAX} bytes");
        return Err(CentreError::invalid(field, why));
    }
    if text.chars().any(char::is_control) {
        return Err(CentreError::invalid(field, "holds a control character"));
    }
    Ok(text.to_owned())
}

/// What is typed before a PIN: digits; nothing for none.
pub(super) fn check_number(number: &str) -> Result<Option<String>, CentreError> {
    let number = number.trim();
    if number.is_empty() {
        return Ok(None);
    }
    let right = number.len() <= NUMBER_DIGITS_MAX && number.bytes().all(|c| c.is_ascii_digit());
    let why = format!("must be 1 to {NUMBER_DIGITS_MAX} digits");
    right
        .then(|| Some(number.to_owned()))
        .ok_or_else(|| CentreError::invalid("number", why))
}

/// An amount of a quota or price.
pub(super) fn check_amount(field: &'static str, amount: u64) -> Result<(), CentreError> {
    let why = format!("must be at most {AMOUNT_MAX}");
    (amount <= AMOUNT_MAX)
        .then_some(())
        .ok_or_else(|| CentreError::invalid(field, why))
}

/// The number of a card: 4, 7, 8 or 10 bytes in hexadecimal, with or without colons, dashes or spaces
/// between them.
pub(super) fn card_number(text: &str) -> Result<Vec<u8>, CentreError> {
    let why = || CentreError::invalid("card", "a card is 4, 7, 8 or 10 bytes in hexadecimal");
    let digits: Option<Vec<u8>> = text
        .chars()
        .filter(|c| !matches!(c, ':' | '-' | ' '))
        .map(|c| c.to_digit(16).and_then(|digit| u8::try_from(digit).ok()))
        .collect();
    let digits = digits.ok_or_else(why)?;
    let (pairs, rest) = digits.as_chunks::<2>();
    let right = rest.is_empty() && matches!(pairs.len(), 4 | 7 | 8 | 10);
    right
        .then(|| pairs.iter().map(|[high, low]| high << 4 | low).collect())
        .ok_or_else(why)
}
