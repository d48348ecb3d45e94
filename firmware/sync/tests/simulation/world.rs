// SPDX-License-Identifier: Apache-2.0 OR MIT
//! One run: boxes, a centre and what lies between them, one random step after another, then calm
//! until everything has arrived. A seed gives a run, and the same run every time.

use platen_model::{RecordId, UserId};
use platen_sync::node::pace::Try;

use crate::broken::Broken;
use crate::disk::Disk;
use crate::head_office::{Call, HeadOffice};
use crate::office_box::OfficeBox;
use crate::random::Random;
use crate::site;
use crate::truth::{Check, Truth};
use crate::wire::{Flight, Said, Wire};

/// Random steps of a run.
const STEPS: u64 = 320;
/// Rounds of calm after which everything must have arrived.
const CALM_ROUNDS: u64 = 120;
/// Rounds in which everybody prints, at the end.
const ROUNDS_OF_GREED: u64 = 12;
/// A Saturday noon, so that days, weeks and months turn at different times.
const BEGIN_MS: u64 = 1_769_860_800_000;

/// What happens in a run besides printing.
#[derive(Clone, Copy, Default)]
pub(crate) struct Weather {
    pub(crate) boxes: u64,
    pub(crate) boxes_restored: bool,
    pub(crate) centre_restored: bool,
    pub(crate) boxes_lost: bool,
    pub(crate) records_damaged: bool,
    /// Two boxes print one job now and then.
    pub(crate) splits: bool,
}

pub(crate) struct World {
    pub(crate) random: Random,
    weather: Weather,
    broken: Option<Broken>,
    pub(crate) now_ms: u64,
    step: u64,
    pub(crate) centre: HeadOffice,
    pub(crate) centre_backup: Option<HeadOffice>,
    pub(crate) boxes: Vec<OfficeBox>,
    pub(crate) wire: Wire,
    pub(crate) truth: Truth,
    nonce: u64,
    jobs: u64,
    cards: u64,
    leases: u64,
    requests: u64,
    calm: bool,
}

impl World {
    pub(crate) fn new(seed: u64, broken: Option<Broken>) -> Self {
        let mut random = Random::new(seed);
        let weather = Weather {
            boxes: 2 + random.below(3),
            boxes_restored: random.once_in(4),
            centre_restored: random.once_in(4),
            boxes_lost: random.once_in(12),
            records_damaged: random.once_in(6),
            splits: random.once_in(4),
        };
        Self::with(random, weather, broken)
    }

    /// A run of its own weather.
    pub(crate) fn with(random: Random, weather: Weather, broken: Option<Broken>) -> Self {
        Self {
            random,
            weather,
            broken,
            now_ms: BEGIN_MS,
            step: 1,
            centre: HeadOffice::new(weather.boxes),
            centre_backup: None,
            boxes: (0..weather.boxes).map(OfficeBox::new).collect(),
            wire: Wire::new(),
            truth: Truth::default(),
            nonce: 0,
            jobs: 0,
            cards: site::USERS,
            leases: 0,
            requests: 0,
            calm: false,
        }
    }

    pub(crate) fn run(&mut self) -> Check {
        // The site has run for a while: every box has the directory.
        self.calm()?;
        self.calm = false;
        for _ in 0..STEPS {
            self.step += 1;
            self.now_ms += self.random.below(900);
            self.chance()?;
            self.check()?;
        }
        self.calm()?;
        self.exhaust()?;
        crate::end::check(self)
    }

    /// Everybody prints as much as they can: what was given out twice is spent twice now.
    pub(crate) fn exhaust(&mut self) -> Check {
        for _ in 0..ROUNDS_OF_GREED {
            let mut printed = false;
            for at in 0..self.boxes.len() {
                let accepted = self.boxes[at].disk.accepted();
                let users: Vec<_> = accepted.iter().map(|(_, user)| user.id).collect();
                for user in users {
                    // Who has no quota, or one that only marks, could print for ever.
                    let limited = user.0 < site::user(site::MEMBERS).0;
                    let amount = 3 + self.random.below(4);
                    printed |= self.print_one(at, user, amount) && limited;
                    self.settle_one(at)?;
                }
            }
            self.calm()?;
            if !printed {
                break;
            }
        }
        Ok(())
    }

