//! The keys of bridge, each by what it does to links, addresses and settings.

use serde_json::{Value, json};

use super::{bridge, dual as both, leg, port, ports, routed};
use crate::Host;
use crate::check::{Held, has, lacks, same, that};
use crate::host::netns;
use crate::look::{interface, ip, name};
use crate::net::{Call, Net};

pub(super) fn interfaces(host: &Host) -> Held {
    let result = host.add(&bridge(json!({})), "c1")?;
    let (first, second) = (interface(&result, 0)?, interface(&result, 1)?);
    same("the first interface", "br0", &first["name"])?;
    same("its mac", host.link("", "br0")?["address"].clone(), &first["mac"])?;
    let leg = leg(&result)?;
    same("the second's mac", host.link("", &leg)?["address"].clone(), &second["mac"])?;
    that(
        second["sandbox"].is_null() || second["sandbox"] == "",
        "the second",
        "no sandbox",
        second,
    )?;
    let third = interface(&result, 2)?;
    same("the third interface", "eth0", &third["name"])?;
    same("its sandbox", netns("c1"), &third["sandbox"])?;
    same("its mac", host.link("c1", "eth0")?["address"].clone(), &third["mac"])?;
    same("the address's interface", 2, &result["ips"][0]["interface"])?;
    same("the address", "10.9.0.2/24", &result["ips"][0]["address"])?;
    same("the gateway", "10.9.0.1", &result["ips"][0]["gateway"])
}

pub(super) fn names(host: &Host) -> Held {
    let mut net = bridge(json!({}));
    if let Some(fields) = net.plugins.first_mut().and_then(Value::as_object_mut) {
        fields.remove("bridge");
    }
    let result = host.add(&net, "c1")?;
    same("the bridge", "cni0", &interface(&result, 0)?["name"])?;
    let leg = leg(&result)?;
    that(leg.starts_with("veth"), "the host's end", "veth…", &leg)?;
    same("the bridge's ports", json!([leg]), &json!(ports(host, "cni0")?))
}

pub(super) fn address(host: &Host) -> Held {
    host.add(&bridge(json!({})), "c1:net1")?;
    let link = host.link("c1", "net1")?;
    same("its state", "UP", &link["operstate"])?;
    same("its addresses", json!(["10.9.0.2/24"]), &json!(host.addresses("c1", "net1")?))?;
    same("the bridge's state", "UP", &host.link("", "br0")?["operstate"])
}

