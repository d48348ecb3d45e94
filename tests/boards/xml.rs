// SPDX-License-Identifier: Apache-2.0 OR MIT
//! As much of XML as the pictures of this tree need: tags that close, attributes that stand once.

use std::collections::BTreeMap;

/// An opening tag.
pub(crate) struct Tag {
    pub(crate) name: String,
    pub(crate) attributes: BTreeMap<String, String>,
}

/// The opening tags of an XML text in their order, or what is not well-formed in it.
pub(crate) fn tags(text: &str) -> Result<Vec<Tag>, String> {
    let (mut tags, mut open) = (Vec::new(), Vec::new());
    let mut rest = text;
    while let Some((before, from)) = rest.split_once('<') {
        well_written(before)?;
        if let Some(comment) = from.strip_prefix("!--") {
            rest = comment.split_once("-->").ok_or("a comment has no end")?.1;
            continue;
        }
        let (inside, after) = from.split_once('>').ok_or("a tag has no end")?;
        rest = after;
        if inside.starts_with('?') {
            continue;
        }
        if let Some(name) = inside.strip_prefix('/') {
            let opened: Option<String> = open.pop();
            if opened.as_deref() != Some(name.trim()) {
                return Err(format!("</{name}> closes {opened:?}"));
            }
            continue;
        }
        let tag = tag(inside.trim_end_matches('/'))?;
        if !inside.ends_with('/') {
            open.push(tag.name.clone());
        }
        tags.push(tag);
    }
    well_written(rest)?;
    if open.is_empty() {
        Ok(tags)
    } else {
        Err(format!("{open:?} stay open"))
    }
}

fn tag(inside: &str) -> Result<Tag, String> {
    let (name, mut rest) = inside
        .split_once(char::is_whitespace)
        .unwrap_or((inside, ""));
    let mut attributes = BTreeMap::new();
    while !rest.trim().is_empty() {
        let (key, from) = rest
            .split_once("=\"")
            .ok_or(format!("{name}: no value in {rest}"))?;
        let (value, after) = from
            .split_once('"')
            .ok_or(format!("{name}: no end of {key}"))?;
        well_written(value)?;
        if attributes
            .insert(key.trim().to_owned(), value.to_owned())
            .is_some()
        {
            return Err(format!("{name}: {key} stands twice"));
        }
        rest = after;
    }
    Ok(Tag {
        name: name.to_owned(),
        attributes,
    })
}

/// Text without a sign that would have to be written otherwise.
fn well_written(text: &str) -> Result<(), String> {
    let known = ["&amp;", "&lt;", "&gt;", "&quot;"];
    let names_all = text.match_indices('&').all(|(at, _)| {
        let entity = text.get(at..).unwrap_or_default();
        known.iter().any(|known| entity.starts_with(known))
    });
    if names_all && !text.contains('>') {
        Ok(())
    } else {
        Err(format!("badly written: {text}"))
    }
}
