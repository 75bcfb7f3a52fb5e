//! The interface of the host that a network hangs on: which one it is, and whether it is fit.
//!
//!     --parent up0, else the link of the default route      up · no port of a bridge · no radio
//!     flat: 10.0.0.0/24 must be on it, as its own route says
//!
//! Pure: a snapshot of the host in, a name or an objection out.

use ipnet::IpNet;
use ropewalk_facts::{IfName, Link, Route, RouteKind, Snapshot, table};
use ropewalk_spec::{Network, Parent};

use crate::code::Code;
use crate::fault::Fault;
use crate::{host, network};

/// The interface that `network` hangs on, if it is of such a mode and there is one.
pub(crate) fn of(network: &Network, found: &Snapshot) -> Option<IfName> {
    match network.mode.parent()? {
        Parent::Named(name) => Some(name.clone()),
        Parent::Uplink => host::uplink(found),
    }
}

/// Why `network` cannot hang on its parent, if it cannot. `wireless` tells of a link whether it is.
pub(crate) fn objection(
    network: &Network,
    found: &Snapshot,
    wireless: fn(&IfName) -> bool,
) -> Option<Fault> {
    let Some(name) = of(network, found) else {
        let what = "no interface to hang on: there is no default route to take it from";
        return Some(unfit(what.to_owned()).or_try("name one with --parent"));
    };
    let Some(link) = host::link(found, &name) else {
        let fault = unfit(format!("there is no interface {name} to hang on"));
        return Some(fault.or_try("ip -br link    lists them; name one with --parent"));
    };
    state(link, wireless)
        .or_else(|| mtu(network, link))
        .or_else(|| network.subnets.iter().find_map(|subnet| astray(found, subnet.net, &name)))
        .map(|fault| fault.or_try("name another with --parent"))
}

/// What stands in the way of the link itself.
fn state(link: &Link, wireless: fn(&IfName) -> bool) -> Option<Fault> {
    let name = &link.name;
    if let Some(master) = &link.master {
        let what = format!("{name} is a port of {master}, and has no traffic of its own");
        return Some(unfit(what).or_try(format!("--parent {master}")));
    }
    if wireless(name) {
        let cause = "an access point passes on what has an address that it gave out itself";
        return Some(unfit(format!("{name} is wireless")).cause(cause));
    }
    let down = || unfit(format!("{name} is down")).or_try(format!("ip link set {name} up"));
    (!link.up).then(down)
}

fn mtu(network: &Network, link: &Link) -> Option<Fault> {
    let (wish, most) = (network.mtu?, link.mtu?);
    let fault = || {
        unfit(format!("an MTU of {wish} is more than the {most} of {}", link.name))
            .or_try(format!("--mtu {most}, or leave it out"))
    };
    (wish > most).then(fault)
}

/// Says why addresses of `net` are not those of hosts on `parent`.
fn astray(found: &Snapshot, net: IpNet, parent: &IfName) -> Option<Fault> {
    let over = |route: &Route, dev: &IfName| route.hops.iter().any(|h| h.dev.as_ref() == Some(dev));
    let routes = || {
        host::routes(found).filter(|route| {
            let lasting = route.key.table == table::MAIN && route.kind == RouteKind::Unicast;
            lasting && route.key.dst.prefix_len() > 0
        })
    };
    let on_link = |route: &&Route| {
        over(route, parent)
            && route.key.dst.contains(&net)
            && route.hops.iter().all(|hop| hop.via.is_none())
    };
    if routes().find(on_link).is_none() {
        let there: Vec<String> =
            host::addresses(found, parent).iter().map(ToString::to_string).collect();
        let there = if there.is_empty() { "no address".to_owned() } else { there.join(", ") };
        let fault = unfit(format!("{net} is not on {parent}"));
        return Some(
            fault.cause(format!("{parent} has {there}")).or_try("choose another --subnet"),
        );
    }
    let elsewhere = |route: &&Route| net.contains(&route.key.dst) && !over(route, parent);
    routes().find(elsewhere).map(|route| {
        let what = format!("the host already routes {} of {net}", route.key.dst);
        let cause = format!("it leads to {}", network::ways(route));
        Fault::new(Code::SubnetRouted, what).cause(cause).or_try("choose another --subnet")
    })
}

fn unfit(what: String) -> Fault {
    Fault::new(Code::ParentUnfit, what)
}
