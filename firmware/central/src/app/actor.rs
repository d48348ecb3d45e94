// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Who asks for a change: what the audit log says of it.

use std::fmt;

use platen_model::NodeId;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// An administrator, stable over renames.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize, Deserialize)]
#[serde(transparent)]
pub struct AdministratorId(pub Uuid);

impl fmt::Display for AdministratorId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.hyphenated().fmt(f)
    }
}

/// Who asks for a change.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Actor {
    /// An administrator, logged in or by a token.
    Administrator(AdministratorId),
    /// A box, by what it recorded.
    Node(NodeId),
    /// The program itself, such as at its first start.
    Program,
}

impl fmt::Display for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Administrator(id) => write!(f, "administrator:{id}"),
            Self::Node(id) => write!(f, "node:{id}"),
            Self::Program => f.write_str("program"),
        }
    }
}
