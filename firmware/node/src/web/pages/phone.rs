// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The phone's side of the login at the panel (T/ACCEM 475-2024, 3.12): which box it is, and the
//! question.

use crate::web::html::Html;
use crate::web::page::{BoxName, Frame, Icon, icon, note};
use crate::web::words::Word;

/// Asks whether the person stands at this box. `printer` is where the jobs will go.
pub(in crate::web) fn ask(frame: &Frame, place: &BoxName, printer: &str, code: &str) -> Html {
    frame.page(|html| {
        html.tag("p")
            .attr("class", "lead")
            .text(frame.say(Word::PhoneLead));
        frame.form(html, "/phone", "narrow", |html| {
            html.hidden("c", code);
            html.part("dl", "sheet facts", |html| {
                fact(frame, html, Word::PhoneBox, &place.name);
                if !place.location.is_empty() {
                    fact(frame, html, Word::PhonePlace, &place.location);
                }
                fact(frame, html, Word::PhonePrinter, printer);
            });
            html.part("div", "actions", |html| {
                let yes = html.tag("button").attr("class", "primary");
                yes.attr("name", "do")
                    .attr("value", "confirm")
                    .inner(|html| {
                        icon(html, Icon::Phone);
                        html.text(frame.say(Word::PhoneConfirm));
                    });
                let no = html.tag("a").attr("class", "button");
                no.attr("href", "/phone/refused")
                    .text(frame.say(Word::PhoneRefuse));
            });
        });
    })
}

fn fact(frame: &Frame, html: &mut Html, word: Word, text: &str) {
    html.tag("dt").text(frame.say(word));
    html.tag("dd").text(text);
}

/// What came of it.
pub(in crate::web) fn told(frame: &Frame, good: bool, text: &str, more: Option<&str>) -> Html {
    frame.page(|html| {
        match good {
            true => note(html, Icon::Done, "ok", text),
            false => note(html, Icon::Care, "care", text),
        }
        if let Some(more) = more {
            html.tag("p").attr("class", "lead").text(more);
        }
        html.part("p", "actions", |html| {
            let back = html.tag("a").attr("class", "button").attr("href", "/jobs");
            back.text(frame.say(Word::BackToJobs));
        });
    })
}
