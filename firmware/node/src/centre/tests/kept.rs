// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The file that makes the box part of a site, over power cuts and damage.

use std::io::Write as _;
use std::path::Path;

use super::*;
use crate::centre::member::{Member, MemberError};
use platen_net::ClientKey;
use platen_sync::message::{Enrolment, Hash, Renewed, SiteKeys, VERSION};

const FILE: &str = "centre/member.sealed";

fn member(until_unix_ms: u64) -> Member {
    let enrolment = Enrolment {
        site: platen_model::SiteId(Uuid::from_u128(5)),
        site_name: "s".to_owned(),
        certificate: Renewed {
            version: VERSION,
            certificate: vec![1; 300],
            authorities: "pem".to_owned(),
            until_unix_ms,
        },
        directory_key: Hash([2; 32]),
        keys: SiteKeys {
            keys: vec![Hash([3; 32])],
        },
    };
    Member::enrolled(enrolment, &ClientKey::generate().unwrap(), 0)
}

fn until(disk: &SimDisk, keys: &Keys) -> Option<u64> {
    let read = Member::read(disk, keys).unwrap();
    read.map(|member| member.certificate.until_unix_ms)
}

#[test]
fn a_power_cut_at_any_sync_leaves_the_old_part_or_the_new_one() {
    let mut seen = std::collections::BTreeSet::new();
    for n in 0..12 {
        let disk = SimDisk::new(n);
        let keys = Keys::open(&disk).unwrap();
        member(1).write(&disk, &keys).unwrap();
        let first = disk.syncs();
        disk.freeze_at_sync(first + usize::try_from(n).unwrap());
        let written = member(2).write(&disk, &keys);
        let whole = written.is_ok() && !disk.is_frozen();
        let after = disk.crash();
        let found = until(&after, &Keys::open(&after).unwrap());
        match whole {
            true => assert_eq!(found, Some(2)),
            false => assert!(matches!(found, Some(1 | 2)), "{found:?}"),
        }
        seen.insert(found);
    }
    assert_eq!(seen.len(), 2, "cuts before and behind the change");
}

#[test]
fn a_removed_part_stays_removed_and_a_damaged_one_is_told() {
    let disk = SimDisk::new(1);
    let keys = Keys::open(&disk).unwrap();
    assert_eq!(until(&disk, &keys), None);
    Member::remove(&disk).unwrap();
    member(1).write(&disk, &keys).unwrap();
    let (_, whole) = disk
        .files()
        .into_iter()
        .find(|(path, _)| path == Path::new(FILE))
        .unwrap();
    for at in 0..whole.len() {
        let mut bytes = whole.clone();
        bytes[at] ^= 0x20;
        disk.remove(Path::new(FILE)).unwrap();
        let mut file = disk.create(Path::new(FILE)).unwrap();
        file.write_all(&bytes).unwrap();
        file.sync().unwrap();
        let read = Member::read(&disk, &keys);
        let told = matches!(read, Err(MemberError::Damaged | MemberError::File(_)));
        assert!(told, "byte {at}");
    }
    Member::remove(&disk).unwrap();
    assert_eq!(until(&disk.crash(), &keys), None);
}

#[test]
fn a_third_of_its_life_before_its_end_a_certificate_is_due() {
    let member = member(900);
    assert!(!member.is_due(599));
    assert!(member.is_due(600));
    assert!(member.is_due(2000));
}
