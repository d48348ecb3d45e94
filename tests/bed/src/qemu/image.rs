// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Guests that start the box's own image from its disk: by the firmware and GRUB as a PC does, or by the
//! kernel alone, kept from just before it looks at the disk, which is three times as quick.

use std::fs;
use std::io::{BufReader, ErrorKind};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use platen_guest::protocol::{Request, START_PORT, send_request, take_reply};
use rustix::time::{ClockId, clock_gettime};

use super::archive::{self, Archive};
use super::{Disk, Guest, Machine, Wires, kept, wired};
use crate::cups::free_address;
use crate::process::{BedError, installed_program, own_program};
use crate::qemu::kept::Kept;

/// How an image's clock runs: it counts the guest's instructions, however busy this machine is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Clock {
    /// 4 ns an instruction: what takes long here takes long enough for a person's patience.
    Patient,
    /// 1 ns an instruction, 1,000 million a second: about one core of four of a Raspberry Pi Zero 2 W.
    /// For measuring.
    Board,
}

impl Clock {
    fn words(self) -> &'static str {
        match self {
            Self::Patient => "shift=2",
            Self::Board => "shift=0",
        }
    }
}

/// The bed's own program beside an image: `platen_guest::initrd`.
const OWN: &str = "/run/guest/platen-guest";
/// How long an image may take until its agent answers, on a busy machine.
const START_LIMIT: Duration = Duration::from_secs(600);
/// Where a box with [`ImageOptions::paper`] finds a printer in its network.
pub const LAN_PRINTER: &str = "socket://10.0.2.100:9100";
const OVMF: &str = "/usr/share/OVMF";

/// How an image is started.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Start {
    /// UEFI, GRUB, the slot's kernel: all from the disk.
    Firmware,
    /// The kernel from its beginning, as a boot loader starts it, with what brings the agent in; then
    /// everything from the disk, in the slot that GRUB would take.
    Kernel,
    /// The kernel and what brings the agent in, as kept; then everything from the disk, in the slot that
    /// GRUB would take.
    Kept,
}

/// What a guest with an image has besides.
#[derive(Clone, Debug)]
pub struct ImageOptions {
    /// How it starts.
    pub start: Start,
    /// QEMU's cache mode of the disk.
    pub cache: &'static str,
    /// Its clock.
    pub clock: Clock,
    /// File to which a printer in the box's network appends what it is sent: it survives the box's end.
    pub paper: Option<PathBuf>,
    /// Its wire in the house's network, instead of the network that QEMU makes up. Not with
    /// [`Start::Kept`]: a kept guest can't go on at another kind of network.
    pub wires: Option<Arc<Wires>>,
    /// Further words for QEMU. `{folder}` stands for the guest's folder.
    pub further: Vec<String>,
}

impl ImageOptions {
    /// A start of that kind, the disk written as a page cache does.
    #[must_use]
    pub fn new(start: Start) -> Self {
        Self {
            start,
            cache: "writeback",
            clock: Clock::Patient,
            paper: None,
            wires: None,
            further: Vec::new(),
        }
    }
}

impl Guest {
    /// Starts the image on `disk`, of the build in `image`, and waits for its agent.
    ///
    /// # Errors
    /// [`BedError::Missing`] for what is not built or installed; else with the console's end.
    pub fn start_image(
        folder: &Path,
        image: &Path,
        disk: &Disk,
        options: &ImageOptions,
    ) -> Result<Self, BedError> {
        super::make(folder)?;
        let mut guest = match options.start {
            Start::Firmware => by_firmware(folder, disk, options)?,
            Start::Kernel => by_kernel(folder, image, disk, options)?,
            Start::Kept => from_kept(folder, image, disk, options)?,
        };
        guest.own = OWN;
        guest.await_agent_within(START_LIMIT)?;
        Ok(guest)
    }

