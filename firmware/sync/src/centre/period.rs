// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The numbers of a quota's periods, by the centre's calendar (proleptic Gregorian, UTC). A number
//! only counts up, so a box needs no date to tell which of two leases is the later one.

use platen_model::Period;

const DAY_MS: u64 = 86_400_000;

/// The number of the period in which a moment (wall milliseconds since 1970) lies.
///
/// | period | number |
/// |---|---|
/// | once | 0 |
/// | day | days since 1970-01-01 |
/// | week | weeks since Monday 1969-12-29 |
/// | month | 12 × year + month − 1 |
/// | year | year |
#[must_use]
pub fn number(period: Period, unix_ms: u64) -> u32 {
    let days = unix_ms / DAY_MS;
    let number = match period {
        Period::Once => 0,
        Period::Day => days,
        Period::Week => (days + 3) / 7,
        Period::Month => {
            let (year, month) = year_month(days);
            year * 12 + month - 1
        }
        Period::Year => year_month(days).0,
    };
    u32::try_from(number).unwrap_or(u32::MAX)
}

/// Year and month (1–12) of a day since 1970-01-01. Years are counted from March, so that the leap day
/// is the last; 400 years have 146,097 days.
fn year_month(days: u64) -> (u64, u64) {
    let since_0000_03_01 = days + 719_468;
    let era = since_0000_03_01 / 146_097;
    let day_of_era = since_0000_03_01 % 146_097;
    let leaps = day_of_era / 1_460 + day_of_era / 146_096 - day_of_era / 36_524;
    let year_of_era = (day_of_era - leaps) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let year = year_of_era + era * 400 + u64::from(month_from_march >= 10);
    (year, (month_from_march + 2) % 12 + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: u64 = DAY_MS;

    /// Days of a month, told in another way.
    fn length(year: u64, month: u64) -> u64 {
        let leap = year.is_multiple_of(4) && !year.is_multiple_of(100) || year.is_multiple_of(400);
        match month {
            2 => 28 + u64::from(leap),
            4 | 6 | 9 | 11 => 30,
            _ => 31,
        }
    }

    #[test]
    fn every_day_of_five_centuries_lies_in_its_month_year_and_week() {
        let mut days = 0;
        for year in 1970..2470 {
            for month in 1..=12 {
                for _ in 0..length(year, month) {
                    let at = days * DAY + DAY - 1;
                    assert_eq!(u64::from(number(Period::Year, at)), year);
                    assert_eq!(u64::from(number(Period::Month, at)), year * 12 + month - 1);
                    assert_eq!(u64::from(number(Period::Day, at)), days);
                    // 1970-01-05 was a Monday.
                    let monday = days % 7 == 4;
                    let before = number(Period::Week, at.saturating_sub(DAY));
                    let turned = number(Period::Week, at) != before;
                    assert_eq!(turned, monday && days > 0, "day {days}");
                    days += 1;
                }
            }
        }
        assert_eq!(number(Period::Once, days * DAY), 0);
    }

    #[test]
    fn numbers_end_where_they_can_count_no_further() {
        assert_eq!(number(Period::Day, u64::MAX), u32::MAX);
        assert!(number(Period::Year, u64::MAX) > 500_000_000);
    }
}
