//! The interface of the host that a network hangs on: which one it is, and whether it is fit.
//!
//!     --parent up0, else the link of the default route      up · no port of a bridge · no radio
//!     flat: 10.0.0.0/24 must be on it, as its own route says
//!     macvlan, ipvlan, vlan: what stands on it already is of a kind that goes along
//!
//! An attachment asks for the parent of a direct network once more: it may be down by now.

use ipnet::IpNet;
use ropewalk_facts::{
    Id, IfName, Link, LinkKind, MacvlanMode, Ns, Route, RouteKind, Snapshot, table,
};
use ropewalk_spec::{Direct, Endpoint, Network, Parent};
use ropewalk_store::{NetworkHead, Writer};

use crate::code::Code;
use crate::fault::Fault;
use crate::{Engine, host, network, tunnel, uplink};

/// The interface that `network` hangs on, if it is of such a mode and there is one.
pub(crate) fn of(network: &Network, found: &Snapshot) -> Option<IfName> {
    match network.mode.parent()? {
        Parent::Named(name) => Some(name.clone()),
        Parent::Toward(ip) => tunnel::toward(found, ip).or_else(|| host::uplink(found)),
        Parent::Uplink => lan(network, found).or_else(|| host::uplink(found)),
    }
}

/// The link of the LAN whose addresses a network of several hosts has: it need not be called the same on all.
fn lan(network: &Network, found: &Snapshot) -> Option<IfName> {
    network.share.as_ref().filter(|_| network.mode.on_lan())?;
    let main = |route: &&Route| route.key.table == table::MAIN;
    let routes: Vec<&Route> = host::routes(found).filter(main).collect();
    network.subnets.iter().find_map(|subnet| tunnel::on_link(&routes, subnet.net.addr()))
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
    let direct = network.mode.direct();
    let astray = || network.subnets.iter().find_map(|subnet| astray(found, subnet.net, &name));
    let over = || uplink::takes_over(network).then(|| uplink::objection(network, link, found));
    state(link, direct, wireless)
        .or_else(|| mtu(network.mtu, link))
        .or_else(|| over().flatten())
        .or_else(|| if direct.is_some() { None } else { astray() })
        .map(|fault| fault.or_try("name another with --parent"))
}

/// What stands in the way of the link itself.
fn state(link: &Link, direct: Option<&Direct>, wireless: fn(&IfName) -> bool) -> Option<Fault> {
    let name = &link.name;
    if link.kind == LinkKind::Loopback {
        return Some(unfit(format!("{name} is the loopback device")));
    }
    if let (Some(_), Some(lower)) = (direct, link.kind.lower().filter(|_| no_tower(link, direct))) {
        let what = format!("{name} is a {} itself", link.kind.name());
        return Some(unfit(what).or_try(format!("--parent {}", lower.name)));
    }
    if let Some(master) = &link.master {
        let what = format!("{name} is a port of {master}, and has no traffic of its own");
        return Some(unfit(what).or_try(format!("--parent {master}")));
    }
    // Those have the hardware address that the access point knows, or are the interface itself.
    let known = matches!(direct, Some(Direct::Ipvlan { .. } | Direct::HostDevice { .. }));
    if !known && wireless(name) {
        let cause = "an access point passes on what has an address that it gave out itself";
        return Some(unfit(format!("{name} is wireless")).cause(cause));
    }
    let down = || unfit(format!("{name} is down")).or_try(format!("ip link set {name} up"));
    let moves = matches!(direct, Some(Direct::HostDevice { .. }));
    (!link.up && !moves).then(down)
}

/// True for a link on which the kernel puts none of the same kind, or puts it on the one below.
fn no_tower(link: &Link, direct: Option<&Direct>) -> bool {
    match direct {
        Some(Direct::Macvlan { .. }) => matches!(link.kind, LinkKind::Macvlan { .. }),
        Some(Direct::Ipvlan { .. }) => matches!(link.kind, LinkKind::Ipvlan { .. }),
        Some(Direct::Vlan { .. } | Direct::HostDevice { .. } | Direct::Dummy | Direct::Tap(_))
        | None => false,
    }
}

fn mtu(wish: Option<u32>, link: &Link) -> Option<Fault> {
    let (wish, most) = (wish?, link.mtu?);
    let fault = || {
        unfit(format!("an MTU of {wish} is more than the {most} of {}", link.name))
            .or_try(format!("--mtu {most}, or leave it out"))
    };
    (wish > most).then(fault)
}

