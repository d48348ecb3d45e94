// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A guest on QEMU's 64-bit Arm board: the binaries that a box is flashed with, cross-built.

use platen_bed::documents;
use platen_bed::qemu::{GuestOptions, Machine};
use platen_bed::wait;
use serde_json::json;

use crate::box_in_guest::{GuestBox, SOON};

/// Data register of the board's PL061, all eight lines (ARM DDI 0190 §3.3.1).
const LINES: &str = "xp /1wx 0x090303fc";
/// The green lamp of `board/qemu_aarch64`.
const GREEN: u32 = 1 << 1;

#[test]
fn the_main_job_runs_on_aarch64() {
    let mut office = GuestBox::open(&GuestOptions::new(Machine::Aarch64));
    let machine = office.guest.output(&["/bin/uname", "-m"]).unwrap();
    assert_eq!(machine.trim(), "aarch64");
    await_green(&mut office);

    let document = documents::heavy_pdf(2, 300_001);
    office.print(&document);
    office.wait_for(&["jobs"], "\"pending-held\"");
    let tapped = office.tap("accepted");
    office.wait_for(&["jobs", "--all"], "\"completed\"");
    assert!(office.paper() == document, "the bytes differ");
    println!(
        "card to panel: {} ms by the guest's clock",
        tapped.as_millis()
    );
    office.close();
}

/// Waits until the idle panel's lamp is lit, as the board's own register says.
fn await_green(office: &mut GuestBox) {
    let look = || {
        let line = json!({ "command-line": LINES });
        let answer = office.guest.qmp().ask("human-monitor-command", line)?;
        let word = answer
            .as_str()
            .and_then(|text| text.trim().rsplit("0x").next());
        let lines = word.and_then(|word| u32::from_str_radix(word, 16).ok());
        Ok(lines.filter(|lines| lines & GREEN != 0))
    };
    wait::until("the green lamp", SOON, look).unwrap();
}
