//! A host of its own for each test: namespaces, state folder, definitions.

use std::path::PathBuf;

use ropewalk_engine::{Attached, Code, Engine, Fault, Paths};
use ropewalk_facts::{Ns, Snapshot};
use ropewalk_kernel::{Kernel, netns};
use ropewalk_spec::{Endpoint, Network, RawEndpoint, RawNetwork};
use ropewalk_testnet::Private;

/// A host that nobody else sees.
pub(crate) struct Host {
    net: Private,
    dir: PathBuf,
}

impl Host {
    pub(crate) fn new() -> Self {
        let net = Private::enter();
        static NEXT: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
        let n = NEXT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let dir = PathBuf::from(format!("/dev/shm/rw-engine-{}-{n}", std::process::id()));
        std::fs::create_dir(&dir).unwrap();
        net.sh("sysctl -qw net.ipv4.ip_forward=0 net.ipv6.conf.all.forwarding=0");
        Self { net, dir }
    }

    pub(crate) fn paths(&self) -> Paths {
        Paths { state: self.dir.join("state"), config: self.dir.join("etc") }
    }

    pub(crate) fn engine(&self) -> Engine {
        Engine::open(&self.paths()).unwrap()
    }

    pub(crate) fn sh(&self, script: &str) -> String {
        self.net.sh(script)
    }

    /// The network it is in, for engines of others.
    pub(crate) fn net(&self) -> &Private {
        &self.net
    }

    pub(crate) fn works(&self, script: &str) -> bool {
        self.net.try_sh(script).0
    }

    /// A file of the test's own.
    pub(crate) fn file(&self, name: &str, text: &str) -> String {
        let path = self.dir.join(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    }

    /// Everything that is stated in the host and in every named namespace.
    pub(crate) fn snapshot(&self) -> Snapshot {
        let mut kernel = Kernel::new().unwrap();
        let names = netns::names().unwrap();
        for name in &names {
            let fd = netns::open_named(name).unwrap();
            kernel.add(Ns::new(format!("netns:{name}")), fd).unwrap();
        }
        let mut all = kernel.read_all(&Ns::HOST).unwrap();
        for name in &names {
            all.merge(kernel.read_all(&Ns::new(format!("netns:{name}"))).unwrap());
        }
        all.stated()
    }

    pub(crate) fn create(&self, raw: &RawNetwork) {
        self.engine().create_network(&raw.check().unwrap()).unwrap();
    }

    pub(crate) fn attach(&self, sandbox: &str, network: &str) -> Result<Attached, Fault> {
        self.engine().attach(&endpoint(sandbox, network, &[]))
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.dir);
    }
}

/// A network as the command line would make it.
pub(crate) fn bridge(name: &str, subnets: &[&str]) -> RawNetwork {
    let subnet = subnets.iter().map(ToString::to_string).collect();
    RawNetwork { name: name.into(), subnet, ..RawNetwork::default() }
}

/// The same without a bridge.
pub(crate) fn routed(name: &str, subnets: &[&str]) -> RawNetwork {
    RawNetwork { mode: Some("routed".into()), ..bridge(name, subnets) }
}

/// One with addresses of the LAN of `attach::outside`.
pub(crate) fn flat(name: &str) -> RawNetwork {
    let range = ["10.0.0.50-10.0.0.59", "fd00:aa::50-fd00:aa::59"];
    RawNetwork {
        mode: Some("flat".into()),
        range: range.map(str::to_owned).into(),
        ..bridge(name, &["10.0.0.0/24", "fd00:aa::/64"])
    }
}

pub(crate) fn network(raw: &RawNetwork) -> Network {
    raw.check().unwrap()
}

pub(crate) fn endpoint(sandbox: &str, network: &str, publish: &[&str]) -> Endpoint {
    let publish = publish.iter().map(ToString::to_string).collect();
    let (sandbox, network) = (sandbox.into(), network.into());
    RawEndpoint { sandbox, network, publish, ..RawEndpoint::default() }.check().unwrap()
}

/// The code and the text of a fault.
pub(crate) fn said<T: std::fmt::Debug>(result: Result<T, Fault>) -> (Code, String) {
    let fault = result.unwrap_err();
    (fault.code, fault.to_string())
}

/// The difference of two snapshots, a line each.
pub(crate) fn differences(before: &Snapshot, after: &Snapshot) -> Vec<String> {
    let gone =
        before.iter().filter(|fact| !after.contains(&fact.key())).map(|f| format!("- {f:?}"));
    let new = after.iter().filter(|fact| before.fact(&fact.key()) != Some(*fact));
    let new = new.map(|fact| format!("+ {fact:?} (was {:?})", before.fact(&fact.key())));
    gone.chain(new).collect()
}

/// Asserts that nothing differs.
pub(crate) fn same(before: &Snapshot, after: &Snapshot) {
    let none: Vec<String> = Vec::new();
    assert_eq!(differences(before, after), none);
}
