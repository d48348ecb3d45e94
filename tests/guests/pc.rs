// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A guest on a PC. Each test is a boot of its own, which costs some ten seconds: so it does what
//! belongs together.

use platen_bed::documents;
use platen_bed::qemu::{GuestOptions, Machine};

use crate::box_in_guest::GuestBox;

#[test]
fn a_tap_at_spidev_brings_the_pages_out_of_usblp_and_a_pulled_plug_once_more_only_by_will() {
    let mut office = GuestBox::open(&GuestOptions::new(Machine::X86_64));

    // A job that waits for its owner.
    let document = documents::heavy_pdf(2, 300_001);
    office.print(&document);
    office.wait_for(&["jobs"], "\"pending-held\"");
    assert!(office.paper().is_empty(), "nothing prints before the tap");

    // Its owner's card: the bytes are the document's.
    let tapped = office.tap("accepted");
    office.wait_for(&["jobs", "--all"], "\"completed\"");
    assert!(office.paper() == document, "the bytes differ");
    println!(
        "tap to panel: {} ms by the guest's clock",
        tapped.as_millis()
    );
    office.close();
}
