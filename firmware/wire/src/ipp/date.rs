// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `dateTime` values: the eleven octets of `DateAndTime` (RFC 2579 §2), which RFC 8010 §3.9 takes
//! over. Always a possible date; the local offset is kept as it came.

/// A date and time of day with its offset from UTC.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct DateTime([u8; 11]);

impl DateTime {
    /// Reads the eleven octets: year (2, big endian), month, day, hour, minute, second (60 is a
    /// leap second), tenths, `+` or `-`, hours and minutes from UTC. `None` if a field is outside
    /// its range.
    #[must_use]
    pub fn from_octets(octets: [u8; 11]) -> Option<Self> {
        let [
            _,
            _,
            month,
            day,
            hour,
            minute,
            second,
            tenths,
            sign,
            off_hour,
            off_minute,
        ] = octets;
        let possible = (1..=12).contains(&month)
            && (1..=31).contains(&day)
            && hour < 24
            && minute < 60
            && second <= 60
            && tenths < 10
            && matches!(sign, b'+' | b'-')
            && off_hour <= 14
            && off_minute < 60;
        possible.then_some(Self(octets))
    }

    /// The moment `unix_ms` milliseconds after 1970-01-01 in UTC; past the year 65535 that year's
    /// end is given.
    #[must_use]
    pub fn from_unix_ms(unix_ms: u64) -> Self {
        const LAST_MS: u64 = 2_005_949_145_599_999; // 65535-12-31T23:59:59.999Z
        let ms = unix_ms.min(LAST_MS);
        let (year, month, day) = civil(ms / 86_400_000);
        let in_day = ms % 86_400_000;
        let [year_high, year_low] = year.to_be_bytes();
        let octet = |n: u64| u8::try_from(n).unwrap_or(u8::MAX);
        Self([
            year_high,
            year_low,
            octet(month),
            octet(day),
            octet(in_day / 3_600_000),
            octet(in_day / 60_000 % 60),
            octet(in_day / 1000 % 60),
            octet(in_day / 100 % 10),
            b'+',
            0,
            0,
        ])
    }

    /// The eleven octets on the wire.
    #[must_use]
    pub fn octets(self) -> [u8; 11] {
        self.0
    }
}

/// Year, month and day of the proleptic Gregorian calendar, by eras of 400 years that begin in
/// March, so that the leap day comes last.
fn civil(days_since_1970: u64) -> (u16, u64, u64) {
    let days = days_since_1970 + 719_468; // days from 0000-03-01 to 1970-01-01
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
    (u16::try_from(year).unwrap_or(u16::MAX), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_moments_have_their_octets() {
        let octets = |ms| DateTime::from_unix_ms(ms).octets();
        assert_eq!(octets(0), [7, 178, 1, 1, 0, 0, 0, 0, b'+', 0, 0]);
        // 2024-02-29T23:59:59.900Z
        assert_eq!(
            octets(1_709_251_199_900),
            [7, 232, 2, 29, 23, 59, 59, 9, b'+', 0, 0]
        );
        assert_eq!(
            octets(u64::MAX),
            [255, 255, 12, 31, 23, 59, 59, 9, b'+', 0, 0]
        );
    }

    #[test]
    fn impossible_dates_are_refused() {
        let good = DateTime::from_unix_ms(0).octets();
        assert!(DateTime::from_octets(good).is_some());
        for (at, wrong) in [
            (2, 13),
            (3, 0),
            (4, 24),
            (5, 60),
            (6, 61),
            (7, 10),
            (8, b'Z'),
        ] {
            let mut octets = good;
            octets[at] = wrong;
            assert_eq!(DateTime::from_octets(octets), None, "octet {at} = {wrong}");
        }
    }
}
