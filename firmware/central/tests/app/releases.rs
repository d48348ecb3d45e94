// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Releases of the boxes' image: how a bundle comes in, whom it is offered to, and what stops it.

use platen_central::app::{
    CentreError, Fault, KeptRelease, NewRelease, OfferChange, ReleaseState, Rollout,
};
use platen_model::{Offers, ReleaseId, Running, UpdatePhase, Window};
use platen_sync::message::{Push, VERSION};
use platen_sync::release::{PieceAsk, RELEASE_BYTES_MAX, is_in_share, verify_offers};
use ring::digest::{SHA256, digest};

use crate::site::{ADMIN, Site, TestBox, on_both, pull};

on_both! {
    a_bundle_comes_out_piece_by_piece_as_it_went_in
    a_bundle_that_is_not_what_was_announced_leaves_nothing
    an_upload_that_was_given_up_is_swept_and_its_version_is_free
    a_database_that_fails_during_an_upload_leaves_nothing_that_is_offered
    a_version_is_added_once_for_each_kind_of_board
    boxes_are_told_of_offers_once_and_of_each_change
    an_offer_that_makes_no_sense_is_refused
    a_box_that_falls_back_raises_an_alert_and_stops_the_release_once
    a_release_may_go_on_whatever_happens
    a_rollout_is_counted_by_what_boxes_say
}

const BOARD: &str = "platen-x86_64";

fn new(version: &str) -> NewRelease {
    NewRelease {
        version: version.parse().unwrap(),
        compatible: BOARD.into(),
        notes: String::new(),
        size_bytes: None,
        sha256: None,
    }
}

fn bundle(bytes: usize) -> Vec<u8> {
    (0..bytes).map(|n| (n * n % 251).to_le_bytes()[0]).collect()
}

async fn add(site: &Site, new: NewRelease, bytes: &[u8]) -> Result<ReleaseId, CentreError> {
    let mut upload = site.centre.begin_release(new).await?;
    for part in bytes.chunks(300_000) {
        upload.take(part).await?;
    }
    upload.finish(&ADMIN).await
}

async fn kept(site: &Site, id: ReleaseId) -> KeptRelease {
    let all = site.centre.releases().await.unwrap();
    all.into_iter().find(|kept| kept.release.id == id).unwrap()
}

async fn offer(site: &Site, id: ReleaseId, share: u8) {
    let change = OfferChange {
        share_percent: Some(share),
        ..OfferChange::default()
    };
    site.centre
        .offer_release(&ADMIN, id, &change)
        .await
        .unwrap();
}

async fn left(site: &Site) -> (i64, i64) {
    (
        site.number("SELECT COUNT(*) FROM releases").await,
        site.number("SELECT COUNT(*) FROM release_chunks").await,
    )
}

async fn a_bundle_comes_out_piece_by_piece_as_it_went_in(site: Site) {
    let bytes = bundle((2 << 20) + 77_777);
    let hash = digest(&SHA256, &bytes);
    let announced = NewRelease {
        size_bytes: u64::try_from(bytes.len()).ok(),
        sha256: hash.as_ref().try_into().ok(),
        ..new("1.2.3")
    };
    let id = add(&site, announced, &bytes).await.unwrap();
    let release = kept(&site, id).await.release;
    assert_eq!(release.sha256, hash.as_ref());
    assert_eq!(release.size_bytes, 2_174_929);
    let mut ask = PieceAsk {
        version: VERSION,
        release: id,
        offset: 0,
        length: 200_000,
    };
    let refused = site.centre.release_piece(&ask).await.unwrap_err();
    assert_eq!(refused.fault(), Fault::Missing, "not offered");
    offer(&site, id, 100).await;
    let mut came = Vec::new();
    loop {
        let piece = site.centre.release_piece(&ask).await.unwrap();
        assert_eq!((piece.release, piece.offset), (id, ask.offset));
        if piece.bytes.is_empty() {
            break;
        }
        assert!(piece.bytes.len() <= 200_000);
        came.extend_from_slice(&piece.bytes);
        ask.offset = u64::try_from(came.len()).unwrap();
    }
    assert!(came == bytes, "other bytes came out");
    ask.offset = RELEASE_BYTES_MAX;
    assert!(
        site.centre
            .release_piece(&ask)
            .await
            .unwrap()
            .bytes
            .is_empty()
    );
    site.centre.pause_release(&ADMIN, id).await.unwrap();
    assert!(site.centre.release_piece(&ask).await.is_err(), "paused");
    site.centre.remove_release(&ADMIN, id).await.unwrap();
    assert_eq!(left(&site).await, (0, 0));
}

