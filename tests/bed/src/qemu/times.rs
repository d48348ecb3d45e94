// SPDX-License-Identifier: Apache-2.0 OR MIT
//! How long the start of an image took, by the guest's clock.

use std::fmt;
use std::time::Duration;

use super::Guest;
use crate::process::BedError;

/// When the start of an image got how far, since its kernel began.
#[derive(Clone, Copy, Debug)]
pub struct StartTimes {
    /// systemd was started.
    pub init: Duration,
    /// The daemon was started.
    pub daemon: Duration,
    /// The daemon said that clients can print.
    pub ready: Duration,
}

impl StartTimes {
    /// From the start of systemd until clients can print.
    #[must_use]
    pub fn until_ready(&self) -> Duration {
        self.ready.saturating_sub(self.init)
    }
}

impl fmt::Display for StartTimes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "ready {:.2} s after init began, {:.2} s of it the daemon",
            self.until_ready().as_secs_f64(),
            self.ready.saturating_sub(self.daemon).as_secs_f64()
        )
    }
}

/// Port 631 with nobody at its other end, among the addresses that the kernel lists.
const IPP_LISTENS: &str = ":0277 00000000";

impl Guest {
    /// Waits until the daemon of an image has told systemd that clients can print.
    ///
    /// # Errors
    /// [`BedError::Answer`] when it does not within `limit`.
    pub fn await_ready(&mut self, limit: Duration) -> Result<(), BedError> {
        // To ask systemd takes its time from the start that is waited for: first, what is listened on.
        let listens = ["/bin/cat", "/proc/net/tcp", "/proc/net/tcp6"];
        self.wait_for(&listens, IPP_LISTENS, limit)?;
        let ready = ["/bin/systemctl", "show", "-P", "ActiveState", "platend"];
        self.wait_for(&ready, "active\n", limit).map(drop)
    }

    /// Asks systemd how the start went. The daemon must have said that it is ready.
    ///
    /// # Errors
    /// [`BedError::Answer`] for an answer without the times.
    pub fn start_times(&mut self) -> Result<StartTimes, BedError> {
        let property = |name| format!("--property={name}TimestampMonotonic");
        let show = ["/bin/systemctl", "show"];
        let init = self.output(&[&show[..], &[&property("Userspace")]].concat())?;
        let daemon = self.output(
            &[
                &show[..],
                &[
                    &property("ExecMainStart"),
                    &property("ActiveEnter"),
                    "platend.service",
                ],
            ]
            .concat(),
        )?;
        Ok(StartTimes {
            init: time_in(&init, "Userspace")?,
            daemon: time_in(&daemon, "ExecMainStart")?,
            ready: time_in(&daemon, "ActiveEnter")?,
        })
    }
}

/// A line `NAMETimestampMonotonic=MICROSECONDS`; 0 is for what has not happened.
fn time_in(text: &str, name: &str) -> Result<Duration, BedError> {
    let micros = text.lines().find_map(|line| {
        let value = line
            .strip_prefix(name)?
            .strip_prefix("TimestampMonotonic=")?;
        value.parse::<u64>().ok().filter(|micros| *micros > 0)
    });
    let missing = || BedError::Answer {
        from: format!("systemd, asked for {name},"),
        answer: text.to_owned(),
    };
    micros.map(Duration::from_micros).ok_or_else(missing)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_and_what_has_not_happened_is_none() {
        let text = "ExecMainStartTimestampMonotonic=2500000\nActiveEnterTimestampMonotonic=0\n";
        assert_eq!(
            time_in(text, "ExecMainStart").unwrap(),
            Duration::from_millis(2500)
        );
        assert!(time_in(text, "ActiveEnter").is_err());
    }
}
