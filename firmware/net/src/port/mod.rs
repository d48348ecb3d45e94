// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Printer ports over the network. (Ports on the box itself, `usb:` and `file:`, are the hardware
//! crate's.)

mod ipp;
mod lpr;
mod quirks;
mod send_queue;
mod snmp;
mod socket;
mod tcp;

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

pub use ipp::{IppFault, IppOptions, IppPort};
pub use lpr::{LprOptions, LprPort};
pub use snmp::{SnmpOptions, SnmpPort};
pub use socket::{SocketOptions, SocketPort};

/// Longest host name, RFC 1035 §2.3.4.
const HOST_MAX: usize = 253;

/// Longest resource path or queue name, in bytes.
const PATH_MAX: usize = 255;

/// How a printer's bytes travel.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum PortScheme {
    /// RAW over TCP, as JetDirect boxes have it: port 9100.
    Socket,
    /// Line printer daemon, RFC 1179: port 515, the path is the queue's name.
    Lpd,
    /// IPP over HTTP, RFC 8010 and 3510: port 631.
    Ipp,
    /// IPP over HTTPS, RFC 7472: port 631.
    Ipps,
}

impl PortScheme {
    const ALL: [Self; 4] = [Self::Socket, Self::Lpd, Self::Ipp, Self::Ipps];

    /// The scheme's name in a URI.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Socket => "socket",
            Self::Lpd => "lpd",
            Self::Ipp => "ipp",
            Self::Ipps => "ipps",
        }
    }

    /// The TCP port that a URI without one means.
    #[must_use]
    pub fn default_port(self) -> u16 {
        match self {
            Self::Socket => 9100,
            Self::Lpd => 515,
            Self::Ipp | Self::Ipps => 631,
        }
    }
}

/// A printer's address: `socket://host[:port][/]`, `lpd://host[:port]/queue`,
/// `ipp://host[:port][/path]` or `ipps://…`. An IPv6 address stands in brackets. No user, no query,
/// no fragment: what else a port needs stands in the configuration.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct PortUri {
    /// How the bytes travel.
    pub scheme: PortScheme,
    /// Name or address, without brackets.
    pub host: String,
    /// TCP port; the scheme's own unless stated.
    pub port: u16,
    /// Empty or beginning with `/`, as written (escapes are kept); always empty for `socket`.
    pub path: String,
}

impl PortUri {
    /// The name of the queue in an `lpd` URI: the path without its first slash.
    #[must_use]
    pub fn queue(&self) -> &str {
        self.path.strip_prefix('/').unwrap_or_default()
    }

    /// `host:port`, an IPv6 address in brackets: what stands in an HTTP `Host` line.
    #[must_use]
    pub fn authority(&self) -> String {
        if self.host.contains(':') {
            format!("[{}]:{}", self.host, self.port)
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }
}

impl FromStr for PortUri {
    type Err = PortUriError;

    fn from_str(text: &str) -> Result<Self, PortUriError> {
        let (scheme, rest) = text.split_once("://").ok_or(PortUriError::Scheme)?;
        let mut known = PortScheme::ALL.into_iter();
        let scheme = known
            .find(|one| one.name() == scheme)
            .ok_or(PortUriError::Scheme)?;
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let (host, port) = host_and_port(authority)?;
        let port = match port {
            None => scheme.default_port(),
            Some(text) => port_number(text.strip_prefix(':').ok_or(PortUriError::Port)?)?,
        };
        let name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ':');
        if host.is_empty() || host.len() > HOST_MAX || !host.chars().all(name) {
            return Err(PortUriError::Host);
        }
        Ok(Self {
            scheme,
            host: host.to_owned(),
            port,
            path: checked_path(scheme, path)?.to_owned(),
        })
    }
}

/// The host without brackets, and what stands behind it.
fn host_and_port(authority: &str) -> Result<(&str, Option<&str>), PortUriError> {
    let Some(inner) = authority.strip_prefix('[') else {
        let (host, port) = authority.split_at(authority.find(':').unwrap_or(authority.len()));
        return Ok((host, Some(port).filter(|text| !text.is_empty())));
    };
    let (host, after) = inner.split_once(']').ok_or(PortUriError::Host)?;
    host.parse::<std::net::Ipv6Addr>()
        .map_err(|_| PortUriError::Host)?;
    Ok((host, Some(after).filter(|text| !text.is_empty())))
}

fn port_number(text: &str) -> Result<u16, PortUriError> {
    // `parse` alone would take "+9100".
    if !text.bytes().all(|b| b.is_ascii_digit()) {
        return Err(PortUriError::Port);
    }
    text.parse()
        .ok()
        .filter(|port| *port != 0)
        .ok_or(PortUriError::Port)
}

