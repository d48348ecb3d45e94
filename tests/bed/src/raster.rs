// SPDX-License-Identifier: Apache-2.0 OR MIT
//! PWG raster (PWG 5102.4) and URF, both ways: the virtual printer reads them, the sample
//! documents are written with them. Enough of both for `black_1`, `sgray_8` and `srgb_8`; not the
//! firmware's own reader, so that one can be checked against the other.

use std::io::{self, Read, Write};

use thiserror::Error;

const PWG_SYNC: &[u8; 4] = b"RaS2";
const PWG_HEADER: usize = 1796; // PWG 5102.4 §4.3: page header
const URF_SYNC: &[u8; 8] = b"UNIRAST\0";
const URF_HEADER: usize = 32;

/// Largest side of a page, pixels (A3 at 1200 dpi is 19 843).
const SIDE_LIMIT: u32 = 20_000;
/// Largest page in memory, bytes (A4 in colour at 600 dpi is 104 MB).
const PAGE_LIMIT: usize = 160 << 20;
/// Most pages of one document.
const PAGES_LIMIT: u32 = 10_000;

// PWG 5102.4 table 5, cupsColorSpace.
const PWG_BLACK: u32 = 3;
const PWG_SGRAY: u32 = 18;
const PWG_SRGB: u32 = 19;

/// Why a raster document cannot be read.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum RasterError {
    /// It ends in the middle, or the file fails.
    #[error("raster ends early")]
    Io(#[from] io::Error),
    /// The first bytes are not the format's.
    #[error("not a raster document")]
    Sync,
    /// A colour space or depth beyond `black_1`, `sgray_8` and `srgb_8`.
    #[error("colour space {space} with {bits} bits per pixel is not supported")]
    Pixel {
        /// The header's number.
        space: u32,
        /// Bits per pixel.
        bits: u32,
    },
    /// A page larger than this program takes.
    #[error("page of {width}×{height} pixels is beyond the limits")]
    Size {
        /// Pixels across.
        width: u32,
        /// Lines.
        height: u32,
    },
    /// A run or repeat leads beyond the line or page.
    #[error("compressed data leads beyond line {line}")]
    Overrun {
        /// Line from 0.
        line: u32,
    },
    /// More pages than this program takes.
    #[error("more than {PAGES_LIMIT} pages")]
    Pages,
}

/// One page, 8 bits a channel, 255 is white.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Page {
    /// Pixels across.
    pub width: u32,
    /// Lines.
    pub height: u32,
    /// 1 (grey) or 3 (RGB).
    pub channels: u8,
    /// `width × height × channels` bytes.
    pub pixels: Vec<u8>,
}

/// How pixels are laid out in the stream.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Pixel {
    Black1,
    Gray8,
    Rgb8,
}

struct Geometry {
    width: u32,
    height: u32,
    pixel: Pixel,
}

/// Reads a raster document page by page. Memory: one page.
#[derive(Debug)]
pub struct Pages<R> {
    reader: R,
    pwg: bool,
    page: u32,
}

impl<R: Read> Pages<R> {
    /// A PWG raster document.
    ///
    /// # Errors
    /// [`RasterError::Sync`] if it is none.
    pub fn pwg(mut reader: R) -> Result<Self, RasterError> {
        let mut sync = [0; 4];
        reader.read_exact(&mut sync)?;
        Self::synced(reader, &sync == PWG_SYNC, true)
    }

    /// A URF document. Its page count is not believed.
    ///
    /// # Errors
    /// [`RasterError::Sync`] if it is none.
    pub fn urf(mut reader: R) -> Result<Self, RasterError> {
        let mut sync = [0; 12];
        reader.read_exact(&mut sync)?;
        Self::synced(reader, sync.starts_with(URF_SYNC), false)
    }

    fn synced(reader: R, found: bool, pwg: bool) -> Result<Self, RasterError> {
        let pages = Self {
            reader,
            pwg,
            page: 0,
        };
        found.then_some(pages).ok_or(RasterError::Sync)
    }

