// SPDX-License-Identifier: Apache-2.0 OR MIT
//! How boxes become members, and how members get certificates that live longer
//! (`docs/decisions/0013-a-short-code-makes-a-box-a-member.md`).

use platen_central::app::{Actor, CentreError, NewNode, PendingEnrolment};
use platen_model::{Chain, NodeId};
use platen_net::PeerInfo;
use platen_sync::codec::{self, CodecError};
use platen_sync::enrol::{Code, CodeError, CodeKey};
use platen_sync::message::{Enrolment, Hash, Renew, Renewed, VERSION};
use thiserror::Error;

use super::answer::Refused;
use crate::authority::AuthorityError;
use crate::central::Central;

/// Why a code brought no box into the site.
#[derive(Debug, Error)]
#[non_exhaustive]
pub(crate) enum EnrolError {
    #[error(transparent)]
    Code(#[from] CodeError),
    #[error(
        "no box that asks shows this code: look at its screen, it makes a new code every 15 minutes; \
         and look whether the address of this server is set there"
    )]
    NoBox,
    #[error("too many codes at once; try again in a moment")]
    Busy,
    #[error(transparent)]
    Centre(#[from] CentreError),
    #[error("the box's certificate can't be signed")]
    Authority(#[from] AuthorityError),
    #[error("the answer to the box can't be written")]
    Codec(#[from] CodecError),
}

/// Whether the address may ask to become a member now.
///
/// # Errors
/// A refusal that says when to ask again.
pub(super) fn admit(central: &Central, peer: &PeerInfo) -> Result<(), Refused> {
    let Some(address) = peer.addr.ip() else {
        return Ok(());
    };
    let now = central.clock.now().elapsed;
    if central.enrolments.take(address, now) {
        Ok(())
    } else {
        Err(Refused::too_often(central.enrolments.retry_after_s()))
    }
}

/// A new certificate for a member.
///
/// # Errors
/// A refusal, such as of something that is no request.
pub(super) async fn renew(
    central: &Central,
    node: NodeId,
    ask: &Renew,
) -> Result<Renewed, Refused> {
    let issued = central
        .authority
        .issue_for_box(node, &ask.csr, central.now_unix_ms())?;
    central
        .centre
        .add_certificate(node, &issued.fingerprint, issued.until_unix_ms)
        .await?;
    log::info!(node:% = node; "a box has a new certificate");
    Ok(Renewed {
        version: VERSION,
        certificate: issued.der,
        authorities: central.authority.authorities().to_owned(),
        until_unix_ms: issued.until_unix_ms,
    })
}

/// Makes the box that shows `code` a member, if it asks. Each box that waits costs a key derivation.
///
/// # Errors
/// [`EnrolError`]
pub(crate) async fn accept(
    central: &Central,
    actor: &Actor,
    code: &str,
) -> Result<NodeId, EnrolError> {
    let code = Code::parse(code)?;
    let own = Hash(central.certificate.fingerprint());
    for pending in central.centre.pending_enrolments().await? {
        let (typed, node, nonce) = (code.clone(), pending.node, pending.nonce);
        let key = central
            .codes_under_way
            .run_off(move || CodeKey::derive(&typed, node, &nonce))
            .await
            .map_err(|_| EnrolError::Busy)??;
        if key.is_box_proof(&pending.csr, &own, &pending.proof) {
            make_member(central, actor, pending, &key).await?;
            return Ok(node);
        }
    }
    Err(EnrolError::NoBox)
}

async fn make_member(
    central: &Central,
    actor: &Actor,
    pending: PendingEnrolment,
    key: &CodeKey,
) -> Result<(), EnrolError> {
    let node = pending.node;
    let now = central.now_unix_ms();
    let issued = central.authority.issue_for_box(node, &pending.csr, now)?;
    let site = central.centre.site().await?;
    let enrolment = Enrolment {
        site: site.id,
        site_name: site.name,
        certificate: Renewed {
            version: VERSION,
            certificate: issued.der,
            authorities: central.authority.authorities().to_owned(),
            until_unix_ms: issued.until_unix_ms,
        },
        directory_key: central.centre.directory_key(),
        keys: central.centre.site_keys().await?,
    };
    let enrolment = codec::encode(&enrolment)?;
    let proof = key.centre_proof(&enrolment);
    let new = NewNode {
        node,
        name: pending.name,
        nonce: pending.nonce,
        fingerprint: issued.fingerprint,
        until_unix_ms: issued.until_unix_ms,
        enrolment,
        proof,
    };
    central.centre.accept_enrolment(actor, new).await?;
    log::info!(node:% = node; "a box became a member");
    Ok(())
}

impl EnrolError {
    /// Writes down what an administrator of the machine must look at.
    pub(crate) fn log(&self) {
        if matches!(self, Self::Authority(_) | Self::Codec(_)) {
            log::error!(err:% = Chain(self); "a box did not become a member");
        }
    }
}
