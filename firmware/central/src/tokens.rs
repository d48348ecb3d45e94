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
/// knows, and a token for it in the data directory.
///
/// # Errors
/// [`TokenError`]
pub(crate) async fn first(centre: &Centre, config: &Config) -> Result<(), TokenError> {
    if centre.has_administrator().await? {
        return Ok(());
    }
    let administrator = match make(centre).await {
        // Another server on this database was quicker, and writes the token.
        Err(TokenError::Centre(CentreError::Conflict { .. })) => return Ok(()),
        other => other?,
    };
    centre
        .rename_site(&Actor::Program, config.site.trim())
        .await?;
    let session = centre
        .issue_token(&Actor::Program, administrator, FIRST_LABEL, DAYS_MAX)
        .await?;
    let path = config.data.join(TOKEN_FILE);
    let line = format!("{}\n", session.token);
    write_private(&path, line.as_bytes()).map_err(|source| TokenError::Write {
        path: path.clone(),
        source,
    })?;
    log::info!(path:% = path.display(); "wrote the first token");
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

async fn find(centre: &Centre) -> Result<Option<Administrator>, TokenError> {
    let all = centre.administrators().await?;
    Ok(all
        .into_iter()
        .find(|administrator| administrator.name == FIRST))
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
