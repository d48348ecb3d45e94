// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The machines of both halves against each other, case by case.

use std::collections::BTreeMap;

use platen_model::{Changes, NodeId, SiteId, Stamp};
use platen_sync::centre::journal::{JournalFault, NodeBooks, receive};
use platen_sync::centre::lease::{BoxUse, Slice, Spent, Standing};
use platen_sync::message::{Hash, Link, Push, SentEntry, Verdict};
use platen_sync::node::feed::{Feed, Place, Reach};
use platen_sync::node::outbox::{Cargo, Heard, Outbox};
use platen_sync::node::token::{Borrowed, NoRight, Own, Return};
use platen_sync::signed::PageError;
use uuid::Uuid;

const AT: Stamp = Stamp {
    unix_ms: 1,
    elapsed_ms: 1,
    trusted: false,
};

/// A journal whose entries differ from another life's from `fork` on.
fn journal(length: u64, fork: u64, life: u8) -> Vec<SentEntry> {
    let entry = |sequence: u64| {
        let mut hash = [if sequence >= fork { life } else { 0 }; 32];
        hash[..8].copy_from_slice(&sequence.to_le_bytes());
        hash[31] = 1;
        SentEntry {
            link: Link {
                sequence,
                hash: Hash(hash),
            },
            at: AT,
            entry: vec![1],
        }
    };
    (1..=length).map(entry).collect()
}

/// Sends everything; answers what the box heard, and how often it asked.
fn talk(outbox: &mut Outbox, journal: &[SentEntry], books: &mut NodeBooks) -> (Vec<Heard>, usize) {
    let own = |sequence: u64| {
        let index = usize::try_from(sequence.checked_sub(1)?).ok()?;
        journal.get(index).map(|entry| entry.link.hash)
    };
    let head = journal.last().map_or(Link::default(), |entry| entry.link);
    let mut heard = Vec::new();
    for turn in 1..2_000 {
        let after = outbox.after(own);
        let skip = usize::try_from(after.sequence).expect("a short journal");
        let cargo = Cargo {
            at: AT,
            entries: journal.iter().skip(skip).take(500).cloned().collect(),
            head: head.sequence,
            jobs: Vec::new(),
            wants: Vec::new(),
            leases_upto: 0,
            generation: 0,
            running: None,
        };
        let (push, sent) = outbox.push(after, cargo);
        let receipt = receive(books, &push).expect("an honest box");
        if !receipt.to_keep.is_empty() {
            let number = receipt.branch.number;
            for entry in receipt.to_keep {
                let key = (entry.link.sequence, entry.link.hash.0);
                assert_eq!(books.known.insert(key, number), None, "kept twice");
            }
            books.branches.retain(|branch| branch.number != number);
            books.branches.push(receipt.branch);
        }
        heard.push(outbox.answered(sent, &receipt.verdict, own));
        if outbox.acked() == head && !outbox.is_searching() {
            return (heard, turn);
        }
    }
    panic!("no end: {heard:?}");
}

#[test]
fn a_lost_cursor_costs_replays_and_nothing_else() {
    let (journal, mut books) = (journal(3_000, 9_999, 0), NodeBooks::default());
    talk(&mut Outbox::resume(Link::default()), &journal, &mut books);
    let before = books.known.clone();
    let again = talk(&mut Outbox::resume(Link::default()), &journal, &mut books);
    // The first answer tells how far the centre is.
    assert_eq!(again, (vec![Heard::Kept(journal[2_999].link)], 1));
    assert_eq!(books.known, before);
}

#[test]
fn a_centre_that_was_put_back_is_sent_what_it_lost() {
    let journal = journal(2_000, 9_999, 0);
    let mut old = NodeBooks::default();
    talk(
        &mut Outbox::resume(Link::default()),
        &journal[..700],
        &mut old,
    );
    let mut outbox = Outbox::resume(journal[1_999].link);
    let (heard, _) = talk(&mut outbox, &journal, &mut old);
    assert_eq!(heard[0], Heard::Moved(journal[699].link));
    assert_eq!(old.known.len(), 2_000);
    assert_eq!(old.branches.len(), 1);
}

