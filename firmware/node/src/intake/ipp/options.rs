// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Job template attributes (RFC 8011 §5.2, PWG 5100.3, 5100.13): which the queue takes, and what
//! of them the box keeps.

use platen_model::{ColorMode, JobOptions, PrintQuality, Sides};
use platen_wire::ipp::{
    Attribute, Collection, GroupTag, Message, Resolution, ResolutionUnits, Value,
};

use super::media;
use crate::config::PrinterConfig;

/// Most copies of one job.
pub(super) const COPIES_MAX: i32 = 999;

/// What a request asks for.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) options: JobOptions,
    /// `job-hold-until` is something else than `no-hold`.
    pub(super) hold: bool,
    /// Attributes or values that are not supported, as the unsupported group names them.
    pub(super) unsupported: Vec<Attribute>,
}

/// Reads the job attributes of a request.
pub(super) fn read(message: &Message, printer: &PrinterConfig) -> Asked {
    let mut asked = Asked {
        options: JobOptions::default(),
        hold: false,
        unsupported: Vec::new(),
    };
    let group = message.group(GroupTag::JOB);
    for attribute in group.into_iter().flat_map(|group| &group.attributes) {
        if !take(&mut asked, attribute, printer) {
            asked.unsupported.push(attribute.clone());
        }
    }
    // Old clients send it as an operation attribute.
    let hold = message.first(GroupTag::OPERATION, "job-hold-until");
    asked.hold |= hold
        .and_then(Attribute::as_keyword_or_name)
        .is_some_and(is_hold);
    asked
}

/// Takes one attribute; `false` when it, or its value, is not supported.
fn take(asked: &mut Asked, attribute: &Attribute, printer: &PrinterConfig) -> bool {
    let keyword = || attribute.as_keyword_or_name().unwrap_or_default();
    let number = || {
        attribute
            .as_integer()
            .or(attribute.as_enum())
            .unwrap_or_default()
    };
    match attribute.name.as_str() {
        "copies" => take_copies(&mut asked.options, number()),
        "sides" => take_sides(&mut asked.options, keyword(), printer),
        "print-color-mode" => take_color(&mut asked.options, keyword(), printer),
        "media" => take_media(&mut asked.options, media::by_name(keyword())),
        "media-col" => take_media_col(&mut asked.options, attribute.as_collection()),
        "job-hold-until" => {
            asked.hold = is_hold(keyword());
            matches!(keyword(), "no-hold" | "indefinite")
        }
        "job-priority" => (1..=100).contains(&number()),
        "print-quality" => take_quality(&mut asked.options, number()),
        "orientation-requested" => (3..=6).contains(&number()),
        "finishings" => attribute
            .values
            .iter()
            .all(|value| *value == Value::Enum(3)),
        "number-up" => number() == 1,
        "job-sheets" => keyword() == "none",
        "output-bin" => matches!(keyword(), "face-down" | "auto"),
        "multiple-document-handling" => is_handling(keyword()),
        "print-content-optimize" | "print-rendering-intent" => keyword() == "auto",
        "print-scaling" => SCALINGS.contains(&keyword()),
        "printer-resolution" => take_resolution(&mut asked.options, attribute.as_resolution()),
        _ => false,
    }
}

/// `printer-resolution-supported`, dots per inch.
pub(super) const RESOLUTIONS_DPI: [u16; 2] = [300, 600];
/// `print-scaling-supported`
pub(super) const SCALINGS: [&str; 5] = ["auto", "auto-fit", "fill", "fit", "none"];

fn is_hold(keyword: &str) -> bool {
    !keyword.is_empty() && keyword != "no-hold"
}

fn is_handling(keyword: &str) -> bool {
    matches!(
        keyword,
        "separate-documents-uncollated-copies" | "separate-documents-collated-copies"
    )
}

fn take_copies(options: &mut JobOptions, copies: i32) -> bool {
    let fits = (1..=COPIES_MAX).contains(&copies);
    options.copies = u32::try_from(copies.clamp(1, COPIES_MAX)).unwrap_or(1);
    fits
}

fn take_sides(options: &mut JobOptions, keyword: &str, printer: &PrinterConfig) -> bool {
    match Sides::from_keyword(keyword) {
        Some(sides) if sides == Sides::OneSided || printer.can_duplex() => {
            options.sides = sides;
            true
        }
        _ => false,
    }
}

