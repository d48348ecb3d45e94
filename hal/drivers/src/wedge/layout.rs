// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What the keys of a US keyboard mean. Source: Linux `include/uapi/linux/input-event-codes.h`.

/// What a key does to a text.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Meaning {
    /// These characters, without and with shift.
    Character(u8, u8),
    /// Enter, the pad's Enter, Tab.
    End,
    LeftShift,
    RightShift,
    /// Num lock and caps lock: a reader that sets them means nothing by it. The pad's keys are
    /// digits here whatever num lock says, and letters count the same in both cases.
    Nothing,
    /// Any other key.
    Unknown,
}

/// Keys beside each other, with their characters without and with shift.
const ROWS: [(u16, &[u8], &[u8]); 10] = [
    (2, b"1234567890-=", b"!@#$%^&*()_+"),
    (16, b"qwertyuiop[]", b"QWERTYUIOP{}"),
    (30, b"asdfghjkl;'`", b"ASDFGHJKL:\"~"),
    (43, b"\\zxcvbnm,./", b"|ZXCVBNM<>?"),
    (55, b"*", b"*"),
    (57, b" ", b" "),
    (71, b"789-456+1230.", b"789-456+1230."), // the pad
    (98, b"/", b"/"),
    (117, b"=", b"="),
    (121, b",", b","),
];

pub(super) fn meaning(code: u16) -> Meaning {
    match code {
        28 | 96 | 15 => return Meaning::End,
        42 => return Meaning::LeftShift,
        54 => return Meaning::RightShift,
        58 | 69 => return Meaning::Nothing,
        _ => {}
    }
    let character = |(first, plain, shifted): &(u16, &[u8], &[u8])| {
        let at = usize::from(code.checked_sub(*first)?);
        Some(Meaning::Character(*plain.get(at)?, *shifted.get(at)?))
    };
    ROWS.iter().find_map(character).unwrap_or(Meaning::Unknown)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Names as in the kernel's header.
    #[test]
    fn keys_mean_what_the_kernel_calls_them() {
        let keys = [
            (2, b'1'),
            (10, b'9'),
            (11, b'0'),
            (12, b'-'),
            (16, b'q'),
            (25, b'p'),
            (30, b'a'),
            (38, b'l'),
            (39, b';'),
            (44, b'z'),
            (50, b'm'),
            (51, b','),
            (53, b'/'),
            (57, b' '),
            (71, b'7'), // KP7
            (73, b'9'),
            (75, b'4'),
            (77, b'6'),
            (79, b'1'),
            (81, b'3'),
            (82, b'0'),
        ];
        for (code, character) in keys {
            assert!(
                matches!(meaning(code), Meaning::Character(plain, _) if plain == character),
                "{code}"
            );
        }
        assert_eq!(meaning(39), Meaning::Character(b';', b':'));
        assert_eq!([28, 96, 15].map(meaning), [Meaning::End; 3]);
    }

    #[test]
    fn every_digit_and_letter_is_on_the_keyboard_and_no_key_is_two_rows() {
        let codes = || (0..=0x2ff_u16).map(meaning);
        for wanted in (b'0'..=b'9').chain(b'a'..=b'z') {
            let plain = |key: Meaning| matches!(key, Meaning::Character(c, _) if c == wanted);
            assert!(codes().any(plain), "{}", char::from(wanted));
        }
        let named = codes().filter(|key| matches!(key, Meaning::Character(..)));
        let rows: usize = ROWS.iter().map(|(_, plain, _)| plain.len()).sum();
        assert_eq!(named.count(), rows);
        assert!(
            ROWS.iter()
                .all(|(_, plain, shifted)| plain.len() == shifted.len())
        );
    }

    #[test]
    fn modifiers_functions_and_codes_beyond_the_table_are_unknown() {
        // Escape, backspace, control, alt, F1, system request, right control, up, meta, KEY_MAX.
        for code in [0, 1, 14, 29, 56, 59, 99, 97, 103, 125, 0x2ff, u16::MAX] {
            assert_eq!(meaning(code), Meaning::Unknown, "{code}");
        }
    }
}
