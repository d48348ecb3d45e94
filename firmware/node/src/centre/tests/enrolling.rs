// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Becoming part of a site, leaving it, and being taken out of it.

use super::*;
use platen_sync::message::RefusalCode;

#[test]
fn a_box_becomes_part_of_a_site_by_its_code_and_stays_so_over_a_restart() {
    let scripted = Scripted::start();
    scripted.book().put(group(1));
    let mut bench = Bench::new(&scripted.url);
    assert!(bench.has_alert("not-enrolled"));
    bench.enrol(&scripted);
    let status = bench.centre.status();
    assert_eq!(status.site, Some(scripted.book().site));
    assert_eq!(status.site_name.as_deref(), Some("the office"));
    assert_eq!(status.code, None);
    assert!(!bench.centre.parts.panel.shown().text.contains('-'));
    wait_until("the journal says so", || {
        let entries = bench.centre.parts.ledger.entries(1, 10).unwrap();
        let site = Some(scripted.book().site);
        entries
            .iter()
            .any(|entry| entry.entry == Entry::Enrolled { site })
    });
    let (disk, _) = bench.end();
    for (path, bytes) in disk.files() {
        let clear = bytes.windows(10).any(|part| part == b"the office");
        assert!(!clear, "{}", path.display());
    }
    let mut bench = Bench::on(disk, &scripted.url, NOW_MS);
    assert_eq!(bench.state(), CentreState::Offline);
    bench.run();
    wait_until("the box is online again", || {
        bench.state() == CentreState::Online
    });
    assert_eq!(bench.revision(), 1, "fetched again: the index was empty");
}

#[test]
fn a_wrong_code_or_somebody_in_the_middle_enrols_nobody() {
    let scripted = Scripted::start();
    let mut bench = Bench::new(&scripted.url);
    bench.run();
    let code = bench.code();
    scripted.book().typed = Some(Code::from_random([9; 16]));
    a_while();
    assert_eq!(bench.state(), CentreState::WaitingForCode);
    assert_eq!(scripted.book().enrolled, None);
    // Answers although it can't know the code.
    scripted.book().forge = true;
    wait_until("the box refuses", || bench.state() == CentreState::Refused);
    let status = bench.centre.status();
    assert_eq!((status.site, status.code), (None, None));
    assert!(
        status
            .last_error
            .is_some_and(|error| error.contains("somebody between"))
    );
    scripted.book().forge = false;
    assert_ne!(
        bench.code(),
        code,
        "what was typed somewhere is worth nothing any more"
    );
}

/// The proxy in the middle shows a certificate of its own and passes on what the box says.
#[test]
fn a_proof_made_for_another_certificate_is_worth_nothing_at_the_centre() {
    let (scripted, middle) = (Scripted::start(), Scripted::start());
    let mut bench = Bench::new(&middle.url);
    bench.run();
    let code = bench.code();
    // The centre is told the right code, but the box saw the middle's certificate.
    let asked = smol::block_on(ask_like(&bench, &middle, &scripted, &code));
    assert!(matches!(
        asked,
        platen_sync::message::EnrolAnswer::Waiting { .. }
    ));
    assert_eq!(scripted.book().enrolled, None);
}

async fn ask_like(
    bench: &Bench,
    seen: &Scripted,
    scripted: &Scripted,
    code: &Code,
) -> platen_sync::message::EnrolAnswer {
    use platen_net::{ClientKey, HttpsClient, HttpsOptions, TlsTrust};
    use platen_sync::enrol::CodeKey;
    use platen_sync::message::{EnrolAsk, Hash, VERSION, path};
    scripted.book().typed = Some(code.clone());
    let shown = HttpsClient::shown_certificate(&seen.url, PATIENCE)
        .await
        .unwrap();
    let own = HttpsClient::shown_certificate(&scripted.url, PATIENCE)
        .await
        .unwrap();
    let options = HttpsOptions {
        trust: TlsTrust::Pin(own),
        ..HttpsOptions::default()
    };
    let client = HttpsClient::new(&scripted.url, options).unwrap();
    let nonce = Hash([5; 32]);
    let csr = ClientKey::generate().unwrap().request("box").unwrap();
    let known = CodeKey::derive(code, bench.centre.node, &nonce).unwrap();
    let ask = EnrolAsk {
        version: VERSION,
        node: bench.centre.node,
        name: "Box".to_owned(),
        proof: known.box_proof(&csr, &Hash(shown)),
        csr,
        nonce,
    };
    super::super::line::ask(&client, path::ENROL, &ask, PATIENCE)
        .await
        .unwrap()
}

#[test]
fn a_code_lives_its_time_and_then_there_is_another() {
    let scripted = Scripted::start();
    let mut bench = Bench::new(&scripted.url);
    bench.run();
    let old = bench.code().to_string();
    bench
        .clock
        .advance(Duration::from_millis(platen_sync::enrol::CODE_LIFE_MS));
    wait_until("another code", || {
        bench.centre.status().code.is_some_and(|code| code != old)
    });
}

#[test]
fn leaving_takes_everything_of_the_site_along() {
    let scripted = Scripted::start();
    scripted.book().put(user(1, "ann"));
    let mut bench = Bench::new(&scripted.url);
    bench.enrol(&scripted);
    assert!(bench.centre.parts.cache.site().is_some());
    scripted.book().typed = None;
    smol::block_on(bench.centre.leave()).unwrap();
    assert_eq!(bench.centre.site(), None);
    assert_eq!(bench.centre.parts.cache.site(), None);
    assert!(
        !bench
            .disk
            .files()
            .iter()
            .any(|(path, _)| path.starts_with("centre"))
    );
    let last = bench.centre.parts.ledger.head().sequence;
    let last = bench.centre.parts.ledger.entries(last, 1).unwrap();
    assert_eq!(last[0].entry, Entry::Enrolled { site: None });
    // And the box asks for a code again, without a restart.
    wait_until("a code", || bench.state() == CentreState::WaitingForCode);
    let again = smol::block_on(bench.centre.leave());
    assert!(matches!(again, Err(crate::centre::CentreError::NoSite)));
}

#[test]
fn a_revoked_box_drops_its_copy_and_knows_it_after_a_restart() {
    let scripted = Scripted::start();
    scripted.book().put(user(1, "ann"));
    let mut bench = Bench::new(&scripted.url);
    bench.enrol(&scripted);
    scripted.book().refuse = Some(RefusalCode::Revoked);
    wait_until("the copy is gone", || {
        bench.centre.parts.cache.site().is_none()
    });
    assert_eq!(bench.state(), CentreState::Revoked);
    assert!(bench.has_alert("revoked"));
    scripted.stop();
    let (disk, _) = bench.end();
    let mut bench = Bench::on(disk, &scripted.url, NOW_MS);
    assert_eq!(bench.state(), CentreState::Revoked);
    // Taken in again: the centre serves it, and so does its copy.
    scripted.book().refuse = None;
    scripted.start_again();
    bench.run();
    wait_until("the copy is back", || bench.revision() == 1);
    wait_until("revocation is over", || !bench.centre.is_revoked());
}
