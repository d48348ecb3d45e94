// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Each promise broken on purpose, and found out.

use crate::broken::Broken;
use crate::random::Random;
use crate::world::{Weather, World};

/// Seeds within which each broken variant must be found out.
const WITHIN: u64 = 600;

/// What has to happen for a variant to do harm.
fn weather(broken: Broken, random: &mut Random) -> Weather {
    let mut weather = Weather {
        boxes: 2 + random.below(3),
        ..Weather::default()
    };
    match broken {
        Broken::OverwritesForks | Broken::OffersLeasesAgain => weather.boxes_restored = true,
        Broken::TrustsLostEntries => weather.records_damaged = true,
        Broken::ChargesEveryRelease => weather.splits = true,
        Broken::SparesServingCopy | Broken::KeepsBehindGaps => weather.centre_restored = true,
        _ => {}
    }
    weather
}

/// Runs until the variant is found out, by one of the violations that it makes.
fn is_caught(broken: Broken, violations: &[&str]) {
    for seed in 0..WITHIN {
        let mut random = Random::new(seed);
        let weather = weather(broken, &mut random);
        if let Err(found) = World::with(random, weather, Some(broken)).run() {
            let expected = violations.iter().any(|text| found.contains(text));
            assert!(expected, "{broken:?}, seed {seed}: {found}");
            println!("{broken:?} is caught by seed {seed}: {found}");
            return;
        }
    }
    panic!("{broken:?} is not found out within {WITHIN} seeds");
}

const OVERSPENT: &[&str] = &["excused", "charged or out"];

#[test]
fn a_centre_that_keeps_replays_is_found_out() {
    is_caught(Broken::KeepsReplays, &["kept twice", "kept behind"]);
}

#[test]
fn a_centre_that_keeps_entries_behind_a_gap_is_found_out() {
    is_caught(Broken::KeepsBehindGaps, &["kept behind"]);
}

#[test]
fn a_centre_that_lets_a_restored_box_write_over_its_past_is_found_out() {
    is_caught(
        Broken::OverwritesForks,
        &["never arrived", "kept behind", "charged twice"],
    );
}

#[test]
fn a_box_that_moves_its_cursor_without_an_answer_is_found_out() {
    is_caught(
        Broken::MovesCursorUnanswered,
        &["never arrived", "long calm"],
    );
}

#[test]
fn a_centre_that_charges_every_release_is_found_out() {
    is_caught(Broken::ChargesEveryRelease, &["charged twice"]);
}

#[test]
fn a_box_that_takes_a_lease_twice_is_found_out() {
    is_caught(Broken::TakesLeasesAgain, OVERSPENT);
}

#[test]
fn a_centre_that_offers_a_restored_box_its_old_leases_is_found_out() {
    is_caught(Broken::OffersLeasesAgain, OVERSPENT);
}

#[test]
fn a_centre_that_gives_what_is_asked_for_is_found_out() {
    is_caught(Broken::GivesAll, OVERSPENT);
}

#[test]
fn a_centre_that_ends_leases_by_its_clock_is_found_out() {
    is_caught(Broken::EndsLeasesByClock, OVERSPENT);
}

#[test]
fn a_lease_that_gives_back_what_is_spent_is_found_out() {
    is_caught(
        Broken::GivesBackSpent,
        &["excused", "charged or out", "in the books"],
    );
}

#[test]
fn a_centre_that_thinks_lost_entries_spent_nothing_is_found_out() {
    is_caught(Broken::TrustsLostEntries, OVERSPENT);
}

#[test]
fn a_box_that_takes_tombstones_late_is_found_out() {
    is_caught(
        Broken::DelaysTombstones,
        &["was revoked before", "before its tombstone"],
    );
}

#[test]
fn a_box_that_spares_its_serving_copy_is_found_out() {
    is_caught(Broken::SparesServingCopy, &["was revoked before"]);
}

#[test]
fn a_box_that_takes_older_records_is_found_out() {
    is_caught(
        Broken::TakesOlderRecords,
        &["was revoked before", "before its tombstone"],
    );
}

#[test]
fn a_box_that_takes_pages_in_any_order_is_found_out() {
    is_caught(
        Broken::TakesAnyPage,
        &[
            "was revoked before",
            "before its tombstone",
            "another directory",
        ],
    );
}
