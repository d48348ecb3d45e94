// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Keys of cards and readers, imported by the administrator and kept sealed by the box key in
//! `device-keys/keys.sealed` (byte map: `docs/formats/device-keys.md`). They leave this file for the
//! drivers only; what is told of them is which there are.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use platen_hal_linux::board::ReaderKind;
use platen_hal_linux::device::{KEY_FILE_MAX_BYTES, KeyFile, KeyFileError};
use platen_hal_linux::{Board, DeviceSecrets, ReaderPart};
use platen_model::local::DeviceKeyFacts;
use platen_store::{Disk, Keys, SealedFile, SealedFileError};
use thiserror::Error;

const KEY_FILE: SealedFile = SealedFile {
    folder: "device-keys",
    name: "keys.sealed",
    magic: b"PLATENDK",
    version: 1,
    context: b"platen device keys 1\0",
    bytes_max: KEY_FILE_MAX_BYTES,
};

/// Why keys can't be read or kept.
#[derive(Debug, Error)]
#[non_exhaustive]
pub(crate) enum DeviceKeysError {
    #[error("the keys of cards and readers are damaged; remove device-keys and import them again")]
    Damaged,
    #[error("the keys of cards and readers can't be read or kept")]
    Sealed(#[source] SealedFileError),
    #[error(transparent)]
    File(#[from] KeyFileError),
}

/// The keys of this box's parts.
pub(crate) struct DeviceKeys {
    disk: Arc<dyn Disk>,
    keys: Arc<Keys>,
    /// OSDP readers of the board.
    readers: Vec<String>,
    /// Held over a whole import, and so over the disk's work.
    importing: Mutex<()>,
    /// Held for moments only: a reader's owner takes it inside a call that is watched.
    now: Mutex<KeyFile>,
}

impl DeviceKeys {
    /// Reads what was imported; nothing is there on a new box.
    pub(crate) fn open(
        disk: Arc<dyn Disk>,
        keys: Arc<Keys>,
        board: &Board,
    ) -> Result<Self, DeviceKeysError> {
        let now = Mutex::new(read(&*disk, &keys)?);
        let osdp = |part: &&ReaderPart| matches!(part.kind, ReaderKind::Osdp(_));
        let readers = board.readers.iter().filter(osdp);
        Ok(Self {
            disk,
            keys,
            readers: readers.map(|part| part.name.clone()).collect(),
            importing: Mutex::default(),
            now,
        })
    }

    /// What the drivers get.
    pub(crate) fn secrets(&self) -> DeviceSecrets {
        self.now().secrets.clone()
    }

    /// Which keys there are.
    pub(crate) fn facts(&self) -> DeviceKeyFacts {
        self.facts_of(&self.now())
    }

    /// Takes a key file in the place of all that there is, durably. Blocks.
    pub(crate) fn import(&self, text: &str) -> Result<DeviceKeyFacts, DeviceKeysError> {
        let mut file = KeyFile::parse(text)?;
        // One import at a time: the file and what the drivers get are the same.
        let _one = lock(&self.importing);
        KEY_FILE
            .write(&*self.disk, &self.keys, text.as_bytes())
            .map_err(DeviceKeysError::Sealed)?;
        let mut now = self.now();
        file.secrets.keep(&now.secrets);
        *now = file;
        Ok(self.facts_of(&now))
    }

    fn facts_of(&self, file: &KeyFile) -> DeviceKeyFacts {
        let osdp: Vec<_> = file.secrets.osdp.keys().cloned().collect();
        let unknown = osdp.iter().filter(|name| !self.readers.contains(name));
        DeviceKeyFacts {
            desfire: file.desfire.clone(),
            ntag424: file.ntag424.clone(),
            without_reader: unknown.cloned().collect(),
            osdp,
        }
    }

    fn now(&self) -> MutexGuard<'_, KeyFile> {
        lock(&self.now)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn read(disk: &dyn Disk, keys: &Keys) -> Result<KeyFile, DeviceKeysError> {
    let plain = KEY_FILE.read(disk, keys).map_err(|error| match error {
        SealedFileError::Damaged { .. } => DeviceKeysError::Damaged,
        error => DeviceKeysError::Sealed(error),
    })?;
    let Some(plain) = plain else {
        return Ok(KeyFile::default());
    };
    let text = std::str::from_utf8(&plain).map_err(|_| DeviceKeysError::Damaged)?;
    Ok(KeyFile::parse(text)?)
}

#[cfg(test)]
mod tests {
    use std::io::{self, Write};
    use std::path::Path;
    use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
    use std::thread::spawn;
    use std::time::Duration;

    use platen_store::{DiskFile, DiskRead, SimDisk};

    use super::*;

    const FILE: &str = "device-keys/keys.sealed";
    const TEXT: &str = "[osdp.gate]\nscbk = \"00112233445566778899AABBCCDDEEFF\"\n";

    fn keys(disk: &SimDisk) -> Arc<Keys> {
        Arc::new(Keys::open(disk).unwrap())
    }

    fn open(disk: &SimDisk, keys: &Arc<Keys>) -> Result<DeviceKeys, DeviceKeysError> {
        let board = "name = \"x\"\n[reader]\nname = \"gate\"\npart = \"osdp\"\n\
                     backend = \"sim\"\nnumber = \"wiegand=26\"";
        let board = Board::parse(board).unwrap();
        DeviceKeys::open(Arc::new(disk.clone()), Arc::clone(keys), &board)
    }

    #[test]
    fn keys_outlive_a_restart_sealed_and_are_replaced_as_a_whole() {
        let disk = SimDisk::new(1);
        let keys = keys(&disk);
        let device_keys = open(&disk, &keys).unwrap();
        assert!(device_keys.facts().osdp.is_empty());
        let facts = device_keys.import(TEXT).unwrap();
        assert_eq!(
            (facts.osdp, facts.without_reader.len()),
            (vec!["gate".to_owned()], 0)
        );
        for (path, bytes) in disk.files() {
            let clear = [b"00112233".as_slice(), b"scbk", &[0, 0x11, 0x22, 0x33]];
            for secret in clear {
                let shown = bytes.windows(secret.len()).any(|part| part == secret);
                assert!(!shown, "{}", path.display());
            }
        }
        let again = open(&disk, &keys).unwrap();
        assert!(again.secrets().osdp.contains_key("gate"));
        assert!(again.import("[osdp.gate]\nscbk = \"00\"").is_err());
        assert_eq!(
            again.facts().osdp,
            ["gate"],
            "a refused file changes nothing"
        );
        let other = TEXT.replace("gate", "gaet");
        assert_eq!(again.import(&other).unwrap().without_reader, ["gaet"]);
        again.import("").unwrap();
        assert!(open(&disk, &keys).unwrap().secrets().osdp.is_empty());
    }

    /// A disk that takes its time over every new file, until it is released.
    struct SlowDisk {
        disk: SimDisk,
        busy: SyncSender<()>,
        release: Mutex<Receiver<()>>,
    }

    impl Disk for SlowDisk {
        fn create(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
            self.busy.send(()).unwrap();
            let _ = lock(&self.release).recv();
            self.disk.create(path)
        }

        fn append(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
            self.disk.append(path)
        }

        fn open(&self, path: &Path) -> io::Result<Box<dyn DiskRead>> {
            self.disk.open(path)
        }

        fn truncate(&self, path: &Path, length: u64) -> io::Result<()> {
            self.disk.truncate(path, length)
        }

        fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
            self.disk.rename(from, to)
        }

        fn remove(&self, path: &Path) -> io::Result<()> {
            self.disk.remove(path)
        }

        fn create_dir(&self, path: &Path) -> io::Result<()> {
            self.disk.create_dir(path)
        }

        fn list(&self, path: &Path) -> io::Result<Vec<String>> {
            self.disk.list(path)
        }

        fn sync_files(&self, files: &mut [Box<dyn DiskFile>]) -> io::Result<()> {
            self.disk.sync_files(files)
        }

        fn sync_dir(&self, path: &Path) -> io::Result<()> {
            self.disk.sync_dir(path)
        }

        fn free_bytes(&self) -> io::Result<u64> {
            self.disk.free_bytes()
        }
    }

    #[test]
    fn a_driver_gets_its_keys_while_an_import_waits_for_the_disk() {
        let disk = SimDisk::new(3);
        let keys = keys(&disk);
        let (busy, is_busy) = sync_channel(1);
        let (released, release) = sync_channel(0);
        let slow = SlowDisk {
            disk,
            busy,
            release: Mutex::new(release),
        };
        let board = Board::parse("name = \"x\"").unwrap();
        let device_keys = DeviceKeys::open(Arc::new(slow), keys, &board).unwrap();
        let device_keys = Arc::new(device_keys);
        let importer = Arc::clone(&device_keys);
        let import = spawn(move || importer.import(TEXT).unwrap());
        let deadline = Duration::from_secs(10);
        is_busy.recv_timeout(deadline).unwrap();
        let (sender, got) = sync_channel(1);
        let driver = Arc::clone(&device_keys);
        spawn(move || sender.send(driver.secrets().osdp.len()));
        assert_eq!(got.recv_timeout(deadline), Ok(0));
        drop(released);
        assert_eq!(import.join().unwrap().osdp, ["gate"]);
        assert!(device_keys.secrets().osdp.contains_key("gate"));
    }

    #[test]
    fn a_damaged_file_is_told_and_never_taken() {
        let disk = SimDisk::new(2);
        let keys = keys(&disk);
        open(&disk, &keys).unwrap().import(TEXT).unwrap();
        let mut files = disk.files().into_iter();
        let (_, whole) = files.find(|(path, _)| path == Path::new(FILE)).unwrap();
        for at in 0..whole.len() {
            let mut bytes = whole.clone();
            bytes[at] ^= 0x40;
            disk.remove(Path::new(FILE)).unwrap();
            let mut file = disk.create(Path::new(FILE)).unwrap();
            file.write_all(&bytes).unwrap();
            file.sync().unwrap();
            assert!(open(&disk, &keys).is_err(), "byte {at}");
        }
    }
}
