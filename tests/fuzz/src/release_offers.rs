// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Releases of the image as the centre tells of them: questions for pieces, pieces, offers as if they
//! were signed, and versions. The first byte of the input says which.

use platen_model::release::ALL_DAYS;
use platen_model::{Offers, ReleaseVersion, Window};
use platen_sync::codec::{Message, decode, encode};
use platen_sync::release::{
    OFFERS_BYTES_MAX, Piece, PieceAsk, Taker, check_offers, is_in_share, verify_offers,
};
use platen_sync::signed::SigningKey;

/// Deepest nesting taken, as in messages.
const DEPTH_MAX: usize = 32;

/// Reads what the centre says.
///
/// # Panics
/// When something changes on its way, or a box takes what it may not.
pub fn release_offers(data: &[u8]) {
    match data.split_first() {
        Some((0, bytes)) => read::<PieceAsk>(bytes),
        Some((1, bytes)) => read::<Piece>(bytes),
        Some((2, bytes)) => offers(bytes),
        Some((_, bytes)) => version(&String::from_utf8_lossy(bytes)),
        None => {}
    }
}

fn read<M: Message>(bytes: &[u8]) {
    let Ok(message) = decode::<M>(bytes) else {
        return;
    };
    let written = encode(&message).expect("what was read keeps its limits");
    let again: M = decode(&written).expect("what was written is read");
    assert_eq!(encode(&again).ok(), Some(written));
}

fn offers(bytes: &[u8]) {
    let decoded = ciborium::de::from_reader_with_recursion_limit(bytes, DEPTH_MAX);
    let Ok::<Offers, _>(offers) = decoded else {
        return;
    };
    let fits = check_offers(&offers).is_ok();
    let key = SigningKey::from_seed(&[3; 32]).expect("any seed is a key");
    match key.sign_offers(&offers) {
        Ok(signed) => {
            let read = verify_offers(&signed, &key.public(), offers.site, offers.node);
            assert_eq!(read.as_ref(), Ok(&offers));
        }
        Err(_) => assert!(
            !fits || bytes.len() > OFFERS_BYTES_MAX / 2,
            "short, and not signed"
        ),
    }
    for offer in offers.offers.iter().take(32) {
        offer
            .window
            .iter()
            .for_each(|window| windows(*window, offers.revision));
        let taker = Taker {
            node: offers.node,
            version: offer.release.version.clone(),
            compatible: offer.release.compatible.clone(),
            failed: vec![(offer.release.id, offer.turn)],
        };
        let Some(chosen) = taker.choose(&offers) else {
            continue;
        };
        let share = is_in_share(chosen.release.id, taker.node, chosen.share_percent);
        assert!(share && !chosen.paused, "taken, but not meant");
        assert!(chosen.allow_older || chosen.release.version > taker.version);
    }
}

fn windows(window: Window, unix_ms: u64) {
    let open = window.is_open(unix_ms);
    assert!(!open || window.days != 0, "open on no day");
    let always = Window {
        to_minute: window.from_minute,
        days: ALL_DAYS,
        ..window
    };
    assert!(always.is_open(unix_ms), "all of every day, and not open");
}

fn version(text: &str) {
    if let Ok(version) = text.parse::<ReleaseVersion>() {
        assert_eq!(version.to_string(), text);
        assert!(version <= version.clone());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_offers_of_the_corpus_are_understood_and_one_is_taken() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/corpus/release_offers");
        let bytes = std::fs::read(format!("{folder}/offers")).expect("the corpus is there");
        let cbor = bytes.get(1..).expect("a kind before it");
        let offers: Offers = ciborium::from_reader(cbor).expect("they are offers");
        assert_eq!(check_offers(&offers), Ok(()));
        let taker = Taker {
            node: offers.node,
            version: "1.0.0".parse().expect("a version"),
            compatible: "platen-x86_64".into(),
            failed: Vec::new(),
        };
        let chosen = taker.choose(&offers).expect("one fits");
        assert_eq!(chosen.release.version.to_string(), "1.2.3");
    }
}