    /// All links up, nothing lost: everything arrives.
    pub(crate) fn calm(&mut self) -> Check {
        self.calm = true;
        for office_box in &mut self.boxes {
            office_box.link = true;
        }
        for _ in 0..CALM_ROUNDS {
            self.step += 1;
            self.now_ms += 10_000;
            while !self.wire.flights.is_empty() {
                self.deliver()?;
            }
            for at in 0..self.boxes.len() {
                self.settle_one(at)?;
                self.send_pull(at);
                self.send_push(at);
            }
            self.check()?;
            if self.is_quiet() {
                return Ok(());
            }
        }
        let recovery = &self.centre.recovery.waiting;
        let states = self.boxes.iter().map(OfficeBox::state);
        let states: Vec<_> = states.collect();
        Err(format!(
            "not everything has arrived after a long calm: {states:?}, waiting for {recovery:?}"
        ))
    }

    fn is_quiet(&self) -> bool {
        let arrived = |office_box: &OfficeBox| {
            let disk = &office_box.disk;
            let whole =
                disk.feed.aside.is_none() && disk.feed.serving.revision == self.centre.latest;
            disk.acked == disk.head() && whole && disk.open.is_empty() && disk.recalled.is_empty()
        };
        self.boxes.iter().all(arrived) && self.centre.recovery.waiting.is_empty()
    }

    fn check(&mut self) -> Check {
        self.truth.check_spent()?;
        for office_box in &self.boxes {
            let disk = &office_box.disk;
            disk.check_buried()?;
            let accepted: Vec<RecordId> = disk.accepted().iter().map(|(id, _)| *id).collect();
            self.truth
                .check_accepted(office_box.number, disk.seen, &accepted)?;
        }
        Ok(())
    }

    fn chance(&mut self) -> Check {
        let at = self.random.index(self.boxes.len());
        match self.random.below(64) {
            0..16 => self.print(at),
            16..22 => self.settle_one(at)?,
            22..34 => self.send_push(at),
            34..41 => self.send_pull(at),
            41..56 => self.meddle()?,
            56..58 => self.edit_directory(),
            58 => self.turn_link(at),
            59 => self.power_cut(at),
            60 => self.back_up(at),
            61 => self.put_back(at),
            62 => self.rare(at)?,
            _ => self.let_time_pass(),
        }
        Ok(())
    }

    fn print(&mut self, at: usize) {
        let users: Vec<_> = self.boxes[at]
            .disk
            .accepted()
            .iter()
            .map(|(_, user)| user.id)
            .collect();
        let waiting = self.boxes[at].disk.held.len();
        let job = match waiting {
            1.. if self.random.once_in(2) => {
                let which = self.random.index(waiting);
                self.boxes[at].disk.held.swap_remove(which)
            }
            _ => {
                let Some(user) = users.get(self.random.index(users.len())) else {
                    return;
                };
                let split = self.weather.splits && self.random.once_in(8);
                if !split || self.jobs == 0 {
                    self.jobs += 1;
                }
                (site::job(self.jobs), *user, 1 + self.random.below(9))
            }
        };
        let (now, nonce, truth) = (self.now_ms, &mut self.nonce, &mut self.truth);
        let office_box = &mut self.boxes[at];
        let double = office_box.disk.open.iter().any(|open| open.job == job.0);
        if double || !office_box.release(job, now, nonce, truth) {
            office_box.disk.held.push(job);
            office_box.disk.held.truncate(8);
        }
    }

    /// Somebody prints a new job at a box.
    pub(crate) fn print_one(&mut self, at: usize, user: UserId, amount: u64) -> bool {
        self.jobs += 1;
        let job = (site::job(self.jobs), user, amount);
        let (now, nonce, truth) = (self.now_ms, &mut self.nonce, &mut self.truth);
        self.boxes[at].release(job, now, nonce, truth)
    }

