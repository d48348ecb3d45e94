// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Both disks under one set of questions, and what the simulated one loses.

#![allow(clippy::unwrap_used, reason = "a failed step is a failed test")]

use std::io::{self, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use platen_store::{Disk, RealDisk, SimDisk};

fn read(disk: &dyn Disk, path: &str) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    disk.open(Path::new(path))?.read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn write(disk: &dyn Disk, path: &str, bytes: &[u8]) -> Box<dyn platen_store::DiskFile> {
    let mut file = disk.create(Path::new(path)).unwrap();
    file.write_all(bytes).unwrap();
    file
}

fn behaves_as_a_disk(disk: &dyn Disk) {
    disk.create_dir(Path::new("a/b")).unwrap();
    let mut files: Vec<_> = (0..6)
        .map(|i| write(disk, &format!("a/b/{i}"), b"12345"))
        .collect();
    disk.sync_files(&mut files).unwrap();
    assert!(disk.create(Path::new("a/b/0")).is_err());
    disk.append(Path::new("a/b/0"))
        .unwrap()
        .write_all(b"67")
        .unwrap();
    assert_eq!(read(disk, "a/b/0").unwrap(), b"1234567");
    disk.truncate(Path::new("a/b/0"), 2).unwrap();
    disk.rename(Path::new("a/b/0"), Path::new("a/b/1")).unwrap();
    assert_eq!(read(disk, "a/b/1").unwrap(), b"12");
    disk.remove(Path::new("a/b/2")).unwrap();
    disk.remove(Path::new("a/b/2")).unwrap();
    disk.sync_dir(Path::new("a/b")).unwrap();
    let mut names = disk.list(Path::new("a/b")).unwrap();
    names.sort();
    assert_eq!(names, ["1", "3", "4", "5"]);
    assert_eq!(disk.list(Path::new("a")).unwrap(), ["b"]);
    assert_eq!(
        read(disk, "a/b/2").unwrap_err().kind(),
        io::ErrorKind::NotFound
    );
    assert!(disk.free_bytes().unwrap() > 0);
}

#[test]
fn the_real_disk_behaves_as_a_disk() {
    let dir = tempfile::tempdir().unwrap();
    behaves_as_a_disk(&RealDisk::open(dir.path().join("new/root")).unwrap());
}

#[test]
fn the_simulated_disk_behaves_as_a_disk() {
    behaves_as_a_disk(&SimDisk::new(7));
}

#[test]
fn nobody_else_may_read_and_no_path_leads_out() {
    let dir = tempfile::tempdir().unwrap();
    let disk = RealDisk::open(dir.path().join("root")).unwrap();
    disk.create_dir(Path::new("jobs")).unwrap();
    write(&disk, "jobs/one", b"");
    let mode = |path: &str| {
        std::fs::metadata(disk.root().join(path))
            .unwrap()
            .permissions()
            .mode()
    };
    assert_eq!(
        (mode("jobs") & 0o777, mode("jobs/one") & 0o777),
        (0o700, 0o600)
    );
    for path in ["../x", "/etc/passwd", "jobs/../../x"] {
        assert!(disk.open(Path::new(path)).is_err());
        assert!(disk.create(Path::new(path)).is_err());
    }
}

#[test]
fn a_crash_keeps_what_was_synced_and_tears_what_was_not() {
    let mut lengths = std::collections::BTreeSet::new();
    for seed in 0..50 {
        let disk = SimDisk::new(seed);
        let mut file = write(&disk, "f", b"safe");
        file.sync().unwrap();
        disk.sync_dir(Path::new("")).unwrap();
        file.write_all(b"torn").unwrap();
        let bytes = read(&disk.crash(), "f").unwrap();
        assert!(b"safetorn".starts_with(&bytes) && bytes.len() >= 4);
        lengths.insert(bytes.len());
        assert!(file.write_all(b"x").is_err(), "the old disk has no power");
    }
    assert_eq!(lengths.len(), 5, "every tear is seen");
}

#[test]
fn a_crash_loses_directory_changes_from_some_point_on() {
    let mut seen = std::collections::BTreeSet::new();
    for seed in 0..50 {
        let disk = SimDisk::new(seed);
        write(&disk, "a", b"").sync().unwrap();
        disk.rename(Path::new("a"), Path::new("b")).unwrap();
        disk.remove(Path::new("b")).unwrap();
        write(&disk, "c", b"");
        let names: Vec<_> = disk
            .crash()
            .files()
            .into_iter()
            .map(|(name, _)| name)
            .collect();
        seen.insert(names);
    }
    let expected = [vec![], vec!["a".into()], vec!["b".into()], vec!["c".into()]];
    assert_eq!(seen, expected.into_iter().collect());
}

#[test]
fn power_ends_at_the_chosen_sync() {
    let disk = SimDisk::new(1);
    disk.freeze_at_sync(1);
    let mut file = write(&disk, "f", b"one");
    file.sync().unwrap();
    assert!(disk.sync_dir(Path::new("")).is_err());
    assert!(disk.is_frozen() && disk.syncs() == 1);
    assert!(file.write_all(b"two").is_err());
}

#[test]
fn a_full_disk_says_so_and_works_again_with_room() {
    let disk = SimDisk::new(1);
    disk.fill_at(Some(3));
    let mut file = disk.create(Path::new("f")).unwrap();
    assert_eq!(
        file.write_all(b"12345").unwrap_err().kind(),
        io::ErrorKind::StorageFull
    );
    disk.fill_at(None);
    file.write_all(b"45").unwrap();
    assert_eq!(read(&disk, "f").unwrap(), b"12345");
}
