// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The box in a guest: the production daemon on a real kernel's spidev, usblp, GPIO, evdev and
//! serial ports, with simulated parts at the other ends. docs/testbed.md.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod arm;
mod box_in_guest;
mod far_end;
mod ipp_over_usb;
mod lines;
mod pc;
mod plugged;
