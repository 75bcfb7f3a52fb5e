//! firewall: what is forwarded to and from containers.

use serde_json::{Value, json};

use super::bridge;
use crate::Host;
use crate::check::{Check, Held, Miss, better, contract, has, lacks, same, that, unchanged};
use crate::need::Need;
use crate::net::{Call, Net};

pub(super) const CHECKS: &[Check] = &[
    contract(
        "way-out",
        "a container gets out where FORWARD drops, and its answers come back",
        way_out,
    )
    .needs(&[Need::Iptables]),
    contract("way-in", "what is new from outside stays dropped", way_in).needs(&[Need::Iptables]),
    contract("v6", "the same for IPv6", v6).needs(&[Need::Iptables]),
    contract("result", "the result before it is handed on unchanged, in its version", result),
    contract("needs-result", "without a prevResult it is refused", needs_result),
    contract("unknown-backend", "a backend that is not known is as none", unknown_backend)
        .needs(&[Need::Iptables]),
    contract(
        "chains",
        "backend iptables: FORWARD leads to CNI-FORWARD, that to CNI-ADMIN first",
        chains,
    )
    .needs(&[Need::Iptables]),
    contract("admin-chain", "what the administrator drops in CNI-ADMIN stays dropped", admin)
        .needs(&[Need::Iptables]),
    contract("admin-chain-name", "iptablesAdminChainName is the chain's name", admin_name)
        .needs(&[Need::Iptables]),
    contract(
        "same-bridge",
        "ingressPolicy same-bridge: other bridges are kept out, the own is not",
        same_bridge,
    )
    .needs(&[Need::Iptables]),
    contract("isolated", "ingressPolicy isolated: the own bridge is kept out, too", isolated)
        .needs(&[Need::Iptables])
        .since("1.7.1"),
    contract("unknown-policy", "an ingressPolicy that is not known is refused", unknown_policy),
    contract("del", "DEL takes all of a container away, twice is as well", del).needs(&[Need::Nft]),
    contract("check", "CHECK succeeds after ADD, and fails when the rules were flushed", check)
        .needs(&[Need::Iptables]),
    contract(
        "firewalld",
        "backend firewalld: the container's addresses are in the zone, and out of it after DEL",
        firewalld,
    )
    .needs(&[Need::Firewalld]),
    contract("firewalld-zone", "firewalldZone is the zone's name", firewalld_zone)
        .needs(&[Need::Firewalld]),
    better(
        "firewalld-check",
        "CHECK fails when the address is in the zone no more",
        firewalld_check,
    )
    .needs(&[Need::Firewalld]),
    better("parallel", "eight ADDs at once of same-bridge: no rule is there twice", parallel)
        .needs(&[Need::Iptables]),
    better("del-forgotten", "DEL with nothing but names takes all away", del_forgotten)
        .needs(&[Need::Nft]),
    better("gc", "GC takes away the rules of the dead and none of the living", gc)
        .needs(&[Need::Nft]),
    better("check-harmless", "CHECK makes nothing", check_harmless).needs(&[Need::Nft]),
];

/// A network with a way out through the firewall.
fn walled(more: Value) -> Net {
    let mut net = bridge::routed(json!({ "ipMasq": true }));
    net.plugins.push(json!({ "type": "firewall" }));
    net.and(more)
}

fn last(net: &Net) -> &Value {
    net.plugins.last().unwrap_or(&Value::Null)
}

/// A host that forwards nothing by itself, and a machine outside.
fn closed(host: &Host) -> Held {
    host.lan()?;
    host.sh("iptables -P FORWARD DROP; ip6tables -P FORWARD DROP").map(drop)
}

fn way_out(host: &Host) -> Held {
    closed(host)?;
    let _server = host.serve("lan", "tcp", "192.0.2.9:80")?;
    let mut bare = walled(json!({}));
    bare.plugins.truncate(1);
    host.add(&bare, "c0")?;
    host.misses("c0", "tcp", "192.0.2.9:80")?;
    host.add(&walled(json!({})), "c1")?;
    host.reaches("c1", "tcp", "192.0.2.9:80", "lan").map(drop)
}

