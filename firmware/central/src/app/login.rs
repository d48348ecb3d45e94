// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Who stands at a box, for a box that asks. What the centre says here a box could say from its copy,
//! but for what changed since.

use platen_auth::secret::Secret;
use platen_model::{CardKey, CredentialKind, CredentialRecord, Denied, Method, NodeId, UserId};
use platen_sync::card::code_key;
use platen_sync::message::{LeaseNews, LoggedIn, LoginAnswer, LoginAsk, VERSION, Who};
use sqlx::AnyConnection;

use super::attempts::Attempts;
use super::credentials::kind_name;
use super::secret::Looked;
use super::{Centre, CentreError, NodeState};
use crate::db::users::{Claimant, name_key};
use crate::db::{self, site::Site};

/// How long a box may ask again about a code that it has just used: it tries again on its own when the
/// connection broke before the answer came.
const REPEAT_MS: u64 = 60_000;

/// Who it may be, by which credential; with the PIN or password to be looked at before.
struct Claim {
    user: Claimant,
    credential: CredentialRecord,
    /// What the secret is looked at against: the credential itself or the person's PIN.
    secret: Option<(String, String)>,
    pin_needed: bool,
}

type Found = Result<Claim, Denied>;
type Admitted = Result<(Claimant, LoggedIn), Denied>;

impl Centre {
    /// Says who somebody is, and gives the box slices of the quotas that cover the person.
    ///
    /// # Errors
    /// [`CentreError::Busy`] when too many PINs and passwords wait, [`CentreError::Missing`] for a box
    /// that is no member.
    pub async fn login(&self, node: NodeId, ask: &LoginAsk) -> Result<LoginAnswer, CentreError> {
        // Without a transaction, which would cost as much again: each question stands by itself, and
        // the revision that the box is told of is the oldest of the answers.
        let mut look = self.questions().await?;
        let known = db::nodes::by_id(&mut look, node).await?;
        let known = known.filter(|node| node.state != NodeState::Revoked);
        let known = known.ok_or(CentreError::missing("box"))?;
        let site = db::site::read(&mut look).await?;
        let found = self.find(&mut look, &site, node, ask).await?;
        if matches!(ask.method, Method::Card | Method::Finger) {
            // Nothing to compare and nothing to use up: the same look may tell the rest.
            let result = found.and_then(admitted);
            let who = result.as_ref().ok().map(|(user, _)| user);
            let upto = ask.leases_upto;
            let generation = site.generation;
            let leases = self
                .leases_as_they_are(&mut look, generation, &known, who, upto)
                .await?;
            if let Some(leases) = leases {
                return Ok(LoginAnswer {
                    version: VERSION,
                    result: result.map(|(_, logged_in)| logged_in),
                    leases,
                    latest: site.revision,
                });
            }
            drop(look);
            return Ok(self.answer(node, ask, &site, result).await);
        }
        drop(look);
        let result = match self.prove(&site, ask, found).await? {
            Err(denied) => Err(denied),
            Ok(claim) => self.admit(node, ask.method, claim).await?,
        };
        Ok(self.answer(node, ask, &site, result).await)
    }

    /// The answer to a login that is decided, with leases for who is in.
    async fn answer(
        &self,
        node: NodeId,
        ask: &LoginAsk,
        site: &Site,
        result: Admitted,
    ) -> LoginAnswer {
        let who = result.as_ref().ok().map(|(user, _)| user);
        // The login is decided, and a code used up: what goes wrong from here on is no reason to say
        // nothing. The box asks for leases with its next push as well.
        let leases = self.leases_at_login(node, who, ask.leases_upto).await;
        let leases = leases.unwrap_or_else(|error| {
            log::warn!(node:% = node, error:% = error; "cannot give leases at a login");
            LeaseNews::default()
        });
        let latest = self.latest_revision().await.unwrap_or(site.revision);
        LoginAnswer {
            version: VERSION,
            result: result.map(|(_, logged_in)| logged_in),
            leases,
            latest,
        }
    }

