// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `node.toml`: what an administrator sets. Unknown keys are errors that name the line.

mod printer;
mod update;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};

use platen_net::{HttpsClient, HttpsOptions, NAME_MAX};
use serde::Deserialize;
use thiserror::Error;

pub(crate) use self::printer::PrinterConfig;
pub(crate) use self::update::UpdateConfig;

/// The line islands are 14 hours ahead of UTC.
const UTC_OFFSET_MAX: u16 = 14 * 60;

/// Everything in `node.toml`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    /// Directory of everything durable.
    #[serde(default = "default_data")]
    pub(crate) data: PathBuf,
    /// Unix socket of the local API.
    #[serde(default = "default_socket")]
    pub(crate) socket: PathBuf,
    /// Board file: which part is on which bus.
    #[serde(default = "default_board")]
    pub(crate) board: PathBuf,
    /// Language of the panel's sentences.
    #[serde(default)]
    pub(crate) language: Language,
    #[serde(default)]
    pub(crate) ipp: IppConfig,
    #[serde(default)]
    pub(crate) announce: AnnounceConfig,
    /// The box's own web page; none without this section.
    pub(crate) web: Option<WebConfig>,
    #[serde(default)]
    pub(crate) spool: SpoolConfig,
    #[serde(default)]
    pub(crate) cards: CardsConfig,
    #[serde(default)]
    pub(crate) centre: CentreConfig,
    #[serde(default)]
    pub(crate) rules: RulesConfig,
    #[serde(default)]
    pub(crate) update: UpdateConfig,
    /// Target printers; a tap releases to the first.
    #[serde(default, rename = "printer")]
    pub(crate) printers: Vec<PrinterConfig>,
}

/// `[ipp]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct IppConfig {
    /// Addresses to listen on; `ipp://` and `ipps://` share each port.
    pub(crate) listen: Vec<SocketAddr>,
    /// Largest document taken, in MiB.
    pub(crate) max_document_mib: u64,
}

impl Default for IppConfig {
    fn default() -> Self {
        let any = SocketAddr::from(([0, 0, 0, 0, 0, 0, 0, 0], 631));
        Self {
            listen: vec![any],
            max_document_mib: 2048,
        }
    }
}

/// `[web]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct WebConfig {
    /// Addresses to listen on.
    pub(crate) listen: Vec<SocketAddr>,
    /// How phones reach the page, such as `https://print.example.org`; without it the box's own
    /// name is used, which phones find by multicast DNS.
    pub(crate) address: Option<String>,
    /// Displays at the box: these addresses may show the code for phones.
    pub(crate) displays: Vec<IpAddr>,
}

impl Default for WebConfig {
    fn default() -> Self {
        let any = SocketAddr::from(([0, 0, 0, 0, 0, 0, 0, 0], 443));
        let (four, six) = (Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into());
        Self {
            listen: vec![any],
            address: None,
            displays: vec![four, six],
        }
    }
}

impl WebConfig {
    fn problem(&self) -> Option<(&'static str, &'static str)> {
        if self.listen.is_empty() {
            let problem = "name at least one address, such as \"[::]:443\"";
            return Some(("web.listen", problem));
        }
        let plain = |c: char| c.is_ascii_alphanumeric() || "-.:[]".contains(c);
        let fits = |address: &String| {
            let host = address.strip_prefix("https://");
            host.is_some_and(|host| {
                !host.is_empty() && host.len() <= 200 && host.chars().all(plain)
            })
        };
        let wrong = self.address.as_ref().is_some_and(|address| !fits(address));
        wrong.then_some((
            "web.address",
            "write it as https://name or https://name:port, without anything behind it",
        ))
    }
}

/// `[announce]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct AnnounceConfig {
    /// Where to announce the queue by DNS-SD.
    pub(crate) interfaces: Interfaces,
    /// Name that people see when they add a printer.
    pub(crate) name: String,
    /// Where the box stands.
    pub(crate) location: String,
}

impl Default for AnnounceConfig {
    fn default() -> Self {
        let (name, location) = ("Platen".to_owned(), String::new());
        Self {
            interfaces: Interfaces::All,
            name,
            location,
        }
    }
}

