// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Journals of boxes: each entry once, each job charged once, whatever comes twice, late or side by
//! side.

use platen_central::app::{ChargeFilter, JobFilter, LeaseFilter, LoginFilter, Page};
use platen_model::{
    Certainty, Entry, JobNumber, JobState, JobStateReason, Method, PageCount, PrinterName, Sides,
    Source,
};
use platen_sync::message::{JobNotice, Link, Verdict};

use crate::site::{ADMIN, NOON, Site, TestBox, job, on_both, settled, share, stamp};

on_both! {
    a_push_that_comes_again_changes_nothing
    two_servers_that_get_one_batch_at_once_charge_once
    a_box_put_back_from_a_backup_begins_a_branch_and_is_charged_nothing_twice
    a_job_released_at_two_boxes_is_charged_once_and_flagged
    lost_and_unknown_entries_are_kept_and_shown
    the_latest_word_about_a_job_counts_and_its_names_are_sealed
    charges_that_come_while_somebody_pages_shift_nothing
    a_job_that_was_counted_when_it_was_settled_shows_that_count
    logins_are_listed
    no_member_is_heard
}

async fn charges(site: &Site) -> u64 {
    let all = ChargeFilter::default();
    let charges = site.centre.charges(&all, Page::default()).await;
    charges.unwrap().total
}

async fn alerts(site: &Site) -> Vec<String> {
    let alerts = site.centre.alerts(true, Page::default()).await.unwrap();
    alerts.rows.into_iter().map(|alert| alert.kind).collect()
}

async fn a_push_that_comes_again_changes_nothing(site: Site) {
    let mut printer = site.member(1).await;
    let user = site.user("wang").await;
    for number in 1..=20 {
        printer.write(&settled(job(number), Some(user), Vec::new()));
    }
    let push = printer.push();
    for _ in 0..3 {
        let answer = site.centre.receive(printer.node, &push).await.unwrap();
        let last = printer.entries[19].link;
        assert_eq!(answer.verdict, Verdict::Kept(last));
        assert_eq!(charges(&site).await, 20);
    }
    // Parts of it that overlap are no-ops as well, and one behind a gap is not taken.
    let mut part = push.clone();
    part.entries.truncate(7);
    site.centre.receive(printer.node, &part).await.unwrap();
    printer.write(&settled(job(21), None, Vec::new()));
    printer.write(&settled(job(22), None, Vec::new()));
    let mut gap = printer.push();
    gap.after = printer.entries[20].link;
    gap.entries.drain(..21);
    let answer = site.centre.receive(printer.node, &gap).await.unwrap();
    assert_eq!(answer.verdict, Verdict::SendAfter(printer.entries[19].link));
    assert_eq!(charges(&site).await, 20);
    printer.sync(&site.centre).await;
    assert_eq!(charges(&site).await, 22);
    assert_eq!(site.number("SELECT COUNT(*) FROM journal").await, 22);
    assert!(alerts(&site).await.is_empty());
}

async fn two_servers_that_get_one_batch_at_once_charge_once(site: Site) {
    let second = site.second().await;
    let mut printer = site.member(1).await;
    for round in 0..10_u8 {
        for number in 0..10 {
            printer.write(&settled(job(round * 10 + number), None, Vec::new()));
        }
        let push = printer.push();
        let (one, two) = smol::future::zip(
            site.centre.receive(printer.node, &push),
            second.receive(printer.node, &push),
        )
        .await;
        let last = Verdict::Kept(printer.entries.last().unwrap().link);
        assert_eq!(
            (one.unwrap().verdict, two.unwrap().verdict),
            (last.clone(), last)
        );
        printer.kept = printer.entries.last().unwrap().link;
    }
    assert_eq!(charges(&site).await, 100);
    let doubles = site.centre.double_releases(Page::default()).await.unwrap();
    assert_eq!(doubles.total, 0);
}

async fn a_box_put_back_from_a_backup_begins_a_branch_and_is_charged_nothing_twice(site: Site) {
    let mut printer = site.member(1).await;
    printer.write(&settled(job(1), None, Vec::new()));
    let mut backup = printer.clone();
    printer.write(&settled(job(2), None, Vec::new()));
    printer.write(&settled(job(3), None, Vec::new()));
    printer.sync(&site.centre).await;
    // The old disk prints job 2 once more and a job of its own.
    backup.write(&Entry::Started {
        version: "0.1.0".to_owned(),
    });
    backup.write(&settled(job(2), None, Vec::new()));
    backup.write(&settled(job(4), None, Vec::new()));
    backup.sync(&site.centre).await;
    assert_eq!(charges(&site).await, 4);
    let doubles = site.centre.double_releases(Page::default()).await.unwrap();
    assert_eq!(doubles.rows[0].job, job(2));
    let mut kinds = alerts(&site).await;
    kinds.sort();
    assert_eq!(kinds, ["double-release", "journal-forked"]);
    let node = site.centre.node(printer.node).await.unwrap();
    assert_eq!((node.branch, node.kept), (2, 4));
    // The new branch alone has what was written on it; both are kept.
    let branch = site.centre.journal(printer.node, 2, 0, 100).await.unwrap();
    let sequences: Vec<u64> = branch.iter().map(|entry| entry.link.sequence).collect();
    assert_eq!(sequences, [2, 3, 4]);
    assert_eq!(site.number("SELECT COUNT(*) FROM journal").await, 6);
    // And the first disk, put in again, goes on where it was.
    printer.write(&settled(job(5), None, Vec::new()));
    printer.sync(&site.centre).await;
    assert_eq!(charges(&site).await, 5);
    assert_eq!(site.centre.node(printer.node).await.unwrap().branch, 1);
}

