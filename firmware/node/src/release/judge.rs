// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Decides on one job by rules, prices and quotas, and sets aside what it may take. What a job came to
//! in the end is worked out here too, so that both are worked out alike.

use std::sync::Arc;

use platen_ledger::{Cost, Purse, ReserveError};
use platen_model::{
    Clock, ColorMode, Covers, Decision, Identity, Job, JobId, JobOptions, Method, OwnerKey,
    PageCount, PrinterName, Reason, Share, Sides, Source, Step, UserId,
};
use platen_policy::{
    Balance, Explanation, Facts, LocalTime, PrinterFacts, Room, Work, amount, cost_of_count,
    covers, list_in_force,
};
use uuid::Uuid;

use super::approvals::Approvals;
use super::site::{Site, SiteTerms};
use crate::config::UnknownOwner;

/// Quotas may change between the decision and the reservation; then it is decided on anew.
const TRIES: u32 = 4;

/// What a job goes to its printer with.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Grant {
    pub(crate) job: JobId,
    /// Who is charged; `None` for a push job of somebody unknown.
    pub(crate) user: Option<UserId>,
    /// What the printer is told, the rules' changes included.
    pub(crate) options: JobOptions,
    /// Whether sides may come out in colour.
    pub(crate) color: bool,
    /// What is set aside for it.
    pub(crate) shares: Vec<Share>,
}

/// A decision, carried out as far as the purse goes.
#[derive(Debug)]
pub(crate) enum Verdict {
    /// It may go.
    Go(Grant),
    /// It belongs to another printer.
    Elsewhere(PrinterName),
    /// It waits.
    Waits(Reason),
}

/// A verdict and what rules want the person to be told.
#[derive(Debug)]
pub(crate) struct Judged {
    pub(crate) verdict: Verdict,
    pub(crate) says: Vec<String>,
}

/// Who wants which job where.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Case<'a> {
    pub(crate) identity: &'a Identity,
    pub(crate) method: Method,
    pub(crate) job: &'a Job,
    pub(crate) printer: &'a PrinterFacts,
    /// Whether a rule brought it to this printer.
    pub(crate) redirected: bool,
}

/// Decides for the whole box.
pub(crate) struct Judge {
    pub(crate) site: Arc<dyn Site>,
    pub(crate) purse: Arc<Purse>,
    pub(crate) approvals: Approvals,
    pub(crate) clock: Arc<dyn Clock>,
    /// Minutes by which local time is ahead of UTC.
    pub(crate) utc_offset_minutes: i16,
    /// What becomes of push jobs under a name that is nobody's.
    pub(crate) unknown_owner: UnknownOwner,
}

impl Judge {
    pub(crate) fn terms(&self) -> Arc<SiteTerms> {
        self.site.terms()
    }

    /// Decides, and sets aside what the job may take of quotas.
    pub(crate) fn judge(&self, case: Case<'_>) -> Judged {
        let terms = self.terms();
        let mut ruling = self.explain_by(&terms, case).ruling;
        for _ in 0..TRIES {
            for short in &ruling.short {
                self.purse.miss(short.quota, short.user, short.amount);
            }
            let verdict = match ruling.decision {
                Decision::Allow { steps, shares, .. } => {
                    match self.purse.reserve(case.job.id, &shares) {
                        Ok(()) => Verdict::Go(grant(case, &steps, shares)),
                        // Somebody else is releasing it.
                        Err(ReserveError::Reserved) => Verdict::Waits(Reason::NotReleasable),
                        Err(_) => {
                            ruling = self.explain_by(&terms, case).ruling;
                            continue;
                        }
                    }
                }
                Decision::Redirect { printer } => Verdict::Elsewhere(printer),
                Decision::Hold { rule } => {
                    let now = self.clock.now().unix_ms;
                    self.approvals.ask(case.job, rule, now);
                    Verdict::Waits(Reason::NeedsApproval)
                }
                Decision::Deny(reason) => Verdict::Waits(reason),
            };
            let says = ruling.says;
            return Judged { verdict, says };
        }
        // Others were faster every time.
        Judged {
            verdict: Verdict::Waits(Reason::QuotaSpent),
            says: Vec::new(),
        }
    }

