//! `cargo xtask fuzz-walk [--pairs N] [--seed S]`: what the walk says of random networks beside what the kernel does.
//!
//!     routes   random tables, policy rules and settings · the kernel's own route answers
//!
//! A difference is printed with all that is needed to see it again, its seed first.

mod chance;
mod routes;
mod tally;

use crate::Fault;
use tally::Tally;

const USAGE: &str = "usage: cargo xtask fuzz-walk [--pairs N] [--seed S]";

/// Compares, and prints the figures.
///
/// # Errors
/// When a verdict is wrong, or something could not be built.
pub(crate) fn run(words: &[&str]) -> Result<(), Fault> {
    let (mut pairs, mut seed) = (10_000, 1);
    let mut words = words.iter();
    while let Some(word) = words.next() {
        match *word {
            "--pairs" => pairs = words.next().ok_or(USAGE)?.parse()?,
            "--seed" => seed = words.next().ok_or(USAGE)?.parse()?,
            _ => return Err(USAGE.into()),
        }
    }
    let tally = rounds(seed, pairs)?;
    tally.told.iter().for_each(|told| println!("{told}\n"));
    println!("routes: {} pairs, {} agree, {} wrong", tally.all(), tally.same, tally.wrong);
    tally.unknown.iter().for_each(|(what, count)| println!("  {count:>6} not known: {what}"));
    if tally.wrong > 0 { Err(format!("{} wrong verdicts", tally.wrong).into()) } else { Ok(()) }
}

/// Rounds of random tables, each in a network of its own, until there are so many pairs.
fn rounds(seed: u64, pairs: usize) -> Result<Tally, Fault> {
    let mut all = Tally::default();
    for nth in 0.. {
        let left = pairs.saturating_sub(all.all());
        if left == 0 {
            break;
        }
        let work = || {
            let mut tally = Tally::default();
            let done = routes::round(seed + nth, left.min(routes::QUESTIONS), &mut tally);
            done.map(|()| tally).map_err(|fault| fault.to_string())
        };
        // A private network is that of a thread, and gone with it.
        let done = std::thread::scope(|scope| scope.spawn(work).join());
        all.add(done.map_err(|_| format!("the round of seed {} broke down", seed + nth))??);
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    /// The long run is a task; this one is of another seed than that begins with.
    #[test]
    fn the_kernel_takes_the_routes_that_the_walk_predicts() {
        let tally = rounds(1000, 600).unwrap();
        assert_eq!((tally.all(), tally.told), (600, Vec::<String>::new()));
    }
}
