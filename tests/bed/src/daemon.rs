// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `platend` and `platenctl` for a test: a folder, a configuration on free ports, a start that
//! ends when the daemon says `ready`, a stop in order, or a kill as a power cut would.

use std::fmt::Write as _;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde_json::Value;

use crate::cups::free_address;
use crate::netns::PrivateNetwork;
use crate::process::{BedError, Program, own_program, run};
use crate::wait;

/// How long the daemon may take to be ready, also after a crash.
const READY_LIMIT: Duration = Duration::from_secs(30);

/// What a node's configuration says; see [`NodeConfig::text`].
#[derive(Clone, Debug)]
pub struct NodeConfig {
    /// Folder for `node.toml`, data and socket.
    pub folder: PathBuf,
    /// IPP address.
    pub ipp: SocketAddr,
    /// The board file.
    pub board: PathBuf,
    /// `[announce] interfaces`: `loopback`, `all` or `off`.
    pub announce: String,
    /// `[announce] name`.
    pub name: String,
    /// The printer's URI, as in `socket://127.0.0.1:8910`.
    pub printer_uri: String,
    /// Whether the printer is asked for its status by PJL.
    pub pjl_status: bool,
    /// MIME media types that the printer takes.
    pub formats: Vec<String>,
    /// `[centre] url`, for a box that is to be part of a site.
    pub centre: Option<String>,
    /// Further lines, at the end.
    pub further: String,
}

impl NodeConfig {
    /// A node on a free port that prints to `printer_uri` and announces nothing.
    ///
    /// # Errors
    /// [`BedError::Io`] when no port is free.
    pub fn new(folder: &Path, printer_uri: &str) -> Result<Self, BedError> {
        let formats = [
            "application/pdf",
            "image/jpeg",
            "image/pwg-raster",
            "image/urf",
        ];
        Ok(Self {
            folder: folder.to_owned(),
            ipp: free_address()?,
            board: board_file("sim"),
            announce: "off".to_owned(),
            name: "Platen".to_owned(),
            printer_uri: printer_uri.to_owned(),
            pjl_status: true,
            formats: formats.map(str::to_owned).to_vec(),
            centre: None,
            further: String::new(),
        })
    }

    /// The configuration file.
    #[must_use]
    pub fn text(&self) -> String {
        let quoted = |path: &Path| format!("{:?}", path.display().to_string());
        let mut text = format!(
            "data = {}\nsocket = {}\nboard = {}\n",
            quoted(&self.folder.join("data")),
            quoted(&self.socket()),
            quoted(&self.board)
        );
        if let Some(url) = &self.centre {
            // Writing to a String cannot fail.
            let _ = write!(text, "\n[centre]\nurl = {url:?}\n");
        }
        let _ = write!(
            text,
            "\n[ipp]\nlisten = [\"{}\"]\n\n[announce]\ninterfaces = {:?}\nname = {:?}\n\
             \n[[printer]]\nname = \"printer\"\nuri = {:?}\npjl_status = {}\nformats = {:?}\n{}",
            self.ipp,
            self.announce,
            self.name,
            self.printer_uri,
            self.pjl_status,
            self.formats,
            self.further
        );
        text
    }

    /// The local API's socket.
    #[must_use]
    pub fn socket(&self) -> PathBuf {
        self.folder.join("node.sock")
    }

    /// Where the configuration is written to.
    #[must_use]
    pub fn file(&self) -> PathBuf {
        self.folder.join("node.toml")
    }
}

/// The file of a board in this source tree.
#[must_use]
pub fn board_file(board: &str) -> PathBuf {
    source_folder().join("board").join(board).join("board.toml")
}

/// The folder of this source tree.
#[must_use]
pub fn source_folder() -> PathBuf {
    let bed = Path::new(env!("CARGO_MANIFEST_DIR"));
    bed.ancestors().nth(2).unwrap_or(bed).to_owned()
}

/// A running `platend`. Dropping it ends it in order.
#[derive(Debug)]
pub struct Daemon {
    program: Program,
    config: NodeConfig,
}

impl Daemon {
    /// Writes the configuration, starts the daemon and waits until it is ready.
    ///
    /// # Errors
    /// [`BedError::Missing`] if it is not built, [`BedError::Ended`] with its log.
    pub fn start(config: NodeConfig) -> Result<Self, BedError> {
        let mut starting = Self::launch(config, None)?;
        starting.wait_ready()?;
        Ok(starting)
    }

