//! Networks: what a network is, and the options it is read from.
//!
//!     RawNetwork { name: "web", subnet: ["10.9.0.0/24"], .. } ──check──▶ Network
//!
//! What is not given has one default, stated at the field.  A checked network writes itself back as
//! options that read equal.

use ipnet::IpNet;
use ropewalk_facts::IfName;
use serde::{Deserialize, Serialize};

use crate::error::{Form, Object, Problem, SpecError};
use crate::masquerade::Masquerade;
use crate::name::NetworkName;
use crate::raw::{At, one_or_list, one_or_many};
use crate::subnet::{Subnet, overlap};
use crate::subnets;

/// A network. Made by [`RawNetwork::check`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Named", into = "Named")]
#[non_exhaustive]
pub struct Network {
    /// Its name.
    pub name: NetworkName,
    /// How its sandboxes are connected.
    pub mode: Mode,
    /// Its subnets, which do not overlap; at least one, except in [`Reach::L2`].
    pub subnets: Vec<Subnet>,
    /// Of packets from its sandboxes to the outside; [`Reach::Open`] masquerades unless told.
    pub masquerade: Masquerade,
    /// Of packets from the outside to its sandboxes; [`Masquerade::No`] unless told.
    pub masquerade_in: Masquerade,
    /// The MTU of its interfaces; `None` is that of the way out.
    pub mtu: Option<u32>,
    /// Whether its sandboxes get a default route; they do unless told, where there is a way out.
    pub default_route: bool,
}

/// How the sandboxes of a network are connected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mode {
    /// As members of a bridge.
    Bridge {
        /// A bridge that is there already; else the network makes its own.
        bridge: Option<IfName>,
        /// How far its sandboxes reach.
        reach: Reach,
    },
    /// By a host route to each, without a bridge.
    Routed,
}

/// How far the sandboxes of a bridge reach.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// To each other, the host, and what the host reaches.
    Open,
    /// To each other and the host: no way out.
    Internal,
    /// To each other: no gateway, no address on the bridge.
    L2,
}

impl Network {
    /// How far its sandboxes reach; those of a routed network reach everything.
    #[must_use]
    pub fn reach(&self) -> Reach {
        match &self.mode {
            Mode::Bridge { reach, .. } => *reach,
            Mode::Routed => Reach::Open,
        }
    }

    /// True when it has a subnet of IPv4.
    #[must_use]
    pub fn has_v4(&self) -> bool {
        self.subnets.iter().any(Subnet::is_v4)
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

    /// A subnet of this network and one of `other` that have addresses in common.
    #[must_use]
    pub fn overlap(&self, other: &Self) -> Option<(IpNet, IpNet)> {
        let ours = self.subnets.iter().map(|subnet| subnet.net);
        let mut pairs = ours.flat_map(|a| other.subnets.iter().map(move |b| (a, b.net)));
        pairs.find(|(a, b)| overlap(*a, *b))
    }
}

/// The options of a network as they were written.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RawNetwork {
    /// Its name. In a file it stands in the heading, `[network.NAME]`.
    #[serde(skip)]
    pub name: String,
    /// `bridge` (unless given) or `routed`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mode: Option<String>,
    /// An existing bridge.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bridge: Option<String>,
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
        let mode = self.mode(&object)?;
        let subnets = subnets::Reader { raw: self, mode: &mode, object: &object }.read()?;
        let open = !matches!(mode, Mode::Bridge { reach: Reach::Internal | Reach::L2, .. });
        let mut network = Network {
            name,
            mtu: self.mtu,
            masquerade: Masquerade::No,
            masquerade_in: Masquerade::No,
            default_route: self.default_route.unwrap_or(open),
            mode,
            subnets,
        };
        if matches!(network.mode, Mode::Bridge { reach: Reach::Open, .. }) {
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

    fn mode(&self, object: &Object) -> Result<Mode, SpecError> {
        let at = |field| At::field(object, field);
        let name = |text: &String| {
            IfName::new(text.as_str()).map_err(|why| at("bridge").error(Problem::name(text, why)))
        };
        let bridge = self.bridge.as_ref().map(name).transpose()?;
        let reach = match (self.internal, self.l2) {
            (true, true) => return at("l2").fail(Problem::Conflict { with: "internal" }),
            (true, false) => Reach::Internal,
            (false, true) => Reach::L2,
            (false, false) => Reach::Open,
        };
        match self.mode.as_deref() {
            None | Some("bridge") => Ok(Mode::Bridge { bridge, reach }),
            Some("routed") => {
                let odd =
                    [("bridge", bridge.is_some()), ("internal", self.internal), ("l2", self.l2)];
                match odd.into_iter().find(|(_, given)| *given) {
                    Some((field, _)) => at(field).fail(Problem::Conflict { with: "mode routed" }),
                    None => Ok(Mode::Routed),
                }
            }
            Some(text) => at("mode").fail(Problem::unreadable(text, Form::Mode)),
        }
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

/// Options that need each other: what has no gateway has nothing to do at its edge.
fn check_combination(network: &Network, object: &Object) -> Result<(), SpecError> {
    let at = |field| At::field(object, field);
    let no = |wish| wish == Masquerade::No;
    let (without, masquerade, masquerade_in) = match network.reach() {
        Reach::Open => return check_mtu(at("mtu"), network.mtu, network.has_v6()),
        Reach::Internal => ("internal", no(network.masquerade), true),
        Reach::L2 => ("l2", no(network.masquerade), no(network.masquerade_in)),
    };
    let odd = [
        ("masquerade", !masquerade),
        ("masquerade_in", !masquerade_in),
        ("default_route", network.default_route),
    ];
    match odd.into_iter().find(|(_, odd)| *odd) {
        Some((field, _)) => at(field).fail(Problem::Conflict { with: without }),
        None => check_mtu(at("mtu"), network.mtu, network.has_v6()),
    }
}

/// Checks an MTU: IPv4 needs 68 bytes (RFC 791), IPv6 1280 (RFC 8200 §5).
pub(crate) fn check_mtu(at: At<'_>, mtu: Option<u32>, v6: bool) -> Result<(), SpecError> {
    let min = if v6 { 1280 } else { 68 };
    match mtu.filter(|value| !(min..=65535).contains(value)) {
        Some(value) => at.fail(Problem::Mtu { value, min }),
        None => Ok(()),
    }
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
        let (mode, bridge, reach) = match network.mode {
            Mode::Bridge { bridge, reach } => ("bridge", bridge, reach),
            Mode::Routed => ("routed", None, Reach::Open),
        };
        let subnets = network.subnets.iter();
        let range = subnets.clone().filter_map(|subnet| subnet.range);
        Self {
            name: network.name.into(),
            mode: Some(mode.to_owned()),
            bridge: bridge.map(String::from),
            subnet: subnets.clone().map(|subnet| subnet.net.to_string()).collect(),
            gateway: subnets::write_gateways(&network.subnets),
            range: range.map(|(first, last)| format!("{first}-{last}")).collect(),
            internal: reach == Reach::Internal,
            l2: reach == Reach::L2,
            masquerade: network.masquerade.write(),
            masquerade_in: network.masquerade_in.write(),
            mtu: network.mtu,
            default_route: Some(network.default_route),
        }
    }
}
