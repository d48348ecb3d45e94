// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `platenctl`, the administrator's command line. It speaks to the daemon over its Unix socket;
//! `count` and `board check FILE` work without one, and `central …` speaks to a central server.
//!
//! Exit status: 0 done, 1 done but something was wrong with an input or was refused, 2 usage,
//! 3 daemon or server not reachable.

mod args;
mod board;
mod central;
mod commands;
mod count;
mod health;
mod show;
mod update;

use std::process::ExitCode;

use args::{Call, Command};

/// How a command ended, when it did not fail outright.
pub(crate) enum Done {
    /// Everything was done.
    Well,
    /// Something named on standard error was not.
    WithFaults,
}

fn main() -> ExitCode {
    let call = match Call::parse(lexopt::Parser::from_env()) {
        Ok(call) => call,
        Err(error) => {
            eprintln!("platenctl: {error}\nTry 'platenctl --help'.");
            return ExitCode::from(2);
        }
    };
    let done = match &call.command {
        Command::Help => {
            print!("{}", args::HELP);
            return ExitCode::SUCCESS;
        }
        Command::Version => {
            println!("platenctl {}", env!("CARGO_PKG_VERSION"));
            return ExitCode::SUCCESS;
        }
        Command::Central(call) => return central(call),
        Command::Count { files } => Ok(count::run(files, call.json)),
        Command::Health(wish) => health::run(wish, &call),
        Command::Update(wish) => update::run(wish, &call),
        Command::Reboot { now } => update::reboot(*now, &call),
        Command::FactoryReset { yes } => update::factory_reset(*yes, &call),
        Command::CheckBoard { file } => board::check(file.as_deref(), &call),
        command => commands::run(command, &call),
    };
    match done {
        Ok(Done::Well) => ExitCode::SUCCESS,
        Ok(Done::WithFaults) => ExitCode::from(1),
        Err(error) => {
            eprintln!("platenctl: {error}");
            ExitCode::from(error.exit_status())
        }
    }
}

fn central(call: &central::CentralCall) -> ExitCode {
    if call.help {
        print!("{}", central::HELP);
        return ExitCode::SUCCESS;
    }
    match central::run(call) {
        Ok(Done::Well) => ExitCode::SUCCESS,
        Ok(Done::WithFaults) => ExitCode::from(1),
        Err(error) => {
            eprintln!("platenctl: {error}");
            ExitCode::from(error.exit_status())
        }
    }
}
