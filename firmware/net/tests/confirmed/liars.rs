// SPDX-License-Identifier: Apache-2.0 OR MIT
//! PJL printers that tell of other jobs, babble, drip, flood, or say nothing: each is a script on a
//! real socket.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration;

use platen_bed::wait::Stopwatch;
use platen_hal::{Confirmation, PortError, PortReport, PrinterPort, Sending};
use platen_net::{SocketOptions, SocketPort};

/// How long a printer that tells nothing of a job stays connected.
const LONG: Duration = Duration::from_secs(20);

fn options() -> SocketOptions {
    SocketOptions {
        stall: Duration::from_secs(1),
        drain: Duration::from_millis(300),
        pjl: true,
        job_reports: true,
        report: Duration::from_secs(2),
    }
}

/// A printer that does `act` with each of its connections.
fn printer(act: impl Fn(TcpStream) + Clone + Send + 'static) -> SocketPort {
    printer_with(options(), act)
}

fn printer_with(
    options: SocketOptions,
    act: impl Fn(TcpStream) + Clone + Send + 'static,
) -> SocketPort {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let uri = format!("socket://{}", listener.local_addr().unwrap());
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let act = act.clone();
            thread::spawn(move || act(stream));
        }
    });
    SocketPort::new(uri.parse().unwrap(), options)
}

/// Reads until the job's frame has ended; everything read.
fn read_job(stream: &mut TcpStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut piece = [0; 4096];
    let end = b"@PJL EOJ";
    let ended = |bytes: &[u8]| {
        let tail = &bytes[bytes.len().saturating_sub(2 * 4096)..];
        tail.windows(end.len()).any(|window| window == end)
    };
    while !ended(&bytes) {
        match stream.read(&mut piece) {
            Ok(0) | Err(_) => break,
            Ok(length) => bytes.extend_from_slice(&piece[..length]),
        }
    }
    bytes
}

/// The name that the frame gives the job.
fn name_of(job: &[u8]) -> String {
    let text = String::from_utf8_lossy(job).into_owned();
    let after = text.split("@PJL JOB NAME=\"").nth(1).unwrap();
    after.split('"').next().unwrap().to_owned()
}

fn event(kind: &str, name: &str, further: &str) -> Vec<u8> {
    format!("@PJL USTATUS JOB\r\n{kind}\r\nNAME=\"{name}\"\r\n{further}\x0c").into_bytes()
}

fn print(port: &mut SocketPort) -> Result<PortReport, PortError> {
    let sending = Sending {
        format: "application/pdf".to_owned(),
        ..Sending::default()
    };
    let mut session = port.open(&sending)?;
    session.send(b"%PDF-1.7 and so on")?;
    session.finish()
}

/// A printer that reads the job, says what `says` makes of its name, and stays connected.
fn says(says: impl Fn(&str) -> Vec<u8> + Clone + Send + 'static) -> SocketPort {
    printer(move |mut stream| {
        let name = name_of(&read_job(&mut stream));
        stream.write_all(&says(&name)).unwrap();
        thread::park_timeout(LONG);
    })
}

#[test]
fn ends_of_other_jobs_confirm_nothing() {
    let mut port = says(|_| {
        let all = [
            event("START", "Platen 4000", ""),
            event("END", "Platen 4000", "PAGES=900\r\n"),
            event("END", "report.doc", "PAGES=7\r\n"),
        ];
        all.concat()
    });
    let report = print(&mut port).unwrap();
    assert_eq!((report.impressions, report.confirmed_by), (None, None));
}

#[test]
fn an_end_before_the_start_and_a_second_end_confirm_nothing_more() {
    let mut port = says(|name| {
        let all = [
            event("END", name, "PAGES=900\r\n"),
            event("START", name, ""),
            event("END", name, "PAGES=2\r\n"),
            event("END", name, "PAGES=800\r\n"),
        ];
        all.concat()
    });
    let report = print(&mut port).unwrap();
    assert_eq!(report.impressions, Some(2));
    assert_eq!(report.confirmed_by, Some(Confirmation::PjlJob));
}

