//! tuning: settings of the interface that others made.

use std::path::Path;

use serde_json::{Value, json};

use super::bridge;
use crate::Host;
use crate::check::{Check, Held, Miss, better, contract, has, same, that};
use crate::look::interface;
use crate::net::{Call, Net};

pub(super) const CHECKS: &[Check] = &[
    contract("sysctl", "sysctl sets what is below net, of all and of the interface", sysctl),
    contract("ifname", "IFNAME in a setting's name is the interface", ifname),
    contract("slashes", "a setting's name may have slashes", slashes),
    contract("not-net", "a setting that is not below net is refused", not_net),
    contract("no-setting", "a setting that the kernel has not is refused", no_setting),
    contract(
        "allowlist",
        "/etc/cni/tuning/allowlist.conf says which settings may be made",
        allowlist,
    )
    .since("1.2.0"),
    contract("mac", "mac is set, and in the result", mac),
    contract("mac-order", "CNI_ARGS MAC < runtimeConfig.mac < args.cni.mac", mac_order),
    contract("mtu", "mtu is set", mtu),
    contract("mtu-in-result", "mtu is in the result of version 1.1.0", mtu_in_result)
        .since("1.9.1"),
    contract("promisc", "promisc is set", promisc),
    contract("allmulti", "allmulti is set", allmulti),
    contract("tx-queue", "txQLen is set", tx_queue).since("1.2.0"),
    contract("args", "args.cni sets each of them", args).since("1.2.0"),
    contract(
        "result",
        "without anything the result before it is handed on, in its version",
        result,
    ),
    contract("needs-result", "without a prevResult it is refused", needs_result),
    contract("bad-mac", "a hardware address that is none is refused", bad_mac),
    contract("backup", "what was before is in a file below dataDir", backup),
    contract("del", "DEL puts back what was, and removes the file", del),
    contract("del-gone", "DEL succeeds when the namespace is gone", del_gone),
    contract("check", "CHECK succeeds after ADD, fails when mtu or a setting is another", check),
    better("check-ifname", "CHECK knows IFNAME, too", check_ifname),
    better("duplicates", "a setting that is there twice, in two spellings, is refused", duplicates),
    better("backup-gone", "the file goes when the namespace is gone, too", backup_gone),
    better("undone", "an ADD that fails has changed nothing", undone),
];

/// A network with these settings.
fn tuned(more: Value) -> Net {
    let mut net = bridge::routed(json!({}));
    net.plugins.push(json!({ "type": "tuning" }));
    net.and(more)
}

fn last(net: &Net) -> &Value {
    net.plugins.last().unwrap_or(&Value::Null)
}

fn sysctl(host: &Host) -> Held {
    let net = tuned(json!({ "sysctl": { "net.ipv4.ip_local_port_range": "2048 3000",
        "net.ipv4.conf.eth0.arp_filter": "1" } }));
    host.add(&net, "c1")?;
    same("the range", "2048\t3000", &host.sysctl("c1", "net/ipv4/ip_local_port_range")?.into())?;
    same("arp_filter", "1", &host.sysctl("c1", "net/ipv4/conf/eth0/arp_filter")?.into())
}

fn ifname(host: &Host) -> Held {
    host.add(&tuned(json!({ "sysctl": { "net.ipv4.conf.IFNAME.arp_filter": "1" } })), "c1:net1")?;
    same("arp_filter", "1", &host.sysctl("c1", "net/ipv4/conf/net1/arp_filter")?.into())
}

fn slashes(host: &Host) -> Held {
    host.add(&tuned(json!({ "sysctl": { "net/ipv4/conf/eth0/arp_filter": "1" } })), "c1")?;
    same("arp_filter", "1", &host.sysctl("c1", "net/ipv4/conf/eth0/arp_filter")?.into())
}

fn refused(host: &Host, more: Value) -> Result<String, Miss> {
    let said = host.try_add(&tuned(more), &Call::new("ADD", "c1"))?.refused(&[])?;
    host.sh("ip netns del c1")?;
    Ok(said)
}

fn not_net(host: &Host) -> Held {
    for name in ["kernel.hostname", "vm.swappiness", "net/../kernel/hostname"] {
        refused(host, json!({ "sysctl": { name: "1" } }))?;
    }
    Ok(())
}

fn no_setting(host: &Host) -> Held {
    refused(host, json!({ "sysctl": { "net.ipv4.nothing_like_it": "1" } })).map(drop)
}