    async fn latest_revision(&self) -> Result<u64, CentreError> {
        let (_, latest) = db::site::latest(&mut *self.read().await?).await?;
        Ok(latest)
    }

    async fn find(
        &self,
        connection: &mut AnyConnection,
        site: &Site,
        node: NodeId,
        ask: &LoginAsk,
    ) -> Result<Found, CentreError> {
        let credential = match (ask.method, &ask.who) {
            (Method::Card | Method::CardPin, Who::Card { key, .. }) => {
                self.by_key(connection, site, *key, "card").await?
            }
            (Method::Code, Who::Card { key, .. }) => {
                self.by_code(connection, site, node, *key).await?
            }
            (Method::Code, _) => {
                let code = ask.secret.as_deref().unwrap_or_default();
                let key = code_key(&self.keys_of(site)?, site.keys, code);
                let key = key.ok_or(CentreError::corrupt("list of card keys"))?;
                self.by_code(connection, site, node, key).await?
            }
            (Method::Pin, Who::Number(number)) => {
                let owners =
                    db::users::owners_of_numbers(connection, std::slice::from_ref(number)).await?;
                of_kind(connection, owners.get(number).copied(), "pin").await?
            }
            (Method::Pin | Method::Password, Who::Login(name)) => {
                let key = name_key(name);
                let names = std::slice::from_ref(&key);
                let owners = db::users::owners_of_names(connection, names).await?;
                let owner = owners.get(&key).filter(|(_, is_login)| *is_login);
                let kind = match ask.method {
                    Method::Pin => "pin",
                    _ => "password",
                };
                of_kind(connection, owner.map(|(user, _)| *user), kind).await?
            }
            (Method::Finger, Who::Credential(id)) => {
                let found = db::credentials::by_id(connection, *id).await?;
                found.filter(|one| kind_name(&one.kind) == "finger")
            }
            _ => None,
        };
        let unknown = match ask.method {
            Method::Card | Method::CardPin => Denied::UnknownCard,
            Method::Finger => Denied::UnknownFinger,
            Method::Code => Denied::BadCode,
            _ => Denied::WrongSecret,
        };
        let Some(credential) = credential else {
            return Ok(Err(unknown));
        };
        let Some(user) = db::users::claimant(connection, credential.user).await? else {
            return Ok(Err(unknown));
        };
        self.claim(connection, ask, user, credential).await
    }

    async fn by_key(
        &self,
        connection: &mut AnyConnection,
        site: &Site,
        key: CardKey,
        kind: &str,
    ) -> Result<Option<CredentialRecord>, CentreError> {
        let keys = self.keys_from(site, key)?;
        let found = db::credentials::by_keys(connection, &keys).await?;
        Ok(found.into_iter().find(|one| kind_name(&one.kind) == kind))
    }

    /// A code that is good, or one that this box used a moment ago and may not have got the answer.
    async fn by_code(
        &self,
        connection: &mut AnyConnection,
        site: &Site,
        node: NodeId,
        key: CardKey,
    ) -> Result<Option<CredentialRecord>, CentreError> {
        if let Some(code) = self.by_key(connection, site, key, "code").await? {
            return Ok(Some(code));
        }
        let keys = self.keys_from(site, key)?;
        db::codes::just_used(connection, node, &keys, self.repeat_since()).await
    }

    fn repeat_since(&self) -> u64 {
        self.now_ms().saturating_sub(REPEAT_MS)
    }

