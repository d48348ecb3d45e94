// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A TPM 2.0 for a guest, by swtpm: a chip of its own that keeps what it knows, over all starts.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::process::{BedError, Program, installed_program};
use crate::wait;

const START_LIMIT: Duration = Duration::from_secs(15);

/// The chip. Dropping it switches it off; what it knows stays in its folder.
#[derive(Debug)]
pub struct Tpm {
    folder: PathBuf,
    runs: Option<Program>,
}

impl Tpm {
    /// The chip in `folder`: a new one if there is none.
    ///
    /// # Errors
    /// [`BedError::Io`] when there can be no such folder.
    pub fn new(folder: &Path) -> Result<Self, BedError> {
        super::make(folder)?;
        Ok(Self {
            folder: folder.to_owned(),
            runs: None,
        })
    }

    /// Switches it on, as a PC does with its own at every start. Returns QEMU's words for it.
    ///
    /// # Errors
    /// [`BedError::Missing`] without swtpm, [`BedError::Timeout`] when it does not come up.
    pub fn switch_on(&mut self) -> Result<Vec<String>, BedError> {
        self.runs = None;
        let socket = self.folder.join("control.sock");
        let _ = std::fs::remove_file(&socket);
        let mut command = Command::new(installed_program("setpriv")?);
        command
            .args(["--pdeathsig", "KILL"])
            .arg(installed_program("swtpm")?)
            .args(["socket", "--tpm2", "--tpmstate"])
            .arg(format!("dir={}", self.folder.display()))
            .arg("--ctrl")
            .arg(format!("type=unixio,path={}", socket.display()));
        let mut program = Program::start("swtpm", command, &self.folder)?;
        wait::until("swtpm's socket", START_LIMIT, || {
            program.check_running()?;
            Ok(socket.exists().then_some(()))
        })?;
        self.runs = Some(program);
        let chardev = format!("socket,id=tpm,path={}", socket.display());
        let words = [
            "-chardev",
            &chardev,
            "-tpmdev",
            "emulator,id=tpm0,chardev=tpm",
            "-device",
            "tpm-tis,tpmdev=tpm0",
        ];
        Ok(words.map(str::to_owned).to_vec())
    }
}
