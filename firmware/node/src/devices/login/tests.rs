// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Logins at the panel, over the copy of a centre's directory (DESIGN §5, points 1, 3, 4, 7).

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use platen_auth::people::People as _;
use platen_auth::phone::ByPhone;
use platen_auth::session::{CentreAsk, CentreKnows, Patience};
use platen_auth::{Cache, Code, Directory, PhoneCodes, Secret, Tries, Verifier};
use platen_hal::{DeviceEvent, Proof};
use platen_model::{
    Changes, CredentialId, CredentialKind, CredentialRecord, NodeId, Record, Revised, Settings,
    SiteId, Source, UserId, UserRecord,
};
use platen_store::{Database, Keys};
use smol::block_on;
use smol::future::Boxed;
use uuid::Uuid;

use super::super::{At, Came, CentreWay, Faults, NEWS, Outcomes};
use super::*;
use crate::config::WeakCards;
use crate::people::Residents;
use crate::release::bench::Bench;

const CARD: [u8; 4] = [0x04, 0xA1, 0xB2, 0xC3];
const OTHER_CARD: [u8; 4] = [0x04, 0x11, 0x22, 0x33];
const PIN: &str = "4711";
const NUMBER: &str = "17";

fn id(n: u128) -> Uuid {
    Uuid::from_u128(n)
}

/// A centre that says what it is told to, or nothing.
#[derive(Default)]
struct Oracle {
    up: AtomicBool,
    says: Mutex<Option<Result<CentreKnows, Denied>>>,
    asked: AtomicUsize,
}

impl Centre for Oracle {
    fn is_up(&self) -> bool {
        self.up.load(Ordering::SeqCst)
    }

    fn login(&self, _ask: CentreAsk) -> Boxed<Option<Result<CentreKnows, Denied>>> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        let says = *self.says.lock().unwrap();
        Box::pin(async move { says })
    }

    fn pull(&self) -> Boxed<()> {
        Box::pin(async {})
    }

    fn card_key(&self, _number: &[u8]) -> Option<CardKey> {
        None
    }

    fn code_key(&self, _code: &str) -> Option<CardKey> {
        None
    }
}

/// A box with a pad, and one person in its copy of the directory.
struct Hall {
    bench: Bench,
    door: Arc<Door>,
    oracle: Arc<Oracle>,
    keys: Arc<Keys>,
    at: At,
    _folder: tempfile::TempDir,
}

impl Hall {
    fn new() -> Self {
        Self::with(Settings::default(), false, false)
    }

    fn with(settings: Settings, with_pin: bool, proved: bool) -> Self {
        let bench = Bench::new();
        bench.stand_still();
        let keys = Arc::new(Keys::open(&bench.disk).unwrap());
        let folder = tempfile::tempdir().unwrap();
        let (database, _) = Database::open(&folder.path().join("database"), &keys).unwrap();
        let now = bench.clock_now();
        let cache = Arc::new(Cache::open(Arc::clone(&keys), &database, now).unwrap());
        let page = directory(&keys, settings, with_pin, proved);
        cache.apply(&page, now).unwrap();
        let disk = Arc::new(bench.disk.clone());
        let own = Directory::open(disk, Arc::clone(&keys), &database).unwrap();
        let people = Arc::new(Residents::new(Arc::new(own), Arc::clone(&cache)));
        let logins = Arc::new(platen_auth::Door {
            people: Arc::clone(&people) as _,
            tries: Arc::new(Tries::open(&database, now).unwrap()),
            verifier: Arc::new(Verifier::new(1, 16)),
            phones: Arc::new(PhoneCodes::new().unwrap()),
            patience: Patience::default(),
        });
        let oracle = Arc::new(Oracle::default());
        let centre = CentreWay::default();
        centre.set(Arc::clone(&oracle) as _);
        let board = platen_hal_linux::Board::parse("name = \"x\"").unwrap();
        let door = Door {
            keys: Arc::clone(&keys),
            people,
            cache,
            logins,
            centre,
            clock: Arc::clone(&bench.clock) as _,
            executor: Arc::clone(&bench.shop.executor),
            releases: Arc::new(bench.releases(Vec::new())),
            ledger: Arc::clone(&bench.ledger),
            panel: Arc::clone(&bench.panel),
            outcomes: Outcomes::default(),
            weak_cards: WeakCards::Accept,
            pad: AtomicBool::new(true),
            busy: AtomicBool::default(),
            faults: Faults::of(&board),
            news: smol::channel::bounded(NEWS),
        };
        Self {
            bench,
            door: Arc::new(door),
            oracle,
            keys,
            at: At::default(),
            _folder: folder,
        }
    }

