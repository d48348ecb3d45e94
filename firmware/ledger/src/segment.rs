// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Segment files: their names, their making, and what a torn one leaves beside it.

use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use platen_store::{Disk, Sealer};

use crate::books::{Books, Checkpoint};
use crate::error::LedgerError;
use crate::frame::{FrameFault, HEADER_BYTES, Header, Tip, VERSION};

/// Where the segments are, relative to the data directory.
pub(crate) const DIR: &str = "ledger";
const SUFFIX: &str = ".plj";
const TORN: &str = ".torn-";
const DAMAGED: &str = ".damaged-";
/// Torn tails kept aside per segment; the last place is used again.
const TORN_KEPT_MAX: u32 = 64;

/// First sequence number of a segment; gives it its name.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) struct SegmentId(pub(crate) u64);

impl SegmentId {
    pub(crate) fn path(self) -> PathBuf {
        Path::new(DIR).join(format!("{:016x}{SUFFIX}", self.0))
    }

    fn from_name(name: &str) -> Option<Self> {
        let digits = name.strip_suffix(SUFFIX)?;
        let plain = |c: char| c.is_ascii_digit() || matches!(c, 'a'..='f');
        let whole = digits.len() == 16 && digits.chars().all(plain);
        let first = whole.then(|| u64::from_str_radix(digits, 16).ok())??;
        Some(Self(first))
    }

    /// The tip that must stand before this segment, as far as its name tells.
    pub(crate) fn before(self) -> u64 {
        self.0.saturating_sub(1)
    }
}

/// All segments, oldest first.
pub(crate) fn list(disk: &dyn Disk) -> Result<Vec<SegmentId>, LedgerError> {
    let dir = Path::new(DIR);
    let names = match disk.list(dir) {
        Ok(names) => names,
        Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
        Err(error) => return Err(LedgerError::disk(dir, error)),
    };
    let mut found: Vec<SegmentId> = names
        .iter()
        .filter_map(|name| SegmentId::from_name(name))
        .collect();
    found.sort_unstable();
    Ok(found)
}

/// Length of a file in bytes.
pub(crate) fn length(disk: &dyn Disk, path: &Path) -> Result<u64, LedgerError> {
    disk.open(path)
        .and_then(|mut file| file.seek(SeekFrom::End(0)))
        .map_err(|error| LedgerError::disk(path, error))
}

/// Makes the segment that goes on behind `tip`, durably, and returns its length. It appears under
/// its name only when header and checkpoint are safe: a segment without a whole header is damage,
/// not a power cut.
pub(crate) fn create(
    disk: &dyn Disk,
    sealer: &Sealer,
    tip: Tip,
    books: &Books,
) -> Result<(SegmentId, u64), LedgerError> {
    let id = SegmentId(tip.next());
    let bytes = first_bytes(sealer, tip, books)?;
    let path = id.path();
    let fresh = path.with_extension("new");
    write_new(disk, &fresh, &path, &bytes).map_err(|error| LedgerError::disk(&path, error))?;
    Ok((id, u64::try_from(bytes.len()).unwrap_or(u64::MAX)))
}

fn first_bytes(sealer: &Sealer, tip: Tip, books: &Books) -> Result<Vec<u8>, LedgerError> {
    let mut plain = Vec::new();
    ciborium::into_writer(&books.checkpoint(), &mut plain)
        .expect("books are plain data and memory takes all bytes");
    let context = Header::context(tip.next(), tip.hash);
    let sealed = sealer.seal(&context, &plain).map_err(LedgerError::Seal)?;
    let header = Header {
        version: VERSION,
        first: tip.next(),
        before: tip.hash,
        checkpoint_bytes: u32::try_from(sealed.len()).expect("the books keep their limits"),
        checkpoint_sum: crc32fast::hash(&sealed),
    };
    let mut bytes = header.encode();
    debug_assert_eq!(bytes.len(), HEADER_BYTES);
    bytes.extend_from_slice(&sealed);
    Ok(bytes)
}

