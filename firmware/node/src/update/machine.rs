// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What follows from what in an update. Two sides have a word in it: this daemon, which is at
//! something or not ([`Own`]), and the side that installs, whose last words are a [`Record`]. Nothing
//! here reads a clock or a file.

use std::time::Duration;

use platen_model::UpdatePhase;
use platen_model::local::UpdateStatus;
use platen_policy::update::{NotYet, Record, Wish};

use super::UpdateError;

/// An order that nobody took for this long is taken back.
const TAKEN: Duration = Duration::from_secs(60);
/// A restart that was ordered and did not come in this time is ordered again.
const RESTART: Duration = Duration::from_secs(180);
/// An installation that says nothing for this long was cut off.
const SILENT: Duration = Duration::from_secs(600);

/// Where a bundle comes from.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Source {
    /// The site's centre offers it.
    Centre,
    /// An administrator at the box.
    Ctl,
}

impl Source {
    pub(super) fn keyword(self) -> &'static str {
        match self {
            Self::Centre => "centre",
            Self::Ctl => "ctl",
        }
    }
}

/// What the daemon is at.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
enum Own {
    #[default]
    Idle,
    /// A bundle comes.
    Fetching {
        source: Source,
        have: u64,
        size: u64,
    },
    /// The bundle is whole, and nobody was asked to install it yet.
    Whole { source: Source, allow_older: bool },
    /// The other side was asked to, and has not said anything since.
    Ordered { source: Source, since: Duration },
    /// The restart was ordered.
    Restarting { since: Duration },
}

/// What is to be done now.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Act {
    /// Nothing.
    Rest,
    /// Ask for the installation.
    Order { source: Source, allow_older: bool },
    /// Take the order back: nobody takes it.
    GiveUp,
    /// Keep that this installation was whole in this start of the system.
    Note,
    /// Restart, if the moment is right.
    AskMoment(Wish),
}

/// See the module.
pub(super) struct Machine {
    own: Own,
    /// Counts up with each bundle that is begun or canceled: an older one is none any more.
    ticket: u64,
    wish: Wish,
    record: Option<Record>,
    /// Since when the record is as it is.
    record_since: Duration,
    /// Why the record can't be read.
    unread: Option<String>,
    /// What went wrong on this side, until the next bundle is begun.
    fault: Option<String>,
    waits: Option<NotYet>,
    slot: Option<String>,
    boot: String,
    /// The start of the system in which an installation was first seen whole, and which one.
    note: Option<(String, u64)>,
}

impl Machine {
    /// Nothing is known of the other side. `note` is what [`Machine::note`] gave before this start.
    pub(super) fn new(slot: Option<String>, boot: &str, note: &str) -> Self {
        let note = note.trim().rsplit_once(' ');
        let note = note.and_then(|(boot, at)| Some((boot.to_owned(), at.parse().ok()?)));
        Self {
            own: Own::default(),
            ticket: 0,
            wish: Wish::default(),
            record: None,
            record_since: Duration::ZERO,
            unread: None,
            fault: None,
            waits: None,
            slot,
            boot: boot.to_owned(),
            note,
        }
    }

    /// What the other side says now, or why that can't be read.
    pub(super) fn see(&mut self, seen: Result<Option<Record>, String>, now: Duration) {
        let (record, unread) = match seen {
            Ok(record) => (record, None),
            // What it said before stands: it may be writing.
            Err(words) => (self.record.clone(), Some(words)),
        };
        self.unread = unread;
        if record == self.record {
            return;
        }
        (self.record, self.record_since) = (record, now);
        if matches!(self.own, Own::Ordered { .. }) && self.record.is_some() {
            self.own = Own::Idle;
        }
    }

