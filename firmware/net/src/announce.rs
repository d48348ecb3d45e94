// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Announces the box's queue by DNS-SD (RFC 6763) over multicast DNS (RFC 6762): `_ipp._tcp` and
//! `_ipps._tcp`, each with the subtypes `_universal` (iOS lists no printer without it) and `_print`
//! (IPP Everywhere), and `_printer._tcp` with port 0, which only defends the name.
//!
//! The responder of `mdns-sd` takes one subtype for a service. So a second responder carries the
//! same records under the other subtype, without probing and under the name that the first one
//! won: equal records are no conflict (RFC 6762 §9).

use std::collections::HashSet;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use mdns_sd::{DaemonEvent, IfKind, Receiver, ServiceDaemon, ServiceInfo};
use thiserror::Error;

/// Longest instance name: one DNS label (RFC 6763 §4.1.1), less the room for ` (99)`.
pub const NAME_MAX: usize = 58;

/// How long the end waits for each responder to send its goodbyes.
const GOODBYE_LIMIT: Duration = Duration::from_secs(1);

/// Services with subtypes, in the order in which they are registered.
const PRINT_SERVICES: [&str; 2] = ["_ipp._tcp.local.", "_ipps._tcp.local."];
const NAME_DEFENCE: &str = "_printer._tcp.local.";
const FIRST_SUBTYPE: &str = "_universal";
const SECOND_SUBTYPE: &str = "_print";

/// Where to announce.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Interfaces {
    /// Every interface but loopback, also those that come up later.
    All,
    /// Loopback only, for a box on a desk; `lo` must have its `multicast` flag set.
    Loopback,
    /// The interfaces of these names.
    Named(Vec<String>),
}

/// What to announce.
#[derive(Clone, Debug)]
pub struct Announcement {
    /// Name that people see, at most 58 bytes of UTF-8. Dots become spaces: the responder's
    /// renaming after a conflict would cut the name at them.
    pub name: String,
    /// Host name without domain. Must not be one that another responder on this machine claims.
    pub host: String,
    /// Port of the queue, for both services.
    pub port: u16,
    /// Where to announce.
    pub interfaces: Interfaces,
    /// TXT record, for both services: key and value, at most 254 bytes together.
    pub txt: Vec<(String, String)>,
}

/// Announces until it is dropped, which says goodbye (at most 2 s).
pub struct Announcer {
    first: ServiceDaemon,
    second: ServiceDaemon,
    name: Arc<Mutex<String>>,
}

impl Announcer {
    /// Begins to probe for the name and to announce; returns at once. A name that another printer
    /// has is changed to `name (2)` and so on, see [`Announcer::name`]. Starts three threads.
    ///
    /// # Errors
    /// [`AnnounceError::Name`] or [`AnnounceError::Records`] when something can't be announced,
    /// [`AnnounceError::Thread`] when no thread can be started. A port 5353 that can't be used
    /// shows only in the log.
    pub fn start(announcement: &Announcement) -> Result<Self, AnnounceError> {
        let name = announcement.name.replace('.', " ");
        if name.is_empty() || name.len() > NAME_MAX || name.chars().any(char::is_control) {
            return Err(AnnounceError::Name { limit: NAME_MAX });
        }
        let first = responder(&announcement.interfaces)?;
        let second = responder(&announcement.interfaces)?;
        let events = first.monitor()?;
        let announcer = Self {
            first,
            second,
            name: Arc::new(Mutex::new(name.clone())),
        };
        for service in PRINT_SERVICES {
            announcer
                .first
                .register(record(announcement, service, FIRST_SUBTYPE, &name)?)?;
        }
        announcer
            .first
            .register(name_defence(announcement, &name)?)?;
        let follower = Follower {
            announcement: announcement.clone(),
            second: announcer.second.clone(),
            name: Arc::clone(&announcer.name),
            followed: HashSet::new(),
        };
        let builder = thread::Builder::new().name("announce".to_owned());
        builder
            .spawn(move || follower.run(&events))
            .map_err(AnnounceError::Thread)?;
        Ok(announcer)
    }

