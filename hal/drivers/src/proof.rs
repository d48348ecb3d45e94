// SPDX-License-Identifier: Apache-2.0 OR MIT
//! From a card that says a number to one that proves it: DESFire EV1 and later, NTAG 424 DNA.
//!
//! What a proof is worth, and against whom:
//!
//! - The number of a proved card comes out of what its key protects (`GetCardUID` in the session, or
//!   the encrypted part of a SUN message), never from the selection, which anyone can play. An
//!   emulator that says another person's number and lets a genuine card of its own do the
//!   arithmetic is refused: the two numbers differ.
//! - A card that has no such application, or is of another kind, is [`Verdict::Weak`]. A clone can
//!   always pretend to be one of these. What a weak number may do is the caller's policy; a person
//!   whose card was proved once should not get in with the same number unproved.
//! - A card that has the application and fails is [`Verdict::Failed`], and its number is not
//!   reported at all. It is asked [`FAILURES_MAX`] times while it lies there, and not more: cards
//!   count failed authentications and lock themselves for good.
//! - A SUN message proves that the card was read, not that it is here: who reads it out once with a
//!   phone can play it once, until a reader that has these keys, or a clone of them, has seen a
//!   higher counter. Authentication with a key ([`CardKeys::with_ntag424`]) has no such gap and is the better choice.
//! - A relay of a genuine card over a distance passes; nothing here measures distance.

pub(crate) mod counters;
mod keys;

use core::fmt;

use platen_hal::{CardUid, Proof, ReaderError};
use zeroize::Zeroizing;

pub use counters::COUNTERS_MAX;
pub use keys::{CardKeyError, CardKeys, DIVERSIFICATION_BYTES, MasterKey, SunLayout};
pub(crate) use keys::{NtagKey, SunKeys};

use crate::aes128::Block;
use crate::desfire::{self, Kind};
use crate::isodep::CardChannel;
use crate::{iso14443a, ntag424};

/// Failed proofs of a card before it is left alone, until the field was empty.
pub const FAILURES_MAX: u32 = 2;

/// Fills a buffer with random bytes that nobody can foresee, such as the kernel's.
pub type Random = Box<dyn FnMut(&mut [u8]) + Send>;

/// What came of asking a card.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Verdict {
    /// It proved that it is the card of this number.
    Proved {
        /// The true number, also of a card that selects under a random one.
        uid: CardUid,
    },
    /// It is no card that could prove anything with these keys.
    Weak,
    /// It should have been able to, and failed.
    Failed {
        /// At what.
        cause: &'static str,
    },
}

/// Why an attempt ended before a number was proved.
#[derive(Debug)]
pub(crate) enum Stop {
    Reader(ReaderError),
    Weak,
    Failed(&'static str),
}

impl From<ReaderError> for Stop {
    fn from(error: ReaderError) -> Self {
        Self::Reader(error)
    }
}

/// The reader's own challenges, each a new one.
pub(crate) struct Challenges {
    source: Random,
    last: Zeroizing<Block>,
}

impl Challenges {
    pub(crate) fn new(source: Random) -> Self {
        Self {
            source,
            last: Zeroizing::new([0; 16]),
        }
    }

    /// A challenge; a source that gives zeros, or the same again, is refused: with a challenge
    /// that was used before, a recorded dialogue could be played again.
    pub(crate) fn next(&mut self) -> Result<Zeroizing<Block>, Stop> {
        let mut challenge = Zeroizing::new([0; 16]);
        (self.source)(&mut *challenge);
        if *challenge == [0; 16] || *challenge == *self.last {
            let cause = "no random numbers";
            return Err(Stop::Reader(ReaderError::Refused { cause }));
        }
        self.last = challenge.clone();
        Ok(challenge)
    }
}

/// Keys with what is shared by all who have them, and random numbers.
pub struct Prover {
    keys: CardKeys,
    challenges: Challenges,
}

impl Prover {
    /// A prover with these keys.
    #[must_use]
    pub fn new(keys: CardKeys, random: Random) -> Self {
        Self {
            keys,
            challenges: Challenges::new(random),
        }
    }

    /// Asks an activated card that said the number `seen`.
    ///
    /// # Errors
    /// Those of the channel; [`ReaderError::Refused`] when the random numbers are none.
    pub fn prove(
        &mut self,
        card: &mut dyn CardChannel,
        seen: &CardUid,
    ) -> Result<Verdict, ReaderError> {
        match self.attempt(card, seen) {
            Ok(verdict) => Ok(verdict),
            Err(Stop::Weak) => Ok(Verdict::Weak),
            Err(Stop::Failed(cause)) => Ok(Verdict::Failed { cause }),
            Err(Stop::Reader(error)) => Err(error),
        }
    }

