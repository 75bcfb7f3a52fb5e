//! host-local: addresses out of ranges, one of each set, in files that others read.

mod wishes;

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::{Value, json};

use crate::Host;
use crate::check::{Check, Held, Miss, better, contract, has, same, that};
use crate::look::ip;
use crate::net::{Call, Net};

pub(super) const CHECKS: &[Check] = &[
    contract("first", "the first address is the one after the gateway, which is the first", first),
    contract("next", "addresses are given in turn, not the one that was given back last", next),
    contract("last", "the last address before the broadcast is given, then none is", last),
    contract("range", "rangeStart, rangeEnd and gateway bound what is given", range),
    contract("ranges", "one address of each set, from the first range of it with one free", ranges),
    contract("gateway-skipped", "the gateway is never given", gateway_skipped),
    contract("v6", "an IPv6 range works as an IPv4 one", v6),
    contract("dual", "two sets of both families give both", dual),
    contract("routes", "routes are handed on, with their gateway if they have one", routes),
    contract(
        "routes-1.1.0",
        "mtu, advmss, priority, table and scope of routes are handed on",
        routes_all,
    )
    .since("1.5.0"),
    contract("resolv-conf", "resolvConf is read into dns", resolv),
    contract("data-dir", "dataDir is where leases are", data_dir),
    contract("files", "a lease is a file `<ip>` with container and interface", files),
    contract("file-mode", "only root may read a lease", file_mode).since("1.9.1"),
    contract("last-reserved", "last_reserved_ip.0 holds what was given last", last_reserved),
    contract(
        "old-files",
        "a lease of the old format, without an interface, is given back",
        old_files,
    ),
    contract("foreign-lease", "an address that somebody else's file holds is not given", foreign),
    contract("ip-of-args", "CNI_ARGS IP asks for an address", wishes::ip_of_args),
    contract("ips-of-args-cni", "args.cni.ips asks for addresses", wishes::ips_of_args),
    contract(
        "ips-of-runtime",
        "runtimeConfig.ips asks for addresses, with or without length",
        wishes::ips_of_runtime,
    ),
    contract(
        "ip-ranges",
        "runtimeConfig.ipRanges come before the configured ranges",
        wishes::ip_ranges,
    ),
    contract("ip-taken", "an address that is asked for and taken is refused", wishes::ip_taken),
    contract("ip-outside", "an address outside all ranges is refused", wishes::ip_outside),
    contract(
        "unknown-args",
        "CNI_ARGS with an unknown key is refused unless IgnoreUnknown=1",
        wishes::unknown_args,
    ),
    contract("bad-args", "CNI_ARGS without `=` or with two is refused", wishes::bad_args),
    contract("bad-ranges", "impossible ranges are refused", wishes::bad_ranges),
    contract("no-ranges", "no range at all is refused", wishes::no_ranges),
    contract("del", "DEL gives back what the interface of the container had, and no more", del),
    contract("del-nothing", "DEL of what was never there succeeds", del_nothing),
    contract("check", "CHECK succeeds while the lease is there, and fails when it is not", check),
    contract(
        "two-interfaces",
        "two interfaces of one container have an address each",
        two_interfaces,
    ),
    contract("v4-of-0.2.0", "version 0.2.0 has ip4 and ip6", result_0_2_0),
    contract(
        "version-of-0.3.1",
        "version 0.3.1 and 0.4.0 say the family of an address",
        result_0_3_1,
    ),
    contract("default-version", "no cniVersion is 0.1.0", no_version),
    contract("case", "keys are read without regard to case", case),
    contract("duplicate-keys", "of a key that is there twice the last one counts", duplicates),
    contract(
        "unknown-keys",
        "unknown keys and nulls are ignored, a megabyte of them too",
        unknown_keys,
    ),
    contract("wrong-types", "a value of the wrong type is refused", wrong_types),
    contract("parallel", "sixteen at once get sixteen addresses", parallel),
    contract("full-code", "a full pool is refused", full).since("1.0.0"),
    better("full-code-11", "a full pool is refused with code 11: try again later", full_11),
    better(
        "same-again",
        "ADD for the same container and interface gives the same address",
        same_again,
    ),
    better("gc", "GC gives back all but what is valid", gc),
    better("status", "STATUS is code 50 when no address is left, and success when one is", status),
    better("names-holder", "a refusal of a taken address names who has it", names_holder),
    better("empty-lease", "a lease file that a crash left empty is no lease for ever", empty_lease),
];

