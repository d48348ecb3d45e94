// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Documents of a given size: well-formed PDF 1.4 (ISO 32000-1 §7.5) with a classic
//! cross-reference table, so that a server that counts pages does its real work on them. The
//! filling doesn't compress, so that no file system or sealing gets it cheaper than a photograph.

use std::io::Write;

/// The small of the two documents that everything is measured with.
pub const SMALL: Kind = Kind {
    name: "20 KB",
    pages: 3,
    octets: 20_000,
};
/// The large one; see [`SMALL`].
pub const LARGE: Kind = Kind {
    name: "10 MB",
    pages: 40,
    octets: 10_000_000,
};
/// One page of little, to fill a box with; see [`SMALL`].
pub const TINY: Kind = Kind {
    name: "1 KB",
    pages: 1,
    octets: 1_000,
};

/// What document to make.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Kind {
    /// What tables call it.
    pub name: &'static str,
    /// Pages of the document.
    pub pages: usize,
    /// Size of the file, bytes; met within 100 bytes.
    pub octets: usize,
}

/// Makes the document. The same kind gives the same bytes on every machine.
#[must_use]
pub fn pdf(kind: Kind) -> Vec<u8> {
    let frame = 400 + kind.pages * 260;
    let filling = kind.octets.saturating_sub(frame) / kind.pages.max(1);
    let first = compose(kind.pages, filling);
    let missing = kind.octets.saturating_sub(first.len()) / kind.pages.max(1);
    compose(kind.pages, filling + missing)
}

fn compose(pages: usize, filling: usize) -> Vec<u8> {
    let mut file = b"%PDF-1.4\n%\xE2\xE3\xCF\xD3\n".to_vec();
    let mut offsets = Vec::new();
    let mut noise = Noise(0x9E37_79B9_7F4A_7C15);
    let kids: String = (0..pages)
        .map(|page| format!("{} 0 R ", 3 + 2 * page))
        .collect();
    object(&mut file, &mut offsets, "<< /Type /Catalog /Pages 2 0 R >>");
    let tree = format!("<< /Type /Pages /Count {pages} /Kids [ {kids}] >>");
    object(&mut file, &mut offsets, &tree);
    for page in 0..pages {
        let contents = 4 + 2 * page;
        let leaf = format!(
            "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents {contents} 0 R >>"
        );
        object(&mut file, &mut offsets, &leaf);
        stream(&mut file, &mut offsets, &noise.comment(filling));
    }
    finish(&mut file, &offsets);
    file
}

fn object(file: &mut Vec<u8>, offsets: &mut Vec<usize>, body: &str) {
    offsets.push(file.len());
    let number = offsets.len();
    file.extend(format!("{number} 0 obj\n{body}\nendobj\n").into_bytes());
}

fn stream(file: &mut Vec<u8>, offsets: &mut Vec<usize>, content: &[u8]) {
    offsets.push(file.len());
    let (number, length) = (offsets.len(), content.len());
    file.extend(format!("{number} 0 obj\n<< /Length {length} >>\nstream\n").into_bytes());
    file.extend(content);
    file.extend(b"\nendstream\nendobj\n");
}

fn finish(file: &mut Vec<u8>, offsets: &[usize]) {
    let (start, size) = (file.len(), offsets.len() + 1);
    let mut table = format!("xref\n0 {size}\n0000000000 65535 f \n");
    for offset in offsets {
        table.push_str(&format!("{offset:010} 00000 n \n"));
    }
    table.push_str(&format!(
        "trailer\n<< /Size {size} /Root 1 0 R >>\nstartxref\n{start}\n"
    ));
    file.extend(table.into_bytes());
    file.extend(b"%%EOF\n");
}

/// Marsaglia's xorshift64: fast, and the same everywhere.
struct Noise(u64);

impl Noise {
    /// A black square, then one comment of noise to the length asked for: a page that renders.
    fn comment(&mut self, length: usize) -> Vec<u8> {
        let mut out = Vec::with_capacity(length + 8);
        // Writing to a Vec cannot fail.
        let _ = out.write_all(b"100 100 50 50 re f\n%");
        while out.len() < length {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            // No line ends inside the comment, and no byte that a reader could take for one.
            out.extend(self.0.to_le_bytes().map(|byte| byte | 0x20));
        }
        out.truncate(length.max(20));
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_have_the_size_they_promise() {
        for kind in [TINY, SMALL, LARGE] {
            let length = pdf(kind).len();
            assert!(
                length.abs_diff(kind.octets) <= 100,
                "{}: {length}",
                kind.name
            );
        }
    }

    #[test]
    fn cross_reference_table_points_at_objects() {
        let file = pdf(SMALL);
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let find = |from: usize, mark: &[u8]| {
            let at = file[from..]
                .windows(mark.len())
                .position(|window| window == mark);
            from + at.expect("the mark")
        };
        let end = find(0, b"\nstartxref\n");
        let table: usize = text(&file[end..])
            .lines()
            .nth(2)
            .expect("a row")
            .parse()
            .expect("digits");
        let table = text(&file[table..end]);
        let rows: Vec<&str> = table.lines().filter(|row| row.ends_with(" n ")).collect();
        assert!(table.starts_with("xref\n0 "));
        assert_eq!(rows.len(), 2 + 2 * SMALL.pages);
        for (index, row) in rows.iter().enumerate() {
            let offset: usize = row[..10].parse().expect("ten digits");
            assert!(file[offset..].starts_with(format!("{} 0 obj", index + 1).as_bytes()));
        }
    }

    #[test]
    fn the_same_kind_gives_the_same_bytes() {
        assert_eq!(pdf(SMALL), pdf(SMALL));
    }
}
