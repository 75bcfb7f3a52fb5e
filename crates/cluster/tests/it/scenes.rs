//! One thing at a time: what a host does, in each of the cases that the scheduler mixes.

use ropewalk_cluster::keep::memory::Memory;
use ropewalk_cluster::own::{Alarm, HeldState, Standing};

use crate::world::{Dice, World, id};

/// Hosts that are members, each with a block and an address of it in use.
fn settled(hosts: usize) -> World {
    let mut world = World::new(hosts);
    world.rest();
    for n in 0..hosts {
        world.attach(n, &mut Dice(7));
        assert_eq!(world.hosts[n].used.len(), 1, "host {n}");
    }
    world
}

fn one_block(world: &World, n: usize) -> (String, HeldState) {
    let held = &world.hosts[n].journal.held;
    assert_eq!(held.len(), 1, "host {n}: {held:?}");
    let (place, held) = held.iter().next().unwrap();
    (place.block.to_string(), held.state)
}

#[test]
fn hosts_that_begin_at_once_get_a_block_each() {
    let mut world = World::new(16);
    world.rest();
    let blocks: std::collections::BTreeSet<_> = (0..16).map(|n| one_block(&world, n).0).collect();
    assert_eq!(blocks.len(), 16, "all sixteen of the pool");
    let mut more = World::new(17);
    more.rest();
    let left = more.hosts.iter().filter(|host| host.journal.held.is_empty()).collect::<Vec<_>>();
    assert_eq!(left.len(), 1);
    assert!(left[0].alarms.iter().any(|alarm| matches!(alarm, Alarm::Exhausted { .. })));
}

#[test]
fn calico_4861_what_is_given_back_can_be_had_again_after_it_has_rested() {
    let mut world = settled(16);
    let (block, _) = one_block(&world, 0);
    world.hosts[0].used.clear();
    world.hosts[0].wants = 0;
    world.rest();
    assert!(world.hosts[0].journal.held.is_empty());
    world.hosts[1].wants = 2;
    world.list(1);
    world.decide(1, usize::MAX);
    assert_eq!(world.under_way, [], "it rests");
    world.now += 601;
    world.rest();
    assert!(world.hosts[1].journal.held.keys().any(|place| place.block.to_string() == block));
}

#[test]
fn coreos_16028_a_store_put_back_is_told_again_and_nothing_is_given_up() {
    let mut world = settled(4);
    let before: Vec<_> = (0..4).map(|n| one_block(&world, n)).collect();
    let first = world.backups[0].clone();
    world.restore(first);
    world.list(2);
    world.decide(2, usize::MAX);
    assert!(world.hosts[2].alarms.iter().any(|alarm| matches!(alarm, Alarm::Forgotten { .. })));
    world.rest();
    let after: Vec<_> = (0..4).map(|n| one_block(&world, n)).collect();
    assert_eq!(after, before);
}

#[test]
fn a_store_that_was_wiped_is_filled_again() {
    let mut world = settled(3);
    let before: Vec<_> = (0..3).map(|n| one_block(&world, n)).collect();
    world.restore(Memory::default());
    world.rest();
    let after: Vec<_> = (0..3).map(|n| one_block(&world, n)).collect();
    assert_eq!(after, before);
}

#[test]
fn flannel_1289_a_host_that_was_removed_stops_when_it_returns() {
    let mut world = settled(2);
    let (block, _) = one_block(&world, 0);
    (0..3).for_each(|_| world.remove(0));
    world.hosts[1].wants = 16;
    for _ in 0..40 {
        world.list(1);
        world.decide(1, usize::MAX);
        while !world.under_way.is_empty() {
            world.arrive(0, false);
        }
    }
    let has = |world: &World, block: &str| {
        world.hosts[1].journal.held.keys().any(|place| place.block.to_string() == *block)
    };
    assert_eq!(world.hosts[1].journal.held.len(), 15);
    assert!(!has(&world, &block), "it rests: its owner may not know");
    world.rest();
    assert_eq!(world.hosts[0].journal.standing, Standing::Removed);
    let host = &world.hosts[0];
    assert!(host.alarms.contains(&Alarm::Removed) && host.fenced == host.used);
    world.rejoin(0);
    world.rest();
    assert_eq!(world.hosts[0].journal.standing, Standing::Member);
}

