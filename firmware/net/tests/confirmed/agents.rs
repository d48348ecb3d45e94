// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Agents: Debian's `snmpd` with a printer's objects, and some that are silent, slow or hostile.

use std::collections::BTreeMap;
use std::net::{SocketAddr, UdpSocket};
use std::ops::Bound::{Excluded, Unbounded};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use platen_bed::wait::{self, Stopwatch};
use platen_hal::{
    Confirmation, PortError, PortReport, PortSession, PortStatus, PrinterPort, Sending,
};
use platen_net::{SnmpOptions, SnmpPort};
use platen_wire::snmp::{Message, Oid, PduKind, Value, Version};

const SOON: Duration = Duration::from_secs(20);

/// A port that takes everything and knows nothing; what is done as it opens is somebody else's.
struct Plain<F>(F);

impl<F: FnMut() + Send> PrinterPort for Plain<F> {
    fn uri(&self) -> &'static str {
        "socket://plain"
    }

    fn status(&mut self) -> PortStatus {
        PortStatus {
            ready: true,
            reasons: Vec::new(),
        }
    }

    fn open(&mut self, _sending: &Sending) -> Result<Box<dyn PortSession>, PortError> {
        (self.0)();
        Ok(Box::new(Taken))
    }
}

struct Taken;

impl PortSession for Taken {
    fn send(&mut self, _bytes: &[u8]) -> Result<(), PortError> {
        Ok(())
    }

    fn finish(self: Box<Self>) -> Result<PortReport, PortError> {
        Ok(PortReport::default())
    }
}

fn port_to(agent: SocketAddr) -> SnmpPort {
    port_by("socket", agent, SnmpOptions::default().report, || {})
}

/// A port of this scheme that waits for the counter so long and does `opening` as it opens.
pub(crate) fn port_by(
    scheme: &str,
    agent: SocketAddr,
    report: Duration,
    opening: impl FnMut() + Send + 'static,
) -> SnmpPort {
    let uri = format!("{scheme}://{}", agent.ip()).parse().unwrap();
    let options = SnmpOptions {
        port: agent.port(),
        stall: Duration::from_secs(1),
        report: report.min(Duration::from_secs(2)),
        ..SnmpOptions::default()
    };
    SnmpPort::new(Box::new(Plain(opening)), &uri, options)
}

/// An agent that does `act` with each datagram.
fn agent(act: impl FnMut(&UdpSocket, &[u8], SocketAddr) + Send + 'static) -> SnmpPort {
    port_to(listening(act))
}

pub(crate) fn listening(
    act: impl FnMut(&UdpSocket, &[u8], SocketAddr) + Send + 'static,
) -> SocketAddr {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    let mut act = act;
    thread::spawn(move || {
        let mut datagram = [0; 4096];
        while let Ok((length, from)) = socket.recv_from(&mut datagram) {
            act(&socket, &datagram[..length], from);
        }
    });
    address
}

pub(crate) fn oid(below_mib_2: &[u32]) -> Oid {
    Oid::below(&[1, 3, 6, 1, 2, 1], below_mib_2).unwrap()
}

/// An idle printer whose counter shows `count`.
pub(crate) fn idle(count: u32) -> BTreeMap<Oid, Value> {
    BTreeMap::from([
        (
            oid(&[25, 3, 2, 1, 3, 1]),
            Value::Octets(b"Maker Model 1".to_vec()),
        ),
        (oid(&[25, 3, 2, 1, 5, 1]), Value::Integer(2)),
        (oid(&[25, 3, 5, 1, 1, 1]), Value::Integer(3)),
        (oid(&[25, 3, 5, 1, 2, 1]), Value::Octets(vec![0])),
        (oid(&[43, 10, 2, 1, 3, 1, 1]), Value::Integer(7)),
        (oid(&[43, 10, 2, 1, 4, 1, 1]), Value::Counter32(count)),
    ])
}

/// An honest answer to a question for what follows.
pub(crate) fn next(question: &[u8], mib: &BTreeMap<Oid, Value>) -> Message {
    let mut message = Message::decode(question).unwrap();
    message.pdu.kind = PduKind::Response;
    (message.pdu.error_status, message.pdu.error_index) = (0, 0);
    for (name, value) in &mut message.pdu.bindings {
        let after = (Excluded(name.clone()), Unbounded);
        match mib.range(after).next() {
            Some((found, known)) => (*name, *value) = (found.clone(), known.clone()),
            None => *value = Value::EndOfMibView,
        }
    }
    message
}

