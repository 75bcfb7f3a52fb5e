//! Keys that are about rules, and the chains that nerdctl and administrators read.

use serde_json::json;

use super::{closed, dual, mapped, open, port, usual};
use crate::Host;
use crate::check::{Held, Miss, has, lacks, same, that, wrong};
use crate::net::Call;

pub(super) fn conditions(host: &Host) -> Held {
    host.lan()?;
    let net =
        |source: &str| mapped(&[port(8080, 80, "tcp")], json!({ "conditionsV4": ["-s", source] }));
    let result = host.add(&net("192.0.2.9/32"), "c1")?;
    open(host)?;
    host.del(&net("192.0.2.9/32"), "c1", &result)?;
    host.add(&net("198.51.100.0/24"), "c2")?;
    let _server = host.serve("c2", "tcp", "0.0.0.0:80")?;
    closed(host)
}

pub(super) fn conditions_v6(host: &Host) -> Held {
    host.lan()?;
    let net =
        |source: &str| dual(&[port(8080, 80, "tcp")], json!({ "conditionsV6": ["-s", source] }));
    let result = host.add(&net("fd00:c0::9/128"), "c1")?;
    let server = host.serve("c1", "tcp", "[::]:80")?;
    host.reaches("lan", "tcp", "[fd00:c0::1]:8080", "c1")?;
    drop(server);
    host.del(&net("fd00:c0::9/128"), "c1", &result)?;
    host.add(&net("fd00:77::/64"), "c2")?;
    let _server = host.serve("c2", "tcp", "[::]:80")?;
    host.misses("lan", "tcp", "[fd00:c0::1]:8080")
}

/// The chain of container c1.
fn chain(host: &Host) -> Result<String, Miss> {
    let rules = host.sh("iptables -t nat -S CNI-HOSTPORT-DNAT")?;
    let chain = rules.split_whitespace().find(|word| word.starts_with("CNI-DN-"));
    chain.map_or_else(
        || wrong("CNI-HOSTPORT-DNAT", "a jump to CNI-DN-…", &rules),
        |name| Ok(name.to_owned()),
    )
}

pub(super) fn names(host: &Host) -> Held {
    let (net, result) = usual(host, json!({ "backend": "iptables" }))?;
    open(host)?;
    let rules = host.iptables()?;
    let chain = chain(host)?;
    that(chain.len() == 28, "the chain's name", "28 characters", &chain)?;
    for part in [
        "-A PREROUTING -m addrtype --dst-type LOCAL -j CNI-HOSTPORT-DNAT".to_owned(),
        "-A OUTPUT -m addrtype --dst-type LOCAL -j CNI-HOSTPORT-DNAT".to_owned(),
        "-A CNI-HOSTPORT-SETMARK".to_owned(),
        "-j CNI-HOSTPORT-MASQ".to_owned(),
        "-A CNI-HOSTPORT-MASQ -m mark --mark 0x2000/0x2000 -j MASQUERADE".to_owned(),
        r#"dnat name: \"net\" id: \"box-c1\""#.to_owned(),
        "--dports 8080".to_owned(),
        format!("-A {chain} -s 10.9.0.0/24 -p tcp -m tcp --dport 8080 -j CNI-HOSTPORT-SETMARK"),
        format!("-A {chain} -s 127.0.0.1/32 -p tcp -m tcp --dport 8080 -j CNI-HOSTPORT-SETMARK"),
        format!("-A {chain} -p tcp -m tcp --dport 8080 -j DNAT --to-destination 10.9.0.2:80"),
    ] {
        let all = rules.replace(" -m comment --comment \"CNI portfwd masquerade mark\"", "");
        let all = all.replace(" -m comment --comment \"CNI portfwd requiring masquerade\"", "");
        has("iptables", &part, &all)?;
    }
    host.del(&net, "c1", &result)?;
    lacks("iptables after DEL", "CNI-DN-", &host.iptables()?)
}

pub(super) fn mark_bit(host: &Host) -> Held {
    usual(host, json!({ "backend": "iptables", "markMasqBit": 5 }))?;
    has("iptables", "--mark 0x20/0x20 -j MASQUERADE", &host.iptables()?)?;
    let _server = host.serve("c1", "tcp", "0.0.0.0:80")?;
    host.reaches("", "tcp", "127.0.0.1:8080", "c1").map(drop)
}

pub(super) fn mark_chain(host: &Host) -> Held {
    host.sh("iptables -t nat -N MARK-FOR-MASQ
        iptables -t nat -A MARK-FOR-MASQ -j MARK --set-xmark 0x4000/0x4000
        iptables -t nat -A POSTROUTING -m mark --mark 0x4000/0x4000 -j MASQUERADE")?;
    usual(host, json!({ "backend": "iptables", "externalSetMarkChain": "MARK-FOR-MASQ" }))?;
    let chain = chain(host)?;
    let rules = host.sh(&format!("iptables -t nat -S {chain}"))?;
    has("the chain", "-j MARK-FOR-MASQ", &rules)?;
    lacks("the chain", "CNI-HOSTPORT-SETMARK", &rules)?;
    let _server = host.serve("c1", "tcp", "0.0.0.0:80")?;
    host.reaches("", "tcp", "127.0.0.1:8080", "c1").map(drop)
}

pub(super) fn masq_all(host: &Host) -> Held {
    usual(host, json!({ "masqAll": true }))?;
    same("whom c1 sees", "10.9.0.1", &open(host)?.into())
}

pub(super) fn nftables(host: &Host) -> Held {
    usual(host, json!({ "backend": "nftables" }))?;
    open(host)?;
    let rules = host.iptables()?;
    lacks("iptables", "CNI-HOSTPORT", &rules)?;
    lacks("iptables", "8080", &rules)
}

pub(super) fn wrong_conditions(host: &Host) -> Held {
    for more in [
        json!({ "backend": "nftables", "conditionsV4": ["-s", "192.0.2.9/32"] }),
        json!({ "backend": "iptables", "conditionsV4": ["ip", "saddr", "192.0.2.9"] }),
        json!({ "backend": "nftables", "externalSetMarkChain": "X" }),
        json!({ "backend": "carrier-pigeons" }),
    ] {
        let net = mapped(&[port(8080, 80, "tcp")], more);
        host.try_add(&net, &Call::new("ADD", "c1"))?.refused(&[])?;
        host.sh("ip netns del c1")?;
    }
    Ok(())
}
