// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A disk in memory that loses power on command.
//!
//! What a pulled plug does is modelled so: bytes written after a file's last sync are lost or torn
//! (a random prefix stays); directory changes after a directory's last sync are lost from a random
//! one on (a journal keeps their order within a directory), while directories are independent of
//! each other. A file that is synced but whose name is not may be gone: its name was never safe.
//! Everything random comes from the seed.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Cursor, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{Disk, DiskFile, DiskRead};

/// The simulated disk. Clones share one state.
#[derive(Clone, Debug)]
pub struct SimDisk {
    state: Arc<Mutex<State>>,
}

#[derive(Clone, Debug, Default)]
struct Inode {
    bytes: Vec<u8>,
    /// What is on the platter.
    safe: Vec<u8>,
}

#[derive(Clone, Debug)]
enum Change {
    Link { name: PathBuf, inode: usize },
    Unlink { name: PathBuf },
    Rename { from: PathBuf, to: PathBuf },
}

#[derive(Debug, Default)]
struct State {
    inodes: Vec<Inode>,
    dirs: BTreeSet<PathBuf>,
    /// Names as running programs see them.
    names: BTreeMap<PathBuf, usize>,
    /// Names that survive for certain.
    safe_names: BTreeMap<PathBuf, usize>,
    /// Changes since the directory's last sync, in order.
    pending: BTreeMap<PathBuf, Vec<Change>>,
    syncs: usize,
    freeze_at: Option<usize>,
    frozen: bool,
    capacity_bytes: Option<u64>,
    random: u64,
}

impl SimDisk {
    /// An empty disk; `seed` decides what a crash loses.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        // Spreads small seeds; splitmix64's constant.
        let random = seed.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let state = State {
            random,
            dirs: BTreeSet::from([PathBuf::new()]),
            ..State::default()
        };
        Self {
            state: Arc::new(Mutex::new(state)),
        }
    }

    /// Power ends at the `n`-th sync (from 0, counted since the disk was made): that sync and every
    /// later call that would change something fail. Reading goes on, for what is still in memory.
    pub fn freeze_at_sync(&self, n: usize) {
        self.lock().freeze_at = Some(n);
    }

    /// The disk holds `bytes` at most; `None` lifts the limit.
    pub fn fill_at(&self, bytes: Option<u64>) {
        self.lock().capacity_bytes = bytes;
    }

    /// Syncs asked for so far, of files and directories.
    #[must_use]
    pub fn syncs(&self) -> usize {
        self.lock().syncs
    }

    /// Whether the power has ended.
    #[must_use]
    pub fn is_frozen(&self) -> bool {
        self.lock().frozen
    }

    /// Pulls the plug: a new disk with what survived. The old one fails from now on.
    #[must_use]
    pub fn crash(&self) -> Self {
        let mut state = self.lock();
        state.frozen = true;
        let mut names = state.safe_names.clone();
        for changes in std::mem::take(&mut state.pending).values() {
            let kept = state.below(changes.len() + 1);
            changes
                .iter()
                .take(kept)
                .for_each(|change| change.apply(&mut names));
        }
        let files: Vec<Vec<u8>> = (0..state.inodes.len()).map(|i| state.survivor(i)).collect();
        let inodes = files.into_iter().map(|safe| Inode {
            bytes: safe.clone(),
            safe,
        });
        let survivor = State {
            inodes: inodes.collect(),
            dirs: state.dirs.clone(),
            safe_names: names.clone(),
            names,
            random: state.next(),
            ..State::default()
        };
        Self {
            state: Arc::new(Mutex::new(survivor)),
        }
    }

    /// Every file with its bytes, for tests that look for what must not be there.
    #[must_use]
    pub fn files(&self) -> Vec<(PathBuf, Vec<u8>)> {
        let state = self.lock();
        let file = |(name, inode): (&PathBuf, &usize)| {
            let bytes = state.inodes.get(*inode)?.bytes.clone();
            Some((name.clone(), bytes))
        };
        state.names.iter().filter_map(file).collect()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Change {
    fn apply(&self, names: &mut BTreeMap<PathBuf, usize>) {
        match self {
            Self::Link { name, inode } => drop(names.insert(name.clone(), *inode)),
            Self::Unlink { name } => drop(names.remove(name)),
            Self::Rename { from, to } => {
                if let Some(inode) = names.remove(from) {
                    names.insert(to.clone(), inode);
                }
            }
        }
    }
}

impl State {
    /// xorshift64*: small, seeded, good enough to choose cut points.
    fn next(&mut self) -> u64 {
        self.random ^= self.random >> 12;
        self.random ^= self.random << 25;
        self.random ^= self.random >> 27;
        self.random.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn below(&mut self, end: usize) -> usize {
        let end = u64::try_from(end.max(1)).unwrap_or(u64::MAX);
        usize::try_from((self.next() >> 11) % end).unwrap_or(0)
    }

    /// What stays of a file: all that was synced, and of what was appended since, nothing, a
    /// part, or everything; a file that was not only appended to falls back to its synced bytes.
    fn survivor(&mut self, index: usize) -> Vec<u8> {
        let Some(Inode { bytes, safe }) = self.inodes.get(index).cloned() else {
            return Vec::new();
        };
        let Some(unsynced) = bytes.strip_prefix(safe.as_slice()) else {
            return safe;
        };
        let kept = self.below(unsynced.len() + 1);
        [safe.as_slice(), unsynced.get(..kept).unwrap_or_default()].concat()
    }

    fn writable(&self) -> io::Result<()> {
        if self.frozen {
            Err(power_gone())
        } else {
            Ok(())
        }
    }

    fn change(&mut self, dir: &Path, change: Change) {
        change.apply(&mut self.names);
        self.pending.entry(dir.to_owned()).or_default().push(change);
    }

    fn one_sync(&mut self) -> io::Result<()> {
        self.writable()?;
        if self.freeze_at.is_some_and(|at| self.syncs >= at) {
            self.frozen = true;
            return Err(power_gone());
        }
        self.syncs += 1;
        Ok(())
    }

    fn find(&self, path: &Path) -> io::Result<usize> {
        let found = self.names.get(path).copied();
        found.ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))
    }

    fn used_bytes(&self) -> u64 {
        let bytes = |inode: &usize| self.inodes.get(*inode).map_or(0, |file| file.bytes.len());
        let total: usize = self.names.values().map(bytes).sum();
        u64::try_from(total).unwrap_or(u64::MAX)
    }

    fn free_bytes(&self) -> u64 {
        let capacity = self.capacity_bytes.unwrap_or(u64::MAX);
        capacity.saturating_sub(self.used_bytes())
    }

    fn new_file(&mut self, path: &Path) -> io::Result<usize> {
        let dir = parent(path);
        if !self.dirs.contains(dir) {
            return Err(io::ErrorKind::NotFound.into());
        }
        if self.free_bytes() == 0 {
            return Err(io::ErrorKind::StorageFull.into());
        }
        let inode = self.inodes.len();
        self.inodes.push(Inode::default());
        let name = path.to_owned();
        self.change(dir, Change::Link { name, inode });
        Ok(inode)
    }
}

