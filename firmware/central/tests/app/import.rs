// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Import of people from CSV files.

use std::io::Cursor;

use platen_central::app::{CentreError, ImportReport, NewUser, Page, UserFilter};
use platen_model::{Denied, Method};
use platen_sync::message::{LoginAsk, VERSION, Who};

use crate::site::{ADMIN, Site, on_both};

on_both! {
    broken_rows_are_named_and_good_ones_taken
    the_file_has_the_last_word_on_whom_it_names
    a_file_that_is_none_is_refused_as_a_whole
    every_part_stands_in_the_audit_log_and_all_refused_rows_are_counted
    people_are_found_by_letters_of_any_alphabet
}

async fn import(site: &Site, file: &str) -> ImportReport {
    let file = Cursor::new(file.to_owned());
    site.centre.import_users(&ADMIN, file).await.unwrap()
}

async fn broken_rows_are_named_and_good_ones_taken(site: Site) {
    let report = import(
        &site,
        "user,name,card,number,groups,pin,password,active\n\
         wang,王伟,04a2318c5e6180;deadbeef,4711,teachers;staff,2580,,\n\
         li,李娜,nocard,,,,,\n\
         zhao,赵,deadbeef,,,,,\n\
         \"open,quote\n\
         ,nobody,,,,,,\n\
         chen,陈,11223344,4711,,,,\n\
         sun,孙,55667788,,pupils,1234,,\n\
         zhou,周,99aabbcc,,Staff,,horse battery,no\n\
         wu,too,few\n",
    )
    .await;
    let lines: Vec<usize> = report.errors.iter().map(|(line, _)| *line).collect();
    assert_eq!(lines, [3, 4, 5, 6, 7, 8, 10], "{:?}", report.errors);
    assert!(report.errors[1].1.contains("line 2"), "{:?}", report.errors);
    assert_eq!((report.users_added, report.cards_bound), (2, 3));
    assert_eq!((report.secrets_set, report.groups_added), (2, 2));
    let wang = site.centre.user_by_name("wang").await.unwrap();
    assert_eq!((wang.name.as_str(), wang.groups.len()), ("王伟", 2));
    assert!(!site.centre.user_by_name("zhou").await.unwrap().active);
    let node = site.member(1).await.node;
    let login = async |method, who, secret: &str| {
        let ask = LoginAsk {
            version: VERSION,
            method,
            who,
            secret: Some(secret.to_owned()),
            leases_upto: 0,
        };
        let answer = site.centre.login(node, &ask).await.unwrap();
        answer.result.map(|logged_in| logged_in.user)
    };
    let number = Who::Number("4711".to_owned());
    assert_eq!(login(Method::Pin, number, "2580").await, Ok(wang.id));
    let zhou = Who::Login("zhou".to_owned());
    let denied = login(Method::Password, zhou, "horse battery").await;
    assert_eq!(denied, Err(Denied::UserDisabled));
}

async fn the_file_has_the_last_word_on_whom_it_names(site: Site) {
    let first = "user,card,aliases\nwang,00000001;00000002,ww\nli,00000003,\nsun,00000004,\n";
    import(&site, first).await;
    let again = import(&site, first).await;
    assert_eq!(
        (again.users_added, again.users_changed, again.cards_bound),
        (0, 0, 0)
    );
    // A card and an alias go over to somebody whom the file names as well; sun it does not name.
    let second = import(
        &site,
        "user,card,aliases\nli,00000002;00000003,ww\nwang,00000001,\nchen,00000004,\n",
    )
    .await;
    assert_eq!(second.errors.len(), 1, "{:?}", second.errors);
    assert!(second.errors[0].1.contains("somebody else"));
    assert_eq!((second.users_changed, second.cards_bound), (2, 1));
    let li = site.centre.user_by_name("ww").await.unwrap();
    assert_eq!(li.login, "li");
    assert_eq!(site.centre.credentials(li.id).await.unwrap().len(), 2);
    let wang = site.centre.user_by_name("wang").await.unwrap();
    assert_eq!(site.centre.credentials(wang.id).await.unwrap().len(), 1);
    // Columns that are not there change nothing.
    import(&site, "user,name\nwang,Wang Wei\n").await;
    assert_eq!(site.centre.credentials(wang.id).await.unwrap().len(), 1);
    let all = UserFilter::default();
    let everybody = site.centre.users(&all, Page::default()).await.unwrap();
    assert_eq!(everybody.total, 3);
}

async fn a_file_that_is_none_is_refused_as_a_whole(site: Site) {
    for file in ["", "name,card\n", "user,user\n", "user,shoe size\n"] {
        let refused = site.centre.import_users(&ADMIN, Cursor::new(file)).await;
        assert!(matches!(refused, Err(CentreError::File { .. })), "{file}");
    }
    let long = "user\n".to_owned() + &"x\n".repeat(100_001);
    let refused = site.centre.import_users(&ADMIN, Cursor::new(long)).await;
    assert!(matches!(refused, Err(CentreError::File { .. })));
    let endless = std::io::Read::chain(Cursor::new("user\n"), std::io::repeat(b'x'));
    let refused = site.centre.import_users(&ADMIN, endless).await;
    assert!(matches!(refused, Err(CentreError::File { .. })));
    assert_eq!(site.number("SELECT COUNT(*) FROM users").await, 0);
}

async fn every_part_stands_in_the_audit_log_and_all_refused_rows_are_counted(site: Site) {
    let mut file = "user,card\n".to_owned();
    for number in 0..600 {
        file.push_str(&format!("user{number},{number:08x}\n"));
    }
    for number in 0..1100 {
        file.push_str(&format!("bad{number},no card\n"));
    }
    let report = import(&site, &file).await;
    assert_eq!((report.refused, report.errors.len()), (1100, 1000));
    assert_eq!((report.users_added, report.cards_bound), (600, 600));
    let audit = site.centre.audit(Page::default()).await.unwrap();
    let detail = |action: &str| {
        let of_action = audit.rows.iter().filter(move |one| one.action == action);
        let details = of_action.map(|one| serde_json::from_str(&one.detail).unwrap());
        details.collect::<Vec<serde_json::Value>>()
    };
    let parts = detail("users-imported-part");
    let added = parts.iter().filter_map(|part| part["added"].as_u64());
    let added: Vec<u64> = added.collect();
    assert_eq!(added.iter().sum::<u64>(), 600);
    assert!(added.len() > 1, "{added:?}");
    assert_eq!(detail("users-imported")[0]["refused"], 1100);
}

async fn people_are_found_by_letters_of_any_alphabet(site: Site) {
    let new = NewUser {
        login: "ÖZGÜR".to_owned(),
        name: "Élodie ÅSTRÖM".to_owned(),
        ..NewUser::default()
    };
    site.centre.create_user(&ADMIN, new).await.unwrap();
    site.user("wang").await;
    let find = async |text: &str| {
        let filter = UserFilter {
            text: Some(text.to_owned()),
            group: None,
        };
        let found = site.centre.users(&filter, Page::default()).await.unwrap();
        found.total
    };
    for text in ["özgür", "ÖZG", "élodie", "Åström", "DIE å"] {
        assert_eq!(find(text).await, 1, "{text}");
    }
    assert_eq!(find("ozgur").await, 0);
}
