// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The units by systemd's own check, the daemon's sandbox by its measure, the packet filter by nft.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use crate::bench::{overlay, program, project, ran};
use crate::overlay_tree::{post_build, tree};

/// Units that come with systemd, RAUC and D-Bus in the image.
const OF_PACKAGES: [&str; 3] = [
    "systemd-networkd.service",
    "systemd-networkd.socket",
    "systemd-timesyncd.service",
];
/// Programs that come with packages.
const PROGRAMS: [&str; 6] = [
    "/usr/bin/platend",
    "/usr/bin/platenctl",
    "/usr/sbin/nft",
    "/usr/sbin/dropbear",
    "/usr/bin/false",
    "/sbin/modprobe",
];

fn units() -> PathBuf {
    overlay().join("usr/lib/systemd/system")
}

fn listed(folder: &Path) -> Vec<PathBuf> {
    let found = ran(Command::new(program("find"))
        .arg(folder)
        .args(["-not", "-type", "d"]));
    found.out.lines().map(PathBuf::from).collect()
}

/// An image's root with this machine's systemd under the overlay. Every program that one of systemd's own
/// units names is there, as an empty file; of ours only those of packages.
fn root() -> TempDir {
    let root = tree();
    let at = |place: &str| root.path().join(place.trim_start_matches('/'));
    let units = at("usr/lib/systemd/system");
    for folder in ["/lib/systemd/system", "/usr/lib/systemd/system"] {
        let copied = ran(Command::new("cp")
            .args(["-a", "--no-clobber"])
            .arg(Path::new(folder).join("."))
            .arg(&units));
        assert!(copied.ok, "{}", copied.err);
    }
    let own: BTreeSet<_> = listed(&self::units())
        .into_iter()
        .filter_map(|path| path.file_name().map(ToOwned::to_owned))
        .collect();
    let mut programs: Vec<String> = PROGRAMS.map(str::to_owned).into();
    for unit in listed(&units) {
        if unit.file_name().is_some_and(|name| own.contains(name)) {
            continue;
        }
        let text = fs::read_to_string(&unit).unwrap_or_default();
        let starts = text
            .lines()
            .filter_map(|line| line.strip_prefix("Exec")?.split_once('='))
            .map(|(_, words)| words);
        programs.extend(
            starts
                .filter_map(|words| words.split_whitespace().next())
                .map(|word| {
                    word.trim_start_matches(['-', '+', '!', '@', ':'])
                        .to_owned()
                }),
        );
    }
    for program in programs.iter().filter(|program| program.starts_with('/')) {
        let path = at(program);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        if !path.exists() {
            let _ = fs::remove_file(&path);
            fs::write(&path, "").unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        }
    }
    let keyring = at("keyring");
    fs::write(&keyring, "x").unwrap();
    let made = post_build(root.path(), "qemu_x86_64", &keyring.to_string_lossy());
    assert!(made.ok, "{}", made.err);
    root
}

/// What systemd says of units, all that they pull in, and their order.
fn verified(root: &Path, names: &[String]) -> String {
    let mut command = Command::new(program("systemd-analyze"));
    command
        .args(["verify", "--man=no", "--generators=no"])
        .arg(format!("--root={}", root.display()))
        .args(names);
    let checked = ran(command.env("SYSTEMD_LOG_LEVEL", "warning"));
    // This machine may have units of packages that the image does not.
    let ours = |line: &&str| {
        line.contains("platen") || line.contains("cycle") || line.contains("multi-user")
    };
    checked
        .err
        .lines()
        .filter(ours)
        .map(|line| format!("{line}\n"))
        .collect()
}

