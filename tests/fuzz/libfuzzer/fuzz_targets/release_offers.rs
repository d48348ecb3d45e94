// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `platen_fuzz::release_offers` under libFuzzer.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| platen_fuzz::release_offers(data));
