//! VLANs of a bridge that filters. This kernel may lack it: then they run in a virtual machine.

use serde_json::json;

use super::{bridge, leg, routed};
use crate::Host;
use crate::check::{Held, has, lacks, same};
use crate::look::{interface, name};
use crate::net::Call;

/// The VLANs of a port as `bridge vlan` lists them.
fn vlans(host: &Host, port: &str) -> Result<String, crate::Miss> {
    host.sh(&format!("bridge vlan show dev {port}"))
}

pub(super) fn vlan(host: &Host) -> Held {
    let result = host.add(&bridge(json!({ "vlan": 100 })), "c1")?;
    has("the port's VLANs", "100 PVID Egress Untagged", &vlans(host, &leg(&result)?)?)?;
    same("filtering", "1", &host.read("/sys/class/net/br0/bridge/vlan_filtering")?.into())
}

pub(super) fn gateway(host: &Host) -> Held {
    let net = routed(json!({ "vlan": 100 }));
    let result = host.add(&net, "c1")?;
    same("the fourth interface", "br0.100", &interface(&result, 3)?["name"])?;
    same("its addresses", json!(["10.9.0.1/24"]), &json!(host.addresses("", &name(&result, 3)?)?))?;
    let _server = host.serve("", "tcp", "10.9.0.1:80")?;
    host.reaches("c1", "tcp", "10.9.0.1:80", "").map(drop)
}

pub(super) fn trunk(host: &Host) -> Held {
    let trunk = json!([{ "id": 101 }, { "minID": 200, "maxID": 202 }]);
    let result = host.add(&bridge(json!({ "vlanTrunk": trunk })), "c1")?;
    let all = vlans(host, &leg(&result)?)?;
    ["101", "200", "202"].iter().try_for_each(|id| has("the port's VLANs", id, &all))
}

pub(super) fn preserve(host: &Host) -> Held {
    let kept = host.add(&bridge(json!({ "vlan": 100, "preserveDefaultVlan": true })), "c1")?;
    has("the port's VLANs", "\t1 Egress", &vlans(host, &leg(&kept)?)?.replace("  ", "\t"))?;
    let gone = host.add(&bridge(json!({ "vlan": 100, "preserveDefaultVlan": false })), "c2")?;
    lacks("the port's VLANs", "\t1 Egress", &vlans(host, &leg(&gone)?)?.replace("  ", "\t"))
}

pub(super) fn bad(host: &Host) -> Held {
    refused(host, json!({ "vlan": 4095 }))?;
    refused(host, json!({ "vlan": -1 }))
}

pub(super) fn bad_trunk(host: &Host) -> Held {
    refused(host, json!({ "vlanTrunk": [{ "minID": 9, "maxID": 5 }] }))?;
    refused(host, json!({ "vlanTrunk": [{ "id": 4095 }] }))
}

fn refused(host: &Host, more: serde_json::Value) -> Held {
    host.try_add(&bridge(more), &Call::new("ADD", "c1"))?.refused(&[]).map(drop)
}
