// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The local API of a box that stands aside: what is wrong, and what mends it.

use std::sync::Arc;

use hyper::body::Incoming;
use hyper::{Method, Request, Response, StatusCode};
use platen_model::Clock;
use platen_model::local::{Health, HealthItem};
use platen_net::ReplyBody;

use super::{Answer, Refusal, json, read, updates};
use crate::update::Updates;

/// A box that can't use its data.
pub(crate) struct Aside {
    pub(crate) updates: Arc<Updates>,
    pub(crate) clock: Arc<dyn Clock>,
    /// The box's name.
    pub(crate) name: String,
    /// Why, and what to do.
    pub(crate) words: String,
}

/// Answers one request.
pub(crate) async fn handle(aside: Arc<Aside>, request: Request<Incoming>) -> Response<ReplyBody> {
    route(&aside, request).await.unwrap_or_else(super::told)
}

async fn route(aside: &Aside, request: Request<Incoming>) -> Answer {
    let path = request.uri().path().to_owned();
    let words: Vec<&str> = path.split('/').filter(|word| !word.is_empty()).collect();
    let Aside { updates, clock, .. } = aside;
    match (request.method(), words.as_slice()) {
        (&Method::GET, ["v1", "health"]) => json(&aside.health()),
        (_, ["v1", "update", rest @ ..]) => updates::route(updates, clock, request, rest).await,
        (&Method::POST, ["v1", "reboot"]) => updates::told(updates, Updates::restart).await,
        (&Method::POST, ["v1", "factory-reset"]) => {
            updates::factory_reset(updates, &aside.name, &read(clock, request).await?).await
        }
        _ => {
            let (status, words) = (StatusCode::SERVICE_UNAVAILABLE, aside.words.as_str());
            Err(Refusal::new(status, "newer-data", words))
        }
    }
}

impl Aside {
    fn health(&self) -> Health {
        let installed = self.updates.installed();
        Health {
            version: installed.version.clone(),
            slot: installed.slot.clone(),
            items: vec![HealthItem {
                name: "daemon".to_owned(),
                ok: false,
                text: self.words.clone(),
            }],
        }
    }
}