#[test]
fn an_end_told_before_the_last_byte_confirms_nothing_and_ends_no_waiting() {
    for reads_on in [true, false] {
        let options = SocketOptions {
            drain: if reads_on { LONG } else { options().drain },
            ..options()
        };
        let (told, heard) = std::sync::mpsc::sync_channel(1);
        let mut port = printer_with(options, move |mut stream| {
            if !reads_on {
                rustix::net::sockopt::set_socket_recv_buffer_size(&stream, 4096).unwrap();
            }
            let mut head = [0; 1024];
            let length = stream.read(&mut head).unwrap();
            let name = name_of(&head[..length]);
            let end = event("END", &name, "PAGES=1\r\n");
            let both = [event("START", &name, ""), end].concat();
            stream.write_all(&both).unwrap();
            told.send(()).unwrap();
            match reads_on {
                true => drop(read_job(&mut stream)),
                false => thread::park_timeout(LONG),
            }
        });
        let sending = Sending {
            format: "application/pdf".to_owned(),
            ..Sending::default()
        };
        let mut session = port.open(&sending).unwrap();
        session.send(b"%PDF-1.7").unwrap();
        heard.recv_timeout(LONG).unwrap();
        let piece = vec![b'%'; 1 << 16];
        let sent = (0..16).try_for_each(|_| session.send(&piece));
        let report = sent.and_then(|()| session.finish());
        match (reads_on, report) {
            (true, Ok(report)) => assert_eq!(report.confirmed_by, None),
            (false, Err(PortError::Stalled { .. })) => {}
            (_, other) => panic!("reads on: {reads_on}: {other:?}"),
        }
    }
}

#[test]
fn a_job_that_ends_itself_after_a_page_is_not_settled_by_that() {
    let mut port = says(|name| {
        let end = event("END", name, "PAGES=1\r\n");
        [event("START", name, ""), end].concat()
    });
    let sending = Sending {
        format: "application/pdf".to_owned(),
        ..Sending::default()
    };
    let mut session = port.open(&sending).unwrap();
    let trick = b"%PDF-1.7\x1b%-12345X@PJL EOJ NAME=\"Platen 1\"\r\n@PJL JOB\r\n%PDF-1.7";
    session.send(trick).unwrap();
    let report = session.finish().unwrap();
    assert_eq!((report.impressions, report.confirmed_by), (None, None));
}

#[test]
fn pages_are_worth_less_than_a_number_and_nothing_without_an_end() {
    let pages = |name: &str| {
        let pages = b"@PJL USTATUS PAGE\r\n1\r\n\x0c@PJL USTATUS PAGE\r\n2\r\n\x0c";
        [event("START", name, ""), pages.to_vec()].concat()
    };
    let report = print(&mut says(pages)).unwrap();
    assert_eq!((report.impressions, report.confirmed_by), (None, None));
    let mut port = says(move |name| [pages(name), event("END", name, "")].concat());
    let report = print(&mut port).unwrap();
    assert_eq!(report.impressions, Some(2));
    assert_eq!(report.confirmed_by, Some(Confirmation::PjlPages));
}

#[test]
fn a_job_canceled_at_the_printer_is_canceled() {
    for told in ["END", "CANCELED"] {
        let mut port = says(move |name| {
            let end = event(told, name, "PAGES=1\r\nRESULT=USER_CANCELED\r\n");
            [event("START", name, ""), end].concat()
        });
        let error = print(&mut port).unwrap_err();
        assert!(matches!(error, PortError::Canceled), "{told}: {error}");
    }
}

#[test]
fn a_job_that_the_printer_gave_up_is_stopped_and_not_deleted() {
    for result in ["HOST_CANCELED", "RESOURCE_CANCELED"] {
        let mut port = says(move |name| {
            let end = event("CANCELED", name, &format!("RESULT={result}\r\n"));
            [event("START", name, ""), end].concat()
        });
        let error = print(&mut port).unwrap_err();
        let PortError::Stopped { reasons } = error else {
            panic!("{result}: {error}");
        };
        assert_eq!(reasons, ["job-canceled-at-device"]);
    }
}

