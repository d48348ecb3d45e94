// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Power cuts while a page is taken. The database's file is cut, or blotted out, at every place that
//! a page wrote: whatever opens then is the copy before or after some page, whole, and tells which.

#![allow(
    clippy::unwrap_used,
    reason = "a test ends where something unexpected happens"
)]

mod given;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use given::{Box, Centre, card, card_key, copy_database};
use platen_auth::{Cache, People, Position};
use platen_model::{Clock, RecordId, UserId};

/// Cards tried.
const CARDS: u32 = 24;
/// Places at which what a page wrote is cut.
const CUTS: u64 = 12;

type Who = BTreeMap<u32, UserId>;

fn who(cache: &Cache, given: &Box) -> Who {
    let held = |number| Some((number, cache.by_card(card_key(number), given.clock.now())?));
    (0..CARDS)
        .filter_map(held)
        .map(|(number, held)| (number, held.person.id))
        .collect()
}

/// What a cut leaves of the bytes that a page changed: those before `keep` are new, the others are as
/// they were before, or zero where the file had not been so long.
fn torn(before: &[u8], after: &[u8], keep: usize, cut_off: bool) -> Vec<u8> {
    let mut bytes = after.to_vec();
    if cut_off {
        bytes.truncate(keep.max(before.len()));
    }
    let end = bytes.len();
    for (at, byte) in bytes.iter_mut().enumerate().take(end).skip(keep) {
        *byte = before.get(at).copied().unwrap_or(0);
    }
    bytes
}

/// Whatever is found opens as one of the states that there were, and as the one it says it is: which
/// is given back.
fn check(given: &Box, file: &[u8], model: &Path, states: &BTreeMap<(u64, u64), Who>) -> (u64, u64) {
    let dir = tempfile::tempdir().unwrap();
    let database = dir.path().join("database");
    copy_database(model, &database);
    fs::write(database.join("db"), file).unwrap();
    let opened = given.database_at(&database);
    let cache = given.cache_of(&opened);
    let Position {
        generation,
        revision,
    } = cache.position();
    let expected = states.get(&(generation, revision));
    let expected = expected.unwrap_or_else(|| panic!("no such state: {generation} {revision}"));
    assert_eq!(&who(&cache, given), expected, "at {generation} {revision}");
    (generation, revision)
}

#[test]
fn a_power_cut_anywhere_in_a_page_leaves_the_old_copy_or_the_new_one() {
    let (given, mut centre) = (Box::new(), Centre::new());
    let cache = given.cache();
    let path = given.path();
    let mut states = BTreeMap::from([((0, 0), Who::new())]);
    let mut cards = Vec::new();
    let (mut old, mut new, mut none) = (0, 0, 0);
    for round in 0..8_u32 {
        let user = centre.user(round);
        for n in 0..3 {
            cards.push(centre.credential(user, card(round * 3 + n)));
        }
        match round {
            3 => centre.end(RecordId::Credential(cards[0])),
            5 => centre.generation += 1,
            _ => {}
        }
        loop {
            let before = fs::read(path.join("db")).unwrap();
            let page = centre.page(&cache, given.node(), 5);
            let applied = cache.apply(&page, given.clock.now()).unwrap();
            let Position {
                generation,
                revision,
            } = applied.position;
            states.insert((generation, revision), who(&cache, &given));
            let after = fs::read(path.join("db")).unwrap();
            let changed = before.iter().zip(&after).position(|(a, b)| a != b);
            let first = changed.unwrap_or(before.len().min(after.len()));
            let last = after
                .iter()
                .rposition(|byte| *byte != 0)
                .map_or(first, |at| at + 1);
            let span = last.saturating_sub(first) as u64;
            for cut in 0..=CUTS {
                let keep = first + usize::try_from(span * cut / CUTS).unwrap();
                let torn = torn(&before, &after, keep, cut % 2 == 0);
                match check(&given, &torn, &path, &states) {
                    found if found == (generation, revision) => new += 1,
                    (0, 0) => none += 1,
                    _ => old += 1,
                }
            }
            if applied.complete {
                break;
            }
        }
    }
    println!(
        "{} states; after a cut: {old} old, {new} new, {none} empty",
        states.len()
    );
    assert!(
        old > 20 && new > 10,
        "cuts before and after the page was whole"
    );
}
