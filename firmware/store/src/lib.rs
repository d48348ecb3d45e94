// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Durable state: sealed files, the sled tables, and the disk behind them.

pub mod disk;

pub use disk::{Disk, DiskFile, DiskRead};
