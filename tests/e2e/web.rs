// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The box's web page in a real Chromium: what people do there, in both languages, with and without
//! script, on the smallest screens.

use std::path::PathBuf;

use platen_bed::browser::{Browser, BrowserOptions};
use platen_bed::wait;

use crate::box_under_test::{SOON, user};
use crate::web_office::{NUMBER, ODD_LOGIN, PIN, TOO_LONG, WebOffice, log_in};

/// What a page says of what was done; not the banner that the centre is away.
const NOTE: &str = ".note:not(.banner)";

fn english() -> BrowserOptions {
    BrowserOptions::default()
}

/// Kept for a person to look at when `PLATEN_PICTURES` names a folder.
fn picture(browser: &Browser, name: &str) {
    if let Some(folder) = std::env::var_os("PLATEN_PICTURES").map(PathBuf::from) {
        std::fs::create_dir_all(&folder).unwrap();
        browser
            .screenshot(&folder.join(format!("{name}.png")))
            .unwrap();
    }
}

#[test]
fn somebody_logs_in_prints_a_job_and_paper_comes() {
    let web = WebOffice::open();
    web.print("report.pdf", 3);
    let browser = web.logged_in(&english());
    let row = browser.wait_for(".rows", "3 pages").unwrap();
    assert!(row.contains("¥1.50"), "{row}");
    assert_eq!(
        browser.text("button.primary").unwrap(),
        "Print 1 job · 3 pages"
    );
    picture(&browser, "jobs-en");
    browser.click("button.primary").unwrap();
    browser.wait_for(".progress", "Done").unwrap();
    picture(&browser, "done-en");
    let job = web.office.printer.wait_for_job(1, SOON).unwrap();
    assert_eq!(job.pages, Some(3));
    browser.click(".actions .button").unwrap();
    browser
        .wait_for("main", "Nothing is waiting for you")
        .unwrap();
    picture(&browser, "empty-en");
    browser.click(".logout button").unwrap();
    browser.wait_for(NOTE, "You are logged out").unwrap();
    let entries = web.office.ctl(&["journal"]);
    let logged_in = entries
        .iter()
        .find(|line| line["entry"]["login-accepted"].is_object());
    let logged_in = &logged_in.unwrap()["entry"]["login-accepted"];
    assert_eq!(
        (&logged_in["reader"], &logged_in["method"]),
        (&"web".into(), &"pin".into())
    );
}

#[test]
fn a_chinese_browser_is_answered_in_chinese_and_the_language_can_be_changed() {
    let web = WebOffice::open();
    web.print("季度报告.pdf", 2);
    let chinese = BrowserOptions {
        language: "zh-CN".to_owned(),
        ..english()
    };
    let browser = web.browser(&chinese);
    browser.open(&web.at("/")).unwrap();
    assert_eq!(browser.text("h1").unwrap(), "登录");
    picture(&browser, "login-zh");
    log_in(&browser, NUMBER, PIN);
    browser.wait_for("h1", "我的文件").unwrap();
    browser.wait_for(".rows", "2 页").unwrap();
    picture(&browser, "jobs-zh");
    browser.click("a.help").unwrap();
    browser.wait_for("h2", "我的文件").unwrap();
    picture(&browser, "help-zh");
    browser.click("a.language").unwrap();
    browser.wait_for("h2", "My jobs").unwrap();
    browser.open(&web.at("/jobs")).unwrap();
    assert_eq!(browser.text("h1").unwrap(), "My jobs");
}

#[test]
fn jobs_are_deleted_only_after_a_question() {
    let web = WebOffice::open();
    web.print("one.pdf", 1);
    web.print("two.pdf", 2);
    let browser = web.logged_in(&english());
    browser.wait_for(".rows", "1 page").unwrap();
    // The latest stands first: only the other one is to go.
    browser.click(".rows li:first-child input").unwrap();
    browser.click("button.danger").unwrap();
    let asked = browser.wait_for("main", "Delete these jobs?").unwrap();
    assert!(
        asked.contains("1 page") && !asked.contains("2 pages"),
        "{asked}"
    );
    assert_eq!(web.waiting(), 2);
    picture(&browser, "delete-en");
    browser.click("button.danger.strong").unwrap();
    browser.wait_for(NOTE, "Deleted").unwrap();
    assert_eq!(web.waiting(), 1);
    let left = browser.text(".rows").unwrap();
    assert!(left.contains("2 pages"), "{left}");
}

