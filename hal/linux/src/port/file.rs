// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The `file:` port: jobs end as files, for tests and for machines that watch a directory.
//!
//! `file:///dir/` (or an existing directory) gets one file per job, `00000001.prn` and up; any
//! other path is one file to which each job is added. A job is written beside its place and put
//! there by a rename after its last byte is synced: nobody ever sees half of one.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use platen_hal::{PortError, PortReport, PortSession, PortStatus, PrinterPort, Sending};
use rustix::fs::{Access, CWD, RenameFlags, access, renameat_with};

use super::{PortUriError, path_of};

/// Highest number of a job's file; after it the directory counts as full.
pub(super) const JOBS_MAX: u32 = 99_999_999;

/// A `file:` port. One session at a time.
#[derive(Debug)]
pub struct FilePort {
    uri: String,
    place: Place,
}

#[derive(Clone, Debug)]
enum Place {
    Directory { path: PathBuf, next: u32 },
    File(PathBuf),
}

impl FilePort {
    /// Takes `file:/path` or `file:///path`; looks whether the path is a directory.
    ///
    /// # Errors
    /// [`PortUriError`] for another scheme or no absolute path.
    pub fn new(uri: &str) -> Result<Self, PortUriError> {
        let path = path_of(uri, "file")?;
        if path.file_name().is_none() {
            return Err(PortUriError::Path {
                uri: uri.to_owned(),
            });
        }
        let place = if uri.ends_with('/') || path.is_dir() {
            Place::Directory { path, next: 1 }
        } else {
            Place::File(path)
        };
        Ok(Self {
            uri: uri.to_owned(),
            place,
        })
    }
}

impl Place {
    fn directory(&self) -> &Path {
        match self {
            Self::Directory { path, .. } => path,
            Self::File(path) => path.parent().unwrap_or(Path::new("/")),
        }
    }

    /// Where a job is written until it is whole. A box that lost power finds it and writes over it.
    fn part(&self) -> PathBuf {
        match self {
            Self::Directory { path, .. } => path.join(".platen.part"),
            Self::File(path) => {
                let mut name = std::ffi::OsString::from(".");
                name.push(path.file_name().unwrap_or_default());
                name.push(".part");
                path.with_file_name(name)
            }
        }
    }

