// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What the rules look at, handed in.

use std::fmt;

use platen_model::{GroupRecord, Identity, Job, Method, Moment, Prices, PrinterName, RuleId};

use crate::quota::Balance;
use crate::rule::SiteRules;

/// Minutes of a day.
const DAY_MINUTES: i64 = 24 * 60;

static NO_RULES: SiteRules = SiteRules::NONE;

/// Everything that a decision depends on.
#[derive(Clone, Copy)]
pub struct Facts<'a> {
    /// Who wants the job.
    pub identity: &'a Identity,
    /// How they proved it.
    pub method: Method,
    /// Groups by name; those that the person is not in are passed over.
    pub groups: &'a [GroupRecord],
    /// The job.
    pub job: &'a Job,
    /// The printer it is to go to, as it is now.
    pub printer: &'a PrinterFacts,
    /// The time where the box stands; `None` while its clock is not trusted.
    pub now: Option<LocalTime>,
    /// Rules for which somebody agreed to the job as it is: these do not hold it any more.
    pub approved: &'a [RuleId],
    /// Whether a rule brought the job to this printer: no rule redirects it once more.
    pub redirected: bool,
    /// The site's rules.
    pub rules: &'a SiteRules,
    /// The site's price lists.
    pub prices: &'a [Prices],
    /// What is left of the quotas; those that do not cover the person are passed over.
    pub balances: &'a [Balance],
}

/// Without people, documents and rules, which have names.
impl fmt::Debug for Facts<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Facts")
            .field("user", &self.identity.user)
            .field("method", &self.method)
            .field("job", &self.job.id)
            .field("now", &self.now)
            .finish_non_exhaustive()
    }
}

impl<'a> Facts<'a> {
    /// The facts at a box without rules, prices and quotas, whose clock is not trusted.
    #[must_use]
    pub fn new(identity: &'a Identity, job: &'a Job, printer: &'a PrinterFacts) -> Self {
        Self {
            identity,
            method: Method::Card,
            groups: &[],
            job,
            printer,
            now: None,
            approved: &[],
            redirected: false,
            rules: &NO_RULES,
            prices: &[],
            balances: &[],
        }
    }
}

/// What the rules need to know about the target printer, as it is now.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct PrinterFacts {
    /// Its name in the configuration.
    pub name: PrinterName,
    /// Whether it can take a job now.
    pub ready: bool,
    /// MIME media types it takes, without parameters; empty means that it takes nothing.
    pub formats: Vec<String>,
    /// IPP `printer-state-reasons` keywords.
    pub reasons: Vec<String>,
    /// Whether it prints in colour.
    pub color: bool,
    /// Whether it prints on both sides.
    pub duplex: bool,
    /// MIME media types for which it can be told sides and colours besides the document.
    pub told: Vec<String>,
}

/// Weekday and time of day where the box stands.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct LocalTime {
    /// 0 for Monday to 6 for Sunday.
    pub weekday: u8,
    /// Minutes since midnight, 0 to 1439.
    pub minute: u16,
}

impl LocalTime {
    /// The local time at `moment`, `offset_minutes` ahead of UTC; `None` when the clock is not
    /// trusted: a rule with a time then does what it does when something is not known.
    #[must_use]
    pub fn at(moment: Moment, offset_minutes: i16) -> Option<Self> {
        let minutes = i64::try_from(moment.unix_ms / 60_000).ok()? + i64::from(offset_minutes);
        // 1970-01-01 was a Thursday.
        let weekday = (minutes.div_euclid(DAY_MINUTES) + 3).rem_euclid(7);
        let now = Self {
            weekday: u8::try_from(weekday).ok()?,
            minute: u16::try_from(minutes.rem_euclid(DAY_MINUTES)).ok()?,
        };
        moment.trusted.then_some(now)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn at(unix_ms: u64, offset_minutes: i16) -> Option<(u8, u16)> {
        let moment = Moment {
            unix_ms,
            elapsed: Duration::ZERO,
            trusted: true,
        };
        LocalTime::at(moment, offset_minutes).map(|now| (now.weekday, now.minute))
    }

    #[test]
    fn weekday_and_minute_follow_the_offset_over_midnight() {
        assert_eq!(at(0, 0), Some((3, 0)));
        assert_eq!(at(0, -1), Some((2, 1439)));
        // 2024-02-29 16:30 UTC, a Thursday; half past midnight on Friday in China.
        assert_eq!(at(1_709_224_200_000, 0), Some((3, 16 * 60 + 30)));
        assert_eq!(at(1_709_224_200_000, 480), Some((4, 30)));
        assert!(at(u64::MAX, i16::MAX).is_some());
    }

    #[test]
    fn a_clock_that_is_not_trusted_tells_no_time() {
        let moment = Moment {
            unix_ms: 1,
            elapsed: Duration::ZERO,
            trusted: false,
        };
        assert_eq!(LocalTime::at(moment, 0), None);
    }
}
