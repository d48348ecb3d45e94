// SPDX-License-Identifier: Apache-2.0 OR MIT
//! ISO/IEC 14443-4, reader's side, over any chip that exchanges frames: activation (RATS, ATS),
//! blocks with chaining both ways, repetition of lost ones, waiting time extension, deselection.
//! What is said in the blocks is in `desfire` and `ntag424`.
//!
//! Not used: CID, NAD, higher bit rates. Whatever a card does, an activation ends after
//! [`TURNS_MAX`] frames and [`SESSION_LIMIT_US`] of waiting; a card that wants more is the card's
//! error, not the chip's.

mod block;

use core::mem;

use heapless::Vec;
use platen_hal::ReaderError;

use self::block::{ACK, Block, DESELECT, I_BLOCK, MORE, NAK, ROOM_MIN, WTX, parse, terms};
use crate::iso14443a::{
    ANSWER_US, Clash, FRAME_MAX, Frame, Reply, Transceiver, crc_a, garbled, strip_crc,
};

/// Longest answer to one command: 256 bytes and the two of its status.
pub const ANSWER_MAX: usize = 258;
/// Frames that one activation may take, those to repeat lost ones included.
pub const TURNS_MAX: u32 = 96;
/// Time that all answers of one activation may take together, in microseconds.
pub const SESSION_LIMIT_US: u32 = 300_000;
/// Times that a lost block is asked for again.
pub const RETRIES_MAX: u32 = 2;
/// Waiting time extensions in a row.
pub const EXTENSIONS_MAX: u32 = 10;

/// What a card says to one command: data and two status bytes.
pub type Answer = Vec<u8, ANSWER_MAX>;

/// A way to one card that was activated.
pub trait CardChannel {
    /// Sends a command APDU; returns the answer, `answer_max` bytes at most, which is
    /// [`ANSWER_MAX`] or less. Waits for a limited time.
    ///
    /// # Errors
    /// [`ReaderError::Garbled`] when the card left, breaks the rules or says more;
    /// [`ReaderError::Gone`] and [`ReaderError::Bus`] for the chip.
    fn transmit(&mut self, apdu: &[u8], answer_max: usize) -> Result<Answer, ReaderError>;
}

const RATS: [u8; 2] = [0xe0, 0x50]; // we take frames of 64 bytes (FSDI 5), CID 0
const ACTIVATION_US: u32 = 5_500; // 71,680 periods of the carrier and a little

/// A card that answered to RATS.
#[derive(Debug)]
pub struct IsoDep<'a, T> {
    chip: &'a mut T,
    /// 0 or 1.
    number: u8,
    /// Bytes that fit into one block to the card.
    info_max: usize,
    fwt_us: u32,
    left_us: u32,
    turns_left: u32,
}

/// What a card answers in the end: the content of a block, or that it wants the next one.
enum Heard {
    Data {
        info: Vec<u8, FRAME_MAX>,
        more: bool,
    },
    Ack,
}

impl<'a, T: Transceiver> IsoDep<'a, T> {
    /// Activates the selected card.
    ///
    /// # Errors
    /// [`ReaderError::Garbled`] when it does not answer by the rules; the chip's own.
    pub fn activate(chip: &'a mut T) -> Result<Self, ReaderError> {
        let mut card = Self {
            chip,
            number: 0,
            info_max: ROOM_MIN,
            fwt_us: 0,
            left_us: SESSION_LIMIT_US,
            turns_left: TURNS_MAX,
        };
        for _ in 0..2 {
            if let Some(ats) = card.turn(&RATS, ACTIVATION_US)? {
                let terms = terms(&ats).ok_or(garbled("ATS breaks the rules"))?;
                card.info_max = terms.info_max;
                card.fwt_us = terms.fwt_us;
                card.spend(terms.guard_us);
                card.chip.pause(terms.guard_us)?;
                return Ok(card);
            }
        }
        Err(garbled("card does not answer to RATS"))
    }

    /// Sends the card to rest; false when it did not confirm that.
    ///
    /// # Errors
    /// The chip's own.
    pub fn deselect(mut self) -> Result<bool, ReaderError> {
        self.left_us = self.left_us.max(2 * ACTIVATION_US);
        self.turns_left = self.turns_left.max(2);
        for _ in 0..2 {
            if let Some(answer) = self.turn(&[DESELECT], ACTIVATION_US)? {
                return Ok(answer.as_slice() == [DESELECT]);
            }
        }
        Ok(false)
    }

    fn spend(&mut self, us: u32) {
        self.left_us = self.left_us.saturating_sub(us);
    }

