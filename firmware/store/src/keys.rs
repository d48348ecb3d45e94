// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The box key and what is derived from it. The box key is 32 random bytes in `keys/box.key`,
//! made once at first start; every other long-lived key comes from it by HKDF-SHA256 (RFC 5869)
//! with a fixed label. Losing the file loses every sealed job: that is its purpose.

use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use ring::{hkdf, hmac};
use thiserror::Error;
use uuid::Uuid;
use zeroize::{Zeroize, Zeroizing};

use platen_model::{CardKey, OwnerKey};

use crate::disk::Disk;
use crate::seal::{Algorithm, KEY_BYTES, SealError, Sealer, expand, random_bytes};

/// The key file, relative to the data directory.
pub const KEY_FILE: &str = "keys/box.key";
/// Directories whose contents open with the box key only: with something in one of them, a missing
/// key file is an error and not a first start.
pub const SEALED_DIRS: [&str; 6] = [
    "jobs",
    "ledger",
    "database",
    "users",
    "device-keys",
    "centre",
];

const KEY_DIR: &str = "keys";
const KEY_FILE_NEW: &str = "keys/box.key.new";
const MAGIC: [u8; 8] = *b"PLTNKEY1";
// Magic, key, CRC-32 (little-endian) of both.
const FILE_BYTES: usize = MAGIC.len() + KEY_BYTES + 4;
const SALT: &[u8] = b"platen box key 1";

/// Why there are no keys.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum KeyError {
    /// The file is short, long or fails its checksum.
    #[error(
        "the key file {0} is damaged; put back a copy of it, or, to give up every held job and \
         the users' cards, remove it together with jobs, ledger, users, database, device-keys and \
         centre"
    )]
    Damaged(PathBuf),
    /// There is sealed data but no key file.
    #[error(
        "{1} holds sealed data but the key file {0} is missing; put back a copy of it, or, to \
         give up that data, remove jobs, ledger, users, database, device-keys and centre"
    )]
    Missing(PathBuf, PathBuf),
    /// The key file could not be read or made.
    #[error("the key file {path} cannot be read or written")]
    Disk {
        /// The file.
        path: PathBuf,
        /// The disk's own error.
        #[source]
        source: io::Error,
    },
    /// No random bytes for a new key.
    #[error("no key could be made")]
    Random(#[source] SealError),
}

/// Every long-lived key of the box.
pub struct Keys {
    wrap: Sealer,
    value: Sealer,
    card: hmac::Key,
    owner: hmac::Key,
    uuid: Uuid,
}

impl std::fmt::Debug for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Keys")
    }
}

impl Keys {
    /// Reads the key file, or makes it, durably, on a data directory without sealed data. Blocks.
    ///
    /// # Errors
    /// [`KeyError`]; a damaged or missing key is never replaced while sealed data exists.
    pub fn open(disk: &dyn Disk) -> Result<Self, KeyError> {
        let path = Path::new(KEY_FILE);
        let failed = |source| KeyError::Disk {
            path: path.to_owned(),
            source,
        };
        let bytes = match read_limited(disk, path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                refuse_if_sealed_data(disk)?;
                let bytes = new_file_bytes().map_err(KeyError::Random)?;
                write_new(disk, &bytes).map_err(failed)?;
                bytes
            }
            Err(error) => return Err(failed(error)),
        };
        let key = parse(&bytes).ok_or_else(|| KeyError::Damaged(path.to_owned()))?;
        Ok(Self::derive(&key, Algorithm::for_this_cpu()))
    }

    fn derive(box_key: &[u8; KEY_BYTES], algorithm: Algorithm) -> Self {
        let prk = hkdf::Salt::new(hkdf::HKDF_SHA256, SALT).extract(box_key);
        let mac = |label: &str| {
            let key = expand(&prk, &[label.as_bytes(), &[0]]);
            hmac::Key::new(hmac::HMAC_SHA256, &*key)
        };
        let public = expand(&prk, &[b"box id", &[0]]);
        let (id, _) = public.split_first_chunk().expect("32 bytes begin with 16");
        let id = *id;
        Self {
            wrap: Sealer::derive(&prk, "wrap", algorithm),
            value: Sealer::derive(&prk, "value", algorithm),
            card: mac("card"),
            owner: mac("owner"),
            uuid: uuid::Builder::from_custom_bytes(id).into_uuid(),
        }
    }

    /// The box's own UUID (RFC 9562 version 8): the same as long as the key file is.
    #[must_use]
    pub fn box_uuid(&self) -> Uuid {
        self.uuid
    }

    /// Seals values and records.
    #[must_use]
    pub fn values(&self) -> &Sealer {
        &self.value
    }

    /// Seals other keys.
    pub(crate) fn wrapper(&self) -> &Sealer {
        &self.wrap
    }

    /// The keyed hash of a card number. The caller gives one form per kind of card, such as the
    /// raw UID bytes.
    #[must_use]
    pub fn card_key(&self, card: &[u8]) -> CardKey {
        CardKey(hmac_32(&self.card, card))
    }

    /// The keyed hash of an owner's name after [`normalise_owner`].
    #[must_use]
    pub fn owner_key(&self, name: &str) -> OwnerKey {
        let mut normal = normalise_owner(name);
        let full = hmac_32(&self.owner, normal.as_bytes());
        normal.zeroize();
        let (short, _) = full.split_first_chunk().expect("32 bytes begin with 16");
        OwnerKey(*short)
    }
}

