// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What rules, prices and quotas make of a job.

use platen_model::{
    ColorMode, Decision, Job, LeaseId, Method, OwnerKey, PrinterName, QuotaId, Reason, RuleId,
    Share, Sides, Source, Step, Unit, WhenSpent,
};
use platen_policy::{Balance, Facts, LocalTime, PrinterFacts, Ruling, Short, decide, explain};

#[allow(dead_code)] // what these tests do not need, others do
mod given;

use given::{ann, balance, copies, groups, hall, held, id, prices, ruled, site, uncounted};

fn deny(reason: Reason) -> Decision {
    Decision::Deny(reason)
}

/// The steps of a job that is released.
fn steps(ruling: &Ruling) -> &[Step] {
    match &ruling.decision {
        Decision::Allow { steps, .. } => steps,
        other => panic!("{other:?}"),
    }
}

fn is_allowed(ruling: &Ruling) -> bool {
    matches!(ruling.decision, Decision::Allow { .. })
}

#[test]
fn the_first_rule_that_fits_decides_and_says_why() {
    let rules = "allow color for group:staff
                 deny color for group:pupils say \"Colour is for staff\"
                 allow print";
    let ruling = ruled(&held(), rules);
    assert_eq!(ruling.decision, deny(Reason::NoPermission));
    assert_eq!(ruling.says, ["Colour is for staff"]);
    let mut black = held();
    black.options.color = ColorMode::Monochrome;
    assert!(is_allowed(&ruled(&black, rules)));
}

#[test]
fn people_and_groups_are_named_by_name_or_id_without_case() {
    let fits = |who: &str| !is_allowed(&ruled(&held(), &format!("deny for {who}")));
    for who in [
        "everyone",
        "user:Ann",
        "group:PUPILS",
        "group:staff or user:ann",
        "everyone except group:staff",
    ] {
        assert!(fits(who), "{who}");
    }
    assert!(fits(&format!("user:{}", id(1))));
    assert!(fits(&format!("group:{}", id(2))));
    for who in [
        "user:an",
        "group:staff",
        "group:nobody",
        "everyone except user:ann",
    ] {
        assert!(!fits(who), "{who}");
    }
    assert!(!fits(&format!("group:{}", id(3))));
}

#[test]
fn a_change_is_seen_by_later_rules_and_not_by_earlier_ones() {
    let changed = ruled(&held(), "force mono say \"In black\"\ndeny color");
    assert_eq!(steps(&changed), [Step::Monochrome]);
    assert_eq!(changed.says, ["In black"]);
    let denied = ruled(&held(), "deny color\nforce mono say \"In black\"");
    assert_eq!(denied.decision, deny(Reason::NoPermission));
    assert_eq!(denied.says, [""; 0]);
}

#[test]
fn steps_collect_and_an_allow_before_them_spares_the_job() {
    let rules = "force duplex when pages > 10\nforce mono\nlimit copies 2\nlimit copies 5";
    let all = [
        Step::TwoSided(Sides::TwoSidedLongEdge),
        Step::Monochrome,
        Step::CopiesAtMost(2),
    ];
    assert_eq!(steps(&ruled(&copies(3), rules)), all);
    let spared = format!("allow for user:ann\n{rules}");
    assert_eq!(steps(&ruled(&copies(3), &spared)), []);
}

#[test]
fn copies_that_the_document_itself_asks_for_cant_be_limited() {
    let mut job = copies(3);
    job.options.copies = 1;
    let ruling = ruled(&job, "limit copies 2");
    assert_eq!(ruling.decision, deny(Reason::CannotChange));
    assert!(is_allowed(&ruled(&job, "limit copies 3")));
}

