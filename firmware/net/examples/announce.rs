// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Announces a queue on loopback until its standard input ends: `announce NAME HOST PORT`. The
//! test of the announcements against Avahi runs it in a network namespace of its own.

use std::error::Error;
use std::io::Read;

use platen_net::{Announcement, Announcer, Interfaces};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let mut next = || arguments.next().ok_or("usage: announce NAME HOST PORT");
    let announcement = Announcement {
        name: next()?,
        host: next()?,
        port: next()?.parse()?,
        interfaces: Interfaces::Loopback,
        txt: [
            ("txtvers", "1"),
            ("rp", "ipp/print"),
            ("pdl", "application/pdf,image/urf"),
        ]
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .to_vec(),
    };
    let announcer = Announcer::start(&announcement)?;
    std::io::stdin().read_to_end(&mut Vec::new())?;
    println!("{}", announcer.name());
    Ok(())
}
