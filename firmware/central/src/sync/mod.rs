// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The boxes' door: CBOR over HTTPS, `docs/formats/sync.md`. Each request is from the box whose
//! certificate the connection showed; only a request to become a member has none.
//!
//! - [`boxes`]: who is asking, and may they.
//! - [`answer`]: statuses and bodies.
//! - [`wait`]: how a pull waits for news.
//! - [`pieces`]: bundles of releases, a few pieces at once.
//! - [`enrol`]: boxes that are not members yet, and certificates that run out.

mod answer;
mod boxes;
pub(crate) mod enrol;
mod pieces;
mod wait;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use hyper::body::Incoming;
use hyper::header::CONTENT_ENCODING;
use hyper::{Method, Request, Response};
use platen_net::{PeerInfo, ReplyBody};
use platen_sync::codec::{self, Message};
use platen_sync::message::{EnrolAsk, KeysAsk, LoginAsk, Pull, Push, Renew, path};
use platen_sync::release::PieceAsk;

use crate::body;
use crate::central::Central;
use answer::{Answer, Refused};
use boxes::Standing;
pub(crate) use pieces::Pieces;
pub(crate) use wait::{Told, watch};

/// How many times its length a deflated body counts as work.
const DEFLATED_MORE: usize = 16;

/// Answers one request.
pub(crate) async fn handle(
    central: Arc<Central>,
    request: Request<Incoming>,
    peer: PeerInfo,
) -> Response<ReplyBody> {
    match route(&central, request, peer).await {
        Ok(response) => response,
        Err(refused) => refused.response(),
    }
}

async fn route(central: &Arc<Central>, request: Request<Incoming>, peer: PeerInfo) -> Answer {
    if !peer.tls {
        return Err(Refused::plain());
    }
    let target = request.uri().path().to_owned();
    if request.method() != Method::POST {
        return Err(Refused::not_here(&target));
    }
    if target == path::ENROL {
        enrol::admit(central, &peer)?;
        let ask: EnrolAsk = read(central, request).await?;
        return answer::message(&central.centre.enrol_ask(&ask).await?);
    }
    // Who asks is settled before anything of the body is read.
    let member = boxes::known(central, &peer).await?;
    if target == path::RENEW {
        let ask: Renew = read(central, request).await?;
        return answer::message(&enrol::renew(central, member.node, &ask).await?);
    }
    if member.standing == Standing::Expired {
        return Err(Refused::expired());
    }
    let (centre, node) = (&central.centre, member.node);
    match target.as_str() {
        path::PUSH => {
            let push: Push = read(central, request).await?;
            answer::message(&centre.receive(node, &push).await?)
        }
        path::PULL => {
            let pull: Pull = read(central, request).await?;
            wait::for_news(central, node, &pull).await?;
            // The box may have been taken out of the site while it waited.
            boxes::known(central, &peer).await?;
            let answer = centre.pull(node, &pull).await?;
            let now = central.clock.now().elapsed;
            central.told.note(node, &answer.leases, now);
            answer::large_message(answer).await
        }
        path::LOGIN => {
            let ask: LoginAsk = read(central, request).await?;
            answer::message(&centre.login(node, &ask).await?)
        }
        path::RELEASE => {
            let ask: PieceAsk = read(central, request).await?;
            let _turn = central.pieces.admit(node)?;
            answer::plain(&centre.release_piece(&ask).await?)
        }
        path::KEYS => {
            let _: KeysAsk = read(central, request).await?;
            answer::message(&centre.site_keys().await?)
        }
        other => Err(Refused::not_here(other)),
    }
}

async fn read<M>(central: &Central, request: Request<Incoming>) -> Result<M, Refused>
where
    M: Message + Send + 'static,
{
    let deflated = match request.headers().get(CONTENT_ENCODING) {
        None => false,
        Some(value) if value.as_bytes() == codec::CONTENT_ENCODING.as_bytes() => true,
        Some(_) => return Err(Refused::encoding()),
    };
    let limit = u64::try_from(M::BYTES_MAX).unwrap_or(u64::MAX);
    let bytes = body::read(request, limit, &central.clock).await?;
    let weight = bytes
        .len()
        .saturating_mul(if deflated { DEFLATED_MORE } else { 1 });
    if weight <= answer::WORK_OCTETS_MAX {
        return Ok(codec::unpack(&bytes, deflated)?);
    }
    let unpacked = smol::unblock(move || codec::unpack(&bytes, deflated));
    Ok(unpacked.await?)
}
