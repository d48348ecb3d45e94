// SPDX-License-Identifier: Apache-2.0 OR MIT
//! From a board file's parts to drivers on real buses and lines: spidev, i2c-dev, serial ports, the
//! GPIO character device, and a Raspberry Pi's own peripherals. Opening touches buses and lines; a
//! chip itself is not spoken to before its driver's `start`.
//!
//! Simulated parts are the daemon's: opening one here is an error.

mod advice;
mod fingerprint;
mod key_file;
mod panel;
mod probe;
mod reader;
mod secrets;
mod wire;

pub use self::fingerprint::open_fingerprint;
pub use self::key_file::{KEY_FILE_MAX_BYTES, KeyFile, KeyFileError};
pub use self::panel::{BoardLights, open_lights};
pub use self::probe::{Finding, PROBE_LIMIT, probe};
pub use self::reader::open_reader;
pub use self::secrets::{DeviceSecrets, kernel_random};
pub use self::wire::OutputWire;
