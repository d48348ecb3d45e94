// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The guest's first file system: a `cpio` archive of the form `newc`, and the programs with the
//! libraries they need. Source: Linux `Documentation/driver-api/early-userspace/buffer-format.rst`.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::process::{BedError, installed_program, run};

const FOLDER: u32 = 0o040_755;
const PROGRAM: u32 = 0o100_755;

/// An archive in the making.
#[derive(Debug, Default)]
pub(super) struct Archive {
    bytes: Vec<u8>,
    folders: BTreeSet<PathBuf>,
    entries: u32,
}

impl Archive {
    /// Adds a folder and those above it.
    pub(super) fn folder(&mut self, path: &Path) {
        let missing: Vec<PathBuf> = path
            .ancestors()
            .filter(|folder| !folder.as_os_str().is_empty() && !self.folders.contains(*folder))
            .map(Path::to_owned)
            .collect();
        for folder in missing.into_iter().rev() {
            self.entry(&folder, FOLDER, &[]);
            self.folders.insert(folder);
        }
    }

    /// Adds a file that may be run.
    pub(super) fn file(&mut self, path: &Path, content: &[u8]) {
        if let Some(folder) = path.parent() {
            self.folder(folder);
        }
        self.entry(path, PROGRAM, content);
    }

    /// Adds a file of this machine.
    pub(super) fn copy(&mut self, path: &Path, from: &Path) -> Result<(), BedError> {
        let content = fs::read(from).map_err(BedError::io(format!("read {}", from.display())))?;
        self.file(path, &content);
        Ok(())
    }

    /// Adds the files of a folder of this machine.
    pub(super) fn copy_folder(&mut self, path: &Path, from: &Path) -> Result<(), BedError> {
        let reading = || BedError::io(format!("read {}", from.display()));
        for entry in fs::read_dir(from).map_err(reading())? {
            let entry = entry.map_err(reading())?;
            self.copy(&path.join(entry.file_name()), &entry.path())?;
        }
        Ok(())
    }

    /// The archive, ended.
    pub(super) fn finish(mut self) -> Vec<u8> {
        self.entry(Path::new("TRAILER!!!"), 0, &[]);
        self.bytes
    }

    /// Thirteen numbers of eight hexadecimal digits, the name, the content; each padded to four.
    fn entry(&mut self, path: &Path, mode: u32, content: &[u8]) {
        self.entries += 1;
        let name = path.to_string_lossy();
        let number = |length: usize| u32::try_from(length).unwrap_or(u32::MAX);
        let [owner, group, links, time, device] = [0, 0, 1, 0, 0];
        let fields = [
            self.entries,
            mode,
            owner,
            group,
            links,
            time,
            number(content.len()),
            device,
            device,
            device,
            device,
            number(name.len() + 1),
            0,
        ];
        let mut head = "070701".to_owned();
        for field in fields {
            // Writing to a String cannot fail.
            let _ = write!(head, "{field:08x}");
        }
        head.push_str(&name);
        head.push('\0');
        self.bytes.extend_from_slice(head.as_bytes());
        self.pad();
        self.bytes.extend_from_slice(content);
        self.pad();
    }

    fn pad(&mut self) {
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
    }
}

/// Where a target's libraries are, and its own `strip`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Target {
    pub(super) strip: &'static str,
    pub(super) libraries: &'static [&'static str],
}

/// Adds programs of `from` to `/bin` without what only a debugger needs, and their libraries.
pub(super) fn add_programs(
    archive: &mut Archive,
    target: Target,
    from: &[PathBuf],
    scratch: &Path,
) -> Result<(), BedError> {
    let mut added = BTreeSet::new();
    for program in from {
        let name = program.file_name().unwrap_or_default();
        let thin = scratch.join(name);
        let strip = installed_program(target.strip)?;
        run(Command::new(strip)
            .args(["--strip-debug", "-o"])
            .arg(&thin)
            .arg(program))?;
        archive.copy(&Path::new("bin").join(name), &thin)?;
        add_libraries(archive, target, &thin, &mut added)?;
        let _ = fs::remove_file(&thin);
    }
    Ok(())
}

/// Adds what `program` names as needed, and what that needs.
fn add_libraries(
    archive: &mut Archive,
    target: Target,
    program: &Path,
    added: &mut BTreeSet<String>,
) -> Result<(), BedError> {
    let readelf = installed_program("readelf")?;
    let text = run(Command::new(readelf).arg("-dlW").arg(program))?;
    let needed = text.lines().filter(|line| line.contains("(NEEDED)"));
    let needed = needed.filter_map(|line| between(line, "[", "]"));
    let loader = text
        .lines()
        .filter_map(|line| between(line, "interpreter: ", "]"));
    for path in loader.chain(needed) {
        let name = path.rsplit('/').next().unwrap_or(path);
        if !added.insert(name.to_owned()) {
            continue;
        }
        let folders = target.libraries.iter().map(Path::new);
        let found = folders
            .map(|folder| folder.join(name))
            .find(|path| path.is_file());
        let found = found.ok_or_else(|| BedError::Missing {
            program: name.to_owned(),
            hint: "`make deps` installs what is missing".to_owned(),
        })?;
        // The loader where the programs expect it; the others where it looks first.
        let place = path
            .strip_prefix('/')
            .map_or(Path::new("lib").join(name), PathBuf::from);
        archive.copy(&place, &found)?;
        add_libraries(archive, target, &found, added)?;
    }
    Ok(())
}

fn between<'a>(line: &'a str, before: &str, after: &str) -> Option<&'a str> {
    let (_, rest) = line.split_once(before)?;
    rest.split_once(after).map(|(inner, _)| inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_archive_has_its_folders_before_its_files_and_whole_words() {
        let mut archive = Archive::default();
        archive.file(Path::new("a/b/c"), b"12345");
        let bytes = archive.finish();
        assert_eq!(bytes.len() % 4, 0);
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let at = |name: &str| text.find(name).unwrap();
        assert!(at("a\0") < at("a/b\0") && at("a/b\0") < at("a/b/c\0"));
        assert!(at("12345") < at("TRAILER!!!"));
        // Head (110), name and padding of the first entry.
        assert_eq!(&text[..6], "070701");
        assert_eq!(&text[112..118], "070701");
    }
}
