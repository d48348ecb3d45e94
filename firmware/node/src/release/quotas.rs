// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Quotas and prices on the whole way of a job, from the tap to the settlement (DESIGN §5, points
//! 5, 8, 10, 11 at a box).

use std::sync::Arc;

use platen_hal::{Confirmation, PanelSignal, PortError, PortReport, PortStatus};
use platen_ledger::Entry;
use platen_model::{
    Covers, GroupId, Identity, Job, JobNumber, JobStateReason, Lease, LeaseId, Method, OwnerKey,
    PageCount, Period, Prices, PricesId, PrinterName, Quota, QuotaId, Reason, Settings, Share,
    Sides, Source, Unit, UserId, WhenSpent,
};
use platen_policy::PrinterFacts;
use smol::block_on;
use uuid::Uuid;

use super::bench::{Bench, Said};
use super::judge::Case;
use super::site::SiteTerms;
use super::target::{Order, Target};
use super::worker::Worker;

pub(super) fn quota() -> Quota {
    Quota {
        id: QuotaId(Uuid::from_u128(1)),
        name: "pages".to_owned(),
        covers: Covers::Group(GroupId(Uuid::from_u128(2))),
        unit: Unit::Sides,
        limit: 100,
        period: Period::Month,
        when_spent: WhenSpent::Deny,
    }
}

pub(super) fn lease(serial: u64, amount: u64) -> Lease {
    Lease {
        id: LeaseId(Uuid::from_u128(100 + u128::from(serial))),
        serial,
        quota: quota().id,
        user: None,
        period: 1,
        amount,
    }
}

pub(super) fn person(owner: OwnerKey) -> Identity {
    Identity {
        user: UserId(Uuid::from_u128(3)),
        name: "somebody".to_owned(),
        owner_keys: vec![owner],
        groups: vec![GroupId(Uuid::from_u128(2))],
        source: Source::Cached { age_s: 60 },
        provisional: false,
    }
}

pub(super) fn terms_with(quotas: Vec<Quota>) -> SiteTerms {
    SiteTerms {
        quotas,
        ..SiteTerms::default()
    }
}

pub(super) fn case_of<'a>(
    identity: &'a Identity,
    job: &'a Job,
    printer: &'a PrinterFacts,
) -> Case<'a> {
    Case {
        identity,
        method: Method::Card,
        job,
        printer,
        redirected: false,
    }
}

/// A box of this site whose printer is ready, with a slice of the quota.
pub(super) fn bench(terms: SiteTerms, amount: u64) -> Bench {
    let bench = Bench::of(Said::new(terms));
    ready(&bench.target);
    if amount > 0 {
        bench.shop.judge.purse.take(&[lease(1, amount)]).unwrap();
    }
    bench
}

pub(super) fn ready(target: &Target) {
    target.set_status(PortStatus {
        ready: true,
        reasons: Vec::new(),
    });
}

impl Bench {
    /// A held job of so many pages.
    pub(super) fn held(&self, pages: u32) -> Job {
        let job = self.store(false, b"%PDF");
        let count = PageCount::parsed(pages, 1, Sides::OneSided, platen_model::Certainty::Exact);
        self.spool.set_count(job.number, count).unwrap()
    }

    pub(super) fn room(&self) -> u64 {
        self.shop.judge.purse.room(quota().id, None)
    }

    /// Prints what is in the printer's queue.
    pub(super) fn print_queued(&self, worker: &mut Worker) {
        while let Ok(order) = self.orders.try_recv() {
            if let Order::Print { .. } = order {
                worker.carry_out(&self.target, Some(order));
                self.target.end();
            }
        }
        while self.shop.executor.try_tick() {}
    }

    pub(super) fn entries(&self) -> Vec<Entry> {
        let entries = self.ledger.entries(1, 1000).unwrap();
        entries.into_iter().map(|recorded| recorded.entry).collect()
    }

    /// Shares of every settlement, and whether they are of a lease.
    pub(super) fn settled(&self) -> Vec<Vec<(bool, u64)>> {
        let shares = |entry| match entry {
            Entry::Settled { shares, .. } => Some(pairs(&shares)),
            _ => None,
        };
        self.entries().into_iter().filter_map(shares).collect()
    }
}

