// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Pure rules: what may be released, where, and why.
//!
//! [`decide`] is called once per job and tap, before the job is touched; [`explain`] tells the same
//! story rule by rule for a person. Nothing here reads a clock, a file or a printer: what the rules
//! look at is handed in.

mod rules;

pub use rules::{PrinterFacts, Rule, Verdict, decide, explain};
