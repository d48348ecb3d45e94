// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The panel's words of a login: what is asked, and why somebody is not let in. Each says what to do.

use platen_auth::session::QuestionKind;
use platen_hal::{EnrolStep, PanelSignal};
use platen_model::{Denied, Method};

use super::words::pick;
use crate::config::Language;

/// A question, with a dot for each digit that was typed.
pub(super) fn question(
    language: Language,
    kind: &QuestionKind,
    binding: bool,
    code: bool,
    typed: usize,
) -> String {
    let (en, zh) = match kind {
        QuestionKind::Number if code => (
            "Type your one-time code, then #.",
            "请输入一次性验证码，然后按 # 键。",
        ),
        QuestionKind::Number if binding => (
            "This card is new here. To make it yours, type your number, then # (one-time code: press * first).",
            "此卡尚未登记。请输入您的编号并按 # 键绑定（使用一次性验证码请先按 * 键）。",
        ),
        QuestionKind::Number => (
            "Type your number, then # (one-time code: press * first).",
            "请输入您的编号，然后按 # 键（使用一次性验证码请先按 * 键）。",
        ),
        QuestionKind::Pin => ("Type your PIN, then #.", "请输入 PIN 码，然后按 # 键。"),
        QuestionKind::ConfirmOnPhone(_) => (
            "Scan the code with your phone and confirm there.",
            "请用手机扫码并确认。",
        ),
        QuestionKind::ConfirmBinding { name } => {
            return match language {
                Language::En => format!("{name}, is this card yours from now on? Yes: #, no: *."),
                Language::Zh => format!("{name}，要绑定此卡吗？是：#，否：*。"),
            };
        }
        _ => (
            "Log in on the touchscreen or with your phone.",
            "请在触摸屏或手机上登录。",
        ),
    };
    let mut text = pick(language, en, zh).to_owned();
    if typed > 0 {
        text.push(' ');
        text.extend(std::iter::repeat_n('•', typed));
    }
    text
}

/// Something takes a moment.
pub(super) fn wait(language: Language) -> &'static str {
    pick(language, "One moment…", "请稍候…")
}

/// A one-time code with a slip in it.
pub(super) fn mistyped(language: Language) -> &'static str {
    pick(
        language,
        "That is no code. Type it once more, then #.",
        "验证码有误，请重新输入并按 # 键。",
    )
}

/// The card was bound just now.
pub(super) fn bound(language: Language) -> &'static str {
    pick(language, "The card is yours now.", "此卡已绑定。")
}

/// What to do next with the finger that is taken.
pub(super) fn finger_step(language: Language, step: EnrolStep) -> String {
    match (step, language) {
        (EnrolStep::Touch { left: 0 }, Language::En) => "Lay the finger down.".to_owned(),
        (EnrolStep::Touch { left: 0 }, Language::Zh) => "请按手指。".to_owned(),
        (EnrolStep::Touch { left }, Language::En) => {
            format!("Lay the finger down; {left} more after this.")
        }
        (EnrolStep::Touch { left }, Language::Zh) => format!("请按手指，还需 {left} 次。"),
        (EnrolStep::Lift, _) => pick(language, "Lift the finger.", "请抬起手指。").to_owned(),
        (EnrolStep::Again, _) => {
            let (en, zh) = (
                "That touch was too poor. Lay the finger down once more.",
                "指纹不清晰，请再按一次。",
            );
            pick(language, en, zh).to_owned()
        }
        (EnrolStep::Stored, _) => finger_stored(language).to_owned(),
    }
}

/// The finger is taken.
pub(super) fn finger_stored(language: Language) -> &'static str {
    pick(
        language,
        "The finger is taken. It opens this box once the centre has confirmed it.",
        "指纹已录入，经中央服务器确认后即可使用。",
    )
}

/// The finger is not taken.
pub(super) fn finger_failed(language: Language) -> &'static str {
    pick(
        language,
        "The finger was not taken. Begin again.",
        "指纹录入失败，请重新开始。",
    )
}

