// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The API over real TLS: every answer is held to the schema that the description gives for it.

mod conform;
mod releases;

use std::collections::BTreeSet;

use platen_central::app::IMPORT_BYTES_MAX;
use platen_net::HttpsError;
use serde_json::{Value, json};

use super::routes::{Operation, ROUTES, Takes};
use crate::test_site::TestSite;

/// Asks and holds the answer to the route's schema.
fn told(site: &TestSite, method: &str, path: &str, body: Value) -> Value {
    let answer = site.served(method, path, body);
    conform::check(method, path, &answer);
    answer
}

#[test]
fn without_a_token_only_what_is_open_is_served() {
    let site = TestSite::sqlite();
    for route in ROUTES {
        let path = route.path.replace(['{', '}'], "");
        let body = match route.takes {
            Takes::Json(_) => "{}",
            _ => "",
        };
        let kind = match route.takes {
            Takes::Text(kind) => kind,
            Takes::Bytes => "application/octet-stream",
            _ => "application/json",
        };
        let (status, _) = site.ask_with("", route.method, &path, kind, body);
        match route.operation {
            Operation::Health | Operation::OpenApi => assert_eq!(status, 200, "{path}"),
            Operation::Login => assert_eq!(status, 400, "{path}"),
            _ => assert_eq!(status, 401, "{} {path}", route.method),
        }
    }
}

#[test]
fn tokens_cannot_be_guessed_for_long_from_one_address() {
    let site = TestSite::sqlite();
    let guess = |token: &str| site.ask_with(token, "GET", "/v1/me", "text/plain", "").0;
    let statuses: Vec<u16> = (0..25).map(|n| guess(&format!("guess{n}"))).collect();
    assert_eq!(statuses.first(), Some(&401));
    assert_eq!(statuses.last(), Some(&429));
    assert_eq!(guess(&site.token), 200, "others may share the address");
    assert_eq!(guess("another guess"), 429);
}

#[test]
fn people_are_added_changed_and_deleted() {
    let site = TestSite::sqlite();
    let ask = |method, path: &str, body| told(&site, method, path, body);
    ask("POST", "/v1/groups", json!({ "name": "staff" }));
    let user = ask(
        "POST",
        "/v1/users",
        json!({ "login": "ann", "name": "Ann Lee", "number": "17", "groups": ["staff"] }),
    );
    assert_eq!(user["groups"], json!(["staff"]));
    let id = user["id"].as_str().unwrap();
    assert_eq!(
        ask("GET", &format!("/v1/users/{id}"), Value::Null)["login"],
        "ann"
    );
    let user = ask(
        "PATCH",
        "/v1/users/ann",
        json!({ "active": false, "number": "" }),
    );
    assert_eq!(
        (&user["active"], &user["number"]),
        (&json!(false), &Value::Null)
    );
    let listed = ask("GET", "/v1/users?search=lee&group=staff", Value::Null);
    assert_eq!(listed["total"], 1);
    assert_eq!(
        ask("GET", "/v1/groups", Value::Null)["items"][0]["members"],
        1
    );
    ask("PATCH", "/v1/groups/staff", json!({ "name": "crew" }));
    ask("DELETE", "/v1/groups/crew", Value::Null);
    ask("DELETE", "/v1/users/ann", Value::Null);
    assert_eq!(site.ask("GET", "/v1/users/ann", Value::Null).0, 404);
}

