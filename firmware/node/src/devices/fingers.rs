// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Fingers of the directory in the sensors of this box: templates from the centre are loaded into the
//! sensors, and a new finger is taken here and told to the centre, which confirms it.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use platen_auth::people::People as _;
use platen_auth::{Cache, Position};
use platen_hal::{EnrolStep, PanelSignal, ReaderError};
use platen_hal_linux::finger::FingerRefusal;
use platen_hal_linux::{FingerHandle, FingerReply, FingerRequest};
use platen_ledger::Entry;
use platen_model::local::FingerProgress;
use platen_model::{Chain, CredentialId, CredentialKind, CredentialRecord, Method};
use platen_store::{DatabaseError, SealError};
use smol::channel::Receiver;
use smol::lock::Mutex as Turns;
use thiserror::Error;

use crate::node::Node;

/// Slots that are tried, at most: no sensor has more.
const SLOTS_MAX: u16 = 5000;
/// Replies of a sensor that may wait: steps come seconds apart.
const REPLIES: usize = 16;

/// Why a finger is not taken, or templates are not loaded.
#[derive(Debug, Error)]
#[non_exhaustive]
pub(crate) enum FingerError {
    #[error("there is no fingerprint sensor '{0}'")]
    NoSensor(String),
    #[error("nobody here has the login name '{0}'")]
    NoUser(String),
    #[error("this box is part of no site: fingers are kept by the centre")]
    NoSite,
    #[error("a finger is being taken already; wait until it has ended")]
    Busy,
    #[error("all slots of the sensor are taken")]
    Full,
    #[error("the sensor does not do it")]
    Sensor(#[source] ReaderError),
    #[error("the sensor can't be asked")]
    Refused(#[from] FingerRefusal),
    #[error("the sensor's answer makes no sense")]
    Nonsense,
    #[error("the finger is not journaled")]
    Ledger(#[from] platen_ledger::LedgerError),
    #[error("the slots can't be noted")]
    Database(#[from] DatabaseError),
    #[error("no id could be made")]
    Random(#[from] SealError),
}

/// What is known of fingers between two looks.
#[derive(Default)]
pub(crate) struct Fingers {
    progress: Mutex<FingerProgress>,
    /// Taken here and not yet confirmed by the centre.
    waiting: Mutex<HashSet<CredentialId>>,
    /// The copy by which the sensors were filled last.
    filled: Mutex<Option<Position>>,
    /// Whose turn it is at each sensor: from looking for a free slot to noting whose finger is in it
    /// nobody else may put one there.
    turns: Mutex<HashMap<String, Arc<Turns<()>>>>,
}

impl Fingers {
    /// How the enrolment goes that was begun last.
    pub(crate) fn progress(&self) -> FingerProgress {
        lock(&self.progress).clone()
    }

    fn turn(&self, sensor: &str) -> Arc<Turns<()>> {
        let mut turns = lock(&self.turns);
        Arc::clone(turns.entry(sensor.to_owned()).or_default())
    }

    fn begin(&self, sensor: &str) -> Result<(), FingerError> {
        let mut progress = lock(&self.progress);
        if !progress.ended && !progress.sensor.is_empty() {
            return Err(FingerError::Busy);
        }
        *progress = FingerProgress {
            sensor: sensor.to_owned(),
            ..FingerProgress::default()
        };
        Ok(())
    }

    fn say(&self, text: &str) {
        text.clone_into(&mut lock(&self.progress).text);
    }

    fn end(&self, text: &str, stored: bool) {
        let mut progress = lock(&self.progress);
        text.clone_into(&mut progress.text);
        (progress.ended, progress.stored) = (true, stored);
    }
}

/// Begins to take a finger of `login` on a sensor; [`Fingers::progress`] tells how it goes.
pub(crate) fn enrol(node: &Arc<Node>, login: &str, sensor: &str) -> Result<(), FingerError> {
    if node.cache.site().is_none() {
        return Err(FingerError::NoSite);
    }
    let person = node.door.people.by_login(login);
    let person = person.ok_or_else(|| FingerError::NoUser(login.to_owned()))?;
    if node.devices.sensor(sensor).is_none() {
        return Err(FingerError::NoSensor(sensor.to_owned()));
    }
    node.fingers.begin(sensor)?;
    let (shared, sensor) = (Arc::clone(node), sensor.to_owned());
    let taking = async move {
        match take(&shared, person.id, &sensor).await {
            Ok(()) => {
                let text = shared.panel.finger_stored_words();
                let turn = shared.panel.tell(PanelSignal::Accepted, text).turn;
                shared.fingers.end(text, true);
                shared.door.rest_later(turn);
            }
            Err(error) => {
                log::warn!(reader = sensor, err:% = Chain(&error); "a finger was not taken");
                shared.fingers.end(&Chain(&error).to_string(), false);
                let text = shared.panel.finger_failed_words();
                let turn = shared.panel.tell(PanelSignal::Refused, text).turn;
                shared.door.rest_later(turn);
            }
        }
    };
    node.executor.spawn(taking).detach();
    Ok(())
}

async fn take(node: &Arc<Node>, user: platen_model::UserId, name: &str) -> Result<(), FingerError> {
    let sensor = node.devices.sensor(name);
    let sensor = sensor.ok_or_else(|| FingerError::NoSensor(name.to_owned()))?;
    let _turn = node.fingers.turn(name).lock_arc().await;
    let slot = free_slot(&node.cache, sensor).await?;
    let replies = ask(sensor, FingerRequest::Enrol { slot })?;
    loop {
        match replies.recv().await {
            Ok(FingerReply::Step(EnrolStep::Stored)) => break,
            Ok(FingerReply::Step(step)) => {
                let words = node.panel.finger_step_words(step);
                node.panel.tell(PanelSignal::Identify, &words);
                node.fingers.say(&words);
            }
            Ok(FingerReply::Failed(error)) => return Err(FingerError::Sensor(error)),
            Ok(_) | Err(_) => return Err(FingerError::Nonsense),
        }
    }
    let kept = keep(node, user, sensor, slot).await;
    if kept.is_err() {
        // What the centre does not know must not be in the sensor.
        let _ = one(sensor, FingerRequest::Delete { slot }).await;
    }
    kept
}

/// Tells the centre of the finger in `slot`, by the journal.
async fn keep(
    node: &Arc<Node>,
    user: platen_model::UserId,
    sensor: &FingerHandle,
    slot: u16,
) -> Result<(), FingerError> {
    let FingerReply::Template(template) = one(sensor, FingerRequest::Template { slot }).await?
    else {
        return Err(FingerError::Nonsense);
    };
    let random = platen_store::seal::random_bytes()?;
    let id = CredentialId(uuid::Builder::from_random_bytes(random).into_uuid());
    lock(&node.fingers.waiting).insert(id);
    let entry = Entry::CredentialBound {
        credential: CredentialRecord {
            id,
            user,
            kind: CredentialKind::Finger {
                part: sensor.part().to_owned(),
                template,
            },
            until_unix_ms: None,
            provisional: true,
        },
        method: Method::Finger,
        keys: 0,
    };
    node.ledger.append(entry).await?;
    note(&node.cache, sensor.name(), slot, Some(id)).await
}

/// Brings the sensors in line with the copy, when it has changed since the last time.
pub(crate) async fn fill(node: &Arc<Node>) {
    let position = node.cache.position();
    if *lock(&node.fingers.filled) == Some(position) {
        return;
    }
    for sensor in node.devices.sensors() {
        match fill_one(&node.cache, &node.fingers, sensor).await {
            Ok(true) => {}
            Ok(false) => return,
            Err(error) => {
                log::warn!(reader = sensor.name(), err:% = Chain(&error); "fingers are not loaded; tried again");
                return;
            }
        }
    }
    *lock(&node.fingers.filled) = Some(position);
}

/// `false` while a finger is being taken there, which may last a minute.
async fn fill_one(
    cache: &Arc<Cache>,
    own: &Fingers,
    sensor: &FingerHandle,
) -> Result<bool, FingerError> {
    let Some(_turn) = own.turn(sensor.name()).try_lock_arc() else {
        return Ok(false);
    };
    let fingers = cache.fingers(sensor.part())?;
    let known: HashSet<CredentialId> = fingers.iter().map(|finger| finger.credential).collect();
    lock(&own.waiting).retain(|id| !known.contains(id));
    let mut there = HashSet::new();
    for (slot, credential) in cache.slots(sensor.name())? {
        let waits = lock(&own.waiting).contains(&credential);
        if known.contains(&credential) || waits {
            there.insert(credential);
            continue;
        }
        one(sensor, FingerRequest::Delete { slot }).await?;
        note(cache, sensor.name(), slot, None).await?;
    }
    for finger in fingers {
        if there.contains(&finger.credential) {
            continue;
        }
        let slot = free_slot(cache, sensor).await?;
        let template = finger.template.to_vec();
        one(sensor, FingerRequest::PutTemplate { slot, template }).await?;
        note(cache, sensor.name(), slot, Some(finger.credential)).await?;
    }
    Ok(true)
}

async fn note(
    cache: &Arc<Cache>,
    sensor: &str,
    slot: u16,
    finger: Option<CredentialId>,
) -> Result<(), FingerError> {
    let (cache, sensor) = (Arc::clone(cache), sensor.to_owned());
    Ok(smol::unblock(move || cache.set_slot(&sensor, slot, finger)).await?)
}

async fn free_slot(cache: &Cache, sensor: &FingerHandle) -> Result<u16, FingerError> {
    let FingerReply::Slots(used) = one(sensor, FingerRequest::Slots).await? else {
        return Err(FingerError::Nonsense);
    };
    let noted = cache
        .slots(sensor.name())?
        .into_iter()
        .map(|(slot, _)| slot);
    let taken: HashSet<u16> = used.into_iter().chain(noted).collect();
    let mut slots = 0..SLOTS_MAX;
    slots
        .find(|slot| !taken.contains(slot))
        .ok_or(FingerError::Full)
}

fn ask(
    sensor: &FingerHandle,
    request: FingerRequest,
) -> Result<Receiver<FingerReply>, FingerError> {
    let (replies, told) = smol::channel::bounded(REPLIES);
    sensor.ask_into(request, move |reply| replies.try_send(reply).is_ok())?;
    Ok(told)
}

/// Asks for something that has one answer.
async fn one(sensor: &FingerHandle, request: FingerRequest) -> Result<FingerReply, FingerError> {
    let replies = ask(sensor, request)?;
    match replies.recv().await {
        Ok(FingerReply::Failed(error)) => Err(FingerError::Sensor(error)),
        Ok(reply) => Ok(reply),
        Err(_) => Err(FingerError::Nonsense),
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
