//! ptp: a pair of interfaces and routes, no bridge.

use serde_json::{Value, json};

use crate::Host;
use crate::check::{Check, Held, better, contract, has, same, that, unchanged};
use crate::host::netns;
use crate::look::{interface, name};
use crate::need::Need;
use crate::net::{Call, Net};

pub(super) const CHECKS: &[Check] = &[
    contract(
        "interfaces",
        "the result lists the host's end and the container's, the address is the second's",
        interfaces,
    ),
    contract(
        "addresses",
        "the host's end has the gateway's address alone, and a route to the container",
        addresses,
    ),
    contract(
        "routes",
        "the container has its gateway by a route, its subnet through it, and the routes asked for",
        routes,
    ),
    contract("forwarding", "forwarding is on", forwarding),
    contract("reach", "containers reach each other, the host, and are reached by it", reach),
    contract("mtu", "mtu is that of both ends", mtu),
    contract("masquerade", "ipMasq: outside the host's address is seen", masquerade),
    contract(
        "masquerade-iptables",
        "ipMasqBackend iptables: a chain CNI-… with a comment of network and container",
        masq_iptables,
    )
    .needs(&[Need::Iptables]),
    contract(
        "no-masquerade",
        "without ipMasq the container's address is seen outside",
        no_masquerade,
    ),
    contract("dual", "both families work", dual),
    contract("dns", "dns of the configuration wins when any of it is said", dns),
    contract(
        "needs-address",
        "a result without an address is refused, and so is no ipam",
        needs_address,
    ),
    contract("versions", "the result is converted to every version", versions),
    contract("del", "DEL takes interface, pair, route and lease away, twice is as well", del),
    contract("del-gone", "DEL succeeds when the namespace is gone", del_gone),
    contract("check", "CHECK succeeds after ADD, and fails without address or route", check),
    better("undone", "an ADD that fails leaves nothing, and can be tried again", undone),
    better(
        "del-forgotten",
        "DEL with nothing but names takes masquerading away, too",
        del_forgotten,
    )
    .needs(&[Need::Nft]),
    better("gc", "GC takes away all of the dead and nothing of the living", gc).needs(&[Need::Nft]),
    better(
        "same-again",
        "ADD for the same container and interface gives the same result",
        same_again,
    ),
    better("dual-at-once", "the IPv6 address works as soon as ADD returns", dual_at_once),
];

/// A network with these fields.
fn ptp(more: Value) -> Net {
    let ipam = json!({ "type": "host-local", "subnet": "10.9.0.0/24", "routes": [{ "dst": "0.0.0.0/0" }] });
    Net::of(json!({ "type": "ptp", "ipam": ipam })).and(more)
}

fn both() -> Net {
    ptp(
        json!({ "ipMasq": true, "ipam": { "type": "host-local", "routes": [{ "dst": "0.0.0.0/0" }, { "dst": "::/0" }],
        "ranges": [[{ "subnet": "10.9.0.0/24" }], [{ "subnet": "fd00:9::/64" }]] } }),
    )
}

fn interfaces(host: &Host) -> Held {
    let result = host.add(&ptp(json!({})), "c1")?;
    let leg = name(&result, 0)?;
    that(leg.starts_with("veth"), "the host's end", "veth…", &leg)?;
    same("its mac", host.link("", &leg)?["address"].clone(), &interface(&result, 0)?["mac"])?;
    let own = interface(&result, 1)?;
    same("the second interface", "eth0", &own["name"])?;
    same("its sandbox", netns("c1"), &own["sandbox"])?;
    same("its mac", host.link("c1", "eth0")?["address"].clone(), &own["mac"])?;
    same("the address's interface", 1, &result["ips"][0]["interface"])?;
    same("the address", "10.9.0.2/24", &result["ips"][0]["address"])
}

fn addresses(host: &Host) -> Held {
    let result = host.add(&ptp(json!({})), "c1")?;
    let leg = name(&result, 0)?;
    same("the host's end", json!(["10.9.0.1/32"]), &json!(host.addresses("", &leg)?))?;
    same("the container", json!(["10.9.0.2/24"]), &json!(host.addresses("c1", "eth0")?))?;
    host.has_route("", &format!("10.9.0.2 dev {leg}"))
}

