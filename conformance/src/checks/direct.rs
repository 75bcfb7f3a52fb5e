//! macvlan, ipvlan, vlan and dummy: interfaces beside the host's stack.

use serde_json::{Value, json};

use crate::Host;
use crate::check::{Check, Held, better, contract, has, same, that, unchanged};
use crate::host::netns;
use crate::look::interface;
use crate::need::Need;
use crate::net::{Call, Net};

const MACVLAN_: &[Need] = &[Need::Macvlan];
const IPVLAN_: &[Need] = &[Need::Ipvlan];
const VLAN_: &[Need] = &[Need::Vlan];
const DUMMY_: &[Need] = &[Need::Dummy];

pub(super) const MACVLAN: &[Check] = &[
    contract(
        "interfaces",
        "the result lists the container's interface, with mac and sandbox",
        interfaces,
    )
    .needs(MACVLAN_),
    contract(
        "default-master",
        "without master it is the interface of the default route",
        default_master,
    )
    .needs(MACVLAN_),
    contract("no-master", "a master that is not there is refused", no_master).needs(MACVLAN_),
    contract(
        "modes",
        "mode is bridge when not said, else as said; an unknown one is refused",
        macvlan_modes,
    )
    .needs(MACVLAN_),
    contract("reach", "the LAN is reached, and other containers in mode bridge", macvlan_reach)
        .needs(MACVLAN_),
    contract("private", "mode private: other containers are not reached", macvlan_private)
        .needs(MACVLAN_),
    contract("mtu", "mtu is set; more than the master's is refused", mtu).needs(MACVLAN_),
    contract("mac", "CNI_ARGS MAC and runtimeConfig.mac set the hardware address", mac)
        .needs(MACVLAN_),
    contract("l2", "without ipam the link is up and has no address", l2).needs(MACVLAN_),
    contract("dns", "dns of the configuration is the result's", dns).needs(MACVLAN_),
    contract("routes", "routes are set", routes).needs(MACVLAN_),
    contract("arp-notify", "the interface announces its addresses (arp_notify)", arp_notify)
        .needs(MACVLAN_),
    contract("ndisc-notify", "and its IPv6 addresses (ndisc_notify)", ndisc_notify)
        .needs(MACVLAN_)
        .since("1.2.0"),
    contract(
        "in-container",
        "linkInContainer: the master is an interface of the container",
        in_container,
    )
    .needs(MACVLAN_)
    .since("1.3.0"),
    contract("queue", "bcqueuelen is the length of the broadcast queue", queue)
        .needs(MACVLAN_)
        .since("1.4.0"),
    contract("versions", "the result is converted to every version", versions).needs(MACVLAN_),
    contract("del", "DEL takes interface and lease away, twice is as well", del).needs(MACVLAN_),
    contract("del-gone", "DEL succeeds when the namespace is gone", del_gone)
        .needs(MACVLAN_)
        .since("1.9.1"),
    contract("check", "CHECK succeeds after ADD, and fails without interface or address", check)
        .needs(MACVLAN_),
    better("undone", "an ADD that fails leaves nothing, and can be tried again", undone)
        .needs(MACVLAN_),
    better("gc", "GC gives back the leases of the dead", gc).needs(MACVLAN_),
    better(
        "same-again",
        "ADD for the same container and interface gives the same result",
        same_again,
    )
    .needs(MACVLAN_),
    better("status", "STATUS fails when the master is not there", status).needs(MACVLAN_),
];

pub(super) const IPVLAN: &[Check] = &[
    contract(
        "interfaces",
        "the result lists the container's interface, with mac and sandbox",
        interfaces,
    )
    .needs(IPVLAN_),
    contract(
        "default-master",
        "without master it is the interface of the default route",
        default_master,
    )
    .needs(IPVLAN_),
    contract("no-master", "a master that is not there is refused", no_master).needs(IPVLAN_),
    contract(
        "modes",
        "mode is l2 when not said, else as said; an unknown one is refused",
        ipvlan_modes,
    )
    .needs(IPVLAN_),
    contract("mtu", "mtu is set", mtu_is_set).needs(IPVLAN_),
    contract("dns", "dns of the configuration is the result's", dns).needs(IPVLAN_),
    contract("routes", "routes are set", routes).needs(IPVLAN_),
    contract(
        "in-container",
        "linkInContainer: the master is an interface of the container",
        in_container,
    )
    .needs(IPVLAN_)
    .since("1.3.0"),
    contract("versions", "the result is converted to every version", versions).needs(IPVLAN_),
    contract("del", "DEL takes interface and lease away, twice is as well", del).needs(IPVLAN_),
    contract("check", "CHECK succeeds after ADD, and fails without interface or address", check)
        .needs(IPVLAN_),
    better("del-gone", "DEL succeeds when the namespace is gone", del_gone).needs(IPVLAN_),
    better("undone", "an ADD that fails leaves nothing, and can be tried again", undone)
        .needs(IPVLAN_),
    better("gc", "GC gives back the leases of the dead", gc).needs(IPVLAN_),
];

