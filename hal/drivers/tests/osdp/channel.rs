// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The Secure Channel: what goes through it, and who does not get in.

use platen_drivers::AesKey;
use platen_drivers::osdp::{LOST_MAX, Osdp, Protection};
use platen_hal::{CardReader as _, ReaderError};
use platen_hal_sim::{OsdpFault, OsdpModel, SimDelay};

use crate::rig::{self, ADDRESS, KEY, MODES, Mode, cause, config, rig, running, with};

#[test]
fn in_the_channel_nothing_of_a_card_is_in_clear_and_nothing_is_asked_outside_it() {
    let mut rig = running(Mode::Secure);
    let card = rig.present(&[0xde, 0xad, 0xbe, 0xef, 0x12, 0x34, 0x56]);
    assert!(rig.model.press("73519"));
    assert_eq!(rig.poll(), Ok(Some(card)));
    rig.poll().unwrap();
    let said = rig.model.said();
    for secret in [&[0xde, 0xad, 0xbe][..], b"735"] {
        assert!(!said.windows(3).any(|bytes| bytes == secret));
    }
    let commands = rig.model.commands();
    let in_clear = commands
        .iter()
        .filter(|(code, secure)| !secure && *code != 0x61);
    assert_eq!(in_clear.count(), 0, "{commands:?}");
    assert!(commands.contains(&(0x60, true)));
}

#[test]
fn a_reader_with_another_key_is_never_read() {
    let model = OsdpModel::with_key(ADDRESS, *b"another site's k");
    let mut rig = with(model, config(Mode::Secure, "uid"));
    rig.present(&[1, 2, 3, 4]);
    assert_eq!(cause(rig.start()), "reader has another key");
    assert_eq!(cause(rig.poll()), "reader is not started");
    assert!(rig.model.commands().iter().all(|(code, _)| *code == 0x61));
}

#[test]
fn the_default_key_is_taken_for_installing_alone() {
    let model = OsdpModel::new(ADDRESS);
    let mut secure = with(model.clone(), config(Mode::Secure, "uid"));
    assert_eq!(cause(secure.start()), "reader makes no secure channel");
    assert_eq!(model.key(), None);

    let mut install = config(Mode::Secure, "uid");
    install.protection = Protection::Install(AesKey::new(KEY).into());
    let mut rig = with(model.clone(), install.clone());
    rig.start().unwrap();
    assert_eq!(model.key(), Some(KEY));
    rig.settle();
    let card = rig.present(&[1, 2, 3, 4]);
    assert_eq!(rig.poll(), Ok(Some(card)));
    // From now on the key alone does it, and nothing was said before it outside a channel.
    secure.start().unwrap();
    secure.settle();
    let commands = model.commands();
    assert!(
        commands
            .iter()
            .all(|(code, secure)| *secure || *code == 0x61)
    );

    // A reader of somebody else is not taken over.
    install.protection = Protection::Install(AesKey::new(KEY).into());
    let stranger = OsdpModel::with_key(ADDRESS, *b"another site's k");
    let mut rig = with(stranger.clone(), install);
    assert_eq!(cause(rig.start()), "reader makes no secure channel");
    assert_eq!(stranger.key(), Some(*b"another site's k"));
}

#[test]
fn a_refusal_after_installation_does_not_bring_the_default_key_back() {
    let model = OsdpModel::new(ADDRESS);
    let mut install = config(Mode::Secure, "uid");
    install.protection = Protection::Install(AesKey::new(KEY).into());
    let mut rig = with(model.clone(), install.clone());
    rig.start().unwrap();
    rig.settle();
    // Somebody at the wires plays a new reader: it refuses the key, and takes the default one.
    let played = || {
        model.set_key(None);
        model.reboot();
    };
    // Each handshake begins with the question who it is.
    let handshakes = || {
        let commands = model.commands();
        commands.iter().filter(|(code, _)| *code == 0x61).count()
    };
    played();
    let before = handshakes();
    assert_eq!(rig.cause_of_end(), "reader makes no secure channel");
    assert_eq!(cause(rig.start()), "reader makes no secure channel");
    // Nor does a driver that is made anew for the same reader.
    let mut again = with(model.clone(), install.clone());
    assert_eq!(cause(again.start()), "reader makes no secure channel");
    assert_eq!(model.key(), None, "the key went out");
    assert_eq!(handshakes() - before, 3, "another key was tried");
    // The true reader is taken as ever.
    model.set_key(Some(KEY));
    model.reboot();
    again.start().unwrap();
    // Only who imports another key installs again.
    let other = *b"another one's k.";
    install.protection = Protection::Install(AesKey::new(other).into());
    let model = OsdpModel::new(ADDRESS);
    with(model.clone(), install).start().unwrap();
    assert_eq!(model.key(), Some(other));
}

