// SPDX-License-Identifier: Apache-2.0 OR MIT
//! First program of a guest that starts the box's own image. The product's kernel makes the root's
//! mapping by itself, from the words `dm-mod.create=` (Linux
//! `Documentation/admin-guide/device-mapper/dm-init.rst`); Debian's has no such part, so this does the
//! same from the same words, mounts the root and gives way to its systemd. The image stays as it is:
//! the bed's agent comes along below `/run`.

use std::fs;
use std::io;
use std::os::unix::fs::symlink;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use rustix::fs::{Timespec, chmod};
use rustix::mount::{MountFlags, mount, mount_bind, mount_move};
use rustix::process::{chdir, chroot};
use rustix::time::{ClockId, clock_settime};

use crate::agent::Agent;
use crate::clock::until;
use crate::init::{during, load_modules, mount_all, port};
use crate::protocol::{Request, START_PORT};

/// On the kernel's command line: wait for the bed before the disk is looked at, so that a guest can be
/// kept as it is then and go on many times.
const HOLD: &str = "platen.hold";
const ROOT: &str = "/new";
/// Where the agent's program is in the running system.
const AGENT: &str = "/run/guest/platen-guest";
/// The units that are added for it.
const UNITS: &str = "/run/systemd/system";
/// How long the disk may take to show its partitions.
const DISK_LIMIT: Duration = Duration::from_secs(20);

const AGENT_UNIT: &str = "\
[Unit]
Description=The test bed's hand
DefaultDependencies=no
After=systemd-udevd.service
Before=sysinit.target

[Service]
ExecStart=/run/guest/platen-guest agent
Restart=no
OOMScoreAdjust=-1000
TasksMax=infinity
";
/// The reader's chip is behind CUSE, whose devices have a number of their own.
const DAEMON_DROP_IN: &str = "[Service]\nDeviceAllow=char-cuse rw\n";

/// Starts the image. Does not come back.
///
/// # Errors
/// The system's own, with what was tried.
pub fn run() -> io::Result<()> {
    mount_all()?;
    load_modules("/modules")?;
    let words = fs::read_to_string("/proc/cmdline")?;
    let words = if words.split(' ').any(|word| word.trim() == HOLD) {
        hold()?
    } else {
        words
    };
    load_modules("/disk")?;
    make_root(&words)?;
    fs::create_dir_all(ROOT)?;
    mount("/dev/dm-0", ROOT, "squashfs", MountFlags::RDONLY, None).map_err(during("root"))?;
    bring_agent()?;
    leave()
}

/// Serves the bed until it says to go on; sets the clock, and shows the system the command line that it
/// is to have.
fn hold() -> io::Result<String> {
    let file = port(START_PORT)?;
    let Request::Proceed { unix_ms, words } = Agent::default().serve(&file)? else {
        return Err(io::Error::other(
            "told to do something else than to proceed",
        ));
    };
    let millis = i64::try_from(unix_ms).map_err(io::Error::other)?;
    let now = Timespec {
        tv_sec: millis / 1000,
        tv_nsec: (millis % 1000) * 1_000_000,
    };
    clock_settime(ClockId::Realtime, now).map_err(during("clock"))?;
    fs::write("/run/cmdline", format!("{words}\n"))?;
    mount_bind("/run/cmdline", "/proc/cmdline").map_err(during("/proc/cmdline"))?;
    Ok(words)
}

