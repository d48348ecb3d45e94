// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A private `cupsd` in a folder of its own, with the real `lpadmin`, `lp` and `lpstat`. It runs
//! as root (CUPS then asks for root-owned backends, as Debian has them) or as a normal user. No
//! password is asked from anybody who can reach it: it listens on loopback only.

use std::fmt::Write as _;
use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::netns::PrivateNetwork;
use crate::process::{BedError, Program, installed_program, run};
use crate::wait;

/// How long the scheduler may take to answer.
const START_LIMIT: Duration = Duration::from_secs(15);

/// How a private CUPS is set up.
#[derive(Clone, Copy, Debug, Default)]
pub struct CupsOptions<'a> {
    /// `SyncOnClose`: documents are durable before the job is accepted.
    pub sync_on_close: bool,
    /// Shares its queues by DNS-SD; only useful in a private network.
    pub browsing: bool,
    /// `LogLevel debug2` instead of `info`.
    pub verbose: bool,
    /// Its address; a free port on loopback if not set.
    pub listen: Option<SocketAddr>,
    /// Runs it in this network.
    pub network: Option<&'a PrivateNetwork>,
}

/// A running private CUPS. Dropping it ends it; jobs and logs stay in its folder.
#[derive(Debug)]
pub struct Cups<'a> {
    program: Program,
    folder: PathBuf,
    address: SocketAddr,
    network: Option<&'a PrivateNetwork>,
}

/// What `lpstat` says about a queue.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum QueueState {
    /// Nothing to do.
    Idle,
    /// Sends a job now.
    Printing,
    /// Stopped by an error or an operator.
    Disabled,
}

impl<'a> Cups<'a> {
    /// Writes the configuration into `folder` and starts `cupsd` on a free port.
    ///
    /// # Errors
    /// [`BedError::Missing`] without the package cups-daemon, [`BedError::Ended`] with its log.
    pub fn start(folder: &Path, options: CupsOptions<'a>) -> Result<Self, BedError> {
        let mut starting = Self::launch(folder, options)?;
        starting.wait_ready()?;
        Ok(starting)
    }

    /// The same without waiting until it answers: [`Cups::wait_ready`] must follow.
    ///
    /// # Errors
    /// As [`Cups::start`].
    pub fn launch(folder: &Path, options: CupsOptions<'a>) -> Result<Self, BedError> {
        let daemon = installed_program("cupsd")?;
        let address = options.listen.map_or_else(free_address, Ok)?;
        make_folders(folder)?;
        write(
            &folder.join("cupsd.conf"),
            &configuration(folder, address, options),
        )?;
        write(&folder.join("cups-files.conf"), &files(folder, options))?;
        let mut command = Command::new(daemon);
        command
            .arg("-f")
            .arg("-c")
            .arg(folder.join("cupsd.conf"))
            .arg("-s")
            .arg(folder.join("cups-files.conf"));
        let inside = options.network.map(|network| network.inside(&command));
        let program = Program::start("cupsd", inside.unwrap_or(command), folder)?;
        Ok(Self {
            program,
            folder: folder.to_owned(),
            address,
            network: options.network,
        })
    }

    /// Waits until the scheduler answers.
    ///
    /// # Errors
    /// [`BedError::Ended`] or [`BedError::Timeout`], with the log in the folder.
    pub fn wait_ready(&mut self) -> Result<(), BedError> {
        let socket = self.socket();
        wait::until("cupsd to answer", START_LIMIT, || {
            self.program.check_running()?;
            let answers = std::os::unix::net::UnixStream::connect(&socket).is_ok();
            Ok(answers.then_some(()))
        })
    }

    /// The Unix socket, for `-h` of the client programs.
    #[must_use]
    pub fn socket(&self) -> PathBuf {
        self.folder.join("cups.sock")
    }

