//! bandwidth: what a container may receive and send.

use serde_json::{Value, json};

use super::bridge;
use crate::Host;
use crate::check::{Check, Held, Miss, better, contract, same, that, unchanged, wrong};
use crate::look::{interface, name};
use crate::need::Need;
use crate::net::{Call, Net};

pub(super) const CHECKS: &[Check] = &[
    contract("ingress", "ingressRate is a token bucket where the host's end sends", ingress)
        .needs(&[Need::Tbf]),
    contract(
        "egress",
        "egressRate is a token bucket of an ifb that the host's end leads to",
        egress,
    )
    .needs(&[Need::Tbf, Need::Ifb]),
    contract("both", "both at once, by runtimeConfig.bandwidth", both)
        .needs(&[Need::Tbf, Need::Ifb]),
    contract("result", "the ifb is the last interface of the result", result)
        .needs(&[Need::Tbf, Need::Ifb]),
    contract("nothing", "without a rate nothing is done", nothing),
    contract("halves", "a rate without a burst and a burst without a rate are refused", halves),
    contract("needs-result", "without a prevResult it is refused", needs_result),
    contract("large-burst", "a burst of 4 GiB is refused", large_burst),
    contract("del", "DEL takes the ifb away, twice is as well", del).needs(&[Need::Tbf, Need::Ifb]),
    contract("check", "CHECK succeeds after ADD, and fails when a rate is another", check)
        .needs(&[Need::Tbf, Need::Ifb]),
    better("del-forgotten", "DEL with nothing but names takes the ifb away", del_forgotten)
        .needs(&[Need::Tbf, Need::Ifb]),
    better("gc", "GC takes away the ifb of the dead and none of the living", gc)
        .needs(&[Need::Tbf, Need::Ifb]),
    better("same-again", "ADD again for the same container changes nothing", same_again)
        .needs(&[Need::Tbf, Need::Ifb]),
];

/// A network with these rates.
fn limited(rates: Value) -> Net {
    let mut net = bridge::routed(json!({}));
    net.plugins.push(json!({ "type": "bandwidth", "capabilities": { "bandwidth": true } }));
    net.and(rates)
}

fn rates() -> Value {
    json!({ "ingressRate": 8_000_000, "ingressBurst": 800_000,
        "egressRate": 4_000_000, "egressBurst": 400_000 })
}

/// The token bucket of a link: its rate in bits a second.
fn bucket(host: &Host, link: &str) -> Result<u64, Miss> {
    let all = host.json("", &format!("tc -j qdisc show dev {link}"))?;
    let found = all.as_array().and_then(|all| all.iter().find(|one| one["kind"] == "tbf"));
    match found.and_then(|one| one["options"]["rate"].as_u64()) {
        Some(bytes) => Ok(bytes * 8),
        None => wrong(link, "a tbf", all),
    }
}

/// The ifb that a result ends with.
fn ifb(result: &Value) -> Result<String, Miss> {
    let count = result["interfaces"].as_array().map_or(0, Vec::len);
    name(result, count.saturating_sub(1))
}

fn ingress(host: &Host) -> Held {
    let result =
        host.add(&limited(json!({ "ingressRate": 8_000_000, "ingressBurst": 800_000 })), "c1")?;
    same("the rate", 8_000_000, &bucket(host, &name(&result, 1)?)?.into())?;
    let count = result["interfaces"].as_array().map_or(0, Vec::len);
    that(count == 3, "interfaces", "no ifb", &result)
}

fn egress(host: &Host) -> Held {
    let result =
        host.add(&limited(json!({ "egressRate": 4_000_000, "egressBurst": 400_000 })), "c1")?;
    let ifb = ifb(&result)?;
    same("the rate of the ifb", 4_000_000, &bucket(host, &ifb)?.into())?;
    let leg = name(&result, 1)?;
    let filter = host
        .sh(&format!("tc filter show dev {leg} ingress; tc filter show dev {leg} parent ffff:"))?;
    crate::check::has("the filter of the host's end", &ifb, &filter)
}

