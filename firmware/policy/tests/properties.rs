// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What holds for every rule, job, price and quota.

use platen_model::journal::Cost;
use platen_model::{
    Certainty, ColorMode, Decision, Job, Method, PageCount, Prices, PrinterName, Reason, Share,
    Sides, Unit, WhenSpent,
};
use platen_policy::{
    Action, Answer, Aspect, Balance, Check, Condition, Days, Facts, Figure, Forced, LocalTime,
    Name, Operator, Room, Rule, SiteRules, Span, Test, Who, explain, settle,
};
use proptest::prelude::*;

#[allow(dead_code)] // what these tests do not need, others do
mod given;

use given::{ann, balance, groups, hall, held, id, prices};

fn any_text(max: usize) -> impl Strategy<Value = String> {
    let any = prop_oneof![
        Just('"'),
        Just('\\'),
        Just(':'),
        proptest::char::any().prop_filter("no control", |c| !c.is_control())
    ];
    proptest::collection::vec(any, 1..max).prop_map(|all| all.into_iter().collect())
}

fn any_name() -> impl Strategy<Value = String> {
    let names = prop_oneof![Just("ann".into()), Just("Pupils".into()), any_text(12)];
    names.prop_filter("a name", |name: &String| !name.trim().is_empty())
}

fn any_names() -> impl Strategy<Value = Vec<Name>> {
    let name = prop_oneof![
        any_name().prop_map(Name::User),
        any_name().prop_map(Name::Group)
    ];
    proptest::collection::vec(name, 0..4)
}

fn any_printer() -> impl Strategy<Value = PrinterName> {
    prop_oneof![Just("hall".into()), any_name()].prop_map(PrinterName)
}

fn any_action() -> impl Strategy<Value = Action> {
    let aspect = prop_oneof![
        Just(Aspect::Print),
        Just(Aspect::Color),
        Just(Aspect::Copies),
        Just(Aspect::Duplex)
    ];
    let forced = prop_oneof![
        Just(Forced::Mono),
        Just(Forced::Duplex),
        Just(Forced::DuplexShortEdge)
    ];
    prop_oneof![
        1 => aspect.clone().prop_map(Action::Allow),
        1 => aspect.prop_map(Action::Deny),
        1 => Just(Action::Hold),
        1 => any_printer().prop_map(Action::Redirect),
        3 => forced.prop_map(Action::Force),
        2 => (1..=999_u32).prop_map(Action::LimitCopies),
    ]
}

fn any_condition() -> impl Strategy<Value = Condition> {
    let figure = prop_oneof![
        Just(Figure::Copies),
        Just(Figure::Pages),
        Just(Figure::Sides),
        Just(Figure::Sheets),
        Just(Figure::Cost)
    ];
    let operator = prop_oneof![
        Just(Operator::Above),
        Just(Operator::AtLeast),
        Just(Operator::Below),
        Just(Operator::AtMost),
        Just(Operator::Equal)
    ];
    let value = prop_oneof![0..30_u64, 0..=u64::from(u32::MAX)];
    let compare = (figure, operator, value).prop_map(|(f, o, v)| (false, Test::Compare(f, o, v)));
    let plain = prop_oneof![
        Just(Test::Format("image/*".into())),
        Just(Test::Format("application/pdf".into())),
        Just(Test::Login(Method::Card)),
        Just(Test::Login(Method::CardPin)),
        Just(Test::Color),
        Just(Test::Mono),
        Just(Test::Duplex),
        Just(Test::Simplex),
        Just(Test::Provisional),
        Just(Test::Offline),
    ];
    prop_oneof![compare, (any::<bool>(), plain)].prop_map(|(not, test)| Condition { not, test })
}

fn any_rule() -> impl Strategy<Value = Rule> {
    let who = (any_names(), any_names()).prop_map(|(of, except)| Who { of, except });
    let span = (0..1440_u16, 1..=1440_u16)
        .prop_filter("not empty", |(from, until)| from != until)
        .prop_map(|(from, until)| Span { from, until });
    (
        any_action(),
        proptest::option::of(who),
        proptest::collection::vec(any_printer(), 0..3),
        proptest::option::of(span),
        proptest::option::of((1..128_u8).prop_map(Days)),
        proptest::collection::vec(any_condition(), 0..4),
        proptest::option::of(any_text(30)),
    )
        .prop_map(|(action, who, at, between, on, when, say)| Rule {
            action,
            who,
            at,
            between,
            on,
            when,
            say,
        })
}

