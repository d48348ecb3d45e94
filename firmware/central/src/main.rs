// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The central server of a site.

fn main() {}