pub(super) const VLAN: &[Check] = &[
    contract(
        "interfaces",
        "the result lists the container's interface, with mac and sandbox",
        interfaces,
    )
    .needs(VLAN_),
    contract("id", "vlanId is the VLAN", vlan_id).needs(VLAN_),
    contract("bad-id", "a vlanId outside 0-4094 is refused, and so is no master", bad_id),
    contract("no-master", "a master that is not there is refused", no_master).needs(VLAN_),
    contract("mtu", "mtu is set; more than the master's is refused", mtu).needs(VLAN_),
    contract("dns", "dns of the configuration is the result's", dns).needs(VLAN_),
    contract("routes", "routes are set", routes).needs(VLAN_),
    contract(
        "in-container",
        "linkInContainer: the master is an interface of the container",
        in_container,
    )
    .needs(VLAN_)
    .since("1.3.0"),
    contract("del", "DEL takes interface and lease away", del).needs(VLAN_),
    contract("check", "CHECK succeeds after ADD, and fails without interface or address", check)
        .needs(VLAN_),
    better("del-gone", "DEL succeeds when the namespace is gone", del_gone).needs(VLAN_),
    better("undone", "an ADD that fails leaves nothing, and can be tried again", undone)
        .needs(VLAN_),
    better("gc", "GC gives back the leases of the dead", gc).needs(VLAN_),
];

pub(super) const DUMMY: &[Check] = &[
    contract(
        "interfaces",
        "the result lists the container's interface, with mac and sandbox",
        interfaces,
    )
    .needs(DUMMY_),
    contract("routes", "routes are set", routes).needs(DUMMY_),
    contract("needs-address", "without ipam it is refused", needs_ipam).needs(DUMMY_),
    contract("del", "DEL takes interface and lease away", del).needs(DUMMY_),
    contract("del-gone", "DEL succeeds when the namespace is gone", del_gone).needs(DUMMY_),
    contract("check", "CHECK succeeds after ADD, and fails without interface or address", check)
        .needs(DUMMY_),
    better("undone", "an ADD that fails leaves nothing, and can be tried again", undone)
        .needs(DUMMY_),
    better("gc", "GC gives back the leases of the dead", gc).needs(DUMMY_),
];

/// A network of the plugin that is checked, on the interface `up0`.
fn net(host: &Host, more: Value) -> Net {
    let ipam = json!({ "type": "host-local", "subnet": "192.0.2.0/24", "gateway": "192.0.2.1",
        "rangeStart": "192.0.2.100", "routes": [{ "dst": "0.0.0.0/0" }] });
    let net = Net::of(json!({ "type": host.plugin, "master": "up0", "ipam": ipam }));
    let net = if host.plugin == "vlan" { net.and(json!({ "vlanId": 5 })) } else { net };
    net.and(more)
}

fn interfaces(host: &Host) -> Held {
    host.lan()?;
    let result = host.add(&net(host, json!({})), "c1")?;
    let own = interface(&result, 0)?;
    same("its name", "eth0", &own["name"])?;
    same("its sandbox", netns("c1"), &own["sandbox"])?;
    let link = host.link("c1", "eth0")?;
    same("its mac", link["address"].clone(), &own["mac"])?;
    same("its kind", host.plugin.as_str(), &link["linkinfo"]["info_kind"])?;
    let up = link["flags"].to_string();
    has("its flags", "\"UP\"", &up)?;
    same("the address's interface", 0, &result["ips"][0]["interface"])?;
    same("the addresses", json!(["192.0.2.100/24"]), &json!(host.addresses("c1", "eth0")?))
}

fn default_master(host: &Host) -> Held {
    host.lan()?;
    let index = host.link("", "up0")?["ifindex"].clone();
    host.add(&net(host, json!({ "master": "" })), "c1")?;
    same("its master", index, &host.link("c1", "eth0")?["link_index"])
}

fn refused(host: &Host, more: Value) -> Held {
    host.try_add(&net(host, more), &Call::new("ADD", "c1"))?.refused(&[])?;
    host.sh("ip netns del c1").map(drop)
}

fn no_master(host: &Host) -> Held {
    host.lan()?;
    refused(host, json!({ "master": "nobody0" }))
}

