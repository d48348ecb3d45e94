// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Refusals, and the one table that turns the box's errors into IPP status codes (RFC 8011
//! appendix B). The status message tells the person what to do.

use platen_net::BodyError;
use platen_spool::SpoolError;
use platen_wire::ipp::{
    Attribute, DecodeError, Fault, GroupTag, Header, Message, Status, Text, Value,
};

use crate::node::CancelError;

/// Longest `status-message` (RFC 8011 §4.1.6.2).
const MESSAGE_OCTETS: usize = 255;

/// Why an operation is refused.
#[derive(Debug)]
pub(super) struct Refusal {
    status: Status,
    message: String,
    unsupported: Vec<Attribute>,
}

impl Refusal {
    pub(super) fn new(status: Status, message: impl Into<String>) -> Self {
        Self {
            status,
            message: message.into(),
            unsupported: Vec::new(),
        }
    }

    /// Names the attributes that are to blame.
    pub(super) fn with_unsupported(mut self, attributes: Vec<Attribute>) -> Self {
        self.unsupported = attributes;
        self
    }

    pub(super) fn no_job() -> Self {
        Self::new(Status::NOT_FOUND, "There is no such job here.")
    }

    pub(super) fn format(format: &str) -> Self {
        let attribute =
            Attribute::with_values("document-format", [Value::MimeMediaType(format.to_owned())]);
        let message = "The printer does not take this document format.";
        Self::new(Status::DOCUMENT_FORMAT_NOT_SUPPORTED, message).with_unsupported(vec![attribute])
    }

    /// The answer to a request with this header.
    pub(super) fn message(self, header: Option<Header>) -> Message {
        let mut message = Message::reply_to(header, self.status);
        let text = Text::clipped(&self.message, MESSAGE_OCTETS);
        message
            .group_mut(GroupTag::OPERATION)
            .push(Attribute::text("status-message", text));
        for attribute in self.unsupported {
            message.group_mut(GroupTag::UNSUPPORTED).push(attribute);
        }
        message
    }
}

impl From<Fault> for Refusal {
    fn from(fault: Fault) -> Self {
        Self::new(fault.status(), fault.to_string())
    }
}

impl From<&DecodeError> for Refusal {
    fn from(error: &DecodeError) -> Self {
        error.fault.into()
    }
}

impl From<SpoolError> for Refusal {
    fn from(error: SpoolError) -> Self {
        match error {
            SpoolError::Full => Self::new(
                Status::TEMPORARY_ERROR,
                "The box's disk is full. Print again when waiting jobs have been collected.",
            ),
            SpoolError::TooLarge { .. } => Self::new(
                Status::REQUEST_ENTITY_TOO_LARGE,
                "The document is larger than this box takes.",
            ),
            SpoolError::TicketTooLarge { .. } => Self::new(
                Status::REQUEST_ENTITY_TOO_LARGE,
                "The job's name and options are longer than this box takes.",
            ),
            SpoolError::NotFound(_) => Self::no_job(),
            SpoolError::NoBody(_) | SpoolError::NotNow(_) => {
                Self::new(Status::NOT_POSSIBLE, "The job's state does not allow this.")
            }
            SpoolError::HasBody(_) => Self::new(
                Status::MULTIPLE_DOCUMENT_JOBS_NOT_SUPPORTED,
                "A job has one document here. Send the next one as a job of its own.",
            ),
            SpoolError::Closed => {
                Self::new(Status::SERVICE_UNAVAILABLE, "The box is shutting down.")
            }
            error => {
                log::error!(err:% = platen_model::Chain(&error); "spool failed");
                Self::new(Status::INTERNAL_ERROR, "The box could not store the job.")
            }
        }
    }
}

impl From<BodyError> for Refusal {
    fn from(error: BodyError) -> Self {
        match error {
            BodyError::TooLarge { .. } => Self::new(
                Status::REQUEST_ENTITY_TOO_LARGE,
                "The document is larger than this box takes.",
            ),
            BodyError::TooSlow { .. } => {
                Self::new(Status::TIMEOUT, "The document came too slowly.")
            }
            _ => Self::new(Status::BAD_REQUEST, "The request ended early."),
        }
    }
}

impl From<CancelError> for Refusal {
    fn from(error: CancelError) -> Self {
        match error {
            CancelError::NotFound => Self::no_job(),
            CancelError::Ended => Self::new(Status::NOT_POSSIBLE, "The job has ended already."),
            CancelError::Failed(error) => error.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_body_error_has_its_status() {
        let rows = [
            (
                BodyError::TooLarge { limit: 1 },
                Status::REQUEST_ENTITY_TOO_LARGE,
            ),
            (
                BodyError::TooSlow {
                    received: 1,
                    waited_s: 1,
                },
                Status::TIMEOUT,
            ),
            (BodyError::Broken { received: 1 }, Status::BAD_REQUEST),
        ];
        for (error, status) in rows {
            assert_eq!(Refusal::from(error).status, status);
        }
    }

    #[test]
    fn a_refused_format_is_named_in_the_unsupported_group() {
        let message = Refusal::format("application/msword").message(None);
        let named = message
            .first(GroupTag::UNSUPPORTED, "document-format")
            .unwrap();
        assert_eq!(named.as_mime_media_type(), Some("application/msword"));
    }
}
