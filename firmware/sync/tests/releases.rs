// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Offers of releases: who is meant, who takes what, and what boxes and centres of an earlier program
//! make of them.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use ciborium::Value;
use platen_model::{
    LeaseId, NodeId, Offer, Offers, Release, ReleaseId, Running, SiteId, Stamp, UpdatePhase, Window,
};
use platen_sync::codec::{CodecError, decode, encode};
use platen_sync::message::{LeaseNews, Pull, PullAnswer, Push, Signed, VERSION};
use platen_sync::release::{
    NOTES_BYTES_MAX, OFFERS_MAX, PIECE_BYTES_MAX, Piece, PieceAsk, RELEASE_BYTES_MAX, Taker,
    check_offers, is_in_share, verify_offers,
};
use platen_sync::signed::{PageError, SigningKey};
use uuid::Uuid;

fn id(n: u128) -> ReleaseId {
    // Spread over all bits, as random ids are.
    ReleaseId(Uuid::from_u128(
        n.wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835),
    ))
}

fn node(n: u128) -> NodeId {
    NodeId(id(n).0)
}

fn offer(n: u128, version: &str) -> Offer {
    Offer {
        release: Release {
            id: id(n),
            version: version.parse().unwrap(),
            compatible: "platen-x86_64".into(),
            size_bytes: 5,
            sha256: [7; 32],
            notes: String::new(),
        },
        turn: 1,
        share_percent: 100,
        window: None,
        paused: false,
        allow_older: false,
    }
}

fn offers(offers: Vec<Offer>) -> Offers {
    Offers {
        site: SiteId(Uuid::from_u128(1)),
        node: node(1),
        generation: 1,
        revision: 9,
        offers,
    }
}

fn taker() -> Taker {
    Taker {
        node: node(1),
        version: "1.1.0".parse().unwrap(),
        compatible: "platen-x86_64".into(),
        failed: Vec::new(),
    }
}

fn chosen(taker: &Taker, all: &[Offer]) -> Option<String> {
    let offers = offers(all.to_vec());
    taker
        .choose(&offers)
        .map(|offer| offer.release.version.to_string())
}

#[test]
fn a_larger_share_only_adds_boxes_and_each_release_begins_with_others() {
    let boxes = 2_000;
    let mut before: Vec<u128> = Vec::new();
    for percent in 0..=100 {
        let inside: Vec<u128> = (0..boxes)
            .filter(|n| is_in_share(id(1), node(*n), percent))
            .collect();
        assert!(before.iter().all(|n| inside.contains(n)), "{percent} %");
        let expected = usize::from(percent) * 20;
        assert!(
            inside.len().abs_diff(expected) < 120,
            "{percent} %: {}",
            inside.len()
        );
        before = inside;
    }
    assert_eq!(before.len(), 2_000);
    let both = |n: &u128| is_in_share(id(1), node(*n), 10) && is_in_share(id(2), node(*n), 10);
    assert!(
        (0..boxes).filter(both).count() < 60,
        "two releases, the same boxes"
    );
}

#[test]
fn a_box_takes_the_newest_offer_that_is_meant_for_it() {
    let (old, new) = (offer(1, "1.0.0"), offer(2, "1.2.0"));
    assert_eq!(chosen(&taker(), &[]), None);
    assert_eq!(chosen(&taker(), std::slice::from_ref(&old)), None, "older");
    assert_eq!(chosen(&taker(), &[offer(3, "1.1.0")]), None, "the same");
    assert_eq!(
        chosen(&taker(), &[new.clone(), old.clone()]).unwrap(),
        "1.2.0"
    );
    let change = |change: fn(&mut Offer)| {
        let mut changed = new.clone();
        change(&mut changed);
        chosen(&taker(), &[changed])
    };
    assert_eq!(change(|offer| offer.paused = true), None);
    assert_eq!(change(|offer| offer.share_percent = 0), None);
    assert_eq!(
        change(|offer| offer.release.compatible = "platen-qemu_x86_64".into()),
        None
    );
    let backwards = Offer {
        allow_older: true,
        ..old
    };
    assert_eq!(
        chosen(&taker(), std::slice::from_ref(&backwards)).unwrap(),
        "1.0.0"
    );
    let at_new = Taker {
        version: "1.2.0".parse().unwrap(),
        ..taker()
    };
    assert_eq!(chosen(&at_new, &[new, backwards]), None, "no to and fro");
}

