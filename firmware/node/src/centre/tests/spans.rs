// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What of the journal a site is told: what happened while the box was part of it.

use super::*;
use crate::centre::member::Member;

/// What the centre was told, in order: whether each entry's content was withheld.
fn withheld(scripted: &Scripted) -> Vec<bool> {
    let book = scripted.book();
    let told = book.entries.iter().map(|sent| {
        let entry: Entry = ciborium::from_reader(sent.entry.as_slice()).unwrap();
        entry == Entry::Withheld {}
    });
    told.collect()
}

fn all_there(bench: &Bench, scripted: &Scripted) {
    wait_until("the whole journal is there", || {
        let head = bench.centre.parts.ledger.head().sequence;
        scripted.book().entries.len() as u64 == head
    });
}

#[test]
fn only_what_came_while_the_box_was_of_the_site_is_told() {
    let scripted = Scripted::start();
    let mut bench = Bench::new(&scripted.url);
    (0..3).for_each(|n| bench.append(login_entry(n)));
    bench.enrol(&scripted);
    (0..2).for_each(|n| bench.append(login_entry(n)));
    all_there(&bench, &scripted);
    let first = withheld(&scripted);
    assert!(first[..3].iter().all(|held| *held));
    assert!(first[3..].iter().all(|held| !held));
    scripted.book().typed = None;
    smol::block_on(bench.centre.leave()).unwrap();
    let left = bench.centre.parts.ledger.head().sequence;
    (0..4).for_each(|n| bench.append(login_entry(n)));
    let again = bench.centre.parts.ledger.head().sequence;
    scripted.book().typed = Some(bench.code());
    wait_until("it is a member again", || bench.centre.site().is_some());
    bench.append(login_entry(9));
    all_there(&bench, &scripted);
    let between = (left + 1)..=again;
    for (n, held) in (1_u64..).zip(withheld(&scripted)) {
        assert_eq!(held, n <= 3 || between.contains(&n), "entry {n}");
    }
}

#[test]
fn a_member_that_knows_no_times_finds_them_in_the_journal() {
    let scripted = Scripted::start();
    let mut bench = Bench::new(&scripted.url);
    (0..3).for_each(|n| bench.append(login_entry(n)));
    bench.enrol(&scripted);
    all_there(&bench, &scripted);
    let (disk, _index) = bench.end();
    // As a program wrote it that did not know of them.
    let keys = Keys::open(&disk).unwrap();
    let mut member = Member::read(&disk, &keys).unwrap().unwrap();
    let known = std::mem::take(&mut member.spans);
    member.write(&disk, &keys).unwrap();
    let mut bench = Bench::on(disk, &scripted.url, NOW_MS);
    bench.append(login_entry(7));
    bench.run();
    all_there(&bench, &scripted);
    assert_eq!(withheld(&scripted).last(), Some(&false));
    let (disk, _index) = bench.end();
    let member = Member::read(&disk, &keys).unwrap().unwrap();
    assert_eq!(member.spans, known);
}

#[test]
fn a_member_whose_journal_was_lost_withholds_nothing() {
    let scripted = Scripted::start();
    let mut bench = Bench::new(&scripted.url);
    (0..30).for_each(|n| bench.append(login_entry(n)));
    bench.enrol(&scripted);
    let (disk, _index) = bench.end();
    let journal = disk.files().into_iter().map(|(path, _)| path);
    for path in journal.filter(|path| path.starts_with("ledger")) {
        disk.remove(&path).unwrap();
    }
    let mut bench = Bench::on(disk, &scripted.url, NOW_MS);
    (40..45).for_each(|n| bench.append(login_entry(n)));
    scripted.book().entries.clear();
    bench.run();
    wait_until("the new journal is there", || {
        scripted.book().entries.len() == 5
    });
    assert!(withheld(&scripted).iter().all(|held| !held));
}
