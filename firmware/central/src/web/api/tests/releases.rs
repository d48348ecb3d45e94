// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Releases of the boxes' image over the API.

use serde_json::{Value, json};

use super::{conform, told};
use crate::test_site::TestSite;

#[test]
fn a_release_is_added_offered_paused_and_removed() {
    let site = TestSite::sqlite();
    let kind = "application/octet-stream";
    let add = |query: &str, body: Vec<u8>| {
        let path = format!("/v1/releases?{query}");
        site.ask_with(&site.token, "POST", &path, kind, body)
    };
    let whole = "version=1.2.3&compatible=platen-x86_64";
    let (status, release) = add(whole, vec![7; 3 << 20]);
    assert_eq!(status, 201, "{release}");
    conform::check_named("Release", &release);
    assert_eq!(release["size_bytes"], 3 << 20);
    let ask = |method, path: &str, body| told(&site, method, path, body);
    let window = json!({ "from_minute": 60, "to_minute": 5, "days": 3, "utc_offset_minutes": 480 });
    let offer = json!({ "share_percent": 10, "window": window });
    let offered = ask("POST", "/v1/releases/1.2.3/offer", offer);
    assert_eq!(
        (&offered["state"], &offered["window"]),
        (&json!("offered"), &window)
    );
    let offered = ask(
        "POST",
        "/v1/releases/1.2.3/offer",
        json!({ "share_percent": 20 }),
    );
    assert_eq!(offered["window"], window, "what is not named stays");
    let offered = ask(
        "POST",
        "/v1/releases/1.2.3/offer",
        json!({ "window": null }),
    );
    assert_eq!(
        (&offered["window"], &offered["share_percent"]),
        (&Value::Null, &json!(20))
    );
    assert_eq!(
        ask("POST", "/v1/releases/1.2.3/pause", Value::Null)["state"],
        "paused"
    );
    assert_eq!(
        ask("POST", "/v1/releases/1.2.3/resume", Value::Null)["state"],
        "offered"
    );
    let own = site.member(1);
    let mut push = crate::test_site::push();
    push.running = Some(platen_model::Running {
        version: "1.0.0".into(),
        compatible: Some("platen-x86_64".into()),
        slot: Some("A".into()),
        ..Default::default()
    });
    let path = platen_sync::message::path::PUSH;
    let _: platen_sync::message::PushAnswer = own.say(path, &push).unwrap();
    let node = ask("GET", "/v1/nodes/box%201", Value::Null);
    assert_eq!(node["running"]["version"], "1.0.0");
    let nodes = ask("GET", "/v1/releases/1.2.3/nodes", Value::Null);
    assert_eq!(nodes["items"][0]["runs"], "1.0.0");
    assert_eq!(ask("GET", "/v1/releases", Value::Null)["total"], 1);
    ask("GET", "/v1/releases/1.2.3", Value::Null);
    ask("DELETE", "/v1/releases/1.2.3", Value::Null);
    assert_eq!(site.ask("GET", "/v1/releases/1.2.3", Value::Null).0, 404);
}

#[test]
fn a_bundle_that_can_not_be_taken_is_refused_with_words() {
    let site = TestSite::sqlite();
    let kind = "application/octet-stream";
    let add = |query: &str, body: Vec<u8>| {
        let path = format!("/v1/releases?{query}");
        let (status, answer) = site.ask_with(&site.token, "POST", &path, kind, body);
        (
            status,
            answer["field"].as_str().unwrap_or_default().to_owned(),
        )
    };
    let whole = "version=1.2.3&compatible=platen-x86_64";
    let field = |name: &str| (400, name.to_owned());
    assert_eq!(add("compatible=platen-x86_64", vec![1]), field("version"));
    assert_eq!(add("version=1.2&compatible=x", vec![1]), field("version"));
    assert_eq!(add("version=1.2.3", vec![1]), field("compatible"));
    assert_eq!(add(&format!("{whole}&size=many"), vec![1]), field("size"));
    assert_eq!(add(&format!("{whole}&size=2"), vec![1]), field("size"));
    assert_eq!(
        add(&format!("{whole}&size=2"), vec![1; 2 << 20]),
        field("size")
    );
    assert_eq!(add(&format!("{whole}&sha256=zz"), vec![1]), field("sha256"));
    let other = "0".repeat(64);
    assert_eq!(
        add(&format!("{whole}&sha256={other}"), vec![1]),
        field("sha256")
    );
    assert_eq!(add(whole, Vec::new()), field("size"));
    assert_eq!(add(&format!("{whole}&colour=red"), vec![1]).0, 400);
    assert_eq!(add(whole, vec![1]).0, 201);
    assert_eq!(
        add(whole, vec![1; 5 << 20]).0,
        409,
        "told after five MiB too"
    );
    let json = site.ask("POST", &format!("/v1/releases?{whole}"), json!({}));
    assert_eq!(json.0, 415);
    for body in [
        json!({ "share_percent": 300 }),
        json!({ "share": 3 }),
        json!({ "window": 5 }),
    ] {
        let (status, answer) = site.ask("POST", "/v1/releases/1.2.3/offer", body);
        assert_eq!(status, 400, "{answer}");
    }
}
