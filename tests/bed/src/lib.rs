// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The test bed: everything around the box that a test or `make run` needs, as real programs.
//!
//! - [`virtual_printer`]: the printer at the other end of the wire (binary
//!   `platen-virtual-printer`), [`printer`] starts and scripts it;
//! - [`daemon`]: `platend` and `platenctl` in a folder of their own;
//! - [`central`]: `platen-central` and its command line; [`proxy`]: a bad line to it;
//! - [`cups`]: a private `cupsd` with its client programs; [`ipptool`]: the IPP suites, counted;
//! - [`postgres`]: a private PostgreSQL;
//! - [`netns`]: a network of its own with D-Bus and Avahi, for what is found by name;
//! - [`qemu`]: guests with a real kernel's device files, and the box's own programs in them;
//! - [`browser`]: a real Chromium for the web pages;
//! - [`documents`] and [`raster`]: sample documents made here, without external tools.
//!
//! Traffic stays on loopback or in such a network. Nothing here is part of the firmware.

pub mod browser;
pub mod central;
pub mod cups;
pub mod daemon;
pub mod documents;
pub mod ipptool;
pub mod netns;
pub mod postgres;
pub mod printer;
pub mod process;
pub mod proxy;
pub mod qemu;
pub mod raster;
pub mod sender;
pub mod signals;
pub mod virtual_printer;
pub mod wait;

pub use process::{BedError, Program};
