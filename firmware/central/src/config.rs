// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `central.toml`: what an administrator sets. Unknown keys are errors that name the line; an empty
//! file is enough.

use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use thiserror::Error;
use zeroize::Zeroizing;

/// Names the database instead of the configuration, for those who keep passwords elsewhere.
const DATABASE_VARIABLE: &str = "PLATEN_CENTRAL_DATABASE";
/// Longest name of a site.
const SITE_OCTETS_MAX: usize = 64;
/// Names of the server beside those it finds by itself.
const NAMES_MAX: usize = 32;

/// Everything in `central.toml`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Config {
    /// Directory of everything that this server keeps in files.
    pub(crate) data: PathBuf,
    /// The site's name, as boxes show it. Counts at the site's first start.
    pub(crate) site: String,
    /// Host names and addresses by which boxes and administrators reach this server, beside those
    /// it knows by itself.
    pub(crate) names: Vec<String>,
    /// Where the database is: `postgres://user:password@host/name`. Without it: SQLite, in `data`.
    database: Option<DatabaseUrl>,
    /// A file that holds it instead.
    database_file: Option<PathBuf>,
    /// The key file; servers on one database need the same. Without it: `secret.key` in `data`.
    secret_file: Option<PathBuf>,
    pub(crate) api: ApiConfig,
    pub(crate) sync: SyncConfig,
    pub(crate) authority: AuthorityConfig,
}

/// `[api]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct ApiConfig {
    /// Addresses of the HTTPS API.
    pub(crate) listen: Vec<SocketAddr>,
}

/// `[sync]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct SyncConfig {
    /// Addresses that boxes speak to.
    pub(crate) listen: Vec<SocketAddr>,
}

/// `[authority]`: the site's own, where there is one.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct AuthorityConfig {
    /// The certificate that signs, then those that vouch for it, PEM.
    pub(crate) certificate: Option<PathBuf>,
    /// Its key, PKCS #8 in PEM.
    pub(crate) key: Option<PathBuf>,
}

/// Where the database is. May hold a password, so it shows itself nowhere.
#[derive(Clone, Deserialize)]
#[serde(from = "String")]
pub(crate) struct DatabaseUrl(Zeroizing<String>);

impl DatabaseUrl {
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<String> for DatabaseUrl {
    fn from(url: String) -> Self {
        Self(Zeroizing::new(url))
    }
}

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DatabaseUrl")
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            data: "/var/lib/platen-central".into(),
            site: "Platen".to_owned(),
            names: Vec::new(),
            database: None,
            database_file: None,
            secret_file: None,
            api: ApiConfig::default(),
            sync: SyncConfig::default(),
            authority: AuthorityConfig::default(),
        }
    }
}

impl Default for ApiConfig {
    fn default() -> Self {
        let listen = vec![any(8443)];
        Self { listen }
    }
}

impl Default for SyncConfig {
    fn default() -> Self {
        let listen = vec![any(8445)];
        Self { listen }
    }
}

fn any(port: u16) -> SocketAddr {
    SocketAddr::from(([0, 0, 0, 0, 0, 0, 0, 0], port))
}

impl Config {
    /// Reads and checks the file at `path`.
    ///
    /// # Errors
    /// [`ConfigError`], which says what to change.
    pub(crate) fn read(path: &Path) -> Result<Self, ConfigError> {
        let text = std::fs::read_to_string(path).map_err(|source| ConfigError::Read {
            path: path.to_owned(),
            source,
        })?;
        let config: Self = toml::from_str(&text).map_err(|error| ConfigError::Parse {
            path: path.to_owned(),
            message: tell(&error, &text),
        })?;
        config.check(path)?;
        Ok(config)
    }

    /// Where the database is: by the environment, a file, the configuration, or SQLite in the data
    /// directory.
    ///
    /// # Errors
    /// [`ConfigError::Read`] for a file that can't be read, [`ConfigError::Database`] for what names
    /// no database.
    pub(crate) fn database(&self) -> Result<DatabaseUrl, ConfigError> {
        let url = match (std::env::var(DATABASE_VARIABLE), &self.database_file) {
            (Ok(url), _) => DatabaseUrl(Zeroizing::new(url)),
            (Err(_), Some(path)) => DatabaseUrl(read_line(path)?),
            (Err(_), None) => match &self.database {
                Some(url) => url.clone(),
                None => {
                    let file = self.data.join("central.db");
                    DatabaseUrl(Zeroizing::new(format!("sqlite://{}", file.display())))
                }
            },
        };
        let known = ["postgres://", "postgresql://", "sqlite://"];
        if known.iter().any(|scheme| url.as_str().starts_with(scheme)) {
            Ok(url)
        } else {
            Err(ConfigError::Database)
        }
    }

    /// The key file.
    pub(crate) fn secret_file(&self) -> PathBuf {
        let own = || self.data.join("secret.key");
        self.secret_file.clone().unwrap_or_else(own)
    }

