// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The centre of one site: opening its database, and what all its methods need.

use std::fmt;
use std::sync::Arc;
use std::thread::available_parallelism;

use platen_auth::secret::Verifier;
use platen_model::{Clock, SiteId};
use platen_sync::signed::SigningKey;
use smol::lock::Semaphore;
use sqlx::Any;
use sqlx::pool::PoolConnection;
use uuid::Uuid;

use super::vault::{Kept, random};
use super::{CentreError, Vault};
use crate::db::{self, Database, Tx, site::Site};

/// Name of the seed of the directory's signing key among the secrets.
const DIRECTORY_SEED: &str = "directory seed";
/// The site's name until somebody gives it one.
const FIRST_NAME: &str = "Platen";
/// People who may wait for their PIN or password to be looked at.
const SECRETS_WAITING_MAX: usize = 512;
/// Pages of the directory that are put together at once: each may take some megabytes.
const PAGES_AT_ONCE: usize = 4;

/// The centre of one site. Cheap to clone; keeps nothing in memory that another server on the same
/// database could miss.
#[derive(Clone)]
pub struct Centre {
    pub(super) inner: Arc<Inner>,
}

pub(super) struct Inner {
    database: Database,
    pub(super) vault: Vault,
    clock: Arc<dyn Clock>,
    pub(super) verifier: Verifier,
    pub(super) pages: Semaphore,
    pub(super) signer: SigningKey,
    pub(super) site: SiteId,
}

impl Centre {
    /// Opens a database, makes or updates its schema, and makes the site at the first start.
    /// `url`: `sqlite:///var/lib/platen/central.db` or `postgres://user@host/database`.
    ///
    /// # Errors
    /// [`CentreError::Address`], [`CentreError::Unavailable`], [`CentreError::Newer`],
    /// [`CentreError::WrongKey`].
    pub async fn open(url: &str, vault: Vault, clock: Arc<dyn Clock>) -> Result<Self, CentreError> {
        let database = Database::open(url).await?;
        db::schema::current(&database, clock.now().unix_ms).await?;
        let mut tx = database.write().await?;
        let first = make_site(&mut tx, &vault).await?;
        let site = db::site::read(&mut tx).await?;
        let sealed = db::secrets::read(&mut tx, DIRECTORY_SEED).await?;
        tx.commit().await?;
        if vault.open(Kept::CardKeys, &site.card_keys).is_none() {
            return Err(CentreError::WrongKey);
        }
        let seed = sealed.and_then(|sealed| vault.open(Kept::Secret, &sealed));
        let seed = seed.ok_or(CentreError::WrongKey)?;
        let seed = <&[u8; 32]>::try_from(seed.as_slice());
        let seed = seed.map_err(|_| CentreError::corrupt("directory key"))?;
        let signer = SigningKey::from_seed(seed).map_err(|_| CentreError::System)?;
        if first {
            log::info!(site:% = site.id; "made a new site");
        }
        let cores = available_parallelism().map_or(1, usize::from);
        let inner = Arc::new(Inner {
            database,
            vault,
            clock,
            verifier: Verifier::new(cores, SECRETS_WAITING_MAX),
            pages: Semaphore::new(PAGES_AT_ONCE),
            signer,
            site: site.id,
        });
        Ok(Self { inner })
    }

    /// Closes all connections; what is under way ends first.
    pub async fn close(&self) {
        self.inner.database.close().await;
    }

    pub(super) fn now_ms(&self) -> u64 {
        self.inner.clock.now().unix_ms
    }

    /// Begins a transaction that changes something.
    pub(super) async fn write(&self) -> Result<Tx, CentreError> {
        self.inner.database.write().await
    }

    /// Begins a transaction that changes the directory: nobody else changes it until its end.
    pub(super) async fn change(&self) -> Result<(Tx, Site), CentreError> {
        let mut tx = self.write().await?;
        let site = db::site::lock(&mut tx).await?;
        Ok((tx, site))
    }

    /// Begins a transaction that reads one state of everything.
    pub(super) async fn read(&self) -> Result<Tx, CentreError> {
        self.inner.database.read().await
    }

    /// A connection for questions of which each stands by itself: they need no transaction.
    pub(super) async fn questions(&self) -> Result<PoolConnection<Any>, CentreError> {
        self.inner.database.questions().await
    }
}

impl fmt::Debug for Centre {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Centre({})", self.inner.site)
    }
}

/// What there must be before anything else; says whether it was not there.
async fn make_site(tx: &mut Tx, vault: &Vault) -> Result<bool, CentreError> {
    let card_keys = vault.seal(Kept::CardKeys, &random::<32>()?)?;
    let id = SiteId(new_uuid()?);
    let first = db::site::make(tx, id, FIRST_NAME, card_keys).await?;
    if first {
        let seed = vault.seal(Kept::Secret, &random::<32>()?)?;
        db::secrets::make(tx, DIRECTORY_SEED, seed).await?;
        db::audit::make_end(tx).await?;
        let settings = [(
            platen_model::RecordId::Settings,
            db::objects::Standing::Kept,
        )];
        db::objects::change(tx, &settings).await?;
    }
    Ok(first)
}

/// A random UUID.
pub(super) fn new_uuid() -> Result<Uuid, CentreError> {
    Ok(uuid::Builder::from_random_bytes(random()?).into_uuid())
}
