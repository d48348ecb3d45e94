// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Keyed hashes of card numbers and one-time codes that are the same at every box of a site:
//! `HMAC(kₙ, … HMAC(k₁, number))`, HMAC-SHA256 (RFC 2104). A new key goes on top of the hashes that
//! the centre has, so no card needs to be there. Who has all the keys can try out card numbers, of
//! which there are few: the keys are as secret as a password list.

use platen_model::CardKey;
use ring::hmac;

use crate::message::{Hash, SiteKeys};

/// Stands before a one-time code, so that no card has a code's hash: no card number is this long.
const CODE_LABEL: &[u8] = b"platen one-time code 1\0";

/// The hash of a card's number by the first `count` site keys: as many as the directory page says
/// that its hashes have ([`platen_model::Changes::keys`]). `None` when there are not as many, or 0.
#[must_use]
pub fn card_key(keys: &SiteKeys, count: u32, number: &[u8]) -> Option<CardKey> {
    chained(keys, count, number)
}

/// The hash of a one-time code, likewise. Codes are compared as typed, without spaces and dashes and
/// in capitals.
#[must_use]
pub fn code_key(keys: &SiteKeys, count: u32, code: &str) -> Option<CardKey> {
    let written = code
        .chars()
        .filter(|letter| letter.is_alphanumeric())
        .flat_map(char::to_uppercase)
        .collect::<String>();
    chained(keys, count, &[CODE_LABEL, written.as_bytes()].concat())
}

/// The hash with one more key on top.
#[must_use]
pub fn rekey(old: CardKey, key: &Hash) -> CardKey {
    CardKey(mac(key, &old.0))
}

fn chained(keys: &SiteKeys, count: u32, number: &[u8]) -> Option<CardKey> {
    let count = usize::try_from(count).ok()?;
    let (first, rest) = keys.keys.get(..count)?.split_first()?;
    let inner = CardKey(mac(first, number));
    Some(rest.iter().fold(inner, rekey))
}

fn mac(key: &Hash, data: &[u8]) -> [u8; 32] {
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &key.0), data);
    tag.as_ref().first_chunk().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(count: u8) -> SiteKeys {
        let keys = (1..=count).map(|n| Hash([n; 32])).collect();
        SiteKeys { keys }
    }

    #[test]
    fn a_new_site_key_needs_no_card() {
        let number = [0x04, 0xa2, 0x31, 0x8c, 0x5e, 0x61, 0x80];
        for count in 1..5 {
            let before = card_key(&keys(4), u32::from(count), &number).unwrap();
            let after = card_key(&keys(count + 1), u32::from(count) + 1, &number);
            assert_eq!(Some(rekey(before, &Hash([count + 1; 32]))), after);
            assert_ne!(Some(before), after);
        }
    }

    #[test]
    fn without_as_many_keys_there_is_no_hash() {
        assert_eq!(card_key(&keys(2), 3, b"card"), None);
        assert_eq!(card_key(&keys(2), 0, b"card"), None);
        assert_eq!(card_key(&keys(0), 1, b"card"), None);
    }

    #[test]
    fn a_code_is_never_a_card_and_is_typed_as_people_type() {
        let code = code_key(&keys(2), 2, "K7QX-22MD");
        assert!(code.is_some());
        assert_eq!(code, code_key(&keys(2), 2, " k7qx 22md"));
        assert_ne!(code, card_key(&keys(2), 2, b"K7QX22MD"));
        assert_ne!(code, code_key(&keys(2), 2, "K7QX-22MC"));
    }

    #[test]
    fn the_first_key_alone_is_plain_hmac_sha256() {
        // RFC 4231, test case 2, has a short key; case 1 with its key padded by zeros is the same key.
        let mut key = [0; 32];
        key[..20].fill(0x0b);
        let keys = SiteKeys {
            keys: vec![Hash(key)],
        };
        let hash = card_key(&keys, 1, b"Hi There").unwrap();
        let hex: String = hash.0.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(
            hex,
            "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"
        );
    }
}
