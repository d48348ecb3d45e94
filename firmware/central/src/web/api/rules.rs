// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The rules of the site as readable text, one a line (`docs/manual/rules.md`). A new text takes the
//! place of the old one as a whole; rules that are in both keep their ids.

use platen_model::{RuleId, RuleRecord};
use platen_policy::read_rules;
use serde_json::{Value, json};

use super::accounts::random_id;
use super::answer::{Answer, Refused, json as answer, with};
use super::ask::Ask;

pub(super) async fn list(ask: Ask) -> Answer {
    let mut rules = ask.central.centre.rules().await?;
    rules.sort_by_key(|rule| (rule.order, rule.id));
    let text: String = rules
        .iter()
        .map(|rule| format!("{}\n", rule.text))
        .collect();
    answer(&json!({ "text": text, "rules": rules }))
}

pub(super) async fn check(ask: Ask) -> Answer {
    let text = ask.text().await?;
    match read(&text) {
        Ok(rules) => answer(&report(rules.len(), &[])),
        Err(errors) => answer(&report(0, &errors)),
    }
}

pub(super) async fn set(ask: Ask) -> Answer {
    let (central, actor) = (ask.central.clone(), ask.actor()?);
    let text = ask.text().await?;
    let wanted = match read(&text) {
        Ok(wanted) => wanted,
        Err(errors) => {
            let refused = report(0, &errors);
            return Ok(with(hyper::StatusCode::UNPROCESSABLE_ENTITY, &refused));
        }
    };
    let records = numbered(wanted, central.centre.rules().await?)?;
    let count = records.len();
    central.centre.set_rules(&actor, records).await?;
    answer(&report(count, &[]))
}

/// The rules of a text in their own spelling, or what is wrong, each with its line.
fn read(text: &str) -> Result<Vec<String>, Vec<Value>> {
    let (mut rules, mut errors) = (Vec::new(), Vec::new());
    for read in read_rules(text) {
        match read {
            Ok(rule) => rules.push(rule.to_string()),
            Err(error) => errors.push(json!({
                "line": error.line,
                "column": error.column,
                "message": error.fault.to_string(),
            })),
        }
    }
    if errors.is_empty() {
        Ok(rules)
    } else {
        Err(errors)
    }
}

/// Gives rules their places, and those that were there before their ids.
fn numbered(wanted: Vec<String>, mut old: Vec<RuleRecord>) -> Result<Vec<RuleRecord>, Refused> {
    let mut records = Vec::new();
    for (text, order) in wanted.into_iter().zip(1_u32..) {
        let known = old.iter().position(|rule| rule.text == text);
        let id = match known {
            Some(place) => old.swap_remove(place).id,
            None => RuleId(random_id()?),
        };
        records.push(RuleRecord { id, order, text });
    }
    Ok(records)
}

fn report(rules: usize, errors: &[Value]) -> Value {
    if errors.is_empty() {
        return json!({ "rules": rules, "errors": [] });
    }
    json!({
        "code": "bad-rules",
        "message": "these rules can't be read; nothing was changed",
        "rules": rules,
        "errors": errors,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_that_stay_keep_their_ids() {
        let record = |id: u128, order, text: &str| RuleRecord {
            id: RuleId(uuid::Uuid::from_u128(id)),
            order,
            text: text.to_owned(),
        };
        let old = vec![record(1, 1, "a"), record(2, 2, "b"), record(3, 3, "a")];
        let wanted = ["b", "a", "c"].map(str::to_owned).to_vec();
        let new = numbered(wanted, old).unwrap();
        assert_eq!(new[0], record(2, 1, "b"));
        assert_eq!(new[1], record(1, 2, "a"));
        assert!(new[2].order == 3 && new[2].text == "c");
    }
}
