// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Slots of a sensor, of which two want one at the same time.

use platen_drivers::Ef01;
use platen_hal_linux::finger;
use platen_hal_sim::{Ef01Setup, Ef01Uart, FingerField, SimDelay};
use platen_model::{
    Changes, Clock as _, ManualClock, NodeId, Record, Revised, SiteId, UserId, UserRecord,
};
use platen_store::{Database, Keys, SimDisk};
use smol::block_on;
use uuid::Uuid;

use super::*;

const NOW_MS: u64 = 1_800_000_000_000;

fn sensor(name: &str) -> (FingerField, FingerHandle) {
    let field = FingerField::new();
    let setup = Ef01Setup::r503();
    let address = setup.address;
    let driver = Ef01::new(Ef01Uart::new(&field, setup), SimDelay::default());
    let driver = Box::new(driver.with_address(address));
    let every = std::time::Duration::from_millis(50);
    let handle = finger::spawn(driver, name, |_| true, every).unwrap();
    (field, handle)
}

/// A copy with one finger.
fn cache(folder: &std::path::Path, template: Vec<u8>) -> Arc<Cache> {
    let keys = Arc::new(Keys::open(&SimDisk::new(1)).unwrap());
    let (database, _) = Database::open(&folder.join("database"), &keys).unwrap();
    let now = ManualClock::at(NOW_MS).now();
    let cache = Cache::open(Arc::clone(&keys), &database, now).unwrap();
    let user = UserId(Uuid::from_u128(1));
    let kind = CredentialKind::Finger {
        part: "ef01".to_owned(),
        template,
    };
    let records = [
        Record::User(UserRecord {
            id: user,
            login: "somebody".to_owned(),
            name: String::new(),
            aliases: Vec::new(),
            number: None,
            groups: Vec::new(),
            active: true,
        }),
        Record::Credential(CredentialRecord {
            id: CredentialId(Uuid::from_u128(2)),
            user,
            kind,
            until_unix_ms: None,
            provisional: false,
        }),
    ];
    let revised = |(revision, record)| Revised { revision, record };
    let page = Changes {
        site: SiteId(Uuid::from_u128(9)),
        node: NodeId(keys.box_uuid()),
        generation: 1,
        keys: 1,
        at_unix_ms: NOW_MS,
        from: 0,
        to: 2,
        latest: 2,
        tombstones: Vec::new(),
        records: (1..).zip(records).map(revised).collect(),
    };
    cache.apply(&page, now).unwrap();
    Arc::new(cache)
}

async fn template() -> Vec<u8> {
    let (field, sensor) = sensor("other");
    field.teach(3, 42);
    match one(&sensor, FingerRequest::Template { slot: 3 }).await {
        Ok(FingerReply::Template(template)) => template.to_vec(),
        _ => panic!("no template"),
    }
}

/// Both would find the same slot free, and the finger that is laid down would become the other
/// person's.
#[test]
fn a_sensor_that_takes_a_finger_is_not_filled_until_the_slot_is_noted() {
    let folder = tempfile::tempdir().unwrap();
    let cache = cache(folder.path(), block_on(template()));
    let (field, sensor) = sensor("thumb");
    let own = Fingers::default();
    block_on(async {
        let taking = own.turn("thumb").lock_arc().await;
        let slot = free_slot(&cache, &sensor).await.unwrap();
        let filled = fill_one(&cache, &own, &sensor).await.unwrap();
        assert!(!filled && field.slots().is_empty());
        // A finger was laid down; nothing is noted yet.
        field.teach(slot, 7);
        assert!(!fill_one(&cache, &own, &sensor).await.unwrap());
        let taken = CredentialId(Uuid::from_u128(5));
        lock(&own.waiting).insert(taken);
        note(&cache, "thumb", slot, Some(taken)).await.unwrap();
        drop(taking);
        assert!(fill_one(&cache, &own, &sensor).await.unwrap());
        assert!(field.knows(slot, 7), "whose finger it is stays");
        assert_eq!(cache.slot("thumb", slot), Some(taken));
        let of_centre = cache.slots("thumb").unwrap();
        assert_eq!(of_centre.len(), 2);
        let other = of_centre.iter().find(|(at, _)| *at != slot).unwrap();
        assert_eq!(other.1, CredentialId(Uuid::from_u128(2)));
        assert!(field.knows(other.0, 42));
    });
}

#[test]
fn each_sensor_has_a_turn_of_its_own() {
    let own = Fingers::default();
    let turn = own.turn("thumb").try_lock_arc();
    assert!(turn.is_some() && own.turn("thumb").try_lock_arc().is_none());
    assert!(own.turn("other").try_lock_arc().is_some());
}
