// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What is left of a person's limits at this box, and how old that is.

use platen_model::Period;

use crate::web::html::Html;
use crate::web::page::{Frame, Icon, note};
use crate::web::view::Balance;
use crate::web::words::{self, Word};

/// What the page shows.
pub(in crate::web) struct Account {
    pub(in crate::web) balances: Vec<Balance>,
    /// Seconds since the centre confirmed it; `None` for a box that belongs to no centre.
    pub(in crate::web) confirmed_s: Option<u64>,
    /// The person's login waits for the centre.
    pub(in crate::web) provisional: bool,
}

/// The page.
pub(in crate::web) fn page(frame: &Frame, account: &Account) -> Html {
    frame.page(|html| {
        if let Some(person) = &frame.person {
            let text = frame.fill(Word::YouAre, &[&person.name]);
            html.tag("p").attr("class", "lead").text(&text);
        }
        if account.provisional {
            note(html, Icon::Wait, "care", frame.say(Word::Provisional));
        }
        if account.balances.is_empty() {
            html.part("div", "sheet", |html| {
                html.tag("p").text(frame.say(Word::NoQuota));
            });
        }
        html.part("ul", "balances", |html| {
            for balance in &account.balances {
                html.part("li", "sheet", |html| one(frame, balance, html));
            }
        });
        let confirmed = match account.confirmed_s {
            None => frame.say(Word::NotConfirmed).to_owned(),
            Some(seconds) => {
                frame.fill(Word::ConfirmedAgo, &[&words::ago(frame.language, seconds)])
            }
        };
        html.tag("p").attr("class", "soft").text(&confirmed);
        if !account.balances.is_empty() {
            let more = frame.say(Word::MoreElsewhere);
            html.tag("p").attr("class", "soft").text(more);
        }
    })
}

fn one(frame: &Frame, balance: &Balance, html: &mut Html) {
    html.tag("h2").text(&balance.name);
    html.tag("p").attr("class", "amount").text(&balance.left);
    html.tag("p").text(frame.say(Word::LeftHere));
    let mut limit = format!("{} {}", frame.say(Word::QuotaLimit), balance.limit);
    if let Some(word) = period(balance.period) {
        limit.push(' ');
        limit.push_str(frame.say(word));
    }
    if balance.shared {
        limit.push_str(" · ");
        limit.push_str(frame.say(Word::Shared));
    }
    html.tag("p").attr("class", "soft").text(&limit);
}

fn period(period: Period) -> Option<Word> {
    match period {
        Period::Once => None,
        Period::Day => Some(Word::PerDay),
        Period::Week => Some(Word::PerWeek),
        Period::Month => Some(Word::PerMonth),
        Period::Year => Some(Word::PerYear),
    }
}
