// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Writes HTML. Names of elements and attributes are the program's own (`&'static str`); everything
//! else goes through one escaping function, so a document's name can't become markup. There is no
//! way to put ready-made markup in.

/// A page, or a part of one, as it grows.
#[derive(Default)]
pub(super) struct Html(String);

/// An element whose attributes are being written. Ends with one of the methods that take it.
#[must_use = "an element is ended by text, inner or void"]
pub(super) struct Open<'a> {
    html: &'a mut Html,
    name: &'static str,
}

impl Html {
    /// A whole document, to be followed by its `html` element.
    pub(super) fn document() -> Self {
        Self("<!doctype html>".to_owned())
    }

    /// Begins an element.
    pub(super) fn tag(&mut self, name: &'static str) -> Open<'_> {
        self.0.push('<');
        self.0.push_str(name);
        Open { html: self, name }
    }

    /// An element of class `class`, the most frequent kind.
    pub(super) fn part(&mut self, name: &'static str, class: &str, inner: impl FnOnce(&mut Self)) {
        self.tag(name).attr("class", class).inner(inner);
    }

    /// A part that was written on its own.
    pub(super) fn append(&mut self, part: Self) {
        self.0.push_str(&part.0);
    }

    /// Text between elements.
    pub(super) fn text(&mut self, text: &str) {
        escape(text, &mut self.0);
    }

    /// A hidden field of a form.
    pub(super) fn hidden(&mut self, name: &str, value: &str) {
        let field = self.tag("input").attr("type", "hidden");
        field.attr("name", name).attr("value", value).void();
    }

    /// What was written.
    pub(super) fn into_string(self) -> String {
        self.0
    }
}

impl Open<'_> {
    /// An attribute with a value.
    pub(super) fn attr(self, name: &'static str, value: &str) -> Self {
        self.html.0.push(' ');
        self.html.0.push_str(name);
        self.html.0.push_str("=\"");
        escape(value, &mut self.html.0);
        self.html.0.push('"');
        self
    }

    /// An attribute that is there or not.
    pub(super) fn flag(self, name: &'static str, on: bool) -> Self {
        if on {
            self.html.0.push(' ');
            self.html.0.push_str(name);
        }
        self
    }

    /// An element without content, such as `input`.
    pub(super) fn void(self) {
        self.html.0.push('>');
    }

    /// An element with text.
    pub(super) fn text(self, text: &str) {
        self.inner(|html| html.text(text));
    }

    /// An element with what `inner` writes.
    pub(super) fn inner(self, inner: impl FnOnce(&mut Html)) {
        let Self { html, name } = self;
        html.0.push('>');
        inner(html);
        html.0.push_str("</");
        html.0.push_str(name);
        html.0.push('>');
    }
}

/// The five characters that mean something in markup become references. Control characters, which
/// a page may not hold, and those that turn the direction of the text around become U+FFFD: a name
/// could look like another one by them.
fn escape(text: &str, out: &mut String) {
    for character in text.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            '\n' | '\t' => out.push(character),
            '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}' => out.push('\u{FFFD}'),
            other if other.is_control() => out.push('\u{FFFD}'),
            other => out.push(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_from_outside_becomes_markup() {
        let evil = "</p><script>alert('1')</script>\" onload=\"x";
        let mut html = Html::default();
        html.tag("p").attr("title", evil).text(evil);
        let text = html.into_string();
        assert_eq!(text.matches('<').count(), 2, "{text}");
        assert_eq!(text.matches('"').count(), 2, "{text}");
    }

    #[test]
    fn a_name_can_t_turn_the_text_around() {
        let mut html = Html::default();
        html.text("in\u{202E}fdp.exe\u{0}");
        assert_eq!(html.into_string(), "in\u{FFFD}fdp.exe\u{FFFD}");
    }

    #[test]
    fn elements_are_closed_in_order() {
        let mut html = Html::document();
        html.part("ul", "rows", |html| {
            html.tag("li").flag("hidden", true).text("张三");
            html.tag("br").void();
        });
        let wanted = "<!doctype html><ul class=\"rows\"><li hidden>张三</li><br></ul>";
        assert_eq!(html.into_string(), wanted);
    }
}
