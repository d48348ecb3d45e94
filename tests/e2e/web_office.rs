// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A box with a web page and people who have a PIN: its copy of a centre's directory is put there
//! before it starts, so that it needs no centre.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use platen_auth::{Cache, Code, Secret, secret};
use platen_bed::browser::{Browser, BrowserOptions};
use platen_bed::cups::free_address;
use platen_bed::daemon::Daemon;
use platen_bed::documents::{self, Paper};
use platen_bed::ipptool::IppTool;
use platen_bed::wait;
use platen_model::directory::{
    CredentialKind, CredentialRecord, Record, Revised, RuleRecord, UserRecord,
};
use platen_model::{
    Changes, CredentialId, JobId, Moment, NodeId, Prices, PricesId, RuleId, SiteId, UserId,
};
use platen_store::{Database, Disk, Keys, RealDisk, SealedFile};
use platen_sync::card::code_key;
use platen_sync::message::{Hash, Renewed, SiteKeys};
use serde::Serialize;

use crate::box_under_test::{Office, user};

/// A job with a name of its own, which ipptool's own files don't give.
const PRINT_NAMED: &str = r#"{
    OPERATION Print-Job
    GROUP operation-attributes-tag
    ATTR charset attributes-charset utf-8
    ATTR language attributes-natural-language en
    ATTR uri printer-uri $uri
    ATTR name requesting-user-name $user
    ATTR name job-name "$name"
    ATTR mimeMediaType document-format application/pdf
    FILE $filename
    STATUS successful-ok
}"#;

/// The person's PIN.
pub(crate) const PIN: &str = "481516";
/// Somebody whose login name is digits alone, and another person's number.
pub(crate) const DIGITS: &str = "20240017";
/// The password of that login.
pub(crate) const PASSWORD: &str = "a long enough phrase";
/// The person who has it as a number, with the same [`PIN`] as everybody.
pub(crate) const GRACE: &str = "grace";
/// What a rule says to whoever wants more than ten pages.
pub(crate) const TOO_LONG: &str = "Use the print shop.";
/// The key of the site's card and code hashes.
const SITE_KEY: Hash = Hash([7; 32]);
/// The person's number for PIN pads.
pub(crate) const NUMBER: &str = "4242";
/// Somebody whose name tries to be markup.
pub(crate) const ODD_LOGIN: &str = "<img src=x onerror=alert(1)>";

/// The box, its printer, and where its page is.
pub(crate) struct WebOffice {
    pub(crate) office: Office,
    pub(crate) address: SocketAddr,
    /// A one-time code of the person.
    pub(crate) code: Code,
}

impl WebOffice {
    pub(crate) fn open() -> Self {
        Self::open_with("")
    }

    /// With further lines in the `[web]` section.
    pub(crate) fn open_with(further: &str) -> Self {
        let of_no_site = Self::open_of_no_site(further);
        let (office, address) = (of_no_site.office, of_no_site.address);
        let Office {
            daemon,
            printer,
            folder,
        } = office;
        let config = daemon.stop().unwrap();
        let code = of_no_site.code;
        put_people(&config.folder.join("data"), &code);
        let daemon = Daemon::start(config).unwrap();
        let office = Office {
            daemon,
            printer,
            folder,
        };
        Self {
            office,
            address,
            code,
        }
    }

    /// A box with its own users, which is of no site; the code is nobody's.
    pub(crate) fn open_of_no_site(further: &str) -> Self {
        let address = free_address().unwrap();
        let text =
            format!("[web]\nlisten = [\"{address}\"]\naddress = \"https://{address}\"\n{further}");
        let office = Office::open_with(|config| {
            config.name = "Hall, second floor".to_owned();
            config.further = text;
        });
        Self {
            office,
            address,
            code: Code::generate().unwrap(),
        }
    }

    /// Address of a page.
    pub(crate) fn at(&self, path: &str) -> String {
        format!("https://{}{path}", self.address)
    }

    /// Prints so many pages under this name; the job waits afterwards, counted.
    pub(crate) fn print(&self, name: &str, pages: u32) {
        let folder = self.office.folder.path().join("ipptool");
        let tool = IppTool::prepare(&folder).unwrap();
        std::fs::write(folder.join("print-named.test"), PRINT_NAMED).unwrap();
        let file = self
            .office
            .file("job.pdf", &documents::pdf(pages, Paper::A4));
        let (file, name) = (file.to_string_lossy(), format!("name={name}"));
        let before = self.waiting();
        let further = ["-f", &file, "-d", &name];
        let uri = self.office.daemon.uri();
        let score = tool.run_with(&uri, "print-named.test", &further, None);
        assert_eq!(score.unwrap().passed.len(), 1);
        self.office.wait_for_jobs("job to be counted", |jobs| {
            let held = || jobs.iter().filter(|job| job["state"] == "pending-held");
            held().count() == before + 1 && held().all(|job| !job["count"].is_null())
        });
    }

    /// Jobs that wait for their owner.
    pub(crate) fn waiting(&self) -> usize {
        let jobs = self.office.ctl(&["jobs"]);
        jobs.iter()
            .filter(|job| job["state"] == "pending-held")
            .count()
    }

    /// A browser of its own.
    pub(crate) fn browser(&self, options: &BrowserOptions) -> Browser {
        let folder = self.office.folder.path().join("browser");
        Browser::start(&folder, options).unwrap()
    }

