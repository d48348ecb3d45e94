// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The little of ASN.1's Basic Encoding Rules that SNMP uses (X.690; RFC 3417 §8): definite
//! lengths, low tag numbers, no constructed strings.
//!
//! Read more loosely than written, where devices are known to be loose: lengths and integers may
//! have leading zero octets, and an unsigned number may lack the one that keeps it from looking
//! negative.

use super::{Oid, SnmpError};

/// Octets of a length, its first included. Four of them are more than a datagram holds.
const LENGTH_OCTETS_MAX: u8 = 4;
/// Octets of an integer: 64 bits and one that keeps the sign.
const INTEGER_OCTETS_MAX: usize = 9;

/// Reads elements one after another.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    pub(super) fn new(octets: &'a [u8]) -> Self {
        Self(octets)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn octet(&mut self) -> Result<u8, SnmpError> {
        let (first, rest) = self.0.split_first().ok_or(SnmpError::Short)?;
        self.0 = rest;
        Ok(*first)
    }

    /// The next element's tag and contents.
    pub(super) fn element(&mut self) -> Result<(u8, &'a [u8]), SnmpError> {
        let tag = self.octet()?;
        let length = self.length()?;
        let (contents, rest) = self.0.split_at_checked(length).ok_or(SnmpError::Short)?;
        self.0 = rest;
        Ok((tag, contents))
    }

    /// The contents of the next element, which must have `tag`.
    pub(super) fn expect(&mut self, tag: u8) -> Result<&'a [u8], SnmpError> {
        match self.element()? {
            (found, contents) if found == tag => Ok(contents),
            _ => Err(SnmpError::Tag),
        }
    }

    /// The next element, an INTEGER of 32 bits.
    pub(super) fn integer(&mut self, tag: u8) -> Result<i32, SnmpError> {
        i32::try_from(signed(self.expect(tag)?)?).map_err(|_| SnmpError::Number)
    }

    fn length(&mut self) -> Result<usize, SnmpError> {
        let first = self.octet()?;
        if first < 0x80 {
            return Ok(usize::from(first));
        }
        let count = first & 0x7f;
        // 0x80 is the indefinite form, which SNMP forbids (RFC 3417 §8).
        if count == 0 || count > LENGTH_OCTETS_MAX {
            return Err(SnmpError::Length);
        }
        let mut length = 0_usize;
        for _ in 0..count {
            let octet = usize::from(self.octet()?);
            length = length.checked_mul(256).ok_or(SnmpError::Length)? | octet;
        }
        Ok(length)
    }
}

/// Two's complement, most significant octet first.
pub(super) fn signed(contents: &[u8]) -> Result<i64, SnmpError> {
    let first = contents.first().ok_or(SnmpError::Number)?;
    let start = if first & 0x80 == 0 { 0_i64 } else { -1 };
    if contents.len() > INTEGER_OCTETS_MAX - 1 {
        return Err(SnmpError::Number);
    }
    let join = |number: i64, octet: &u8| (number << 8) | i64::from(*octet);
    Ok(contents.iter().fold(start, join))
}

/// A number without sign of at most `octets` octets. One that some device wrote without the zero
/// octet before its highest bit is taken as it was meant.
pub(super) fn unsigned(contents: &[u8], octets: usize) -> Result<u64, SnmpError> {
    let kept = match contents {
        [] => return Err(SnmpError::Number),
        [0, rest @ ..] if contents.len() == octets + 1 => rest,
        all => all,
    };
    if kept.len() > octets {
        return Err(SnmpError::Number);
    }
    let join = |number: u64, octet: &u8| (number << 8) | u64::from(*octet);
    Ok(kept.iter().fold(0, join))
}

/// X.690 §8.19: seven bits an octet, the first two numbers in one.
pub(super) fn object_id(contents: &[u8]) -> Result<Oid, SnmpError> {
    let mut arcs = Vec::with_capacity(contents.len() + 1);
    let mut number = 0_u32;
    let mut open = false;
    for octet in contents {
        // A number must not begin with seven zero bits; that would let a name grow without end.
        if !open && *octet == 0x80 {
            return Err(SnmpError::Name);
        }
        let shifted = number.checked_mul(128).ok_or(SnmpError::Name)?;
        number = shifted | u32::from(octet & 0x7f);
        open = octet & 0x80 != 0;
        if !open {
            push_arc(&mut arcs, number);
            number = 0;
        }
        if arcs.len() > super::ARCS_MAX {
            return Err(SnmpError::Name);
        }
    }
    if open {
        return Err(SnmpError::Name);
    }
    Oid::new(&arcs).ok_or(SnmpError::Name)
}

fn push_arc(arcs: &mut Vec<u32>, number: u32) {
    if arcs.is_empty() {
        let first = (number / 40).min(2);
        arcs.extend([first, number - first * 40]);
    } else {
        arcs.push(number);
    }
}

/// Appends one element.
pub(super) fn put(out: &mut Vec<u8>, tag: u8, contents: &[u8]) {
    out.push(tag);
    let length = contents.len().to_be_bytes();
    let zeros = length.iter().take_while(|octet| **octet == 0).count();
    let octets = length.get(zeros..).unwrap_or_default();
    match octets {
        [] => out.push(0),
        [short] if *short < 0x80 => out.push(*short),
        long => {
            // A length has eight octets at most.
            out.push(0x80 | u8::try_from(long.len()).unwrap_or(8));
            out.extend_from_slice(long);
        }
    }
    out.extend_from_slice(contents);
}

