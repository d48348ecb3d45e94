// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What people type or bring to log in, and what is kept to compare it with: PINs, passwords, one-time
//! codes, phones' codes, hashes from elsewhere.

use std::sync::OnceLock;

use platen_auth::secret::{
    PASSWORD_BYTES_MAX, PHC_BYTES_MAX, PIN_DIGITS_MAX, Secret, check_password, check_pin,
    is_outdated, is_valid_hash,
};
use platen_auth::{Code, PhoneCodes};
use platen_model::{Clock, ManualClock};

/// Holds a stored hash to its limits; nothing is computed of it.
///
/// # Panics
/// When a hash that would cost too much is taken.
pub fn secret_hash(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    if is_valid_hash(text) {
        assert!(text.len() <= PHC_BYTES_MAX);
        assert!(text.starts_with("$argon2id$v=19$"), "{text}");
        let memory = text
            .split("m=")
            .nth(1)
            .and_then(|rest| rest.split([',', '$']).next());
        let memory: u32 = memory.map_or(0, |digits| digits.parse().expect("a number"));
        assert!(memory <= 64 * 1024, "{text}");
    } else {
        assert!(is_outdated(text));
    }
}

/// Reads PINs, passwords and one-time codes.
///
/// # Panics
/// When something is taken that is none.
pub fn typed_secret(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let secret = Secret::from(text);
    if check_pin(&secret).is_ok() {
        assert!(secret.is_pin() && text.len() <= PIN_DIGITS_MAX);
        assert!(text.bytes().all(|byte| byte.is_ascii_digit()));
    }
    if check_password(&secret).is_ok() {
        assert!(!secret.is_pin() && text.len() <= PASSWORD_BYTES_MAX);
    }
    if let Some(code) = Code::parse(text) {
        assert_eq!(Code::parse(&code.shown()), Some(code));
    }
}

/// Brings codes and claims of phones to a box that shows one.
///
/// # Panics
/// When anything but the code that is shown is taken.
pub fn phone_token(data: &[u8]) {
    static CODES: OnceLock<(PhoneCodes, String)> = OnceLock::new();
    let now = ManualClock::at(0).now();
    let (codes, shown) = CODES.get_or_init(|| {
        let codes = PhoneCodes::new().expect("random bytes");
        let code = codes.issue("panel", now).expect("the first code");
        (codes, code.token)
    });
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    assert!(codes.claim(text, now).is_err() || text.eq_ignore_ascii_case(shown));
    let nobody = platen_auth::phone::ByPhone {
        user: platen_model::UserId(uuid::Uuid::nil()),
        credential: None,
        online: false,
    };
    assert!(codes.confirm(text, nobody, now).is_err(), "nobody claimed");
}
