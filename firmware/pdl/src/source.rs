// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Reads a document by seeking, in blocks, with a budget: sealed bodies pay for each chunk they
//! open, so neighbouring reads must not open it again.

use std::collections::VecDeque;
use std::io::{self, Read, Seek, SeekFrom};

/// One block. The same as a sealed body's chunk is best; any size works.
const BLOCK_BYTES: usize = 64 * 1024;
/// Blocks kept; 1 MiB.
const KEPT_BLOCKS: usize = 16;

/// A document's bytes.
pub(crate) trait ReadSeek: Read + Seek {}
impl<T: Read + Seek> ReadSeek for T {}

/// Why a document's bytes could not be had.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SourceError {
    /// The reader failed.
    #[error("the document could not be read")]
    Read(#[from] io::Error),
    /// The budget for the whole count is used up.
    #[error("the document needs more work than the limit allows")]
    Budget,
}

/// A document with a small cache of its blocks.
pub(crate) struct Source<'a> {
    reader: &'a mut dyn ReadSeek,
    length: u64,
    blocks: VecDeque<(u64, Vec<u8>)>,
    /// Bytes that straight passes may still read.
    scan_budget: u64,
    /// Bytes that parsing may still look at.
    parse_budget: u64,
}

impl<'a> Source<'a> {
    /// Finds the length; reads nothing yet.
    pub(crate) fn open(
        reader: &'a mut dyn ReadSeek,
        scan_budget: u64,
        parse_budget: u64,
    ) -> Result<Self, SourceError> {
        let length = reader.seek(SeekFrom::End(0))?;
        Ok(Self {
            reader,
            length,
            blocks: VecDeque::new(),
            scan_budget,
            parse_budget,
        })
    }

    /// Bytes in the document.
    pub(crate) fn length(&self) -> u64 {
        self.length
    }

    /// Takes `bytes` from the parse budget.
    pub(crate) fn spend(&mut self, bytes: usize) -> Result<(), SourceError> {
        let left = self.parse_budget.checked_sub(bytes as u64);
        self.parse_budget = left.ok_or(SourceError::Budget)?;
        Ok(())
    }

    /// Up to `length` bytes from `offset`, fewer only at the end. Spends parse budget.
    pub(crate) fn read_at(&mut self, offset: u64, length: usize) -> Result<Vec<u8>, SourceError> {
        let available = usize::try_from(self.length.saturating_sub(offset)).unwrap_or(usize::MAX);
        let length = length.min(available);
        self.spend(length)?;
        let mut bytes = Vec::with_capacity(length);
        while bytes.len() < length {
            let block = self.block(offset.saturating_add(bytes.len() as u64))?;
            if block.is_empty() {
                break; // shorter than it said
            }
            let wanted = length.saturating_sub(bytes.len()).min(block.len());
            bytes.extend_from_slice(block.get(..wanted).unwrap_or_default());
        }
        Ok(bytes)
    }

    /// The rest of the cached block from `offset` on; empty at the end of the document.
    fn block(&mut self, offset: u64) -> Result<&[u8], SourceError> {
        let start = offset - offset % BLOCK_BYTES as u64;
        if !self.blocks.iter().any(|(at, _)| *at == start) {
            let bytes = self.load(start)?;
            self.blocks.truncate(KEPT_BLOCKS - 1);
            self.blocks.push_front((start, bytes));
        } else if let Some(index) = self.blocks.iter().position(|(at, _)| *at == start)
            && let Some(block) = self.blocks.remove(index)
        {
            self.blocks.push_front(block);
        }
        let inside = usize::try_from(offset - start).unwrap_or(usize::MAX);
        let block = self.blocks.front().map(|(_, bytes)| bytes.as_slice());
        Ok(block
            .and_then(|bytes| bytes.get(inside..))
            .unwrap_or_default())
    }

    /// Reads one block from the reader, past the cache.
    fn load(&mut self, start: u64) -> Result<Vec<u8>, SourceError> {
        if start >= self.length {
            return Ok(Vec::new());
        }
        self.reader.seek(SeekFrom::Start(start))?;
        let mut bytes = Vec::with_capacity(BLOCK_BYTES);
        (&mut *self.reader)
            .take(BLOCK_BYTES as u64)
            .read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    /// A straight pass from `offset`. Spends scan budget.
    pub(crate) fn forward(&mut self, offset: u64) -> Forward<'_, 'a> {
        Forward {
            source: self,
            block: Vec::new(),
            inside: 0,
            next: offset,
        }
    }
}

/// A straight pass over a document.
pub(crate) struct Forward<'s, 'a> {
    source: &'s mut Source<'a>,
    block: Vec<u8>,
    inside: usize,
    /// Where the block after this one begins.
    next: u64,
}

impl Forward<'_, '_> {
    /// Offset of the next byte.
    pub(crate) fn offset(&self) -> u64 {
        self.next - (self.block.len() - self.inside) as u64
    }

