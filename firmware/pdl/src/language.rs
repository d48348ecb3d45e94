// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Which language a document is written in, from its first bytes. What clients say (MIME types,
//! file names, PJL's `ENTER LANGUAGE`) is only a hint and often wrong.

/// A page description language or image format.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum Language {
    /// ISO 32000.
    Pdf,
    /// PWG 5102.3: a PDF of image strips.
    Pclm,
    /// PostScript, also encapsulated.
    PostScript,
    /// HP PCL 6 XL, binary or ASCII.
    PclXl,
    /// HP PCL 3, PCL 5 and RTL.
    Pcl5,
    /// Epson ESC/P, ESC/P2, ESC/P-R.
    EscP,
    /// PWG 5102.4.
    PwgRaster,
    /// CUPS raster, versions 1 to 3.
    CupsRaster,
    /// Apple raster, URF.
    AppleRaster,
    /// JPEG.
    Jpeg,
    /// PNG.
    Png,
    /// GIF.
    Gif,
    /// TIFF, also BigTIFF.
    Tiff,
    /// XPS and OpenXPS.
    Xps,
    /// Text without a page description.
    Text,
    /// None of these.
    Unknown,
}

/// Each language with its name for people and its MIME type; aliases follow in [`ALIASES`].
const NAMES: [(Language, &str, &str); 16] = [
    (Language::Pdf, "PDF", "application/pdf"),
    (Language::Pclm, "PCLm", "application/pclm"),
    (Language::PostScript, "PostScript", "application/postscript"),
    (Language::PclXl, "PCL XL", "application/vnd.hp-pclxl"),
    (Language::Pcl5, "PCL 5", "application/vnd.hp-pcl"),
    (Language::EscP, "ESC/P", "application/vnd.epson.escpr"),
    (Language::PwgRaster, "PWG raster", "image/pwg-raster"),
    (
        Language::CupsRaster,
        "CUPS raster",
        "application/vnd.cups-raster",
    ),
    (Language::AppleRaster, "Apple raster", "image/urf"),
    (Language::Jpeg, "JPEG", "image/jpeg"),
    (Language::Png, "PNG", "image/png"),
    (Language::Gif, "GIF", "image/gif"),
    (Language::Tiff, "TIFF", "image/tiff"),
    (Language::Xps, "XPS", "application/oxps"),
    (Language::Text, "plain text", "text/plain"),
    (
        Language::Unknown,
        "an unknown language",
        "application/octet-stream",
    ),
];

/// Other MIME types that clients and printers use.
const ALIASES: [(&str, Language); 5] = [
    ("application/x-pdf", Language::Pdf),
    ("application/ps", Language::PostScript),
    ("application/vnd.ms-xpsdocument", Language::Xps),
    ("image/jpg", Language::Jpeg),
    ("image/x-png", Language::Png),
];

impl Language {
    /// The MIME type in lower case; `application/octet-stream` when unknown.
    #[must_use]
    pub fn mime_type(self) -> &'static str {
        self.entry().2
    }

    /// The name for people, such as `PCL XL`.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.entry().1
    }

    /// The language that a MIME type names, whatever its case and parameters.
    #[must_use]
    pub fn from_mime_type(mime_type: &str) -> Self {
        let bare = mime_type.split(';').next().unwrap_or_default().trim();
        let listed = NAMES.iter().map(|(language, _, mime)| (*mime, *language));
        listed
            .chain(ALIASES)
            .find(|(mime, _)| mime.eq_ignore_ascii_case(bare))
            .map_or(Self::Unknown, |(_, language)| language)
    }

    fn entry(self) -> (Self, &'static str, &'static str) {
        let unknown = (
            Self::Unknown,
            "an unknown language",
            "application/octet-stream",
        );
        NAMES
            .into_iter()
            .find(|(language, ..)| *language == self)
            .unwrap_or(unknown)
    }
}

/// How many bytes of a document are enough for [`detect`].
pub const HEAD_BYTES: usize = 16 * 1024;

