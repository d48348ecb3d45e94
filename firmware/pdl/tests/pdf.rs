// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Odd, damaged and hostile PDFs, made here object by object.

use std::io::Cursor;

use platen_model::{Certainty, JobOptions, PageCount};
use platen_pdl::{CountLimits, count};

const CATALOG: &str = "<</Type/Catalog/Pages 2 0 R>>";
const PAGE: &str = "<</Type/Page/Parent 2 0 R/MediaBox[0 0 9 9]>>";

/// A PDF with a classic table: objects 1, 2, 3 … as given, after `header`.
struct Pdf {
    bytes: Vec<u8>,
    offsets: Vec<usize>,
}

impl Pdf {
    fn new(objects: &[&str]) -> Self {
        let mut pdf = Self {
            bytes: b"%PDF-1.7\n".to_vec(),
            offsets: Vec::new(),
        };
        for object in objects {
            pdf.add(object);
        }
        pdf
    }

    fn add(&mut self, object: &str) -> &mut Self {
        self.offsets.push(self.bytes.len());
        let number = self.offsets.len();
        self.bytes
            .extend_from_slice(format!("{number} 0 obj\n{object}\nendobj\n").as_bytes());
        self
    }

    /// With table and trailer; `shift` falsifies every offset.
    fn finish(&self, trailer: &str, shift: usize) -> Vec<u8> {
        let mut end = format!("xref\n0 {}\n0000000000 65535 f \n", self.offsets.len() + 1);
        for offset in &self.offsets {
            end += &format!("{:010} 00000 n \n", offset + shift);
        }
        let (size, at) = (self.offsets.len() + 1, self.bytes.len());
        end += &format!("trailer\n<</Size {size}/Root 1 0 R{trailer}>>\nstartxref\n{at}\n%%EOF\n");
        [self.bytes.clone(), end.into_bytes()].concat()
    }
}

fn pdf(objects: &[&str]) -> Vec<u8> {
    Pdf::new(objects).finish("", 0)
}

fn counted(document: &[u8]) -> PageCount {
    count(
        &mut Cursor::new(document),
        &JobOptions::default(),
        &CountLimits::default(),
    )
}

#[track_caller]
fn expect(document: &[u8], pages: u32, certainty: Certainty) {
    let found = counted(document);
    assert_eq!(
        (found.pages, found.certainty),
        (Some(pages), certainty),
        "{found:?}"
    );
    assert_eq!(
        found.note.is_none(),
        certainty == Certainty::Exact,
        "{found:?}"
    );
}

#[track_caller]
fn expect_unknown(document: &[u8]) {
    let found = counted(document);
    assert_eq!(
        (found.pages, found.certainty),
        (None, Certainty::Unknown),
        "{found:?}"
    );
    assert!(found.note.is_some_and(|note| note.ends_with('.')));
}

#[test]
fn a_lying_count_is_not_believed() {
    for lie in ["999", "-1", "0", "6 0 R", "/x"] {
        let tree = format!("<</Type/Pages/Count {lie}/Kids[3 0 R 4 0 R 5 0 R]>>");
        expect(
            &pdf(&[CATALOG, &tree, PAGE, PAGE, PAGE]),
            3,
            Certainty::Exact,
        );
    }
}

#[test]
fn branches_indirect_kids_and_untyped_leaves_are_walked() {
    let tree = "<</Type/Pages/Count 4/Kids 6 0 R>>";
    let branch = "<</Kids[4 0 R 5 0 R 5 0 R]>>"; // no /Type; one page twice
    let objects = [
        CATALOG,
        tree,
        branch,
        "<</MediaBox[0 0 9 9]>>",
        PAGE,
        "[3 0 R 5 0 R]",
    ];
    expect(&pdf(&objects), 4, Certainty::Exact);
}

#[test]
fn a_single_page_may_stand_for_the_tree() {
    expect(&pdf(&[CATALOG, "<</Type/Page>>"]), 1, Certainty::Exact);
}

