// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The command line: what can be asked, and how.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use lexopt::Arg::{Long, Short, Value};
use lexopt::{Error, Parser, ValueExt};

use crate::central::CentralCall;
use crate::health::HealthWish;
use crate::update::UpdateWish;

pub(crate) const HELP: &str = "\
platenctl: look after a Platen box

usage: platenctl [--json] [--socket PATH] COMMAND

  status                  what the box, its printers and its readers are doing
  health                  whether daemon, disk, parts and printers are well; with [--wait SECONDS],
                          [--expect ITEM]...: exit 0 once those (else daemon and disk) are well
  update FILE             install a release of the box's image and restart when nobody needs the box;
                          [--now] at once, [--allow-older] also an older one
  update --status         how far an update is; --cancel: take it back, or forget how the last one ended
  reboot [--now]          start the box anew; --now: also while a job is at a printer
  reset --factory [--yes] erase everything on the box, once its name is typed; --yes: without asking
  jobs [--all]            jobs that wait or print; --all shows ended ones too
  cancel NUMBER...        delete jobs
  tap UID                 hold a simulated card to the simulated reader (board 'sim')
  sim WORDS...            drive simulated parts: cards, fingers, keys, broken wires ('sim help')
  phone                   the code that a phone reads to log in at this box, as a QR code
  enrol                   show the code that makes this box part of a site, until it is typed there
  leave                   take this box out of its site
  policy explain JOB      why a job is or is not released, question by question; with
                          [--user LOGIN] for somebody else, [--printer NAME] at another printer
  approve JOB...          agree to jobs that a rule holds; their owners' next tap releases them
  finger enrol USER SENSOR  take a finger of USER on a sensor of the box
  users import FILE.csv   add or change users and cards; columns: user,name,card,aliases,active
  journal [FROM]          entries of the journal, one JSON object a line, from a sequence number on
  verify                  check the journal's hash chain and every sealed document
  ring DEVICE             a driver's last steps, for support
  board check [FILE]      which parts of the box answer; without FILE the running daemon is asked
  device-keys import FILE take keys of cards and readers (TOML); they replace those there are
  device-keys show        which keys there are, never the keys
  count FILE...           page counts of documents; needs no daemon
  central COMMAND         look after a site over its central server ('central --help')

  --json                  one JSON object a line
  --socket PATH           the daemon's socket (also PLATEN_SOCKET; /run/platen/node.sock)
  -h, --help              this text
  -V, --version           the version

exit status: 0 done, 1 done but an input was wrong or refused, 2 usage, 3 daemon not reachable
";

/// The whole command line.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) json: bool,
    pub(crate) socket: PathBuf,
    pub(crate) command: Command,
}

/// What is asked.
#[derive(Debug)]
pub(crate) enum Command {
    Central(CentralCall),
    Help,
    Version,
    Status,
    Update(UpdateWish),
    Reboot { now: bool },
    FactoryReset { yes: bool },
    Health(HealthWish),
    Jobs { all: bool },
    Cancel { numbers: Vec<u32> },
    Tap { uid: String },
    Explain(Question),
    Approve { numbers: Vec<u32> },
    EnrolFinger { user: String, sensor: String },
    Phone,
    Enrol,
    Leave,
    Simulate { line: String },
    ImportUsers { file: PathBuf },
    Journal { from: u64 },
    Verify,
    Ring { device: String },
    Count { files: Vec<PathBuf> },
    CheckBoard { file: Option<PathBuf> },
    ImportKeys { file: PathBuf },
    ShowKeys,
}

/// Which decision is to be explained.
#[derive(Debug)]
pub(crate) struct Question {
    pub(crate) job: u32,
    /// In the place of the job's owner.
    pub(crate) user: Option<String>,
    /// In the place of the job's own printer.
    pub(crate) printer: Option<String>,
}

/// Options that stand alone, and those with a value.
const FLAGS: [&str; 7] = [
    "all",
    "allow-older",
    "cancel",
    "factory",
    "now",
    "status",
    "yes",
];
const VALUES: [&str; 4] = ["expect", "printer", "user", "wait"];