/// A network with these fields in `ipam`.
pub(super) fn net(ipam: Value) -> Net {
    let mut ipam = ipam;
    if let Value::Object(fields) = &mut ipam {
        fields.entry("type").or_insert_with(|| "host-local".into());
    }
    Net::of(json!({ "type": "host-local", "ipam": ipam }))
}

fn small() -> Net {
    net(json!({ "subnet": "10.9.0.0/29" }))
}

/// The addresses a container gets, with their lengths.
fn given(host: &Host, net: &Net, who: &str) -> Result<String, Miss> {
    list(&host.add(net, who)?)
}

fn list(result: &Value) -> Result<String, Miss> {
    let all = result["ips"].as_array().into_iter().flatten();
    Ok(all.filter_map(|ip| ip["address"].as_str()).collect::<Vec<_>>().join(" "))
}

fn gives(host: &Host, net: &Net, who: &str, wanted: &str) -> Held {
    same(&format!("what {who} is given"), wanted, &given(host, net, who)?.into())
}

fn first(host: &Host) -> Held {
    let result = host.add(&small(), "c1")?;
    same("the address", "10.9.0.2/29", &result["ips"][0]["address"])?;
    same("its gateway", "10.9.0.1", &result["ips"][0]["gateway"])?;
    same("cniVersion", "1.0.0", &result["cniVersion"])?;
    that(result["interfaces"].is_null(), "the result", "no interfaces", &result)
}

fn next(host: &Host) -> Held {
    gives(host, &small(), "c1", "10.9.0.2/29")?;
    gives(host, &small(), "c2", "10.9.0.3/29")?;
    host.del(&small(), "c2", &Value::Null)?;
    gives(host, &small(), "c3", "10.9.0.4/29")
}

fn last(host: &Host) -> Held {
    for (who, wanted) in [("c1", 2), ("c2", 3), ("c3", 4), ("c4", 5), ("c5", 6)] {
        gives(host, &small(), who, &format!("10.9.0.{wanted}/29"))?;
    }
    host.try_add(&small(), &Call::new("ADD", "c6"))?.refused(&[])?;
    host.del(&small(), "c3", &Value::Null)?;
    gives(host, &small(), "c6", "10.9.0.4/29")
}

fn range(host: &Host) -> Held {
    let net = net(json!({ "subnet": "10.9.0.0/24", "rangeStart": "10.9.0.20",
        "rangeEnd": "10.9.0.21", "gateway": "10.9.0.254" }));
    let result = host.add(&net, "c1")?;
    same("the address", "10.9.0.20/24", &result["ips"][0]["address"])?;
    same("its gateway", "10.9.0.254", &result["ips"][0]["gateway"])?;
    gives(host, &net, "c2", "10.9.0.21/24")?;
    host.try_add(&net, &Call::new("ADD", "c3"))?.refused(&[]).map(drop)
}

fn ranges(host: &Host) -> Held {
    let net = net(json!({ "ranges": [
        [{ "subnet": "10.9.0.0/24", "rangeStart": "10.9.0.5", "rangeEnd": "10.9.0.5" },
         { "subnet": "10.9.1.0/24", "gateway": "10.9.1.254" }],
        [{ "subnet": "10.9.2.0/24" }]] }));
    gives(host, &net, "c1", "10.9.0.5/24 10.9.2.2/24")?;
    let second = host.add(&net, "c2")?;
    same("what c2 is given", "10.9.1.1/24 10.9.2.3/24", &list(&second)?.into())?;
    same("its gateway", "10.9.1.254", &second["ips"][0]["gateway"])
}

fn gateway_skipped(host: &Host) -> Held {
    let net = net(json!({ "subnet": "10.9.0.0/29", "gateway": "10.9.0.3" }));
    gives(host, &net, "c1", "10.9.0.1/29")?;
    gives(host, &net, "c2", "10.9.0.2/29")?;
    gives(host, &net, "c3", "10.9.0.4/29")
}

fn v6(host: &Host) -> Held {
    let net = net(json!({ "subnet": "fd00:9::/120", "rangeStart": "fd00:9::fe" }));
    gives(host, &net, "c1", "fd00:9::fe/120")?;
    gives(host, &net, "c2", "fd00:9::ff/120")?;
    host.try_add(&net, &Call::new("ADD", "c3"))?.refused(&[]).map(drop)
}