    /// The TCP address, for IPP clients: `ipp://ADDRESS/printers/QUEUE`.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The daemon's process id, for measurements.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.program.id()
    }

    /// The scheduler's error log.
    #[must_use]
    pub fn error_log(&self) -> String {
        fs::read_to_string(self.folder.join("error_log")).unwrap_or_default()
    }

    /// A client program (`lp`, `lpstat`, `lpadmin`, `cancel` …) that talks to this CUPS; add its
    /// arguments as usual.
    ///
    /// # Errors
    /// [`BedError::Missing`] when it is not installed.
    pub fn client(&self, program: &str) -> Result<Command, BedError> {
        let program = installed_program(program)?;
        let mut command = match self.network {
            Some(network) => network.command(program),
            None => Command::new(program),
        };
        command
            .env("CUPS_SERVER", self.socket())
            .env("HOME", &self.folder)
            .env("LC_ALL", "C.UTF-8")
            .env_remove("CUPS_USER");
        Ok(command)
    }

    /// Makes a driverless queue, as `lpadmin -m everywhere` does for anybody. Twice, in different
    /// seconds: CUPS 2.4 compares the times of its files in whole seconds, and a queue made within
    /// the second in which it started is now and then taken without the filters of its driver
    /// file; its first job is then given up ("Unable to convert file 0").
    ///
    /// # Errors
    /// [`BedError::Failed`] with lpadmin's message, such as a printer that does not answer.
    pub fn add_everywhere_queue(&self, name: &str, uri: &str) -> Result<(), BedError> {
        self.lpadmin_everywhere(name, uri)?;
        let second = wait::unix_time().as_secs();
        wait::until("the next second", START_LIMIT, || {
            Ok::<_, BedError>((wait::unix_time().as_secs() > second).then_some(()))
        })?;
        self.lpadmin_everywhere(name, uri)
    }

    fn lpadmin_everywhere(&self, name: &str, uri: &str) -> Result<(), BedError> {
        let mut command = self.client("lpadmin")?;
        run(command.args(["-p", name, "-E", "-v", uri, "-m", "everywhere"])).map(drop)
    }

    /// Makes a raw queue without a driver, such as one to `file:/dev/null` for measurements.
    ///
    /// # Errors
    /// [`BedError::Failed`] with lpadmin's message.
    pub fn add_raw_queue(&self, name: &str, uri: &str) -> Result<(), BedError> {
        let mut command = self.client("lpadmin")?;
        run(command.args(["-p", name, "-E", "-v", uri, "-m", "raw"])).map(drop)
    }

    /// Prints a file with the real `lp`; returns the job's name, as in `queue-1`.
    ///
    /// # Errors
    /// [`BedError::Failed`] with lp's message.
    pub fn lp(&self, queue: &str, file: &Path, options: &[&str]) -> Result<String, BedError> {
        self.lp_from(None, queue, file, options)
    }

    /// The same in another user's name (`lp -U`).
    ///
    /// # Errors
    /// As [`Cups::lp`].
    pub fn lp_as(&self, user: &str, queue: &str, file: &Path) -> Result<String, BedError> {
        self.lp_from(Some(user), queue, file, &[])
    }

    fn lp_from(
        &self,
        user: Option<&str>,
        queue: &str,
        file: &Path,
        options: &[&str],
    ) -> Result<String, BedError> {
        let mut command = self.client("lp")?;
        command.args(["-d", queue]);
        if let Some(user) = user {
            command.args(["-U", user]);
        }
        options.iter().for_each(|option| {
            command.args(["-o", option]);
        });
        let answer = run(command.arg("--").arg(file))?;
        // "request id is queue-1 (1 file(s))"
        let job = answer.split_whitespace().nth(3);
        job.map(str::to_owned).ok_or_else(|| BedError::Answer {
            from: "lp".to_owned(),
            answer: answer.clone(),
        })
    }

    /// What `lpstat` prints for the given arguments.
    ///
    /// # Errors
    /// [`BedError::Failed`] with its message.
    pub fn lpstat(&self, args: &[&str]) -> Result<String, BedError> {
        run(self.client("lpstat")?.args(args))
    }

    /// How a queue is.
    ///
    /// # Errors
    /// [`BedError::Failed`] if there is no such queue.
    pub fn queue_state(&self, queue: &str) -> Result<QueueState, BedError> {
        let answer = self.lpstat(&["-p", queue])?;
        let first = answer.lines().next().unwrap_or_default();
        Ok(if first.contains("disabled") {
            QueueState::Disabled
        } else if first.contains("now printing") {
            QueueState::Printing
        } else {
            QueueState::Idle
        })
    }

    /// Waits until the queue has no job left and is idle.
    ///
    /// # Errors
    /// [`BedError::Timeout`] after `limit`.
    pub fn wait_idle(&self, queue: &str, limit: Duration) -> Result<(), BedError> {
        wait::until(&format!("queue {queue} to be empty"), limit, || {
            let empty = self.lpstat(&["-o", queue])?.trim().is_empty();
            let idle = self.queue_state(queue)? == QueueState::Idle;
            Ok((empty && idle).then_some(()))
        })
    }

    /// Ends it in order.
    ///
    /// # Errors
    /// [`BedError::Timeout`] if it had to be killed.
    pub fn stop(mut self) -> Result<(), BedError> {
        self.program.stop().map(drop)
    }
}

