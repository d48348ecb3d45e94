// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Words and options behind `platenctl central`.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;

use lexopt::Arg::{Long, Short, Value};
use lexopt::{Error, Parser, ValueExt as _};

pub(crate) const HELP: &str = "\
platenctl central: look after a site over its central server

usage: platenctl central [--json] [--central URL] [--token-file FILE] [--ca FILE] COMMAND

  status                        the server, its boxes and what needs a hand
  users list [--search TEXT]    people; a person is named by login name or id
  users import FILE.csv         add or change people and cards: the columns of 'platenctl users import'
  users add LOGIN [--name NAME] [--number N] [--group GROUP]... [--alias NAME]...
  users enable|disable|delete LOGIN
  groups list | groups add NAME | groups delete GROUP
  cards list LOGIN              what a person proves themselves with
  cards add LOGIN [--with-pin]  bind a card; its number is read from standard input
  cards delete CREDENTIAL
  pin set LOGIN                 a new PIN, read from standard input
  password set LOGIN            a new password, read from standard input
  code create LOGIN [--hours N] a code for one login or one card, shown once
  nodes list                    boxes: when they were seen, what they owe
  nodes enrol CODE              make the box that shows CODE part of the site
  nodes rename NODE NAME | nodes revoke NODE
  nodes lost NODE               take its slices of quotas back: it is gone for good
  quotas list | quotas delete QUOTA
  quotas set NAME --user LOGIN | --group GROUP | --each-of GROUP
             --unit sides|money --limit N --period once|day|week|month|year [--when-spent deny|mark]
  leases [--node NODE]          slices of quotas that boxes have
  prices list | prices delete PRICES
  prices set NAME --currency CNY --mono N --color N [--sheet N] [--printer NAME]
                                thousandths of the currency
  rules list | rules set FILE | rules check FILE
  settings show | settings set KEY=VALUE...
  jobs [--user LOGIN] [--node NODE]
  charges [--user LOGIN] [--since DAY] [--until DAY]
                                both days are in it, by UTC
  logins [--user LOGIN] [--node NODE]
  audit [--verify]              what administrators did; --verify checks its chain
  releases list                 releases of the boxes' image, and how far each has spread
  releases add FILE.raucb [--version V --compatible BOARD] [--notes TEXT]
                                what is not said stands in FILE.raucb.json or FILE.json
  releases show RELEASE | releases nodes RELEASE
                                a release is named by version or id; nodes: how each box stands to it
  releases offer RELEASE [--share PERCENT] [--from 22:00 --to 05:00] [--days mon-fri]
             [--utc-offset +08:00] [--any-time] [--on-failure pause|go-on] [--allow-older yes|no]
             [--again]          what is not said stays; --again: also boxes that it failed on
  releases pause RELEASE | releases resume RELEASE | releases remove RELEASE
  alerts [--all] | alerts acknowledge ALERT
  site rename NAME
  site restored                 the database was put back from a backup: boxes fetch everything anew
  admins list | admins add NAME | admins password NAME | admins enable|disable NAME
                                administrators; passwords are read from standard input
  keys rotate                   a new key for card numbers; no card is enrolled anew

  --central URL      the server (also PLATEN_CENTRAL; https://localhost:8443)
  --token-file FILE  file with the token (also PLATEN_CENTRAL_TOKEN_FILE;
                     /var/lib/platen-central/admin.token)
  --ca FILE          certificate of the server's authority (also PLATEN_CENTRAL_CA;
                     /var/lib/platen-central/authority.pem)
  --json             one JSON object a line

exit status: 0 done, 1 done but an input was wrong or refused, 2 usage, 3 server not reachable
";

/// Options with a value, beside those of the connection.
const VALUES: [&str; 30] = [
    "alias",
    "allow-older",
    "color",
    "compatible",
    "currency",
    "days",
    "each-of",
    "from",
    "group",
    "hours",
    "limit",
    "mono",
    "name",
    "node",
    "notes",
    "number",
    "on-failure",
    "period",
    "printer",
    "search",
    "share",
    "sheet",
    "since",
    "to",
    "unit",
    "until",
    "user",
    "utc-offset",
    "version",
    "when-spent",
];
/// Options without one.
const SWITCHES: [&str; 5] = ["again", "all", "any-time", "verify", "with-pin"];

/// A command for a central server.
#[derive(Debug, Default)]
pub(crate) struct CentralCall {
    pub(crate) json: bool,
    pub(crate) help: bool,
    pub(crate) server: Option<OsString>,
    pub(crate) token_file: Option<PathBuf>,
    pub(crate) authority: Option<PathBuf>,
    pub(crate) words: Vec<String>,
    options: BTreeMap<String, Vec<String>>,
}

impl CentralCall {
    /// Reads what stands behind `central`.
    ///
    /// # Errors
    /// Those of an unknown option or a missing value.
    pub(crate) fn parse(parser: &mut Parser, json: bool) -> Result<Self, Error> {
        let mut call = Self {
            json,
            server: std::env::var_os("PLATEN_CENTRAL"),
            token_file: std::env::var_os("PLATEN_CENTRAL_TOKEN_FILE").map(PathBuf::from),
            authority: std::env::var_os("PLATEN_CENTRAL_CA").map(PathBuf::from),
            ..Self::default()
        };
        while let Some(arg) = parser.next()? {
            match arg {
                Long("json") => call.json = true,
                Long("central") => call.server = Some(parser.value()?),
                Long("token-file") => call.token_file = Some(parser.value()?.into()),
                Long("ca") => call.authority = Some(parser.value()?.into()),
                Short('h') | Long("help") => call.help = true,
                Long(name) if SWITCHES.contains(&name) => {
                    call.options.entry(name.to_owned()).or_default();
                }
                Long(name) if VALUES.contains(&name) => {
                    let name = name.to_owned();
                    let value = parser.value()?.string()?;
                    call.options.entry(name).or_default().push(value);
                }
                Value(word) => call.words.push(word.string()?),
                other => return Err(other.unexpected()),
            }
        }
        Ok(call)
    }

    /// Whether a switch was set.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.options.contains_key(name)
    }

    /// The value of an option that may be given once.
    pub(crate) fn value(&self, name: &str) -> Option<&str> {
        self.values(name).last().map(String::as_str)
    }

    /// The values of an option that may be given more than once.
    pub(crate) fn values(&self, name: &str) -> &[String] {
        self.options.get(name).map_or(&[], Vec::as_slice)
    }

    /// The first option given that is not among `allowed`.
    pub(crate) fn stranger(&self, allowed: &[&str]) -> Option<&str> {
        let mut names = self.options.keys().map(String::as_str);
        names.find(|name| !allowed.contains(name))
    }
}
