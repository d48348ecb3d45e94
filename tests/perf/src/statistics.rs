// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Percentiles by nearest rank and medians: figures that really occurred, never interpolated
//! ones.

use std::time::Duration;

use serde::Serialize;

/// How a set of times is spread, milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Spread {
    /// Number of times measured; the other fields are zero when this is.
    pub count: usize,
    /// Half of the times are not above this.
    pub p50_ms: f64,
    /// 95 of 100 are not above this.
    pub p95_ms: f64,
    /// 99 of 100 are not above this.
    pub p99_ms: f64,
    /// The longest.
    pub max_ms: f64,
}

impl Spread {
    /// Sorts `times` and takes their percentiles.
    #[must_use]
    pub fn of(times: &mut [Duration]) -> Self {
        times.sort_unstable();
        let at = |percent| percentile(times, percent).map_or(0.0, milliseconds);
        Self {
            count: times.len(),
            p50_ms: at(50),
            p95_ms: at(95),
            p99_ms: at(99),
            max_ms: at(100),
        }
    }
}

/// The smallest of the sorted `times` that `percent` of 100 are not above. None of none.
#[must_use]
pub fn percentile(sorted: &[Duration], percent: usize) -> Option<Duration> {
    let rank = (sorted.len() * percent.min(100)).div_ceil(100);
    sorted.get(rank.max(1) - 1).copied()
}

/// A time as milliseconds with its fraction.
#[must_use]
pub fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

/// The middle value; the lower of the two middle ones when their number is even. None of none.
#[must_use]
pub fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len().saturating_sub(1) / 2).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn times(range: impl Iterator<Item = u64>) -> Vec<Duration> {
        range.map(Duration::from_millis).collect()
    }

    #[test]
    fn percentiles_of_a_hundred_are_their_ranks() {
        let spread = Spread::of(&mut times((1..=100).rev()));
        assert_eq!(spread.count, 100);
        assert_eq!((spread.p50_ms, spread.p95_ms), (50.0, 95.0));
        assert_eq!((spread.p99_ms, spread.max_ms), (99.0, 100.0));
    }

    #[test]
    fn percentiles_of_few_are_the_longest_not_an_invention() {
        let spread = Spread::of(&mut times([7, 3, 5].into_iter()));
        assert_eq!((spread.p50_ms, spread.p95_ms), (5.0, 7.0));
    }

    #[test]
    fn nothing_measured_gives_zero_count() {
        assert_eq!(Spread::of(&mut []), Spread::default());
        assert_eq!(percentile(&[], 50), None);
        assert_eq!(median(&[]), None);
    }

    #[test]
    fn median_is_a_value_that_occurred() {
        assert_eq!(median(&[9.0, 1.0, 5.0]), Some(5.0));
        assert_eq!(median(&[4.0, 2.0, 8.0, 6.0]), Some(4.0));
        assert_eq!(median(&[3.0]), Some(3.0));
    }
}
