// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Board files: `platen_hal_linux::Board::parse`.

use platen_hal_linux::board::{READERS_MAX, ReaderKind};
use platen_hal_linux::{Backend, Board, BoardError};

/// Parses a board file.
///
/// # Panics
/// When a board breaks its limits, or an error does not name a line of the file.
pub fn board(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    match Board::parse(&text) {
        Ok(board) => {
            assert!(board.readers.len() <= READERS_MAX);
            for reader in board.readers {
                assert!((20..=1000).contains(&reader.interval.as_millis()));
                let real = reader.backend != Backend::Sim;
                let bus = match &reader.kind {
                    ReaderKind::Mfrc522 { spi, .. } => Some(&spi.bus),
                    ReaderKind::Osdp(osdp) => Some(&osdp.uart.bus),
                    _ => None,
                };
                assert!(bus.is_none_or(|bus| bus.is_absolute() == real));
            }
        }
        Err(
            BoardError::Syntax { line, .. }
            | BoardError::Value { line, .. }
            | BoardError::Number { line, .. }
            | BoardError::Double { second: line, .. },
        ) => {
            assert!(
                (1..=text.split('\n').count()).contains(&line),
                "line {line}"
            );
        }
        Err(other) => panic!("{other}"),
    }
}
