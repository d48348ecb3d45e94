// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Media by PWG 5101.1 name, with sizes in hundredths of a millimetre (IPP's `media-size`).

use platen_wire::ipp::{Attribute, Collection};

/// A sheet size.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Media {
    /// Self-describing name.
    pub(super) name: &'static str,
    /// Width, 1/100 mm.
    pub(super) x: i32,
    /// Length, 1/100 mm.
    pub(super) y: i32,
}

/// Unprintable border of office printers, 1/100 mm.
pub(super) const MARGIN: i32 = 423;
/// What the box assumes to be in the tray while it can't ask the printer.
pub(super) const DEFAULT: Media = SIZES[0];

/// The sizes that office printers take. The printer itself scales or asks for paper.
pub(super) const SIZES: [Media; 12] = [
    size("iso_a4_210x297mm", 21000, 29700),
    size("na_letter_8.5x11in", 21590, 27940),
    size("iso_a3_297x420mm", 29700, 42000),
    size("iso_a5_148x210mm", 14800, 21000),
    size("iso_a6_105x148mm", 10500, 14800),
    size("jis_b5_182x257mm", 18200, 25700),
    size("na_legal_8.5x14in", 21590, 35560),
    size("na_ledger_11x17in", 27940, 43180),
    size("na_index-4x6_4x6in", 10160, 15240),
    size("na_number-10_4.125x9.5in", 10478, 24130),
    size("iso_dl_110x220mm", 11000, 22000),
    size("om_16k_195x270mm", 19500, 27000),
];

const fn size(name: &'static str, x: i32, y: i32) -> Media {
    Media { name, x, y }
}

/// The size of that name.
pub(super) fn by_name(name: &str) -> Option<Media> {
    SIZES.into_iter().find(|media| media.name == name)
}

/// The size nearest to these dimensions, within 0.5 mm: drivers round inches differently.
pub(super) fn by_size(x: i32, y: i32) -> Option<Media> {
    let near = |a: i32, b: i32| a.abs_diff(b) <= 50;
    SIZES
        .into_iter()
        .find(|media| near(media.x, x) && near(media.y, y))
}

/// Job template attributes about media (RFC 8011 §5.2.11, PWG 5100.3).
pub(super) fn attributes() -> Vec<Attribute> {
    let names = SIZES.map(|media| media.name);
    let margins = |name: &str| Attribute::integer(name, MARGIN);
    vec![
        Attribute::keyword("media-default", DEFAULT.name),
        Attribute::keywords("media-supported", names),
        Attribute::keyword("media-ready", DEFAULT.name),
        Attribute::collections("media-col-default", [media_col(DEFAULT)]),
        Attribute::collections("media-col-ready", [media_col(DEFAULT)]),
        Attribute::keywords("media-col-supported", MEDIA_COL),
        Attribute::collections("media-size-supported", SIZES.map(media_size)),
        Attribute::keyword("media-source-supported", "auto"),
        Attribute::keyword("media-type-supported", "stationery"),
        margins("media-bottom-margin-supported"),
        margins("media-left-margin-supported"),
        margins("media-right-margin-supported"),
        margins("media-top-margin-supported"),
    ]
}

const MEDIA_COL: [&str; 7] = [
    "media-bottom-margin",
    "media-left-margin",
    "media-right-margin",
    "media-size",
    "media-source",
    "media-top-margin",
    "media-type",
];

fn media_size(media: Media) -> Collection {
    Collection::new([
        Attribute::integer("x-dimension", media.x),
        Attribute::integer("y-dimension", media.y),
    ])
}

/// `media-col` of a size.
pub(super) fn media_col(media: Media) -> Collection {
    let mut members = vec![Attribute::collections("media-size", [media_size(media)])];
    members.extend(
        [
            "media-bottom-margin",
            "media-left-margin",
            "media-right-margin",
            "media-top-margin",
        ]
        .map(|name| Attribute::integer(name, MARGIN)),
    );
    members.push(Attribute::keyword("media-source", "auto"));
    members.push(Attribute::keyword("media-type", "stationery"));
    Collection::new(members)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letter_is_found_by_a_size_rounded_from_points() {
        assert_eq!(
            by_size(21591, 27939).map(|media| media.name),
            Some("na_letter_8.5x11in")
        );
    }

    #[test]
    fn a_negative_or_huge_size_is_no_media() {
        assert_eq!(by_size(i32::MIN, i32::MAX), None);
    }
}
