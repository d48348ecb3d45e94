// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Updates of the box's image: what the installing side says of itself ([`record`]), and when the box may
//! start anew ([`moment`]).

mod moment;
mod record;

pub use moment::{Moment, NotYet, QUIET, Wish, may_restart};
pub use record::{RECORD_BYTES_MAX, Record, RecordError, read_record};
