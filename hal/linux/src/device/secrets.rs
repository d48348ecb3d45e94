// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Keys that parts need: those with which cards prove themselves, and those of readers' secure
//! channels. They come from the daemon's sealed store and never from the board file.

use std::collections::BTreeMap;

use platen_drivers::osdp::ReaderKey;
use platen_drivers::{CardKeys, Random};
use rustix::io::Errno;
use rustix::rand::{GetRandomFlags, getrandom};

/// Everything that the parts of a box are told in confidence. `Debug` shows no key.
#[derive(Clone, Debug, Default)]
pub struct DeviceSecrets {
    /// How cards prove their numbers; without it all numbers are weak.
    pub cards: Option<CardKeys>,
    /// Keys of OSDP readers' secure channels (SCBK), by the readers' names.
    pub osdp: BTreeMap<String, ReaderKey>,
}

impl DeviceSecrets {
    /// Takes over what was learnt with those of `before` that are the same keys: how far cards have
    /// counted, and which readers know theirs. Clones of one learn together.
    pub fn keep(&mut self, before: &Self) {
        if let (Some(cards), Some(before)) = (&mut self.cards, &before.cards) {
            cards.keep_counters(before);
        }
        for (name, key) in &mut self.osdp {
            let known = before.osdp.get(name);
            if let Some(known) = known.filter(|known| known.is_same_key(key)) {
                *key = known.clone();
            }
        }
    }
}

/// The kernel's random bytes. Where it has none they stay zero, which the drivers refuse to use as
/// a challenge.
#[must_use]
pub fn kernel_random() -> Random {
    Box::new(|bytes| {
        let mut rest = bytes;
        while !rest.is_empty() {
            match getrandom(&mut *rest, GetRandomFlags::empty()) {
                Ok(length) => rest = rest.get_mut(length..).unwrap_or_default(),
                Err(Errno::INTR) => (),
                Err(_) => return,
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn random_bytes_are_filled_to_the_end_and_differ() {
        let mut random = kernel_random();
        let (mut one, mut other) = ([0; 512], [0; 512]);
        random(&mut one);
        random(&mut other);
        assert_ne!(one, other);
        assert!(one.iter().skip(480).any(|byte| *byte != 0));
    }
}
