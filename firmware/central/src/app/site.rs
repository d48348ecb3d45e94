// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The site itself: its name, its settings, its keys, and its secrets, which all servers share.

use platen_model::{CardKey, RecordId, Settings, SiteId};
use platen_sync::card::rekey;
use platen_sync::centre::recovery::next_generation;
use platen_sync::limits::SITE_KEYS_MAX;
use platen_sync::message::{Hash, SiteKeys};
use serde::{Deserialize, Serialize};
use serde_json::json;
use zeroize::Zeroizing;

use super::records::check_name;
use super::vault::{Kept, random};
use super::{Actor, Centre, CentreError};
use crate::db::objects::Standing;
use crate::db::{self, Tx, site::Site};

/// Card hashes that get a new key at a time.
const REKEYED_AT_ONCE: u64 = 2000;
/// Days, tries and minutes of the settings, at most.
const DAYS_MAX: u32 = 3650;
const TRIES_MAX: u32 = 100;
const MINUTES_MAX: u32 = 7 * 24 * 60;
/// Bytes of a secret, at most.
const SECRET_BYTES_MAX: usize = 64 << 10;

/// What there is to know of a site.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct SiteFacts {
    /// Its id.
    pub id: SiteId,
    /// Its name.
    pub name: String,
    /// Counts up when boxes are to fetch the whole directory anew.
    pub generation: u64,
    /// Revision of the directory's last change.
    pub revision: u64,
    /// How many keys are behind the card hashes.
    pub keys: u32,
    /// What the site decides for all its boxes.
    pub settings: Settings,
    /// When the database was last put back from a backup, wall milliseconds since 1970; 0 for never.
    pub restored_unix_ms: u64,
}

impl Centre {
    /// What there is to know of the site.
    ///
    /// # Errors
    /// [`CentreError`], of the database.
    pub async fn site(&self) -> Result<SiteFacts, CentreError> {
        let site = db::site::read(&mut *self.read().await?).await?;
        Ok(SiteFacts {
            id: site.id,
            name: site.name,
            generation: site.generation,
            revision: site.revision,
            keys: site.keys,
            settings: site.settings,
            restored_unix_ms: site.restored_unix_ms,
        })
    }

    /// Gives the site another name.
    ///
    /// # Errors
    /// [`CentreError::Invalid`] for a name that is none.
    pub async fn rename_site(&self, actor: &Actor, name: &str) -> Result<(), CentreError> {
        let name = check_name("name", name)?;
        let (mut tx, _) = self.change().await?;
        db::site::rename(&mut tx, &name).await?;
        self.record(
            &mut tx,
            actor,
            "site-renamed",
            "site",
            json!({ "name": name }),
        )
        .await?;
        tx.commit().await
    }

    /// Changes what the site decides for its boxes.
    ///
    /// # Errors
    /// [`CentreError::Invalid`] for figures out of range.
    pub async fn set_settings(&self, actor: &Actor, settings: Settings) -> Result<(), CentreError> {
        check_settings(&settings)?;
        let (mut tx, _) = self.change().await?;
        db::site::set_settings(&mut tx, &settings).await?;
        db::objects::change(&mut tx, &[(RecordId::Settings, Standing::Kept)]).await?;
        let detail = serde_json::to_value(&settings).unwrap_or_default();
        self.record(&mut tx, actor, "settings-changed", "settings", detail)
            .await?;
        tx.commit().await
    }

    /// The public key that boxes check the directory with, Ed25519.
    #[must_use]
    pub fn directory_key(&self) -> Hash {
        self.inner.signer.public()
    }

    /// The keys of card hashes, oldest first.
    ///
    /// # Errors
    /// [`CentreError`], of the database.
    pub async fn site_keys(&self) -> Result<SiteKeys, CentreError> {
        let site = db::site::read(&mut *self.read().await?).await?;
        self.keys_of(&site)
    }

    pub(super) fn keys_of(&self, site: &Site) -> Result<SiteKeys, CentreError> {
        let plain = self.inner.vault.open(Kept::CardKeys, &site.card_keys);
        let plain = plain.ok_or(CentreError::WrongKey)?;
        let (keys, rest) = plain.as_chunks::<32>();
        let whole = rest.is_empty() && u32::try_from(keys.len()) == Ok(site.keys);
        let keys = keys.iter().map(|key| Hash(*key)).collect();
        whole
            .then_some(SiteKeys { keys })
            .ok_or(CentreError::corrupt("list of card keys"))
    }

