// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The centre: tables in memory, and the real decisions over them. Every call is one transaction.

use std::collections::{BTreeMap, BTreeSet};

use platen_model::{
    Changes, JobId, Lease, LeaseId, NodeId, Period, Quota, QuotaId, Record, RecordId, Revised,
    Share, Tombstone, UserId,
};
use platen_sync::centre::effect::{Effect, Origin, Rule, charge_rule, judge, read};
use platen_sync::centre::journal::{Branch, NodeBooks, Receipt, receive};
use platen_sync::centre::lease::{
    BoxUse, Running, Slice, SliceState, Spent, Standing, news, next_serial,
};
use platen_sync::centre::period;
use platen_sync::centre::recovery::{Recovery, next_generation, page_from};
use platen_sync::message::{
    LeaseNews, LeaseWant, Link, Pull, Push, PushAnswer, SentEntry, VERSION, Verdict,
};

use crate::broken::Broken;
use crate::disk::Copy;
use crate::site::{self, Pot};
use crate::truth::{Check, Purse, Truth};

/// Records of a page here: few, so that pages matter.
const PAGE: usize = 5;

#[derive(Clone, Default)]
pub(crate) struct HeadOffice {
    pub(crate) generation: u64,
    pub(crate) latest: u64,
    pub(crate) objects: Copy,
    /// The directory before its last change, as a page sees it that reads records and tombstones one
    /// after the other.
    before: (u64, Copy),
    pub(crate) nodes: BTreeMap<u64, NodeRow>,
    pub(crate) charges: BTreeMap<JobId, Origin>,
    /// What was charged by them.
    pub(crate) charged: Vec<(JobId, Vec<Share>)>,
    pub(crate) doubles: Vec<(JobId, Origin)>,
    pub(crate) leases: BTreeMap<LeaseId, LeaseRow>,
    /// Charges that no known lease stands for.
    direct: BTreeMap<Purse, u64>,
    pub(crate) recovery: Recovery,
    /// What a person is shown: forks, charges over a lease, boxes declared lost.
    pub(crate) alerts: u64,
}

#[derive(Clone, Default)]
pub(crate) struct NodeRow {
    pub(crate) branches: Vec<Branch>,
    pub(crate) entries: BTreeMap<(u64, [u8; 32]), u32>,
    /// In the order in which they were kept.
    pub(crate) log: Vec<(u32, Link)>,
    /// Those that came as lost.
    pub(crate) lost: BTreeSet<u64>,
    taken: u64,
    serial: u64,
}

#[derive(Clone)]
pub(crate) struct LeaseRow {
    pub(crate) lease: Lease,
    pub(crate) node: u64,
    pub(crate) slice: Slice,
    pub(crate) recalled: bool,
}

impl LeaseRow {
    fn purse(&self) -> Purse {
        ((self.lease.quota, self.lease.user), self.lease.period)
    }
}

/// What a call needs from outside.
pub(crate) struct Call<'a> {
    pub(crate) now_ms: u64,
    pub(crate) truth: &'a mut Truth,
    pub(crate) lease_count: &'a mut u64,
    pub(crate) broken: Option<Broken>,
}

impl Call<'_> {
    fn is(&self, broken: Broken) -> bool {
        self.broken == Some(broken)
    }
}

impl HeadOffice {
    pub(crate) fn new(boxes: u64) -> Self {
        let mut new = Self {
            generation: 1,
            nodes: (0..boxes).map(|node| (node, NodeRow::default())).collect(),
            ..Self::default()
        };
        for record in site::records() {
            new.change(record.id(), Some(record));
        }
        new
    }

    pub(crate) fn change(&mut self, id: RecordId, record: Option<Record>) {
        self.before = (self.latest, self.objects.clone());
        self.latest += 1;
        self.objects.insert(id, (self.latest, record));
    }

