// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Jobs to the virtual printer, and its states.

use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use platen_bed::documents::{self, Paper};
use platen_bed::virtual_printer::{Printer, Settings};
use platen_hal::{Confirmation, PortError, PortReport, PrinterPort, Sending};
use platen_net::{PortUri, SnmpOptions, SnmpPort, SocketOptions, SocketPort};

const LOOPBACK: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 0);

/// A virtual printer with an agent, in this process.
struct Bench {
    printer: Option<Printer>,
    folder: tempfile::TempDir,
    uri: PortUri,
    agent: u16,
}

impl Bench {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let printer = Printer::start(&Settings {
            listen: LOOPBACK,
            snmp: Some(LOOPBACK),
            folder: folder.path().to_owned(),
            control: folder.path().join("control"),
            resolution_dpi: 20,
            rendering: true,
        })
        .unwrap();
        let uri = format!("socket://{}", printer.address()).parse().unwrap();
        let agent = printer.agent().unwrap().port();
        Self {
            printer: Some(printer),
            folder,
            uri,
            agent,
        }
    }

    fn socket(&self, job_reports: bool) -> SocketPort {
        let options = SocketOptions {
            stall: Duration::from_secs(2),
            pjl: job_reports,
            job_reports,
            report: Duration::from_secs(10),
            ..SocketOptions::default()
        };
        SocketPort::new(self.uri.clone(), options)
    }

    fn with_agent(&self, port: SocketPort) -> SnmpPort {
        let options = SnmpOptions {
            port: self.agent,
            stall: Duration::from_secs(2),
            report: Duration::from_secs(10),
            ..SnmpOptions::default()
        };
        SnmpPort::new(Box::new(port), &self.uri, options)
    }

    fn command(&self, command: &str) {
        let mut stream = UnixStream::connect(self.folder.path().join("control")).unwrap();
        stream.write_all(format!("{command}\n").as_bytes()).unwrap();
        let mut answer = String::new();
        BufReader::new(stream).read_line(&mut answer).unwrap();
        assert_eq!(answer, "ok\n", "{command}");
    }

    /// Whether some job has brought its first bytes.
    fn wire_has_begun(&self) -> bool {
        self.folder.path().join("job-001.bin").is_file()
    }

    fn wire(&self, job: u32) -> Vec<u8> {
        let file: PathBuf = self.folder.path().join(format!("job-{job:03}.bin"));
        std::fs::read(file).unwrap()
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        if let Some(printer) = self.printer.take() {
            printer.stop();
        }
    }
}

fn print(port: &mut dyn PrinterPort, format: &str, bytes: &[u8]) -> Result<PortReport, PortError> {
    let sending = Sending {
        format: format.to_owned(),
        ..Sending::default()
    };
    let mut session = port.open(&sending)?;
    for piece in bytes.chunks(50_000) {
        session.send(piece)?;
    }
    session.finish()
}

const PDF: &str = "application/pdf";

fn framed(lines: &str, document: &[u8]) -> Vec<u8> {
    let head = format!("\x1b%-12345X{lines}@PJL ENTER LANGUAGE=PDF\r\n");
    [head.as_bytes(), document, b"\x1b%-12345X"].concat()
}

#[test]
fn a_pjl_printer_confirms_sides_copies_and_pages_of_each_job() {
    let bench = Bench::new();
    let mut port = bench.socket(true);
    let three = documents::pdf(3, Paper::A4);
    let jobs = [
        (three.clone(), 3),
        (framed("@PJL SET DUPLEX=ON\r\n", &three), 3),
        (
            framed("@PJL SET QTY=4\r\n@PJL SET DUPLEX=ON\r\n", &three),
            12,
        ),
        (documents::pdf(1, Paper::A4), 1),
    ];
    for (bytes, sides) in jobs {
        let report = print(&mut port, PDF, &bytes).unwrap();
        assert_eq!(report.impressions, Some(sides));
        assert_eq!(report.confirmed_by, Some(Confirmation::PjlJob));
        assert_eq!(report.octets, bytes.len() as u64);
    }
}

