// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Copies, sides and colour of one job.

use platen_model::{ColorMode, Sides};

use crate::web::html::Html;
use crate::web::page::{Frame, Icon, note};
use crate::web::view::JobRow;
use crate::web::words::Word;

/// Most copies of a job (RFC 8011 §5.2.5, as the box's queues state it).
pub(in crate::web) const COPIES_MAX: u32 = 999;

/// What is changed, and what the printers can do.
pub(in crate::web) struct Options {
    pub(in crate::web) row: JobRow,
    /// What was typed for copies, where it is no number of copies.
    pub(in crate::web) bad_copies: Option<String>,
    pub(in crate::web) duplex: bool,
    pub(in crate::web) color: bool,
}

/// A colour's word in the form.
pub(in crate::web) fn color_word(color: ColorMode) -> &'static str {
    match color {
        ColorMode::Auto => "auto",
        ColorMode::Color => "color",
        ColorMode::Monochrome => "monochrome",
    }
}

/// The page.
pub(in crate::web) fn page(frame: &Frame, options: &Options) -> Html {
    let row = &options.row;
    let action = format!("/jobs/{}", row.number);
    frame.page(|html| {
        html.part("p", "lead", |html| {
            html.tag("b").text(row.title(frame.language));
        });
        frame.form(html, &action, "sheet narrow", |html| {
            copies(frame, options, html);
            let sides = [
                (Sides::OneSided, Word::OneSidedChoice),
                (Sides::TwoSidedLongEdge, Word::LongEdgeChoice),
                (Sides::TwoSidedShortEdge, Word::ShortEdgeChoice),
            ];
            choice(
                frame,
                html,
                "sides",
                Word::SidesLabel,
                options.duplex.then_some(()).ok_or(Word::NoDuplex),
                sides.map(|(sides, word)| (sides.keyword(), word, sides == row.sides)),
            );
            let colors = [
                (ColorMode::Auto, Word::ColorAsSentChoice),
                (ColorMode::Color, Word::ColorChoice),
                (ColorMode::Monochrome, Word::MonochromeChoice),
            ];
            choice(
                frame,
                html,
                "color",
                Word::ColorLabel,
                options.color.then_some(()).ok_or(Word::NoColor),
                colors.map(|(color, word)| (color_word(color), word, color == row.color)),
            );
            html.part("div", "actions", |html| {
                html.tag("button")
                    .attr("class", "primary")
                    .text(frame.say(Word::Save));
                let back = html.tag("a").attr("class", "button").attr("href", "/jobs");
                back.text(frame.say(Word::Cancel));
            });
        });
    })
}

fn copies(frame: &Frame, options: &Options, html: &mut Html) {
    let own = options.row.copies.to_string();
    let value = options.bad_copies.as_ref().unwrap_or(&own);
    html.part("div", "field", |html| {
        html.tag("label")
            .attr("for", "copies")
            .text(frame.say(Word::CopiesLabel));
        let input = html.tag("input").attr("id", "copies");
        input
            .attr("name", "copies")
            .attr("type", "number")
            .attr("min", "1")
            .attr("max", &COPIES_MAX.to_string())
            .attr("value", value)
            .attr("aria-describedby", "copies-hint")
            .flag("required", true)
            .void();
        let hint = html
            .tag("p")
            .attr("class", "hint")
            .attr("id", "copies-hint");
        hint.text(frame.say(Word::CopiesHint));
        if options.bad_copies.is_some() {
            note(html, Icon::Care, "stop", frame.say(Word::BadCopies));
        }
    });
}

/// A group of which one is chosen; or why there is no choice.
fn choice(
    frame: &Frame,
    html: &mut Html,
    name: &str,
    label: Word,
    offered: Result<(), Word>,
    choices: [(&'static str, Word, bool); 3],
) {
    html.tag("fieldset").inner(|html| {
        html.tag("legend").text(frame.say(label));
        if let Err(why) = offered {
            html.tag("p").attr("class", "hint").text(frame.say(why));
        }
        for (value, word, chosen) in choices {
            if offered.is_err() && !chosen {
                continue;
            }
            html.part("label", "choice", |html| {
                let input = html.tag("input").attr("type", "radio");
                input
                    .attr("name", name)
                    .attr("value", value)
                    .flag("checked", chosen)
                    .void();
                html.tag("span").text(frame.say(word));
            });
        }
    });
}
