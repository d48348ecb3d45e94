// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What an OSDP reader gone mad, or somebody on its line, can say. Whatever comes: no panic, an end
//! within the limits, in clear a card only when it was said twice, and where a channel is wanted
//! none at all but the one that a reader with the key was shown.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use embedded_io::{Read, ReadReady, Write};
use platen_drivers::osdp::frame::{self, Bytes, Check, Decoder, Head, Incoming, Security};
use platen_drivers::osdp::{Osdp, OsdpConfig, Protection};
use platen_drivers::{AesKey, NumberFormat};
use platen_hal::{CardReader, CardUid};
use platen_hal_sim::{OsdpModel, OsdpPort, SimDelay};

/// Milliseconds that one look and one start may ask for.
const POLL_MS_MAX: u64 = 250;
const START_MS_MAX: u64 = 450;
/// Looks at the port and packets that one call may make.
const ACCESSES_MAX: u64 = 300;
const CALLS: usize = 8;
const ADDRESS: u8 = 1;
const KEY: [u8; 16] = [0x5a; 16];
const CARD: [u8; 4] = [0xc0, 0xff, 0xee, 0x42];

/// Runs the codec over `data`, then the driver with `data` as what is on the line. The first octet
/// chooses: a liar in clear (CRC, sum), a liar where a channel is wanted, or somebody between the
/// box and a reader with the key.
///
/// # Panics
/// When a promise of the module is broken.
pub fn osdp_frame(data: &[u8]) {
    codec(data);
    let Some((mode, data)) = data.split_first() else {
        return;
    };
    match mode % 4 {
        0 => lied_to(data, Check::Crc, Protection::Clear),
        1 => lied_to(data, Check::Sum, Protection::Clear),
        2 => lied_to(data, Check::Crc, Protection::Secure(AesKey::new(KEY))),
        _ => overheard(data),
    }
}

/// What the codec takes for a packet, it makes again as it was.
fn codec(data: &[u8]) {
    for check in [Check::Crc, Check::Sum] {
        let mut decoder = Decoder::new(check);
        for byte in data {
            let Some(Incoming::Whole(whole)) = decoder.push(*byte) else {
                continue;
            };
            if let Some(packet) = frame::parse(&whole) {
                let again = frame::packet(&packet.head, packet.code, packet.data, |_| packet.mac);
                assert!(again.is_some_and(|again| again == whole));
            }
        }
    }
}

fn config(check: Check, protection: Protection) -> OsdpConfig {
    OsdpConfig {
        address: ADDRESS,
        check,
        protection,
        number: NumberFormat::default(),
        ask_twice: true,
    }
}

fn lied_to(data: &[u8], check: Check, protection: Protection) {
    let clear = matches!(protection, Protection::Clear);
    let liar = Liar::new(data, check);
    run(liar.clone(), config(check, protection), |uid| {
        assert!(clear, "a card without a channel");
        assert!(liar.said_twice(uid), "a card that was not said twice");
    });
}

fn overheard(data: &[u8]) {
    let model = OsdpModel::with_key(ADDRESS, KEY);
    let between = Between {
        port: model.port(),
        edits: data.iter().copied().collect(),
    };
    let protection = Protection::Secure(AesKey::new(KEY));
    assert!(model.present(&CARD, 32));
    run(between, config(Check::Crc, protection), |uid| {
        assert_eq!(uid.as_bytes(), CARD, "another card than the one shown");
    });
}

fn run<P>(port: P, config: OsdpConfig, check: impl Fn(&CardUid))
where
    P: Read + ReadReady + Write + Send,
{
    let secure = !matches!(config.protection, Protection::Clear);
    let delay = SimDelay::default();
    let mut count = 1_u8;
    let random = |into: &mut [u8]| {
        into.fill(count);
        count = count.wrapping_add(1);
    };
    let Ok(mut reader) = Osdp::new(port, delay.clone(), random, config) else {
        return;
    };
    let (mut waited_ms, mut spent) = (0, 0);
    for call in 0..CALLS {
        let start = call % 5 == 0;
        let found = if start {
            reader.start().map(|()| None)
        } else {
            reader.poll()
        };
        if let Ok(Some(uid)) = &found {
            check(uid);
        }
        assert!(reader.take_key().is_none() || !secure, "a key from nobody");
        let limit = if start { START_MS_MAX } else { POLL_MS_MAX };
        let waited = delay.total_ms() - waited_ms;
        assert!(waited <= limit, "call {call} waits {waited} ms");
        waited_ms += waited;
        let accesses = reader
            .trace()
            .map_or(0, |trace| trace.counters.transactions);
        assert!(
            accesses - spent <= ACCESSES_MAX,
            "call {call} takes too many"
        );
        spent = accesses;
    }
}

/// A reader that frames rightly most of the time, and lies in what it frames. Clones are one.
#[derive(Clone)]
struct Liar(Arc<Mutex<State>>);

struct State {
    data: VecDeque<u8>,
    check: Check,
    /// The command that waits for an answer.
    command: Option<(u8, u8)>,
    last: Vec<u8>,
    arrived: VecDeque<u8>,
    said: Vec<u8>,
}

impl Liar {
    fn new(data: &[u8], check: Check) -> Self {
        Self(Arc::new(Mutex::new(State {
            data: data.iter().copied().collect(),
            check,
            command: None,
            last: Vec::new(),
            arrived: VecDeque::new(),
            said: Vec::new(),
        })))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn said_twice(&self, uid: &CardUid) -> bool {
        let uid = uid.as_bytes();
        let state = self.lock();
        let said = state.said.windows(uid.len());
        said.filter(|said| *said == uid).count() >= 2
    }
}

impl State {
    fn next(&mut self) -> u8 {
        self.data.pop_front().unwrap_or(0)
    }

