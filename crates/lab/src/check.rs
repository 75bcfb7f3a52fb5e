//! From what a lab file says to a lab that holds together.
//!
//! Every name that is used is there, every address fits its LAN and is given once, every gateway
//! can be reached.  Never here: TOML, the kernel.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::ops::Range;

use ipnet::IpNet;
use ropewalk_facts::IfName;
use toml::Spanned;

use crate::file::{RawBridge, RawContainer, RawHost, RawLab, RawLan, RawNic, RawProbe, RawStep};
use crate::flaw::Flaw;
use crate::model::{Bridge, Container, Expect, Host, Lab, Lan, Nic, Probe, Step};
use crate::name::{Name, Place};

/// A flaw and the bytes of the file that it is in.
type Located = (Flaw, Range<usize>);

/// Which interface has which address.
type Owners = BTreeMap<IpAddr, (Name, IfName)>;

/// Checks the whole file.
pub(crate) fn lab(raw: RawLab) -> Result<Lab, Located> {
    let lans = lans(in_order(raw.lan))?;
    let mut owners = Owners::new();
    let mut hosts = Vec::new();
    for (name, host) in in_order(raw.host) {
        hosts.push(self::host(name, host, &lans, &mut owners)?);
    }
    let mut lab = Lab { name: raw.name, about: raw.about, lans, hosts, steps: Vec::new() };
    let steps: Result<Vec<Step>, Located> = raw.step.into_iter().map(|s| step(s, &lab)).collect();
    lab.steps = steps?;
    Ok(lab)
}

/// The entries of a table in the order of the file.
fn in_order<K, T>(table: BTreeMap<K, Spanned<T>>) -> Vec<(K, T)> {
    let mut rows: Vec<_> = table.into_iter().collect();
    rows.sort_by_key(|(_, value)| value.span().start);
    rows.into_iter().map(|(key, value)| (key, value.into_inner())).collect()
}

fn lans(raw: Vec<(Name, RawLan)>) -> Result<Vec<Lan>, Located> {
    let mut done: Vec<Lan> = Vec::new();
    for (name, lan) in raw {
        let mut this = Lan { name, subnets: Vec::new() };
        for subnet in lan.subnet {
            let net = *subnet.get_ref();
            if net != net.trunc() {
                return Err((Flaw::HostBits(net), subnet.span()));
            }
            let others = done.iter().chain(std::iter::once(&this));
            let mut all = others.flat_map(|l| l.subnets.iter().map(move |n| (n, &l.name)));
            if let Some((other, of)) = all.find(|(n, _)| n.contains(&net) || net.contains(*n)) {
                return Err((Flaw::Overlap(net, *other, of.clone()), subnet.span()));
            }
            this.subnets.push(net);
        }
        done.push(this);
    }
    Ok(done)
}

fn host(name: Name, raw: RawHost, lans: &[Lan], owners: &mut Owners) -> Result<Host, Located> {
    let mut nics = Vec::new();
    for (nic, plug) in raw.nic {
        nics.push(self::nic(&name, nic, plug, lans, owners)?);
    }
    let bridges = bridges(raw.bridge, &nics)?;
    let mut gateways: Vec<IpAddr> = Vec::new();
    for via in raw.gateway {
        let ip = on_link(&nics, &via)?;
        if gateways.iter().any(|g| g.is_ipv4() == ip.is_ipv4()) {
            return Err((Flaw::SecondGateway(ip), via.span()));
        }
        gateways.push(ip);
    }
    let mut routes = Vec::new();
    for (dst, via) in raw.routes {
        let ip = on_link(&nics, &via)?;
        if dst.addr().is_ipv4() != ip.is_ipv4() {
            return Err((Flaw::OtherFamily { dst, via: ip }, via.span()));
        }
        if dst != dst.trunc() {
            return Err((Flaw::HostBits(dst), via.span()));
        }
        routes.push((dst, ip));
    }
    let containers: Result<_, _> = containers(raw.container);
    let (forward, process) = (raw.forward, raw.process);
    Ok(Host { name, nics, bridges, gateways, forward, routes, process, containers: containers? })
}

