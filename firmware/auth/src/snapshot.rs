// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `directory.sealed`: all users in sealed blocks, replaced as a whole. Byte map:
//! `docs/formats/directory.md`. Read and written block by block, so that memory does not grow with
//! the number of users.

use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use platen_store::{Disk, DiskFile, DiskRead, Sealer};

use crate::error::DirectoryError;
use crate::user::{USERS_MAX, User};

/// Version of the format this program writes.
pub(crate) const VERSION: u16 = 1;

const FOLDER: &str = "users";
const FILE: &str = "users/directory.sealed";
const FILE_NEW: &str = "users/directory.sealed.new";
const MAGIC: [u8; 8] = *b"PLATENDR";
const HEADER_BYTES: usize = 36;
/// Users sealed together.
const BLOCK_USERS: usize = 128;
/// A block of the largest users stays below half of this.
const BLOCK_BYTES_MAX: u32 = 2 * 1024 * 1024;
const CONTEXT: &[u8] = b"platen directory block 1\0";

/// What the header tells.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Summary {
    /// Counts up with every change; 0 when there is no file.
    pub(crate) generation: u64,
    pub(crate) users: u32,
    pub(crate) cards: u32,
}

fn encode_header(summary: Summary, blocks: u32) -> [u8; HEADER_BYTES] {
    let mut header = [0; HEADER_BYTES];
    let mut place = header.as_mut_slice();
    let fields: [&[u8]; 7] = [
        &MAGIC,
        &VERSION.to_le_bytes(),
        &[0, 0],
        &blocks.to_le_bytes(),
        &summary.generation.to_le_bytes(),
        &summary.users.to_le_bytes(),
        &summary.cards.to_le_bytes(),
    ];
    for field in fields {
        place.write_all(field).expect("the fields fit the header");
    }
    let (covered, sum) = header
        .split_last_chunk_mut::<4>()
        .expect("the header ends with a checksum");
    *sum = crc32fast::hash(covered).to_le_bytes();
    header
}

/// Replaces the file, durably: after an error or a power cut the old one or the new one is there.
pub(crate) fn write<'a>(
    disk: &dyn Disk,
    sealer: &Sealer,
    summary: Summary,
    users: impl Iterator<Item = &'a User>,
) -> Result<(), DirectoryError> {
    let (fresh, place) = (Path::new(FILE_NEW), Path::new(FILE));
    let failed = |error| DirectoryError::disk(place, error);
    disk.create_dir(Path::new(FOLDER)).map_err(failed)?;
    disk.remove(fresh).map_err(failed)?;
    let mut file = disk.create(fresh).map_err(failed)?;
    let written = write_blocks(&mut *file, sealer, summary, users);
    drop(file);
    if let Err(error) = written {
        // Best effort, for the room it takes; the next change removes it too.
        let _ = disk.remove(fresh);
        return Err(error);
    }
    disk.rename(fresh, place).map_err(failed)?;
    disk.sync_dir(Path::new(FOLDER)).map_err(failed)
}

fn write_blocks<'a>(
    file: &mut dyn DiskFile,
    sealer: &Sealer,
    summary: Summary,
    users: impl Iterator<Item = &'a User>,
) -> Result<(), DirectoryError> {
    let failed = |error| DirectoryError::disk(Path::new(FILE), error);
    let users_per_block = u32::try_from(BLOCK_USERS).expect("a small constant");
    let header = encode_header(summary, summary.users.div_ceil(users_per_block));
    file.write_all(&header).map_err(failed)?;
    let mut users = users.peekable();
    let mut index = 0;
    while users.peek().is_some() {
        let block: Vec<&User> = users.by_ref().take(BLOCK_USERS).collect();
        let mut plain = Vec::new();
        ciborium::into_writer(&block, &mut plain)
            .expect("users are plain data and memory takes all bytes");
        let sealed = sealer
            .seal(&context(&header, index), &plain)
            .map_err(DirectoryError::Seal)?;
        let length = u32::try_from(sealed.len()).expect("users keep their limits");
        file.write_all(&length.to_le_bytes()).map_err(failed)?;
        file.write_all(&sealed).map_err(failed)?;
        index += 1;
    }
    file.sync().map_err(failed)
}

/// Binds a block to its place in this very file: blocks of another generation don't open here.
fn context(header: &[u8; HEADER_BYTES], index: u32) -> Vec<u8> {
    [CONTEXT, header, &index.to_le_bytes()].concat()
}

