// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A disk written with the image, and the guests that start from it one after the other.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use platen_bed::process::{BedError, installed_program, run};
use platen_bed::qemu::{Disk, Guest, ImageOptions, LAN_PRINTER, Partition, Start};
use platen_bed::sender::{Sent, send};
use platen_bed::wait;
use tempfile::TempDir;

use crate::box_in_guest::GuestBox;

/// The disk that a person wrote the image to.
const DISK_MIB: u64 = 900;
/// The header of LUKS2 and a little of what comes behind it.
const HEADER_BYTES: u64 = 17 << 20;
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

    /// A box in use, up and running: its first start was found good, it knows [`USER`], and keeps the job
    /// [`JOB`] for that user. Made once, then kept.
    pub(crate) fn in_use() -> (Self, GuestBox) {
        let image = image(VERSION);
        let folder = TempDir::new().unwrap();
        let mut options = ImageOptions::new(Start::Kept);
        options.paper = Some(folder.path().join("paper"));
        // Its disk is copied after it has been prepared.
        let mut first = None;
        let prepare = || {
            let machine = first.insert(Self::of(&image));
            machine.use_lan_printer();
            let mut guest = machine.start(Start::Kept);
            put_to_use(&mut guest);
            Ok((guest, machine.disk.clone()))
        };
        let place = folder.path().join("guest-0");
        let prepared = Guest::prepared_image(&place, &image, &options, prepare);
        let (guest, disk) = prepared.unwrap_or_else(|error| panic!("{error}"));
        let machine = Self {
            disk,
            image,
            folder,
            starts: 0,
        };
        (machine, GuestBox::around(guest, TempDir::new().unwrap()))
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
        let started = self.try_start(options);
        started.unwrap_or_else(|error| panic!("{error}"))
    }

    /// The same for a box that may not start.
    pub(crate) fn try_start(&mut self, options: &ImageOptions) -> Result<Guest, BedError> {
        self.starts += 1;
        let folder = self.folder.path().join(format!("guest-{}", self.starts));
        let mut options = options.clone();
        options.paper = Some(self.paper());
        Guest::start_image(&folder, &self.image, &self.disk, &options)
    }

    /// Switches it on and waits until its daemon answers.
    pub(crate) fn open(&mut self, start: Start) -> GuestBox {
        sit_down(self.start(start))
    }

    /// The same with further words for QEMU.
    pub(crate) fn open_with(&mut self, options: &ImageOptions) -> GuestBox {
        sit_down(self.start_with(options))
    }

    /// What the printer in the network has been sent, in all its life.
    pub(crate) fn printed(&self) -> Vec<u8> {
        std::fs::read(self.paper()).unwrap_or_default()
    }

    fn paper(&self) -> PathBuf {
        self.folder.path().join("paper")
    }
}

/// The only user of a box in use, and the document that waits for this user there.
pub(crate) const USER: &str = "somebody";
pub(crate) const JOB: &str = "kept-over-updates";

fn put_to_use(guest: &mut Guest) {
    await_ready(guest);
    guest
        .import_users(&format!("{USER},,04A1B2C3D4E5F6\n"))
        .unwrap();
    let sent = send(guest.ipp(), USER, JOB, 9_000);
    assert!(matches!(sent, Sent::Accepted(_)), "{sent:?}");
    await_examined(guest);
}

/// Waits until this start has been found a good one, or not.
pub(crate) fn await_examined(guest: &mut Guest) {
    let unit = "platen-health.service";
    let over = ["/bin/systemctl", "show", "-P", "SubState", unit];
    let waited = guest.wait_for(&over, "dead\n", LONG);
    waited.unwrap_or_else(|error| panic!("{error}\n{}", journal(guest)));
}

/// Waits until the box restarts, which ends QEMU.
pub(crate) fn await_end(guest: &mut Guest) {
    if !ends_within(guest, LONG) {
        panic!("no restart:\n{}", journal(guest));
    }
}

/// Whether it restarts within that time.
pub(crate) fn ends_within(guest: &mut Guest, limit: Duration) -> bool {
    let ended = wait::until("the restart", limit, || Ok((!guest.runs()?).then_some(())));
    ended.is_ok()
}

/// Waits until the daemon of a guest that starts answers.
pub(crate) fn sit_down(mut guest: Guest) -> GuestBox {
    await_ready(&mut guest);
    GuestBox::around(guest, TempDir::new().unwrap())
}

/// Waits until the daemon has told systemd that clients can print.
pub(crate) fn await_ready(guest: &mut Guest) {
    let waited = guest.await_ready(LONG);
    waited.unwrap_or_else(|error| panic!("{error}\n{}", journal(guest)));
}

/// A copy of the header of LUKS, beside the disk.
pub(crate) fn header_of_data(disk: &Disk) -> PathBuf {
    let (start, _) = disk.place(Partition::Data).unwrap();
    let header = disk.path().with_extension("header");
    let mut file = File::open(disk.path()).unwrap();
    file.seek(SeekFrom::Start(start)).unwrap();
    let mut copy = File::create(&header).unwrap();
    std::io::copy(&mut file.take(HEADER_BYTES), &mut copy).unwrap();
    header
}

/// What a header says.
pub(crate) fn luks_dump(header: &Path) -> String {
    let cryptsetup = installed_program("cryptsetup").unwrap();
    run(Command::new(cryptsetup).arg("luksDump").arg(header)).unwrap()
}

/// The journal of this start, without the kernel's part: why something did not come.
pub(crate) fn journal(guest: &mut Guest) -> String {
    let why = ["-o", "short-monotonic", "-t", "systemd", "-t", "platend"];
    journal_of(guest, &why).unwrap_or_else(|error| error.to_string())
}

/// The lines of this start that `words` of journalctl choose.
pub(crate) fn journal_of(guest: &mut Guest, words: &[&str]) -> Result<String, BedError> {
    let argv = [&["/bin/journalctl", "-b", "--no-pager"], words].concat();
    Ok(guest.run(&argv, LONG)?.out)
}

/// The version of the image that is built for the tests first.
pub(crate) const VERSION: &str = include_str!("../../buildroot/VERSION");

/// The folder of a build of the image.
pub(crate) fn image(version: &str) -> PathBuf {
    let mut folder = built(version.trim(), "disk.img");
    folder.pop();
    folder
}

/// A file of a build of the image.
pub(crate) fn built(version: &str, name: &str) -> PathBuf {
    let builds = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/image-test");
    let file = builds.join(version).join(name);
    let hint = "`make image-for-tests` builds it, as `make test` does";
    assert!(file.is_file(), "{}: {hint}", file.display());
    file
}

/// How often something is tried: as `make image-test` has it, or a part of that, which `make test` has time
/// for. Says so.
pub(crate) fn tries(full: usize, part: usize) -> usize {
    let all = std::env::var("PLATEN_CUTS").is_ok_and(|word| word == "full");
    let tries = if all { full } else { part };
    println!("{tries} of {full} tries (PLATEN_CUTS=full, as in `make image-test`: all)");
    tries
}
