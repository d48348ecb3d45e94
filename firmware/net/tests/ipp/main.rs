// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The IPP port: jobs at printers good and bad, trust in certificates.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod jobs;
mod pipe;
mod scripted;
mod tls;