#[test]
fn a_box_that_was_put_back_goes_on_beside_its_past() {
    let (past, now) = (journal(1_500, 1_000, 1), journal(1_200, 1_000, 2));
    let mut books = NodeBooks::default();
    talk(&mut Outbox::resume(Link::default()), &past, &mut books);
    // The cursor is as old as the rest of the disk.
    let (heard, _) = talk(&mut Outbox::resume(now[949].link), &now, &mut books);
    assert_eq!(heard, [Heard::Kept(now[1_199].link)]);
    assert_eq!(books.branches.len(), 2);
    assert_eq!(books.branches[1].base, past[998].link);
    assert_eq!(books.known.len(), 1_500 + 201);
}

/// The same journal where the record of `sequence` is damaged.
fn damaged(mut journal: Vec<SentEntry>, sequence: u64) -> Vec<SentEntry> {
    for entry in &mut journal {
        if entry.link.sequence == sequence {
            (entry.link.hash, entry.entry) = (Hash::default(), Vec::new());
        }
    }
    journal
}

#[test]
fn a_record_that_is_damaged_after_it_was_sent_may_be_sent_again() {
    for sequence in [1, 5, 499, 500, 501, 600] {
        let mut books = NodeBooks::default();
        let whole = journal(600, u64::MAX, 0);
        talk(&mut Outbox::resume(Link::default()), &whole, &mut books);
        let now = damaged(whole, sequence);
        let mut outbox = Outbox::resume(Link::default());
        let (heard, _) = talk(&mut outbox, &now, &mut books);
        let restored = |heard: &Heard| matches!(heard, Heard::Restored { .. });
        // What the last one was nobody here knows any more.
        assert_eq!(heard.iter().any(restored), sequence == 600, "{sequence}");
        assert_eq!((books.branches.len(), outbox.acked().sequence), (1, 600));
    }
}

#[test]
fn a_box_that_was_put_back_and_has_damage_where_its_ways_part_goes_on_beside_its_past() {
    for sequence in [300, 301, 500, 501] {
        let mut books = NodeBooks::default();
        let past = journal(600, u64::MAX, 0);
        talk(&mut Outbox::resume(Link::default()), &past, &mut books);
        let now = damaged(journal(650, 301, 9), sequence);
        let mut outbox = Outbox::resume(Link::default());
        talk(&mut outbox, &now, &mut books);
        let head = now.last().map(|entry| entry.link);
        assert_eq!(Some(outbox.acked()), head, "damaged: {sequence}");
        assert_eq!(books.branches.last().map(|branch| branch.head), head);
    }
}

#[test]
fn a_restored_box_that_lost_its_cursor_is_told_of_its_own_branch() {
    let mut books = NodeBooks::default();
    let past = journal(30, u64::MAX, 0);
    talk(&mut Outbox::resume(Link::default()), &past, &mut books);
    let now = journal(40, 21, 9);
    talk(&mut Outbox::resume(past[19].link), &now, &mut books);
    assert_eq!(books.branches.len(), 2);
    for cursor in [Link::default(), now[9].link] {
        let (heard, turns) = talk(&mut Outbox::resume(cursor), &now, &mut books);
        assert_eq!((heard, turns), (vec![Heard::Kept(now[39].link)], 1));
        // Also before it sends anything.
        let greeting = Push {
            version: platen_sync::message::VERSION,
            at: AT,
            after: cursor,
            entries: Vec::new(),
            head: 40,
            jobs: Vec::new(),
            wants: Vec::new(),
            leases_upto: 0,
            generation: 0,
            running: None,
        };
        let verdict = receive(&books, &greeting).map(|receipt| receipt.verdict);
        assert_eq!(verdict, Ok(Verdict::Kept(now[39].link)));
    }
}

#[test]
fn a_restored_box_that_has_nothing_new_is_told_so() {
    let (past, now) = (journal(1_500, 9_999, 1), journal(1_200, 9_999, 1));
    let mut books = NodeBooks::default();
    talk(&mut Outbox::resume(Link::default()), &past, &mut books);
    let (heard, _) = talk(&mut Outbox::resume(now[1_000].link), &now, &mut books);
    let centre_has = past[1_499].link;
    assert_eq!(heard, [Heard::Restored { centre_has }]);
    assert_eq!(books.branches.len(), 1);
}