fn routes(host: &Host) -> Held {
    host.add(&ptp(json!({})), "c1")?;
    host.has_route("c1", "default via 10.9.0.1 dev eth0")?;
    host.has_route("c1", "10.9.0.1 dev eth0 scope link src 10.9.0.2")?;
    host.has_route("c1", "10.9.0.0/24 via 10.9.0.1 dev eth0")
}

fn forwarding(host: &Host) -> Held {
    host.add(&ptp(json!({})), "c1")?;
    same("ip_forward", "1", &host.sysctl("", "net/ipv4/ip_forward")?.into())
}

fn reach(host: &Host) -> Held {
    for who in ["c1", "c2"] {
        host.add(&ptp(json!({})), who)?;
    }
    let _one = host.serve("c1", "tcp", "10.9.0.2:80")?;
    let _own = host.serve("", "tcp", "10.9.0.1:80")?;
    same("whom c1 sees", "10.9.0.3", &host.reaches("c2", "tcp", "10.9.0.2:80", "c1")?.into())?;
    host.reaches("", "tcp", "10.9.0.2:80", "c1")?;
    host.reaches("c2", "tcp", "10.9.0.1:80", "").map(drop)
}

fn mtu(host: &Host) -> Held {
    let result = host.add(&ptp(json!({ "mtu": 1400 })), "c1")?;
    same("of the container's", 1400, &host.link("c1", "eth0")?["mtu"])?;
    same("of the host's end", 1400, &host.link("", &name(&result, 0)?)?["mtu"])
}

fn seen_as(host: &Host, net: &Net, wanted: &str) -> Held {
    host.lan()?;
    host.add(net, "c1")?;
    let _outside = host.serve("lan", "tcp", "192.0.2.9:80")?;
    same("who is seen", wanted, &host.reaches("c1", "tcp", "192.0.2.9:80", "lan")?.into())
}

fn masquerade(host: &Host) -> Held {
    seen_as(host, &ptp(json!({ "ipMasq": true })), "192.0.2.1")
}

