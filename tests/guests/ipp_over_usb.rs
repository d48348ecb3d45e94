// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A printer that speaks IPP over USB: found by its descriptors through usbfs, beside the kernel's
//! own driver at its first interface.

use std::process::Command;

use platen_bed::documents;
use platen_bed::ipptool::IppTool;
use platen_bed::process::{installed_program, run};
use platen_bed::qemu::{GuestOptions, Machine};
use tempfile::TempDir;

use crate::box_in_guest::{GuestBox, SOON};

/// The same printer once more, by its serial number.
const IPP_PRINTER: &str = "[[printer]]\nname = \"ipp\"\nuri = \"ippusb:?serial=475-sim\"\n\
                           formats = [\"application/pdf\"]\npush = true\n";

const ENDED_JOBS: &str = "{ OPERATION Get-Jobs GROUP operation-attributes-tag
  ATTR charset attributes-charset utf-8 ATTR naturalLanguage attributes-natural-language en
  ATTR uri printer-uri $uri ATTR keyword which-jobs completed
  ATTR keyword requested-attributes job-impressions-completed STATUS successful-ok }";

/// Prints to the printer's own queue, from outside the guest.
fn print(office: &GuestBox, document: &[u8]) {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("document");
    std::fs::write(&file, document).unwrap();
    let uri = format!("ipp://{}/ipp/push/ipp", office.guest.ipp());
    let file = file.to_string_lossy();
    let tool = IppTool::prepare(&folder.path().join("ipptool")).unwrap();
    let score = tool.run_with(&uri, "print-job.test", &["-f", &file], None);
    let score = score.unwrap();
    assert_eq!(score.passed.len(), 1, "{score:?}");
}

/// The sides of the box's ended jobs, as a client is told.
fn sides(office: &GuestBox) -> String {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), ENDED_JOBS).unwrap();
    let uri = format!("ipp://{}/ipp/push/ipp", office.guest.ipp());
    let mut tool = Command::new(installed_program("ipptool").unwrap());
    run(tool.args(["-tv", &uri]).arg(file.path())).unwrap()
}

#[test]
fn a_job_goes_through_usbfs_to_an_ipp_printer_and_is_counted_by_it() {
    let mut office = GuestBox::open(&GuestOptions::new(Machine::X86_64));
    office.guest.stop("platend", false).unwrap();
    office.guest.configure(IPP_PRINTER).unwrap();
    office.guest.write("/run/log/platend", b"").unwrap();
    office.guest.start_daemon().unwrap();
    let document = documents::heavy_pdf(2, 300_001);
    print(&office, &document);
    let ended = office.wait_for(&["jobs", "--all"], "\"completed\"");
    assert!(
        office.paper() == document,
        "the bytes differ: {}",
        ended.out
    );

    // The printer counts three sides whatever it gets.
    let said = sides(&office);
    assert!(
        said.contains("job-impressions-completed (integer) = 3"),
        "{said}"
    );

    // Pulled out: the next job waits for the printer, and prints once it is back.
    office.guest.tell("printer", "unplug").unwrap();
    office.wait_for(&["status"], "offline-report");
    print(&office, &document);
    office.wait_for(&["jobs"], "\"pending\"");
    assert!(office.paper().is_empty());
    office.guest.tell("printer", "plug").unwrap();
    let device = ["/bin/ls", "/dev/usb"];
    office.guest.wait_for(&device, "lp0", SOON).unwrap();
    office.await_octets(document.len());
    assert!(office.paper() == document, "the bytes differ");
    office.close();
}
