// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Releases of the box's image on their way: the site's offers, signed as the directory is but apart
//! from its pages, because a box of an earlier program understands no page with an object of a kind
//! that it does not know, and passes over a field that it does not know. Then the bundle, piece by
//! piece from where the box has it. Which boxes a share means follows from their ids alone.

use platen_model::{NodeId, Offer, Offers, ReleaseId, ReleaseVersion, Running, SiteId};
use ring::digest::{SHA256, digest};
use serde::{Deserialize, Serialize};

use crate::codec::{CodecError, Message, from_cbor, to_cbor};
use crate::limits::{Check, NAME_BYTES_MAX};
use crate::message::{Hash, Signed};
use crate::signed::{PageError, SigningKey};

/// Bytes of a release's bundle.
pub const RELEASE_BYTES_MAX: u64 = 256 << 20;
/// Bytes of a [`Piece`].
pub const PIECE_BYTES_MAX: usize = 256 << 10;
/// Offers of a site at once.
pub const OFFERS_MAX: usize = 16;
/// Bytes of all offers ([`Signed::payload`]).
pub const OFFERS_BYTES_MAX: usize = 64 << 10;
/// Bytes of a release's notes.
pub const NOTES_BYTES_MAX: usize = 2 << 10;
/// Bytes of the name of a kind of board.
pub const COMPATIBLE_BYTES_MAX: usize = 64;

/// What is signed before the offers.
const CONTEXT: &[u8] = b"platen releases 1\0";
const OFFERS: &str = "list of offers";
/// Bytes of a [`Piece`] besides the bundle's.
const FRAME_BYTES_MAX: usize = 1 << 10;

/// Asks for a piece of a release's bundle.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct PieceAsk {
    /// [`crate::message::VERSION`] of the sender.
    pub version: u16,
    /// Which release.
    pub release: ReleaseId,
    /// Bytes before the piece.
    pub offset: u64,
    /// Bytes that the box would like; the piece may be shorter.
    pub length: u32,
}

/// A piece of a release's bundle; empty behind its end.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct Piece {
    /// [`crate::message::VERSION`] of the sender.
    pub version: u16,
    /// Which release.
    pub release: ReleaseId,
    /// Bytes before it.
    pub offset: u64,
    /// The bytes.
    #[serde(with = "platen_model::bytes")]
    pub bytes: Vec<u8>,
}

impl Message for PieceAsk {
    const NAME: &'static str = "question for a piece of a release";

    fn version(&self) -> Option<u16> {
        Some(self.version)
    }

    fn check(&self) -> Result<(), CodecError> {
        let check = Check(Self::NAME);
        check.holds("offset", self.offset <= RELEASE_BYTES_MAX)?;
        let length = usize::try_from(self.length).unwrap_or(usize::MAX);
        check.holds("length", (1..=PIECE_BYTES_MAX).contains(&length))
    }
}

impl Message for Piece {
    const NAME: &'static str = "piece of a release";
    const BYTES_MAX: usize = PIECE_BYTES_MAX + FRAME_BYTES_MAX;

    fn version(&self) -> Option<u16> {
        Some(self.version)
    }

    fn check(&self) -> Result<(), CodecError> {
        let check = Check(Self::NAME);
        check.holds("offset", self.offset <= RELEASE_BYTES_MAX)?;
        check.holds("bytes", self.bytes.len() <= PIECE_BYTES_MAX)
    }
}

impl Check {
    /// What a box says of its image.
    pub(crate) fn running(&self, running: &Running) -> Result<(), CodecError> {
        let words = [&running.compatible, &running.slot];
        let words = words.into_iter().flatten();
        let mut words = words.chain([&running.version]);
        let short = |word: &String| word.len() <= COMPATIBLE_BYTES_MAX;
        self.holds("running", words.all(short) && running.percent <= 100)?;
        self.holds("running", running.reason.len() <= NAME_BYTES_MAX)
    }
}

