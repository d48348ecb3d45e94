// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Every word of the web page but the help texts, English and Chinese side by side: a key without
//! one of the two does not compile. `{}` is a place for a number or a name.

use crate::config::Language;

macro_rules! words {
    ($($key:ident: $en:literal, $zh:literal;)*) => {
        /// What the page says.
        #[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
        pub(super) enum Word { $($key),* }

        impl Word {
            #[cfg(test)]
            pub(super) const ALL: &[Self] = &[$(Self::$key),*];

            fn both(self) -> (&'static str, &'static str) {
                match self { $(Self::$key => ($en, $zh)),* }
            }
        }
    };
}

words! {
    // Frame.
    Product: "Platen", "Platen";
    MyJobs: "My jobs", "我的文件";
    Account: "Balance", "余额";
    Help: "Help", "帮助";
    HelpHere: "Help for this page", "本页帮助";
    LogOut: "Log out", "退出";
    LogOutIn: "Logs out in {}", "{}后自动退出";
    OtherLanguage: "中文", "English";
    SkipToContent: "Skip to the content", "跳到正文";
    OfflineFor: "The central server can't be reached (last heard from: {}). You can print as usual.",
        "暂时无法连接中心服务器（上次同步：{}），可照常打印。";
    OfflineNever: "The central server has not been reached yet. Ask your administrator.",
        "尚未与中心服务器同步，请联系管理员。";
    // Time.
    JustNow: "just now", "刚刚";
    MinutesAgo: "{} min ago", "{} 分钟前";
    HoursAgo: "{} h ago", "{} 小时前";
    DaysAgo: "{} days ago", "{} 天前";
    // Logging in.
    LogInTitle: "Log in", "登录";
    LogInLead: "See your print jobs, change them and print them at this printer.",
        "查看、修改您的文件，并在这台打印机上打印。";
    NameLabel: "Login name or number", "用户名或编号";
    NameHint: "The name you use at your computer, or the number you type at the printer.",
        "电脑登录用户名，或在打印机上输入的编号。";
    SecretLabel: "PIN or password", "PIN 码或密码";
    LogIn: "Log in", "登录";
    CodeTitle: "With a one-time code", "使用一次性验证码";
    CodeLabel: "One-time code", "一次性验证码";
    CodeHint: "From your administrator; it works once.", "由管理员提供，仅可使用一次。";
    LogInWithCode: "Log in with the code", "用验证码登录";
    NoPinYet: "No PIN or password yet? Ask your administrator for one, or for a one-time code.",
        "还没有 PIN 码或密码？请向管理员领取，或索取一次性验证码。";
    WrongSecret: "That name and PIN or password don't go together. Check both and try again.",
        "用户名与 PIN 码或密码不符，请核对后重试。";
    LockedOneMinute: "Too many wrong tries. Wait a minute, or ask your administrator for a one-time code.",
        "尝试次数过多，请等待 1 分钟，或向管理员索取一次性验证码。";
    LockedMinutes: "Too many wrong tries. Wait {} minutes, or ask your administrator for a one-time code.",
        "尝试次数过多，请等待 {} 分钟，或向管理员索取一次性验证码。";
    LockedHours: "Too many wrong tries. Wait {} hours, or ask your administrator for a one-time code.",
        "尝试次数过多，请等待 {} 小时，或向管理员索取一次性验证码。";
    LockedOutAWhile: "Too many wrong tries. Wait a while, or ask your administrator for a one-time code.",
        "尝试次数过多，请稍后再试，或向管理员索取一次性验证码。";
    BadCode: "That code is not valid: it may have been used already, or be too old. Ask for a new one.",
        "验证码无效：可能已使用或已过期，请重新索取。";
    UserDisabled: "Your account is switched off. Ask your administrator.", "您的账号已停用，请联系管理员。";
    CacheTooOld: "This box has not heard from the central server for too long and lets nobody in. Tell your administrator.",
        "本设备与中心服务器失联时间过长，暂停登录，请通知管理员。";
    NotSeenHere: "While the central server can't be reached, only people who were here lately can log in. Try again later.",
        "中心服务器离线期间，仅限近期在此登录过的人员使用，请稍后再试。";
    Expired: "This PIN, password or code has run out. Ask your administrator for a new one.",
        "此 PIN 码、密码或验证码已过期，请向管理员重新领取。";
    TooBusy: "Many people are logging in right now. Try again in a few seconds.", "当前登录人数较多，请几秒后重试。";
    FillBoth: "Type your login name or number and your PIN or password.", "请输入用户名或编号，以及 PIN 码或密码。";
    FillCode: "Type the one-time code.", "请输入一次性验证码。";
    NoSite: "Nobody can log in here: this box works by itself, without a central server, and its users have badges alone.",
        "无法在此页面登录：本设备独立运行，未连接中心服务器，用户仅可刷卡。";
    NoSiteLead: "Tap your badge at the box to print.", "请在设备上刷卡打印。";
    LoggedOutNow: "You are logged out.", "您已退出。";
    LoggedOutIdle: "You were logged out because nothing was done for a while. Your jobs are kept.",
        "由于长时间没有操作，已自动退出；您的文件仍保留。";
    // Printer.
    PrinterReady: "Ready", "就绪";
    PrinterPrinting: "Printing", "正在打印";
    PrinterTrouble: "Needs a hand", "需要处理";
    PrinterQueue: "{} waiting", "{} 个排队";
    // Jobs.
    JobsTitle: "My jobs", "我的文件";
    NoJobs: "Nothing is waiting for you.", "没有等待打印的文件。";
    NoJobsLead: "Print from your computer or phone to “{}”, then come back here.",
        "请先在电脑或手机上打印到“{}”，然后回到这里。";
    Pages: "{} pages", "{} 页";
    OnePage: "1 page", "1 页";
    PagesUnknown: "pages not known", "页数未知";
    Copies: "{} copies", "{} 份";
    OneSided: "one-sided", "单面";
    LongEdge: "two-sided", "双面（长边）";
    ShortEdge: "two-sided, short edge", "双面（短边）";
    Color: "colour", "彩色";
    Monochrome: "black and white", "黑白";
    Interrupted: "Stopped half-way; some pages may be out. Printing it again prints all of it.",
        "打印中断，可能已输出部分页面；再次打印将从头开始。";
    OnHold: "Held by its sender", "发送者已暂停";
    Change: "Change", "修改";
    ChangeOf: "Change {}", "修改 {}";
    PrintSelected: "Print", "打印";
    DeleteSelected: "Delete", "删除";
    PrintTo: "Print at", "打印到";
    SelectFirst: "Select at least one job first.", "请先选择至少一个文件。";
    TooMany: "Only your latest {} jobs are shown. Print or delete some to see the others.",
        "仅显示最近 {} 个文件；打印或删除一些后可查看其余文件。";
    PrintSum: "Print {} jobs · {} pages", "打印 {} 个文件 · {} 页";
    PrintOneJob: "Print 1 job · {} pages", "打印 1 个文件 · {} 页";
    PrintOnePage: "Print 1 job · 1 page", "打印 1 个文件 · 1 页";
    Untitled: "Untitled", "未命名";
    // Deleting.
    DeleteTitle: "Delete these jobs?", "删除这些文件？";
    DeleteLead: "They are erased from this box and can't be brought back.", "文件将从本设备上永久删除，无法恢复。";
    DeleteNow: "Delete for good", "永久删除";
    Keep: "Keep them", "保留";
    DeletedDone: "Deleted.", "已删除。";
    DeletedPartly: "Some jobs were not deleted: they are being printed or are gone already.",
        "部分文件未删除：正在打印或已不存在。";
    // Changing.
    OptionsTitle: "Change how it prints", "修改打印方式";
    CopiesLabel: "Copies", "份数";
    CopiesHint: "1 to 999", "1 至 999";
    SidesLabel: "Sides", "单双面";
    ColorLabel: "Colour", "颜色";
    LongEdgeChoice: "Two-sided, long edge (like a book)", "双面，长边装订（如书本）";
    ShortEdgeChoice: "Two-sided, short edge (like a notepad)", "双面，短边装订（如便笺本）";
    OneSidedChoice: "One-sided", "单面";
    ColorAsSentChoice: "As it was sent", "按原文";
    ColorChoice: "Colour", "彩色";
    MonochromeChoice: "Black and white", "黑白";
    Save: "Save", "保存";
    Cancel: "Cancel", "取消";
    BadCopies: "Copies: type a whole number from 1 to 999.", "份数：请输入 1 至 999 的整数。";
    SavedDone: "Changed.", "已修改。";
    NotChangeable: "This job is being printed or is gone: it can't be changed any more.",
        "此文件正在打印或已不存在，无法再修改。";
    NoDuplex: "The printer prints on one side only.", "此打印机仅支持单面打印。";
    NoColor: "The printer prints in black and white only.", "此打印机仅支持黑白打印。";
    // Progress.
    ProgressTitle: "Printing", "正在打印";
    ProgressDoneTitle: "Done", "打印完成";
    ProgressTroubleTitle: "Not everything was printed", "部分文件未打印";
    Waits: "Waiting for the printer", "等待打印机";
    Sends: "On its way to the printer", "正在发送到打印机";
    PageOf: "Page {} of {}", "第 {} 页，共 {} 页";
    PageNumber: "Page {}", "第 {} 页";
    DonePages: "Done · {} pages", "已完成 · {} 页";
    DoneGiven: "Done", "已完成";
    StoppedHalfway: "Stopped half-way. Some pages may be out.", "打印中断，可能已输出部分页面。";
    Deleted: "Deleted", "已删除";
    GivenUp: "The box could not read its copy. Print it again from your computer.",
        "设备无法读取文件副本，请从电脑重新打印。";
    StillWaits: "Not printed; it waits in your list", "未打印，仍在您的列表中";
    NextTake: "Take your pages, then log out.", "请取走文件，然后退出。";
    NextWait: "Stay at the printer: your pages come out one job after another.", "请在打印机旁等候，文件将依次输出。";
    NextTrouble: "Nothing is lost. See to the printer; then print it again from your list.",
        "文件不会丢失。请先处理打印机，再从列表中重新打印。";
    NextKept: "What was not printed is kept in your list; below is why.", "未打印的文件保留在您的列表中，原因如下。";
    StopJob: "Stop", "停止";
    BackToJobs: "Back to my jobs", "返回我的文件";
    DoneOnePage: "Done · 1 page", "已完成 · 1 页";
    NextNothing: "Nothing is printing.", "当前没有打印任务。";
    // Why not released.
    WhyPrinter: "The printer can't print now. {}", "打印机暂时无法打印。{}";
    WhyFormat: "This printer does not take this kind of document. Print it again from your computer.",
        "此打印机不支持该文件格式，请从电脑重新打印。";
    WhyChanged: "It is being printed already, or is gone.", "文件正在打印或已不存在。";
    WhyCount: "Its pages could not be counted, which your organisation asks for. Ask your administrator.",
        "无法统计页数，而单位规定须先统计，请联系管理员。";
    WhyClock: "The box does not know the time, which a rule asks for. Tell your administrator.",
        "设备时间未校准，无法按时间规定打印，请通知管理员。";
    WhyCannotChange: "A rule asks for a change that this printer can't make. Try another printer.",
        "此打印机无法按规定修改打印方式，请换一台打印机。";
    WhyQuota: "Not enough is left on your balance for it.", "余额不足。";
    WhyRule: "A rule of your organisation does not allow it here.", "单位规定不允许在此打印。";
    WhyApproval: "It waits for approval.", "等待审批。";
    WhyOther: "It could not be released. Ask your administrator.", "无法打印，请联系管理员。";
    // Account.
    AccountTitle: "Balance", "余额";
    LeftHere: "Left at this box", "本机可用";
    NoQuota: "There is no limit on what you print here.", "您在此打印没有限额。";
    SidesLeft: "{} sides", "{} 面";
    Shared: "Shared by your group", "与组内成员共用";
    PerDay: "per day", "每天";
    PerWeek: "per week", "每周";
    PerMonth: "per month", "每月";
    PerYear: "per year", "每年";
    ConfirmedAgo: "Confirmed by the central server {}.", "中心服务器确认于{}。";
    NotConfirmed: "Not confirmed by a central server: this box works by itself.", "本设备独立运行，未与中心服务器核对。";
    MoreElsewhere: "There may be more: other boxes hold a part of it, and the central server gives more when it can be reached.",
        "实际余额可能更多：其他设备持有一部分，连接中心服务器后会自动补充。";
    QuotaLimit: "Of", "总额";
    YouAre: "Logged in as {}", "当前用户：{}";
    Provisional: "Your login waits for confirmation by the central server.", "您的登录凭证等待中心服务器确认。";
    // Phone.
    PhoneTitle: "Log in at this printer?", "在这台打印机上登录？";
    PhoneLead: "The code you read belongs to the box below. Go on only if you stand in front of it.",
        "您扫描的二维码属于以下设备。请确认您就在它面前，再继续。";
    PhoneFirst: "Log in first; then you can confirm the printer.", "请先登录，然后确认打印机。";
    PhoneBox: "Box", "设备";
    PhonePlace: "Where", "位置";
    PhonePrinter: "Printer", "打印机";
    PhoneLogIn: "I am there: log in", "我就在这里，去登录";
    PhoneConfirm: "Log in at this printer", "在这台打印机上登录";
    PhoneRefuse: "No, I am not there", "不，我不在那里";
    PhoneDone: "You are logged in at the printer.", "您已在打印机上登录。";
    PhoneDoneLead: "Look at the box: it says what happens with your jobs.", "请看设备屏幕，了解文件的打印情况。";
    PhoneRefused: "Nothing was done at the printer.", "打印机上没有任何操作。";
    PhoneOld: "This code is too old or was used already. Read the code at the printer again.",
        "二维码已过期或已使用，请重新扫描打印机上的二维码。";
    PhoneOver: "Login by phone", "手机登录";
    // Panel.
    PanelTitle: "Log in with your phone", "用手机登录";
    PanelLead: "Point your phone's camera at the code, or tap your badge.", "请用手机扫码，或刷卡。";
    PanelNoCode: "The code can't be shown right now. Tap your badge.", "暂时无法显示二维码，请刷卡。";
    PanelElsewhere: "This page is for the display at the box.", "此页面仅供设备自带屏幕使用。";
    // Faults.
    FaultTitle: "That did not work", "操作未成功";
    FaultForm: "This page was too old, or the request came from another site. Go back and try again.",
        "页面已过期，或请求来自其他网站，请返回重试。";
    FaultNoPage: "There is no such page here.", "没有这个页面。";
    FaultTooBig: "That was more than this page takes.", "提交的内容过多。";
    FaultMethod: "This page can't be asked that way.", "不支持这种请求方式。";
    FaultBox: "The box could not do it right now. Try again; if it happens again, tell your administrator.",
        "设备暂时无法完成操作，请重试；如反复出现，请通知管理员。";
    FaultKind: "The request was not a form of this page.", "请求格式不正确。";
    GoHome: "Go to the start page", "返回首页";
}

