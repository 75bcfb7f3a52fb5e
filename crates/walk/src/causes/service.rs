//! The service: nobody listens, or not there, or the published port leads elsewhere.

use std::net::IpAddr;

use ropewalk_facts::IfName;
use ropewalk_facts::nft::{Expr, NatKind};
use ropewalk_facts::seen::Listener;

use super::edit;
use super::publish::{Rule, first_in, served};
use super::{chain_place, evidence, within};
use crate::diagnose::{Candidate, Case, Evidence};
use crate::question::{called, proto};
use crate::trace::{Stop, Why};
use crate::world::{Node, World};

/// Nobody takes what is sent to the port.
pub(super) fn listener(case: &Case<'_>, add: &mut Vec<Candidate>) {
    let Some(stop) = case.trip.stop() else { return };
    if matches!(stop.why, Why::Overflow) {
        return overflow(case, stop, add);
    }
    if !matches!(stop.why, Why::NoListener) {
        return;
    }
    let Some(n) = case.world.node(&stop.ns) else { return };
    let p = &stop.packet;
    let here = || n.listeners.iter().filter(|l| l.proto == p.proto && l.port == p.dport);
    let kind = if p.proto == proto::TCP { "TCP" } else { "UDP" };
    let name = called(&stop.ns);
    let came_by = stop.dev.as_ref().and_then(|dev| n.devs.get(dev)).map(|dev| dev.seen.index);
    let flag = if p.proto == proto::TCP { "t" } else { "u" };
    let show = format!("ss -Hln{flag} 'sport = :{}'", p.dport);
    let shown =
        |value: String| vec![evidence(&stop.ns, format!("{kind} {}", p.dport), value, &show)];
    if let Some(l) = here().find(|l| l.v6only && l.addr.is_ipv6() && !p.v6()) {
        add.push(plain(
            "LISTEN_V6ONLY",
            name,
            format!("the service in {name} takes IPv6 alone on {kind} port {}", p.dport),
            shown(l.addr.to_string()),
            relay(stop, IpAddr::from([0, 0, 0, 0]), l.addr, l.port),
        ));
        return;
    }
    if let Some(l) = here().find(|l| l.addr.is_loopback()) {
        let sentence = format!(
            "the service in {name} listens on {}:{} alone, so what is sent to {} is refused",
            l.addr, l.port, p.dst
        );
        add.push(plain(
            "LISTEN_LOCALHOST",
            name,
            sentence,
            shown(l.addr.to_string()),
            relay(stop, p.dst, l.addr, l.port),
        ));
        return;
    }
    if let Some(l) = here().find(|l| l.dev != 0 && Some(l.dev) != came_by) {
        add.extend(bound(stop, n, l, shown));
        return;
    }
    if let Some(l) = here().next() {
        let sentence =
            format!("the service in {name} listens on {} alone and not on {}", l.addr, p.dst);
        let fix = relay(stop, p.dst, l.addr, l.port);
        add.push(plain("NO_LISTENER", name, sentence, shown(l.addr.to_string()), fix));
        return;
    }
    published(case, stop, n, add);
    let sentence =
        format!("nothing in {name} listens on {kind} port {}, so it is refused", p.dport);
    let translated =
        case.trip.request.hops.iter().find(|h| h.what.starts_with("translates the destination"));
    let port = case
        .world
        .nodes
        .get(&stop.ns)
        .and_then(|n| n.listeners.iter().find(|l| l.proto == p.proto && !l.addr.is_loopback()));
    if let (Some(hop), Some(l)) = (translated, port) {
        let q = case.question;
        let (dst, number, asked) = (q.dst, p.proto, q.dport.unwrap_or(0));
        let to = (p.dst, l.port);
        let by = case
            .trip
            .nats
            .iter()
            .find(|(ns, who, _)| *ns == hop.ns && crate::nft::path(&who.base) == hop.at);
        let rule =
            Rule { dst: Some(dst), port: Some((q.proto.clone(), asked)), to: Some(to), dev: None };
        let chain = by.map(|(_, who, _)| &who.base);
        let local = q.from() == hop.ns;
        let usual = if local { "OUTPUT" } else { "PREROUTING" };
        let fix = first_in(&hop.ns, chain, p.v6(), usual, &rule);
        let at = hop.ns.clone();
        add.push(Candidate {
            code: "DNAT_WRONG_PORT",
            place: by.map_or_else(
                || format!("{}:{}", called(&hop.ns), hop.at),
                |(ns, who, _)| chain_place(ns, &who.chain),
            ),
            sentence: format!("the published port leads to port {} of {name}, where nothing listens; its service is on {}", p.dport, l.port),
            evidence: vec![evidence(&hop.ns, hop.at.clone(), hop.what.clone(), "nft list ruleset")],
            fix: vec![fix],
            rank: 6,
            change: Some(Box::new(move |w: &mut World| {
                edit::node(w, &at, |n| edit::dnat(n, (dst, number, asked), to, local));
            })),
        });
    }
    let nobody =
        || plain("NO_LISTENER", name, sentence.clone(), shown("nobody".to_owned()), serve(stop));
    add.push(led(case, stop, nobody()).unwrap_or_else(nobody));
}