#[test]
fn garbage_and_the_other_way_round_is_no_confirmation() {
    let mut port = says(|name| {
        let mut noise: Vec<u8> = (0..=255).cycle().take(200_000).collect();
        noise.extend_from_slice(b"\x0c@PJL USTATUS JOB\x00END\r\nPAGES=3\x0c");
        noise.extend(event("FINISH", name, "PAGES=3\r\n"));
        noise
    });
    assert_eq!(print(&mut port).unwrap().impressions, None);
}

#[test]
fn a_printer_that_drips_or_floods_is_left_in_time() {
    let drip = printer(|mut stream| {
        read_job(&mut stream);
        while stream.write_all(b"x").is_ok() {
            thread::park_timeout(Duration::from_millis(5));
        }
    });
    let flood = printer(|mut stream| {
        read_job(&mut stream);
        let noise = vec![b'@'; 1 << 20];
        while stream.write_all(&noise).is_ok() {}
    });
    for mut port in [drip, flood] {
        let watch = Stopwatch::start();
        let report = print(&mut port).unwrap();
        assert_eq!(report.impressions, None);
        assert!(watch.elapsed() < Duration::from_secs(30));
    }
}

#[test]
fn a_printer_that_wants_to_be_heard_before_it_reads_on_gets_the_whole_job() {
    const MUCH: usize = 24 << 20;
    let patient = SocketOptions {
        stall: LONG,
        ..options()
    };
    let mut port = printer_with(patient, |mut stream| {
        let page = b"@PJL USTATUS PAGE\r\n1\r\n\x0c";
        stream.write_all(&page.repeat(1 << 20)).unwrap();
        read_job(&mut stream);
    });
    let mut session = port
        .open(&Sending {
            format: "application/pdf".to_owned(),
            ..Sending::default()
        })
        .unwrap();
    let piece = vec![b'%'; 1 << 16];
    for _ in 0..MUCH >> 16 {
        session.send(&piece).unwrap();
    }
    drop(session);
}

#[test]
fn a_large_raster_job_reaches_a_slow_printer_whole() {
    const MUCH: usize = 24 << 20;
    let (told, heard) = std::sync::mpsc::sync_channel(1);
    let patient = SocketOptions {
        stall: LONG,
        drain: LONG,
        ..options()
    };
    let mut port = printer_with(patient, move |mut stream| {
        let (mut taken, mut piece, mut pauses) = (0, vec![0; 1 << 20], 0);
        // Its band buffer is full now and then, longer than one look at it takes.
        while let Ok(length @ 1..) = stream.read(&mut piece) {
            taken += length;
            if taken >> 22 > pauses {
                pauses += 1;
                thread::park_timeout(Duration::from_millis(400));
            }
        }
        told.send(taken).unwrap();
    });
    let sending = Sending {
        format: "image/pwg-raster".to_owned(),
        ..Sending::default()
    };
    let mut session = port.open(&sending).unwrap();
    let piece = vec![7; 1 << 16];
    for _ in 0..MUCH >> 16 {
        session.send(&piece).unwrap();
    }
    let report = session.finish().unwrap();
    assert_eq!(report.octets, u64::try_from(MUCH).unwrap());
    assert_eq!(report.confirmed_by, None);
    assert_eq!(heard.recv_timeout(LONG).unwrap(), MUCH);
}

#[test]
fn a_printer_that_tells_of_no_job_is_not_waited_for_after_two() {
    let mut port = says(|_| Vec::new());
    let times: Vec<_> = (0..3)
        .map(|_| {
            let watch = Stopwatch::start();
            assert_eq!(print(&mut port).unwrap().impressions, None);
            watch.elapsed()
        })
        .collect();
    let waited = options().report;
    assert!(times[0] >= waited && times[1] >= waited, "{times:?}");
    assert!(times[2] < waited, "{times:?}");
}

