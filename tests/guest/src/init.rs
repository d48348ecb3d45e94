// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Process 1 of the guest: file systems, kernel modules, network, simulated lines and parts. Then
//! it serves the agent, and powers the guest off when that ends.

use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;
use std::{env, fs, os::unix::fs::symlink};

use rustix::io::Errno;
use rustix::mount::{MountFlags, mount};
use rustix::system::{RebootCommand, init_module, reboot};

use crate::agent::Agent;
use crate::clock::{until, uptime};
use crate::protocol::PORT;

/// Where the reader's chip takes commands.
pub const CHIP_SOCKET: &str = "/run/chip.sock";
/// Where the printer takes commands.
pub const PRINTER_SOCKET: &str = "/run/printer.sock";
/// Link to the folder of the simulated lines, `sim_gpioN` each; only where the kernel has them.
pub const LINES: &str = "/run/lines";
/// Lines of the simulated GPIO chip.
const LINE_COUNT: u32 = 32;
/// How long the kernel may take to show a device.
const DEVICE_LIMIT: Duration = Duration::from_secs(20);
/// The guest's end of QEMU's user network.
const SETUP: [&str; 4] = [
    "ip link set lo up",
    "ip link set eth0 up",
    "ip addr add 10.0.2.15/24 dev eth0",
    "ip route add default via 10.0.2.2",
];

/// Runs the guest to its end; does not come back unless the guest can't be powered off.
///
/// # Errors
/// The system's own, with what was tried.
pub fn run() -> io::Result<()> {
    let served = boot().and_then(|mut agent| {
        let port = port(PORT)?;
        println!("guest: ready after {} ms", uptime().as_millis());
        agent.serve(&port).map(drop)
    });
    if let Err(error) = &served {
        println!("guest: failed: {error}");
    }
    reboot(RebootCommand::PowerOff)?;
    Ok(())
}

/// Serves the bed from within the box's image, where systemd is process 1.
///
/// # Errors
/// The system's own, with what was tried.
pub fn serve_in_image() -> io::Result<()> {
    let mut agent = start_world()?;
    agent.serve(&port(PORT)?)?;
    let status = Command::new("/bin/systemctl").arg("poweroff").status()?;
    status
        .success()
        .then_some(())
        .ok_or_else(|| io::Error::other(format!("poweroff: {status}")))
}

fn boot() -> io::Result<Agent> {
    mount_all()?;
    load_modules("/modules")?;
    shell_words()?;
    set_up_network()?;
    start_world()
}

/// The file systems of every kernel.
pub(crate) fn mount_all() -> io::Result<()> {
    for (kind, place) in [
        ("proc", "/proc"),
        ("sysfs", "/sys"),
        ("devtmpfs", "/dev"),
        ("tmpfs", "/run"),
        ("tmpfs", "/tmp"),
    ] {
        fs::create_dir_all(place)?;
        mount(kind, place, kind, MountFlags::empty(), None).map_err(during(place))?;
    }
    Ok(())
}

/// What is around the box: lines, card reader chip, printer.
///
/// # Errors
/// The system's own, with what was tried.
pub fn start_world() -> io::Result<Agent> {
    let config = "/sys/kernel/config";
    // In an image its systemd has been here before.
    if !Path::new("/sys/kernel/config/usb_gadget").exists() {
        mount("configfs", config, "configfs", MountFlags::empty(), None).map_err(during(config))?;
    }
    if Path::new("/sys/kernel/config/gpio-sim").exists() {
        make_lines().map_err(|error| io::Error::other(format!("simulated lines: {error}")))?;
    }
    start_parts()
}

pub(crate) fn during<E: Into<io::Error>>(what: &str) -> impl FnOnce(E) -> io::Error {
    let what = what.to_owned();
    move |error| io::Error::other(format!("{what}: {}", error.into()))
}

/// Loads the modules of a folder, in the order that its file `load` has them. One that is loaded stays.
pub(crate) fn load_modules(folder: &str) -> io::Result<()> {
    let folder = Path::new(folder);
    for name in BufReader::new(fs::File::open(folder.join("load"))?).lines() {
        let name = name?;
        let image = fs::read(folder.join(&name))?;
        match init_module(&image, c"") {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(error) => return Err(during(&name)(error)),
        }
    }
    Ok(())
}

/// The commands of a shell, for a person and for the network.
fn shell_words() -> io::Result<()> {
    let installed = Command::new("/bin/busybox")
        .args(["--install", "-s", "/bin"])
        .status()?;
    if installed.success() {
        Ok(())
    } else {
        Err(io::Error::other("busybox can't be installed"))
    }
}

fn set_up_network() -> io::Result<()> {
    until(DEVICE_LIMIT, || {
        Path::new("/sys/class/net/eth0").exists().then_some(())
    });
    for line in SETUP {
        let status = Command::new("/bin/busybox")
            .args(line.split(' '))
            .status()?;
        if !status.success() {
            return Err(io::Error::other(format!("{line}: {status}")));
        }
    }
    Ok(())
}

/// One chip of simulated lines. Source: Linux `Documentation/admin-guide/gpio/gpio-sim.rst`.
fn make_lines() -> io::Result<()> {
    let chip = Path::new("/sys/kernel/config/gpio-sim/box");
    let bank = chip.join("bank0");
    fs::create_dir_all(&bank)?;
    fs::write(bank.join("num_lines"), LINE_COUNT.to_string())?;
    fs::write(chip.join("live"), "1")?;
    let name = |path: PathBuf| fs::read_to_string(path).map(|name| name.trim().to_owned());
    let (device, chip) = (name(chip.join("dev_name"))?, name(bank.join("chip_name"))?);
    let folder = Path::new("/sys/devices/platform").join(device).join(&chip);
    println!("guest: lines on /dev/{chip}");
    symlink(folder, LINES)
}

fn start_parts() -> io::Result<Agent> {
    let own = env::current_exe()?.to_string_lossy().into_owned();
    let mut agent = Agent::default();
    for part in ["chip", "printer"] {
        agent.start(part, &[own.clone(), part.to_owned()])?;
    }
    let there = [
        "/dev/spidev0.0",
        "/dev/usb/lp0",
        CHIP_SOCKET,
        PRINTER_SOCKET,
    ];
    until(DEVICE_LIMIT, || {
        there
            .iter()
            .all(|path| Path::new(path).exists())
            .then_some(())
    });
    for path in there.iter().filter(|path| !Path::new(path).exists()) {
        println!("guest: {path} did not come");
    }
    Ok(agent)
}

/// A virtio port by its name.
pub(crate) fn port(wanted: &str) -> io::Result<PathBuf> {
    let named = || {
        let ports = fs::read_dir("/sys/class/virtio-ports").ok()?;
        let port = ports.flatten().find(|port| {
            let name = fs::read_to_string(port.path().join("name"));
            name.is_ok_and(|name| name.trim() == wanted)
        })?;
        let path = Path::new("/dev").join(port.file_name());
        path.exists().then_some(path)
    };
    until(DEVICE_LIMIT, named).ok_or_else(|| io::Error::other("no port for the agent"))
}
