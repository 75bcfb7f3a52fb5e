//! Rules run on a packet, one symptom a test; what they do altogether is compared with the kernel by
//! `cargo xtask fuzz-walk`.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use ropewalk_facts::nft::{
    Base, Bytes, Chain, CmpOp, Expr, Family, FibFlags, FibResult, NatKind, Payload, Reg, Rule,
    RuleKey, Table, TableKey, Verdict, VerdictCode,
};
use ropewalk_facts::seen::{Device, Tuple};
use ropewalk_facts::{Body, IfName, Link, LinkKind};

use super::eval::{Decision, Env, Outcome, Track, run};
use super::ruleset::{Hook, Ruleset};
use crate::packet::Packet;
use crate::world::{Dev, Node};

fn does(code: VerdictCode, to: Option<&str>) -> Expr {
    Expr::Verdict(Verdict { code, chain: to.map(str::to_owned) })
}

fn opaque(name: &str) -> Expr {
    Expr::Opaque { name: name.to_owned(), data: Bytes::default() }
}

fn payload(base: u32, offset: u32, len: u32) -> Expr {
    Expr::Payload { what: Payload { base, offset, len }, dreg: Reg(0) }
}

fn is(bytes: &[u8]) -> Expr {
    Expr::Cmp { sreg: Reg(0), op: CmpOp::Eq, data: Bytes(bytes.to_vec()) }
}

fn hook(name: &str, kind: &str, hook: u32) -> Body {
    let base = Base { kind: kind.to_owned(), hook, priority: 0, drop: false, devs: Vec::new() };
    let key = TableKey::new(Family::Inet, "t").chain(name);
    Body::Chain(Chain { key, base: Some(base) })
}

/// A ruleset with a chain `base` at the hook input, and rules in chains.
fn rules(rules: &[(&str, Vec<Expr>)]) -> Node {
    let table = TableKey::new(Family::Inet, "t");
    let mut node = Node::default();
    node.nft.take(&hook("base", "filter", 1));
    for (at, (chain, exprs)) in (0..).zip(rules) {
        let key = RuleKey { chain: table.chain(*chain), tag: format!("#{at}") };
        node.nft.take(&Body::NftRule(Rule { key, exprs: exprs.clone(), at: Some(at) }));
    }
    node.nft.arrange();
    node
}

fn packet(src: &str, dst: &str, proto: u8) -> Packet {
    let (src, dst) = (src.parse().unwrap(), dst.parse().unwrap());
    Packet::new(Tuple { src, dst, proto, sport: 40_000, dport: 80 }, 60)
}

fn shown(node: &Node, packet: &Packet, track: Option<&Track>, iif: Option<&IfName>) -> Outcome {
    let (none, filled): (Option<&IfName>, &[_]) = (None, &[]);
    let env = Env {
        node,
        hook: Hook::Input,
        iif,
        oif: none,
        bridge_in: none,
        bridge_out: none,
        track,
        untracked: false,
        filled,
    };
    run(&env, &node.nft.chains[&TableKey::new(Family::Inet, "t").chain("base")], packet)
}

fn plain(node: &Node) -> (Decision, Vec<String>) {
    let outcome = shown(node, &packet("10.0.0.1", "10.0.0.2", 6), None, None);
    (outcome.end.decision, outcome.doubts.into_iter().map(|d| d.what).collect())
}

#[test]
fn an_unknown_that_only_another_unknown_leads_to_is_a_doubt() {
    let node = rules(&[
        ("base", vec![opaque("numgen"), is(&[0; 4]), does(VerdictCode::Jump, Some("more"))]),
        ("more", vec![opaque("numgen"), is(&[1; 4]), does(VerdictCode::Drop, None)]),
    ]);
    assert_eq!(plain(&node), (Decision::Accept, vec!["cmp".to_owned(), "cmp".to_owned()]));
}

#[test]
fn an_expression_of_a_newer_nft_is_a_doubt_and_no_match() {
    let node = rules(&[("base", vec![opaque("frobnicate"), does(VerdictCode::Drop, None)])]);
    assert_eq!(plain(&node), (Decision::Accept, vec!["frobnicate".to_owned()]));
    // One that nothing hangs on is none.
    let node = rules(&[("base", vec![opaque("frobnicate"), does(VerdictCode::Accept, None)])]);
    assert_eq!(plain(&node), (Decision::Accept, Vec::new()));
}

