// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Starts the virtual printer as a program of its own and scripts it over its control socket.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::process::{BedError, Program, own_program};
use crate::virtual_printer::{JobRecord, PrinterStatus};
use crate::wait;

/// How long the program may take to listen.
const START_LIMIT: Duration = Duration::from_secs(10);
/// How long an answer on the control socket may take.
const ANSWER_LIMIT: Duration = Duration::from_secs(10);

/// A running `platen-virtual-printer`. Dropping it ends it.
#[derive(Debug)]
pub struct VirtualPrinter {
    program: Program,
    address: SocketAddr,
    agent: Option<SocketAddr>,
    folder: PathBuf,
}

impl VirtualPrinter {
    /// Starts one on a free port with its files in `folder`, and waits until it listens.
    ///
    /// # Errors
    /// [`BedError`]: not built, or ended at once.
    pub fn start(folder: &Path) -> Result<Self, BedError> {
        Self::start_with(folder, SocketAddr::from(([127, 0, 0, 1], 0)), &[])
    }

    /// The same on a given address and with further arguments, such as `--no-render`.
    ///
    /// # Errors
    /// [`BedError`]: not built, or the port is taken.
    pub fn start_with(
        folder: &Path,
        listen: SocketAddr,
        further: &[&str],
    ) -> Result<Self, BedError> {
        fs::create_dir_all(folder).map_err(BedError::io(format!("make {}", folder.display())))?;
        let mut command = Command::new(own_program("platen-virtual-printer")?);
        command
            .args(["--listen", &listen.to_string(), "--folder"])
            .arg(folder)
            .args(further);
        let mut program = Program::start("virtual-printer", command, folder)?;
        let address = announced(&mut program, "listening ")?;
        let agent = match further.contains(&"--snmp") {
            true => Some(announced(&mut program, "snmp ")?),
            false => None,
        };
        Ok(Self {
            program,
            address,
            agent,
            folder: folder.to_owned(),
        })
    }

    /// The RAW address.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The SNMP agent's address, if it was started with `--snmp`.
    #[must_use]
    pub fn agent(&self) -> Option<SocketAddr> {
        self.agent
    }

    /// The URI for a printer in the node's configuration, as in `socket://127.0.0.1:8910`.
    #[must_use]
    pub fn uri(&self) -> String {
        format!("socket://{}", self.address)
    }

    /// Where jobs and pages are.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The program itself.
    pub fn program(&mut self) -> &mut Program {
        &mut self.program
    }

    /// Sends a command such as `jam`, `jam 4096`, `unplug` or `clear` and returns the answer.
    ///
    /// # Errors
    /// [`BedError::Answer`] for a refusal; [`BedError::Io`] when nobody answers.
    pub fn command(&self, command: &str) -> Result<String, BedError> {
        let what = || BedError::io(format!("send `{command}` to the virtual printer"));
        let mut stream = UnixStream::connect(self.folder.join("control.sock")).map_err(what())?;
        stream
            .set_read_timeout(Some(ANSWER_LIMIT))
            .map_err(what())?;
        stream
            .write_all(format!("{command}\n").as_bytes())
            .map_err(what())?;
        let mut answer = String::new();
        BufReader::new(stream)
            .read_line(&mut answer)
            .map_err(what())?;
        if answer.is_empty() || answer.starts_with("error ") {
            return Err(unexpected(&answer));
        }
        Ok(answer.trim_end().to_owned())
    }

    /// What the printer says about itself.
    ///
    /// # Errors
    /// As [`VirtualPrinter::command`].
    pub fn status(&self) -> Result<PrinterStatus, BedError> {
        let answer = self.command("status")?;
        serde_json::from_str(&answer).map_err(|_| unexpected(&answer))
    }

    /// The jobs whose last byte has come, oldest first (the last 1000).
    ///
    /// # Errors
    /// As [`VirtualPrinter::command`].
    pub fn jobs(&self) -> Result<Vec<JobRecord>, BedError> {
        let answer = self.command("jobs")?;
        serde_json::from_str(&answer).map_err(|_| unexpected(&answer))
    }

    /// Waits until job `number` has come whole and is rendered.
    ///
    /// # Errors
    /// [`BedError::Timeout`] after `limit`.
    pub fn wait_for_job(&self, number: u32, limit: Duration) -> Result<JobRecord, BedError> {
        wait::until(&format!("job {number} at the printer"), limit, || {
            let mut jobs = self.jobs()?.into_iter();
            Ok(jobs.find(|job| job.number == number && job.done))
        })
    }

    /// Waits until `count` jobs are done, and returns all.
    ///
    /// # Errors
    /// [`BedError::Timeout`] after `limit`.
    pub fn wait_for_jobs(&self, count: usize, limit: Duration) -> Result<Vec<JobRecord>, BedError> {
        wait::until(&format!("{count} jobs at the printer"), limit, || {
            let jobs = self.jobs()?;
            let done = jobs.iter().filter(|job| job.done).count();
            Ok((done >= count).then_some(jobs))
        })
    }

    /// A job's bytes as they were on the wire.
    ///
    /// # Errors
    /// [`BedError::Io`] when there is no such job.
    pub fn wire_bytes(&self, job: &JobRecord) -> Result<Vec<u8>, BedError> {
        self.read(&format!("job-{:03}.bin", job.number))
    }

    /// A job's document without PJL.
    ///
    /// # Errors
    /// [`BedError::Io`] when there is no such job.
    pub fn document(&self, job: &JobRecord) -> Result<Vec<u8>, BedError> {
        let suffix = if job.wrapped { "-document" } else { "" };
        self.read(&format!("job-{:03}{suffix}.bin", job.number))
    }

    fn read(&self, name: &str) -> Result<Vec<u8>, BedError> {
        let path = self.folder.join(name);
        fs::read(&path).map_err(BedError::io(format!("read {}", path.display())))
    }

    /// The PNG pages of a job.
    #[must_use]
    pub fn pages(&self, job: &JobRecord) -> Vec<PathBuf> {
        (1..=job.pages.unwrap_or(0))
            .map(|page| {
                self.folder
                    .join(format!("job-{:03}-page-{page:02}.png", job.number))
            })
            .collect()
    }

    /// Ends the program in order.
    ///
    /// # Errors
    /// [`BedError::Timeout`] if it had to be killed.
    pub fn stop(mut self) -> Result<(), BedError> {
        self.program.stop().map(drop)
    }
}

/// The address in a line that the program prints when it is ready.
fn announced(program: &mut Program, word: &str) -> Result<SocketAddr, BedError> {
    let line = program.wait_for_line(word, START_LIMIT)?;
    let address = line.strip_prefix(word).map(str::trim);
    let address = address.and_then(|text| text.parse().ok());
    address.ok_or_else(|| unexpected(&line))
}

fn unexpected(answer: &str) -> BedError {
    BedError::Answer {
        from: "the virtual printer".to_owned(),
        answer: answer.chars().take(300).collect(),
    }
}
