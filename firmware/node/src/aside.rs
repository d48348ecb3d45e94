// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A box whose data a newer release wrote, such as after a step back. Nothing of the data is touched and
//! nothing is printed, but the box is not lost: it says what is wrong, and takes the release that
//! mends it.

use std::error::Error;
use std::sync::Arc;

use platen_auth::DirectoryError;
use platen_ledger::LedgerError;
use platen_model::{Chain, Clock};
use platen_net::{Listener, NetLimits, Server};
use platen_service::{
    EXECUTOR_LIMIT, Liveness, Notifier, StopSignal, SystemClock, Watchdog, beats,
};
use platen_store::SealedFileError;
use smol::Executor;

use crate::config::Config;
use crate::installed::Installed;
use crate::local::aside::{Aside, handle};
use crate::start::{GRACE, StartError};
use crate::update::{self, Updates};

/// Whether a newer release wrote what can't be read.
pub(crate) fn is_newer_data(error: &StartError) -> bool {
    let mut inner: Option<&(dyn Error + 'static)> = error.source();
    while let Some(error) = inner {
        let by_ledger = error.downcast_ref::<LedgerError>();
        let by_users = error.downcast_ref::<DirectoryError>();
        let by_file = error.downcast_ref::<SealedFileError>();
        if matches!(by_ledger, Some(LedgerError::Version { .. }))
            || matches!(by_users, Some(DirectoryError::Version { .. }))
            || matches!(by_file, Some(SealedFileError::Version { .. }))
        {
            return true;
        }
        inner = error.source();
    }
    false
}

/// Waits for a newer release, or to be told to stop.
pub(crate) fn stand(
    config: &Config,
    error: &StartError,
    notifier: &Arc<Notifier>,
    stop: &mut StopSignal,
) -> Result<(), StartError> {
    let words = format!(
        "the data of this box is from a newer release, install that one again: {}",
        Chain(error)
    );
    log::error!(err = words.as_str(); "the box stands aside");
    eprintln!("platend: {words}");
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::start());
    let (window, shared) = (config.update_window(), Arc::clone(&clock));
    let aside = Arc::new(Aside {
        updates: Updates::open(
            &config.update,
            window,
            Installed::read(&config.update.release),
            shared,
        ),
        clock: Arc::clone(&clock),
        name: config.announce.name.clone(),
        words,
    });
    let executor: Arc<Executor<'static>> = Arc::default();
    let listener = Listener::unix(&config.socket)?;
    let shared = Arc::clone(&aside);
    let answer = move |request, _| handle(Arc::clone(&shared), request);
    let door = Server::new(answer, NetLimits::default()).start(&executor, vec![listener]);
    let updates = update::run_aside(Arc::clone(&aside.updates));
    executor.spawn(updates).detach();
    let mut liveness = Liveness::default();
    let beat = liveness.beat("executor", EXECUTOR_LIMIT);
    executor.spawn(beats(beat)).detach();
    let watchdog = Watchdog::start(Arc::clone(notifier), clock, liveness, |_| ());
    let watchdog = watchdog.map_err(StartError::Spawn)?;
    // Started anew it would stand where it stands.
    notifier.ready(&aside.words);
    smol::block_on(executor.run(async {
        stop.wait().await;
        notifier.stopping();
        door.shutdown(GRACE).await;
    }));
    drop(watchdog);
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    #[test]
    fn newer_data_is_told_from_data_that_is_damaged() {
        let newer = SealedFileError::Version {
            path: "a".into(),
            found: 2,
            known: 1,
        };
        let purse = platen_ledger::PurseError::File(newer);
        assert!(is_newer_data(&StartError::Purse(purse)));
        let ledger = LedgerError::Version {
            path: "b".into(),
            found: 4,
        };
        assert!(is_newer_data(&StartError::Ledger(ledger)));
        let users = DirectoryError::Version {
            path: "c".into(),
            found: 2,
        };
        assert!(is_newer_data(&StartError::Users(users)));
        let damaged = SealedFileError::Damaged { path: "d".into() };
        let purse = platen_ledger::PurseError::File(damaged);
        assert!(!is_newer_data(&StartError::Purse(purse)));
        assert!(!is_newer_data(&StartError::DataInUse));
        let full = StartError::Data(io::ErrorKind::StorageFull.into());
        assert!(!is_newer_data(&full));
    }
}
