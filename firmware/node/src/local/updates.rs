// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Updates, restarts and the factory reset in the local API.

use std::sync::Arc;

use hyper::body::Incoming;
use hyper::{Method, Request, StatusCode};
use platen_model::Clock;
use platen_model::local::{FactoryReset, Reboot, UpdateBegin, UpdateEnd};
use serde::de::DeserializeOwned;

use super::{Answer, Refusal, json, read as body};
use crate::node::Node;
use crate::update::{UpdateError, Updates};

const SHA256_DIGITS: usize = 64;

fn refusal(error: &UpdateError) -> Refusal {
    let code = match error {
        UpdateError::Off(_) => "no-image",
        UpdateError::Size(_) | UpdateError::Length | UpdateError::Piece => "bad-input",
        UpdateError::Sum => "bad-sum",
        UpdateError::NoRoom { .. } => "no-room",
        UpdateError::Disk(_) => return Refusal::failed(error),
        _ => "not-now",
    };
    Refusal::new(StatusCode::CONFLICT, code, error.to_string())
}

/// What is asked about updates; `words` is what stands behind `/v1/update`.
pub(super) async fn route(
    updates: &Arc<Updates>,
    clock: &Arc<dyn Clock>,
    request: Request<Incoming>,
    words: &[&str],
) -> Answer {
    match (request.method(), words) {
        (&Method::GET, []) => json(&updates.state()),
        (&Method::POST, []) => begin(updates, &body(clock, request).await?).await,
        (&Method::POST, ["cancel"]) => told(updates, Updates::cancel).await,
        (&Method::POST, [upload, "at", offset]) => {
            let (upload, offset) = (number(upload)?, number(offset)?);
            let bytes = body(clock, request).await?;
            let piece = move |updates: &Updates| updates.upload_piece(upload, offset, &bytes);
            told(updates, piece).await
        }
        (&Method::POST, [upload, "end"]) => {
            let upload = number(upload)?;
            let end: UpdateEnd = read(&body(clock, request).await?)?;
            let sha256 = octets(&end.sha256).ok_or_else(|| {
                Refusal::bad_input("a SHA-256 of 64 hexadecimal digits is needed")
            })?;
            told(updates, move |updates| updates.upload_end(upload, sha256)).await
        }
        _ => Err(Refusal::not_found("updates know nothing of that")),
    }
}

async fn begin(updates: &Arc<Updates>, body: &[u8]) -> Answer {
    let begin: UpdateBegin = read(body)?;
    let updates = Arc::clone(updates);
    let begun = smol::unblock(move || updates.upload_begin(&begin)).await;
    json(&begun.map_err(|error| refusal(&error))?)
}

/// Starts the box anew. A job at a printer would be cut off, so that has to be wanted.
pub(super) async fn reboot(node: &Node, body: &[u8]) -> Answer {
    let reboot: Reboot = read(body)?;
    if node.is_printing() && !reboot.now {
        let message = "a job is at a printer; wait until it has ended, or use --now";
        return Err(Refusal::new(StatusCode::CONFLICT, "not-now", message));
    }
    log::warn!("an administrator starts the box anew");
    told(&node.updates, Updates::restart).await
}

/// Has everything on the box of this name erased.
pub(super) async fn factory_reset(updates: &Arc<Updates>, name: &str, body: &[u8]) -> Answer {
    let asked: FactoryReset = read(body)?;
    if asked.name != name {
        let message = format!("this box is '{name}', not '{}'", asked.name);
        return Err(Refusal::new(StatusCode::CONFLICT, "other-box", message));
    }
    log::warn!("an administrator has everything on the box erased");
    told(updates, Updates::factory_reset).await
}

/// Does it, and tells how things stand then.
pub(super) async fn told(
    updates: &Arc<Updates>,
    work: impl FnOnce(&Updates) -> Result<(), UpdateError> + Send + 'static,
) -> Answer {
    let shared = Arc::clone(updates);
    let done = smol::unblock(move || work(&shared)).await;
    done.map_err(|error| refusal(&error))?;
    json(&updates.state())
}

fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, Refusal> {
    let asked = serde_json::from_slice(body);
    asked.map_err(|error| Refusal::bad_input(format!("not what is expected here: {error}")))
}

fn number(word: &str) -> Result<u64, Refusal> {
    let number = word.parse();
    number.map_err(|_| Refusal::bad_input(format!("'{word}' is no number")))
}

fn octets(digits: &str) -> Option<[u8; 32]> {
    let plain = digits.len() == SHA256_DIGITS && digits.bytes().all(|b| b.is_ascii_hexdigit());
    let (pairs, _) = digits.as_bytes().as_chunks::<2>();
    let pair = |pair: &[u8; 2]| {
        let text = std::str::from_utf8(pair).ok()?;
        u8::from_str_radix(text, 16).ok()
    };
    let bytes: Option<Vec<u8>> = pairs.iter().map(pair).collect();
    bytes.filter(|_| plain)?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sum_is_sixty_four_digits() {
        let sum = octets(&"0Af9".repeat(16)).unwrap();
        assert_eq!(sum.first_chunk(), Some(&[0x0a, 0xf9]));
        for wrong in [
            "",
            "0a",
            &"0g".repeat(32),
            &"+1".repeat(32),
            &"00".repeat(33),
        ] {
            assert_eq!(octets(wrong), None, "{wrong}");
        }
    }
}
