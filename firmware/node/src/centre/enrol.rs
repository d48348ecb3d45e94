// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Becoming part of a site: the box shows a code until an administrator types it at the centre. Until
//! then nobody vouches for the centre, and the box for nobody: the proofs of
//! [`platen_sync::enrol`] do, over the certificate that the box sees.

use std::sync::Arc;
use std::time::Duration;

use platen_model::Chain;
use platen_model::local::CentreState;
use platen_net::{ClientKey, HttpsClient, HttpsError, HttpsOptions, TlsTrust};
use platen_store::seal::random_bytes;
use platen_sync::codec;
use platen_sync::enrol::{ASK_AGAIN_MS, Code, CodeKey, is_code_alive};
use platen_sync::message::{EnrolAnswer, EnrolAsk, Enrolment, Hash, VERSION, path};
use platen_sync::node::pace::{ANSWER_MS, CONNECT_MS};
use smol::Timer;

use super::line::{LineError, ask};
use super::member::Member;
use super::{Centre, CentreError, MemberError};

/// Longest wait between two asks, whatever the centre says.
const AGAIN_MS_MAX: u64 = 30_000;
/// Wait after a code that was for nothing, or when the box itself could not make what it needs.
const SELF_AGAIN: Duration = Duration::from_secs(10);
/// A name that is announced has 58 bytes at most; this is for the message.
const NAME_CHARS_MAX: usize = 64;

/// One code and what belongs to it.
struct Attempt {
    made_ms: u64,
    code: Code,
    known: CodeKey,
    key: ClientKey,
    csr: Vec<u8>,
    nonce: Hash,
}

/// How an ask ended.
enum Asked {
    Wait(u64),
    Enrolled(Box<Enrolment>),
    /// Whoever answered does not know the code.
    NotProven,
}

impl Centre {
    /// Shows codes and asks until the box is part of a site.
    pub(super) async fn enrol(self: &Arc<Self>, url: &str) {
        loop {
            let attempt = match self.attempt().await {
                Ok(attempt) => attempt,
                Err(error) => {
                    self.standing.note_error(Chain(&error).to_string());
                    Timer::after(SELF_AGAIN).await;
                    continue;
                }
            };
            let joined = self.try_code(url, &attempt).await;
            self.parts.panel.notice(None);
            if joined {
                return;
            }
        }
    }

    /// Asks until the code is typed (true) or too old.
    async fn try_code(self: &Arc<Self>, url: &str, attempt: &Attempt) -> bool {
        let mut pinned = None;
        while is_code_alive(attempt.made_ms, self.elapsed_ms()) {
            let wait_ms = match self.ask_enrolment(url, attempt, &mut pinned).await {
                Ok(Asked::Wait(again_ms)) => {
                    self.show(&attempt.code);
                    again_ms.clamp(ASK_AGAIN_MS / 3, AGAIN_MS_MAX)
                }
                Ok(Asked::Enrolled(enrolment)) => {
                    match self.accept(*enrolment, &attempt.key).await {
                        Ok(()) => return true,
                        Err(error) => {
                            self.standing.note_error(Chain(&error).to_string());
                            AGAIN_MS_MAX
                        }
                    }
                }
                Ok(Asked::NotProven) => {
                    let text = "whoever answers for the centre does not know this box's code: look for \
                                somebody between the box and the centre";
                    self.standing.become_state(CentreState::Refused, self.now());
                    self.standing.note_error(text.to_owned());
                    self.parts.panel.notice(None);
                    // A new code costs work, and whoever answers so may do it again at once.
                    Timer::after(SELF_AGAIN).await;
                    return false;
                }
                Err(error) => {
                    self.standing.failed(&error, self.now());
                    self.parts.panel.notice(None);
                    pinned = None;
                    ASK_AGAIN_MS
                }
            };
            Timer::after(Duration::from_millis(wait_ms)).await;
        }
        false
    }

    fn show(&self, code: &Code) {
        self.standing.waits_for(code, self.now());
        self.parts.panel.notice(Some(&code.to_string()));
    }

    /// A new code, with a key to be certified. Some 30 ms of work, off the executor.
    async fn attempt(&self) -> Result<Attempt, CentreError> {
        let (node, made_ms) = (self.node, self.elapsed_ms());
        let make = move || {
            let random = random_bytes().map_err(|_| MemberError::Random)?;
            let nonce = Hash(random_bytes().map_err(|_| MemberError::Random)?);
            let code = Code::from_random(random);
            let known = CodeKey::derive(&code, node, &nonce).map_err(MemberError::Code)?;
            let key = ClientKey::generate().map_err(MemberError::Key)?;
            let csr = key.request(&node.to_string()).map_err(MemberError::Key)?;
            Ok(Attempt {
                made_ms,
                code,
                known,
                key,
                csr,
                nonce,
            })
        };
        smol::unblock(make).await
    }

    /// One question, over a connection whose certificate goes into the proof.
    async fn ask_enrolment(
        &self,
        url: &str,
        attempt: &Attempt,
        pinned: &mut Option<(Hash, HttpsClient)>,
    ) -> Result<Asked, LineError> {
        if pinned.is_none() {
            *pinned = Some(pin(url).await?);
        }
        let Some((seen, client)) = pinned else {
            return Ok(Asked::Wait(ASK_AGAIN_MS));
        };
        let question = EnrolAsk {
            version: VERSION,
            node: self.node,
            name: self.parts.name.chars().take(NAME_CHARS_MAX).collect(),
            csr: attempt.csr.clone(),
            nonce: attempt.nonce,
            proof: attempt.known.box_proof(&attempt.csr, seen),
        };
        let limit = Duration::from_millis(CONNECT_MS + ANSWER_MS);
        match ask(client, path::ENROL, &question, limit).await? {
            EnrolAnswer::Waiting { again_ms } => Ok(Asked::Wait(again_ms)),
            EnrolAnswer::Enrolled { enrolment, proof } => {
                if !attempt.known.is_centre_proof(&enrolment, &proof) {
                    return Ok(Asked::NotProven);
                }
                let enrolment = codec::decode(&enrolment).map_err(LineError::Answer)?;
                Ok(Asked::Enrolled(Box::new(enrolment)))
            }
            _ => Ok(Asked::Wait(ASK_AGAIN_MS)),
        }
    }

    async fn accept(
        self: &Arc<Self>,
        enrolment: Enrolment,
        key: &ClientKey,
    ) -> Result<(), CentreError> {
        let member = Member::enrolled(enrolment, key, self.now().unix_ms);
        let centre = Arc::clone(self);
        smol::unblock(move || centre.join(member)).await
    }

    fn elapsed_ms(&self) -> u64 {
        u64::try_from(self.now().elapsed.as_millis()).unwrap_or(u64::MAX)
    }
}

/// Whoever answers at `url` now, and nobody else from here on.
async fn pin(url: &str) -> Result<(Hash, HttpsClient), HttpsError> {
    let connect = Duration::from_millis(CONNECT_MS);
    let seen = HttpsClient::shown_certificate(url, connect).await?;
    let client = HttpsClient::new(
        url,
        HttpsOptions {
            trust: TlsTrust::Pin(seen),
            connect,
            connections: 1,
            may_repeat: true,
            ..HttpsOptions::default()
        },
    )?;
    Ok((Hash(seen), client))
}