#[test]
fn more_unknowns_than_can_be_tried_are_a_doubt() {
    let one = || ("base", vec![opaque("numgen"), is(&[0; 4]), does(VerdictCode::Continue, None)]);
    let mut all: Vec<_> = (0..20).map(|_| one()).collect();
    all.push(("base", vec![opaque("numgen"), is(&[0; 4]), does(VerdictCode::Drop, None)]));
    assert_eq!(plain(&rules(&all)).1.len(), 21);
}

#[test]
fn a_packet_that_a_program_decides_about_is_a_doubt() {
    let node = rules(&[("base", vec![does(VerdictCode::Queue, None)])]);
    assert_eq!(plain(&node), (Decision::Queue, vec!["queue".to_owned()]));
}

#[test]
fn what_the_senders_kernel_makes_up_is_not_known() {
    let drops = |load: Expr, len: usize| {
        plain(&rules(&[("base", vec![load, is(&vec![0; len]), does(VerdictCode::Drop, None)])]))
    };
    // The number and the checksum of the header of IPv4; sequence, window, checksum of TCP.
    for (base, offset, len) in [(1, 4, 2), (1, 10, 2), (2, 4, 4), (2, 14, 2), (2, 16, 2)] {
        let size = usize::try_from(len).unwrap();
        assert_eq!(drops(payload(base, offset, len), size).1, ["cmp"], "{base} {offset}");
    }
    assert_eq!(drops(payload(1, 1, 1), 1), (Decision::Drop, Vec::new()));
}

#[test]
fn a_translation_to_the_other_family_does_nothing() {
    let nat = Expr::Nat {
        kind: NatKind::Dnat,
        family: Family::Ip6,
        addr: Some(Reg(0)),
        proto: None,
        flags: 0,
    };
    let node = rules(&[("base", vec![nat]), ("base", vec![does(VerdictCode::Drop, None)])]);
    assert_eq!(plain(&node).0, Decision::Drop);
    let v6 = shown(&node, &packet("fd00::1", "fd00::2", 6), None, None);
    assert_eq!(v6.end.decision, Decision::Accept);
    assert!(!node.nft.tracks(false) && node.nft.tracks(true));
}

#[test]
fn a_translation_to_one_of_several_ports_is_a_doubt() {
    let node = rules(&[("base", vec![opaque("nat")])]);
    assert_eq!(plain(&node), (Decision::Accept, vec!["nat".to_owned()]));
    assert!(node.nft.tracks(false));
}

#[test]
fn connections_are_tracked_only_where_a_rule_asks_or_translates() {
    let mut nft = Ruleset::default();
    nft.take(&hook("base", "nat", 0));
    assert!(!nft.tracks(false), "a chain alone");
    let masq = Expr::Masq { flags: 0, proto: None };
    assert!(rules(&[("base", vec![masq])]).nft.tracks(false));
}

#[test]
fn who_is_tracked_stays_tracked() {
    let node = rules(&[("base", vec![Expr::Notrack])]);
    let packet = packet("10.0.0.1", "10.0.0.2", 6);
    let track = Track {
        orig: packet.tuple(),
        reply_tuple: packet.tuple().reversed(),
        reply: false,
        established: false,
        related: false,
        mark: 0,
    };
    assert!(!shown(&node, &packet, Some(&track), None).notrack);
    assert!(shown(&node, &packet, None, None).notrack);
}

#[test]
fn of_chains_of_one_priority_the_last_that_was_made_comes_first() {
    let mut nft = Ruleset::default();
    for name in ["a", "b", "c"] {
        nft.take(&hook(name, "filter", 1));
    }
    let order = |nft: &Ruleset| {
        let all = nft.hooked(&[Family::Inet], Hook::Input, None);
        all.iter().map(|line| line.chain.key.chain.clone()).collect::<Vec<_>>()
    };
    let table = TableKey::new(Family::Inet, "t");
    nft.made = ["b", "c", "a"].map(|name| table.chain(name)).to_vec();
    assert_eq!(order(&nft), ["a", "c", "b"]);
}

