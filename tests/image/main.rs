// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The box's image, started in QEMU from its own disk: docs/image.md says what it has of the product and
//! what of Debian. `make image-test` runs these in full number.

mod image_under_test;
mod start;
