// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The administrators' door: HTTPS. Everything below `/v1` is the [`api`]; other paths are free for
//! pages.

pub(crate) mod api;

use std::sync::Arc;

use hyper::body::Incoming;
use hyper::{Request, Response};
use platen_net::{PeerInfo, ReplyBody};

use crate::central::Central;

/// Answers one request.
pub(crate) async fn handle(
    central: Arc<Central>,
    request: Request<Incoming>,
    peer: PeerInfo,
) -> Response<ReplyBody> {
    api::handle(&central, request, peer).await
}
