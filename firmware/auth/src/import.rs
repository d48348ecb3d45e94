// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Takes an import file into the directory. The file has the last word on everybody it names:
//! their cards and aliases become what it lists, so that a lost card ends by leaving it out; people
//! it does not name, and columns it does not have, stay as they are. A user with a refused row
//! keeps what was known, but for what another row was given.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::io::Read;

use platen_model::local::ImportReport;
use platen_model::{CardKey, OwnerKey};
use platen_store::Keys;

use crate::error::DirectoryError;
use crate::user::{ALIASES_MAX, CARDS_MAX, USERS_MAX, User};

mod rows;

use rows::{Refusals, Row, Rows};

/// Everybody, in memory for the time of an import.
#[derive(Default)]
pub(crate) struct People {
    /// By key of the login name.
    pub(crate) users: BTreeMap<OwnerKey, User>,
    cards: HashMap<CardKey, OwnerKey>,
    names: HashMap<OwnerKey, OwnerKey>,
}

/// One user who is not as before.
pub(crate) struct Change {
    pub(crate) before: Option<User>,
    pub(crate) after: User,
}

impl People {
    pub(crate) fn add(&mut self, user: User, keys: &Keys) {
        let login = keys.owner_key(&user.login);
        for card in &user.cards {
            self.cards.insert(*card, login);
        }
        for name in user.owner_keys(keys) {
            self.names.insert(name, login);
        }
        self.users.insert(login, user);
    }

    pub(crate) fn cards(&self) -> usize {
        self.users.values().map(|user| user.cards.len()).sum()
    }

    /// Takes the file in and says what changed.
    pub(crate) fn import(
        &mut self,
        file: impl Read,
        keys: &Keys,
        card: &dyn Fn(&str) -> Result<CardKey, &'static str>,
    ) -> Result<(ImportReport, Vec<Change>), DirectoryError> {
        let Rows {
            columns,
            rows,
            mut refusals,
        } = rows::read(file, keys, card)?;
        let mut claims = Claims::of(&rows, &refusals);
        let mut wanted = BTreeMap::new();
        for row in rows {
            match claims.check(self, &wanted, &row) {
                Ok(()) => claims.take(&mut wanted, row),
                Err(why) => {
                    claims.refused.insert(row.key);
                    refusals.push(row.line, why);
                }
            }
        }
        let mut results: BTreeMap<OwnerKey, User> = BTreeMap::new();
        for (key, wanted) in wanted {
            let keep = claims.refused.contains(&key);
            let user = wanted.onto(self.users.get(&key), key, columns, keep);
            results.insert(key, user);
        }
        claims.take_away(self, &mut results, keys);
        Ok(self.settle(results, refusals))
    }

    fn settle(
        &mut self,
        results: BTreeMap<OwnerKey, User>,
        refusals: Refusals,
    ) -> (ImportReport, Vec<Change>) {
        let mut report = ImportReport {
            errors: refusals.finish(),
            ..ImportReport::default()
        };
        let mut changes = Vec::new();
        for (key, after) in results {
            let before = self.users.get(&key);
            if before == Some(&after) {
                continue;
            }
            match before {
                Some(_) => report.users_changed += 1,
                None => report.users_added += 1,
            }
            let had = |card: &&CardKey| before.is_some_and(|user| user.cards.contains(card));
            report.cards_bound += after.cards.iter().filter(|card| !had(card)).count();
            let before = self.users.insert(key, after.clone());
            changes.push(Change { before, after });
        }
        (report, changes)
    }
}

/// What the rows of one user say together.
struct Wanted {
    line: usize,
    login: String,
    name: Option<String>,
    active: Option<bool>,
    cards: Vec<CardKey>,
    aliases: Vec<(OwnerKey, String)>,
}

impl Wanted {
    fn onto(
        self,
        before: Option<&User>,
        key: OwnerKey,
        columns: rows::Columns,
        keep: bool,
    ) -> User {
        let mut user = before
            .cloned()
            .unwrap_or_else(|| User::new(self.login, key));
        if let Some(name) = self.name {
            user.name = name;
        }
        if let Some(active) = self.active {
            user.active = active;
        }
        if columns.card {
            if !keep {
                user.cards.clear();
            }
            user.cards.extend(self.cards);
            user.cards.sort_unstable_by_key(|card| card.0);
            user.cards.dedup();
        }
        if columns.aliases {
            if !keep {
                user.aliases.clear();
            }
            let aliases = self.aliases.into_iter().map(|(_, alias)| alias);
            user.aliases.extend(aliases);
            user.aliases.sort_unstable();
            user.aliases.dedup();
        }
        user
    }
}

/// Who has which card and name after the import, as far as the file says, with the line.
struct Claims {
    in_file: HashSet<OwnerKey>,
    refused: HashSet<OwnerKey>,
    cards: HashMap<CardKey, (OwnerKey, usize)>,
    names: HashMap<OwnerKey, (OwnerKey, usize)>,
}

