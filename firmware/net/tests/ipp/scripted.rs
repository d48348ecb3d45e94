// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A printer for tests that speaks IPP over HTTP/1.1 as its script says. The HTTP is read by hand,
//! so that no mistake of the port's own library is on both sides.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use platen_wire::ipp::{Attribute, GroupTag, Limits, Message, Operation, Status, decode};

/// One request as it came.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) headers: Vec<String>,
    pub(crate) message: Message,
    pub(crate) document: Vec<u8>,
}

impl Asked {
    pub(crate) fn operation(&self) -> Operation {
        self.message.operation()
    }

    /// A successful answer with a job group.
    pub(crate) fn job(&self, attributes: impl IntoIterator<Item = Attribute>) -> Reply {
        let mut message = Message::reply(&self.message, Status::OK);
        message.group_mut(GroupTag::JOB).attributes = attributes.into_iter().collect();
        Reply::Message(message)
    }

    pub(crate) fn status(&self, status: Status) -> Reply {
        Reply::Message(Message::reply(&self.message, status))
    }

    /// How a printer that can do all is.
    pub(crate) fn printer(&self, further: impl IntoIterator<Item = Attribute>) -> Reply {
        let operations = [2, 5, 6, 8, 9, 0xb];
        let mut attributes = vec![
            Attribute::enumeration("printer-state", 3),
            Attribute::keyword("printer-state-reasons", "none"),
            Attribute::boolean("printer-is-accepting-jobs", true),
            Attribute::enumerations("operations-supported", operations),
            Attribute::mime_media_types("document-format-supported", ["application/pdf"]),
            Attribute::range("copies-supported", 1, 99),
            Attribute::keywords("sides-supported", ["one-sided", "two-sided-long-edge"]),
            Attribute::keywords("print-color-mode-supported", ["auto", "monochrome"]),
            Attribute::keywords("media-supported", ["iso_a4_210x297mm"]),
        ];
        for attribute in further {
            attributes.retain(|old| old.name != attribute.name);
            attributes.push(attribute);
        }
        let mut message = Message::reply(&self.message, Status::OK);
        message.group_mut(GroupTag::PRINTER).attributes = attributes;
        Reply::Message(message)
    }
}

/// What a script answers with.
pub(crate) enum Reply {
    Message(Message),
    /// A whole HTTP answer, or what is left of one.
    Raw(Vec<u8>),
    /// Closes the connection.
    Hangup,
    /// Says nothing until the other side goes away.
    Silence,
}

/// What happened at a printer.
#[derive(Clone, Default)]
pub(crate) struct Log(Arc<Mutex<Vec<Asked>>>);

impl Log {
    pub(crate) fn operations(&self) -> Vec<Operation> {
        self.all().iter().map(Asked::operation).collect()
    }

    pub(crate) fn all(&self) -> Vec<Asked> {
        self.0.lock().unwrap().clone()
    }

    pub(crate) fn of(&self, operation: Operation) -> Asked {
        let all = self.all();
        let found = all.iter().find(|asked| asked.operation() == operation);
        found.unwrap_or_else(|| panic!("no {operation}")).clone()
    }
}

/// Listens on loopback and answers each request as `script` says.
pub(crate) fn printer(script: impl FnMut(&Asked) -> Reply + Send + 'static) -> (SocketAddr, Log) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let log = Log::default();
    let kept = log.clone();
    let script = Arc::new(Mutex::new(script));
    thread::spawn(move || {
        for stream in listener.incoming() {
            let (script, log) = (Arc::clone(&script), kept.clone());
            thread::spawn(move || {
                let stream: TcpStream = stream.unwrap();
                let from = stream.try_clone().unwrap();
                serve(from, stream, &log, &mut |asked| {
                    (script.lock().unwrap())(asked)
                });
            });
        }
    });
    (address, log)
}

/// Answers requests on one connection until it ends.
pub(crate) fn serve(
    from: impl Read,
    mut writer: impl Write,
    log: &Log,
    script: &mut dyn FnMut(&Asked) -> Reply,
) {
    let mut reader = BufReader::new(from);
    while let Ok(asked) = read_request(&mut reader) {
        log.0.lock().unwrap().push(asked.clone());
        let answered = match script(&asked) {
            Reply::Message(message) => {
                let body = message.encode().unwrap();
                let head = format!(
                    "HTTP/1.1 200 OK\r\nContent-Type: application/ipp\r\nContent-Length: {}\r\n\r\n",
                    body.len()
                );
                writer.write_all(&[head.as_bytes(), &body].concat())
            }
            Reply::Raw(octets) => writer.write_all(&octets),
            Reply::Hangup => return,
            Reply::Silence => {
                // The end of the connection, or whatever else comes first.
                let _ended = reader.read(&mut [0]);
                return;
            }
        };
        if answered.is_err() {
            return;
        }
    }
}

fn read_request(reader: &mut impl BufRead) -> io::Result<Asked> {
    let mut headers = Vec::new();
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if line == "\r\n" {
            break;
        }
        headers.push(line.trim_end().to_owned());
    }
    let value = |name: &str| {
        headers.iter().find_map(|line| {
            let (key, value) = line.split_once(": ")?;
            key.eq_ignore_ascii_case(name).then(|| value.to_owned())
        })
    };
    let body = match value("content-length") {
        Some(length) => {
            let mut body = vec![0; length.parse().unwrap()];
            reader.read_exact(&mut body)?;
            body
        }
        None => read_chunks(reader)?,
    };
    let (message, document) = decode(&body, Limits::REQUEST).unwrap();
    Ok(Asked {
        headers,
        message,
        document: document.to_vec(),
    })
}

fn read_chunks(reader: &mut impl BufRead) -> io::Result<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let length = usize::from_str_radix(line.trim_end(), 16).map_err(io::Error::other)?;
        let start = body.len();
        body.resize(start + length + 2, 0);
        reader.read_exact(&mut body[start..])?;
        body.truncate(start + length);
        if length == 0 {
            return Ok(body);
        }
    }
}
