// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Board files: `platen_hal_linux::Board::parse`.

use platen_hal_linux::{Board, BoardError};

/// Parses a board file.
///
/// # Panics
/// When a board breaks its limits, or an error does not name a line of the file.
pub fn board(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    match Board::parse(&text) {
        Ok(board) => {
            if let Some(reader) = board.reader {
                assert!((20..=1000).contains(&reader.interval.as_millis()));
            }
        }
        Err(BoardError::Syntax { line, .. } | BoardError::Value { line, .. }) => {
            assert!(
                (1..=text.split('\n').count()).contains(&line),
                "line {line}"
            );
        }
        Err(other) => panic!("{other}"),
    }
}
