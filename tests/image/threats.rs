// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What somebody gets who is in the box's network, in its daemon, at its root, or has its disk.

use std::fs::File;
use std::io::Read;
use std::os::unix::fs::FileExt;
use std::process::Command;
use std::sync::Arc;

use platen_bed::documents;
use platen_bed::qemu::{
    BED, Disk, Guest, HOUSE, ImageOptions, PRINTERS, Partition, Scanned, Start, Wires,
};
use platen_bed::{process, wait};

use crate::documented;
use crate::image_under_test::{BoxDisk, LONG, await_ready, header_of_data, journal_of, luks_dump};

/// What the administrator puts on the first partition: an address, as nobody gives one here. It would suit the
/// printers' card as well.
const NETWORK: &str = "[Match]\nType=ether\n\n[Network]\nAddress=10.0.2.15/24\nDHCP=no\n";
/// Words that are on the data partition, and nowhere else but where the administrator put them himself.
const PRINTER: &str = "kontrollraum-sieben";
const PERSON: &str = "Zwiebelfisch Ahornblatt";
const CARD: &str = "04DEADBEA7F00D";
/// Parts of the root at whose borders a bit is changed.
const CHANGED: u64 = 16;
const PROBE: &str = include_str!("probe.sh");

#[test]
fn nobody_gets_more_of_a_box_than_its_documents_say() {
    let mut machine = BoxDisk::new();
    let disk = machine.disk.clone();
    let settings = format!(
        "[web]\n\n[[printer]]\nname = \"{PRINTER}\"\nuri = \"usb:auto\"\npjl_status = false\n"
    );
    disk.write(Partition::Firmware, "platen/node.toml", &settings)
        .unwrap();
    disk.make_folder(Partition::Firmware, "platen/network")
        .unwrap();
    disk.write(
        Partition::Firmware,
        "platen/network/10-house.network",
        NETWORK,
    )
    .unwrap();
    let wires = Arc::new(Wires::lay(&machine.folder.path().join("wires")).unwrap());
    // A kept guest can't go on at another kind of network.
    let mut options = ImageOptions::new(Start::Kernel);
    options.wires = Some(Arc::clone(&wires));
    let mut guest = machine.start_with(&options);
    await_ready(&mut guest);

    keep_something(&mut guest);
    nobody_can_log_in(&mut guest);
    the_daemon_has_no_rights(&mut guest);
    the_daemon_is_refused_what_root_can_do(&mut guest);
    root_cant_write_the_root(&mut guest);
    only_documented_ports_listen(&mut guest);
    only_documented_ports_answer(&wires);
    printers_begin_nothing(&mut guest, &wires);
    changed_blocks_end_the_box(guest, &machine);
    the_data_partition_says_nothing(&disk);
}

/// Somebody's name, card and document.
fn keep_something(guest: &mut Guest) {
    guest
        .import_users(&format!("kept,{PERSON},{CARD}\n"))
        .unwrap();
    let document = documents::heavy_pdf(1, 20_000);
    guest
        .write("/data/etc/network/secret-plans", &document)
        .unwrap();
    // Something to be listed.
    guest
        .write("/data/ssh/authorized_keys", b"# nobody\n")
        .unwrap();
    guest.output(&["/bin/sync"]).unwrap();
}

fn nobody_can_log_in(guest: &mut Guest) {
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    let shadow = text(guest.read("/etc/shadow").unwrap());
    for line in shadow.lines() {
        let password = line.split(':').nth(1).unwrap();
        assert!(password.starts_with(['*', '!']), "{line}");
    }
    let users = text(guest.read("/etc/passwd").unwrap());
    for line in users.lines() {
        let shell = line.rsplit(':').next().unwrap();
        let none = shell.ends_with("/nologin") || shell.ends_with("/false");
        // For SSH with a key, where the administrator wants that.
        assert!(none || line.starts_with("root:"), "{line}");
    }
    let processes = guest.output(&["/bin/ps", "-o", "comm"]).unwrap();
    for name in ["getty", "login", "sshd", "dropbear", "sulogin"] {
        assert!(!processes.contains(name), "{processes}");
    }
}

/// Of root's capabilities it has the one for low ports.
fn the_daemon_has_no_rights(guest: &mut Guest) {
    let id = guest
        .output(&[
            "/bin/systemctl",
            "show",
            "--property=MainPID",
            "--value",
            "platend",
        ])
        .unwrap();
    let status = guest.read(&format!("/proc/{}/status", id.trim())).unwrap();
    let status = String::from_utf8(status).unwrap();
    let field = |name: &str| {
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        line.unwrap().trim().to_owned()
    };
    for set in ["CapEff", "CapPrm", "CapBnd"] {
        assert_eq!(field(set), "0000000000000400", "{set}: {status}");
    }
    assert_eq!(
        (field("NoNewPrivs"), field("Seccomp")),
        ("1".to_owned(), "2".to_owned())
    );
    assert!(!field("Uid").starts_with('0'), "{status}");
}

