// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Login by phone (3.12): a panel shows a short-lived code, the phone opens the page it names, its
//! owner logs in there and confirms, the panel lets them in. The code is good once, for
//! [`CODE_LASTS`] and [`CLAIM_LASTS`], and for the panel that showed it.
//!
//! `pending` → the phone opens the page: `claimed` → its owner confirms: `confirmed` → the panel takes
//! it: gone. Everything is in memory: a restart ends every code.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use platen_model::{CredentialId, Moment, UserId};
use platen_store::{SealError, seal};
use ring::hmac;
use thiserror::Error;

/// How long a code lasts, from when it is shown to when a phone opens its page.
pub const CODE_LASTS: Duration = Duration::from_secs(60);
/// How long it lasts from then on to when the panel takes it: its owner has to log in on the phone.
pub const CLAIM_LASTS: Duration = Duration::from_secs(180);
/// Codes that are out at once, at most.
pub const CODES_MAX: usize = 64;
/// Codes of one panel that are out at once, at most: a panel that shows a new one drops the oldest.
pub const CODES_OF_PANEL_MAX: usize = 4;
/// Characters of a code: hexadecimal digits of a number and a tag.
pub const TOKEN_CHARS: usize = 2 * (ID_BYTES + TAG_BYTES);
/// Characters of a claim.
pub const CLAIM_CHARS: usize = 2 * CLAIM_BYTES;

const ID_BYTES: usize = 8;
const TAG_BYTES: usize = 16;
const CLAIM_BYTES: usize = 16;
const CONTEXT: &[u8] = b"platen phone 1\0";

/// Why a code is not taken or given.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[non_exhaustive]
pub enum PhoneError {
    /// No such code, not signed by this box, used, or too old: which is not told.
    #[error("the code is not valid any more; let the printer show a new one")]
    BadCode,
    /// Too many codes are out.
    #[error("too many codes are shown at once; try again in a minute")]
    TooMany,
    /// The system gave no random bytes.
    #[error("no code could be made")]
    Random(#[from] SealError),
}

/// A code that a panel shows.
#[derive(Clone, Eq, PartialEq)]
pub struct PhoneCode {
    /// What the panel asks by.
    pub id: PhoneId,
    /// What the phone brings: [`TOKEN_CHARS`] upper-case hexadecimal digits, for a URL in a QR code.
    pub token: String,
    /// Elapsed time at which it ends.
    pub until: Duration,
}

impl fmt::Debug for PhoneCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PhoneCode({:?})", self.id)
    }
}

/// Which code a panel shows.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct PhoneId(u64);

/// A phone that opened the page: only it can confirm.
#[derive(Clone, Eq, PartialEq)]
pub struct Claim {
    /// Stands for the claim in the page's form: [`CLAIM_CHARS`] hexadecimal digits.
    pub text: String,
    /// The panel that showed the code, for the page to name.
    pub panel: String,
}

impl fmt::Debug for Claim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Claim({})", self.panel)
    }
}

/// Who confirmed, and by which credential they had logged in.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct ByPhone {
    /// The person.
    pub user: UserId,
    /// The credential, where there is one.
    pub credential: Option<CredentialId>,
    /// Whether the centre was asked.
    pub online: bool,
}

/// How a code stands.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum PhoneState {
    /// Shown; no phone has opened the page.
    Pending,
    /// A phone has opened the page.
    Claimed,
    /// Its owner confirmed.
    Confirmed,
    /// Too old, taken, or given up.
    Over,
}

enum Way {
    Pending,
    Claimed { claim: [u8; CLAIM_BYTES] },
    Confirmed(ByPhone),
}

struct Open {
    panel: String,
    until: Duration,
    way: Way,
}

/// Every code that is out. Share it in an [`Arc`](std::sync::Arc). Never blocks.
pub struct PhoneCodes {
    key: hmac::Key,
    open: Mutex<HashMap<PhoneId, Open>>,
}

impl fmt::Debug for PhoneCodes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PhoneCodes({})", self.lock().len())
    }
}

