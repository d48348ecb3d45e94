// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The directory's signature: pages are believed for what they are and not for how they came.
//! Ed25519 (RFC 8032) over [`Signed::CONTEXT`] and the page's CBOR. What a believed page does to the
//! box's copy is [`crate::node::feed`]'s to say.

use platen_model::{Changes, NodeId, SiteId};
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};

use crate::codec::{CodecError, from_cbor, to_cbor};
use crate::limits::{PAGE_BYTES_MAX, check_page};
use crate::message::{Hash, Signed};

const PAGE: &str = "page of the directory";

/// Why a page is not believed.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum PageError {
    /// Not signed with the site's key, or changed since.
    #[error("the directory page is not signed with the site's key")]
    BadSignature,
    /// Signed, but not what a page should be.
    #[error("the directory page is not understood")]
    NotUnderstood(#[source] CodecError),
    /// Made for another site.
    #[error("the directory page is of another site")]
    OtherSite,
    /// Made for another box.
    #[error("the directory page was made for another box")]
    OtherNode,
    /// Older than what the box has.
    #[error("the directory page goes back to {generation}.{revision}, behind what this box has")]
    RollBack {
        /// The page's generation.
        generation: u64,
        /// Its highest revision.
        revision: u64,
    },
    /// Changes between what the box has and the page are missing.
    #[error("the directory page begins after {from}, this box has changes up to {have}")]
    Gap {
        /// Where the page begins.
        from: u64,
        /// How far the box is.
        have: u64,
    },
    /// Its numbers contradict each other.
    #[error("the directory page contradicts itself")]
    Inconsistent,
    /// Its card hashes need site keys that the box does not have yet: ask for them first.
    #[error("the directory page needs {wanted} site keys")]
    KeysMissing {
        /// How many keys it needs.
        wanted: u32,
    },
}

/// The site's signing key, which only the centre has.
pub struct SigningKey(Ed25519KeyPair);

/// The key bytes are no Ed25519 key.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("these bytes are no Ed25519 private key")]
pub struct NoSigningKey;

impl SigningKey {
    /// Makes the key from 32 random bytes.
    ///
    /// # Errors
    /// [`NoSigningKey`], which no 32 bytes give.
    pub fn from_seed(seed: &[u8; 32]) -> Result<Self, NoSigningKey> {
        let pair = Ed25519KeyPair::from_seed_unchecked(seed);
        pair.map(Self).map_err(|_| NoSigningKey)
    }

    /// What boxes get to know of it.
    #[must_use]
    pub fn public(&self) -> Hash {
        let bytes = self.0.public_key().as_ref();
        Hash(bytes.first_chunk().copied().unwrap_or_default())
    }

    /// Signs a page.
    ///
    /// # Errors
    /// [`CodecError::Limit`] and [`CodecError::TooLong`]: the page is to be made smaller.
    pub fn sign(&self, page: &Changes) -> Result<Signed, CodecError> {
        check_page(page)?;
        let payload = to_cbor(PAGE, page)?;
        if payload.len() > PAGE_BYTES_MAX {
            return Err(CodecError::TooLong {
                message: PAGE,
                max: PAGE_BYTES_MAX,
            });
        }
        Ok(self.sign_in(Signed::CONTEXT, payload))
    }

    /// Signs bytes for what `context` says they are, and for nothing else.
    pub(crate) fn sign_in(&self, context: &[u8], payload: Vec<u8>) -> Signed {
        let signature = self.0.sign(&[context, &payload].concat()).as_ref().to_vec();
        Signed { payload, signature }
    }
}

/// Reads a page that was signed with the site's key for this box.
///
/// # Errors
/// [`PageError::BadSignature`], [`PageError::NotUnderstood`], [`PageError::OtherSite`] and
/// [`PageError::OtherNode`].
pub fn verify(
    signed: &Signed,
    key: &Hash,
    site: SiteId,
    node: NodeId,
) -> Result<Changes, PageError> {
    if signed.payload.len() > PAGE_BYTES_MAX {
        return Err(PageError::NotUnderstood(CodecError::TooLong {
            message: PAGE,
            max: PAGE_BYTES_MAX,
        }));
    }
    signed.believe(Signed::CONTEXT, key)?;
    let page: Changes = from_cbor(PAGE, &signed.payload).map_err(PageError::NotUnderstood)?;
    check_page(&page).map_err(PageError::NotUnderstood)?;
    match () {
        () if page.site != site => Err(PageError::OtherSite),
        () if page.node != node => Err(PageError::OtherNode),
        () => Ok(page),
    }
}

impl Signed {
    /// Whether the site's key signed the payload for what `context` says it is.
    pub(crate) fn believe(&self, context: &[u8], key: &Hash) -> Result<(), PageError> {
        let signed = [context, &self.payload].concat();
        let checked = UnparsedPublicKey::new(&ED25519, &key.0).verify(&signed, &self.signature);
        checked.map_err(|_| PageError::BadSignature)
    }
}
