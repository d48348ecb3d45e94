// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The servers that are compared, each fresh, alone and in a folder of its own: `platend`, and a
//! private `cupsd` with a raw queue, once as it comes and once as durable as it can be told to be.
//! Its settings are the stock ones but for its limits; the bed's own are made for tests, not speed.

use std::fs::{self, File, Permissions};
use std::io;
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use platen_bed::cups::free_address;
use platen_bed::daemon::{Daemon, NodeConfig};
use platen_bed::process::{installed_program, run};
use platen_bed::{BedError, Program, wait};
use platen_model::local::ImportReport;
use platen_net::{LocalClient, LocalError};
use serde::Serialize;
use tempfile::TempDir;
use thiserror::Error;

use crate::release::Way;
use crate::request::{RequestError, Target};

const START_LIMIT: Duration = Duration::from_secs(20); // far above any start; then it has failed
/// Owner of all measured jobs.
pub const USER: &str = "bench";
const CARD: &str = "04A1B2C3";

/// Why a server didn't come up.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ServerError {
    /// Its program is missing, ended early or didn't answer in time.
    #[error("the server did not start")]
    Start(#[from] BedError),
    /// Its folder can't be written.
    #[error("cannot write the server's folder")]
    Folder(#[from] io::Error),
    /// Its queue has no usable address.
    #[error("the queue has no address")]
    Queue(#[from] RequestError),
    /// The box took neither user nor card.
    #[error("the box did not take the user")]
    Import(#[from] LocalError),
    /// The box refused the user or the card.
    #[error("the box refused the user: {why}")]
    User {
        /// Its own words.
        why: String,
    },
}

/// Which server.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// This firmware: durable and sealed before it answers.
    Platen,
    /// `cupsd` as it comes: `SyncOnClose No`, `DirtyCleanInterval 30`.
    Cups,
    /// `cupsd` with `SyncOnClose Yes` and `DirtyCleanInterval 0`: it writes and syncs a job's
    /// control file just after its answer. With the first alone it does so half a minute later;
    /// the document is not synced in any mode. Seen with strace, cupsd 2.4.2.
    CupsSynced,
}

impl Kind {
    /// In the order of the tables.
    pub const ALL: [Self; 3] = [Self::Platen, Self::Cups, Self::CupsSynced];

    /// What tables call it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Platen => "platend",
            Self::Cups => "cupsd",
            Self::CupsSynced => "cupsd, synced",
        }
    }
}

/// Where things are on this machine.
#[derive(Clone, Debug)]
pub struct Places {
    /// Folder in which each server gets its own; on the disk that is to be measured.
    pub work: PathBuf,
    /// Programs of CUPS: the folder with `backend/`.
    pub cups_programs: PathBuf,
}

impl Places {
    /// Whether cupsd can print to a socket here; Debian has that backend in the package `cups`.
    #[must_use]
    pub fn cups_has_sockets(&self) -> bool {
        self.cups_programs.join("backend/socket").is_file()
    }
}

/// A server that runs; ends, and takes its folder with it, when it is dropped.
#[derive(Debug)]
pub struct Server {
    /// Its queue.
    pub target: Target,
    /// How it is told to release.
    pub way: Way,
    /// Its process.
    pub pid: u32,
    running: Running,
    folder: TempDir,
}

#[derive(Debug)]
enum Running {
    Platen(Box<Daemon>),
    Cups(Program),
}

impl Running {
    fn program(&mut self) -> &mut Program {
        match self {
            Self::Platen(daemon) => daemon.program(),
            Self::Cups(program) => program,
        }
    }
}

impl Server {
    /// Starts a fresh server whose printer is at `sink`, and waits until a job can be sent.
    ///
    /// # Errors
    /// [`ServerError`]; the end of the server's log is in it when there is one.
    pub fn start(kind: Kind, places: &Places, sink: SocketAddr) -> Result<Self, ServerError> {
        let folder = TempDir::with_prefix_in("run-", &places.work)?;
        // cupsd runs its backends as another user, who must get at their job's file.
        fs::set_permissions(folder.path(), Permissions::from_mode(0o755))?;
        match kind {
            Kind::Platen => start_platen(folder, sink),
            Kind::Cups => start_cups(folder, places, sink, false),
            Kind::CupsSynced => start_cups(folder, places, sink, true),
        }
    }

    /// Ends it, removes what it has written, and waits until the disk has nothing left to write,
    /// so that its debts aren't paid in the next server's time.
    ///
    /// # Errors
    /// [`ServerError`]; when it had ended by itself, the end of its log.
    pub fn stop(mut self) -> Result<(), ServerError> {
        let program = self.running.program();
        program.check_running()?;
        // A server that takes long to end is killed by this, which is no fault of the figures.
        let _ = program.stop();
        let parent = self.folder.path().parent().map(File::open).transpose()?;
        self.folder.close()?;
        if let Some(parent) = parent {
            rustix::fs::syncfs(parent).map_err(io::Error::from)?;
        }
        Ok(())
    }
}

