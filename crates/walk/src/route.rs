//! Asking the routing tables, as the kernel does: rules in order, longest prefix, lowest metric.
//!
//!     ip route get DST from SRC iif DEV mark M
//!
//! IPv4: net/ipv4/fib_{rules,trie,frontend}.c, route.c.  IPv6: net/ipv6/{fib6_rules,route}.c.
//! Never here: what follows from the answer.

use std::net::IpAddr;

use ipnet::IpNet;
use ropewalk_facts::{Addr, IfName, NextHop, Route, RouteKind, Rule, RuleAction};

use crate::packet::Packet;
use crate::world::Node;

/// What the tables are asked with.
#[derive(Clone, Debug, Default)]
pub struct Ask {
    /// The source, where there is one.
    pub src: Option<IpAddr>,
    /// The link it came in by; none for what is sent from here.
    pub iif: Option<IfName>,
    /// The link it must leave by.
    pub oif: Option<IfName>,
    /// Its mark.
    pub mark: u32,
    /// Its protocol and ports.
    pub flow: Option<(u8, u16, u16)>,
}

impl Ask {
    /// As a packet asks: with its source, mark, protocol and ports.
    #[must_use]
    pub fn of(p: &Packet) -> Self {
        let flow = Some((p.proto, p.sport, p.dport));
        Self { src: Some(p.src), iif: None, oif: None, mark: p.mark, flow }
    }
}

/// What the tables say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It takes this route, found through this rule.
    Route(Box<Taken>),
    /// A rule or route refuses it.
    Refused(Box<Refusal>),
    /// There is no route.
    Nothing,
    /// A rule is not understood.
    Unknown(Rule),
}

/// A route that is taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Taken {
    /// The rule that led to its table.
    pub rule: Option<Rule>,
    /// The route.
    pub route: Route,
}

/// Who refuses, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// `blackhole`, `unreachable` or `prohibit`.
    pub kind: RouteKind,
    /// The rule that decided or led to the table.
    pub rule: Option<Rule>,
    /// The route, when it was one.
    pub route: Option<Route>,
}

/// Looks `dst` up.
#[must_use]
pub fn lookup(node: &Node, dst: IpAddr, ask: &Ask) -> Answer {
    let v6 = dst.is_ipv6();
    for rule in node.rules.iter().filter(|r| r.v6 == v6) {
        if !matches(rule, dst, ask) {
            continue;
        }
        let refused = |kind| {
            let (rule, route) = (Some(rule.clone()), None);
            Answer::Refused(Box::new(Refusal { kind, rule, route }))
        };
        match rule.action {
            RuleAction::Lookup(table) => {
                let Some(route) = in_table(node, table, dst, ask) else { continue };
                let short = |max| u32::from(route.key.dst.prefix_len()) <= max;
                if route.kind == RouteKind::Throw || rule.suppress.is_some_and(short) {
                    continue;
                }
                return answer(rule, route);
            }
            RuleAction::Blackhole => return refused(RouteKind::Blackhole),
            RuleAction::Unreachable => return refused(RouteKind::Unreachable),
            RuleAction::Prohibit => return refused(RouteKind::Prohibit),
            RuleAction::Other(_) => return Answer::Unknown(rule.clone()),
        }
    }
    Answer::Nothing
}

fn answer(rule: &Rule, route: &Route) -> Answer {
    let (rule, route) = (Some(rule.clone()), route.clone());
    match route.kind {
        RouteKind::Blackhole | RouteKind::Unreachable | RouteKind::Prohibit => {
            Answer::Refused(Box::new(Refusal { kind: route.kind, rule, route: Some(route) }))
        }
        RouteKind::Unicast
        | RouteKind::Local
        | RouteKind::Broadcast
        | RouteKind::Anycast
        | RouteKind::Multicast
        | RouteKind::Throw => Answer::Route(Box::new(Taken { rule, route })),
    }
}

