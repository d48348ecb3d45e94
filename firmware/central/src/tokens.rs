// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Tokens for the API, made on the server's own machine: the first start's, and those of
//! `platen-central admin token`.

use std::io;
use std::path::PathBuf;

use platen_auth::secret::Secret;
use platen_central::app::{Actor, Administrator, AdministratorId, Centre, CentreError};
use ring::rand::{SecureRandom as _, SystemRandom};
use thiserror::Error;

use crate::args::TokenWish;
use crate::config::Config;
use crate::keys::write_private;

/// The administrator that the program itself makes.
const FIRST: &str = "admin";
const TOKEN_FILE: &str = "admin.token";
const FIRST_LABEL: &str = "first start";
/// The name under which the database keeps that the first start came to its end.
const FIRST_DONE: &str = "first-start";

/// Days that a token is good for, at most, and unless somebody says less.
pub(crate) const DAYS_MAX: u64 = 3650;

/// Why there is no token.
#[derive(Debug, Error)]
#[non_exhaustive]
pub(crate) enum TokenError {
    #[error(transparent)]
    Centre(#[from] CentreError),
    #[error("can't write {}", path.display())]
    Write {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("the system gives no random bytes")]
    NoRandomness,
    #[error("there is no token '{0}': see 'admin token list'")]
    Unknown(String),
}

/// At a site's first start: gives the site its name, makes an administrator whose password nobody
/// knows, and a token for it in the data directory. One that was cut off is gone through again.
///
/// # Errors
/// [`TokenError`]
pub(crate) async fn first(centre: &Centre, config: &Config) -> Result<(), TokenError> {
    if centre.secret(FIRST_DONE).await?.is_some() {
        return Ok(());
    }
    let path = config.data.join(TOKEN_FILE);
    let administrator = match centre.administrators().await?.as_slice() {
        [] => match make(centre).await {
            // Another server on this database was quicker, and writes the token.
            Err(TokenError::Centre(CentreError::Conflict { .. })) => return Ok(()),
            other => other?,
        },
        [only] if only.name == FIRST && !path.exists() => only.id,
        _ => return done(centre).await,
    };
    centre
        .rename_site(&Actor::Program, config.site.trim())
        .await?;
    let session = centre
        .issue_token(&Actor::Program, administrator, FIRST_LABEL, DAYS_MAX)
        .await?;
    let line = format!("{}\n", session.token);
    write_private(&path, line.as_bytes()).map_err(|source| TokenError::Write {
        path: path.clone(),
        source,
    })?;
    log::info!(path:% = path.display(); "wrote the first token");
    done(centre).await
}

async fn done(centre: &Centre) -> Result<(), TokenError> {
    centre.keep_secret(FIRST_DONE, &[1]).await?;
    Ok(())
}

/// Does what `admin token` asks for, and tells of it on standard output.
///
/// # Errors
/// [`TokenError`]
pub(crate) async fn serve(centre: &Centre, wish: &TokenWish) -> Result<(), TokenError> {
    let administrator = match find(centre).await? {
        Some(administrator) => administrator.id,
        None => make(centre).await?,
    };
    match wish {
        TokenWish::Create { name, days } => {
            let session = centre
                .issue_token(
                    &Actor::Program,
                    administrator,
                    name,
                    days.unwrap_or(DAYS_MAX),
                )
                .await?;
            println!("{}", session.token);
        }
        TokenWish::List => {
            for token in centre.tokens(administrator).await? {
                println!(
                    "{}  {}",
                    platen_model::utc(token.created_unix_ms),
                    token.label
                );
            }
        }
        TokenWish::Revoke { name } => {
            let tokens = centre.tokens(administrator).await?;
            let mut named = tokens
                .iter()
                .filter(|token| token.label == *name)
                .peekable();
            if named.peek().is_none() {
                return Err(TokenError::Unknown(name.clone()));
            }
            for token in named {
                centre.revoke_token(&Actor::Program, token.id).await?;
            }
        }
    }
    Ok(())
}

/// The administrator that the program made, or another one that may log in where that one may not.
async fn find(centre: &Centre) -> Result<Option<Administrator>, TokenError> {
    let all = centre.administrators().await?.into_iter();
    let active = all.filter(|administrator| administrator.active);
    Ok(active.min_by_key(|administrator| administrator.name != FIRST))
}

async fn make(centre: &Centre) -> Result<AdministratorId, TokenError> {
    let mut bytes = [0_u8; 32];
    SystemRandom::new()
        .fill(&mut bytes)
        .map_err(|_| TokenError::NoRandomness)?;
    let password: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    let secret = Secret::new(password);
    Ok(centre
        .create_administrator(&Actor::Program, FIRST, secret)
        .await?)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::start;
    use crate::test_site::TestSite;

    #[test]
    fn a_first_start_that_was_cut_off_is_gone_through_again() {
        let folder = tempfile::tempdir().unwrap();
        let (file, data) = (
            folder.path().join("central.toml"),
            folder.path().join("data"),
        );
        std::fs::create_dir_all(&data).unwrap();
        let data_text = data.display().to_string();
        std::fs::write(&file, format!("data = {data_text:?}\nsite = \"School\"\n")).unwrap();
        let config = Config::read(&file).unwrap();
        let token = data.join(TOKEN_FILE);
        smol::block_on(async {
            let (centre, _) = start::open_centre(&config).await.unwrap();
            make(&centre).await.unwrap();
            first(&centre, &config).await.unwrap();
            let text = std::fs::read_to_string(&token).unwrap();
            let whose = centre.administrator_of(text.trim()).await.unwrap();
            assert_eq!(whose.unwrap().name, FIRST);
            assert_eq!(centre.site().await.unwrap().name, "School");
            // It came to its end: a token that somebody deletes stays away.
            std::fs::remove_file(&token).unwrap();
            first(&centre, &config).await.unwrap();
            assert!(!token.exists());
            centre.close().await;
        });
    }

    #[test]
    fn a_token_is_made_for_another_administrator_when_the_first_may_not_log_in() {
        let site = TestSite::sqlite();
        let root = json!({ "name": "root", "password": "correct horse" });
        site.served("POST", "/v1/administrators", root);
        let centre = &site.central.centre;
        let name = || smol::block_on(find(centre)).unwrap().unwrap().name;
        assert_eq!(name(), FIRST);
        let own = smol::block_on(find(centre)).unwrap().unwrap().id;
        smol::block_on(centre.set_administrator_active(&Actor::Program, own, false)).unwrap();
        assert_eq!(name(), "root");
        let wish = TokenWish::Create {
            name: "console".to_owned(),
            days: None,
        };
        smol::block_on(serve(centre, &wish)).unwrap();
    }
}
