// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Which USB printer is meant, when it is not named by its device file: `auto`, or
//! `?serial=…&model=…`. A printer that is pulled out and put back may come as another file; its
//! serial number stays.

use super::PortUriError;

/// Printers at a bus that are looked at.
pub(super) const PRINTERS_MAX: usize = 16;
/// Longest serial number or model, bytes.
const VALUE_BYTES_MAX: usize = 126; // a USB string descriptor: 255 octets, UTF-16

/// What a printer must say of itself; nothing for the first one found.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct Wanted {
    serial: Option<String>,
    model: Option<String>,
}

/// What a printer says of itself; empty where it says nothing.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct Named {
    /// Serial numbers of its descriptor and of its IEEE 1284 id, which differ with some.
    pub(super) serials: Vec<String>,
    /// Product name of its descriptor and model of its id.
    pub(super) models: Vec<String>,
}

impl Wanted {
    /// Reads what stands behind `usb:` or `ippusb:`; `None` when that is something else.
    ///
    /// # Errors
    /// [`PortUriError::Query`] for an unknown key, or a value that is empty or too long.
    pub(super) fn parse(uri: &str, rest: &str) -> Result<Option<Self>, PortUriError> {
        let fault = || PortUriError::Query {
            uri: uri.to_owned(),
        };
        if rest == "auto" {
            return Ok(Some(Self::default()));
        }
        let Some(query) = rest.strip_prefix('?') else {
            return Ok(None);
        };
        let mut wanted = Self::default();
        for pair in query.split('&') {
            let (key, value) = pair.split_once('=').ok_or_else(fault)?;
            let value = decoded(value).ok_or_else(fault)?;
            let place = match key {
                "serial" => &mut wanted.serial,
                "model" => &mut wanted.model,
                _ => return Err(fault()),
            };
            if place.replace(value).is_some() {
                return Err(fault());
            }
        }
        Ok(Some(wanted))
    }

    /// Whether it is this one. Case and outer blanks don't matter.
    pub(super) fn fits(&self, named: &Named) -> bool {
        let says = |wanted: &Option<String>, all: &[String]| {
            wanted.as_ref().is_none_or(|wanted| {
                let mut all = all.iter();
                all.any(|one| one.trim().eq_ignore_ascii_case(wanted.trim()))
            })
        };
        says(&self.serial, &named.serials) && says(&self.model, &named.models)
    }
}

/// Undoes `%20` and its like (RFC 3986 §2.1); `None` when the result is empty, too long or no UTF-8.
fn decoded(text: &str) -> Option<String> {
    let mut octets = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        if *first != b'%' {
            octets.push(*first);
            continue;
        }
        let (digits, after) = rest.split_first_chunk::<2>()?;
        let digit = |octet: u8| char::from(octet).to_digit(16);
        let value = digit(digits[0])? * 16 + digit(digits[1])?;
        octets.push(u8::try_from(value).ok()?);
        rest = after;
    }
    let fits = (1..=VALUE_BYTES_MAX).contains(&octets.len());
    String::from_utf8(octets).ok().filter(|_| fits)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(rest: &str) -> Result<Option<Wanted>, PortUriError> {
        Wanted::parse("usb:", rest)
    }

    fn named(serial: &str, model: &str) -> Named {
        Named {
            serials: vec![serial.to_owned()],
            models: vec![model.to_owned()],
        }
    }

    #[test]
    fn a_printer_is_known_by_what_it_says() {
        let wanted = parse("?serial=475-SIM&model=Laser%20475").unwrap().unwrap();
        assert!(wanted.fits(&named("475-sim ", "LASER 475")));
        assert!(!wanted.fits(&named("475-SIM", "Laser 476")));
        assert!(!wanted.fits(&Named::default()));
        assert!(parse("auto").unwrap().unwrap().fits(&Named::default()));
    }

    #[test]
    fn anything_else_is_left_to_others_or_refused() {
        assert_eq!(parse("/dev/usb/lp0"), Ok(None));
        assert_eq!(parse(""), Ok(None));
        for rest in [
            "?",
            "?serial",
            "?serial=",
            "?port=1",
            "?serial=a&serial=b",
            "?serial=%4",
            "?serial=%zz",
            "?serial=%ff",
        ] {
            assert!(parse(rest).is_err(), "{rest}");
        }
        assert!(parse(&format!("?serial={}", "x".repeat(127))).is_err());
    }
}
