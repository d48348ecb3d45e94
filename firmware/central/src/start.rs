// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The life of the server: reach the database, open both doors, wait for the end, close cleanly.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use platen_central::app::{Centre, CentreError, Fault, Vault};
use platen_model::{Chain, Clock};
use platen_net::{ListenError, Listener, NetLimits, Running, Server};
use platen_service::{
    EXECUTOR_LIMIT, Liveness, Notifier, Patience, StopSignal, SystemClock, Watchdog, beats,
};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use smol::future::FutureExt as _;
use smol::{Executor, Timer};
use thiserror::Error;

use crate::authority::{Authority, AuthorityError, server_config};
use crate::central::{Central, CentralError};
use crate::config::{Config, ConfigError};
use crate::keys::{KeyFileError, RootKey};
use crate::tokens::{self, TokenError};
use crate::{sync, web};

/// Requests in flight may finish for this long after SIGTERM.
const GRACE: Duration = Duration::from_secs(5);
/// Pauses between tries to reach the database at the start.
const TRY_AGAIN: [u64; 5] = [1, 2, 4, 8, 15];
/// How often the server looks whether it needs a new certificate.
const CERTIFICATE_LOOK: Duration = Duration::from_secs(60);
/// File descriptors: a connection of each box, of each one's next request, and the database.
const DESCRIPTORS: u64 = 16_384;
/// Connections of boxes; each box keeps two or three.
const BOX_CONNECTIONS: usize = 8192;
/// Threads that serve, at most.
const THREADS_MAX: usize = 16;

