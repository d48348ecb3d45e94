// SPDX-License-Identifier: Apache-2.0 OR MIT
//! How often one address may try to log in at the page. Wrong tries are counted for each credential
//! and for the box by the login machine; this keeps one address from spending the box's whole
//! allowance, which the people at the panel need, too.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Tries that an address has at once.
const TRIES: u32 = 10;
/// Time after which it has one more.
const ONE_MORE: Duration = Duration::from_secs(120);
/// Addresses that are remembered; past it the one that tried longest ago is forgotten.
const ADDRESSES_MAX: usize = 4096;

#[derive(Clone, Copy)]
struct Left {
    tries: u32,
    /// Up to when tries have been given back.
    since: Duration,
}

/// The tries that addresses have left.
#[derive(Default)]
pub(super) struct Gate(Mutex<HashMap<IpAddr, Left>>);

impl Gate {
    /// Takes a try of an address; `false` when there is none left. `now` is elapsed time.
    pub(super) fn pass(&self, address: Option<IpAddr>, now: Duration) -> bool {
        let Some(network) = address.map(network) else {
            return true;
        };
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= ADDRESSES_MAX && !known.contains_key(&network) {
            let oldest = known.iter().min_by_key(|(_, left)| left.since);
            if let Some(address) = oldest.map(|(address, _)| *address) {
                known.remove(&address);
            }
        }
        let left = known.entry(network).or_insert(Left {
            tries: TRIES,
            since: now,
        });
        let steps = now.saturating_sub(left.since).as_secs() / ONE_MORE.as_secs();
        let steps = u32::try_from(steps).unwrap_or(u32::MAX);
        left.tries = left.tries.saturating_add(steps).min(TRIES);
        left.since = match left.tries {
            TRIES => now,
            _ => left.since + ONE_MORE * steps,
        };
        let Some(tries) = left.tries.checked_sub(1) else {
            return false;
        };
        left.tries = tries;
        true
    }

    /// The try was a right one.
    pub(super) fn give_back(&self, address: Option<IpAddr>) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(left) = address.and_then(|address| known.get_mut(&network(address))) {
            left.tries = left.tries.saturating_add(1).min(TRIES);
        }
    }
}

/// An IPv6 host has its whole /64 to choose from.
fn network(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(six) => {
            let [a, b, c, d, ..] = six.segments();
            IpAddr::from([a, b, c, d, 0, 0, 0, 0])
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn an_address_has_a_few_tries_and_then_one_in_two_minutes() {
        let gate = Gate::default();
        let here = "192.0.2.1".parse().ok();
        let passed = (0..10_000).filter(|_| gate.pass(here, at(0))).count();
        assert_eq!(passed, TRIES as usize);
        assert!(gate.pass("192.0.2.2".parse().ok(), at(0)));
        assert!(!gate.pass(here, at(119)));
        assert!(gate.pass(here, at(120)) && !gate.pass(here, at(121)));
        let later = (0..100).filter(|_| gate.pass(here, at(100_000))).count();
        assert_eq!(later, TRIES as usize);
    }

    #[test]
    fn right_tries_cost_nothing() {
        let gate = Gate::default();
        let here = "192.0.2.1".parse().ok();
        for _ in 0..1000 {
            assert!(gate.pass(here, at(0)));
            gate.give_back(here);
        }
    }

    #[test]
    fn a_host_is_its_network_where_it_can_choose_its_address() {
        let gate = Gate::default();
        let passed = (0..1000).filter(|host| {
            let address = format!("2001:db8::{host:x}").parse().ok();
            gate.pass(address, at(0))
        });
        assert_eq!(passed.count(), TRIES as usize);
    }

    #[test]
    fn a_flood_of_addresses_is_not_remembered_without_end() {
        let gate = Gate::default();
        for host in 0..u32::try_from(ADDRESSES_MAX).unwrap() + 100 {
            gate.pass(Some(IpAddr::from(host.to_be_bytes())), at(u64::from(host)));
        }
        assert_eq!(gate.0.lock().unwrap().len(), ADDRESSES_MAX);
    }
}
