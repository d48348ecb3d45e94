// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The load generator and the benchmarks.