    /// One frame each way; returns the card's without its CRC, or `None` when nothing came that
    /// can be understood.
    fn turn(
        &mut self,
        block: &[u8],
        limit_us: u32,
    ) -> Result<Option<Vec<u8, FRAME_MAX>>, ReaderError> {
        self.turns_left = self
            .turns_left
            .checked_sub(1)
            .ok_or(garbled("card comes to no end"))?;
        if self.left_us < ANSWER_US {
            return Err(garbled("card takes too long"));
        }
        let limit_us = limit_us.min(self.left_us);
        let mut frame = Vec::<u8, FRAME_MAX>::new();
        let fits = frame.extend_from_slice(block).is_ok();
        if !fits || frame.extend_from_slice(&crc_a(block)).is_err() {
            return Err(garbled("block is too long"));
        }
        match self.chip.exchange(Frame::bytes(&frame, limit_us)) {
            Ok(Some(reply)) => {
                self.spend(reply.took_us);
                Ok(whole(&reply))
            }
            Ok(None) => {
                self.spend(limit_us + air_us(frame.len()));
                Ok(None)
            }
            Err(ReaderError::Garbled { .. }) => {
                self.spend(limit_us + air_us(frame.len() + FRAME_MAX));
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// Sends a block until the card answers it; `again` is how it is asked to repeat itself.
    fn exchange(&mut self, block: &[u8], again: u8) -> Result<Heard, ReaderError> {
        let mut next = Vec::<u8, FRAME_MAX>::new();
        let _ = next.extend_from_slice(block);
        let mut limit_us = self.fwt_us;
        let (mut retries, mut extensions) = (0, 0);
        loop {
            let heard = self.turn(&next, mem::replace(&mut limit_us, self.fwt_us))?;
            next.clear();
            match heard.as_ref().and_then(|frame| parse(frame)) {
                Some((Block::Data { number, more }, info)) if number == self.number => {
                    let info = Vec::from_slice(info).unwrap_or_default();
                    return Ok(Heard::Data { info, more });
                }
                Some((Block::Ack { number }, _)) if number == self.number => return Ok(Heard::Ack),
                Some((Block::Wait { multiplier }, _)) if extensions < EXTENSIONS_MAX => {
                    extensions += 1;
                    limit_us = self.fwt_us.saturating_mul(u32::from(multiplier));
                    let _ = next.extend_from_slice(&[WTX, multiplier]);
                }
                _ if retries == RETRIES_MAX => {
                    return Err(garbled("card left, or lost the thread"));
                }
                // It has not heard our block at all.
                Some((Block::Ack { .. }, _)) => {
                    retries += 1;
                    let _ = next.extend_from_slice(block);
                }
                _ => {
                    retries += 1;
                    let _ = next.push(again | self.number);
                }
            }
        }
    }

    /// Puts the card's answer together from its first block on.
    fn collect(
        &mut self,
        mut info: Vec<u8, FRAME_MAX>,
        mut more: bool,
        answer_max: usize,
    ) -> Result<Answer, ReaderError> {
        let mut answer = Answer::new();
        loop {
            self.number ^= 1;
            let fits = answer.len() + info.len() <= answer_max;
            if !fits || answer.extend_from_slice(&info).is_err() {
                return Err(garbled("card's answer is too long"));
            }
            if !more {
                return Ok(answer);
            }
            match self.exchange(&[ACK | self.number], ACK)? {
                Heard::Data { info: i, more: m } => (info, more) = (i, m),
                Heard::Ack => return Err(garbled("card breaks off its answer")),
            }
        }
    }
}

impl<T: Transceiver> CardChannel for IsoDep<'_, T> {
    fn transmit(&mut self, apdu: &[u8], answer_max: usize) -> Result<Answer, ReaderError> {
        let mut chunks = apdu.chunks(self.info_max).peekable();
        while let Some(chunk) = chunks.next() {
            let last = chunks.peek().is_none();
            let head = I_BLOCK | self.number | if last { 0 } else { MORE };
            let mut block = Vec::<u8, FRAME_MAX>::new();
            let _ = block.push(head);
            let _ = block.extend_from_slice(chunk);
            match self.exchange(&block, NAK)? {
                Heard::Ack if !last => self.number ^= 1,
                Heard::Data { info, more } if last => {
                    return self.collect(info, more, answer_max);
                }
                _ => return Err(garbled("card answers before it was asked, or not at all")),
            }
        }
        Err(garbled("command is empty"))
    }
}

/// The bytes of a whole frame with a right CRC, without it.
fn whole(reply: &Reply) -> Option<Vec<u8, FRAME_MAX>> {
    let sound = reply.clash == Clash::None && reply.last_bits == 0;
    let bytes = strip_crc(&reply.bytes).filter(|_| sound)?;
    Vec::from_slice(bytes).ok()
}

/// Time of so many bytes on the air at 106 kbit/s, parity included, and a little.
fn air_us(bytes: usize) -> u32 {
    u32::try_from(bytes).unwrap_or(u32::MAX).saturating_mul(100)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Plays a dialogue: what must be said, and what the card answers (nothing: silence).
    struct Script<'a> {
        turns: &'a [(&'a [u8], &'a [u8])],
        took_us: u32,
        limits: std::vec::Vec<u32>,
    }

    impl Transceiver for Script<'_> {
        fn exchange(&mut self, frame: Frame<'_>) -> Result<Option<Reply>, ReaderError> {
            let said = strip_crc(frame.bytes).unwrap();
            let ((wanted, answer), rest) = self.turns.split_first().unwrap();
            self.turns = rest;
            self.limits.push(frame.limit_us);
            assert_eq!(said, *wanted);
            let mut bytes = Vec::from_slice(answer).unwrap();
            let _ = bytes.extend_from_slice(&crc_a(answer));
            Ok((!answer.is_empty()).then_some(Reply {
                bytes,
                last_bits: 0,
                clash: Clash::None,
                took_us: self.took_us,
            }))
        }

        fn pause(&mut self, _us: u32) -> Result<(), ReaderError> {
            Ok(())
        }
    }

