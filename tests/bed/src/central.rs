// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `platen-central` for a test: a folder, a configuration on free ports, SQLite or a PostgreSQL that
//! is there already, and the site's own command line with the token that the first start wrote.

use std::fs;
use std::io::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::Value;

use crate::cups::free_address;
use crate::daemon::Daemon;
use crate::process::{BedError, Program, own_program, run};
use crate::wait;

/// How long the server may take to be ready, also after a crash and with a database that recovers.
const READY_LIMIT: Duration = Duration::from_secs(60);
/// How long a box may take to show its code, and to be part of the site once that is typed.
const ENROL_LIMIT: Duration = Duration::from_secs(60);
/// Between two tries of a code.
const CODE_PAUSE: Duration = Duration::from_secs(1);

/// What a central server's configuration says; see [`CentralConfig::text`].
#[derive(Clone, Debug)]
pub struct CentralConfig {
    /// Folder for `central.toml`, data and token.
    pub folder: PathBuf,
    /// Address of the API.
    pub api: SocketAddr,
    /// Address that boxes speak to.
    pub sync: SocketAddr,
    /// URL of a PostgreSQL database; SQLite in the folder without.
    pub database: Option<String>,
    /// Further lines, at the beginning.
    pub further: String,
}

impl CentralConfig {
    /// A server on free ports of loopback, with SQLite.
    ///
    /// # Errors
    /// [`BedError::Io`] when no port is free.
    pub fn new(folder: &Path) -> Result<Self, BedError> {
        Ok(Self {
            folder: folder.to_owned(),
            api: free_address()?,
            sync: free_address()?,
            database: None,
            further: String::new(),
        })
    }

    /// The configuration file.
    #[must_use]
    pub fn text(&self) -> String {
        let database = self
            .database
            .as_ref()
            .map_or(String::new(), |url| format!("database = {url:?}\n"));
        format!(
            "{}data = {:?}\nsite = \"The site\"\n{database}\n[api]\nlisten = [\"{}\"]\n\n\
             [sync]\nlisten = [\"{}\"]\n",
            self.further,
            self.data().display().to_string(),
            self.api,
            self.sync
        )
    }

    /// Where it keeps its files.
    #[must_use]
    pub fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    /// What boxes write as their centre's URL.
    #[must_use]
    pub fn url(&self) -> String {
        format!("https://{}", self.sync)
    }
}

/// A running `platen-central`. Dropping it ends it in order.
#[derive(Debug)]
pub struct Central {
    program: Program,
    config: CentralConfig,
}

impl Central {
    /// Writes the configuration, starts the server and waits until it is ready.
    ///
    /// # Errors
    /// [`BedError::Missing`] if it is not built, [`BedError::Ended`] with its log.
    pub fn start(config: CentralConfig) -> Result<Self, BedError> {
        let mut starting = Self::launch(config)?;
        starting.wait_ready()?;
        Ok(starting)
    }

    /// Starts it without waiting: [`Central::wait_ready`] must follow.
    ///
    /// # Errors
    /// [`BedError::Missing`] if it is not built.
    pub fn launch(config: CentralConfig) -> Result<Self, BedError> {
        let folder = &config.folder;
        fs::create_dir_all(folder).map_err(BedError::io(format!("make {}", folder.display())))?;
        let file = folder.join("central.toml");
        fs::write(&file, config.text())
            .map_err(BedError::io(format!("write {}", file.display())))?;
        let mut command = Command::new(own_program("platen-central")?);
        command.arg("--config").arg(&file);
        let program = Program::start("platen-central", command, folder)?;
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
    pub fn config(&self) -> &CentralConfig {
        &self.config
    }

    /// Runs `platenctl central` with these words and returns what it prints.
    ///
    /// # Errors
    /// [`BedError::Failed`] with its message.
    pub fn ctl(&self, words: &[&str]) -> Result<String, BedError> {
        run(self.command()?.args(words))
    }

    /// The same with `line` on its standard input, for what is no word of a command line.
    ///
    /// # Errors
    /// As [`Central::ctl`].
    pub fn ctl_typed(&self, words: &[&str], line: &str) -> Result<String, BedError> {
        let mut command = self.command()?;
        command.args(words);
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(BedError::io("start platenctl"))?;
        if let Some(mut input) = child.stdin.take() {
            // One that reads nothing has ended with a message of its own.
            let _ = writeln!(input, "{line}");
        }
        let output = child
            .wait_with_output()
            .map_err(BedError::io("wait for platenctl"))?;
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
        }
        Err(BedError::Failed {
            command: format!("platenctl central {}", words.join(" ")),
            status: output.status,
            message: String::from_utf8_lossy(&output.stderr).into_owned(),
        })
    }

