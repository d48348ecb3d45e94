// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Taking one page of changes: what is checked, and what becomes of the tables, in one batch.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError};

use platen_model::{
    Changes, CredentialId, Moment, NodeId, Record, RecordId, Revised, Tombstone, UserId,
};
use platen_store::{Batch, DatabaseError};
use uuid::Uuid;

use super::age::Confirmed;
use super::copy::{self, Sort, Tables};
use super::state::{Head, Slot, State};
use super::{
    Applied, CREDENTIALS_MAX, Cache, CacheError, PAGE_OBJECTS_MAX, TERMS_MAX, USERS_MAX, bound,
};

pub(super) fn apply(cache: &Cache, changes: &Changes, now: Moment) -> Result<Applied, CacheError> {
    let mut state = cache.read().state.clone();
    check(cache, changes, &state)?;
    let (head, is_fresh) = target(&state, changes)?;
    if is_unchanged(changes, &head, is_fresh) && !cache.read().age.worth_writing(now) {
        return Ok(confirm_in_memory(cache, &head, now));
    }
    if is_fresh {
        make_room(cache, &mut state, head.slot)?;
    }
    let mut page = Page::new(cache, changes, head);
    page.put()?;
    let complete = changes.to == changes.latest;
    if state
        .serving
        .is_some_and(|serving| serving.slot != page.head.slot)
    {
        page.end_in_serving(&mut state)?;
    }
    page.end_local(complete)?;
    page.head.revision = changes.to;
    page.head.latest = changes.latest;
    let took_over = place_head(&mut state, page.head, complete);
    state.site = Some(changes.site);
    if complete {
        page.forget_gone()?;
        state.confirmed = Some(Confirmed::now(changes.at_unix_ms, now));
    }
    cache.store.put(&mut page.batch, &state)?;
    let touched_terms = page.touched_terms || took_over;
    let applied = Applied {
        position: page.head.position(),
        complete,
        took_over,
        ..page.applied
    };
    let into_serving = !took_over && state.building.is_none();
    put_in_place(cache, page.batch, state, into_serving, touched_terms, now)?;
    if took_over {
        tidy(cache);
    }
    Ok(applied)
}

fn check(cache: &Cache, changes: &Changes, state: &State) -> Result<(), CacheError> {
    if state.site.is_some_and(|site| site != changes.site) {
        return Err(CacheError::OtherSite(changes.site));
    }
    if changes.node != NodeId(cache.keys.box_uuid()) {
        return Err(CacheError::OtherNode);
    }
    if changes
        .tombstones
        .len()
        .saturating_add(changes.records.len())
        > PAGE_OBJECTS_MAX
    {
        return Err(CacheError::TooMany("changes in a page"));
    }
    let Changes {
        from, to, latest, ..
    } = *changes;
    let rises = |pair: (&Revised, &Revised)| pair.0.revision < pair.1.revision;
    let records = &changes.records;
    let holds = [
        (changes.generation > 0, "it has no generation"),
        (from <= to && to <= latest, "its revisions are out of order"),
        (
            records
                .iter()
                .all(|one| from < one.revision && one.revision <= to),
            "a record is of another page",
        ),
        (
            records.iter().zip(records.iter().skip(1)).all(rises),
            "its records are out of order",
        ),
        (
            changes
                .tombstones
                .iter()
                .all(|one| from < one.revision && one.revision <= latest),
            "a tombstone is of another page",
        ),
    ];
    match holds.iter().find(|(holds, _)| !holds) {
        Some((_, what)) => Err(CacheError::Contradiction(what)),
        None => Ok(()),
    }
}

/// The copy that the page goes into, and whether that begins with it.
fn target(state: &State, changes: &Changes) -> Result<(Head, bool), CacheError> {
    let have = state.newest().copied().unwrap_or_default();
    let found = changes.generation;
    if found < have.generation {
        return Err(CacheError::RolledBack {
            have: have.generation,
            found,
        });
    }
    let is_fresh = found > have.generation;
    let revision = if is_fresh { 0 } else { have.revision };
    if changes.from != revision {
        return Err(CacheError::NotNext {
            have: revision,
            found: changes.from,
        });
    }
    if !is_fresh && changes.keys != have.keys {
        return Err(CacheError::Contradiction(
            "card hashes have other keys within one generation",
        ));
    }
    if !is_fresh {
        return Ok((have, false));
    }
    let slot = state
        .serving
        .map_or(Slot::A, |serving| serving.slot.other());
    let head = Head {
        slot,
        generation: found,
        keys: changes.keys,
        ..Head::default()
    };
    Ok((head, true))
}

/// A long poll's empty answer: nothing but the centre's confirmation.
fn is_unchanged(changes: &Changes, head: &Head, is_fresh: bool) -> bool {
    !is_fresh
        && changes.records.is_empty()
        && changes.tombstones.is_empty()
        && changes.to == changes.from
        && changes.latest == head.latest
        && changes.latest == changes.to
}

