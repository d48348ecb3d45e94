// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What a server costs, read from `/proc` (proc_pid_stat(5), proc_pid_status(5)): processor time
//! of a process and its children, and its resident memory.

use std::collections::HashMap;
use std::time::Duration;
use std::{fs, io};

use serde::Serialize;

/// Resident memory of one process, bytes.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize)]
pub struct Memory {
    /// `VmRSS`, now.
    pub resident: u64,
    /// `VmHWM`, the most since the process started.
    pub peak: u64,
}

impl Memory {
    /// Reads the memory of process `pid`.
    ///
    /// # Errors
    /// When there is no such process or it is a kernel thread.
    pub fn of(pid: u32) -> io::Result<Self> {
        let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
        memory(&status).ok_or_else(|| io::ErrorKind::InvalidData.into())
    }
}

/// User and system time of process `pid`, of its children, and of those of them that have ended
/// and were waited for. Resolution: one clock tick, 10 ms as a rule.
///
/// # Errors
/// When there is no such process.
pub fn processor_time(pid: u32) -> io::Result<Duration> {
    let mut processes = HashMap::new();
    for entry in fs::read_dir("/proc")?.flatten() {
        let number = entry
            .file_name()
            .to_str()
            .and_then(|name| name.parse::<u32>().ok());
        let Some(number) = number else { continue };
        // A process that ends while this looks is counted by its parent.
        if let Ok(line) = fs::read_to_string(entry.path().join("stat")) {
            processes.extend(usage(&line).map(|usage| (number, usage)));
        }
    }
    let own = processes.get(&pid).ok_or(io::ErrorKind::NotFound)?;
    let mut ticks = own.ticks;
    let mut parents = vec![pid];
    while let Some(parent) = parents.pop() {
        for (&child, usage) in processes.iter().filter(|(_, usage)| usage.parent == parent) {
            ticks += usage.ticks;
            parents.push(child);
        }
    }
    let per_second = rustix::param::clock_ticks_per_second().max(1);
    Ok(Duration::from_micros(
        ticks.saturating_mul(1_000_000) / per_second,
    ))
}

/// Processor time of this process itself.
///
/// # Errors
/// When `/proc` is not mounted.
pub fn own_processor_time() -> io::Result<Duration> {
    let line = fs::read_to_string("/proc/self/stat")?;
    let ticks = usage(&line).ok_or(io::ErrorKind::InvalidData)?.ticks;
    let per_second = rustix::param::clock_ticks_per_second().max(1);
    Ok(Duration::from_micros(
        ticks.saturating_mul(1_000_000) / per_second,
    ))
}

struct Usage {
    parent: u32,
    ticks: u64,
}

/// Fields 4 and 14–17, counted from after the name: it may hold spaces and brackets.
fn usage(line: &str) -> Option<Usage> {
    let (_, rest) = line.rsplit_once(')')?;
    let fields: Vec<&str> = rest.split_whitespace().collect();
    let times = fields.get(11..15)?.iter().map(|field| field.parse::<u64>());
    let ticks = times.sum::<Result<u64, _>>().ok()?;
    Some(Usage {
        parent: fields.get(1)?.parse().ok()?,
        ticks,
    })
}

fn memory(status: &str) -> Option<Memory> {
    let value = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name))?;
        let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
        Some(kibibytes * 1024)
    };
    Some(Memory {
        resident: value("VmRSS:")?,
        peak: value("VmHWM:")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_brackets_does_not_shift_the_fields() {
        let line = "42 (a) (b c) S 7 42 42 0 -1 4194560 1 2 3 4 10 20 30 40 20 0 1 0 1 1 1";
        let usage = usage(line).expect("fields");
        assert_eq!((usage.parent, usage.ticks), (7, 100));
    }

    #[test]
    fn memory_is_read_in_bytes() {
        let status = "Name:\tx\nVmHWM:\t    2048 kB\nVmRSS:\t    1024 kB\n";
        let expected = Memory {
            resident: 1 << 20,
            peak: 2 << 20,
        };
        assert_eq!(memory(status), Some(expected));
        assert_eq!(memory("Name:\tkthreadd\n"), None);
    }

    #[test]
    fn this_process_can_be_measured() {
        let pid = std::process::id();
        assert!(Memory::of(pid).expect("a process").peak > 0);
        assert!(processor_time(pid).is_ok());
        assert!(own_processor_time().is_ok());
        assert!(processor_time(0).is_err());
    }
}