    /// Something happens; what takes time is waited for. Returns what the panel says then.
    fn come(&mut self, event: DeviceEvent) -> String {
        block_on(self.door.handle(&mut self.at, Came::Event(event)));
        while let Some(standing) = &self.at.standing
            && standing.question.is_none()
        {
            let executor = Arc::clone(&self.bench.shop.executor);
            let news = block_on(executor.run(self.door.news.1.recv()));
            let (number, told) = news.unwrap();
            block_on(self.door.handle(&mut self.at, Came::Told(number, told)));
        }
        self.panel()
    }

    fn panel(&self) -> String {
        self.bench.panel.shown().text
    }

    fn tap(&mut self, uid: &[u8], proof: Proof) -> String {
        self.come(DeviceEvent::CardPresented {
            reader: "door".to_owned(),
            uid: CardUid::new(uid).unwrap(),
            proof,
        })
    }

    fn keys(&mut self, typed: &str) -> String {
        let mut shown = String::new();
        for key in typed.chars() {
            let key = match key {
                '#' => Key::Enter,
                '*' => Key::Clear,
                digit => Key::Digit(u8::try_from(digit.to_digit(10).unwrap()).unwrap()),
            };
            let pad = "pad".to_owned();
            shown = self.come(DeviceEvent::KeyPressed { pad, key });
        }
        shown
    }

    /// A word for each entry of the journal.
    fn journal(&self) -> Vec<String> {
        let entries = self.bench.ledger.entries(1, 1000).unwrap();
        let word = |entry: Entry| match entry {
            Entry::LoginAccepted { method, source, .. } => {
                let source = match source {
                    Source::Online => "online",
                    Source::Cached { .. } => "cached",
                    Source::Local => "local",
                };
                format!("in by {} ({source})", method.unwrap().keyword())
            }
            Entry::LoginDenied { reason, .. } => format!("card denied: {reason:?}"),
            Entry::FingerDenied { reason, .. } => format!("finger denied: {reason:?}"),
            Entry::LoginRefused { method, reason, .. } => {
                format!("{} refused: {reason:?}", method.keyword())
            }
            Entry::LockedOut { .. } => "locked".to_owned(),
            Entry::CredentialBound { credential, .. } => {
                format!("bound, provisional: {}", credential.provisional)
            }
            Entry::CodeUsed { .. } => "code used".to_owned(),
            _ => "other".to_owned(),
        };
        entries
            .into_iter()
            .map(|recorded| word(recorded.entry))
            .collect()
    }
}

fn directory(keys: &Keys, settings: Settings, with_pin: bool, proved: bool) -> Changes {
    let user = UserRecord {
        id: UserId(id(1)),
        login: "somebody".to_owned(),
        name: "Some Body".to_owned(),
        aliases: Vec::new(),
        number: Some(NUMBER.to_owned()),
        groups: Vec::new(),
        active: true,
    };
    let credential = |n, kind| {
        Record::Credential(CredentialRecord {
            id: CredentialId(id(n)),
            user: UserId(id(1)),
            kind,
            until_unix_ms: None,
            provisional: false,
        })
    };
    let card = CredentialKind::Card {
        key: keys.card_key(&CARD),
        with_pin,
        proved,
    };
    let hash = platen_auth::secret::hash(&Secret::new(PIN.to_owned())).unwrap();
    let finger = CredentialKind::Finger {
        part: "ef01".to_owned(),
        template: vec![1, 2, 3],
    };
    let records = [
        Record::User(user),
        credential(2, card),
        credential(3, CredentialKind::Pin { hash }),
        credential(4, finger),
        Record::Settings(settings),
    ];
    let revised = |(revision, record)| Revised { revision, record };
    let records: Vec<_> = (1..).zip(records).map(revised).collect();
    Changes {
        site: SiteId(id(90)),
        node: NodeId(keys.box_uuid()),
        generation: 1,
        keys: 1,
        at_unix_ms: 1_800_000_000_000,
        from: 0,
        to: 5,
        latest: 5,
        tombstones: Vec::new(),
        records,
    }
}