#[test]
fn null_missing_and_wrong_kids_are_left_out_and_said() {
    let tree = "<</Type/Pages/Count 6/Kids[3 0 R null 99 0 R 4 0 R 7 5 0 R]>>";
    expect(
        &pdf(&[CATALOG, tree, PAGE, PAGE, "(no page)"]),
        2,
        Certainty::Estimated,
    );
}

#[test]
fn trees_that_lead_back_to_themselves_end() {
    let tree = "<</Type/Pages/Count 9/Kids[3 0 R 2 0 R 4 0 R]>>";
    let branch = "<</Type/Pages/Kids[2 0 R 4 0 R 3 0 R]>>";
    // The page itself stands in the tree twice.
    expect(
        &pdf(&[CATALOG, tree, PAGE, branch]),
        2,
        Certainty::Estimated,
    );
}

#[test]
fn a_tree_that_doubles_at_every_level_ends() {
    let mut objects = vec![CATALOG.to_owned()];
    for next in 3..63 {
        objects.push(format!("<</Type/Pages/Kids[{next} 0 R {next} 0 R]>>"));
    }
    objects.push(PAGE.to_owned());
    let objects: Vec<&str> = objects.iter().map(String::as_str).collect();
    let found = counted(&pdf(&objects));
    assert_eq!(
        (found.pages, found.certainty),
        (Some(2), Certainty::Estimated)
    );
}

#[test]
fn a_tree_deeper_than_the_limit_gives_what_it_states() {
    let mut objects = vec![CATALOG.to_owned()];
    for next in 3..1003 {
        objects.push(format!("<</Type/Pages/Count 7/Kids[{next} 0 R]>>"));
    }
    let objects: Vec<&str> = objects.iter().map(String::as_str).collect();
    expect(&pdf(&objects), 7, Certainty::Stated);
}

#[test]
fn no_pages_are_no_certain_zero() {
    expect(
        &pdf(&[CATALOG, "<</Type/Pages/Count 0/Kids[]>>"]),
        0,
        Certainty::Estimated,
    );
}

#[test]
fn a_portfolio_is_counted_with_a_note() {
    let catalog = "<</Type/Catalog/Pages 2 0 R/Collection<<>>>>";
    let found = counted(&pdf(&[catalog, "<</Kids[3 0 R]>>", PAGE]));
    assert_eq!((found.pages, found.certainty), (Some(1), Certainty::Exact));
    assert!(found.note.unwrap().contains("portfolio"));
}

const TWO_PAGES: [&str; 4] = [
    CATALOG,
    "<</Type/Pages/Count 2/Kids[3 0 R 4 0 R]>>",
    PAGE,
    PAGE,
];

#[test]
fn wrong_offsets_and_lost_tables_are_searched_for() {
    let good = Pdf::new(&TWO_PAGES);
    expect(&good.finish("", 0), 2, Certainty::Exact);
    expect(&good.finish("", 7), 2, Certainty::Estimated);
    expect(&good.finish("", 1_000_000), 2, Certainty::Estimated);
    expect(&good.bytes, 2, Certainty::Estimated); // neither table nor trailer
    let text = String::from_utf8(good.finish("", 0)).unwrap();
    expect(
        text.replace("startxref", "startxxxx").as_bytes(),
        2,
        Certainty::Estimated,
    );
    let bent = text.replace('\n', "\r\n"); // sent as text
    expect(bent.as_bytes(), 2, Certainty::Estimated);
}

#[test]
fn small_slips_of_a_table_do_no_harm() {
    let text = String::from_utf8(pdf(&TWO_PAGES)).unwrap();
    expect(
        text.replace(" n \n", " n\n").as_bytes(),
        2,
        Certainty::Exact,
    ); // 19 bytes
    expect(
        text.replace("0 5\n", "1 5\n").as_bytes(),
        2,
        Certainty::Exact,
    ); // begins at 1
    let trailing = [text.as_bytes(), &[b'\n'; 5000]].concat();
    expect(&trailing, 2, Certainty::Exact);
}

