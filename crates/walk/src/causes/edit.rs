//! Changes of the world that several causes try: routes, addresses, settings, rules.

use std::net::IpAddr;

use ipnet::IpNet;
use ropewalk_facts::nft::{
    Bytes, ChainKey, CmpOp, Expr, Family, Payload, Reg, Rule, RuleKey, Verdict, VerdictCode,
};
use ropewalk_facts::{Addr, IfName, Ns, Route, RouteKey, RouteKind, Scope, proto, table};

use crate::world::{Node, World};

/// Changes one namespace.
pub(super) fn node(world: &mut World, ns: &Ns, change: impl FnOnce(&mut Node)) {
    if let Some(node) = world.node_mut(ns) {
        change(node);
    }
}

/// Sets a setting.
pub(super) fn set(world: &mut World, ns: &Ns, path: &str, value: &str) {
    node(world, ns, |n| drop(n.settings.insert(path.to_owned(), value.to_owned())));
}

/// A route of the main table, in front of all others of its prefix.
pub(super) fn route(dst: IpNet, dev: &IfName, via: Option<IpAddr>) -> Route {
    let mut key = RouteKey::main(dst);
    key.metric = 0;
    Route::unicast(key, dev.clone(), via)
}

/// The prefix of all addresses of a family.
pub(super) fn everything(v6: bool) -> IpNet {
    if v6 { ipnet::Ipv6Net::default().into() } else { ipnet::Ipv4Net::default().into() }
}

/// One address as a prefix.
pub(super) fn host(ip: IpAddr) -> IpNet {
    IpNet::from(ip)
}

/// Adds an address, with the routes that the kernel makes for it.
pub(super) fn add_addr(n: &mut Node, dev: &IfName, net: IpNet) {
    let mut addr = Addr::global(dev.clone(), net);
    addr.scope = Scope::GLOBAL;
    n.addrs.push(addr);
    routes_of(n, dev, net);
}

/// The routes that the kernel makes for an address.
pub(super) fn routes_of(n: &mut Node, dev: &IfName, net: IpNet) {
    let mut local = route(host(net.addr()), dev, None);
    local.key.table = table::LOCAL;
    local.kind = RouteKind::Local;
    local.proto = proto::KERNEL;
    n.routes.push(local);
    if net.prefix_len() < net.max_prefix_len() {
        let mut near = route(net.trunc(), dev, None);
        near.prefsrc = (!net.addr().is_ipv6()).then(|| net.addr());
        n.routes.push(near);
    }
}

/// Removes an address, with the routes that the kernel made for it.
pub(super) fn del_addr(n: &mut Node, dev: &IfName, ip: IpAddr) {
    let nets: Vec<IpNet> = n
        .addrs
        .iter()
        .filter(|a| a.key.dev == *dev && a.key.net.addr() == ip)
        .map(|a| a.key.net.trunc())
        .collect();
    n.addrs.retain(|a| a.key.dev != *dev || a.key.net.addr() != ip);
    let elsewhere = n.addrs.iter().any(|a| a.key.net.addr() == ip);
    n.routes.retain(|r| {
        let by = r.hops.iter().any(|h| h.dev.as_ref() == Some(dev));
        let own = r.key.table == table::LOCAL && r.key.dst == host(ip) && !elsewhere;
        let near = nets.contains(&r.key.dst) && r.proto == proto::KERNEL;
        !(by && (own || near))
    });
    n.unusable.retain(|u| u.addr != ip);
}

/// A rule in front of a chain that lets packets from `src` to `dst` through.
pub(super) fn accept(chain: &ChainKey, src: IpAddr, dst: IpAddr) -> Rule {
    let load = |offset, bytes: Vec<u8>| {
        let len = u32::try_from(bytes.len()).unwrap_or(4);
        let what = Payload { base: 1, offset, len };
        let cmp = Expr::Cmp { sreg: Reg(0), op: CmpOp::Eq, data: Bytes(bytes) };
        [Expr::Payload { what, dreg: Reg(0) }, cmp]
    };
    let bytes = |ip: IpAddr| match ip {
        IpAddr::V4(ip) => ip.octets().to_vec(),
        IpAddr::V6(ip) => ip.octets().to_vec(),
    };
    let (s, d) = if src.is_ipv6() { (8, 24) } else { (12, 16) };
    let mut exprs = Vec::new();
    exprs.extend(load(s, bytes(src)));
    exprs.extend(load(d, bytes(dst)));
    exprs.push(Expr::Verdict(Verdict { code: VerdictCode::Accept, chain: None }));
    Rule { key: RuleKey { chain: chain.clone(), tag: "why".to_owned() }, exprs, at: None }
}