    /// A guest as `prepare` left one, which is made once for all tests of this program and this image: it
    /// goes on from there, on a disk of its own in `folder`. `prepare` has to start it by [`Start::Kept`],
    /// with the same `options`.
    ///
    /// # Errors
    /// As [`Guest::start_image`], and what `prepare` failed with.
    pub fn prepared_image(
        folder: &Path,
        image: &Path,
        options: &ImageOptions,
        prepare: impl FnOnce() -> Result<(Self, Disk), BedError>,
    ) -> Result<(Self, Disk), BedError> {
        let files = image_files(image)?;
        let program = std::env::current_exe().map_err(BedError::io("find the running program"))?;
        let facts = [files.to_vec(), vec![image.join("disk.img"), program]].concat();
        let kept = Kept::from(Machine::X86_64, &facts, &options.further)?;
        let lock = kept.lock_alone()?;
        let place = kept.folder().join("disk.img");
        if !kept.is_there() {
            let (guest, disk) = prepare()?;
            let unfinished = kept.folder().join("disk.unfinished");
            kept.keep_with(guest, || {
                disk.duplicate(&unfinished)?;
                fs::rename(&unfinished, &place).map_err(BedError::io("keep a disk"))
            })?;
        }
        super::make(folder)?;
        let disk = Disk::copy(&place, &folder.join("disk.img"), 0)?;
        let mut guest = held(folder, disk.path(), &files, options, Some(&kept.state()))?;
        kept::go_on(&mut guest.qmp)?;
        drop(lock);
        guest.own = OWN;
        guest.await_agent_within(START_LIMIT)?;
        Ok((guest, disk))
    }

    /// Whether QEMU runs: a guest that switches itself off or starts anew ends it.
    ///
    /// # Errors
    /// The system's own.
    pub fn runs(&mut self) -> Result<bool, BedError> {
        Ok(self.program.exit_status()?.is_none())
    }
}

fn by_firmware(folder: &Path, disk: &Disk, options: &ImageOptions) -> Result<Guest, BedError> {
    let (code, vars) = (format!("{OVMF}/OVMF_CODE.fd"), folder.join("vars.fd"));
    let copying = BedError::io(format!("copy {OVMF}/OVMF_VARS.fd"));
    fs::copy(format!("{OVMF}/OVMF_VARS.fd"), &vars).map_err(copying)?;
    let ipp = free_address()?;
    let mut command = with_disk(folder, disk.path(), options, ipp)?;
    command
        .arg("-drive")
        .arg(format!("if=pflash,format=raw,readonly=on,file={code}"))
        .arg("-drive")
        .arg(format!("if=pflash,format=raw,file={}", vars.display()));
    Guest::attach(command, folder, ipp)
}

fn by_kernel(
    folder: &Path,
    image: &Path,
    disk: &Disk,
    options: &ImageOptions,
) -> Result<Guest, BedError> {
    let [kernel, initrd] = image_files(image)?;
    let ipp = free_address()?;
    let mut command = with_disk(folder, disk.path(), options, ipp)?;
    let words = disk.words(disk.next_slot()?)?;
    command
        .arg("-kernel")
        .arg(kernel)
        .arg("-initrd")
        .arg(initrd);
    command.args(["-append", &words]);
    Guest::attach(command, folder, ipp)
}

fn from_kept(
    folder: &Path,
    image: &Path,
    disk: &Disk,
    options: &ImageOptions,
) -> Result<Guest, BedError> {
    let kernel = Machine::X86_64.kernel_folder()?.join("vmlinuz");
    let files = [kernel, image.join("initrd.img")];
    let words = [&[options.clock.words().to_owned()], &options.further[..]].concat();
    let kept = Kept::from(Machine::X86_64, &files, &words)?;
    let lock = kept.lock()?;
    if !kept.is_there() {
        let blank = kept.folder().join("blank");
        let file = fs::File::create(&blank).map_err(BedError::io("make an empty disk"))?;
        file.set_len(1 << 20)
            .map_err(BedError::io("make an empty disk"))?;
        let guest = held(kept.folder(), &blank, &files, options, None)?;
        tell_first(
            kept.folder(),
            &Request::Read {
                path: "/proc/version".to_owned(),
            },
        )?;
        kept.keep(guest)?;
    }
    let mut guest = held(folder, disk.path(), &files, options, Some(&kept.state()))?;
    kept::go_on(&mut guest.qmp)?;
    drop(lock);
    let proceed = Request::Proceed {
        unix_ms: now_unix_ms(),
        words: disk.words(disk.next_slot()?)?,
    };
    tell_first(folder, &proceed)?;
    Ok(guest)
}

/// What a kept start begins with: kernel and first file system.
fn image_files(image: &Path) -> Result<[PathBuf; 2], BedError> {
    let kernel = Machine::X86_64.kernel_folder()?.join("vmlinuz");
    Ok([kernel, image.join("initrd.img")])
}

