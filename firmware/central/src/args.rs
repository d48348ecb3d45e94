// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The command line of `platen-central`.

use std::path::PathBuf;

use lexopt::Arg::{Long, Short, Value};
use lexopt::{Error, Parser, ValueExt as _};
use log::LevelFilter;

pub(crate) const HELP: &str = "\
platen-central: the central server of a Platen site

usage: platen-central [--config FILE] [--check] [--verbose]
       platen-central [--config FILE] admin token create NAME [--days N]
       platen-central [--config FILE] admin token list
       platen-central [--config FILE] admin token revoke NAME

  --config FILE   configuration (default /etc/platen/central.toml)
  --check         read the configuration and the files it names, say what is wrong, and leave
  --verbose       log every step
  -h, --help      this text
  -V, --version   the version

  admin token create NAME   print a new token for the API; it is shown this once
              --days N      the token is good for N days (default: ten years)
  admin token list          names of tokens, never the tokens
  admin token revoke NAME   make a token worthless, on every central server of the site

Prints 'ready' on standard output once boxes and administrators are served. SIGTERM and SIGINT end
it cleanly. The first start writes a token to admin.token in the data directory.
";

/// What is asked.
#[derive(Debug, Eq, PartialEq)]
pub(crate) enum Wish {
    Serve(Place),
    Check(Place),
    Token(Place, TokenWish),
    Help,
    Version,
}

/// Where the configuration is, and how much is logged.
#[derive(Debug, Eq, PartialEq)]
pub(crate) struct Place {
    pub(crate) config: PathBuf,
    pub(crate) level: LevelFilter,
}

/// What is to become of a token.
#[derive(Debug, Eq, PartialEq)]
pub(crate) enum TokenWish {
    Create { name: String, days: Option<u64> },
    List,
    Revoke { name: String },
}

/// Reads the command line.
///
/// # Errors
/// Those of a word that is not known, missing or one too many.
pub(crate) fn parse(mut parser: Parser) -> Result<Wish, Error> {
    let mut config = PathBuf::from("/etc/platen/central.toml");
    let (mut check, mut level, mut days) = (false, LevelFilter::Info, None);
    let mut words: Vec<String> = Vec::new();
    while let Some(arg) = parser.next()? {
        match arg {
            Long("config") => config = parser.value()?.into(),
            Long("check") => check = true,
            Long("verbose") => level = LevelFilter::Debug,
            Long("days") => days = Some(parser.value()?.parse()?),
            Short('h') | Long("help") => return Ok(Wish::Help),
            Short('V') | Long("version") => return Ok(Wish::Version),
            Value(word) => words.push(word.string()?),
            other => return Err(other.unexpected()),
        }
    }
    let place = Place { config, level };
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let wish = match words.as_slice() {
        [] if check => Wish::Check(place),
        [] => Wish::Serve(place),
        ["admin", "token", "create", name] => {
            let (name, days) = ((*name).to_owned(), days.take());
            Wish::Token(place, TokenWish::Create { name, days })
        }
        ["admin", "token", "list"] => Wish::Token(place, TokenWish::List),
        ["admin", "token", "revoke", name] => {
            let name = (*name).to_owned();
            Wish::Token(place, TokenWish::Revoke { name })
        }
        ["admin", ..] => return Err("admin: see 'admin token' in the help".into()),
        [other, ..] => return Err(format!("unknown command '{other}'").into()),
    };
    if days.is_some() {
        return Err("--days belongs to 'admin token create'".into());
    }
    Ok(wish)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(line: &str) -> Result<Wish, Error> {
        parse(Parser::from_args(line.split_whitespace()))
    }

    #[test]
    fn without_a_word_it_serves() {
        let place = Place {
            config: "x.toml".into(),
            level: LevelFilter::Info,
        };
        assert_eq!(of("--config x.toml").unwrap(), Wish::Serve(place));
    }

    #[test]
    fn a_token_has_a_name_and_may_have_days() {
        let Wish::Token(_, wish) = of("admin token create console --days 30").unwrap() else {
            panic!("a wish about a token");
        };
        let name = "console".to_owned();
        assert_eq!(
            wish,
            TokenWish::Create {
                name,
                days: Some(30)
            }
        );
    }

    #[test]
    fn a_missing_extra_or_unknown_word_is_an_error() {
        for line in [
            "serve",
            "admin",
            "admin token",
            "admin token create",
            "admin token create a b",
            "admin token revoke",
            "admin token list --days 3",
            "--days 3",
            "--days x",
            "--color",
        ] {
            assert!(of(line).is_err(), "{line}");
        }
    }
}
