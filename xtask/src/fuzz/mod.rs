//! `cargo xtask fuzz-walk [--pairs N] [--seed S]`: what the walk says of random networks beside what the kernel does.
//!
//!     routes   random tables, policy rules and settings · the kernel's own route answers
//!     rules    random rulesets of nftables, and packets · the kernel's own traces
//!
//! A difference is printed with all that is needed to see it again, its seed first.

mod chance;
mod routes;
mod rules;
mod tally;

use crate::Fault;
use tally::Tally;

const USAGE: &str = "usage: cargo xtask fuzz-walk [--pairs N] [--seed S] [routes] [rules]";

/// Compares, and prints the figures.
///
/// # Errors
/// When a verdict is wrong, or something could not be built.
pub(crate) fn run(words: &[&str]) -> Result<(), Fault> {
    let (mut pairs, mut seed, mut parts) = (10_000, 1, Vec::new());
    let mut words = words.iter();
    while let Some(word) = words.next() {
        match *word {
            "--pairs" => pairs = words.next().ok_or(USAGE)?.parse()?,
            "--seed" => seed = words.next().ok_or(USAGE)?.parse()?,
            name => parts.push(PARTS.iter().find(|part| part.name == name).ok_or(USAGE)?),
        }
    }
    if parts.is_empty() {
        parts.extend(PARTS);
    }
    let mut wrong = 0;
    for part in parts {
        let tally = rounds(part, seed, pairs)?;
        let (all, same) = (tally.all(), tally.same);
        println!("{}: {all} pairs, {same} agree, {} wrong", part.name, tally.wrong);
        tally.unknown.iter().for_each(|(what, count)| println!("  {count:>6} not known: {what}"));
        wrong += tally.wrong;
    }
    if wrong > 0 { Err(format!("{wrong} wrong verdicts").into()) } else { Ok(()) }
}

/// One thing that is compared.
struct Part {
    name: &'static str,
    /// How many pairs a round has at most.
    round: usize,
    /// A round, by its seed and the number of its pairs.
    work: fn(u64, usize, &mut Tally) -> Result<(), Fault>,
}

const PARTS: &[Part] = &[
    Part { name: "routes", round: routes::QUESTIONS, work: routes::round },
    Part { name: "rules", round: rules::PACKETS, work: rules::round },
];

/// Rounds, each in a network of its own, until there are so many pairs.
fn rounds(part: &Part, seed: u64, pairs: usize) -> Result<Tally, Fault> {
    let mut all = Tally::default();
    for seed in seed.. {
        let left = pairs.saturating_sub(all.all());
        if left == 0 {
            break;
        }
        let work = || {
            let mut tally = Tally::default();
            let done = (part.work)(seed, left.min(part.round), &mut tally);
            done.map(|()| tally).map_err(|fault| format!("seed {seed}: {fault}"))
        };
        // A private network is that of a thread, and gone with it.
        let done = std::thread::scope(|scope| scope.spawn(work).join());
        let done = done.map_err(|_| format!("the round of seed {seed} broke down"))??;
        done.told.iter().for_each(|told| println!("{told}\n"));
        all.add(done);
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

    use super::*;

    /// The long run is a task; this one is of another seed than that begins with.
    #[test]
    fn the_kernel_takes_the_routes_that_the_walk_predicts() {
        let tally = rounds(&PARTS[0], 1000, 600).unwrap();
        assert_eq!((tally.all(), tally.told), (600, Vec::<String>::new()));
    }

    #[test]
    fn the_kernel_shows_packets_to_the_chains_that_the_walk_predicts() {
        let tally = rounds(&PARTS[1], 1000, 400).unwrap();
        assert_eq!((tally.all(), tally.told), (400, Vec::<String>::new()));
    }
}
