// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The load generator and the benchmarks: what `platen-load` and `platen-bench` are made of.
//! Nothing here is part of the firmware, and nothing here asserts a time: figures are printed.

pub mod answer;
pub mod bench;
pub mod centre;
pub mod document;
pub mod image;
pub mod ingest;
pub mod measure;
pub mod process;
pub mod reader;
pub mod release;
pub mod request;
pub mod servers;
pub mod sink;
pub mod statistics;
pub mod table;
pub mod verdict;