/// The word in a language.
pub(super) fn say(language: Language, word: Word) -> &'static str {
    let (en, zh) = word.both();
    match language {
        Language::En => en,
        Language::Zh => zh,
    }
}

/// The word with its places filled in order. What is filled in is not looked into again.
pub(super) fn fill(language: Language, word: Word, parts: &[&str]) -> String {
    let mut parts = parts.iter();
    let mut pieces = say(language, word).split("{}");
    let mut text = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        text.push_str(parts.next().copied().unwrap_or_default());
        text.push_str(piece);
    }
    text
}

/// How long ago something was.
pub(super) fn ago(language: Language, seconds: u64) -> String {
    const MINUTE: u64 = 60;
    const HOUR: u64 = 60 * MINUTE;
    const DAY: u64 = 24 * HOUR;
    let number = |count: u64, word| fill(language, word, &[&count.to_string()]);
    match seconds {
        0..MINUTE => say(language, Word::JustNow).to_owned(),
        MINUTE..HOUR => number(seconds / MINUTE, Word::MinutesAgo),
        HOUR..172_800 => number(seconds / HOUR, Word::HoursAgo),
        _ => number(seconds / DAY, Word::DaysAgo),
    }
}

/// The other language than this one.
pub(super) fn other(language: Language) -> Language {
    match language {
        Language::En => Language::Zh,
        Language::Zh => Language::En,
    }
}