    /// A bundle is begun; its ticket. `wish` holds once it is installed.
    pub(super) fn begin(
        &mut self,
        source: Source,
        size: u64,
        wish: Wish,
        now: Duration,
    ) -> Result<u64, UpdateError> {
        let busy = match (&self.own, self.phase(now)) {
            (Own::Fetching { .. }, _) => "a bundle is on its way",
            (Own::Whole { .. } | Own::Ordered { .. }, _) => "a bundle waits to be installed",
            (Own::Restarting { .. }, _) => "the box starts anew in a moment",
            (Own::Idle, UpdatePhase::Checking | UpdatePhase::Installing) => {
                "a bundle is being installed"
            }
            (Own::Idle, UpdatePhase::Trial) => "the new release is on trial",
            (Own::Idle, _) => {
                self.ticket += 1;
                let have = 0;
                self.own = Own::Fetching { source, have, size };
                (self.fault, self.waits, self.wish) = (None, None, wish);
                return Ok(self.ticket);
            }
        };
        Err(UpdateError::Busy(busy))
    }

    /// So much of the bundle has come.
    pub(super) fn came(&mut self, ticket: u64, bytes: u64) -> Result<(), UpdateError> {
        match &mut self.own {
            Own::Fetching { have, .. } if self.ticket == ticket => {
                *have = bytes;
                Ok(())
            }
            _ => Err(UpdateError::Canceled),
        }
    }

    /// The bundle is in its place.
    pub(super) fn whole(&mut self, ticket: u64, allow_older: bool) -> Result<(), UpdateError> {
        match self.own {
            Own::Fetching { source, .. } if self.ticket == ticket => {
                self.own = Own::Whole {
                    source,
                    allow_older,
                };
                Ok(())
            }
            _ => Err(UpdateError::Canceled),
        }
    }

    /// The bundle does not come any more.
    pub(super) fn dropped(&mut self, ticket: u64) {
        if self.ticket == ticket && matches!(self.own, Own::Fetching { .. }) {
            self.own = Own::Idle;
        }
    }

    /// Takes back what can be; whether the other side's last words are to be forgotten.
    pub(super) fn cancel(&mut self, now: Duration) -> Result<bool, UpdateError> {
        let forget = match (&self.own, self.phase(now)) {
            (Own::Fetching { .. } | Own::Whole { .. } | Own::Ordered { .. }, _) => false,
            (Own::Idle, UpdatePhase::Idle) => return Err(UpdateError::Nothing),
            (Own::Idle, UpdatePhase::Good) => true,
            (Own::Idle, phase) if phase.is_failure() || phase == UpdatePhase::Other => true,
            _ => return Err(UpdateError::TooLate),
        };
        self.ticket += 1;
        (self.own, self.fault) = (Own::Idle, None);
        Ok(forget)
    }

    /// What is to be done now.
    pub(super) fn act(&mut self, now: Duration) -> Act {
        match self.own {
            Own::Fetching { .. } => Act::Rest,
            Own::Whole {
                source,
                allow_older,
            } => Act::Order {
                source,
                allow_older,
            },
            Own::Ordered { since, .. } if now.saturating_sub(since) > TAKEN => Act::GiveUp,
            Own::Ordered { .. } => Act::Rest,
            Own::Restarting { since } => {
                if now.saturating_sub(since) > RESTART {
                    log::warn!("the restart that was ordered did not come");
                    self.own = Own::Idle;
                }
                Act::Rest
            }
            Own::Idle if !self.waits_for_start() => Act::Rest,
            Own::Idle => match &self.note {
                Some((boot, at)) if Some(*at) == self.installed_at() => match *boot == self.boot {
                    true => Act::AskMoment(self.wish),
                    // It was installed before this start, which was to run it and does not.
                    false => Act::Rest,
                },
                _ => Act::Note,
            },
        }
    }

    /// The installation was asked for.
    pub(super) fn ordered(&mut self, now: Duration) {
        if let Own::Whole { source, .. } = self.own {
            self.own = Own::Ordered { source, since: now };
        }
    }

    /// The installation could not be asked for, or nobody took the order.
    pub(super) fn failed(&mut self, words: String) {
        (self.own, self.fault) = (Own::Idle, Some(words));
    }

