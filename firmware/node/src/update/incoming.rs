// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A bundle on its way into the folder: `<name>.part` until it is whole, then `bundle.raucb`. Whole
//! means as long as it was said to be and, where that is known, with the right SHA-256. All of it
//! blocks.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::PathBuf;
use std::sync::Arc;

use platen_policy::update::Wish;
use ring::digest::{Context, SHA256};

use super::{BUNDLE, BUNDLE_BYTES_MAX, PART, ROOM_BESIDE, Request, UpdateError, Updates, remove};

/// Read at once when a bundle goes on.
const PIECE: usize = 64 << 10;

/// See the module. Dropped before [`Incoming::commit`] it is given up; one whose SHA-256 is known
/// keeps what has come, for the next time.
pub(crate) struct Incoming {
    updates: Arc<Updates>,
    request: Request,
    ticket: u64,
    path: PathBuf,
    file: File,
    hash: Context,
    have: u64,
}

impl Updates {
    /// Makes room for a bundle, or goes on with one.
    ///
    /// # Errors
    /// [`UpdateError`]; nothing has changed then.
    pub(crate) fn begin(self: &Arc<Self>, request: Request) -> Result<Incoming, UpdateError> {
        self.on()?;
        if request.size == 0 || request.size > BUNDLE_BYTES_MAX {
            return Err(UpdateError::Size(request.size));
        }
        let wish = Wish {
            window: request.wish.window.or(self.window),
            ..request.wish
        };
        let now = self.clock.now().elapsed;
        let ticket = self
            .machine()
            .begin(request.source, request.size, wish, now)?;
        let opened = self.open_part(&request);
        let (path, file, hash, have) = opened.inspect_err(|_| self.machine().dropped(ticket))?;
        self.machine().came(ticket, have)?;
        Ok(Incoming {
            updates: Arc::clone(self),
            request,
            ticket,
            path,
            file,
            hash,
            have,
        })
    }

    fn open_part(&self, request: &Request) -> Result<(PathBuf, File, Context, u64), UpdateError> {
        let name = part_name(request.sha256.as_ref());
        self.clear_parts(request.sha256.is_some().then_some(name.as_str()))?;
        let path = self.folder.join(name);
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).mode(0o600);
        let mut file = options.open(&path)?;
        let mut hash = Context::new(&SHA256);
        let have = read_through(&mut file, &mut hash)?;
        if have > request.size || request.sha256.is_none() {
            file.set_len(0)?;
            file = options.open(&path)?;
            self.check_room(request.size)?;
            return Ok((path, file, Context::new(&SHA256), 0));
        }
        self.check_room(request.size.saturating_sub(have))?;
        Ok((path, file, hash, have))
    }

    fn check_room(&self, bytes: u64) -> Result<(), UpdateError> {
        let facts = rustix::fs::statvfs(&self.folder).map_err(io::Error::from)?;
        let free = facts.f_bavail.saturating_mul(facts.f_frsize);
        let need = bytes.saturating_add(ROOM_BESIDE);
        match free >= need {
            true => Ok(()),
            false => Err(UpdateError::NoRoom {
                need: need >> 20,
                free: free >> 20,
            }),
        }
    }
}

/// Its own name for each bundle that is known: what came of it is not mixed with another's.
fn part_name(sha256: Option<&[u8; 32]>) -> String {
    let Some(sha256) = sha256 else {
        return format!("{BUNDLE}.{PART}");
    };
    let start: String = sha256.iter().take(8).map(|b| format!("{b:02x}")).collect();
    format!("{start}.{PART}")
}

fn read_through(file: &mut File, hash: &mut Context) -> io::Result<u64> {
    let (mut buffer, mut have) = (vec![0; PIECE], 0_u64);
    loop {
        let length = file.read(&mut buffer)?;
        match buffer.get(..length) {
            None | Some([]) => return Ok(have),
            Some(bytes) => hash.update(bytes),
        }
        have = have.saturating_add(u64::try_from(length).unwrap_or(u64::MAX));
        if have > BUNDLE_BYTES_MAX {
            return Ok(have);
        }
    }
}

impl Incoming {
    /// Counts up with each bundle.
    pub(super) fn ticket(&self) -> u64 {
        self.ticket
    }

    /// Bytes that have come, also those of a time before.
    pub(crate) fn have(&self) -> u64 {
        self.have
    }

    /// Takes the next bytes.
    ///
    /// # Errors
    /// [`UpdateError::Canceled`], [`UpdateError::Length`] or the disk's own.
    pub(crate) fn append(&mut self, bytes: &[u8]) -> Result<(), UpdateError> {
        let length = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        let have = self.have.saturating_add(length);
        if have > self.request.size {
            return Err(UpdateError::Length);
        }
        self.updates.machine().came(self.ticket, have)?;
        self.file.write_all(bytes)?;
        self.hash.update(bytes);
        self.have = have;
        Ok(())
    }

    /// Puts the whole bundle in its place, and has it installed. `sha256` is for a bundle of which it
    /// was not known before.
    ///
    /// # Errors
    /// [`UpdateError::Length`] and [`UpdateError::Sum`]: the bundle is removed. Else the disk's own.
    pub(crate) fn commit(self, sha256: Option<[u8; 32]>) -> Result<(), UpdateError> {
        let wanted = self.request.sha256.or(sha256);
        let sum = self.hash.clone().finish();
        let fits = wanted.is_none_or(|wanted| sum.as_ref() == wanted);
        let fault = match (self.have == self.request.size, fits) {
            (true, true) => None,
            (true, false) => Some(UpdateError::Sum),
            (false, _) => Some(UpdateError::Length),
        };
        if let Some(fault) = fault {
            remove(&self.path)?;
            return Err(fault);
        }
        self.file.sync_all()?;
        let updates = &self.updates;
        fs::rename(&self.path, updates.folder.join(BUNDLE))?;
        File::open(&updates.folder)?.sync_all()?;
        let committed = updates
            .machine()
            .whole(self.ticket, self.request.allow_older);
        if committed.is_err() {
            remove(&updates.folder.join(BUNDLE))?;
        }
        updates.stir();
        committed
    }
}

impl Drop for Incoming {
    fn drop(&mut self) {
        self.updates.machine().dropped(self.ticket);
        // The next bundle removes one that stays.
        if self.request.sha256.is_none() {
            let _ = remove(&self.path);
        }
    }
}