/// A host where nobody listens, with one service behind it that is not published: it is led there.
fn led(case: &Case<'_>, stop: &Stop, nobody: Candidate) -> Option<Candidate> {
    let n = case.world.node(&stop.ns)?;
    let translated =
        case.trip.request.hops.iter().any(|h| h.what.starts_with("translates the destination"));
    let services = case.world.nodes.iter().filter(|(ns, far)| {
        let bridge = |d: &crate::world::Dev| d.kind() == "bridge";
        let behind = far.addrs.iter().any(|a| {
            let on = |b: &ropewalk_facts::Addr| b.key.net.contains(&a.key.net.addr());
            n.addrs.iter().any(|b| on(b) && n.devs.get(&b.key.dev).is_some_and(bridge))
        });
        let serves = |l: &&ropewalk_facts::seen::Listener| {
            l.proto == stop.packet.proto && !l.addr.is_loopback()
        };
        **ns != stop.ns && behind && far.listeners.iter().filter(serves).count() > 0
    });
    if translated || services.count() != 1 {
        return None;
    }
    let mut found = Vec::new();
    missing(case, stop, 15, &mut found);
    let way = found.pop()?;
    let sentence = format!("{}; {}", nobody.sentence, way.sentence);
    Some(Candidate { sentence, fix: way.fix, change: way.change, ..nobody })
}

/// The service is bound to another link than the one that this comes in by.
fn bound(
    stop: &Stop,
    n: &Node,
    l: &Listener,
    shown: impl Fn(String) -> Vec<Evidence>,
) -> Option<Candidate> {
    let (p, name) = (&stop.packet, called(&stop.ns));
    let dev = n.devs.values().find(|d| d.seen.index == l.dev)?;
    let (own, into) = (dev.name(), stop.dev.as_ref()?);
    let sentence = format!(
        "the service in {name} is bound to the link {own}, and what is for {} comes in by {into}",
        p.dst
    );
    let fits = |ip: &IpAddr| ip.is_ipv6() == p.v6() && !edit::link_local(*ip);
    let near = n.addrs_of(own).map(|a| a.key.net.addr()).find(fits);
    let to = Some(l.addr).filter(|ip| !ip.is_unspecified()).or(near);
    let fix = to.map(|to| relay_by(stop, p.dst, to, l.port, Some(into))).unwrap_or_default();
    Some(plain("NO_LISTENER", name, sentence, shown(format!("{}%{own}", l.addr)), fix))
}

/// The service takes no more: those who wait fill its queue.
fn overflow(case: &Case<'_>, stop: &Stop, add: &mut Vec<Candidate>) {
    let (p, name) = (&stop.packet, called(&stop.ns));
    let Some(n) = case.world.node(&stop.ns) else { return };
    let full = n.listeners.iter().find_map(|l| {
        let (waiting, room) = l.backlog?;
        (l.proto == p.proto && l.port == p.dport && waiting > room).then_some((waiting, room))
    });
    let Some((waiting, room)) = full else { return };
    add.push(plain(
        "LISTEN_OVERFLOW",
        name,
        format!(
            "the service in {name} on TCP port {} does not take its connections: {waiting} wait, {room} may, and more are dropped",
            p.dport
        ),
        vec![evidence(
            &stop.ns,
            format!("TCP {}", p.dport),
            format!("{waiting} of {room} wait"),
            &format!("ss -Hlnt 'sport = :{}'", p.dport),
        )],
        beside(case, stop, n),
    ));
}

