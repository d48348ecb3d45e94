// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Quotas, the slices of them that a box may spend by itself, and prices.
//!
//! An amount is a bare `u64` whose unit its quota names: sides (impressions) or thousandths of the
//! price list's currency. Nothing is ever negative: what is given back ends a lease.

use serde::{Deserialize, Serialize};

use crate::ids::{GroupId, LeaseId, PricesId, PrinterName, QuotaId, UserId};

/// What a quota counts.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Unit {
    /// Impressions (sides marked).
    Sides,
    /// Thousandths of the currency of the prices in force.
    Money,
}

/// How often a quota begins anew. The centre's calendar counts; a period has a number that counts
/// up (`Lease::period`), so that no box needs to know the date.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Period {
    /// Never: the quota is a stock.
    Once,
    /// At midnight UTC.
    Day,
    /// On Monday, midnight UTC.
    Week,
    /// On the first of the month, midnight UTC.
    Month,
    /// On the first of January, midnight UTC.
    Year,
}

/// Whose jobs a quota covers.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Covers {
    /// One person's.
    User(UserId),
    /// Everybody's in the group, who share it.
    Group(GroupId),
    /// Each member of the group has such a quota of their own.
    EachOf(GroupId),
}

/// What becomes of a job that a quota has no room for.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum WhenSpent {
    /// It waits; the person is told why.
    #[default]
    Deny,
    /// It prints and its charge is marked as above the quota.
    Mark,
}

/// A quota, as the centre's administrators made it.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct Quota {
    /// Its id.
    pub id: QuotaId,
    /// Its name, for screens.
    pub name: String,
    /// Whose jobs it covers.
    pub covers: Covers,
    /// What it counts.
    pub unit: Unit,
    /// How much there is a period.
    pub limit: u64,
    /// How often it begins anew.
    pub period: Period,
    /// What becomes of a job that it has no room for.
    pub when_spent: WhenSpent,
}

/// A slice of a quota that one box may spend without asking. It ends by the box's own word in its
/// journal ([`crate::journal::Entry::LeaseClosed`]), never by a clock.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct Lease {
    /// Its id.
    pub id: LeaseId,
    /// Counts up for each box: a lease whose serial a box has passed is an old one.
    pub serial: u64,
    /// The quota it is a slice of.
    pub quota: QuotaId,
    /// Whose own quota it is, where each member of a group has one.
    pub user: Option<UserId>,
    /// Number of the quota's period.
    pub period: u32,
    /// How much the box may spend.
    pub amount: u64,
}

/// A part of a job's charge: reserved with the release ticket, settled with the job's end.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct Share {
    /// The quota it counts against.
    pub quota: QuotaId,
    /// The lease it is taken from; `None` for what was let through above the quota.
    pub lease: Option<LeaseId>,
    /// How much, in the quota's unit.
    pub amount: u64,
}

/// What sides and sheets cost, at one printer or at all that have no list of their own.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct Prices {
    /// Its id.
    pub id: PricesId,
    /// Its name, for screens.
    pub name: String,
    /// ISO 4217 code, such as `CNY`.
    pub currency: String,
    /// The printer it is for; `None` for every other.
    pub printer: Option<PrinterName>,
    /// Thousandths of the currency for a side in black.
    pub side_monochrome: u64,
    /// Thousandths of the currency for a side in colour.
    pub side_color: u64,
    /// Thousandths of the currency for a sheet of media, besides its sides.
    pub sheet: u64,
}
