// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A folder that stands for the root of a box: the overlay's scripts, BusyBox for everything they call,
//! and small programs in place of those that would need a box. What these are called with is written down.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};

use tempfile::TempDir;

/// What a script did.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) ok: bool,
    pub(crate) out: String,
    pub(crate) err: String,
}

/// The root of a box.
pub(crate) struct Bench {
    folder: TempDir,
    /// BusyBox's own shell calls its own parts without looking for them: one that was replaced would be missed.
    own_shell: AtomicBool,
    environment: Vec<(&'static str, String)>,
}

/// The project's folder.
pub(crate) fn project() -> PathBuf {
    fs::canonicalize(Path::new(env!("CARGO_MANIFEST_DIR")).join("..")).unwrap()
}

/// The overlay.
pub(crate) fn overlay() -> PathBuf {
    project().join("buildroot/rootfs-overlay")
}

/// What a program in the place of another does to stand for a cut: the script and all of its parts are gone.
pub(crate) const CUT: &str = "kill -9 0";

/// A program of this machine, or what to do about it.
pub(crate) fn program(name: &str) -> PathBuf {
    let folders =
        ["/usr/bin", "/usr/sbin", "/bin", "/sbin"].map(|folder| Path::new(folder).join(name));
    let found = folders.into_iter().find(|path| path.exists());
    found
        .unwrap_or_else(|| panic!("{name} is not on this machine: install the package that has it"))
}

/// Runs a program to its end.
pub(crate) fn ran(command: &mut Command) -> Ran {
    let output = command
        .output()
        .unwrap_or_else(|error| panic!("{command:?}: {error}"));
    Ran {
        ok: output.status.success(),
        out: String::from_utf8_lossy(&output.stdout).into_owned(),
        err: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

impl Bench {
    /// A box of that board, running version 1.2.3 from slot A.
    pub(crate) fn new(board: &str) -> Self {
        let bench = Self {
            folder: TempDir::new().unwrap(),
            own_shell: AtomicBool::new(true),
            environment: Vec::new(),
        };
        for folder in [
            "data/update",
            "data/rauc",
            "run/platen/orders",
            "boot/firmware/platen",
            "bin",
        ] {
            fs::create_dir_all(bench.at(folder)).unwrap();
        }
        for (place, real) in [
            ("usr/lib/platen", "usr/lib/platen"),
            ("usr/share/platen/node.toml", "usr/share/platen/node.toml"),
        ] {
            fs::create_dir_all(bench.at(place).parent().unwrap()).unwrap();
            symlink(overlay().join(real), bench.at(place)).unwrap();
        }
        let env =
            fs::read_to_string(project().join("board").join(board).join("board.env")).unwrap();
        bench.write("usr/share/platen/board.env", &env);
        bench.write(
            "etc/platen-release",
            &format!("VERSION=1.2.3\nBOARD={board}\nCOMPATIBLE=platen-{board}\n"),
        );
        bench.running("A");
        bench.busybox();
        bench
    }

    /// Every part of BusyBox under its name, and what the scripts call of other packages.
    fn busybox(&self) {
        let busybox = program("busybox");
        let list = ran(Command::new(&busybox).arg("--list"));
        for applet in list.out.lines().chain(["busybox"]) {
            let _ = symlink(&busybox, self.at("bin").join(applet));
        }
        fs::create_dir_all(self.at("usr/bin")).unwrap();
        fs::create_dir_all(self.at("proc/sys/kernel")).unwrap();
        symlink(program("grub-editenv"), self.at("usr/bin/grub-editenv")).unwrap();
    }

    /// The path of a place of the box.
    pub(crate) fn at(&self, place: &str) -> PathBuf {
        self.folder.path().join(place)
    }

    pub(crate) fn write(&self, place: &str, text: &str) {
        let path = self.at(place);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// The text of a file; empty if there is none.
    pub(crate) fn read(&self, place: &str) -> String {
        fs::read_to_string(self.at(place)).unwrap_or_default()
    }

    pub(crate) fn has(&self, place: &str) -> bool {
        self.at(place).symlink_metadata().is_ok()
    }

    /// The kernel was started for that slot.
    pub(crate) fn running(&self, slot: &str) {
        self.write(
            "proc/cmdline",
            &format!("root=/dev/dm-0 ro panic=5 platen.slot={slot} rauc.slot={slot} quiet\n"),
        );
    }

    /// A program in place of a real one: notes what it was called with, then does what `text` says.
    pub(crate) fn stub(&self, name: &str, text: &str) {
        let calls = self.at("calls");
        let text = format!(
            "#!/bin/sh\necho \"{name} $*\" >> '{}'\n{text}\n",
            calls.display()
        );
        let path = self.at("bin").join(name);
        if fs::remove_file(&path).is_ok() {
            self.own_shell.store(false, Ordering::Relaxed);
        }
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    /// What the programs in place of real ones were called with, a call a line.
    pub(crate) fn calls(&self) -> String {
        self.read("calls")
    }

    pub(crate) fn set(&mut self, name: &'static str, value: &str) {
        self.environment.push((name, value.to_owned()));
    }

    fn interpreter(&self) -> Command {
        if self.own_shell.load(Ordering::Relaxed) {
            let mut command = Command::new(program("busybox"));
            command.arg("ash");
            command
        } else {
            Command::new(program("sh"))
        }
    }

    /// Runs a script of the overlay.
    pub(crate) fn run(&self, script: &str, arguments: &[&str]) -> Ran {
        let mut command = self.interpreter();
        command
            .arg(overlay().join("usr/lib/platen").join(script))
            .args(arguments);
        ran(self.boxed(&mut command))
    }

    /// Runs words of the shell after those of `update-state.sh`.
    pub(crate) fn shell(&self, words: &str) -> Ran {
        let mut command = Command::new(program("busybox"));
        let script = format!(
            ". {}; {words}",
            overlay().join("usr/lib/platen/update-state.sh").display()
        );
        command.args(["ash", "-c", &script]);
        ran(self.boxed(&mut command))
    }

    fn boxed<'c>(&self, command: &'c mut Command) -> &'c mut Command {
        command
            .process_group(0)
            .env_clear()
            .env("PATH", self.at("bin"))
            .env("PLATEN_ROOT", self.folder.path())
            .env("PLATEN_PAUSE_S", "0")
            .envs(self.environment.iter().map(|(name, value)| (*name, value)))
    }

    /// A text of `state.json`.
    pub(crate) fn state(&self, key: &str) -> String {
        let state: serde_json::Value =
            serde_json::from_str(&self.read("data/update/state.json")).unwrap();
        match &state[key] {
            serde_json::Value::String(text) => text.clone(),
            other => other.to_string(),
        }
    }
}