impl PhoneCodes {
    /// No codes yet, and a key of this run.
    ///
    /// # Errors
    /// [`PhoneError::Random`].
    pub fn new() -> Result<Self, PhoneError> {
        let key: [u8; 32] = seal::random_bytes()?;
        Ok(Self {
            key: hmac::Key::new(hmac::HMAC_SHA256, &key),
            open: Mutex::default(),
        })
    }

    /// A new code for a panel to show.
    ///
    /// # Errors
    /// [`PhoneError::TooMany`], [`PhoneError::Random`].
    pub fn issue(&self, panel: &str, now: Moment) -> Result<PhoneCode, PhoneError> {
        let mut open = self.lock();
        open.retain(|_, code| code.until > now.elapsed);
        drop_oldest(&mut open, panel);
        if open.len() >= CODES_MAX {
            return Err(PhoneError::TooMany);
        }
        let id = PhoneId(u64::from_be_bytes(seal::random_bytes()?));
        let until = now.elapsed + CODE_LASTS;
        let code = Open {
            panel: panel.to_owned(),
            until,
            way: Way::Pending,
        };
        let token = self.token(id, panel);
        open.insert(id, code);
        Ok(PhoneCode { id, token, until })
    }

    /// A phone opened the page with a code: once.
    ///
    /// # Errors
    /// [`PhoneError::BadCode`], [`PhoneError::Random`].
    pub fn claim(&self, token: &str, now: Moment) -> Result<Claim, PhoneError> {
        let bytes = from_hex::<{ ID_BYTES + TAG_BYTES }>(token).ok_or(PhoneError::BadCode)?;
        let (id, tag) = bytes
            .split_first_chunk::<ID_BYTES>()
            .ok_or(PhoneError::BadCode)?;
        let id = PhoneId(u64::from_be_bytes(*id));
        let mut open = self.lock();
        let code = live(&mut open, id, now).ok_or(PhoneError::BadCode)?;
        if !same(&self.tag(id, &code.panel), tag) || !matches!(code.way, Way::Pending) {
            return Err(PhoneError::BadCode);
        }
        let claim = seal::random_bytes()?;
        code.way = Way::Claimed { claim };
        code.until = now.elapsed + CLAIM_LASTS;
        Ok(Claim {
            text: to_hex(&claim),
            panel: code.panel.clone(),
        })
    }

    /// The owner of the phone that claimed a code, logged in on it, confirms.
    ///
    /// # Errors
    /// [`PhoneError::BadCode`].
    pub fn confirm(&self, claim: &str, who: ByPhone, now: Moment) -> Result<(), PhoneError> {
        let claim = from_hex::<CLAIM_BYTES>(claim).ok_or(PhoneError::BadCode)?;
        let mut open = self.lock();
        let is_it = |code: &&mut Open| match &code.way {
            Way::Claimed { claim: own } => same(own, &claim) && code.until > now.elapsed,
            Way::Pending | Way::Confirmed(_) => false,
        };
        let code = open.values_mut().find(is_it).ok_or(PhoneError::BadCode)?;
        code.way = Way::Confirmed(who);
        Ok(())
    }

    /// Elapsed time at which a code ends: later, once a phone has opened its page. `None` where it has.
    #[must_use]
    pub fn until(&self, id: PhoneId, now: Moment) -> Option<Duration> {
        live(&mut self.lock(), id, now).map(|code| code.until)
    }

    /// How a code stands.
    #[must_use]
    pub fn state(&self, id: PhoneId, now: Moment) -> PhoneState {
        live(&mut self.lock(), id, now).map_or(PhoneState::Over, |code| match code.way {
            Way::Pending => PhoneState::Pending,
            Way::Claimed { .. } => PhoneState::Claimed,
            Way::Confirmed(_) => PhoneState::Confirmed,
        })
    }