#[test]
fn a_person_gets_cards_pins_passwords_and_codes_and_no_answer_holds_one() {
    let site = TestSite::sqlite();
    let ask = |method, path: &str, body| told(&site, method, path, body);
    ask("POST", "/v1/users", json!({ "login": "ann" }));
    let card = json!({ "number": "04:A1:B2:C3", "with_pin": true });
    ask("POST", "/v1/users/ann/cards", card.clone());
    ask("POST", "/v1/users/ann/pin", json!({ "pin": "8361" }));
    ask(
        "POST",
        "/v1/users/ann/password",
        json!({ "password": "correct horse" }),
    );
    let code = ask("POST", "/v1/users/ann/codes", json!({ "hours": 2 }));
    assert!(code["code"].as_str().unwrap().len() >= 8);
    let listed = ask("GET", "/v1/users/ann/credentials", Value::Null);
    assert_eq!(listed["total"], 4);
    let text = listed.to_string();
    assert!(!text.contains("argon2") && !text.to_lowercase().contains("04a1b2c3"));
    // A card is one person's.
    ask("POST", "/v1/users", json!({ "login": "eve" }));
    assert_eq!(site.ask("POST", "/v1/users/eve/cards", card).0, 409);
    let id = listed["items"][0]["id"].as_str().unwrap();
    ask("POST", &format!("/v1/credentials/{id}/unlock"), Value::Null);
    ask("DELETE", &format!("/v1/credentials/{id}"), Value::Null);
    assert_eq!(
        site.ask("DELETE", &format!("/v1/credentials/{id}"), Value::Null)
            .0,
        404
    );
    let audit = ask("GET", "/v1/audit", Value::Null).to_string();
    assert!(!audit.contains("8361") && !audit.contains("correct horse"));
}

#[test]
fn what_is_wrong_with_a_request_is_named() {
    let site = TestSite::sqlite();
    let refused = |method, path: &str, body| {
        let (status, answer) = site.ask(method, path, body);
        conform::check_named("Problem", &answer);
        (status, answer)
    };
    site.served("POST", "/v1/users", json!({ "login": "ann" }));
    let (status, answer) = refused("POST", "/v1/users/ann/pin", json!({ "pin": "1234" }));
    assert_eq!(status, 400);
    assert!(!answer.to_string().contains("1234"), "{answer}");
    let (status, answer) = refused("POST", "/v1/users/ann/pin", json!({ "pin": 8361 }));
    assert_eq!(status, 400);
    assert!(!answer.to_string().contains("8361"), "{answer}");
    let (_, answer) = refused("POST", "/v1/users", json!({ "login": "x", "colour": 1 }));
    assert!(answer["message"].as_str().unwrap().contains("colour"));
    assert_eq!(
        refused("POST", "/v1/users", json!({ "login": "ann" })).0,
        409
    );
    assert_eq!(refused("GET", "/v1/users?serch=ann", Value::Null).0, 400);
    assert_eq!(refused("GET", "/v1/users?after=x", Value::Null).0, 400);
    assert_eq!(
        refused("GET", "/v1/jobs?since=yesterday", Value::Null).0,
        400
    );
    assert_eq!(refused("PUT", "/v1/users", Value::Null).0, 405);
    assert_eq!(refused("GET", "/v1/paper", Value::Null).0, 404);
    let wrong = site.ask_with(&site.token, "POST", "/v1/users", "text/xml", "<a/>");
    assert_eq!(wrong.0, 415);
    let long = vec![b' '; (1 << 20) + 1];
    let wrong = site.ask_with(&site.token, "POST", "/v1/users", "application/json", long);
    assert_eq!(wrong.0, 413);
}

