// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What all pages have around them: head, bar with the places to go, banner, title with its help,
//! and the few drawings that stand beside words.

use std::time::Duration;

use super::help::Topic;
use super::html::Html;
use super::visit::TOKEN_FIELD;
use super::words::{self, Word, fill, say};
use crate::config::Language;

/// After the log-out a page shows nothing of the person any more; a second more, so that the box
/// has ended the session for sure.
const AFTER_LOG_OUT: Duration = Duration::from_secs(1);

/// Which box this is, as people know it.
#[derive(Clone, Debug, Default)]
pub(super) struct BoxName {
    pub(super) name: String,
    pub(super) location: String,
}

/// Who is logged in, as the bar shows it.
#[derive(Clone, Debug)]
pub(super) struct Shown {
    pub(super) name: String,
    pub(super) left: Duration,
}

/// How old the centre's word is, where there should be one.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Offline {
    /// It could be asked last so many seconds ago.
    Since(u64),
    /// It never could.
    Never,
}

/// What a page needs besides its content.
pub(super) struct Frame {
    pub(super) language: Language,
    pub(super) title: Word,
    pub(super) topic: Topic,
    pub(super) place: BoxName,
    pub(super) person: Option<Shown>,
    pub(super) offline: Option<Offline>,
    /// Against forged requests.
    pub(super) token: String,
    /// This page in the other language.
    pub(super) other_language: String,
    /// Browsers without script look again after so many seconds, there.
    pub(super) again: Option<(u32, String)>,
}

impl Frame {
    /// A word in the page's language.
    pub(super) fn say(&self, word: Word) -> &'static str {
        say(self.language, word)
    }

    /// A word with its places filled.
    pub(super) fn fill(&self, word: Word, parts: &[&str]) -> String {
        fill(self.language, word, parts)
    }

    /// A form that posts to a page of ours, with its token.
    pub(super) fn form(
        &self,
        html: &mut Html,
        action: &str,
        class: &str,
        inner: impl FnOnce(&mut Html),
    ) {
        let form = html.tag("form").attr("method", "post");
        form.attr("action", action)
            .attr("class", class)
            .inner(|html| {
                html.hidden(TOKEN_FIELD, &self.token);
                inner(html);
            });
    }

    /// The whole page around `inner`.
    pub(super) fn page(&self, inner: impl FnOnce(&mut Html)) -> Html {
        let mut html = Html::document();
        let root = html.tag("html").attr("lang", lang(self.language));
        root.inner(|html| {
            html.tag("head").inner(|html| self.head(html));
            html.tag("body").inner(|html| {
                let skip = html.tag("a").attr("class", "skip");
                skip.attr("href", "#content")
                    .text(self.say(Word::SkipToContent));
                self.bar(html);
                html.tag("main").attr("id", "content").inner(|html| {
                    self.banner(html);
                    self.title(html);
                    inner(html);
                });
            });
        });
        html
    }

    fn head(&self, html: &mut Html) {
        head(html, self.say(self.title));
        if let Some(person) = &self.person {
            let seconds = (person.left + AFTER_LOG_OUT).as_secs();
            refresh(html, seconds, "/login?idle=1");
        }
        if let Some((seconds, place)) = &self.again {
            html.tag("noscript")
                .inner(|html| refresh(html, u64::from(*seconds), place));
        }
    }

    fn bar(&self, html: &mut Html) {
        html.part("header", "bar", |html| {
            let brand = html.tag("a").attr("class", "brand").attr("href", "/");
            brand.inner(|html| {
                icon(html, Icon::Page);
                html.tag("b").text(self.say(Word::Product));
                html.tag("span").text(&self.place.name);
            });
            if let Some(person) = &self.person {
                self.person(html, person);
            }
            let other = html.tag("a").attr("class", "language");
            let language = words::other(self.language);
            other
                .attr("href", &self.other_language)
                .attr("lang", lang(language))
                .attr("hreflang", lang(language))
                .text(self.say(Word::OtherLanguage));
            if self.person.is_some() {
                self.places(html);
            }
        });
    }

    fn person(&self, html: &mut Html, person: &Shown) {
        html.part("div", "person", |html| {
            html.tag("span").attr("class", "name").text(&person.name);
            let clock = html.tag("span").attr("class", "clock");
            let clock = clock.attr("data-left", &person.left.as_secs().to_string());
            clock
                .attr("data-text", self.say(Word::LogOutIn))
                .flag("hidden", true)
                .text("");
            self.form(html, "/logout", "logout", |html| {
                html.tag("button").text(self.say(Word::LogOut));
            });
        });
    }

    fn places(&self, html: &mut Html) {
        html.tag("nav").inner(|html| {
            for (link, word) in [
                ("/jobs", Word::MyJobs),
                ("/account", Word::Account),
                ("/help", Word::Help),
            ] {
                let place = html.tag("a").attr("href", link);
                let of_jobs = self.title != Word::Help && self.topic.is_of_jobs();
                let here = word == self.title || (word == Word::MyJobs && of_jobs);
                let place = if here {
                    place.attr("aria-current", "page")
                } else {
                    place
                };
                place.text(self.say(word));
            }
        });
    }

    fn banner(&self, html: &mut Html) {
        let text = match self.offline {
            None => return,
            Some(Offline::Never) => self.say(Word::OfflineNever).to_owned(),
            Some(Offline::Since(seconds)) => {
                self.fill(Word::OfflineFor, &[&words::ago(self.language, seconds)])
            }
        };
        note(html, Icon::Offline, "banner care", &text);
    }

    fn title(&self, html: &mut Html) {
        html.part("div", "title", |html| {
            html.tag("h1").text(self.say(self.title));
            let help = html.tag("a").attr("class", "help");
            help.attr("href", &self.topic.link())
                .attr("title", self.say(Word::HelpHere))
                .attr("aria-label", self.say(Word::HelpHere))
                .text("?");
        });
    }
}

