// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Short run of every fuzz target: each input of its corpus, then mutations of them. The same seed
//! gives the same inputs; a failure prints the seed and the number that bring it back.
//!
//! `PLATEN_FUZZ_SEED` and `PLATEN_FUZZ_ROUNDS` set another seed and length, `PLATEN_FUZZ_TARGET` runs
//! one target alone.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::Path;
use std::{env, fs};

use platen_fuzz::TARGETS;

/// Mutations of each target, unless the environment says otherwise.
const ROUNDS: u64 = 20_000;
/// Targets that start half a box, or whole readers, for each input, and the part of the rounds they
/// get.
const SLOW: [&str; 8] = [
    "bmlite_packet",
    "card_proof",
    "directory_page",
    "ef01_packet",
    "ledger_segment",
    "osdp_frame",
    "sealed_job",
    "users_csv",
];
const SLOW_PART: u64 = 10;
/// Longest input that is made; corpora may hold longer ones.
const INPUT_BYTES_MAX: usize = 16 * 1024;
/// Values at the borders of lengths, signs and tags.
const EDGES: [u8; 14] = [
    0x00, 0x01, 0x02, 0x03, 0x0a, 0x0c, 0x10, 0x34, 0x37, 0x4a, 0x7f, 0x80, 0xfe, 0xff,
];

/// Marsaglia's xorshift with 64 bits.
struct Random(u64);

impl Random {
    /// A stream of its own for each round, so that one round can be run alone.
    fn new(seed: u64, round: u64) -> Self {
        let mixed = (seed ^ round.wrapping_mul(0x9e37_79b9_7f4a_7c15)) | 1;
        let mut random = Self(mixed);
        random.next();
        random
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// A number below `end`; 0 when `end` is 0.
    fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() >> 16)
            .unwrap_or(0)
            .checked_rem(end)
            .unwrap_or(0)
    }

    fn octet(&mut self) -> u8 {
        match self.below(2) {
            0 => EDGES[self.below(EDGES.len())],
            _ => self.next().to_be_bytes()[3],
        }
    }
}

/// One to eight changes of one input of the corpus.
fn mutated(corpus: &[Vec<u8>], random: &mut Random) -> Vec<u8> {
    let mut input = corpus[random.below(corpus.len())].clone();
    for _ in 0..=random.below(8) {
        change(&mut input, corpus, random);
    }
    input.truncate(INPUT_BYTES_MAX);
    input
}

fn change(input: &mut Vec<u8>, corpus: &[Vec<u8>], random: &mut Random) {
    let at = random.below(input.len());
    let part = at..(at + random.below(32)).min(input.len());
    match random.below(7) {
        0 => input.truncate(at),
        1 => drop(input.drain(part)),
        2 => input.insert(at, random.octet()),
        3 => {
            let copy = input[part].to_vec();
            let copies = random.below(40);
            input.splice(at..at, copy.repeat(copies));
        }
        4 => {
            let other = &corpus[random.below(corpus.len())];
            let from = random.below(other.len());
            let until = (from + random.below(64)).min(other.len());
            input.splice(part, other[from..until].iter().copied());
        }
        5 if !input.is_empty() => input[at] ^= 1 << random.below(8),
        _ if !input.is_empty() => input[at] = random.octet(),
        _ => input.push(random.octet()),
    }
}

fn corpus(folders: &[&str]) -> Vec<Vec<u8>> {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut files: Vec<_> = folders
        .iter()
        .flat_map(|folder| fs::read_dir(tests.join(folder)).expect("a corpus folder"))
        .map(|entry| entry.expect("a folder that can be read").path())
        .filter(|path| path.is_file())
        .collect();
    files.sort();
    files
        .iter()
        .map(|path| fs::read(path).expect("a corpus file"))
        .collect()
}

fn number(variable: &str, default: u64) -> u64 {
    env::var(variable).map_or(default, |text| text.parse().expect("a decimal number"))
}

#[test]
fn targets_stand_every_input() {
    let seed = number("PLATEN_FUZZ_SEED", 0x5eed);
    let rounds = number("PLATEN_FUZZ_ROUNDS", ROUNDS);
    let only = env::var("PLATEN_FUZZ_TARGET").ok();
    let wanted = |name: &str| only.as_ref().is_none_or(|only| only == name);
    for (name, target, folders) in TARGETS.iter().filter(|row| wanted(row.0)) {
        let corpus = corpus(folders);
        assert!(!corpus.is_empty(), "{name} has no corpus");
        corpus.iter().for_each(|input| target(input));
        let part = if SLOW.contains(name) { SLOW_PART } else { 1 };
        for round in 0..rounds / part {
            let input = mutated(&corpus, &mut Random::new(seed, round));
            let ran = catch_unwind(AssertUnwindSafe(|| target(&input)));
            if let Err(panic) = ran {
                eprintln!("target {name}, seed {seed}, round {round}: {input:02x?}");
                resume_unwind(panic);
            }
        }
    }
}

#[test]
fn the_same_seed_gives_the_same_inputs() {
    let corpus = [b"first input".to_vec(), b"second".to_vec(), Vec::new()];
    let run = |seed| -> Vec<_> {
        (0..200)
            .map(|round| mutated(&corpus, &mut Random::new(seed, round)))
            .collect()
    };
    assert_eq!(run(7), run(7));
    assert_ne!(run(7), run(8));
}
