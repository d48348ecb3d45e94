// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Bundles of releases go out piece by piece, a few at once: what boxes print and who they let in
//! comes first, and a box that asks for many pieces at once takes none from others.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use platen_model::NodeId;

use super::answer::Refused;

/// Pieces that one box fetches at once: the next one, and one whose answer was lost.
const OF_ONE_BOX: usize = 2;
/// Pieces that all boxes fetch at once: half of the database's connections.
const OF_ALL: usize = 8;

/// Who fetches how many pieces now.
#[derive(Debug, Default)]
pub(crate) struct Pieces(Mutex<HashMap<NodeId, usize>>);

/// Leave to fetch one piece, as long as it is kept.
#[derive(Debug)]
pub(super) struct Turn<'a> {
    pieces: &'a Pieces,
    node: NodeId,
}

impl Pieces {
    /// Lets a box fetch a piece.
    ///
    /// # Errors
    /// [`Refused`], for now: too many are under way.
    pub(super) fn admit(&self, node: NodeId) -> Result<Turn<'_>, Refused> {
        let mut under_way = self.lock();
        let own = under_way.get(&node).copied().unwrap_or_default();
        if own >= OF_ONE_BOX || under_way.values().sum::<usize>() >= OF_ALL {
            return Err(Refused::busy("many boxes fetch a release now; come again"));
        }
        under_way.insert(node, own + 1);
        drop(under_way);
        Ok(Turn { pieces: self, node })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<NodeId, usize>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let mut under_way = self.pieces.lock();
        match under_way.get(&self.node).copied() {
            Some(own) if own > 1 => drop(under_way.insert(self.node, own - 1)),
            _ => drop(under_way.remove(&self.node)),
        }
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[test]
    fn a_box_fetches_two_pieces_at_once_and_all_together_eight() {
        let pieces = Pieces::default();
        let node = |n| NodeId(Uuid::from_u128(n));
        let first = pieces.admit(node(1)).unwrap();
        let second = pieces.admit(node(1)).unwrap();
        assert!(pieces.admit(node(1)).is_err());
        drop(first);
        let mut turns = vec![pieces.admit(node(1)).unwrap()];
        turns.extend((2..8).map(|n| pieces.admit(node(n)).unwrap()));
        assert!(pieces.admit(node(9)).is_err(), "eight are under way");
        turns.pop();
        assert!(pieces.admit(node(9)).is_ok());
        drop(turns);
        drop(second);
        assert!(pieces.lock().is_empty());
    }
}
