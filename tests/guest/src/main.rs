// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `platen-guest`: process 1 of the bed's guest, and the simulated parts it starts.

use std::io;
use std::path::Path;
use std::process::ExitCode;

use platen_guest::{chip, control, init, initrd, lines, printer};

const HELP: &str = "\
platen-guest                     process 1 of the guest
/init                            the same program as process 1 that starts the box's image
platen-guest agent               in such a guest: the parts, and the bed's hand
platen-guest chip                the card reader's chip behind /dev/spidev0.0
platen-guest printer             the printer behind the USB stack
platen-guest wiegand D0 D1 N TIMES   a reader at two lines sends the number N
platen-guest tell chip|printer COMMAND …";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match act(&words) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("platen-guest: {error}");
            ExitCode::FAILURE
        }
    }
}

fn act(words: &[&str]) -> io::Result<()> {
    match words {
        _ if std::process::id() == 1 => match std::env::args().next().as_deref() {
            Some("/init") => initrd::run(),
            _ => init::run(),
        },
        ["agent"] => init::serve_in_image(),
        ["chip"] => chip::serve("spidev0.0", Path::new(init::CHIP_SOCKET)),
        ["printer"] => printer::serve(
            Path::new("/dev/usb-printer"),
            Path::new(init::PRINTER_SOCKET),
        ),
        ["wiegand", d0, d1, number, times] => {
            let [d0, d1, number, times] = [d0, d1, number, times].map(|word| word.parse());
            let (Ok(d0), Ok(d1), Ok(number), Ok(times)) = (d0, d1, number, times) else {
                return Err(io::Error::other(HELP));
            };
            lines::send_wiegand(Path::new(init::LINES), d0, d1, number, times)
        }
        ["tell", "chip", command @ ..] => tell(init::CHIP_SOCKET, command),
        ["tell", "printer", command @ ..] => tell(init::PRINTER_SOCKET, command),
        _ => Err(io::Error::other(HELP)),
    }
}

fn tell(socket: &str, command: &[&str]) -> io::Result<()> {
    let answer = control::tell(Path::new(socket), &command.join(" "))?;
    if !answer.is_empty() {
        println!("{answer}");
    }
    Ok(())
}
