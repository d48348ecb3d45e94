// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Boxes and their centre as real processes: the same job on both sides, the centre gone and back, a
//! line that goes bad, power cuts on both sides, and a box put back from an old copy.

use std::time::Duration;

use platen_bed::cups::{Cups, CupsOptions};
use platen_bed::documents::{self, Paper};
use platen_bed::proxy::Fate;
use platen_bed::wait::{self, Stopwatch};

use crate::box_under_test::{SOON, wait_for_jobs};
use crate::sync_site::{SYNCED, Site, Store, copy_folder};

/// Print, tap, paper; the box and the centre tell of the same job.
fn same_job_on_both_sides(store: Store) {
    let site = Site::open(store, 1);
    let one = &site.boxes[0];
    let cups = Cups::start(&site.folder.path().join("cups"), CupsOptions::default()).unwrap();
    cups.add_everywhere_queue("platen", &one.daemon().uri())
        .unwrap();
    let document = site.folder.path().join("three.pdf");
    std::fs::write(&document, documents::pdf(3, Paper::A4)).unwrap();
    cups.lp("platen", &document, &[]).unwrap();
    let jobs = wait_for_jobs(one.daemon(), "a counted job", |jobs| {
        jobs.len() == 1 && jobs[0]["count"]["pages"] == 3
    });
    let id = jobs[0]["id"].as_str().unwrap();
    let at_centre = |state: &str| {
        let what = format!("the centre to know the job as {state}");
        wait::until(&what, SYNCED, || {
            let jobs = site.central().list(&["jobs"])?;
            let job = jobs.into_iter().find(|job| job["job"] == id);
            Ok(job.filter(|job| job["state"] == state && job["count"]["pages"] == 3))
        })
        .unwrap()
    };
    let waits = at_centre("pending-held");
    assert_eq!(waits["name"], jobs[0]["name"], "{waits}");

    assert_eq!(one.tap(), "accepted");
    let printed = one.printer.wait_for_job(1, SOON).unwrap();
    assert_eq!(printed.pages, Some(3));
    at_centre("completed");
    site.wait_synced();
    assert_eq!(site.assert_every_charge_once(), 1);
    let charges = site.charges();
    assert_eq!(charges[id][0]["count"]["impressions"], 3, "{charges:?}");
    site.assert_journals_whole();
}

#[test]
fn box_and_centre_tell_of_the_same_job() {
    same_job_on_both_sides(Store::Sqlite);
}

#[test]
fn box_and_centre_tell_of_the_same_job_with_postgresql() {
    same_job_on_both_sides(Store::Postgres);
}

/// The centre stops, people go on; it comes back and has it all, each once.
fn centre_gone_and_back(store: Store) {
    let mut site = Site::open(store, 1);
    assert_eq!(site.print_and_tap(0), "accepted");
    site.wait_synced();
    site.stop_central();
    for _ in 0..3 {
        assert_eq!(site.print_and_tap(0), "accepted");
    }
    let one = &site.boxes[0];
    one.daemon().wait_for_centre("offline", SYNCED).unwrap();
    let status = one.status();
    let modes = status["modes"].as_array().unwrap();
    assert!(modes.iter().any(|mode| mode == "offline"), "{status}");
    let centre = &status["centre"];
    assert!(centre["cache_age_s"].is_u64(), "{centre}");
    assert!(centre["backlog"].as_u64() > Some(0), "{centre}");

    site.start_central();
    site.wait_synced();
    assert_eq!(site.assert_every_charge_once(), 4);
    site.assert_journals_whole();
}

#[test]
fn what_was_printed_without_the_centre_arrives_once_when_it_is_back() {
    centre_gone_and_back(Store::Sqlite);
}

#[test]
fn what_was_printed_without_the_centre_arrives_once_with_postgresql() {
    centre_gone_and_back(Store::Postgres);
}

#[test]
fn a_centre_that_is_silent_holds_up_one_tap_and_not_the_next() {
    let site = Site::open(Store::Sqlite, 1);
    let one = &site.boxes[0];
    assert_eq!(one.tap(), "no-jobs");
    one.line.set(Fate::Swallow);
    let watch = Stopwatch::start();
    assert_eq!(one.tap(), "no-jobs");
    let first = watch.elapsed();
    let watch = Stopwatch::start();
    assert_eq!(one.tap(), "no-jobs");
    let next = watch.elapsed();
    println!("first tap {first:?}, next {next:?}");
    assert!(first < Duration::from_secs(8), "{first:?}");
    assert!(next < Duration::from_secs(2), "{next:?}");
    one.line.heal();
    one.daemon().wait_for_centre("online", SYNCED).unwrap();
}

