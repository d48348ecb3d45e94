// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Guests in QEMU: the box's own programs on a real kernel's device files. A guest is built from
//! what `tests/guest/kernel.sh` prepared, boots within seconds, does what it is told by the agent
//! inside, and ends with its handle. docs/testbed.md says what runs where.

mod archive;
mod disk;
mod image;
mod kept;
mod machine;
mod office;
mod qmp;
mod times;
mod tpm;
mod wires;

use std::fs;
use std::io::BufReader;
use std::net::SocketAddr;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use platen_guest::protocol::{PORT, Reply, Request, send_request, take_reply};

use crate::cups::free_address;
use crate::daemon::board_file;
use crate::process::{BedError, Program, installed_program};
use archive::Archive;
pub use disk::{Disk, Partition, Slot};
pub use image::{Clock, ImageOptions, LAN_PRINTER, Start, write_initrd};
use kept::Kept;
pub use machine::Machine;
pub use office::{PRINTER, SOCKET};
pub use qmp::Qmp;
pub use times::StartTimes;
pub use tpm::Tpm;
pub use wires::{BED, HOUSE, PRINTERS, Scanned, Wires};

/// From the start of QEMU to the agent's first answer; a quiet machine needs 6 s.
const BOOT_LIMIT: Duration = Duration::from_secs(150);
/// How long one question may take, beside the limit that it states itself.
const ANSWER_LIMIT: Duration = Duration::from_secs(60);
/// How much of the console a failure shows, in bytes.
const CONSOLE_SHOWN: usize = 6000;
const IPP_PORT: u16 = 631;
/// The guest's clock counts its instructions, 8 ns each, as on a small board: however busy this
/// machine is, the guest sees an even processor and its time limits mean what they mean on a box.
const CLOCK: &str = "shift=3";

/// What a guest has beside what every guest has.
#[derive(Debug)]
pub struct GuestOptions {
    /// Its machine.
    pub machine: Machine,
    /// Further words for QEMU, such as devices. `{folder}` stands for the guest's folder.
    pub further: Vec<String>,
}

impl GuestOptions {
    /// A guest with nothing special.
    #[must_use]
    pub fn new(machine: Machine) -> Self {
        Self {
            machine,
            further: Vec::new(),
        }
    }

    /// Adds words for QEMU.
    #[must_use]
    pub fn with(mut self, words: &[&str]) -> Self {
        self.further
            .extend(words.iter().map(|word| (*word).to_owned()));
        self
    }
}

/// A running guest. Dropping it ends it.
#[derive(Debug)]
pub struct Guest {
    program: Program,
    folder: PathBuf,
    agent: BufReader<UnixStream>,
    qmp: Qmp,
    ipp: SocketAddr,
    /// Where the agent's program is.
    own: &'static str,
}

/// What a program in the guest did.
#[derive(Clone, Debug)]
pub struct Ran {
    /// Its standard output.
    pub out: String,
    /// Its exit status; 128 and more for the signal that ended it.
    pub status: i32,
    /// What it wrote on standard error, cut.
    pub messages: String,
    /// How long it took by the guest's clock.
    pub elapsed: Duration,
}

impl Guest {
    /// Builds the guest in `folder`, boots it and waits for its agent.
    ///
    /// # Errors
    /// [`BedError::Missing`] for what is not built or installed; else with the console's end.
    pub fn boot(folder: &Path, options: &GuestOptions) -> Result<Self, BedError> {
        make(folder)?;
        build(folder, options.machine)?;
        let mut guest = Self::launch(folder, options, folder, None)?;
        guest.await_agent()?;
        Ok(guest)
    }

    fn await_agent(&mut self) -> Result<(), BedError> {
        self.await_agent_within(BOOT_LIMIT)
    }

    /// Waits until the agent answers.
    fn await_agent_within(&mut self, limit: Duration) -> Result<(), BedError> {
        let version = Request::Read {
            path: "/proc/version".to_owned(),
        };
        self.ask(&version, &[], limit).map(drop)
    }

