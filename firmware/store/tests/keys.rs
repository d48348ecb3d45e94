// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The key file: made once, kept, never silently replaced.

#![allow(clippy::unwrap_used, reason = "a failed step is a failed test")]

use std::io::Write;
use std::path::Path;

use platen_store::keys::{KEY_FILE, SEALED_DIRS};
use platen_store::{Disk, KeyError, Keys, SimDisk, normalise_owner};

fn put(disk: &SimDisk, path: &str, bytes: &[u8]) {
    let path = Path::new(path);
    disk.create_dir(path.parent().unwrap()).unwrap();
    disk.remove(path).unwrap();
    disk.create(path).unwrap().write_all(bytes).unwrap();
}

fn key_file(disk: &SimDisk) -> Vec<u8> {
    let is_key = |(path, _): &(std::path::PathBuf, Vec<u8>)| path == Path::new(KEY_FILE);
    disk.files().into_iter().find(is_key).unwrap().1
}

#[test]
fn the_same_box_gives_the_same_hashes_and_another_box_others() {
    let (one, other) = (SimDisk::new(1), SimDisk::new(2));
    let first = Keys::open(&one).unwrap();
    let again = Keys::open(&one).unwrap();
    let stranger = Keys::open(&other).unwrap();
    assert!(first.card_key(&[1, 2, 3, 4]) == again.card_key(&[1, 2, 3, 4]));
    assert!(first.card_key(&[1, 2, 3, 4]) != stranger.card_key(&[1, 2, 3, 4]));
    assert_eq!(first.owner_key("lena"), again.owner_key("lena"));
    assert_ne!(first.owner_key("lena"), stranger.owner_key("lena"));
}

#[test]
fn a_new_key_survives_every_power_cut_or_is_made_anew() {
    for cut in 0..4 {
        for seed in 0..20 {
            let disk = SimDisk::new(seed);
            disk.freeze_at_sync(cut);
            let made = Keys::open(&disk);
            let later = Keys::open(&disk.crash()).unwrap();
            if let Ok(made) = made {
                assert_eq!(made.owner_key("lena"), later.owner_key("lena"));
            }
        }
    }
}

#[test]
fn a_damaged_key_file_is_an_error_at_every_byte_and_length() {
    let disk = SimDisk::new(1);
    Keys::open(&disk).unwrap();
    let good = key_file(&disk);
    let changed = (0..good.len()).map(|at| {
        let mut bytes = good.clone();
        bytes[at] ^= 1;
        bytes
    });
    let cut = (0..good.len()).map(|length| good[..length].to_vec());
    let long = [good.as_slice(), b"x"].concat();
    for bytes in changed.chain(cut).chain([long]) {
        put(&disk, KEY_FILE, &bytes);
        assert!(matches!(Keys::open(&disk), Err(KeyError::Damaged(_))));
        assert_eq!(key_file(&disk), bytes, "never replaced");
    }
}

#[test]
fn no_new_key_is_made_beside_sealed_data() {
    for dir in SEALED_DIRS {
        let disk = SimDisk::new(1);
        put(&disk, &format!("{dir}/something"), b"sealed");
        let error = Keys::open(&disk).unwrap_err();
        assert!(matches!(error, KeyError::Missing(..)));
        assert!(error.to_string().contains("put back a copy"));
    }
}

#[test]
fn spellings_of_one_login_name_are_one_owner() {
    for name in [
        "lena",
        " Lena ",
        "OFFICE\\lena",
        "LENA@example.org",
        "OFFICE\\Lena@EXAMPLE",
    ] {
        assert_eq!(normalise_owner(name), "lena", "{name}");
    }
    assert_eq!(normalise_owner("ÄRGER"), "ärger");
    assert_eq!(normalise_owner("@realm"), "@realm");
    assert_eq!(normalise_owner("DOMAIN\\"), "domain\\");
}
