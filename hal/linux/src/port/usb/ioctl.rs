// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The two ioctls of the kernel's `usblp` driver that the `usb:` port needs. Beside `i2c_ioctl` the
//! only `unsafe` of the project: ioctl numbers and buffer types are a contract that the compiler
//! can't check. Source: Linux `drivers/usb/class/usblp.c`.
#![allow(unsafe_code)]

use std::os::fd::AsFd;

use rustix::io;
use rustix::ioctl::{Getter, Opcode, ioctl, opcode};

/// Room for an IEEE 1284 device id; the driver's own buffer is of this size.
pub(super) const DEVICE_ID_LEN: usize = 1024;

const LPGETSTATUS: Opcode = 0x060b; // <linux/lp.h>, older than the ioctl numbering scheme
/// `LPIOC_GET_DEVICE_ID(len)`: the driver copies at most the length in the number.
const GET_DEVICE_ID: Opcode = opcode::read::<[u8; DEVICE_ID_LEN]>(b'P', 1);

/// The printer's status byte (USB printer class 1.1, §4.2.2), as an int as the driver gives it.
pub(super) fn status(device: impl AsFd) -> io::Result<i32> {
    // SAFETY: usblp_ioctl answers LPGETSTATUS by copying exactly one int to the given address, and
    // Getter gives it the address of an i32.
    unsafe { ioctl(device, Getter::<LPGETSTATUS, i32>::new()) }
}

/// The IEEE 1284 device id, behind its two length bytes.
pub(super) fn device_id(device: impl AsFd) -> io::Result<[u8; DEVICE_ID_LEN]> {
    let mut id = [0; DEVICE_ID_LEN];
    // SAFETY: the driver copies at most _IOC_SIZE(GET_DEVICE_ID) = DEVICE_ID_LEN bytes to the given
    // address, which Updater takes from a live [u8; DEVICE_ID_LEN]. It may copy fewer: the buffer is
    // initialised before.
    unsafe {
        ioctl(
            device,
            rustix::ioctl::Updater::<GET_DEVICE_ID, _>::new(&mut id),
        )?;
    }
    Ok(id)
}