    async fn claim(
        &self,
        connection: &mut AnyConnection,
        ask: &LoginAsk,
        user: Claimant,
        credential: CredentialRecord,
    ) -> Result<Found, CentreError> {
        let now = self.now_ms();
        let (mut secret, mut pin_needed) = (None, false);
        match &credential.kind {
            CredentialKind::Card {
                with_pin, proved, ..
            } => {
                let proof = matches!(ask.who, Who::Card { proved: true, .. });
                if *proved && !proof {
                    return Ok(Err(Denied::WeakCard));
                }
                pin_needed = *with_pin && ask.method == Method::Card;
                if ask.method == Method::CardPin {
                    match of_kind(connection, Some(user.id), "pin").await? {
                        Some(pin) => secret = hash_of(&pin),
                        None => return Ok(Err(Denied::WrongSecret)),
                    }
                }
            }
            CredentialKind::Pin { .. } | CredentialKind::Password { .. } => {
                secret = hash_of(&credential);
            }
            _ => {}
        }
        if credential.until_unix_ms.is_some_and(|until| until <= now) {
            return Ok(Err(match ask.method {
                Method::Code => Denied::BadCode,
                _ => Denied::Expired,
            }));
        }
        Ok(Ok(Claim {
            user,
            credential,
            secret,
            pin_needed,
        }))
    }

    /// Looks at what was typed. Whoever is not known takes as long.
    async fn prove(&self, site: &Site, ask: &LoginAsk, found: Found) -> Result<Found, CentreError> {
        let by_secret = matches!(ask.method, Method::Pin | Method::Password | Method::CardPin);
        let typed = Secret::new(ask.secret.clone().unwrap_or_default());
        let looked = match (&found, by_secret) {
            (Ok(claim), true) => {
                let subject = claim.secret.clone();
                self.look(subject, typed, &site.settings).await?
            }
            (Err(Denied::WrongSecret), true) => self.look(None, typed, &site.settings).await?,
            _ => return Ok(found),
        };
        Ok(match looked {
            Looked::Right => found,
            Looked::Wrong => Err(Denied::WrongSecret),
            Looked::LockedUntil(_) => Err(Denied::LockedOut),
        })
    }

    /// The last look: whether the person may log in, and a code is good once.
    async fn admit(
        &self,
        node: NodeId,
        method: Method,
        claim: Claim,
    ) -> Result<Admitted, CentreError> {
        let is_code = method == Method::Code && claim.user.active;
        if is_code && !self.use_up(node, &claim.credential).await? {
            return Ok(Err(Denied::BadCode));
        }
        Ok(admitted(claim))
    }

    /// Whether a code is good, once; for the box where it was used a moment ago it still is.
    async fn use_up(&self, node: NodeId, code: &CredentialRecord) -> Result<bool, CentreError> {
        let mut attempts = Attempts::new();
        loop {
            let used = self.use_up_once(node, code).await;
            if attempts.stands(&used) {
                return used;
            }
        }
    }

    async fn use_up_once(
        &self,
        node: NodeId,
        code: &CredentialRecord,
    ) -> Result<bool, CentreError> {
        let (mut tx, _) = self.change().await?;
        if db::credentials::by_id(&mut tx, code.id).await?.is_none() {
            let used = db::codes::used(&mut tx, code.id).await?;
            let since = self.repeat_since();
            return Ok(used.is_some_and(|(by, at)| by == node && at >= since));
        }
        self.spend_code(&mut tx, node, code).await?;
        tx.commit().await?;
        Ok(true)
    }
}

/// Whether somebody may log in is told only to who has proved who they are.
fn admitted(claim: Claim) -> Admitted {
    if !claim.user.active {
        return Err(Denied::UserDisabled);
    }
    let logged_in = LoggedIn {
        user: claim.user.id,
        credential: claim.credential.id,
        pin_needed: claim.pin_needed,
    };
    Ok((claim.user, logged_in))
}

async fn of_kind(
    connection: &mut AnyConnection,
    user: Option<UserId>,
    kind: &str,
) -> Result<Option<CredentialRecord>, CentreError> {
    let Some(user) = user else {
        return Ok(None);
    };
    let has = db::credentials::of_users(connection, &[user]).await?;
    Ok(has.into_iter().find(|one| kind_name(&one.kind) == kind))
}

/// What tries are counted by, and the hash.
fn hash_of(credential: &CredentialRecord) -> Option<(String, String)> {
    match &credential.kind {
        CredentialKind::Pin { hash } | CredentialKind::Password { hash } => {
            Some((credential.id.to_string(), hash.clone()))
        }
        _ => None,
    }
}
