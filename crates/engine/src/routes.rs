//! What other routers need to know: the routes to a network through this host, in their own words.
//!
//!     10.9.0.0/24 via 192.168.2.10     ip route add … · route add … · FRR · Cisco IOS

use std::collections::BTreeMap;
use std::net::IpAddr;

use ipnet::IpNet;
use serde::Serialize;

/// One destination that leads through this host, and how to say so to various routers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RouteHint {
    /// The subnet.
    pub destination: String,
    /// Addresses of this host on its uplink; each leads there, one is enough.
    pub via: Vec<String>,
    /// Lines for each kind of router, for the first address.
    pub commands: BTreeMap<&'static str, Vec<String>>,
}

/// The hint for `destination` through a host with the addresses `via`, those of the other family
/// left out. Without an address a placeholder stands in the lines.
#[must_use]
pub fn hint(destination: IpNet, via: &[IpAddr]) -> RouteHint {
    let v4 = matches!(destination, IpNet::V4(_));
    let via: Vec<String> =
        via.iter().filter(|ip| ip.is_ipv4() == v4).map(ToString::to_string).collect();
    let hop = via.first().map_or("THIS-HOST", String::as_str);
    let commands = match destination {
        IpNet::V4(net) => lines4(net, hop),
        IpNet::V6(net) => lines6(net, hop),
    };
    RouteHint { destination: destination.to_string(), via, commands }
}

fn lines4(net: ipnet::Ipv4Net, hop: &str) -> BTreeMap<&'static str, Vec<String>> {
    let (ip, mask) = (net.network(), net.netmask());
    BTreeMap::from([
        ("linux", vec![format!("ip route add {net} via {hop}")]),
        ("windows", vec![format!("route -p add {ip} mask {mask} {hop}")]),
        ("frr", vec![format!("ip route {net} {hop}")]),
        ("cisco", vec![format!("ip route {ip} {mask} {hop}")]),
    ])
}

fn lines6(net: ipnet::Ipv6Net, hop: &str) -> BTreeMap<&'static str, Vec<String>> {
    BTreeMap::from([
        ("linux", vec![format!("ip -6 route add {net} via {hop}")]),
        ("windows", vec![format!("netsh interface ipv6 add route {net} nexthop={hop}")]),
        ("frr", vec![format!("ipv6 route {net} {hop}")]),
        ("cisco", vec![format!("ipv6 route {} {hop}", net.to_string().to_uppercase())]),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(net: &str, via: &[&str]) -> String {
        let via: Vec<IpAddr> = via.iter().filter_map(|v| v.parse().ok()).collect();
        let Ok(net) = net.parse() else { return String::new() };
        let hint = hint(net, &via);
        hint.commands.iter().map(|(k, v)| format!("{k}: {}\n", v.join("; "))).collect()
    }

    #[test]
    fn each_router_is_told_in_its_own_words() {
        assert_eq!(
            all("10.9.0.0/24", &["fd00::1", "192.168.2.10"]),
            "cisco: ip route 10.9.0.0 255.255.255.0 192.168.2.10\n\
             frr: ip route 10.9.0.0/24 192.168.2.10\n\
             linux: ip route add 10.9.0.0/24 via 192.168.2.10\n\
             windows: route -p add 10.9.0.0 mask 255.255.255.0 192.168.2.10\n"
        );
        assert_eq!(
            all("fd00:9::/64", &["fd00::1", "192.168.2.10"]),
            "cisco: ipv6 route FD00:9::/64 fd00::1\n\
             frr: ipv6 route fd00:9::/64 fd00::1\n\
             linux: ip -6 route add fd00:9::/64 via fd00::1\n\
             windows: netsh interface ipv6 add route fd00:9::/64 nexthop=fd00::1\n"
        );
    }

    #[test]
    fn a_host_without_an_address_is_a_placeholder() {
        assert!(all("10.9.0.0/24", &[]).contains("via THIS-HOST"));
    }
}
