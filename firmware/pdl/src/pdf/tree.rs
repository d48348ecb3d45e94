// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The page tree (ISO 32000-1 §7.7.3): pages are its leaves. `/Count` is a hint that is often
//! wrong and is used only where the walk could not end.

use std::collections::HashSet;

use super::PdfError;
use super::objects::Objects;
use super::rebuild::usable;
use super::value::Value;

/// Kids that wait to be looked at, over all levels of the tree.
const WAITING_KIDS: usize = 2_000_000;

/// A kid that waits.
#[derive(Clone, Copy)]
enum Kid {
    Object(u32),
    /// A page written straight into `/Kids`, which the format forbids.
    Direct,
    /// Null, a number, a name …
    Nothing,
}

/// What the walk found.
#[derive(Debug, Default)]
pub(super) struct Walk {
    pub(super) pages: u32,
    /// Kids that are null, no page, or lead back to the tree above them.
    pub(super) wrong: u32,
    /// Kids that could not be read where the table says they are.
    pub(super) unreadable: u32,
    /// Why the walk ended early.
    pub(super) stopped: Option<PdfError>,
}

impl Walk {
    /// Whether every kid was a page or led to pages.
    pub(super) fn is_clean(&self) -> bool {
        self.wrong == 0 && self.unreadable == 0 && self.stopped.is_none()
    }
}

/// Counts the leaves under the value of `/Pages`.
pub(super) fn walk(objects: &mut Objects<'_, '_>, root: &Value) -> Walk {
    let mut walk = Walk::default();
    walk.stopped = descend(objects, root, &mut walk).err();
    walk
}

fn descend(objects: &mut Objects<'_, '_>, root: &Value, walk: &mut Walk) -> Result<(), PdfError> {
    let mut seen = HashSet::new();
    let mut levels: Vec<std::vec::IntoIter<Kid>> = vec![vec![kid(root)].into_iter()];
    let mut waiting = 1_usize;
    while let Some(level) = levels.last_mut() {
        let Some(next) = level.next() else {
            levels.pop();
            continue;
        };
        waiting -= 1;
        let Some(number) = walk.leaf_or_number(next) else {
            continue;
        };
        let node = match objects.load(number) {
            Err(PdfError::Damaged) => {
                walk.unreadable += 1;
                continue;
            }
            node => node?,
        };
        let Some(kids) = kids(objects, &node)? else {
            walk.leaf(&node);
            if walk.pages >= objects.limits.pages {
                return Err(PdfError::Limit);
            }
            continue;
        };
        // A page may stand in the tree twice; a node that does is a loop or a bomb.
        if !seen.insert(number) {
            walk.wrong += 1;
            continue;
        }
        waiting = waiting.saturating_add(kids.len());
        if waiting > WAITING_KIDS || levels.len() >= objects.limits.tree_depth {
            return Err(PdfError::Limit);
        }
        levels.push(kids.into_iter());
    }
    Ok(())
}

impl Walk {
    fn leaf_or_number(&mut self, kid: Kid) -> Option<u32> {
        match kid {
            Kid::Object(number) => return Some(number),
            Kid::Direct => {
                self.pages = self.pages.saturating_add(1);
                self.wrong += 1;
            }
            Kid::Nothing => self.wrong += 1,
        }
        None
    }

    /// Counts an object without kids: a page, also when it forgets to say so.
    fn leaf(&mut self, node: &Value) {
        let is_node = node.get(b"Type").is_name(b"Pages");
        match node {
            Value::Dictionary(_) if is_node => {} // an empty branch
            Value::Dictionary(_) => self.pages = self.pages.saturating_add(1),
            _ => self.wrong += 1,
        }
    }
}

/// The kids of a node; `None` for a page and for what is no node at all.
fn kids(objects: &mut Objects<'_, '_>, node: &Value) -> Result<Option<Vec<Kid>>, PdfError> {
    if node.get(b"Type").is_name(b"Page") {
        return Ok(None); // whatever else it holds
    }
    let found = usable(objects.resolve(node.get(b"Kids")))?;
    Ok(match found {
        Some(Value::Array(items)) => Some(items.iter().map(kid).collect()),
        _ => None,
    })
}

fn kid(value: &Value) -> Kid {
    match value {
        Value::Reference(number, _) => Kid::Object(*number),
        Value::Dictionary(_) => Kid::Direct,
        _ => Kid::Nothing,
    }
}

/// Counts the page objects of a file without a page tree.
pub(super) fn orphans(objects: &mut Objects<'_, '_>) -> Result<u32, PdfError> {
    let mut pages = 0_u32;
    for number in objects.table.numbers_in_file_order() {
        let object = usable(objects.load(number))?;
        if object.is_some_and(|object| object.get(b"Type").is_name(b"Page")) {
            pages = pages.saturating_add(1);
        }
    }
    Ok(pages)
}
