// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What the kernel's spidev driver answers to `ioctl`, on any simulated chip. Source: Linux
//! `include/uapi/linux/spi/spidev.h` and `drivers/spi/spidev.c`.
//!
//! Not here: `read` and `write` on the device, which the box does not use; speeds, modes and word
//! lengths are remembered and have no effect on a model.

use embedded_hal::spi::{Operation, SpiDevice};

/// Memory of the program that called: address and length.
pub type Span = (u64, u64);

/// What to do with a call.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Answer {
    /// Call again with these pieces of the caller's memory at hand.
    Again {
        /// What must be read before.
        ins: Vec<Span>,
        /// What will be written.
        outs: Vec<Span>,
    },
    /// Done: the call's result, and what is written into the caller's memory.
    Done {
        /// What `ioctl` returns.
        result: i32,
        /// The bytes, all pieces behind each other.
        out: Vec<u8>,
    },
    /// Refused, with the system's error number.
    Failed(i32),
}

/// One call.
#[derive(Clone, Copy, Debug)]
pub struct Call<'a> {
    /// The request number.
    pub command: u32,
    /// The argument, an address.
    pub argument: u64,
    /// What has been read of the caller's memory.
    pub data: &'a [u8],
    /// Room for what will be written.
    pub room: usize,
}

const MAGIC: u32 = b'k' as u32;
const EIO: i32 = 5;
const EINVAL: i32 = 22;
const ENOTTY: i32 = 25;
const EMSGSIZE: i32 = 90;
/// `struct spi_ioc_transfer`: tx u64, rx u64, length u32, speed u32, delay u16, bits u8, cs u8, …
const TRANSFER_BYTES: usize = 32;
/// spidev's default `bufsiz`: most bytes of one message.
const MESSAGE_MAX: usize = 4096;

/// A device file in front of a chip.
#[derive(Debug)]
pub struct Spidev<S> {
    chip: S,
    mode: u32,
    least_first: u8,
    bits: u8,
    speed_hz: u32,
}

struct Transfer {
    tx: u64,
    rx: u64,
    length: usize,
    deselect: bool,
}

impl<S: SpiDevice> Spidev<S> {
    /// The file, as the driver makes it.
    pub fn new(chip: S) -> Self {
        Self {
            chip,
            mode: 0,
            least_first: 0,
            bits: 8,
            speed_hz: 10_000_000,
        }
    }

    /// Answers a call.
    pub fn ioctl(&mut self, call: Call<'_>) -> Answer {
        let (kind, number) = (call.command >> 8 & 0xff, call.command & 0xff);
        let size = usize::try_from(call.command >> 16 & 0x3fff).unwrap_or(0);
        let writes = call.command >> 30 & 1 == 1;
        match (kind, number) {
            (MAGIC, 0) => self.message(call, size),
            (MAGIC, 1..=5) if writes => self.set(number, call, size),
            (MAGIC, 1..=5) => self.get(number, call, size),
            _ => Answer::Failed(ENOTTY),
        }
    }

    fn set(&mut self, number: u32, call: Call<'_>, size: usize) -> Answer {
        let Some(data) = call.data.get(..size).filter(|_| size > 0) else {
            return again(&[(call.argument, size)], &[]);
        };
        match (number, data) {
            (1, [mode]) => self.mode = u32::from(*mode),
            (2, [least_first]) => self.least_first = *least_first,
            (3, [bits]) => self.bits = *bits,
            (4, _) => self.speed_hz = u32_at(data, 0),
            (5, _) => self.mode = u32_at(data, 0),
            _ => return Answer::Failed(EINVAL),
        }
        Answer::Done {
            result: 0,
            out: Vec::new(),
        }
    }

    fn get(&self, number: u32, call: Call<'_>, size: usize) -> Answer {
        if call.room < size {
            return again(&[], &[(call.argument, size)]);
        }
        let wide = match number {
            1 | 5 => self.mode,
            2 => u32::from(self.least_first),
            3 => u32::from(self.bits),
            _ => self.speed_hz,
        };
        let out = wide.to_ne_bytes();
        match out.get(..size) {
            Some(out) => Answer::Done {
                result: 0,
                out: out.to_vec(),
            },
            None => Answer::Failed(EINVAL),
        }
    }

    /// `SPI_IOC_MESSAGE(n)`: first the descriptors are fetched, then what they point to.
    fn message(&mut self, call: Call<'_>, size: usize) -> Answer {
        if size == 0 || !size.is_multiple_of(TRANSFER_BYTES) {
            return Answer::Failed(EINVAL);
        }
        let Some((table, data)) = call.data.split_at_checked(size) else {
            return again(&[(call.argument, size)], &[]);
        };
        let transfers: Vec<Transfer> = table.chunks(TRANSFER_BYTES).map(Transfer::of).collect();
        let total: usize = transfers.iter().map(|transfer| transfer.length).sum();
        if total > MESSAGE_MAX {
            return Answer::Failed(EMSGSIZE);
        }
        let sent = |t: &Transfer| (t.tx != 0).then_some((t.tx, t.length));
        let read = |t: &Transfer| (t.rx != 0).then_some((t.rx, t.length));
        let mut ins = vec![(call.argument, size)];
        ins.extend(transfers.iter().filter_map(sent));
        let outs: Vec<_> = transfers.iter().filter_map(read).collect();
        let bytes = |spans: &[(u64, usize)]| spans.iter().map(|span| span.1).sum::<usize>();
        if call.data.len() < bytes(&ins) || call.room < bytes(&outs) {
            return again(&ins, &outs);
        }
        match self.exchange(&transfers, data) {
            Some(out) => Answer::Done {
                result: i32::try_from(total).unwrap_or(i32::MAX),
                out,
            },
            None => Answer::Failed(EIO),
        }
    }

