// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The life of the daemon: put the box together, open its doors, wait for the end, close cleanly.

use std::io::Write as _;
use std::net::SocketAddr;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use platen_auth::DirectoryError;
use platen_auth::phone::PhoneError;
use platen_hal_linux::{Board, BoardError};
use platen_ledger::{LedgerError, PurseError};
use platen_net::{
    AnnounceError, Announcement, Announcer, IdentityError, ListenError, Listener, NetLimits,
    PortUriError, Running, Server, ServerIdentity, TrustError,
};
use platen_service::{Notifier, Patience, StopSignal};
use platen_spool::SpoolError;
use platen_store::{DatabaseError, KeyError};
use smol::Executor;
use thiserror::Error;

use crate::assemble::assemble;
use crate::centre::CentreError;
use crate::config::{Config, ConfigError, Interfaces};
use crate::devices::keys::DeviceKeysError;
use crate::node::Node;
use crate::ports::port;
use crate::release::RecoverError;
use crate::web::{NoRandom, Web};
use crate::{alive, aside, intake, local, maintenance, update, web};

/// Requests in flight may finish for this long after SIGTERM.
pub(crate) const GRACE: Duration = Duration::from_secs(5);
/// A job on its way to the printer may end within this time.
const PRINTING_GRACE: Duration = Duration::from_secs(10);
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// Set in the environment, since the libraries read them there: threads for blocking work (the
/// default is 500) and malloc arenas (the default is 8 a core), both for a small box's memory.
const ENVIRONMENT: [(&str, &str); 2] = [("BLOCKING_MAX_THREADS", "8"), ("MALLOC_ARENA_MAX", "2")];

