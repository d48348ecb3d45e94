// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Packets as the sensor's side sees them. Source: *ZFM-20 series user manual* Ver 2.0, data package
//! format.

/// What a host's bytes mean.
#[derive(Debug, Eq, PartialEq)]
pub(super) enum Heard {
    /// To this address: code and arguments.
    Command(u32, Vec<u8>),
    /// To this address: whether it is the last, and a part of a template.
    Data(u32, bool, Vec<u8>),
    /// A command with a wrong sum. Data with a wrong sum is passed over.
    Damaged,
}

/// The first packet in what was heard, and where it ends.
pub(super) fn parse(heard: &[u8]) -> Option<(Heard, usize)> {
    let at = heard.windows(2).position(|pair| pair == [0xef, 0x01])?;
    let rest = heard.get(at + 2..)?;
    let [a3, a2, a1, a0, kind, l1, l0, rest @ ..] = rest else {
        return None;
    };
    let length = usize::from(*l1) << 8 | usize::from(*l0);
    if !(3..=258).contains(&length) {
        return parse(heard.get(at + 2..)?).map(|(found, end)| (found, at + 2 + end));
    }
    let body = rest.get(..length)?;
    let (content, sum) = body.split_at(length - 2);
    let mut right = u32::from(*kind) + u32::from(*l1) + u32::from(*l0);
    right += content.iter().map(|byte| u32::from(*byte)).sum::<u32>();
    let matches = matches!(sum, [s1, s0] if right & 0xffff == u32::from(*s1) << 8 | u32::from(*s0));
    let address = u32::from_be_bytes([*a3, *a2, *a1, *a0]);
    let end = at + 9 + length;
    match (kind, matches) {
        (0x01, true) => Some((Heard::Command(address, content.to_vec()), end)),
        (0x02 | 0x08, true) => {
            let last = *kind == 0x08;
            Some((Heard::Data(address, last, content.to_vec()), end))
        }
        (0x01, false) => Some((Heard::Damaged, end)),
        _ => parse(heard.get(end..)?).map(|(found, more)| (found, end + more)),
    }
}

/// A packet of the sensor.
pub(super) fn packet(address: u32, kind: u8, content: &[u8]) -> Vec<u8> {
    let length = u16::try_from(content.len() + 2).unwrap_or(u16::MAX);
    let mut packet = vec![0xef, 0x01];
    packet.extend(address.to_be_bytes());
    packet.push(kind);
    packet.extend(length.to_be_bytes());
    packet.extend(content);
    let sum: u32 = packet.iter().skip(6).map(|byte| u32::from(*byte)).sum();
    let [.., s1, s0] = sum.to_be_bytes();
    packet.extend([s1, s0]);
    packet
}

#[cfg(test)]
mod tests {
    use super::*;

    fn framed(rest: &[u8]) -> Vec<u8> {
        [&[0xef, 0x01, 0xff, 0xff, 0xff, 0xff], rest].concat()
    }

    #[test]
    fn published_commands_are_heard() {
        let published: [(&[u8], &[u8]); 5] = [
            (
                &[0x01, 0x00, 0x07, 0x13, 0, 0, 0, 0, 0x00, 0x1b],
                &[0x13, 0, 0, 0, 0],
            ),
            (&[0x01, 0x00, 0x03, 0x01, 0x00, 0x05], &[0x01]),
            (&[0x01, 0x00, 0x04, 0x02, 0x01, 0x00, 0x08], &[0x02, 1]),
            (&[0x01, 0x00, 0x04, 0x1f, 0x00, 0x00, 0x24], &[0x1f, 0]),
            (
                &[0x01, 0x00, 0x07, 0x35, 0x01, 0x64, 0x02, 0x00, 0x00, 0xa4],
                &[0x35, 1, 0x64, 2, 0],
            ),
        ];
        for (rest, content) in published {
            let bytes = framed(rest);
            let heard = Heard::Command(0xffff_ffff, content.to_vec());
            assert_eq!(parse(&bytes), Some((heard, bytes.len())));
            let mut wrong = bytes.clone();
            wrong[9] ^= 0x80;
            assert_eq!(parse(&wrong), Some((Heard::Damaged, bytes.len())));
            assert_eq!(parse(&bytes[..bytes.len() - 1]), None);
        }
    }

    #[test]
    fn answers_are_framed_as_published() {
        let ok = framed(&[0x07, 0x00, 0x03, 0x00, 0x00, 0x0a]);
        assert_eq!(packet(0xffff_ffff, 0x07, &[0]), ok);
        let not_found = framed(&[0x07, 0x00, 0x07, 0x09, 0, 0, 0, 0, 0x00, 0x17]);
        assert_eq!(packet(0xffff_ffff, 0x07, &[9, 0, 0, 0, 0]), not_found);
    }
}
