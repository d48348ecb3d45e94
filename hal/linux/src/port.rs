// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Printer ports that end in a device or file of this machine. Network ports are `firmware/net`'s.

mod file;
mod ippusb;
mod usb;
mod wanted;

pub use file::FilePort;
pub use ippusb::IppUsbSource;
pub use usb::{DEFAULT_STALL, UsbPort};

use std::path::{Path, PathBuf};

use thiserror::Error;

/// Why a port's URI can't be used.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
#[non_exhaustive]
pub enum PortUriError {
    /// Another port's scheme.
    #[error("printer URI {uri} does not start with {scheme}:")]
    Scheme {
        /// The URI.
        uri: String,
        /// The scheme that was expected.
        scheme: &'static str,
    },
    /// Neither `auto` nor `?serial=…&model=…`.
    #[error("printer URI {uri}: behind '?' stand serial=… or model=… or both, joined by '&'")]
    Query {
        /// The URI.
        uri: String,
    },
    /// No absolute path.
    #[error("printer URI {uri} has no absolute path")]
    Path {
        /// The URI.
        uri: String,
    },
}

/// The path of `scheme:/path` or `scheme:///path`; empty when there is nothing after the scheme.
fn path_of(uri: &str, scheme: &'static str) -> Result<PathBuf, PortUriError> {
    let rest = uri
        .strip_prefix(scheme)
        .and_then(|rest| rest.strip_prefix(':'));
    let rest = rest.ok_or_else(|| PortUriError::Scheme {
        uri: uri.to_owned(),
        scheme,
    })?;
    let path = rest.strip_prefix("//").unwrap_or(rest);
    if path.is_empty() || Path::new(path).is_absolute() {
        Ok(path.into())
    } else {
        Err(PortUriError::Path {
            uri: uri.to_owned(),
        })
    }
}
