// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `platen-central`, the central server of a site: its directory, quotas, charges and boxes.
//!
//! What it does with its database is the library beside this program. Here are the two doors, `sync`
//! for boxes and `web` for administrators, the site's `authority`, and `start`, the server's life.

mod args;
mod authority;
mod body;
mod central;
mod config;
mod keys;
mod limiter;
mod news;
mod start;
mod sync;
#[cfg(test)]
mod test_site;
mod tokens;
mod web;

use std::process::ExitCode;

use args::{TokenWish, Wish};
use config::Config;
use platen_service::logger;
use start::StartError;

fn main() -> ExitCode {
    let wish = match args::parse(lexopt::Parser::from_env()) {
        Ok(wish) => wish,
        Err(error) => {
            eprintln!("platen-central: {error}\nTry 'platen-central --help'.");
            return ExitCode::from(2);
        }
    };
    let done = match &wish {
        Wish::Help => {
            print!("{}", args::HELP);
            Ok(())
        }
        Wish::Version => {
            println!("platen-central {}", env!("CARGO_PKG_VERSION"));
            Ok(())
        }
        Wish::Check(place) => start::check(&place.config),
        Wish::Serve(place) => {
            logger::start(place.level);
            start::run(&place.config)
        }
        Wish::Token(place, wish) => {
            logger::start(log::LevelFilter::Warn);
            token(place, wish)
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("platen-central: {}", platen_model::Chain(&error));
            ExitCode::FAILURE
        }
    }
}

fn token(place: &args::Place, wish: &TokenWish) -> Result<(), StartError> {
    let config = Config::read(&place.config)?;
    smol::block_on(async {
        let (centre, _) = start::open_centre(&config).await?;
        tokens::serve(&centre, wish).await?;
        centre.close().await;
        Ok(())
    })
}
