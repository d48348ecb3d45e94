// SPDX-License-Identifier: Apache-2.0 OR MIT
//! IPP requests: `platen_wire::ipp`.

use platen_wire::ipp::{DecodeError, Decoder, Limits, Message, Progress, check, decode};

/// Decodes, whole and in pieces, and encodes again what has no fault.
///
/// # Panics
/// When the pieces make a difference, or encoding does not give the same octets.
pub fn ipp_request(data: &[u8]) {
    let whole = decode(data, Limits::REQUEST);
    let piece = data.first().map_or(1, |first| usize::from(*first) % 61 + 1);
    let pieced = in_pieces(data, piece);
    let Ok((message, rest)) = whole else {
        assert_eq!(pieced.err(), whole.err());
        return;
    };
    let head = data.len() - rest.len();
    assert_eq!(pieced, Ok((message.clone(), head)));
    if check(&message).is_ok() {
        assert!(message.faults.is_empty());
    }
    if message.faults.is_empty() {
        assert_eq!(message.encode().as_deref(), Ok(&data[..head]));
    }
}

/// The message and its length, from pieces of `length` octets.
fn in_pieces(data: &[u8], length: usize) -> Result<(Message, usize), DecodeError> {
    let mut decoder = Decoder::new(Limits::REQUEST);
    let mut taken = 0;
    for piece in data.chunks(length) {
        match decoder.push(piece)? {
            Progress::NeedMore => taken += piece.len(),
            Progress::Done { message, consumed } => return Ok((message, taken + consumed)),
        }
    }
    Err(decoder.truncated())
}
