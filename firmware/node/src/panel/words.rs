// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The panel's sentences, English and Chinese side by side. Each says what the person can do.

use platen_hal::PanelSignal;

use crate::config::Language;

/// The sentence of a signal.
pub(super) fn sentence(language: Language, signal: PanelSignal) -> &'static str {
    let (en, zh) = match signal {
        PanelSignal::Idle => ("Tap your badge to print.", "请刷卡取件。"),
        PanelSignal::Accepted => ("Printing.", "正在打印。"),
        PanelSignal::NoJobs => (
            "Nothing is waiting for you. Print to this box first, then tap again.",
            "没有等待打印的文件。请先发送打印，再刷卡。",
        ),
        PanelSignal::UnknownCard => (
            "Your card is not known here yet. Ask your administrator to add it.",
            "此卡尚未登记，请联系管理员登记。",
        ),
        PanelSignal::Refused => (
            "This card can't be used here. Ask your administrator.",
            "此卡不能在此使用，请联系管理员。",
        ),
        PanelSignal::PrinterError => (
            "The printer can't print now. Your jobs are kept; tap again when it is ready.",
            "打印机暂时无法打印。文件已保留，恢复后请再次刷卡。",
        ),
        PanelSignal::ReaderGone => (
            "The card reader does not answer. Tell your administrator.",
            "读卡器无响应，请通知管理员。",
        ),
        PanelSignal::Interrupted => (
            "A job stopped half-way; some pages may be out. Tap again within 30 seconds to print it once more.",
            "有文件打印中断，可能已输出部分页面。30 秒内再次刷卡可重新打印。",
        ),
        PanelSignal::Identify => (
            "This is the box you are looking for.",
            "您要找的就是这台设备。",
        ),
    };
    pick(language, en, zh)
}

/// How many jobs go out.
pub(super) fn jobs(language: Language, jobs: usize) -> String {
    match (language, jobs) {
        (Language::En, 1) => "1 job is on its way.".to_owned(),
        (Language::En, n) => format!("{n} jobs are on their way."),
        (Language::Zh, n) => format!("共 {n} 个文件。"),
    }
}

/// For the administrator who makes the box part of a site.
pub(super) fn code(language: Language, code: &str) -> String {
    match language {
        Language::En => format!("For the administrator: enter {code} in the console."),
        Language::Zh => format!("管理员：请在管理控制台输入 {code}。"),
    }
}

/// The box is away for a moment.
pub(super) fn restart(language: Language) -> &'static str {
    pick(
        language,
        "The box is being updated and will be back in a few minutes. Your jobs are kept.",
        "设备正在更新，几分钟后恢复使用，文件已保留。",
    )
}

/// For the administrator: the box runs the release of before.
pub(super) fn fell_back(language: Language) -> &'static str {
    pick(
        language,
        "For the administrator: the last update did not work and was undone.",
        "管理员：上次更新失败，设备已自动恢复到原版本。",
    )
}

/// Nothing is released without its record.
pub(super) fn journal(language: Language) -> &'static str {
    pick(
        language,
        "The box's disk is full or failing: tell your administrator.",
        "设备存储已满或故障，请通知管理员。",
    )
}

/// IPP `printer-state-reasons` as a sentence.
pub(crate) fn printer_reasons(language: Language, reasons: &[String]) -> String {
    let known = reasons.iter().find_map(|reason| {
        let stem = reason
            .trim_end_matches("-error")
            .trim_end_matches("-warning")
            .trim_end_matches("-report");
        REASONS.iter().find(|(keyword, ..)| *keyword == stem)
    });
    let (en, zh) = known.map_or(
        ("Check the printer's own display.", "请查看打印机面板。"),
        |(_, en, zh)| (*en, *zh),
    );
    pick(language, en, zh).to_owned()
}

const REASONS: &[(&str, &str, &str)] = &[
    (
        "media-empty",
        "Out of paper: fill a tray.",
        "缺纸：请装纸。",
    ),
    (
        "media-needed",
        "Out of paper: fill a tray.",
        "缺纸：请装纸。",
    ),
    (
        "media-jam",
        "Paper jam: open the printer and take the sheet out.",
        "卡纸：请打开打印机取出纸张。",
    ),
    (
        "cover-open",
        "A door is open: close it.",
        "机盖未关：请关好。",
    ),
    (
        "door-open",
        "A door is open: close it.",
        "机盖未关：请关好。",
    ),
    (
        "toner-empty",
        "Toner is empty: change the cartridge.",
        "碳粉用尽：请更换墨粉盒。",
    ),
    (
        "marker-supply-empty",
        "Toner is empty: change the cartridge.",
        "碳粉用尽：请更换墨粉盒。",
    ),
    (
        "offline",
        "It is switched off or not connected.",
        "打印机已关机或未连接。",
    ),
    (
        "connecting-to-device",
        "It is switched off or not connected.",
        "打印机已关机或未连接。",
    ),
    (
        "paused",
        "It is paused: press its start key.",
        "打印机已暂停：请按开始键。",
    ),
];

pub(super) fn pick<'a>(language: Language, en: &'a str, zh: &'a str) -> &'a str {
    match language {
        Language::En => en,
        Language::Zh => zh,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_severity_suffix_does_not_hide_the_reason() {
        let text = printer_reasons(Language::En, &["media-jam-error".to_owned()]);
        assert!(text.starts_with("Paper jam"), "{text}");
    }

    #[test]
    fn an_unknown_reason_sends_the_person_to_the_printer() {
        let text = printer_reasons(Language::Zh, &["com.example-odd".to_owned()]);
        assert_eq!(text, "请查看打印机面板。");
    }
}