fn pairs(shares: &[Share]) -> Vec<(bool, u64)> {
    let pair = |share: &Share| (share.lease.is_some(), share.amount);
    shares.iter().map(pair).collect()
}

/// The tap of the jobs' owner: no probe is answered here, so the last known state stands.
pub(super) fn tap(bench: &Bench, job: &Job) -> super::Tapped {
    let releases = bench.releases(Vec::new());
    bench.target.begin(JobNumber(u32::MAX));
    let tapped = block_on(releases.tap(&person(job.owner.key), Method::Card)).unwrap();
    bench.target.end_for_test();
    tapped
}

#[test]
fn jobs_that_fit_are_printed_and_the_rest_say_why() {
    let bench = bench(terms_with(vec![quota()]), 5);
    let jobs = [2, 2, 2].map(|pages| bench.held(pages));
    let tapped = tap(&bench, &jobs[0]);
    assert_eq!(tapped.released, [jobs[0].number, jobs[1].number]);
    assert_eq!(tapped.waits, [(jobs[2].number, Reason::QuotaSpent)]);
    let words = tapped.more.unwrap();
    assert_eq!(words, "2 jobs are on their way. 1 waits: quota used up.");
    assert_eq!(bench.room(), 1);
    bench.print_queued(&mut bench.worker(|| Ok(()), || Ok(())));
    assert_eq!(bench.settled(), [[(true, 2)], [(true, 2)]]);
    assert_eq!(bench.room(), 1);
    // What it lacks is asked for.
    let wants = bench.shop.judge.purse.wants();
    assert!(
        wants.iter().any(|want| want.quota == quota().id),
        "{wants:?}"
    );

    let tapped = tap(&bench, &jobs[0]);
    assert_eq!(
        (tapped.signal, tapped.released.len()),
        (PanelSignal::Refused, 0)
    );
    assert!(tapped.instead.unwrap().contains("quota is used up"));
}

#[test]
fn the_ticket_has_what_is_set_aside_before_a_byte_leaves() {
    let bench = bench(terms_with(vec![quota()]), 5);
    let job = bench.held(3);
    tap(&bench, &job);
    let ledger = Arc::clone(&bench.ledger);
    let seen = Arc::new(std::sync::Mutex::new(Vec::new()));
    let told = Arc::clone(&seen);
    let send = move || {
        let entries = ledger.entries(1, 1000).unwrap();
        *told.lock().unwrap() = entries.into_iter().map(|recorded| recorded.entry).collect();
        Ok(())
    };
    bench.print_queued(&mut bench.worker(|| Ok(()), send));
    let seen = seen.lock().unwrap();
    let Some(Entry::Released { shares, user, .. }) = seen.last() else {
        panic!("no ticket before the first byte");
    };
    assert_eq!(pairs(shares), [(true, 3)]);
    assert_eq!(*user, Some(UserId(Uuid::from_u128(3))));
}

fn confirmed(impressions: u32) -> PortReport {
    PortReport {
        octets: 4,
        impressions: Some(impressions),
        confirmed_by: Some(Confirmation::PjlJob),
    }
}

#[test]
fn what_the_printer_confirms_is_spent_and_the_rest_comes_back() {
    for (printed, spent, room) in [
        (3, vec![(true, 3)], 7),
        (0, vec![], 10),
        (8, vec![(true, 5), (false, 3)], 5),
    ] {
        let bench = bench(terms_with(vec![quota()]), 10);
        let job = bench.held(5);
        tap(&bench, &job);
        assert_eq!(bench.room(), 5);
        let mut port = bench.port(|| Ok(()), || Ok(()));
        port.report = confirmed(printed);
        let mut worker = Worker::new(&bench.target, port, Arc::clone(&bench.shop));
        bench.print_queued(&mut worker);
        assert_eq!(bench.settled(), [spent]);
        assert_eq!(bench.room(), room, "{printed} printed");
    }
}

