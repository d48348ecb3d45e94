// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Logins at the centre: lockout, codes that are good once, cards under older keys, cards that people
//! bound themselves.

use std::time::Duration;

use platen_auth::secret::Secret;
use platen_central::app::{NewUser, Page, UserChange};
use platen_model::{
    CardKey, CredentialId, CredentialKind, CredentialRecord, Denied, Entry, Method, NodeId, Record,
    RecordId, UserId,
};
use platen_sync::card::card_key;
use platen_sync::message::{LoginAsk, SiteKeys, VERSION, Who};
use uuid::Uuid;

use crate::directory::card;
use crate::site::{ADMIN, Site, on_both, pull};

on_both! {
    a_card_gets_in_also_under_older_keys
    pins_are_locked_after_a_few_guesses_however_many_come_at_once
    a_code_is_good_once_at_two_servers
    who_may_not_log_in_is_told_so_and_nobody_else
    a_card_bound_at_a_box_is_confirmed_or_undone
}

const NUMBER: [u8; 4] = [0xde, 0xad, 0xbe, 0xef];

pub(crate) fn ask(method: Method, who: Who, secret: Option<&str>) -> LoginAsk {
    LoginAsk {
        version: VERSION,
        method,
        who,
        secret: secret.map(str::to_owned),
        leases_upto: 0,
    }
}

fn by_card(key: CardKey) -> LoginAsk {
    let who = Who::Card { key, proved: false };
    ask(Method::Card, who, None)
}

pub(crate) fn by_pin(pin: &str) -> LoginAsk {
    ask(Method::Pin, Who::Number("4711".to_owned()), Some(pin))
}

pub(crate) async fn who(site: &Site, node: NodeId, ask: &LoginAsk) -> Result<UserId, Denied> {
    let answer = site.centre.login(node, ask).await.unwrap();
    answer.result.map(|logged_in| logged_in.user)
}

pub(crate) async fn wang(site: &Site) -> UserId {
    let new = NewUser {
        login: "wang".to_owned(),
        number: Some("4711".to_owned()),
        ..NewUser::default()
    };
    site.centre.create_user(&ADMIN, new).await.unwrap()
}

async fn a_card_gets_in_also_under_older_keys(site: Site) {
    let node = site.member(1).await.node;
    let user = wang(&site).await;
    site.centre
        .bind_card(&ADMIN, user, card("DEADBEEF"))
        .await
        .unwrap();
    let keys = site.centre.site_keys().await.unwrap();
    let old = card_key(&keys, 1, &NUMBER).unwrap();
    assert_eq!(who(&site, node, &by_card(old)).await, Ok(user));
    site.centre.rotate_card_key(&ADMIN).await.unwrap();
    let keys = site.centre.site_keys().await.unwrap();
    let new = card_key(&keys, 2, &NUMBER).unwrap();
    assert_eq!(
        who(&site, node, &by_card(old)).await,
        Ok(user),
        "a box that was cut off"
    );
    assert_eq!(who(&site, node, &by_card(new)).await, Ok(user));
    let other = by_card(CardKey([1; 32]));
    assert_eq!(who(&site, node, &other).await, Err(Denied::UnknownCard));
    // Nobody has it twice, and it can be taken away.
    let li = site.user("li").await;
    assert!(
        site.centre
            .bind_card(&ADMIN, li, card("de-ad-be-ef"))
            .await
            .is_err()
    );
    let cards = site.centre.credentials(user).await.unwrap();
    site.centre
        .remove_credential(&ADMIN, cards[0].id)
        .await
        .unwrap();
    assert_eq!(
        who(&site, node, &by_card(new)).await,
        Err(Denied::UnknownCard)
    );
}

async fn pins_are_locked_after_a_few_guesses_however_many_come_at_once(site: Site) {
    let node = site.member(1).await.node;
    let second = site.second().await;
    let user = wang(&site).await;
    let easy = site
        .centre
        .set_pin(&ADMIN, user, Secret::from("1234"))
        .await;
    assert!(easy.is_err());
    let pin = site
        .centre
        .set_pin(&ADMIN, user, Secret::from("2580"))
        .await
        .unwrap();
    assert_eq!(who(&site, node, &by_pin("2580")).await, Ok(user));
    let mut results = Vec::new();
    for guess in 0..20_u32 {
        let one = by_pin(&format!("{:04}", 3000 + guess * 7));
        let two = by_pin(&format!("{:04}", 6000 + guess * 7));
        let pair = smol::future::zip(site.centre.login(node, &one), second.login(node, &two));
        let (one, two) = pair.await;
        results.push(one.unwrap().result.unwrap_err());
        results.push(two.unwrap().result.unwrap_err());
    }
    let looked_at = results
        .iter()
        .filter(|denied| **denied == Denied::WrongSecret);
    assert_eq!(
        looked_at.count(),
        5,
        "as many as the site allows: {results:?}"
    );
    assert_eq!(
        who(&site, node, &by_pin("2580")).await,
        Err(Denied::LockedOut)
    );
    let listed = site.centre.credentials(user).await.unwrap();
    assert!(listed[0].locked_until_unix_ms > 0);
    site.clock.advance(Duration::from_secs(15 * 60 + 1));
    assert_eq!(who(&site, node, &by_pin("2580")).await, Ok(user));
    for _ in 0..5 {
        assert_eq!(
            who(&site, node, &by_pin("9753")).await,
            Err(Denied::WrongSecret)
        );
    }
    site.centre.unlock(&ADMIN, pin).await.unwrap();
    assert_eq!(who(&site, node, &by_pin("2580")).await, Ok(user));
    let nobody = ask(Method::Pin, Who::Number("1".to_owned()), Some("2580"));
    assert_eq!(who(&site, node, &nobody).await, Err(Denied::WrongSecret));
}

