// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Whether a login asks the centre. The first login after the centre went away waits
//! [`LOGIN_WAIT_MS`] at most (DESIGN §5 point 4); the next ones take the cache at once, until the link
//! has talked again in the background and one login has tried.

/// Milliseconds that a login waits for the centre.
pub const LOGIN_WAIT_MS: u64 = 2_000;
/// A centre that talks but answers no login is tried again after twice as many signs of life each
/// time, up to this many.
const SIGNS_MAX: u32 = 32;

/// Closed: logins ask. Open: they don't. Half open: one does.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
enum State {
    #[default]
    Closed,
    Open {
        /// Signs of life that are still missing.
        missing: u32,
    },
    HalfOpen,
    Trying,
}

/// The breaker of one box.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Breaker {
    state: State,
    /// Signs of life that it takes after the next failure.
    signs: u32,
}

/// Where a login goes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Ask {
    /// To the centre, for [`LOGIN_WAIT_MS`] at most; tell [`Breaker::answered`] or
    /// [`Breaker::failed`].
    Centre,
    /// To the cache alone.
    Cache,
}

impl Breaker {
    /// A breaker of a box that has not talked to its centre since it started: open.
    #[must_use]
    pub fn open() -> Self {
        Self {
            state: State::Open { missing: 1 },
            signs: 1,
        }
    }

    /// Where a login goes now.
    pub fn ask(&mut self) -> Ask {
        match self.state {
            State::Closed => Ask::Centre,
            State::HalfOpen => {
                self.state = State::Trying;
                Ask::Centre
            }
            State::Open { .. } | State::Trying => Ask::Cache,
        }
    }

    /// The centre answered a login, whatever it said.
    pub fn answered(&mut self) {
        *self = Self::default();
    }

    /// The centre did not answer a login in time.
    pub fn failed(&mut self) {
        // Logins that waited side by side fail together and count as one.
        if let State::Open { .. } = self.state {
            return;
        }
        let missing = self.signs.clamp(1, SIGNS_MAX);
        self.state = State::Open { missing };
        self.signs = missing.saturating_mul(2);
    }

    /// A push or pull was answered.
    pub fn link_talks(&mut self) {
        if let State::Open { missing } = self.state {
            self.state = match missing.saturating_sub(1) {
                0 => State::HalfOpen,
                missing => State::Open { missing },
            };
        }
    }

    /// A push or pull found nobody: logins need not find out by waiting.
    pub fn link_lost(&mut self) {
        if !matches!(self.state, State::Open { .. }) {
            self.state = State::Open { missing: 1 };
        }
    }

    /// Whether logins ask the centre, or would.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        !matches!(self.state, State::Open { .. })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_login_waits_and_the_next_ones_do_not() {
        let mut breaker = Breaker::default();
        assert_eq!(breaker.ask(), Ask::Centre);
        breaker.failed();
        assert!((0..1000).all(|_| breaker.ask() == Ask::Cache));
    }

    #[test]
    fn when_the_link_talks_again_one_login_tries_and_closes_it_for_all() {
        let mut breaker = Breaker::default();
        breaker.failed();
        breaker.link_talks();
        assert_eq!([breaker.ask(), breaker.ask()], [Ask::Centre, Ask::Cache]);
        breaker.answered();
        assert_eq!([breaker.ask(), breaker.ask()], [Ask::Centre, Ask::Centre]);
    }

    #[test]
    fn a_centre_that_talks_and_answers_no_login_is_asked_ever_less() {
        let mut breaker = Breaker::default();
        let mut waited = 0;
        for _ in 0..320 {
            breaker.link_talks();
            if breaker.ask() == Ask::Centre {
                waited += 1;
                breaker.failed();
            }
        }
        assert_eq!(waited, 15, "1, 2, 4, 8, 16 and then every 32 signs of life");
        breaker.link_lost();
        assert!(!breaker.is_closed());
    }

    #[test]
    fn a_lost_link_spares_the_login_the_wait() {
        let mut breaker = Breaker::default();
        breaker.link_lost();
        assert_eq!(breaker.ask(), Ask::Cache);
        breaker.link_talks();
        assert_eq!(breaker.ask(), Ask::Centre);
        let mut fresh = Breaker::open();
        assert_eq!(fresh.ask(), Ask::Cache);
        fresh.link_talks();
        assert_eq!(fresh.ask(), Ask::Centre);
    }
}
