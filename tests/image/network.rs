// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What a box takes over from the network it is in.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use platen_bed::process::{Program, installed_program};
use platen_bed::qemu::{Guest, ImageOptions, Start, Wires};
use platen_bed::wait;

use crate::image_under_test::{BoxDisk, LONG, await_ready, journal};

/// The one address that the house's server gives away.
const ADDRESS: &str = "10.0.2.100";
/// What it tells of the network: of these name servers nobody is there, they are only written down.
const TOLD: &str = "option subnet 255.255.255.0
option router 10.0.2.2
option dns 10.0.2.53 10.0.2.54
option domain house.example
option lease 3600
";
const RESOLV: &str = "nameserver 10.0.2.53\nnameserver 10.0.2.54\nsearch house.example\n";

#[test]
fn a_box_takes_address_and_name_servers_from_the_house_s_dhcp() {
    let mut machine = BoxDisk::new();
    let place = machine.folder.path().join("wires");
    let wires = Arc::new(Wires::lay(&place).unwrap());
    let _server = serve_addresses(&wires, &place.join("dhcp"));
    // A kept guest can't go on at another kind of network.
    let mut options = ImageOptions::new(Start::Kernel);
    options.wires = Some(Arc::clone(&wires));
    let mut guest = machine.start_with(&options);
    await_ready(&mut guest);

    await_file(&mut guest, "/etc/resolv.conf", RESOLV);
    let addresses = guest
        .output(&["/bin/ip", "-4", "-o", "address", "show", "scope", "global"])
        .unwrap();
    assert!(addresses.contains(&format!("{ADDRESS}/24")), "{addresses}");
    let routes = guest.output(&["/bin/ip", "-4", "route", "show", "default"]);
    let routes = routes.unwrap();
    assert!(routes.starts_with("default via 10.0.2.2 "), "{routes}");
    // The packet filter lets the house in at the address that the house gave.
    let address = ADDRESS.parse().unwrap();
    assert_eq!(wires.scan(address, 631, 631).unwrap().open, [631]);
    guest.power_off().unwrap();
}

/// A DHCP server at the other end of the house's wire.
fn serve_addresses(wires: &Wires, folder: &Path) -> Program {
    fs::create_dir_all(folder).unwrap();
    let here = folder.display();
    let settings = format!(
        "interface house\nstart {ADDRESS}\nend {ADDRESS}\nmax_leases 1\nlease_file {here}/leases\npidfile {here}/pid\n{TOLD}"
    );
    let file = folder.join("udhcpd.conf");
    fs::write(&file, settings).unwrap();
    fs::write(folder.join("leases"), "").unwrap();
    let mut command = wires.command(installed_program("busybox").unwrap());
    command.args(["udhcpd", "-f"]).arg(file);
    // The box asks until it is there.
    Program::start("udhcpd", command, folder).unwrap()
}

fn await_file(guest: &mut Guest, path: &str, text: &str) {
    let waited = wait::until(path, LONG, || {
        let bytes = guest.read(path).unwrap_or_default();
        Ok((bytes == text.as_bytes()).then_some(()))
    });
    waited.unwrap_or_else(|error| panic!("{error}\n{}", journal(guest)));
}
