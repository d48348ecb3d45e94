// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The rule language: what it takes, how it is written, and what it says when something is wrong.

use platen_policy::{Rule, SiteRules, read_rules};

fn written(text: &str) -> String {
    match text.parse::<Rule>() {
        Ok(rule) => rule.to_string(),
        Err(error) => panic!("{text}: {error}"),
    }
}

fn wrong(text: &str) -> String {
    match text.parse::<Rule>() {
        Ok(rule) => panic!("{text} was read as {rule}"),
        Err(error) => error.to_string(),
    }
}

#[test]
fn rules_in_their_own_order_are_written_as_they_were_read() {
    let texts = [
        "allow print",
        "deny color for group:pupils at printer:hall between 08:00-17:00 on mon-fri \
         say \"Colour is for staff\"",
        "force duplex for everyone when pages > 10",
        "force mono for group:pupils",
        "force duplex-short-edge when not format image/*",
        "limit copies 5 for everyone except user:ann or group:\"upper school\"",
        "redirect to printer:big when pages > 200",
        "redirect to printer:\"room 3\" for group:学生 at printer:hall or printer:attic",
        "hold for approval when cost > 10.00",
        "hold for approval when pages >= 500 and sheets < 1000 and copies = 1 and sides <= 999",
        "deny print for user:li.lei@office between 22:00-06:00 on mon-wed,sat,sun",
        "deny print when not login card-pin and provisional and not offline",
        "deny copies when format application/vnd.hp-pcl say \"\\\"No\\\" \\\\ 不行\"",
        "allow duplex when cost <= 0.005 and mono and duplex",
        "deny print between 00:00-24:00 when color and simplex",
    ];
    for text in texts {
        assert_eq!(written(text), text);
    }
}

#[test]
fn other_orders_words_and_spaces_are_written_in_one_way() {
    let table = [
        ("deny", "deny print"),
        (
            "  ALLOW   Colour\tFOR Group:Staff ",
            "allow color for group:Staff",
        ),
        (
            "deny say \"No\" on fri-mon at printer:a for user:b",
            "deny print for user:b at printer:a on mon,fri-sun say \"No\"",
        ),
        (
            "hold for approval when cost>10",
            "hold for approval when cost > 10.00",
        ),
        ("deny when impressions >= 9", "deny print when sides >= 9"),
        ("deny when colour", "deny print when color"),
        (
            "deny between 8:00-24:00 on tue,tue",
            "deny print between 08:00-24:00 on tue",
        ),
        ("deny when cost > 1.5", "deny print when cost > 1.50"),
        ("deny for group:\"plain\"", "deny print for group:plain"),
        ("deny for group:a,b", "deny print for group:\"a,b\""),
    ];
    for (text, expected) in table {
        assert_eq!(written(text), expected, "{text}");
    }
}

#[test]
fn an_error_names_the_column_and_what_would_be_right() {
    let table = [
        (
            "",
            "line 1, column 1: the end of the rule is not right here; write allow, deny, hold, \
             redirect, force or limit",
        ),
        (
            "deny colr for everyone",
            "line 1, column 6: \"colr\" is not right here; write print, color, copies or duplex",
        ),
        (
            "deny color in printer:hall",
            "line 1, column 12: \"in\" is not right here; write for, at, between, on, when or say",
        ),
        (
            "deny for pupils",
            "line 1, column 10: \"pupils\" is not right here; write everyone, user: or group: and \
             its name",
        ),
        (
            "deny for group: at printer:hall",
            "line 1, column 10: \"group:\" without a name is not right here; write everyone, user: \
             or group: and its name",
        ),
        (
            "deny between 25:00-26:00",
            "line 1, column 14: \"25:00-26:00\" is not right here; write two times of day such as \
             08:00-17:00, up to 24:00",
        ),
        (
            "deny on monday",
            "line 1, column 9: \"monday\" is not right here; write days such as mon-fri or sat,sun",
        ),
        (
            "deny when pages",
            "line 1, column 16: the end of the rule is not right here; write >, >=, <, <= or =",
        ),
        (
            "deny when pages > many",
            "line 1, column 19: \"many\" is not right here; write a whole number up to 4294967295",
        ),
        (
            "deny when not pages > 3",
            "line 1, column 15: \"not pages\" is not right here; write the comparison the other \
             way round, without not",
        ),
        (
            "deny when cost > 1.2345",
            "line 1, column 18: \"1.2345\" is not right here; write an amount such as 10 or 2.50, \
             up to 1000000000",
        ),
        (
            "limit copies 0",
            "line 1, column 14: \"0\" is not right here; write a number of copies from 1 to 999",
        ),
        (
            "deny for everyone for everyone",
            "line 1, column 19: a rule has one part with \"for\": put both into one, or make two \
             rules",
        ),
        (
            "deny say \"no end",
            "line 1, column 10: this text has no end; write \" behind it",
        ),
        (
            "deny say \"a\\n\"",
            "line 1, column 12: \"\\\\n\" is not right here; write \\\" for a quotation mark, \\\\ \
             for a backslash",
        ),
        (
            "deny say \"a\u{7}\"",
            "line 1, column 12: there is a control character here; take it out",
        ),
        (
            "deny \u{b}print",
            "line 1, column 6: there is a control character here; take it out",
        ),
        (
            "拒绝",
            "line 1, column 1: \"拒绝\" is not right here; write allow, deny, hold, redirect, force \
             or limit",
        ),
    ];
    for (text, expected) in table {
        assert_eq!(wrong(text), expected, "{text}");
    }
}