#[test]
fn good_rows_of_an_import_are_taken_and_each_broken_one_is_named() {
    let site = TestSite::sqlite();
    let mut csv = "user,name,card\n".to_owned();
    for row in 0..5000 {
        csv.push_str(&match row {
            1000 => "no card here,\"x\",not hexadecimal\n".to_owned(),
            2000 => ",,\n".to_owned(),
            3000 => "u0,twice,04000000\n".to_owned(),
            _ => format!("u{row},Person {row},{:08X}\n", 0x0400_0000 + row),
        });
    }
    let import =
        |csv: String| site.ask_with(&site.token, "POST", "/v1/users/import", "text/csv", csv);
    let (status, report) = import(csv);
    assert_eq!(status, 200, "{report}");
    conform::check("POST", "/v1/users/import", &report);
    assert!(report["users_added"].as_u64().unwrap() >= 4997, "{report}");
    let lines: BTreeSet<u64> = report["errors"]
        .as_array()
        .unwrap()
        .iter()
        .map(|error| error["line"].as_u64().unwrap())
        .collect();
    assert!(lines.contains(&1002), "{lines:?}");
    assert!(!report.to_string().contains("not hexadecimal"));
    let total = site.served("GET", "/v1/users?limit=1", Value::Null);
    assert!(total["total"].as_u64().unwrap() >= 4997 && total["next"] == "1");
    assert_eq!(import("nonsense\n1,2\n".to_owned()).0, 400);
    let before = site.served("GET", "/v1/users?limit=1", Value::Null)["total"].clone();
    let huge = "user,name\nlate,Late\n".to_owned()
        + &"x".repeat(usize::try_from(IMPORT_BYTES_MAX).unwrap());
    // It is refused by its stated length, so the connection may break while it is still sent.
    match site.try_ask(&site.token, "POST", "/v1/users/import", "text/csv", huge) {
        Ok((status, _)) => assert!((400..500).contains(&status), "{status}"),
        Err(error) => assert!(matches!(error, HttpsError::Broken(_)), "{error}"),
    }
    let after = site.served("GET", "/v1/users?limit=1", Value::Null)["total"].clone();
    assert_eq!(before, after);
}

#[test]
fn quotas_prices_rules_and_settings_are_kept() {
    let site = TestSite::sqlite();
    let ask = |method, path: &str, body| told(&site, method, path, body);
    ask("POST", "/v1/users", json!({ "login": "ann" }));
    ask("POST", "/v1/groups", json!({ "name": "pupils" }));
    let quota = json!({
        "covers": { "each-of": "pupils" }, "unit": "sides", "limit": 500, "period": "month",
    });
    assert_eq!(ask("PUT", "/v1/quotas/month", quota)["name"], "month");
    let quota = json!({
        "covers": { "user": "ann" }, "unit": "money", "limit": 7000, "period": "once",
        "when_spent": "mark",
    });
    let made = ask("PUT", "/v1/quotas/ann", quota.clone());
    assert_eq!((&made["spent"], &made["free"]), (&json!(0), &json!(7000)));
    let again = ask("PUT", "/v1/quotas/ann", quota);
    assert_eq!(made["id"], again["id"]);
    assert_eq!(ask("GET", "/v1/quotas", Value::Null)["total"], 2);
    assert_eq!(ask("GET", "/v1/leases", Value::Null)["total"], 0);
    ask("DELETE", "/v1/quotas/ann", Value::Null);
    let prices = json!({ "currency": "CNY", "side_monochrome": 100, "side_color": 500 });
    ask("PUT", "/v1/prices/usual", prices);
    assert_eq!(
        ask("GET", "/v1/prices", Value::Null)["items"][0]["currency"],
        "CNY"
    );
    ask("DELETE", "/v1/prices/usual", Value::Null);
    let settings = ask("PATCH", "/v1/settings", json!({ "cache_days": 7 }));
    assert_eq!(settings["cache_days"], 7);
    assert_eq!(ask("GET", "/v1/settings", Value::Null), settings);
    assert_eq!(
        site.ask("PATCH", "/v1/settings", json!({ "tries": 0 })).0,
        400
    );
    ask("PATCH", "/v1/site", json!({ "name": "School" }));
    let status = ask("GET", "/v1/status", Value::Null);
    assert_eq!(
        (&status["site"], &status["users"]),
        (&json!("School"), &json!(1))
    );
}

