// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Tests of the whole. `layers` and `tidy` look at the tree, `e2e` runs the real programs with real
//! clients. The bed they stand on is `platen-bed`.