    /// Decides on a push job, whose owner does not stand at the box: a name of the directory is
    /// taken for the person, and counts as a login with a password.
    pub(crate) fn judge_push(&self, job: &Job, printer: &PrinterFacts) -> Judged {
        if !self.site.has_terms() {
            log::warn!(job:% = job.number; "the site's rules have not come yet: push jobs wait for their owners");
            return Judged {
                verdict: Verdict::Waits(Reason::NoPermission),
                says: Vec::new(),
            };
        }
        let owner = self.site.owner_of(job);
        let is_known = owner.is_some();
        let identity = owner.unwrap_or_else(|| nobody(job.owner.key));
        if !is_known && self.refuses_unknown() {
            return Judged {
                verdict: Verdict::Waits(Reason::NoPermission),
                says: Vec::new(),
            };
        }
        let waiting = as_waiting(job);
        let mut judged = self.judge(Case {
            identity: &identity,
            method: Method::Password,
            job: &waiting,
            printer,
            redirected: false,
        });
        if let Verdict::Go(grant) = &mut judged.verdict
            && !is_known
        {
            grant.user = None;
        }
        judged
    }

    /// The decision, question by question. Sets nothing aside.
    pub(crate) fn explain(&self, case: Case<'_>) -> Explanation {
        self.explain_by(&self.terms(), case)
    }

    fn explain_by(&self, terms: &SiteTerms, case: Case<'_>) -> Explanation {
        let balances = self.balances(terms, case.identity);
        let approved = self.approvals.given(case.job);
        platen_policy::explain(&Facts {
            identity: case.identity,
            method: case.method,
            groups: &terms.groups,
            job: case.job,
            printer: case.printer,
            now: LocalTime::at(self.clock.now(), self.utc_offset_minutes),
            approved: &approved,
            redirected: case.redirected,
            rules: &terms.rules,
            prices: &terms.prices,
            balances: &balances,
        })
    }

    /// Quotas that cover the person, with what this box may still spend of them.
    pub(crate) fn balances(&self, terms: &SiteTerms, person: &Identity) -> Vec<Balance> {
        let covering = terms.quotas.iter().filter(|quota| covers(quota, person));
        let balance = |quota: &platen_model::Quota| {
            let own = matches!(quota.covers, Covers::EachOf(_)).then_some(person.user);
            let rooms = self.purse.rooms(quota.id, own).into_iter();
            Balance {
                quota: quota.clone(),
                rooms: rooms.map(|(lease, left)| Room { lease, left }).collect(),
            }
        };
        covering.map(balance).collect()
    }

    /// What a job takes that ended half-way, and what that part costs: of what was set aside for it as much
    /// as was handed over (`part` bytes of `whole`).
    pub(crate) fn bill_part(
        &self,
        grant: &Grant,
        printer: &PrinterName,
        printed: &PageCount,
        (part, whole): (u64, u64),
    ) -> (Vec<Share>, Option<Cost>) {
        let cost = cost_of_count(&self.terms().prices, printer, grant.color, printed);
        let spent = |quota| {
            let own = grant.shares.iter().filter(|share| share.quota == quota);
            let set_aside = own.fold(0_u64, |sum, share| sum.saturating_add(share.amount));
            Some(part_of(set_aside, part, whole))
        };
        (platen_policy::settle(&grant.shares, spent), cost)
    }

    /// What a printed job takes of its quotas and what it costs, by what it came to.
    pub(crate) fn bill(
        &self,
        grant: &Grant,
        printer: &PrinterName,
        printed: &PageCount,
    ) -> (Vec<Share>, Option<Cost>) {
        let terms = self.terms();
        let cost = cost_of_count(&terms.prices, printer, grant.color, printed);
        let is_priced = list_in_force(&terms.prices, printer).is_some();
        let spent = |quota| {
            let quota = terms.quotas.iter().find(|known| known.id == quota)?;
            let impressions = printed.impressions.map(u64::from);
            amount(quota.unit, impressions, cost, is_priced)
        };
        (platen_policy::settle(&grant.shares, spent), cost)
    }

