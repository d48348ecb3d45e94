// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What an administrator puts on the first partition, and what becomes of it.

use crate::bench::{Bench, CUT};

const KEY: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIEvPvE1vrtCB3rNJ7WJpBFfVUHLcSHYC1GFzT1Xo8rZk ann@example";
const NETWORK: &str =
    "# the house\n[Match]\nName=en*\n\n[Network]\nAddress=192.0.2.5/24\nGateway=192.0.2.1\n";

fn bench() -> Bench {
    let bench = Bench::new("raspberrypi4_64");
    // The daemon's own check: it names the line.
    bench.stub("platend", "busybox grep -q printer \"$2\" || { echo 'platend: node.toml: name a printer' >&2; exit 1; }");
    for folder in ["data/etc/platen", "data/etc/network", "data/ssh"] {
        bench.write(&format!("{folder}/.keep"), "");
    }
    bench
}

fn put(bench: &Bench, name: &str, text: &str) {
    bench.write(&format!("boot/firmware/platen/{name}"), text);
    let ran = bench.run("firstboot", &[]);
    assert!(ran.ok, "{ran:?}");
    assert!(
        !bench.has(&format!("boot/firmware/platen/{name}")),
        "{name} is renamed in every case: {ran:?}"
    );
}

fn taken(bench: &Bench, name: &str, place: &str, text: &str) -> bool {
    put(bench, name, text);
    let taken = bench.has(&format!("boot/firmware/platen/{name}.taken"));
    assert_ne!(
        taken,
        bench.has(&format!("boot/firmware/platen/{name}.why"))
    );
    assert_eq!(taken, bench.has(place));
    taken
}

#[test]
fn overlay_takes_settings_that_the_daemon_finds_right() {
    let bench = bench();
    put(
        &bench,
        "node.toml",
        "\u{feff}[[printer]]\r\nname = \"hall\"\r\n",
    );
    assert_eq!(
        bench.read("data/etc/platen/node.toml"),
        "[[printer]]\nname = \"hall\"\n"
    );
    assert!(bench.has("boot/firmware/platen/node.toml.taken"));
    // Wrong ones change nothing, and the reason stands beside them, for whoever put them there.
    put(&bench, "node.toml", "nothing");
    assert_eq!(
        bench.read("boot/firmware/platen/node.toml.why"),
        "platend: node.toml: name a printer\r\n"
    );
    assert_eq!(
        bench.read("data/etc/platen/node.toml"),
        "[[printer]]\nname = \"hall\"\n"
    );
    // The next right one takes the reason away.
    put(&bench, "node.toml", "[[printer]]\n");
    assert!(!bench.has("boot/firmware/platen/node.toml.why"));
    put(&bench, "node.toml", &"#".repeat(70_000));
    assert!(
        bench
            .read("boot/firmware/platen/node.toml.why")
            .contains("longer than 65536 bytes")
    );
}

#[test]
fn overlay_takes_a_board_file_in_place_of_the_image_s_own() {
    let bench = bench();
    // The daemon is led to the file by settings that name it.
    bench.stub(
        "platend",
        "file=$(busybox sed -n 's/^board = \"\\(.*\\)\"$/\\1/p' \"$2\"); busybox grep -q reader \"$file\" \
         || { echo 'platend: board file, line 1: no part' >&2; exit 1; }",
    );
    let place = "data/etc/platen/board.toml";
    assert!(!taken(&bench, "board.toml", place, "name = \"hall\"\n"));
    assert_eq!(
        bench.read("boot/firmware/platen/board.toml.why"),
        "platend: board file, line 1: no part\r\n"
    );
    let own = "name = \"hall\"\n[reader]\n";
    assert!(taken(&bench, "board.toml", place, own));
    assert_eq!(bench.read(place), own);
}

#[test]
fn overlay_takes_public_keys_and_nothing_else_as_keys() {
    let place = "data/ssh/authorized_keys";
    for good in [
        KEY.to_owned(),
        format!("# keys\r\n\r\n{KEY}\r\n{KEY}\r\n"),
        "ecdsa-sha2-nistp256 AAAAE2VjZHNh= x".to_owned(),
        "sk-ssh-ed25519@openssh.com AAAAGnNr".to_owned(),
    ] {
        assert!(taken(&bench(), "authorized_keys", place, &good), "{good}");
    }
    let many = format!("{KEY}\n").repeat(65);
    for bad in [
        "",
        "# no key\n",
        "-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNz\n-----END OPENSSH PRIVATE KEY-----\n",
        "ssh-dss AAAAB3NzaC1kc3M= old",
        "command=\"reboot\" ssh-ed25519 AAAAC3Nz x",
        "ssh-ed25519 AAAA\u{7}BBBB x",
        many.as_str(),
    ] {
        assert!(!taken(&bench(), "authorized_keys", place, bad), "{bad}");
    }
}

#[test]
fn overlay_takes_files_of_the_network_that_are_such() {
    let place = "data/etc/network/10-lan.network";
    assert!(taken(&bench(), "network/10-lan.network", place, NETWORK));
    for bad in [
        "[Match]\nName=eth0\n",
        "[Network]\nDHCP=yes\n",
        "[Match]\n[Network]\nDHCP yes\n",
        "<html>",
    ] {
        assert!(
            !taken(&bench(), "network/10-lan.network", place, bad),
            "{bad}"
        );
    }
    let named = bench();
    put(&named, "network/a b.network", NETWORK);
    assert!(
        named
            .read("boot/firmware/platen/network/a b.network.why")
            .contains("in its name")
    );
    let many = bench();
    for number in 0..20 {
        many.write(
            &format!("boot/firmware/platen/network/{number:02}.network"),
            NETWORK,
        );
    }
    assert!(many.run("firstboot", &[]).ok);
    assert!(many.has("data/etc/network/15.network") && !many.has("data/etc/network/16.network"));
}

#[test]
fn overlay_finds_nothing_on_most_starts() {
    let bench = bench();
    let ran = bench.run("firstboot", &[]);
    assert_eq!((ran.ok, ran.out.as_str(), ran.err.as_str()), (true, "", ""));
}

/// A cut between the move to its place and the renaming takes the file once more.
#[test]
fn overlay_takes_a_file_again_after_a_cut() {
    let bench = bench();
    bench.stub(
        "sync",
        &format!(
            "[ ! -e '{0}' ] || {CUT}",
            bench.at("data/etc/platen/node.toml").display()
        ),
    );
    bench.write("boot/firmware/platen/node.toml", "[[printer]]\n");
    assert!(!bench.run("firstboot", &[]).ok);
    assert!(bench.has("boot/firmware/platen/node.toml"));
    bench.stub("sync", "");
    put(&bench, "node.toml", "[[printer]]\n");
    assert!(bench.has("boot/firmware/platen/node.toml.taken"));
    assert_eq!(bench.read("data/etc/platen/node.toml"), "[[printer]]\n");
}

#[test]
fn overlay_carries_a_wish_for_a_factory_reset_over_the_restart() {
    let bench = bench();
    bench.stub("systemctl", "");
    bench.write(
        "boot/firmware/autoboot.txt",
        "[all]\ntryboot_a_b=1\nboot_partition=2\n[tryboot]\nboot_partition=3\n",
    );
    bench.write("run/platen/orders/factory-reset", "");
    assert!(bench.run("reset", &[]).ok);
    assert!(
        bench.has("boot/firmware/platen/factory-reset")
            && !bench.has("run/platen/orders/factory-reset")
    );
    assert_eq!(bench.calls(), "systemctl --no-block reboot\n");
}