/// The file, opened.
pub(crate) struct Snapshot<'a> {
    sealer: &'a Sealer,
    file: io::BufReader<Box<dyn DiskRead>>,
    header: [u8; HEADER_BYTES],
    blocks: u32,
    pub(crate) summary: Summary,
}

impl<'a> Snapshot<'a> {
    /// Opens the file; `None` when nothing was ever imported.
    pub(crate) fn open(
        disk: &dyn Disk,
        sealer: &'a Sealer,
    ) -> Result<Option<Self>, DirectoryError> {
        let file = match disk.open(Path::new(FILE)) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(DirectoryError::disk(Path::new(FILE), error)),
        };
        let mut file = io::BufReader::new(file);
        let mut header = [0; HEADER_BYTES];
        read_exact(&mut file, &mut header)?;
        let (summary, blocks) = parse_header(&header)?;
        Ok(Some(Self {
            sealer,
            file,
            header,
            blocks,
            summary,
        }))
    }

    /// Hands every block of users to `take`, in order of the file, until it returns false.
    pub(crate) fn for_each_block(
        mut self,
        mut take: impl FnMut(Vec<User>) -> bool,
    ) -> Result<(), DirectoryError> {
        for index in 0..self.blocks {
            if !take(self.block(index)?) {
                return Ok(());
            }
        }
        let mut behind = [0];
        match self.file.read(&mut behind) {
            Ok(0) => Ok(()),
            Ok(_) => Err(damaged("there are bytes behind its end")),
            Err(error) => Err(DirectoryError::disk(Path::new(FILE), error)),
        }
    }

    fn block(&mut self, index: u32) -> Result<Vec<User>, DirectoryError> {
        let mut length = [0; 4];
        read_exact(&mut self.file, &mut length)?;
        let length = u32::from_le_bytes(length);
        if length > BLOCK_BYTES_MAX {
            return Err(damaged("a block is beyond the limit"));
        }
        let mut sealed = vec![0; usize::try_from(length).unwrap_or_default()];
        read_exact(&mut self.file, &mut sealed)?;
        let plain = self
            .sealer
            .open(&context(&self.header, index), &sealed)
            .map_err(|source| DirectoryError::Sealed {
                path: PathBuf::from(FILE),
                source,
            })?;
        ciborium::from_reader(plain.as_slice()).map_err(|_| damaged("a block is not understood"))
    }
}

fn parse_header(header: &[u8; HEADER_BYTES]) -> Result<(Summary, u32), DirectoryError> {
    let mut rest = header.as_slice();
    if take::<8>(&mut rest)? != MAGIC {
        return Err(damaged("it does not begin as it must"));
    }
    let (covered, sum) = header
        .split_last_chunk::<4>()
        .expect("the header ends with a checksum");
    if crc32fast::hash(covered).to_le_bytes() != *sum {
        return Err(damaged("its header's checksum does not fit"));
    }
    let found = u16::from_le_bytes(take(&mut rest)?);
    if found != VERSION {
        let path = PathBuf::from(FILE);
        return Err(DirectoryError::Version { path, found });
    }
    take::<2>(&mut rest)?;
    let blocks = u32::from_le_bytes(take(&mut rest)?);
    let summary = Summary {
        generation: u64::from_le_bytes(take(&mut rest)?),
        users: u32::from_le_bytes(take(&mut rest)?),
        cards: u32::from_le_bytes(take(&mut rest)?),
    };
    if usize::try_from(summary.users).map_or(true, |users| users > USERS_MAX) {
        return Err(damaged("it names more users than there can be"));
    }
    Ok((summary, blocks))
}

fn take<const N: usize>(rest: &mut &[u8]) -> Result<[u8; N], DirectoryError> {
    let (field, after) = rest
        .split_first_chunk()
        .ok_or_else(|| damaged("its header is cut"))?;
    *rest = after;
    Ok(*field)
}

fn read_exact(file: &mut impl Read, bytes: &mut [u8]) -> Result<(), DirectoryError> {
    file.read_exact(bytes).map_err(|error| match error.kind() {
        io::ErrorKind::UnexpectedEof => damaged("it ends before its last byte"),
        _ => DirectoryError::disk(Path::new(FILE), error),
    })
}

fn damaged(what: &'static str) -> DirectoryError {
    DirectoryError::Damaged {
        path: PathBuf::from(FILE),
        what,
    }
}
