//! host-device: an interface of the host, lent to a container.

use serde_json::{Value, json};

use crate::Host;
use crate::check::{Check, Held, better, contract, has, same, that};
use crate::host::netns;
use crate::look::interface;
use crate::net::{Call, Net};

pub(super) const CHECKS: &[Check] = &[
    contract("device", "device is in the container, under the name asked for, and up", device),
    contract("hwaddr", "hwaddr finds it by its hardware address", hwaddr),
    contract("kernelpath", "kernelpath finds it by its place below /sys/devices", kernelpath),
    contract("alias", "its old name is its alias", alias),
    contract("result", "the result lists it with mac and sandbox", result),
    contract("address", "it has the address that ipam gives, and the routes", address),
    contract("dns", "dns of the configuration is the result's", dns),
    contract("nothing", "without any of the keys it is refused", nothing),
    contract("missing", "a device that is not there is refused", missing),
    contract("del", "DEL gives it back with its old name, and down", del),
    contract("check", "CHECK succeeds after ADD, and fails without the device", check),
    contract("pci", "pciBusID finds it on its bus", pci),
    contract("device-id", "runtimeConfig.deviceID is believed before pciBusID", device_id),
    contract("dpdk", "a device that has a driver of DPDK gets an address alone", dpdk),
    better("undone", "an ADD that fails gives the device back as it was", undone),
    better("del-gone", "DEL succeeds when the namespace is gone", del_gone),
    better("del-twice", "DEL twice is as well", del_twice),
    better(
        "same-again",
        "ADD for the same container and interface gives the same result",
        same_again,
    ),
];

/// A host with the device `aaa0`, whose name is the first of all.
fn there(host: &Host) -> Held {
    host.lan()?;
    host.sh("ip link add aaa0 address 02:00:00:00:00:aa type veth peer name peer0 && ip link set peer0 up")
        .map(drop)
}

fn net(more: Value) -> Net {
    Net::of(json!({ "type": "host-device" })).and(more)
}

fn aaa(more: Value) -> Net {
    net(json!({ "device": "aaa0" })).and(more)
}

/// The device is in the container.
fn moved(host: &Host) -> Held {
    same(
        "the hardware address of eth0",
        "02:00:00:00:00:aa",
        &host.link("c1", "eth0")?["address"],
    )?;
    that(!host.has_link("", "aaa0")?, "aaa0 on the host", "gone", "there")
}

fn device(host: &Host) -> Held {
    there(host)?;
    host.add(&aaa(json!({})), "c1")?;
    moved(host)?;
    has("its flags", "\"UP\"", &host.link("c1", "eth0")?["flags"].to_string())
}

fn hwaddr(host: &Host) -> Held {
    there(host)?;
    host.add(&net(json!({ "hwaddr": "02:00:00:00:00:aa" })), "c1")?;
    moved(host)
}

fn kernelpath(host: &Host) -> Held {
    there(host)?;
    host.add(&net(json!({ "kernelpath": "/sys/devices/virtual" })), "c1")?;
    moved(host)
}

fn alias(host: &Host) -> Held {
    there(host)?;
    host.add(&aaa(json!({})), "c1")?;
    same("its alias", "aaa0", &host.link("c1", "eth0")?["ifalias"])
}

fn result(host: &Host) -> Held {
    there(host)?;
    let result = host.add(&aaa(json!({})), "c1")?;
    let own = interface(&result, 0)?;
    same("its name", "eth0", &own["name"])?;
    same("its mac", "02:00:00:00:00:aa", &own["mac"])?;
    same("its sandbox", netns("c1"), &own["sandbox"])
}

fn ipam() -> Value {
    json!({ "ipam": { "type": "host-local", "subnet": "10.9.0.0/24", "routes": [{ "dst": "0.0.0.0/0" }] } })
}

fn address(host: &Host) -> Held {
    there(host)?;
    let result = host.add(&aaa(ipam()), "c1")?;
    same("its addresses", json!(["10.9.0.2/24"]), &json!(host.addresses("c1", "eth0")?))?;
    same("the address's interface", 0, &result["ips"][0]["interface"])?;
    host.has_route("c1", "default via 10.9.0.1 dev eth0")?;
    host.del(&aaa(ipam()), "c1", &result)?;
    let leases = host.sh("ls /var/lib/cni/networks/net")?;
    that(!leases.contains("10.9.0.2\n"), "the leases", "none", leases)
}

fn dns(host: &Host) -> Held {
    there(host)?;
    let result =
        host.add(&aaa(ipam()).and(json!({ "dns": { "nameservers": ["10.0.0.9"] } })), "c1")?;
    same("dns", json!({ "nameservers": ["10.0.0.9"] }), &result["dns"])
}

