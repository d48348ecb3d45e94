// SPDX-License-Identifier: Apache-2.0 OR MIT
//! How the box stands with its centre, as the loops find out: for the status, the panel and the log.

use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use platen_model::local::CentreState;
use platen_model::{Chain, Moment};
use platen_sync::enrol::Code;
use platen_sync::message::RefusalCode;

use super::line::LineError;

/// Clocks that are this far apart are told of.
const SKEW_TOLD_S: i64 = 60;

/// Something that somebody should look at; the keyword is what screens get.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) enum Alert {
    /// The centre has entries of this box that are not in its journal.
    BackupRestored,
    /// The centre offers an older directory than the box has.
    RolledBack,
    /// A page of the directory is not signed for this box.
    BadPage,
    /// The clocks are far apart.
    ClockSkewed,
}

impl Alert {
    pub(crate) fn keyword(self) -> &'static str {
        match self {
            Self::BackupRestored => "backup-restored",
            Self::RolledBack => "directory-rolled-back",
            Self::BadPage => "directory-not-believed",
            Self::ClockSkewed => "clock-skewed",
        }
    }
}

/// See the module.
#[derive(Default)]
pub(super) struct Standing(Mutex<Facts>);

#[derive(Clone, Default)]
pub(super) struct Facts {
    pub(super) state: CentreState,
    pub(super) since: Duration,
    pub(super) code: Option<Code>,
    pub(super) last_error: Option<String>,
    pub(super) skew_ms: Option<i64>,
    pub(super) latest: u64,
    pub(super) alerts: BTreeSet<Alert>,
    /// The skew that was journaled last.
    journaled_s: i64,
}

impl Standing {
    pub(super) fn facts(&self) -> Facts {
        self.lock().clone()
    }

    /// The link stands so from now on.
    pub(super) fn become_state(&self, state: CentreState, now: Moment) {
        let mut facts = self.lock();
        if facts.state == state {
            return;
        }
        log::info!(state = state.keyword(); "link to the centre changed");
        (facts.state, facts.since) = (state, now.elapsed);
        if state != CentreState::WaitingForCode {
            facts.code = None;
        }
    }

    /// The centre answered as it should.
    pub(super) fn served(&self, now: Moment) {
        self.become_state(CentreState::Online, now);
        self.lock().last_error = None;
    }

    /// The centre did not answer as it should.
    pub(super) fn failed(&self, error: &LineError, now: Moment) {
        let state = match error.refusal() {
            Some(RefusalCode::Revoked) => CentreState::Revoked,
            Some(RefusalCode::NotEnrolled | RefusalCode::Version) => CentreState::Refused,
            _ => CentreState::Offline,
        };
        self.note_error(Chain(error).to_string());
        self.become_state(state, now);
    }

    /// Something is wrong; told in the log once for each text.
    pub(super) fn note_error(&self, text: String) {
        let mut facts = self.lock();
        if facts.last_error.as_ref() != Some(&text) {
            log::warn!(err = text.as_str(); "no good answer from the centre");
            facts.last_error = Some(text);
        }
    }

    pub(super) fn waits_for(&self, code: &Code, now: Moment) {
        self.become_state(CentreState::WaitingForCode, now);
        let mut facts = self.lock();
        (facts.code, facts.last_error) = (Some(code.clone()), None);
    }

    /// True the first time.
    pub(super) fn alert(&self, alert: Alert) -> bool {
        let fresh = self.lock().alerts.insert(alert);
        if fresh {
            log::error!(alert = alert.keyword(); "something is wrong between the box and its centre");
        }
        fresh
    }

    pub(super) fn clear(&self, alert: Alert) {
        self.lock().alerts.remove(&alert);
    }

    pub(super) fn heard_latest(&self, latest: u64) {
        self.lock().latest = latest;
    }

    /// The box left its site: what was known of it is not true any more.
    pub(super) fn forget(&self, now: Moment) {
        *self.lock() = Facts {
            since: now.elapsed,
            ..Facts::default()
        };
    }

    /// The centre's clock said this now. What is to be journaled, in seconds, when the clocks are far
    /// apart and that was not told yet.
    pub(super) fn heard_clock(&self, centre_unix_ms: u64, now: Moment) -> Option<i64> {
        let ahead = i128::from(centre_unix_ms) - i128::from(now.unix_ms);
        let skew_ms = i64::try_from(ahead).unwrap_or(i64::MAX);
        let mut facts = self.lock();
        facts.skew_ms = Some(skew_ms);
        let skew_s = skew_ms / 1000;
        let news = skew_s.abs_diff(facts.journaled_s) >= SKEW_TOLD_S.unsigned_abs();
        if skew_s.abs() >= SKEW_TOLD_S {
            facts.alerts.insert(Alert::ClockSkewed);
        } else {
            facts.alerts.remove(&Alert::ClockSkewed);
        }
        if news {
            facts.journaled_s = skew_s;
            log::warn!(seconds = skew_s; "the centre's clock is ahead of this box's by that much");
        }
        news.then_some(skew_s)
    }

    fn lock(&self) -> MutexGuard<'_, Facts> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