#[test]
fn every_limit_of_a_rule_is_an_error_that_names_it() {
    let long = |n: usize| "x".repeat(n);
    let table = [
        (format!("deny for user:{}", long(129)), "longer than 128"),
        (format!("deny say \"{}\"", long(201)), "longer than 200"),
        (
            format!("deny {}", " ".repeat(1000)),
            "at most 1000 characters",
        ),
        (
            format!("deny for user:a{}", " or user:a".repeat(32)),
            "at most 32 names in a list",
        ),
        (
            format!("deny when mono{}", " and mono".repeat(16)),
            "at most 16 conditions",
        ),
        ("limit copies 1000".into(), "from 1 to 999"),
        ("deny when pages > 4294967296".into(), "up to 4294967295"),
        ("deny when cost > 1000000001".into(), "up to 1000000000"),
    ];
    for (text, expected) in &table {
        let message = wrong(text);
        assert!(message.contains(expected), "{message}");
    }
    for text in [
        format!("deny for user:{}", long(128)),
        format!("deny say \"{}\"", long(200)),
        format!("deny for user:a{}", " or user:a".repeat(31)),
        format!("deny when mono{}", " and mono".repeat(15)),
    ] {
        written(&text);
    }
}

#[test]
fn a_rule_that_is_too_long_only_when_written_is_refused_too() {
    // Each name needs quotation marks once it is written.
    let name = "x,".repeat(14);
    let names = vec![format!("user:{name}"); 26].join(" or ");
    let text = format!("deny for {names}");
    assert!(text.len() < 1000, "{}", text.len());
    assert!(wrong(&text).contains("at most 1000 characters"));
}

#[test]
fn a_file_of_rules_is_read_line_by_line_and_a_broken_one_is_refused_by_itself() {
    let text = "# for pupils\n\ndeny color for group:pupils\n  dny print\r\nallow print\r\n";
    let read = read_rules(text);
    let told: Vec<_> = read
        .iter()
        .map(|rule| match rule {
            Ok(rule) => rule.to_string(),
            Err(error) => format!("{}:{}", error.line, error.column),
        })
        .collect();
    assert_eq!(told, ["deny color for group:pupils", "4:3", "allow print"]);
}

#[test]
fn more_rules_than_a_site_may_have_are_refused_at_the_first_too_many() {
    let text = "allow print\n".repeat(SiteRules::MAX + 5);
    let read = read_rules(&text);
    assert_eq!(read.len(), SiteRules::MAX + 1);
    let error = read.last().and_then(|last| last.as_ref().err()).unwrap();
    assert_eq!(
        error.to_string(),
        "line 1001, column 1: a site has at most 1000 rules: take some out"
    );
}

#[test]
fn a_rule_told_to_others_names_no_person() {
    let rule: Rule = "deny for user:ann or group:pupils say \"Ann, see me\""
        .parse()
        .unwrap();
    assert_eq!(format!("{rule:#}"), "deny print for user:… or group:pupils");
}
