// SPDX-License-Identifier: Apache-2.0 OR MIT
//! How long and how many everything in a message may be, and the checks of them. The table stands in
//! `docs/formats/sync.md`.

use platen_model::{Changes, CredentialKind, Record, UserRecord};

use crate::codec::{CodecError, Message};
use crate::message::{
    EnrolAnswer, EnrolAsk, Enrolment, JobNotice, KeysAsk, LeaseNews, LoginAnswer, LoginAsk, Pull,
    PullAnswer, Push, PushAnswer, Refusal, Renew, Renewed, Signed, SiteKeys, Who,
};
use crate::release::OFFERS_BYTES_MAX;

/// Bytes of a [`Push`].
pub const PUSH_BYTES_MAX: usize = 4 << 20;
/// Bytes of all entries in a push that a box puts together: leaves room for the rest of it.
pub const PUSH_ENTRIES_BYTES_MAX: usize = 2 << 20;
/// Bytes of a [`PullAnswer`].
pub const PULL_ANSWER_BYTES_MAX: usize = 8 << 20;
/// Bytes of a page of the directory ([`Signed::payload`]).
pub const PAGE_BYTES_MAX: usize = (8 << 20) - (256 << 10);
/// Bytes of every other message.
pub const MESSAGE_BYTES_MAX: usize = 256 << 10;
/// Entries of a push.
pub const ENTRIES_MAX: usize = 1_000;
/// Bytes of an entry: what the ledger takes.
pub const ENTRY_BYTES_MAX: usize = 64 << 10;
/// Job notices of a push.
pub const JOBS_MAX: usize = 1_000;
/// Lease wants of a push.
pub const WANTS_MAX: usize = 256;
/// New leases, and leases to give back, of an answer: the rest comes with the next one.
pub const LEASES_MAX: usize = 256;
/// Locked credentials that an answer names.
pub const LOCKS_MAX: usize = 256;
/// Records of a page.
pub const RECORDS_MAX: usize = 2_000;
/// Tombstones of a page.
pub const TOMBSTONES_MAX: usize = 100_000;
/// Bytes of a name (login, display name, document, printer, media type).
pub const NAME_BYTES_MAX: usize = 1_024;
/// Bytes of a PIN or password.
pub const SECRET_BYTES_MAX: usize = 1_024;
/// Bytes of a certificate request or certificate, DER.
pub const CERTIFICATE_BYTES_MAX: usize = 16 << 10;
/// Bytes of all authorities' certificates, PEM.
pub const AUTHORITIES_BYTES_MAX: usize = 64 << 10;
/// Site keys.
pub const SITE_KEYS_MAX: usize = 64;
/// Aliases of a person.
pub const ALIASES_MAX: usize = 64;
/// Groups of a person.
pub const GROUPS_MAX: usize = 256;
/// Bytes of a finger's template.
pub const TEMPLATE_BYTES_MAX: usize = 64 << 10;
/// Bytes of a rule's text.
pub const RULE_BYTES_MAX: usize = 4 << 10;
/// Milliseconds that a [`Pull`] may wait for news.
pub const WAIT_MS_MAX: u64 = 60_000;