    /// The next byte; `None` at the end.
    pub(crate) fn byte(&mut self) -> Result<Option<u8>, SourceError> {
        if self.inside >= self.block.len() && !self.refill()? {
            return Ok(None);
        }
        let byte = self.block.get(self.inside).copied();
        self.inside += 1;
        Ok(byte)
    }

    /// The rest of the current block, read if it was used up, taken; empty at the end.
    pub(crate) fn rest(&mut self) -> Result<Vec<u8>, SourceError> {
        if self.inside >= self.block.len() && !self.refill()? {
            return Ok(Vec::new());
        }
        let rest = self.block.split_off(self.inside);
        self.block.clear();
        self.inside = 0;
        Ok(rest)
    }

    /// Exactly `N` bytes; `None` when the document ends before.
    pub(crate) fn array<const N: usize>(&mut self) -> Result<Option<[u8; N]>, SourceError> {
        let mut bytes = [0; N];
        for byte in &mut bytes {
            match self.byte()? {
                Some(value) => *byte = value,
                None => return Ok(None),
            }
        }
        Ok(Some(bytes))
    }

    /// Goes over `bytes`; false when the document ends before.
    pub(crate) fn skip(&mut self, bytes: u64) -> Result<bool, SourceError> {
        let left = (self.block.len() - self.inside) as u64;
        if bytes <= left {
            self.inside += usize::try_from(bytes).unwrap_or(0);
            return Ok(true);
        }
        let target = self.offset().saturating_add(bytes);
        self.block.clear();
        self.inside = 0;
        self.next = target.min(self.source.length);
        Ok(target <= self.source.length)
    }

    fn refill(&mut self) -> Result<bool, SourceError> {
        // A later block begins where this one ended, or where a skip led: align from there on.
        let start = self.next - self.next % BLOCK_BYTES as u64;
        self.block = self.source.load(start)?;
        let left = self.source.scan_budget.checked_sub(self.block.len() as u64);
        self.source.scan_budget = left.ok_or(SourceError::Budget)?;
        self.inside = usize::try_from(self.next - start).unwrap_or(usize::MAX);
        if self.inside >= self.block.len() {
            self.block.clear();
            self.inside = 0;
            return Ok(false);
        }
        self.next = start + self.block.len() as u64;
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    fn bytes() -> Vec<u8> {
        (0..200_000_u32).map(|n| (n % 251) as u8).collect()
    }

    #[test]
    fn reads_across_blocks_are_whole_and_end_at_the_end() {
        let data = bytes();
        let mut cursor = Cursor::new(data.clone());
        let mut source = Source::open(&mut cursor, 1 << 20, 1 << 20).unwrap();
        assert_eq!(source.read_at(65_530, 20).unwrap(), data[65_530..65_550]);
        assert_eq!(source.read_at(199_990, 50).unwrap(), data[199_990..]);
        assert!(source.read_at(u64::MAX, 5).unwrap().is_empty());
    }

    #[test]
    fn a_straight_pass_skips_and_ends() {
        let data = bytes();
        let mut cursor = Cursor::new(data.clone());
        let mut source = Source::open(&mut cursor, 1 << 20, 0).unwrap();
        let mut forward = source.forward(10);
        assert_eq!(forward.byte().unwrap(), Some(data[10]));
        assert!(forward.skip(100_000).unwrap());
        assert_eq!(forward.offset(), 100_011);
        assert_eq!(forward.byte().unwrap(), Some(data[100_011]));
        assert!(!forward.skip(u64::MAX).unwrap());
        assert_eq!(forward.byte().unwrap(), None);
    }

    #[test]
    fn a_used_up_budget_is_said() {
        let mut cursor = Cursor::new(bytes());
        let mut source = Source::open(&mut cursor, 70_000, 100).unwrap();
        assert!(matches!(source.read_at(0, 101), Err(SourceError::Budget)));
        let mut forward = source.forward(0);
        assert_eq!(forward.rest().unwrap().len(), 65_536);
        assert!(matches!(forward.byte(), Err(SourceError::Budget)));
    }
}
