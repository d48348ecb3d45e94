// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Where each object of a PDF is.

/// Where one object is.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) enum Entry {
    /// No section names it.
    #[default]
    Missing,
    /// Deleted.
    Free,
    /// At an offset, from the PDF's own beginning.
    InFile(u64),
    /// Packed into an object stream.
    InStream { container: u32, index: u32 },
}

/// The cross-reference table of all sections together.
#[derive(Debug)]
pub(super) struct Table {
    entries: Vec<Entry>,
    /// Numbers from here on are not kept.
    limit: u32,
}

impl Table {
    pub(super) fn new(limit: u32) -> Self {
        Self {
            entries: Vec::new(),
            limit,
        }
    }

    pub(super) fn get(&self, number: u32) -> Entry {
        let index = usize::try_from(number).unwrap_or(usize::MAX);
        self.entries.get(index).copied().unwrap_or_default()
    }

    /// Sets an entry, whatever was there.
    pub(super) fn set(&mut self, number: u32, entry: Entry) {
        if number >= self.limit {
            return;
        }
        let index = usize::try_from(number).unwrap_or(usize::MAX);
        if self.entries.len() <= index {
            self.entries.resize(index.saturating_add(1), Entry::Missing);
        }
        if let Some(place) = self.entries.get_mut(index) {
            *place = entry;
        }
    }

    /// Sets an entry that no newer section has.
    pub(super) fn set_older(&mut self, number: u32, entry: Entry) {
        if self.get(number) == Entry::Missing {
            self.set(number, entry);
        }
    }

    /// The numbers of all objects that exist, neighbours in the file together.
    pub(super) fn numbers_in_file_order(&self) -> Vec<u32> {
        let mut placed: Vec<((u64, u32), u32)> = (0_u32..)
            .zip(&self.entries)
            .filter_map(|(number, entry)| match *entry {
                Entry::InFile(offset) => Some(((offset, 0), number)),
                Entry::InStream { container, index } => match self.get(container) {
                    Entry::InFile(offset) => Some(((offset, index), number)),
                    _ => None,
                },
                Entry::Missing | Entry::Free => None,
            })
            .collect();
        placed.sort_unstable();
        placed.into_iter().map(|(_, number)| number).collect()
    }
}
