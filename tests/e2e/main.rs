// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The whole box with real programs around it: real clients, the production daemon with its real
//! driver on a simulated chip, and a printer that is a program of its own.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod box_under_test;
mod clients;
mod confirmed;
mod conformance;
mod crash;
mod devices;
mod disk_full;
mod formats;
mod hostile;
mod identity_e2e;
mod main_job;
mod parts;
mod printers;
mod quota;
mod rollout;
mod secrets;
mod start;
mod sync;
mod sync_site;
mod trouble;
mod update;
mod web;
mod web_office;
mod web_safe;