fn checked_path(scheme: PortScheme, path: &str) -> Result<&str, PortUriError> {
    // RFC 3986 §3.3, and `/` between the segments.
    let pchar = |c: char| c.is_ascii_alphanumeric() || "-._~%!$&'()*+,;=:@/".contains(c);
    if path.len() > PATH_MAX || !path.chars().all(pchar) {
        return Err(PortUriError::Path);
    }
    match scheme {
        PortScheme::Socket if path.is_empty() || path == "/" => Ok(""),
        PortScheme::Lpd if path.len() > 1 => Ok(path),
        PortScheme::Socket | PortScheme::Lpd => Err(PortUriError::Path),
        PortScheme::Ipp | PortScheme::Ipps => Ok(path),
    }
}

impl fmt::Display for PortUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (scheme, authority) = (self.scheme.name(), self.authority());
        write!(f, "{scheme}://{authority}{}", self.path)
    }
}

/// What is wrong with a port's URI.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[non_exhaustive]
pub enum PortUriError {
    /// It begins with none of the schemes known here.
    #[error("a network printer port begins with socket://, lpd://, ipp:// or ipps://")]
    Scheme,
    /// The host is missing or no name and no address.
    #[error("host must be a name, an IPv4 address or an IPv6 address in brackets")]
    Host,
    /// The port is no number from 1 to 65535.
    #[error("port must be a number from 1 to 65535")]
    Port,
    /// The path does not fit the scheme.
    #[error(
        "socket:// takes no path, lpd:// needs a queue; at most 255 characters of a URI's path"
    )]
    Path,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uris_are_read_and_written_back() {
        for (text, host, port, back) in [
            (
                "socket://10.0.0.5",
                "10.0.0.5",
                9100,
                "socket://10.0.0.5:9100",
            ),
            (
                "socket://hp-2.local:9101/",
                "hp-2.local",
                9101,
                "socket://hp-2.local:9101",
            ),
            (
                "socket://[fe80::1]:9100",
                "fe80::1",
                9100,
                "socket://[fe80::1]:9100",
            ),
            ("socket://[::1]", "::1", 9100, "socket://[::1]:9100"),
            ("lpd://p/lp", "p", 515, "lpd://p:515/lp"),
            ("ipp://p", "p", 631, "ipp://p:631"),
            (
                "ipp://p:8631/ipp/print",
                "p",
                8631,
                "ipp://p:8631/ipp/print",
            ),
            (
                "ipps://[::1]/ipp/print",
                "::1",
                631,
                "ipps://[::1]:631/ipp/print",
            ),
        ] {
            let uri: PortUri = text.parse().unwrap();
            assert_eq!((uri.host.as_str(), uri.port), (host, port), "{text}");
            assert_eq!(uri.to_string(), back);
        }
    }

    #[test]
    fn scheme_path_and_queue_are_told_apart() {
        let uri: PortUri = "lpd://p/lp2".parse().unwrap();
        assert_eq!((uri.scheme, uri.queue()), (PortScheme::Lpd, "lp2"));
        let uri: PortUri = "ipps://[::1]/ipp/print".parse().unwrap();
        assert_eq!(
            (uri.scheme, uri.path.as_str()),
            (PortScheme::Ipps, "/ipp/print")
        );
        assert_eq!(uri.authority(), "[::1]:631");
    }

    #[test]
    fn what_is_no_uri_is_refused_with_its_part() {
        for (text, error) in [
            ("http://host/", PortUriError::Scheme),
            ("socket:host", PortUriError::Scheme),
            ("socket://", PortUriError::Host),
            ("socket://user@host", PortUriError::Host),
            ("socket://host/path", PortUriError::Path),
            ("lpd://host", PortUriError::Path),
            ("lpd://host/", PortUriError::Path),
            ("ipp://host/a?b", PortUriError::Path),
            ("ipp://host/a b", PortUriError::Path),
            ("ipp://host?b", PortUriError::Host),
            ("socket://ho st", PortUriError::Host),
            ("socket://[::1", PortUriError::Host),
            ("socket://[::zz]", PortUriError::Host),
            ("socket://fe80::1", PortUriError::Port),
            ("socket://host:0", PortUriError::Port),
            ("socket://host:65536", PortUriError::Port),
            ("socket://host:+9100", PortUriError::Port),
            ("socket://host:", PortUriError::Port),
            ("socket://[::1]9100", PortUriError::Port),
        ] {
            assert_eq!(text.parse::<PortUri>(), Err(error), "{text}");
        }
    }
}
