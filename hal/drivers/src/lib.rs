// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Chip drivers, generic over embedded-hal 1.0. No Linux, no clock, no allocation while running.
//!
//! One file per part; `iso14443a` is the card protocol that all 13.56 MHz readers share,
//! `number` brings the numbers of all readers into one form,
//! `debounce` turns what a reader sees into taps, `light` turns signals into lamps and tones.

pub mod debounce;
pub mod ef01;
pub mod iso14443a;
pub mod light;
pub mod mfrc522;
pub mod number;
pub mod pin;
pub mod pn532;
pub mod wiegand;

pub use debounce::{Debounce, Look};
pub use ef01::Ef01;
pub use light::{Lamps, LightError, Lights, Patterns};
pub use mfrc522::Mfrc522;
pub use number::{NumberFormat, Renumbered};
pub use pin::NoPin;
pub use pn532::Pn532;
pub use pn532::link::{HsuLink, I2cLink, SpiLink};
