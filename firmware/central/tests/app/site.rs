// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A site for one test, on one of both databases, and a box that keeps a journal.

use std::future::Future;
use std::sync::Arc;

use platen_bed::postgres::Postgres;
use platen_central::app::{Actor, Centre, NewNode, NewUser, Vault};
use platen_model::journal::Outcome;
use platen_model::{
    Entry, JobId, JobNumber, LeaseId, ManualClock, NodeId, PrinterName, QuotaId, Share, Stamp,
    UserId,
};
use platen_sync::message::{
    EnrolAsk, Hash, LeaseWant, Link, Pull, Push, SentEntry, VERSION, Verdict,
};
use ring::digest::{SHA256, digest};
use tempfile::TempDir;
use uuid::Uuid;

/// 2026-11-23, noon.
pub(crate) const NOON: u64 = 1_795_435_200_000;

/// Runs one case on both databases, each as a test of its own.
macro_rules! on_both {
    ($($case:ident)*) => {
        mod sqlite { $( #[test] fn $case() { crate::site::on_sqlite(super::$case); } )* }
        mod postgres { $( #[test] fn $case() { crate::site::on_postgres(super::$case); } )* }
    };
}
pub(crate) use on_both;

/// A site.
pub(crate) struct Site {
    pub(crate) centre: Centre,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) url: String,
    pub(crate) folder: TempDir,
}

pub(crate) fn on_sqlite<F: Future<Output = ()>>(case: impl FnOnce(Site) -> F) {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}/central.db", folder.path().display());
    smol::block_on(async { case(Site::open(url, folder).await).await });
}

pub(crate) fn on_postgres<F: Future<Output = ()>>(case: impl FnOnce(Site) -> F) {
    let folder = tempfile::tempdir().unwrap();
    let url = Postgres::shared().unwrap().database().unwrap();
    smol::block_on(async { case(Site::open(url, folder).await).await });
}

pub(crate) fn vault() -> Vault {
    Vault::new(&[7; 32])
}

impl Site {
    pub(crate) async fn open(url: String, folder: TempDir) -> Self {
        let clock = Arc::new(ManualClock::at(NOON));
        let centre = Centre::open(&url, vault(), clock.clone()).await.unwrap();
        Self {
            centre,
            clock,
            url,
            folder,
        }
    }

    /// Another server on the same database.
    pub(crate) async fn second(&self) -> Centre {
        let centre = Centre::open(&self.url, vault(), self.clock.clone()).await;
        centre.unwrap()
    }

    /// The database itself, behind the centre's back.
    pub(crate) async fn sql(&self, statement: &'static str) -> u64 {
        let mut connection = self.connection().await;
        let done = sqlx::query(statement).execute(&mut connection).await;
        done.unwrap().rows_affected()
    }

    /// One number from the database.
    pub(crate) async fn number(&self, statement: &'static str) -> i64 {
        let mut connection = self.connection().await;
        let number = sqlx::query_scalar(statement).fetch_one(&mut connection);
        number.await.unwrap()
    }

    async fn connection(&self) -> sqlx::AnyConnection {
        use sqlx::Connection as _;
        sqlx::AnyConnection::connect(&self.url).await.unwrap()
    }

    pub(crate) async fn user(&self, login: &str) -> UserId {
        let new = NewUser {
            login: login.to_owned(),
            ..NewUser::default()
        };
        self.centre.create_user(&ADMIN, new).await.unwrap()
    }

    /// A box that is a member.
    pub(crate) async fn member(&self, number: u8) -> TestBox {
        let node = NodeId(Uuid::from_bytes([number; 16]));
        let ask = enrol_ask(node, number);
        self.centre.enrol_ask(&ask).await.unwrap();
        let accepted = self.centre.accept_enrolment(&ADMIN, new_node(&ask)).await;
        accepted.unwrap();
        TestBox::new(node)
    }
}

pub(crate) const ADMIN: Actor = Actor::Program;

pub(crate) fn enrol_ask(node: NodeId, number: u8) -> EnrolAsk {
    EnrolAsk {
        version: VERSION,
        node,
        name: format!("box {number}"),
        csr: vec![number; 100],
        nonce: Hash([number; 32]),
        proof: Hash([number; 32]),
    }
}

pub(crate) fn new_node(ask: &EnrolAsk) -> NewNode {
    NewNode {
        node: ask.node,
        name: ask.name.clone(),
        nonce: ask.nonce,
        fingerprint: ask.nonce.0,
        until_unix_ms: NOON + 1_000_000,
        enrolment: b"who you are".to_vec(),
        proof: Hash([9; 32]),
    }
}

pub(crate) fn stamp() -> Stamp {
    Stamp {
        unix_ms: NOON,
        elapsed_ms: 1,
        trusted: true,
    }
}

pub(crate) fn pull(generation: u64, after: u64) -> Pull {
    Pull {
        version: VERSION,
        at: stamp(),
        generation,
        after,
        wait_ms: 0,
        leases_upto: 0,
        offers: 0,
    }
}

/// A box with a journal whose chain is like the real one's: each hash covers all before it.
#[derive(Clone)]
pub(crate) struct TestBox {
    pub(crate) node: NodeId,
    pub(crate) entries: Vec<SentEntry>,
    /// What the centre has.
    pub(crate) kept: Link,
    pub(crate) leases_upto: u64,
    pub(crate) generation: u64,
}

impl TestBox {
    pub(crate) fn new(node: NodeId) -> Self {
        Self {
            node,
            entries: Vec::new(),
            kept: Link::default(),
            leases_upto: 0,
            generation: 1,
        }
    }

    pub(crate) fn write(&mut self, entry: &Entry) {
        let mut bytes = Vec::new();
        ciborium::into_writer(entry, &mut bytes).unwrap();
        self.write_raw(bytes);
    }

    pub(crate) fn write_raw(&mut self, entry: Vec<u8>) {
        let last = self
            .entries
            .last()
            .map_or(Link::default(), |entry| entry.link);
        let hash = digest(&SHA256, &[last.hash.0.as_slice(), &entry].concat());
        let link = Link {
            sequence: last.sequence + 1,
            hash: Hash(hash.as_ref().try_into().unwrap()),
        };
        self.entries.push(SentEntry {
            link,
            at: stamp(),
            entry,
        });
    }

    /// Everything behind what the centre has.
    pub(crate) fn push(&self) -> Push {
        let behind = |entry: &&SentEntry| entry.link.sequence > self.kept.sequence;
        Push {
            version: VERSION,
            at: stamp(),
            after: self.kept,
            entries: self.entries.iter().filter(behind).cloned().collect(),
            head: self.entries.last().map_or(0, |entry| entry.link.sequence),
            jobs: Vec::new(),
            wants: Vec::new(),
            leases_upto: self.leases_upto,
            generation: self.generation,
            running: None,
        }
    }

    /// Pushes until the centre has all of it.
    pub(crate) async fn sync(&mut self, centre: &Centre) {
        self.sync_wanting(centre, Vec::new()).await;
    }

    /// The same, with wants; returns the leases that came.
    pub(crate) async fn sync_wanting(
        &mut self,
        centre: &Centre,
        wants: Vec<LeaseWant>,
    ) -> platen_sync::message::LeaseNews {
        for _ in 0..10 {
            let mut push = self.push();
            push.wants.clone_from(&wants);
            let answer = centre.receive(self.node, &push).await.unwrap();
            match answer.verdict {
                Verdict::Kept(link) => self.kept = link,
                Verdict::SendAfter(link) => self.kept = link,
                _ => panic!("no other verdict"),
            }
            if self.kept.sequence == push.head {
                let last = answer.leases.fresh.last();
                let upto = last.map_or(0, |lease| lease.serial);
                self.leases_upto = self.leases_upto.max(upto);
                return answer.leases;
            }
        }
        panic!("the centre never had all of it");
    }
}

pub(crate) fn job(number: u8) -> JobId {
    JobId(Uuid::from_bytes([number; 16]))
}

pub(crate) fn share(quota: QuotaId, lease: Option<LeaseId>, amount: u64) -> Share {
    Share {
        quota,
        lease,
        amount,
    }
}

/// The entry that charges a job.
pub(crate) fn settled(job: JobId, user: Option<UserId>, shares: Vec<Share>) -> Entry {
    Entry::Settled {
        job,
        number: JobNumber(1),
        user,
        printer: PrinterName("hall".to_owned()),
        attempt: 1,
        outcome: Outcome::Completed,
        count: None,
        octets: 1000,
        impressions: Some(3),
        confirmed_by: None,
        charged: true,
        shares,
        cost: None,
    }
}