    /// Takes a confirmed code, which ends it.
    #[must_use]
    pub fn take(&self, id: PhoneId, now: Moment) -> Option<ByPhone> {
        let mut open = self.lock();
        let Way::Confirmed(who) = live(&mut open, id, now)?.way else {
            return None;
        };
        open.remove(&id);
        Some(who)
    }

    /// Ends a code that is not shown any more.
    pub fn end(&self, id: PhoneId) {
        self.lock().remove(&id);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<PhoneId, Open>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn token(&self, id: PhoneId, panel: &str) -> String {
        let mut bytes = id.0.to_be_bytes().to_vec();
        bytes.extend(self.tag(id, panel));
        to_hex(&bytes)
    }

    /// Over the context, the number and the panel: the code of one panel opens no other.
    fn tag(&self, id: PhoneId, panel: &str) -> [u8; TAG_BYTES] {
        let mut context = hmac::Context::with_key(&self.key);
        context.update(CONTEXT);
        context.update(&id.0.to_be_bytes());
        context.update(panel.as_bytes());
        let tag = context.sign();
        *tag.as_ref()
            .first_chunk()
            .expect("HMAC-SHA256 gives 32 bytes")
    }
}

fn live(open: &mut HashMap<PhoneId, Open>, id: PhoneId, now: Moment) -> Option<&mut Open> {
    open.get_mut(&id).filter(|code| code.until > now.elapsed)
}

fn drop_oldest(open: &mut HashMap<PhoneId, Open>, panel: &str) {
    let own = || open.iter().filter(|(_, code)| code.panel == panel);
    if own().count() >= CODES_OF_PANEL_MAX {
        let oldest = own().min_by_key(|(_, code)| code.until).map(|(id, _)| *id);
        oldest.map(|id| open.remove(&id));
    }
}

/// Takes the same time wherever the difference is.
fn same(a: &[u8], b: &[u8]) -> bool {
    let differ = a.iter().zip(b).fold(0, |sum, (a, b)| sum | (a ^ b));
    a.len() == b.len() && std::hint::black_box(differ) == 0
}

fn to_hex(bytes: &[u8]) -> String {
    use fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02X}");
        text
    })
}

