// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The site's own authority, which signs the certificates of the central servers and of the boxes.
//!
//! - [`ca`]: the authority's key and certificate, and what it signs.
//! - [`server`]: the certificate that the site's servers show, made anew before it runs out.
//! - [`client`]: what is asked of a box's certificate in the handshake.

mod ca;
mod client;
mod server;

pub(crate) use ca::{Authority, AuthorityError, AuthorityKeys};
use client::AnyCertificate;
pub(crate) use server::{ServerCertificate, ServerKeys, server_config};
