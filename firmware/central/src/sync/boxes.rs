// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Which box is asking. The TLS handshake has shown that it has the certificate's key; what the
//! certificate is worth now stands in the database, by its SHA-256.

use platen_model::NodeId;
use platen_net::PeerInfo;

use super::answer::Refused;
use crate::central::Central;

/// A box of the site.
pub(super) struct Member {
    pub(super) node: NodeId,
    pub(super) standing: Standing,
}

/// What its certificate is worth.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Standing {
    /// Everything.
    Good,
    /// A new one.
    Expired,
}

/// The box behind the connection.
///
/// # Errors
/// A refusal of a connection without a certificate, with one of a stranger, or a revoked one.
pub(super) async fn known(central: &Central, peer: &PeerInfo) -> Result<Member, Refused> {
    let fingerprint = peer.certificate.ok_or_else(Refused::not_enrolled)?;
    let known = central.centre.certificate(&fingerprint).await?;
    let known = known.ok_or_else(Refused::not_enrolled)?;
    if known.revoked {
        return Err(Refused::revoked());
    }
    let standing = if known.until_unix_ms > central.now_unix_ms() {
        Standing::Good
    } else {
        Standing::Expired
    };
    Ok(Member {
        node: known.node,
        standing,
    })
}
