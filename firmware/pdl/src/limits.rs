// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What counting may cost. A document that reaches a limit is not an error: its count says so.

/// Bounds on the work and memory of one [`crate::count`]. Measured with the defaults: a process
/// that counts ordinary documents of any size stays under 5 MiB resident, one that counts files
/// made to cost memory reached 65 MiB; a sandbox around it should allow 160 MiB.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct CountLimits {
    /// Bytes read in one straight pass: a raster stream, or the search for objects in a damaged
    /// PDF. Such a pass is cheap for each byte. 8 GiB.
    pub scan_bytes: u64,
    /// Bytes tokenised or decompressed while a PDF's objects are read, each time they are. Enough
    /// for some 100,000 pages. 512 MiB.
    pub parse_bytes: u64,
    /// Pages; a document with more is counted up to here. 1,000,000.
    pub pages: u32,
    /// PDF object numbers from 0; higher ones are taken as missing. 2,000,000 (32 MiB of table).
    pub objects: u32,
    /// Bytes of one PDF object without its stream data. 8 MiB.
    pub object_bytes: usize,
    /// Names, numbers, strings, arrays in one PDF object. 250,000.
    pub object_items: usize,
    /// Arrays and dictionaries inside each other in one PDF object. 64.
    pub nesting: usize,
    /// Bytes of one PDF object or cross-reference stream, packed or unpacked. 16 MiB.
    pub stream_bytes: usize,
    /// Levels of a PDF page tree. 256.
    pub tree_depth: usize,
    /// Sections of a PDF cross-reference chain: one for each saved update. 4,096.
    pub xref_sections: usize,
}

impl Default for CountLimits {
    fn default() -> Self {
        Self {
            scan_bytes: 8 << 30,
            parse_bytes: 512 << 20,
            pages: 1_000_000,
            objects: 2_000_000,
            object_bytes: 8 << 20,
            object_items: 250_000,
            nesting: 64,
            stream_bytes: 16 << 20,
            tree_depth: 256,
            xref_sections: 4096,
        }
    }
}
