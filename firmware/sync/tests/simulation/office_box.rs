// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A box: its disk, what it has in memory, and the real machines between them.

use std::collections::{BTreeMap, BTreeSet};

use platen_model::{Changes, Entry, Lease, LeaseId, Outcome, PrinterName, Share, WhenSpent};
use platen_sync::message::{LeaseNews, Link, Pull, Push, PushAnswer};
use platen_sync::node::leases::{self, Ending, Use};
use platen_sync::node::outbox::{Cargo, Heard, Outbox, Sent};
use platen_sync::node::pace::{Pace, Try};

use crate::broken::Broken;
use crate::disk::{Disk, Open, Slot};
use crate::site::{self, Pot, stamp};
use crate::truth::{Charged, Check, Truth};

/// Entries of a push here: few, so that batches matter.
const BATCH: usize = 4;

pub(crate) struct OfficeBox {
    pub(crate) number: u64,
    pub(crate) disk: Disk,
    pub(crate) backup: Option<Disk>,
    /// Counts its starts: an answer to an earlier life finds nobody.
    pub(crate) epoch: u64,
    pub(crate) link: bool,
    pub(crate) outbox: Outbox,
    pub(crate) push_out: Option<(u64, Sent)>,
    pub(crate) pull_out: Option<u64>,
    pub(crate) pace: Pace,
    pub(crate) not_before_ms: u64,
    /// What jobs of each pot need that could not be released.
    needed: BTreeMap<Pot, u64>,
    closed_again: BTreeSet<LeaseId>,
    pub(crate) alerts: u64,
    /// Highest sequence number that this life sent.
    sent: u64,
}

impl OfficeBox {
    pub(crate) fn new(number: u64) -> Self {
        Self {
            number,
            disk: Disk::default(),
            backup: None,
            epoch: 0,
            link: true,
            outbox: Outbox::resume(Link::default()),
            push_out: None,
            pull_out: None,
            pace: Pace::default(),
            not_before_ms: 0,
            needed: BTreeMap::new(),
            closed_again: BTreeSet::new(),
            alerts: 0,
            sent: 0,
        }
    }

    /// Power comes back: what is not on the disk is gone, and releases under way are interrupted.
    pub(crate) fn start(&mut self, now_ms: u64, nonce: &mut u64, truth: &mut Truth) {
        self.epoch += 1;
        self.outbox = Outbox::resume(self.disk.acked);
        self.push_out = None;
        self.pull_out = None;
        self.needed.clear();
        self.closed_again.clear();
        for open in std::mem::take(&mut self.disk.open) {
            self.free(&open.shares);
            let entry = Entry::Interrupted {
                job: open.job,
                number: self.disk.number(),
                attempt: open.attempt,
            };
            self.write(&entry, now_ms, nonce, truth);
            self.disk.held.push((open.job, open.user, open.amount));
        }
    }

    pub(crate) fn write(
        &mut self,
        entry: &Entry,
        now_ms: u64,
        nonce: &mut u64,
        truth: &mut Truth,
    ) -> Link {
        *nonce += 1;
        let written = self.disk.write(entry, now_ms, *nonce);
        truth.wrote(self.number, written);
        written.link
    }

    /// Somebody prints: sets aside what the job may take, and writes the ticket. Answers whether it
    /// was released.
    pub(crate) fn release(
        &mut self,
        job: (platen_model::JobId, platen_model::UserId, u64),
        now_ms: u64,
        nonce: &mut u64,
        truth: &mut Truth,
    ) -> bool {
        let (job, user, amount) = job;
        let accepted = self.disk.accepted();
        let Some((_, person)) = accepted.iter().find(|(_, person)| person.id == user) else {
            return false;
        };
        let pots = site::pots(person, &self.disk.quotas());
        let mut shares = Vec::new();
        for (pot, when_spent) in pots {
            let (mut part, missing) = self.set_aside(pot, amount);
            shares.append(&mut part);
            if missing == 0 {
                continue;
            }
            self.needed.insert(pot, amount);
            if when_spent == WhenSpent::Deny {
                self.free(&shares);
                return false;
            }
            shares.push(Share {
                quota: pot.0,
                lease: None,
                amount: missing,
            });
        }
        let entry = Entry::Released {
            job,
            number: self.disk.number(),
            user: Some(user),
            printer: PrinterName(String::new()),
            attempt: 1,
            octets: amount,
            format: String::new(),
            shares: shares.clone(),
        };
        self.write(&entry, now_ms, nonce, truth);
        self.disk.open.push(Open {
            job,
            user,
            amount,
            attempt: 1,
            shares,
        });
        true
    }

    fn set_aside(&mut self, pot: Pot, amount: u64) -> (Vec<Share>, u64) {
        let ends = self.ending();
        let mut missing = amount;
        let mut shares = Vec::new();
        let slots = self.disk.purse.iter_mut();
        for slot in slots.filter(|slot| slot.pot() == pot && slot.left() > 0) {
            let take = slot.left().min(missing);
            if take == 0 || ends.iter().any(|ending| ending.lease == slot.lease.id) {
                continue;
            }
            slot.aside += take;
            missing -= take;
            shares.push(Share {
                quota: pot.0,
                lease: Some(slot.lease.id),
                amount: take,
            });
        }
        (shares, missing)
    }

