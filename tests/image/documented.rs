// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What docs/ports.md says about the image, and what a kernel lists as listening.

const DOCUMENT: &str = include_str!("../../docs/ports.md");

/// Ports of `kind` that anybody in the house's network may reach at a box without SSH, sorted.
pub(crate) fn ports(kind: &str) -> Vec<u16> {
    let section = DOCUMENT.split("\n## The image\n").nth(1).unwrap();
    let table = section
        .split("\n## ")
        .next()
        .unwrap()
        .split("\nThe ports are fixed")
        .next()
        .unwrap();
    let rows = table
        .lines()
        .filter(|line| line.starts_with('|') && !line.contains("only while"));
    let cells = rows.filter_map(|line| line.split('|').nth(1));
    let words = cells.flat_map(|cell| {
        cell.split([' ', ',', ';'])
            .map(str::trim)
            .collect::<Vec<_>>()
    });
    let mut ports: Vec<u16> = words
        .filter_map(|word| word.strip_suffix(&format!("/{kind}"))?.parse().ok())
        .collect();
    ports.sort_unstable();
    ports
}

/// Local ports in a list such as `/proc/net/tcp` that wait for anybody (`state`), but for loopback's.
pub(crate) fn listening(list: &str, state: &str) -> Vec<u16> {
    let rows = list.lines().skip(1).filter_map(|line| {
        let mut words = line.split_ascii_whitespace().skip(1);
        let (local, far, is) = (words.next()?, words.next()?, words.next()?);
        let (address, port) = local.split_once(':')?;
        let loopback = address.ends_with("7F") && address.len() == 8
            || address == "00000000000000000000000001000000";
        let anybody = far.ends_with(":0000");
        (is == state && anybody && !loopback).then(|| u16::from_str_radix(port, 16).ok())?
    });
    let mut ports: Vec<u16> = rows.collect();
    ports.sort_unstable();
    ports.dedup();
    ports
}

#[test]
fn the_documented_ports_are_read_from_the_table() {
    assert_eq!(ports("tcp"), [443, 631]);
    assert_eq!(ports("udp"), [68, 546, 5353]);
}

#[test]
fn what_listens_on_loopback_or_speaks_with_one_host_is_not_counted() {
    let list = "sl local rem st\n\
        0: 00000000:0277 00000000:0000 0A 0\n\
        1: 0100007F:1F90 00000000:0000 0A 0\n\
        2: 0F02000A:0277 0202000A:C350 01 0\n";
    assert_eq!(listening(list, "0A"), [631]);
}
