// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A release's bundle comes from the centre, in small pieces and after everything else: it stands still
//! while the box prints, goes on where it was cut off, and ends when the release is not wanted any more.

use std::sync::Arc;
use std::time::Duration;

use platen_model::{Chain, Offer, UpdatePhase};
use platen_net::HttpsClient;
use platen_policy::update::Wish;
use platen_sync::message::{RefusalCode, VERSION, path};
use platen_sync::node::pace::{ANSWER_MS, CONNECT_MS, Pace};
use platen_sync::release::{PIECE_BYTES_MAX, Piece, PieceAsk};
use smol::Timer;
use thiserror::Error;

use super::line::{LineError, ask};
use super::pull::DOUBLINGS_MAX;
use super::{Centre, random};
use crate::update::{Incoming, Request, Source, UpdateError};

/// How often it looks whether there is something to do; offers that come tell of themselves.
const LOOK: Duration = Duration::from_secs(5);
/// Between two pieces: the line and the card of a small board are for others, too.
const BREATH: Duration = Duration::from_millis(50);
/// While the box prints.
const PRINTING: Duration = Duration::from_secs(1);
/// After the box could not take the bundle, such as for want of room, or the centre was not reached
/// for some time.
const LATER: Duration = Duration::from_secs(60);
/// After somebody at the box did not want it.
const MUCH_LATER: Duration = Duration::from_secs(60 * 60);
/// After an installation was cut off.
const AFTER_FAILURE: Duration = Duration::from_secs(10 * 60);
/// Pieces that do not come, one after another, until the bundle is put aside.
const FAILURES_MAX: u32 = 5;

