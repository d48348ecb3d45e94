// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Releases of the box's image: what a site offers its boxes, when they may take it, and what a box
//! runs and how far it has come.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::ids::{NodeId, ReleaseId, SiteId};

/// Longest version that is read, bytes.
const VERSION_BYTES_MAX: usize = 64;
const MINUTE_MS: u64 = 60_000;
const DAY_MINUTES: u16 = 24 * 60;
/// Furthest that a place's time is from UTC, minutes.
const UTC_OFFSET_MAX: u16 = 14 * 60;
/// 1970-01-01 was a Thursday; Monday is 0.
const FIRST_WEEKDAY: i64 = 3;
/// Every day of the week.
pub const ALL_DAYS: u8 = 0b111_1111;

/// A version of the image, such as `1.2.3` or `1.3.0-rc.1`, in the order of Semantic Versioning 2.0.0
/// §11: what stands behind the hyphen comes before the same without it.
#[derive(Clone, Debug, Eq, Hash, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ReleaseVersion {
    numbers: [u32; 3],
    /// Empty for none.
    pre: String,
}

/// A text that is no version.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("write a version as in 1.2.3 or 1.3.0-rc.1")]
pub struct NoVersion;

impl FromStr for ReleaseVersion {
    type Err = NoVersion;

    fn from_str(text: &str) -> Result<Self, NoVersion> {
        if text.len() > VERSION_BYTES_MAX {
            return Err(NoVersion);
        }
        let (triple, pre) = match text.split_once('-') {
            Some((triple, pre)) => (triple, Some(pre)),
            None => (text, None),
        };
        let mut words = triple.split('.');
        let mut number = || words.next().and_then(number).ok_or(NoVersion);
        let numbers = [number()?, number()?, number()?];
        let is_pre = |pre: &str| pre.split('.').all(is_word);
        if words.next().is_some() || !pre.is_none_or(is_pre) {
            return Err(NoVersion);
        }
        let pre = pre.unwrap_or_default().to_owned();
        Ok(Self { numbers, pre })
    }
}

/// A number without a sign and without leading zeros.
fn number(word: &str) -> Option<u32> {
    let plain = !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_digit());
    let short = word == "0" || !word.starts_with('0');
    (plain && short).then(|| word.parse().ok()).flatten()
}

fn is_word(word: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    let digits = word.bytes().all(|byte| byte.is_ascii_digit());
    !word.is_empty() && word.bytes().all(fits) && (!digits || number(word).is_some())
}

impl fmt::Display for ReleaseVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [major, minor, patch] = self.numbers;
        write!(f, "{major}.{minor}.{patch}")?;
        if self.pre.is_empty() {
            return Ok(());
        }
        write!(f, "-{}", self.pre)
    }
}

impl TryFrom<String> for ReleaseVersion {
    type Error = NoVersion;

    fn try_from(text: String) -> Result<Self, NoVersion> {
        text.parse()
    }
}

impl From<ReleaseVersion> for String {
    fn from(version: ReleaseVersion) -> Self {
        version.to_string()
    }
}

impl Ord for ReleaseVersion {
    fn cmp(&self, other: &Self) -> Ordering {
        let pre = match (self.pre.is_empty(), other.pre.is_empty()) {
            (false, false) => compare_pre(&self.pre, &other.pre),
            (mine, others) => mine.cmp(&others),
        };
        self.numbers.cmp(&other.numbers).then(pre)
    }
}

impl PartialOrd for ReleaseVersion {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

fn compare_pre(left: &str, right: &str) -> Ordering {
    let word = |word| (number(word).is_none(), number(word), word);
    let (left, right) = (left.split('.').map(word), right.split('.').map(word));
    left.cmp(right)
}

/// A release of the image: one bundle for one kind of board.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct Release {
    /// The stable id.
    pub id: ReleaseId,
    /// Its version.
    pub version: ReleaseVersion,
    /// The boards it is for, such as `platen-raspberrypi4_64`.
    pub compatible: String,
    /// Bytes of the bundle.
    pub size_bytes: u64,
    /// SHA-256 of the bundle.
    #[serde(with = "crate::bytes")]
    pub sha256: [u8; 32],
    /// What is new, for people.
    pub notes: String,
}

