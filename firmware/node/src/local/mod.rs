// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The local API: HTTP with JSON on a Unix socket, for `platenctl` and the kiosk. The socket's file
//! mode (0660) says who may speak; everything here may therefore act on any job.

mod actions;
pub(crate) mod aside;
mod decisions;
mod fingers;
mod updates;
mod views;

use std::sync::Arc;

use hyper::body::Incoming;
use hyper::{Method, Request, Response, StatusCode};
use platen_model::Clock;
use platen_model::local::Problem;
use platen_net::{BodyLimits, BodyReader, ReplyBody, reply};
use platen_spool::Which;
use serde::Serialize;

use crate::node::Node;

/// Largest request body: a user list of 100,000 rows.
const BODY_OCTETS: u64 = 16 << 20;

/// An answer, or why not.
type Answer = Result<Response<ReplyBody>, Refusal>;

/// A refusal, as it goes to the caller.
pub(crate) struct Refusal {
    status: StatusCode,
    code: &'static str,
    message: String,
}

impl Refusal {
    fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self {
            status,
            code,
            message: message.into(),
        }
    }

    fn not_found(message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not-found", message)
    }

    fn bad_input(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "bad-input", message)
    }

    /// The box itself failed; `error` is for the caller, who looks after the box.
    fn failed(error: &(dyn std::error::Error + 'static)) -> Self {
        let message = platen_model::Chain(error).to_string();
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "failed", message)
    }
}

/// Answers one request.
pub(crate) async fn handle(node: Arc<Node>, request: Request<Incoming>) -> Response<ReplyBody> {
    route(&node, request).await.unwrap_or_else(told)
}

/// A refusal as an answer.
fn told(refusal: Refusal) -> Response<ReplyBody> {
    let problem = Problem {
        code: refusal.code.to_owned(),
        message: refusal.message,
    };
    json_with(refusal.status, &problem)
}

async fn route(node: &Arc<Node>, request: Request<Incoming>) -> Answer {
    let path = request.uri().path().to_owned();
    let words: Vec<&str> = path.split('/').filter(|word| !word.is_empty()).collect();
    match (request.method(), words.as_slice()) {
        (&Method::GET, ["v1", "status"]) => views::status(node),
        (&Method::GET, ["v1", "health"]) => json(&crate::health::look(node).await),
        (&Method::GET, ["v1", "jobs"]) => views::jobs(node, Which::NotCompleted, None),
        (&Method::GET, ["v1", "jobs", "from", first]) => {
            views::jobs(node, Which::NotCompleted, Some(first))
        }
        (&Method::GET, ["v1", "jobs", "ended"]) => views::jobs(node, Which::Completed, None),
        (&Method::GET, ["v1", "jobs", "ended", "from", first]) => {
            views::jobs(node, Which::Completed, Some(first))
        }
        (&Method::GET, ["v1", "journal", from]) => match from.parse() {
            Ok(from) => views::journal(node, from).await,
            Err(_) => Err(Refusal::bad_input(format!(
                "'{from}' is no sequence number"
            ))),
        },
        (&Method::GET, ["v1", "phone-code"]) => views::phone_code(node),
        (&Method::GET, ["v1", "verify"]) => views::verify(node).await,
        (&Method::GET, ["v1", "ring", device]) => views::ring(node, device),
        (&Method::POST, ["v1", "jobs", number, "cancel"]) => actions::cancel(node, number).await,
        (&Method::GET, ["v1", "jobs", number, "explain"]) => {
            decisions::explain(node, number, request.uri().query().unwrap_or_default()).await
        }
        (&Method::POST, ["v1", "jobs", number, "approve"]) => {
            decisions::approve(node, number).await
        }
        (&Method::GET, ["v1", "fingers", "enrolment"]) => json(&node.fingers.progress()),
        (&Method::POST, ["v1", "fingers", "enrol"]) => {
            fingers::enrol(node, &read(&node.clock, request).await?)
        }
        (&Method::POST, ["v1", "tap"]) => {
            actions::tap(node, &read(&node.clock, request).await?).await
        }
        (&Method::POST, ["v1", "sim"]) => {
            actions::simulate(node, &read(&node.clock, request).await?)
        }
        (&Method::POST, ["v1", "centre", "leave"]) => actions::leave(node).await,
        (_, ["v1", "update", rest @ ..]) => {
            updates::route(&node.updates, &node.clock, request, rest).await
        }
        (&Method::POST, ["v1", "reboot"]) => {
            updates::reboot(node, &read(&node.clock, request).await?).await
        }
        (&Method::POST, ["v1", "factory-reset"]) => {
            let name = &node.config.announce.name;
            updates::factory_reset(&node.updates, name, &read(&node.clock, request).await?).await
        }
        (&Method::GET, ["v1", "device-keys"]) => json(&node.device_keys.facts()),
        (&Method::POST, ["v1", "device-keys", "import"]) => {
            actions::import_keys(node, read(&node.clock, request).await?).await
        }
        (&Method::POST, ["v1", "users", "import"]) => {
            actions::import(node, read(&node.clock, request).await?).await
        }
        _ => Err(Refusal::not_found(format!("there is no {path} here"))),
    }
}

fn closing() -> Refusal {
    let message = "the box is shutting down";
    Refusal::new(StatusCode::SERVICE_UNAVAILABLE, "closing", message)
}

async fn read(clock: &Arc<dyn Clock>, request: Request<Incoming>) -> Result<Vec<u8>, Refusal> {
    let limits = BodyLimits {
        bytes: BODY_OCTETS,
        ..BodyLimits::default()
    };
    let mut body = BodyReader::new(request.into_body(), limits, Arc::clone(clock));
    let mut bytes = Vec::new();
    while let Some(part) = body
        .next()
        .await
        .map_err(|error| Refusal::bad_input(error.to_string()))?
    {
        bytes.extend_from_slice(&part);
    }
    Ok(bytes)
}

fn json(value: &impl Serialize) -> Answer {
    Ok(json_with(StatusCode::OK, value))
}

fn json_with(status: StatusCode, value: &impl Serialize) -> Response<ReplyBody> {
    match serde_json::to_vec(value) {
        Ok(bytes) => reply(status, "application/json", bytes),
        Err(_) => reply(StatusCode::INTERNAL_SERVER_ERROR, "text/plain", Vec::new()),
    }
}
