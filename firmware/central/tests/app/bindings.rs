// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What boxes say of credentials: fingers that they took, codes that were used there, locks.

use std::time::Duration;

use platen_auth::secret::Secret;
use platen_central::app::Page;
use platen_model::{
    CredentialId, CredentialKind, CredentialRecord, Denied, Entry, Method, NodeId, Record, UserId,
};
use platen_sync::message::{LoginAsk, Who};
use uuid::Uuid;

use crate::login::{ask, by_pin, wang, who};
use crate::site::{ADMIN, NOON, Site, on_both, pull};

on_both! {
    a_finger_taken_at_a_box_is_sealed_and_told_to_all
    more_fingers_than_ten_and_templates_that_are_none_are_refused
    a_code_used_by_way_of_the_centre_is_no_alarm
    a_code_used_at_another_box_as_well_is_an_alarm
    a_box_that_got_no_answer_asks_about_its_code_again
    a_login_stands_without_leases
    a_lock_counts_from_the_box_s_own_clock_and_is_told_to_all
}

const TEMPLATE: &[u8] = b"ridge ending bifurcation ridge";

fn finger(number: u8, user: UserId, template: &[u8]) -> Entry {
    Entry::CredentialBound {
        credential: CredentialRecord {
            id: CredentialId(Uuid::from_bytes([number; 16])),
            user,
            kind: CredentialKind::Finger {
                part: "bmlite".to_owned(),
                template: template.to_vec(),
            },
            until_unix_ms: None,
            provisional: true,
        },
        method: Method::Finger,
        keys: 1,
    }
}

async fn alerts(site: &Site) -> Vec<String> {
    let alerts = site.centre.alerts(true, Page::default()).await.unwrap();
    alerts.rows.into_iter().map(|alert| alert.kind).collect()
}

async fn a_finger_taken_at_a_box_is_sealed_and_told_to_all(site: Site) {
    let mut printer = site.member(1).await;
    let other = site.member(2).await;
    let user = wang(&site).await;
    printer.write(&finger(1, user, TEMPLATE));
    printer.sync(&site.centre).await;
    assert_eq!(alerts(&site).await, [""; 0]);
    for node in [printer.node, other.node] {
        site.centre.pull(node, &pull(0, 0)).await.unwrap();
        let page = site.centre.changes(node, &pull(0, 0)).await.unwrap();
        let template = page.records.iter().find_map(|one| match &one.record {
            Record::Credential(credential) => match &credential.kind {
                CredentialKind::Finger { template, .. } => Some(template.clone()),
                _ => None,
            },
            _ => None,
        });
        assert_eq!(template.as_deref(), Some(TEMPLATE));
    }
    // It rests sealed and nowhere else; the entry is kept without it.
    let journal = site.centre.journal(printer.node, 1, 0, 10).await.unwrap();
    assert_eq!(journal[0].kind, "credential-bound");
    let kept: Entry = ciborium::from_reader(journal[0].raw.as_slice()).unwrap();
    assert_eq!(kept, finger(1, user, b""));
    // "ridge ending", in hexadecimal.
    let in_clear = match site.url.starts_with("sqlite") {
        true => {
            "SELECT (SELECT COUNT(*) FROM journal WHERE INSTR(raw, X'726964676520656e64696e67') > 0) \
             + (SELECT COUNT(*) FROM credentials \
             WHERE INSTR(template, X'726964676520656e64696e67') > 0)"
        }
        false => {
            "SELECT (SELECT COUNT(*) FROM journal \
             WHERE POSITION('\\x726964676520656e64696e67'::bytea IN raw) > 0) \
             + (SELECT COUNT(*) FROM credentials \
             WHERE POSITION('\\x726964676520656e64696e67'::bytea IN template) > 0)"
        }
    };
    assert_eq!(site.number(in_clear).await, 0);
    assert_eq!(
        site.number("SELECT COUNT(*) FROM credentials WHERE LENGTH(template) > 30")
            .await,
        1
    );
}

async fn more_fingers_than_ten_and_templates_that_are_none_are_refused(site: Site) {
    let mut printer = site.member(1).await;
    let user = wang(&site).await;
    printer.write(&finger(20, user, b""));
    for number in 1..=11 {
        printer.write(&finger(number, user, TEMPLATE));
    }
    printer.sync(&site.centre).await;
    assert_eq!(alerts(&site).await, ["binding-refused", "binding-refused"]);
    assert_eq!(site.centre.credentials(user).await.unwrap().len(), 10);
    site.centre.pull(printer.node, &pull(0, 0)).await.unwrap();
}

