//! bridge: containers on a bridge of the host.

mod delegation;
mod keys;
mod life;
mod vlan;
mod way;

use serde_json::{Value, json};

use crate::Host;
use crate::check::{Check, Held, Miss, better, contract, that, unchanged, wrong};
use crate::look::name;
use crate::need::Need;
use crate::net::Net;

pub(super) const CHECKS: &[Check] = &[
    contract(
        "interfaces",
        "the result lists bridge, host end and container's, as they are",
        keys::interfaces,
    ),
    contract(
        "names",
        "the bridge is `bridge`, cni0 when nothing is said; the host end is a veth…",
        keys::names,
    ),
    contract("address", "the container's interface has the address and is up", keys::address),
    contract("existing", "a bridge that is there is used as it is", keys::existing),
    contract("no-bridge", "a link of that name which is no bridge is refused", keys::no_bridge),
    contract(
        "mac-pinned",
        "the bridge keeps its hardware address when members come",
        keys::mac_pinned,
    ),
    contract(
        "gateway",
        "isGateway: the bridge has the gateway's address, forwarding is on",
        keys::gateway,
    ),
    contract("no-gateway", "without isGateway the bridge has no address", keys::no_gateway),
    contract("gateway-v6", "isGateway for IPv6", keys::gateway_v6),
    contract(
        "default-gateway",
        "isDefaultGateway adds a default route, once",
        keys::default_gateway,
    ),
    contract(
        "force-address",
        "another address on the bridge is refused, or replaced with forceAddress",
        keys::force,
    ),
    contract("mtu", "mtu is that of the bridge and of both ends of the pair", keys::mtu),
    contract("hairpin", "hairpinMode is set on the bridge's port", keys::hairpin),
    contract(
        "promisc",
        "promiscMode is set on the bridge; with hairpinMode it is refused",
        keys::promisc,
    ),
    contract("mac-of-args", "CNI_ARGS MAC is the container's hardware address", keys::mac_of_args),
    contract(
        "mac-of-runtime",
        "runtimeConfig.mac is believed before CNI_ARGS",
        keys::mac_of_runtime,
    ),
    contract("mac-of-args-cni", "args.cni.mac is believed before CNI_ARGS", keys::mac_of_args_cni)
        .since("1.2.0"),
    contract("bad-mac", "a hardware address that is none is refused", keys::bad_mac),
    contract(
        "dns",
        "dns of the configuration wins when any of it is said, else that of the addresses",
        keys::dns,
    )
    .since("1.5.0"),
    contract("l2", "without ipam the link is up and has no address", keys::l2),
    contract("routes", "routes are set, those without gateway by the first one", keys::routes),
    contract("routes-1.1.0", "priority and table of routes are set", keys::routes_table)
        .since("1.5.0"),
    contract("dual", "both families work as soon as ADD returns", keys::dual),
    contract("arp-notify", "the interface announces its addresses (arp_notify)", keys::arp_notify),
    contract(
        "isolation",
        "portIsolation: members do not reach each other, the gateway does",
        keys::isolation,
    )
    .since("1.6.0"),
    contract(
        "no-container-interface",
        "disableContainerInterface leaves the link down; refused with ipam",
        keys::disabled,
    )
    .since("1.4.0"),
    contract("dad", "enabledad: accept_dad is 0 when not asked for, 1 when it is", keys::dad)
        .since("1.4.0"),
    contract(
        "macspoofchk",
        "macspoofchk: frames from another hardware address are dropped",
        keys::macspoof,
    )
    .needs(&[Need::Nft]),
    contract("vlan", "vlan: port and container are in it, untagged", vlan::vlan)
        .needs(&[Need::VlanFiltering]),
    contract(
        "vlan-gateway",
        "vlan with isGateway: the address is on an interface of its own",
        vlan::gateway,
    )
    .needs(&[Need::VlanFiltering])
    .since("1.1.1"),
    contract("vlan-trunk", "vlanTrunk: the port has all of its VLANs, tagged", vlan::trunk)
        .needs(&[Need::VlanFiltering])
        .since("1.2.0"),
    contract(
        "preserve-default-vlan",
        "preserveDefaultVlan keeps VLAN 1, and false takes it away",
        vlan::preserve,
    )
    .needs(&[Need::VlanFiltering])
    .since("1.4.0"),
    contract("bad-vlan", "a vlan outside 0-4094 is refused", vlan::bad),
    contract("bad-trunk", "an impossible vlanTrunk is refused", vlan::bad_trunk).since("1.2.0"),
    contract("reach", "containers reach each other, the host, and are reached by it", way::reach),
    contract(
        "masquerade",
        "ipMasq: outside the host's address is seen, inside the container's",
        way::masquerade,
    ),
    contract("masquerade-v6", "ipMasq for IPv6", way::masquerade_v6),
    contract(
        "no-masquerade",
        "without ipMasq the container's address is seen outside",
        way::no_masquerade,
    ),
    contract(
        "masquerade-iptables",
        "ipMasqBackend iptables: a chain CNI-… with a comment of network and container",
        way::masq_iptables,
    )
    .needs(&[Need::Iptables]),
    contract(
        "masquerade-nftables",
        "ipMasqBackend nftables: no rule in iptables",
        way::masq_nftables,
    )
    .needs(&[Need::Iptables])
    .since("1.6.0"),
    contract(
        "delegation",
        "the first plugin of the type along CNI_PATH is asked, with all variables and the whole configuration",
        delegation::asked,
    ),
    contract(
        "delegation-error",
        "what the other plugin refuses with is handed on",
        delegation::refused,
    ),
    contract("delegation-missing", "a plugin that is not there is a refusal", delegation::missing),
    contract("delegation-del", "DEL asks it to give back", delegation::del),
    contract(
        "delegation-version",
        "a result without cniVersion is of the configuration's",
        delegation::version,
    ),
    contract(
        "delegation-no-address",
        "a result without an address is refused, and given back",
        delegation::no_address,
    ),
    contract("versions", "the result is converted to every version", life::versions),
    contract("del", "DEL takes interface, pair and lease away, twice is as well", life::del),
    contract(
        "del-no-netns",
        "DEL succeeds when the namespace is gone, with its path or without",
        life::del_gone,
    ),
    contract("check", "CHECK succeeds after ADD", life::check),
    contract(
        "check-gone",
        "CHECK fails without the interface, without its address, without its route",
        life::check_gone,
    ),
    contract("parallel", "twelve at once: one bridge, twelve addresses", life::parallel),
    contract(
        "unknown-args",
        "CNI_ARGS that the address plugin does not know are refused by it",
        life::unknown_args,
    ),
    contract("status", "STATUS succeeds, and is that of the address plugin", life::status)
        .since("1.5.0"),
    better("undone", "an ADD that fails leaves nothing, and can be tried again", life::undone),
    better("delegation-undone", "when the other plugin refuses, nothing stays", delegation::undone),
    better(
        "dual-at-once",
        "the gateway's IPv6 address works as soon as ADD returns",
        keys::at_once,
    ),
    better(
        "del-forgotten",
        "DEL with nothing but names takes masquerading away, too",
        life::del_forgotten,
    )
    .needs(&[Need::Nft]),
    better("gc", "GC takes away all of the dead and nothing of the living", life::gc)
        .needs(&[Need::Nft]),
    better(
        "same-again",
        "ADD for the same container and interface gives the same result",
        life::same_again,
    ),
    better("check-masquerade", "CHECK fails when masquerading was flushed", life::check_masquerade)
        .needs(&[Need::Nft]),
    better(
        "check-settings",
        "CHECK fails without forwarding, without hairpin, off the bridge",
        life::check_settings,
    ),
    better("status-full", "STATUS is code 50 when no address is left", life::status_full),
    better("mtu-in-result", "version 1.1.0 says the mtu of interfaces", life::mtu_in_result),
    better("route-mtu", "mtu and advmss of routes are set", life::route_mtu),
];

