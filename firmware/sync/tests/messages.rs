// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Messages to bytes and back, their limits, and what boxes and centres of the version before and
//! after understand of each other.

use ciborium::Value;
use platen_model::{Changes, LeaseId, NodeId, QuotaId, SiteId, Stamp};
use platen_sync::codec::{
    CodecError, Message, decode, deflate, encode, inflate, is_version_spoken, pack, unpack,
};
use platen_sync::limits;
use platen_sync::message::{
    Hash, LeaseNews, LeaseWant, Link, LoginAsk, Pull, Push, PushAnswer, SentEntry, SiteKeys,
    VERSION, Verdict, Who,
};
use platen_sync::signed::{PageError, SigningKey, verify};
use uuid::Uuid;

const AT: Stamp = Stamp {
    unix_ms: 1_800_000_000_000,
    elapsed_ms: 5,
    trusted: true,
};

fn link(sequence: u64) -> Link {
    Link {
        sequence,
        hash: Hash([u8::try_from(sequence % 251).expect("a byte") + 1; 32]),
    }
}

fn push(entries: u64) -> Push {
    let entry = |sequence| SentEntry {
        link: link(sequence),
        at: AT,
        entry: vec![7; 20],
    };
    Push {
        version: VERSION,
        at: AT,
        after: link(4),
        entries: (5..5 + entries).map(entry).collect(),
        head: 4 + entries,
        jobs: Vec::new(),
        wants: vec![LeaseWant {
            quota: QuotaId(Uuid::from_u128(1)),
            user: None,
            amount: 20,
        }],
        leases_upto: 3,
        generation: 2,
        running: None,
    }
}

fn answer() -> PushAnswer {
    PushAnswer {
        version: VERSION,
        at_unix_ms: 9,
        verdict: Verdict::Kept(link(7)),
        leases: LeaseNews {
            recalled: vec![LeaseId(Uuid::from_u128(2))],
            ..LeaseNews::default()
        },
        latest: 40,
    }
}

fn fields(message: &impl Message) -> Vec<(Value, Value)> {
    let bytes = encode(message).expect("a sound message");
    let value: Value = ciborium::from_reader(bytes.as_slice()).expect("CBOR");
    value.into_map().expect("a map")
}

fn bytes(fields: Vec<(Value, Value)>) -> Vec<u8> {
    let mut bytes = Vec::new();
    ciborium::into_writer(&Value::Map(fields), &mut bytes).expect("memory takes it");
    bytes
}

fn set(fields: &mut Vec<(Value, Value)>, name: &str, value: Option<Value>) {
    fields.retain(|(key, _)| key.as_text() != Some(name));
    fields.extend(value.map(|value| (Value::from(name), value)));
}

#[test]
fn messages_come_back_as_they_were_sent_compressed_or_not() {
    for entries in [0, 1, 1_000] {
        let push = push(entries);
        let body = pack(&push).unwrap();
        assert_eq!(body.deflated, entries == 1_000);
        assert_eq!(unpack::<Push>(&body.bytes, body.deflated), Ok(push));
    }
    let body = pack(&answer()).unwrap();
    assert_eq!(
        unpack::<PushAnswer>(&body.bytes, body.deflated),
        Ok(answer())
    );
}

#[test]
fn a_version_apart_is_understood_with_fields_that_are_new_or_missing() {
    let mut newer = fields(&push(2));
    set(&mut newer, "version", Some(Value::from(VERSION + 1)));
    let nested = Value::Map(vec![(
        Value::from("deep"),
        Value::Array(vec![Value::Null; 9]),
    )]);
    set(&mut newer, "a-new-field", Some(nested));
    let read: Push = decode(&bytes(newer)).unwrap();
    assert_eq!(
        read,
        Push {
            version: VERSION + 1,
            ..push(2)
        }
    );
    // Fields that were added since the first shape of the version may be missing.
    let mut older = fields(&push(2));
    set(&mut older, "generation", None);
    let read: Push = decode(&bytes(older)).unwrap();
    assert_eq!(read.generation, 0);
    let mut older = fields(&answer());
    let leases = Value::Map(vec![
        (Value::from("fresh"), Value::Array(Vec::new())),
        (Value::from("recalled"), Value::Array(Vec::new())),
    ]);
    set(&mut older, "leases", Some(leases));
    let read: PushAnswer = decode(&bytes(older)).unwrap();
    assert_eq!(read.leases, LeaseNews::default());
}

#[test]
fn a_version_further_away_is_named_whatever_its_shape() {
    for version in [0, VERSION + 2, u16::MAX] {
        assert!(!is_version_spoken(version));
        let mut far = fields(&push(1));
        set(&mut far, "version", Some(Value::from(version)));
        assert_eq!(
            decode::<Push>(&bytes(far.clone())),
            Err(CodecError::Version(version))
        );
        set(&mut far, "entries", Some(Value::from("another shape")));
        assert_eq!(
            decode::<Push>(&bytes(far)),
            Err(CodecError::Version(version))
        );
    }
    assert!(is_version_spoken(VERSION) && is_version_spoken(VERSION + 1));
}