/// Why a bundle did not come to its end.
#[derive(Debug, Error)]
enum FetchError {
    #[error(transparent)]
    Line(#[from] LineError),
    #[error(transparent)]
    Update(#[from] UpdateError),
    #[error("the centre sends another piece than was asked for")]
    Nonsense,
    #[error("the release is not wanted any more")]
    Withdrawn,
}

impl Centre {
    /// Fetches releases until the box leaves its site.
    pub(super) async fn fetch_forever(self: &Arc<Self>) {
        let (mut handed_over, mut told) = (None, String::new());
        loop {
            let centre = Arc::clone(self);
            smol::unblock(move || centre.settle_releases()).await;
            let pause = match self.next_release(handed_over) {
                None => LOOK,
                Some(offer) => match self.fetch(&offer).await {
                    Ok(()) => {
                        handed_over = Some(self.now().elapsed);
                        told.clear();
                        self.hindered("");
                        LOOK
                    }
                    Err(error) => self.put_aside(error, &mut told).await,
                },
            };
            let pause = async {
                Timer::after(pause).await;
            };
            smol::future::or(pause, self.fetch_now.wait()).await;
        }
    }

    /// What to fetch now: nothing while another update is under way.
    fn next_release(&self, handed_over: Option<Duration>) -> Option<Offer> {
        let offer = self.wanted()?;
        let phase = self.parts.updates.state().phase;
        let since = handed_over.map(|at| self.now().elapsed.saturating_sub(at));
        let cut_off =
            phase == UpdatePhase::Failed && since.is_some_and(|since| since < AFTER_FAILURE);
        (!phase.is_under_way() && !cut_off).then_some(offer)
    }

    /// Says why a bundle did not come, once for each text, and how long to wait.
    async fn put_aside(self: &Arc<Self>, error: FetchError, told: &mut String) -> Duration {
        let text = Chain(&error).to_string();
        if *told != text {
            log::warn!(err = text.as_str(); "a release is put aside");
            told.clone_from(&text);
        }
        let withdrawn = matches!(error, FetchError::Withdrawn);
        self.hindered(if withdrawn { "" } else { &text });
        match error {
            FetchError::Withdrawn => LOOK,
            FetchError::Update(UpdateError::Sum | UpdateError::Length) => {
                let centre = Arc::clone(self);
                smol::unblock(move || centre.refuse_release(text)).await;
                LOOK
            }
            FetchError::Update(UpdateError::Canceled) => MUCH_LATER,
            _ => LATER,
        }
    }

    async fn fetch(self: &Arc<Self>, offer: &Offer) -> Result<(), FetchError> {
        let Some(joined) = self.joined() else {
            return Err(FetchError::Withdrawn);
        };
        let Some(client) = &joined.client else {
            return Err(FetchError::Withdrawn);
        };
        let mut incoming = self.begin_bundle(offer).await?;
        let (release, from) = (offer.release.id, incoming.have());
        log::info!(release:% = release, version:% = offer.release.version, from; "fetching a release");
        let (mut pace, mut slow) = (Pace::default(), 0);
        while incoming.have() < offer.release.size_bytes {
            if !self.still_wants(offer) {
                return Err(FetchError::Withdrawn);
            }
            if self.is_printing() {
                Timer::after(PRINTING).await;
                continue;
            }
            match self.piece(client, offer, incoming.have(), slow).await {
                Ok(piece) => {
                    incoming = append(incoming, piece).await?;
                    pace.link_up();
                    Timer::after(BREATH).await;
                }
                Err(FetchError::Line(error))
                    if may_pass(&error) && pace.failures() < FAILURES_MAX =>
                {
                    slow = (slow + u32::from(error.is_slow())).min(DOUBLINGS_MAX);
                    Timer::after(pace.after(error.ended(), random())).await;
                }
                Err(error) => return Err(error),
            }
        }
        let centre = Arc::clone(self);
        smol::unblock(move || {
            // Noted first: what the installing side says of it is then known to be about this one.
            centre.hand_over_release();
            incoming.commit(None)
        })
        .await?;
        log::info!(release:% = release; "a release is here and is to be installed");
        Ok(())
    }

    async fn begin_bundle(self: &Arc<Self>, offer: &Offer) -> Result<Incoming, UpdateError> {
        let (centre, offer) = (Arc::clone(self), offer.clone());
        smol::unblock(move || {
            let begun = centre.parts.updates.begin(Request {
                source: Source::Centre,
                size: offer.release.size_bytes,
                sha256: Some(offer.release.sha256),
                wish: Wish {
                    now: false,
                    window: offer.window,
                },
                allow_older: offer.allow_older,
            })?;
            centre.begin_release(&offer);
            Ok(begun)
        })
        .await
    }

    fn still_wants(&self, offer: &Offer) -> bool {
        let wanted = self.wanted();
        wanted.is_some_and(|wanted| {
            (wanted.release.id, wanted.turn) == (offer.release.id, offer.turn)
        })
    }

    /// A piece from `offset` on; on a slow line a smaller one, with more time.
    async fn piece(
        &self,
        client: &HttpsClient,
        offer: &Offer,
        offset: u64,
        slow: u32,
    ) -> Result<Piece, FetchError> {
        let length = u32::try_from(PIECE_BYTES_MAX >> slow).unwrap_or(u32::MAX);
        let question = PieceAsk {
            version: VERSION,
            release: offer.release.id,
            offset,
            length,
        };
        let limit = Duration::from_millis(CONNECT_MS + (ANSWER_MS << slow));
        let piece: Piece = ask(client, path::RELEASE, &question, limit).await?;
        let is_asked = piece.release == question.release && piece.offset == offset;
        match is_asked && !piece.bytes.is_empty() {
            true => Ok(piece),
            false => Err(FetchError::Nonsense),
        }
    }
}

/// Whether the next try may do better without anything else changing.
fn may_pass(error: &LineError) -> bool {
    matches!(error.refusal(), None | Some(RefusalCode::Busy))
}

async fn append(mut incoming: Incoming, piece: Piece) -> Result<Incoming, UpdateError> {
    smol::unblock(move || {
        incoming.append(&piece.bytes)?;
        Ok(incoming)
    })
    .await
}
