// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Boxes that become members, and that are taken out again.

use platen_central::app::NodeState;
use platen_model::NodeId;
use platen_sync::message::{EnrolAnswer, Hash};
use uuid::Uuid;

use crate::site::{ADMIN, NOON, Site, enrol_ask, new_node, on_both};

on_both! {
    a_box_waits_until_its_code_was_typed
    a_box_taken_out_has_no_certificate_that_is_worth_anything
    only_so_many_boxes_wait
    servers_share_secrets_and_the_first_one_wins
}

fn node(number: u8) -> NodeId {
    NodeId(Uuid::from_bytes([number; 16]))
}

async fn a_box_waits_until_its_code_was_typed(site: Site) {
    let second = site.second().await;
    let ask = enrol_ask(node(1), 1);
    let answer = site.centre.enrol_ask(&ask).await.unwrap();
    assert!(matches!(answer, EnrolAnswer::Waiting { .. }));
    let pending = second.pending_enrolments().await.unwrap();
    assert_eq!(
        (pending.len(), pending[0].node, &pending[0].csr),
        (1, ask.node, &ask.csr)
    );
    // A box that shows another code by now is not answered on the old one.
    let mut newer = ask.clone();
    newer.nonce = Hash([2; 32]);
    site.centre.enrol_ask(&newer).await.unwrap();
    assert!(
        second
            .accept_enrolment(&ADMIN, new_node(&ask))
            .await
            .is_err()
    );
    assert_eq!(site.centre.nodes().await.unwrap(), []);
    second
        .accept_enrolment(&ADMIN, new_node(&newer))
        .await
        .unwrap();
    for centre in [&site.centre, &second] {
        let EnrolAnswer::Enrolled { enrolment, proof } = centre.enrol_ask(&newer).await.unwrap()
        else {
            panic!("its code was typed");
        };
        assert_eq!(
            (enrolment.as_slice(), proof),
            (&b"who you are"[..], Hash([9; 32]))
        );
    }
    assert_eq!(site.centre.pending_enrolments().await.unwrap(), []);
    // The answer holds keys: it rests sealed.
    let plain = "SELECT COUNT(*) FROM enrolments WHERE LENGTH(answer) = 11";
    assert_eq!(site.number(plain).await, 0);
    // Somebody who knows the question's number alone gets nothing.
    let mut forged = newer.clone();
    forged.proof = Hash([4; 32]);
    let answer = site.centre.enrol_ask(&forged).await.unwrap();
    assert!(matches!(answer, EnrolAnswer::Waiting { .. }));
}

async fn a_box_taken_out_has_no_certificate_that_is_worth_anything(site: Site) {
    let member = site.member(1).await;
    let first = site.centre.certificate(&[1; 32]).await.unwrap().unwrap();
    assert_eq!((first.node, first.revoked), (member.node, false));
    site.centre
        .add_certificate(member.node, &[8; 32], NOON + 5)
        .await
        .unwrap();
    let renewed = site.centre.certificate(&[8; 32]).await.unwrap().unwrap();
    assert_eq!(renewed.until_unix_ms, NOON + 5);
    assert_eq!(site.centre.certificate(&[77; 32]).await.unwrap(), None);
    site.centre
        .rename_node(&ADMIN, member.node, "hall")
        .await
        .unwrap();
    site.centre.revoke_node(&ADMIN, member.node).await.unwrap();
    let node = site.centre.node(member.node).await.unwrap();
    assert_eq!(
        (node.name.as_str(), node.state),
        ("hall", NodeState::Revoked)
    );
    for fingerprint in [[1; 32], [8; 32]] {
        let certificate = site.centre.certificate(&fingerprint).await.unwrap();
        assert!(certificate.unwrap().revoked);
    }
    assert!(
        site.centre
            .add_certificate(member.node, &[9; 32], NOON)
            .await
            .is_err()
    );
    // It may become a member again, with a new certificate alone.
    let mut ask = enrol_ask(member.node, 1);
    ask.nonce = Hash([3; 32]);
    site.centre.enrol_ask(&ask).await.unwrap();
    site.centre
        .accept_enrolment(&ADMIN, new_node(&ask))
        .await
        .unwrap();
    assert!(
        !site
            .centre
            .certificate(&[3; 32])
            .await
            .unwrap()
            .unwrap()
            .revoked
    );
    assert!(
        site.centre
            .certificate(&[1; 32])
            .await
            .unwrap()
            .unwrap()
            .revoked
    );
}

async fn only_so_many_boxes_wait(site: Site) {
    for number in 1..=32 {
        site.centre
            .enrol_ask(&enrol_ask(node(number), number))
            .await
            .unwrap();
    }
    assert!(
        site.centre
            .enrol_ask(&enrol_ask(node(33), 33))
            .await
            .is_err()
    );
    // One that waits already may ask again, and one that gave up makes room.
    site.centre.enrol_ask(&enrol_ask(node(5), 5)).await.unwrap();
    site.clock.advance(std::time::Duration::from_secs(16 * 60));
    site.centre
        .enrol_ask(&enrol_ask(node(33), 33))
        .await
        .unwrap();
    assert_eq!(site.centre.pending_enrolments().await.unwrap().len(), 1);
}

async fn servers_share_secrets_and_the_first_one_wins(site: Site) {
    let second = site.second().await;
    assert_eq!(site.centre.secret("authority").await.unwrap(), None);
    let pair = smol::future::zip(
        site.centre.keep_secret("authority", b"one"),
        second.keep_secret("authority", b"two"),
    );
    let (one, two) = pair.await;
    assert_eq!(one.unwrap(), two.unwrap());
    second
        .replace_secret(&ADMIN, "authority", b"three")
        .await
        .unwrap();
    let kept = site.centre.secret("authority").await.unwrap().unwrap();
    assert_eq!(kept.as_slice(), b"three");
    assert_eq!(
        site.number("SELECT COUNT(*) FROM secrets WHERE LENGTH(sealed) < 20")
            .await,
        0
    );
}
