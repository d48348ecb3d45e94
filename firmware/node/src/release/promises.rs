// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What was promised to a person is kept: a tapped job is their printer's alone, a deletion that was
//! answered happens, what somebody agreed to is what prints, and what came out is charged.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use platen_hal::PortError;
use platen_ledger::Entry;
use platen_model::{
    Certainty, Job, JobNumber, JobOptions, JobState, JobStateReason, PageCount, Reason, Sides,
};
use smol::{Timer, block_on};

use super::bench::{Bench, Said};
use super::judge::{part_of, with_impressions};
use super::quotas::{bench, lease, person, quota, ready, tap, terms_with};
use super::rules::rules;
use super::site::SiteTerms;
use super::target::{Order, Target};

const HELD: (JobState, JobStateReason) = (JobState::PendingHeld, JobStateReason::JobReleaseWait);

/// A push job of the bench's printer `p` that waits for its owner.
fn held_push(bench: &Bench) -> Job {
    let job = bench.store(true, b"%PDF");
    bench.spool.advance(&job, HELD.0, HELD.1).unwrap()
}

/// A job that was redirected waits in the other printer's queue: its own printer, idle, printed it.
#[test]
fn an_idle_printer_leaves_a_job_that_its_owner_released_to_another() {
    let bench = bench(rules(&["redirect to printer:big"]), 0);
    let (big, waiting) = Target::new(toml::from_str("name = \"big\"\nuri = \"file:/b\"").unwrap());
    let big = Arc::new(big);
    ready(&big);
    big.begin(JobNumber(u32::MAX));
    bench.stand_still();
    let job = held_push(&bench);
    let releases = bench.releases(vec![Arc::clone(&big)]);
    let owner = person(job.owner.key);
    let tapped = block_on(releases.tap(&owner, platen_model::Method::Card)).unwrap();
    assert_eq!(tapped.released, [job.number], "{:?}", tapped.waits);
    assert_eq!(waiting.len(), 1);
    // Idle, and told by somebody else's mistake: either way it is not this printer's.
    let mut worker = bench.worker(|| Ok(()), || Ok(()));
    worker.carry_out(&bench.target, None);
    assert_eq!(bench.orders.len(), 0);
    worker.print(&bench.target, job.number, None);
    assert_eq!(bench.state(job.number).0, JobState::Pending);
    assert!(bench.sent.lock().unwrap().is_empty());
}

/// It became a push job again, and its own printer printed it while nobody stood there.
#[test]
fn a_tapped_push_job_that_no_printer_took_waits_for_its_owner() {
    let bench = bench(SiteTerms::default(), 0);
    bench.stand_still();
    let job = held_push(&bench);
    let tapped = tap(&bench, &job);
    assert_eq!(tapped.released, [job.number]);
    let off = || Err(PortError::Stalled { seconds: 1 });
    bench.print_queued(&mut bench.worker(off, || Ok(())));
    assert_eq!(bench.state(job.number), HELD);
    assert!(!bench.shop.judge.purse.is_reserved(job.id));
}

#[test]
fn what_was_agreed_to_is_the_job_as_it_was_and_for_the_rule_that_held_it() {
    let bench = bench(
        rules(&["hold for approval when copies > 1", "hold for approval"]),
        0,
    );
    let approvals = &bench.shop.judge.approvals;
    let agree = |job: &Job| approvals.give(job.id, approvals.of(job.id).unwrap());
    let job = bench.held(2);
    let options = JobOptions {
        copies: 2,
        ..job.options.clone()
    };
    let job = block_on(bench.spool.set_options(job.number, options)).unwrap();
    let count = PageCount::parsed(2, 2, Sides::OneSided, Certainty::Exact);
    let job = bench.spool.set_count(job.number, count).unwrap();
    assert_eq!(tap(&bench, &job).released, [JobNumber(0); 0]);
    agree(&job).unwrap();
    // The second rule asks as well, and forgets nothing.
    let tapped = tap(&bench, &job);
    assert_eq!(tapped.waits, [(job.number, Reason::NeedsApproval)]);
    agree(&job).unwrap();
    assert_eq!(approvals.given(&job).len(), 2);
    // One is agreed to; 999 are another job.
    let many = JobOptions {
        copies: 999,
        ..job.options.clone()
    };
    let job = block_on(bench.spool.set_options(job.number, many)).unwrap();
    let count = PageCount::parsed(2, 999, Sides::OneSided, Certainty::Exact);
    let job = bench.spool.set_count(job.number, count).unwrap();
    assert!(approvals.given(&job).is_empty());
    let tapped = tap(&bench, &job);
    assert_eq!(tapped.waits, [(job.number, Reason::NeedsApproval)]);
}

/// Its deletion was answered by the mark alone, and nobody looked at the mark.
#[test]
fn a_push_job_deleted_while_it_is_judged_ends() {
    let said = Said::new(terms_with(vec![quota()]));
    let bench = Bench::of(said);
    ready(&bench.target);
    let job = bench.store(true, b"%PDF");
    let mut worker = bench.worker(|| Ok(()), || Ok(()));
    bench.target.begin(job.number);
    assert!(bench.target.cancel(job.number));
    worker.print(&bench.target, job.number, None);
    assert_eq!(bench.state(job.number).0, JobState::Canceled);
    assert_eq!(bench.journal(&job), ["canceled"]);
    assert!(bench.sent.lock().unwrap().is_empty());
    // From then on a deletion is the spool's.
    assert!(!bench.target.cancel(job.number));
}