fn any_sides() -> impl Strategy<Value = Sides> {
    prop_oneof![
        Just(Sides::OneSided),
        Just(Sides::TwoSidedLongEdge),
        Just(Sides::TwoSidedShortEdge)
    ]
}

fn any_job() -> impl Strategy<Value = Job> {
    let pages = proptest::option::of(prop_oneof![1..40_u32, any::<u32>()]);
    let color = prop_oneof![
        Just(ColorMode::Auto),
        Just(ColorMode::Color),
        Just(ColorMode::Monochrome)
    ];
    (pages, 1..=999_u32, any_sides(), color).prop_map(|(pages, copies, sides, color)| {
        let mut job = held();
        job.options.copies = copies;
        job.options.color = color;
        job.count = Some(match pages {
            Some(pages) => PageCount::parsed(pages, copies, sides, Certainty::Exact),
            None => PageCount::unknown(copies, sides, "It is locked."),
        });
        job
    })
}

/// A list in which colour is not cheaper than black: what `force mono` counts on.
fn any_prices() -> impl Strategy<Value = Prices> {
    let side = prop_oneof![0..2000_u64, any::<u64>()];
    (side.clone(), side.clone(), side).prop_map(|(one, other, sheet)| Prices {
        side_monochrome: one.min(other),
        side_color: one.max(other),
        sheet,
        ..prices().remove(0)
    })
}

fn any_balance() -> impl Strategy<Value = Balance> {
    let unit = prop_oneof![Just(Unit::Sides), Just(Unit::Money)];
    let when_spent = prop_oneof![3 => Just(WhenSpent::Deny), 1 => Just(WhenSpent::Mark)];
    let left = prop_oneof![0..100_u64, any::<u64>()];
    (unit, when_spent, proptest::collection::vec(left, 0..4)).prop_map(
        |(unit, when_spent, left)| {
            let room = |(n, left): (u8, u64)| Room {
                lease: platen_model::LeaseId(id(n)),
                left,
            };
            Balance {
                rooms: (60..).zip(left).map(room).collect(),
                ..balance(10, unit, when_spent, 0)
            }
        },
    )
}

/// A site: rules, prices, quotas, whether the time is known.
fn any_site() -> impl Strategy<Value = (SiteRules, Vec<Prices>, Vec<Balance>, Option<LocalTime>)> {
    let rules = proptest::collection::vec(any_rule(), 0..6).prop_map(|rules| {
        let texts: Vec<_> = rules.iter().map(ToString::to_string).collect();
        given::site(&texts.join("\n"))
    });
    let now = (0..7_u8, 0..1440_u16).prop_map(|(weekday, minute)| LocalTime { weekday, minute });
    (
        rules,
        proptest::collection::vec(any_prices(), 0..2),
        proptest::collection::vec(any_balance(), 0..3),
        proptest::option::of(now),
    )
}