#[test]
fn black_that_a_printer_cant_be_told_is_refused_and_paper_that_it_cant_save_is_not() {
    let (ann, job, rules) = (ann(), held(), site("force duplex\nforce mono"));
    let with = |printer: PrinterFacts| {
        decide(&Facts {
            rules: &rules,
            ..Facts::new(&ann, &job, &printer)
        })
    };
    let deaf = PrinterFacts {
        told: Vec::new(),
        ..hall()
    };
    assert_eq!(with(deaf.clone()).decision, deny(Reason::CannotChange));
    let black = PrinterFacts {
        color: false,
        ..deaf
    };
    assert_eq!(steps(&with(black)), []);
    let one_sided = PrinterFacts {
        duplex: false,
        ..hall()
    };
    assert_eq!(steps(&with(one_sided)), [Step::Monochrome]);
}

#[test]
fn a_redirection_goes_before_the_printers_state_and_happens_once() {
    let (ann, job) = (ann(), held());
    let rules = site("redirect to printer:big when pages > 10 say \"Go upstairs\"");
    let jammed = PrinterFacts {
        ready: false,
        ..hall()
    };
    let facts = Facts {
        rules: &rules,
        ..Facts::new(&ann, &job, &jammed)
    };
    let ruling = decide(&facts);
    let printer = PrinterName("big".into());
    assert_eq!(
        ruling.decision,
        Decision::Redirect {
            printer: printer.clone()
        }
    );
    assert_eq!(ruling.says, ["Go upstairs"]);
    let again = Facts {
        redirected: true,
        ..facts
    };
    assert_eq!(decide(&again).decision, deny(Reason::PrinterInError));
    let big = PrinterFacts {
        name: printer,
        ..hall()
    };
    let there = Facts {
        printer: &big,
        ..facts
    };
    assert!(is_allowed(&decide(&there)));
}

#[test]
fn who_is_not_the_owner_is_not_told_where_the_job_would_go() {
    let mut job = held();
    job.owner.key = OwnerKey([9; 16]);
    let ruling = ruled(&job, "redirect to printer:big say \"Go upstairs\"");
    assert_eq!(ruling.decision, deny(Reason::NotOwner));
    assert_eq!(ruling.says, [""; 0]);
}

#[test]
fn a_job_is_held_until_somebody_agreed() {
    let (ann, job, hall) = (ann(), held(), hall());
    let rules = site("hold for approval when sides >= 12");
    let facts = Facts {
        rules: &rules,
        ..Facts::new(&ann, &job, &hall)
    };
    let rule = RuleId(id(101));
    assert_eq!(decide(&facts).decision, Decision::Hold { rule });
    let approved = Facts {
        approved: &[rule],
        ..facts
    };
    assert!(is_allowed(&decide(&approved)));
    let elsewhere = Facts {
        approved: &[RuleId(id(102))],
        ..facts
    };
    let held = decide(&elsewhere).decision;
    assert_eq!(held, Decision::Hold { rule }, "another rule was meant");
}

#[test]
fn what_cant_be_known_counts_against_the_job() {
    let job = uncounted();
    let table = [
        ("deny when pages > 100", deny(Reason::NoCount)),
        (
            "hold for approval when cost > 1",
            Decision::Hold {
                rule: RuleId(id(101)),
            },
        ),
        ("deny on mon", deny(Reason::NoClock)),
        ("allow when pages < 5\ndeny", deny(Reason::NoPermission)),
        (
            "redirect to printer:big when pages > 5\ndeny",
            deny(Reason::NoPermission),
        ),
        (
            "allow between 08:00-17:00\ndeny",
            deny(Reason::NoPermission),
        ),
    ];
    let (ann, hall, prices) = (ann(), hall(), prices());
    for (text, expected) in table {
        let rules = site(text);
        let facts = Facts {
            rules: &rules,
            prices: &prices,
            ..Facts::new(&ann, &job, &hall)
        };
        assert_eq!(decide(&facts).decision, expected, "{text}");
    }
    assert_eq!(
        steps(&ruled(&job, "force mono when pages > 10")),
        [Step::Monochrome]
    );
    // What does not fit anyhow need not be known.
    let elsewhere = "deny for group:staff when pages > 5\ndeny at printer:attic on mon";
    assert!(is_allowed(&ruled(&job, elsewhere)));
}

