// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Fingers in the local API: taking one, step by step.

use std::sync::Arc;

use hyper::StatusCode;
use platen_model::Chain;
use platen_model::local::FingerEnrol;

use super::{Answer, Refusal, json};
use crate::devices::fingers::{self, FingerError};
use crate::node::Node;

/// Begins to take a finger; the progress is asked for from then on.
pub(super) fn enrol(node: &Arc<Node>, body: &[u8]) -> Answer {
    let asked: FingerEnrol = serde_json::from_slice(body)
        .map_err(|error| Refusal::bad_input(format!("not an enrolment: {error}")))?;
    fingers::enrol(node, &asked.user, &asked.sensor).map_err(|error| {
        let message = Chain(&error).to_string();
        match error {
            FingerError::NoSensor(_) | FingerError::NoUser(_) => Refusal::not_found(message),
            _ => Refusal::new(StatusCode::CONFLICT, "not-now", message),
        }
    })?;
    json(&node.fingers.progress())
}
