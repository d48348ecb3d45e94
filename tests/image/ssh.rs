// SPDX-License-Identifier: Apache-2.0 OR MIT
//! SSH by policy: where the administrator put a key on the first partition, whoever has that key gets in;
//! nobody else, and nobody at all without the file.

use platen_bed::qemu::{Guest, Partition, Ran, Start};

use crate::image_under_test::{BoxDisk, LONG};

const UNIT: &str = "platen-ssh.service";
const FILE: &str = "platen/authorized_keys";

#[test]
fn the_administrator_s_key_opens_a_shell_and_no_other_does() {
    let mut machine = BoxDisk::new();
    let mut guest = machine.open(Start::Kept).guest;
    assert_eq!(state(&mut guest), "inactive");
    assert_eq!(open_ports(&mut guest), ["443", "631"]);
    let [(own, public), (stranger, _)] = ["own", "stranger"].map(|name| make_key(&mut guest, name));
    guest.power_off().unwrap();
    let line = format!("# whoever looks after it\r\n{public} admin@example.org\r\n");
    machine
        .disk
        .write(Partition::Firmware, FILE, &line)
        .unwrap();

    let mut guest = machine.open(Start::Kept).guest;
    assert_eq!(state(&mut guest), "active");
    assert_eq!(open_ports(&mut guest), ["22", "443", "631"]);
    guest.write("/run/own", &own).unwrap();
    guest.write("/run/stranger", &stranger).unwrap();
    let ran = log_in(&mut guest, "/run/own", "id -un; cat /etc/platen-release");
    assert_eq!(ran.status, 0, "{ran:?}");
    assert!(ran.out.starts_with("root\n"), "{ran:?}");
    assert!(ran.out.contains("VERSION="), "{ran:?}");
    for key in ["/run/stranger", "/run/nothing"] {
        let ran = log_in(&mut guest, key, "true");
        assert_ne!(ran.status, 0, "{key} opens it: {ran:?}");
    }
    guest.power_off().unwrap();
    let taken = machine
        .disk
        .read(Partition::Firmware, &format!("{FILE}.taken"));
    assert_eq!(taken.unwrap(), line);
}

fn state(guest: &mut Guest) -> String {
    let ask = ["/bin/systemctl", "show", "-P", "ActiveState", UNIT];
    guest.output(&ask).unwrap().trim().to_owned()
}

/// TCP ports that the packet filter lets in, sorted.
fn open_ports(guest: &mut Guest) -> Vec<String> {
    let ask = ["/usr/sbin/nft", "list", "set", "inet", "platen", "open_tcp"];
    let set = guest.output(&ask).unwrap();
    let elements = set.split("elements = {").nth(1).unwrap();
    let ports = elements.split('}').next().unwrap().split(',');
    ports.map(|port| port.trim().to_owned()).collect()
}

/// A pair of keys: the private one as the client has it, the public one in a line.
fn make_key(guest: &mut Guest, name: &str) -> (Vec<u8>, String) {
    let file = format!("/run/{name}");
    let make = ["/usr/bin/dropbearkey", "-t", "ed25519", "-f", &file];
    let told = guest.output(&make).unwrap();
    let line = told.lines().find(|line| line.starts_with("ssh-ed25519 "));
    let words: Vec<&str> = line.unwrap().split(' ').take(2).collect();
    (guest.read(&file).unwrap(), words.join(" "))
}

fn log_in(guest: &mut Guest, key: &str, command: &str) -> Ran {
    let client = format!("dbclient -y -i {key} root@127.0.0.1 '{command}' < /dev/null");
    guest.run(&["/bin/sh", "-c", &client], LONG).unwrap()
}
