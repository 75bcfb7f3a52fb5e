//! The topologies, each with what tells it from the others. A new one is one entry.
//!
//!     far 10.0.0.2 ──┬── h1 10.0.0.11   red, blue
//!                    └── h2 10.0.0.12   green         all of them in fd00:aa::/64 as well
//!
//! Two kinds are not what they are for others: a tap leads to a program, which here is a cable between two of
//! them; a dummy leads nowhere and has nobody to reach, so it is not among them.
//! Never here: how they are built and tried.

/// A topology in the lab that all share.
#[derive(Clone, Copy, Debug)]
pub struct Topology {
    /// What it is called.
    pub name: &'static str,
    /// The options of `ropewalk network create net` on h1.
    pub h1: &'static str,
    /// The same on h2; none where the topology does not span hosts.
    pub h2: Option<&'static str>,
    /// The addresses of red, blue and green.
    pub red: [&'static str; 2],
    /// See `red`.
    pub blue: [&'static str; 2],
    /// See `red`; not used without `h2`.
    pub green: [&'static str; 2],
    /// Routes of the lab's hosts: host, prefix, next hop.
    pub routes: &'static [(&'static str, &'static str, &'static str)],
    /// Who is not meant to reach whom: no sandbox behind a masquerade is reached from outside.
    pub closed: &'static [(&'static str, &'static str)],
    /// What it takes beside.
    pub takes: Takes,
}

/// What a topology takes beside the lab and a network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Takes {
    /// Nothing.
    Nothing,
    /// A program that joins what red and blue send.
    Cable,
    /// An interface of each host that it can lend.
    SpareCard,
    /// A kernel that has it: that of the virtual machine.
    Machine,
}

/// What the hosts are reached by from their own sandboxes with `--host-link`: the first of the range.
pub(super) const HOST_LINKS: [(&str, [&str; 2]); 2] =
    [("h1", ["10.0.0.100", "fd00:aa::100"]), ("h2", ["10.0.0.200", "fd00:aa::200"])];

/// Of one who is not there.
pub(super) const NOBODY: [&str; 2] = ["", ""];

/// The ways to subnets that are behind the hosts.
const ROUTED: &[(&str, &str, &str)] = &[
    ("far", "10.9.1.0/24", "10.0.0.11"),
    ("far", "fd00:9:1::/64", "fd00:aa::11"),
    ("far", "10.9.2.0/24", "10.0.0.12"),
    ("far", "fd00:9:2::/64", "fd00:aa::12"),
    ("h1", "10.9.2.0/24", "10.0.0.12"),
    ("h1", "fd00:9:2::/64", "fd00:aa::12"),
    ("h2", "10.9.1.0/24", "10.0.0.11"),
    ("h2", "fd00:9:1::/64", "fd00:aa::11"),
];