#[test]
fn what_comes_in_from_itself_has_a_way_back() {
    let lo = IfName::new("lo").unwrap();
    let result = FibResult::OifName;
    let fib = Expr::Fib { flags: FibFlags(9), result, dreg: Reg(0) };
    let mut name = b"lo".to_vec();
    name.resize(16, 0);
    let mut node = rules(&[("base", vec![fib, is(&name), does(VerdictCode::Drop, None)])]);
    let link = Link::up(lo.clone(), LinkKind::Loopback);
    let seen = Device { flags: 8, ..Device::default() };
    node.devs.insert(lo.clone(), Dev { link, seen });
    let packet = packet("10.0.0.1", "10.0.0.2", 6);
    assert_eq!(shown(&node, &packet, None, Some(&lo)).end.decision, Decision::Drop);
    assert_eq!(shown(&node, &packet, None, None).end.decision, Decision::Accept);
}

/// A ruleset of one base chain at the hook forward of a family, and what it makes of a packet.
fn forwarded(
    family: Family,
    exprs: Vec<Expr>,
    packet: &Packet,
    settings: &[(&str, &str)],
) -> Outcome {
    let key = TableKey::new(family, "t").chain("base");
    let base = Base { kind: "filter".into(), hook: 2, priority: 0, drop: false, devs: Vec::new() };
    let mut node = Node::default();
    node.nft.take(&Body::Chain(Chain { key: key.clone(), base: Some(base) }));
    let rule = RuleKey { chain: key.clone(), tag: "#1".into() };
    node.nft.take(&Body::NftRule(Rule { key: rule, exprs, at: Some(0) }));
    node.settings.extend(settings.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())));
    let orig = packet.tuple();
    let track = Track {
        orig,
        reply_tuple: orig.reversed(),
        reply: true,
        established: true,
        related: false,
        mark: 9,
    };
    let env = Env {
        node: &node,
        hook: Hook::Forward,
        iif: None,
        oif: None,
        bridge_in: None,
        bridge_out: None,
        track: Some(&track),
        untracked: false,
        filled: &[],
    };
    run(&env, &node.nft.chains[&key], packet)
}

fn xt(target: bool, name: &str, rev: u32, data: &[u8]) -> Expr {
    Expr::Xt { target, name: name.to_owned(), rev, data: Bytes(data.to_vec()) }
}

/// Bytes with others in their places.
fn bytes(len: usize, parts: &[(usize, &[u8])]) -> Vec<u8> {
    let mut all = vec![0; len];
    parts.iter().for_each(|(at, part)| all[*at..*at + part.len()].copy_from_slice(part));
    all
}

#[test]
fn a_member_of_a_bridge_that_physdev_asks_for_is_found() {
    let whole: &[u8] = &[0xff; 4];
    let asks = |name: &[u8]| {
        let data = bytes(72, &[(0, name), (16, whole), (32, b"vc2\0"), (48, whole), (65, &[3])]);
        vec![xt(false, "physdev", 0, &data), does(VerdictCode::Drop, None)]
    };
    let mut p = packet("10.0.0.1", "10.0.0.2", 6);
    let [vc1, vc2] = ["vc1", "vc2"].map(|name| Some(IfName::new(name).unwrap()));
    (p.physin, p.physout) = (vc1, vc2);
    for (name, decision) in [(b"vc1\0", Decision::Drop), (b"vc9\0", Decision::Accept)] {
        let outcome = forwarded(Family::Ip, asks(name), &p, &[]);
        assert_eq!((outcome.end.decision, outcome.doubts), (decision, Vec::new()));
    }
}

#[test]
fn the_mark_of_a_connection_is_restored_to_its_packets() {
    let ones: &[u8] = &[0xff; 4];
    // Revision 2 has the mode behind two numbers of a shift, revision 1 before.
    for (rev, mode) in [(1, 12), (2, 14)] {
        let data = bytes(16, &[(4, ones), (8, ones), (mode, &[2])]);
        let rules = vec![xt(true, "CONNMARK", rev, &data)];
        let outcome = forwarded(Family::Ip, rules, &packet("10.0.0.1", "10.0.0.2", 6), &[]);
        assert_eq!((outcome.mark, outcome.ct_mark), (9, None), "revision {rev}");
    }
}

#[test]
fn a_packet_without_a_connection_has_no_mark_of_one() {
    let data = bytes(12, &[(4, &[0xff; 4])]);
    let node =
        rules(&[("base", vec![xt(false, "connmark", 1, &data), does(VerdictCode::Drop, None)])]);
    assert_eq!(plain(&node), (Decision::Accept, Vec::new()));
}