/// Why nobody is let in. `None` where the signal's own sentence says it.
pub(super) fn denied(
    language: Language,
    method: Method,
    reason: Denied,
) -> (PanelSignal, Option<&'static str>) {
    let (signal, en, zh) = match reason {
        Denied::UnknownCard => return (PanelSignal::UnknownCard, None),
        // The signal's own sentence is about cards.
        Denied::UserDisabled if method == Method::Card => return (PanelSignal::Refused, None),
        Denied::UserDisabled => (
            PanelSignal::Refused,
            "You can't log in at present. Ask your administrator.",
            "您目前无法登录，请联系管理员。",
        ),
        Denied::WeakCard => (
            PanelSignal::Refused,
            "This card can't prove that it is genuine, which is asked here. Ask your administrator.",
            "此卡无法证明真伪，不能在此使用，请联系管理员。",
        ),
        Denied::UnknownFinger => (
            PanelSignal::UnknownCard,
            "Your finger is not known here. Use your badge.",
            "此指纹尚未登记，请刷卡。",
        ),
        Denied::WrongSecret if method == Method::CardPin => (
            PanelSignal::Refused,
            "The PIN is wrong. Tap your badge and try again.",
            "PIN 码错误，请重新刷卡再试。",
        ),
        Denied::WrongSecret => (
            PanelSignal::Refused,
            "Number or PIN is wrong. Try again.",
            "编号或 PIN 码错误，请重试。",
        ),
        Denied::LockedOut => (
            PanelSignal::Refused,
            "Too many wrong tries. Wait some minutes, or ask your administrator.",
            "错误次数过多，请稍后再试或联系管理员。",
        ),
        Denied::Busy => (
            PanelSignal::Refused,
            "Too many tries here just now. Wait a minute, then try again.",
            "当前尝试过多，请一分钟后再试。",
        ),
        Denied::NoPad => (
            PanelSignal::Refused,
            "This card needs your PIN. If there is a PIN pad, press a key of it and tap again; else tell your administrator.",
            "此卡需要输入 PIN 码，但尚未检测到键盘。如有键盘，请先按任意键再刷卡，否则请联系管理员。",
        ),
        Denied::BadCode => (
            PanelSignal::Refused,
            "This code is not valid, or was used. Ask for a new one.",
            "验证码无效或已使用，请获取新的验证码。",
        ),
        Denied::CacheTooOld => (
            PanelSignal::Refused,
            "This box has not reached its centre for too long. Tell your administrator.",
            "设备长时间未连接中央服务器，请通知管理员。",
        ),
        Denied::NotSeenHere => (
            PanelSignal::Refused,
            "The centre can't be reached, and you have not been here lately. Try again later, or at your usual printer.",
            "无法连接中央服务器，且您近期未在此使用。请稍后再试，或到您常用的打印机。",
        ),
        Denied::Expired => (
            PanelSignal::Refused,
            "This has expired. Ask your administrator.",
            "凭证已过期，请联系管理员。",
        ),
        _ => (
            PanelSignal::Idle,
            "You stopped, or nothing was typed in time. Begin again when you like.",
            "已取消或操作超时，请重新开始。",
        ),
    };
    (signal, Some(pick(language, en, zh)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_are_dots() {
        let text = question(Language::En, &QuestionKind::Pin, false, false, 3);
        assert_eq!(text, "Type your PIN, then #. •••");
    }

    #[test]
    fn every_reason_says_something_in_both_languages() {
        let reasons = [
            Denied::WeakCard,
            Denied::UnknownFinger,
            Denied::WrongSecret,
            Denied::LockedOut,
            Denied::Busy,
            Denied::NoPad,
            Denied::BadCode,
            Denied::CacheTooOld,
            Denied::NotSeenHere,
            Denied::UserDisabled,
            Denied::Expired,
            Denied::GaveUp,
        ];
        for reason in reasons {
            let (_, en) = denied(Language::En, Method::Pin, reason);
            let (_, zh) = denied(Language::Zh, Method::Pin, reason);
            assert!(en.is_some_and(str::is_ascii), "{reason:?}");
            assert!(zh.is_some_and(|text| !text.is_ascii()), "{reason:?}");
        }
    }
}
