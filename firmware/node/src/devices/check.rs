// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `platend --check-board FILE`: tries every part of a board file and prints what came of it, one
//! JSON object a line, for `platenctl board check`. Nothing of the box is opened or changed.

use std::path::Path;

use platen_hal_linux::device::{Finding, probe};
use platen_hal_linux::{Board, BoardError, DeviceSecrets};
use platen_model::local::PartFinding;

/// Tries all parts; whether all answered.
pub(crate) fn run(path: &Path) -> Result<bool, BoardError> {
    let board = Board::read(path)?;
    let findings = probe(&board, &DeviceSecrets::default());
    for finding in &findings {
        let told = told(finding);
        match serde_json::to_string(&told) {
            Ok(line) => println!("{line}"),
            Err(error) => eprintln!("platend: {error}"),
        }
    }
    Ok(findings.iter().all(|finding| finding.outcome.is_ok()))
}

fn told(finding: &Finding) -> PartFinding {
    let (answers, text) = match &finding.outcome {
        Ok(text) => (true, text),
        Err(text) => (false, text),
    };
    PartFinding {
        name: finding.name.clone(),
        part: finding.part.to_owned(),
        place: finding.place.clone(),
        answers,
        text: text.clone(),
    }
}