    /// A page for a box. `torn`: its records were read before the last change and its tombstones
    /// after it.
    pub(crate) fn pull(
        &mut self,
        node: u64,
        pull: &Pull,
        torn: bool,
        call: &Call,
    ) -> (Changes, LeaseNews) {
        let (latest, objects) = match torn {
            true => (self.before.0, &self.before.1),
            false => (self.latest, &self.objects),
        };
        let from = page_from(self.generation, latest, pull);
        let mut records: Vec<_> = objects
            .values()
            .filter(|(revision, _)| *revision > from)
            .filter_map(|(revision, record)| {
                let (revision, record) = (*revision, record.clone()?);
                Some(Revised { revision, record })
            })
            .collect();
        records.sort_by_key(|revised| revised.revision);
        let rest = records.split_off(PAGE.min(records.len()));
        let to = match rest.is_empty() {
            true => latest,
            false => records.last().map_or(latest, |revised| revised.revision),
        };
        let graves = self.objects.iter().filter_map(|(id, (revision, record))| {
            (record.is_none() && *revision > from).then_some(Tombstone {
                revision: *revision,
                id: *id,
            })
        });
        let changes = Changes {
            site: site::SITE,
            node: site::node(node),
            generation: self.generation,
            keys: 1,
            at_unix_ms: call.now_ms,
            from,
            to,
            latest,
            tombstones: graves.collect(),
            records,
        };
        (changes, self.news(node, pull.leases_upto, call))
    }

    pub(crate) fn push(
        &mut self,
        node: u64,
        push: &Push,
        call: &mut Call,
    ) -> Result<PushAnswer, String> {
        let row = self.nodes.entry(node).or_default();
        let last = push.entries.last().map_or(push.after, |entry| entry.link);
        let range = (push.after.sequence, [0; 32])..=(last.sequence, [0xff; 32]);
        let books = NodeBooks {
            branches: row.branches.clone(),
            known: row
                .entries
                .range(range)
                .map(|(key, branch)| (*key, *branch))
                .collect(),
        };
        let receipt = receive(&books, push).map_err(|fault| format!("box {node}: {fault}"))?;
        let verdict = receipt.verdict.clone();
        let verdict = self.keep(node, push, receipt, verdict, call)?;
        if !call.is(Broken::GivesAfterRestore) {
            self.recovery.received(site::node(node), push, &verdict);
        }
        for want in &push.wants {
            self.grant(node, push.leases_upto, want, call)?;
        }
        Ok(PushAnswer {
            version: VERSION,
            at_unix_ms: call.now_ms,
            verdict,
            leases: self.news(node, push.leases_upto, call),
            latest: self.latest,
        })
    }

    fn keep(
        &mut self,
        node: u64,
        push: &Push,
        receipt: Receipt,
        verdict: Verdict,
        call: &mut Call,
    ) -> Result<Verdict, String> {
        let mut branch = receipt.branch;
        let mut kept = receipt.to_keep;
        let mut verdict = verdict;
        let gap = matches!(verdict, Verdict::SendAfter(_)) && !push.entries.is_empty();
        if gap && call.is(Broken::KeepsBehindGaps) || call.is(Broken::KeepsReplays) {
            kept = &push.entries;
            let last = push.entries.last().map_or(push.after, |entry| entry.link);
            branch.head = last;
            verdict = Verdict::Kept(last);
        }
        if let Some(fork) = receipt.fork {
            if call.is(Broken::OverwritesForks) {
                let row = self.nodes.entry(node).or_default();
                row.entries
                    .retain(|(sequence, _), _| *sequence <= fork.base.sequence);
                row.log
                    .retain(|(_, link)| link.sequence <= fork.base.sequence);
                row.branches.clear();
                branch = Branch {
                    number: 1,
                    base: Link::default(),
                    ..branch
                };
            }
            self.alerts += 1;
            self.doubt(node);
        }
        for entry in kept {
            self.log(node, branch, entry, call)?;
            self.account(node, branch.number, entry, call);
        }
        let row = self.nodes.entry(node).or_default();
        if !kept.is_empty() {
            row.branches.retain(|old| old.number != branch.number);
            row.branches.push(branch);
            row.branches.sort_by_key(|branch| branch.number);
        }
        Ok(verdict)
    }

