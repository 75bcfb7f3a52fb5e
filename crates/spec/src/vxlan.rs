//! Tunnels to other hosts: VXLAN (RFC 7348) by hand-listed peers.
//!
//!     vni = 42                                    else a number made of the network's name
//!     port = 4789
//!     far = ["8080:80/tcp=10.5.2.7"]             a port of this host that leads to a peer's sandbox
//!     peer = ["192.168.1.12=10.5.2.0/24,fd00:5:2::/64", "192.168.1.13,mtu:1400=10.5.3.0/24"]
//!
//! Each host has a block of the network, its own `subnet`; a peer is another host and its blocks. It
//! may say at which address of the other family it is reached, too, and what fits through its uplink.
//! Never here: what this host's own underlay address is.

use std::collections::BTreeMap;
use std::net::IpAddr;

use ipnet::IpNet;
use ropewalk_facts::IfName;

use crate::error::{Form, Object, Problem, SpecError};
use crate::far::Far;
use crate::names;
use crate::network::RawNetwork;
use crate::raw::At;
use crate::subnet::{Subnet, overlap, read_net};

/// The port that IANA gave to VXLAN.
const PORT: u16 = 4789;
/// Numbers of VXLAN networks have 24 bits.
const VNI_MAX: u32 = (1 << 24) - 1;

/// The tunnel of a network.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Vxlan {
    /// The interface whose address is this end of the tunnel; else the one that leads to the peers.
    pub parent: Option<IfName>,
    /// Its number, 1 to 2^24-1, the same on all hosts.
    pub vni: u32,
    /// Its UDP port, the same on all hosts.
    pub port: u16,
    /// The other hosts, by underlay address, all of one family.
    pub peers: BTreeMap<IpAddr, Peer>,
    /// Ports of this host that lead to sandboxes of others.
    pub far: Vec<Far>,
}

/// Another host of a network.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Peer {
    /// Its blocks, which overlap neither one another nor anybody else's, and single addresses, which may
    /// be of others' blocks.
    pub blocks: Vec<IpNet>,
    /// Its address of the other family.
    pub also: Option<IpAddr>,
    /// What fits through its uplink.
    pub mtu: Option<u32>,
}

impl Peer {
    /// A peer and where it is, as [`Peer::written`] writes them.
    ///
    /// # Errors
    /// What is wrong with the text.
    pub fn read(text: &str) -> Result<(IpAddr, Self), Problem> {
        peer(text)
    }

    /// The peer at `host` as it is written.
    #[must_use]
    pub fn written(&self, host: IpAddr) -> String {
        let also = self.also.map(|ip| format!(",{ip}")).unwrap_or_default();
        let mtu = self.mtu.map(|mtu| format!(",mtu:{mtu}")).unwrap_or_default();
        let blocks: Vec<String> = self.blocks.iter().map(ToString::to_string).collect();
        format!("{host}{also}{mtu}={}", blocks.join(","))
    }
}

impl Vxlan {
    /// All blocks of all peers.
    pub fn blocks(&self) -> impl Iterator<Item = IpNet> {
        self.peers.values().flat_map(|peer| &peer.blocks).copied()
    }

    /// What the tunnel adds to a packet: outer IP, UDP (8), VXLAN (8), inner Ethernet (14).
    #[must_use]
    pub fn overhead(local: IpAddr) -> u32 {
        if local.is_ipv4() { 50 } else { 70 }
    }

    pub(crate) fn read(
        raw: &RawNetwork,
        parent: Option<IfName>,
        object: &Object,
    ) -> Result<Self, SpecError> {
        let at = |field| At::field(object, field);
        let vni = match raw.vni {
            Some(vni) if (1..=VNI_MAX).contains(&vni) => vni,
            Some(vni) => return at("vni").fail(Problem::Vni { vni }),
            None => by_name(&raw.name),
        };
        let port = match raw.port {
            Some(0) => return at("port").fail(Problem::unreadable("0", Form::Ports)),
            Some(port) => port,
            None => PORT,
        };
        let far = far(&raw.far, at("far"))?;
        Ok(Self { parent, vni, port, peers: peers(&raw.peer, at("peer"))?, far })
    }

    pub(crate) fn write(self, raw: &mut RawNetwork) {
        raw.parent = self.parent.map(String::from);
        raw.vni = Some(self.vni);
        raw.port = Some(self.port);
        raw.far = self.far.iter().map(ToString::to_string).collect();
        raw.peer = self.peers.iter().map(|(host, peer)| peer.written(*host)).collect();
    }