    /// Runs the transfers; the chip is let go after each that says so, and after the last.
    fn exchange(&mut self, transfers: &[Transfer], mut data: &[u8]) -> Option<Vec<u8>> {
        let mut out = Vec::new();
        for group in transfers.split_inclusive(|transfer| transfer.deselect) {
            let mut received: Vec<Vec<u8>> = group.iter().map(|t| vec![0; t.length]).collect();
            let mut operations = Vec::with_capacity(group.len());
            for (transfer, received) in group.iter().zip(&mut received) {
                operations.push(if transfer.tx == 0 {
                    Operation::Read(received)
                } else {
                    let (sent, rest) = data.split_at_checked(transfer.length)?;
                    data = rest;
                    Operation::Transfer(received, sent)
                });
            }
            self.chip.transaction(&mut operations).ok()?;
            let wanted = group.iter().zip(&received).filter(|(t, _)| t.rx != 0);
            wanted.for_each(|(_, received)| out.extend_from_slice(received));
        }
        Some(out)
    }
}

impl Transfer {
    fn of(raw: &[u8]) -> Self {
        Self {
            tx: u64_at(raw, 0),
            rx: u64_at(raw, 8),
            length: usize::try_from(u32_at(raw, 16)).unwrap_or(usize::MAX),
            deselect: raw.get(27).is_some_and(|change| *change != 0),
        }
    }
}

fn again(ins: &[(u64, usize)], outs: &[(u64, usize)]) -> Answer {
    let spans = |spans: &[(u64, usize)]| spans.iter().map(|(at, n)| (*at, *n as u64)).collect();
    Answer::Again {
        ins: spans(ins),
        outs: spans(outs),
    }
}

/// Four bytes at `offset`, in this machine's order; 0 beyond the end.
#[must_use]
pub fn u32_at(bytes: &[u8], offset: usize) -> u32 {
    let found = bytes.get(offset..).and_then(<[u8]>::first_chunk);
    u32::from_ne_bytes(found.copied().unwrap_or_default())
}

/// Eight bytes at `offset`, in this machine's order; 0 beyond the end.
#[must_use]
pub fn u64_at(bytes: &[u8], offset: usize) -> u64 {
    let found = bytes.get(offset..).and_then(<[u8]>::first_chunk);
    u64::from_ne_bytes(found.copied().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use platen_hal_sim::{Field, Mfrc522Model};

    use super::*;

    const MESSAGE_OF_TWO: u32 = 1 << 30 | 64 << 16 | MAGIC << 8;
    const VERSION_READ: u8 = 0x80 | 0x37 << 1;

    fn transfer(tx: u64, rx: u64, length: u32) -> Vec<u8> {
        let mut raw = tx.to_ne_bytes().to_vec();
        raw.extend(rx.to_ne_bytes());
        raw.extend(length.to_ne_bytes());
        raw.resize(TRANSFER_BYTES, 0);
        raw
    }

    fn call(command: u32, data: &[u8], room: usize) -> Call<'_> {
        let argument = 0x1000;
        Call {
            command,
            argument,
            data,
            room,
        }
    }

    #[test]
    fn a_register_is_read_in_three_rounds() {
        let mut file = Spidev::new(Mfrc522Model::new(&Field::new()));
        let first = file.ioctl(call(MESSAGE_OF_TWO, &[], 0));
        let table = (0x1000, 64);
        assert_eq!(
            first,
            Answer::Again {
                ins: vec![table],
                outs: vec![]
            }
        );
        let mut data = [transfer(0x2000, 0, 1), transfer(0, 0x3000, 1)].concat();
        let second = file.ioctl(call(MESSAGE_OF_TWO, &data, 0));
        assert_eq!(
            second,
            Answer::Again {
                ins: vec![table, (0x2000, 1)],
                outs: vec![(0x3000, 1)]
            }
        );
        data.push(VERSION_READ);
        let third = file.ioctl(call(MESSAGE_OF_TWO, &data, 1));
        assert_eq!(
            third,
            Answer::Done {
                result: 2,
                out: vec![0x92]
            }
        );
    }

    #[test]
    fn what_was_set_is_read_back() {
        let mut file = Spidev::new(Mfrc522Model::new(&Field::new()));
        let (set, get) = (
            1 << 30 | 4 << 16 | MAGIC << 8 | 4,
            2 << 30 | 4 << 16 | MAGIC << 8 | 4,
        );
        let speed = 1_000_000_u32.to_ne_bytes();
        assert!(matches!(
            file.ioctl(call(set, &[], 0)),
            Answer::Again { .. }
        ));
        assert!(matches!(
            file.ioctl(call(set, &speed, 0)),
            Answer::Done { .. }
        ));
        let read = file.ioctl(call(get, &[], 4));
        let out = speed.to_vec();
        assert_eq!(read, Answer::Done { result: 0, out });
    }

    #[test]
    fn what_spidev_refuses_is_refused() {
        let mut file = Spidev::new(Mfrc522Model::new(&Field::new()));
        assert_eq!(file.ioctl(call(0x0101, &[], 0)), Answer::Failed(ENOTTY));
        let odd = 1 << 30 | 31 << 16 | MAGIC << 8;
        assert_eq!(file.ioctl(call(odd, &[], 0)), Answer::Failed(EINVAL));
        let long = [transfer(1, 0, 4000), transfer(1, 0, 97)].concat();
        let refused = file.ioctl(call(MESSAGE_OF_TWO, &long, 0));
        assert_eq!(refused, Answer::Failed(EMSGSIZE));
    }
}