/// Where the box announces itself.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Interfaces {
    /// Every interface.
    All,
    /// The loopback interface alone.
    Loopback,
    /// Nowhere.
    Off,
}

/// `[spool]`
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct SpoolConfig {
    /// Hours after which a job nobody collects is erased.
    pub(crate) keep_hours: u64,
    /// Free space that stays reserved for release and journal, in MiB.
    pub(crate) reserve_mib: u64,
}

impl Default for SpoolConfig {
    fn default() -> Self {
        Self {
            keep_hours: 24,
            reserve_mib: 32,
        }
    }
}

/// `[centre]`
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct CentreConfig {
    /// Where the site's centre takes its boxes, such as `https://print.example.org:8445`; without it
    /// the box is on its own.
    pub(crate) url: Option<String>,
}

/// `[cards]`
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct CardsConfig {
    /// What becomes of cards whose number is only read, and not proved with a key.
    pub(crate) weak: WeakCards,
}

/// What a card that proves nothing may do.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum WeakCards {
    /// As much as one that proves itself.
    #[default]
    Accept,
    /// Nothing.
    Refuse,
}

/// `[rules]`
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct RulesConfig {
    /// Minutes by which the time where the box stands is ahead of UTC, for rules with times of day.
    pub(crate) utc_offset_minutes: i16,
    /// What becomes of jobs on a push queue under a name that is nobody's.
    pub(crate) unknown_owner: UnknownOwner,
}

/// What becomes of a push job whose owner is not known.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum UnknownOwner {
    /// It waits where the site has quotas, for nobody could be charged; else it prints.
    #[default]
    HoldUnderQuotas,
    /// It prints, by the rules for everybody.
    Print,
    /// It waits until it expires or its owner is known.
    Hold,
}

/// Language of the panel.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Language {
    /// English.
    #[default]
    En,
    /// Simplified Chinese.
    Zh,
}

/// Why the configuration can't be used.
#[derive(Debug, Error)]
#[non_exhaustive]
pub(crate) enum ConfigError {
    #[error("can't read {}", path.display())]
    Read {
        path: PathBuf,
        source: std::io::Error,
    },
    #[error("{} is not valid:\n{message}", path.display())]
    Parse { path: PathBuf, message: String },
    #[error("{}: {key}: {problem}", path.display())]
    Value {
        path: PathBuf,
        key: String,
        problem: &'static str,
    },
}

impl Config {
    /// Reads and checks the file at `path`.
    pub(crate) fn read(path: &Path) -> Result<Self, ConfigError> {
        let text = std::fs::read_to_string(path).map_err(|source| ConfigError::Read {
            path: path.to_owned(),
            source,
        })?;
        let config: Self = toml::from_str(&text).map_err(|error| ConfigError::Parse {
            path: path.to_owned(),
            message: error.to_string(),
        })?;
        config.check(path)?;
        Ok(config)
    }

    fn check(&self, path: &Path) -> Result<(), ConfigError> {
        let fault = |key: &str, problem| {
            Err(ConfigError::Value {
                path: path.to_owned(),
                key: key.to_owned(),
                problem,
            })
        };
        if self.ipp.listen.is_empty() {
            return fault(
                "ipp.listen",
                "name at least one address, such as \"[::]:631\"",
            );
        }
        if let Some((key, problem)) = self.web.as_ref().and_then(WebConfig::problem) {
            return fault(key, problem);
        }
        if let Some(url) = &self.centre.url
            && HttpsClient::new(url, HttpsOptions::default()).is_err()
        {
            return fault(
                "centre.url",
                "write it as https://host:8445, with the name or address of the centre",
            );
        }
        if self.announce.name.is_empty() || self.announce.name.len() > NAME_MAX {
            return fault(
                "announce.name",
                "use 1 to 58 bytes: DNS-SD allows 63, and a second box of that name gets ' (2)'",
            );
        }
        if self.rules.utc_offset_minutes.unsigned_abs() > UTC_OFFSET_MAX {
            return fault(
                "rules.utc_offset_minutes",
                "use -840 to 840, such as 480 for China",
            );
        }
        if self.update.window.is_some() && self.update_window().is_none() {
            return fault("update.window", "write two times of day, as in 02:00-05:00");
        }
        if let Some((key, problem)) = printer::problem(&self.printers) {
            return fault(key, problem);
        }
        Ok(())
    }
}