    /// Keeps that the installation was whole in this start; what is to be written down.
    pub(super) fn note(&mut self) -> Option<String> {
        let at = self.installed_at()?;
        self.note = Some((self.boot.clone(), at));
        Some(format!("{} {at}\n", self.boot))
    }

    /// What the restart waits for.
    pub(super) fn waits(&mut self, waits: NotYet) {
        self.waits = Some(waits);
    }

    /// The restart was ordered.
    pub(super) fn restarting(&mut self, now: Duration) {
        (self.own, self.waits) = (Own::Restarting { since: now }, None);
    }

    pub(super) fn is_restarting(&self) -> bool {
        matches!(self.own, Own::Restarting { .. })
    }

    /// How things stand.
    pub(super) fn tell(&self, now: Duration) -> UpdateStatus {
        let mut told = UpdateStatus::default();
        if let Some(record) = &self.record {
            (told.percent, told.at_unix_ms) = (record.percent, record.at_unix_ms);
            (told.version, told.from) = (record.version.clone(), record.from.clone());
            (told.source, told.reason) = (record.source.clone(), record.reason.clone());
        }
        told.phase = self.phase(now);
        told.waits = self.waits.map(|waits| waits.words().to_owned());
        match &self.own {
            Own::Fetching { source, have, size } => {
                let percent = have.saturating_mul(100).checked_div(*size).unwrap_or(0);
                told = Self::begun(*source, told.phase);
                told.percent = u8::try_from(percent).unwrap_or(100);
            }
            Own::Whole { source, .. } | Own::Ordered { source, .. } => {
                told = Self::begun(*source, told.phase);
            }
            Own::Restarting { .. } => told.reason = "the box starts anew".to_owned(),
            Own::Idle => {
                let is_silent = told.phase == UpdatePhase::Failed && self.is_silent(now);
                let silent = is_silent
                    .then(|| "the installation was cut off; send the bundle again".to_owned());
                let words = [&self.fault, &silent, &self.unread];
                if let Some(words) = words.into_iter().flatten().next() {
                    told.reason.clone_from(words);
                }
            }
        }
        told
    }

    fn begun(source: Source, phase: UpdatePhase) -> UpdateStatus {
        UpdateStatus {
            phase,
            source: source.keyword().to_owned(),
            ..UpdateStatus::default()
        }
    }

    fn phase(&self, now: Duration) -> UpdatePhase {
        let said = self.record.as_ref().map_or(UpdatePhase::Idle, |r| r.phase);
        match &self.own {
            Own::Fetching { .. } => UpdatePhase::Fetching,
            Own::Whole { .. } | Own::Ordered { .. } => UpdatePhase::Checking,
            Own::Restarting { .. } => UpdatePhase::Installed,
            Own::Idle if self.fault.is_some() => UpdatePhase::Failed,
            Own::Idle if said == UpdatePhase::Installed && self.runs_it() => UpdatePhase::Trial,
            Own::Idle if self.is_silent(now) => UpdatePhase::Failed,
            Own::Idle => said,
        }
    }

    /// The release that was installed is the one that runs.
    fn runs_it(&self) -> bool {
        let target = self.record.as_ref().map(|record| record.slot.as_str());
        self.slot.is_some() && self.slot.as_deref() == target
    }

    fn is_silent(&self, now: Duration) -> bool {
        let said = self.record.as_ref().map(|record| record.phase);
        let works = matches!(said, Some(UpdatePhase::Checking | UpdatePhase::Installing));
        works && now.saturating_sub(self.record_since) > SILENT
    }

    fn waits_for_start(&self) -> bool {
        self.fault.is_none() && self.installed_at().is_some() && !self.runs_it()
    }

    fn installed_at(&self) -> Option<u64> {
        let record = self.record.as_ref()?;
        (record.phase == UpdatePhase::Installed).then_some(record.at_unix_ms)
    }
}
