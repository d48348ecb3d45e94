// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The image's root file system overlay without a guest: its units by systemd's own checks, its rules by
//! nft's, and its scripts run by BusyBox in a folder that stands for the box's root.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod bench;
mod overlay_boot;
mod overlay_data;
mod overlay_first_partition;
mod overlay_health;
mod overlay_install;
mod overlay_places;
mod overlay_scripts;
mod overlay_tree;
mod overlay_units;
