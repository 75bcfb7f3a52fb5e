//! What gets through a bridge, and as whom it is seen.

use serde_json::json;

use super::{bridge, dual, lines, masq_chain, routed};
use crate::Host;
use crate::check::{Held, has, same, that};
use crate::net::Net;

pub(super) fn reach(host: &Host) -> Held {
    let net = routed(json!({}));
    host.add(&net, "c1")?;
    host.add(&net, "c2")?;
    let _one = host.serve("c1", "tcp", "10.9.0.2:80")?;
    let _gateway = host.serve("", "tcp", "10.9.0.1:80")?;
    same("whom c1 sees", "10.9.0.3", &host.reaches("c2", "tcp", "10.9.0.2:80", "c1")?.into())?;
    same("whom c1 sees", "10.9.0.1", &host.reaches("", "tcp", "10.9.0.2:80", "c1")?.into())?;
    same("whom the host sees", "10.9.0.3", &host.reaches("c2", "tcp", "10.9.0.1:80", "")?.into())
}

pub(super) fn masquerade(host: &Host) -> Held {
    seen_as(host, &routed(json!({ "ipMasq": true })), "192.0.2.1")?;
    let _one = host.serve("c1", "tcp", "10.9.0.2:80")?;
    host.add(&routed(json!({ "ipMasq": true })), "c2")?;
    same("inside", "10.9.0.3", &host.reaches("c2", "tcp", "10.9.0.2:80", "c1")?.into())
}

pub(super) fn no_masquerade(host: &Host) -> Held {
    seen_as(host, &routed(json!({})), "10.9.0.2")
}

/// Outside, the container is seen as this address.
fn seen_as(host: &Host, net: &Net, wanted: &str) -> Held {
    host.lan()?;
    host.add(net, "c1")?;
    let _outside = host.serve("lan", "tcp", "192.0.2.9:80")?;
    let peer = host.reaches("c1", "tcp", "192.0.2.9:80", "lan")?;
    same("who is seen outside", wanted, &peer.into())
}

pub(super) fn masquerade_v6(host: &Host) -> Held {
    host.lan()?;
    host.add(&dual(json!({ "ipMasq": true })), "c1")?;
    let _outside = host.serve("lan", "tcp", "[fd00:c0::9]:80")?;
    let peer = host.reaches("c1", "tcp", "[fd00:c0::9]:80", "lan")?;
    same("who is seen outside", "fd00:c0::1", &peer.into())
}

pub(super) fn masq_iptables(host: &Host) -> Held {
    let net = routed(json!({ "ipMasq": true, "ipMasqBackend": "iptables" }));
    seen_as(host, &net, "192.0.2.1")?;
    let chain = masq_chain(host, "c1")?;
    that(chain.len() == 28, "the chain's name", "28 characters", &chain)?;
    let rules = lines(host, &chain)?.join("\n");
    has("the jump", "-A POSTROUTING -s 10.9.0.2/32 -m comment --comment", &rules)?;
    has("the comment", r#"name: \"net\" id: \"box-c1\""#, &rules)?;
    has("the chain", &format!("-A {chain} -d 10.9.0.0/24"), &rules)?;
    has("the chain", "! -d 224.0.0.0/4", &rules)?;
    has("the chain", "-j MASQUERADE", &rules)?;
    let result = host.add(&bridge(json!({})), "c9")?;
    host.del(&bridge(json!({})), "c9", &result)?;
    host.del(&net, "c1", &serde_json::Value::Null)?;
    let left = lines(host, &chain)?;
    that(left.is_empty(), "rules after DEL", "none", left.join("\n"))
}

pub(super) fn masq_nftables(host: &Host) -> Held {
    let net = routed(json!({ "ipMasq": true, "ipMasqBackend": "nftables" }));
    seen_as(host, &net, "192.0.2.1")?;
    let rules = lines(host, "MASQUERADE")?;
    that(rules.is_empty(), "iptables", "no masquerading", rules.join("\n"))
}
