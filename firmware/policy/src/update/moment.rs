// SPDX-License-Identifier: Apache-2.0 OR MIT
//! When the box may start anew for an update that is installed: not while somebody prints or is logged
//! in, not while the box is in use, and in the maintenance window where there is one. A job that waits
//! for its owner waits through a restart.

use std::time::Duration;

use platen_model::Window;

/// Nobody has done anything at the box for this long before it starts anew by itself.
pub const QUIET: Duration = Duration::from_secs(60);

/// How the restart is wanted.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Wish {
    /// At once: people and the window don't matter, a job at a printer does.
    pub now: bool,
    /// In this time only.
    pub window: Option<Window>,
}

/// How the box is.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Moment {
    /// A job is at a printer, or in its queue.
    pub printing: bool,
    /// Somebody is logged in, at the box or at its web page.
    pub people: bool,
    /// For how long there was neither.
    pub quiet: Duration,
    /// Wall milliseconds since 1970; none when the clock is not trusted.
    pub unix_ms: Option<u64>,
}

/// What the restart waits for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum NotYet {
    /// A job is at a printer.
    Printing,
    /// Somebody is logged in.
    People,
    /// The box was in use a moment ago.
    Quiet,
    /// The maintenance window.
    Window,
    /// There is a window, and the box does not know the time.
    NoClock,
}

impl NotYet {
    /// In words.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::Printing => "until the job at the printer has ended",
            Self::People => "until nobody is logged in",
            Self::Quiet => "until nobody has used the box for a minute",
            Self::Window => "for the maintenance window",
            Self::NoClock => "until the box knows the time, for the maintenance window",
        }
    }
}

/// Whether the box may start anew at this moment.
///
/// # Errors
/// What it waits for.
pub fn may_restart(wish: &Wish, moment: &Moment) -> Result<(), NotYet> {
    if moment.printing {
        return Err(NotYet::Printing);
    }
    if wish.now {
        return Ok(());
    }
    if let Some(window) = &wish.window {
        match moment.unix_ms {
            None => return Err(NotYet::NoClock),
            Some(unix_ms) if !window.is_open(unix_ms) => return Err(NotYet::Window),
            Some(_) => {}
        }
    }
    if moment.people {
        return Err(NotYet::People);
    }
    match moment.quiet < QUIET {
        true => Err(NotYet::Quiet),
        false => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR_MS: u64 = 3_600_000;

    fn night() -> Window {
        Window {
            from_minute: 120,
            to_minute: 300,
            days: platen_model::release::ALL_DAYS,
            utc_offset_minutes: 0,
        }
    }

    fn quiet(hour: u64) -> Moment {
        Moment {
            quiet: QUIET,
            unix_ms: Some(20_000 * 24 * HOUR_MS + hour * HOUR_MS),
            ..Moment::default()
        }
    }

    #[test]
    fn a_quiet_box_restarts_at_any_time_where_there_is_no_window() {
        let wish = Wish::default();
        assert_eq!(may_restart(&wish, &quiet(12)), Ok(()));
        let moment = |change: fn(&mut Moment)| {
            let mut moment = quiet(12);
            change(&mut moment);
            may_restart(&wish, &moment)
        };
        assert_eq!(moment(|m| m.printing = true), Err(NotYet::Printing));
        assert_eq!(moment(|m| m.people = true), Err(NotYet::People));
        assert_eq!(
            moment(|m| m.quiet -= Duration::from_secs(1)),
            Err(NotYet::Quiet)
        );
        assert_eq!(moment(|m| m.unix_ms = None), Ok(()));
    }

    #[test]
    fn a_window_is_waited_for_and_no_clock_is_no_window() {
        let wish = Wish {
            now: false,
            window: Some(night()),
        };
        assert_eq!(may_restart(&wish, &quiet(1)), Err(NotYet::Window));
        assert_eq!(may_restart(&wish, &quiet(3)), Ok(()));
        let lost = Moment {
            unix_ms: None,
            ..quiet(3)
        };
        assert_eq!(may_restart(&wish, &lost), Err(NotYet::NoClock));
    }

    #[test]
    fn at_once_waits_for_nothing_but_the_printer() {
        let wish = Wish {
            now: true,
            window: Some(night()),
        };
        let mut moment = Moment {
            people: true,
            ..Moment::default()
        };
        assert_eq!(may_restart(&wish, &moment), Ok(()));
        moment.printing = true;
        assert_eq!(may_restart(&wish, &moment), Err(NotYet::Printing));
    }
}
