//! `portmap`: ports of the host lead to the container.
//!
//!     {"capabilities": {"portMappings": true}, "snat": true}
//!     runtimeConfig.portMappings: [{"hostPort": 8080, "containerPort": 80, "protocol": "tcp", "hostIP": ""}]
//!
//! Natively a port is an element of a map: no rule, and no chain. In iptables it has the chains of
//! the reference plugins; see [`Wish::by_iptables`] for when.

mod wish;

use std::net::IpAddr;

use ropewalk_engine::Whom;
use ropewalk_facts::{Body, Ns, Sysctl, SysctlPath};
use ropewalk_plan::{Duplicate, Plan};
use ropewalk_spec::{Foreign, Publish, Shared};
use ropewalk_topology::chains::{self, Kind, Mapping, Whose};
use ropewalk_topology::{HostFacts, Wiring};

use self::wish::Wish;
use super::{Link, amendment};
use crate::conf::Conf;
use crate::fault::{Code, Fault};
use crate::json::Object;
use crate::net::Task;
use crate::outcome::Outcome;

/// ADD.
pub(crate) fn add(task: &mut Task<'_>) -> Result<Outcome, Fault> {
    let wish = Wish::read(task.conf)?;
    let link = Link::of(task)?;
    let ports = ports(task.conf)?;
    if ports.is_empty() {
        return Ok(link.outcome);
    }
    match wish.by_iptables(task, &link.bare.addresses)? {
        true => by_chains(task, &link, &wish, &ports)?,
        false => natively(task, &link, &wish, ports)?,
    }
    Ok(link.outcome)
}

/// Elements of maps.
fn natively(
    task: &mut Task<'_>,
    link: &Link,
    wish: &Wish,
    ports: Vec<Publish>,
) -> Result<(), Fault> {
    let bare = &link.bare;
    let mut amendment = amendment("portmap", format!("{ports:?} {}", wish.snat));
    amendment.shared.push(Shared::Rules);
    if wish.snat {
        let nets = bare.addresses.iter().map(|net| Shared::Turning { net: net.trunc() });
        amendment.shared.extend(nets);
        amendment.shared.extend(local(link));
    }
    amendment.publish = ports;
    Ok(task.engine.amend(&link.whom, bare, &amendment)?)
}

/// Chains of iptables. Ports with conditions are not claimed: another container may have the same
/// with others.
fn by_chains(
    task: &mut Task<'_>,
    link: &Link,
    wish: &Wish,
    ports: &[Publish],
) -> Result<(), Fault> {
    let bare = &link.bare;
    let mut amendment = amendment("portmap", format!("iptables {ports:?} {wish:?}"));
    let cni = &link.whom.cni;
    let whose = Whose { network: &cni.network, container: &cni.container };
    let [v4, v6] = &wish.conditions;
    let mapping =
        Mapping { ports, snat: wish.snat, all: wish.all, mark: wish.mark(), conditions: [v4, v6] };
    let chains = chains::portmap(whose, &bare.addresses, &mapping);
    amendment.lodged = chains.into_iter().map(Foreign::Chains).collect();
    if v4.is_empty() && v6.is_empty() {
        amendment.claim = ports.to_vec();
    }
    let localnet = wish.snat.then(|| local(link)).flatten();
    let alone =
        wish.snat && localnet.is_none() && bare.addresses.iter().any(|n| n.addr().is_ipv4());
    let leg = bare.leg.clone().filter(|_| alone);
    let draw = |_: &Wiring<'_>, _: &HostFacts| -> Result<Plan, Duplicate> {
        let mut plan = Plan::new();
        if let Some(leg) = &leg {
            let path = SysctlPath::conf4(leg, "route_localnet");
            plan.ensure(&Ns::HOST, Body::Sysctl(Sysctl { path, value: "1".into() }))?;
        }
        Ok(plan)
    };
    amendment.draw = &draw;
    amendment.shared.extend(localnet);
    Ok(task.engine.amend(&link.whom, bare, &amendment)?)
}

/// 127.0.0.1 leads to ports behind the bridge.
fn local(link: &Link) -> Option<Shared> {
    let v4 = link.bare.addresses.iter().any(|net| net.addr().is_ipv4());
    let dev = link.bridge.clone().filter(|_| v4)?;
    Some(Shared::Localnet { dev })
}

/// DEL of what another's plugin has made.
pub(crate) fn del_strange(task: &mut Task<'_>, whom: &Whom) -> Result<(), Fault> {
    Ok(task.engine.dislodge_container(&whom.cni, &[Kind::Dnat, Kind::Snat])?)
}

/// The ports that the runtime asks for.
pub(crate) fn ports(conf: &Conf) -> Result<Vec<Publish>, Fault> {
    let runtime = conf.fields.object("runtimeConfig")?;
    let list = runtime.map_or(Ok(Vec::new()), |object| object.objects("portMappings"))?;
    list.iter().map(port).collect()
}

fn port(object: &Object) -> Result<Publish, Fault> {
    let number = |name: &str, what: &str| {
        let number = object.number(name)?.unwrap_or(0);
        let odd = || Fault::new(Code::Config, format!("Invalid {what} port number: {number}"));
        u16::try_from(number).ok().filter(|port| *port > 0).ok_or_else(odd)
    };
    let (to, from) = (number("containerPort", "container")?, number("hostPort", "host")?);
    let proto = object.text("protocol")?.to_lowercase();
    let proto = if proto.is_empty() { "tcp" } else { proto.as_str() };
    let odd = |what: String| Fault::new(Code::Config, format!("portMappings: {what}"));
    let at = object.text("hostIP")?;
    let at = match at.parse::<IpAddr>() {
        Ok(IpAddr::V6(ip)) => format!("[{ip}]:"),
        Ok(IpAddr::V4(ip)) => format!("{ip}:"),
        Err(_) if at.is_empty() => String::new(),
        Err(_) => return Err(odd(format!("hostIP {at:?} is no address"))),
    };
    format!("{at}{from}:{to}/{proto}").parse().map_err(|_| odd(format!("protocol {proto:?}")))
}