fn both(host: &Host) -> Held {
    let net = limited(json!({ "runtimeConfig": { "bandwidth": rates() } }));
    let result = host.add(&net, "c1")?;
    same("the rate of the host's end", 8_000_000, &bucket(host, &name(&result, 1)?)?.into())?;
    same("the rate of the ifb", 4_000_000, &bucket(host, &ifb(&result)?)?.into())?;
    let _server = host.serve("", "tcp", "10.9.0.1:80")?;
    host.reaches("c1", "tcp", "10.9.0.1:80", "").map(drop)
}

fn result(host: &Host) -> Held {
    let result = host.add(&limited(rates()), "c1")?;
    let last = interface(&result, 3)?;
    let link = host.link("", last["name"].as_str().unwrap_or_default())?;
    same("its kind", "ifb", &link["linkinfo"]["info_kind"])?;
    same("its mac", link["address"].clone(), &last["mac"])?;
    same("ips", 2, &result["ips"][0]["interface"])
}

fn nothing(host: &Host) -> Held {
    let net = limited(json!({}));
    let mut alone = net.clone();
    alone.plugins.truncate(1);
    let first = host.add(&alone, "c1")?;
    let before = host.state()?;
    let conf = net.conf(net.plugins.last().unwrap_or(&Value::Null), &first);
    same("the result", first, &host.call(&Call::new("ADD", "c1"), "bandwidth", &conf)?.ok()?)?;
    unchanged("the host", &before, &host.state()?)
}

fn refused(host: &Host, more: Value) -> Held {
    host.try_add(&limited(more), &Call::new("ADD", "c1"))?.refused(&[])?;
    host.sh("ip netns del c1").map(drop)
}

fn halves(host: &Host) -> Held {
    refused(host, json!({ "ingressRate": 8000 }))?;
    refused(host, json!({ "egressBurst": 8000 }))
}

fn large_burst(host: &Host) -> Held {
    refused(host, json!({ "ingressRate": 8_000_000, "ingressBurst": 34_359_738_368_u64 }))
}

fn needs_result(host: &Host) -> Held {
    let net = Net::of(json!({ "type": "bandwidth" })).and(rates());
    host.try_add(&net, &Call::new("ADD", "c1"))?.refused(&[]).map(drop)
}

fn del(host: &Host) -> Held {
    let net = limited(rates());
    host.add(&net, "c0")?;
    let before = host.state()?;
    let result = host.add(&net, "c1")?;
    host.del(&net, "c1", &result)?;
    unchanged("the host", &before, &host.state()?)?;
    host.del(&net, "c1", &result)
}

fn check(host: &Host) -> Held {
    let net = limited(rates());
    let result = host.add(&net, "c1")?;
    host.check(&net, "c1", &result)?.quiet()?;
    let leg = name(&result, 1)?;
    host.sh(&format!("tc qdisc replace dev {leg} root tbf rate 1mbit burst 10k latency 25ms"))?;
    host.check(&net, "c1", &result)?.refused(&[]).map(drop)
}

fn del_forgotten(host: &Host) -> Held {
    let net = limited(rates());
    host.add(&net, "c0")?;
    let before = host.state()?;
    host.add(&net, "c1")?;
    host.sh("ip netns del c1")?;
    let mut bare = net.clone();
    bare.plugins.pop();
    bare.plugins.push(json!({ "type": "bandwidth" }));
    host.del_bare(&bare, "c1")?;
    bridge::gone(host, &before)
}

fn gc(host: &Host) -> Held {
    let net = limited(rates());
    host.add(&net, "c0")?;
    let before = host.state()?;
    host.add(&net, "c1")?;
    host.sh("ip netns del c1")?;
    host.gc(&net, &["c0"])?;
    bridge::gone(host, &before)
}

fn same_again(host: &Host) -> Held {
    let net = limited(rates());
    let first = host.add(&net, "c1")?;
    let before = host.state()?;
    same("the second result", first, &host.add(&net, "c1")?)?;
    unchanged("the host", &before, &host.state()?)
}
