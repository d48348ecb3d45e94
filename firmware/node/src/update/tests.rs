// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Bundles in a real folder, and what follows from what the other side says.

use std::fs;
use std::time::Duration;

use platen_model::{ManualClock, UpdatePhase};
use platen_policy::update::{NotYet, Record};
use ring::digest::{SHA256, digest};
use tempfile::TempDir;

use super::machine::Act;
use super::*;

const BYTES: &[u8] = b"a bundle of a new release";

struct Bench {
    folder: TempDir,
    clock: Arc<ManualClock>,
    updates: Arc<Updates>,
}

fn installed(slot: &str) -> Installed {
    Installed {
        version: "1.0.0".to_owned(),
        compatible: Some("platen-x86_64".to_owned()),
        slot: Some(slot.to_owned()),
    }
}

impl Bench {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("update")).unwrap();
        Self::start(folder, "A")
    }

    fn start(folder: TempDir, slot: &str) -> Self {
        let clock = Arc::new(ManualClock::at(0));
        let config = UpdateConfig {
            folder: folder.path().join("update"),
            orders: folder.path().join("orders"),
            release: folder.path().join("release"),
            window: None,
        };
        let time = Arc::clone(&clock) as Arc<dyn Clock>;
        let updates = Updates::open(&config, None, installed(slot), time);
        Self {
            folder,
            clock,
            updates,
        }
    }

    fn request(&self, sha256: Option<[u8; 32]>) -> Request {
        Request {
            source: Source::Centre,
            size: BYTES.len() as u64,
            sha256,
            wish: Wish::default(),
            allow_older: false,
        }
    }

    fn begin(&self, sha256: Option<[u8; 32]>) -> Result<Incoming, UpdateError> {
        self.updates.begin(self.request(sha256))
    }

    fn files(&self) -> Vec<String> {
        let entries = fs::read_dir(self.folder.path().join("update")).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<_> = names.collect();
        names.sort();
        names
    }

    fn says(&self, state: &str) {
        fs::write(self.folder.path().join("update").join(STATE), state).unwrap();
        self.updates.look();
    }

    fn act(&self) -> Act {
        let now = self.clock.now().elapsed;
        self.updates.machine().act(now)
    }
}

fn sum() -> [u8; 32] {
    digest(&SHA256, BYTES).as_ref().try_into().unwrap()
}

fn record(phase: &str, at: u64) -> String {
    format!(
        r#"{{"phase":"{phase}","percent":7,"version":"1.1.0","from":"1.0.0","slot":"B",
            "source":"ctl","reason":"","at_unix_ms":{at}}}"#
    )
}

#[test]
fn a_whole_bundle_is_put_in_its_place_and_ordered() {
    let bench = Bench::new();
    let mut incoming = bench.begin(None).unwrap();
    assert_eq!(bench.updates.state().phase, UpdatePhase::Fetching);
    incoming.append(&BYTES[..10]).unwrap();
    assert_eq!(bench.updates.state().percent, 40);
    assert!(matches!(bench.begin(None), Err(UpdateError::Busy(_))));
    incoming.append(&BYTES[10..]).unwrap();
    incoming.commit(Some(sum())).unwrap();
    assert_eq!(bench.files(), [BUNDLE]);
    assert_eq!(fs::read(bench.updates.folder.join(BUNDLE)).unwrap(), BYTES);
    let order = Act::Order {
        source: Source::Centre,
        allow_older: false,
    };
    assert_eq!(bench.act(), order);
    assert!(matches!(bench.begin(None), Err(UpdateError::Busy(_))));
}

#[test]
fn a_bundle_that_is_not_what_was_said_is_removed() {
    for (bytes, wrong) in [(&BYTES[1..], "longer or shorter"), (&b"x"[..], "SHA-256")] {
        let bench = Bench::new();
        let mut incoming = bench.begin(None).unwrap();
        incoming.append(bytes).unwrap();
        if wrong == "SHA-256" {
            incoming.append(&BYTES[1..]).unwrap();
        }
        let error = incoming.commit(Some(sum())).unwrap_err().to_string();
        assert!(error.contains(wrong), "{error}");
        assert!(bench.files().is_empty());
        assert_eq!(bench.updates.state().phase, UpdatePhase::Idle);
    }
    let bench = Bench::new();
    let mut incoming = bench.begin(None).unwrap();
    incoming.append(BYTES).unwrap();
    assert!(matches!(incoming.append(b"x"), Err(UpdateError::Length)));
}

