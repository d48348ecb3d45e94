// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The test bed's guest: what runs in it beside the box's own programs, and how the bed speaks with
//! it. Nothing here is part of the firmware; docs/testbed.md says how it all fits together.
//!
//! - [`init`] is process 1: mounts, modules, lines, parts; then it serves the [`agent`];
//! - [`initrd`] is process 1 of a guest that starts the box's image, until that takes over;
//! - [`protocol`] is what bed and agent say to each other;
//! - [`chip`] is a card reader chip behind `/dev/spidev0.0`: [`cuse`] speaks the kernel's protocol,
//!   [`spidev`] answers as the kernel's own driver would;
//! - [`printer`] is a printer behind the kernel's USB stack, on a [`gadget`];
//! - [`lines`] is a Wiegand reader at two simulated lines;
//! - [`control`] is the socket by which such a part is told what to do.

pub mod agent;
pub mod chip;
pub mod clock;
pub mod control;
pub mod cuse;
pub mod gadget;
pub mod init;
pub mod initrd;
mod ippusb;
pub mod lines;
pub mod printer;
pub mod protocol;
pub mod spidev;
