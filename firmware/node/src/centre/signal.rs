// SPDX-License-Identifier: Apache-2.0 OR MIT
//! One task wakes another.

use smol::channel::{Receiver, Sender, bounded};

/// Tells one waiter that something is to be done; told twice in between counts as once.
pub(super) struct Signal(Sender<()>, Receiver<()>);

impl Default for Signal {
    fn default() -> Self {
        let (sender, receiver) = bounded(1);
        Self(sender, receiver)
    }
}

impl Signal {
    pub(super) fn set(&self) {
        // What was told already and not taken yet stands for this one, too.
        let _ = self.0.try_send(());
    }

    pub(super) async fn wait(&self) {
        // The other end is in `self`.
        let _ = self.1.recv().await;
    }
}
