// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Reads a rule. Upper and lower case make no difference in words of the language; the parts after
//! the action may come in any order, each once.

use std::str::FromStr;

use platen_model::PrinterName;

use super::cursor::{Parsed, Parser, digits, short};
use super::print::{DAYS, METHODS};
use super::scan::{Placed, RULE_CHARS_MAX, RuleError, RuleFault, Token, fault, scan};
use super::{
    Action, Aspect, Condition, Days, Figure, Forced, Name, Operator, Rule, Span, Test, Who,
};

/// Names of people, groups or printers in one list.
const NAMES_MAX: usize = 32;
/// Characters of a name, or of a media type.
const NAME_CHARS_MAX: usize = 128;
/// Conditions behind `when`.
const CONDITIONS_MAX: usize = 16;
/// Characters of what is said.
const SAY_CHARS_MAX: usize = 200;
/// Copies that IPP can ask for.
const COPIES_MAX: u64 = 999;
/// A figure that can be compared with.
const FIGURE_MAX: u64 = u32::MAX as u64;
/// Whole units of the currency that can be compared with.
const MONEY_MAX: u64 = 1_000_000_000;

const CLAUSES: &str = "for, at, between, on, when or say";

/// Reads rules one a line; empty lines and those that begin with `#` are passed over. A broken rule
/// is refused by itself. Of more than [`super::SiteRules::MAX`] lines with rules, the rest is refused.
#[must_use]
pub fn read_rules(text: &str) -> Vec<Result<Rule, RuleError>> {
    let lines = text.lines().enumerate().map(|(n, line)| (n + 1, line));
    let with_rules = lines.filter(|(_, line)| {
        let line = line.trim_start();
        !line.is_empty() && !line.starts_with('#')
    });
    let max = super::SiteRules::MAX;
    let mut read: Vec<_> = Vec::new();
    for (line, text) in with_rules {
        if read.len() == max {
            let error = fault(1, RuleFault::TooManyRules { max });
            read.push(Err(RuleError { line, ..error }));
            break;
        }
        read.push(text.parse().map_err(|error| RuleError { line, ..error }));
    }
    read
}

impl FromStr for Rule {
    type Err = RuleError;

    fn from_str(text: &str) -> Result<Self, RuleError> {
        let rule = Parser::new(scan(text)?).rule()?;
        if rule.to_string().chars().count() > RULE_CHARS_MAX {
            return Err(fault(1, RuleFault::TooLong));
        }
        Ok(rule)
    }
}

impl Parser {
    fn rule(&mut self) -> Parsed<Rule> {
        let mut rule = Rule {
            action: self.action()?,
            who: None,
            at: Vec::new(),
            between: None,
            on: None,
            when: Vec::new(),
            say: None,
        };
        while !self.is_end() {
            self.clause(&mut rule)?;
        }
        Ok(rule)
    }

    fn action(&mut self) -> Parsed<Action> {
        let wanted = "allow, deny, hold, redirect, force or limit";
        match self.word(wanted)?.as_str() {
            "allow" => self.aspect().map(Action::Allow),
            "deny" => self.aspect().map(Action::Deny),
            "hold" => {
                self.keyword("for", "for approval")?;
                self.keyword("approval", "approval")?;
                Ok(Action::Hold)
            }
            "redirect" => {
                self.keyword("to", "to printer: and its name")?;
                self.printer().map(Action::Redirect)
            }
            "force" => {
                let wanted = "mono, duplex or duplex-short-edge";
                self.one_of(Forced::ALL, Forced::word, wanted)
                    .map(Action::Force)
            }
            "limit" => {
                self.keyword("copies", "copies and a number")?;
                let wanted = "a number of copies from 1 to 999";
                let copies = self.number(COPIES_MAX, wanted)?;
                match u32::try_from(copies) {
                    Ok(copies) if copies > 0 => Ok(Action::LimitCopies(copies)),
                    _ => Err(self.behind(wanted)),
                }
            }
            _ => Err(self.behind(wanted)),
        }
    }

    /// `allow` and `deny` alone are about printing at all.
    fn aspect(&mut self) -> Parsed<Aspect> {
        if self.is_end() || self.is_clause() {
            return Ok(Aspect::Print);
        }
        self.one_of(Aspect::ALL, Aspect::word, "print, color, copies or duplex")
    }