    const ATS: (&[u8], &[u8]) = (&[0xe0, 0x50], &[0x06, 0x75, 0x77, 0x81, 0x02, 0x80]);

    /// Says `apdu` in this dialogue, which must be used up.
    fn run(turns: &[(&[u8], &[u8])], apdu: &[u8]) -> Result<Answer, ReaderError> {
        let mut script = Script {
            turns,
            took_us: 1_000,
            limits: vec![],
        };
        let answer = IsoDep::activate(&mut script)?.transmit(apdu, ANSWER_MAX);
        assert_eq!(script.turns.len(), 0, "the dialogue went on");
        answer
    }

    #[test]
    fn rats_and_its_check_are_the_published_ones() {
        assert_eq!(crc_a(&[0xe0, 0x80]), [0x31, 0x73]);
        assert_eq!(crc_a(&[0xc2]), [0xe0, 0xb4]);
    }

    #[test]
    fn a_command_and_its_answer_are_one_block_each() {
        let turns: [(&[u8], &[u8]); 2] = [ATS, (&[0x02, 1, 2, 3], &[0x02, 0x90, 0x00])];
        assert_eq!(run(&turns, &[1, 2, 3]).unwrap(), [0x90, 0x00]);
    }

    #[test]
    fn long_commands_and_answers_are_chained() {
        let apdu: std::vec::Vec<u8> = (0..30).collect();
        let chunk = |head: u8, part: core::ops::Range<usize>| [&[head], &apdu[part]].concat();
        let (a, b, c) = (chunk(0x12, 0..13), chunk(0x13, 13..26), chunk(0x02, 26..30));
        let turns: [(&[u8], &[u8]); 6] = [
            (&[0xe0, 0x50], &[0x02, 0x00]),
            (&a, &[0xa2]),
            (&b, &[0xa3]),
            (&c, &[0x12, 7, 8]),
            (&[0xa3], &[0x13, 9]),
            (&[0xa2], &[0x02, 0x90, 0x00]),
        ];
        assert_eq!(run(&turns, &apdu).unwrap(), [7, 8, 9, 0x90, 0x00]);
    }

    #[test]
    fn a_lost_answer_is_asked_for_again() {
        let turns: [(&[u8], &[u8]); 3] = [ATS, (&[0x02, 1], &[]), (&[0xb2], &[0x02, 0x90, 0x00])];
        assert_eq!(run(&turns, &[1]).unwrap(), [0x90, 0x00]);
    }

    #[test]
    fn a_lost_command_is_sent_again_when_the_card_says_so() {
        let turns: [(&[u8], &[u8]); 4] = [
            ATS,
            (&[0x02, 1], &[]),
            (&[0xb2], &[0xa3]),
            (&[0x02, 1], &[0x02, 0x90, 0x00]),
        ];
        assert_eq!(run(&turns, &[1]).unwrap(), [0x90, 0x00]);
    }