    /// The next page; `None` after the last.
    ///
    /// # Errors
    /// What is wrong with the page; nothing after it can be read.
    pub fn next_page(&mut self) -> Result<Option<Page>, RasterError> {
        let mut header = vec![0; if self.pwg { PWG_HEADER } else { URF_HEADER }];
        if !read_or_end(&mut self.reader, &mut header)? {
            return Ok(None);
        }
        self.page += 1;
        if self.page > PAGES_LIMIT {
            return Err(RasterError::Pages);
        }
        let geometry = if self.pwg {
            pwg_geometry(&header)?
        } else {
            urf_geometry(&header)?
        };
        decode_page(&mut self.reader, &geometry).map(Some)
    }
}

/// Fills `buffer`, or tells that the stream ended before its first byte.
fn read_or_end(reader: &mut impl Read, buffer: &mut [u8]) -> io::Result<bool> {
    let mut first = [0];
    if reader.read(&mut first)? == 0 {
        return Ok(false);
    }
    if let Some((place, rest)) = buffer.split_first_mut() {
        *place = first[0];
        reader.read_exact(rest)?;
    }
    Ok(true)
}

fn be32(bytes: &[u8], at: usize) -> u32 {
    let mut word = [0; 4];
    if let Some(found) = bytes.get(at..at + 4) {
        word.copy_from_slice(found);
    }
    u32::from_be_bytes(word)
}

fn pwg_geometry(header: &[u8]) -> Result<Geometry, RasterError> {
    let (bits, space) = (be32(header, 388), be32(header, 400));
    let pixel = match (space, bits) {
        (PWG_BLACK, 1) => Pixel::Black1,
        (PWG_SGRAY, 8) => Pixel::Gray8,
        (PWG_SRGB, 24) => Pixel::Rgb8,
        _ => return Err(RasterError::Pixel { space, bits }),
    };
    sized(be32(header, 372), be32(header, 376), pixel)
}

fn urf_geometry(header: &[u8]) -> Result<Geometry, RasterError> {
    let byte = |at: usize| u32::from(header.get(at).copied().unwrap_or(0));
    let (bits, space) = (byte(0), byte(1));
    // 0 is W8 (sgray), 1 SRGB24, 4 and 5 the same in device colours.
    let pixel = match (space, bits) {
        (0 | 4, 8) => Pixel::Gray8,
        (1 | 5, 24) => Pixel::Rgb8,
        _ => return Err(RasterError::Pixel { space, bits }),
    };
    sized(be32(header, 12), be32(header, 16), pixel)
}

fn sized(width: u32, height: u32, pixel: Pixel) -> Result<Geometry, RasterError> {
    let geometry = Geometry {
        width,
        height,
        pixel,
    };
    let sides = 1..=SIDE_LIMIT;
    if sides.contains(&width) && sides.contains(&height) && geometry.octets() <= PAGE_LIMIT {
        Ok(geometry)
    } else {
        Err(RasterError::Size { width, height })
    }
}

impl Geometry {
    fn channels(&self) -> u8 {
        if self.pixel == Pixel::Rgb8 { 3 } else { 1 }
    }

    fn octets(&self) -> usize {
        usize::from(self.channels()) * self.width as usize * self.height as usize
    }

    /// Bytes of one line in the stream, and of the unit that runs count in.
    fn line(&self) -> (usize, usize) {
        let width = self.width as usize;
        match self.pixel {
            Pixel::Black1 => (width.div_ceil(8), 1),
            Pixel::Gray8 => (width, 1),
            Pixel::Rgb8 => (width * 3, 3),
        }
    }
}

fn read_byte(reader: &mut impl Read) -> io::Result<u8> {
    let mut byte = [0];
    reader.read_exact(&mut byte)?;
    Ok(byte[0])
}

fn decode_page(reader: &mut impl Read, geometry: &Geometry) -> Result<Page, RasterError> {
    let mut pixels = Vec::with_capacity(geometry.octets());
    let mut at = 0;
    while at < geometry.height {
        let repeat = u32::from(read_byte(reader)?) + 1;
        if repeat > geometry.height - at {
            return Err(RasterError::Overrun { line: at });
        }
        let line = decode_line(reader, geometry, at)?;
        let line = expand(line, geometry);
        (0..repeat).for_each(|_| pixels.extend_from_slice(&line));
        at += repeat;
    }
    Ok(Page {
        width: geometry.width,
        height: geometry.height,
        channels: geometry.channels(),
        pixels,
    })
}

