// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A printer in software: takes jobs on a RAW port, stores their exact bytes, renders them to PNG
//! pages, answers PJL and SNMP, tells of jobs and pages where it is asked to, and can jam, run out
//! of paper, stall, have its cover opened and be unplugged. The binary `platen-virtual-printer` is a
//! shell around [`Printer`].

mod control;
mod device;
mod mib;
mod pjl;
mod raw;
mod render;
mod reports;
mod snmp;

use std::io;
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::path::PathBuf;
use std::sync::Arc;
use std::thread;

pub use device::{Condition, Ended, JobRecord, PrinterStatus};
pub use pjl::{Piece, Unwrapper};
pub use render::{Format, RenderError, render};

use device::Device;

/// How a virtual printer is set up.
#[derive(Clone, Debug)]
pub struct Settings {
    /// RAW address, as in `127.0.0.1:8910`; port 0 takes a free one.
    pub listen: SocketAddr,
    /// UDP address of the SNMP agent; `None` for a printer without one.
    pub snmp: Option<SocketAddr>,
    /// Where jobs and pages go; made if it is not there.
    pub folder: PathBuf,
    /// Unix socket for commands.
    pub control: PathBuf,
    /// Resolution of the pages, dots per inch.
    pub resolution_dpi: u32,
    /// Whether pages are made at all; measurements switch it off.
    pub rendering: bool,
}

/// A running virtual printer. Its threads end with [`Printer::stop`].
pub struct Printer {
    device: Arc<Device>,
    address: SocketAddr,
    agent: Option<SocketAddr>,
    threads: Vec<thread::JoinHandle<()>>,
}

impl Printer {
    /// Opens both ports and starts.
    ///
    /// # Errors
    /// The system's own: a port in use, a folder that cannot be written.
    pub fn start(settings: &Settings) -> io::Result<Self> {
        std::fs::create_dir_all(&settings.folder)?;
        let listener = TcpListener::bind(settings.listen)?;
        let address = listener.local_addr()?;
        let socket = settings.snmp.map(UdpSocket::bind).transpose()?;
        let agent = socket.as_ref().map(UdpSocket::local_addr).transpose()?;
        let (renderer, queue) = render::Renderer::new(settings);
        let device = Arc::new(Device::new(settings, address, queue));
        let mut threads = Vec::new();
        let mut spawn = |name: &str, work: Box<dyn FnOnce() + Send>| {
            let thread = thread::Builder::new().name(name.to_owned()).spawn(work)?;
            threads.push(thread);
            io::Result::Ok(())
        };
        let shared = device.clone();
        spawn("render", Box::new(move || renderer.work(&shared)))?;
        let control = control::open(&settings.control)?;
        let shared = device.clone();
        thread::Builder::new()
            .name("control".to_owned())
            .spawn(move || control::serve(&control, &shared))?;
        if let Some(socket) = socket {
            let shared = device.clone();
            spawn("snmp", Box::new(move || snmp::serve(&socket, &shared)))?;
        }
        let shared = device.clone();
        spawn("raw", Box::new(move || raw::serve(listener, &shared)))?;
        Ok(Self {
            device,
            address,
            agent,
            threads,
        })
    }

    /// The RAW address that was taken.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The SNMP agent's address that was taken.
    #[must_use]
    pub fn agent(&self) -> Option<SocketAddr> {
        self.agent
    }

    /// Ends it: connections are closed, what has arrived is stored and rendered.
    pub fn stop(self) {
        self.device.stop();
        for thread in self.threads {
            let _ = thread.join();
        }
    }
}
