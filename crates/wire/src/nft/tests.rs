#![expect(clippy::unwrap_used, reason = "tests")]

use proptest::prelude::*;
use ropewalk_facts::nft::{
    Bytes, CmpOp, Expr, Family, FibFlags, FibResult, MetaKey, NatKind, Payload, Reg, Rule, RuleKey,
    Set, SetFlags, TableKey, Verdict, VerdictCode,
};

use super::*;
use crate::nl::{Message, Writer, attrs};

fn bytes(b: &[u8]) -> Bytes {
    Bytes(b.to_vec())
}

/// One of each kind, in registers that begin at and within 16 bytes.
fn exprs() -> Vec<Expr> {
    let (a, b) = (Reg(0), Reg(5));
    let verdict = |code, chain: Option<&str>| {
        Expr::Verdict(Verdict { code, chain: chain.map(str::to_owned) })
    };
    vec![
        Expr::Meta { key: MetaKey::MARK, dreg: a },
        Expr::MetaSet { key: MetaKey::MARK, sreg: b },
        Expr::Payload { what: Payload { base: 1, offset: 12, len: 4 }, dreg: b },
        Expr::Ct { key: 2, dir: None, dreg: Reg(4) },
        Expr::Ct { key: 8, dir: Some(1), dreg: a },
        Expr::Ct { key: 8, dir: Some(0), dreg: a },
        Expr::CtSet { key: 3, sreg: Reg(15) },
        Expr::Cmp { sreg: a, op: CmpOp::Gte, data: bytes(&[224, 0, 0, 0]) },
        Expr::Range { sreg: a, invert: true, from: bytes(&[0, 1]), to: bytes(&[0, 9]) },
        Expr::Bitwise { sreg: a, dreg: b, mask: bytes(&[1, 0]), xor: bytes(&[0, 0]) },
        Expr::Byteorder { sreg: a, dreg: a, to_host: false, len: 4, size: 4 },
        Expr::Lookup { set: "s".into(), sreg: a, dreg: None, map: false, invert: true },
        Expr::Lookup { set: "m".into(), sreg: a, dreg: Some(b), map: true, invert: false },
        Expr::Lookup { set: "v".into(), sreg: b, dreg: None, map: true, invert: false },
        Expr::Immediate { dreg: a, data: bytes(&[10, 0, 0, 1]) },
        Expr::Nat {
            kind: NatKind::Dnat,
            family: Family::Ip6,
            addr: Some(a),
            proto: Some(Reg(4)),
            flags: 4,
        },
        Expr::Masq { flags: 0, proto: None },
        Expr::Redir { flags: 0, proto: Some(a) },
        Expr::Fib { flags: FibFlags(2), result: FibResult::AddrType, dreg: a },
        Expr::Counter { packets: 1, bytes: 2 },
        Expr::Reject { kind: 0, code: Some(0) },
        Expr::Reject { kind: 1, code: None },
        Expr::Notrack,
        Expr::Rt { key: 1, dreg: b },
        Expr::Limit { rate: 32, unit: 1, burst: 128, over: true },
        Expr::Connlimit { count: 9, over: false },
        Expr::Dynset { set: "s".into(), sreg: a, update: true, with: None },
        Expr::Dynset {
            set: "s".into(),
            sreg: a,
            update: false,
            with: Some(Box::new(Expr::Connlimit { count: 9, over: true })),
        },
        Expr::Xt { target: true, name: "DNAT".into(), rev: 2, data: bytes(&[1, 2, 3]) },
        Expr::Xt { target: false, name: "comment".into(), rev: 0, data: bytes(&[4; 8]) },
        Expr::Opaque { name: "limit".into(), data: bytes(&[8, 0, 9, 0, 1, 2, 3, 4]) },
        verdict(VerdictCode::Jump, Some("c")),
        verdict(VerdictCode::Other(77), None),
        verdict(VerdictCode::Drop, None),
    ]
}

fn chain_key() -> ChainKey {
    TableKey::new(Family::Inet, "t").chain("c")
}