#[test]
fn what_is_not_printed_is_given_back() {
    type Fault = fn() -> Result<(), PortError>;
    let stalls: Fault = || Err(PortError::Stalled { seconds: 1 });
    let cancels: Fault = || Err(PortError::Canceled);
    let well: Fault = || Ok(());
    for (open, send) in [(stalls, well), (well, stalls), (well, cancels)] {
        let bench = bench(terms_with(vec![quota()]), 10);
        let job = bench.held(5);
        tap(&bench, &job);
        assert_eq!(bench.room(), 5);
        bench.print_queued(&mut bench.worker(open, send));
        assert_eq!(bench.room(), 10);
        assert!(bench.settled().iter().all(Vec::is_empty));
    }
    // Deleted while it waits in the queue.
    let bench = bench(terms_with(vec![quota()]), 10);
    let job = bench.held(5);
    tap(&bench, &job);
    let reason = JobStateReason::JobCanceledByUser;
    block_on(bench.spool.cancel(job.number, reason)).unwrap();
    bench.print_queued(&mut bench.worker(|| Ok(()), || Ok(())));
    assert_eq!(bench.room(), 10);
}

#[test]
fn taps_at_once_never_set_one_lease_aside_twice() {
    for _ in 0..20 {
        let bench = bench(terms_with(vec![quota()]), 7);
        let jobs: Vec<_> = (0..8).map(|_| bench.held(2)).collect();
        bench.target.begin(JobNumber(u32::MAX));
        let releases = bench.releases(Vec::new());
        let identity = person(jobs[0].owner.key);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| block_on(releases.tap(&identity, Method::Card)).unwrap());
            }
        });
        bench.target.end_for_test();
        assert_eq!((bench.orders.len(), bench.room()), (3, 1));
        bench.print_queued(&mut bench.worker(|| Ok(()), || Ok(())));
        assert_eq!(bench.settled(), vec![vec![(true, 2)]; 3]);
        assert_eq!(bench.room(), 1);
    }
}

#[test]
fn a_quota_that_lets_through_marks_what_is_above_it() {
    let lenient = Quota {
        when_spent: WhenSpent::Mark,
        ..quota()
    };
    let bench = bench(terms_with(vec![lenient]), 3);
    let job = bench.held(5);
    assert_eq!(tap(&bench, &job).released, [job.number]);
    bench.print_queued(&mut bench.worker(|| Ok(()), || Ok(())));
    assert_eq!(bench.settled(), [[(true, 3), (false, 2)]]);
    assert_eq!(bench.room(), 0);
}

#[test]
fn a_job_is_charged_by_the_prices_in_force_in_money() {
    let prices = Prices {
        id: PricesId(Uuid::from_u128(9)),
        name: String::new(),
        currency: "CNY".to_owned(),
        printer: None,
        side_monochrome: 100,
        side_color: 500,
        sheet: 20,
    };
    let money = Quota {
        unit: Unit::Money,
        ..quota()
    };
    let terms = SiteTerms {
        prices: vec![prices],
        ..terms_with(vec![money])
    };
    let bench = bench(terms, 10_000);
    let job = bench.held(4);
    tap(&bench, &job);
    bench.print_queued(&mut bench.worker(|| Ok(()), || Ok(())));
    let cost = bench.entries().into_iter().find_map(|entry| match entry {
        Entry::Settled { cost, .. } => cost,
        _ => None,
    });
    assert_eq!(cost.map(|cost| cost.amount), Some(4 * 520));
    assert_eq!(bench.room(), 10_000 - 4 * 520);
}

