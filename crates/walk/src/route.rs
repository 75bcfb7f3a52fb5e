//! Asking the routing tables, as the kernel does: rules in order, longest prefix, lowest metric.
//!
//!     ip route get DST from SRC iif DEV mark M
//!
//! IPv4: net/ipv4/fib_{rules,trie,frontend}.c, route.c.  IPv6: net/ipv6/{fib6_rules,route}.c.
//! Never here: what follows from the answer.

use std::cmp::Reverse;
use std::net::{IpAddr, Ipv6Addr};

use ipnet::IpNet;
use ropewalk_facts::seen::SeenRule;
use ropewalk_facts::table as tables;
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

/// `FR_ACT_GOTO` and `FR_ACT_NOP`
const GOTO: u8 = 2;
const NOP: u8 = 3;

/// Looks `dst` up.
#[must_use]
pub fn lookup(node: &Node, dst: IpAddr, ask: &Ask) -> Answer {
    let v6 = dst.is_ipv6();
    // A `goto` leads onward, to the first rule of a priority.
    let mut from = 0;
    let merged = !v6 && node.plain_rules();
    for rule in node.rules.iter().filter(|r| r.v6 == v6) {
        if rule.priority < from || !matches(node, rule, dst, ask) {
            continue;
        }
        let more = node.more_of(rule);
        if more.is_some_and(|more| more.more) {
            return Answer::Unknown(rule.clone());
        }
        let refused = |kind| {
            let (rule, route) = (Some(rule.clone()), None);
            Answer::Refused(Box::new(Refusal { kind, rule, route }))
        };
        match rule.action {
            RuleAction::Lookup(table) => {
                let both = match table {
                    tables::LOCAL if merged => [table, tables::MAIN],
                    tables::MAIN if merged => continue,
                    _ => [table, table],
                };
                let Some(route) = in_table(node, both, dst, ask) else { continue };
                if route.kind == RouteKind::Throw || suppressed(node, rule, more, route, ask) {
                    continue;
                }
                return answer(rule, route);
            }
            RuleAction::Blackhole => return refused(RouteKind::Blackhole),
            RuleAction::Unreachable => return refused(RouteKind::Unreachable),
            RuleAction::Prohibit => return refused(RouteKind::Prohibit),
            RuleAction::Other(NOP) => {}
            RuleAction::Other(GOTO) => match more.and_then(|more| more.goto) {
                // One that leads nowhere is passed over.
                Some(to) if !node.rules.iter().any(|r| r.v6 == v6 && r.priority == to) => {}
                Some(to) => from = to,
                None => return Answer::Unknown(rule.clone()),
            },
            RuleAction::Other(_) => return Answer::Unknown(rule.clone()),
        }
    }
    Answer::Nothing
}

