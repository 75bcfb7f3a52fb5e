//! Reading the subnets of a network: each prefix, then the gateways and ranges that belong to them.
//!
//!     subnet = ["10.9.0.0/24", "fd00:9::/64"], gateway = "10.9.0.254", range = "10.9.0.128/25"
//!
//! Gateways and ranges find their subnet by the addresses they hold, so their order is free.

use std::net::IpAddr;

use ipnet::IpNet;

use crate::direct::Direct;
use crate::error::{Form, Object, Problem, SpecError};
use crate::mode::{Gateway, Mode};
use crate::network::RawNetwork;
use crate::pool;
use crate::raw::At;
use crate::subnet::{ROUTED_V4, ROUTED_V6, Subnet, check_host, check_net, overlap, read_net};

/// What the subnets of one network are read from.
pub(crate) struct Reader<'a> {
    pub(crate) raw: &'a RawNetwork,
    pub(crate) mode: &'a Mode,
    pub(crate) object: &'a Object,
}

impl Reader<'_> {
    pub(crate) fn read(&self) -> Result<Vec<Subnet>, SpecError> {
        let mut subnets = self.nets()?;
        self.gateways(&mut subnets)?;
        for subnet in &mut subnets {
            subnet.gateway = subnet.gateway.or_else(|| self.default_gateway(subnet.net));
        }
        for (index, text) in self.raw.range.iter().enumerate() {
            self.at("range").index(index).ok(range(&mut subnets, text))?;
        }
        if self.mode.direct().is_some_and(Direct::host_link) {
            self.host_addresses(&mut subnets)?;
        }
        for (index, subnet) in subnets.iter().enumerate() {
            if pool::size(subnet) == 0 {
                return self.at("subnet").index(index).fail(Problem::TooSmall { net: subnet.net });
            }
        }
        Ok(subnets)
    }

    /// The host takes the first address of each range.
    fn host_addresses(&self, subnets: &mut [Subnet]) -> Result<(), SpecError> {
        for subnet in subnets.iter_mut() {
            let first = subnet.range.and_then(|_| pool::next(subnet, None, |_| false));
            match first {
                Some(ip) => subnet.host = Some(ip),
                None => return self.at("range").fail(Problem::NoHostRange { net: subnet.net }),
            }
        }
        match subnets.is_empty() {
            true => {
                self.at("host_link").fail(Problem::Conflict { with: "a network without subnets" })
            }
            false => Ok(()),
        }
    }

    fn at(&self, field: &'static str) -> At<'_> {
        At::field(self.object, field)
    }

    fn nets(&self) -> Result<Vec<Subnet>, SpecError> {
        let mut subnets: Vec<Subnet> = Vec::new();
        for (index, text) in self.raw.subnet.iter().enumerate() {
            let at = self.at("subnet").index(index);
            let net = read_net(text).ok_or_else(|| Problem::unreadable(text, Form::Subnet));
            let net = at.ok(net)?;
            at.ok(check_net(net))?;
            if self.raw.dhcp && matches!(net, IpNet::V4(_)) {
                // The server has a subnet for each address that it lends.
                return at.fail(Problem::Conflict { with: "dhcp" });
            }
            if let Some(other) = subnets.iter().find(|other| overlap(other.net, net)) {
                let network = self.raw.name.clone();
                return at.fail(Problem::Overlap { net, other: other.net, network });
            }
            subnets.push(Subnet {
                net,
                gateway: None,
                range: None,
                host: None,
                routes: Vec::new(),
            });
        }
        match subnets.is_empty() && self.mode.needs_subnet() && !self.raw.dhcp {
            true => self.at("subnet").fail(Problem::Missing),
            false => Ok(subnets),
        }
    }

    /// A gateway goes to the subnet that holds it. In a routed network one may stand outside of
    /// all, and then serves those of its family that have none of their own.
    fn gateways(&self, subnets: &mut [Subnet]) -> Result<(), SpecError> {
        let mut outside = Vec::new();
        for (index, text) in self.raw.gateway.iter().enumerate() {
            let at = self.at("gateway").index(index);
            let ip: Option<IpAddr> = text.parse().ok();
            let ip = at.ok(ip.ok_or_else(|| Problem::unreadable(text, Form::Address)))?;
            match subnets.iter_mut().find(|subnet| subnet.net.contains(&ip)) {
                _ if self.mode.gateway() == Gateway::None => {
                    return at.fail(match self.mode.direct() {
                        Some(direct) => Problem::ConflictMode { mode: direct.word() },
                        None => Problem::Conflict { with: "l2" },
                    });
                }
                // On every leg it would hide the LAN's own router.
                Some(_) if self.mode.on_lan() && self.mode.gateway() == Gateway::Legs => {
                    return at.fail(Problem::ConflictMode { mode: self.mode.word() });
                }
                Some(subnet) => at.ok(own_gateway(subnet, ip))?,
                None if self.mode.gateway() == Gateway::Legs => outside.push((at, ip)),
                None => return at.fail(Problem::Outside { ip }),
            }
        }
        outside.into_iter().try_for_each(|(at, ip)| at.ok(shared_gateway(subnets, ip)))
    }

    fn default_gateway(&self, net: IpNet) -> Option<IpAddr> {
        match (self.mode.gateway(), net) {
            (Gateway::None | Gateway::Given, _) => None,
            (Gateway::Subnet, net) => Some(pool::hosts(net).0),
            (Gateway::Legs, IpNet::V4(_)) => Some(ROUTED_V4.into()),
            (Gateway::Legs, IpNet::V6(_)) => Some(ROUTED_V6.into()),
        }
    }
}

