// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What pages show of the box: jobs, printers, balances, as plain data. Made by `facts`, written by
//! `pages`.

use platen_model::{ColorMode, JobNumber, Period, Sides};

use super::html::Html;
use super::page::{Frame, Icon, icon};
use super::words::{Word, fill, say};
use crate::config::Language;

/// A job that waits for its owner.
#[derive(Clone, Debug)]
pub(super) struct JobRow {
    pub(super) number: JobNumber,
    /// Empty where the client sent none.
    pub(super) name: String,
    /// Since it came.
    pub(super) age_s: u64,
    pub(super) pages: Option<u32>,
    pub(super) copies: u32,
    pub(super) sides: Sides,
    pub(super) color: ColorMode,
    /// What it costs at the first printer, as people write it, where there are prices.
    pub(super) price: Option<String>,
    /// Its printing was cut short; some pages may be out.
    pub(super) interrupted: bool,
    /// Its sender holds it.
    pub(super) on_hold: bool,
}

impl JobRow {
    /// "3 pages · two-sided · black and white · 2 copies".
    pub(super) fn details(&self, language: Language) -> String {
        let pages = match self.pages {
            None => say(language, Word::PagesUnknown).to_owned(),
            Some(1) => say(language, Word::OnePage).to_owned(),
            Some(pages) => fill(language, Word::Pages, &[&pages.to_string()]),
        };
        let sides = match self.sides {
            Sides::OneSided => Word::OneSided,
            Sides::TwoSidedLongEdge => Word::LongEdge,
            Sides::TwoSidedShortEdge => Word::ShortEdge,
        };
        let color = match self.color {
            ColorMode::Auto => None,
            ColorMode::Color => Some(Word::Color),
            ColorMode::Monochrome => Some(Word::Monochrome),
        };
        let mut parts = vec![pages, say(language, sides).to_owned()];
        parts.extend(color.map(|word| say(language, word).to_owned()));
        if self.copies > 1 {
            parts.push(fill(language, Word::Copies, &[&self.copies.to_string()]));
        }
        parts.join(" · ")
    }

    /// The name, or that there is none.
    pub(super) fn title(&self, language: Language) -> &str {
        name_or(&self.name, language)
    }
}

/// A document's name, or that it has none.
pub(super) fn name_or(name: &str, language: Language) -> &str {
    if name.trim().is_empty() {
        say(language, Word::Untitled)
    } else {
        name
    }
}

/// How a printer is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum PrinterState {
    Ready,
    Printing,
    Trouble,
}

/// A printer of the box.
#[derive(Clone, Debug)]
pub(super) struct PrinterRow {
    pub(super) name: String,
    pub(super) state: PrinterState,
    /// What is wrong and what to do, in the page's language.
    pub(super) trouble: Option<String>,
    /// Jobs released to it and not ended.
    pub(super) queued: usize,
    pub(super) color: bool,
    pub(super) duplex: bool,
}

/// The box's printers in words, as a part of a page that looks again by itself.
pub(super) fn printers(frame: &Frame, rows: &[PrinterRow]) -> Html {
    let mut html = Html::default();
    let list = html.tag("ul").attr("class", "printers");
    list.attr("data-live", "/live/printers").inner(|html| {
        for row in rows {
            printer(frame, row, html);
        }
    });
    html
}

fn printer(frame: &Frame, row: &PrinterRow, html: &mut Html) {
    let (kind, drawing, word) = match row.state {
        PrinterState::Ready => ("ok", Icon::Done, Word::PrinterReady),
        PrinterState::Printing => ("ok", Icon::Printer, Word::PrinterPrinting),
        PrinterState::Trouble => ("care", Icon::Care, Word::PrinterTrouble),
    };
    html.part("li", kind, |html| {
        icon(html, drawing);
        html.tag("b").text(&row.name);
        let mut text = row
            .trouble
            .clone()
            .unwrap_or_else(|| frame.say(word).to_owned());
        if row.queued > 1 {
            let queued = frame.fill(Word::PrinterQueue, &[&row.queued.to_string()]);
            text.push_str(" · ");
            text.push_str(&queued);
        }
        html.tag("span").text(&text);
    });
}

/// Where a released job is.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Stage {
    /// In the printer's queue.
    Waits,
    /// Bytes leave; so many sides are confirmed, of so many.
    Prints {
        confirmed: u32,
        of: Option<u32>,
    },
    /// Printed; sides confirmed, where the printer tells.
    Done {
        confirmed: Option<u32>,
    },
    /// Cut short.
    Halfway,
    /// Back in the list.
    Held,
    Deleted,
    GivenUp,
}

impl Stage {
    /// Whether it will change by itself.
    pub(super) fn goes_on(&self) -> bool {
        matches!(self, Self::Waits | Self::Prints { .. })
    }
}

/// A job on its way to the printer, or one that was to be.
#[derive(Clone, Debug)]
pub(super) struct ProgressRow {
    pub(super) number: JobNumber,
    pub(super) name: String,
    pub(super) stage: Stage,
    /// Why it was not released, as a sentence.
    pub(super) why: Option<String>,
    /// What rules want to be told of it.
    pub(super) says: Vec<String>,
}

/// What is left of a limit.
#[derive(Clone, Debug)]
pub(super) struct Balance {
    pub(super) name: String,
    /// What the box may still spend, as people write it.
    pub(super) left: String,
    /// The limit, as people write it.
    pub(super) limit: String,
    pub(super) period: Period,
    /// Whether others spend of it, too.
    pub(super) shared: bool,
}