/// A masquerade of `net` out of a link, as a new last base chain.
pub(super) fn masquerade(n: &mut Node, from: IpNet) {
    use ropewalk_facts::nft::{Base, Chain, TableKey};
    let family = if from.addr().is_ipv6() { Family::Ip6 } else { Family::Ip };
    let table = TableKey::new(family, "why");
    let key = table.chain("post");
    let base =
        Base { kind: "nat".to_owned(), hook: 4, priority: i32::MIN, drop: false, devs: Vec::new() };
    let (offset, bytes, mask) = match from.trunc() {
        IpNet::V4(net) => (12, net.network().octets().to_vec(), net.netmask().octets().to_vec()),
        IpNet::V6(net) => (8, net.network().octets().to_vec(), net.netmask().octets().to_vec()),
    };
    let len = u32::try_from(bytes.len()).unwrap_or(4);
    let exprs = vec![
        Expr::Payload { what: Payload { base: 1, offset, len }, dreg: Reg(0) },
        Expr::Bitwise {
            sreg: Reg(0),
            dreg: Reg(0),
            xor: Bytes(vec![0; mask.len()]),
            mask: Bytes(mask),
        },
        Expr::Cmp { sreg: Reg(0), op: CmpOp::Eq, data: Bytes(bytes) },
        Expr::Masq { flags: 0, proto: None },
    ];
    let rule = Rule { key: RuleKey { chain: key.clone(), tag: "why".to_owned() }, exprs, at: None };
    let chain = Chain { key: key.clone(), base: Some(base) };
    n.nft.chains.insert(key, crate::nft::Line { chain, rules: vec![rule] });
}

/// The gateways that a namespace may use, best first: what others on its subnets send by, machines
/// there that stand between networks, and those that nobody may look at. One with a single link,
/// another sandbox, is no gateway.
pub(super) fn gateways(world: &World, ns: &Ns, v6: bool) -> Vec<(IpAddr, IfName)> {
    let Some(node) = world.node(ns) else { return Vec::new() };
    let mut all: Vec<(u8, IpAddr, IfName)> = Vec::new();
    for addr in node.addrs.iter().filter(|a| a.key.net.addr().is_ipv6() == v6) {
        if addr.key.dev.as_str() == "lo" || link_local(addr.key.net.addr()) {
            continue;
        }
        let net = addr.key.net;
        all.extend(on_subnet(world, ns, node, net).into_iter().map(|(rank, ip)| {
            let unknown = world.owners(ip).next().is_none();
            let dev = addr.key.dev.clone();
            if unknown && node.mute.iter().any(|(d, mute)| *d == dev && *mute == ip) {
                return (rank + 10, ip, dev);
            }
            (rank, ip, dev)
        }));
    }
    all.extend(beyond(world, node, v6).into_iter().map(|(ip, dev)| (5, ip, dev)));
    all.sort();
    let mut known: Vec<IpAddr> = Vec::new();
    all.retain(|(_, ip, _)| {
        !known.contains(ip) && {
            known.push(*ip);
            true
        }
    });
    all.into_iter().map(|(_, ip, dev)| (ip, dev)).collect()
}