fn nothing(host: &Host) -> Held {
    host.try_add(&net(json!({})), &Call::new("ADD", "c1"))?.refused(&[]).map(drop)
}

fn missing(host: &Host) -> Held {
    for more in [
        json!({ "device": "nobody0" }),
        json!({ "hwaddr": "02:00:00:00:99:99" }),
        json!({ "kernelpath": "/etc" }),
    ] {
        host.try_add(&net(more), &Call::new("ADD", "c1"))?.refused(&[])?;
    }
    Ok(())
}

fn del(host: &Host) -> Held {
    there(host)?;
    let result = host.add(&aaa(json!({})), "c1")?;
    host.del(&aaa(json!({})), "c1", &result)?;
    let link = host.link("", "aaa0")?;
    same("its hardware address", "02:00:00:00:00:aa", &link["address"])?;
    that(!link["flags"].to_string().contains("\"UP\""), "its flags", "down", &link)?;
    that(!host.has_link("c1", "eth0")?, "eth0", "gone", "there")
}

fn check(host: &Host) -> Held {
    there(host)?;
    let net = aaa(ipam());
    let result = host.add(&net, "c1")?;
    host.check(&net, "c1", &result)?.quiet()?;
    host.sh("ip -n c1 link del eth0")?;
    host.check(&net, "c1", &result)?.refused(&[]).map(drop)
}

/// A bus of PCI as the kernel shows it, with one device of this driver: a NIC that may be given away
/// is nothing that every machine has.
fn bus(host: &Host, driver: &str) -> Held {
    host.sh(&format!(
        "mount -t tmpfs none /sys/bus
        mkdir -p /sys/bus/pci/drivers/{driver} /sys/bus/pci/devices/0000:00:77.0/net/aaa0
        ln -s ../../drivers/{driver} /sys/bus/pci/devices/0000:00:77.0/driver"
    ))
    .map(drop)
}

fn pci(host: &Host) -> Held {
    there(host)?;
    bus(host, "virtio-pci")?;
    host.add(&net(json!({ "pciBusID": "0000:00:77.0" })), "c1")?;
    moved(host)
}

fn device_id(host: &Host) -> Held {
    there(host)?;
    bus(host, "virtio-pci")?;
    let id = json!({ "runtimeConfig": { "deviceID": "0000:00:77.0" } });
    host.add(&net(json!({ "pciBusID": "0000:00:78.0" })).and(id), "c1")?;
    moved(host)
}

fn dpdk(host: &Host) -> Held {
    there(host)?;
    bus(host, "vfio-pci")?;
    let own = net(json!({ "pciBusID": "0000:00:77.0" })).and(ipam());
    let before = host.state()?;
    let result = host.add(&own, "c1")?;
    same("the address", "10.9.0.2/24", &result["ips"][0]["address"])?;
    let links = host.links("c1")?;
    that(links == ["lo"], "the links", "lo alone", format!("{links:?}"))?;
    host.check(&own, "c1", &result)?.quiet()?;
    host.del(&own, "c1", &result)?;
    crate::check::unchanged("the host", &before, &host.state()?)
}

fn undone(host: &Host) -> Held {
    there(host)?;
    let ipam = json!({ "ipam": { "type": "host-local", "subnet": "10.9.0.0/24",
        "routes": [{ "dst": "10.7.0.0/16", "gw": "172.16.99.99" }] } });
    let before = host.state()?;
    host.try_add(&aaa(ipam), &Call::new("ADD", "c1"))?.refused(&[])?;
    crate::check::unchanged("the host", &before, &host.state()?)?;
    host.add(&aaa(json!({})), "c1")?;
    moved(host)
}

fn del_gone(host: &Host) -> Held {
    there(host)?;
    let result = host.add(&aaa(json!({})), "c1")?;
    host.sh("ip netns del c1")?;
    host.del(&aaa(json!({})), "c1", &result)?;
    host.del_bare(&aaa(json!({})), "c1")
}

fn del_twice(host: &Host) -> Held {
    there(host)?;
    let result = host.add(&aaa(json!({})), "c1")?;
    host.del(&aaa(json!({})), "c1", &result)?;
    host.del(&aaa(json!({})), "c1", &result)?;
    host.link("", "aaa0").map(drop)
}

fn same_again(host: &Host) -> Held {
    there(host)?;
    let first = host.add(&aaa(ipam()), "c1")?;
    same("the second result", first, &host.add(&aaa(ipam()), "c1")?)
}
