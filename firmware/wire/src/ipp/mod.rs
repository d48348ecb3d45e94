// SPDX-License-Identifier: Apache-2.0 OR MIT
//! IPP messages: a strict codec for RFC 8010, with limits, and the names of RFC 8011.
//!
//! A server feeds the start of an HTTP body into a [`Decoder`] until it says
//! [`Progress::Done`]; what follows in the body is document data. Then [`check()`] holds the rules
//! that every request must keep, and names its target. The answer is a [`Message::reply`] that
//! gets groups of [`Attribute`]s and is [`Message::encode`]d.
//!
//! ```
//! use platen_wire::ipp::{check, Attribute, Decoder, GroupTag, Limits, Message, Operation};
//! use platen_wire::ipp::{Progress, Status};
//!
//! let mut question = Message::request(Operation::GET_PRINTER_ATTRIBUTES, 7);
//! question.group_mut(GroupTag::OPERATION).push(Attribute::uri("printer-uri", "ipp://box/ipp/print"));
//! let mut body = question.encode()?;
//! body.extend_from_slice(b"document data");
//!
//! let mut decoder = Decoder::new(Limits::REQUEST);
//! let Progress::Done { message, consumed } = decoder.push(&body)? else { panic!("more?") };
//! assert_eq!(&body[consumed..], b"document data");
//! assert!(check(&message).is_ok());
//!
//! let mut answer = Message::reply(&message, Status::OK);
//! answer
//!     .group_mut(GroupTag::PRINTER)
//!     .push(Attribute::keywords("sides-supported", ["one-sided", "two-sided-long-edge"]))
//!     .push(Attribute::range("copies-supported", 1, 999));
//! assert!(answer.encode()?.len() > 100);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod assembly;
mod attribute;
mod build;
mod check;
pub mod client;
mod date;
mod decode;
mod encode;
mod fault;
mod limits;
mod message;
mod operation;
mod status;
mod tag;
mod text;
mod value;

pub use attribute::{Attribute, Collection, Group};
pub use check::{Target, check};
pub use date::DateTime;
pub use decode::{Decoder, Progress, decode};
pub use encode::EncodeError;
pub use fault::{Blame, DecodeError, Fault, ValueFault};
pub use limits::{Limits, SYNTAX_MAX, syntax_max};
pub use message::{Header, Message, Version};
pub use operation::Operation;
pub use status::Status;
pub use tag::{GroupTag, ValueTag};
pub use text::Text;
pub use value::{LocalText, Resolution, ResolutionUnits, Value};