/// Storms on every line while people print; power cuts on both sides; then fair weather.
fn storm(store: Store, seed: u64) {
    let mut site = Site::open(store, 2);
    println!("seed {seed}");
    for (n, one) in (0..).zip(&site.boxes) {
        one.line.storm(seed + n);
    }
    for round in 0..6 {
        for place in 0..2 {
            assert_eq!(
                site.print_and_tap(place),
                "accepted",
                "seed {seed}, round {round}"
            );
        }
        match round {
            1 => site.boxes[0].cut_power(),
            2 => site.kill_central(),
            3 => site.start_central(),
            4 => site.boxes[1].cut_power(),
            _ => {}
        }
    }
    for one in &site.boxes {
        println!("{:?}", one.line.carried());
        one.line.heal();
    }
    site.wait_synced();
    assert_eq!(site.assert_every_charge_once(), 12, "seed {seed}");
    site.assert_journals_whole();
    let broken: u64 = site.boxes.iter().map(|one| one.line.carried().broken).sum();
    assert!(broken > 0, "the weather was fair all the time");
}

#[test]
fn every_charge_arrives_once_over_a_line_that_breaks_all_the_time() {
    storm(Store::Sqlite, 11);
}

#[test]
fn every_charge_arrives_once_over_a_line_that_breaks_with_postgresql() {
    storm(Store::Postgres, 23);
}

#[test]
fn a_box_put_back_from_an_old_copy_is_told_of_and_charges_nothing_twice() {
    let mut site = Site::open(Store::Sqlite, 1);
    let copy = site.folder.path().join("copy");
    assert_eq!(site.print_and_tap(0), "accepted");
    site.wait_synced();
    site.boxes[0].while_off(|data| copy_folder(data, &copy));
    for _ in 0..2 {
        assert_eq!(site.print_and_tap(0), "accepted");
    }
    site.wait_synced();
    let before = site.charges();
    assert_eq!(before.len(), 3);

    site.boxes[0].while_off(|data| {
        std::fs::remove_dir_all(data).unwrap();
        copy_folder(&copy, data);
    });
    assert_eq!(site.print_and_tap(0), "accepted");
    site.wait_synced();
    let alerts = site.central().list(&["alerts"]).unwrap();
    let tells = |alert: &serde_json::Value| {
        alert["kind"] == "journal-forked" && alert["node_name"] == "Box 0"
    };
    assert!(alerts.iter().any(tells), "{alerts:?}");
    let after = site.charges();
    let twice: Vec<_> = after.iter().filter(|(_, all)| all.len() != 1).collect();
    assert!(twice.is_empty(), "{twice:?}");
    // The two that the copy does not know of stay charged, and there is one more.
    assert_eq!(after.len(), 4);
    assert!(before.keys().all(|job| after.contains_key(job)));
}

#[test]
fn a_card_that_is_taken_away_is_refused_at_once_and_else_with_the_first_contact() {
    let site = Site::open(Store::Sqlite, 2);
    let [near, far] = &site.boxes[..] else {
        panic!("two boxes");
    };
    far.line.cut();
    far.daemon().wait_for_centre("offline", SYNCED).unwrap();
    let user = crate::box_under_test::user();
    let cards = site.central().list(&["cards", "list", &user]).unwrap();
    let card = cards[0]["id"].as_str().unwrap();
    site.central().ctl(&["cards", "delete", card]).unwrap();
    let watch = Stopwatch::start();
    near.await_tap("unknown-card");
    println!("refused after {:?}", watch.elapsed());
    assert!(watch.elapsed() < Duration::from_secs(20));
    assert_eq!(
        far.tap(),
        "no-jobs",
        "a box that can't know lets the person in"
    );
    far.line.heal();
    far.daemon().wait_synced(SYNCED).unwrap();
    assert_eq!(far.tap(), "unknown-card");
}

#[test]
fn the_centre_of_another_site_is_not_believed_and_learns_nothing() {
    let site = Site::open(Store::Sqlite, 1);
    let other = Site::open(Store::Sqlite, 0);
    let one = &site.boxes[0];
    one.line.turn_to(other.central().config().sync);
    one.line.heal();
    assert_eq!(site.print_and_tap(0), "accepted");
    let what = "the box to say that this is not its centre";
    wait::until(what, SYNCED, || {
        let centre = one.daemon().centre()?;
        let refuses = centre["state"] != "online" && centre["last_error"].is_string();
        Ok(refuses.then_some(()))
    })
    .unwrap();
    println!("{:#}", one.daemon().centre().unwrap());
    assert!(other.central().list(&["jobs"]).unwrap().is_empty());
    assert!(other.central().list(&["nodes", "list"]).unwrap().is_empty());
    one.line.turn_to(site.central().config().sync);
    one.line.heal();
    site.wait_synced();
    assert_eq!(site.assert_every_charge_once(), 1);
}

#[test]
fn a_box_that_is_taken_out_of_its_site_lets_nobody_in() {
    let site = Site::open(Store::Sqlite, 1);
    let one = &site.boxes[0];
    assert_eq!(site.print_and_tap(0), "accepted");
    site.wait_synced();
    site.central().ctl(&["nodes", "revoke", "Box 0"]).unwrap();
    one.daemon()
        .wait_for_centre("revoked", SYNCED)
        .unwrap_or_else(|error| panic!("{error}: {:#}", one.status()["centre"]));
    assert_ne!(one.tap(), "no-jobs");
    assert_ne!(one.tap(), "accepted");
}
