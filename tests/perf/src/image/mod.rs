// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The box's image in a guest: how long it starts, what it needs of memory, how large it is. Times are
//! the guest's, whose processor does 1,000 million instructions a second: one core of a small board.

mod memory;

use std::error::Error;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use platen_bed::qemu::{
    Clock, Disk, Guest, ImageOptions, LAN_PRINTER, Partition, Start, StartTimes,
};
use platen_bed::sender::{Sent, send};
use platen_bed::wait;
use serde::Serialize;

pub use self::memory::Memory;

use crate::measure::mebibytes;

/// What the image may have without a kiosk, in bytes: the bundle, which is what a slot takes over.
const BUNDLE_MAX: u64 = 64 << 20;
/// Until READY, from the start of systemd.
const READY_MAX: Duration = Duration::from_secs(5);
const DISK_MIB: u64 = 900;
/// Clients with a job each, all at once; how large it is.
const CLIENTS: usize = 50;
const OCTETS: usize = 200_000;
/// From client to client: what QEMU forwards into the guest is reset by the host where two wait to be forwarded. A job takes
/// a hundred times as long.
const GAP: Duration = Duration::from_millis(30);
const CARD: &str = "04C0FFEE";
/// What may take long on an emulated processor.
const LONG: Duration = Duration::from_secs(240);

/// What it all gave.
#[derive(Clone, Debug, Serialize)]
pub struct ImageRun {
    /// Seconds from init's start to READY, at the first start of all and at a later one.
    pub ready_s: [f64; 2],
    /// Seconds from the kernel's start to systemd's, at the later one.
    pub kernel_s: f64,
    /// Seconds from the kernel's start until the job of the card that lay on the reader was printed.
    pub first_tap_s: f64,
    /// What the image is made of, and its bytes.
    pub sizes: Vec<(String, u64)>,
    /// Memory of all processes, quiet.
    pub idle: Memory,
    /// The same while jobs came in from [`CLIENTS`].
    pub loaded: Memory,
}

/// Makes the image of the release programs and starts it twice.
///
/// # Errors
/// When something does not start, or does not do what it should.
pub fn run(work: &Path) -> Result<ImageRun, Box<dyn Error>> {
    let image = make(work)?;
    let folder = tempfile::TempDir::new_in(work)?;
    let disk = Disk::copy(
        &image.join("disk.img"),
        &folder.path().join("disk.img"),
        DISK_MIB,
    )?;
    let settings = format!(
        "[web]\n\n[[printer]]\nname = \"hall\"\nuri = \"{LAN_PRINTER}\"\npjl_status = false\n"
    );
    disk.write(Partition::Firmware, "platen/node.toml", &settings)?;
    let mut options = ImageOptions::new(Start::Kernel);
    options.clock = Clock::Board;
    options.paper = Some(folder.path().join("paper"));
    let start = |name: &str| Guest::start_image(&folder.path().join(name), &image, &disk, &options);

    let mut guest = start("first")?;
    let first = ready(&mut guest)?;
    guest.import_users(&format!("card,,{CARD}\n"))?;
    accepted(send(guest.ipp(), "card", "first", OCTETS))?;
    guest.wait_for_ctl(&["jobs"], "\"pending-held\"", LONG)?;
    guest.power_off()?;

    let mut guest = start("later")?;
    guest.tell("chip", &format!("place {CARD}"))?;
    let later = ready(&mut guest)?;
    guest.wait_for_ctl(&["jobs", "--all"], "\"completed\"", LONG)?;
    let first_tap_s = uptime(&mut guest)?;
    guest.tell("chip", "remove")?;
    let idle = memory::of(&mut guest)?;
    let loaded = under_load(&mut guest)?;
    guest.power_off()?;
    Ok(ImageRun {
        ready_s: [first, later].map(|times: StartTimes| times.until_ready().as_secs_f64()),
        kernel_s: later.init.as_secs_f64(),
        first_tap_s,
        sizes: sizes(&image)?,
        idle,
        loaded,
    })
}