fn default_data() -> PathBuf {
    "/var/lib/platen".into()
}

fn default_socket() -> PathBuf {
    "/run/platen/node.sock".into()
}

fn default_board() -> PathBuf {
    "/etc/platen/board.toml".into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Config, ConfigError> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        Config::read(file.path())
    }

    const PRINTER: &str = "[[printer]]\nname = \"p\"\nuri = \"socket://127.0.0.1:9100\"\n";

    #[test]
    fn one_printer_is_enough() {
        let config = parse(PRINTER).unwrap();
        assert_eq!(config.spool.keep_hours, 24);
        assert_eq!(config.printers[0].formats.len(), 4);
    }

    #[test]
    fn an_unknown_key_is_named_with_its_line() {
        let error = parse(&format!("dta = \"x\"\n{PRINTER}"))
            .unwrap_err()
            .to_string();
        assert!(error.contains("line 1") && error.contains("dta"), "{error}");
    }

    #[test]
    fn a_window_that_is_none_is_refused() {
        let window = |text: &str| parse(&format!("[update]\nwindow = {text:?}\n{PRINTER}"));
        let config = window("22:30-05:00").unwrap();
        assert!(config.update_window().is_some());
        assert!(parse(PRINTER).unwrap().update_window().is_none());
        let error = window("2-5").unwrap_err().to_string();
        assert!(error.contains("update.window"), "{error}");
    }

    #[test]
    fn snmp_wants_a_community_and_a_network_printer() {
        let config = parse(&format!("{PRINTER}snmp = \"public\"\n")).unwrap();
        assert_eq!(config.printers[0].snmp_port, 161);
        let local = PRINTER.replace("socket://127.0.0.1:9100", "usb:");
        for wrong in [
            format!("{PRINTER}snmp = \"\"\n"),
            format!("{PRINTER}snmp = \"public\"\nsnmp_port = 0\n"),
            format!("{local}snmp = \"public\"\n"),
        ] {
            let error = parse(&wrong).unwrap_err().to_string();
            assert!(error.contains("printer.snmp"), "{error}");
        }
    }

    #[test]
    fn there_is_no_web_page_unless_it_is_asked_for() {
        assert!(parse(PRINTER).unwrap().web.is_none());
        let web = parse(&format!("[web]\n{PRINTER}")).unwrap().web.unwrap();
        assert_eq!(web.listen[0].port(), 443);
        for (wrong, key) in [
            ("listen = []", "web.listen"),
            ("address = \"http://box\"", "web.address"),
            ("address = \"https://box/page\"", "web.address"),
            ("address = \"https://\"", "web.address"),
        ] {
            let error = parse(&format!("[web]\n{wrong}\n{PRINTER}")).unwrap_err();
            assert!(error.to_string().contains(key), "{error}");
        }
    }

    #[test]
    fn a_centre_is_reached_by_https_alone() {
        let config = parse(&format!("{PRINTER}[centre]\nurl = \"https://a:8445\"\n")).unwrap();
        assert_eq!(config.centre.url.as_deref(), Some("https://a:8445"));
        assert!(parse(PRINTER).unwrap().centre.url.is_none());
        for wrong in ["http://a:8445", "a:8445", "", "https://a b"] {
            let text = format!("{PRINTER}[centre]\nurl = \"{wrong}\"\n");
            let error = parse(&text).unwrap_err().to_string();
            assert!(error.contains("centre.url"), "{error}");
        }
    }

    #[test]
    fn a_printer_name_that_is_no_path_word_is_refused() {
        let error = parse(&PRINTER.replace("\"p\"", "\"a/b\""))
            .unwrap_err()
            .to_string();
        assert!(error.contains("printer.name"), "{error}");
    }
}
