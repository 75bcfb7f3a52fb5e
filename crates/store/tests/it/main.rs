//! What the store promises: nothing twice, nothing lost, nothing of another boot, and clear words
//! where it cannot work.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_types,
    reason = "tests fail by panicking, and start processes"
)]

mod folder;
mod lease;
mod lock;
mod port;
mod process;
mod record;

use std::path::{Path, PathBuf};

use ropewalk_facts::{IfName, Ns};
use ropewalk_plan::Plan;
use ropewalk_spec::{Network, NetworkName, RawNetwork};
use ropewalk_store::{AttachmentKey, AttachmentRecord, NetworkRecord, Origin, Stamp, State, Store};

/// A folder in memory that goes with the test.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        static NEXT: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
        let n = NEXT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let path = Path::new("/dev/shm").join(format!("rw-store-{}-{n}", std::process::id()));
        std::fs::create_dir(&path).unwrap();
        Self(path)
    }

    fn state(&self) -> PathBuf {
        self.0.join("state")
    }

    fn open(&self) -> Store {
        Store::open(&self.state(), &stamp()).unwrap()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn stamp() -> Stamp {
    Stamp { boot: "first".to_owned(), cookie: 1 }
}

fn network(subnet: &str) -> Network {
    let raw = RawNetwork {
        name: "web".to_owned(),
        subnet: vec![subnet.to_owned()],
        ..RawNetwork::default()
    };
    raw.check().unwrap()
}

fn web() -> NetworkName {
    NetworkName::new("web").unwrap()
}

fn key(ns: &str) -> AttachmentKey {
    AttachmentKey { ns: Ns::new(ns), ifname: IfName::new("eth0").unwrap() }
}

fn record(ns: &str, addresses: &[&str], publish: &[&str]) -> AttachmentRecord {
    AttachmentRecord {
        sandbox: ns.parse().unwrap(),
        ns: Ns::new(ns),
        cookie: 7,
        ifname: IfName::new("eth0").unwrap(),
        network: web(),
        leg: IfName::new("rw1").unwrap(),
        addresses: addresses.iter().map(|net| net.parse().unwrap()).collect(),
        mac: None,
        mtu: 1500,
        publish: publish.iter().map(|p| p.parse().unwrap()).collect(),
        rate_in: None,
        rate_out: None,
        allow_in: Vec::new(),
        allow_out: Vec::new(),
        default_metric: None,
        plan: Plan::new(),
        changes: Vec::new(),
        dhcp: None,
        doubtful: Vec::new(),
        doubtful_publish: Vec::new(),
        fenced: Vec::new(),
        lodged: Vec::new(),
        parts: Vec::new(),
        answer: None,
        state: State::Pending,
        made_netns: false,
        origin: Origin::Command,
        created_ms: 0,
    }
}

fn network_record(subnet: &str) -> NetworkRecord {
    NetworkRecord {
        with_definition: false,
        trial_until_ms: None,
        shared: Vec::new(),
        network: network(subnet),
        origin: Origin::File("/etc/x.toml".into()),
        uplink: None,
        parent: None,
        mtu: 1500,
        plan: Plan::new(),
        changes: Vec::new(),
        state: State::Ready,
        created_ms: 5,
    }
}

/// One attachment in one transaction: the next address, and the record that has it.
fn attach(
    store: &Store,
    network: &Network,
    ns: &str,
) -> Result<String, ropewalk_store::StoreError> {
    let mut tx = store.write()?;
    let ip = tx.lease(&network.name, &network.subnets[0], None, &key(ns))?;
    let net = network.subnets[0].on_link(ip).unwrap().to_string();
    tx.put(&record(ns, &[&net], &[]))?;
    tx.commit()?;
    Ok(ip.to_string())
}