fn cost(decision: &Decision) -> Option<Option<Cost>> {
    match decision {
        Decision::Allow { cost, .. } => Some(*cost),
        _ => None,
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_rule_that_is_written_is_read_back(rule in any_rule()) {
        let text = rule.to_string();
        let read: Rule = text.parse().map_err(|error| TestCaseError::fail(format!("{text}: {error}")))?;
        prop_assert_eq!(&read, &rule);
        prop_assert_eq!(read.to_string(), text);
    }

    #[test]
    fn any_text_is_read_or_refused_at_a_place_in_it(text in "\\PC{0,60}") {
        if let Err(error) = text.parse::<Rule>() {
            prop_assert!(error.column <= text.chars().count() + 1, "{}", error);
        }
    }

    #[test]
    fn the_last_verdict_is_the_decision((rules, prices, balances, now) in any_site(), job in any_job()) {
        let (ann, hall, groups) = (ann(), hall(), groups());
        let facts = Facts {
            rules: &rules,
            prices: &prices,
            balances: &balances,
            groups: &groups,
            now,
            ..Facts::new(&ann, &job, &hall)
        };
        let explained = explain(&facts);
        prop_assert_eq!(platen_policy::decide(&facts), explained.ruling.clone());
        let mut others = explained.verdicts.iter().filter(|verdict| verdict.check != Check::Decision);
        let refused = others.any(|verdict| verdict.answer == Answer::No);
        let last = explained.verdicts.last().unwrap();
        prop_assert_eq!(last.check, Check::Decision);
        prop_assert_eq!(last.answer == Answer::No, refused);
        prop_assert_eq!(matches!(explained.ruling.decision, Decision::Allow { .. }), !refused);
        for verdict in &explained.verdicts {
            prop_assert!(!verdict.sentence.contains("salaries"), "{}", verdict);
        }
    }

    #[test]
    fn more_room_never_denies((rules, prices, balances, now) in any_site(), job in any_job(), more in 0..50_u64) {
        let (ann, hall) = (ann(), hall());
        let with = |balances: &[Balance]| {
            let facts = Facts::new(&ann, &job, &hall);
            explain(&Facts { rules: &rules, prices: &prices, balances, now, ..facts }).ruling
        };
        let mut richer = balances.clone();
        for room in richer.iter_mut().flat_map(|balance| &mut balance.rooms) {
            room.left = room.left.saturating_add(more);
        }
        let (before, after) = (with(&balances), with(&richer));
        if matches!(before.decision, Decision::Allow { .. }) {
            prop_assert!(matches!(after.decision, Decision::Allow { .. }), "{:?}", after);
        }
        let lack = |ruling: &platen_policy::Ruling| {
            let amounts = ruling.short.iter().map(|short| short.amount);
            amounts.fold(0_u64, u64::saturating_add)
        };
        if before.decision == Decision::Deny(Reason::QuotaSpent) {
            prop_assert!(lack(&after) <= lack(&before));
        }
    }

    #[test]
    fn what_is_set_aside_never_passes_the_room((rules, prices, balances, now) in any_site(), job in any_job()) {
        let (ann, hall) = (ann(), hall());
        let facts = Facts::new(&ann, &job, &hall);
        let ruling = explain(&Facts { rules: &rules, prices: &prices, balances: &balances, now, ..facts }).ruling;
        if let Decision::Allow { shares, .. } = &ruling.decision {
            let one_quota = balances.len() == 1;
            for share in shares.iter().filter(|_| one_quota) {
                let room = balances[0].rooms.iter().find(|room| Some(room.lease) == share.lease);
                prop_assert!(share.lease.is_none() || room.is_some_and(|room| share.amount <= room.left));
                let is_marked = share.lease.is_none() && share.amount > 0;
                prop_assert!(!is_marked || balances[0].quota.when_spent == WhenSpent::Mark);
            }
            prop_assert!(shares.len() >= balances.len());
        }
    }

    #[test]
    fn steps_never_raise_the_cost((rules, _, _, now) in any_site(), list in any_prices(), job in any_job()) {
        let (ann, hall) = (ann(), hall());
        let lists = [list];
        let bare = Facts { prices: &lists, now, ..Facts::new(&ann, &job, &hall) };
        let ruled = Facts { rules: &rules, ..bare };
        let (before, after) = (explain(&bare).ruling.decision, explain(&ruled).ruling.decision);
        if let (Some(before), Some(after)) = (cost(&before), cost(&after)) {
            prop_assert!(after.map(|cost| cost.amount) <= before.map(|cost| cost.amount));
            prop_assert_eq!(after.is_some(), before.is_some());
        }
    }

    #[test]
    fn settling_takes_what_was_spent_and_no_more_of_a_lease_than_was_set_aside(
        reserved in proptest::collection::vec((0..3_u8, proptest::option::of(20..24_u8), 0..50_u64), 0..6),
        spent in 0..200_u64,
    ) {
        let share = |(quota, lease, amount): (u8, Option<u8>, u64)| Share {
            quota: platen_model::QuotaId(id(quota)),
            lease: lease.map(|lease| platen_model::LeaseId(id(lease))),
            amount,
        };
        let reserved: Vec<Share> = reserved.into_iter().map(share).collect();
        let settled = settle(&reserved, |_| Some(spent));
        for quota in reserved.iter().map(|share| share.quota) {
            let sum: u64 = settled.iter().filter(|share| share.quota == quota).map(|share| share.amount).sum();
            prop_assert_eq!(sum, spent);
            for lease in reserved.iter().filter(|share| share.quota == quota).filter_map(|share| share.lease) {
                let of = |shares: &[Share]| -> u64 {
                    let own = shares.iter().filter(|share| share.quota == quota && share.lease == Some(lease));
                    own.map(|share| share.amount).sum()
                };
                prop_assert!(of(&settled) <= of(&reserved));
            }
        }
    }
}