fn way_in(host: &Host) -> Held {
    closed(host)?;
    host.add(&walled(json!({})), "c1")?;
    let _server = host.serve("c1", "tcp", "10.9.0.2:80")?;
    host.misses("lan", "tcp", "10.9.0.2:80")
}

fn v6(host: &Host) -> Held {
    closed(host)?;
    let mut net = bridge::dual(json!({}));
    net.plugins.push(json!({ "type": "firewall" }));
    host.add(&net, "c1")?;
    let _server = host.serve("lan", "tcp", "[fd00:c0::9]:80")?;
    host.reaches("c1", "tcp", "[fd00:c0::9]:80", "lan")?;
    let _own = host.serve("c1", "tcp", "[fd00:9::2]:80")?;
    host.misses("lan", "tcp", "[fd00:9::2]:80")
}

fn result(host: &Host) -> Held {
    for (version, who) in [("0.4.0", "c1"), ("1.0.0", "c2")] {
        let net = walled(json!({})).speaks(version);
        let mut alone = net.clone();
        alone.plugins.truncate(1);
        let before = host.add(&alone, who)?;
        let after =
            host.call(&Call::new("ADD", who), "firewall", &net.conf(last(&net), &before))?.ok()?;
        same("the result", before, &after)?;
    }
    Ok(())
}

fn needs_result(host: &Host) -> Held {
    let net = Net::of(json!({ "type": "firewall" }));
    host.try_add(&net, &Call::new("ADD", "c1"))?.refused(&[]).map(drop)
}

fn refused(host: &Host, more: Value) -> Held {
    host.try_add(&walled(more), &Call::new("ADD", "c1"))?.refused(&[]).map(drop)
}

fn unknown_backend(host: &Host) -> Held {
    closed(host)?;
    let _server = host.serve("lan", "tcp", "192.0.2.9:80")?;
    host.add(&walled(json!({ "backend": "carrier-pigeons" })), "c1")?;
    host.reaches("c1", "tcp", "192.0.2.9:80", "lan").map(drop)
}

fn unknown_policy(host: &Host) -> Held {
    refused(host, json!({ "ingressPolicy": "sometimes" }))
}

/// With the chains that administrators read.
fn iptables(more: Value) -> Net {
    walled(json!({ "backend": "iptables" })).and(more)
}

/// The rules of a chain of `filter`, in order.
fn chain(host: &Host, name: &str) -> Result<Vec<String>, Miss> {
    let rules = host.sh(&format!("iptables -S {name}"))?;
    Ok(rules.lines().filter(|line| line.starts_with("-A")).map(str::to_owned).collect())
}

fn chains(host: &Host) -> Held {
    host.sh("iptables -A FORWARD -s 198.51.100.1 -j DROP")?;
    let net = iptables(json!({}));
    let result = host.add(&net, "c1")?;
    let forward = chain(host, "FORWARD")?;
    let first = forward.first().cloned().unwrap_or_default();
    has("the first rule of FORWARD", "-j CNI-FORWARD", &first)?;
    let rules = chain(host, "CNI-FORWARD")?;
    has("the first rule of CNI-FORWARD", "-j CNI-ADMIN", rules.first().map_or("", String::as_str))?;
    let all = rules.join("\n");
    has(
        "CNI-FORWARD",
        "-A CNI-FORWARD -d 10.9.0.2/32 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT",
        &all,
    )?;
    has("CNI-FORWARD", "-A CNI-FORWARD -s 10.9.0.2/32 -j ACCEPT", &all)?;
    host.del(&net, "c1", &result)?;
    lacks("CNI-FORWARD after DEL", "10.9.0.2", &chain(host, "CNI-FORWARD")?.join("\n"))
}

fn admin(host: &Host) -> Held {
    closed(host)?;
    host.add(&iptables(json!({})), "c1")?;
    let _server = host.serve("lan", "tcp", "192.0.2.9:80")?;
    host.reaches("c1", "tcp", "192.0.2.9:80", "lan")?;
    host.sh("iptables -A CNI-ADMIN -d 192.0.2.9 -j DROP")?;
    host.misses("c1", "tcp", "192.0.2.9:80")?;
    host.add(&iptables(json!({})), "c2")?;
    host.misses("c2", "tcp", "192.0.2.9:80")
}