/// A rule passes over the route (`fib4_rule_suppress`, `fib6_rule_suppress`), but never over one that
/// refuses.
fn suppressed(node: &Node, rule: &Rule, more: Option<&SeenRule>, route: &Route, ask: &Ask) -> bool {
    if route.hops.is_empty() {
        return false;
    }
    let short = rule.suppress.is_some_and(|max| u32::from(route.key.dst.prefix_len()) <= max);
    let group = more.and_then(|more| more.group);
    let dev = route.hops.iter().find(|hop| goes(node, hop, ask)).and_then(|hop| hop.dev.as_ref());
    let found = dev.and_then(|dev| node.devs.get(dev)).map(|dev| dev.link.group);
    short || (group.is_some() && group == found)
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

fn matches(node: &Node, rule: &Rule, dst: IpAddr, ask: &Ask) -> bool {
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
    // Packets here have no class of service, and are root's.
    let more = node.more_of(rule);
    let plain = more.is_none_or(|m| m.tos == 0 && m.users.is_none_or(|(first, _)| first == 0));
    let all = inside(&rule.from, ask.src) && inside(&rule.to, Some(dst)) && iif && oif && mark;
    (all && plain && of_flow(rule, ask)) != rule.not
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

/// The best route of a table: the longest prefix, and among equals the lowest metric. Without rules
/// of somebody, the first two tables of IPv4 are one (`fib_unmerge`): then the first goes before the
/// second only among equal prefixes.
fn in_table<'n>(node: &'n Node, tables: [u32; 2], dst: IpAddr, ask: &Ask) -> Option<&'n Route> {
    let [first, _] = tables;
    let fits = |route: &&Route| tables.contains(&route.key.table) && route.key.dst.contains(&dst);
    let all: Vec<(&Route, Option<IpNet>)> =
        node.routes.iter().filter(fits).map(|route| (route, node.from_of(route))).collect();
    let mut lengths: Vec<u8> = all.iter().map(|(r, _)| r.key.dst.prefix_len()).collect();
    lengths.sort_unstable_by_key(|len| Reverse(*len));
    lengths.dedup();
    let mine = |from: IpNet| ask.src.is_some_and(|src| from.contains(&src));
    let rank = |(route, from): &&(&Route, Option<IpNet>)| {
        // Among equals of IPv6 one by the link that is asked with, or that it came in by, goes first.
        let by = ask.oif.as_ref().or(ask.iif.as_ref()).filter(|_| dst.is_ipv6());
        let other = by.is_some() && !route.hops.iter().any(|hop| hop.dev.as_ref() == by);
        let source = Reverse(from.map(|from| from.prefix_len()));
        (source, route.key.table != first, route.key.metric, other)
    };
    let mut entered = false;
    for len in lengths {
        let here = || all.iter().filter(move |(r, _)| r.key.dst.prefix_len() == len);
        let strangers = here().any(|(_, from)| from.is_some())
            && !here().any(|(_, from)| from.is_some_and(mine));
        // Where there are routes for the sources of others, that for all is not found, unless the
        // search has been deeper before, or comes to its end (`fib6_node_lookup_1`).
        if strangers && !entered && len > 0 {
            continue;
        }
        entered = true;
        let usable = |(route, from): &&(&Route, Option<IpNet>)| {
            from.is_none_or(mine) && leads_on(node, route, dst, ask)
        };
        if let Some((route, _)) = here().filter(usable).min_by_key(rank) {
            return Some(*route);
        }
    }
    None
}

/// One of its ways is up and leaves by the link that it must. Routes of IPv4 that refuse have no
/// link, those of IPv6 have lo. One's own addresses stay where they are when their link goes down.
fn leads_on(node: &Node, route: &Route, dst: IpAddr, ask: &Ask) -> bool {
    let near = dst.is_ipv6() && dst.is_loopback();
    let strict = ask.oif.as_ref().or(ask.iif.as_ref().filter(|_| near));
    if route.hops.is_empty() {
        return strict.is_none_or(|dev| dst.is_ipv4() || dev.as_str() == "lo");
    }
    let up = |hop: &NextHop| route.kind != RouteKind::Unicast || goes(node, hop, &Ask::default());
    let there = |hop: &NextHop| strict.is_none_or(|dev| hop.dev.as_ref().is_none_or(|d| d == dev));
    route.hops.iter().any(|hop| up(hop) && there(hop))
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
    let fits = |a: &&Addr| {
        a.key.net.addr().is_ipv6() == dst.is_ipv6() && !node.cannot_use(a.key.net.addr())
    };
    let own = || node.addrs.iter().filter(fits).filter(|a| dev == Some(&a.key.dev));
    if dst.is_ipv6() {
        return source_v6(node, dev, dst);
    }
    // What is near the gateway; without one, the first (`fib_info_update_nhc_saddr`).
    let near = |a: &&Addr| hop.and_then(|h| h.via).is_none_or(|via| a.key.net.contains(&via));
    let wide = |a: &&Addr| a.scope.0 < 254 && !a.secondary;
    own()
        .filter(wide)
        .find(near)
        .or_else(|| own().find(wide))
        .or_else(|| node.addrs.iter().filter(fits).find(|a| a.scope.0 == 0))
        .map(|a| a.key.net.addr())
}