/// A loopback address with a port that is free now.
///
/// # Errors
/// [`BedError::Io`] when there is none.
pub fn free_address() -> Result<SocketAddr, BedError> {
    TcpListener::bind(("127.0.0.1", 0))
        .and_then(|listener| listener.local_addr())
        .map_err(BedError::io("find a free port"))
}

fn write(path: &Path, text: &str) -> Result<(), BedError> {
    fs::write(path, text).map_err(BedError::io(format!("write {}", path.display())))
}

/// Filters run as user `lp` when the scheduler is root: they must get through to the folders.
fn make_folders(folder: &Path) -> Result<(), BedError> {
    for (name, mode) in [
        ("", 0o755),
        ("ssl", 0o700),
        ("ppd", 0o755),
        ("cache", 0o775),
        ("state", 0o755),
        ("spool", 0o710),
        ("tmp", 0o1777),
    ] {
        let path = folder.join(name);
        let what = || BedError::io(format!("make {}", path.display()));
        fs::create_dir_all(&path).map_err(what())?;
        let permissions = fs::Permissions::from_mode(mode);
        fs::set_permissions(&path, permissions).map_err(what())?;
    }
    open_way(folder)
}

/// Temporary folders are made 0700; user `lp` must pass through those that are ours.
fn open_way(folder: &Path) -> Result<(), BedError> {
    if !rustix::process::geteuid().is_root() {
        return Ok(());
    }
    let temporary = std::env::temp_dir();
    let ours = folder.ancestors().skip(1);
    for above in ours.take_while(|above| above.starts_with(&temporary) && *above != temporary) {
        let what = || BedError::io(format!("open {}", above.display()));
        let mode = fs::metadata(above).map_err(what())?.permissions().mode();
        fs::set_permissions(above, fs::Permissions::from_mode(mode | 0o011)).map_err(what())?;
    }
    Ok(())
}

fn configuration(folder: &Path, address: SocketAddr, options: CupsOptions<'_>) -> String {
    let level = if options.verbose { "debug2" } else { "info" };
    let browsing = if options.browsing { "Yes" } else { "No" };
    let mut text = format!(
        "Listen {address}
Listen {folder}/cups.sock
LogLevel {level}
AccessLogLevel none
MaxLogSize 0
Browsing {browsing}
WebInterface No
DefaultShared {browsing}
DefaultEncryption IfRequested
DirtyCleanInterval 0
IdleExitTimeout 0
MaxClients 1000
MaxClientsPerHost 1000
MaxJobs 0
MaxJobsPerPrinter 0
MaxJobsPerUser 0
PreserveJobHistory Yes
PreserveJobFiles No
ServerAlias *
",
        folder = folder.display()
    );
    if options.browsing {
        text.push_str("BrowseLocalProtocols dnssd\n");
    }
    for place in ["/", "/admin", "/admin/conf", "/admin/log"] {
        // Writing to a String cannot fail.
        let _ = writeln!(
            text,
            "<Location {place}>\n  AuthType None\n  Order allow,deny\n  Allow all\n</Location>"
        );
    }
    text.push_str(
        "<Policy default>
  JobPrivateAccess all
  JobPrivateValues none
  SubscriptionPrivateAccess all
  SubscriptionPrivateValues none
  <Limit All>
    AuthType None
    Order allow,deny
    Allow all
  </Limit>
</Policy>
",
    );
    text
}

fn files(folder: &Path, options: CupsOptions<'_>) -> String {
    let sync = if options.sync_on_close { "Yes" } else { "No" };
    let mut text = format!(
        "ServerRoot {folder}
CacheDir {folder}/cache
StateDir {folder}/state
RequestRoot {folder}/spool
TempDir {folder}/tmp
ServerKeychain {folder}/ssl
DocumentRoot {folder}
AccessLog {folder}/access_log
ErrorLog {folder}/error_log
PageLog {folder}/page_log
Printcap
FileDevice Yes
Sandboxing Relaxed
SyncOnClose {sync}
",
        folder = folder.display()
    );
    if rustix::process::geteuid().is_root() {
        text.push_str("User lp\nGroup lp\nSystemGroup root\n");
    }
    text
}