#[test]
fn a_card_of_the_copy_lets_its_owners_jobs_go_with_the_centre_gone() {
    let mut hall = Hall::new();
    let job = hall.bench.store(false, b"%PDF");
    let shown = hall.tap(&CARD, Proof::Weak);
    assert_eq!(shown, "Printing. 1 job is on its way.");
    assert_eq!(hall.journal(), ["in by card (cached)"]);
    assert_eq!(hall.bench.orders.len(), 1);
    assert!(job.number.0 > 0);
    assert_eq!(hall.oracle.asked.load(Ordering::SeqCst), 0);
}

/// DESIGN §5 point 1.
#[test]
fn nobody_gets_in_by_a_copy_that_the_centre_has_not_confirmed_for_too_long() {
    let mut hall = Hall::new();
    hall.bench
        .clock
        .advance(Duration::from_secs(29 * 24 * 3600));
    hall.tap(&CARD, Proof::Weak);
    hall.bench.clock.advance(Duration::from_secs(2 * 24 * 3600));
    let shown = hall.tap(&CARD, Proof::Weak);
    assert!(shown.contains("not reached its centre"), "{shown}");
    assert_eq!(
        hall.journal(),
        ["in by card (cached)", "card denied: CacheTooOld"]
    );
}

#[test]
fn a_card_that_wants_a_pin_asks_for_it_and_shows_no_digit() {
    let mut hall = Hall::with(Settings::default(), true, false);
    assert_eq!(hall.tap(&CARD, Proof::Weak), "Type your PIN, then #.");
    assert_eq!(hall.keys("47"), "Type your PIN, then #. ••");
    let shown = hall.keys("12#");
    assert!(shown.starts_with("The PIN is wrong."), "{shown}");
    hall.tap(&CARD, Proof::Weak);
    let shown = hall.keys("4711#");
    assert!(shown.starts_with("Nothing is waiting"), "{shown}");
    let journal = ["card-pin refused: WrongSecret", "in by card-pin (cached)"];
    assert_eq!(hall.journal(), journal);
}

#[test]
fn a_number_and_a_pin_let_somebody_in_without_a_card() {
    let mut hall = Hall::new();
    assert!(hall.keys("1").starts_with("Type your number"));
    assert_eq!(hall.keys("7#"), "Type your PIN, then #.");
    hall.keys("4711#");
    assert_eq!(hall.journal(), ["in by pin (cached)"]);
    // A number of nobody is asked for a PIN as well.
    assert_eq!(hall.keys("99#"), "Type your PIN, then #.");
    let shown = hall.keys("4711#");
    assert!(shown.starts_with("Number or PIN is wrong."), "{shown}");
}

/// DESIGN §5 point 7.
#[test]
fn an_unknown_card_becomes_somebodys_who_proves_who_they_are_until_the_centre_confirms_it() {
    let mut hall = Hall::new();
    let shown = hall.tap(&OTHER_CARD, Proof::Weak);
    assert!(shown.starts_with("This card is new here."), "{shown}");
    hall.keys("17#");
    let shown = hall.keys("4711#");
    assert!(
        shown.starts_with("Some Body, is this card yours"),
        "{shown}"
    );
    let shown = hall.keys("#");
    assert!(shown.ends_with("The card is yours now."), "{shown}");
    hall.tap(&OTHER_CARD, Proof::Weak);
    let journal = [
        "bound, provisional: true",
        "in by pin (cached)",
        "in by card (cached)",
    ];
    assert_eq!(hall.journal(), journal);
    let held = hall
        .door
        .people
        .by_card(hall.keys.card_key(&OTHER_CARD), hall.bench.clock_now());
    assert!(held.unwrap().provisional);
}

