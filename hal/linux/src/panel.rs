// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The thread that plays the panel's patterns. It sleeps until the next change of the pattern, so a
//! steady lamp costs nothing.

use std::error::Error;
use std::io;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use embedded_hal::digital::OutputPin;
use platen_drivers::{Lamps, Lights, Patterns};
use platen_hal::{Indicator, PanelSignal};
use platen_model::Chain;

use crate::owner::{BoundedThread, Retry, lock};

/// Owns the thread; dropping it turns everything off. One that hangs at a line is left behind after
/// a second.
#[derive(Debug)]
pub struct PanelHandle {
    shared: Arc<Shared>,
    /// Waited for when it has been told to stop.
    _thread: BoundedThread,
}

#[derive(Debug)]
struct Shared {
    wish: Mutex<Wish>,
    wake: Condvar,
}

#[derive(Clone, Copy, Debug)]
struct Wish {
    signal: PanelSignal,
    /// Grows with each `show`, so that the same signal given again starts its pattern again.
    number: u64,
    stop: bool,
}

/// Starts the thread on what `open` gives, with [`PanelSignal::Idle`]. Where that fails, the panel is dark and
/// `open` is asked again, as for every part: at a start the system may give the lines free later than this is called.
///
/// # Errors
/// The system's own when it makes no thread.
pub fn spawn<R, G, Z, B, E>(
    open: impl FnMut() -> Result<Lights<R, G, Z, B>, E> + Send + 'static,
) -> io::Result<PanelHandle>
where
    E: Error + 'static,
    R: OutputPin + Send + 'static,
    G: OutputPin + Send + 'static,
    Z: OutputPin + Send + 'static,
    B: OutputPin + Send + 'static,
{
    let shared = Arc::new(Shared {
        wish: Mutex::new(Wish {
            signal: PanelSignal::Idle,
            number: 0,
            stop: false,
        }),
        wake: Condvar::new(),
    });
    let seen = Arc::clone(&shared);
    let thread = BoundedThread::spawn("panel".to_owned(), move || {
        if let Some(lights) = opened(open, &seen) {
            play(lights, &seen);
        }
    })?;
    Ok(PanelHandle {
        shared,
        _thread: thread,
    })
}

impl PanelHandle {
    fn wish(&self, change: impl FnOnce(&mut Wish)) {
        change(&mut lock(&self.shared.wish));
        self.shared.wake.notify_all();
    }
}

impl Indicator for PanelHandle {
    fn show(&mut self, signal: PanelSignal) {
        self.wish(|wish| {
            wish.signal = signal;
            wish.number += 1;
        });
    }
}

impl Drop for PanelHandle {
    fn drop(&mut self) {
        self.wish(|wish| wish.stop = true);
    }
}

/// What `open` gives once it does; nothing if the thread shall end before. The first failure is logged, and its end.
fn opened<L, E: Error + 'static>(
    mut open: impl FnMut() -> Result<L, E>,
    shared: &Shared,
) -> Option<L> {
    let mut retry = Retry::default();
    let mut dark = false;
    loop {
        match open() {
            Ok(lights) => {
                if dark {
                    log::info!("the panel answers");
                }
                return Some(lights);
            }
            Err(error) if !dark => {
                log::error!(err:% = Chain(&error); "the panel is dark until its lines can be opened");
                dark = true;
            }
            Err(_) => {}
        }
        if shared.ends_within(retry.pause()) {
            return None;
        }
    }
}

fn play<R, G, Z, B>(mut lights: Lights<R, G, Z, B>, shared: &Shared)
where
    R: OutputPin,
    G: OutputPin,
    Z: OutputPin,
    B: OutputPin,
{
    let mut working = true;
    let mut show = |lamps: Lamps| {
        let shown = lights.show(lamps);
        if working && let Err(error) = &shown {
            log::warn!(err = error.to_string().as_str(); "panel line failed");
        }
        working = shown.is_ok();
    };
    let mut wish = *lock(&shared.wish);
    let mut elapsed_ms = 0_u32;
    while !wish.stop {
        show(Patterns::at(wish.signal, elapsed_ms));
        let ahead_ms = Patterns::next_change_ms(wish.signal, elapsed_ms);
        let next = shared.wait(wish.number, ahead_ms);
        // The pattern's own time: it runs late with a busy machine, and never skips a change.
        elapsed_ms = if next.number == wish.number {
            elapsed_ms.wrapping_add(ahead_ms.unwrap_or(0))
        } else {
            0
        };
        wish = next;
    }
    show(Lamps::default());
}

impl Shared {
    /// Waits, and tells whether the thread shall end.
    fn ends_within(&self, pause: Duration) -> bool {
        let goes_on = |wish: &mut Wish| !wish.stop;
        let waited = self
            .wake
            .wait_timeout_while(lock(&self.wish), pause, goes_on);
        waited.unwrap_or_else(PoisonError::into_inner).0.stop
    }

    /// Waits for another wish than `number`, or for the pattern's next change.
    fn wait(&self, number: u64, ahead_ms: Option<u32>) -> Wish {
        let wish = lock(&self.wish);
        let same = |wish: &mut Wish| wish.number == number && !wish.stop;
        let wish = match ahead_ms {
            None => self.wake.wait_while(wish, same),
            Some(ms) => {
                let wait = Duration::from_millis(ms.into());
                let waited = self.wake.wait_timeout_while(wish, wait, same);
                Ok(waited.unwrap_or_else(PoisonError::into_inner).0)
            }
        };
        *wish.unwrap_or_else(PoisonError::into_inner)
    }
}
