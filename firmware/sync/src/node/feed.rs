// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What a page of the directory does to the box's copy.
//!
//! Plain state that the copy keeps and saves in the same batch as the page, and one decision:
//! [`Feed::next`]. A new generation is fetched beside the copy that serves, from its beginning on, and
//! takes its place when it is complete; also the very first one, because half a directory may lack
//! the rule that forbids something.

use platen_model::{Changes, Stamp};
use serde::{Deserialize, Serialize};

use crate::message::{Pull, VERSION};
use crate::signed::PageError;

/// How far the box has the directory.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
pub struct Feed {
    /// The copy that serves; generation 0 for none.
    pub serving: Reach,
    /// The copy that is fetched beside it.
    pub aside: Option<Reach>,
    /// The centre's clock when it last confirmed that the serving copy is complete, wall milliseconds
    /// since 1970; 0 for never. Only ever moves forward.
    pub confirmed_unix_ms: u64,
}

/// How far one copy goes.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
pub struct Reach {
    /// Which generation.
    pub generation: u64,
    /// Changes up to this revision are in it.
    pub revision: u64,
    /// How many site keys its card hashes have.
    pub keys: u32,
}

/// What to do with a page, in this order and in one batch, and [`Take::feed`] with it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Take {
    /// The state afterwards.
    pub feed: Feed,
    /// Which copy the page goes into.
    pub place: Place,
    /// Take every object that has a tombstone here out of the serving copy as well, whatever its
    /// revision there: the two count differently.
    pub also_serving: bool,
    /// The copy aside is complete now: it takes the serving one's place.
    pub complete: bool,
}

/// A copy of the directory.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Place {
    /// The one that serves.
    Serving,
    /// The one that is fetched.
    Aside,
    /// A new one aside: what is there of an unfinished one goes away first.
    NewAside,
    /// None: the page only says that the serving copy is complete.
    Nothing,
}

impl Feed {
    /// The question for the next page.
    #[must_use]
    pub fn pull(&self, at: Stamp, wait_ms: u64, leases_upto: u64) -> Pull {
        let reach = self.reach();
        Pull {
            version: VERSION,
            at,
            generation: reach.generation,
            after: reach.revision,
            // Half a copy is not worth waiting with.
            wait_ms: if self.aside.is_some() { 0 } else { wait_ms },
            leases_upto,
            offers: 0,
        }
    }

    /// What a believed page does. `keys` is how many site keys the box has.
    ///
    /// # Errors
    /// [`PageError::RollBack`], [`PageError::Gap`], [`PageError::Inconsistent`] and
    /// [`PageError::KeysMissing`]; the page is not to be taken then.
    pub fn next(&self, page: &Changes, keys: u32) -> Result<Take, PageError> {
        let reach = self.reach();
        check_order(page)?;
        if page.generation < reach.generation || page.generation == 0 {
            return Err(roll_back(page));
        }
        if page.keys > keys {
            return Err(PageError::KeysMissing { wanted: page.keys });
        }
        let begins = page.generation > reach.generation;
        let have = if begins { 0 } else { reach.revision };
        match () {
            () if page.from < have => Err(roll_back(page)),
            () if page.from > have => Err(PageError::Gap {
                from: page.from,
                have,
            }),
            () if !begins && page.keys != reach.keys => Err(PageError::Inconsistent),
            () => Ok(self.take(page, begins)),
        }
    }

    /// The copy that pages go into.
    #[must_use]
    pub fn reach(&self) -> Reach {
        self.aside.unwrap_or(self.serving)
    }

    fn take(&self, page: &Changes, begins: bool) -> Take {
        let aside = begins || self.aside.is_some();
        let complete = page.to == page.latest;
        let reach = Reach {
            generation: page.generation,
            revision: page.to,
            keys: page.keys,
        };
        let mut feed = *self;
        match aside && !complete {
            true => feed.aside = Some(reach),
            false => (feed.serving, feed.aside) = (reach, None),
        }
        if complete {
            feed.confirmed_unix_ms = feed.confirmed_unix_ms.max(page.at_unix_ms);
        }
        let empty = page.to == page.from && page.tombstones.is_empty();
        let place = match () {
            () if begins => Place::NewAside,
            () if aside => Place::Aside,
            () if empty => Place::Nothing,
            () => Place::Serving,
        };
        Take {
            feed,
            place,
            also_serving: aside && self.serving.generation > 0,
            complete: aside && complete,
        }
    }
}

/// Whether something of `revision` takes the place of what a copy has of the same object: a record or
/// a tombstone of `held`, which is kept until the copy's revision has reached it.
#[must_use]
pub fn supersedes(held: Option<u64>, revision: u64) -> bool {
    held.is_none_or(|held| held < revision)
}

fn check_order(page: &Changes) -> Result<(), PageError> {
    let mut last = page.from;
    let mut rising = |revision: u64| std::mem::replace(&mut last, revision) < revision;
    let mut records = page.records.iter().map(|revised| revised.revision);
    let in_order = records.clone().all(&mut rising);
    let within = records.next_back().is_none_or(|highest| highest <= page.to);
    let mut tombstones = page.tombstones.iter();
    let after = tombstones.all(|tombstone| tombstone.revision > page.from);
    let bounds = page.from <= page.to && page.to <= page.latest;
    (in_order && within && after && bounds)
        .then_some(())
        .ok_or(PageError::Inconsistent)
}

fn roll_back(page: &Changes) -> PageError {
    PageError::RollBack {
        generation: page.generation,
        revision: page.latest,
    }
}
