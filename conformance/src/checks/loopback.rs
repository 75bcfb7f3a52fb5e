//! loopback: `lo` is up.

use serde_json::{Value, json};

use crate::Host;
use crate::check::{Check, Held, better, contract, same, that};
use crate::host::netns;
use crate::net::{Call, Net};

pub(super) const CHECKS: &[Check] = &[
    contract("up", "ADD brings lo up and tells of it, its sandbox and its addresses", up),
    contract("containerd", "the result of containerd's cni-loopback, version 0.3.1", containerd),
    better("old", "version 0.2.0 has ip4, 0.3.1 says the family of addresses", old),
    contract("chained", "a prevResult is handed on", chained),
    contract("check", "CHECK fails when lo is down", check),
    contract("del", "DEL succeeds, twice, and without a namespace", del),
];

fn net() -> Net {
    Net::of(json!({ "type": "loopback" }))
}

fn up(host: &Host) -> Held {
    let result = host.add(&net(), "c1:lo")?;
    let flags = host.link("c1", "lo")?["flags"].clone();
    that(
        flags.as_array().is_some_and(|all| all.contains(&"UP".into())),
        "its flags",
        "UP",
        &flags,
    )?;
    let wanted = json!([{ "name": "lo", "mac": "00:00:00:00:00:00", "sandbox": netns("c1") }]);
    same("interfaces", wanted, &result["interfaces"])?;
    same("the address", "127.0.0.1/8", &result["ips"][0]["address"])?;
    same("its interface", 0, &result["ips"][0]["interface"])
}

fn containerd(host: &Host) -> Held {
    let mut net = net().speaks("0.3.1");
    net.name = "cni-loopback";
    let call = Call::new("ADD", "c1:lo").with("ARGS", "IgnoreUnknown=1;K8S_POD_NAME=web");
    let result = host.add_as(&net, &call)?;
    same("cniVersion", "0.3.1", &result["cniVersion"])?;
    same("the address", "127.0.0.1/8", &result["ips"][0]["address"])
}

fn old(host: &Host) -> Held {
    let result = host.add(&net().speaks("0.3.1"), "c1:lo")?;
    same("the family", "4", &result["ips"][0]["version"])?;
    let result = host.add(&net().speaks("0.2.0"), "c1:lo")?;
    same("ip4.ip", "127.0.0.1/8", &result["ip4"]["ip"])
}

fn chained(host: &Host) -> Held {
    let before = json!({ "cniVersion": "1.0.0", "interfaces": [{ "name": "eth0", "sandbox": netns("c1") }],
        "ips": [{ "address": "10.9.0.2/24", "interface": 0 }] });
    let net = net();
    let conf = net.conf(net.plugins.first().unwrap_or(&Value::Null), &before);
    let result = host.call(&Call::new("ADD", "c1:lo"), "loopback", &conf)?.ok()?;
    same("ips", before["ips"].clone(), &result["ips"])
}

fn check(host: &Host) -> Held {
    let result = host.add(&net(), "c1:lo")?;
    host.check(&net(), "c1:lo", &result)?.quiet()?;
    host.sh("ip -n c1 link set lo down")?;
    host.check(&net(), "c1:lo", &result)?.refused(&[]).map(drop)
}

fn del(host: &Host) -> Held {
    let result = host.add(&net(), "c1:lo")?;
    host.del(&net(), "c1:lo", &result)?;
    host.del(&net(), "c1:lo", &result)?;
    host.sh("ip netns del c1")?;
    host.del(&net(), "c1:lo", &result)
}
