// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What is said to a BM-Lite and what it answers: requests, arguments, packets. Source: public host
//! code `andpp/BM-Lite` 27c95ab (`hcp_tiny.c`, `fpc_hcp_common.h`), written for FPC's module.
//!
//! Pure: bytes in, bytes out, all little endian. A message (command 2, count of arguments 2, each
//! argument 2, its length 2, its data) travels in packets: channel 2, size 2, part (its size 2,
//! number 2, count 2, bytes), CRC-32 of the part.
//!
//! There is no request here that moves a picture of a finger: IMAGE is only told to EXTRACT, and what
//! is not in [`Request`] can't be sent.

use core::fmt;

use heapless::Vec;

/// Longest packet.
pub const PACKET_MAX: usize = 256;
/// Bytes of a message in one packet.
pub const PART_MAX: usize = PACKET_MAX - LINK_EXTRA - PART_HEADER;
/// What tells that a packet came.
pub const ACK: [u8; 4] = [0x7f, 0xff, 0x01, 0x7f];
/// Channel and size.
pub const HEADER_LEN: usize = 4;
/// The CRC.
pub const CRC_LEN: usize = 4;
const LINK_EXTRA: usize = HEADER_LEN + CRC_LEN;
const PART_HEADER: usize = 6;
/// Arguments that one answer may have.
const ARGUMENTS_MAX: u16 = 16;

// Commands.
const CAPTURE: u16 = 0x0001;
const ENROLL: u16 = 0x0002;
const IDENTIFY: u16 = 0x0003;
const IMAGE: u16 = 0x0005;
const TEMPLATE: u16 = 0x0006;
const WAIT: u16 = 0x0007;
const INFO: u16 = 0x3004;
const STORAGE_TEMPLATE: u16 = 0x4002;

// Arguments of requests.
const FINGER_UP: u16 = 0x0002;
const START: u16 = 0x0003;
const ADD: u16 = 0x0004;
const FINISH: u16 = 0x0005;
const ALL: u16 = 0x0007;
const EXTRACT: u16 = 0x0008;
const GET: u16 = 0x1004;
const UPLOAD: u16 = 0x1005;
const DOWNLOAD: u16 = 0x1006;
const SAVE: u16 = 0x1008;
const DELETE: u16 = 0x1009;
const TIMEOUT: u16 = 0x5001;

// Arguments of answers.
pub(super) const ID: u16 = 0x0006;
pub(super) const MATCH: u16 = 0x000a;
pub(super) const DATA: u16 = 0x100a;
pub(super) const RESULT: u16 = 0x2001;
pub(super) const COUNT: u16 = 0x2002;
pub(super) const VERSION: u16 = 0x6003;

/// What the driver asks for. `Debug` hides templates.
#[derive(Clone, Copy, Eq, PartialEq)]
pub enum Request<'a> {
    /// The module's version.
    Version,
    /// A picture, kept in the module; waits this many milliseconds for a finger, never 0 (for ever).
    Capture(u16),
    /// Features of the picture.
    Extract,
    /// Whose features they are.
    Identify,
    /// A new enrolment.
    EnrolStart,
    /// The picture to the enrolment.
    EnrolAdd,
    /// The end of the enrolment: its template is in the module's memory.
    EnrolFinish,
    /// No finger; waits this many milliseconds, never 0.
    WaitUp(u16),
    /// The template in memory, into storage under this number.
    Save(u16),
    /// The template in memory, to the host.
    Upload,
    /// A template into memory.
    Download(&'a [u8]),
    /// The template of this number, from storage into memory.
    Load(u16),
    /// Storage without this number.
    Delete(u16),
    /// Empty storage.
    DeleteAll,
    /// How many templates are stored.
    Count,
    /// The numbers of those that are stored.
    Ids,
}

/// A message's beginning; only a template's bytes may follow.
pub type Head = Vec<u8, 24>;

