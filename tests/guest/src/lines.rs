// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What is at the other ends of the simulated lines and has to be quick: a Wiegand reader. What may
//! be slow, such as a door, is a line of text that the bed writes into the line's `pull`.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::Duration;

use platen_hal_sim::wiegand::wiegand_bits;

use crate::clock::{pause, uptime};

/// As most readers time their pulses. An emulated processor makes them longer.
const PULSE: Duration = Duration::from_micros(80);
const INTERVAL: Duration = Duration::from_millis(2);
/// Silence between two sendings of a number.
const SILENCE: Duration = Duration::from_millis(500);

/// Sends a number of 24 bits as 26 with their parity, some times.
///
/// # Errors
/// The system's own, when there are no such lines.
pub fn send_wiegand(lines: &Path, d0: u32, d1: u32, number: u32, times: u32) -> io::Result<()> {
    let open = |line: u32| {
        let pull = lines.join(format!("sim_gpio{line}/pull"));
        OpenOptions::new().write(true).open(pull)
    };
    let wires = [open(d0)?, open(d1)?];
    let bits = wiegand_bits(number.into(), 24);
    for _ in 0..times {
        for bit in &bits {
            let [zero, one] = &wires;
            pulse(if *bit { one } else { zero })?;
        }
        pause(SILENCE);
    }
    Ok(())
}

fn pulse(wire: &File) -> io::Result<()> {
    let begin = uptime();
    wire.write_all_at(b"pull-down", 0)?;
    while uptime() < begin + PULSE {
        std::hint::spin_loop();
    }
    wire.write_all_at(b"pull-up", 0)?;
    while uptime() < begin + INTERVAL {
        std::hint::spin_loop();
    }
    Ok(())
}
