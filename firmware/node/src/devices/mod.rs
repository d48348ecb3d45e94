// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The door between hardware and the box: a card's number becomes a keyed hash here, and goes no
//! further in clear. One thread takes the events of all parts, one after another: recognising a
//! card may wait for the disk, or for an import's last step.
//!
//! `owned` is the running parts, `card` what cards and fingers are to a login, `login` the one login
//! that is under way, `pad` what is typed, `centre` the way to ask the centre, `flood` how often a part
//! may speak, `keys` what parts are told in confidence.

mod card;
mod centre;
pub(crate) mod check;
mod faults;
pub(crate) mod fingers;
mod flood;
pub(crate) mod keys;
mod login;
mod outcomes;
mod owned;
mod pad;
pub(crate) mod simulated;

use std::collections::VecDeque;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use platen_auth::Cache;
use platen_auth::Session;
use platen_auth::people::People as _;
use platen_auth::phone::ByPhone;
use platen_auth::session::{Input, LoggedIn};
use platen_hal::{DeviceEvent, PanelSignal};
use platen_ledger::{Entry, Ledger};
use platen_model::{Chain, Clock, Denied, Method, Source};
use platen_store::Keys;
use smol::Executor;
use smol::channel::{Receiver, Sender};
use smol::future::FutureExt as _;

use self::login::{Held, Standing, Stood, Told};
use crate::config::WeakCards;
use crate::panel::Panel;
use crate::people::Residents;
use crate::release::Releases;

pub(crate) use self::centre::{Centre, CentreWay};
pub(crate) use self::faults::Faults;
pub(crate) use self::outcomes::Outcomes;
pub(crate) use self::owned::{EVENTS, Owned, Parts, ReaderLamps, lights};

/// How long a result stays on the panel.
const SHOW: Duration = Duration::from_secs(8);
/// News of logins that wait for the door; each login has one at most.
pub(crate) const NEWS: usize = 16;

/// Ended logins whose check still runs, at most: more than wait for a check at once.
const ENDED_MAX: usize = 64;

/// News of the logins that are under way, by number.
pub(crate) type News = (Sender<(u64, Told)>, Receiver<(u64, Told)>);

/// Recognises people at the box and lets their jobs go.
pub(crate) struct Door {
    pub(crate) keys: Arc<Keys>,
    pub(crate) people: Arc<Residents>,
    /// The copy of the centre's directory.
    pub(crate) cache: Arc<Cache>,
    /// What logins share, at the panel and elsewhere.
    pub(crate) logins: Arc<platen_auth::Door>,
    pub(crate) centre: CentreWay,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) executor: Arc<Executor<'static>>,
    pub(crate) releases: Arc<Releases>,
    pub(crate) ledger: Arc<Ledger>,
    pub(crate) panel: Arc<Panel>,
    pub(crate) outcomes: Outcomes,
    /// What becomes of cards that prove nothing.
    pub(crate) weak_cards: WeakCards,
    /// Whether there is a pad, as the board says or as a first key has shown.
    pub(crate) pad: AtomicBool,
    /// Whether somebody is at a login.
    pub(crate) busy: AtomicBool,
    /// Parts that are not as they should be.
    pub(crate) faults: Faults,
    pub(crate) news: News,
}

/// What comes to the door.
enum Came {
    Event(DeviceEvent),
    Told(u64, Told),
    /// It is time to look at the login that waits.
    Time,
    Closed,
}

/// What the door is at.
#[derive(Default)]
struct At {
    /// Logins begun so far.
    number: u64,
    standing: Option<Standing>,
    /// Logins that were ended while a check ran: what comes of it belongs into the journal.
    ended: VecDeque<(u64, Session)>,
}

impl Door {
    /// Takes events until the channel closes.
    pub(crate) async fn watch(self: Arc<Self>, events: Receiver<DeviceEvent>) {
        let mut at = At::default();
        loop {
            let came = self.next(&events, &at).await;
            if matches!(came, Came::Closed) {
                return;
            }
            let handled = AssertUnwindSafe(self.handle(&mut at, came)).catch_unwind();
            let turn = handled.await;
            self.busy.store(at.standing.is_some(), Ordering::Relaxed);
            let turn = turn.unwrap_or_else(|_| {
                // A bug must cost one tap and not the reader.
                log::error!("handling a reader's event met a bug");
                Some(self.panel.show(PanelSignal::PrinterError, None).turn)
            });
            if let Some(turn) = turn {
                self.rest_later(turn);
            }
        }
    }

    async fn next(&self, events: &Receiver<DeviceEvent>, at: &At) -> Came {
        let event = async { events.recv().await.map_or(Came::Closed, Came::Event) };
        let told = async {
            let told = self.news.1.recv().await;
            told.map_or(Came::Closed, |(number, told)| Came::Told(number, told))
        };
        let until = at.standing.as_ref().and_then(Standing::until);
        let time = async {
            match until {
                Some(until) => {
                    let left = until.saturating_sub(self.clock.now().elapsed);
                    smol::Timer::after(left).await;
                }
                None => smol::future::pending().await,
            }
            Came::Time
        };
        told.or(event).or(time).await
    }

    /// What is shown goes back to rest after a while, unless something newer is shown.
    pub(crate) fn rest_later(self: &Arc<Self>, turn: u64) {
        let door = Arc::clone(self);
        let rest = async move {
            smol::Timer::after(SHOW).await;
            door.panel.rest(turn, door.faults.resting());
        };
        self.executor.spawn(rest).detach();
    }

