// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The tree that post-build.sh makes of packages and the overlay: users, releases, RAUC's configuration,
//! and what must not be in it.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

use crate::bench::{Ran, overlay, program, project, ran};

/// A tree as a distribution's packages leave it, with the overlay over it.
pub(crate) fn tree() -> TempDir {
    let tree = TempDir::new().unwrap();
    let at = |place: &str| tree.path().join(place);
    for folder in [
        "usr/bin",
        "usr/sbin",
        "usr/lib",
        "etc/systemd/network",
        "etc/init.d",
        "usr/share/doc/x",
        "var/lib/x",
    ] {
        fs::create_dir_all(at(folder)).unwrap();
    }
    for folder in ["bin", "sbin", "lib"] {
        symlink(format!("usr/{folder}"), at(folder)).unwrap();
    }
    fs::copy(program("busybox"), at("usr/bin/busybox")).unwrap();
    fs::write(at("usr/bin/mount"), "a package's own").unwrap();
    fs::set_permissions(at("usr/bin/mount"), fs::Permissions::from_mode(0o4755)).unwrap();
    fs::write(at("etc/fstab"), "/dev/sda1 / ext4 defaults 0 1\n").unwrap();
    fs::remove_dir(at("etc/systemd/network")).unwrap();
    let copied = ran(Command::new("cp")
        .arg("-a")
        .arg(overlay().join("."))
        .arg(tree.path()));
    assert!(copied.ok, "{}", copied.err);
    tree
}

pub(crate) fn post_build(tree: &Path, board: &str, keyring: &str) -> Ran {
    let mut command = Command::new(project().join("buildroot/scripts/post-build.sh"));
    command
        .arg(tree)
        .arg(board)
        .env("VERSION", "1.2.3")
        .env("KEYRING", keyring);
    ran(command.env_remove("KEYS").env_remove("BR2_CONFIG"))
}

fn made(board: &str) -> TempDir {
    let tree = tree();
    let keyring = tree.path().join("keyring");
    fs::write(&keyring, "certificates").unwrap();
    for time in ["first", "second"] {
        let made = post_build(tree.path(), board, &keyring.to_string_lossy());
        assert!(made.ok, "{board}, {time} time: {}", made.err);
    }
    tree
}

fn read(tree: &TempDir, place: &str) -> String {
    fs::read_to_string(tree.path().join(place)).unwrap_or_else(|error| panic!("{place}: {error}"))
}

#[test]
fn overlay_tree_says_which_version_it_is_for_which_board() {
    for board in [
        "raspberrypi4_64",
        "raspberrypizero2w_64",
        "x86_64",
        "qemu_x86_64",
        "qemu_aarch64",
    ] {
        let tree = made(board);
        assert_eq!(
            read(&tree, "etc/platen-release"),
            format!("VERSION=1.2.3\nBOARD={board}\nCOMPATIBLE=platen-{board}\n")
        );
        assert!(read(&tree, "etc/os-release").contains("\nVERSION_ID=1.2.3\n"));
        let rauc = read(&tree, "etc/rauc/system.conf");
        assert!(
            rauc.contains(&format!("\ncompatible=platen-{board}\n")) && !rauc.contains('@'),
            "{rauc}"
        );
        let custom = rauc.contains("bootloader=custom\n")
            && rauc.contains("bootloader-custom-backend=/usr/lib/platen/boot-pi\n");
        let grub = rauc.contains("bootloader=grub\ngrubenv=/boot/firmware/grub/grubenv\n");
        assert_eq!(
            (custom, grub),
            (
                board.starts_with("raspberry"),
                !board.starts_with("raspberry")
            ),
            "{rauc}"
        );
        assert_eq!(read(&tree, "etc/rauc/keyring.pem"), "certificates");
        let toml = project().join("board").join(board).join("board.toml");
        assert_eq!(
            read(&tree, "usr/share/platen/board.toml"),
            fs::read_to_string(toml).unwrap()
        );
    }
}

#[test]
fn overlay_tree_is_not_made_without_knowing_whose_updates_it_takes() {
    let tree = tree();
    let made = post_build(tree.path(), "x86_64", "/nowhere/keyring.pem");
    assert!(
        !made.ok && made.err.contains("whose updates shall the box take"),
        "{}",
        made.err
    );
}