    /// A guest as it was after `prepare`: booted, and kept for the next ones, if there is none yet.
    ///
    /// # Errors
    /// As [`Guest::boot`], and what `prepare` failed with.
    pub fn prepared(
        folder: &Path,
        options: &GuestOptions,
        prepare: impl FnOnce(&mut Self) -> Result<(), BedError>,
    ) -> Result<Self, BedError> {
        let kept = Kept::of(options)?;
        let lock = kept.lock()?;
        if !kept.is_there() {
            let mut guest = Self::boot(kept.folder(), options)?;
            prepare(&mut guest)?;
            kept.keep(guest)?;
        }
        make(folder)?;
        let mut guest = Self::launch(folder, options, kept.folder(), Some(&kept.state()))?;
        kept::go_on(&mut guest.qmp)?;
        drop(lock);
        Ok(guest)
    }

    /// Starts QEMU in `folder`, with the files of a guest that was built in `built`.
    fn launch(
        folder: &Path,
        options: &GuestOptions,
        built: &Path,
        state: Option<&Path>,
    ) -> Result<Self, BedError> {
        let ipp = free_address()?;
        let mut command = command(folder, options, built, ipp)?;
        if let Some(state) = state {
            let from = format!("exec:cat '{}'", state.display());
            command.args(["-incoming", &from]);
        }
        Self::attach(command, folder, ipp)
    }

    /// Starts QEMU and connects to it and to the agent's port.
    fn attach(command: Command, folder: &Path, ipp: SocketAddr) -> Result<Self, BedError> {
        let program = Program::start("qemu", command, folder)?;
        let qmp = Qmp::connect(&folder.join("qmp.sock"));
        let agent = qmp::connect(&folder.join("agent.sock"));
        let (qmp, agent) = match (qmp, agent) {
            (Ok(qmp), Ok(agent)) => (qmp, agent),
            (Err(error), _) | (_, Err(error)) => return Err(explained(folder, &error)),
        };
        Ok(Self {
            program,
            folder: folder.to_owned(),
            agent: BufReader::new(agent),
            qmp,
            ipp,
            own: "/bin/platen-guest",
        })
    }

    /// Where the guest's IPP port is on this machine.
    #[must_use]
    pub fn ipp(&self) -> SocketAddr {
        self.ipp
    }

    /// The guest's folder on this machine, with its sockets and its console.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The far end of a PC's serial port 1 or 2.
    ///
    /// # Errors
    /// [`BedError::Timeout`] when it has no such port.
    pub fn serial(&self, port: u32) -> Result<UnixStream, BedError> {
        qmp::connect(&self.folder.join(format!("serial{port}.sock")))
    }

    /// QEMU itself, such as its keyboard.
    pub fn qmp(&mut self) -> &mut Qmp {
        &mut self.qmp
    }

    /// The end of what the kernel and the first program have written.
    #[must_use]
    pub fn console(&self) -> String {
        console(&self.folder)
    }

    /// Runs a program to its end, within `limit` by the guest's clock.
    ///
    /// # Errors
    /// [`BedError::Answer`] when it can't be started or does not end in time.
    pub fn run(&mut self, argv: &[&str], limit: Duration) -> Result<Ran, BedError> {
        let ask = Request::Run {
            argv: owned(argv),
            limit_ms: millis(limit),
        };
        self.ask(&ask, &[], limit + ANSWER_LIMIT).map(ran)
    }

    /// The output of a program that must end well.
    ///
    /// # Errors
    /// As [`Guest::run`], and [`BedError::Answer`] for another status than 0.
    pub fn output(&mut self, argv: &[&str]) -> Result<String, BedError> {
        let ran = self.run(argv, ANSWER_LIMIT)?;
        if ran.status == 0 {
            return Ok(ran.out);
        }
        let answer = format!("{}: {}", ran.status, ran.messages);
        let from = format!("{argv:?} in the guest");
        Err(BedError::Answer { from, answer })
    }

    /// Runs a program again and again until its output contains `text`.
    ///
    /// # Errors
    /// [`BedError::Answer`] when it does not within `limit`.
    pub fn wait_for(
        &mut self,
        argv: &[&str],
        text: &str,
        limit: Duration,
    ) -> Result<Ran, BedError> {
        let ask = Request::Await {
            argv: owned(argv),
            text: text.to_owned(),
            limit_ms: millis(limit),
        };
        self.ask(&ask, &[], limit + ANSWER_LIMIT).map(ran)
    }

