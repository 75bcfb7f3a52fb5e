//! The addresses of a new network of the cluster, and how they are cut into blocks.
//!
//!     --subnet 10.5.0.0/16                                                a pool, in blocks of /24
//!     --mode flat --subnet 192.168.1.0/24 --range 192.168.1.100-192.168.1.199
//!                                          what is kept of a LAN, in blocks of /29
//!
//! Never here: who gets which block.

use std::net::IpAddr;

use ipnet::IpNet;
use ropewalk_cluster::Pool;
use ropewalk_engine::{Code, Fault};

use crate::table::ClusterCreate;

/// The mode whose subnets are those of a LAN.
pub(super) const FLAT: &str = "flat";
/// The lengths of a block's prefix, unless given: IPv4, IPv6.
const USUAL: [u8; 2] = [24, 64];
/// The same of a LAN, of which less is to be had.
const USUAL_FLAT: [u8; 2] = [29, 125];

pub(super) fn pools(args: &ClusterCreate) -> Result<Vec<Pool>, Fault> {
    let nets = args.subnet.iter().map(|text| subnet(text)).collect::<Result<Vec<_>, _>>()?;
    if args.mode != FLAT {
        if let Some(text) = args.range.first() {
            let why = "it is for --mode flat; elsewhere all of the subnet is the cluster's";
            return Err(bad("--range", text, why));
        }
        return nets
            .into_iter()
            .map(|net| pool(args, "--subnet", net, Some(Pool { net, len: 0, exclude: Vec::new() })))
            .collect();
    }
    let mut pools = Vec::new();
    for (text, net) in args.subnet.iter().zip(&nets) {
        let inside = |(_, (first, last)): &(&String, (IpAddr, IpAddr))| {
            net.contains(first) && net.contains(last)
        };
        let ranges = args.range.iter().map(|text| Ok((text, range(text)?)));
        let ranges = ranges.collect::<Result<Vec<_>, Fault>>()?;
        let Some((_, (first, last))) = ranges.into_iter().find(inside) else {
            let why = "which part of the LAN is kept for the cluster? give --range";
            return Err(bad("--subnet", text, why).or_try("--range FIRST-LAST, or a prefix"));
        };
        pools.push(pool(args, "--range", *net, Pool::between(first, last))?);
    }
    Ok(pools)
}

/// The pool with the length that is wished for.
fn pool(args: &ClusterCreate, option: &str, net: IpNet, pool: Option<Pool>) -> Result<Pool, Fault> {
    let usual = if args.mode == FLAT { USUAL_FLAT } else { USUAL };
    let [v4, v6] = usual;
    let len =
        if net.addr().is_ipv4() { args.block.unwrap_or(v4) } else { args.block6.unwrap_or(v6) };
    let pool = pool.map(|pool| Pool { len, ..pool });
    let whole = |pool: &Pool| len > pool.net.prefix_len() || args.mode == FLAT;
    let some = |pool: &Pool| pool.order(&ropewalk_cluster::HostId::new(0)).next().is_some();
    let fits = pool.filter(|pool| whole(pool) && some(pool));
    fits.ok_or_else(|| bad(option, &net.to_string(), &format!("no blocks of /{len} fit into it")))
}

fn subnet(text: &str) -> Result<IpNet, Fault> {
    let net: IpNet = text.parse().map_err(|_| bad("--subnet", text, "not a prefix"))?;
    if net.trunc() != net {
        let fault = bad("--subnet", text, "it has bits behind its length");
        return Err(fault.or_try(net.trunc().to_string()));
    }
    Ok(net)
}

fn range(text: &str) -> Result<(IpAddr, IpAddr), Fault> {
    let ends = || match text.split_once('-') {
        Some((first, last)) => Some((first.trim().parse().ok()?, last.trim().parse().ok()?)),
        None => text.parse::<IpNet>().ok().map(|net| (net.network(), net.broadcast())),
    };
    ends().ok_or_else(|| bad("--range", text, "neither FIRST-LAST nor a prefix"))
}

fn bad(option: &str, text: &str, why: &str) -> Fault {
    Fault::new(Code::BadInput, format!("{option} {text}: {why}"))
}
