// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Registers, commands and settings of the MFRC522, by the sections of its data sheet rev. 3.9.

// Registers, §9.2 table 20.
pub(super) const COMMAND: u8 = 0x01;
pub(super) const COM_IRQ: u8 = 0x04;
pub(super) const ERROR: u8 = 0x06;
pub(super) const FIFO_DATA: u8 = 0x09;
pub(super) const FIFO_LEVEL: u8 = 0x0a;
pub(super) const CONTROL: u8 = 0x0c;
pub(super) const BIT_FRAMING: u8 = 0x0d;
pub(super) const COLL: u8 = 0x0e;
pub(super) const MODE: u8 = 0x11;
const TX_MODE: u8 = 0x12;
const RX_MODE: u8 = 0x13;
pub(super) const TX_CONTROL: u8 = 0x14;
const TX_ASK: u8 = 0x15;
const MOD_WIDTH: u8 = 0x24;
pub(super) const T_MODE: u8 = 0x2a;
const T_PRESCALER: u8 = 0x2b;
pub(super) const T_RELOAD_HIGH: u8 = 0x2c;
pub(super) const T_RELOAD_LOW: u8 = 0x2d;
pub(super) const VERSION: u8 = 0x37;

// Commands, §10.3 table 149.
pub(super) const IDLE: u8 = 0x00;
pub(super) const TRANSCEIVE: u8 = 0x0c;
pub(super) const SOFT_RESET: u8 = 0x0f;

pub(super) const POWER_DOWN: u8 = 0x10; // Command: set until the oscillator runs (§8.8.2)
pub(super) const IRQ_ALL: u8 = 0x7f;
pub(super) const IRQ_DONE: u8 = 0x30; // received, or the chip ended the command
pub(super) const IRQ_TIMER: u8 = 0x01;
pub(super) const ERROR_HOT: u8 = 0x40;
pub(super) const ERROR_COLLISION: u8 = 0x08;
pub(super) const ERROR_FRAME: u8 = 0x93; // write, overflow, parity, protocol
pub(super) const FLUSH: u8 = 0x80;
pub(super) const START_SEND: u8 = 0x80;
pub(super) const COLL_POS_INVALID: u8 = 0x20;

/// Version registers that are known: NXP 0.0, 1.0, 2.0, Fudan FM17522 in three kinds, and one
/// widespread unnamed clone. The data sheet (§9.3.4.8) has only 0x91 and 0x92.
pub(super) const VERSIONS: [u8; 7] = [0x92, 0x91, 0x90, 0x88, 0x89, 0xb2, 0x12];

pub(super) const ANTENNA_ON: u8 = 0x83; // reset value, both drivers on
pub(super) const ANTENNA_OFF: u8 = 0x80;
pub(super) const TIMER_AUTO: u8 = 0x80; // starts with the end of transmission
const PRESCALER: u8 = 0xa9;
pub(super) const TICK_US: u32 = 25; // §8.5
/// Settings in the order in which they are written.
pub(super) const SETTINGS: [(u8, u8); 9] = [
    (TX_MODE, 0x00),
    (RX_MODE, 0x00),
    (MOD_WIDTH, 0x26),
    (T_MODE, TIMER_AUTO),
    (T_PRESCALER, PRESCALER),
    (TX_ASK, 0x40),
    (MODE, 0x3d),
    (COLL, 0x00), // bits after a collision read zero
    (TX_CONTROL, ANTENNA_ON),
];
