// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What rules do to a job on its way, and push jobs, whose owner does not stand at the box (DESIGN §5,
//! point 6).

use std::sync::Arc;

use platen_ledger::Entry;
use platen_model::{
    Certainty, Job, JobNumber, JobOptions, JobState, JobStateReason, Method, PageCount, Reason,
    RuleId, RuleRecord, Sides,
};
use platen_policy::SiteRules;
use smol::block_on;
use uuid::Uuid;

use super::bench::{Bench, Said};
use super::quotas::{bench, lease, person, quota, ready, tap, terms_with};
use super::site::SiteTerms;
use super::target::{Order, Target};
use crate::config::UnknownOwner;

pub(super) fn rules(texts: &[&str]) -> SiteTerms {
    let record = |(order, text): (u32, &&str)| RuleRecord {
        id: RuleId(Uuid::from_u128(u128::from(order) + 50)),
        order,
        text: (*text).to_owned(),
    };
    let records: Vec<_> = (1..).zip(texts).map(record).collect();
    let (rules, faults) = SiteRules::read(&records);
    assert_eq!(faults, []);
    SiteTerms {
        rules,
        ..SiteTerms::default()
    }
}

#[test]
fn rules_change_the_job_on_its_way_and_what_is_counted_with_it() {
    let terms = SiteTerms {
        quotas: vec![quota()],
        ..rules(&["force duplex", "force mono", "limit copies 2"])
    };
    let bench = Bench::of(Said::new(terms));
    let pjl = "name = \"p\"\nuri = \"ipp://p/ipp/print\"";
    let (target, orders) = Target::new(toml::from_str(pjl).unwrap());
    let (target, bench) = (Arc::new(target), Bench { orders, ..bench });
    let bench = Bench { target, ..bench };
    ready(&bench.target);
    bench.shop.judge.purse.take(&[lease(1, 100)]).unwrap();
    let job = bench.store(false, b"%PDF");
    let options = JobOptions {
        copies: 5,
        ..job.options.clone()
    };
    let job = block_on(bench.spool.set_options(job.number, options)).unwrap();
    let count = PageCount::parsed(3, 5, Sides::OneSided, Certainty::Exact);
    let job = bench.spool.set_count(job.number, count).unwrap();
    let tapped = tap(&bench, &job);
    assert_eq!(tapped.released, [job.number], "{:?}", tapped.waits);
    bench.print_queued(&mut bench.worker(|| Ok(()), || Ok(())));
    let told = bench.told.lock().unwrap();
    let first = told.first().unwrap();
    assert_eq!(
        (first.copies, first.sides),
        (2, Some("two-sided-long-edge"))
    );
    assert_eq!(first.color_mode, Some("monochrome"));
    let counted = bench.entries().into_iter().find_map(|entry| match entry {
        Entry::Settled { count, .. } => count,
        _ => None,
    });
    let counted = counted.unwrap();
    assert_eq!(
        (counted.impressions, counted.media_sheets),
        (Some(6), Some(4))
    );
    assert_eq!(bench.settled(), [[(true, 6)]]);
}

#[test]
fn a_rule_sends_a_job_to_another_printer_of_the_box() {
    let bench = bench(rules(&["redirect to printer:big when pages > 10"]), 0);
    let big = "name = \"big\"\nuri = \"file:/big\"";
    let (big, waiting) = Target::new(toml::from_str(big).unwrap());
    let big = Arc::new(big);
    ready(&big);
    for target in [&bench.target, &big] {
        target.begin(JobNumber(u32::MAX));
    }
    let (small, large) = (bench.held(2), bench.held(20));
    let releases = bench.releases(vec![Arc::clone(&big)]);
    let tapped = block_on(releases.tap(&person(small.owner.key), Method::Card)).unwrap();
    assert_eq!(
        tapped.released,
        [small.number, large.number],
        "{:?}",
        tapped.waits
    );
    let job_of = |order: Order| match order {
        Order::Print { job, .. } => Some(job),
        Order::Probe(_) => None,
    };
    assert_eq!(
        bench.orders.try_recv().ok().and_then(job_of),
        Some(small.number)
    );
    assert_eq!(waiting.try_recv().ok().and_then(job_of), Some(large.number));
}