/// What stands in every page's head.
pub(super) fn head(html: &mut Html, title: &str) {
    html.tag("meta").attr("charset", "utf-8").void();
    html.tag("title").text(&format!("{title} · Platen"));
    for (name, content) in [
        ("viewport", "width=device-width, initial-scale=1"),
        ("color-scheme", "light dark"),
        ("robots", "noindex"),
    ] {
        let meta = html.tag("meta").attr("name", name);
        meta.attr("content", content).void();
    }
    for (kind, file) in [("stylesheet", "/style.css"), ("icon", "/icon.svg")] {
        html.tag("link").attr("rel", kind).attr("href", file).void();
    }
    let script = html.tag("script").attr("src", "/live.js");
    script.flag("defer", true).text("");
}

/// Looks at `place` after `seconds`, also without script.
pub(super) fn refresh(html: &mut Html, seconds: u64, place: &str) {
    let meta = html.tag("meta").attr("http-equiv", "refresh");
    meta.attr("content", &format!("{seconds};url={place}"))
        .void();
}

/// The tag of a language in markup; browsers choose the forms of Chinese characters by it.
pub(super) fn lang(language: Language) -> &'static str {
    match language {
        Language::En => "en",
        Language::Zh => "zh-Hans",
    }
}

/// A sentence that stands out, with its drawing: `kind` is `ok`, `care` or `stop`, or several.
pub(super) fn note(html: &mut Html, drawing: Icon, kind: &str, text: &str) {
    let note = html.tag("p").attr("class", &format!("note {kind}"));
    note.attr("role", "status").inner(|html| {
        icon(html, drawing);
        html.tag("span").text(text);
    });
}

/// A drawing beside a word. Never alone.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Icon {
    Page,
    Printer,
    Done,
    Care,
    Wait,
    Bin,
    Offline,
    Phone,
}

impl Icon {
    /// Lines in a square of 24, drawn 2 wide.
    fn path(self) -> &'static str {
        match self {
            Self::Page => "M6 3h8l4 4v14H6zM14 3v4h4M9 12h6M9 16h6",
            Self::Printer => "M7 8V3h10v5M7 17H4V8h16v9h-3M7 14h10v7H7z",
            Self::Done => "M4 12.5l5 5L20 6.5",
            Self::Care => "M12 4L2.5 20h19zM12 10v4.5M12 17.2v.3",
            Self::Wait => "M12 3a9 9 0 1 0 .01 0M12 7.5V12l3 2",
            Self::Bin => "M4 7h16M9.5 7V4h5v3M6.5 7l1 13h9l1-13M10.5 11v5M13.5 11v5",
            Self::Offline => {
                "M4 4l16 16M8.5 8.7A8 8 0 0 0 4.5 11M12.5 8a8 8 0 0 1 7 3M9 14.5a4.3 4.3 0 0 1 5 0M12 18.2v.3"
            }
            Self::Phone => "M7 2.5h10v19H7zM11 18.5h2",
        }
    }
}

/// Writes a drawing; screen readers pass over it.
pub(super) fn icon(html: &mut Html, icon: Icon) {
    let drawing = html.tag("svg").attr("class", "icon");
    drawing
        .attr("viewBox", "0 0 24 24")
        .attr("aria-hidden", "true")
        .inner(|html| {
            html.tag("path").attr("d", icon.path()).text("");
        });
}

/// Thousandths of a currency as people write them.
pub(super) fn money(thousandths: u64, currency: &str) -> String {
    let (whole, rest) = (thousandths / 1000, thousandths % 1000);
    let figure = if rest.is_multiple_of(10) {
        format!("{whole}.{:02}", rest / 10)
    } else {
        format!("{whole}.{rest:03}")
    };
    match currency {
        "CNY" => format!("¥{figure}"),
        "EUR" => format!("€{figure}"),
        "USD" => format!("${figure}"),
        "GBP" => format!("£{figure}"),
        other => format!("{other} {figure}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn money_has_two_places_and_a_third_where_it_counts() {
        assert_eq!(money(2400, "CNY"), "¥2.40");
        assert_eq!(money(5, "EUR"), "€0.005");
        assert_eq!(money(1_050, "CHF"), "CHF 1.05");
    }
}
