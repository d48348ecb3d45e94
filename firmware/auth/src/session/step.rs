// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The words of a session: what goes in, what comes out.

use std::fmt;
use std::time::Duration;

use platen_model::{CardKey, CredentialId, Denied, Identity, Method, UserId};

use super::check::Check;
use crate::phone::PhoneCode;
use crate::secret::Secret;
use crate::tries::Side;

/// Where somebody stands, and what can be asked there.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Place {
    /// Its name: a reader's in the board file, or `web`. A phone's code is good here only.
    pub name: String,
    /// Whether digits can be typed: without it nobody is asked for a number or PIN.
    pub pad: bool,
    /// Whether there is a screen to ask "is this you?" on.
    pub screen: bool,
    /// Whether the centre is to be asked: the link is up and no breaker is open.
    pub centre: bool,
    /// By whose allowance wrong tries are counted.
    pub side: Side,
}

/// How somebody begins.
pub enum Input {
    /// A card was held to a reader.
    Card {
        /// Keyed hash of its number, by as many site keys as the copy has.
        key: CardKey,
        /// Whether it proved its number.
        proved: bool,
    },
    /// A sensor knows the finger.
    Finger(CredentialId),
    /// Somebody touched the pad, or the field for the number.
    Pad,
    /// Somebody typed a login name, and perhaps password or PIN with it.
    Login {
        /// The login name.
        login: String,
        /// Password or PIN; asked for when missing.
        secret: Option<Secret>,
    },
    /// Somebody typed a one-time code.
    Code(CardKey),
    /// Somebody wants to log in with the phone.
    Phone,
}

/// An answer to a question. One that does not fit it is answered with the question again.
pub enum Answer {
    /// The person's number.
    Number(String),
    /// PIN or password.
    Secret(Secret),
    /// Instead of the number: login name with password or PIN.
    Login {
        /// The login name.
        login: String,
        /// Password or PIN.
        secret: Secret,
    },
    /// Instead of the number: a one-time code, keyed and hashed.
    Code(CardKey),
    /// To "is this you?".
    Yes(bool),
}

/// What is to be done next.
#[derive(Debug)]
pub enum Step {
    /// Ask the person.
    Ask(Question),
    /// Work that takes time: [`Check::run`] it off the executor, then
    /// [`Session::checked`](super::Session::checked).
    Verify(Check),
    /// Ask the centre, two seconds at most, then [`Session::centre_says`](super::Session::centre_says)
    /// or [`Session::centre_silent`](super::Session::centre_silent).
    AskCentre(CentreAsk),
    /// The centre knows more than the copy: pull what changed, then
    /// [`Session::pulled`](super::Session::pulled), also when that failed.
    Pull,
    /// Somebody is logged in.
    In(Box<LoggedIn>),
    /// Nobody is, and why.
    Denied(Denied),
}

/// A question for the person.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Question {
    /// What is asked.
    pub kind: QuestionKind,
    /// Elapsed time at which nobody waits any more.
    pub until: Duration,
    /// Whether it is about making a card one's own.
    pub binding: bool,
}

/// What is asked.
#[derive(Clone, Eq, PartialEq)]
#[non_exhaustive]
pub enum QuestionKind {
    /// The person's number; where a card is to be bound a code or a login name will do as well.
    Number,
    /// The PIN.
    Pin,
    /// The password (or PIN).
    Password,
    /// To open the page of this code on the phone and confirm there. The code is to be shown; ask
    /// [`Session::tick`](super::Session::tick) now and then.
    ConfirmOnPhone(PhoneCode),
    /// Whether the card is to be this person's.
    ConfirmBinding {
        /// The person's name, for the screen.
        name: String,
    },
}

impl fmt::Debug for QuestionKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Number => "Number",
            Self::Pin => "Pin",
            Self::Password => "Password",
            Self::ConfirmOnPhone(_) => "ConfirmOnPhone",
            Self::ConfirmBinding { .. } => "ConfirmBinding",
        })
    }
}

/// What the centre is asked.
#[derive(Clone)]
pub struct CentreAsk {
    /// How the person proves who they are.
    pub method: Method,
    /// What was presented.
    pub who: Presented,
    /// PIN or password, where one was typed.
    pub secret: Option<Secret>,
}

impl fmt::Debug for CentreAsk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CentreAsk({:?})", self.method)
    }
}

/// What was presented, as the centre is told.
#[derive(Clone, Eq, PartialEq)]
pub enum Presented {
    /// A card or, with [`Method::Code`], a one-time code.
    Card {
        /// Keyed hash of its number, by as many site keys as the copy has.
        key: CardKey,
        /// Whether it proved its number.
        proved: bool,
    },
    /// A login name.
    Login(String),
    /// The person's number.
    Number(String),
    /// A credential that the box knows.
    Credential(CredentialId),
}

/// Whom the centre knows.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct CentreKnows {
    /// The person.
    pub user: UserId,
    /// The credential.
    pub credential: CredentialId,
    /// Whether the PIN is asked as well; the centre has not compared one then.
    pub pin_needed: bool,
}

/// Somebody is logged in.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct LoggedIn {
    /// Who.
    pub identity: Identity,
    /// How they proved it.
    pub method: Method,
    /// By which credential; `None` for cards of a box without a site.
    pub credential: Option<CredentialId>,
    /// Whether a card was made the person's own just now.
    pub bound: bool,
}
