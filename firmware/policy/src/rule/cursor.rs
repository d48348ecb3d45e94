// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Walks over a rule's tokens: looks at one, takes one, says where something is wrong.

use super::scan::{Placed, RuleError, RuleFault, Token, fault};

pub(super) type Parsed<T> = Result<T, RuleError>;

/// Reads one rule; the grammar is in `parse.rs`.
pub(super) struct Parser {
    tokens: std::vec::IntoIter<Placed>,
    /// `None` behind [`Token::End`] alone.
    pub(super) here: Option<Placed>,
    last: Option<Placed>,
}

impl Parser {
    pub(super) fn new(tokens: Vec<Placed>) -> Self {
        let mut tokens = tokens.into_iter();
        let here = tokens.next();
        Self {
            tokens,
            here,
            last: None,
        }
    }

    pub(super) fn advance(&mut self) {
        self.last = self.here.take();
        self.here = self.tokens.next();
    }

    pub(super) fn token(&self) -> Option<&Token> {
        self.here.as_ref().map(|placed| &placed.token)
    }

    pub(super) fn column(&self) -> usize {
        self.here.as_ref().map_or(1, |placed| placed.column)
    }

    pub(super) fn is_end(&self) -> bool {
        matches!(self.token(), None | Some(Token::End))
    }

    /// Whether a part of the rule begins here.
    pub(super) fn is_clause(&self) -> bool {
        let word = self.peek_word();
        matches!(
            word.as_deref(),
            Some("for" | "at" | "between" | "on" | "when" | "say")
        )
    }

    /// The word here, in lower case.
    pub(super) fn peek_word(&self) -> Option<String> {
        match self.token() {
            Some(Token::Word(word)) => Some(word.to_ascii_lowercase()),
            _ => None,
        }
    }

    /// Takes a word, in lower case.
    pub(super) fn word(&mut self, wanted: &'static str) -> Parsed<String> {
        let word = self.peek_word().ok_or_else(|| self.unexpected(wanted))?;
        self.advance();
        Ok(word)
    }

    /// Takes this word, if it is here.
    pub(super) fn take(&mut self, word: &str) -> bool {
        let is_here = self.peek_word().is_some_and(|here| here == word);
        if is_here {
            self.advance();
        }
        is_here
    }

    /// Takes this word and no other.
    pub(super) fn keyword(&mut self, word: &str, wanted: &'static str) -> Parsed<()> {
        if self.take(word) {
            return Ok(());
        }
        Err(self.unexpected(wanted))
    }

    /// That something else belongs here.
    pub(super) fn unexpected(&self, wanted: &'static str) -> RuleError {
        wrong(self.here.as_ref(), wanted)
    }

    /// That something else belonged where the last token stood.
    pub(super) fn behind(&self, wanted: &'static str) -> RuleError {
        wrong(self.last.as_ref(), wanted)
    }
}

fn wrong(placed: Option<&Placed>, wanted: &'static str) -> RuleError {
    let (column, token) = placed.map_or((1, &Token::End), |placed| (placed.column, &placed.token));
    let found = token.to_string();
    fault(column, RuleFault::Unexpected { found, wanted })
}

/// A decimal number of 1 to `max` digits.
pub(super) fn digits(text: &str, max: usize) -> Option<u64> {
    let is_number = (1..=max).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
    is_number.then(|| text.parse().ok()).flatten()
}

/// The text, if it is not too long.
pub(super) fn short(text: String, max: usize, column: usize) -> Parsed<String> {
    if text.chars().count() > max {
        return Err(fault(column, RuleFault::LongText { max }));
    }
    Ok(text)
}
