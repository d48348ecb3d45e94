// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Object identifiers: names of what a managed device knows. X.660; at most 128 numbers of 32 bits
//! each (RFC 3416 §4.1, RFC 2578 §3.5).

use std::fmt;

/// Most numbers in a name.
pub const ARCS_MAX: usize = 128;

/// The name of an object, its numbers in order. Ordered as a walk goes.
#[derive(Clone, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Oid(Vec<u32>);

impl Oid {
    /// A name of the given numbers; `None` past [`ARCS_MAX`], below two, or when the first two
    /// can't be written in BER (X.690 §8.19.4: the first is 0 to 2, the second below 40 under 0
    /// and 1).
    #[must_use]
    pub fn new(arcs: &[u32]) -> Option<Self> {
        let fits = match arcs {
            [0 | 1, second, ..] => *second < 40,
            [2, second, ..] => *second <= u32::MAX - 80,
            _ => false,
        };
        (fits && arcs.len() <= ARCS_MAX).then(|| Self(arcs.to_vec()))
    }

    /// `prefix` with `further` numbers behind it; `None` past [`ARCS_MAX`].
    #[must_use]
    pub fn below(prefix: &[u32], further: &[u32]) -> Option<Self> {
        Self::new(&[prefix, further].concat())
    }

    /// Its numbers.
    #[must_use]
    pub fn arcs(&self) -> &[u32] {
        &self.0
    }

    /// What stands behind `prefix`; `None` when the name does not begin with it.
    #[must_use]
    pub fn index_below(&self, prefix: &[u32]) -> Option<&[u32]> {
        self.0.strip_prefix(prefix)
    }
}

impl fmt::Display for Oid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, arc) in self.0.iter().enumerate() {
            let dot = if place == 0 { "" } else { "." };
            write!(f, "{dot}{arc}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Oid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Oid({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_ber_cannot_write_are_none() {
        assert!(Oid::new(&[1, 3, 6, 1]).is_some());
        assert!(Oid::new(&[2, 999, 3]).is_some());
        for wrong in [&[][..], &[1], &[3, 1], &[1, 40], &[2, u32::MAX]] {
            assert_eq!(Oid::new(wrong), None, "{wrong:?}");
        }
        assert_eq!(Oid::new(&[1; ARCS_MAX + 1]), None);
    }

    #[test]
    fn order_is_the_order_of_a_walk() {
        let oid = |arcs: &[u32]| Oid::new(arcs).unwrap();
        assert!(oid(&[1, 3, 6]) < oid(&[1, 3, 6, 1]));
        assert!(oid(&[1, 3, 6, 9]) < oid(&[1, 3, 7]));
        assert_eq!(oid(&[1, 3, 6, 9]).index_below(&[1, 3]), Some(&[6, 9][..]));
        assert_eq!(oid(&[1, 3, 6, 9]).index_below(&[1, 4]), None);
    }
}