async fn a_bundle_that_is_not_what_was_announced_leaves_nothing(site: Site) {
    let bytes = bundle((1 << 20) + 5);
    let size = u64::try_from(bytes.len()).unwrap();
    let wrong = [
        (
            "size",
            NewRelease {
                size_bytes: Some(size + 1),
                ..new("1.2.3")
            },
        ),
        (
            "sha256",
            NewRelease {
                sha256: Some([0; 32]),
                ..new("1.2.3")
            },
        ),
        (
            "compatible",
            NewRelease {
                compatible: "x y".into(),
                ..new("1.2.3")
            },
        ),
        (
            "notes",
            NewRelease {
                notes: "\u{1b}".into(),
                ..new("1.2.3")
            },
        ),
        (
            "size",
            NewRelease {
                size_bytes: Some(RELEASE_BYTES_MAX + 1),
                ..new("1.2.3")
            },
        ),
    ];
    for (field, new) in wrong {
        match add(&site, new, &bytes).await {
            Err(CentreError::Invalid { field: found, .. }) => assert_eq!(found, field),
            other => panic!("{field}: {other:?}"),
        }
        assert_eq!(left(&site).await, (0, 0), "{field}");
    }
    assert!(
        add(&site, new("1.2.3"), &[]).await.is_err(),
        "no byte at all"
    );
    let short = NewRelease {
        size_bytes: Some(size - 1),
        ..new("1.2.3")
    };
    let mut upload = site.centre.begin_release(short).await.unwrap();
    assert!(upload.take(&bytes).await.is_err(), "one byte too many");
    upload.give_up().await;
    assert_eq!(left(&site).await, (0, 0));
}

async fn an_upload_that_was_given_up_is_swept_and_its_version_is_free(site: Site) {
    let mut half = site.centre.begin_release(new("1.2.3")).await.unwrap();
    half.take(&bundle(2 << 20)).await.unwrap();
    assert!(
        site.centre.releases().await.unwrap().is_empty(),
        "nobody sees half a release"
    );
    site.clock.advance(std::time::Duration::from_secs(5 * 60));
    let id = add(&site, new("1.2.3"), &bundle(9)).await.unwrap();
    assert_eq!(left(&site).await, (2, 3), "it may still be under way");
    site.clock.advance(std::time::Duration::from_secs(6 * 60));
    add(&site, new("1.2.4"), &bundle(9)).await.unwrap();
    assert_eq!(left(&site).await, (2, 2));
    // Whoever sends it after all is told.
    let late = half.take(&bundle(2 << 20)).await.unwrap_err();
    assert_eq!(late.fault(), Fault::Conflict);
    assert_eq!(kept(&site, id).await.state, ReleaseState::Kept);
}

async fn a_database_that_fails_during_an_upload_leaves_nothing_that_is_offered(site: Site) {
    let mut upload = site.centre.begin_release(new("1.2.3")).await.unwrap();
    upload.take(&bundle(1 << 20)).await.unwrap();
    site.sql("ALTER TABLE release_chunks RENAME TO away").await;
    assert!(upload.take(&bundle(1 << 20)).await.is_err());
    upload.give_up().await;
    site.sql("ALTER TABLE away RENAME TO release_chunks").await;
    assert!(site.centre.releases().await.unwrap().is_empty());
    site.clock.advance(std::time::Duration::from_secs(11 * 60));
    add(&site, new("1.2.3"), &bundle(9)).await.unwrap();
    assert_eq!(
        left(&site).await,
        (1, 1),
        "what was left of the first try is gone"
    );
}

async fn a_version_is_added_once_for_each_kind_of_board(site: Site) {
    let slow = site.centre.begin_release(new("1.2.3")).await.unwrap();
    add(&site, new("1.2.3"), &bundle(9)).await.unwrap();
    let again = add(&site, new("1.2.3"), &bundle(9)).await.unwrap_err();
    assert_eq!(again.fault(), Fault::Conflict);
    let mut slow = slow;
    slow.take(&bundle(9)).await.unwrap();
    let beaten = slow.finish(&ADMIN).await.unwrap_err();
    assert_eq!(beaten.fault(), Fault::Conflict);
    let other = NewRelease {
        compatible: "platen-raspberrypi4_64".into(),
        ..new("1.2.3")
    };
    add(&site, other, &bundle(9)).await.unwrap();
    assert_eq!(left(&site).await, (2, 2));
}

async fn offers(site: &Site, own: &TestBox, known: u64) -> Option<Offers> {
    let facts = site.centre.site().await.unwrap();
    let mut ask = pull(facts.generation, facts.revision);
    ask.offers = known;
    let answer = site.centre.pull(own.node, &ask).await.unwrap();
    let key = site.centre.directory_key();
    let read = |signed| verify_offers(&signed, &key, facts.id, own.node).unwrap();
    answer.offers.map(read)
}

