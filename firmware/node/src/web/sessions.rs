// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Who is logged in at the web page. Sessions live in memory alone: a restart logs everybody out.
//!
//! A browser holds 32 random bytes in a cookie; the table holds their SHA-256, so that nothing in
//! the box's memory is good as a cookie. A login always begins a new cookie. The token against
//! forged requests is an HMAC of the cookie under a key of this process: visitors who are not
//! logged in have one, too, and cost the box nothing.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use platen_auth::session::LoggedIn;
use platen_model::{JobNumber, Reason};
use ring::digest::{SHA256, digest};
use ring::hmac;
use ring::rand::{SecureRandom, SystemRandom};
use thiserror::Error;

use super::ground::Ground;

/// A session ends when nothing was asked for this long.
pub(super) const IDLE: Duration = Duration::from_secs(5 * 60);
/// A session ends after this time, whatever was asked.
pub(super) const LONGEST: Duration = Duration::from_secs(30 * 60);
/// Sessions at once; past it the one that was idle longest ends.
const SESSIONS_MAX: usize = 1024;
/// Sessions of one person at once; past it the one that was idle longest ends.
const SESSIONS_OF_ONE_MAX: usize = 8;

const SECRET_OCTETS: usize = 32;

/// The system gave no random bytes.
#[derive(Debug, Error)]
#[error("the system has no random bytes")]
pub(crate) struct NoRandom;

/// The cookie of a browser: 64 hexadecimal digits. Not for logs.
#[derive(Clone, Eq, PartialEq)]
pub(super) struct Cookie(String);

impl Cookie {
    /// What a browser sent, if it can be one of ours.
    pub(super) fn read(text: &str) -> Option<Self> {
        let fits = text.len() == 2 * SECRET_OCTETS
            && text
                .bytes()
                .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        fits.then(|| Self(text.to_owned()))
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }

    /// What stands for the cookie in tables.
    pub(super) fn place(&self) -> Place {
        let mut place = [0; 32];
        place.copy_from_slice(digest(&SHA256, self.0.as_bytes()).as_ref());
        place
    }
}

impl std::fmt::Debug for Cookie {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Cookie")
    }
}

/// SHA-256 of a cookie.
pub(super) type Place = [u8; 32];

/// What the last release said of its jobs: why one waits, and the words of rules.
pub(super) type Notes = HashMap<JobNumber, JobNote>;

/// What a release said of one job.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct JobNote {
    /// Why it was not released.
    pub(super) why: Option<Reason>,
    /// What rules want to be told.
    pub(super) says: Vec<String>,
}

struct Session {
    login: LoggedIn,
    ground: Option<Ground>,
    notes: Arc<Notes>,
    began: Duration,
    seen: Duration,
}

impl Session {
    fn lives(&self, now: Duration) -> bool {
        now.saturating_sub(self.seen) < IDLE && now.saturating_sub(self.began) < LONGEST
    }

    fn left(&self, now: Duration) -> Duration {
        let idle = IDLE.saturating_sub(now.saturating_sub(self.seen));
        idle.min(LONGEST.saturating_sub(now.saturating_sub(self.began)))
    }
}

/// Somebody who is logged in.
#[derive(Clone)]
pub(super) struct Person {
    pub(super) login: LoggedIn,
    /// What the login rests on; `None` where it rests on nothing that can go.
    pub(super) ground: Option<Ground>,
    pub(super) notes: Arc<Notes>,
    /// Until the log-out, if nothing more is asked.
    pub(super) left: Duration,
}

/// All sessions. Times are the clock's elapsed ones.
pub(super) struct Sessions {
    random: SystemRandom,
    key: hmac::Key,
    table: Mutex<HashMap<Place, Session>>,
}

impl Sessions {
    pub(super) fn new() -> Result<Self, NoRandom> {
        let random = SystemRandom::new();
        let key = hmac::Key::generate(hmac::HMAC_SHA256, &random).map_err(|_| NoRandom)?;
        Ok(Self {
            random,
            key,
            table: Mutex::default(),
        })
    }

