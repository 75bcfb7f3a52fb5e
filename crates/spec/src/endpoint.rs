//! Endpoints: one wanted interface of one sandbox on one network.

use std::net::{IpAddr, Ipv4Addr};

use ipnet::{IpNet, Ipv4Net};
use ropewalk_facts::{IfName, Mac};
use serde::{Deserialize, Serialize};

use crate::allow::Allow;
use crate::combined::check_mtu;
use crate::error::{Form, Object, Problem, SpecError};
use crate::mode::Mode;
use crate::name::NetworkName;
use crate::network::Network;
use crate::publish::Publish;
use crate::rate::Rate;
use crate::raw::{At, one_or_list, one_or_many};
use crate::sandbox::SandboxRef;

/// An interface that a sandbox shall have. Made by [`RawEndpoint::check`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "RawEndpoint", into = "RawEndpoint")]
#[non_exhaustive]
pub struct Endpoint {
    /// Whose.
    pub sandbox: SandboxRef,
    /// On which network.
    pub network: NetworkName,
    /// Its name; `None` is the first of eth0, eth1 … that is free.
    pub ifname: Option<IfName>,
    /// Its addresses, at most one for each subnet; a subnet without one leases the next.
    pub ips: Vec<IpAddr>,
    /// Its hardware address, a unicast one.
    pub mac: Option<Mac>,
    /// Its MTU; `None` is that of the network.
    pub mtu: Option<u32>,
    /// Ports of the host that lead to it.
    pub publish: Vec<Publish>,
    /// Whether it carries the default route; `None` is as the network has it.
    pub default_route: Option<bool>,
    /// How fast it may receive.
    pub rate_in: Option<Rate>,
    /// How fast it may send.
    pub rate_out: Option<Rate>,
    /// What may come to it, beside answers; anything when empty.
    pub allow_in: Vec<Allow>,
    /// What it may send, beside answers; anything when empty.
    pub allow_out: Vec<Allow>,
    /// Whether the sandbox may speak with any address on it.
    pub allow_spoofing: bool,
}

/// How many lines an allow list has at most.
const MOST_LINES: usize = 64;

impl Endpoint {
    /// Checks the endpoint against the network it names: its addresses and MTU.
    ///
    /// # Errors
    /// The first option that does not fit.
    pub fn fits(&self, network: &Network) -> Result<(), SpecError> {
        let object = self.object();
        if let Mode::Cni { .. } = network.mode {
            let mode = network.mode.word();
            return At::field(&object, "network").fail(Problem::ConflictMode { mode });
        }
        let at = At::field(&object, "ip");
        for (index, ip) in self.ips.iter().enumerate() {
            if let IpAddr::V4(wish) = ip
                && network.dhcp
            {
                // It is for the server to say.
                at.index(index).ok(self.check_wish(*wish, index))?;
                continue;
            }
            let subnet = network.subnet_of(*ip);
            let Some(subnet) = subnet else {
                return at.index(index).fail(Problem::Outside { ip: *ip });
            };
            at.index(index).ok(subnet.check(*ip))?;
            if !network.shares(*ip) {
                return at.index(index).fail(Problem::NotOurs { ip: *ip });
            }
            let before = self.ips.iter().take(index);
            if before.filter(|other| subnet.net.contains(*other)).count() > 0 {
                return at.index(index).fail(Problem::Second { net: subnet.net });
            }
        }
        if network.mode.on_lan() && network.share.is_none() {
            let asked = |net: &IpNet| self.ips.iter().any(|ip| net.contains(ip));
            let open = network.subnets.iter().filter(|subnet| subnet.range.is_none());
            if let Some(net) = open.map(|subnet| subnet.net).find(|net| !asked(net)) {
                return at.fail(Problem::NoRange { net });
            }
        }
        check_mtu(At::field(&object, "mtu"), self.mtu, network.has_v6())?;
        self.check_rates(network)?;
        self.check_lists(network)?;
        if !self.publish.is_empty() && !network.mode.through_host() {
            let mode = network.mode.word();
            return At::field(&object, "publish").fail(Problem::ConflictMode { mode });
        }
        if let Some(direct) = network.mode.direct() {
            let mode = direct.word();
            let odd = [
                ("mac", self.mac.is_some() && direct.parents_mac()),
                ("default_route", self.default_route == Some(true) && !direct.leads_out()),
            ];
            if let Some((field, _)) = odd.into_iter().find(|(_, odd)| *odd) {
                return At::field(&object, field).fail(Problem::ConflictMode { mode });
            }
        }
        match network.mode.reach() {
            crate::Reach::L2 if !self.publish.is_empty() => {
                At::field(&object, "publish").fail(Problem::Conflict { with: "an l2 network" })
            }
            crate::Reach::L2 | crate::Reach::Internal if self.default_route == Some(true) => {
                let with = "a network without a way out";
                At::field(&object, "default_route").fail(Problem::Conflict { with })
            }
            crate::Reach::L2 | crate::Reach::Internal | crate::Reach::Open => Ok(()),
        }
    }

