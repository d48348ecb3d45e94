// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Users and cards of this box, and who a presented card is.
//!
//! A box of a site has a copy of the centre's directory ([`cache`]; tables: `docs/formats/cache.md`).
//! A box of no site has users of its own: the truth is one sealed file, `directory.sealed` (byte map:
//! `docs/formats/directory.md`), because there is no centre that could send it again; the tables in
//! the database are its index and are made again from it. Card numbers are not kept, only their keyed
//! hashes are.
//!
//! - [`session`]: a login as questions and answers, for reader, pad, kiosk and web page.
//! - [`people`]: what a login asks of whoever knows the people.
//! - [`cache`]: the copy of the centre's directory.
//! - [`directory`]: users of a box of no site: opening, importing, identifying.
//! - [`tries`]: wrong tries, counted; locks.
//! - [`secret`]: PINs and passwords. Knows nothing of the rest; the centre uses it too.
//! - [`code`]: one-time codes. [`phone`]: codes that a phone reads off a screen.
//! - [`user`]: what is kept of a local user. [`csv`]: the lines of an import file.
//! - [`error`]: why the directory did not do what it was asked to.

pub mod cache;
pub mod code;
pub mod csv;
pub mod directory;
pub mod error;
mod import;
mod index;
pub mod people;
pub mod phone;
pub mod secret;
pub mod session;
mod snapshot;
pub mod tries;
pub mod user;

pub use cache::{Applied, Cache, CacheError, Position, Standing, Terms};
pub use code::Code;
pub use directory::{Counts, Directory};
pub use error::DirectoryError;
pub use people::{Held, People, Person};
pub use phone::PhoneCodes;
pub use secret::{Secret, Verifier};
pub use session::{Door, Session, Step};
pub use tries::Tries;
pub use user::User;
