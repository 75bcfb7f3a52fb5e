//! vrf: the interface is in a routing domain of its own, inside the container.

use serde_json::{Value, json};

use super::bridge;
use crate::Host;
use crate::call::Ran;
use crate::check::{Check, Held, Miss, better, contract, has, same, that};
use crate::need::Need;
use crate::net::{Call, Net};

const VRF: &[Need] = &[Need::Vrf];

pub(super) const CHECKS: &[Check] = &[
    contract("vrf", "the interface is in the VRF, with its addresses", vrf).needs(VRF),
    contract("routes", "the routes are in the VRF's table", routes).needs(VRF).since("1.2.0"),
    contract("table", "table is the VRF's table; without it the first free one", table)
        .needs(VRF)
        .since("1.2.0"),
    contract("needs-name", "without vrfname it is refused", needs_name),
    contract("needs-result", "without a prevResult it is refused", needs_result),
    contract("result", "the result before it is handed on unchanged", result).needs(VRF),
    contract("del", "DEL takes an empty VRF away, and keeps one with members", del).needs(VRF),
    contract("check", "CHECK succeeds after ADD", check).needs(VRF),
    better("check-out", "CHECK fails out of the VRF", check_out).needs(VRF),
    better("del-gone", "DEL succeeds when the namespace is gone", del_gone).needs(VRF),
];

fn domain(more: Value) -> Net {
    let mut net = bridge::dual(json!({}));
    net.plugins.push(json!({ "type": "vrf", "vrfname": "red" }));
    net.and(more)
}

fn last(net: &Net) -> &Value {
    net.plugins.last().unwrap_or(&Value::Null)
}

fn vrf(host: &Host) -> Held {
    host.add(&domain(json!({})), "c1")?;
    same("its master", "red", &host.link("c1", "eth0")?["master"])?;
    same(
        "its addresses",
        json!(["10.9.0.2/24", "fd00:9::2/64"]),
        &json!(host.addresses("c1", "eth0")?),
    )?;
    Ok(())
}

fn routes(host: &Host) -> Held {
    host.add(&domain(json!({})), "c1")?;
    let table = host.link("c1", "red")?["linkinfo"]["info_data"]["table"].clone();
    let routes = host.sh_in("c1", &format!("ip route show table {table}"))?;
    has("the VRF's routes", "default via 10.9.0.1 dev eth0", &routes)
}

fn table(host: &Host) -> Held {
    host.add(&domain(json!({ "table": 321 })), "c1")?;
    same("its table", 321, &host.link("c1", "red")?["linkinfo"]["info_data"]["table"])?;
    host.add(&domain(json!({})), "c2")?;
    same("its table", 1, &host.link("c2", "red")?["linkinfo"]["info_data"]["table"])
}

fn needs_name(host: &Host) -> Held {
    let net = domain(json!({ "vrfname": "" }));
    host.try_add(&net, &Call::new("ADD", "c1"))?.refused(&[]).map(drop)
}

fn needs_result(host: &Host) -> Held {
    let net = Net::of(json!({ "type": "vrf", "vrfname": "red" }));
    host.try_add(&net, &Call::new("ADD", "c1"))?.refused(&[]).map(drop)
}

fn result(host: &Host) -> Held {
    let net = domain(json!({}));
    let mut alone = net.clone();
    alone.plugins.truncate(1);
    let before = host.add(&alone, "c1")?;
    same(
        "the result",
        before.clone(),
        &host.call(&Call::new("ADD", "c1"), "vrf", &net.conf(last(&net), &before))?.ok()?,
    )
}

fn del(host: &Host) -> Held {
    let net = domain(json!({}));
    let first = host.add(&net, "c1")?;
    let mut other = net.clone();
    other.name = "other";
    let second = host.add(&other, "c1:net1")?;
    host.call(&Call::new("DEL", "c1:net1"), "vrf", &other.conf(last(&other), &second))?.quiet()?;
    that(host.has_link("c1", "red")?, "the VRF", "it stays", "gone")?;
    host.call(&Call::new("DEL", "c1"), "vrf", &net.conf(last(&net), &first))?.quiet()?;
    that(!host.has_link("c1", "red")?, "the VRF", "gone", "there")
}

fn asks(host: &Host, net: &Net, result: &Value) -> Result<Ran, Miss> {
    host.call(&Call::new("CHECK", "c1"), "vrf", &net.conf(last(net), result))
}

fn check(host: &Host) -> Held {
    let net = domain(json!({}));
    let result = host.add(&net, "c1")?;
    asks(host, &net, &result)?.quiet()
}

fn check_out(host: &Host) -> Held {
    let net = domain(json!({}));
    let result = host.add(&net, "c1")?;
    host.sh("ip -n c1 link set eth0 nomaster")?;
    asks(host, &net, &result)?.refused(&[]).map(drop)
}

fn del_gone(host: &Host) -> Held {
    let net = domain(json!({}));
    let result = host.add(&net, "c1")?;
    host.sh("ip netns del c1")?;
    host.call(&Call::new("DEL", "c1"), "vrf", &net.conf(last(&net), &result))?.quiet()
}
