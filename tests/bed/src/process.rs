// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Programs that the bed starts: found, started with their output in files, awaited by a line,
//! and ended by id: first SIGTERM, then SIGKILL.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use thiserror::Error;

use crate::wait;

/// How long a program may take to end after SIGTERM before it is killed.
const STOP_LIMIT: Duration = Duration::from_secs(5);
/// How much of a program's log a failure shows, in bytes.
const LOG_SHOWN: usize = 2000;

/// What went wrong in the bed. `Display` is meant for a person who reads a failed test.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum BedError {
    /// A program is not installed or not built.
    #[error("`{program}` was not found; {hint}")]
    Missing {
        /// Its name.
        program: String,
        /// What to do about it.
        hint: String,
    },
    /// A file or socket operation failed.
    #[error("cannot {what}")]
    Io {
        /// What was tried, as in "write run/node.toml".
        what: String,
        /// The system's reason.
        #[source]
        source: io::Error,
    },
    /// Something did not happen in time.
    #[error("waited {limit:?} in vain for {what}")]
    Timeout {
        /// What should have happened.
        what: String,
        /// The time allowed.
        limit: Duration,
    },
    /// A program that should run has ended.
    #[error("`{program}` ended early ({status}); the end of its log:\n{log}")]
    Ended {
        /// Its name.
        program: String,
        /// How it ended.
        status: ExitStatus,
        /// The last lines it wrote.
        log: String,
    },
    /// A command answered with a failure.
    #[error("`{command}` failed ({status}): {message}")]
    Failed {
        /// The command with its arguments.
        command: String,
        /// How it ended.
        status: ExitStatus,
        /// What it wrote.
        message: String,
    },
    /// A program's answer could not be understood.
    #[error("{from} answered what was not expected: {answer}")]
    Answer {
        /// Who answered.
        from: String,
        /// The answer, cut.
        answer: String,
    },
}

impl BedError {
    /// For `map_err`: an [`io::Error`] while doing `what`.
    pub fn io(what: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let what = what.into();
        move |source| Self::Io { what, source }
    }
}

/// An error with its causes, in one line.
#[must_use]
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut inner = error.source();
    while let Some(error) = inner {
        text.push_str(": ");
        text.push_str(&error.to_string());
        inner = error.source();
    }
    text
}

/// Finds one of this workspace's own programs: beside the running program or test, or in
/// `PLATEN_BIN_DIR` when that is set.
///
/// # Errors
/// [`BedError::Missing`] when it has not been built.
pub fn own_program(name: &str) -> Result<PathBuf, BedError> {
    let set = std::env::var_os("PLATEN_BIN_DIR").map(PathBuf::from);
    let exe = std::env::current_exe().map_err(BedError::io("find the running program"))?;
    set.iter()
        .map(PathBuf::as_path)
        .chain(exe.ancestors().skip(1).take(2))
        .map(|folder| folder.join(name))
        .find(|path| path.is_file())
        .ok_or_else(|| BedError::Missing {
            program: name.to_owned(),
            hint: "build it with `cargo build --workspace --bins`".to_owned(),
        })
}

/// Finds an installed program in `PATH` or the system folders that users' `PATH`s leave out.
///
/// # Errors
/// [`BedError::Missing`], saying that `make deps` installs it.
pub fn installed_program(name: &str) -> Result<PathBuf, BedError> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(["/usr/sbin", "/sbin"].map(PathBuf::from))
        .map(|folder| folder.join(name))
        .find(|path| path.is_file())
        .ok_or_else(|| BedError::Missing {
            program: name.to_owned(),
            hint: "`make deps` installs what is missing".to_owned(),
        })
}

/// Runs a command to its end and returns what it wrote on standard output.
///
/// # Errors
/// [`BedError::Failed`] with its messages for a status other than 0, [`BedError::Io`] when it
/// cannot be started.
pub fn run(command: &mut Command) -> Result<String, BedError> {
    let output = output(command)?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let mut message = String::from_utf8_lossy(&output.stderr).into_owned();
    message.push_str(&String::from_utf8_lossy(&output.stdout));
    Err(BedError::Failed {
        command: shown(command),
        status: output.status,
        message,
    })
}

/// Runs a command to its end, whatever its status is.
///
/// # Errors
/// [`BedError::Io`] when it cannot be started.
pub fn output(command: &mut Command) -> Result<Output, BedError> {
    command
        .stdin(Stdio::null())
        .output()
        .map_err(BedError::io(format!("start {}", shown(command))))
}

