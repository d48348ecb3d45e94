// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Ann, her job, a printer and what a site may have, for the tests of decisions.

use platen_model::{
    Certainty, Covers, GroupId, GroupRecord, Identity, Job, JobId, JobNumber, JobOptions, JobState,
    JobStateReason, LeaseId, Owner, OwnerKey, PageCount, Period, Prices, PricesId, PrinterName,
    Quota, QuotaId, RuleId, RuleRecord, Sides, Source, Unit, UserId, WhenSpent,
};
use platen_policy::{Balance, Facts, PrinterFacts, Room, Ruling, SiteRules};
use uuid::Uuid;

pub(crate) const PDF: &str = "application/pdf";

pub(crate) fn id(n: u8) -> Uuid {
    JobId::from_parts(0, &[n; 10]).0
}

/// In the groups "pupils" (2) and not "staff" (3).
pub(crate) fn ann() -> Identity {
    Identity {
        user: UserId(id(1)),
        name: "ann".into(),
        owner_keys: vec![OwnerKey([1; 16]), OwnerKey([2; 16])],
        groups: vec![GroupId(id(2))],
        source: Source::Online,
        provisional: false,
    }
}

pub(crate) fn groups() -> Vec<GroupRecord> {
    let group = |(n, name): (u8, &str)| GroupRecord {
        id: GroupId(id(n)),
        name: name.into(),
    };
    [(2, "Pupils"), (3, "Staff")].map(group).into()
}

/// A held PDF of 12 pages, one-sided, once, in what colours it has.
pub(crate) fn held() -> Job {
    Job {
        id: JobId::from_parts(2, &[2; 10]),
        number: JobNumber(7),
        name: "salaries.pdf".into(),
        owner: Owner {
            name: "a.smith".into(),
            key: OwnerKey([2; 16]),
        },
        format: PDF.into(),
        octets: 1,
        options: JobOptions::default(),
        state: JobState::PendingHeld,
        reason: JobStateReason::JobReleaseWait,
        target: None,
        created_unix_ms: 0,
        processing_unix_ms: None,
        ended_unix_ms: None,
        count: Some(PageCount::parsed(12, 1, Sides::OneSided, Certainty::Exact)),
        impressions_completed: 0,
    }
}

/// The held job with so many copies.
pub(crate) fn copies(copies: u32) -> Job {
    let mut job = held();
    job.options.copies = copies;
    job.count = Some(PageCount::parsed(
        12,
        copies,
        Sides::OneSided,
        Certainty::Exact,
    ));
    job
}

/// The held job with pages that nobody could count.
pub(crate) fn uncounted() -> Job {
    let count = PageCount::unknown(1, Sides::OneSided, "It is locked.");
    Job {
        count: Some(count),
        ..held()
    }
}

/// Prints in colour and on both sides, and can be told both for a PDF.
pub(crate) fn hall() -> PrinterFacts {
    PrinterFacts {
        name: PrinterName("hall".into()),
        ready: true,
        formats: vec![PDF.into(), "image/jpeg".into()],
        reasons: Vec::new(),
        color: true,
        duplex: true,
        told: vec![PDF.into()],
    }
}

/// Rules one a line, asked in this order.
pub(crate) fn site(text: &str) -> SiteRules {
    let line = |(n, line): (u8, &str)| RuleRecord {
        id: RuleId(id(100 + n)),
        order: u32::from(n) * 10,
        text: line.trim().into(),
    };
    let records: Vec<_> = (1..).zip(text.lines()).map(line).collect();
    let (rules, faults) = SiteRules::read(&records);
    assert_eq!(faults, []);
    rules
}

/// 0.10 for a black side, 0.50 for one in colour, 0.02 for a sheet.
pub(crate) fn prices() -> Vec<Prices> {
    vec![Prices {
        id: PricesId(id(50)),
        name: "all".into(),
        currency: "CNY".into(),
        printer: None,
        side_monochrome: 100,
        side_color: 500,
        sheet: 20,
    }]
}

/// A quota of the pupils with so much left at this box.
pub(crate) fn balance(n: u8, unit: Unit, when_spent: WhenSpent, left: u64) -> Balance {
    Balance {
        quota: Quota {
            id: QuotaId(id(n)),
            name: "Ann's own".into(),
            covers: Covers::Group(GroupId(id(2))),
            unit,
            limit: 1000,
            period: Period::Month,
            when_spent,
        },
        rooms: vec![Room {
            lease: LeaseId(id(n + 1)),
            left,
        }],
    }
}

/// Decides on a job at the hall's printer under these rules.
pub(crate) fn ruled(job: &Job, rules: &str) -> Ruling {
    let (ann, hall, rules, groups) = (ann(), hall(), site(rules), groups());
    platen_policy::decide(&Facts {
        rules: &rules,
        groups: &groups,
        ..Facts::new(&ann, job, &hall)
    })
}
