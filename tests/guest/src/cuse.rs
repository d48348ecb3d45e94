// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A character device served from user space: the kernel's CUSE protocol on `/dev/cuse`, by plain
//! reads and writes. Source: Linux `include/uapi/linux/fuse.h` (7.31) and `fs/fuse/cuse.c`.
//!
//! Only `open`, `ioctl` and `close` are answered; programs that read or write get `ENOSYS`.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};

use embedded_hal::spi::SpiDevice;

use crate::spidev::{Answer, Call, Span, Spidev, u32_at, u64_at};

const IN_HEADER: usize = 40; // length u32, opcode u32, unique u64, node u64, uid, gid, pid, padding
const OUT_HEADER: usize = 16; // length u32, error i32, unique u64
const REQUEST_MAX: usize = 1 << 18;

const OPEN: u32 = 14;
const RELEASE: u32 = 18;
const FLUSH: u32 = 25;
const INTERRUPT: u32 = 36;
const IOCTL: u32 = 39;
const CUSE_INIT: u32 = 4096;

const MAJOR: u32 = 7;
const MINOR_MAX: u32 = 31;
const UNRESTRICTED_IOCTL: u32 = 1; // in the answer to CUSE_INIT
const IOCTL_RETRY: u32 = 4;
const MAX_IO: u32 = 65_536;
const ENOSYS: i32 = 38;

/// Serves `file` as `/dev/NAME` until the kernel ends it.
///
/// # Errors
/// The system's own: no `/dev/cuse`, or the device has been taken away.
pub fn serve<S: SpiDevice>(name: &str, file: &mut Spidev<S>) -> io::Result<()> {
    let mut kernel = OpenOptions::new()
        .read(true)
        .write(true)
        .open("/dev/cuse")?;
    let mut buffer = vec![0; REQUEST_MAX];
    loop {
        let length = kernel.read(&mut buffer)?;
        let request = buffer.get(..length).unwrap_or_default();
        if let Some(reply) = reply(name, file, request) {
            send(&mut kernel, &reply)?;
        }
    }
}

/// A request that was interrupted takes no answer any more: the kernel says so, and that is all.
fn send(kernel: &mut File, reply: &[u8]) -> io::Result<()> {
    match kernel.write(reply) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        sent => sent.map(drop),
    }
}

fn reply<S: SpiDevice>(name: &str, file: &mut Spidev<S>, request: &[u8]) -> Option<Vec<u8>> {
    let (opcode, unique) = (u32_at(request, 4), u64_at(request, 8));
    let body = request.get(IN_HEADER..)?;
    let framed = |error: i32, body: &[u8]| {
        let length = u32::try_from(OUT_HEADER + body.len()).unwrap_or(u32::MAX);
        let mut reply = length.to_ne_bytes().to_vec();
        reply.extend(error.to_ne_bytes());
        reply.extend(unique.to_ne_bytes());
        reply.extend(body);
        reply
    };
    Some(match opcode {
        CUSE_INIT => framed(0, &init(name, u32_at(body, 4))),
        OPEN => framed(0, &[0; 16]),
        RELEASE | FLUSH => framed(0, &[]),
        INTERRUPT => return None,
        IOCTL => match ioctl(file, body) {
            Ok(reply) => framed(0, &reply),
            Err(error) => framed(-error, &[]),
        },
        _ => framed(-ENOSYS, &[]),
    })
}

/// `struct cuse_init_out` and the device's name.
fn init(name: &str, minor: u32) -> Vec<u8> {
    let [unused, any] = [0, 0];
    let head = [
        MAJOR,
        minor.min(MINOR_MAX),
        unused,
        UNRESTRICTED_IOCTL,
        MAX_IO,
        MAX_IO,
        any,
        any,
    ];
    let spare = [0_u32; 10];
    let mut reply: Vec<u8> = head
        .iter()
        .chain(&spare)
        .flat_map(|n| n.to_ne_bytes())
        .collect();
    reply.extend(format!("DEVNAME={name}\0").bytes());
    reply
}

/// `struct fuse_ioctl_in`: handle u64, flags u32, command u32, argument u64, in u32, out u32.
fn ioctl<S: SpiDevice>(file: &mut Spidev<S>, body: &[u8]) -> Result<Vec<u8>, i32> {
    let size = |offset| usize::try_from(u32_at(body, offset)).unwrap_or(0);
    let (given, room) = (size(24), size(28));
    let data = body.get(32..).and_then(|data| data.get(..given));
    let answer = file.ioctl(Call {
        command: u32_at(body, 12),
        argument: u64_at(body, 16),
        data: data.unwrap_or_default(),
        room,
    });
    let count = |spans: &[Span]| u32::try_from(spans.len()).unwrap_or(0);
    match answer {
        Answer::Failed(error) => Err(error),
        Answer::Done { result, out } => {
            let mut reply = result.to_ne_bytes().to_vec();
            reply.extend([0; 12]);
            reply.extend(out);
            Ok(reply)
        }
        Answer::Again { ins, outs } => {
            let head = [0, IOCTL_RETRY, count(&ins), count(&outs)];
            let mut reply: Vec<u8> = head.iter().flat_map(|n| n.to_ne_bytes()).collect();
            let spans = ins.iter().chain(&outs);
            reply.extend(spans.flat_map(|(at, n)| [at.to_ne_bytes(), n.to_ne_bytes()].concat()));
            Ok(reply)
        }
    }
}

#[cfg(test)]
mod tests {
    use platen_hal_sim::{Field, Mfrc522Model};

    use super::*;

    fn request(opcode: u32, body: &[u8]) -> Vec<u8> {
        let mut request = 0_u32.to_ne_bytes().to_vec();
        request.extend(opcode.to_ne_bytes());
        request.extend(77_u64.to_ne_bytes());
        request.resize(IN_HEADER, 0);
        request.extend(body);
        request
    }

    #[test]
    fn the_kernel_is_told_the_name_and_an_unknown_request_is_refused() {
        let mut file = Spidev::new(Mfrc522Model::new(&Field::new()));
        let versions = [7_u32.to_ne_bytes(), 38_u32.to_ne_bytes()].concat();
        let reply_init = reply("spidev0.0", &mut file, &request(CUSE_INIT, &versions)).unwrap();
        assert_eq!(
            u32_at(&reply_init, 0),
            u32::try_from(reply_init.len()).unwrap()
        );
        assert_eq!(u64_at(&reply_init, 8), 77);
        assert_eq!(u32_at(&reply_init, OUT_HEADER + 4), MINOR_MAX);
        assert_eq!(
            reply_init.len(),
            OUT_HEADER + 72 + "DEVNAME=spidev0.0\0".len()
        );
        let refused = reply("spidev0.0", &mut file, &request(15, &[0; 40])).unwrap();
        assert_eq!(u32_at(&refused, 4), (-ENOSYS).cast_unsigned());
        assert!(reply("spidev0.0", &mut file, &request(INTERRUPT, &[0; 8])).is_none());
        assert!(reply("spidev0.0", &mut file, &[0; 8]).is_none());
    }
}