#[test]
fn lists_and_runs_keep_their_limits_on_both_sides() {
    let too_many = push(1_001);
    let entries = |what| CodecError::Limit {
        message: "push",
        what,
    };
    assert_eq!(encode(&too_many), Err(entries("entries")));
    let mut gap = push(3);
    gap.entries.remove(1);
    assert_eq!(encode(&gap), Err(entries("entries' order")));
    let mut ahead = push(3);
    ahead.head = 6;
    assert_eq!(encode(&ahead), Err(entries("entries' order")));
    let mut end = push(1);
    end.after.sequence = u64::MAX;
    assert_eq!(encode(&end), Err(entries("entries' order")));
    let mut large = push(1);
    large.entries[0].entry = vec![0; limits::ENTRY_BYTES_MAX + 1];
    assert_eq!(encode(&large), Err(entries("entries")));
    let patient = Pull {
        version: VERSION,
        at: AT,
        generation: 1,
        after: 1,
        wait_ms: limits::WAIT_MS_MAX + 1,
        leases_upto: 0,
        offers: 0,
    };
    assert!(encode(&patient).is_err());
    let keys = SiteKeys {
        keys: vec![Hash([1; 32]); limits::SITE_KEYS_MAX + 1],
    };
    assert!(encode(&keys).is_err());
}

#[test]
fn cut_and_lengthened_messages_are_refused() {
    let whole = encode(&push(3)).unwrap();
    for end in 0..whole.len() {
        assert!(decode::<Push>(&whole[..end]).is_err(), "cut at {end}");
    }
    let longer = [whole.as_slice(), &[0]].concat();
    let trailing = CodecError::Trailing {
        message: "push",
        bytes: 1,
    };
    assert_eq!(decode::<Push>(&longer), Err(trailing));
    let packed = deflate(&whole).unwrap();
    for end in 0..packed.len() {
        assert!(
            unpack::<Push>(&packed[..end], true).is_err(),
            "cut at {end}"
        );
    }
    let longer = [packed.as_slice(), &[0]].concat();
    assert_eq!(unpack::<Push>(&longer, true), Err(CodecError::Compression));
}

#[test]
fn a_compressed_bomb_ends_at_the_limit() {
    let bomb = deflate(&vec![0; 64 << 20]).unwrap();
    assert!(bomb.len() < 256 << 10, "{} bytes", bomb.len());
    let refused = CodecError::TooLong {
        message: "login",
        max: limits::MESSAGE_BYTES_MAX,
    };
    assert_eq!(unpack::<LoginAsk>(&bomb, true).err(), Some(refused));
    assert_eq!(inflate(&bomb, 1_000), Ok(None));
    let exact = deflate(&[5; 1_000]).unwrap();
    assert_eq!(inflate(&exact, 1_000), Ok(Some(vec![5; 1_000])));
    assert_eq!(inflate(&exact, 999), Ok(None));
}

#[test]
fn no_error_and_no_log_quotes_a_pin() {
    let ask = LoginAsk {
        version: VERSION,
        method: platen_model::Method::Pin,
        who: Who::Number("4711".to_owned()),
        secret: Some("pin-0815".to_owned()),
        leases_upto: 0,
    };
    assert_eq!(format!("{ask:?}"), "LoginAsk(Pin)");
    let mut wrong = fields(&ask);
    set(&mut wrong, "method", Some(Value::from("pin-0815")));
    set(&mut wrong, "leases_upto", Some(Value::from("pin-0815")));
    let error = decode::<LoginAsk>(&bytes(wrong)).err().unwrap();
    assert!(!format!("{error} {error:?}").contains("0815"), "{error:?}");
}

fn page(node: u128) -> Changes {
    Changes {
        site: SiteId(Uuid::from_u128(1)),
        node: NodeId(Uuid::from_u128(node)),
        generation: 1,
        keys: 1,
        at_unix_ms: 5,
        from: 0,
        to: 3,
        latest: 3,
        tombstones: Vec::new(),
        records: Vec::new(),
    }
}

#[test]
fn a_page_is_believed_only_as_it_was_signed_for_this_box() {
    let key = SigningKey::from_seed(&[1; 32]).unwrap();
    let other = SigningKey::from_seed(&[2; 32]).unwrap();
    let (site, node) = (SiteId(Uuid::from_u128(1)), NodeId(Uuid::from_u128(2)));
    let signed = key.sign(&page(2)).unwrap();
    assert_eq!(verify(&signed, &key.public(), site, node), Ok(page(2)));
    let foreign = verify(&signed, &other.public(), site, node);
    assert_eq!(foreign, Err(PageError::BadSignature));
    for place in 0..signed.payload.len() {
        let mut changed = signed.clone();
        changed.payload[place] ^= 1;
        let read = verify(&changed, &key.public(), site, node);
        assert_eq!(read, Err(PageError::BadSignature), "byte {place}");
    }
    let theirs = key.sign(&page(3)).unwrap();
    let read = verify(&theirs, &key.public(), site, node);
    assert_eq!(read, Err(PageError::OtherNode));
    let elsewhere = SiteId(Uuid::from_u128(9));
    let read = verify(&signed, &key.public(), elsewhere, node);
    assert_eq!(read, Err(PageError::OtherSite));
}
