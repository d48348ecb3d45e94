// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Both halves of the protocol between a box and its centre, without I/O.
//!
//! - [`message`]: what they say to each other.
//! - [`codec`]: messages to bytes and back; [`limits`]: how long they may be.
//! - [`signed`]: the directory's signature.
//! - [`release`]: offers of releases of the boxes' image, and their bundles.
//! - [`enrol`]: how a box becomes part of a site by eight letters.
//! - [`card`]: keyed hashes of cards and codes that roam.
//! - [`node`]: the box's half.
//! - [`centre`]: the centre's half.

pub mod card;
pub mod centre;
pub mod codec;
pub mod enrol;
pub mod limits;
pub mod message;
pub mod node;
pub mod release;
pub mod signed;
