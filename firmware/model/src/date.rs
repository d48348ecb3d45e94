// SPDX-License-Identifier: Apache-2.0 OR MIT
//! From wall time to the calendar, in UTC: for certificates, quotas' periods and what people read.

use std::fmt;
use std::str::FromStr;

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

/// Not a day written as in ISO 8601, such as `2026-11-23`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct NoDate;

impl fmt::Display for NoDate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("write a day of 1970 or later as in 2026-11-23")
    }
}

impl std::error::Error for NoDate {}

impl UtcDate {
    /// Its first millisecond, since 1970.
    #[must_use]
    pub fn unix_ms(self) -> u64 {
        let from_march = (u64::from(self.month) + 9) % 12;
        let years = u64::from(self.year).saturating_sub(u64::from(self.month <= 2));
        let of_year = (153 * from_march + 2) / 5 + u64::from(self.day).saturating_sub(1);
        let days = years * 365 + years / 4 - years / 100 + years / 400 + of_year;
        days.saturating_sub(719_468) * DAY_MS
    }
}

impl FromStr for UtcDate {
    type Err = NoDate;

    fn from_str(text: &str) -> Result<Self, NoDate> {
        let number = |range| {
            let digits: &str = text.get(range).ok_or(NoDate)?;
            let plain = digits.bytes().all(|byte| byte.is_ascii_digit());
            plain
                .then(|| digits.parse::<u16>().ok())
                .flatten()
                .ok_or(NoDate)
        };
        let small = |number| u8::try_from(number).map_err(|_| NoDate);
        let date = Self {
            year: number(0..4)?,
            month: small(number(5..7)?)?,
            day: small(number(8..10)?)?,
        };
        // A day that there is not, such as 30 February, comes back as another one.
        let is_day = date.year >= 1970 && date.day > 0 && Self::of(date.unix_ms()) == date;
        (is_day && date.to_string() == text)
            .then_some(date)
            .ok_or(NoDate)
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
    fn a_day_is_read_as_it_is_written_and_no_other_is_taken() {
        for day in 0..40_000 {
            let date = UtcDate::of(day * DAY_MS + 5);
            assert_eq!(date.unix_ms(), day * DAY_MS);
            assert_eq!(date.to_string().parse(), Ok(date));
        }
        for text in [
            "",
            "2026",
            "2026-11-31",
            "2026-02-29",
            "1969-12-31",
            "2026-00-10",
            "2026-13-01",
            "2026-1-01",
            "+026-01-01",
            "2026-01-01T",
            "２026-01-01",
            "2026/01/01",
            "2026-01-00",
        ] {
            assert_eq!(text.parse::<UtcDate>(), Err(NoDate), "{text}");
        }
    }

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