/// One line: 0–127 repeats the next unit n + 1 times, 129–255 copies 257 − n units, 128 leaves
/// the rest of the line white.
fn decode_line(
    reader: &mut impl Read,
    geometry: &Geometry,
    at: u32,
) -> Result<Vec<u8>, RasterError> {
    let (length, unit) = geometry.line();
    let white = if geometry.pixel == Pixel::Black1 {
        0
    } else {
        255
    };
    let mut line = Vec::with_capacity(length);
    while line.len() < length {
        let code = usize::from(read_byte(reader)?);
        let (times, copied) = match code {
            128 => {
                line.resize(length, white);
                break;
            }
            0..=127 => (code + 1, unit),
            _ => (1, (257 - code) * unit),
        };
        if line.len() + times * copied > length {
            return Err(RasterError::Overrun { line: at });
        }
        let mut units = vec![0; copied];
        reader.read_exact(&mut units)?;
        (0..times).for_each(|_| line.extend_from_slice(&units));
    }
    Ok(line)
}

/// Bits to bytes; a set bit is black.
fn expand(line: Vec<u8>, geometry: &Geometry) -> Vec<u8> {
    if geometry.pixel != Pixel::Black1 {
        return line;
    }
    line.iter()
        .flat_map(|byte| (0..8).map(move |bit| if byte & (0x80 >> bit) == 0 { 255 } else { 0 }))
        .take(geometry.width as usize)
        .collect()
}

/// Writes pages (all of one kind) as PWG raster at `resolution_dpi`.
///
/// # Errors
/// The writer's own.
pub fn write_pwg(out: &mut impl Write, pages: &[Page], resolution_dpi: u32) -> io::Result<()> {
    out.write_all(PWG_SYNC)?;
    for page in pages {
        out.write_all(&pwg_header(page, resolution_dpi, pages.len()))?;
        encode_page(out, page)?;
    }
    Ok(())
}

/// Writes pages (all of one kind) as URF at `resolution_dpi`.
///
/// # Errors
/// The writer's own.
pub fn write_urf(out: &mut impl Write, pages: &[Page], resolution_dpi: u32) -> io::Result<()> {
    out.write_all(URF_SYNC)?;
    out.write_all(&u32::try_from(pages.len()).unwrap_or(u32::MAX).to_be_bytes())?;
    for page in pages {
        let mut header = [0; URF_HEADER];
        header[0] = page.channels * 8;
        header[1] = u8::from(page.channels == 3);
        header[2] = 1; // one-sided
        header[3] = 4; // normal quality
        header[12..16].copy_from_slice(&page.width.to_be_bytes());
        header[16..20].copy_from_slice(&page.height.to_be_bytes());
        header[20..24].copy_from_slice(&resolution_dpi.to_be_bytes());
        out.write_all(&header)?;
        encode_page(out, page)?;
    }
    Ok(())
}

/// A PWG page header (PWG 5102.4 §4.3): what a reader needs, the rest zero.
fn pwg_header(page: &Page, resolution_dpi: u32, pages: usize) -> Vec<u8> {
    let mut header = vec![0; PWG_HEADER];
    header[..9].copy_from_slice(b"PwgRaster");
    let channels = u32::from(page.channels);
    let points = |pixels: u32| pixels * 72 / resolution_dpi.max(1);
    let space = if channels == 3 { PWG_SRGB } else { PWG_SGRAY };
    let words = [
        (276, resolution_dpi),
        (280, resolution_dpi),
        (340, 1), // NumCopies
        (352, points(page.width)),
        (356, points(page.height)),
        (372, page.width),
        (376, page.height),
        (384, 8),
        (388, 8 * channels),
        (392, page.width * channels),
        (400, space),
        (420, channels),
        (452, u32::try_from(pages).unwrap_or(0)), // TotalPageCount
        (456, 1),
        (460, 1),
        (484, 4), // PrintQuality: normal
    ];
    for (at, word) in words {
        header[at..at + 4].copy_from_slice(&word.to_be_bytes());
    }
    let name: &[u8] = b"iso_a4_210x297mm";
    header[1732..1732 + name.len()].copy_from_slice(name);
    header
}