fn matches(rule: &Rule, dst: IpAddr, ask: &Ask) -> bool {
    let inside = |net: &Option<IpNet>, ip: Option<IpAddr>| {
        net.is_none_or(|net| net.prefix_len() == 0 || ip.is_some_and(|ip| net.contains(&ip)))
    };
    let lo = |dev: &IfName| dev.as_str() == "lo";
    let iif = rule.iif.as_ref().is_none_or(|dev| match &ask.iif {
        Some(iif) => iif == dev,
        None => lo(dev),
    });
    let oif = rule.oif.as_ref().is_none_or(|dev| ask.oif.as_ref() == Some(dev));
    let mark = rule.mark.is_none_or(|(mark, mask)| (ask.mark & mask) == mark);
    let all = inside(&rule.from, ask.src) && inside(&rule.to, Some(dst)) && iif && oif && mark;
    (all && of_flow(rule, ask)) != rule.not
}

/// Protocol and ports of a rule: who asks without them meets no rule that has them.
fn of_flow(rule: &Rule, ask: &Ask) -> bool {
    if rule.ipproto.is_none() && rule.sport.is_none() && rule.dport.is_none() {
        return true;
    }
    let Some((proto, sport, dport)) = ask.flow else { return false };
    let within = |range: Option<(u16, u16)>, port: u16| {
        range.is_none_or(|(first, last)| (first..=last).contains(&port))
    };
    rule.ipproto.is_none_or(|p| p == proto)
        && within(rule.sport, sport)
        && within(rule.dport, dport)
}

/// The best route of a table: the longest prefix, and among equals the lowest metric.
fn in_table<'n>(node: &'n Node, table: u32, dst: IpAddr, ask: &Ask) -> Option<&'n Route> {
    let usable = |route: &&Route| {
        route.key.table == table
            && route.key.dst.contains(&dst)
            && (!leads(route.kind) || route.hops.iter().any(|hop| goes(node, hop, ask)))
    };
    let rank = |route: &&Route| (u8::MAX - route.key.dst.prefix_len(), route.key.metric);
    node.routes.iter().filter(usable).min_by_key(rank)
}

fn leads(kind: RouteKind) -> bool {
    matches!(kind, RouteKind::Unicast)
}

/// True for a way that is up, and leaves by the link that it must.
#[must_use]
pub fn goes(node: &Node, hop: &NextHop, ask: &Ask) -> bool {
    let Some(dev) = &hop.dev else { return true };
    let up = node.devs.get(dev).is_none_or(|d| d.link.up);
    up && ask.oif.as_ref().is_none_or(|oif| oif == dev)
}

/// The source address that the kernel chooses for a route (`inet_select_addr`,
/// `ipv6_dev_get_saddr`).
#[must_use]
pub fn source(node: &Node, route: &Route, hop: Option<&NextHop>, dst: IpAddr) -> Option<IpAddr> {
    if let Some(src) = route.prefsrc {
        return Some(src);
    }
    if route.kind == RouteKind::Local {
        return Some(dst);
    }
    let dev = hop.and_then(|h| h.dev.as_ref());
    let near = hop.and_then(|h| h.via).unwrap_or(dst);
    let fits = |a: &&Addr| {
        a.key.net.addr().is_ipv6() == dst.is_ipv6() && !node.cannot_use(a.key.net.addr())
    };
    let own = || node.addrs.iter().filter(fits).filter(|a| dev == Some(&a.key.dev));
    if dst.is_ipv6() {
        return source_v6(node, dev, dst);
    }
    let wide = |a: &&Addr| a.scope.0 < 254;
    own()
        .filter(wide)
        .find(|a| !a.secondary && a.key.net.contains(&near))
        .or_else(|| own().find(wide))
        .or_else(|| node.addrs.iter().filter(fits).find(|a| a.scope.0 == 0))
        .map(|a| a.key.net.addr())
}

