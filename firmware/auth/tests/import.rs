// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Importing users and cards: what is taken, what is refused and why, and that nothing is left in
//! clear.

#![allow(
    clippy::unwrap_used,
    reason = "a test ends where something unexpected happens"
)]

use std::path::Path;
use std::sync::Arc;

use platen_auth::{Directory, DirectoryError};
use platen_model::local::ImportReport;
use platen_model::{CardKey, Denied, Identity};
use platen_store::{Database, Disk, Keys, RealDisk, SimDisk};

struct Given {
    dir: tempfile::TempDir,
    disk: Arc<RealDisk>,
    keys: Arc<Keys>,
    directory: Directory,
}

impl Given {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let disk = Arc::new(RealDisk::open(dir.path().join("data")).unwrap());
        let keys = Arc::new(Keys::open(&*disk).unwrap());
        let directory = open(&(disk.clone() as Arc<dyn Disk>), &keys, disk.root());
        Self {
            dir,
            disk,
            keys,
            directory,
        }
    }

    fn import(&self, csv: impl AsRef<[u8]>) -> ImportReport {
        let card = |text: &str| card_key(&self.keys, text);
        self.directory.import(csv.as_ref(), card).unwrap()
    }

    fn tap(&self, card: &str) -> Result<Identity, Denied> {
        let key = card_key(&self.keys, card).unwrap();
        self.directory.identify(key)
    }

    fn who(&self, card: &str) -> String {
        self.tap(card).unwrap().name
    }

    fn counts(&self) -> (u64, u64, u64) {
        let counts = self.directory.counts();
        (counts.generation, counts.users, counts.cards)
    }
}

fn open(disk: &Arc<dyn Disk>, keys: &Arc<Keys>, root: &Path) -> Directory {
    let (database, _) = Database::open(&root.join("database"), keys).unwrap();
    Directory::open(Arc::clone(disk), Arc::clone(keys), &database).unwrap()
}

fn card_key(keys: &Keys, text: &str) -> Result<CardKey, &'static str> {
    let digits: String = text.chars().filter(|c| !":- ".contains(*c)).collect();
    let whole =
        matches!(digits.len(), 8 | 14 | 20) && digits.chars().all(|c| c.is_ascii_hexdigit());
    let whole = whole.then(|| digits.to_lowercase());
    whole
        .map(|digits| keys.card_key(digits.as_bytes()))
        .ok_or("not 4, 7 or 10 bytes in hexadecimal")
}

fn figures(report: &ImportReport) -> (usize, usize, usize, usize) {
    let ImportReport {
        users_added,
        users_changed,
        cards_bound,
        errors,
    } = report;
    (*users_added, *users_changed, *cards_bound, errors.len())
}

#[test]
fn a_file_from_an_office_is_taken_whole() {
    let given = Given::new();
    let csv = "\u{feff}Card,USER,name,aliases,active\r\n\
        04:A1:B2:C3:D4:E5:80,wangwei,王伟,\"王伟;W.Wei\",\r\n\
        \"DEADBEEF;01020304\",ann,\"Smith, Ann \"\"Annie\"\"\",,yes\r\n\
        \r\n\
        11-22-33-44-55-66-77-88-99-AA,ann,,a.smith,\r\n\
        ,bob,Bob,,no\r\n\
        0a0b0c0d,carl,Carl,,false";
    assert_eq!(figures(&given.import(csv)), (4, 0, 5, 0));
    assert_eq!(given.counts(), (1, 4, 5));
    assert_eq!(given.who("04a1b2c3d4e580"), "wangwei");
    for card in ["deadbeef", "01020304", "112233445566778899aa"] {
        assert_eq!(given.who(card), "ann");
    }
    let ann = given.tap("deadbeef").unwrap();
    for name in ["ann", "A.Smith", "OFFICE\\ann", "ann@OFFICE.EXAMPLE"] {
        let key = given.keys.owner_key(name);
        assert!(ann.owner_keys.contains(&key), "{name}");
        assert_eq!(given.directory.owner(key), Some(ann.user));
    }
    let kept = given.directory.user(ann.user).unwrap();
    assert_eq!(kept.name, "Smith, Ann \"Annie\"");
    assert_eq!(given.tap("0a0b0c0d"), Err(Denied::UserDisabled));
    assert_eq!(given.tap("0a0b0c0e"), Err(Denied::UnknownCard));
}