fn encode_page(out: &mut impl Write, page: &Page) -> io::Result<()> {
    let unit = usize::from(page.channels.max(1));
    let length = unit * page.width as usize;
    let mut lines = page.pixels.chunks_exact(length.max(1)).peekable();
    while let Some(line) = lines.next() {
        let mut repeat = 0;
        while repeat < 255 && lines.next_if_eq(&line).is_some() {
            repeat += 1;
        }
        out.write_all(&[repeat])?;
        encode_line(out, line, unit)?;
    }
    Ok(())
}

fn encode_line(out: &mut impl Write, line: &[u8], unit: usize) -> io::Result<()> {
    let units: Vec<_> = line.chunks_exact(unit).collect();
    let mut rest = units.as_slice();
    while let Some((first, _)) = rest.split_first() {
        let run = rest
            .iter()
            .take(128)
            .take_while(|next| *next == first)
            .count();
        if run > 1 {
            out.write_all(&[u8::try_from(run - 1).unwrap_or(127)])?;
            out.write_all(first)?;
            rest = &rest[run..];
            continue;
        }
        let until = rest
            .windows(2)
            .take(127)
            .position(|pair| pair[0] == pair[1]);
        let copied = until.unwrap_or(rest.len().min(128)).max(1);
        if copied == 1 {
            out.write_all(&[0])?;
        } else {
            out.write_all(&[u8::try_from(257 - copied).unwrap_or(255)])?;
        }
        rest[..copied]
            .iter()
            .try_for_each(|one| out.write_all(one))?;
        rest = &rest[copied..];
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picture(width: u32, height: u32, channels: u8) -> Page {
        let line = |y: u32| {
            (0..width * u32::from(channels)).map(move |x| match (x / 40 + y / 3) % 3 {
                0 => 255,
                1 => u8::try_from((x * 7 + y) % 256).unwrap_or(0),
                _ => 17,
            })
        };
        Page {
            width,
            height,
            channels,
            pixels: (0..height).flat_map(line).collect(),
        }
    }

    #[test]
    fn what_is_written_is_read_back_in_both_formats() {
        for channels in [1, 3] {
            let pages = [picture(333, 50, channels), picture(200, 7, channels)];
            let mut pwg = Vec::new();
            write_pwg(&mut pwg, &pages, 150).unwrap();
            let mut reader = Pages::pwg(pwg.as_slice()).unwrap();
            let mut urf = Vec::new();
            write_urf(&mut urf, &pages, 150).unwrap();
            let mut other = Pages::urf(urf.as_slice()).unwrap();
            for page in &pages {
                assert_eq!(reader.next_page().unwrap().as_ref(), Some(page));
                assert_eq!(other.next_page().unwrap().as_ref(), Some(page));
            }
            assert!(reader.next_page().unwrap().is_none() && other.next_page().unwrap().is_none());
        }
    }

    #[test]
    fn a_page_larger_than_the_limit_is_refused_before_memory_is_taken() {
        let mut urf = Vec::new();
        write_urf(&mut urf, &[picture(8, 1, 1)], 150).unwrap();
        urf[12 + 12..12 + 16].copy_from_slice(&u32::MAX.to_be_bytes());
        let refused = Pages::urf(urf.as_slice()).unwrap().next_page();
        assert!(matches!(refused, Err(RasterError::Size { .. })));
    }

    #[test]
    fn a_repeat_beyond_the_page_is_refused() {
        let mut urf = Vec::new();
        write_urf(&mut urf, &[picture(8, 2, 1)], 150).unwrap();
        urf[12 + URF_HEADER] = 200;
        let refused = Pages::urf(urf.as_slice()).unwrap().next_page();
        assert!(matches!(refused, Err(RasterError::Overrun { line: 0 })));
    }
}
