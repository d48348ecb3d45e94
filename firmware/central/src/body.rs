// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Whole request bodies in memory, up to a limit that each caller names. The API and the boxes'
//! door read by it.

use std::sync::Arc;
use std::time::Duration;

use hyper::Request;
use hyper::body::Incoming;
use platen_model::Clock;
use platen_net::{BodyError, BodyLimits, BodyReader};

/// What is read of a body that is refused, so that the client gets to see the answer.
const DISCARD_OCTETS: u64 = 16 << 20;
const DISCARD_LIMIT: Duration = Duration::from_secs(10);

/// Reads the body of `request`, at most `octets_max` bytes.
///
/// # Errors
/// [`BodyError`]; of a body that is too large a part is read and dropped.
pub(crate) async fn read(
    request: Request<Incoming>,
    octets_max: u64,
    clock: &Arc<dyn Clock>,
) -> Result<Vec<u8>, BodyError> {
    let (head, body) = request.into_parts();
    let limits = BodyLimits {
        bytes: octets_max,
        ..BodyLimits::default()
    };
    let mut body = BodyReader::new(body, limits, Arc::clone(clock)).with_headers(&head.headers);
    let mut bytes = Vec::new();
    loop {
        match body.next().await {
            Ok(Some(piece)) => bytes.extend_from_slice(&piece),
            Ok(None) => return Ok(bytes),
            Err(error) => {
                if matches!(error, BodyError::TooLarge { .. }) {
                    body.discard(DISCARD_OCTETS, DISCARD_LIMIT).await;
                }
                return Err(error);
            }
        }
    }
}
