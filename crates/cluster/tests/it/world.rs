//! Hosts, a store, and a network between them that loses, delays and repeats.
//!
//! A host's disk is its journal and the addresses it has in use; what it knows of the store goes
//! when it crashes.  What is checked: no address is answered for twice, unless that was said.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use ropewalk_cluster::keep::memory::Memory;
use ropewalk_cluster::keep::{Compare, Txn, Write};
use ropewalk_cluster::own::{
    Alarm, Decision, HeldState, Journal, Local, Standing, decide, removal,
};
use ropewalk_cluster::{Block, BlockState, Host, HostId, Key, Net, PREFIX, Place, Pool, View};

/// The pool: sixteen blocks of eight addresses.
const POOL: &str = "10.5.0.0/25";
const LEN: u8 = 29;

/// A chance that is the same for the same seed.
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    pub(crate) fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((z ^ (z >> 31)) % u64::try_from(sides).unwrap()).unwrap()
    }
}

/// A host.
pub(crate) struct Machine {
    pub(crate) journal: Journal,
    pub(crate) view: Option<View>,
    pub(crate) used: BTreeSet<IpAddr>,
    /// What of it nothing answers for: the host was removed, and it is not its own again.
    pub(crate) fenced: BTreeSet<IpAddr>,
    pub(crate) wants: usize,
    pub(crate) exceptions: BTreeSet<IpAddr>,
    pub(crate) alarms: BTreeSet<Alarm>,
}

/// Everything.
pub(crate) struct World {
    pub(crate) store: Memory,
    pub(crate) hosts: Vec<Machine>,
    /// Sent, and not there yet.
    pub(crate) under_way: Vec<Txn>,
    pub(crate) now: u64,
    /// By how much the hosts' clocks are wrong, in seconds; those that are not named are right.
    pub(crate) skew: Vec<i64>,
    pub(crate) backups: Vec<Memory>,
    /// The store has forgotten something once.
    pub(crate) restored: bool,
    /// Removed, and not aware of it: what it has in use may be another's.
    pub(crate) unaware: BTreeSet<usize>,
}

impl World {
    pub(crate) fn new(hosts: usize) -> Self {
        let mut store = Memory::default();
        let mode = Some("routed".to_owned());
        let spec = ropewalk_spec::RawNetwork { mode, ..Default::default() };
        let pool = Pool { net: POOL.parse().unwrap(), len: LEN, exclude: Vec::new() };
        let net = Net { spec, pools: vec![pool] };
        let key = Key::Net("web".parse().unwrap()).to_string();
        let writes = vec![Write::Put(key.clone(), serde_json::to_vec(&net).unwrap())];
        store.txn(&Txn { compares: vec![Compare::Absent(key)], writes });
        let machine = |n: usize| {
            let me = Host {
                name: format!("h{n}"),
                token: format!("t{n}"),
                generation: 1,
                addresses: Vec::new(),
                mtu: None,
            };
            Machine {
                journal: Journal::new(id(n), me, "c".into()),
                view: None,
                used: BTreeSet::new(),
                fenced: BTreeSet::new(),
                wants: 1,
                exceptions: BTreeSet::new(),
                alarms: BTreeSet::new(),
            }
        };
        Self {
            backups: vec![store.clone()],
            store,
            hosts: (0..hosts).map(machine).collect(),
            under_way: Vec::new(),
            now: 1_000_000,
            skew: Vec::new(),
            restored: false,
            unaware: BTreeSet::new(),
        }
    }

    /// The host lists the store.
    pub(crate) fn list(&mut self, n: usize) {
        self.hosts[n].view = Some(View::new(&self.store.list(PREFIX)));
    }

    /// The host hears of some of what changed since.
    pub(crate) fn hear(&mut self, n: usize, share: usize, of: usize) {
        let Some(view) = &mut self.hosts[n].view else { return };
        let Some(events) = self.store.since(view.revision + 1) else { return self.list(n) };
        let most = (events.len() * share).div_ceil(of);
        // What one transaction wrote is heard of at once.
        let until = events.get(most.saturating_sub(1)).map(|(revision, _)| *revision);
        for (revision, event) in events.iter().filter(|(at, _)| Some(*at) <= until) {
            view.take(*revision, event);
        }
    }

