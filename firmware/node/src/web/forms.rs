// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What forms do: log in and out, release, delete and change jobs, confirm a phone. Each ends with a
//! page to look at, so that going back or loading again does nothing twice.

use std::sync::Arc;

use hyper::body::Incoming;
use platen_model::{Chain, ColorMode, Job, JobNumber, JobStateReason, PrinterName, Reason, Sides};
use platen_net::PeerInfo;
use platen_spool::SpoolError;
use platen_wire::form::Form;

use super::answer::{Answer, Fault};
use super::facts;
use super::help::Topic;
use super::pages::jobs as jobs_page;
use super::pages::options::{COPIES_MAX, color_word};
use super::route::{Web, numbers, ok};
use super::sessions::{Notes, Person};
use super::visit::Visit;
use super::words::Word;
use crate::node::CancelError;
use crate::release::Wish;

impl Web {
    /// Answers a form.
    pub(super) async fn post(
        &self,
        visit: &mut Visit,
        body: Incoming,
        peer: PeerInfo,
    ) -> Result<Answer, Fault> {
        let form = visit.form(body, &self.sessions, &self.node.clock).await?;
        let path = visit.path.clone();
        let words: Vec<&str> = path.split('/').filter(|word| !word.is_empty()).collect();
        if words == ["login"] {
            return self.log_in(visit, &form, peer).await;
        }
        if words == ["logout"] {
            return self.log_out(visit);
        }
        if words == ["phone"] && visit.person.is_none() {
            return Ok(self.claim_phone(visit, &form));
        }
        // The session ended while the form was on the screen.
        let Some(person) = visit.person.clone() else {
            return Ok(Answer::See("/login?idle=1".to_owned()));
        };
        match words.as_slice() {
            ["jobs"] => self.chosen(visit, &person, &form).await,
            ["jobs", "delete"] => Ok(self.delete(&person, &form).await),
            ["jobs", number] => self.change(visit, &person, number, &form).await,
            ["phone"] => self.confirm_phone(visit, &person, &form).await,
            _ => Err(Fault::NoPage),
        }
    }

    fn log_out(&self, visit: &mut Visit) -> Result<Answer, Fault> {
        self.sessions.close(&visit.cookie);
        self.phones.give_up(&visit.cookie);
        visit.cookie = self.sessions.cookie().map_err(|_| Fault::Box)?;
        visit.cookie_is_new = true;
        Ok(Answer::See("/login?out=1".to_owned()))
    }

    /// The list of jobs: the button says what is to be done with the chosen ones.
    async fn chosen(&self, visit: &Visit, person: &Person, form: &Form) -> Result<Answer, Fault> {
        let jobs = self.own_jobs(person, form);
        if jobs.is_empty() {
            return Ok(told("none"));
        }
        match form.one("do") {
            Some("release") => {
                self.release(visit, person, &jobs, form.one("printer"))
                    .await
            }
            Some("delete") => {
                let frame = self.frame(visit, Word::DeleteTitle, Topic::Delete);
                let rows: Vec<_> = jobs.iter().map(|job| facts::row(&self.node, job)).collect();
                Ok(ok(jobs_page::delete(&frame, &rows)))
            }
            _ => Err(Fault::Kind),
        }
    }

    /// Sends the chosen jobs to their printer and shows how it goes.
    async fn release(
        &self,
        visit: &Visit,
        person: &Person,
        jobs: &[Job],
        printer: Option<&str>,
    ) -> Result<Answer, Fault> {
        let wishes = wishes(jobs, printer);
        let (node, login) = (Arc::clone(&self.node), person.login.clone());
        let work = async move {
            let releases = &node.releases;
            releases
                .release_jobs(&login.identity, login.method, &wishes)
                .await
        };
        let released = self.node.whatever_the_client_does(work).await;
        let tapped = released.ok_or(Fault::Box)?.map_err(|error| {
            log::error!(err:% = Chain(&error); "held jobs can't be read");
            Fault::Box
        })?;
        self.sessions
            .note(&visit.cookie, notes(tapped.waits, tapped.says));
        let numbers: Vec<_> = jobs.iter().map(|job| job.number).collect();
        Ok(progress(&numbers))
    }

    /// The jobs that a form names, as far as they are the person's.
    fn own_jobs(&self, person: &Person, form: &Form) -> Vec<Job> {
        let named = numbers(form.all("job")).into_iter();
        named
            .filter_map(|number| facts::own(&self.node, &person.login.identity, number))
            .collect()
    }

    /// Erases jobs, or stops those on their way.
    async fn delete(&self, person: &Person, form: &Form) -> Answer {
        let jobs = self.own_jobs(person, form);
        let (reason, user) = (
            JobStateReason::JobCanceledByUser,
            Some(person.login.identity.user),
        );
        let mut all = !jobs.is_empty();
        for job in &jobs {
            match self.node.cancel(job.number, reason, user).await {
                Ok(()) => {}
                Err(CancelError::NotFound | CancelError::Ended) => all = false,
                Err(CancelError::Failed(error)) => {
                    log::error!(job:% = job.number, err:% = Chain(&error); "job not deleted");
                    all = false;
                }
            }
        }
        if form.one("stop").is_some() {
            return progress(&jobs.iter().map(|job| job.number).collect::<Vec<_>>());
        }
        told(if all { "deleted" } else { "partly" })
    }