/// Universal Exit Language, the mark around PJL.
const UEL: &[u8] = b"\x1b%-12345X";
/// PDF readers accept `%PDF-` this far into a file (ISO 32000-1 annex H, note 13).
const PDF_HEADER_WITHIN: usize = 1024;
/// PJL headers wrapped in each other that are followed.
const PJL_ROUNDS: usize = 8;

/// Names the language from the first bytes of a document; [`HEAD_BYTES`] are enough, fewer are
/// allowed. PJL around the document is looked through.
#[must_use]
pub fn detect(head: &[u8]) -> Language {
    locate(head).0
}

/// As [`detect`], with the offset where the language itself begins.
pub(crate) fn locate(head: &[u8]) -> (Language, usize) {
    let mut at = 0;
    let mut hint = Language::Unknown;
    for _ in 0..PJL_ROUNDS {
        at += leading_noise(rest(head, at));
        let Some((length, entered)) = pjl_header(rest(head, at)) else {
            break;
        };
        at += length;
        hint = entered.unwrap_or(hint);
    }
    match sniff(rest(head, at)) {
        (Language::Unknown | Language::Text, _) if hint != Language::Unknown => (hint, at),
        (language, offset) => (language, at + offset),
    }
}

fn rest(bytes: &[u8], at: usize) -> &[u8] {
    bytes.get(at..).unwrap_or_default()
}

/// Bytes that drivers put before a document: NULs, `ESC E` before UEL, blanks, `^D`, a BOM.
fn leading_noise(bytes: &[u8]) -> usize {
    let mut at = 0;
    loop {
        let left = rest(bytes, at);
        at += match left {
            // Epson's packet mode begins with three NULs that belong to it.
            [0, 0, 0, 0x1b, 1, ..] => return at,
            [0 | 4 | b' ' | b'\t' | b'\r' | b'\n', ..] => 1,
            [0xef, 0xbb, 0xbf, ..] => 3,
            [0x1b, b'E', ..] if rest(left, 2).starts_with(UEL) => 2,
            _ => return at,
        };
    }
}

/// Length of a UEL or a block of PJL lines at the start, and the language that it enters.
fn pjl_header(bytes: &[u8]) -> Option<(usize, Option<Language>)> {
    let mut at = if bytes.starts_with(UEL) { UEL.len() } else { 0 };
    let mut entered = None;
    while starts_with_ignoring_case(rest(bytes, at), b"@PJL") {
        let line = rest(bytes, at);
        let length = line
            .iter()
            .position(|byte| *byte == b'\n')
            .map_or(line.len(), |end| end + 1);
        at += length;
        entered = entered_language(line.get(..length).unwrap_or_default());
        if entered.is_some() {
            break; // the document begins straight after this line
        }
    }
    (at > 0).then_some((at, entered))
}

/// `@PJL ENTER LANGUAGE = X`; `Unknown` for languages that are not told apart here.
fn entered_language(line: &[u8]) -> Option<Language> {
    let text = String::from_utf8_lossy(line).to_ascii_uppercase();
    let (command, value) = text.split_once('=')?;
    if command.split_whitespace().ne(["@PJL", "ENTER", "LANGUAGE"]) {
        return None;
    }
    Some(match value.trim() {
        "PDF" => Language::Pdf,
        "POSTSCRIPT" => Language::PostScript,
        "PCL" => Language::Pcl5,
        "PCLXL" => Language::PclXl,
        _ => Language::Unknown,
    })
}

fn starts_with_ignoring_case(bytes: &[u8], prefix: &[u8]) -> bool {
    bytes
        .get(..prefix.len())
        .is_some_and(|start| start.eq_ignore_ascii_case(prefix))
}

