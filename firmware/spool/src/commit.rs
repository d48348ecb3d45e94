// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Group commit: one thread takes every change that waits, writes all their files, syncs them
//! together, renames, syncs the directory once, and answers each. Fifty clients pay for one sync.

use std::collections::BTreeSet;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use platen_model::{Job, JobId, JobNumber, JobOptions, JobState, JobStateReason};
use platen_store::{Disk, DiskFile, Keys};
use smol::channel::{Receiver, Sender};

use crate::error::SpoolError;
use crate::index::{Change, Ending, Index, Row, waits_for_person};
use crate::ticket::{DIR, Draft, Ticket, body_path, new_ticket_path, ticket_path};
use crate::upload::{BodyFile, FinishedBody};

/// Changes in one batch, at most; also how many may wait.
pub(crate) const BATCH_MAX: usize = 256;

/// How long a batch waits for as many changes as the last one had.
const GATHER: Duration = Duration::from_millis(3);

/// One durable change.
pub(crate) enum Work {
    Accept {
        draft: Box<Draft>,
        body: Option<FinishedBody>,
    },
    Attach {
        number: JobNumber,
        format: String,
        body: FinishedBody,
    },
    Hold {
        number: JobNumber,
        hold: bool,
    },
    Options {
        number: JobNumber,
        options: Box<JobOptions>,
    },
    End {
        number: JobNumber,
        ending: Ending,
        /// Whether also a job may end whose bytes are on their way.
        printing_too: bool,
    },
}

impl Work {
    /// The job that must not be touched twice in one batch.
    fn known_job(&self) -> Option<JobNumber> {
        match self {
            Self::Accept { .. } => None,
            Self::Attach { number, .. }
            | Self::Hold { number, .. }
            | Self::Options { number, .. }
            | Self::End { number, .. } => Some(*number),
        }
    }
}

/// A change and who waits for its answer.
pub(crate) struct Request {
    pub(crate) work: Work,
    pub(crate) reply: Sender<Result<Job, SpoolError>>,
}

/// What remains to be done for one change once its files are written.
struct Plan {
    reply: Sender<Result<Job, SpoolError>>,
    number: JobNumber,
    change: Change,
    /// The new ticket's temporary file, to be renamed.
    ticket_of: Option<JobId>,
    /// Whether the ticket is the job's first, to be removed if the change fails.
    first_ticket: bool,
    body: Option<BodyFile>,
    /// State and reason of a job that is to end, for when it does not.
    before: Option<(JobState, JobStateReason)>,
    remove: Vec<PathBuf>,
}

pub(crate) struct Committer {
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) keys: Arc<Keys>,
    pub(crate) index: Arc<Index>,
    pub(crate) reserve_bytes: u64,
}

impl Committer {
    /// Works until every sender is gone.
    pub(crate) fn run(&self, requests: &Receiver<Request>) {
        let mut later = Vec::new();
        let mut crowd = 1;
        loop {
            if later.is_empty() {
                match requests.recv_blocking() {
                    Ok(request) => later.push(request),
                    Err(_) => return,
                }
            }
            gather(requests, &mut later, crowd);
            let batch = take_batch(&mut later);
            let answered = batch.len();
            self.commit(batch);
            crowd = answered + later.len() + requests.len();
        }
    }

    fn commit(&self, batch: Vec<Request>) {
        let mut files = Vec::with_capacity(batch.len() * 2);
        let mut plans = Vec::with_capacity(batch.len());
        let room = self
            .disk
            .free_bytes()
            .is_ok_and(|free| free >= self.reserve_bytes);
        for Request { work, reply } in batch {
            match self.prepare(work, room, &mut files, reply.clone()) {
                Ok(plan) => plans.push(plan),
                Err(error) => answer(&reply, Err(error)),
            }
        }
        if plans.is_empty() {
            return;
        }
        match self.make_durable(&mut files, &mut plans) {
            Ok(jobs) => {
                for (mut plan, job) in plans.into_iter().zip(jobs) {
                    if let Some(body) = &mut plan.body {
                        body.keep();
                    }
                    answer(&plan.reply, job.ok_or(SpoolError::NotFound(plan.number)));
                }
            }
            Err(error) => self.undo(plans, &error),
        }
    }

    /// Writes the files of one change; they are not synced yet.
    fn prepare(
        &self,
        work: Work,
        room: bool,
        files: &mut Vec<Box<dyn DiskFile>>,
        reply: Sender<Result<Job, SpoolError>>,
    ) -> Result<Plan, SpoolError> {
        match work {
            Work::Accept { .. } | Work::Attach { .. } if !room => Err(SpoolError::Full),
            Work::Accept { draft, body } => {
                let ticket = draft.into_ticket(self.index.take_number()?);
                self.prepare_new(ticket, body, files, reply)
            }
            Work::Attach {
                number,
                format,
                body,
            } => self.prepare_attach(number, format, body, files, reply),
            Work::Hold { number, hold } => self.prepare_hold(number, hold, files, reply),
            Work::Options { number, options } => {
                self.prepare_options(number, *options, files, reply)
            }
            Work::End {
                number,
                ending,
                printing_too,
            } => self.prepare_end(number, ending, printing_too, reply),
        }
    }