#[test]
fn rules_are_taken_as_a_whole_or_not_at_all() {
    let site = TestSite::sqlite();
    let rules = |method, path: &str, text: &str| {
        let (status, answer) =
            site.ask_with(&site.token, method, path, "text/plain", text.to_owned());
        conform::check_named("RulesReport", &answer);
        (status, answer)
    };
    let good = "# no colour for pupils\ndeny color for group:pupils\nallow\n";
    let (status, report) = rules("PUT", "/v1/rules", good);
    assert_eq!((status, &report["rules"]), (200, &json!(2)), "{report}");
    let kept = told(&site, "GET", "/v1/rules", Value::Null);
    let (status, report) = rules("PUT", "/v1/rules", "allow\nfly to the moon\n");
    assert_eq!(
        (status, &report["errors"][0]["line"]),
        (422, &json!(2)),
        "{report}"
    );
    assert_eq!(told(&site, "GET", "/v1/rules", Value::Null), kept);
    let (status, report) = rules("POST", "/v1/rules/check", "fly\n");
    assert_eq!((status, &report["errors"][0]["line"]), (200, &json!(1)));
    let turned = "allow\ndeny color for group:pupils\n";
    assert_eq!(rules("PUT", "/v1/rules", turned).0, 200);
    let after = told(&site, "GET", "/v1/rules", Value::Null);
    assert_eq!(after["rules"][0]["id"], kept["rules"][1]["id"]);
}

#[test]
fn administrators_log_in_by_password_and_out() {
    let site = TestSite::sqlite();
    let ask = |method, path: &str, body| told(&site, method, path, body);
    let login = json!({ "name": "root", "password": "correct horse" });
    ask("POST", "/v1/administrators", login.clone());
    let session = ask("POST", "/v1/login/password", login.clone());
    let token = session["token"].as_str().unwrap();
    let me = || site.ask_with(token, "GET", "/v1/me", "application/json", "");
    assert_eq!(me().1["name"], "root");
    assert_eq!(
        site.ask_with(token, "POST", "/v1/logout", "text/plain", "")
            .0,
        204
    );
    assert_eq!(me().0, 401);
    let wrong = json!({ "name": "root", "password": "wrong horse" });
    assert_eq!(site.ask("POST", "/v1/login/password", wrong).0, 401);
    ask(
        "PATCH",
        "/v1/administrators/root",
        json!({ "active": false }),
    );
    assert_eq!(site.ask("POST", "/v1/login/password", login).0, 401);
    let own = json!({ "active": false });
    assert_eq!(site.ask("PATCH", "/v1/administrators/admin", own).0, 400);
    assert_eq!(ask("GET", "/v1/administrators", Value::Null)["total"], 2);
}

#[test]
fn tokens_are_made_listed_and_made_worthless() {
    let site = TestSite::sqlite();
    let ask = |method, path: &str, body| told(&site, method, path, body);
    let made = ask(
        "POST",
        "/v1/tokens",
        json!({ "label": "console", "days": 3 }),
    );
    let token = made["token"].as_str().unwrap();
    let me = || {
        site.ask_with(token, "GET", "/v1/me", "application/json", "")
            .0
    };
    assert_eq!(me(), 200);
    let listed = ask("GET", "/v1/tokens", Value::Null);
    assert!(!listed.to_string().contains(token));
    let rows = listed["items"].as_array().unwrap();
    let console = rows.iter().find(|row| row["label"] == "console").unwrap();
    let id = console["id"].as_str().unwrap();
    ask("DELETE", &format!("/v1/tokens/{id}"), Value::Null);
    assert_eq!(me(), 401);
}

#[test]
fn boxes_are_listed_renamed_revoked_and_declared_lost() {
    let site = TestSite::sqlite();
    let ask = |method, path: &str, body| told(&site, method, path, body);
    site.member(1);
    site.member(2);
    assert_eq!(ask("GET", "/v1/nodes?limit=1", Value::Null)["next"], "1");
    assert_eq!(
        ask("PATCH", "/v1/nodes/box%201", json!({ "name": "hall" }))["name"],
        "hall"
    );
    ask("POST", "/v1/nodes/hall/revoke", Value::Null);
    ask("POST", "/v1/nodes/box%202/lost", Value::Null);
    assert_eq!(
        ask("GET", "/v1/nodes/hall", Value::Null)["state"],
        "revoked"
    );
    assert_eq!(
        ask("GET", "/v1/nodes/box%202", Value::Null)["state"],
        "lost"
    );
    assert_eq!(site.ask("GET", "/v1/nodes/cellar", Value::Null).0, 404);
}

