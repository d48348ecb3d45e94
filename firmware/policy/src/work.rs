// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The job as it would be printed: what conditions, prices and quotas are worked out from. Each
//! step of a rule makes another one of it.

use platen_model::{ColorMode, Job, Sides, Step};

use crate::facts::PrinterFacts;

/// Pages, copies, sides and colour of a job on its way to a printer.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Work {
    /// Page images of one copy; `None` when they could not be counted.
    pub pages: Option<u32>,
    /// Copies, 1 or more.
    pub copies: u32,
    /// Sides.
    pub sides: Sides,
    /// Whether sides may come out in colour. A job that does not say counts as colour at a printer
    /// that has it: nobody knows before it is printed.
    pub color: bool,
}

impl Work {
    /// The job as it was sent, at this printer.
    #[must_use]
    pub fn of(job: &Job, printer: &PrinterFacts) -> Self {
        let (copies, sides) = match &job.count {
            Some(count) => (count.copies, count.sides),
            None => (job.options.copies, job.options.sides),
        };
        Self {
            pages: job.count.as_ref().and_then(|count| count.pages),
            copies: copies.max(1),
            sides,
            color: printer.color && job.options.color != ColorMode::Monochrome,
        }
    }

    /// Sides marked: pages × copies.
    #[must_use]
    pub fn impressions(&self) -> Option<u64> {
        // The product of two u32 fits.
        Some(u64::from(self.pages?) * u64::from(self.copies))
    }

    /// Sheets of media: copies × ⌈pages ÷ 2⌉ when two-sided, else the impressions.
    #[must_use]
    pub fn media_sheets(&self) -> Option<u64> {
        let each = match self.sides {
            Sides::OneSided => self.pages?,
            Sides::TwoSidedLongEdge | Sides::TwoSidedShortEdge => self.pages?.div_ceil(2),
        };
        Some(u64::from(each) * u64::from(self.copies))
    }

    /// The job after one more step.
    #[must_use]
    pub fn after(mut self, step: Step) -> Self {
        match step {
            Step::Monochrome => self.color = false,
            Step::TwoSided(sides) => self.sides = sides,
            Step::CopiesAtMost(copies) => self.copies = self.copies.min(copies.max(1)),
            // A step of a later model changes nothing that is known here.
            _ => {}
        }
        self
    }
}
