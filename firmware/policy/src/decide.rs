// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Decides. The questions of [`Check`] come first; then the rules, in order: one that changes the
//! job changes what later ones look at, the first that allows, denies, holds or redirects ends the
//! asking, and without one the job is allowed; then the quotas, all of which must have room.
//!
//! A redirection goes before the state of the printer that the job is taken from.

use platen_model::journal::Cost;
use platen_model::{Decision, Prices, PrinterName, Reason, RuleId, Share, Sides, Step, Unit};

use crate::check::{Check, lists};
use crate::explain::{Answer, Explanation, Verdict};
use crate::facts::Facts;
use crate::price::{cost_of_work, list_in_force};
use crate::quota::{Balance, Reserved, Short, covers, needed, reserve, short};
use crate::rule::{Action, Fit, Forced, Money, SiteRule, Unknown};
use crate::work::Work;

/// A decision, with what there is to say and to ask for.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Ruling {
    /// The decision.
    pub decision: Decision,
    /// What rules want the person to be told: of the rule that decided and, of a job that is
    /// released, of those that change it.
    pub says: Vec<String>,
    /// What quotas lack for the job to be released, or to be released without a mark. Worth asking
    /// the centre for while it can be reached; then the job is decided on anew.
    pub short: Vec<Short>,
}

/// How the rules end.
enum End {
    Allow,
    Deny(Reason),
    Hold(RuleId),
    Redirect(PrinterName),
}

/// Decides whether the person may have the job released to the printer now, and how.
#[must_use]
pub fn decide(facts: &Facts<'_>) -> Ruling {
    explain(facts).ruling
}

/// Decides, and says of every question what it came to. Quotas are worked out also for a job that
/// is refused for another reason.
#[must_use]
pub fn explain(facts: &Facts<'_>) -> Explanation {
    let mut asking = Asking {
        facts,
        list: list_in_force(facts.prices, &facts.printer.name),
        work: Work::of(facts.job, facts.printer),
        steps: Vec::new(),
        says: Vec::new(),
        verdicts: Vec::new(),
    };
    let refusals = asking.checks();
    let end = asking.rules();
    let cost = asking.price();
    let (shares, short) = asking.quotas(cost);
    asking.finish(refusals, end, cost, shares, short)
}

struct Asking<'a> {
    facts: &'a Facts<'a>,
    list: Option<&'a Prices>,
    /// The job as the rules so far leave it.
    work: Work,
    steps: Vec<Step>,
    says: Vec<String>,
    verdicts: Vec<Verdict>,
}

/// What [`Check::FIRST`] refuse, split where a redirection comes between.
struct Refusals {
    job: Option<Reason>,
    printer: Option<Reason>,
}