impl fmt::Debug for Request<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Download(template) => write!(f, "Download({} bytes)", template.len()),
            _ => write!(f, "Request({:#06x})", self.command()),
        }
    }
}

impl<'a> Request<'a> {
    /// The command's number.
    #[must_use]
    pub fn command(self) -> u16 {
        match self {
            Self::Version => INFO,
            Self::Capture(_) => CAPTURE,
            Self::Extract => IMAGE,
            Self::Identify => IDENTIFY,
            Self::EnrolStart | Self::EnrolAdd | Self::EnrolFinish => ENROLL,
            Self::WaitUp(_) => WAIT,
            Self::Save(_) | Self::Upload | Self::Download(_) => TEMPLATE,
            Self::Load(_) | Self::Delete(_) | Self::DeleteAll | Self::Count | Self::Ids => {
                STORAGE_TEMPLATE
            }
        }
    }

    /// The message: its beginning, and the template that follows. `None` for a template that is
    /// longer than a length can say.
    #[must_use]
    pub fn message(self) -> Option<(Head, &'a [u8])> {
        let number = |number: u16| Some(number.to_le_bytes());
        let arguments: [Option<(u16, Option<[u8; 2]>)>; 2] = match self {
            Self::Version => [Some((GET, None)), Some((VERSION, None))],
            Self::Capture(ms) => [Some((TIMEOUT, number(ms))), None],
            Self::Extract => [Some((EXTRACT, None)), None],
            Self::Identify => [None, None],
            Self::EnrolStart => [Some((START, None)), None],
            Self::EnrolAdd => [Some((ADD, None)), None],
            Self::EnrolFinish => [Some((FINISH, None)), None],
            Self::WaitUp(ms) => [Some((FINGER_UP, None)), Some((TIMEOUT, number(ms)))],
            Self::Save(id) => [Some((SAVE, None)), Some((ID, number(id)))],
            Self::Upload => [Some((UPLOAD, None)), None],
            Self::Download(data) => return download(data),
            Self::Load(id) => [Some((UPLOAD, None)), Some((ID, number(id)))],
            Self::Delete(id) => [Some((DELETE, None)), Some((ID, number(id)))],
            Self::DeleteAll => [Some((DELETE, None)), Some((ALL, None))],
            Self::Count => [Some((COUNT, None)), None],
            Self::Ids => [Some((ID, None)), None],
        };
        let count = u16::try_from(arguments.iter().flatten().count()).ok()?;
        let mut head = begun(self.command(), count)?;
        for (argument, data) in arguments.into_iter().flatten() {
            let data = data.as_ref().map_or(&[][..], |data| data);
            head.extend_from_slice(&argument.to_le_bytes()).ok()?;
            let length = u16::try_from(data.len()).ok()?;
            head.extend_from_slice(&length.to_le_bytes()).ok()?;
            head.extend_from_slice(data).ok()?;
        }
        Some((head, &[]))
    }
}

fn begun(command: u16, arguments: u16) -> Option<Head> {
    let mut head = Head::new();
    head.extend_from_slice(&command.to_le_bytes()).ok()?;
    head.extend_from_slice(&arguments.to_le_bytes()).ok()?;
    Some(head)
}

fn download(data: &[u8]) -> Option<(Head, &[u8])> {
    let mut head = begun(TEMPLATE, 2)?;
    for word in [DOWNLOAD, 0, DATA, u16::try_from(data.len()).ok()?] {
        head.extend_from_slice(&word.to_le_bytes()).ok()?;
    }
    Some((head, data))
}

/// How many packets a message of this length takes. Host code sends an empty last one when the
/// message fills its packets, and so does this: the module is known to take it.
#[must_use]
pub fn parts(length: usize) -> usize {
    length / PART_MAX + 1
}

