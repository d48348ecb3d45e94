// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What browsers send besides documents: form fields (`application/x-www-form-urlencoded`, WHATWG
//! URL §5.1), cookies (RFC 6265 §5.4) and the languages that somebody reads (RFC 9110 §12.5.4).
//!
//! Not a general URL library: queries and bodies of our own small forms, and no multipart.

use std::fmt;

use thiserror::Error;

/// Bytes of a query or body, at most.
pub const FORM_OCTETS_MAX: usize = 64 * 1024;
/// Fields of one form, at most: a page of jobs has one for each.
pub const FIELDS_MAX: usize = 512;
/// Bytes of one name or value after decoding, at most.
pub const FIELD_OCTETS_MAX: usize = 4096;
/// Language ranges that are looked at, at most.
const RANGES_MAX: usize = 16;

/// Why something is no form.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[non_exhaustive]
pub enum FormError {
    /// More bytes than [`FORM_OCTETS_MAX`], or a field with more than [`FIELD_OCTETS_MAX`].
    #[error("the form is too long")]
    TooLong,
    /// More fields than [`FIELDS_MAX`].
    #[error("the form has too many fields")]
    TooManyFields,
    /// A `%` without two hexadecimal digits, bytes that are not UTF-8, or a NUL.
    #[error("the form is not what a browser sends")]
    Malformed,
}

/// The fields of a form in their order. Names may come again.
#[derive(Clone, Default, Eq, PartialEq)]
pub struct Form(Vec<(String, String)>);

impl Form {
    /// Reads a query (without `?`) or a body. Work is linear in `bytes`.
    ///
    /// # Errors
    /// [`FormError`].
    pub fn parse(bytes: &[u8]) -> Result<Self, FormError> {
        if bytes.len() > FORM_OCTETS_MAX {
            return Err(FormError::TooLong);
        }
        let mut fields = Vec::new();
        for field in bytes.split(|byte| *byte == b'&') {
            if field.is_empty() {
                continue;
            }
            if fields.len() == FIELDS_MAX {
                return Err(FormError::TooManyFields);
            }
            let mut halves = field.splitn(2, |byte| *byte == b'=');
            let name = decode(halves.next().unwrap_or_default())?;
            let value = decode(halves.next().unwrap_or_default())?;
            fields.push((name, value));
        }
        Ok(Self(fields))
    }

    /// The value of a field that is there once; a field that comes twice has none, so that two
    /// readers can't take different ones.
    #[must_use]
    pub fn one(&self, name: &str) -> Option<&str> {
        let mut values = self.all(name);
        match (values.next(), values.next()) {
            (Some(value), None) => Some(value),
            _ => None,
        }
    }

    /// Every value of a field, in order.
    pub fn all<'a, 'b>(&'a self, name: &'b str) -> impl Iterator<Item = &'a str> + use<'a, 'b> {
        let named = self.0.iter().filter(move |(own, _)| own == name);
        named.map(|(_, value)| value.as_str())
    }

    /// Every field, in order.
    pub fn fields(&self) -> impl Iterator<Item = (&str, &str)> {
        let fields = self.0.iter();
        fields.map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// How many fields there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

// A form may carry a PIN.
impl fmt::Debug for Form {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Form({} fields)", self.0.len())
    }
}

/// A name or value as it stands in a query: everything but letters, digits and `-._~` as `%XX`.
#[must_use]
pub fn encode(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            let digit = |nibble: u8| char::from_digit(u32::from(nibble), 16).unwrap_or_default();
            encoded.push('%');
            encoded.push(digit(byte >> 4).to_ascii_uppercase());
            encoded.push(digit(byte & 15).to_ascii_uppercase());
        }
    }
    encoded
}

fn decode(bytes: &[u8]) -> Result<String, FormError> {
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut rest = bytes.iter();
    while let Some(byte) = rest.next() {
        decoded.push(match byte {
            b'+' => b' ',
            b'%' => {
                let mut digit = || rest.next().and_then(|byte| hex(*byte));
                let (high, low) = (digit(), digit());
                let (Some(high), Some(low)) = (high, low) else {
                    return Err(FormError::Malformed);
                };
                high << 4 | low
            }
            other => *other,
        });
    }
    if decoded.len() > FIELD_OCTETS_MAX {
        return Err(FormError::TooLong);
    }
    let text = String::from_utf8(decoded).map_err(|_| FormError::Malformed)?;
    if text.contains('\0') {
        return Err(FormError::Malformed);
    }
    Ok(text)
}

fn hex(digit: u8) -> Option<u8> {
    let value = char::from(digit).to_digit(16)?;
    u8::try_from(value).ok()
}

