// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Documents of real writers, each with the count it must have. `tests/data/pdl/ORIGIN.md` says
//! how they were made and what other counters say of them.

use std::fs::{self, File};
use std::io::Cursor;
use std::path::PathBuf;

use platen_model::{Certainty, JobOptions, Sides};
use platen_pdl::{CountLimits, Language, count, detect};

const LONG: Sides = Sides::TwoSidedLongEdge;
const ONE: Sides = Sides::OneSided;

/// File, language, pages (none: unknown), sides.
const FIXTURES: [(&str, Language, Option<u32>, Sides); 21] = [
    ("gs-14.pdf", Language::Pdf, Some(3), ONE),
    ("gs-17.pdf", Language::Pdf, Some(3), ONE),
    ("gs-pclm.pdf", Language::Pclm, Some(3), ONE),
    ("raster/gs.pwg", Language::PwgRaster, Some(3), ONE),
    ("raster/gs.urf", Language::AppleRaster, Some(3), ONE),
    ("raster/gs.jpg", Language::Jpeg, Some(1), ONE),
    (
        "raster/cups-two-sided.pwg",
        Language::PwgRaster,
        Some(3),
        LONG,
    ),
    (
        "raster/cups-two-sided.urf",
        Language::AppleRaster,
        Some(3),
        LONG,
    ),
    ("cairo.pdf", Language::Pdf, Some(3), ONE),
    ("mutool.pdf", Language::Pdf, Some(3), ONE),
    ("objstm.pdf", Language::Pdf, Some(3), ONE),
    ("linear.pdf", Language::Pdf, Some(3), ONE),
    ("rc4-40-empty.pdf", Language::Pdf, Some(3), ONE),
    ("rc4-empty.pdf", Language::Pdf, Some(3), ONE),
    ("rc4-locked.pdf", Language::Pdf, None, ONE),
    ("aesv2-empty.pdf", Language::Pdf, Some(3), ONE),
    ("aesv2-locked.pdf", Language::Pdf, None, ONE),
    ("aesv3-empty.pdf", Language::Pdf, Some(3), ONE),
    ("aesv3-r5-empty.pdf", Language::Pdf, Some(3), ONE),
    ("aesv3-locked.pdf", Language::Pdf, None, ONE),
    ("aesv3-locked-plain-tree.pdf", Language::Pdf, Some(3), ONE),
];

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/data/pdl")
}

#[test]
fn every_fixture_has_its_count() {
    for (name, language, pages, sides) in FIXTURES {
        let path = folder().join(name);
        assert_eq!(detect(&fs::read(&path).unwrap()), language, "{name}");
        let mut file = File::open(&path).unwrap();
        let found = count(&mut file, &JobOptions::default(), &CountLimits::default());
        let certainty = if pages.is_some() {
            Certainty::Exact
        } else {
            Certainty::Unknown
        };
        assert_eq!(
            (found.pages, found.sides),
            (pages, sides),
            "{name}: {found:?}"
        );
        assert_eq!(found.certainty, certainty, "{name}: {found:?}");
        assert_eq!(found.note.is_some(), pages.is_none(), "{name}: {found:?}");
    }
}

#[test]
fn another_reader_of_whole_documents_finds_the_same_pages() {
    for (name, ..) in FIXTURES.iter().filter(|(name, ..)| name.ends_with(".pdf")) {
        let bytes = fs::read(folder().join(name)).unwrap();
        let found = count(
            &mut Cursor::new(&bytes),
            &JobOptions::default(),
            &CountLimits::default(),
        );
        if let Ok(document) = lopdf::Document::load_mem(&bytes)
            && !document.is_encrypted()
        {
            let theirs = u32::try_from(document.get_pages().len()).unwrap();
            assert_eq!(found.pages, Some(theirs), "{name}");
        }
    }
}

#[test]
fn every_fixture_is_in_the_table() {
    let listed = FIXTURES.map(|(name, ..)| name);
    for below in ["", "raster/"] {
        for entry in fs::read_dir(folder().join(below)).unwrap() {
            let name = entry.unwrap().file_name().into_string().unwrap();
            let name = format!("{below}{name}");
            let other = ["ORIGIN.md", "raster"].contains(&name.as_str());
            assert!(other || listed.contains(&name.as_str()), "{name}");
        }
    }
}

#[test]
fn a_fixture_cut_anywhere_never_counts_more_than_it_has_nor_calls_less_exact() {
    for (name, _, pages, _) in FIXTURES {
        let whole = fs::read(folder().join(name)).unwrap();
        let step = (whole.len() / 150).max(1);
        for length in (0..whole.len()).step_by(step) {
            let cut = &whole[..length];
            let found = count(
                &mut Cursor::new(cut),
                &JobOptions::default(),
                &CountLimits::default(),
            );
            let most = pages.unwrap_or(3);
            assert!(
                found.pages.is_none_or(|found| found <= most),
                "{name} at {length}: {found:?}"
            );
            if found.certainty == Certainty::Exact && !between_pages(name, found.pages) {
                assert_eq!(found.pages, Some(most), "{name} at {length}: {found:?}");
            }
        }
    }
}

/// A raster stream has no page total to hold against it: cut between two pages it is whole.
fn between_pages(name: &str, pages: Option<u32>) -> bool {
    (name.ends_with(".pwg") || name.ends_with(".urf")) && pages.is_some()
}

#[test]
fn copies_and_sides_of_the_job_make_impressions_and_sheets() {
    let options = JobOptions {
        copies: 4,
        sides: LONG,
        ..JobOptions::default()
    };
    let mut file = File::open(folder().join("objstm.pdf")).unwrap();
    let found = count(&mut file, &options, &CountLimits::default());
    assert_eq!((found.impressions, found.media_sheets), (Some(12), Some(8)));
}

#[test]
fn a_pdf_in_pjl_or_after_junk_is_counted() {
    let pdf = fs::read(folder().join("objstm.pdf")).unwrap();
    let pjl = b"\x1b%-12345X@PJL JOB\r\n@PJL SET COPIES=2\r\n@PJL ENTER LANGUAGE=PDF\r\n".to_vec();
    let tail = b"\x1b%-12345X@PJL EOJ\r\n\x1b%-12345X".to_vec();
    let wrapped = [pjl, pdf.clone(), tail].concat();
    let after_junk = [b"junk of a spooler \x80\x81\n".to_vec(), pdf].concat();
    for document in [wrapped, after_junk] {
        let mut reader = Cursor::new(document);
        let found = count(&mut reader, &JobOptions::default(), &CountLimits::default());
        assert_eq!(
            (found.pages, found.certainty),
            (Some(3), Certainty::Exact),
            "{found:?}"
        );
    }
}
