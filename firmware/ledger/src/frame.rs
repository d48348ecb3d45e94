// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Bytes of a segment's header and of a record's head (`docs/formats/ledger.md`). No I/O, no keys.
//! Integers are little-endian.

use std::fmt;

use ring::digest;

/// Version of the format this program writes.
pub(crate) const VERSION: u16 = 3;
/// Bytes of a segment's header before its checkpoint.
pub(crate) const HEADER_BYTES: usize = 64;
/// Bytes of a record before its payload.
pub(crate) const HEAD_BYTES: usize = 92;
/// Largest sealed payload of a record: entries are a few hundred bytes, names have limits.
pub(crate) const PAYLOAD_BYTES_MAX: usize = 64 * 1024;
/// Largest sealed checkpoint: the limits of the books fit with room to spare.
pub(crate) const CHECKPOINT_BYTES_MAX: usize = 4 * 1024 * 1024;
/// First bytes of a record: what a reader looks for behind damage.
pub(crate) const MARKER: [u8; 4] = *b"PLR1";

const MAGIC: [u8; 8] = *b"PLATENLJ";
const HASH_DOMAIN: &[u8] = b"platen ledger record 1\0";

/// SHA-256 over everything up to and with one record.
#[derive(Clone, Copy, Eq, Hash, PartialEq)]
pub struct ChainHash(pub [u8; 32]);

impl ChainHash {
    /// What stands before the first record.
    pub const GENESIS: Self = Self([0; 32]);
}

impl fmt::Display for ChainHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for ChainHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The last record of a chain: where the next one goes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Tip {
    pub(crate) sequence: u64,
    pub(crate) hash: ChainHash,
}

impl Tip {
    pub(crate) const GENESIS: Self = Self {
        sequence: 0,
        hash: ChainHash::GENESIS,
    };

    pub(crate) fn next(self) -> u64 {
        self.sequence.saturating_add(1)
    }
}

/// What is wrong with bytes that should be a header or a record.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum FrameFault {
    Cut,
    Marker,
    Checksum,
    Length,
    Hash,
    Sealed,
    Content,
    Name,
    Chain,
}

impl FrameFault {
    pub(crate) fn sentence(self) -> &'static str {
        match self {
            Self::Cut => "ends before its last byte",
            Self::Marker => "does not begin as it must",
            Self::Checksum => "its checksum does not fit",
            Self::Length => "its length is beyond the limit",
            Self::Hash => "its hash does not fit its bytes",
            Self::Sealed => "does not open with this box's key in this place",
            Self::Content => "holds what this program can't read",
            Self::Chain => "does not follow the record before it",
            Self::Name => "does not belong to the file's name",
        }
    }
}

/// Header of a segment.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Header {
    pub(crate) version: u16,
    pub(crate) first: u64,
    pub(crate) before: ChainHash,
    pub(crate) checkpoint_bytes: u32,
    /// CRC-32 of the sealed checkpoint: tells a damaged one from another box's.
    pub(crate) checkpoint_sum: u32,
}

impl Header {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(HEADER_BYTES);
        bytes.extend_from_slice(&MAGIC);
        bytes.extend_from_slice(&self.version.to_le_bytes());
        bytes.extend_from_slice(&[0, 0]);
        bytes.extend_from_slice(&self.checkpoint_bytes.to_le_bytes());
        bytes.extend_from_slice(&self.checkpoint_sum.to_le_bytes());
        bytes.extend_from_slice(&self.first.to_le_bytes());
        bytes.extend_from_slice(&self.before.0);
        let sum = crc32fast::hash(&bytes);
        bytes.extend_from_slice(&sum.to_le_bytes());
        bytes
    }

    pub(crate) fn parse(bytes: &[u8; HEADER_BYTES]) -> Result<Self, FrameFault> {
        let mut fields = Fields(checked(bytes)?);
        if fields.take::<8>()? != MAGIC {
            return Err(FrameFault::Marker);
        }
        let version = u16::from_le_bytes(fields.take()?);
        fields.take::<2>()?;
        let checkpoint_bytes = u32::from_le_bytes(fields.take()?);
        let checkpoint_sum = u32::from_le_bytes(fields.take()?);
        if usize::try_from(checkpoint_bytes).map_or(true, |n| n > CHECKPOINT_BYTES_MAX) {
            return Err(FrameFault::Length);
        }
        Ok(Self {
            version,
            checkpoint_bytes,
            checkpoint_sum,
            first: u64::from_le_bytes(fields.take()?),
            before: ChainHash(fields.take()?),
        })
    }

    /// What the sealed checkpoint is bound to: it opens in this place of this chain only.
    pub(crate) fn context(first: u64, before: ChainHash) -> Vec<u8> {
        place(b"platen ledger checkpoint 1\0", first, before)
    }
}

