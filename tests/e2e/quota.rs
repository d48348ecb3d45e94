// SPDX-License-Identifier: Apache-2.0 OR MIT
//! One quota of a group, shared by boxes that are cut off from the centre and from each other.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::sync_site::{GROUP, SYNCED, Site, Store};

/// Sides of the group's quota.
const LIMIT: u64 = 30;
const BOXES: usize = 3;

fn set_quota(site: &Site, limit: u64) {
    let limit = limit.to_string();
    let quota = ["quotas", "set", "shared", "--group", GROUP];
    let what = ["--unit", "sides", "--limit", &limit, "--period", "once"];
    site.central()
        .ctl(&[&quota[..], &what[..]].concat())
        .unwrap();
    site.wait_synced();
}

/// Sides that a box charged, and how much of them had no lease.
fn spent(site: &Site, place: usize) -> (u64, u64) {
    let (mut all, mut without) = (0, 0);
    for settled in site.boxes[place].journal("settled") {
        for share in settled["shares"].as_array().into_iter().flatten() {
            let amount = share["amount"].as_u64().unwrap();
            all += amount;
            if share["lease"].is_null() {
                without += amount;
            }
        }
    }
    (all, without)
}

fn cut_off_boxes_share_a_quota(store: Store) {
    let site = Site::open(store, BOXES);
    set_quota(&site, LIMIT);
    for place in 0..BOXES {
        assert_eq!(site.print_and_tap(place), "accepted", "box {place}");
    }
    site.wait_synced();
    for one in &site.boxes {
        one.line.cut();
        one.daemon().wait_for_centre("offline", SYNCED).unwrap();
    }
    let mut printed = BTreeMap::new();
    for place in 0..BOXES {
        let mut pages = 0_u64;
        // One more than there is: a box that never refuses has passed the quota.
        while pages <= LIMIT && site.print_and_tap(place) == "accepted" {
            pages += 1;
        }
        printed.insert(place, pages);
    }
    let cut_off: u64 = printed.values().sum();
    println!("printed by each box while cut off: {printed:?}, of {LIMIT}");
    assert!(cut_off + BOXES as u64 <= LIMIT, "{printed:?}");
    assert!(cut_off > 0, "no box had a slice");

    for one in &site.boxes {
        one.line.heal();
    }
    site.wait_synced();
    let charged = site.assert_every_charge_once();
    assert_eq!(charged as u64, cut_off + BOXES as u64);
    let sums: Vec<_> = (0..BOXES).map(|place| spent(&site, place)).collect();
    let all: u64 = sums.iter().map(|(all, _)| all).sum();
    assert!(all <= LIMIT, "{sums:?}");
    assert!(sums.iter().all(|(_, without)| *without == 0), "{sums:?}");
    let quotas = site.central().list(&["quotas", "list"]).unwrap();
    let quota = &quotas[0];
    assert_eq!(quota["spent"].as_u64(), Some(all), "{quota}");
    let leased = |quota: &Value| quota["leased"].as_u64().unwrap_or(0);
    assert!(all + leased(quota) <= LIMIT, "{quota}");
}

#[test]
fn boxes_that_are_cut_off_never_pass_the_quota_they_share() {
    cut_off_boxes_share_a_quota(Store::Sqlite);
}

#[test]
fn boxes_that_are_cut_off_never_pass_the_quota_they_share_with_postgresql() {
    cut_off_boxes_share_a_quota(Store::Postgres);
}

#[test]
fn a_quota_is_used_to_its_end_while_the_centre_can_be_asked() {
    let site = Site::open(Store::Sqlite, 1);
    set_quota(&site, 4);
    for page in 0..4 {
        assert_eq!(site.print_and_tap(0), "accepted", "page {page}");
    }
    let refused = site.print_and_tap(0);
    assert_ne!(refused, "accepted");
    site.wait_synced();
    assert_eq!(site.assert_every_charge_once(), 4);
    let held = site.boxes[0].ctl(&["jobs"]);
    assert_eq!(held.len(), 1, "what has no room waits: {held:?}");
}