#[test]
fn random_numbers_that_are_none_make_no_channel() {
    let reader = |number: u8| {
        let port = OsdpModel::with_key(ADDRESS, KEY).port();
        let random = move |into: &mut [u8]| into.fill(number);
        let config = config(Mode::Secure, "uid");
        Osdp::new(port, SimDelay::default(), random, config).unwrap()
    };
    let refused = ReaderError::Refused {
        cause: "no random numbers",
    };
    assert_eq!(reader(0).start(), Err(refused.clone()));
    let mut stuck = reader(7);
    assert_eq!(stuck.start(), Ok(()));
    assert_eq!(stuck.start(), Err(refused));
}

#[test]
fn a_reader_that_wants_a_channel_is_not_polled_without_one() {
    let mut rig = rig(Mode::Clear);
    rig.model.set_insists(true);
    rig.start().unwrap();
    assert_eq!(rig.cause_of_end(), "reader wants a secure channel");
    let mut rig = rig::rig(Mode::Secure);
    rig.model.set_insists(true);
    rig.start().unwrap();
    let card = rig.present(&[1, 2, 3, 4]);
    assert_eq!(rig.next_card(6), Some(card));
}

#[test]
fn a_reader_that_loses_each_session_is_gone() {
    let mut rig = rig(Mode::Secure);
    rig.model.set_fault(OsdpFault::Forgetful);
    rig.start().unwrap();
    assert_eq!(rig.cause_of_end(), "reader lost the secure channel");
    let handshakes = rig
        .model
        .commands()
        .iter()
        .filter(|(code, _)| *code == 0x61)
        .count();
    assert_eq!(handshakes, usize::from(LOST_MAX));
}

#[test]
fn not_one_flipped_bit_of_a_signed_reply_is_accepted() {
    for bit in 0..40 * 8 {
        let mut rig = running(Mode::Secure);
        let card = rig.present(&[4, 1, 2, 3, 4, 5, 6]);
        rig.model.set_fault(OsdpFault::Tampering { bit });
        for _ in 0..8 {
            let seen = rig.poll();
            assert!(!matches!(seen, Ok(Some(_))), "bit {bit}: {seen:?}");
        }
        rig.model.set_fault(OsdpFault::None);
        let _ = rig.start();
        let next = rig.present(&[1, 2, 3, 4]);
        let seen = rig.next_card(8);
        assert!(seen == Some(next) || seen == Some(card), "bit {bit}");
    }
}

#[test]
fn an_old_answer_is_not_taken_again() {
    let mut rig = running(Mode::Secure);
    let card = rig.present(&[1, 2, 3, 4]);
    assert_eq!(rig.poll(), Ok(Some(card)));
    rig.model.set_fault(OsdpFault::Replay);
    assert_eq!(rig.next_card(30), None);
    rig.model.set_fault(OsdpFault::None);
    let _ = rig.start();
    let card = rig.present(&[1, 2, 3, 5]);
    assert_eq!(rig.next_card(8), Some(card));
}

#[test]
fn a_forged_card_is_taken_in_clear_and_never_where_a_channel_is_wanted() {
    let card = vec![0, 0, 32, 0, 1, 2, 3, 4];
    for mode in MODES {
        let mut rig = running(mode);
        rig.model
            .set_fault(OsdpFault::Forgery { card: card.clone() });
        let seen = rig.next_card(30);
        assert_eq!(seen.is_some(), mode != Mode::Secure, "{mode:?}");
    }
}

#[test]
fn a_card_that_is_signed_but_not_encrypted_is_refused() {
    let mut rig = running(Mode::Secure);
    rig.model.set_fault(OsdpFault::Unsealed);
    rig.present(&[1, 2, 3, 4]);
    assert!(matches!(rig.poll(), Err(ReaderError::Garbled { .. })));
    assert_eq!(rig.poll(), Ok(None), "the session goes on");
    assert!(rig.model.press("1"));
    assert!(matches!(rig.poll(), Err(ReaderError::Garbled { .. })));
    assert_eq!(rig.reader.take_key(), None);
}
