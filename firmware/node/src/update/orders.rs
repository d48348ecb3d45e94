// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The files between the daemon and the side with the rights to install: orders one way, its state the
//! other. An order is written beside its place and renamed, so that it is whole when it is seen.

use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::Path;

use platen_model::Chain;
use platen_policy::update::{RECORD_BYTES_MAX, Record, read_record};
use serde::Serialize;
use serde_json::Value;

use super::machine::Source;

const INSTALL: &str = "install";
const REBOOT: &str = "reboot";
const FACTORY_RESET: &str = "factory-reset";
/// What the first start of a new release is judged by.
const TRIAL: &str = "trial.json";

/// Longest name of an item, and most items, that the other side takes.
const ITEM_BYTES_MAX: usize = 80;
const ITEMS_MAX: usize = 32;

/// The items that the other side can read: it is a script, and takes plain names alone. What it would
/// not take is left out, for else it would refuse the update.
pub(super) fn expected(well: Vec<String>) -> Vec<String> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || " ._:/-_".contains(c);
    let fits = |name: &String| {
        let fits = name.len() <= ITEM_BYTES_MAX && name.chars().all(is_plain);
        if !fits {
            log::warn!(item = name.as_str(); "an update is not judged by a part whose name is not plain");
        }
        fits
    };
    well.into_iter().filter(fits).take(ITEMS_MAX).collect()
}

/// The order to install the bundle.
#[derive(Serialize)]
struct Install<'a> {
    source: &'static str,
    allow_older: bool,
    /// What is well now, and has to be well in the new release.
    expect: &'a [String],
}

pub(super) fn install(
    folder: &Path,
    source: Source,
    allow_older: bool,
    expect: &[String],
) -> io::Result<()> {
    let order = Install {
        source: source.keyword(),
        allow_older,
        expect,
    };
    write(folder, INSTALL, &serde_json::to_vec(&order)?)
}

pub(super) fn restart(folder: &Path) -> io::Result<()> {
    write(folder, REBOOT, b"")
}

pub(super) fn factory_reset(folder: &Path) -> io::Result<()> {
    write(folder, FACTORY_RESET, b"")
}

/// The order to install, if nobody has taken it.
pub(super) fn take_back(folder: &Path) -> io::Result<()> {
    super::remove(&folder.join(INSTALL))
}

fn write(folder: &Path, name: &str, content: &[u8]) -> io::Result<()> {
    let made = fs::DirBuilder::new().mode(0o750).create(folder);
    made.or_else(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => Ok(()),
        _ => Err(error),
    })?;
    replace(folder, name, content)
}

/// Puts a file into its place whole, and so that it survives a power cut where the folder does.
pub(super) fn replace(folder: &Path, name: &str, content: &[u8]) -> io::Result<()> {
    let beside = folder.join(format!(".{name}.new"));
    let mut file = File::create(&beside)?;
    file.write_all(content)?;
    file.sync_all()?;
    fs::rename(&beside, folder.join(name))?;
    File::open(folder)?.sync_all()
}

/// What the other side says, or why that can't be read. Nothing when it never said anything.
pub(super) fn read_state(path: &Path) -> Result<Option<Record>, String> {
    match read_short(path) {
        Ok(None) => Ok(None),
        Ok(Some(bytes)) => read_record(&bytes)
            .map(Some)
            .map_err(|error| Chain(&error).to_string()),
        Err(error) => Err(format!("{}: {error}", path.display())),
    }
}

/// A file that is longer than any of these is read a little further than that, and no more.
fn read_short(path: &Path) -> io::Result<Option<Vec<u8>>> {
    let file = match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        opened => opened?,
    };
    let limit = u64::try_from(RECORD_BYTES_MAX).unwrap_or(u64::MAX);
    let mut bytes = Vec::new();
    file.take(limit.saturating_add(1)).read_to_end(&mut bytes)?;
    Ok(Some(bytes))
}

/// Has the next start judged by what is well now: between an installation and its restart a printer
/// may have been switched off for the night.
pub(super) fn expect_at_trial(folder: &Path, expect: &[String]) -> io::Result<()> {
    let Some(bytes) = read_short(&folder.join(TRIAL))? else {
        return Ok(());
    };
    let mut trial: Value = serde_json::from_slice(&bytes)?;
    let fields = trial.as_object_mut().ok_or(io::ErrorKind::InvalidData)?;
    fields.insert("expect".to_owned(), serde_json::to_value(expect)?);
    replace(folder, TRIAL, &serde_json::to_vec(&trial)?)
}
