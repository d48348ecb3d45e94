// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The journal goes up, with what changed about jobs and what the box would like of quotas. The
//! journal itself is the queue: [`platen_sync::node::outbox`] says what goes next.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use platen_ledger::{Ledger, LedgerError};
use platen_model::{Chain, Entry, JobNumber, Running, SiteId, Stamp};
use platen_sync::limits::ENTRIES_MAX;
use platen_sync::message::{
    Hash, JobNotice, LeaseWant, Link, Push, PushAnswer, SentEntry, Verdict, path,
};
use platen_sync::node::outbox::{Cargo, Heard, Outbox, Sent};
use platen_sync::node::pace::{ANSWER_MS, CONNECT_MS, Pace, Try};
use serde::{Deserialize, Serialize};
use smol::Timer;

use super::line::{LineError, ask};
use super::notices::Notices;
use super::pull::DOUBLINGS_MAX;
use super::spans::{self, Span};
use super::standing::Alert;
use super::{Centre, CentreError, random};

const SAVED: &[u8] = b"push";
/// How often it looks for wants, which nothing tells of.
const LOOK: Duration = Duration::from_secs(5);
/// Wants that the centre did not fulfil are said again after this.
const WANT_AGAIN: Duration = Duration::from_secs(60);
/// A turn is not written down before it is used, so a start goes on this far above what it reads.
const TURNS_APART: u64 = 1 << 32;

/// How far the centre has what this box told it. In the index: it may be lost, and what goes up twice
/// for it does nothing.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(super) struct Saved {
    site: SiteId,
    acked: Link,
    turn: u64,
    /// Ended jobs below it were told of.
    jobs_from: JobNumber,
    /// Directory's generation under which the box's leases were given.
    generation: u64,
}

impl Saved {
    fn none(site: SiteId) -> Self {
        Self {
            site,
            acked: Link::default(),
            turn: 0,
            jobs_from: JobNumber(0),
            generation: 0,
        }
    }
}

/// What the push loop works on.
struct Pusher {
    outbox: Outbox,
    notices: Notices,
    saved: Saved,
    wanted: Vec<LeaseWant>,
    wanted_at: Duration,
    /// What the centre was told that runs here.
    told: Option<Running>,
    /// Nothing was pushed since the start or since the link was down.
    greet: bool,
}

/// A push on its way.
struct Way {
    push: Push,
    sent: Sent,
    /// The entries of it, for looking up hashes.
    links: Vec<Link>,
}

impl Centre {
    /// Pushes until the box leaves its site.
    pub(super) async fn push_forever(self: &Arc<Self>) {
        let appended = self.parts.ledger.appended();
        let pusher = self.begin_pushing().await;
        let changed = pusher.notices.ear();
        let pusher = Arc::new(Mutex::new(pusher));
        let (mut pace, mut slow) = (Pace::default(), 0_u32);
        loop {
            let (ended, was_slow) = match self.push_once(&pusher, slow).await {
                Ok(ended) => (ended, false),
                Err(error) => {
                    lock(&pusher).greet = true;
                    self.failed(&error);
                    (error.ended(), error.is_slow())
                }
            };
            slow = if was_slow {
                (slow + 1).min(DOUBLINGS_MAX)
            } else {
                0
            };
            let pause = pace.after(ended, random());
            match ended {
                Try::More => {}
                Try::Served => {
                    let news = async {
                        // Ends only with the journal, and then nothing is to be told.
                        let _ = appended.recv().await;
                    };
                    let news = smol::future::or(news, changed.wait());
                    let look = async {
                        Timer::after(LOOK).await;
                    };
                    let look = smol::future::or(look, self.push_now.wait());
                    smol::future::or(news, look).await;
                }
                _ => {
                    let pause = async {
                        Timer::after(pause).await;
                    };
                    smol::future::or(pause, self.push_now.wait()).await;
                }
            }
        }
    }

    /// How far the centre has the journal, as far as the box knows.
    pub(super) fn sent_upto(&self, site: SiteId) -> u64 {
        self.read_saved(site).acked.sequence
    }

    /// The generation under which leases are taken now.
    pub(super) fn leases_generation(&self, site: SiteId) -> u64 {
        self.read_saved(site).generation
    }

    fn read_saved(&self, site: SiteId) -> Saved {
        let saved = self.saved.get(SAVED).ok().flatten();
        let own = saved.filter(|saved| saved.site == site);
        own.unwrap_or_else(|| Saved::none(site))
    }

    async fn begin_pushing(self: &Arc<Self>) -> Pusher {
        loop {
            let centre = Arc::clone(self);
            let begun = smol::unblock(move || centre.begin_now()).await;
            match begun {
                Ok(pusher) => return pusher,
                Err(error) => {
                    log::error!(err:% = Chain(&error); "jobs can't be read for the centre")
                }
            }
            Timer::after(LOOK).await;
        }
    }

