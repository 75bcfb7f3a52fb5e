//! Rules run on a packet, one symptom a test; what they do altogether is compared with the kernel by
//! `cargo xtask fuzz-walk`.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use ropewalk_facts::nft::{
    Base, Bytes, Chain, CmpOp, Expr, Family, FibFlags, FibResult, NatKind, Payload, Reg, Rule,
    RuleKey, TableKey, Verdict, VerdictCode,
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