/// The rules of RFC 6724, section 5, in the kernel's order; among equals the first.
pub(crate) fn source_v6(node: &Node, dev: Option<&IfName>, dst: IpAddr) -> Option<IpAddr> {
    let IpAddr::V6(to) = dst else { return None };
    let near = to.is_multicast() || wide(to) == 2;
    let rank = |a: &Addr, own: Ipv6Addr| {
        let here = dev == Some(&a.key.dev);
        let scope = wide(own);
        let scope = if scope >= wide(to) { -scope } else { scope - 128 };
        let common = (u128::from(own) ^ u128::from(to)).leading_zeros();
        let common = common.min(u32::from(a.key.net.prefix_len()));
        (own == to, scope, here, label(own) == label(to), common)
    };
    let mut best = None;
    for a in &node.addrs {
        let IpAddr::V6(own) = a.key.net.addr() else { continue };
        if node.cannot_use(own.into()) || (near && dev != Some(&a.key.dev)) {
            continue;
        }
        let found = (rank(a, own), own);
        if best.is_none_or(|(rank, _)| found.0 > rank) {
            best = Some(found);
        }
    }
    best.map(|(_, own)| own.into())
}

/// How far an address reaches (`ipv6_addr_src_scope`).
fn wide(ip: Ipv6Addr) -> i32 {
    match ip {
        _ if ip.is_multicast() => i32::from(ip.segments()[0] & 0xf),
        _ if ip.is_unicast_link_local() || ip.is_loopback() => 2,
        _ => 14,
    }
}

