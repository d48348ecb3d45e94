// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Forms, cookies and language headers, as anybody on the network may send them to the web page.

use platen_wire::form::{FIELD_OCTETS_MAX, FIELDS_MAX, Form, cookie, preferred_language};

/// One input as a form, as a cookie header and as a language header.
pub fn web_form(data: &[u8]) {
    if let Ok(form) = Form::parse(data) {
        assert!(form.len() <= FIELDS_MAX);
        for name in ["name", "secret", "job", "token", ""] {
            let long = form.all(name).any(|value| value.len() > FIELD_OCTETS_MAX);
            assert!(!long);
            assert!(form.one(name).is_none_or(|_| form.all(name).count() == 1));
        }
    }
    if let Ok(text) = std::str::from_utf8(data) {
        let value = cookie(text, "__Host-platen");
        assert!(value.is_none_or(|value| !value.contains(';')));
        let language = preferred_language(text, &["en", "zh"]);
        assert!(language.is_none_or(|language| ["en", "zh"].contains(&language)));
    }
}
