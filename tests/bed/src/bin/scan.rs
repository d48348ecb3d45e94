// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `platen-scan ADDRESS FROM TO`: tries to connect to every TCP port of a machine, and prints those that
//! answer: `open PORT`, or `closed PORT` where something says that nothing listens. Silence is printed as
//! nothing. The tests run it in a network that they made, see `platen_bed::qemu::Wires`.

use std::error::Error;
use std::io::{self, ErrorKind};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::process::ExitCode;
use std::time::Duration;

use smol::future::or;
use smol::{Async, LocalExecutor, Timer};

/// Ports that are tried at the same moment.
const AT_ONCE: usize = 4096;
/// How long a port is given: the kernel asks it a second time after a second.
const PATIENCE: Duration = Duration::from_millis(2500);

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("platen-scan: {error}");
            ExitCode::from(2)
        }
    }
}

fn run() -> Result<(), Box<dyn Error>> {
    let mut words = std::env::args().skip(1);
    let mut next = || words.next().ok_or("platen-scan ADDRESS FROM TO");
    let address: IpAddr = next()?.parse()?;
    let (from, to): (u16, u16) = (next()?.parse()?, next()?.parse()?);
    let ports: Vec<u16> = (from..=to).collect();
    for part in ports.chunks(AT_ONCE) {
        smol::block_on(try_all(address, part))?;
    }
    Ok(())
}

async fn try_all(address: IpAddr, ports: &[u16]) -> io::Result<()> {
    let executor = LocalExecutor::new();
    let tries: Vec<_> = ports
        .iter()
        .map(|port| executor.spawn(try_one(SocketAddr::new(address, *port))))
        .collect();
    executor
        .run(async {
            for a_try in tries {
                a_try.await?;
            }
            Ok(())
        })
        .await
}

async fn try_one(to: SocketAddr) -> io::Result<()> {
    let silence = async {
        Timer::after(PATIENCE).await;
        Err(ErrorKind::TimedOut.into())
    };
    match or(Async::<TcpStream>::connect(to), silence).await {
        Ok(_) => println!("open {}", to.port()),
        Err(error) => match error.kind() {
            ErrorKind::TimedOut | ErrorKind::HostUnreachable => {}
            ErrorKind::ConnectionRefused => println!("closed {}", to.port()),
            _ => return Err(error),
        },
    }
    Ok(())
}
