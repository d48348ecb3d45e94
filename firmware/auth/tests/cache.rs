// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The copy of the centre's directory: what a page does to it, what is refused, what a new generation
//! and a restart leave.

#![allow(
    clippy::unwrap_used,
    reason = "a test ends where something unexpected happens"
)]

mod given;

use std::time::Duration;

use given::{Box, Centre, SITE, card, card_key, code, code_key, group, user, user_id};
use platen_auth::people::{NewCard, SecretKind};
use platen_auth::{Cache, CacheError, People, Position};
use platen_model::{
    Changes, Clock, CredentialId, CredentialKind, Denied, PricesId, Quota, QuotaId, Record,
    RecordId, RuleId, RuleRecord, Settings, SiteId, Tombstone, UserId,
};
use uuid::Uuid;

fn who(cache: &Cache, number: u32, clock: &impl Clock) -> Option<UserId> {
    cache
        .by_card(card_key(number), clock.now())
        .map(|held| held.person.id)
}

fn position(generation: u64, revision: u64) -> Position {
    Position {
        generation,
        revision,
    }
}

#[test]
fn people_are_found_by_all_that_they_have() {
    let (given, mut centre) = (Box::new(), Centre::new());
    centre.put(group());
    let ann = centre.user(1);
    centre.user(2);
    let own = centre.credential(ann, card(11));
    centre.credential(ann, CredentialKind::Pin { hash: "pin".into() });
    centre.credential(
        ann,
        CredentialKind::Password {
            hash: "word".into(),
        },
    );
    centre.credential(ann, code(5));
    let cache = given.cache();
    given.pull(&cache, &centre, 2).unwrap();

    let now = given.clock.now();
    let held = cache.by_card(card_key(11), now).unwrap();
    assert_eq!((held.person.id, held.credential), (ann, Some(own)));
    assert_eq!(held.person.shown(), "Person 1");
    assert_eq!(held.person.groups.len(), 1);
    for login in ["u1", " U1 ", "OFFICE\\u1", "u1@OFFICE"] {
        assert_eq!(cache.by_login(login).unwrap().id, ann, "{login}");
    }
    assert_eq!(cache.by_login("alias1"), None, "an alias is no login name");
    assert_eq!(cache.by_number("1").unwrap().id, ann);
    assert_eq!(cache.by_number("3"), None);
    assert_eq!(cache.by_code(code_key(5)).unwrap().person.id, ann);
    assert_eq!(cache.by_credential(own).unwrap().person.id, ann);
    let owners = ["u1", "alias1"].map(|name| given.keys.owner_key(name));
    assert_eq!(owners.map(|owner| cache.owner(owner)), [Some(ann); 2]);
    assert_eq!(cache.person(ann).unwrap().owner_keys, owners);
    let pin = cache.secret(ann, SecretKind::Pin).unwrap().hash;
    let password = cache.secret(ann, SecretKind::Password).unwrap().hash;
    assert_eq!((pin.as_str(), password.as_str()), ("pin", "word"));
    assert_eq!(cache.secret(user_id(2), SecretKind::Pin), None);
    let standing = cache.standing(now);
    assert_eq!((standing.users, standing.credentials), (2, 4));
    assert_eq!(standing.age, Some(Duration::ZERO));
}

#[test]
fn what_holds_for_everybody_is_at_hand_and_follows_every_change() {
    let (given, mut centre) = (Box::new(), Centre::new());
    let rule = |id: u128, order| {
        Record::Rule(RuleRecord {
            id: RuleId(Uuid::from_u128(id)),
            order,
            text: format!("rule {id}"),
        })
    };
    let quota = Quota {
        id: QuotaId(Uuid::from_u128(3)),
        name: "pupils".into(),
        covers: platen_model::Covers::User(user_id(1)),
        unit: platen_model::Unit::Sides,
        limit: 100,
        period: platen_model::Period::Month,
        when_spent: platen_model::WhenSpent::Deny,
    };
    centre.put(rule(1, 20));
    centre.put(rule(2, 10));
    centre.put(group());
    centre.put(Record::Quota(quota.clone()));
    let cache = given.cache();
    assert_eq!(cache.terms().settings, Settings::default());
    given.pull(&cache, &centre, 10).unwrap();
    let terms = cache.terms();
    let order: Vec<_> = terms.rules.iter().map(|rule| rule.order).collect();
    assert_eq!(
        (order, terms.quotas.as_slice()),
        (vec![10, 20], &[quota][..])
    );
    assert_eq!(terms.groups.len(), 1);
    assert!(terms.group(terms.groups[0].id).is_some());

    centre.settings(Settings {
        tries: 3,
        ..Settings::default()
    });
    centre.end(RecordId::Rule(RuleId(Uuid::from_u128(2))));
    centre.end(RecordId::Prices(PricesId(Uuid::from_u128(77))));
    given.pull(&cache, &centre, 10).unwrap();
    let terms = cache.terms();
    assert_eq!((terms.rules.len(), terms.settings.tries), (1, 3));
}