    pub(crate) fn settle_one(&mut self, at: usize) -> Check {
        let (now, nonce, truth) = (self.now_ms, &mut self.nonce, &mut self.truth);
        let office_box = &mut self.boxes[at];
        if let Some(open) = office_box.disk.open.pop() {
            let printed = (open.amount + self.random.below(3)).saturating_sub(self.random.below(3));
            office_box.settle(open, printed, now, nonce, truth)?;
            if self.weather.records_damaged && self.random.once_in(12) {
                office_box.damage(truth);
            }
        }
        Ok(())
    }

    pub(crate) fn send_push(&mut self, at: usize) {
        let office_box = &mut self.boxes[at];
        office_box.close_leases(self.now_ms, &mut self.nonce, &mut self.truth);
        let early = self.now_ms < office_box.not_before_ms && !self.calm;
        if !office_box.link || office_box.push_out.is_some() || early {
            return;
        }
        self.requests += 1;
        let push = office_box.push(self.now_ms, self.requests, self.broken);
        self.send(at, Said::Push(push));
    }

    pub(crate) fn send_pull(&mut self, at: usize) {
        let office_box = &mut self.boxes[at];
        if !office_box.link || office_box.pull_out.is_some() {
            return;
        }
        self.requests += 1;
        let pull = office_box.pull(self.now_ms, self.requests);
        self.send(at, Said::Pull(pull));
    }

    fn send(&mut self, at: usize, said: Said) {
        let packet = self.wire.packed(said, &mut self.random);
        self.wire.flights.push(Flight {
            node: at,
            epoch: self.boxes[at].epoch,
            request: self.requests,
            stuck_until: 0,
            packet,
        });
    }

    /// Something happens to a message: mostly it arrives.
    fn meddle(&mut self) -> Check {
        let which = self.random.index(self.wire.flights.len());
        let Some(flight) = self.wire.flights.get_mut(which) else {
            return Ok(());
        };
        if flight.stuck_until > self.step {
            return Ok(());
        }
        match self.random.below(12) {
            0 => {
                let flight = self.wire.flights.swap_remove(which);
                self.give_up(&flight)?;
            }
            1 => {
                let double = flight.clone();
                self.wire.flights.push(double);
            }
            2 => {
                // Too late for the box, which asks again; the request may arrive all the same.
                let flight = flight.clone();
                self.give_up(&flight)?;
            }
            3 => flight.stuck_until = self.step + 20 + self.random.below(100),
            _ => {
                self.wire.flights.swap(0, which);
                self.deliver()?;
            }
        }
        Ok(())
    }

    /// The box waits no longer for this answer.
    fn give_up(&mut self, flight: &Flight) -> Check {
        let (now, random) = (self.now_ms, self.random.bits());
        let office_box = &mut self.boxes[flight.node];
        if office_box.epoch != flight.epoch {
            return Ok(());
        }
        if office_box.awaits_push(flight.request) {
            office_box.push_out = None;
            office_box.wait(Try::Unreachable, now, random)?;
        }
        if office_box.pull_out == Some(flight.request) {
            office_box.pull_out = None;
        }
        Ok(())
    }

    pub(crate) fn deliver(&mut self) -> Check {
        let flight = self.wire.flights.swap_remove(0);
        let Some(said) = self.wire.unpacked(&flight, &mut self.random, !self.calm) else {
            return self.give_up(&flight);
        };
        let torn = !self.calm && self.random.once_in(6);
        let node = flight.node as u64;
        let mut call = Call {
            now_ms: self.now_ms,
            truth: &mut self.truth,
            lease_count: &mut self.leases,
            broken: self.broken,
        };
        let answer = match &*said {
            Said::Push(push) => Said::PushAnswer(self.centre.push(node, push, &mut call)?),
            Said::Pull(pull) => {
                let (page, leases) = self.centre.pull(node, pull, torn, &call);
                Said::Page(page, leases, self.step)
            }
            _ => return self.hear(&flight, &said),
        };
        let packet = self.wire.packed(answer, &mut self.random);
        self.wire.flights.push(Flight { packet, ..flight });
        Ok(())
    }

