//! `ropewalk network …`

use std::time::Duration;

use clap::builder::{PossibleValue, PossibleValuesParser};
use clap::{Args, Subcommand};
use ropewalk_facts::IfName;
use ropewalk_spec::{Mode, NetworkName, RawNetwork};

use super::values::{Trial, checked, mtu, network, time};

/// What to do with networks.
#[derive(Debug, Subcommand)]
#[command(defer = true)]
pub(crate) enum NetworkVerb {
    /// Define a network and make it
    Create(Box<Create>),
    /// List the networks
    Ls,
    /// Show a network and the sandboxes on it
    Inspect(Name),
    /// Remove a network that no sandbox is on
    Rm(Name),
}

#[derive(Args, Debug)]
pub(crate) struct Name {
    /// The network
    #[arg(value_parser = network)]
    pub(crate) name: NetworkName,
}

#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  ropewalk network create web --subnet 192.168.15.0/24 --subnet fd00:15::/64
  ropewalk network create lan --mode routed --subnet 10.9.0.0/24 --masquerade no
  ropewalk network create lan --mode flat --subnet 192.168.2.0/24 \
                              --range 192.168.2.200-192.168.2.219
  ropewalk network create lan --mode flat --dhcp
  ropewalk network create lan --mode macvlan --parent eth1 --subnet 192.168.2.0/24 \
                              --range 192.168.2.48/28 --host-link
  ropewalk network create over --mode vxlan --subnet 10.5.1.0/24 \
                               --peer 192.168.1.12=10.5.2.0/24
  ropewalk network create lan --mode uplink --parent eth1 --confirm-within 30s
  ropewalk network create quiet --subnet 10.8.0.0/24 --internal
  ropewalk network create web --subnet 192.168.15.0/24 --sh")]
#[expect(clippy::struct_excessive_bools, reason = "each is an option that people write")]
pub(crate) struct Create {
    /// Its name: letters, digits, '_', '.' and '-', up to 32
    #[arg(value_parser = checked::<NetworkName>)]
    name: String,
    /// How its sandboxes are connected
    #[arg(long, value_parser = modes(), default_value = "bridge")]
    mode: String,
    /// A subnet, IPv4 or IPv6; may be given several times
    #[arg(long, value_name = "PREFIX")]
    subnet: Vec<String>,
    /// The gateway of a subnet, else its first address
    #[arg(long, value_name = "ADDRESS")]
    gateway: Vec<String>,
    /// Take addresses for sandboxes from this part of a subnet only
    #[arg(long, value_name = "FIRST-LAST")]
    range: Vec<String>,
    /// Use a bridge that is there already (docker0, say)
    #[arg(long, value_name = "NAME", value_parser = checked::<IfName>)]
    bridge: Option<String>,
    /// The host's interface that the network hangs on, else that of its default route
    #[arg(long, value_name = "NAME", value_parser = checked::<IfName>)]
    parent: Option<String>,
    /// Take IPv4 addresses from the LAN's DHCP server (flat, uplink, macvlan); `ropewalk agent` renews them
    #[arg(long)]
    dhcp: bool,
    /// How long such a server is waited for, 10 seconds unless told
    #[arg(long, value_name = "SECONDS", requires = "dhcp")]
    dhcp_timeout: Option<u32>,
    /// How interfaces on one parent reach each other: of macvlan bridge, private, vepa or passthru,
    /// of ipvlan l2, l3 or l3s
    #[arg(long, value_name = "MODE")]
    link_mode: Option<String>,
    /// Give the host a macvlan, too, so that it and its sandboxes reach each other
    #[arg(long)]
    host_link: bool,
    /// The number of the VLAN, 1 to 4094
    #[arg(long, value_name = "ID")]
    vlan: Option<u32>,
    /// The user who may open the taps of the network, by number
    #[arg(long, value_name = "UID")]
    owner: Option<u32>,
    /// The group that may
    #[arg(long, value_name = "GID")]
    group: Option<u32>,
    /// Taps that several threads open at a time
    #[arg(long)]
    multi_queue: bool,
    /// The number of the tunnels (vxlan, routed), the same on all hosts, else one made of the name
    #[arg(long, value_name = "NUMBER")]
    vni: Option<u32>,
    /// The UDP port of the tunnels (vxlan, routed), the same on all hosts, else 4789
    #[arg(long, value_name = "PORT")]
    port: Option<u16>,
    /// Another host (vxlan, routed): its address, and its blocks of the network
    #[arg(long, value_name = "ADDRESS=PREFIX,…")]
    peer: Vec<String>,
    /// No way out: sandboxes reach each other and the host
    #[arg(long, conflicts_with = "l2")]
    internal: bool,
    /// No gateway: sandboxes reach each other only
    #[arg(long)]
    l2: bool,
    /// Source address of what leaves: kept, the uplink's (as a bridge does unless told), or this
    #[arg(long, value_name = "no|yes|ADDRESS")]
    masquerade: Vec<String>,
    /// Source address of what comes in: kept (unless told), the gateway's, or this
    #[arg(long, value_name = "no|yes|ADDRESS")]
    masquerade_in: Vec<String>,
    /// MTU of its interfaces, else that of the uplink
    #[arg(long, value_name = "BYTES", value_parser = mtu)]
    mtu: Option<u32>,
    /// What its sandboxes reach beside each other and the way out: the host, or another network
    #[arg(long, value_name = "host|NETWORK")]
    reach: Vec<String>,
    /// Let its sandboxes speak with addresses that are not their own
    #[arg(long)]
    allow_spoofing: bool,
    /// Move everything back (uplink) unless it is confirmed within this time; gateways are not
    /// asked then
    #[arg(long, value_name = "30s", value_parser = time)]
    pub(crate) confirm_within: Option<Duration>,
    #[command(flatten)]
    pub(crate) trial: Trial,
}

impl Create {
    /// The options as they were written.
    pub(crate) fn raw(&self) -> RawNetwork {
        RawNetwork {
            name: self.name.clone(),
            mode: Some(self.mode.clone()),
            bridge: self.bridge.clone(),
            parent: self.parent.clone(),
            dhcp: self.dhcp,
            dhcp_timeout: self.dhcp_timeout,
            link_mode: self.link_mode.clone(),
            host_link: self.host_link,
            vlan: self.vlan,
            owner: self.owner,
            group: self.group,
            multi_queue: self.multi_queue,
            vni: self.vni,
            port: self.port,
            peer: self.peer.clone(),
            subnet: self.subnet.clone(),
            gateway: self.gateway.clone(),
            range: self.range.clone(),
            internal: self.internal,
            l2: self.l2,
            masquerade: self.masquerade.clone(),
            masquerade_in: self.masquerade_in.clone(),
            mtu: self.mtu,
            reach: self.reach.clone(),
            allow_spoofing: self.allow_spoofing,
            ..RawNetwork::default()
        }
    }
}

/// The words for how sandboxes are connected.
fn modes() -> PossibleValuesParser {
    PossibleValuesParser::new(
        Mode::words().map(|(word, meaning)| PossibleValue::new(word).help(meaning)),
    )
}