fn source_v6(node: &Node, dev: Option<&IfName>, dst: IpAddr) -> Option<IpAddr> {
    let common = |a: IpAddr| match (a, dst) {
        (IpAddr::V6(a), IpAddr::V6(b)) => (u128::from(a) ^ u128::from(b)).leading_zeros(),
        _ => 0,
    };
    let local = |ip: IpAddr| matches!(ip, IpAddr::V6(ip) if ip.is_unicast_link_local());
    let all = node.addrs.iter().filter(|a| a.key.net.addr().is_ipv6());
    let usable =
        all.filter(|a| !node.cannot_use(a.key.net.addr()) && !a.key.net.addr().is_loopback());
    let here = |a: &Addr| dev == Some(&a.key.dev);
    let fit = usable.filter(|a| local(a.key.net.addr()) == local(dst) && (!local(dst) || here(a)));
    fit.max_by_key(|a| (here(a), common(a.key.net.addr()))).map(|a| a.key.net.addr())
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use ropewalk_facts::{RouteKey, proto};

    use super::*;

    fn node(routes: &[(&str, u32, u32, RouteKind)], rules: &[(u32, Option<&str>, u32)]) -> Node {
        let mut node = Node::default();
        for (dst, table, metric, kind) in routes {
            let key = RouteKey::new(*table, dst.parse().unwrap(), *metric);
            let mut route = Route::unicast(key, IfName::new("eth0").unwrap(), None);
            route.kind = *kind;
            node.routes.push(route);
        }
        for (priority, from, table) in rules {
            node.rules.push(Rule {
                v6: false,
                priority: *priority,
                from: from.map(|f| f.parse().unwrap()),
                to: None,
                iif: None,
                oif: None,
                mark: None,
                not: false,
                suppress: None,
                ipproto: None,
                sport: None,
                dport: None,
                action: RuleAction::Lookup(*table),
                proto: proto::KERNEL,
            });
        }
        node
    }

    fn taken(node: &Node, dst: &str, src: Option<&str>) -> String {
        let ask = Ask { src: src.map(|s| s.parse().unwrap()), ..Ask::default() };
        match lookup(node, dst.parse().unwrap(), &ask) {
            Answer::Route(t) => format!("{} {}", t.route.key.dst, t.route.key.metric),
            Answer::Refused(r) => r.kind.name().to_owned(),
            Answer::Nothing => "nothing".to_owned(),
            Answer::Unknown(_) => "unknown".to_owned(),
        }
    }

    #[test]
    fn the_longest_prefix_wins_then_the_lowest_metric() {
        let u = RouteKind::Unicast;
        let routes = [
            ("0.0.0.0/0", 254, 0, u),
            ("10.0.0.0/8", 254, 20, u),
            ("10.0.0.0/8", 254, 10, u),
            ("10.1.0.0/16", 254, 500, RouteKind::Blackhole),
        ];
        let node = node(&routes, &[(32766, None, 254)]);
        assert_eq!(taken(&node, "10.9.9.9", None), "10.0.0.0/8 10");
        assert_eq!(taken(&node, "10.1.9.9", None), "blackhole");
        assert_eq!(taken(&node, "192.0.2.1", None), "0.0.0.0/0 0");
    }

    #[test]
    fn rules_come_in_order_and_a_throw_goes_on() {
        let routes = [
            ("0.0.0.0/0", 100, 0, RouteKind::Unicast),
            ("10.0.0.0/8", 100, 0, RouteKind::Throw),
            ("10.0.0.0/8", 254, 7, RouteKind::Unicast),
        ];
        let node = node(&routes, &[(5, Some("192.0.2.0/24"), 100), (32766, None, 254)]);
        assert_eq!(taken(&node, "198.51.100.1", Some("192.0.2.1")), "0.0.0.0/0 0");
        assert_eq!(taken(&node, "198.51.100.1", None), "nothing");
        assert_eq!(taken(&node, "10.0.0.1", Some("192.0.2.1")), "10.0.0.0/8 7");
    }
}
