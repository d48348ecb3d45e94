// SPDX-License-Identifier: Apache-2.0 OR MIT
//! From wall time to the calendar, in UTC: for certificates, quotas' periods and what people read.

use std::fmt;

const DAY_MS: u64 = 24 * 60 * 60 * 1000;
/// The last year that is told: later wall times are a fault of their clock.
const YEAR_MAX: u16 = 9999;

/// A day of the proleptic Gregorian calendar. Shown as in ISO 8601, such as `2026-11-23`.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct UtcDate {
    /// 1970 to 9999.
    pub year: u16,
    /// 1 to 12.
    pub month: u8,
    /// 1 to 31.
    pub day: u8,
}

impl UtcDate {
    /// The day of a wall time, milliseconds since 1970. By eras of 400 years that begin in March, so
    /// that the leap day comes last.
    #[must_use]
    pub fn of(unix_ms: u64) -> Self {
        let days = unix_ms / DAY_MS + 719_468; // days from 0000-03-01 to 1970-01-01
        let era = days / 146_097;
        let of_era = days % 146_097;
        let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
        let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let from_march = (5 * of_year + 2) / 153;
        let day = of_year - (153 * from_march + 2) / 5 + 1;
        let month = if from_march < 10 {
            from_march + 3
        } else {
            from_march - 9
        };
        let year = era * 400 + year_of_era + u64::from(month <= 2);
        Self {
            year: u16::try_from(year).unwrap_or(YEAR_MAX).min(YEAR_MAX),
            month: u8::try_from(month).unwrap_or(1),
            day: u8::try_from(day).unwrap_or(1),
        }
    }
}

impl fmt::Display for UtcDate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}-{:02}", self.year, self.month, self.day)
    }
}

/// A wall time as people read it, such as `2026-11-23 05:40:19Z`.
#[must_use]
pub fn utc(unix_ms: u64) -> String {
    let second = unix_ms % DAY_MS / 1000;
    let (hour, minute) = (second / 3600, second / 60 % 60);
    let date = UtcDate::of(unix_ms);
    format!("{date} {hour:02}:{minute:02}:{:02}Z", second % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_those_of_the_calendar() {
        for (unix_ms, date) in [
            (0, "1970-01-01"),
            (951_782_400_000, "2000-02-29"),
            (1_709_251_199_900, "2024-02-29"),
            (1_767_225_600_000, "2026-01-01"),
            (2_524_607_999_999, "2049-12-31"),
        ] {
            assert_eq!(UtcDate::of(unix_ms).to_string(), date);
        }
        assert_eq!(UtcDate::of(u64::MAX).year, YEAR_MAX);
        assert_eq!(utc(1_709_251_199_900), "2024-02-29 23:59:59Z");
    }
}
