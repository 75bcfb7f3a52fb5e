//! Reading an outcome that another plugin printed: `prevResult`, or the answer of a delegate.
//!
//!     0.1.0, 0.2.0   {"ip4": {"ip": "10.0.0.2/24", "gateway": …, "routes": […]}, "ip6": …, "dns": …}
//!     since 0.3.0    {"interfaces": […], "ips": [{"address": …, "interface": 0}], "routes": […], "dns": …}

use std::net::IpAddr;
use std::str::FromStr;

use ipnet::IpNet;

use crate::fault::{Code, Fault};
use crate::json::Object;
use crate::outcome::{Dns, Interface, Ip, Outcome, Route};
use crate::version::Version;

impl Outcome {
    /// Reads an outcome as `version` writes it.
    ///
    /// # Errors
    /// [`Code::Decode`] when a field is of another shape, or holds no address.
    pub fn read(object: &Object, version: Version) -> Result<Self, Fault> {
        let mut outcome = Self { dns: Dns::read(object)?, ..Self::default() };
        if version <= Version::V0_2_0 {
            for family in ["ip4", "ip6"] {
                if let Some(old) = object.object(family)? {
                    outcome.ips.push(Ip {
                        interface: None,
                        address: needed(&old, "ip")?,
                        gateway: optional(&old, "gateway")?,
                    });
                    outcome.routes.extend(routes(&old)?);
                }
            }
            return Ok(outcome);
        }
        outcome.interfaces =
            object.objects("interfaces")?.iter().map(interface).collect::<Result<_, _>>()?;
        outcome.ips = object.objects("ips")?.iter().map(ip).collect::<Result<_, _>>()?;
        outcome.routes = routes(object)?;
        Ok(outcome)
    }
}

impl Dns {
    /// Reads the field `dns`, of an outcome or of a configuration.
    ///
    /// # Errors
    /// [`Code::Decode`] when it is of another shape.
    pub fn read(object: &Object) -> Result<Self, Fault> {
        let Some(dns) = object.object("dns")? else { return Ok(Self::default()) };
        Ok(Self {
            nameservers: dns.texts("nameservers")?,
            domain: dns.text("domain")?,
            search: dns.texts("search")?,
            options: dns.texts("options")?,
        })
    }
}

fn interface(object: &Object) -> Result<Interface, Fault> {
    Ok(Interface {
        name: object.text("name")?,
        mac: object.text("mac")?,
        mtu: small(object, "mtu")?,
        sandbox: object.text("sandbox")?,
        socket_path: object.text("socketPath")?,
        pci_id: object.text("pciID")?,
    })
}

fn ip(object: &Object) -> Result<Ip, Fault> {
    Ok(Ip {
        interface: small(object, "interface")?,
        address: needed(object, "address")?,
        gateway: optional(object, "gateway")?,
    })
}

/// The routes of `object`, an outcome or the configuration of an address plugin.
pub(crate) fn routes(object: &Object) -> Result<Vec<Route>, Fault> {
    object.objects("routes")?.iter().map(route).collect()
}

fn route(object: &Object) -> Result<Route, Fault> {
    Ok(Route {
        dst: needed::<IpNet>(object, "dst")?.trunc(),
        gw: optional(object, "gw")?,
        mtu: small(object, "mtu")?,
        advmss: small(object, "advmss")?,
        priority: small(object, "priority")?,
        table: small(object, "table")?,
        scope: small(object, "scope")?,
    })
}

fn small(object: &Object, name: &str) -> Result<Option<u32>, Fault> {
    let too_large = |_| Fault::new(Code::Decode, format!("{name}: it is larger than 2^32-1"));
    object.number(name)?.map(u32::try_from).transpose().map_err(too_large)
}

fn needed<T: FromStr>(object: &Object, name: &str) -> Result<T, Fault> {
    parse(name, &object.text(name)?)
}

fn optional(object: &Object, name: &str) -> Result<Option<IpAddr>, Fault> {
    let text = object.text(name)?;
    if text.is_empty() { Ok(None) } else { parse(name, &text).map(Some) }
}

fn parse<T: FromStr>(name: &str, text: &str) -> Result<T, Fault> {
    text.parse().map_err(|_| Fault::new(Code::Decode, format!("{name}: {text:?} is no address")))
}
