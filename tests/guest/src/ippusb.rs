// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The printer's second interface: IPP over USB. One HTTP/1.1 exchange after another comes out of
//! one bulk endpoint and is answered into the other; HTTP and IPP are read and written by hand,
//! so that they share nothing with the box's. Source: USB-IF *IPP over USB* 1.0; RFC 8010 §3,
//! RFC 8011 §4; RFC 9112 §6, §7.

use std::fs::File;
use std::io::{self, ErrorKind, Read, Write};
use std::path::Path;
use std::time::Duration;

use crate::clock::pause;

/// Bytes of one packet at high speed: each read ends with one.
const PACKET: usize = 512;
/// Most bytes of one message.
const MESSAGE_MAX: usize = 64 << 20;
/// Sides that each job counts.
const SIDES: i32 = 3;

// Operations (RFC 8011 §5.4.15).
const PRINT_JOB: u16 = 0x02;
const CREATE_JOB: u16 = 0x05;
const SEND_DOCUMENT: u16 = 0x06;
const CANCEL_JOB: u16 = 0x08;
const GET_JOB_ATTRIBUTES: u16 = 0x09;
const GET_PRINTER_ATTRIBUTES: u16 = 0x0b;

// Tags (RFC 8010 §3.5).
const OPERATION: u8 = 0x01;
const JOB: u8 = 0x02;
const END: u8 = 0x03;
const PRINTER: u8 = 0x04;
const INTEGER: u8 = 0x21;
const BOOLEAN: u8 = 0x22;
const ENUM: u8 = 0x23;
const KEYWORD: u8 = 0x44;
const CHARSET: u8 = 0x47;
const LANGUAGE: u8 = 0x48;
const MIME: u8 = 0x49;

/// What is said here is only said while the plug is in; else the endpoints fail.
struct Talk {
    from: File,
    into: File,
    /// Received and not used yet.
    ahead: Vec<u8>,
}

/// Serves exchanges for as long as the program runs; `keep` gets the documents.
pub(crate) fn serve(out: &Path, back: &Path, keep: impl Fn(&[u8])) {
    let mut job = 0;
    loop {
        if let Ok(mut talk) = open(out, back) {
            while exchange(&mut talk, &mut job, &keep).is_ok() {}
        }
        // Pulled out, or the host begins anew.
        pause(Duration::from_millis(20));
    }
}

fn open(out: &Path, back: &Path) -> io::Result<Talk> {
    Ok(Talk {
        from: File::open(out)?,
        into: File::options().write(true).open(back)?,
        ahead: Vec::new(),
    })
}

/// One request and its answer.
fn exchange(talk: &mut Talk, job: &mut i32, keep: &impl Fn(&[u8])) -> io::Result<()> {
    let head = talk.until(b"\r\n\r\n")?;
    let head = String::from_utf8_lossy(&head).to_ascii_lowercase();
    let length = head.split("\r\n").find_map(|line| {
        let length = line.strip_prefix("content-length:")?;
        length.trim().parse().ok()
    });
    let body = match length {
        Some(length) => talk.exactly(length)?,
        None => talk.chunks()?,
    };
    let answer = answer(&body, job, keep).ok_or(ErrorKind::InvalidData)?;
    let head = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: application/ipp\r\nContent-Length: {}\r\n\r\n",
        answer.len()
    );
    talk.into.write_all(&[head.as_bytes(), &answer].concat())
}

impl Talk {
    fn more(&mut self) -> io::Result<()> {
        let mut packet = [0; PACKET];
        let length = self.from.read(&mut packet)?;
        if self.ahead.len() > MESSAGE_MAX {
            return Err(ErrorKind::InvalidData.into());
        }
        self.ahead
            .extend_from_slice(packet.get(..length).unwrap_or_default());
        Ok(())
    }

    fn exactly(&mut self, length: usize) -> io::Result<Vec<u8>> {
        while self.ahead.len() < length {
            self.more()?;
        }
        let rest = self.ahead.split_off(length);
        Ok(std::mem::replace(&mut self.ahead, rest))
    }

    /// What comes before `mark`, and the mark.
    fn until(&mut self, mark: &[u8]) -> io::Result<Vec<u8>> {
        loop {
            let found = self.ahead.windows(mark.len()).position(|part| part == mark);
            if let Some(at) = found {
                return self.exactly(at + mark.len());
            }
            self.more()?;
        }
    }

    fn chunks(&mut self) -> io::Result<Vec<u8>> {
        let mut body = Vec::new();
        loop {
            let line = self.until(b"\r\n")?;
            let line = String::from_utf8_lossy(&line);
            let length = usize::from_str_radix(line.trim_end(), 16).map_err(io::Error::other)?;
            let mut chunk = self.exactly(length + 2)?;
            chunk.truncate(length);
            body.extend(chunk);
            if length == 0 {
                return Ok(body);
            }
        }
    }
}