    /// As [`Vxlan::write`], what nobody has chosen left out.
    pub(crate) fn write_chosen(self, raw: &mut RawNetwork) {
        self.write(raw);
        let usual = by_name(&raw.name);
        raw.vni = raw.vni.filter(|vni| *vni != usual);
        raw.port = raw.port.filter(|port| *port != PORT);
    }

    /// Checks that ports lead to sandboxes of peers, who are somewhere in `pools` if they are not known.
    pub(crate) fn check_far(&self, pools: &[IpNet], at: At<'_>) -> Result<(), SpecError> {
        let there = |far: &Far| {
            self.blocks().chain(pools.iter().copied()).any(|block| block.contains(&far.to))
        };
        match self.far.iter().find(|far| !there(far)) {
            Some(far) => at.fail(Problem::Outside { ip: far.to }),
            None => Ok(()),
        }
    }

    /// Checks the blocks against the network's own `subnets`.
    pub(crate) fn check(&self, subnets: &[Subnet], at: At<'_>) -> Result<(), SpecError> {
        for (index, (host, peer)) in self.peers.iter().enumerate() {
            for block in &peer.blocks {
                let at = at.index(index);
                if let Some(own) = subnets.iter().find(|own| meet(own.net, *block)) {
                    let other = own.net;
                    return at.fail(Problem::PeerOverlap { net: *block, other, peer: *host });
                }
                if !subnets.iter().any(|own| own.is_v4() == block.addr().is_ipv4()) {
                    return at.fail(Problem::Family { ip: block.addr() });
                }
            }
        }
        Ok(())
    }
}

/// Whether two have an address in common. A single address may live on another host than its block.
fn meet(a: IpNet, b: IpNet) -> bool {
    let alone = |net: IpNet| net.prefix_len() == net.max_prefix_len();
    overlap(a, b) && (a == b || !(alone(a) || alone(b)))
}

/// Every host makes the same of the same name.
fn by_name(name: &str) -> u32 {
    let number = names::hash(&["vni", name]) % u64::from(VNI_MAX);
    u32::try_from(number).unwrap_or_default() + 1
}

fn far(texts: &[String], at: At<'_>) -> Result<Vec<Far>, SpecError> {
    let mut all: Vec<Far> = Vec::new();
    for (index, text) in texts.iter().enumerate() {
        let at = at.index(index);
        let far: Far = at.ok(text.parse())?;
        if let Some(other) = all.iter().find(|other| other.publish().conflicts(&far.publish())) {
            let (ports, holder) = (far.port.to_string(), other.to.to_string());
            return at.fail(Problem::PublishTwice { ports, holder });
        }
        all.push(far);
    }
    all.sort();
    Ok(all)
}

fn peers(texts: &[String], at: At<'_>) -> Result<BTreeMap<IpAddr, Peer>, SpecError> {
    let mut all: BTreeMap<IpAddr, Peer> = BTreeMap::new();
    let mut taken = Taken::default();
    for (index, text) in texts.iter().enumerate() {
        let at = at.index(index);
        let (host, Peer { blocks, also, mtu }) = at.ok(peer(text))?;
        if let Some(first) = all.keys().next().filter(|first| first.is_ipv4() != host.is_ipv4()) {
            return at.fail(Problem::Underlay { ip: host, other: *first });
        }
        for net in blocks {
            if let Some((other, peer)) = taken.take(net, host) {
                return at.fail(Problem::PeerOverlap { net, other, peer });
            }
            all.entry(host).or_default().blocks.push(net);
        }
        let known = all.entry(host).or_default();
        (known.also, known.mtu) = (also.or(known.also), mtu.or(known.mtu));
    }
    all.values_mut().for_each(|peer| peer.blocks.sort());
    Ok(all)
}

/// Blocks that somebody has. Two that meet stand beside one another in their order.
#[derive(Default)]
struct Taken {
    blocks: BTreeMap<IpNet, IpAddr>,
    alone: BTreeMap<IpNet, IpAddr>,
}

