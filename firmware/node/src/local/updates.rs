// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Updates, restarts and the factory reset in the local API.

use std::sync::Arc;

use hyper::StatusCode;
use platen_model::local::{FactoryReset, Reboot, UpdateBegin, UpdateEnd};
use serde::de::DeserializeOwned;

use super::{Answer, Refusal, json};
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

pub(super) fn status(node: &Node) -> Answer {
    json(&node.updates.state())
}

pub(super) async fn begin(node: &Node, body: &[u8]) -> Answer {
    let begin: UpdateBegin = read(body)?;
    let updates = Arc::clone(&node.updates);
    let begun = smol::unblock(move || updates.upload_begin(&begin)).await;
    json(&begun.map_err(|error| refusal(&error))?)
}

pub(super) async fn piece(node: &Node, upload: &str, offset: &str, body: Vec<u8>) -> Answer {
    let (upload, offset) = (number(upload)?, number(offset)?);
    told(node, move |updates| {
        updates.upload_piece(upload, offset, &body)
    })
    .await
}

pub(super) async fn end(node: &Node, upload: &str, body: &[u8]) -> Answer {
    let (upload, end): (_, UpdateEnd) = (number(upload)?, read(body)?);
    let sha256 = octets(&end.sha256)
        .ok_or_else(|| Refusal::bad_input("a SHA-256 of 64 hexadecimal digits is needed"))?;
    told(node, move |updates| updates.upload_end(upload, sha256)).await
}

pub(super) async fn cancel(node: &Node) -> Answer {
    told(node, |updates| updates.cancel()).await
}

/// Starts the box anew. A job at a printer would be cut off, so that has to be wanted.
pub(super) async fn reboot(node: &Node, body: &[u8]) -> Answer {
    let reboot: Reboot = read(body)?;
    if node.is_printing() && !reboot.now {
        let message = "a job is at a printer; wait until it has ended, or use --now";
        return Err(Refusal::new(StatusCode::CONFLICT, "not-now", message));
    }
    log::warn!("an administrator starts the box anew");
    told(node, |updates| updates.restart()).await
}

pub(super) async fn factory_reset(node: &Node, body: &[u8]) -> Answer {
    let asked: FactoryReset = read(body)?;
    let name = &node.config.announce.name;
    if asked.name != *name {
        let message = format!("this box is '{name}', not '{}'", asked.name);
        return Err(Refusal::new(StatusCode::CONFLICT, "other-box", message));
    }
    log::warn!("an administrator has everything on the box erased");
    told(node, |updates| updates.factory_reset()).await
}

/// Does it, and tells how things stand then.
async fn told(
    node: &Node,
    work: impl FnOnce(&Updates) -> Result<(), UpdateError> + Send + 'static,
) -> Answer {
    let updates = Arc::clone(&node.updates);
    let done = smol::unblock(move || work(&updates)).await;
    done.map_err(|error| refusal(&error))?;
    status(node)
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