#[test]
fn a_name_that_several_have_names_none_of_them() {
    let site = TestSite::sqlite();
    let ask = |method, path: &str, body| told(&site, method, path, body);
    site.member(1);
    site.member(2);
    let both = ["box%201", "box%202"];
    let ids = both.map(|name| {
        let renamed = json!({ "name": "hall" });
        let node = ask("PATCH", &format!("/v1/nodes/{name}"), renamed);
        node["id"].as_str().unwrap().to_owned()
    });
    for act in ["revoke", "lost"] {
        let (status, answer) = site.ask("POST", &format!("/v1/nodes/hall/{act}"), Value::Null);
        let message = answer["message"].as_str().unwrap();
        assert_eq!(status, 409, "{answer}");
        assert!(ids.iter().all(|id| message.contains(id)), "{message}");
    }
    ask("POST", &format!("/v1/nodes/{}/revoke", ids[0]), Value::Null);
    let other = ask("GET", &format!("/v1/nodes/{}", ids[1]), Value::Null);
    assert_eq!(other["state"], "member");
}

#[test]
fn slices_of_an_unknown_quota_are_not_those_of_all() {
    let site = TestSite::sqlite();
    let ask = |path| site.ask("GET", path, Value::Null).0;
    assert_eq!(ask("/v1/leases?quota=none"), 404);
    assert_eq!(ask("/v1/leases?node=none"), 404);
    assert_eq!(ask("/v1/leases"), 200);
}

#[test]
fn rows_that_come_while_somebody_pages_shift_nothing() {
    let site = TestSite::sqlite();
    let add = |login: &str| {
        told(&site, "POST", "/v1/users", json!({ "login": login }));
    };
    (0..5).for_each(|number| add(&format!("early{number}")));
    let all = told(&site, "GET", "/v1/audit", Value::Null);
    let sequences = |answer: &Value| -> Vec<u64> {
        let items = answer["items"].as_array().unwrap().iter();
        items.map(|row| row["sequence"].as_u64().unwrap()).collect()
    };
    let (mut seen, mut path) = (Vec::new(), "/v1/audit?limit=2".to_owned());
    loop {
        let page = told(&site, "GET", &path, Value::Null);
        seen.extend(sequences(&page));
        add(&format!("late{}", seen.len()));
        let Some(next) = page["next"].as_str() else {
            break;
        };
        path = format!("/v1/audit?limit=2&after={next}");
    }
    assert_eq!(seen, sequences(&all));
    assert_eq!(site.ask("GET", "/v1/charges?after=5", Value::Null).0, 400);
}

#[test]
fn every_change_is_in_the_audit_log_and_its_chain_is_whole() {
    let site = TestSite::sqlite();
    let ask = |method, path: &str, body| told(&site, method, path, body);
    ask("POST", "/v1/users", json!({ "login": "ann" }));
    ask("POST", "/v1/keys/rotate", Value::Null);
    ask("POST", "/v1/site/restored", Value::Null);
    let audit = ask("GET", "/v1/audit", Value::Null);
    let actions = audit["items"].as_array().unwrap();
    assert!(
        actions
            .iter()
            .any(|entry| entry["action"] == "user-created")
    );
    let verdict = ask("GET", "/v1/audit/verify", Value::Null);
    assert_eq!(verdict["broken_at"], Value::Null);
    assert_eq!(verdict["right"], audit["total"]);
    for path in [
        "/v1/alerts?all=true",
        "/v1/jobs",
        "/v1/charges",
        "/v1/logins",
    ] {
        ask("GET", path, Value::Null);
    }
    ask("GET", "/v1/double-releases", Value::Null);
    ask("GET", "/v1/health", Value::Null);
    ask("GET", "/v1/openapi.json", Value::Null);
}
