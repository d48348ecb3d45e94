// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Traits and events between the hardware and the daemon.
//!
//! A part is driven by one thread, the owner of its bus; everything here therefore blocks, with a
//! limit on every wait. Card numbers exist in clear only between a driver and the daemon's door
//! (`node/devices`), which turns them into keyed hashes.

pub mod card;
pub mod finger;
pub mod panel;
pub mod pipe;
pub mod port;
pub mod trace;

pub use card::{CardReader, CardUid, DeviceEvent, Proof, ReaderError};
pub use finger::{EnrolStep, FingerLight, FingerLook, FingerprintSensor, SensorFacts};
pub use panel::{Indicator, Key, PanelSignal};
pub use pipe::{BytePipe, PipeSource};
pub use port::{
    Confirmation, PortError, PortReport, PortSession, PortStatus, PrinterPort, Sending,
};
pub use trace::{ReaderCounters, ReaderTrace, TraceEntry, TraceEvent};
