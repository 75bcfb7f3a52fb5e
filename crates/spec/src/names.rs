//! Names that ropewalk gives: made from what people wrote, so that the same wish yields the same
//! name on every run.
//!
//!     bridge of network web        rw-web
//!     leg of netns:red eth0        rw6c4bc3c010, also called ropewalk.netns-red.eth0; alias red:eth0
//!     bridge cni0 of a runtime      ropewalk.bridge.cni0
//!     ifb of that leg              ro6c4bc3c010, also called ropewalk.out.ro6c4bc3c010

use std::net::IpAddr;

use ropewalk_facts::{IfName, Mac};

use crate::name::NetworkName;

/// What every alternative name given by ropewalk begins with: the mark of ownership of links.
pub const MARK: &str = "ropewalk.";

/// The longest alternative name (`ALTIFNAMSIZ` less its final zero).
const ALT_MAX: usize = 127;

/// What a hardware address is derived from.
#[derive(Clone, Copy, Debug)]
pub enum Seed<'a> {
    /// The address of the interface. Who gets an address that another had also gets its hardware
    /// address, so what neighbours remember stays true.
    Ip(IpAddr),
    /// Anything that names the interface, for one without an address.
    Text(&'a str),
}

/// The host end of the veth pair whose other end is `ifname` in `sandbox` (its text, or whatever
/// else names it for as long as it lives).
#[must_use]
pub fn leg(sandbox: &str, ifname: &IfName) -> IfName {
    short("rw", &[sandbox, ifname.as_str()])
}

/// What people read at a leg (`ip link`): the sandbox's name and its interface, `web1:eth0`.
#[must_use]
pub fn leg_alias(sandbox: &str, ifname: &IfName) -> String {
    /// The longest alias (`IFALIASZ` less its final zero).
    const ALIAS_MAX: usize = 255;
    let named = ["netns:", "docker:", "podman:"].into_iter().find_map(|k| sandbox.strip_prefix(k));
    let name = named.unwrap_or(sandbox);
    let room = ALIAS_MAX - IfName::MAX - 1 - " out".len();
    let end = (0..=room.min(name.len())).rev().find(|at| name.is_char_boundary(*at));
    format!("{}:{ifname}", name.get(..end.unwrap_or(0)).unwrap_or_default())
}

/// The ifb that what a sandbox sends goes through, by its leg: `ro` instead of `rw`.
#[must_use]
pub fn ifb(leg: &IfName) -> IfName {
    if let Some(digits) = leg.as_str().strip_prefix("veth") {
        return IfName::new(format!("bwp{digits}")).unwrap_or_else(|_| short("bwp", &[digits]));
    }
    let rest = leg.as_str().strip_prefix("rw").unwrap_or(leg.as_str());
    IfName::new(format!("ro{rest}")).unwrap_or_else(|_| short("ro", &[leg.as_str()]))
}

/// The alternative name of an ifb: `ropewalk.out.IFB`.
#[must_use]
pub fn ifb_altname(ifb: &IfName) -> String {
    format!("{MARK}out.{ifb}")
}

/// The bridge of a network: `rw-NETWORK`, or a hash where that is too long.
#[must_use]
pub fn bridge(network: &NetworkName) -> IfName {
    IfName::new(format!("rw-{network}")).unwrap_or_else(|_| short("rw-", &[network.as_str()]))
}

/// The group of the links of a network, by which rules know them. Never 0, which every link is in.
#[must_use]
pub fn group(network: &NetworkName) -> u32 {
    let [.., a, b, c, d] = hash(&["network", network.as_str()]).to_be_bytes();
    u32::from_be_bytes([a & 0x3f | 0x40, b, c, d])
}

/// A hardware address, locally administered: `02:72:` and four bytes, those of an IPv4 address
/// where there is one.
#[must_use]
pub fn mac(network: &NetworkName, seed: Seed<'_>) -> Mac {
    let [a, b, c, d] = match seed {
        Seed::Ip(IpAddr::V4(ip)) => ip.octets(),
        Seed::Ip(ip @ IpAddr::V6(_)) => fold(hash(&[network.as_str(), &ip.to_string()])),
        Seed::Text(text) => fold(hash(&[network.as_str(), text])),
    };
    Mac([0x02, 0x72, a, b, c, d])
}

