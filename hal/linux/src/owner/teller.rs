// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What the sink of events has been told, and what it still has to be.

use platen_hal::{CardUid, DeviceEvent, Key, Proof};

/// Tells a sink that may refuse.
pub(crate) struct Teller<E> {
    name: String,
    events: E,
    running: bool,
    cause: String,
    /// Whether the state last accepted by the sink was "running".
    told: Option<bool>,
    open: Option<bool>,
    /// Whether the case was open as last accepted.
    told_open: Option<bool>,
}

impl<E: FnMut(DeviceEvent) -> bool> Teller<E> {
    pub(crate) fn new(name: &str, events: E) -> Self {
        Self {
            name: name.to_owned(),
            events,
            running: false,
            cause: String::new(),
            told: None,
            open: None,
            told_open: None,
        }
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// The reader, or sensor, answers.
    pub(crate) fn back(&mut self) {
        self.running = true;
        self.offer();
    }

    /// It does not answer.
    pub(crate) fn gone(&mut self, cause: &str) {
        self.running = false;
        cause.clone_into(&mut self.cause);
        self.offer();
    }

    /// Whether the reader's case is open; it is taken for closed before the first time.
    pub(crate) fn case(&mut self, open: Option<bool>) {
        self.open = open.or(self.open);
        self.offer();
    }

    /// Offers the reader's state until it is taken.
    pub(crate) fn offer(&mut self) {
        if self.told != Some(self.running) {
            let reader = self.name.clone();
            let event = if self.running {
                DeviceEvent::ReaderBack { reader }
            } else {
                let cause = self.cause.clone();
                DeviceEvent::ReaderGone { reader, cause }
            };
            if (self.events)(event) {
                self.told = Some(self.running);
            }
        }
        let open = self.open.unwrap_or(false);
        if self.told_open.unwrap_or(false) != open {
            let switch = self.name.clone();
            if (self.events)(DeviceEvent::SwitchChanged { switch, open }) {
                self.told_open = Some(open);
            }
        }
    }

    /// `false` when nobody takes it.
    pub(crate) fn tap(&mut self, uid: CardUid, proof: Proof) -> bool {
        let reader = self.name.clone();
        (self.events)(DeviceEvent::CardPresented { reader, uid, proof })
    }

    /// `false` when nobody takes it.
    pub(crate) fn finger(&mut self, slot: Option<u16>) -> bool {
        let sensor = self.name.clone();
        (self.events)(DeviceEvent::FingerPresented { sensor, slot })
    }

    /// `false` when nobody takes it.
    pub(crate) fn key(&mut self, key: Key) -> bool {
        let pad = self.name.clone();
        (self.events)(DeviceEvent::KeyPressed { pad, key })
    }
}