#[test]
fn jobs_in_one_frame_after_another_are_left_to_the_counter() {
    let bench = Bench::new();
    let inner = |pages| {
        let head = b"\x1b%-12345X@PJL JOB NAME=\"from a driver\"\r\n@PJL ENTER LANGUAGE=PDF\r\n";
        let tail = b"\x1b%-12345X@PJL EOJ NAME=\"from a driver\"\r\n\x1b%-12345X";
        [head, documents::pdf(pages, Paper::A4).as_slice(), tail].concat()
    };
    let bytes = [inner(2), inner(2)].concat();
    let report = print(&mut bench.socket(true), PDF, &bytes).unwrap();
    assert_eq!((report.impressions, report.confirmed_by), (None, None));
    let wire = String::from_utf8_lossy(&bench.wire(1)).into_owned();
    assert_eq!(
        wire.matches("@PJL JOB").count(),
        2,
        "no frame around a frame"
    );
    let bench = Bench::new();
    let report = print(&mut bench.with_agent(bench.socket(true)), PDF, &bytes).unwrap();
    assert_eq!(report.impressions, Some(4));
    assert_eq!(report.confirmed_by, Some(Confirmation::LifeCount));
}

#[test]
fn formats_that_pjl_does_not_name_pass_unchanged_and_unconfirmed() {
    let bench = Bench::new();
    let mut port = bench.socket(true);
    let picture = documents::jpeg(64, 64, true);
    let report = print(&mut port, "image/jpeg", &picture).unwrap();
    assert_eq!((report.impressions, report.confirmed_by), (None, None));
    assert_eq!(bench.wire(1), picture);
}

#[test]
fn without_pjl_the_counter_confirms_what_was_marked() {
    let bench = Bench::new();
    let mut port = bench.with_agent(bench.socket(false));
    for pages in [3, 1] {
        let report = print(&mut port, PDF, &documents::pdf(pages, Paper::A4)).unwrap();
        assert_eq!(report.impressions, Some(pages));
        assert_eq!(report.confirmed_by, Some(Confirmation::LifeCount));
    }
    // Just before the wrap.
    bench.command("life 4294967290");
    let report = print(&mut port, PDF, &documents::pdf(3, Paper::A4)).unwrap();
    assert_eq!(report.impressions, Some(3));
}

#[test]
fn the_job_s_own_report_is_preferred_to_the_counter() {
    let bench = Bench::new();
    let mut port = bench.with_agent(bench.socket(true));
    let report = print(&mut port, PDF, &documents::pdf(2, Paper::A4)).unwrap();
    assert_eq!(report.confirmed_by, Some(Confirmation::PjlJob));
}

#[test]
fn a_counter_of_sheets_confirms_nothing() {
    let bench = Bench::new();
    bench.command("unit 8");
    let mut port = bench.with_agent(bench.socket(false));
    let report = print(&mut port, PDF, &documents::pdf(2, Paper::A4)).unwrap();
    assert_eq!((report.impressions, report.confirmed_by), (None, None));
}

#[test]
fn every_condition_is_told_by_snmp_and_by_pjl() {
    let bench = Bench::new();
    let mut agent = bench.with_agent(bench.socket(false));
    let mut pjl = bench.socket(true);
    let mut both = bench.with_agent(bench.socket(true));
    let rows = [
        ("jam", "media-jam-error"),
        ("paper-out", "media-empty-error"),
        ("cover-open", "cover-open-error"),
    ];
    for (command, reason) in rows {
        bench.command(command);
        for port in [&mut agent as &mut dyn PrinterPort, &mut pjl, &mut both] {
            let status = port.status();
            assert_eq!(status.reasons, [reason], "{command}");
            assert!(!status.ready, "{command}");
        }
    }
    bench.command("clear");
    for port in [&mut agent as &mut dyn PrinterPort, &mut pjl, &mut both] {
        let status = port.status();
        assert!(status.ready && status.reasons.is_empty(), "{status:?}");
    }
}

