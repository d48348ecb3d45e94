// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What printers confirm, and how they say they are: the virtual printer by PJL and SNMP, Debian's
//! own agent, and printers and agents that lie.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod agents;
mod counters;
mod liars;
mod printer;
