// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Page description languages: detect and count.
//!
//! [`detect`] names the language of a document from its first bytes; [`count`] says how many
//! pages, impressions and sheets it makes, for PDF, PWG raster, Apple raster and JPEG. Nothing
//! here renders or changes a document. Memory does not grow with the document: it is read by
//! seeking, within [`CountLimits`].
#![warn(clippy::indexing_slicing)]

mod count;
mod jpeg;
mod language;
mod limits;
mod pdf;
mod raster;
mod source;

pub use count::count;
pub use language::{HEAD_BYTES, Language, detect};
pub use limits::CountLimits;
