// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Puts some hundred people of an import file onto what is known, in one transaction.

use std::collections::{BTreeMap, HashMap, HashSet};

use platen_model::{
    CardKey, CredentialId, CredentialKind, CredentialRecord, GroupId, RecordId, UserId, UserRecord,
};
use platen_sync::card::card_key;
use serde_json::json;

use super::ImportReport;
use super::rows::{Columns, Person, Refusals, Row};
use crate::app::centre::new_uuid;
use crate::app::credentials::{kind_name, remove_all};
use crate::app::records::{CARDS_MAX, USERS_MAX};
use crate::app::users::{checked, tell_of};
use crate::app::{Actor, Centre, CentreError};
use crate::db::objects::Standing;
use crate::db::users::name_key;
use crate::db::{self, Tx};

/// Some people of a file, and what the whole file says.
pub(super) struct Part<'a> {
    pub(super) columns: Columns,
    pub(super) people: Vec<Person>,
    pub(super) groups: &'a HashMap<String, GroupId>,
    pub(super) in_file: &'a HashSet<String>,
    pub(super) hashes: &'a mut HashMap<(String, &'static str), String>,
}

/// What is known of everybody whom the part touches, and what becomes of it.
struct Merge<'a> {
    part: Part<'a>,
    names: HashMap<String, (UserId, bool)>,
    numbers: HashMap<String, UserId>,
    cards: HashMap<[u8; 32], CredentialRecord>,
    users: HashMap<UserId, UserRecord>,
    credentials: HashMap<UserId, Vec<CredentialRecord>>,
    /// How many there are, all in all.
    total: u64,
    /// Hashes of the cards in the part, by number.
    keyed: HashMap<Vec<u8>, CardKey>,
    /// Everybody who is another way now, as they were before; `None` for new people.
    changed: BTreeMap<UserId, Option<UserRecord>>,
    removed: Vec<CredentialRecord>,
    put: Vec<CredentialRecord>,
}

impl Centre {
    pub(super) async fn take_part(
        &self,
        actor: &Actor,
        mut part: Part<'_>,
        refusals: &mut Refusals,
        report: &mut ImportReport,
    ) -> Result<(), CentreError> {
        let (mut tx, site) = self.change().await?;
        let site_keys = self.keys_of(&site)?;
        let rows = || part.people.iter().flat_map(|person| &person.rows);
        let mut keyed = HashMap::new();
        for number in rows().flat_map(|row| &row.cards) {
            let key = card_key(&site_keys, site.keys, number);
            let key = key.ok_or(CentreError::corrupt("list of card keys"))?;
            keyed.insert(number.clone(), key);
        }
        let people = std::mem::take(&mut part.people);
        let before = report.clone();
        let mut merge = Merge::load(&mut tx, part, &people, keyed).await?;
        for person in people {
            merge.take(person, refusals, report)?;
        }
        merge.write(&mut tx, report).await?;
        let detail = json!({
            "added": report.users_added - before.users_added,
            "changed": report.users_changed - before.users_changed,
            "cards": report.cards_bound - before.cards_bound,
            "secrets": report.secrets_set - before.secrets_set,
        });
        self.record(&mut tx, actor, "users-imported-part", "users", detail)
            .await?;
        tx.commit().await
    }
}

impl<'a> Merge<'a> {
    async fn load(
        tx: &mut Tx,
        part: Part<'a>,
        people: &[Person],
        keyed: HashMap<Vec<u8>, CardKey>,
    ) -> Result<Self, CentreError> {
        let rows = || people.iter().flat_map(|person| &person.rows);
        let aliases = rows()
            .flat_map(|row| &row.aliases)
            .map(|name| name_key(name));
        let mut keys: Vec<String> = people.iter().map(|person| person.key.clone()).collect();
        keys.extend(aliases);
        let names = db::users::owners_of_names(tx, &keys).await?;
        let numbers: Vec<String> = rows().filter_map(|row| row.number.clone()).collect();
        let numbers = db::users::owners_of_numbers(tx, &numbers).await?;
        let card_keys: Vec<CardKey> = keyed.values().copied().collect();
        let cards = db::credentials::by_keys(tx, &card_keys).await?;
        let owners = names.values().map(|(user, _)| *user);
        let owners = owners.chain(cards.iter().map(|card| card.user));
        let owners: HashSet<UserId> = owners.chain(numbers.values().copied()).collect();
        let owners: Vec<UserId> = owners.into_iter().collect();
        let users = db::users::by_ids(tx, &owners).await?;
        let mut credentials: HashMap<UserId, Vec<CredentialRecord>> = HashMap::new();
        for credential in db::credentials::of_users(tx, &owners).await? {
            let of_user = credentials.entry(credential.user).or_default();
            of_user.push(credential);
        }
        let card = |card: CredentialRecord| match &card.kind {
            CredentialKind::Card { key, .. } | CredentialKind::Code { key } => Some((key.0, card)),
            _ => None,
        };
        Ok(Self {
            part,
            names,
            numbers,
            cards: cards.into_iter().filter_map(card).collect(),
            users: users.into_iter().map(|user| (user.id, user)).collect(),
            credentials,
            total: db::users::total(tx).await?,
            keyed,
            changed: BTreeMap::new(),
            removed: Vec::new(),
            put: Vec::new(),
        })
    }

