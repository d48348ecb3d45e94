// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The rules that every request must keep, whatever its operation (RFC 8011 §4.1): version, request
//! id, charset first, language second, then the target. Whether the operation itself is supported,
//! and whether the target exists, is for the server to say.

use std::collections::HashSet;

use super::attribute::{Attribute, Group};
use super::fault::Fault;
use super::message::Message;
use super::tag::GroupTag;

/// What an operation is to work on (RFC 8011 §4.1.5).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Target<'a> {
    /// The printer, or the system, with this URI.
    Printer(&'a str),
    /// The job with this URI.
    Job(&'a str),
    /// The job with this id at the printer with this URI.
    JobOf {
        /// `printer-uri`
        printer: &'a str,
        /// `job-id`
        id: i32,
    },
}

/// Checks a decoded request and gives its target. Faults are found in the order in which RFC 8011
/// wants them answered; a value fault of the decoder comes after those of version, request id,
/// charset and language.
///
/// The target is looked for in all of the operation group, not only in the third place: clients
/// put `requesting-user-name` before it.
///
/// # Errors
/// The first rule broken; [`Fault::status`] is the answer.
pub fn check(request: &Message) -> Result<Target<'_>, Fault> {
    let version = request.header.version;
    if !matches!(version.major, 1 | 2) {
        return Err(Fault::VersionNotSupported { version });
    }
    if !(1..=0x7fff_ffff).contains(&request.header.request_id) {
        return Err(Fault::RequestId);
    }
    let operation = operation_group(request)?;
    charset_and_language(operation)?;
    if let Some(value) = request.faults.first() {
        return Err(value.fault);
    }
    if request.groups.iter().any(has_doubles) {
        return Err(Fault::Doubled);
    }
    target(request, operation).ok_or(Fault::TargetMissing)
}

/// The operation attributes: the first group, and the only one of its kind.
fn operation_group(request: &Message) -> Result<&Group, Fault> {
    match request.groups.as_slice() {
        [first, others @ ..]
            if first.tag == GroupTag::OPERATION
                && others.iter().all(|group| group.tag != GroupTag::OPERATION) =>
        {
            Ok(first)
        }
        _ => Err(Fault::OperationGroup),
    }
}

fn charset_and_language(operation: &Group) -> Result<(), Fault> {
    let mut attributes = operation.attributes.iter();
    let charset = attributes
        .next()
        .filter(|attribute| attribute.name == "attributes-charset")
        .and_then(Attribute::as_charset)
        .ok_or(Fault::CharsetNotFirst)?;
    attributes
        .next()
        .filter(|attribute| attribute.name == "attributes-natural-language")
        .and_then(Attribute::as_natural_language)
        .ok_or(Fault::LanguageNotSecond)?;
    let supported =
        charset.eq_ignore_ascii_case("utf-8") || charset.eq_ignore_ascii_case("us-ascii");
    if supported {
        Ok(())
    } else {
        Err(Fault::CharsetNotSupported)
    }
}

fn has_doubles(group: &Group) -> bool {
    let mut seen = HashSet::with_capacity(group.attributes.len());
    !group
        .attributes
        .iter()
        .all(|attribute| seen.insert(attribute.name.as_str()))
}

fn target<'a>(request: &Message, operation: &'a Group) -> Option<Target<'a>> {
    let uri = |name| operation.get(name).and_then(Attribute::as_uri);
    let printer = uri("printer-uri").or_else(|| uri("system-uri"));
    if !request.operation().targets_job() {
        return printer.map(Target::Printer);
    }
    match (
        printer,
        operation.get("job-id").and_then(Attribute::as_integer),
    ) {
        (Some(printer), Some(id)) => Some(Target::JobOf { printer, id }),
        _ => uri("job-uri").map(Target::Job),
    }
}
