// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The file that an administrator imports keys from: TOML, read once, then kept sealed. No error
//! here shows a value of the file.
//!
//! ```text
//! [desfire]
//! application = "F48120"              # three bytes, as they are usually written
//! key_number = 1
//! key = "00112233445566778899AABBCCDDEEFF"
//! diversification = "3042F53048656C6C6F"   # 9 to 24 bytes behind the card's number (AN10922)
//!
//! [ntag424]                           # either a key to authenticate with …
//! key_number = 2
//! key = "…"
//! # … or those of its SUN message: meta_key, file_key, and where it stands in the NDEF file
//! # (picc_data, mac_input, mac)
//!
//! [osdp.gate]                         # the reader's name in the board file
//! scbk = "…"
//! ```

use platen_drivers::{AesKey, CardKeyError, CardKeys, MasterKey, SunLayout};
use thiserror::Error;
use toml::de::DeTable;
use zeroize::Zeroizing;

use super::secrets::DeviceSecrets;
use crate::board::table::{Item, Table, line_of};
use crate::board::{BoardError, READERS_MAX};

/// Largest key file that is read, in bytes.
pub const KEY_FILE_MAX_BYTES: usize = 16 * 1024;
const KEY_BYTES: usize = 16;
/// Longest value that is hexadecimal: what is behind a card's number.
const HEX_BYTES_MAX: usize = 24;

/// Keys, and what may be told of them.
#[derive(Clone, Debug, Default)]
pub struct KeyFile {
    /// For the parts.
    pub secrets: DeviceSecrets,
    /// What there is for DESFire cards, in a few words without any key.
    pub desfire: Option<String>,
    /// The same for NTAG 424 DNA cards.
    pub ntag424: Option<String>,
}

/// Why a key file is not taken.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
#[non_exhaustive]
pub enum KeyFileError {
    /// Longer than [`KEY_FILE_MAX_BYTES`].
    #[error("key file is longer than {KEY_FILE_MAX_BYTES} bytes")]
    TooLong,
    /// Not TOML.
    #[error("key file, line {line}, is not TOML")]
    Syntax {
        /// Line, from 1.
        line: usize,
    },
    /// An unknown or missing key, or a value that can't be.
    #[error("key file, line {line}: `{key}` {problem}")]
    Value {
        /// Line, from 1.
        line: usize,
        /// The key of the table, never a card's or reader's.
        key: String,
        /// What is wrong.
        problem: String,
    },
}

impl KeyFile {
    /// Reads the text of a key file.
    ///
    /// # Errors
    /// [`KeyFileError`].
    pub fn parse(text: &str) -> Result<Self, KeyFileError> {
        if text.len() > KEY_FILE_MAX_BYTES {
            return Err(KeyFileError::TooLong);
        }
        let raw = DeTable::parse(text).map_err(|error| KeyFileError::Syntax {
            line: line_of(text, error.span().map_or(0, |span| span.start)),
        })?;
        Ok(read(Table::top(text, raw.get_ref()))?)
    }
}

impl From<BoardError> for KeyFileError {
    /// What the reader of tables tells.
    fn from(error: BoardError) -> Self {
        match error {
            BoardError::Value { line, key, problem } => Self::Value { line, key, problem },
            _ => Self::Syntax { line: 1 },
        }
    }
}

fn read(mut top: Table<'_>) -> Result<KeyFile, BoardError> {
    let mut file = KeyFile::default();
    let mut cards = CardKeys::default();
    if let Some(item) = top.take("desfire") {
        let (with, facts) = desfire(item.table()?, cards)?;
        (cards, file.desfire) = (with, Some(facts));
    }
    if let Some(item) = top.take("ntag424") {
        let (with, facts) = ntag424(item.table()?, cards)?;
        (cards, file.ntag424) = (with, Some(facts));
    }
    if file.desfire.is_some() || file.ntag424.is_some() {
        file.secrets.cards = Some(cards);
    }
    if let Some(item) = top.take("osdp") {
        let readers = item.table()?.named(READERS_MAX)?;
        for (name, mut table) in readers {
            let key = key(&table.need("scbk", "the reader's key, 32 digits")?)?;
            table.finish("an OSDP reader")?;
            file.secrets.osdp.insert(name, key.into());
        }
    }
    top.finish("a key file")?;
    Ok(file)
}

