// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Messages on their way: lost, doubled, late, in another order, cut. A sample of them goes through
//! the codec and the signature for real, because those take more time than all the rest.

use std::rc::Rc;

use platen_model::Changes;
use platen_sync::codec::{Body, Message, pack, unpack};
use platen_sync::message::{Hash, LeaseNews, Pull, PullAnswer, Push, PushAnswer, VERSION};
use platen_sync::signed::{SigningKey, verify};

use crate::random::Random;
use crate::site;

/// One message in this many goes through the codec.
const SAMPLE: u64 = 24;

pub(crate) enum Said {
    Push(Push),
    Pull(Pull),
    PushAnswer(PushAnswer),
    /// A page, the leases beside it, and the step at which it was made.
    Page(Changes, LeaseNews, u64),
}

#[derive(Clone)]
pub(crate) enum Packet {
    Plain(Rc<Said>),
    Push(Body),
    Pull(Body),
    PushAnswer(Body),
    Page(Body, u64),
}

#[derive(Clone)]
pub(crate) struct Flight {
    pub(crate) node: usize,
    /// The life of the box that sent the request; of the connection, so to say.
    pub(crate) epoch: u64,
    pub(crate) request: u64,
    /// It is held up somewhere until this step.
    pub(crate) stuck_until: u64,
    pub(crate) packet: Packet,
}

pub(crate) struct Wire {
    key: SigningKey,
    public: Hash,
    pub(crate) flights: Vec<Flight>,
}

impl Wire {
    pub(crate) fn new() -> Self {
        let key = SigningKey::from_seed(&[9; 32]).expect("32 bytes are a key");
        let public = key.public();
        Self {
            key,
            public,
            flights: Vec::new(),
        }
    }

    /// Makes bytes of a sample of what is said.
    pub(crate) fn packed(&self, said: Said, random: &mut Random) -> Packet {
        if !random.once_in(SAMPLE) {
            return Packet::Plain(Rc::new(said));
        }
        match said {
            Said::Push(push) => Packet::Push(bytes(&push)),
            Said::Pull(pull) => Packet::Pull(bytes(&pull)),
            Said::PushAnswer(answer) => Packet::PushAnswer(bytes(&answer)),
            Said::Page(page, leases, made) => {
                let changes = self.key.sign(&page).expect("a small page");
                let answer = PullAnswer {
                    version: VERSION,
                    changes,
                    leases,
                    hurry: false,
                    locks: Vec::new(),
                    offers: None,
                };
                Packet::Page(bytes(&answer), made)
            }
        }
    }

    /// Reads what came; `None` where it was cut.
    pub(crate) fn unpacked(
        &self,
        flight: &Flight,
        random: &mut Random,
        cuts: bool,
    ) -> Option<Rc<Said>> {
        let cut = cuts && random.once_in(16);
        let mut read = |body: &Body| -> Vec<u8> {
            let keep = if cut {
                random.index(body.bytes.len())
            } else {
                body.bytes.len()
            };
            body.bytes[..keep].to_vec()
        };
        let node = site::node(flight.node as u64);
        match &flight.packet {
            Packet::Plain(_) if cut => None,
            Packet::Plain(said) => Some(Rc::clone(said)),
            Packet::Push(body) => opened(&read(body), body, cut).map(|push| said(Said::Push(push))),
            Packet::Pull(body) => opened(&read(body), body, cut).map(|pull| said(Said::Pull(pull))),
            Packet::PushAnswer(body) => {
                opened(&read(body), body, cut).map(|answer| said(Said::PushAnswer(answer)))
            }
            Packet::Page(body, made) => {
                let answer: PullAnswer = opened(&read(body), body, cut)?;
                let page = verify(&answer.changes, &self.public, site::SITE, node);
                let page = page.expect("a page of this site for this box");
                Some(said(Said::Page(page, answer.leases, *made)))
            }
        }
    }
}

fn said(said: Said) -> Rc<Said> {
    Rc::new(said)
}

fn bytes<M: Message>(message: &M) -> Body {
    pack(message).expect("a message within its limits")
}

fn opened<M: Message>(bytes: &[u8], body: &Body, cut: bool) -> Option<M> {
    let read = unpack(bytes, body.deflated);
    assert!(read.is_ok() || cut, "{:?}", read.err());
    assert!(read.is_err() || !cut, "a cut message was read");
    read.ok()
}