/// The image, with the programs of which this is one.
fn make(work: &Path) -> Result<PathBuf, Box<dyn Error>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let own = std::env::current_exe()?;
    let version = fs::read_to_string(root.join("buildroot/VERSION"))?;
    let out = work.join("image");
    let made = Command::new(root.join("tests/image/make.sh"))
        .arg(version.trim())
        .arg(&out)
        .env("PROGRAMS", own.parent().ok_or("no folder of programs")?)
        .status()?;
    if made.success() {
        Ok(out)
    } else {
        Err(format!("make.sh: {made}").into())
    }
}

fn ready(guest: &mut Guest) -> Result<StartTimes, Box<dyn Error>> {
    guest.await_ready(LONG)?;
    Ok(guest.start_times()?)
}

fn accepted(sent: Sent) -> Result<(), Box<dyn Error>> {
    match sent {
        Sent::Accepted(_) => Ok(()),
        other => Err(format!("a job was not taken: {other:?}").into()),
    }
}

fn uptime(guest: &mut Guest) -> Result<f64, Box<dyn Error>> {
    let text = String::from_utf8(guest.read("/proc/uptime")?)?;
    Ok(text.split(' ').next().unwrap_or_default().parse()?)
}

/// The most that was seen while the jobs came in.
fn under_load(guest: &mut Guest) -> Result<Memory, Box<dyn Error>> {
    let ipp = guest.ipp();
    let clients: Vec<_> = (0..CLIENTS)
        .map(|number| {
            wait::pause(GAP);
            std::thread::spawn(move || send(ipp, "card", &format!("load-{number}"), OCTETS))
        })
        .collect();
    let mut most = memory::of(guest)?;
    while clients.iter().any(|client| !client.is_finished()) {
        most = most.larger(memory::of(guest)?);
    }
    for client in clients {
        accepted(client.join().map_err(|_| "a client failed")?)?;
    }
    Ok(most)
}

/// Lines `NAME<tab>BYTES` of what the image script wrote.
fn sizes(image: &Path) -> Result<Vec<(String, u64)>, Box<dyn Error>> {
    let text = fs::read_to_string(image.join("sizes.txt"))?;
    let line = |line: &str| {
        let (name, bytes) = line.rsplit_once('\t')?;
        Some((name.to_owned(), bytes.parse().ok()?))
    };
    Ok(text.lines().filter_map(line).collect())
}

impl fmt::Display for ImageRun {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [first, later] = self.ready_s;
        let limit = READY_MAX.as_secs_f64();
        writeln!(
            f,
            "image in a guest, one core of 1,000 million instructions a second"
        )?;
        writeln!(
            f,
            "  init to ready: {later:.2} s (≤ {limit:.0} s: {}); at the first start of all {first:.2} s",
            met(later <= limit)
        )?;
        writeln!(
            f,
            "  kernel to init: {:.2} s; kernel to the first tap served: {:.2} s",
            self.kernel_s, self.first_tap_s
        )?;
        for (name, bytes) in &self.sizes {
            let verdict = match name.as_str() {
                "bundle" => format!("  (≤ 64 MiB: {})", met(*bytes <= BUNDLE_MAX)),
                _ => String::new(),
            };
            writeln!(f, "  {name:<18} {:>8.2} MiB{verdict}", mebibytes(*bytes))?;
        }
        writeln!(
            f,
            "  memory, idle and while {CLIENTS} clients send a job of {} KB each:",
            OCTETS / 1000
        )?;
        for (name, loaded) in self.loaded.by_name() {
            writeln!(
                f,
                "  {name:<18} {:>8.2} {:>8.2} MiB",
                mebibytes(self.idle.of(name)),
                mebibytes(loaded)
            )?;
        }
        writeln!(
            f,
            "  {:<18} {:>8.2} {:>8.2} MiB",
            "all",
            mebibytes(self.idle.all()),
            mebibytes(self.loaded.all())
        )
    }
}

fn met(is: bool) -> &'static str {
    if is { "met" } else { "NOT MET" }
}
