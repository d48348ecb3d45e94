// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Prices and rules.

use platen_model::{Prices, PricesId, RecordId, RuleId, RuleRecord};
use platen_policy::{Rule, SiteRules};
use serde_json::json;

use super::records::{check_amount, check_name};
use super::{Actor, Centre, CentreError};
use crate::db;
use crate::db::objects::Standing;

impl Centre {
    /// All price lists in order of their names.
    ///
    /// # Errors
    /// [`CentreError`], of the database.
    pub async fn prices(&self) -> Result<Vec<Prices>, CentreError> {
        db::prices::all(&mut *self.read().await?).await
    }

    /// Keeps a price list, new or in place of the one with this id.
    ///
    /// # Errors
    /// [`CentreError::Invalid`]; [`CentreError::Conflict`] when its printer has another list.
    pub async fn put_prices(&self, actor: &Actor, mut prices: Prices) -> Result<(), CentreError> {
        prices.name = check_name("name", &prices.name)?;
        let letters = prices.currency.bytes().all(|c| c.is_ascii_uppercase());
        if prices.currency.len() != 3 || !letters {
            return Err(CentreError::invalid(
                "currency",
                "must be three capitals, such as CNY",
            ));
        }
        if let Some(printer) = &mut prices.printer {
            printer.0 = check_name("printer", &printer.0)?;
        }
        check_amount("side_monochrome", prices.side_monochrome)?;
        check_amount("side_color", prices.side_color)?;
        check_amount("sheet", prices.sheet)?;
        let id = prices.id;
        let (mut tx, _) = self.change().await?;
        let lists = db::prices::all(&mut tx).await?;
        let mut others = lists.iter().filter(|list| list.id != id);
        if others.any(|list| list.printer == prices.printer) {
            return Err(CentreError::conflict(
                "there is a price list for this already: change that one",
            ));
        }
        db::prices::put(&mut tx, &prices).await?;
        db::objects::change(&mut tx, &[(RecordId::Prices(id), Standing::Kept)]).await?;
        let detail = serde_json::to_value(&prices).unwrap_or_default();
        let object = format!("prices:{id}");
        self.record(&mut tx, actor, "prices-set", object, detail)
            .await?;
        tx.commit().await
    }

    /// Takes a price list away. What was charged by it stays.
    ///
    /// # Errors
    /// [`CentreError::Missing`].
    pub async fn delete_prices(&self, actor: &Actor, id: PricesId) -> Result<(), CentreError> {
        let (mut tx, _) = self.change().await?;
        if !db::prices::delete(&mut tx, id).await? {
            return Err(CentreError::missing("price list"));
        }
        db::objects::change(&mut tx, &[(RecordId::Prices(id), Standing::Gone)]).await?;
        let object = format!("prices:{id}");
        self.record(&mut tx, actor, "prices-deleted", object, json!({}))
            .await?;
        tx.commit().await
    }

    /// All rules in the order in which they are asked.
    ///
    /// # Errors
    /// [`CentreError`], of the database.
    pub async fn rules(&self) -> Result<Vec<RuleRecord>, CentreError> {
        db::rules::all(&mut *self.read().await?).await
    }

    /// Keeps a rule, new or in place of the one with this id.
    ///
    /// # Errors
    /// [`CentreError::Invalid`] for one that boxes can't read, which says what is wrong with it;
    /// [`CentreError::Conflict`] when there are as many as are asked.
    pub async fn put_rule(&self, actor: &Actor, rule: RuleRecord) -> Result<(), CentreError> {
        let read = rule.text.parse::<Rule>();
        read.map_err(|error| CentreError::invalid("text", error))?;
        let id = rule.id;
        let (mut tx, _) = self.change().await?;
        let rules = db::rules::all(&mut tx).await?;
        if rules.len() >= SiteRules::MAX && rules.iter().all(|rule| rule.id != id) {
            let why = format!("there are {} rules already", SiteRules::MAX);
            return Err(CentreError::conflict(why));
        }
        db::rules::put(&mut tx, &rule).await?;
        db::objects::change(&mut tx, &[(RecordId::Rule(id), Standing::Kept)]).await?;
        let detail = json!({ "order": rule.order, "text": rule.text });
        let object = format!("rule:{id}");
        self.record(&mut tx, actor, "rule-set", object, detail)
            .await?;
        tx.commit().await
    }

    /// Takes a rule away.
    ///
    /// # Errors
    /// [`CentreError::Missing`].
    pub async fn delete_rule(&self, actor: &Actor, id: RuleId) -> Result<(), CentreError> {
        let (mut tx, _) = self.change().await?;
        if !db::rules::delete(&mut tx, id).await? {
            return Err(CentreError::missing("rule"));
        }
        db::objects::change(&mut tx, &[(RecordId::Rule(id), Standing::Gone)]).await?;
        let object = format!("rule:{id}");
        self.record(&mut tx, actor, "rule-deleted", object, json!({}))
            .await?;
        tx.commit().await
    }
}