#[test]
fn copies_and_colour_are_changed_and_a_wrong_number_is_told_without_losing_the_rest() {
    let web = WebOffice::open();
    web.print("one.pdf", 2);
    let browser = web.logged_in(&english());
    browser.wait_for(".rows", "2 pages").unwrap();
    browser.click("a.change").unwrap();
    browser.wait_for("h1", "Change how it prints").unwrap();
    picture(&browser, "options-en");
    // The browser itself would not send this.
    browser
        .run("document.querySelector('form.sheet').noValidate = true;")
        .unwrap();
    browser.fill("#copies", "1000").unwrap();
    browser.click("input[value=monochrome]").unwrap();
    browser.click("form.sheet button.primary").unwrap();
    browser.wait_for(NOTE, "1 to 999").unwrap();
    assert_eq!(browser.property("#copies", "value").unwrap(), "1000");
    browser.fill("#copies", "3").unwrap();
    browser.click("input[value=monochrome]").unwrap();
    browser.click("form.sheet button.primary").unwrap();
    browser.wait_for(NOTE, "Changed").unwrap();
    let row = browser.text(".rows").unwrap();
    assert!(
        row.contains("3 copies") && row.contains("black and white"),
        "{row}"
    );
    web.office
        .wait_for_jobs("new count", |jobs| jobs[0]["count"]["impressions"] == 6);
    browser.open(&web.at("/jobs")).unwrap();
    assert_eq!(browser.text(".price").unwrap(), "¥0.60");
    browser.click("button.primary").unwrap();
    browser.wait_for(".progress", "Done").unwrap();
    web.office.printer.wait_for_jobs(3, SOON).unwrap();
}

#[test]
fn everything_but_live_updates_works_without_script() {
    let web = WebOffice::open();
    web.print("one.pdf", 1);
    let options = BrowserOptions {
        script: false,
        ..english()
    };
    let browser = web.logged_in(&options);
    browser.wait_for(".rows", "1 page").unwrap();
    // The script would have written what it prints.
    assert_eq!(browser.text("button.primary").unwrap(), "Print");
    browser.click("button.primary").unwrap();
    web.office.printer.wait_for_job(1, SOON).unwrap();
    // The page looks again by itself, by its head.
    browser.wait_for(".progress", "Done").unwrap();
    browser.click(".logout button").unwrap();
    browser.wait_for(NOTE, "You are logged out").unwrap();
}

#[test]
fn a_one_time_code_lets_its_person_in_once() {
    let web = WebOffice::open();
    let browser = web.browser(&english());
    let by_code = |typed: &str| {
        browser.open(&web.at("/")).unwrap();
        browser.click("summary").unwrap();
        browser.fill("#code", typed).unwrap();
        browser.click("details button").unwrap();
    };
    by_code("12345 67890");
    browser.wait_for(NOTE, "not valid").unwrap();
    let shown = web.code.shown();
    by_code(&shown);
    browser.wait_for("h1", "My jobs").unwrap();
    browser.click(".logout button").unwrap();
    by_code(&shown);
    browser.wait_for(NOTE, "not valid").unwrap();
}

#[test]
fn a_phone_that_read_the_panels_code_logs_its_owner_in_there() {
    let web = WebOffice::open();
    web.print("one.pdf", 1);
    let code = web.office.ctl(&["phone"]).remove(0);
    let url = code["url"].as_str().unwrap();
    let phone = BrowserOptions {
        size: (390, 844),
        ..english()
    };
    let browser = web.browser(&phone);
    browser.open(url).unwrap();
    // Looking changed nothing: the code is this browser's with the button.
    browser.wait_for("main", "Hall, second floor").unwrap();
    picture(&browser, "phone-claim");
    browser.click("button.primary").unwrap();
    browser.wait_for("main", "Log in first").unwrap();
    picture(&browser, "phone-login");
    log_in(&browser, &user(), PIN);
    let asked = browser.wait_for("main", "Hall, second floor").unwrap();
    assert!(asked.contains("printer"), "{asked}");
    assert_eq!(browser.overflow().unwrap(), 0);
    picture(&browser, "phone-confirm");
    browser.click("button.primary").unwrap();
    browser.wait_for(NOTE, "logged in at the printer").unwrap();
    picture(&browser, "phone-done");
    web.office.printer.wait_for_job(1, SOON).unwrap();
    let status = web.office.ctl(&["status"]).remove(0);
    assert_eq!(status["panel"], "accepted", "{status}");
    // The code was good once.
    browser.open(url).unwrap();
    browser.wait_for(NOTE, "too old or was used").unwrap();
}

#[test]
fn the_page_for_displays_shows_the_code_and_follows_the_panel() {
    let web = WebOffice::open();
    let browser = web.browser(&english());
    browser.open(&web.at("/panel")).unwrap();
    browser.wait_for("h1", "Tap your badge").unwrap();
    assert_eq!(browser.count(".code svg path").unwrap(), 1);
    assert_eq!(browser.overflow().unwrap(), 0);
    picture(&browser, "panel-800x480");
    browser.resize((390, 844)).unwrap();
    assert_eq!(browser.overflow().unwrap(), 0);
    picture(&browser, "panel-390x844");
    assert_eq!(web.office.tap(), "unknown-card");
    browser.wait_for("h1", "not known here").unwrap();
    let elsewhere = WebOffice::open_with("displays = []\n");
    browser.open(&elsewhere.at("/panel")).unwrap();
    browser
        .wait_for(NOTE, "for the display at the box")
        .unwrap();
}

