// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `platenctl central releases …`: which request each command is. What is not said of a bundle stands
//! in the file that the image's build puts beside it.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use lexopt::Error;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::CentralCall;
use super::request::{Body, Plan, Planned, ask, below, delete, list, number, post, query};
use super::show::{View, columns};

/// Options of these commands.
pub(super) const OPTIONS: &[&str] = &[
    "again",
    "allow-older",
    "any-time",
    "compatible",
    "days",
    "from",
    "notes",
    "on-failure",
    "share",
    "to",
    "utc-offset",
    "version",
];

/// Longest file beside a bundle that is read, bytes.
const BESIDE_OCTETS_MAX: u64 = 16 << 10;
const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
const EVERY_DAY: u8 = 0b111_1111;

/// What the image's build writes beside a bundle; fields that are not known are passed over.
#[derive(Debug, Deserialize)]
struct Beside {
    version: String,
    compatible: String,
    size: Option<u64>,
    sha256: Option<String>,
}

/// The plan of a command about releases.
///
/// # Errors
/// A usage error that names the word.
pub(super) fn plan(call: &CentralCall, words: &[&str]) -> Planned {
    let one = |release| below("/v1/releases", release);
    let act = |release, what| Ok(post(&format!("{}/{what}", one(release)), json!({})));
    match *words {
        ["list"] => Ok(list("/v1/releases", columns::RELEASES)),
        ["add", file] => add(call, Path::new(file)),
        ["show", release] => Ok(ask("GET", one(release), Body::None, View::Facts)),
        ["nodes", release] => Ok(Plan::List {
            path: format!("{}/nodes", one(release)),
            columns: columns::RELEASE_NODES,
        }),
        ["offer", release] => Ok(post(&format!("{}/offer", one(release)), offer(call)?)),
        ["pause", release] => act(release, "pause"),
        ["resume", release] => act(release, "resume"),
        ["remove", release] => Ok(delete(one(release))),
        _ => Err(
            "releases: list, add FILE, show, nodes, offer, pause, resume or remove RELEASE".into(),
        ),
    }
}

fn add(call: &CentralCall, file: &Path) -> Planned {
    let (version, compatible) = (call.value("version"), call.value("compatible"));
    let beside = match (version, compatible) {
        // Whoever says all of it says what is true: the file beside it may be another bundle's.
        (Some(_), Some(_)) => None,
        _ => Some(beside(file)?),
    };
    let told = beside.as_ref();
    let size = told.and_then(|told| told.size).map(|size| size.to_string());
    let query = query(
        "/v1/releases",
        &[
            (
                "version",
                version.or(told.map(|told| told.version.as_str())),
            ),
            (
                "compatible",
                compatible.or(told.map(|told| told.compatible.as_str())),
            ),
            ("notes", call.value("notes")),
            ("size", size.as_deref()),
            ("sha256", told.and_then(|told| told.sha256.as_deref())),
        ],
    );
    let body = Body::Bundle { path: file.into() };
    Ok(ask("POST", query, body, View::Facts))
}