fn own_gateway(subnet: &mut Subnet, ip: IpAddr) -> Result<(), Problem> {
    check_host(subnet.net, ip)?;
    match subnet.gateway.replace(ip) {
        Some(_) => Err(Problem::Second { net: subnet.net }),
        None => Ok(()),
    }
}

fn shared_gateway(subnets: &mut [Subnet], ip: IpAddr) -> Result<(), Problem> {
    if ip.is_unspecified() || ip.is_multicast() || ip.is_loopback() {
        return Err(Problem::NotHost { ip });
    }
    let family = || subnets.iter().filter(|subnet| subnet.is_v4() == ip.is_ipv4());
    let served = family().find(|subnet| subnet.gateway.is_some()).map(|subnet| subnet.net);
    let count = family().filter(|subnet| subnet.gateway.is_none()).count();
    match served {
        _ if count > 0 => {}
        Some(net) => return Err(Problem::Second { net }),
        None => return Err(Problem::Family { ip }),
    }
    let family = subnets.iter_mut().filter(|subnet| subnet.is_v4() == ip.is_ipv4());
    family.filter(|subnet| subnet.gateway.is_none()).for_each(|subnet| subnet.gateway = Some(ip));
    Ok(())
}

fn range(subnets: &mut [Subnet], text: &str) -> Result<(), Problem> {
    let unreadable = || Problem::unreadable(text, Form::Range);
    let (first, last) = read_range(text).ok_or_else(unreadable)?;
    if first.is_ipv4() != last.is_ipv4() {
        return Err(unreadable());
    }
    if last < first {
        return Err(Problem::Backwards);
    }
    let holds = |subnet: &&mut Subnet| subnet.net.contains(&first) && subnet.net.contains(&last);
    let subnet = subnets.iter_mut().find(holds).ok_or(Problem::RangeOutside)?;
    if subnet.range.replace((first, last)).is_some() {
        return Err(Problem::Second { net: subnet.net });
    }
    if pool::size(subnet) == 0 { Err(Problem::RangeEmpty) } else { Ok(()) }
}

fn read_range(text: &str) -> Option<(IpAddr, IpAddr)> {
    if let Some((first, last)) = text.split_once('-') {
        return Some((first.trim().parse().ok()?, last.trim().parse().ok()?));
    }
    let net = read_net(text).filter(|net| net.trunc() == *net)?;
    Some((net.network(), net.broadcast()))
}

/// The gateways as they are written: one that several subnets share is written once.
pub(crate) fn write_gateways(subnets: &[Subnet]) -> Vec<String> {
    let mut texts: Vec<String> = Vec::new();
    for gateway in subnets.iter().filter_map(|subnet| subnet.gateway) {
        let text = gateway.to_string();
        if !texts.contains(&text) {
            texts.push(text);
        }
    }
    texts
}