    /// What a host takes for the time.
    fn clock(&self, n: usize) -> u64 {
        self.now.saturating_add_signed(self.skew.get(n).copied().unwrap_or_default())
    }

    pub(crate) fn local(&self, n: usize) -> Local {
        let host = &self.hosts[n];
        let web: ropewalk_spec::NetworkName = "web".parse().unwrap();
        let mut used: BTreeMap<Place, usize> = BTreeMap::new();
        for ip in &host.used {
            let block = ipnet::IpNet::new(*ip, LEN).unwrap().trunc();
            *used.entry(Place { network: web.clone(), block }).or_default() += 1;
        }
        // What is leased no more, as it was written down, and nobody has.
        let out = host.journal.held.values().flat_map(|held| &held.without);
        let freed =
            out.filter(|ip| !host.used.contains(*ip)).map(|ip| (web.clone(), *ip)).collect();
        let mut exceptions: BTreeSet<_> =
            host.exceptions.iter().map(|ip| (web.clone(), *ip)).collect();
        let single = |ip: &&IpAddr| {
            let place = Place { network: web.clone(), block: (**ip).into() };
            let known = host.view.as_ref().and_then(|v| v.exceptions.get(&(web.clone(), **ip)));
            host.journal.exceptions.contains_key(&place)
                || known.is_some_and(|known| known.value.h == host.journal.host)
        };
        exceptions.extend(host.used.iter().filter(single).map(|ip| (web.clone(), *ip)));
        let mut local = Local {
            freed,
            now: self.clock(n),
            wants: BTreeMap::from([((web.clone(), POOL.parse().unwrap()), host.wants)]),
            used,
            exceptions,
            ..Local::default()
        };
        if let Some(view) = &host.view {
            let leased = BTreeMap::from([(web, host.used.iter().copied().collect())]);
            local.regain(view, &host.journal, &leased);
        }
        local
    }

    /// The host decides, writes down, and sends the first so many.
    pub(crate) fn decide(&mut self, n: usize, most: usize) -> usize {
        let Some(view) = self.hosts[n].view.clone() else { return 0 };
        let Decision { journal, txns, alarms } =
            decide(&view, &self.hosts[n].journal, &self.local(n));
        let again = decide(&view, &journal, &self.local(n));
        let once_more = decide(&view, &again.journal, &self.local(n));
        assert_eq!(once_more.journal.held, again.journal.held, "nothing new, and it goes on");
        for (place, held) in &self.hosts[n].journal.held {
            let kept = journal.held.contains_key(place);
            let used = self.local(n).used.contains_key(place);
            assert!(kept || !used, "{place} is in use and was dropped");
            let left = journal.held.get(place).is_some_and(|h| h.state == HeldState::Leaving);
            assert!(
                !left || !used || held.state == HeldState::Leaving,
                "{place} left while in use"
            );
        }
        let host = &mut self.hosts[n];
        let changed = host.journal != journal;
        host.journal = journal;
        host.alarms = alarms;
        if host.journal.standing == Standing::Removed {
            // What is attached stays, and nothing answers for it.
            let single =
                |ip: &IpAddr| host.journal.exceptions.keys().any(|place| place.block.contains(ip));
            host.used.extend(std::mem::take(&mut host.exceptions).into_iter().filter(single));
            host.fenced.clone_from(&host.used);
            self.unaware.remove(&n);
        }
        self.lift(n);
        let count = txns.len() + usize::from(changed);
        for txn in &txns {
            assert!(!txn.compares.is_empty(), "a transaction relies on something");
        }
        self.under_way.extend(txns.into_iter().take(most));
        count
    }