    /// The answer of `platenctl central --json`, its lines as objects.
    ///
    /// # Errors
    /// As [`Central::ctl`]; [`BedError::Answer`] for a line that is no JSON.
    pub fn list(&self, words: &[&str]) -> Result<Vec<Value>, BedError> {
        let text = self.ctl(&[&["--json"], words].concat())?;
        let read = |line: &str| {
            serde_json::from_str(line).map_err(|_| BedError::Answer {
                from: "platenctl central".to_owned(),
                answer: line.to_owned(),
            })
        };
        text.lines().map(read).collect()
    }

    /// Imports people from lines of `user,name,card`.
    ///
    /// # Errors
    /// As [`Central::ctl`].
    pub fn import_users(&self, lines: &str) -> Result<(), BedError> {
        let file = self.config.folder.join("users.csv");
        fs::write(&file, format!("user,name,card\n{lines}"))
            .map_err(BedError::io(format!("write {}", file.display())))?;
        let imported = self.ctl(&["users", "import", &file.to_string_lossy()]);
        // Card numbers are not left lying about.
        let _ = fs::remove_file(&file);
        imported.map(drop)
    }

    /// Makes a box part of the site, as an administrator does: reads the code that it shows, types
    /// it here, and waits until the box is on line.
    ///
    /// # Errors
    /// [`BedError::Timeout`] when it shows no code or does not get on line.
    pub fn enrol(&self, daemon: &Daemon) -> Result<(), BedError> {
        let code = wait::until("a code on the box", ENROL_LIMIT, || {
            let status = daemon.centre()?;
            Ok(status["code"].as_str().map(str::to_owned))
        })?;
        // The box's ask may come a moment later than its code.
        wait::until("the centre to know the code", ENROL_LIMIT, || {
            match self.ctl(&["nodes", "enrol", &code]) {
                Ok(_) => Ok(Some(())),
                Err(BedError::Failed { .. }) => {
                    // Codes that fit no box are counted against whoever types them.
                    wait::pause(CODE_PAUSE);
                    Ok(None)
                }
                Err(error) => Err(error),
            }
        })?;
        daemon.wait_for_centre("online", ENROL_LIMIT)
    }

    /// Ends it in order; the configuration can start it again.
    ///
    /// # Errors
    /// [`BedError::Timeout`] if it had to be killed.
    pub fn stop(mut self) -> Result<CentralConfig, BedError> {
        self.program.stop()?;
        Ok(self.config.clone())
    }

    /// Ends it as a power cut would; the configuration can start it again.
    ///
    /// # Errors
    /// [`BedError::Io`], the system's own.
    pub fn kill(mut self) -> Result<CentralConfig, BedError> {
        self.program.kill()?;
        Ok(self.config.clone())
    }

    fn command(&self) -> Result<Command, BedError> {
        let data = self.config.data();
        let mut command = Command::new(own_program("platenctl")?);
        command
            .arg("central")
            .arg("--central")
            .arg(format!("https://{}", self.config.api))
            .arg("--token-file")
            .arg(data.join("admin.token"))
            .arg("--ca")
            .arg(data.join("authority.pem"));
        Ok(command)
    }
}
