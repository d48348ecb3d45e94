// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Many people at once: every connection of every box asks at the same moment, round after round.

use std::error::Error;
use std::sync::{Barrier, Mutex, PoisonError};
use std::time::Duration;

use platen_bed::wait::Stopwatch;
use platen_sync::message::{LoginAnswer, LoginAsk, path};
use serde::Serialize;
use smol::LocalExecutor;

use super::boxes::ThinBox;
use crate::statistics::Spread;

/// Threads that ask: half of the machine for the asking side is much already.
const ASKERS: usize = 2;

/// What one kind of login gave.
#[derive(Clone, Debug, Serialize)]
pub struct LoginRun {
    /// By what people log in.
    pub method: &'static str,
    /// How many ask at the same moment.
    pub at_once: usize,
    /// From the question to the answer, on connections that are open.
    pub answer: Spread,
    /// Logins a second, over all rounds.
    pub per_second: f64,
    /// Answers that were not what they should have been.
    pub wrong: usize,
}

/// Logs `at_once` people in at the same moment, `rounds` times, evenly over `boxes`. `ask` makes the
/// question of the n-th person at a box. A round before, which opens the connections, is not counted.
pub(super) fn run(
    method: &'static str,
    boxes: &[ThinBox],
    at_once: usize,
    rounds: usize,
    ask: impl Fn(&ThinBox, usize) -> Option<LoginAsk> + Sync,
) -> Result<LoginRun, Box<dyn Error>> {
    let each = at_once / boxes.len();
    let times = Mutex::new(Vec::new());
    let wrong = Mutex::new(0);
    let start = Barrier::new(ASKERS);
    let spent = Mutex::new(Duration::ZERO);
    std::thread::scope(|scope| {
        for (asker, boxes) in boxes.chunks(boxes.len().div_ceil(ASKERS)).enumerate() {
            let (ask, times, wrong, start, spent) = (&ask, &times, &wrong, &start, &spent);
            scope.spawn(move || {
                for round in 0..=rounds {
                    start.wait();
                    let watch = Stopwatch::start();
                    let (told, failed) = one_round(boxes, asker, each, ask);
                    start.wait();
                    if round == 0 {
                        continue;
                    }
                    if asker == 0 {
                        *lock(spent) += watch.elapsed();
                    }
                    lock(times).extend(told);
                    *lock(wrong) += failed;
                }
            });
        }
    });
    let mut times = times.into_inner().unwrap_or_else(PoisonError::into_inner);
    let spent = spent.into_inner().unwrap_or_else(PoisonError::into_inner);
    let wrong = wrong.into_inner().unwrap_or_else(PoisonError::into_inner);
    if times.is_empty() {
        return Err(format!("{method}: nobody was let in").into());
    }
    Ok(LoginRun {
        method,
        at_once: each * boxes.len(),
        answer: Spread::of(&mut times),
        per_second: f64::from(u32::try_from(times.len())?) / spent.as_secs_f64(),
        wrong,
    })
}

/// Times of good answers, and how many were not good.
fn one_round(
    boxes: &[ThinBox],
    asker: usize,
    each: usize,
    ask: &impl Fn(&ThinBox, usize) -> Option<LoginAsk>,
) -> (Vec<Duration>, usize) {
    let executor = LocalExecutor::new();
    let mut asked = Vec::new();
    for (index, thin) in boxes.iter().enumerate() {
        for person in 0..each {
            let person = (asker * boxes.len() + index) * each + person;
            let question = ask(thin, person);
            asked.push(executor.spawn(async move {
                let question = question?;
                let watch = Stopwatch::start();
                let answer: LoginAnswer = thin.ask(path::LOGIN, &question).await.ok()?;
                answer.result.ok().map(|_| watch.elapsed())
            }));
        }
    }
    let told: Vec<Option<Duration>> = smol::block_on(executor.run(async {
        let mut told = Vec::new();
        for task in asked {
            told.push(task.await);
        }
        told
    }));
    let wrong = told.iter().filter(|told| told.is_none()).count();
    (told.into_iter().flatten().collect(), wrong)
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
