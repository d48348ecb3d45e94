// SPDX-License-Identifier: Apache-2.0 OR MIT
//! How long a sensor's answers have been damaged. Counted in time and not in looks: a look whose
//! answer is lost takes ten times as long as one that is answered.

/// Time of nothing but garbled answers after which a sensor is gone.
const GARBLED_NS: u64 = 1_500_000_000;
/// It takes more than one answer, however long that took.
const GARBLED_LOOKS: u32 = 2;

/// Garbled answers in a row.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Noise {
    /// When the first of the calls began.
    since_ns: Option<u64>,
    looks: u32,
}

impl Noise {
    /// One more, with the times at which its call began and returned. True when that is a sensor
    /// that is gone.
    pub(super) fn garbled(&mut self, began_ns: u64, ended_ns: u64) -> bool {
        let since = *self.since_ns.get_or_insert(began_ns);
        self.looks = self.looks.saturating_add(1);
        self.looks >= GARBLED_LOOKS && ended_ns.saturating_sub(since) >= GARBLED_NS
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// When a sensor is gone whose looks all take this long, with this pause between them.
    fn gone_after_ms(look: u64, pause: u64) -> u64 {
        let mut noise = Noise::default();
        let mut now = 0;
        loop {
            let (began, ended) = (now, now + look);
            if noise.garbled(began * 1_000_000, ended * 1_000_000) {
                return ended;
            }
            now = ended + pause;
        }
    }

    #[test]
    fn a_noisy_line_is_gone_within_two_seconds_whether_looks_are_fast_or_slow() {
        assert_eq!(gone_after_ms(800, 100), 1_700);
        assert_eq!(gone_after_ms(100, 100), 1_500);
        assert!((1_500..1_510).contains(&gone_after_ms(1, 5)));
    }

    #[test]
    fn one_damaged_answer_is_no_sensor_that_is_gone_however_late_it_was() {
        let mut noise = Noise::default();
        assert!(!noise.garbled(0, 5_000_000_000));
        assert!(noise.garbled(5_000_000_000, 5_100_000_000));
    }
}
