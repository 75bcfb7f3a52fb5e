//! sbr: what a container sends from an address leaves by the interface of this address.

use std::path::Path;

use serde_json::{Value, json};

use super::bridge;
use crate::Host;
use crate::check::{Check, Held, Miss, better, contract, has, same, that};
use crate::net::{Call, Net};

pub(super) const CHECKS: &[Check] = &[
    contract(
        "rule",
        "a rule sends what comes from the address to a table of its own, from 100 up",
        rule,
    ),
    contract(
        "routes",
        "the routes of the interface are in that table, the default by its gateway",
        routes,
    ),
    contract(
        "second",
        "a second interface has a table of its own, the first keeps the default route",
        second,
    ),
    contract("table", "table is the table's number", table).since("1.4.0"),
    contract("gateways", "gateways are those of the tables, in place of the result's", gateways)
        .since("1.9.1"),
    contract("source-hints", "addSourceHints: the routes name the address to send from", hints)
        .since("1.7.0"),
    contract("v6", "both families are dealt with", v6),
    contract("result", "the result before it is handed on unchanged", result),
    contract("needs-result", "without a prevResult it is refused", needs_result),
    contract("del", "DEL takes rules and routes away, twice is as well", del),
    better(
        "del-gone",
        "DEL succeeds when the namespace is gone, and makes no file in its place",
        del_gone,
    ),
    better("check", "CHECK fails when the rule is gone", check),
];

fn routed_by_source(more: Value) -> Net {
    let mut net = bridge::routed(json!({}));
    net.plugins.push(json!({ "type": "sbr" }));
    net.and(more)
}

fn rules(host: &Host) -> Result<String, Miss> {
    host.sh_in("c1", "ip rule; ip -6 rule")
}

fn rule(host: &Host) -> Held {
    host.add(&routed_by_source(json!({})), "c1")?;
    has("the rules", "from 10.9.0.2 lookup 100", &rules(host)?)
}

fn routes(host: &Host) -> Held {
    host.add(&routed_by_source(json!({})), "c1")?;
    let own = host.sh_in("c1", "ip route show table 100")?;
    has("table 100", "default via 10.9.0.1 dev eth0", &own)?;
    has("table 100", "10.9.0.0/24 dev eth0", &own)?;
    host.lacks_route("c1", "dev eth0")
}

fn second(host: &Host) -> Held {
    let ipam = json!({ "type": "host-local", "subnet": "10.8.0.0/24", "routes": [{ "dst": "0.0.0.0/0" }] });
    let first = bridge::bridge(json!({ "bridge": "br1", "isGateway": true, "ipam": ipam }));
    host.add(&first, "c1")?;
    let mut net = routed_by_source(json!({}));
    net.name = "other";
    host.add(&net, "c1:net1")?;
    host.has_route("c1", "default via 10.8.0.1 dev eth0")?;
    host.lacks_route("c1", "dev net1")?;
    let _server = host.serve("c1", "tcp", "10.9.0.2:80")?;
    host.lan()?;
    host.reaches("lan", "tcp", "10.9.0.2:80", "c1").map(drop)
}

fn table(host: &Host) -> Held {
    host.add(&routed_by_source(json!({ "table": 321 })), "c1")?;
    has("the rules", "from 10.9.0.2 lookup 321", &rules(host)?)
}

fn gateways(host: &Host) -> Held {
    host.add(&routed_by_source(json!({ "gateways": ["10.9.0.77"] })), "c1")?;
    has("table 100", "default via 10.9.0.77", &host.sh_in("c1", "ip route show table 100")?)
}

fn hints(host: &Host) -> Held {
    host.add(&routed_by_source(json!({ "addSourceHints": true })), "c1")?;
    has("table 100", "src 10.9.0.2", &host.sh_in("c1", "ip route show table 100")?)
}

fn v6(host: &Host) -> Held {
    let mut net = bridge::dual(json!({}));
    net.plugins.push(json!({ "type": "sbr" }));
    host.add(&net, "c1")?;
    let all = rules(host)?;
    has("the rules", "from 10.9.0.2 lookup", &all)?;
    has("the rules", "from fd00:9::2 lookup", &all)
}

fn result(host: &Host) -> Held {
    let net = routed_by_source(json!({}));
    let mut alone = net.clone();
    alone.plugins.truncate(1);
    let before = host.add(&alone, "c1")?;
    let conf = net.conf(net.plugins.last().unwrap_or(&Value::Null), &before);
    same("the result", before, &host.call(&Call::new("ADD", "c1"), "sbr", &conf)?.ok()?)
}

fn needs_result(host: &Host) -> Held {
    host.try_add(&Net::of(json!({ "type": "sbr" })), &Call::new("ADD", "c1"))?
        .refused(&[])
        .map(drop)
}

/// DEL of the last plugin alone, so that the interface stays.
fn del_last(host: &Host, net: &Net, result: &Value) -> Held {
    let conf = net.conf(net.plugins.last().unwrap_or(&Value::Null), result);
    host.call(&Call::new("DEL", "c1"), "sbr", &conf)?.quiet()
}

fn del(host: &Host) -> Held {
    let net = routed_by_source(json!({}));
    let result = host.add(&net, "c1")?;
    del_last(host, &net, &result)?;
    let all = rules(host)?;
    that(!all.contains("10.9.0.2"), "the rules", "none of the address", all)?;
    del_last(host, &net, &result)
}

fn del_gone(host: &Host) -> Held {
    let net = routed_by_source(json!({}));
    let result = host.add(&net, "c1")?;
    host.sh("ip netns del c1")?;
    del_last(host, &net, &result)?;
    that(!Path::new("/run/netns/c1").exists(), "the namespace's path", "nothing", "a file")?;
    host.del_bare(&net, "c1")
}

fn check(host: &Host) -> Held {
    let net = routed_by_source(json!({}));
    let result = host.add(&net, "c1")?;
    let conf = net.conf(net.plugins.last().unwrap_or(&Value::Null), &result);
    let asks = || host.call(&Call::new("CHECK", "c1"), "sbr", &conf);
    asks()?.quiet()?;
    host.sh_in("c1", "ip rule del from 10.9.0.2")?;
    asks()?.refused(&[]).map(drop)
}
