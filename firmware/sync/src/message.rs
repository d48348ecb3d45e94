// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The messages between a box and its centre: CBOR maps with the field names as keys, in bodies of
//! HTTPS requests. Byte map and rules between versions: `docs/formats/sync.md`. Fields that a reader
//! does not know are passed over, so a field may be added within a version; nothing is ever taken
//! away or given another meaning.

use std::fmt;

use platen_model::{
    CardKey, CredentialId, Denied, JobId, JobNumber, JobState, JobStateReason, Lease, LeaseId,
    Method, NodeId, PageCount, PrinterName, QuotaId, Running, SiteId, Stamp, UserId,
};
use serde::{Deserialize, Serialize};

/// Version of the messages that this program writes. It reads the one before and the one after.
pub const VERSION: u16 = 1;

/// Where each message goes, by POST. All but [`path::ENROL`] need the box's certificate.
pub mod path {
    /// [`super::Push`] → [`super::PushAnswer`]
    pub const PUSH: &str = "/sync/v1/push";
    /// [`super::Pull`] → [`super::PullAnswer`]; waits for news up to `wait_ms`.
    pub const PULL: &str = "/sync/v1/pull";
    /// [`super::LoginAsk`] → [`super::LoginAnswer`]
    pub const LOGIN: &str = "/sync/v1/login";
    /// [`super::Renew`] → [`super::Renewed`]
    pub const RENEW: &str = "/sync/v1/renew";
    /// [`crate::release::PieceAsk`] → [`crate::release::Piece`]
    pub const RELEASE: &str = "/sync/v1/release";
    /// [`super::KeysAsk`] → [`super::SiteKeys`]
    pub const KEYS: &str = "/sync/v1/keys";
    /// [`super::EnrolAsk`] → [`super::EnrolAnswer`]; needs no certificate.
    pub const ENROL: &str = "/sync/v1/enrol";
}

/// Media type of every message.
pub const MEDIA_TYPE: &str = "application/cbor";

/// A hash of the journal's chain.
#[derive(Clone, Copy, Default, Eq, Hash, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Hash(#[serde(with = "platen_model::bytes")] pub [u8; 32]);

/// A place in a box's journal: sequence 0 and an empty hash stand before its first entry.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq, Serialize, Deserialize)]
pub struct Link {
    /// Sequence number.
    pub sequence: u64,
    /// Hash of the chain up to and with it.
    pub hash: Hash,
}

/// What a box sends of its journal and its jobs, and what it asks for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Push {
    /// [`VERSION`] of the sender.
    pub version: u16,
    /// The box's clock as it sends.
    pub at: Stamp,
    /// The entry before the first one here.
    pub after: Link,
    /// Entries without a gap.
    pub entries: Vec<SentEntry>,
    /// Last sequence number of the journal: how much is still to come.
    pub head: u64,
    /// Jobs whose state changed since the last push that was answered.
    pub jobs: Vec<JobNotice>,
    /// Slices of quotas that the box would like.
    pub wants: Vec<LeaseWant>,
    /// Highest serial of a lease the box has taken.
    pub leases_upto: u64,
    /// The directory's generation under which all leases were given that the box still has: it names
    /// a new one only when its leases of older ones are closed. 0 for none.
    #[serde(default)]
    pub generation: u64,
    /// What the box runs, and how far its update is; none when that was said before.
    #[serde(default)]
    pub running: Option<Running>,
}

/// One journal entry on its way.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct SentEntry {
    /// Where it stands.
    pub link: Link,
    /// When it was written.
    pub at: Stamp,
    /// CBOR of a [`platen_model::Entry`], as bytes so that a centre keeps what it does not know yet;
    /// empty for a record that is damaged on the box: lost, and said so.
    #[serde(with = "platen_model::bytes")]
    pub entry: Vec<u8>,
}

/// How a job stands, for the centre's list. The latest word of a job's box counts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct JobNotice {
    /// The key of its charge.
    pub job: JobId,
    /// IPP `job-id` on its box.
    pub number: JobNumber,
    /// Counts up with every notice of the box, over restarts too (wall milliseconds, then upwards).
    pub turn: u64,
    /// Whose it is, where that is known.
    pub user: Option<UserId>,
    /// `job-originating-user-name`, as claimed.
    pub owner: String,
    /// `job-name`
    pub name: String,
    /// MIME media type.
    pub format: String,
    /// Bytes of the body.
    pub octets: u64,
    /// `job-state`
    pub state: JobState,
    /// `job-state-reasons`
    pub reason: JobStateReason,
    /// Where it goes or went, once known.
    pub printer: Option<PrinterName>,
    /// Page count, once known.
    pub count: Option<PageCount>,
    /// Wall milliseconds since 1970.
    pub created_unix_ms: u64,
}

