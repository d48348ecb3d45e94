// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A page for any small display at the box: the code for phones, and what the panel says.

use crate::config::Language;
use crate::web::html::Html;
use crate::web::page::{BoxName, head, lang, refresh};
use crate::web::words::{Word, say};

/// Modules of white that a reader needs around a code (ISO/IEC 18004 §6.3.8).
const QUIET: usize = 4;
/// Browsers without script look again after so many seconds.
const AGAIN_S: u64 = 5;

/// A QR code: rows of modules, `true` is dark.
pub(in crate::web) type Modules = Vec<Vec<bool>>;

/// What the display shows.
pub(in crate::web) struct Panel {
    pub(in crate::web) place: BoxName,
    /// The sentence of the panel.
    pub(in crate::web) sentence: String,
    /// The panel's signal, such as `idle`.
    pub(in crate::web) signal: &'static str,
    pub(in crate::web) code: Option<Modules>,
}

/// The page. It fills the display and holds nothing to touch.
pub(in crate::web) fn page(language: Language, panel: &Panel) -> Html {
    let part = part(language, panel);
    let mut html = Html::document();
    let root = html.tag("html").attr("lang", lang(language));
    root.inner(|html| {
        html.tag("head").inner(|html| {
            head(html, say(language, Word::PanelTitle));
            html.tag("noscript")
                .inner(|html| refresh(html, AGAIN_S, "/panel"));
        });
        html.tag("body")
            .attr("class", "panel")
            .inner(|html| html.append(part));
    });
    html
}

/// The part of it that looks again by itself.
pub(in crate::web) fn part(language: Language, panel: &Panel) -> Html {
    let mut html = Html::default();
    let main = html.tag("main").attr("data-live", "/live/panel");
    main.attr("data-signal", panel.signal).inner(|html| {
        html.part("div", "says", |html| {
            html.tag("h1").text(&panel.sentence);
            let lead = match panel.code {
                Some(_) => Word::PanelLead,
                None => Word::PanelNoCode,
            };
            html.tag("p").text(say(language, lead));
            let mut place = panel.place.name.clone();
            if !panel.place.location.is_empty() {
                place.push_str(" · ");
                place.push_str(&panel.place.location);
            }
            html.tag("p").attr("class", "soft").text(&place);
        });
        if let Some(code) = &panel.code {
            html.part("div", "code", |html| drawing(language, code, html));
        }
    });
    html
}

/// Dark on white whatever the page's colours are: many readers take nothing else.
fn drawing(language: Language, code: &Modules, html: &mut Html) {
    let side = (code.len() + 2 * QUIET).to_string();
    let mut path = String::new();
    for (y, row) in code.iter().enumerate() {
        for (x, _) in row.iter().enumerate().filter(|(_, dark)| **dark) {
            path.push_str(&format!("M{} {}h1v1h-1z", x + QUIET, y + QUIET));
        }
    }
    let image = html
        .tag("svg")
        .attr("viewBox", &format!("0 0 {side} {side}"));
    image
        .attr("role", "img")
        .attr("aria-label", say(language, Word::PanelTitle))
        .attr("shape-rendering", "crispEdges")
        .inner(|html| {
            let ground = html.tag("rect").attr("width", &side);
            ground.attr("height", &side).attr("fill", "#fff").text("");
            let modules = html.tag("path").attr("d", &path);
            modules.attr("fill", "#000").text("");
        });
}