/// The time in which boxes may start anew for a release.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct Window {
    /// First minute of the local day, 0 to 1439.
    pub from_minute: u16,
    /// The minute it ends with; up to `from_minute` for one over midnight, which belongs to the day it
    /// begins on. The same minute is the whole day.
    pub to_minute: u16,
    /// Days: bit 0 is Monday, bit 6 is Sunday.
    pub days: u8,
    /// Minutes by which local time is ahead of UTC.
    pub utc_offset_minutes: i16,
}

impl Window {
    /// Whether there is such a time.
    #[must_use]
    pub fn is_right(&self) -> bool {
        let minutes = self.from_minute < DAY_MINUTES && self.to_minute < DAY_MINUTES;
        let days = self.days > 0 && self.days <= ALL_DAYS;
        minutes && days && self.utc_offset_minutes.unsigned_abs() <= UTC_OFFSET_MAX
    }

    /// Whether it is open at a wall time, milliseconds since 1970.
    #[must_use]
    pub fn is_open(&self, unix_ms: u64) -> bool {
        let minutes = i64::try_from(unix_ms / MINUTE_MS).unwrap_or(i64::MAX);
        let local = minutes.saturating_add(i64::from(self.utc_offset_minutes));
        let day = local.div_euclid(i64::from(DAY_MINUTES));
        let minute = local.rem_euclid(i64::from(DAY_MINUTES));
        let (from, to) = (i64::from(self.from_minute), i64::from(self.to_minute));
        match from < to {
            true => self.has_day(day) && (from..to).contains(&minute),
            false => {
                let begun = self.has_day(day) && minute >= from;
                begun || (self.has_day(day.saturating_sub(1)) && minute < to)
            }
        }
    }

    fn has_day(&self, days_since_1970: i64) -> bool {
        let weekday = days_since_1970.saturating_add(FIRST_WEEKDAY).rem_euclid(7);
        self.days & (1 << weekday) != 0
    }
}

/// A release as a site offers it to its boxes.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct Offer {
    /// What is offered.
    pub release: Release,
    /// Counts up each time that it is offered anew: boxes that it failed on try it again then.
    pub turn: u32,
    /// How many boxes of a hundred are to have it; which ones follows from their ids.
    pub share_percent: u8,
    /// When boxes may start anew for it; at any time without one.
    pub window: Option<Window>,
    /// Whether boxes leave it alone for now.
    pub paused: bool,
    /// Whether boxes that run a newer version take it.
    #[serde(default)]
    pub allow_older: bool,
}

/// Everything that a site offers a box, whatever its board.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct Offers {
    /// Whose offers.
    pub site: SiteId,
    /// The box they were made for: another box does not believe them.
    pub node: NodeId,
    /// The directory's generation under which they are made.
    pub generation: u64,
    /// The site's revision at which they changed last.
    pub revision: u64,
    /// The offers.
    pub offers: Vec<Offer>,
}

/// How far a box has come with an update. All but the first two stand so in the root side's state file.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum UpdatePhase {
    /// Nothing goes on.
    #[default]
    Idle,
    /// The bundle comes from the centre.
    Fetching,
    /// The bundle is looked at.
    Checking,
    /// The bundle is written to the other slot.
    Installing,
    /// It is written and starts with the next start.
    Installed,
    /// It runs for the first time.
    Trial,
    /// It runs and is good.
    Good,
    /// It did not run well: the one before runs again.
    FellBack,
    /// The bundle may not be installed here.
    Refused,
    /// The bundle could not be installed.
    Failed,
    /// A phase that this program does not know.
    #[serde(other)]
    Other,
}

impl UpdatePhase {
    /// Whether the update ended and the box does not run it.
    #[must_use]
    pub fn is_failure(self) -> bool {
        matches!(self, Self::FellBack | Self::Refused | Self::Failed)
    }

    /// Whether something is going on.
    #[must_use]
    pub fn is_under_way(self) -> bool {
        use UpdatePhase as Phase;
        let under_way = [Phase::Fetching, Phase::Checking, Phase::Installing];
        under_way.contains(&self) || matches!(self, Self::Installed | Self::Trial)
    }
}

