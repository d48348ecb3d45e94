// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Nothing of a job, a name or a card is in clear on the disk or in the log.

use platen_bed::documents;

use crate::box_under_test::{CARD, Office, SOON, files_below, user};

/// Stands in the document, where no compression hides it.
const MARK: &[u8] = b"Confidential-4711-Salary-List";

#[test]
fn no_plain_byte_of_a_job_name_or_card_is_on_the_disk_or_in_the_log() {
    let office = Office::open();
    office
        .daemon
        .import_users("zaphod.beeblebrox,Zaphod Beeblebrox,04CAFEBABE1122\n")
        .unwrap();
    let mut document = documents::heavy_pdf(1, 300_000);
    document.extend(b"\n% ");
    for _ in 0..2000 {
        document.extend(MARK);
    }
    let file = office.file("Secret-Document-Name.pdf", &document);
    office.print(&file);
    office.print(&file);
    look_for_secrets(&office);
    assert_eq!(office.tap(), "accepted");
    office.printer.wait_for_jobs(2, SOON).unwrap();
    office.wait_for_jobs("the end", |jobs| {
        jobs.iter().all(|job| job["state"] == "completed")
    });
    look_for_secrets(&office);
}

fn look_for_secrets(office: &Office) {
    let uid = [0x04, 0xa1, 0xb2, 0xc3];
    let long_uid = [0x04, 0xca, 0xfe, 0xba, 0xbe, 0x11, 0x22];
    let user = user();
    let mut secrets: Vec<(&str, Vec<u8>)> = vec![
        ("document", MARK.to_vec()),
        ("document", b"%PDF-".to_vec()),
        ("document name", b"Secret-Document-Name".to_vec()),
        ("user name", b"beeblebrox".to_vec()),
        ("user name", b"Beeblebrox".to_vec()),
        ("user name", b"A Person".to_vec()),
        ("card number", CARD.as_bytes().to_vec()),
        ("card number", CARD.to_lowercase().into_bytes()),
        ("card number", b"CAFEBABE".to_vec()),
        ("card number", b"cafebabe".to_vec()),
        ("card number", long_uid.to_vec()),
        ("card number", uid.to_vec()),
    ];
    if user.len() > 4 {
        secrets.push(("user name", user.into_bytes()));
    }
    let mut files = files_below(&office.data());
    assert!(
        files.len() > 5,
        "the data directory is where it is thought to be"
    );
    files.extend(
        files_below(&office.daemon.config().folder)
            .into_iter()
            .filter(|(path, _)| path.extension().is_some_and(|ending| ending == "log")),
    );
    for (path, bytes) in files {
        for (what, secret) in &secrets {
            let found = bytes.windows(secret.len()).any(|window| window == secret);
            assert!(!found, "a {what} is in clear in {}", path.display());
        }
    }
}