impl Asking<'_> {
    fn note(&mut self, check: Check, answer: Answer, sentence: String) {
        self.verdicts.push(Verdict {
            check,
            answer,
            sentence,
        });
    }

    fn checks(&mut self) -> Refusals {
        let Facts {
            identity,
            job,
            printer,
            ..
        } = *self.facts;
        let mut refusals = Refusals {
            job: None,
            printer: None,
        };
        for check in Check::FIRST {
            let refusal = check.refusal(identity, job, printer);
            let place = match check {
                Check::Owner | Check::State => &mut refusals.job,
                _ => &mut refusals.printer,
            };
            *place = place.or(refusal);
            let agrees = refusal.is_none();
            let answer = if agrees { Answer::Yes } else { Answer::No };
            self.note(check, answer, check.sentence(agrees, job, printer));
        }
        refusals
    }

    fn rules(&mut self) -> End {
        let mut end = None;
        for rule in self.facts.rules.iter() {
            if end.is_some() {
                self.tell(rule, Answer::Passed, "is not asked any more");
            } else {
                end = self.rule(rule);
            }
        }
        end.unwrap_or(End::Allow)
    }

    fn tell(&mut self, rule: &SiteRule, answer: Answer, what: &str) {
        let sentence = format!("rule {} ({:#}) {what}", rule.order, rule.rule);
        self.note(Check::Rule(rule.id), answer, sentence);
    }

    /// Asks one rule; `Some` when it ends the asking.
    fn rule(&mut self, rule: &SiteRule) -> Option<End> {
        let unknown = match rule.rule.fits(rule.id, self.facts, &self.work, self.list) {
            Fit::Yes => None,
            Fit::No(part) => {
                self.tell(rule, Answer::Passed, &format!("does not fit: {part}"));
                return None;
            }
            Fit::Unknown(unknown) if rule.rule.action.restricts() => Some(unknown),
            Fit::Unknown(unknown) => {
                let what = format!("does not fit: {}", unknown.sentence());
                self.tell(rule, Answer::Passed, &what);
                return None;
            }
        };
        let fits = unknown.map_or("fits".into(), |unknown| {
            format!("is taken as fitting: {}", unknown.sentence())
        });
        let end = match &rule.rule.action {
            Action::Allow(_) => End::Allow,
            Action::Deny(_) => End::Deny(unknown.map_or(Reason::NoPermission, Unknown::reason)),
            Action::Hold => End::Hold(rule.id),
            Action::Redirect(printer) => End::Redirect(printer.clone()),
            Action::Force(forced) => return self.force(rule, *forced, &fits),
            Action::LimitCopies(copies) => return self.limit(rule, *copies, &fits),
        };
        let answer = match end {
            End::Allow => Answer::Yes,
            End::Deny(_) | End::Hold(_) | End::Redirect(_) => Answer::No,
        };
        if answer == Answer::No {
            self.says.clear();
        }
        self.says.extend(rule.rule.say.clone());
        self.tell(rule, answer, &format!("{fits} and decides"));
        Some(end)
    }

    fn force(&mut self, rule: &SiteRule, forced: Forced, fits: &str) -> Option<End> {
        let printer = self.facts.printer;
        let is_told = lists(&printer.told, &self.facts.job.format);
        let (step, is_needed) = match forced {
            Forced::Mono => (Step::Monochrome, self.work.color),
            Forced::Duplex => (
                Step::TwoSided(Sides::TwoSidedLongEdge),
                self.work.sides == Sides::OneSided,
            ),
            Forced::DuplexShortEdge => (
                Step::TwoSided(Sides::TwoSidedShortEdge),
                self.work.sides == Sides::OneSided,
            ),
        };
        let saves_paper = forced != Forced::Mono;
        if !is_needed {
            self.tell(
                rule,
                Answer::Passed,
                &format!("{fits}: the job is so already"),
            );
        } else if saves_paper && !(printer.duplex && is_told) {
            let what = format!("{fits}, but this printer can't do it");
            self.tell(rule, Answer::Passed, &what);
        } else if !is_told {
            return Some(self.cannot(rule, fits, "the printer can't be told"));
        } else {
            self.change(rule, step, fits);
        }
        None
    }

    fn limit(&mut self, rule: &SiteRule, copies: u32, fits: &str) -> Option<End> {
        if self.work.copies <= copies {
            self.tell(
                rule,
                Answer::Passed,
                &format!("{fits}: the job is so already"),
            );
        } else if self.facts.job.options.copies <= 1 {
            return Some(self.cannot(rule, fits, "the document itself asks for more"));
        } else {
            self.change(rule, Step::CopiesAtMost(copies), fits);
        }
        None
    }

    fn change(&mut self, rule: &SiteRule, step: Step, fits: &str) {
        self.steps.push(step);
        self.work = self.work.after(step);
        self.says.extend(rule.rule.say.clone());
        self.tell(
            rule,
            Answer::Changed,
            &format!("{fits} and changes the job"),
        );
    }

    fn cannot(&mut self, rule: &SiteRule, fits: &str, why: &str) -> End {
        self.says = rule.rule.say.clone().into_iter().collect();
        let what = format!("{fits}, but the job can't be changed: {why}");
        self.tell(rule, Answer::No, &what);
        End::Deny(Reason::CannotChange)
    }

    fn price(&mut self) -> Option<Cost> {
        let Some(list) = self.list else {
            let sentence = "there are no prices for this printer: it costs nothing".into();
            self.note(Check::Price, Answer::Yes, sentence);
            return None;
        };
        let cost = cost_of_work(Some(list), &self.work);
        let sentence = match cost {
            Some(cost) => format!("it costs {} {}", Money(cost.amount), list.currency),
            None => {
                "its price is not known before it is printed: the pages could not be counted".into()
            }
        };
        self.note(Check::Price, Answer::Yes, sentence);
        cost
    }

    /// Shares of all quotas, or why not, and what they lack.
    fn quotas(&mut self, cost: Option<Cost>) -> (Result<Vec<Share>, Reason>, Vec<Short>) {
        let (mut all, mut lacks) = (Ok(Vec::new()), Vec::new());
        let person = self.facts.identity;
        let covering = |balance: &&Balance| covers(&balance.quota, person);
        for balance in self.facts.balances.iter().filter(covering) {
            let needed = needed(balance.quota.unit, &self.work, cost, self.list.is_some());
            lacks.extend(short(balance, needed, person.user));
            let reserved = reserve(balance, needed);
            self.tell_quota(balance, needed, &reserved);
            match reserved {
                Reserved::Shares(shares) => {
                    all = all.map(|sum: Vec<Share>| [sum, shares].concat());
                }
                Reserved::Spent => all = all.and(Err(Reason::QuotaSpent)),
                Reserved::NotCounted => all = all.and(Err(Reason::NoCount)),
            }
        }
        (all, lacks)
    }

    fn tell_quota(&mut self, balance: &Balance, needed: Option<u64>, reserved: &Reserved) {
        let unit = balance.quota.unit;
        let left = in_unit(balance.left(), unit);
        let need = needed.map_or("an unknown number".into(), |needed| in_unit(needed, unit));
        let marked = |shares: &[Share]| {
            let without = shares.iter().filter(|share| share.lease.is_none());
            without.fold(0_u64, |sum, share| sum.saturating_add(share.amount))
        };
        let (answer, end) = match reserved {
            Reserved::Shares(shares) => match marked(shares) {
                0 => (Answer::Yes, "it is set aside".into()),
                marked => {
                    let marked = in_unit(marked, unit);
                    (Answer::Yes, format!("{marked} go through with a mark"))
                }
            },
            Reserved::Spent => (Answer::No, "that is not enough".into()),
            Reserved::NotCounted => (Answer::No, "the pages could not be counted".into()),
        };
        let leases = balance.rooms.len();
        let id = balance.quota.id;
        let sentence = format!("quota {id}: {need} needed, {left} left in {leases} slices: {end}");
        self.note(Check::Quota(id), answer, sentence);
    }

    fn finish(
        mut self,
        refusals: Refusals,
        end: End,
        cost: Option<Cost>,
        shares: Result<Vec<Share>, Reason>,
        mut short: Vec<Short>,
    ) -> Explanation {
        let rule_ended = !matches!(end, End::Allow);
        let decision = match (refusals.job, end, refusals.printer, shares) {
            (Some(reason), ..) => Decision::Deny(reason),
            (None, End::Redirect(printer), ..) => Decision::Redirect { printer },
            (None, _, Some(reason), _) => Decision::Deny(reason),
            (None, End::Deny(reason), ..) => Decision::Deny(reason),
            (None, End::Hold(rule), ..) => Decision::Hold { rule },
            (None, End::Allow, None, Err(reason)) => Decision::Deny(reason),
            (None, End::Allow, None, Ok(shares)) => Decision::Allow {
                printer: self.facts.printer.name.clone(),
                steps: std::mem::take(&mut self.steps),
                shares,
                cost,
            },
        };
        // What rules say is for those whom they decided on; what is lacking, for those whom it stops.
        let checks_refuse = refusals.job.is_some()
            || refusals.printer.is_some() && !matches!(decision, Decision::Redirect { .. });
        let is_allowed = matches!(decision, Decision::Allow { .. });
        if checks_refuse || !(is_allowed || rule_ended) {
            self.says.clear();
        }
        if !is_allowed && decision != Decision::Deny(Reason::QuotaSpent) {
            short.clear();
        }
        let answer = if is_allowed { Answer::Yes } else { Answer::No };
        self.note(Check::Decision, answer, sentence(&decision));
        Explanation {
            ruling: Ruling {
                decision,
                says: self.says,
                short,
            },
            verdicts: self.verdicts,
        }
    }
}

