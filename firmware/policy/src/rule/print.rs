// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A rule as text: always the same text for the same rule, and the one that was read where it was
//! written in this order and these words.

use std::fmt;

use platen_model::{Method, PrinterName};

use super::{Action, Aspect, Condition, Days, Figure, Forced, Name, Operator, Rule, Span, Test};

/// Monday first, as in [`Days`].
pub(super) const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.action)?;
        if let Some(who) = &self.who {
            f.write_str(" for ")?;
            if who.of.is_empty() {
                f.write_str("everyone")?;
            }
            joined(f, &who.of, " or ", name)?;
            if !who.except.is_empty() {
                f.write_str(" except ")?;
                joined(f, &who.except, " or ", name)?;
            }
        }
        if !self.at.is_empty() {
            f.write_str(" at ")?;
            joined(f, &self.at, " or ", printer)?;
        }
        if let Some(span) = self.between {
            write!(f, " between {span}")?;
        }
        if let Some(days) = self.on {
            write!(f, " on {days}")?;
        }
        if !self.when.is_empty() {
            f.write_str(" when ")?;
            joined(f, &self.when, " and ", |f, condition| {
                write!(f, "{condition}")
            })?;
        }
        match &self.say {
            Some(say) if !f.alternate() => write!(f, " say {}", Quoted(say)),
            _ => Ok(()),
        }
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Allow(aspect) => write!(f, "allow {}", aspect.word()),
            Self::Deny(aspect) => write!(f, "deny {}", aspect.word()),
            Self::Hold => f.write_str("hold for approval"),
            Self::Redirect(to) => {
                f.write_str("redirect to ")?;
                printer(f, to)
            }
            Self::Force(forced) => write!(f, "force {}", forced.word()),
            Self::LimitCopies(copies) => write!(f, "limit copies {copies}"),
        }
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (from, until) = (self.from, self.until);
        write!(
            f,
            "{:02}:{:02}-{:02}:{:02}",
            from / 60,
            from % 60,
            until / 60,
            until % 60
        )
    }
}

/// Three days and more in a row as a range.
impl fmt::Display for Days {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut day = 0;
        let mut comma = "";
        while day < DAYS.len() {
            let run = (day..DAYS.len()).take_while(|day| self.has(*day)).count();
            let word = |day: usize| DAYS.get(day).copied().unwrap_or_default();
            match run {
                0 => day += 1,
                1 | 2 => {
                    write!(f, "{comma}{}", word(day))?;
                    day += 1;
                    comma = ",";
                }
                _ => {
                    write!(f, "{comma}{}-{}", word(day), word(day + run - 1))?;
                    day += run;
                    comma = ",";
                }
            }
        }
        Ok(())
    }
}

impl Days {
    pub(super) fn has(self, day: usize) -> bool {
        u32::try_from(day).is_ok_and(|day| u32::from(self.0).checked_shr(day).unwrap_or(0) & 1 == 1)
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.not {
            f.write_str("not ")?;
        }
        match &self.test {
            Test::Compare(Figure::Cost, operator, value) => {
                write!(f, "cost {} {}", operator.sign(), Money(*value))
            }
            Test::Compare(figure, operator, value) => {
                write!(f, "{} {} {value}", figure.word(), operator.sign())
            }
            Test::Format(format) => write!(f, "format {format}"),
            Test::Login(method) => write!(f, "login {}", method.keyword()),
            Test::Color => f.write_str("color"),
            Test::Mono => f.write_str("mono"),
            Test::Duplex => f.write_str("duplex"),
            Test::Simplex => f.write_str("simplex"),
            Test::Provisional => f.write_str("provisional"),
            Test::Offline => f.write_str("offline"),
        }
    }
}

/// Thousandths, with two decimals or, where it needs them, three.
pub(crate) struct Money(pub(crate) u64);

impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, thousandths) = (self.0 / 1000, self.0 % 1000);
        if thousandths.is_multiple_of(10) {
            write!(f, "{whole}.{:02}", thousandths / 10)
        } else {
            write!(f, "{whole}.{thousandths:03}")
        }
    }
}

struct Quoted<'a>(&'a str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("\"")?;
        for c in self.0.chars() {
            match c {
                '"' | '\\' => write!(f, "\\{c}")?,
                _ => write!(f, "{c}")?,
            }
        }
        f.write_str("\"")
    }
}

fn joined<T>(
    f: &mut fmt::Formatter<'_>,
    items: &[T],
    between: &str,
    write: impl Fn(&mut fmt::Formatter<'_>, &T) -> fmt::Result,
) -> fmt::Result {
    for (n, item) in items.iter().enumerate() {
        if n > 0 {
            f.write_str(between)?;
        }
        write(f, item)?;
    }
    Ok(())
}

fn name(f: &mut fmt::Formatter<'_>, name: &Name) -> fmt::Result {
    match name {
        Name::User(_) if f.alternate() => f.write_str("user:…"),
        Name::User(text) => labelled(f, "user:", text),
        Name::Group(text) => labelled(f, "group:", text),
    }
}

fn printer(f: &mut fmt::Formatter<'_>, printer: &PrinterName) -> fmt::Result {
    labelled(f, "printer:", &printer.0)
}

/// Names of letters, digits, `-`, `_`, `.` and `@` stand as they are, others in quotation marks.
fn labelled(f: &mut fmt::Formatter<'_>, label: &str, name: &str) -> fmt::Result {
    let is_bare = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '.' | '@');
    if name.chars().all(is_bare) {
        write!(f, "{label}{name}")
    } else {
        write!(f, "{label}{}", Quoted(name))
    }
}

/// Keywords, each once: the parser looks them up here too.
macro_rules! words {
    ($type:ident, $function:ident: $($variant:ident = $word:literal),+) => {
        impl $type {
            pub(super) const ALL: &[Self] = &[$(Self::$variant),+];

            pub(super) fn $function(self) -> &'static str {
                match self {
                    $(Self::$variant => $word),+
                }
            }
        }
    };
}

words!(Aspect, word: Print = "print", Color = "color", Copies = "copies", Duplex = "duplex");
words!(Forced, word: Mono = "mono", Duplex = "duplex", DuplexShortEdge = "duplex-short-edge");
words!(Figure, word: Copies = "copies", Pages = "pages", Sides = "sides", Sheets = "sheets", Cost = "cost");
words!(Operator, sign: Above = ">", AtLeast = ">=", Below = "<", AtMost = "<=", Equal = "=");

/// Every way to log in that a rule can name.
pub(super) const METHODS: [Method; 7] = [
    Method::Card,
    Method::CardPin,
    Method::Pin,
    Method::Password,
    Method::Finger,
    Method::Phone,
    Method::Code,
];