#[test]
fn junk_before_the_header_may_or_may_not_count() {
    let junk = b"X-Spool: yes\r\n\r\n".to_vec();
    expect(
        &[junk.clone(), pdf(&TWO_PAGES)].concat(),
        2,
        Certainty::Exact,
    );
    let mut counted_in = Pdf::new(&[]);
    counted_in.bytes = [junk, counted_in.bytes].concat();
    for object in TWO_PAGES {
        counted_in.add(object);
    }
    expect(&counted_in.finish("", 0), 2, Certainty::Exact);
}

#[test]
fn the_newest_update_holds() {
    let old = pdf(&TWO_PAGES);
    let before = String::from_utf8_lossy(&old).rfind("xref\n0").unwrap();
    let at = old.len();
    let update = "2 0 obj\n<</Type/Pages/Count 1/Kids[4 0 R]>>\nendobj\n";
    let table = at + update.len();
    let tail = format!(
        "xref\n2 2\n{at:010} 00000 n \n0000000000 00001 f \n\
         trailer\n<</Size 5/Root 1 0 R/Prev {before}>>\nstartxref\n{table}\n%%EOF\n"
    );
    let updated = [old, update.into(), tail.into()].concat();
    expect(&updated, 1, Certainty::Exact);
    // Without any table the last version of each object is the one that counts.
    let text = String::from_utf8(updated).unwrap();
    expect(
        text.replace("startxref", "startxxxx").as_bytes(),
        1,
        Certainty::Estimated,
    );
}

#[test]
fn a_chain_of_tables_that_bites_its_tail_ends() {
    let good = Pdf::new(&TWO_PAGES);
    let at = good.bytes.len();
    expect(
        &good.finish(&format!("/Prev {at}"), 0),
        2,
        Certainty::Estimated,
    );
}

/// A PDF whose objects 1 to 4 are in object stream 5, with cross-reference stream 6; nothing is
/// compressed. `garble` changes the text of the object stream.
fn packed(garble: impl Fn(String) -> String) -> Vec<u8> {
    let (mut index, mut body) = (String::new(), String::new());
    for (number, object) in (1..).zip(TWO_PAGES) {
        index += &format!("{number} {} ", body.len());
        body += &format!("{object}\n");
    }
    let stream = garble(format!("{index}{body}"));
    let mut bytes = b"%PDF-1.7\n".to_vec();
    let five = bytes.len();
    let (first, length) = (index.len(), stream.len());
    let object = format!(
        "5 0 obj\n<</Type/ObjStm/N 4/First {first}/Length {length}>>\nstream\n{stream}\nendstream\nendobj\n"
    );
    bytes.extend_from_slice(object.as_bytes());
    let six = bytes.len();
    let mut rows = vec![0, 0, 0, 0];
    for index in 0..4 {
        rows.extend([2, 0, 5, index]);
    }
    for offset in [five, six] {
        rows.push(1);
        rows.extend(u16::try_from(offset).expect("a small file").to_be_bytes());
        rows.push(0);
    }
    let object = format!(
        "6 0 obj\n<</Type/XRef/Size 7/W[1 2 1]/Root 1 0 R/Length {}>>\nstream\n",
        rows.len()
    );
    bytes.extend_from_slice(object.as_bytes());
    bytes.extend(rows);
    let end = format!("\nendstream\nendobj\nstartxref\n{six}\n%%EOF\n");
    bytes.extend_from_slice(end.as_bytes());
    bytes
}

#[test]
fn packed_objects_are_found_by_table_and_by_search() {
    let good = packed(|text| text);
    expect(&good, 2, Certainty::Exact);
    let at = good
        .windows(9)
        .rposition(|window| window == b"startxref")
        .unwrap();
    expect(&good[..at], 2, Certainty::Estimated);
    expect_unknown(&packed(|text| text.replace("/Type", "/Typ(")));
}