/// The packet for part `number` of `count`. `None` when `bytes` are more than [`PART_MAX`].
#[must_use]
pub fn packet(number: u16, count: u16, bytes: &[u8]) -> Option<Vec<u8, PACKET_MAX>> {
    let size = u16::try_from(bytes.len()).ok()?;
    let mut packet = Vec::new();
    for word in [0, size.checked_add(6)?, size, number, count] {
        packet.extend_from_slice(&word.to_le_bytes()).ok()?;
    }
    packet.extend_from_slice(bytes).ok()?;
    let crc = crc32(packet.get(HEADER_LEN..)?);
    packet.extend_from_slice(&crc.to_le_bytes()).ok()?;
    Some(packet)
}

/// Bytes that follow a packet's header: part and CRC. `None` when it is no header.
#[must_use]
pub fn following(header: [u8; HEADER_LEN]) -> Option<usize> {
    let [0, 0, low, high] = header else {
        return None;
    };
    let size = usize::from(u16::from_le_bytes([low, high]));
    (PART_HEADER..=PACKET_MAX - LINK_EXTRA)
        .contains(&size)
        .then_some(size + CRC_LEN)
}

/// Number, count and bytes of the part in what followed a header. `None` when its CRC is wrong or
/// its size is not that of the packet.
#[must_use]
pub fn part(followed: &[u8]) -> Option<(u16, u16, &[u8])> {
    let (part, crc) = followed.split_last_chunk::<CRC_LEN>()?;
    if crc32(part) != u32::from_le_bytes(*crc) {
        return None;
    }
    let [s0, s1, n0, n1, c0, c1, bytes @ ..] = part else {
        return None;
    };
    let size = usize::from(u16::from_le_bytes([*s0, *s1]));
    (size == bytes.len()).then_some((
        u16::from_le_bytes([*n0, *n1]),
        u16::from_le_bytes([*c0, *c1]),
        bytes,
    ))
}

/// The arguments of an answer to `command`. `None` when the message is not one, to its last byte.
#[must_use]
pub fn arguments(command: u16, message: &[u8]) -> Option<Arguments<'_>> {
    let [c0, c1, n0, n1, rest @ ..] = message else {
        return None;
    };
    let count = u16::from_le_bytes([*n0, *n1]);
    if u16::from_le_bytes([*c0, *c1]) != command || count > ARGUMENTS_MAX {
        return None;
    }
    let mut left = rest;
    for _ in 0..count {
        (_, left) = argument(left)?;
    }
    left.is_empty().then_some(Arguments(rest))
}

/// An argument's number and data.
type Argument<'a> = (u16, &'a [u8]);

/// The first argument in `bytes`, and what follows it.
fn argument(bytes: &[u8]) -> Option<(Argument<'_>, &[u8])> {
    let [a0, a1, l0, l1, rest @ ..] = bytes else {
        return None;
    };
    let length = usize::from(u16::from_le_bytes([*l0, *l1]));
    let (data, rest) = rest.split_at_checked(length)?;
    Some(((u16::from_le_bytes([*a0, *a1]), data), rest))
}

/// The arguments of an answer. `Debug` hides them: one may be a template.
#[derive(Clone, Copy)]
pub struct Arguments<'a>(&'a [u8]);

impl fmt::Debug for Arguments<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Arguments({} bytes)", self.0.len())
    }
}

impl<'a> Arguments<'a> {
    /// The data of the first argument with this number.
    #[must_use]
    pub fn get(self, wanted: u16) -> Option<&'a [u8]> {
        let mut left = self.0;
        while let Some(((number, data), rest)) = argument(left) {
            if number == wanted {
                return Some(data);
            }
            left = rest;
        }
        None
    }
}

/// IEEE 802.3, reflected.
fn crc32(bytes: &[u8]) -> u32 {
    let crc = bytes.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| match crc & 1 {
            1 => crc >> 1 ^ 0xedb8_8320,
            _ => crc >> 1,
        })
    });
    !crc
}

#[cfg(test)]
mod tests {
    use super::*;