    /// Starts a program; its output comes to `/run/log/NAME`.
    ///
    /// # Errors
    /// [`BedError::Answer`] when it can't be started.
    pub fn start(&mut self, name: &str, argv: &[&str]) -> Result<(), BedError> {
        let ask = Request::Start {
            name: name.to_owned(),
            argv: owned(argv),
        };
        self.ask(&ask, &[], ANSWER_LIMIT).map(drop)
    }

    /// Ends a program that was started: in order, or as a power cut would. Returns its status.
    ///
    /// # Errors
    /// [`BedError::Answer`] when it does not end.
    pub fn stop(&mut self, name: &str, kill: bool) -> Result<i32, BedError> {
        let ask = Request::Stop {
            name: name.to_owned(),
            kill,
        };
        let (reply, _) = self.ask(&ask, &[], ANSWER_LIMIT)?;
        Ok(reply.status.unwrap_or(-1))
    }

    /// Reads a file of the guest.
    ///
    /// # Errors
    /// [`BedError::Answer`] with the guest's reason.
    pub fn read(&mut self, path: &str) -> Result<Vec<u8>, BedError> {
        let path = path.to_owned();
        let (_, body) = self.ask(&Request::Read { path }, &[], ANSWER_LIMIT)?;
        Ok(body)
    }

    /// Writes a file of the guest, or of its kernel's.
    ///
    /// # Errors
    /// [`BedError::Answer`] with the guest's reason.
    pub fn write(&mut self, path: &str, content: &[u8]) -> Result<(), BedError> {
        let path = path.to_owned();
        self.ask(&Request::Write { path }, content, ANSWER_LIMIT)
            .map(drop)
    }

    /// Tells a simulated part (`chip`, `printer`) a command and returns its answer.
    ///
    /// # Errors
    /// [`BedError::Answer`] with the part's refusal.
    pub fn tell(&mut self, part: &str, command: &str) -> Result<String, BedError> {
        let words = command.split_whitespace();
        let argv: Vec<&str> = [self.own, "tell", part].into_iter().chain(words).collect();
        self.output(&argv).map(|out| out.trim_end().to_owned())
    }

    /// Ends the guest in order and waits until QEMU has gone.
    ///
    /// # Errors
    /// [`BedError::Timeout`] if it had to be killed.
    pub fn power_off(mut self) -> Result<(), BedError> {
        self.ask(&Request::PowerOff, &[], ANSWER_LIMIT)?;
        let program = &mut self.program;
        crate::wait::until("QEMU to end", ANSWER_LIMIT, || program.exit_status()).map(drop)
    }

    /// Cuts the power: QEMU is killed in whatever it does.
    ///
    /// # Errors
    /// The system's own.
    pub fn cut_power(mut self) -> Result<(), BedError> {
        self.program.kill().map(drop)
    }

    fn ask(
        &mut self,
        ask: &Request,
        body: &[u8],
        limit: Duration,
    ) -> Result<(Reply, Vec<u8>), BedError> {
        let asked = self.exchange(ask, body, limit);
        let (reply, body) = asked.map_err(|error| explained(&self.folder, &error))?;
        match reply.error {
            None => Ok((reply, body)),
            Some(error) => Err(BedError::Answer {
                from: format!("the guest, asked to {ask:?},"),
                answer: format!(
                    "{error}: {}{}",
                    reply.messages,
                    String::from_utf8_lossy(&body)
                ),
            }),
        }
    }

    fn exchange(
        &mut self,
        ask: &Request,
        body: &[u8],
        limit: Duration,
    ) -> Result<(Reply, Vec<u8>), BedError> {
        let failed = || BedError::io(format!("ask the guest to {ask:?}"));
        let stream = self.agent.get_mut();
        stream.set_read_timeout(Some(limit)).map_err(failed())?;
        send_request(stream, ask, body).map_err(failed())?;
        let reply = take_reply(&mut self.agent).map_err(failed())?;
        reply.ok_or_else(|| failed()(std::io::ErrorKind::UnexpectedEof.into()))
    }
}

