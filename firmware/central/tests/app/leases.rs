// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Quotas: what is out and what is spent never pass the limit, however many servers give and however
//! many boxes ask.

use std::time::Duration;

use platen_central::app::{ChargeFilter, LeaseFilter, LeaseState, Page, QuotaUse, UserChange};
use platen_model::{
    Covers, CredentialId, Entry, GroupId, Lease, Period, Quota, QuotaId, Unit, UserId, WhenSpent,
};
use platen_sync::message::{LeaseNews, LeaseWant};
use uuid::Uuid;

use crate::site::{ADMIN, Site, TestBox, job, on_both, settled, share};

on_both! {
    two_servers_never_give_more_than_there_is
    servers_and_boxes_do_not_wait_for_each_other_in_a_ring
    what_a_box_gives_back_is_there_for_others
    a_charge_above_its_lease_is_taken_and_flagged
    lost_entries_make_an_open_lease_count_whole
    a_lost_box_gives_back_at_once_and_is_welcome_again
    a_new_period_has_its_own_amount_and_asks_the_old_leases_back
    a_lower_limit_asks_back_and_a_quota_taken_away_asks_all
    each_member_of_a_group_has_their_own
    nothing_is_given_after_a_restore_until_every_box_has_told
    an_idle_box_is_asked_for_what_another_needs
}

async fn group_with(site: &Site, users: &[UserId]) -> GroupId {
    let group = site.centre.create_group(&ADMIN, "pupils").await.unwrap();
    for user in users {
        let change = UserChange {
            groups: Some(vec![group]),
            ..UserChange::default()
        };
        site.centre
            .change_user(&ADMIN, *user, change)
            .await
            .unwrap();
    }
    group
}

async fn quota(site: &Site, covers: Covers, limit: u64, period: Period) -> QuotaId {
    let id = QuotaId(Uuid::from_bytes([3; 16]));
    let quota = Quota {
        id,
        name: "sides".to_owned(),
        covers,
        unit: Unit::Sides,
        limit,
        period,
        when_spent: WhenSpent::Deny,
    };
    site.centre.put_quota(&ADMIN, quota).await.unwrap();
    id
}

async fn shared(site: &Site, limit: u64) -> QuotaId {
    let group = group_with(site, &[]).await;
    quota(site, Covers::Group(group), limit, Period::Month).await
}

fn want(quota: QuotaId, amount: u64) -> Vec<LeaseWant> {
    vec![LeaseWant {
        quota,
        user: None,
        amount,
    }]
}

async fn used(site: &Site, quota: QuotaId) -> QuotaUse {
    site.centre.quota_use(quota, None).await.unwrap()
}

/// Spends of a lease and writes it down.
fn spend(printer: &mut TestBox, number: u8, lease: &Lease, amount: u64) {
    let shares = vec![share(lease.quota, Some(lease.id), amount)];
    printer.write(&settled(job(number), lease.user, shares));
}

async fn two_servers_never_give_more_than_there_is(site: Site) {
    let second = site.second().await;
    let quota = shared(&site, 1000).await;
    let mut boxes = Vec::new();
    for number in 1..=8 {
        boxes.push(site.member(number).await);
    }
    // All at once, again and again, through both servers, with jobs in between.
    for round in 0..6_u8 {
        let asked = boxes.iter_mut().enumerate().map(|(place, printer)| {
            let centre = if place % 2 == 0 {
                &site.centre
            } else {
                &second
            };
            async move {
                let news = printer.sync_wanting(centre, want(quota, 400)).await;
                for lease in news.fresh {
                    let number = round * 8 + u8::try_from(place).unwrap();
                    spend(printer, number, &lease, lease.amount / 2);
                }
            }
        });
        all(asked).await;
        let used = used(&site, quota).await;
        assert!(used.charged + used.out <= 1000, "{used:?}");
        assert_eq!(used.charged + used.out + used.free, 1000, "{used:?}");
    }
    let used = used(&site, quota).await;
    assert!(used.charged > 100, "there was something to spend: {used:?}");
    let alerts = site.centre.alerts(true, Page::default()).await.unwrap();
    assert_eq!(alerts.rows, []);
}

