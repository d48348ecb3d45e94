// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What the box knows, as the pages show it.

use platen_model::{
    Chain, ColorMode, Covers, Identity, Job, JobNumber, JobState, JobStateReason, PageCount,
    PrinterName, Reason, Unit,
};

use super::answer::Fault;
use super::forms::why;
use super::page::{BoxName, Offline, money};
use super::sessions::Person;
use super::view::{Balance, JobRow, PrinterRow, PrinterState, ProgressRow, Stage};
use super::words::{Word, fill};
use crate::config::Language;
use crate::node::Node;
use crate::panel::printer_reasons;
use crate::release::Target;

/// Jobs on one page, the latest; a page stays below 50 KB with them.
const JOBS_SHOWN: usize = 50;
/// Jobs that one form may name.
pub(super) const JOBS_NAMED_MAX: usize = JOBS_SHOWN;
/// Characters of a document's name that are shown.
const NAME_SHOWN: usize = 72;

pub(super) fn box_name(node: &Node) -> BoxName {
    let announce = &node.config.announce;
    BoxName {
        name: announce.name.clone(),
        location: announce.location.clone(),
    }
}

/// What people are told while the centre can't be reached; nothing where there is none.
pub(super) fn offline(node: &Node) -> Option<Offline> {
    let door = &node.door;
    if door.cache.site().is_none() || door.centre.is_up() {
        return None;
    }
    let age = door.cache.age(node.clock.now());
    Some(age.map_or(Offline::Never, |age| Offline::Since(age.as_secs())))
}

/// Seconds since the centre confirmed what the box knows; `None` where there is no centre.
pub(super) fn confirmed_s(node: &Node) -> Option<u64> {
    let cache = &node.door.cache;
    cache.site()?;
    cache.age(node.clock.now()).map(|age| age.as_secs())
}

/// The jobs that wait for a person, latest first, and whether there are more than are shown.
pub(super) fn waiting(node: &Node, person: &Identity) -> Result<(Vec<JobRow>, bool), Fault> {
    let mut jobs = node.spool.held_by(&person.owner_keys).map_err(|error| {
        log::error!(err:% = Chain(&error); "held jobs can't be read");
        Fault::Box
    })?;
    jobs.retain(|job| job.reason != JobStateReason::JobIncoming);
    jobs.reverse();
    let cut = jobs.len() > JOBS_SHOWN;
    jobs.truncate(JOBS_SHOWN);
    Ok((jobs.iter().map(|job| row(node, job)).collect(), cut))
}

/// A job as a row.
pub(super) fn row(node: &Node, job: &Job) -> JobRow {
    let now = node.clock.now().unix_ms;
    let count = job.count.as_ref();
    JobRow {
        number: job.number,
        name: middle_cut(&job.name),
        age_s: now.saturating_sub(job.created_unix_ms) / 1000,
        pages: count.and_then(|count| count.pages),
        copies: job.options.copies.max(1),
        sides: job.options.sides,
        color: job.options.color,
        price: price(node, job),
        interrupted: job.state == JobState::ProcessingStopped,
        on_hold: job.reason == JobStateReason::JobHoldUntilSpecified,
    }
}

/// What the job costs at its printer, where there are prices and its pages are known. Rules may
/// change it on the way; the charge is by what was printed.
fn price(node: &Node, job: &Job) -> Option<String> {
    let terms = node.releases.judge().terms();
    let own = job.target.clone();
    let printer = own.unwrap_or_else(|| PrinterName(node.default_printer().name.clone()));
    let list = platen_policy::list_in_force(&terms.prices, &printer)?;
    let count: &PageCount = job.count.as_ref()?;
    let color = job.options.color != ColorMode::Monochrome && node.default_printer().color;
    let cost = platen_policy::cost_of_count(&terms.prices, &printer, color, count)?;
    Some(money(cost.amount, &list.currency))
}

/// What is left of the person's limits at this box.
pub(super) fn balances(node: &Node, person: &Identity, language: Language) -> Vec<Balance> {
    let judge = node.releases.judge();
    let terms = judge.terms();
    let currency = terms.prices.first().map(|list| list.currency.as_str());
    let shown = |amount: u64, unit: Unit| match unit {
        Unit::Sides => fill(language, Word::SidesLeft, &[&amount.to_string()]),
        Unit::Money => money(amount, currency.unwrap_or_default()),
    };
    let balances = judge.balances(&terms, person).into_iter();
    balances
        .map(|balance| Balance {
            left: shown(balance.left(), balance.quota.unit),
            limit: shown(balance.quota.limit, balance.quota.unit),
            period: balance.quota.period,
            shared: matches!(balance.quota.covers, Covers::Group(_)),
            name: balance.quota.name,
        })
        .collect()
}