async fn a_job_released_at_two_boxes_is_charged_once_and_flagged(site: Site) {
    let second = site.second().await;
    let (mut one, mut two) = (site.member(1).await, site.member(2).await);
    one.write(&settled(job(1), None, Vec::new()));
    two.write(&settled(job(1), None, Vec::new()));
    smol::future::zip(one.sync(&site.centre), two.sync(&second)).await;
    assert_eq!(charges(&site).await, 1);
    let doubles = site.centre.double_releases(Page::default()).await.unwrap();
    assert_eq!((doubles.total, doubles.rows[0].job), (1, job(1)));
    assert_eq!(alerts(&site).await, ["double-release"]);
    let open = site.centre.alerts(true, Page::default()).await.unwrap();
    site.centre
        .settle_alert(&ADMIN, open.rows[0].id)
        .await
        .unwrap();
    assert!(alerts(&site).await.is_empty());
}

async fn lost_and_unknown_entries_are_kept_and_shown(site: Site) {
    let mut printer = site.member(1).await;
    printer.write(&settled(job(1), None, Vec::new()));
    printer.write_raw(Vec::new());
    // {"teleported": {"to": "moon"}}, from a program to come.
    printer.write_raw(b"\xa1\x6ateleported\xa1\x62to\x64moon".to_vec());
    printer.write_raw(b"\xff\xff no CBOR at all".to_vec());
    printer.write(&settled(job(2), None, Vec::new()));
    printer.sync(&site.centre).await;
    assert_eq!(charges(&site).await, 2);
    let entries = site.centre.journal(printer.node, 1, 0, 100).await.unwrap();
    let kinds: Vec<&str> = entries.iter().map(|entry| entry.kind.as_str()).collect();
    assert_eq!(
        kinds,
        ["settled", "lost", "teleported", "unknown", "settled"]
    );
    let sent: Vec<_> = printer.entries.iter().map(|sent| &sent.entry).collect();
    let kept: Vec<_> = entries.iter().map(|entry| &entry.raw).collect();
    assert_eq!(kept, sent, "their bytes are what was sent");
    assert_eq!(alerts(&site).await, ["entries-lost"]);
}

fn notice(turn: u64, state: JobState) -> JobNotice {
    JobNotice {
        job: job(1),
        number: JobNumber(17),
        turn,
        user: None,
        owner: "Wang Wei".to_owned(),
        name: "工资表 2026.pdf".to_owned(),
        format: "application/pdf".to_owned(),
        octets: 12_345,
        state,
        reason: JobStateReason::None,
        printer: Some(PrinterName("hall".to_owned())),
        count: None,
        created_unix_ms: NOON,
    }
}

async fn the_latest_word_about_a_job_counts_and_its_names_are_sealed(site: Site) {
    let printer = site.member(1).await;
    let tell = async |notices: Vec<JobNotice>| {
        let mut push = printer.push();
        push.jobs = notices;
        site.centre.receive(printer.node, &push).await.unwrap();
    };
    tell(vec![
        notice(5, JobState::Processing),
        notice(4, JobState::PendingHeld),
    ])
    .await;
    tell(vec![notice(3, JobState::Pending)]).await;
    let known = site.centre.job(job(1)).await.unwrap();
    assert_eq!((known.state, known.turn), (JobState::Processing, 5));
    assert_eq!(known.name, "工资表 2026.pdf");
    assert_eq!(
        (known.owner.as_str(), known.node),
        ("Wang Wei", printer.node)
    );
    tell(vec![notice(6, JobState::Completed)]).await;
    let filter = JobFilter {
        state: Some(JobState::Completed),
        node: Some(printer.node),
        from_unix_ms: Some(NOON),
        to_unix_ms: Some(NOON),
        ..JobFilter::default()
    };
    let listed = site.centre.jobs(&filter, Page::default()).await.unwrap();
    assert_eq!(listed.total, 1);
    let later = JobFilter {
        from_unix_ms: Some(NOON + 1),
        ..filter
    };
    assert_eq!(
        site.centre
            .jobs(&later, Page::default())
            .await
            .unwrap()
            .total,
        0
    );
    // Whoever has the database has no names.
    site.centre.close().await;
    let clear = "SELECT COUNT(*) FROM jobs WHERE LENGTH(name) < 20 OR LENGTH(owner) < 20";
    assert_eq!(site.number(clear).await, 0);
    for file in std::fs::read_dir(site.folder.path()).unwrap().flatten() {
        let bytes = std::fs::read(file.path()).unwrap();
        let has = |text: &[u8]| bytes.windows(text.len()).any(|part| part == text);
        assert!(!has("工资表".as_bytes()) && !has(b"Wang Wei"), "{file:?}");
    }
}