/// Boxes that spend, give back and want of several quotas, cards that they bound, limits that change
/// and a restore, all at once through two servers: nobody fails, and no transaction is given up.
async fn servers_and_boxes_do_not_wait_for_each_other_in_a_ring(site: Site) {
    let second = site.second().await;
    let user = site.user("wang").await;
    let group = group_with(&site, &[user]).await;
    let mut quotas = Vec::new();
    for number in 1..=4 {
        let quota = Quota {
            id: QuotaId(Uuid::from_bytes([number; 16])),
            name: format!("sides {number}"),
            covers: Covers::Group(group),
            unit: Unit::Sides,
            limit: 1000,
            period: Period::Month,
            when_spent: WhenSpent::Deny,
        };
        site.centre.put_quota(&ADMIN, quota.clone()).await.unwrap();
        quotas.push(quota);
    }
    let mut boxes = Vec::new();
    for number in 1..=6 {
        boxes.push((site.member(number).await, Vec::<Lease>::new()));
    }
    for round in 0..8_u8 {
        let pushes = boxes.iter_mut().enumerate().map(|(place, (printer, has))| {
            let (centre, quotas) = (
                if place % 2 == 0 {
                    &site.centre
                } else {
                    &second
                },
                &quotas,
            );
            let number = round * 6 + u8::try_from(place).unwrap();
            Box::pin(async move {
                // Each in an order of its own.
                let turn = place % has.len().max(1);
                has.rotate_left(turn);
                let shares = has.iter().map(|one| share(one.quota, Some(one.id), 3));
                printer.write(&settled(job(number), Some(user), shares.collect()));
                if let Some(back) = has.pop() {
                    printer.write(&Entry::LeaseClosed { lease: back.id });
                }
                printer.write(&Entry::CodeUsed {
                    credential: CredentialId(Uuid::from_bytes([number; 16])),
                });
                let wants = quotas.iter().flat_map(|quota| want(quota.id, 600));
                let mut wants: Vec<LeaseWant> = wants.collect();
                wants.rotate_left(place % 4);
                has.extend(printer.sync_wanting(centre, wants).await.fresh);
            }) as std::pin::Pin<Box<dyn Future<Output = ()> + '_>>
        });
        let mut work: Vec<_> = pushes.collect();
        for quota in &quotas {
            let mut quota = quota.clone();
            quota.limit = 400 + u64::from(round % 2) * 600;
            let second = &second;
            work.push(Box::pin(async move {
                second.put_quota(&ADMIN, quota).await.unwrap();
            }));
        }
        if round == 6 {
            let second = &second;
            work.push(Box::pin(async move {
                second.after_restore(&ADMIN).await.unwrap();
            }));
        }
        all(work.into_iter()).await;
    }
    let given = LeaseFilter::default();
    let given = site.centre.leases(&given, Page::default()).await.unwrap();
    assert!(given.total > 20, "{}", given.total);
    if site.url.starts_with("postgres") {
        site.centre.close().await;
        second.close().await;
        let given_up = "SELECT deadlocks FROM pg_stat_database WHERE datname = CURRENT_DATABASE()";
        assert_eq!(site.number(given_up).await, 0);
    }
}

/// Runs futures side by side.
async fn all<F: Future<Output = ()>>(futures: impl Iterator<Item = F>) {
    let executor = smol::LocalExecutor::new();
    let tasks: Vec<_> = futures.map(|future| executor.spawn(future)).collect();
    executor
        .run(async {
            for task in tasks {
                task.await;
            }
        })
        .await;
}

async fn what_a_box_gives_back_is_there_for_others(site: Site) {
    let quota = shared(&site, 100).await;
    let mut one = site.member(1).await;
    let news = one.sync_wanting(&site.centre, want(quota, 100)).await;
    let lease = news.fresh[0].clone();
    assert!(lease.amount <= 100 && lease.amount >= 70, "{lease:?}");
    // Said again it is offered again, until the box says that it took it.
    let (taken, upto) = (one.leases_upto, std::mem::take(&mut one.leases_upto));
    let again = one.sync_wanting(&site.centre, Vec::new()).await;
    assert_eq!((again.fresh.len(), &again.fresh[0]), (1, &lease));
    one.leases_upto = taken.max(upto);
    let none = one.sync_wanting(&site.centre, Vec::new()).await;
    assert_eq!(none.fresh, []);
    spend(&mut one, 1, &lease, 30);
    one.write(&Entry::LeaseClosed { lease: lease.id });
    one.sync(&site.centre).await;
    let now = used(&site, quota).await;
    assert_eq!((now.charged, now.out, now.free), (30, 0, 70));
    let all = LeaseFilter::default();
    let held = site.centre.leases(&all, Page::default()).await.unwrap();
    let held = &held.rows[0];
    assert_eq!(
        (held.state, held.spent, held.counts),
        (LeaseState::Closed, 30, 30)
    );
    // An entry that comes again gives nothing back again.
    let mut again = one.clone();
    again.kept = platen_sync::message::Link::default();
    again.sync(&site.centre).await;
    assert_eq!(used(&site, quota).await, now);
}

