// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Whether the box does what it is for: the daemon, its disk, each part of the board, each printer. An
//! update is judged by it, so nothing here is a guess: the disk is written to, the printers are asked.

use std::io::{self, Write as _};
use std::path::Path;
use std::sync::Arc;

use platen_model::local::{Health, HealthItem};
use platen_store::Disk;

use crate::node::Node;
use crate::release::Target;

/// Written, synced and removed again.
const PROBE_FILE: &str = "health.probe";
/// Reasons of a printer that does not answer.
const AWAY: [&str; 2] = ["offline", "connecting-to-device"];

/// Asks everything. Printers are asked for two and a half seconds at most, all at once.
pub(crate) async fn look(node: &Arc<Node>) -> Health {
    let targets = node.releases.targets().iter();
    let asked: Vec<_> = targets
        .map(|target| node.executor.spawn(printer(Arc::clone(target))))
        .collect();
    let shared = Arc::clone(node);
    let disk = smol::unblock(move || disk(&*shared.disk, shared.journal_reserve())).await;
    let mut items = vec![daemon(node), disk];
    items.extend(node.devices.report().into_iter().map(|device| HealthItem {
        name: format!("device {}", device.name),
        ok: device.state != "gone",
        text: device.cause.unwrap_or(device.state),
    }));
    for answer in asked {
        items.push(answer.await);
    }
    Health {
        version: node.updates.installed().version.clone(),
        slot: node.updates.installed().slot.clone(),
        items,
    }
}

/// It answers, so it turns; what else may be stuck is known.
fn daemon(node: &Node) -> HealthItem {
    let stuck = node.alive.stuck();
    let words = |stuck: &platen_service::Stuck| {
        let for_s = stuck.for_long.as_secs();
        format!("{} has not come round for {for_s} s", stuck.part)
    };
    let text = match stuck.is_empty() {
        true => format!("up for {} s", node.clock.now().elapsed.as_secs()),
        false => stuck.iter().map(words).collect::<Vec<_>>().join(", "),
    };
    HealthItem {
        name: "daemon".to_owned(),
        ok: stuck.is_empty(),
        text,
    }
}

fn disk(disk: &dyn Disk, reserve: u64) -> HealthItem {
    let (ok, text) = match written(disk).and_then(|()| disk.free_bytes()) {
        Ok(free) => (free >= reserve, format!("{} MiB free", free >> 20)),
        Err(error) => (false, format!("takes no file: {error}")),
    };
    HealthItem {
        name: "disk".to_owned(),
        ok,
        text,
    }
}

/// Writes a file so that it would survive a power cut, and removes it.
fn written(disk: &dyn Disk) -> io::Result<()> {
    let path = Path::new(PROBE_FILE);
    disk.remove(path)?;
    let mut file = disk.create(path)?;
    file.write_all(b"health")?;
    file.sync()?;
    drop(file);
    disk.sync_dir(Path::new(""))?;
    disk.remove(path)
}

/// A printer without paper answers, and is none of an update's faults; one that is off is off.
async fn printer(target: Arc<Target>) -> HealthItem {
    let status = target.probe().await;
    let away = status.reasons.iter().any(|reason| is_away(reason));
    let text = match (status.ready, status.reasons.is_empty()) {
        (_, false) => status.reasons.join(", "),
        (true, true) => "answers".to_owned(),
        (false, true) => "does not answer".to_owned(),
    };
    HealthItem {
        name: format!("printer {}", target.config.name),
        ok: !away && (status.ready || !status.reasons.is_empty()),
        text,
    }
}

fn is_away(reason: &str) -> bool {
    AWAY.iter().any(|stem| reason.starts_with(stem))
}

#[cfg(test)]
mod tests {
    use platen_hal::PortStatus;
    use platen_store::{RealDisk, SimDisk};

    use super::*;

    #[test]
    fn a_disk_is_good_when_it_takes_a_file_and_has_room() {
        let folder = tempfile::tempdir().unwrap();
        let real = RealDisk::open(folder.path()).unwrap();
        let item = disk(&real, 1);
        assert!(item.ok, "{item:?}");
        assert!(
            folder.path().read_dir().unwrap().next().is_none(),
            "nothing is left"
        );
        assert!(!disk(&real, u64::MAX).ok, "too little room");
        std::fs::write(folder.path().join(PROBE_FILE), "from before a power cut").unwrap();
        assert!(disk(&real, 1).ok);
        let gone = folder.path().join("gone");
        let lost = RealDisk::open(&gone).unwrap();
        std::fs::remove_dir(&gone).unwrap();
        let item = disk(&lost, 1);
        assert!(
            !item.ok && item.text.starts_with("takes no file"),
            "{item:?}"
        );
        assert!(disk(&SimDisk::new(1), 0).ok);
    }

    #[test]
    fn a_printer_that_answers_is_well_whatever_it_says_and_one_that_is_off_is_off() {
        let uri = "name = \"p\"\nuri = \"file:/p\"";
        for (ready, reason, ok) in [
            (true, None, true),
            (false, None, false),
            (false, Some("media-empty-error"), true),
            (false, Some("offline-report"), false),
            (false, Some("connecting-to-device-report"), false),
        ] {
            // Nobody takes its orders: what is known stands.
            let (target, waiting) = Target::new(toml::from_str(uri).unwrap());
            drop(waiting);
            target.set_status(PortStatus {
                ready,
                reasons: reason.into_iter().map(str::to_owned).collect(),
            });
            let item = smol::block_on(printer(Arc::new(target)));
            assert_eq!(item.ok, ok, "{item:?}");
            assert_eq!(item.name, "printer p");
        }
    }
}
