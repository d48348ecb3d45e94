// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What the local API does.

use std::sync::Arc;

use hyper::StatusCode;
use platen_hal::CardUid;
use platen_ledger::Entry;
use platen_model::local::{Simulated, Tap};
use platen_model::{JobNumber, JobStateReason};
use zeroize::Zeroizing;

use super::{Answer, Refusal, closing, json};
use crate::centre::CentreError;
use crate::devices::keys::DeviceKeysError;
use crate::node::{CancelError, Node};

pub(super) async fn cancel(node: &Arc<Node>, number: &str) -> Answer {
    let number = number
        .parse()
        .map(JobNumber)
        .map_err(|_| Refusal::bad_input(format!("'{number}' is no job number")))?;
    match node
        .cancel(number, JobStateReason::JobCanceledByOperator, None)
        .await
    {
        Ok(()) => json(&serde_json::json!({ "number": number })),
        Err(CancelError::NotFound) => Err(Refusal::not_found(format!("there is no job {number}"))),
        Err(CancelError::Ended) => Err(Refusal::new(
            StatusCode::CONFLICT,
            "ended",
            format!("job {number} has ended already"),
        )),
        Err(CancelError::Failed(error)) => Err(Refusal::failed(&error)),
    }
}

pub(super) async fn tap(node: &Arc<Node>, body: &[u8]) -> Answer {
    let tap: Tap = serde_json::from_slice(body)
        .map_err(|error| Refusal::bad_input(format!("not a tap: {error}")))?;
    let uid = CardUid::from_hex(&tap.uid).ok_or_else(|| {
        Refusal::bad_input("a UID is 4, 7 or 10 bytes in hexadecimal, such as 04A1B2C3")
    })?;
    let simulator = &node.devices.simulator;
    if !simulator.has_cards() {
        return Err(Refusal::new(
            StatusCode::CONFLICT,
            "no-simulator",
            "this box has real readers; only a reader of the backend 'sim' can be tapped from here",
        ));
    }
    let result = simulator.tap(&node.door, uid).await.ok_or_else(|| {
        Refusal::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "no-answer",
            "the reader did not see the card; 'platenctl status' tells how it is",
        )
    })?;
    json(&result)
}

/// One line of the bench's language, and its answer.
pub(super) fn simulate(node: &Node, line: &[u8]) -> Answer {
    let line = std::str::from_utf8(line).map_err(|_| Refusal::bad_input("a line is UTF-8"))?;
    let answer = node.devices.simulator.run(line);
    let text = answer.map_err(|error| Refusal::bad_input(error.to_string()))?;
    json(&Simulated { text })
}

pub(super) async fn import(node: &Arc<Node>, csv: Vec<u8>) -> Answer {
    let directory = Arc::clone(&node.directory);
    let keys = Arc::clone(&node.keys);
    let card = move |text: &str| {
        let uid = CardUid::from_hex(text).ok_or("a card is 4, 7 or 10 bytes in hexadecimal")?;
        if uid.is_random() {
            return Err("a card number that begins with 08 is random and can't stand for a person");
        }
        Ok(keys.card_key(uid.as_bytes()))
    };
    let shared = Arc::clone(node);
    let imported = node.whatever_the_client_does(async move {
        let report = smol::unblock(move || directory.import(csv.as_slice(), card)).await;
        let report = report.map_err(|error| Refusal::failed(&error))?;
        let entry = Entry::UsersImported {
            generation: shared.directory.counts().generation,
            users_added: report.users_added as u64,
            users_changed: report.users_changed as u64,
            cards_bound: report.cards_bound as u64,
            rows_refused: report.errors.len() as u64,
        };
        let journaled = shared.ledger.append(entry).await;
        journaled.map_err(|error| Refusal::failed(&error))?;
        Ok(report)
    });
    json(&imported.await.ok_or_else(closing)??)
}

/// Takes the keys of cards and readers; the readers have them from their next look on.
pub(super) async fn import_keys(node: &Arc<Node>, file: Vec<u8>) -> Answer {
    let file = Zeroizing::new(file);
    let shared = Arc::clone(node);
    let imported = node.whatever_the_client_does(async move {
        let keys = Arc::clone(&shared.device_keys);
        let import = move || {
            let text = std::str::from_utf8(&file);
            let text = text.map_err(|_| Refusal::bad_input("the key file is not UTF-8"))?;
            keys.import(text).map_err(|error| match error {
                DeviceKeysError::File(error) => Refusal::bad_input(error.to_string()),
                error => Refusal::failed(&error),
            })
        };
        let facts = smol::unblock(import).await?;
        shared.devices.reopen_readers();
        let entry = Entry::DeviceKeysImported {
            desfire: facts.desfire.is_some(),
            ntag424: facts.ntag424.is_some(),
            osdp: facts.osdp.clone(),
        };
        let journaled = shared.ledger.append(entry).await;
        journaled.map_err(|error| Refusal::failed(&error))?;
        Ok(facts)
    });
    json(&imported.await.ok_or_else(closing)??)
}

/// Takes the box out of its site.
pub(super) async fn leave(node: &Arc<Node>) -> Answer {
    let shared = Arc::clone(node);
    let left = node.whatever_the_client_does(async move { shared.centre.leave().await });
    match left.await.ok_or_else(closing)? {
        Ok(()) => json(&node.centre.status()),
        Err(CentreError::NoSite) => Err(Refusal::new(
            StatusCode::CONFLICT,
            "no-site",
            CentreError::NoSite.to_string(),
        )),
        Err(error) => Err(Refusal::failed(&error)),
    }
}
