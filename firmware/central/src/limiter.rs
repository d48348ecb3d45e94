// SPDX-License-Identifier: Apache-2.0 OR MIT
//! How often one address may try something that costs or guesses: wrong tokens, logins, requests to
//! become a member. Each address has a bucket of tries that fills again with time; an IPv6 client is
//! its /64, since it has all of that. Kept in memory: a second server lets it try as often again.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Addresses remembered; beyond it the one that was heard of longest ago is forgotten.
const ADDRESSES_MAX: usize = 4096;

/// Counts tries by address.
#[derive(Debug)]
pub(crate) struct Limiter {
    tries: u32,
    refill: Duration,
    buckets: Mutex<HashMap<IpAddr, Bucket>>,
}

#[derive(Clone, Copy, Debug)]
struct Bucket {
    left: u32,
    /// When `left` was last brought up to date, since the clock's start.
    at: Duration,
}

impl Limiter {
    /// Allows `tries` at once, and one more every `refill`.
    pub(crate) fn new(tries: u32, refill: Duration) -> Self {
        Self {
            tries,
            refill,
            buckets: Mutex::default(),
        }
    }

    /// Takes a try of `address`, if it has one left. `now` is the clock's elapsed time.
    pub(crate) fn take(&self, address: IpAddr, now: Duration) -> bool {
        let mut bucket = self.look(address, now);
        let allowed = bucket.left > 0;
        bucket.left = bucket.left.saturating_sub(1);
        self.keep(address, bucket);
        allowed
    }

    /// Whether `address` has a try left.
    pub(crate) fn allows(&self, address: IpAddr, now: Duration) -> bool {
        self.look(address, now).left > 0
    }

    /// Seconds until `address` gets another try.
    pub(crate) fn retry_after_s(&self) -> u64 {
        self.refill.as_secs().max(1)
    }

    fn look(&self, address: IpAddr, now: Duration) -> Bucket {
        let buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(bucket) = buckets.get(&whole(address)).copied() else {
            let left = self.tries;
            return Bucket { left, at: now };
        };
        let since = now.saturating_sub(bucket.at);
        let back = since.as_millis() / self.refill.as_millis().max(1);
        let back = u32::try_from(back).unwrap_or(u32::MAX);
        Bucket {
            left: bucket.left.saturating_add(back).min(self.tries),
            // What is not a whole try yet goes on counting.
            at: bucket.at + self.refill.saturating_mul(back).min(since),
        }
    }

    fn keep(&self, address: IpAddr, bucket: Bucket) {
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        let address = whole(address);
        if buckets.len() >= ADDRESSES_MAX && !buckets.contains_key(&address) {
            let oldest = buckets.iter().min_by_key(|(_, bucket)| bucket.at);
            if let Some(oldest) = oldest.map(|(address, _)| *address) {
                buckets.remove(&oldest);
            }
        }
        buckets.insert(address, bucket);
    }
}

fn whole(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => address.into(),
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn address(last: u8) -> IpAddr {
        Ipv4Addr::new(192, 0, 2, last).into()
    }

    #[test]
    fn tries_come_back_one_by_one() {
        let limiter = Limiter::new(3, 10 * SECOND);
        assert!((0..3).all(|_| limiter.take(address(1), SECOND)));
        assert!(!limiter.take(address(1), 10 * SECOND));
        assert!(
            limiter.take(address(2), 10 * SECOND),
            "others are not held up"
        );
        assert!(limiter.allows(address(1), 11 * SECOND));
        assert!(limiter.take(address(1), 11 * SECOND));
        assert!(!limiter.take(address(1), 11 * SECOND));
        assert!((0..3).all(|_| limiter.take(address(1), 100 * SECOND)));
        assert!(!limiter.take(address(1), 100 * SECOND));
    }

    #[test]
    fn one_network_of_ipv6_is_one_client() {
        let limiter = Limiter::new(1, 10 * SECOND);
        let of = |text: &str| text.parse::<IpAddr>().unwrap();
        assert!(limiter.take(of("2001:db8::1"), SECOND));
        assert!(!limiter.take(of("2001:db8::ffff:2"), SECOND));
        assert!(limiter.take(of("2001:db8:0:1::1"), SECOND));
        assert!(limiter.take(of("192.0.2.1"), SECOND));
        assert!(!limiter.take(of("::ffff:192.0.2.1"), SECOND));
    }

    #[test]
    fn no_more_addresses_are_remembered_than_the_limit() {
        let limiter = Limiter::new(1, 10 * SECOND);
        for number in 0..=u32::try_from(ADDRESSES_MAX).unwrap() {
            let at = Duration::from_millis(u64::from(number));
            limiter.take(Ipv4Addr::from_bits(number).into(), at);
        }
        assert_eq!(limiter.buckets.lock().unwrap().len(), ADDRESSES_MAX);
    }
}
