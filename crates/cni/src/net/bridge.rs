//! `bridge`: the container is a member of a bridge of the host, which may be its gateway.
//!
//!     {"bridge": "cni0", "isGateway": true, "ipMasq": true, "ipam": {"type": "host-local", …}}

mod vlans;

use std::net::IpAddr;

use ipnet::IpNet;
use ropewalk_facts::{IfName, Mac};
use ropewalk_spec::{Shared, Told, Wired};

use self::vlans::Vlans;
use super::masquerade::{self, By};
use super::{Draft, Task, dns, forwarding, link, mac, mtu, ways};
use crate::conf::Conf;
use crate::fault::{Code, Fault};
use crate::outcome::{Outcome, Route};

/// The configuration's own part.
#[derive(Clone)]
#[expect(clippy::struct_excessive_bools, reason = "each is a key that people write")]
struct Bridge {
    name: IfName,
    gateway: bool,
    default_gateway: bool,
    force_address: bool,
    masquerade: bool,
    mtu: Option<u32>,
    mac: Option<Mac>,
    hairpin: bool,
    promisc: bool,
    isolated: bool,
    spoofcheck: bool,
    dad: bool,
    down: bool,
    vlans: Vlans,
}

/// ADD.
pub(crate) fn add(task: &mut Task<'_>) -> Result<Outcome, Fault> {
    task.call.args.only(&["MAC"])?;
    let bridge = Bridge::read(task)?;
    let conf = task.conf;
    let name = bridge.name.clone();
    let outcome = task.add(Some(&name), |outcome| bridge.clone().draft(conf, outcome))?;
    masquerade::add(task, Some(&name), outcome)
}

/// STATUS: what ADD would refuse.
pub(crate) fn status(task: &Task<'_>) -> Result<(), Fault> {
    Bridge::read(task).map(|_| ())
}

impl Bridge {
    fn read(task: &Task<'_>) -> Result<Self, Fault> {
        let conf = task.conf;
        refuse(conf)?;
        let truth = |name| conf.fields.truth(name).map(|truth| truth == Some(true));
        let default_gateway = truth("isDefaultGateway")?;
        let name = link(conf, "bridge")?;
        let usual =
            || IfName::new("cni0").map_err(|why| Fault::new(Code::Internal, why.to_string()));
        Ok(Self {
            name: name.map_or_else(usual, Ok)?,
            gateway: truth("isGateway")? || default_gateway,
            default_gateway,
            force_address: truth("forceAddress")?,
            masquerade: By::read(conf)? == By::Us,
            mtu: mtu(conf)?,
            mac: mac(conf, task.call)?,
            hairpin: truth("hairpinMode")?,
            promisc: truth("promiscMode")?,
            isolated: truth("portIsolation")?,
            spoofcheck: truth("macspoofchk")?,
            dad: truth("enabledad")?,
            down: truth("disableContainerInterface")?,
            vlans: Vlans::read(conf)?,
        })
    }

    /// Without addresses it is a member of the bridge and no more.
    fn draft(self, conf: &Conf, outcome: Option<Outcome>) -> Result<Draft, Fault> {
        let mut outcome = outcome.unwrap_or_default();
        let mut shared = vec![Shared::Bridge { name: self.name.clone() }];
        let bridge = || self.name.clone();
        shared.extend(self.promisc.then(|| Shared::Promisc { bridge: bridge() }));
        let filtering = (!self.vlans.is_empty()).then(|| Shared::Filtering { bridge: bridge() });
        shared.extend(filtering);
        shared.extend(self.spoofcheck.then_some(Shared::Rules));
        let entry = self.vlans.entry(&self.name).filter(|_| self.gateway).transpose()?;
        if self.gateway {
            shared.extend(entry.is_some().then(|| self.vlans.shared(&self.name)));
            let dev = entry.as_ref().unwrap_or(&self.name);
            shared.extend(self.gateways(dev, &mut outcome)?);
            shared.extend(forwarding(&outcome));
        }
        if self.masquerade {
            let nets = outcome.ips.iter().map(|ip| ip.address.trunc());
            shared.extend(nets.map(|net| Shared::Turning { net }));
        }
        outcome.dns = dns(conf, &outcome);
        let told = Told {
            wired: Wired::Member {
                bridge: self.name.clone(),
                hairpin: self.hairpin,
                isolated: self.isolated,
                spoofcheck: self.spoofcheck,
                vlans: self.vlans.of_member(),
            },
            mac: self.mac,
            mtu: self.mtu,
            addresses: outcome.ips.iter().map(|ip| ip.address).collect(),
            ways: ways(&outcome),
            masquerade: self.masquerade,
            dad: self.dad,
            up: !self.down,
            inside: false,
        };
        let (bridge, force_address) = (Some(self.name), self.force_address);
        Ok(Draft { bridge, shared, force_address, told, outcome, entry })
    }

    /// The bridge's own addresses: those of the gateways, the first of a subnet where none is told.
    fn gateways(&self, dev: &IfName, outcome: &mut Outcome) -> Result<Vec<Shared>, Fault> {
        let mut all = Vec::new();
        for ip in &mut outcome.ips {
            let gateway = *ip.gateway.get_or_insert(first_of(ip.address));
            let odd = |_| Fault::new(Code::Config, format!("{gateway} cannot be a gateway"));
            let net = IpNet::new(gateway, ip.address.prefix_len()).map_err(odd)?;
            let one = Shared::Gateway { bridge: dev.clone(), net };
            if !all.contains(&one) {
                all.push(one);
            }
            let everything = IpNet::new(unspecified(gateway), 0).map_err(odd)?;
            let leads = |r: &Route| r.dst == everything && r.gw.is_some();
            if self.default_gateway && !outcome.routes.iter().any(leads) {
                outcome.routes.push(Route::new(everything, Some(gateway)));
            }
        }
        Ok(all)
    }
}

/// Refuses what contradicts itself.
fn refuse(conf: &Conf) -> Result<(), Fault> {
    let truth = |name| conf.fields.truth(name).map(|truth| truth == Some(true));
    let config = |what: &str| Err(Fault::new(Code::Config, what));
    if truth("hairpinMode")? && truth("promiscMode")? {
        return config("cannot set hairpin mode and promiscuous mode at the same time");
    }
    let ipam = conf.fields.object("ipam")?;
    let ipam = ipam.map_or(Ok(String::new()), |ipam| ipam.text("type"))?;
    if truth("disableContainerInterface")? && !ipam.is_empty() {
        return config("cannot use IPAM when DisableContainerInterface flag is set");
    }
    Ok(())
}

fn first_of(net: IpNet) -> IpAddr {
    match net.network() {
        IpAddr::V4(ip) => IpAddr::V4(u32::from(ip).saturating_add(1).into()),
        IpAddr::V6(ip) => IpAddr::V6(u128::from(ip).saturating_add(1).into()),
    }
}

fn unspecified(like: IpAddr) -> IpAddr {
    match like {
        IpAddr::V4(_) => std::net::Ipv4Addr::UNSPECIFIED.into(),
        IpAddr::V6(_) => std::net::Ipv6Addr::UNSPECIFIED.into(),
    }
}
