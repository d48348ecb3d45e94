// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The directory as boxes fetch it: every page believed by the box's own half, revocations first.

use platen_bed::wait::Stopwatch;
use platen_central::app::{NewCard, NewUser, UserChange};
use platen_model::{
    CredentialKind, NodeId, Record, RecordId, Revised, Settings, Tombstone, UserId,
};
use platen_sync::card::card_key;
use platen_sync::node::feed::Feed;
use platen_sync::signed::verify;

use crate::site::{ADMIN, Site, on_both, pull, stamp};

on_both! {
    a_box_fetches_everything_and_believes_it
    revocations_stand_in_the_first_page
    who_may_not_log_in_is_told_first_and_comes_back_whole
    a_new_card_key_needs_no_card_and_begins_a_generation
    twenty_thousand_people_are_fetched
}

/// Fetches until the copy is complete; the box's own half checks each page.
async fn fetch(site: &Site, node: NodeId, feed: &mut Feed) -> (Vec<Revised>, Vec<Tombstone>) {
    let (mut records, mut tombstones) = (Vec::new(), Vec::new());
    let facts = site.centre.site().await.unwrap();
    loop {
        let ask = feed.pull(stamp(), 0, 0);
        let answer = site.centre.pull(node, &ask).await.unwrap();
        let key = site.centre.directory_key();
        let page = verify(&answer.changes, &key, facts.id, node).unwrap();
        let take = feed.next(&page, facts.keys).unwrap();
        *feed = take.feed;
        records.extend(page.records);
        tombstones.extend(page.tombstones);
        if page.to == page.latest {
            return (records, tombstones);
        }
    }
}

fn users(records: &[Revised]) -> usize {
    let is_user = |revised: &&Revised| matches!(revised.record, Record::User(_));
    records.iter().filter(is_user).count()
}

/// Many people, quickly.
async fn people(site: &Site, many: usize, cards: usize) {
    let mut file = String::from("user,name,card\n");
    for number in 0..many {
        let card = |place: usize| format!("{:08x}", number * cards + place + 1);
        let cards: Vec<String> = (0..cards).map(card).collect();
        file += &format!("user{number},Somebody {number},{}\n", cards.join(";"));
    }
    let file = std::io::Cursor::new(file);
    let report = site.centre.import_users(&ADMIN, file).await.unwrap();
    assert_eq!(report.errors, []);
    assert_eq!(report.users_added, u64::try_from(many).unwrap());
}

async fn a_box_fetches_everything_and_believes_it(site: Site) {
    let node = site.member(1).await.node;
    people(&site, 2500, 0).await;
    let group = site.centre.create_group(&ADMIN, "pupils").await.unwrap();
    let wang = NewUser {
        login: "Wang".to_owned(),
        name: "王伟".to_owned(),
        aliases: vec!["w.wang".to_owned()],
        number: Some("4711".to_owned()),
        groups: vec![group],
    };
    let wang = site.centre.create_user(&ADMIN, wang).await.unwrap();
    site.centre
        .enrol_finger(&ADMIN, wang, "bmlite", &[5; 3000])
        .await
        .unwrap();
    let settings = Settings {
        tries: 3,
        ..Settings::default()
    };
    site.centre
        .set_settings(&ADMIN, settings.clone())
        .await
        .unwrap();
    let mut feed = Feed::default();
    let (records, tombstones) = fetch(&site, node, &mut feed).await;
    assert_eq!((users(&records), tombstones.len()), (2501, 0));
    let known = records.iter().find_map(|revised| match &revised.record {
        Record::User(user) if user.id == wang => Some(user),
        _ => None,
    });
    let known = known.unwrap();
    assert_eq!(
        (known.login.as_str(), known.name.as_str()),
        ("Wang", "王伟")
    );
    assert_eq!(
        (&known.aliases[..], &known.groups[..]),
        (&["w.wang".to_owned()][..], &[group][..])
    );
    assert_eq!(known.number.as_deref(), Some("4711"));
    assert!(
        records
            .iter()
            .any(|revised| revised.record == Record::Settings(settings.clone()))
    );
    let template = records.iter().find_map(|revised| match &revised.record {
        Record::Credential(credential) => match &credential.kind {
            CredentialKind::Finger { template, .. } => Some(template.clone()),
            _ => None,
        },
        _ => None,
    });
    assert_eq!(
        template,
        Some(vec![5; 3000]),
        "sealed in the database, open to boxes"
    );
    // Nothing new is no news.
    let ask = feed.pull(stamp(), 0, 0);
    let leases = site.centre.news(node, &ask).await.unwrap().unwrap();
    assert!(leases.fresh.is_empty() && leases.recalled.is_empty());
    site.user("li").await;
    assert_eq!(site.centre.news(node, &ask).await.unwrap(), None);
    let (records, _) = fetch(&site, node, &mut feed).await;
    assert_eq!(users(&records), 1);
}