fn take_color(options: &mut JobOptions, keyword: &str, printer: &PrinterConfig) -> bool {
    let mode = match keyword {
        "auto" => ColorMode::Auto,
        "color" if printer.color => ColorMode::Color,
        "monochrome" | "auto-monochrome" | "process-monochrome" => ColorMode::Monochrome,
        _ => return false,
    };
    options.color = mode;
    true
}

fn take_quality(options: &mut JobOptions, number: i32) -> bool {
    options.quality = match number {
        3 => Some(PrintQuality::Draft),
        4 => Some(PrintQuality::Normal),
        5 => Some(PrintQuality::High),
        _ => None,
    };
    options.quality.is_some()
}

fn take_resolution(options: &mut JobOptions, asked: Option<Resolution>) -> bool {
    let square = asked.filter(|asked| {
        asked.units == ResolutionUnits::DotsPerInch && asked.feed == asked.cross_feed
    });
    options.resolution_dpi = square
        .and_then(|asked| u16::try_from(asked.feed).ok())
        .filter(|dpi| RESOLUTIONS_DPI.contains(dpi));
    options.resolution_dpi.is_some()
}

fn take_media(options: &mut JobOptions, found: Option<media::Media>) -> bool {
    options.media = found.map(|media| media.name.to_owned());
    found.is_some()
}

fn take_media_col(options: &mut JobOptions, media_col: Option<&Collection>) -> bool {
    let Some(media_col) = media_col else {
        return false;
    };
    let Some(size) = media_col
        .get("media-size")
        .and_then(Attribute::as_collection)
    else {
        // Only a tray or a type was named: the printer's default size.
        return media_col.get("media-size-name").is_none();
    };
    let side = |name: &str| {
        size.get(name)
            .and_then(Attribute::as_integer)
            .unwrap_or_default()
    };
    take_media(
        options,
        media::by_size(side("x-dimension"), side("y-dimension")),
    )
}

#[cfg(test)]
mod tests {
    use platen_wire::ipp::Operation;

    use super::*;

    fn printer() -> PrinterConfig {
        toml::from_str("name = \"p\"\nuri = \"file:/x\"\npjl = true\ncolor = false").unwrap()
    }

    fn asked(attributes: impl IntoIterator<Item = Attribute>) -> Asked {
        let mut message = Message::request(Operation::PRINT_JOB, 1);
        for attribute in attributes {
            message.group_mut(GroupTag::JOB).push(attribute);
        }
        read(&message, &printer())
    }

    #[test]
    fn what_the_printer_can_do_is_kept() {
        let asked = asked([
            Attribute::integer("copies", 3),
            Attribute::keyword("sides", "two-sided-long-edge"),
            Attribute::keyword("media", "iso_a4_210x297mm"),
        ]);
        assert_eq!(
            (asked.options.copies, asked.options.sides),
            (3, Sides::TwoSidedLongEdge)
        );
        assert!(asked.unsupported.is_empty(), "{:?}", asked.unsupported);
    }

    #[test]
    fn what_it_can_not_do_is_named() {
        let asked = asked([
            Attribute::keyword("print-color-mode", "color"),
            Attribute::integer("copies", 100_000),
            Attribute::keyword("x-unheard-of", "yes"),
        ]);
        let names: Vec<_> = asked.unsupported.iter().map(|a| a.name.as_str()).collect();
        assert_eq!(names, ["print-color-mode", "copies", "x-unheard-of"]);
    }

    #[test]
    fn quality_and_resolution_are_kept_as_far_as_they_are_offered() {
        let kept = asked([
            Attribute::enumeration("print-quality", 5),
            Attribute::resolution("printer-resolution", 600),
        ]);
        let options = &kept.options;
        assert_eq!(
            (options.quality, options.resolution_dpi),
            (Some(PrintQuality::High), Some(600))
        );
        let refused = asked([
            Attribute::enumeration("print-quality", 6),
            Attribute::resolution("printer-resolution", 65_536 + 300),
        ]);
        assert_eq!(refused.unsupported.len(), 2);
        assert_eq!(refused.options, JobOptions::default());
    }

    #[test]
    fn hold_until_indefinite_is_a_hold_by_the_submitter() {
        assert!(asked([Attribute::keyword("job-hold-until", "indefinite")]).hold);
        assert!(!asked([Attribute::keyword("job-hold-until", "no-hold")]).hold);
    }
}
