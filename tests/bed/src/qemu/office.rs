// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The daemon in a guest: configured for the guest's printer and board, started, asked.

use std::path::Path;
use std::time::Duration;

use super::{Guest, Ran};
use crate::daemon::NodeConfig;
use crate::process::BedError;

/// The local API's socket in the guest.
pub const SOCKET: &str = "/run/platen/node.sock";
/// The printer of a guest, at the kernel's usblp.
pub const PRINTER: &str = "usb:/dev/usb/lp0";
const CONFIG: &str = "/run/platen/node.toml";
/// How long the daemon may take until it answers; it makes its keys first.
const READY_LIMIT: Duration = Duration::from_secs(60);

impl Guest {
    /// Writes the daemon's configuration, with `further` lines at its end.
    ///
    /// # Errors
    /// [`BedError::Answer`] with the guest's reason.
    pub fn configure(&mut self, further: &str) -> Result<(), BedError> {
        let mut config = NodeConfig::new(Path::new("/run/platen"), PRINTER)?;
        config.ipp = ([0, 0, 0, 0], super::IPP_PORT).into();
        config.board = "/etc/platen/board.toml".into();
        config.pjl_status = false;
        further.clone_into(&mut config.further);
        self.output(&["/bin/mkdir", "-p", "/run/platen"])?;
        self.write(CONFIG, config.text().as_bytes())
    }

    /// Starts the daemon and waits until it answers.
    ///
    /// # Errors
    /// [`BedError::Answer`] with what it has logged.
    pub fn start_daemon(&mut self) -> Result<(), BedError> {
        self.start("platend", &["/bin/platend", "--config", CONFIG])?;
        let ready = ["/bin/cat", "/run/log/platend"];
        self.wait_for(&ready, "\nready\n", READY_LIMIT).map(drop)
    }

    /// Imports users from lines of `user,name,card`.
    ///
    /// # Errors
    /// As [`Guest::ctl`].
    pub fn import_users(&mut self, lines: &str) -> Result<(), BedError> {
        let csv = format!("user,name,card\n{lines}");
        self.write("/run/users.csv", csv.as_bytes())?;
        self.ctl(&["users", "import", "/run/users.csv"]).map(drop)
    }

    /// What `platenctl --json` prints.
    ///
    /// # Errors
    /// [`BedError::Answer`] with its message.
    pub fn ctl(&mut self, args: &[&str]) -> Result<String, BedError> {
        self.output(&with_socket(args))
    }

    /// Runs `platenctl --json` again and again until it says `text`.
    ///
    /// # Errors
    /// [`BedError::Answer`] when it does not within `limit`.
    pub fn wait_for_ctl(
        &mut self,
        args: &[&str],
        text: &str,
        limit: Duration,
    ) -> Result<Ran, BedError> {
        self.wait_for(&with_socket(args), text, limit)
    }
}

fn with_socket<'a>(args: &[&'a str]) -> Vec<&'a str> {
    [&["/bin/platenctl", "--socket", SOCKET, "--json"], args].concat()
}