#[test]
fn a_page_of_another_site_box_or_time_is_refused_and_changes_nothing() {
    let (given, mut centre) = (Box::new(), Centre::new());
    let cache = given.cache();
    let ann = centre.user(1);
    centre.credential(ann, card(11));
    given.pull(&cache, &centre, 10).unwrap();
    centre.credential(ann, card(12));
    let good = centre.page(&cache, given.node(), 10);
    let changed = |change: fn(&mut Changes)| {
        let mut page = good.clone();
        change(&mut page);
        cache.apply(&page, given.clock.now()).unwrap_err()
    };

    let other_site = changed(|page| page.site = SiteId(Uuid::from_u128(1)));
    assert!(matches!(other_site, CacheError::OtherSite(_)));
    let other_node = changed(|page| page.node = platen_model::NodeId(SITE.0));
    assert!(matches!(other_node, CacheError::OtherNode));
    let rolled_back = changed(|page| page.generation = 0);
    assert!(matches!(rolled_back, CacheError::Contradiction(_)));
    for wrong in [1, 3] {
        let mut page = good.clone();
        (page.from, page.tombstones) = (wrong, Vec::new());
        page.records.clear();
        let error = cache.apply(&page, given.clock.now()).unwrap_err();
        assert!(
            matches!(error, CacheError::NotNext { have: 2, .. }),
            "{error}"
        );
    }
    let contradictions: [fn(&mut Changes); 8] = [
        |page| page.to = page.from - 1,
        |page| page.latest = page.to - 1,
        |page| page.records[0].revision = page.from,
        |page| page.records[0].revision = page.to + 1,
        |page| page.records.push(page.records[0].clone()),
        |page| page.tombstones = vec![gone(page.latest + 1)],
        |page| page.tombstones = vec![gone(page.from)],
        |page| page.keys += 1,
    ];
    for change in contradictions {
        assert!(matches!(changed(change), CacheError::Contradiction(_)));
    }
    assert_eq!(cache.position(), position(1, 2));
    assert_eq!(who(&cache, 12, &*given.clock), None);
    cache.apply(&good, given.clock.now()).unwrap();
    assert_eq!(who(&cache, 12, &*given.clock), Some(ann));
}

fn gone(revision: u64) -> Tombstone {
    let id = RecordId::User(user_id(1));
    Tombstone { revision, id }
}

#[test]
fn a_rolled_back_centre_is_refused_in_generation_and_revision() {
    let (given, mut centre) = (Box::new(), Centre::new());
    let cache = given.cache();
    centre.generation = 5;
    let ann = centre.user(1);
    let backup = centre.clone();
    let lost = centre.credential(ann, card(11));
    given.pull(&cache, &centre, 10).unwrap();
    centre.end(RecordId::Credential(lost));
    given.pull(&cache, &centre, 10).unwrap();

    let replayed = backup.page_after(0, given.node(), 10);
    let error = cache.apply(&replayed, given.clock.now()).unwrap_err();
    assert!(matches!(error, CacheError::NotNext { have: 3, found: 0 }));
    let mut older = backup.clone();
    older.generation = 4;
    let error = given.pull(&cache, &older, 10).unwrap_err();
    assert!(matches!(
        error,
        CacheError::RolledBack { have: 5, found: 4 }
    ));
    assert_eq!(who(&cache, 11, &*given.clock), None, "still revoked");
}

#[test]
fn point_2_revocations_are_in_force_before_the_rest_of_a_long_sync() {
    let (given, mut centre) = (Box::new(), Centre::new());
    let cache = given.cache();
    let ann = centre.user(1);
    let lost = centre.credential(ann, card(11));
    given.pull(&cache, &centre, 10).unwrap();
    for number in 2..20 {
        centre.user(number);
    }
    centre.end(RecordId::Credential(lost));
    let first = centre.page(&cache, given.node(), 3);
    let applied = cache.apply(&first, given.clock.now()).unwrap();
    assert!(!applied.complete);
    assert_eq!(applied.ended, 1);
    assert_eq!(
        who(&cache, 11, &*given.clock),
        None,
        "revoked with the first page"
    );
}

