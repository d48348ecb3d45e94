// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Jobs on their way to the printer: what it has confirmed, and what comes next.

use crate::web::html::Html;
use crate::web::page::{Frame, Icon, icon, note};
use crate::web::view::{ProgressRow, Stage, name_or};
use crate::web::words::Word;

/// The page.
pub(in crate::web) fn page(frame: &Frame, rows: &[ProgressRow], live: &str) -> Html {
    let part = part(frame, rows, live);
    frame.page(|html| {
        html.append(part);
        html.part("p", "actions", |html| {
            let back = html.tag("a").attr("class", "button").attr("href", "/jobs");
            back.text(frame.say(Word::BackToJobs));
        });
    })
}

/// The part of the page that looks again by itself, at `live`, until every job has ended.
pub(in crate::web) fn part(frame: &Frame, rows: &[ProgressRow], live: &str) -> Html {
    let mut html = Html::default();
    let goes_on = rows.iter().any(|row| row.stage.goes_on());
    let section = html.tag("section").attr("class", "progress");
    let section = match goes_on {
        true => section.attr("data-live", live),
        false => section,
    };
    section.attr("aria-live", "polite").inner(|html| {
        if !rows.is_empty() {
            let next = frame.say(next(rows));
            let (drawing, kind) = match goes_on {
                true => (Icon::Printer, "plain"),
                false
                    if rows
                        .iter()
                        .all(|row| matches!(row.stage, Stage::Done { .. })) =>
                {
                    (Icon::Done, "ok")
                }
                false => (Icon::Care, "care"),
            };
            note(html, drawing, kind, next);
        }
        html.part("ul", "rows", |html| {
            for row in rows {
                html.tag("li").inner(|html| released(frame, row, html));
            }
        });
    });
    html
}

fn next(rows: &[ProgressRow]) -> Word {
    let trouble = |row: &ProgressRow| matches!(row.stage, Stage::Halfway | Stage::Held);
    if rows.iter().any(|row| row.stage.goes_on()) {
        Word::NextWait
    } else if rows.iter().any(|row| trouble(row) && row.why.is_none()) {
        Word::NextTrouble
    } else if rows.iter().any(trouble) {
        Word::NextKept
    } else if rows
        .iter()
        .any(|row| matches!(row.stage, Stage::Done { .. }))
    {
        Word::NextTake
    } else {
        Word::NextNothing
    }
}

fn released(frame: &Frame, row: &ProgressRow, html: &mut Html) {
    let (drawing, kind, text) = told(frame, &row.stage);
    html.part("div", &format!("stage {kind}"), |html| icon(html, drawing));
    html.part("div", "label", |html| {
        html.tag("b").text(name_or(&row.name, frame.language));
        html.tag("span").text(&text);
        for more in row.why.iter().chain(&row.says) {
            html.tag("span").attr("class", "more").text(more);
        }
        if let Stage::Prints {
            confirmed,
            of: Some(of),
        } = row.stage
        {
            let bar = html.tag("progress").attr("max", &of.to_string());
            let label = frame.fill(Word::PageOf, &[&confirmed.to_string(), &of.to_string()]);
            bar.attr("value", &confirmed.to_string())
                .attr("aria-label", &label)
                .text("");
        }
    });
    if row.stage.goes_on() {
        frame.form(html, "/jobs/delete", "stop", |html| {
            html.hidden("job", &row.number.to_string());
            html.hidden("stop", "1");
            html.tag("button")
                .attr("class", "danger")
                .text(frame.say(Word::StopJob));
        });
    }
}

fn told(frame: &Frame, stage: &Stage) -> (Icon, &'static str, String) {
    let say = |word| frame.say(word).to_owned();
    match stage {
        Stage::Waits => (Icon::Wait, "plain", say(Word::Waits)),
        Stage::Prints { confirmed: 0, .. } => (Icon::Printer, "plain", say(Word::Sends)),
        Stage::Prints {
            confirmed,
            of: Some(of),
        } => {
            let text = frame.fill(Word::PageOf, &[&confirmed.to_string(), &of.to_string()]);
            (Icon::Printer, "plain", text)
        }
        Stage::Prints { confirmed, .. } => {
            let text = frame.fill(Word::PageNumber, &[&confirmed.to_string()]);
            (Icon::Printer, "plain", text)
        }
        Stage::Done {
            confirmed: Some(confirmed),
        } => {
            let text = match confirmed {
                1 => say(Word::DoneOnePage),
                _ => frame.fill(Word::DonePages, &[&confirmed.to_string()]),
            };
            (Icon::Done, "ok", text)
        }
        Stage::Done { confirmed: None } => (Icon::Done, "ok", say(Word::DoneGiven)),
        Stage::Halfway => (Icon::Care, "care", say(Word::StoppedHalfway)),
        Stage::Held => (Icon::Care, "care", say(Word::StillWaits)),
        Stage::Deleted => (Icon::Bin, "plain", say(Word::Deleted)),
        Stage::GivenUp => (Icon::Care, "stop", say(Word::GivenUp)),
    }
}