/// All of them.
pub const TOPOLOGIES: &[Topology] = &[
    Topology {
        name: "bridge",
        h1: "--subnet 10.9.1.0/24 --subnet fd00:9:1::/64 --reach host",
        h2: None,
        red: ["10.9.1.8", "fd00:9:1::8"],
        blue: ["10.9.1.9", "fd00:9:1::9"],
        green: NOBODY,
        routes: &[],
        closed: &[("far", "h1/red"), ("far", "h1/blue"), ("h2", "h1/red"), ("h2", "h1/blue")],
        takes: Takes::Nothing,
    },
    Topology {
        name: "routed",
        h1: "--mode routed --subnet 10.9.1.0/24 --subnet fd00:9:1::/64 --reach host",
        h2: Some("--mode routed --subnet 10.9.2.0/24 --subnet fd00:9:2::/64 --reach host"),
        red: ["10.9.1.8", "fd00:9:1::8"],
        blue: ["10.9.1.9", "fd00:9:1::9"],
        green: ["10.9.2.8", "fd00:9:2::8"],
        routes: ROUTED,
        closed: &[],
        takes: Takes::Nothing,
    },
    Topology {
        name: "flat",
        h1: "--mode flat --parent eth0 --subnet 10.0.0.0/24 --subnet fd00:aa::/64 --reach host",
        h2: Some(
            "--mode flat --parent eth0 --subnet 10.0.0.0/24 --subnet fd00:aa::/64 --reach host",
        ),
        red: ["10.0.0.108", "fd00:aa::108"],
        blue: ["10.0.0.109", "fd00:aa::109"],
        green: ["10.0.0.208", "fd00:aa::208"],
        routes: &[],
        closed: &[],
        takes: Takes::Nothing,
    },
    Topology {
        name: "macvlan",
        h1: "--mode macvlan --parent eth0 --subnet 10.0.0.0/24 --subnet fd00:aa::/64",
        h2: Some("--mode macvlan --parent eth0 --subnet 10.0.0.0/24 --subnet fd00:aa::/64"),
        red: ["10.0.0.108", "fd00:aa::108"],
        blue: ["10.0.0.109", "fd00:aa::109"],
        green: ["10.0.0.208", "fd00:aa::208"],
        routes: &[],
        // What a macvlan sends never comes in at its own parent.
        closed: &[
            ("h1", "h1/red"),
            ("h1", "h1/blue"),
            ("h1/red", "h1"),
            ("h1/blue", "h1"),
            ("h2", "h2/green"),
            ("h2/green", "h2"),
        ],
        takes: Takes::Nothing,
    },
    Topology {
        name: "host-link",
        h1: "--mode macvlan --parent eth0 --host-link --subnet 10.0.0.0/24 --subnet fd00:aa::/64 \
             --range 10.0.0.100-10.0.0.110 --range fd00:aa::100-fd00:aa::110",
        h2: Some(
            "--mode macvlan --parent eth0 --host-link --subnet 10.0.0.0/24 --subnet fd00:aa::/64 \
             --range 10.0.0.200-10.0.0.210 --range fd00:aa::200-fd00:aa::210",
        ),
        red: ["10.0.0.108", "fd00:aa::108"],
        blue: ["10.0.0.109", "fd00:aa::109"],
        green: ["10.0.0.208", "fd00:aa::208"],
        routes: &[],
        closed: &[],
        takes: Takes::Nothing,
    },
    Topology {
        name: "vxlan",
        h1: "--mode vxlan --subnet 10.9.1.0/24 --subnet fd00:9:1::/64 --reach host \
             --peer 10.0.0.12=10.9.2.0/24,fd00:9:2::/64",
        h2: Some(
            "--mode vxlan --subnet 10.9.2.0/24 --subnet fd00:9:2::/64 --reach host \
             --peer 10.0.0.11=10.9.1.0/24,fd00:9:1::/64",
        ),
        red: ["10.9.1.8", "fd00:9:1::8"],
        blue: ["10.9.1.9", "fd00:9:1::9"],
        green: ["10.9.2.8", "fd00:9:2::8"],
        routes: &[],
        closed: &[("far", "h1/red"), ("far", "h1/blue"), ("far", "h2/green")],
        takes: Takes::Nothing,
    },
    Topology {
        name: "uplink",
        h1: "--mode uplink --parent eth0 --subnet 10.0.0.0/24 --gateway 10.0.0.2 \
             --subnet fd00:aa::/64 --gateway fd00:aa::2 --reach host",
        h2: Some(
            "--mode uplink --parent eth0 --subnet 10.0.0.0/24 --gateway 10.0.0.2 \
             --subnet fd00:aa::/64 --gateway fd00:aa::2 --reach host",
        ),
        red: ["10.0.0.108", "fd00:aa::108"],
        blue: ["10.0.0.109", "fd00:aa::109"],
        green: ["10.0.0.208", "fd00:aa::208"],
        routes: &[],
        closed: &[],
        takes: Takes::Nothing,
    },
    Topology {
        name: "host-dev",
        h1: "--mode host-device --parent eth1 --subnet 10.0.0.0/24 --subnet fd00:aa::/64",
        h2: Some("--mode host-device --parent eth1 --subnet 10.0.0.0/24 --subnet fd00:aa::/64"),
        red: ["10.0.0.108", "fd00:aa::108"],
        blue: NOBODY,
        green: ["10.0.0.208", "fd00:aa::208"],
        routes: &[],
        closed: &[],
        takes: Takes::SpareCard,
    },
    Topology {
        name: "tap",
        h1: "--mode tap --subnet 10.9.1.0/24 --subnet fd00:9:1::/64",
        h2: None,
        red: ["10.9.1.8", "fd00:9:1::8"],
        blue: ["10.9.1.9", "fd00:9:1::9"],
        green: NOBODY,
        routes: &[],
        // The cable leads from one to the other.
        closed: &[
            ("far", "h1/red"),
            ("far", "h1/blue"),
            ("h1/red", "far"),
            ("h1/blue", "far"),
            ("h2", "h1/red"),
            ("h2", "h1/blue"),
            ("h1/red", "h2"),
            ("h1/blue", "h2"),
            ("h1", "h1/red"),
            ("h1", "h1/blue"),
            ("h1/red", "h1"),
            ("h1/blue", "h1"),
        ],
        takes: Takes::Cable,
    },
    Topology {
        name: "ipvlan",
        h1: "--mode ipvlan --parent eth0 --subnet 10.0.0.0/24 --subnet fd00:aa::/64",
        h2: Some("--mode ipvlan --parent eth0 --subnet 10.0.0.0/24 --subnet fd00:aa::/64"),
        red: ["10.0.0.108", "fd00:aa::108"],
        blue: ["10.0.0.109", "fd00:aa::109"],
        green: ["10.0.0.208", "fd00:aa::208"],
        routes: &[],
        // What an ipvlan sends never comes in at its own parent.
        closed: &[
            ("h1", "h1/red"),
            ("h1", "h1/blue"),
            ("h1/red", "h1"),
            ("h1/blue", "h1"),
            ("h2", "h2/green"),
            ("h2/green", "h2"),
        ],
        takes: Takes::Machine,
    },
    Topology {
        name: "ipvlan-l3",
        h1: "--mode ipvlan --link-mode l3 --parent eth0 --subnet 10.9.1.0/24 \
             --subnet fd00:9:1::/64",
        h2: Some(
            "--mode ipvlan --link-mode l3 --parent eth0 --subnet 10.9.2.0/24 \
             --subnet fd00:9:2::/64",
        ),
        red: ["10.9.1.8", "fd00:9:1::8"],
        blue: ["10.9.1.9", "fd00:9:1::9"],
        green: ["10.9.2.8", "fd00:9:2::8"],
        routes: ROUTED,
        closed: &[
            ("h1", "h1/red"),
            ("h1", "h1/blue"),
            ("h1/red", "h1"),
            ("h1/blue", "h1"),
            ("h2", "h2/green"),
            ("h2/green", "h2"),
        ],
        takes: Takes::Machine,
    },
    Topology {
        name: "vlan",
        h1: "--mode vlan --vlan 10 --parent eth0 --subnet 10.9.1.0/24 --subnet fd00:9:1::/64",
        h2: Some("--mode vlan --vlan 10 --parent eth0 --subnet 10.9.1.0/24 --subnet fd00:9:1::/64"),
        red: ["10.9.1.8", "fd00:9:1::8"],
        blue: NOBODY,
        green: ["10.9.1.9", "fd00:9:1::9"],
        routes: &[],
        // A VLAN has one sandbox on each host, and nobody else is in it.
        closed: &[
            ("far", "h1/red"),
            ("h1/red", "far"),
            ("far", "h2/green"),
            ("h2/green", "far"),
            ("h1", "h1/red"),
            ("h1/red", "h1"),
            ("h1", "h2/green"),
            ("h2/green", "h1"),
            ("h2", "h1/red"),
            ("h1/red", "h2"),
            ("h2", "h2/green"),
            ("h2/green", "h2"),
        ],
        takes: Takes::Machine,
    },
];
