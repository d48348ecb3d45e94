// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Boxes and a centre in one thread, without clock and sockets, driven by chance: messages are lost,
//! doubled, late, reordered and cut, power fails, disks and databases are put back from backups. Some
//! thousand runs, each by its seed, must hold what `docs/formats/sync.md` promises.
//!
//! `PLATEN_SIM_SEED` runs from another seed on, `PLATEN_SIM_RUNS` another number of runs a test.

mod broken;
mod caught;
mod disk;
mod end;
mod head_office;
mod office_box;
mod put_back;
mod random;
mod site;
mod stranded;
mod truth;
mod wire;
mod world;

use std::env;

use world::World;

/// Runs of each of the four tests: 10,400 in all.
const RUNS: u64 = 2_600;

fn number(variable: &str, default: u64) -> u64 {
    env::var(variable).map_or(default, |text| text.parse().expect("a decimal number"))
}

fn run_from(first: u64) {
    let first = number("PLATEN_SIM_SEED", first);
    for seed in first..first + number("PLATEN_SIM_RUNS", RUNS) {
        if let Err(violation) = World::new(seed, None).run() {
            panic!("seed {seed}: {violation} (PLATEN_SIM_SEED={seed} PLATEN_SIM_RUNS=1)");
        }
    }
}

#[test]
fn nothing_is_lost_doubled_overspent_or_let_in_first_part() {
    run_from(0);
}

#[test]
fn nothing_is_lost_doubled_overspent_or_let_in_second_part() {
    run_from(1_000_000);
}

#[test]
fn nothing_is_lost_doubled_overspent_or_let_in_third_part() {
    run_from(2_000_000);
}

#[test]
fn nothing_is_lost_doubled_overspent_or_let_in_fourth_part() {
    run_from(3_000_000);
}

/// What a part of the runs went through: a simulation in which nothing happens proves nothing.
#[test]
fn all_kinds_of_trouble_happen() {
    let mut seen = Seen::default();
    for seed in 0..250 {
        let mut world = World::new(seed, None);
        assert_eq!(world.run(), Ok(()), "seed {seed}");
        seen.add(&world);
    }
    println!("{seen:?}");
    assert!(seen.entries > 10_000 && seen.charges > 3_000, "{seen:?}");
    assert!(seen.leases > 2_000 && seen.recalled > 200, "{seen:?}");
    assert!(seen.doubles > 20 && seen.forks > 20, "{seen:?}");
    assert!(seen.lost > 10 && seen.boxes_told > 20, "{seen:?}");
    assert!(seen.centres_restored > 30, "{seen:?}");
}

/// Sums over runs.
#[derive(Debug, Default)]
struct Seen {
    entries: usize,
    charges: usize,
    doubles: usize,
    forks: usize,
    leases: usize,
    recalled: usize,
    centres_restored: usize,
    boxes_told: u64,
    lost: usize,
}

impl Seen {
    fn add(&mut self, world: &World) {
        let centre = &world.centre;
        for row in centre.nodes.values() {
            self.entries += row.log.len();
            self.forks += row.branches.len().saturating_sub(1);
            self.lost += row.lost.len();
        }
        self.charges += centre.charges.len();
        self.doubles += centre.doubles.len();
        self.leases += centre.leases.len();
        self.recalled += centre.leases.values().filter(|row| row.recalled).count();
        self.centres_restored += usize::from(centre.generation > 1);
        self.boxes_told += world.boxes.iter().map(|one| one.alerts).sum::<u64>();
    }
}