#[test]
fn overlay_units_are_what_systemd_understands_and_make_no_circle() {
    let root = root();
    let mut names: Vec<_> = fs::read_dir(units())
        .unwrap()
        .filter_map(|entry| {
            let entry = entry.unwrap();
            let name = entry.file_name().to_string_lossy().into_owned();
            entry
                .file_type()
                .unwrap()
                .is_file()
                .then(|| name.replace("@.", "@sda1."))
        })
        .collect();
    assert!(names.len() > 20, "{names:?}");
    names.push("multi-user.target".into());
    assert_eq!(verified(root.path(), &names), "");
    // The check sees what it is for: a word that is none, a program that is not there, a circle.
    let unit = root
        .path()
        .join("usr/lib/systemd/system/platen-install.service");
    let text = fs::read_to_string(&unit).unwrap();
    for (from, to) in [
        ("Nice=", "Nise="),
        ("platen/install", "platen/instal"),
        ("[Service]", "Before=platen-data.service\n[Service]"),
    ] {
        fs::write(&unit, text.replace(from, to)).unwrap();
        assert_ne!(
            verified(root.path(), &["platen-install.service".into()]),
            "",
            "{to}"
        );
    }
}

#[test]
fn overlay_links_lead_to_units_that_are_there() {
    let mut bad = Vec::new();
    for link in listed(&overlay())
        .into_iter()
        .filter(|path| path.is_symlink())
    {
        let target = fs::read_link(&link).unwrap();
        let name = target.file_name().unwrap().to_string_lossy().into_owned();
        let folder = link.parent().unwrap();
        let wanted = folder.extension().is_some_and(|end| end == "wants");
        let masked =
            folder.ends_with("etc/systemd/system") || folder.ends_with("system-generators");
        let right = match (wanted, masked) {
            (true, _) => folder.join(&target).exists() || OF_PACKAGES.contains(&name.as_str()),
            (_, true) => target == Path::new("/dev/null"),
            _ => true,
        };
        if !right {
            bad.push((link, target));
        }
    }
    assert!(bad.is_empty(), "{bad:#?}");
    for unit in [
        "platend.service",
        "platen-health.service",
        "platen-install.path",
        "platen-firewall.service",
    ] {
        assert!(
            units().join("multi-user.target.wants").join(unit).exists(),
            "{unit} starts with the box"
        );
    }
}

/// Every file of ours that a unit, a rule, a configuration or a script names.
#[test]
fn overlay_names_no_file_that_is_not_there() {
    let made = ["usr/share/platen/board.env", "usr/share/platen/board.toml"];
    let mut bad = Vec::new();
    let mut seen = 0;
    for file in listed(&overlay())
        .into_iter()
        .filter(|path| !path.is_symlink())
    {
        let text = fs::read_to_string(&file).unwrap();
        for start in ["/usr/lib/platen/", "/usr/share/platen/"] {
            for (at, _) in text.match_indices(start) {
                let rest = &text[at + start.len()..];
                let name: String = rest
                    .chars()
                    .take_while(|c| c.is_ascii_alphanumeric() || "-_./".contains(*c))
                    .collect();
                let path = format!("{start}{}", name.trim_end_matches(['.', ':', '/']))
                    .trim_start_matches('/')
                    .to_owned();
                seen += 1;
                if !made.contains(&path.as_str()) && !overlay().join(&path).exists() {
                    bad.push((file.clone(), path));
                }
            }
        }
    }
    assert!(seen > 20 && bad.is_empty(), "{seen}: {bad:#?}");
}

#[test]
fn overlay_gives_nobody_a_shell() {
    let masked = overlay().join("etc/systemd/system");
    for unit in [
        "getty.target",
        "getty@.service",
        "serial-getty@.service",
        "autovt@.service",
        "console-getty.service",
        "debug-shell.service",
        "ctrl-alt-del.target",
        "rauc-mark-good.service",
        "dropbear.service",
    ] {
        assert_eq!(
            fs::read_link(masked.join(unit)).ok().as_deref(),
            Some(Path::new("/dev/null")),
            "{unit}"
        );
    }
    for unit in ["emergency.service", "rescue.service"] {
        let text = fs::read_to_string(masked.join(unit)).unwrap();
        assert!(
            text.contains("ExecStart=/usr/lib/platen/emergency\n") && !text.contains("sulogin"),
            "{unit}"
        );
    }
    for generator in [
        "systemd-getty-generator",
        "systemd-debug-generator",
        "systemd-run-generator",
    ] {
        assert!(
            overlay()
                .join("etc/systemd/system-generators")
                .join(generator)
                .is_symlink(),
            "{generator}"
        );
    }
}