/// The value of cookie `name` in a `Cookie` header. One that is there twice has none: another page
/// of the host may have put the second one there.
#[must_use]
pub fn cookie<'a>(header: &'a str, name: &str) -> Option<&'a str> {
    let mut values = header.split(';').filter_map(|pair| {
        let (own, value) = pair.trim_matches([' ', '\t']).split_once('=')?;
        (own == name).then_some(value)
    });
    match (values.next(), values.next()) {
        (Some(value), None) => Some(value),
        _ => None,
    }
}

/// The one of `known` (primary subtags in lower case, such as `zh`) that an `Accept-Language`
/// header likes best; the earlier range where two are liked as well.
#[must_use]
pub fn preferred_language<'a>(header: &str, known: &[&'a str]) -> Option<&'a str> {
    let mut best: Option<(u16, &str)> = None;
    for range in header.split(',').take(RANGES_MAX) {
        let mut parts = range.split(';');
        let tag = parts.next().unwrap_or_default().trim();
        let primary = tag.split('-').next().unwrap_or_default();
        let weight = parts
            .find_map(|part| part.trim().strip_prefix("q="))
            .map_or(1000, thousandths);
        let found = known.iter().find(|own| own.eq_ignore_ascii_case(primary));
        if let Some(found) = found
            && weight > best.map_or(0, |(weight, _)| weight)
        {
            best = Some((weight, found));
        }
    }
    best.map(|(_, language)| language)
}

/// A `qvalue` (RFC 9110 §12.4.2) in thousandths; what is none weighs nothing.
fn thousandths(text: &str) -> u16 {
    let (whole, fraction) = text.trim().split_once('.').unwrap_or((text.trim(), ""));
    let digits = fraction.len() <= 3 && fraction.bytes().all(|byte| byte.is_ascii_digit());
    let fraction = format!("{fraction:0<3}").parse().unwrap_or(0);
    match (whole, digits) {
        ("1", true) => 1000,
        ("0", true) => fraction,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_decoded_in_their_order() {
        let form = Form::parse("name=%E5%BC%A0+%E4%B8%89&job=1&job=2&empty".as_bytes()).unwrap();
        assert_eq!(form.one("name"), Some("张 三"));
        assert_eq!(form.all("job").collect::<Vec<_>>(), ["1", "2"]);
        assert_eq!(form.one("empty"), Some(""));
    }

    #[test]
    fn a_field_that_comes_twice_has_no_one_value() {
        let form = Form::parse(b"pin=1&pin=2").unwrap();
        assert_eq!(form.one("pin"), None);
    }

    #[test]
    fn what_no_browser_sends_is_refused() {
        for wrong in ["a=%", "a=%4", "a=%zz", "a=%ff%fe", "a=%00"] {
            assert_eq!(
                Form::parse(wrong.as_bytes()),
                Err(FormError::Malformed),
                "{wrong}"
            );
        }
    }

    #[test]
    fn limits_are_held_at_their_borders() {
        let fields = vec!["a=b"; FIELDS_MAX].join("&");
        assert_eq!(Form::parse(fields.as_bytes()).unwrap().len(), FIELDS_MAX);
        let more = format!("{fields}&a=b");
        assert_eq!(Form::parse(more.as_bytes()), Err(FormError::TooManyFields));
        let long = vec![b'x'; FIELD_OCTETS_MAX + 1];
        assert_eq!(Form::parse(&long), Err(FormError::TooLong));
        assert!(Form::parse(&long[1..]).is_ok());
        let huge = vec![b'&'; FORM_OCTETS_MAX + 1];
        assert_eq!(Form::parse(&huge), Err(FormError::TooLong));
    }

    #[test]
    fn what_is_encoded_comes_back() {
        let odd = "张三 &=+%\"'<a>/~";
        let form = Form::parse(format!("{}={}", encode(odd), encode("x")).as_bytes()).unwrap();
        assert_eq!(form.fields().collect::<Vec<_>>(), [(odd, "x")]);
    }

    #[test]
    fn a_form_is_not_told_to_a_log() {
        let form = Form::parse(b"pin=4711").unwrap();
        assert_eq!(format!("{form:?}"), "Form(1 fields)");
    }

    #[test]
    fn a_doubled_cookie_is_none() {
        assert_eq!(cookie("a=1; b=2", "b"), Some("2"));
        assert_eq!(cookie("b=1; b=2", "b"), None);
        assert_eq!(cookie("bb=1", "b"), None);
    }

    #[test]
    fn the_best_liked_language_that_is_known_is_taken() {
        let known = ["en", "zh"];
        let of = |header| preferred_language(header, &known);
        assert_eq!(of("zh-CN,zh;q=0.9,en;q=0.8"), Some("zh"));
        assert_eq!(of("de, en;q=0.5, zh;q=0.7"), Some("zh"));
        assert_eq!(of("en-GB, zh"), Some("en"));
        assert_eq!(of("zh;q=0, fr"), None);
        assert_eq!(of("*"), None);
        assert_eq!(of("en;q=2.5, zh;q=0.0001"), None);
    }
}