fn plain(
    code: &'static str,
    place: &str,
    sentence: String,
    evidence: Vec<Evidence>,
    fix: Vec<String>,
) -> Candidate {
    Candidate { code, place: place.to_owned(), sentence, evidence, fix, rank: 15, change: None }
}

/// What to do about a service, which is nobody's but its owner's to start: commands only stand in for it.
pub(crate) fn advice(code: &str, place: &str, fix: &[String]) -> Option<String> {
    let stands_in = fix.iter().any(|line| line.starts_with("setsid "));
    let said = match code {
        "NO_LISTENER" if fix.iter().any(|line| line.contains("SYSTEM:")) => {
            format!(
                "start what is to listen there, in {place}; the commands only try the way in its stead"
            )
        }
        "LISTEN_LOCALHOST" | "LISTEN_V6ONLY" | "NO_LISTENER" if stands_in => {
            format!(
                "let the service in {place} listen on that address; the commands stand in for it"
            )
        }
        "LISTEN_OVERFLOW" if stands_in => format!(
            "mend or restart the service in {place}; the commands lead what is new to a stand-in on another port"
        ),
        "LISTEN_OVERFLOW" => format!("mend or restart the service in {place}"),
        _ => return None,
    };
    Some(said)
}

/// What stands in for a service that is not there: it answers every line with `ok`.
fn serve(stop: &Stop) -> Vec<String> {
    stand_in(stop, stop.packet.dport)
}

fn stand_in(stop: &Stop, port: u16) -> Vec<String> {
    let p = &stop.packet;
    let line = match (p.proto, p.v6()) {
        (proto::TCP, false) => format!("TCP4-LISTEN:{port},fork,reuseaddr"),
        (proto::TCP, true) => format!("TCP6-LISTEN:{port},fork,reuseaddr"),
        (_, false) => format!("UDP4-RECVFROM:{port},fork"),
        (_, true) => format!("UDP6-RECVFROM:{port},fork"),
    };
    vec![
        format!(
            "setsid {} </dev/null >/dev/null 2>&1 &",
            within(&stop.ns, &format!("socat {line} SYSTEM:'echo ok'"))
        ),
        "sleep 0.3".to_owned(),
    ]
}

/// What takes new connections in place of a service whose queue is full: it is on another port, for the
/// port itself is the service's as long as that lives.
fn beside(case: &Case<'_>, stop: &Stop, n: &Node) -> Vec<String> {
    /// Where a port that nobody has is looked for.
    const FROM: u16 = 18_000;
    let p = &stop.packet;
    let free = |port: &u16| n.listeners.iter().all(|l| l.port != *port);
    let Some(port) = (FROM..).find(free) else { return Vec::new() };
    let tool = if p.v6() { "ip6tables" } else { "iptables" };
    let chain = if case.question.from() == stop.ns { "OUTPUT" } else { "PREROUTING" };
    let led = format!(
        "{tool} -t nat -I {chain} -d {} -p tcp --dport {} -j REDIRECT --to-ports {port}",
        p.dst, p.dport
    );
    let mut fix = stand_in(stop, port);
    fix.push(within(&stop.ns, &led));
    fix
}

/// A relay from the address that is asked for to the one that is listened on.
fn relay(stop: &Stop, at: IpAddr, to: IpAddr, port: u16) -> Vec<String> {
    relay_by(stop, at, to, port, None)
}