async fn a_charge_above_its_lease_is_taken_and_flagged(site: Site) {
    let quota = shared(&site, 100).await;
    let mut printer = site.member(1).await;
    let news = printer.sync_wanting(&site.centre, want(quota, 50)).await;
    let lease = news.fresh[0].clone();
    spend(&mut printer, 1, &lease, lease.amount + 5);
    // What was let through above a quota has no lease.
    printer.write(&settled(job(2), None, vec![share(quota, None, 7)]));
    printer.sync(&site.centre).await;
    let used = used(&site, quota).await;
    assert_eq!((used.charged, used.out), (lease.amount + 12, 0));
    let alerts = site.centre.alerts(true, Page::default()).await.unwrap();
    assert_eq!(alerts.rows[0].kind, "overspent");
    assert!(alerts.rows[0].detail.contains("\"over\":5"), "{alerts:?}");
    let all = ChargeFilter::default();
    let charges = site.centre.charges(&all, Page::default()).await;
    let charges = charges.unwrap().rows;
    let second = charges.iter().find(|charge| charge.job == job(2)).unwrap();
    assert!(second.shares[0].above && second.shares[0].lease.is_none());
}

async fn lost_entries_make_an_open_lease_count_whole(site: Site) {
    let quota = shared(&site, 100).await;
    let mut printer = site.member(1).await;
    let news = printer.sync_wanting(&site.centre, want(quota, 80)).await;
    let lease = news.fresh[0].clone();
    spend(&mut printer, 1, &lease, 10);
    printer.write_raw(Vec::new());
    printer.write(&Entry::LeaseClosed { lease: lease.id });
    printer.sync(&site.centre).await;
    let used = used(&site, quota).await;
    assert_eq!((used.charged, used.out), (10, 0));
    assert_eq!(used.free, 100 - lease.amount, "nobody knows what was spent");
}

async fn a_lost_box_gives_back_at_once_and_is_welcome_again(site: Site) {
    let quota = shared(&site, 100).await;
    let mut printer = site.member(1).await;
    let news = printer.sync_wanting(&site.centre, want(quota, 80)).await;
    let lease = news.fresh[0].clone();
    spend(&mut printer, 1, &lease, 20);
    printer.sync(&site.centre).await;
    spend(&mut printer, 2, &lease, 15);
    let ended = site
        .centre
        .declare_lost(&ADMIN, printer.node)
        .await
        .unwrap();
    assert_eq!(ended, 1);
    assert_eq!(used(&site, quota).await.free, 80);
    // It was only away: what it spent meanwhile is charged, flagged, and the lease asked back.
    let news = printer.sync_wanting(&site.centre, Vec::new()).await;
    assert_eq!(news.recalled, [lease.id]);
    let now = used(&site, quota).await;
    assert_eq!((now.charged, now.free), (35, 65));
    let alerts = site.centre.alerts(true, Page::default()).await.unwrap();
    let mut kinds: Vec<_> = alerts.rows.iter().map(|alert| &*alert.kind).collect();
    kinds.sort_unstable();
    assert_eq!(kinds, ["lost-box-is-back", "overspent"]);
    printer.write(&Entry::LeaseClosed { lease: lease.id });
    let news = printer.sync_wanting(&site.centre, Vec::new()).await;
    assert_eq!(news.recalled, []);
}

async fn a_new_period_has_its_own_amount_and_asks_the_old_leases_back(site: Site) {
    let group = group_with(&site, &[]).await;
    let quota = quota(&site, Covers::Group(group), 100, Period::Day).await;
    let mut printer = site.member(1).await;
    let news = printer.sync_wanting(&site.centre, want(quota, 100)).await;
    let old = news.fresh[0].clone();
    site.clock.advance(Duration::from_secs(24 * 3600));
    let news = printer.sync_wanting(&site.centre, want(quota, 60)).await;
    assert_eq!(news.recalled, [old.id]);
    assert_eq!(news.fresh[0].period, old.period + 1);
    let used = used(&site, quota).await;
    assert_eq!((used.charged, used.out), (0, news.fresh[0].amount));
    // A job that was released on the old day counts there.
    spend(&mut printer, 1, &old, 40);
    printer.sync(&site.centre).await;
    assert_eq!(self::used(&site, quota).await.charged, 0);
}

