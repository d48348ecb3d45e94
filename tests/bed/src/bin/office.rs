// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `platen-office`: what `make run` starts. A central server, a box with simulated reader, a virtual
//! printer and a private CUPS on one machine; makes the box part of the site, prints a sample with the
//! real `lp`, taps a badge, shows where the pages are, and stays until Ctrl-C. Everything it writes is
//! under `run/`.

use std::error::Error;
use std::fs;
use std::io::{self, Write};
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::sync::mpsc::sync_channel;
use std::time::Duration;

use platen_bed::central::{Central, CentralConfig};
use platen_bed::cups::{Cups, CupsOptions};
use platen_bed::daemon::{Daemon, NodeConfig};
use platen_bed::documents::{self, Paper};
use platen_bed::printer::VirtualPrinter;
use platen_bed::virtual_printer::JobRecord;
use platen_bed::wait::{self, Stopwatch};
use platen_bed::{BedError, process, signals};

const DEFAULT_BASE: u16 = 8000;
/// The sample's owner and the badge of that user, a UID of seven bytes.
const SAMPLE_USER: &str = "anna";
const SAMPLE_CARD: &str = "04A1B2C3D4E5F6";
/// The badge of whoever runs this.
const OWN_CARD: &str = "04112233445566";
const OWN_PIN: &str = "2580";
/// Longest wait for one step of the sample; all of them take a few seconds.
const STEP_LIMIT: Duration = Duration::from_secs(30);

const HELP: &str = "\
platen-office: a central server, a box, a printer and a client on this machine

  platen-office [--once]

  --once   end after the sample has been printed: status 0, or 1 if it was not (also ONCE=1)

PLATEN_PORT_BASE=N shifts all ports (default 8000: IPP 8631, CUPS 8632, printer 8910, the box's page
8444, the central server 8443 and 8445).
";

fn main() -> ExitCode {
    let args: Vec<_> = std::env::args_os().skip(1).collect();
    let once = args.iter().any(|arg| arg == "--once")
        || std::env::var_os("ONCE").is_some_and(|once| once == "1");
    if args.iter().any(|arg| arg != "--once") {
        print!("{HELP}");
        let asked = args.iter().any(|arg| arg == "--help" || arg == "-h");
        return ExitCode::from(if asked { 0 } else { 2 });
    }
    match run(once) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("platen-office: {}", process::chain(error.as_ref()));
            ExitCode::FAILURE
        }
    }
}

/// Ports and folder of this office.
struct Place {
    folder: PathBuf,
    ipp: SocketAddr,
    cups: SocketAddr,
    raw: SocketAddr,
    web: SocketAddr,
    api: SocketAddr,
    sync: SocketAddr,
}

impl Place {
    /// Chosen by `PLATEN_PORT_BASE`; offices on other ports have folders of their own.
    fn choose() -> Result<Self, Box<dyn Error>> {
        // `make` hands a variable over that nobody set, too: empty.
        let base = match std::env::var("PLATEN_PORT_BASE") {
            Ok(text) if !text.is_empty() => text
                .parse()
                .ok()
                .filter(|base| (1024..=64_000).contains(base)),
            _ => Some(DEFAULT_BASE),
        };
        let base = base.ok_or("PLATEN_PORT_BASE must be a number from 1024 to 64000")?;
        let run = std::env::current_dir()?.join("run");
        let folder = if base == DEFAULT_BASE {
            run
        } else {
            run.join(base.to_string())
        };
        let loopback = |offset: u16| SocketAddr::from(([127, 0, 0, 1], base + offset));
        Ok(Self {
            folder,
            ipp: loopback(631),
            cups: loopback(632),
            raw: loopback(910),
            web: loopback(444),
            api: loopback(443),
            sync: loopback(445),
        })
    }

    fn check_ports(&self) -> Result<(), String> {
        for address in [self.ipp, self.cups, self.raw, self.web, self.api, self.sync] {
            TcpListener::bind(address).map_err(|error| {
                format!(
                    "{address} cannot be used ({error}). Is another `make run` going? End it, \
                     or shift all ports: make run PLATEN_PORT_BASE=9000"
                )
            })?;
        }
        Ok(())
    }
}

/// The programs, ended in the order of the fields: the client first, the central server last.
struct Office {
    cups: Cups<'static>,
    node: Daemon,
    printer: VirtualPrinter,
    central: Central,
}

impl Office {
    /// Starts all of them at once and waits until the box takes jobs and is part of the site.
    fn open(place: &Place) -> Result<Self, BedError> {
        let folder = &place.folder;
        let printer_folder = folder.join("printer");
        // Pages of an earlier run would be taken for this one's.
        let _ = fs::remove_dir_all(&printer_folder);
        let _ = fs::remove_dir_all(folder.join("cups"));
        let mut config = NodeConfig::new(folder, &format!("socket://{}", place.raw))?;
        config.ipp = place.ipp;
        config.announce = "loopback".to_owned();
        config.further = format!(
            "\n[centre]\nurl = \"https://{}\"\n\n[web]\nlisten = [\"{}\"]\n",
            place.sync, place.web
        );
        let mut central = Central::launch(CentralConfig {
            folder: folder.join("central"),
            api: place.api,
            sync: place.sync,
            database: None,
            further: String::new(),
        })?;
        let mut node = Daemon::launch(config, None)?;
        let options = CupsOptions {
            listen: Some(place.cups),
            ..CupsOptions::default()
        };
        let cups = Cups::launch(&folder.join("cups"), options);
        let printer = VirtualPrinter::start_with(&printer_folder, place.raw, &[])?;
        node.wait_ready()?;
        let mut cups = cups?;
        cups.wait_ready()?;
        central.wait_ready()?;
        let office = Self {
            cups,
            node,
            printer,
            central,
        };
        office.enrol()?;
        Ok(office)
    }