fn admin_name(host: &Host) -> Held {
    host.add(&iptables(json!({ "iptablesAdminChainName": "MY-ADMIN" })), "c1")?;
    let rules = chain(host, "CNI-FORWARD")?;
    has("CNI-FORWARD", "-j MY-ADMIN", rules.first().map_or("", String::as_str))?;
    chain(host, "MY-ADMIN").map(drop)
}

/// A second network beside the first.
fn other(more: Value) -> Net {
    let ipam = json!({ "type": "host-local", "subnet": "10.8.0.0/24", "routes": [{ "dst": "0.0.0.0/0" }] });
    let mut net = bridge::bridge(json!({ "bridge": "br1", "isGateway": true, "ipam": ipam }));
    net.name = "other";
    net.plugins.push(json!({ "type": "firewall" }));
    net.and(more)
}

/// What bridges let through with netfilter looking at them, as most hosts of containers have it.
const LOOK: &str = "sysctl -qe net.bridge.bridge-nf-call-iptables=1";

fn same_bridge(host: &Host) -> Held {
    host.sh(LOOK)?;
    let policy = json!({ "ingressPolicy": "same-bridge" });
    for who in ["c1", "c2"] {
        host.add(&walled(policy.clone()), who)?;
    }
    host.add(&other(policy), "c3")?;
    let _server = host.serve("c1", "tcp", "10.9.0.2:80")?;
    host.reaches("c2", "tcp", "10.9.0.2:80", "c1")?;
    host.misses("c3", "tcp", "10.9.0.2:80")
}

fn isolated(host: &Host) -> Held {
    host.sh(LOOK)?;
    let policy = json!({ "ingressPolicy": "isolated" });
    for who in ["c1", "c2"] {
        host.add(&walled(policy.clone()), who)?;
    }
    let _server = host.serve("c1", "tcp", "10.9.0.2:80")?;
    host.misses("c2", "tcp", "10.9.0.2:80")
}

fn del(host: &Host) -> Held {
    for (more, living) in [(json!({}), "c0"), (json!({ "backend": "iptables" }), "c5")] {
        let net = walled(more);
        let kept = host.add(&net, living)?;
        let before = host.state()?;
        let result = host.add(&net, "c1")?;
        host.del(&net, "c1", &result)?;
        unchanged("the host", &before, &host.state()?)?;
        host.del(&net, "c1", &result)?;
        host.del(&net, living, &kept)?;
    }
    Ok(())
}

fn check(host: &Host) -> Held {
    let net = iptables(json!({}));
    let result = host.add(&net, "c1")?;
    host.check(&net, "c1", &result)?.quiet()?;
    host.sh("iptables -F CNI-FORWARD")?;
    let ran = host.call(&Call::new("CHECK", "c1"), "firewall", &net.conf(last(&net), &result))?;
    ran.refused(&[]).map(drop)
}

fn check_harmless(host: &Host) -> Held {
    let net = iptables(json!({}));
    let result = host.add(&net, "c1")?;
    host.sh("iptables -F FORWARD; iptables -F CNI-FORWARD; iptables -X CNI-FORWARD; iptables -X CNI-ADMIN")?;
    let before = host.state()?;
    let ran = host.call(&Call::new("CHECK", "c1"), "firewall", &net.conf(last(&net), &result))?;
    ran.refused(&[])?;
    unchanged("the host", &before, &host.state()?)
}

fn parallel(host: &Host) -> Held {
    let net = iptables(json!({ "ingressPolicy": "same-bridge" }));
    let names: Vec<String> = (0..8).map(|n| format!("c{n}")).collect();
    names.iter().try_for_each(|name| host.container(name))?;
    let all: Vec<Held> = std::thread::scope(|scope| {
        let one = |name: &String| {
            let (net, name) = (&net, name.clone());
            scope.spawn(move || host.add(net, &name).map(drop))
        };
        let started: Vec<_> = names.iter().map(one).collect();
        started.into_iter().filter_map(|thread| thread.join().ok()).collect()
    });
    all.into_iter().collect::<Held>()?;
    let rules = host.sh("iptables-save -t filter")?;
    let mut seen = std::collections::BTreeSet::new();
    let twice: Vec<&str> =
        rules.lines().filter(|line| line.starts_with("-A") && !seen.insert(*line)).collect();
    that(twice.is_empty(), "rules that are there twice", "none", twice.join("\n"))
}

