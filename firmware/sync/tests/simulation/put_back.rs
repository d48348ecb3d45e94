// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What a centre that was put back from a backup must not do, told step by step: chance rarely does
//! these. Each story is told twice, the second time with the mistake that it is about.

use crate::broken::Broken;
use crate::random::Random;
use crate::site;
use crate::truth::Check;
use crate::world::{Weather, World};

/// Sides that somebody wants to print: more than a box's half of [`site::EACH`].
const WANTED: u64 = 12;

/// Two boxes that have the directory and leases of the group's quota, and a backup of the centre from
/// before any lease of a member's own.
fn two_boxes(broken: Option<Broken>) -> World {
    let weather = Weather {
        boxes: 2,
        ..Weather::default()
    };
    let mut world = World::with(Random::new(1), weather, broken);
    // The group has plenty, so that it is each member's own quota that counts.
    world.centre.limit((site::SHARED, None), 400, world.now_ms);
    assert_eq!(settle_down(&mut world), Ok(()));
    for at in 0..2 {
        assert!(!world.print_one(at, site::user(0), WANTED), "nothing yet");
    }
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
    assert!(
        !world.print_one(0, site::user(0), 12),
        "there is no lease yet"
    );
    world.send_push(0);
    world.deliver()?;
    let late = world.wire.flights.pop().expect("the answer is on its way");
    world.put_back_centre();
    fetch(&mut world, 0)?;
    world.wire.flights.push(late);
    world.deliver()?;
    world.exhaust()?;
    world.calm()
}

/// A box spends its lease while it is cut off; the centre is put back, and another box asks.
fn forgotten_lease(broken: Option<Broken>) -> Check {
    let mut world = two_boxes(broken);
    let (user, whole) = (site::user(0), WANTED);
    assert!(!world.print_one(0, user, whole), "there is no lease yet");
    world.calm()?;
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
