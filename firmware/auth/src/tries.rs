// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Wrong tries, counted for each credential and for the box, so that 10,000 PINs can't be tried. A
//! try is counted, durably, before its secret is compared: pulling the plug takes none back, and
//! guesses made side by side all count. Names and numbers of nobody are counted like real ones.
//!
//! A credential is locked for the site's minutes at first and twice as long each time after, up to
//! [`LOCK_MAX`], until the right secret comes. The box as a whole takes [`BOX_TRIES`] wrong tries at
//! once and then one in [`BOX_TRY_EVERY`], whoever they are about; its panel and its page have an
//! allowance each, so that nobody in the network can spend that of the people who stand there.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use platen_model::{Chain, CredentialId, Moment, Settings};
use platen_store::{Batch, Database, DatabaseError, Table};
use serde::{Deserialize, Serialize};
use thiserror::Error;
use uuid::Uuid;

/// Longest lock.
pub const LOCK_MAX: Duration = Duration::from_secs(24 * 60 * 60);
/// Wrong tries that each side of the box takes at once, whoever they are about.
pub const BOX_TRIES: u32 = 30;
/// Time after which it takes one more.
pub const BOX_TRY_EVERY: Duration = Duration::from_secs(60);
/// Credentials whose tries are counted at once; beyond it the one that was tried longest ago and is
/// not locked is forgotten.
pub const COUNTED_MAX: usize = 20_000;

const THOUSANDTHS: u64 = 1000;
const ALLOWANCE_MAX: u64 = BOX_TRIES as u64 * THOUSANDTHS;

/// Where a try is made.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Side {
    /// Readers, pads, a kiosk: somebody stands there.
    #[default]
    Panel,
    /// A page that whoever is in the network can open.
    Web,
}

/// No try now.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[non_exhaustive]
pub enum Refused {
    /// The credential is locked.
    #[error("too many wrong tries: locked for another {} s", left.as_secs())]
    Locked {
        /// For how much longer.
        left: Duration,
    },
    /// This side of the box has seen too many wrong tries.
    #[error("too many wrong tries at this box: wait {} s", left.as_secs())]
    BoxBusy {
        /// Until it takes one more.
        left: Duration,
    },
}

/// A credential was locked just now.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Locked {
    /// Which.
    pub credential: CredentialId,
    /// For how long.
    pub lasts: Duration,
    /// Until when, wall milliseconds since 1970 by the box's clock.
    pub until_unix_ms: u64,
}

/// What is kept of a credential.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
struct Count {
    /// Tries since the last right one or lock.
    wrong: u32,
    /// Locks since the last right one.
    locks: u32,
    /// Length of the lock that is on; 0 for none.
    lock_ms: u64,
    until_unix_ms: u64,
    /// When it was tried last, wall milliseconds: the oldest is forgotten first.
    tried_unix_ms: u64,
}

#[derive(Clone, Copy, Debug)]
struct Kept {
    count: Count,
    /// Elapsed time at which the lock ends.
    until: Option<Duration>,
}

/// A side's own allowance, in thousandths of a try.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize, Deserialize)]
struct Allowance {
    left: u64,
}

/// What a side may still take.
struct Purse {
    allowance: Allowance,
    /// Elapsed time up to which the allowance has grown.
    grown: Duration,
}

struct Counts {
    kept: HashMap<Uuid, Kept>,
    panel: Purse,
    web: Purse,
}

/// The counters. Share it in an [`Arc`](std::sync::Arc). Starting a try and ending it wrong block on
/// the disk.
pub struct Tries {
    database: Database,
    table: Table<Count>,
    allowance: Table<Allowance>,
    counts: Mutex<Counts>,
}

impl std::fmt::Debug for Tries {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Tries({})", self.lock_counts().kept.len())
    }
}

