// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The box's disk as a file: copied from the image, looked into from outside while no guest runs on it.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::process::{BedError, installed_program, run};

/// A disk.
#[derive(Clone, Debug)]
pub struct Disk {
    path: PathBuf,
}

/// A partition of every disk, by its place in the table of a PC.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Partition {
    /// GRUB and its state.
    Firmware = 0,
    /// What slot A starts from.
    BootA,
    /// What slot B starts from.
    BootB,
    /// Root of slot A.
    RootA,
    /// Root of slot B.
    RootB,
    /// Everything the box keeps.
    Data,
}

/// One of both systems on a disk.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Slot {
    /// The first one.
    A,
    /// The other one.
    B,
}

impl Slot {
    /// Its name in RAUC's and GRUB's words.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::A => "A",
            Self::B => "B",
        }
    }
}

impl Disk {
    /// A copy of an image's disk, grown to `mib` if it is smaller: what a person has who wrote the image to a
    /// card.
    ///
    /// # Errors
    /// [`BedError::Failed`], [`BedError::Io`].
    pub fn copy(image: &Path, to: &Path, mib: u64) -> Result<Self, BedError> {
        let growing = || BedError::io(format!("make {}", to.display()));
        if let Some(folder) = to.parent() {
            fs::create_dir_all(folder).map_err(growing())?;
        }
        run(Command::new("cp")
            .args(["--sparse=always"])
            .arg(image)
            .arg(to))?;
        let file = File::options().write(true).open(to).map_err(growing())?;
        let size = file.metadata().map_err(growing())?.len();
        file.set_len(size.max(mib << 20)).map_err(growing())?;
        Ok(Self {
            path: to.to_owned(),
        })
    }

    /// The same disk once more.
    ///
    /// # Errors
    /// As [`Disk::copy`].
    pub fn duplicate(&self, to: &Path) -> Result<Self, BedError> {
        run(Command::new("cp")
            .args(["--sparse=always"])
            .arg(&self.path)
            .arg(to))?;
        Ok(Self {
            path: to.to_owned(),
        })
    }

    /// Its file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Where a partition begins and how long it is, in bytes.
    ///
    /// # Errors
    /// [`BedError::Answer`] for a disk without it.
    pub fn place(&self, partition: Partition) -> Result<(u64, u64), BedError> {
        let sfdisk = installed_program("sfdisk")?;
        let text = run(Command::new(sfdisk).arg("-J").arg(&self.path))?;
        let table: Value = serde_json::from_str(&text).unwrap_or_default();
        let entry = &table["partitiontable"]["partitions"][partition as usize];
        match (entry["start"].as_u64(), entry["size"].as_u64()) {
            (Some(start), Some(size)) => Ok((start * 512, size * 512)),
            _ => Err(BedError::Answer {
                from: format!("{}: no {partition:?}", self.path.display()),
                answer: text,
            }),
        }
    }

    /// A file of a FAT partition.
    ///
    /// # Errors
    /// [`BedError::Failed`] when there is none.
    pub fn read(&self, partition: Partition, path: &str) -> Result<String, BedError> {
        let mtype = installed_program("mtype")?;
        let inside = self.inside(partition)?;
        run(Command::new(mtype).args(["-i", &inside, &format!("::{path}")]))
    }

    /// Writes a file of a FAT partition.
    ///
    /// # Errors
    /// [`BedError::Failed`], [`BedError::Io`].
    pub fn write(&self, partition: Partition, path: &str, content: &str) -> Result<(), BedError> {
        let scratch = self.path.with_extension("scratch");
        let writing = || BedError::io(format!("write {}", scratch.display()));
        fs::write(&scratch, content).map_err(writing())?;
        let inside = self.inside(partition)?;
        run(Command::new(installed_program("mcopy")?)
            .args(["-o", "-i", &inside])
            .arg(&scratch)
            .arg(format!("::{path}")))?;
        fs::remove_file(&scratch).map_err(writing())
    }

    /// Makes a folder of a FAT partition.
    ///
    /// # Errors
    /// [`BedError::Failed`].
    pub fn make_folder(&self, partition: Partition, path: &str) -> Result<(), BedError> {
        let inside = self.inside(partition)?;
        run(Command::new(installed_program("mmd")?).args(["-i", &inside, &format!("::{path}")]))
            .map(drop)
    }

