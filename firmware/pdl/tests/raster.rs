// SPDX-License-Identifier: Apache-2.0 OR MIT
//! PWG and Apple raster streams, made here page by page.

use std::io::Cursor;

use platen_model::{Certainty, JobOptions, PageCount, Sides};
use platen_pdl::{CountLimits, count};

fn counted(document: &[u8]) -> PageCount {
    count(
        &mut Cursor::new(document),
        &JobOptions::default(),
        &CountLimits::default(),
    )
}

/// Fields of a PWG page header by offset.
fn pwg_header(fields: &[(usize, u32)]) -> Vec<u8> {
    let mut header = vec![0; 1796];
    header[..10].copy_from_slice(b"PwgRaster\0");
    // 10 × 4 pixels of 24 bits.
    let page = [(372, 10), (376, 4), (388, 24), (392, 30)];
    for (at, value) in page.iter().chain(fields) {
        header[*at..at + 4].copy_from_slice(&value.to_be_bytes());
    }
    header
}

/// Four lines of ten pixels: one with a run and literals, three the same of one run.
const LINES: [u8; 24] = [
    0, 4, 1, 2, 3, 252, 1, 1, 1, 2, 2, 2, 3, 3, 3, 4, 4, 4, 5, 5, 5, //
    2, 9, 7,
];

fn pwg_page(fields: &[(usize, u32)]) -> Vec<u8> {
    [pwg_header(fields), LINES.to_vec(), vec![7, 7]].concat()
}

fn pwg(pages: &[Vec<u8>]) -> Vec<u8> {
    [b"RaS2".to_vec(), pages.concat()].concat()
}

fn urf_page(duplex: u8, lines: &[u8]) -> Vec<u8> {
    let mut header = vec![24, 1, duplex, 4, 0, 0, 0, 0, 0, 0, 0, 0];
    for field in [10_u32, 4, 300, 0, 0] {
        header.extend(field.to_be_bytes());
    }
    [header, lines.to_vec()].concat()
}

fn urf(total: u32, pages: &[Vec<u8>]) -> Vec<u8> {
    [
        b"UNIRAST\0".to_vec(),
        total.to_be_bytes().to_vec(),
        pages.concat(),
    ]
    .concat()
}

#[test]
fn pages_are_walked_whatever_the_header_totals_say() {
    for total in [0, 1, 999, u32::MAX] {
        let page = pwg_page(&[(452, total)]);
        let found = counted(&pwg(&[page.clone(), page]));
        assert_eq!(
            (found.pages, found.certainty),
            (Some(2), Certainty::Exact),
            "{found:?}"
        );
        let page = urf_page(1, &[3, 128]);
        let found = counted(&urf(total, &[page.clone(), page.clone(), page]));
        assert_eq!(
            (found.pages, found.certainty),
            (Some(3), Certainty::Exact),
            "{found:?}"
        );
    }
}

#[test]
fn copies_and_sides_of_the_page_headers_count_where_the_job_says_nothing() {
    let page = pwg_page(&[(272, 1), (340, 3), (368, 1)]);
    let document = pwg(&[page.clone(), page.clone(), page]);
    let found = counted(&document);
    assert_eq!((found.copies, found.sides), (3, Sides::TwoSidedShortEdge));
    assert_eq!((found.impressions, found.media_sheets), (Some(9), Some(6)));
    let options = JobOptions {
        copies: 2,
        ..JobOptions::default()
    };
    let said = count(
        &mut Cursor::new(document),
        &options,
        &CountLimits::default(),
    );
    assert_eq!(said.copies, 2);
    for (duplex, sides) in [
        (0, Sides::OneSided),
        (1, Sides::OneSided),
        (2, Sides::TwoSidedShortEdge),
        (3, Sides::TwoSidedLongEdge),
    ] {
        assert_eq!(
            counted(&urf(1, &[urf_page(duplex, &[3, 128])])).sides,
            sides
        );
    }
}

#[test]
fn pages_that_disagree_on_sides_are_an_estimate() {
    let found = counted(&urf(2, &[urf_page(3, &[3, 128]), urf_page(1, &[3, 128])]));
    assert_eq!(
        (found.pages, found.certainty),
        (Some(2), Certainty::Estimated)
    );
    assert!(found.note.is_some());
}

#[test]
fn a_page_cut_off_is_counted_and_said() {
    let whole = pwg(&[pwg_page(&[]), pwg_page(&[])]);
    for cut in 1..27 {
        let found = counted(&whole[..whole.len() - cut]);
        assert_eq!(
            (found.pages, found.certainty),
            (Some(2), Certainty::Estimated),
            "{cut}"
        );
    }
    let found = counted(&whole[..whole.len() - 100]); // within the second header
    assert_eq!(
        (found.pages, found.certainty),
        (Some(1), Certainty::Estimated)
    );
}

#[test]
fn runs_past_a_line_and_other_bytes_end_the_count() {
    let overrun = urf_page(1, &[0, 10, 1, 1, 1]); // eleven pixels
    let found = counted(&urf(9, &[overrun, urf_page(1, &[3, 128])]));
    assert_eq!(
        (found.pages, found.certainty),
        (Some(1), Certainty::Estimated)
    );
    let found = counted(&pwg(&[pwg_page(&[]), vec![0x20; 4000]]));
    assert_eq!(
        (found.pages, found.certainty),
        (Some(1), Certainty::Estimated)
    );
    let found = counted(&urf(1, &[vec![0xff; 64]]));
    assert_eq!((found.pages, found.certainty), (None, Certainty::Unknown));
}

#[test]
fn pages_without_lines_end_with_the_file_or_the_limit() {
    let mut empty = urf_page(1, &[]);
    empty[16..20].fill(0); // no lines
    let document = urf(0, &vec![empty; 5000]);
    assert_eq!(counted(&document).pages, Some(5000));
    let mut limits = CountLimits::default();
    limits.pages = 100;
    let found = count(&mut Cursor::new(&document), &JobOptions::default(), &limits);
    assert_eq!(
        (found.pages, found.certainty),
        (Some(100), Certainty::Estimated)
    );
    limits.scan_bytes = 1000;
    let found = count(&mut Cursor::new(&document), &JobOptions::default(), &limits);
    assert_ne!(found.certainty, Certainty::Exact);
}