/// A rule of all of them, as the kernel says it: with a handle.
fn rule_message() -> (Rule, u16, Vec<u8>) {
    let key = RuleKey { chain: chain_key(), tag: "all of them".into() };
    let rule = Rule { key, exprs: exprs(), at: Some(0) };
    let request = rule::new(&rule, rule::Place::End).unwrap();
    let mut w = Writer::with(&request.body);
    w.be64(NFTA_RULE_HANDLE, 7);
    (rule, request.kind, w.finish().unwrap())
}

fn read_all(messages: &[(u16, &[u8])]) -> (Vec<Body>, Ruleset) {
    let mut reader = Reader::new();
    for (kind, body) in messages {
        reader.take(&Message { kind: *kind, flags: 0, seq: 0, pid: 0, body });
    }
    reader.done()
}

#[test]
fn every_expression_is_read_as_it_was_written() {
    let (rule, kind, body) = rule_message();
    let (facts, ruleset) = read_all(&[(kind, &body)]);
    assert_eq!(ruleset.handle(&rule.key), Some(7));
    assert_eq!(facts, [Body::NftRule(rule)]);
}

#[test]
fn an_attribute_too_many_makes_an_expression_opaque() {
    let list = |data: &dyn Fn(&mut Writer)| {
        let mut w = Writer::default();
        w.nest(NFTA_LIST_ELEM, |w| {
            w.text(NFTA_EXPR_NAME, "masq");
            w.nest(NFTA_EXPR_DATA, |w| data(w));
        });
        let body = w.finish().unwrap();
        expr::read(&attrs(&body).next().unwrap()).unwrap()
    };
    let known = list(&|w| w.be32(99, 0));
    assert_eq!(known, Expr::Masq { flags: 0, proto: None });
    let opaque = list(&|w| w.be32(99, 1));
    assert_eq!(
        opaque,
        Expr::Opaque { name: "masq".into(), data: bytes(&[8, 0, 99, 0, 0, 0, 0, 1]) }
    );
    let range = list(&|w| {
        w.be32(NFTA_MASQ_REG_PROTO_MIN, 1);
        w.be32(NFTA_MASQ_REG_PROTO_MAX, 2);
    });
    assert!(matches!(range, Expr::Opaque { .. }), "{range:?}");
    let nowhere = list(&|w| w.be32(NFTA_MASQ_REG_PROTO_MIN, 5));
    assert!(matches!(nowhere, Expr::Opaque { .. }), "{nowhere:?}");
}

fn set(keys: &[&str], values: &[&str], interval: bool) -> Set {
    let names = |types: &[&str]| types.iter().map(ToString::to_string).collect();
    Set {
        key: TableKey::new(Family::Inet, "t").set("s"),
        key_types: names(keys),
        value_types: names(values),
        flags: SetFlags { interval, ..SetFlags::default() },
        timeout_ms: 0,
    }
}