    /// Copies, sides and colour of one job.
    async fn change(
        &self,
        visit: &Visit,
        person: &Person,
        number: &str,
        form: &Form,
    ) -> Result<Answer, Fault> {
        let wanted = number.parse().map(JobNumber).map_err(|_| Fault::NoPage)?;
        let job = facts::own(&self.node, &person.login.identity, wanted).ok_or(Fault::NoPage)?;
        let typed = form.one("copies").unwrap_or_default().trim();
        let Some(copies) = copies(typed) else {
            return self.options(visit, person, number, Some(typed.to_owned()));
        };
        let mut options = job.options.clone();
        options.copies = copies;
        let sides = form.one("sides").and_then(Sides::from_keyword);
        options.sides = sides.unwrap_or(options.sides);
        options.color = form.one("color").and_then(color).unwrap_or(options.color);
        let unchanged = options == job.options;
        match self.node.spool.set_options(wanted, options).await {
            Ok(_) => {
                if !unchanged {
                    self.node.releases.judge().approvals.forget(job.id);
                }
                self.node.counter.request(wanted);
                Ok(told("saved"))
            }
            Err(SpoolError::NotNow(_) | SpoolError::NotFound(_)) => Ok(told("late")),
            Err(error) => {
                log::error!(job:% = wanted, err:% = Chain(&error); "job not changed");
                Err(Fault::Box)
            }
        }
    }
}

/// The list of jobs, with what the form led to.
fn told(keyword: &str) -> Answer {
    Answer::See(format!("/jobs?told={keyword}"))
}

/// The progress of these jobs.
fn progress(numbers: &[JobNumber]) -> Answer {
    let jobs: Vec<String> = numbers
        .iter()
        .map(|number| format!("job={number}"))
        .collect();
    Answer::See(format!("/progress?{}", jobs.join("&")))
}

/// What a release said of each job, for the page after it.
fn notes(waits: Vec<(JobNumber, Reason)>, says: Vec<(JobNumber, String)>) -> Notes {
    let mut notes = Notes::new();
    for (number, reason) in waits {
        notes.entry(number).or_default().why = Some(reason);
    }
    for (number, text) in says {
        notes.entry(number).or_default().says.push(text);
    }
    notes
}

/// What people are told of a job that was not released.
pub(super) fn why(reason: Reason) -> Word {
    match reason {
        Reason::PrinterInError => Word::WhyPrinter,
        Reason::FormatNotTaken => Word::WhyFormat,
        Reason::NotReleasable => Word::WhyChanged,
        Reason::NoPermission => Word::WhyRule,
        Reason::QuotaSpent => Word::WhyQuota,
        Reason::NeedsApproval => Word::WhyApproval,
        Reason::NoCount => Word::WhyCount,
        Reason::NoClock => Word::WhyClock,
        Reason::CannotChange => Word::WhyCannotChange,
        Reason::NotOwner => Word::WhyOther,
    }
}

/// What the person chose: all of it goes to the printer that stands in the form, also the first one,
/// which is not where a job was sent to in any case.
fn wishes(jobs: &[Job], printer: Option<&str>) -> Vec<Wish> {
    let wish = |job: &Job| Wish {
        job: job.number,
        options: None,
        printer: printer.map(|name| PrinterName(name.to_owned())),
    };
    jobs.iter().map(wish).collect()
}

fn copies(typed: &str) -> Option<u32> {
    let copies = typed.parse().ok()?;
    (1..=COPIES_MAX).contains(&copies).then_some(copies)
}

fn color(word: &str) -> Option<ColorMode> {
    [ColorMode::Auto, ColorMode::Color, ColorMode::Monochrome]
        .into_iter()
        .find(|color| color_word(*color) == word)
}

#[cfg(test)]
mod tests {
    use platen_model::{JobId, JobOptions, JobState, Owner, OwnerKey};

    use super::*;

    fn job(number: u32, target: Option<&str>) -> Job {
        Job {
            id: JobId::from_parts(0, &[0; 10]),
            number: JobNumber(number),
            name: String::new(),
            owner: Owner {
                name: String::new(),
                key: OwnerKey([0; 16]),
            },
            format: "application/pdf".to_owned(),
            octets: 1,
            options: JobOptions::default(),
            state: JobState::PendingHeld,
            reason: JobStateReason::JobReleaseWait,
            target: target.map(|name| PrinterName(name.to_owned())),
            created_unix_ms: 0,
            processing_unix_ms: None,
            ended_unix_ms: None,
            count: None,
            impressions_completed: 0,
        }
    }

    #[test]
    fn the_chosen_printer_is_meant_for_every_job_also_for_one_sent_to_another() {
        let jobs = [job(1, None), job(2, Some("second"))];
        let first = Some(PrinterName("first".to_owned()));
        for wish in wishes(&jobs, Some("first")) {
            assert_eq!(wish.printer, first, "{wish:?}");
        }
        assert!(
            wishes(&jobs, None)
                .iter()
                .all(|wish| wish.printer.is_none())
        );
    }

    #[test]
    fn every_job_has_its_own_reason_and_what_its_rules_say() {
        let (first, second) = (JobNumber(1), JobNumber(2));
        let waits = vec![(first, Reason::QuotaSpent), (second, Reason::NoPermission)];
        let says = vec![(second, "a".to_owned()), (JobNumber(3), "b".to_owned())];
        let notes = notes(waits, says);
        let of = |number: u32| {
            let note = notes.get(&JobNumber(number)).unwrap();
            (note.why, note.says.join(" "))
        };
        assert_eq!(of(1), (Some(Reason::QuotaSpent), String::new()));
        assert_eq!(of(2), (Some(Reason::NoPermission), "a".to_owned()));
        assert_eq!(of(3), (None, "b".to_owned()));
    }
}