/// Why the server does not start. Each sentence says what to look at.
#[derive(Debug, Error)]
#[non_exhaustive]
pub(crate) enum StartError {
    #[error("the configuration can't be used")]
    Config(#[from] ConfigError),
    #[error("the data directory {} can't be used", path.display())]
    Data {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("another platen-central uses this data directory; stop it first")]
    DataInUse,
    #[error("the key file can't be used")]
    Key(#[from] KeyFileError),
    #[error("the site's database can't be used")]
    Centre(#[from] CentreError),
    #[error(transparent)]
    Central(#[from] CentralError),
    #[error("the site's authority can't be used")]
    Authority(#[from] AuthorityError),
    #[error("tokens can't be used")]
    Token(#[from] TokenError),
    #[error("can't listen")]
    Listen(#[from] ListenError),
    #[error("a thread can't be started")]
    Spawn(#[source] io::Error),
    #[error("signals can't be caught")]
    Signals(#[source] io::Error),
}

/// Reads what a start would read, without touching anything.
///
/// # Errors
/// [`StartError`]
pub(crate) fn check(path: &Path) -> Result<(), StartError> {
    let config = Config::read(path)?;
    config.database()?;
    let authority = &config.authority;
    if let (Some(certificate), Some(key)) = (&authority.certificate, &authority.key) {
        Authority::of_files(certificate, key)?;
    }
    let secret = config.secret_file();
    if secret.exists() {
        RootKey::load_or_create(&secret)?;
    }
    println!("{}: all is well", path.display());
    Ok(())
}

/// Serves until it is told to stop.
///
/// # Errors
/// [`StartError`]; a database that is away is no error but waited for.
pub(crate) fn run(path: &Path) -> Result<(), StartError> {
    let config = Config::read(path)?;
    let mut stop = StopSignal::catch().map_err(StartError::Signals)?;
    let notifier = Arc::new(Notifier::from_env());
    raise_descriptors();
    prepare_data(&config.data)?;
    lock(&config.data)?;
    let executor: Arc<Executor<'static>> = Arc::default();
    let (_end, ending) = smol::channel::bounded::<()>(1);
    help_out(&executor, &ending)?;
    smol::block_on(executor.run(async {
        let stopped = async {
            stop.wait().await;
            None
        };
        let patience = Patience::ask(&notifier, "reaches its database");
        let patience = patience.map_err(StartError::Spawn)?;
        let opened = async { Some(open(&config).await) };
        let Some(central) = stopped.or(opened).await else {
            log::info!("stopped before the database was there");
            return Ok(());
        };
        drop(patience);
        let central = Arc::new(central?);
        let clock = Arc::clone(&central.clock);
        let doors = Doors::open(&config, &central, &executor)?;
        executor.spawn(sync::watch(Arc::clone(&central))).detach();
        executor
            .spawn(keep_certificate(Arc::clone(&central)))
            .detach();
        say_ready();
        notifier.ready("serves its site");
        let watchdog = watchdog(&notifier, clock, &executor)?;
        stop.wait().await;
        log::info!("stopping");
        notifier.stopping();
        drop(watchdog);
        central.stop_waiting();
        doors.close().await;
        central.centre.close().await;
        log::info!("stopped");
        Ok(())
    }))
}

/// Tells the init system that the server lives as long as its executor turns.
fn watchdog(
    notifier: &Arc<Notifier>,
    clock: Arc<dyn Clock>,
    executor: &Executor<'static>,
) -> Result<Watchdog, StartError> {
    let mut liveness = Liveness::default();
    let beat = liveness.beat("executor", EXECUTOR_LIMIT);
    executor.spawn(beats(beat)).detach();
    let watchdog = Watchdog::start(Arc::clone(notifier), clock, liveness, |_| ());
    watchdog.map_err(StartError::Spawn)
}

/// Opens the site for a command of the administrator of this machine.
///
/// # Errors
/// [`StartError`]
pub(crate) async fn open_centre(config: &Config) -> Result<(Centre, Arc<dyn Clock>), StartError> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::start());
    let key = RootKey::load_or_create(&config.secret_file())?;
    let url = config.database()?;
    let centre = Centre::open(url.as_str(), Vault::new(key.bytes()), Arc::clone(&clock)).await?;
    Ok((centre, clock))
}

/// Opens the site, waiting for a database that is away.
///
/// # Errors
/// [`StartError`]
pub(crate) async fn open(config: &Config) -> Result<Central, StartError> {
    let mut pauses = TRY_AGAIN.iter().copied();
    let (centre, clock) = loop {
        match open_centre(config).await {
            Err(StartError::Centre(error)) if error.fault() == Fault::Busy => {
                let pause = pauses.next().unwrap_or(15);
                log::warn!(err:% = Chain(&error), again_s = pause; "the database does not answer");
                Timer::after(Duration::from_secs(pause)).await;
            }
            other => break other?,
        }
    };
    tokens::first(&centre, config).await?;
    let names = names(config);
    let central = Central::assemble(centre, &config.authority, names, clock).await?;
    let path = config.data.join("authority.pem");
    fs::write(&path, central.authority.authorities())
        .map_err(|source| StartError::Data { path, source })?;
    Ok(central)
}

/// Both servers at work.
pub(crate) struct Doors {
    api: Running,
    sync: Running,
    /// Where the API and the boxes' door listen first.
    #[cfg(test)]
    pub(crate) addresses: [Option<SocketAddr>; 2],
}

impl Doors {
    /// Begins to serve.
    ///
    /// # Errors
    /// [`StartError::Listen`], such as when a port is taken.
    pub(crate) fn open(
        config: &Config,
        central: &Arc<Central>,
        executor: &Arc<Executor<'static>>,
    ) -> Result<Self, StartError> {
        let bind = |addresses: &[SocketAddr]| -> Result<Vec<Listener>, ListenError> {
            addresses
                .iter()
                .map(|address| Listener::tcp(*address))
                .collect()
        };
        let (api, boxes) = (bind(&config.api.listen)?, bind(&config.sync.listen)?);
        for address in api.iter().filter_map(Listener::local_addr) {
            log::info!(address:% = address; "the API listens");
        }
        for address in boxes.iter().filter_map(Listener::local_addr) {
            log::info!(address:% = address; "boxes are listened to");
        }
        #[cfg(test)]
        let addresses = [&api, &boxes].map(|all| all.first().and_then(Listener::local_addr));
        let shared = Arc::clone(central);
        let web = move |request, peer| web::handle(Arc::clone(&shared), request, peer);
        let shared = Arc::clone(central);
        let sync = move |request, peer| sync::handle(Arc::clone(&shared), request, peer);
        let certificate = || Arc::clone(&central.certificate);
        let api = Server::new(web, NetLimits::default())
            .with_tls(server_config(certificate(), false)?)
            .start(executor, api);
        let limits = NetLimits {
            connections: BOX_CONNECTIONS,
            // Boxes of a branch office come from one address.
            connections_per_peer: BOX_CONNECTIONS / 2,
            // A box's connection is kept for its next tap.
            keep_alive: Duration::from_secs(120),
            ..NetLimits::default()
        };
        let sync = Server::new(sync, limits)
            .with_tls(server_config(certificate(), true)?)
            .start(executor, boxes);
        Ok(Self {
            api,
            sync,
            #[cfg(test)]
            addresses,
        })
    }

    /// Lets requests in flight finish for a while, then ends.
    pub(crate) async fn close(self) {
        smol::future::zip(self.api.shutdown(GRACE), self.sync.shutdown(GRACE)).await;
    }
}

async fn keep_certificate(central: Arc<Central>) {
    loop {
        Timer::after(CERTIFICATE_LOOK).await;
        if let Err(error) = central.renew_certificate().await {
            log::warn!(err:% = Chain(&error); "the servers' certificate was not looked after");
        }
    }
}

/// Names and addresses by which this server is reached: those of the configuration, the machine's
/// name, the addresses it listens on, and the one it has on the way out.
fn names(config: &Config) -> Vec<String> {
    let mut names = config.names.clone();
    let host = rustix::system::uname()
        .nodename()
        .to_string_lossy()
        .into_owned();
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.');
    if !host.is_empty() && host.chars().all(is_plain) {
        names.push(host);
    }
    names.push("localhost".to_owned());
    names.extend(["127.0.0.1", "::1"].map(str::to_owned));
    let listened = config.api.listen.iter().chain(&config.sync.listen);
    let listened = listened
        .map(SocketAddr::ip)
        .filter(|address| !address.is_unspecified());
    let outward = ["192.0.2.1:9", "[2001:db8::1]:9"];
    let outward = outward.iter().filter_map(|there| way_out(there));
    names.extend(listened.chain(outward).map(|address| address.to_string()));
    let mut seen = Vec::new();
    names.retain(|name| {
        let new = !seen.contains(name);
        seen.push(name.clone());
        new
    });
    names
}

/// The address by which packets to `there` would leave; connecting a UDP socket sends none.
fn way_out(there: &str) -> Option<IpAddr> {
    let there: SocketAddr = there.parse().ok()?;
    let any = if there.is_ipv4() {
        "0.0.0.0:0"
    } else {
        "[::]:0"
    };
    let socket = UdpSocket::bind(any).ok()?;
    socket.connect(there).ok()?;
    Some(socket.local_addr().ok()?.ip())
}

fn prepare_data(path: &Path) -> Result<(), StartError> {
    let made = fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path);
    made.map_err(|source| StartError::Data {
        path: path.to_owned(),
        source,
    })
}

/// One server a data directory. The lock lives as long as the process.
fn lock(data: &Path) -> Result<(), StartError> {
    let fault = |source| StartError::Data {
        path: data.to_owned(),
        source,
    };
    let file = File::create(data.join("lock")).map_err(fault)?;
    match file.try_lock() {
        Ok(()) => {
            // Closing the file would give the lock back.
            std::mem::forget(file);
            Ok(())
        }
        Err(fs::TryLockError::WouldBlock) => Err(StartError::DataInUse),
        Err(fs::TryLockError::Error(error)) => Err(fault(error)),
    }
}

/// As many descriptors as the system allows, up to what is needed.
fn raise_descriptors() {
    let limit = getrlimit(Resource::Nofile);
    let wanted = limit.maximum.unwrap_or(DESCRIPTORS).min(DESCRIPTORS);
    if limit.current.is_some_and(|current| current < wanted) {
        let raised = Rlimit {
            current: Some(wanted),
            maximum: limit.maximum,
        };
        if let Err(error) = setrlimit(Resource::Nofile, raised) {
            log::warn!(err:% = error; "the limit of open files stays as it is");
        }
    }
}

/// Threads of the executor beside the main one.
fn help_out(
    executor: &Arc<Executor<'static>>,
    ending: &smol::channel::Receiver<()>,
) -> Result<(), StartError> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    for _ in 1..cores.clamp(2, THREADS_MAX) {
        let (executor, ending) = (Arc::clone(executor), ending.clone());
        let work = move || {
            // Ends, with an error, when the other end is dropped.
            let _ = smol::block_on(executor.run(ending.recv()));
        };
        let thread = std::thread::Builder::new().name("executor".to_owned());
        thread.spawn(work).map_err(StartError::Spawn)?;
    }
    Ok(())
}

fn say_ready() {
    log::info!("ready");
    let mut out = io::stdout();
    // Whoever started the server may not listen.
    let _ = writeln!(out, "ready").and_then(|()| out.flush());
}