async fn a_lower_limit_asks_back_and_a_quota_taken_away_asks_all(site: Site) {
    let quota = shared(&site, 100).await;
    let mut printer = site.member(1).await;
    let news = printer.sync_wanting(&site.centre, want(quota, 90)).await;
    let lease = news.fresh[0].clone();
    let mut changed = site.centre.quotas().await.unwrap().remove(0);
    changed.limit = 20;
    site.centre.put_quota(&ADMIN, changed).await.unwrap();
    let news = printer.sync_wanting(&site.centre, Vec::new()).await;
    assert_eq!(news.recalled, [lease.id]);
    assert_eq!(used(&site, quota).await.free, 0);
    site.centre.delete_quota(&ADMIN, quota).await.unwrap();
    let news = printer.sync_wanting(&site.centre, want(quota, 10)).await;
    assert_eq!((news.recalled, news.fresh), (vec![lease.id], Vec::new()));
    // What comes of it later is charged all the same.
    spend(&mut printer, 1, &lease, 9);
    printer.sync(&site.centre).await;
    assert_eq!(
        site.number("SELECT COUNT(*) FROM shares WHERE amount = 9")
            .await,
        1
    );
}

async fn each_member_of_a_group_has_their_own(site: Site) {
    let (wang, li) = (site.user("wang").await, site.user("li").await);
    let zhao = site.user("zhao").await;
    let group = group_with(&site, &[wang, li]).await;
    let quota = quota(&site, Covers::EachOf(group), 50, Period::Once).await;
    let mut printer = site.member(1).await;
    let wants = [wang, li, zhao].map(|user| LeaseWant {
        quota,
        user: Some(user),
        amount: 40,
    });
    let news = printer.sync_wanting(&site.centre, wants.to_vec()).await;
    let mut whose: Vec<_> = news.fresh.iter().filter_map(|lease| lease.user).collect();
    whose.sort();
    let mut members = [wang, li];
    members.sort();
    assert_eq!(whose, members, "who is no member gets none");
    spend(&mut printer, 1, &news.fresh[0], 5);
    printer.sync(&site.centre).await;
    let spender = site
        .centre
        .quota_use(quota, news.fresh[0].user)
        .await
        .unwrap();
    let other = site
        .centre
        .quota_use(quota, news.fresh[1].user)
        .await
        .unwrap();
    assert_eq!((spender.charged, other.charged), (5, 0));
}

async fn nothing_is_given_after_a_restore_until_every_box_has_told(site: Site) {
    let quota = shared(&site, 100).await;
    let (mut one, mut two) = (site.member(1).await, site.member(2).await);
    one.sync(&site.centre).await;
    let before = site.centre.site().await.unwrap();
    let generation = site.centre.after_restore(&ADMIN).await.unwrap();
    assert!(generation > before.generation);
    let none = one.sync_wanting(&site.centre, want(quota, 40)).await;
    assert_eq!((none.fresh, none.generation), (Vec::new(), generation));
    one.generation = generation;
    let none = one.sync_wanting(&site.centre, want(quota, 40)).await;
    assert_eq!(none.fresh, [], "the other box may have some");
    two.generation = generation;
    two.sync(&site.centre).await;
    let news: LeaseNews = one.sync_wanting(&site.centre, want(quota, 40)).await;
    assert_eq!(news.fresh.len(), 1);
}

async fn an_idle_box_is_asked_for_what_another_needs(site: Site) {
    let quota = shared(&site, 100).await;
    let mut idle = site.member(1).await;
    let news = idle.sync_wanting(&site.centre, want(quota, 100)).await;
    let lease = news.fresh[0].clone();
    let mut busy = site.member(2).await;
    let got = busy.sync_wanting(&site.centre, want(quota, 90)).await;
    let got: u64 = got.fresh.iter().map(|lease| lease.amount).sum();
    assert!(got + lease.amount <= 100);
    let news = idle.sync_wanting(&site.centre, Vec::new()).await;
    assert_eq!(news.recalled, [lease.id]);
    idle.write(&Entry::LeaseClosed { lease: lease.id });
    idle.sync(&site.centre).await;
    let more = busy.sync_wanting(&site.centre, want(quota, 90)).await;
    let more: u64 = more.fresh.iter().map(|lease| lease.amount).sum();
    assert!(more > 20, "{more}");
    assert!(used(&site, quota).await.out <= 100);
}