fn masq_iptables(host: &Host) -> Held {
    seen_as(host, &ptp(json!({ "ipMasq": true, "ipMasqBackend": "iptables" })), "192.0.2.1")?;
    let rules = host.iptables()?;
    has("iptables", r#"name: \"net\" id: \"box-c1\""#, &rules)?;
    has("iptables", "-A POSTROUTING -s 10.9.0.2/32", &rules)
}

fn no_masquerade(host: &Host) -> Held {
    seen_as(host, &ptp(json!({})), "10.9.0.2")
}

fn dual(host: &Host) -> Held {
    let result = host.add(&both(), "c1")?;
    same(
        "the addresses",
        json!(["10.9.0.2/24", "fd00:9::2/64"]),
        &json!(host.addresses("c1", "eth0")?),
    )?;
    let leg = name(&result, 0)?;
    same(
        "the host's end",
        json!(["10.9.0.1/32", "fd00:9::1/128"]),
        &json!(host.addresses("", &leg)?),
    )?;
    host.does(&format!(
        "for i in $(seq 60); do ip -6 addr show {leg} | grep -q tentative || break; sleep 0.05; done"
    ));
    let _own = host.serve("", "tcp", "[fd00:9::1]:80")?;
    host.reaches("c1", "tcp", "[fd00:9::1]:80", "").map(drop)
}

fn dual_at_once(host: &Host) -> Held {
    host.add(&both(), "c1")?;
    let _own = host.serve("", "tcp", "[fd00:9::1]:80")?;
    let _one = host.serve("c1", "tcp", "[fd00:9::2]:80")?;
    host.reaches("c1", "tcp", "[fd00:9::1]:80", "")?;
    host.reaches("", "tcp", "[fd00:9::2]:80", "c1").map(drop)
}

fn dns(host: &Host) -> Held {
    let result = host.add(&ptp(json!({ "dns": { "nameservers": ["10.0.0.9"] } })), "c1")?;
    same("dns", json!({ "nameservers": ["10.0.0.9"] }), &result["dns"])
}

fn needs_address(host: &Host) -> Held {
    for ipam in [Value::Null, json!({ "type": "static" }), json!({ "type": "nobody" })] {
        host.try_add(&ptp(json!({ "ipam": ipam })), &Call::new("ADD", "c1"))?.refused(&[])?;
    }
    that(!host.has_link("c1", "eth0")?, "eth0", "none", "there is one")
}

fn versions(host: &Host) -> Held {
    let old = host.add(&ptp(json!({})).speaks("0.2.0"), "c1")?;
    same("ip4.ip", "10.9.0.2/24", &old["ip4"]["ip"])?;
    for (version, who) in [("0.3.1", "c2"), ("0.4.0", "c3")] {
        let result = host.add(&ptp(json!({})).speaks(version), who)?;
        same("the family", "4", &result["ips"][0]["version"])?;
        same("the interface", 1, &result["ips"][0]["interface"])?;
    }
    Ok(())
}

fn del(host: &Host) -> Held {
    let net = ptp(json!({ "ipMasq": true }));
    host.add(&net, "c0")?;
    let before = host.state()?;
    let result = host.add(&net, "c1")?;
    host.del(&net, "c1", &result)?;
    unchanged("the host", &before, &host.state()?)?;
    that(!host.has_link("c1", "eth0")?, "eth0", "gone", "there")?;
    host.del(&net, "c1", &result)
}

/// The host is as before, once the kernel has taken a namespace's links away.
fn gone(host: &Host, leg: &str, before: &str) -> Held {
    host.does(&format!(
        "for i in $(seq 100); do [ -e /sys/class/net/{leg} ] || break; sleep 0.05; done"
    ));
    unchanged("the host", before, &host.state()?)
}

fn del_gone(host: &Host) -> Held {
    let net = ptp(json!({}));
    host.add(&net, "c0")?;
    let before = host.state()?;
    let result = host.add(&net, "c1")?;
    host.sh("ip netns del c1")?;
    host.del(&net, "c1", &result)?;
    gone(host, &name(&result, 0)?, &before)
}

fn check(host: &Host) -> Held {
    let net = ptp(json!({ "ipMasq": true }));
    for (who, breaks) in [("c1", "ip route del default"), ("c2", "ip addr flush dev eth0")] {
        let result = host.add(&net, who)?;
        host.check(&net, who, &result)?.quiet()?;
        host.sh_in(who, breaks)?;
        let ran = host.check(&net, who, &result)?;
        that(ran.status != Some(0), &format!("CHECK after {breaks}"), "refused", &ran)?;
    }
    Ok(())
}

fn undone(host: &Host) -> Held {
    host.add(&ptp(json!({ "ipMasq": true })), "c0")?;
    let before = host.state()?;
    let ipam = json!({ "type": "host-local", "subnet": "10.9.0.0/24",
        "routes": [{ "dst": "10.7.0.0/16", "gw": "172.16.99.99" }] });
    let bad = ptp(json!({ "ipMasq": true, "ipam": ipam }));
    host.try_add(&bad, &Call::new("ADD", "c1"))?.refused(&[])?;
    that(!host.has_link("c1", "eth0")?, "eth0", "none", "there is one")?;
    unchanged("the host", &before, &host.state()?)?;
    host.add(&ptp(json!({ "ipMasq": true })), "c1").map(drop)
}

fn del_forgotten(host: &Host) -> Held {
    let net = ptp(json!({ "ipMasq": true }));
    host.add(&net, "c0")?;
    let before = host.state()?;
    let result = host.add(&net, "c1")?;
    host.sh("ip netns del c1")?;
    host.del_bare(&net, "c1")?;
    gone(host, &name(&result, 0)?, &before)
}

fn gc(host: &Host) -> Held {
    let net = ptp(json!({ "ipMasq": true }));
    host.add(&net, "c0")?;
    let before = host.state()?;
    let result = host.add(&net, "c1")?;
    host.sh("ip netns del c1")?;
    host.gc(&net, &["c0"])?;
    gone(host, &name(&result, 0)?, &before)?;
    let _own = host.serve("", "tcp", "10.9.0.1:80")?;
    has("the host's routes", "10.9.0.2 dev", &host.routes("")?)?;
    host.reaches("c0", "tcp", "10.9.0.1:80", "").map(drop)
}

fn same_again(host: &Host) -> Held {
    let net = ptp(json!({ "ipMasq": true }));
    let first = host.add(&net, "c1")?;
    let before = host.state()?;
    same("the second result", first, &host.add(&net, "c1")?)?;
    unchanged("the host", &before, &host.state()?)
}
