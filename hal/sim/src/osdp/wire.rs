// SPDX-License-Identifier: Apache-2.0 OR MIT
//! OSDP packets as a reader hears and makes them. Source: SIA OSDP 2.2 §5.9 as public
//! implementations state it; apart from the driver's codec.

/// A command that was heard whole.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Heard {
    /// All of it, from 53 to the check.
    pub(super) whole: Vec<u8>,
    pub(super) address: u8,
    pub(super) sequence: u8,
    pub(super) with_crc: bool,
    /// Security block without its length.
    pub(super) security: Vec<u8>,
    pub(super) code: u8,
    /// What follows the code, the MAC included.
    pub(super) data: Vec<u8>,
}

/// What is at the beginning of the bytes heard.
#[derive(Debug, Eq, PartialEq)]
pub(super) enum Found {
    /// Not enough to tell.
    More,
    /// No packet: this many bytes are to be passed over.
    Skip(usize),
    /// A packet with a wrong check, of this length.
    Wrong(usize),
    /// A packet of this length.
    Packet(Box<Heard>, usize),
}

const LONGEST: usize = 512;

/// The divisor 11021 of the CRC, bit by bit from the top, as a division on paper.
pub(super) fn crc(bytes: &[u8]) -> [u8; 2] {
    let mut rest: u32 = 0x1d0f;
    for byte in bytes {
        for bit in (0..8).rev() {
            let next = u32::from(byte >> bit & 1);
            let top = rest >> 15 & 1;
            rest = (rest << 1) & 0xffff;
            if top ^ next == 1 {
                rest ^= 0x1021;
            }
        }
    }
    let [low, high, ..] = rest.to_le_bytes();
    [low, high]
}

fn checksum(bytes: &[u8]) -> u8 {
    let total: u32 = bytes.iter().map(|byte| u32::from(*byte)).sum();
    let [low, ..] = (0x100 - total % 0x100).to_le_bytes();
    low
}

pub(super) fn find(bytes: &[u8]) -> Found {
    match bytes {
        [] => return Found::More,
        [0x53, ..] => {}
        _ => {
            let at = bytes.iter().position(|byte| *byte == 0x53);
            return Found::Skip(at.unwrap_or(bytes.len()));
        }
    }
    let [_, address, low, high, control, ..] = *bytes else {
        return Found::More;
    };
    let length = usize::from(low) + 256 * usize::from(high);
    if !(7..=LONGEST).contains(&length) {
        return Found::Skip(1);
    }
    let Some(whole) = bytes.get(..length) else {
        return Found::More;
    };
    let with_crc = control & 4 != 0;
    let (content, check) = whole.split_at(length - if with_crc { 2 } else { 1 });
    let right = if with_crc {
        check == crc(content)
    } else {
        check == [checksum(content)]
    };
    if !right {
        return Found::Wrong(length);
    }
    let mut rest = &content[5..];
    let mut security = Vec::new();
    if control & 8 != 0 {
        let length = rest.first().map_or(0, |length| usize::from(*length));
        if length < 2 || length > rest.len() {
            return Found::Wrong(whole.len());
        }
        security = rest[1..length].to_vec();
        rest = &rest[length..];
    }
    let Some((code, data)) = rest.split_first() else {
        return Found::Wrong(length);
    };
    let heard = Heard {
        whole: whole.to_vec(),
        address,
        sequence: control & 3,
        with_crc,
        security,
        code: *code,
        data: data.to_vec(),
    };
    Found::Packet(Box::new(heard), length)
}

/// A reply before its MAC and check, its length already counting both.
pub(super) fn begin(
    address: u8,
    sequence: u8,
    with_crc: bool,
    security: &[u8],
    code: u8,
    data: &[u8],
) -> Vec<u8> {
    let signed = matches!(security, [0x16 | 0x18]);
    let mut control = sequence | if with_crc { 4 } else { 0 };
    let mut rest = Vec::new();
    if !security.is_empty() {
        control |= 8;
        rest.push(u8::try_from(security.len() + 1).unwrap_or(0));
        rest.extend(security);
    }
    rest.push(code);
    rest.extend(data);
    let length = 5 + rest.len() + if signed { 4 } else { 0 } + if with_crc { 2 } else { 1 };
    let [low, high] = u16::try_from(length).unwrap_or(0).to_le_bytes();
    let mut packet = vec![0x53, address | 0x80, low, high, control];
    packet.extend(rest);
    packet
}

/// Closes a packet with its check.
pub(super) fn close(mut packet: Vec<u8>, with_crc: bool) -> Vec<u8> {
    if with_crc {
        packet.extend(crc(&packet));
    } else {
        packet.push(checksum(&packet));
    }
    packet
}

/// Puts a right check at the end of a packet that somebody has changed.
pub(super) fn check_again(packet: &mut Vec<u8>) {
    let with_crc = packet.get(4).is_some_and(|control| control & 4 != 0);
    let length = packet.len() - if with_crc { 2 } else { 1 };
    packet.truncate(length);
    *packet = close(std::mem::take(packet), with_crc);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Annex E.
    #[test]
    fn the_published_packets_are_heard() {
        let published: [&[u8]; 4] = [
            &[
                0x53, 0x7f, 0x0d, 0, 4, 0x6e, 0x00, 0x80, 0x25, 0, 0, 0x6e, 0x38,
            ],
            &[0x53, 0, 9, 0, 4, 0x61, 0, 0xc0, 0x66],
            &[0x53, 0x7f, 0x0c, 0, 0, 0x6e, 0x00, 0x80, 0x25, 0, 0, 0x0f],
            &[0x53, 0, 8, 0, 0, 0x61, 0, 0x44],
        ];
        for bytes in published {
            let Found::Packet(heard, length) = find(bytes) else {
                panic!("{bytes:02x?} is not heard");
            };
            assert_eq!((length, heard.code), (bytes.len(), bytes[5]));
            let mut wrong = bytes.to_vec();
            *wrong.last_mut().unwrap() ^= 1;
            assert_eq!(find(&wrong), Found::Wrong(bytes.len()));
            check_again(&mut wrong);
            assert_eq!(wrong, bytes);
        }
        assert_eq!(crc(b"123456789"), [0xcc, 0xe5]);
    }

    #[test]
    fn what_is_no_packet_is_passed_over() {
        assert_eq!(find(&[0xff, 0xff, 0x53]), Found::Skip(2));
        assert_eq!(find(&[0x53, 0, 6, 0, 4]), Found::Skip(1));
        assert_eq!(find(&[0x53, 0, 8, 0, 4, 0x60]), Found::More);
    }
}
