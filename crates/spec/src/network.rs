//! Networks: what a network is, and the options it is read from.
//!
//!     RawNetwork { name: "web", subnet: ["10.9.0.0/24"], .. } ──check──▶ Network
//!
//! What is not given has one default, stated at the field.  A checked network writes itself back as
//! options that read equal.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};

use ipnet::{IpNet, Ipv4Net};
use serde::{Deserialize, Serialize};

use crate::combined::check_combination;
use crate::error::{Object, Problem, SpecError};
use crate::joins::Joins;
use crate::masquerade::Masquerade;
use crate::mode::{Mode, Reach};
use crate::name::NetworkName;
use crate::raw::{At, one_or_list, one_or_many};
use crate::share::Share;
use crate::subnet::{ROUTED_V4, Subnet, overlap};
use crate::subnets;
use crate::vxlan::{Peer, Vxlan};

/// A network. Made by [`RawNetwork::check`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Named", into = "Named")]
#[non_exhaustive]
pub struct Network {
    /// Its name.
    pub name: NetworkName,
    /// How its sandboxes are connected.
    pub mode: Mode,
    /// Its subnets, which do not overlap; at least one, except in [`Reach::L2`] and direct modes.
    pub subnets: Vec<Subnet>,
    /// Of packets from its sandboxes to the outside; [`Reach::Open`] masquerades unless told.
    pub masquerade: Masquerade,
    /// Of packets from the outside to its sandboxes; [`Masquerade::No`] unless told.
    pub masquerade_in: Masquerade,
    /// The MTU of its interfaces; `None` is that of the way out.
    pub mtu: Option<u32>,
    /// Whether its sandboxes get a default route; they do unless told, where there is a way out.
    pub default_route: bool,
    /// Its sandboxes get their IPv4 addresses from a server of the LAN.
    pub dhcp: bool,
    /// How many seconds such a server is waited for; [`Network::DHCP_TIMEOUT`] unless told.
    pub dhcp_timeout: Option<u32>,
    /// What its sandboxes reach beyond what every network offers.
    pub joins: Joins,
    /// Its sandboxes may use any address, and send any kind of frame.
    pub allow_spoofing: bool,
    /// Which of its addresses are this host's, where other hosts have the rest.
    pub share: Option<Share>,
}

impl Network {
    /// How many seconds a DHCP server is waited for, unless told: some make sure for two or three
    /// that nobody has an address before they offer it.
    pub const DHCP_TIMEOUT: u32 = 10;

    /// True when its sandboxes have addresses of IPv4.
    #[must_use]
    pub fn has_v4(&self) -> bool {
        self.dhcp || self.subnets.iter().any(Subnet::is_v4)
    }

    /// The gateways of its sandboxes, as far as they are known before an address is lent.
    pub fn gateways(&self) -> impl Iterator<Item = IpAddr> {
        let lent = self.dhcp && self.mode.host_leads();
        let subnets = self.subnets.iter().filter_map(|subnet| subnet.gateway);
        subnets.chain(lent.then(|| ROUTED_V4.into()))
    }

    /// The network as it is for a sandbox that a DHCP server lent the address `net`.
    #[must_use]
    pub fn lent(
        &self,
        net: Ipv4Net,
        router: Option<Ipv4Addr>,
        routes: &[(Ipv4Net, Option<Ipv4Addr>)],
    ) -> Self {
        let mut network = self.clone();
        let mut subnet = Subnet::lent(net);
        if network.mode.host_leads() {
            subnet.gateway = Some(ROUTED_V4.into());
        } else {
            subnet.gateway = router.map(IpAddr::V4);
            let route =
                |(to, via): &(Ipv4Net, Option<Ipv4Addr>)| (IpNet::from(*to), via.map(IpAddr::V4));
            subnet.routes = routes.iter().map(route).collect();
        }
        network.subnets.retain(|subnet| !subnet.is_v4());
        network.subnets.insert(0, subnet);
        network
    }

