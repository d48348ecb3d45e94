// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The rules of a site, in the order they are asked.

use platen_model::{RuleId, RuleRecord};

use super::{Rule, RuleError};

/// The rules of a site.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct SiteRules {
    rules: Vec<SiteRule>,
}

/// One of them.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct SiteRule {
    pub(crate) id: RuleId,
    pub(crate) order: u32,
    pub(crate) rule: Rule,
}

impl SiteRules {
    /// Rules of one site, at most.
    pub const MAX: usize = 1000;

    /// No rules: everything prints.
    pub const NONE: Self = Self { rules: Vec::new() };

    /// Reads the rules of a directory, and says which can't be read. Those are passed over: the
    /// centre takes no rule that it can't read, so they are of a later version, and a box that is
    /// one version behind goes on with the rules that it knows. Rules of the same order are asked
    /// in the order of their ids; past [`Self::MAX`] rules the last ones are not asked.
    #[must_use]
    pub fn read<'a>(
        records: impl IntoIterator<Item = &'a RuleRecord>,
    ) -> (Self, Vec<(RuleId, RuleError)>) {
        let mut rules = Vec::new();
        let mut faults = Vec::new();
        for record in records {
            match record.text.parse() {
                Ok(rule) => rules.push(SiteRule {
                    id: record.id,
                    order: record.order,
                    rule,
                }),
                Err(error) => faults.push((record.id, error)),
            }
        }
        rules.sort_by_key(|rule| (rule.order, rule.id));
        rules.truncate(Self::MAX);
        (Self { rules }, faults)
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.rules.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &SiteRule> {
        self.rules.iter()
    }
}

#[cfg(test)]
mod tests {
    use platen_model::JobId;

    use super::*;

    fn record(id: u8, order: u32, text: &str) -> RuleRecord {
        RuleRecord {
            id: RuleId(JobId::from_parts(0, &[id; 10]).0),
            order,
            text: text.into(),
        }
    }

    #[test]
    fn rules_are_asked_by_order_and_then_by_id() {
        let records = [
            record(3, 2, "deny print"),
            record(2, 7, "allow print"),
            record(1, 2, "hold for approval"),
        ];
        let (rules, faults) = SiteRules::read(&records);
        let texts: Vec<_> = rules.iter().map(|rule| rule.rule.to_string()).collect();
        assert_eq!(texts, ["hold for approval", "deny print", "allow print"]);
        assert_eq!(faults, []);
    }

    #[test]
    fn a_rule_that_cant_be_read_is_told_and_the_others_stand() {
        let records = [record(1, 1, "deny glue"), record(2, 2, "deny print")];
        let (rules, faults) = SiteRules::read(&records);
        assert_eq!((rules.len(), faults.len()), (1, 1));
        assert_eq!(faults[0].0, records[0].id);
    }
}