/// Whether offers keep their limits: for whoever makes them and whoever believes them.
///
/// # Errors
/// [`CodecError::Limit`] names the first part that does not.
pub fn check_offers(offers: &Offers) -> Result<(), CodecError> {
    let check = Check(OFFERS);
    check.holds("offers", offers.offers.len() <= OFFERS_MAX)?;
    offers.offers.iter().try_for_each(|offer| {
        let release = &offer.release;
        let size = (1..=RELEASE_BYTES_MAX).contains(&release.size_bytes);
        check.holds("size", size)?;
        check.holds("notes", release.notes.len() <= NOTES_BYTES_MAX)?;
        let board = (1..=COMPATIBLE_BYTES_MAX).contains(&release.compatible.len());
        check.holds("compatible", board)?;
        check.holds("share", offer.share_percent <= 100)?;
        let right = offer.window.is_none_or(|window| window.is_right());
        check.holds("window", right)
    })
}

impl SigningKey {
    /// Signs a site's offers.
    ///
    /// # Errors
    /// [`CodecError::Limit`] and [`CodecError::TooLong`]: fewer can be offered at once.
    pub fn sign_offers(&self, offers: &Offers) -> Result<Signed, CodecError> {
        check_offers(offers)?;
        let payload = to_cbor(OFFERS, offers)?;
        if payload.len() > OFFERS_BYTES_MAX {
            return Err(TOO_LONG);
        }
        Ok(self.sign_in(CONTEXT, payload))
    }
}

const TOO_LONG: CodecError = CodecError::TooLong {
    message: OFFERS,
    max: OFFERS_BYTES_MAX,
};

/// Reads offers that were signed with the site's key for this box.
///
/// # Errors
/// [`PageError::BadSignature`], [`PageError::NotUnderstood`], [`PageError::OtherSite`] and
/// [`PageError::OtherNode`].
pub fn verify_offers(
    signed: &Signed,
    key: &Hash,
    site: SiteId,
    node: NodeId,
) -> Result<Offers, PageError> {
    if signed.payload.len() > OFFERS_BYTES_MAX {
        return Err(PageError::NotUnderstood(TOO_LONG));
    }
    signed.believe(CONTEXT, key)?;
    let offers: Offers = from_cbor(OFFERS, &signed.payload).map_err(PageError::NotUnderstood)?;
    check_offers(&offers).map_err(PageError::NotUnderstood)?;
    match () {
        () if offers.site != site => Err(PageError::OtherSite),
        () if offers.node != node => Err(PageError::OtherNode),
        () => Ok(offers),
    }
}

/// Whether a box is among the first `percent` of a hundred for a release: by SHA-256 of both ids, so
/// each release begins with other boxes, and a larger share only adds some.
#[must_use]
pub fn is_in_share(release: ReleaseId, node: NodeId, percent: u8) -> bool {
    let ids = [*release.0.as_bytes(), *node.0.as_bytes()].concat();
    let hash = digest(&SHA256, &ids);
    let first = hash.as_ref().first_chunk().copied().unwrap_or_default();
    u64::from_be_bytes(first) % 100 < u64::from(percent)
}

/// What decides about an offer on the side of the box.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Taker {
    /// The box.
    pub node: NodeId,
    /// The version it runs.
    pub version: ReleaseVersion,
    /// The bundles that fit it.
    pub compatible: String,
    /// Releases, with the [`Offer::turn`] in which they failed here.
    pub failed: Vec<(ReleaseId, u32)>,
}

impl Taker {
    /// The offer to take: the newest that fits and that the box is meant by, unless the box has it or
    /// runs a newer one.
    #[must_use]
    pub fn choose<'a>(&self, offers: &'a Offers) -> Option<&'a Offer> {
        let fitting = offers.offers.iter().filter(|offer| self.is_meant(offer));
        // One among all first: two offers never have a box go to and fro between them.
        let newest = fitting.max_by(|a, b| a.release.version.cmp(&b.release.version));
        newest.filter(|offer| {
            let version = &offer.release.version;
            *version > self.version || (offer.allow_older && *version != self.version)
        })
    }

    /// Whether the box may take it, whatever it runs.
    fn is_meant(&self, offer: &Offer) -> bool {
        let release = &offer.release;
        let failed = |(id, turn): &(ReleaseId, u32)| *id == release.id && *turn >= offer.turn;
        !offer.paused
            && release.compatible == self.compatible
            && is_in_share(release.id, self.node, offer.share_percent)
            && !self.failed.iter().any(failed)
    }
}
