// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What is typed at a PIN pad: digits, `#` (Enter), `*` (Clear). Nothing typed is ever shown, only how
//! much; nothing of it is in `Debug`.

use platen_auth::session::{Answer, QuestionKind};
use platen_auth::{Code, Secret};
use platen_hal::Key;
use zeroize::Zeroizing;

/// Digits of a number or PIN, at most.
const DIGITS_MAX: usize = 12;
/// Digits of a one-time code, at most; shorter ones are filled up by nobody.
const CODE_DIGITS_MAX: usize = 16;

/// What has been typed as an answer so far.
#[derive(Default)]
pub(super) struct Typed {
    digits: Zeroizing<String>,
    /// Whether a one-time code is typed in the place of the number.
    code: bool,
}

/// What a key led to.
pub(super) enum Fed {
    /// There is more to come.
    More,
    /// The answer.
    Answer(Answer),
    /// A one-time code, to be hashed by who has the keys.
    Code(Code),
    /// A one-time code with a slip in it: no code is like that.
    Mistyped,
    /// The person gives up.
    GaveUp,
}

impl Typed {
    /// How many digits there are.
    pub(super) fn len(&self) -> usize {
        self.digits.len()
    }

    pub(super) fn is_code(&self) -> bool {
        self.code
    }

    /// Takes a key as part of the answer to a question.
    pub(super) fn feed(&mut self, key: Key, question: &QuestionKind) -> Fed {
        match (key, question) {
            (Key::Enter, QuestionKind::ConfirmBinding { .. }) => Fed::Answer(Answer::Yes(true)),
            (Key::Clear, QuestionKind::ConfirmBinding { .. }) => Fed::Answer(Answer::Yes(false)),
            (Key::Clear, QuestionKind::ConfirmOnPhone(_)) => Fed::GaveUp,
            (_, QuestionKind::ConfirmBinding { .. } | QuestionKind::ConfirmOnPhone(_)) => Fed::More,
            (Key::Digit(digit), _) => {
                let limit = if self.code {
                    CODE_DIGITS_MAX
                } else {
                    DIGITS_MAX
                };
                if self.digits.len() < limit && digit < 10 {
                    self.digits.push(char::from(b'0' + digit));
                }
                Fed::More
            }
            (Key::Clear, _) if !self.digits.is_empty() => {
                self.digits.clear();
                Fed::More
            }
            (Key::Clear, QuestionKind::Number) if !self.code => {
                self.code = true;
                Fed::More
            }
            (Key::Clear, _) => Fed::GaveUp,
            (Key::Enter, _) => self.enter(question),
        }
    }

    fn enter(&mut self, question: &QuestionKind) -> Fed {
        if self.digits.is_empty() {
            return Fed::More;
        }
        let digits = std::mem::take(&mut self.digits);
        if self.code {
            return Code::parse(&digits).map_or(Fed::Mistyped, Fed::Code);
        }
        Fed::Answer(match question {
            QuestionKind::Number => Answer::Number(digits.to_string()),
            _ => Answer::Secret(Secret::new(digits.to_string())),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn feed(typed: &mut Typed, keys: &str, question: &QuestionKind) -> Fed {
        let mut fed = Fed::More;
        for key in keys.chars() {
            let key = match key {
                '#' => Key::Enter,
                '*' => Key::Clear,
                digit => Key::Digit(u8::try_from(digit.to_digit(10).unwrap()).unwrap()),
            };
            fed = typed.feed(key, question);
        }
        fed
    }

    #[test]
    fn a_number_ends_with_enter_and_an_empty_one_is_no_answer() {
        let mut typed = Typed::default();
        assert!(matches!(
            feed(&mut typed, "#", &QuestionKind::Number),
            Fed::More
        ));
        let Fed::Answer(Answer::Number(number)) =
            feed(&mut typed, "9*4711#", &QuestionKind::Number)
        else {
            panic!("no number");
        };
        assert_eq!((number.as_str(), typed.len()), ("4711", 0));
    }

    #[test]
    fn a_pin_is_a_secret_and_takes_no_more_digits_than_a_pin_has() {
        let mut typed = Typed::default();
        let Fed::Answer(Answer::Secret(pin)) =
            feed(&mut typed, "1234567890123456#", &QuestionKind::Pin)
        else {
            panic!("no PIN");
        };
        assert_eq!(pin.expose().len(), DIGITS_MAX);
    }

    #[test]
    fn clear_takes_back_what_was_typed_then_asks_for_a_code_then_gives_up() {
        let (mut typed, number) = (Typed::default(), QuestionKind::Number);
        assert!(matches!(feed(&mut typed, "12*", &number), Fed::More));
        assert!(!typed.is_code() && typed.len() == 0);
        assert!(matches!(feed(&mut typed, "*", &number), Fed::More));
        assert!(typed.is_code());
        assert!(matches!(
            feed(&mut typed, "1234567890#", &number),
            Fed::Mistyped | Fed::Code(_)
        ));
        assert!(matches!(feed(&mut typed, "*", &number), Fed::GaveUp));
        let mut pin = Typed::default();
        assert!(matches!(
            feed(&mut pin, "*", &QuestionKind::Pin),
            Fed::GaveUp
        ));
    }

    #[test]
    fn a_code_is_told_from_a_slip_of_the_finger() {
        let code = Code::generate().unwrap();
        let digits: String = code.shown().chars().filter(char::is_ascii_digit).collect();
        let mut typed = Typed::default();
        let fed = feed(&mut typed, &format!("*{digits}#"), &QuestionKind::Number);
        let Fed::Code(read) = fed else {
            panic!("no code")
        };
        assert_eq!(read.shown(), code.shown());
        let last = digits.chars().last().unwrap().to_digit(10).unwrap();
        let wrong = format!("{}{}", digits.split_at(digits.len() - 1).0, (last + 1) % 10);
        let fed = feed(&mut typed, &format!("{wrong}#"), &QuestionKind::Number);
        assert!(matches!(fed, Fed::Mistyped));
    }

    #[test]
    fn whether_a_card_is_ones_own_is_said_with_one_key() {
        let mine = QuestionKind::ConfirmBinding {
            name: "Ann".to_owned(),
        };
        let mut typed = Typed::default();
        assert!(matches!(feed(&mut typed, "5", &mine), Fed::More));
        assert!(matches!(
            feed(&mut typed, "#", &mine),
            Fed::Answer(Answer::Yes(true))
        ));
        assert!(matches!(
            feed(&mut typed, "*", &mine),
            Fed::Answer(Answer::Yes(false))
        ));
    }
}
