//! This host's share of the cluster's addresses: what of it is in use, nearly full, or to spare.
//!
//!     leases of each network ─▶ how many blocks are wanted, which are in use, which may go
//!
//! Never here: who owns what (`cluster`), how a network is made (`engine`).

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use ropewalk_cluster::own::{Journal, Local};
use ropewalk_cluster::{Memory, Place, Spares, View, Wish, wanted};
use ropewalk_engine::{Code, Engine, Fault, Paths};
use ropewalk_spec::NetworkName;

/// What the host has and wants.
pub(crate) struct Share {
    /// For the decision who owns what.
    pub(crate) local: Local,
    /// Blocks without which networks are made from now on; given up by the decision after that.
    pub(crate) let_go: BTreeSet<Place>,
}

impl Share {
    /// Looks at the leases: of every pool of every network a block is wanted, and another when what
    /// the host has is nearly full.
    pub(crate) fn look(
        paths: &Paths,
        view: &View,
        draining: bool,
        memory: &Memory,
        spares: &mut Spares,
        now: u64,
    ) -> Result<Self, Fault> {
        let (made, journal) = (&memory.made, &memory.journal);
        let leased = leased(paths, made)?;
        let pools = made.iter().flat_map(|(name, wish)| {
            wish.net.pools.iter().map(move |pool| (name.clone(), pool.net))
        });
        let pools: BTreeSet<_> = pools.collect();
        let addresses = |of: &[Vec<IpAddr>]| of.concat();
        let all: BTreeMap<_, _> =
            leased.iter().map(|(name, of)| (name.clone(), addresses(of))).collect();
        let used = used(made, journal, &leased);
        let single = Single { view, memory, leased: &all };
        let exceptions = single.wanted(spares, now);
        let freed = single.freed();
        let let_go = match journal.settling(now) {
            Some(_) => BTreeSet::new(),
            None => {
                let mut let_go = spares.let_go(journal, &pools, &all, now);
                let_go.extend(single.let_go(&exceptions));
                let_go
            }
        };
        let exceptions = single.and_made(exceptions);
        let mut local = Local { now, used, exceptions, freed, ..Local::default() };
        local.regain(view, journal, &all);
        for (name, net) in view.nets.iter().filter(|_| !draining) {
            let pools = net.value.pools.iter().map(|pool| ((name.clone(), pool.net), 1));
            local.wants.extend(pools);
        }
        for (name, pool) in pools {
            let leased = all.get(&name).map(Vec::as_slice).unwrap_or_default();
            let count = wanted(journal, &let_go, &name, &pool, leased);
            local.wants.insert((name, pool), count);
        }
        Ok(Self { local, let_go })
    }
}

/// A network and a single address of it.
type One = (NetworkName, IpAddr);

/// Single addresses: those that the host has outside its blocks, and those of its blocks that others ask
/// for.
struct Single<'a> {
    view: &'a View,
    memory: &'a Memory,
    leased: &'a BTreeMap<NetworkName, Vec<IpAddr>>,
}

impl Single<'_> {
    fn in_use(&self, (network, ip): &One) -> bool {
        self.leased.get(network).is_some_and(|all| all.contains(ip))
    }

    /// Those outside the host's blocks that sandboxes have, or that were asked for or left lately.
    fn wanted(&self, spares: &mut Spares, now: u64) -> BTreeSet<One> {
        let Memory { journal, .. } = self.memory;
        let ours = self.view.exceptions.iter().filter(|(_, one)| one.value.h == journal.host);
        let held =
            journal.exceptions.keys().map(|place| (place.network.clone(), place.block.addr()));
        let all: BTreeSet<One> = ours.map(|(one, _)| one.clone()).chain(held).collect();
        let (used, idle): (BTreeSet<One>, BTreeSet<One>) =
            all.into_iter().partition(|one| self.in_use(one));
        used.into_iter().chain(spares.lately(idle, now)).collect()
    }

    /// Those that the host has and nobody wants: networks are made without them first.
    fn let_go(&self, wanted: &BTreeSet<One>) -> BTreeSet<Place> {
        let held = self.memory.journal.exceptions.keys();
        let over = |place: &&Place| !wanted.contains(&(place.network.clone(), place.block.addr()));
        held.filter(over).cloned().collect()
    }

    /// What networks are made with is kept until they are not.
    fn and_made(&self, mut wanted: BTreeSet<One>) -> BTreeSet<One> {
        let held = self.memory.journal.exceptions.keys().filter(|place| {
            let made = self.memory.made.get(&place.network);
            made.is_some_and(|wish| wish.own.contains(&place.block))
        });
        wanted.extend(held.map(|place| (place.network.clone(), place.block.addr())));
        wanted
    }

    /// Addresses of the host's blocks that networks are made without, and nobody has.
    fn freed(&self) -> BTreeSet<One> {
        let out = self.memory.made.iter().flat_map(|(network, wish)| {
            wish.without.iter().map(move |net| (network.clone(), net.addr()))
        });
        out.filter(|one| !self.in_use(one)).collect()
    }
}

/// The addresses of each sandbox on each network that is there.
fn leased(
    paths: &Paths,
    made: &BTreeMap<NetworkName, Wish>,
) -> Result<BTreeMap<NetworkName, Vec<Vec<IpAddr>>>, Fault> {
    let engine = Engine::open(paths)?;
    let mut all = BTreeMap::new();
    for name in made.keys() {
        let rows = match engine.rows_on(name) {
            Ok(rows) => rows,
            Err(fault) if fault.code == Code::NetworkUnknown => continue,
            Err(fault) => return Err(fault),
        };
        let plain = |net: &String| net.split('/').next()?.parse().ok();
        let rows = rows.iter().map(|row| row.addresses.iter().filter_map(plain).collect());
        all.insert(name.clone(), rows.collect());
    }
    Ok(all)
}

/// A block is in use while its network is made with it: sandboxes lease from it without asking.
fn used(
    made: &BTreeMap<NetworkName, Wish>,
    journal: &Journal,
    leased: &BTreeMap<NetworkName, Vec<Vec<IpAddr>>>,
) -> BTreeMap<Place, usize> {
    let mut used = BTreeMap::new();
    for (network, wish) in made {
        let count = leased.get(network).map_or(0, |rows| rows.len().max(1));
        for block in &wish.own {
            let place = Place { network: network.clone(), block: *block };
            if journal.held.contains_key(&place) {
                used.insert(place, count);
            }
        }
    }
    used
}