#[test]
fn what_ebtables_asks_of_a_packet_of_ip_is_understood() {
    let asks = |proto: u8, invert: u8| {
        let data = bytes(28, &[(4, &[10, 0, 0, 2]), (12, &[255; 4]), (17, &[proto, 10, invert])]);
        vec![xt(false, "ip", 0, &data), does(VerdictCode::Drop, None)]
    };
    let p = packet("10.0.0.1", "10.0.0.2", 6);
    for (proto, invert, decision) in [
        (6, 0, Decision::Drop),
        (17, 0, Decision::Accept),
        (17, 8, Decision::Drop),
        (6, 2, Decision::Accept),
    ] {
        let outcome = forwarded(Family::Bridge, asks(proto, invert), &p, &[]);
        assert_eq!((outcome.end.decision, outcome.doubts), (decision, Vec::new()), "{proto}");
    }
}

#[test]
fn ports_and_types_that_ebtables_asks_for_lie_as_it_writes_them() {
    // As ebtables-nft 1.8.9 leaves them: `--ip-proto tcp --ip-dport 80`, `--ip-proto icmp --ip-icmp-type 8/3`.
    let port = |number: u16| {
        let number = number.to_ne_bytes();
        bytes(32, &[(17, &[6, 0x28, 0]), (24, &number), (26, &number)])
    };
    let types = bytes(32, &[(17, &[1, 0x48, 0]), (20, &[8, 8]), (24, &[3, 3])]);
    let mut icmp = packet("10.0.0.1", "10.0.0.2", 1);
    icmp.icmp = (8, 3);
    let mut other = icmp.clone();
    other.icmp = (8, 0);
    let tcp = packet("10.0.0.1", "10.0.0.2", 6);
    for (data, p, decision) in [
        (port(80), &tcp, Decision::Drop),
        (port(81), &tcp, Decision::Accept),
        (types.clone(), &icmp, Decision::Drop),
        (types, &other, Decision::Accept),
    ] {
        let exprs = vec![xt(false, "ip", 0, &data), does(VerdictCode::Drop, None)];
        let outcome = forwarded(Family::Bridge, exprs, p, &[]);
        assert_eq!((outcome.end.decision, outcome.doubts), (decision, Vec::new()), "{data:?}");
    }
}

#[test]
fn a_queue_that_no_program_has_asked_for_drops() {
    let queue = |flags: u8| vec![xt(true, "NFQUEUE", 3, &[3, 0, 1, 0, flags, 0, 0, 0])];
    let p = packet("10.0.0.1", "10.0.0.2", 6);
    let ends = |flags, asked: &[(&str, &str)]| {
        let outcome = forwarded(Family::Ip, queue(flags), &p, asked);
        (outcome.end.decision, outcome.doubts.len())
    };
    assert_eq!(ends(0, &[("nfnetlink_queue", "0 4")]), (Decision::Drop, 0));
    assert_eq!(ends(1, &[("nfnetlink_queue", "")]), (Decision::Accept, 0));
    assert_eq!(ends(0, &[("nfnetlink_queue", "3")]), (Decision::Queue, 1));
    assert_eq!(ends(0, &[]), (Decision::Queue, 1), "not read");
}

#[test]
fn who_is_on_a_list_of_recent_sources_is_known() {
    let data = bytes(216, &[(8, &[1]), (10, b"bad")]);
    let rules = || vec![xt(false, "recent", 0, &data), does(VerdictCode::Drop, None)];
    let p = packet("10.0.0.1", "10.0.0.2", 6);
    for (list, decision) in [("10.0.0.9 10.0.0.1", Decision::Drop), ("10.0.0.9", Decision::Accept)]
    {
        let outcome = forwarded(Family::Ip, rules(), &p, &[("xt_recent/bad", list)]);
        assert_eq!((outcome.end.decision, outcome.doubts), (decision, Vec::new()));
    }
}

#[test]
fn a_mark_of_the_connection_that_a_rule_before_has_set_is_seen() {
    let mark = Expr::Ct { key: 3, dir: None, dreg: Reg(0) };
    let set = [Expr::Immediate { dreg: Reg(0), data: Bytes(vec![1, 0, 0, 0]) }];
    let set = [&set[..], &[Expr::CtSet { key: 3, sreg: Reg(0) }]].concat();
    let asks = vec![mark, is(&[1, 0, 0, 0]), does(VerdictCode::Drop, None)];
    let exprs = [set, asks].concat();
    let outcome = forwarded(Family::Ip, exprs, &packet("10.0.0.1", "10.0.0.2", 17), &[]);
    assert_eq!((outcome.end.decision, outcome.doubts), (Decision::Drop, Vec::new()));
}

