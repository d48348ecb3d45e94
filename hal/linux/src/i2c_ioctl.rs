// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The ioctls of the kernel's `i2c-dev` that limit how long one transfer may take. Source: Linux
//! `include/uapi/linux/i2c-dev.h`, `drivers/i2c/i2c-dev.c`.
#![allow(unsafe_code)]

use std::os::fd::{AsRawFd, BorrowedFd};
use std::time::Duration;

use rustix::io;
use rustix::ioctl::{IntegerSetter, Opcode, ioctl};

const I2C_RETRIES: Opcode = 0x0701; // older than the ioctl numbering scheme
const I2C_TIMEOUT: Opcode = 0x0702;
const TIMEOUT_UNIT_MS: u128 = 10;

/// Limits a transfer of this adapter, also one of its other users. The kernel's own limit is one
/// second on most adapters: longer than a look into the field may take.
pub(super) fn limit(device: &impl AsRawFd, limit: Duration) -> io::Result<()> {
    let units = limit.as_millis().div_ceil(TIMEOUT_UNIT_MS);
    let units = usize::try_from(units).map_err(|_| io::Errno::INVAL)?;
    // SAFETY: `device` is borrowed for this call and open as long as it lives.
    let device = unsafe { BorrowedFd::borrow_raw(device.as_raw_fd()) };
    // SAFETY: both calls take their argument by value and touch no memory of this process.
    unsafe {
        ioctl(device, IntegerSetter::<I2C_RETRIES>::new_usize(0))?;
        ioctl(device, IntegerSetter::<I2C_TIMEOUT>::new_usize(units))
    }
}
