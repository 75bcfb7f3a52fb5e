//! What is wrong with something people wrote: which object, which of its options, and why.
//!
//! A message names the value; [`Problem::help`] says what to write instead, where that is known.

use std::fmt;
use std::net::IpAddr;

use ipnet::IpNet;
use ropewalk_facts::NameError;

/// What the option belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Object {
    /// A network, by the name that was written.
    Network(String),
    /// An attachment of a sandbox to a network, as they were written.
    Attachment {
        /// The sandbox.
        sandbox: String,
        /// The network.
        network: String,
    },
}

impl fmt::Display for Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Network(name) => write!(f, "network {name}"),
            Self::Attachment { sandbox, network } => {
                write!(f, "attachment of {sandbox} to {network}")
            }
        }
    }
}

/// An option that was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{object}: {field}: {problem}")]
pub struct SpecError {
    /// What it belongs to.
    pub object: Object,
    /// The option, spelled as in the file and on the command line.
    pub field: &'static str,
    /// Which of its values, when it has several.
    pub index: usize,
    /// What is wrong with it.
    pub problem: Box<Problem>,
}

/// A kind of text, for saying what was expected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// A subnet.
    Subnet,
    /// An address.
    Address,
    /// A range of addresses.
    Range,
    /// A mode of networks.
    Mode,
    /// A mode of macvlans.
    MacvlanMode,
    /// A mode of ipvlans.
    IpvlanMode,
    /// Whether to masquerade.
    Masquerade,
    /// A hardware address.
    Mac,
    /// An MTU.
    Mtu,
    /// A published port.
    Publish,
    /// A transport protocol.
    Proto,
    /// A port or a range of them.
    Ports,
    /// A rate.
    Rate,
    /// A line of an allow list.
    Allow,
    /// A sandbox.
    Sandbox,
    /// Another end of a tunnel.
    Peer,
    /// A port that leads to another host's sandbox.
    Far,
}

impl Form {
    fn name(self) -> &'static str {
        match self {
            Self::Subnet => "a subnet",
            Self::Address => "an address",
            Self::Range => "a range of addresses",
            Self::Mode => "a mode",
            Self::MacvlanMode => "a mode of macvlans",
            Self::IpvlanMode => "a mode of ipvlans",
            Self::Masquerade => "a way to masquerade",
            Self::Mac => "a unicast hardware address",
            Self::Mtu => "an MTU",
            Self::Publish => "a published port",
            Self::Proto => "a protocol",
            Self::Ports => "a port or a range of ports",
            Self::Rate => "a rate",
            Self::Allow => "a line of an allow list",
            Self::Sandbox => "a sandbox",
            Self::Peer => "a peer",
            Self::Far => "a port that leads to another host's sandbox",
        }
    }

    /// How it is written.
    #[must_use]
    pub fn example(self) -> &'static str {
        match self {
            Self::Subnet => "10.9.0.0/24 or fd00:9::/64",
            Self::Address => "10.9.0.7 or fd00:9::7",
            Self::Range => "10.9.0.100-10.9.0.199",
            Self::Mode => "one of those that ropewalk network create --help lists",
            Self::MacvlanMode => "bridge, private, vepa or passthru",
            Self::IpvlanMode => "l2, l3 or l3s",
            Self::Masquerade => "no, yes, or an address of this host",
            Self::Mac => "02:00:00:00:00:01",
            Self::Mtu => "a number of bytes, 68 to 65535",
            Self::Publish => "8080:80, 8080:80/udp, 127.0.0.1:8080:80, 8000-8010:80-90",
            Self::Proto => "tcp, udp or sctp",
            Self::Ports => "80 or 80-90, within 1 to 65535",
            Self::Rate => "10M, 1.5G or, with a burst in bytes, 10M/64k; 8k bits a second at least",
            Self::Allow => "10.9.0.5, tcp:443, '10.9.0.0/24 udp:53-54', icmp, or none for nothing",
            Self::Sandbox => "netns:NAME, a path, pid:N, docker:NAME, podman:NAME or new:NAME",
            Self::Far => "the port and the sandbox's address: 8080:80/tcp=10.5.2.7",
            Self::Peer => {
                "the peer's address and its subnets: 192.168.1.12=10.5.2.0/24,fd00:5:2::/64"
            }
        }
    }
}

