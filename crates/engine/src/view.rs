//! What people are shown: rows of plain text, the same for a table and for JSON.

use std::net::IpAddr;

use ropewalk_plan::Change;
use ropewalk_spec::{Direct, Masquerade, Mode, Network, Parent, Reach, Subnet};
use ropewalk_store::{AttachmentRecord, NetworkRecord, Origin, State};
use ropewalk_topology::{bridge_name, firewall};
use serde::Serialize;

/// A network.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct NetworkView {
    /// Its name.
    pub name: String,
    /// The word for how its sandboxes are connected: `bridge`, `routed` …
    pub mode: &'static str,
    /// `open`, `internal` or `l2`; none for a routed network, which is open.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reach: Option<&'static str>,
    /// The bridge.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bridge: Option<String>,
    /// The interface of the host that it hangs on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parent: Option<String>,
    /// How its links share that interface: `bridge`, `l3`, `id 10` …
    #[serde(skip_serializing_if = "Option::is_none")]
    pub link_mode: Option<String>,
    /// Its subnets.
    pub subnets: Vec<SubnetView>,
    /// How outgoing traffic is masqueraded: `no`, `yes` or the address.
    pub masquerade: String,
    /// How incoming traffic is masqueraded.
    pub masquerade_in: String,
    /// MTU in bytes; 0 while the network is not active and takes it from the uplink.
    pub mtu: u32,
    /// Its bridge and rules are there.
    pub active: bool,
    /// Seconds within which it has to be confirmed, or is taken back.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub confirm_within_s: Option<u64>,
    /// How many sandboxes' interfaces are on it.
    pub attachments: usize,
    /// The chains of others that would have dropped its traffic, and let it through now.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub let_through: Vec<String>,
    /// The chains of others that drop its traffic, and what their owner can do; filled when it is
    /// made.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub closed: Vec<String>,
    /// The file that defines it.
    pub origin: String,
    /// Its tunnels to other hosts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tunnel: Option<TunnelView>,
    /// What is attached; filled where one network is asked for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub sandboxes: Vec<Row>,
}

/// Tunnels of a network to other hosts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TunnelView {
    /// Its number.
    pub vni: u32,
    /// Its UDP port.
    pub port: u16,
    /// The other hosts: `192.168.1.12=10.5.2.0/24`.
    pub peers: Vec<String>,
}

/// A subnet of a network.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SubnetView {
    /// The prefix.
    pub net: String,
    /// Its gateway.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gateway: Option<String>,
    /// The first and last address that are given out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub range: Option<String>,
}

/// An attachment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Row {
    /// The sandbox, as it was named.
    pub sandbox: String,
    /// The pod that a runtime says it is: `NAMESPACE/NAME`, or a name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pod: Option<String>,
    /// The container, as the runtime that attached it calls it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub container: Option<String>,
    /// The network.
    pub network: String,
    /// The interface in the sandbox.
    pub interface: String,
    /// The host's end of the pair; none where the interface has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub leg: Option<String>,
    /// Addresses with their prefix lengths.
    pub addresses: Vec<String>,
    /// Gateways of the default routes it was given.
    pub gateway: Vec<String>,
    /// Hardware address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mac: Option<String>,
    /// MTU in bytes.
    pub mtu: u32,
    /// Published ports: `8080:80/tcp`.
    pub published: Vec<String>,
    /// How fast it may receive, in bits a second: `10M`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rate_in: Option<String>,
    /// How fast it may send.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rate_out: Option<String>,
    /// What may come to it, beside answers: `10.9.0.0/24 tcp:80`; anything when empty.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub allow_in: Vec<String>,
    /// What it may send, beside answers.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub allow_out: Vec<String>,
    /// What a DHCP server lent it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lease: Option<LeaseView>,
    /// What protection allows each of its addresses; filled by `ps`, none where it has no part.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limits: Option<Limits>,
    /// `ready`, `fenced` (nothing here answers for an address of it, which is not this host's any more),
    /// `pending` (being made, or left by a crash), `leaving`, `gone` (its sandbox is).
    pub state: &'static str,
    /// Seconds since it was made.
    pub age_s: u64,
    /// When it was made (RFC 3339).
    pub created: String,
}

/// What a DHCP server lent an attachment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LeaseView {
    /// The server.
    pub server: String,
    /// Until when (RFC 3339); none for ever.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<String>,
    /// The name servers that it told of.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub dns: Vec<String>,
}

pub(crate) fn lease(record: &AttachmentRecord) -> Option<LeaseView> {
    let lease = record.dhcp.as_ref()?.lease.as_ref()?;
    let until = lease.since_ms.saturating_add(u64::from(lease.seconds) * 1000);
    Some(LeaseView {
        server: lease.server.to_string(),
        until: (lease.seconds != u32::MAX).then(|| moment(until)),
        dns: lease.dns.iter().map(ToString::to_string).collect(),
    })
}

/// How much of what all share an address of a sandbox can take.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Limits {
    /// Connections that it began.
    pub connections: u32,
    /// Neighbours that it makes the host ask for, in a second.
    pub neighbours_per_second: u32,
    /// The same at once.
    pub neighbours_at_once: u32,
}

impl Limits {
    /// Those of every attachment.
    pub(crate) const ALL: Self = Self {
        connections: firewall::CONNECTIONS,
        neighbours_per_second: firewall::HOPS_RATE,
        neighbours_at_once: firewall::HOPS_BURST,
    };
}

/// What was done or undone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Done {
    /// `attached`, `removed` …
    pub verb: &'static str,
    /// What it was done to.
    pub object: String,
    /// More about it; may be empty.
    pub detail: String,
}

