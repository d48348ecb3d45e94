// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Sample documents, made here so that no file of unknown origin lies in the tree: PDF text in
//! the standard fonts, large PDF that does not compress, PostScript, JPEG, PWG raster and URF.
//! Everything is the same on every run.

use std::fmt::Write as _;
use std::io::Cursor;

use image::codecs::jpeg::JpegEncoder;
use image::{ExtendedColorType, ImageEncoder};

use crate::raster::{self, Page};

/// Page size in points.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Paper {
    /// 595 × 842
    A4,
    /// 612 × 792
    Letter,
}

impl Paper {
    fn points(self) -> (u32, u32) {
        match self {
            Self::A4 => (595, 842),
            Self::Letter => (612, 792),
        }
    }
}

/// Numbers that look random and do not compress, the same on every run (xorshift64*).
#[derive(Clone, Debug)]
pub struct Noise(u64);

impl Noise {
    /// A sequence of its own for every seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// The next number.
    pub fn number(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// So many bytes.
    pub fn bytes(&mut self, count: usize) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(count + 8);
        while bytes.len() < count {
            bytes.extend_from_slice(&self.number().to_le_bytes());
        }
        bytes.truncate(count);
        bytes
    }
}

/// Collects PDF objects (ISO 32000-1 §7.3.10) and closes with a classic cross-reference table.
struct PdfWriter {
    bytes: Vec<u8>,
    offsets: Vec<usize>,
}

impl PdfWriter {
    fn new() -> Self {
        Self {
            bytes: b"%PDF-1.4\n%\xe2\xe3\xcf\xd3\n".to_vec(),
            offsets: Vec::new(),
        }
    }

    /// Adds object 1, 2, 3 …
    fn object(&mut self, content: &[u8]) {
        self.offsets.push(self.bytes.len());
        let head = format!("{} 0 obj\n", self.offsets.len());
        self.bytes.extend_from_slice(head.as_bytes());
        self.bytes.extend_from_slice(content);
        self.bytes.extend_from_slice(b"\nendobj\n");
    }

    fn stream(&mut self, entries: &str, data: &[u8]) {
        let mut content = format!("<< {entries} /Length {} >>\nstream\n", data.len()).into_bytes();
        content.extend_from_slice(data);
        content.extend_from_slice(b"\nendstream");
        self.object(&content);
    }

    /// The root must be object 1.
    fn finish(mut self) -> Vec<u8> {
        let start = self.bytes.len();
        let size = self.offsets.len() + 1;
        let mut end = format!("xref\n0 {size}\n0000000000 65535 f \n");
        for offset in &self.offsets {
            // Writing to a String cannot fail.
            let _ = writeln!(end, "{offset:010} 00000 n ");
        }
        let _ = write!(
            end,
            "trailer\n<< /Size {size} /Root 1 0 R >>\nstartxref\n{start}\n%%EOF\n"
        );
        self.bytes.extend_from_slice(end.as_bytes());
        self.bytes
    }
}

