//! Writing answers: JSON with four spaces, names in order, as tools of this field print it.
//!
//! An older version holds less: what it has no place for is left out, and an outcome without any
//! address cannot be written for 0.2.0 at all.

use std::net::IpAddr;

use ipnet::IpNet;
use serde::Serialize;
use serde_json::ser::PrettyFormatter;
use serde_json::{Map, Serializer, Value, json};

use crate::fault::{Code, Fault};
use crate::outcome::{Dns, Interface, Ip, Outcome, Route};
use crate::version::Version;

/// What a person sees who starts a plugin by hand: two lines, for standard error.
#[must_use]
pub fn about(plugin: &str, release: &str) -> String {
    let spoken: Vec<&str> = Version::spoken_by(plugin).iter().map(|v| v.as_str()).collect();
    let versions = spoken.join(", ");
    format!("CNI {plugin} plugin v{release}\nCNI protocol versions supported: {versions}\n")
}

/// The answer to VERSION.
#[must_use]
pub fn versions(plugin: &str) -> String {
    let spoken: Vec<&str> = Version::spoken_by(plugin).iter().map(|v| v.as_str()).collect();
    let newest = spoken.last().copied().unwrap_or_default();
    json!({ "cniVersion": newest, "supportedVersions": spoken }).to_string() + "\n"
}

/// A refusal.
#[must_use]
pub fn fault(fault: &Fault) -> String {
    let mut object = Map::new();
    object.insert("code".into(), fault.code.number().into());
    object.insert("msg".into(), fault.msg.clone().into());
    put(&mut object, "details", &fault.details);
    pretty(&Value::Object(object))
}

/// The answer to ADD in `version`.
///
/// # Errors
/// [`Code::Internal`] where `version` needs an address and there is none.
pub fn outcome(outcome: &Outcome, version: Version) -> Result<String, Fault> {
    let mut object = if version <= Version::V0_2_0 {
        two_addresses(outcome)?
    } else {
        interfaces_and_addresses(outcome, version)
    };
    object.insert("cniVersion".into(), version.as_str().into());
    if version < Version::V1_0_0 || !outcome.dns.is_empty() {
        object.insert("dns".into(), dns(&outcome.dns));
    }
    Ok(pretty(&Value::Object(object)))
}

fn pretty(value: &Value) -> String {
    let mut bytes = Vec::new();
    let mut writer = Serializer::with_formatter(&mut bytes, PrettyFormatter::with_indent(b"    "));
    match value.serialize(&mut writer) {
        Ok(()) => String::from_utf8_lossy(&bytes).into_owned(),
        Err(_) => value.to_string(),
    }
}

/// The first address of each family with the routes of that family.
fn two_addresses(outcome: &Outcome) -> Result<Map<String, Value>, Fault> {
    let mut object = Map::new();
    for (name, v4) in [("ip4", true), ("ip6", false)] {
        let of_family = |net: &IpNet| matches!(net, IpNet::V4(_)) == v4;
        let Some(ip) = outcome.ips.iter().find(|ip| of_family(&ip.address)) else { continue };
        let routes = outcome.routes.iter().filter(|route| of_family(&route.dst));
        let routes: Vec<Value> = routes.map(|r| route(&Route::new(r.dst, r.gw), false)).collect();
        let mut part = Map::new();
        part.insert("ip".into(), ip.address.to_string().into());
        put_ip(&mut part, "gateway", ip.gateway);
        put_list(&mut part, "routes", routes);
        object.insert(name.into(), Value::Object(part));
    }
    if object.is_empty() {
        let fault = Fault::new(Code::Internal, "cannot convert: no valid IP addresses");
        return Err(fault.details("0.2.0 and older need one; ask for 0.3.0 or newer"));
    }
    Ok(object)
}

fn interfaces_and_addresses(outcome: &Outcome, version: Version) -> Map<String, Value> {
    let mut object = Map::new();
    let attributes = version >= Version::V1_1_0;
    let interfaces = outcome.interfaces.iter().map(|one| interface(one, attributes)).collect();
    put_list(&mut object, "interfaces", interfaces);
    let family = version < Version::V1_0_0;
    put_list(&mut object, "ips", outcome.ips.iter().map(|one| ip(one, family)).collect());
    let routes = outcome.routes.iter().map(|one| route(one, true)).collect();
    put_list(&mut object, "routes", routes);
    object
}

fn interface(one: &Interface, attributes: bool) -> Value {
    let mut object = Map::new();
    object.insert("name".into(), one.name.clone().into());
    put(&mut object, "mac", &one.mac);
    put(&mut object, "sandbox", &one.sandbox);
    if attributes {
        put_number(&mut object, "mtu", one.mtu);
        put(&mut object, "socketPath", &one.socket_path);
        put(&mut object, "pciID", &one.pci_id);
    }
    Value::Object(object)
}

fn ip(one: &Ip, family: bool) -> Value {
    let mut object = Map::new();
    if family {
        let version = if matches!(one.address, IpNet::V4(_)) { "4" } else { "6" };
        object.insert("version".into(), version.into());
    }
    object.insert("address".into(), one.address.to_string().into());
    put_number(&mut object, "interface", one.interface);
    put_ip(&mut object, "gateway", one.gateway);
    Value::Object(object)
}

/// A route; attributes are written in every version that has a list of routes.
fn route(one: &Route, attributes: bool) -> Value {
    let mut object = Map::new();
    object.insert("dst".into(), one.dst.to_string().into());
    put_ip(&mut object, "gw", one.gw);
    if attributes {
        let all = [
            ("mtu", one.mtu),
            ("advmss", one.advmss),
            ("priority", one.priority),
            ("table", one.table),
            ("scope", one.scope),
        ];
        all.into_iter().for_each(|(name, value)| put_number(&mut object, name, value));
    }
    Value::Object(object)
}

fn dns(one: &Dns) -> Value {
    let mut object = Map::new();
    let texts = |list: &[String]| list.iter().cloned().map(Value::from).collect();
    put_list(&mut object, "nameservers", texts(&one.nameservers));
    put(&mut object, "domain", &one.domain);
    put_list(&mut object, "search", texts(&one.search));
    put_list(&mut object, "options", texts(&one.options));
    Value::Object(object)
}

fn put(object: &mut Map<String, Value>, name: &str, text: &str) {
    if !text.is_empty() {
        object.insert(name.into(), text.into());
    }
}

fn put_ip(object: &mut Map<String, Value>, name: &str, ip: Option<IpAddr>) {
    if let Some(ip) = ip {
        object.insert(name.into(), ip.to_string().into());
    }
}

fn put_number(object: &mut Map<String, Value>, name: &str, number: Option<u32>) {
    if let Some(number) = number {
        object.insert(name.into(), number.into());
    }
}

fn put_list(object: &mut Map<String, Value>, name: &str, list: Vec<Value>) {
    if !list.is_empty() {
        object.insert(name.into(), list.into());
    }
}