#[test]
fn no_page_scrolls_sideways_or_weighs_much_on_the_smallest_screens() {
    let web = WebOffice::open();
    let long = format!("{}-{}.pdf", "x".repeat(120), "报告".repeat(20));
    web.print(&long, 1);
    web.print("two.pdf", 2);
    let browser = web.logged_in(&english());
    browser.wait_for(".rows", "2 pages").unwrap();
    let jobs = ["/jobs", "/jobs/1", "/progress?job=1", "/account"];
    let helps = ["/help", "/help/jobs", "/help/trouble", "/nothing/here"];
    for size in [(800, 480), (390, 844), (320, 568)] {
        browser.resize(size).unwrap();
        for path in jobs.iter().chain(&helps) {
            for language in ["en", "zh"] {
                let and = if path.contains('?') { '&' } else { '?' };
                let page = format!("{path}{and}lang={language}");
                browser.open(&web.at(&page)).unwrap();
                assert_eq!(browser.overflow().unwrap(), 0, "{page} at {size:?}");
                let bytes = browser.source().unwrap().len();
                assert!(bytes < 50_000, "{page}: {bytes}");
                let name = page.replace(['/', '?', '&', '='], "-");
                picture(&browser, &format!("{}{name}", size.0));
            }
        }
    }
}

#[test]
fn dark_colours_are_there_for_those_who_ask() {
    let web = WebOffice::open();
    web.print("one.pdf", 1);
    let dark = BrowserOptions {
        dark: true,
        ..english()
    };
    let browser = web.logged_in(&dark);
    browser.wait_for(".rows", "1 page").unwrap();
    let paper = browser
        .run("return getComputedStyle(document.body).backgroundColor;")
        .unwrap();
    assert_eq!(paper, "rgb(18, 22, 28)");
    picture(&browser, "jobs-dark");
}

#[test]
fn names_that_try_to_be_markup_are_shown_as_they_are() {
    let web = WebOffice::open();
    web.print("<script>alert(1)</script>\"'.pdf", 1);
    let browser = web.logged_in(&english());
    let row = browser.wait_for(".rows", "1 page").unwrap();
    assert!(row.contains("<script>alert(1)</script>"), "{row}");
    assert_eq!(browser.count("main script, main img").unwrap(), 0);
    browser.click(".logout button").unwrap();
    browser.wait_for(NOTE, "logged out").unwrap();
    log_in(&browser, ODD_LOGIN, PIN);
    browser.wait_for("h1", "My jobs").unwrap();
    assert_eq!(browser.text(".person .name").unwrap(), ODD_LOGIN);
    assert_eq!(browser.count("img").unwrap(), 0);
    // Somebody else's job is as if it were not there.
    browser.open(&web.at("/jobs/1")).unwrap();
    browser.wait_for(NOTE, "no such page").unwrap();
}

#[test]
fn a_page_follows_the_printer_and_says_what_to_do_when_it_stops() {
    let web = WebOffice::open();
    web.print("one.pdf", 1);
    let browser = web.logged_in(&english());
    browser.wait_for(".printers", "Ready").unwrap();
    web.office.printer.command("paper-out").unwrap();
    browser.wait_for(".printers", "fill a tray").unwrap();
    picture(&browser, "trouble-en");
    browser.click("button.primary").unwrap();
    browser.wait_for(".progress", "fill a tray").unwrap();
    picture(&browser, "refused-en");
    assert_eq!(web.waiting(), 1);
    web.office.printer.command("clear").unwrap();
    wait::until("the printer to be ready", SOON, || {
        let status = web.office.ctl(&["status"]).remove(0);
        Ok((status["printers"][0]["state"] == "idle").then_some(()))
    })
    .unwrap();
    browser.click(".actions .button").unwrap();
    browser.wait_for(".printers", "Ready").unwrap();
    browser.click("button.primary").unwrap();
    web.office.printer.wait_for_job(1, SOON).unwrap();
}

#[test]
fn every_job_says_why_it_was_not_printed_and_what_a_rule_says_of_it() {
    let web = WebOffice::open();
    web.print("book.pdf", 12);
    web.print("one.pdf", 1);
    let browser = web.logged_in(&english());
    browser.wait_for(".rows", "12 pages").unwrap();
    browser.click("button.primary").unwrap();
    let rows = browser.wait_for(".progress", "Done").unwrap();
    assert!(rows.contains("does not allow it here"), "{rows}");
    assert_eq!(rows.matches(TOO_LONG).count(), 1, "{rows}");
    browser
        .wait_for("h1", "Not everything was printed")
        .unwrap();
    assert_eq!(browser.overflow().unwrap(), 0);
    picture(&browser, "rule-en");
    web.office.printer.wait_for_job(1, SOON).unwrap();
    assert_eq!(web.waiting(), 1);
}

#[test]
fn a_box_of_no_site_says_that_nobody_can_log_in_there() {
    let web = WebOffice::open_of_no_site("");
    let browser = web.browser(&english());
    browser.open(&web.at("/")).unwrap();
    browser.wait_for(NOTE, "Nobody can log in").unwrap();
    assert_eq!(browser.count("form, input").unwrap(), 0);
    picture(&browser, "no-site-en");
    browser.open(&web.at("/login?lang=zh")).unwrap();
    browser.wait_for(NOTE, "无法在此页面登录").unwrap();
    assert_eq!(browser.overflow().unwrap(), 0);
}