impl Tries {
    /// Reads the counters. A lock goes on for what the wall says is left of it or, where the clock
    /// makes no sense, from its beginning; the box's allowance does not grow while it is off. Blocks.
    ///
    /// # Errors
    /// [`DatabaseError`].
    pub fn open(database: &Database, now: Moment) -> Result<Self, DatabaseError> {
        let table: Table<Count> = database.table("tries")?;
        let allowance: Table<Allowance> = database.table("tries-box")?;
        let mut kept = HashMap::new();
        for row in table.scan(&[]) {
            let (key, count) = row?;
            if let Ok(id) = Uuid::from_slice(&key) {
                let until = (count.lock_ms > 0).then(|| now.elapsed + left_of(&count, now));
                kept.insert(id, Kept { count, until });
            }
        }
        let purse = |side: Side| -> Result<Purse, DatabaseError> {
            let stored = allowance.get(side.key())?.map(|stored| stored.left);
            let left = stored.unwrap_or(ALLOWANCE_MAX).min(ALLOWANCE_MAX);
            Ok(Purse {
                allowance: Allowance { left },
                grown: now.elapsed,
            })
        };
        let (panel, web) = (purse(Side::Panel)?, purse(Side::Web)?);
        Ok(Self {
            database: database.clone(),
            table,
            allowance,
            counts: Mutex::new(Counts { kept, panel, web }),
        })
    }

    /// Counts a try before its secret is looked at: durably, so that no power cut takes it back
    /// (where the disk fails, in memory). Ends with [`Tries::wrong`] or [`Tries::right`].
    ///
    /// # Errors
    /// [`Refused`]; nothing may be compared then.
    pub fn start(
        &self,
        credential: CredentialId,
        side: Side,
        settings: &Settings,
        now: Moment,
    ) -> Result<(), Refused> {
        let mut counts = self.lock_counts();
        if let Some(left) = counts.left(credential.0, now) {
            return Err(Refused::Locked { left });
        }
        counts.end_lock(credential.0, now);
        let before = counts
            .kept
            .get(&credential.0)
            .map_or(0, |kept| kept.count.wrong);
        if before >= tries(settings) {
            // Others are being compared right now, or a power cut came before the answer.
            let left = counts.lock(credential.0, settings, now);
            self.write(&counts, &[credential.0], None);
            return Err(Refused::Locked { left });
        }
        let purse = counts.purse(side);
        purse.spend(now).map_err(|left| Refused::BoxBusy { left })?;
        let forgotten = counts.make_room(credential.0, now);
        let kept = counts.entry(credential.0, now);
        kept.count.wrong += 1;
        kept.count.tried_unix_ms = now.unix_ms;
        let touched: Vec<Uuid> = forgotten.into_iter().chain([credential.0]).collect();
        self.write(&counts, &touched, Some(side));
        Ok(())
    }

    /// Counts a try about nobody in particular, such as a one-time code.
    ///
    /// # Errors
    /// [`Refused::BoxBusy`].
    pub fn start_unnamed(&self, side: Side, now: Moment) -> Result<(), Refused> {
        let mut counts = self.lock_counts();
        let purse = counts.purse(side);
        purse.spend(now).map_err(|left| Refused::BoxBusy { left })?;
        self.write(&counts, &[], Some(side));
        Ok(())
    }

    /// The try was wrong. Gives back the lock when this was one too many; it is durable then.
    pub fn wrong(
        &self,
        credential: CredentialId,
        settings: &Settings,
        now: Moment,
    ) -> Option<Locked> {
        let mut counts = self.lock_counts();
        let kept = counts.kept.get(&credential.0)?;
        if kept.until.is_some() || kept.count.wrong < tries(settings) {
            return None;
        }
        let lasts = counts.lock(credential.0, settings, now);
        self.write(&counts, &[credential.0], None);
        let until_unix_ms = counts.kept.get(&credential.0)?.count.until_unix_ms;
        Some(Locked {
            credential,
            lasts,
            until_unix_ms,
        })
    }

    /// The try was right: the credential starts afresh and the side gets its try back. Not committed:
    /// at worst a power cut leaves a try counted that was right.
    pub fn right(&self, credential: CredentialId, side: Side) {
        let mut counts = self.lock_counts();
        counts.kept.remove(&credential.0);
        self.known(self.table.remove(credential.0.as_bytes()));
        self.give_back(&mut counts, side);
    }

