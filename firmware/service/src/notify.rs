// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What the init system is told, one datagram each, as in `sd_notify(3)`: readiness, a line for
//! `systemctl status`, the end, more time for a long start, and that the program lives. Where nobody
//! listens (no `NOTIFY_SOCKET`) nothing is sent, and nothing else is different.

use std::env;
use std::ffi::OsStr;
use std::io;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, SyncSender, sync_channel};
use std::thread;
use std::time::Duration;

/// Longest line for `systemctl status`, bytes.
const STATUS_BYTES_MAX: usize = 200;
/// How much longer a start may take, asked for anew …
const MORE_TIME: Duration = Duration::from_secs(60);
/// … this often, …
const ASK_AGAIN: Duration = Duration::from_secs(20);
/// … and this many times: a start that takes longer than half an hour hangs.
const ASK_TIMES: u32 = 90;

/// The way to the init system.
#[derive(Debug, Default)]
pub struct Notifier {
    socket: Option<(UnixDatagram, SocketAddr)>,
    watchdog: Option<Duration>,
}

impl Notifier {
    /// Takes the way from the environment, as the init system left it there.
    #[must_use]
    pub fn from_env() -> Self {
        let Some(name) = env::var_os("NOTIFY_SOCKET") else {
            return Self::default();
        };
        let pid = env::var("WATCHDOG_PID").ok();
        let watchdog = env::var("WATCHDOG_USEC").ok();
        let ours = pid.is_none_or(|pid| pid == std::process::id().to_string());
        let watchdog = watchdog.filter(|_| ours).and_then(|text| limit(&text));
        match Self::to(&name) {
            Ok(notifier) => Self {
                watchdog,
                ..notifier
            },
            Err(error) => {
                log::warn!(err:% = error; "the init system can't be told anything");
                Self::default()
            }
        }
    }

    /// A notifier to the datagram socket of this name: a path, or `@` and a name of the abstract
    /// name space. Without a watchdog.
    ///
    /// # Errors
    /// The system's own, such as for a name that is too long.
    pub fn to(name: &OsStr) -> io::Result<Self> {
        let address = match name.as_bytes().strip_prefix(b"@") {
            Some(abstract_name) => SocketAddr::from_abstract_name(abstract_name)?,
            None => SocketAddr::from_pathname(name)?,
        };
        let socket = UnixDatagram::unbound()?;
        // An init system that does not read must not hold up the program.
        socket.set_nonblocking(true)?;
        Ok(Self {
            socket: Some((socket, address)),
            watchdog: None,
        })
    }

    /// The program does what it is for from now on; `status` is one line of words about it.
    pub fn ready(&self, status: &str) {
        self.send(&format!("READY=1\n{}", status_line(status)));
    }

    /// One line for `systemctl status`.
    pub fn status(&self, status: &str) {
        self.send(&status_line(status));
    }

    /// The program has begun to end.
    pub fn stopping(&self) {
        self.send("STOPPING=1\nSTATUS=stopping");
    }

    /// The program lives.
    pub fn alive(&self) {
        self.send("WATCHDOG=1");
    }

    /// Start or end takes this much longer from now on.
    pub fn more_time(&self, more: Duration) {
        self.send(&format!("EXTEND_TIMEOUT_USEC={}", more.as_micros()));
    }

    /// The same with a watchdog that wants to hear from the program within `limit`.
    #[must_use]
    pub fn watched(self, limit: Duration) -> Self {
        let watchdog = Some(limit).filter(|limit| !limit.is_zero());
        Self { watchdog, ..self }
    }

    /// How often the program should say that it lives: three times in the watchdog's time.
    #[must_use]
    pub fn every(&self) -> Option<Duration> {
        self.watchdog.map(|limit| limit / 3)
    }

    fn send(&self, message: &str) {
        let Some((socket, address)) = &self.socket else {
            return;
        };
        if let Err(error) = socket.send_to_addr(message.as_bytes(), address) {
            log::debug!(err:% = error; "the init system was not told");
        }
    }
}

/// A time in microseconds that is more than none.
fn limit(text: &str) -> Option<Duration> {
    let micros = text.parse().ok().filter(|micros| *micros > 0);
    micros.map(Duration::from_micros)
}

