// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What goes up and down between a box and its centre: the journal of a long day cut off, and the
//! first copy of a large directory.

use std::error::Error;

use platen_bed::wait::Stopwatch;
use platen_model::journal::Cost;
use platen_model::{
    Certainty, Changes, Entry, Evidence, JobId, JobNumber, Outcome, PageCount, PricesId,
    PrinterName, Sides, Stamp, UserId,
};
use platen_sync::codec;
use platen_sync::message::{
    Hash, Link, Pull, PullAnswer, Push, PushAnswer, SentEntry, VERSION, Verdict, path,
};
use platen_sync::{limits, signed};
use ring::digest;
use serde::Serialize;

use super::boxes::ThinBox;

/// Entries of the journal that is sent: some 100 busy days.
const ENTRIES: u64 = 20_000;

/// A journal on its way to the centre.
#[derive(Clone, Debug, Serialize)]
pub struct PushRun {
    /// Entries sent and confirmed.
    pub entries: u64,
    /// Entries a second, each durable at the centre.
    pub per_second: f64,
    /// Bytes of an entry on the link, with its share of the message, compressed.
    pub bytes_per_entry: f64,
    /// The same before compression.
    pub plain_bytes_per_entry: f64,
}

/// A first copy of the directory on its way to a box.
#[derive(Clone, Debug, Serialize)]
pub struct SnapshotRun {
    /// Objects of it.
    pub records: usize,
    /// Pages it took.
    pub pages: usize,
    /// Until the last page was in the box's copy, its signature checked, on the disk.
    pub seconds: f64,
}

/// Sends the journal of a box that released and settled a job time after time.
pub(super) async fn push(thin: &ThinBox) -> Result<PushRun, Box<dyn Error>> {
    let mut after = Link::default();
    let (mut sent_bytes, mut plain_bytes) = (0, 0);
    let watch = Stopwatch::start();
    while after.sequence < ENTRIES {
        let push = Push {
            version: VERSION,
            at: stamp(after.sequence),
            after,
            entries: journal(after, limits::ENTRIES_MAX),
            head: ENTRIES,
            generation: 0,
            running: None,
            jobs: Vec::new(),
            wants: Vec::new(),
            leases_upto: 0,
        };
        plain_bytes += codec::encode(&push)?.len();
        sent_bytes += codec::pack(&push)?.bytes.len();
        let answer: PushAnswer = thin.ask(path::PUSH, &push).await?;
        match answer.verdict {
            Verdict::Kept(kept) if kept.sequence > after.sequence => after = kept,
            other => return Err(format!("the centre did not keep the entries: {other:?}").into()),
        }
    }
    let entries = after.sequence;
    let per_entry = |bytes: usize| bytes as f64 / entries as f64;
    Ok(PushRun {
        entries,
        per_second: entries as f64 / watch.elapsed().as_secs_f64(),
        bytes_per_entry: per_entry(sent_bytes),
        plain_bytes_per_entry: per_entry(plain_bytes),
    })
}

/// Fetches the directory from its beginning, believes nothing without its signature, and hands each
/// page to `take`.
pub(super) async fn snapshot(
    thin: &ThinBox,
    mut take: impl FnMut(&Changes) -> Result<(), Box<dyn Error>>,
) -> Result<SnapshotRun, Box<dyn Error>> {
    let watch = Stopwatch::start();
    let (mut after, mut generation, mut records, mut pages) = (0, 0, 0, 0);
    loop {
        let pull = Pull {
            version: VERSION,
            at: stamp(0),
            generation,
            after,
            wait_ms: 0,
            leases_upto: 0,
            offers: 0,
        };
        let answer: PullAnswer = thin.ask(path::PULL, &pull).await?;
        let enrolment = &thin.enrolment;
        let page = signed::verify(
            &answer.changes,
            &enrolment.directory_key,
            enrolment.site,
            thin.node,
        )?;
        take(&page)?;
        pages += 1;
        records += page.records.len();
        (after, generation) = (page.to, page.generation);
        if page.to >= page.latest {
            let seconds = watch.elapsed().as_secs_f64();
            return Ok(SnapshotRun {
                records,
                pages,
                seconds,
            });
        }
    }
}

/// Entries behind `after`, a release and its settlement by turns.
fn journal(after: Link, count: usize) -> Vec<SentEntry> {
    let mut link = after;
    let mut entries = Vec::with_capacity(count);
    for sequence in (after.sequence + 1..=ENTRIES).take(count) {
        let entry = entry(sequence);
        let mut bytes = Vec::new();
        ciborium::into_writer(&entry, &mut bytes).expect("an entry is plain data");
        let mut digest = digest::Context::new(&digest::SHA256);
        digest.update(&link.hash.0);
        digest.update(&bytes);
        let mut hash = Hash::default();
        hash.0.copy_from_slice(digest.finish().as_ref());
        link = Link { sequence, hash };
        entries.push(SentEntry {
            link,
            at: stamp(sequence),
            entry: bytes,
        });
    }
    entries
}

fn entry(sequence: u64) -> Entry {
    let pair = sequence.div_ceil(2);
    let number = JobNumber(u32::try_from(pair).unwrap_or(u32::MAX));
    let mut random = [0; 10];
    random[..8].copy_from_slice(&pair.wrapping_mul(0x9E37_79B9_7F4A_7C15).to_be_bytes());
    let job = JobId::from_parts(stamp(sequence).unix_ms, &random);
    let user = Some(UserId(job.0));
    let printer = PrinterName("hall".to_owned());
    let pages = number.0 % 30 + 1;
    let octets = u64::from(pages) * 40_000;
    if sequence % 2 == 1 {
        return Entry::Released {
            job,
            number,
            user,
            printer,
            attempt: 1,
            octets,
            format: "application/pdf".to_owned(),
            shares: Vec::new(),
        };
    }
    Entry::Settled {
        job,
        number,
        user,
        printer,
        attempt: 1,
        outcome: Outcome::Completed,
        count: Some(PageCount::parsed(
            pages,
            1,
            Sides::TwoSidedLongEdge,
            Certainty::Exact,
        )),
        octets,
        impressions: Some(pages),
        confirmed_by: Some(Evidence::PrinterJob),
        charged: true,
        shares: Vec::new(),
        cost: Some(Cost {
            amount: u64::from(pages) * 50,
            prices: PricesId(job.0),
        }),
    }
}

/// A working day of entries, one a minute.
fn stamp(sequence: u64) -> Stamp {
    Stamp {
        unix_ms: 1_790_000_000_000 + sequence * 60_000,
        elapsed_ms: sequence * 60_000,
        trusted: true,
    }
}
