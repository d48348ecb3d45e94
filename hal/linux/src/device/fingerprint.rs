// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Opens fingerprint sensors.

use linux_embedded_hal::Delay;
use platen_drivers::bmlite::wire::{SpiWire, UartWire};
use platen_drivers::{BmLite, Ef01};
use platen_hal::FingerprintSensor;

use super::wire::{At, InputWire, OutputWire, SpiWires, uart};
use crate::board::{Backend, BmLiteLink, BoardError, FingerprintKind, FingerprintPart};

/// Opens the sensor's bus and lines.
///
/// # Errors
/// [`BoardError::Device`] with the key; [`BoardError::Unusable`] for a simulated part, or a backend
/// that this build does not have.
pub fn open_fingerprint(part: &FingerprintPart) -> Result<Box<dyn FingerprintSensor>, BoardError> {
    let at = At {
        backend: part.backend,
        line: part.line,
        key: "fingerprint.backend",
    };
    if part.backend == Backend::Sim {
        return Err(at.unusable("is `sim`: there is nothing to open"));
    }
    match &part.kind {
        FingerprintKind::BmLite {
            link,
            reset,
            capacity,
        } => {
            let reset = OutputWire::open(at.key("fingerprint.reset"), reset.as_ref(), true)?;
            let at = at.key("fingerprint.bus");
            Ok(match link {
                BmLiteLink::Spi {
                    spi,
                    irq: Some(irq),
                } => {
                    let ready = InputWire::open(at.key("fingerprint.irq"), irq)?;
                    let wire = SpiWire::new(SpiWires::open(at, spi)?, ready);
                    Box::new(BmLite::with_reset(wire, Delay, reset).with_capacity(*capacity))
                }
                BmLiteLink::Spi { irq: None, .. } => {
                    return Err(at.key("fingerprint.irq").unusable("is missing"));
                }
                BmLiteLink::Uart(port) => {
                    let wire = UartWire::new(uart(at, port)?);
                    Box::new(BmLite::with_reset(wire, Delay, reset).with_capacity(*capacity))
                }
            })
        }
        FingerprintKind::Ef01 {
            uart: port,
            address,
        } => {
            let port = uart(at.key("fingerprint.bus"), port)?;
            Ok(Box::new(Ef01::new(port, Delay).with_address(*address)))
        }
    }
}