    /// Keeps an entry; what must hold of it is looked at here and nowhere else.
    fn log(&mut self, node: u64, branch: Branch, entry: &SentEntry, call: &Call) -> Check {
        let row = self.nodes.entry(node).or_default();
        let link = entry.link;
        call.truth.is_written(node, entry)?;
        if row.log.iter().any(|(_, kept)| *kept == link) {
            return Err(format!("{link:?} of box {node} is kept twice"));
        }
        let mut on_branch = row
            .log
            .iter()
            .rev()
            .filter(|(number, _)| *number == branch.number);
        let before = on_branch.next().map_or(branch.base, |(_, link)| *link);
        if link.sequence != before.sequence + 1 {
            return Err(format!("{link:?} of box {node} is kept behind {before:?}"));
        }
        row.entries
            .insert((link.sequence, link.hash.0), branch.number);
        row.log.push((branch.number, link));
        if entry.entry.is_empty() {
            row.lost.insert(link.sequence);
        }
        Ok(())
    }

    fn doubt(&mut self, node: u64) {
        let leases = self.leases.values_mut().filter(|row| row.node == node);
        leases.for_each(|row| row.slice.doubt());
    }

    fn account(&mut self, node: u64, branch: u32, entry: &SentEntry, call: &mut Call) {
        let this = Origin {
            node: site::node(node),
            branch,
            sequence: entry.link.sequence,
        };
        match judge(read(&entry.entry)) {
            Effect::Lost if !call.is(Broken::TrustsLostEntries) => self.doubt(node),
            Effect::LeaseClosed(lease) => {
                if let Some(row) = self.leases.get_mut(&lease) {
                    row.slice.close();
                    if call.is(Broken::GivesBackSpent) {
                        row.slice.spent = 0;
                    }
                }
            }
            Effect::Charge(charge) => {
                let rule = match call.is(Broken::ChargesEveryRelease) {
                    true => Rule::Charge,
                    false => charge_rule(self.charges.get(&charge.job).copied(), this),
                };
                match rule {
                    Rule::Charge => {
                        self.charges.insert(charge.job, this);
                        self.charged.push((charge.job, charge.shares.clone()));
                        for share in &charge.shares {
                            self.charge(share, charge.user, entry);
                        }
                    }
                    Rule::Double => self.doubles.push((charge.job, this)),
                    Rule::Same => {}
                }
            }
            _ => {}
        }
    }

    fn charge(&mut self, share: &Share, user: Option<UserId>, entry: &SentEntry) {
        let row = share.lease.and_then(|lease| self.leases.get_mut(&lease));
        if let Some(row) = row {
            if let Spent::Over(_) = row.slice.spend(share.amount) {
                self.alerts += 1;
            }
            return;
        }
        let each = share.quota == site::EACH;
        let pot = (share.quota, user.filter(|_| each));
        let number = period::number(period_of(share.quota), entry.at.unix_ms);
        *self.direct.entry((pot, number)).or_default() += share.amount;
    }

    fn quota(&self, id: QuotaId) -> Option<&Quota> {
        match self.objects.get(&RecordId::Quota(id)) {
            Some((_, Some(Record::Quota(quota)))) => Some(quota),
            _ => None,
        }
    }

    fn grant(&mut self, node: u64, said: u64, want: &LeaseWant, call: &mut Call) -> Check {
        let Some(quota) = self.quota(want.quota).cloned() else {
            return Ok(());
        };
        if !self.recovery.may_grant(quota.period, call.now_ms) {
            return Ok(());
        }
        let number = period::number(quota.period, call.now_ms);
        let purse = ((want.quota, want.user), number);
        let standing = self.standing(purse, quota.limit);
        let amount = match call.is(Broken::GivesAll) {
            true => want.amount,
            false => standing.grant(site::node(node), want.amount),
        };
        if amount > 0 {
            *call.lease_count += 1;
            let row = self.nodes.entry(node).or_default();
            row.serial = next_serial(row.serial, said.max(row.taken));
            let lease = Lease {
                id: site::lease(*call.lease_count),
                serial: row.serial,
                quota: want.quota,
                user: want.user,
                period: number,
                amount,
            };
            call.truth.given(lease.id, purse, node, quota.limit);
            let row = LeaseRow {
                slice: Slice::new(amount),
                lease: lease.clone(),
                node,
                recalled: false,
            };
            self.leases.insert(lease.id, row);
            self.check_books(purse, quota.limit, call.truth)?;
        }
        let missing = want.amount.saturating_sub(amount);
        let recalled = standing.to_recall(site::node(node), missing, &self.running(purse));
        self.recall(&recalled);
        Ok(())
    }