    fn take(
        &mut self,
        person: Person,
        refusals: &mut Refusals,
        report: &mut ImportReport,
    ) -> Result<(), CentreError> {
        let known = self.names.get(&person.key).copied();
        let known = known.filter(|(_, is_login)| *is_login);
        if known.is_none() && self.total >= USERS_MAX {
            for row in &person.rows {
                refusals.push(row.line, format!("there are {USERS_MAX} users already"));
            }
            return Ok(());
        }
        let id = known.map_or_else(|| new_uuid().map(UserId), |(id, _)| Ok(id))?;
        let mut keep = person.keep;
        let mut rows = Vec::new();
        for row in person.rows {
            match self.check(id, &person.key, &row) {
                Ok(()) => rows.push(row),
                Err(why) => {
                    keep = true;
                    refusals.push(row.line, why);
                }
            }
        }
        let Some(line) = rows.first().map(|row| row.line) else {
            return Ok(());
        };
        let merged = self.merged(id, person.login, &rows, keep);
        let user = match checked(merged) {
            Ok(user) => user,
            Err(error) => {
                refusals.push(line, error.to_string());
                return Ok(());
            }
        };
        self.take_names(&user);
        let before = self.users.insert(id, user.clone());
        if before.is_none() {
            self.total += 1;
        }
        if before.as_ref() != Some(&user) {
            self.changed.entry(id).or_insert(before);
        }
        self.take_cards(id, &rows, keep, refusals, report)?;
        self.take_secrets(id, &person.key, report)
    }

    /// Whether nothing of a row stands against somebody whom the file does not name.
    fn check(&self, id: UserId, key: &str, row: &Row) -> Result<(), String> {
        let names = row.aliases.iter().map(|alias| name_key(alias));
        for name in names.chain([key.to_owned()]) {
            let Some((owner, is_login)) = self.names.get(&name).filter(|(it, _)| *it != id) else {
                continue;
            };
            if *is_login {
                return Err("an alias is the login name of somebody else".to_owned());
            }
            if !(self.part.columns.aliases && self.is_in_file(*owner)) {
                return Err("a name is an alias of somebody else".to_owned());
            }
        }
        let number = row
            .number
            .as_ref()
            .and_then(|number| self.numbers.get(number));
        if number.is_some_and(|owner| *owner != id) {
            return Err("the number belongs to somebody else".to_owned());
        }
        let cards = row.cards.iter().filter_map(|number| self.keyed.get(number));
        for card in cards.filter_map(|key| self.cards.get(&key.0)) {
            if card.user != id && !self.is_in_file(card.user) {
                return Err("a card belongs to somebody else".to_owned());
            }
        }
        Ok(())
    }

    fn is_in_file(&self, user: UserId) -> bool {
        let user = self.users.get(&user);
        user.is_some_and(|user| self.part.in_file.contains(&name_key(&user.login)))
    }

    fn merged(&self, id: UserId, login: String, rows: &[Row], keep: bool) -> UserRecord {
        let mut user = self.users.get(&id).cloned().unwrap_or(UserRecord {
            id,
            login,
            name: String::new(),
            aliases: Vec::new(),
            number: None,
            groups: Vec::new(),
            active: true,
        });
        if self.part.columns.aliases && !keep {
            user.aliases.clear();
        }
        if self.part.columns.groups && !keep {
            user.groups.clear();
        }
        for row in rows {
            if let Some(name) = &row.name {
                user.name.clone_from(name);
            }
            user.active = row.active.unwrap_or(user.active);
            user.number = row.number.clone().or(user.number);
            user.aliases.extend(row.aliases.iter().cloned());
            let groups = row.groups.iter();
            let groups = groups.filter_map(|name| self.part.groups.get(&name_key(name)));
            user.groups.extend(groups);
        }
        user
    }

    /// The file gives a name to this person: whoever else it names and has it, has it no more.
    fn take_names(&mut self, user: &UserRecord) {
        let logins = std::iter::once((name_key(&user.login), true));
        let aliases = user.aliases.iter().map(|alias| (name_key(alias), false));
        for (key, is_login) in logins.chain(aliases) {
            let before = self.names.insert(key.clone(), (user.id, is_login));
            let other = before.map(|(owner, _)| owner).filter(|it| *it != user.id);
            let Some(other) = other.and_then(|owner| self.users.get_mut(&owner)) else {
                continue;
            };
            self.changed
                .entry(other.id)
                .or_insert_with(|| Some(other.clone()));
            other.aliases.retain(|alias| name_key(alias) != key);
        }
        if let Some(number) = &user.number {
            self.numbers.insert(number.clone(), user.id);
        }
    }