async fn revocations_stand_in_the_first_page(site: Site) {
    let node = site.member(1).await.node;
    people(&site, 300, 1).await;
    let mut feed = Feed::default();
    let (records, _) = fetch(&site, node, &mut feed).await;
    let first = records.iter().find_map(|revised| match &revised.record {
        Record::User(user) => Some(user.id),
        _ => None,
    });
    let first = first.unwrap();
    let before = feed.serving.revision;
    let mut file = String::from("user\n");
    (0..2500).for_each(|number| file += &format!("new{number}\n"));
    site.centre
        .import_users(&ADMIN, std::io::Cursor::new(file))
        .await
        .unwrap();
    site.centre.delete_user(&ADMIN, first).await.unwrap();
    let ask = pull(feed.serving.generation, before);
    let page = site.centre.changes(node, &ask).await.unwrap();
    assert!(page.to < page.latest && page.records.len() == 2000);
    let gone: Vec<RecordId> = page.tombstones.iter().map(|gone| gone.id).collect();
    assert_eq!(gone.len(), 2, "the person and the card");
    assert!(gone.contains(&RecordId::User(first)));
}

async fn who_may_not_log_in_is_told_first_and_comes_back_whole(site: Site) {
    let node = site.member(1).await.node;
    let wang = site.user("wang").await;
    let card = card("04a2318c5e6180");
    let card = site.centre.bind_card(&ADMIN, wang, card).await.unwrap();
    let mut feed = Feed::default();
    fetch(&site, node, &mut feed).await;
    let change = |active| UserChange {
        active: Some(active),
        ..UserChange::default()
    };
    site.centre
        .change_user(&ADMIN, wang, change(false))
        .await
        .unwrap();
    let (records, tombstones) = fetch(&site, node, &mut feed).await;
    assert_eq!(tombstones[0].id, RecordId::User(wang));
    // The record behind it is not beaten by it: the box can say why the person gets nothing.
    assert!(records[0].revision > tombstones[0].revision);
    assert!(matches!(&records[0].record, Record::User(user) if !user.active));
    site.centre
        .change_user(&ADMIN, wang, change(true))
        .await
        .unwrap();
    let (records, tombstones) = fetch(&site, node, &mut feed).await;
    let ids: Vec<RecordId> = records.iter().map(|revised| revised.record.id()).collect();
    assert_eq!(ids, [RecordId::User(wang), RecordId::Credential(card)]);
    assert_eq!(tombstones, []);
}

pub(crate) fn card(number: &str) -> NewCard {
    NewCard {
        number: number.to_owned(),
        ..NewCard::default()
    }
}

async fn a_new_card_key_needs_no_card_and_begins_a_generation(site: Site) {
    let node = site.member(1).await.node;
    people(&site, 1200, 3).await;
    let wang = site.user("wang").await;
    let number = [0x04, 0xa2, 0x31, 0x8c, 0x5e, 0x61, 0x80];
    let new = card("04:a2:31:8c:5e:61:80");
    let bound = site.centre.bind_card(&ADMIN, wang, new).await.unwrap();
    let mut feed = Feed::default();
    fetch(&site, node, &mut feed).await;
    let old = feed.serving.generation;
    let generation = site.centre.rotate_card_key(&ADMIN).await.unwrap();
    assert!(generation > old);
    let keys = site.centre.site_keys().await.unwrap();
    assert_eq!(keys.keys.len(), 2);
    let (records, _) = fetch(&site, node, &mut feed).await;
    assert_eq!(feed.serving.generation, generation);
    assert_eq!(users(&records), 1201);
    let hash = records.iter().find_map(|revised| match &revised.record {
        Record::Credential(credential) if credential.id == bound => match credential.kind {
            CredentialKind::Card { key, .. } => Some(key),
            _ => None,
        },
        _ => None,
    });
    assert_eq!(hash, card_key(&keys, 2, &number));
    // Another server knows it at once.
    assert_eq!(site.second().await.site_keys().await.unwrap(), keys);
}

async fn twenty_thousand_people_are_fetched(site: Site) {
    let node = site.member(1).await.node;
    let watch = Stopwatch::start();
    people(&site, 20_000, 3).await;
    let imported = watch.elapsed();
    let watch = Stopwatch::start();
    let mut feed = Feed::default();
    let (records, _) = fetch(&site, node, &mut feed).await;
    let fetched = watch.elapsed();
    assert_eq!(users(&records), 20_000);
    assert_eq!(records.len(), 80_001);
    let bytes: usize = records.iter().map(cbor).sum();
    println!("20,000 people, 60,000 cards: import {imported:?}, feed {fetched:?}, {bytes} bytes");
    let mut revisions: Vec<u64> = records.iter().map(|revised| revised.revision).collect();
    revisions.dedup();
    assert_eq!(revisions.len(), records.len());
    let someone: Vec<UserId> =
        Vec::from_iter(records.iter().find_map(|revised| match &revised.record {
            Record::User(user) => Some(user.id),
            _ => None,
        }));
    assert_eq!(site.centre.credentials(someone[0]).await.unwrap().len(), 3);
}

fn cbor(revised: &Revised) -> usize {
    let mut bytes = Vec::new();
    ciborium::into_writer(revised, &mut bytes).unwrap();
    bytes.len()
}