    fn free(&mut self, shares: &[Share]) {
        for share in shares {
            if let Some(slot) = self.slot(share.lease) {
                slot.aside = slot.aside.saturating_sub(share.amount);
            }
        }
    }

    fn slot(&mut self, lease: Option<LeaseId>) -> Option<&mut Slot> {
        let lease = lease?;
        let mut slots = self.disk.purse.iter_mut();
        slots.find(|slot| slot.lease.id == lease)
    }

    /// A job ends: settles up to `printed`, which may be more or less than was set aside.
    pub(crate) fn settle(
        &mut self,
        open: Open,
        printed: u64,
        now_ms: u64,
        nonce: &mut u64,
        truth: &mut Truth,
    ) -> Check {
        self.free(&open.shares);
        let shares = settled(&open.shares, printed);
        let entry = Entry::Settled {
            job: open.job,
            number: self.disk.number(),
            user: Some(open.user),
            printer: PrinterName(String::new()),
            attempt: open.attempt,
            outcome: Outcome::Completed,
            count: None,
            octets: 1,
            impressions: None,
            confirmed_by: None,
            charged: true,
            shares: shares.clone(),
            cost: None,
        };
        let link = self.write(&entry, now_ms, nonce, truth);
        let number = self.number;
        for share in shares {
            let Some(slot) = self.slot(share.lease) else {
                continue;
            };
            slot.spent += share.amount;
            let charged = Charged {
                job: open.job,
                lease: slot.lease.id,
                amount: share.amount,
                excused: slot.excused,
            };
            truth.spent(number, link, charged)?;
        }
        truth.settled(open.job);
        Ok(())
    }

    /// For a failure's message.
    pub(crate) fn state(&self) -> String {
        let (acked, head) = (self.disk.acked, self.disk.head());
        let (feed, recalled) = (self.disk.feed, self.disk.recalled.len());
        format!("{acked:?} of {head:?}, {feed:?}, {recalled} recalled")
    }

    pub(crate) fn generation(&self) -> u64 {
        self.disk.feed.serving.generation
    }

    fn ending(&self) -> Vec<Ending> {
        leases::ending(
            &self.disk.held_leases(),
            &self.disk.recalled,
            self.generation(),
        )
    }

    /// Closes what ends and has nothing set aside.
    pub(crate) fn close_leases(&mut self, now_ms: u64, nonce: &mut u64, truth: &mut Truth) {
        for ending in self.ending().iter().filter(|ending| ending.now) {
            let known = self.slot(Some(ending.lease)).is_some();
            if !known && !self.closed_again.insert(ending.lease) {
                continue;
            }
            let lease = ending.lease;
            self.disk.purse.retain(|slot| slot.lease.id != lease);
            self.write(&Entry::LeaseClosed { lease }, now_ms, nonce, truth);
        }
        let purse = &self.disk.purse;
        let is_held = |lease: &LeaseId| purse.iter().any(|slot| slot.lease.id == *lease);
        self.disk.recalled.retain(is_held);
    }

    pub(crate) fn push(&mut self, now_ms: u64, request: u64, broken: Option<Broken>) -> Push {
        let own = |sequence| self.disk.hash(sequence);
        let after = self.outbox.after(own);
        let from = usize::try_from(after.sequence).expect("a short journal");
        let entries = self.disk.journal.iter().skip(from).take(BATCH).cloned();
        let cargo = Cargo {
            at: stamp(now_ms),
            entries: entries.collect(),
            head: self.disk.head().sequence,
            jobs: Vec::new(),
            wants: self.wants(),
            leases_upto: self.disk.upto,
            running: None,
            generation: leases::pushed_generation(&self.disk.held_leases(), self.generation()),
        };
        let (push, sent) = self.outbox.push(after, cargo);
        self.push_out = Some((request, sent));
        self.sent = self.sent.max(sent.last.sequence);
        if broken == Some(Broken::MovesCursorUnanswered) {
            self.disk.acked = sent.last;
            self.outbox = Outbox::resume(sent.last);
        }
        push
    }

    fn wants(&self) -> Vec<platen_sync::message::LeaseWant> {
        let mut uses: BTreeMap<Pot, Use> = BTreeMap::new();
        let ends = self.ending();
        for (pot, needed) in &self.needed {
            uses.insert(
                *pot,
                Use {
                    quota: pot.0,
                    user: pot.1,
                    recent: 4,
                    needed: *needed,
                    left: 0,
                },
            );
        }
        for slot in &self.disk.purse {
            let spendable = ends.iter().all(|ending| ending.lease != slot.lease.id);
            if let Some(used) = uses.get_mut(&slot.pot()).filter(|_| spendable) {
                used.left += slot.left();
            }
        }
        leases::wants(&uses.into_values().collect::<Vec<_>>())
    }