fn dual(host: &Host) -> Held {
    let net =
        net(json!({ "ranges": [[{ "subnet": "10.9.0.0/24" }], [{ "subnet": "fd00:9::/64" }]] }));
    gives(host, &net, "c1", "10.9.0.2/24 fd00:9::2/64")
}

fn routes(host: &Host) -> Held {
    let net = net(json!({ "subnet": "10.9.0.0/24",
        "routes": [{ "dst": "0.0.0.0/0" }, { "dst": "10.7.0.0/16", "gw": "10.9.0.9" }] }));
    let result = host.add(&net, "c1")?;
    same(
        "routes",
        json!([{ "dst": "0.0.0.0/0" }, { "dst": "10.7.0.0/16", "gw": "10.9.0.9" }]),
        &result["routes"],
    )
}

fn routes_all(host: &Host) -> Held {
    let route = json!({ "dst": "10.7.0.0/16", "gw": "10.9.0.9", "mtu": 1300, "advmss": 1200,
        "priority": 50, "table": 77, "scope": 0 });
    let net = net(json!({ "subnet": "10.9.0.0/24", "routes": [route] })).speaks("1.1.0");
    let result = host.add(&net, "c1")?;
    for key in ["dst", "gw", "mtu", "advmss", "priority", "table", "scope"] {
        same(key, route[key].clone(), &result["routes"][0][key])?;
    }
    Ok(())
}

fn resolv(host: &Host) -> Held {
    host.write(
        "/run/w/resolv",
        "# a comment\nnameserver 10.0.0.1\nnameserver 10.0.0.2\n\
        domain lan.example\nsearch a.example b.example\noptions ndots:2 rotate\n",
    )?;
    let net = net(json!({ "subnet": "10.9.0.0/24", "resolvConf": "/run/w/resolv" }));
    let dns = host.add(&net, "c1")?["dns"].clone();
    same(
        "dns",
        json!({ "nameservers": ["10.0.0.1", "10.0.0.2"], "domain": "lan.example",
        "search": ["a.example", "b.example"], "options": ["ndots:2", "rotate"] }),
        &dns,
    )
}

fn data_dir(host: &Host) -> Held {
    let net = net(json!({ "subnet": "10.9.0.0/24", "dataDir": "/run/w/leases" }));
    host.add(&net, "c1")?;
    host.read("/run/w/leases/net/10.9.0.2")?;
    that(
        !Path::new("/var/lib/cni/networks").exists(),
        "/var/lib/cni/networks",
        "not there",
        "it is",
    )
}

fn files(host: &Host) -> Held {
    host.add(&small(), "c1")?;
    let path = "/var/lib/cni/networks/net/10.9.0.2";
    same(path, "box-c1\r\neth0", &host.read(path)?.into())?;
    let dual = net(json!({ "subnet": "fd00:9::/64" }));
    host.add(&dual, "c2")?;
    host.read("/var/lib/cni/networks/net/fd00:9::2").map(drop)
}

fn file_mode(host: &Host) -> Held {
    host.add(&small(), "c1")?;
    let mode = host.sh("stat -c %a /var/lib/cni/networks/net/10.9.0.2")?;
    same("its mode", "600", &mode.trim().into())
}

fn last_reserved(host: &Host) -> Held {
    host.add(&small(), "c1")?;
    host.add(&small(), "c2")?;
    let seen = host.read("/var/lib/cni/networks/net/last_reserved_ip.0")?;
    same("last_reserved_ip.0", "10.9.0.3", &seen.into())
}

fn lease(host: &Host, ip: &str, text: &str) -> Held {
    host.sh(&format!(
        "mkdir -p /var/lib/cni/networks/net; printf '{text}' \
        >/var/lib/cni/networks/net/{ip}"
    ))
    .map(drop)
}

fn leases(host: &Host) -> Result<String, Miss> {
    let all = host.sh("cd /var/lib/cni/networks/net && ls -d [0-9f]*.* *:* 2>/dev/null || true")?;
    Ok(all.split_whitespace().collect::<Vec<_>>().join(" "))
}

fn old_files(host: &Host) -> Held {
    lease(host, "10.9.0.2", "box-c1")?;
    gives(host, &small(), "c2", "10.9.0.3/29")?;
    host.del(&small(), "c1", &Value::Null)?;
    same("the leases that are left", "10.9.0.3", &leases(host)?.into())
}

