// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A box that runs from an image, as far as its daemon has a part in that: its health, what the init
//! system hears, updates, restarts and the factory reset. The side that installs is the far end here:
//! it takes orders and tells its state by files, as the real one does in the tests of the image.

use std::fs;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::thread::JoinHandle;
use std::time::Duration;

use platen_bed::BedError;
use platen_bed::central::CentralConfig;
use platen_bed::daemon::{Daemon, NodeConfig};
use platen_bed::process::{Program, output, own_program};
use platen_bed::wait;
use serde_json::{Value, json};

use crate::box_under_test::{Office, SOON};

/// More than one piece of an upload.
const BUNDLE_BYTES: usize = (2 << 20) + 17;

/// An office whose box has a folder for updates.
fn office(further: &str) -> Office {
    Office::open_with(|config| with_updates(config, further))
}

fn with_updates(config: &mut NodeConfig, further: &str) {
    let update = config.folder.join("update");
    fs::create_dir_all(&update).unwrap();
    config.further = format!(
        "[update]\nfolder = {:?}\norders = {:?}\n{further}",
        update.display().to_string(),
        config.folder.join("orders").display().to_string()
    );
}

/// The side that installs.
struct FarSide {
    update: PathBuf,
    orders: PathBuf,
}

impl FarSide {
    fn of(office: &Office) -> Self {
        let folder = &office.daemon.config().folder;
        Self {
            update: folder.join("update"),
            orders: folder.join("orders"),
        }
    }

    fn says(&self, phase: &str, percent: u8, reason: &str, at_unix_ms: u64) {
        let state = json!({"phase": phase, "percent": percent, "version": "1.2.3", "from": "1.2.2",
            "slot": "B", "source": "ctl", "reason": reason, "at_unix_ms": at_unix_ms});
        let beside = self.update.join("state.json.tmp");
        fs::write(&beside, state.to_string()).unwrap();
        fs::rename(beside, self.update.join("state.json")).unwrap();
    }

    /// Takes one order to install: refuses it in these words, or does as it is told. Returns the
    /// order and the bundle.
    fn serve(self, refusal: Option<&'static str>) -> JoinHandle<(Value, Vec<u8>)> {
        std::thread::spawn(move || {
            let order = self.update.join("../orders/install");
            let text = self.appears(&order);
            let bundle = fs::read(self.update.join("bundle.raucb")).unwrap();
            self.says("checking", 0, "", 1);
            self.seen("checking");
            match refusal {
                Some(reason) => self.says("refused", 0, reason, 2),
                None => {
                    self.says("installing", 50, "", 2);
                    self.seen("installing");
                    let trial = json!({"slot": "B", "version": "1.2.3", "expect": ["long ago"]});
                    fs::write(self.update.join("trial.json"), trial.to_string()).unwrap();
                    self.says("installed", 100, "", 3);
                }
            }
            fs::remove_file(self.update.join("bundle.raucb")).unwrap();
            fs::remove_file(order).unwrap();
            (serde_json::from_str(&text).unwrap(), bundle)
        })
    }

    /// Lets whoever looks have the time to see this phase.
    fn seen(&self, phase: &str) {
        let socket = self.update.join("../node.sock");
        wait::until(&format!("the box to tell of {phase}"), SOON, || {
            let asked = ctl(&socket, &["--json", "update", "--status"]);
            let told: Value = serde_json::from_slice(&asked.stdout).unwrap_or_default();
            Ok((told["phase"] == phase).then_some(()))
        })
        .unwrap();
        // The one who sent the bundle looks twice in a second.
        wait::pause(Duration::from_millis(1200));
    }

    fn appears(&self, path: &Path) -> String {
        wait::until(&format!("{} to be written", path.display()), SOON, || {
            Ok::<_, BedError>(fs::read_to_string(path).ok())
        })
        .unwrap()
    }

    fn has_order(&self, name: &str) -> bool {
        self.orders.join(name).exists()
    }
}

fn ctl(socket: &Path, args: &[&str]) -> Output {
    let program = own_program("platenctl").unwrap();
    output(Command::new(program).arg("--socket").arg(socket).args(args)).unwrap()
}

/// What a command came to: its exit status, and both of its outputs.
fn came(office: &Office, args: &[&str]) -> (i32, String) {
    came_at(&office.daemon.config().socket(), args)
}

fn came_at(socket: &Path, args: &[&str]) -> (i32, String) {
    let output = ctl(socket, args);
    let text = [output.stdout, output.stderr].concat();
    let code = output.status.code().unwrap();
    (code, String::from_utf8_lossy(&text).into_owned())
}

fn bundle(office: &Office) -> (String, Vec<u8>) {
    let bytes = platen_bed::documents::Noise::new(11).bytes(BUNDLE_BYTES);
    let path = office.file("new.raucb", &bytes);
    (path.to_string_lossy().into_owned(), bytes)
}

fn status(office: &Office) -> Value {
    office.ctl(&["update", "--status"]).remove(0)
}

