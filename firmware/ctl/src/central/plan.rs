// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Which request each command is. Nothing is asked here, so that a wrong word is found before
//! anything was changed.

use serde_json::{Map, Value, json};

use super::CentralCall;
use super::releases;
use super::request::{
    Body, Plan, Planned, ask, below, delete, list, needed, number, patch, post, put, query,
    setting, typed, user,
};
use super::show::{View, columns};

/// The plan of a command line.
///
/// # Errors
/// A usage error that names the word.
pub(crate) fn of(call: &CentralCall) -> Planned {
    let words: Vec<&str> = call.words.iter().map(String::as_str).collect();
    let (allowed, plan): (&[&str], Planned) = match words.as_slice() {
        ["users", rest @ ..] => (
            &["search", "name", "number", "group", "alias"],
            users(call, rest),
        ),
        ["groups", rest @ ..] => (&[], groups(rest)),
        ["cards" | "pin" | "password" | "code", ..] => {
            (&["with-pin", "hours"], credentials(call, &words))
        }
        ["nodes", rest @ ..] => (&[], nodes(rest)),
        ["quotas", rest @ ..] => (
            &[
                "user",
                "group",
                "each-of",
                "unit",
                "limit",
                "period",
                "when-spent",
            ],
            quotas(call, rest),
        ),
        ["prices", rest @ ..] => (
            &["currency", "mono", "color", "sheet", "printer"],
            prices(call, rest),
        ),
        ["releases", rest @ ..] => (releases::OPTIONS, releases::plan(call, rest)),
        ["rules" | "settings" | "site" | "keys", ..] => (&[], site(&words)),
        ["admins", rest @ ..] => (&[], admins(rest)),
        ["leases" | "jobs" | "charges" | "logins", ..] => {
            (&["user", "node", "since", "until"], records(call, &words))
        }
        _ => (&["all", "verify"], watch(call, &words)),
    };
    if let Some(stranger) = call.stranger(allowed) {
        return Err(format!("--{stranger} does not belong to this command").into());
    }
    plan
}

fn users(call: &CentralCall, words: &[&str]) -> Planned {
    match *words {
        ["list"] => Ok(Plan::List {
            path: query("/v1/users", &[("search", call.value("search"))]),
            columns: columns::USERS,
        }),
        ["import", file] => Ok(Plan::Ask {
            method: "POST",
            path: "/v1/users/import".to_owned(),
            body: Body::File {
                path: file.into(),
                kind: "text/csv",
            },
            view: View::Import,
        }),
        ["add", login] => Ok(post(
            "/v1/users",
            json!({
                "login": login,
                "name": call.value("name").unwrap_or_default(),
                "number": call.value("number"),
                "aliases": call.values("alias"),
                "groups": call.values("group"),
            }),
        )),
        ["enable", login] => Ok(patch(user(login), json!({ "active": true }))),
        ["disable", login] => Ok(patch(user(login), json!({ "active": false }))),
        ["delete", login] => Ok(delete(user(login))),
        _ => {
            Err("users: list, import, add, enable, disable or delete; see 'central --help'".into())
        }
    }
}

fn groups(words: &[&str]) -> Planned {
    match *words {
        ["list"] => Ok(list("/v1/groups", columns::GROUPS)),
        ["add", name] => Ok(post("/v1/groups", json!({ "name": name }))),
        ["delete", group] => Ok(delete(below("/v1/groups", group))),
        _ => Err("groups: list, add NAME or delete GROUP".into()),
    }
}

fn credentials(call: &CentralCall, words: &[&str]) -> Planned {
    let typed = |path, what, field, rest| Ok(typed("POST", path, what, field, &rest));
    match *words {
        ["cards", "list", login] => Ok(Plan::List {
            path: format!("{}/credentials", user(login)),
            columns: columns::CREDENTIALS,
        }),
        ["cards", "add", login] => {
            let path = format!("{}/cards", user(login));
            let with_pin = call.has("with-pin");
            match call.value("key") {
                Some(key) => Ok(post(&path, json!({ "key": key, "with_pin": with_pin }))),
                None => typed(
                    path,
                    "card number",
                    "number",
                    json!({ "with_pin": with_pin }),
                ),
            }
        }
        ["cards", "delete", id] => Ok(delete(below("/v1/credentials", id))),
        ["pin", "set", login] => typed(format!("{}/pin", user(login)), "PIN", "pin", json!({})),
        ["password", "set", login] => typed(
            format!("{}/password", user(login)),
            "password",
            "password",
            json!({}),
        ),
        ["code", "create", login] => {
            let hours = number(call, "hours")?.map_or(json!({}), |hours| json!({ "hours": hours }));
            Ok(post(&format!("{}/codes", user(login)), hours))
        }
        _ => Err(
            "cards list|add LOGIN, cards delete ID, pin set LOGIN, password set LOGIN, \
                  code create LOGIN"
                .into(),
        ),
    }
}