/// The alternative name of a leg: `ropewalk.SANDBOX.IFNAME`. A sandbox whose text has other than
/// plain characters is told apart by a hash.
#[must_use]
pub fn leg_altname(sandbox: &str, ifname: &IfName) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let (kind, name) = sandbox.split_once(':').unwrap_or(("", sandbox));
    let room = ALT_MAX - MARK.len() - IfName::MAX - 1;
    let faithful = name.chars().all(|c| plain(c) || c == '-') && sandbox.len() <= room;
    if faithful && !kind.is_empty() && kind.chars().all(plain) {
        return format!("{MARK}{kind}-{name}.{ifname}");
    }
    let kept = sandbox.trim_start_matches('/').chars().map(|c| if plain(c) { c } else { '-' });
    let kept: String = kept.take(room - 11).collect();
    format!("{MARK}{kept}-{:010x}.{ifname}", hash(&[sandbox]) >> 24)
}

/// The alternative name of the bridge of a network: `ropewalk.network.NETWORK`.
#[must_use]
pub fn bridge_altname(network: &NetworkName) -> String {
    format!("{MARK}network.{network}")
}

/// The alternative name of a bridge that networks of a runtime share: `ropewalk.bridge.BRIDGE`.
#[must_use]
pub fn shared_bridge_altname(bridge: &IfName) -> String {
    format!("{MARK}bridge.{bridge}")
}

/// The hardware address of such a bridge: by its name, so that all of them say the same.
#[must_use]
pub fn shared_bridge_mac(bridge: &IfName) -> Mac {
    let [a, b, c, d] = fold(hash(&["bridge", bridge.as_str()]));
    Mac([0x02, 0x72, a, b, c, d])
}

/// The group of such a bridge, where it is apart from others.
#[must_use]
pub fn shared_bridge_group(bridge: &IfName) -> u32 {
    let [.., a, b, c, d] = hash(&["bridge", bridge.as_str()]).to_be_bytes();
    u32::from_be_bytes([a & 0x3f | 0x40, b, c, d])
}

/// The host's way into a VLAN of a bridge, as the reference plugin calls it; none where that is too
/// long for a name.
#[must_use]
pub fn vlan_entry(bridge: &IfName, vlan: u16) -> Option<IfName> {
    IfName::new(format!("{bridge}.{vlan}")).ok()
}

/// The end of that way which is a member of the bridge.
#[must_use]
pub fn vlan_entry_leg(bridge: &IfName, vlan: u16) -> Option<IfName> {
    let hash = hash(&["entry", bridge.as_str(), &vlan.to_string()]) >> 32;
    IfName::new(format!("veth{hash:08x}")).ok()
}

/// The leg of a container of a runtime: `veth` and eight digits, as tools expect that go by names.
#[must_use]
pub fn container_leg(network: &str, container: &str, ifname: &IfName) -> IfName {
    let hash = hash(&[network, container, ifname.as_str()]) >> 32;
    IfName::new(format!("veth{hash:08x}")).unwrap_or_else(|_| leg(container, ifname))
}

/// The record's name of a runtime's network: `cni.NAME`, or a hash where that is too long.
#[must_use]
pub fn cni_network(name: &str) -> Option<NetworkName> {
    let plain = NetworkName::new(format!("cni.{name}"));
    plain.or_else(|_| NetworkName::new(format!("cni.{:016x}", hash(&[name])))).ok()
}

/// The tunnel end of a network: `rwv-NETWORK`, or a hash where that is too long.
#[must_use]
pub fn tunnel(network: &NetworkName) -> IfName {
    IfName::new(format!("rwv-{network}")).unwrap_or_else(|_| short("rwv-", &[network.as_str()]))
}

/// The alternative name of the tunnel end of a network: `ropewalk.tunnel.NETWORK`.
#[must_use]
pub fn tunnel_altname(network: &NetworkName) -> String {
    format!("{MARK}tunnel.{network}")
}

/// The hardware address of the tunnel end at `underlay`. Every host makes the same of what all know,
/// so none has to be told.
#[must_use]
pub fn tunnel_mac(network: &NetworkName, vni: u32, underlay: IpAddr) -> Mac {
    mac(network, Seed::Text(&format!("tunnel {vni} {underlay}")))
}

