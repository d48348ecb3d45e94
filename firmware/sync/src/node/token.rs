// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Which box may release a job that several can reach (DESIGN §5 point 9). The box that holds the job
//! lends the right to another and doesn't release it itself until the right is back or used. Every
//! loan has a number, so a late or doubled message about an earlier one changes nothing. Both ends save
//! the state before they say or do what follows from it. No clock ends a loan: a box with the right may
//! be printing. If a split still brings two releases, the centre charges one.

use platen_model::NodeId;
use serde::{Deserialize, Serialize};

/// The right at the box that holds the job.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
pub struct Own {
    /// Number of the last loan; 0 for none.
    pub loan: u64,
    /// Where the right is.
    pub right: Right,
}

/// Where the right is, as its owner knows it.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Right {
    /// Here, unused.
    #[default]
    Here,
    /// Here, and a release has begun.
    Releasing,
    /// At another box.
    Lent(NodeId),
    /// The job has ended.
    Used,
}

/// The right at a box that borrows it.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
pub struct Borrowed {
    /// Number of the last loan that was taken; 0 for none.
    pub loan: u64,
    /// What became of it.
    pub state: Loan,
}

/// What became of a loan.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Loan {
    /// There is none, or it is back.
    #[default]
    Back,
    /// The right is here, unused.
    Here,
    /// A release has begun: bytes may have left.
    Releasing,
    /// The job has ended here.
    Used,
}

/// What the borrower says; sent until the owner confirms it.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct Return {
    /// Which loan.
    pub loan: u64,
    /// Whether the job has ended by it; else the right is back unused, or its release was stopped.
    pub used: bool,
}

/// The right is not where it was asked for.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum NoRight {
    /// Another box has it.
    #[error("box {0} has the right to release this job")]
    Lent(NodeId),
    /// A release is on its way.
    #[error("this job is being released")]
    Releasing,
    /// The job has ended.
    #[error("this job has ended")]
    Used,
    /// Nobody lent it, or this loan is over.
    #[error("the right to release this job is not here")]
    NotHere,
}

impl Own {
    /// Begins a release here.
    ///
    /// # Errors
    /// [`NoRight`], with which the state stays as it is.
    pub fn begin(&mut self) -> Result<(), NoRight> {
        self.here()?;
        self.right = Right::Releasing;
        Ok(())
    }

    /// The release here was stopped: the job may be released again.
    pub fn stopped(&mut self) {
        if self.right == Right::Releasing {
            self.right = Right::Here;
        }
    }

    /// The job ended here: settled, canceled or expired. A job that is lent does not expire here.
    ///
    /// # Errors
    /// [`NoRight::Lent`]
    pub fn end(&mut self) -> Result<(), NoRight> {
        if let Right::Lent(node) = self.right {
            return Err(NoRight::Lent(node));
        }
        self.right = Right::Used;
        Ok(())
    }

    /// Lends the right; answers the loan's number. Asked again by the same box, the same loan.
    ///
    /// # Errors
    /// [`NoRight`], with which the state stays as it is.
    pub fn lend(&mut self, to: NodeId) -> Result<u64, NoRight> {
        if self.right == Right::Lent(to) {
            return Ok(self.loan);
        }
        self.here()?;
        self.loan = self.loan.saturating_add(1);
        self.right = Right::Lent(to);
        Ok(self.loan)
    }

    /// The borrower's word. Only that of the last loan from its borrower counts; every word may be
    /// confirmed to its sender.
    pub fn returned(&mut self, from: NodeId, word: Return) {
        if self.right == Right::Lent(from) && self.loan == word.loan {
            self.right = if word.used { Right::Used } else { Right::Here };
        }
    }

    fn here(&self) -> Result<(), NoRight> {
        match self.right {
            Right::Here => Ok(()),
            Right::Releasing => Err(NoRight::Releasing),
            Right::Lent(node) => Err(NoRight::Lent(node)),
            Right::Used => Err(NoRight::Used),
        }
    }
}

impl Borrowed {
    /// Takes a loan; an old one, or the same once more, changes nothing.
    pub fn lent(&mut self, loan: u64) {
        if loan > self.loan {
            *self = Self {
                loan,
                state: Loan::Here,
            };
        }
    }

    /// Begins a release here.
    ///
    /// # Errors
    /// [`NoRight`], with which the state stays as it is.
    pub fn begin(&mut self) -> Result<(), NoRight> {
        match self.state {
            Loan::Here => {
                self.state = Loan::Releasing;
                Ok(())
            }
            Loan::Releasing => Err(NoRight::Releasing),
            Loan::Used => Err(NoRight::Used),
            Loan::Back => Err(NoRight::NotHere),
        }
    }

    /// The release here was stopped, or power was lost: the right goes back, and the owner asks the
    /// person. Also for a right that nobody used.
    pub fn give_back(&mut self) -> Option<Return> {
        match self.state {
            Loan::Here | Loan::Releasing => self.state = Loan::Back,
            Loan::Back | Loan::Used => {}
        }
        self.word()
    }

    /// The job ended here.
    pub fn end(&mut self) -> Option<Return> {
        if self.state == Loan::Releasing {
            self.state = Loan::Used;
        }
        self.word()
    }

    /// What the owner is to know; `None` while the right is here.
    #[must_use]
    pub fn word(&self) -> Option<Return> {
        let (loan, used) = (self.loan, self.state == Loan::Used);
        match self.state {
            Loan::Back | Loan::Used if loan > 0 => Some(Return { loan, used }),
            _ => None,
        }
    }
}
