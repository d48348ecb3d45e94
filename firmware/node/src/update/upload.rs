// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A bundle that `platenctl` sends piece by piece, each in a request of its own. One whose sender went
//! away is given up.

use std::sync::Arc;
use std::time::Duration;

use platen_model::local::{UpdateBegin, UpdateBegun};
use platen_policy::update::Wish;

use super::{Incoming, Request, Source, UpdateError, Updates};

/// Longest piece, bytes.
pub(crate) const PIECE_BYTES_MAX: usize = 1 << 20;
/// A sender that sends nothing for this long went away.
const IDLE: Duration = Duration::from_secs(60);

pub(super) struct Upload {
    number: u64,
    incoming: Incoming,
    seen: Duration,
}

impl Updates {
    /// Begins an upload. Blocks.
    pub(crate) fn upload_begin(
        self: &Arc<Self>,
        begin: &UpdateBegin,
    ) -> Result<UpdateBegun, UpdateError> {
        self.end_idle_upload();
        let wish = Wish {
            now: begin.now,
            window: None,
        };
        let incoming = self.begin(Request {
            source: Source::Ctl,
            size: begin.size,
            sha256: None,
            wish,
            allow_older: begin.allow_older,
        })?;
        let number = incoming.ticket();
        let seen = self.clock.now().elapsed;
        *self.upload() = Some(Upload {
            number,
            incoming,
            seen,
        });
        let piece = u64::try_from(PIECE_BYTES_MAX).unwrap_or(u64::MAX);
        Ok(UpdateBegun {
            upload: number,
            piece,
        })
    }

    /// Takes a piece. Blocks.
    pub(crate) fn upload_piece(
        &self,
        number: u64,
        offset: u64,
        bytes: &[u8],
    ) -> Result<(), UpdateError> {
        let mut upload = self.upload();
        let upload = upload.as_mut().filter(|upload| upload.number == number);
        let upload = upload.ok_or(UpdateError::Canceled)?;
        if upload.incoming.have() != offset || bytes.len() > PIECE_BYTES_MAX {
            return Err(UpdateError::Piece);
        }
        upload.seen = self.clock.now().elapsed;
        upload.incoming.append(bytes)
    }

    /// All pieces are there: the bundle is installed. Blocks.
    pub(crate) fn upload_end(&self, number: u64, sha256: [u8; 32]) -> Result<(), UpdateError> {
        let upload = self.upload().take_if(|upload| upload.number == number);
        let upload = upload.ok_or(UpdateError::Canceled)?;
        upload.incoming.commit(Some(sha256))
    }

    /// Gives up an upload whose sender went away.
    pub(super) fn end_idle_upload(&self) {
        let now = self.clock.now().elapsed;
        let idle = |upload: &mut Upload| now.saturating_sub(upload.seen) > IDLE;
        let gone = self.upload().take_if(idle);
        if gone.is_some() {
            log::warn!("the bundle of an update stopped coming; it is given up");
        }
    }
}
