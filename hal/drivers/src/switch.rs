// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A door or tamper switch: from edges that bounce to open and closed. Pure: edges come with the
//! time at which the kernel saw them.
//!
//! In doubt it is open: a contact that does not come to rest is a door that is not shut, or a
//! cover that somebody is at.

/// A level that lasted this long is the switch's own; contacts bounce for 5 to 20 ms.
pub const DEBOUNCE_NS: u64 = 30_000_000;
/// A switch that did not come to rest for this long is open.
pub const RESTLESS_NS: u64 = 1_000_000_000;

/// One switch.
#[derive(Clone, Debug)]
pub struct Switch {
    open: bool,
    since_ns: u64,
    /// When it left its last rest.
    restless_ns: Option<u64>,
    told: Option<bool>,
}

impl Switch {
    /// A switch whose level is `open` at `now_ns`. Being closed from the start is no change.
    #[must_use]
    pub fn new(open: bool, now_ns: u64) -> Self {
        Self {
            open,
            since_ns: now_ns,
            restless_ns: Some(now_ns),
            told: None,
        }
    }

    /// Takes the level at a time: after an edge, or when it was read. Returns whether the switch is
    /// open, when that has changed before.
    pub fn level(&mut self, open: bool, at_ns: u64) -> Option<bool> {
        let change = self.pass(at_ns);
        if open != self.open {
            self.open = open;
            self.since_ns = at_ns;
            self.restless_ns.get_or_insert(at_ns);
        }
        change
    }

    /// Lets time pass. Returns whether the switch is open, when that has changed.
    pub fn pass(&mut self, now_ns: u64) -> Option<bool> {
        if now_ns.saturating_sub(self.since_ns) >= DEBOUNCE_NS {
            self.restless_ns = None;
            return self.tell(self.open);
        }
        let restless = self.restless_ns.map(|since| now_ns.saturating_sub(since));
        match restless {
            Some(long) if long >= RESTLESS_NS => self.tell(true),
            _ => None,
        }
    }

    /// The line can't be read any more: nobody knows, so it is open.
    pub fn lose(&mut self) -> Option<bool> {
        self.open = true;
        self.tell(true)
    }

    /// When [`Switch::pass`] may have something to say, if no edge comes before.
    #[must_use]
    pub fn due_ns(&self) -> Option<u64> {
        let restless = self.restless_ns?.saturating_add(RESTLESS_NS);
        let rest = self.since_ns.saturating_add(DEBOUNCE_NS);
        match self.told {
            Some(true) => Some(rest),
            _ => Some(rest.min(restless)),
        }
    }

    /// Whether it is open, as last told; `None` before it came to its first rest.
    #[must_use]
    pub fn is_open(&self) -> Option<bool> {
        self.told
    }

    fn tell(&mut self, open: bool) -> Option<bool> {
        let before = self.told.replace(open);
        let change = match before {
            None => open,
            Some(before) => before != open,
        };
        change.then_some(open)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;

    #[test]
    fn a_switch_that_is_closed_from_the_start_says_nothing_and_an_open_one_does() {
        let mut closed = Switch::new(false, 0);
        assert_eq!(closed.due_ns(), Some(DEBOUNCE_NS));
        assert_eq!(closed.pass(DEBOUNCE_NS), None);
        assert_eq!((closed.is_open(), closed.due_ns()), (Some(false), None));
        let mut open = Switch::new(true, 0);
        assert_eq!(open.pass(DEBOUNCE_NS - 1), None);
        assert_eq!(open.pass(DEBOUNCE_NS), Some(true));
        assert_eq!(open.pass(10 * DEBOUNCE_NS), None);
    }

    #[test]
    fn bounces_are_one_change_that_is_told_when_they_end() {
        let mut door = Switch::new(false, 0);
        assert_eq!(door.pass(100 * MS), None);
        for bounce in 0..9 {
            assert_eq!(door.level(bounce % 2 == 0, (200 + bounce) * MS), None);
        }
        assert_eq!(door.pass(208 * MS + DEBOUNCE_NS - 1), None);
        assert_eq!(door.pass(208 * MS + DEBOUNCE_NS), Some(true));
        assert_eq!(door.due_ns(), None);
    }

    #[test]
    fn a_short_knock_is_no_change() {
        let mut door = Switch::new(false, 0);
        assert_eq!(door.pass(100 * MS), None);
        assert_eq!(door.level(true, 200 * MS), None);
        assert_eq!(door.level(false, 220 * MS), None);
        assert_eq!(door.pass(900 * MS), None);
    }

    #[test]
    fn a_change_that_nobody_was_awake_for_is_told_by_the_next_edge() {
        let mut door = Switch::new(false, 0);
        assert_eq!(door.pass(100 * MS), None);
        assert_eq!(door.level(true, 200 * MS), None);
        assert_eq!(door.level(false, 260 * MS), Some(true));
        assert_eq!(door.pass(400 * MS), Some(false));
    }

    #[test]
    fn a_contact_that_does_not_come_to_rest_is_open() {
        let mut door = Switch::new(false, 0);
        assert_eq!(door.pass(100 * MS), None);
        let mut told = Vec::new();
        for step in 0..400_u64 {
            let at = 200 * MS + step * 5 * MS;
            told.extend(door.level(step % 2 == 0, at).map(|open| (at, open)));
        }
        assert_eq!(told, [(200 * MS + RESTLESS_NS, true)]);
        assert_eq!(door.pass(5_000 * MS), Some(false));
    }

    #[test]
    fn a_line_that_is_lost_is_open() {
        let mut cover = Switch::new(false, 0);
        assert_eq!(cover.pass(DEBOUNCE_NS), None);
        assert_eq!(cover.lose(), Some(true));
        assert_eq!(cover.lose(), None);
        assert_eq!(cover.level(false, 500 * MS), None);
        assert_eq!(cover.pass(500 * MS + DEBOUNCE_NS), Some(false));
    }

    #[test]
    fn a_clock_that_stands_still_or_goes_back_does_no_harm() {
        let mut door = Switch::new(true, 1_000);
        assert_eq!(door.level(false, 500), None);
        assert_eq!(door.level(true, 500), None);
        assert_eq!(door.pass(0), None);
        assert_eq!(door.pass(u64::MAX), Some(true));
    }
}
