// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A held job's two files, ticket and body: damaged in any way, the box starts, gives out nothing
//! that was not stored, and names the job. The body's reader runs on every input, a whole spool on
//! every [`OPEN_EVERY`]th (by its bytes).

use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use platen_model::{Clock, JobId, JobNumber, JobOptions, ManualClock};
use platen_spool::{NewJob, Spool, SpoolLimits};
use platen_store::{BodyKey, BodyReader, BodySealer, Database, Disk, Keys, SimDisk};
use smol::block_on;

use crate::damage::damaged;
use crate::sealed_box::{Files, disk_of, index_folder, put};

/// A spool writes its index to a real disk, which takes a thousand times as long as the reading.
const OPEN_EVERY: usize = 32;
/// Two chunks and a part.
const DOCUMENT_BYTES: usize = 150_000;

/// The first octet says which of the two files, the others how it is damaged.
///
/// # Panics
/// When a byte comes out that was not stored, or damage goes unseen.
pub fn sealed_job(data: &[u8]) {
    let (which, script) = data.split_first().unwrap_or((&0, &[]));
    body(script);
    let sum: usize = data.iter().copied().map(usize::from).sum();
    if sum.is_multiple_of(OPEN_EVERY) {
        spool(which % 2 == 0, script);
    }
}

fn document() -> Vec<u8> {
    (0..=250).cycle().take(DOCUMENT_BYTES).collect()
}

fn body(script: &[u8]) {
    static SOUND: OnceLock<(BodyKey, Vec<u8>)> = OnceLock::new();
    let id = JobId::from_parts(1, &[3; 10]);
    let (key, sealed) = SOUND.get_or_init(|| {
        let key = BodyKey::random().expect("random bytes");
        let mut sealer = BodySealer::new(&key, id).expect("a new key");
        let (document, mut sealed) = (document(), Vec::new());
        let mut rest = document.as_slice();
        while let Some(chunk) = sealer.push(&mut rest).expect("a short body") {
            sealed.extend_from_slice(chunk);
        }
        sealed.extend(sealer.finish().expect("a short body"));
        (key, sealed)
    });
    let bytes = damaged(sealed, script);
    let changed = bytes != *sealed;
    let opened = BodyReader::open(Box::new(std::io::Cursor::new(bytes)), key, id);
    assert_proven(opened.map_err(drop), changed);
}

/// Nothing but the beginning of the document comes out, and all of it only when nothing changed.
fn assert_proven(opened: Result<BodyReader, ()>, changed: bool) {
    let mut plain = Vec::new();
    let whole = opened.is_ok_and(|mut reader| reader.read_to_end(&mut plain).is_ok());
    assert!(document().starts_with(&plain), "a byte that was not stored");
    assert_eq!(whole, !changed, "{} bytes came out", plain.len());
}

struct Held {
    files: Files,
    ticket: PathBuf,
    body: PathBuf,
}

fn spool(of_ticket: bool, script: &[u8]) {
    static SOUND: OnceLock<(tempfile::TempDir, Database, Held)> = OnceLock::new();
    let (_, database, held) = SOUND.get_or_init(|| {
        let (disk, folder) = (SimDisk::new(0), index_folder());
        let keys = Arc::new(Keys::open(&disk).expect("an empty disk"));
        let (database, _) =
            Database::open(&folder.path().join("jobs"), &keys).expect("a new index");
        let held = hold(&disk, &database);
        (folder, database, held)
    });
    let path = if of_ticket { &held.ticket } else { &held.body };
    let found = held.files.iter().find(|(name, _)| name == path);
    let sound = found.map(|(_, bytes)| bytes.as_slice()).unwrap_or_default();
    let bytes = damaged(sound, script);
    let changed = bytes != sound;
    let disk = disk_of(&held.files);
    put(&disk, path, &bytes);
    // What is left of an upload: the index is made again from the files.
    put(&disk, Path::new("jobs/left-over"), b"");
    let (spool, report) = open(&disk, database);
    match spool.job(JobNumber(1)).expect("the index is sound") {
        None => assert!(changed && report == 1, "a sound job is gone"),
        Some(job) => assert_proven(spool.body(job.number).map_err(drop), changed),
    }
}

fn hold(disk: &SimDisk, database: &Database) -> Held {
    let (spool, _) = open(disk, database);
    let new = NewJob {
        name: "a job".to_owned(),
        owner: "somebody".to_owned(),
        format: "application/pdf".to_owned(),
        options: JobOptions::default(),
        target: None,
        hold: false,
    };
    let mut upload = spool.begin(new).expect("random bytes");
    upload.write(&document()).expect("memory takes all");
    block_on(spool.commit(upload)).expect("memory takes all");
    drop(spool);
    let files = disk.files();
    let named = |ending: &str| {
        let mut names = files.iter().map(|(path, _)| path);
        let found = names.find(|path| path.extension().is_some_and(|found| found == ending));
        found.expect("a job has two files").clone()
    };
    let (ticket, body) = (named("ticket"), named("body"));
    Held {
        files,
        ticket,
        body,
    }
}

/// The spool, and how many jobs it found damaged.
fn open(disk: &SimDisk, database: &Database) -> (Spool, usize) {
    let disk: Arc<dyn Disk> = Arc::new(disk.clone());
    let keys = Arc::new(Keys::open(&*disk).expect("the key is sound"));
    let clock: Arc<dyn Clock> = Arc::new(ManualClock::at(1_800_000_000_000));
    let limits = SpoolLimits::default();
    let (spool, report) = Spool::open(disk, keys, database, clock, limits).expect("the box starts");
    (spool, report.damaged.len())
}