    /// The same in a private network.
    ///
    /// # Errors
    /// As [`Daemon::start`].
    pub fn start_in(network: &PrivateNetwork, config: NodeConfig) -> Result<Self, BedError> {
        let mut starting = Self::launch(config, Some(network))?;
        starting.wait_ready()?;
        Ok(starting)
    }

    /// Starts it without waiting: [`Daemon::wait_ready`] must follow.
    ///
    /// # Errors
    /// [`BedError::Missing`] if it is not built.
    pub fn launch(config: NodeConfig, network: Option<&PrivateNetwork>) -> Result<Self, BedError> {
        let folder = &config.folder;
        fs::create_dir_all(folder).map_err(BedError::io(format!("make {}", folder.display())))?;
        let file = config.file();
        fs::write(&file, config.text())
            .map_err(BedError::io(format!("write {}", file.display())))?;
        let mut command = Command::new(own_program("platend")?);
        command.arg("--config").arg(&file);
        let inside = network.map(|network| network.inside(&command));
        let program = Program::start("platend", inside.unwrap_or(command), folder)?;
        Ok(Self { program, config })
    }

    /// Waits for the line `ready`.
    ///
    /// # Errors
    /// [`BedError::Ended`] or [`BedError::Timeout`].
    pub fn wait_ready(&mut self) -> Result<(), BedError> {
        self.program.wait_for_line("ready", READY_LIMIT).map(drop)
    }

    /// The program itself: its id, its log, its kill.
    pub fn program(&mut self) -> &mut Program {
        &mut self.program
    }

    /// What it was started with.
    #[must_use]
    pub fn config(&self) -> &NodeConfig {
        &self.config
    }

    /// The URI of the proxy queue.
    #[must_use]
    pub fn uri(&self) -> String {
        format!("ipp://{}/ipp/print", self.config.ipp)
    }

    /// Runs `platenctl` against this daemon and returns what it prints.
    ///
    /// # Errors
    /// [`BedError::Failed`] with its message.
    pub fn ctl(&self, args: &[&str]) -> Result<String, BedError> {
        let mut command = Command::new(own_program("platenctl")?);
        run(command.arg("--socket").arg(self.config.socket()).args(args))
    }

    /// How it stands with its centre: that part of its status.
    ///
    /// # Errors
    /// As [`Daemon::ctl`]; [`BedError::Answer`] when it tells nothing of a centre.
    pub fn centre(&self) -> Result<Value, BedError> {
        let text = self.ctl(&["--json", "status"])?;
        let status: Value = serde_json::from_str(&text).unwrap_or_default();
        match status.get("centre") {
            Some(centre) => Ok(centre.clone()),
            None => Err(BedError::Answer {
                from: "platenctl status".to_owned(),
                answer: text,
            }),
        }
    }

    /// Waits until its link to the centre stands so, as in `online`.
    ///
    /// # Errors
    /// [`BedError::Timeout`]
    pub fn wait_for_centre(&self, state: &str, limit: Duration) -> Result<(), BedError> {
        wait::until(&format!("the box to be {state}"), limit, || {
            Ok((self.centre()?["state"] == state).then_some(()))
        })
    }

    /// Waits until the centre has its whole journal and it has the centre's whole directory.
    ///
    /// # Errors
    /// [`BedError::Timeout`]
    pub fn wait_synced(&self, limit: Duration) -> Result<(), BedError> {
        wait::until("the box and its centre to know the same", limit, || {
            let centre = self.centre()?;
            let same = centre["state"] == "online"
                && centre["backlog"] == 0
                && centre["revision"] == centre["latest"];
            Ok(same.then_some(()))
        })
    }

    /// Imports users from lines of `user,name,card`.
    ///
    /// # Errors
    /// As [`Daemon::ctl`].
    pub fn import_users(&self, lines: &str) -> Result<(), BedError> {
        let file = self.config.folder.join("users.csv");
        fs::write(&file, format!("user,name,card\n{lines}"))
            .map_err(BedError::io(format!("write {}", file.display())))?;
        let imported = self.ctl(&["users", "import", &file.to_string_lossy()]);
        // Card numbers are not left lying about.
        let _ = fs::remove_file(&file);
        imported.map(drop)
    }

    /// Ends it in order.
    ///
    /// # Errors
    /// [`BedError::Timeout`] if it had to be killed.
    pub fn stop(mut self) -> Result<NodeConfig, BedError> {
        self.program.stop()?;
        Ok(self.config.clone())
    }

    /// Ends it as a power cut would; the configuration can start it again.
    ///
    /// # Errors
    /// [`BedError::Io`], the system's own.
    pub fn kill(mut self) -> Result<NodeConfig, BedError> {
        self.program.kill()?;
        Ok(self.config.clone())
    }
}