#[test]
fn a_length_that_lies_is_found_out() {
    let good = String::from_utf8(packed(|text| text)).unwrap_or_default();
    for lie in [
        "/Length 1>>",
        "/Length 5 0 R>>",
        "/Length 999999999999>>",
        "/Len 5>>",
    ] {
        let at = good.find("/Length ").unwrap();
        let end = at + good[at..].find(">>").unwrap() + 2;
        let bent = format!("{}{lie}{}", &good[..at], &good[end..]);
        let found = counted(bent.as_bytes());
        assert_eq!(found.pages, Some(2), "{lie}: {found:?}");
    }
}

#[test]
fn a_hybrid_file_shows_the_objects_hidden_in_its_stream() {
    let packed = packed(|text| text);
    let six = packed
        .windows(8)
        .position(|window| window == b"6 0 obj\n")
        .unwrap();
    let cut = packed
        .windows(9)
        .rposition(|window| window == b"startxref")
        .unwrap();
    let mut bytes = packed[..cut].to_vec();
    let at = bytes.len();
    let mut table = "xref\n0 5\n".to_owned();
    table.push_str(&"0000000000 65535 f \n".repeat(5));
    table += &format!("trailer\n<</Size 7/Root 1 0 R/XRefStm {six}>>\nstartxref\n{at}\n%%EOF\n");
    bytes.extend_from_slice(table.as_bytes());
    expect(&bytes, 2, Certainty::Exact);
}

#[test]
fn deep_nesting_neither_blows_the_stack_nor_hides_the_other_pages() {
    let deep = "[".repeat(1_000_000);
    let tree = "<</Type/Pages/Kids[3 0 R 4 0 R]>>";
    let deep_page = format!("<</Type/Page/A {deep}>>");
    let found = counted(&pdf(&[CATALOG, tree, PAGE, &deep_page]));
    assert_eq!(
        (found.pages, found.certainty),
        (Some(1), Certainty::Estimated),
        "{found:?}"
    );
    expect_unknown(&pdf(&[&deep]));
    expect_unknown(&pdf(&[&"<</A".repeat(500_000)]));
}

#[test]
fn decompression_bombs_are_refused_at_the_limit() {
    let mut stream = lopdf::Stream::new(lopdf::Dictionary::new(), vec![b' '; 64 << 20]);
    stream.compress().unwrap();
    assert!(stream.content.len() < 100_000);
    let mut document = Pdf::new(&[CATALOG, "<</Count 2/Kids[70 0 R 80 0 R]>>"]);
    for number in 3..=30 {
        let head = format!(
            "{number} 0 obj\n<</Type/ObjStm/N 1/First 4/Filter/FlateDecode/Length {}>>\nstream\n",
            stream.content.len()
        );
        document.bytes.extend_from_slice(head.as_bytes());
        document.bytes.extend_from_slice(&stream.content);
        document.bytes.extend_from_slice(b"\nendstream\nendobj\n");
    }
    expect(&document.bytes, 2, Certainty::Stated); // neither table nor trailer: all are tried
}

#[test]
fn more_pages_than_the_limit_are_said() {
    let limits = {
        let mut limits = CountLimits::default();
        limits.pages = 1;
        limits
    };
    let found = count(
        &mut Cursor::new(pdf(&TWO_PAGES)),
        &JobOptions::default(),
        &limits,
    );
    assert_eq!((found.pages, found.certainty), (Some(2), Certainty::Stated));
}

#[test]
fn a_broken_encryption_dictionary_locks_only_what_is_packed() {
    for encrypt in [
        "<<>>",
        "null",
        "9 9 R",
        "<</Filter/Standard/V 5/R 6/Length -8/O()/U()>>",
    ] {
        let trailer = format!("/Encrypt {encrypt}");
        expect(
            &Pdf::new(&TWO_PAGES).finish(&trailer, 0),
            2,
            Certainty::Exact,
        );
    }
}
