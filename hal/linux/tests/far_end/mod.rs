// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A pseudo-terminal of the kernel with a part's model at its other end. Dropping it pulls the plug.

use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread::{JoinHandle, spawn};
use std::time::Duration;

use embedded_io::{Read, ReadReady, Write};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

pub(crate) struct FarEnd {
    path: PathBuf,
    stop: Option<SyncSender<()>>,
    thread: Option<JoinHandle<()>>,
}

fn pair() -> (OwnedFd, PathBuf) {
    let near = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&near).unwrap();
    unlockpt(&near).unwrap();
    let name = ptsname(&near, Vec::new()).unwrap();
    (near, PathBuf::from(name.into_string().unwrap()))
}

impl FarEnd {
    pub(crate) fn new(part: impl Read + ReadReady + Write + Send + 'static) -> Self {
        let (near, path) = pair();
        let (stop, stopped) = sync_channel(0);
        let thread = spawn(move || pump(File::from(near), part, &stopped));
        Self {
            path,
            stop: Some(stop),
            thread: Some(thread),
        }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for FarEnd {
    fn drop(&mut self) {
        drop(self.stop.take());
        self.thread.take().unwrap().join().unwrap();
    }
}

/// Carries bytes between the terminal and the model.
fn pump(mut near: File, mut part: impl Read + ReadReady + Write, stopped: &Receiver<()>) {
    let mut bytes = [0; 256];
    while stopped.recv_timeout(Duration::ZERO) == Err(RecvTimeoutError::Timeout) {
        let mut fds = [PollFd::new(&near, PollFlags::IN)];
        let wait = Timespec::try_from(Duration::from_millis(1)).unwrap();
        poll(&mut fds, Some(&wait)).unwrap();
        if fds[0].revents().contains(PollFlags::IN)
            && let Ok(count) = io::Read::read(&mut near, &mut bytes)
        {
            part.write_all(&bytes[..count]).unwrap();
        }
        while part.read_ready().unwrap() {
            let count = part.read(&mut bytes).unwrap();
            io::Write::write_all(&mut near, &bytes[..count]).unwrap();
        }
    }
}