    /// What is the host's own again is answered for.
    fn lift(&mut self, n: usize) {
        let (web, now) = ("web".parse().unwrap(), self.clock(n));
        let host = &mut self.hosts[n];
        if host.journal.settling(now).is_some() {
            return;
        }
        let journal = &host.journal;
        let own: Vec<IpAddr> = host.fenced.extract_if(.., |ip| journal.leases(&web, *ip)).collect();
        own.into_iter().for_each(|ip| self.check(ip, n));
    }

    /// A sandbox goes.
    pub(crate) fn detach(&mut self, n: usize, ip: IpAddr) {
        self.hosts[n].used.remove(&ip);
        self.hosts[n].fenced.remove(&ip);
    }

    /// A transaction that is under way arrives; it may arrive once more later.
    pub(crate) fn arrive(&mut self, which: usize, again: bool) {
        if self.under_way.is_empty() {
            return;
        }
        let which = which % self.under_way.len();
        let txn =
            if again { self.under_way[which].clone() } else { self.under_way.swap_remove(which) };
        let first = self.store.txn(&txn);
        if matches!(first, ropewalk_cluster::keep::Outcome::Done(_)) {
            let second = self.store.clone().txn(&txn);
            assert!(
                matches!(second, ropewalk_cluster::keep::Outcome::Refused(_)),
                "does its work twice: {txn:?}"
            );
        }
    }

    /// A sandbox is attached, with the store away or not.
    pub(crate) fn attach(&mut self, n: usize, dice: &mut Dice) {
        let web = "web".parse().unwrap();
        let held = &self.hosts[n].journal.held;
        if held.is_empty() {
            return;
        }
        let place = held.keys().nth(dice.roll(held.len())).unwrap();
        let hosts: Vec<IpAddr> = place.block.hosts().collect();
        let ip = hosts[dice.roll(hosts.len())];
        let host = &mut self.hosts[n];
        let free = !host.exceptions.contains(&ip) && !host.fenced.contains(&ip);
        if host.journal.leases(&web, ip) && free {
            host.used.insert(ip);
            self.check(ip, n);
        }
    }

    pub(crate) fn use_exception(&mut self, n: usize) {
        let web = "web".parse().unwrap();
        let host = &self.hosts[n];
        let wished = host.exceptions.iter().copied().find(|ip| host.journal.leases(&web, *ip));
        if let Some(ip) = wished {
            self.check(ip, n);
        }
    }

    /// The address that host `n` begins to use is nobody else's.
    fn check(&self, ip: IpAddr, n: usize) {
        if self.restored {
            return;
        }
        let web = "web".parse().unwrap();
        for (other, host) in self.hosts.iter().enumerate() {
            let excepted = host.exceptions.contains(&ip) && host.journal.leases(&web, ip);
            let uses = host.used.contains(&ip) && !host.fenced.contains(&ip) || excepted;
            let aware = !self.unaware.contains(&other) && !self.unaware.contains(&n);
            assert!(other == n || !uses || !aware, "{ip} is in use on {n} and {other}");
        }
    }

    /// A step of somebody who removes a host.
    pub(crate) fn remove(&mut self, n: usize) {
        let view = View::new(&self.store.list(PREFIX));
        if view.hosts.contains_key(&id(n)) {
            self.unaware.insert(n);
        }
        if let Some(txn) = removal(&view, &id(n), self.now) {
            self.store.txn(&txn);
        }
    }

    pub(crate) fn rejoin(&mut self, n: usize) {
        let host = &mut self.hosts[n];
        if host.journal.standing == Standing::Removed {
            let token = format!("{}+", host.journal.me.token);
            host.journal.rejoin(token);
        }
    }

    pub(crate) fn crash(&mut self, n: usize) {
        self.hosts[n].view = None;
    }

    /// The store is put back to what it was; all that was under way is lost with its connections.
    pub(crate) fn restore(&mut self, to: Memory) {
        self.restored = true;
        self.store = to;
        self.under_way.clear();
        self.hosts.iter_mut().for_each(|host| host.view = None);
    }