/// Appends an INTEGER in its shortest form.
pub(super) fn put_signed(out: &mut Vec<u8>, tag: u8, number: i64) {
    let octets = number.to_be_bytes();
    let fill = if number < 0 { 0xff } else { 0 };
    let mut rest = octets.as_slice();
    while let [first, next @ ..] = rest {
        let same_sign = next.first().is_some_and(|octet| (octet ^ fill) & 0x80 == 0);
        if *first != fill || !same_sign {
            break;
        }
        rest = next;
    }
    put(out, tag, rest);
}

/// Appends a number without sign in its shortest form.
pub(super) fn put_unsigned(out: &mut Vec<u8>, tag: u8, number: u64) {
    let mut octets = vec![0];
    octets.extend_from_slice(&number.to_be_bytes());
    let mut rest = octets.as_slice();
    while let [0, next @ ..] = rest {
        if next.first().is_none_or(|octet| octet & 0x80 != 0) {
            break;
        }
        rest = next;
    }
    put(out, tag, rest);
}

/// Appends an OBJECT IDENTIFIER.
pub(super) fn put_object_id(out: &mut Vec<u8>, tag: u8, oid: &Oid) {
    let mut contents = Vec::new();
    if let [first, second, rest @ ..] = oid.arcs() {
        put_arc(&mut contents, first * 40 + second);
        rest.iter().for_each(|arc| put_arc(&mut contents, *arc));
    }
    put(out, tag, &contents);
}

fn put_arc(out: &mut Vec<u8>, arc: u32) {
    // Five groups of seven bits hold 32.
    let groups = [28, 21, 14, 7, 0].map(|shift| (arc >> shift) & 0x7f);
    let zeros = groups.iter().take(4).take_while(|group| **group == 0);
    let skip = zeros.count();
    for (place, group) in groups.iter().enumerate().skip(skip) {
        let more = if place < 4 { 0x80 } else { 0 };
        // A group has seven bits.
        out.push(u8::try_from(*group).unwrap_or(0x7f) | more);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_are_written_in_their_shortest_form_and_read_back() {
        // X.690 §8.3.2: the first nine bits are not all the same.
        let vectors: [(i64, &[u8]); 9] = [
            (0, &[0]),
            (127, &[0x7f]),
            (128, &[0, 0x80]),
            (256, &[1, 0]),
            (-1, &[0xff]),
            (-128, &[0x80]),
            (-129, &[0xff, 0x7f]),
            (0x7fff_ffff, &[0x7f, 0xff, 0xff, 0xff]),
            (-0x8000_0000, &[0x80, 0, 0, 0]),
        ];
        for (number, contents) in vectors {
            let mut out = Vec::new();
            put_signed(&mut out, 2, number);
            assert_eq!(out.get(2..), Some(contents), "{number}");
            assert_eq!(signed(contents), Ok(number));
        }
    }

    #[test]
    fn unsigned_numbers_are_read_with_and_without_their_zero_octet() {
        assert_eq!(unsigned(&[0, 0xff, 0xff, 0xff, 0xff], 4), Ok(0xffff_ffff));
        assert_eq!(unsigned(&[0xff, 0xff, 0xff, 0xff], 4), Ok(0xffff_ffff));
        assert_eq!(unsigned(&[0x81], 4), Ok(0x81));
        assert_eq!(unsigned(&[1, 0, 0, 0, 0], 4), Err(SnmpError::Number));
        let mut out = Vec::new();
        put_unsigned(&mut out, 0x41, 0xffff_ffff);
        assert_eq!(out, [0x41, 5, 0, 0xff, 0xff, 0xff, 0xff]);
    }

    #[test]
    fn names_are_written_as_the_standard_s_example() {
        // X.690 §8.19.5: {2 999 3} is 06 03 88 37 03.
        let oid = Oid::new(&[2, 999, 3]).unwrap();
        let mut out = Vec::new();
        put_object_id(&mut out, 6, &oid);
        assert_eq!(out, [6, 3, 0x88, 0x37, 3]);
        assert_eq!(object_id(&[0x88, 0x37, 3]), Ok(oid));
        assert_eq!(object_id(&[0x2b, 0x86]), Err(SnmpError::Name));
        assert_eq!(object_id(&[0x2b, 0x80, 1]), Err(SnmpError::Name));
        assert_eq!(
            object_id(&[0x2b, 0x90, 0x80, 0x80, 0x80, 0]),
            Err(SnmpError::Name)
        );
        assert_eq!(object_id(&[]), Err(SnmpError::Name));
    }

    #[test]
    fn lengths_are_read_in_every_form_but_the_indefinite_one() {
        for octets in [&[4, 1, 7][..], &[4, 0x81, 1, 7], &[4, 0x84, 0, 0, 0, 1, 7]] {
            assert_eq!(
                Reader::new(octets).element(),
                Ok((4, &[7][..])),
                "{octets:?}"
            );
        }
        assert_eq!(
            Reader::new(&[4, 0x80, 7, 0, 0]).element(),
            Err(SnmpError::Length)
        );
        let long = [4, 0x85, 0, 0, 0, 0, 1, 7];
        assert_eq!(Reader::new(&long).element(), Err(SnmpError::Length));
        let lying = [4, 0x84, 0xff, 0xff, 0xff, 0xff, 7];
        assert_eq!(Reader::new(&lying).element(), Err(SnmpError::Short));
    }
}