/// Makes the mapping that the words tell of: `dm-mod.create="NAME,UUID,MINOR,FLAGS,TABLE"`, where devices
/// are named by `PARTUUID=`.
fn make_root(words: &str) -> io::Result<()> {
    let table = quoted(words, "dm-mod.create=")
        .ok_or_else(|| io::Error::other("no dm-mod.create= on the command line"))?;
    let mut concise = String::new();
    for word in table.split(' ') {
        let device = match word.strip_prefix("PARTUUID=") {
            Some(uuid) => partition(uuid)?.display().to_string(),
            None => word.to_owned(),
        };
        if !concise.is_empty() {
            concise.push(' ');
        }
        concise.push_str(&device);
    }
    let status = Command::new("/bin/dmsetup")
        .args([
            "--noudevsync",
            "--noudevrules",
            "create",
            "--concise",
            &concise,
        ])
        .status()?;
    if status.success() {
        return Ok(());
    }
    Err(io::Error::other(format!("dmsetup: {status}: {concise}")))
}

/// A word's value on the command line, which may be in quotes, as may be the whole word.
fn quoted<'a>(words: &'a str, name: &str) -> Option<&'a str> {
    let (before, rest) = words.split_once(name)?;
    if before.ends_with('"') {
        return rest.split('"').next();
    }
    match rest.strip_prefix('"') {
        Some(inside) => inside.split('"').next(),
        None => rest.split_ascii_whitespace().next(),
    }
}

/// The partition of that UUID, as GPT has it on the disk: the kernel of that age does not tell it by
/// itself, so `blkid` is asked.
fn partition(uuid: &str) -> io::Result<PathBuf> {
    let named = || {
        let entries = fs::read_dir("/sys/class/block").ok()?;
        let device = entries.flatten().find(|entry| {
            let path = Path::new("/dev").join(entry.file_name());
            entry.path().join("partition").exists() && uuid_of(&path).as_deref() == Some(uuid)
        })?;
        Some(Path::new("/dev").join(device.file_name()))
    };
    until(DISK_LIMIT, named).ok_or_else(|| io::Error::other(format!("no partition {uuid}")))
}

fn uuid_of(device: &Path) -> Option<String> {
    let ran = Command::new("/bin/blkid")
        .args(["-p", "-s", "PART_ENTRY_UUID", "-o", "value"])
        .arg(device)
        .output()
        .ok()?;
    Some(String::from_utf8_lossy(&ran.stdout).trim().to_owned())
}

/// The agent's program and the units that start it, where systemd looks before the image's own.
fn bring_agent() -> io::Result<()> {
    fs::create_dir_all("/run/guest")?;
    fs::copy("/init", AGENT)?;
    chmod(AGENT, 0o755.into())?;
    let wants = format!("{UNITS}/sysinit.target.wants");
    let drop_in = format!("{UNITS}/platend.service.d");
    fs::create_dir_all(&wants)?;
    fs::create_dir_all(&drop_in)?;
    fs::write(format!("{UNITS}/platen-guest.service"), AGENT_UNIT)?;
    symlink(
        "../platen-guest.service",
        format!("{wants}/platen-guest.service"),
    )?;
    fs::write(format!("{drop_in}/guest.conf"), DAEMON_DROP_IN)
}

/// Puts the new root in place of this one and becomes its first program.
fn leave() -> io::Result<()> {
    for place in ["/dev", "/proc", "/sys", "/run"] {
        mount_move(place, format!("{ROOT}{place}")).map_err(during(place))?;
    }
    chdir(ROOT).map_err(during("root"))?;
    mount_move(".", "/").map_err(during("root"))?;
    chroot(".").map_err(during("root"))?;
    chdir("/").map_err(during("root"))?;
    Err(Command::new("/sbin/init").exec())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_of_the_mapping_are_found_in_either_quoting() {
        let inside = "root=/dev/dm-0 dm-mod.create=\"a,,,ro,0 8 verity\" quiet";
        let around = "root=/dev/dm-0 \"dm-mod.create=a,,,ro,0 8 verity\" quiet";
        assert_eq!(quoted(inside, "dm-mod.create="), Some("a,,,ro,0 8 verity"));
        assert_eq!(quoted(around, "dm-mod.create="), Some("a,,,ro,0 8 verity"));
        assert_eq!(quoted("quiet", "dm-mod.create="), None);
    }
}