/// Asks the image's first program, which waits.
fn tell_first(folder: &Path, ask: &Request) -> Result<(), BedError> {
    let asking = || BedError::io("ask the image's first program");
    let stream = super::qmp::connect(&folder.join("start.sock"))?;
    stream
        .set_read_timeout(Some(START_LIMIT))
        .map_err(asking())?;
    send_request(&stream, ask, &[]).map_err(asking())?;
    let reply = take_reply(BufReader::new(&stream)).map_err(asking())?;
    reply
        .map(drop)
        .ok_or_else(|| asking()(ErrorKind::UnexpectedEof.into()))
}

/// A guest whose kernel waits before it looks at the disk.
fn held(
    folder: &Path,
    disk: &Path,
    [kernel, initrd]: &[PathBuf; 2],
    options: &ImageOptions,
    state: Option<&Path>,
) -> Result<Guest, BedError> {
    let ipp = free_address()?;
    let mut command = with_disk(folder, disk, options, ipp)?;
    command
        .arg("-chardev")
        .arg(format!(
            "socket,id=start,path={}/start.sock,server=on,wait=off",
            folder.display()
        ))
        .arg("-device")
        .arg(format!("virtserialport,chardev=start,name={START_PORT}"))
        .args([
            "-append",
            "console=ttyS0 quiet panic=-1 platen.hold",
            "-kernel",
        ])
        .arg(kernel)
        .arg("-initrd")
        .arg(initrd);
    if let Some(state) = state {
        let from = format!("exec:cat '{}'", state.display());
        command.args(["-incoming", &from]);
    }
    Guest::attach(command, folder, ipp)
}

fn with_disk(
    folder: &Path,
    disk: &Path,
    options: &ImageOptions,
    ipp: std::net::SocketAddr,
) -> Result<std::process::Command, BedError> {
    let mut network = super::user_network(ipp);
    if let Some(paper) = &options.paper {
        network += &lan_printer(paper)?;
    }
    let mut command = match &options.wires {
        None => wired(folder, Machine::X86_64, &network)?,
        Some(wires) => wires.inside(&wired(folder, Machine::X86_64, &Wires::house())?),
    };
    command
        .args(["-icount", options.clock.words(), "-m", "640", "-drive"])
        .arg(format!(
            "file={},format=raw,if=none,id=disk,cache={}",
            disk.display(),
            options.cache
        ))
        .args(["-device", "virtio-blk-pci,drive=disk,bootindex=1"])
        // A kept guest that goes on is told that it is another one: its random numbers differ.
        .args(["-device", "vmgenid,guid=auto", "-device", "virtio-rng-pci"])
        .args(super::in_folder(&options.further, folder));
    Ok(command)
}

/// QEMU's words for a printer at [`LAN_PRINTER`] that writes to `paper`, a connection after the other.
fn lan_printer(paper: &Path) -> Result<String, BedError> {
    let program = paper.with_extension("printer");
    let text = format!("#!/bin/sh\nexec cat >> '{}'\n", paper.display());
    let writing = || BedError::io(format!("write {}", program.display()));
    fs::write(&program, text).map_err(writing())?;
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).map_err(writing())?;
    let address = LAN_PRINTER.trim_start_matches("socket://");
    Ok(format!(",guestfwd=tcp:{address}-cmd:{}", program.display()))
}

fn now_unix_ms() -> u64 {
    let now = clock_gettime(ClockId::Realtime);
    let millis = now.tv_sec * 1000 + now.tv_nsec / 1_000_000;
    u64::try_from(millis).unwrap_or(0)
}

/// Writes the first file system of a guest that starts an image: what finds the root, and the agent.
///
/// # Errors
/// [`BedError::Missing`] for what is not built or installed, [`BedError::Io`].
pub fn write_initrd(path: &Path) -> Result<(), BedError> {
    let kernel = Machine::X86_64.kernel_folder()?;
    let mut archive = Archive::default();
    for name in ["dev", "proc", "sys", "run", "tmp", "new"] {
        archive.folder(Path::new(name));
    }
    let programs = [
        own_program("platen-guest")?,
        installed_program("dmsetup")?,
        installed_program("blkid")?,
    ];
    let scratch = path.parent().unwrap_or_else(|| Path::new("."));
    archive::add_programs(&mut archive, Machine::X86_64.target(), &programs, scratch)?;
    archive.copy(Path::new("init"), &programs[0])?;
    for folder in ["modules", "disk"] {
        archive.copy_folder(Path::new(folder), &kernel.join(folder))?;
    }
    fs::write(path, archive.finish()).map_err(BedError::io(format!("write {}", path.display())))
}