/// Reads `image.raucb.json` or `image.json` beside `image.raucb`.
fn beside(bundle: &Path) -> Result<Beside, Error> {
    let mut longer = bundle.as_os_str().to_owned();
    longer.push(".json");
    let places = [PathBuf::from(longer), bundle.with_extension("json")];
    let found = places.iter().find(|path| path.is_file());
    let Some(path) = found else {
        let file = bundle.display();
        let text = format!("say --version and --compatible: there is no {file}.json that does");
        return Err(text.into());
    };
    let read = || {
        let mut bytes = Vec::new();
        let file = std::fs::File::open(path)?;
        file.take(BESIDE_OCTETS_MAX).read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    let bytes = read().map_err(|error: std::io::Error| format!("{}: {error}", path.display()))?;
    let beside = serde_json::from_slice(&bytes);
    beside.map_err(|error| format!("{} does not describe a bundle: {error}", path.display()).into())
}

fn offer(call: &CentralCall) -> Result<Value, Error> {
    let mut offer = Map::new();
    if let Some(share) = number(call, "share")? {
        if share > 100 {
            return Err("--share: write 0 to 100, boxes of a hundred".into());
        }
        offer.insert("share_percent".to_owned(), json!(share));
    }
    if let Some(window) = window(call)? {
        offer.insert("window".to_owned(), window);
    }
    if let Some(older) = choice(call, "allow-older", ["no", "yes"])? {
        offer.insert("allow_older".to_owned(), json!(older));
    }
    if let Some(pauses) = choice(call, "on-failure", ["go-on", "pause"])? {
        offer.insert("pause_on_failure".to_owned(), json!(pauses));
    }
    offer.insert("again".to_owned(), json!(call.has("again")));
    Ok(Value::Object(offer))
}

/// Which of two words was said; the second one is yes.
fn choice(call: &CentralCall, name: &str, words: [&str; 2]) -> Result<Option<bool>, Error> {
    let Some(word) = call.value(name) else {
        return Ok(None);
    };
    match words.iter().position(|known| *known == word) {
        Some(place) => Ok(Some(place == 1)),
        None => Err(format!("--{name}: write {} or {}", words[0], words[1]).into()),
    }
}

/// The window that was said; null for always; nothing when nothing was said of it.
fn window(call: &CentralCall) -> Result<Option<Value>, Error> {
    let parts = ["from", "to", "days", "utc-offset"].map(|name| call.value(name));
    let [from, to, days, offset] = parts;
    match (from, to, call.has("any-time")) {
        (None, None, true) if days.is_none() && offset.is_none() => Ok(Some(Value::Null)),
        (None, None, false) if days.is_none() && offset.is_none() => Ok(None),
        (Some(from), Some(to), false) => Ok(Some(json!({
            "from_minute": minute(from)?,
            "to_minute": minute(to)?,
            "days": days.map_or(Ok(EVERY_DAY), day_set)?,
            "utc_offset_minutes": offset.map_or(Ok(0), utc_offset)?,
        }))),
        _ => {
            Err("say --from and --to, with --days and --utc-offset if needed, or --any-time".into())
        }
    }
}

/// `22:00` as a minute of the day.
fn minute(text: &str) -> Result<u16, Error> {
    let wrong = || Error::from(format!("'{text}' is no time of day, such as 22:00"));
    let (hours, minutes) = text.split_once(':').ok_or_else(wrong)?;
    let part = |text: &str, most: u16| {
        let plain = (1..=2).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
        let number = plain.then(|| text.parse::<u16>().ok()).flatten();
        number.filter(|number| *number <= most).ok_or_else(wrong)
    };
    Ok(part(hours, 23)? * 60 + part(minutes, 59)?)
}

/// `+08:00` as minutes ahead of UTC.
fn utc_offset(text: &str) -> Result<i16, Error> {
    let (sign, rest) = match text.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    };
    let minutes = minute(rest).ok().filter(|minutes| *minutes <= 14 * 60);
    let minutes = minutes.and_then(|minutes| i16::try_from(minutes).ok());
    let wrong = || Error::from(format!("--utc-offset: '{text}' is none, such as +08:00"));
    minutes.map(|minutes| sign * minutes).ok_or_else(wrong)
}