    /// The try of [`Tries::start_unnamed`] was right.
    pub fn right_unnamed(&self, side: Side) {
        self.give_back(&mut self.lock_counts(), side);
    }

    fn give_back(&self, counts: &mut Counts, side: Side) {
        let purse = counts.purse(side);
        purse.add(THOUSANDTHS);
        self.known(self.allowance.insert(side.key(), &purse.allowance));
    }

    /// Locks a credential that was locked elsewhere for what is left of that lock, durably; a longer
    /// lock stays. [`LOCK_MAX`] at most. A time left and no time of day: the box's clock may be wrong.
    /// Blocks on the disk.
    pub fn lock_for(&self, credential: CredentialId, left: Duration, now: Moment) {
        let lasts = left.min(LOCK_MAX);
        let mut counts = self.lock_counts();
        if lasts.is_zero()
            || counts
                .left(credential.0, now)
                .is_some_and(|left| left >= lasts)
        {
            return;
        }
        let forgotten = counts.make_room(credential.0, now);
        counts.entry(credential.0, now).lock_for(lasts, now);
        let touched: Vec<Uuid> = forgotten.into_iter().chain([credential.0]).collect();
        self.write(&counts, &touched, None);
    }

    /// For how much longer a credential is locked.
    #[must_use]
    pub fn locked(&self, credential: CredentialId, now: Moment) -> Option<Duration> {
        self.lock_counts().left(credential.0, now)
    }

    /// Every lock that is on, for lists and for the centre.
    #[must_use]
    pub fn locks(&self, now: Moment) -> Vec<Locked> {
        let counts = self.lock_counts();
        let mut locks: Vec<Locked> = counts
            .kept
            .iter()
            .filter_map(|(id, kept)| {
                Some(Locked {
                    credential: CredentialId(*id),
                    lasts: counts.left(*id, now)?,
                    until_unix_ms: kept.count.until_unix_ms,
                })
            })
            .collect();
        locks.sort_by_key(|lock| lock.credential);
        locks
    }

    /// Forgets the tries of a credential: an administrator said so. Blocks on the disk.
    pub fn forgive(&self, credential: CredentialId) {
        let mut counts = self.lock_counts();
        counts.kept.remove(&credential.0);
        self.write(&counts, &[credential.0], None);
    }

    fn lock_counts(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts what is known of `touched`, and a side's allowance, onto the disk.
    fn write(&self, counts: &Counts, touched: &[Uuid], side: Option<Side>) {
        let put = || {
            let mut batch = Batch::default();
            for id in touched {
                match counts.kept.get(id) {
                    Some(kept) => batch.insert(&self.table, id.as_bytes(), &kept.count)?,
                    None => batch.remove(&self.table, id.as_bytes())?,
                }
            }
            if let Some(side) = side {
                let purse = match side {
                    Side::Panel => &counts.panel,
                    Side::Web => &counts.web,
                };
                batch.insert(&self.allowance, side.key(), &purse.allowance)?;
            }
            self.database.apply(batch)?;
            self.database.commit()
        };
        self.known(put());
    }

    /// A failing disk must not keep people from their jobs: tries go on being counted in memory.
    fn known(&self, result: Result<(), DatabaseError>) {
        if let Err(error) = result {
            log::error!(err:% = Chain(&error); "wrong tries are counted in memory only");
        }
    }
}

impl Side {
    fn key(self) -> &'static [u8] {
        match self {
            Self::Panel => b"box",
            Self::Web => b"web",
        }
    }
}

