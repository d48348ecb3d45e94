// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Hardware parts simulated at register and wire level, for `make run`, tests and fuzzing.
//!
//! The models are written from data sheets, apart from the drivers: no line is shared with
//! `hal/drivers`, so that an error in one does not hide in the other. Nothing here waits: time is
//! counted in bus transactions.

mod activate;
pub mod aes;
pub mod bench;
pub mod bmlite;
pub mod card;
pub mod delay;
pub mod edges;
pub mod ef01;
pub mod field;
pub mod finger;
pub mod gpiolib;
pub mod keypad;
pub mod mfrc522;
pub mod osdp;
pub mod pins;
pub mod pn532;
pub mod wiegand;

pub use bench::{Bench, BenchError, SimPart};
pub use bmlite::{BmLiteReady, BmLiteReset, BmLiteSetup, BmLiteSpi, BmLiteUart};
pub use card::{Card, Desfire, Ntag424, Transcript};
pub use delay::SimDelay;
pub use edges::{SimEdge, SimLines};
pub use ef01::{Ef01Setup, Ef01Uart};
pub use field::{CollisionCount, Fault, Field};
pub use finger::FingerField;
pub use keypad::KeyMatrix;
pub use mfrc522::{Mfrc522Model, SpiFailed};
pub use osdp::{OsdpFault, OsdpModel, OsdpPort};
pub use pins::{PinProbe, SimPin};
pub use pn532::{Pn532I2c, Pn532Spi, Pn532Uart};
