// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What the rules say about releasing one job.

use serde::{Deserialize, Serialize};

use crate::ids::PrinterName;

/// The answer of policy. Data only: carrying it out is the release pipeline's work.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Decision {
    /// Release to `printer` after these steps.
    Allow {
        /// The target printer.
        printer: PrinterName,
        /// Changes on the way, in order.
        steps: Vec<Step>,
    },
    /// Not now, or never: the reason is shown to the owner.
    Deny(Reason),
}

/// A change of the job on its way to the printer. None exists yet: jobs pass unchanged.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Step {}

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
}
