// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What the release pipeline asks of whoever knows rules and people: the copy of the centre's
//! directory, or nobody on a box of no site.

use std::sync::Arc;

use platen_model::{GroupRecord, Identity, Job, Prices, Quota, Settings, Source};
use platen_policy::SiteRules;

/// What holds for everybody at the box, read once for each change of the directory.
#[derive(Debug, Default)]
pub(crate) struct SiteTerms {
    pub(crate) groups: Vec<GroupRecord>,
    pub(crate) quotas: Vec<Quota>,
    pub(crate) prices: Vec<Prices>,
    pub(crate) rules: SiteRules,
    pub(crate) settings: Settings,
}

impl SiteTerms {
    /// Whether a decision may depend on the number of pages.
    pub(crate) fn ask_for_counts(&self) -> bool {
        !(self.quotas.is_empty() && self.rules.is_empty())
    }
}

/// Whoever knows rules and people.
pub(crate) trait Site: Send + Sync {
    /// What holds now.
    fn terms(&self) -> Arc<SiteTerms>;

    /// Whether what holds is known: a box that has joined a site knows nothing before the first copy of
    /// the directory is whole.
    fn has_terms(&self) -> bool;

    /// How people are known now who do not log in: by name alone.
    fn source(&self) -> Source;

    /// The person under whose name a job was sent, if the name is anybody's.
    fn owner_of(&self, job: &Job) -> Option<Identity>;
}