/// Those on one subnet of a namespace, the better the lower.
fn on_subnet(world: &World, ns: &Ns, node: &Node, net: IpNet) -> Vec<(u8, IpAddr)> {
    let near = |ip: &IpAddr| net.contains(ip) && *ip != net.addr();
    let unknown = |ip: &IpAddr| world.owners(*ip).next().is_none();
    let mut all = Vec::new();
    let default = everything(net.addr().is_ipv6());
    for (_, other) in world.nodes.iter().filter(|(other, _)| *other != ns) {
        for a in other.addrs.iter().filter(|a| near(&a.key.net.addr())) {
            let forwards = other.forwards(default.addr().is_ipv6(), &a.key.dev);
            if between(other, &a.key.dev) {
                all.push((u8::from(!forwards), a.key.net.addr()));
            }
        }
        // What others there send by, where it is nobody that is known not to be a gateway.
        let defaults = other.routes.iter().filter(|r| r.key.dst == default);
        let used = defaults.flat_map(|r| &r.hops).filter_map(|h| h.via);
        all.extend(used.filter(|ip| near(ip) && unknown(ip)).map(|ip| (2, ip)));
    }
    let known = node.neighs.iter().filter(|n| n.mac.is_some() && !n.key.proxy).map(|n| n.key.ip);
    all.extend(known.filter(|ip| near(ip) && unknown(ip)).map(|ip| (3, ip)));
    // By custom the first address of the subnet.
    let custom = net.hosts().find(|ip| *ip != net.network());
    all.extend(custom.filter(|ip| near(ip) && unknown(ip)).map(|ip| (4, ip)));
    all
}

/// A machine that stands between networks: a bridge of its own has the address, or it has
/// addresses on other links, or routes by them, too.
fn between(node: &Node, dev: &IfName) -> bool {
    let bridge = node.devs.get(dev).is_some_and(|d| d.kind() == "bridge");
    let global = |a: &Addr| a.scope.0 == 0 && !link_local(a.key.net.addr());
    let by = |r: &Route| {
        let elsewhere = |h: &ropewalk_facts::NextHop| {
            h.dev.as_ref().is_some_and(|out| out != dev && out.as_str() != "lo")
        };
        r.kind == RouteKind::Unicast && !r.derived && r.hops.iter().any(elsewhere)
    };
    bridge
        || node.addrs.iter().any(|a| global(a) && a.key.dev != *dev)
        || node.routes.iter().any(by)
}

/// For a link without a subnet: the addresses of the link at its other end.
fn beyond(world: &World, node: &Node, v6: bool) -> Vec<(IpAddr, IfName)> {
    let mut all = Vec::new();
    for dev in node.devs.values().filter(|d| !d.loopback() && d.link.master.is_none()) {
        let wide = |a: &&Addr| {
            a.key.net.addr().is_ipv6() == v6 && a.key.net.prefix_len() < a.key.net.max_prefix_len()
        };
        let subnet = node.addrs_of(dev.name()).filter(wide).any(|a| !link_local(a.key.net.addr()));
        let Some(peer) = dev.other().filter(|_| !subnet) else { continue };
        let Some(far) = world.node(&peer.ns) else { continue };
        let master = far.devs.get(&peer.name).and_then(|d| d.link.master.clone());
        let at = master.as_ref().unwrap_or(&peer.name);
        if !between(far, at) {
            continue;
        }
        let fits = far.addrs_of(at).map(|a| a.key.net.addr()).filter(|ip| ip.is_ipv6() == v6);
        all.extend(fits.map(|ip| (ip, dev.name().clone())));
    }
    all
}

/// What a link without an address should have, and the gateway beside it: for a bridge what its
/// members expect of it, else what is asked for or free in the subnet of the bridge beyond.
pub(super) fn lacking(
    world: &World,
    ns: &Ns,
    dev: &IfName,
    dst: IpAddr,
) -> Option<(IpNet, Option<IpAddr>)> {
    let v6 = dst.is_ipv6();
    let d = world.dev(ns, dev)?;
    if d.kind() == "bridge" {
        return super::bridge::wanted(world, ns, dev, v6)
            .into_iter()
            .next()
            .map(|(net, _)| (net, None));
    }
    let peer = d.other()?;
    let host = world.node(&peer.ns)?;
    let bridge = host.devs.get(&peer.name)?.link.master.clone();
    let near = host.addrs_of(bridge.as_ref().unwrap_or(&peer.name)).map(|a| a.key.net);
    let wide = |n: &IpNet| n.prefix_len() < n.max_prefix_len() && !link_local(n.addr());
    let net = near.into_iter().find(|n| n.addr().is_ipv6() == v6 && wide(n))?;
    let unused = |ip: &IpAddr| world.owners(*ip).next().is_none();
    let asked = Some(dst).filter(|ip| net.contains(ip) && unused(ip));
    // What the other end sends by, and is nobody's.
    let used = host.routes.iter().flat_map(|r| &r.hops).filter_map(|h| h.via);
    let mut used = used.filter(|ip| bridge.is_none() && net.contains(ip) && unused(ip));
    let ip =
        asked.or_else(|| used.next()).or_else(|| net.hosts().take(250).skip(100).find(unused))?;
    Some((IpNet::new(ip, net.prefix_len()).ok()?, Some(net.addr())))
}