    fn recall(&mut self, leases: &[LeaseId]) {
        for lease in leases {
            if let Some(row) = self.leases.get_mut(lease) {
                row.recalled = true;
            }
        }
    }

    fn check_books(&self, purse: Purse, limit: u64, truth: &Truth) -> Check {
        let rows = self.leases.values().filter(|row| row.purse() == purse);
        let held: u64 = rows.map(|row| row.slice.held()).sum();
        if held > limit + truth.excuse(purse) {
            return Err(format!("{purse:?}: {held} of {limit} is charged or out"));
        }
        Ok(())
    }

    fn running(&self, purse: Purse) -> Vec<Running> {
        let rows = self.leases.values();
        let open = rows.filter(|row| row.purse() == purse && row.slice.state == SliceState::Open);
        let running = open.map(|row| Running {
            lease: row.lease.id,
            node: site::node(row.node),
            unspent: row.slice.unspent(),
            recalled: row.recalled,
        });
        running.collect()
    }

    pub(crate) fn standing(&self, purse: Purse, limit: u64) -> Standing {
        let mut used = self.direct.get(&purse).copied().unwrap_or(0);
        let mut boxes: BTreeMap<u64, BoxUse> = BTreeMap::new();
        for node in self.nodes.keys() {
            let use_of = BoxUse {
                node: site::node(*node),
                recent: 0,
                unspent: 0,
            };
            boxes.insert(*node, use_of);
        }
        for row in self.leases.values().filter(|row| row.purse() == purse) {
            used += row.slice.held() - row.slice.unspent();
            if let Some(use_of) = boxes.get_mut(&row.node) {
                use_of.recent += row.slice.spent;
                use_of.unspent += row.slice.unspent();
            }
        }
        Standing {
            limit,
            used,
            boxes: boxes.into_values().collect(),
        }
    }

    fn news(&mut self, node: u64, said: u64, call: &Call) -> LeaseNews {
        let row = self.nodes.entry(node).or_default();
        row.taken = row.taken.max(said);
        let taken = match call.is(Broken::OffersLeasesAgain) {
            true => said,
            false => row.taken,
        };
        let rows = self.leases.values();
        let rows = rows.filter(|row| row.node == node && row.slice.state != SliceState::Closed);
        let rows = rows.map(|row| (&row.lease, row.slice.state, row.recalled));
        news(rows, taken, self.generation)
    }

    /// A limit is lowered or raised.
    pub(crate) fn limit(&mut self, pot: Pot, limit: u64, now_ms: u64) {
        let quota = site::quota(pot.0, limit);
        let purse = (pot, period::number(quota.period, now_ms));
        self.change(RecordId::Quota(pot.0), Some(Record::Quota(quota)));
        let standing = self.standing(purse, limit);
        let recalled = standing.to_recall_excess(&self.running(purse));
        self.recall(&recalled);
    }

    pub(crate) fn declare_lost(&mut self, node: u64, truth: &mut Truth) {
        for row in self.leases.values_mut().filter(|row| row.node == node) {
            if row.slice.state == SliceState::Open {
                truth.declared_lost(row.lease.id, row.slice.spent);
            }
            row.slice.declare_lost();
        }
        self.recovery.declared_lost(site::node(node));
        self.alerts += 1;
    }

    pub(crate) fn end_by_clock(&mut self) {
        for row in self.leases.values_mut() {
            row.slice.close();
        }
    }

    /// Has been put back from a backup just now.
    pub(crate) fn restored(&mut self, now_ms: u64, broken: Option<Broken>) {
        self.generation = next_generation(self.generation, now_ms);
        let nodes: BTreeSet<NodeId> = self.nodes.keys().map(|node| site::node(*node)).collect();
        self.recovery = Recovery {
            generation: self.generation,
            since_unix_ms: now_ms,
            waiting: nodes,
        };
        if broken == Some(Broken::GivesAfterRestore) {
            self.recovery.waiting.clear();
        }
    }

    pub(crate) fn revoked(&self) -> BTreeSet<RecordId> {
        let gone = self
            .objects
            .iter()
            .filter(|(_, (_, record))| record.is_none());
        gone.map(|(id, _)| *id).collect()
    }
}

pub(crate) fn period_of(quota: QuotaId) -> Period {
    site::quota(quota, 0).period
}
