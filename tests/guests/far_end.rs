// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A part's model at the far end of a guest's serial port, outside the guest. Dropping it cuts the
//! wire.

use std::io;
use std::os::unix::net::UnixStream;
use std::sync::mpsc::{SyncSender, TryRecvError, sync_channel};
use std::thread::{JoinHandle, spawn};
use std::time::Duration;

use embedded_io::{Read, ReadReady, Write};

/// How long the model's side waits for a byte before it looks whether it shall end.
const LOOK: Duration = Duration::from_millis(2);

pub(crate) struct FarEnd {
    stop: Option<SyncSender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl FarEnd {
    pub(crate) fn new(
        mut wire: UnixStream,
        mut part: impl Read + ReadReady + Write + Send + 'static,
    ) -> Self {
        let (stop, stopped) = sync_channel(0);
        wire.set_read_timeout(Some(LOOK)).unwrap();
        let thread = spawn(move || {
            let mut bytes = [0; 256];
            while stopped.try_recv() == Err(TryRecvError::Empty) {
                match io::Read::read(&mut wire, &mut bytes) {
                    Ok(count) => part.write_all(&bytes[..count]).unwrap(),
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                    Err(_) => return,
                }
                while part.read_ready().unwrap() {
                    let count = part.read(&mut bytes).unwrap();
                    if io::Write::write_all(&mut wire, &bytes[..count]).is_err() {
                        return;
                    }
                }
            }
        });
        Self {
            stop: Some(stop),
            thread: Some(thread),
        }
    }
}

impl Drop for FarEnd {
    fn drop(&mut self) {
        drop(self.stop.take());
        self.thread.take().unwrap().join().unwrap();
    }
}