    /// True when it has a subnet of IPv6.
    #[must_use]
    pub fn has_v6(&self) -> bool {
        self.subnets.iter().any(|subnet| !subnet.is_v4())
    }

    /// The subnet that `ip` belongs to.
    #[must_use]
    pub fn subnet_of(&self, ip: std::net::IpAddr) -> Option<&Subnet> {
        self.subnets.iter().find(|subnet| subnet.net.contains(&ip))
    }

    /// True when `other` is this network but for what may change while sandboxes are on it: the
    /// peers of its tunnel, the ports that lead to them, and this host's share of its addresses.
    #[must_use]
    pub fn differs_in_peers_only(&self, other: &Self) -> bool {
        let mut same = self.clone();
        if other.share.is_some() {
            same.share.clone_from(&other.share);
        }
        if let Some((ours, theirs)) = same.mode.ways_mut().zip(other.mode.ways()) {
            ours.peers.clone_from(&theirs.peers);
            ours.far.clone_from(&theirs.far);
            if other.share.is_some() {
                same.subnets.clone_from(&other.subnets);
            }
        }
        self != other && same == *other
    }

    /// Whether an address may be leased by this host, as far as other hosts are concerned.
    #[must_use]
    pub fn shares(&self, ip: IpAddr) -> bool {
        self.share.as_ref().is_none_or(|share| share.has(ip))
    }

    /// Whether this host's part of it may be another's by now.
    #[must_use]
    pub fn fenced(&self) -> bool {
        self.share.as_ref().is_some_and(|share| share.fenced)
    }

    /// Whether an address is of this host's part of the network, to be leased or not.
    #[must_use]
    pub fn owns(&self, ip: IpAddr) -> bool {
        let own = |share: &Share| share.own.iter().any(|net| net.contains(&ip));
        self.share.as_ref().is_some_and(own)
    }

    /// True when `other` is this network, which has been alone until now, with ways to other hosts: its
    /// bridge gets a tunnel, and all that is on it stays as it is.
    #[must_use]
    pub fn grows_into(&self, other: &Self) -> bool {
        let alone = matches!(&self.mode, Mode::Bridge { bridge: None, reach: Reach::Open });
        let (mode, share) = (other.mode.clone(), other.share.clone());
        let same = Self { mode, share, ..self.clone() };
        alone && matches!(other.mode, Mode::Vxlan(_)) && same == *other
    }

    /// A subnet of this network and one of `other` that have addresses in common; of one whose other
    /// hosts stand beside its definition, all is its own.
    #[must_use]
    pub fn overlap(&self, other: &Self) -> Option<(IpNet, IpNet)> {
        let all = |network: &Self| {
            let nets = network.subnets.iter().map(|subnet| subnet.net);
            nets.chain(network.pools().iter().copied()).collect::<Vec<_>>()
        };
        let theirs = all(other);
        let mut pairs = all(self).into_iter().flat_map(|a| theirs.iter().map(move |b| (a, *b)));
        pairs.find(|(a, b)| overlap(*a, *b))
    }

    /// All addresses of all hosts, where the other hosts stand beside the definition; else none.
    #[must_use]
    pub fn pools(&self) -> &[IpNet] {
        self.share.as_ref().map(|share| share.pools.as_slice()).unwrap_or_default()
    }

    /// True when the other hosts stand beside the definition, and what leads to them beside the record.
    #[must_use]
    pub fn led(&self) -> bool {
        !self.pools().is_empty()
    }

    /// What other hosts have of it, as far as rules are concerned: that does not change from day to day.
    #[must_use]
    pub fn elsewhere(&self) -> Vec<IpNet> {
        match self.led() {
            true => self.pools().to_vec(),
            false => self.mode.ways().into_iter().flat_map(Vxlan::blocks).collect(),
        }
    }

    /// With these other hosts, if it can have any.
    ///
    /// # Errors
    /// One of them has what is this host's, or what is of no family of the network's.
    pub fn with_peers(mut self, peers: BTreeMap<IpAddr, Peer>) -> Result<Self, SpecError> {
        if let Some(ways) = self.mode.ways_mut() {
            ways.peers = peers;
            let object = Object::Network(self.name.to_string());
            ways.check(&self.subnets, At::field(&object, "peer"))?;
        }
        Ok(self)
    }