#[test]
fn an_unknown_card_that_nobody_makes_theirs_is_refused_as_unknown() {
    let mut hall = Hall::new();
    hall.tap(&OTHER_CARD, Proof::Weak);
    // Clear: a code; Clear once more: nothing.
    hall.keys("**");
    assert_eq!(hall.journal(), ["card denied: UnknownCard"]);
    let off = Settings {
        self_enrolment: false,
        ..Settings::default()
    };
    let mut hall = Hall::with(off, false, false);
    let shown = hall.tap(&OTHER_CARD, Proof::Weak);
    assert!(shown.contains("not known here yet"), "{shown}");
}

#[test]
fn a_one_time_code_is_good_for_one_login() {
    let mut hall = Hall::new();
    let code = Code::generate().unwrap();
    let record = Record::Credential(CredentialRecord {
        id: CredentialId(id(7)),
        user: UserId(id(1)),
        kind: CredentialKind::Code {
            key: hall.keys.card_key(code.shown().as_bytes()),
        },
        until_unix_ms: None,
        provisional: false,
    });
    let page = Changes {
        from: 5,
        to: 6,
        latest: 6,
        records: vec![Revised {
            revision: 6,
            record,
        }],
        ..directory(&hall.keys, Settings::default(), false, false)
    };
    hall.door
        .cache
        .apply(&page, hall.bench.clock_now())
        .unwrap();
    let digits: String = code.shown().chars().filter(char::is_ascii_digit).collect();
    assert_eq!(hall.keys("*"), "Type your one-time code, then #.");
    hall.keys(&format!("{digits}#"));
    assert_eq!(hall.journal(), ["code used", "in by code (cached)"]);
    let shown = hall.keys(&format!("*{digits}#"));
    assert!(shown.contains("not valid, or was used"), "{shown}");
}

#[test]
fn whoever_comes_next_ends_the_login_that_waits() {
    let mut hall = Hall::with(Settings::default(), true, false);
    hall.tap(&CARD, Proof::Weak);
    let shown = hall.tap(&OTHER_CARD, Proof::Weak);
    assert!(shown.starts_with("This card is new here."), "{shown}");
    // The first card's PIN is nothing to this login.
    hall.keys("4711#");
    assert!(hall.panel().starts_with("Type your PIN"));
    assert!(!hall.journal().iter().any(|word| word.starts_with("in by")));
}

#[test]
fn a_question_that_nobody_answers_is_taken_back_after_half_a_minute() {
    let mut hall = Hall::with(Settings::default(), true, false);
    hall.tap(&CARD, Proof::Weak);
    let until = hall.at.standing.as_ref().and_then(Standing::until).unwrap();
    assert_eq!(until, Duration::from_secs(30));
    hall.bench.clock.advance(Duration::from_secs(31));
    let turn = block_on(hall.door.handle(&mut hall.at, Came::Time));
    assert!(turn.is_some() && hall.at.standing.is_none());
    assert!(
        hall.panel().contains("nothing was typed in time."),
        "{}",
        hall.panel()
    );
    // And the digits of a late answer begin a login of their own.
    assert!(hall.keys("4").starts_with("Type your number"));
}

/// DESIGN §5 point 3.
#[test]
fn ten_thousand_guesses_at_the_pad_open_nothing() {
    let mut hall = Hall::new();
    for guess in 0..10_000_u32 {
        if format!("{guess:04}") != PIN {
            hall.keys(&format!("{NUMBER}#{guess:04}#"));
        }
    }
    let shown = hall.keys(&format!("{NUMBER}#{PIN}#"));
    assert!(shown.starts_with("Too many wrong tries."), "{shown}");
    let mut from = 1;
    let (mut compared, mut locked) = (0, 0);
    loop {
        let page = hall.bench.ledger.entries(from, 1000).unwrap();
        let Some(last) = page.last() else { break };
        from = last.sequence + 1;
        for recorded in page {
            match recorded.entry {
                Entry::LoginAccepted { .. } => panic!("somebody got in"),
                Entry::LoginRefused {
                    reason: Denied::WrongSecret,
                    ..
                } => compared += 1,
                Entry::LockedOut { .. } => locked += 1,
                _ => {}
            }
        }
    }
    println!("{compared} guesses were compared, {locked} locks");
    assert!(
        compared <= 30 && locked >= 1,
        "{compared} compared, {locked} locks"
    );
}