    fn check(&self, path: &Path) -> Result<(), ConfigError> {
        let fault = |key: &'static str, problem| {
            Err(ConfigError::Value {
                path: path.to_owned(),
                key,
                problem,
            })
        };
        if self.site.trim().is_empty() || self.site.len() > SITE_OCTETS_MAX {
            return fault("site", "use 1 to 64 bytes");
        }
        if self.names.len() > NAMES_MAX || self.names.iter().any(|name| !is_name(name)) {
            return fault(
                "names",
                "at most 32 host names or addresses, without scheme and port",
            );
        }
        if self.api.listen.is_empty() {
            return fault(
                "api.listen",
                "name at least one address, such as \"[::]:8443\"",
            );
        }
        if self.sync.listen.is_empty() {
            return fault(
                "sync.listen",
                "name at least one address, such as \"[::]:8445\"",
            );
        }
        if self.database.is_some() && self.database_file.is_some() {
            return fault("database_file", "set database or database_file, not both");
        }
        if self.authority.certificate.is_some() != self.authority.key.is_some() {
            return fault("authority", "certificate and key belong together");
        }
        Ok(())
    }
}

/// Only the place and the reason: the line itself may hold a password.
fn tell(error: &toml::de::Error, text: &str) -> String {
    let line = error.span().map(|span| {
        let before = text.get(..span.start).unwrap_or(text);
        before.matches('\n').count() + 1
    });
    match line {
        Some(line) => format!("line {line}: {}", error.message()),
        None => error.message().to_owned(),
    }
}

fn read_line(path: &Path) -> Result<Zeroizing<String>, ConfigError> {
    let text = std::fs::read_to_string(path).map_err(|source| ConfigError::Read {
        path: path.to_owned(),
        source,
    })?;
    let text = Zeroizing::new(text);
    Ok(Zeroizing::new(text.trim().to_owned()))
}

fn is_name(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= 253
        && name
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | ':'))
}

/// Why the configuration can't be used.
#[derive(Debug, Error)]
#[non_exhaustive]
pub(crate) enum ConfigError {
    #[error("can't read {}", path.display())]
    Read {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("{} is not valid: {message}", path.display())]
    Parse { path: PathBuf, message: String },
    #[error("{}: {key}: {problem}", path.display())]
    Value {
        path: PathBuf,
        key: &'static str,
        problem: &'static str,
    },
    #[error(
        "the database is named as postgres://user:password@host/name or sqlite:///file, in \
         'database', in 'database_file' or in PLATEN_CENTRAL_DATABASE"
    )]
    Database,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Config, ConfigError> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        Config::read(file.path())
    }

    #[test]
    fn an_empty_file_is_enough() {
        let config = parse("").unwrap();
        assert_eq!(config.api.listen, [any(8443)]);
        assert_eq!(config.sync.listen, [any(8445)]);
        let url = config.database().unwrap();
        assert_eq!(url.as_str(), "sqlite:///var/lib/platen-central/central.db");
        assert_eq!(
            config.secret_file(),
            Path::new("/var/lib/platen-central/secret.key")
        );
    }

    #[test]
    fn an_unknown_key_is_named_with_its_line() {
        let error = parse("site = \"x\"\n[api]\nlisen = []\n")
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("line 3") && error.contains("lisen"),
            "{error}"
        );
    }

    #[test]
    fn a_password_shows_in_no_message() {
        let url = "postgres://platen:hunter2@db/platen";
        let config = parse(&format!("database = \"{url}\"\n")).unwrap();
        assert_eq!(config.database().unwrap().as_str(), url);
        assert!(!format!("{config:?}").contains("hunter2"));
        let error = parse(&format!("database = [\"{url}\"]\n")).unwrap_err();
        let told = format!("{error} {error:?}");
        assert!(
            told.contains("line 1") && !told.contains("hunter2"),
            "{told}"
        );
        let error = parse(&format!("databas = \"{url}\"\n")).unwrap_err();
        assert!(!format!("{error} {error:?}").contains("hunter2"));
    }

    #[test]
    fn the_database_may_stand_in_a_file() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "postgres://platen@db/platen\n").unwrap();
        let line = format!("database_file = {:?}\n", file.path().display().to_string());
        let config = parse(&line).unwrap();
        let url = config.database().unwrap();
        assert_eq!(url.as_str(), "postgres://platen@db/platen");
        let both = format!("{line}database = \"sqlite:///x\"\n");
        assert!(parse(&both).is_err());
    }

    #[test]
    fn what_names_no_database_and_half_an_authority_are_refused() {
        let mysql = parse("database = \"mysql://x\"\n").unwrap();
        assert!(matches!(mysql.database(), Err(ConfigError::Database)));
        for text in [
            "[authority]\nkey = \"x\"\n",
            "site = \"\"\n",
            "names = [\"https://x\"]\n",
            "[api]\nlisten = []\n",
            "[sync]\nlisten = []\n",
        ] {
            assert!(
                matches!(parse(text), Err(ConfigError::Value { .. })),
                "{text}"
            );
        }
    }
}
