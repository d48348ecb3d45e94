// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Wrong tries: how many there are, how long a lock is, and that no power cut or crowd gives more.

#![allow(
    clippy::unwrap_used,
    reason = "a test ends where something unexpected happens"
)]

mod given;

use std::sync::Arc;
use std::time::Duration;

use given::Box;
use platen_auth::Tries;
use platen_auth::tries::{BOX_TRIES, BOX_TRY_EVERY, COUNTED_MAX, LOCK_MAX, Refused, Side};
use platen_model::{Clock, CredentialId, ManualClock, Settings};
use uuid::Uuid;

const MINUTE: Duration = Duration::from_secs(60);

fn id(number: u128) -> CredentialId {
    CredentialId(Uuid::from_u128(number))
}

struct Door {
    given: Box,
    tries: Option<Tries>,
    settings: Settings,
}

impl Door {
    fn new() -> Self {
        let given = Box::new();
        let tries = Tries::open(&given.database(), given.clock.now()).unwrap();
        Self {
            given,
            tries: Some(tries),
            settings: Settings::default(),
        }
    }

    fn tries(&self) -> &Tries {
        self.tries.as_ref().unwrap()
    }

    fn clock(&self) -> &ManualClock {
        &self.given.clock
    }

    /// One wrong try at the panel: whether it was one too many.
    fn wrong(&self, number: u128) -> Result<bool, Refused> {
        self.wrong_at(Side::Panel, number)
    }

    fn wrong_at(&self, side: Side, number: u128) -> Result<bool, Refused> {
        let now = self.clock().now();
        self.tries().start(id(number), side, &self.settings, now)?;
        Ok(self
            .tries()
            .wrong(id(number), &self.settings, now)
            .is_some())
    }

    /// As after a power cut: from what is on the disk.
    fn restarted(mut self, off: Duration) -> Self {
        self.tries = None;
        self.clock().advance(off);
        self.tries = Tries::open(&self.given.database(), self.clock().now()).ok();
        self
    }
}

#[test]
fn point_3_the_fifth_wrong_try_locks_and_the_right_secret_comes_too_late_then() {
    let door = Door::new();
    for _ in 0..4 {
        assert_eq!(door.wrong(1), Ok(false));
    }
    assert_eq!(door.wrong(1), Ok(true), "the fifth locks");
    let left = 15 * MINUTE;
    assert_eq!(door.wrong(1), Err(Refused::Locked { left }));
    assert_eq!(door.wrong(2), Ok(false), "others are not locked");
    door.clock().advance(left - Duration::from_secs(1));
    assert!(door.wrong(1).is_err());
    door.clock().advance(Duration::from_secs(1));
    assert_eq!(door.wrong(1), Ok(false), "tries are counted anew");
}

#[test]
fn point_3_each_lock_lasts_twice_as_long_as_the_one_before_until_the_right_secret_comes() {
    let door = Door::new();
    let lock = || {
        door.clock().advance(BOX_TRY_EVERY * BOX_TRIES);
        let now = door.clock().now();
        while !door.wrong(1).unwrap() {}
        let left = door.tries().locked(id(1), now).unwrap();
        door.clock().advance(left);
        left
    };
    let minutes: Vec<_> = (0..9).map(|_| lock().as_secs() / 60).collect();
    assert_eq!(minutes, [15, 30, 60, 120, 240, 480, 960, 1440, 1440]);
    door.tries()
        .start(id(1), Side::Panel, &door.settings, door.clock().now())
        .unwrap();
    door.tries().right(id(1), Side::Panel);
    assert_eq!(lock(), 15 * MINUTE, "afresh");
}

#[test]
fn point_3_counters_and_locks_survive_a_power_cut_and_it_gives_no_new_tries() {
    let mut door = Door::new();
    for _ in 0..4 {
        door.wrong(1).unwrap();
        door = door.restarted(Duration::from_secs(20));
    }
    assert_eq!(door.wrong(1), Ok(true), "the fifth over five starts");
    door = door.restarted(5 * MINUTE);
    let left = 10 * MINUTE;
    assert_eq!(
        door.wrong(1),
        Err(Refused::Locked { left }),
        "what the clock says is left"
    );
    let lock = door.tries().locks(door.clock().now());
    assert_eq!(
        (lock.len(), lock[0].credential, lock[0].lasts),
        (1, id(1), left)
    );
}