impl Claims {
    /// Login names claim themselves before any alias can.
    fn of(rows: &[Row], refusals: &Refusals) -> Self {
        let mut names = HashMap::new();
        for row in rows {
            names.entry(row.key).or_insert((row.key, row.line));
        }
        Self {
            in_file: rows.iter().map(|row| row.key).collect(),
            refused: refusals.users().collect(),
            cards: HashMap::new(),
            names,
        }
    }

    fn check(
        &self,
        people: &People,
        wanted: &BTreeMap<OwnerKey, Wanted>,
        row: &Row,
    ) -> Result<(), String> {
        let known = people.users.contains_key(&row.key) || wanted.contains_key(&row.key);
        if !known && people.users.len() + wanted.len() >= USERS_MAX {
            return Err(format!("there are {USERS_MAX} users already"));
        }
        let somebody_else = |owner: Option<&OwnerKey>| {
            owner.is_some_and(|owner| *owner != row.key && !self.in_file.contains(owner))
        };
        if somebody_else(people.names.get(&row.key)) {
            return Err("the user name is an alias of another user".into());
        }
        for card in &row.cards {
            match self.cards.get(card) {
                Some((owner, line)) if *owner != row.key => {
                    return Err(format!("a card belongs to the user on line {line}"));
                }
                Some(_) => {}
                None if somebody_else(people.cards.get(card)) => {
                    return Err("a card belongs to another user".into());
                }
                None => {}
            }
        }
        for (key, _) in &row.aliases {
            match self.names.get(key) {
                Some((owner, line)) if *owner != row.key => {
                    return Err(format!("an alias belongs to the user on line {line}"));
                }
                Some(_) => {}
                None if somebody_else(people.names.get(key)) => {
                    return Err("an alias belongs to another user".into());
                }
                None => {}
            }
        }
        wanted
            .get(&row.key)
            .map_or_else(|| row.fits_alone(), |earlier| earlier.agrees(row))
    }

    fn take(&mut self, wanted: &mut BTreeMap<OwnerKey, Wanted>, row: Row) {
        for card in &row.cards {
            self.cards.insert(*card, (row.key, row.line));
        }
        for (alias, _) in &row.aliases {
            self.names.insert(*alias, (row.key, row.line));
        }
        match wanted.get_mut(&row.key) {
            Some(earlier) => earlier.join(row),
            None => drop(wanted.insert(row.key, Wanted::from(row))),
        }
    }

    /// What one user of the file got from another is the other's no more.
    fn take_away(&self, people: &People, results: &mut BTreeMap<OwnerKey, User>, keys: &Keys) {
        for (card, (owner, _)) in &self.cards {
            if let Some(loser) = loser(people, results, people.cards.get(card), *owner) {
                loser.cards.retain(|kept| kept != card);
            }
        }
        for (name, (owner, _)) in &self.names {
            if let Some(loser) = loser(people, results, people.names.get(name), *owner) {
                loser.aliases.retain(|kept| keys.owner_key(kept) != *name);
            }
        }
    }
}

fn loser<'a>(
    people: &People,
    results: &'a mut BTreeMap<OwnerKey, User>,
    before: Option<&OwnerKey>,
    now: OwnerKey,
) -> Option<&'a mut User> {
    let before = before.filter(|before| **before != now)?;
    // A claim of a user whose every row was refused takes nothing away.
    if !results.contains_key(&now) {
        return None;
    }
    if !results.contains_key(before) {
        results.insert(*before, people.users.get(before)?.clone());
    }
    results.get_mut(before)
}

impl From<Row> for Wanted {
    fn from(row: Row) -> Self {
        Self {
            line: row.line,
            login: row.login,
            name: row.name,
            active: row.active,
            cards: row.cards,
            aliases: row.aliases,
        }
    }
}

impl Wanted {
    fn agrees(&self, row: &Row) -> Result<(), String> {
        let line = self.line;
        let named = self.name.is_some() && row.name.is_some();
        if named && self.name != row.name {
            return Err(format!("the name differs from line {line}"));
        }
        let stated = self.active.is_some() && row.active.is_some();
        if stated && self.active != row.active {
            return Err(format!("active differs from line {line}"));
        }
        within_limits(
            self.cards.len() + row.cards.len(),
            self.aliases.len() + row.aliases.len(),
        )
    }

    fn join(&mut self, row: Row) {
        self.name = self.name.take().or(row.name);
        self.active = self.active.or(row.active);
        self.cards.extend(row.cards);
        self.cards.sort_unstable_by_key(|card| card.0);
        self.cards.dedup();
        self.aliases.extend(row.aliases);
        self.aliases.sort_unstable();
        self.aliases.dedup();
    }
}

impl Row {
    fn fits_alone(&self) -> Result<(), String> {
        within_limits(self.cards.len(), self.aliases.len())
    }
}

fn within_limits(cards: usize, aliases: usize) -> Result<(), String> {
    if cards > CARDS_MAX {
        return Err(format!("a user may have {CARDS_MAX} cards"));
    }
    if aliases > ALIASES_MAX {
        return Err(format!("a user may have {ALIASES_MAX} aliases"));
    }
    Ok(())
}