#[test]
fn point_2_a_tombstone_beats_an_older_grant_that_comes_later() {
    let (given, mut centre) = (Box::new(), Centre::new());
    let cache = given.cache();
    let ann = centre.user(1);
    let id = centre.credential(ann, card(11));
    let granted = centre.objects[&RecordId::Credential(id)].clone();
    centre.user(2);
    centre.end(RecordId::Credential(id));
    // A first page with the tombstone, then one that still carries the older grant.
    let mut first = centre.page_after(0, given.node(), 10);
    (first.to, first.latest) = (1, 4);
    first.records.truncate(1);
    cache.apply(&first, given.clock.now()).unwrap();
    drop(cache);
    let cache = given.cache();
    let mut second = centre.page_after(1, given.node(), 10);
    second.tombstones.clear();
    second.records.insert(0, granted.clone());
    assert!(cache.apply(&second, given.clock.now()).unwrap().complete);
    assert_eq!(who(&cache, 11, &*given.clock), None);
    // A newer grant of the same credential is one.
    centre.put(granted.record);
    given.pull(&cache, &centre, 10).unwrap();
    assert_eq!(who(&cache, 11, &*given.clock), Some(ann));
}

#[test]
fn cards_names_and_numbers_go_from_one_to_another_within_a_page() {
    let (given, mut centre) = (Box::new(), Centre::new());
    let cache = given.cache();
    let (ann, bob) = (centre.user(1), centre.user(2));
    let anns = centre.credential(ann, card(11));
    let bobs = centre.credential(bob, card(12));
    given.pull(&cache, &centre, 10).unwrap();

    let swap = |centre: &mut Centre, id: CredentialId, number: u32| {
        let Record::Credential(mut record) =
            centre.objects[&RecordId::Credential(id)].record.clone()
        else {
            unreachable!("it is a credential")
        };
        record.kind = card(number);
        centre.put(Record::Credential(record));
    };
    swap(&mut centre, anns, 12);
    swap(&mut centre, bobs, 11);
    for (number, like) in [(1, 2), (2, 1)] {
        let other = user(like);
        let record = platen_model::UserRecord {
            login: other.login,
            number: other.number,
            aliases: other.aliases,
            ..user(number)
        };
        centre.put(Record::User(record));
    }
    given.pull(&cache, &centre, 10).unwrap();
    assert_eq!(who(&cache, 11, &*given.clock), Some(bob));
    assert_eq!(who(&cache, 12, &*given.clock), Some(ann));
    assert_eq!(cache.by_login("u1").unwrap().id, bob);
    assert_eq!(cache.by_number("2").unwrap().id, ann);
    let alias = given.keys.owner_key("alias1");
    assert_eq!(cache.owner(alias), Some(bob));
    // Ending the one does not take the other's card away.
    centre.end(RecordId::Credential(anns));
    given.pull(&cache, &centre, 10).unwrap();
    assert_eq!(
        (
            who(&cache, 11, &*given.clock),
            who(&cache, 12, &*given.clock)
        ),
        (Some(bob), None)
    );
}

#[test]
fn a_person_who_is_gone_takes_all_credentials_out_of_use() {
    let (given, mut centre) = (Box::new(), Centre::new());
    let cache = given.cache();
    let ann = centre.user(1);
    centre.credential(ann, card(11));
    given.pull(&cache, &centre, 10).unwrap();
    centre.end(RecordId::User(ann));
    given.pull(&cache, &centre, 10).unwrap();
    assert_eq!(who(&cache, 11, &*given.clock), None);
    assert_eq!(cache.standing(given.clock.now()).users, 0);
    // A person who comes back has them again.
    centre.put(Record::User(user(1)));
    given.pull(&cache, &centre, 10).unwrap();
    assert_eq!(who(&cache, 11, &*given.clock), Some(ann));
}