#[test]
fn point_3_a_try_whose_answer_a_power_cut_swallowed_counts() {
    let mut door = Door::new();
    for _ in 0..5 {
        // Begun, compared, and then the plug is pulled before anything is said.
        let now = door.clock().now();
        door.tries()
            .start(id(1), Side::Panel, &door.settings, now)
            .unwrap();
        door = door.restarted(Duration::ZERO);
    }
    assert!(matches!(door.wrong(1), Err(Refused::Locked { .. })));
}

#[test]
fn point_3_guesses_side_by_side_all_count() {
    let door = Arc::new(Door::new());
    let threads: Vec<_> = (0..20)
        .map(|_| {
            let door = Arc::clone(&door);
            std::thread::spawn(move || {
                door.tries()
                    .start(id(1), Side::Panel, &door.settings, door.clock().now())
                    .is_ok()
            })
        })
        .collect();
    let taken = threads.into_iter().map(|thread| thread.join().unwrap());
    assert_eq!(
        taken.filter(|taken| *taken).count(),
        5,
        "none more than one after another"
    );
}

#[test]
fn point_3_ten_thousand_guesses_take_years_and_the_box_has_its_own_limit() {
    let door = Door::new();
    // Every PIN at one credential: a day's worth of trying as fast as the box allows.
    let mut taken = 0_u32;
    for _ in 0..24 * 60 {
        while door.wrong(1).is_ok() {
            taken += 1;
        }
        door.clock().advance(MINUTE);
    }
    assert!(taken <= 40, "{taken} of 10,000 PINs on the first day");

    // One PIN at every person: the box as a whole has had enough.
    let door = Door::new();
    let tried = (0..10_000)
        .filter(|number| door.wrong(*number).is_ok())
        .count();
    assert_eq!(tried, usize::try_from(BOX_TRIES).unwrap());
    assert_eq!(
        door.wrong(1),
        Err(Refused::BoxBusy {
            left: BOX_TRY_EVERY
        })
    );
    let now = door.clock().now();
    assert!(
        door.tries().start_unnamed(Side::Panel, now).is_err(),
        "codes count as well"
    );
    let door = door.restarted(Duration::from_secs(3600));
    assert!(door.wrong(20_000).is_err(), "a restart gives no tries");
    door.clock().advance(BOX_TRY_EVERY);
    assert!(door.wrong(20_000).is_ok());
    assert!(door.wrong(20_001).is_err());
}

#[test]
fn whoever_spends_the_pages_allowance_leaves_the_panel_its_own() {
    let door = Door::new();
    let all = usize::try_from(BOX_TRIES).unwrap();
    let tried = (0..1000)
        .filter(|number| door.wrong_at(Side::Web, *number).is_ok())
        .count();
    assert_eq!(tried, all);
    let now = door.clock().now();
    assert!(door.tries().start_unnamed(Side::Web, now).is_err());
    let door = door.restarted(Duration::ZERO);
    assert!(door.wrong_at(Side::Web, 1).is_err(), "also after a restart");
    let tried = (2000..3000)
        .filter(|number| door.wrong(*number).is_ok())
        .count();
    assert_eq!(tried, all, "the panel has all of its own");
    // A credential is locked at both: its tries are counted together.
    door.clock().advance(BOX_TRY_EVERY * BOX_TRIES);
    for side in [Side::Web, Side::Panel, Side::Web, Side::Panel, Side::Web] {
        door.wrong_at(side, 5000).unwrap();
    }
    let locked = door.wrong_at(Side::Panel, 5000);
    assert!(matches!(locked, Err(Refused::Locked { .. })));
}

