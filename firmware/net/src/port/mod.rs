// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Printer ports over the network. (Ports on the box itself, `usb:` and `file:`, are the hardware
//! crate's.)

mod send_queue;
mod socket;

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

pub use socket::{SocketOptions, SocketPort};

/// Port of RAW printing, as JetDirect boxes have it.
const RAW_PORT: u16 = 9100;

/// Longest host name, RFC 1035 §2.3.4.
const HOST_MAX: usize = 253;

/// A printer's address, read from `socket://host[:port][/]`; an IPv6 address stands in brackets.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct PortUri {
    /// Name or address, without brackets.
    pub host: String,
    /// TCP port, 9100 unless stated.
    pub port: u16,
}

impl FromStr for PortUri {
    type Err = PortUriError;

    fn from_str(text: &str) -> Result<Self, PortUriError> {
        let rest = text.strip_prefix("socket://").ok_or(PortUriError::Scheme)?;
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        let (host, port) = match rest.strip_prefix('[') {
            Some(inner) => {
                let (host, after) = inner.split_once(']').ok_or(PortUriError::Host)?;
                host.parse::<std::net::Ipv6Addr>()
                    .map_err(|_| PortUriError::Host)?;
                (host, if after.is_empty() { None } else { Some(after) })
            }
            None => match rest.find(':') {
                Some(at) => {
                    let (host, port) = rest.split_at(at);
                    (host, Some(port))
                }
                None => (rest, None),
            },
        };
        let port = match port {
            None => RAW_PORT,
            Some(text) => port_number(text.strip_prefix(':').ok_or(PortUriError::Port)?)?,
        };
        let name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ':');
        if host.is_empty() || host.len() > HOST_MAX || !host.chars().all(name) {
            return Err(PortUriError::Host);
        }
        Ok(Self {
            host: host.to_owned(),
            port,
        })
    }
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

impl fmt::Display for PortUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "socket://[{}]:{}", self.host, self.port)
        } else {
            write!(f, "socket://{}:{}", self.host, self.port)
        }
    }
}

/// What is wrong with a port's URI.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[non_exhaustive]
pub enum PortUriError {
    /// It does not begin with `socket://`.
    #[error("a network printer port begins with socket://")]
    Scheme,
    /// The host is missing or no name and no address.
    #[error("host must be a name, an IPv4 address or an IPv6 address in brackets")]
    Host,
    /// The port is no number from 1 to 65535.
    #[error("port must be a number from 1 to 65535")]
    Port,
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
        ] {
            let uri: PortUri = text.parse().unwrap();
            assert_eq!((uri.host.as_str(), uri.port), (host, port), "{text}");
            assert_eq!(uri.to_string(), back);
        }
    }

    #[test]
    fn what_is_no_uri_is_refused_with_its_part() {
        for (text, error) in [
            ("ipp://host/", PortUriError::Scheme),
            ("socket://", PortUriError::Host),
            ("socket://user@host", PortUriError::Host),
            ("socket://host/path", PortUriError::Host),
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
