// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The few IPP requests a measurement needs (RFC 8011 §4.2.1, §4.3.4, §4.3.6) as
//! whole HTTP requests, and what it reads from their answers.

use std::net::{SocketAddr, ToSocketAddrs};

use platen_wire::ipp::{
    Attribute, EncodeError, Group, GroupTag, Header, Limits, Message, Operation, Status, decode,
};
use thiserror::Error;

/// Why a request can't be made.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum RequestError {
    /// The queue isn't named by `ipp://host[:port]/path` or `http://…`.
    #[error("{uri:?} is not ipp://host[:port]/path")]
    NotIpp {
        /// As given.
        uri: String,
    },
    /// The host has no address.
    #[error("no address for {authority}")]
    NoAddress {
        /// Host and port.
        authority: String,
    },
    /// A name is too long for IPP.
    #[error("the request cannot be encoded")]
    Encode(#[from] EncodeError),
}

/// A queue of a server.
#[derive(Clone, Debug)]
pub struct Target {
    /// Where to connect.
    pub address: SocketAddr,
    /// `printer-uri`, always with the scheme `ipp`.
    pub uri: String,
    authority: String,
    path: String,
}

impl Target {
    /// Takes `ipp://host[:port]/path` (port 631 unless given) or the same with `http`.
    ///
    /// # Errors
    /// [`RequestError`] when the text is no such URI or the host is unknown.
    pub fn parse(uri: &str) -> Result<Self, RequestError> {
        let not_ipp = || RequestError::NotIpp {
            uri: uri.to_owned(),
        };
        let rest = uri
            .strip_prefix("ipp://")
            .or_else(|| uri.strip_prefix("http://"));
        let (authority, path) = rest
            .and_then(|rest| rest.split_once('/'))
            .ok_or_else(not_ipp)?;
        let authority = match authority.rsplit_once(':') {
            Some((_, port)) if port.parse::<u16>().is_ok() => authority.to_owned(),
            _ => format!("{authority}:631"),
        };
        let address = authority
            .to_socket_addrs()
            .ok()
            .and_then(|mut all| all.next());
        let address = address.ok_or_else(|| RequestError::NoAddress {
            authority: authority.clone(),
        })?;
        let uri = format!("ipp://{authority}/{path}");
        Ok(Self {
            address,
            uri,
            authority,
            path: format!("/{path}"),
        })
    }

    /// Print-Job with `job-hold-until=indefinite`.
    ///
    /// # Errors
    /// [`RequestError::Encode`] when user or format is too long.
    pub fn print_job(
        &self,
        user: &str,
        format: &str,
        document: &[u8],
    ) -> Result<Vec<u8>, RequestError> {
        let mut message = Message::request(Operation::PRINT_JOB, 1);
        self.address(&mut message, None, user)
            .push(Attribute::name("job-name", "measured"))
            .push(Attribute::mime_media_type("document-format", format));
        let job = message.group_mut(GroupTag::JOB);
        job.push(Attribute::keyword("job-hold-until", "indefinite"));
        self.http(&message, document)
    }

    /// Release-Job.
    ///
    /// # Errors
    /// [`RequestError::Encode`] when the user's name is too long.
    pub fn release_job(&self, user: &str, job: i32) -> Result<Vec<u8>, RequestError> {
        let mut message = Message::request(Operation::RELEASE_JOB, 1);
        self.address(&mut message, Some(job), user);
        self.http(&message, &[])
    }

    /// Get-Job-Attributes for `job-state` alone.
    ///
    /// # Errors
    /// [`RequestError::Encode`] when the user's name is too long.
    pub fn job_state(&self, user: &str, job: i32) -> Result<Vec<u8>, RequestError> {
        let mut message = Message::request(Operation::GET_JOB_ATTRIBUTES, 1);
        self.address(&mut message, Some(job), user)
            .push(Attribute::keyword("requested-attributes", "job-state"));
        self.http(&message, &[])
    }

