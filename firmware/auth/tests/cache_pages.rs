// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Any changes of the directory, in pages cut anywhere, with restarts in between.

#![allow(
    clippy::unwrap_used,
    reason = "a test ends where something unexpected happens"
)]

mod given;

use std::collections::BTreeMap;

use given::{Box, Centre, card, card_key, user_id};
use platen_auth::{Cache, People};
use platen_model::{Clock, CredentialId, Record, RecordId, UserId};
use proptest::prelude::*;
use uuid::Uuid;

fn who(cache: &Cache, number: u32, clock: &impl Clock) -> Option<UserId> {
    cache
        .by_card(card_key(number), clock.now())
        .map(|held| held.person.id)
}

#[derive(Clone, Debug)]
enum Act {
    User(u8),
    EndUser(u8),
    Card(u8, u8, u8),
    EndCard(u8),
    Generation,
    Pull(u8),
    Page(u8),
    Restart,
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        3 => (0..6_u8).prop_map(Act::User),
        1 => (0..6_u8).prop_map(Act::EndUser),
        4 => (0..8_u8, 0..6_u8, 0..8_u8).prop_map(|(id, user, card)| Act::Card(id, user, card)),
        2 => (0..8_u8).prop_map(Act::EndCard),
        1 => Just(Act::Generation),
        2 => (1..5_u8).prop_map(Act::Pull),
        4 => (1..4_u8).prop_map(Act::Page),
        1 => Just(Act::Restart),
    ]
}

fn fixed(id: u8) -> CredentialId {
    CredentialId(Uuid::from_u128(0xc0 + u128::from(id)))
}

fn change(centre: &mut Centre, act: &Act) {
    match *act {
        Act::User(number) => {
            centre.user(number.into());
        }
        Act::EndUser(number) => centre.end(RecordId::User(user_id(number.into()))),
        Act::Card(id, user, number) => {
            // The centre lets a card be one person's only.
            let holder = |one: &platen_model::Revised| match &one.record {
                Record::Credential(other) if other.kind == card(number.into()) => Some(other.id),
                _ => None,
            };
            if let Some(other) = centre.objects.values().find_map(holder) {
                centre.end(RecordId::Credential(other));
            }
            let mut record = given::credential(user_id(user.into()), card(number.into()));
            record.id = fixed(id);
            centre.put(Record::Credential(record));
        }
        Act::EndCard(id) => centre.end(RecordId::Credential(fixed(id))),
        Act::Generation => centre.generation += 1,
        Act::Pull(_) | Act::Page(_) | Act::Restart => {}
    }
}

/// Who each card lets in, as the centre has it.
fn by_centre(centre: &Centre) -> BTreeMap<u32, UserId> {
    let mut cards = BTreeMap::new();
    for one in centre.objects.values() {
        if let Record::Credential(credential) = &one.record
            && centre
                .objects
                .contains_key(&RecordId::User(credential.user))
            && let Some(number) = (0..8).find(|number| credential.kind == card(*number))
        {
            cards.insert(number, credential.user);
        }
    }
    cards
}

fn by_cache(cache: &Cache, clock: &impl Clock) -> BTreeMap<u32, UserId> {
    (0..8)
        .filter_map(|number| Some((number, who(cache, number, clock)?)))
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Whatever happens at the centre and however the pages are cut: a complete pull makes the copy
    /// what the centre has, and no page in between lets anybody in who was revoked before it.
    #[test]
    fn any_changes_in_any_pages_end_as_the_centre_has_them(acts in prop::collection::vec(act(), 1..40)) {
        let (given, mut centre) = (Box::new(), Centre::new());
        let mut cache = given.cache();
        for act in &acts {
            change(&mut centre, act);
            match act {
                Act::Pull(size) => {
                    given.pull(&cache, &centre, usize::from(*size)).unwrap();
                    prop_assert_eq!(by_cache(&cache, &*given.clock), by_centre(&centre));
                }
                Act::Page(size) => {
                    let page = centre.page(&cache, given.node(), usize::from(*size));
                    cache.apply(&page, given.clock.now()).unwrap();
                    for (number, user) in by_cache(&cache, &*given.clock) {
                        let held = cache.by_card(card_key(number), given.clock.now()).unwrap();
                        let id = RecordId::Credential(held.credential.unwrap());
                        prop_assert!(centre.objects.contains_key(&id), "revoked: {:?}", id);
                        prop_assert!(centre.objects.contains_key(&RecordId::User(user)));
                    }
                }
                Act::Restart => {
                    drop(cache);
                    cache = given.cache();
                }
                _ => {}
            }
        }
        given.pull(&cache, &centre, 3).unwrap();
        prop_assert_eq!(by_cache(&cache, &*given.clock), by_centre(&centre));
        let standing = cache.standing(given.clock.now());
        let count = |is: fn(&RecordId) -> bool| centre.objects.keys().filter(|id| is(id)).count();
        prop_assert_eq!(standing.users as usize, count(|id| matches!(id, RecordId::User(_))));
        let credentials = count(|id| matches!(id, RecordId::Credential(_)));
        prop_assert_eq!(standing.credentials as usize, credentials);
    }
}