/// `mon-fri,sun` as a set: bit 0 is Monday.
fn day_set(text: &str) -> Result<u8, Error> {
    let wrong = || {
        Error::from(format!(
            "--days: '{text}' is none, such as mon-fri or sat,sun"
        ))
    };
    let place = |word: &str| DAYS.iter().position(|day| *day == word).ok_or_else(wrong);
    let mut set = 0_u8;
    for part in text.split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last) = (place(first)?, place(last)?);
        // Over the end of the week too.
        let many = (last + DAYS.len() - first) % DAYS.len();
        set = (first..=first + many).fold(set, |set, day| set | 1 << (day % DAYS.len()));
    }
    Ok(set)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn planned(words: &[&str]) -> Planned {
        let mut parser = lexopt::Parser::from_args(words);
        super::super::plan::of(&CentralCall::parse(&mut parser, false)?)
    }

    fn asked(line: &str) -> (&'static str, String, Value) {
        let words: Vec<&str> = line.split_whitespace().collect();
        match planned(&words).unwrap() {
            Plan::Ask {
                method,
                path,
                body: Body::Json(body),
                ..
            } => (method, path, body),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn an_offer_names_what_is_to_change() {
        let (method, path, body) = asked(
            "releases offer 1.2.3 --share 10 --from 22:00 --to 05:00 --days mon-fri --utc-offset +08:00",
        );
        assert_eq!(
            (method, path.as_str()),
            ("POST", "/v1/releases/1.2.3/offer")
        );
        let window = json!({
            "from_minute": 1320,
            "to_minute": 300,
            "days": 31,
            "utc_offset_minutes": 480,
        });
        assert_eq!(
            body,
            json!({ "share_percent": 10, "window": window, "again": false })
        );
        let (_, _, body) =
            asked("releases offer x --any-time --on-failure go-on --allow-older yes");
        let all = json!({
            "window": null,
            "pause_on_failure": false,
            "allow_older": true,
            "again": false,
        });
        assert_eq!(body, all);
        assert_eq!(
            asked("releases offer x --again").2,
            json!({ "again": true })
        );
    }

    #[test]
    fn times_days_and_offsets_are_read_and_nonsense_is_not() {
        assert_eq!(day_set("sat,sun").unwrap(), 0b110_0000);
        assert_eq!(day_set("sat-mon").unwrap(), 0b110_0001);
        assert_eq!(day_set("mon-sun").unwrap(), EVERY_DAY);
        assert_eq!(utc_offset("-03:30").unwrap(), -210);
        assert_eq!(minute("0:05").unwrap(), 5);
        for wrong in ["", "mon-", "monday", "mon,,tue"] {
            assert!(day_set(wrong).is_err(), "{wrong}");
        }
        for wrong in ["", "24:00", "12:60", "12", "1:2:3", "+1:00", "001:00"] {
            assert!(minute(wrong).is_err(), "{wrong}");
        }
        assert!(utc_offset("15:00").is_err());
        for line in [
            "releases offer x --from 22:00",
            "releases offer x --days mon",
            "releases offer x --any-time --from 1:00 --to 2:00",
            "releases offer x --share 101",
            "releases offer x --share ten",
            "releases offer x --on-failure maybe",
            "releases offer",
            "releases add",
            "releases list --user ann",
        ] {
            let words: Vec<&str> = line.split_whitespace().collect();
            assert!(planned(&words).is_err(), "{line}");
        }
    }

    #[test]
    fn what_is_not_said_of_a_bundle_stands_in_the_file_beside_it() {
        let folder = std::env::temp_dir().join(format!("platenctl-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let bundle = folder.join("image.raucb");
        let text = bundle.to_str().unwrap();
        let path = |more: &[&str]| {
            let words = [&["releases", "add", text], more].concat();
            match planned(&words) {
                Ok(Plan::Ask { path, .. }) => Ok(path),
                Ok(other) => panic!("{other:?}"),
                Err(error) => Err(error.to_string()),
            }
        };
        assert!(path(&[]).unwrap_err().contains("--version"));
        let said = ["--version", "1.2.3", "--compatible", "platen-x86_64"];
        assert_eq!(
            path(&said).unwrap(),
            "/v1/releases?version=1.2.3&compatible=platen-x86_64"
        );
        let beside = json!({
            "version": "1.4.0",
            "compatible": "platen-x86_64",
            "size": 7,
            "sha256": "ab",
            "build_unix_s": 5,
        });
        std::fs::write(folder.join("image.json"), beside.to_string()).unwrap();
        assert_eq!(
            path(&["--notes", "new & shiny"]).unwrap(),
            "/v1/releases?version=1.4.0&compatible=platen-x86_64&notes=new%20%26%20shiny&size=7&sha256=ab"
        );
        std::fs::write(folder.join("image.raucb.json"), "{").unwrap();
        assert!(path(&[]).unwrap_err().contains("does not describe"));
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