async fn charges_that_come_while_somebody_pages_shift_nothing(site: Site) {
    let mut printer = site.member(1).await;
    for number in 1..=7 {
        printer.write(&settled(job(number), None, Vec::new()));
    }
    printer.sync(&site.centre).await;
    let all = ChargeFilter::default();
    let (mut seen, mut page) = (Vec::new(), Page::default());
    page.limit = 3;
    loop {
        let listed = site.centre.charges(&all, page).await.unwrap();
        seen.extend(listed.rows.into_iter().map(|charge| charge.job));
        let Some(next) = listed.next else { break };
        page.behind = Some(next);
        let more = u8::try_from(seen.len()).unwrap() + 100;
        printer.write(&settled(job(more), None, Vec::new()));
        printer.sync(&site.centre).await;
    }
    // All have one time: those of a higher id stand before the page and are not seen.
    let expected: Vec<_> = (1..=7).rev().map(job).collect();
    assert_eq!(seen, expected);
    // Lists by place in a journal and by id go on behind a row as well.
    let behind = Page {
        behind: page.behind,
        ..page
    };
    let filter = LoginFilter::default();
    assert_eq!(site.centre.logins(&filter, behind).await.unwrap().total, 0);
    let doubles = site.centre.double_releases(behind).await.unwrap();
    assert_eq!((doubles.total, doubles.next), (0, None));
    assert_eq!(site.centre.alerts(true, behind).await.unwrap().total, 0);
    let leases = LeaseFilter::default();
    assert_eq!(site.centre.leases(&leases, behind).await.unwrap().total, 0);
    let jobs = site.centre.jobs(&JobFilter::default(), behind).await;
    assert_eq!(jobs.unwrap().total, 0);
}

async fn a_job_that_was_counted_when_it_was_settled_shows_that_count(site: Site) {
    let mut printer = site.member(1).await;
    let counted = PageCount::parsed(7, 1, Sides::OneSided, Certainty::Exact);
    let mut entry = settled(job(1), None, Vec::new());
    if let Entry::Settled { count, .. } = &mut entry {
        *count = Some(counted.clone());
    }
    printer.write(&entry);
    let mut push = printer.push();
    push.jobs = vec![notice(6, JobState::Completed)];
    site.centre.receive(printer.node, &push).await.unwrap();
    let all = JobFilter::default();
    let listed = site.centre.jobs(&all, Page::default()).await.unwrap();
    assert_eq!(listed.rows[0].count.as_ref(), Some(&counted));
    let known = site.centre.job(job(1)).await.unwrap();
    assert_eq!(known.count, Some(counted));
}

async fn logins_are_listed(site: Site) {
    let mut printer = site.member(1).await;
    let user = site.user("wang").await;
    printer.write(&Entry::LoginAccepted {
        user,
        reader: "front".to_owned(),
        source: Source::Cached { age_s: 60 },
        proved: true,
        method: Some(Method::CardPin),
    });
    printer.write(&Entry::LoginRefused {
        method: Method::Pin,
        user: Some(user),
        reader: "panel".to_owned(),
        reason: platen_model::Denied::WrongSecret,
    });
    printer.sync(&site.centre).await;
    let all = LoginFilter::default();
    let listed = site.centre.logins(&all, Page::default()).await.unwrap();
    assert_eq!((listed.total, listed.rows[1].place.as_str()), (2, "front"));
    assert_eq!(listed.rows[1].source.as_deref(), Some("cached"));
    assert_eq!(listed.rows[1].at_unix_ms, stamp().unix_ms);
    let refused = LoginFilter {
        refused_only: true,
        user: Some(user),
        node: Some(printer.node),
    };
    let listed = site.centre.logins(&refused, Page::default()).await.unwrap();
    assert_eq!(listed.total, 1);
    assert_eq!(listed.rows[0].method, Some(Method::Pin));
}

/// What no honest box sends is refused and leaves nothing behind.
async fn no_member_is_heard(site: Site) {
    let stranger = TestBox::new(platen_model::NodeId(uuid::Uuid::from_bytes([66; 16])));
    assert!(
        site.centre
            .receive(stranger.node, &stranger.push())
            .await
            .is_err()
    );
    let mut printer = site.member(1).await;
    printer.write(&settled(job(1), None, vec![share(quota(), None, u64::MAX)]));
    let mut push = printer.push();
    push.after = Link {
        sequence: 5,
        ..Link::default()
    };
    let refused = site.centre.receive(printer.node, &push).await.unwrap_err();
    assert_eq!(refused.fault(), platen_central::app::Fault::Asked);
    printer.sync(&site.centre).await;
    assert_eq!(charges(&site).await, 1);
    site.centre.revoke_node(&ADMIN, printer.node).await.unwrap();
    assert!(
        site.centre
            .receive(printer.node, &printer.push())
            .await
            .is_err()
    );
}

fn quota() -> platen_model::QuotaId {
    platen_model::QuotaId(uuid::Uuid::from_bytes([3; 16]))
}
