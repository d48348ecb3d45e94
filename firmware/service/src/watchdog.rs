// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The thread that looks after a program's parts, and tells the init system that the program lives as
//! long as each of them comes round. What is stuck is logged; then the init system's watchdog ends the
//! program, and starts it anew.

use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread;
use std::time::Duration;

use platen_model::Clock;

use crate::liveness::{Beat, Liveness, Stuck};
use crate::notify::Notifier;

/// How often the parts are looked at where no watchdog wants to hear more often.
const LOOK: Duration = Duration::from_secs(5);
/// Pause between two beats of an executor.
const BEAT: Duration = Duration::from_secs(1);
/// Longest time for which an executor may be too busy to beat.
pub const EXECUTOR_LIMIT: Duration = Duration::from_secs(30);

/// Looks after the parts until it is dropped.
#[derive(Debug)]
pub struct Watchdog {
    /// Closed at the end: that wakes the thread.
    _end: SyncSender<()>,
}

impl Watchdog {
    /// Begins to look. `tell` hears of what is stuck at every look.
    ///
    /// # Errors
    /// The system's own when it makes no thread.
    pub fn start(
        notifier: Arc<Notifier>,
        clock: Arc<dyn Clock>,
        mut liveness: Liveness,
        mut tell: impl FnMut(&[Stuck]) + Send + 'static,
    ) -> io::Result<Self> {
        let (end, ended) = sync_channel(0);
        let pause = notifier.every().map_or(LOOK, |every| every.min(LOOK));
        let work = move || {
            let mut told = Vec::new();
            loop {
                let stuck = liveness.look(clock.now().elapsed);
                log_news(&mut told, &stuck);
                tell(&stuck);
                if stuck.is_empty() {
                    notifier.alive();
                }
                if is_over(&ended, pause) {
                    return;
                }
            }
        };
        let thread = thread::Builder::new().name("watchdog".to_owned());
        thread.spawn(work)?;
        Ok(Self { _end: end })
    }
}

fn is_over(ended: &Receiver<()>, pause: Duration) -> bool {
    ended.recv_timeout(pause) != Err(RecvTimeoutError::Timeout)
}

fn log_news(told: &mut Vec<String>, stuck: &[Stuck]) {
    for stuck in stuck.iter().filter(|stuck| !told.contains(&stuck.part)) {
        let (part, for_s) = (stuck.part.as_str(), stuck.for_long.as_secs());
        log::error!(part, for_s; "a part of the program does not come round");
    }
    let parts: Vec<_> = stuck.iter().map(|stuck| stuck.part.clone()).collect();
    for part in told.iter().filter(|part| !parts.contains(part)) {
        log::info!(part = part.as_str(); "a part of the program comes round again");
    }
    *told = parts;
}

/// Beats for ever; an executor that gets to it turns.
pub async fn beats(beat: Arc<Beat>) {
    loop {
        beat.beat();
        smol::Timer::after(BEAT).await;
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixDatagram;
    use std::sync::Mutex;

    use platen_model::ManualClock;

    use super::*;

    const SOON: Duration = Duration::from_secs(20);

    fn waits_for(socket: &UnixDatagram, wait: Duration) -> Option<String> {
        let mut buffer = [0; 64];
        socket.set_read_timeout(Some(wait)).unwrap();
        let length = socket.recv(&mut buffer).ok()?;
        Some(String::from_utf8_lossy(&buffer[..length]).into_owned())
    }

    #[test]
    fn a_stuck_part_silences_the_program_until_it_comes_round() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let socket = UnixDatagram::bind(&path).unwrap();
        let notifier = Notifier::to(path.as_os_str()).unwrap();
        let notifier = Arc::new(notifier.watched(Duration::from_millis(300)));
        let clock = Arc::new(ManualClock::at(0));
        let mut liveness = Liveness::default();
        let beat = liveness.beat("reader door", Duration::from_secs(30));
        let told = Arc::<Mutex<Vec<Stuck>>>::default();
        let seen = Arc::clone(&told);
        let tell = move |stuck: &[Stuck]| *seen.lock().unwrap() = stuck.to_vec();
        let time = Arc::clone(&clock) as Arc<dyn Clock>;
        let watchdog = Watchdog::start(notifier, time, liveness, tell).unwrap();
        assert_eq!(waits_for(&socket, SOON).as_deref(), Some("WATCHDOG=1"));
        clock.advance(Duration::from_secs(31));
        // One that was on its way may still come; then there is silence.
        while waits_for(&socket, Duration::from_secs(2)).is_some() {}
        let stuck = told.lock().unwrap().clone();
        assert_eq!(stuck.len(), 1);
        assert_eq!(stuck[0].part, "reader door");
        beat.beat();
        assert_eq!(waits_for(&socket, SOON).as_deref(), Some("WATCHDOG=1"));
        assert!(told.lock().unwrap().is_empty());
        drop(watchdog);
    }

    #[test]
    fn an_executor_that_turns_beats() {
        let mut liveness = Liveness::default();
        let beat = liveness.beat("executor", Duration::ZERO);
        assert!(liveness.look(Duration::ZERO).is_empty());
        assert_eq!(liveness.look(SOON).len(), 1);
        let executor = smol::Executor::new();
        executor.spawn(beats(beat)).detach();
        assert!(executor.try_tick());
        assert!(liveness.look(2 * SOON).is_empty());
    }
}
