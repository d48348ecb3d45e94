// SPDX-License-Identifier: Apache-2.0 OR MIT
//! That something did not work, and where to go from there.

use crate::web::answer::Fault;
use crate::web::html::Html;
use crate::web::page::{Frame, Icon, note};
use crate::web::words::Word;

/// The page of a fault.
pub(in crate::web) fn page(frame: &Frame, fault: Fault) -> Html {
    sentence(frame, frame.say(fault.word()))
}

/// The page of anything else that ends here.
pub(in crate::web) fn sentence(frame: &Frame, text: &str) -> Html {
    frame.page(|html| {
        note(html, Icon::Care, "care", text);
        html.part("p", "actions", |html| {
            let home = html.tag("a").attr("class", "button primary");
            home.attr("href", "/").text(frame.say(Word::GoHome));
        });
    })
}
