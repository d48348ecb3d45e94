// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The key file. Everything secret that two central servers on one database must share (the
//! authority's key, the keys of card hashes, names of jobs) rests in the database, sealed by
//! [`crate::app::Vault`]; the one thing that both have to be given is this file.
//!
//! It holds 32 random bytes as 64 hexadecimal digits, mode 0600.

use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use ring::rand::{SecureRandom as _, SystemRandom};
use thiserror::Error;
use zeroize::Zeroizing;

const KEY_OCTETS: usize = 32;

/// The key of the key file.
pub(crate) struct RootKey(Zeroizing<[u8; KEY_OCTETS]>);

impl RootKey {
    /// Reads the file at `path`, or makes it. Blocks; a new file is on disk when this returns.
    ///
    /// # Errors
    /// [`KeyFileError`], such as when others may read it.
    pub(crate) fn load_or_create(path: &Path) -> Result<Self, KeyFileError> {
        match fs::metadata(path) {
            Ok(metadata) if metadata.mode() & 0o077 != 0 => Err(KeyFileError::Open {
                path: path.to_owned(),
            }),
            Ok(_) => Self::load(path),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Self::create(path),
            Err(error) => Err(KeyFileError::file(path, error)),
        }
    }

    fn load(path: &Path) -> Result<Self, KeyFileError> {
        let text = fs::read_to_string(path).map_err(|error| KeyFileError::file(path, error))?;
        let text = Zeroizing::new(text);
        parse(text.trim()).map(Self).ok_or(KeyFileError::Malformed {
            path: path.to_owned(),
        })
    }

    fn create(path: &Path) -> Result<Self, KeyFileError> {
        let file = |error| KeyFileError::file(path, error);
        let mut key = Zeroizing::new([0_u8; KEY_OCTETS]);
        SystemRandom::new()
            .fill(&mut *key)
            .map_err(|_| KeyFileError::NoRandomness)?;
        let text: String = key.iter().map(|byte| format!("{byte:02x}")).collect();
        let text = Zeroizing::new(text + "\n");
        write_private(path, text.as_bytes()).map_err(file)?;
        Ok(Self(key))
    }

    /// The bytes, for the vault.
    pub(crate) fn bytes(&self) -> &[u8; KEY_OCTETS] {
        &self.0
    }
}

impl fmt::Debug for RootKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RootKey")
    }
}

fn parse(text: &str) -> Option<Zeroizing<[u8; KEY_OCTETS]>> {
    let mut key = Zeroizing::new([0_u8; KEY_OCTETS]);
    let digits_only = text.bytes().all(|byte| byte.is_ascii_hexdigit());
    if text.len() != 2 * KEY_OCTETS || !digits_only {
        return None;
    }
    for (index, byte) in key.iter_mut().enumerate() {
        let digits = text.get(2 * index..2 * index + 2)?;
        *byte = u8::from_str_radix(digits, 16).ok()?;
    }
    Some(key)
}

/// Writes a file that only its owner may read: write, sync, rename, sync the directory.
///
/// # Errors
/// The system's own.
pub(crate) fn write_private(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    let new = path.with_file_name(name);
    let mut options = OpenOptions::new();
    let mut out = options
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&new)?;
    out.write_all(bytes)?;
    out.sync_all()?;
    fs::rename(&new, path)?;
    let folder = path.parent().filter(|parent| *parent != Path::new(""));
    File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
}

/// Why there is no key.
#[derive(Debug, Error)]
#[non_exhaustive]
pub(crate) enum KeyFileError {
    #[error("cannot use the key file {}", path.display())]
    File {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("others may read the key file {}: chmod 600 it", path.display())]
    Open { path: PathBuf },
    #[error(
        "{} is no key file: it holds 64 hexadecimal digits. Put the right one back: what the \
         database holds opens with no other",
        path.display()
    )]
    Malformed { path: PathBuf },
    #[error("the system gives no random bytes")]
    NoRandomness,
}

impl KeyFileError {
    fn file(path: &Path, source: io::Error) -> Self {
        Self::File {
            path: path.to_owned(),
            source,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_key_file_is_made_once_and_only_its_owner_reads_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("secret.key");
        let first = RootKey::load_or_create(&path).unwrap();
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let second = RootKey::load_or_create(&path).unwrap();
        assert_eq!(*first.0, *second.0);
    }

    #[test]
    fn a_key_file_that_others_may_read_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("secret.key");
        RootKey::load_or_create(&path).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        let error = RootKey::load_or_create(&path).unwrap_err().to_string();
        assert!(error.contains("chmod 600"), "{error}");
    }

    #[test]
    fn a_damaged_key_file_is_never_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("secret.key");
        write_private(&path, b"not a key\n").unwrap();
        assert!(matches!(
            RootKey::load_or_create(&path),
            Err(KeyFileError::Malformed { .. })
        ));
        assert_eq!(fs::read(&path).unwrap(), b"not a key\n");
    }
}