pub(crate) fn print(port: &mut SnmpPort) -> Result<PortReport, PortError> {
    let mut session = port.open(&Sending::default())?;
    session.send(b"page")?;
    session.finish()
}

/// An honest agent whose counter stands at each of `counts` in turn, the last for good. Three
/// questions make one reading.
fn counting(counts: &'static [u32]) -> SnmpPort {
    let mut asked = 0;
    agent(move |socket, question, from| {
        let at = (asked / 3).min(counts.len() - 1);
        asked += 1;
        let answer = next(question, &idle(counts[at])).encode();
        socket.send_to(&answer, from).unwrap();
    })
}

#[test]
fn a_counter_that_goes_up_and_rests_is_the_job_s() {
    let report = print(&mut counting(&[100, 100, 101, 104, 104])).unwrap();
    assert_eq!(report.impressions, Some(4));
    assert_eq!(report.confirmed_by, Some(Confirmation::LifeCount));
    let report = print(&mut counting(&[u32::MAX - 1, 1, 1])).unwrap();
    assert_eq!(report.impressions, Some(3), "over the wrap");
}

#[test]
fn a_counter_that_goes_back_jumps_or_stands_confirms_nothing() {
    for counts in [&[100, 20, 20][..], &[100, 0], &[5, 2_000_000_000], &[100]] {
        let report = print(&mut counting(counts)).unwrap();
        assert_eq!(
            (report.impressions, report.confirmed_by),
            (None, None),
            "{counts:?}"
        );
    }
}

#[test]
fn a_printer_known_to_count_otherwise_confirms_nothing() {
    let mut asked = 0;
    let mut port = agent(move |socket, question, from| {
        asked += 1;
        let mut mib = idle(100 + asked / 3);
        let model = Value::Octets(b"Lexmark C4150 version CSTZJ".to_vec());
        mib.insert(oid(&[25, 3, 2, 1, 3, 1]), model);
        socket
            .send_to(&next(question, &mib).encode(), from)
            .unwrap();
    });
    assert_eq!(print(&mut port).unwrap().impressions, None);
}

#[test]
fn an_agent_that_falls_silent_costs_the_confirmation_and_no_more() {
    let mut asked = 0;
    let mut port = agent(move |socket, question, from| {
        asked += 1;
        if asked <= 3 {
            let answer = next(question, &idle(100)).encode();
            socket.send_to(&answer, from).unwrap();
        }
    });
    let watch = Stopwatch::start();
    assert_eq!(print(&mut port).unwrap().impressions, None);
    assert!(watch.elapsed() < SOON);
}

#[test]
fn a_silent_agent_leaves_the_port_s_own_word_and_is_asked_by_status_alone() {
    let asked = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&asked);
    let mut port = agent(move |_, _, _| {
        counted.fetch_add(1, Ordering::SeqCst);
    });
    let watch = Stopwatch::start();
    assert!(port.status().ready);
    assert!(
        watch.elapsed() < Duration::from_secs(2),
        "a status is within 2 s"
    );
    let before = asked.load(Ordering::SeqCst);
    assert!(before > 0);
    print(&mut port).unwrap();
    assert_eq!(
        asked.load(Ordering::SeqCst),
        before,
        "a job does not wait for it"
    );
}

#[test]
fn a_slow_agent_tells_what_it_can_in_the_time() {
    let mut port = agent(|socket, question, from| {
        thread::park_timeout(Duration::from_millis(150));
        let mut mib = idle(1);
        mib.insert(oid(&[25, 3, 2, 1, 5, 1]), Value::Integer(5));
        mib.insert(oid(&[25, 3, 5, 1, 2, 1]), Value::Octets(vec![0x04]));
        socket
            .send_to(&next(question, &mib).encode(), from)
            .unwrap();
    });
    let status = port.status();
    assert_eq!(status.reasons, ["media-jam-error"]);
}

