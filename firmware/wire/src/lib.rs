// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Protocol codecs without I/O: bytes in, meaning out, and back. No sockets, no files, no clock.
//!
//! - [`ipp`]: messages of the Internet Printing Protocol, RFC 8010 and RFC 8011.
//! - [`pjl`]: the little of HP's Printer Job Language that a port needs to ask how a printer is;
//!   [`pjl_report`]: what a printer says of one job.
//! - [`lpr`]: the sending side of the line printer daemon protocol, RFC 1179.
//! - [`snmp`]: messages of the Simple Network Management Protocol; [`printer_mib`]: what printers
//!   tell by it.
//! - [`ieee1284`]: device id strings of USB and parallel printers.
//! - [`form`]: fields, cookies and languages that browsers send.
//!
//! Everything read here comes from outside: each parser has named limits, does work linear in its
//! input and answers an error, never a panic.

#![forbid(unsafe_code)]
#![warn(clippy::indexing_slicing)]

pub mod form;
pub mod ieee1284;
pub mod ipp;
pub mod lpr;
pub mod pjl;
pub mod pjl_job;
pub mod pjl_report;
pub mod printer_mib;
pub mod snmp;
