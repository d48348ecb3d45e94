// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A job's PJL frame: what is said before and after a document so that the printer makes copies,
//! both sides, or no colour of it. HP *PJL Technical Reference Manual*, chapters 4 and 6.

use crate::pjl::UEL;

/// What the frame asks for. The default asks for nothing and needs no frame.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct JobFrame {
    /// Copies of the whole document, 1 or more (`QTY`: collated).
    pub copies: u32,
    /// Both sides, and how they are turned.
    pub duplex: Option<Binding>,
    /// Print in greys whatever the document holds.
    pub grayscale: bool,
    /// Leave JOB and EOJ out: the port sets them around the frame ([`crate::pjl_report`]).
    pub inner: bool,
}

/// Which edge two-sided sheets turn over.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Binding {
    /// As in a book.
    LongEdge,
    /// As on a calendar.
    ShortEdge,
}

impl Default for JobFrame {
    fn default() -> Self {
        Self {
            copies: 1,
            duplex: None,
            grayscale: false,
            inner: false,
        }
    }
}

impl JobFrame {
    /// Whether there is anything to ask for.
    #[must_use]
    pub fn is_needed(&self) -> bool {
        let inner = self.inner;
        *self
            != Self {
                inner,
                ..Self::default()
            }
    }

    /// What goes before the document, up to and with the line that enters `language` (a PJL
    /// personality such as `PDF`).
    #[must_use]
    pub fn opening(&self, language: &str) -> Vec<u8> {
        let mut lines = Vec::new();
        if !self.inner {
            lines.push("JOB".to_owned());
        }
        if self.copies > 1 {
            lines.push(format!("SET QTY={}", self.copies));
        }
        match self.duplex {
            None => {}
            Some(Binding::LongEdge) => {
                lines.extend([
                    "SET DUPLEX=ON".to_owned(),
                    "SET BINDING=LONGEDGE".to_owned(),
                ]);
            }
            Some(Binding::ShortEdge) => {
                lines.extend([
                    "SET DUPLEX=ON".to_owned(),
                    "SET BINDING=SHORTEDGE".to_owned(),
                ]);
            }
        }
        if self.grayscale {
            lines.push("SET RENDERMODE=GRAYSCALE".to_owned());
        }
        lines.push(format!("ENTER LANGUAGE={language}"));
        let mut opening = UEL.to_vec();
        for line in lines {
            opening.extend(b"@PJL ");
            opening.extend(line.as_bytes());
            opening.extend(b"\r\n");
        }
        opening
    }

    /// What goes after the document.
    #[must_use]
    pub fn closing(&self) -> Vec<u8> {
        match self.inner {
            true => UEL.to_vec(),
            false => [UEL, b"@PJL EOJ\r\n", UEL].concat(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plain_job_needs_no_frame() {
        assert!(!JobFrame::default().is_needed());
    }

    #[test]
    fn copies_and_sides_stand_before_the_language() {
        let frame = JobFrame {
            copies: 3,
            duplex: Some(Binding::LongEdge),
            grayscale: false,
            inner: false,
        };
        let text = String::from_utf8(frame.opening("PDF")).unwrap();
        let lines: Vec<_> = text.trim_start_matches("\x1b%-12345X").lines().collect();
        assert_eq!(
            lines,
            [
                "@PJL JOB",
                "@PJL SET QTY=3",
                "@PJL SET DUPLEX=ON",
                "@PJL SET BINDING=LONGEDGE",
                "@PJL ENTER LANGUAGE=PDF"
            ]
        );
    }

    #[test]
    fn a_frame_inside_the_port_s_has_no_job_of_its_own() {
        let inner = |copies| JobFrame {
            copies,
            inner: true,
            ..JobFrame::default()
        };
        assert!(!inner(1).is_needed() && inner(2).is_needed());
        let text = String::from_utf8(inner(2).opening("PDF")).unwrap();
        assert!(text.starts_with("\x1b%-12345X@PJL SET QTY=2\r\n"), "{text}");
        assert_eq!(inner(2).closing(), UEL);
    }
}
