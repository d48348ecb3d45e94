// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Everything that can be asked of a site, as methods of [`Centre`]: one file a noun. Each change
//! happens in one transaction together with its entry in the audit log.
//!
//! ```text
//! Centre::open(url: &str, vault: Vault, clock: Arc<dyn Clock>) -> Centre      Vault::new(&[u8; 32])
//! centre.close()
//! centre.site() -> SiteFacts { id, name, generation, revision, keys, settings }
//! centre.rename_site(&Actor, name) · set_settings(&Actor, Settings)
//! centre.secret(name) -> Option<Zeroizing<Vec<u8>>>
//! centre.keep_secret(name, &[u8]) -> what is kept (the first wins)
//! centre.replace_secret(&Actor, name, &[u8])
//! centre.directory_key() -> Hash (Ed25519 public) · site_keys() -> SiteKeys · rotate_card_key(&Actor) -> u64
//!   · after_restore(&Actor) -> u64
//!
//! // Boxes (the message types are platen_sync::message's)
//! centre.enrol_ask(&EnrolAsk) -> EnrolAnswer            // Waiting, or what accept_enrolment kept
//! centre.pending_enrolments() -> Vec<PendingEnrolment>  // with csr, nonce, proof
//! centre.accept_enrolment(&Actor, NewNode { node, name, nonce, fingerprint, until_unix_ms, enrolment, proof })
//! centre.refuse_enrolment(&Actor, NodeId)
//! centre.certificate(fingerprint: &[u8; 32]) -> Option<NodeCertificate { node, until_unix_ms, revoked }>
//! centre.add_certificate(NodeId, &[u8; 32], until_unix_ms)
//! centre.nodes() -> Vec<Node> · node(NodeId) · rename_node · revoke_node · declare_lost   (each &Actor, NodeId, …)
//! centre.receive(NodeId, &Push) -> PushAnswer
//! centre.pull(NodeId, &Pull) -> PullAnswer              // at once; wait on `news` before it
//! centre.news(NodeId, &Pull) -> Option<LeaseNews>       // None when the directory has changed: cheap
//! centre.login(NodeId, &LoginAsk) -> LoginAnswer
//!
//! // People; Page { offset, behind, limit }, Listed<T> { rows, total, next }
//! centre.users(&UserFilter { text, group }, Page) -> Listed<UserRecord> · user(UserId) · user_by_name(&str)
//! centre.create_user(&Actor, NewUser) -> UserId · change_user(&Actor, UserId, UserChange) · delete_user(&Actor, UserId)
//! centre.import_users(&Actor, impl Read + Send + 'static) -> ImportReport { errors: Vec<(usize, String)>, … }
//! centre.groups() -> Vec<Group> · create_group(&Actor, name) -> GroupId · rename_group · delete_group
//! centre.credentials(UserId) -> Vec<Credential>         // without hashes
//! centre.bind_card(&Actor, UserId, NewCard { number, with_pin, proved, until_unix_ms }) -> CredentialId
//! centre.set_pin(&Actor, UserId, Secret) · set_password(&Actor, UserId, Secret)
//!   · enrol_finger(&Actor, UserId, part, template)
//! centre.issue_code(&Actor, UserId, minutes) -> IssuedCode { id, code, until_unix_ms }
//!   · remove_credential(&Actor, CredentialId)
//! centre.unlock(&Actor, CredentialId)
//!
//! // Accounts
//! centre.quotas() -> Vec<Quota> · put_quota(&Actor, Quota) · delete_quota(&Actor, QuotaId)
//! centre.quota_use(QuotaId, Option<UserId>) -> QuotaUse
//! centre.leases(&LeaseFilter, Page) -> Listed<HeldLease>
//! centre.prices() · put_prices(&Actor, Prices) · delete_prices(&Actor, PricesId)
//! centre.rules() · put_rule(&Actor, RuleRecord) · delete_rule(&Actor, RuleId)
//! centre.jobs(&JobFilter { user, node, state, from_unix_ms, to_unix_ms }, Page) -> Listed<CentralJob> · job(JobId)
//! centre.charges(&ChargeFilter { user, node, from_unix_ms, to_unix_ms }, Page) -> Listed<Charge> · double_releases(Page)
//! centre.journal(NodeId, branch, after, limit) -> Vec<JournalEntry> · logins(&LoginFilter, Page)
//! centre.alerts(open_only, Page) · settle_alert(&Actor, Uuid)
//!
//! // Releases of the boxes' image
//! centre.releases() -> Vec<KeptRelease>                 // release.rollout(&[Node]) -> Rollout
//! centre.begin_release(NewRelease) -> ReleaseUpload     // take(&[u8]) …, finish(&Actor) -> ReleaseId | give_up()
//! centre.offer_release(&Actor, ReleaseId, &OfferChange) · pause_release · resume_release · remove_release
//! centre.release_piece(&PieceAsk) -> Piece
//!
//! // Administrators
//! centre.has_administrator() -> bool · create_administrator(&Actor, name, Secret) -> AdministratorId
//! centre.administrators() · set_administrator_password · set_administrator_active
//! centre.login_administrator(name, Secret) -> Session { token, administrator, until_unix_ms }
//! centre.administrator_of(token) -> Option<Administrator> · log_out(token)
//! centre.issue_token(&Actor, AdministratorId, label, days) -> Session · tokens(AdministratorId)
//!   · revoke_token(&Actor, Uuid)
//! centre.audit(Page) -> Listed<AuditEntry> · verify_audit() -> AuditVerdict
//! ```
//!
//! All of them are async, fail with [`CentreError`] and change nothing when they fail, but for
//! parts of an import. `Actor::Administrator(id)`, `Actor::Node(id)` or `Actor::Program` says who asks.

mod accounts;
mod actor;
mod administrators;
mod alerts;
mod attempts;
mod audit;
mod bindings;
mod centre;
mod credentials;
mod directory;
mod effects;
mod enrolments;
mod error;
mod groups;
mod import;
mod jobs;
mod leases;
mod login;
mod nodes;
mod page;
mod push;
mod quotas;
mod records;
mod release_upload;
mod releases;
mod rollout;
mod rule_set;
mod secret;
mod site;
mod users;
mod vault;

pub use actor::{Actor, AdministratorId};
pub use administrators::{Administrator, Session, Token};
pub use alerts::Alert;
pub use audit::{AuditEntry, AuditVerdict};
pub use centre::Centre;
pub use credentials::{Credential, IssuedCode, NewCard};
pub use enrolments::{NewNode, PendingEnrolment};
pub use error::{CentreError, Fault};
pub use groups::Group;
pub use import::{IMPORT_BYTES_MAX, ImportReport};
pub use jobs::{
    CentralJob, Charge, ChargeFilter, ChargedShare, JobFilter, JournalEntry, Login, LoginFilter,
};
pub use leases::{HeldLease, LeaseFilter, LeaseState};
pub use nodes::{Node, NodeCertificate, NodeState};
pub use page::{Listed, Mark, NoMark, Page};
pub use quotas::QuotaUse;
pub use release_upload::{NewRelease, ReleaseUpload};
pub use releases::{KeptRelease, OfferChange, ReleaseState};
pub use rollout::{Progress, Rollout};
pub use site::SiteFacts;
pub use users::{NewUser, UserChange, UserFilter};
pub use vault::{KEY_BYTES, Vault};
