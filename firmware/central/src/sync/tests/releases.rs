// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Releases of the image over the boxes' door.

use platen_sync::message::{PullAnswer, RefusalCode, VERSION, path};
use platen_sync::release::{PIECE_BYTES_MAX, Piece, PieceAsk, verify_offers};
use serde_json::{Value, json};
use uuid::Uuid;

use super::code_of;
use crate::test_site::{TestSite, pull, say};

fn ask(release: Uuid, offset: u64, length: u32) -> PieceAsk {
    PieceAsk {
        version: VERSION,
        release: platen_model::ReleaseId(release),
        offset,
        length,
    }
}

/// A site that offers a release, and the release's id.
fn offering() -> (TestSite, Uuid) {
    let site = TestSite::sqlite();
    let path = "/v1/releases?version=1.2.3&compatible=platen-x86_64";
    let kind = "application/octet-stream";
    let (status, release) = site.ask_with(&site.token, "POST", path, kind, vec![7; 400_000]);
    assert_eq!(status, 201, "{release}");
    let offer = json!({ "share_percent": 50 });
    site.served("POST", "/v1/releases/1.2.3/offer", offer);
    let id = release["id"].as_str().unwrap().parse().unwrap();
    (site, id)
}

#[test]
fn a_member_is_told_of_a_release_and_fetches_it_in_pieces() {
    let (site, id) = offering();
    let own = site.member(1);
    let answer: PullAnswer = own.say(path::PULL, &pull()).unwrap();
    let facts = smol::block_on(site.central.centre.site()).unwrap();
    let key = site.central.centre.directory_key();
    let offers = verify_offers(&answer.offers.unwrap(), &key, facts.id, own.node).unwrap();
    let offer = &offers.offers[0];
    assert_eq!(
        (offer.release.id.0, offer.release.size_bytes),
        (id, 400_000)
    );
    let length = u32::try_from(PIECE_BYTES_MAX).unwrap();
    let first: Piece = own.say(path::RELEASE, &ask(id, 0, length)).unwrap();
    assert_eq!(first.bytes, vec![7; PIECE_BYTES_MAX]);
    let at = u64::try_from(PIECE_BYTES_MAX).unwrap();
    let rest: Piece = own.say(path::RELEASE, &ask(id, at, length)).unwrap();
    assert_eq!(rest.bytes.len(), 400_000 - PIECE_BYTES_MAX);
    let end: Piece = own.say(path::RELEASE, &ask(id, 400_000, 1)).unwrap();
    assert!(end.bytes.is_empty());
}

#[test]
fn strangers_and_those_who_were_taken_out_get_no_piece() {
    let (site, id) = offering();
    let question = ask(id, 0, 100);
    let stranger = site.stranger();
    let answer = smol::block_on(say::<_, Piece>(&stranger, path::RELEASE, &question)).unwrap();
    assert_eq!(code_of(answer), (403, RefusalCode::NotEnrolled));
    let own = site.member(1);
    assert!(own.say::<_, Piece>(path::RELEASE, &question).is_ok());
    site.served("POST", "/v1/nodes/box%201/revoke", Value::Null);
    let answer = own.say::<_, Piece>(path::RELEASE, &question);
    assert_eq!(code_of(answer), (403, RefusalCode::Revoked));
}

#[test]
fn a_release_that_paused_or_is_none_gives_no_piece() {
    let (site, id) = offering();
    let own = site.member(1);
    let refused = |id| code_of(own.say::<_, Piece>(path::RELEASE, &ask(id, 0, 100)));
    assert_eq!(refused(Uuid::from_u128(5)), (400, RefusalCode::BadMessage));
    site.served("POST", "/v1/releases/1.2.3/pause", Value::Null);
    assert_eq!(refused(id), (400, RefusalCode::BadMessage));
}