#[test]
fn an_update_by_the_command_line_is_shown_installed_and_followed_by_a_restart() {
    let office = office("");
    assert_eq!(status(&office)["phase"], "idle");
    let (file, bytes) = bundle(&office);
    let far = FarSide::of(&office).serve(None);
    let (code, told) = came(&office, &["update", &file, "--now"]);
    assert_eq!(code, 0, "{told}");
    for step in [
        "the bundle comes: 49 %",
        "being checked",
        "being installed: 50 %",
        "1.2.3 is installed",
        "the box starts anew",
    ] {
        assert!(told.contains(step), "{step}: {told}");
    }
    let (order, received) = far.join().unwrap();
    assert_eq!(received, bytes);
    assert_eq!(
        (&order["source"], &order["allow_older"]),
        (&json!("ctl"), &json!(false))
    );
    let expected = ["daemon", "disk", "device reader", "printer printer"];
    let named = |value: &Value| {
        let names = value.as_array().unwrap();
        expected.iter().all(|name| names.contains(&json!(name)))
    };
    assert!(named(&order["expect"]), "{order}");
    let far = FarSide::of(&office);
    assert!(far.has_order("reboot"));
    let trial = fs::read_to_string(far.update.join("trial.json")).unwrap();
    let trial: Value = serde_json::from_str(&trial).unwrap();
    assert!(
        named(&trial["expect"]),
        "judged by what was well at the restart: {trial}"
    );
    assert!(
        office.ctl(&["status"])[0]["panel_text"]
            .as_str()
            .unwrap()
            .contains("is being updated")
    );
}

#[test]
fn a_bundle_that_is_refused_is_told_with_the_reason() {
    let office = office("");
    let (file, _) = bundle(&office);
    let reason = "the bundle is signed by nobody whom this box trusts";
    let far = FarSide::of(&office).serve(Some(reason));
    let (code, told) = came(&office, &["update", &file]);
    far.join().unwrap();
    assert_eq!(code, 1, "{told}");
    assert!(told.contains("refused") && told.contains(reason), "{told}");
    assert_eq!(status(&office)["phase"], "refused");
    let far = FarSide::of(&office);
    assert!(!far.has_order("reboot"));
    let (code, told) = came(&office, &["update", "--cancel"]);
    assert_eq!(code, 0, "{told}");
    assert_eq!(status(&office)["phase"], "idle");
    let (code, told) = came(&office, &["update", "--cancel"]);
    assert_eq!(code, 1);
    assert!(told.contains("no update to cancel"), "{told}");
    let empty = office.file("empty.raucb", b"");
    let (code, told) = came(&office, &["update", &empty.to_string_lossy()]);
    assert_eq!(code, 1);
    assert!(told.contains("0 bytes"), "{told}");
}

#[test]
fn the_restart_waits_for_the_maintenance_window() {
    // It begins in six hours and lasts for one.
    let minute = wait::unix_time().as_secs() / 60 + 6 * 60;
    let time = |minute: u64| format!("{:02}:{:02}", minute / 60 % 24, minute % 60);
    let window = format!("window = \"{}-{}\"\n", time(minute), time(minute + 60));
    let office = office(&window);
    let (file, _) = bundle(&office);
    let far = FarSide::of(&office).serve(None);
    let (code, told) = came(&office, &["update", &file]);
    far.join().unwrap();
    assert_eq!(code, 0, "{told}");
    assert!(
        told.contains("it waits for the maintenance window"),
        "{told}"
    );
    let (code, told) = came(&office, &["update", "--cancel"]);
    assert_eq!(code, 1);
    assert!(told.contains("can't be canceled"), "{told}");
    assert!(!FarSide::of(&office).has_order("reboot"));
    let (code, told) = came(&office, &["reboot"]);
    assert_eq!(code, 0, "{told}");
    assert!(FarSide::of(&office).has_order("reboot"));
}

#[test]
fn a_box_that_fell_back_says_so_until_somebody_has_seen_it() {
    let office = office("");
    let far = FarSide::of(&office);
    far.says("fell-back", 100, "device door did not answer", 9);
    let told = wait::until("the box to tell of it", SOON, || {
        let status = office.ctl(&["status"]).remove(0);
        let modes = status["modes"].as_array().unwrap();
        let told = modes.contains(&json!("update-fell-back"));
        Ok::<_, BedError>(told.then_some(status))
    });
    let text = told.unwrap()["panel_text"].as_str().unwrap().to_owned();
    assert!(text.contains("was undone"), "{text}");
    let (code, told) = came(&office, &["update", "--status"]);
    assert_eq!(code, 0);
    assert!(
        told.contains("fell back to 1.2.2: device door did not answer"),
        "{told}"
    );
    assert_eq!(came(&office, &["update", "--cancel"]).0, 0);
    wait::until("the panel to be silent about it", SOON, || {
        let text = office.ctl(&["status"])[0]["panel_text"].to_string();
        Ok::<_, BedError>((!text.contains("undone")).then_some(()))
    })
    .unwrap();
    fs::write(far.update.join("state.json"), "{\"phase\":\"insta").unwrap();
    wait::until("half a state to be told", SOON, || {
        let reason = status(&office)["reason"].to_string();
        Ok::<_, BedError>(reason.contains("can't be read").then_some(()))
    })
    .unwrap();
}