    /// Without the other hosts, where they stand beside the definition.
    #[must_use]
    pub fn bare(&self) -> Self {
        let mut bare = self.clone();
        if self.led()
            && let Some(ways) = bare.mode.ways_mut()
        {
            ways.peers.clear();
        }
        bare
    }
}

/// The options of a network as they were written.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[expect(clippy::struct_excessive_bools, reason = "each is an option that people write")]
pub struct RawNetwork {
    /// Its name. In a file it stands in the heading, `[network.NAME]`.
    #[serde(skip)]
    pub name: String,
    /// One of [`Mode::words`]; `bridge` unless given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mode: Option<String>,
    /// An existing bridge.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bridge: Option<String>,
    /// The interface of the host that the network hangs on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parent: Option<String>,
    /// How links that share an interface reach each other: the mode of a macvlan or ipvlan.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub link_mode: Option<String>,
    /// The host has a macvlan of its own.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub host_link: bool,
    /// The number of a VLAN.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vlan: Option<u32>,
    /// The user who may open a tap.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub owner: Option<u32>,
    /// The group that may.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub group: Option<u32>,
    /// A tap that several processes or threads open at a time.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub multi_queue: bool,
    /// The number of a tunnel.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vni: Option<u32>,
    /// The UDP port of a tunnel.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    /// The other ends of a tunnel: `ADDRESS=PREFIX[,PREFIX…]`.
    #[serde(deserialize_with = "one_or_many", serialize_with = "one_or_list")]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub peer: Vec<String>,
    /// Ports of this host that lead to sandboxes at other ends: `HOST-PORT:PORT[/PROTO]=ADDRESS`.
    #[serde(deserialize_with = "one_or_many", serialize_with = "one_or_list")]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub far: Vec<String>,
    /// Subnets.
    #[serde(deserialize_with = "one_or_many", serialize_with = "one_or_list")]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub subnet: Vec<String>,
    /// Gateways, at most one for each subnet; its first address unless given.
    #[serde(deserialize_with = "one_or_many", serialize_with = "one_or_list")]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub gateway: Vec<String>,
    /// Ranges to lease from, at most one for each subnet: `FIRST-LAST` or a prefix.
    #[serde(deserialize_with = "one_or_many", serialize_with = "one_or_list")]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub range: Vec<String>,
    /// No way out.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub internal: bool,
    /// No gateway.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub l2: bool,
    /// `no`, `yes`, or an address for each family.
    #[serde(deserialize_with = "one_or_many", serialize_with = "one_or_list")]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub masquerade: Vec<String>,
    /// As `masquerade`, for the other direction.
    #[serde(deserialize_with = "one_or_many", serialize_with = "one_or_list")]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub masquerade_in: Vec<String>,
    /// The MTU.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mtu: Option<u32>,
    /// Whether sandboxes get a default route.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default_route: Option<bool>,
    /// Addresses of IPv4 from a DHCP server of the LAN.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub dhcp: bool,
    /// How many seconds it is waited for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dhcp_timeout: Option<u32>,
    /// `host`, or the names of other networks.
    #[serde(deserialize_with = "one_or_many", serialize_with = "one_or_list")]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub reach: Vec<String>,
    /// No protection against what its sandboxes pretend to be.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub allow_spoofing: bool,
    /// Blocks and single addresses that are this host's, where other hosts have the rest.
    #[serde(deserialize_with = "one_or_many", serialize_with = "one_or_list")]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub own: Vec<String>,
    /// What of these is not to be leased.
    #[serde(deserialize_with = "one_or_many", serialize_with = "one_or_list")]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub without: Vec<String>,
    /// All addresses of all hosts, where who they are stands beside the definition.
    #[serde(deserialize_with = "one_or_many", serialize_with = "one_or_list")]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub pool: Vec<String>,
    /// They may be another host's by now.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub fenced: bool,
}