/// What is wrong.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the messages say it")]
pub enum Problem {
    #[error("{text:?} is not a usable name: {why}")]
    Name { text: String, why: NameError },
    #[error("{text:?} is not {}", form.name())]
    Unreadable { text: String, form: Form },
    #[error("{net} has host bits set")]
    HostBits { net: IpNet, right: IpNet },
    #[error("{net} has no room for a gateway and a sandbox")]
    TooSmall { net: IpNet },
    #[error("{net} holds addresses that no sandbox can carry ({special})")]
    Special { net: IpNet, special: IpNet },
    #[error("{net} overlaps {other} of network {network}")]
    Overlap { net: IpNet, other: IpNet, network: String },
    #[error("none is given")]
    Missing,
    #[error("{ip} is in no subnet of the network")]
    Outside { ip: IpAddr },
    #[error("{ip} is not this host's: of this network it has other addresses")]
    NotOurs { ip: IpAddr },
    #[error("{ip} is not an address that a host can carry")]
    NotHost { ip: IpAddr },
    #[error("{ip} is the gateway of {net}")]
    IsGateway { ip: IpAddr, net: IpNet },
    #[error("{ip} is the host's own address in {net}")]
    IsHost { ip: IpAddr, net: IpNet },
    #[error("{ip} names the subnet {net} itself")]
    IsNetwork { ip: IpAddr, net: IpNet },
    #[error("{ip} is the broadcast address of {net}")]
    IsBroadcast { ip: IpAddr, net: IpNet },
    #[error("{net} already has one")]
    Second { net: IpNet },
    #[error("the range ends before it begins")]
    Backwards,
    #[error("the range lies in no subnet of the network")]
    RangeOutside,
    #[error("the range holds no address for a sandbox")]
    RangeEmpty,
    #[error("it has no meaning together with {with}")]
    Conflict { with: &'static str },
    #[error("it has no meaning together with mode {mode}")]
    ConflictMode { mode: &'static str },
    #[error("with mode {mode} nothing of the host stands between a sandbox and the LAN to keep it")]
    NoLeg { mode: &'static str },
    #[error("more than {most} of them")]
    Many { most: usize },
    #[error("the sandboxes of {name} reach each other already")]
    Itself { name: String },
    #[error("none of {net} is asked for, and the network has no range to take one from")]
    NoRange { net: IpNet },
    #[error("{net} has no range for the host to take an address from")]
    NoHostRange { net: IpNet },
    #[error("none is given")]
    NoInterface,
    #[error("none is given")]
    NoVlan,
    #[error("{value} is not the number of a VLAN: 1 to 4094 are")]
    VlanId { value: u32 },
    #[error("{value} is not an MTU: {min} to 65535 are")]
    Mtu { value: u32, min: u32 },
    #[error("{value} is not a number of seconds from {least} to {most}")]
    Seconds { value: u32, least: u32, most: u32 },
    #[error("no subnet of the network is of the family of {ip}")]
    Family { ip: IpAddr },
    #[error("{net} of peer {peer} overlaps {other}")]
    PeerOverlap { net: IpNet, other: IpNet, peer: IpAddr },
    #[error("{ip} is not of the family of {other}: a tunnel has one")]
    Underlay { ip: IpAddr, other: IpAddr },
    #[error("{vni} is not a number of a tunnel: 1 to 16777215 are")]
    Vni { vni: u32 },
    #[error("{text:?} stands beside another value that it contradicts")]
    Contradiction { text: String },
    #[error("{host} and {inner} ports cannot be paired")]
    Lengths { host: u32, inner: u32 },
    #[error("{text:?} is not an absolute path")]
    RelativePath { text: String },
    #[error("there is no network {name:?}")]
    UnknownNetwork { name: String },
    #[error("{ip} is given to {holder} as well")]
    AddressTwice { ip: IpAddr, holder: String },
    #[error("{sandbox} has an interface {ifname} already")]
    InterfaceTwice { sandbox: String, ifname: String },
    #[error("{sandbox} is attached to {network} already")]
    AttachedTwice { sandbox: String, network: String },
    #[error("{ports} is published for {holder} already")]
    PublishTwice { ports: String, holder: String },
}

impl Problem {
    /// What to write instead.
    #[must_use]
    pub fn help(&self) -> Option<String> {
        let text = match self {
            Self::HostBits { right, .. } => return Some(format!("write {right}")),
            Self::Unreadable { form, .. } => return Some(format!("write {}", form.example())),
            Self::Name { .. } => "use a letter or digit, then letters, digits, '_', '.' and '-'",
            Self::Missing => "give one or more, such as 10.9.0.0/24",
            Self::TooSmall { .. } => "choose a shorter prefix",
            Self::Overlap { .. } | Self::Special { .. } => {
                "choose another subnet, such as one of 10.0.0.0/8 or fd00::/8"
            }
            Self::Outside { .. } | Self::RangeOutside => "choose from the network's subnets",
            Self::NotOurs { .. } => "choose from the host's own blocks: ropewalk cluster status",
            Self::IsHost { .. }
            | Self::IsGateway { .. }
            | Self::IsNetwork { .. }
            | Self::IsBroadcast { .. } => "choose another address of the subnet",
            Self::NoHostRange { .. } => "give a range that is kept for this network on the LAN",
            Self::NoInterface => "name an interface of the host, such as eth1",
            Self::NoVlan => "give its number, 1 to 4094",
            Self::VlanId { .. } => "give a number from 1 to 4094",
            Self::Backwards => "write the lower address first",
            Self::Lengths { .. } => "give as many ports of the host as of the sandbox",
            Self::UnknownNetwork { .. } => "declare it in the file, or create it before",
            Self::AttachedTwice { .. } => "give each attachment a name of its own",
            Self::InterfaceTwice { .. } => "choose another name",
            Self::PublishTwice { .. } => "choose another port or address of the host",
            Self::NoRange { .. } => {
                "give an address that is free on the LAN, or the network a range that is kept for it"
            }
            Self::NoLeg { .. } => "choose a network of mode bridge, routed, flat, uplink or vxlan",
            Self::AddressTwice { .. } => "choose another address",
            Self::RelativePath { .. } => "write the path from / on",
            Self::PeerOverlap { .. } => "give each host a block of its own",
            Self::NotHost { .. }
            | Self::Underlay { .. }
            | Self::Vni { .. }
            | Self::Second { .. }
            | Self::RangeEmpty
            | Self::Conflict { .. }
            | Self::ConflictMode { .. }
            | Self::Itself { .. }
            | Self::Mtu { .. }
            | Self::Seconds { .. }
            | Self::Family { .. }
            | Self::Many { .. }
            | Self::Contradiction { .. } => return None,
        };
        Some(text.to_owned())
    }

    pub(crate) fn unreadable(text: &str, form: Form) -> Self {
        Self::Unreadable { text: text.to_owned(), form }
    }

    pub(crate) fn name(text: &str, why: NameError) -> Self {
        Self::Name { text: text.to_owned(), why }
    }
}