fn confirm_in_memory(cache: &Cache, head: &Head, now: Moment) -> Applied {
    let mut live = cache.live.write().unwrap_or_else(PoisonError::into_inner);
    let before = live.age;
    live.age.confirm(now);
    live.age.keep_written(&before);
    Applied {
        position: head.position(),
        complete: true,
        ..Applied::default()
    }
}

/// Gives up what was being built and empties its place, before anything says that a copy is there.
fn make_room(cache: &Cache, state: &mut State, slot: Slot) -> Result<(), DatabaseError> {
    if state.building.take().is_some() {
        cache.store.write(state)?;
        let mut live = cache.live.write().unwrap_or_else(PoisonError::into_inner);
        live.state = state.clone();
    }
    let tables = cache.store.copy(slot);
    if !tables.is_empty()? {
        tables.clear()?;
    }
    Ok(())
}

/// True when a copy that was being built serves from now on.
fn place_head(state: &mut State, head: Head, complete: bool) -> bool {
    let serves = state
        .serving
        .is_some_and(|serving| serving.slot == head.slot);
    if serves {
        state.serving = Some(head);
    } else if complete {
        state.serving = Some(head);
        state.building = None;
    } else {
        state.building = Some(head);
    }
    complete && !serves
}

fn put_in_place(
    cache: &Cache,
    batch: Batch,
    state: State,
    into_serving: bool,
    touched_terms: bool,
    now: Moment,
) -> Result<(), DatabaseError> {
    let mut batch = Some(batch);
    if !into_serving {
        // Nobody looks there yet: questions need not wait for it.
        batch
            .take()
            .map_or(Ok(()), |batch| cache.store.database.apply(batch))?;
    }
    let mut live = cache.live.write().unwrap_or_else(PoisonError::into_inner);
    let confirmed = state.confirmed != live.state.confirmed;
    batch.map_or(Ok(()), |batch| cache.store.database.apply(batch))?;
    if touched_terms {
        live.terms = Arc::new(cache.store.terms(&state)?);
    }
    live.state = state;
    if confirmed {
        live.age.confirm(now);
    }
    drop(live);
    cache.store.database.commit()
}

/// The copy that served before holds people and hashes: it is not left lying about. Done again at
/// the next start where it fails.
fn tidy(cache: &Cache) {
    let state = cache.read().state.clone();
    cache.known(cache.store.clear_unused(&state));
}

/// A page on its way into the tables.
struct Page<'a> {
    cache: &'a Cache,
    changes: &'a Changes,
    tables: &'a Tables,
    head: Head,
    batch: Batch,
    applied: Applied,
    touched_terms: bool,
}

/// What the page says of one object.
#[derive(Default)]
struct Said<'a> {
    /// Revision of its tombstone; 0 for none.
    gone: u64,
    record: Option<&'a Revised>,
}

/// An object on its way in, and where it goes.
struct Fresh<'a> {
    sort: Sort,
    place: Vec<u8>,
    record: &'a Revised,
}

impl<'a> Page<'a> {
    fn new(cache: &'a Cache, changes: &'a Changes, head: Head) -> Self {
        Self {
            cache,
            changes,
            tables: cache.store.copy(head.slot),
            head,
            batch: Batch::default(),
            applied: Applied::default(),
            touched_terms: false,
        }
    }

    /// Tombstones, then records. What found the old objects goes first, all of it: a card may go
    /// from one credential to another within a page.
    fn put(&mut self) -> Result<(), CacheError> {
        let mut said: BTreeMap<RecordId, Said<'a>> = BTreeMap::new();
        for tombstone in &self.changes.tombstones {
            let gone = &mut said.entry(tombstone.id).or_default().gone;
            *gone = tombstone.revision.max(*gone);
        }
        for record in &self.changes.records {
            said.entry(record.record.id()).or_default().record = Some(record);
        }
        let mut fresh = Vec::new();
        for (id, said) in said {
            if let Some((sort, place)) = copy::place(id) {
                fresh.extend(self.end_old(sort, place, &said)?);
            }
        }
        for fresh in fresh {
            self.put_new(&fresh)?;
        }
        let counts = [
            (self.head.users, USERS_MAX, "people"),
            (self.head.credentials, CREDENTIALS_MAX, "credentials"),
            (
                self.head.terms,
                TERMS_MAX,
                "groups, quotas, prices and rules",
            ),
        ];
        match counts.iter().find(|(count, most, _)| count > most) {
            Some((_, _, what)) => Err(CacheError::TooMany(what)),
            None => Ok(()),
        }
    }

