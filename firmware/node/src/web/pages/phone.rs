// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The phone's side of the login at the panel (T/ACCEM 475-2024, 3.12): which box it is, and the
//! question.

use crate::web::html::Html;
use crate::web::page::{BoxName, Frame, Icon, icon, note};
use crate::web::words::Word;

/// What the button of the question does.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(in crate::web) enum Then {
    /// Somebody is logged in on the phone and is let in at the panel.
    Confirm,
    /// Nobody is: the code is kept for this browser, and the login comes next.
    LogIn,
}

/// Asks whether the person stands at this box. `printer` is where the jobs will go, `code` the one that
/// the phone read and has not claimed.
pub(in crate::web) fn ask(
    frame: &Frame,
    place: &BoxName,
    printer: &str,
    code: Option<&str>,
    then: Then,
) -> Html {
    let word = match then {
        Then::Confirm => Word::PhoneConfirm,
        Then::LogIn => Word::PhoneLogIn,
    };
    frame.page(|html| {
        html.tag("p")
            .attr("class", "lead")
            .text(frame.say(Word::PhoneLead));
        frame.form(html, "/phone", "narrow", |html| {
            if let Some(code) = code {
                html.hidden("c", code);
            }
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
                        html.text(frame.say(word));
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
