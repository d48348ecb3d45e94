// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A box by itself: its copy of the directory, and how long a login takes by it.

use std::error::Error;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use platen_auth::secret::{self, Secret};
use platen_auth::session::{Door, Input, Patience, Place, Session, Step};
use platen_auth::tries::Side;
use platen_auth::{Cache, PhoneCodes, Tries, Verifier};
use platen_bed::wait::Stopwatch;
use platen_model::{CardKey, Changes, Moment, NodeId};
use platen_store::{Database, Keys, RealDisk};
use serde::Serialize;

use crate::statistics::Spread;

/// PINs compared for their cost.
const PINS: usize = 20;

/// What logins by the box's own copy take.
#[derive(Clone, Debug, Serialize)]
pub struct OfflineRun {
    /// People in the copy.
    pub users: u32,
    /// Their credentials.
    pub credentials: u32,
    /// From the card's number to the decision, without the centre.
    pub card: Spread,
    /// What a PIN costs besides: one Argon2id on one processor.
    pub pin: Spread,
}

/// The copy of a box that has no centre any more.
pub(super) struct Copy {
    /// The box.
    pub(super) node: NodeId,
    database: Database,
    cache: Arc<Cache>,
    watch: Stopwatch,
}

impl Copy {
    /// An empty copy below `folder`.
    pub(super) fn open(folder: &Path) -> Result<Self, Box<dyn Error>> {
        let disk = RealDisk::open(folder)?;
        let keys = Arc::new(Keys::open(&disk)?);
        let node = NodeId(keys.box_uuid());
        let (database, _) = Database::open(&folder.join("database"), &keys)?;
        let watch = Stopwatch::start();
        let cache = Cache::open(keys, &database, moment(Duration::ZERO))?;
        Ok(Self {
            node,
            database,
            cache: Arc::new(cache),
            watch,
        })
    }

    /// Takes a page, durably.
    pub(super) fn take(&self, page: &Changes) -> Result<(), Box<dyn Error>> {
        self.cache.apply(page, self.now())?;
        Ok(())
    }

    /// Logs `cards` in, one after the other, and compares some PINs.
    pub(super) fn log_in(&self, cards: &[CardKey]) -> Result<OfflineRun, Box<dyn Error>> {
        let door = Arc::new(Door {
            people: Arc::clone(&self.cache) as _,
            tries: Arc::new(Tries::open(&self.database, self.now())?),
            verifier: Arc::new(Verifier::new(1, 1)),
            phones: Arc::new(PhoneCodes::new()?),
            patience: Patience::default(),
        });
        let place = Place {
            name: "bench".to_owned(),
            pad: false,
            screen: false,
            centre: false,
            side: Side::Panel,
        };
        let mut times = Vec::with_capacity(cards.len());
        for card in cards {
            let watch = Stopwatch::start();
            let input = Input::Card {
                key: *card,
                proved: false,
            };
            let (_, step) = Session::begin(&door, place.clone(), input, self.now());
            let Step::In(_) = step else {
                return Err(format!("a card of the copy is not let in: {step:?}").into());
            };
            times.push(watch.elapsed());
        }
        let standing = self.cache.standing(self.now());
        Ok(OfflineRun {
            users: standing.users,
            credentials: standing.credentials,
            card: Spread::of(&mut times),
            pin: pins()?,
        })
    }

    fn now(&self) -> Moment {
        moment(self.watch.elapsed())
    }
}

fn pins() -> Result<Spread, Box<dyn Error>> {
    let pin = Secret::new("7302".to_owned());
    let hash = secret::hash(&pin)?;
    let mut times = Vec::with_capacity(PINS);
    for _ in 0..PINS {
        let watch = Stopwatch::start();
        if !secret::verify(Some(&hash), &pin)? {
            return Err("the right PIN is taken for a wrong one".into());
        }
        times.push(watch.elapsed());
    }
    Ok(Spread::of(&mut times))
}

fn moment(elapsed: Duration) -> Moment {
    let since_1970 = platen_bed::wait::unix_time();
    Moment {
        unix_ms: u64::try_from(since_1970.as_millis()).unwrap_or(u64::MAX),
        elapsed,
        trusted: true,
    }
}