    /// Takes the old object away where it is gone or replaced; gives back what replaces it.
    fn end_old(
        &mut self,
        sort: Sort,
        place: Vec<u8>,
        said: &Said<'a>,
    ) -> Result<Option<Fresh<'a>>, DatabaseError> {
        let gone = self.tables.gone.get(&place)?.unwrap_or(0).max(said.gone);
        if gone > self.changes.to {
            self.batch.insert(&self.tables.gone, &place, &gone)?;
        }
        let record = said.record.filter(|record| record.revision > gone);
        let old = self.tables.objects.get(&place)?;
        if let Some(old) = old.filter(|old| record.is_some() || old.revision < gone) {
            let tables = self.tables;
            remove(&mut self.batch, tables, &place, &old, self.cache)?;
            self.count(sort, false);
            self.applied.ended += usize::from(record.is_none());
        }
        Ok(record.map(|record| Fresh {
            sort,
            place,
            record,
        }))
    }

    fn put_new(&mut self, fresh: &Fresh<'_>) -> Result<(), DatabaseError> {
        let Fresh {
            sort,
            place,
            record,
        } = fresh;
        match self.batch.insert(&self.tables.objects, place, record) {
            Err(DatabaseError::TooLarge { .. }) => {
                self.applied.refused += 1;
                log::error!("an object of the directory is too large for the box");
                return Ok(());
            }
            result => result?,
        }
        for (key, id) in copy::finds(&record.record, &self.cache.keys) {
            self.batch.insert(&self.tables.finds, &key, &id)?;
        }
        self.count(*sort, true);
        self.applied.records += 1;
        Ok(())
    }

    fn count(&mut self, sort: Sort, up: bool) {
        self.touched_terms |= sort == Sort::Term;
        count(&mut self.head, sort, up);
    }

    /// What the new generation calls gone is gone at once, also in the old copy, whose revisions are
    /// of another order.
    fn end_in_serving(&mut self, state: &mut State) -> Result<(), DatabaseError> {
        let Some(serving) = &mut state.serving else {
            return Ok(());
        };
        let tables = self.cache.store.copy(serving.slot);
        let places = self
            .changes
            .tombstones
            .iter()
            .filter_map(|one| copy::place(one.id));
        for (sort, place) in places {
            if let Some(old) = tables.objects.get(&place)? {
                remove(&mut self.batch, tables, &place, &old, self.cache)?;
                count(serving, sort, false);
                self.touched_terms |= sort == Sort::Term;
            }
        }
        Ok(())
    }

    /// What the box itself noted of objects that are gone now, and of cards bound here.
    fn end_local(&mut self, complete: bool) -> Result<(), DatabaseError> {
        let local = &self.cache.local;
        for Tombstone { id, .. } in &self.changes.tombstones {
            match id {
                RecordId::Credential(CredentialId(id)) => {
                    self.batch.remove(&local.used, id.as_bytes())?;
                }
                RecordId::User(UserId(id)) => self.batch.remove(&local.seen, id.as_bytes())?,
                _ => {}
            }
        }
        let is_serving = self
            .cache
            .read()
            .state
            .serving
            .is_some_and(|s| s.slot == self.head.slot);
        for (key, bound) in local.bindings()? {
            let fate = bound::Fate {
                changes: self.changes,
                tables: self.tables,
                records_count: is_serving || complete,
            };
            if fate.is_over(&bound)? {
                self.batch.remove(&local.bound, &key)?;
                self.applied.bindings_ended += 1;
            }
        }
        Ok(())
    }

    /// The copy is whole: no page will come that a tombstone could still have to be held against.
    fn forget_gone(&mut self) -> Result<(), DatabaseError> {
        for row in self.tables.gone.scan(&[]) {
            let (place, _) = row?;
            self.batch.remove(&self.tables.gone, &place)?;
        }
        Ok(())
    }
}

fn count(head: &mut Head, sort: Sort, up: bool) {
    let count = match sort {
        Sort::User => &mut head.users,
        Sort::Credential => &mut head.credentials,
        Sort::Term => &mut head.terms,
    };
    *count = if up {
        count.saturating_add(1)
    } else {
        count.saturating_sub(1)
    };
}

/// Removes an object and what finds it, but not what finds another one by now.
fn remove(
    batch: &mut Batch,
    tables: &Tables,
    place: &[u8],
    old: &Revised,
    cache: &Cache,
) -> Result<(), DatabaseError> {
    batch.remove(&tables.objects, place)?;
    for (key, id) in copy::finds(&old.record, &cache.keys) {
        if tables.finds.get(&key)? == Some(id) {
            batch.remove(&tables.finds, &key)?;
        }
    }
    Ok(())
}

/// The id of a credential in a record, for comparing.
pub(super) fn credential_id(record: &Record) -> Option<Uuid> {
    match record {
        Record::Credential(credential) => Some(credential.id.0),
        _ => None,
    }
}
