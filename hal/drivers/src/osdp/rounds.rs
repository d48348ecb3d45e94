// SPDX-License-Identifier: Apache-2.0 OR MIT
//! One round with a reader: which question comes next, and what its answer does. The steps of the
//! start are rounds too, so that a channel that was lost is made anew one round at a time.

use embedded_hal::delay::DelayNs;
use embedded_io::{Read, ReadReady, Write};
use platen_hal::{CardUid, ReaderError, TraceEvent};

use super::command::Command;
use super::frame::{self, Bytes, Head, Packet, Security};
use super::line::is_busy;
use super::reply::{CardData, Reply};
use super::secure::{Handshake, Nonce, Session, default_key};
use super::{BUSY_MAX, Condition, LOST_MAX, MISSED_MAX, Osdp, Pending, Phase, Protection, gone};
use crate::aes128::AesKey;
use crate::iso14443a::garbled;

/// Pause before a reader that has no time is asked again at its start.
const BUSY_PAUSE_US: u32 = 20_000;
const SEQUENCE_MAX: u8 = 3;

// NAK and its reasons (§7.3).
const NAK: u8 = 0x41;
const NAK_CHECK: u8 = 1;
const NAK_LENGTH: u8 = 2;
const NAK_SEQUENCE: u8 = 4;
const NAK_NO_SECURITY: u8 = 5;
const NAK_SECURITY_WANTED: u8 = 6;

// Steps of the handshake in security blocks; a command's is one less than its reply's.
const CHALLENGE: u8 = 0x11;
const PROOF: u8 = 0x13;
const ACCEPTED: u8 = 1;

type Round = Result<Option<CardUid>, ReaderError>;

/// A reply, and how it came.
struct Answer {
    reply: Reply,
    sealed: bool,
    /// Information of a handshake's step.
    info: Option<u8>,
    /// Code and data, as far as they are private and came in clear.
    in_clear: Option<Bytes>,
}