impl Done {
    pub(crate) fn new(verb: &'static str, object: impl Into<String>) -> Self {
        Self { verb, object: object.into(), detail: String::new() }
    }
    pub(crate) fn detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = detail.into();
        self
    }
}

/// Something that is not as it was made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The network or attachment that it belongs to.
    pub owner: String,
    /// The object.
    pub object: String,
    /// How it shall be.
    pub wanted: String,
    /// How it is.
    pub found: String,
    /// It has been put right.
    pub repaired: bool,
    /// What puts it right; none where nothing can, as when a sandbox is gone.
    #[serde(skip)]
    pub change: Option<Change>,
}

/// The outcome of an attach.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Attached {
    /// What it is now.
    #[serde(flatten)]
    pub row: Row,
    /// False when it was so already.
    pub changed: bool,
}

pub(crate) fn masquerade(how: Masquerade) -> String {
    match how {
        Masquerade::No => "no".into(),
        Masquerade::Yes => "yes".into(),
        Masquerade::Address { .. } => {
            how.addresses().map(|ip| ip.to_string()).collect::<Vec<_>>().join(", ")
        }
    }
}

fn subnet(subnet: &Subnet, network: &Network) -> SubnetView {
    let text = |(first, last): (IpAddr, IpAddr)| format!("{first}-{last}");
    // Of a LAN, what this host has of it.
    let share = network.share.iter().filter(|_| network.mode.on_lan());
    let ranges = share.flat_map(|share| share.ranges(subnet.is_v4()));
    let ranges = ranges.filter(|(first, _)| subnet.net.contains(first));
    let ranges: Vec<String> = ranges.chain(subnet.range).map(text).collect();
    SubnetView {
        net: subnet.net.to_string(),
        gateway: subnet.gateway.map(|ip| ip.to_string()),
        range: (!ranges.is_empty()).then(|| ranges.join(", ")),
    }
}

fn reach(mode: &Mode) -> Option<&'static str> {
    match mode {
        Mode::Bridge { reach: Reach::Open, .. } => Some("open"),
        Mode::Bridge { reach: Reach::Internal, .. } => Some("internal"),
        Mode::Bridge { reach: Reach::L2, .. } => Some("l2"),
        Mode::Uplink { .. }
        | Mode::Routed(_)
        | Mode::Flat { .. }
        | Mode::Direct(_)
        | Mode::Vxlan(_)
        | Mode::Cni { .. } => None,
    }
}

/// The bridge of a network, if it has one.
pub(crate) fn bridge(network: &Network) -> Option<String> {
    match &network.mode {
        Mode::Bridge { bridge, .. } => Some(bridge_name(network, bridge.as_ref()).to_string()),
        Mode::Uplink { .. } | Mode::Vxlan(_) => Some(bridge_name(network, None).to_string()),
        Mode::Cni { bridge } => bridge.as_ref().map(ToString::to_string),
        Mode::Routed(_) | Mode::Flat { .. } | Mode::Direct(_) => None,
    }
}

/// `network` is that of the record, with its other hosts.
pub(crate) fn network(
    record: &NetworkRecord,
    network: &Network,
    origin: String,
    attachments: usize,
) -> NetworkView {
    NetworkView {
        name: network.name.to_string(),
        mode: network.mode.word(),
        reach: reach(&network.mode),
        bridge: bridge(network),
        parent: parent(record),
        link_mode: network.mode.direct().and_then(Direct::link_mode),
        subnets: network.subnets.iter().map(|one| subnet(one, network)).collect(),
        masquerade: masquerade(network.masquerade),
        masquerade_in: masquerade(network.masquerade_in),
        mtu: record.mtu,
        active: record.state == State::Ready,
        confirm_within_s: record
            .trial_until_ms
            .map(|until| until.saturating_sub(crate::guard::boot_ms()).div_ceil(1000)),
        attachments,
        let_through: crate::beside::answered(&record.plan),
        closed: Vec::new(),
        origin,
        tunnel: tunnel(network),
        sandboxes: Vec::new(),
    }
}

fn tunnel(network: &Network) -> Option<TunnelView> {
    let tunnel = crate::tunnel::of(network)?;
    let peers = tunnel.peers.iter().map(|(host, peer)| peer.written(*host)).collect();
    Some(TunnelView { vni: tunnel.vni, port: tunnel.port, peers })
}

/// The interface that it hangs on: as it was found, else as it is defined.
fn parent(record: &NetworkRecord) -> Option<String> {
    let defined = match record.network.mode.parent() {
        Some(Parent::Named(name)) => Some(name),
        Some(Parent::Uplink | Parent::Toward(_)) | None => None,
    };
    record.parent.as_ref().or(defined).map(ToString::to_string)
}

/// How people read where a thing was declared.
pub(crate) fn origin(origin: &Origin) -> String {
    match origin {
        Origin::Command => "command line".into(),
        Origin::File(path) => path.display().to_string(),
        Origin::Cni(cni) => format!("CNI network {}", cni.network),
    }
}

pub(crate) fn state(record: &AttachmentRecord) -> &'static str {
    match record.state {
        State::Pending => "pending",
        State::Ready if record.fenced.is_empty() => "ready",
        State::Ready => "fenced",
        State::Leaving => "leaving",
    }
}

/// A moment in milliseconds since 1970, as RFC 3339.
pub(crate) fn moment(ms: u64) -> String {
    let ms = i64::try_from(ms).unwrap_or(i64::MAX);
    jiff::Timestamp::from_millisecond(ms).map(|t| format!("{t:.0}")).unwrap_or_default()
}
