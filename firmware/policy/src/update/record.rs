// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `state.json`, in which the side that installs says how far it is. It is written by a script with
//! other rights, and may be cut off or be anything: what can't be read is an error in words.

use platen_model::UpdatePhase;
use serde::Deserialize;
use thiserror::Error;

/// Longest file that is read.
pub const RECORD_BYTES_MAX: usize = 16 << 10;
/// Longest version, slot or source, bytes.
const WORD_BYTES_MAX: usize = 64;
/// Longest reason that is kept, bytes.
const REASON_BYTES_MAX: usize = 1024;

/// What the installing side said last. Texts have no control characters and are short.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq)]
pub struct Record {
    /// How far it is.
    pub phase: UpdatePhase,
    /// How much of the phase is done.
    #[serde(default)]
    pub percent: u8,
    /// Version of the bundle, once it is known.
    #[serde(default)]
    pub version: String,
    /// Version that ran when it began.
    #[serde(default)]
    pub from: String,
    /// Slot that the bundle goes to.
    #[serde(default)]
    pub slot: String,
    /// Where the bundle came from: `centre`, `ctl`, `usb`.
    #[serde(default)]
    pub source: String,
    /// Why, for people; empty for nothing to say.
    #[serde(default)]
    pub reason: String,
    /// When, wall milliseconds since 1970.
    #[serde(default)]
    pub at_unix_ms: u64,
}

/// Why a file says nothing.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum RecordError {
    /// It is longer than any that was meant.
    #[error("the state of the update is longer than {RECORD_BYTES_MAX} bytes")]
    TooLong,
    /// It is no JSON, or not of this kind; such as one that was cut off.
    #[error("the state of the update can't be read")]
    Json(#[from] serde_json::Error),
    /// A value that can't be.
    #[error("the state of the update makes no sense: {0}")]
    Value(&'static str),
}

/// Reads what the installing side wrote. Fields that this program does not know are passed over.
///
/// # Errors
/// [`RecordError`]
pub fn read_record(bytes: &[u8]) -> Result<Record, RecordError> {
    if bytes.len() > RECORD_BYTES_MAX {
        return Err(RecordError::TooLong);
    }
    let record: Record = serde_json::from_slice(bytes)?;
    if record.percent > 100 {
        return Err(RecordError::Value("more than 100 percent"));
    }
    let word = |text: &str| plain(text, WORD_BYTES_MAX);
    Ok(Record {
        version: word(&record.version),
        from: word(&record.from),
        slot: word(&record.slot),
        source: word(&record.source),
        reason: plain(&record.reason, REASON_BYTES_MAX),
        ..record
    })
}

fn plain(text: &str, bytes_max: usize) -> String {
    let mut text: String = text.chars().filter(|c| !c.is_control()).collect();
    text.truncate(text.floor_char_boundary(bytes_max));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_read_with_what_it_has() {
        let text = r#"{"phase":"installing","percent":40,"version":"1.2.3","from":"1.2.2","slot":"B",
            "source":"ctl","reason":"","at_unix_ms":1790000000000,"more":{"later":[1]}}"#;
        let record = read_record(text.as_bytes()).unwrap();
        assert_eq!(record.phase, UpdatePhase::Installing);
        assert_eq!((record.percent, record.slot.as_str()), (40, "B"));
        let short = read_record(br#"{"phase":"fell-back"}"#).unwrap();
        assert_eq!(short.phase, UpdatePhase::FellBack);
        let newer = read_record(br#"{"phase":"polishing"}"#).unwrap();
        assert_eq!(newer.phase, UpdatePhase::Other);
    }

    #[test]
    fn half_a_record_and_nonsense_are_errors_in_words() {
        for (text, words) in [
            ("", "can't be read"),
            (r#"{"phase":"instal"#, "can't be read"),
            ("[]", "can't be read"),
            (r#"{"percent":3}"#, "can't be read"),
            (r#"{"phase":"good","percent":300}"#, "can't be read"),
            (r#"{"phase":"good","percent":-1}"#, "can't be read"),
            (r#"{"phase":"good","percent":101}"#, "100 percent"),
            (r#"{"phase":"good","at_unix_ms":1e99}"#, "can't be read"),
        ] {
            let error = read_record(text.as_bytes()).unwrap_err().to_string();
            assert!(error.contains(words), "{text}: {error}");
        }
        let long = format!(r#"{{"phase":"good","reason":"{}"}}"#, "x".repeat(20_000));
        assert!(matches!(
            read_record(long.as_bytes()),
            Err(RecordError::TooLong)
        ));
    }

    #[test]
    fn texts_are_cut_and_move_no_cursor() {
        let reason = "\\u001b[2J".to_owned() + &"裂".repeat(600);
        let text = format!(
            r#"{{"phase":"failed","reason":"{reason}","version":"{}"}}"#,
            "9".repeat(70)
        );
        let record = read_record(text.as_bytes()).unwrap();
        assert!(record.reason.starts_with("[2J裂") && record.reason.len() <= REASON_BYTES_MAX);
        assert_eq!(record.version.len(), WORD_BYTES_MAX);
    }
}