    /// The job counts as ended from here on, before its files are gone: nobody may begin to print
    /// it meanwhile.
    fn prepare_end(
        &self,
        number: JobNumber,
        ending: Ending,
        printing_too: bool,
        reply: Sender<Result<Job, SpoolError>>,
    ) -> Result<Plan, SpoolError> {
        let mut before = None;
        let job = self.index.update(number, |row| {
            if row.job.state == JobState::Processing && !printing_too {
                return Err(SpoolError::NotNow(number));
            }
            before = Some((row.job.state, row.job.reason));
            (row.job.state, row.job.reason) = (ending.state, ending.reason);
            Ok(())
        })?;
        Ok(Plan {
            reply,
            number,
            change: Change::End { number, ending },
            ticket_of: None,
            first_ticket: false,
            body: None,
            before,
            // The ticket first: it has the key, and a body alone is an orphan.
            remove: vec![ticket_path(job.id), body_path(job.id)],
        })
    }

    fn prepare_new(
        &self,
        mut ticket: Ticket,
        body: Option<FinishedBody>,
        files: &mut Vec<Box<dyn DiskFile>>,
        reply: Sender<Result<Job, SpoolError>>,
    ) -> Result<Plan, SpoolError> {
        let body = body
            .map(|body| self.write_body(&mut ticket, body, files))
            .transpose()?;
        self.write_ticket(&ticket, files)?;
        let row = Row {
            job: ticket.to_job(),
            hold: ticket.hold,
            has_body: ticket.body_key.is_some(),
        };
        Ok(Plan {
            reply,
            number: ticket.number,
            change: Change::Insert(Box::new(row)),
            ticket_of: Some(ticket.id),
            first_ticket: true,
            body,
            before: None,
            remove: Vec::new(),
        })
    }

    fn prepare_attach(
        &self,
        number: JobNumber,
        format: String,
        body: FinishedBody,
        files: &mut Vec<Box<dyn DiskFile>>,
        reply: Sender<Result<Job, SpoolError>>,
    ) -> Result<Plan, SpoolError> {
        let mut ticket = self.ticket(number)?;
        if ticket.body_key.is_some() {
            return Err(SpoolError::HasBody(number));
        }
        ticket.format.clone_from(&format);
        let octets = body.octets;
        let body = self.write_body(&mut ticket, body, files)?;
        self.write_ticket(&ticket, files)?;
        Ok(Plan {
            reply,
            number,
            change: Change::Body {
                number,
                format,
                octets,
            },
            ticket_of: Some(ticket.id),
            first_ticket: false,
            body: Some(body),
            before: None,
            remove: Vec::new(),
        })
    }

    fn prepare_hold(
        &self,
        number: JobNumber,
        hold: bool,
        files: &mut Vec<Box<dyn DiskFile>>,
        reply: Sender<Result<Job, SpoolError>>,
    ) -> Result<Plan, SpoolError> {
        let state = self.index.row(number)?.job.state;
        if !matches!(state, JobState::Pending | JobState::PendingHeld) {
            return Err(SpoolError::NotNow(number));
        }
        let mut ticket = self.ticket(number)?;
        ticket.hold = hold;
        let change = Change::Hold { number, hold };
        self.prepare_change(&ticket, change, files, reply)
    }

    fn prepare_options(
        &self,
        number: JobNumber,
        options: JobOptions,
        files: &mut Vec<Box<dyn DiskFile>>,
        reply: Sender<Result<Job, SpoolError>>,
    ) -> Result<Plan, SpoolError> {
        if !waits_for_person(&self.index.row(number)?.job) {
            return Err(SpoolError::NotNow(number));
        }
        let mut ticket = self.ticket(number)?;
        ticket.options.clone_from(&options);
        let options = Box::new(options);
        let change = Change::Options { number, options };
        self.prepare_change(&ticket, change, files, reply)
    }

    /// A change of a ticket that leaves the document alone.
    fn prepare_change(
        &self,
        ticket: &Ticket,
        change: Change,
        files: &mut Vec<Box<dyn DiskFile>>,
        reply: Sender<Result<Job, SpoolError>>,
    ) -> Result<Plan, SpoolError> {
        self.write_ticket(ticket, files)?;
        Ok(Plan {
            reply,
            number: ticket.number,
            change,
            ticket_of: Some(ticket.id),
            first_ticket: false,
            body: None,
            before: None,
            remove: Vec::new(),
        })
    }

    fn ticket(&self, number: JobNumber) -> Result<Ticket, SpoolError> {
        let id = self.index.row(number)?.job.id;
        Ok(Ticket::read(&*self.disk, &self.keys, id)?)
    }