#[test]
fn a_release_that_failed_here_is_tried_again_only_when_it_is_offered_anew() {
    let mut offer = offer(2, "1.2.0");
    let burnt = Taker {
        failed: vec![(id(2), 1)],
        ..taker()
    };
    assert_eq!(chosen(&burnt, std::slice::from_ref(&offer)), None);
    offer.turn = 2;
    assert_eq!(chosen(&burnt, &[offer]).unwrap(), "1.2.0");
}

#[test]
fn offers_are_believed_for_their_signature_and_for_nothing_else() {
    let key = SigningKey::from_seed(&[3; 32]).unwrap();
    let all = offers(vec![offer(1, "1.2.0")]);
    let signed = key.sign_offers(&all).unwrap();
    let (public, site) = (key.public(), all.site);
    assert_eq!(
        verify_offers(&signed, &public, site, node(1)),
        Ok(all.clone())
    );
    let other = SigningKey::from_seed(&[4; 32]).unwrap().public();
    assert_eq!(
        verify_offers(&signed, &other, site, node(1)),
        Err(PageError::BadSignature)
    );
    assert_eq!(
        verify_offers(&signed, &public, site, node(2)),
        Err(PageError::OtherNode)
    );
    let strange = SiteId(Uuid::from_u128(2));
    assert_eq!(
        verify_offers(&signed, &public, strange, node(1)),
        Err(PageError::OtherSite)
    );
    // Signed as a page of the directory, the same bytes are no offers.
    let page = platen_sync::signed::verify(&signed, &public, site, node(1));
    assert_eq!(page, Err(PageError::BadSignature));
    for at in 0..signed.payload.len() {
        let mut bent = signed.clone();
        bent.payload[at] ^= 1;
        let found = verify_offers(&bent, &public, site, node(1));
        assert_eq!(found, Err(PageError::BadSignature), "byte {at}");
    }
}

#[test]
fn offers_and_pieces_keep_their_limits_on_both_sides() {
    let bad = |change: fn(&mut Offer)| {
        let mut one = offer(1, "1.2.0");
        change(&mut one);
        check_offers(&offers(vec![one])).is_err()
    };
    assert!(bad(|one| one.share_percent = 101));
    assert!(bad(|one| one.release.size_bytes = 0));
    assert!(bad(|one| one.release.size_bytes = RELEASE_BYTES_MAX + 1));
    assert!(bad(
        |one| one.release.notes = "x".repeat(NOTES_BYTES_MAX + 1)
    ));
    assert!(bad(|one| one.release.compatible = String::new()));
    assert!(bad(|one| {
        one.window = Some(Window {
            from_minute: 0,
            to_minute: 0,
            days: 0,
            utc_offset_minutes: 0,
        });
    }));
    let many = vec![offer(1, "1.2.0"); OFFERS_MAX + 1];
    assert!(check_offers(&offers(many)).is_err());
    let ask = PieceAsk {
        version: VERSION,
        release: id(1),
        offset: 0,
        length: u32::try_from(PIECE_BYTES_MAX).unwrap(),
    };
    assert_eq!(decode(&encode(&ask).unwrap()), Ok(ask));
    assert!(encode(&PieceAsk { length: 0, ..ask }).is_err());
    let length = ask.length + 1;
    assert!(encode(&PieceAsk { length, ..ask }).is_err());
    let mut piece = Piece {
        version: VERSION,
        release: id(1),
        offset: 5,
        bytes: vec![0; PIECE_BYTES_MAX],
    };
    assert_eq!(decode(&encode(&piece).unwrap()).as_ref(), Ok(&piece));
    piece.bytes.push(0);
    let bytes = CodecError::Limit {
        message: "piece of a release",
        what: "bytes",
    };
    assert_eq!(encode(&piece), Err(bytes));
}

