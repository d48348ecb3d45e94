// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A disk written with the image, and the guests that start from it one after the other.

use std::path::{Path, PathBuf};
use std::time::Duration;

use platen_bed::qemu::{Disk, Guest, ImageOptions, LAN_PRINTER, Partition, Start};
use tempfile::TempDir;

use crate::box_in_guest::GuestBox;

/// The disk that a person wrote the image to.
const DISK_MIB: u64 = 900;
/// What may take long on an emulated processor.
pub(crate) const LONG: Duration = Duration::from_secs(240);

/// A box: its disk, the printer in its network, and where its guests have their folders.
pub(crate) struct BoxDisk {
    pub(crate) disk: Disk,
    pub(crate) image: PathBuf,
    pub(crate) folder: TempDir,
    starts: usize,
}

impl BoxDisk {
    /// A disk with the image as it was built last.
    pub(crate) fn new() -> Self {
        Self::of(&image(VERSION))
    }

    /// A disk with the image of that build.
    pub(crate) fn of(image: &Path) -> Self {
        let folder = TempDir::new().unwrap();
        let to = folder.path().join("disk.img");
        let disk = Disk::copy(&image.join("disk.img"), &to, DISK_MIB);
        Self {
            disk: disk.unwrap(),
            image: image.to_owned(),
            folder,
            starts: 0,
        }
    }

    /// The same disk once more, for another box.
    pub(crate) fn duplicate(&self) -> Self {
        let folder = TempDir::new().unwrap();
        let disk = self.disk.duplicate(&folder.path().join("disk.img"));
        Self {
            disk: disk.unwrap(),
            image: self.image.clone(),
            folder,
            starts: 0,
        }
    }

    /// What an administrator does before the first start: names the printer in the network.
    pub(crate) fn use_lan_printer(&self) {
        let text = format!(
            "[web]\n\n[[printer]]\nname = \"hall\"\nuri = \"{LAN_PRINTER}\"\npjl_status = false\n"
        );
        let written = self
            .disk
            .write(Partition::Firmware, "platen/node.toml", &text);
        written.unwrap();
    }

    /// Switches the box on.
    pub(crate) fn start(&mut self, start: Start) -> Guest {
        self.start_with(&ImageOptions::new(start))
    }

    /// Switches it on, with further words for QEMU.
    pub(crate) fn start_with(&mut self, options: &ImageOptions) -> Guest {
        self.starts += 1;
        let folder = self.folder.path().join(format!("guest-{}", self.starts));
        let mut options = options.clone();
        options.paper = Some(self.paper());
        let guest = Guest::start_image(&folder, &self.image, &self.disk, &options);
        guest.unwrap_or_else(|error| panic!("{error}"))
    }

    /// Switches it on and waits until its daemon answers.
    pub(crate) fn open(&mut self, start: Start) -> GuestBox {
        let mut guest = self.start(start);
        await_ready(&mut guest);
        GuestBox::around(guest, TempDir::new().unwrap())
    }

    /// What the printer in the network has been sent, in all its life.
    pub(crate) fn printed(&self) -> Vec<u8> {
        std::fs::read(self.paper()).unwrap_or_default()
    }

    fn paper(&self) -> PathBuf {
        self.folder.path().join("paper")
    }
}

/// Waits until the daemon has told systemd that clients can print.
pub(crate) fn await_ready(guest: &mut Guest) {
    let ready = [
        "/bin/systemctl",
        "show",
        "--property=ActiveState",
        "platend.service",
    ];
    let waited = guest.wait_for(&ready, "=active\n", LONG);
    waited.unwrap_or_else(|error| panic!("{error}\n{}", journal(guest)));
}

/// The journal of this start, without the kernel's part.
pub(crate) fn journal(guest: &mut Guest) -> String {
    let argv = [
        "/bin/journalctl",
        "-b",
        "--no-pager",
        "-o",
        "short-monotonic",
        "-t",
        "systemd",
        "-t",
        "platend",
    ];
    guest
        .run(&argv, LONG)
        .map_or_else(|error| error.to_string(), |ran| ran.out)
}

/// The version of the image that is built for the tests first.
pub(crate) const VERSION: &str = include_str!("../../buildroot/VERSION");

/// The folder of a build of the image.
pub(crate) fn image(version: &str) -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/image-test");
    let folder = root.join(version.trim());
    let hint = "`make image-for-tests` builds it, as `make test` does";
    assert!(
        folder.join("disk.img").is_file(),
        "{}: {hint}",
        folder.display()
    );
    folder
}

/// How often something is tried: as `make image-test` has it, or a part of that, which `make test` has time
/// for. Says so.
pub(crate) fn tries(full: usize, part: usize) -> usize {
    let all = std::env::var("PLATEN_CUTS").is_ok_and(|word| word == "full");
    let tries = if all { full } else { part };
    println!("{tries} of {full} tries (PLATEN_CUTS=full, as in `make image-test`: all)");
    tries
}