    fn begin_now(&self) -> Result<Pusher, platen_spool::SpoolError> {
        let site = self.site().unwrap_or(SiteId(self.node.0));
        let saved = self.read_saved(site);
        let turn = saved
            .turn
            .saturating_add(TURNS_APART)
            .max(self.now().unix_ms);
        Ok(Pusher {
            outbox: Outbox::resume(saved.acked),
            notices: Notices::begin(&self.parts.spool, saved.jobs_from, turn)?,
            saved,
            wanted: Vec::new(),
            wanted_at: Duration::ZERO,
            told: None,
            greet: true,
        })
    }

    /// Pushes what there is, if there is something.
    async fn push_once(
        self: &Arc<Self>,
        pusher: &Arc<Mutex<Pusher>>,
        slow: u32,
    ) -> Result<Try, LineError> {
        let Some(joined) = self.joined() else {
            return Ok(Try::Nonsense);
        };
        let Some(client) = &joined.client else {
            return Ok(Try::Nonsense);
        };
        let (centre, shared) = (Arc::clone(self), Arc::clone(pusher));
        let loaded = smol::unblock(move || centre.load(&mut lock(&shared))).await;
        let way = match loaded {
            Ok(Some(way)) => way,
            Ok(None) => return Ok(Try::Served),
            Err(error) => {
                self.standing.note_error(Chain(&error).to_string());
                return Ok(Try::Nonsense);
            }
        };
        let limit = Duration::from_millis(CONNECT_MS + (ANSWER_MS << slow));
        let answer = ask(client, path::PUSH, &way.push, limit).await;
        let answer: PushAnswer = match answer {
            Ok(answer) => answer,
            Err(error) => {
                lock(pusher).notices.put_back(&way.push.jobs);
                return Err(error);
            }
        };
        self.served();
        self.heard_clock(answer.at_unix_ms).await;
        let (centre, shared) = (Arc::clone(self), Arc::clone(pusher));
        let verdict = answer.verdict.clone();
        let ended = smol::unblock(move || centre.hear(&mut lock(&shared), &way, &verdict)).await;
        if let Err(error) = self.take_leases(answer.leases).await {
            log::warn!(err:% = Chain(&error); "leases are not taken");
        }
        if answer.latest > self.parts.cache.position().revision {
            self.pull_now.set();
        }
        Ok(ended)
    }

    /// Puts the next push together; `None` when there is nothing to say. Reads the journal: blocks.
    fn load(&self, pusher: &mut Pusher) -> Result<Option<Way>, CentreError> {
        let Some(joined) = self.joined() else {
            return Ok(None);
        };
        let (ledger, spans) = (&self.parts.ledger, &joined.member.spans);
        let (now, head) = (self.now(), ledger.head());
        let after = pusher.outbox.after(|sequence| own_hash(ledger, sequence));
        // The first push asks only how far the centre is: a box that was put back from a backup hears
        // of it before it goes on, and one that lost its place need not send all again.
        let entries = match pusher.outbox.is_searching() || pusher.greet {
            true => Vec::new(),
            false => entries(ledger, spans, after.sequence, head.sequence)?,
        };
        let jobs = self.notices(pusher, now.unix_ms);
        let generation = self.settle_generation(pusher);
        let wants = wants(self, pusher, now.elapsed);
        let running = Some(self.running());
        let running =
            running.filter(|running| pusher.greet || pusher.told.as_ref() != Some(running));
        let quiet = entries.is_empty() && jobs.is_empty() && wants.is_empty();
        if quiet && running.is_none() && !pusher.greet && !pusher.outbox.is_searching() {
            return Ok(None);
        }
        let cargo = Cargo {
            at: now.into(),
            entries,
            head: head.sequence,
            jobs,
            wants,
            leases_upto: self.parts.purse.taken_upto(),
            running,
            generation,
        };
        let (push, sent) = pusher.outbox.push(after, cargo);
        let links = push.entries.iter().map(|entry| entry.link).collect();
        Ok(Some(Way { push, sent, links }))
    }

    fn notices(&self, pusher: &mut Pusher, now_unix_ms: u64) -> Vec<JobNotice> {
        let taken = pusher.notices.take(&self.parts.cache, now_unix_ms);
        taken.unwrap_or_else(|error| {
            log::warn!(err:% = Chain(&error); "jobs can't be read for the centre");
            Vec::new()
        })
    }

    /// The generation under which the box's leases were given. When the directory has a new one, those
    /// of the old one are given back first.
    fn settle_generation(&self, pusher: &mut Pusher) -> u64 {
        let serving = self.parts.cache.standing(self.now()).serving.generation;
        if pusher.saved.generation != serving {
            self.parts.purse.close_all();
            if self.parts.purse.is_empty() {
                pusher.saved.generation = serving;
                self.save(&pusher.saved);
            }
        }
        pusher.saved.generation
    }

