// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What a full copy costs a box: 20,000 people with 60,000 credentials. Prints the time of the first
//! full copy, of opening it, of logins by card from it, and what is resident in memory.
//!
//! `cargo run --release -p platen-auth --example login_figures [PEOPLE [FOLDER]]`; with a folder the
//! copy is kept there, and a second run shows what a restarted box needs.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use platen_auth::session::{Input, Patience, Place};
use platen_auth::tries::Side;
use platen_auth::{Cache, Door, PhoneCodes, Session, Step, Tries, Verifier};
use platen_model::{
    CardKey, Changes, Clock, CredentialId, CredentialKind, CredentialRecord, ManualClock, NodeId,
    Record, Revised, SiteId, UserId, UserRecord,
};
use platen_store::{Database, Keys, RealDisk};
use uuid::Uuid;

/// Records of one page, as a centre sends them.
const PAGE: u64 = 1000;
const TAPS: u32 = 20_000;

type Failed = Box<dyn std::error::Error>;

/// Work is timed by the processor's clock here: what this program is for.
#[expect(clippy::disallowed_methods, reason = "it measures")]
fn timed<T>(work: impl FnOnce() -> T) -> (T, Duration) {
    let start = std::time::Instant::now();
    let done = work();
    (done, start.elapsed())
}

fn main() -> Result<(), Failed> {
    let people: u32 = std::env::args()
        .nth(1)
        .map_or(Ok(20_000), |text| text.parse())?;
    let scratch = tempfile::tempdir()?;
    let dir = std::env::args()
        .nth(2)
        .map_or(scratch.path().to_owned(), PathBuf::from);
    let keys = Arc::new(Keys::open(&RealDisk::open(&dir)?)?);
    let clock = ManualClock::at(1_800_000_000_000);
    let path = dir.join("database");
    println!("before: {}", resident());
    if !path.exists() {
        let (database, _) = Database::open(&path, &keys)?;
        let cache = Cache::open(Arc::clone(&keys), &database, clock.now())?;
        let (filled, took) = timed(|| fill(&cache, &keys, people, &clock));
        filled?;
        println!("first copy of {people} people: {took:.1?}, {}", resident());
        let length = std::fs::metadata(path.join("db"))?.len();
        println!("on disk: {:.1} MB", mega(length));
    }
    let (opened, took) = timed(|| Database::open(&path, &keys));
    let (database, _) = opened?;
    let (cache, more) = timed(|| Cache::open(Arc::clone(&keys), &database, clock.now()));
    println!("opening: {took:.1?} and {more:.1?}, {}", resident());
    taps(Arc::new(cache?), &database, people, &clock)?;
    println!("after: {}", resident());
    Ok(())
}

/// Four records a person: the person, two cards, a PIN.
fn fill(cache: &Cache, keys: &Keys, people: u32, clock: &ManualClock) -> Result<(), Failed> {
    let latest = u64::from(people) * 4;
    let node = NodeId(keys.box_uuid());
    for from in (0..latest).step_by(usize::try_from(PAGE)?) {
        let to = (from + PAGE).min(latest);
        let records = (from + 1..=to).map(revised).collect();
        let page = Changes {
            site: SiteId(Uuid::from_u128(1)),
            node,
            generation: 1,
            keys: 1,
            at_unix_ms: clock.now().unix_ms,
            from,
            to,
            latest,
            tombstones: Vec::new(),
            records,
        };
        cache.apply(&page, clock.now())?;
    }
    Ok(())
}

fn revised(revision: u64) -> Revised {
    let (number, part) = ((revision - 1) / 4, (revision - 1) % 4);
    let user = UserId(Uuid::from_u128(u128::from(number) + 1));
    let credential = |kind| {
        Record::Credential(CredentialRecord {
            id: CredentialId(Uuid::from_u128(1 << 64 | u128::from(revision))),
            user,
            kind,
            until_unix_ms: None,
            provisional: false,
        })
    };
    let record = match part {
        0 => Record::User(UserRecord {
            id: user,
            login: format!("person.{number}"),
            name: format!("Person Number {number}"),
            aliases: vec![format!("p{number}")],
            number: Some(number.to_string()),
            groups: vec![platen_model::GroupId(Uuid::from_u128(u128::from(
                number % 50,
            )))],
            active: true,
        }),
        3 => credential(CredentialKind::Pin {
            hash: "$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHRzb21lc2FsdA$\
                AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
                .to_owned(),
        }),
        card => credential(CredentialKind::Card {
            key: card_key(number, card),
            with_pin: false,
            proved: false,
        }),
    };
    Revised { revision, record }
}

/// Spread like hashes are, so that no tap finds its neighbour's page.
fn card_key(number: u64, card: u64) -> CardKey {
    let mut key = [0; 32];
    let spread = (number * 2 + card).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    key[..8].copy_from_slice(&spread.to_be_bytes());
    CardKey(key)
}

fn taps(
    cache: Arc<Cache>,
    database: &Database,
    people: u32,
    clock: &ManualClock,
) -> Result<(), Failed> {
    let door = Arc::new(Door {
        people: cache,
        tries: Arc::new(Tries::open(database, clock.now())?),
        verifier: Arc::new(Verifier::new(1, 16)),
        phones: Arc::new(PhoneCodes::new()?),
        patience: Patience::default(),
    });
    let place = Place {
        name: "desk".to_owned(),
        pad: false,
        screen: false,
        centre: false,
        side: Side::Panel,
    };
    let mut times = Vec::new();
    for tap in 0..TAPS {
        let number = u64::from(tap.wrapping_mul(7919) % people);
        let input = Input::Card {
            key: card_key(number, 1 + u64::from(tap % 2)),
            proved: false,
        };
        let place = place.clone();
        let ((_, step), took) = timed(|| Session::begin(&door, place, input, clock.now()));
        if !matches!(step, Step::In(_)) {
            return Err(format!("tap {tap} was not let in: {step:?}").into());
        }
        times.push(took);
    }
    times.sort_unstable();
    let at = |per_cent: usize| {
        times
            .get(times.len() * per_cent / 100)
            .copied()
            .unwrap_or_default()
    };
    let slowest = times.last().copied().unwrap_or_default();
    println!(
        "card login, {TAPS} taps: p50 {:.0?}, p99 {:.0?}, slowest {slowest:.0?}",
        at(50),
        at(99)
    );
    Ok(())
}

/// `VmRSS` of this process.
fn resident() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    format!("resident {}", line.unwrap_or("unknown").trim())
}

#[expect(clippy::cast_precision_loss, reason = "for a person to read")]
fn mega(octets: u64) -> f64 {
    octets as f64 / 1e6
}
