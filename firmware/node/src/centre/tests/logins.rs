// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Logins that ask the centre, and certificates that run out.

use super::*;
use crate::centre::Way;
use crate::devices::Centre as _;
use platen_auth::session::{CentreAsk, Presented};
use platen_model::{CardKey, CredentialId, Denied, Lease, LeaseId, Method, QuotaId};
use platen_sync::message::{Hash, LockNotice, SiteKeys, Who};

fn ask() -> CentreAsk {
    CentreAsk {
        method: Method::Password,
        who: Presented::Login("ann".to_owned()),
        secret: None,
    }
}

fn asks_centre(way: &Way) -> bool {
    smol::block_on(way.login(ask())).is_some()
}

#[test]
fn a_login_asks_the_centre_and_takes_its_news_along() {
    let scripted = Scripted::start();
    scripted.book().put(group(1));
    let mut bench = Bench::new(&scripted.url);
    let way = Way(Arc::clone(&bench.centre));
    assert!(
        !way.is_up() && !asks_centre(&way),
        "a box of no site asks nobody"
    );
    bench.enrol(&scripted);
    let known = smol::block_on(way.login(ask())).unwrap().unwrap();
    assert_eq!(known.user, UserId(Uuid::from_u128(1)));
    scripted.book().login = Err(Denied::UserDisabled);
    let denied = smol::block_on(way.login(ask())).unwrap();
    assert_eq!(denied, Err(Denied::UserDisabled));
    scripted.book().put(group(2));
    assert!(asks_centre(&way));
    assert_eq!(
        bench.revision(),
        2,
        "the copy is as far as the centre's word"
    );
}

#[test]
fn a_centre_that_is_slow_costs_one_login_its_patience_and_no_other() {
    let scripted = Scripted::start();
    let mut bench = Bench::new(&scripted.url);
    bench.enrol(&scripted);
    let way = Way(Arc::clone(&bench.centre));
    assert!(asks_centre(&way));
    scripted.book().delay = PATIENCE;
    assert!(!asks_centre(&way));
    let before = scripted.book().asked.len();
    assert!((0..50).all(|_| !asks_centre(&way)));
    assert_eq!(scripted.book().asked.len(), before);
    scripted.book().delay = Duration::ZERO;
    wait_until("the breaker closes", || asks_centre(&way));
}

#[test]
fn a_card_is_hashed_by_the_sites_keys() {
    let scripted = Scripted::start();
    scripted.book().put(group(1));
    let mut bench = Bench::new(&scripted.url);
    let way = Way(Arc::clone(&bench.centre));
    assert_eq!(way.card_key(b"1234"), None);
    bench.enrol(&scripted);
    let expected = platen_sync::card::card_key(&scripted.book().keys, 1, b"1234");
    assert!(expected.is_some());
    assert_eq!(way.card_key(b"1234"), expected);
    assert_ne!(way.code_key("1234"), expected);
}

/// A login by card, as the centre was asked it.
fn asked_card(scripted: &Scripted, way: &Way) -> Option<CardKey> {
    let card = CentreAsk {
        method: Method::Card,
        who: Presented::Card {
            key: way.card_key(b"1234")?,
            proved: true,
        },
        secret: None,
    };
    scripted.book().asked.clear();
    smol::block_on(way.login(card))?.ok()?;
    match scripted.book().asked.last()?.who {
        Who::Card { key, .. } => Some(key),
        _ => None,
    }
}

#[test]
fn cards_are_known_over_a_new_key_and_a_centre_that_was_put_back_and_makes_another() {
    let scripted = Scripted::start();
    scripted.book().put(group(1));
    let mut bench = Bench::new(&scripted.url);
    let way = Way(Arc::clone(&bench.centre));
    bench.enrol(&scripted);
    let keys = |keys: &[u8]| SiteKeys {
        keys: keys.iter().map(|n| Hash([*n; 32])).collect(),
    };
    // A new key; the centre put back to before it; its next one, twice with fewer pulls in between.
    for (generation, key_bytes) in (2_u64..).zip([&[1_u8, 2] as &[u8], &[1], &[1, 3], &[1, 4]]) {
        let now = keys(key_bytes);
        let count = u32::try_from(key_bytes.len()).unwrap();
        {
            let mut book = scripted.book();
            (book.keys, book.generation) = (now.clone(), generation);
        }
        wait_until("the copy is of the new generation", || {
            let serving = bench.centre.parts.cache.standing(bench.centre.now());
            serving.serving.generation == generation
        });
        let expected = platen_sync::card::card_key(&now, count, b"1234");
        assert!(expected.is_some());
        assert_eq!(asked_card(&scripted, &way), expected, "{key_bytes:?}");
    }
    drop(way);
}

#[test]
fn the_keys_of_another_site_are_refused() {
    let scripted = Scripted::start();
    let mut bench = Bench::new(&scripted.url);
    bench.enrol(&scripted);
    {
        let mut book = scripted.book();
        book.put(group(1));
        book.generation = 2;
        book.keys.keys = vec![Hash([9; 32])];
    }
    wait_until("it is told", || bench.centre.status().last_error.is_some());
    assert_eq!(bench.revision(), 0);
}

#[test]
fn a_login_does_not_wait_for_what_else_changes_at_the_box() {
    let scripted = Scripted::start();
    scripted.book().put(group(1));
    let mut bench = Bench::new(&scripted.url);
    let way = Way(Arc::clone(&bench.centre));
    bench.enrol(&scripted);
    // As a large page holds it.
    let changing = bench.centre.changing();
    scripted.book().fresh.fresh = vec![Lease {
        id: LeaseId(Uuid::from_u128(71)),
        serial: 1,
        quota: QuotaId(Uuid::from_u128(70)),
        user: None,
        period: 1,
        amount: 40,
    }];
    let known = smol::block_on(smol::future::or(way.login(ask()), async {
        Timer::after(PATIENCE).await;
        None
    }));
    assert!(known.is_some());
    drop(changing);
}

#[test]
fn what_is_locked_at_the_centre_is_locked_here_for_what_is_left() {
    let scripted = Scripted::start();
    scripted.book().put(group(1));
    let mut bench = Bench::new(&scripted.url);
    let credential = CredentialId(Uuid::from_u128(33));
    scripted.book().locks = vec![LockNotice {
        credential,
        left_ms: 60_000,
    }];
    bench.enrol(&scripted);
    let locked = || {
        let centre = &bench.centre;
        centre.parts.tries.locked(credential, centre.now())
    };
    wait_until("it is locked", || locked().is_some());
    assert_eq!(locked(), Some(Duration::from_secs(60)));
}

#[test]
fn a_certificate_is_renewed_when_it_runs_out_or_is_about_to() {
    let scripted = Scripted::start();
    let mut bench = Bench::new(&scripted.url);
    bench.enrol(&scripted);
    let until = bench.centre.status().certificate_until_unix_ms.unwrap();
    a_while();
    assert_eq!(scripted.book().renewed, 0);
    // The box's own clock is not asked.
    scripted.book().clock_ms += 1;
    scripted.book().expired = true;
    wait_until("renewed", || scripted.book().renewed == 1);
    wait_until("online", || bench.state() == CentreState::Online);
    assert_eq!(
        bench.centre.status().certificate_until_unix_ms,
        Some(until + 1)
    );
}
