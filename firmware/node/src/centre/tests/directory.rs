// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The directory comes down: whole, in order, believed for its signature and for nothing else.

use super::*;
use platen_model::{Lease, LeaseId, QuotaId, RecordId, Tombstone};
use platen_sync::message::Hash;

#[test]
fn pages_come_one_after_the_other_and_news_at_once() {
    let scripted = Scripted::start();
    scripted.book().put_groups(7);
    let mut bench = Bench::new(&scripted.url);
    bench.enrol(&scripted);
    assert_eq!(bench.centre.parts.cache.terms().groups.len(), 7);
    scripted.book().put(group(8));
    wait_until("the eighth group", || {
        bench.centre.parts.cache.terms().groups.len() == 8
    });
    let gone = Tombstone {
        revision: 9,
        id: RecordId::Group(GroupId(Uuid::from_u128(3))),
    };
    scripted.book().tombstones.push(gone);
    wait_until("the third group is gone", || {
        bench.centre.parts.cache.terms().groups.len() == 7
    });
}

#[test]
fn a_page_that_was_changed_on_its_way_is_not_taken() {
    let scripted = Scripted::start();
    let mut bench = Bench::new(&scripted.url);
    bench.enrol(&scripted);
    scripted.book().tamper = true;
    scripted.book().put(group(1));
    wait_until("it is told", || bench.has_alert("directory-not-believed"));
    assert_eq!(bench.revision(), 0);
    scripted.book().tamper = false;
    wait_until("the honest page is taken", || bench.revision() == 1);
    assert!(!bench.has_alert("directory-not-believed"));
}

#[test]
fn a_directory_that_goes_back_is_refused_and_told() {
    let scripted = Scripted::start();
    scripted.book().put_groups(3);
    let mut bench = Bench::new(&scripted.url);
    bench.enrol(&scripted);
    // A page of before, signed as it was: a replay.
    let first = scripted.book().pages.iter().rev().nth(1).cloned().unwrap();
    scripted.book().replay = Some(first);
    wait_until("it is told", || bench.has_alert("directory-rolled-back"));
    assert_eq!(bench.centre.parts.cache.terms().groups.len(), 3);
    let mut book = scripted.book();
    book.replay = None;
    // A centre put back from a backup without saying so.
    book.generation = 0;
    book.records.truncate(1);
    drop(book);
    a_while();
    assert_eq!(bench.centre.parts.cache.terms().groups.len(), 3);
    // And one that says so.
    scripted.book().generation = 2;
    wait_until("the new generation serves", || {
        bench.centre.parts.cache.terms().groups.len() == 1
    });
    wait_until("it is over", || !bench.has_alert("directory-rolled-back"));
}

#[test]
fn a_new_site_key_is_fetched_before_the_pages_that_need_it() {
    let scripted = Scripted::start();
    let mut bench = Bench::new(&scripted.url);
    bench.enrol(&scripted);
    {
        let mut book = scripted.book();
        book.keys.keys.push(Hash([2; 32]));
        book.generation = 2;
        book.put(group(1));
    }
    wait_until("the new generation serves", || {
        bench.centre.parts.cache.keys() == 2
    });
    let joined = bench.centre.joined().unwrap();
    assert_eq!(joined.member.keys.keys.len(), 2);
    // Keys that are not this site's: another first one.
    {
        let mut book = scripted.book();
        book.keys.keys = vec![Hash([8; 32]), Hash([2; 32]), Hash([3; 32])];
        book.generation = 3;
    }
    a_while();
    assert_eq!(bench.centre.parts.cache.keys(), 2);
}

#[test]
fn cut_and_slow_answers_and_an_outage_are_got_over() {
    let scripted = Scripted::start();
    let mut bench = Bench::new(&scripted.url);
    bench.enrol(&scripted);
    scripted.book().cuts = 3;
    scripted.book().put(group(1));
    wait_until("the first group", || bench.revision() == 1);
    scripted.book().delay = Duration::from_millis(400);
    scripted.book().put(group(2));
    wait_until("the second group", || bench.revision() == 2);
    scripted.book().delay = Duration::ZERO;
    scripted.stop();
    wait_until("offline", || bench.state() == CentreState::Offline);
    assert!(bench.has_alert("offline"));
    assert!(bench.centre.status().last_error.is_some());
    scripted.book().put(group(3));
    scripted.start_again();
    wait_until("the third group", || bench.revision() == 3);
    wait_until("online", || bench.state() == CentreState::Online);
    assert_eq!(bench.centre.status().last_error, None);
}

#[test]
fn leases_are_taken_once_and_given_back_when_recalled() {
    let scripted = Scripted::start();
    scripted.book().put(group(1));
    let mut bench = Bench::new(&scripted.url);
    bench.enrol(&scripted);
    let quota = QuotaId(Uuid::from_u128(70));
    let lease = Lease {
        id: LeaseId(Uuid::from_u128(71)),
        serial: 1,
        quota,
        user: None,
        period: 1,
        amount: 40,
    };
    wait_until(
        "the box says under which generation it takes leases",
        || {
            let site = bench.centre.site().unwrap();
            bench.centre.leases_generation(site) == 1
        },
    );
    scripted.book().fresh.fresh = vec![lease.clone()];
    wait_until("the lease is there", || {
        bench.centre.parts.purse.room(quota, None) == 40
    });
    wait_until("the centre hears of it", || {
        scripted.book().leases_upto == 1
    });
    scripted.book().fresh.recalled = vec![lease.id];
    wait_until("it is given back in the journal", || {
        let closed = Entry::LeaseClosed { lease: lease.id };
        let entries = bench.centre.parts.ledger.entries(1, 100).unwrap();
        entries.iter().filter(|entry| entry.entry == closed).count() == 1
    });
    assert_eq!(bench.centre.parts.purse.room(quota, None), 0);
}

/// The certificate of the centre is good in 2029 and 2030.
#[test]
fn a_box_with_a_wrong_clock_still_talks_and_tells_of_it() {
    let scripted = Scripted::start();
    scripted.book().put(group(1));
    let years = |n: u64| n * 365 * 24 * 3_600_000;
    for clock_ms in [0, NOW_MS + years(20)] {
        scripted.book().typed = None;
        let mut bench = Bench::on(SimDisk::new(clock_ms), &scripted.url, clock_ms);
        bench.enrol(&scripted);
        let skew_ms = i64::try_from(NOW_MS).unwrap() - i64::try_from(clock_ms).unwrap();
        assert_eq!(bench.centre.status().clock_skew_ms, Some(skew_ms));
        wait_until("the clocks' difference is told", || {
            bench.has_alert("clock-skewed")
        });
        wait_until("the journal notes it", || {
            let skewed = Entry::ClockSkewed {
                seconds: skew_ms / 1000,
            };
            let entries = bench.centre.parts.ledger.entries(1, 100).unwrap();
            entries.iter().any(|entry| entry.entry == skewed)
        });
    }
}
