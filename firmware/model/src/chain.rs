// SPDX-License-Identifier: Apache-2.0 OR MIT
//! An error with everything that caused it, in one line: the one way an error gets into a log.

use std::error::Error;
use std::fmt;

/// Shows an error and its sources, separated by `: `.
#[derive(Clone, Copy, Debug)]
pub struct Chain<'a>(pub &'a (dyn Error + 'static));

impl fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)?;
        let mut source = self.0.source();
        while let Some(error) = source {
            write!(f, ": {error}")?;
            source = error.source();
        }
        Ok(())
    }
}
