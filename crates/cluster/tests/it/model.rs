//! Hosts under a scheduler that crashes, delays, repeats, reorders, removes, restores and wipes; in a third
//! of the worlds their clocks are hours apart.
//!
//!     ROPEWALK_MODEL_STEPS=1000000  ROPEWALK_MODEL_SEED=7     what `cargo xtask cluster-model` sets

use crate::world::{Dice, World};

/// How many steps a world lives.
const LIFE: usize = 400;

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().expect(name))
}

#[test]
fn nothing_that_happens_gives_an_address_to_two() {
    let steps = number("ROPEWALK_MODEL_STEPS").unwrap_or(20_000);
    let seed = number("ROPEWALK_MODEL_SEED").unwrap_or(1);
    for world in 0..steps.div_ceil(u64::try_from(LIFE).unwrap()) {
        // Half of the worlds have a store that forgets nothing: there, nothing is ever in use twice.
        let seed = seed.wrapping_mul(1_000_003).wrapping_add(world);
        let told = std::panic::catch_unwind(|| live(seed, world % 2 == 1));
        assert!(told.is_ok(), "the world of seed {seed} (forgetful: {})", world % 2 == 1);
    }
}

fn live(seed: u64, forgetful: bool) {
    let mut dice = Dice(seed);
    let count = 2 + dice.roll(5);
    let mut world = World::new(count);
    if dice.roll(3) == 0 {
        world.skew = (0..count).map(|_| [-3600, 0, 3600][dice.roll(3)]).collect();
    }
    for step in 0..LIFE {
        let n = dice.roll(count);
        match dice.roll(40) {
            0..5 => world.list(n),
            5..10 => world.hear(n, 1 + dice.roll(3), 3),
            10..18 => {
                let most = if dice.roll(4) == 0 { dice.roll(2) } else { usize::MAX };
                world.decide(n, most);
            }
            18..25 => {
                let which = dice.roll(64);
                world.arrive(which, dice.roll(4) == 0);
            }
            25..29 => world.attach(n, &mut dice),
            29 | 30 => {
                let some = world.hosts[n].used.iter().copied().nth(dice.roll(8));
                some.into_iter().for_each(|ip| world.detach(n, ip));
            }
            31 => world.crash(n),
            32 => {
                if !world.under_way.is_empty() {
                    let lost = dice.roll(world.under_way.len());
                    world.under_way.swap_remove(lost);
                }
            }
            33 => world.now += u64::try_from([1, 20, 700][dice.roll(3)]).unwrap(),
            34 => world.hosts[n].wants = dice.roll(3),
            35 => {
                if dice.roll(4) == 0 || world.unaware.contains(&n) {
                    world.remove(n);
                }
            }
            36 => world.rejoin(n),
            37 => {
                let ip = std::net::IpAddr::from([10, 5, 0, u8::try_from(dice.roll(128)).unwrap()]);
                let host = &mut world.hosts[n];
                if !host.exceptions.remove(&ip)
                    && host.exceptions.len() < 2
                    && !host.used.contains(&ip)
                {
                    host.exceptions.insert(ip);
                }
                world.use_exception(n);
            }
            38 => {
                if dice.roll(4) == 0 {
                    world.store.compact();
                }
                let now = world.store.clone();
                world.backups.push(now);
            }
            _ => {
                if forgetful && dice.roll(4) == 0 {
                    let which = dice.roll(world.backups.len());
                    let to = world.backups[which].clone();
                    world.restore(to);
                }
            }
        }
        if step % 100 == 99 {
            world.rest();
        }
    }
}
