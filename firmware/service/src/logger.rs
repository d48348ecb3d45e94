// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Log lines on standard error: one fixed sentence and its facts, one line each. The init system
//! collects them. No document, user or card in clear ever gets here, and no address of a database.

use std::fmt::Write as _;
use std::io::Write as _;

use log::kv::{Key, Value, VisitSource};
use log::{LevelFilter, Log, Metadata, Record};

struct StderrLogger;

struct Facts(String);

impl<'kvs> VisitSource<'kvs> for Facts {
    fn visit_pair(&mut self, key: Key<'kvs>, value: Value<'kvs>) -> Result<(), log::kv::Error> {
        let value = value.to_string();
        if value.contains([' ', '"', '\n']) {
            write!(self.0, " {key}={value:?}")?;
        } else {
            write!(self.0, " {key}={value}")?;
        }
        Ok(())
    }
}

impl Log for StderrLogger {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("platen") || metadata.level() <= log::Level::Warn
    }

    fn log(&self, record: &Record<'_>) {
        if !self.enabled(record.metadata()) {
            return;
        }
        let mut facts = Facts(String::new());
        // A fact that can't be written is left out: the sentence still stands.
        let _ = record.key_values().visit(&mut facts);
        let level = record.level().as_str().to_ascii_lowercase();
        // Standard error may be closed; there is nowhere left to say so.
        let _ = writeln!(std::io::stderr(), "{level}: {}{}", record.args(), facts.0);
    }

    fn flush(&self) {}
}

/// Starts logging at `level`.
pub fn start(level: LevelFilter) {
    static LOGGER: StderrLogger = StderrLogger;
    if log::set_logger(&LOGGER).is_ok() {
        log::set_max_level(level);
    }
}
