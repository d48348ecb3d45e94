// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Guests that have booted once and are kept as a file: the next one goes on where that one was
//! stopped, within a second. A state belongs to the files it was made from; others are made anew.

use std::fs::{self, File};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use serde_json::json;

use super::{Guest, GuestOptions, Machine, Qmp};
use crate::daemon::{board_file, source_folder};
use crate::process::{BedError, installed_program};
use crate::wait;

/// States that are kept; the ones used longest ago go first.
const KEPT_MAX: usize = 6;
/// How long writing or reading a state may take: some 150 MB.
const LIMIT: Duration = Duration::from_secs(60);

/// Where a state is kept.
#[derive(Debug)]
pub(super) struct Kept {
    folder: PathBuf,
}

impl Kept {
    /// The place for guests with these options, of the programs as they are now.
    pub(super) fn of(options: &GuestOptions) -> Result<Self, BedError> {
        let machine = options.machine;
        let mut files = machine.programs()?;
        files.push(machine.kernel_folder()?.join("recipe"));
        files.push(board_file(machine.board()));
        // What was done to the guest before it was kept stands in this program.
        files.push(std::env::current_exe().map_err(BedError::io("find the running program"))?);
        Self::from(machine, &files, &options.further)
    }

    /// The place for guests that were made from these files and of these words.
    pub(super) fn from(
        machine: Machine,
        files: &[PathBuf],
        words: &[String],
    ) -> Result<Self, BedError> {
        let mut hasher = DefaultHasher::new();
        words.hash(&mut hasher);
        let qemu = installed_program(machine.qemu())?;
        for file in files.iter().chain([&qemu]) {
            let reading = || BedError::io(format!("look at {}", file.display()));
            let facts = fs::metadata(file).map_err(reading())?;
            (facts.len(), facts.modified().map_err(reading())?).hash(&mut hasher);
        }
        let name = format!("{}-{:016x}", machine.board(), hasher.finish());
        Ok(Self {
            folder: all_states().join(name),
        })
    }

    /// One at a time makes a state or looks for one.
    pub(super) fn lock(&self) -> Result<File, BedError> {
        let locking = || BedError::io(format!("lock {}", all_states().display()));
        fs::create_dir_all(&self.folder).map_err(locking())?;
        let lock = File::create(all_states().join("lock")).map_err(locking())?;
        lock.lock().map_err(locking())?;
        Ok(lock)
    }

    /// The same for states that take long to be made, and start guests from others meanwhile.
    pub(super) fn lock_alone(&self) -> Result<File, BedError> {
        let locking = || BedError::io(format!("lock {}", self.folder.display()));
        fs::create_dir_all(&self.folder).map_err(locking())?;
        let lock = File::create(self.folder.join("lock")).map_err(locking())?;
        lock.lock().map_err(locking())?;
        Ok(lock)
    }

    pub(super) fn is_there(&self) -> bool {
        self.state().is_file()
    }

    /// The folder that the guest was built in: what it boots from must stay as it was.
    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    pub(super) fn state(&self) -> PathBuf {
        self.folder.join("state")
    }

    /// Stops the guest for good and keeps it.
    pub(super) fn keep(&self, guest: Guest) -> Result<(), BedError> {
        self.keep_with(guest, || Ok(()))
    }

    /// The same, with what `more` keeps of it once it has stopped.
    pub(super) fn keep_with(
        &self,
        guest: Guest,
        more: impl FnOnce() -> Result<(), BedError>,
    ) -> Result<(), BedError> {
        let Guest {
            mut program,
            agent,
            mut qmp,
            ..
        } = guest;
        // The next one has a connection of its own.
        drop(agent);
        qmp.ask("stop", json!({}))?;
        qmp.ask("migrate-set-parameters", json!({ "max-bandwidth": 0 }))?;
        let unfinished = self.folder.join("unfinished");
        let to = format!("exec:cat > '{}'", unfinished.display());
        qmp.ask("migrate", json!({ "uri": to }))?;
        wait::until("the guest to be kept", LIMIT, || {
            let answer = qmp.ask("query-migrate", json!({}))?;
            match answer["status"].as_str() {
                Some("completed") => Ok(Some(())),
                Some("failed" | "cancelled") => Err(BedError::Answer {
                    from: "QEMU, asked to keep the guest,".to_owned(),
                    answer: answer.to_string(),
                }),
                _ => Ok(None),
            }
        })?;
        program.kill()?;
        more()?;
        let state = self.state();
        fs::rename(&unfinished, &state)
            .map_err(BedError::io(format!("write {}", state.display())))?;
        forget_old();
        Ok(())
    }
}

/// Lets a guest go on that was started from a state.
pub(super) fn go_on(qmp: &mut Qmp) -> Result<(), BedError> {
    wait::until("the guest to be as it was kept", LIMIT, || {
        let answer = qmp.ask("query-status", json!({}))?;
        Ok((answer["status"] != "inmigrate").then_some(()))
    })?;
    qmp.ask("cont", json!({})).map(drop)
}

fn all_states() -> PathBuf {
    source_folder().join("target/guests")
}

fn forget_old() {
    let entries = fs::read_dir(all_states()).into_iter().flatten().flatten();
    let mut states: Vec<(SystemTime, PathBuf)> = entries
        .filter_map(|entry| Some((entry.metadata().ok()?.modified().ok()?, entry.path())))
        .filter(|(_, path)| path.is_dir())
        .collect();
    states.sort();
    let old = states.len().saturating_sub(KEPT_MAX);
    for (_, folder) in states.into_iter().take(old) {
        // One that stays is forgotten the next time.
        let _ = fs::remove_dir_all(folder);
    }
}