#[test]
fn a_new_generation_is_built_beside_the_old_one_which_serves_until_it_is_whole() {
    let (given, mut centre) = (Box::new(), Centre::new());
    let cache = given.cache();
    let (ann, bob) = (centre.user(1), centre.user(2));
    let lost = centre.credential(ann, card(11));
    centre.credential(bob, card(12));
    given.pull(&cache, &centre, 10).unwrap();

    let mut fresh = Centre::new();
    (fresh.generation, fresh.keys) = (2, 2);
    fresh.user(1);
    fresh.user(2);
    fresh.credential(ann, card(21));
    fresh.end(RecordId::Credential(lost));
    fresh.settings(Settings::default());
    let first = fresh.page(&cache, given.node(), 2);
    let applied = cache.apply(&first, given.clock.now()).unwrap();
    assert!(!applied.took_over && !applied.complete);
    assert_eq!(cache.position(), position(2, 2));
    assert_eq!(cache.standing(given.clock.now()).serving, position(1, 4));
    assert_eq!(cache.keys(), 1, "cards are hashed for the copy that serves");
    assert_eq!(
        who(&cache, 12, &*given.clock),
        Some(bob),
        "the old copy serves"
    );
    assert_eq!(
        who(&cache, 11, &*given.clock),
        None,
        "but not whom the new one revoked"
    );
    // It goes on after a restart.
    drop(cache);
    let cache = given.cache();
    assert_eq!(cache.position(), position(2, 2));
    let applied = given.pull(&cache, &fresh, 1).unwrap();
    assert!(applied.took_over && applied.complete);
    assert_eq!(cache.keys(), 2);
    assert_eq!(who(&cache, 21, &*given.clock), Some(ann));
    assert_eq!(
        who(&cache, 12, &*given.clock),
        None,
        "nothing of the old one is left"
    );
    drop(cache);
    let tables = given.database();
    assert!(tables.table::<u32>("cache-a").unwrap().is_empty().unwrap());
}

#[test]
fn a_generation_that_is_overtaken_while_it_is_built_leaves_nothing_behind() {
    let (given, mut centre) = (Box::new(), Centre::new());
    let cache = given.cache();
    let ann = centre.user(1);
    centre.credential(ann, card(11));
    centre.user(2);
    let first = centre.page(&cache, given.node(), 2);
    cache.apply(&first, given.clock.now()).unwrap();
    assert_eq!(
        who(&cache, 11, &*given.clock),
        None,
        "half a copy lets nobody in"
    );
    let mut next = Centre::new();
    next.generation = 2;
    let bob = next.user(2);
    next.credential(bob, card(12));
    given.pull(&cache, &next, 1).unwrap();
    assert_eq!(cache.standing(given.clock.now()).users, 1);
    assert_eq!(who(&cache, 11, &*given.clock), None);
    assert_eq!(who(&cache, 12, &*given.clock), Some(bob));
    assert_eq!(cache.person(ann), None);
}

#[test]
fn an_object_that_is_too_large_is_left_out_and_does_not_hold_up_the_rest() {
    let (given, mut centre) = (Box::new(), Centre::new());
    let cache = given.cache();
    let ann = centre.user(1);
    centre.credential(ann, card(11));
    let template = vec![7; 70_000];
    let part = "bmlite".to_owned();
    centre.credential(ann, CredentialKind::Finger { part, template });
    let applied = given.pull(&cache, &centre, 10).unwrap();
    assert_eq!((applied.refused, applied.records), (1, 2));
    assert_eq!(who(&cache, 11, &*given.clock), Some(ann));
    assert!(cache.fingers("bmlite").unwrap().is_empty());
}

#[test]
fn fingers_are_listed_by_sensor_family_and_found_by_slot() {
    let (given, mut centre) = (Box::new(), Centre::new());
    let cache = given.cache();
    let ann = centre.user(1);
    let finger = |part: &str, byte| CredentialKind::Finger {
        part: part.to_owned(),
        template: vec![byte; 500],
    };
    let left = centre.credential(ann, finger("bmlite", 1));
    centre.credential(ann, finger("zfm", 2));
    given.pull(&cache, &centre, 10).unwrap();
    let fingers = cache.fingers("bmlite").unwrap();
    assert_eq!(fingers.len(), 1);
    assert_eq!((fingers[0].credential, fingers[0].user), (left, ann));
    assert_eq!(*fingers[0].template, vec![1; 500]);
    cache.set_slot("desk", 300, Some(left)).unwrap();
    cache.set_slot("desk2", 300, Some(left)).unwrap();
    drop(cache);
    let cache = given.cache();
    assert_eq!(cache.slot("desk", 300), Some(left));
    assert_eq!(cache.slots("desk").unwrap(), [(300, left)]);
    cache.set_slot("desk", 300, None).unwrap();
    assert_eq!(
        (cache.slot("desk", 300), cache.slot("desk2", 300)),
        (None, Some(left))
    );
}