    fn attempt(&mut self, card: &mut dyn CardChannel, seen: &CardUid) -> Result<Verdict, Stop> {
        match desfire::kind(card)? {
            Kind::Desfire { generation } => {
                let slot = self.keys.desfire.as_ref().ok_or(Stop::Weak)?;
                let key = slot.key.of(seen).ok_or(Stop::Weak)?;
                desfire::select(card, slot.application)?;
                let random = &mut self.challenges;
                let uid = desfire::prove(card, generation, slot.number, &key, random)?;
                proved(&uid, seen)
            }
            Kind::Ntag424 => match self.keys.ntag.as_ref().ok_or(Stop::Weak)? {
                NtagKey::Authenticate { number, key } => {
                    let key = key.of(seen).ok_or(Stop::Weak)?;
                    ntag424::select(card)?;
                    let uid = ntag424::prove(card, *number, &key, &mut self.challenges)?;
                    proved(&uid, seen)
                }
                NtagKey::Sun(keys) => {
                    ntag424::select(card)?;
                    let sun = ntag424::read_sun(card, keys)?;
                    let verdict = proved(&sun.uid, seen)?;
                    if !keys.counters.advance(sun.uid, sun.counter) {
                        return Err(Stop::Failed("message was read before"));
                    }
                    Ok(verdict)
                }
            },
            Kind::Other => Err(Stop::Weak),
        }
    }
}

impl fmt::Debug for Prover {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Prover").finish_non_exhaustive()
    }
}

/// The verdict for a number that a key protects, where the card has not said another one.
fn proved(uid: &[u8; 7], seen: &CardUid) -> Result<Verdict, Stop> {
    let uid = CardUid::new(uid).ok_or(Stop::Failed("card's true number has no known length"))?;
    if uid != *seen && !seen.is_random() {
        return Err(Stop::Failed("card proves another number than it says"));
    }
    Ok(Verdict::Proved { uid })
}

/// What a reader driver remembers of the card that lies there, so that it is asked once.
#[derive(Debug, Default)]
pub(crate) struct Proofs {
    prover: Option<Prover>,
    lying: Option<Lying>,
}

#[derive(Debug)]
struct Lying {
    seen: CardUid,
    verdict: Verdict,
    failures: u32,
}

impl Proofs {
    pub(crate) fn new(prover: Prover) -> Self {
        Self {
            prover: Some(prover),
            lying: None,
        }
    }

    /// Whether there are keys.
    pub(crate) fn armed(&self) -> bool {
        self.prover.is_some()
    }

    /// The field was empty, or the reader was started again.
    pub(crate) fn forget(&mut self) {
        self.lying = None;
    }

    /// A look gave nothing clear: whoever lies there must prove itself again, but one that failed
    /// is not let off.
    pub(crate) fn doubt(&mut self) {
        let failed = |lying: &Lying| matches!(lying.verdict, Verdict::Failed { .. });
        self.lying = self.lying.take().filter(failed);
    }

    /// What is known of the card from the look before.
    pub(crate) fn known(&self, seen: &CardUid) -> Option<Verdict> {
        let lying = self.lying.as_ref()?;
        let known = match lying.verdict {
            Verdict::Failed { .. } => lying.failures >= FAILURES_MAX && like(&lying.seen, seen),
            _ => lying.seen == *seen,
        };
        known.then(|| lying.verdict.clone())
    }

    /// A card that can't be asked.
    pub(crate) fn weak(&mut self, seen: &CardUid) {
        self.keep(seen, Verdict::Weak);
    }

    /// Asks the card.
    pub(crate) fn ask(
        &mut self,
        card: &mut dyn CardChannel,
        seen: &CardUid,
    ) -> Result<Verdict, ReaderError> {
        let verdict = match &mut self.prover {
            Some(prover) => prover.prove(card, seen)?,
            None => Verdict::Weak,
        };
        self.keep(seen, verdict.clone());
        Ok(verdict)
    }

    fn keep(&mut self, seen: &CardUid, verdict: Verdict) {
        let before = self.lying.take().filter(|lying| like(&lying.seen, seen));
        let failures = match verdict {
            Verdict::Failed { .. } => before.map_or(0, |lying| lying.failures) + 1,
            _ => 0,
        };
        self.lying = Some(Lying {
            seen: seen.clone(),
            verdict,
            failures,
        });
    }

    /// How well the number that was reported last stands for its card.
    pub(crate) fn proof(&self) -> Proof {
        match self.lying.as_ref().map(|lying| &lying.verdict) {
            Some(Verdict::Proved { .. }) => Proof::Proved,
            _ => Proof::Weak,
        }
    }
}

impl Verdict {
    /// The number to report for a card that said `seen`.
    pub(crate) fn number(self, seen: CardUid) -> Result<CardUid, ReaderError> {
        match self {
            Self::Proved { uid } => Ok(uid),
            Self::Weak => Ok(seen),
            Self::Failed { cause } => Err(iso14443a::garbled(cause)),
        }
    }
}

/// A card with random numbers says another one each time it loses the field.
fn like(a: &CardUid, b: &CardUid) -> bool {
    a == b || (a.is_random() && b.is_random())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn challenges_that_are_none_are_refused() {
        let mut zeros = Challenges::new(Box::new(|_| {}));
        assert!(matches!(zeros.next(), Err(Stop::Reader(_))));
        let mut stuck = Challenges::new(Box::new(|bytes| bytes.fill(7)));
        assert!(stuck.next().is_ok());
        assert!(matches!(stuck.next(), Err(Stop::Reader(_))));
    }

    #[test]
    fn a_number_that_differs_from_the_one_said_is_no_proof() {
        let uid = [4, 1, 2, 3, 4, 5, 6];
        let says = |bytes: &[u8]| CardUid::new(bytes).unwrap();
        assert!(proved(&uid, &says(&uid)).is_ok());
        assert!(proved(&uid, &says(&[8, 1, 2, 3])).is_ok());
        assert!(matches!(
            proved(&uid, &says(&[4, 1, 2, 3, 4, 5, 7])),
            Err(Stop::Failed(_))
        ));
    }
}
