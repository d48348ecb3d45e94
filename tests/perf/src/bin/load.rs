// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `platen-load`: sends print jobs to any IPP server and measures how it takes them.

use std::error::Error;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;
use std::{fmt, fs};

use lexopt::prelude::*;
use platen_bed::wait::Stopwatch;
use platen_net::LocalClient;
use platen_perf::ingest::Order;
use platen_perf::measure;
use platen_perf::release::{self, Plan, Way};
use platen_perf::request::Target;
use platen_perf::sink::Sink;
use serde::Serialize;

const HELP: &str = "\
platen-load ingest URI --file F [--jobs N] [--clients C] [--keep-alive] [--pid PID] [--json]
    Sends F as N held print jobs over C connections at once.
platen-load release URI --file F --sink HOST:PORT [--jobs N] [--tap SOCKET --card UID] [--json]
    Holds F, releases it and waits for its first byte at HOST:PORT, where it listens itself: the
    queue's device must be socket://HOST:PORT. Releases with Release-Job, or with a card.

  --file F         document (PDF for `release`)    --jobs N      jobs (100)
  --clients C      connections at once (1)         --keep-alive  many jobs on a connection
  --pid PID        server process to measure       --seconds S   begin no job after S (600)
  --user NAME      requesting-user-name (bench)    --format F    document-format
                                                                 (application/pdf)
  --json           result as one JSON object
";

type Failure = Box<dyn Error>;

#[derive(Default)]
struct Arguments {
    words: Vec<String>,
    file: PathBuf,
    jobs: Option<usize>,
    clients: Option<usize>,
    keep_alive: bool,
    pid: Option<u32>,
    seconds: Option<u64>,
    user: Option<String>,
    format: Option<String>,
    sink: Option<SocketAddr>,
    tap: Option<PathBuf>,
    card: Option<String>,
    json: bool,
    help: bool,
}

fn main() -> ExitCode {
    let done = arguments(lexopt::Parser::from_env())
        .map_err(Failure::from)
        .and_then(|given| match given.words.first().map(String::as_str) {
            _ if given.help => {
                print!("{HELP}");
                Ok(())
            }
            Some("ingest") => ingest(&given),
            Some("release") => release(&given),
            _ => Err("say `ingest URI` or `release URI`; --help tells more".into()),
        });
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("platen-load: {error}");
            ExitCode::from(2)
        }
    }
}

fn arguments(mut parser: lexopt::Parser) -> Result<Arguments, lexopt::Error> {
    let mut given = Arguments::default();
    while let Some(argument) = parser.next()? {
        match argument {
            Value(word) => given.words.push(word.string()?),
            Long("file") => given.file = parser.value()?.into(),
            Long("jobs") => given.jobs = Some(parser.value()?.parse()?),
            Long("clients") => given.clients = Some(parser.value()?.parse()?),
            Long("keep-alive") => given.keep_alive = true,
            Long("pid") => given.pid = Some(parser.value()?.parse()?),
            Long("seconds") => given.seconds = Some(parser.value()?.parse()?),
            Long("user") => given.user = Some(parser.value()?.string()?),
            Long("format") => given.format = Some(parser.value()?.string()?),
            Long("sink") => given.sink = Some(parser.value()?.parse()?),
            Long("tap") => given.tap = Some(parser.value()?.into()),
            Long("card") => given.card = Some(parser.value()?.string()?),
            Long("json") => given.json = true,
            Long("help") | Short('h') => given.help = true,
            other => return Err(other.unexpected()),
        }
    }
    Ok(given)
}

impl Arguments {
    fn target(&self) -> Result<Target, Failure> {
        let uri = self.words.get(1).ok_or("the URI of the queue is missing")?;
        Ok(Target::parse(uri)?)
    }

    fn document(&self) -> Result<Vec<u8>, Failure> {
        fs::read(&self.file).map_err(|error| format!("{}: {error}", self.file.display()).into())
    }

    fn user(&self) -> &str {
        self.user.as_deref().unwrap_or("bench")
    }

    fn time_limit(&self) -> Duration {
        Duration::from_secs(self.seconds.unwrap_or(600))
    }

    fn print(&self, report: &(impl Serialize + fmt::Display)) -> Result<(), Failure> {
        if self.json {
            println!("{}", serde_json::to_string(report)?);
        } else {
            println!("{report}");
        }
        Ok(())
    }
}

fn ingest(given: &Arguments) -> Result<(), Failure> {
    let (target, document) = (given.target()?, given.document()?);
    let format = given.format.as_deref().unwrap_or("application/pdf");
    let request = target.print_job(given.user(), format, &document)?;
    let order = Order {
        address: target.address,
        request: &request,
        jobs: given.jobs.unwrap_or(100),
        clients: given.clients.unwrap_or(1),
        keep_alive: given.keep_alive,
        time_limit: given.time_limit(),
        answer_limit: Duration::from_secs(60),
    };
    given.print(&measure::ingest(order, document.len(), given.pid)?)
}

fn release(given: &Arguments) -> Result<(), Failure> {
    let (target, document) = (given.target()?, given.document()?);
    let clock = Stopwatch::start();
    let sink = Sink::start(given.sink.ok_or("--sink HOST:PORT is missing")?, clock)?;
    let way = match (&given.tap, &given.card) {
        (Some(socket), Some(uid)) => Way::Tap {
            client: LocalClient::new(socket),
            uid: uid.clone(),
        },
        (None, None) => Way::ReleaseJob,
        _ => return Err("--tap and --card go together".into()),
    };
    let plan = Plan {
        target: &target,
        user: given.user(),
        document: &document,
        way: &way,
        jobs: given.jobs.unwrap_or(100),
        time_limit: given.time_limit(),
    };
    given.print(&release::run(&plan, &sink, clock)?)
}
