// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `platen-initrd FILE`: writes the first file system of a guest that starts the box's image. For
//! `tests/image/make.sh`.

use std::path::Path;
use std::process::ExitCode;

use platen_bed::{process, qemu};

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [file] = words.as_slice() else {
        eprintln!("usage: platen-initrd FILE");
        return ExitCode::from(2);
    };
    match qemu::write_initrd(Path::new(file)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("platen-initrd: {}", process::chain(&error));
            ExitCode::FAILURE
        }
    }
}
