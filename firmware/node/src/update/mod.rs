// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Updates of the box's image, as far as the daemon has a part in them: it takes a bundle (from the
//! centre, from `platenctl`), orders its installation from the side with the rights for it, tells how
//! far that is, and chooses the moment of the restart. It never looks into a bundle: whose it is and
//! whether it fits is not the daemon's to judge.
//!
//! `machine` is what follows from what, `incoming` a bundle on its way, `orders` the files by which the
//! other side is asked, `watch` the loop. On a system without the folder there are no updates.

mod incoming;
mod machine;
mod orders;
#[cfg(test)]
mod tests;
mod upload;
mod watch;

use std::fs;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use platen_model::local::UpdateStatus;
use platen_model::{Clock, Window};
use platen_policy::update::Wish;
use thiserror::Error;

pub(crate) use self::incoming::Incoming;
use self::machine::Machine;
pub(crate) use self::machine::Source;
use self::upload::Upload;
pub(crate) use self::watch::{run, run_aside};
use crate::config::UpdateConfig;
use crate::installed::Installed;

/// The largest bundle: more than both slots together hold.
pub(crate) const BUNDLE_BYTES_MAX: u64 = 256 << 20;
/// What stays free beside a bundle, for jobs and the journal.
const ROOM_BESIDE: u64 = 64 << 20;

/// A bundle, where the folder has it whole.
const BUNDLE: &str = "bundle.raucb";
/// Where the other side says how far it is.
const STATE: &str = "state.json";
/// The start in which an installation was first seen whole.
const NOTE: &str = "installed.note";
/// Ending of bundles that are not whole.
const PART: &str = "part";
const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";

/// What a bundle is begun with.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) source: Source,
    /// Bytes of the bundle.
    pub(crate) size: u64,
    /// Its SHA-256, where that is known before; then what came of it before goes on from there.
    pub(crate) sha256: Option<[u8; 32]>,
    /// When the box starts anew; without a window of its own the one of the configuration holds.
    pub(crate) wish: Wish,
    /// Whether an older version than the running one is taken.
    pub(crate) allow_older: bool,
}

/// Why there is no update. Each sentence says what to do.
#[derive(Debug, Error)]
#[non_exhaustive]
pub(crate) enum UpdateError {
    #[error(
        "this box does not run from an image of ours: there is no {}; update its packages instead",
        .0.display()
    )]
    Off(PathBuf),
    #[error("an update is under way: {0}; 'platenctl update --status' tells how far it is")]
    Busy(&'static str),
    #[error("the bundle has {0} bytes; a bundle has 1 to {BUNDLE_BYTES_MAX}")]
    Size(u64),
    #[error(
        "the bundle needs {need} MiB and {free} MiB are free; delete jobs that wait, or wait until they have expired"
    )]
    NoRoom { need: u64, free: u64 },
    #[error("the update was canceled")]
    Canceled,
    #[error("the bundle is longer or shorter than it was said to be")]
    Length,
    #[error("the bundle did not arrive as it was sent: its SHA-256 is another; send it again")]
    Sum,
    #[error("the installation has begun and can't be canceled any more")]
    TooLate,
    #[error("there is no update to cancel")]
    Nothing,
    #[error("a piece is not behind the one before")]
    Piece,
    #[error("the update's folder can't be written to")]
    Disk(#[from] io::Error),
}

/// The daemon's part in updates. Everything here that takes a bundle blocks.
pub(crate) struct Updates {
    folder: PathBuf,
    orders: PathBuf,
    window: Option<Window>,
    clock: Arc<dyn Clock>,
    installed: Installed,
    machine: Mutex<Machine>,
    upload: Mutex<Option<Upload>>,
    /// Whoever changed something wants it looked at.
    stirred: (smol::channel::Sender<()>, smol::channel::Receiver<()>),
}

