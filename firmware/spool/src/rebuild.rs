// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What is found at start: half-written files and bodies without a ticket go, damaged tickets are
//! set aside, and the index is made anew from the tickets when it cannot be trusted.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::Path;
use std::sync::Mutex;

use platen_model::{JobId, JobNumber};
use platen_store::{Disk, Keys};

use crate::error::SpoolError;
use crate::index::{Change, Index, Row};
use crate::ticket::{DIR, Entry, Ticket, body_path, damaged_path, ticket_path};

/// Jobs put into the index at once.
const BATCH_JOBS: usize = 100;
/// Reading tickets is half waiting and half decryption.
const READERS: usize = 2;

/// What [`Spool::open`](crate::Spool::open) found.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct OpenReport {
    /// Jobs that have not ended.
    pub jobs: usize,
    /// Whether the index was made anew from the tickets.
    pub rebuilt: bool,
    /// Bodies without a ticket and half-written files, removed: uploads that were never answered.
    pub leftovers_removed: usize,
    /// Jobs whose ticket does not open or whose body is gone; their files are set aside with the
    /// ending `.damaged`.
    pub damaged: Vec<JobId>,
    /// Jobs that the index knew as released; they wait again, as their tickets say.
    pub rested: Vec<JobNumber>,
}

/// Names in the directory, sorted by kind.
#[derive(Default)]
struct Found {
    tickets: Vec<JobId>,
    bodies: BTreeSet<JobId>,
    leftovers: Vec<String>,
}

pub(crate) fn open(
    disk: &dyn Disk,
    keys: &Keys,
    index: &Index,
    minimum_next: JobNumber,
) -> Result<OpenReport, SpoolError> {
    disk.create_dir(Path::new(DIR))?;
    let found = look(disk)?;
    let mut report = OpenReport::default();
    // Whatever the index says when it cannot be read, the tickets say it better.
    let resumed = index.resume(found.tickets.len()).unwrap_or(false)
        && found.bodies.len() <= found.tickets.len()
        && found.leftovers.is_empty();
    index.mark_dirty(minimum_next)?;
    if resumed {
        report.rested = index.rest_released()?;
    } else {
        rebuild(disk, keys, index, found, &mut report)?;
        index.mark_dirty(minimum_next)?;
    }
    report.jobs = index.active_count();
    Ok(report)
}

fn look(disk: &dyn Disk) -> io::Result<Found> {
    let mut found = Found::default();
    for name in disk.list(Path::new(DIR))? {
        match Entry::parse(&name) {
            Entry::Ticket(id) => found.tickets.push(id),
            Entry::Body(id) => drop(found.bodies.insert(id)),
            Entry::Damaged => {}
            Entry::Leftover => found.leftovers.push(name),
        }
    }
    // Ids sort by arrival, and files read in the order they were written are near each other.
    found.tickets.sort_unstable();
    Ok(found)
}

fn rebuild(
    disk: &dyn Disk,
    keys: &Keys,
    index: &Index,
    mut found: Found,
    report: &mut OpenReport,
) -> Result<(), SpoolError> {
    report.rebuilt = true;
    index.start_over()?;
    let mut numbers = BTreeSet::new();
    for ids in found.tickets.chunks(BATCH_JOBS) {
        let mut changes = Vec::with_capacity(ids.len());
        for (id, ticket) in read_all(disk, keys, ids) {
            let body_here = found.bodies.contains(&id);
            match ticket {
                Ok(ticket) if is_whole(&ticket, body_here) && numbers.insert(ticket.number) => {
                    if ticket.body_key.is_some() {
                        found.bodies.remove(&id);
                    }
                    changes.push(admit(index, &ticket)?);
                }
                Err(error) if error.kind() != io::ErrorKind::InvalidData => {
                    return Err(error.into());
                }
                _ => {
                    found.bodies.remove(&id);
                    set_aside(disk, id, body_here)?;
                    report.damaged.push(id);
                }
            }
        }
        index.apply(changes)?;
    }
    remove_leftovers(disk, &found, report)
}

fn is_whole(ticket: &Ticket, body_here: bool) -> bool {
    ticket.body_key.is_none() || body_here
}

fn admit(index: &Index, ticket: &Ticket) -> Result<Change, SpoolError> {
    index.seen(ticket.number);
    index.forget_history_of(ticket.number)?;
    Ok(Change::Insert(Box::new(Row {
        job: ticket.to_job(),
        hold: ticket.hold,
        has_body: ticket.body_key.is_some(),
    })))
}

/// Reads tickets on [`READERS`] threads; the result is in order of ids.
fn read_all(disk: &dyn Disk, keys: &Keys, ids: &[JobId]) -> BTreeMap<JobId, io::Result<Ticket>> {
    let read = Mutex::new(BTreeMap::new());
    let share = ids.len().div_ceil(READERS).max(1);
    std::thread::scope(|scope| {
        for ids in ids.chunks(share) {
            let read = &read;
            scope.spawn(move || {
                let mine: Vec<_> = ids
                    .iter()
                    .map(|id| (*id, Ticket::read(disk, keys, *id)))
                    .collect();
                read.lock()
                    .unwrap_or_else(std::sync::PoisonError::into_inner)
                    .extend(mine);
            });
        }
    });
    read.into_inner()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
}

fn set_aside(disk: &dyn Disk, id: JobId, body_here: bool) -> io::Result<()> {
    log::error!(job:% = id; "a held job is damaged: its files are set aside");
    let ticket = ticket_path(id);
    disk.rename(&ticket, &damaged_path(&ticket))?;
    if body_here {
        let body = body_path(id);
        disk.rename(&body, &damaged_path(&body))?;
    }
    disk.sync_dir(Path::new(DIR))
}

fn remove_leftovers(
    disk: &dyn Disk,
    found: &Found,
    report: &mut OpenReport,
) -> Result<(), SpoolError> {
    for name in &found.leftovers {
        disk.remove(&Path::new(DIR).join(name))?;
    }
    for id in &found.bodies {
        disk.remove(&body_path(*id))?;
    }
    report.leftovers_removed = found.leftovers.len() + found.bodies.len();
    if report.leftovers_removed > 0 {
        disk.sync_dir(Path::new(DIR))?;
    }
    Ok(())
}
