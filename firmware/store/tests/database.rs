// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The guarded database: tables, batches, and starting empty from a damaged directory.

#![allow(clippy::unwrap_used, reason = "a failed step is a failed test")]

use std::fs;
use std::ops::Bound;
use std::path::Path;
use std::sync::Arc;

use platen_store::{Batch, Database, DatabaseError, Keys, OpenOutcome, SimDisk, Table};

fn keys() -> Arc<Keys> {
    Arc::new(Keys::open(&SimDisk::new(1)).unwrap())
}

/// A database with some rows, closed again.
fn filled(path: &Path, keys: &Arc<Keys>) {
    let (database, outcome) = Database::open(path, keys).unwrap();
    assert_eq!(outcome, OpenOutcome::Created);
    let table = database.table::<String>("names").unwrap();
    for number in 0_u32..2000 {
        table
            .insert(&number.to_be_bytes(), &format!("secret name {number}"))
            .unwrap();
    }
    database.commit().unwrap();
}

#[test]
fn rows_come_back_in_order_after_reopening() {
    let dir = tempfile::tempdir().unwrap();
    let (path, keys) = (dir.path().join("database"), keys());
    filled(&path, &keys);
    let (database, outcome) = Database::open(&path, &keys).unwrap();
    assert_eq!(outcome, OpenOutcome::Opened);
    let table: Table<String> = database.table("names").unwrap();
    assert_eq!(table.len().unwrap(), 2000);
    let from = 10_u32.to_be_bytes();
    let mut rows = table.range(Bound::Excluded(&from), Bound::Unbounded);
    assert_eq!(
        rows.next().unwrap().unwrap(),
        (11_u32.to_be_bytes().to_vec(), "secret name 11".into())
    );
    assert_eq!(rows.next_back().unwrap().unwrap().1, "secret name 1999");
    assert_eq!(table.scan(&[0, 0, 7]).count(), 208);
    table.clear().unwrap();
    assert!(table.is_empty().unwrap());
}

#[test]
fn tables_do_not_see_each_other_and_a_batch_spans_them() {
    let dir = tempfile::tempdir().unwrap();
    let (database, _) = Database::open(&dir.path().join("database"), &keys()).unwrap();
    let one: Table<u32> = database.table("a").unwrap();
    let other: Table<u32> = database.table("ab").unwrap();
    let mut batch = Batch::default();
    batch.insert(&one, b"b", &1).unwrap();
    batch.insert(&other, b"", &2).unwrap();
    database.apply(batch).unwrap();
    assert_eq!(
        one.scan(b"").map(|row| row.unwrap().1).collect::<Vec<_>>(),
        [1]
    );
    let all = other.range(Bound::Unbounded, Bound::Unbounded);
    assert_eq!(all.map(|row| row.unwrap().1).collect::<Vec<_>>(), [2]);
    let mut batch = Batch::default();
    batch.remove(&one, b"b").unwrap();
    database.apply(batch).unwrap();
    assert_eq!(one.get(b"b").unwrap(), None);
}

#[test]
fn a_value_moved_to_another_key_or_too_large_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let (database, _) = Database::open(&dir.path().join("database"), &keys()).unwrap();
    let table: Table<Vec<u8>> = database.table("t").unwrap();
    let large = table.insert(b"key", &vec![0; 70_000]);
    assert!(matches!(large, Err(DatabaseError::TooLarge { .. })));
    let long_key = table.insert(&[0; 200], &vec![]);
    assert!(matches!(long_key, Err(DatabaseError::TooLarge { .. })));
    let wrong: Table<String> = database.table("t").unwrap();
    table.insert(b"key", &vec![1]).unwrap();
    assert!(matches!(
        wrong.get(b"key"),
        Err(DatabaseError::Value { .. })
    ));
}

#[test]
fn nothing_plain_stands_in_the_files() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("database");
    filled(&path, &keys());
    for entry in fs::read_dir(&path).unwrap().map(Result::unwrap) {
        if entry.file_type().unwrap().is_file() {
            let bytes = fs::read(entry.path()).unwrap();
            assert!(!bytes.windows(6).any(|window| window == b"secret"));
        }
    }
}

type Damage = fn(&mut Vec<u8>);

#[test]
fn a_damaged_database_is_moved_aside_and_an_empty_one_opens() {
    let damages: [(&str, Damage); 5] = [
        ("empty", Vec::clear),
        ("cut in the middle", |bytes| {
            bytes.truncate(bytes.len() / 2 + 13)
        }),
        ("zeroed", |bytes| bytes.fill(0)),
        ("noise", |bytes| {
            let mut noise = 1_u32;
            bytes.iter_mut().for_each(|byte| {
                noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                *byte = noise.to_be_bytes()[0];
            });
        }),
        ("noise at the start", |bytes| {
            bytes.iter_mut().take(5000).for_each(|byte| *byte ^= 0x55)
        }),
    ];
    for (name, damage) in damages {
        let dir = tempfile::tempdir().unwrap();
        let (path, keys) = (dir.path().join("database"), keys());
        filled(&path, &keys);
        let file = path.join("db");
        let mut bytes = fs::read(&file).unwrap();
        damage(&mut bytes);
        fs::write(&file, bytes).unwrap();
        let (database, outcome) = Database::open(&path, &keys).unwrap();
        let table: Table<String> = database.table("names").unwrap();
        let rows = table.len().unwrap();
        println!("{name}: {outcome:?}, {rows} rows");
        if name == "cut in the middle" {
            // A log that lost its end is an older log: nothing in it tells of what came later.
            let row = |row: Result<(_, String), _>| row.unwrap().1;
            let earlier = (0..rows).map(|number| format!("secret name {number}"));
            assert!(outcome.is_empty() || table.scan(b"").map(row).eq(earlier));
        } else {
            assert!(
                outcome.is_empty() || rows == 2000,
                "{name}: {rows} rows and no word of it"
            );
        }
        table.insert(b"works", &"again".to_owned()).unwrap();
        database.commit().unwrap();
    }
}

#[test]
fn a_database_of_another_box_is_moved_aside_and_two_old_ones_are_kept() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("database");
    filled(&path, &keys());
    for number in 1..=4 {
        let (database, outcome) = Database::open(&path, &keys()).unwrap();
        let moved_to = dir.path().join(format!("database.damaged-{number}"));
        assert_eq!(outcome, OpenOutcome::Replaced { moved_to });
        assert!(
            database
                .table::<String>("names")
                .unwrap()
                .is_empty()
                .unwrap()
        );
    }
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 3);
}
