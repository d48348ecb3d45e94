// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A release of the boxes' image, from the centre to the folder from which it is installed. The side
//! with the rights to install is not here: the test says in its place what became of a bundle.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use platen_bed::BedError;
use platen_bed::proxy::{Fate, Proxy};
use platen_bed::wait;
use serde_json::{Value, json};

use crate::sync_site::{SYNCED, Site, SiteBox, Store};

const BOARD: &str = "platen-x86_64";
const VERSION: &str = "1.2.3";
/// Long enough that a slow line is caught in the middle of it.
const BUNDLE_BYTES: usize = (6 << 20) + 12_345;
/// So long each 16 KiB wait on a slow line: 300 KiB a second.
const SLOW: Fate = Fate::Delay(Duration::from_millis(50));

/// A site whose boxes run from an image, version 1.0.0.
fn site(store: Store, boxes: usize) -> Site {
    Site::open_with(store, boxes, |config| {
        let update = config.folder.join("update");
        fs::create_dir_all(&update).unwrap();
        let release = config.folder.join("platen-release");
        fs::write(&release, format!("VERSION=1.0.0\nCOMPATIBLE={BOARD}\n")).unwrap();
        config.further = format!(
            "[update]\nfolder = {:?}\norders = {:?}\nrelease = {:?}\n",
            update.display().to_string(),
            config.folder.join("orders").display().to_string(),
            release.display().to_string(),
        );
    })
}

fn folder(own: &SiteBox) -> PathBuf {
    own.daemon().config().folder.clone()
}

/// Bytes that have come of a bundle that is not whole.
fn come(own: &SiteBox) -> u64 {
    let files = fs::read_dir(folder(own).join("update")).unwrap();
    let parts = files.map(|file| file.unwrap().path());
    let part = parts.filter(|path| path.extension().is_some_and(|ending| ending == "part"));
    part.filter_map(|path| Some(path.metadata().ok()?.len()))
        .sum()
}

fn is_empty(own: &SiteBox) -> bool {
    let mut files = fs::read_dir(folder(own).join("update")).unwrap();
    files.next().is_none() && !folder(own).join("orders/install").exists()
}

/// Waits until the box has the bundle whole and has ordered its installation; the order.
fn wait_ordered(own: &SiteBox, bundle: &[u8]) -> Value {
    let order = folder(own).join("orders/install");
    let order = wait::until("an order to install the release", SYNCED, || {
        Ok::<_, BedError>(fs::read(&order).ok())
    });
    let found = fs::read(folder(own).join("update/bundle.raucb")).unwrap();
    assert!(found == bundle, "other bytes came to the box");
    serde_json::from_slice(&order.unwrap()).unwrap()
}

/// What the installing side does and says: it takes order and bundle, and this became of them.
fn install(own: &SiteBox, phase: &str, reason: &str) {
    let update = folder(own).join("update");
    let state = json!({
        "phase": phase,
        "percent": 100,
        "version": VERSION,
        "from": "1.0.0",
        "slot": "B",
        "source": "centre",
        "reason": reason,
        "at_unix_ms": 1_795_435_200_000_u64,
    });
    fs::write(update.join("state.json.new"), state.to_string()).unwrap();
    fs::rename(update.join("state.json.new"), update.join("state.json")).unwrap();
    fs::remove_file(folder(own).join("orders/install")).unwrap();
    fs::remove_file(update.join("bundle.raucb")).unwrap();
}

/// The one release as the centre lists it.
fn release(site: &Site) -> Value {
    site.central()
        .list(&["releases", "list"])
        .unwrap()
        .remove(0)
}

fn wait_release(site: &Site, what: &str, fits: impl Fn(&Value) -> bool) -> Value {
    let seen = wait::until(what, SYNCED, || {
        let now = site.central().list(&["releases", "list"])?.remove(0);
        Ok::<_, BedError>(fits(&now).then_some(now))
    });
    seen.unwrap_or_else(|error| panic!("{error}: {:#}", release(site)))
}

