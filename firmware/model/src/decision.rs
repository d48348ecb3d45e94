// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What the rules say about releasing one job.

use serde::{Deserialize, Serialize};

use crate::account::Share;
use crate::count::Sides;
use crate::ids::{PrinterName, RuleId};
use crate::journal::Cost;

/// The answer of policy. Data only: carrying it out is the release pipeline's work.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Decision {
    /// Release to `printer` after these steps.
    Allow {
        /// The target printer.
        printer: PrinterName,
        /// Changes on the way, in order.
        steps: Vec<Step>,
        /// What to set aside of quotas with the release ticket. Every quota that covers the job has
        /// a share, if only an empty one.
        shares: Vec<Share>,
        /// What the job will cost, as far as that is known before it is printed.
        cost: Option<Cost>,
    },
    /// The job belongs to another printer, which is to be decided on anew.
    Redirect {
        /// That printer.
        printer: PrinterName,
    },
    /// Somebody has to agree first; the job waits.
    Hold {
        /// The rule that says so.
        rule: RuleId,
    },
    /// Not now, or never: the reason is shown to the owner.
    Deny(Reason),
}

/// A change of the job on its way to the printer.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Step {
    /// The printer is told to print in black.
    Monochrome,
    /// The printer is told these sides.
    TwoSided(Sides),
    /// No more copies than this, 1 or more.
    CopiesAtMost(u32),
}

/// Why a job is not released.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reason {
    /// The printer cannot print now (off-line, jam, no paper).
    PrinterInError,
    /// The printer does not take the job's document format.
    FormatNotTaken,
    /// The job's state does not allow a release (already printing, ended).
    NotReleasable,
    /// The person is not the job's owner.
    NotOwner,
    /// A rule forbids it.
    NoPermission,
    /// A quota has no room for it.
    QuotaSpent,
    /// Somebody has to agree first.
    NeedsApproval,
    /// Its pages could not be counted, and a rule or a quota asks for them.
    NoCount,
    /// The box does not know the time, and a rule asks for it.
    NoClock,
    /// A rule asks for a change of the job that can't be made on the way to this printer.
    CannotChange,
}
