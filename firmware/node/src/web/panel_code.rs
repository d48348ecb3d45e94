// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The code for phones that a display of this box shows (T/ACCEM 475-2024, 3.12), as the page
//! `/panel` and the local API give it. A display that looks again gets the same code until a phone
//! has taken it or half of its time is over, so that a code on a screen always has time left.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use platen_auth::Door;
use platen_auth::phone::{ByPhone, CODE_LASTS, Claim, PhoneCode, PhoneError, PhoneState};
use platen_model::Moment;
use platen_model::local::PhoneCodeShown;
use qrcodegen::{QrCode, QrCodeEcc};
use thiserror::Error;

use super::pages::panel::Modules;

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
}

impl PhonePanel {
    /// `address` is how phones reach the page, such as `https://platen-hall.local:8444`.
    pub(crate) fn new(door: Arc<Door>, address: String) -> Self {
        Self {
            door,
            address,
            shown: Mutex::default(),
        }
    }

    /// The code to show now.
    pub(crate) fn show(&self, now: Moment) -> Result<PhoneCodeShown, PhoneCodeError> {
        let phones = &self.door.phones;
        let mut shown = self.lock();
        shown.retain(|code| code.until > now.elapsed);
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

    /// A phone has opened the page with a code.
    pub(super) fn claim(&self, token: &str, now: Moment) -> Result<Claim, PhoneError> {
        self.door.phones.claim(token, now)
    }

    /// The person on the phone says that they stand here: whom the panel is to let in.
    pub(super) fn confirm(
        &self,
        claim: &str,
        who: ByPhone,
        now: Moment,
    ) -> Result<ByPhone, PhoneError> {
        let phones = &self.door.phones;
        phones.confirm(claim, who, now)?;
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