    /// Puts a new key on top of all card hashes, without any card being there, and lets boxes fetch
    /// everything anew. Returns the new generation.
    ///
    /// # Errors
    /// [`CentreError::Conflict`] when there are 64 keys.
    pub async fn rotate_card_key(&self, actor: &Actor) -> Result<u64, CentreError> {
        let (mut tx, site) = self.change().await?;
        let mut keys = self.keys_of(&site)?;
        if keys.keys.len() >= SITE_KEYS_MAX {
            return Err(CentreError::conflict(
                "there are as many card keys as there may be: bind all cards anew at a new site",
            ));
        }
        let key = Hash(random()?);
        rekey_all(&mut tx, &key).await?;
        keys.keys.push(key);
        let plain: Zeroizing<Vec<u8>> =
            Zeroizing::new(keys.keys.iter().flat_map(|key| key.0).collect());
        let sealed = self.inner.vault.seal(Kept::CardKeys, &plain)?;
        let count = u32::try_from(keys.keys.len()).unwrap_or(u32::MAX);
        let generation = next_generation(site.generation, self.now_ms());
        db::site::set_card_keys(&mut tx, count, sealed).await?;
        db::site::set_generation(&mut tx, generation).await?;
        let detail = json!({ "keys": count, "generation": generation });
        self.record(&mut tx, actor, "card-key-rotated", "site", detail)
            .await?;
        tx.commit().await?;
        Ok(generation)
    }

    /// Says that the database was put back from a backup: boxes fetch the directory anew, and no quota
    /// is given in the periods that run until every box has told which leases it has. Returns the
    /// new generation.
    ///
    /// # Errors
    /// [`CentreError`], of the database.
    pub async fn after_restore(&self, actor: &Actor) -> Result<u64, CentreError> {
        let mut tx = self.write().await?;
        // Boxes' rows before the site's, as everywhere.
        db::nodes::await_all(&mut tx).await?;
        let site = db::site::lock(&mut tx).await?;
        let now = self.now_ms();
        let generation = next_generation(site.generation, now);
        db::site::set_generation(&mut tx, generation).await?;
        db::site::set_restored(&mut tx, now).await?;
        let detail = json!({ "generation": generation });
        self.record(&mut tx, actor, "database-restored", "site", detail)
            .await?;
        tx.commit().await?;
        Ok(generation)
    }

    /// A secret of the site by its name.
    ///
    /// # Errors
    /// [`CentreError::WrongKey`] when it does not open.
    pub async fn secret(&self, name: &str) -> Result<Option<Zeroizing<Vec<u8>>>, CentreError> {
        let sealed = db::secrets::read(&mut *self.read().await?, name).await?;
        sealed.map(|sealed| self.opened(&sealed)).transpose()
    }

    fn opened(&self, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, CentreError> {
        let plain = self.inner.vault.open(Kept::Secret, sealed);
        plain.ok_or(CentreError::WrongKey)
    }

    /// Keeps a secret unless there is one of that name, and returns the one that is kept: of two
    /// servers that make one at once, both get the first one's.
    ///
    /// # Errors
    /// [`CentreError::Invalid`] for one that is too long.
    pub async fn keep_secret(
        &self,
        name: &str,
        secret: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, CentreError> {
        let sealed = self.sealed_secret(secret)?;
        let mut tx = self.write().await?;
        db::secrets::make(&mut tx, name, sealed).await?;
        let kept = db::secrets::read(&mut tx, name).await?;
        tx.commit().await?;
        self.opened(&kept.ok_or(CentreError::corrupt("secret"))?)
    }

    /// Keeps a secret in place of the one of that name.
    ///
    /// # Errors
    /// [`CentreError::Invalid`] for one that is too long.
    pub async fn replace_secret(
        &self,
        actor: &Actor,
        name: &str,
        secret: &[u8],
    ) -> Result<(), CentreError> {
        let sealed = self.sealed_secret(secret)?;
        let mut tx = self.write().await?;
        db::secrets::replace(&mut tx, name, sealed).await?;
        let object = format!("secret:{name}");
        self.record(&mut tx, actor, "secret-replaced", object, json!({}))
            .await?;
        tx.commit().await
    }

    fn sealed_secret(&self, secret: &[u8]) -> Result<Vec<u8>, CentreError> {
        if secret.len() > SECRET_BYTES_MAX {
            return Err(CentreError::invalid("secret", "longer than 64 KiB"));
        }
        self.inner.vault.seal(Kept::Secret, secret)
    }
}

async fn rekey_all(tx: &mut Tx, key: &Hash) -> Result<(), CentreError> {
    let mut after = String::new();
    loop {
        let keys = db::credentials::keys_after(tx, &after, REKEYED_AT_ONCE).await?;
        let Some((last, _)) = keys.last() else {
            return Ok(());
        };
        after.clone_from(last);
        let new: Vec<(String, CardKey)> = keys
            .into_iter()
            .map(|(id, old)| (id, rekey(old, key)))
            .collect();
        db::credentials::set_keys(tx, &new).await?;
    }
}

fn check_settings(settings: &Settings) -> Result<(), CentreError> {
    let range = |field, value: u32, min: u32, max: u32| {
        let within = (min..=max).contains(&value);
        within
            .then_some(())
            .ok_or_else(|| CentreError::invalid(field, format!("must be {min} to {max}")))
    };
    range("cache_days", settings.cache_days, 0, DAYS_MAX)?;
    range("seen_days", settings.seen_days, 0, DAYS_MAX)?;
    range("tries", settings.tries, 1, TRIES_MAX)?;
    range("locked_minutes", settings.locked_minutes, 1, MINUTES_MAX)
}
