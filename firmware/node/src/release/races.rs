// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What happens when two things want the same job, when the journal takes nothing, and when the
//! printer's port misbehaves.

use std::io::Write as _;
use std::path::PathBuf;
use std::sync::Arc;

use platen_hal::{Confirmation, PanelSignal, PortError, PortReport};
use platen_ledger::Entry;
use platen_model::{Evidence, JobNumber, JobState, JobStateReason};
use platen_store::Disk as _;
use smol::block_on;

use super::bench::Bench;
use super::tap::Queued;
use super::target::Order;
use super::worker::{Worker, spawn};

fn stalled() -> PortError {
    PortError::Stalled { seconds: 1 }
}

#[test]
fn two_who_release_one_job_queue_it_once() {
    let bench = Bench::new();
    let job = bench.store(false, b"%PDF");
    let releases = bench.releases(Vec::new());
    assert_eq!(
        releases.queue(&bench.target, &job, None).unwrap(),
        Queued::Taken
    );
    assert_eq!(
        releases.queue(&bench.target, &job, None).unwrap(),
        Queued::Changed
    );
    assert_eq!(bench.orders.len(), 1);

    // Deleted while the printer was asked: the other jobs of the tap must still go.
    let gone = bench.store(false, b"%PDF");
    block_on(
        bench
            .spool
            .cancel(gone.number, JobStateReason::JobCanceledByUser),
    )
    .unwrap();
    assert_eq!(
        releases.queue(&bench.target, &gone, None).unwrap(),
        Queued::Changed
    );
}

/// A wish to delete another job took the one that is being printed back out of its deletion.
#[test]
fn deleting_a_second_job_does_not_undelete_the_first() {
    let bench = Bench::new();
    bench.target.begin(JobNumber(1));
    assert!(bench.target.cancel(JobNumber(1)));
    assert!(!bench.target.cancel(JobNumber(2)));
    assert!(bench.target.is_canceled());
}

/// Whoever deleted it was told so; the job waited again all the same.
#[test]
fn a_job_deleted_while_its_printer_is_asked_ends_although_the_printer_is_off() {
    let bench = Bench::new();
    let job = bench.released();
    let (target, number) = (Arc::clone(&bench.target), job.number);
    let open = move || {
        assert!(target.cancel(number));
        Err(stalled())
    };
    bench.print(&mut bench.worker(open, || Ok(())), &job);
    assert_eq!(bench.state(job.number).0, JobState::Canceled);
    assert_eq!(bench.journal(&job), ["canceled"]);
}

#[test]
fn a_job_deleted_while_its_printer_stalls_ends_as_deleted_and_is_not_charged() {
    let bench = Bench::new();
    let job = bench.released();
    let (target, number) = (Arc::clone(&bench.target), job.number);
    let send = move || {
        target.cancel(number);
        Err(stalled())
    };
    bench.print(&mut bench.worker(|| Ok(()), send), &job);
    assert_eq!(bench.state(job.number).0, JobState::Canceled);
    assert_eq!(bench.journal(&job), ["released", "settled-canceled"]);
}

#[test]
fn a_job_canceled_at_the_printer_ends_as_canceled_and_is_not_charged() {
    let bench = Bench::new();
    let job = bench.released();
    let send = || Err(PortError::Canceled);
    bench.print(&mut bench.worker(|| Ok(()), send), &job);
    assert_eq!(bench.state(job.number).0, JobState::Canceled);
    assert_eq!(bench.journal(&job), ["released", "settled-canceled"]);
}

#[test]
fn what_the_printer_confirmed_is_settled_where_the_box_counted_otherwise() {
    let bench = Bench::new();
    let job = bench.released();
    let mut port = bench.port(|| Ok(()), || Ok(()));
    port.report = PortReport {
        octets: 4,
        impressions: Some(5),
        confirmed_by: Some(Confirmation::PjlJob),
    };
    let mut worker = Worker::new(&bench.target, port, Arc::clone(&bench.shop));
    bench.print(&mut worker, &job);
    let entries = bench.ledger.entries(1, 1000).unwrap();
    let settled = entries.iter().find_map(|recorded| match &recorded.entry {
        Entry::Settled {
            impressions,
            confirmed_by,
            count,
            ..
        } => Some((*impressions, *confirmed_by, count.as_ref()?.impressions)),
        _ => None,
    });
    let expected = (Some(5), Some(Evidence::PrinterJob), Some(1));
    assert_eq!(settled, Some(expected));
    let ended = bench.spool.job(job.number).unwrap().unwrap();
    assert_eq!(ended.impressions_completed, 5);
}

#[test]
fn a_job_deleted_in_the_queue_or_held_again_is_left_alone() {
    let bench = Bench::new();
    let job = bench.released();
    let spool = bench.spool.clone();
    let number = job.number;
    let open = move || {
        block_on(spool.cancel(number, JobStateReason::JobCanceledByUser)).unwrap();
        Ok(())
    };
    bench.print(&mut bench.worker(open, || Ok(())), &job);
    assert!(bench.sent.lock().unwrap().is_empty());
    assert_eq!(bench.journal(&job), [""; 0]);
}