fn modes(host: &Host, modes: &[&str], default: &str) -> Held {
    host.lan()?;
    for mode in modes {
        let own = net(host, json!({ "mode": mode }));
        let result = host.add(&own, "c1")?;
        same("its mode", *mode, &host.link("c1", "eth0")?["linkinfo"]["info_data"]["mode"])?;
        host.del(&own, "c1", &result)?;
    }
    host.add(&net(host, json!({})), "c1")?;
    same("its mode", default, &host.link("c1", "eth0")?["linkinfo"]["info_data"]["mode"])?;
    host.try_add(&net(host, json!({ "mode": "nonsense" })), &Call::new("ADD", "c2"))?
        .refused(&[])
        .map(drop)
}

fn macvlan_modes(host: &Host) -> Held {
    modes(host, &["bridge", "private", "vepa", "passthru"], "bridge")
}

fn ipvlan_modes(host: &Host) -> Held {
    modes(host, &["l2", "l3", "l3s"], "l2")
}

fn macvlan_reach(host: &Host) -> Held {
    host.lan()?;
    for who in ["c1", "c2"] {
        host.add(&net(host, json!({})), who)?;
    }
    let _outside = host.serve("lan", "tcp", "192.0.2.9:80")?;
    same("who is seen", "192.0.2.100", &host.reaches("c1", "tcp", "192.0.2.9:80", "lan")?.into())?;
    let _one = host.serve("c1", "tcp", "192.0.2.100:80")?;
    host.reaches("c2", "tcp", "192.0.2.100:80", "c1").map(drop)
}

fn macvlan_private(host: &Host) -> Held {
    host.lan()?;
    for who in ["c1", "c2"] {
        host.add(&net(host, json!({ "mode": "private" })), who)?;
    }
    let _one = host.serve("c1", "tcp", "192.0.2.100:80")?;
    host.misses("c2", "tcp", "192.0.2.100:80")
}

fn mtu(host: &Host) -> Held {
    host.lan()?;
    refused(host, json!({ "mtu": 9000 }))?;
    mtu_is_set(host)
}

fn mtu_is_set(host: &Host) -> Held {
    if !host.has_link("", "up0")? {
        host.lan()?;
    }
    host.add(&net(host, json!({ "mtu": 1400 })), "c1")?;
    same("its mtu", 1400, &host.link("c1", "eth0")?["mtu"])
}

fn mac(host: &Host) -> Held {
    host.lan()?;
    let call = |who| Call::new("ADD", who).with("ARGS", "IgnoreUnknown=1;MAC=02:00:00:00:00:11");
    let result = host.add_as(&net(host, json!({})), &call("c1"))?;
    same("the hardware address", "02:00:00:00:00:11", &host.link("c1", "eth0")?["address"])?;
    same("the result's", "02:00:00:00:00:11", &interface(&result, 0)?["mac"])?;
    let runtime = net(host, json!({ "runtimeConfig": { "mac": "02:00:00:00:00:22" } }));
    host.add_as(&runtime, &call("c2"))?;
    same("the hardware address", "02:00:00:00:00:22", &host.link("c2", "eth0")?["address"])
}

fn l2(host: &Host) -> Held {
    host.lan()?;
    let own = net(host, json!({ "ipam": {} }));
    let result = host.add(&own, "c1")?;
    has("its flags", "\"UP\"", &host.link("c1", "eth0")?["flags"].to_string())?;
    same("its addresses", json!([]), &json!(host.addresses("c1", "eth0")?))?;
    host.del(&own, "c1", &result)
}

fn needs_ipam(host: &Host) -> Held {
    refused(host, json!({ "ipam": {} }))
}

fn dns(host: &Host) -> Held {
    host.lan()?;
    let result = host.add(&net(host, json!({ "dns": { "nameservers": ["10.0.0.9"] } })), "c1")?;
    same("dns", json!({ "nameservers": ["10.0.0.9"] }), &result["dns"])
}

fn routes(host: &Host) -> Held {
    host.lan()?;
    host.add(&net(host, json!({})), "c1")?;
    host.has_route("c1", "default via 192.0.2.1 dev eth0")
}

fn arp_notify(host: &Host) -> Held {
    host.lan()?;
    host.add(&net(host, json!({})), "c1")?;
    same("arp_notify", "1", &host.sysctl("c1", "net/ipv4/conf/eth0/arp_notify")?.into())
}

fn ndisc_notify(host: &Host) -> Held {
    host.lan()?;
    host.add(&net(host, json!({})), "c1")?;
    same("ndisc_notify", "1", &host.sysctl("c1", "net/ipv6/conf/eth0/ndisc_notify")?.into())
}

