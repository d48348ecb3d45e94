// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Who somebody is, asked of the centre while the person stands there: for two seconds at most, and
//! not at all while the breaker is open.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use platen_auth::session::{CentreAsk, CentreKnows, Presented};
use platen_model::{CardKey, Chain, Denied};
use platen_sync::card::{card_key, code_key};
use platen_sync::message::{LeaseNews, LoginAnswer, LoginAsk, VERSION, Who, path};
use platen_sync::node::breaker::{Ask, LOGIN_WAIT_MS};
use smol::Timer;
use smol::future::{Boxed, FutureExt as _};

use super::line::ask;
use super::pull::add_keys;
use super::{Centre, Joined};

/// How long a login waits for the box's copy to get as far as the centre's word on it.
const PULL_WAIT: Duration = Duration::from_secs(1);
const LOOK_AGAIN: Duration = Duration::from_millis(10);

/// The box's link as the door has it.
pub(crate) struct Way(pub(crate) Arc<Centre>);

impl crate::devices::Centre for Way {
    fn is_up(&self) -> bool {
        self.0.site().is_some() && self.0.breaker().is_closed()
    }

    fn login(&self, ask: CentreAsk) -> Boxed<Option<Result<CentreKnows, Denied>>> {
        let centre = Arc::clone(&self.0);
        async move { centre.login(ask).await }.boxed()
    }

    fn pull(&self) -> Boxed<()> {
        let centre = Arc::clone(&self.0);
        async move { centre.catch_up(centre.standing.facts().latest).await }.boxed()
    }

    fn card_key(&self, number: &[u8]) -> Option<CardKey> {
        let joined = self.0.joined()?;
        card_key(&joined.member.keys, self.0.parts.cache.keys(), number)
    }

    fn code_key(&self, code: &str) -> Option<CardKey> {
        let joined = self.0.joined()?;
        code_key(&joined.member.keys, self.0.parts.cache.keys(), code)
    }
}

/// A login that is under way counts as failed when nobody waits for it any more.
struct Trial<'a> {
    centre: &'a Centre,
    answered: bool,
}

impl Drop for Trial<'_> {
    fn drop(&mut self) {
        let mut breaker = self.centre.breaker();
        match self.answered {
            true => breaker.answered(),
            false => breaker.failed(),
        }
    }
}

impl Centre {
    async fn login(self: &Arc<Self>, login: CentreAsk) -> Option<Result<CentreKnows, Denied>> {
        let joined = self.joined()?;
        let client = joined.client.as_ref()?;
        let who = self.who(&joined, login.who)?;
        if self.breaker().ask() == Ask::Cache {
            return None;
        }
        let mut trial = Trial {
            centre: self,
            answered: false,
        };
        let question = LoginAsk {
            version: VERSION,
            method: login.method,
            who,
            secret: login.secret.map(|secret| secret.expose().to_owned()),
            leases_upto: self.parts.purse.taken_upto(),
        };
        let limit = Duration::from_millis(LOGIN_WAIT_MS);
        let over = Timer::after(limit);
        let answer = ask(client, path::LOGIN, &question, limit).await;
        let answer: LoginAnswer = match answer {
            Ok(answer) => answer,
            Err(error) => {
                log::info!(err:% = Chain(&error); "the centre does not answer a login; the copy decides");
                return None;
            }
        };
        trial.answered = true;
        drop(trial);
        // In what is left of the two seconds: what is begun goes on behind the login's back.
        let take_along = self.take_along(answer.leases, answer.latest);
        let limit = async {
            over.await;
        };
        take_along.or(limit).await;
        Some(answer.result.map(|known| CentreKnows {
            user: known.user,
            credential: known.credential,
            pin_needed: known.pin_needed,
        }))
    }

    /// The centre's news that came with a login.
    async fn take_along(self: &Arc<Self>, leases: LeaseNews, latest: u64) {
        if let Err(error) = self.take_leases(leases).await {
            log::warn!(err:% = Chain(&error); "leases are not taken");
        }
        if latest > self.parts.cache.position().revision {
            self.standing.heard_latest(latest);
            self.catch_up(latest).await;
        }
    }

    /// Wakes the pull and waits a moment for it.
    async fn catch_up(&self, latest: u64) {
        self.pull_now.set();
        let there = async {
            while self.parts.cache.position().revision < latest {
                Timer::after(LOOK_AGAIN).await;
            }
        };
        let limit = async {
            Timer::after(PULL_WAIT).await;
        };
        there.or(limit).await;
    }

    /// As the centre is told: a card by as many site keys as the centre's own. `None` where it has fewer
    /// than the box's copy, because it was put back from a backup: only the copy knows the card until
    /// there is a new one.
    fn who(&self, joined: &Joined, who: Presented) -> Option<Who> {
        Some(match who {
            Presented::Card { key, proved } => {
                let have = self.parts.cache.keys();
                let want = match self.centre_keys.load(Ordering::Relaxed) {
                    0 => have,
                    heard => heard,
                };
                let key = add_keys(&joined.member.keys, key, have, want)?;
                Who::Card { key, proved }
            }
            Presented::Login(login) => Who::Login(login),
            Presented::Number(number) => Who::Number(number),
            Presented::Credential(credential) => Who::Credential(credential),
        })
    }
}