/// A network with these fields, and host-local of 10.9.0.0/24.
pub(super) fn bridge(more: Value) -> Net {
    let ipam = json!({ "type": "host-local", "subnet": "10.9.0.0/24" });
    Net::of(json!({ "type": "bridge", "bridge": "br0", "ipam": ipam })).and(more)
}

/// The same with a gateway and the way out.
pub(super) fn routed(more: Value) -> Net {
    let ipam = json!({ "type": "host-local", "subnet": "10.9.0.0/24", "routes": [{ "dst": "0.0.0.0/0" }] });
    bridge(json!({ "isGateway": true, "ipam": ipam })).and(more)
}

/// Of both families.
pub(super) fn dual(more: Value) -> Net {
    let ipam = json!({ "type": "host-local", "routes": [{ "dst": "0.0.0.0/0" }, { "dst": "::/0" }],
        "ranges": [[{ "subnet": "10.9.0.0/24" }], [{ "subnet": "fd00:9::/64" }]] });
    bridge(json!({ "isGateway": true, "ipam": ipam })).and(more)
}

/// The host's end of a result: the interface that is neither in a sandbox nor the bridge.
fn leg(result: &Value) -> Result<String, Miss> {
    name(result, 1)
}

/// A file of the bridge's port.
fn port(host: &Host, leg: &str, file: &str) -> Result<String, Miss> {
    host.read(&format!("/sys/class/net/{leg}/brport/{file}"))
}

/// The names of a bridge's ports.
fn ports(host: &Host, bridge: &str) -> Result<Vec<String>, Miss> {
    let all = host.sh(&format!("ls /sys/class/net/{bridge}/brif"))?;
    Ok(all.split_whitespace().map(str::to_owned).collect())
}

/// The lines of the host's rules that hold a word.
fn lines(host: &Host, word: &str) -> Result<Vec<String>, Miss> {
    let all = host.iptables()?;
    Ok(all.lines().filter(|line| line.contains(word)).map(str::to_owned).collect())
}

/// The masquerading chain of a container: that of iptables with its name in a comment.
fn masq_chain(host: &Host, who: &str) -> Result<String, Miss> {
    let marked = lines(host, &format!("box-{who}"))?;
    let named = marked.iter().flat_map(|line| line.split_whitespace()).find(|word| {
        word.strip_prefix("CNI-").is_some_and(|hash| hash.bytes().all(|b| b.is_ascii_hexdigit()))
    });
    match named {
        Some(chain) => Ok(chain.to_owned()),
        None => wrong(
            "iptables",
            "a rule with the container's name that leads to CNI-…",
            host.iptables()?,
        ),
    }
}

/// A route with these words, whatever its order.
fn no_links_but(host: &Host, container: &str, names: &[&str]) -> Held {
    let links = host.links(container)?;
    let fits = links.iter().all(|link| names.contains(&link.as_str()));
    that(fits, "the links", &format!("{names:?}"), format!("{links:?}"))
}

/// The host is as before, once the kernel has taken the links of a namespace away: one container is
/// left on the bridge.
pub(super) fn gone(host: &Host, before: &str) -> Held {
    host.does(
        "for i in $(seq 100); do
            [ $(ls /sys/class/net/br0/brif | wc -l) -le 1 ] && break
            sleep 0.05
        done",
    );
    unchanged("the host", before, &host.state()?)
}
