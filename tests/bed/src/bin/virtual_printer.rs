// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `platen-virtual-printer`: a printer in software, see [`platen_bed::virtual_printer`].

use std::error::Error;
use std::ffi::OsString;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::SocketAddr;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::mpsc::{SyncSender, sync_channel};

use lexopt::{Arg, ValueExt};
use platen_bed::signals;
use platen_bed::virtual_printer::{Printer, Settings};

const HELP: &str = "\
platen-virtual-printer: a printer in software

  platen-virtual-printer [--listen ADDRESS] [--folder DIR] [--control SOCKET]
                         [--snmp ADDRESS] [--resolution DPI] [--no-render] [--stay]
  platen-virtual-printer --control SOCKET --send 'COMMAND'

  --listen ADDRESS   RAW port, default 127.0.0.1:9100; port 0 takes a free one
  --snmp ADDRESS     SNMP agent (UDP), community `public`; without it there is none
  --folder DIR       where jobs and pages go, default `printer`
  --control SOCKET   Unix socket for commands, default DIR/control.sock
  --resolution DPI   of the PNG pages, default 100
  --no-render        store the bytes, make no pages
  --stay             go on when standard input closes
  --send COMMAND     send a command to a running printer and show its answer

Each job becomes job-NNN.bin (its exact bytes), job-NNN-document.bin (without PJL, if it had
any), job-NNN.json (times and counts) and job-NNN-page-MM.png.

Commands:
  jam [N]  paper-out [N]  cover-open [N]  stall [N]   at once, or N bytes into a job
  unplug  plug   close the port and break connections; open it again
  clear          ready again, plugged in
  toner PERCENT  life COUNT  unit N  bits N   what the SNMP agent tells: supply, counter and its
                 unit (7 impressions, 8 sheets), further error bits as one number
  agent-good  agent-silent  agent-garbage     how it behaves
  status  jobs   one line of JSON

When it is ready it prints `snmp ADDRESS`, if it has an agent, and `listening ADDRESS`. SIGTERM,
SIGINT or the end of standard input end it.
";

struct Options {
    settings: Settings,
    stay: bool,
    send: Option<String>,
}

fn main() -> ExitCode {
    match parse(std::env::args_os().skip(1)).map(|options| options.map(|options| run(&options))) {
        Ok(None) => {
            print!("{HELP}");
            ExitCode::SUCCESS
        }
        Ok(Some(Ok(()))) => ExitCode::SUCCESS,
        Ok(Some(Err(error))) => fail(error.as_ref(), 1),
        Err(error) => fail(&error, 2),
    }
}

fn fail(error: &dyn Error, code: u8) -> ExitCode {
    eprintln!("platen-virtual-printer: {error}");
    ExitCode::from(code)
}

/// `None` when help is wanted.
fn parse(args: impl Iterator<Item = OsString>) -> Result<Option<Options>, lexopt::Error> {
    let mut parser = lexopt::Parser::from_args(args);
    let mut listen = SocketAddr::from(([127, 0, 0, 1], 9100));
    let (mut folder, mut control) = (PathBuf::from("printer"), None);
    let mut snmp = None;
    let (mut resolution_dpi, mut rendering, mut stay, mut send) = (100, true, false, None);
    while let Some(arg) = parser.next()? {
        match arg {
            Arg::Long("listen") => listen = parser.value()?.parse()?,
            Arg::Long("snmp") => snmp = Some(parser.value()?.parse()?),
            Arg::Long("folder") => folder = parser.value()?.into(),
            Arg::Long("control") => control = Some(PathBuf::from(parser.value()?)),
            Arg::Long("resolution") => resolution_dpi = parser.value()?.parse()?,
            Arg::Long("no-render") => rendering = false,
            Arg::Long("stay") => stay = true,
            Arg::Long("send") => send = Some(parser.value()?.string()?),
            Arg::Long("help") | Arg::Short('h') => return Ok(None),
            other => return Err(other.unexpected()),
        }
    }
    let control = control.unwrap_or_else(|| folder.join("control.sock"));
    let settings = Settings {
        listen,
        snmp,
        folder,
        control,
        resolution_dpi,
        rendering,
    };
    Ok(Some(Options {
        settings,
        stay,
        send,
    }))
}

fn run(options: &Options) -> Result<(), Box<dyn Error>> {
    let settings = &options.settings;
    if let Some(command) = &options.send {
        return send(&settings.control, command);
    }
    let (stop, stopped) = sync_channel(2);
    let signalled = stop.clone();
    signals::on_stop(move || {
        let _ = signalled.send(());
    })?;
    let printer = Printer::start(settings)
        .map_err(|error| format!("cannot listen on {}: {error}", settings.listen))?;
    let mut out = io::stdout().lock();
    if let Some(agent) = printer.agent() {
        writeln!(out, "snmp {agent}")?;
    }
    writeln!(out, "listening {}", printer.address())?;
    out.flush()?;
    if !options.stay {
        watch_input(stop.clone())?;
    }
    // An error means that all senders are gone, which is an end too.
    let _ = stopped.recv();
    printer.stop();
    let _ = std::fs::remove_file(&settings.control);
    Ok(())
}

/// Ends the program when whoever started it is gone.
fn watch_input(stop: SyncSender<()>) -> io::Result<()> {
    std::thread::Builder::new()
        .name("input".to_owned())
        .spawn(move || {
            let mut byte = [0; 256];
            while matches!(io::stdin().read(&mut byte), Ok(1..)) {}
            let _ = stop.send(());
        })
        .map(drop)
}

fn send(control: &Path, command: &str) -> Result<(), Box<dyn Error>> {
    let mut stream = UnixStream::connect(control)
        .map_err(|error| format!("no printer answers at {}: {error}", control.display()))?;
    stream.write_all(format!("{command}\n").as_bytes())?;
    let mut answer = String::new();
    BufReader::new(stream).read_line(&mut answer)?;
    print!("{answer}");
    match answer.strip_prefix("error ") {
        Some(reason) => Err(reason.trim().into()),
        None => Ok(()),
    }
}