    /// Whether the centre can't be reached: more of a quota may be there.
    pub(crate) fn is_away(&self) -> bool {
        matches!(self.site.source(), Source::Cached { .. })
    }

    fn refuses_unknown(&self) -> bool {
        match self.unknown_owner {
            UnknownOwner::Print => false,
            UnknownOwner::Hold => true,
            UnknownOwner::HoldUnderQuotas => !self.terms().quotas.is_empty(),
        }
    }
}

fn grant(case: Case<'_>, steps: &[Step], shares: Vec<Share>) -> Grant {
    let mut work = Work::of(case.job, case.printer);
    let mut options = case.job.options.clone();
    for step in steps {
        work = work.after(*step);
        apply(&mut options, *step);
    }
    Grant {
        job: case.job.id,
        user: Some(case.identity.user),
        options,
        color: work.color,
        shares,
    }
}

fn apply(options: &mut JobOptions, step: Step) {
    match step {
        Step::Monochrome => options.color = ColorMode::Monochrome,
        Step::TwoSided(sides) => options.sides = sides,
        Step::CopiesAtMost(copies) => options.copies = options.copies.min(copies.max(1)),
        // A step that this program does not know changes nothing.
        _ => {}
    }
}

/// What a job comes to that goes with other options than it was counted with.
pub(super) fn count_as_printed(counted: PageCount, job: &Job, grant: &Grant) -> PageCount {
    let (asked, told) = (&job.options, &grant.options);
    if (asked.copies, asked.sides) == (told.copies, told.sides) {
        return counted;
    }
    let copies = match asked.copies == told.copies {
        true => counted.copies,
        false => told.copies,
    };
    let sides = match asked.sides == told.sides {
        true => counted.sides,
        false => told.sides,
    };
    let (note, evidence) = (counted.note, counted.evidence);
    let again = match counted.pages {
        Some(pages) => PageCount::parsed(pages, copies, sides, counted.certainty),
        None => PageCount::unknown(copies, sides, ""),
    };
    PageCount {
        note,
        evidence,
        ..again
    }
}

/// What a job came to of which so many sides are out. Sheets are worked out again, copy by copy, where the
/// sides are not those that were counted.
pub(super) fn with_impressions(count: PageCount, impressions: u32) -> PageCount {
    if count.impressions == Some(impressions) {
        return count;
    }
    let sheets = |sides: u32| match count.sides {
        Sides::OneSided => sides,
        Sides::TwoSidedLongEdge | Sides::TwoSidedShortEdge => sides.div_ceil(2),
    };
    let pages = count.pages.unwrap_or(0);
    let (whole, rest) = match pages {
        0 => (0, impressions),
        pages => (impressions / pages, impressions % pages),
    };
    let media_sheets = sheets(pages).saturating_mul(whole);
    PageCount {
        impressions: Some(impressions),
        media_sheets: Some(media_sheets.saturating_add(sheets(rest))),
        ..count
    }
}

/// So much of `amount` as `part` is of `whole`; rounded up, for a page begun is a page printed.
pub(super) fn part_of(amount: u64, part: u64, whole: u64) -> u64 {
    let product = u128::from(amount) * u128::from(part.min(whole));
    let share = product.div_ceil(u128::from(whole.max(1)));
    u64::try_from(share).unwrap_or(amount)
}

/// A push job as a rule looks at it: nobody holds it.
fn as_waiting(job: &Job) -> Job {
    Job {
        state: platen_model::JobState::PendingHeld,
        reason: platen_model::JobStateReason::JobReleaseWait,
        ..job.clone()
    }
}

/// Somebody in no group, who may have this one name's jobs.
pub(crate) fn nobody(owner: OwnerKey) -> Identity {
    Identity {
        user: UserId(Uuid::nil()),
        name: String::new(),
        owner_keys: vec![owner],
        groups: Vec::new(),
        source: Source::Local,
        provisional: false,
    }
}
