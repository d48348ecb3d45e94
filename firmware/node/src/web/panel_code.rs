// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The code for phones that a display of this box shows (T/ACCEM 475-2024, 3.12), as the page
//! `/panel` and the local API give it. A display that looks again gets the same code until a phone
//! has taken it or half of its time is over, so that a code on a screen always has time left.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use platen_auth::Door;
use platen_auth::phone::{
    ByPhone, CLAIM_LASTS, CODE_LASTS, CODES_MAX, PhoneCode, PhoneError, PhoneState,
};
use platen_model::Moment;
use platen_model::local::PhoneCodeShown;
use qrcodegen::{QrCode, QrCodeEcc};
use ring::digest::{SHA256, digest};
use thiserror::Error;

use super::pages::panel::Modules;
use super::sessions::{Cookie, Place};

/// The panel, as its codes name it.
const PANEL: &str = "panel";

/// Why there is no code to show.
#[derive(Debug, Error)]
#[non_exhaustive]
pub(crate) enum PhoneCodeError {
    /// The machine gives none now.
    #[error("the box has no code for phones right now")]
    Code(#[from] PhoneError),
    /// The box's address is too long for a QR code.
    #[error("the address of the page does not fit into a QR code; set a shorter web.address")]
    TooLong,
}

/// The codes of this box's panel.
pub(crate) struct PhonePanel {
    door: Arc<Door>,
    /// `https://host:port`, as phones reach the page.
    address: String,
    shown: Mutex<Vec<PhoneCode>>,
    /// Claims of browsers: a browser has the one that it made last.
    claims: Mutex<HashMap<Place, Claimed>>,
}

/// A code that a browser claimed. What stands for it leaves the box never: no other browser can say
/// that it was the one.
struct Claimed {
    text: String,
    until: Duration,
}

impl PhonePanel {
    /// `address` is how phones reach the page, such as `https://platen-hall.local:8444`.
    pub(crate) fn new(door: Arc<Door>, address: String) -> Self {
        Self {
            door,
            address,
            shown: Mutex::default(),
            claims: Mutex::default(),
        }
    }

    /// The code to show now.
    pub(crate) fn show(&self, now: Moment) -> Result<PhoneCodeShown, PhoneCodeError> {
        let phones = &self.door.phones;
        let mut shown = self.lock();
        // One whose page a phone has opened lasts longer than it was shown for.
        shown.retain(|code| phones.until(code.id, now).is_some());
        let fresh = shown.last().filter(|code| {
            let left = code.until.saturating_sub(now.elapsed);
            left > CODE_LASTS / 2 && phones.state(code.id, now) == PhoneState::Pending
        });
        let code = match fresh {
            Some(code) => code.clone(),
            None => {
                let code = phones.issue(PANEL, now)?;
                shown.push(code.clone());
                code
            }
        };
        let url = format!("{}/phone?c={}", self.address, code.token);
        let rows = modules(&url)?.iter().map(|row| row_text(row)).collect();
        let left = code.until.saturating_sub(now.elapsed);
        Ok(PhoneCodeShown {
            url,
            left_s: left.as_secs(),
            rows,
        })
    }

    /// Whether a code is shown that no browser has claimed yet.
    pub(super) fn is_open(&self, token: &str, now: Moment) -> bool {
        // Digests, so that the time taken tells nothing of a code.
        let wanted = digest(&SHA256, token.as_bytes());
        let fits =
            |code: &PhoneCode| digest(&SHA256, code.token.as_bytes()).as_ref() == wanted.as_ref();
        let shown = self.lock();
        let code = shown.iter().find(|code| fits(code));
        code.is_some_and(|code| self.door.phones.state(code.id, now) == PhoneState::Pending)
    }

    /// A browser claims a code, which is its own from then on.
    pub(super) fn claim(
        &self,
        token: &str,
        browser: &Cookie,
        now: Moment,
    ) -> Result<(), PhoneError> {
        let claim = self.door.phones.claim(token, now)?;
        let mut claims = self.claims();
        claims.retain(|_, claimed| claimed.until > now.elapsed);
        // Each claim is of a code that is out.
        if claims.len() >= CODES_MAX {
            return Err(PhoneError::TooMany);
        }
        let claimed = Claimed {
            text: claim.text,
            until: now.elapsed + CLAIM_LASTS,
        };
        claims.insert(browser.place(), claimed);
        Ok(())
    }

    /// Whether a browser has a claim.
    pub(super) fn has_claim(&self, browser: &Cookie, now: Moment) -> bool {
        let claims = self.claims();
        let claimed = claims.get(&browser.place());
        claimed.is_some_and(|claimed| claimed.until > now.elapsed)
    }

    /// The browser has a new cookie: it logged in.
    pub(super) fn move_claim(&self, before: &Cookie, after: &Cookie) {
        let mut claims = self.claims();
        if let Some(claimed) = claims.remove(&before.place()) {
            claims.insert(after.place(), claimed);
        }
    }

    /// The person at the browser logs out.
    pub(super) fn give_up(&self, browser: &Cookie) {
        self.claims().remove(&browser.place());
    }

    /// The person at the browser says that they stand here: whom the panel is to let in.
    pub(super) fn confirm(
        &self,
        browser: &Cookie,
        who: ByPhone,
        now: Moment,
    ) -> Result<ByPhone, PhoneError> {
        let phones = &self.door.phones;
        let claimed = self.claims().remove(&browser.place());
        let claimed = claimed.ok_or(PhoneError::BadCode)?;
        phones.confirm(&claimed.text, who, now)?;
        let mut shown = self.lock();
        let taken = shown
            .iter()
            .find_map(|code| phones.take(code.id, now).map(|who| (code.id, who)));
        let (id, who) = taken.ok_or(PhoneError::BadCode)?;
        shown.retain(|code| code.id != id);
        Ok(who)
    }

    fn lock(&self) -> MutexGuard<'_, Vec<PhoneCode>> {
        self.shown.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn claims(&self) -> MutexGuard<'_, HashMap<Place, Claimed>> {
        self.claims.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The modules of a text's QR code, without the quiet zone.
pub(super) fn modules(text: &str) -> Result<Modules, PhoneCodeError> {
    let code = QrCode::encode_text(text, QrCodeEcc::Medium).map_err(|_| PhoneCodeError::TooLong)?;
    let side = 0..code.size();
    let row = |y| side.clone().map(|x| code.get_module(x, y)).collect();
    Ok(side.clone().map(row).collect())
}

/// One character a module: `#` is dark.
fn row_text(row: &[bool]) -> String {
    row.iter()
        .map(|dark| if *dark { '#' } else { '.' })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_a_square_with_its_three_eyes() {
        let modules = modules("https://box.example/phone?c=0123456789ABCDEF").unwrap();
        let side = modules.len();
        assert!(modules.iter().all(|row| row.len() == side));
        for (x, y) in [(0, 0), (side - 7, 0), (0, side - 7)] {
            assert!((0..7).all(|step| modules[y][x + step] && modules[y + step][x]));
        }
    }
}
