// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The page tree (ISO 32000-1 §7.7.3): pages are its leaves. `/Count` is a hint that is often
//! wrong and is used only where the walk could not end.

use std::collections::HashMap;

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

/// What an object is in the tree. Kept, so that one named a million times is read once.
#[derive(Clone, Copy)]
enum Seen {
    Page,
    /// A node whose kids were gone through. A page may stand in the tree twice; a node that does
    /// is a loop or a bomb.
    Node,
    /// A node that lists no kids.
    Empty,
    Wrong,
    Unreadable,
}

fn descend(objects: &mut Objects<'_, '_>, root: &Value, walk: &mut Walk) -> Result<(), PdfError> {
    let mut seen = HashMap::new();
    let mut levels: Vec<std::vec::IntoIter<Kid>> = vec![vec![kid(root)].into_iter()];
    let mut waiting = 1_usize;
    while let Some(level) = levels.last_mut() {
        let Some(next) = level.next() else {
            levels.pop();
            continue;
        };
        waiting -= 1;
        let Some(number) = walk.number_of(next) else {
            continue;
        };
        if let Some(again) = seen.get(&number) {
            walk.enter(*again);
        } else {
            let (first, kids) = look(objects, number)?;
            seen.insert(number, first);
            waiting = waiting.saturating_add(kids.len());
            match first {
                Seen::Node if waiting > WAITING_KIDS => return Err(PdfError::Limit),
                Seen::Node if levels.len() >= objects.limits.tree_depth => {
                    return Err(PdfError::Limit);
                }
                Seen::Node => levels.push(kids.into_iter()),
                other => walk.enter(other),
            }
        }
        if walk.pages >= objects.limits.pages {
            return Err(PdfError::Limit);
        }
    }
    Ok(())
}

impl Walk {
    /// The object that a kid names; other kids are judged here.
    fn number_of(&mut self, kid: Kid) -> Option<u32> {
        match kid {
            Kid::Object(number) => return Some(number),
            Kid::Direct => {
                self.enter(Seen::Page);
                self.enter(Seen::Wrong);
            }
            Kid::Nothing => self.enter(Seen::Wrong),
        }
        None
    }

    fn enter(&mut self, seen: Seen) {
        let place = match seen {
            Seen::Page => &mut self.pages,
            Seen::Node | Seen::Wrong => &mut self.wrong,
            Seen::Unreadable => &mut self.unreadable,
            Seen::Empty => return,
        };
        *place = place.saturating_add(1);
    }
}

/// What an object is, and its kids. One without kids is a page, also when it forgets to say so.
fn look(objects: &mut Objects<'_, '_>, number: u32) -> Result<(Seen, Vec<Kid>), PdfError> {
    let node = match objects.load(number) {
        Err(PdfError::Damaged) => return Ok((Seen::Unreadable, Vec::new())),
        node => node?,
    };
    let kind = node.get(b"Type");
    if kind.is_name(b"Page") {
        return Ok((Seen::Page, Vec::new())); // whatever else it holds
    }
    let found = usable(objects.resolve(node.get(b"Kids")))?;
    Ok(match (found, &node) {
        (Some(Value::Array(items)), _) => (Seen::Node, items.iter().map(kid).collect()),
        (_, Value::Dictionary(_)) if kind.is_name(b"Pages") => (Seen::Empty, Vec::new()),
        (_, Value::Dictionary(_)) => (Seen::Page, Vec::new()),
        _ => (Seen::Wrong, Vec::new()),
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
