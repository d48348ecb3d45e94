// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A rule's text as words, quoted texts and operators, each with its column; and what can be wrong
//! with it.

use std::fmt;
use std::iter::Peekable;
use std::str::Chars;

use thiserror::Error;

/// Characters of one rule, at most; as it was typed, and as it is written.
pub(crate) const RULE_CHARS_MAX: usize = 1000;
/// Characters of a word in an error message; the rest is cut.
const SHOWN_CHARS: usize = 40;

/// What is wrong with a rule, and where.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
#[error("line {line}, column {column}: {fault}")]
pub struct RuleError {
    /// Line of the text, from 1.
    pub line: usize,
    /// Character of the line, from 1.
    pub column: usize,
    /// What is wrong.
    pub fault: RuleFault,
}

/// What is wrong with a rule. Its text says what would be right.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
#[non_exhaustive]
pub enum RuleFault {
    /// Something else belongs here.
    #[error("{found} is not right here; write {wanted}")]
    Unexpected {
        /// What stands there.
        found: String,
        /// What would be right.
        wanted: &'static str,
    },
    /// A part that a rule has once.
    #[error("a rule has one part with {clause:?}: put both into one, or make two rules")]
    Twice {
        /// The part's first word.
        clause: &'static str,
    },
    /// More of something than a rule may have.
    #[error("a rule has at most {max} {what}: make two rules")]
    TooMany {
        /// Of what.
        what: &'static str,
        /// How many are right.
        max: usize,
    },
    /// More rules than a site may have.
    #[error("a site has at most {max} rules: take some out")]
    TooManyRules {
        /// How many are right.
        max: usize,
    },
    /// The rule is too long.
    #[error("a rule has at most {RULE_CHARS_MAX} characters: make two rules, or use shorter names")]
    TooLong,
    /// A name or a text is too long.
    #[error("this is longer than {max} characters: shorten it")]
    LongText {
        /// How many are right.
        max: usize,
    },
    /// A quotation mark is missing.
    #[error("this text has no end; write \" behind it")]
    NoEnd,
    /// A character that no text has.
    #[error("there is a control character here; take it out")]
    Control,
}

/// A part of a rule's text.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Token {
    Word(String),
    Quoted(String),
    Operator(String),
    End,
}

/// Where a token stands, from 1.
#[derive(Clone, Debug)]
pub(super) struct Placed {
    pub(super) token: Token,
    pub(super) column: usize,
    /// Whether nothing stands between this one and the one before it.
    pub(super) adjacent: bool,
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = |text: &str| {
            let short: String = text.chars().take(SHOWN_CHARS).collect();
            if short.len() < text.len() {
                short + "…"
            } else {
                short
            }
        };
        match self {
            Self::Word(text) | Self::Operator(text) => write!(f, "{:?}", shown(text)),
            Self::Quoted(text) => write!(f, "the text {:?}", shown(text)),
            Self::End => f.write_str("the end of the rule"),
        }
    }
}

pub(super) fn is_operator(c: char) -> bool {
    matches!(c, '<' | '>' | '=' | '!')
}

/// Splits a rule. The last token is [`Token::End`].
pub(super) fn scan(text: &str) -> Result<Vec<Placed>, RuleError> {
    if text.chars().count() > RULE_CHARS_MAX {
        return Err(fault(RULE_CHARS_MAX + 1, RuleFault::TooLong));
    }
    let mut scanner = Scanner {
        rest: text.chars().peekable(),
        column: 1,
    };
    let mut tokens = Vec::new();
    loop {
        let adjacent = !scanner.skip_space();
        let column = scanner.column;
        let token = scanner.token()?;
        let is_end = token == Token::End;
        tokens.push(Placed {
            token,
            column,
            adjacent,
        });
        if is_end {
            return Ok(tokens);
        }
    }
}

pub(super) fn fault(column: usize, fault: RuleFault) -> RuleError {
    RuleError {
        line: 1,
        column,
        fault,
    }
}

struct Scanner<'a> {
    rest: Peekable<Chars<'a>>,
    column: usize,
}

impl Scanner<'_> {
    fn next(&mut self) -> Result<Option<char>, RuleError> {
        match self.rest.next() {
            Some(c) if c.is_control() && c != '\t' => Err(fault(self.column, RuleFault::Control)),
            Some(c) => {
                self.column += 1;
                Ok(Some(c))
            }
            None => Ok(None),
        }
    }

    fn skip_space(&mut self) -> bool {
        let mut skipped = false;
        while self
            .rest
            .next_if(|c| c.is_whitespace() && !c.is_control() || *c == '\t')
            .is_some()
        {
            self.column += 1;
            skipped = true;
        }
        skipped
    }

    fn token(&mut self) -> Result<Token, RuleError> {
        match self.rest.peek() {
            None => Ok(Token::End),
            // Some of them are white space too, of which no word could begin.
            Some(c) if c.is_control() => Err(fault(self.column, RuleFault::Control)),
            Some('"') => self.quoted().map(Token::Quoted),
            Some(c) if is_operator(*c) => self.run(is_operator).map(Token::Operator),
            Some(_) => self
                .run(|c| !c.is_whitespace() && c != '"' && !is_operator(c))
                .map(Token::Word),
        }
    }

    fn run(&mut self, belongs: impl Fn(char) -> bool) -> Result<String, RuleError> {
        let mut text = String::new();
        while self.rest.peek().is_some_and(|c| belongs(*c)) {
            text.extend(self.next()?);
        }
        Ok(text)
    }

    /// Between quotation marks: `\"` and `\\` stand for the second of them.
    fn quoted(&mut self) -> Result<String, RuleError> {
        let start = self.column;
        self.next()?;
        let mut text = String::new();
        loop {
            let column = self.column;
            match self.next()? {
                Some('"') => return Ok(text),
                Some('\\') => match self.next()? {
                    Some(c @ ('"' | '\\')) => text.push(c),
                    Some(c) => {
                        let found = format!("{:?}", format!("\\{c}"));
                        let wanted = "\\\" for a quotation mark, \\\\ for a backslash";
                        return Err(fault(column, RuleFault::Unexpected { found, wanted }));
                    }
                    None => return Err(fault(start, RuleFault::NoEnd)),
                },
                Some(c) => text.push(c),
                None => return Err(fault(start, RuleFault::NoEnd)),
            }
        }
    }
}
