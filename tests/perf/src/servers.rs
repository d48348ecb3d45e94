// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The servers that are compared, each fresh, alone and in a folder of its own: `platend`, and a
//! private `cupsd` with a raw queue, once as it comes and once as durable as it can be told to be.
//! Its settings are the stock ones but for its limits; the bed's own are made for tests, not speed.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io;
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
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

/// A server that runs; ends, and takes its folder with it, when it is dropped.
#[derive(Debug)]
pub struct Server {
    /// Its queue; at a box, the one whose jobs wait for a card.
    pub target: Target,
    /// Its queue whose jobs print when Release-Job asks for them.
    pub direct: Target,
    /// The owner's card, where there is a reader.
    pub card: Option<Way>,
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
    /// Starts a fresh server whose printer is at `sink`, in a folder of its own below `work`, and
    /// waits until a job can be sent.
    ///
    /// # Errors
    /// [`ServerError`]; the end of the server's log is in it when there is one.
    pub fn start(kind: Kind, work: &Path, sink: SocketAddr) -> Result<Self, ServerError> {
        let folder = TempDir::with_prefix_in("run-", work)?;
        // cupsd runs its backends as another user, who must get at their job's file.
        fs::set_permissions(folder.path(), Permissions::from_mode(0o755))?;
        match kind {
            Kind::Platen => start_platen(folder, sink),
            Kind::Cups => start_cups(folder, sink, false),
            Kind::CupsSynced => start_cups(folder, sink, true),
        }
    }

    /// Ends it, gives back the space of what it has written, and waits until the disk has nothing
    /// left to write, so that its debts aren't paid in the next server's time. Its files stay,
    /// empty, as long as the folder that is returned: file systems go round what was removed in
    /// the last minutes (ext4 looks at each such inode whenever it makes a file), so that the next
    /// server would pay for the removal.
    ///
    /// # Errors
    /// [`ServerError`]; when it had ended by itself, the end of its log.
    pub fn stop(mut self) -> Result<TempDir, ServerError> {
        let program = self.running.program();
        program.check_running()?;
        // A server that takes long to end is killed by this, which is no fault of the figures.
        let _ = program.stop();
        empty_files(self.folder.path())?;
        rustix::fs::syncfs(File::open(self.folder.path())?).map_err(io::Error::from)?;
        Ok(self.folder)
    }
}

fn empty_files(folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let kind = entry.file_type()?;
        if kind.is_dir() {
            empty_files(&entry.path())?;
        } else if kind.is_file() && entry.metadata()?.len() > 0 {
            OpenOptions::new()
                .write(true)
                .open(entry.path())?
                .set_len(0)?;
        }
    }
    Ok(())
}

fn start_platen(folder: TempDir, sink: SocketAddr) -> Result<Server, ServerError> {
    let mut config = NodeConfig::new(folder.path(), &format!("socket://{sink}"))?;
    config.pjl_status = false; // the sink doesn't answer; most RAW printers don't either
    config.formats = vec!["application/pdf".to_owned()];
    config.further = "push = true\n".to_owned();
    let mut daemon = Daemon::start(config)?;
    let client = LocalClient::new(daemon.config().socket());
    let users = format!("user,name,card\n{USER},Bench,{CARD}\n");
    let import = client.post_bytes("/v1/users/import", "text/csv", users.into_bytes());
    let report: ImportReport = smol::block_on(import)?;
    if let Some((_, why)) = report.errors.into_iter().next() {
        return Err(ServerError::User { why });
    }
    let target = Target::parse(&daemon.uri())?;
    let push = format!("ipp://{}/ipp/push/printer", daemon.config().ipp);
    let uid = CARD.to_owned();
    Ok(Server {
        target,
        direct: Target::parse(&push)?,
        card: Some(Way::Tap { client, uid }),
        pid: daemon.program().id(),
        running: Running::Platen(Box::new(daemon)),
        folder,
    })
}

fn start_cups(folder: TempDir, sink: SocketAddr, synced: bool) -> Result<Server, ServerError> {
    let (port, at) = (free_address()?.port(), folder.path());
    for name in ["spool/tmp", "cache", "state", "log"] {
        fs::create_dir_all(at.join(name))?;
    }
    let files = at.join("cups-files.conf");
    fs::write(&files, cups_files(at, synced))?;
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
    let mut queue = Command::new(installed_program("lpadmin")?);
    queue.args([
        "-h",
        &format!("127.0.0.1:{port}"),
        "-p",
        "raw",
        "-E",
        "-v",
        &format!("socket://{sink}"),
    ]);
    run(queue.args(["-m", "raw"]))?;
    let target = Target::parse(&format!("ipp://127.0.0.1:{port}/printers/raw"))?;
    Ok(Server {
        direct: target.clone(),
        target,
        card: None,
        pid: program.id(),
        running: Running::Cups(program),
        folder,
    })
}

/// cups-files.conf(5): everything in the server's own folder.
fn cups_files(at: &Path, synced: bool) -> String {
    let sync = if synced { "Yes" } else { "No" };
    let at = at.display();
    format!(
        "ServerRoot {at}\nRequestRoot {at}/spool\nTempDir {at}/spool/tmp\n\
         CacheDir {at}/cache\nStateDir {at}/state\nAccessLog {at}/log/access\n\
         ErrorLog {at}/log/error\nPageLog {at}/log/page\nSystemGroup root\n\
         SyncOnClose {sync}\n"
    )
}

/// cupsd.conf(5): open to loopback, and its limits out of the way: with the stock `MaxClients`
/// and `MaxJobs` it would queue or refuse.
fn cups_config(port: u16, synced: bool) -> String {
    let delay = if synced { 0 } else { 30 };
    format!(
        "Listen 127.0.0.1:{port}\nDirtyCleanInterval {delay}\nLogLevel warn\n\
         MaxClients 1000\nMaxClientsPerHost 1000\n\
         MaxJobs 0\nMaxJobsPerPrinter 0\nMaxJobsPerUser 0\nBrowsing No\nWebInterface No\n\
         DefaultAuthType None\n<Location />\nOrder allow,deny\nAllow all\n</Location>\n\
         <Policy default>\nJobPrivateAccess all\nJobPrivateValues none\n\
         SubscriptionPrivateAccess all\nSubscriptionPrivateValues none\n\
         <Limit All>\nOrder allow,deny\nAllow all\n</Limit>\n</Policy>\n"
    )
}
