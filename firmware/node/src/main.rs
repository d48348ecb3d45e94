// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `platend`, the daemon of the box: takes jobs, holds them sealed, releases them to their owners.
//!
//! The folders are the stations of a job: `intake` (clients), `devices` (readers), `release`
//! (printers), with `centre` (the link to the site), `panel` (what people see), `web` (the box's own
//! page), `local` (platenctl, kiosk), `counting` and `update` (the image) beside them. `assemble` puts them together, `start`
//! is the daemon's life, `maintenance` looks after the jobs, `alive` and `health` after the daemon
//! itself, and `aside` is what is left of it where newer data can't be read.

mod alive;
mod aside;
mod assemble;
mod centre;
mod config;
mod counting;
mod devices;
mod health;
mod installed;
mod intake;
mod listing;
mod local;
mod maintenance;
mod node;
mod panel;
mod people;
mod ports;
mod release;
mod start;
mod update;
mod web;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use lexopt::Arg::{Long, Short};
use log::LevelFilter;

const HELP: &str = "\
platend: the Platen box's daemon

usage: platend [--config FILE] [--check] [--check-board FILE] [--verbose]

  --config FILE   configuration (default /etc/platen/node.toml)
  --check         read the configuration and the board file, say what is wrong, and leave
  --check-board FILE
                  try every part of a board file, tell of each as JSON, and leave: 0 all answer, 1 not
  --verbose       log every step
  -h, --help      this text
  -V, --version   the version

Prints 'ready' on standard output once clients can print. SIGTERM and SIGINT end it cleanly.
";

enum Wish {
    Run {
        config: PathBuf,
        check: bool,
        level: LevelFilter,
    },
    CheckBoard(PathBuf),
    Tell(String),
}

fn main() -> ExitCode {
    if std::env::args_os()
        .nth(1)
        .is_some_and(|arg| arg == counting::worker::SWITCH)
    {
        return counting::worker::run();
    }
    let (config, check, level) = match wish() {
        Ok(Wish::Run {
            config,
            check,
            level,
        }) => (config, check, level),
        Ok(Wish::CheckBoard(path)) => return check_board(&path),
        Ok(Wish::Tell(text)) => {
            print!("{text}");
            return ExitCode::SUCCESS;
        }
        Err(error) => {
            eprintln!("platend: {error}\nTry 'platend --help'.");
            return ExitCode::from(2);
        }
    };
    platen_service::logger::start(level);
    let done = if check {
        start::check(&config)
    } else {
        start::run(&config)
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("platend: {}", platen_model::Chain(&error));
            ExitCode::FAILURE
        }
    }
}

fn check_board(path: &Path) -> ExitCode {
    match devices::check::run(path) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("platend: {}", platen_model::Chain(&error));
            ExitCode::FAILURE
        }
    }
}

fn wish() -> Result<Wish, lexopt::Error> {
    let mut config = PathBuf::from("/etc/platen/node.toml");
    let (mut check, mut level) = (false, LevelFilter::Info);
    let mut parser = lexopt::Parser::from_env();
    while let Some(arg) = parser.next()? {
        match arg {
            Long("config") => config = parser.value()?.into(),
            Long("check") => check = true,
            Long("check-board") => return Ok(Wish::CheckBoard(parser.value()?.into())),
            Long("verbose") => level = LevelFilter::Debug,
            Short('h') | Long("help") => return Ok(Wish::Tell(HELP.to_owned())),
            Short('V') | Long("version") => {
                return Ok(Wish::Tell(format!(
                    "platend {}\n",
                    env!("CARGO_PKG_VERSION")
                )));
            }
            other => return Err(other.unexpected()),
        }
    }
    Ok(Wish::Run {
        config,
        check,
        level,
    })
}
