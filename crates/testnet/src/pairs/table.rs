//! The topologies, each with what tells it from the others. A new one is one entry.
//!
//!     far 10.0.0.2 ──┬── h1 10.0.0.11   red, blue
//!                    └── h2 10.0.0.12   green         all of them in fd00:aa::/64 as well
//!
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
}

/// What the hosts are reached by from their own sandboxes with `--host-link`: the first of the range.
pub(super) const HOST_LINKS: [(&str, [&str; 2]); 2] =
    [("h1", ["10.0.0.100", "fd00:aa::100"]), ("h2", ["10.0.0.200", "fd00:aa::200"])];

/// All of them.
pub const TOPOLOGIES: &[Topology] = &[
    Topology {
        name: "bridge",
        h1: "--subnet 10.9.1.0/24 --subnet fd00:9:1::/64 --reach host",
        h2: None,
        red: ["10.9.1.8", "fd00:9:1::8"],
        blue: ["10.9.1.9", "fd00:9:1::9"],
        green: ["", ""],
        routes: &[],
        closed: &[("far", "h1/red"), ("far", "h1/blue"), ("h2", "h1/red"), ("h2", "h1/blue")],
    },
    Topology {
        name: "routed",
        h1: "--mode routed --subnet 10.9.1.0/24 --subnet fd00:9:1::/64 --reach host",
        h2: Some("--mode routed --subnet 10.9.2.0/24 --subnet fd00:9:2::/64 --reach host"),
        red: ["10.9.1.8", "fd00:9:1::8"],
        blue: ["10.9.1.9", "fd00:9:1::9"],
        green: ["10.9.2.8", "fd00:9:2::8"],
        routes: &[
            ("far", "10.9.1.0/24", "10.0.0.11"),
            ("far", "fd00:9:1::/64", "fd00:aa::11"),
            ("far", "10.9.2.0/24", "10.0.0.12"),
            ("far", "fd00:9:2::/64", "fd00:aa::12"),
            ("h1", "10.9.2.0/24", "10.0.0.12"),
            ("h1", "fd00:9:2::/64", "fd00:aa::12"),
            ("h2", "10.9.1.0/24", "10.0.0.11"),
            ("h2", "fd00:9:1::/64", "fd00:aa::11"),
        ],
        closed: &[],
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
    },
];