#[test]
fn a_person_chooses_jobs_and_how_they_are_printed() {
    let bench = bench(terms_with(vec![quota()]), 10);
    let (first, second) = (bench.held(2), bench.held(2));
    let options = platen_model::JobOptions {
        copies: 3,
        ..second.options.clone()
    };
    let wish = super::Wish {
        job: second.number,
        options: Some(options.clone()),
        printer: None,
    };
    let releases = bench.releases(Vec::new());
    bench.target.begin(JobNumber(u32::MAX));
    let identity = person(second.owner.key);
    // Its count is not known any more, and the counting child is no part of this test.
    block_on(bench.spool.set_options(second.number, options)).unwrap();
    let count = PageCount::parsed(2, 3, Sides::OneSided, platen_model::Certainty::Exact);
    bench.spool.set_count(second.number, count).unwrap();
    let tapped =
        block_on(releases.release_jobs(&identity, Method::Password, std::slice::from_ref(&wish)));
    assert_eq!(tapped.unwrap().released, [second.number]);
    assert_eq!(bench.room(), 4);
    let stranger = Identity {
        owner_keys: vec![OwnerKey([9; 16])],
        ..identity
    };
    let wish = super::Wish {
        job: first.number,
        ..wish
    };
    let tapped = block_on(releases.release_jobs(&stranger, Method::Password, &[wish])).unwrap();
    assert_eq!((tapped.released.len(), tapped.waits.len()), (0, 0));
}

/// DESIGN §5 point 10: the charge is the person's, whatever they are called by then.
#[test]
fn somebody_renamed_or_deleted_meanwhile_is_charged_by_the_stable_id() {
    let said = Said::new(terms_with(vec![quota()]));
    let bench = Bench::of(Arc::clone(&said));
    ready(&bench.target);
    bench.shop.judge.purse.take(&[lease(1, 9)]).unwrap();
    let job = bench.held(2);
    tap(&bench, &job);
    // The quota and the person are gone before the job is printed.
    *said.terms.lock().unwrap() = Arc::new(SiteTerms::default());
    bench.print_queued(&mut bench.worker(|| Ok(()), || Ok(())));
    let charged = bench.entries().into_iter().find_map(|entry| match entry {
        Entry::Settled { user, charged, .. } => Some((user, charged)),
        _ => None,
    });
    assert_eq!(charged, Some((Some(UserId(Uuid::from_u128(3))), true)));
    assert_eq!(
        bench.settled(),
        [[(true, 2)]],
        "what was set aside is taken"
    );
}

/// DESIGN §5 point 11, the other choice: what the journal does not take is printed all the same.
#[test]
fn a_full_journal_lets_jobs_print_where_the_site_says_so_and_is_told_later() {
    let free = SiteTerms {
        settings: Settings {
            journal_required: false,
            ..Settings::default()
        },
        ..SiteTerms::default()
    };
    let bench = bench(free, 0);
    let job = bench.held(1);
    tap(&bench, &job);
    bench.disk.fill_at(Some(0));
    let disk = bench.disk.clone();
    let send = move || {
        // There is room again by the end of it.
        disk.fill_at(None);
        Ok(())
    };
    bench.print_queued(&mut bench.worker(|| Ok(()), send));
    assert_eq!(*bench.sent.lock().unwrap(), b"%PDF");
    assert_eq!(bench.journal(&job), ["released", "completed"]);

    let job = bench.held(1);
    tap(&bench, &job);
    bench.disk.fill_at(Some(0));
    bench.print_queued(&mut bench.worker(|| Ok(()), || Ok(())));
    assert_eq!(bench.sent.lock().unwrap().len(), 8);
    bench.disk.fill_at(None);
    assert_eq!(bench.journal(&job), [""; 0]);
    assert!(bench.ledger.verify().unwrap().faults.is_empty());
}

#[test]
fn an_explanation_names_the_quota_and_sets_nothing_aside() {
    let bench = bench(terms_with(vec![quota()]), 1);
    let job = bench.held(2);
    let facts = bench.target.facts(&bench.target.status());
    let identity = person(job.owner.key);
    let explained = bench.shop.judge.explain(case_of(&identity, &job, &facts));
    let text: Vec<_> = explained.verdicts.iter().map(ToString::to_string).collect();
    assert!(
        text.iter().any(|line| line.starts_with("quota: no: ")),
        "{text:?}"
    );
    assert!(text.last().unwrap().starts_with("decision: no: "));
    assert_eq!(bench.room(), 1);
    assert_eq!(PrinterName("p".to_owned()), facts.name);
}