#[test]
fn a_bundle_that_is_known_goes_on_after_a_power_cut_and_another_does_not() {
    let bench = Bench::new();
    let mut incoming = bench.begin(Some(sum())).unwrap();
    incoming.append(&BYTES[..10]).unwrap();
    drop(incoming);
    let bench = Bench::start(bench.folder, "A");
    let incoming = bench.begin(Some([7; 32])).unwrap();
    assert_eq!(incoming.have(), 0, "another bundle begins anew");
    drop(incoming);
    let mut incoming = bench.begin(Some(sum())).unwrap();
    assert_eq!(incoming.have(), 0, "one at a time is kept");
    incoming.append(&BYTES[..10]).unwrap();
    drop(incoming);
    let bench = Bench::start(bench.folder, "A");
    let mut incoming = bench.begin(Some(sum())).unwrap();
    assert_eq!(incoming.have(), 10);
    incoming.append(&BYTES[10..]).unwrap();
    incoming.commit(None).unwrap();
    assert_eq!(bench.files(), [BUNDLE]);
}

#[test]
fn a_bundle_that_is_canceled_comes_to_nothing() {
    let bench = Bench::new();
    let mut incoming = bench.begin(None).unwrap();
    bench.updates.cancel().unwrap();
    assert!(matches!(incoming.append(BYTES), Err(UpdateError::Canceled)));
    drop(incoming);
    assert!(bench.files().is_empty());
    assert!(matches!(bench.updates.cancel(), Err(UpdateError::Nothing)));
    let mut incoming = bench.begin(None).unwrap();
    incoming.append(BYTES).unwrap();
    incoming.commit(None).unwrap();
    bench.updates.cancel().unwrap();
    assert!(bench.files().is_empty(), "it waited to be ordered");
    bench.says(&record("installing", 1));
    assert!(matches!(bench.updates.cancel(), Err(UpdateError::TooLate)));
}

#[test]
fn there_are_no_updates_without_the_folder_and_none_without_room() {
    let bench = Bench::new();
    let mut request = bench.request(None);
    for size in [0, BUNDLE_BYTES_MAX + 1] {
        request.size = size;
        let refused = bench.updates.begin(request.clone()).map(drop);
        assert!(matches!(refused, Err(UpdateError::Size(_))));
    }
    fs::remove_dir(&bench.updates.folder).unwrap();
    assert!(!bench.updates.state().on);
    let error = bench.begin(None).map(drop).unwrap_err().to_string();
    assert!(error.contains("not run from an image"), "{error}");
    assert!(matches!(bench.updates.restart(), Err(UpdateError::Off(_))));
}

#[test]
fn an_order_that_nobody_takes_is_given_up_with_the_reason() {
    let bench = Bench::new();
    let mut incoming = bench.begin(None).unwrap();
    incoming.append(BYTES).unwrap();
    incoming.commit(None).unwrap();
    bench.updates.machine().ordered(Duration::ZERO);
    assert_eq!(bench.act(), Act::Rest);
    bench.clock.advance(Duration::from_secs(61));
    assert_eq!(bench.act(), Act::GiveUp);
    bench.updates.machine().failed("nobody".to_owned());
    let state = bench.updates.state();
    assert_eq!(
        (state.phase, state.reason.as_str()),
        (UpdatePhase::Failed, "nobody")
    );
    bench.updates.cancel().unwrap();
    assert_eq!(bench.updates.state().phase, UpdatePhase::Idle);
}