    /// The name now announced: as given, or as changed after a conflict.
    #[must_use]
    pub fn name(&self) -> String {
        self.name
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

impl Drop for Announcer {
    fn drop(&mut self) {
        for responder in [&self.second, &self.first] {
            // Without a goodbye the records of this box live on for two minutes at most.
            if let Ok(ended) = responder.shutdown() {
                let _status = ended.recv_timeout(GOODBYE_LIMIT);
            }
        }
    }
}

/// Follows the first responder: takes over the names it won and announces them in the second.
struct Follower {
    announcement: Announcement,
    second: ServiceDaemon,
    name: Arc<Mutex<String>>,
    followed: HashSet<&'static str>,
}

impl Follower {
    fn run(mut self, events: &Receiver<DaemonEvent>) {
        while let Ok(event) = events.recv() {
            match event {
                DaemonEvent::Announce(full_name, _) => self.follow(&full_name),
                DaemonEvent::NameChange(change) => {
                    log::warn!(name = change.new_name.as_str(), interface = change.intf_name.as_str();
                        "name is taken, announcing under another");
                }
                DaemonEvent::Error(error) => log::warn!(err:% = error; "announcing failed"),
                _ => {}
            }
        }
    }

    fn follow(&mut self, full_name: &str) {
        let service = PRINT_SERVICES
            .into_iter()
            .find(|service| full_name.ends_with(service));
        let Some(service) = service else { return };
        let instance = full_name
            .strip_suffix(service)
            .and_then(|name| name.strip_suffix('.'));
        let Some(instance) = instance else { return };
        // Announcements are repeated, on every interface.
        if !self.followed.insert(service) {
            return;
        }
        // The responder escapes backslashes in its full names.
        let instance = instance.replace(r"\\", r"\");
        let record = record(&self.announcement, service, SECOND_SUBTYPE, &instance);
        let registered = record.and_then(|mut record| {
            record.set_requires_probe(false);
            Ok(self.second.register(record)?)
        });
        if let Err(error) = registered {
            log::warn!(err:% = error; "second subtype is not announced");
        }
        log::info!(name = instance.as_str(), service = service; "queue announced");
        *self.name.lock().unwrap_or_else(PoisonError::into_inner) = instance;
    }
}

/// A responder bound to the interfaces asked for. By itself `mdns-sd` takes all, loopback too;
/// later settings override earlier ones.
fn responder(interfaces: &Interfaces) -> Result<ServiceDaemon, AnnounceError> {
    let responder = ServiceDaemon::new()?;
    let loopback = vec![IfKind::LoopbackV4, IfKind::LoopbackV6];
    match interfaces {
        Interfaces::All => responder.disable_interface(loopback)?,
        Interfaces::Loopback => {
            responder.disable_interface(IfKind::All)?;
            responder.enable_interface(loopback)?;
        }
        Interfaces::Named(names) => {
            responder.disable_interface(IfKind::All)?;
            responder.enable_interface(names.iter().map(IfKind::from).collect::<Vec<_>>())?;
        }
    }
    Ok(responder)
}

fn record(
    announcement: &Announcement,
    service: &str,
    subtype: &str,
    name: &str,
) -> Result<ServiceInfo, AnnounceError> {
    let service = format!("{subtype}._sub.{service}");
    let host = format!("{}.local.", announcement.host);
    let txt = announcement.txt.as_slice();
    let info = ServiceInfo::new(&service, name, &host, "", announcement.port, txt);
    Ok(info.map_err(AnnounceError::Records)?.enable_addr_auto())
}

fn name_defence(announcement: &Announcement, name: &str) -> Result<ServiceInfo, AnnounceError> {
    let host = format!("{}.local.", announcement.host);
    let none: &[(String, String)] = &[];
    let info = ServiceInfo::new(NAME_DEFENCE, name, &host, "", 0, none);
    Ok(info.map_err(AnnounceError::Records)?.enable_addr_auto())
}

/// Why nothing is announced.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum AnnounceError {
    /// The instance name is empty, too long or has control characters.
    #[error("announced name must have 1 to {limit} bytes and no control characters")]
    Name {
        /// Longest name, bytes.
        limit: usize,
    },
    /// The host name or the TXT record can't be written as DNS records.
    #[error("records can't be announced")]
    Records(#[source] mdns_sd::Error),
    /// The responder does not run.
    #[error("multicast DNS responder failed")]
    Responder(#[from] mdns_sd::Error),
    /// The system gave no thread.
    #[error("no thread for announcing")]
    Thread(#[source] io::Error),
}
