// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The manual's pages that `?` opens, one a topic, English and Chinese. Their texts are files beside
//! this one: the first line is the title, `## ` begins a section, `- ` an item, anything else a
//! paragraph; blank lines part them.

use super::html::Html;
use super::page::Frame;
use super::words::Word;
use crate::config::Language;

/// What help there is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Topic {
    LogIn,
    Jobs,
    Options,
    Delete,
    Progress,
    Account,
    Phone,
    Trouble,
}

impl Topic {
    /// Every topic, in the order that the manual lists them.
    pub(super) const ALL: [Self; 8] = [
        Self::LogIn,
        Self::Jobs,
        Self::Options,
        Self::Delete,
        Self::Progress,
        Self::Account,
        Self::Phone,
        Self::Trouble,
    ];

    /// Its word in the address.
    pub(super) fn keyword(self) -> &'static str {
        match self {
            Self::LogIn => "login",
            Self::Jobs => "jobs",
            Self::Options => "options",
            Self::Delete => "delete",
            Self::Progress => "progress",
            Self::Account => "account",
            Self::Phone => "phone",
            Self::Trouble => "trouble",
        }
    }

    /// The topic of a word in the address.
    pub(super) fn find(keyword: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|topic| topic.keyword() == keyword)
    }

    /// Address of its page.
    pub(super) fn link(self) -> String {
        format!("/help/{}", self.keyword())
    }

    /// Whether its page is one of those below "my jobs".
    pub(super) fn is_of_jobs(self) -> bool {
        matches!(
            self,
            Self::Jobs | Self::Options | Self::Delete | Self::Progress
        )
    }

    fn text(self, language: Language) -> &'static str {
        match (self, language) {
            (Self::LogIn, Language::En) => include_str!("help/login.en.txt"),
            (Self::LogIn, Language::Zh) => include_str!("help/login.zh.txt"),
            (Self::Jobs, Language::En) => include_str!("help/jobs.en.txt"),
            (Self::Jobs, Language::Zh) => include_str!("help/jobs.zh.txt"),
            (Self::Options, Language::En) => include_str!("help/options.en.txt"),
            (Self::Options, Language::Zh) => include_str!("help/options.zh.txt"),
            (Self::Delete, Language::En) => include_str!("help/delete.en.txt"),
            (Self::Delete, Language::Zh) => include_str!("help/delete.zh.txt"),
            (Self::Progress, Language::En) => include_str!("help/progress.en.txt"),
            (Self::Progress, Language::Zh) => include_str!("help/progress.zh.txt"),
            (Self::Account, Language::En) => include_str!("help/account.en.txt"),
            (Self::Account, Language::Zh) => include_str!("help/account.zh.txt"),
            (Self::Phone, Language::En) => include_str!("help/phone.en.txt"),
            (Self::Phone, Language::Zh) => include_str!("help/phone.zh.txt"),
            (Self::Trouble, Language::En) => include_str!("help/trouble.en.txt"),
            (Self::Trouble, Language::Zh) => include_str!("help/trouble.zh.txt"),
        }
    }

    fn title(self, language: Language) -> &'static str {
        self.text(language).lines().next().unwrap_or_default()
    }
}

/// The manual: a topic, or the first page, and the list of all topics.
pub(super) fn page(frame: &Frame, topic: Option<Topic>) -> Html {
    frame.page(|html| {
        html.part("div", "manual", |html| {
            html.part("article", "sheet", |html| {
                show(html, topic.unwrap_or(Topic::LogIn).text(frame.language));
            });
            let list = html.tag("nav").attr("class", "topics");
            list.attr("aria-label", frame.say(Word::Help))
                .inner(|html| {
                    for other in Topic::ALL {
                        let link = html.tag("a").attr("href", &other.link());
                        let link = match Some(other) == topic.or(Some(Topic::LogIn)) {
                            true => link.attr("aria-current", "page"),
                            false => link,
                        };
                        link.text(other.title(frame.language));
                    }
                });
        });
    })
}

fn show(html: &mut Html, text: &str) {
    let mut lines = text.lines();
    html.tag("h2").text(lines.next().unwrap_or_default());
    let rest: Vec<&str> = lines.collect();
    for block in rest.split(|line| line.trim().is_empty()) {
        match block {
            [] => {}
            [line] if line.starts_with("## ") => {
                html.tag("h3").text(line.trim_start_matches("## "));
            }
            items if items.iter().all(|line| line.starts_with("- ")) => {
                html.tag("ul").inner(|html| {
                    for item in items {
                        html.tag("li").text(item.trim_start_matches("- "));
                    }
                });
            }
            lines => html.tag("p").text(&lines.join(" ")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_topic_has_a_page_in_both_languages_with_the_same_sections() {
        for topic in Topic::ALL {
            let sections = |language| topic.text(language).matches("\n## ").count();
            assert_eq!(sections(Language::En), sections(Language::Zh), "{topic:?}");
            for language in [Language::En, Language::Zh] {
                let mut html = Html::default();
                show(&mut html, topic.text(language));
                let page = html.into_string();
                assert!(page.len() > 200, "{topic:?} {language:?}");
                assert!(!page.contains("## ") && !page.contains("<p>- "), "{page}");
            }
            let chinese = topic.title(Language::Zh).chars();
            assert!(chinese.clone().any(|c| c >= '\u{4e00}'), "{topic:?}");
            assert_eq!(Topic::find(topic.keyword()), Some(topic));
        }
    }
}