fn write_new(disk: &dyn Disk, fresh: &Path, path: &Path, bytes: &[u8]) -> io::Result<()> {
    disk.create_dir(Path::new(DIR))?;
    disk.remove(fresh)?;
    let mut file = disk.create(fresh)?;
    let written = file.write_all(bytes).and_then(|()| file.sync());
    drop(file);
    if let Err(error) = written {
        // Best effort: the next try removes it too.
        let _ = disk.remove(fresh);
        return Err(error);
    }
    disk.rename(fresh, path)?;
    disk.sync_dir(Path::new(DIR))
}

/// Opens a checkpoint with the header that came before it.
pub(crate) fn open_checkpoint(
    sealer: &Sealer,
    header: &Header,
    sealed: &[u8],
) -> Result<Books, FrameFault> {
    let context = Header::context(header.first, header.before);
    let plain = sealer
        .open(&context, sealed)
        .map_err(|_| FrameFault::Sealed)?;
    ciborium::from_reader::<Checkpoint, _>(plain.as_slice())
        .map(Books::from)
        .map_err(|_| FrameFault::Content)
}

/// Copies what stands behind `from` to a file beside the segment, durably.
pub(crate) fn keep_tail(disk: &dyn Disk, path: &Path, from: u64) -> io::Result<PathBuf> {
    let aside = free_name(disk, path, TORN)?;
    let mut source = disk.open(path)?;
    source.seek(SeekFrom::Start(from))?;
    let mut copy = disk.create(&aside)?;
    let mut block = vec![0; 64 * 1024];
    loop {
        let count = source.read(&mut block)?;
        let read = block.get(..count).unwrap_or_default();
        if read.is_empty() {
            break;
        }
        copy.write_all(read)?;
    }
    copy.sync()?;
    disk.sync_dir(Path::new(DIR))?;
    Ok(aside)
}

/// Moves a whole segment aside, as damage that stays to be seen.
pub(crate) fn set_aside(disk: &dyn Disk, path: &Path) -> io::Result<PathBuf> {
    let aside = free_name(disk, path, DAMAGED)?;
    disk.rename(path, &aside)?;
    disk.sync_dir(Path::new(DIR))?;
    Ok(aside)
}

/// Segments that were set aside, as names in the ledger's directory.
pub(crate) fn list_set_aside(disk: &dyn Disk) -> Result<Vec<PathBuf>, LedgerError> {
    let dir = Path::new(DIR);
    let mut names = match disk.list(dir) {
        Ok(names) => names,
        Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
        Err(error) => return Err(LedgerError::disk(dir, error)),
    };
    names.retain(|name| name.contains(DAMAGED));
    names.sort_unstable();
    Ok(names.iter().map(|name| dir.join(name)).collect())
}

/// The first free `<segment><kind><n>`; the last one is freed when all are taken.
fn free_name(disk: &dyn Disk, path: &Path, kind: &str) -> io::Result<PathBuf> {
    let taken = disk.list(Path::new(DIR))?;
    let segment = path.file_name().unwrap_or_default().to_string_lossy();
    let name = |n: u32| format!("{segment}{kind}{n}");
    let free = (1..=TORN_KEPT_MAX)
        .map(name)
        .find(|name| !taken.contains(name));
    let chosen = Path::new(DIR).join(free.unwrap_or_else(|| name(TORN_KEPT_MAX)));
    disk.remove(&chosen)?;
    Ok(chosen)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_names_are_segments() {
        let id = SegmentId(0x1f);
        assert_eq!(id.path(), Path::new("ledger/000000000000001f.plj"));
        assert_eq!(SegmentId::from_name("000000000000001f.plj"), Some(id));
        for name in [
            "1f.plj",
            "000000000000001F.plj",
            "+00000000000001f.plj",
            "000000000000001f.plj.torn-1",
            "000000000000001f.new",
        ] {
            assert_eq!(SegmentId::from_name(name), None, "{name}");
        }
    }
}