#[test]
fn a_full_journal_refuses_the_release_and_the_job_waits_until_there_is_room() {
    let bench = Bench::new();
    let job = bench.released();
    bench.disk.fill_at(Some(0));
    let mut worker = bench.worker(|| Ok(()), || Ok(()));
    let print = Some(Order::Print {
        job: job.number,
        grant: None,
    });
    worker.carry_out(&bench.target, print);
    bench.target.end();
    let waits = (JobState::PendingHeld, JobStateReason::JobReleaseWait);
    assert_eq!(bench.state(job.number), waits);
    assert!(bench.sent.lock().unwrap().is_empty());
    let shown = bench.panel.shown();
    assert_eq!(shown.signal, PanelSignal::PrinterError);
    assert!(shown.text.contains("disk is full"), "{}", shown.text);

    bench.disk.fill_at(None);
    let again = bench.spool.job(job.number).unwrap().unwrap();
    let (state, reason) = (JobState::Pending, JobStateReason::JobQueued);
    bench.spool.advance(&again, state, reason).unwrap();
    bench.print(&mut worker, &job);
    assert_eq!(bench.journal(&job), ["released", "completed"]);
    assert!(bench.ledger.verify().unwrap().faults.is_empty());
}

/// The journal kept the release open, and every later tap was refused as released already.
#[test]
fn a_job_whose_stop_was_not_journaled_can_be_released_again() {
    let bench = Bench::new();
    let job = bench.released();
    let disk = bench.disk.clone();
    let send = move || {
        disk.fill_at(Some(0));
        Err(stalled())
    };
    let print = Some(Order::Print {
        job: job.number,
        grant: None,
    });
    bench
        .worker(|| Ok(()), send)
        .carry_out(&bench.target, print);
    bench.target.end();
    bench.disk.fill_at(None);
    let stopped = bench.spool.job(job.number).unwrap().unwrap();
    assert_eq!(stopped.state, JobState::ProcessingStopped);
    let (state, reason) = (JobState::Pending, JobStateReason::JobQueued);
    bench.spool.advance(&stopped, state, reason).unwrap();
    bench.print(&mut bench.worker(|| Ok(()), || Ok(())), &job);
    let journal = ["released", "interrupted", "released", "completed"];
    assert_eq!(bench.journal(&job), journal);
}

#[test]
fn a_bug_in_the_port_costs_one_job_and_not_the_printer() {
    let bench = Bench::new();
    let (first, second) = (bench.released(), bench.released());
    let mut bugs = 1;
    let send = move || {
        bugs -= 1;
        assert!(bugs < 0, "a bug, for the test");
        Ok(())
    };
    let port = bench.port(|| Ok(()), send);
    let waiting = bench.orders.clone();
    spawn(&bench.target, waiting, port, Arc::clone(&bench.shop)).unwrap();
    assert!(bench.target.print(first.number, None));
    assert!(bench.target.print(second.number, None));
    let probed = || block_on(bench.target.probe()).ready && bench.target.queued() == 0;
    assert!((0..1000).any(|_| probed()), "the printer's thread hangs");
    let interrupted = (JobState::ProcessingStopped, JobStateReason::Interrupted);
    assert_eq!(bench.state(first.number), interrupted);
    assert_eq!(bench.journal(&first), ["released", "interrupted"]);
    assert_eq!(bench.journal(&second), ["released", "completed"]);
}

#[test]
fn a_body_that_was_changed_ends_its_job_and_only_what_was_proven_is_sent() {
    let bench = Bench::new();
    let document: Vec<u8> = (0..=250).cycle().take(200_000).collect();
    let job = bench.store(false, &document);
    let (state, reason) = (JobState::Pending, JobStateReason::JobQueued);
    let job = bench.spool.advance(&job, state, reason).unwrap();
    let path = PathBuf::from(format!("jobs/{}.body", job.id));
    let mut bytes = bench
        .disk
        .files()
        .into_iter()
        .find(|(name, _)| *name == path)
        .unwrap()
        .1;
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    bench.disk.truncate(&path, 0).unwrap();
    bench.disk.append(&path).unwrap().write_all(&bytes).unwrap();
    bench.print(&mut bench.worker(|| Ok(()), || Ok(())), &job);
    assert_eq!(bench.state(job.number).0, JobState::Aborted);
    assert_eq!(bench.journal(&job), ["released", "aborted"]);
    let sent = bench.sent.lock().unwrap();
    assert!(sent.len() < document.len() && document.starts_with(&sent));
}

/// Its client went away between storing and queueing, or the queue was full: it waited for a
/// restart.
#[test]
fn a_ready_printer_takes_up_push_jobs_that_nobody_queued() {
    let bench = Bench::new();
    let push = bench.store(true, b"%PDF");
    let pull = bench.store(false, b"%PDF");
    let mut worker = bench.worker(|| Ok(()), || Ok(()));
    worker.carry_out(&bench.target, None);
    assert_eq!(bench.orders.len(), 1);
    bench.print(&mut worker, &push);
    assert_eq!(bench.journal(&push), ["released", "completed"]);
    assert_eq!(bench.state(pull.number).0, JobState::PendingHeld);
}
