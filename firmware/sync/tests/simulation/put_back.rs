// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What a centre that was put back from a backup must not do, told step by step: chance rarely does
//! these. Each story is told twice, the second time with the mistake that it is about.

use platen_model::RecordId;

use crate::broken::Broken;
use crate::random::Random;
use crate::site;
use crate::truth::Check;
use crate::world::{Weather, World};

/// Sides that somebody wants to print: more than a box's half of [`site::EACH`].
const WANTED: u64 = 12;

/// Two boxes that have the directory, and a backup of the centre from before any lease.
fn two_boxes(broken: Option<Broken>) -> World {
    let weather = Weather {
        boxes: 2,
        ..Weather::default()
    };
    let mut world = World::with(Random::new(1), weather, broken);
    // Each member's own quota is the only one that counts.
    world.centre.change(RecordId::Quota(site::SHARED), None);
    assert_eq!(settle_down(&mut world), Ok(()));
    world.centre_backup = Some(world.centre.clone());
    world
}

/// Everything arrives, and what is asked for meanwhile is answered.
fn settle_down(world: &mut World) -> Check {
    for _ in 0..3 {
        world.calm()?;
        while !world.wire.flights.is_empty() {
            world.deliver()?;
        }
    }
    Ok(())
}

/// The box fetches the directory of the centre that was put back, and sends nothing meanwhile.
fn fetch(world: &mut World, at: usize) -> Check {
    for _ in 0..12 {
        world.send_pull(at);
        while !world.wire.flights.is_empty() {
            world.deliver()?;
        }
    }
    assert_eq!(world.boxes[at].generation(), world.centre.generation);
    Ok(())
}

/// An answer with a lease is late; before it comes, the centre is put back and knows nothing of it.
fn late_lease(broken: Option<Broken>) -> Check {
    let mut world = two_boxes(broken);
    let user = site::user(0);
    assert!(!world.print_one(0, user, WANTED), "there is no lease yet");
    world.send_push(0);
    world.deliver()?;
    let late = world.wire.flights.pop();
    world.put_back_centre();
    fetch(&mut world, 0)?;
    world.wire.flights.extend(late);
    world.deliver()?;
    for _ in 0..3 {
        settle_down(&mut world)?;
    }
    cut_off_and_ask_elsewhere(&mut world, broken)?;
    settle_down(&mut world)
}

/// The first box spends nine of its quota's sixteen and can't say so; another box asks for as many.
fn cut_off_and_ask_elsewhere(world: &mut World, broken: Option<Broken>) -> Check {
    let user = site::user(0);
    assert!(
        world.print_one(0, user, 9),
        "a box may get more than its half"
    );
    world.settle_one(0)?;
    world.boxes[0].link = false;
    assert!(!world.print_one(1, user, WANTED), "there is no lease yet");
    for _ in 0..4 {
        world.send_push(1);
        fetch(world, 1)?;
    }
    let printed = world.print_one(1, user, 9);
    assert_eq!(
        printed,
        broken.is_some(),
        "nine of sixteen can be given once"
    );
    world.settle_one(1)
}

/// A box spends its lease while it is cut off; the centre is put back, and another box asks.
fn forgotten_lease(broken: Option<Broken>) -> Check {
    let mut world = two_boxes(broken);
    let (user, whole) = (site::user(0), WANTED);
    assert!(!world.print_one(0, user, whole), "there is no lease yet");
    settle_down(&mut world)?;
    assert!(
        world.print_one(0, user, 9),
        "the centre gives a box more than its half"
    );
    world.settle_one(0)?;
    world.boxes[0].link = false;
    world.put_back_centre();
    fetch(&mut world, 1)?;
    assert!(!world.print_one(1, user, whole), "there is no lease yet");
    for _ in 0..4 {
        world.send_push(1);
        fetch(&mut world, 1)?;
    }
    let given = world.print_one(1, user, 9);
    assert_eq!(
        given,
        broken.is_some(),
        "nothing is given while a box is not heard"
    );
    world.settle_one(1)?;
    world.exhaust()?;
    world.calm()
}

#[test]
fn a_lease_from_before_the_centre_was_put_back_is_not_taken() {
    assert_eq!(late_lease(None), Ok(()));
    let found = late_lease(Some(Broken::TakesLateLeases)).unwrap_err();
    assert!(found.contains("excused"), "{found}");
}

#[test]
fn a_centre_that_was_put_back_gives_nothing_until_every_box_is_heard() {
    assert_eq!(forgotten_lease(None), Ok(()));
    let found = forgotten_lease(Some(Broken::GivesAfterRestore)).unwrap_err();
    assert!(found.contains("excused"), "{found}");
}
