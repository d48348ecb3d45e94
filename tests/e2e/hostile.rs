// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Hostile and broken requests: refused in bounded time and memory, the connection closed, nobody
//! else affected.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use platen_bed::documents::{self, Paper};
use platen_bed::wait::Stopwatch;

use crate::box_under_test::Office;

const HEAD: &[u8] = &[2, 0, 0, 2, 0, 0, 0, 1, 1];

fn post(office: &Office, body: &[u8], claimed: usize) -> Vec<u8> {
    let mut stream = TcpStream::connect(office.daemon.config().ipp).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_secs(20)))
        .unwrap();
    let head = format!(
        "POST /ipp/print HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/ipp\r\n\
         Content-Length: {claimed}\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).unwrap();
    // The box may refuse and close before everything is sent.
    let _ = stream.write_all(body);
    let mut answer = Vec::new();
    let mut buffer = [0; 4096];
    while let Ok(length @ 1..) = stream.read(&mut buffer) {
        answer.extend(&buffer[..length]);
    }
    answer
}

fn attribute(tag: u8, name: &[u8], value: &[u8]) -> Vec<u8> {
    let mut bytes = vec![tag];
    for part in [name, value] {
        bytes.extend(u16::try_from(part.len()).unwrap().to_be_bytes());
        bytes.extend(part);
    }
    bytes
}

fn charset() -> Vec<u8> {
    let charset = attribute(0x47, b"attributes-charset", b"utf-8");
    [
        charset,
        attribute(0x48, b"attributes-natural-language", b"en"),
    ]
    .concat()
}

/// Resident memory of the daemon, KiB.
fn resident_kib(office: &mut Office) -> u64 {
    let id = office.daemon.program().id();
    let status = std::fs::read_to_string(format!("/proc/{id}/status")).unwrap();
    let line = status
        .lines()
        .find(|line| line.starts_with("VmHWM:"))
        .unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[test]
fn hostile_messages_are_refused_and_the_box_goes_on() {
    let mut office = Office::open();
    let deep: Vec<u8> = (0..100_000)
        .flat_map(|_| attribute(0x34, b"", b""))
        .collect();
    let nested = [HEAD, &charset(), &attribute(0x34, b"media-col", b""), &deep].concat();
    let lying = [HEAD, &[0x47, 0x7f, 0xff], b"attributes-charset".as_slice()].concat();
    let negative = [HEAD, &[0x47, 0xff, 0xff]].concat();
    let many: Vec<u8> = (0..50_000_u32)
        .flat_map(|n| attribute(0x21, format!("a{n}").as_bytes(), &[0, 0, 0, 1]))
        .collect();
    let many = [HEAD, &charset(), &many].concat();
    let groups = [HEAD, &vec![1; 500_000]].concat();
    let noise = documents::Noise::new(7).bytes(100_000);
    let before = resident_kib(&mut office);
    for (what, body) in [
        ("nested collections", nested),
        ("a length that lies", lying),
        ("a negative length", negative),
        ("too many attributes", many),
        ("too many groups", groups),
        ("noise", noise),
    ] {
        let watch = Stopwatch::start();
        let answer = post(&office, &body, body.len());
        let taken = watch.elapsed();
        println!("{what}: {} bytes answered after {taken:?}", answer.len());
        let text = String::from_utf8_lossy(&answer).to_ascii_lowercase();
        assert!(text.starts_with("http/1.1 200"), "{what}: {text}");
        assert!(
            text.contains("connection: close"),
            "{what}: the connection stays open"
        );
    }
    let grown = resident_kib(&mut office) - before;
    assert!(grown < 8 * 1024, "memory grew by {grown} KiB");
    let file = office.file("page.pdf", &documents::pdf(1, Paper::A4));
    office.print(&file);
}

#[test]
fn a_claim_of_two_gibibytes_in_one_value_costs_no_memory() {
    let mut office = Office::open();
    let before = resident_kib(&mut office);
    let head = [HEAD, &charset(), &[0x30, 0, 1, b'x', 0x7f, 0xff]].concat();
    let answer = post(&office, &[head, vec![0; 300_000]].concat(), 2 << 30);
    assert!(
        answer.starts_with(b"HTTP/1.1 200"),
        "{}",
        String::from_utf8_lossy(&answer)
    );
    let grown = resident_kib(&mut office) - before;
    assert!(grown < 8 * 1024, "memory grew by {grown} KiB");
}

#[test]
fn half_requests_and_slow_clients_hold_up_nobody() {
    let office = Office::open();
    let mut idle = Vec::new();
    for part in [
        "",
        "POST /ipp/pr",
        "POST /ipp/print HTTP/1.1\r\nContent-Type: application/ipp\r\n",
    ] {
        for _ in 0..30 {
            let mut stream = TcpStream::connect(office.daemon.config().ipp).unwrap();
            stream.write_all(part.as_bytes()).unwrap();
            idle.push(stream);
        }
    }
    let file = office.file("page.pdf", &documents::pdf(1, Paper::A4));
    office.print(&file);
    assert_eq!(office.ctl(&["jobs"]).len(), 1);
}

#[test]
fn an_upload_that_breaks_off_leaves_nothing() {
    let office = Office::open();
    let uri = b"ipp://localhost/ipp/print";
    let request = [
        HEAD,
        &charset(),
        &attribute(0x45, b"printer-uri", uri),
        &[3],
    ]
    .concat();
    let document = documents::heavy_pdf(1, 400_000);
    let mut stream = TcpStream::connect(office.daemon.config().ipp).unwrap();
    let head = "POST /ipp/print HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/ipp\r\n\
                Content-Length: 9000000\r\n\r\n";
    stream.write_all(head.as_bytes()).unwrap();
    stream.write_all(&request).unwrap();
    stream.write_all(&document).unwrap();
    drop(stream);
    platen_bed::wait::until(
        "the abandoned upload's end",
        crate::box_under_test::SOON,
        || {
            let left = std::fs::read_dir(office.data().join("jobs"))
                .unwrap()
                .count();
            Ok::<_, platen_bed::BedError>((left == 0).then_some(()))
        },
    )
    .unwrap();
    assert!(office.ctl(&["jobs", "--all"]).is_empty());
}