/// Checks of one message, in its name.
pub(crate) struct Check(pub(crate) &'static str);

impl Check {
    pub(crate) fn holds(&self, what: &'static str, holds: bool) -> Result<(), CodecError> {
        let message = self.0;
        holds
            .then_some(())
            .ok_or(CodecError::Limit { message, what })
    }

    fn name(&self, what: &'static str, name: &str) -> Result<(), CodecError> {
        self.holds(what, name.len() <= NAME_BYTES_MAX)
    }

    fn leases(&self, news: &LeaseNews) -> Result<(), CodecError> {
        self.holds("fresh", news.fresh.len() <= LEASES_MAX)?;
        self.holds("recalled", news.recalled.len() <= LEASES_MAX)
    }

    fn job(&self, job: &JobNotice) -> Result<(), CodecError> {
        let printer = job.printer.as_ref().map_or("", |printer| &printer.0);
        let names = [&job.owner, &job.name, &job.format, printer];
        names.iter().try_for_each(|name| self.name("jobs", name))
    }

    fn certificate(&self, renewed: &Renewed) -> Result<(), CodecError> {
        let bytes = renewed.certificate.len();
        self.holds("certificate", bytes <= CERTIFICATE_BYTES_MAX)?;
        let bytes = renewed.authorities.len();
        self.holds("authorities", bytes <= AUTHORITIES_BYTES_MAX)
    }

    fn signed(&self, signed: &Signed) -> Result<(), CodecError> {
        self.holds("payload", signed.payload.len() <= PAGE_BYTES_MAX)?;
        self.holds("signature", signed.signature.len() == 64)
    }

    fn record(&self, record: &Record) -> Result<(), CodecError> {
        match record {
            Record::User(user) => self.user(user),
            Record::Group(group) => self.name("group", &group.name),
            Record::Credential(credential) => self.credential(&credential.kind),
            Record::Quota(quota) => self.name("quota", &quota.name),
            Record::Prices(prices) => {
                self.name("prices", &prices.name)?;
                self.name("prices", &prices.currency)
            }
            Record::Rule(rule) => self.holds("rule", rule.text.len() <= RULE_BYTES_MAX),
            _ => Ok(()),
        }
    }

    fn user(&self, user: &UserRecord) -> Result<(), CodecError> {
        self.name("login", &user.login)?;
        self.name("name", &user.name)?;
        self.name("number", user.number.as_deref().unwrap_or_default())?;
        self.holds("aliases", user.aliases.len() <= ALIASES_MAX)?;
        self.holds("groups", user.groups.len() <= GROUPS_MAX)?;
        let mut aliases = user.aliases.iter();
        aliases.try_for_each(|alias| self.name("aliases", alias))
    }

    fn credential(&self, kind: &CredentialKind) -> Result<(), CodecError> {
        match kind {
            CredentialKind::Pin { hash } | CredentialKind::Password { hash } => {
                self.name("hash", hash)
            }
            CredentialKind::Finger { part, template } => {
                self.name("part", part)?;
                self.holds("template", template.len() <= TEMPLATE_BYTES_MAX)
            }
            _ => Ok(()),
        }
    }
}

/// Whether a page keeps its limits: for whoever makes one and whoever believes one.
///
/// # Errors
/// [`CodecError::Limit`] names the first part that does not.
pub fn check_page(page: &Changes) -> Result<(), CodecError> {
    let check = Check("page of the directory");
    check.holds("records", page.records.len() <= RECORDS_MAX)?;
    check.holds("tombstones", page.tombstones.len() <= TOMBSTONES_MAX)?;
    let mut records = page.records.iter();
    records.try_for_each(|revised| check.record(&revised.record))
}

/// Whether entries stand one after another, from the one behind `after` up to `head` at most.
fn is_run(push: &Push) -> bool {
    let places = push.entries.iter().zip(1_u64..);
    let follows = |(entry, n): (&crate::message::SentEntry, u64)| {
        Some(entry.link.sequence) == push.after.sequence.checked_add(n)
    };
    let last = push.entries.last().map_or(0, |entry| entry.link.sequence);
    places.into_iter().all(follows) && last <= push.head
}

impl Message for Push {
    const NAME: &'static str = "push";
    const BYTES_MAX: usize = PUSH_BYTES_MAX;

    fn version(&self) -> Option<u16> {
        Some(self.version)
    }

    fn check(&self) -> Result<(), CodecError> {
        let check = Check(Self::NAME);
        let short = |entry: &crate::message::SentEntry| entry.entry.len() <= ENTRY_BYTES_MAX;
        check.holds("entries", self.entries.len() <= ENTRIES_MAX)?;
        check.holds("entries", self.entries.iter().all(short))?;
        check.holds("entries' order", is_run(self))?;
        check.holds("jobs", self.jobs.len() <= JOBS_MAX)?;
        check.holds("wants", self.wants.len() <= WANTS_MAX)?;
        self.running
            .iter()
            .try_for_each(|running| check.running(running))?;
        self.jobs.iter().try_for_each(|job| check.job(job))
    }
}

impl Message for PushAnswer {
    const NAME: &'static str = "push answer";

    fn version(&self) -> Option<u16> {
        Some(self.version)
    }

    fn check(&self) -> Result<(), CodecError> {
        Check(Self::NAME).leases(&self.leases)
    }
}

impl Message for Pull {
    const NAME: &'static str = "pull";

    fn version(&self) -> Option<u16> {
        Some(self.version)
    }

    fn check(&self) -> Result<(), CodecError> {
        Check(Self::NAME).holds("wait", self.wait_ms <= WAIT_MS_MAX)
    }
}

impl Message for PullAnswer {
    const NAME: &'static str = "pull answer";
    const BYTES_MAX: usize = PULL_ANSWER_BYTES_MAX;

    fn version(&self) -> Option<u16> {
        Some(self.version)
    }

    fn check(&self) -> Result<(), CodecError> {
        let check = Check(Self::NAME);
        check.signed(&self.changes)?;
        check.holds("locks", self.locks.len() <= LOCKS_MAX)?;
        if let Some(offers) = &self.offers {
            check.signed(offers)?;
            check.holds("offers", offers.payload.len() <= OFFERS_BYTES_MAX)?;
        }
        check.leases(&self.leases)
    }
}

impl Message for LoginAsk {
    const NAME: &'static str = "login";

    fn version(&self) -> Option<u16> {
        Some(self.version)
    }

    fn check(&self) -> Result<(), CodecError> {
        let check = Check(Self::NAME);
        let secret = self.secret.as_ref().map_or(0, String::len);
        check.holds("secret", secret <= SECRET_BYTES_MAX)?;
        match &self.who {
            Who::Login(name) | Who::Number(name) => check.name("who", name),
            _ => Ok(()),
        }
    }
}

impl Message for LoginAnswer {
    const NAME: &'static str = "login answer";

    fn version(&self) -> Option<u16> {
        Some(self.version)
    }

    fn check(&self) -> Result<(), CodecError> {
        Check(Self::NAME).leases(&self.leases)
    }
}

impl Message for Renew {
    const NAME: &'static str = "renewal";

    fn version(&self) -> Option<u16> {
        Some(self.version)
    }

    fn check(&self) -> Result<(), CodecError> {
        Check(Self::NAME).holds("csr", self.csr.len() <= CERTIFICATE_BYTES_MAX)
    }
}

impl Message for Renewed {
    const NAME: &'static str = "renewed certificate";

    fn version(&self) -> Option<u16> {
        Some(self.version)
    }

    fn check(&self) -> Result<(), CodecError> {
        Check(Self::NAME).certificate(self)
    }
}

impl Message for KeysAsk {
    const NAME: &'static str = "question for site keys";

    fn version(&self) -> Option<u16> {
        Some(self.version)
    }

    fn check(&self) -> Result<(), CodecError> {
        Ok(())
    }
}

impl Message for SiteKeys {
    const NAME: &'static str = "list of site keys";

    fn version(&self) -> Option<u16> {
        None
    }

    fn check(&self) -> Result<(), CodecError> {
        Check(Self::NAME).holds("keys", self.keys.len() <= SITE_KEYS_MAX)
    }
}

impl Message for EnrolAsk {
    const NAME: &'static str = "enrolment request";

    fn version(&self) -> Option<u16> {
        Some(self.version)
    }

    fn check(&self) -> Result<(), CodecError> {
        let check = Check(Self::NAME);
        check.name("name", &self.name)?;
        check.holds("csr", self.csr.len() <= CERTIFICATE_BYTES_MAX)
    }
}

impl Message for EnrolAnswer {
    const NAME: &'static str = "enrolment answer";

    fn version(&self) -> Option<u16> {
        None
    }

    fn check(&self) -> Result<(), CodecError> {
        Ok(())
    }
}

impl Message for Enrolment {
    const NAME: &'static str = "enrolment";

    fn version(&self) -> Option<u16> {
        Some(self.certificate.version)
    }

    fn check(&self) -> Result<(), CodecError> {
        let check = Check(Self::NAME);
        check.name("site name", &self.site_name)?;
        check.certificate(&self.certificate)?;
        check.holds("keys", self.keys.keys.len() <= SITE_KEYS_MAX)
    }
}

impl Message for Refusal {
    const NAME: &'static str = "refusal";

    fn version(&self) -> Option<u16> {
        None
    }

    fn check(&self) -> Result<(), CodecError> {
        Check(Self::NAME).name("message", &self.message)
    }
}