/// A slice of a quota that a box would like.
#[derive(Clone, Debug, Eq, Hash, PartialEq, Serialize, Deserialize)]
pub struct LeaseWant {
    /// The quota.
    pub quota: QuotaId,
    /// Whose own, where each member of a group has one.
    pub user: Option<UserId>,
    /// How much the box expects to spend soon; the centre may give less.
    pub amount: u64,
}

/// The centre's word on a [`Push`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PushAnswer {
    /// [`VERSION`] of the sender.
    pub version: u16,
    /// The centre's clock.
    pub at_unix_ms: u64,
    /// What became of the entries.
    pub verdict: Verdict,
    /// Leases.
    pub leases: LeaseNews,
    /// Highest revision of the site's directory.
    pub latest: u64,
}

/// What became of the entries of a push.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Verdict {
    /// All entries up to here are kept for good, each once.
    Kept(Link),
    /// The entries do not follow what the centre has: send from behind this one on.
    SendAfter(Link),
}

/// Leases of a box that have a higher serial than it has taken, lowest first, and those to give back.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
pub struct LeaseNews {
    /// New leases.
    pub fresh: Vec<Lease>,
    /// Leases that the box is to close as soon as nothing is set aside on them.
    pub recalled: Vec<LeaseId>,
    /// The directory's generation under which these are given: a box of another one takes none, so
    /// that none comes late from before the centre was put back from a backup.
    #[serde(default)]
    pub generation: u64,
}

/// Asks for changes of the directory.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Pull {
    /// [`VERSION`] of the sender.
    pub version: u16,
    /// The box's clock as it sends.
    pub at: Stamp,
    /// The directory's generation that the box has; 0 for none.
    pub generation: u64,
    /// The revision up to which the box has it.
    pub after: u64,
    /// How long the answer may wait for news, milliseconds.
    pub wait_ms: u64,
    /// Highest serial of a lease the box has taken.
    pub leases_upto: u64,
    /// [`platen_model::Offers::revision`] of the offers that the box has of this generation; 0 for none.
    #[serde(default)]
    pub offers: u64,
}

/// Changes of the directory, and what else there is to tell.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PullAnswer {
    /// [`VERSION`] of the sender.
    pub version: u16,
    /// The changes, signed: they are believed for what they are and not for how they came.
    pub changes: Signed,
    /// Leases.
    pub leases: LeaseNews,
    /// Whether the centre would like to see pushes at once (an administrator waits).
    #[serde(default)]
    pub hurry: bool,
    /// Credentials that are locked at the centre now, by wrong tries anywhere on the site.
    #[serde(default)]
    pub locks: Vec<LockNotice>,
    /// Releases that the site offers ([`crate::release`]), where they are not as the box has them.
    #[serde(default)]
    pub offers: Option<Signed>,
}

/// A credential that is locked.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct LockNotice {
    /// Which one.
    pub credential: CredentialId,
    /// How long it still is, milliseconds from the answer on: clocks of boxes may be wrong.
    pub left_ms: u64,
}

/// Bytes with the site's Ed25519 signature over a context and them: [`Signed::CONTEXT`] for pages of
/// the directory.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct Signed {
    /// CBOR of [`platen_model::Changes`], or of [`platen_model::Offers`].
    #[serde(with = "platen_model::bytes")]
    pub payload: Vec<u8>,
    /// The signature.
    #[serde(with = "platen_model::bytes")]
    pub signature: Vec<u8>,
}

/// Asks the centre who somebody is, while the person stands at the box.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct LoginAsk {
    /// [`VERSION`] of the sender.
    pub version: u16,
    /// How the person proves who they are.
    pub method: Method,
    /// What was presented.
    pub who: Who,
    /// PIN or password, where one was typed.
    pub secret: Option<String>,
    /// Highest serial of a lease the box has taken.
    pub leases_upto: u64,
}

/// What was presented.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Who {
    /// A card.
    Card {
        /// Keyed hash of its number, by as many site keys as the centre's last page said.
        #[serde(with = "platen_model::bytes")]
        key: CardKey,
        /// Whether it proved its number.
        proved: bool,
    },
    /// Login name.
    Login(String),
    /// The person's number.
    Number(String),
    /// A credential that the box knows, such as a finger.
    Credential(CredentialId),
}