fn start_platen(folder: TempDir, sink: SocketAddr) -> Result<Server, ServerError> {
    let mut config = NodeConfig::new(folder.path(), &format!("socket://{sink}"))?;
    config.pjl_status = false; // the sink doesn't answer; most RAW printers don't either
    config.formats = vec!["application/pdf".to_owned()];
    let mut daemon = Daemon::start(config)?;
    let client = LocalClient::new(daemon.config().socket());
    let users = format!("user,name,card\n{USER},Bench,{CARD}\n");
    let import = client.post_bytes("/v1/users/import", "text/csv", users.into_bytes());
    let report: ImportReport = smol::block_on(import)?;
    if let Some((_, why)) = report.errors.into_iter().next() {
        return Err(ServerError::User { why });
    }
    let target = Target::parse(&daemon.uri())?;
    let way = Way::Tap {
        client,
        uid: CARD.to_owned(),
    };
    Ok(Server {
        target,
        way,
        pid: daemon.program().id(),
        running: Running::Platen(Box::new(daemon)),
        folder,
    })
}

fn start_cups(
    folder: TempDir,
    places: &Places,
    sink: SocketAddr,
    synced: bool,
) -> Result<Server, ServerError> {
    let (port, at) = (free_address()?.port(), folder.path());
    for name in ["spool/tmp", "cache", "state", "log"] {
        fs::create_dir_all(at.join(name))?;
    }
    let files = at.join("cups-files.conf");
    fs::write(&files, cups_files(at, &places.cups_programs, synced))?;
    let config = at.join("cupsd.conf");
    fs::write(&config, cups_config(port, synced))?;
    let mut command = Command::new(installed_program("cupsd")?);
    command
        .arg("-f")
        .arg("-c")
        .arg(&config)
        .arg("-s")
        .arg(&files);
    let mut program = Program::start("cupsd", command, at)?;
    wait::until("cupsd to listen", START_LIMIT, || {
        program.check_running()?;
        Ok(TcpStream::connect(("127.0.0.1", port)).ok())
    })?;
    let device = match places.cups_has_sockets() {
        true => format!("socket://{sink}"),
        false => "file:///dev/null".to_owned(),
    };
    let mut queue = Command::new(installed_program("lpadmin")?);
    queue.args([
        "-h",
        &format!("127.0.0.1:{port}"),
        "-p",
        "raw",
        "-E",
        "-v",
        &device,
    ]);
    run(queue.args(["-m", "raw"]))?;
    let target = Target::parse(&format!("ipp://127.0.0.1:{port}/printers/raw"))?;
    Ok(Server {
        target,
        way: Way::ReleaseJob,
        pid: program.id(),
        running: Running::Cups(program),
        folder,
    })
}

/// cups-files.conf(5): everything in the server's own folder.
fn cups_files(at: &Path, programs: &Path, synced: bool) -> String {
    let sync = if synced { "Yes" } else { "No" };
    let (at, programs) = (at.display(), programs.display());
    format!(
        "ServerRoot {at}\nServerBin {programs}\nRequestRoot {at}/spool\nTempDir {at}/spool/tmp\n\
         CacheDir {at}/cache\nStateDir {at}/state\nAccessLog {at}/log/access\n\
         ErrorLog {at}/log/error\nPageLog {at}/log/page\nSystemGroup root\nFileDevice Yes\n\
         SyncOnClose {sync}\n"
    )
}

/// cupsd.conf(5): open to loopback, and its limits out of the way: with the stock `MaxClients`
/// and `MaxJobs` it would queue or refuse.
fn cups_config(port: u16, synced: bool) -> String {
    let delay = if synced { 0 } else { 30 };
    format!(
        "Listen 127.0.0.1:{port}\nDirtyCleanInterval {delay}\nLogLevel warn\n\
         MaxClients 1000\nMaxClientsPerHost 1000\nMaxJobs 0\nMaxJobsPerPrinter 0\nMaxJobsPerUser 0\nBrowsing No\nWebInterface No\n\
         DefaultAuthType None\n<Location />\nOrder allow,deny\nAllow all\n</Location>\n\
         <Policy default>\nJobPrivateAccess all\nJobPrivateValues none\n\
         SubscriptionPrivateAccess all\nSubscriptionPrivateValues none\n\
         <Limit All>\nOrder allow,deny\nAllow all\n</Limit>\n</Policy>\n"
    )
}