/// `prefix` and ten hexadecimal digits: always a legal name.
fn short(prefix: &str, parts: &[&str]) -> IfName {
    let name = format!("{prefix}{:010x}", hash(parts) >> 24);
    #[expect(clippy::expect_used, reason = "at most 3 + 10 bytes, all of them letters or digits")]
    IfName::new(name).expect("a legal name")
}

fn fold(n: u64) -> [u8; 4] {
    let [a, b, c, d, e, f, g, h] = n.to_be_bytes();
    [a ^ e, b ^ f, c ^ g, d ^ h]
}

/// A stable number for some texts: FNV-1a of 64 bits, with a zero byte after each part; then mixed, because the high
/// bits of FNV change little with the last bytes.
#[must_use]
pub fn hash(parts: &[&str]) -> u64 {
    let bytes = parts.iter().flat_map(|part| part.bytes().chain([0]));
    let n = bytes.fold(0xcbf2_9ce4_8422_2325_u64, |n, byte| {
        (n ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    let n = (n ^ (n >> 32)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    n ^ (n >> 29)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests fail by panicking")]
    use std::collections::BTreeSet;

    use super::*;

    fn network(name: &str) -> NetworkName {
        NetworkName::new(name).unwrap()
    }

    #[test]
    fn names_are_stable() {
        let eth0 = IfName::new("eth0").unwrap();
        assert_eq!(leg("netns:red", &eth0).as_str(), "rw6c4bc3c010");
        assert_eq!(bridge(&network("web")).as_str(), "rw-web");
        assert_eq!(bridge(&network("a-rather-long-name")).as_str(), "rw-84125aa19a");
        assert_eq!(leg_altname("netns:red", &eth0), "ropewalk.netns-red.eth0");
        assert_eq!(leg_altname("/run/netns/x", &eth0), "ropewalk.run-netns-x-6d8e3a3388.eth0");
        assert_eq!(ifb(&leg("netns:red", &eth0)).as_str(), "ro6c4bc3c010");
        assert_eq!(leg_alias("netns:red", &eth0), "red:eth0");
        assert_eq!(leg_alias("docker:web", &eth0), "web:eth0");
        assert_eq!(leg_alias("pid:12", &eth0), "pid:12:eth0");
        assert!(leg_alias(&"ü".repeat(200), &eth0).len() <= 251);
        let mac4 = mac(&network("web"), Seed::Ip([10, 9, 0, 7].into()));
        assert_eq!(mac4.to_string(), "02:72:0a:09:00:07");
        assert!(mac(&network("web"), Seed::Text("red")).is_unicast());
    }

    #[test]
    fn legs_of_many_sandboxes_have_distinct_names() {
        let eth0 = IfName::new("eth0").unwrap();
        let names: BTreeSet<_> = (0..20_000).map(|n| leg(&format!("netns:c{n}"), &eth0)).collect();
        assert_eq!(names.len(), 20_000);
    }

    #[test]
    fn alternative_names_are_legal_and_tell_sandboxes_apart() {
        let (eth0, long) = (IfName::new("eth0").unwrap(), IfName::new("a.b@c-d_e.fghij").unwrap());
        let far = format!("/{}", "ü b/".repeat(100));
        let sandboxes = [
            "netns:red",
            "netns:red.eth0",
            "netns:red-eth0",
            "pid:12",
            "/run/a-b",
            "/run/a/b",
            "/run/a:b",
            "docker:a.b",
            "docker:a-b",
            &far,
            "",
            ":",
            "network",
            "net-ns:red",
        ];
        let mut seen = BTreeSet::new();
        for sandbox in sandboxes {
            for ifname in [&eth0, &long] {
                let name = leg_altname(sandbox, ifname);
                assert!(name.starts_with(MARK) && name.len() <= ALT_MAX, "{name}");
                let odd = |c: char| !c.is_ascii_graphic() || matches!(c, '/' | ':');
                assert!(!name.contains(odd), "{name}");
                assert!(seen.insert(name), "{sandbox}");
            }
        }
        assert!(seen.insert(bridge_altname(&network("red"))));
    }
}