fn nodes(words: &[&str]) -> Planned {
    let act = |node: &str, what: &str| {
        Ok(post(
            &format!("{}/{what}", below("/v1/nodes", node)),
            json!({}),
        ))
    };
    match *words {
        ["list"] => Ok(list("/v1/nodes", columns::NODES)),
        ["enrol" | "enroll", code] => Ok(post("/v1/nodes/enrol", json!({ "code": code }))),
        ["rename", node, name] => Ok(patch(below("/v1/nodes", node), json!({ "name": name }))),
        ["revoke", node] => act(node, "revoke"),
        ["lost", node] => act(node, "lost"),
        _ => Err("nodes: list, enrol CODE, rename NODE NAME, revoke NODE or lost NODE".into()),
    }
}

fn quotas(call: &CentralCall, words: &[&str]) -> Planned {
    match *words {
        ["list"] => Ok(list("/v1/quotas", columns::QUOTAS)),
        ["delete", quota] => Ok(delete(below("/v1/quotas", quota))),
        ["set", name] => {
            let covers = ["user", "group", "each-of"].map(|key| (key, call.value(key)));
            let mut covers = covers
                .iter()
                .filter_map(|(key, value)| Some((key, (*value)?)));
            let (Some((kind, whose)), None) = (covers.next(), covers.next()) else {
                return Err("quotas set: say --user, --group or --each-of, one of them".into());
            };
            let quota = json!({
                "name": name,
                "covers": { *kind: whose },
                "unit": needed(call, "unit")?,
                "limit": number(call, "limit")?.ok_or("quotas set: say --limit N")?,
                "period": needed(call, "period")?,
                "when_spent": call.value("when-spent").unwrap_or("deny"),
            });
            Ok(put(below("/v1/quotas", name), quota))
        }
        _ => Err("quotas: list, set NAME or delete QUOTA".into()),
    }
}

fn prices(call: &CentralCall, words: &[&str]) -> Planned {
    match *words {
        ["list"] => Ok(list("/v1/prices", columns::PRICES)),
        ["delete", prices] => Ok(delete(below("/v1/prices", prices))),
        ["set", name] => {
            let prices = json!({
                "name": name,
                "currency": needed(call, "currency")?,
                "printer": call.value("printer"),
                "side_monochrome": number(call, "mono")?.ok_or("prices set: say --mono N")?,
                "side_color": number(call, "color")?.ok_or("prices set: say --color N")?,
                "sheet": number(call, "sheet")?.unwrap_or(0),
            });
            Ok(put(below("/v1/prices", name), prices))
        }
        _ => Err("prices: list, set NAME or delete PRICES".into()),
    }
}

fn site(words: &[&str]) -> Planned {
    let rules = |method, path: &str, file: &str| {
        Ok(Plan::Ask {
            method,
            path: path.to_owned(),
            body: Body::File {
                path: file.into(),
                kind: "text/plain",
            },
            view: View::Rules,
        })
    };
    match *words {
        ["rules", "list"] => Ok(ask("GET", "/v1/rules".to_owned(), Body::None, View::Text)),
        ["rules", "set", file] => rules("PUT", "/v1/rules", file),
        ["rules", "check", file] => rules("POST", "/v1/rules/check", file),
        ["settings", "show"] => Ok(ask(
            "GET",
            "/v1/settings".to_owned(),
            Body::None,
            View::Facts,
        )),
        ["settings", "set", ref pairs @ ..] if !pairs.is_empty() => {
            let pairs = pairs.iter().map(|pair| setting(pair));
            let fields = pairs.collect::<Result<Map<_, _>, _>>()?;
            Ok(patch("/v1/settings".to_owned(), Value::Object(fields)))
        }
        ["site", "rename", name] => Ok(patch("/v1/site".to_owned(), json!({ "name": name }))),
        ["site", "restored"] => Ok(post("/v1/site/restored", json!({}))),
        ["keys", "rotate"] => Ok(post("/v1/keys/rotate", json!({}))),
        _ => Err("rules list|set FILE|check FILE, settings show|set KEY=VALUE, site rename NAME|restored, \
                  keys rotate"
            .into()),
    }
}