pub(super) fn existing(host: &Host) -> Held {
    host.sh("ip link add br0 type bridge; ip link set br0 address 02:00:00:00:00:77 up mtu 1450
        ip addr add 10.44.0.1/24 dev br0")?;
    host.add(&bridge(json!({})), "c1")?;
    let link = host.link("", "br0")?;
    same("its hardware address", "02:00:00:00:00:77", &link["address"])?;
    same("its addresses", json!(["10.44.0.1/24"]), &json!(host.addresses("", "br0")?))
}

pub(super) fn no_bridge(host: &Host) -> Held {
    host.sh("ip link add br0 type veth peer name other")?;
    host.try_add(&bridge(json!({})), &Call::new("ADD", "c1"))?.refused(&[])?;
    that(!host.has_link("c1", "eth0")?, "eth0 in the container", "none", "there is one")
}

pub(super) fn mac_pinned(host: &Host) -> Held {
    host.add(&routed(json!({})), "c1")?;
    let before = host.link("", "br0")?["address"].clone();
    for n in 2..6 {
        host.add(&routed(json!({})), &format!("c{n}"))?;
    }
    same("the bridge's hardware address", before, &host.link("", "br0")?["address"])
}

pub(super) fn gateway(host: &Host) -> Held {
    host.add(&bridge(json!({ "isGateway": true })), "c1")?;
    same("the bridge's addresses", json!(["10.9.0.1/24"]), &json!(host.addresses("", "br0")?))?;
    same("ip_forward", "1", &host.sysctl("", "net/ipv4/ip_forward")?.into())?;
    host.lacks_route("c1", "default")
}

pub(super) fn no_gateway(host: &Host) -> Held {
    host.add(&bridge(json!({})), "c1")?;
    same("the bridge's addresses", json!([]), &json!(host.addresses("", "br0")?))
}

pub(super) fn gateway_v6(host: &Host) -> Held {
    let ipam = json!({ "type": "host-local", "subnet": "fd00:9::/64" });
    host.add(&bridge(json!({ "isGateway": true, "ipam": ipam })), "c1")?;
    same("the bridge's addresses", json!(["fd00:9::1/64"]), &json!(host.addresses("", "br0")?))?;
    same("forwarding", "1", &host.sysctl("", "net/ipv6/conf/all/forwarding")?.into())
}

pub(super) fn default_gateway(host: &Host) -> Held {
    let result = host.add(&bridge(json!({ "isDefaultGateway": true })), "c1")?;
    host.has_route("c1", "default via 10.9.0.1 dev eth0")?;
    same("the bridge's addresses", json!(["10.9.0.1/24"]), &json!(host.addresses("", "br0")?))?;
    same(
        "routes of the result",
        json!([{ "dst": "0.0.0.0/0", "gw": "10.9.0.1" }]),
        &result["routes"],
    )?;
    let ipam = json!({ "type": "host-local", "subnet": "10.9.0.0/24",
        "routes": [{ "dst": "0.0.0.0/0", "gw": "10.9.0.1" }] });
    host.add(&bridge(json!({ "isDefaultGateway": true, "ipam": ipam })), "c2")?;
    let routes = host.routes("c2")?;
    that(routes.matches("default").count() == 1, "routes of c2", "one default", routes)
}

pub(super) fn force(host: &Host) -> Held {
    host.sh("ip link add br0 type bridge; ip link set br0 up; ip addr add 10.44.0.1/24 dev br0")?;
    let net = bridge(json!({ "isGateway": true }));
    let said = host.try_add(&net, &Call::new("ADD", "c1"))?.refused(&[])?;
    has("the message", "already has an IP address different from", &said)?;
    host.sh("ip netns del c1")?;
    host.add(&net.and(json!({ "forceAddress": true })), "c2")?;
    same("the bridge's addresses", json!(["10.9.0.1/24"]), &json!(host.addresses("", "br0")?))
}

pub(super) fn mtu(host: &Host) -> Held {
    let result = host.add(&bridge(json!({ "mtu": 1400 })), "c1")?;
    same("of the container's", 1400, &host.link("c1", "eth0")?["mtu"])?;
    same("of the host's end", 1400, &host.link("", &leg(&result)?)?["mtu"])?;
    same("of the bridge", 1400, &host.link("", "br0")?["mtu"])
}

pub(super) fn hairpin(host: &Host) -> Held {
    let result = host.add(&bridge(json!({ "hairpinMode": true })), "c1")?;
    same("hairpin", "1", &port(host, &leg(&result)?, "hairpin_mode")?.into())?;
    let result = host.add(&bridge(json!({})), "c2")?;
    same("hairpin when not asked for", "0", &port(host, &leg(&result)?, "hairpin_mode")?.into())
}

pub(super) fn promisc(host: &Host) -> Held {
    let net = bridge(json!({ "promiscMode": true }));
    host.add(&net, "c1")?;
    let flags = host.link("", "br0")?["flags"].to_string();
    has("the bridge's flags", "PROMISC", &flags)?;
    let both = net.and(json!({ "hairpinMode": true }));
    host.try_add(&both, &Call::new("ADD", "c2"))?.refused(&[]).map(drop)
}

fn has_mac(host: &Host, result: &Value, wanted: &str) -> Held {
    same("the hardware address", wanted, &host.link("c1", "eth0")?["address"])?;
    same("the result's", wanted, &interface(result, 2)?["mac"])
}

const ARGS: &str = "IgnoreUnknown=1;MAC=02:00:00:00:00:11";

pub(super) fn mac_of_args(host: &Host) -> Held {
    let call = Call::new("ADD", "c1").with("ARGS", ARGS);
    let result = host.add_as(&bridge(json!({})), &call)?;
    has_mac(host, &result, "02:00:00:00:00:11")
}

pub(super) fn mac_of_runtime(host: &Host) -> Held {
    let call = Call::new("ADD", "c1").with("ARGS", ARGS);
    let net = bridge(json!({ "runtimeConfig": { "mac": "02:00:00:00:00:33" } }));
    has_mac(host, &host.add_as(&net, &call)?, "02:00:00:00:00:33")
}

pub(super) fn mac_of_args_cni(host: &Host) -> Held {
    let call = Call::new("ADD", "c1").with("ARGS", ARGS);
    let net = bridge(json!({ "args": { "cni": { "mac": "02:00:00:00:00:22" } } }));
    has_mac(host, &host.add_as(&net, &call)?, "02:00:00:00:00:22")
}

pub(super) fn bad_mac(host: &Host) -> Held {
    let net = bridge(json!({ "runtimeConfig": { "mac": "nonsense" } }));
    host.try_add(&net, &Call::new("ADD", "c1"))?.refused(&[]).map(drop)
}

pub(super) fn dns(host: &Host) -> Held {
    host.write("/run/w/resolv", "nameserver 10.0.0.1\nsearch of.ipam\n")?;
    let ipam =
        json!({ "type": "host-local", "subnet": "10.9.0.0/24", "resolvConf": "/run/w/resolv" });
    let net = bridge(json!({ "ipam": ipam }));
    let found = host.add(&net, "c1")?["dns"].clone();
    same("dns", json!({ "nameservers": ["10.0.0.1"], "search": ["of.ipam"] }), &found)?;
    let own = net.and(json!({ "dns": { "nameservers": ["10.0.0.9"] } }));
    same("dns", json!({ "nameservers": ["10.0.0.9"] }), &host.add(&own, "c2")?["dns"])
}

pub(super) fn l2(host: &Host) -> Held {
    let net = Net::of(json!({ "type": "bridge", "bridge": "br0" }));
    let result = host.add(&net, "c1")?;
    same("its state", "UP", &host.link("c1", "eth0")?["operstate"])?;
    same("its addresses", json!([]), &json!(host.addresses("c1", "eth0")?))?;
    that(result["ips"].is_null() || result["ips"] == json!([]), "the result", "no ips", &result)?;
    interface(&result, 2)?;
    host.del(&net, "c1", &result)
}

pub(super) fn routes(host: &Host) -> Held {
    let ipam = json!({ "type": "host-local", "subnet": "10.9.0.0/24",
        "routes": [{ "dst": "0.0.0.0/0" }, { "dst": "10.7.0.0/16", "gw": "10.9.0.9" }] });
    let result = host.add(&bridge(json!({ "ipam": ipam })), "c1")?;
    host.has_route("c1", "default via 10.9.0.1 dev eth0")?;
    host.has_route("c1", "10.7.0.0/16 via 10.9.0.9 dev eth0")?;
    let wanted = json!([{ "dst": "0.0.0.0/0" }, { "dst": "10.7.0.0/16", "gw": "10.9.0.9" }]);
    same("routes of the result", wanted, &result["routes"])
}

pub(super) fn routes_table(host: &Host) -> Held {
    let ipam = json!({ "type": "host-local", "subnet": "10.9.0.0/24", "routes":
        [{ "dst": "10.7.0.0/16", "gw": "10.9.0.9", "priority": 50 }, { "dst": "0.0.0.0/0", "table": 77 }] });
    host.add(&bridge(json!({ "ipam": ipam })).speaks("1.1.0"), "c1")?;
    host.has_route("c1", "10.7.0.0/16 via 10.9.0.9 dev eth0 metric 50")?;
    host.lacks_route("c1", "default")?;
    has("table 77", "default via 10.9.0.1", &host.sh_in("c1", "ip route show table 77")?)
}

pub(super) fn dual(host: &Host) -> Held {
    let result = host.add(&both(json!({})), "c1")?;
    let all = json!(["10.9.0.2/24", "fd00:9::2/64"]);
    same("the addresses", all, &json!(host.addresses("c1", "eth0")?))?;
    same("the second's interface", 2, &result["ips"][1]["interface"])?;
    lacks("the addresses", "tentative", &host.sh("ip -n c1 -6 addr show scope global")?)?;
    host.has_route("c1", "default via fd00:9::1 dev eth0")?;
    host.does(
        "for i in $(seq 60); do ip -6 addr show br0 | grep -q tentative || break; sleep 0.05; done",
    );
    answers(host)
}

pub(super) fn at_once(host: &Host) -> Held {
    host.add(&both(json!({})), "c1")?;
    answers(host)
}

/// The gateway answers the container.
fn answers(host: &Host) -> Held {
    let _server = host.serve("", "tcp", "[fd00:9::1]:80")?;
    let peer = host.reaches("c1", "tcp", "[fd00:9::1]:80", "")?;
    same("the peer", "fd00:9::2", &peer.into())
}

pub(super) fn arp_notify(host: &Host) -> Held {
    host.add(&bridge(json!({})), "c1")?;
    same("arp_notify", "1", &host.sysctl("c1", "net/ipv4/conf/eth0/arp_notify")?.into())
}

pub(super) fn isolation(host: &Host) -> Held {
    let net = routed(json!({ "portIsolation": true }));
    let result = host.add(&net, "c1")?;
    same("isolated", "1", &port(host, &leg(&result)?, "isolated")?.into())?;
    host.add(&net, "c2")?;
    let _server = host.serve("c1", "tcp", "10.9.0.2:80")?;
    let _gateway = host.serve("", "tcp", "10.9.0.1:80")?;
    host.misses("c2", "tcp", "10.9.0.2:80")?;
    host.reaches("c2", "tcp", "10.9.0.1:80", "").map(drop)
}

pub(super) fn disabled(host: &Host) -> Held {
    let net =
        Net::of(json!({ "type": "bridge", "bridge": "br0", "disableContainerInterface": true }));
    let result = host.add(&net, "c1")?;
    same("its state", "DOWN", &host.link("c1", "eth0")?["operstate"])?;
    host.check(&net, "c1", &result)?.quiet()?;
    let refused = bridge(json!({ "disableContainerInterface": true }));
    host.try_add(&refused, &Call::new("ADD", "c2"))?.refused(&[]).map(drop)
}

pub(super) fn dad(host: &Host) -> Held {
    host.add(&bridge(json!({})), "c1")?;
    same("accept_dad", "0", &host.sysctl("c1", "net/ipv6/conf/eth0/accept_dad")?.into())?;
    host.add(&bridge(json!({ "enabledad": true })), "c2")?;
    same(
        "accept_dad with enabledad",
        "1",
        &host.sysctl("c2", "net/ipv6/conf/eth0/accept_dad")?.into(),
    )?;
    same("enhanced_dad", "1", &host.sysctl("c2", "net/ipv6/conf/eth0/enhanced_dad")?.into())
}

pub(super) fn macspoof(host: &Host) -> Held {
    let net = routed(json!({ "macspoofchk": true }));
    host.add(&routed(json!({})), "c0")?;
    let before = host.state()?;
    let result = host.add(&net, "c1")?;
    let _server = host.serve("", "tcp", "10.9.0.1:80")?;
    host.reaches("c1", "tcp", "10.9.0.1:80", "")?;
    let ip = ip(&result, 0)?;
    host.sh_in(
        "c1",
        &format!(
            "ip link set eth0 down; ip link set eth0 address 02:00:00:00:00:99
        ip link set eth0 up; ip addr replace {ip}/24 dev eth0"
        ),
    )?;
    host.misses("c1", "tcp", "10.9.0.1:80")?;
    host.del(&net, "c1", &result)?;
    let left = host.state()?;
    lacks("rules after DEL", &name(&result, 1)?, &left)?;
    // What is there for all may stay, as a table without rules.
    let own = |text: &str| text.lines().filter(|line| line.contains("box-c1")).count();
    that(own(&before) == own(&left), "rules after DEL", "none of the container", left)
}
