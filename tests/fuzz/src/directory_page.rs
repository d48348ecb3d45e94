// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Pages of the centre's directory: any CBOR, as it is and made to follow what the box has, into a
//! copy that forgets everything between inputs.

use std::sync::{Arc, OnceLock};

use platen_auth::{Applied, Cache, Position};
use platen_model::{Changes, Clock, ManualClock, NodeId};
use platen_store::{Database, Keys, SimDisk};

use crate::sealed_box::index_folder;

/// Deepest nesting taken, as in messages.
const DEPTH_MAX: usize = 32;

struct Box {
    _folder: tempfile::TempDir,
    node: NodeId,
    clock: ManualClock,
    cache: Cache,
}

fn the_box() -> &'static Box {
    static BOX: OnceLock<Box> = OnceLock::new();
    BOX.get_or_init(|| {
        let keys = Arc::new(Keys::open(&SimDisk::new(0)).expect("an empty disk"));
        let folder = index_folder();
        let path = folder.path().join("pages");
        let (database, _) = Database::open(&path, &keys).expect("an empty folder");
        let clock = ManualClock::at(0);
        let node = NodeId(keys.box_uuid());
        Box {
            _folder: folder,
            node,
            cache: Cache::open(keys, &database, clock.now()).expect("an empty database"),
            clock,
        }
    })
}

/// Decodes a page and puts it into a copy, twice.
///
/// # Panics
/// When a page that was refused changed the copy, or one that was taken left it somewhere else.
pub fn directory_page(data: &[u8]) {
    let decoded = ciborium::de::from_reader_with_recursion_limit(data, DEPTH_MAX);
    let Ok::<Changes, _>(page) = decoded else {
        return;
    };
    let given = the_box();
    given
        .cache
        .forget(given.clock.now())
        .expect("memory takes all");
    apply(given, &page);
    let mut page = fitted(given, page);
    apply(given, &page);
    (page.from, page.to, page.latest) = (page.to, page.latest, page.latest);
    apply(given, &page);
}

fn apply(given: &Box, page: &Changes) {
    let before = given.cache.position();
    match given.cache.apply(page, given.clock.now()) {
        Ok(Applied { position, .. }) => {
            let expected = Position {
                generation: page.generation,
                revision: page.to,
            };
            assert_eq!(position, expected);
        }
        Err(_) => assert_eq!(given.cache.position(), before, "refused, but taken"),
    }
    let standing = given.cache.standing(given.clock.now());
    let most = u32::try_from(page.records.len() * 2).expect("inputs are short");
    assert!(standing.users <= most && standing.credentials <= most);
}

/// For this box, in order, from where it stands.
fn fitted(given: &Box, mut page: Changes) -> Changes {
    let position = given.cache.position();
    page.node = given.node;
    page.site = given.cache.site().unwrap_or(page.site);
    if page.generation <= position.generation {
        page.generation = position.generation.max(1);
        page.from = position.revision;
    } else {
        page.from = 0;
    }
    let mut last = page.from;
    for one in &mut page.records {
        last = last.saturating_add(1 + one.revision % 4);
        one.revision = last;
    }
    page.to = last;
    page.latest = last.saturating_add(page.latest % 4);
    let span = (page.latest - page.from).max(1);
    page.tombstones.retain(|_| page.latest > page.from);
    for one in &mut page.tombstones {
        one.revision = page.from + 1 + one.revision % span;
    }
    page
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_page_of_the_corpus_is_understood_and_taken_once_it_is_made_to_fit() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/corpus/directory_page");
        for entry in std::fs::read_dir(folder).expect("the corpus is there") {
            let path = entry.expect("it can be listed").path();
            let bytes = std::fs::read(&path).expect("it can be read");
            directory_page(&bytes);
            let page: Changes = ciborium::from_reader(bytes.as_slice()).expect("it is a page");
            let given = the_box();
            given
                .cache
                .forget(given.clock.now())
                .expect("memory takes all");
            let page = fitted(given, page);
            let applied = given.cache.apply(&page, given.clock.now());
            assert!(applied.is_ok(), "{}: {applied:?}", path.display());
        }
    }
}
