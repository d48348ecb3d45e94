// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Wires that damage what they carry, also in ways that the packets' sum does not see.

use embedded_io::{ErrorType, Read, ReadReady, Write};
use platen_drivers::Ef01;
use platen_hal::{FingerLook, FingerprintSensor, ReaderError};
use platen_hal_sim::ef01::PortFailed;
use platen_hal_sim::{Ef01Setup, Ef01Uart, Fault, FingerField, SimDelay};

use super::{SETUPS, known, started};

#[test]
fn the_last_person_s_picture_is_never_taken_for_a_finger() {
    let mut rig = started(Ef01Setup::r503());
    rig.field.teach(3, 1);
    rig.field.lay(1);
    assert_eq!(known(rig.identify()), Some(3));
    rig.field.lift();
    for _ in 0..20 {
        assert_eq!(rig.identify(), Ok(FingerLook::Nothing));
    }
}

#[test]
fn garbled_runs_never_give_a_finger_that_was_not_there() {
    let (mut right, mut wrong_reports) = (0, 0);
    for seed in 1..=6_000_u64 {
        let mut rig = started(SETUPS[seed as usize % 2]());
        (0..20).for_each(|slot| rig.field.teach(slot, u32::from(slot)));
        let finger = seed as u32 % 30;
        rig.field.lay(finger);
        let before = rig.identify().unwrap();
        let per_mille = [1, 5, 20, 100][seed as usize / 2 % 4];
        rig.field.set_fault(Fault::Garbled { seed, per_mille });
        for round in 0..4 {
            if round == 3 {
                rig.field.lift();
            }
            match rig.identify() {
                Ok(FingerLook::Known { slot, .. }) => {
                    assert_eq!(u32::from(slot), finger, "seed {seed}");
                    assert!(round < 3, "seed {seed}: nobody was there");
                    assert!(matches!(before, FingerLook::Known { .. }));
                    right += 1;
                }
                Ok(_) => {}
                Err(ReaderError::Garbled { .. }) => wrong_reports += 1,
                Err(_) => {
                    let _ = rig.start();
                }
            }
        }
    }
    assert!(
        right > 2_000,
        "only {right} fingers: the test shows nothing"
    );
    assert!(
        wrong_reports > 1_000,
        "only {wrong_reports} garbled answers"
    );
}

/// A wire that changes a byte of one answer in a hundred, and its sum with it.
struct Lying {
    port: Ef01Uart,
    random: u64,
}

impl Lying {
    fn below(&mut self, end: usize) -> usize {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        (self.random >> 20) as usize % end
    }

    /// Changes the answer that `bytes` are, if they are one.
    fn lie(&mut self, bytes: &mut [u8]) {
        let end = bytes.len().saturating_sub(2);
        if bytes.len() < 12 || bytes[6] != 0x07 || self.below(100) != 0 {
            return;
        }
        let at = 9 + self.below(end - 9);
        bytes[at] = [0, 1, 2, 3, 9, 10][self.below(6)];
        let sum: u16 = bytes[6..end].iter().map(|byte| u16::from(*byte)).sum();
        bytes[end..].copy_from_slice(&sum.to_be_bytes());
    }
}

impl ErrorType for Lying {
    type Error = PortFailed;
}

impl Write for Lying {
    fn write(&mut self, bytes: &[u8]) -> Result<usize, PortFailed> {
        self.port.write(bytes)
    }

    fn flush(&mut self) -> Result<(), PortFailed> {
        self.port.flush()
    }
}

impl ReadReady for Lying {
    fn read_ready(&mut self) -> Result<bool, PortFailed> {
        self.port.read_ready()
    }
}

impl Read for Lying {
    fn read(&mut self, into: &mut [u8]) -> Result<usize, PortFailed> {
        let count = self.port.read(into)?;
        self.lie(&mut into[..count]);
        Ok(count)
    }
}

#[test]
fn damage_that_the_sum_does_not_see_gives_no_finger_that_was_not_there() {
    let field = FingerField::new();
    (0..12).for_each(|slot| field.teach(slot, u32::from(slot)));
    let port = Ef01Uart::new(&field, Ef01Setup::r503());
    let random = 0x5eed;
    let mut sensor = Ef01::new(Lying { port, random }, SimDelay::default());
    while sensor.start().is_err() {}
    let (mut right, mut caught) = (0, 0);
    for round in 0..20_000_u32 {
        let finger = round / 4 % 14;
        match round % 4 {
            0 => field.lay(finger),
            2 => field.lift(), // the sensor still has the picture
            _ => {}
        }
        match sensor.identify() {
            Ok(FingerLook::Known { slot, .. }) => {
                assert!(round % 4 < 2, "round {round}: nobody was there");
                assert_eq!(u32::from(slot), finger, "round {round}");
                right += 1;
            }
            Ok(_) => {}
            Err(ReaderError::Garbled { .. }) => caught += 1,
            Err(_) => while sensor.start().is_err() {},
        }
    }
    assert!(
        right > 7_000,
        "only {right} fingers: the test shows nothing"
    );
    assert!(caught > 50, "only {caught} lies were caught");
}

#[test]
fn garbled_runs_never_store_or_give_a_template_that_is_another_one() {
    let mut moved = 0;
    for seed in 1..=600_u64 {
        let mut rig = started(Ef01Setup::zfm20());
        rig.field.teach(3, 1);
        let template = rig.sensor.template(3).unwrap();
        let per_mille = [1, 3][seed as usize % 2];
        rig.field.set_fault(Fault::Garbled { seed, per_mille });
        if let Ok(read) = rig.sensor.template(3) {
            assert_eq!(read, template, "seed {seed}");
            moved += 1;
        }
        if rig.sensor.put_template(4, &template).is_ok() {
            assert!(rig.field.knows(4, 1), "seed {seed}");
            moved += 1;
        }
        rig.field.set_fault(Fault::None);
    }
    assert!(moved > 50, "only {moved} templates: the test shows nothing");
}