/// First bytes that need no second look, in order.
const MAGIC: [(&[u8], Language); 28] = [
    (b"%!", Language::PostScript),
    (b"\xc5\xd0\xd3\xc6", Language::PostScript), // DOS EPS
    (b") HP-PCL XL;", Language::PclXl),
    (b"( HP-PCL XL;", Language::PclXl),
    (b"' HP-PCL XL;", Language::PclXl),
    (b"RaS2PwgRaster\0", Language::PwgRaster),
    (b"RaSt", Language::CupsRaster),
    (b"tSaR", Language::CupsRaster),
    (b"RaS2", Language::CupsRaster),
    (b"2SaR", Language::CupsRaster),
    (b"RaS3", Language::CupsRaster),
    (b"3SaR", Language::CupsRaster),
    (b"UNIRAST\0", Language::AppleRaster),
    (b"\xff\xd8\xff", Language::Jpeg),
    (b"\x89PNG\r\n\x1a\n", Language::Png),
    (b"GIF8", Language::Gif),
    (b"II*\0", Language::Tiff),
    (b"MM\0*", Language::Tiff),
    (b"II+\0", Language::Tiff),
    (b"MM\0+", Language::Tiff),
    (b"\0\0\0\x1b\x01@EJL", Language::EscP),
    (b"\x1b\x01@EJL", Language::EscP),
    (b"\x1b@", Language::EscP),
    (b"\x1bE", Language::Pcl5),
    (b"\x1b&", Language::Pcl5),
    (b"\x1b*", Language::Pcl5),
    (b"\x1b%0", Language::Pcl5),
    (b"\x1b%1", Language::Pcl5),
];

fn sniff(bytes: &[u8]) -> (Language, usize) {
    if let Some((_, language)) = MAGIC.iter().find(|(magic, _)| bytes.starts_with(magic)) {
        return (*language, 0);
    }
    if let [0x1b, b'(', letter, ..] = bytes {
        // ESC/P2 names these with a length in two bytes; PCL chooses fonts and symbol sets.
        let epson = matches!(letter, b'G' | b'U' | b'R' | b'C' | b'c');
        let escp2 = epson && bytes.get(4) == Some(&0);
        return (
            if escp2 {
                Language::EscP
            } else {
                Language::Pcl5
            },
            0,
        );
    }
    if bytes.starts_with(b"PK\x03\x04") && contains(bytes, b".fdseq") {
        return (Language::Xps, 0);
    }
    if let Some(found) = pdf_header(bytes) {
        return found;
    }
    let language = if is_text(bytes) {
        Language::Text
    } else {
        Language::Unknown
    };
    (language, 0)
}

fn contains(bytes: &[u8], needle: &[u8]) -> bool {
    bytes.windows(needle.len()).any(|window| window == needle)
}

/// `%PDF-` among the first bytes; `%PCLm` in the line after it makes it PCLm.
fn pdf_header(bytes: &[u8]) -> Option<(Language, usize)> {
    let window = bytes.get(..PDF_HEADER_WITHIN).unwrap_or(bytes);
    let offset = window.windows(5).position(|found| found == b"%PDF-")?;
    let mut lines = rest(bytes, offset).split(|byte| matches!(byte, b'\r' | b'\n'));
    let second = lines
        .nth(1)
        .filter(|line| !line.is_empty())
        .or_else(|| lines.next());
    let pclm = second.is_some_and(|line| line.starts_with(b"%PCLm"));
    Some((if pclm { Language::Pclm } else { Language::Pdf }, offset))
}

/// At least 95 % printable, in UTF-8 or an encoding whose high bytes are letters; no NUL.
fn is_text(bytes: &[u8]) -> bool {
    if bytes.is_empty() || bytes.contains(&0) {
        return false;
    }
    let odd = bytes
        .iter()
        .filter(|byte| !matches!(byte, b'\t' | b'\n' | b'\r' | 0x0c | 0x20..=0x7e | 0xa0..))
        .count();
    odd * 20 <= bytes.len() || std::str::from_utf8(bytes).is_ok_and(|_| is_mostly_ink(bytes))
}