/// Recorded from nft 1.0.6: flags, type and length of keys and of values, notes.
#[test]
fn sets_are_written_as_nft_writes_them() {
    let cases = [
        (set(&["ipv4_addr"], &[], true), "00000004 00000007 00000004", "000402000000"),
        (
            set(&["ipv4_addr", "ipv4_addr"], &[], true),
            "00000084 000001c7 00000008",
            "000400000000030800040d0000000100",
        ),
        (
            set(&["ipv4_addr"], &["ipv4_addr"], true),
            "0000000c 00000007 00000004 00000007 00000004",
            "000402000000010402000000060400000000",
        ),
        (
            set(&["inet_proto", "inet_service"], &["ipv6_addr", "inet_service"], false),
            "00000008 0000030d 00000008 0000020d 00000014",
            "000400000000010400000000030800040d0000000100040800040d0000000100060400000000",
        ),
        (
            set(&["ifname", "mark"], &["verdict"], false),
            "00000008 00000a53 00000014 ffffff00 00000000",
            "000400000000010400000000030800040d0000000100060400000000",
        ),
    ];
    for (set, numbers, notes) in cases {
        let request = set::new(&set, 0).unwrap();
        let list = attrs(request.body.get(4..).unwrap());
        let number = |kind| list.clone().first(kind).and_then(|a| a.be32());
        let kinds = NFTA_SET_FLAGS..=NFTA_SET_DATA_LEN;
        let found: Vec<_> = kinds.filter_map(number).map(|n| format!("{n:08x}")).collect();
        assert_eq!(found.join(" "), numbers);
        let found = bytes(list.clone().first(NFTA_SET_USERDATA).unwrap().data);
        assert_eq!(found.to_string(), notes);
        let fields = list.clone().first(NFTA_SET_DESC).is_some();
        assert_eq!(fields, set.flags.interval && set.key_types.len() > 1);
        assert_eq!(read_all(&[(request.kind, &request.body)]).0, [Body::Set(set)]);
    }
    let unknown = set::new(&set(&["?63"], &[], false), 0);
    assert_eq!(unknown, Err(Error::UnknownType("?63".into())));
}

#[test]
fn what_is_needed_and_not_known_is_an_error() {
    let mut ruleset = Ruleset::new();
    let set = TableKey::new(Family::Inet, "t").set("s");
    let element = ropewalk_facts::nft::ElementKey { set: set.clone(), key: bytes(&[0]), end: None };
    assert_eq!(delete(&Id::Element(element), &mut ruleset), Err(Error::NoSet(Box::new(set))));
    let rule = RuleKey { chain: chain_key(), tag: "x".into() };
    let id = Id::NftRule(rule.clone());
    assert_eq!(delete(&id, &mut ruleset), Err(Error::NoHandle(Box::new(rule))));
    assert_eq!(read(&Id::Netns("a".into()), &ruleset), Err(Error::Foreign));
}

#[test]
fn no_prefix_of_a_message_panics() {
    let (_, kind, body) = rule_message();
    for end in 0..body.len() {
        read_all(&[(kind, body.get(..end).unwrap())]);
    }
}

proptest! {
    #[test]
    fn a_changed_byte_does_not_panic(at: prop::sample::Index, byte: u8) {
        let (_, kind, mut body) = rule_message();
        let at = at.index(body.len());
        *body.get_mut(at).unwrap() = byte;
        read_all(&[(kind, &body)]);
    }

    #[test]
    fn random_bytes_do_not_panic(
        kind in 0u16..25,
        mut body in prop::collection::vec(any::<u8>(), 0..120),
        family in 0u8..12,
    ) {
        if let Some(first) = body.first_mut() {
            *first = family;
        }
        read_all(&[(NFNL_SUBSYS_NFTABLES << 8 | kind, &body)]);
    }

    /// Attributes in place, their values by chance: elements come in any order, without ends.
    #[test]
    fn random_elements_do_not_panic(
        keys in prop::collection::vec((prop::collection::vec(any::<u8>(), 0..3), 0u32..4), 0..8),
        interval: bool,
    ) {
        let set = set(&["inet_service"], &[], interval);
        let mut w = Writer::with(&[1, 0, 0, 0]);
        w.text(NFTA_SET_ELEM_LIST_TABLE, "t");
        w.text(NFTA_SET_ELEM_LIST_SET, "s");
        w.nest(NFTA_SET_ELEM_LIST_ELEMENTS, |w| {
            for (key, flags) in &keys {
                w.nest(NFTA_LIST_ELEM, |w| {
                    value::put_data(w, NFTA_SET_ELEM_KEY, &bytes(key));
                    w.be32(NFTA_SET_ELEM_FLAGS, *flags);
                });
            }
        });
        let head = set::new(&set, 0).unwrap();
        let body = w.finish().unwrap();
        let kind = NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_NEWSETELEM;
        let (facts, _) = read_all(&[(head.kind, &head.body), (kind, &body)]);
        prop_assert!(facts.len() <= keys.len() + 1);
    }
}
