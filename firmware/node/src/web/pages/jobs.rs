// SPDX-License-Identifier: Apache-2.0 OR MIT
//! My jobs, and the question before some of them are deleted.

use crate::web::html::Html;
use crate::web::page::{Frame, Icon, icon, note};
use crate::web::view::{JobRow, PrinterRow, printers};
use crate::web::words::{self, Word};

/// What the page shows.
pub(in crate::web) struct Jobs {
    pub(in crate::web) rows: Vec<JobRow>,
    pub(in crate::web) printers: Vec<PrinterRow>,
    /// What the last form led to: good or not, and the sentence.
    pub(in crate::web) told: Option<(bool, String)>,
    /// There are more jobs than are shown.
    pub(in crate::web) cut: bool,
    /// What people print to.
    pub(in crate::web) queue: String,
}

/// The page.
pub(in crate::web) fn page(frame: &Frame, jobs: &Jobs) -> Html {
    let state = printers(frame, &jobs.printers);
    frame.page(|html| {
        html.append(state);
        match &jobs.told {
            Some((true, text)) => note(html, Icon::Done, "ok", text),
            Some((false, text)) => note(html, Icon::Care, "care", text),
            None => {}
        }
        if jobs.rows.is_empty() {
            return empty(frame, jobs, html);
        }
        if jobs.cut {
            let text = frame.fill(Word::TooMany, &[&jobs.rows.len().to_string()]);
            note(html, Icon::Page, "care", &text);
        }
        frame.form(html, "/jobs", "list", |html| {
            html.part("ul", "rows", |html| {
                for row in &jobs.rows {
                    html.tag("li").inner(|html| waiting(frame, row, html));
                }
            });
            html.part("div", "dock", |html| dock(frame, jobs, html));
        });
    })
}

fn empty(frame: &Frame, jobs: &Jobs, html: &mut Html) {
    html.part("div", "empty sheet", |html| {
        icon(html, Icon::Page);
        html.tag("h2").text(frame.say(Word::NoJobs));
        html.tag("p")
            .text(&frame.fill(Word::NoJobsLead, &[&jobs.queue]));
    });
}

fn waiting(frame: &Frame, row: &JobRow, html: &mut Html) {
    let number = row.number.to_string();
    let title = row.title(frame.language);
    let id = format!("job-{number}");
    let tick = html.tag("input").attr("type", "checkbox");
    tick.attr("name", "job")
        .attr("value", &number)
        .attr("id", &id)
        .attr("data-pages", &row.pages.unwrap_or(0).to_string())
        .flag("checked", !row.interrupted && !row.on_hold)
        .void();
    let label = html.tag("label").attr("for", &id);
    label.inner(|html| {
        html.tag("b").attr("title", title).text(title);
        let age = words::ago(frame.language, row.age_s);
        let details = format!("{} · {age}", row.details(frame.language));
        html.tag("span").text(&details);
        if row.interrupted {
            care(html, frame.say(Word::Interrupted));
        }
        if row.on_hold {
            care(html, frame.say(Word::OnHold));
        }
    });
    if let Some(price) = &row.price {
        html.tag("span").attr("class", "price").text(price);
    }
    let change = html.tag("a").attr("href", &format!("/jobs/{number}"));
    change
        .attr("class", "change")
        .attr("aria-label", &frame.fill(Word::ChangeOf, &[title]))
        .text(frame.say(Word::Change));
}

fn care(html: &mut Html, text: &str) {
    html.part("span", "care", |html| {
        icon(html, Icon::Care);
        html.text(text);
    });
}

fn dock(frame: &Frame, jobs: &Jobs, html: &mut Html) {
    match jobs.printers.as_slice() {
        [] => {}
        [one] => html.hidden("printer", &one.name),
        several => {
            html.tag("label")
                .attr("for", "printer")
                .text(frame.say(Word::PrintTo));
            let choice = html.tag("select").attr("id", "printer");
            choice.attr("name", "printer").inner(|html| {
                for printer in several {
                    let option = html.tag("option").attr("value", &printer.name);
                    option.text(&printer.name);
                }
            });
        }
    }
    // The first button of a form is the one that Enter presses.
    let print = html.tag("button").attr("class", "primary");
    print
        .attr("name", "do")
        .attr("value", "release")
        .attr("data-sum", frame.say(Word::PrintSum))
        .attr("data-sum-job", frame.say(Word::PrintOneJob))
        .attr("data-sum-page", frame.say(Word::PrintOnePage))
        .text(frame.say(Word::PrintSelected));
    let delete = html.tag("button").attr("class", "danger");
    delete
        .attr("name", "do")
        .attr("value", "delete")
        .inner(|html| {
            icon(html, Icon::Bin);
            html.text(frame.say(Word::DeleteSelected));
        });
}

/// Asks before jobs are erased.
pub(in crate::web) fn delete(frame: &Frame, rows: &[JobRow]) -> Html {
    frame.page(|html| {
        html.tag("p")
            .attr("class", "lead")
            .text(frame.say(Word::DeleteLead));
        frame.form(html, "/jobs/delete", "narrow", |html| {
            html.part("ul", "rows", |html| {
                for row in rows {
                    html.tag("li").inner(|html| {
                        html.hidden("job", &row.number.to_string());
                        html.part("div", "label", |html| {
                            html.tag("b").text(row.title(frame.language));
                            html.tag("span").text(&row.details(frame.language));
                        });
                    });
                }
            });
            html.part("div", "actions", |html| {
                let delete = html.tag("button").attr("class", "danger strong");
                delete.inner(|html| {
                    icon(html, Icon::Bin);
                    html.text(frame.say(Word::DeleteNow));
                });
                let keep = html.tag("a").attr("class", "button").attr("href", "/jobs");
                keep.text(frame.say(Word::Keep));
            });
        });
    })
}
