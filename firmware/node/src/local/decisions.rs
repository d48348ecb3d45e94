// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Decisions in the local API: why a job is or is not released, and an administrator's word on jobs
//! that a rule holds.

use std::sync::Arc;

use hyper::StatusCode;
use platen_auth::people::People as _;
use platen_ledger::Entry;
use platen_model::local::{Explained, ExplainedVerdict};
use platen_model::{Decision, Identity, Job, JobNumber, Method, PrinterName};
use platen_policy::Explanation;
use platen_wire::form::Form;

use super::{Answer, Refusal, json};
use crate::node::Node;
use crate::release::{Case, Target, nobody};

/// Why job `number` is or is not released: `?user=` for somebody else than its owner, `?printer=` at
/// another printer than its own.
pub(super) async fn explain(node: &Arc<Node>, number: &str, query: &str) -> Answer {
    let asked = Form::parse(query.as_bytes())
        .map_err(|error| Refusal::bad_input(format!("not a question: {error}")))?;
    let job = job(node, number)?;
    let (identity, is_known) = person(node, &job, asked.one("user"))?;
    let name = asked.one("printer").map(str::to_owned);
    let name = name.or_else(|| job.target.as_ref().map(|name| name.0.clone()));
    let target = target(node, name.as_deref())?;
    let mut explained = Explained {
        job: job.number,
        user: is_known.then(|| identity.name.clone()),
        printer: target.config.name.clone(),
        verdicts: Vec::new(),
        says: Vec::new(),
    };
    let first = at(node, &identity, &job, target, false).await;
    let other = match &first.ruling.decision {
        Decision::Redirect { printer } => Some(printer.clone()),
        _ => None,
    };
    explained.take(first);
    if let Some(PrinterName(name)) = other
        && let Ok(target) = self::target(node, Some(&name))
    {
        explained.take(at(node, &identity, &job, target, true).await);
    }
    json(&explained)
}

trait Take {
    fn take(&mut self, explanation: Explanation);
}

impl Take for Explained {
    fn take(&mut self, explanation: Explanation) {
        let line = |verdict: &platen_policy::Verdict| ExplainedVerdict {
            check: verdict.check.keyword().to_owned(),
            answer: verdict.answer.keyword().to_owned(),
            sentence: verdict.sentence.clone(),
        };
        self.verdicts.extend(explanation.verdicts.iter().map(line));
        self.says.extend(explanation.ruling.says);
    }
}

async fn at(
    node: &Node,
    identity: &Identity,
    job: &Job,
    target: &Target,
    redirected: bool,
) -> Explanation {
    let printer = target.facts(&target.probe().await);
    node.releases.judge().explain(Case {
        identity,
        method: Method::Card,
        job,
        printer: &printer,
        redirected,
    })
}

/// For whom it is worked out: a login name, the job's owner, or somebody unknown of that name.
fn person(node: &Node, job: &Job, login: Option<&str>) -> Result<(Identity, bool), Refusal> {
    let judge = node.releases.judge();
    if let Some(login) = login {
        let person = node.door.people.by_login(login);
        let person = person.ok_or_else(|| {
            Refusal::not_found(format!("nobody here has the login name '{login}'"))
        })?;
        return Ok((person.identity(judge.site.source(), false), true));
    }
    let owner = judge.site.owner_of(job);
    let is_known = owner.is_some();
    Ok((owner.unwrap_or_else(|| nobody(job.owner.key)), is_known))
}

fn target<'a>(node: &'a Node, name: Option<&str>) -> Result<&'a Target, Refusal> {
    let targets = node.releases.targets();
    let found = match name {
        Some(name) => targets.iter().find(|target| target.config.name == name),
        None => targets.first(),
    };
    found.map(|target| &**target).ok_or_else(|| {
        Refusal::not_found(format!(
            "there is no printer '{}'",
            name.unwrap_or_default()
        ))
    })
}

/// An administrator agrees to a job that a rule holds; its owner's next tap releases it.
pub(super) async fn approve(node: &Arc<Node>, number: &str) -> Answer {
    let job = job(node, number)?;
    let shared = Arc::clone(node);
    let approved = node.whatever_the_client_does(async move {
        let judge = shared.releases.judge();
        let Some(approval) = judge.approvals.of(job.id) else {
            let message = format!(
                "job {} does not wait for anybody; its owner has to tap first",
                job.number
            );
            return Err(Refusal::new(StatusCode::CONFLICT, "not-held", message));
        };
        let entry = Entry::Approved {
            job: job.id,
            number: job.number,
            rule: approval.rule,
            user: None,
        };
        let journaled = shared.ledger.append(entry).await;
        journaled.map_err(|error| Refusal::failed(&error))?;
        let node = Arc::clone(&shared);
        let given = smol::unblock(move || {
            let approvals = &node.releases.judge().approvals;
            approvals.give(job.id, approval)
        });
        given.await.map_err(|error| Refusal::failed(&error))?;
        Ok(job.number)
    });
    let number = approved.await.ok_or_else(super::closing)??;
    json(&serde_json::json!({ "number": number }))
}

fn job(node: &Node, number: &str) -> Result<Job, Refusal> {
    let parsed = number.parse().map(JobNumber);
    let parsed = parsed.map_err(|_| Refusal::bad_input(format!("'{number}' is no job number")))?;
    let job = node.spool.job(parsed);
    let job = job.map_err(|error| Refusal::failed(&error))?;
    job.ok_or_else(|| Refusal::not_found(format!("there is no job {number}")))
}