/// The answer to an IPP request; `None` when it is none.
fn answer(body: &[u8], job: &mut i32, keep: &impl Fn(&[u8])) -> Option<Vec<u8>> {
    let (head, rest) = body.split_first_chunk::<8>()?;
    let [_, _, high, low, id @ ..] = head;
    let operation = u16::from_be_bytes([*high, *low]);
    let document = behind_attributes(rest)?;
    let status: u16 = match operation {
        PRINT_JOB
        | SEND_DOCUMENT
        | CREATE_JOB
        | CANCEL_JOB
        | GET_JOB_ATTRIBUTES
        | GET_PRINTER_ATTRIBUTES => 0,
        _ => 0x0501,
    };
    let mut answer = vec![2, 0];
    answer.extend(status.to_be_bytes());
    answer.extend(id);
    answer.push(OPERATION);
    put(&mut answer, CHARSET, "attributes-charset", b"utf-8");
    put(&mut answer, LANGUAGE, "attributes-natural-language", b"en");
    match operation {
        GET_PRINTER_ATTRIBUTES => printer(&mut answer),
        PRINT_JOB | CREATE_JOB => *job += 1,
        _ => {}
    }
    if matches!(operation, PRINT_JOB | SEND_DOCUMENT) {
        keep(document);
    }
    if matches!(
        operation,
        PRINT_JOB | CREATE_JOB | SEND_DOCUMENT | GET_JOB_ATTRIBUTES
    ) {
        // Whoever asks has sent the document: it is printed.
        let state: i32 = if operation == CREATE_JOB { 3 } else { 9 };
        answer.push(JOB);
        put(&mut answer, INTEGER, "job-id", &job.to_be_bytes());
        put(&mut answer, ENUM, "job-state", &state.to_be_bytes());
        put(&mut answer, KEYWORD, "job-state-reasons", b"none");
        let sides = SIDES.to_be_bytes();
        put(&mut answer, INTEGER, "job-impressions-completed", &sides);
    }
    answer.push(END);
    Some(answer)
}

fn printer(answer: &mut Vec<u8>) {
    answer.push(PRINTER);
    put(answer, ENUM, "printer-state", &3_i32.to_be_bytes());
    put(answer, KEYWORD, "printer-state-reasons", b"none");
    put(answer, BOOLEAN, "printer-is-accepting-jobs", &[1]);
    let operations = [
        CREATE_JOB,
        SEND_DOCUMENT,
        CANCEL_JOB,
        GET_JOB_ATTRIBUTES,
        GET_PRINTER_ATTRIBUTES,
    ];
    // Further values of an attribute have no name.
    let mut name = "operations-supported";
    for operation in operations {
        let number = i32::from(operation).to_be_bytes();
        put(answer, ENUM, std::mem::take(&mut name), &number);
    }
    put(
        answer,
        MIME,
        "document-format-supported",
        b"application/pdf",
    );
}

fn put(answer: &mut Vec<u8>, tag: u8, name: &str, value: &[u8]) {
    answer.push(tag);
    for part in [name.as_bytes(), value] {
        answer.extend(u16::try_from(part.len()).unwrap_or(0).to_be_bytes());
        answer.extend(part);
    }
}

/// What stands behind the end-of-attributes tag.
fn behind_attributes(mut rest: &[u8]) -> Option<&[u8]> {
    loop {
        let (tag, after) = rest.split_first()?;
        rest = match tag {
            &END => return Some(after),
            0x00..=0x0f => after,
            _ => behind_counted(behind_counted(after)?)?,
        };
    }
}

fn behind_counted(octets: &[u8]) -> Option<&[u8]> {
    let (length, rest) = octets.split_first_chunk::<2>()?;
    rest.get(usize::from(u16::from_be_bytes(*length))..)
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;

    fn request(operation: u16, document: &[u8]) -> Vec<u8> {
        let mut octets = vec![2, 0];
        octets.extend(operation.to_be_bytes());
        octets.extend([0, 0, 0, 9, OPERATION]);
        put(&mut octets, CHARSET, "attributes-charset", b"utf-8");
        octets.push(END);
        octets.extend(document);
        octets
    }

    #[test]
    fn a_document_is_kept_and_its_job_is_completed() {
        let kept = RefCell::new(Vec::new());
        let keep = |bytes: &[u8]| kept.borrow_mut().extend_from_slice(bytes);
        let mut job = 0;
        answer(&request(CREATE_JOB, b""), &mut job, &keep).unwrap();
        let sent = answer(&request(SEND_DOCUMENT, b"%PDF"), &mut job, &keep).unwrap();
        assert_eq!(sent.get(..8), Some(&[2, 0, 0, 0, 0, 0, 0, 9][..]));
        assert_eq!(job, 1);
        assert_eq!(*kept.borrow(), b"%PDF");
        assert!(answer(b"short", &mut job, &keep).is_none());
        assert_eq!(behind_attributes(&[0x21, 0, 9, 1]), None);
    }
}
