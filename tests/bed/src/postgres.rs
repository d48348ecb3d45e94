// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A private PostgreSQL from Debian's packages, on loopback, in a folder of its own. It refuses to
//! run as root: a root's bed starts it as `postgres` or `nobody`. It ends with this value, and also
//! when the test that started it ends in any other way: a shell beside it waits for the end of its
//! input, which is a pipe of the test's process.

use std::fs;
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Duration;

use crate::process::{BedError, Program, installed_program, run};
use crate::wait;

/// Where Debian's packages put the programs of each version.
const VERSIONS: &str = "/usr/lib/postgresql";
/// How long the server may take to answer.
const START_LIMIT: Duration = Duration::from_secs(30);
/// The database's own superuser.
const USER: &str = "platen";

/// `$1`: a folder to remove at the end, or nothing; the rest is the server. SIGINT ends it and its
/// connections at once, in order.
const KEEPER: &str = r#"
folder=$1; shift
exec 3<&0
"$@" </dev/null 3<&- &
server=$!
{ cat <&3 >/dev/null; kill -INT "$server"; } 2>/dev/null &
trap 'kill -INT "$server"' TERM
wait "$server"; wait "$server" 2>/dev/null
[ -z "$folder" ] || rm -rf "$folder"
"#;

/// A running private PostgreSQL.
#[derive(Debug)]
pub struct Postgres {
    programs: PathBuf,
    runner: Option<Runner>,
    folder: PathBuf,
    temporary: bool,
    /// Whether its data is synced.
    durable: bool,
    port: u16,
    program: Option<Program>,
    databases: AtomicU32,
}

/// The user as whom root starts it.
#[derive(Clone, Copy, Debug)]
struct Runner {
    user: u32,
    group: u32,
}

impl Postgres {
    /// Makes a database cluster in `folder`, which becomes the server's own, and starts it. Nothing
    /// is synced to the disk: that is for tests alone.
    ///
    /// # Errors
    /// [`BedError::Missing`] when it is not installed; [`BedError::Failed`], [`BedError::Ended`] and
    /// [`BedError::Timeout`] when it does not start.
    pub fn start(folder: &Path) -> Result<Self, BedError> {
        Self::start_in(folder, false, false)
    }

    /// The same, with everything synced that PostgreSQL syncs: for measurements.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub fn start_durable(folder: &Path) -> Result<Self, BedError> {
        Self::start_in(folder, false, true)
    }

    fn start_in(folder: &Path, temporary: bool, durable: bool) -> Result<Self, BedError> {
        let mut server = Self {
            programs: programs()?,
            runner: runner()?,
            folder: folder.to_owned(),
            temporary,
            durable,
            port: 0,
            program: None,
            databases: AtomicU32::new(0),
        };
        fs::create_dir_all(folder).map_err(BedError::io("make the database's folder"))?;
        if let Some(Runner { user, group }) = server.runner {
            chown(folder, Some(user), Some(group))
                .map_err(BedError::io("give the database its folder"))?;
        }
        let mut initdb = server.command("initdb");
        initdb.arg("--pgdata").arg(server.data());
        initdb.args([
            "--no-sync",
            "--no-instructions",
            "--auth=trust",
            "--no-locale",
        ]);
        initdb.args(["--encoding=UTF8", "--username", USER]);
        run(&mut initdb)?;
        server.resume()?;
        Ok(server)
    }

    /// The server that all tests of this process share, made by the first that asks. It ends, and
    /// its folder goes, with the process.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub fn shared() -> Result<&'static Self, BedError> {
        static SHARED: OnceLock<Postgres> = OnceLock::new();
        static STARTING: Mutex<()> = Mutex::new(());
        let _turn = STARTING.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(server) = SHARED.get() {
            return Ok(server);
        }
        let folder = tempfile::Builder::new()
            .prefix("platen-postgres-")
            .tempdir()
            .map_err(BedError::io("make a temporary folder"))?;
        let server = Self::start_in(folder.path(), true, false)?;
        // From here on the keeper removes it.
        let _ = folder.keep();
        Ok(SHARED.get_or_init(|| server))
    }

    /// Starts it again after [`Self::stop`], at the same address.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub fn resume(&mut self) -> Result<(), BedError> {
        if self.port == 0 {
            self.port = free_port()?;
        }
        let remove = match self.temporary {
            true => self.folder.as_os_str().to_owned(),
            false => std::ffi::OsString::new(),
        };
        let mut command = self.as_runner("/bin/sh");
        command.args(["-c", KEEPER, "keeper"]).arg(remove);
        command.arg(self.programs.join("postgres"));
        command.arg("-D").arg(self.data());
        for setting in [
            "listen_addresses=127.0.0.1",
            "unix_socket_directories=",
            "max_connections=100",
            "shared_buffers=32MB",
        ] {
            command.args(["-c", setting]);
        }
        if !self.durable {
            command.args(["-c", "fsync=off", "-c", "full_page_writes=off"]);
        }
        command.args(["-c", &format!("port={}", self.port)]);
        let mut program = Program::start("postgres", command, &self.folder)?;
        wait::until("PostgreSQL to answer", START_LIMIT, || {
            program.check_running()?;
            let ready = run(&mut self.client("pg_isready", "postgres"));
            Ok(ready.is_ok().then_some(()))
        })?;
        self.program = Some(program);
        Ok(())
    }

    /// Ends it and its connections; its data stays.
    ///
    /// # Errors
    /// [`BedError::Timeout`] if it had to be killed.
    pub fn stop(&mut self) -> Result<(), BedError> {
        match self.program.take() {
            Some(mut program) => program.stop().map(drop),
            None => Ok(()),
        }
    }

    /// Makes a new empty database and returns its URL.
    ///
    /// # Errors
    /// [`BedError::Failed`], as the database's own program says it.
    pub fn database(&self) -> Result<String, BedError> {
        let number = self.databases.fetch_add(1, Ordering::Relaxed);
        let name = format!("test_{number}");
        let create = format!("CREATE DATABASE {name}");
        let mut psql = self.client("psql", "postgres");
        run(psql.args(["--quiet", "--no-psqlrc", "-c", &create]))?;
        Ok(format!("postgres://{USER}@127.0.0.1:{}/{name}", self.port))
    }

    fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    fn client(&self, program: &str, database: &str) -> Command {
        let mut command = Command::new(self.programs.join(program));
        command.args(["-h", "127.0.0.1", "-U", USER, "-d", database]);
        command.args(["-p", &self.port.to_string()]);
        command
    }

    /// One of its programs, by the server's user.
    fn command(&self, program: &str) -> Command {
        let program = self.programs.join(program);
        self.as_runner(&program.to_string_lossy())
    }

    fn as_runner(&self, program: &str) -> Command {
        let mut command = match &self.runner {
            None => Command::new(program),
            Some(Runner { user, group }) => {
                let mut command = Command::new("setpriv");
                command.args(["--reuid", &user.to_string(), "--regid", &group.to_string()]);
                command.args(["--clear-groups", "--"]);
                command.arg(program);
                command
            }
        };
        command.current_dir(&self.folder);
        // Its messages are looked at as they are, in no language.
        command.env("LC_ALL", "C");
        command
    }
}