    fn begin(&self) -> io::Result<File> {
        let mut file = File::create(self.part())?;
        if let Self::File(path) = self {
            match File::open(path) {
                Ok(mut earlier) => io::copy(&mut earlier, &mut file).map(drop)?,
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        Ok(file)
    }

    /// Puts the whole job in its place.
    fn settle(&self) -> io::Result<()> {
        match self {
            Self::File(path) => fs::rename(self.part(), path)?,
            Self::Directory { path, next } => settle_numbered(&self.part(), path, *next)?,
        }
        File::open(self.directory())?.sync_all()
    }
}

/// Takes the first free number from `next` on; a file that is there is never replaced.
fn settle_numbered(part: &Path, directory: &Path, next: u32) -> io::Result<()> {
    for number in next..=JOBS_MAX {
        let name = directory.join(format!("{number:08}.prn"));
        match renameat_with(CWD, part, CWD, &name, RenameFlags::NOREPLACE) {
            Err(rustix::io::Errno::EXIST) => {}
            result => return Ok(result?),
        }
    }
    Err(io::ErrorKind::QuotaExceeded.into())
}

impl PrinterPort for FilePort {
    fn uri(&self) -> &str {
        &self.uri
    }

    fn status(&mut self) -> PortStatus {
        let ready = access(self.place.directory(), Access::WRITE_OK | Access::EXEC_OK).is_ok();
        PortStatus {
            ready,
            reasons: if ready {
                Vec::new()
            } else {
                vec!["offline-report".to_owned()]
            },
        }
    }

    fn open(&mut self, _sending: &Sending) -> Result<Box<dyn PortSession>, PortError> {
        let file = self.place.begin().map_err(PortError::Offline)?;
        let place = self.place.clone();
        if let Place::Directory { path, next } = &mut self.place {
            // Only a hint that spares looking at old numbers again.
            *next = first_free(path, *next);
        }
        Ok(Box::new(FileSession {
            place,
            file,
            octets: 0,
            settled: false,
        }))
    }
}

fn first_free(directory: &Path, from: u32) -> u32 {
    (from..JOBS_MAX)
        .find(|number| !directory.join(format!("{number:08}.prn")).exists())
        .unwrap_or(JOBS_MAX)
}

struct FileSession {
    place: Place,
    file: File,
    octets: u64,
    settled: bool,
}

impl PortSession for FileSession {
    fn send(&mut self, bytes: &[u8]) -> Result<(), PortError> {
        self.file.write_all(bytes).map_err(PortError::Broken)?;
        self.octets += bytes.len() as u64;
        Ok(())
    }

    fn finish(mut self: Box<Self>) -> Result<PortReport, PortError> {
        self.file.sync_all().map_err(PortError::Broken)?;
        self.place.settle().map_err(PortError::Broken)?;
        self.settled = true;
        Ok(PortReport {
            octets: self.octets,
            impressions: None,
            confirmed_by: None,
        })
    }
}

impl Drop for FileSession {
    fn drop(&mut self) {
        if !self.settled {
            // Best effort: a part that stays is hidden, and written over by the next job.
            let _ = fs::remove_file(self.place.part());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn print(port: &mut FilePort, bytes: &[u8]) {
        let mut session = port.open(&Sending::default()).unwrap();
        let (head, tail) = bytes.split_at(bytes.len() / 2);
        session.send(head).unwrap();
        session.send(tail).unwrap();
        let octets = session.finish().unwrap().octets;
        assert_eq!(octets, bytes.len() as u64);
    }

    fn names(directory: &Path) -> Vec<String> {
        let entries = fs::read_dir(directory).unwrap();
        let mut names: Vec<String> = entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn each_job_gets_its_own_file_in_a_directory() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("00000002.prn"), b"old").unwrap();
        let uri = format!("file://{}/", folder.path().display());
        let mut port = FilePort::new(&uri).unwrap();
        assert!(port.status().ready);
        print(&mut port, b"first");
        print(&mut port, b"second");
        assert_eq!(
            names(folder.path()),
            ["00000001.prn", "00000002.prn", "00000003.prn"]
        );
        let read = |name: &str| fs::read(folder.path().join(name)).unwrap();
        assert_eq!(read("00000001.prn"), b"first");
        assert_eq!(read("00000002.prn"), b"old");
        assert_eq!(read("00000003.prn"), b"second");
    }

    #[test]
    fn jobs_are_added_to_one_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out");
        let mut port = FilePort::new(&format!("file:{}", path.display())).unwrap();
        print(&mut port, b"first");
        print(&mut port, b"second");
        assert_eq!(fs::read(&path).unwrap(), b"firstsecond");
        assert_eq!(names(folder.path()), ["out"]);
    }

    #[test]
    fn half_a_job_is_never_seen_and_leaves_nothing_behind() {
        let folder = tempfile::tempdir().unwrap();
        let mut port = FilePort::new(&format!("file://{}", folder.path().display())).unwrap();
        let mut session = port.open(&Sending::default()).unwrap();
        session.send(b"half").unwrap();
        assert!(
            names(folder.path())
                .iter()
                .all(|name| name.starts_with('.'))
        );
        drop(session);
        assert!(names(folder.path()).is_empty());
    }

    #[test]
    fn a_directory_that_is_gone_is_off_line() {
        let folder = tempfile::tempdir().unwrap();
        let uri = format!("file://{}/gone/", folder.path().display());
        let mut port = FilePort::new(&uri).unwrap();
        assert!(!port.status().ready);
        assert!(matches!(
            port.open(&Sending::default()),
            Err(PortError::Offline(_))
        ));
    }

    #[test]
    fn a_uri_without_an_absolute_path_is_refused() {
        for uri in [
            "file:",
            "file:out",
            "file://host/out/..",
            "usb:/dev/usb/lp0",
            "file:/",
        ] {
            assert!(FilePort::new(uri).is_err(), "{uri}");
        }
    }
}