    /// Printer, job and user follow charset and language in this order (RFC 8011 §4.1.5, §4.3).
    fn address<'a>(&self, message: &'a mut Message, job: Option<i32>, user: &str) -> &'a mut Group {
        let group = message.group_mut(GroupTag::OPERATION);
        group.push(Attribute::uri("printer-uri", &self.uri));
        if let Some(job) = job {
            group.push(Attribute::integer("job-id", job));
        }
        group.push(Attribute::name("requesting-user-name", user))
    }

    fn http(&self, message: &Message, document: &[u8]) -> Result<Vec<u8>, RequestError> {
        let message = message.encode()?;
        let (path, authority) = (&self.path, &self.authority);
        let length = message.len() + document.len();
        let mut request = format!(
            "POST {path} HTTP/1.1\r\nHost: {authority}\r\nContent-Type: application/ipp\r\n\
             Content-Length: {length}\r\n\r\n"
        )
        .into_bytes();
        request.reserve_exact(length);
        request.extend(message);
        request.extend(document);
        Ok(request)
    }
}

/// Status of an IPP answer, from its first eight bytes alone; none when it is shorter.
#[must_use]
pub fn status(answer: &[u8]) -> Option<Status> {
    Some(Header::from_octets(answer.get(..8)?.try_into().ok()?).status())
}

/// `job-id` of an answer to Print-Job; none also when the answer is malformed.
#[must_use]
pub fn job_id(answer: &[u8]) -> Option<i32> {
    decode(answer, Limits::RESPONSE)
        .ok()?
        .0
        .integer(GroupTag::JOB, "job-id")
}

/// `job-state` of an answer to Get-Job-Attributes; none also when the answer is malformed.
#[must_use]
pub fn job_state(answer: &[u8]) -> Option<i32> {
    decode(answer, Limits::RESPONSE)
        .ok()?
        .0
        .enumeration(GroupTag::JOB, "job-state")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target() -> Target {
        Target::parse("http://127.0.0.1:8631/ipp/print").expect("a queue")
    }

    fn body(request: &[u8]) -> &[u8] {
        let head = request
            .windows(4)
            .position(|four| four == b"\r\n\r\n")
            .expect("a head");
        &request[head + 4..]
    }

    #[test]
    fn queue_uri_gets_its_port_and_scheme() {
        assert_eq!(target().uri, "ipp://127.0.0.1:8631/ipp/print");
        let stock = Target::parse("ipp://127.0.0.1/printers/raw").expect("a queue");
        assert_eq!(stock.address.port(), 631);
        assert!(Target::parse("socket://127.0.0.1:9100/").is_err());
        assert!(Target::parse("ipp://127.0.0.1").is_err());
    }

    #[test]
    fn print_job_is_held_and_declares_the_length_it_has() {
        let request = target()
            .print_job("bench", "application/pdf", b"%PDF")
            .expect("short");
        let text = String::from_utf8_lossy(&request);
        let length = format!("Content-Length: {}\r\n", body(&request).len());
        assert!(text.starts_with("POST /ipp/print HTTP/1.1\r\nHost: 127.0.0.1:8631\r\n"));
        assert!(text.contains(&length));
        let (message, document) = decode(body(&request), Limits::REQUEST).expect("a request");
        assert_eq!(message.operation(), Operation::PRINT_JOB);
        assert_eq!(
            message.keyword(GroupTag::JOB, "job-hold-until"),
            Some("indefinite")
        );
        assert_eq!(document, b"%PDF");
    }

    #[test]
    fn a_job_is_named_right_after_its_printer() {
        let request = target().release_job("bench", 7).expect("short");
        let (message, _) = decode(body(&request), Limits::REQUEST).expect("a request");
        let target = platen_wire::ipp::check(&message).expect("the standard's order");
        assert!(format!("{target:?}").contains('7'), "{target:?}");
    }

    #[test]
    fn answers_are_read_and_cut_ones_give_nothing() {
        let mut message = Message::request(Operation(Status::OK.0), 1);
        message
            .group_mut(GroupTag::JOB)
            .push(Attribute::integer("job-id", 256))
            .push(Attribute::enumeration("job-state", 4));
        let answer = message.encode().expect("short");
        assert_eq!(status(&answer), Some(Status::OK));
        assert_eq!((job_id(&answer), job_state(&answer)), (Some(256), Some(4)));
        assert_eq!(job_id(&answer[..answer.len() - 1]), None);
        assert_eq!(status(&answer[..7]), None);
    }
}