#[test]
fn right_tries_cost_the_box_nothing() {
    let door = Door::new();
    for number in 0..200 {
        let now = door.clock().now();
        door.tries()
            .start(id(number), Side::Panel, &door.settings, now)
            .unwrap();
        door.tries().right(id(number), Side::Panel);
        door.tries().start_unnamed(Side::Panel, now).unwrap();
        door.tries().right_unnamed(Side::Panel);
    }
}

#[test]
fn point_3_a_lock_that_comes_from_elsewhere_holds_and_never_shortens_one() {
    let door = Door::new();
    let now = door.clock().now();
    door.tries().lock_for(id(1), 30 * MINUTE, now);
    assert_eq!(door.tries().locked(id(1), now), Some(30 * MINUTE));
    door.tries().lock_for(id(1), 10 * MINUTE, now);
    assert_eq!(door.tries().locked(id(1), now), Some(30 * MINUTE));
    door.tries().lock_for(id(2), Duration::MAX, now);
    assert_eq!(door.tries().locked(id(2), now), Some(LOCK_MAX));
    door.tries().lock_for(id(3), Duration::ZERO, now);
    assert_eq!(door.tries().locked(id(3), now), None);
    let door = door.restarted(Duration::ZERO);
    assert_eq!(
        door.tries().locked(id(1), door.clock().now()),
        Some(30 * MINUTE)
    );
    door.tries().forgive(id(1));
    assert_eq!(door.tries().locked(id(1), door.clock().now()), None);
    let door = door.restarted(Duration::ZERO);
    assert_eq!(door.tries().locked(id(1), door.clock().now()), None);
}

/// Clocks of boxes begin at 1970 when they have no battery: a lock is neither decades long then nor
/// over.
#[test]
fn a_clock_that_is_wrong_after_a_restart_neither_ends_a_lock_nor_prolongs_it_for_years() {
    for wrong_ms in [0, u64::MAX / 2] {
        let mut door = Door::new();
        while !door.wrong(1).unwrap() {}
        let mut now = door.clock().now();
        (now.unix_ms, now.trusted, now.elapsed) = (wrong_ms, false, Duration::ZERO);
        door.tries = None;
        let tries = Tries::open(&door.given.database(), now).unwrap();
        assert_eq!(tries.locked(id(1), now), Some(15 * MINUTE));
    }
}

#[test]
fn a_site_that_allows_no_try_still_allows_one() {
    let mut door = Door::new();
    (door.settings.tries, door.settings.locked_minutes) = (0, 0);
    assert_eq!(door.wrong(1), Ok(true));
    assert_eq!(door.tries().locked(id(1), door.clock().now()), Some(MINUTE));
}

/// A box whose clock began at 1970 is told what is left of a lock, not when it ends.
#[test]
fn a_lock_from_elsewhere_lasts_as_long_as_it_has_left_whatever_the_clock_says() {
    for wrong_ms in [0, u64::MAX] {
        let door = Door::new();
        let mut now = door.clock().now();
        (now.unix_ms, now.trusted) = (wrong_ms, false);
        door.tries().lock_for(id(1), 15 * MINUTE, now);
        assert_eq!(door.tries().locked(id(1), now), Some(15 * MINUTE));
        now.elapsed += 15 * MINUTE;
        assert_eq!(door.tries().locked(id(1), now), None);
    }
}

/// Marked as locked from elsewhere, which costs no allowance: fills the counters quickly.
#[test]
fn the_number_of_counted_credentials_is_bounded_and_locked_ones_stay() {
    let door = Door::new();
    let now = door.clock().now();
    door.wrong(1).unwrap();
    while !door.wrong(2).unwrap() {}
    let most = u128::try_from(COUNTED_MAX).unwrap();
    // In memory only: the disk's part is the same for each.
    for number in 10..10 + most - 2 {
        door.tries()
            .lock_for(id(number), Duration::from_millis(1), now);
    }
    door.clock().advance(MINUTE);
    door.wrong(5).unwrap();
    assert!(
        door.tries().locked(id(2), door.clock().now()).is_some(),
        "a lock is kept"
    );
}
