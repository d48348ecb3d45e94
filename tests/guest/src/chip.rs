// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The card reader: the register model of an MFRC522 behind `/dev/spidev0.0`, cards placed and
//! wires broken by the simulated bench's own commands (`platen_hal_sim::bench`) on a socket.

use std::io;
use std::path::Path;

use platen_hal_sim::bench::SimPart;
use platen_hal_sim::{Bench, Field, Mfrc522Model};

use crate::spidev::Spidev;
use crate::{control, cuse};

/// Its name on the bench.
const NAME: &str = "chip";

/// Serves `/dev/DEVICE` and the commands on `socket` until the device is taken away.
///
/// # Errors
/// The system's own.
pub fn serve(device: &str, socket: &Path) -> io::Result<()> {
    let (field, bench) = bench();
    let mut file = Spidev::new(Mfrc522Model::new(&field));
    control::serve(socket, move |words| act(&bench, words))?;
    cuse::serve(device, &mut file)
}

fn bench() -> (Field, Bench) {
    let (field, mut bench) = (Field::new(), Bench::new());
    let laid = bench.lay(NAME, SimPart::Cards(field.clone()));
    debug_assert!(laid, "an empty bench has room");
    (field, bench)
}

fn act(bench: &Bench, words: &[&str]) -> Result<String, String> {
    let line = match words {
        ["help"] => "help".to_owned(),
        _ => format!("{NAME} {}", words.join(" ")),
    };
    bench.run(&line).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bench_s_commands_reach_the_reader_s_field() {
        let (field, bench) = bench();
        assert!(act(&bench, &["place", "04A1B2C3"]).is_ok());
        assert!(act(&bench, &["place", "04a1b2c3"]).is_err(), "it is there");
        assert!(act(&bench, &["remove"]).is_ok());
        assert!(act(&bench, &["place", "04A1B2C3"]).is_ok());
        assert!(act(&bench, &["fault", "no-such"]).is_err());
        assert_eq!(field.transactions(), 0, "nothing touches the bus");
        assert!(act(&bench, &["help"]).is_ok_and(|text| text.contains("place UID")));
    }
}