fn settlement(bench: &Bench) -> Option<(bool, u64, Option<u32>)> {
    bench.entries().into_iter().find_map(|entry| match entry {
        Entry::Settled {
            charged,
            octets,
            count,
            ..
        } => Some((charged, octets, count.and_then(|count| count.impressions))),
        _ => None,
    })
}

/// "Stop" before the last piece was free printing.
#[test]
fn a_job_deleted_half_way_is_charged_for_what_the_printer_took() {
    let bench = bench(terms_with(vec![quota()]), 10);
    bench.stand_still();
    let job = bench.store(false, &vec![7; 128 << 10]);
    let count = PageCount::parsed(5, 1, Sides::OneSided, Certainty::Exact);
    let job = bench.spool.set_count(job.number, count).unwrap();
    assert_eq!(tap(&bench, &job).released, [job.number]);
    let (target, number) = (Arc::clone(&bench.target), job.number);
    let send = move || {
        target.cancel(number);
        Ok(())
    };
    bench.print_queued(&mut bench.worker(|| Ok(()), send));
    assert_eq!(bench.journal(&job), ["released", "settled-canceled"]);
    assert_eq!(settlement(&bench), Some((true, 64 << 10, Some(3))));
    assert_eq!(bench.settled(), [[(true, 3)]]);
    assert_eq!(bench.room(), 7);
}

#[test]
fn a_job_of_which_nothing_left_the_box_is_not_charged() {
    let bench = bench(terms_with(vec![quota()]), 10);
    bench.stand_still();
    let job = bench.held(5);
    assert_eq!(tap(&bench, &job).released, [job.number]);
    let send = || Err(PortError::Canceled);
    bench.print_queued(&mut bench.worker(|| Ok(()), send));
    assert_eq!(settlement(&bench), Some((false, 0, None)));
    assert_eq!(bench.room(), 10);
}

/// Before the first copy of a site's directory there are no rules, and without rules all was free.
#[test]
fn a_box_that_knows_no_rules_yet_holds_push_jobs() {
    let said = Said::new(SiteTerms::default());
    said.silent.store(true, Ordering::Relaxed);
    let bench = Bench::of(said);
    ready(&bench.target);
    let job = bench.store(true, b"%PDF");
    let mut worker = bench.worker(|| Ok(()), || Ok(()));
    worker.carry_out(
        &bench.target,
        Some(Order::Print {
            job: job.number,
            grant: None,
        }),
    );
    assert_eq!(bench.state(job.number), HELD);
    assert!(bench.sent.lock().unwrap().is_empty());
}

#[test]
fn a_person_whose_share_at_this_box_is_used_up_is_told_of_the_centre() {
    let said = Said::new(terms_with(vec![quota()]));
    let bench = Bench::of(Arc::clone(&said));
    ready(&bench.target);
    bench.shop.judge.purse.take(&[lease(1, 1)]).unwrap();
    let job = bench.held(5);
    let text = |tapped: super::Tapped| tapped.instead.unwrap();
    assert!(text(tap(&bench, &job)).starts_with("Your quota is used up"));
    said.away.store(true, Ordering::Relaxed);
    assert!(text(tap(&bench, &job)).contains("until the centre is back"));
}

/// Each of thirty heavy jobs was waited for by itself, and each kept a thread.
#[test]
fn page_counts_are_waited_for_once_a_tap() {
    let bench = bench(rules(&["deny color"]), 0);
    let releases = bench.releases(Vec::new());
    let job = Job {
        count: None,
        ..bench.held(1)
    };
    // Another tap's count takes long.
    let busy = block_on(releases.counting.lock());
    let mut patience = Some(Timer::after(Duration::from_millis(20)));
    block_on(releases.counted(&mut patience, job.clone())).unwrap();
    assert!(patience.is_none(), "the next job is not waited for");
    drop(busy);
    // The kept count stands.
    let mut patience = Some(Timer::after(Duration::from_secs(10)));
    let counted = block_on(releases.counted(&mut patience, job)).unwrap();
    assert!(counted.count.is_some() && patience.is_some());
}

#[test]
fn sheets_follow_the_sides_that_the_printer_confirms() {
    let sheets = |pages, copies, sides, confirmed| {
        let count = PageCount::parsed(pages, copies, sides, Certainty::Exact);
        with_impressions(count, confirmed).media_sheets
    };
    assert_eq!(sheets(100, 1, Sides::OneSided, 3), Some(3));
    assert_eq!(sheets(3, 2, Sides::TwoSidedLongEdge, 6), Some(4));
    assert_eq!(sheets(3, 2, Sides::TwoSidedLongEdge, 4), Some(3));
    assert_eq!(sheets(0, 1, Sides::TwoSidedLongEdge, 5), Some(3));
    assert_eq!(part_of(5, 1, 2), 3);
    assert_eq!(part_of(u64::MAX, u64::MAX, 1), u64::MAX);
    assert_eq!(part_of(5, 1, 0), 0);
}