fn allowlist(host: &Host) -> Held {
    host.sh("mkdir -p /etc/cni/tuning")?;
    host.write("/etc/cni/tuning/allowlist.conf", "^net\\.ipv4\\.conf\\.IFNAME\\.[a-z_]*$\n")?;
    refused(host, json!({ "sysctl": { "net.ipv4.ip_local_port_range": "2048 3000" } }))?;
    host.add(&tuned(json!({ "sysctl": { "net.ipv4.conf.IFNAME.arp_filter": "1" } })), "c2")
        .map(drop)
}

fn is_mac(host: &Host, result: &Value, wanted: &str) -> Held {
    same("the hardware address", wanted, &host.link("c1", "eth0")?["address"])?;
    same("the result's", wanted, &interface(result, 2)?["mac"])
}

fn mac(host: &Host) -> Held {
    let result = host.add(&tuned(json!({ "mac": "02:00:00:00:00:55" })), "c1")?;
    is_mac(host, &result, "02:00:00:00:00:55")
}

fn mac_order(host: &Host) -> Held {
    let mut net = tuned(json!({ "mac": "02:00:00:00:00:01" }));
    let mut alone = net.clone();
    alone.plugins.truncate(1);
    let before = host.add(&alone, "c1")?;
    let call = Call::new("ADD", "c1").with("ARGS", "IgnoreUnknown=1;MAC=02:00:00:00:00:02");
    for (more, wanted) in [
        (json!({}), "02:00:00:00:00:02"),
        (json!({ "runtimeConfig": { "mac": "02:00:00:00:00:03" } }), "02:00:00:00:00:03"),
        (json!({ "args": { "cni": { "mac": "02:00:00:00:00:04" } } }), "02:00:00:00:00:04"),
    ] {
        net = net.and(more);
        let result = host.call(&call, "tuning", &net.conf(last(&net), &before))?.ok()?;
        is_mac(host, &result, wanted)?;
    }
    Ok(())
}

fn mtu(host: &Host) -> Held {
    host.add(&tuned(json!({ "mtu": 1337 })), "c1")?;
    same("its mtu", 1337, &host.link("c1", "eth0")?["mtu"])
}

fn mtu_in_result(host: &Host) -> Held {
    let result = host.add(&tuned(json!({ "mtu": 1337 })).speaks("1.1.0"), "c1")?;
    same("the result's mtu", 1337, &interface(&result, 2)?["mtu"])
}

fn flags(host: &Host) -> Result<String, Miss> {
    Ok(host.link("c1", "eth0")?["flags"].to_string())
}

fn promisc(host: &Host) -> Held {
    host.add(&tuned(json!({ "promisc": true })), "c1")?;
    has("its flags", "PROMISC", &flags(host)?)
}

fn allmulti(host: &Host) -> Held {
    host.add(&tuned(json!({ "allmulti": true })), "c1")?;
    has("its flags", "ALLMULTI", &flags(host)?)
}

fn tx_queue(host: &Host) -> Held {
    host.add(&tuned(json!({ "txQLen": 4321 })), "c1")?;
    same("its queue", 4321, &host.link("c1", "eth0")?["txqlen"])
}

fn args(host: &Host) -> Held {
    let own = json!({ "mtu": 1333, "promisc": true, "allmulti": true, "txQLen": 77,
        "sysctl": { "net.ipv4.conf.IFNAME.arp_filter": "1" } });
    host.add(&tuned(json!({ "args": { "cni": own } })), "c1")?;
    let link = host.link("c1", "eth0")?;
    same("its mtu", 1333, &link["mtu"])?;
    same("its queue", 77, &link["txqlen"])?;
    has("its flags", "PROMISC", &flags(host)?)?;
    same("arp_filter", "1", &host.sysctl("c1", "net/ipv4/conf/eth0/arp_filter")?.into())
}

fn result(host: &Host) -> Held {
    for (version, who) in [("0.3.1", "c1"), ("0.4.0", "c2"), ("1.0.0", "c3")] {
        let net = tuned(json!({})).speaks(version);
        let mut alone = net.clone();
        alone.plugins.truncate(1);
        let before = host.add(&alone, who)?;
        let after =
            host.call(&Call::new("ADD", who), "tuning", &net.conf(last(&net), &before))?.ok()?;
        same("the result", before, &after)?;
    }
    Ok(())
}

fn needs_result(host: &Host) -> Held {
    let net = Net::of(json!({ "type": "tuning", "mtu": 1400 }));
    host.try_add(&net, &Call::new("ADD", "c1"))?.refused(&[]).map(drop)
}