/// Makes the bundle, with the file beside it that the image's build writes.
fn make(site: &Site) -> (Vec<u8>, String) {
    let bundle: Vec<u8> = (0..BUNDLE_BYTES)
        .map(|n| (n.wrapping_mul(n) % 253).to_le_bytes()[0])
        .collect();
    let file = site.folder.path().join("platen.raucb");
    fs::write(&file, &bundle).unwrap();
    let beside = json!({
        "version": VERSION,
        "compatible": BOARD,
        "size": bundle.len(),
        "build_unix_s": 1_795_435_200,
    });
    fs::write(file.with_extension("json"), beside.to_string()).unwrap();
    (bundle, file.to_string_lossy().into_owned())
}

/// Makes the bundle and adds it.
fn add(site: &Site) -> Vec<u8> {
    let (bundle, file) = make(site);
    site.central().ctl(&["releases", "add", &file]).unwrap();
    bundle
}

fn offer(site: &Site, words: &[&str]) {
    let words = [&["releases", "offer", VERSION], words].concat();
    site.central().ctl(&words).unwrap();
}

/// Nobody, then everybody; one falls back, the others stop; then they go on where they were.
fn rollout(store: Store) {
    let site = site(store, 2);
    let [quick, slow] = &site.boxes[..] else {
        panic!("two boxes");
    };
    let bundle = add(&site);
    let again = site.folder.path().join("platen.raucb");
    let twice = site
        .central()
        .ctl(&["releases", "add", &again.to_string_lossy()]);
    let twice = twice.unwrap_err().to_string();
    assert!(twice.contains("is there"), "{twice}");

    offer(&site, &["--share", "0", "--from", "02:00", "--to", "05:00"]);
    site.wait_synced();
    // Whoever wanted it would have begun long ago.
    wait::pause(Duration::from_secs(7));
    assert!(is_empty(quick) && is_empty(slow), "a share of nobody");
    let nobody = release(&site);
    assert_eq!(
        (&nobody["outside"], &nobody["waiting"]),
        (&json!(2), &json!(0)),
        "{nobody}"
    );

    slow.line.set(SLOW);
    offer(&site, &["--share", "100"]);
    let order = wait_ordered(quick, &bundle);
    assert_eq!(
        (&order["source"], &order["allow_older"]),
        (&json!("centre"), &json!(false))
    );
    let expected = order["expect"].as_array().unwrap();
    assert!(expected.iter().any(|item| item == "daemon"), "{order}");
    wait_release(&site, "both boxes to be at it", |now| now["under_way"] == 2);

    install(quick, "fell-back", "the reader did not answer");
    let stopped = wait_release(&site, "the release to pause", |now| {
        now["state"] == "paused"
    });
    assert_eq!(
        stopped["paused_for"], "the reader did not answer",
        "{stopped}"
    );
    let alerts = site.central().list(&["alerts"]).unwrap();
    let tells =
        |alert: &&Value| alert["kind"] == "update-fell-back" && alert["node_name"] == "Box 0";
    assert_eq!(alerts.iter().filter(tells).count(), 1, "{alerts:?}");
    wait_release(&site, "the other box to stop", |now| {
        now["under_way"] == 0 && now["failed"] == 1 && now["waiting"] == 1
    });
    let kept = come(slow);
    assert!(kept > 0 && kept < bundle.len() as u64, "{kept}");
    assert!(!folder(slow).join("update/bundle.raucb").exists());

    slow.line.heal();
    let before = slow.line.carried().octets;
    site.central()
        .ctl(&["releases", "resume", VERSION])
        .unwrap();
    wait_ordered(slow, &bundle);
    let carried = slow.line.carried().octets - before;
    let rest = bundle.len() as u64 - kept;
    println!("{kept} bytes were there, {carried} came for the last {rest}");
    assert!(carried < rest + (2 << 20), "{carried} for {rest}");
    assert_eq!(come(quick), 0, "the box that fell back leaves it alone");
    assert!(!folder(quick).join("orders/install").exists());

    offer(&site, &["--again"]);
    wait_ordered(quick, &bundle);
    let nodes = site
        .central()
        .list(&["releases", "nodes", VERSION])
        .unwrap();
    assert!(
        nodes.iter().all(|node| node["runs"] == "1.0.0"),
        "{nodes:?}"
    );
}

