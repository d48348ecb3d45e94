// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The port on a named pipe and on a pseudo terminal in the printer's place. The driver itself runs
//! in the guest of the test bed.

use std::fs;
use std::io::Read;
use std::sync::atomic::Ordering;
use std::thread;

use rustix::fs::{CWD, Mode, mkfifoat};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{OptionalActions, tcgetattr, tcsetattr};

use super::find::tests::sysfs;
use super::*;

/// A named pipe in the printer's place: takes bytes as usblp does, and knows no status.
fn pipe() -> (tempfile::TempDir, PathBuf, UsbPort) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("lp0");
    mkfifoat(CWD, &path, Mode::RUSR | Mode::WUSR).unwrap();
    let uri = format!("usb:{}", path.display());
    let port = UsbPort::new(&uri, Duration::from_millis(200)).unwrap();
    (folder, path, port)
}

fn open(port: &mut UsbPort) -> Box<dyn PortSession> {
    port.open(&Sending::default()).unwrap()
}

#[test]
fn the_status_byte_is_told_in_ipp_keywords() {
    assert!(status_of(0x18).ready);
    assert_eq!(status_of(0x30).reasons, ["media-empty-error"]);
    assert_eq!(status_of(0x08).reasons, ["offline-report"]);
    assert_eq!(status_of(0x10).reasons, ["other-error"]);
    assert!(!status_of(0x00).ready);
}

#[test]
fn the_first_printer_is_meant_when_none_is_named() {
    let port = UsbPort::new("usb:", DEFAULT_STALL).unwrap();
    assert_eq!(port.device().unwrap(), Path::new(DEFAULT_DEVICE));
    for uri in ["usb:lp0", "usb:?port=1", "file:/dev/usb/lp0"] {
        assert!(UsbPort::new(uri, DEFAULT_STALL).is_err(), "{uri}");
    }
}

#[test]
fn a_printer_that_is_not_there_is_off_line() {
    for uri in ["usb:/dev/usb/none", "usb:?serial=none"] {
        let mut port = UsbPort::new(uri, DEFAULT_STALL).unwrap();
        assert_eq!(port.status().reasons, ["offline-report"]);
        let opened = port.open(&Sending::default());
        assert!(matches!(opened, Err(PortError::Offline(_))));
        assert!(matches!(port.device_id(), Err(PortError::Offline(_))));
    }
}

#[test]
fn a_device_without_the_ioctls_still_takes_a_job() {
    let (_folder, path, mut port) = pipe();
    assert!(port.status().ready);
    assert!(port.device_id().is_err());
    let sent: Vec<u8> = (0..=255).cycle().take(300_000).collect();
    let mut reader = open_device(&path).unwrap();
    let total = sent.len();
    let received = thread::spawn(move || {
        let mut received = Vec::new();
        let mut buffer = [0; 4096];
        while received.len() < total {
            match reader.read(&mut buffer) {
                Ok(length) => received.extend_from_slice(&buffer[..length]),
                Err(_) => {
                    let fd = PollFd::from_borrowed_fd(reader.as_fd(), PollFlags::IN);
                    poll(&mut [fd], None).unwrap();
                }
            }
        }
        received
    });
    let mut session = open(&mut port);
    session.send(&sent).unwrap();
    assert_eq!(session.finish().unwrap().octets, 300_000);
    assert!(received.join().unwrap() == sent);
}

#[test]
fn a_printer_that_takes_nothing_stalls_the_job_within_its_limit() {
    let (_folder, _path, mut port) = pipe();
    let mut session = open(&mut port);
    let error = session.send(&vec![0; 1_000_000]).unwrap_err();
    assert!(matches!(error, PortError::Stalled { .. }));
    assert!(matches!(session.finish(), Err(PortError::Stalled { .. })));
}

#[test]
fn a_job_deleted_while_the_printer_takes_nothing_ends_the_wait() {
    let (_folder, path, _) = pipe();
    let uri = format!("usb:{}", path.display());
    let mut port = UsbPort::new(&uri, Duration::from_secs(50)).unwrap();
    let sending = Sending::default();
    let mut session = port.open(&sending).unwrap();
    sending.canceled.store(true, Ordering::Release);
    let error = session.send(&vec![0; 1_000_000]).unwrap_err();
    assert!(matches!(error, PortError::Canceled), "{error}");
}

/// A terminal in the printer's place answers, and goes away when its master does.
fn terminal(folder: &Path) -> (File, Roots) {
    let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&master).unwrap();
    unlockpt(&master).unwrap();
    let slave = ptsname(&master, Vec::new()).unwrap();
    let mut settings = tcgetattr(&master).unwrap();
    settings.make_raw();
    tcsetattr(&master, OptionalActions::Now, &settings).unwrap();
    let id = "MFG:Sim;MDL:Laser475;CMD:PJL,PCL;SN:475-SIM;";
    let roots = sysfs(folder, &[("lp3", "0", id)]);
    fs::create_dir_all(&roots.devices).unwrap();
    let device = roots.devices.join("lp3");
    let _before = fs::remove_file(&device);
    std::os::unix::fs::symlink(slave.to_str().unwrap(), device).unwrap();
    (File::from(master), roots)
}

fn port_at(roots: Roots) -> UsbPort {
    let mut port = UsbPort::new("usb:?serial=475-SIM", Duration::from_secs(2)).unwrap();
    port.roots = roots;
    port.with_pjl(true)
}

#[test]
fn a_printer_whose_id_says_pjl_is_asked_by_it() {
    let folder = tempfile::tempdir().unwrap();
    let (mut printer, roots) = terminal(folder.path());
    let mut port = port_at(roots);
    let answering = thread::spawn(move || {
        let mut question = [0; 512];
        let length = printer.read(&mut question).unwrap();
        assert!(question[..length].starts_with(b"\x1b%-12345X@PJL INFO STATUS"));
        printer
            .write_all(b"left over\x0c@PJL INFO STATUS\r\nCODE=40022\r\nONLINE=FALSE\r\n\x0c")
            .unwrap();
        printer
    });
    let status = port.status();
    assert!(!status.ready);
    assert_eq!(status.reasons, ["media-jam-error"]);
    drop(answering.join().unwrap());
}

#[test]
fn a_printer_that_babbles_or_says_nothing_counts_by_its_status_byte() {
    let folder = tempfile::tempdir().unwrap();
    let (mut printer, roots) = terminal(folder.path());
    let mut port = port_at(roots);
    assert!(port.status().ready, "no answer");
    printer.write_all(&[b'x'; 4000]).unwrap();
    assert!(port.status().ready, "no sense");
}

#[test]
fn a_printer_pulled_out_in_a_job_breaks_it_and_is_found_again_at_another_file() {
    let folder = tempfile::tempdir().unwrap();
    let (printer, roots) = terminal(folder.path());
    let mut port = port_at(roots);
    let mut session = open(&mut port);
    drop(printer);
    let error = session.send(&vec![0; 1_000_000]).unwrap_err();
    assert!(matches!(error, PortError::Broken(_)), "{error}");
    drop(session);
    // It comes back while the old file is still there.
    let class = folder.path().join("class");
    fs::rename(class.join("lp3"), class.join("lp4")).unwrap();
    let (_printer, roots) = terminal(&folder.path().join("again"));
    let devices = folder.path().join("dev");
    fs::rename(roots.devices.join("lp3"), devices.join("lp4")).unwrap();
    fs::remove_file(devices.join("lp3")).unwrap();
    assert_eq!(port.device().unwrap(), devices.join("lp4"));
    open(&mut port).send(b"again").unwrap();
}
