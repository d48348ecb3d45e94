// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What the box shows the person in front of it: one signal (lights and buzzer) and one sentence.

mod login;
mod reasons;
mod words;

use std::sync::{Mutex, MutexGuard, PoisonError};

use platen_auth::session::QuestionKind;
use platen_hal::{EnrolStep, PanelSignal};
use platen_model::{Denied, Method, Reason};

use crate::config::Language;

pub(crate) use self::words::printer_reasons;

/// Carries a signal to the thread that plays lights and buzzer. Must not block.
pub(crate) type ShowLights = Box<dyn Fn(PanelSignal) + Send + Sync>;

/// The panel's state, shared by everything that has something to say.
pub(crate) struct Panel {
    language: Language,
    lights: ShowLights,
    shown: Mutex<Shown>,
    /// Said beside the sentence of an idle panel.
    notices: Mutex<Notices>,
}

/// What the box has to say to whoever looks after it.
#[derive(Default)]
struct Notices {
    code: Option<String>,
    update: Option<&'static str>,
}

impl Notices {
    fn words(&self) -> Option<String> {
        let code = self.code.as_deref().into_iter();
        let words: Vec<_> = code.chain(self.update).collect();
        (!words.is_empty()).then(|| words.join(" "))
    }
}

/// What is shown now.
#[derive(Clone, Debug)]
pub(crate) struct Shown {
    pub(crate) signal: PanelSignal,
    pub(crate) text: String,
    /// Counts up at every change, so that a reset to idle can tell whether it is still wanted.
    pub(crate) turn: u64,
}

impl Panel {
    pub(crate) fn new(language: Language, lights: ShowLights) -> Self {
        let text = words::sentence(language, PanelSignal::Idle).to_owned();
        lights(PanelSignal::Idle);
        let shown = Shown {
            signal: PanelSignal::Idle,
            text,
            turn: 0,
        };
        Self {
            language,
            lights,
            shown: Mutex::new(shown),
            notices: Mutex::default(),
        }
    }

    /// Shows `signal` with its own sentence, followed by `more` where there is more to say.
    /// Returns the turn, for [`Panel::rest`].
    pub(crate) fn show(&self, signal: PanelSignal, more: Option<&str>) -> Shown {
        let mut text = words::sentence(self.language, signal).to_owned();
        let notice = match signal {
            PanelSignal::Idle => self.notices_lock().words(),
            _ => None,
        };
        for more in more.iter().copied().chain(notice.as_deref()) {
            text.push(' ');
            text.push_str(more);
        }
        self.put(signal, text)
    }

    /// The code by which the box is enrolled is shown while the panel is idle; `None`: no more.
    pub(crate) fn notice(&self, code: Option<&str>) {
        let code = code.map(|code| words::code(self.language, code));
        self.change_notices(|notices| notices.code = code);
    }

    /// What an update has to say is shown while the panel is idle; `None`: no more.
    pub(crate) fn notice_update(&self, words: Option<&'static str>) {
        self.change_notices(|notices| notices.update = words);
    }

    fn change_notices(&self, change: impl FnOnce(&mut Notices)) {
        {
            let mut now = self.notices_lock();
            let before = now.words();
            change(&mut now);
            if now.words() == before {
                return;
            }
        }
        let shown = self.shown();
        if shown.signal == PanelSignal::Idle {
            self.rest(shown.turn, PanelSignal::Idle);
        }
    }

    /// Shows `signal` with another sentence than its own.
    pub(crate) fn tell(&self, signal: PanelSignal, text: &str) -> Shown {
        self.put(signal, text.to_owned())
    }

    fn put(&self, signal: PanelSignal, text: String) -> Shown {
        let mut shown = self.lock();
        *shown = Shown {
            signal,
            text,
            turn: shown.turn + 1,
        };
        (self.lights)(signal);
        shown.clone()
    }

    /// Goes back to `signal` (idle, or what is wrong), unless something newer is shown.
    pub(crate) fn rest(&self, turn: u64, signal: PanelSignal) {
        if self.lock().turn == turn {
            self.show(signal, None);
        }
    }

    /// `signal` is not true any more: goes back to idle, if it is what is shown.
    pub(crate) fn clear(&self, signal: PanelSignal) {
        if self.lock().signal == signal {
            self.show(PanelSignal::Idle, None);
        }
    }

    pub(crate) fn shown(&self) -> Shown {
        self.lock().clone()
    }

