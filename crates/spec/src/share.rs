//! Which addresses of a network are this host's, where other hosts have the rest.
//!
//!     own = ["10.5.1.0/24", "10.5.9.0/24", "10.5.7.9/32"], without = ["10.5.1.7/32"]
//!     pool = ["10.5.0.0/16"]                      all of it: who has the rest is written down elsewhere
//!
//! Sandboxes that ask for no address get one of the blocks, the first that has one; a single address is
//! for those that ask for it.  Never here: who gave what to this host.

use std::net::IpAddr;

use ipnet::IpNet;

use crate::error::{Form, Object, Problem, SpecError};
use crate::mode::Mode;
use crate::network::RawNetwork;
use crate::pool::{address, number};
use crate::raw::At;
use crate::subnet::{Subnet, read_net};

/// A host's part of the addresses of a network.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Share {
    /// Blocks and single addresses, each in a subnet of the network.
    pub own: Vec<IpNet>,
    /// What of these is not to be leased: another host uses it, too, or has it now.
    pub without: Vec<IpNet>,
    /// All addresses of all hosts, where the other hosts are no part of the definition: they are so
    /// many, and change so often, that they stand in a file beside it.
    pub pools: Vec<IpNet>,
    /// The host was taken out: all of it may be another's by now, and is told to nobody.
    pub fenced: bool,
}

impl Share {
    /// Whether an address is the host's to lease.
    #[must_use]
    pub fn has(&self, ip: IpAddr) -> bool {
        let inside = |nets: &[IpNet]| nets.iter().any(|net| net.contains(&ip));
        inside(&self.own) && !inside(&self.without)
    }

    /// First and last of the addresses that are given to those who ask for none: what is left of
    /// each block.
    #[must_use]
    pub fn ranges(&self, v4: bool) -> Vec<(IpAddr, IpAddr)> {
        let many = |net: &&IpNet| net.prefix_len() < net.max_prefix_len();
        let family = |net: &&IpNet| net.addr().is_ipv4() == v4;
        let ends = |net: &IpNet| (number(net.network()), number(net.broadcast()));
        let mut out: Vec<_> = self.without.iter().filter(family).map(ends).collect();
        out.sort_unstable();
        let mut ranges = Vec::new();
        for (first, last) in self.own.iter().filter(many).filter(family).map(ends) {
            let mut next = Some(first);
            for (low, high) in out.iter().filter(|(low, high)| *high >= first && *low <= last) {
                let before = low.checked_sub(1).filter(|end| next.is_some_and(|n| n <= *end));
                ranges.extend(next.zip(before));
                let beyond = high.checked_add(1).filter(|n| *n <= last);
                next = next.and(beyond);
            }
            ranges.extend(next.map(|next| (next, last)));
        }
        ranges.into_iter().map(|(a, b)| (address(v4, a), address(v4, b))).collect()
    }

    pub(crate) fn read(
        raw: &RawNetwork,
        mode: &Mode,
        subnets: &[Subnet],
        object: &Object,
    ) -> Result<Option<Self>, SpecError> {
        if raw.own.is_empty() {
            let alone = Problem::Conflict { with: "a network without own" };
            return match (raw.without.is_empty(), raw.pool.is_empty()) {
                (true, true) if raw.fenced => At::field(object, "fenced").fail(alone),
                (true, true) => Ok(None),
                (true, false) => At::field(object, "pool").fail(alone),
                (false, _) => At::field(object, "without").fail(alone),
            };
        }
        let shared = match mode {
            Mode::Routed(_) | Mode::Vxlan(_) | Mode::Flat { .. } => !raw.dhcp,
            Mode::Bridge { .. } | Mode::Uplink { .. } | Mode::Direct(_) | Mode::Cni { .. } => false,
        };
        if !shared {
            let mode = mode.word();
            return At::field(object, "own").fail(Problem::ConflictMode { mode });
        }
        let nets = |field, texts: &[String]| {
            let one = |(index, text): (usize, &String)| {
                let at = At::field(object, field).index(index);
                let net = at.ok(read_net(text).ok_or(Problem::unreadable(text, Form::Subnet)))?;
                let right = net.trunc();
                match subnets.iter().any(|subnet| subnet.net.contains(&net)) {
                    _ if right != net => at.fail(Problem::HostBits { net, right }),
                    true => Ok(net),
                    false => at.fail(Problem::Outside { ip: net.addr() }),
                }
            };
            texts.iter().enumerate().map(one).collect::<Result<Vec<_>, _>>()
        };
        let (own, without) = (nets("own", &raw.own)?, nets("without", &raw.without)?);
        let pools = pools(raw, mode, subnets, object)?;
        Ok(Some(Self { own, without, pools, fenced: raw.fenced }))
    }