impl<P, D, R> Osdp<P, D, R>
where
    P: Read + ReadReady + Write,
    D: DelayNs,
    R: FnMut(&mut [u8]),
{
    /// Starts from nothing. Returns when the reader can be polled.
    pub(super) fn bring_up(&mut self) -> Result<(), ReaderError> {
        self.stop();
        self.keys.clear();
        self.condition = Condition::default();
        self.capabilities = None;
        (self.missed, self.busy, self.lost) = (0, 0, 0);
        (self.by_default_key, self.handed_over) = (false, false);
        self.phase = Phase::Identify;
        while self.phase != Phase::Running {
            match self.round() {
                Ok(_) if self.busy > 0 => {
                    self.line.wait(BUSY_PAUSE_US);
                }
                // Each try counts, and they end: by their number or by the time.
                Ok(_) | Err(ReaderError::Garbled { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        let version = self.firmware;
        self.trace.record(TraceEvent::Started { version });
        Ok(())
    }

    /// Forgets everything that was agreed upon.
    pub(super) fn stop(&mut self) {
        self.phase = Phase::Stopped;
        self.sequence = 0;
        self.pending = None;
        self.said = None;
        self.handshake = None;
        self.candidate = None;
        self.session = None;
    }

    /// One question, and what its answer gives.
    pub(super) fn round(&mut self) -> Round {
        let pending = match self.pending.take() {
            Some(pending) => pending,
            None => self.next_question()?,
        };
        let heard = self.line.ask(&pending.bytes)?;
        let packet = heard.as_deref().and_then(frame::parse);
        let Some(packet) = packet else {
            return self.unanswered(pending, "reader missed a poll");
        };
        self.take(pending, &packet)
    }

    fn unanswered(&mut self, pending: Pending, cause: &'static str) -> Round {
        self.pending = Some(pending);
        self.missed += 1;
        if self.missed >= MISSED_MAX {
            return Err(gone("reader does not answer"));
        }
        Err(garbled(cause))
    }

    fn next_question(&mut self) -> Result<Pending, ReaderError> {
        let command = match self.phase {
            Phase::Stopped => return Err(gone("reader is not started")),
            Phase::Identify => Command::Identify,
            Phase::Challenge => self.challenge()?,
            Phase::Prove => return Err(gone("handshake has no end")),
            Phase::HandOver => Command::SetKey(self.key().unwrap_or_else(default_key)),
            Phase::Running => self.questions.pop_front().unwrap_or(Command::Poll),
        };
        self.ask(command)
    }

    /// Makes a command's packet; the chain of MACs goes on with it.
    fn ask(&mut self, command: Command) -> Result<Pending, ReaderError> {
        let too_long = || gone("command is too long");
        let data = command.data();
        let security = match (&command, &self.session) {
            (Command::Challenge(_), _) => Some(self.handshake_block(CHALLENGE)),
            (Command::Prove(_), _) => Some(self.handshake_block(PROOF)),
            (_, None) => None,
            (_, Some(_)) if data.is_empty() => Some(Security::Signed { reply: false }),
            (_, Some(_)) => Some(Security::Sealed { reply: false }),
        };
        let sealed = matches!(security, Some(Security::Sealed { .. }));
        let sealed = match &self.session {
            Some(session) if sealed => Some(session.seal(&data).ok_or_else(too_long)?),
            _ => None,
        };
        let head = Head {
            address: self.config.address,
            sequence: self.sequence,
            check: self.config.check,
            security,
        };
        let content = sealed.as_deref().unwrap_or(&data);
        let session = &mut self.session;
        let sign = |bytes: &[u8]| match session {
            Some(session) => session.sign(bytes),
            None => None,
        };
        let bytes = frame::packet(&head, command.code(), content, sign).ok_or_else(too_long)?;
        Ok(Pending {
            command,
            bytes,
            sequence: self.sequence,
        })
    }

    fn handshake_block(&self, kind: u8) -> Security {
        Security::Handshake {
            kind,
            info: u8::from(!self.by_default_key),
        }
    }

    /// The key that shall be used in the end.
    fn key(&self) -> Option<AesKey> {
        match &self.config.protection {
            Protection::Clear => None,
            Protection::Secure(key) => Some(key.clone()),
            Protection::Install(key) => Some(key.key().clone()),
        }
    }

    /// A handshake's begin. A source that gives zeros, or the same again, is refused: with a number
    /// that was used before, a recorded session could be played again.
    fn challenge(&mut self) -> Result<Command, ReaderError> {
        let mut nonce = Nonce::default();
        (self.random)(&mut nonce);
        if nonce == Nonce::default() || nonce == self.nonce {
            let cause = "no random numbers";
            return Err(ReaderError::Refused { cause });
        }
        self.nonce = nonce;
        let key = match self.key() {
            Some(key) if !self.by_default_key => key,
            _ => default_key(),
        };
        self.handshake = Some(Handshake::new(&key, nonce));
        Ok(Command::Challenge(nonce))
    }

    fn take(&mut self, pending: Pending, packet: &Packet<'_>) -> Round {
        if is_busy(packet) {
            self.pending = Some(pending);
            self.missed = 0;
            self.busy += 1;
            return match self.busy {
                BUSY_MAX.. => Err(gone("reader has no time without end")),
                _ => Ok(None),
            };
        }
        let answer = match self.open(packet) {
            Ok(answer) => answer,
            Err(cause) if self.session.is_some() => return self.lose(cause),
            Err(cause) => return self.unanswered(pending, cause),
        };
        if let Reply::Nak(NAK_CHECK | NAK_LENGTH) = answer.reply {
            return self.unanswered(pending, "reader heard a damaged packet");
        }
        match (self.said.take(), &answer.in_clear) {
            (None, Some(said)) if self.config.ask_twice => {
                self.said = Some(said.clone());
                self.pending = Some(pending);
                return self.round();
            }
            (Some(first), second) if second.as_ref() != Some(&first) => {
                self.answered(&pending);
                return Err(garbled("reader says something else the second time"));
            }
            _ => {}
        }
        self.answered(&pending);
        self.act(&pending.command, answer)
    }

    /// The question is answered: the next one gets the next number.
    fn answered(&mut self, pending: &Pending) {
        (self.missed, self.busy) = (0, 0);
        self.sequence = pending.sequence % SEQUENCE_MAX + 1;
    }

    /// Takes a packet apart as far as it may be believed.
    fn open(&mut self, packet: &Packet<'_>) -> Result<Answer, &'static str> {
        let step = match self.phase {
            Phase::Challenge => Some(CHALLENGE + 1),
            Phase::Prove => Some(PROOF + 1),
            _ => None,
        };
        let (mut opened, mut sealed, mut info) = (None, false, None);
        match (packet.head.security, packet.mac, &mut self.session) {
            (Some(Security::Signed { reply: true }), Some(mac), Some(session)) => {
                verified(session, packet, mac)?;
            }
            (Some(Security::Sealed { reply: true }), Some(mac), Some(session)) => {
                verified(session, packet, mac)?;
                opened = Some(
                    session
                        .open(packet.data)
                        .ok_or("reply can't be decrypted")?,
                );
                sealed = true;
            }
            (Some(Security::Handshake { kind, info: said }), None, None) if Some(kind) == step => {
                info = Some(said);
            }
            (None, None, None) => {}
            // A reader that has lost the session can only say so in clear.
            (None, None, Some(_)) if packet.code == NAK => {}
            (None, None, Some(_)) => return Err("reader answers in clear"),
            _ => return Err("reply has another security than the question"),
        }
        let data = opened.as_deref().unwrap_or(packet.data);
        let reply = Reply::parse(packet.code, data)?;
        let private = reply.is_private() && self.session.is_none();
        let in_clear = private.then(|| {
            let mut said = Bytes::new();
            said.extend([packet.code].into_iter().chain(data.iter().copied()));
            said
        });
        Ok(Answer {
            reply,
            sealed,
            info,
            in_clear,
        })
    }

    fn act(&mut self, command: &Command, answer: Answer) -> Round {
        match (command, answer.reply) {
            (Command::Identify, reply) => self.identified(&reply),
            (Command::Challenge(_), Reply::Challenged { nonce, cryptogram }) => {
                let named = u8::from(!self.by_default_key);
                let handshake = self.handshake.take();
                let proved = handshake.and_then(|begun| begun.prove(nonce, &cryptogram));
                match proved {
                    Some((ours, session)) if answer.info == Some(named) => {
                        self.candidate = Some(session);
                        self.phase = Phase::Prove;
                        self.pending = Some(self.ask(Command::Prove(ours))?);
                        Ok(None)
                    }
                    _ => self.refused("reader has another key"),
                }
            }
            (Command::Challenge(_), _) => self.refused("reader makes no secure channel"),
            (Command::Prove(_), Reply::FirstMac(mac)) => match self.candidate.take() {
                Some(session) if answer.info == Some(ACCEPTED) && session.begins_with(&mac) => {
                    self.session = Some(session);
                    self.agreed();
                    Ok(None)
                }
                _ => self.refused("reader does not agree to the secure channel"),
            },
            (Command::Prove(_), _) => self.refused("reader ends the handshake"),
            (Command::SetKey(_), Reply::Ack) => {
                self.handed_over = true;
                self.restart(false);
                Ok(None)
            }
            (Command::SetKey(_), _) => Err(gone("reader takes no key")),
            (_, Reply::Nak(reason)) => self.refuses(command, reason),
            (Command::Poll, reply) if reply.is_private() => {
                if self.session.is_some() && !answer.sealed {
                    return Err(garbled("card or key in clear within the secure channel"));
                }
                self.lost = 0;
                self.person(reply)
            }
            (_, reply) => {
                self.lost = 0;
                self.note(&reply);
                Ok(None)
            }
        }
    }

    fn identified(&mut self, reply: &Reply) -> Round {
        let secure = self.key().is_some();
        match *reply {
            Reply::Identity { firmware } => self.firmware = firmware,
            // There are readers that say nothing at all before there is a channel.
            Reply::Nak(NAK_SECURITY_WANTED) if secure => {}
            Reply::Nak(NAK_SECURITY_WANTED) => return Err(gone("reader wants a secure channel")),
            Reply::Nak(NAK_SEQUENCE) => return self.lose("reader lost the sequence"),
            _ => return Err(gone("reader does not say who it is")),
        }
        if secure {
            self.phase = Phase::Challenge;
        } else {
            self.run();
        }
        Ok(None)
    }

    /// Both sides have shown that they know the key.
    fn agreed(&mut self) {
        if self.by_default_key {
            self.phase = Phase::HandOver;
        } else {
            if let Protection::Install(key) = &self.config.protection {
                key.set_known();
            }
            self.run();
        }
    }

    fn run(&mut self) {
        self.phase = Phase::Running;
        self.questions.clear();
        self.question(Command::Capabilities);
        self.question(Command::LocalStatus);
        self.question(Command::ReaderStatus);
        self.ask_to_show();
    }

    /// The handshake came to nothing. Only a reader that is being installed gets another try, with
    /// the default key; no reader ever gets one without a channel. One that has its key gets none:
    /// a refusal is in clear, so anybody can make it, and the key would go out under a public one.
    fn refused(&mut self, cause: &'static str) -> Round {
        let install = match &self.config.protection {
            Protection::Install(key) => !key.is_known(),
            _ => false,
        };
        if !install || self.by_default_key || self.handed_over {
            return Err(gone(cause));
        }
        self.restart(true);
        Ok(None)
    }

    /// From sequence 0 again, which ends a session on the other side too.
    fn restart(&mut self, by_default_key: bool) {
        self.stop();
        self.by_default_key = by_default_key;
        self.phase = Phase::Identify;
    }

    fn lose(&mut self, cause: &'static str) -> Round {
        self.restart(false);
        self.lost += 1;
        match self.lost {
            LOST_MAX.. => Err(gone(cause)),
            _ => Err(garbled(cause)),
        }
    }

    fn refuses(&mut self, command: &Command, reason: u8) -> Round {
        match reason {
            NAK_SEQUENCE => self.lose("reader lost the sequence"),
            NAK_NO_SECURITY | NAK_SECURITY_WANTED if self.session.is_some() => {
                self.lose("reader lost the secure channel")
            }
            NAK_SECURITY_WANTED => Err(gone("reader wants a secure channel")),
            _ if matches!(command, Command::Poll) => Err(gone("reader refuses a poll")),
            _ => Ok(None), // a question or a signal that this reader does not know
        }
    }

    /// What a person in front of the reader did.
    fn person(&mut self, reply: Reply) -> Round {
        match reply {
            Reply::Card(card) => self.card(&card).map(Some),
            Reply::Keys(keys) => {
                for key in keys {
                    let _ = self.keys.push_back(key); // full: nobody takes them
                }
                Ok(None)
            }
            _ => Ok(None),
        }
    }

    fn card(&self, card: &CardData) -> Result<CardUid, ReaderError> {
        let number = card.number(&self.config.number);
        number.map_err(|_| garbled("card's number is not of the reader's format"))
    }

    /// What the reader says about itself.
    fn note(&mut self, reply: &Reply) {
        match *reply {
            Reply::LocalStatus { tamper, power } => {
                (self.condition.tamper, self.condition.power) = (tamper, power);
                self.condition.known = true;
            }
            Reply::ReaderStatus { trouble } => {
                self.condition.trouble = trouble;
                self.condition.known = true;
            }
            Reply::Capabilities(capabilities) => {
                self.capabilities = Some(capabilities);
                self.ask_to_show();
            }
            _ => {}
        }
    }
}

fn verified(
    session: &mut Session,
    packet: &Packet<'_>,
    mac: [u8; frame::MAC_LEN],
) -> Result<(), &'static str> {
    if session.verify(packet.signed, mac) {
        Ok(())
    } else {
        Err("reply's MAC is wrong")
    }
}
