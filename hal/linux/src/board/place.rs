// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Where a part is, in a few words for a person.

use std::path::Path;

use super::{
    Backend, BmLiteLink, FingerprintKind, FingerprintPart, InputPart, KeypadPart, LinePart,
    PanelPart, Pn532Link, ReaderKind, ReaderPart, SpiPart, SwitchPart, UartPart, WedgePart,
};

const SIMULATED: &str = "simulated";

impl ReaderPart {
    /// Its bus or lines, such as `/dev/spidev0.0`.
    #[must_use]
    pub fn place(&self) -> String {
        if self.backend == Backend::Sim {
            return SIMULATED.to_owned();
        }
        match &self.kind {
            ReaderKind::Mfrc522 { spi, .. } => on_spi(spi),
            ReaderKind::Pn532(chip) => match &chip.link {
                Pn532Link::Spi(spi) => on_spi(spi),
                Pn532Link::I2c(bus) => bus.display().to_string(),
                Pn532Link::Uart(uart) => on_uart(uart),
            },
            ReaderKind::Wiegand(wires) => {
                let wires = wires.iter();
                lines(wires.flat_map(|wires| [&wires.d0.line, &wires.d1.line]))
            }
            ReaderKind::Osdp(osdp) => {
                format!("{}, address {}", on_uart(&osdp.uart), osdp.address)
            }
            ReaderKind::Wedge { keyboard, .. } => usb(keyboard),
        }
    }
}

impl FingerprintPart {
    /// Its bus, such as `/dev/spidev0.1`.
    #[must_use]
    pub fn place(&self) -> String {
        match &self.kind {
            _ if self.backend == Backend::Sim => SIMULATED.to_owned(),
            FingerprintKind::BmLite { link, .. } => match link {
                BmLiteLink::Spi { spi, .. } => on_spi(spi),
                BmLiteLink::Uart(uart) => on_uart(uart),
            },
            FingerprintKind::Ef01 { uart, .. } => on_uart(uart),
        }
    }
}

impl PanelPart {
    /// Its lines.
    #[must_use]
    pub fn place(&self) -> String {
        if self.backend == Backend::Sim {
            return SIMULATED.to_owned();
        }
        let parts = [&self.red, &self.green, &self.blue, &self.buzzer];
        lines(parts.into_iter().flatten())
    }
}

impl SwitchPart {
    /// Its line.
    #[must_use]
    pub fn place(&self) -> String {
        match &self.input {
            Some(input) => lines([&input.line]),
            None => SIMULATED.to_owned(),
        }
    }
}

impl KeypadPart {
    /// Its lines, rows first.
    #[must_use]
    pub fn place(&self) -> String {
        if self.backend == Backend::Sim {
            return SIMULATED.to_owned();
        }
        let columns = self.columns.iter().map(|InputPart { line, .. }| line);
        lines(self.rows.iter().chain(columns))
    }
}

fn on_spi(spi: &SpiPart) -> String {
    spi.bus.display().to_string()
}

fn on_uart(uart: &UartPart) -> String {
    format!("{}, {} baud", uart.bus.display(), uart.baud)
}

/// Lines of one chip behind each other.
fn lines<'a>(parts: impl IntoIterator<Item = &'a LinePart>) -> String {
    let mut place = String::new();
    let mut chip: Option<&Path> = None;
    for part in parts {
        if chip == Some(&part.chip) {
            place.push_str(&format!(" {}", part.line));
            continue;
        }
        if chip.is_some() {
            place.push_str(", ");
        }
        let name = if part.chip.as_os_str().is_empty() {
            "GPIO".into()
        } else {
            part.chip.to_string_lossy()
        };
        place.push_str(&format!("{name} {}", part.line));
        chip = Some(&part.chip);
    }
    place
}

fn usb(wedge: &WedgePart) -> String {
    let id = |id: Option<u16>| id.map_or_else(|| "*".to_owned(), |id| format!("{id:04x}"));
    let ids = format!("USB {}:{}", id(wedge.vendor), id(wedge.product));
    match &wedge.device_name {
        Some(name) => format!("{ids} `{name}`"),
        None => ids,
    }
}

#[cfg(test)]
mod tests {
    use super::super::Board;

    #[test]
    fn a_part_is_found_by_what_is_told_of_it() {
        let chip = "chip = \"/dev/gpiochip0\"";
        let board = Board::parse(&format!(
            "name = \"x\"\n\
             [[reader]]\nname = \"a\"\npart = \"osdp\"\nbackend = \"linux\"\n\
             bus = \"/dev/ttyS1\"\naddress = 3\nnumber = \"uid\"\n\
             [[reader]]\nname = \"b\"\npart = \"wiegand\"\nbackend = \"linux\"\n\
             d0 = {{ {chip}, line = 5 }}\nd1 = {{ {chip}, line = 6 }}\nnumber = \"wiegand=26\"\n\
             [[reader]]\nname = \"c\"\npart = \"wedge\"\nbackend = \"linux\"\n\
             vendor = 0x8ff\nnumber = \"hex\"\n\
             [panel]\nbackend = \"rpi\"\nred = {{ line = 17 }}\n\
             [keypad]\nbackend = \"sim\""
        ))
        .unwrap();
        let places: Vec<_> = board.readers.iter().map(|part| part.place()).collect();
        let wanted = [
            "/dev/ttyS1, 9600 baud, address 3",
            "/dev/gpiochip0 5 6",
            "USB 08ff:*",
        ];
        assert_eq!(places, wanted);
        assert_eq!(board.panel.unwrap().place(), "GPIO 17");
        assert_eq!(board.keypad.unwrap().place(), "simulated");
    }
}