/// Catalog, page tree and the fonts: objects 1 to 6. Pages follow as pairs from object 7.
fn pdf_begin(pages: u32) -> PdfWriter {
    let mut pdf = PdfWriter::new();
    pdf.object(b"<< /Type /Catalog /Pages 2 0 R >>");
    let kids: String = (0..pages)
        .map(|page| format!("{} 0 R ", FIRST_PAGE + 2 * page))
        .collect();
    pdf.object(format!("<< /Type /Pages /Count {pages} /Kids [ {kids}] >>").as_bytes());
    pdf.object(b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>");
    pdf.object(
        b"<< /Type /Font /Subtype /Type0 /BaseFont /STSong-Light /Encoding /UniGB-UCS2-H \
          /DescendantFonts [ 5 0 R ] >>",
    );
    pdf.object(
        b"<< /Type /Font /Subtype /CIDFontType0 /BaseFont /STSong-Light /DW 1000 \
          /CIDSystemInfo << /Registry (Adobe) /Ordering (GB1) /Supplement 4 >> \
          /FontDescriptor 6 0 R >>",
    );
    pdf.object(
        b"<< /Type /FontDescriptor /FontName /STSong-Light /Flags 6 /FontBBox [ -25 -254 1000 880 ] \
          /ItalicAngle 0 /Ascent 880 /Descent -120 /CapHeight 880 /StemV 93 >>",
    );
    pdf
}

const FIRST_PAGE: u32 = 7;

fn pdf_page(pdf: &mut PdfWriter, page: u32, paper: Paper, resources: &str, content: &[u8]) {
    let (width, height) = paper.points();
    let stream = FIRST_PAGE + 2 * page + 1;
    pdf.object(
        format!(
            "<< /Type /Page /Parent 2 0 R /MediaBox [ 0 0 {width} {height} ] \
             /Resources << {resources} >> /Contents {stream} 0 R >>"
        )
        .as_bytes(),
    );
    pdf.stream("", content);
}

/// A PDF with `pages` pages of text in Helvetica.
#[must_use]
pub fn pdf(pages: u32, paper: Paper) -> Vec<u8> {
    text_pdf(pages, paper, false)
}

/// The same with a line of Chinese on each page, in a font that is not embedded.
#[must_use]
pub fn chinese_pdf(pages: u32, paper: Paper) -> Vec<u8> {
    text_pdf(pages, paper, true)
}

fn text_pdf(pages: u32, paper: Paper, chinese: bool) -> Vec<u8> {
    let mut pdf = pdf_begin(pages);
    for page in 0..pages {
        let content = page_text(page + 1, pages, paper, chinese);
        let fonts = "/Font << /F1 3 0 R /F2 4 0 R >>";
        pdf_page(&mut pdf, page, paper, fonts, content.as_bytes());
    }
    pdf.finish()
}

fn page_text(number: u32, pages: u32, paper: Paper, chinese: bool) -> String {
    let (width, height) = paper.points();
    let top = height - 100;
    let mut text = format!("BT /F1 36 Tf 60 {top} Td (Page {number} of {pages}) Tj ET\n");
    if chinese {
        let line: String = "你好，打印机"
            .encode_utf16()
            .map(|unit| format!("{unit:04x}"))
            .collect();
        let _ = writeln!(text, "BT /F2 28 Tf 60 {} Td <{line}> Tj ET", top - 50);
    }
    for line in 0..30 {
        let y = top - 100 - 18 * line;
        let _ = writeln!(
            text,
            "BT /F1 11 Tf 60 {y} Td (Line {line}: the quick brown fox jumps over the lazy dog, \
             0123456789.) Tj ET"
        );
    }
    let _ = writeln!(text, "0.1 0.4 0.7 rg 60 50 {} 12 re f", width - 120);
    text
}

/// A PDF of `pages` pages, each with a grey picture of noise, `octets` large or at most a few
/// hundred bytes a page more. It does not compress.
#[must_use]
pub fn heavy_pdf(pages: u32, octets: usize) -> Vec<u8> {
    let pages = pages.max(1);
    let mut pdf = pdf_begin(pages);
    let each = octets / pages as usize;
    let width = 512;
    let lines = (each.saturating_sub(700) / width).max(1);
    let image = |page: u32| FIRST_PAGE + 2 * pages + page;
    for page in 0..pages {
        let name = format!("/XObject << /Im {} 0 R >>", image(page));
        let content = b"q 475 0 0 722 60 60 cm /Im Do Q";
        pdf_page(&mut pdf, page, Paper::A4, &name, content);
    }
    let mut noise = Noise::new(1);
    for _ in 0..pages {
        let entries = format!(
            "/Type /XObject /Subtype /Image /Width {width} /Height {lines} \
             /ColorSpace /DeviceGray /BitsPerComponent 8"
        );
        pdf.stream(&entries, &noise.bytes(width * lines));
    }
    pdf.finish()
}

/// A PostScript document with `pages` pages of text.
#[must_use]
pub fn postscript(pages: u32, paper: Paper) -> Vec<u8> {
    let (width, height) = paper.points();
    let mut text = format!(
        "%!PS-Adobe-3.0\n%%BoundingBox: 0 0 {width} {height}\n%%Pages: {pages}\n%%EndComments\n"
    );
    for page in 1..=pages {
        let _ = write!(
            text,
            "%%Page: {page} {page}\n<< /PageSize [ {width} {height} ] >> setpagedevice\n\
             /Helvetica findfont 36 scalefont setfont\n60 {} moveto (Page {page} of {pages}) show\n\
             showpage\n",
            height - 100
        );
    }
    text.push_str("%%EOF\n");
    text.into_bytes()
}

/// A drawn picture: gradients and bars, so that orientation and colour can be seen.
fn picture(width: u32, height: u32, channels: u8, page: u32) -> Page {
    let mut pixels = Vec::new();
    for y in 0..height {
        for x in 0..width {
            let bar = (x * 8 / width.max(1) + page).is_multiple_of(2);
            let shade =
                |part: u32, whole: u32| u8::try_from(part * 255 / whole.max(1)).unwrap_or(u8::MAX);
            let down = shade(y, height);
            let across = if bar { shade(x, width) } else { u8::MAX };
            if channels == 3 {
                pixels.extend_from_slice(&[across, down, u8::MAX - down]);
            } else {
                pixels.push(across);
            }
        }
    }
    Page {
        width,
        height,
        channels,
        pixels,
    }
}

/// A JPEG in colour or grey.
///
/// # Panics
/// Never: a picture drawn here is within the encoder's limits.
#[must_use]
pub fn jpeg(width: u16, height: u16, color: bool) -> Vec<u8> {
    let channels = if color { 3 } else { 1 };
    let page = picture(width.into(), height.into(), channels, 0);
    let kind = if color {
        ExtendedColorType::Rgb8
    } else {
        ExtendedColorType::L8
    };
    let mut bytes = Cursor::new(Vec::new());
    JpegEncoder::new_with_quality(&mut bytes, 85)
        .write_image(&page.pixels, page.width, page.height, kind)
        .expect("the picture is as large as it says");
    bytes.into_inner()
}

fn raster_pages(pages: u32, color: bool, resolution_dpi: u32) -> Vec<Page> {
    let channels = if color { 3 } else { 1 };
    // A4: 8.27 × 11.69 in
    let (width, height) = (827 * resolution_dpi / 100, 1169 * resolution_dpi / 100);
    (0..pages)
        .map(|page| picture(width, height, channels, page))
        .collect()
}

/// PWG raster, A4, `srgb_8` or `sgray_8`.
///
/// # Panics
/// Never: writing to memory does not fail.
#[must_use]
pub fn pwg(pages: u32, color: bool, resolution_dpi: u32) -> Vec<u8> {
    let mut bytes = Vec::new();
    raster::write_pwg(
        &mut bytes,
        &raster_pages(pages, color, resolution_dpi),
        resolution_dpi,
    )
    .expect("memory takes all bytes");
    bytes
}

/// URF, A4, `SRGB24` or `W8`.
///
/// # Panics
/// Never: writing to memory does not fail.
#[must_use]
pub fn urf(pages: u32, color: bool, resolution_dpi: u32) -> Vec<u8> {
    let mut bytes = Vec::new();
    raster::write_urf(
        &mut bytes,
        &raster_pages(pages, color, resolution_dpi),
        resolution_dpi,
    )
    .expect("memory takes all bytes");
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::virtual_printer::render;

    fn pages(name: &str, bytes: &[u8]) -> u32 {
        let folder = tempfile::tempdir().unwrap();
        let document = folder.path().join(name);
        std::fs::write(&document, bytes).unwrap();
        render(&document, &folder.path().join("out"), 50).unwrap()
    }

    #[test]
    fn every_kind_of_document_renders_with_all_its_pages() {
        assert_eq!(pages("a", &pdf(3, Paper::A4)), 3);
        assert_eq!(pages("b", &chinese_pdf(2, Paper::Letter)), 2);
        assert_eq!(pages("c", &postscript(2, Paper::A4)), 2);
        assert_eq!(pages("d", &jpeg(120, 80, true)), 1);
        assert_eq!(pages("e", &jpeg(120, 80, false)), 1);
        assert_eq!(pages("f", &pwg(2, true, 100)), 2);
        assert_eq!(pages("g", &pwg(1, false, 100)), 1);
        assert_eq!(pages("h", &urf(2, true, 100)), 2);
    }

    #[test]
    fn the_heavy_pdf_is_as_heavy_as_it_was_asked_for() {
        let bytes = heavy_pdf(40, 10 << 20);
        assert!(
            (9 << 20..11 << 20).contains(&bytes.len()),
            "{}",
            bytes.len()
        );
        assert_eq!(pages("a", &heavy_pdf(4, 1 << 18)), 4);
    }
}
