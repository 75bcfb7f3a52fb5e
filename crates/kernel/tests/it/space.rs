//! A private host with two sandboxes, and changes made by hand.

use ropewalk_facts::{Body, Fact, Id, IfName, Key, Link, LinkKind, Mac, Ns, Peer, Snapshot};
use ropewalk_kernel::{Kernel, netns};
use ropewalk_plan::Change;
use ropewalk_testnet::Private;

/// The host with the namespaces `red` and `blue`, all open.
pub(crate) struct Host {
    pub(crate) net: Private,
    pub(crate) kernel: Kernel,
}

pub(crate) fn red() -> Ns {
    Ns::new("netns:red")
}

pub(crate) fn blue() -> Ns {
    Ns::new("netns:blue")
}

pub(crate) fn name(text: &str) -> IfName {
    IfName::new(text).unwrap()
}

pub(crate) fn mac(last: u8) -> Option<Mac> {
    Some(Mac([2, 0, 0, 0, 0, last]))
}

pub(crate) fn link(text: &str, kind: LinkKind) -> Link {
    Link::up(name(text), kind)
}

/// `here` with its other end `there` in `ns`.
pub(crate) fn veth(here: &str, ns: &Ns, there: &str) -> Link {
    link(here, LinkKind::Veth { peer: Some(Peer { ns: ns.clone(), name: name(there) }) })
}

/// As the other end of a pair is born.
pub(crate) fn born(link: &Link) -> Link {
    let (master, alias) = (None, None);
    Link { up: false, master, altnames: [].into(), alias, group: 0, ..link.clone() }
}

pub(crate) fn create(ns: &Ns, body: Body) -> Change {
    change(None, Some(body.at(ns.clone())))
}

pub(crate) fn alter(ns: &Ns, old: Body, new: Body) -> Change {
    change(Some(old.at(ns.clone())), Some(new.at(ns.clone())))
}

pub(crate) fn delete(ns: &Ns, body: Body) -> Change {
    change(Some(body.at(ns.clone())), None)
}

pub(crate) fn implied(change: Change) -> Change {
    Change { implied: true, ..change }
}

fn change(old: Option<Fact>, new: Option<Fact>) -> Change {
    let key = old.as_ref().or(new.as_ref()).unwrap().key();
    Change { key, old, new, implied: false }
}

impl Host {
    pub(crate) fn new() -> Self {
        let net = Private::enter();
        let mut kernel = Kernel::new().unwrap();
        for name in ["red", "blue"] {
            kernel.add(Ns::new(format!("netns:{name}")), netns::create(name).unwrap()).unwrap();
        }
        Self { net, kernel }
    }

    /// The private host that a parent process has made.
    pub(crate) fn here() -> Self {
        let mut host = Self { net: Private::inherited(), kernel: Kernel::new().unwrap() };
        host.open_new();
        host
    }

    /// A pair `leg` here, `eth0` in red, both up.
    pub(crate) fn pair(&mut self) {
        let (leg, eth0) = (veth("leg", &red(), "eth0"), veth("eth0", &Ns::HOST, "leg"));
        self.run(&[
            create(&Ns::HOST, Body::Link(leg)),
            implied(create(&red(), Body::Link(born(&eth0)))),
            alter(&red(), Body::Link(born(&eth0)), Body::Link(eth0)),
        ]);
    }

    pub(crate) fn run(&mut self, changes: &[Change]) {
        self.kernel.execute(changes).unwrap();
    }

    /// The fact about `key`, asked for by itself.
    pub(crate) fn found(&mut self, key: &Key) -> Option<Fact> {
        let found = self.kernel.read_keys(std::slice::from_ref(key)).unwrap();
        assert!(found.len() <= 1, "{found:?}");
        found.fact(key).cloned()
    }

    pub(crate) fn link(&mut self, ns: &Ns, text: &str) -> Option<Link> {
        let fact = self.found(&Id::Link(name(text)).at(ns.clone()))?;
        Some(fact.body.as_link().unwrap().clone())
    }

    /// Everything in all open namespaces, and their names.
    pub(crate) fn all(&mut self) -> Snapshot {
        let mut all = netns::facts().unwrap();
        let open: Vec<Ns> = self.kernel.open().cloned().collect();
        for ns in open {
            all.merge(self.kernel.read_all(&ns).unwrap());
        }
        all
    }

    /// Opens the namespaces that were made under a name by somebody else, and lets go of those
    /// whose name is gone.
    pub(crate) fn open_new(&mut self) {
        let names = netns::names().unwrap();
        let open: Vec<Ns> = self.kernel.open().cloned().collect();
        for ns in open.iter().filter(|ns| !ns.is_host()) {
            if !names.iter().any(|name| ns.as_str().strip_prefix("netns:") == Some(name)) {
                self.kernel.forget(ns);
            }
        }
        for name in names {
            let ns = Ns::new(format!("netns:{name}"));
            if !open.contains(&ns) {
                self.kernel.add(ns, netns::open_named(&name).unwrap()).unwrap();
            }
        }
    }

    /// Makes `body`, which has to be found then, by its key and among all, and cannot be made again
    /// unless it could have been learned; removes it, and everything must be as before.
    pub(crate) fn comes_and_goes(&mut self, ns: &Ns, body: Body) {
        let before = self.all();
        self.run(&[create(ns, body.clone())]);
        let fact = body.clone().at(ns.clone());
        assert_eq!(self.found(&fact.key()), Some(fact.clone()));
        assert_eq!(self.all().fact(&fact.key()), Some(&fact));
        if !matches!(body, Body::Neigh(_) | Body::Fdb(_)) {
            let again = self.kernel.execute(&[create(ns, body.clone())]).unwrap_err();
            // A second key of a u32 filter is refused for want of a place.
            let filter = matches!(body, Body::Filter(_));
            let refusal = if filter { "ENOSPC" } else { "EEXIST" };
            assert_eq!(again.error.errno().unwrap().to_string(), refusal, "{again:?}");
        }
        self.run(&[delete(ns, body)]);
        assert_eq!(self.found(&fact.key()), None);
        same(&before.stated(), &self.all().stated());
    }
}

/// Fails with the facts that differ.
pub(crate) fn same(a: &Snapshot, b: &Snapshot) {
    let only = |x: &Snapshot, y: &Snapshot| {
        let all = x.iter().filter(|f| y.fact(&f.key()) != Some(f));
        all.map(|f| format!("{f:?}\n")).collect::<String>()
    };
    let (gone, come) = (only(a, b), only(b, a));
    assert!(gone.is_empty() && come.is_empty(), "before:\n{gone}after:\n{come}");
}
