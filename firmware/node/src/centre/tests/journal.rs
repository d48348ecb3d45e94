// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Journal and jobs go up, each entry once, in order, whatever happens on the way.

use std::io::Write as _;

use super::*;
use platen_model::{JobOptions, JobState, JobStateReason};
use platen_spool::NewJob;

fn sequences(scripted: &Scripted) -> Vec<u64> {
    let book = scripted.book();
    book.entries
        .iter()
        .map(|entry| entry.link.sequence)
        .collect()
}

fn head(bench: &Bench) -> u64 {
    bench.centre.parts.ledger.head().sequence
}

fn all_there(bench: &Bench, scripted: &Scripted) {
    wait_until("the whole journal is there", || {
        bench.centre.status().backlog == 0 && sequences(scripted).len() as u64 == head(bench)
    });
    assert_eq!(sequences(scripted), (1..=head(bench)).collect::<Vec<_>>());
}

#[test]
fn the_whole_journal_goes_up_once_over_cuts_outages_and_restarts() {
    let scripted = Scripted::start();
    let mut bench = Bench::new(&scripted.url);
    (0..1500).for_each(|n| bench.append(login_entry(n)));
    bench.enrol(&scripted);
    all_there(&bench, &scripted);
    scripted.book().cuts = 2;
    bench.append(login_entry(1));
    all_there(&bench, &scripted);
    scripted.stop();
    bench.append(login_entry(2));
    wait_until("offline", || bench.state() == CentreState::Offline);
    assert_eq!(bench.centre.status().backlog, 1);
    let (disk, _) = bench.end();
    scripted.start_again();
    // The index is lost, and with it how far the centre has the journal.
    let mut bench = Bench::on(disk, &scripted.url, NOW_MS);
    bench.run();
    all_there(&bench, &scripted);
    assert_eq!(scripted.book().forks, 0);
}

/// All files as they are now, on another disk.
fn copy(disk: &SimDisk) -> SimDisk {
    let copy = SimDisk::new(2);
    for (path, bytes) in disk.files() {
        let folder = path.parent().unwrap();
        copy.create_dir(folder).unwrap();
        let mut file = copy.create(&path).unwrap();
        file.write_all(&bytes).unwrap();
        file.sync().unwrap();
        copy.sync_dir(folder).unwrap();
    }
    copy
}

#[test]
fn a_box_put_back_from_a_backup_is_told_of_and_goes_on() {
    let scripted = Scripted::start();
    let mut bench = Bench::new(&scripted.url);
    bench.enrol(&scripted);
    (0..20).for_each(|n| bench.append(login_entry(n)));
    all_there(&bench, &scripted);
    let backup = copy(&bench.disk);
    (20..30).for_each(|n| bench.append(login_entry(n)));
    all_there(&bench, &scripted);
    let before = sequences(&scripted).len();
    drop(bench.end());
    let mut bench = Bench::on(backup, &scripted.url, NOW_MS);
    (50..53).for_each(|n| bench.append(login_entry(n)));
    bench.run();
    wait_until("it is told", || bench.has_alert("backup-restored"));
    wait_until("the new branch is there", || {
        sequences(&scripted).len() == before + 3
    });
    wait_until("nothing is left to send", || {
        bench.centre.status().backlog == 0
    });
    assert_eq!(scripted.book().forks, 1);
    bench.append(login_entry(54));
    wait_until("and it goes on", || {
        sequences(&scripted).len() == before + 4
    });
}

#[test]
fn jobs_are_told_of_as_they_change_and_after_a_restart_those_that_matter() {
    let scripted = Scripted::start();
    scripted.book().put(user(1, "ann"));
    let mut bench = Bench::new(&scripted.url);
    let job = |name: &str| NewJob {
        name: name.to_owned(),
        owner: "ann".to_owned(),
        format: "application/pdf".to_owned(),
        options: JobOptions::default(),
        target: None,
        hold: false,
    };
    let spool = bench.centre.parts.spool.clone();
    let first = smol::block_on(spool.create(job("first"))).unwrap();
    bench.enrol(&scripted);
    let state = |number: u32| scripted.book().jobs.get(&number).map(|job| job.state);
    wait_until("the first job is known", || state(first.number.0).is_some());
    wait_until("and whose it is", || {
        let second = smol::block_on(spool.create(job("second"))).unwrap();
        a_while();
        let book = scripted.book();
        book.jobs
            .get(&second.number.0)
            .is_some_and(|job| job.user.is_some())
    });
    let reason = JobStateReason::JobCanceledByUser;
    smol::block_on(spool.cancel(first.number, reason)).unwrap();
    wait_until("its end is known", || {
        state(first.number.0) == Some(JobState::Canceled)
    });
    let known = scripted.book().jobs.clone();
    drop(spool);
    let (disk, index) = bench.end();
    scripted.book().jobs.clear();
    let clock = Arc::new(ManualClock::at(NOW_MS));
    let centre = Arc::new(open(&disk, index.path(), &clock, &scripted.url));
    let mut bench = Bench {
        disk,
        index,
        clock,
        centre,
        task: None,
    };
    bench.run();
    wait_until("jobs are told again", || {
        scripted.book().jobs.len() == known.len() - 1
    });
    let book = scripted.book();
    for (number, job) in &book.jobs {
        assert!(!job.state.is_ended());
        assert!(job.turn > known[number].turn);
    }
}