/// Options as they were given; each command takes its own.
#[derive(Default)]
struct Options(Vec<(&'static str, String)>);

impl Options {
    fn flag(&mut self, name: &str) -> bool {
        !self.values(name).is_empty()
    }

    fn value(&mut self, name: &str) -> Option<String> {
        self.values(name).pop()
    }

    fn values(&mut self, name: &str) -> Vec<String> {
        let (own, others) = std::mem::take(&mut self.0)
            .into_iter()
            .partition(|(given, _)| *given == name);
        self.0 = others;
        let own: Vec<(_, String)> = own;
        own.into_iter().map(|(_, value)| value).collect()
    }
}

impl Call {
    pub(crate) fn parse(mut parser: Parser) -> Result<Self, Error> {
        let mut json = false;
        let mut options = Options::default();
        let mut socket = std::env::var_os("PLATEN_SOCKET").map(PathBuf::from);
        let mut words: Vec<OsString> = Vec::new();
        while let Some(arg) = parser.next()? {
            match arg {
                Long("json") => json = true,
                Long("socket") => socket = Some(parser.value()?.into()),
                Short('h') | Long("help") => words.insert(0, "help".into()),
                Short('V') | Long("version") => words.insert(0, "version".into()),
                Long(name) => {
                    let known = |names: &[&'static str]| names.iter().copied().find(|n| *n == name);
                    match (known(&FLAGS), known(&VALUES)) {
                        (Some(flag), _) => options.0.push((flag, String::new())),
                        (None, Some(option)) => {
                            options.0.push((option, parser.value()?.string()?));
                        }
                        (None, None) => return Err(arg.unexpected()),
                    }
                }
                Value(word) if words.is_empty() && word == "central" => {
                    let central = CentralCall::parse(&mut parser, json)?;
                    let (socket, command) = (PathBuf::new(), Command::Central(central));
                    return Ok(Self {
                        json,
                        socket,
                        command,
                    });
                }
                Value(word) => words.push(word),
                other => return Err(other.unexpected()),
            }
        }
        let socket = socket.unwrap_or_else(|| "/run/platen/node.sock".into());
        let command = command(words, &mut options)?;
        match (&command, options.0.first()) {
            (Command::Help | Command::Version, _) | (_, None) => Ok(Self {
                json,
                socket,
                command,
            }),
            (_, Some((option, _))) => Err(format!("--{option} is not for this command").into()),
        }
    }
}

fn command(words: Vec<OsString>, options: &mut Options) -> Result<Command, Error> {
    let mut words = words.into_iter();
    let first = words.next().ok_or("say what to do")?.string()?;
    let command = match first.as_str() {
        "help" => return Ok(Command::Help),
        "version" => return Ok(Command::Version),
        "status" => Command::Status,
        "health" => Command::Health(HealthWish {
            wait: seconds(options.value("wait"))?,
            expect: options.values("expect"),
        }),
        "update" => Command::Update(update(words.next().map(PathBuf::from), options)?),
        "reboot" => Command::Reboot {
            now: options.flag("now"),
        },
        "reset" if options.flag("factory") => Command::FactoryReset {
            yes: options.flag("yes"),
        },
        "reset" => return Err("reset: only 'reset --factory' is known".into()),
        "jobs" => Command::Jobs {
            all: options.flag("all"),
        },
        "phone" => Command::Phone,
        "enrol" => Command::Enrol,
        "leave" => Command::Leave,
        "verify" => Command::Verify,
        "tap" => Command::Tap {
            uid: words.next().ok_or("tap needs a UID")?.string()?,
        },
        "sim" => Command::Simulate {
            line: some(
                words.by_ref().map(ValueExt::string),
                "words: see 'sim help'",
            )?
            .into_iter()
            .collect::<Result<Vec<_>, _>>()?
            .join(" "),
        },
        "ring" => Command::Ring {
            device: words.next().ok_or("ring needs a device")?.string()?,
        },
        "journal" => Command::Journal {
            from: words.next().map_or(Ok(1), |w| w.parse())?,
        },
        "policy" => match words.next().map(ValueExt::string).transpose()?.as_deref() {
            Some("explain") => Command::Explain(Question {
                job: words
                    .next()
                    .ok_or("policy explain needs a job number")?
                    .parse()?,
                user: options.value("user"),
                printer: options.value("printer"),
            }),
            _ => return Err("policy: only 'policy explain JOB' is known".into()),
        },
        "approve" => Command::Approve {
            numbers: numbers(&mut words)?,
        },
        "finger" => match words.next().map(ValueExt::string).transpose()?.as_deref() {
            Some("enrol") => Command::EnrolFinger {
                user: words
                    .next()
                    .ok_or("finger enrol needs a login name")?
                    .string()?,
                sensor: words
                    .next()
                    .ok_or("finger enrol needs a sensor")?
                    .string()?,
            },
            _ => return Err("finger: only 'finger enrol USER SENSOR' is known".into()),
        },
        "cancel" => Command::Cancel {
            numbers: numbers(&mut words)?,
        },
        "count" => Command::Count {
            files: some(words.by_ref().map(PathBuf::from), "a file")?,
        },
        "board" => match words.next().map(ValueExt::string).transpose()?.as_deref() {
            Some("check") => Command::CheckBoard {
                file: words.next().map(PathBuf::from),
            },
            _ => return Err("board: only 'board check [FILE]' is known".into()),
        },
        "device-keys" => match words.next().map(ValueExt::string).transpose()?.as_deref() {
            Some("import") => Command::ImportKeys {
                file: words
                    .next()
                    .ok_or("device-keys import needs a file")?
                    .into(),
            },
            Some("show") => Command::ShowKeys,
            _ => return Err("device-keys: 'import FILE' and 'show' are known".into()),
        },
        "users" => match words.next().map(ValueExt::string).transpose()?.as_deref() {
            Some("import") => Command::ImportUsers {
                file: words.next().ok_or("users import needs a CSV file")?.into(),
            },
            _ => return Err("users: only 'users import FILE.csv' is known".into()),
        },
        other => return Err(format!("unknown command '{other}'").into()),
    };
    match words.next() {
        None => Ok(command),
        Some(extra) => Err(format!("'{}' is one word too many", extra.display()).into()),
    }
}

fn update(file: Option<PathBuf>, options: &mut Options) -> Result<UpdateWish, Error> {
    let (status, cancel) = (options.flag("status"), options.flag("cancel"));
    match (file, status, cancel) {
        (Some(file), false, false) => Ok(UpdateWish::Install {
            file,
            now: options.flag("now"),
            allow_older: options.flag("allow-older"),
        }),
        (None, true, false) => Ok(UpdateWish::Status),
        (None, false, true) => Ok(UpdateWish::Cancel),
        _ => Err("update: 'update FILE', 'update --status' and 'update --cancel' are known".into()),
    }
}

fn seconds(value: Option<String>) -> Result<Duration, Error> {
    let Some(value) = value else {
        return Ok(Duration::ZERO);
    };
    let seconds = value.parse();
    let seconds = seconds.map_err(|_| format!("'{value}' is no number of seconds"))?;
    Ok(Duration::from_secs(seconds))
}

fn numbers(words: &mut impl Iterator<Item = OsString>) -> Result<Vec<u32>, Error> {
    let numbers = words
        .map(|word| word.parse())
        .collect::<Result<Vec<u32>, _>>()?;
    some(numbers.into_iter(), "a job number")
}

fn some<T>(items: impl Iterator<Item = T>, what: &str) -> Result<Vec<T>, Error> {
    let items: Vec<T> = items.collect();
    if items.is_empty() {
        Err(format!("name at least {what}").into())
    } else {
        Ok(items)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Call, Error> {
        Call::parse(Parser::from_args(line.split_whitespace()))
    }

    #[test]
    fn options_stand_before_or_after_the_command() {
        for line in ["--json tap 04A1B2C3", "tap 04A1B2C3 --json"] {
            let call = parse(line).unwrap();
            assert!(call.json);
            assert!(matches!(call.command, Command::Tap { uid } if uid == "04A1B2C3"));
        }
    }

    #[test]
    fn help_wins_over_a_half_command() {
        assert!(matches!(
            parse("tap --help").unwrap().command,
            Command::Help
        ));
    }

    #[test]
    fn what_stands_behind_central_is_for_the_central_server() {
        let call = parse("--json central jobs --user ann").unwrap();
        let Command::Central(call) = call.command else {
            panic!("a command for a central server");
        };
        assert!(call.json);
        assert_eq!(call.words, ["jobs"]);
        assert_eq!(call.value("user"), Some("ann"));
        assert!(parse("central jobs --socket x").is_err());
    }

    #[test]
    fn a_decision_is_explained_for_somebody_else_and_at_another_printer() {
        let call = parse("policy explain 7 --user ann --printer hall").unwrap();
        let Command::Explain(question) = call.command else {
            panic!("a question");
        };
        assert_eq!((question.job, question.user.as_deref()), (7, Some("ann")));
        assert_eq!(question.printer.as_deref(), Some("hall"));
        for line in [
            "policy",
            "policy explain",
            "policy explain x",
            "jobs --user ann",
        ] {
            assert!(parse(line).is_err(), "{line}");
        }
    }

    #[test]
    fn health_takes_a_wait_and_what_is_expected() {
        let Command::Health(wish) = parse("health --wait 120 --expect disk --expect daemon")
            .unwrap()
            .command
        else {
            panic!("a look at the health");
        };
        assert_eq!(wish.wait, Duration::from_secs(120));
        assert_eq!(wish.expect, ["disk", "daemon"]);
        for line in [
            "health --wait soon",
            "jobs --wait 3",
            "status --expect x",
            "health x",
        ] {
            assert!(parse(line).is_err(), "{line}");
        }
    }

    #[test]
    fn an_update_is_a_file_or_a_question() {
        let wish = |line: &str| match parse(line).map(|call| call.command) {
            Ok(Command::Update(wish)) => Some(wish),
            _ => None,
        };
        let install = UpdateWish::Install {
            file: "a.raucb".into(),
            now: true,
            allow_older: false,
        };
        assert_eq!(wish("update --now a.raucb"), Some(install));
        assert_eq!(wish("update --status"), Some(UpdateWish::Status));
        assert_eq!(wish("update --cancel"), Some(UpdateWish::Cancel));
        for line in [
            "update",
            "update a b",
            "update a --status",
            "update --status --cancel",
            "update --status --now",
            "reset",
            "reset --yes",
            "reset all --factory",
            "reboot --yes",
        ] {
            assert!(parse(line).is_err(), "{line}");
        }
        let reset = parse("reset --factory --yes").unwrap().command;
        assert!(matches!(reset, Command::FactoryReset { yes: true }));
        let reboot = parse("reboot").unwrap().command;
        assert!(matches!(reboot, Command::Reboot { now: false }));
    }

    #[test]
    fn a_finger_is_taken_of_somebody_at_a_sensor() {
        let Command::EnrolFinger { user, sensor } =
            parse("finger enrol ann thumb").unwrap().command
        else {
            panic!("an enrolment");
        };
        assert_eq!((user.as_str(), sensor.as_str()), ("ann", "thumb"));
        for line in ["finger", "finger enrol ann", "finger 3"] {
            assert!(parse(line).is_err(), "{line}");
        }
    }

    #[test]
    fn a_missing_or_extra_word_is_a_usage_error() {
        for line in [
            "",
            "tap",
            "count",
            "cancel x",
            "status now",
            "enrol me",
            "users",
            "board",
            "board check a b",
            "device-keys",
            "device-keys import",
            "fly",
        ] {
            assert!(parse(line).is_err(), "{line}");
        }
    }
}