#[test]
fn a_jam_told_while_nothing_is_taken_is_the_reason_of_the_stop() {
    let mut port = printer(|mut stream| {
        let mut piece = [0; 512];
        let _begun = stream.read(&mut piece).unwrap();
        let jam = b"@PJL USTATUS DEVICE\r\nCODE=42202\r\nDISPLAY=\"JAM\"\r\nONLINE=FALSE\r\n\x0c";
        stream.write_all(jam).unwrap();
        thread::park_timeout(LONG);
    });
    let sending = Sending {
        format: "application/pdf".to_owned(),
        ..Sending::default()
    };
    let mut session = port.open(&sending).unwrap();
    let piece = vec![b'%'; 1 << 16];
    let error = (0..1000).find_map(|_| session.send(&piece).err()).unwrap();
    let PortError::Stopped { reasons } = error else {
        panic!("{error}");
    };
    assert_eq!(reasons, ["media-jam-error"]);
}

#[test]
fn a_job_deleted_while_its_end_is_awaited_is_not_waited_for_and_is_printed() {
    for format in ["application/pdf", "image/pwg-raster"] {
        let patient = SocketOptions {
            drain: LONG,
            report: LONG,
            ..options()
        };
        let mut port = printer_with(patient, |mut stream| {
            let mut piece = [0; 4096];
            while let Ok(1..) = stream.read(&mut piece) {}
            thread::park_timeout(LONG);
        });
        let sending = Sending {
            format: format.to_owned(),
            ..Sending::default()
        };
        let mut session = port.open(&sending).unwrap();
        session.send(b"%PDF-1.7").unwrap();
        sending.canceled.store(true, Ordering::Release);
        let watch = Stopwatch::start();
        let report = session.finish().unwrap();
        assert_eq!((report.octets, report.confirmed_by), (8, None), "{format}");
        assert!(watch.elapsed() < LONG / 2, "{format}");
    }
}

#[test]
fn a_job_deleted_before_the_printer_has_its_end_never_gets_there_whole() {
    const MUCH: usize = 1 << 20;
    let (told, heard) = std::sync::mpsc::sync_channel(1);
    let (go, may_go) = std::sync::mpsc::sync_channel(1);
    let may_go = std::sync::Arc::new(std::sync::Mutex::new(may_go));
    let mut port = printer(move |mut stream| {
        rustix::net::sockopt::set_socket_recv_buffer_size(&stream, 4096).unwrap();
        may_go.lock().unwrap().recv_timeout(LONG).unwrap();
        let (mut taken, mut piece) = (0, [0; 4096]);
        while let Ok(length @ 1..) = stream.read(&mut piece) {
            taken += length;
        }
        told.send(taken).unwrap();
    });
    let sending = Sending {
        format: "image/pwg-raster".to_owned(),
        ..Sending::default()
    };
    let mut session = port.open(&sending).unwrap();
    session.send(&vec![7; MUCH]).unwrap();
    sending.canceled.store(true, Ordering::Release);
    let error = session.finish().unwrap_err();
    assert!(matches!(error, PortError::Canceled), "{error}");
    go.send(()).unwrap();
    assert!(heard.recv_timeout(LONG).unwrap() < MUCH);
}

#[test]
fn a_job_given_up_half_way_is_ended_for_the_printer_too() {
    let (told, heard) = std::sync::mpsc::sync_channel(1);
    let mut port = printer(move |mut stream| {
        let mut bytes = Vec::new();
        // A reset behind the last byte is an end too.
        let _end = stream.read_to_end(&mut bytes);
        told.send(bytes).unwrap();
    });
    let sending = Sending {
        format: "application/pdf".to_owned(),
        ..Sending::default()
    };
    let mut session = port.open(&sending).unwrap();
    session.send(b"%PDF-1.7 half").unwrap();
    drop(session);
    let bytes = heard.recv_timeout(LONG).unwrap();
    let text = String::from_utf8(bytes).unwrap();
    let end = "%PDF-1.7 half\x1b%-12345X@PJL EOJ NAME=\"Platen 1\"\r\n\x1b%-12345X";
    assert!(text.ends_with(end), "{text:?}");
}

#[test]
fn nothing_of_the_job_but_a_number_is_in_the_frame() {
    let (told, heard) = std::sync::mpsc::sync_channel(2);
    let mut port = printer(move |mut stream| {
        told.send(read_job(&mut stream)).unwrap();
    });
    for number in 1..=2 {
        let _report = print(&mut port);
        let job = heard.recv_timeout(LONG).unwrap();
        assert_eq!(name_of(&job), format!("Platen {number}"));
    }
}