fn nic(
    host: &Name,
    name: IfName,
    raw: Spanned<RawNic>,
    lans: &[Lan],
    owners: &mut Owners,
) -> Result<Nic, Located> {
    let span = raw.span();
    let raw = raw.into_inner();
    if name.as_str() == "lo" {
        return Err((Flaw::SecondLink(name), span));
    }
    if host.as_str().len() + 1 + name.as_str().len() > IfName::MAX {
        return Err((Flaw::LongCable { host: host.clone(), nic: name }, span));
    }
    let lan = lans.iter().find(|lan| lan.name == *raw.lan.get_ref());
    let lan = lan.ok_or_else(|| (Flaw::UnknownLan(raw.lan.get_ref().clone()), raw.lan.span()))?;
    let mut addrs = Vec::new();
    for ip in raw.ip {
        let (addr, span) = (*ip.get_ref(), ip.span());
        let net = lan.subnets.iter().find_map(|subnet| hosted(subnet, addr));
        let off = || (Flaw::OffLan { addr, lan: lan.name.clone() }, span.clone());
        addrs.push(net.ok_or_else(off)?);
        if let Some((host, nic)) = owners.insert(addr, (host.clone(), name.clone())) {
            return Err((Flaw::Taken { addr, host, nic }, span));
        }
    }
    Ok(Nic { name, lan: lan.name.clone(), addrs })
}

/// `addr` with the prefix length of `subnet`, if a host can have it there.
fn hosted(subnet: &IpNet, addr: IpAddr) -> Option<IpNet> {
    let room = subnet.max_prefix_len() - subnet.prefix_len() > 1;
    let edge = match subnet {
        IpNet::V4(_) => addr == subnet.network() || addr == subnet.broadcast(),
        IpNet::V6(_) => addr == subnet.network(),
    };
    let good = subnet.contains(&addr) && !(room && edge);
    good.then(|| IpNet::new(addr, subnet.prefix_len()).ok()).flatten()
}

fn bridges(
    raw: BTreeMap<IfName, Spanned<RawBridge>>,
    nics: &[Nic],
) -> Result<Vec<Bridge>, Located> {
    let checked = raw.into_iter().map(|(name, bridge)| {
        if name.as_str() == "lo" || nics.iter().any(|nic| nic.name == name) {
            return Err((Flaw::SecondLink(name), bridge.span()));
        }
        Ok(Bridge { name, addrs: bridge.into_inner().ip })
    });
    checked.collect()
}

fn on_link(nics: &[Nic], via: &Spanned<IpAddr>) -> Result<IpAddr, Located> {
    let ip = *via.get_ref();
    let near = nics.iter().flat_map(|nic| &nic.addrs).any(|net| net.contains(&ip));
    if near { Ok(ip) } else { Err((Flaw::OffLink(ip), via.span())) }
}

fn containers(raw: BTreeMap<Name, Spanned<RawContainer>>) -> Result<Vec<Container>, Located> {
    for (name, container) in &raw {
        let c = container.get_ref();
        if !c.named && c.process.is_none() {
            return Err((Flaw::Unheld(name.clone()), container.span()));
        }
    }
    let made = |(name, RawContainer { named, process })| Container { name, named, process };
    Ok(in_order(raw).into_iter().map(made).collect())
}

fn step(raw: RawStep, lab: &Lab) -> Result<Step, Located> {
    let span = raw.say.span();
    let on = raw.on.map(|on| place(on, lab)).transpose()?;
    if on.is_none() && !raw.run.is_empty() {
        return Err((Flaw::RunNowhere, span));
    }
    let probes: Result<_, _> = raw.probe.into_iter().map(|p| probe(p, lab)).collect();
    Ok(Step { say: raw.say.into_inner(), on, run: raw.run, probes: probes? })
}

fn probe(raw: RawProbe, lab: &Lab) -> Result<Probe, Located> {
    let from = place(raw.from, lab)?;
    let action = parsed(&raw.r#do)?;
    let expect = parsed(&raw.expect)?;
    if let (crate::model::Action::Ping(_), Expect::Sees(_)) = (action, expect) {
        return Err((Flaw::PingSees, raw.expect.span()));
    }
    Ok(Probe { from, action, expect })
}

fn parsed<T: std::str::FromStr<Err: std::fmt::Display>>(
    text: &Spanned<String>,
) -> Result<T, Located> {
    text.get_ref().parse().map_err(|e: T::Err| (Flaw::Form(e.to_string()), text.span()))
}

fn place(raw: Spanned<Place>, lab: &Lab) -> Result<Place, Located> {
    let span = raw.span();
    let place = raw.into_inner();
    if lab.places().any(|p| p == place) {
        Ok(place)
    } else {
        Err((Flaw::UnknownPlace(place), span))
    }
}