#[test]
fn answers_with_other_numbers_versions_or_no_sense_are_not_believed() {
    let jammed = |question: &[u8]| {
        let mut mib = idle(1);
        mib.insert(oid(&[25, 3, 2, 1, 5, 1]), Value::Integer(5));
        mib.insert(oid(&[25, 3, 5, 1, 2, 1]), Value::Octets(vec![0x04]));
        next(question, &mib)
    };
    let mut port = agent(move |socket, question, from| {
        let mut other = jammed(question);
        other.pdu.request_id ^= 1;
        socket.send_to(&other.encode(), from).unwrap();
        let mut other = jammed(question);
        other.version = match other.version {
            Version::V1 => Version::V2c,
            Version::V2c => Version::V1,
        };
        socket.send_to(&other.encode(), from).unwrap();
        let mut other = jammed(question);
        other.pdu.kind = PduKind::Get;
        socket.send_to(&other.encode(), from).unwrap();
        socket.send_to(&vec![0x30; 3000], from).unwrap();
        socket.send_to(&[], from).unwrap();
    });
    let status = port.status();
    assert!(status.ready && status.reasons.is_empty(), "{status:?}");
}

#[test]
fn a_flood_of_datagrams_is_left_within_the_time_of_a_status() {
    let mut port = agent(|socket, question, from| {
        for _ in 0..2000 {
            let _full = socket.send_to(question, from);
        }
    });
    let watch = Stopwatch::start();
    assert!(port.status().ready);
    assert!(watch.elapsed() < Duration::from_secs(3));
}

#[test]
fn an_agent_of_version_1_alone_is_understood() {
    let mut port = agent(|socket, question, from| {
        let mut answer = next(question, &idle(1));
        if answer.version == Version::V2c {
            return;
        }
        let ends = |one: &(Oid, Value)| one.1 == Value::EndOfMibView;
        if let Some(at) = answer.pdu.bindings.iter().position(ends) {
            answer.pdu.error_status = 2;
            answer.pdu.error_index = i32::try_from(at + 1).unwrap();
            answer
                .pdu
                .bindings
                .iter_mut()
                .for_each(|one| one.1 = Value::Null);
        }
        socket.send_to(&answer.encode(), from).unwrap();
    });
    assert!(port.status().ready);
    assert!(port.status().reasons.is_empty());
}

/// Ends what was started, however the test ends.
struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        let _gone = self.0.kill();
        let _gone = self.0.wait();
    }
}

/// A free UDP port of the loopback address.
fn free_port() -> u16 {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.local_addr().unwrap().port()
}

#[test]
fn debian_s_snmpd_is_read_as_a_printer() {
    let folder = tempfile::tempdir().unwrap();
    let port = free_port();
    let conf = folder.path().join("snmpd.conf");
    let objects = "rocommunity public 127.0.0.1\n\
         override 1.3.6.1.2.1.25.3.2.1.3.1 octet_str \"Maker Model 1\"\n\
         override 1.3.6.1.2.1.25.3.2.1.5.1 integer 5\n\
         override 1.3.6.1.2.1.25.3.5.1.1.1 integer 1\n\
         override 1.3.6.1.2.1.25.3.5.1.2.1 octet_str 0x4000\n\
         override 1.3.6.1.2.1.43.10.2.1.3.1.1 integer 7\n\
         override 1.3.6.1.2.1.43.10.2.1.4.1.1 counter 4711\n\
         override 1.3.6.1.2.1.43.11.1.1.5.1.1 integer 21\n\
         override 1.3.6.1.2.1.43.11.1.1.8.1.1 integer 3000\n\
         override 1.3.6.1.2.1.43.11.1.1.9.1.1 integer 100\n";
    std::fs::write(
        &conf,
        format!("agentaddress udp:127.0.0.1:{port}\n{objects}"),
    )
    .unwrap();
    let mut command = Command::new("/usr/sbin/snmpd");
    command
        .args(["-f", "-C", "-Lo", "-c"])
        .arg(&conf)
        .env("SNMP_PERSISTENT_DIR", folder.path())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let _snmpd = Ended(command.spawn().expect("Debian's package snmpd"));
    let mut printer = port_to(SocketAddr::from(([127, 0, 0, 1], port)));
    let expected = ["media-empty-error", "toner-low-report"];
    let told = wait::until("snmpd to answer", SOON, || {
        let status = printer.status();
        Ok((!status.reasons.is_empty()).then_some(status))
    });
    let told = told.unwrap();
    assert_eq!(told.reasons, expected);
    assert!(!told.ready);
}
