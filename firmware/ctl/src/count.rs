// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `platenctl count`: page counts of files, without a daemon.

use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use platen_model::{JobOptions, PageCount};
use platen_pdl::CountLimits;
use serde::Serialize;

use crate::Done;

#[derive(Serialize)]
struct Row<'a> {
    file: &'a Path,
    language: Option<String>,
    #[serde(flatten)]
    count: Option<PageCount>,
    error: Option<String>,
}

/// Counts each file; one that can't be read is named and does not stop the others.
pub(crate) fn run(files: &[PathBuf], json: bool) -> Done {
    let rows: Vec<_> = files.iter().map(|file| row(file)).collect();
    for row in &rows {
        if json {
            crate::show::json(row);
        } else {
            print(row);
        }
    }
    let faulty = |row: &Row<'_>| row.count.as_ref().is_none_or(|count| count.pages.is_none());
    if rows.iter().any(faulty) {
        Done::WithFaults
    } else {
        Done::Well
    }
}

fn row(file: &Path) -> Row<'_> {
    match count(file) {
        Ok((language, count)) => {
            let error = count.note.clone();
            Row {
                file,
                language: Some(language),
                count: Some(count),
                error,
            }
        }
        Err(error) => Row {
            file,
            language: None,
            count: None,
            error: Some(error.to_string()),
        },
    }
}

fn count(file: &Path) -> std::io::Result<(String, PageCount)> {
    let mut reader = BufReader::new(File::open(file)?);
    let mut head = Vec::new();
    Read::by_ref(&mut reader)
        .take(platen_pdl::HEAD_BYTES as u64)
        .read_to_end(&mut head)?;
    let language = platen_pdl::detect(&head);
    reader.seek(SeekFrom::Start(0))?;
    let count = platen_pdl::count(&mut reader, &JobOptions::default(), &CountLimits::default());
    Ok((language.name().to_owned(), count))
}

fn print(row: &Row<'_>) {
    let figure = |value: Option<u32>| value.map_or_else(|| "?".to_owned(), |v| v.to_string());
    let Some(count) = &row.count else {
        eprintln!(
            "{}: {}",
            row.file.display(),
            row.error.as_deref().unwrap_or("can't be read")
        );
        return;
    };
    println!(
        "{}: {} · {} pages · {} impressions · {} sheets{}",
        row.file.display(),
        row.language.as_deref().unwrap_or("unknown"),
        figure(count.pages),
        figure(count.impressions),
        figure(count.media_sheets),
        count
            .note
            .as_deref()
            .map(|note| format!(" · {note}"))
            .unwrap_or_default(),
    );
}