fn fields(bytes: &[u8]) -> Vec<(Value, Value)> {
    let value: Value = ciborium::from_reader(bytes).unwrap();
    value.into_map().unwrap()
}

fn bytes(fields: Vec<(Value, Value)>) -> Vec<u8> {
    let mut bytes = Vec::new();
    ciborium::into_writer(&Value::Map(fields), &mut bytes).unwrap();
    bytes
}

fn without(bytes_of_new: &[u8], name: &str) -> Vec<u8> {
    let mut kept = fields(bytes_of_new);
    kept.retain(|(key, _)| key.as_text() != Some(name));
    bytes(kept)
}

const AT: Stamp = Stamp {
    unix_ms: 1_800_000_000_000,
    elapsed_ms: 5,
    trusted: true,
};

/// `PullAnswer` as the program before the offers reads it.
#[derive(Debug, serde::Deserialize)]
struct EarlierAnswer {
    changes: Signed,
    leases: LeaseNews,
}

#[test]
fn a_box_of_an_earlier_program_reads_its_page_and_passes_over_the_offers() {
    let key = SigningKey::from_seed(&[3; 32]).unwrap();
    let answer = PullAnswer {
        version: VERSION,
        changes: Signed {
            payload: vec![1, 2],
            signature: vec![0; 64],
        },
        leases: LeaseNews {
            recalled: vec![LeaseId(Uuid::from_u128(2))],
            ..LeaseNews::default()
        },
        hurry: false,
        locks: Vec::new(),
        offers: Some(key.sign_offers(&offers(vec![offer(1, "1.2.0")])).unwrap()),
    };
    let sent = encode(&answer).unwrap();
    let read: EarlierAnswer = ciborium::from_reader(sent.as_slice()).unwrap();
    assert_eq!(
        (read.changes, read.leases),
        (answer.changes.clone(), answer.leases.clone())
    );
    // And the centre before them says nothing of offers.
    let earlier: PullAnswer = decode(&without(&sent, "offers")).unwrap();
    assert_eq!(
        earlier,
        PullAnswer {
            offers: None,
            ..answer
        }
    );
}

#[test]
fn a_push_or_pull_of_an_earlier_box_says_nothing_of_its_image() {
    let push = Push {
        version: VERSION,
        at: AT,
        after: Default::default(),
        entries: Vec::new(),
        head: 0,
        jobs: Vec::new(),
        wants: Vec::new(),
        leases_upto: 0,
        generation: 1,
        running: Some(Running {
            version: "1.1.0".into(),
            phase: UpdatePhase::FellBack,
            release: Some(id(1)),
            ..Running::default()
        }),
    };
    let sent = encode(&push).unwrap();
    assert_eq!(decode(&sent).as_ref(), Ok(&push));
    let earlier: Push = decode(&without(&sent, "running")).unwrap();
    assert_eq!(earlier.running, None);
    let mut talkative = push;
    talkative.running.as_mut().unwrap().reason = "x".repeat(5_000);
    assert!(encode(&talkative).is_err());
    let pull = Pull {
        version: VERSION,
        at: AT,
        generation: 1,
        after: 2,
        wait_ms: 3,
        leases_upto: 4,
        offers: 5,
    };
    let earlier: Pull = decode(&without(&encode(&pull).unwrap(), "offers")).unwrap();
    assert_eq!(earlier, Pull { offers: 0, ..pull });
}

#[test]
fn a_phase_of_a_later_program_is_read_as_another_one() {
    let phase: UpdatePhase = ciborium::from_reader(bytes_of_text("thinking").as_slice()).unwrap();
    assert_eq!(phase, UpdatePhase::Other);
    assert!(!phase.is_failure() && !phase.is_under_way());
    let phase: UpdatePhase = ciborium::from_reader(bytes_of_text("fell-back").as_slice()).unwrap();
    assert!(phase.is_failure());
}

fn bytes_of_text(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    ciborium::into_writer(&Value::from(text), &mut bytes).unwrap();
    bytes
}
