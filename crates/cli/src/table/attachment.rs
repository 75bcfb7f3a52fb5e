//! `ropewalk attach`, `detach`, `publish`, `unpublish`

use std::net::IpAddr;

use clap::Args;
use ropewalk_facts::{IfName, Mac};
use ropewalk_spec::{Allow, NetworkName, Publish, Rate, RawEndpoint, SandboxRef};

use super::values::{Trial, checked, mtu, network, parsed};

const SANDBOXES: &str = "\
Sandboxes:
  netns:NAME                 a network namespace that `ip netns` lists
  new:NAME                   the same, made if it is not there
  docker:NAME, podman:NAME   a container, by name or id
  pid:N                      the network namespace of a process
  /PATH                      a file that stands for a network namespace";

#[derive(Args, Debug)]
#[command(after_help = SANDBOXES)]
pub(crate) struct Attach {
    /// Whose interface it will be
    #[arg(value_parser = checked::<SandboxRef>)]
    sandbox: String,
    /// The network it will be on
    #[arg(value_parser = checked::<NetworkName>)]
    network: String,
    /// The interface's name, else the first of eth0, eth1 … that is free
    #[arg(long, value_name = "INTERFACE", value_parser = checked::<IfName>)]
    name: Option<String>,
    /// An address, one for each subnet at most; else the next free one
    #[arg(long, value_name = "ADDRESS", value_parser = checked::<IpAddr>)]
    ip: Vec<String>,
    /// The hardware address, else one made from the address
    #[arg(long, value_parser = checked::<Mac>)]
    mac: Option<String>,
    /// The MTU, else that of the network
    #[arg(long, value_name = "BYTES", value_parser = mtu)]
    mtu: Option<u32>,
    /// Lead a port of the host to the sandbox: 8080:80, 127.0.0.1:8080:80, 53:53/udp
    #[arg(long, value_name = "PORT", value_parser = checked::<Publish>)]
    publish: Vec<String>,
    /// How fast it may receive, in bits a second, and how many bytes at once: 10M, 1.5G/256k
    #[arg(long, value_name = "BITS[/BURST]", value_parser = checked::<Rate>)]
    rate_in: Option<String>,
    /// How fast it may send
    #[arg(long, value_name = "BITS[/BURST]", value_parser = checked::<Rate>)]
    rate_out: Option<String>,
    /// What may come to it, beside answers: 10.9.0.5, tcp:443, '10.9.0.0/24 udp:53-54', icmp, none
    #[arg(long, value_name = "[ADDRESS[/LENGTH]] [PROTOCOL[:PORTS]]", value_parser = checked::<Allow>)]
    allow_in: Vec<String>,
    /// What it may send, beside answers; the port is that of the other
    #[arg(long, value_name = "[ADDRESS[/LENGTH]] [PROTOCOL[:PORTS]]", value_parser = checked::<Allow>)]
    allow_out: Vec<String>,
    /// Give the sandbox no default route by this network
    #[arg(long)]
    no_default_route: bool,
    /// Let the sandbox speak with addresses that are not its own, as a router or DHCP server does
    #[arg(long)]
    allow_spoofing: bool,
    #[command(flatten)]
    pub(crate) trial: Trial,
}

impl Attach {
    /// The options as they were written.
    pub(crate) fn raw(&self) -> RawEndpoint {
        RawEndpoint {
            sandbox: self.sandbox.clone(),
            network: self.network.clone(),
            name: self.name.clone(),
            ip: self.ip.clone(),
            mac: self.mac.clone(),
            mtu: self.mtu,
            publish: self.publish.clone(),
            default_route: self.no_default_route.then_some(false),
            rate_in: self.rate_in.clone(),
            rate_out: self.rate_out.clone(),
            allow_in: self.allow_in.clone(),
            allow_out: self.allow_out.clone(),
            allow_spoofing: self.allow_spoofing,
        }
    }
}

#[derive(Args, Debug)]
#[command(after_help = SANDBOXES)]
pub(crate) struct Announce {
    /// Whose addresses; without it, those of all
    #[arg(value_parser = parsed::<SandboxRef>)]
    pub(crate) sandbox: Option<SandboxRef>,
    /// Those on this network only
    #[arg(value_parser = network)]
    pub(crate) network: Option<NetworkName>,
}

#[derive(Args, Debug)]
#[command(after_help = SANDBOXES)]
pub(crate) struct Detach {
    /// The sandbox
    #[arg(value_parser = parsed::<SandboxRef>)]
    pub(crate) sandbox: SandboxRef,
    /// The network, else all that the sandbox is on
    #[arg(value_parser = network)]
    pub(crate) network: Option<NetworkName>,
}

#[derive(Args, Debug)]
#[command(after_help = PORTS)]
pub(crate) struct Opened {
    #[command(flatten)]
    pub(crate) what: Ports,
    /// On every host of the cluster
    #[arg(long)]
    pub(crate) everywhere: bool,
    #[command(flatten)]
    pub(crate) trial: Trial,
}

const PORTS: &str = "\
Ports:
  8080:80              port 8080 of the host, at each of its addresses, leads to 80
  127.0.0.1:8080:80    only at this address; IPv6 as [::1]:8080:80
  53:53/udp            udp or sctp instead of tcp
  8000-8010:80-90      ports in pairs
  everywhere:8080:80   on every host of the cluster";

#[derive(Args, Debug)]
#[command(after_help = PORTS)]
pub(crate) struct Ports {
    /// The sandbox
    #[arg(value_parser = parsed::<SandboxRef>)]
    pub(crate) sandbox: SandboxRef,
    /// Ports: [HOST-ADDRESS:]HOST-PORT:PORT[/tcp|udp|sctp]
    #[arg(required = true, value_name = "PORT", value_parser = parsed::<Publish>)]
    pub(crate) ports: Vec<Publish>,
}