/// Head of a record.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Head {
    pub(crate) payload_bytes: u32,
    pub(crate) sequence: u64,
    /// The last sequence number that was known to be on the disk when this was written. It tells a
    /// torn tail (never acknowledged) from damage (acknowledged, then changed).
    pub(crate) durable: u64,
    pub(crate) previous: ChainHash,
    pub(crate) hash: ChainHash,
}

impl Head {
    /// The head of a record with this payload. `payload` keeps the limit.
    pub(crate) fn of(tip: Tip, durable: u64, payload: &[u8]) -> Self {
        let mut head = Self {
            payload_bytes: u32::try_from(payload.len()).expect("payloads keep their limit"),
            sequence: tip.next(),
            durable,
            previous: tip.hash,
            hash: ChainHash::GENESIS,
        };
        head.hash = head.hash_with(payload);
        head
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut bytes = self.hashed_fields();
        bytes.extend_from_slice(&self.hash.0);
        let sum = crc32fast::hash(&bytes);
        bytes.extend_from_slice(&sum.to_le_bytes());
        bytes
    }

    pub(crate) fn parse(bytes: &[u8; HEAD_BYTES]) -> Result<Self, FrameFault> {
        if !bytes.starts_with(&MARKER) {
            return Err(FrameFault::Marker);
        }
        let mut fields = Fields(checked(bytes)?);
        fields.take::<4>()?;
        let head = Self {
            payload_bytes: u32::from_le_bytes(fields.take()?),
            sequence: u64::from_le_bytes(fields.take()?),
            durable: u64::from_le_bytes(fields.take()?),
            previous: ChainHash(fields.take()?),
            hash: ChainHash(fields.take()?),
        };
        match usize::try_from(head.payload_bytes) {
            Ok(length) if length <= PAYLOAD_BYTES_MAX => Ok(head),
            _ => Err(FrameFault::Length),
        }
    }

    pub(crate) fn hash_with(&self, payload: &[u8]) -> ChainHash {
        let mut context = digest::Context::new(&digest::SHA256);
        context.update(HASH_DOMAIN);
        context.update(&self.hashed_fields());
        context.update(payload);
        let digest = context.finish();
        ChainHash(*digest.as_ref().first_chunk().expect("SHA-256 has 32 bytes"))
    }

    /// What the sealed payload is bound to: it opens in this place of this chain only.
    pub(crate) fn context(sequence: u64, previous: ChainHash) -> Vec<u8> {
        place(b"platen ledger entry 1\0", sequence, previous)
    }

    pub(crate) fn tip(&self) -> Tip {
        Tip {
            sequence: self.sequence,
            hash: self.hash,
        }
    }

    fn hashed_fields(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(HEAD_BYTES);
        bytes.extend_from_slice(&MARKER);
        bytes.extend_from_slice(&self.payload_bytes.to_le_bytes());
        bytes.extend_from_slice(&self.sequence.to_le_bytes());
        bytes.extend_from_slice(&self.durable.to_le_bytes());
        bytes.extend_from_slice(&self.previous.0);
        bytes
    }
}

fn place(label: &[u8], sequence: u64, hash: ChainHash) -> Vec<u8> {
    [label, &sequence.to_le_bytes(), &hash.0].concat()
}

/// The bytes before a CRC-32 that ends them.
fn checked(bytes: &[u8]) -> Result<&[u8], FrameFault> {
    let (covered, sum) = bytes.split_last_chunk::<4>().ok_or(FrameFault::Cut)?;
    (crc32fast::hash(covered).to_le_bytes() == *sum)
        .then_some(covered)
        .ok_or(FrameFault::Checksum)
}

struct Fields<'a>(&'a [u8]);

impl Fields<'_> {
    fn take<const N: usize>(&mut self) -> Result<[u8; N], FrameFault> {
        let (field, rest) = self.0.split_first_chunk().ok_or(FrameFault::Cut)?;
        self.0 = rest;
        Ok(*field)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_and_headers_keep_their_documented_size_and_come_back() {
        let head = Head::of(Tip::GENESIS, 0, b"payload");
        let bytes: [u8; HEAD_BYTES] = head.encode().try_into().unwrap();
        assert_eq!(Head::parse(&bytes), Ok(head));
        let header = Header {
            version: VERSION,
            first: 9,
            before: head.hash,
            checkpoint_bytes: 5,
            checkpoint_sum: 6,
        };
        let bytes: [u8; HEADER_BYTES] = header.encode().try_into().unwrap();
        assert_eq!(Header::parse(&bytes), Ok(header));
    }

    #[test]
    fn a_length_beyond_the_limit_is_refused_before_anything_is_read() {
        let mut head = Head::of(Tip::GENESIS, 0, b"");
        head.payload_bytes = u32::MAX;
        let bytes: [u8; HEAD_BYTES] = head.encode().try_into().unwrap();
        assert_eq!(Head::parse(&bytes), Err(FrameFault::Length));
    }
}