fn from_hex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    if pairs.len() != N || !rest.is_empty() {
        return None;
    }
    let mut bytes = [0; N];
    for (byte, [high, low]) in bytes.iter_mut().zip(pairs) {
        let digit = |byte: u8| {
            char::from(byte)
                .to_digit(16)
                .and_then(|d| u8::try_from(d).ok())
        };
        *byte = digit(*high)? << 4 | digit(*low)?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use platen_model::{Clock, ManualClock};
    use uuid::Uuid;

    const WHO: ByPhone = ByPhone {
        user: UserId(Uuid::from_u128(7)),
        credential: None,
        online: false,
    };

    #[test]
    fn a_code_is_claimed_confirmed_and_taken_once_each() {
        let (codes, clock) = (PhoneCodes::new().unwrap(), ManualClock::at(0));
        let code = codes.issue("kiosk", clock.now()).unwrap();
        assert_eq!(code.token.len(), TOKEN_CHARS);
        assert_eq!(codes.state(code.id, clock.now()), PhoneState::Pending);
        assert_eq!(codes.take(code.id, clock.now()), None);
        let claim = codes.claim(&code.token, clock.now()).unwrap();
        assert_eq!(
            (claim.panel.as_str(), claim.text.len()),
            ("kiosk", CLAIM_CHARS)
        );
        assert_eq!(
            codes.claim(&code.token, clock.now()),
            Err(PhoneError::BadCode)
        );
        assert_eq!(codes.state(code.id, clock.now()), PhoneState::Claimed);
        codes.confirm(&claim.text, WHO, clock.now()).unwrap();
        assert_eq!(codes.state(code.id, clock.now()), PhoneState::Confirmed);
        let again = codes.confirm(&claim.text, WHO, clock.now());
        assert_eq!(again, Err(PhoneError::BadCode));
        assert_eq!(codes.take(code.id, clock.now()), Some(WHO));
        assert_eq!(codes.take(code.id, clock.now()), None);
        assert_eq!(codes.state(code.id, clock.now()), PhoneState::Over);
    }

    #[test]
    fn a_code_ends_after_a_minute_and_three_minutes_after_a_phone_opened_its_page() {
        let (codes, clock) = (PhoneCodes::new().unwrap(), ManualClock::at(0));
        let pending = codes.issue("a", clock.now()).unwrap();
        let claimed = codes.issue("a", clock.now()).unwrap();
        let claim = codes.claim(&claimed.token, clock.now()).unwrap();
        let confirmed = codes.issue("a", clock.now()).unwrap();
        let other = codes.claim(&confirmed.token, clock.now()).unwrap();
        codes.confirm(&other.text, WHO, clock.now()).unwrap();
        let slow = codes.issue("a", clock.now()).unwrap();
        clock.advance(CODE_LASTS - Duration::from_secs(1));
        let typing = codes.claim(&slow.token, clock.now()).unwrap();
        clock.advance(Duration::from_secs(1));
        assert_eq!(
            codes.claim(&pending.token, clock.now()),
            Err(PhoneError::BadCode)
        );
        clock.advance(CLAIM_LASTS - CODE_LASTS);
        let late = codes.confirm(&claim.text, WHO, clock.now());
        assert_eq!(late, Err(PhoneError::BadCode));
        assert_eq!(codes.take(confirmed.id, clock.now()), None);
        clock.advance(CODE_LASTS - Duration::from_secs(2));
        codes.confirm(&typing.text, WHO, clock.now()).unwrap();
        assert_eq!(codes.take(slow.id, clock.now()), Some(WHO));
    }

    #[test]
    fn a_changed_code_and_one_of_another_run_are_none() {
        let (codes, clock) = (PhoneCodes::new().unwrap(), ManualClock::at(0));
        let token = codes.issue("kiosk", clock.now()).unwrap().token;
        for at in 0..token.len() {
            let mut changed = token.clone().into_bytes();
            changed[at] = if changed[at] == b'0' { b'1' } else { b'0' };
            let changed = String::from_utf8(changed).unwrap();
            assert_eq!(codes.claim(&changed, clock.now()), Err(PhoneError::BadCode));
        }
        let other = PhoneCodes::new().unwrap();
        assert_eq!(other.claim(&token, clock.now()), Err(PhoneError::BadCode));
        for odd in ["", "0", "é0", &token[1..], &(token.clone() + "00")] {
            assert_eq!(codes.claim(odd, clock.now()), Err(PhoneError::BadCode));
        }
        assert!(
            codes.claim(&token, clock.now()).is_ok(),
            "wrong tries don't end it"
        );
    }

    #[test]
    fn only_the_phone_that_claimed_a_code_can_confirm_it() {
        let (codes, clock) = (PhoneCodes::new().unwrap(), ManualClock::at(0));
        let code = codes.issue("kiosk", clock.now()).unwrap();
        codes.claim(&code.token, clock.now()).unwrap();
        for guess in ["", &code.token, &"0".repeat(CLAIM_CHARS)] {
            let guessed = codes.confirm(guess, WHO, clock.now());
            assert_eq!(guessed, Err(PhoneError::BadCode));
        }
    }

    #[test]
    fn a_panel_holds_few_codes_and_all_panels_together_a_limited_number() {
        let (codes, clock) = (PhoneCodes::new().unwrap(), ManualClock::at(0));
        let first = codes.issue("kiosk", clock.now()).unwrap();
        for _ in 0..CODES_OF_PANEL_MAX {
            clock.advance(Duration::from_secs(1));
            codes.issue("kiosk", clock.now()).unwrap();
        }
        assert_eq!(codes.state(first.id, clock.now()), PhoneState::Over);
        let panels = (0..CODES_MAX).map(|n| codes.issue(&n.to_string(), clock.now()));
        assert_eq!(panels.last().unwrap(), Err(PhoneError::TooMany));
        clock.advance(CODE_LASTS);
        assert!(codes.issue("later", clock.now()).is_ok());
    }
}