/// Why the box does not start. Each sentence says what to look at.
#[derive(Debug, Error)]
#[non_exhaustive]
pub(crate) enum StartError {
    #[error("the configuration can't be used")]
    Config(#[from] ConfigError),
    #[error("the board file can't be used")]
    Board(#[from] BoardError),
    #[error(
        "printer {name}: write its uri as socket://host, lpd://host/queue, ipp://host/path, \
         usb:/dev/usb/lp0 or file:/directory"
    )]
    PrinterUri {
        name: String,
        source: PrinterUriFault,
    },
    #[error("printer {name}: tls_pin or tls_ca can't be used")]
    PrinterTls { name: String, source: TrustError },
    #[error("the data directory can't be used")]
    Data(#[source] std::io::Error),
    #[error("another platend uses this data directory; stop it first")]
    DataInUse,
    #[error("the box key can't be used")]
    Keys(#[from] KeyError),
    #[error("the index can't be opened")]
    Database(#[from] DatabaseError),
    #[error("the spool can't be opened")]
    Spool(#[from] SpoolError),
    #[error("the journal can't be opened")]
    Ledger(#[from] LedgerError),
    #[error("the slices of quotas can't be read")]
    Purse(#[from] PurseError),
    #[error("the keys of cards and readers can't be read")]
    DeviceKeys(#[from] DeviceKeysError),
    #[error("the users can't be read")]
    Users(#[from] DirectoryError),
    #[error("no code for phones can be made")]
    Phones(#[from] PhoneError),
    #[error("the web page can't be opened")]
    Web(#[from] NoRandom),
    #[error("the link to the centre can't be set up")]
    Centre(#[from] CentreError),
    #[error("spool and journal can't be brought together")]
    Recover(#[from] RecoverError),
    #[error("the TLS certificate can't be used")]
    Identity(#[from] IdentityError),
    #[error("can't listen")]
    Listen(#[from] ListenError),
    #[error("the queue can't be announced")]
    Announce(#[from] AnnounceError),
    #[error("a thread or process can't be started")]
    Spawn(#[source] std::io::Error),
    #[error("signals can't be caught")]
    Signals(#[source] std::io::Error),
}

/// What is wrong with a printer's URI.
#[derive(Debug, Error)]
#[non_exhaustive]
pub(crate) enum PrinterUriFault {
    #[error(transparent)]
    Network(#[from] PortUriError),
    #[error(transparent)]
    Device(#[from] platen_hal_linux::PortUriError),
}

/// Reads what a start would read, without touching anything.
pub(crate) fn check(path: &Path) -> Result<(), StartError> {
    let config = Config::read(path)?;
    Board::read(&config.board)?;
    for printer in &config.printers {
        port(printer)?;
    }
    println!("{}: all is well", path.display());
    Ok(())
}

/// Runs the box until it is told to stop.
pub(crate) fn run(path: &Path) -> Result<(), StartError> {
    settle_environment()?;
    let config = Config::read(path)?;
    let mut stop = StopSignal::catch().map_err(StartError::Signals)?;
    let notifier = Arc::new(Notifier::from_env());
    // Reading the journal and making the index anew may take long.
    let patience =
        Patience::ask(&notifier, "reads journal and spool").map_err(StartError::Spawn)?;
    let executor: Arc<Executor<'static>> = Arc::default();
    let (node, events) = match assemble(config.clone(), &executor) {
        Err(error) if aside::is_newer_data(&error) => {
            drop(patience);
            return aside::stand(&config, &error, &notifier, &mut stop);
        }
        assembled => assembled?,
    };
    drop(config);
    let tls = identity(&node.config)?;
    let clients = open_clients_door(&node, &executor, &tls)?;
    let pages = open_web_door(&node, &executor, &tls)?;
    let locals = open_local_door(&node, &executor)?;
    let watch = Arc::clone(&node.door).watch(events);
    spawn("door", move || smol::block_on(watch))?;
    executor.spawn(maintenance::run(Arc::clone(&node))).detach();
    executor.spawn(update::run(Arc::clone(&node))).detach();
    executor.spawn(Arc::clone(&node.centre).run()).detach();
    let (_end, ending) = smol::channel::bounded::<()>(1);
    help_out(Arc::clone(&executor), ending)?;
    smol::block_on(executor.run(async {
        let announcer = announce(&node)?;
        drop(patience);
        notifier.ready(&alive::line(&node));
        let watchdog = alive::watch(&node, &notifier).map_err(StartError::Spawn)?;
        say_ready();
        stop.wait().await;
        log::info!("stopping");
        notifier.stopping();
        drop(announcer);
        let pages = async {
            if let Some(pages) = pages {
                pages.shutdown(GRACE).await;
            }
        };
        let doors = smol::future::zip(clients.shutdown(GRACE), locals.shutdown(GRACE));
        smol::future::zip(doors, pages).await;
        finish_printing(&node).await;
        drop(watchdog);
        Ok::<_, StartError>(())
    }))?;
    node.spool.close();
    log::info!("stopped");
    Ok(())
}

/// Starts the program anew, once, with the environment it wants.
fn settle_environment() -> Result<(), StartError> {
    if ENVIRONMENT
        .iter()
        .all(|(name, _)| std::env::var_os(name).is_some())
    {
        return Ok(());
    }
    let program = std::env::current_exe().map_err(StartError::Spawn)?;
    let mut again = std::process::Command::new(program);
    again.args(std::env::args_os().skip(1));
    for (name, value) in ENVIRONMENT {
        if std::env::var_os(name).is_none() {
            again.env(name, value);
        }
    }
    Err(StartError::Spawn(again.exec()))
}

/// A second thread for the executor: sealing one client's document does not hold up the others.
fn help_out(
    executor: Arc<Executor<'static>>,
    ending: smol::channel::Receiver<()>,
) -> Result<(), StartError> {
    spawn("executor", move || {
        // Ends, with an error, when the other end is dropped.
        let _ = smol::block_on(executor.run(ending.recv()));
    })
}

fn spawn(name: &str, work: impl FnOnce() + Send + 'static) -> Result<(), StartError> {
    let thread = std::thread::Builder::new().name(name.to_owned());
    thread.spawn(work).map(drop).map_err(StartError::Spawn)
}

/// The box's certificate, for print clients and the web page alike.
fn identity(config: &Config) -> Result<ServerIdentity, StartError> {
    let addresses: Vec<_> = config.ipp.listen.iter().map(SocketAddr::ip).collect();
    let folder = config.data.join("tls");
    Ok(ServerIdentity::load_or_create(
        &folder,
        &host_name(),
        &addresses,
    )?)
}

fn open_clients_door(
    node: &Arc<Node>,
    executor: &Arc<Executor<'static>>,
    tls: &ServerIdentity,
) -> Result<Running, StartError> {
    let listeners: Vec<Listener> = node
        .config
        .ipp
        .listen
        .iter()
        .map(|address| Listener::tcp(*address))
        .collect::<Result<_, _>>()?;
    let bound = listeners.first().and_then(Listener::local_addr);
    *node
        .listens_at
        .lock()
        .unwrap_or_else(PoisonError::into_inner) = bound;
    let shared = Arc::clone(node);
    let answer = move |request, peer| intake::handle(Arc::clone(&shared), request, peer);
    let server = Server::new(answer, NetLimits::default()).with_tls(tls.server_config());
    Ok(server.start(executor, listeners))
}

/// The web page, where the configuration has one.
fn open_web_door(
    node: &Arc<Node>,
    executor: &Arc<Executor<'static>>,
    tls: &ServerIdentity,
) -> Result<Option<Running>, StartError> {
    let Some(config) = &node.config.web else {
        return Ok(None);
    };
    let listeners: Vec<Listener> = config
        .listen
        .iter()
        .map(|address| Listener::tcp(*address))
        .collect::<Result<_, _>>()?;
    let port = listeners.first().and_then(Listener::local_addr);
    let address = config.address.clone().unwrap_or_else(|| {
        let port = port.map_or(443, |address| address.port());
        format!("https://{}.local:{port}", host_name())
    });
    let web = Arc::new(Web::new(Arc::clone(node), address)?);
    *node.web.lock().unwrap_or_else(PoisonError::into_inner) = Arc::downgrade(&web);
    let answer = move |request, peer| web::handle(Arc::clone(&web), request, peer);
    let server = Server::new(answer, NetLimits::default()).with_tls(tls.server_config());
    Ok(Some(server.start(executor, listeners)))
}

fn open_local_door(
    node: &Arc<Node>,
    executor: &Arc<Executor<'static>>,
) -> Result<Running, StartError> {
    let listener = Listener::unix(&node.config.socket)?;
    let shared = Arc::clone(node);
    let answer = move |request, _| local::handle(Arc::clone(&shared), request);
    Ok(Server::new(answer, NetLimits::default()).start(executor, vec![listener]))
}

fn announce(node: &Node) -> Result<Option<Announcer>, StartError> {
    let interfaces = match node.config.announce.interfaces {
        Interfaces::Off => return Ok(None),
        Interfaces::Loopback => platen_net::Interfaces::Loopback,
        Interfaces::All => platen_net::Interfaces::All,
    };
    let bound = *node
        .listens_at
        .lock()
        .unwrap_or_else(PoisonError::into_inner);
    let port = bound.map_or(631, |address| address.port());
    let host = host_name();
    let announcement = Announcement {
        name: node.config.announce.name.clone(),
        txt: intake::announcement_txt(node, &format!("{host}.local:{port}")),
        host,
        port,
        interfaces,
    };
    Ok(Some(Announcer::start(&announcement)?))
}

/// The name of the box on its network. Not the system's own host name: another responder on the
/// machine (Avahi) claims that one.
fn host_name() -> String {
    let name = rustix::system::uname()
        .nodename()
        .to_string_lossy()
        .into_owned();
    let first = name.split('.').next().unwrap_or_default();
    let plain: String = first
        .chars()
        .filter(|c| c.is_ascii_alphanumeric() || *c == '-')
        .collect();
    format!("platen-{plain}").trim_end_matches('-').to_owned()
}

/// Takes no further job to a printer and gives those on their way a chance to end: one that is cut
/// off here is interrupted, and its owner has to ask for it again.
async fn finish_printing(node: &Node) {
    let targets = node.releases.targets();
    targets.iter().for_each(|target| target.stop());
    let idle = async {
        while targets.iter().any(|target| target.is_printing()) {
            smol::Timer::after(LOOK_AGAIN).await;
        }
    };
    let limit = async {
        smol::Timer::after(PRINTING_GRACE).await;
    };
    smol::future::or(idle, limit).await;
}

fn say_ready() {
    log::info!("ready");
    let mut out = std::io::stdout();
    // Whoever started the daemon may not listen.
    let _ = writeln!(out, "ready").and_then(|()| out.flush());
}