#[test]
fn a_card_that_was_enrolled_as_proved_is_refused_when_it_proves_nothing() {
    let mut hall = Hall::with(Settings::default(), false, true);
    let shown = hall.tap(&CARD, Proof::Weak);
    assert!(shown.contains("can't prove that it is genuine"), "{shown}");
    hall.tap(&CARD, Proof::Proved);
    assert_eq!(
        hall.journal(),
        ["card denied: WeakCard", "in by card (cached)"]
    );
}

/// DESIGN §5 point 4: the centre's word counts more; without one the copy decides; an open breaker is
/// not asked.
#[test]
fn the_centres_word_wins_and_its_silence_does_not() {
    let mut hall = Hall::new();
    hall.oracle.up.store(true, Ordering::SeqCst);
    let known = CentreKnows {
        user: UserId(id(1)),
        credential: CredentialId(id(2)),
        pin_needed: false,
    };
    for says in [Some(Err(Denied::UserDisabled)), Some(Ok(known)), None] {
        *hall.oracle.says.lock().unwrap() = says;
        hall.tap(&CARD, Proof::Weak);
    }
    hall.oracle.up.store(false, Ordering::SeqCst);
    *hall.oracle.says.lock().unwrap() = Some(Err(Denied::UserDisabled));
    hall.tap(&CARD, Proof::Weak);
    let journal = [
        "card denied: UserDisabled",
        "in by card (online)",
        "in by card (cached)",
        "in by card (cached)",
    ];
    assert_eq!(hall.journal(), journal);
    assert_eq!(hall.oracle.asked.load(Ordering::SeqCst), 3);
}

#[test]
fn a_finger_is_its_owners_by_the_slot_and_an_unknown_one_is_nobodys() {
    let mut hall = Hall::new();
    hall.door
        .cache
        .set_slot("thumb", 5, Some(CredentialId(id(4))))
        .unwrap();
    for slot in [Some(5), Some(6), None] {
        let sensor = "thumb".to_owned();
        hall.come(DeviceEvent::FingerPresented { sensor, slot });
    }
    let journal = [
        "in by finger (cached)",
        "finger denied: UnknownFinger",
        "finger denied: UnknownFinger",
    ];
    assert_eq!(hall.journal(), journal);
}

#[test]
fn a_phone_that_confirms_lets_its_owner_in_at_the_panel() {
    let hall = Hall::new();
    hall.bench.store(false, b"%PDF");
    let who = ByPhone {
        user: UserId(id(1)),
        credential: None,
        online: false,
    };
    block_on(hall.door.let_in_by_phone(who)).unwrap();
    assert_eq!(hall.panel(), "Printing. 1 job is on its way.");
    assert_eq!(hall.journal(), ["in by phone (cached)"]);
    // The centre went away after the login on the phone.
    let online = ByPhone {
        online: true,
        ..who
    };
    block_on(hall.door.let_in_by_phone(online)).unwrap();
    assert_eq!(
        hall.journal(),
        ["in by phone (cached)", "in by phone (cached)"]
    );
}

#[test]
fn a_full_journal_lets_nobody_print_and_the_panel_says_so() {
    let mut hall = Hall::new();
    hall.bench.disk.fill_at(Some(0));
    let shown = hall.tap(&CARD, Proof::Weak);
    assert!(shown.contains("disk is full"), "{shown}");
    hall.bench.disk.fill_at(None);
    assert_eq!(hall.journal(), [""; 0]);
}

mod ended;
