// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `[[printer]]`: a target printer.

use std::collections::BTreeSet;
use std::path::PathBuf;

use platen_wire::snmp::COMMUNITY_OCTETS_MAX;
use serde::Deserialize;

/// `[[printer]]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PrinterConfig {
    /// Name in `ipp/push/<name>` and on screens.
    pub(crate) name: String,
    /// `socket://host:port`, `lpd://host/queue`, `ipp://host/path`, `ipps://host/path`,
    /// `usb:auto`, `usb:/dev/usb/lp0`, `ippusb:auto` or `file:/directory`.
    pub(crate) uri: String,
    /// For `ipps:`: SHA-256 fingerprint of the printer's certificate, `sha256:` and 64 digits.
    #[serde(default)]
    pub(crate) tls_pin: Option<String>,
    /// For `ipps:`, instead: file with the certificates of authorities that may vouch for it, PEM.
    #[serde(default)]
    pub(crate) tls_ca: Option<PathBuf>,
    /// Whether the printer speaks PJL: copies and two-sided printing of a PDF are then set by it.
    #[serde(default)]
    pub(crate) pjl: bool,
    /// Whether the printer answers PJL status questions on its port.
    #[serde(default)]
    pub(crate) pjl_status: bool,
    /// Community by which a network printer's SNMP agent may be read, such as `public`: its state
    /// and its page counter are then asked. Without it the agent is left alone.
    #[serde(default)]
    pub(crate) snmp: Option<String>,
    /// UDP port of the printer's SNMP agent.
    #[serde(default = "default_snmp_port")]
    pub(crate) snmp_port: u16,
    /// MIME media types that the printer takes.
    #[serde(default = "default_formats")]
    pub(crate) formats: Vec<String>,
    /// Whether `ipp/push/<name>` exists: jobs that print without a badge.
    #[serde(default)]
    pub(crate) push: bool,
    /// Whether the printer prints in colour.
    #[serde(default = "default_true")]
    pub(crate) color: bool,
    /// Whether the printer prints on both sides.
    #[serde(default = "default_true")]
    pub(crate) duplex: bool,
    /// Seconds without a byte taken after which the printer counts as stopped.
    #[serde(default = "default_stall_s")]
    pub(crate) stall_s: u64,
    /// Seconds that a printer which tells of its jobs may be silent after the last byte before its
    /// report is given up; every page it tells of begins them anew. 0: its report is not waited for.
    #[serde(default = "default_report_s")]
    pub(crate) report_s: u64,
}

impl PrinterConfig {
    /// Whether a client may ask for two sides: the box must be able to pass the wish on.
    pub(crate) fn can_duplex(&self) -> bool {
        self.duplex && (self.pjl || self.is_ipp())
    }

    /// Media types for which the printer can be told sides and colours: by the words of its port,
    /// or by a frame of PJL around the document.
    pub(crate) fn told(&self) -> Vec<String> {
        match (self.is_ipp(), self.pjl) {
            (true, _) => self.formats.clone(),
            (false, true) => vec!["application/pdf".into()],
            (false, false) => Vec::new(),
        }
    }

    /// What is wrong with the keys of TLS.
    fn tls_problem(&self) -> Option<&'static str> {
        match (&self.tls_pin, &self.tls_ca) {
            (None, None) => None,
            (Some(_), Some(_)) => Some("set tls_pin or tls_ca, not both"),
            _ => (!self.uri.starts_with("ipps:"))
                .then_some("only an ipps: printer has a certificate"),
        }
    }

    /// What is wrong with the SNMP keys.
    fn snmp_problem(&self) -> Option<&'static str> {
        let community = self.snmp.as_ref()?;
        let scheme = self.uri.split(':').next().unwrap_or_default();
        if community.is_empty() || community.len() > COMMUNITY_OCTETS_MAX || self.snmp_port == 0 {
            return Some("name a community of 1 to 255 bytes and a port that is not 0");
        }
        let local = matches!(scheme, "usb" | "ippusb" | "file");
        local.then_some("only a network printer has an SNMP agent")
    }

    /// Whether the port puts PJL around each job and hears of its end: the printer speaks PJL and
    /// answers on a way that is read.
    pub(crate) fn reports_jobs(&self) -> bool {
        self.pjl && self.pjl_status && self.uri.starts_with("socket:")
    }

    /// Whether the printer is told a job's wishes in words of its port, and PJL has no place.
    pub(crate) fn is_ipp(&self) -> bool {
        let scheme = self.uri.split(':').next();
        matches!(scheme, Some("ipp" | "ipps" | "ippusb"))
    }

    /// The key that has a problem, and what to write.
    fn problem(&self) -> Option<(&'static str, &'static str)> {
        if !is_path_word(&self.name) {
            return Some(("printer.name", "use letters, digits, '-' and '_' only"));
        }
        if self.formats.is_empty() {
            return Some(("printer.formats", "name at least one format"));
        }
        let tls = self
            .tls_problem()
            .map(|problem| ("printer.tls_pin", problem));
        tls.or_else(|| Some(("printer.snmp", self.snmp_problem()?)))
    }
}

/// What is wrong with the printers: a key, and what to write.
pub(super) fn problem(printers: &[PrinterConfig]) -> Option<(&'static str, &'static str)> {
    if printers.is_empty() {
        return Some(("printer", "name at least one target printer as [[printer]]"));
    }
    let names: BTreeSet<&str> = printers.iter().map(|one| one.name.as_str()).collect();
    if names.len() < printers.len() {
        return Some(("printer.name", "two printers have the same name"));
    }
    printers.iter().find_map(PrinterConfig::problem)
}

fn is_path_word(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= 63
        && name
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'))
}

fn default_formats() -> Vec<String> {
    [
        "application/pdf",
        "image/jpeg",
        "image/pwg-raster",
        "image/urf",
    ]
    .map(str::to_owned)
    .into()
}

fn default_true() -> bool {
    true
}

fn default_snmp_port() -> u16 {
    161
}

fn default_report_s() -> u64 {
    120
}

fn default_stall_s() -> u64 {
    60
}