/// Its label in the kernel's table (`ip6addrlbl_init_table`).
fn label(ip: Ipv6Addr) -> u32 {
    match ip.segments() {
        _ if ip.is_loopback() => 0,
        [0, 0, 0, 0, 0, 0xffff, ..] => 4,
        [0, 0, 0, 0, 0, 0, ..] => 3,
        [0x2002, ..] => 2,
        [0x2001, 0, ..] => 6,
        [0x2001, n, ..] if n & 0xfff0 == 0x10 => 7,
        [n, ..] if n & 0xfe00 == 0xfc00 => 5,
        _ => 1,
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

    use std::rc::Rc;

    use ropewalk_facts::seen::{Device, SeenRoute, Tuple};
    use ropewalk_facts::{Link, LinkKind, Ns, RouteKey, proto};

    use crate::trace::Why;
    use crate::world::World;

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

    fn main_only(routes: &[(&str, u32, u32, RouteKind)]) -> Node {
        node(routes, &[(0, None, 255), (32766, None, 254), (32767, None, 253)])
    }

    fn rule(rule: &Rule) -> SeenRule {
        SeenRule { rule: rule.clone(), tos: 0, users: None, goto: None, group: None, more: false }
    }

    fn dev(name: &str, up: bool) -> (IfName, crate::world::Dev) {
        let name = IfName::new(name).unwrap();
        let link = Link { up, ..Link::up(name.clone(), LinkKind::Dummy) };
        (name, crate::world::Dev { link, seen: Device::default() })
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

    #[test]
    fn rules_for_a_class_of_service_and_for_other_users_are_passed_over() {
        let routes = [
            ("0.0.0.0/0", 100, 0, RouteKind::Blackhole),
            ("0.0.0.0/0", 254, 7, RouteKind::Unicast),
        ];
        let mut node = node(&routes, &[(5, None, 100), (32766, None, 254)]);
        let first = node.rules[0].clone();
        assert_eq!(taken(&node, "10.0.0.1", None), "blackhole");
        node.seen_rules = vec![SeenRule { tos: 0x10, ..rule(&first) }];
        assert_eq!(taken(&node, "10.0.0.1", None), "0.0.0.0/0 7");
        node.seen_rules = vec![SeenRule { users: Some((1000, 2000)), ..rule(&first) }];
        assert_eq!(taken(&node, "10.0.0.1", None), "0.0.0.0/0 7");
        node.seen_rules = vec![SeenRule { users: Some((0, 2000)), ..rule(&first) }];
        assert_eq!(taken(&node, "10.0.0.1", None), "blackhole");
        node.seen_rules = vec![SeenRule { more: true, ..rule(&first) }];
        assert_eq!(taken(&node, "10.0.0.1", None), "unknown");
    }

    #[test]
    fn a_goto_leads_on_and_one_that_leads_nowhere_is_passed_over() {
        let routes = [
            ("0.0.0.0/0", 100, 0, RouteKind::Blackhole),
            ("0.0.0.0/0", 254, 7, RouteKind::Unicast),
        ];
        let mut node = node(&routes, &[(5, None, 0), (6, None, 100), (32766, None, 254)]);
        node.rules[0].action = RuleAction::Other(GOTO);
        let first = node.rules[0].clone();
        assert_eq!(taken(&node, "10.0.0.1", None), "unknown");
        node.seen_rules = vec![SeenRule { goto: Some(32766), ..rule(&first) }];
        assert_eq!(taken(&node, "10.0.0.1", None), "0.0.0.0/0 7");
        node.seen_rules = vec![SeenRule { goto: Some(4000), ..rule(&first) }];
        assert_eq!(taken(&node, "10.0.0.1", None), "blackhole");
    }

    #[test]
    fn routes_over_links_of_a_group_are_passed_over_and_refusals_are_not() {
        let routes = [
            ("0.0.0.0/0", 100, 0, RouteKind::Unicast),
            ("10.0.0.0/8", 100, 0, RouteKind::Prohibit),
            ("0.0.0.0/0", 254, 7, RouteKind::Unicast),
        ];
        let mut node = node(&routes, &[(5, None, 100), (32766, None, 254)]);
        node.routes[1].hops.clear();
        node.devs.extend([dev("eth0", true)]);
        let first = node.rules[0].clone();
        node.seen_rules = vec![SeenRule { group: Some(0), ..rule(&first) }];
        assert_eq!(taken(&node, "192.0.2.1", None), "0.0.0.0/0 7");
        assert_eq!(taken(&node, "10.0.0.1", None), "prohibit");
    }

    #[test]
    fn a_source_is_asked_about_by_the_way_that_is_taken_of_several() {
        // A rule refuses the way back for what would leave by d2, and d0 is as good a way.
        let routes = [("0.0.0.0/0", 254, 0, RouteKind::Unicast)];
        let mut node = node(&routes, &[(964, None, 0), (32766, None, 254)]);
        let name = |name: &str| IfName::new(name).unwrap();
        node.rules[0].iif = Some(name("d2"));
        node.rules[0].action = RuleAction::Unreachable;
        let way = |dev: &str| NextHop { via: None, dev: Some(name(dev)), weight: 1, onlink: false };
        node.routes[0].hops = vec![way("d2"), way("d0")];
        node.devs.extend([dev("d0", true), dev("d1", true), dev("d2", true)]);
        let settings = [("rp_filter", "2"), ("forwarding", "1"), ("accept_local", "1")];
        let settings =
            settings.map(|(leaf, value)| (format!("net/ipv4/conf/d1/{leaf}"), value.to_owned()));
        node.settings.extend(settings);
        let address = Addr::global(name("d1"), "192.0.2.1/24".parse().unwrap());
        node.addrs.push(address);
        let world = World { nodes: [(Ns::HOST, Rc::new(node))].into() };
        let [src, dst] = ["10.2.3.4", "198.51.100.120"].map(|ip| ip.parse().unwrap());
        let tuple = Tuple { src, dst, proto: 1, sport: 0, dport: 0 };
        let packet = Packet::new(tuple, 60);
        let goes = |leg| {
            let said = crate::arrives(&world, &Ns::HOST, &name("d1"), &packet, leg);
            said.map(|(_, hop)| hop.unwrap().dev.unwrap().to_string())
        };
        assert_eq!(goes(0), Err(Why::RpFilter { mode: 2, back: None }));
        assert_eq!(goes(1), Ok("d0".to_owned()));
    }

    #[test]
    fn an_address_of_a_link_that_is_down_is_still_the_hosts_own() {
        let routes = [
            ("10.0.0.1/32", 255, 0, RouteKind::Local),
            ("10.0.0.0/24", 254, 0, RouteKind::Unicast),
            ("0.0.0.0/0", 254, 9, RouteKind::Blackhole),
        ];
        let mut node = main_only(&routes);
        node.routes[2].hops.clear();
        node.devs.extend([dev("eth0", false)]);
        assert_eq!(taken(&node, "10.0.0.1", None), "10.0.0.1/32 0");
        assert_eq!(taken(&node, "10.0.0.2", None), "blackhole");
    }

    #[test]
    fn without_rules_of_somebody_the_longer_prefix_of_main_goes_before_a_local_one() {
        let routes = [
            ("10.0.0.0/8", 255, 0, RouteKind::Local),
            ("10.1.0.0/16", 254, 3, RouteKind::Unicast),
            ("10.0.0.0/8", 254, 0, RouteKind::Unicast),
        ];
        let mut node = main_only(&routes);
        assert_eq!(taken(&node, "10.1.0.1", None), "10.1.0.0/16 3");
        assert_eq!(taken(&node, "10.2.0.1", None), "10.0.0.0/8 0");
        // A throw in one of them ends the search of both.
        node.routes[0].kind = RouteKind::Throw;
        node.routes[0].hops.clear();
        assert_eq!(taken(&node, "10.2.0.1", None), "nothing");
        node.rules[1].priority = 9;
        node.rules[1].proto = proto::STATIC;
        node.routes[0].kind = RouteKind::Local;
        assert_eq!(taken(&node, "10.1.0.1", None), "10.0.0.0/8 0");
    }

    #[test]
    fn a_route_of_ipv6_for_some_sources_is_not_for_others() {
        let routes = [
            ("2001:db8::/32", 254, 10, RouteKind::Unicast),
            ("2001:db8::/32", 254, 20, RouteKind::Unicast),
            ("::/0", 254, 30, RouteKind::Unicast),
        ];
        let mut node = node(&routes, &[(32766, None, 254)]);
        node.rules[0].v6 = true;
        assert_eq!(taken(&node, "2001:db8::1", None), "2001:db8::/32 10");
        let route = node.routes[0].clone();
        let from = Some("fd00::/8".parse().unwrap());
        node.seen_routes = vec![SeenRoute { route, hops: None, tos: 0, from }];
        assert_eq!(taken(&node, "2001:db8::1", Some("fd00::1")), "2001:db8::/32 10");
        assert_eq!(taken(&node, "2001:db8::1", Some("2a00::1")), "::/0 30");
    }

    #[test]
    fn without_a_gateway_the_first_address_of_the_link_is_the_source() {
        let own = |net: &str| Addr::global(IfName::new("eth0").unwrap(), net.parse().unwrap());
        let addrs = vec![own("10.0.0.1/24"), own("10.7.0.1/16")];
        let node = Node { addrs, ..Node::default() };
        let key = RouteKey::new(254, "10.0.0.0/8".parse().unwrap(), 0);
        let of = |via: Option<&str>| {
            let via = via.map(|via| via.parse().unwrap());
            let route = Route::unicast(key.clone(), IfName::new("eth0").unwrap(), via);
            source(&node, &route, route.hops.first(), "10.7.0.9".parse().unwrap())
        };
        assert_eq!(of(None).unwrap().to_string(), "10.0.0.1");
        assert_eq!(of(Some("10.7.0.2")).unwrap().to_string(), "10.7.0.1");
    }

    #[test]
    fn a_source_of_ipv6_is_chosen_by_link_label_and_prefix() {
        let own =
            |net: &str, dev: &str| Addr::global(IfName::new(dev).unwrap(), net.parse().unwrap());
        let node = Node {
            addrs: vec![
                own("fd00::1/64", "eth0"),
                own("2001:db8:5::1/128", "eth0"),
                own("2001:db8:7::1/64", "eth1"),
                own("fe80::5/64", "eth1"),
            ],
            ..Node::default()
        };
        let of = |dev: &str, dst: &str| {
            let dev = IfName::new(dev).unwrap();
            source_v6(&node, Some(&dev), dst.parse().unwrap()).unwrap().to_string()
        };
        assert_eq!(of("eth0", "2001:db8:7::9"), "2001:db8:5::1");
        assert_eq!(of("eth0", "fd00:9::1"), "fd00::1");
        assert_eq!(of("eth1", "fd00:9::1"), "2001:db8:7::1");
        assert_eq!(of("eth1", "2001:db8:5::1"), "2001:db8:5::1");
        assert_eq!(of("eth1", "fe80::9"), "fe80::5");
    }
}