/// Host 0 is removed, and knows it.
fn removed() -> World {
    let mut world = settled(2);
    (0..3).for_each(|_| world.remove(0));
    world.list(0);
    world.decide(0, usize::MAX);
    let host = &world.hosts[0];
    assert_eq!((host.used.len(), &host.fenced), (1, &host.used), "nothing answers for it");
    world
}

#[test]
fn a_host_that_was_removed_and_joins_again_has_what_nobody_had_meanwhile() {
    let mut world = removed();
    let (block, _) = one_block(&world, 0);
    world.rejoin(0);
    world.list(0);
    world.decide(0, usize::MAX);
    assert_eq!(world.hosts[0].fenced.len(), 1, "not before the store says so");
    for _ in 0..3 {
        world.arrive(0, false);
        world.list(0);
        world.decide(0, usize::MAX);
    }
    assert_eq!(world.hosts[0].fenced.len(), 0, "while the block rests, and without another");
    world.rest();
    assert_eq!(one_block(&world, 0), (block, HeldState::Own));
}

#[test]
fn a_host_that_was_removed_and_joins_again_does_not_answer_for_what_another_has() {
    let mut world = removed();
    let held = one_block(&world, 0);
    let ip = *world.hosts[0].used.first().unwrap();
    world.now += 601;
    world.hosts[1].wants = 16;
    world.rest();
    let has = |world: &World| {
        let mut all = world.hosts[1].journal.held.keys();
        all.any(|place| place.block.to_string() == held.0)
    };
    assert!(has(&world));
    world.hosts[1].used.insert(ip);
    world.rejoin(0);
    world.rest();
    let host = &world.hosts[0];
    assert!(host.journal.standing == Standing::Member && host.fenced.contains(&ip));
    let taken = |alarm: &Alarm| matches!(alarm, Alarm::Taken { ip: other, .. } if *other == ip);
    assert!(host.alarms.iter().any(taken), "{:?}", host.alarms);
    world.detach(1, ip);
    world.rest();
    assert!(world.hosts[0].fenced.is_empty(), "granted by its owner");
    assert!(!world.hosts[1].journal.leases(&"web".parse().unwrap(), ip));
}

#[test]
fn flannel_1240_a_crash_between_sending_and_hearing_changes_nothing() {
    let mut world = World::new(1);
    for _ in 0..5 {
        world.list(0);
        world.decide(0, usize::MAX);
        world.crash(0);
        world.arrive(0, false);
    }
    world.rest();
    one_block(&world, 0);
}

#[test]
fn flannel_904_a_block_used_by_two_is_kept_by_both_and_said() {
    let mut world = settled(2);
    // Host 1 claimed what host 0 has, of a store that had forgotten it.
    let held = world.hosts[0].journal.held.clone();
    let used = world.hosts[0].used.clone();
    world.restored = true;
    world.hosts[1].journal.held.extend(held);
    world.hosts[1].used.extend(used);
    world.rest();
    for n in 0..2 {
        let alarms = &world.hosts[n].alarms;
        assert!(alarms.iter().any(|alarm| matches!(alarm, Alarm::Disputed { .. })), "host {n}");
    }
    // The one that lets go leaves it to the other.
    world.hosts[0].used.clear();
    world.rest();
    assert!(world.hosts.iter().all(|host| host.alarms.is_empty()));
    assert_eq!(world.hosts[1].journal.held.len(), 2);
}

#[test]
fn two_hosts_with_one_id_are_told_apart() {
    let mut world = settled(1);
    let mut other = World::new(1);
    other.store = world.store.clone();
    other.hosts[0].journal.me.token = "another".into();
    other.list(0);
    other.decide(0, usize::MAX);
    assert_eq!(other.under_way, []);
    assert_eq!(
        other.hosts[0].alarms.iter().collect::<Vec<_>>(),
        [&Alarm::Duplicate { name: "h0".into() }]
    );
    assert_eq!(other.hosts[0].journal.host, id(0));
    world.rest();
}

