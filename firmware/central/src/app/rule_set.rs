// SPDX-License-Identifier: Apache-2.0 OR MIT
//! All rules of a site at once: no box ever sees half of an old set and half of a new one.

use std::collections::HashSet;

use platen_model::{RecordId, RuleId, RuleRecord};
use platen_policy::{Rule, SiteRules};
use serde_json::json;

use super::{Actor, Centre, CentreError};
use crate::db;
use crate::db::objects::Standing;

impl Centre {
    /// Takes these rules in place of those there are. A rule whose id, place and text stay is not
    /// changed.
    ///
    /// # Errors
    /// [`CentreError::Invalid`] for one that boxes can't read or too many of them; nothing is changed
    /// then.
    pub async fn set_rules(
        &self,
        actor: &Actor,
        rules: Vec<RuleRecord>,
    ) -> Result<(), CentreError> {
        if rules.len() > SiteRules::MAX {
            let why = format!("must be at most {}", SiteRules::MAX);
            return Err(CentreError::invalid("rules", why));
        }
        for rule in &rules {
            let read = rule.text.parse::<Rule>();
            read.map_err(|error| CentreError::invalid("text", error))?;
        }
        let wanted: HashSet<RuleId> = rules.iter().map(|rule| rule.id).collect();
        let (mut tx, _) = self.change().await?;
        let old = db::rules::all(&mut tx).await?;
        let mut changes = Vec::new();
        for rule in old.iter().filter(|rule| !wanted.contains(&rule.id)) {
            db::rules::delete(&mut tx, rule.id).await?;
            changes.push((RecordId::Rule(rule.id), Standing::Gone));
        }
        for rule in rules.iter().filter(|rule| !old.contains(rule)) {
            db::rules::put(&mut tx, rule).await?;
            changes.push((RecordId::Rule(rule.id), Standing::Kept));
        }
        if changes.is_empty() {
            return Ok(());
        }
        db::objects::change(&mut tx, &changes).await?;

        let detail = json!({ "rules": rules.len(), "changed": changes.len() });
        self.record(&mut tx, actor, "rules-set", "rules", detail)
            .await?;
        tx.commit().await
    }
}
