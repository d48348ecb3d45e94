// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The pulse of a printer's thread. While the printer takes a job's bytes, or tells of its end, the
//! thread goes at the printer's pace, and that is nobody's fault; everything else that it does has an
//! end, and each end is a beat.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use platen_hal::{PortError, PortReport, PortSession, PortStatus, PrinterPort, Sending};
use platen_service::{Beat, Pulse};

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Pace {
    beat: Beat,
    at_printer: AtomicBool,
}

impl Pace {
    pub(super) fn beat(&self) {
        self.beat.beat();
    }

    pub(crate) fn pulse(&self) -> Pulse {
        match self.at_printer.load(Ordering::Acquire) {
            true => Pulse::Waits,
            false => self.beat.pulse(),
        }
    }

    fn at_printer<T>(&self, work: impl FnOnce() -> T) -> T {
        self.at_printer.store(true, Ordering::Release);
        let done = work();
        self.beat();
        self.at_printer.store(false, Ordering::Release);
        done
    }
}

/// A port whose use is seen in the pulse of the thread that uses it.
pub(super) struct Paced {
    port: Box<dyn PrinterPort>,
    pace: Arc<Pace>,
}

impl Paced {
    pub(super) fn new(port: Box<dyn PrinterPort>, pace: Arc<Pace>) -> Self {
        Self { port, pace }
    }
}

impl PrinterPort for Paced {
    fn uri(&self) -> &str {
        self.port.uri()
    }

    fn status(&mut self) -> PortStatus {
        self.pace.beat();
        self.port.status()
    }

    fn open(&mut self, sending: &Sending) -> Result<Box<dyn PortSession>, PortError> {
        self.pace.beat();
        let session = self.port.open(sending)?;
        let pace = Arc::clone(&self.pace);
        Ok(Box::new(PacedSession { session, pace }))
    }
}

struct PacedSession {
    session: Box<dyn PortSession>,
    pace: Arc<Pace>,
}

impl PortSession for PacedSession {
    fn makes_copies(&self) -> bool {
        self.session.makes_copies()
    }

    fn send(&mut self, bytes: &[u8]) -> Result<(), PortError> {
        self.pace.at_printer(|| self.session.send(bytes))
    }

    fn finish(self: Box<Self>) -> Result<PortReport, PortError> {
        let Self { session, pace } = *self;
        pace.at_printer(|| session.finish())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Slow(Arc<Pace>);

    impl PrinterPort for Slow {
        fn uri(&self) -> &'static str {
            "file:/slow"
        }

        fn status(&mut self) -> PortStatus {
            assert_ne!(self.0.pulse(), Pulse::Waits, "a status has its limit");
            PortStatus::default()
        }

        fn open(&mut self, _: &Sending) -> Result<Box<dyn PortSession>, PortError> {
            Ok(Box::new(Self(Arc::clone(&self.0))))
        }
    }

    impl PortSession for Slow {
        fn send(&mut self, _: &[u8]) -> Result<(), PortError> {
            assert_eq!(self.0.pulse(), Pulse::Waits);
            Err(PortError::Canceled)
        }

        fn finish(self: Box<Self>) -> Result<PortReport, PortError> {
            assert_eq!(self.0.pulse(), Pulse::Waits);
            Ok(PortReport::default())
        }
    }

    #[test]
    fn a_thread_at_a_slow_printer_waits_and_is_not_stuck() {
        let pace = Arc::<Pace>::default();
        let mut port = Paced::new(Box::new(Slow(Arc::clone(&pace))), Arc::clone(&pace));
        let before = pace.pulse();
        port.status();
        assert_ne!(pace.pulse(), before);
        let mut session = port.open(&Sending::default()).unwrap();
        let before = pace.pulse();
        session.send(b"page").unwrap_err();
        assert_ne!(pace.pulse(), before);
        let before = pace.pulse();
        session.finish().unwrap();
        assert_ne!(pace.pulse(), before);
        assert_ne!(pace.pulse(), Pulse::Waits);
    }
}