async fn boxes_are_told_of_offers_once_and_of_each_change(site: Site) {
    let own = site.member(1).await;
    assert_eq!(offers(&site, &own, 0).await, None, "there was never one");
    let id = add(&site, new("1.2.3"), &bundle(9)).await.unwrap();
    assert_eq!(offers(&site, &own, 0).await, None, "nothing is offered yet");
    let before = site.centre.site().await.unwrap();
    offer(&site, id, 10).await;
    let ask = pull(before.generation, before.revision);
    let news = site.centre.news(own.node, &ask).await.unwrap();
    assert!(news.is_none(), "a box that waits hears of it");
    let told = offers(&site, &own, 0).await.unwrap();
    let one = told.offers.first().unwrap();
    assert_eq!(
        (one.release.id, one.share_percent, one.turn, one.paused),
        (id, 10, 1, false)
    );
    assert_eq!(offers(&site, &own, told.revision).await, None, "told once");
    site.centre.pause_release(&ADMIN, id).await.unwrap();
    let paused = offers(&site, &own, told.revision).await.unwrap();
    assert!(paused.offers.first().unwrap().paused && paused.revision > told.revision);
    site.centre.resume_release(&ADMIN, id).await.unwrap();
    let again = OfferChange {
        again: true,
        ..OfferChange::default()
    };
    site.centre.offer_release(&ADMIN, id, &again).await.unwrap();
    let anew = offers(&site, &own, paused.revision).await.unwrap();
    assert_eq!((anew.offers[0].turn, anew.offers[0].share_percent), (2, 10));
    site.centre.remove_release(&ADMIN, id).await.unwrap();
    let none = offers(&site, &own, anew.revision).await.unwrap();
    assert!(none.offers.is_empty());
    let audit = site.centre.audit(Default::default()).await.unwrap();
    let done: Vec<&str> = audit
        .rows
        .iter()
        .rev()
        .map(|row| row.action.as_str())
        .collect();
    let expected = [
        "release-added",
        "release-offered",
        "release-paused",
        "release-resumed",
        "release-offered",
        "release-removed",
    ];
    assert!(done.ends_with(&expected), "{done:?}");
}

async fn an_offer_that_makes_no_sense_is_refused(site: Site) {
    let id = add(&site, new("1.2.3"), &bundle(9)).await.unwrap();
    let window = Window {
        from_minute: 1440,
        to_minute: 0,
        days: 1,
        utc_offset_minutes: 0,
    };
    for change in [
        OfferChange {
            share_percent: Some(101),
            ..OfferChange::default()
        },
        OfferChange {
            window: Some(Some(window)),
            ..OfferChange::default()
        },
    ] {
        let refused = site.centre.offer_release(&ADMIN, id, &change).await;
        assert_eq!(refused.unwrap_err().fault(), Fault::Asked);
    }
    assert_eq!(kept(&site, id).await.state, ReleaseState::Kept);
    let centre = &site.centre;
    for refused in [
        centre.pause_release(&ADMIN, id).await,
        centre.resume_release(&ADMIN, id).await,
    ] {
        assert_eq!(refused.unwrap_err().fault(), Fault::Conflict);
    }
    let nobody = ReleaseId(uuid::Uuid::nil());
    let missing = centre.remove_release(&ADMIN, nobody).await.unwrap_err();
    assert_eq!(missing.fault(), Fault::Missing);
    // As many as a box takes.
    for n in 0..16 {
        let id = add(&site, new(&format!("2.0.{n}")), &bundle(9))
            .await
            .unwrap();
        offer(&site, id, 1).await;
    }
    let change = OfferChange::default();
    let full = centre.offer_release(&ADMIN, id, &change).await.unwrap_err();
    assert_eq!(full.fault(), Fault::Conflict);
}

fn runs(phase: UpdatePhase, release: Option<ReleaseId>) -> Running {
    Running {
        version: "1.0.0".into(),
        compatible: Some(BOARD.into()),
        slot: Some("A".into()),
        phase,
        release,
        turn: u32::from(release.is_some()),
        percent: 0,
        reason: String::new(),
    }
}

async fn say(site: &Site, own: &TestBox, running: Running) {
    let push = Push {
        running: Some(running),
        ..own.push()
    };
    site.centre.receive(own.node, &push).await.unwrap();
}

async fn alerts(site: &Site) -> Vec<String> {
    let alerts = site.centre.alerts(true, Default::default()).await.unwrap();
    alerts.rows.into_iter().map(|alert| alert.kind).collect()
}