fn bad_mac(host: &Host) -> Held {
    refused(host, json!({ "mac": "nonsense" })).map(drop)
}

fn backup(host: &Host) -> Held {
    host.add(&tuned(json!({ "mtu": 1337, "dataDir": "/run/w/tuning" })), "c1")?;
    let file: Value =
        serde_json::from_str(&host.read("/run/w/tuning/box-c1_eth0.json")?).unwrap_or_default();
    same("the mtu in it", 1500, &file["mtu"])?;
    host.add(&tuned(json!({ "mtu": 1337 })), "c2")?;
    host.read("/run/cni/tuning/box-c2_eth0.json").map(drop)
}

/// DEL of the last plugin alone, so that the interface stays.
fn del_last(host: &Host, net: &Net, result: &Value) -> Held {
    host.call(&Call::new("DEL", "c1"), "tuning", &net.conf(last(net), result))?.quiet()
}

fn del(host: &Host) -> Held {
    let net = tuned(json!({ "mtu": 1337, "promisc": true, "mac": "02:00:00:00:00:55" }));
    let mut alone = net.clone();
    alone.plugins.truncate(1);
    let first = host.add(&alone, "c1")?;
    let mac = host.link("c1", "eth0")?["address"].clone();
    let result =
        host.call(&Call::new("ADD", "c1"), "tuning", &net.conf(last(&net), &first))?.ok()?;
    del_last(host, &net, &result)?;
    let link = host.link("c1", "eth0")?;
    same("its mtu", 1500, &link["mtu"])?;
    same("its hardware address", mac, &link["address"])?;
    that(!flags(host)?.contains("PROMISC"), "its flags", "without PROMISC", &link)?;
    that(!Path::new("/run/cni/tuning/box-c1_eth0.json").exists(), "the file", "gone", "there")?;
    del_last(host, &net, &result)
}

fn del_gone(host: &Host) -> Held {
    let net = tuned(json!({ "mtu": 1337 }));
    let result = host.add(&net, "c1")?;
    host.sh("ip netns del c1")?;
    host.call(&Call::new("DEL", "c1"), "tuning", &net.conf(last(&net), &result))?.quiet()?;
    host.del_bare(&net, "c1")
}

fn backup_gone(host: &Host) -> Held {
    let net = tuned(json!({ "mtu": 1337 }));
    let result = host.add(&net, "c1")?;
    host.sh("ip netns del c1")?;
    host.call(&Call::new("DEL", "c1"), "tuning", &net.conf(last(&net), &result))?.quiet()?;
    that(!Path::new("/run/cni/tuning/box-c1_eth0.json").exists(), "the file", "gone", "there")
}

fn check(host: &Host) -> Held {
    let net = tuned(json!({ "mtu": 1337, "sysctl": { "net.ipv4.conf.eth0.arp_filter": "1" } }));
    for (who, breaks) in
        [("c1", "ip link set eth0 mtu 1400"), ("c2", "sysctl -q net.ipv4.conf.eth0.arp_filter=0")]
    {
        let result = host.add(&net, who)?;
        host.check(&net, who, &result)?.quiet()?;
        host.sh_in(who, breaks)?;
        let ran = host.call(&Call::new("CHECK", who), "tuning", &net.conf(last(&net), &result))?;
        that(ran.status != Some(0), &format!("CHECK after {breaks}"), "refused", &ran)?;
    }
    Ok(())
}

fn check_ifname(host: &Host) -> Held {
    let net = tuned(json!({ "sysctl": { "net.ipv4.conf.IFNAME.arp_filter": "1" } }));
    let result = host.add(&net, "c1")?;
    host.check(&net, "c1", &result)?.quiet()
}

fn duplicates(host: &Host) -> Held {
    refused(
        host,
        json!({ "sysctl": { "net.ipv4.conf.eth0.arp_filter": "1",
        "net/ipv4/conf/eth0/arp_filter": "0" } }),
    )
    .map(drop)
}

fn undone(host: &Host) -> Held {
    let net = tuned(json!({ "mtu": 1337, "sysctl": { "net.ipv4.conf.IFNAME.arp_filter": "1",
        "net.ipv4.nothing_like_it": "1" } }));
    host.try_add(&net, &Call::new("ADD", "c1"))?.refused(&[])?;
    same("arp_filter", "0", &host.sysctl("c1", "net/ipv4/conf/eth0/arp_filter")?.into())?;
    same("its mtu", 1500, &host.link("c1", "eth0")?["mtu"])
}
