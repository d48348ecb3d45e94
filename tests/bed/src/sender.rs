// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A client that sends job after job and knows which of them were accepted, for tests that end a box in
//! the middle of it. Plain IPP 2.0 over HTTP; the documents say which job they belong to.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::Duration;

use crate::documents::Noise;

/// How long an answer may take before the box counts as gone.
const ANSWER_LIMIT: Duration = Duration::from_secs(240);

/// Sends jobs of `user` until the box is gone. Gives those that were answered `successful-ok`; their names
/// begin with `prefix`.
#[must_use]
pub fn send_until_gone(
    ipp: SocketAddr,
    user: String,
    prefix: String,
) -> thread::JoinHandle<Vec<Accepted>> {
    thread::spawn(move || {
        let mut accepted = Vec::new();
        for number in 0.. {
            let name = format!("{prefix}-{number}-");
            // Some fill several sealed chunks, most fit into one.
            let octets = if number % 4 == 3 { 300_000 } else { 9_000 };
            match send(ipp, &user, &name, octets) {
                Sent::Accepted(number) => accepted.push(Accepted { name, number }),
                Sent::Refused => {}
                Sent::Gone => break,
            }
        }
        accepted
    })
}

/// A job that was answered `successful-ok`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Accepted {
    /// Its name, which stands in its document as well.
    pub name: String,
    /// Its `job-id`.
    pub number: u32,
}

/// What became of a Print-Job.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Sent {
    /// As the job of that number.
    Accepted(u32),
    /// With another status.
    Refused,
    /// No whole answer: the box is gone.
    Gone,
}

/// Print-Job with a document of `octets` that begins with its name.
#[must_use]
pub fn send(ipp: SocketAddr, user: &str, name: &str, octets: usize) -> Sent {
    match exchange(ipp, &request(user, name, octets)) {
        None => Sent::Gone,
        Some(answer) if answer.get(2..4) != Some(&[0, 0]) => Sent::Refused,
        Some(answer) => job_id(&answer).map_or(Sent::Gone, Sent::Accepted),
    }
}

/// The value of `job-id`: name, length 4, big endian.
fn job_id(answer: &[u8]) -> Option<u32> {
    let name = b"job-id\0\x04";
    let at = answer
        .windows(name.len())
        .position(|window| window == name)?;
    let (number, _) = answer.get(at + name.len()..)?.split_first_chunk()?;
    Some(u32::from_be_bytes(*number))
}

fn request(user: &str, name: &str, octets: usize) -> Vec<u8> {
    let mut body = vec![2, 0, 0, 2, 0, 0, 0, 1, 1];
    for (tag, key, value) in [
        (0x47, "attributes-charset", "utf-8"),
        (0x48, "attributes-natural-language", "en"),
        (0x45, "printer-uri", "ipp://localhost/ipp/print"),
        (0x42, "requesting-user-name", user),
        (0x42, "job-name", name),
        (0x49, "document-format", "application/pdf"),
    ] {
        body.push(tag);
        for part in [key, value] {
            let length = u16::try_from(part.len()).unwrap_or(u16::MAX);
            body.extend(length.to_be_bytes());
            body.extend(part.as_bytes());
        }
    }
    body.push(3);
    body.extend(document(name, octets));
    body
}

/// Posts a request and gives the whole answer's body.
fn exchange(ipp: SocketAddr, body: &[u8]) -> Option<Vec<u8>> {
    let mut stream = TcpStream::connect(ipp).ok()?;
    stream.set_read_timeout(Some(ANSWER_LIMIT)).ok()?;
    let head = format!(
        "POST /ipp/print HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/ipp\r\n\
         Connection: close\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).ok()?;
    stream.write_all(body).ok()?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).ok()?;
    let start = answer.windows(4).position(|window| window == b"\r\n\r\n")? + 4;
    answer.get(start..start + 8)?;
    Some(answer.split_off(start))
}

/// The document of the job of that name.
#[must_use]
pub fn document(name: &str, octets: usize) -> Vec<u8> {
    let mut document = format!("%PDF-1.4\n% {name}\n").into_bytes();
    let seed = name
        .bytes()
        .fold(0, |sum: u64, byte| sum.wrapping_mul(31) + u64::from(byte));
    document.extend(Noise::new(seed).bytes(octets));
    document
}