/// The tag of a language in addresses, cookies and `lang`.
pub(super) fn tag(language: Language) -> &'static str {
    match language {
        Language::En => "en",
        Language::Zh => "zh",
    }
}

/// The language of a tag.
pub(super) fn language(tag: &str) -> Option<Language> {
    [Language::En, Language::Zh]
        .into_iter()
        .find(|language| self::tag(*language) == tag)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn has_chinese(text: &str) -> bool {
        text.chars().any(|c| ('\u{4e00}'..='\u{9fff}').contains(&c))
    }

    #[test]
    fn every_word_is_there_in_both_languages_with_the_same_places() {
        assert!(Word::ALL.len() > 100);
        for word in Word::ALL {
            let (en, zh) = word.both();
            assert!(!en.is_empty() && !zh.is_empty(), "{word:?}");
            assert_eq!(
                en.matches("{}").count(),
                zh.matches("{}").count(),
                "{word:?}"
            );
            let letters = en.replace("{}", "").chars().any(char::is_alphabetic);
            let same = matches!(word, Word::Product | Word::OtherLanguage);
            if letters && !same {
                assert!(has_chinese(zh) && !has_chinese(en), "{word:?}");
            }
        }
    }

    #[test]
    fn what_is_filled_in_is_not_looked_into_again() {
        let text = fill(Language::En, Word::PageOf, &["{}", "2"]);
        assert_eq!(text, "Page {} of 2");
    }

    #[test]
    fn ages_are_told_in_the_unit_that_fits() {
        let of = |seconds| ago(Language::En, seconds);
        assert_eq!(of(59), "just now");
        assert_eq!(of(60), "1 min ago");
        assert_eq!(of(7200), "2 h ago");
        assert_eq!(of(200_000), "2 days ago");
    }
}