    fn take_cards(
        &mut self,
        id: UserId,
        rows: &[Row],
        keep: bool,
        refusals: &mut Refusals,
        report: &mut ImportReport,
    ) -> Result<(), CentreError> {
        if !self.part.columns.card {
            return Ok(());
        }
        let listed = rows.iter().flat_map(|row| {
            let numbers = row.cards.iter();
            numbers.filter_map(|number| self.keyed.get(number).map(|key| (row.line, *key)))
        });
        let listed: Vec<(usize, CardKey)> = listed.collect();
        let mut has = self.credentials.remove(&id).unwrap_or_default();
        if !keep {
            let is_listed = |key: &CardKey| listed.iter().any(|(_, it)| it == key);
            let (stays, goes): (Vec<_>, Vec<_>) =
                has.into_iter().partition(|one| match &one.kind {
                    CredentialKind::Card { key, .. } => is_listed(key),
                    _ => true,
                });
            has = stays;
            self.remove(goes);
        }
        for (line, key) in listed {
            let owner = self.cards.get(&key.0).map(|card| card.user);
            if owner == Some(id) {
                continue;
            }
            let cards = has.iter().filter(|one| kind_name(&one.kind) == "card");
            if cards.count() >= CARDS_MAX {
                refusals.push(line, format!("the user has {CARDS_MAX} cards"));
                break;
            }
            let lost: Vec<_> = self.cards.get(&key.0).cloned().into_iter().collect();
            self.remove(lost);
            let card = CredentialRecord {
                id: CredentialId(new_uuid()?),
                user: id,
                kind: CredentialKind::Card {
                    key,
                    with_pin: false,
                    proved: false,
                },
                until_unix_ms: None,
                provisional: false,
            };
            report.cards_bound += 1;
            self.cards.insert(key.0, card.clone());
            self.put.push(card.clone());
            has.push(card);
        }
        self.credentials.insert(id, has);
        Ok(())
    }

    fn remove(&mut self, credentials: Vec<CredentialRecord>) {
        for credential in credentials {
            if let CredentialKind::Card { key, .. } = &credential.kind {
                self.cards.remove(&key.0);
            }
            if let Some(has) = self.credentials.get_mut(&credential.user) {
                has.retain(|one| one.id != credential.id);
            }
            self.put.retain(|one| one.id != credential.id);
            self.removed.push(credential);
        }
    }

    fn take_secrets(
        &mut self,
        id: UserId,
        key: &str,
        report: &mut ImportReport,
    ) -> Result<(), CentreError> {
        for kind in ["pin", "password"] {
            let Some(hash) = self.part.hashes.remove(&(key.to_owned(), kind)) else {
                continue;
            };
            let has = self.credentials.get(&id);
            let same = has.and_then(|has| has.iter().find(|one| kind_name(&one.kind) == kind));
            let credential = match same {
                Some(same) => same.id,
                None => CredentialId(new_uuid()?),
            };
            self.put.push(CredentialRecord {
                id: credential,
                user: id,
                kind: match kind {
                    "pin" => CredentialKind::Pin { hash },
                    _ => CredentialKind::Password { hash },
                },
                until_unix_ms: None,
                provisional: false,
            });
            report.secrets_set += 1;
        }
        Ok(())
    }

    async fn write(self, tx: &mut Tx, report: &mut ImportReport) -> Result<(), CentreError> {
        let mut users = Vec::new();
        for (id, before) in &self.changed {
            let Some(user) = self.users.get(id) else {
                continue;
            };
            match before {
                Some(before) if before == user => continue,
                Some(_) => report.users_changed += 1,
                None => report.users_added += 1,
            }
            let was_active = before.as_ref().is_none_or(|before| before.active);
            users.push((user.clone(), was_active));
        }
        // Whose card or secret alone is another one is another way as well.
        let theirs: HashSet<UserId> = self.put.iter().map(|one| one.user).collect();
        let more = theirs
            .iter()
            .filter(|user| !self.changed.contains_key(user));
        report.users_changed += u64::try_from(more.count()).unwrap_or(0);
        remove_all(tx, &self.removed).await?;
        let records: Vec<UserRecord> = users.iter().map(|(user, _)| user.clone()).collect();
        db::users::put(tx, &records).await?;
        tell_of(tx, &users).await?;
        db::credentials::put(tx, &self.put).await?;
        let told = self.put.iter().map(|one| RecordId::Credential(one.id));
        let told: Vec<_> = told.map(|id| (id, Standing::Kept)).collect();
        db::objects::change(tx, &told).await
    }
}