/// The centre's word on a login.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct LoginAnswer {
    /// [`VERSION`] of the sender.
    pub version: u16,
    /// Who it is and by which credential, or why not.
    pub result: Result<LoggedIn, Denied>,
    /// Leases of quotas that cover the person.
    pub leases: LeaseNews,
    /// Highest revision of the site's directory: a box that is behind pulls before it lets go.
    pub latest: u64,
}

/// Who it is and by which credential.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct LoggedIn {
    /// The person.
    pub user: UserId,
    /// The credential.
    pub credential: CredentialId,
    /// Whether the PIN is asked as well; it was not checked here then.
    pub pin_needed: bool,
}

/// Asks for a certificate that lives longer. Taken also with a certificate that has run out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Renew {
    /// [`VERSION`] of the sender.
    pub version: u16,
    /// PKCS #10, DER; for the same key or a new one.
    #[serde(with = "platen_model::bytes")]
    pub csr: Vec<u8>,
}

/// A new certificate.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Renewed {
    /// [`VERSION`] of the sender.
    pub version: u16,
    /// X.509, DER.
    #[serde(with = "platen_model::bytes")]
    pub certificate: Vec<u8>,
    /// Certificates of the authorities that vouch for the centre, PEM.
    pub authorities: String,
    /// When the certificate runs out, wall milliseconds since 1970.
    pub until_unix_ms: u64,
}

/// Asks for the keys of card hashes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct KeysAsk {
    /// [`VERSION`] of the sender.
    pub version: u16,
}

/// Keys of card hashes, oldest first: a card's hash is `HMAC(kₙ, … HMAC(k₁, number))`, so that the
/// centre can put a new key on top without any card being there.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct SiteKeys {
    /// The keys.
    pub keys: Vec<Hash>,
}

/// A box asks to become part of a site.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EnrolAsk {
    /// [`VERSION`] of the sender.
    pub version: u16,
    /// The box.
    pub node: NodeId,
    /// Its name, as it announces itself.
    pub name: String,
    /// PKCS #10, DER, self-signed.
    #[serde(with = "platen_model::bytes")]
    pub csr: Vec<u8>,
    /// Random bytes, new for each code.
    pub nonce: Hash,
    /// That the box knows the code it shows, bound to the certificate by which the centre answers.
    pub proof: Hash,
}

/// The centre's word on an [`EnrolAsk`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum EnrolAnswer {
    /// Nobody has typed the code yet; ask again after this time.
    Waiting {
        /// Milliseconds.
        again_ms: u64,
    },
    /// The box is part of the site.
    Enrolled {
        /// CBOR of an [`Enrolment`].
        #[serde(with = "platen_model::bytes")]
        enrolment: Vec<u8>,
        /// That the centre was told the code, over the enrolment.
        proof: Hash,
    },
}

/// What a box gets to know as it becomes part of a site.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct Enrolment {
    /// The site.
    pub site: SiteId,
    /// The site's name.
    pub site_name: String,
    /// The box's certificate.
    pub certificate: Renewed,
    /// Ed25519 public key that signs the directory.
    pub directory_key: Hash,
    /// Keys of card hashes.
    pub keys: SiteKeys,
}

/// Why a request was not served, beside its HTTP status.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct Refusal {
    /// Why, for machines.
    pub code: RefusalCode,
    /// Why and what to do, for people.
    pub message: String,
}

/// Why a request was not served.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum RefusalCode {
    /// The certificate is none of this site's boxes.
    NotEnrolled,
    /// The box was taken out of the site.
    Revoked,
    /// The certificate has run out: renew it first.
    CertificateExpired,
    /// The message is of a version that is not spoken here.
    Version,
    /// The message is not what it should be.
    BadMessage,
    /// The centre has too much to do, or its database is away: try again later.
    Busy,
    /// A code this program does not know.
    #[serde(other)]
    Other,
}

impl Signed {
    /// What is signed before the payload, so that a signature is good for nothing else.
    pub const CONTEXT: &[u8] = b"platen directory 1\0";
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hex = |byte: &u8| write!(f, "{byte:02x}");
        self.0.iter().take(4).try_for_each(hex)
    }
}

// Secrets, keys and names are for no log.
impl fmt::Debug for LoginAsk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LoginAsk({:?})", self.method)
    }
}

impl fmt::Debug for SiteKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SiteKeys({})", self.keys.len())
    }
}

impl fmt::Debug for Enrolment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Enrolment({})", self.site)
    }
}
