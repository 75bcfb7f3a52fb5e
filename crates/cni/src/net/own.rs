//! `ropewalk`: all of a chain in one plugin, on a network of ropewalk's own.
//!
//!     {"type": "ropewalk", "network": "lan", "capabilities": {"portMappings": true, "ips": true}}
//!     {"type": "ropewalk", "network": {"mode": "routed", "subnet": "10.4.0.0/24"},
//!      "attachment": {"rate_in": "10M", "allow_in": ["10.0.0.0/8 tcp:80"]}}
//!
//! `network` is a name, or what stands in a file under `[network.NAME]`; without it the network is
//! called as the configuration. `attachment` is what stands under `[[attachment]]`. The runtime adds
//! ports, rates, addresses and the hardware address.

use ipnet::IpNet;
use ropewalk_engine::Attached;
use ropewalk_spec::{Endpoint, Network, NetworkName, RawEndpoint, RawNetwork};
use serde_json::Value;

use super::{Task, mac, previous};
use crate::blame;
use crate::chain::{bandwidth, portmap};
use crate::conf::Conf;
use crate::fault::{Code, Fault};
use crate::ipam::wishes;
use crate::outcome::{Interface, Ip, Outcome, Route};

/// ADD.
pub(crate) fn add(task: &mut Task<'_>) -> Result<Outcome, Fault> {
    let wish = Wanted::read(task)?;
    let whom = task.whom(None)?;
    let (done, bridge) =
        task.engine.attach_called(&whom.cni, &wish.endpoint, wish.network.as_ref())?;
    Ok(outcome(task, &done, bridge.as_deref()))
}

/// DEL: the record says all.
pub(crate) fn del(task: &mut Task<'_>) -> Result<(), Fault> {
    let whom = task.whom(None)?;
    task.engine.detach_told(&whom).map(|_| ()).map_err(Fault::from)
}

/// CHECK.
pub(crate) fn check(task: &mut Task<'_>) -> Result<(), Fault> {
    previous(task.conf)?;
    let whom = task.whom(None)?;
    let Some(findings) = task.engine.check_told(&whom)? else {
        let what = format!("{} of container {} is not attached", whom.ifname, whom.cni.container);
        return Err(Fault::new(Code::UnknownContainer, what));
    };
    blame::otherwise(&findings)
}

/// GC.
pub(crate) fn gc(task: &mut Task<'_>) -> Result<(), Fault> {
    let valid = task.valid();
    Ok(task.engine.gc_called(&task.conf.name, &valid)?)
}

/// STATUS: the network can be had.
pub(crate) fn status(task: &mut Task<'_>) -> Result<(), Fault> {
    match named(task.conf)? {
        Named::Known(name) => task.engine.network(&name).map(|_| ()).map_err(Fault::from),
        Named::Defined(_) => Ok(()),
    }
}

/// What the configuration and the runtime ask for.
struct Wanted {
    endpoint: Endpoint,
    /// The network, where the configuration defines it.
    network: Option<Network>,
}

/// Which network.
enum Named {
    Known(NetworkName),
    Defined(Box<Network>),
}

impl Wanted {
    fn read(task: &Task<'_>) -> Result<Self, Fault> {
        let (conf, call) = (task.conf, task.call);
        let (name, network) = match named(conf)? {
            Named::Known(name) => (name, None),
            Named::Defined(network) => (network.name.clone(), Some(*network)),
        };
        let odd = |why: String| Fault::new(Code::Config, format!("attachment: {why}"));
        let mut fields = match field(conf, "attachment") {
            Some(Value::Object(fields)) => fields,
            None => serde_json::Map::new(),
            Some(_) => return Err(odd("an object is expected".into())),
        };
        for (key, value) in [
            ("sandbox", task.sandbox()?.to_string()),
            ("network", name.to_string()),
            ("name", call.ifname.clone()),
        ] {
            fields.insert(key.into(), value.into());
        }
        let raw: RawEndpoint =
            serde_json::from_value(Value::Object(fields)).map_err(|why| odd(why.to_string()))?;
        let mut endpoint = raw.check().map_err(|why| odd(why.to_string()))?;
        let ips = wishes::addresses(conf, &call.args)?;
        endpoint.ips = if ips.is_empty() { endpoint.ips } else { ips };
        endpoint.mac = mac(conf, call)?.or(endpoint.mac);
        endpoint.publish.extend(portmap::ports(conf)?);
        let (rate_in, rate_out) = bandwidth::rates(conf)?;
        endpoint.rate_in = rate_in.or(endpoint.rate_in);
        endpoint.rate_out = rate_out.or(endpoint.rate_out);
        Ok(Self { endpoint, network })
    }
}

fn named(conf: &Conf) -> Result<Named, Fault> {
    let odd = |why: String| Fault::new(Code::Config, format!("network: {why}"));
    let name = |text: &str| NetworkName::new(text).map_err(|why| odd(format!("{text:?}: {why}")));
    match field(conf, "network") {
        None => name(&conf.name).map(Named::Known),
        Some(Value::String(text)) => name(&text).map(Named::Known),
        Some(object @ Value::Object(_)) => {
            let raw: RawNetwork =
                serde_json::from_value(object).map_err(|why| odd(why.to_string()))?;
            let raw = RawNetwork { name: conf.name.clone(), ..raw };
            let network = raw.check().map_err(|why| odd(why.to_string()))?;
            Ok(Named::Defined(Box::new(network)))
        }
        Some(_) => Err(odd("a name or an object is expected".into())),
    }
}

/// A field as it was written: the files of ropewalk know their keys by case.
fn field(conf: &Conf, name: &str) -> Option<Value> {
    let Ok(Value::Object(mut all)) = serde_json::from_slice(&conf.stdin) else { return None };
    all.remove(name).filter(|value| !value.is_null())
}

fn outcome(task: &Task<'_>, done: &Attached, bridge: Option<&str>) -> Outcome {
    let row = &done.row;
    let one = |name: &str| Interface { name: name.to_owned(), ..Interface::default() };
    let mut interfaces: Vec<Interface> = bridge.map(one).into_iter().collect();
    interfaces.extend(row.leg.iter().map(|name| one(name)));
    let netns = task.call.netns.as_ref().map(|path| path.display().to_string());
    interfaces.push(Interface {
        name: row.interface.clone(),
        mac: row.mac.clone().unwrap_or_default(),
        mtu: Some(row.mtu),
        sandbox: netns.unwrap_or_default(),
        ..Interface::default()
    });
    let inside = u32::try_from(interfaces.len().saturating_sub(1)).ok();
    let gateways: Vec<std::net::IpAddr> =
        row.gateway.iter().filter_map(|text| text.parse().ok()).collect();
    let of = |v4: bool| gateways.iter().copied().find(|ip| ip.is_ipv4() == v4);
    let ip =
        |address: IpNet| Ip { interface: inside, address, gateway: of(address.addr().is_ipv4()) };
    let ips: Vec<Ip> =
        row.addresses.iter().filter_map(|text| Some(ip(text.parse().ok()?))).collect();
    let everything = |gateway: &std::net::IpAddr| match gateway {
        std::net::IpAddr::V4(_) => IpNet::V4(ipnet::Ipv4Net::default()),
        std::net::IpAddr::V6(_) => IpNet::V6(ipnet::Ipv6Net::default()),
    };
    let routes = gateways.iter().map(|gw| Route::new(everything(gw), Some(*gw))).collect();
    Outcome { interfaces, ips, routes, dns: task.conf.dns.clone() }
}
