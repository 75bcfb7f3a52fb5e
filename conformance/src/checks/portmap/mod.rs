//! portmap: ports of the host that lead to containers. What gets through is looked at, and with the backend iptables
//! the chains that other tools read.

mod chains;
mod life;
mod way;

use serde_json::{Value, json};

use super::bridge;
use crate::Host;
use crate::check::{Check, Held, Miss, better, contract};
use crate::need::Need;
use crate::net::Net;

pub(super) const CHECKS: &[Check] = &[
    contract("tcp", "a TCP port of the host leads to the container's, from outside", way::tcp),
    contract("udp", "a UDP port does", way::udp),
    contract("sees-client", "the container sees the client's own address", way::sees_client),
    contract(
        "from-host",
        "the host reaches it by its own addresses and by 127.0.0.1",
        way::from_host,
    ),
    contract("hairpin", "the container reaches itself by its published port", way::hairpin),
    contract("from-others", "other containers reach it by the host's address", way::from_others),
    contract("v6", "a port leads to the container's IPv6 address", way::v6),
    contract("several", "twenty mappings at once all lead there", way::several),
    contract("protocols", "one number by TCP and another by UDP are two ports", way::protocols),
    contract("protocol-case", "TCP in capital letters is tcp", way::protocol_case),
    contract("host-ip", "hostIP binds a port to one address of the host", way::host_ip),
    contract("any-ip", "hostIP 0.0.0.0 and none are every address", way::any_ip),
    contract(
        "other-family",
        "a hostIP of the other family does not concern an address",
        way::other_family,
    ),
    contract(
        "snat-off",
        "snat false: 127.0.0.1 and the container itself are not helped",
        way::snat_off,
    ),
    contract("result", "the result before it is handed on unchanged, in its version", life::result),
    contract("no-ports", "without ports nothing is done", life::no_ports),
    contract("needs-result", "without a prevResult it is refused", life::needs_result),
    contract("bad-ports", "an impossible port or protocol is refused", life::bad_ports),
    contract(
        "exclusive",
        "externalSetMarkChain and markMasqBit together are refused, and so is a bit above 31",
        life::exclusive,
    ),
    contract("conditions", "conditionsV4 keep others out", chains::conditions)
        .needs(&[Need::Iptables]),
    contract("conditions-v6", "conditionsV6 keep others out", chains::conditions_v6)
        .needs(&[Need::Iptables]),
    contract(
        "chains",
        "backend iptables: CNI-HOSTPORT-DNAT, CNI-DN-… with network and container in comments",
        chains::names,
    )
    .needs(&[Need::Iptables]),
    contract("mark-bit", "markMasqBit is the bit that is marked with", chains::mark_bit)
        .needs(&[Need::Iptables]),
    contract("mark-chain", "externalSetMarkChain is jumped to instead", chains::mark_chain)
        .needs(&[Need::Iptables]),
    contract("masq-all", "masqAll: every client is seen as the host", chains::masq_all)
        .since("1.6.0"),
    contract("nftables", "backend nftables: no rule in iptables, and it works", chains::nftables)
        .needs(&[Need::Iptables])
        .since("1.6.0"),
    contract(
        "wrong-conditions",
        "conditions of the other backend's syntax are refused",
        chains::wrong_conditions,
    )
    .since("1.6.0"),
    contract("del", "DEL takes all of a container away, twice is as well", life::del)
        .needs(&[Need::Nft]),
    contract("check", "CHECK succeeds after ADD", life::check).since("1.9.1"),
    contract("check-flushed", "CHECK fails when the rules were flushed", life::check_flushed)
        .needs(&[Need::Nft]),
    contract(
        "udp-stale",
        "UDP that spoke to somebody else before reaches the container after ADD",
        life::stale_on_add,
    ),
    better("udp-stale-del", "UDP connections are forgotten on DEL, too", life::stale_on_del),
    better("del-forgotten", "DEL with nothing but names takes all away", life::del_forgotten)
        .needs(&[Need::Nft]),
    better("gc", "GC takes away the ports of the dead and none of the living", life::gc)
        .needs(&[Need::Nft]),
    better("conflict", "a port that another container has is refused, by its name", life::conflict),
    better("listener", "a port that a process of the host listens on is refused", life::listener),
    better("same-again", "ADD again for the same container changes nothing", life::same_again)
        .needs(&[Need::Nft]),
];

/// One mapping.
fn port(host: u16, container: u16, protocol: &str) -> Value {
    json!({ "hostPort": host, "containerPort": container, "protocol": protocol })
}

/// A network with ports, and more fields of portmap.
fn mapped(ports: &[Value], more: Value) -> Net {
    let mut net = bridge::routed(json!({ "ipMasq": true }));
    net.plugins.push(json!({ "type": "portmap", "capabilities": { "portMappings": true },
        "runtimeConfig": { "portMappings": ports } }));
    net.and(more)
}

/// The same with both families.
fn dual(ports: &[Value], more: Value) -> Net {
    let mut net = bridge::dual(json!({ "ipMasq": true }));
    net.plugins.push(json!({ "type": "portmap", "runtimeConfig": { "portMappings": ports } }));
    net.and(more)
}

/// A host with a machine outside, and container c1 with port 8080 to 80.
fn usual(host: &Host, more: Value) -> Result<(Net, Value), Miss> {
    host.lan()?;
    let net = mapped(&[port(8080, 80, "tcp")], more);
    let result = host.add(&net, "c1")?;
    Ok((net, result))
}

/// From outside, port 8080 leads to c1.
fn open(host: &Host) -> Result<String, Miss> {
    let _server = host.serve("c1", "tcp", "0.0.0.0:80")?;
    host.reaches("lan", "tcp", "192.0.2.1:8080", "c1")
}

/// From outside, nobody answers at port 8080.
fn closed(host: &Host) -> Held {
    host.misses("lan", "tcp", "192.0.2.1:8080")
}
