// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Messages of the sync protocol. The first byte of the input says which message, and whether it is
//! compressed; a message that is read comes back the same from its own bytes. Pages of the directory
//! are read as if they were signed.

use platen_sync::codec::{Message, decode, encode, inflate, unpack};
use platen_sync::limits::check_page;
use platen_sync::message::{
    EnrolAnswer, EnrolAsk, Enrolment, Link, LoginAsk, Pull, PullAnswer, Push, PushAnswer, Renew,
    SiteKeys,
};
use platen_sync::node::outbox::Outbox;

/// Most bytes that a compressed input may become here.
const INFLATED_MAX: usize = 1 << 20;

/// Reads a message.
///
/// # Panics
/// When a message changes on its way, or a compressed one grows above its limit.
pub fn sync_message(data: &[u8]) {
    let Some((kind, bytes)) = data.split_first() else {
        return;
    };
    let deflated = kind & 0x80 != 0;
    if deflated && let Ok(Some(plain)) = inflate(bytes, INFLATED_MAX) {
        assert!(plain.len() <= INFLATED_MAX);
    }
    match kind % 12 {
        0 => push(bytes, deflated),
        1 => read::<PushAnswer>(bytes, deflated),
        2 => read::<Pull>(bytes, deflated),
        3 => pull_answer(bytes, deflated),
        4 => read::<LoginAsk>(bytes, deflated),
        5 => read::<EnrolAsk>(bytes, deflated),
        6 => read::<EnrolAnswer>(bytes, deflated),
        7 => read::<Enrolment>(bytes, deflated),
        8 => read::<Renew>(bytes, deflated),
        9 => read::<SiteKeys>(bytes, deflated),
        10 => drop(platen_sync::centre::effect::judge(
            platen_sync::centre::effect::read(bytes),
        )),
        _ => drop(platen_sync::enrol::Code::parse(&String::from_utf8_lossy(
            bytes,
        ))),
    }
}

fn read<M: Message>(bytes: &[u8], deflated: bool) {
    let Ok(message) = unpack::<M>(bytes, deflated) else {
        return;
    };
    let written = encode(&message).expect("what was read keeps its limits");
    let again: M = decode(&written).expect("what was written is read");
    let again = encode(&again).expect("what was read keeps its limits");
    assert_eq!(again, written);
}

fn push(bytes: &[u8], deflated: bool) {
    read::<Push>(bytes, deflated);
    let Ok(push) = unpack::<Push>(bytes, deflated) else {
        return;
    };
    let books = platen_sync::centre::journal::NodeBooks::default();
    if let Ok(receipt) = platen_sync::centre::journal::receive(&books, &push) {
        let sent = platen_sync::node::outbox::Sent {
            after: push.after,
            last: receipt.branch.head,
        };
        let mut outbox = Outbox::resume(Link::default());
        outbox.answered(sent, &receipt.verdict, |_| None);
    }
}

fn pull_answer(bytes: &[u8], deflated: bool) {
    read::<PullAnswer>(bytes, deflated);
    let Ok(answer) = unpack::<PullAnswer>(bytes, deflated) else {
        return;
    };
    let page = ciborium::from_reader::<platen_model::Changes, _>(answer.changes.payload.as_slice());
    if let Ok(page) = page
        && check_page(&page).is_ok()
    {
        let feed = platen_sync::node::feed::Feed::default();
        if let Ok(take) = feed.next(&page, page.keys) {
            assert_eq!(take.feed.reach().revision, page.to);
        }
    }
}