/// The same tries by root, who can do them all, and within the daemon's unit.
fn the_daemon_is_refused_what_root_can_do(guest: &mut Guest) {
    guest.write("/run/probe.sh", PROBE.as_bytes()).unwrap();
    let by_root = guest.run(&["/bin/sh", "/run/probe.sh"], LONG).unwrap();
    let unit = guest
        .read("/usr/lib/systemd/system/platend.service")
        .unwrap();
    let unit = as_probe(&String::from_utf8(unit).unwrap());
    guest
        .write("/run/systemd/system/platen-probe.service", unit.as_bytes())
        .unwrap();
    guest.output(&["/bin/systemctl", "daemon-reload"]).unwrap();
    let ran = guest
        .run(&["/bin/systemctl", "start", "platen-probe.service"], LONG)
        .unwrap();
    assert_eq!(ran.status, 0, "{}", ran.messages);
    let in_unit = journal_of(guest, &["-o", "cat", "-u", "platen-probe.service"]).unwrap();

    let results = |text: &str, word: &str| {
        let lines = text.lines().filter_map(|line| line.strip_prefix(word));
        lines.map(str::to_owned).collect::<Vec<_>>()
    };
    let tried = results(&by_root.out, "done ");
    assert!(tried.len() > 15, "{}{}", by_root.out, by_root.messages);
    assert_eq!(
        results(&by_root.out, "refused "),
        Vec::<String>::new(),
        "{}",
        by_root.messages
    );
    let (may, may_not): (Vec<_>, Vec<_>) =
        tried.into_iter().partition(|name| name.starts_with("own"));
    assert_eq!(results(&in_unit, "done "), may, "{in_unit}");
    assert_eq!(results(&in_unit, "refused "), may_not, "{in_unit}");
}

/// The daemon's unit with another program in it.
fn as_probe(unit: &str) -> String {
    let changed = [
        "ExecStart",
        "Type=",
        "NotifyAccess=",
        "Restart",
        "WatchdogSec=",
        "OnFailure=",
        "WantedBy=",
    ];
    let kept = unit
        .lines()
        .filter(|line| !changed.iter().any(|word| line.starts_with(word)));
    let kept: Vec<&str> = kept.collect();
    let program = "[Service]\nType=oneshot\nExecStart=/bin/sh /run/probe.sh\n";
    kept.join("\n").replacen("[Service]\n", program, 1)
}

fn root_cant_write_the_root(guest: &mut Guest) {
    let tries = [
        "touch /x",
        "touch /usr/x",
        "touch /etc/x",
        "mount -o remount,rw /",
        "dd if=/dev/zero of=/dev/dm-0 bs=4096 count=1 conv=fsync",
        "blockdev --setrw /dev/dm-0; dd if=/dev/zero of=/dev/dm-0 bs=4096 count=1 conv=fsync",
        "mount -o remount,rw / || touch /usr/x",
    ];
    for a_try in tries {
        let ran = guest.run(&["/bin/sh", "-c", a_try], LONG).unwrap();
        assert_ne!(ran.status, 0, "{a_try} was possible");
    }
}

/// What programs listen on, the packet filter aside.
fn only_documented_ports_listen(guest: &mut Guest) {
    for (kind, files, waiting) in [
        ("tcp", ["tcp", "tcp6"], "0A"),
        ("udp", ["udp", "udp6"], "07"),
    ] {
        let documented = documented::ports(kind);
        for file in files {
            let text = guest.read(&format!("/proc/net/{file}")).unwrap();
            let text = String::from_utf8(text).unwrap();
            let own = documented::listening(&text, waiting);
            println!("{file}: {own:?}");
            for port in own {
                assert!(
                    documented.contains(&port),
                    "{port}/{file} is not in docs/ports.md:\n{text}"
                );
            }
        }
    }
}

fn only_documented_ports_answer(wires: &Wires) {
    let scanned = wires.scan(HOUSE, 1, u16::MAX).unwrap();
    let open = documented::ports("tcp");
    assert_eq!(
        scanned,
        Scanned {
            open,
            closed: Vec::new()
        }
    );
}

/// The second network card is the printers': the box reaches them, they reach nothing.
fn printers_begin_nothing(guest: &mut Guest, wires: &Wires) {
    guest.plug_printers_wire().unwrap();
    let printer = BED[1].to_string();
    let ping = format!("ping -c 1 -W 2 {printer} > /dev/null && echo reached");
    guest
        .wait_for(&["/bin/sh", "-c", &ping], "reached", LONG)
        .unwrap();
    assert_eq!(wires.scan(PRINTERS, 1, 10_000).unwrap(), Scanned::default());
    let forwarding = guest.read("/proc/sys/net/ipv4/ip_forward").unwrap();
    assert_eq!(forwarding, b"0\n");
    let ping = process::output(
        wires
            .command("ping")
            .args(["-c", "1", "-W", "2"])
            .arg(PRINTERS.to_string()),
    );
    assert!(
        !ping.unwrap().status.success(),
        "it answers to a printer's ping"
    );
}

