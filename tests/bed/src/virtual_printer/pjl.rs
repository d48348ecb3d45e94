// SPDX-License-Identifier: Apache-2.0 OR MIT
//! PJL around a document, taken off while the bytes come (PJL Technical Reference, chapters 2 and
//! 7): `UEL @PJL … ENTER LANGUAGE=…` document `UEL @PJL EOJ … UEL`. And the printer's answers.

use super::Condition;

/// Universal Exit Language: switches a printer back to PJL.
const UEL: &[u8] = b"\x1b%-12345X";
const PREFIX: &[u8] = b"@PJL";
/// Longest PJL line; anything longer is taken as document.
const LINE_LIMIT: usize = 4096;

/// What comes out of the wire's bytes.
#[derive(Debug, Eq, PartialEq)]
pub enum Piece<'a> {
    /// One PJL command without `@PJL` and line end.
    Command(&'a str),
    /// Bytes of the document.
    Document(&'a [u8]),
}

#[derive(Debug, Eq, PartialEq)]
enum State {
    /// Nothing but the possible beginning of UEL or `@PJL` has come.
    Start,
    /// Between UEL and the document, or after it.
    Commands,
    /// Inside PJL; ends at the next UEL.
    Wrapped,
    /// No PJL around: everything is document.
    Plain,
}

/// Takes PJL off a stream of bytes, in pieces of any size. Memory: one line.
#[derive(Debug)]
pub struct Unwrapper {
    state: State,
    held: Vec<u8>,
    wrapped: bool,
}

impl Default for Unwrapper {
    fn default() -> Self {
        Self {
            state: State::Start,
            held: Vec::new(),
            wrapped: false,
        }
    }
}

impl Unwrapper {
    /// Whether PJL was seen.
    #[must_use]
    pub fn is_wrapped(&self) -> bool {
        self.wrapped
    }

    /// Takes the next bytes and gives what they mean to `sink`, in order.
    pub fn feed(&mut self, mut bytes: &[u8], sink: &mut impl FnMut(Piece<'_>)) {
        while !bytes.is_empty() {
            bytes = match self.state {
                State::Plain => {
                    sink(Piece::Document(bytes));
                    &[]
                }
                State::Wrapped => self.feed_document(bytes, sink),
                State::Start | State::Commands => self.feed_line(bytes, sink),
            };
        }
    }

    /// The stream has ended: what was held back is document after all.
    pub fn finish(&mut self, sink: &mut impl FnMut(Piece<'_>)) {
        let held = std::mem::take(&mut self.held);
        let rest = matches!(self.state, State::Start | State::Wrapped);
        if rest && !held.is_empty() {
            sink(Piece::Document(&held));
        }
    }

    fn feed_line<'a>(&mut self, bytes: &'a [u8], sink: &mut impl FnMut(Piece<'_>)) -> &'a [u8] {
        let Some((&byte, rest)) = bytes.split_first() else {
            return bytes;
        };
        self.held.push(byte);
        let held = self.held.as_slice();
        if held == UEL {
            self.enter_commands();
        } else if held.starts_with(PREFIX) && held.len() <= LINE_LIMIT {
            self.wrapped = true;
            self.state = State::Commands;
            if byte == b'\n' {
                self.end_line(sink);
            }
        } else if self.state == State::Commands && matches!(held, b"\r" | b"\n") {
            self.held.clear();
        } else if !UEL.starts_with(held) && !PREFIX.starts_with(held) {
            let document = std::mem::take(&mut self.held);
            self.state = if self.wrapped {
                State::Wrapped
            } else {
                State::Plain
            };
            sink(Piece::Document(&document));
        }
        rest
    }

    fn enter_commands(&mut self) {
        self.held.clear();
        self.wrapped = true;
        self.state = State::Commands;
    }

    fn end_line(&mut self, sink: &mut impl FnMut(Piece<'_>)) {
        let line = std::mem::take(&mut self.held);
        let text = String::from_utf8_lossy(&line);
        let command = text.trim_start_matches("@PJL").trim();
        if command.to_ascii_uppercase().starts_with("ENTER LANGUAGE") {
            self.state = State::Wrapped;
        }
        if !command.is_empty() {
            sink(Piece::Command(command));
        }
    }

    /// Looks for UEL; up to eight bytes that may begin it are held back.
    fn feed_document<'a>(&mut self, bytes: &'a [u8], sink: &mut impl FnMut(Piece<'_>)) -> &'a [u8] {
        if self.held.is_empty() {
            let end = bytes.iter().position(|&byte| byte == 0x1b);
            let (document, rest) = bytes.split_at(end.unwrap_or(bytes.len()));
            if !document.is_empty() {
                sink(Piece::Document(document));
            }
            if let Some((&escape, rest)) = rest.split_first() {
                self.held.push(escape);
                return rest;
            }
            return rest;
        }
        let Some((&byte, rest)) = bytes.split_first() else {
            return bytes;
        };
        if UEL.get(self.held.len()) == Some(&byte) {
            self.held.push(byte);
            if self.held == UEL {
                self.enter_commands();
            }
            return rest;
        }
        // Not the beginning of UEL after all. ESC is only its first byte, so what was held cannot
        // overlap another one; this byte is looked at again.
        let held = std::mem::take(&mut self.held);
        sink(Piece::Document(&held));
        bytes
    }
}

/// The printer's answer to a PJL command, if it has one.
pub(super) fn answer(
    command: &str,
    condition: Condition,
    printing: bool,
    pages: u64,
) -> Option<String> {
    let upper = command.to_ascii_uppercase();
    let mut words = upper.split_whitespace();
    match (words.next()?, words.next()) {
        ("INFO", Some("STATUS")) => Some(status("INFO STATUS", condition, printing)),
        ("INFO", Some("ID")) => {
            Some("@PJL INFO ID\r\n\"Platen Virtual Printer\"\r\n\x0c".to_owned())
        }
        ("INFO", Some("PAGECOUNT")) => {
            Some(format!("@PJL INFO PAGECOUNT\r\nPAGECOUNT={pages}\r\n\x0c"))
        }
        ("ECHO", _) => Some(format!("@PJL {command}\r\n\x0c")),
        _ => None,
    }
}

/// A status block, answered (`INFO STATUS`) or unasked (`USTATUS DEVICE`).
pub(super) fn status(head: &str, condition: Condition, printing: bool) -> String {
    let (code, display, online) = condition.pjl(printing);
    let online = if online { "TRUE" } else { "FALSE" };
    format!("@PJL {head}\r\nCODE={code}\r\nDISPLAY=\"{display}\"\r\nONLINE={online}\r\n\x0c")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unwrap(wire: &[u8], size: usize) -> (Vec<u8>, Vec<String>) {
        let (mut document, mut commands) = (Vec::new(), Vec::new());
        let mut sink = |piece: Piece<'_>| match piece {
            Piece::Command(command) => commands.push(command.to_owned()),
            Piece::Document(bytes) => document.extend_from_slice(bytes),
        };
        let mut unwrapper = Unwrapper::default();
        for chunk in wire.chunks(size) {
            unwrapper.feed(chunk, &mut sink);
        }
        unwrapper.finish(&mut sink);
        (document, commands)
    }

    #[test]
    fn a_wrapped_document_comes_out_whole_however_it_is_cut() {
        let document = b"%PDF-1.7\n\x1b\x1b%-12345Y\x1b%-1\n%%EOF";
        let mut wire = b"\x1b%-12345X@PJL JOB NAME=\"a\"\r\n@PJL INFO STATUS\r\n".to_vec();
        wire.extend_from_slice(b"@PJL ENTER LANGUAGE=PDF\r\n");
        wire.extend_from_slice(document);
        wire.extend_from_slice(b"\x1b%-12345X@PJL EOJ\r\n\x1b%-12345X");
        for size in [1, 2, 3, 7, 64, 4096] {
            let (out, commands) = unwrap(&wire, size);
            assert_eq!(out, document, "cut into {size}");
            assert_eq!(
                commands,
                ["JOB NAME=\"a\"", "INFO STATUS", "ENTER LANGUAGE=PDF", "EOJ"]
            );
        }
    }

    #[test]
    fn bytes_without_pjl_pass_unchanged_even_with_uel_inside() {
        let wire = b"%PDF-1.4 \x1b%-12345X@PJL no command";
        assert_eq!(unwrap(wire, 5), (wire.to_vec(), Vec::new()));
    }

    #[test]
    fn an_endless_pjl_line_is_taken_as_document_in_bounded_memory() {
        let mut wire = b"@PJL ".to_vec();
        wire.resize(3 * LINE_LIMIT, b'x');
        assert_eq!(unwrap(&wire, 1000).0.len(), wire.len());
    }

    #[test]
    fn a_jam_is_told_by_a_code_of_the_jam_group() {
        let answer = answer("INFO STATUS", Condition::Jam, false, 0).unwrap();
        assert!(answer.contains("CODE=42") && answer.contains("ONLINE=FALSE"));
    }
}
