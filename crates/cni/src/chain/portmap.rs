//! `portmap`: ports of the host lead to the container.
//!
//!     {"capabilities": {"portMappings": true}, "snat": true}
//!     runtimeConfig.portMappings: [{"hostPort": 8080, "containerPort": 80, "protocol": "tcp", "hostIP": ""}]
//!
//! A port is an element of a map, whichever `backend` is named: no rule, and no chain.

use std::net::IpAddr;

use ropewalk_spec::{Publish, Shared};

use super::{Link, amendment};
use crate::conf::Conf;
use crate::fault::{Code, Fault};
use crate::json::Object;
use crate::net::Task;
use crate::outcome::Outcome;

/// ADD.
pub(crate) fn add(task: &mut Task<'_>) -> Result<Outcome, Fault> {
    refuse(task.conf)?;
    let Link { whom, bare, bridge, outcome } = Link::of(task)?;
    let ports = ports(task.conf)?;
    if ports.is_empty() {
        return Ok(outcome);
    }
    let snat = task.conf.fields.truth("snat")? != Some(false);
    let mut amendment = amendment("portmap", format!("{ports:?} {snat}"));
    amendment.shared.push(Shared::Rules);
    if snat {
        let nets = bare.addresses.iter().map(|net| Shared::Turning { net: net.trunc() });
        amendment.shared.extend(nets);
        let v4 = bare.addresses.iter().any(|net| net.addr().is_ipv4());
        let dev = bridge.filter(|_| v4);
        amendment.shared.extend(dev.map(|dev| Shared::Localnet { dev }));
    }
    amendment.publish = ports;
    task.engine.amend(&whom, &bare, &amendment)?;
    Ok(outcome)
}

/// Refuses what cannot be kept.
fn refuse(conf: &Conf) -> Result<(), Fault> {
    let unsupported = |key: &str| {
        Err(Fault::new(Code::Unsupported, format!("portmap: {key} is not supported yet"))
            .details("ports are published natively, without conditions"))
    };
    let bit = conf.fields.number("markMasqBit")?;
    if bit.is_some() && !conf.fields.text("externalSetMarkChain")?.is_empty() {
        let what = "portmap: Cannot specify externalSetMarkChain and markMasqBit";
        return Err(Fault::new(Code::Config, what));
    }
    if bit.is_some_and(|bit| bit > 31) {
        return Err(Fault::new(Code::Config, "portmap: MasqMarkBit must be between 0 and 31"));
    }
    for key in ["conditionsV4", "conditionsV6"] {
        if !conf.fields.texts(key)?.is_empty() {
            return unsupported(key);
        }
    }
    let backend = conf.fields.text("backend")?;
    if !["", "iptables", "nftables"].contains(&backend.as_str()) {
        return Err(Fault::new(Code::Config, format!("portmap: unknown backend {backend:?}")));
    }
    if conf.fields.truth("masqAll")? == Some(true) { unsupported("masqAll") } else { Ok(()) }
}

/// The ports that the runtime asks for.
fn ports(conf: &Conf) -> Result<Vec<Publish>, Fault> {
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