/// systemd counts what a service could still do, from 0 to 10; below 2.1 it finds nothing to say.
#[test]
fn overlay_daemon_can_do_little_besides_its_work() {
    let root = root();
    let mut command = Command::new(program("systemd-analyze"));
    command
        .args(["security", "--offline=yes", "--threshold=21", "--no-pager"])
        .arg(format!("--root={}", root.path().display()));
    let measured = ran(command.arg("platend.service"));
    assert!(
        measured.ok && measured.out.contains("Overall exposure level"),
        "{}{}",
        measured.out,
        measured.err
    );
}

/// nft of this machine, or that of the test image.
fn nft() -> Command {
    let tree = project().join(".cache/image/amd64/tree");
    let own = Path::new("/usr/sbin/nft");
    let mut command = Command::new(program("unshare"));
    // A network of its own: the rules of this machine stay what they are.
    command.args(["--map-root-user", "--net"]);
    if own.exists() {
        command.arg(own);
    } else {
        let program = tree.join("usr/sbin/nft");
        assert!(
            program.exists(),
            "install nftables, or build the test image: its tools are in .cache/image"
        );
        let libraries = tree.join("usr/lib/x86_64-linux-gnu");
        command
            .arg(tree.join("lib64/ld-linux-x86-64.so.2"))
            .arg("--library-path")
            .arg(libraries)
            .arg(program);
    }
    command
}

#[test]
fn overlay_packet_filter_is_one_that_nft_takes() {
    let rules = overlay().join("usr/share/platen/firewall.nft");
    let taken = ran(nft().arg("-c").arg("-f").arg(&rules));
    assert!(taken.ok && taken.err.is_empty(), "{}", taken.err);
    let folder = TempDir::new().unwrap();
    let broken = folder.path().join("rules");
    fs::write(
        &broken,
        fs::read_to_string(&rules)
            .unwrap()
            .replace("policy drop", "policy perhaps"),
    )
    .unwrap();
    assert!(
        !ran(nft().arg("-c").arg("-f").arg(&broken)).ok,
        "the check sees what is wrong"
    );
    // What the SSH service adds while it runs.
    let text = fs::read_to_string(units().join("platen-ssh.service")).unwrap();
    let added = text
        .lines()
        .find_map(|line| line.strip_prefix("ExecStartPre=/usr/sbin/nft "))
        .unwrap();
    let ssh = folder.path().join("ssh");
    fs::write(&ssh, format!("include \"{}\"\n{added}\n", rules.display())).unwrap();
    let taken = ran(nft().arg("-c").arg("-f").arg(&ssh));
    assert!(taken.ok, "{}", taken.err);
}

#[test]
fn overlay_settings_of_a_new_box_are_ones_the_daemon_takes() {
    let text = fs::read_to_string(overlay().join("usr/share/platen/node.toml")).unwrap();
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("node.toml");
    let board = project().join("board/sim/board.toml");
    fs::write(&file, format!("board = \"{}\"\n{text}", board.display())).unwrap();
    let daemon = project().join("target/debug/platend");
    assert!(
        daemon.exists(),
        "build the daemon first: cargo build -p platen-node"
    );
    let checked = ran(Command::new(daemon)
        .arg("--config")
        .arg(&file)
        .arg("--check"));
    assert!(checked.ok, "{}{}", checked.out, checked.err);
}
