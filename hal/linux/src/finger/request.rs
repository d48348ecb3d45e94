// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What others ask of a sensor's thread, and what they hear. `Debug` shows no template.

use std::fmt;

use platen_hal::{EnrolStep, FingerLight, FingerLook, ReaderError};

/// What a sensor's thread is asked for.
#[derive(Clone, Eq, PartialEq)]
#[non_exhaustive]
pub enum FingerRequest {
    /// Enrol a finger into this slot: [`FingerReply::Step`] for each new step, the last one
    /// [`EnrolStep::Stored`].
    Enrol {
        /// The slot.
        slot: u16,
    },
    /// Wait for a finger, and tell whether it is the one of this slot: [`FingerReply::Look`].
    Verify {
        /// The slot.
        slot: u16,
    },
    /// The slots that are used: [`FingerReply::Slots`].
    Slots,
    /// Empty a slot: [`FingerReply::Done`].
    Delete {
        /// The slot.
        slot: u16,
    },
    /// Empty all slots: [`FingerReply::Done`].
    DeleteAll,
    /// A slot's template: [`FingerReply::Template`].
    Template {
        /// The slot.
        slot: u16,
    },
    /// Write a template over what is in a slot: [`FingerReply::Done`].
    PutTemplate {
        /// The slot.
        slot: u16,
        /// The template.
        template: Vec<u8>,
    },
    /// Show something with the sensor's light, until the next touch: [`FingerReply::Done`].
    Light(FingerLight),
}

impl fmt::Debug for FingerRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Enrol { slot } => write!(f, "Enrol({slot})"),
            Self::Verify { slot } => write!(f, "Verify({slot})"),
            Self::Slots => f.write_str("Slots"),
            Self::Delete { slot } => write!(f, "Delete({slot})"),
            Self::DeleteAll => f.write_str("DeleteAll"),
            Self::Template { slot } => write!(f, "Template({slot})"),
            Self::PutTemplate { slot, template } => {
                write!(f, "PutTemplate({slot}, {} bytes)", template.len())
            }
            Self::Light(light) => write!(f, "Light({light:?})"),
        }
    }
}

/// What the one who asked hears. All but a step end the request, and so does
/// [`EnrolStep::Stored`].
#[derive(Clone, Eq, PartialEq)]
#[non_exhaustive]
pub enum FingerReply {
    /// A new step of the enrolment.
    Step(EnrolStep),
    /// Whether the finger was the right one: [`FingerLook::Known`] or [`FingerLook::Unknown`].
    Look(FingerLook),
    /// The slots that are used, in rising order.
    Slots(Vec<u16>),
    /// A template.
    Template(Vec<u8>),
    /// It was done.
    Done,
    /// It was not done.
    Failed(ReaderError),
}

impl FingerReply {
    /// Whether the request has ended with this.
    #[must_use]
    pub fn is_last(&self) -> bool {
        !matches!(self, Self::Step(step) if *step != EnrolStep::Stored)
    }
}

impl fmt::Debug for FingerReply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Step(step) => write!(f, "Step({step:?})"),
            Self::Look(look) => write!(f, "Look({look:?})"),
            Self::Slots(slots) => write!(f, "Slots({slots:?})"),
            Self::Template(template) => write!(f, "Template({} bytes)", template.len()),
            Self::Done => f.write_str("Done"),
            Self::Failed(error) => write!(f, "Failed({error:?})"),
        }
    }
}

/// Takes a reply, or tells that nobody does.
pub(super) type Replies = Box<dyn FnMut(FingerReply) -> bool + Send>;

/// A request, and the way back.
pub(super) struct Job {
    pub(super) request: FingerRequest,
    replies: Replies,
}

impl Job {
    pub(super) fn new(request: FingerRequest, replies: Replies) -> Self {
        Self { request, replies }
    }

    /// `false` when nobody listens any more.
    pub(super) fn reply(&mut self, reply: FingerReply) -> bool {
        (self.replies)(reply)
    }
}

impl fmt::Debug for Job {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.request.fmt(f)
    }
}
