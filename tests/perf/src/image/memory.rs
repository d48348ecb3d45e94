// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Memory of all processes in a guest: the proportional set, in which what two share counts half for each.

use std::collections::BTreeMap;
use std::error::Error;
use std::time::Duration;

use platen_bed::qemu::Guest;
use serde::Serialize;

/// Name, then the kernel's line `Pss: N kB`, of each process that has memory of its own.
const ASK: &str = "for process in /proc/[0-9]*; do \
    pss=$(grep '^Pss:' \"$process/smaps_rollup\" 2> /dev/null) && echo \"$(cat \"$process/comm\") $pss\"; done; true";
/// What is there only because somebody looks.
const ONLOOKERS: [&str; 4] = ["platen-guest", "sh", "grep", "cat"];
const LIMIT: Duration = Duration::from_secs(60);

/// Bytes by the name of the program.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Memory(BTreeMap<String, u64>);

impl Memory {
    /// Names with their bytes.
    pub fn by_name(&self) -> impl Iterator<Item = (&str, u64)> {
        self.0.iter().map(|(name, bytes)| (name.as_str(), *bytes))
    }

    /// Bytes of one program.
    #[must_use]
    pub fn of(&self, name: &str) -> u64 {
        self.0.get(name).copied().unwrap_or_default()
    }

    /// Bytes of all.
    #[must_use]
    pub fn all(&self) -> u64 {
        self.0.values().sum()
    }

    pub(super) fn larger(self, other: Self) -> Self {
        if other.all() > self.all() {
            other
        } else {
            self
        }
    }
}

/// Asks the guest's kernel.
pub(super) fn of(guest: &mut Guest) -> Result<Memory, Box<dyn Error>> {
    let ran = guest.run(&["/bin/sh", "-c", ASK], LIMIT)?;
    let memory = parse(&ran.out);
    if memory.all() == 0 {
        return Err(format!("no memory in: {}{}", ran.out, ran.messages).into());
    }
    Ok(memory)
}

fn parse(text: &str) -> Memory {
    let mut memory = Memory::default();
    for line in text.lines() {
        let Some((name, size)) = line.split_once(" Pss:") else {
            continue;
        };
        let kilobytes = size.trim().trim_end_matches(" kB").parse::<u64>();
        if let (Ok(kilobytes), false) = (kilobytes, ONLOOKERS.contains(&name)) {
            *memory.0.entry(name.to_owned()).or_default() += kilobytes * 1024;
        }
    }
    memory
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processes_of_a_name_are_added_and_onlookers_left_out() {
        let memory =
            parse("platend Pss:   100 kB\nplatend Pss:  20 kB\nsh Pss: 9 kB\nsystemd Pss: 1 kB\n");
        assert_eq!(
            (memory.of("platend"), memory.all()),
            (120 * 1024, 121 * 1024)
        );
    }
}