impl RawNetwork {
    /// Checks every option.
    ///
    /// # Errors
    /// The first option that cannot be.
    pub fn check(&self) -> Result<Network, SpecError> {
        let object = Object::Network(self.name.clone());
        let at = |field| At::field(&object, field);
        let name = NetworkName::new(self.name.as_str());
        let name = at("name").ok(name.map_err(|why| Problem::name(&self.name, why)))?;
        let mode = Mode::read(self, &object)?;
        let subnets = subnets::Reader { raw: self, mode: &mode, object: &object }.read()?;
        let joins = Joins::read(&name, &self.reach)
            .map_err(|(index, problem)| at("reach").index(index).error(problem))?;
        let share = Share::read(self, &mode, &subnets, &object)?;
        if let Some(tunnel) = mode.ways() {
            tunnel.check(&subnets, at("peer"))?;
            let pools = share.as_ref().map(|share| share.pools.as_slice()).unwrap_or_default();
            tunnel.check_far(pools, at("far"))?;
        }
        let mut network = Network {
            joins,
            allow_spoofing: self.allow_spoofing,
            share,
            name,
            mtu: self.mtu,
            masquerade: Masquerade::No,
            masquerade_in: Masquerade::No,
            default_route: self.default_route.unwrap_or(mode.leads_out()),
            dhcp: self.dhcp,
            dhcp_timeout: self.dhcp_timeout,
            mode,
            subnets,
        };
        if network.mode.masquerades() {
            network.masquerade = Masquerade::Yes;
        }
        if let Some(wish) = masquerade(at("masquerade"), &self.masquerade, &network)? {
            network.masquerade = wish;
        }
        if let Some(wish) = masquerade(at("masquerade_in"), &self.masquerade_in, &network)? {
            network.masquerade_in = wish;
        }
        check_combination(&network, &object)?;
        Ok(network)
    }
}

fn masquerade(
    at: At<'_>,
    texts: &[String],
    network: &Network,
) -> Result<Option<Masquerade>, SpecError> {
    let read =
        Masquerade::read(texts).map_err(|(index, problem)| at.index(index).error(problem))?;
    for ip in read.into_iter().flat_map(Masquerade::addresses) {
        let has = if ip.is_ipv4() { network.has_v4() } else { network.has_v6() };
        if !has {
            let index = texts.iter().position(|text| text.parse() == Ok(ip)).unwrap_or_default();
            return at.index(index).fail(Problem::Family { ip });
        }
    }
    Ok(read)
}

/// A network as a record writes it: its name among its options.
#[derive(Serialize, Deserialize)]
struct Named {
    name: String,
    #[serde(flatten)]
    options: RawNetwork,
}

impl TryFrom<Named> for Network {
    type Error = SpecError;
    fn try_from(named: Named) -> Result<Self, SpecError> {
        RawNetwork { name: named.name, ..named.options }.check()
    }
}

impl From<Network> for Named {
    fn from(network: Network) -> Self {
        Self { name: network.name.to_string(), options: network.into() }
    }
}

impl From<Network> for RawNetwork {
    fn from(network: Network) -> Self {
        let subnets = network.subnets.iter();
        let range = subnets.clone().filter_map(|subnet| subnet.range);
        let mut raw = Self {
            name: network.name.into(),
            subnet: subnets.clone().map(|subnet| subnet.net.to_string()).collect(),
            gateway: subnets::write_gateways(&network.subnets),
            range: range.map(|(first, last)| format!("{first}-{last}")).collect(),
            masquerade: network.masquerade.write(),
            masquerade_in: network.masquerade_in.write(),
            mtu: network.mtu,
            default_route: Some(network.default_route),
            dhcp: network.dhcp,
            dhcp_timeout: network.dhcp_timeout,
            reach: network.joins.write(),
            allow_spoofing: network.allow_spoofing,
            ..Self::default()
        };
        if let Some(share) = network.share {
            share.write(&mut raw);
        }
        network.mode.write(&mut raw);
        raw
    }
}