    fn some(&mut self, count: u8) -> Vec<u8> {
        (0..count).map(|_| self.next()).collect()
    }

    fn hear(&mut self, bytes: &[u8]) {
        let mut decoder = Decoder::new(self.check);
        for byte in bytes {
            if let Some(Incoming::Whole(whole)) = decoder.push(*byte) {
                let heard = frame::parse(&whole);
                self.command = heard.map(|packet| (packet.head.sequence, packet.code));
            }
        }
    }

    fn answer(&mut self) {
        let Some((sequence, command)) = self.command.take() else {
            return;
        };
        let Some(shape) = self.data.pop_front() else {
            return;
        };
        let said = match shape {
            0x00..0x40 if command == 0x61 => self.framed(
                sequence,
                None,
                0x45,
                &[0x5c, 0x26, 0x23, 1, 1, 1, 2, 3, 4, 9, 1, 4],
            ),
            0x00..0x30 => self.framed(sequence, None, 0x40, &[]),
            0x30..0x70 => {
                let length = [4, 7, 10, 5][usize::from(shape % 4)];
                let data = [vec![0, 0, length * 8, 0], self.some(length)].concat();
                self.framed(sequence, None, 0x50, &data)
            }
            0x70..0x90 => {
                let (code, length) = (self.next(), self.next() % 48);
                let data = self.some(length);
                self.framed(sequence, None, code, &data)
            }
            0x90..0xa0 => self.last.clone(),
            0xa0..0xc0 => {
                let security = self.security();
                let (code, length) = (self.next(), self.next() % 48);
                let data = self.some(length);
                self.framed(sequence, Some(security), code, &data)
            }
            0xc0..0xc8 => self.framed(0, None, 0x79, &[]),
            0xc8..0xd8 => self.framed(sequence, None, 0x41, &[shape & 0x0f]),
            0xd8..0xe0 => Vec::new(),
            0xe0.. => self.some(shape & 0x1f),
        };
        self.last.clone_from(&said);
        self.said.extend(&said);
        self.arrived.extend(said);
    }

    fn security(&mut self) -> Security {
        match self.next() {
            kind @ 0x11..=0x14 => Security::Handshake {
                kind,
                info: self.next(),
            },
            kind if kind % 2 == 0 => Security::Signed { reply: true },
            _ => Security::Sealed { reply: true },
        }
    }

    fn framed(
        &mut self,
        sequence: u8,
        security: Option<Security>,
        code: u8,
        data: &[u8],
    ) -> Vec<u8> {
        let head = Head {
            address: ADDRESS | frame::FROM_READER,
            sequence,
            check: self.check,
            security,
        };
        let mac = self.some(if security.is_some() { 4 } else { 0 });
        let sign = |_: &[u8]| Some(<[u8; 4]>::try_from(mac.as_slice()).unwrap_or_default());
        let packet: Option<Bytes> = frame::packet(&head, code, data, sign);
        packet.map(|packet| packet.to_vec()).unwrap_or_default()
    }
}

impl embedded_io::ErrorType for Liar {
    type Error = Infallible;
}

impl Write for Liar {
    fn write(&mut self, bytes: &[u8]) -> Result<usize, Infallible> {
        self.lock().hear(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> Result<(), Infallible> {
        Ok(())
    }
}

impl ReadReady for Liar {
    fn read_ready(&mut self) -> Result<bool, Infallible> {
        let mut state = self.lock();
        state.answer();
        Ok(!state.arrived.is_empty())
    }
}

impl Read for Liar {
    fn read(&mut self, into: &mut [u8]) -> Result<usize, Infallible> {
        let mut state = self.lock();
        let count = into.len().min(state.arrived.len());
        let taken = state.arrived.drain(..count);
        into.iter_mut().zip(taken).for_each(|(to, byte)| *to = byte);
        Ok(count)
    }
}

/// Somebody between the box and a reader, who changes what the reader says.
struct Between {
    port: OsdpPort,
    edits: VecDeque<u8>,
}

impl embedded_io::ErrorType for Between {
    type Error = platen_hal_sim::osdp::OsdpLineFailed;
}

impl Write for Between {
    fn write(&mut self, bytes: &[u8]) -> Result<usize, Self::Error> {
        self.port.write(bytes)
    }

    fn flush(&mut self) -> Result<(), Self::Error> {
        self.port.flush()
    }
}

impl ReadReady for Between {
    fn read_ready(&mut self) -> Result<bool, Self::Error> {
        self.port.read_ready()
    }
}

impl Read for Between {
    fn read(&mut self, into: &mut [u8]) -> Result<usize, Self::Error> {
        let mut heard = [0; 32];
        let count = self.port.read(&mut heard)?;
        let mut said = Vec::new();
        for byte in heard.into_iter().take(count) {
            match self.edits.pop_front() {
                None | Some(0x00..0xe0) => said.push(byte),
                Some(edit @ 0xe0..0xe8) => said.push(byte ^ 1 << (edit & 7)),
                Some(0xe8..0xf0) => {}
                Some(0xf0..0xf8) => said.extend([byte, byte]),
                Some(_) => said.extend(self.edits.pop_front()),
            }
        }
        let count = said.len().min(into.len());
        into.iter_mut().zip(said).for_each(|(to, byte)| *to = byte);
        Ok(count)
    }
}