#[test]
fn a_claim_under_way_when_its_host_is_removed_fails() {
    let mut world = settled(2);
    world.hosts[0].wants = 2;
    world.list(0);
    world.decide(0, usize::MAX);
    assert_eq!(world.under_way.len(), 1);
    world.remove(0);
    let before = world.store.list("").revision;
    world.arrive(0, false);
    assert_eq!(world.store.list("").revision, before, "refused");
}

#[test]
fn a_store_put_back_to_before_a_release_gives_the_block_to_its_later_owner_alone() {
    let mut world = settled(2);
    let (block, _) = one_block(&world, 0);
    let early = world.store.clone();
    world.hosts[0].used.clear();
    world.hosts[0].wants = 0;
    world.rest();
    world.now += 601;
    world.hosts[1].wants = 16;
    world.rest();
    let has = |world: &World, n: usize| {
        let own = |held: &HeldState| *held == HeldState::Own;
        let mut all = world.hosts[n].journal.held.iter();
        all.any(|(place, held)| place.block.to_string() == block && own(&held.state))
    };
    assert!(has(&world, 1));
    world.restore(early);
    world.hosts[0].wants = 1;
    for _ in 0..100 {
        let n = usize::from(world.now.is_multiple_of(2));
        world.now += 7;
        world.list(n);
        world.decide(n, usize::MAX);
        while !world.under_way.is_empty() {
            world.arrive(0, false);
        }
        assert!(!has(&world, 0), "the store says it is host 0's, which knows better");
    }
    assert!(has(&world, 1));
}

#[test]
fn nothing_is_claimed_or_given_up_while_a_store_is_told_again() {
    let mut world = settled(2);
    let first = world.backups[0].clone();
    world.restore(first);
    world.hosts[0].wants = 5;
    world.hosts[0].used.clear();
    for _ in 0..10 {
        world.now += 5;
        world.list(0);
        world.decide(0, usize::MAX);
        while !world.under_way.is_empty() {
            world.arrive(0, false);
        }
        assert_eq!(world.hosts[0].journal.held.len(), 1);
    }
    world.rest();
    assert_eq!(world.hosts[0].journal.held.len(), 5);
}

#[test]
fn an_address_of_anothers_block_is_granted_when_nobody_has_it() {
    let mut world = settled(2);
    let web: ropewalk_spec::NetworkName = "web".parse().unwrap();
    let ip = *world.hosts[0].used.first().unwrap();
    let block = world.hosts[0].journal.held.keys().next().unwrap().block;
    world.hosts[1].exceptions.insert(ip);
    world.rest();
    assert!(!world.hosts[1].journal.leases(&web, ip), "it is in use");
    assert!(world.hosts[1].alarms.iter().any(|alarm| matches!(alarm, Alarm::Taken { .. })));
    world.hosts[0].used.clear();
    world.rest();
    assert!(world.hosts[1].journal.leases(&web, ip) && !world.hosts[0].journal.leases(&web, ip));
    // Neither a store put back nor one that is empty takes it away.
    for to in [world.backups[0].clone(), Memory::default()] {
        world.restore(to);
        world.rest();
        assert!(
            world.hosts[1].journal.leases(&web, ip) && !world.hosts[0].journal.leases(&web, ip)
        );
    }
    world.hosts[1].exceptions.clear();
    world.rest();
    assert!(!world.hosts[1].journal.leases(&web, ip) && world.hosts[0].journal.leases(&web, ip));
    // What nobody wants any more is not left behind.
    let other = block.hosts().find(|other| *other != ip).unwrap();
    world.hosts[1].exceptions.insert(other);
    world.list(1);
    world.decide(1, usize::MAX);
    world.hosts[1].exceptions.clear();
    world.rest();
    let listed = world.store.list("").items;
    assert!(listed.iter().all(|item| !item.key.contains("/exc/")), "{listed:?}");
}
