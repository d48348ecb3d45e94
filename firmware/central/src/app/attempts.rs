// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Tries at a transaction that others may get in the way of: all lock in one order
//! (`docs/formats/central-database.md`), but two can still want the same rows crosswise, such as the
//! charges of one job from two boxes, and PostgreSQL then gives one of them up.

use super::CentreError;

/// How often a transaction is begun, at most.
const ATTEMPTS_MAX: u32 = 5;

/// Counts the tries at one transaction.
pub(super) struct Attempts {
    left: u32,
}

impl Attempts {
    pub(super) fn new() -> Self {
        Self { left: ATTEMPTS_MAX }
    }

    /// Whether this outcome stands: it does unless others were in the way and there are tries left.
    pub(super) fn stands<T>(&mut self, outcome: &Result<T, CentreError>) -> bool {
        self.left = self.left.saturating_sub(1);
        self.left == 0 || !matches!(outcome, Err(CentreError::Crossed(_)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_others_crossed_is_tried_again_and_not_for_ever() {
        let crossed = || Err::<(), _>(CentreError::Crossed(sqlx::Error::PoolClosed));
        let mut attempts = Attempts::new();
        let tried = (1..100).find(|_| attempts.stands(&crossed()));
        assert_eq!(tried, Some(5));
        assert!(Attempts::new().stands(&Ok(())));
        assert!(Attempts::new().stands(&Err::<(), _>(CentreError::Busy)));
    }
}
