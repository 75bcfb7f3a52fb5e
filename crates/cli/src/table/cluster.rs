//! `ropewalk join`, `leave`, `cluster …`, `host …`

use std::net::IpAddr;
use std::path::PathBuf;

use clap::{Args, Subcommand};
use ropewalk_spec::NetworkName;

use super::values::{Taken, network, taken};

#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  ropewalk join here
  ropewalk join etcd://192.168.1.10,192.168.1.11,192.168.1.12
  ropewalk join etcd://192.168.1.10 --network web=10.9.0.0/16
  ropewalk join etcds://ops@etcd.lan --ca ca.crt --password-file etcd.password
  ropewalk join etcds://etcd.lan --ca ca.crt --cert host.crt --key host.key")]
pub(crate) struct Join {
    /// The store: etcd://HOST:PORT, several hosts with commas, etcds:// with TLS, or `here`: a file of this host's own
    pub(crate) store: String,
    /// What the host is called, else its host name
    #[arg(long)]
    pub(crate) name: Option<String>,
    /// Where the other hosts reach it, one address of each family; else the address that it reaches the
    /// store from, and one of the other family on the same interface
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) address: Vec<IpAddr>,
    /// Take a network of this host along: it becomes the cluster's, its subnet this host's block of
    /// POOL, or of what the cluster has as that network; addresses stay
    #[arg(long, value_name = "NAME[=POOL,…]", value_parser = taken)]
    pub(crate) network: Vec<Taken>,
    /// Who signed the certificates of the store, PEM
    #[arg(long, value_name = "FILE")]
    pub(crate) ca: Option<PathBuf>,
    /// The certificate of this host, PEM
    #[arg(long, value_name = "FILE", requires = "key")]
    pub(crate) cert: Option<PathBuf>,
    /// The key of the certificate, PEM
    #[arg(long, value_name = "FILE", requires = "cert")]
    pub(crate) key: Option<PathBuf>,
    /// The password of the user that stands in the address of the store
    #[arg(long, value_name = "FILE")]
    pub(crate) password_file: Option<PathBuf>,
}

/// What to do with a cluster.
#[derive(Debug, Subcommand)]
#[command(defer = true)]
pub(crate) enum ClusterVerb {
    /// Show the cluster: its hosts, who owns what, and what is wrong
    Status,
    /// List what is attached to networks of the cluster, on all hosts
    Ps(ClusterPs),
    /// Add a network, of which every host gets a block and makes its part
    Create(ClusterCreate),
    /// Take a network away, on every host where no sandbox is on it
    Rm(ClusterName),
}

#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  ropewalk cluster create over --subnet 10.5.0.0/16 --subnet fd00:5::/48
  ropewalk cluster create lan --mode routed --subnet 10.6.0.0/16")]
pub(crate) struct ClusterCreate {
    /// Its name
    #[arg(value_parser = network)]
    pub(crate) name: NetworkName,
    /// All its addresses, IPv4 or IPv6; may be given once for each
    #[arg(long, value_name = "PREFIX", required = true)]
    pub(crate) subnet: Vec<String>,
    /// The part of a LAN that is kept for it (flat); may be given once for each subnet
    #[arg(long, value_name = "RANGE")]
    pub(crate) range: Vec<String>,
    /// The length of the prefix of a host's block of IPv4; 24 unless given, or 29 (flat)
    #[arg(long, value_name = "LENGTH")]
    #[arg(value_parser = clap::value_parser!(u8).range(8..=30))]
    pub(crate) block: Option<u8>,
    /// The same of IPv6; 64 unless given, or 125 (flat)
    #[arg(long, value_name = "LENGTH")]
    #[arg(value_parser = clap::value_parser!(u8).range(16..=126))]
    pub(crate) block6: Option<u8>,
    /// How its sandboxes are connected: routed leads to hosts on the same link without a tunnel, flat
    /// gives addresses of the hosts' own LAN
    #[arg(long, default_value = "vxlan", value_parser = ["flat", "routed", "vxlan"])]
    pub(crate) mode: String,
    /// The number of its tunnels, else one made of its name
    #[arg(long)]
    pub(crate) vni: Option<u32>,
    /// The UDP port of its tunnels
    #[arg(long)]
    pub(crate) port: Option<u16>,
    /// Its MTU, else what fits through the uplink, or the tunnels (vxlan)
    #[arg(long)]
    pub(crate) mtu: Option<u32>,
}

#[derive(Args, Debug)]
pub(crate) struct ClusterPs {
    /// Of this network alone
    #[arg(value_parser = network)]
    pub(crate) name: Option<NetworkName>,
}

#[derive(Args, Debug)]
pub(crate) struct ClusterName {
    /// The network
    #[arg(value_parser = network)]
    pub(crate) name: NetworkName,
}

/// What to do with the hosts of a cluster.
#[derive(Debug, Subcommand)]
#[command(defer = true)]
pub(crate) enum HostVerb {
    /// List the hosts of the cluster, and their blocks
    Ls,
    /// Take a host out of the cluster that will not come back
    ///
    /// What it owned can be had by others after ten minutes. Should it come back after all, it owns
    /// nothing and says so.
    Rm(HostName),
    /// Have a host give up what it owns, as soon as nothing is attached there, and claim nothing
    ///
    /// It stays a member: `ropewalk leave` there ends that, `--back` ends the draining.
    Drain(HostDrain),
}

#[derive(Args, Debug)]
pub(crate) struct HostDrain {
    /// Its name or id
    pub(crate) host: String,
    /// It may own again
    #[arg(long)]
    pub(crate) back: bool,
}

#[derive(Args, Debug)]
pub(crate) struct HostName {
    /// Its name or id
    pub(crate) host: String,
}