/// The form of a login name that is compared: outer white space off, Windows' `DOMAIN\` prefix and
/// Kerberos' `@REALM` suffix off (clients of one person send either, or none), Unicode lower case.
/// So two people with the same name in two realms are one owner here: a box serves one directory.
/// Where nothing would be left the whole name counts.
#[must_use]
pub fn normalise_owner(name: &str) -> String {
    let trimmed = name.trim();
    let without_domain = trimmed.rsplit_once('\\').map_or(trimmed, |(_, user)| user);
    let user = without_domain
        .split_once('@')
        .map_or(without_domain, |(user, _)| user)
        .trim();
    let chosen = if user.is_empty() { trimmed } else { user };
    chosen.to_lowercase()
}

fn hmac_32(key: &hmac::Key, bytes: &[u8]) -> [u8; 32] {
    let tag = hmac::sign(key, bytes);
    *tag.as_ref()
        .first_chunk()
        .expect("HMAC-SHA256 gives 32 bytes")
}

fn read_limited(disk: &dyn Disk, path: &Path) -> io::Result<Zeroizing<Vec<u8>>> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(FILE_BYTES + 1));
    let limit = u64::try_from(FILE_BYTES + 1).unwrap_or(u64::MAX);
    disk.open(path)?.take(limit).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn parse(bytes: &[u8]) -> Option<Zeroizing<[u8; KEY_BYTES]>> {
    let (covered, sum) = bytes.split_last_chunk::<4>()?;
    let (magic, key) = covered.split_first_chunk::<8>()?;
    let key: &[u8; KEY_BYTES] = key.try_into().ok()?;
    let good = *magic == MAGIC && crc32fast::hash(covered).to_le_bytes() == *sum;
    good.then(|| Zeroizing::new(*key))
}

fn new_file_bytes() -> Result<Zeroizing<Vec<u8>>, SealError> {
    let key = Zeroizing::new(random_bytes::<KEY_BYTES>()?);
    let mut bytes = Zeroizing::new(Vec::with_capacity(FILE_BYTES));
    bytes.extend_from_slice(&MAGIC);
    bytes.extend_from_slice(&*key);
    let sum = crc32fast::hash(&bytes).to_le_bytes();
    bytes.extend_from_slice(&sum);
    Ok(bytes)
}

fn write_new(disk: &dyn Disk, bytes: &[u8]) -> io::Result<()> {
    let (new, place) = (Path::new(KEY_FILE_NEW), Path::new(KEY_FILE));
    disk.create_dir(Path::new(KEY_DIR))?;
    disk.remove(new)?;
    let mut file = disk.create(new)?;
    file.write_all(bytes)?;
    file.sync()?;
    disk.rename(new, place)?;
    disk.sync_dir(Path::new(KEY_DIR))
}

fn refuse_if_sealed_data(disk: &dyn Disk) -> Result<(), KeyError> {
    for dir in SEALED_DIRS {
        let holds_something = match disk.list(Path::new(dir)) {
            Ok(names) => !names.is_empty(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => false,
            Err(source) => {
                let path = dir.into();
                return Err(KeyError::Disk { path, source });
            }
        };
        if holds_something {
            return Err(KeyError::Missing(KEY_FILE.into(), dir.into()));
        }
    }
    Ok(())
}