    fn clause(&mut self, rule: &mut Rule) -> Parsed<()> {
        let column = self.column();
        let twice = |clause| Err(fault(column, RuleFault::Twice { clause }));
        match self.word(CLAUSES)?.as_str() {
            "for" if rule.who.is_some() => twice("for"),
            "for" => self.who().map(|who| rule.who = Some(who)),
            "at" if !rule.at.is_empty() => twice("at"),
            "at" => self.list(Self::printer).map(|at| rule.at = at),
            "between" if rule.between.is_some() => twice("between"),
            "between" => self.span().map(|span| rule.between = Some(span)),
            "on" if rule.on.is_some() => twice("on"),
            "on" => self.days().map(|days| rule.on = Some(days)),
            "when" if !rule.when.is_empty() => twice("when"),
            "when" => self.conditions().map(|when| rule.when = when),
            "say" if rule.say.is_some() => twice("say"),
            "say" => self.say().map(|say| rule.say = Some(say)),
            _ => Err(self.behind(CLAUSES)),
        }
    }

    fn who(&mut self) -> Parsed<Who> {
        let of = if self.take("everyone") {
            Vec::new()
        } else {
            self.list(Self::name)?
        };
        let except = if self.take("except") {
            self.list(Self::name)?
        } else {
            Vec::new()
        };
        Ok(Who { of, except })
    }

    fn list<T>(&mut self, item: impl Fn(&mut Self) -> Parsed<T>) -> Parsed<Vec<T>> {
        let mut items = vec![item(self)?];
        while self.peek_word().as_deref() == Some("or") {
            if items.len() == NAMES_MAX {
                let (what, max) = ("names in a list", NAMES_MAX);
                return Err(fault(self.column(), RuleFault::TooMany { what, max }));
            }
            self.advance();
            items.push(item(self)?);
        }
        Ok(items)
    }

    fn name(&mut self) -> Parsed<Name> {
        let wanted = "everyone, user: or group: and its name";
        match self.labelled(&["user:", "group:"], wanted)? {
            ("user:", name) => Ok(Name::User(name)),
            (_, name) => Ok(Name::Group(name)),
        }
    }

    fn printer(&mut self) -> Parsed<PrinterName> {
        let (_, name) = self.labelled(&["printer:"], "printer: and its name")?;
        Ok(PrinterName(name))
    }