#[test]
fn where_nobody_knows_the_cursor_the_last_common_entry_is_found_by_halving() {
    let (past, now) = (journal(90_000, 40_000, 1), journal(100_000, 40_000, 2));
    let mut books = NodeBooks::default();
    talk(&mut Outbox::resume(Link::default()), &past, &mut books);
    let mut outbox = Outbox::resume(now[99_999].link);
    let (heard, turns) = talk(&mut outbox, &now, &mut books);
    let searched = heard.iter().filter(|heard| **heard == Heard::Searching);
    assert!(searched.count() <= 17, "{heard:?}");
    assert!(matches!(heard[0], Heard::Restored { .. }), "{:?}", heard[0]);
    // 60,001 entries go in 121 pushes.
    assert!(turns < 18 + 125, "{turns}");
    assert_eq!(books.branches[1].base, past[39_998].link);
}

#[test]
fn answers_that_make_no_sense_change_nothing() {
    let journal = journal(10, 99, 0);
    let own = |n: u64| {
        journal
            .get(usize::try_from(n).ok()? - 1)
            .map(|e| e.link.hash)
    };
    let mut outbox = Outbox::resume(journal[4].link);
    let sent = platen_sync::node::outbox::Sent {
        after: journal[4].link,
        last: journal[9].link,
    };
    let foreign = Link {
        sequence: 7,
        hash: Hash([9; 32]),
    };
    for verdict in [
        Verdict::Kept(journal[2].link),
        Verdict::Kept(foreign),
        Verdict::SendAfter(journal[4].link),
    ] {
        let before = outbox.clone();
        assert_eq!(outbox.answered(sent, &verdict, own), Heard::Nonsense);
        assert_eq!(outbox, before);
    }
}

#[test]
fn what_no_honest_box_sends_is_refused() {
    let entries = journal(5, 99, 0);
    let push = |entries: Vec<SentEntry>| Push {
        version: 1,
        at: AT,
        after: Link::default(),
        head: 5,
        entries,
        jobs: Vec::new(),
        wants: Vec::new(),
        leases_upto: 0,
        generation: 0,
        running: None,
    };
    let gap = push(vec![entries[0].clone(), entries[2].clone()]);
    let books = NodeBooks::default();
    assert_eq!(receive(&books, &gap), Err(JournalFault::Gap(1)));
    let third = &entries[2].link;
    let known = NodeBooks {
        branches: Vec::new(),
        known: BTreeMap::from([((3, third.hash.0), 1)]),
    };
    let whole = push(entries.clone());
    assert_eq!(receive(&known, &whole), Err(JournalFault::NotAChain(3)));
}

fn page(generation: u64, from: u64, to: u64, latest: u64) -> Changes {
    Changes {
        site: SiteId(Uuid::nil()),
        node: NodeId(Uuid::nil()),
        generation,
        keys: 1,
        at_unix_ms: 100 + latest,
        from,
        to,
        latest,
        tombstones: Vec::new(),
        records: Vec::new(),
    }
}

#[test]
fn pages_are_taken_in_order_and_a_new_generation_serves_when_it_is_complete() {
    let feed = Feed::default();
    let first = feed.next(&page(1, 0, 5, 9), 1).unwrap();
    assert_eq!((first.place, first.complete), (Place::NewAside, false));
    assert_eq!(
        first.feed.serving.generation, 0,
        "half a copy does not serve"
    );
    let second = first.feed.next(&page(1, 5, 9, 9), 1).unwrap();
    assert_eq!((second.place, second.complete), (Place::Aside, true));
    let feed = second.feed;
    let whole = Reach {
        generation: 1,
        revision: 9,
        keys: 1,
    };
    assert_eq!((feed.serving, feed.confirmed_unix_ms), (whole, 109));
    assert_eq!(
        feed.next(&page(1, 9, 9, 9), 1).unwrap().place,
        Place::Nothing
    );
    assert_eq!(
        feed.next(&page(1, 9, 12, 12), 1).unwrap().place,
        Place::Serving
    );
    let have = 9;
    let refused = |page: &Changes| feed.next(page, 1).unwrap_err();
    assert_eq!(
        refused(&page(1, 10, 12, 12)),
        PageError::Gap { from: 10, have }
    );
    assert!(matches!(
        refused(&page(1, 3, 12, 12)),
        PageError::RollBack { .. }
    ));
    assert!(matches!(
        refused(&page(0, 0, 12, 12)),
        PageError::RollBack { .. }
    ));
    assert_eq!(
        refused(&page(2, 9, 12, 12)),
        PageError::Gap { from: 9, have: 0 }
    );
    assert_eq!(refused(&page(1, 9, 8, 12)), PageError::Inconsistent);
    let mut rekeyed = page(2, 0, 4, 8);
    rekeyed.keys = 2;
    assert_eq!(refused(&rekeyed), PageError::KeysMissing { wanted: 2 });
    let begun = feed.next(&rekeyed, 2).unwrap();
    assert_eq!(begun.feed.serving, whole, "the old copy serves on");
    assert!(begun.also_serving && begun.place == Place::NewAside);
}