    /// A cookie for somebody who is not logged in, or for a session that begins.
    pub(super) fn cookie(&self) -> Result<Cookie, NoRandom> {
        let mut secret = [0_u8; SECRET_OCTETS];
        self.random.fill(&mut secret).map_err(|_| NoRandom)?;
        Ok(Cookie(hexadecimal(&secret)))
    }

    /// Begins a session. Its cookie is always a new one: whatever cookie the browser had before is
    /// worth nothing afterwards.
    pub(super) fn open(
        &self,
        login: LoggedIn,
        ground: Option<Ground>,
        before: &Cookie,
        now: Duration,
    ) -> Result<Cookie, NoRandom> {
        let cookie = self.cookie()?;
        let mut table = self.lock();
        table.remove(&before.place());
        table.retain(|_, session| session.lives(now));
        let user = login.identity.user;
        make_room(&mut table, SESSIONS_OF_ONE_MAX, |session| {
            session.login.identity.user == user
        });
        make_room(&mut table, SESSIONS_MAX, |_| true);
        let session = Session {
            login,
            ground,
            notes: Arc::default(),
            began: now,
            seen: now,
        };
        table.insert(cookie.place(), session);
        Ok(cookie)
    }

    /// Who holds this cookie. `touch`: whether the person did something, which begins the idle time
    /// anew; a page that looks again by itself does not.
    pub(super) fn find(&self, cookie: &Cookie, now: Duration, touch: bool) -> Option<Person> {
        let mut table = self.lock();
        let place = cookie.place();
        let session = table.get_mut(&place)?;
        if !session.lives(now) {
            table.remove(&place);
            return None;
        }
        if touch {
            session.seen = now;
        }
        Some(Person {
            login: session.login.clone(),
            ground: session.ground,
            notes: Arc::clone(&session.notes),
            left: session.left(now),
        })
    }

    /// The copy has caught up with a login that the centre had decided.
    pub(super) fn stand_on(&self, cookie: &Cookie, ground: Option<Ground>) {
        if let Some(session) = self.lock().get_mut(&cookie.place()) {
            session.ground = ground;
        }
    }

    /// Keeps what a release said, in the place of what the one before said.
    pub(super) fn note(&self, cookie: &Cookie, notes: Notes) {
        if let Some(session) = self.lock().get_mut(&cookie.place()) {
            session.notes = Arc::new(notes);
        }
    }

    /// Whether anybody is logged in.
    pub(super) fn any(&self, now: Duration) -> bool {
        self.lock().values().any(|session| session.lives(now))
    }

    /// Ends a session.
    pub(super) fn close(&self, cookie: &Cookie) {
        self.lock().remove(&cookie.place());
    }

    /// The token that a form of this browser carries.
    pub(super) fn token(&self, cookie: &Cookie) -> String {
        hexadecimal(hmac::sign(&self.key, cookie.0.as_bytes()).as_ref())
    }

