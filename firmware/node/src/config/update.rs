// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `[update]`: where updates of the image are, and when the box may start anew for one.

use std::path::PathBuf;

use platen_model::Window;
use platen_model::release::ALL_DAYS;
use serde::Deserialize;

use super::Config;

/// `[update]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct UpdateConfig {
    /// Folder of bundles and of what became of them; without it the box takes no updates.
    pub(crate) folder: PathBuf,
    /// Folder of orders to the side that installs.
    pub(crate) orders: PathBuf,
    /// What the image says of itself: `NAME=value` lines.
    pub(crate) release: PathBuf,
    /// Times of day at which the box may start anew for an update, such as `02:00-05:00`; without it
    /// at any time at which nobody uses it.
    pub(crate) window: Option<String>,
}

impl Default for UpdateConfig {
    fn default() -> Self {
        Self {
            folder: "/data/update".into(),
            orders: "/run/platen/orders".into(),
            release: "/etc/platen-release".into(),
            window: None,
        }
    }
}

impl Config {
    /// When the box may start anew for an update; at any time without one.
    pub(crate) fn update_window(&self) -> Option<Window> {
        let text = self.update.window.as_ref()?;
        times(text, self.rules.utc_offset_minutes)
    }
}

/// `02:00-05:00`, every day.
fn times(text: &str, utc_offset_minutes: i16) -> Option<Window> {
    let minute = |text: &str| {
        let (hours, minutes) = text.trim().split_once(':')?;
        let digits = |word: &str| word.len() == 2 && word.bytes().all(|b| b.is_ascii_digit());
        let plain = digits(hours) && digits(minutes);
        let (hours, minutes): (u16, u16) = (hours.parse().ok()?, minutes.parse().ok()?);
        (plain && hours < 24 && minutes < 60).then_some(hours * 60 + minutes)
    };
    let (from, to) = text.split_once('-')?;
    let window = Window {
        from_minute: minute(from)?,
        to_minute: minute(to)?,
        days: ALL_DAYS,
        utc_offset_minutes,
    };
    window.is_right().then_some(window)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_is_two_times_of_day_where_the_box_stands() {
        let window = times("22:30-05:00", 480).unwrap();
        assert_eq!((window.from_minute, window.to_minute), (22 * 60 + 30, 300));
        assert_eq!(window.utc_offset_minutes, 480);
        for wrong in [
            "",
            "2-5",
            "24:00-05:00",
            "02:00",
            "02:60-03:00",
            "+2:00-05:00",
        ] {
            assert!(times(wrong, 0).is_none(), "{wrong}");
        }
    }
}
