// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The figures as text for people, beside what they are measured against.

use std::fmt::{self, Display, Formatter};

use super::CentreRun;
use crate::statistics::Spread;

/// T/ACCEM 475-2024 §4.4.1.1: an authentication within 5 s.
const STANDARD_LOGIN_MS: f64 = 5_000.0;
const OWN_CARD_LOGIN_MS: f64 = 1_000.0;
const OWN_OFFLINE_LOGIN_MS: f64 = 50.0;

impl Display for CentreRun {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let (push, snapshot, offline) = (&self.push, &self.snapshot, &self.offline);
        writeln!(
            f,
            "central server on {}, {} people, {} credentials (imported in {:.1} s)",
            self.database, offline.users, offline.credentials, self.import_s
        )?;
        for run in &self.logins {
            let limit = match run.method {
                "card" => OWN_CARD_LOGIN_MS,
                _ => STANDARD_LOGIN_MS,
            };
            writeln!(
                f,
                "{:>5} logins at once by {:<9} {}  {:>7.0}/s  {} wrong  {}",
                run.at_once,
                run.method,
                Shown(&run.answer),
                run.per_second,
                run.wrong,
                against(run.answer.p99_ms, limit)
            )?;
        }
        writeln!(
            f,
            "journal up: {} entries, {:.0}/s, {:.0} bytes each ({:.0} before compression)",
            push.entries, push.per_second, push.bytes_per_entry, push.plain_bytes_per_entry
        )?;
        writeln!(
            f,
            "first copy of the directory: {} objects in {} pages, {:.2} s, on the box's disk",
            snapshot.records, snapshot.pages, snapshot.seconds
        )?;
        writeln!(
            f,
            "login by the box's copy:       card {}  {}",
            Shown(&offline.card),
            against(offline.card.p99_ms, OWN_OFFLINE_LOGIN_MS)
        )?;
        writeln!(f, "  a PIN costs besides:         {}", Shown(&offline.pin))
    }
}

struct Shown<'a>(&'a Spread);

impl Display for Shown<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Spread {
            p50_ms,
            p99_ms,
            max_ms,
            ..
        } = self.0;
        write!(
            f,
            "p50 {p50_ms:>8.2}  p99 {p99_ms:>8.2}  max {max_ms:>8.2} ms"
        )
    }
}

fn against(p99_ms: f64, limit_ms: f64) -> String {
    let kept = if p99_ms <= limit_ms { "met" } else { "MISSED" };
    format!("(p99 ≤ {limit_ms:.0} ms: {kept})")
}