#[test]
fn an_address_of_ipv4_is_none_of_a_connection_of_ipv6() {
    let src = Expr::Ct { key: 19, dir: Some(0), dreg: Reg(0) };
    let other = Expr::Cmp { sreg: Reg(0), op: CmpOp::Neq, data: Bytes(vec![10, 1, 0, 1]) };
    let exprs = || vec![src.clone(), other.clone(), does(VerdictCode::Drop, None)];
    for (from, to, decision) in
        [("fd00::1", "fd00::2", Decision::Accept), ("10.0.0.1", "10.0.0.2", Decision::Drop)]
    {
        let outcome = forwarded(Family::Inet, exprs(), &packet(from, to, 17), &[]);
        assert_eq!(outcome.end.decision, decision, "{from}");
    }
}

#[test]
fn the_length_of_a_packet_of_tcp_hangs_on_its_options() {
    let asks = |from: u16, to: u16| {
        let data = [from.to_ne_bytes(), to.to_ne_bytes(), [0, 0], [0, 0]].concat();
        vec![xt(false, "length", 0, &data), does(VerdictCode::Drop, None)]
    };
    let ends = |proto, from, to| {
        let p = packet("10.0.0.1", "10.0.0.2", proto);
        let outcome = forwarded(Family::Ip, asks(from, to), &p, &[]);
        (outcome.end.decision, outcome.doubts.len())
    };
    assert_eq!(ends(17, 60, 60), (Decision::Drop, 0));
    assert_eq!(ends(6, 0, 1500), (Decision::Drop, 0));
    assert_eq!(ends(6, 200, 1500), (Decision::Accept, 0));
    assert_eq!(ends(6, 60, 60), (Decision::Accept, 1));
}

#[test]
fn chains_that_translate_stand_where_the_first_of_them_was_put() {
    let chain = |family, name: &str, kind: &str, priority| {
        let base = Base { kind: kind.into(), hook: 3, priority, drop: false, devs: Vec::new() };
        let key = TableKey::new(family, "t").chain(name);
        Chain { key, base: Some(base) }
    };
    let all = [
        chain(Family::Inet, "filter", "filter", -100),
        chain(Family::Ip, "nat", "nat", -100),
        chain(Family::Inet, "late", "filter", -100),
    ];
    let mut rules =
        Ruleset { made: all.iter().map(|c| c.key.clone()).collect(), ..Default::default() };
    all.iter().for_each(|chain| rules.take(&Body::Chain(chain.clone())));
    let lines = rules.hooked(super::families(false), Hook::Output, None);
    let names: Vec<_> = lines.iter().map(|line| line.chain.key.chain.as_str()).collect();
    assert_eq!(names, ["late", "nat", "filter"]);
    // One of a table that sleeps stands nowhere (`nf_tables_table_disable`).
    let idle = TableKey::new(Family::Ip, "idle");
    let base = Base { kind: "nat".into(), hook: 3, priority: 0, drop: false, devs: Vec::new() };
    rules.take(&Body::Table(Table { key: idle.clone(), dormant: true }));
    rules.take(&Body::Chain(Chain { key: idle.chain("asleep"), base: Some(base) }));
    rules.made.insert(0, idle.chain("asleep"));
    let lines = rules.hooked(super::families(false), Hook::Output, None);
    let names: Vec<_> = lines.iter().map(|line| line.chain.key.chain.as_str()).collect();
    assert_eq!(names, ["late", "nat", "filter"]);
    // The first of any hook puts them at all hooks.
    let base = Base { kind: "nat".into(), hook: 0, priority: 0, drop: false, devs: Vec::new() };
    let first = TableKey::new(Family::Ip, "t").chain("first");
    rules.take(&Body::Chain(Chain { key: first.clone(), base: Some(base) }));
    rules.made.insert(0, first);
    let lines = rules.hooked(super::families(false), Hook::Output, None);
    let names: Vec<_> = lines.iter().map(|line| line.chain.key.chain.as_str()).collect();
    assert_eq!(names, ["late", "filter", "nat"]);
}