    const REQUESTS: [Request<'static>; 16] = [
        Request::Version,
        Request::Capture(100),
        Request::Extract,
        Request::Identify,
        Request::EnrolStart,
        Request::EnrolAdd,
        Request::EnrolFinish,
        Request::WaitUp(100),
        Request::Save(3),
        Request::Upload,
        Request::Download(&[1, 2, 3]),
        Request::Load(3),
        Request::Delete(3),
        Request::DeleteAll,
        Request::Count,
        Request::Ids,
    ];

    fn whole(request: Request<'_>) -> std::vec::Vec<u8> {
        let (head, data) = request.message().unwrap();
        [head.as_slice(), data].concat()
    }

    #[test]
    fn the_check_is_the_one_of_zlib() {
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
    }

    #[test]
    fn requests_are_packed_as_published() {
        let version = [
            0x00, 0x00, 0x12, 0x00, 0x0c, 0x00, 0x01, 0x00, 0x01, 0x00, 0x04, 0x30, 0x02, 0x00,
            0x04, 0x10, 0x00, 0x00, 0x03, 0x60, 0x00, 0x00, 0x04, 0x90, 0xea, 0xde,
        ];
        let capture = [
            0x00, 0x00, 0x10, 0x00, 0x0a, 0x00, 0x01, 0x00, 0x01, 0x00, 0x01, 0x00, 0x01, 0x00,
            0x01, 0x50, 0x02, 0x00, 0xb8, 0x0b, 0x1d, 0x1e, 0x42, 0xdf,
        ];
        let packed = |request| packet(1, 1, &whole(request)).unwrap();
        assert_eq!(packed(Request::Version).as_slice(), version);
        assert_eq!(packed(Request::Capture(3000)).as_slice(), capture);
    }

    #[test]
    fn no_request_moves_a_picture() {
        for request in REQUESTS {
            let message = whole(request);
            let arguments = arguments(request.command(), &message).unwrap();
            if request.command() == IMAGE {
                assert!(arguments.get(EXTRACT).is_some(), "{request:?}");
                for moves in [UPLOAD, DOWNLOAD, DATA] {
                    assert_eq!(arguments.get(moves), None, "{request:?}");
                }
            }
        }
    }

    #[test]
    fn packets_are_read_back_and_each_flipped_bit_is_noticed() {
        let packet = packet(2, 3, b"some bytes").unwrap();
        let (header, followed) = packet.split_first_chunk::<HEADER_LEN>().unwrap();
        assert_eq!(following(*header), Some(followed.len()));
        assert_eq!(part(followed), Some((2, 3, &b"some bytes"[..])));
        for bit in 0..followed.len() * 8 {
            let mut flipped = followed.to_vec();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(part(&flipped), None, "bit {bit}");
        }
    }

    #[test]
    fn headers_that_can_not_be_are_refused() {
        assert_eq!(following([0, 0, 6, 0]), Some(10));
        assert_eq!(following([0, 0, 248, 0]), Some(252));
        for header in [
            [0, 0, 5, 0],
            [0, 0, 249, 0],
            [0, 0, 6, 1],
            [1, 0, 6, 0],
            [0xff; 4],
            [0x00; 4],
        ] {
            assert_eq!(following(header), None, "{header:02x?}");
        }
    }

    #[test]
    fn answers_with_lying_lengths_are_refused() {
        let good = [3, 0, 2, 0, 0x0a, 0, 1, 0, 1, 0x06, 0, 2, 0, 7, 0];
        let read = arguments(IDENTIFY, &good).unwrap();
        assert_eq!(
            (read.get(MATCH), read.get(ID)),
            (Some(&[1][..]), Some(&[7, 0][..]))
        );
        assert_eq!(read.get(RESULT), None);
        assert!(arguments(CAPTURE, &good).is_none());
        for cut in 0..good.len() {
            assert!(arguments(IDENTIFY, &good[..cut]).is_none(), "{cut}");
        }
        let longer = [&good[..], &[0]].concat();
        assert!(arguments(IDENTIFY, &longer).is_none());
        assert!(arguments(IDENTIFY, &[3, 0, 17, 0]).is_none());
    }
}