impl Purse {
    /// Takes one try from the allowance, or says how long until there is one.
    fn spend(&mut self, now: Moment) -> Result<(), Duration> {
        let every = BOX_TRY_EVERY.as_millis();
        let since = now.elapsed.saturating_sub(self.grown).as_millis();
        let grown = since * u128::from(THOUSANDTHS) / every;
        if let Ok(grown @ 1..) = u64::try_from(grown) {
            self.grown = now.elapsed;
            self.add(grown);
        }
        match self.allowance.left.checked_sub(THOUSANDTHS) {
            Some(left) => {
                self.allowance.left = left;
                Ok(())
            }
            None => {
                let lacks = u128::from(THOUSANDTHS - self.allowance.left);
                let wait = lacks * every / u128::from(THOUSANDTHS);
                Err(Duration::from_millis(
                    u64::try_from(wait).unwrap_or(u64::MAX),
                ))
            }
        }
    }

    fn add(&mut self, thousandths: u64) {
        let left = self.allowance.left.saturating_add(thousandths);
        self.allowance.left = left.min(ALLOWANCE_MAX);
    }
}

impl Counts {
    fn purse(&mut self, side: Side) -> &mut Purse {
        match side {
            Side::Panel => &mut self.panel,
            Side::Web => &mut self.web,
        }
    }

    fn entry(&mut self, id: Uuid, now: Moment) -> &mut Kept {
        self.end_lock(id, now);
        let fresh = Kept {
            count: Count::default(),
            until: None,
        };
        self.kept.entry(id).or_insert(fresh)
    }

    /// Tries are counted from none again when a lock is over.
    fn end_lock(&mut self, id: Uuid, now: Moment) {
        let is_over = |kept: &&mut Kept| kept.until.is_some_and(|until| until <= now.elapsed);
        if let Some(kept) = self.kept.get_mut(&id).filter(is_over) {
            kept.until = None;
            kept.count.lock_ms = 0;
            kept.count.wrong = 0;
        }
    }

    /// What is left of a lock.
    fn left(&self, id: Uuid, now: Moment) -> Option<Duration> {
        let until = self.kept.get(&id)?.until?;
        Some(until.saturating_sub(now.elapsed)).filter(|left| !left.is_zero())
    }

    fn lock(&mut self, id: Uuid, settings: &Settings, now: Moment) -> Duration {
        let kept = self.entry(id, now);
        let first = Duration::from_secs(60) * settings.locked_minutes.max(1);
        let doubled = 2_u32.saturating_pow(kept.count.locks.min(16));
        let lasts = first.saturating_mul(doubled).min(LOCK_MAX);
        kept.count.locks = kept.count.locks.saturating_add(1);
        kept.lock_for(lasts, now);
        lasts
    }

    /// Forgets somebody when `id` would be one too many.
    fn make_room(&mut self, id: Uuid, now: Moment) -> Option<Uuid> {
        if self.kept.len() < COUNTED_MAX || self.kept.contains_key(&id) {
            return None;
        }
        let is_locked = |id: &Uuid| self.left(*id, now).is_some();
        let oldest = self
            .kept
            .iter()
            .min_by_key(|(id, kept)| (is_locked(id), kept.count.tried_unix_ms))
            .map(|(id, _)| *id)?;
        self.kept.remove(&oldest);
        Some(oldest)
    }
}

impl Kept {
    fn lock_for(&mut self, lasts: Duration, now: Moment) {
        self.until = Some(now.elapsed + lasts);
        self.count.lock_ms = u64::try_from(lasts.as_millis()).unwrap_or(u64::MAX);
        self.count.until_unix_ms = now.unix_ms.saturating_add(self.count.lock_ms);
        self.count.tried_unix_ms = now.unix_ms;
    }
}

/// What is left of a lock that an earlier run of the daemon made.
fn left_of(count: &Count, now: Moment) -> Duration {
    let whole = Duration::from_millis(count.lock_ms);
    let by_wall = Duration::from_millis(count.until_unix_ms.saturating_sub(now.unix_ms));
    // A clock that began anew would make it last for decades, one set forward would end it: both
    // are only believed from a trusted source.
    if now.trusted {
        by_wall.min(whole)
    } else {
        whole
    }
}

/// At least one try, whatever the settings say.
fn tries(settings: &Settings) -> u32 {
    settings.tries.max(1)
}