fn admins(words: &[&str]) -> Planned {
    let one = |name| below("/v1/administrators", name);
    match *words {
        ["list"] => Ok(list("/v1/administrators", columns::ADMINISTRATORS)),
        ["add", name] => {
            let path = "/v1/administrators".to_owned();
            Ok(typed(
                "POST",
                path,
                "password",
                "password",
                &json!({ "name": name }),
            ))
        }
        ["password", name] => {
            let rest = json!({});
            Ok(typed("PATCH", one(name), "password", "password", &rest))
        }
        ["enable", name] => Ok(patch(one(name), json!({ "active": true }))),
        ["disable", name] => Ok(patch(one(name), json!({ "active": false }))),
        _ => Err("admins: list, add, password, enable or disable NAME".into()),
    }
}

fn records(call: &CentralCall, words: &[&str]) -> Planned {
    let (path, columns) = match *words {
        ["leases"] => ("/v1/leases", columns::LEASES),
        ["jobs"] => ("/v1/jobs", columns::JOBS),
        ["charges"] => ("/v1/charges", columns::CHARGES),
        ["logins"] => ("/v1/logins", columns::LOGINS),
        _ => return Err("leases, jobs, charges and logins take options only".into()),
    };
    let filters = ["user", "node", "since", "until"].map(|key| (key, call.value(key)));
    Ok(Plan::List {
        path: query(path, &filters),
        columns,
    })
}

fn watch(call: &CentralCall, words: &[&str]) -> Planned {
    match *words {
        ["status"] => Ok(ask("GET", "/v1/status".to_owned(), Body::None, View::Facts)),
        ["audit"] if call.has("verify") => {
            let path = "/v1/audit/verify".to_owned();
            Ok(ask("GET", path, Body::None, View::Facts))
        }
        ["audit"] => Ok(list("/v1/audit", columns::AUDIT)),
        ["alerts"] => Ok(Plan::List {
            path: query("/v1/alerts", &[("all", call.has("all").then_some("true"))]),
            columns: columns::ALERTS,
        }),
        ["alerts", "acknowledge", alert] => Ok(post(
            &format!("{}/acknowledge", below("/v1/alerts", alert)),
            json!({}),
        )),
        [] => Err("central: say what to do; see 'platenctl central --help'".into()),
        [other, ..] => Err(format!("central: unknown command '{other}'").into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(line: &str) -> Planned {
        let mut parser = lexopt::Parser::from_args(line.split_whitespace());
        of(&CentralCall::parse(&mut parser, false)?)
    }

    fn asked(line: &str) -> (&'static str, String, Value) {
        match plan(line).unwrap() {
            Plan::Ask {
                method,
                path,
                body: Body::Json(body),
                ..
            } => (method, path, body),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_command_is_one_request() {
        assert_eq!(
            asked("users disable ann@example.org"),
            (
                "PATCH",
                "/v1/users/ann%40example.org".to_owned(),
                json!({ "active": false })
            )
        );
        let (method, path, body) =
            asked("quotas set pupils --group p --unit sides --limit 500 --period month");
        assert_eq!((method, path.as_str()), ("PUT", "/v1/quotas/pupils"));
        assert_eq!(body["covers"], json!({ "group": "p" }));
        assert_eq!(body["when_spent"], "deny");
        let (_, _, settings) = asked("settings set cache-days=7 self_enrolment=no");
        assert_eq!(
            settings,
            json!({ "cache_days": 7, "self_enrolment": false })
        );
    }

    #[test]
    fn a_list_keeps_its_filters() {
        let Plan::List { path, .. } = plan("charges --user a&b --since 2026-01-01").unwrap() else {
            panic!("a list");
        };
        assert_eq!(path, "/v1/charges?user=a%26b&since=2026-01-01");
    }

    #[test]
    fn secrets_are_no_words_of_the_command_line() {
        for line in ["pin set ann", "password set ann", "cards add ann"] {
            let Plan::Ask { body, .. } = plan(line).unwrap() else {
                panic!("a request");
            };
            assert!(matches!(body, Body::Typed { .. }), "{line}");
        }
        assert!(plan("pin set ann 1357").is_err());
        assert!(plan("cards add ann 04A1B2C3").is_err());
    }

    #[test]
    fn a_missing_extra_or_misplaced_word_is_a_usage_error() {
        for line in [
            "",
            "fly",
            "users",
            "users add",
            "users list ann",
            "groups add",
            "nodes enrol",
            "nodes list --user ann",
            "quotas set x --user a --group b --unit sides --limit 1 --period day",
            "quotas set x --user a --unit sides --limit many --period day",
            "prices set x --currency CNY",
            "settings set",
            "settings set cache_days",
            "settings set cache_days=long",
            "jobs all",
            "status --verify-all",
            "rules list --with-pin",
        ] {
            assert!(plan(line).is_err(), "{line}");
        }
    }
}