/// A bit here and there in the root, changed behind the box's back. What programs have in memory for as long
/// as they run is not read again, whatever else is dropped: one place would not do.
fn changed_blocks_end_the_box(mut guest: Guest, machine: &BoxDisk) {
    let root = machine.image.join("root.squashfs").metadata().unwrap();
    let (start, _) = machine.disk.place(Partition::RootA).unwrap();
    let places: Vec<u64> = (1..CHANGED)
        .map(|part| start + root.len() / CHANGED * part)
        .collect();
    flip(&machine.disk, &places);
    let read_all =
        "sync; echo 3 > /proc/sys/vm/drop_caches; find /usr -type f -exec cat {} + > /dev/null";
    let ran = guest.run(&["/bin/sh", "-c", read_all], LONG);
    assert!(ran.is_err(), "the box goes on with a changed root: {ran:?}");
    wait::until("the kernel to restart", LONG, || {
        Ok((!guest.runs()?).then_some(()))
    })
    .unwrap();
    let console = guest.console();
    assert!(console.contains("is corrupted"), "{console}");
    flip(&machine.disk, &places);
}

fn flip(disk: &Disk, places: &[u64]) {
    let mut options = File::options();
    let file = options.read(true).write(true).open(disk.path()).unwrap();
    for place in places {
        let mut byte = [0];
        file.read_exact_at(&mut byte, *place).unwrap();
        file.write_all_at(&[byte[0] ^ 0x10], *place).unwrap();
    }
}

/// Whoever takes the disk out finds what the administrator put on its first partition, and no more.
fn the_data_partition_says_nothing(disk: &Disk) {
    let document = documents::heavy_pdf(1, 20_000);
    let piece = &document[1000..1032];
    let words: [&[u8]; 5] = [
        PRINTER.as_bytes(),
        PERSON.as_bytes(),
        CARD.as_bytes(),
        piece,
        b"secret-plans",
    ];
    let (firmware, firmware_size) = disk.place(Partition::Firmware).unwrap();
    for word in words {
        let mut outside = found(disk, word);
        outside.retain(|at| !(firmware..firmware + firmware_size).contains(at));
        assert!(
            outside.is_empty(),
            "{:?} at {outside:?}",
            String::from_utf8_lossy(word)
        );
    }
    let own = found(disk, PRINTER.as_bytes());
    assert!(!own.is_empty(), "the search does not find what is there");
    guessed_keys_open_nothing(disk);
}

/// Places of these bytes on the disk; what is all zero is skipped.
fn found(disk: &Disk, word: &[u8]) -> Vec<u64> {
    let mut file = File::open(disk.path()).unwrap();
    let (mut window, mut chunk) = (Vec::new(), vec![0; 1 << 20]);
    let (mut places, mut base) = (Vec::new(), 0_u64);
    let zeros = vec![0; 1 << 20];
    loop {
        let read = file.read(&mut chunk).unwrap();
        if read == 0 {
            return places;
        }
        if chunk[..read] == zeros[..read] {
            base += (window.len() + read) as u64;
            window.clear();
            continue;
        }
        window.extend_from_slice(&chunk[..read]);
        let (first, last) = (word[0], window.len().saturating_sub(word.len()));
        let starts = window[..last]
            .iter()
            .enumerate()
            .filter(|(_, byte)| **byte == first);
        let here = starts
            .filter(|(at, _)| window[*at..].starts_with(word))
            .map(|(at, _)| base + at as u64);
        places.extend(here);
        window.drain(..last);
        base += last as u64;
    }
}

/// Also not with what stands on the first partition, without the board.
fn guessed_keys_open_nothing(disk: &Disk) {
    let header = header_of_data(disk);
    let seed = disk.read(Partition::Firmware, "platen/data.seed").unwrap();
    let dump = luks_dump(&header);
    assert!(dump.contains("platen-data"), "{dump}");
    for guess in ["", "platen", "0000000000000000", &seed] {
        let key = disk.path().with_extension("key");
        std::fs::write(&key, guess).unwrap();
        let mut open = Command::new("cryptsetup");
        open.args(["open", "--batch-mode", "--test-passphrase", "--key-file"])
            .arg(&key)
            .arg(&header);
        assert!(
            !process::output(&mut open).unwrap().status.success(),
            "{guess:?} opens it"
        );
    }
}
