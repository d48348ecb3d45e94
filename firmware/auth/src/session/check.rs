// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The parts of a login that take time: comparing a secret, using a code up, binding a card. They
//! block on a core or on the disk, and are done off the executor, so many at once.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use platen_model::{CardKey, CredentialId, Denied, Moment, UserId};

use super::Door;
use crate::people::{BoundCard, Held, NewCard, StoredSecret};
use crate::secret::{self, Secret};
use crate::tries::{Locked, Refused, Side};

/// Work of a login, to be done off the executor.
pub struct Check {
    door: Arc<Door>,
    work: Work,
}

impl fmt::Debug for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Check")
    }
}

pub(super) enum Work {
    /// Compare a secret with what is stored, or with nobody's.
    Secret {
        stored: Option<StoredSecret>,
        /// Tries are counted by it: the stored secret's, or one that stands in.
        counted: CredentialId,
        side: Side,
        secret: Secret,
    },
    /// Find a code, which counts as a try.
    FindCode(CardKey, Side),
    /// The centre says that it is locked: lock it here as well, for when the link goes.
    Lock(CredentialId),
    UseCode(CredentialId),
    Bind(UserId, NewCard),
}

/// What came of a [`Check`].
pub struct Checked(pub(super) Found);

impl fmt::Debug for Checked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Checked")
    }
}

pub(super) enum Found {
    Right,
    Wrong(Option<Locked>),
    /// Nobody gets in: locked, too many at once, or too old.
    Refused(Denied),
    Code(Option<Box<Held>>),
    Used(bool),
    Bound(Option<BoundCard>),
}

impl Check {
    pub(super) fn new(door: &Arc<Door>, work: Work) -> Self {
        Self {
            door: Arc::clone(door),
            work,
        }
    }

    /// Does the work, on this thread; waits for its turn. Some tens of milliseconds, and a write to
    /// the disk.
    #[must_use]
    pub fn run(self, now: Moment) -> Checked {
        let Self { door, work } = self;
        Checked(match work {
            Work::Secret { .. } => door
                .verifier
                .run(|| do_work(&door, work, now))
                .unwrap_or(Found::Refused(Denied::Busy)),
            other => do_work(&door, other, now),
        })
    }

    /// Does the work on a thread for blocking work; waits for its turn without one.
    pub async fn run_off(self, now: Moment) -> Checked {
        let Self { door, work } = self;
        let inner = Arc::clone(&door);
        let job = move || do_work(&inner, work, now);
        let found = door.verifier.run_off(job).await;
        Checked(found.unwrap_or(Found::Refused(Denied::Busy)))
    }
}

fn do_work(door: &Door, work: Work, now: Moment) -> Found {
    match work {
        Work::Secret {
            stored,
            counted,
            side,
            secret,
        } => compare(door, stored.as_ref(), (counted, side), &secret, now),
        Work::FindCode(key, side) => find_code(door, key, side, now),
        Work::Lock(credential) => {
            let minutes = door.people.settings().locked_minutes.max(1);
            let left = Duration::from_secs(60) * minutes;
            door.tries.lock_for(credential, left, now);
            Found::Refused(Denied::LockedOut)
        }
        Work::UseCode(code) => Found::Used(door.people.use_code(code, now)),
        Work::Bind(user, card) => Found::Bound(door.people.bind_card(user, card, now)),
    }
}

/// Counts the try, then compares.
fn compare(
    door: &Door,
    stored: Option<&StoredSecret>,
    (counted, side): (CredentialId, Side),
    secret: &Secret,
    now: Moment,
) -> Found {
    let settings = door.people.settings();
    if let Err(refused) = door.tries.start(counted, side, &settings, now) {
        return Found::Refused(reason(refused));
    }
    let hash = stored.map(|stored| stored.hash.as_str());
    let right = secret::verify(hash, secret).unwrap_or_else(|error| {
        if error == secret::SecretError::BadHash {
            log::error!(credential:% = counted; "a stored hash is not understood");
        }
        false
    });
    if !right {
        return Found::Wrong(door.tries.wrong(counted, &settings, now));
    }
    door.tries.right(counted, side);
    let until = stored.and_then(|stored| stored.until_unix_ms);
    if until.is_some_and(|until| until < door.people.wall_unix_ms(now)) {
        return Found::Refused(Denied::Expired);
    }
    Found::Right
}

/// What the person is told of a try that is not taken.
fn reason(refused: Refused) -> Denied {
    match refused {
        Refused::Locked { .. } => Denied::LockedOut,
        Refused::BoxBusy { .. } => Denied::Busy,
    }
}

fn find_code(door: &Door, key: CardKey, side: Side, now: Moment) -> Found {
    if let Err(refused) = door.tries.start_unnamed(side, now) {
        return Found::Refused(reason(refused));
    }
    let held = door.people.by_code(key);
    if held.is_some() {
        door.tries.right_unnamed(side);
    }
    Found::Code(held.map(Box::new))
}