fn parent(path: &Path) -> &Path {
    path.parent().unwrap_or(Path::new(""))
}

fn power_gone() -> io::Error {
    io::Error::other("the simulated power is gone")
}

struct SimFile {
    disk: SimDisk,
    inode: usize,
}

impl Write for SimFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut state = self.disk.lock();
        state.writable()?;
        let free = usize::try_from(state.free_bytes()).unwrap_or(usize::MAX);
        let taken = bytes.len().min(free);
        if taken == 0 && !bytes.is_empty() {
            return Err(io::ErrorKind::StorageFull.into());
        }
        if let Some(file) = state.inodes.get_mut(self.inode) {
            file.bytes
                .extend_from_slice(bytes.get(..taken).unwrap_or_default());
        }
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl DiskFile for SimFile {
    fn sync(&mut self) -> io::Result<()> {
        let mut state = self.disk.lock();
        state.one_sync()?;
        if let Some(file) = state.inodes.get_mut(self.inode) {
            file.safe.clone_from(&file.bytes);
        }
        Ok(())
    }
}

impl Disk for SimDisk {
    fn create(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        let mut state = self.lock();
        state.writable()?;
        if state.names.contains_key(path) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        let inode = state.new_file(path)?;
        let disk = self.clone();
        Ok(Box::new(SimFile { disk, inode }))
    }

    fn append(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        let mut state = self.lock();
        state.writable()?;
        let inode = match state.names.get(path) {
            Some(inode) => *inode,
            None => state.new_file(path)?,
        };
        let disk = self.clone();
        Ok(Box::new(SimFile { disk, inode }))
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn DiskRead>> {
        let state = self.lock();
        let inode = state.find(path)?;
        let bytes = state.inodes.get(inode).map(|file| file.bytes.clone());
        Ok(Box::new(Cursor::new(bytes.unwrap_or_default())))
    }

    fn truncate(&self, path: &Path, length: u64) -> io::Result<()> {
        let mut state = self.lock();
        let inode = state.find(path)?;
        state.one_sync()?;
        if let Some(file) = state.inodes.get_mut(inode) {
            file.bytes
                .truncate(usize::try_from(length).unwrap_or(usize::MAX));
            file.safe.clone_from(&file.bytes);
        }
        Ok(())
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut state = self.lock();
        state.writable()?;
        state.find(from)?;
        if parent(from) != parent(to) {
            // Nothing here needs it, and one journal entry in two directories is hard to model.
            return Err(io::ErrorKind::CrossesDevices.into());
        }
        let (from, to) = (from.to_owned(), to.to_owned());
        let dir = parent(&from).to_owned();
        state.change(&dir, Change::Rename { from, to });
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let mut state = self.lock();
        state.writable()?;
        if state.names.contains_key(path) {
            let name = path.to_owned();
            state.change(parent(path), Change::Unlink { name });
        }
        Ok(())
    }

    fn create_dir(&self, path: &Path) -> io::Result<()> {
        let mut state = self.lock();
        state.writable()?;
        let ancestors = path.ancestors().map(Path::to_owned);
        state.dirs.extend(ancestors);
        Ok(())
    }

    fn list(&self, path: &Path) -> io::Result<Vec<String>> {
        let state = self.lock();
        if !state.dirs.contains(path) {
            return Err(io::ErrorKind::NotFound.into());
        }
        let inside = state.names.keys().chain(&state.dirs);
        let name = |entry: &PathBuf| {
            let named = entry.file_name().filter(|_| parent(entry) == path)?;
            named.to_str().map(str::to_owned)
        };
        Ok(inside.filter_map(name).collect())
    }

    fn sync_files(&self, files: &mut [Box<dyn DiskFile>]) -> io::Result<()> {
        // Each file is a cut point of its own: a batch may be half safe.
        files.iter_mut().try_for_each(|file| file.sync())
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        let mut state = self.lock();
        state.one_sync()?;
        let changes = state.pending.remove(path).unwrap_or_default();
        let names = &mut state.safe_names;
        changes.iter().for_each(|change| change.apply(names));
        Ok(())
    }

    fn free_bytes(&self) -> io::Result<u64> {
        Ok(self.lock().free_bytes())
    }
}