fn shown(command: &Command) -> String {
    std::iter::once(command.get_program())
        .chain(command.get_args())
        .map(OsStr::to_string_lossy)
        .collect::<Vec<_>>()
        .join(" ")
}

/// A program that runs beside the test. Dropping it ends it.
#[derive(Debug)]
pub struct Program {
    name: String,
    child: Child,
    out: PathBuf,
    log: PathBuf,
}

impl Program {
    /// Starts `command` with its output in `folder/NAME.out` and `folder/NAME.log`. Its standard
    /// input is a pipe that closes when this value is dropped or this process ends.
    ///
    /// # Errors
    /// [`BedError::Io`] when the files or the program cannot be opened.
    pub fn start(name: &str, mut command: Command, folder: &Path) -> Result<Self, BedError> {
        let out = folder.join(format!("{name}.out"));
        let log = folder.join(format!("{name}.log"));
        let create = |path: &Path| {
            File::create(path).map_err(BedError::io(format!("write {}", path.display())))
        };
        let child = command
            .stdin(Stdio::piped())
            .stdout(create(&out)?)
            .stderr(create(&log)?)
            .spawn()
            .map_err(BedError::io(format!("start {}", shown(&command))))?;
        let name = name.to_owned();
        Ok(Self {
            name,
            child,
            out,
            log,
        })
    }

    /// The process id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Where its standard error goes.
    #[must_use]
    pub fn log(&self) -> &Path {
        &self.log
    }

    /// Waits until it has printed a whole line that starts with `start`, and returns that line.
    ///
    /// # Errors
    /// [`BedError::Ended`] if it ends before, [`BedError::Timeout`] after `limit`.
    pub fn wait_for_line(&mut self, start: &str, limit: Duration) -> Result<String, BedError> {
        let what = format!("`{}` to print `{start}`", self.name);
        wait::until(&what, limit, || {
            let written = fs::read_to_string(&self.out).unwrap_or_default();
            let whole = written.rfind('\n').map_or("", |end| &written[..end]);
            if let Some(line) = whole.lines().find(|line| line.starts_with(start)) {
                return Ok(Some(line.to_owned()));
            }
            self.check_running().map(|()| None)
        })
    }

    /// Makes sure that it still runs.
    ///
    /// # Errors
    /// [`BedError::Ended`] with the end of its log if not.
    pub fn check_running(&mut self) -> Result<(), BedError> {
        match self.exit_status()? {
            None => Ok(()),
            Some(status) => Err(BedError::Ended {
                program: self.name.clone(),
                status,
                log: self.log_end(),
            }),
        }
    }

    /// How it ended; `None` while it runs.
    ///
    /// # Errors
    /// [`BedError::Io`], the system's own.
    pub fn exit_status(&mut self) -> Result<Option<ExitStatus>, BedError> {
        self.child
            .try_wait()
            .map_err(BedError::io(format!("look after {}", self.name)))
    }

    /// Closes its standard input, as the end of this process would.
    pub fn close_input(&mut self) {
        drop(self.child.stdin.take());
    }

    /// Sends SIGTERM and waits for the end; kills it if it does not end within 5 s.
    ///
    /// # Errors
    /// [`BedError::Timeout`] if it had to be killed.
    pub fn stop(&mut self) -> Result<ExitStatus, BedError> {
        self.signal(Signal::TERM);
        let what = format!("`{}` to end after SIGTERM", self.name);
        let ended = wait::until(&what, STOP_LIMIT, || self.exit_status());
        if ended.is_err() {
            self.kill()?;
        }
        ended
    }

    /// Ends it at once, as a power cut would (SIGKILL).
    ///
    /// # Errors
    /// [`BedError::Io`], the system's own.
    pub fn kill(&mut self) -> Result<ExitStatus, BedError> {
        let _ = self.child.kill();
        self.child
            .wait()
            .map_err(BedError::io(format!("end {}", self.name)))
    }

    /// Sends a signal; one that no longer runs is left alone.
    pub fn signal(&mut self, signal: Signal) {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        if let (Some(pid), Ok(None)) = (pid, self.child.try_wait()) {
            let _ = kill_process(pid, signal);
        }
    }

    /// The last lines it wrote on standard error.
    #[must_use]
    pub fn log_end(&self) -> String {
        let bytes = fs::read(&self.log).unwrap_or_default();
        let from = bytes.len().saturating_sub(LOG_SHOWN);
        String::from_utf8_lossy(bytes.get(from..).unwrap_or_default()).into_owned()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            let _ = self.stop();
        }
    }
}
