// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Keys of a reader that types, or of anything else on its plug: `platen_drivers::wedge`.

use platen_drivers::NumberFormat;
use platen_drivers::number::TEXT_MAX;
use platen_drivers::wedge::{Decoder, Ending, Outcome, SILENCE_NS};

const FORMATS: [&str; 3] = ["hex", "decimal=4 reverse", "facility-card"];

/// The first octet chooses how texts end. Then three are a key: its code (two), and in the third
/// whether it goes down, up or repeats, whether the kernel lost some, and the time since the one
/// before.
///
/// # Panics
/// When a text is longer than its keys, or holds what no keyboard types.
pub fn wedge_keys(data: &[u8]) {
    let Some((ending, data)) = data.split_first() else {
        return;
    };
    let ending = if ending % 2 == 0 {
        Ending::Key
    } else {
        Ending::Silence
    };
    let mut decoder = Decoder::new(ending);
    let (mut at_ns, mut pressed) = (0_u64, 0_usize);
    for octets in data.chunks_exact(3) {
        let [low, high, how] = *octets else {
            return;
        };
        at_ns += u64::from(how >> 4) * SILENCE_NS / 12;
        let value = i32::from(how & 0x03);
        pressed += usize::from(value == 1);
        let outcome = match how & 0x0c {
            0x0c => decoder.lost(at_ns),
            _ => decoder.key(u16::from_le_bytes([low, high & 0x03]), value, at_ns),
        };
        check(outcome, pressed);
    }
    check(decoder.pass(u64::MAX), pressed);
    assert_eq!(decoder.due_ns(), None, "a text that does not end");
}

fn check(outcome: Option<Outcome>, pressed: usize) {
    let Some(Ok(typed)) = outcome else {
        return;
    };
    let text = typed.as_str();
    assert!((1..=TEXT_MAX).contains(&text.len()));
    assert!(text.len() <= pressed, "more characters than keys");
    assert!(text.bytes().all(|byte| (0x20..0x7f).contains(&byte)));
    for format in FORMATS {
        let format: NumberFormat = format.parse().unwrap_or_default();
        if let Ok(uid) = typed.number(&format) {
            assert!(!uid.as_bytes().is_empty());
        }
    }
}