/// The same, for what comes in by one link.
fn relay_by(stop: &Stop, at: IpAddr, to: IpAddr, port: u16, dev: Option<&IfName>) -> Vec<String> {
    let name = if stop.packet.proto == proto::TCP { "TCP" } else { "UDP" };
    let (from, target) = (if at.is_ipv6() { 6 } else { 4 }, if to.is_ipv6() { 6 } else { 4 });
    let wrapped = if to.is_ipv6() {
        format!("[{}]", if to.is_unspecified() { "::1".to_owned() } else { to.to_string() })
    } else {
        to.to_string()
    };
    let bind = if at.is_ipv6() { format!("[{at}]") } else { at.to_string() };
    let bound = dev.map(|dev| format!("so-bindtodevice={dev},")).unwrap_or_default();
    let line = format!(
        "socat {name}{from}-LISTEN:{port},bind={bind},{bound}fork,reuseaddr {name}{target}:{wrapped}:{port}"
    );
    vec![
        format!("setsid {} </dev/null >/dev/null 2>&1 &", within(&stop.ns, &line)),
        "sleep 0.3".to_owned(),
    ]
}

/// True for a rule that translates destinations and looks at this port.
fn publishes(rule: &ropewalk_facts::nft::Rule, port: u16) -> bool {
    let translates = rule.exprs.iter().any(|e| match e {
        Expr::Nat { kind, .. } => *kind == NatKind::Dnat,
        Expr::Xt { target, name, .. } => *target && matches!(name.as_str(), "DNAT" | "REDIRECT"),
        Expr::Redir { .. } => true,
        _ => false,
    });
    let looks = rule.exprs.iter().any(|e| match e {
        Expr::Cmp { data, .. } => data.0 == port.to_be_bytes(),
        _ => false,
    });
    translates && looks
}

/// The port is published, but not for this protocol, address or sender.
fn published(case: &Case<'_>, stop: &Stop, n: &Node, add: &mut Vec<Candidate>) {
    let p = &stop.packet;
    if case.trip.request.hops.iter().any(|h| h.what.starts_with("translates the destination")) {
        return;
    }
    let rule = n
        .nft
        .chains
        .values()
        .find_map(|l| l.rules.iter().find(|r| publishes(r, p.dport)).map(|r| (l, r)));
    let Some((line, _)) = rule else { return missing(case, stop, 16, add) };
    if case.question.from() == stop.ns {
        let chain = &line.chain.key;
        let mut all = Vec::new();
        missing(case, stop, 5, &mut all);
        for mut c in all {
            c.code = "DNAT_NOT_FOR_LOCAL";
            c.sentence = format!(
                "port {} is published for what comes in, in {}, and not for programs of {} itself",
                p.dport,
                chain.chain,
                called(&stop.ns)
            );
            add.push(c);
        }
        return;
    }
    missing(case, stop, 5, add);
}

/// Leads the port to the namespace behind that listens.
fn missing(case: &Case<'_>, stop: &Stop, rank: u8, add: &mut Vec<Candidate>) {
    let (p, q) = (&stop.packet, case.question);
    let v6 = p.v6();
    let Some((ip, port)) = served(case.world, &q.from(), &stop.ns, p.proto, v6) else { return };
    let to = case.world.owners(ip).next().map_or(String::new(), |(ns, _)| called(ns).to_owned());
    let local = q.from() == stop.ns;
    let tool = if v6 { "ip6tables" } else { "iptables" };
    let chain = if local { "OUTPUT" } else { "PREROUTING" };
    let line = format!(
        "{tool} -t nat -A {chain} -d {} -p {} --dport {} -j DNAT --to-destination {}",
        p.dst,
        q.proto,
        p.dport,
        edit::socket(ip, port)
    );
    let (at, from) = (stop.ns.clone(), (p.dst, p.proto, p.dport));
    add.push(Candidate {
        code: "DNAT_MISSING",
        place: called(&stop.ns).to_owned(),
        sentence: format!(
            "nothing publishes {} port {} of {} to {to}, where the service is",
            q.proto,
            p.dport,
            called(&stop.ns)
        ),
        evidence: vec![evidence(&stop.ns, "nat", "no rule for it", "nft list ruleset")],
        fix: vec![within(&stop.ns, &line)],
        rank,
        change: Some(Box::new(move |w: &mut World| {
            edit::node(w, &at, |n| edit::dnat(n, from, (ip, port), local));
        })),
    });
}
