// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Which partition is which, which wired interface is the printers', which name servers there are: by a
//! folder that looks like the kernel's.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use crate::bench::Bench;

/// A disk with its partitions in /sys, and another one with the same number of them.
fn disks(bench: &Bench, root: &str) {
    for disk in ["vda", "sdb"] {
        for number in 1..=7 {
            let partition = format!("sys/devices/{disk}/{disk}{number}");
            bench.write(&format!("{partition}/partition"), &format!("{number}\n"));
            fs::create_dir_all(bench.at("sys/class/block")).unwrap();
            symlink(
                bench.at(&partition),
                bench.at(&format!("sys/class/block/{disk}{number}")),
            )
            .unwrap();
        }
    }
    fs::create_dir_all(bench.at("sys/dev/block")).unwrap();
    if root == "dm-0" {
        fs::create_dir_all(bench.at("sys/devices/virtual/dm-0/slaves")).unwrap();
        symlink(
            bench.at("sys/devices/vda/vda4"),
            bench.at("sys/devices/virtual/dm-0/slaves/vda4"),
        )
        .unwrap();
        symlink(
            bench.at("sys/devices/virtual/dm-0"),
            bench.at("sys/dev/block/254:0"),
        )
        .unwrap();
    } else {
        symlink(
            bench.at("sys/devices/vda/vda4"),
            bench.at("sys/dev/block/254:0"),
        )
        .unwrap();
    }
    bench.write(
        "proc/self/mountinfo",
        "22 1 254:0 / / ro,relatime shared:1 - squashfs /dev/root ro\n23 22 0:21 / /proc rw - proc proc rw\n",
    );
}

/// The box's partitions by what they are, as `disk` links them.
fn linked(bench: &Bench) -> Vec<(String, PathBuf)> {
    assert!(bench.run("disk", &[]).ok);
    let links = fs::read_dir(bench.at("run/platen-disk")).unwrap();
    let mut links: Vec<_> = links
        .map(|entry| entry.unwrap())
        .map(|entry| {
            let role = entry.file_name().into_string().unwrap();
            (role, fs::read_link(entry.path()).unwrap())
        })
        .collect();
    links.sort();
    links
}

/// Nothing of the other disk is among them: a stick that the same image was written to.
#[test]
fn overlay_knows_the_partitions_of_the_disk_it_runs_from() {
    let roles = ["boot-a", "boot-b", "data", "firmware", "root-a", "root-b"];
    for root in ["dm-0", "vda4"] {
        for (board, numbers) in [
            ("x86_64", [2, 3, 6, 1, 4, 5]),
            ("raspberrypi4_64", [2, 3, 7, 1, 5, 6]),
        ] {
            let bench = Bench::new(board);
            disks(&bench, root);
            let expected = roles
                .iter()
                .zip(numbers)
                .map(|(role, number)| ((*role).to_owned(), format!("/dev/vda{number}").into()));
            assert_eq!(linked(&bench), expected.collect::<Vec<_>>(), "{board}");
        }
    }
}

#[test]
fn overlay_says_that_a_disk_has_no_data_partition() {
    let bench = Bench::new("x86_64");
    disks(&bench, "dm-0");
    fs::remove_dir_all(bench.at("sys/devices/vda/vda6")).unwrap();
    let ran = bench.run("disk", &[]);
    assert!(!ran.ok && ran.err.contains("no data partition"), "{ran:?}");
}

/// An interface with its device, of that path, in /sys.
fn interface(bench: &Bench, name: &str, device: &str, kind: &str) {
    bench.write(&format!("sys/class/net/{name}/type"), &format!("{kind}\n"));
    if !device.is_empty() {
        let path = bench.at("sys/devices").join(device);
        fs::create_dir_all(&path).unwrap();
        symlink(&path, bench.at(&format!("sys/class/net/{name}/device"))).unwrap();
    }
    if let Some(address) = Path::new(device)
        .file_name()
        .filter(|_| device.starts_with("pci") && !device.contains("usb"))
    {
        bench.write(
            &format!("sys/bus/pci/devices/{}/class", address.to_string_lossy()),
            "0x020000\n",
        );
    }
}

fn printers(bench: &Bench) -> Vec<String> {
    let mut found: Vec<_> = fs::read_dir(bench.at("sys/class/net"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    found.sort();
    let names = found
        .into_iter()
        .map(|name| name.to_string_lossy().into_owned());
    names
        .filter(|name| bench.run("nic-role", &[name]).ok)
        .collect()
}

#[test]
fn overlay_gives_the_second_wired_interface_to_the_printers() {
    let pc = Bench::new("x86_64");
    interface(&pc, "lo", "", "772");
    interface(&pc, "eth0", "pci0000:00/0000:02:00.0", "1");
    assert_eq!(printers(&pc), [""; 0]);
    // Names are given as drivers come up; addresses stay.
    interface(&pc, "eth1", "pci0000:00/0000:01:00.0", "1");
    interface(&pc, "eth2", "pci0000:00/0000:03:00.0", "1");
    interface(&pc, "eth3", "pci0000:00/0000:04:00.0/usb1/1-1/1-1:1.0", "1");
    assert_eq!(printers(&pc), ["eth0"]);
}

#[test]
fn overlay_gives_an_adapter_on_usb_to_the_printers_where_a_socket_is_built_in() {
    let board = Bench::new("raspberrypi4_64");
    interface(&board, "eth0", "platform/scb/fd580000.ethernet", "1");
    interface(
        &board,
        "eth1",
        "platform/scb/fd500000.pcie/pci0000:00/0000:00:00.0/usb1/1-1/1-1:1.0",
        "1",
    );
    interface(&board, "wlan0", "platform/soc/fe300000.mmc", "1");
    fs::create_dir(board.at("sys/class/net/wlan0/wireless")).unwrap();
    assert_eq!(printers(&board), ["eth1"]);
    // A board without a socket has its only wire on USB: that is the house's.
    let small = Bench::new("raspberrypizero2w_64");
    interface(
        &small,
        "eth0",
        "platform/soc/3f980000.usb/usb1/1-1/1-1:1.0",
        "1",
    );
    assert_eq!(printers(&small), [""; 0]);
}

#[test]
fn overlay_passes_on_the_name_servers_that_the_network_told() {
    let bench = Bench::new("x86_64");
    let read = |bench: &Bench| {
        assert!(bench.run("resolv", &[]).ok);
        bench.read("run/platen-resolv/resolv.conf")
    };
    assert_eq!(
        read(&bench),
        "",
        "without a network there is none, and the file is there"
    );
    bench.write(
        "run/systemd/netif/state",
        "# This is private data. Do not parse.\nOPER_STATE=routable\n\
         DNS=192.0.2.1 2001:db8::1 fe80::1%eth0 192.0.2.4\nDOMAINS=example.org office\n",
    );
    assert_eq!(
        read(&bench),
        "nameserver 192.0.2.1\nnameserver 2001:db8::1\nnameserver fe80::1%eth0\nsearch example.org office\n"
    );
    bench.write(
        "run/systemd/netif/state",
        "DNS=192.0.2.1;reboot $(id) 192.0.2.2\nDOMAINS=`id` a|b\n",
    );
    assert_eq!(read(&bench), "nameserver 192.0.2.2\n");

    // The network tells something else while the script waits: systemd does not say so then.
    let state = bench.at("run/systemd/netif/state").display().to_string();
    let told = "DNS=192.0.2.9";
    let tells = format!("busybox grep -q {told} {state} || echo {told} > {state}");
    bench.stub("sleep", &tells);
    assert_eq!(read(&bench), "nameserver 192.0.2.9\n");
}
