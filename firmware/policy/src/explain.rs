// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A decision with every question that led to it, for a person. Names neither a person nor a
//! document: of a rule that names people only that it does is told.

use std::fmt;

use crate::check::Check;
use crate::decide::Ruling;

/// A decision and how it came about.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Explanation {
    /// What [`crate::decide`] says too.
    pub ruling: Ruling,
    /// Every question, in the order asked; the last one is the decision.
    pub verdicts: Vec<Verdict>,
}

/// What one question came to.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Verdict {
    /// Which question.
    pub check: Check,
    /// Its answer.
    pub answer: Answer,
    /// Why, as a sentence.
    pub sentence: String,
}

/// How a question was answered.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Answer {
    /// It agrees to the release.
    Yes,
    /// It refuses the release, here or for now.
    No,
    /// It agrees if the job is changed.
    Changed,
    /// It has nothing to say about this job.
    Passed,
}

impl Answer {
    /// Fixed keyword.
    #[must_use]
    pub fn keyword(self) -> &'static str {
        match self {
            Self::Yes => "yes",
            Self::No => "no",
            Self::Changed => "changed",
            Self::Passed => "passed",
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (check, answer) = (self.check.keyword(), self.answer.keyword());
        write!(f, "{check}: {answer}: {}", self.sentence)
    }
}
