// SPDX-License-Identifier: Apache-2.0 OR MIT
//! How many events one part may send. A card is refused in the journal, and a journal entry is a
//! write to the disk: a reader that sends hundreds a second, broken or in a wrong hand, must neither
//! wear the disk out nor keep the door from other readers.

use std::sync::Arc;
use std::time::Duration;

use platen_hal::DeviceEvent;
use platen_model::Clock;

/// Cards, fingers and switches of one part: four a second, after a burst. Nobody taps faster.
const TAPS: Rate = Rate {
    burst: 8,
    each: Duration::from_millis(250),
};
/// Keys of one pad: more than fingers press.
const KEYS: Rate = Rate {
    burst: 32,
    each: Duration::from_millis(50),
};

#[derive(Clone, Copy)]
struct Rate {
    burst: u32,
    each: Duration,
}

/// One part's allowance.
#[derive(Clone)]
pub(crate) struct Flood {
    clock: Arc<dyn Clock>,
    taps: Allowance,
    keys: Allowance,
}

#[derive(Clone)]
struct Allowance {
    rate: Rate,
    left: u32,
    /// Up to when it was filled.
    filled: Duration,
}

impl Flood {
    pub(crate) fn new(clock: &Arc<dyn Clock>) -> Self {
        let filled = clock.now().elapsed;
        let full = |rate: Rate| Allowance {
            rate,
            left: rate.burst,
            filled,
        };
        Self {
            clock: Arc::clone(clock),
            taps: full(TAPS),
            keys: full(KEYS),
        }
    }

    /// Whether the event may pass now. What a part says of itself always may: its owner's pauses
    /// limit that.
    pub(crate) fn passes(&mut self, event: &DeviceEvent) -> bool {
        let now = self.clock.now().elapsed;
        match event {
            DeviceEvent::KeyPressed { .. } => self.keys.take(now),
            DeviceEvent::ReaderGone { .. } | DeviceEvent::ReaderBack { .. } => true,
            _ => self.taps.take(now),
        }
    }
}

impl Allowance {
    fn take(&mut self, now: Duration) -> bool {
        let since = now.saturating_sub(self.filled);
        let whole = since.as_millis() / self.rate.each.as_millis().max(1);
        let more = u32::try_from(whole).unwrap_or(u32::MAX);
        self.left = self.left.saturating_add(more).min(self.rate.burst);
        if self.left == self.rate.burst {
            self.filled = now;
        } else {
            self.filled += self.rate.each * more;
        }
        let passes = self.left > 0;
        self.left -= u32::from(passes);
        passes
    }
}

#[cfg(test)]
mod tests {
    use platen_drivers::Mfrc522;
    use platen_hal::{CardReader, CardUid, Key, Proof, ReaderError};
    use platen_hal_linux::bus;
    use platen_hal_sim::{Field, Mfrc522Model, SimDelay};
    use platen_model::ManualClock;

    use super::*;
    use platen_service::SystemClock;

    fn tap() -> DeviceEvent {
        DeviceEvent::CardPresented {
            reader: "door".to_owned(),
            uid: CardUid::new(&[1, 2, 3, 4]).unwrap(),
            proof: Proof::Weak,
        }
    }

    #[test]
    fn a_flood_is_let_through_at_four_a_second_after_a_burst() {
        let manual = Arc::new(ManualClock::at(0));
        let clock: Arc<dyn Clock> = Arc::<ManualClock>::clone(&manual);
        let mut flood = Flood::new(&clock);
        let mut passed = 0;
        for _ in 0..10_000 {
            passed += u32::from(flood.passes(&tap()));
            manual.advance(Duration::from_millis(1));
        }
        assert_eq!(passed, 8 + 39);
        manual.advance(Duration::from_secs(3_600));
        let burst = (0..100).filter(|_| flood.passes(&tap())).count();
        assert_eq!(burst, 8, "a pause saves up no more than a burst");
    }

    #[test]
    fn keys_and_a_part_s_own_state_are_not_held_up_by_taps() {
        let clock: Arc<dyn Clock> = Arc::new(ManualClock::at(0));
        let mut flood = Flood::new(&clock);
        while flood.passes(&tap()) {}
        let key = Key::Digit(1);
        let pad = "pad".to_owned();
        assert!(flood.passes(&DeviceEvent::KeyPressed { pad, key }));
        let reader = "door".to_owned();
        assert!(flood.passes(&DeviceEvent::ReaderBack { reader }));
    }

    /// Gives a new card at each look.
    struct Stuck(u32);

    impl CardReader for Stuck {
        fn start(&mut self) -> Result<(), ReaderError> {
            Ok(())
        }

        fn poll(&mut self) -> Result<Option<CardUid>, ReaderError> {
            self.0 += 1;
            Ok(CardUid::new(&self.0.to_be_bytes()))
        }

        fn waits(&self) -> bool {
            true
        }

        fn part(&self) -> &'static str {
            "stuck"
        }
    }

    #[test]
    fn a_reader_that_floods_does_not_keep_a_person_at_another_one_waiting() {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::start());
        let (events, incoming) = smol::channel::bounded(super::super::EVENTS);
        let sink = || {
            let (events, mut flood) = (events.clone(), Flood::new(&clock));
            move |event| flood.passes(&event) && events.try_send(event).is_ok()
        };
        let interval = Duration::from_millis(20);
        let before = clock.now().elapsed;
        let stuck = bus::spawn(Box::new(Stuck(0)), "stuck", sink(), interval).unwrap();
        let field = Field::new();
        let reader = Mfrc522::new(Mfrc522Model::new(&field), SimDelay::default());
        let door = bus::spawn(Box::new(reader), "door", sink(), interval).unwrap();
        let card = CardUid::new(&[4, 1, 2, 3, 4, 5, 6]).unwrap();
        let (mut flooded, mut tapped, mut placed) = (0_u32, false, false);
        while !tapped {
            // The flood has begun, and goes on while the card is held there.
            if !placed && stuck.state().taps_dropped > 0 {
                placed = field.place(&card);
            }
            match incoming.recv_blocking().unwrap() {
                DeviceEvent::CardPresented { reader, uid, .. } if reader == "door" => {
                    assert_eq!(uid, card);
                    tapped = true;
                }
                DeviceEvent::CardPresented { .. } => flooded += 1,
                _ => (),
            }
        }
        let quarters = (clock.now().elapsed - before).as_millis() / 250 + 2;
        assert!(
            u128::from(flooded) <= 8 + quarters,
            "{flooded} in {quarters}"
        );
        assert_eq!(door.state().taps_dropped, 0);
    }
}
