//! Mistakes in a lab file, with where they are.

use std::net::IpAddr;

use ipnet::IpNet;
use ropewalk_facts::IfName;

use crate::name::{Name, Place};

/// A mistake in a lab file, with where it is.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {flaw}")]
pub struct FileError {
    /// Where.
    pub place: Box<ropewalk_spec::Place>,
    /// What is wrong there.
    pub flaw: Flaw,
}

/// What is wrong in a lab file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Flaw {
    /// It is not TOML, or not of the form of a lab file; in the words of the parser.
    #[error("{0}")]
    Form(String),
    /// An interface is plugged into a LAN that is not there.
    #[error("there is no LAN `{0}`: add [lan.{0}]")]
    UnknownLan(Name),
    /// A step or probe speaks of a host or container that is not there.
    #[error("there is no host or container `{0}` in this lab")]
    UnknownPlace(Place),
    /// Two subnets share addresses.
    #[error("{0} overlaps with {1} of LAN `{2}`")]
    Overlap(IpNet, IpNet, Name),
    /// A subnet has host bits.
    #[error("{0} is not a subnet: did you mean {sub}?", sub = .0.trunc())]
    HostBits(IpNet),
    /// An address is in none of the LAN's subnets, or not one that a host can have.
    #[error("{addr} is no address of a host in LAN `{lan}`")]
    OffLan {
        /// The address.
        addr: IpAddr,
        /// The LAN.
        lan: Name,
    },
    /// Two interfaces have one address.
    #[error("{addr} is already the address of {nic} on `{host}`")]
    Taken {
        /// The address.
        addr: IpAddr,
        /// Who has it.
        host: Name,
        /// On which interface.
        nic: IfName,
    },
    /// A gateway or next hop is on none of the host's LANs.
    #[error("{0} is on no LAN that this host is plugged into")]
    OffLink(IpAddr),
    /// A second gateway of one family.
    #[error("{0} is a second gateway of its family: one for IPv4 and one for IPv6 is the most")]
    SecondGateway(IpAddr),
    /// A route's next hop is of the other family.
    #[error("the next hop {via} is not of the family of {dst}")]
    OtherFamily {
        /// The destination.
        dst: IpNet,
        /// The next hop.
        via: IpAddr,
    },
    /// A host has two interfaces of one name; each has `lo`.
    #[error("the host has an interface `{0}` already")]
    SecondLink(IfName),
    /// Together with its host's name, an interface's name is too long for the LAN's end.
    #[error(
        "`{host}-{nic}` is too long: it names the LAN's end of the cable, 15 characters at most"
    )]
    LongCable {
        /// The host.
        host: Name,
        /// The interface.
        nic: IfName,
    },
    /// Commands without a place.
    #[error("`run` needs `on`, the host that it runs on")]
    RunNowhere,
    /// A ping cannot see who asks.
    #[error("`sees` can only be expected of `http`")]
    PingSees,
    /// A container without a name and without a process is gone at once.
    #[error("`{0}` has `named = false` and no `process`: nothing would hold it")]
    Unheld(Name),
}