/// DESIGN §5 point 6: rules run from the copy; what needs approval waits.
#[test]
fn what_needs_approval_waits_until_somebody_agrees() {
    let bench = bench(rules(&["hold for approval"]), 0);
    let job = bench.held(2);
    let tapped = tap(&bench, &job);
    assert_eq!(tapped.waits, [(job.number, Reason::NeedsApproval)]);
    assert!(tapped.instead.unwrap().contains("agree"));
    let approvals = &bench.shop.judge.approvals;
    let approval = approvals.of(job.id).unwrap();
    assert!(!approval.given);
    assert_eq!(tap(&bench, &job).released, [JobNumber(0); 0]);
    approvals.give(job.id, approval).unwrap();
    assert_eq!(tap(&bench, &job).released, [job.number]);
    bench.print_queued(&mut bench.worker(|| Ok(()), || Ok(())));
    assert_eq!(approvals.of(job.id), None, "an ended job is forgotten");
}

/// DESIGN §5 point 6, and what a rule says is told.
#[test]
fn a_rule_that_forbids_tells_the_person_so() {
    let bench = bench(
        rules(&["deny print when pages > 10 say \"Use the print shop.\""]),
        0,
    );
    let (small, large) = (bench.held(2), bench.held(20));
    let tapped = tap(&bench, &small);
    assert_eq!(tapped.released, [small.number]);
    assert_eq!(tapped.waits, [(large.number, Reason::NoPermission)]);
    let said = (large.number, "Use the print shop.".to_owned());
    assert_eq!(tapped.says, [said]);
    let words = tapped.more.unwrap();
    assert!(words.contains("1 waits: not allowed"), "{words}");
    assert!(words.ends_with("Use the print shop."), "{words}");
}

fn push(bench: &Bench) -> (Job, (JobState, JobStateReason)) {
    let job = bench.store(true, b"%PDF");
    let mut worker = bench.worker(|| Ok(()), || Ok(()));
    worker.carry_out(
        &bench.target,
        Some(Order::Print {
            job: job.number,
            grant: None,
        }),
    );
    bench.target.end_for_test();
    while bench.shop.executor.try_tick() {}
    let state = bench.state(job.number);
    (job, state)
}

#[test]
fn a_push_job_is_its_owners_and_waits_for_them_where_it_may_not_print() {
    let waits = (JobState::PendingHeld, JobStateReason::JobReleaseWait);
    let said = Said::new(terms_with(vec![quota()]));
    let bench = Bench::of(Arc::clone(&said));
    ready(&bench.target);
    bench.shop.judge.purse.take(&[lease(1, 1)]).unwrap();
    // Nobody's name, where somebody would have to be charged.
    let (unknown, state) = push(&bench);
    assert_eq!(state, waits);
    assert_eq!(bench.journal(&unknown), [""; 0]);
    // Somebody's name: charged to them, as long as there is room.
    *said.owner.lock().unwrap() = Some(person(unknown.owner.key));
    let (job, _) = push(&bench);
    let users = bench.entries().into_iter().filter_map(|entry| match entry {
        Entry::Settled { user, .. } => Some(user),
        _ => None,
    });
    assert_eq!(
        users.collect::<Vec<_>>(),
        [Some(person(job.owner.key).user)]
    );
    assert_eq!(push(&bench).1, waits);
    assert_eq!(bench.room(), 0);
    // At the box they are told why.
    let tapped = tap(&bench, &unknown);
    assert_eq!(tapped.waits.len(), 2);
    assert!(
        tapped
            .waits
            .iter()
            .all(|(_, reason)| *reason == Reason::QuotaSpent)
    );
}

#[test]
fn a_push_job_under_nobodys_name_prints_where_there_are_no_quotas_and_nobody_is_charged() {
    let bench = bench(rules(&["deny color"]), 0);
    assert_eq!(
        bench.shop.judge.unknown_owner,
        UnknownOwner::HoldUnderQuotas
    );
    let (job, state) = push(&bench);
    assert_eq!(
        state,
        (JobState::PendingHeld, JobStateReason::JobReleaseWait)
    );
    assert_eq!(bench.journal(&job), [""; 0], "the rules are for everybody");
    let bench = super::quotas::bench(rules(&["limit copies 9"]), 0);
    let (job, _) = push(&bench);
    assert_eq!(bench.journal(&job), ["released", "completed"]);
}
