// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A Wiegand reader's two lines: numbers become edges in time. Written from the readers' manuals
//! (XPR BIOC3 p. 17, PROMAG WEC200 p. 17), apart from the decoder.

/// How a reader times its pulses.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct WiegandTiming {
    /// Length of a pulse.
    pub pulse_ns: u64,
    /// From the begin of a pulse to that of the next.
    pub interval_ns: u64,
}

impl Default for WiegandTiming {
    /// 100 µs each 1 ms, as most readers.
    fn default() -> Self {
        Self {
            pulse_ns: 100_000,
            interval_ns: 1_000_000,
        }
    }
}

/// A change of level on one of the lines.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct WireEdge {
    /// Whether it is D1.
    pub one: bool,
    /// Whether the line went low.
    pub low: bool,
    /// When.
    pub at_ns: u64,
}

/// The bits of a number between its two parity bits, in the order they are sent. `data` is spelled
/// in `count` bits; the first parity bit covers as many bits as the last, both half of the whole,
/// rounded up.
#[must_use]
pub fn wiegand_bits(data: u64, count: u8) -> Vec<bool> {
    let data: Vec<bool> = (0..count).rev().map(|bit| data >> bit & 1 == 1).collect();
    let half = data.len().div_ceil(2);
    let ones = |bits: &[bool]| bits.iter().filter(|bit| **bit).count();
    let first = ones(data.get(..half).unwrap_or_default()) % 2 == 1;
    let last = ones(data.get(data.len() - half..).unwrap_or_default()) % 2 == 0;
    let mut all = vec![first];
    all.extend(data);
    all.push(last);
    all
}

/// The edges of these bits, from `start_ns` on.
#[must_use]
pub fn wiegand_edges(bits: &[bool], timing: WiegandTiming, start_ns: u64) -> Vec<WireEdge> {
    let mut edges = Vec::with_capacity(bits.len() * 2);
    let mut at_ns = start_ns;
    for one in bits.iter().copied() {
        let (low, until) = (true, at_ns + timing.pulse_ns);
        edges.push(WireEdge { one, low, at_ns });
        edges.push(WireEdge {
            one,
            low: false,
            at_ns: until,
        });
        at_ns += timing.interval_ns;
    }
    edges
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_published_number_has_its_published_bits() {
        let bits = wiegand_bits(170 << 16 | 31_527, 24);
        let text: String = bits
            .iter()
            .map(|bit| if *bit { '1' } else { '0' })
            .collect();
        assert_eq!(text, "11010101001111011001001110");
    }
}