/// What a box runs, and how far it has come with its last update.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
pub struct Running {
    /// Version of its image; of its program, where there is no image.
    pub version: String,
    /// What bundles fit it; none on a box without an image, which takes no updates.
    pub compatible: Option<String>,
    /// The slot it runs from.
    pub slot: Option<String>,
    /// How far its last update has come.
    pub phase: UpdatePhase,
    /// The site's release that the phase is about; none for one that came another way.
    pub release: Option<ReleaseId>,
    /// The [`Offer::turn`] of that release that the box took.
    pub turn: u32,
    /// How much of the phase is done.
    pub percent: u8,
    /// Why, for people; empty for nothing to say.
    pub reason: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(text: &str) -> ReleaseVersion {
        text.parse().unwrap()
    }

    #[test]
    fn versions_stand_in_the_order_of_semantic_versioning() {
        let order = [
            "0.9.12",
            "1.0.0-alpha",
            "1.0.0-alpha.1",
            "1.0.0-alpha.beta",
            "1.0.0-beta",
            "1.0.0-beta.2",
            "1.0.0-beta.11",
            "1.0.0-rc.1",
            "1.0.0",
            "1.0.10",
            "1.2.0",
            "10.0.0",
        ];
        for pair in order.windows(2) {
            assert!(version(pair[0]) < version(pair[1]), "{pair:?}");
        }
        for text in order {
            assert_eq!(version(text).to_string(), text);
            assert_eq!(version(text).cmp(&version(text)), Ordering::Equal);
        }
    }

    #[test]
    fn other_texts_are_no_version() {
        let long = format!("1.2.3-{}", "a".repeat(60));
        for text in [
            "",
            "1",
            "1.2",
            "1.2.3.4",
            "v1.2.3",
            "1.2.x",
            "01.2.3",
            "1.2.3-",
            "1.2.3-a..b",
            "1.2.3-01",
            "1.2.3+b",
            "-1.2.3",
            "1.2.4294967296",
            "1.2.3 ",
            "1.2.3-ä",
            &long,
        ] {
            assert_eq!(text.parse::<ReleaseVersion>(), Err(NoVersion), "{text}");
        }
    }

    #[test]
    fn a_window_over_midnight_belongs_to_the_day_it_begins_on() {
        const HOUR: u64 = 60 * MINUTE_MS;
        // 2026-11-23 is a Monday.
        let monday = "2026-11-23".parse::<crate::UtcDate>().unwrap().unix_ms();
        let night = Window {
            from_minute: 22 * 60,
            to_minute: 5 * 60,
            days: 0b000_0001,
            utc_offset_minutes: 0,
        };
        assert!(night.is_right());
        assert!(!night.is_open(monday + 21 * HOUR));
        assert!(night.is_open(monday + 22 * HOUR));
        assert!(night.is_open(monday + 28 * HOUR));
        assert!(!night.is_open(monday + 29 * HOUR));
        assert!(!night.is_open(monday + 4 * HOUR), "Sunday's night");
        assert!(!night.is_open(monday + 46 * HOUR), "Tuesday's");
        let east = Window {
            utc_offset_minutes: 8 * 60,
            ..night
        };
        assert!(east.is_open(monday + 14 * HOUR));
        assert!(!east.is_open(monday + 13 * HOUR));
    }

    #[test]
    fn a_window_may_be_a_part_of_some_days_or_all_of_them() {
        let monday = "2026-11-23".parse::<crate::UtcDate>().unwrap().unix_ms();
        let mut window = Window {
            from_minute: 60,
            to_minute: 120,
            days: 0b100_0000,
            utc_offset_minutes: -60,
        };
        let sunday_two = monday - 22 * 60 * MINUTE_MS;
        assert!(window.is_open(sunday_two));
        assert!(!window.is_open(sunday_two + 60 * MINUTE_MS));
        window.days = ALL_DAYS;
        window.to_minute = 60;
        assert!((0..8 * 24).all(|hour| window.is_open(monday + hour * 60 * MINUTE_MS)));
        for wrong in [
            Window { days: 0, ..window },
            Window {
                days: 128,
                ..window
            },
            Window {
                from_minute: 1440,
                ..window
            },
            Window {
                utc_offset_minutes: i16::MIN,
                ..window
            },
        ] {
            assert!(!wrong.is_right(), "{wrong:?}");
        }
        assert!(window.is_open(u64::MAX), "no clock is too far off");
    }
}
