// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Pure rules: what may be released, where, how, at what price, and why.
//!
//! [`decide`] is called once per job and tap, before the job is touched; [`explain`] tells the same
//! story question by question for a person. Nothing here reads a clock, a file or a printer: what
//! is looked at is handed in as [`Facts`]. The rule language: `docs/manual/rules.md`.

mod check;
mod decide;
mod explain;
mod facts;
mod price;
mod quota;
mod rule;
pub mod update;
mod work;

pub use check::Check;
pub use decide::{Ruling, decide, explain};
pub use explain::{Answer, Explanation, Verdict};
pub use facts::{Facts, LocalTime, PrinterFacts};
pub use price::{cost_of_count, list_in_force, price};
pub use quota::{Balance, Room, Short, amount, covers, settle};
pub use rule::{
    Action, Aspect, Condition, Days, Figure, Forced, Name, Operator, Rule, RuleError, RuleFault,
    SiteRules, Span, Test, Who, read_rules,
};
pub use work::Work;