    /// `group:name`, or `group:"any name"`.
    fn labelled(
        &mut self,
        labels: &[&'static str],
        wanted: &'static str,
    ) -> Parsed<(&'static str, String)> {
        let column = self.column();
        let Some(Token::Word(word)) = self.token().cloned() else {
            return Err(self.unexpected(wanted));
        };
        let split = labels.iter().find_map(|label| {
            let start = word.get(..label.len())?;
            let name = word.get(label.len()..)?;
            start.eq_ignore_ascii_case(label).then_some((*label, name))
        });
        let Some((label, bare)) = split else {
            return Err(self.unexpected(wanted));
        };
        self.advance();
        let name = match self.here.clone() {
            Some(Placed {
                token: Token::Quoted(name),
                adjacent: true,
                ..
            }) if bare.is_empty() => {
                self.advance();
                name
            }
            _ => bare.to_owned(),
        };
        if name.trim().is_empty() {
            let found = format!("{word:?} without a name");
            return Err(fault(column, RuleFault::Unexpected { found, wanted }));
        }
        short(name, NAME_CHARS_MAX, column).map(|name| (label, name))
    }

    fn span(&mut self) -> Parsed<Span> {
        let wanted = "two times of day such as 08:00-17:00, up to 24:00";
        let word = self.word(wanted)?;
        let minutes = |time: &str| {
            let (hours, minutes) = time.split_once(':')?;
            let (hours, minutes) = (digits(hours, 2)?, digits(minutes, 2)?);
            let all = hours * 60 + minutes;
            (minutes < 60 && all <= 24 * 60).then_some(all)
        };
        let read = || {
            let (from, until) = word.split_once('-')?;
            let (from, until) = (minutes(from)?, minutes(until)?);
            let from = u16::try_from(from).ok()?;
            let until = u16::try_from(until).ok()?;
            (from < 24 * 60 && until > 0 && from != until).then_some(Span { from, until })
        };
        read().ok_or_else(|| self.behind(wanted))
    }

    fn days(&mut self) -> Parsed<Days> {
        let wanted = "days such as mon-fri or sat,sun";
        let word = self.word(wanted)?;
        let day = |name: &str| DAYS.iter().position(|day| *day == name);
        let mut bits = 0_u8;
        for part in word.split(',') {
            let (first, last) = part.split_once('-').unwrap_or((part, part));
            let (Some(first), Some(last)) = (day(first), day(last)) else {
                return Err(self.behind(wanted));
            };
            // From Friday to Monday goes over Sunday.
            let run = (last + DAYS.len() - first) % DAYS.len();
            let all = (first..=first + run).map(|day| day % DAYS.len());
            bits |= all.fold(0, |bits, day| bits | (1 << day));
        }
        Ok(Days(bits))
    }

    fn conditions(&mut self) -> Parsed<Vec<Condition>> {
        let mut all = vec![self.condition()?];
        while self.peek_word().as_deref() == Some("and") {
            if all.len() == CONDITIONS_MAX {
                let (what, max) = ("conditions", CONDITIONS_MAX);
                return Err(fault(self.column(), RuleFault::TooMany { what, max }));
            }
            self.advance();
            all.push(self.condition()?);
        }
        Ok(all)
    }

    fn condition(&mut self) -> Parsed<Condition> {
        let not = self.take("not");
        let wanted = "pages, sides, sheets, copies, cost, format, login, color, mono, duplex, \
                      simplex, provisional or offline";
        let column = self.column();
        let word = self.word(wanted)?;
        let spelt = match word.as_str() {
            "impressions" => "sides",
            word => word,
        };
        let figure = Figure::ALL.iter().find(|figure| figure.word() == spelt);
        let test = match (figure, spelt) {
            (Some(_), _) if not => {
                let found = format!("\"not {word}\"");
                let wanted = "the comparison the other way round, without not";
                return Err(fault(column, RuleFault::Unexpected { found, wanted }));
            }
            (Some(figure), _) => self.comparison(*figure)?,
            (None, "format") => self.format()?,
            (None, "login") => {
                let wanted = "card, card-pin, pin, password, finger, phone or code";
                self.one_of(&METHODS, |method| method.keyword(), wanted)
                    .map(Test::Login)?
            }
            (None, "color" | "colour") => Test::Color,
            (None, "mono") => Test::Mono,
            (None, "duplex") => Test::Duplex,
            (None, "simplex") => Test::Simplex,
            (None, "provisional") => Test::Provisional,
            (None, "offline") => Test::Offline,
            _ => return Err(self.behind(wanted)),
        };
        Ok(Condition { not, test })
    }

    fn comparison(&mut self, figure: Figure) -> Parsed<Test> {
        let wanted = ">, >=, <, <= or =";
        let operator = match self.token() {
            Some(Token::Operator(sign)) => Operator::ALL.iter().find(|op| op.sign() == sign),
            _ => None,
        };
        let operator = *operator.ok_or_else(|| self.unexpected(wanted))?;
        self.advance();
        let value = match figure {
            Figure::Cost => self.money()?,
            _ => self.number(FIGURE_MAX, "a whole number up to 4294967295")?,
        };
        Ok(Test::Compare(figure, operator, value))
    }

    fn format(&mut self) -> Parsed<Test> {
        let wanted = "a media type such as application/pdf or image/*";
        let column = self.column();
        let word = self.word(wanted)?;
        let plain = |c: char| c.is_ascii_alphanumeric() || "!#$&-^_.+*".contains(c);
        let is_type = word.split_once('/').is_some_and(|(kind, of)| {
            let sound = |text: &str| !text.is_empty() && text.chars().all(plain);
            sound(kind) && sound(of) && !kind.contains('*') && (of == "*" || !of.contains('*'))
        });
        if is_type {
            return short(word, NAME_CHARS_MAX, column).map(Test::Format);
        }
        Err(self.behind(wanted))
    }

    fn say(&mut self) -> Parsed<String> {
        let wanted = "a text in quotation marks";
        let column = self.column();
        let Some(Token::Quoted(text)) = self.token().cloned() else {
            return Err(self.unexpected(wanted));
        };
        self.advance();
        short(text, SAY_CHARS_MAX, column)
    }

    fn number(&mut self, max: u64, wanted: &'static str) -> Parsed<u64> {
        let word = self.word(wanted)?;
        digits(&word, 10)
            .filter(|number| *number <= max)
            .ok_or_else(|| self.behind(wanted))
    }

    /// Whole units and up to three decimals, as thousandths.
    fn money(&mut self) -> Parsed<u64> {
        let wanted = "an amount such as 10 or 2.50, up to 1000000000";
        let word = self.word(wanted)?;
        let (whole, decimals) = word.split_once('.').unwrap_or((&word, "0"));
        let read = || {
            let whole = digits(whole, 10).filter(|whole| *whole <= MONEY_MAX)?;
            let thousandths = digits(decimals, 3)? * [100, 10, 1].get(decimals.len() - 1)?;
            Some(whole * 1000 + thousandths)
        };
        read().ok_or_else(|| self.behind(wanted))
    }

    fn one_of<T: Copy>(
        &mut self,
        all: &[T],
        word_of: impl Fn(T) -> &'static str,
        wanted: &'static str,
    ) -> Parsed<T> {
        let word = self.word(wanted)?;
        let spelt = if word == "colour" { "color" } else { &word };
        let found = all.iter().copied().find(|item| word_of(*item) == spelt);
        found.ok_or_else(|| self.behind(wanted))
    }
}
