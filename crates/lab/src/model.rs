//! What a lab consists of, checked: hosts, LANs, containers, and the steps that show something.
//!
//!     lan wan ═══╤═══════════╤═══     a LAN is a bridge in a namespace of its own
//!             h1 eth0     h2 eth0     a host is a network namespace and a mount namespace
//!              └ red                  a container is a network namespace on its host, without links
//!
//! Values of these types come out of [`Lab::parse`](crate::Lab::parse) only, and hold together:
//! every LAN, host and container spoken of is there.  Never here: text, the kernel.

use std::net::{IpAddr, SocketAddr};

use ipnet::IpNet;
use ropewalk_facts::IfName;

use crate::name::{Name, Place};

/// A lab, as its file describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lab {
    /// What it is called.
    pub name: Name,
    /// What it shows, in one line.
    pub about: Option<String>,
    /// Its LANs, in the order of the file.
    pub lans: Vec<Lan>,
    /// Its hosts, in the order of the file.
    pub hosts: Vec<Host>,
    /// What is done in it to show something, in order.
    pub steps: Vec<Step>,
}

/// A LAN: a switch that hosts are plugged into.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lan {
    /// Its name.
    pub name: Name,
    /// The addresses that belong to it; they do not overlap with those of another LAN.
    pub subnets: Vec<IpNet>,
}

/// A machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Host {
    /// Its name.
    pub name: Name,
    /// Its interfaces.
    pub nics: Vec<Nic>,
    /// Bridges that somebody made on it.
    pub bridges: Vec<Bridge>,
    /// Where its default routes lead, at most one for each family.
    pub gateways: Vec<IpAddr>,
    /// Whether it forwards packets, as a router does.
    pub forward: bool,
    /// Its other routes: destination and next hop.
    pub routes: Vec<(IpNet, IpAddr)>,
    /// A command that runs on it as long as the lab is up.
    pub process: Option<String>,
    /// The containers on it, in the order of the file.
    pub containers: Vec<Container>,
}

/// An interface of a host, plugged into a LAN.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Nic {
    /// Its name on the host.
    pub name: IfName,
    /// The LAN.
    pub lan: Name,
    /// Its addresses, with the prefix lengths of the LAN.
    pub addrs: Vec<IpNet>,
}

/// A bridge on a host, without members.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bridge {
    /// Its name.
    pub name: IfName,
    /// Its addresses.
    pub addrs: Vec<IpNet>,
}

/// A network namespace on a host, without any link but `lo`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Container {
    /// Its name.
    pub name: Name,
    /// Whether it is listed in the host's /run/netns; if not, its process alone holds it.
    pub named: bool,
    /// A command that runs in it as long as the lab is up; its pid is in /run/NAME.pid of the host.
    pub process: Option<String>,
}

/// One thing that is done in a lab, and what can be seen then.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// What it is about.
    pub say: String,
    /// Where `run` runs.
    pub on: Option<Place>,
    /// Shell lines; all must succeed.
    pub run: Vec<String>,
    /// What is tried afterwards.
    pub probes: Vec<Probe>,
}

/// Something that is tried from a place, and what is expected to come of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Probe {
    /// Where it starts.
    pub from: Place,
    /// What is done.
    pub action: Action,
    /// What should come of it.
    pub expect: Expect,
}

/// What a probe does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Sends ICMP echo requests.
    Ping(IpAddr),
    /// Fetches a page.
    Http(SocketAddr),
}

/// What should come of a probe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expect {
    /// An answer.
    Ok,
    /// No answer.
    Fail,
    /// A page of `lab serve` that says that it was asked from this address.
    Sees(IpAddr),
}

impl Lab {
    /// The LAN called `name`.
    #[must_use]
    pub fn lan(&self, name: &Name) -> Option<&Lan> {
        self.lans.iter().find(|lan| lan.name == *name)
    }

    /// The host called `name`.
    #[must_use]
    pub fn host(&self, name: &Name) -> Option<&Host> {
        self.hosts.iter().find(|host| host.name == *name)
    }

    /// Every host and container, each host before its containers.
    pub fn places(&self) -> impl Iterator<Item = Place> + '_ {
        self.hosts.iter().flat_map(|h| {
            let inside = h.containers.iter().map(|c| Place::container(&h.name, &c.name));
            std::iter::once(Place::host(&h.name)).chain(inside)
        })
    }
}