    /// What the centre's word means for what goes next. Blocks.
    fn hear(&self, pusher: &mut Pusher, way: &Way, verdict: &Verdict) -> Try {
        pusher.greet = false;
        if way.push.running.is_some() {
            pusher.told.clone_from(&way.push.running);
        }
        let ledger = Arc::clone(&self.parts.ledger);
        let own = |sequence| {
            let found = way.links.iter().find(|link| link.sequence == sequence);
            let saved = Some(pusher.saved.acked).filter(|link| link.sequence == sequence);
            let known = found.copied().or(saved).map(|link| link.hash);
            known.or_else(|| own_hash(&ledger, sequence))
        };
        let heard = pusher.outbox.answered(way.sent, verdict, own);
        match heard {
            Heard::Kept(_) | Heard::Moved(_) => {}
            Heard::Restored { centre_has } => self.was_restored(centre_has),
            Heard::Searching => return Try::More,
            _ => {
                let text = "the centre's word on this box's journal makes no sense";
                self.standing.note_error(text.to_owned());
                return Try::Nonsense;
            }
        }
        self.note_progress(pusher);
        let behind = pusher.outbox.acked().sequence < ledger.head().sequence;
        if behind || pusher.outbox.is_searching() || !pusher.notices.is_empty() {
            return Try::More;
        }
        Try::Served
    }

    fn note_progress(&self, pusher: &mut Pusher) {
        pusher.saved.acked = pusher.outbox.acked();
        pusher.saved.turn = pusher.notices.turn();
        if let Ok(first) = pusher.notices.told_upto() {
            pusher.saved.jobs_from = first;
        }
        self.save(&pusher.saved);
    }

    fn save(&self, saved: &Saved) {
        let _one = self.changing();
        if self.site() != Some(saved.site) {
            return;
        }
        if let Err(error) = self.saved.insert(SAVED, saved) {
            log::warn!(err:% = Chain(&error); "how far the centre has the journal is not noted");
        }
    }

    /// The centre has entries of this box that this box does not have: what was spent on its leases
    /// is not known here.
    fn was_restored(&self, centre_has: Link) {
        self.standing.alert(Alert::BackupRestored);
        log::error!(
            sequence = centre_has.sequence;
            "the centre has later entries of this box than its journal: it was put back from a backup"
        );
        self.parts.purse.distrust();
    }
}

fn lock(pusher: &Mutex<Pusher>) -> MutexGuard<'_, Pusher> {
    pusher.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What the box would like, where that is news or was said long ago.
fn wants(centre: &Centre, pusher: &mut Pusher, elapsed: Duration) -> Vec<LeaseWant> {
    let wants = centre.parts.purse.wants().into_iter();
    let wants: Vec<_> = wants
        .map(|want| LeaseWant {
            quota: want.quota,
            user: want.user,
            amount: want.amount,
        })
        .collect();
    let again = elapsed.saturating_sub(pusher.wanted_at) >= WANT_AGAIN;
    if wants == pusher.wanted && !again && !pusher.greet {
        return Vec::new();
    }
    pusher.wanted.clone_from(&wants);
    pusher.wanted_at = elapsed;
    wants
}

/// The hash of an entry of the journal; an empty one for a damaged record, as it is sent.
fn own_hash(ledger: &Ledger, sequence: u64) -> Option<Hash> {
    let head = ledger.head();
    match sequence {
        0 => return Some(Hash::default()),
        _ if sequence > head.sequence => return None,
        _ if sequence == head.sequence => return Some(Hash(head.hash.0)),
        _ => {}
    }
    let found = ledger.entries(sequence, 1).ok()?;
    let own = found.first().filter(|entry| entry.sequence == sequence);
    Some(own.map_or_else(Hash::default, |entry| Hash(entry.hash.0)))
}

/// Entries behind `after` up to `head`, without a gap: damaged ones are said to be lost.
fn entries(
    ledger: &Ledger,
    spans: &[Span],
    after: u64,
    head: u64,
) -> Result<Vec<SentEntry>, LedgerError> {
    if after >= head {
        return Ok(Vec::new());
    }
    let mut sent = Vec::new();
    let first = after.saturating_add(1);
    let recorded = ledger.entries(first, ENTRIES_MAX)?;
    let whole = recorded.len() < ENTRIES_MAX;
    let mut next = first;
    for entry in recorded {
        sent.extend((next..entry.sequence).take(ENTRIES_MAX).map(lost));
        next = entry.sequence.saturating_add(1);
        let told = match spans::covers(spans, entry.sequence) {
            true => entry.entry,
            false => Entry::Withheld {},
        };
        let mut bytes = Vec::new();
        ciborium::into_writer(&told, &mut bytes)
            .expect("entries are plain data and memory takes all bytes");
        sent.push(SentEntry {
            link: Link {
                sequence: entry.sequence,
                hash: Hash(entry.hash.0),
            },
            at: entry.at,
            entry: bytes,
        });
        if sent.len() >= ENTRIES_MAX {
            break;
        }
    }
    if whole {
        sent.extend((next..=head).take(ENTRIES_MAX).map(lost));
    }
    sent.truncate(ENTRIES_MAX);
    Ok(sent)
}

/// A record that is damaged on the box.
fn lost(sequence: u64) -> SentEntry {
    SentEntry {
        link: Link {
            sequence,
            hash: Hash::default(),
        },
        at: Stamp {
            unix_ms: 0,
            elapsed_ms: 0,
            trusted: false,
        },
        entry: Vec::new(),
    }
}