    fn write_body(
        &self,
        ticket: &mut Ticket,
        body: FinishedBody,
        files: &mut Vec<Box<dyn DiskFile>>,
    ) -> Result<BodyFile, SpoolError> {
        let mut file = body.file;
        files.extend(file.take());
        ticket.octets = body.octets;
        ticket.body_key = Some(body.wrapped_key);
        Ok(file)
    }

    fn write_ticket(
        &self,
        ticket: &Ticket,
        files: &mut Vec<Box<dyn DiskFile>>,
    ) -> Result<(), SpoolError> {
        let sealed = ticket.seal(&self.keys)?;
        let path = new_ticket_path(ticket.id);
        let mut file = match self.disk.create(&path) {
            // Left over from a change that failed.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                self.disk.remove(&path)?;
                self.disk.create(&path)?
            }
            created => created?,
        };
        if let Err(error) = file.write_all(&sealed) {
            self.disk.remove(&path)?;
            return Err(error.into());
        }
        files.push(file);
        Ok(())
    }

    fn make_durable(
        &self,
        files: &mut Vec<Box<dyn DiskFile>>,
        plans: &mut [Plan],
    ) -> Result<Vec<Option<Job>>, SpoolError> {
        self.disk.sync_files(files)?;
        files.clear();
        for plan in &*plans {
            if let Some(id) = plan.ticket_of {
                self.disk.rename(&new_ticket_path(id), &ticket_path(id))?;
            }
            for path in &plan.remove {
                self.disk.remove(path)?;
            }
        }
        self.disk.sync_dir(Path::new(DIR))?;
        let changes = plans.iter().map(|plan| plan.change.clone()).collect();
        Ok(self.index.apply(changes)?)
    }

    /// Takes back what can be: nobody was told yes, so nothing may be found later.
    fn undo(&self, plans: Vec<Plan>, error: &SpoolError) {
        log::error!(err:% = platen_model::Chain(error); "a batch of jobs could not be made durable");
        for mut plan in plans {
            let temporary = plan.ticket_of.map(new_ticket_path);
            let first = plan
                .ticket_of
                .filter(|_| plan.first_ticket)
                .map(ticket_path);
            for path in temporary.into_iter().chain(first) {
                if let Err(error) = self.disk.remove(&path) {
                    log::warn!(err:% = error; "a refused job could not be removed");
                }
            }
            if let Some(body) = &mut plan.body
                && plan.ticket_of.is_some_and(|id| self.ticket_has_body(id))
            {
                // The rewritten ticket is in place already: the body belongs to it.
                body.keep();
            }
            self.restore(&plan);
            answer(&plan.reply, Err(error.clone()));
        }
    }

    fn restore(&self, plan: &Plan) {
        let Some(before) = plan.before else {
            return;
        };
        let restored = self.index.update(plan.number, |row| {
            (row.job.state, row.job.reason) = before;
            Ok(())
        });
        if let Err(error) = restored {
            log::warn!(job:% = plan.number, err:% = platen_model::Chain(&error); "a job that did not end is not shown as before");
        }
    }

    fn ticket_has_body(&self, id: JobId) -> bool {
        Ticket::read(&*self.disk, &self.keys, id).is_ok_and(|ticket| ticket.body_key.is_some())
    }
}

/// Takes what waits, and waits a moment for as many as were about last time: clients that have just
/// been answered send their next job while the disk would be syncing for the others alone.
fn gather(requests: &Receiver<Request>, waiting: &mut Vec<Request>, crowd: usize) {
    let room = BATCH_MAX.saturating_sub(waiting.len());
    waiting.extend(std::iter::from_fn(|| requests.try_recv().ok()).take(room));
    let crowd = crowd.min(BATCH_MAX);
    if waiting.len() >= crowd {
        return;
    }
    smol::block_on(smol::future::or(
        async {
            while waiting.len() < crowd {
                match requests.recv().await {
                    Ok(request) => waiting.push(request),
                    Err(_) => return,
                }
            }
        },
        async {
            smol::Timer::after(GATHER).await;
        },
    ));
}

/// The waiting changes that go together: at most one for each job. The others stay, in order.
fn take_batch(waiting: &mut Vec<Request>) -> Vec<Request> {
    let (mut batch, mut later) = (Vec::new(), Vec::new());
    let mut jobs = BTreeSet::new();
    for request in waiting.drain(..) {
        let known = request.work.known_job();
        if known.is_none_or(|number| jobs.insert(number)) {
            batch.push(request);
        } else {
            later.push(request);
        }
    }
    *waiting = later;
    batch
}

fn answer(reply: &Sender<Result<Job, SpoolError>>, result: Result<Job, SpoolError>) {
    // Nobody waits any more: the change stands all the same.
    drop(reply.try_send(result));
}
