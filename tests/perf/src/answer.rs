// SPDX-License-Identifier: Apache-2.0 OR MIT
//! HTTP/1.1 answers (RFC 9112) put together from pieces as they arrive. Only what the measured
//! servers send: a length, chunks, or the end of the connection; interim answers are skipped.

use std::io::{self, Read, Write};

const MAX_ANSWER: usize = 1 << 20; // far above any answer here; a server in error ends the run

/// A whole answer.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Answer {
    /// HTTP status, such as 200.
    pub http_status: u16,
    /// Body without its framing.
    pub body: Vec<u8>,
    /// Whether the connection may carry another request.
    pub reusable: bool,
}

/// Collects one answer.
#[derive(Debug, Default)]
pub struct AnswerReader {
    bytes: Vec<u8>,
}

impl AnswerReader {
    /// Takes the next piece; gives the answer when it is whole.
    ///
    /// # Errors
    /// `InvalidData` when this is no HTTP answer or it has no end within a mebibyte.
    pub fn push(&mut self, piece: &[u8]) -> io::Result<Option<Answer>> {
        self.bytes.extend_from_slice(piece);
        if self.bytes.len() > MAX_ANSWER {
            return Err(malformed("answer too long"));
        }
        parse(&self.bytes, false)
    }

    /// The connection has ended: gives the answer whose end that was.
    ///
    /// # Errors
    /// `UnexpectedEof` when the answer isn't whole.
    pub fn finish(&self) -> io::Result<Answer> {
        parse(&self.bytes, true)?.ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
    }

    /// Forgets everything, for the next answer on the same connection.
    pub fn clear(&mut self) {
        self.bytes.clear();
    }
}

/// Sends a whole request and waits for its answer, on a connection in blocking mode.
///
/// # Errors
/// As the connection gives them, and those of [`AnswerReader`].
pub fn exchange(connection: &mut (impl Read + Write), request: &[u8]) -> io::Result<Answer> {
    connection.write_all(request)?;
    let mut reader = AnswerReader::default();
    let mut piece = [0; 4096];
    loop {
        let length = connection.read(&mut piece)?;
        let Some(piece) = piece.get(..length).filter(|piece| !piece.is_empty()) else {
            return reader.finish();
        };
        if let Some(answer) = reader.push(piece)? {
            return Ok(answer);
        }
    }
}

fn parse(bytes: &[u8], ended: bool) -> io::Result<Option<Answer>> {
    let Some((head, rest)) = split_at(bytes, b"\r\n\r\n") else {
        return Ok(None);
    };
    let head = std::str::from_utf8(head).map_err(|_| malformed("head is not text"))?;
    let status = head.strip_prefix("HTTP/1.").and_then(|line| line.get(2..5));
    let http_status: u16 = status
        .and_then(|code| code.parse().ok())
        .ok_or_else(|| malformed("no status line"))?;
    if (100..200).contains(&http_status) {
        return parse(rest, ended);
    }
    let closes = field(head, "connection").is_some_and(|v| v.eq_ignore_ascii_case("close"));
    let body = if field(head, "transfer-encoding").is_some() {
        unchunk(rest)?
    } else if let Some(length) = field(head, "content-length") {
        let length: usize = length
            .parse()
            .map_err(|_| malformed("length is no number"))?;
        rest.get(..length).map(<[u8]>::to_vec)
    } else {
        ended.then(|| rest.to_vec())
    };
    let reusable = !closes && !ended;
    Ok(body.map(|body| Answer {
        http_status,
        body,
        reusable,
    }))
}

fn field<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    let fields = head.lines().skip(1).filter_map(|line| line.split_once(':'));
    let mut found = fields.filter(|(found, _)| found.eq_ignore_ascii_case(name));
    found.next().map(|(_, value)| value.trim())
}

fn unchunk(mut rest: &[u8]) -> io::Result<Option<Vec<u8>>> {
    let mut body = Vec::new();
    while let Some((size, after)) = split_at(rest, b"\r\n") {
        let size = std::str::from_utf8(size)
            .ok()
            .and_then(|line| line.split(';').next());
        let size = size.and_then(|size| usize::from_str_radix(size.trim(), 16).ok());
        let size = size.ok_or_else(|| malformed("chunk size is no number"))?;
        let Some((chunk, after)) = after.split_at_checked(size) else {
            return Ok(None);
        };
        let Some(after) = after.strip_prefix(b"\r\n") else {
            return if after.len() < 2 {
                Ok(None)
            } else {
                Err(malformed("chunk without end"))
            };
        };
        if size == 0 {
            return Ok(Some(body));
        }
        body.extend_from_slice(chunk);
        rest = after;
    }
    Ok(None)
}

fn split_at<'a>(bytes: &'a [u8], mark: &[u8]) -> Option<(&'a [u8], &'a [u8])> {
    let at = bytes
        .windows(mark.len())
        .position(|window| window == mark)?;
    let (before, after) = bytes.split_at_checked(at)?;
    Some((before, after.get(mark.len()..)?))
}

fn malformed(what: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHUNKED: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: \
        chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n";

    #[test]
    fn answers_in_single_bytes_are_whole_at_their_last() {
        let sized = b"HTTP/1.1 426 Upgrade\r\nconnection: Close\r\nContent-Length: 2\r\n\r\nhi";
        for (bytes, status, body, reusable) in [
            (CHUNKED, 200, "abcde", true),
            (sized.as_slice(), 426, "hi", false),
        ] {
            let mut reader = AnswerReader::default();
            let (last, first) = bytes.split_last().expect("bytes");
            for &byte in first {
                assert_eq!(reader.push(&[byte]).expect("well-formed"), None);
            }
            let answer = reader.push(&[*last]).expect("well-formed").expect("whole");
            assert_eq!(answer.http_status, status);
            assert_eq!(answer.body, body.as_bytes());
            assert_eq!(answer.reusable, reusable);
        }
    }

    #[test]
    fn an_answer_without_length_ends_with_its_connection() {
        let mut reader = AnswerReader::default();
        assert_eq!(
            reader
                .push(b"HTTP/1.0 200 OK\r\n\r\nall")
                .expect("well-formed"),
            None
        );
        assert_eq!(reader.finish().expect("whole").body, b"all");
    }

    #[test]
    fn a_cut_answer_is_an_error() {
        let mut reader = AnswerReader::default();
        assert_eq!(
            reader.push(&CHUNKED[..CHUNKED.len() - 6]).expect("so far"),
            None
        );
        assert_eq!(
            reader.finish().expect_err("cut").kind(),
            io::ErrorKind::UnexpectedEof
        );
    }

    #[test]
    fn noise_is_an_error_not_a_wait() {
        assert!(AnswerReader::default().push(b"SSH-2.0-x\r\n\r\n").is_err());
        assert!(
            AnswerReader::default()
                .push(&vec![b'a'; MAX_ANSWER + 1])
                .is_err()
        );
    }
}