impl Taken {
    /// Takes `net` for `host`, or says who has what meets it.
    fn take(&mut self, net: IpNet, host: IpAddr) -> Option<(IpNet, IpAddr)> {
        let alone = net.prefix_len() == net.max_prefix_len();
        let all = if alone { &mut self.alone } else { &mut self.blocks };
        let beside = [all.range(..=net).next_back(), all.range(net..).next()];
        let other = beside.into_iter().flatten().find(|(other, _)| meet(**other, net));
        let other = other.map(|(other, host)| (*other, *host));
        if other.is_none() {
            all.insert(net, host);
        }
        other
    }
}

fn peer(text: &str) -> Result<(IpAddr, Peer), Problem> {
    let unreadable = || Problem::unreadable(text, Form::Peer);
    let (host, blocks) = text.split_once('=').ok_or_else(unreadable)?;
    let mut words = host.split(',');
    let host = address(words.next().unwrap_or_default()).ok_or_else(unreadable)??;
    let (mut also, mut mtu) = (None, None);
    for word in words {
        match word.strip_prefix("mtu:") {
            Some(number) => mtu = Some(number.parse().map_err(|_| unreadable())?),
            None => also = Some(address(word).ok_or_else(unreadable)??),
        }
    }
    if also.is_some_and(|also: IpAddr| also.is_ipv4() == host.is_ipv4()) {
        return Err(unreadable());
    }
    let block = |text: &str| {
        let net = read_net(text).ok_or_else(unreadable)?;
        match net == net.trunc() {
            true => Ok(net),
            false => Err(Problem::HostBits { net, right: net.trunc() }),
        }
    };
    let blocks = blocks.split(',').map(block).collect::<Result<_, _>>()?;
    Ok((host, Peer { blocks, also, mtu }))
}