fn del_forgotten(host: &Host) -> Held {
    for (more, living) in [(json!({}), "c0"), (json!({ "backend": "iptables" }), "c5")] {
        let net = walled(more);
        let kept = host.add(&net, living)?;
        let before = host.state()?;
        host.add(&net, "c1")?;
        host.sh("ip netns del c1")?;
        host.del_bare(&net, "c1")?;
        bridge::gone(host, &before)?;
        host.del(&net, living, &kept)?;
    }
    Ok(())
}

fn gc(host: &Host) -> Held {
    for (more, living) in [(json!({}), "c0"), (json!({ "backend": "iptables" }), "c5")] {
        let net = walled(more);
        let kept = host.add(&net, living)?;
        let before = host.state()?;
        for who in ["c1", "c2"] {
            host.add(&net, who)?;
            host.sh(&format!("ip netns del {who}"))?;
        }
        host.gc(&net, &[living])?;
        bridge::gone(host, &before)?;
        host.del(&net, living, &kept)?;
    }
    Ok(())
}

/// A D-Bus and a firewalld, ended when it is dropped.
struct Daemons<'a>(&'a Host);

impl<'a> Daemons<'a> {
    fn start(host: &'a Host) -> Result<Self, Miss> {
        let daemons = Self(host);
        host.sh("mkdir -p /run/dbus /run/w/empty
            mount --bind /run/w/empty /etc/firewalld
            dbus-daemon --system --fork --print-pid >/run/w/dbus.pid
            firewalld --nofork --nopid --log-file /run/w/firewalld.log >/run/w/firewalld.out 2>&1 </dev/null &
            echo $! >/run/w/firewalld.pid
            for i in $(seq 200); do firewall-cmd --state >/dev/null 2>&1 && exit 0; sleep 0.05; done
            cat /run/w/firewalld.*; exit 1")?;
        Ok(daemons)
    }

    fn zone(&self, zone: &str) -> Result<String, Miss> {
        self.0.sh(&format!("firewall-cmd --zone={zone} --list-sources"))
    }
}

impl Drop for Daemons<'_> {
    fn drop(&mut self) {
        self.0.does("kill $(cat /run/w/firewalld.pid) $(cat /run/w/dbus.pid); sleep 0.1");
    }
}

fn zoned(host: &Host, zone: &str, more: Value) -> Held {
    let daemons = Daemons::start(host)?;
    let net = walled(json!({ "backend": "firewalld" })).and(more);
    let result = host.add(&net, "c1")?;
    has("the zone", "10.9.0.2/32", &daemons.zone(zone)?)?;
    host.check(&net, "c1", &result)?.quiet()?;
    host.del(&net, "c1", &result)?;
    lacks("the zone after DEL", "10.9.0.2", &daemons.zone(zone)?)?;
    // Where it runs it need not be named.
    let net = walled(json!({ "firewalldZone": zone }));
    let result = host.add(&net, "c2")?;
    has("the zone", "10.9.0.3/32", &daemons.zone(zone)?)?;
    host.del(&net, "c2", &result)?;
    lacks("the zone after DEL", "10.9.0.3", &daemons.zone(zone)?)
}

fn firewalld(host: &Host) -> Held {
    zoned(host, "trusted", json!({}))
}

fn firewalld_zone(host: &Host) -> Held {
    zoned(host, "internal", json!({ "firewalldZone": "internal" }))
}

fn firewalld_check(host: &Host) -> Held {
    let daemons = Daemons::start(host)?;
    let net = walled(json!({ "backend": "firewalld" }));
    let result = host.add(&net, "c1")?;
    daemons.0.sh("firewall-cmd --zone=trusted --remove-source=10.9.0.2/32")?;
    let ran = host.call(&Call::new("CHECK", "c1"), "firewall", &net.conf(last(&net), &result))?;
    ran.refused(&[]).map(drop)
}