    /// "2 jobs, 5 pages" in the panel's language.
    pub(crate) fn jobs_words(&self, jobs: usize) -> String {
        words::jobs(self.language, jobs)
    }

    /// "2 wait: quota used up." in the panel's language.
    pub(crate) fn waits_words(&self, jobs: usize, reason: Reason, is_away: bool) -> String {
        reasons::waits(self.language, jobs, reason, is_away)
    }

    /// Why nothing is printed and what to do, in the panel's language.
    pub(crate) fn nothing_printed_words(
        &self,
        reason: Reason,
        is_away: bool,
    ) -> Option<&'static str> {
        reasons::nothing_printed(self.language, reason, is_away)
    }

    /// What is wrong with the printer, in the panel's language.
    pub(crate) fn printer_words(&self, reasons: &[String]) -> String {
        printer_reasons(self.language, reasons)
    }

    /// That nothing is released because the journal takes nothing, in the panel's language.
    pub(crate) fn journal_words(&self) -> &'static str {
        words::journal(self.language)
    }

    /// That the box starts anew for an update, in the panel's language.
    pub(crate) fn restart_words(&self) -> &'static str {
        words::restart(self.language)
    }

    /// That an update was undone, in the panel's language.
    pub(crate) fn fell_back_words(&self) -> &'static str {
        words::fell_back(self.language)
    }

    /// A question of a login, with a dot for each digit that was typed, in the panel's language.
    pub(crate) fn question_words(
        &self,
        kind: &QuestionKind,
        binding: bool,
        code: bool,
        typed: usize,
    ) -> String {
        login::question(self.language, kind, binding, code, typed)
    }

    /// That something takes a moment, in the panel's language.
    pub(crate) fn wait_words(&self) -> &'static str {
        login::wait(self.language)
    }

    /// That a one-time code has a slip in it, in the panel's language.
    pub(crate) fn mistyped_words(&self) -> &'static str {
        login::mistyped(self.language)
    }

    /// That a card was bound just now, in the panel's language.
    pub(crate) fn bound_words(&self) -> &'static str {
        login::bound(self.language)
    }

    /// What to do next with the finger that is taken, in the panel's language.
    pub(crate) fn finger_step_words(&self, step: EnrolStep) -> String {
        login::finger_step(self.language, step)
    }

    /// That the finger is taken, in the panel's language.
    pub(crate) fn finger_stored_words(&self) -> &'static str {
        login::finger_stored(self.language)
    }

    /// That the finger is not taken, in the panel's language.
    pub(crate) fn finger_failed_words(&self) -> &'static str {
        login::finger_failed(self.language)
    }

    /// Why nobody is let in: the signal, and a sentence in the place of its own.
    pub(crate) fn denied_words(
        &self,
        method: Method,
        reason: Denied,
    ) -> (PanelSignal, Option<&'static str>) {
        login::denied(self.language, method, reason)
    }

    fn notices_lock(&self) -> MutexGuard<'_, Notices> {
        self.notices.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock(&self) -> MutexGuard<'_, Shown> {
        self.shown.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_idle_panel_shows_the_code_and_no_other() {
        let panel = Panel::new(Language::En, Box::new(|_| ()));
        panel.notice(Some("BCDF-GHJK"));
        assert!(panel.shown().text.contains("BCDF-GHJK"));
        let accepted = panel.show(PanelSignal::Accepted, None);
        assert!(!accepted.text.contains("BCDF"));
        panel.notice(Some("LMNP-QRST"));
        assert_eq!(panel.shown().signal, PanelSignal::Accepted);
        panel.rest(accepted.turn, PanelSignal::Idle);
        assert!(panel.shown().text.contains("LMNP-QRST"));
        panel.notice_update(Some(panel.fell_back_words()));
        let both = panel.shown().text;
        assert!(both.contains("LMNP") && both.contains("undone"), "{both}");
        panel.notice(None);
        assert!(!panel.shown().text.contains("LMNP"));
        panel.notice_update(None);
        assert!(!panel.shown().text.contains("undone"));
    }

    #[test]
    fn a_newer_signal_is_not_reset_by_an_older_turn() {
        let panel = Panel::new(Language::En, Box::new(|_| ()));
        let old = panel.show(PanelSignal::Accepted, None);
        panel.show(PanelSignal::UnknownCard, None);
        panel.rest(old.turn, PanelSignal::Idle);
        assert_eq!(panel.shown().signal, PanelSignal::UnknownCard);
    }
}