/// An address that a host can carry; none when it is no address at all.
fn address(text: &str) -> Option<Result<IpAddr, Problem>> {
    let ip: IpAddr = text.parse().ok()?;
    let odd = ip.is_unspecified() || ip.is_multicast() || ip.is_loopback();
    Some(if odd { Err(Problem::NotHost { ip }) } else { Ok(ip) })
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]
    use super::*;
    use crate::mode::Mode;
    use crate::network::Network;

    fn raw(peer: &[&str]) -> RawNetwork {
        RawNetwork {
            name: "over".into(),
            mode: Some("vxlan".into()),
            subnet: vec!["10.5.1.0/24".into(), "fd00:5:1::/64".into()],
            peer: peer.iter().map(ToString::to_string).collect(),
            ..RawNetwork::default()
        }
    }

    fn read(peer: &[&str]) -> Result<(Network, Vxlan), String> {
        let network = raw(peer).check().map_err(|error| error.to_string())?;
        let Mode::Vxlan(tunnel) = network.mode.clone() else { panic!("{network:?}") };
        Ok((network, tunnel))
    }

    #[test]
    fn a_peer_has_as_many_blocks_as_are_said() {
        let texts = [
            "192.168.1.12=10.5.2.0/24,fd00:5:2::/64",
            "192.168.1.13=10.5.3.0/24",
            "192.168.1.13=fd00:5:3::/64",
        ];
        let (network, tunnel) = read(&texts).unwrap();
        let nets = |texts: [&str; 2]| texts.map(|text| text.parse().unwrap()).to_vec();
        let three = nets(["10.5.3.0/24", "fd00:5:3::/64"]);
        let peer = |ip: &str| tunnel.peers.get(&ip.parse::<IpAddr>().unwrap()).unwrap();
        assert_eq!(peer("192.168.1.13").blocks, three);
        assert_eq!((tunnel.port, tunnel.blocks().count()), (4789, 4));
        assert_eq!(RawNetwork::from(network.clone()).check(), Ok(network));
        let more = "192.168.1.12,fd00:1::12,mtu:1400=10.5.2.0/24";
        let (network, tunnel) = read(&[more]).unwrap();
        assert_eq!(RawNetwork::from(network).peer, [more]);
        let peer = tunnel.peers.values().next().unwrap();
        assert_eq!((peer.also, peer.mtu), (Some("fd00:1::12".parse().unwrap()), Some(1400)));
    }

    #[test]
    fn a_routed_network_has_a_tunnel_for_peers_out_of_reach() {
        let routed =
            RawNetwork { mode: Some("routed".into()), ..raw(&["192.168.1.12=10.5.2.0/24"]) };
        let network = routed.check().unwrap();
        let alone = RawNetwork { peer: Vec::new(), ..routed }.check().unwrap();
        assert!(network.differs_in_peers_only(&alone) && alone.differs_in_peers_only(&network));
        let written = RawNetwork::from(network.clone());
        assert_eq!((written.vni, written.port), (None, None), "as it was written");
        assert_eq!(written.check(), Ok(network));
    }

    #[test]
    fn blocks_come_and_go_while_a_network_is_made() {
        let own = raw(&[]).subnet;
        let one = RawNetwork { own, ..raw(&[]) }.check().unwrap();
        let mut more = RawNetwork::from(one.clone());
        more.subnet.push("10.5.9.0/24".into());
        more.own.push("10.5.9.0/24".into());
        more.gateway.clear();
        let more = more.check().unwrap();
        assert!(one.differs_in_peers_only(&more) && more.differs_in_peers_only(&one));
        assert_eq!(RawNetwork::from(more.clone()).check(), Ok(more.clone()));
        let plain = |network: &Network| {
            RawNetwork { own: vec![], ..RawNetwork::from(network.clone()) }.check().unwrap()
        };
        assert!(!plain(&one).differs_in_peers_only(&plain(&more)));
        assert!(plain(&one).differs_in_peers_only(&one), "one of an earlier version");
        let ours = |network: &Network, ip: &str| network.shares(ip.parse().unwrap());
        assert!(ours(&more, "10.5.9.7") && !ours(&one, "10.5.9.7"));
        let less = RawNetwork { without: vec!["10.5.9.0/24".into()], ..more.clone().into() };
        let less = less.check().unwrap();
        assert!(!ours(&less, "10.5.9.7") && ours(&less, "10.5.1.7"));
        assert_eq!(RawNetwork::from(less.clone()).check(), Ok(less));
    }

    #[test]
    fn a_share_of_a_network_lies_in_it() {
        let own = |net: &str| RawNetwork { own: vec![net.into()], ..raw(&[]) };
        let said = |raw: RawNetwork| raw.check().unwrap_err().to_string();
        assert!(said(own("10.6.0.0/24")).contains("10.6.0.0"));
        assert!(said(own("10.5.1.1/24")).contains("host bits"));
        assert!(said(own("one")).contains("one"));
        let bridge = RawNetwork { mode: None, ..own("10.5.1.0/24") };
        assert!(said(bridge).contains("mode bridge"));
    }

    #[test]
    fn the_number_is_that_of_the_name_unless_it_is_given() {
        let (_, one) = read(&[]).unwrap();
        let (_, same) = read(&["192.168.1.12=10.5.2.0/24"]).unwrap();
        assert_eq!(one.vni, same.vni);
        assert!((1..=VNI_MAX).contains(&one.vni));
        let given = RawNetwork { vni: Some(42), ..raw(&[]) }.check().unwrap();
        let Mode::Vxlan(given) = given.mode else { panic!("a tunnel") };
        assert_eq!(given.vni, 42);
        for vni in [0, VNI_MAX + 1] {
            assert!(RawNetwork { vni: Some(vni), ..raw(&[]) }.check().is_err(), "{vni}");
        }
    }

    #[test]
    fn peers_that_cannot_be_are_refused() {
        for (peers, words) in [
            (vec!["192.168.1.12"], "is not a peer"),
            (vec!["192.168.1.12=10.5.2.0"], "is not a peer"),
            (vec!["192.168.1.12,mtu:big=10.5.2.0/24"], "is not a peer"),
            (vec!["192.168.1.12,192.168.1.13=10.5.2.0/24"], "is not a peer"),
            (vec!["192.168.1.12=10.5.2.1/24"], "host bits"),
            (vec!["224.0.0.1=10.5.2.0/24"], "is not an address that a host can carry"),
            (vec!["192.168.1.12=10.5.1.128/25"], "overlaps 10.5.1.0/24"),
            (vec!["192.168.1.12=10.5.2.0/24", "192.168.1.13=10.5.0.0/16"], "overlaps 10.5.2.0/24"),
            (vec!["192.168.1.12=10.5.2.0/24", "fd00::13=10.5.3.0/24"], "family"),
        ] {
            let error = read(&peers).unwrap_err();
            assert!(error.contains(words), "{peers:?}: {error}");
        }
        let bridge = RawNetwork { mode: None, ..raw(&["192.168.1.12=10.5.2.0/24"]) };
        assert!(bridge.check().unwrap_err().to_string().contains("mode bridge"));
    }
}