#[test]
fn the_right_to_release_is_in_one_place_whatever_comes_late_or_twice() {
    let (a, b) = (NodeId(Uuid::from_u128(1)), NodeId(Uuid::from_u128(2)));
    let (mut own, mut at_a) = (Own::default(), Borrowed::default());
    let loan = own.lend(a).unwrap();
    assert_eq!(own.lend(a), Ok(loan), "asked again, the same loan");
    assert_eq!(own.lend(b), Err(NoRight::Lent(a)));
    assert_eq!(own.begin(), Err(NoRight::Lent(a)));
    assert_eq!(
        own.end(),
        Err(NoRight::Lent(a)),
        "a lent job does not expire"
    );
    at_a.lent(loan);
    at_a.begin().unwrap();
    assert_eq!(at_a.word(), None);
    let word = at_a.give_back().unwrap();
    at_a.lent(loan);
    assert_eq!(at_a.begin(), Err(NoRight::NotHere), "the offer came twice");
    own.returned(b, word);
    assert_eq!(own.begin(), Err(NoRight::Lent(a)), "said by another box");
    own.returned(a, word);
    let second = own.lend(b).unwrap();
    own.returned(a, word);
    assert_eq!(own.begin(), Err(NoRight::Lent(b)), "an old word");
    let mut at_b = Borrowed::default();
    at_b.lent(second);
    at_b.begin().unwrap();
    let word = at_b.end().unwrap();
    assert_eq!(
        word,
        Return {
            loan: second,
            used: true
        }
    );
    assert_eq!(at_b.give_back(), Some(word), "used stays used");
    own.returned(b, word);
    assert_eq!(own.begin(), Err(NoRight::Used));
    assert_eq!(own.lend(a), Err(NoRight::Used));
}

#[test]
fn a_lease_gives_back_what_was_not_spent_and_nothing_that_may_have_been() {
    let mut slice = Slice::new(100);
    assert_eq!(
        (slice.spend(30), slice.held(), slice.unspent()),
        (Spent::Within, 100, 70)
    );
    let mut doubtful = slice;
    slice.close();
    assert_eq!((slice.held(), slice.unspent()), (30, 0));
    doubtful.doubt();
    doubtful.close();
    assert_eq!(
        doubtful.held(),
        100,
        "entries are lost: all counts as spent"
    );
    assert_eq!(doubtful.spend(80), Spent::Over(10));
    assert_eq!(slice.spend(5), Spent::Over(5), "it was closed");
    let mut lost = Slice::new(100);
    lost.declare_lost();
    assert_eq!((lost.held(), lost.spend(40)), (0, Spent::Over(40)));
}

#[test]
fn a_limit_lowered_below_what_is_out_gives_nothing_and_passes_no_number() {
    let one = |node, recent, unspent| BoxUse {
        node: NodeId(Uuid::from_u128(node)),
        recent,
        unspent,
    };
    let mut standing = Standing {
        limit: 50,
        used: 30,
        boxes: vec![one(1, 30, 60), one(2, u64::MAX, 0)],
    };
    assert_eq!((standing.free(), standing.excess()), (0, 40));
    assert_eq!(standing.grant(NodeId(Uuid::from_u128(2)), u64::MAX), 0);
    standing.limit = u64::MAX;
    let given = standing.grant(NodeId(Uuid::from_u128(2)), u64::MAX);
    assert!(given <= standing.free() && given > u64::MAX / 2);
}