fn owned(argv: &[&str]) -> Vec<String> {
    argv.iter().map(|word| (*word).to_owned()).collect()
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

fn ran((reply, out): (Reply, Vec<u8>)) -> Ran {
    Ran {
        out: String::from_utf8_lossy(&out).into_owned(),
        status: reply.status.unwrap_or(-1),
        messages: reply.messages,
        elapsed: Duration::from_millis(reply.elapsed_ms),
    }
}

/// The error, with what the guest showed last.
fn explained(folder: &Path, error: &BedError) -> BedError {
    let why = crate::process::chain(error);
    BedError::Answer {
        from: format!("the guest ({why})"),
        answer: console(folder),
    }
}

fn console(folder: &Path) -> String {
    let bytes = ["console.log", "qemu.log"].map(|name| fs::read(folder.join(name)));
    let bytes = bytes.map(Result::unwrap_or_default).concat();
    let from = bytes.len().saturating_sub(CONSOLE_SHOWN);
    String::from_utf8_lossy(bytes.get(from..).unwrap_or_default()).into_owned()
}

/// Writes `guest.cpio`: kernel modules, programs, board file.
fn build(folder: &Path, machine: Machine) -> Result<(), BedError> {
    let kernel = machine.kernel_folder()?;
    let mut archive = Archive::default();
    for name in ["dev", "proc", "sys", "run", "tmp", "root"] {
        archive.folder(Path::new(name));
    }
    archive::add_programs(&mut archive, machine.target(), &machine.programs()?, folder)?;
    archive.copy(Path::new("bin/busybox"), &kernel.join("busybox"))?;
    archive.copy_folder(Path::new("modules"), &kernel.join("modules"))?;
    archive.copy(
        Path::new("etc/platen/board.toml"),
        &board_file(machine.board()),
    )?;
    let file = folder.join("guest.cpio");
    fs::write(&file, archive.finish()).map_err(BedError::io(format!("write {}", file.display())))
}

fn make(folder: &Path) -> Result<(), BedError> {
    fs::create_dir_all(folder).map_err(BedError::io(format!("make {}", folder.display())))
}

/// QEMU's words for a guest of the bed's own first program.
fn command(
    folder: &Path,
    options: &GuestOptions,
    built: &Path,
    ipp: SocketAddr,
) -> Result<Command, BedError> {
    let machine = options.machine;
    let append = format!(
        "console={} quiet panic=-1 rdinit=/bin/platen-guest",
        machine.console()
    );
    let mut command = wired(folder, machine, &user_network(ipp))?;
    command
        .args(["-icount", CLOCK, "-m", "512", "-kernel"])
        .arg(machine.kernel_folder()?.join("vmlinuz"))
        .arg("-initrd")
        .arg(built.join("guest.cpio"))
        .args(["-append", &append])
        .args(in_folder(&options.further, folder));
    Ok(command)
}

/// QEMU's words for what every guest has: processor, console, network, the bed's sockets. It ends with
/// the thread that starts it, also when that is killed.
fn wired(folder: &Path, machine: Machine, network: &str) -> Result<Command, BedError> {
    let at = folder.display().to_string();
    let mut command = Command::new(installed_program("setpriv")?);
    command
        .args(["--pdeathsig", "KILL"])
        .arg(installed_program(machine.qemu())?)
        .args(in_folder(machine.arguments(), folder))
        .args(["-accel", "tcg,thread=single,tb-size=256", "-smp", "1"])
        .args(["-nodefaults", "-no-reboot", "-display", "none"])
        .args(["-serial", &format!("file:{at}/console.log")])
        .args(["-qmp", &format!("unix:{at}/qmp.sock,server=on,wait=off")])
        .args(["-netdev", network, "-device", "virtio-net-pci,netdev=net"])
        .args(["-device", "virtio-serial-pci", "-chardev"])
        .arg(format!(
            "socket,id=agent,path={at}/agent.sock,server=on,wait=off"
        ))
        .args([
            "-device",
            &format!("virtserialport,chardev=agent,name={PORT}"),
        ]);
    Ok(command)
}

/// QEMU's words for a network that it makes up: the guest reaches nothing, and is reached at its IPP port.
fn user_network(ipp: SocketAddr) -> String {
    format!("user,id=net,restrict=on,hostfwd=tcp:{ipp}-10.0.2.15:{IPP_PORT}")
}

/// Words with the guest's folder where `{folder}` stands.
fn in_folder<S: AsRef<str>>(words: &[S], folder: &Path) -> Vec<String> {
    let at = folder.display().to_string();
    words
        .iter()
        .map(|word| word.as_ref().replace("{folder}", &at))
        .collect()
}
