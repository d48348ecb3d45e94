// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What the printer tells unasked about a job (PJL Technical Reference, chapters 5 and 7): which
//! reports its sender wants, the job that JOB and EOJ stand around, copies and sides that SET asks
//! for. Which sheets that makes.

use super::Condition;

/// What one connection's sender wants to hear, and its job's settings.
#[derive(Debug, Default)]
pub(super) struct Reports {
    /// The condition last told, if changes are wanted (`USTATUS DEVICE`).
    pub(super) told: Option<Condition>,
    jobs: bool,
    pub(super) pages: bool,
    /// JOB commands without their EOJ.
    depth: u32,
    copies: Option<u32>,
    duplex: bool,
}

/// What a command leads to.
#[derive(Debug, Eq, PartialEq)]
pub(super) enum Effect {
    Nothing,
    /// A report to send at once.
    Tell(String),
    /// The job is whole: print it, then tell of its end if there is a report to send.
    Print(Option<Name>),
}

/// The NAME of a command, as it was written.
pub(super) type Name = Option<String>;

impl Reports {
    /// Takes one command, without `@PJL`.
    pub(super) fn command(&mut self, command: &str, condition: Condition) -> Effect {
        let squeezed: String = command.split_whitespace().collect();
        let upper = squeezed.to_ascii_uppercase();
        let (key, value) = upper.split_once('=').unwrap_or((&upper, ""));
        match (key, value) {
            ("USTATUSDEVICE", _) => self.told = (value != "OFF").then_some(condition),
            ("USTATUSJOB", _) => self.jobs = value == "ON",
            ("USTATUSPAGE", _) => self.pages = value == "ON",
            ("USTATUSOFF", _) => (self.told, self.jobs, self.pages) = (None, false, false),
            ("SETQTY" | "SETCOPIES", _) => self.copies = value.parse().ok(),
            ("SETDUPLEX", _) => self.duplex = value == "ON",
            _ => return self.boundary(command),
        }
        Effect::Nothing
    }

    fn boundary(&mut self, command: &str) -> Effect {
        let word = command.split_whitespace().next().unwrap_or_default();
        match word.to_ascii_uppercase().as_str() {
            "JOB" => {
                self.depth += 1;
                let told = self.jobs.then(|| job_report("START", &name(command), ""));
                told.map_or(Effect::Nothing, Effect::Tell)
            }
            // One without its JOB is ignored.
            "EOJ" if self.depth > 0 => {
                self.depth -= 1;
                match self.depth {
                    0 => Effect::Print(self.jobs.then(|| name(command))),
                    _ => Effect::Nothing,
                }
            }
            _ => Effect::Nothing,
        }
    }

    /// Sides marked on each sheet, in order, for a document of so many pages.
    pub(super) fn sheets(&self, pages: u32) -> Vec<u32> {
        let sides = if self.duplex { 2 } else { 1 };
        let copies = self.copies.unwrap_or(1).clamp(1, 999);
        let full = (0..pages / sides).map(|_| sides);
        let copy: Vec<_> = full
            .chain((!pages.is_multiple_of(sides)).then_some(1))
            .collect();
        (0..copies).flat_map(|_| copy.iter().copied()).collect()
    }
}

fn name(command: &str) -> Name {
    let (_, after) = command.split_once('=')?;
    let mut quoted = after.split('"').skip(1);
    quoted.next().map(str::to_owned)
}

/// `USTATUS JOB`, with or without the lines that the printer has something for.
pub(super) fn job_report(event: &str, name: &Name, further: &str) -> String {
    let name = name.as_ref().map(|name| format!("NAME=\"{name}\"\r\n"));
    let name = name.unwrap_or_default();
    format!("@PJL USTATUS JOB\r\n{event}\r\n{name}{further}\x0c")
}

/// `USTATUS PAGE`: sides of the job that are out.
pub(super) fn page_report(sides: u32) -> String {
    format!("@PJL USTATUS PAGE\r\n{sides}\r\n\x0c")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(commands: &[&str]) -> (Reports, Effect) {
        let mut reports = Reports::default();
        let mut last = Effect::Nothing;
        for command in commands {
            last = reports.command(command, Condition::Ready);
        }
        (reports, last)
    }

    #[test]
    fn a_job_is_printed_at_the_end_of_its_outermost_frame() {
        let (_, effect) = after(&["USTATUS JOB = ON", "JOB NAME = \"a = b\""]);
        let start = "@PJL USTATUS JOB\r\nSTART\r\nNAME=\"a = b\"\r\n\x0c";
        assert_eq!(effect, Effect::Tell(start.to_owned()));
        let nested = ["USTATUS JOB=ON", "JOB", "JOB NAME=\"in\"", "EOJ"];
        assert_eq!(after(&nested).1, Effect::Nothing);
        let ended = [&nested[..], &["EOJ NAME=\"out\""]].concat();
        assert_eq!(after(&ended).1, Effect::Print(Some(Some("out".to_owned()))));
        assert_eq!(after(&["JOB", "EOJ"]).1, Effect::Print(None));
        assert_eq!(after(&["EOJ"]).1, Effect::Nothing);
    }

    #[test]
    fn sheets_follow_from_copies_and_sides() {
        assert_eq!(after(&[]).0.sheets(3), [1, 1, 1]);
        assert_eq!(after(&["SET DUPLEX=ON"]).0.sheets(3), [2, 1]);
        let both = after(&["SET QTY=2", "SET DUPLEX=ON"]).0;
        assert_eq!(both.sheets(3), [2, 1, 2, 1]);
        assert_eq!(both.sheets(0), [0_u32; 0]);
    }

    #[test]
    fn reports_go_off_together() {
        let on = ["USTATUS DEVICE=ON", "USTATUS JOB=ON", "USTATUS PAGE=ON"];
        let (reports, _) = after(&on);
        assert!(reports.jobs && reports.pages && reports.told.is_some());
        let (reports, _) = after(&[&on[..], &["USTATUSOFF"]].concat());
        assert!(!reports.jobs && !reports.pages && reports.told.is_none());
    }
}