#[test]
fn a_release_reaches_its_share_and_stops_when_a_box_falls_back() {
    rollout(Store::Sqlite);
}

#[test]
fn a_release_reaches_its_share_and_stops_when_a_box_falls_back_with_postgresql() {
    rollout(Store::Postgres);
}

#[test]
fn a_bundle_goes_on_where_the_line_was_cut_and_after_a_power_cut() {
    let mut site = site(Store::Sqlite, 1);
    let bundle = add(&site);
    site.boxes[0].line.set(SLOW);
    let before = site.boxes[0].line.carried().octets;
    offer(&site, &["--share", "100"]);
    let wait_for = |own: &SiteBox, bytes: u64| {
        wait::until("a part of the bundle", SYNCED, || {
            let come = come(own);
            Ok::<_, BedError>((come >= bytes).then_some(come))
        })
        .unwrap()
    };
    wait_for(&site.boxes[0], 1 << 20);
    site.boxes[0].line.cut();
    site.boxes[0]
        .daemon()
        .wait_for_centre("offline", SYNCED)
        .unwrap();
    let at_cut = come(&site.boxes[0]);
    assert!(at_cut >= 1 << 20);
    site.boxes[0].line.set(SLOW);
    wait_for(&site.boxes[0], at_cut + (1 << 20));
    site.boxes[0].cut_power();
    let at_power_cut = come(&site.boxes[0]);
    assert!(at_power_cut > at_cut);
    site.boxes[0].line.heal();
    wait_ordered(&site.boxes[0], &bundle);
    let carried = site.boxes[0].line.carried().octets - before;
    println!("{carried} bytes carried for a bundle of {}", bundle.len());
    assert!(carried < bundle.len() as u64 + (3 << 20), "{carried}");
}

#[test]
fn a_box_without_an_image_and_one_of_another_board_take_nothing() {
    let site = Site::open_with(Store::Sqlite, 2, |config| {
        if config.name == "Box 1" {
            let update = config.folder.join("update");
            fs::create_dir_all(&update).unwrap();
            let release = config.folder.join("platen-release");
            fs::write(&release, "VERSION=1.0.0\nCOMPATIBLE=platen-qemu_x86_64\n").unwrap();
            config.further = format!(
                "[update]\nfolder = {:?}\nrelease = {:?}\n",
                update.display().to_string(),
                release.display().to_string(),
            );
        }
    });
    add(&site);
    offer(&site, &["--share", "100"]);
    site.wait_synced();
    wait::pause(Duration::from_secs(7));
    assert!(is_empty(&site.boxes[1]));
    let nodes = site.central().list(&["nodes", "list"]).unwrap();
    let running = |name: &str| {
        let found = nodes.iter().find(|node| node["name"] == name);
        found.unwrap_or_else(|| panic!("{nodes:?}"))["running"].clone()
    };
    assert_eq!(running("Box 0")["compatible"], Value::Null);
    assert_eq!(running("Box 1")["compatible"], "platen-qemu_x86_64");
    let release = release(&site);
    let counts = ["have", "under_way", "failed", "waiting", "outside"];
    assert!(counts.iter().all(|count| release[*count] == 0), "{release}");
}

#[test]
fn a_bundle_that_was_cut_on_its_way_to_the_centre_leaves_no_release() {
    let site = Site::open(Store::Sqlite, 0);
    let (_, file) = make(&site);
    let line = Proxy::start(site.central().config().api).unwrap();
    line.set(Fate::Reset(3 << 20));
    let url = format!("https://{}", line.address());
    let words = ["releases", "add", &file, "--central", &url];
    site.central().ctl(&words).unwrap_err();
    assert!(line.carried().octets >= 2 << 20, "{:?}", line.carried());
    assert!(
        site.central()
            .list(&["releases", "list"])
            .unwrap()
            .is_empty()
    );
    line.heal();
    site.central().ctl(&words).unwrap();
    let one = release(&site);
    assert_eq!(
        (&one["state"], &one["size_bytes"]),
        (&json!("kept"), &json!(BUNDLE_BYTES))
    );
}