    /// One address that a host can have may be asked of a DHCP server.
    fn check_wish(&self, ip: Ipv4Addr, index: usize) -> Result<(), Problem> {
        let [first, ..] = ip.octets();
        if matches!(first, 0 | 127 | 224..) {
            return Err(Problem::NotHost { ip: ip.into() });
        }
        match self.ips.iter().take(index).any(IpAddr::is_ipv4) {
            true => Err(Problem::Second { net: IpNet::V4(Ipv4Net::default()) }),
            false => Ok(()),
        }
    }

    /// Rates are kept on the host's side, where the sandbox cannot reach: there must be one.
    fn check_rates(&self, network: &Network) -> Result<(), SpecError> {
        let object = self.object();
        let rates = [("rate_in", self.rate_in), ("rate_out", self.rate_out)];
        match rates.into_iter().find(|(_, rate)| rate.is_some()) {
            Some((field, _)) if !network.mode.has_legs() => {
                let mode = network.mode.word();
                At::field(&object, field).fail(Problem::NoLeg { mode })
            }
            _ => Ok(()),
        }
    }

    /// Lists are kept on the host's side, where a sandbox is known by the addresses that it is held to.
    fn check_lists(&self, network: &Network) -> Result<(), SpecError> {
        let object = self.object();
        for (field, list) in [("allow_in", &self.allow_in), ("allow_out", &self.allow_out)] {
            let at = At::field(&object, field);
            if list.is_empty() {
                continue;
            }
            if !network.mode.has_legs() {
                let mode = network.mode.word();
                return at.fail(Problem::NoLeg { mode });
            }
            if self.allow_spoofing || network.allow_spoofing {
                return at.fail(Problem::Conflict { with: "allow_spoofing" });
            }
            if network.mode.reach() == crate::Reach::L2 || !(network.has_v4() || network.has_v6()) {
                let with = "a network whose sandboxes give themselves addresses";
                return at.fail(Problem::Conflict { with });
            }
            for (index, net) in list.iter().enumerate().filter_map(|(n, x)| Some((n, x.net()?))) {
                let ip = net.addr();
                let has = if ip.is_ipv4() { network.has_v4() } else { network.has_v6() };
                if !has {
                    return at.index(index).fail(Problem::Family { ip });
                }
            }
        }
        Ok(())
    }

    /// Checks that this endpoint and `other` can be together: interface, address, ports.
    ///
    /// # Errors
    /// The first option of this one that stands in the way of the other.
    pub fn beside(&self, other: &Self) -> Result<(), SpecError> {
        let object = self.object();
        let at = |field| At::field(&object, field);
        if self.sandbox.ns() == other.sandbox.ns() {
            match (&self.ifname, &other.ifname) {
                (Some(ifname), Some(same)) if ifname == same => {
                    let (sandbox, ifname) = (self.sandbox.to_string(), ifname.to_string());
                    return at("name").fail(Problem::InterfaceTwice { sandbox, ifname });
                }
                (Some(_), Some(_)) => {}
                (None, _) | (_, None) if self.network == other.network => {
                    let (sandbox, network) = (self.sandbox.to_string(), self.network.to_string());
                    return at("network").fail(Problem::AttachedTwice { sandbox, network });
                }
                (None, _) | (_, None) => {}
            }
        }
        let holder = || other.sandbox.to_string();
        let same = self.ips.iter().position(|ip| other.ips.contains(ip));
        if let Some((index, ip)) = same.and_then(|index| Some((index, *self.ips.get(index)?))) {
            return at("ip").index(index).fail(Problem::AddressTwice { ip, holder: holder() });
        }
        let taken = |one: &Publish| other.publish.iter().any(|two| one.conflicts(two));
        match self.publish.iter().enumerate().find(|(_, one)| taken(one)) {
            Some((index, one)) => {
                let problem = Problem::PublishTwice { ports: one.to_string(), holder: holder() };
                at("publish").index(index).fail(problem)
            }
            None => Ok(()),
        }
    }

    pub(crate) fn object(&self) -> Object {
        Object::Attachment { sandbox: self.sandbox.to_string(), network: self.network.to_string() }
    }
}

/// The options of an attachment as they were written.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawEndpoint {
    /// The sandbox.
    pub sandbox: String,
    /// The network.
    pub network: String,
    /// The name of the interface.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Addresses.
    #[serde(default, deserialize_with = "one_or_many", serialize_with = "one_or_list")]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ip: Vec<String>,
    /// The hardware address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mac: Option<String>,
    /// The MTU.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mtu: Option<u32>,
    /// Published ports.
    #[serde(default, deserialize_with = "one_or_many", serialize_with = "one_or_list")]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub publish: Vec<String>,
    /// Whether it carries the default route.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default_route: Option<bool>,
    /// How fast it may receive.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate_in: Option<String>,
    /// How fast it may send.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate_out: Option<String>,
    /// What may come to it.
    #[serde(default, deserialize_with = "one_or_many", serialize_with = "one_or_list")]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub allow_in: Vec<String>,
    /// What it may send.
    #[serde(default, deserialize_with = "one_or_many", serialize_with = "one_or_list")]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub allow_out: Vec<String>,
    /// The sandbox may speak with any address.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub allow_spoofing: bool,
}