/// A rule that leads one port of an address elsewhere, in front of all others.
pub(super) fn dnat(n: &mut Node, from: (IpAddr, u8, u16), to: (IpAddr, u16), local: bool) {
    use ropewalk_facts::nft::{Base, Chain, MetaKey, NatKind, TableKey};
    let (dst, number, port) = from;
    let v6 = dst.is_ipv6();
    let family = if v6 { Family::Ip6 } else { Family::Ip };
    let key = TableKey::new(family, "why").chain(if local { "out" } else { "pre" });
    let hook = if local { 3 } else { 0 };
    let base =
        Base { kind: "nat".to_owned(), hook, priority: i32::MIN, drop: false, devs: Vec::new() };
    let bytes = |ip: IpAddr| match ip {
        IpAddr::V4(ip) => ip.octets().to_vec(),
        IpAddr::V6(ip) => ip.octets().to_vec(),
    };
    let is = |data: Vec<u8>| Expr::Cmp { sreg: Reg(0), op: CmpOp::Eq, data: Bytes(data) };
    let load =
        |base, offset, len| Expr::Payload { what: Payload { base, offset, len }, dreg: Reg(0) };
    let exprs = vec![
        if v6 { load(1, 24, 16) } else { load(1, 16, 4) },
        is(bytes(dst)),
        Expr::Meta { key: MetaKey(16), dreg: Reg(0) },
        is(vec![number]),
        load(2, 2, 2),
        is(port.to_be_bytes().to_vec()),
        Expr::Immediate { dreg: Reg(0), data: Bytes(bytes(to.0)) },
        Expr::Immediate { dreg: Reg(4), data: Bytes(to.1.to_be_bytes().to_vec()) },
        Expr::Nat {
            kind: NatKind::Dnat,
            family,
            addr: Some(Reg(0)),
            proto: Some(Reg(4)),
            flags: 0,
        },
    ];
    let rule = Rule { key: RuleKey { chain: key.clone(), tag: "why".to_owned() }, exprs, at: None };
    let chain = Chain { key: key.clone(), base: Some(base) };
    n.nft.chains.insert(key, crate::nft::Line { chain, rules: vec![rule] });
}

/// An address and a port as they are written.
pub(super) fn socket(ip: IpAddr, port: u16) -> String {
    std::net::SocketAddr::new(ip, port).to_string()
}

/// A bridge with an address, one of its subnet that is free, and the bridge's own: those of the
/// namespace `of` where one is given.
pub(super) fn free(
    world: &World,
    of: Option<&Ns>,
    v6: bool,
) -> Option<(Ns, IfName, IpNet, IpAddr)> {
    for (ns, n) in world.nodes.iter().filter(|(ns, _)| of.is_none_or(|of| of == *ns)) {
        for addr in &n.addrs {
            let net = addr.key.net;
            let bridge = n.devs.get(&addr.key.dev).is_some_and(|d| d.kind() == "bridge");
            if !bridge || net.addr().is_ipv6() != v6 || link_local(net.addr()) {
                continue;
            }
            let unused = |ip: &IpAddr| world.owners(*ip).next().is_none();
            let Some(ip) = net.hosts().take(250).skip(100).find(unused) else { continue };
            let Ok(own) = IpNet::new(ip, net.prefix_len()) else { continue };
            return Some((ns.clone(), addr.key.dev.clone(), own, net.addr()));
        }
    }
    None
}

pub(super) fn link_local(ip: IpAddr) -> bool {
    matches!(ip, IpAddr::V6(ip) if ip.is_unicast_link_local())
}

/// `ip` with the family.
pub(super) fn ip(v6: bool) -> &'static str {
    if v6 { "ip -6" } else { "ip" }
}
