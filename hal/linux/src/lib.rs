// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Opens real buses, lines and printer devices by the board file, and owns the threads that drive
//! them. The only crate that touches device files.

pub mod board;
pub mod bus;
pub mod device;
pub mod finger;
mod i2c_ioctl;
pub mod keypad;
pub mod lines;
mod owner;
pub mod panel;
pub mod port;
#[cfg(feature = "rpi")]
pub mod rpi;
pub mod serial;
pub mod switches;
pub mod wedge;
pub mod wiegand;

pub use board::{Backend, Board, BoardError, LinePart, PanelPart, ReaderPart};
pub use bus::{BusHandle, BusState};
pub use device::{DeviceSecrets, open_fingerprint, open_lights, open_reader};
pub use finger::{FingerHandle, FingerReply, FingerRequest, FingerState};
pub use keypad::KeypadHandle;
pub use lines::{EdgeLines, InputLine, LineError, OutputLine};
pub use panel::PanelHandle;
pub use port::{FilePort, IppUsbSource, PortUriError, UsbPort};
pub use serial::SerialPort;
pub use switches::SwitchesHandle;
pub use wedge::WedgeReader;
pub use wiegand::WiegandReader;