#[test]
fn a_system_that_is_no_image_takes_no_updates_and_a_box_is_erased_by_its_name_alone() {
    let plain = Office::open();
    let (file, _) = bundle(&plain);
    for args in [
        vec!["update", &file],
        vec!["reboot"],
        vec!["reset", "--factory", "--yes"],
    ] {
        let (code, told) = came(&plain, &args);
        assert_eq!(code, 1, "{told}");
        assert!(told.contains("does not run from an image"), "{told}");
    }
    let office = office("");
    let far = FarSide::of(&office);
    let (code, told) = came(&office, &["reset", "--factory"]);
    assert_eq!(code, 1, "nobody typed the name: {told}");
    assert!(!far.has_order("factory-reset"));
    let (code, told) = came(&office, &["reset", "--factory", "--yes"]);
    assert_eq!(code, 0, "{told}");
    assert!(far.has_order("factory-reset"));
}

#[test]
fn the_health_of_a_box_is_an_exit_status_and_words() {
    let office = Office::open();
    let (code, told) = came(&office, &["health"]);
    assert_eq!(code, 0, "{told}");
    for item in ["daemon", "disk", "device reader", "printer printer"] {
        assert!(told.contains(&format!("ok    {item}")), "{item}: {told}");
    }
    let expect = [
        "health",
        "--expect",
        "device reader",
        "--expect",
        "printer printer",
    ];
    assert_eq!(came(&office, &expect).0, 0);
    let missing = ["health", "--expect", "device hall"];
    let (code, told) = came(&office, &missing);
    assert_eq!(code, 1);
    assert!(
        told.contains("not well: device hall: is not there"),
        "{told}"
    );
    let socket = office.daemon.config().socket();
    let Office {
        daemon,
        printer,
        folder,
    } = office;
    drop(printer);
    let (code, told) = came_at(
        &socket,
        &["health", "--wait", "3", "--expect", "printer printer"],
    );
    assert_eq!(code, 1, "{told}");
    assert!(told.contains("not well: printer printer: "), "{told}");
    assert_eq!(
        came_at(&socket, &["health"]).0,
        0,
        "a printer is not asked for unless it is named"
    );
    daemon.stop().unwrap();
    assert_eq!(came_at(&socket, &["health", "--wait", "1"]).0, 3);
    drop(folder);
}

/// An init system's ear.
struct Ear {
    folder: tempfile::TempDir,
    socket: UnixDatagram,
}

impl Ear {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let socket = UnixDatagram::bind(folder.path().join("notify")).unwrap();
        socket.set_read_timeout(Some(SOON)).unwrap();
        Self { folder, socket }
    }

    /// Starts one of our programs so that it is heard.
    fn start(&self, name: &str, config: &Path) -> Program {
        let mut command = Command::new(own_program(name).unwrap());
        command.arg("--config").arg(config);
        command.env("NOTIFY_SOCKET", self.folder.path().join("notify"));
        command.env("WATCHDOG_USEC", "3000000");
        Program::start(name, command, self.folder.path()).unwrap()
    }

    /// Everything up to a message with a line that begins like this.
    fn hear(&self, wanted: &str) -> Vec<String> {
        let (mut heard, mut buffer) = (Vec::new(), [0; 512]);
        loop {
            let length = self.socket.recv(&mut buffer).unwrap();
            let message = String::from_utf8_lossy(&buffer[..length]).into_owned();
            let found = message.lines().any(|line| line.starts_with(wanted));
            heard.push(message);
            if found {
                return heard;
            }
        }
    }
}

#[test]
fn the_init_system_hears_of_readiness_life_and_end() {
    let ear = Ear::new();
    let config = NodeConfig::new(ear.folder.path(), "socket://127.0.0.1:9").unwrap();
    fs::write(config.file(), config.text()).unwrap();
    let mut program = ear.start("platend", &config.file());
    let start = ear.hear("READY=1");
    let asked = |message: &String| message.starts_with("EXTEND_TIMEOUT_USEC=");
    assert!(start.iter().any(asked), "{start:?}");
    let ready = start.last().unwrap();
    assert!(
        ready.contains("STATUS=") && ready.contains("ipp://"),
        "{ready}"
    );
    (0..3).for_each(|_| drop(ear.hear("WATCHDOG=1")));
    program.stop().unwrap();
    ear.hear("STOPPING=1");
    // Nothing of it needs an init system.
    let daemon = Daemon::start(config).unwrap();
    daemon.stop().unwrap();
}

#[test]
fn the_init_system_hears_of_the_central_server_as_well() {
    let ear = Ear::new();
    let config = CentralConfig::new(ear.folder.path()).unwrap();
    let file = ear.folder.path().join("under-test.toml");
    fs::write(&file, config.text()).unwrap();
    let mut program = ear.start("platen-central", &file);
    ear.hear("READY=1");
    (0..3).for_each(|_| drop(ear.hear("WATCHDOG=1")));
    program.stop().unwrap();
    ear.hear("STOPPING=1");
}