    /// The centre's word on the push that is out.
    pub(crate) fn answered(
        &mut self,
        answer: &PushAnswer,
        now_ms: u64,
        broken: Option<Broken>,
    ) -> Check {
        let Some((_, sent)) = self.push_out.take() else {
            return Ok(());
        };
        let disk = &self.disk;
        let heard = self
            .outbox
            .answered(sent, &answer.verdict, |sequence| disk.hash(sequence));
        let ended = match heard {
            Heard::Nonsense => Try::Nonsense,
            Heard::Searching => Try::More,
            _ => Try::Served,
        };
        self.not_before_ms = now_ms;
        if ended == Try::Nonsense {
            self.wait(ended, now_ms, 0)?;
        }
        if let Heard::Restored { .. } = heard {
            self.alerts += 1;
            for slot in &mut self.disk.purse {
                slot.generation = 0;
            }
        }
        self.disk.acked = self.outbox.acked();
        self.take_leases(&answer.leases, broken);
        Ok(())
    }

    /// No answer came: waits, but never so long that it would not be back within ten seconds.
    pub(crate) fn wait(&mut self, ended: Try, now_ms: u64, random: u64) -> Check {
        let wait = self.pace.after(ended, random);
        if ended == Try::Unreachable && wait.as_secs() >= 8 {
            return Err(format!("box {} waits {wait:?} for the link", self.number));
        }
        self.not_before_ms = now_ms + u64::try_from(wait.as_millis()).unwrap_or(0);
        Ok(())
    }

    pub(crate) fn take_leases(&mut self, news: &LeaseNews, broken: Option<Broken>) {
        let generation = match broken {
            Some(Broken::TakesLateLeases) => news.generation,
            _ => self.generation(),
        };
        let upto = match broken {
            Some(Broken::TakesLeasesAgain) => 0,
            _ => self.disk.upto,
        };
        let fresh = leases::fresh(upto, generation, news);
        let fresh: Vec<Lease> = fresh.into_iter().cloned().collect();
        for lease in fresh {
            self.disk.upto = self.disk.upto.max(lease.serial);
            self.needed.remove(&(lease.quota, lease.user));
            self.disk.purse.push(Slot {
                lease,
                generation: self.generation(),
                spent: 0,
                aside: 0,
                excused: false,
            });
        }
        for lease in &news.recalled {
            if !self.disk.recalled.contains(lease) {
                self.disk.recalled.push(*lease);
            }
        }
    }

    pub(crate) fn pull(&mut self, now_ms: u64, request: u64) -> Pull {
        self.pull_out = Some(request);
        self.disk.feed.pull(stamp(now_ms), 0, self.disk.upto)
    }

    /// A believed page that was made at step `made`.
    pub(crate) fn page(&mut self, page: &Changes, made: u64, broken: Option<Broken>) {
        let mut feed = self.disk.feed;
        if broken == Some(Broken::TakesAnyPage) && page.generation == feed.reach().generation {
            let reach = feed.aside.as_mut().unwrap_or(&mut feed.serving);
            reach.revision = page.from;
        }
        if let Ok(take) = feed.next(page, 1) {
            self.disk.apply(page, &take, broken);
            self.disk.seen = made.max(self.disk.seen);
        }
    }

    pub(crate) fn awaits_push(&self, request: u64) -> bool {
        self.push_out.is_some_and(|(awaited, _)| awaited == request)
    }

    /// Puts an older disk back. What its leases spend from now on may be spent twice.
    pub(crate) fn restore(&mut self, mut disk: Disk) {
        for slot in &mut disk.purse {
            slot.excused = true;
        }
        self.disk = disk;
    }

    /// The record that was written last rots before it was sent.
    pub(crate) fn damage(&mut self, truth: &mut Truth) {
        let sent = self.disk.acked.sequence.max(self.sent);
        let last = self.disk.journal.last_mut();
        if let Some(entry) = last.filter(|entry| entry.link.sequence > sent) {
            entry.entry.clear();
            truth.damaged(self.number, entry.link);
        }
    }
}

/// What a job takes of what was set aside: `printed` of each quota, at most what each lease was
/// reserved; the rest is above the quota.
fn settled(reserved: &[Share], printed: u64) -> Vec<Share> {
    let mut left: BTreeMap<_, u64> = BTreeMap::new();
    for share in reserved {
        left.insert(share.quota, printed);
    }
    let mut shares = Vec::new();
    for share in reserved.iter().filter(|share| share.lease.is_some()) {
        let left = left.entry(share.quota).or_default();
        let amount = share.amount.min(*left);
        *left -= amount;
        if amount > 0 {
            shares.push(Share {
                amount,
                ..share.clone()
            });
        }
    }
    for (quota, amount) in left.into_iter().filter(|(_, amount)| *amount > 0) {
        shares.push(Share {
            quota,
            lease: None,
            amount,
        });
    }
    shares
}