/// The person's own job of this number. Somebody else's is as if it were not there.
pub(super) fn own(node: &Node, person: &Identity, number: JobNumber) -> Option<Job> {
    let job = node.spool.job(number).unwrap_or_else(|error| {
        log::error!(job:% = number, err:% = Chain(&error); "job can't be read");
        None
    })?;
    person.owner_keys.contains(&job.owner.key).then_some(job)
}

/// The person's jobs of the last release, in the order named, each with what was said of it.
pub(super) fn progress(
    node: &Node,
    person: &Person,
    numbers: &[JobNumber],
    language: Language,
) -> Vec<ProgressRow> {
    let own = numbers
        .iter()
        .filter_map(|number| own(node, &person.login.identity, *number));
    own.map(|job| {
        let note = person.notes.get(&job.number);
        let stage = stage(&job);
        // What held it back is over once it was released after all.
        let why = note.and_then(|note| note.why);
        let why = why.filter(|_| matches!(stage, Stage::Held | Stage::Halfway));
        ProgressRow {
            number: job.number,
            name: middle_cut(&job.name),
            why: why.map(|reason| told(node, reason, language)),
            says: note.map_or_else(Vec::new, |note| note.says.clone()),
            stage,
        }
    })
    .collect()
}

/// Why a job was not released, with what is wrong with the printer where it was that.
fn told(node: &Node, reason: Reason, language: Language) -> String {
    let trouble = printers(node, language)
        .into_iter()
        .find_map(|printer| printer.trouble);
    let trouble = trouble.unwrap_or_default();
    fill(language, why(reason), &[&trouble]).trim().to_owned()
}

fn stage(job: &Job) -> Stage {
    let of = job.count.as_ref().and_then(|count| count.impressions);
    let confirmed = job.impressions_completed;
    match job.state {
        JobState::Pending => Stage::Waits,
        JobState::PendingHeld => Stage::Held,
        JobState::Processing => Stage::Prints { confirmed, of },
        JobState::ProcessingStopped => Stage::Halfway,
        JobState::Completed => Stage::Done {
            confirmed: (confirmed > 0).then_some(confirmed),
        },
        JobState::Canceled => Stage::Deleted,
        JobState::Aborted => Stage::GivenUp,
    }
}

/// The box's printers.
pub(super) fn printers(node: &Node, language: Language) -> Vec<PrinterRow> {
    let targets = node.releases.targets().iter();
    targets.map(|target| printer(target, language)).collect()
}

fn printer(target: &Target, language: Language) -> PrinterRow {
    let status = target.status();
    let state = match (target.is_printing(), status.ready) {
        (true, _) => PrinterState::Printing,
        (false, true) => PrinterState::Ready,
        (false, false) => PrinterState::Trouble,
    };
    let config = &target.config;
    PrinterRow {
        name: config.name.clone(),
        state,
        trouble: (state == PrinterState::Trouble)
            .then(|| printer_reasons(language, &status.reasons)),
        queued: target.report().queued,
        color: config.color,
        duplex: config.can_duplex(),
    }
}

/// A long name keeps its beginning and its end, where the ending and the number are.
fn middle_cut(name: &str) -> String {
    let characters: Vec<char> = name.chars().collect();
    if characters.len() <= NAME_SHOWN {
        return name.to_owned();
    }
    let (begin, end) = (NAME_SHOWN * 2 / 3, NAME_SHOWN / 3 - 1);
    let begin = characters.iter().take(begin);
    let end = characters.iter().skip(characters.len() - end);
    begin.chain(std::iter::once(&'…')).chain(end).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_name_keeps_its_ending() {
        let name = format!("{}报告 2024 (12).pdf", "x".repeat(300));
        let cut = middle_cut(&name);
        assert_eq!(cut.chars().count(), NAME_SHOWN);
        assert!(cut.ends_with("报告 2024 (12).pdf"), "{cut}");
        assert_eq!(middle_cut("短"), "短");
    }
}