fn foreign(host: &Host) -> Held {
    lease(host, "10.9.0.2", "somebody\\r\\neth0")?;
    gives(host, &small(), "c1", "10.9.0.3/29")
}

fn del(host: &Host) -> Held {
    for who in ["c1", "c1:net1", "c2"] {
        host.add(&small(), who)?;
    }
    host.del(&small(), "c1", &Value::Null)?;
    same("the leases that are left", "10.9.0.3 10.9.0.4", &leases(host)?.into())?;
    host.del_bare(&small(), "c2")?;
    same("the leases that are left", "10.9.0.3", &leases(host)?.into())
}

fn del_nothing(host: &Host) -> Held {
    host.del(&small(), "c1", &Value::Null)?;
    host.add(&small(), "c1")?;
    host.del(&small(), "c1", &Value::Null)?;
    host.del(&small(), "c1", &Value::Null)
}

fn check(host: &Host) -> Held {
    let result = host.add(&small(), "c1")?;
    host.check(&small(), "c1", &result)?.quiet()?;
    host.sh("rm /var/lib/cni/networks/net/10.9.0.2")?;
    host.check(&small(), "c1", &result)?.refused(&[]).map(drop)
}

fn two_interfaces(host: &Host) -> Held {
    gives(host, &small(), "c1", "10.9.0.2/29")?;
    gives(host, &small(), "c1:net1", "10.9.0.3/29")
}

fn result_0_2_0(host: &Host) -> Held {
    let net =
        net(json!({ "ranges": [[{ "subnet": "10.9.0.0/24" }], [{ "subnet": "fd00:9::/64" }]],
        "routes": [{ "dst": "0.0.0.0/0" }, { "dst": "::/0", "gw": "fd00:9::9" }] }));
    for version in ["0.1.0", "0.2.0"] {
        let result =
            host.add(&net.clone().speaks(version), &format!("c{}", version.replace('.', "")))?;
        same("cniVersion", version, &result["cniVersion"])?;
        let ip4 = result["ip4"]["ip"].as_str().unwrap_or_default();
        that(ip4.starts_with("10.9.0.") && ip4.ends_with("/24"), "ip4.ip", "10.9.0.x/24", &result)?;
        same("ip4.gateway", "10.9.0.1", &result["ip4"]["gateway"])?;
        same("ip4.routes", json!([{ "dst": "0.0.0.0/0" }]), &result["ip4"]["routes"])?;
        same(
            "ip6.routes",
            json!([{ "dst": "::/0", "gw": "fd00:9::9" }]),
            &result["ip6"]["routes"],
        )?;
        that(result["ips"].is_null(), "the result", "no ips", &result)?;
    }
    Ok(())
}

fn result_0_3_1(host: &Host) -> Held {
    let net =
        net(json!({ "ranges": [[{ "subnet": "10.9.0.0/24" }], [{ "subnet": "fd00:9::/64" }]] }));
    for version in ["0.3.0", "0.3.1", "0.4.0"] {
        let who = format!("c{}", version.replace('.', ""));
        let result = host.add(&net.clone().speaks(version), &who)?;
        same("cniVersion", version, &result["cniVersion"])?;
        same("the first family", "4", &result["ips"][0]["version"])?;
        same("the second family", "6", &result["ips"][1]["version"])?;
    }
    let newer = host.add(&net, "c9")?;
    that(newer["ips"][0]["version"].is_null(), "a result of 1.0.0", "no family", &newer)
}

fn no_version(host: &Host) -> Held {
    let conf = json!({ "name": "net", "type": "host-local", "ipam": { "subnet": "10.9.0.0/24" } });
    let result = host.call(&Call::new("ADD", "c1"), "host-local", &conf)?.ok()?;
    same("ip4.ip", "10.9.0.2/24", &result["ip4"]["ip"])
}

/// Runs ADD with this text.
fn text(host: &Host, who: &str, conf: &str) -> Result<crate::call::Ran, Miss> {
    let path = host.plugins.display().to_string();
    let vars = [
        ("COMMAND", "ADD"),
        ("CONTAINERID", who),
        ("NETNS", "/run/netns/x"),
        ("IFNAME", "eth0"),
        ("PATH", &path),
    ];
    let vars = vars.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
    host.raw("host-local", &vars, conf)
}

