// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The first start and the ones after it.

use platen_bed::qemu::Start;

use crate::image_under_test::{BoxDisk, LONG};

#[test]
fn the_image_starts_without_a_failed_unit() {
    let mut machine = BoxDisk::new();
    let mut guest = machine.start(Start::Kept);
    let running = ["/bin/systemctl", "is-system-running", "--wait"];
    let ran = guest.run(&running, LONG).unwrap();
    println!("{ran:?}");
    for argv in [
        &["/bin/systemctl", "--failed", "--no-pager"][..],
        &["/bin/systemctl", "list-jobs", "--no-pager"],
        &["/bin/systemd-analyze", "time"],
        &["/bin/systemd-analyze", "blame", "--no-pager"],
        &[
            "/bin/systemd-analyze",
            "critical-chain",
            "platend.service",
            "--no-pager",
        ],
        &["/bin/journalctl", "-b", "--no-pager", "-n", "400"],
        &["/bin/mount"],
        &["/bin/ps"],
    ] {
        println!(
            "== {argv:?}\n{}",
            guest
                .run(argv, LONG)
                .map_or_else(|e| e.to_string(), |r| r.out)
        );
    }
    println!("{}", guest.console());
}
