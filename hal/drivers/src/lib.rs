// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Chip drivers, generic over embedded-hal 1.0. No Linux, no clock, no allocation while running.
//!
//! One file per part; `iso14443a` and `isodep` are the card protocols that all 13.56 MHz readers
//! share, `proof` has cards prove their numbers (`desfire`, `ntag424`, keys in `aes128`),
//! `number` brings the numbers of all readers into one form,
//! `debounce` turns what a reader sees into taps, `light` turns signals into lamps and tones.

pub mod aes128;
pub mod bmlite;
pub mod debounce;
mod desfire;
pub mod ef01;
pub mod iso14443a;
pub mod isodep;
pub mod keypad;
pub mod light;
pub mod mfrc522;
mod ntag424;
pub mod number;
pub mod osdp;
pub mod pin;
pub mod pn532;
pub mod proof;
pub mod switch;
pub mod wedge;
pub mod wiegand;

pub use aes128::AesKey;
pub use bmlite::BmLite;
pub use debounce::{Debounce, Look};
pub use ef01::Ef01;
pub use keypad::{Keypad, KeypadError};
pub use light::{Lamps, LightError, Lights, Patterns};
pub use mfrc522::Mfrc522;
pub use number::{NumberFormat, Renumbered};
pub use osdp::{Osdp, OsdpConfig};
pub use pin::NoPin;
pub use pn532::Pn532;
pub use pn532::link::{HsuLink, I2cLink, SpiLink};
pub use proof::{CardKeyError, CardKeys, MasterKey, Random, SunLayout};