#[test]
fn what_the_other_side_says_is_told_and_what_it_half_says_is_an_error() {
    let bench = Bench::new();
    bench.says(&record("installing", 1));
    let state = bench.updates.state();
    assert_eq!((state.phase, state.percent), (UpdatePhase::Installing, 7));
    assert_eq!((state.version.as_str(), state.on), ("1.1.0", true));
    bench.says(r#"{"phase":"inst"#);
    let state = bench.updates.state();
    assert_eq!(
        state.phase,
        UpdatePhase::Installing,
        "what it said before stands"
    );
    assert!(state.reason.contains("can't be read"), "{}", state.reason);
    bench.clock.advance(Duration::from_secs(601));
    bench.says(&record("installing", 1));
    let state = bench.updates.state();
    assert_eq!(state.phase, UpdatePhase::Failed, "nothing new for so long");
    assert!(state.reason.contains("cut off"));
    assert!(bench.begin(None).is_ok());
}

#[test]
fn an_installation_is_followed_by_one_restart_and_not_by_a_second_one() {
    let bench = Bench::new();
    bench.says(&record("installed", 5));
    assert_eq!(bench.act(), Act::Note);
    let note = bench.updates.machine().note().unwrap();
    assert_eq!(bench.act(), Act::AskMoment(Wish::default()));
    bench.updates.machine().waits(NotYet::Window);
    let state = bench.updates.state();
    assert!(state.waits.unwrap().contains("window"));
    bench.updates.machine().restarting(Duration::ZERO);
    assert_eq!(bench.act(), Act::Rest);
    bench.clock.advance(Duration::from_secs(181));
    bench.act();
    assert_eq!(
        bench.act(),
        Act::AskMoment(Wish::default()),
        "it did not come"
    );
    let seen = Record {
        phase: UpdatePhase::Installed,
        slot: "B".to_owned(),
        at_unix_ms: 5,
        ..Record::default()
    };
    let start = |slot: &str, boot: &str| {
        let mut machine = Machine::new(Some(slot.to_owned()), boot, &note);
        machine.see(Ok(Some(seen.clone())), Duration::ZERO);
        (
            machine.act(Duration::ZERO),
            machine.tell(Duration::ZERO).phase,
        )
    };
    let boot = note.split_whitespace().next().unwrap();
    let again = (Act::AskMoment(Wish::default()), UpdatePhase::Installed);
    assert_eq!(start("A", boot), again, "the daemon alone started anew");
    assert_eq!(
        start("B", "other"),
        (Act::Rest, UpdatePhase::Trial),
        "the new release runs"
    );
    assert_eq!(
        start("A", "other"),
        (Act::Rest, UpdatePhase::Installed),
        "the new release did not come up"
    );
}

#[test]
fn a_trial_takes_no_update_and_its_end_is_told_until_somebody_has_seen_it() {
    let bench = Bench::new();
    bench.says(&record("trial", 1));
    assert!(matches!(bench.begin(None), Err(UpdateError::Busy(_))));
    bench.says(&record("fell-back", 2));
    assert_eq!(bench.updates.modes(), Some("update-fell-back"));
    bench.updates.cancel().unwrap();
    assert_eq!(bench.updates.modes(), None);
    assert!(bench.files().is_empty());
    bench.says(&record("good", 3));
    assert_eq!(bench.updates.state().phase, UpdatePhase::Good);
    assert!(bench.begin(None).is_ok());
}

#[test]
fn an_order_names_only_what_a_script_can_read() {
    let mut well: Vec<_> = [
        "daemon",
        "printer hall_1",
        "device 门",
        "device a\"b",
        "disk",
    ]
    .map(str::to_owned)
    .into();
    well.extend((0..40).map(|n| format!("device {n}")));
    well.insert(0, "x".repeat(81));
    let expected = orders::expected(well);
    assert_eq!(expected.len(), 32);
    assert_eq!(expected[..3], ["daemon", "printer hall_1", "disk"]);
}

#[test]
fn an_order_names_what_has_to_be_well_and_a_trial_what_was_well_at_its_restart() {
    let bench = Bench::new();
    let expect = ["daemon".to_owned(), "device door".to_owned()];
    orders::install(&bench.updates.orders, Source::Ctl, true, &expect).unwrap();
    let text = fs::read_to_string(bench.updates.orders.join("install")).unwrap();
    assert_eq!(
        text,
        r#"{"source":"ctl","allow_older":true,"expect":["daemon","device door"]}"#
    );
    let folder = &bench.updates.folder;
    orders::expect_at_trial(folder, &expect).unwrap();
    let trial = folder.join("trial.json");
    assert!(!trial.exists(), "there is none to change");
    fs::write(
        &trial,
        r#"{"slot":"B","version":"1.1.0","expect":["printer hall"]}"#,
    )
    .unwrap();
    orders::expect_at_trial(folder, &expect).unwrap();
    let changed: serde_json::Value = serde_json::from_slice(&fs::read(&trial).unwrap()).unwrap();
    assert_eq!(changed["slot"], "B");
    assert_eq!(changed["expect"], serde_json::json!(expect));
    for broken in ["", "[]", "{\"slot\""] {
        fs::write(&trial, broken).unwrap();
        orders::expect_at_trial(folder, &expect).unwrap_err();
    }
}
