// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Files of rules: read line by line, each written and read back.

use platen_policy::{Rule, SiteRules, read_rules};

/// Reads rules.
///
/// # Panics
/// When a rule is not read back as it was, is too long when it is written, or an error stands
/// nowhere in the text.
pub fn rule_text(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let lines: Vec<&str> = text.lines().collect();
    let read = read_rules(&text);
    assert!(read.len() <= SiteRules::MAX + 1);
    for rule in read {
        match rule {
            Ok(rule) => {
                let written = rule.to_string();
                assert!(written.chars().count() <= 1000, "{written}");
                let again: Rule = written.parse().expect("what was written can be read");
                assert_eq!(again, rule);
                assert_eq!(again.to_string(), written);
            }
            Err(error) => {
                let line = lines[error.line - 1];
                let columns = line.chars().count().min(1000) + 1;
                assert!((1..=columns).contains(&error.column), "{error}");
            }
        }
    }
}