    /// Makes the box part of the site, unless an earlier run did.
    fn enrol(&self) -> Result<(), BedError> {
        let known = self.node.centre()?["site"].is_string();
        if known {
            self.node.wait_for_centre("online", STEP_LIMIT)
        } else {
            self.central.enrol(&self.node)
        }
    }

    /// Tells the central server who there is, and waits until the box knows it too.
    fn import_users(&self) -> Result<(), BedError> {
        let own = process::run(Command::new("id").arg("-un"))?;
        self.central.import_users(&format!(
            "{SAMPLE_USER},Anna Sample,{SAMPLE_CARD}\n{},You,{OWN_CARD}\n",
            own.trim()
        ))?;
        self.central
            .ctl_typed(&["pin", "set", own.trim()], OWN_PIN)?;
        self.node.wait_synced(STEP_LIMIT)
    }

    /// Prints the sample with `lp`, waits until the box holds it, taps, waits for the pages.
    fn print_sample(&self) -> Result<JobRecord, BedError> {
        let file = self.node.config().folder.join("sample.pdf");
        fs::write(&file, documents::chinese_pdf(2, Paper::A4))
            .map_err(BedError::io("write the sample document"))?;
        self.cups.lp_as(SAMPLE_USER, "platen", &file)?;
        wait::until("the box to hold the sample", STEP_LIMIT, || {
            let jobs = self.node.ctl(&["--json", "jobs"])?;
            Ok(jobs.contains("pending-held").then_some(()))
        })?;
        self.node.ctl(&["tap", SAMPLE_CARD])?;
        self.printer.wait_for_job(1, STEP_LIMIT)
    }
}

fn run(once: bool) -> Result<(), Box<dyn Error>> {
    let watch = Stopwatch::start();
    let (stop, stopped) = sync_channel(1);
    signals::on_stop(move || {
        let _ = stop.send(());
    })?;
    let place = Place::choose()?;
    place.check_ports()?;
    let mut office = Office::open(&place)?;
    office.import_users()?;
    say("ready")?;
    let queue = office
        .cups
        .add_everywhere_queue("platen", &office.node.uri());
    let printed = queue.and_then(|()| office.print_sample());
    let result = match printed {
        Ok(job) if job.pages.is_some() => show(&office, &place, &job, watch.elapsed()),
        Ok(job) => Err(format!(
            "the printer could not render the sample: {}",
            job.render_error.unwrap_or_default()
        )
        .into()),
        Err(error) => Err(explain(error, &place.folder)),
    };
    if once || result.is_err() {
        return result;
    }
    say(&advice(&mut office, &place))?;
    // An error means that the signal thread is gone, which is an end too.
    let _ = stopped.recv();
    Ok(())
}

fn say(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{text}")?;
    out.flush()
}

fn explain(error: BedError, folder: &Path) -> Box<dyn Error> {
    format!(
        "the sample was not printed: {}\nThe logs are {f}/platend.log, {f}/central/platen-central.log and {f}/cups/error_log",
        process::chain(&error),
        f = folder.display()
    )
    .into()
}

fn show(
    office: &Office,
    place: &Place,
    job: &JobRecord,
    elapsed: Duration,
) -> Result<(), Box<dyn Error>> {
    let here = std::env::current_dir()?;
    say(&format!(
        "{SAMPLE_USER} printed {}/sample.pdf, tapped a badge, and the paper is out after {:.1} s:",
        shown(&place.folder, &here),
        elapsed.as_secs_f64()
    ))?;
    for page in office.printer.pages(job) {
        say(&format!("  {}", shown(&page, &here)))?;
    }
    Ok(())
}

fn shown(path: &Path, here: &Path) -> String {
    path.strip_prefix(here)
        .unwrap_or(path)
        .display()
        .to_string()
}

fn advice(office: &mut Office, place: &Place) -> String {
    let here = std::env::current_dir().unwrap_or_default();
    let run = shown(&place.folder, &here);
    let bin = std::env::current_exe().unwrap_or_default();
    let bin = bin
        .parent()
        .map(|bin| shown(bin, &here))
        .unwrap_or_default();
    format!(
        "
Try next, in another terminal:
  export PLATEN_SOCKET={run}/node.sock
  export PLATEN_CENTRAL=https://{api} PLATEN_CENTRAL_TOKEN_FILE={run}/central/data/admin.token
  export PLATEN_CENTRAL_CA={run}/central/data/authority.pem
  lp -h {cups} -d platen FILE            print as yourself; nothing comes out yet
  {bin}/platenctl jobs                   what the box holds
  {bin}/platenctl tap {OWN_CARD}  hold your badge to the reader
  {bin}/platenctl status
  {bin}/platenctl central jobs           the same jobs, as the central server knows them
  kill {central_id}                            end the central server: the badge works on, by the box's copy
  {bin}/platen-central --config {run}/central/central.toml     start it again: it gets every entry, once
  {bin}/platen-virtual-printer --folder {run}/printer --send jam     or paper-out, unplug, clear
Your jobs in a browser: https://{web}/ (your login name, PIN {OWN_PIN}).
Any IPP client prints to ipp://{ipp}/ipp/print; pages come to {run}/printer/.
Ctrl-C ends it all.",
        cups = place.cups,
        web = place.web,
        api = place.api,
        central_id = office.central.program().id(),
        ipp = place.ipp
    )
}
