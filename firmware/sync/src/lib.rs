// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Both halves of the protocol between a box and its centre, without I/O.
//!
//! - [`message`]: what they say to each other.

pub mod message;
