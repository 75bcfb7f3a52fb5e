//! Every topology in a lab: all pairs ping over both families and move data. Those that only the virtual
//! machine has are tried so by `cargo xtask lab-all`: it takes minutes there.

use ropewalk_testnet::pairs::{Families, Stage, TOPOLOGIES, Takes, Topology};

/// The topologies are tried beside each other, each on a thread with a network of its own.
#[test]
fn everybody_reaches_everybody_in_every_topology() {
    let here = TOPOLOGIES.iter().filter(|one| one.takes != Takes::Machine);
    let threads = here.map(|one| (one.name, std::thread::spawn(|| all_pairs(one))));
    let threads: Vec<_> = threads.collect();
    let failed = threads.into_iter().filter_map(|(name, thread)| match thread.join() {
        Ok(2) if name == "tap" => None,
        Ok(ways) if ways >= 10 => None,
        Ok(ways) => Some(format!("{name}: {ways} ways only")),
        Err(_) => Some(name.to_owned()),
    });
    assert_eq!(failed.collect::<Vec<_>>(), Vec::<String>::new());
}

fn all_pairs(topology: &Topology) -> usize {
    let stage = Stage::build(env!("CARGO_BIN_EXE_ropewalk").as_ref(), topology);
    let ways = stage.ways();
    // There by one family, back by the other.
    let families =
        |[from, to]: [(&str, _); 2]| if from.0 < to.0 { Families::V4 } else { Families::V6 };
    let failed = ways.iter().filter_map(|way| stage.go(*way, 2, families(*way)).err());
    let failed: Vec<String> = failed.collect();
    assert!(failed.is_empty(), "{}", failed.join("\n"));
    ways.len()
}