    /// Returns the turn of what the panel shows now, where it is to go back from there.
    async fn handle(self: &Arc<Self>, at: &mut At, came: Came) -> Option<u64> {
        let stood = match came {
            Came::Event(event) => self.event(at, event).await,
            Came::Told(number, told) => {
                let standing = at.standing.take();
                match standing {
                    Some(standing) if standing.number() == number => {
                        self.go_on(standing, told).await
                    }
                    // News of a login that was ended by the next one.
                    standing => {
                        at.standing = standing;
                        self.told_late(at, number, told).await;
                        return None;
                    }
                }
            }
            Came::Time => self.tick(at.standing.take()?).await,
            Came::Closed => return None,
        };
        at.standing = stood.standing;
        stood.ended
    }

    /// Nobody waits any more, but a secret was locked, a code used up, a card bound.
    async fn told_late(&self, at: &mut At, number: u64, told: Told) {
        let place = at.ended.iter().position(|(ended, _)| *ended == number);
        let session = place.and_then(|place| at.ended.remove(place));
        if let (Some((_, session)), Told::Checked(checked)) = (session, told) {
            for entry in session.ended(&checked) {
                self.journal(entry).await;
            }
        }
    }

    async fn event(self: &Arc<Self>, at: &mut At, event: DeviceEvent) -> Stood {
        match event {
            DeviceEvent::CardPresented { reader, uid, proof } => {
                let number = at.next_number();
                return self.present(number, &reader, uid, proof).await;
            }
            DeviceEvent::FingerPresented { sensor, slot } => {
                let number = at.next_number();
                return self.finger(number, sensor, slot).await;
            }
            // Which key it was is nobody's business.
            DeviceEvent::KeyPressed { pad, key } => {
                self.pad.store(true, Ordering::Relaxed);
                return match at.standing.take() {
                    Some(standing) => self.key(standing, key).await,
                    None => {
                        let number = at.next_number();
                        let begun = self.begin(number, &pad, Input::Pad, Held::default()).await;
                        match (begun.standing, begun.ended) {
                            (Some(standing), None) => self.key(standing, key).await,
                            (standing, ended) => Stood { standing, ended },
                        }
                    }
                };
            }
            _ => {}
        }
        let ended = self.part(event).await;
        let standing = at.standing.take();
        Stood { standing, ended }
    }

    /// What a part says of itself.
    async fn part(&self, event: DeviceEvent) -> Option<u64> {
        match event {
            DeviceEvent::SwitchChanged { switch, open } => {
                self.switch(switch, open).await;
                None
            }
            DeviceEvent::ReaderGone { reader, cause } => {
                log::error!(reader = reader.as_str(), cause = cause; "reader does not answer");
                let matters = self.faults.gone(reader);
                matters.then(|| self.panel.show(PanelSignal::ReaderGone, None).turn)
            }
            DeviceEvent::ReaderBack { reader } => {
                log::info!(reader = reader.as_str(); "reader answers");
                let matters = self.faults.back(&reader);
                matters.then(|| self.panel.show(self.faults.resting(), None).turn)
            }
            _ => None,
        }
    }

    /// Whether somebody is at a login, or still reads what came of one.
    pub(crate) fn is_busy(&self) -> bool {
        let shows = self.panel.shown().signal;
        let rests = shows == PanelSignal::Idle || shows == self.faults.resting();
        self.busy.load(Ordering::Relaxed) || !(rests || shows == PanelSignal::PrinterError)
    }

    fn has_pad(&self) -> bool {
        self.pad.load(Ordering::Relaxed)
    }

    /// Somebody confirmed on the phone that they stand at this panel: lets them in.
    ///
    /// # Errors
    /// Why not.
    pub(crate) async fn let_in_by_phone(self: &Arc<Self>, who: ByPhone) -> Result<(), Denied> {
        let now = self.clock.now();
        let person = self.people.person(who.user).ok_or(Denied::UserDisabled)?;
        if !person.active {
            return Err(Denied::UserDisabled);
        }
        // What held when they logged in on the phone may hold no more.
        let source = match who.online && self.centre.is_up() {
            true => Source::Online,
            false => self.people.without_centre(person.id, now)?,
        };
        self.people.saw(person.id, now);
        let logged_in = LoggedIn {
            identity: person.identity(source, false),
            method: Method::Phone,
            credential: who.credential,
            bound: false,
        };
        let turn = self
            .let_in("panel", &Held::default(), &logged_in, true)
            .await;
        self.rest_later(turn);
        Ok(())
    }

    async fn switch(&self, switch: String, open: bool) {
        let kind = self.faults.switched(&switch, open);
        log::warn!(reader = switch.as_str(), kind = kind, open = open; "switch changed");
        let kind = kind.to_owned();
        self.journal(Entry::SwitchChanged { switch, kind, open })
            .await;
    }

    /// `false` when the journal takes nothing.
    async fn journal(&self, entry: Entry) -> bool {
        let journaled = self.ledger.append(entry).await;
        if let Err(error) = &journaled {
            log::error!(err:% = Chain(error); "what happened at the box was not journaled");
        }
        journaled.is_ok()
    }
}

impl At {
    /// Whoever comes now ends the login that is under way.
    fn next_number(&mut self) -> u64 {
        let checking = self.standing.take().and_then(Standing::checking);
        if self.ended.len() >= ENDED_MAX {
            self.ended.pop_front();
        }
        self.ended.extend(checking);
        self.number += 1;
        self.number
    }
}