/// Says why addresses of `net` are not those of hosts on `parent`.
pub(crate) fn astray(found: &Snapshot, net: IpNet, parent: &IfName) -> Option<Fault> {
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

impl Engine {
    /// Refuses an attachment to a direct network that its parent cannot carry now.
    pub(crate) fn parent_carries(
        &mut self,
        network: &NetworkHead,
        endpoint: &Endpoint,
        tx: &Writer<'_>,
        world: &mut Snapshot,
    ) -> Result<(), Fault> {
        let Some(direct) = network.network.mode.direct() else { return Ok(()) };
        let name = &network.network.name;
        let holders = if direct.single() { tx.attachments_on(name)? } else { Vec::new() };
        if let Some(holder) = holders.first() {
            let what =
                format!("network {name} has room for one sandbox, and {} has it", holder.sandbox);
            let fault = Fault::new(Code::ParentTaken, what);
            return Err(fault.or_try(format!("ropewalk detach {} {name}", holder.sandbox)));
        }
        let Some(parent) = &network.parent else { return Ok(()) };
        if matches!(direct, Direct::HostDevice { .. }) {
            // What moves with it is to be known.
            self.learn_all(world)?;
            self.parent_shared(&network.network, world)?;
        }
        self.learn(&[Id::Link(parent.clone()).at(Ns::HOST)], world)?;
        let Some(link) = host::link(world, parent) else {
            let fault = unfit(format!("the host has no interface {parent}, which {name} hangs on"));
            return Err(fault.or_try("ip -br link    lists those that it has"));
        };
        let objection = state(link, Some(direct), |_| false).or_else(|| mtu(endpoint.mtu, link));
        objection.map_or(Ok(()), Err)
    }

    /// Refuses a direct network beside others on the same parent that the kernel has no room for.
    pub(crate) fn parent_shared(&self, network: &Network, found: &Snapshot) -> Result<(), Fault> {
        let parent = of(network, found);
        if let Some(parent) = parent.as_ref().filter(|_| uplink::takes_over(network)) {
            let objection = uplink::in_use(network, parent, &self.store.networks()?, found);
            return objection.map_or(Ok(()), Err);
        }
        let (Some(direct), Some(parent)) = (network.mode.direct(), parent) else {
            return Ok(());
        };
        if matches!(direct, Direct::HostDevice { .. }) && host::last_way_out(found, &parent) {
            let what = format!("the host's own way out leads over {parent}");
            return Err(Fault::new(Code::ParentTaken, what)
                .cause("a sandbox that has the interface takes it away from the host")
                .or_try("--mode macvlan or --mode uplink, which share it")
                .or_try(format!("ip route del default dev {parent}    if that is what you want")));
        }
        for other in self.store.networks()?.iter().filter(|r| r.network.name != network.name) {
            let Some(theirs) = other.network.mode.direct() else { continue };
            if other.parent.as_ref() == Some(&parent) && !beside(direct, theirs) {
                let there = theirs.link_mode().map_or(String::new(), |mode| format!(", {mode}"));
                let what = format!("{parent} is the parent of network {}", other.network.name);
                return Err(Fault::new(Code::ParentTaken, what)
                    .cause(format!("that is {}{there}; the two do not go together", theirs.word()))
                    .or_try("name another with --parent"));
            }
        }
        let uppers = found.iter().filter_map(|fact| fact.body.as_link());
        let mut theirs = uppers.filter(|link| {
            link.kind.lower().is_some_and(|lower| lower.name == parent && lower.ns.is_host())
        });
        match theirs.find(|link| !beside_link(direct, &link.kind)) {
            None => Ok(()),
            Some(link) => {
                let what = format!("{} stands on {parent} already", link.name);
                Err(Fault::new(Code::ParentTaken, what)
                    .cause(format!("it is a {}", link.kind.name()))
                    .or_try("name another with --parent"))
            }
        }
    }
}

/// True when interfaces of both can be on one parent at a time. A link has one receiver of its
/// frames beside the VLANs: macvlans or ipvlans, and these have one mode.
fn beside(ours: &Direct, theirs: &Direct) -> bool {
    match (ours, theirs) {
        (Direct::HostDevice { .. }, _) | (_, Direct::HostDevice { .. }) => false,
        (Direct::Macvlan { .. }, Direct::Ipvlan { .. }) => false,
        (Direct::Ipvlan { .. }, Direct::Macvlan { .. }) => false,
        (Direct::Macvlan { mode: a, .. }, Direct::Macvlan { mode: b, .. }) => {
            *a != MacvlanMode::Passthru && *b != MacvlanMode::Passthru
        }
        (Direct::Ipvlan { mode: a, .. }, Direct::Ipvlan { mode: b, .. }) => a == b,
        (Direct::Vlan { id: a, .. }, Direct::Vlan { id: b, .. }) => a != b,
        (Direct::Vlan { .. }, _) | (_, Direct::Vlan { .. }) => true,
        (Direct::Dummy | Direct::Tap(_), _) | (_, Direct::Dummy | Direct::Tap(_)) => true,
    }
}

/// The same for a link that somebody else made.
fn beside_link(ours: &Direct, theirs: &LinkKind) -> bool {
    match theirs {
        LinkKind::Macvlan { mode, .. } => {
            beside(ours, &Direct::Macvlan { parent: None, mode: *mode, host_link: false })
        }
        LinkKind::Ipvlan { mode, .. } => {
            beside(ours, &Direct::Ipvlan { parent: None, mode: *mode })
        }
        LinkKind::Vlan { id, .. } => beside(ours, &Direct::Vlan { parent: None, id: *id }),
        LinkKind::Veth { .. }
        | LinkKind::Bridge
        | LinkKind::Dummy
        | LinkKind::Ifb
        | LinkKind::Vxlan(_)
        | LinkKind::Moved { .. }
        | LinkKind::Tap(_)
        | LinkKind::Vrf { .. }
        | LinkKind::Loopback
        | LinkKind::Other(_) => true,
    }
}

fn unfit(what: String) -> Fault {
    Fault::new(Code::ParentUnfit, what)
}