fn desfire(mut table: Table<'_>, cards: CardKeys) -> Result<(CardKeys, String), BoardError> {
    let item = table.need("application", "three bytes, such as \"F48120\"")?;
    let application = match hex(&item)?.as_slice() {
        [a, b, c] => u32::from_be_bytes([0, *a, *b, *c]),
        _ => return Err(item.wrong("is not three bytes, six digits")),
    };
    let number = key_number(&mut table)?;
    let (master, each) = master(&mut table, "key", "diversification")?;
    let cards = cards
        .with_desfire(application, number, master)
        .map_err(|error| refused(&table, error))?;
    table.finish("`desfire`")?;
    let facts = format!("application {application:06x}, key {number}, {each}");
    Ok((cards, facts))
}

fn ntag424(mut table: Table<'_>, cards: CardKeys) -> Result<(CardKeys, String), BoardError> {
    let Some(meta) = table.take("meta_key") else {
        let number = key_number(&mut table)?;
        let (master, each) = master(&mut table, "key", "diversification")?;
        let cards = cards
            .with_ntag424(number, master)
            .map_err(|error| refused(&table, error))?;
        table.finish("`ntag424`")?;
        return Ok((cards, format!("authentication with key {number}, {each}")));
    };
    let meta = key(&meta)?;
    let (file, each) = master(&mut table, "file_key", "file_diversification")?;
    let mut offset = |key, why| {
        let item = table.need(key, why)?;
        let offset = item.number(&(0..=255))?;
        Ok(u16::try_from(offset).unwrap_or(u16::MAX))
    };
    let layout = SunLayout {
        picc_data: offset("picc_data", "where the encrypted number stands")?,
        mac_input: offset("mac_input", "from where the text is in the MAC")?,
        mac: offset("mac", "where the MAC stands")?,
    };
    let cards = cards
        .with_sun(meta, file, layout)
        .map_err(|error| refused(&table, error))?;
    table.finish("`ntag424`")?;
    Ok((cards, format!("SUN message, file key {each}")))
}

fn key_number(table: &mut Table<'_>) -> Result<u8, BoardError> {
    let item = table.need("key_number", "the key's number on the card")?;
    let number = item.number(&(0..=13))?;
    Ok(u8::try_from(number).unwrap_or(u8::MAX))
}

/// A key for all cards, or one for each, and which of both in words.
fn master(
    table: &mut Table<'_>,
    name: &'static str,
    tail: &'static str,
) -> Result<(MasterKey, &'static str), BoardError> {
    let key = key(&table.need(name, "32 hexadecimal digits")?)?;
    let Some(item) = table.take(tail) else {
        return Ok((MasterKey::shared(key), "the same on every card"));
    };
    let master = MasterKey::diversified(key, &hex(&item)?);
    let master = master.map_err(|error| item.wrong(error.to_string()))?;
    Ok((master, "one for each card"))
}

fn key(item: &Item<'_>) -> Result<AesKey, BoardError> {
    let bytes = hex(item)?;
    let key: Option<[u8; KEY_BYTES]> = bytes.as_slice().try_into().ok();
    let key = Zeroizing::new(key.ok_or_else(|| item.wrong("is not 32 hexadecimal digits"))?);
    Ok(AesKey::new(*key))
}