async fn a_box_that_falls_back_raises_an_alert_and_stops_the_release_once(site: Site) {
    let own = site.member(1).await;
    let id = add(&site, new("1.2.3"), &bundle(9)).await.unwrap();
    offer(&site, id, 100).await;
    let node = site.centre.node(own.node).await.unwrap();
    assert_eq!(node.running, None);
    say(&site, &own, runs(UpdatePhase::Installing, Some(id))).await;
    let cut = site.member(3).await;
    say(&site, &cut, runs(UpdatePhase::Failed, Some(id))).await;
    assert_eq!(
        kept(&site, id).await.state,
        ReleaseState::Offered,
        "a power cut is not its fault"
    );
    assert_eq!(alerts(&site).await, ["update-failed"]);
    let mut fell = runs(UpdatePhase::FellBack, Some(id));
    fell.reason = "the reader did not answer".into();
    say(&site, &own, fell.clone()).await;
    let stopped = kept(&site, id).await;
    assert_eq!(stopped.state, ReleaseState::Paused);
    assert_eq!(stopped.paused_for, fell.reason);
    // Both may be of the same millisecond.
    let mut both = alerts(&site).await;
    both.sort();
    assert_eq!(both, ["update-failed", "update-fell-back"]);
    assert_eq!(
        site.centre.node(own.node).await.unwrap().running,
        Some(fell.clone())
    );
    // Said again, it is nothing new, also after somebody went on with the release.
    site.centre.resume_release(&ADMIN, id).await.unwrap();
    say(&site, &own, fell.clone()).await;
    assert_eq!(kept(&site, id).await.state, ReleaseState::Offered);
    assert_eq!(alerts(&site).await.len(), 2);
    // A box that tells late of a turn that is over stops nothing.
    let again = OfferChange {
        again: true,
        ..OfferChange::default()
    };
    site.centre.offer_release(&ADMIN, id, &again).await.unwrap();
    let late = site.member(2).await;
    say(&site, &late, fell).await;
    assert_eq!(kept(&site, id).await.state, ReleaseState::Offered);
    let audit = site.centre.verify_audit().await.unwrap();
    assert_eq!(audit.broken_at, None);
}

async fn a_release_may_go_on_whatever_happens(site: Site) {
    let own = site.member(1).await;
    let id = add(&site, new("1.2.3"), &bundle(9)).await.unwrap();
    let change = OfferChange {
        share_percent: Some(100),
        pause_on_failure: Some(false),
        ..OfferChange::default()
    };
    site.centre
        .offer_release(&ADMIN, id, &change)
        .await
        .unwrap();
    say(&site, &own, runs(UpdatePhase::Refused, Some(id))).await;
    assert_eq!(kept(&site, id).await.state, ReleaseState::Offered);
    assert_eq!(alerts(&site).await, ["update-refused"]);
    // A stick that a box refuses is nobody's business but the person's who put it in.
    say(&site, &own, runs(UpdatePhase::Refused, None)).await;
    assert_eq!(alerts(&site).await.len(), 1);
    say(&site, &own, runs(UpdatePhase::FellBack, None)).await;
    assert_eq!(alerts(&site).await.len(), 2);
}

async fn a_rollout_is_counted_by_what_boxes_say(site: Site) {
    let id = add(&site, new("1.2.3"), &bundle(9)).await.unwrap();
    offer(&site, id, 100).await;
    let mut boxes = Vec::new();
    for number in 1..8 {
        boxes.push(site.member(number).await);
    }
    let has = Running {
        version: "1.2.3".into(),
        ..runs(UpdatePhase::Good, Some(id))
    };
    let trial = Running {
        phase: UpdatePhase::Trial,
        ..has.clone()
    };
    let other = Running {
        compatible: Some("platen-qemu_x86_64".into()),
        ..runs(UpdatePhase::Idle, None)
    };
    let newer = Running {
        version: "2.0.0".into(),
        ..runs(UpdatePhase::Idle, None)
    };
    let failed = runs(UpdatePhase::FellBack, Some(id));
    let said = [
        has,
        trial,
        other,
        newer,
        failed,
        runs(UpdatePhase::Idle, None),
    ];
    for (own, running) in boxes.iter().zip(said) {
        say(&site, own, running).await;
    }
    let count = async || {
        let nodes = site.centre.nodes().await.unwrap();
        kept(&site, id).await.rollout(&nodes)
    };
    let all = Rollout {
        have: 1,
        under_way: 1,
        failed: 1,
        waiting: 1,
        outside: 1,
    };
    assert_eq!(count().await, all);
    // Boxes of no share wait for nothing, whatever else they are.
    offer(&site, id, 0).await;
    assert!(!is_in_share(id, boxes[5].node, 0));
    assert_eq!(
        count().await,
        Rollout {
            waiting: 0,
            outside: 2,
            ..all
        }
    );
}
