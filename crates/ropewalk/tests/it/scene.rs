//! Everything that a host is, a line for each object: two scenes are equal or differ by lines.
//!
//!     the host and every named namespace: what is stated in the kernel
//!     /run/netns · definitions of networks · what `ps` and `network ls` show
//!
//! A line holds no time. A hardware address that the kernel chose for an end of ours is left out.

use std::collections::BTreeMap;
use std::fs;

use ropewalk_engine::{Engine, Paths, Row};
use ropewalk_facts::{Body, Fact, LinkKind, Ns, Snapshot};
use ropewalk_kernel::{Kernel, netns};

use crate::host::Host;

/// How many differences a test that fails shows.
const SHOWN: usize = 25;

/// Everything, to be compared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Scene {
    /// What the kernel says.
    facts: Snapshot,
    /// What files and commands say: object → how it is.
    lines: BTreeMap<String, String>,
}

impl Host {
    /// Everything, as it is now.
    pub(crate) fn scene(&self) -> Scene {
        let mut lines = files();
        let mut engine = self.engine();
        for mut row in engine.ps().expect("attachments") {
            (row.age_s, row.leg, row.lease) = (0, None, None);
            row.created.clear();
            lines.insert(format!("ps {} {}", row.sandbox, row.interface), format!("{row:?}"));
        }
        for row in engine.networks().expect("networks") {
            lines.insert(format!("network {}", row.name), format!("{row:?}"));
        }
        Scene { facts: facts(), lines }
    }

    /// The engine, in this process: what is looked at often is looked at faster.
    pub(crate) fn engine(&self) -> Engine {
        let paths = Paths { state: "/run/ropewalk".into(), config: "/etc/ropewalk".into() };
        Engine::open(&paths).expect("the engine")
    }

    /// The first attachment.
    pub(crate) fn row(&self) -> Row {
        self.engine().ps().expect("attachments").remove(0)
    }

    /// Renews leases as if it were so many seconds later.
    pub(crate) fn renews(&self, seconds: u64) {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        let now = u64::try_from(now.expect("after 1970").as_millis()).expect("before long");
        let done = self.engine().renew_at(now + seconds * 1000).expect("renewal");
        let faults = done.map(|done| done.faults).unwrap_or_default();
        assert!(faults.is_empty(), "{faults:?}");
    }

    /// Nothing is amiss, and nothing is left to be cleaned up.
    pub(crate) fn is_healthy(&self, when: &str) {
        assert_eq!(self.engine().check(), Ok(Vec::new()), "{when}: check");
        assert_eq!(self.engine().gc(), Ok(Vec::new()), "{when}: gc");
    }
}

impl Scene {
    /// What the kernel says alone.
    pub(crate) fn of_the_kernel(self) -> Self {
        Self { lines: BTreeMap::new(), ..self }
    }

    /// What is in one and not in the other, a line each.
    fn differences(&self, other: &Self) -> Vec<String> {
        let (ours, theirs) = (self.text(), other.text());
        let only = |a: &BTreeMap<String, String>, b: &BTreeMap<String, String>, sign| {
            let missing = a.iter().filter(|(object, how)| b.get(*object) != Some(how));
            missing.map(|(object, how)| format!("{sign} {object}  {how}")).collect::<Vec<_>>()
        };
        [only(&ours, &theirs, '-'), only(&theirs, &ours, '+')].concat()
    }

    fn text(&self) -> BTreeMap<String, String> {
        let facts = self.facts.iter();
        let facts = facts.map(|fact| (fact.key().to_string(), format!("{:?}", fact.body)));
        facts.chain(self.lines.clone()).collect()
    }

    /// Fails unless `now` is the same.
    pub(crate) fn same(&self, now: &Self, when: &str) {
        if self == now {
            return;
        }
        let differences = self.differences(now);
        let first: Vec<&str> = differences.iter().take(SHOWN).map(String::as_str).collect();
        panic!("{when}: {} differences\n{}", differences.len(), first.join("\n"));
    }
}

/// What is stated in the host and in each named namespace.
pub(crate) fn facts() -> Snapshot {
    let mut kernel = Kernel::new().expect("a kernel");
    let names = netns::names().expect("/run/netns");
    let spaces: Vec<Ns> = names.iter().filter_map(|name| open(&mut kernel, name)).collect();
    let mut all = kernel.read_all(&Ns::HOST).expect("the host is read");
    for ns in &spaces {
        all.merge(kernel.read_all(ns).expect("a sandbox is read"));
    }
    all.stated().iter().map(masked).collect()
}

/// Opens a named namespace; a file that is none has no facts.
fn open(kernel: &mut Kernel, name: &str) -> Option<Ns> {
    let ns = Ns::new(format!("netns:{name}"));
    kernel.add(ns.clone(), netns::open_named(name).ok()?).ok()?;
    Some(ns)
}

/// Without the hardware address of a leg, which no plan states.
fn masked(fact: &Fact) -> Fact {
    let mut fact = fact.clone();
    if let Body::Link(link) = &mut fact.body
        && matches!(link.kind, LinkKind::Veth { .. })
        && link.altnames.iter().any(|name| name.starts_with("ropewalk."))
    {
        link.mac = None;
    }
    fact
}

/// The names of namespaces, and the definitions of networks.
fn files() -> BTreeMap<String, String> {
    let names = netns::names().expect("/run/netns").into_iter();
    let mut lines: BTreeMap<String, String> =
        names.map(|name| (format!("/run/netns/{name}"), "there".into())).collect();
    let definitions = fs::read_dir("/etc/ropewalk/networks").into_iter().flatten().flatten();
    for path in definitions.map(|entry| entry.path()) {
        let text = fs::read_to_string(&path).expect("a file of text");
        lines.insert(path.display().to_string(), text);
    }
    lines
}