#[test]
fn the_same_file_again_changes_nothing() {
    let given = Given::new();
    let csv = "user,card,aliases\nann,deadbeef,b;a\nann,01020304,c\nbob,,\n";
    assert_eq!(figures(&given.import(csv)), (2, 0, 2, 0));
    let ann = given.tap("deadbeef").unwrap().user;
    assert_eq!(figures(&given.import(csv)), (0, 0, 0, 0));
    assert_eq!(given.counts(), (1, 2, 2));
    // A name written another way is the same user with the same id.
    assert_eq!(figures(&given.import("user\nOFFICE\\Ann\n")), (0, 0, 0, 0));
    assert_eq!(given.tap("deadbeef").unwrap().user, ann);
}

#[test]
fn each_broken_row_is_named_and_the_others_are_taken() {
    let given = Given::new();
    given.import("user,card,aliases\nold,aaaaaaaa,oldie;elder\n");
    let rows: [(&str, &str); 16] = [
        ("ann,A,deadbeef,,true", ""),
        ("bob,B,deadbeef,,", "a card belongs to the user on line 2"),
        ("bob,B,aaaaaaaa,,", "a card belongs to another user"),
        ("bob,B,12345,,", "card: not 4, 7 or 10 bytes in hexadecimal"),
        ("bob,B,,ann,", "an alias belongs to the user on line 2"),
        ("bob,B,,Elder,", "an alias belongs to another user"),
        ("oldie,O,,,", "the user name is an alias of another user"),
        ("ann,Other,,,", "the name differs from line 2"),
        ("ann,,,,0", "active differs from line 2"),
        (",N,01020304,,", "the user name is empty"),
        ("bob,B,,,maybe", "active: say true or false"),
        ("bob,B", "the row has 2 fields, the header 5"),
        ("bob,\"B,,,", "a quoted field does not end on its line"),
        ("bo\u{7}b,B,,,", "user: holds a control character"),
        ("zoe,Z,05060708,ann2,", ""),
        ("bob,B,01020304;01020304,bob;bobby,", ""),
    ];
    let mut csv = String::from("user,name,card,aliases,active\n");
    rows.iter()
        .for_each(|(row, _)| csv.push_str(&format!("{row}\n")));
    let report = given.import(&csv);
    let expected: Vec<(usize, String)> = rows
        .iter()
        .enumerate()
        .filter(|(_, (_, why))| !why.is_empty())
        .map(|(index, (_, why))| (index + 2, (*why).to_owned()))
        .collect();
    assert_eq!(report.errors, expected);
    assert_eq!((report.users_added, report.cards_bound), (3, 3));
    assert_eq!(given.who("deadbeef"), "ann");
    assert_eq!(given.who("01020304"), "bob");
    assert_eq!(given.who("aaaaaaaa"), "old");
}

#[test]
fn the_file_has_the_last_word_on_whom_it_names_and_on_nobody_else() {
    let given = Given::new();
    given.import(
        "user,name,card,aliases\nann,Ann,deadbeef,a1\nbob,Bob,01020304,\ncat,Cat,0a0b0c0d,\n",
    );
    // Ann's card is lost, Bob gets it; Cat is not in the file; names stay without their column.
    let report = given.import("user,card,aliases\nann,11111111,\nbob,deadbeef,a1\n");
    assert_eq!(figures(&report), (0, 2, 2, 0));
    assert_eq!(given.who("deadbeef"), "bob");
    assert_eq!(given.who("11111111"), "ann");
    assert_eq!(given.who("0a0b0c0d"), "cat");
    assert_eq!(given.tap("01020304"), Err(Denied::UnknownCard));
    let a1 = given.keys.owner_key("a1");
    let bob = given.tap("deadbeef").unwrap();
    assert_eq!(given.directory.owner(a1), Some(bob.user));
    assert_eq!(given.directory.user(bob.user).unwrap().name, "Bob");
    // A refused row costs Cat no card.
    let report = given.import("user,card\ncat,22222222\ncat,oops\n");
    assert_eq!(figures(&report), (0, 1, 1, 1));
    assert_eq!(given.who("0a0b0c0d"), "cat");
    assert_eq!(given.who("22222222"), "cat");
    assert_eq!(given.counts(), (3, 3, 4));
}