    /// Everybody hears, decides and is heard, until nothing is left to do.
    pub(crate) fn rest(&mut self) {
        for _ in 0..60 {
            self.now += 30;
            let mut busy = !self.under_way.is_empty();
            while !self.under_way.is_empty() {
                self.arrive(0, false);
            }
            for n in 0..self.hosts.len() {
                // Those removed halfway are removed.
                let view = View::new(&self.store.list(PREFIX));
                while view.gone.contains_key(&id(n)) && !view.hosts.contains_key(&id(n)) {
                    let view = View::new(&self.store.list(PREFIX));
                    let Some(txn) = removal(&view, &id(n), self.now) else { break };
                    self.store.txn(&txn);
                    busy = true;
                }
                self.list(n);
                busy |= self.decide(n, usize::MAX) > 0;
                while !self.under_way.is_empty() {
                    self.arrive(0, false);
                }
            }
            let clock = |n: usize| self.clock(n);
            let mut hosts = self.hosts.iter().enumerate();
            let settling = hosts.any(|(n, host)| host.journal.settling(clock(n)).is_some());
            if !busy && !settling {
                return self.agree();
            }
        }
        let waiting: Vec<_> = self.hosts.iter().map(|host| (&host.alarms, &host.journal)).collect();
        panic!("it does not come to rest: {waiting:#?} {:#?}", View::new(&self.store.list(PREFIX)));
    }

    /// At rest, store and hosts say the same, and two users of one address know of it.
    fn agree(&self) {
        let view = View::new(&self.store.list(PREFIX));
        for (n, host) in self.hosts.iter().enumerate() {
            if host.journal.standing != Standing::Member {
                continue;
            }
            for (place, held) in &host.journal.held {
                let Block { h, generation, state, .. } = &view.blocks[place].value;
                match held.state {
                    HeldState::Own => {
                        assert_eq!((h, *generation), (&id(n), held.generation), "{place}");
                        assert_eq!(*state, BlockState::Own);
                    }
                    HeldState::Disputed => {
                        assert!(host.alarms.iter().any(|a| matches!(a, Alarm::Disputed { .. })));
                    }
                    HeldState::Leaving => panic!("{place} is still leaving"),
                }
            }
            let satisfied = host.journal.held.values().any(|held| held.state == HeldState::Own);
            let exhausted = host.alarms.iter().any(|a| matches!(a, Alarm::Exhausted { .. }));
            assert!(satisfied || exhausted || host.wants == 0, "host {n} has no block");
        }
        for (place, block) in &view.blocks {
            if block.value.state == BlockState::Own {
                let owner =
                    self.hosts.iter().find(|host| host.journal.host == block.value.h).unwrap();
                let held = owner.journal.held.contains_key(place);
                assert!(held, "{place} is lost to everybody: {block:?} {:#?}", owner.journal);
                assert_eq!(owner.journal.standing, Standing::Member, "{place} is a removed host's");
            }
        }
        self.no_address_twice();
    }

    fn no_address_twice(&self) {
        let mut users: BTreeMap<IpAddr, Vec<usize>> = BTreeMap::new();
        for (n, host) in self.hosts.iter().enumerate() {
            let answered = host.used.difference(&host.fenced);
            answered.for_each(|ip| users.entry(*ip).or_default().push(n));
        }
        for (ip, hosts) in users.iter().filter(|(_, hosts)| hosts.len() > 1) {
            assert!(self.restored, "{ip} is in use on {hosts:?}");
            let taken = |alarm: &Alarm| matches!(alarm, Alarm::Taken { ip: of, .. } if of == ip);
            if hosts.iter().any(|n| self.hosts[*n].alarms.iter().any(taken)) {
                // By number on the one, of a block on the other, which says so.
                continue;
            }
            for n in hosts {
                let said = self.hosts[*n].alarms.iter().any(
                    |alarm| matches!(alarm, Alarm::Disputed { place, .. } if place.block.contains(ip)),
                );
                assert!(said, "{ip} is in use on {hosts:?}, and {n} does not know");
            }
        }
    }
}

pub(crate) fn id(n: usize) -> HostId {
    HostId::new(u128::try_from(n).unwrap() + 1)
}
