// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The printer's counter after a job's last byte: read until it is the job's, or can't be.
//!
//! A counter that moved while the printer can't print says nothing of the job: it may be whole, with
//! the last sheet or a cover opened behind it. It is then neither confirmed nor stopped.

use std::time::Duration;

use platen_hal::{PortError, Sending};
use platen_wire::printer_mib::{Depth, LifeCount, PrinterFacts};
use smol::Timer;
use smol::future::poll_once;
use smol::stream::StreamExt;

use super::{COUNT_LIMIT, Shared, SnmpOptions};

/// Between two readings.
const POLL: Duration = Duration::from_millis(500);
/// How long a printer may rest with an unchanged counter before it is taken to count nothing.
const REST_LIMIT: Duration = Duration::from_secs(10);
/// How long the counter must stand while the printer rests before it is believed: some update it
/// only after they have told of the end (<https://github.com/apple/cups/pull/5153>).
const SETTLE: Duration = Duration::from_secs(2);
/// Readings in a row without an answer after which the counter is given up.
const SILENT_MAX: u32 = 3;
/// The longest wait for the counter in all.
const COUNT_WAIT_MAX: Duration = Duration::from_secs(4 * 3600);

/// The job's impressions; `None` when the counter can't tell, or the job was deleted meanwhile.
///
/// # Errors
/// [`PortError::Stopped`], see [`SnmpOptions::stall`].
pub(super) fn wait(
    shared: &Shared,
    before: LifeCount,
    sending: &Sending,
) -> Result<Option<u32>, PortError> {
    let mut count = Count::new(before);
    let mut ticks = Timer::interval(POLL);
    let (mut waited, mut since) = (Duration::ZERO, Duration::ZERO);
    while waited < COUNT_WAIT_MAX && count.silent < SILENT_MAX && !sending.is_canceled() {
        match shared.ask(Depth::Counter, COUNT_LIMIT) {
            None => count.miss(),
            Some(facts) => match count.read(&facts, since, &shared.options) {
                Verdict::Open => since = Duration::ZERO,
                Verdict::Counted(impressions) => return Ok(Some(impressions)),
                Verdict::Untold => return Ok(None),
                Verdict::Stopped if shared.hears_of_end => return Ok(None),
                Verdict::Stopped => {
                    let reasons = facts.reasons();
                    return Err(PortError::Stopped { reasons });
                }
            },
        }
        let passed = passed(&mut ticks);
        (waited, since) = (waited + passed, since + passed);
    }
    Ok(None)
}

/// Waits for the next tick; gives the time of all that came since the last call, with that of the
/// asking between them.
fn passed(ticks: &mut Timer) -> Duration {
    smol::block_on(async {
        let mut passed = Duration::ZERO;
        let mut tick = ticks.next().await;
        while tick.is_some() {
            passed += POLL;
            tick = poll_once(ticks.next()).await.flatten();
        }
        passed
    })
}

/// What one more reading decides.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Verdict {
    /// Nothing yet.
    Open,
    Counted(u32),
    /// The counter won't tell.
    Untold,
    /// The printer can't print, and has marked nothing.
    Stopped,
}

/// What has been seen of the counter after the last byte.
struct Count {
    before: LifeCount,
    last: LifeCount,
    moved: bool,
    /// Whether the printer rested at the last reading.
    idle: bool,
    /// Time that the counter has stood in a printer that can print.
    quiet: Duration,
    /// Of it, the time at the end that the printer rested.
    rested: Duration,
    /// Time that the printer says it can't print.
    stopped: Duration,
    silent: u32,
}

impl Count {
    fn new(before: LifeCount) -> Self {
        Self {
            before,
            last: before,
            moved: false,
            idle: false,
            quiet: Duration::ZERO,
            rested: Duration::ZERO,
            stopped: Duration::ZERO,
            silent: 0,
        }
    }

    /// No answer: whether the printer went on resting is not known.
    fn miss(&mut self) {
        self.silent += 1;
        self.idle = false;
    }

    /// One more reading, `since` after the last one that was answered.
    fn read(&mut self, facts: &PrinterFacts, since: Duration, options: &SnmpOptions) -> Verdict {
        let Some(now) = facts.life_count else {
            return Verdict::Untold;
        };
        self.silent = 0;
        self.account(now, facts, since);
        if self.stopped >= options.stall {
            return match self.moved {
                true => Verdict::Untold,
                false => Verdict::Stopped,
            };
        }
        if self.rested >= SETTLE
            && let Some(impressions) = self.before.impressions_until(now)
        {
            return Verdict::Counted(impressions);
        }
        let (waited, patience) = match self.idle {
            true => (self.rested, REST_LIMIT.min(options.report).max(SETTLE)),
            false => (self.quiet, options.report),
        };
        match waited >= patience {
            true => Verdict::Untold,
            false => Verdict::Open,
        }
    }

    fn account(&mut self, now: LifeCount, facts: &PrinterFacts, since: Duration) {
        let stood = now == self.last;
        let rests = facts.is_idle() && facts.is_ready();
        let of = |goes_on: bool, time: Duration| match goes_on {
            true => time + since,
            false => Duration::ZERO,
        };
        self.moved |= !stood;
        self.quiet = of(stood && facts.is_ready(), self.quiet);
        self.rested = of(stood && rests && self.idle, self.rested);
        self.stopped = of(stood && !facts.is_ready(), self.stopped);
        (self.last, self.idle) = (now, rests);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_of_asking_is_time_waited() {
        let mut ticks = Timer::interval(POLL);
        smol::block_on(Timer::after(POLL * 3));
        assert!(passed(&mut ticks) >= POLL * 3);
    }
}