fn in_container(host: &Host) -> Held {
    host.container("c1")?;
    host.sh_in(
        "c1",
        "ip link add up0 type veth peer name up1; ip link set up0 up; ip link set up1 up",
    )?;
    let own = net(host, json!({ "linkInContainer": true }));
    let result = host.add(&own, "c1")?;
    same("its kind", host.plugin.as_str(), &host.link("c1", "eth0")?["linkinfo"]["info_kind"])?;
    host.check(&own, "c1", &result)?.quiet()?;
    host.del(&own, "c1", &result)?;
    that(host.has_link("c1", "up0")?, "the master", "it stays", "it is gone")
}

fn queue(host: &Host) -> Held {
    host.lan()?;
    host.add(&net(host, json!({ "bcqueuelen": 5000 })), "c1")?;
    has("the link", "bcqueuelen 5000", &host.sh("ip -n c1 -d link show eth0")?)
}

fn versions(host: &Host) -> Held {
    host.lan()?;
    let old = host.add(&net(host, json!({})).speaks("0.2.0"), "c1")?;
    same("ip4.ip", "192.0.2.100/24", &old["ip4"]["ip"])?;
    let result = host.add(&net(host, json!({})).speaks("0.4.0"), "c2")?;
    same("the family", "4", &result["ips"][0]["version"])
}

/// A container that stays, where two can have an interface of one master.
fn stays(host: &Host, net: &Net) -> Held {
    if host.plugin == "vlan" { Ok(()) } else { host.add(net, "c0").map(drop) }
}

fn del(host: &Host) -> Held {
    host.lan()?;
    let own = net(host, json!({}));
    stays(host, &own)?;
    let before = host.state()?;
    let result = host.add(&own, "c1")?;
    host.del(&own, "c1", &result)?;
    that(!host.has_link("c1", "eth0")?, "eth0", "gone", "there")?;
    unchanged("the host", &before, &host.state()?)?;
    if host.plugin == "macvlan" {
        host.del(&own, "c1", &result)?;
    }
    Ok(())
}

fn del_gone(host: &Host) -> Held {
    host.lan()?;
    let own = net(host, json!({}));
    stays(host, &own)?;
    let before = host.state()?;
    let result = host.add(&own, "c1")?;
    host.sh("ip netns del c1")?;
    host.del(&own, "c1", &result)?;
    host.del_bare(&own, "c1")?;
    unchanged("the host", &before, &host.state()?)
}

fn check(host: &Host) -> Held {
    host.lan()?;
    let own = net(host, json!({}));
    for (who, breaks) in [("c1", "ip link del eth0"), ("c2", "ip addr flush dev eth0")] {
        let result = host.add(&own, who)?;
        host.check(&own, who, &result)?.quiet()?;
        host.sh_in(who, breaks)?;
        let ran = host.check(&own, who, &result)?;
        that(ran.status != Some(0), &format!("CHECK after {breaks}"), "refused", &ran)?;
    }
    Ok(())
}

fn undone(host: &Host) -> Held {
    host.lan()?;
    let before = host.state()?;
    let ipam = json!({ "type": "host-local", "subnet": "192.0.2.0/24", "rangeStart": "192.0.2.100",
        "routes": [{ "dst": "10.7.0.0/16", "gw": "172.16.99.99" }] });
    let bad = net(host, json!({ "ipam": ipam }));
    host.try_add(&bad, &Call::new("ADD", "c1"))?.refused(&[])?;
    let links = host.links("c1")?;
    that(links == ["lo"], "the links", "lo alone", format!("{links:?}"))?;
    unchanged("the host", &before, &host.state()?)?;
    host.add(&net(host, json!({})), "c1").map(drop)
}

fn gc(host: &Host) -> Held {
    host.lan()?;
    let own = net(host, json!({}));
    stays(host, &own)?;
    let before = host.state()?;
    host.add(&own, "c1")?;
    host.sh("ip netns del c1")?;
    host.gc(&own, if host.plugin == "vlan" { &[] } else { &["c0"] })?;
    unchanged("the host", &before, &host.state()?)
}

fn same_again(host: &Host) -> Held {
    host.lan()?;
    let own = net(host, json!({}));
    let first = host.add(&own, "c1")?;
    same("the second result", first, &host.add(&own, "c1")?)
}

fn status(host: &Host) -> Held {
    host.lan()?;
    host.status(&net(host, json!({})))?.quiet()?;
    host.status(&net(host, json!({ "master": "nobody0" })))?.refused(&[]).map(drop)
}

fn vlan_id(host: &Host) -> Held {
    host.lan()?;
    host.add(&net(host, json!({ "vlanId": 77 })), "c1")?;
    same("its VLAN", 77, &host.link("c1", "eth0")?["linkinfo"]["info_data"]["id"])
}

fn bad_id(host: &Host) -> Held {
    host.lan()?;
    refused(host, json!({ "vlanId": 4095 }))?;
    refused(host, json!({ "vlanId": -1 }))?;
    refused(host, json!({ "master": "" }))
}
