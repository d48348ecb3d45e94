// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A new release's bundle on its way into the database, part by part: memory does not grow with it,
//! and no transaction is longer than a part. Nobody sees the release before all of it is there.

use std::fmt;

use platen_model::{Release, ReleaseId, ReleaseVersion};
use platen_sync::release::{COMPATIBLE_BYTES_MAX, NOTES_BYTES_MAX, RELEASE_BYTES_MAX};
use ring::digest::{Context, SHA256};

use super::centre::new_uuid;
use super::releases::facts;
use super::{Actor, Centre, CentreError, KeptRelease, ReleaseState};
use crate::db::{self, Tx, releases::CHUNK_BYTES};

/// What did not grow for so long was given up by whoever sent it.
const GIVEN_UP_MS: u64 = 10 * 60 * 1000;

/// What is known of a release before its bundle comes.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct NewRelease {
    /// Its version.
    pub version: ReleaseVersion,
    /// The boards it is for, such as `platen-x86_64`.
    pub compatible: String,
    /// What is new, for people.
    pub notes: String,
    /// Bytes that the bundle must have.
    pub size_bytes: Option<u64>,
    /// SHA-256 that it must have.
    pub sha256: Option<[u8; 32]>,
}

/// A bundle on its way. One that is neither finished nor given up is removed ten minutes later, with
/// the next one.
pub struct ReleaseUpload {
    centre: Centre,
    kept: KeptRelease,
    wanted: NewRelease,
    hash: Context,
    part: Vec<u8>,
    parts: u64,
}

impl Centre {
    /// Begins with a new release.
    ///
    /// # Errors
    /// [`CentreError::Invalid`], [`CentreError::Conflict`] when this version is there for this board.
    pub async fn begin_release(&self, new: NewRelease) -> Result<ReleaseUpload, CentreError> {
        check(&new)?;
        let mut tx = self.write().await?;
        let now = self.now_ms();
        let since = now.saturating_sub(GIVEN_UP_MS);
        for stale in db::releases::stale(&mut tx, since).await? {
            db::releases::remove(&mut tx, stale).await?;
        }
        check_new(&mut tx, &new).await?;
        let kept = KeptRelease {
            release: Release {
                id: ReleaseId(new_uuid()?),
                version: new.version.clone(),
                compatible: new.compatible.clone(),
                size_bytes: 0,
                sha256: [0; 32],
                notes: new.notes.clone(),
            },
            state: ReleaseState::Uploading,
            touched_unix_ms: now,
            turn: 0,
            share_percent: 0,
            window: None,
            allow_older: false,
            pause_on_failure: true,
            paused_for: String::new(),
        };
        db::releases::put(&mut tx, &kept).await?;
        tx.commit().await?;
        Ok(ReleaseUpload {
            centre: self.clone(),
            kept,
            wanted: new,
            hash: Context::new(&SHA256),
            part: Vec::with_capacity(CHUNK_BYTES),
            parts: 0,
        })
    }
}

impl ReleaseUpload {
    /// Takes the next bytes of the bundle.
    ///
    /// # Errors
    /// [`CentreError::Invalid`] for more bytes than there may be, and the database's.
    pub async fn take(&mut self, mut bytes: &[u8]) -> Result<(), CentreError> {
        let length = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        let size = self.kept.release.size_bytes.saturating_add(length);
        let most = self.wanted.size_bytes.unwrap_or(RELEASE_BYTES_MAX);
        if size > most {
            let why = format!("the bundle is larger than {most} bytes");
            return Err(CentreError::invalid("size", why));
        }
        self.kept.release.size_bytes = size;
        self.hash.update(bytes);
        while !bytes.is_empty() {
            let room = CHUNK_BYTES.saturating_sub(self.part.len());
            let (now, later) = bytes.split_at(room.min(bytes.len()));
            self.part.extend_from_slice(now);
            if self.part.len() >= CHUNK_BYTES {
                self.put_part().await?;
            }
            bytes = later;
        }
        Ok(())
    }

