// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Walks through the spool's jobs a page at a time, so that a listing of any length holds one page
//! in memory: those that have not ended in order of arrival, then ended ones, newest first.

use platen_model::{Job, JobNumber};
use platen_spool::{Spool, SpoolError, Which};

/// Jobs read at once.
const PAGE: usize = 500;

/// Where a walk is.
pub(crate) struct Listing<'a> {
    spool: &'a Spool,
    /// Which jobs are being read; `None` at the end.
    which: Option<Which>,
    and_ended: bool,
    next: Option<JobNumber>,
    page: std::vec::IntoIter<Job>,
}

impl<'a> Listing<'a> {
    /// Jobs that have not ended, from number `first` on.
    pub(crate) fn active(spool: &'a Spool, first: Option<JobNumber>) -> Self {
        let page = Vec::new().into_iter();
        Self {
            spool,
            which: Some(Which::NotCompleted),
            and_ended: false,
            next: first,
            page,
        }
    }

    /// The same, then ended ones.
    pub(crate) fn all(spool: &'a Spool, first: Option<JobNumber>) -> Self {
        Self {
            and_ended: true,
            ..Self::active(spool, first)
        }
    }

    /// Reads the next page; `false` when there is none.
    fn turn(&mut self) -> Result<bool, SpoolError> {
        while let Some(which) = self.which {
            let page = self.spool.jobs(which, PAGE, self.next)?;
            if let Some(last) = page.last() {
                self.next = match which {
                    Which::Completed => last.number.0.checked_sub(1).map(JobNumber),
                    _ => last.number.0.checked_add(1).map(JobNumber),
                };
                let more = self.next.is_some() && page.len() == PAGE;
                self.page = page.into_iter();
                if !more {
                    self.leave(which);
                }
                return Ok(true);
            }
            self.leave(which);
        }
        Ok(false)
    }

    fn leave(&mut self, which: Which) {
        let ended_next = self.and_ended && which != Which::Completed;
        self.which = ended_next.then_some(Which::Completed);
        self.next = None;
    }
}

impl Iterator for Listing<'_> {
    type Item = Result<Job, SpoolError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(job) = self.page.next() {
                return Some(Ok(job));
            }
            match self.turn() {
                Ok(true) => {}
                Ok(false) => return None,
                Err(error) => {
                    self.which = None;
                    return Some(Err(error));
                }
            }
        }
    }
}