/// The newest version's programs.
fn programs() -> Result<PathBuf, BedError> {
    let version = |path: &Path| -> Option<u32> { path.file_name()?.to_str()?.parse().ok() };
    let folders = fs::read_dir(VERSIONS).into_iter().flatten().flatten();
    folders
        .map(|folder| folder.path())
        .filter(|folder| folder.join("bin/postgres").is_file())
        .max_by_key(|folder| version(folder))
        .map(|folder| folder.join("bin"))
        .ok_or_else(|| BedError::Missing {
            program: "postgres".to_owned(),
            hint: "`make deps` installs what is missing".to_owned(),
        })
}

fn runner() -> Result<Option<Runner>, BedError> {
    if !rustix::process::getuid().is_root() {
        return Ok(None);
    }
    installed_program("setpriv")?;
    let users = fs::read_to_string("/etc/passwd").map_err(BedError::io("read /etc/passwd"))?;
    let found = ["postgres", "nobody"]
        .into_iter()
        .find_map(|name| users.lines().find_map(|line| user(line, name)));
    found.map(Some).ok_or_else(|| BedError::Missing {
        program: "a user `postgres` or `nobody`".to_owned(),
        hint: "PostgreSQL does not run as root".to_owned(),
    })
}

/// A line of /etc/passwd, if it is this user's.
fn user(line: &str, name: &str) -> Option<Runner> {
    let mut fields = line.split(':');
    if fields.next()? != name {
        return None;
    }
    Some(Runner {
        user: fields.nth(1)?.parse().ok()?,
        group: fields.next()?.parse().ok()?,
    })
}

fn free_port() -> Result<u16, BedError> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0));
    let address = listener.and_then(|listener| listener.local_addr());
    let address = address.map_err(BedError::io("find a free port"))?;
    Ok(address.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stopped_server_goes_on_with_its_data() {
        let folder = tempfile::tempdir().unwrap();
        let mut server = Postgres::start(&folder.path().join("pg")).unwrap();
        let url = server.database().unwrap();
        assert!(url.ends_with("/test_0"), "{url}");
        server.stop().unwrap();
        assert!(run(&mut server.client("pg_isready", "test_0")).is_err());
        server.resume().unwrap();
        run(server.client("psql", "test_0").args(["-c", "SELECT 1"])).unwrap();
    }

    #[test]
    fn the_end_of_its_input_ends_a_server_and_removes_its_folder() {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("pg");
        let mut server = Postgres::start_in(&data, true, false).unwrap();
        let mut program = server.program.take().unwrap();
        program.close_input();
        wait::until("the server's end", START_LIMIT, || {
            program.exit_status().map(|status| status.map(drop))
        })
        .unwrap();
        // Its parent is the test's: what is in it goes.
        assert!(!data.join("data").exists());
    }
}
