// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A database that is away, full, newer, or another site's: a clear error, nothing half done, and
//! everything goes on afterwards.

use std::process::Command;
use std::sync::Arc;

use platen_bed::postgres::Postgres;
use platen_bed::process::run;
use platen_central::app::{Centre, CentreError, Fault, NewUser, UserFilter, Vault};
use platen_model::ManualClock;

use crate::site::{ADMIN, NOON, Site, job, on_both, settled, vault};

on_both! {
    a_second_start_finds_the_same_site
    another_key_file_is_refused
    a_newer_schema_is_left_alone
}

async fn a_second_start_finds_the_same_site(site: Site) {
    let facts = site.centre.site().await.unwrap();
    let key = site.centre.directory_key();
    let second = site.second().await;
    assert_eq!(second.site().await.unwrap(), facts);
    assert_eq!(second.directory_key(), key);
}

async fn another_key_file_is_refused(site: Site) {
    let other = Vault::new(&[8; 32]);
    let refused = Centre::open(&site.url, other, site.clock.clone()).await;
    assert!(matches!(refused.unwrap_err(), CentreError::WrongKey));
}

async fn a_newer_schema_is_left_alone(site: Site) {
    site.sql("UPDATE schema_version SET version = version + 1")
        .await;
    let refused = Centre::open(&site.url, vault(), site.clock.clone()).await;
    let refused = refused.unwrap_err();
    let CentreError::Newer { found, known } = refused else {
        panic!("{refused}");
    };
    assert_eq!(found, known + 1);
}

/// Two servers that start at once on an empty database make one site.
#[test]
fn two_first_starts_at_once_make_one_site() {
    let url = Postgres::shared().unwrap().database().unwrap();
    smol::block_on(async {
        let clock = Arc::new(ManualClock::at(NOON));
        let open = || Centre::open(&url, vault(), clock.clone());
        let (one, two) = smol::future::zip(open(), open()).await;
        let (one, two) = (one.unwrap(), two.unwrap());
        assert_eq!(one.site().await.unwrap(), two.site().await.unwrap());
        assert_eq!(one.directory_key(), two.directory_key());
    });
}

#[test]
fn a_database_that_is_away_is_said_and_used_again_when_it_is_back() {
    let folder = tempfile::tempdir().unwrap();
    let mut server = Postgres::start(&folder.path().join("pg")).unwrap();
    let url = server.database().unwrap();
    smol::block_on(async {
        let site = Site::open(url, tempfile::tempdir().unwrap()).await;
        let mut printer = site.member(1).await;
        printer.write(&settled(job(1), None, Vec::new()));
        printer.sync(&site.centre).await;
        for number in 2..=60 {
            printer.write(&settled(job(number), None, Vec::new()));
        }
        // It goes while the push is under way, and before the next one.
        let push = printer.push();
        let stopped = smol::unblock(move || {
            server.stop().unwrap();
            server
        });
        let (during, mut server) =
            smol::future::zip(site.centre.receive(printer.node, &push), stopped).await;
        let after = site.centre.receive(printer.node, &push).await.unwrap_err();
        assert_eq!(after.fault(), Fault::Busy, "{after:?}");
        assert!(after.to_string().contains("try again"));
        server.resume().unwrap();
        let charges = "SELECT COUNT(*) FROM charges";
        let whole = if during.is_ok() { 60 } else { 1 };
        assert_eq!(
            site.number(charges).await,
            whole,
            "all of a push or nothing"
        );
        printer.sync(&site.centre).await;
        assert_eq!(site.number(charges).await, 60);
        site.centre.close().await;
        server.stop().unwrap();
    });
}

const INNER: &str = "PLATEN_TEST_SMALL_DISK";

/// On a disk of 3 MiB, in a namespace of its own.
#[test]
fn a_full_disk_is_said_and_nothing_is_half_written() {
    if let Ok(folder) = std::env::var(INNER) {
        return on_a_small_disk(&folder);
    }
    let folder = tempfile::tempdir().unwrap();
    let script = "mount -t tmpfs -o size=3m none \"$1\" && exec \"$2\" --exact \"$3\" --nocapture";
    let mut command = Command::new("unshare");
    command.args([
        "--user",
        "--map-root-user",
        "--mount",
        "sh",
        "-ec",
        script,
        "sh",
    ]);
    command
        .arg(folder.path())
        .arg(std::env::current_exe().unwrap());
    command.arg("failures::a_full_disk_is_said_and_nothing_is_half_written");
    let said = run(command.env(INNER, folder.path())).unwrap();
    assert!(
        said.contains("1 passed") && said.contains("the disk was full"),
        "{said}"
    );
}

fn on_a_small_disk(folder: &str) {
    smol::block_on(async {
        let clock = Arc::new(ManualClock::at(NOON));
        let url = format!("sqlite://{folder}/central.db");
        let centre = Centre::open(&url, vault(), clock).await.unwrap();
        let mut taken = 0;
        let full = loop {
            let new = NewUser {
                login: format!("user{taken}"),
                name: "x".repeat(250),
                ..NewUser::default()
            };
            match centre.create_user(&ADMIN, new).await {
                Ok(_) => taken += 1,
                Err(error) => break error,
            }
            assert!(taken < 20_000, "the disk never was full");
        };
        assert!(matches!(full, CentreError::Full(_)), "{full:?}");
        assert_eq!(full.fault(), Fault::Busy);
        // What was answered is there, what was not is not, and the log fits to it.
        let all = UserFilter::default();
        let users = centre.users(&all, Default::default()).await.unwrap();
        assert_eq!(users.total, taken);
        let verdict = centre.verify_audit().await.unwrap();
        assert_eq!((verdict.right, verdict.broken_at), (taken, None));
        println!("the disk was full after {taken} people");
    });
}
