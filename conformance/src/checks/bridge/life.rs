//! A container's life on a bridge: DEL, CHECK, GC, STATUS, what fails and what is forgotten.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{bridge, dual, gone, leg, masq_chain, no_links_but, ports, routed};
use crate::Host;
use crate::check::{Held, has, same, that, unchanged};
use crate::look::ip;
use crate::net::{Call, Net};

pub(super) fn versions(host: &Host) -> Held {
    let old = host.add(&dual(json!({})).speaks("0.2.0"), "c1")?;
    same("ip4.ip", "10.9.0.2/24", &old["ip4"]["ip"])?;
    same("ip6.ip", "fd00:9::2/64", &old["ip6"]["ip"])?;
    that(old["interfaces"].is_null(), "version 0.2.0", "no interfaces", &old)?;
    for (version, who) in [("0.3.0", "c2"), ("0.3.1", "c3"), ("0.4.0", "c4")] {
        let result = host.add(&dual(json!({})).speaks(version), who)?;
        same(
            "the families",
            json!(["4", "6"]),
            &json!([result["ips"][0]["version"], result["ips"][1]["version"]]),
        )?;
        same("the interface", 2, &result["ips"][1]["interface"])?;
    }
    Ok(())
}

pub(super) fn del(host: &Host) -> Held {
    let net = routed(json!({ "ipMasq": true }));
    host.add(&net, "c0")?;
    let before = host.state()?;
    let result = host.add(&net, "c1")?;
    host.del(&net, "c1", &result)?;
    unchanged("the host", &before, &host.state()?)?;
    no_links_but(host, "c1", &["lo"])?;
    host.del(&net, "c1", &result)?;
    host.del(&net, "c1", &Value::Null)?;
    unchanged("the host", &before, &host.state()?)
}

pub(super) fn del_gone(host: &Host) -> Held {
    let net = routed(json!({}));
    host.add(&net, "c0")?;
    let before = host.state()?;
    let result = host.add(&net, "c1")?;
    host.sh("ip netns del c1")?;
    host.del(&net, "c1", &result)?;
    gone(host, &before)?;
    host.add(&net, "c2")?;
    host.sh("ip netns del c2")?;
    host.del_bare(&net, "c2")?;
    gone(host, &before)
}

pub(super) fn check(host: &Host) -> Held {
    for (version, who) in [("0.4.0", "c1"), ("1.0.0", "c2")] {
        let net = dual(json!({ "ipMasq": true, "hairpinMode": true })).speaks(version);
        let result = host.add(&net, who)?;
        host.check(&net, who, &result)?.quiet()?;
    }
    Ok(())
}

pub(super) fn check_gone(host: &Host) -> Held {
    let net = routed(json!({}));
    for (who, breaks) in [
        ("c1", "ip link del eth0"),
        (
            "c2",
            "ip addr flush dev eth0; ip addr add 10.9.0.77/24 dev eth0; ip route add default via 10.9.0.1",
        ),
        ("c3", "ip route del default"),
    ] {
        let result = host.add(&net, who)?;
        host.check(&net, who, &result)?.quiet()?;
        host.sh_in(who, breaks)?;
        let ran = host.check(&net, who, &result)?;
        that(ran.status != Some(0), &format!("CHECK after {breaks}"), "refused", &ran)?;
    }
    Ok(())
}

pub(super) fn parallel(host: &Host) -> Held {
    let net = routed(json!({ "ipMasq": true }));
    let names: Vec<String> = (0..12).map(|n| format!("c{n}")).collect();
    names.iter().try_for_each(|name| host.container(name))?;
    let all: Vec<Result<String, crate::Miss>> = std::thread::scope(|scope| {
        let one = |name: &String| {
            let (net, name) = (&net, name.clone());
            scope.spawn(move || ip(&host.add(net, &name)?, 0))
        };
        let started: Vec<_> = names.iter().map(one).collect();
        started.into_iter().filter_map(|thread| thread.join().ok()).collect()
    });
    let distinct: BTreeSet<String> = all.into_iter().collect::<Result<_, _>>()?;
    that(distinct.len() == 12, "the addresses", "12 of them", format!("{distinct:?}"))?;
    let members = ports(host, "br0")?;
    that(members.len() == 12, "the bridge's ports", "12 of them", format!("{members:?}"))
}

pub(super) fn unknown_args(host: &Host) -> Held {
    let net = bridge(json!({}));
    let call = |args: &str| Call::new("ADD", "c1").with("ARGS", args);
    host.try_add(&net, &call("MAC=02:00:00:00:00:01"))?.refused(&[])?;
    host.sh("ip netns del c1")?;
    host.try_add(&net, &call("NONE=1"))?.refused(&[]).map(drop)
}

pub(super) fn status(host: &Host) -> Held {
    host.status(&bridge(json!({})))?.quiet()?;
    host.status(&bridge(json!({ "ipam": { "type": "nobody" } })))?.refused(&[]).map(drop)
}

/// A network whose ADD fails after the link is made: a route that no kernel takes.
fn fails() -> Net {
    let ipam = json!({ "type": "host-local", "subnet": "10.9.0.0/24",
        "routes": [{ "dst": "10.7.0.0/16", "gw": "172.16.99.99" }] });
    bridge(json!({ "isGateway": true, "ipMasq": true, "ipam": ipam }))
}