    pub(crate) fn hear(&mut self, flight: &Flight, said: &Said) -> Check {
        let office_box = &mut self.boxes[flight.node];
        let lives = office_box.epoch == flight.epoch && office_box.link;
        match said {
            Said::PushAnswer(answer) if lives && office_box.awaits_push(flight.request) => {
                office_box.answered(answer, self.now_ms, self.broken)
            }
            // A page is believed for what it is, so it is shown also to a box that did not ask.
            Said::Page(page, leases, made) => {
                office_box.page(page, *made, self.broken);
                if lives && office_box.pull_out == Some(flight.request) {
                    office_box.pull_out = None;
                    office_box.take_leases(leases, self.broken);
                }
                self.give_up(flight)
            }
            _ => self.give_up(flight),
        }
    }

    fn edit_directory(&mut self) {
        let user = self.random.below(site::USERS);
        match self.random.below(8) {
            0..4 => {
                let card = self.random.below(self.cards);
                let id = site::credential_id(card);
                self.centre.change(id, None);
                self.truth.revoked(id, self.step);
            }
            4..6 => {
                let record = site::card(self.cards, user);
                self.cards += 1;
                self.centre.change(record.id(), Some(record));
            }
            6 => {
                let record = site::person(user);
                self.centre.change(record.id(), Some(record));
            }
            _ => {
                let pot = [site::SHARED, site::OWN][self.random.index(2)];
                let limit = 5 + self.random.below(50);
                self.centre.limit((pot, None), limit, self.now_ms);
            }
        }
    }

    fn turn_link(&mut self, at: usize) {
        let office_box = &mut self.boxes[at];
        office_box.link = !office_box.link;
        office_box.pace.link_up();
    }

    fn power_cut(&mut self, at: usize) {
        self.boxes[at].start(self.now_ms, &mut self.nonce, &mut self.truth);
    }

    fn back_up(&mut self, at: usize) {
        match self.random.once_in(2) {
            true => self.centre_backup = Some(self.centre.clone()),
            false => self.boxes[at].backup = Some(self.boxes[at].disk.clone()),
        }
    }

    fn put_back(&mut self, at: usize) {
        if self.weather.boxes_restored && self.random.once_in(2) {
            let backup = self.boxes[at].backup.clone();
            // A box may also come with an empty disk, and enrol as the one it was.
            self.put_back_box(at, backup.unwrap_or_default());
        } else if self.weather.centre_restored {
            self.put_back_centre();
        }
    }

    fn put_back_box(&mut self, at: usize, disk: Disk) {
        self.boxes[at].restore(disk);
        self.forget();
        self.power_cut(at);
    }

    pub(crate) fn put_back_centre(&mut self) {
        let Some(backup) = self.centre_backup.clone() else {
            return;
        };
        self.now_ms += 2_000;
        self.centre = backup;
        self.centre.restored(self.now_ms, self.broken);
        self.truth.keep_revoked(&self.centre.revoked());
        self.forget();
    }

    /// Evidence that is in no journal and not at the centre is gone for good.
    fn forget(&mut self) {
        let (boxes, centre) = (&self.boxes, &self.centre);
        self.truth.forget(|node, link| {
            let has = boxes
                .iter()
                .any(|one| one.number == node && one.disk.has(link));
            let key = (link.sequence, link.hash.0);
            has || centre
                .nodes
                .get(&node)
                .is_some_and(|row| row.entries.contains_key(&key))
        });
    }

    fn rare(&mut self, at: usize) -> Check {
        match self.random.below(4) {
            0 if self.weather.boxes_lost => {
                self.centre.declare_lost(at as u64, &mut self.truth);
                for slot in &mut self.boxes[at].disk.purse {
                    slot.excused = true;
                }
            }
            2 => {
                // The centre's process dies: whatever it was about to say is never said.
                let lost = std::mem::take(&mut self.wire.flights);
                for flight in &lost {
                    self.give_up(flight)?;
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn let_time_pass(&mut self) {
        self.now_ms += self.random.below(8 * 3_600_000);
        if self.broken == Some(Broken::EndsLeasesByClock) {
            self.centre.end_by_clock();
        }
    }
}