#[test]
fn what_only_snmp_knows_is_told_and_stops_nothing() {
    let bench = Bench::new();
    let mut port = bench.with_agent(bench.socket(true));
    let rows = [
        ("toner 4", "toner-low-warning"),
        ("toner 0", "toner-empty-warning"),
        ("bits 32768", "media-low-report"),
        ("bits 128", "input-tray-missing-warning"),
        ("bits 16", "output-area-almost-full-report"),
        ("bits 8", "output-area-full-warning"),
    ];
    for (command, reason) in rows {
        bench.command("toner 80");
        bench.command("bits 0");
        bench.command(command);
        let status = port.status();
        assert_eq!(status.reasons, [reason], "{command}");
        assert!(status.ready, "{command}");
    }
    // Off-line and service requested, while the printer says that it runs.
    bench.command("toner 80");
    bench.command("bits 770");
    let status = port.status();
    assert!(status.ready && status.reasons.is_empty(), "{status:?}");
}

#[test]
fn a_jam_behind_the_last_byte_stops_the_job_with_its_reason() {
    for by_pjl in [true, false] {
        let bench = Bench::new();
        let mut port = bench.with_agent(bench.socket(by_pjl));
        bench.command("jam 2000");
        let bytes = documents::pdf(3, Paper::A4);
        let error = print(&mut port, PDF, &bytes).unwrap_err();
        let PortError::Stopped { reasons } = error else {
            panic!("{error}");
        };
        assert_eq!(reasons, ["media-jam-error"], "by PJL: {by_pjl}");
        bench.command("clear");
    }
}

#[test]
fn a_jam_that_is_cleared_in_time_costs_nothing() {
    let bench = Bench::new();
    let mut port = bench.socket(true);
    bench.command("jam 2000");
    std::thread::scope(|scope| {
        let job = scope.spawn(|| print(&mut port, PDF, &documents::pdf(3, Paper::A4)));
        let begun = || Ok(bench.wire_has_begun().then_some(()));
        platen_bed::wait::until("the job at the printer", Duration::from_secs(10), begun).unwrap();
        bench.command("clear");
        assert_eq!(job.join().unwrap().unwrap().impressions, Some(3));
    });
}

#[test]
fn a_large_job_to_a_printer_out_of_paper_stops_with_its_reason() {
    for by_pjl in [true, false] {
        let bench = Bench::new();
        let mut port = bench.with_agent(bench.socket(by_pjl));
        bench.command("paper-out 100000");
        let bytes = documents::heavy_pdf(4, 16 << 20);
        let error = print(&mut port, PDF, &bytes).unwrap_err();
        let PortError::Stopped { reasons } = error else {
            panic!("{error}");
        };
        assert_eq!(reasons, ["media-empty-error"], "by PJL: {by_pjl}");
        bench.command("clear");
    }
}

/// Debian's `snmpget` and `snmpwalk` read the agent as we do.
#[test]
fn the_virtual_printer_s_agent_is_one_for_net_snmp_too() {
    let bench = Bench::new();
    let address = format!("127.0.0.1:{}", bench.agent);
    for version in ["-v1", "-v2c"] {
        let common = [version, "-c", "public", "-On", "-r1", "-t5", &address];
        let read = |program: &str, names: &[&str]| {
            let output = Command::new(program).args(common).args(names).output();
            let output = output.expect("Debian's package snmp");
            assert!(output.status.success(), "{output:?}");
            String::from_utf8(output.stdout).unwrap()
        };
        let count = "1.3.6.1.2.1.43.10.2.1.4.1.1";
        let got = read("snmpget", &[count]);
        assert_eq!(got.trim(), format!(".{count} = Counter32: 4200"));
        let walked = read("snmpwalk", &["1.3.6.1.2.1.43"]);
        let rows = walked
            .lines()
            .filter(|line| line.starts_with(".1.3.6.1.2.1.43."));
        assert!(rows.count() >= 14, "{walked}");
    }
}
