// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Both networks of a box as wires whose other ends the bed holds, in a network namespace of their own:
//! what comes through to the box can be tried there, on every port. Needs root, or user namespaces and a
//! `/dev/net/tun` for everybody.

use std::net::Ipv4Addr;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use serde_json::json;

use super::Guest;
use crate::netns::Inside;
use crate::process::{BedError, Program, installed_program, own_program, run};

/// The box in the house's network, by a file that the administrator puts on it.
pub const HOUSE: Ipv4Addr = Ipv4Addr::new(10, 0, 2, 15);
/// The box in the printers' network, by its image.
pub const PRINTERS: Ipv4Addr = Ipv4Addr::new(192, 168, 186, 1);
/// What the bed is at the other ends.
pub const BED: [Ipv4Addr; 2] = [Ipv4Addr::new(10, 0, 2, 2), Ipv4Addr::new(192, 168, 186, 2)];
/// How long the namespace may take.
const START_LIMIT: Duration = Duration::from_secs(15);
/// Runs inside the namespace and holds it open until its input closes.
const SETUP: &str = r#"set -e
ip link set lo up
for wire in house printers; do
  ip tuntap add "$wire" mode tap
  ip link set "$wire" up
done
ip addr add 10.0.2.2/24 dev house
ip addr add 192.168.186.2/24 dev printers
echo up
exec cat"#;

/// What a port did when it was tried.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Scanned {
    /// Somebody answers there.
    pub open: Vec<u16>,
    /// The box says that nobody does: the packet filter let it through.
    pub closed: Vec<u16>,
}

/// The wires. Dropping them takes them away.
#[derive(Debug)]
pub struct Wires {
    inside: Inside,
    _holder: Program,
}

impl Wires {
    /// Lays them.
    ///
    /// # Errors
    /// [`BedError::Missing`] when a program is not installed, [`BedError::Ended`] when this user may not.
    pub fn lay(folder: &Path) -> Result<Self, BedError> {
        super::make(folder)?;
        let mut unshare = Command::new(installed_program("unshare")?);
        unshare.arg("--net");
        if !rustix::process::geteuid().is_root() {
            unshare.arg("--map-root-user");
        }
        unshare.args(["--", "sh", "-c", SETUP]);
        let mut holder = Program::start("wires", unshare, folder)?;
        holder.wait_for_line("up", START_LIMIT)?;
        let inside = Inside::of(&holder, &["--net"])?;
        Ok(Self {
            inside,
            _holder: holder,
        })
    }

    /// A command that runs `program` at the other ends.
    pub fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        self.inside.command(program)
    }

    /// Tries TCP ports of the box.
    ///
    /// # Errors
    /// [`BedError::Failed`].
    pub fn scan(&self, address: Ipv4Addr, from: u16, to: u16) -> Result<Scanned, BedError> {
        let mut command = self.command(own_program("platen-scan")?);
        let words = [address.to_string(), from.to_string(), to.to_string()];
        let text = run(command.args(words))?;
        let ports = |word| {
            let port = |line: &str| line.strip_prefix(word)?.trim().parse().ok();
            let mut ports: Vec<u16> = text.lines().filter_map(port).collect();
            ports.sort_unstable();
            ports
        };
        Ok(Scanned {
            open: ports("open"),
            closed: ports("closed"),
        })
    }

    /// QEMU's words for the house's end.
    pub(super) fn house() -> String {
        "tap,id=net,ifname=house,script=no,downscript=no".to_owned()
    }

    pub(super) fn inside(&self, command: &Command) -> Command {
        self.inside.inside(command)
    }
}

impl Guest {
    /// Plugs the printers' wire in: a second network card, which the running box has not had before.
    ///
    /// # Errors
    /// As [`super::Qmp::ask`].
    pub fn plug_printers_wire(&mut self) -> Result<(), BedError> {
        let wire = json!({ "type": "tap", "id": "printers", "ifname": "printers", "script": "no", "downscript": "no" });
        self.qmp.ask("netdev_add", wire)?;
        let card = json!({ "driver": "virtio-net-pci", "netdev": "printers", "id": "card2" });
        self.qmp.ask("device_add", card).map(drop)
    }
}