fn status_line(status: &str) -> String {
    let line: String = status.chars().filter(|c| !c.is_control()).collect();
    let end = line.floor_char_boundary(STATUS_BYTES_MAX);
    format!("STATUS={}", line.get(..end).unwrap_or_default())
}

/// Asks for more time while a start goes on, until it is dropped, but not for ever.
#[derive(Debug)]
pub struct Patience {
    /// Closed at the end: that wakes the thread.
    _end: SyncSender<()>,
}

impl Patience {
    /// Asks from now on, in words for `systemctl status`.
    ///
    /// # Errors
    /// The system's own when it makes no thread.
    pub fn ask(notifier: &Arc<Notifier>, status: &str) -> io::Result<Self> {
        let (end, ended) = sync_channel::<()>(0);
        let notifier = Arc::clone(notifier);
        notifier.status(status);
        let work = move || {
            for _ in 0..ASK_TIMES {
                notifier.more_time(MORE_TIME);
                if ended.recv_timeout(ASK_AGAIN) != Err(RecvTimeoutError::Timeout) {
                    return;
                }
            }
            log::error!("the start takes too long; the init system is not asked for more time");
        };
        thread::Builder::new()
            .name("patience".to_owned())
            .spawn(work)?;
        Ok(Self { _end: end })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOON: Duration = Duration::from_secs(20);

    fn received(socket: &UnixDatagram) -> String {
        let mut buffer = [0; 512];
        socket.set_read_timeout(Some(SOON)).unwrap();
        let length = socket.recv(&mut buffer).unwrap();
        String::from_utf8(buffer[..length].to_vec()).unwrap()
    }

    #[test]
    fn words_reach_a_socket_with_a_path() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let socket = UnixDatagram::bind(&path).unwrap();
        let notifier = Notifier::to(path.as_os_str()).unwrap();
        notifier.ready("takes jobs at ipp://box\nSTOPPING=1");
        assert_eq!(
            received(&socket),
            "READY=1\nSTATUS=takes jobs at ipp://boxSTOPPING=1"
        );
        notifier.alive();
        assert_eq!(received(&socket), "WATCHDOG=1");
        notifier.more_time(Duration::from_secs(30));
        assert_eq!(received(&socket), "EXTEND_TIMEOUT_USEC=30000000");
        notifier.status(&"忙".repeat(100));
        let status = received(&socket);
        assert!(
            status.len() <= "STATUS=".len() + STATUS_BYTES_MAX,
            "{status}"
        );
        notifier.stopping();
        assert!(received(&socket).starts_with("STOPPING=1\n"));
    }

    #[test]
    fn words_reach_an_abstract_socket() {
        let name = format!("platen-notify-{}", std::process::id());
        let address = SocketAddr::from_abstract_name(&name).unwrap();
        let socket = UnixDatagram::bind_addr(&address).unwrap();
        let notifier = Notifier::to(OsStr::new(&format!("@{name}"))).unwrap();
        notifier.alive();
        assert_eq!(received(&socket), "WATCHDOG=1");
    }

    #[test]
    fn nobody_there_is_no_trouble() {
        let notifier = Notifier::to(OsStr::new("/nowhere/notify")).unwrap();
        notifier.ready("x");
        Notifier::default().stopping();
        assert_eq!(Notifier::default().every(), None);
    }

    #[test]
    fn a_watchdog_of_no_time_is_none() {
        assert_eq!(limit("30000000"), Some(Duration::from_secs(30)));
        for none in ["", "0", "-1", "soon"] {
            assert_eq!(limit(none), None, "{none}");
        }
        let watched = Notifier::default().watched(Duration::from_secs(30));
        assert_eq!(watched.every(), Some(Duration::from_secs(10)));
        assert_eq!(Notifier::default().watched(Duration::ZERO).every(), None);
    }

    #[test]
    fn a_long_start_asks_for_more_time_until_it_ends() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let socket = UnixDatagram::bind(&path).unwrap();
        let notifier = Arc::new(Notifier::to(path.as_os_str()).unwrap());
        let patience = Patience::ask(&notifier, "reads the journal").unwrap();
        assert_eq!(received(&socket), "STATUS=reads the journal");
        assert!(received(&socket).starts_with("EXTEND_TIMEOUT_USEC="));
        drop(patience);
    }
}