/// Names, hashes, card keys' owners and templates: nothing of them stands in the database's files.
#[test]
fn nothing_of_a_person_or_finger_is_on_the_disk_in_clear() {
    let (given, mut centre) = (Box::new(), Centre::new());
    let cache = given.cache();
    let mut record = user(1);
    record.login = "marker-login".into();
    record.name = "Marker Name".into();
    record.number = Some("918273645".into());
    centre.put(Record::User(record));
    let hash = "$argon2id$marker-hash".to_owned();
    centre.credential(user_id(1), CredentialKind::Pin { hash });
    let (part, template) = ("bmlite".to_owned(), b"marker-template".repeat(8));
    centre.credential(user_id(1), CredentialKind::Finger { part, template });
    given.pull(&cache, &centre, 10).unwrap();
    let file = std::fs::read(given.path().join("db")).unwrap();
    assert!(file.len() > 1000, "the database is where it is looked for");
    for marker in [
        "marker-login",
        "Marker Name",
        "918273645",
        "marker-hash",
        "marker-template",
    ] {
        let found = file
            .windows(marker.len())
            .any(|window| window == marker.as_bytes());
        assert!(!found, "{marker}");
    }
}

#[test]
fn a_box_that_leaves_its_site_forgets_everything() {
    let (given, mut centre) = (Box::new(), Centre::new());
    let cache = given.cache();
    let ann = centre.user(1);
    centre.credential(ann, card(11));
    given.pull(&cache, &centre, 10).unwrap();
    let card = NewCard {
        key: card_key(50),
        proved: false,
    };
    cache.bind_card(ann, card, given.clock.now()).unwrap();
    cache.forget(given.clock.now()).unwrap();
    assert_eq!(
        (cache.position(), cache.site()),
        (Position::default(), None)
    );
    assert_eq!(
        (
            who(&cache, 11, &*given.clock),
            who(&cache, 50, &*given.clock)
        ),
        (None, None)
    );
    assert_eq!(cache.age(given.clock.now()), None);
    let mut other = Centre::new();
    other.user(3);
    let mut page = other.page(&cache, given.node(), 10);
    page.site = SiteId(Uuid::from_u128(2));
    cache.apply(&page, given.clock.now()).unwrap();
    assert_eq!(cache.standing(given.clock.now()).users, 1);
}

#[test]
fn an_empty_answer_confirms_the_copy_and_costs_no_write_each_time() {
    let (given, mut centre) = (Box::new(), Centre::new());
    let cache = given.cache();
    centre.user(1);
    given.pull(&cache, &centre, 10).unwrap();
    let file = given.path().join("db");
    let before = std::fs::read(&file).unwrap();
    for _ in 0..5 {
        given.clock.advance(Duration::from_secs(50));
        assert!(given.pull(&cache, &centre, 10).unwrap().complete);
        assert_eq!(cache.age(given.clock.now()), Some(Duration::ZERO));
    }
    assert_eq!(std::fs::read(&file).unwrap(), before);
    given.clock.advance(Duration::from_secs(600));
    given.pull(&cache, &centre, 10).unwrap();
    assert_ne!(
        std::fs::read(&file).unwrap(),
        before,
        "but one in ten minutes"
    );
}

#[test]
fn point_1_a_restart_makes_the_copy_no_younger_whatever_the_clock_says_then() {
    let (given, mut centre) = (Box::new(), Centre::new());
    let cache = given.cache();
    let ann = centre.user(1);
    centre.credential(ann, card(11));
    given.pull(&cache, &centre, 10).unwrap();
    let day = Duration::from_secs(24 * 60 * 60);
    for _ in 0..31 {
        given.clock.advance(day);
        cache.tick(given.clock.now()).unwrap();
    }
    drop(cache);
    let mut now = given.clock.now();
    for (unix_ms, trusted) in [(now.unix_ms, true), (0, false), (given::T0, true)] {
        (now.unix_ms, now.trusted, now.elapsed) = (unix_ms, trusted, Duration::ZERO);
        let cache = Cache::open(given.keys.clone(), &given.database(), now).unwrap();
        assert!(cache.age(now).unwrap() >= 31 * day);
        assert_eq!(cache.without_centre(ann, now), Err(Denied::CacheTooOld));
        assert!(
            cache.wall_unix_ms(now) >= given::T0 + 31 * 86_400_000,
            "no time goes back"
        );
    }
}