async fn a_code_is_good_once_at_two_servers(site: Site) {
    let node = site.member(1).await.node;
    let other = site.member(2).await.node;
    let second = site.second().await;
    let user = wang(&site).await;
    let code = site.centre.issue_code(&ADMIN, user, 60).await.unwrap();
    let typed = code.code.to_lowercase().replace('-', " ");
    let ask = ask(Method::Code, Who::Login(String::new()), Some(&typed));
    let pair = smol::future::zip(site.centre.login(node, &ask), second.login(other, &ask));
    let (one, two) = pair.await;
    let results = [one.unwrap().result.is_ok(), two.unwrap().result.is_ok()];
    assert_eq!(results.iter().filter(|ok| **ok).count(), 1, "{results:?}");
    site.clock.advance(Duration::from_secs(61));
    assert_eq!(who(&site, node, &ask).await, Err(Denied::BadCode));
    assert_eq!(who(&site, other, &ask).await, Err(Denied::BadCode));
    let late = site.centre.issue_code(&ADMIN, user, 1).await.unwrap();
    site.clock.advance(Duration::from_secs(61));
    let ask = self::ask(Method::Code, Who::Login(String::new()), Some(&late.code));
    assert_eq!(who(&site, node, &ask).await, Err(Denied::BadCode));
}

async fn who_may_not_log_in_is_told_so_and_nobody_else(site: Site) {
    let node = site.member(1).await.node;
    let user = wang(&site).await;
    let password = Secret::from("correct horse");
    site.centre
        .set_password(&ADMIN, user, password)
        .await
        .unwrap();
    let inactive = UserChange {
        active: Some(false),
        ..UserChange::default()
    };
    site.centre
        .change_user(&ADMIN, user, inactive)
        .await
        .unwrap();
    let by = |secret| {
        ask(
            Method::Password,
            Who::Login("WANG".to_owned()),
            Some(secret),
        )
    };
    assert_eq!(
        who(&site, node, &by("correct horse")).await,
        Err(Denied::UserDisabled)
    );
    assert_eq!(
        who(&site, node, &by("battery staple")).await,
        Err(Denied::WrongSecret)
    );
}

fn bound(number: u8, user: UserId, keys: &SiteKeys, count: u32) -> Entry {
    Entry::CredentialBound {
        credential: CredentialRecord {
            id: CredentialId(Uuid::from_bytes([number; 16])),
            user,
            kind: CredentialKind::Card {
                key: card_key(keys, count, &NUMBER).unwrap(),
                with_pin: false,
                proved: false,
            },
            until_unix_ms: None,
            provisional: true,
        },
        method: Method::Pin,
        keys: count,
    }
}

async fn a_card_bound_at_a_box_is_confirmed_or_undone(site: Site) {
    let mut printer = site.member(1).await;
    let user = wang(&site).await;
    let li = site.user("li").await;
    let old = site.centre.site_keys().await.unwrap();
    site.centre.rotate_card_key(&ADMIN).await.unwrap();
    let from = site.centre.site().await.unwrap();
    // Bound under the old key, while the box was cut off.
    printer.write(&bound(1, user, &old, 1));
    printer.sync(&site.centre).await;
    let keys = site.centre.site_keys().await.unwrap();
    let new = card_key(&keys, 2, &NUMBER).unwrap();
    assert_eq!(who(&site, printer.node, &by_card(new)).await, Ok(user));
    let ask = pull(from.generation, from.revision);
    let page = site.centre.changes(printer.node, &ask).await.unwrap();
    let confirmed =
        |record: &Record| matches!(record, Record::Credential(card) if !card.provisional);
    assert!(
        page.records
            .iter()
            .any(|revised| confirmed(&revised.record))
    );
    // The same card for somebody else is undone: the box is told that it is worth nothing.
    printer.write(&bound(2, li, &old, 1));
    printer.sync(&site.centre).await;
    let page = site.centre.changes(printer.node, &ask).await.unwrap();
    let gone = RecordId::Credential(CredentialId(Uuid::from_bytes([2; 16])));
    assert_eq!(page.tombstones[0].id, gone);
    let alerts = site.centre.alerts(true, Page::default()).await.unwrap();
    assert_eq!(alerts.rows[0].kind, "binding-refused");
    assert_eq!(who(&site, printer.node, &by_card(new)).await, Ok(user));
}
