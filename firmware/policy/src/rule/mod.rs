// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Rules as data: what one says, its text, and whether it fits a job. The language is described
//! for people in `docs/manual/rules.md`.

mod cursor;
mod fits;
mod parse;
mod print;
mod scan;
mod site;

pub(crate) use fits::{Fit, Unknown};
pub use parse::read_rules;
pub(crate) use print::Money;
pub use scan::{RuleError, RuleFault};
pub(crate) use site::SiteRule;
pub use site::SiteRules;

use platen_model::{Method, PrinterName};

/// A rule. Its text is what `Display` writes, and what [`str::parse`] reads. Written with `{:#}`
/// the text names no person and leaves out what is said to them.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Rule {
    /// What becomes of a job that it fits.
    pub action: Action,
    /// Whose jobs; everybody's when it does not say.
    pub who: Option<Who>,
    /// At which printers; at all when there is none.
    pub at: Vec<PrinterName>,
    /// At what time of day.
    pub between: Option<Span>,
    /// On which days of the week.
    pub on: Option<Days>,
    /// What else must be so, all of it.
    pub when: Vec<Condition>,
    /// What the person is told.
    pub say: Option<String>,
}

/// What becomes of a job.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Action {
    /// It prints, whatever later rules say.
    Allow(Aspect),
    /// It does not print.
    Deny(Aspect),
    /// It waits until somebody agrees.
    Hold,
    /// It goes to another printer.
    Redirect(PrinterName),
    /// It is changed; later rules are asked about the changed job.
    Force(Forced),
    /// No more copies than this are made, 1 to 999; later rules are asked about the changed job.
    LimitCopies(u32),
}

/// Which jobs a permission is about.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Aspect {
    /// All.
    Print,
    /// Those that may come out in colour.
    Color,
    /// Those of more than one copy.
    Copies,
    /// Those on both sides.
    Duplex,
}

/// How a job is changed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Forced {
    /// Black only.
    Mono,
    /// Both sides, turned over the long edge.
    Duplex,
    /// Both sides, turned over the short edge.
    DuplexShortEdge,
}

/// Whose jobs.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Who {
    /// Theirs; everybody's when there is none.
    pub of: Vec<Name>,
    /// But not theirs.
    pub except: Vec<Name>,
}

/// A person or a group, by name (upper and lower case make no difference) or by id.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Name {
    /// A person's login name.
    User(String),
    /// A group's name.
    Group(String),
}

/// A part of the day, in minutes since midnight: from the first, up to but without the second. It
/// goes over midnight when the second is not after the first.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Span {
    /// 0 to 1439.
    pub from: u16,
    /// 1 to 1440, another one than `from`.
    pub until: u16,
}

/// Days of the week: bit 0 for Monday to bit 6 for Sunday, at least one.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Days(pub u8);

/// One thing that must be so, or must not.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Condition {
    /// Whether it must not be so.
    pub not: bool,
    /// What.
    pub test: Test,
}

/// What is looked at.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Test {
    /// A figure of the job as it would be printed.
    Compare(Figure, Operator, u64),
    /// Its MIME media type, without parameters; `image/*` for all of a kind.
    Format(String),
    /// How the person logged in.
    Login(Method),
    /// It may come out in colour.
    Color,
    /// It comes out in black.
    Mono,
    /// On both sides.
    Duplex,
    /// On one side.
    Simplex,
    /// The person's credential was bound at a box and the centre has not confirmed it yet.
    Provisional,
    /// The person was recognised without the centre.
    Offline,
}

/// A figure of a job.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Figure {
    /// Copies.
    Copies,
    /// Pages of one copy.
    Pages,
    /// Sides marked (impressions), of all copies.
    Sides,
    /// Sheets of media, of all copies.
    Sheets,
    /// Thousandths of the currency.
    Cost,
}

/// How a figure is compared.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Operator {
    /// `>`
    Above,
    /// `>=`
    AtLeast,
    /// `<`
    Below,
    /// `<=`
    AtMost,
    /// `=`
    Equal,
}

impl Action {
    /// Whether a job is worse off by it: such a rule also fits when something that it asks about is
    /// not known. One that gives more than others would does not.
    pub(crate) fn restricts(&self) -> bool {
        match self {
            Self::Deny(_) | Self::Hold | Self::Force(_) | Self::LimitCopies(_) => true,
            Self::Allow(_) | Self::Redirect(_) => false,
        }
    }
}

impl Operator {
    pub(crate) fn holds(self, figure: u64, value: u64) -> bool {
        match self {
            Self::Above => figure > value,
            Self::AtLeast => figure >= value,
            Self::Below => figure < value,
            Self::AtMost => figure <= value,
            Self::Equal => figure == value,
        }
    }
}
