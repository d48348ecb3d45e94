// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Device id strings (IEEE 1284-2000 §7.6): who a USB or parallel printer says it is. `key:value;`
//! pairs, with the two-octet length in front that USB's GET_DEVICE_ID and `LPIOC_GET_DEVICE_ID`
//! give. Devices get the length, the last semicolon and the case of keys wrong; all is let pass.

/// Longest id that is looked at; Linux' printer driver gives no more.
pub const ID_BYTES_MAX: usize = 1024;
/// Most pairs that are kept.
pub const PAIRS_MAX: usize = 64;

/// A device id, as pairs in the order they came.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct DeviceId {
    pairs: Vec<(String, String)>,
}

impl DeviceId {
    /// Reads an id with its two-octet big-endian length, which counts itself. A length that doesn't
    /// fit (some devices count without it, or write it little endian) is passed over and the text
    /// taken as far as it goes.
    #[must_use]
    pub fn from_counted(octets: &[u8]) -> Self {
        let Some((length, text)) = octets.split_first_chunk::<2>() else {
            return Self::default();
        };
        let length = usize::from(u16::from_be_bytes(*length));
        match length.checked_sub(2).and_then(|length| text.get(..length)) {
            Some(counted) if length > 2 => Self::from_text(counted),
            _ => Self::from_text(text),
        }
    }

    /// Reads an id without a length, such as sysfs' `ieee1284_id` or a `printer-device-id`.
    /// Anything behind [`ID_BYTES_MAX`] octets, [`PAIRS_MAX`] pairs or a NUL is left out.
    #[must_use]
    pub fn from_text(text: &[u8]) -> Self {
        let text = text.get(..ID_BYTES_MAX).unwrap_or(text);
        let text = text.split(|octet| *octet == 0).next().unwrap_or_default();
        let pairs = text
            .split(|octet| *octet == b';')
            .filter_map(pair)
            .take(PAIRS_MAX);
        Self {
            pairs: pairs.collect(),
        }
    }

    /// The value of a key or of its long form, such as `MFG` for `MANUFACTURER`. Case doesn't
    /// matter. The first one counts.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&str> {
        let wanted = short_key(key);
        let mut pairs = self.pairs.iter();
        let (_, value) = pairs.find(|(key, _)| short_key(key).eq_ignore_ascii_case(wanted))?;
        Some(value)
    }

    /// `MFG`
    #[must_use]
    pub fn manufacturer(&self) -> Option<&str> {
        self.get("MFG")
    }

    /// `MDL`
    #[must_use]
    pub fn model(&self) -> Option<&str> {
        self.get("MDL")
    }

    /// `SN`
    #[must_use]
    pub fn serial(&self) -> Option<&str> {
        self.get("SN")
    }

    /// The page and job languages of `CMD`, as the device spells them: `PJL`, `PCL`, `PDF`, `URF`…
    pub fn languages(&self) -> impl Iterator<Item = &str> {
        let list = self.get("CMD").unwrap_or_default();
        list.split(',')
            .map(str::trim)
            .filter(|language| !language.is_empty())
    }

    /// Whether `CMD` names the language, in any case.
    #[must_use]
    pub fn speaks(&self, language: &str) -> bool {
        self.languages()
            .any(|one| one.eq_ignore_ascii_case(language))
    }

    /// All pairs, keys as they came.
    pub fn pairs(&self) -> impl Iterator<Item = (&str, &str)> {
        self.pairs
            .iter()
            .map(|(key, value)| (key.as_str(), value.as_str()))
    }
}

/// `key:value`, blanks trimmed; the value may hold further colons, and wrong UTF-8 is replaced.
fn pair(octets: &[u8]) -> Option<(String, String)> {
    let text = String::from_utf8_lossy(octets);
    let (key, value) = text.split_once(':')?;
    let key = key.trim();
    (!key.is_empty()).then(|| (key.to_owned(), value.trim().to_owned()))
}

/// The short form of a key that has two. `MFG`, `CMD` and `MDL` are the standard's mandatory keys;
/// the spellings `SERN` and `SERIALNUMBER` are common.
fn short_key(key: &str) -> &str {
    const LONG: [(&str, &str); 7] = [
        ("MANUFACTURER", "MFG"),
        ("MODEL", "MDL"),
        ("COMMAND SET", "CMD"),
        ("CLASS", "CLS"),
        ("DESCRIPTION", "DES"),
        ("SERN", "SN"),
        ("SERIALNUMBER", "SN"),
    ];
    LONG.iter()
        .find(|(long, _)| long.eq_ignore_ascii_case(key))
        .map_or(key, |(_, short)| short)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &[u8] = b"MFG:Example Inc.;MDL: Laser 100 ;COMMAND SET:PJL, PCL,PDF,;\
        CLASS:PRINTER;SERN:X:1;";

    fn counted(length: usize) -> Vec<u8> {
        let mut octets = u16::try_from(length).unwrap().to_be_bytes().to_vec();
        octets.extend(TEXT);
        octets
    }

    #[test]
    fn short_and_long_keys_are_the_same() {
        let id = DeviceId::from_text(TEXT);
        assert_eq!(id.manufacturer(), Some("Example Inc."));
        assert_eq!(id.model(), Some("Laser 100"));
        assert_eq!(id.get("manufacturer"), Some("Example Inc."));
        assert_eq!(id.get("cls"), Some("PRINTER"));
        assert_eq!(id.serial(), Some("X:1"));
        assert_eq!(id.languages().collect::<Vec<_>>(), ["PJL", "PCL", "PDF"]);
        assert!(id.speaks("pdf"));
        assert!(!id.speaks("URF"));
    }

    #[test]
    fn the_length_in_front_is_used_when_it_fits_and_passed_over_when_it_lies() {
        let whole = DeviceId::from_text(TEXT);
        assert_eq!(DeviceId::from_counted(&counted(TEXT.len() + 2)), whole);
        for lie in [0, 1, 2, 0x7fff, 0xffff] {
            assert_eq!(DeviceId::from_counted(&counted(lie)), whole, "length {lie}");
        }
        let mut padded = counted(TEXT.len() + 2);
        padded.resize(1024, 0);
        assert_eq!(DeviceId::from_counted(&padded), whole);
        assert_eq!(DeviceId::from_counted(&counted(18)).pairs().count(), 1);
        assert_eq!(DeviceId::from_counted(b"\x00"), DeviceId::default());
    }

    #[test]
    fn a_missing_last_semicolon_is_let_pass_and_what_is_no_pair_left_out() {
        let id = DeviceId::from_text(b";;nonsense;:x;MDL:A;MDL:B;SN:\xff1");
        assert_eq!(id.pairs().count(), 3);
        assert_eq!(id.model(), Some("A"));
        assert_eq!(id.serial(), Some("\u{fffd}1"));
    }

    #[test]
    fn long_ids_are_cut_at_the_limits() {
        assert_eq!(
            DeviceId::from_text(&b"K:V;".repeat(5000)).pairs().count(),
            PAIRS_MAX
        );
        let id = DeviceId::from_text(&[b"MDL:".as_slice(), &[b'x'; 5000]].concat());
        assert_eq!(id.model().map(str::len), Some(ID_BYTES_MAX - 4));
    }
}
