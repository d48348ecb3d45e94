// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A network of one's own: a network and mount namespace with loopback that carries multicast, a
//! D-Bus system bus and an Avahi on it. CUPS finds printers by name only through these two, and
//! nothing announced there leaves the namespace. Needs root, or user namespaces for everybody.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::process::{BedError, Program, installed_program, output};
use crate::wait;

/// How long each part may take to start.
const START_LIMIT: Duration = Duration::from_secs(15);

/// Runs inside the new namespaces and then holds them open until its input closes.
const SETUP: &str = r#"set -e
ip link set lo up
ip link set lo multicast on
ip route add 224.0.0.0/4 dev lo
mount -t tmpfs tmpfs /run
mkdir -p /run/dbus /run/avahi-daemon
mount --bind "$1/hosts" /etc/hosts
echo up
exec cat"#;

const DBUS: &str = r#"<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>system</type>
  <listen>unix:path=/run/dbus/system_bus_socket</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow user="*"/>
    <allow own="*"/>
    <allow send_type="method_call"/>
    <allow send_destination="*"/>
    <allow receive_sender="*"/>
  </policy>
</busconfig>
"#;

/// Not every machine has the resolver module for names that Avahi knows.
const HOSTS: &str = "127.0.0.1 localhost bed bed.local\n";

/// The host's name there is `bed.local`.
const AVAHI: &str = "[server]
host-name=bed
allow-interfaces=lo
use-ipv6=no
enable-dbus=yes
ratelimit-interval-usec=0
[wide-area]
enable-wide-area=no
[publish]
publish-hinfo=no
publish-workstation=no
";

/// The namespaces with their daemons. Dropping it ends the daemons; the namespaces go with the
/// last program in them.
#[derive(Debug)]
pub struct PrivateNetwork {
    // Dropped in this order: the holder last.
    _avahi: Program,
    _dbus: Program,
    inside: Inside,
    _holder: Program,
}

/// The way in.
#[derive(Clone, Debug)]
pub(crate) struct Inside {
    nsenter: PathBuf,
    args: Vec<String>,
}

impl Inside {
    /// Into these kinds of namespaces, as `nsenter` names them, of a program that holds them open.
    pub(crate) fn of(holder: &Program, kinds: &[&str]) -> Result<Self, BedError> {
        let mut args = vec![format!("--target={}", holder.id())];
        args.extend(kinds.iter().map(|kind| (*kind).to_owned()));
        if !rustix::process::geteuid().is_root() {
            args.extend(["--user", "--preserve-credentials"].map(str::to_owned));
        }
        Ok(Self {
            nsenter: installed_program("nsenter")?,
            args,
        })
    }

    pub(crate) fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(&self.nsenter);
        command.args(&self.args).arg("--").arg(program);
        command
    }

    /// A finished command inside: program, arguments, environment and folder are kept.
    pub(crate) fn inside(&self, command: &Command) -> Command {
        let mut wrapped = self.command(command.get_program());
        wrapped.args(command.get_args());
        for (name, value) in command.get_envs() {
            match value {
                Some(value) => wrapped.env(name, value),
                None => wrapped.env_remove(name),
            };
        }
        if let Some(folder) = command.get_current_dir() {
            wrapped.current_dir(folder);
        }
        wrapped
    }
}

impl PrivateNetwork {
    /// Makes the network; configuration and logs go to `folder`.
    ///
    /// # Errors
    /// [`BedError::Missing`] when a program is not installed, [`BedError::Ended`] when this user
    /// may not make namespaces.
    pub fn start(folder: &Path) -> Result<Self, BedError> {
        fs::create_dir_all(folder).map_err(BedError::io(format!("make {}", folder.display())))?;
        let root = rustix::process::geteuid().is_root();
        let mut unshare = Command::new(installed_program("unshare")?);
        unshare.args(["--net", "--mount", "--propagation", "private"]);
        if !root {
            unshare.arg("--map-root-user");
        }
        write(&folder.join("hosts"), HOSTS)?;
        unshare.args(["--", "sh", "-c", SETUP, "sh"]).arg(folder);
        let mut holder = Program::start("namespace", unshare, folder)?;
        holder.wait_for_line("up", START_LIMIT)?;
        let inside = Inside::of(&holder, &["--net", "--mount"])?;
        let dbus = start_dbus(&inside, folder)?;
        let avahi = start_avahi(&inside, folder)?;
        Ok(Self {
            _avahi: avahi,
            _dbus: dbus,
            inside,
            _holder: holder,
        })
    }

    /// A command that runs `program` inside; add its arguments as usual.
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        self.inside.command(program)
    }

    /// Puts a finished command inside: program, arguments, environment and folder are kept.
    #[must_use]
    pub fn inside(&self, command: &Command) -> Command {
        self.inside.inside(command)
    }
}

fn write(path: &Path, text: &str) -> Result<(), BedError> {
    fs::write(path, text).map_err(BedError::io(format!("write {}", path.display())))
}

fn start_dbus(inside: &Inside, folder: &Path) -> Result<Program, BedError> {
    let config = folder.join("dbus.conf");
    write(&config, DBUS)?;
    let mut command = inside.command(installed_program("dbus-daemon")?);
    command
        .args(["--nofork", "--nopidfile", "--print-address"])
        .arg(format!("--config-file={}", config.display()));
    let mut dbus = Program::start("dbus", command, folder)?;
    dbus.wait_for_line("unix:", START_LIMIT)?;
    Ok(dbus)
}

fn start_avahi(inside: &Inside, folder: &Path) -> Result<Program, BedError> {
    let config = folder.join("avahi.conf");
    write(&config, AVAHI)?;
    let mut command = inside.command(installed_program("avahi-daemon")?);
    command
        .args([
            "--no-drop-root",
            "--no-chroot",
            "--no-rlimits",
            "--no-proc-title",
        ])
        .arg("--file")
        .arg(&config);
    let mut avahi = Program::start("avahi", command, folder)?;
    wait::until("Avahi to serve its name", START_LIMIT, || {
        avahi.check_running()?;
        let started = avahi.log_end().contains("Server startup complete");
        Ok(started.then_some(()))
    })?;
    Ok(avahi)
}

/// Whether this user can make the namespaces at all; the reason is in the failure of
/// [`PrivateNetwork::start`].
#[must_use]
pub fn possible() -> bool {
    let Ok(unshare) = installed_program("unshare") else {
        return false;
    };
    let mut command = Command::new(unshare);
    command.args(["--net", "--mount"]);
    if !rustix::process::geteuid().is_root() {
        command.arg("--map-root-user");
    }
    output(command.arg("true")).is_ok_and(|output| output.status.success())
}
