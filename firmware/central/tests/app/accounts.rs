// SPDX-License-Identifier: Apache-2.0 OR MIT
//! People, groups, prices, rules, administrators and the audit log.

use std::time::Duration;

use platen_auth::secret::Secret;
use platen_central::app::{Actor, CentreError, NewUser, Page, UserChange, UserFilter};
use platen_model::{Covers, Period, Prices, PricesId, Quota, QuotaId, RuleId, RuleRecord, Unit};
use uuid::Uuid;

use crate::site::{ADMIN, Site, on_both};

on_both! {
    names_and_numbers_belong_to_one_person
    people_are_found_by_parts_of_their_names
    groups_go_when_no_quota_covers_them
    prices_and_rules_are_checked
    administrators_log_in_and_are_locked_out
    the_audit_log_shows_where_it_was_changed
}

fn new(login: &str, aliases: &[&str], number: Option<&str>) -> NewUser {
    NewUser {
        login: login.to_owned(),
        aliases: aliases.iter().map(|alias| (*alias).to_owned()).collect(),
        number: number.map(str::to_owned),
        ..NewUser::default()
    }
}

async fn names_and_numbers_belong_to_one_person(site: Site) {
    let create = async |user| site.centre.create_user(&ADMIN, user).await;
    let wang = create(new("Wang", &["w.wang", "WANG"], Some("12")))
        .await
        .unwrap();
    for taken in [
        new("wang ", &[], None),
        new("W.Wang", &[], None),
        new("li", &["wang"], None),
        new("li", &[], Some("12")),
    ] {
        let refused = create(taken).await.unwrap_err();
        assert!(matches!(refused, CentreError::Conflict { .. }), "{refused}");
    }
    for wrong in [
        new("", &[], None),
        new("a\nb", &[], None),
        new("li", &[], Some("12a")),
    ] {
        let refused = create(wrong).await.unwrap_err();
        assert!(matches!(refused, CentreError::Invalid { .. }), "{refused}");
    }
    let li = create(new("li", &[], None)).await.unwrap();
    assert_eq!(site.centre.user_by_name("W.WANG").await.unwrap().id, wang);
    let change = UserChange {
        number: Some(String::new()),
        aliases: Some(Vec::new()),
        ..UserChange::default()
    };
    site.centre.change_user(&ADMIN, wang, change).await.unwrap();
    let change = UserChange {
        number: Some("12".to_owned()),
        aliases: Some(vec!["w.wang".to_owned()]),
        ..UserChange::default()
    };
    site.centre.change_user(&ADMIN, li, change).await.unwrap();
    assert_eq!(site.centre.user_by_name("w.wang").await.unwrap().id, li);
    site.centre.delete_user(&ADMIN, li).await.unwrap();
    assert!(site.centre.user_by_name("w.wang").await.is_err());
    assert_eq!(site.number("SELECT COUNT(*) FROM names").await, 1);
}

async fn people_are_found_by_parts_of_their_names(site: Site) {
    for number in 0..30 {
        let mut user = new(&format!("user{number:02}"), &[], None);
        user.name = format!("王{number} 100%");
        site.centre.create_user(&ADMIN, user).await.unwrap();
    }
    let find = async |text: &str, offset, limit| {
        let filter = UserFilter {
            text: Some(text.to_owned()),
            group: None,
        };
        let page = Page {
            offset,
            limit,
            ..Page::default()
        };
        let found = site.centre.users(&filter, page).await.unwrap();
        let logins: Vec<String> = found.rows.into_iter().map(|user| user.login).collect();
        (logins, found.total)
    };
    assert_eq!(
        find("USER0", 0, 3).await,
        (vec!["user00".into(), "user01".into(), "user02".into()], 10)
    );
    assert_eq!(find("王7", 0, 10).await.0, ["user07"]);
    assert_eq!(
        find("0%", 28, 10).await,
        (vec!["user28".into(), "user29".into()], 30)
    );
    assert_eq!(find("r_0", 0, 10).await.1, 0, "no letter stands for others");
}

async fn groups_go_when_no_quota_covers_them(site: Site) {
    let group = site.centre.create_group(&ADMIN, "Pupils").await.unwrap();
    assert!(site.centre.create_group(&ADMIN, "pupils").await.is_err());
    let mut user = new("wang", &[], None);
    user.groups = vec![group];
    let user = site.centre.create_user(&ADMIN, user).await.unwrap();
    let listed = site.centre.groups().await.unwrap();
    assert_eq!((listed[0].name.as_str(), listed[0].members), ("Pupils", 1));
    let quota = Quota {
        id: QuotaId(Uuid::from_bytes([1; 16])),
        name: "sides".to_owned(),
        covers: Covers::EachOf(group),
        unit: Unit::Sides,
        limit: 5,
        period: Period::Week,
        when_spent: platen_model::WhenSpent::Mark,
    };
    site.centre.put_quota(&ADMIN, quota.clone()).await.unwrap();
    assert_eq!(site.centre.quotas().await.unwrap()[0], quota);
    assert!(site.centre.delete_group(&ADMIN, group).await.is_err());
    site.centre.delete_quota(&ADMIN, quota.id).await.unwrap();
    site.centre.delete_group(&ADMIN, group).await.unwrap();
    assert_eq!(site.centre.user(user).await.unwrap().groups, []);
    assert!(site.centre.put_quota(&ADMIN, quota).await.is_err());
}

