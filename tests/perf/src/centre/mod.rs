// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What a central server on PostgreSQL does for many boxes at once, on this machine, with whoever asks
//! on the same processors: logins, journals that come up, directories that go down; and what a box does
//! with its copy when the centre is gone.

mod boxes;
mod figures;
mod logins;
mod offline;
mod traffic;

use std::error::Error;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use platen_bed::central::{Central, CentralConfig};
use platen_bed::postgres::Postgres;
use platen_bed::wait::Stopwatch;
use serde::Serialize;

pub use self::logins::LoginRun;
pub use self::offline::OfflineRun;
pub use self::traffic::{PushRun, SnapshotRun};

use self::boxes::{ThinBox, card_login, new_node, password_login};
use self::offline::Copy;

/// People of the site, and the cards that each of them has.
const USERS: usize = 20_000;
const CARDS: usize = 3;
/// People with a password: hashing one takes as long as comparing one.
const WITH_PASSWORD: usize = 100;
/// Boxes that ask, and connections of each that stay open: 1,000 in all.
const BOXES: usize = 10;
const CONNECTIONS: usize = 100;
const CARD_ROUNDS: usize = 10;
const PASSWORD_ROUNDS: usize = 3;
/// Logins by the copy of one box.
const OFFLINE: usize = 5_000;

/// What it all gave.
#[derive(Clone, Debug, Serialize)]
pub struct CentreRun {
    /// Database that the server kept its site in.
    pub database: &'static str,
    /// Seconds that taking the people and their cards took.
    pub import_s: f64,
    /// Logins at the centre.
    pub logins: Vec<LoginRun>,
    /// Journals that come up.
    pub push: PushRun,
    /// A directory that goes down, into a box's copy.
    pub snapshot: SnapshotRun,
    /// Logins by that copy.
    pub offline: OfflineRun,
}

/// Starts a PostgreSQL and a central server below `work`, and measures.
///
/// # Errors
/// When something does not start, or an answer is not what it should be.
pub fn run(work: &Path) -> Result<CentreRun, Box<dyn Error>> {
    let folder = tempfile::TempDir::new_in(work)?;
    let postgres = Postgres::start_durable(&folder.path().join("postgres"))?;
    let mut config = CentralConfig::new(&folder.path().join("central"))?;
    config.database = Some(postgres.database()?);
    let url = config.url();
    let central = Central::start(config)?;
    let import_s = import(&central, folder.path())?;
    let typed = |code: &str| -> Result<(), Box<dyn Error>> {
        central.ctl(&["nodes", "enrol", code])?;
        Ok(())
    };
    let copy = Copy::open(&folder.path().join("box"))?;
    let mut boxes = Vec::new();
    for number in 0..BOXES {
        // The copy belongs to the first: pages are made for one box.
        let node = match number {
            0 => copy.node,
            _ => new_node()?,
        };
        let enrolled = ThinBox::enrol(&url, node, CONNECTIONS, typed);
        boxes.push(smol::block_on(enrolled)?);
    }
    let first = boxes.first().ok_or("no box")?;
    let snapshot = smol::block_on(traffic::snapshot(first, |page| copy.take(page)))?;
    let cards: Vec<_> = (0..OFFLINE)
        .map(|n| first.card(&card_number(n * 7 % USERS, n % CARDS)))
        .collect::<Option<_>>()
        .ok_or("the site has no key for cards")?;
    let offline = copy.log_in(&cards)?;
    let push = smol::block_on(traffic::push(first))?;
    let by_card = logins::run(
        "card",
        &boxes,
        BOXES * CONNECTIONS,
        CARD_ROUNDS,
        |thin, person| thin.card(&card_number(person % USERS, 0)).map(card_login),
    )?;
    let by_password = logins::run(
        "password",
        &boxes,
        WITH_PASSWORD,
        PASSWORD_ROUNDS,
        |_, person| {
            let person = person % WITH_PASSWORD;
            Some(password_login(login(person), &password(person)))
        },
    )?;
    central.stop()?;
    Ok(CentreRun {
        database: "PostgreSQL",
        import_s,
        logins: vec![by_card, by_password],
        push,
        snapshot,
        offline,
    })
}

/// Imports the people and gives some of them passwords, as an administrator does.
fn import(central: &Central, folder: &Path) -> Result<f64, Box<dyn Error>> {
    let mut rows = String::from("user,name,card\n");
    for user in 0..USERS {
        let cards: Vec<String> = (0..CARDS)
            .map(|card| hex(&card_number(user, card)))
            .collect();
        writeln!(rows, "{},Person {user},{}", login(user), cards.join(";"))?;
    }
    let file = folder.join("people.csv");
    fs::write(&file, rows)?;
    let watch = Stopwatch::start();
    central.ctl(&["users", "import", &file.to_string_lossy()])?;
    let seconds = watch.elapsed().as_secs_f64();
    for user in 0..WITH_PASSWORD {
        central.ctl_typed(&["password", "set", &login(user)], &password(user))?;
    }
    Ok(seconds)
}

fn login(user: usize) -> String {
    format!("person{user:05}")
}

fn password(user: usize) -> String {
    format!("long and plain {user}")
}

/// A number of seven bytes that no other card has.
fn card_number(user: usize, card: usize) -> [u8; 7] {
    let mut number = [4; 7];
    let counted = u32::try_from(user * CARDS + card).unwrap_or(u32::MAX);
    number[3..].copy_from_slice(&counted.to_be_bytes());
    number
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02X}")).collect()
}
