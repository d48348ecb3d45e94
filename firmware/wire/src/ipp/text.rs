// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Text and names as they came. Clients that announce UTF-8 still send GBK or Latin-1, so the bytes
//! are kept and the reader decides.

use std::borrow::Cow;
use std::fmt;

/// The bytes of a `text` or `name` value, in whatever charset they came. Its `Debug` shows only the
/// length: job, document and user names must not get into a log by accident.
#[derive(Clone, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Text(Vec<u8>);

impl Text {
    /// Text of any bytes. Nothing is checked here; the encoder checks the length.
    #[must_use]
    pub fn from_bytes(bytes: impl Into<Vec<u8>>) -> Self {
        Self(bytes.into())
    }

    /// `text` cut to at most `max_bytes`, at a character's border: the way to make a long name fit
    /// where losing its end is right.
    #[must_use]
    pub fn clipped(text: &str, max_bytes: usize) -> Self {
        let mut end = text.len().min(max_bytes);
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        Self::from(text.get(..end).unwrap_or_default())
    }

    /// The bytes as they came.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The text, if it is UTF-8.
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        std::str::from_utf8(&self.0).ok()
    }

    /// The text with a replacement character for each wrong byte sequence.
    #[must_use]
    pub fn to_lossy(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(&self.0)
    }
}

impl From<&str> for Text {
    fn from(text: &str) -> Self {
        Self(text.as_bytes().to_vec())
    }
}

impl From<String> for Text {
    fn from(text: String) -> Self {
        Self(text.into_bytes())
    }
}

impl PartialEq<str> for Text {
    fn eq(&self, other: &str) -> bool {
        self.0 == other.as_bytes()
    }
}

impl PartialEq<&str> for Text {
    fn eq(&self, other: &&str) -> bool {
        self == *other
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Text({} bytes)", self.0.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clipping_keeps_whole_characters() {
        assert_eq!(Text::clipped("打印机", 7), "打印");
        assert_eq!(Text::clipped("abc", 7), "abc");
        assert_eq!(Text::clipped("打", 2), "");
    }

    #[test]
    fn debug_says_nothing_of_the_text() {
        assert_eq!(
            format!("{:?}", Text::from("salaries.pdf")),
            "Text(12 bytes)"
        );
    }

    #[test]
    fn bytes_of_another_charset_are_kept() {
        let text = Text::from_bytes([0xb4, 0xf2, 0xd3, 0xa1]);
        assert_eq!(text.as_str(), None);
        assert_eq!(text.as_bytes(), [0xb4, 0xf2, 0xd3, 0xa1]);
    }
}