async fn prices_and_rules_are_checked(site: Site) {
    let prices = |number: u8, currency: &str| Prices {
        id: PricesId(Uuid::from_bytes([number; 16])),
        name: "all".to_owned(),
        currency: currency.to_owned(),
        printer: None,
        side_monochrome: 100,
        side_color: 500,
        sheet: 20,
    };
    site.centre
        .put_prices(&ADMIN, prices(1, "CNY"))
        .await
        .unwrap();
    assert!(
        site.centre
            .put_prices(&ADMIN, prices(1, "yuan"))
            .await
            .is_err()
    );
    assert!(
        site.centre
            .put_prices(&ADMIN, prices(2, "CNY"))
            .await
            .is_err()
    );
    assert_eq!(site.centre.prices().await.unwrap(), [prices(1, "CNY")]);
    site.centre
        .delete_prices(&ADMIN, prices(1, "CNY").id)
        .await
        .unwrap();
    let rule = |text: &str| RuleRecord {
        id: RuleId(Uuid::from_bytes([1; 16])),
        order: 10,
        text: text.to_owned(),
    };
    let refused = site
        .centre
        .put_rule(&ADMIN, rule("forbid everything, please"))
        .await;
    assert!(matches!(refused.unwrap_err(), CentreError::Invalid { .. }));
    let right = rule("deny color for group:pupils at printer:hall");
    site.centre.put_rule(&ADMIN, right.clone()).await.unwrap();
    assert_eq!(site.centre.rules().await.unwrap(), [right]);
}

async fn administrators_log_in_and_are_locked_out(site: Site) {
    assert!(!site.centre.has_administrator().await.unwrap());
    let password = || Secret::from("correct horse");
    let create = site.centre.create_administrator(&ADMIN, "Root", password());
    let root = create.await.unwrap();
    let session = site
        .centre
        .login_administrator("root", password())
        .await
        .unwrap();
    let second = site.second().await;
    let known = second.administrator_of(&session.token).await.unwrap();
    assert_eq!(known.unwrap().id, root);
    assert_eq!(second.administrator_of("no token").await.unwrap(), None);
    let actor = Actor::Administrator(root);
    let token = site
        .centre
        .issue_token(&actor, root, "reports", 30)
        .await
        .unwrap();
    site.clock.advance(Duration::from_secs(13 * 3600));
    assert_eq!(second.administrator_of(&session.token).await.unwrap(), None);
    assert!(
        second
            .administrator_of(&token.token)
            .await
            .unwrap()
            .is_some()
    );
    for _ in 0..5 {
        let wrong = site
            .centre
            .login_administrator("root", Secret::from("no horse"))
            .await;
        assert!(matches!(wrong.unwrap_err(), CentreError::WrongSecret));
    }
    let locked = site
        .centre
        .login_administrator("root", password())
        .await
        .unwrap_err();
    assert!(
        matches!(locked, CentreError::LockedOut { minutes: 15 }),
        "{locked}"
    );
    let last = site
        .centre
        .set_administrator_active(&actor, root, false)
        .await;
    assert!(last.is_err(), "somebody must be able to log in");
    let set = site
        .centre
        .set_administrator_password(&actor, root, Secret::from("new horse"));
    set.await.unwrap();
    assert_eq!(second.administrator_of(&token.token).await.unwrap(), None);
    let session = site
        .centre
        .login_administrator("ROOT", Secret::from("new horse"))
        .await;
    site.centre.log_out(&session.unwrap().token).await.unwrap();
    assert_eq!(site.centre.tokens(root).await.unwrap(), []);
}

async fn the_audit_log_shows_where_it_was_changed(site: Site) {
    let second = site.second().await;
    for number in 0..20 {
        let (one, two) = (format!("a{number}"), format!("b{number}"));
        let pair = smol::future::zip(
            site.centre.create_group(&ADMIN, &one),
            second.create_group(&ADMIN, &two),
        );
        let (one, two) = pair.await;
        one.and(two).unwrap();
    }
    let verdict = site.centre.verify_audit().await.unwrap();
    assert_eq!((verdict.right, verdict.broken_at), (40, None));
    let log = site.centre.audit(Page::default()).await.unwrap();
    assert_eq!(
        (log.total, log.rows[0].action.as_str()),
        (40, "group-created")
    );
    site.sql("UPDATE audit SET actor = 'somebody else' WHERE sequence = 17")
        .await;
    assert_eq!(
        site.centre.verify_audit().await.unwrap().broken_at,
        Some(17)
    );
    site.sql("DELETE FROM audit WHERE sequence > 10").await;
    assert_eq!(
        site.centre.verify_audit().await.unwrap().broken_at,
        Some(11)
    );
}