/// Fewer than 5 % ASCII control bytes, for text whose UTF-8 continuation bytes fall below 0xA0.
fn is_mostly_ink(bytes: &[u8]) -> bool {
    let controls = bytes
        .iter()
        .filter(|byte| byte.is_ascii_control() && !matches!(byte, b'\t' | b'\n' | b'\r' | 0x0c))
        .count();
    controls * 20 <= bytes.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_first_bytes_have_their_language() {
        let rows: [(&[u8], Language); 26] = [
            (b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n1 0 obj", Language::Pdf),
            (b"\xef\xbb\xbf%PDF-1.4\n", Language::Pdf),
            (b"HTTP/1.1 200 OK\r\n\r\n%PDF-1.4\n", Language::Pdf),
            (b"%PDF-1.7\n%PCLm 1.0\n", Language::Pclm),
            (b"%PDF-1.7\r\n%PCLm 1.0\r\n", Language::Pclm),
            (b"%!PS-Adobe-3.0\n", Language::PostScript),
            (b"\x04%!PS-Adobe-3.0\n", Language::PostScript),
            (b"\xc5\xd0\xd3\xc6\x1e\0\0\0", Language::PostScript),
            (
                b"\x1b%-12345X@PJL JOB\r\n@PJL ENTER LANGUAGE = PDF\r\n%PDF-1.4\n",
                Language::Pdf,
            ),
            (
                b"\x1bE\x1b%-12345X@PJL\n@PJL SET COPIES=2\n\x1bE\x1b&l1X",
                Language::Pcl5,
            ),
            (
                b"@PJL ENTER LANGUAGE=PCLXL\n) HP-PCL XL;2;0",
                Language::PclXl,
            ),
            (
                b"\x1b%-12345X@PJL ENTER LANGUAGE=POSTSCRIPT\n/a 1 def",
                Language::PostScript,
            ),
            (
                b"\x1b%-12345X@PJL ENTER LANGUAGE=QPDL\n\0\x01\x02",
                Language::Unknown,
            ),
            (
                b"\x1b%-12345X@PJL INFO STATUS\r\n\x1b%-12345X",
                Language::Unknown,
            ),
            (b"\x1b&l0O\x1b(8U", Language::Pcl5),
            (b"\x1b(8U\x1b(s0p", Language::Pcl5),
            (b"\x1b@\x1b(G\x01\0\x01", Language::EscP),
            (b"\x1b(G\x01\0\x01", Language::EscP),
            (b"\0\0\0\x1b\x01@EJL 1284.4\n", Language::EscP),
            (b"RaS2PwgRaster\0\0\0", Language::PwgRaster),
            (b"2SaR\0\0\0", Language::CupsRaster),
            (b"UNIRAST\0\0\0\0\x01", Language::AppleRaster),
            (b"\xff\xd8\xff\xe0\0\x10JFIF", Language::Jpeg),
            (b"\x89PNG\r\n\x1a\n", Language::Png),
            ("页面 first line\n".as_bytes(), Language::Text),
            (b"\x80\x01\x02\x03", Language::Unknown),
        ];
        for (head, language) in rows {
            assert_eq!(
                detect(head),
                language,
                "{:?}",
                String::from_utf8_lossy(head)
            );
        }
        assert_eq!(detect(b""), Language::Unknown);
    }

    #[test]
    fn mime_types_lead_both_ways() {
        for (language, _, mime) in NAMES {
            assert_eq!(Language::from_mime_type(mime), language);
            assert_eq!(language.mime_type(), mime);
        }
        assert_eq!(
            Language::from_mime_type("Application/PDF; x=1"),
            Language::Pdf
        );
        assert_eq!(
            Language::from_mime_type("image/x-unheard-of"),
            Language::Unknown
        );
    }

    #[test]
    fn a_pjl_wrapped_document_begins_after_its_header() {
        let head = b"\x1b%-12345X@PJL\r\n@pjl enter language=PDF\r\n%PDF-1.4\n";
        assert_eq!(locate(head), (Language::Pdf, head.len() - 9));
    }
}
