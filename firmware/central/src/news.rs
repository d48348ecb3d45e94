// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Wakes everybody who waits for news: boxes on a long poll. It says that something may have
//! changed, never what; who wakes looks for themselves.

use std::sync::{Mutex, PoisonError};

use smol::channel::{Receiver, Sender, bounded};

/// Wakes its listeners.
pub(crate) struct News {
    /// Nothing is ever sent: the channel only closes, and a new one takes its place.
    current: Mutex<(Sender<()>, Receiver<()>)>,
}

/// Hears of the next news after it was made.
pub(crate) struct Ear(Receiver<()>);

impl News {
    pub(crate) fn new() -> Self {
        Self {
            current: Mutex::new(bounded(1)),
        }
    }

    /// Begins to listen. Take the ear before looking, so that nothing falls between.
    pub(crate) fn listen(&self) -> Ear {
        let current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        Ear(current.1.clone())
    }

    /// Wakes all ears.
    pub(crate) fn tell(&self) {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        let (old, _) = std::mem::replace(&mut *current, bounded(1));
        old.close();
    }
}

impl Ear {
    /// Ends with the next news.
    pub(crate) async fn heard(&self) {
        // Ends with an error when the channel closes, which is the news.
        let _ = self.0.recv().await;
    }
}

#[cfg(test)]
mod tests {
    use smol::future::{block_on, poll_once};

    use super::*;

    #[test]
    fn everybody_hears_what_comes_after_they_began_to_listen() {
        let news = News::new();
        let (first, second) = (news.listen(), news.listen());
        assert!(block_on(poll_once(first.heard())).is_none());
        news.tell();
        assert!(block_on(poll_once(first.heard())).is_some());
        assert!(block_on(poll_once(second.heard())).is_some());
        assert!(block_on(poll_once(news.listen().heard())).is_none());
    }
}
