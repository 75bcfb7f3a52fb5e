//! The four laws on random plans over all nouns, in real namespaces.

use ropewalk_facts::Ns;
use ropewalk_kernel::{Kernel, netns};
use ropewalk_plan::predict;
use ropewalk_plan::testing::{Case, SPACES, case};
use ropewalk_testnet::Private;

use crate::space::Host;

/// How many cases each law is tried on; more by `ROPEWALK_SEEDS=FROM..TO`.
const SEEDS: std::ops::Range<u64> = 0..24;

pub(crate) fn seeds() -> std::ops::Range<u64> {
    let wanted = std::env::var("ROPEWALK_SEEDS").ok();
    let range = wanted.and_then(|text| {
        let (from, to) = text.split_once("..")?;
        Some(from.parse().ok()?..to.parse().ok()?)
    });
    range.unwrap_or(SEEDS)
}

/// Runs `law` on every case, each on a thread with a network of its own.
fn each(law: impl Fn(&mut Host, &Case) + Copy + Send + 'static) {
    let run = |seed| {
        let case = case(seed);
        std::thread::spawn(move || law(&mut world(), &case)).join()
    };
    let broken: Vec<u64> = seeds().filter(|seed| run(*seed).is_err()).collect();
    assert!(broken.is_empty(), "seeds {broken:?}");
}

/// A private host, with the namespaces that cases expect.
pub(crate) fn world() -> Host {
    let net = Private::bare();
    let mut kernel = Kernel::new().unwrap();
    for space in SPACES {
        let fd = netns::create(space.strip_prefix("netns:").unwrap()).unwrap();
        kernel.add(Ns::new(space), fd).unwrap();
    }
    Host { net, kernel }
}

/// Builds what the case starts from.
pub(crate) fn build(host: &mut Host, case: &Case) {
    let changes = predict(&case.before, &mut host.all()).unwrap();
    host.carry_out(&changes);
}

#[test]
fn random_plans_obey_the_four_laws() {
    each(|host, case| {
        build(host, case);
        host.obey(&case.plan);
    });
}
