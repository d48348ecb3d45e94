// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Sealed bodies: what goes in comes out, and nothing else opens.

#![allow(clippy::unwrap_used, reason = "a failed step is a failed test")]

use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;

use platen_model::JobId;
use platen_store::body::{CHUNK_BYTES, HEADER_BYTES};
use platen_store::{BodyKey, BodyReader, BodySealer, BodyWriter, Disk, Keys, SimDisk};

fn job(number: u8) -> JobId {
    JobId::from_parts(1_700_000_000_000, &[number; 10])
}

fn sealed(key: &BodyKey, job: JobId, plain: &[u8]) -> Vec<u8> {
    let mut sealer = BodySealer::new(key, job).unwrap();
    let (mut left, mut file) = (plain, Vec::new());
    while let Some(bytes) = sealer.push(&mut left).unwrap() {
        file.extend_from_slice(bytes);
    }
    file.extend(sealer.finish().unwrap());
    file
}

fn opened(key: &BodyKey, job: JobId, file: &[u8]) -> io::Result<Vec<u8>> {
    let mut plain = Vec::new();
    let cursor = io::Cursor::new(file.to_vec());
    BodyReader::open(Box::new(cursor), key, job)?.read_to_end(&mut plain)?;
    Ok(plain)
}

fn pattern(length: usize) -> Vec<u8> {
    (0..length)
        .map(|i| u8::try_from(i * 7 % 251).unwrap())
        .collect()
}

#[test]
fn bodies_of_every_length_around_a_chunk_come_back() {
    let key = BodyKey::random().unwrap();
    for length in [
        0,
        1,
        CHUNK_BYTES - 1,
        CHUNK_BYTES,
        CHUNK_BYTES + 1,
        3 * CHUNK_BYTES,
    ] {
        let plain = pattern(length);
        let file = sealed(&key, job(1), &plain);
        assert_eq!(
            opened(&key, job(1), &file).unwrap(),
            plain,
            "length {length}"
        );
    }
}

#[test]
fn every_changed_byte_of_a_small_body_is_noticed() {
    let key = BodyKey::random().unwrap();
    let file = sealed(&key, job(1), b"a small document");
    for at in 0..file.len() {
        let mut changed = file.clone();
        changed[at] ^= 0x10;
        assert!(opened(&key, job(1), &changed).is_err(), "byte {at}");
    }
}

#[test]
fn a_body_cut_anywhere_near_a_chunk_border_is_refused_before_its_first_byte() {
    let key = BodyKey::random().unwrap();
    let file = sealed(&key, job(1), &pattern(2 * CHUNK_BYTES + 100));
    let border = HEADER_BYTES + CHUNK_BYTES + 16;
    let cuts = (0..HEADER_BYTES + 20)
        .chain(border - 20..border + 20)
        .chain(file.len() - 130..file.len());
    for cut in cuts {
        let cursor = io::Cursor::new(file[..cut].to_vec());
        assert!(
            BodyReader::open(Box::new(cursor), &key, job(1)).is_err(),
            "cut {cut}"
        );
    }
}

#[test]
fn chunks_out_of_order_doubled_or_from_another_job_are_noticed() {
    let key = BodyKey::random().unwrap();
    let one = sealed(&key, job(1), &pattern(3 * CHUNK_BYTES));
    let (first, second) = (HEADER_BYTES, HEADER_BYTES + CHUNK_BYTES + 16);
    let third = second + CHUNK_BYTES + 16;
    let reordered = [
        &one[..first],
        &one[second..third],
        &one[first..second],
        &one[third..],
    ]
    .concat();
    let doubled = [&one[..second], &one[first..second], &one[third..]].concat();
    for file in [reordered, doubled, [one.as_slice(), b"x"].concat()] {
        assert!(opened(&key, job(1), &file).is_err());
    }
    assert!(opened(&key, job(2), &one).is_err(), "another job");
    assert!(
        opened(&BodyKey::random().unwrap(), job(1), &one).is_err(),
        "another key"
    );
}

#[test]
fn a_reader_seeks_as_a_plain_file_does() {
    let key = BodyKey::random().unwrap();
    let plain = pattern(2 * CHUNK_BYTES + 500);
    let file = io::Cursor::new(sealed(&key, job(1), &plain));
    let mut reader = BodyReader::open(Box::new(file), &key, job(1)).unwrap();
    let mut same = io::Cursor::new(plain);
    let places = [
        SeekFrom::End(-700),
        SeekFrom::Start(65_530),
        SeekFrom::Current(-60_000),
        SeekFrom::Start(1_000_000),
        SeekFrom::End(0),
    ];
    for place in places {
        let (mut got, mut wanted) = ([0; 600], [0; 600]);
        assert_eq!(reader.seek(place).unwrap(), same.seek(place).unwrap());
        let count = same.read(&mut wanted).unwrap();
        reader.read_exact(&mut got[..count]).unwrap();
        assert_eq!(got, wanted, "{place:?}");
    }
    assert!(reader.seek(SeekFrom::End(-1_000_000)).is_err());
}

#[test]
fn a_wrapped_key_opens_for_its_own_job_only() {
    let disk = SimDisk::new(1);
    let keys = Keys::open(&disk).unwrap();
    let key = BodyKey::random().unwrap();
    let file = sealed(&key, job(1), b"body");
    let wrapped = key.wrap(&keys, job(1)).unwrap();
    let again = BodyKey::unwrap(&keys, job(1), &wrapped).unwrap();
    assert_eq!(opened(&again, job(1), &file).unwrap(), b"body");
    assert!(BodyKey::unwrap(&keys, job(2), &wrapped).is_err());
}

#[test]
fn a_full_disk_ends_a_body_with_storage_full() {
    let disk = SimDisk::new(1);
    disk.fill_at(Some(100_000));
    let file = disk.create(Path::new("body")).unwrap();
    let mut writer = BodyWriter::new(file, &BodyKey::random().unwrap(), job(1)).unwrap();
    let error = writer.write_all(&pattern(300_000)).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::StorageFull);
}