    async fn put_part(&mut self) -> Result<(), CentreError> {
        let part = std::mem::replace(&mut self.part, Vec::with_capacity(CHUNK_BYTES));
        let (id, now) = (self.kept.release.id, self.centre.now_ms());
        let mut tx = self.centre.write().await?;
        if !db::releases::put_chunk(&mut tx, id, self.parts, part, now).await? {
            let why = "this upload was given up meanwhile: send the bundle again";
            return Err(CentreError::conflict(why));
        }
        tx.commit().await?;
        self.parts += 1;
        Ok(())
    }

    /// Keeps the release, now that all of its bundle is there.
    ///
    /// # Errors
    /// [`CentreError::Invalid`] when it is not the bundle that was announced,
    /// [`CentreError::Conflict`] when somebody else has added this version meanwhile; the bundle is
    /// gone then.
    pub async fn finish(mut self, actor: &Actor) -> Result<ReleaseId, CentreError> {
        let kept = self.keep(actor).await;
        if kept.is_err() {
            self.give_up().await;
        }
        kept
    }

    async fn keep(&mut self, actor: &Actor) -> Result<ReleaseId, CentreError> {
        let size = self.kept.release.size_bytes;
        if size == 0 || self.wanted.size_bytes.is_some_and(|wanted| wanted != size) {
            let why = format!("{size} bytes came: the bundle is cut short, send it again");
            return Err(CentreError::invalid("size", why));
        }
        let hash = self.hash.clone().finish();
        let hash = hash.as_ref().first_chunk().copied().unwrap_or_default();
        if self.wanted.sha256.is_some_and(|wanted| wanted != hash) {
            let why =
                "the bundle has another SHA-256: it is damaged, or the file beside it is another's";
            return Err(CentreError::invalid("sha256", why));
        }
        if !self.part.is_empty() {
            self.put_part().await?;
        }
        let (mut tx, _) = self.centre.change().await?;
        check_new(&mut tx, &self.wanted).await?;
        self.kept.release.sha256 = hash;
        self.kept.state = ReleaseState::Kept;
        self.kept.touched_unix_ms = self.centre.now_ms();
        db::releases::put(&mut tx, &self.kept).await?;
        let id = self.kept.release.id;
        let (object, detail) = (format!("release:{id}"), facts(&self.kept));
        self.centre
            .record(&mut tx, actor, "release-added", object, detail)
            .await?;
        tx.commit().await?;
        Ok(id)
    }

    /// Removes what came of the bundle.
    pub async fn give_up(self) {
        let removed = async {
            let mut tx = self.centre.write().await?;
            db::releases::remove(&mut tx, self.kept.release.id).await?;
            tx.commit().await
        };
        if let Err(error) = removed.await {
            let error = platen_model::Chain(&error);
            log::warn!(err:% = error; "a bundle that did not come whole is removed later");
        }
    }
}

impl fmt::Debug for ReleaseUpload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ReleaseUpload({})", self.kept.release.id)
    }
}

fn check(new: &NewRelease) -> Result<(), CentreError> {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    let length = (1..=COMPATIBLE_BYTES_MAX).contains(&new.compatible.len());
    if !length || !new.compatible.bytes().all(fits) {
        let why = "write the kind of board, such as platen-x86_64";
        return Err(CentreError::invalid("compatible", why));
    }
    let is_odd = |letter: char| letter.is_control() && letter != '\n';
    if new.notes.len() > NOTES_BYTES_MAX || new.notes.chars().any(is_odd) {
        let why = format!("at most {NOTES_BYTES_MAX} bytes of text");
        return Err(CentreError::invalid("notes", why));
    }
    let sizes = 1..=RELEASE_BYTES_MAX;
    if new.size_bytes.is_some_and(|size| !sizes.contains(&size)) {
        let why = format!("a bundle has 1 to {RELEASE_BYTES_MAX} bytes");
        return Err(CentreError::invalid("size", why));
    }
    Ok(())
}

async fn check_new(tx: &mut Tx, new: &NewRelease) -> Result<(), CentreError> {
    let all = db::releases::all(tx).await?;
    let same = |kept: &KeptRelease| {
        kept.release.version == new.version && kept.release.compatible == new.compatible
    };
    if all.iter().any(same) {
        let (version, board) = (&new.version, &new.compatible);
        let why = format!(
            "version {version} for {board} is there: remove it first, or raise the version"
        );
        return Err(CentreError::conflict(why));
    }
    Ok(())
}
