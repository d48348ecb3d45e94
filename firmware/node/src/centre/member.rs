// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What makes the box part of a site: its key and certificate, whom it believes, the keys of card
//! hashes. One sealed file, `centre/member.sealed` (byte map: `docs/formats/enrolment.md`).

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use platen_model::{Clock, NodeId, SiteId};
use platen_net::{
    CertificateTime, ClientIdentity, ClientKey, HttpsClient, HttpsError, HttpsOptions,
    IdentityError, TlsTrust, TrustError,
};
use platen_service::PLAUSIBLE_UNIX_MS;
use platen_store::{Disk, Keys, SealedFile, SealedFileError};
use platen_sync::enrol::CodeError;
use platen_sync::limits::PULL_ANSWER_BYTES_MAX;
use platen_sync::message::{Enrolment, Hash, Renewed, SiteKeys};
use platen_sync::node::pace::CONNECT_MS;
use serde::{Deserialize, Serialize};
use thiserror::Error;
use zeroize::Zeroize;

use super::spans::Span;

const MEMBER_FILE: SealedFile = SealedFile {
    folder: "centre",
    name: "member.sealed",
    magic: b"PLATENMB",
    version: 1,
    context: b"platen member 1\0",
    bytes_max: 256 << 10,
};

/// Connections to the centre: one each for pulling, pushing, renewal, a release and three logins.
const CONNECTIONS: usize = 7;

/// Why the box's part in a site can't be read, kept or used.
#[derive(Debug, Error)]
#[non_exhaustive]
pub(crate) enum MemberError {
    #[error("what makes this box part of a site can't be read or kept")]
    File(#[from] SealedFileError),
    #[error(
        "what makes this box part of a site is damaged; remove the directory 'centre' and enrol \
         the box again"
    )]
    Damaged,
    #[error("no key could be made or read")]
    Key(#[from] IdentityError),
    #[error("the system gave no random bytes")]
    Random,
    #[error("no code could be made")]
    Code(#[source] CodeError),
    #[error("the centre gave certificates that can't be used")]
    Certificates(#[from] TrustError),
    #[error("there is no way to the centre")]
    Https(#[from] HttpsError),
}

/// What is in the file. The field names are the CBOR keys.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Member {
    /// The site.
    pub(super) site: SiteId,
    /// Its name.
    pub(super) site_name: String,
    /// The box's private key, PKCS #8.
    #[serde(with = "platen_model::bytes")]
    key: Vec<u8>,
    /// The box's certificate, and the authorities that vouch for the centre.
    pub(super) certificate: Renewed,
    /// When the certificate came, wall milliseconds since 1970.
    pub(super) certified_unix_ms: u64,
    /// Ed25519 public key that signs the directory.
    pub(super) directory_key: Hash,
    /// Keys of card hashes.
    pub(super) keys: SiteKeys,
    /// Whether the centre has said that the box is taken out of the site.
    #[serde(default)]
    pub(super) revoked: bool,
    /// Which entries of the journal are from the box's time in this site.
    #[serde(default)]
    pub(super) spans: Vec<Span>,
}

impl Member {
    /// What an enrolment makes of the box that has `key`.
    pub(super) fn enrolled(enrolment: Enrolment, key: &ClientKey, now_unix_ms: u64) -> Self {
        Self {
            site: enrolment.site,
            site_name: enrolment.site_name,
            key: key.to_der(),
            certificate: enrolment.certificate,
            certified_unix_ms: now_unix_ms,
            directory_key: enrolment.directory_key,
            keys: enrolment.keys,
            revoked: false,
            spans: Vec::new(),
        }
    }

    /// With a new certificate for the same key.
    pub(super) fn renewed(mut self, certificate: Renewed, now_unix_ms: u64) -> Self {
        self.certificate = certificate;
        self.certified_unix_ms = now_unix_ms;
        self
    }

    /// A request for a new certificate.
    pub(super) fn request(&self, node: NodeId) -> Result<Vec<u8>, MemberError> {
        Ok(ClientKey::from_der(&self.key)?.request(&node.to_string())?)
    }

    /// Whether it is time for a new certificate: a third of its life is left, or less.
    pub(super) fn is_due(&self, now_unix_ms: u64) -> bool {
        let until = self.certificate.until_unix_ms;
        let life = until.saturating_sub(self.certified_unix_ms);
        until.saturating_sub(now_unix_ms) <= life / 3
    }

    /// The way to the centre at `url` as this member. The key must be the certificate's.
    pub(super) fn client(
        &self,
        url: &str,
        clock: &Arc<dyn Clock>,
        confirmed_unix_ms: u64,
    ) -> Result<HttpsClient, MemberError> {
        let identity =
            ClientIdentity::from_der(self.certificate.certificate.clone(), self.key.clone());
        let options = HttpsOptions {
            trust: TlsTrust::from_pem(&self.certificate.authorities)?,
            identity: Some(identity),
            time: Some(CertificateTime {
                clock: Arc::clone(clock),
                floor_unix_ms: confirmed_unix_ms.max(PLAUSIBLE_UNIX_MS),
            }),
            connect: Duration::from_millis(CONNECT_MS),
            connections: CONNECTIONS,
            answer_bytes_max: PULL_ANSWER_BYTES_MAX,
            // Every message may come twice: that is what the protocol is made for.
            may_repeat: true,
        };
        Ok(HttpsClient::new(url, options)?)
    }

    /// Reads the file; `None` on a box of no site. Blocks.
    pub(super) fn read(disk: &dyn Disk, keys: &Keys) -> Result<Option<Self>, MemberError> {
        let plain = MEMBER_FILE.read(disk, keys).map_err(|error| match error {
            SealedFileError::Damaged { .. } => MemberError::Damaged,
            error => MemberError::File(error),
        })?;
        let parse = |plain: zeroize::Zeroizing<Vec<u8>>| ciborium::from_reader(plain.as_slice());
        plain
            .map(parse)
            .transpose()
            .map_err(|_| MemberError::Damaged)
    }

    /// Writes the file, durably. Blocks.
    pub(super) fn write(&self, disk: &dyn Disk, keys: &Keys) -> Result<(), MemberError> {
        let mut plain = zeroize::Zeroizing::new(Vec::new());
        ciborium::into_writer(self, &mut *plain).map_err(|_| MemberError::Damaged)?;
        Ok(MEMBER_FILE.write(disk, keys, &plain)?)
    }

    /// Removes the file, durably. Blocks.
    pub(super) fn remove(disk: &dyn Disk) -> Result<(), MemberError> {
        Ok(MEMBER_FILE.remove(disk)?)
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        self.key.zeroize();
    }
}

impl fmt::Debug for Member {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Member({})", self.site)
    }
}