    /// Whether a form's token is this browser's. Compares in constant time.
    pub(super) fn fits(&self, cookie: &Cookie, token: &str) -> bool {
        let bytes = Cookie::read(token).and_then(|digits| octets(&digits.0));
        bytes.is_some_and(|bytes| hmac::verify(&self.key, cookie.0.as_bytes(), &bytes).is_ok())
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Place, Session>> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Ends the session idle longest among those that `counts`, if there are `limit` of them.
fn make_room(table: &mut HashMap<Place, Session>, limit: usize, counts: impl Fn(&Session) -> bool) {
    let counted = || table.iter().filter(|(_, session)| counts(session));
    if counted().count() < limit {
        return;
    }
    let oldest = counted().min_by_key(|(_, session)| session.seen);
    if let Some(place) = oldest.map(|(place, _)| *place) {
        table.remove(&place);
    }
}

fn hexadecimal(bytes: &[u8]) -> String {
    let digit = |nibble: u8| char::from_digit(u32::from(nibble), 16).unwrap_or_default();
    let digits = bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    digits.map(digit).collect()
}

fn octets(digits: &str) -> Option<Vec<u8>> {
    let (pairs, rest) = digits.as_bytes().as_chunks::<2>();
    let pair = |pair: &[u8; 2]| {
        let text = std::str::from_utf8(pair).ok()?;
        u8::from_str_radix(text, 16).ok()
    };
    rest.is_empty()
        .then(|| pairs.iter().map(pair).collect::<Option<Vec<u8>>>())?
}

#[cfg(test)]
mod tests {
    use platen_model::{Identity, Method, Source, UserId};
    use uuid::Uuid;

    use super::*;

    fn login(user: u128) -> LoggedIn {
        let identity = Identity {
            user: UserId(Uuid::from_u128(user)),
            name: "ada".to_owned(),
            owner_keys: Vec::new(),
            groups: Vec::new(),
            source: Source::Local,
            provisional: false,
        };
        LoggedIn {
            identity,
            method: Method::Pin,
            credential: None,
            bound: false,
        }
    }

    fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn a_login_never_keeps_the_cookie_that_was_there_before() {
        let sessions = Sessions::new().unwrap();
        let planted = Cookie::read(&"a".repeat(64)).unwrap();
        let cookie = sessions.open(login(1), None, &planted, at(0)).unwrap();
        assert_ne!(cookie, planted);
        assert!(sessions.find(&planted, at(0), true).is_none());
        let again = sessions.open(login(1), None, &cookie, at(1)).unwrap();
        assert!(sessions.find(&cookie, at(1), true).is_none());
        assert!(sessions.find(&again, at(1), true).is_some());
    }

    #[test]
    fn a_session_ends_when_idle_and_after_its_longest_time() {
        let sessions = Sessions::new().unwrap();
        let none = sessions.cookie().unwrap();
        let idle = sessions.open(login(1), None, &none, at(0)).unwrap();
        assert!(sessions.find(&idle, at(299), false).is_some() && sessions.any(at(299)));
        assert!(sessions.find(&idle, at(300), true).is_none() && !sessions.any(at(300)));
        let busy = sessions.open(login(1), None, &none, at(0)).unwrap();
        for minute in 1..30 {
            let person = sessions.find(&busy, at(minute * 60), true).unwrap();
            assert!(person.left <= at(1800 - minute * 60));
        }
        assert!(sessions.find(&busy, at(1800), true).is_none());
    }

    #[test]
    fn a_page_that_looks_by_itself_keeps_nobody_logged_in() {
        let sessions = Sessions::new().unwrap();
        let none = sessions.cookie().unwrap();
        let cookie = sessions.open(login(1), None, &none, at(0)).unwrap();
        for second in (0..300).step_by(10) {
            sessions.find(&cookie, at(second), false).unwrap();
        }
        assert!(sessions.find(&cookie, at(300), false).is_none());
    }

    #[test]
    fn a_cookie_is_worth_nothing_after_the_log_out() {
        let sessions = Sessions::new().unwrap();
        let none = sessions.cookie().unwrap();
        let cookie = sessions.open(login(1), None, &none, at(0)).unwrap();
        sessions.close(&cookie);
        assert!(sessions.find(&cookie, at(0), true).is_none());
    }

    #[test]
    fn a_token_fits_its_own_cookie_alone() {
        let sessions = Sessions::new().unwrap();
        let (own, other) = (sessions.cookie().unwrap(), sessions.cookie().unwrap());
        let token = sessions.token(&own);
        assert!(sessions.fits(&own, &token));
        assert!(!sessions.fits(&other, &token));
        assert!(!sessions.fits(&own, ""));
        assert!(!sessions.fits(&own, &token.to_uppercase()));
        assert!(!Sessions::new().unwrap().fits(&own, &token));
    }

    #[test]
    fn too_many_sessions_end_the_ones_idle_longest() {
        let sessions = Sessions::new().unwrap();
        let none = sessions.cookie().unwrap();
        let first = sessions.open(login(1), None, &none, at(0)).unwrap();
        for second in 1..=SESSIONS_OF_ONE_MAX as u64 {
            sessions.open(login(1), None, &none, at(second)).unwrap();
        }
        assert!(sessions.find(&first, at(9), true).is_none());
        assert_eq!(sessions.lock().len(), SESSIONS_OF_ONE_MAX);
        for user in 2..=SESSIONS_MAX as u128 + 10 {
            sessions.open(login(user), None, &none, at(10)).unwrap();
        }
        assert_eq!(sessions.lock().len(), SESSIONS_MAX);
    }
}