impl RawEndpoint {
    /// Checks every option by itself; whether they fit the network is for [`Endpoint::fits`].
    ///
    /// # Errors
    /// The first option that cannot be.
    pub fn check(&self) -> Result<Endpoint, SpecError> {
        let object =
            Object::Attachment { sandbox: self.sandbox.clone(), network: self.network.clone() };
        let at = |field| At::field(&object, field);
        let sandbox = at("sandbox").ok(self.sandbox.parse())?;
        let network = NetworkName::new(self.network.as_str());
        let network = at("network").ok(network.map_err(|why| Problem::name(&self.network, why)))?;
        let ifname = self
            .name
            .as_deref()
            .map(|text| at("name").ok(IfName::new(text).map_err(|why| Problem::name(text, why))));
        let mac = self.mac.as_deref().map(|text| at("mac").ok(read_mac(text)));
        let ips = self.ip.iter().map(|text| read_ip(text));
        let publish = self.publish.iter().map(|text| text.parse());
        let rate = |field, text: &Option<String>| {
            text.as_deref().map(|text| at(field).ok(text.parse())).transpose()
        };
        let list = |field, texts: &[String]| {
            let lines = texts.iter().take(MOST_LINES + 1).map(|text| text.parse());
            let lines: Vec<Allow> = collect(at(field), lines)?;
            if lines.len() > MOST_LINES {
                return at(field).fail(Problem::Many { most: MOST_LINES });
            }
            Ok(lines)
        };
        let endpoint = Endpoint {
            sandbox,
            network,
            ifname: ifname.transpose()?,
            ips: collect(at("ip"), ips)?,
            mac: mac.transpose()?,
            mtu: self.mtu,
            publish: collect(at("publish"), publish)?,
            default_route: self.default_route,
            rate_in: rate("rate_in", &self.rate_in)?,
            rate_out: rate("rate_out", &self.rate_out)?,
            allow_in: list("allow_in", &self.allow_in)?,
            allow_out: list("allow_out", &self.allow_out)?,
            allow_spoofing: self.allow_spoofing,
        };
        let v6 = endpoint.ips.iter().any(IpAddr::is_ipv6);
        check_mtu(at("mtu"), endpoint.mtu, v6)?;
        check_publish(at("publish"), &endpoint.publish)?;
        Ok(endpoint)
    }
}

fn collect<T>(
    at: At<'_>,
    values: impl Iterator<Item = Result<T, Problem>>,
) -> Result<Vec<T>, SpecError> {
    values.enumerate().map(|(index, value)| at.index(index).ok(value)).collect()
}

fn read_mac(text: &str) -> Result<Mac, Problem> {
    let mac = text.parse().ok().filter(|mac: &Mac| mac.is_unicast());
    mac.ok_or_else(|| Problem::unreadable(text, Form::Mac))
}

fn read_ip(text: &str) -> Result<IpAddr, Problem> {
    text.parse().map_err(|_| Problem::unreadable(text, Form::Address))
}

/// Refuses two publications of one endpoint that mean the same port of the host.
fn check_publish(at: At<'_>, publish: &[Publish]) -> Result<(), SpecError> {
    for (index, one) in publish.iter().enumerate() {
        if let Some(other) = publish.iter().take(index).find(|other| one.conflicts(other)) {
            let (ports, holder) = (one.to_string(), other.to_string());
            return at.index(index).fail(Problem::PublishTwice { ports, holder });
        }
    }
    Ok(())
}

impl TryFrom<RawEndpoint> for Endpoint {
    type Error = SpecError;
    fn try_from(raw: RawEndpoint) -> Result<Self, SpecError> {
        raw.check()
    }
}

impl From<Endpoint> for RawEndpoint {
    fn from(endpoint: Endpoint) -> Self {
        Self {
            sandbox: endpoint.sandbox.to_string(),
            network: endpoint.network.into(),
            name: endpoint.ifname.map(String::from),
            ip: endpoint.ips.iter().map(IpAddr::to_string).collect(),
            mac: endpoint.mac.map(String::from),
            mtu: endpoint.mtu,
            publish: endpoint.publish.iter().map(Publish::to_string).collect(),
            default_route: endpoint.default_route,
            rate_in: endpoint.rate_in.map(String::from),
            rate_out: endpoint.rate_out.map(String::from),
            allow_in: endpoint.allow_in.iter().map(Allow::to_string).collect(),
            allow_out: endpoint.allow_out.iter().map(Allow::to_string).collect(),
            allow_spoofing: endpoint.allow_spoofing,
        }
    }
}