    #[test]
    fn a_lost_part_of_an_answer_is_acknowledged_again() {
        let turns: [(&[u8], &[u8]); 4] = [
            ATS,
            (&[0x02, 1], &[0x12, 5]),
            (&[0xa3], &[]),
            (&[0xa3], &[0x03, 0x90, 0x00]),
        ];
        assert_eq!(run(&turns, &[1]).unwrap(), [5, 0x90, 0x00]);
    }

    #[test]
    fn a_card_that_asks_for_time_gets_it_for_one_answer() {
        let turns: [(&[u8], &[u8]); 4] = [
            (&[0xe0, 0x50], &[0x03, 0x25, 0x40]),
            (&[0x02, 1], &[0xf2, 0xc5]), // the upper bits are no time
            (&[0xf2, 0x05], &[]),
            (&[0xb2], &[0x02, 0x90, 0x00]),
        ];
        let mut script = Script {
            turns: &turns,
            took_us: 1_000,
            limits: vec![],
        };
        let answer = IsoDep::activate(&mut script)
            .unwrap()
            .transmit(&[1], ANSWER_MAX);
        assert_eq!(answer.unwrap(), [0x90, 0x00]);
        assert_eq!(script.limits, [5_500, 8_532, 5 * 8_532, 8_532]);
    }

    #[test]
    fn a_card_that_asks_for_time_without_end_is_given_up() {
        let mut turns: std::vec::Vec<(&[u8], &[u8])> = vec![ATS, (&[0x02, 1], &[0xf2, 1])];
        turns.extend([(&[0xf2_u8, 1][..], &[0xf2_u8, 1][..]); 10]);
        turns.extend([(&[0xb2_u8][..], &[0xf2_u8, 1][..]); 2]);
        assert!(matches!(
            run(&turns, &[1]),
            Err(ReaderError::Garbled { .. })
        ));
    }

    #[test]
    fn a_card_that_says_nothing_for_as_long_as_it_may_is_given_up_after_the_limit_of_all() {
        // It may take 5 s, which is more than all answers together may.
        let turns: [(&[u8], &[u8]); 2] = [(&[0xe0, 0x50], &[0x03, 0x25, 0xe0]), (&[0x02, 1], &[])];
        let mut script = Script {
            turns: &turns,
            took_us: 1_000,
            limits: vec![],
        };
        let answer = IsoDep::activate(&mut script)
            .unwrap()
            .transmit(&[1], ANSWER_MAX);
        assert_eq!(answer, Err(garbled("card takes too long")));
        assert_eq!(script.limits, [5_500, SESSION_LIMIT_US - 1_000]);
    }

    #[test]
    fn a_card_that_takes_its_time_for_each_answer_is_given_up_by_the_sum() {
        let turns: [(&[u8], &[u8]); 5] = [
            ATS,
            (&[0x02, 1], &[0xf2, 59]),
            (&[0xf2, 59], &[0xf2, 59]),
            (&[0xf2, 59], &[0xf2, 59]),
            (&[0xf2, 59], &[0x02, 0x90, 0x00]),
        ];
        let mut script = Script {
            turns: &turns,
            took_us: 80_000,
            limits: vec![],
        };
        let answer = IsoDep::activate(&mut script)
            .unwrap()
            .transmit(&[1], ANSWER_MAX);
        assert_eq!(answer, Err(garbled("card takes too long")));
    }

    #[test]
    fn an_answer_without_end_and_blocks_against_the_rules_are_refused() {
        let mut endless: std::vec::Vec<(&[u8], &[u8])> = vec![ATS, (&[0x02, 1], &[0x12])];
        for _ in 0..40 {
            endless.push((&[0xa3], &[0x13]));
            endless.push((&[0xa2], &[0x12]));
        }
        let mut script = Script {
            turns: &endless,
            took_us: 100,
            limits: vec![],
        };
        let mut card = IsoDep::activate(&mut script).unwrap();
        card.turns_left = 40;
        assert_eq!(
            card.transmit(&[1], ANSWER_MAX),
            Err(garbled("card comes to no end"))
        );
        for wrong in [
            &[0x0a, 0, 1][..],
            &[0x06, 0, 1],
            &[0x03, 1],
            &[0xb2],
            &[0xe2],
        ] {
            let turns: [(&[u8], &[u8]); 4] =
                [ATS, (&[0x02, 1], wrong), (&[0xb2], wrong), (&[0xb2], wrong)];
            assert!(
                matches!(run(&turns, &[1]), Err(ReaderError::Garbled { .. })),
                "{wrong:02x?}"
            );
        }
    }
}