    /// A browser in which the person has logged in.
    pub(crate) fn logged_in(&self, options: &BrowserOptions) -> Browser {
        let browser = self.browser(options);
        browser.open(&self.at("/")).unwrap();
        log_in(&browser, &user(), PIN);
        browser.wait_for("h1", "").unwrap();
        browser
    }
}

/// What makes the box part of a site: the content of `centre/member.sealed`.
#[derive(Serialize)]
struct Member {
    site: SiteId,
    site_name: String,
    #[serde(with = "platen_model::bytes")]
    key: Vec<u8>,
    certificate: Renewed,
    certified_unix_ms: u64,
    directory_key: Hash,
    keys: SiteKeys,
}

/// A member without a way to its centre: the box is cut off from the beginning.
fn put_member(disk: &dyn Disk, keys: &Keys, site: SiteId, now_unix_ms: u64) {
    let member = Member {
        site,
        site_name: "Office".to_owned(),
        key: Vec::new(),
        certificate: Renewed {
            version: 1,
            certificate: Vec::new(),
            authorities: String::new(),
            until_unix_ms: now_unix_ms + 86_400_000,
        },
        certified_unix_ms: now_unix_ms,
        directory_key: Hash([0; 32]),
        keys: SiteKeys {
            keys: vec![SITE_KEY],
        },
    };
    let file = SealedFile {
        folder: "centre",
        name: "member.sealed",
        magic: b"PLATENMB",
        version: 1,
        context: b"platen member 1\0",
        bytes_max: 256 << 10,
    };
    let mut plain = Vec::new();
    ciborium::into_writer(&member, &mut plain).unwrap();
    file.write(disk, keys, &plain).unwrap();
}

/// Fills the login's form and sends it.
pub(crate) fn log_in(browser: &Browser, name: &str, secret: &str) {
    browser.fill("#name", name).unwrap();
    browser.fill("#secret", secret).unwrap();
    browser.click("form.sheet button.primary").unwrap();
}

fn put_people(data: &Path, code: &Code) {
    let disk: Arc<dyn Disk> = Arc::new(RealDisk::open(data).unwrap());
    let keys = Arc::new(Keys::open(&*disk).unwrap());
    let (database, _) = Database::open(&data.join("database"), &keys).unwrap();
    let now = Moment {
        unix_ms: u64::try_from(wait::unix_time().as_millis()).unwrap(),
        elapsed: Duration::ZERO,
        trusted: true,
    };
    let cache = Cache::open(Arc::clone(&keys), &database, now).unwrap();
    let site = SiteId(JobId::from_parts(now.unix_ms, &[9; 10]).0);
    put_member(&*disk, &keys, site, now.unix_ms);
    let id = |number: u8| JobId::from_parts(now.unix_ms, &[number; 10]).0;
    let person = |number, login: &str, name: &str, pad: Option<&str>| UserRecord {
        id: UserId(id(number)),
        login: login.to_owned(),
        name: name.to_owned(),
        aliases: Vec::new(),
        number: pad.map(str::to_owned),
        groups: Vec::new(),
        active: true,
    };
    let pin = |number, of| {
        let hash = secret::hash(&Secret::new(PIN.to_owned())).unwrap();
        credential(id(number), UserId(id(of)), CredentialKind::Pin { hash })
    };
    let password = {
        let hash = secret::hash(&Secret::new(PASSWORD.to_owned())).unwrap();
        CredentialKind::Password { hash }
    };
    let key = code_key(
        &SiteKeys {
            keys: vec![SITE_KEY],
        },
        1,
        &code.shown(),
    )
    .unwrap();
    let records = vec![
        Record::User(person(1, &user(), "Ada Lovelace", Some(NUMBER))),
        Record::User(person(2, ODD_LOGIN, "", None)),
        pin(3, 1),
        pin(4, 2),
        credential(id(5), UserId(id(1)), CredentialKind::Code { key }),
        Record::User(person(7, DIGITS, "", None)),
        credential(id(8), UserId(id(7)), password),
        Record::User(person(9, GRACE, "", Some(DIGITS))),
        pin(10, 9),
        Record::Rule(RuleRecord {
            id: RuleId(id(11)),
            order: 1,
            text: format!("deny print when pages > 10 say \"{TOO_LONG}\""),
        }),
        Record::Prices(Prices {
            id: PricesId(id(6)),
            name: "Office".to_owned(),
            currency: "CNY".to_owned(),
            printer: None,
            side_monochrome: 100,
            side_color: 500,
            sheet: 0,
        }),
    ];
    let last = records.len() as u64;
    let revised = (1..).zip(records);
    let changes = Changes {
        site,
        node: NodeId(keys.box_uuid()),
        generation: 1,
        keys: 1,
        at_unix_ms: now.unix_ms,
        from: 0,
        to: last,
        latest: last,
        tombstones: Vec::new(),
        records: revised
            .map(|(revision, record)| Revised { revision, record })
            .collect(),
    };
    assert!(cache.apply(&changes, now).unwrap().complete);
}

fn credential(id: uuid::Uuid, user: UserId, kind: CredentialKind) -> Record {
    Record::Credential(CredentialRecord {
        id: CredentialId(id),
        user,
        kind,
        until_unix_ms: None,
        provisional: false,
    })
}