fn hex(item: &Item<'_>) -> Result<Zeroizing<Vec<u8>>, BoardError> {
    let text = item.text()?;
    let digits = text.as_bytes().chunks(2);
    if text.len() > 2 * HEX_BYTES_MAX {
        return Err(item.wrong("is too long"));
    }
    let byte = |pair: &[u8]| {
        let [high, low] = *pair else {
            return None;
        };
        let digit = |digit: u8| char::from(digit).to_digit(16);
        u8::try_from(digit(high)? * 16 + digit(low)?).ok()
    };
    // Room for all of it: no copy is left behind by growing.
    let mut bytes = Zeroizing::new(Vec::with_capacity(HEX_BYTES_MAX));
    for pair in digits {
        bytes.push(byte(pair).ok_or_else(|| item.wrong("is not hexadecimal, two digits a byte"))?);
    }
    Ok(bytes)
}

fn refused(table: &Table<'_>, error: CardKeyError) -> BoardError {
    table.wrong("key", format!("is not taken: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "00112233445566778899AABBCCDDEEFF";

    fn problem(text: &str) -> String {
        let error = KeyFile::parse(text).unwrap_err().to_string();
        assert!(!error.contains("0011"), "a key is shown: {error}");
        error
    }

    #[test]
    fn all_kinds_of_keys_are_taken_and_told_without_themselves() {
        let file = KeyFile::parse(&format!(
            "[desfire]\napplication = \"F48120\"\nkey_number = 1\nkey = \"{KEY}\"\n\
             diversification = \"3042F53048656C6C6F\"\n\
             [ntag424]\nmeta_key = \"{KEY}\"\nfile_key = \"{KEY}\"\npicc_data = 20\n\
             mac_input = 55\nmac = 55\n[osdp.gate]\nscbk = \"{KEY}\"\n"
        ))
        .unwrap();
        let facts = "application f48120, key 1, one for each card";
        assert_eq!(file.desfire.as_deref(), Some(facts));
        let facts = "SUN message, file key the same on every card";
        assert_eq!(file.ntag424.as_deref(), Some(facts));
        assert!(file.secrets.cards.is_some() && file.secrets.osdp.contains_key("gate"));
        assert!(!format!("{file:?}").contains("00, 11"));
        let other = format!("[ntag424]\nkey_number = 2\nkey = \"{KEY}\"");
        let facts = KeyFile::parse(&other).unwrap().ntag424.unwrap();
        assert_eq!(facts, "authentication with key 2, the same on every card");
        assert!(KeyFile::parse("").unwrap().secrets.cards.is_none());
    }

    #[test]
    fn mistakes_are_told_by_line_and_key_and_never_by_value() {
        let short = format!("[osdp.gate]\nscbk = \"{}\"", &KEY[2..]);
        assert!(problem(&short).contains("line 2: `osdp.gate.scbk` is not 32"));
        let odd = format!("[osdp.gate]\nscbk = \"{}g\"", &KEY[1..]);
        assert!(problem(&odd).contains("is not hexadecimal"));
        let other = format!("[osdp.gate]\nscbk = \"{KEY}\"\nkye = \"{KEY}\"");
        assert!(problem(&other).contains("line 3: `osdp.gate.kye` is not known"));
        let toml = format!("[osdp.gate]\nscbk = {KEY}");
        assert!(problem(&toml).contains("line 2"), "{}", problem(&toml));
        let none = format!("[desfire]\napplication = \"000000\"\nkey_number = 1\nkey = \"{KEY}\"");
        assert!(problem(&none).contains("not between 1 and ffffff"));
        let tail = format!(
            "[desfire]\napplication = \"F48120\"\nkey_number = 1\nkey = \"{KEY}\"\n\
             diversification = \"30\""
        );
        assert!(problem(&tail).contains("line 5: `desfire.diversification`"));
        let long = "#".repeat(KEY_FILE_MAX_BYTES + 1);
        assert_eq!(KeyFile::parse(&long).unwrap_err(), KeyFileError::TooLong);
        let name = format!("[osdp.\"a gate\"]\nscbk = \"{KEY}\"");
        assert!(problem(&name).contains("line 1"), "{}", problem(&name));
    }
}