#[test]
fn a_wrong_header_takes_nothing_and_names_its_columns() {
    let given = Given::new();
    let table: [(&[u8], &str); 6] = [
        (
            b"user,badge,phone\nann,1,2\n",
            "unknown column badge, phone",
        ),
        (b"name,card\nAnn,deadbeef\n", "there is no column user"),
        (b"user,card,Card\nann,,\n", "column card is there twice"),
        (b"", "the file is empty"),
        (b"\"user\nann\n", "a quoted field does not end"),
        (b"\xff\xfeu\0s\0e\0r\0\n", "not UTF-8"),
    ];
    for (csv, expected) in table {
        let card = |text: &str| card_key(&given.keys, text);
        let error = given.directory.import(csv, card).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
    assert_eq!(given.counts(), (0, 0, 0));
}

#[test]
fn rows_beyond_the_limit_refuse_the_file_and_refusals_are_counted() {
    let given = Given::new();
    let card = |text: &str| card_key(&given.keys, text);
    let csv = format!("user\n{}", "x\n".repeat(100_001));
    let error = given.directory.import(csv.as_bytes(), card).unwrap_err();
    assert!(matches!(error, DirectoryError::TooManyRows), "{error:?}");
    let report = given.import(format!("user,name\n{}", "x\n".repeat(5000)));
    assert_eq!(report.errors.len(), 1001);
    assert_eq!(report.errors[1000].1, "and 4000 more rows were not taken");
}

#[test]
fn twenty_thousand_users_are_found_by_each_of_their_cards() {
    let given = Given::new();
    let mut csv = String::from("user,name,card,aliases\n");
    for n in 0..20_000_u32 {
        let cards = format!("{n:08x};{n:014x};{n:020x}");
        csv.push_str(&format!("user{n},Person {n},{cards},p.{n}\n"));
    }
    let started = clock();
    assert_eq!(figures(&given.import(&csv)), (20_000, 0, 60_000, 0));
    let imported = clock() - started;
    let started = clock();
    let lookups = 10_000_u32;
    for n in (0..lookups).map(|n| n.wrapping_mul(7919) % 20_000) {
        let card = match n % 3 {
            0 => format!("{n:08x}"),
            1 => format!("{n:014x}"),
            _ => format!("{n:020x}"),
        };
        assert_eq!(given.who(&card), format!("user{n}"));
    }
    let each = (clock() - started) / lookups;
    let size = std::fs::metadata(given.disk.root().join("users/directory.sealed"))
        .unwrap()
        .len();
    println!("import {imported:?}, lookup {each:?}, file {size} bytes");
    // What a lookup costs depends on the machine and is only printed; what it reads does not.
    assert!(
        size < 8 * 1024 * 1024,
        "{size} bytes are read again after each change"
    );
}

#[allow(clippy::disallowed_methods, reason = "measures, decides nothing")]
fn clock() -> std::time::Instant {
    std::time::Instant::now()
}

#[test]
fn a_lost_or_stale_index_is_made_again_from_the_file() {
    let Given {
        dir,
        disk,
        keys,
        directory,
    } = Given::new();
    let card = |text: &str| card_key(&keys, text);
    directory
        .import(&b"user,card\nann,deadbeef\n"[..], card)
        .unwrap();
    drop(directory);
    // Generation 2 is written with another database: the first one's tables are stale.
    let disk: Arc<dyn Disk> = disk;
    let elsewhere = open(&disk, &keys, &dir.path().join("elsewhere"));
    let tap = |directory: &Directory, number| directory.identify(card(number).unwrap());
    assert_eq!(tap(&elsewhere, "deadbeef").unwrap().name, "ann");
    elsewhere
        .import(&b"user,card\nann,01020304\n"[..], card)
        .unwrap();
    drop(elsewhere);
    let directory = open(&disk, &keys, &dir.path().join("data"));
    assert_eq!(tap(&directory, "deadbeef"), Err(Denied::UnknownCard));
    assert_eq!(tap(&directory, "01020304").unwrap().name, "ann");
    assert_eq!(directory.counts().generation, 2);
}

#[test]
fn no_name_and_no_card_number_is_in_any_file() {
    let Given {
        dir,
        keys,
        directory,
        ..
    } = Given::new();
    let csv = "user,name,card,aliases\nzanzibar,Zoë Zanzibar,04A1B2C3D4E580,zz.top\n";
    let card = |text: &str| card_key(&keys, text);
    directory.import(csv.as_bytes(), card).unwrap();
    drop(directory);
    let raw = [0x04, 0xa1, 0xb2, 0xc3, 0xd4, 0xe5, 0x80];
    let secrets: [&[u8]; 5] = [b"zanzibar", b"Zanzibar", b"zz.top", b"04a1b2c3d4e580", &raw];
    let mut files = 0;
    let mut dirs = vec![dir.path().to_owned()];
    while let Some(path) = dirs.pop() {
        for entry in std::fs::read_dir(path).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                dirs.push(path);
                continue;
            }
            files += 1;
            let bytes = std::fs::read(&path).unwrap();
            for secret in secrets {
                let found = bytes.windows(secret.len()).any(|at| at == secret);
                assert!(
                    !found,
                    "{} in {}",
                    String::from_utf8_lossy(secret),
                    path.display()
                );
            }
        }
    }
    assert!(files > 2, "{files} files");
}