#[test]
fn times_of_day_and_days_follow_the_clock_of_the_place() {
    let (ann, job, hall) = (ann(), held(), hall());
    let is_denied = |rule: &str, weekday: u8, minute: u16| {
        let rules = site(rule);
        let facts = Facts {
            rules: &rules,
            now: Some(LocalTime { weekday, minute }),
            ..Facts::new(&ann, &job, &hall)
        };
        decide(&facts).decision == deny(Reason::NoPermission)
    };
    let day = "deny between 08:00-17:00 on mon-fri";
    assert!(is_denied(day, 0, 480) && is_denied(day, 4, 1019));
    assert!(!is_denied(day, 0, 479) && !is_denied(day, 0, 1020) && !is_denied(day, 5, 600));
    let night = "deny between 22:00-06:00";
    assert!(is_denied(night, 0, 1320) && is_denied(night, 0, 0) && is_denied(night, 0, 359));
    assert!(!is_denied(night, 0, 360) && !is_denied(night, 0, 1319));
}

#[test]
fn conditions_look_at_login_source_format_and_sides() {
    let fits = |condition: &str, change: fn(&mut Job, &mut Facts<'_>)| {
        let (mut ann, hall, mut job) = (ann(), hall(), held());
        let rules = site(&format!("deny when {condition}"));
        ann.source = Source::Cached { age_s: 60 };
        ann.provisional = true;
        let blank = held();
        let mut facts = Facts::new(&ann, &blank, &hall);
        change(&mut job, &mut facts);
        let facts = Facts {
            job: &job,
            rules: &rules,
            ..facts
        };
        !is_allowed(&decide(&facts))
    };
    let same: fn(&mut Job, &mut Facts<'_>) = |_, _| {};
    for condition in [
        "offline",
        "provisional",
        "login card",
        "not login pin",
        "format application/pdf",
        "format application/*",
        "color",
        "simplex",
        "copies = 1 and pages = 12 and sides = 12 and sheets = 12",
        "cost = 0",
    ] {
        assert!(fits(condition, same), "{condition}");
    }
    for condition in [
        "not offline",
        "login pin",
        "format image/*",
        "mono",
        "duplex",
    ] {
        assert!(!fits(condition, same), "{condition}");
    }
    assert!(fits("login pin", |_, facts| facts.method = Method::Pin));
    assert!(fits("mono", |job, _| job.options.color = ColorMode::Monochrome));
    let duplex: fn(&mut Job, &mut Facts<'_>) = |job, _| {
        if let Some(count) = &mut job.count {
            count.sides = Sides::TwoSidedShortEdge;
        }
    };
    assert!(fits("duplex and sheets = 6", duplex));
}

/// Decides on 12 pages under these rules, prices and quotas.
fn paid(job: &Job, rules: &str, balances: &[Balance]) -> Ruling {
    let (ann, hall, rules, prices, groups) = (ann(), hall(), site(rules), prices(), groups());
    let facts = Facts {
        rules: &rules,
        groups: &groups,
        prices: &prices,
        balances,
        ..Facts::new(&ann, job, &hall)
    };
    let explained = explain(&facts);
    assert_eq!(decide(&facts), explained.ruling);
    explained.ruling
}

#[test]
fn cost_and_shares_are_those_of_the_changed_job() {
    let balances = [
        balance(10, Unit::Sides, WhenSpent::Deny, 100),
        balance(12, Unit::Money, WhenSpent::Deny, 100_000),
    ];
    let rules = "force mono\nforce duplex\nlimit copies 2";
    let ruling = paid(&copies(3), rules, &balances);
    let Decision::Allow { shares, cost, .. } = ruling.decision else {
        panic!("{ruling:?}");
    };
    // 24 sides in black and 12 sheets.
    assert_eq!(cost.map(|cost| cost.amount), Some(2640));
    let share = |n: u8, amount| Share {
        quota: QuotaId(id(n)),
        lease: Some(LeaseId(id(n + 1))),
        amount,
    };
    assert_eq!(shares, [share(10, 24), share(12, 2640)]);
}

#[test]
fn all_quotas_must_have_room_and_what_lacks_is_told() {
    let balances = [
        balance(10, Unit::Sides, WhenSpent::Deny, 12),
        balance(12, Unit::Money, WhenSpent::Deny, 6000),
    ];
    let ruling = paid(&held(), "", &balances);
    assert_eq!(ruling.decision, deny(Reason::QuotaSpent));
    let lack = Short {
        quota: QuotaId(id(12)),
        user: None,
        amount: 240,
    };
    assert_eq!(ruling.short, [lack]);
    // In black it fits.
    assert!(is_allowed(&paid(&held(), "force mono", &balances)));
}

#[test]
fn a_lenient_quota_lets_the_job_through_with_a_mark() {
    let balances = [balance(10, Unit::Sides, WhenSpent::Mark, 5)];
    let ruling = paid(&held(), "", &balances);
    let Decision::Allow { shares, .. } = &ruling.decision else {
        panic!("{ruling:?}");
    };
    let amounts: Vec<_> = shares
        .iter()
        .map(|share| (share.lease.is_some(), share.amount))
        .collect();
    assert_eq!(amounts, [(true, 5), (false, 7)]);
    assert_eq!(ruling.short.len(), 1);
}

#[test]
fn a_job_that_cant_be_counted_is_refused_by_a_strict_quota_alone() {
    let strict = [balance(10, Unit::Sides, WhenSpent::Deny, 5000)];
    let ruling = paid(&uncounted(), "", &strict);
    assert_eq!(ruling.decision, deny(Reason::NoCount));
    assert_eq!(ruling.short, []);
    let lenient = [balance(10, Unit::Sides, WhenSpent::Mark, 5000)];
    assert!(is_allowed(&paid(&uncounted(), "", &lenient)));
    assert!(is_allowed(&paid(&uncounted(), "", &[])));
}

#[test]
fn quotas_of_others_are_passed_over() {
    let mut other = balance(10, Unit::Sides, WhenSpent::Deny, 0);
    other.quota.covers = platen_model::Covers::Group(platen_model::GroupId(id(3)));
    assert!(is_allowed(&paid(&held(), "", &[other])));
}

#[test]
fn an_explanation_tells_rules_and_quota_arithmetic_and_no_name() {
    let (ann, hall, job, prices) = (ann(), hall(), held(), prices());
    let rules = site(
        "allow for user:bob
         force duplex when pages > 10 say \"Ann, save paper\"
         deny print at printer:hall when sheets > 5
         allow print",
    );
    let balances = [balance(10, Unit::Sides, WhenSpent::Deny, 7)];
    let explained = explain(&Facts {
        rules: &rules,
        prices: &prices,
        balances: &balances,
        ..Facts::new(&ann, &job, &hall)
    });
    let lines: Vec<String> = explained
        .verdicts
        .iter()
        .skip(4)
        .map(ToString::to_string)
        .collect();
    let quota = format!(
        "quota: no: quota {}: 12 sides needed, 7 sides left in 1 slices: that is not enough",
        id(10)
    );
    assert_eq!(
        lines,
        [
            "rule: passed: rule 10 (allow print for user:…) does not fit: whose jobs",
            "rule: changed: rule 20 (force duplex when pages > 10) fits and changes the job",
            "rule: no: rule 30 (deny print at printer:hall when sheets > 5) fits and decides",
            "rule: passed: rule 40 (allow print) is not asked any more",
            "price: yes: it costs 6.12 CNY",
            quota.as_str(),
            "decision: no: a rule forbids it",
        ]
    );
}
