// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What the tests of this crate share: a box with an empty database, and a centre that keeps a
//! directory and hands it out in pages of any size.

#![allow(
    dead_code,
    clippy::unwrap_used,
    reason = "each test file uses a part; a test ends where something unexpected happens"
)]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use platen_auth::{Applied, Cache, CacheError};
use platen_model::{
    CardKey, Changes, Clock, CredentialId, CredentialKind, CredentialRecord, GroupId, GroupRecord,
    ManualClock, NodeId, Record, RecordId, Revised, Settings, SiteId, Tombstone, UserId,
    UserRecord,
};
use platen_store::{Database, Keys, SimDisk};
use uuid::Uuid;

pub(crate) mod office;

/// The centre's clock, and every box's, as the tests begin.
pub(crate) const T0: u64 = 1_800_000_000_000;
pub(crate) const SITE: SiteId = SiteId(Uuid::from_u128(0x517e));

/// A box.
pub(crate) struct Box {
    pub(crate) dir: tempfile::TempDir,
    pub(crate) keys: Arc<Keys>,
    pub(crate) clock: Arc<ManualClock>,
    /// How often the database was opened.
    turns: AtomicU32,
}

impl Box {
    pub(crate) fn new() -> Self {
        Self {
            dir: tempfile::tempdir().unwrap(),
            keys: Arc::new(Keys::open(&SimDisk::new(1)).unwrap()),
            clock: Arc::new(ManualClock::at(T0)),
            turns: AtomicU32::new(0),
        }
    }

    /// Opens what the last database left on the disk, as after a power cut: a copy of it, because
    /// sled lets go of its files some time after it is dropped.
    pub(crate) fn database(&self) -> Database {
        let old = self.path();
        let turn = self.turns.fetch_add(1, Ordering::Relaxed);
        if turn > 0 {
            copy_database(&old, &self.path());
        }
        self.database_at(&self.path())
    }

    /// Where the database is that was opened last.
    pub(crate) fn path(&self) -> PathBuf {
        let turn = self.turns.load(Ordering::Relaxed);
        self.dir.path().join(format!("database-{turn}"))
    }

    pub(crate) fn database_at(&self, path: &Path) -> Database {
        Database::open(path, &self.keys).unwrap().0
    }

    pub(crate) fn cache(&self) -> Cache {
        self.cache_of(&self.database())
    }

    pub(crate) fn cache_of(&self, database: &Database) -> Cache {
        Cache::open(Arc::clone(&self.keys), database, self.clock.now()).unwrap()
    }

    pub(crate) fn node(&self) -> NodeId {
        NodeId(self.keys.box_uuid())
    }

    /// Pulls until there is nothing more, in pages of `size` records.
    pub(crate) fn pull(
        &self,
        cache: &Cache,
        centre: &Centre,
        size: usize,
    ) -> Result<Applied, CacheError> {
        loop {
            let page = centre.page(cache, self.node(), size);
            let applied = cache.apply(&page, self.clock.now())?;
            if applied.complete {
                return Ok(applied);
            }
        }
    }
}

/// What a power cut now would leave.
pub(crate) fn copy_database(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        if entry.file_type().unwrap().is_file() {
            fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
        }
    }
}

/// The centre's directory.
#[derive(Clone)]
pub(crate) struct Centre {
    pub(crate) generation: u64,
    pub(crate) keys: u32,
    pub(crate) revision: u64,
    pub(crate) objects: BTreeMap<RecordId, Revised>,
    pub(crate) gone: Vec<Tombstone>,
    pub(crate) unix_ms: u64,
}

impl Centre {
    pub(crate) fn new() -> Self {
        Self {
            generation: 1,
            keys: 1,
            revision: 0,
            objects: BTreeMap::new(),
            gone: Vec::new(),
            unix_ms: T0,
        }
    }

    pub(crate) fn put(&mut self, record: Record) -> RecordId {
        self.revision += 1;
        let (id, revision) = (record.id(), self.revision);
        self.objects.insert(id, Revised { revision, record });
        id
    }

    pub(crate) fn end(&mut self, id: RecordId) {
        self.revision += 1;
        self.objects.remove(&id);
        let revision = self.revision;
        self.gone.push(Tombstone { revision, id });
    }

    /// Everything after what the box has, `size` records at most.
    pub(crate) fn page(&self, cache: &Cache, node: NodeId, size: usize) -> Changes {
        let position = cache.position();
        let from = if position.generation == self.generation {
            position.revision
        } else {
            0
        };
        self.page_after(from, node, size)
    }

    pub(crate) fn page_after(&self, from: u64, node: NodeId, size: usize) -> Changes {
        let mut records: Vec<Revised> = self.objects.values().cloned().collect();
        records.retain(|one| one.revision > from);
        records.sort_by_key(|one| one.revision);
        let more = records.len() > size;
        records.truncate(size);
        let last = records.last().map_or(from, |one| one.revision);
        let tombstones = self.gone.iter().filter(|one| one.revision > from);
        Changes {
            site: SITE,
            node,
            generation: self.generation,
            keys: self.keys,
            at_unix_ms: self.unix_ms,
            from,
            to: if more { last } else { self.revision },
            latest: self.revision,
            tombstones: tombstones.copied().collect(),
            records,
        }
    }

    pub(crate) fn user(&mut self, number: u32) -> UserId {
        let record = user(number);
        let id = record.id;
        self.put(Record::User(record));
        id
    }

    pub(crate) fn credential(&mut self, user: UserId, kind: CredentialKind) -> CredentialId {
        let record = credential(user, kind);
        let id = record.id;
        self.put(Record::Credential(record));
        id
    }

    pub(crate) fn settings(&mut self, settings: Settings) {
        self.put(Record::Settings(settings));
    }
}

pub(crate) fn user_id(number: u32) -> UserId {
    UserId(Uuid::from_u128(0x1000_0000 + u128::from(number)))
}

/// A person: login `u<number>`, alias `alias<number>`, number as it is.
pub(crate) fn user(number: u32) -> UserRecord {
    UserRecord {
        id: user_id(number),
        login: format!("u{number}"),
        name: format!("Person {number}"),
        aliases: vec![format!("alias{number}")],
        number: Some(number.to_string()),
        groups: vec![GroupId(Uuid::from_u128(9))],
        active: true,
    }
}

pub(crate) fn group() -> Record {
    Record::Group(GroupRecord {
        id: GroupId(Uuid::from_u128(9)),
        name: "everybody".to_owned(),
    })
}

/// A credential with an id of its own.
pub(crate) fn credential(user: UserId, kind: CredentialKind) -> CredentialRecord {
    CredentialRecord {
        id: CredentialId(uuid::Builder::from_random_bytes(random()).into_uuid()),
        user,
        kind,
        until_unix_ms: None,
        provisional: false,
    }
}

fn random() -> [u8; 16] {
    platen_store::seal::random_bytes().unwrap()
}

pub(crate) fn card_key(number: u32) -> CardKey {
    let mut key = [0xca; 32];
    key[..4].copy_from_slice(&number.to_be_bytes());
    CardKey(key)
}

pub(crate) fn card(number: u32) -> CredentialKind {
    CredentialKind::Card {
        key: card_key(number),
        with_pin: false,
        proved: false,
    }
}

pub(crate) fn code(number: u32) -> CredentialKind {
    let CardKey(mut key) = card_key(number);
    key[31] = 0xc0;
    CredentialKind::Code { key: CardKey(key) }
}

pub(crate) fn code_key(number: u32) -> CardKey {
    match code(number) {
        CredentialKind::Code { key } => key,
        _ => unreachable!("it is a code"),
    }
}
