// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Why jobs wait, in the panel's words: short behind a number of jobs, and as a sentence that says what
//! to do where nothing is printed.

use platen_model::Reason;

use super::words::pick;
use crate::config::Language;

/// "2 wait: quota used up."
pub(super) fn waits(language: Language, jobs: usize, reason: Reason, is_away: bool) -> String {
    let (en, zh) = short(reason, is_away);
    let why = pick(language, en, zh);
    match (language, jobs) {
        (Language::En, 1) => format!("1 waits: {why}."),
        (Language::En, n) => format!("{n} wait: {why}."),
        (Language::Zh, n) => format!("{n} 个文件等待：{why}。"),
    }
}

fn short(reason: Reason, is_away: bool) -> (&'static str, &'static str) {
    match reason {
        Reason::PrinterInError => ("the printer is not ready", "打印机未就绪"),
        Reason::FormatNotTaken => ("the printer does not take its format", "打印机不支持该格式"),
        Reason::NotReleasable => ("it is on its way already", "已在处理中"),
        Reason::NotOwner => ("it is somebody else's", "属于他人"),
        Reason::NoPermission => ("not allowed for you here", "您无权在此打印"),
        Reason::QuotaSpent if is_away => (
            "no more of the quota is at this box until the centre is back",
            "中央服务器恢复连接前，本机可用配额已用完",
        ),
        Reason::QuotaSpent => ("quota used up", "配额已用完"),
        Reason::NeedsApproval => ("somebody has to agree first", "等待审批"),
        Reason::NoCount => ("its pages could not be counted", "无法统计页数"),
        Reason::NoClock => ("the box does not know the time", "设备时间未校准"),
        Reason::CannotChange => (
            "it can't be changed as the rules ask",
            "无法按规则修改打印选项",
        ),
    }
}

/// What the panel says where nothing is printed, and why; `None` where the signal's own sentence
/// says it better. While the centre is away a box knows only its own share of a quota.
pub(super) fn nothing_printed(
    language: Language,
    reason: Reason,
    is_away: bool,
) -> Option<&'static str> {
    let (en, zh) = match reason {
        Reason::PrinterInError | Reason::NotReleasable => return None,
        Reason::FormatNotTaken => (
            "This printer does not take the job's format. Send it as a PDF.",
            "打印机不支持该文件格式，请以 PDF 格式重新发送。",
        ),
        Reason::NotOwner => ("This job is somebody else's.", "该文件属于他人。"),
        Reason::NoPermission => (
            "You may not print this here. Ask your administrator.",
            "您无权在此打印该文件，请联系管理员。",
        ),
        Reason::QuotaSpent if is_away => (
            "No more of your quota is at this box until the centre is back; your jobs are kept. Try another printer, or later.",
            "中央服务器恢复连接前，本机可用的配额已用完，文件已保留。请到其他打印机或稍后再试。",
        ),
        Reason::QuotaSpent => (
            "Your quota is used up; your jobs are kept. Ask your administrator for more.",
            "您的配额已用完，文件已保留。请联系管理员增加配额。",
        ),
        Reason::NeedsApproval => (
            "Somebody has to agree to this job first. It is kept; tap again once they have.",
            "该文件需要审批，已保留。审批后请再次刷卡。",
        ),
        Reason::NoCount => (
            "The pages of this job could not be counted. Send it once more as a PDF.",
            "无法统计该文件页数，请以 PDF 格式重新发送。",
        ),
        Reason::NoClock => (
            "The box does not know the time, and a rule asks for it. Tell your administrator.",
            "设备时间未校准，无法执行规则，请通知管理员。",
        ),
        Reason::CannotChange => (
            "A rule asks for a change that can't be made to this job here. Ask your administrator.",
            "规则要求的修改无法在此打印机上完成，请联系管理员。",
        ),
    };
    Some(pick(language, en, zh))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_job_waits_and_two_wait() {
        let text = waits(Language::En, 1, Reason::QuotaSpent, false);
        assert_eq!(text, "1 waits: quota used up.");
        let text = waits(Language::En, 2, Reason::NeedsApproval, true);
        assert_eq!(text, "2 wait: somebody has to agree first.");
        let text = waits(Language::Zh, 2, Reason::QuotaSpent, false);
        assert_eq!(text, "2 个文件等待：配额已用完。");
    }

    #[test]
    fn nobody_is_told_that_their_quota_is_spent_while_only_this_boxs_share_is() {
        let said = |away| nothing_printed(Language::En, Reason::QuotaSpent, away).unwrap();
        assert!(said(false).starts_with("Your quota is used up"));
        assert!(said(true).contains("until the centre is back"));
        assert!(waits(Language::En, 1, Reason::QuotaSpent, true).contains("at this box"));
    }
}
