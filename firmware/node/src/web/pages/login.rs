// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Logging in: name and secret, or a one-time code.

use crate::web::html::Html;
use crate::web::page::{Frame, Icon, note};
use crate::web::words::Word;

/// Longest name, secret or code that the fields take.
const FIELD_MAX: &str = "255";

/// What the page says before its fields.
#[derive(Clone, Debug, Default)]
pub(in crate::web) struct Login {
    /// What happened: a refusal, or that somebody was logged out.
    pub(in crate::web) told: Option<(Kind, String)>,
    /// The name that was typed; a secret is never shown again.
    pub(in crate::web) name: String,
    /// Whether the panel's code comes next.
    pub(in crate::web) phone: bool,
    /// Nobody can log in: the box is of no site.
    pub(in crate::web) closed: bool,
}

/// How a message is meant.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(in crate::web) enum Kind {
    Good,
    Bad,
}

/// The page.
pub(in crate::web) fn page(frame: &Frame, login: &Login) -> Html {
    frame.page(|html| {
        if login.closed {
            note(html, Icon::Care, "care", frame.say(Word::NoSite));
            html.tag("p")
                .attr("class", "lead")
                .text(frame.say(Word::NoSiteLead));
            return;
        }
        let lead = match login.phone {
            true => Word::PhoneFirst,
            false => Word::LogInLead,
        };
        html.tag("p").attr("class", "lead").text(frame.say(lead));
        if let Some((kind, text)) = &login.told {
            match kind {
                Kind::Good => note(html, Icon::Done, "ok", text),
                Kind::Bad => note(html, Icon::Care, "stop", text),
            }
        }
        html.part("div", "narrow", |html| {
            frame.form(html, "/login", "sheet", |html| {
                by_secret(frame, login, html)
            });
            let code = html.tag("details").attr("class", "sheet");
            code.inner(|html| {
                html.tag("summary").text(frame.say(Word::CodeTitle));
                frame.form(html, "/login", "", |html| by_code(frame, html));
            });
            html.tag("p")
                .attr("class", "soft")
                .text(frame.say(Word::NoPinYet));
        });
    })
}

fn by_secret(frame: &Frame, login: &Login, html: &mut Html) {
    field(frame, html, Word::NameLabel, Word::NameHint, |html| {
        let input = html.tag("input").attr("id", "name").attr("name", "name");
        input
            .attr("value", &login.name)
            .attr("autocomplete", "username")
            .attr("autocapitalize", "none")
            .attr("spellcheck", "false")
            .attr("maxlength", FIELD_MAX)
            .attr("aria-describedby", "name-hint")
            .flag("required", true)
            .flag("autofocus", login.name.is_empty())
            .void();
    });
    html.part("div", "field", |html| {
        let label = html.tag("label").attr("for", "secret");
        label.text(frame.say(Word::SecretLabel));
        let input = html.tag("input").attr("id", "secret");
        input
            .attr("name", "secret")
            .attr("type", "password")
            .attr("autocomplete", "current-password")
            .attr("maxlength", FIELD_MAX)
            .flag("required", true)
            .flag("autofocus", !login.name.is_empty())
            .void();
    });
    html.tag("button")
        .attr("class", "primary")
        .text(frame.say(Word::LogIn));
}

fn by_code(frame: &Frame, html: &mut Html) {
    html.part("div", "field", |html| {
        let label = html.tag("label").attr("for", "code");
        label.text(frame.say(Word::CodeLabel));
        let input = html.tag("input").attr("id", "code").attr("name", "code");
        input
            .attr("autocomplete", "one-time-code")
            .attr("autocapitalize", "characters")
            .attr("spellcheck", "false")
            .attr("maxlength", FIELD_MAX)
            .attr("aria-describedby", "code-hint")
            .flag("required", true)
            .void();
        let hint = html.tag("p").attr("class", "hint").attr("id", "code-hint");
        hint.text(frame.say(Word::CodeHint));
    });
    html.tag("button").text(frame.say(Word::LogInWithCode));
}

fn field(frame: &Frame, html: &mut Html, label: Word, hint: Word, input: impl FnOnce(&mut Html)) {
    html.part("div", "field", |html| {
        html.tag("label").attr("for", "name").text(frame.say(label));
        input(html);
        let text = html.tag("p").attr("class", "hint").attr("id", "name-hint");
        text.text(frame.say(hint));
    });
}