#[test]
fn overlay_tree_has_no_password_and_no_way_to_become_somebody_else() {
    let tree = made("qemu_x86_64");
    for line in read(&tree, "etc/shadow").lines() {
        assert_eq!(line.split(':').nth(1), Some("*"), "{line}");
    }
    for line in read(&tree, "etc/passwd").lines() {
        let fields: Vec<_> = line.split(':').collect();
        assert_eq!((fields.len(), fields[1]), (7, "x"), "{line}");
        assert_eq!(fields[6] == "/bin/false", fields[0] != "root", "{line}");
    }
    let mode = |place: &str| {
        fs::metadata(tree.path().join(place))
            .unwrap()
            .permissions()
            .mode()
            & 0o7777
    };
    assert_eq!(
        (mode("usr/bin/mount"), mode("etc/shadow"), mode("root")),
        (0o755, 0o600, 0o700)
    );
    for gone in [
        "etc/fstab",
        "etc/init.d",
        "usr/share/doc",
        "var/lib",
        "etc/rauc/system.conf.in",
    ] {
        assert!(!tree.path().join(gone).exists(), "{gone}");
    }
}

/// /etc can't be written: what a program would write there leads to where it can.
#[test]
fn overlay_tree_leads_what_changes_out_of_etc() {
    let tree = made("qemu_x86_64");
    let link = |place: &str| {
        fs::read_link(tree.path().join(place))
            .unwrap()
            .to_string_lossy()
            .into_owned()
    };
    assert_eq!(link("etc/resolv.conf"), "/run/platen-resolv/resolv.conf");
    assert_eq!(link("etc/mtab"), "../proc/self/mounts");
    assert_eq!(link("etc/systemd/network"), "/data/etc/network");
    assert_eq!(link("root/.ssh"), "/data/ssh");
    assert_eq!(link("var/run"), "../run");
    assert_eq!(read(&tree, "etc/machine-id"), "");
    for place in [
        "data",
        "boot/firmware",
        "etc/platen",
        "dev",
        "proc",
        "sys",
        "run",
        "tmp",
    ] {
        assert!(tree.path().join(place).is_dir(), "{place}");
    }
}

#[test]
fn overlay_tree_has_the_users_of_the_table_and_busyboxs_names() {
    let tree = made("qemu_x86_64");
    let (passwd, group) = (read(&tree, "etc/passwd"), read(&tree, "etc/group"));
    assert!(
        passwd.contains("\nplaten:x:475:475::/var/lib/platen:/bin/false\n"),
        "{passwd}"
    );
    for name in ["lp", "dialout", "input", "spi", "gpio", "i2c", "plugdev"] {
        let line = group
            .lines()
            .find(|line| line.starts_with(&format!("{name}:x:")))
            .unwrap();
        assert!(
            line.split(':')
                .nth(3)
                .unwrap()
                .split(',')
                .any(|member| member == "platen"),
            "{line}"
        );
    }
    for (file, field) in [(&passwd, 2), (&group, 2)] {
        let mut ids: Vec<_> = file
            .lines()
            .map(|line| line.split(':').nth(field).unwrap())
            .collect();
        let all = ids.len();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), all, "an id is there twice:\n{file}");
    }
    let at = |place: &str| tree.path().join(place);
    assert_eq!(
        fs::read_link(at("usr/bin/sh")).unwrap(),
        Path::new("/usr/bin/busybox")
    );
    assert_eq!(read(&tree, "usr/bin/mount"), "a package's own");
}

/// The table has Buildroot's form: eight words, then a comment; numbers that files in /data have are fixed.
#[test]
fn overlay_users_table_is_one_that_buildroot_reads() {
    let table = fs::read_to_string(project().join("buildroot/users.table")).unwrap();
    let rows: Vec<Vec<_>> = table
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .map(|line| line.split_whitespace().collect())
        .collect();
    assert!(rows.len() > 8);
    for row in &rows {
        assert!(row.len() >= 9, "{row:?}");
        let [uid, gid] = [row[1], row[3]].map(|id| id.parse::<i32>().unwrap());
        assert!(uid >= -1 && uid != 0 && gid >= -1 && gid != 0, "{row:?}");
        // Buildroot takes no "/" for a home, and an empty password for none.
        assert!(row[5] != "/" && (row[0] == "-" || row[4] == "*"), "{row:?}");
        assert!(
            !row[0].starts_with("platen") || (uid, gid) == (gid, uid) && uid > 0,
            "{row:?}"
        );
    }
}
