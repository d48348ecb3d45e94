// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Logins that ask the centre, and certificates that run out.

use super::*;
use crate::centre::Way;
use crate::devices::Centre as _;
use platen_auth::session::{CentreAsk, Presented};
use platen_model::{Denied, Method};

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
