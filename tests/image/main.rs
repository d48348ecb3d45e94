// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The box's image, started in QEMU from its own disk: docs/image.md says what it has of the product and
//! what of Debian. `make image-test` runs these in full number.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

#[allow(
    dead_code,
    reason = "what a person does at a box in a guest; some of it only without an image"
)]
#[path = "../guests/box_in_guest.rs"]
mod box_in_guest;
mod cuts;
mod documented;
mod image_under_test;
mod keys;
mod network;
mod ssh;
mod start;
mod threats;
mod updates;