async fn code(site: &Site, user: UserId) -> (CredentialId, LoginAsk) {
    let code = site.centre.issue_code(&ADMIN, user, 60).await.unwrap();
    let ask = ask(
        Method::Code,
        Who::Login(String::new()),
        Some(code.code.as_str()),
    );
    (code.id, ask)
}

async fn a_code_used_by_way_of_the_centre_is_no_alarm(site: Site) {
    let mut printer = site.member(1).await;
    let user = wang(&site).await;
    let (credential, ask) = code(&site, user).await;
    assert_eq!(who(&site, printer.node, &ask).await, Ok(user));
    site.clock.advance(Duration::from_secs(24 * 60 * 60));
    printer.write(&Entry::CodeUsed { credential });
    printer.sync(&site.centre).await;
    assert_eq!(alerts(&site).await, [""; 0]);
}

async fn a_code_used_at_another_box_as_well_is_an_alarm(site: Site) {
    let (mut one, mut two) = (site.member(1).await, site.member(2).await);
    let user = wang(&site).await;
    let (credential, ask) = code(&site, user).await;
    // Cut off, from its copy.
    one.write(&Entry::CodeUsed { credential });
    one.sync(&site.centre).await;
    assert_eq!(alerts(&site).await, [""; 0]);
    let by = |node: NodeId| who(&site, node, &ask);
    assert_eq!(by(two.node).await, Err(Denied::BadCode));
    two.write(&Entry::CodeUsed { credential });
    two.sync(&site.centre).await;
    assert_eq!(alerts(&site).await, ["code-used-twice"]);
    // Of another credential a box can't say so.
    let pin = site
        .centre
        .set_pin(&ADMIN, user, Secret::from("2580"))
        .await
        .unwrap();
    two.write(&Entry::CodeUsed { credential: pin });
    two.sync(&site.centre).await;
    assert_eq!(who(&site, two.node, &by_pin("2580")).await, Ok(user));
}

async fn a_box_that_got_no_answer_asks_about_its_code_again(site: Site) {
    let (printer, other) = (site.member(1).await, site.member(2).await);
    let user = wang(&site).await;
    let (_, ask) = code(&site, user).await;
    let by = |node: NodeId| who(&site, node, &ask);
    assert_eq!(by(printer.node).await, Ok(user));
    assert_eq!(by(printer.node).await, Ok(user));
    assert_eq!(by(other.node).await, Err(Denied::BadCode));
    site.clock.advance(Duration::from_secs(61));
    assert_eq!(by(printer.node).await, Err(Denied::BadCode));
}

async fn a_login_stands_without_leases(site: Site) {
    let printer = site.member(1).await;
    let user = wang(&site).await;
    let (_, ask) = code(&site, user).await;
    // Whatever is wrong with the leases: the code is used up by then.
    site.sql("ALTER TABLE leases RENAME TO elsewhere").await;
    assert_eq!(who(&site, printer.node, &ask).await, Ok(user));
    let stranger = NodeId(Uuid::from_bytes([66; 16]));
    assert!(site.centre.login(stranger, &ask).await.is_err());
}

async fn a_lock_counts_from_the_box_s_own_clock_and_is_told_to_all(site: Site) {
    let (mut printer, other) = (site.member(1).await, site.member(2).await);
    let user = wang(&site).await;
    let pin = Secret::from("2580");
    let credential = site.centre.set_pin(&ADMIN, user, pin).await.unwrap();
    let locks = async || {
        site.centre
            .pull(other.node, &pull(0, 0))
            .await
            .unwrap()
            .locks
    };
    assert_eq!(locks().await, []);
    let minutes = 60_000;
    // Its clock stands at 1970.
    printer.write(&Entry::LockedOut {
        user,
        credential,
        until_unix_ms: 20 * minutes,
    });
    printer.entries[0].at.unix_ms = 5 * minutes;
    printer.sync(&site.centre).await;
    let locked = locks().await;
    assert_eq!(locked.len(), 1);
    assert_eq!(locked[0].credential, credential);
    assert_eq!(locked[0].left_ms, 15 * minutes);
    assert_eq!(
        who(&site, other.node, &by_pin("2580")).await,
        Err(Denied::LockedOut)
    );
    site.clock.advance(Duration::from_millis(15 * minutes + 1));
    assert_eq!(locks().await, []);
    assert_eq!(who(&site, other.node, &by_pin("2580")).await, Ok(user));
    // A day at most, whatever a box says.
    printer.write(&Entry::LockedOut {
        user,
        credential,
        until_unix_ms: NOON + 1000 * 24 * 60 * minutes,
    });
    printer.sync(&site.centre).await;
    assert_eq!(locks().await[0].left_ms, 24 * 60 * minutes);
}
