// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Whether a rule fits a job. Three answers: what the box can't know (pages that nobody could
//! count, the time without a trusted clock) is neither yes nor no.

use platen_model::{GroupRecord, Identity, Prices, RuleId, Sides, Source};

use super::{Action, Aspect, Condition, Figure, Name, Rule, Span, Test, Who};
use crate::check::bare_media_type;
use crate::facts::{Facts, LocalTime};
use crate::price::cost_of_work;
use crate::work::Work;

/// Whether a rule fits.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Fit {
    Yes,
    /// The part of the rule that does not fit, for an explanation.
    No(&'static str),
    Unknown(Unknown),
}

/// What is not known.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Unknown {
    Count,
    Clock,
}

impl Rule {
    /// Looks at every part: one that does not fit beats one that is not known. `id` is the rule's own.
    pub(crate) fn fits(
        &self,
        id: RuleId,
        facts: &Facts<'_>,
        work: &Work,
        list: Option<&Prices>,
    ) -> Fit {
        let first = [
            known(self.is_about(id, facts, work), "what it is about"),
            known(self.is_for(facts), "whose jobs"),
            known(self.is_at(facts), "which printer"),
            self.time(facts.now),
        ];
        let conditions = self
            .when
            .iter()
            .map(|condition| condition.fits(facts, work, list));
        let mut fit = Fit::Yes;
        for part in first.into_iter().chain(conditions) {
            match part {
                Fit::No(_) => return part,
                Fit::Unknown(_) if fit == Fit::Yes => fit = part,
                Fit::Unknown(_) | Fit::Yes => {}
            }
        }
        fit
    }

    fn is_about(&self, id: RuleId, facts: &Facts<'_>, work: &Work) -> bool {
        match &self.action {
            Action::Allow(aspect) | Action::Deny(aspect) => match aspect {
                Aspect::Print => true,
                Aspect::Color => work.color,
                Aspect::Copies => work.copies > 1,
                Aspect::Duplex => work.sides != Sides::OneSided,
            },
            Action::Hold => !facts.approved.contains(&id),
            Action::Redirect(printer) => !facts.redirected && *printer != facts.printer.name,
            Action::Force(_) | Action::LimitCopies(_) => true,
        }
    }

    fn is_for(&self, facts: &Facts<'_>) -> bool {
        let Some(Who { of, except }) = &self.who else {
            return true;
        };
        let named = |names: &[Name]| {
            let mut names = names.iter();
            names.any(|name| name.names(facts.identity, facts.groups))
        };
        (of.is_empty() || named(of)) && !named(except)
    }

    fn is_at(&self, facts: &Facts<'_>) -> bool {
        self.at.is_empty() || self.at.contains(&facts.printer.name)
    }

    fn time(&self, now: Option<LocalTime>) -> Fit {
        if self.between.is_none() && self.on.is_none() {
            return Fit::Yes;
        }
        let Some(now) = now else {
            return Fit::Unknown(Unknown::Clock);
        };
        let in_span = self.between.is_none_or(|span| span.holds(now.minute));
        let on_day = self.on.is_none_or(|days| days.has(now.weekday.into()));
        known(in_span && on_day, "the time")
    }
}

impl Span {
    fn holds(self, minute: u16) -> bool {
        if self.from < self.until {
            (self.from..self.until).contains(&minute)
        } else {
            minute >= self.from || minute < self.until
        }
    }
}

impl Name {
    fn names(&self, person: &Identity, groups: &[GroupRecord]) -> bool {
        match self {
            Self::User(name) => same(name, &person.name) || same(name, &person.user.to_string()),
            Self::Group(name) => {
                let by_id = |id| same(name, &format!("{id}"));
                let by_name = |group: &&GroupRecord| same(name, &group.name);
                person.groups.iter().any(by_id)
                    || groups
                        .iter()
                        .filter(by_name)
                        .any(|group| person.groups.contains(&group.id))
            }
        }
    }
}

/// Upper and lower case make no difference in names.
fn same(one: &str, other: &str) -> bool {
    let lower = |text: &str| {
        text.chars()
            .flat_map(char::to_lowercase)
            .collect::<Vec<_>>()
    };
    one == other || lower(one) == lower(other)
}

impl Condition {
    fn fits(&self, facts: &Facts<'_>, work: &Work, list: Option<&Prices>) -> Fit {
        let answer = match &self.test {
            Test::Compare(figure, operator, value) => match figure.of(work, list) {
                Some(figure) => operator.holds(figure, *value),
                None => return Fit::Unknown(Unknown::Count),
            },
            Test::Format(format) => is_of_type(&facts.job.format, format),
            Test::Login(method) => facts.method == *method,
            Test::Color => work.color,
            Test::Mono => !work.color,
            Test::Duplex => work.sides != Sides::OneSided,
            Test::Simplex => work.sides == Sides::OneSided,
            Test::Provisional => facts.identity.provisional,
            Test::Offline => matches!(facts.identity.source, Source::Cached { .. }),
        };
        known(answer != self.not, "a condition")
    }
}

impl Figure {
    /// Without prices in force a job costs nothing.
    fn of(self, work: &Work, list: Option<&Prices>) -> Option<u64> {
        match self {
            Self::Copies => Some(work.copies.into()),
            Self::Pages => work.pages.map(u64::from),
            Self::Sides => work.impressions(),
            Self::Sheets => work.media_sheets(),
            Self::Cost if list.is_none() => Some(0),
            Self::Cost => cost_of_work(list, work).map(|cost| cost.amount),
        }
    }
}

fn known(fits: bool, part: &'static str) -> Fit {
    if fits { Fit::Yes } else { Fit::No(part) }
}

fn is_of_type(format: &str, wanted: &str) -> bool {
    let format = bare_media_type(format);
    match wanted.strip_suffix("/*") {
        Some(kind) => format.split('/').next() == Some(kind),
        None => format == wanted,
    }
}
