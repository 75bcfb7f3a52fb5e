//! All checks: a file for what every plugin must do, and one for each plugin.

mod bandwidth;
mod bridge;
mod dhcp;
mod direct;
mod firewall;
mod host_device;
mod host_local;
mod loopback;
mod portmap;
mod protocol;
mod ptp;
mod sbr;
mod static_;
mod tap;
mod tuning;
mod vrf;

use crate::Group;

/// Every check there is, by plugin.
pub const GROUPS: &[Group] = &[
    Group { plugin: "*", checks: protocol::CHECKS },
    Group { plugin: "bridge", checks: bridge::CHECKS },
    Group { plugin: "ptp", checks: ptp::CHECKS },
    Group { plugin: "macvlan", checks: direct::MACVLAN },
    Group { plugin: "ipvlan", checks: direct::IPVLAN },
    Group { plugin: "vlan", checks: direct::VLAN },
    Group { plugin: "dummy", checks: direct::DUMMY },
    Group { plugin: "host-device", checks: host_device::CHECKS },
    Group { plugin: "tap", checks: tap::CHECKS },
    Group { plugin: "loopback", checks: loopback::CHECKS },
    Group { plugin: "host-local", checks: host_local::CHECKS },
    Group { plugin: "static", checks: static_::CHECKS },
    Group { plugin: "dhcp", checks: dhcp::CHECKS },
    Group { plugin: "portmap", checks: portmap::CHECKS },
    Group { plugin: "firewall", checks: firewall::CHECKS },
    Group { plugin: "bandwidth", checks: bandwidth::CHECKS },
    Group { plugin: "tuning", checks: tuning::CHECKS },
    Group { plugin: "sbr", checks: sbr::CHECKS },
    Group { plugin: "vrf", checks: vrf::CHECKS },
];