    pub(crate) fn write(self, raw: &mut RawNetwork) {
        let texts = |nets: Vec<IpNet>| nets.iter().map(ToString::to_string).collect();
        (raw.own, raw.without) = (texts(self.own), texts(self.without));
        (raw.pool, raw.fenced) = (texts(self.pools), self.fenced);
    }
}

/// The pools, each of which is around what this host has of it.
fn pools(
    raw: &RawNetwork,
    mode: &Mode,
    subnets: &[Subnet],
    object: &Object,
) -> Result<Vec<IpNet>, SpecError> {
    let mut pools = Vec::new();
    for (index, text) in raw.pool.iter().enumerate() {
        let at = At::field(object, "pool").index(index);
        if mode.ways().is_none() {
            return at.fail(Problem::ConflictMode { mode: mode.word() });
        }
        let net = at.ok(read_net(text).ok_or(Problem::unreadable(text, Form::Subnet)))?;
        if net != net.trunc() {
            return at.fail(Problem::HostBits { net, right: net.trunc() });
        }
        pools.push(net);
    }
    let around = |subnet: &&Subnet| pools.iter().any(|pool: &IpNet| pool.contains(&subnet.net));
    match subnets.iter().find(|subnet| !pools.is_empty() && !around(subnet)) {
        Some(subnet) => At::field(object, "pool").fail(Problem::Outside { ip: subnet.net.addr() }),
        None => Ok(pools),
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests fail by panicking")]
    use super::*;

    #[test]
    fn what_is_not_to_be_leased_is_cut_out_of_the_blocks() {
        let nets = |texts: &[&str]| texts.iter().map(|net| net.parse().unwrap()).collect();
        let ranges = |own: &[&str], without: &[&str], v4| {
            let (own, without) = (nets(own), nets(without));
            let share = Share { own, without, ..Share::default() };
            let text = |(a, b): (IpAddr, IpAddr)| format!("{a}-{b}");
            share.ranges(v4).into_iter().map(text).collect::<Vec<_>>().join(" ")
        };
        let own = ["10.5.1.0/29", "fd00::/64", "10.5.9.9/32", "10.5.2.0/30"];
        let both = "10.5.1.0-10.5.1.7 10.5.2.0-10.5.2.3";
        assert_eq!(ranges(&own, &[], true), both);
        assert_eq!(ranges(&own, &["10.5.9.9/32", "fd00::1/128"], true), both);
        assert_eq!(ranges(&own, &["10.5.1.0/29"], true), "10.5.2.0-10.5.2.3");
        let holes = ["10.5.1.7/32", "10.5.1.3/32", "10.5.2.0/32"];
        let left = "10.5.1.0-10.5.1.2 10.5.1.4-10.5.1.6 10.5.2.1-10.5.2.3";
        assert_eq!(ranges(&own, &holes, true), left);
        assert_eq!(ranges(&own, &["10.0.0.0/8"], true), "");
        assert_eq!(
            ranges(&own, &["fd00::/65"], false),
            "fd00::8000:0:0:0-fd00::ffff:ffff:ffff:ffff"
        );
    }
}
