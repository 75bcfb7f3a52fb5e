//! tap: an interface whose other end is a program, in the container.

use serde_json::{Value, json};

use crate::Host;
use crate::check::{Check, Held, Miss, better, contract, has, same, that, unchanged};
use crate::host::netns;
use crate::look::interface;
use crate::need::Need;
use crate::net::{Call, Net};

const TUN: &[Need] = &[Need::Tun];

pub(super) const CHECKS: &[Check] = &[
    contract("interfaces", "the result lists the container's interface, a tap, up", interfaces)
        .needs(TUN),
    contract("address", "it has the address that ipam gives, and the routes", address).needs(TUN),
    contract("l2", "without ipam it has no address", l2).needs(TUN),
    contract("mtu", "mtu is set", mtu).needs(TUN),
    contract("mac", "mac, runtimeConfig.mac and CNI_ARGS MAC set the hardware address", mac)
        .needs(TUN),
    contract("multi-queue", "multiQueue makes one of several queues", multi_queue).needs(TUN),
    contract("owner", "owner and group are who may open it", owner).needs(TUN),
    contract("bridge", "bridge is a bridge of the container that it becomes a port of", bridge)
        .needs(TUN),
    contract("selinux", "selinuxContext is the label of its file", selinux),
    contract("del", "DEL takes interface and lease away", del).needs(TUN),
    contract("del-gone", "DEL succeeds when the namespace is gone", del_gone).needs(TUN),
    contract("check", "CHECK succeeds after ADD, and fails without interface or address", check)
        .needs(TUN),
    better("undone", "an ADD that fails leaves nothing, and can be tried again", undone).needs(TUN),
    better("gc", "GC gives back the leases of the dead", gc).needs(TUN),
];

fn tap(more: Value) -> Net {
    let ipam = json!({ "type": "host-local", "subnet": "10.9.0.0/24", "routes": [{ "dst": "0.0.0.0/0" }] });
    Net::of(json!({ "type": "tap", "ipam": ipam })).and(more)
}

/// Its details as text.
fn details(host: &Host) -> Result<String, Miss> {
    host.sh("ip -n c1 -d link show eth0")
}

fn interfaces(host: &Host) -> Held {
    let result = host.add(&tap(json!({})), "c1")?;
    let own = interface(&result, 0)?;
    same("its name", "eth0", &own["name"])?;
    same("its sandbox", netns("c1"), &own["sandbox"])?;
    let link = host.link("c1", "eth0")?;
    same("its mac", link["address"].clone(), &own["mac"])?;
    has("its details", "tun type tap", &details(host)?)?;
    has("its flags", "\"UP\"", &link["flags"].to_string())
}

fn address(host: &Host) -> Held {
    let result = host.add(&tap(json!({})), "c1")?;
    same("its addresses", json!(["10.9.0.2/24"]), &json!(host.addresses("c1", "eth0")?))?;
    same("the address's interface", 0, &result["ips"][0]["interface"])?;
    host.has_route("c1", "default via 10.9.0.1 dev eth0")
}

fn l2(host: &Host) -> Held {
    host.add(&tap(json!({ "ipam": {} })), "c1")?;
    same("its addresses", json!([]), &json!(host.addresses("c1", "eth0")?))
}

fn mtu(host: &Host) -> Held {
    host.add(&tap(json!({ "mtu": 1400 })), "c1")?;
    same("its mtu", 1400, &host.link("c1", "eth0")?["mtu"])
}

fn mac(host: &Host) -> Held {
    host.add(&tap(json!({ "mac": "02:00:00:00:00:11" })), "c1")?;
    same("mac", "02:00:00:00:00:11", &host.link("c1", "eth0")?["address"])?;
    host.add(&tap(json!({ "runtimeConfig": { "mac": "02:00:00:00:00:22" } })), "c2")?;
    same("runtimeConfig.mac", "02:00:00:00:00:22", &host.link("c2", "eth0")?["address"])?;
    let call = Call::new("ADD", "c3").with("ARGS", "IgnoreUnknown=1;MAC=02:00:00:00:00:33");
    host.add_as(&tap(json!({})), &call)?;
    same("CNI_ARGS MAC", "02:00:00:00:00:33", &host.link("c3", "eth0")?["address"])
}

fn multi_queue(host: &Host) -> Held {
    host.add(&tap(json!({ "multiQueue": true })), "c1")?;
    has("its details", "multi_queue", &details(host)?)
}

fn owner(host: &Host) -> Held {
    host.add(&tap(json!({ "owner": 65534, "group": 65534 })), "c1")?;
    let data = host.link("c1", "eth0")?["linkinfo"]["info_data"].clone();
    that(data["user"] == "nobody" || data["user"] == 65534, "its owner", "65534", &data)?;
    that(data["group"] == "nogroup" || data["group"] == 65534, "its group", "65534", &data)
}

fn bridge(host: &Host) -> Held {
    host.container("c1")?;
    host.sh("ip -n c1 link add br9 type bridge; ip -n c1 link set br9 up")?;
    host.add(&tap(json!({ "ipam": {}, "bridge": "br9" })), "c1")?;
    same("its master", "br9", &host.link("c1", "eth0")?["master"])
}

/// A label is one only where SELinux is.
fn selinux(host: &Host) -> Held {
    if !host.does("test -e /sys/fs/selinux/enforce") {
        return Err(Miss::Cannot("this kernel or machine lacks SELinux".to_owned()));
    }
    host.add(&tap(json!({ "selinuxContext": "system_u:system_r:container_t:s0" })), "c1").map(drop)
}

fn del(host: &Host) -> Held {
    let net = tap(json!({}));
    host.add(&net, "c0")?;
    let before = host.state()?;
    let result = host.add(&net, "c1")?;
    host.del(&net, "c1", &result)?;
    that(!host.has_link("c1", "eth0")?, "eth0", "gone", "there")?;
    unchanged("the host", &before, &host.state()?)
}

fn del_gone(host: &Host) -> Held {
    let net = tap(json!({}));
    host.add(&net, "c0")?;
    let before = host.state()?;
    let result = host.add(&net, "c1")?;
    host.sh("ip netns del c1")?;
    host.del(&net, "c1", &result)?;
    host.del_bare(&net, "c1")?;
    unchanged("the host", &before, &host.state()?)
}

fn check(host: &Host) -> Held {
    let net = tap(json!({}));
    for (who, breaks) in [("c1", "ip link del eth0"), ("c2", "ip addr flush dev eth0")] {
        let result = host.add(&net, who)?;
        host.check(&net, who, &result)?.quiet()?;
        host.sh_in(who, breaks)?;
        let ran = host.check(&net, who, &result)?;
        that(ran.status != Some(0), &format!("CHECK after {breaks}"), "refused", &ran)?;
    }
    Ok(())
}

fn undone(host: &Host) -> Held {
    let ipam = json!({ "type": "host-local", "subnet": "10.9.0.0/24",
        "routes": [{ "dst": "10.7.0.0/16", "gw": "172.16.99.99" }] });
    host.try_add(&tap(json!({ "ipam": ipam })), &Call::new("ADD", "c1"))?.refused(&[])?;
    that(!host.has_link("c1", "eth0")?, "eth0", "none", "there is one")?;
    host.add(&tap(json!({})), "c1").map(drop)
}

fn gc(host: &Host) -> Held {
    let net = tap(json!({}));
    host.add(&net, "c0")?;
    let before = host.state()?;
    host.add(&net, "c1")?;
    host.sh("ip netns del c1")?;
    host.gc(&net, &["c0"])?;
    unchanged("the host", &before, &host.state()?)
}