    /// The bytes of a partition.
    ///
    /// # Errors
    /// As [`Disk::place`].
    pub fn bytes(&self, partition: Partition) -> Result<Vec<u8>, BedError> {
        let (start, size) = self.place(partition)?;
        let mut bytes = vec![0; usize::try_from(size).unwrap_or_default()];
        let file = File::open(&self.path);
        file.and_then(|file| file.read_exact_at(&mut bytes, start))
            .map_err(BedError::io(format!("read {}", self.path.display())))?;
        Ok(bytes)
    }

    /// Writes over the first bytes of a partition.
    ///
    /// # Errors
    /// As [`Disk::place`].
    pub fn overwrite(&self, partition: Partition, bytes: &[u8]) -> Result<(), BedError> {
        let (start, _) = self.place(partition)?;
        let file = File::options().write(true).open(&self.path);
        file.and_then(|file| file.write_all_at(bytes, start))
            .map_err(BedError::io(format!("write {}", self.path.display())))
    }

    fn inside(&self, partition: Partition) -> Result<String, BedError> {
        let (start, _) = self.place(partition)?;
        Ok(format!("{}@@{start}", self.path.display()))
    }

    /// A variable of GRUB's, if it is set.
    ///
    /// # Errors
    /// As [`Disk::read`].
    pub fn boot_state(&self, name: &str) -> Result<Option<String>, BedError> {
        let text = self.read(Partition::Firmware, "grub/grubenv")?;
        Ok(value_in(&text, name))
    }

    /// The slot that GRUB would start next, by its state: `board/qemu_x86_64/grub.cfg`.
    ///
    /// # Errors
    /// As [`Disk::read`].
    pub fn next_slot(&self) -> Result<Slot, BedError> {
        let order = self.boot_state("ORDER")?.unwrap_or_default();
        let fit = |slot: &Slot| {
            let name = slot.name();
            let state = |what: &str| self.boot_state(&format!("{name}_{what}"));
            Ok::<_, BedError>(
                state("OK")?.as_deref() == Some("1") && state("TRY")?.as_deref() != Some("3"),
            )
        };
        let slots = match order.as_str() {
            "B A" => [Slot::B, Slot::A],
            _ => [Slot::A, Slot::B],
        };
        for slot in slots {
            if fit(&slot)? {
                return Ok(slot);
            }
        }
        Ok(slots[0])
    }

    /// The command line that GRUB would give the kernel of a slot.
    ///
    /// # Errors
    /// As [`Disk::read`]; [`BedError::Answer`] for a slot that has nothing to start.
    pub fn words(&self, slot: Slot) -> Result<String, BedError> {
        let (boot, root) = match slot {
            Slot::A => (Partition::BootA, "626b9ab8-301a-4ecf-a126-26d57693d99a"),
            Slot::B => (Partition::BootB, "21f15d56-1e99-4f2f-bc16-2f276bee9422"),
        };
        let numbers = self.read(boot, "slot.cfg")?;
        let number = |name: &str| {
            let line = numbers.lines().find_map(|line| {
                let value = line.strip_prefix("set ")?.strip_prefix(name)?;
                value
                    .strip_prefix('=')
                    .map(|value| value.trim_matches('"').to_owned())
            });
            line.ok_or_else(|| BedError::Answer {
                from: format!("slot.cfg: no {name}"),
                answer: numbers.clone(),
            })
        };
        let id = self.boot_state("machine_id")?;
        let id = id.map_or_else(String::new, |id| format!(" systemd.machine_id={id}"));
        Ok(format!(
            "\"dm-mod.create=platen-root,,,ro,0 {} verity 1 PARTUUID={root} PARTUUID={root} 4096 4096 \
             {} {} sha256 {} {} 1 restart_on_corruption\" root=/dev/dm-0 ro rootfstype=squashfs panic=5 platen.slot={name} \
             rauc.slot={name}{id} {}",
            number("sectors")?,
            number("blocks")?,
            number("hash_start")?,
            number("root_hash")?,
            number("salt")?,
            number("words")?,
            name = slot.name(),
        ))
    }
}

fn value_in(text: &str, name: &str) -> Option<String> {
    let value = text
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix('='))?;
    Some(value.to_owned())
}