impl Unknown {
    fn reason(self) -> Reason {
        match self {
            Self::Count => Reason::NoCount,
            Self::Clock => Reason::NoClock,
        }
    }

    fn sentence(self) -> &'static str {
        match self {
            Self::Count => "the pages could not be counted",
            Self::Clock => "the box does not know the time",
        }
    }
}

fn in_unit(amount: u64, unit: Unit) -> String {
    match unit {
        Unit::Sides => format!("{amount} sides"),
        Unit::Money => format!("{} of money", Money(amount)),
    }
}

fn sentence(decision: &Decision) -> String {
    match decision {
        Decision::Allow { printer, steps, .. } if steps.is_empty() => {
            format!("it is released to printer {printer}")
        }
        Decision::Allow { printer, steps, .. } => {
            let steps: Vec<_> = steps.iter().map(step_words).collect();
            format!("it is released to printer {printer} {}", steps.join(", "))
        }
        Decision::Redirect { printer } => {
            format!("it goes to printer {printer}, if that one agrees")
        }
        Decision::Hold { rule } => format!("it waits until somebody agrees (rule {rule})"),
        Decision::Deny(reason) => reason_words(*reason).into(),
    }
}

fn step_words(step: &Step) -> String {
    match step {
        Step::Monochrome => "in black".into(),
        Step::TwoSided(sides) => sides.keyword().into(),
        Step::CopiesAtMost(copies) => format!("in {copies} copies"),
        _ => "with a change that this program does not know".into(),
    }
}

fn reason_words(reason: Reason) -> &'static str {
    match reason {
        Reason::PrinterInError => "the printer can't print now",
        Reason::FormatNotTaken => "the printer does not take the document's format",
        Reason::NotReleasable => "the job does not wait for a release",
        Reason::NotOwner => "it is somebody else's job",
        Reason::NoPermission => "a rule forbids it",
        Reason::QuotaSpent => "a quota has no room for it at this box",
        Reason::NeedsApproval => "somebody has to agree first",
        Reason::NoCount => "its pages could not be counted, and a rule or quota asks for them",
        Reason::NoClock => "the box does not know the time, and a rule asks for it",
        Reason::CannotChange => "a rule wants it changed, which can't be done at this printer",
    }
}