#[test]
fn a_changed_or_cut_directory_file_is_refused() {
    let disk = SimDisk::new(1);
    let keys = Arc::new(Keys::open(&disk).unwrap());
    let dir = tempfile::tempdir().unwrap();
    let shared: Arc<dyn Disk> = Arc::new(disk.clone());
    let directory = open(&shared, &keys, dir.path());
    let card = |text: &str| card_key(&keys, text);
    directory
        .import(&b"user,card\nann,deadbeef\n"[..], card)
        .unwrap();
    drop(directory);
    let path = Path::new("users/directory.sealed");
    let whole = disk
        .files()
        .into_iter()
        .find(|(name, _)| name == path)
        .unwrap()
        .1;
    // Each time without an index, so that the whole file is read.
    let opened = |bytes: &[u8], index: &str| {
        disk.truncate(path, 0).unwrap();
        disk.append(path).unwrap().write_all(bytes).unwrap();
        let (database, _) = Database::open(&dir.path().join(index), &keys).unwrap();
        Directory::open(Arc::clone(&shared), Arc::clone(&keys), &database)
    };
    for at in (0..whole.len()).step_by(5) {
        let mut changed = whole.clone();
        changed[at] ^= 1;
        assert!(
            opened(&changed, &format!("changed-{at}")).is_err(),
            "byte {at}"
        );
    }
    for at in [0, 10, 35, 36, 39, 60, whole.len() - 1] {
        assert!(
            opened(&whole[..at], &format!("cut-{at}")).is_err(),
            "cut {at}"
        );
    }
    let longer = [whole.as_slice(), b"x"].concat();
    assert!(opened(&longer, "longer").is_err());
    assert_eq!(opened(&whole, "whole").unwrap().counts().users, 1);
}

#[test]
fn power_loss_at_any_sync_of_an_import_leaves_the_old_or_the_new_directory() {
    let mut cuts = 0;
    for seed in 0..20 {
        for cut in 0.. {
            let disk = SimDisk::new(seed);
            let keys = Arc::new(Keys::open(&disk).unwrap());
            disk.sync_dir(Path::new("")).unwrap();
            let dir = tempfile::tempdir().unwrap();
            let shared: Arc<dyn Disk> = Arc::new(disk.clone());
            let directory = open(&shared, &keys, dir.path());
            let card = |text: &str| card_key(&keys, text);
            let old = b"user,card\nann,deadbeef\n";
            directory.import(&old[..], card).unwrap();
            disk.freeze_at_sync(disk.syncs() + cut);
            let new = b"user,card\nann,01020304\nbob,0a0b0c0d\n";
            let taken = directory.import(&new[..], card).is_ok();
            drop(directory);
            let survived: Arc<dyn Disk> = Arc::new(disk.crash());
            let directory = open(&survived, &keys, dir.path());
            let counts = directory.counts();
            let tap = |number| directory.identify(card(number).unwrap()).is_ok();
            match counts.generation {
                1 => assert!(!taken && tap("deadbeef") && !tap("01020304")),
                2 => assert!(!tap("deadbeef") && tap("01020304") && tap("0a0b0c0d")),
                other => panic!("generation {other}, seed {seed}, cut {cut}"),
            }
            if taken {
                break;
            }
            cuts += 1;
        }
    }
    assert!(cuts >= 40, "{cuts} cut points");
}