pub(super) fn undone(host: &Host) -> Held {
    host.add(&routed(json!({ "ipMasq": true })), "c0")?;
    let before = host.state()?;
    host.try_add(&fails(), &Call::new("ADD", "c1"))?.refused(&[])?;
    no_links_but(host, "c1", &["lo"])?;
    unchanged("the host", &before, &host.state()?)?;
    host.add(&routed(json!({ "ipMasq": true })), "c1").map(drop)
}

pub(super) fn del_forgotten(host: &Host) -> Held {
    for backend in [Value::Null, "iptables".into()] {
        let net = routed(json!({ "ipMasq": true, "ipMasqBackend": backend }));
        host.add(&net, "c0")?;
        let before = host.state()?;
        host.add(&net, "c1")?;
        host.sh("ip netns del c1")?;
        host.del_bare(&net, "c1")?;
        gone(host, &before)?;
        host.del_bare(&net, "c0")?;
        host.sh("ip netns del c0")?;
        // The kernel takes its time to remove the links.
        host.does("for i in $(seq 100); do [ -z \"$(ls /sys/class/net/br0/brif)\" ] && break; sleep 0.05; done");
    }
    Ok(())
}

pub(super) fn gc(host: &Host) -> Held {
    let net = routed(json!({ "ipMasq": true }));
    host.add(&net, "c0")?;
    let before = host.state()?;
    for who in ["c1", "c2", "c3"] {
        host.add(&net, who)?;
        host.sh(&format!("ip netns del {who}"))?;
    }
    host.gc(&net, &["c0"])?;
    gone(host, &before)?;
    let _server = host.serve("", "tcp", "10.9.0.1:80")?;
    host.reaches("c0", "tcp", "10.9.0.1:80", "").map(drop)
}

pub(super) fn same_again(host: &Host) -> Held {
    let net = routed(json!({ "ipMasq": true }));
    let first = host.add(&net, "c1")?;
    let before = host.state()?;
    same("the second result", first, &host.add(&net, "c1")?)?;
    unchanged("the host", &before, &host.state()?)
}

pub(super) fn check_masquerade(host: &Host) -> Held {
    for (backend, who) in [("iptables", "c1"), ("nftables", "c2")] {
        let net = routed(json!({ "ipMasq": true, "ipMasqBackend": backend }));
        let result = host.add(&net, who)?;
        host.check(&net, who, &result)?.quiet()?;
        if backend == "iptables" {
            let chain = masq_chain(host, who)?;
            host.sh(&format!("iptables -t nat -F {chain}"))?;
        } else {
            host.sh("nft flush ruleset")?;
        }
        let ran = host.check(&net, who, &result)?;
        that(ran.status != Some(0), "CHECK after a flush", "refused", &ran)?;
    }
    Ok(())
}

pub(super) fn check_settings(host: &Host) -> Held {
    let net = routed(json!({ "hairpinMode": true }));
    let result = host.add(&net, "c1")?;
    let leg = leg(&result)?;
    for (breaks, mends) in [
        (
            "sysctl -q net.ipv4.ip_forward=0".to_owned(),
            "sysctl -q net.ipv4.ip_forward=1".to_owned(),
        ),
        (
            format!("bridge link set dev {leg} hairpin off"),
            format!("bridge link set dev {leg} hairpin on"),
        ),
        (format!("ip link set {leg} nomaster"), format!("ip link set {leg} master br0")),
    ] {
        host.sh(&breaks)?;
        let ran = host.check(&net, "c1", &result)?;
        that(ran.status != Some(0), &format!("CHECK after {breaks}"), "refused", &ran)?;
        host.sh(&mends)?;
    }
    Ok(())
}

pub(super) fn status_full(host: &Host) -> Held {
    let ipam = json!({ "type": "host-local", "subnet": "10.9.0.0/30" });
    let net = bridge(json!({ "ipam": ipam }));
    host.status(&net)?.quiet()?;
    host.add(&net, "c1")?;
    host.status(&net)?.refused(&[50]).map(drop)
}

pub(super) fn mtu_in_result(host: &Host) -> Held {
    let result = host.add(&bridge(json!({ "mtu": 1400 })).speaks("1.1.0"), "c1")?;
    same("mtu of the container's interface", 1400, &result["interfaces"][2]["mtu"])?;
    let old = host.add(&bridge(json!({ "mtu": 1400 })), "c2")?;
    that(old["interfaces"][2]["name"] == "eth0", "a result of 1.0.0", "the same interfaces", &old)
}

pub(super) fn route_mtu(host: &Host) -> Held {
    let ipam = json!({ "type": "host-local", "subnet": "10.9.0.0/24",
        "routes": [{ "dst": "10.7.0.0/16", "gw": "10.9.0.9", "mtu": 1300, "advmss": 1200 }] });
    host.add(&bridge(json!({ "ipam": ipam })).speaks("1.1.0"), "c1")?;
    let routes = host.routes("c1")?;
    has("the routes", "mtu 1300", &routes)?;
    has("the routes", "advmss 1200", &routes)
}