impl Updates {
    /// Looks what the other side said before this start.
    pub(crate) fn open(
        config: &UpdateConfig,
        window: Option<Window>,
        installed: Installed,
        clock: Arc<dyn Clock>,
    ) -> Arc<Self> {
        let boot = this_start(&*clock);
        let note = fs::read_to_string(config.folder.join(NOTE)).unwrap_or_default();
        let machine = Machine::new(installed.slot.clone(), &boot, &note);
        let updates = Self {
            folder: config.folder.clone(),
            orders: config.orders.clone(),
            window,
            clock,
            installed,
            machine: Mutex::new(machine),
            upload: Mutex::default(),
            stirred: smol::channel::bounded(1),
        };
        if updates.is_on() {
            updates.look();
        }
        Arc::new(updates)
    }

    /// Whether this box takes updates: it runs from an image.
    pub(crate) fn is_on(&self) -> bool {
        self.folder.is_dir()
    }

    /// Which release runs.
    pub(crate) fn installed(&self) -> &Installed {
        &self.installed
    }

    /// How far the last update has come.
    pub(crate) fn state(&self) -> UpdateStatus {
        let now = self.clock.now().elapsed;
        let told = self.machine().tell(now);
        UpdateStatus {
            on: self.is_on(),
            running: self.installed.version.clone(),
            slot: self.installed.slot.clone(),
            ..told
        }
    }

    /// What is degraded by it, one keyword each.
    pub(crate) fn modes(&self) -> Option<&'static str> {
        (self.state().phase == platen_model::UpdatePhase::FellBack).then_some("update-fell-back")
    }

    /// Takes back what is not being installed yet; an update that has ended is not told of any more.
    pub(crate) fn cancel(&self) -> Result<(), UpdateError> {
        self.on()?;
        let now = self.clock.now().elapsed;
        let forget = self.machine().cancel(now)?;
        *self.upload() = None;
        self.clear_parts(None)?;
        orders::take_back(&self.orders)?;
        remove(&self.folder.join(BUNDLE))?;
        if forget {
            remove(&self.folder.join(STATE))?;
        }
        self.look();
        self.stir();
        Ok(())
    }

    /// Has the box started anew.
    pub(crate) fn restart(&self) -> Result<(), UpdateError> {
        self.on()?;
        Ok(orders::restart(&self.orders)?)
    }

    /// Has everything on the box erased.
    pub(crate) fn factory_reset(&self) -> Result<(), UpdateError> {
        self.on()?;
        Ok(orders::factory_reset(&self.orders)?)
    }

    fn on(&self) -> Result<(), UpdateError> {
        match self.is_on() {
            true => Ok(()),
            false => Err(UpdateError::Off(self.folder.clone())),
        }
    }

    /// Reads what the other side says. Blocks for a short file.
    fn look(&self) {
        let seen = orders::read_state(&self.folder.join(STATE));
        let now = self.clock.now().elapsed;
        self.machine().see(seen, now);
    }

    /// Removes bundles that are not whole, but the one that goes on.
    fn clear_parts(&self, but: Option<&str>) -> io::Result<()> {
        for entry in fs::read_dir(&self.folder)? {
            let path = entry?.path();
            let name = path.file_name().and_then(|name| name.to_str());
            if path.extension().is_some_and(|ending| ending == PART) && name != but {
                remove(&path)?;
            }
        }
        Ok(())
    }

    /// Something has changed that the loop should look at.
    fn stir(&self) {
        // A stir that waits is enough.
        let _ = self.stirred.0.try_send(());
    }

    fn machine(&self) -> MutexGuard<'_, Machine> {
        self.machine.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn upload(&self) -> MutexGuard<'_, Option<Upload>> {
        self.upload.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Names this start of the system; where that can't be told, this start of the daemon: then a restart
/// that may have been tried before is not tried again.
fn this_start(clock: &dyn Clock) -> String {
    let id = fs::read_to_string(BOOT_ID).unwrap_or_default();
    match id.trim() {
        "" => format!("daemon-{}-{}", std::process::id(), clock.now().unix_ms),
        id => id.to_owned(),
    }
}

/// Removes a file that need not be there.
fn remove(path: &std::path::Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
