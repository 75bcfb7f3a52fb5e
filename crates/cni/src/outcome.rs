//! The outcome of ADD: interfaces, addresses, routes and name servers, in the newest version's
//! terms. Older versions are written from it and read into it.

use std::net::IpAddr;

use ipnet::IpNet;

/// What ADD made.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Interfaces of the container and of the host.
    pub interfaces: Vec<Interface>,
    /// Addresses.
    pub ips: Vec<Ip>,
    /// Routes in the container.
    pub routes: Vec<Route>,
    /// Name servers.
    pub dns: Dns,
}

/// An interface.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Interface {
    /// Its name.
    pub name: String,
    /// Its hardware address, empty when it has none.
    pub mac: String,
    /// Its MTU in bytes (since 1.1.0).
    pub mtu: Option<u32>,
    /// The path of its namespace; empty on the host.
    pub sandbox: String,
    /// A vhost socket (since 1.1.0).
    pub socket_path: String,
    /// A PCI device (since 1.1.0).
    pub pci_id: String,
}

/// An address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ip {
    /// Which of the interfaces bears it, counted from 0.
    pub interface: Option<u32>,
    /// The address with the prefix length of its subnet.
    pub address: IpNet,
    /// The gateway of that subnet.
    pub gateway: Option<IpAddr>,
}

/// A route.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// Whereto.
    pub dst: IpNet,
    /// By way of; none is the gateway of the family.
    pub gw: Option<IpAddr>,
    /// The largest packet in bytes (since 1.1.0, as all that follows).
    pub mtu: Option<u32>,
    /// The largest TCP segment in bytes.
    pub advmss: Option<u32>,
    /// The metric.
    pub priority: Option<u32>,
    /// The routing table.
    pub table: Option<u32>,
    /// How far the destination is (`enum rt_scope_t`).
    pub scope: Option<u32>,
}

/// Name servers, for whoever writes resolv.conf.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Dns {
    /// Addresses of servers.
    pub nameservers: Vec<String>,
    /// The domain of the container.
    pub domain: String,
    /// Domains to search.
    pub search: Vec<String>,
    /// Options of the resolver.
    pub options: Vec<String>,
}

impl Route {
    /// A route without attributes.
    #[must_use]
    pub fn new(dst: IpNet, gw: Option<IpAddr>) -> Self {
        Self { dst, gw, mtu: None, advmss: None, priority: None, table: None, scope: None }
    }
}

impl Dns {
    /// True when nothing is said.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}