fn case(host: &Host) -> Held {
    let conf = r#"{"CNIVERSION": "1.0.0", "Name": "net", "TYPE": "host-local", "IPAM":
        {"Type": "host-local", "RANGES": [[{"SUBNET": "10.9.0.0/24", "rangestart": "10.9.0.9"}]]}}"#;
    same("the address", "10.9.0.9/24", &text(host, "c1", conf)?.ok()?["ips"][0]["address"])
}

fn duplicates(host: &Host) -> Held {
    let conf = r#"{"cniVersion": "0.2.0", "cniVersion": "1.0.0", "name": "net", "ipam":
        {"subnet": "10.8.0.0/24", "subnet": "10.9.0.0/24"}}"#;
    same("the address", "10.9.0.2/24", &text(host, "c1", conf)?.ok()?["ips"][0]["address"])
}

fn unknown_keys(host: &Host) -> Held {
    let long = "x".repeat(1 << 20);
    let net = net(json!({ "subnet": "10.9.0.0/24", "gateway": null, "routes": null, "more": [1] }))
        .and(json!({ "dns": null, "runtimeConfig": null, "args": null, "long": long }));
    gives(host, &net, "c1", "10.9.0.2/24")
}

fn wrong_types(host: &Host) -> Held {
    for ipam in [
        json!({ "subnet": 5 }),
        json!({ "subnet": "10.9.0.0/24", "routes": "x" }),
        json!({ "subnet": "10.9.0.0/24", "gateway": "nonsense" }),
        json!({ "ranges": [{ "subnet": "10.9.0.0/24" }] }),
    ] {
        host.try_add(&net(ipam), &Call::new("ADD", "c1"))?.refused(&[])?;
    }
    Ok(())
}

fn parallel(host: &Host) -> Held {
    let net = net(json!({ "subnet": "10.9.0.0/24" }));
    let all: Vec<Result<String, Miss>> = std::thread::scope(|scope| {
        let one = |n| {
            let net = &net;
            scope.spawn(move || {
                let conf = net.conf(net.plugins.first().unwrap_or(&Value::Null), &Value::Null);
                let ran = text(host, &format!("box{n}"), &conf.to_string())?;
                ip(&ran.ok()?, 0)
            })
        };
        let started: Vec<_> = (0..16).map(one).collect();
        started.into_iter().filter_map(|thread| thread.join().ok()).collect()
    });
    let distinct: BTreeSet<String> = all.into_iter().collect::<Result<_, _>>()?;
    that(distinct.len() == 16, "the addresses", "16 of them", format!("{distinct:?}"))
}

fn fill(host: &Host) -> Held {
    (1..=5).try_for_each(|n| host.add(&small(), &format!("c{n}")).map(drop))
}

fn full(host: &Host) -> Held {
    fill(host)?;
    host.try_add(&small(), &Call::new("ADD", "c6"))?.refused(&[]).map(drop)
}

fn full_11(host: &Host) -> Held {
    fill(host)?;
    host.try_add(&small(), &Call::new("ADD", "c6"))?.refused(&[11]).map(drop)
}

fn same_again(host: &Host) -> Held {
    gives(host, &small(), "c1", "10.9.0.2/29")?;
    gives(host, &small(), "c1", "10.9.0.2/29")
}

fn gc(host: &Host) -> Held {
    (1..=4).try_for_each(|n| host.add(&small(), &format!("c{n}")).map(drop))?;
    host.gc(&small(), &["c2"])?;
    same("the leases that are left", "10.9.0.3", &leases(host)?.into())?;
    host.gc(&small(), &[])?;
    same("the leases that are left", "", &leases(host)?.into())
}

fn status(host: &Host) -> Held {
    host.status(&small())?.quiet()?;
    fill(host)?;
    host.status(&small())?.refused(&[50])?;
    host.del(&small(), "c2", &Value::Null)?;
    host.status(&small())?.quiet()
}

fn names_holder(host: &Host) -> Held {
    let call = |who| Call::new("ADD", who).with("ARGS", "IP=10.9.0.5");
    host.add_as(&small(), &call("c1"))?;
    has("the refusal", "box-c1", &host.try_add(&small(), &call("c2"))?.refused(&[])?)
}

fn empty_lease(host: &Host) -> Held {
    host.add(&small(), "c1")?;
    host.sh(": >/var/lib/cni/networks/net/10.9.0.2")?;
    host.del(&small(), "c1", &Value::Null)?;
    same("the leases that are left", "", &leases(host)?.into())
}
