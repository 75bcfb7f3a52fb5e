//! nf_tables: every kind of object made, read back and removed; transactions; what is missing.

use std::net::SocketAddr;

use ropewalk_facts::nft::{
    Bytes, Chain, Element, ElementKey, Expr, Family, Rule, RuleKey, Set, SetFlags, SetKey, Table,
    TableKey, Value, Verdict, VerdictCode,
};
use ropewalk_facts::{Body, Fact, Id, Key, Ns};
use ropewalk_kernel::{Errno, Error};
use ropewalk_topology::firewall;
use serde_json::Value as Json;

use crate::laws::plan_of;
use crate::space::{Host, alter, create, delete, red, same};

const HOST: Ns = Ns::HOST;

/// ropewalk's own rule set on the host.
fn furnished() -> Host {
    let mut host = Host::new();
    let changes: Vec<_> = firewall::facts().into_iter().map(|body| create(&HOST, body)).collect();
    host.run(&changes);
    host
}

/// Port 8080 of the host, published by TCP.
fn published(to: &str) -> Body {
    firewall::publish(6, None, 8080, to.parse::<SocketAddr>().unwrap()).unwrap()
}

fn objects(host: &Host) -> Vec<Json> {
    let all: Json = serde_json::from_str(&host.net.sh("nft -j list ruleset")).unwrap();
    all["nftables"].as_array().unwrap().clone()
}

#[test]
fn our_rule_set_obeys_the_laws_and_nft_reads_it() {
    let mut host = Host::new();
    let all = firewall::facts();
    let steps = all.iter().map(|b| ropewalk_plan::Step::Ensure(b.clone().at(HOST)));
    host.obey(&plan_of(steps));
    assert_eq!(objects(&host).len(), 1);
    let host = furnished();
    let found = objects(&host);
    let of = |kind: &str| found.iter().filter(|o| o.get(kind).is_some()).count();
    let count = |pick: fn(&Body) -> bool| all.iter().filter(|b| pick(b)).count();
    assert_eq!(of("table"), firewall::tables().count());
    assert_eq!(of("chain"), count(|b| b.as_chain().is_some()));
    assert_eq!(of("rule"), count(|b| b.as_nft_rule().is_some()));
    assert_eq!(of("set") + of("map"), count(|b| b.as_set().is_some()));
}

#[test]
fn our_rule_set_is_read_back_as_it_was_stated() {
    let mut host = furnished();
    let all = host.all();
    for body in firewall::facts() {
        let wish = body.at(HOST);
        let found = all.fact(&wish.key()).unwrap_or_else(|| panic!("{wish:?}"));
        assert!(ropewalk_plan::holds(&wish, found), "{wish:?}\nis {found:?}");
    }
    let keys: Vec<Key> = firewall::facts().into_iter().map(|b| b.id().at(HOST)).collect();
    let again = host.kernel.read_keys(&keys).unwrap();
    assert_eq!(again.len(), keys.len());
    for fact in &again {
        assert_eq!(all.fact(&fact.key()), Some(fact));
    }
}

#[test]
fn neighbours_in_a_set_of_ranges_are_told_apart_in_whatever_order_they_came() {
    let mut host = furnished();
    // Each begins where the one before it ends; the shape of the tree follows from the order.
    let ip = |n: u32| format!("10.22.0.{}/32", 2 + n * 37 % 101).parse().unwrap();
    let all: Vec<Body> = (0..101).map(|n| firewall::masquerade(ip(n))).collect();
    host.run(&all.iter().map(|body| create(&HOST, body.clone())).collect::<Vec<_>>());
    for body in &all {
        let key = body.id().at(HOST);
        let found = host.kernel.read_keys(std::slice::from_ref(&key)).unwrap();
        assert!(found.contains(&key), "{key}: {found:?}");
        assert_eq!(found.fact(&key).map(|fact| &fact.body), Some(body));
    }
}

#[test]
fn elements_come_and_go() {
    let mut host = furnished();
    let net = |text: &str| text.parse().unwrap();
    let to = |text: &str| text.parse().unwrap();
    for body in [
        published("192.168.15.2:80"),
        published("[fd00:15::2]:80"),
        firewall::publish(17, Some(to("127.0.0.1")), 53, "10.0.0.2:53".parse().unwrap()).unwrap(),
        firewall::masquerade(net("192.168.15.0/24")),
        firewall::masquerade(net("fd00:15::/64")),
        firewall::snat(net("192.168.16.0/24"), to("192.0.2.1")).unwrap(),
        firewall::internal(&crate::space::name("rw-web")),
    ] {
        host.comes_and_goes(&HOST, body);
    }
    for body in firewall::direct(&[net("10.0.0.0/8"), net("192.168.0.0/16")]) {
        host.comes_and_goes(&HOST, body);
    }
}

#[test]
fn an_element_gets_another_value() {
    let mut host = furnished();
    let (old, new) = (published("192.168.15.2:80"), published("192.168.15.3:80"));
    host.run(&[create(&HOST, old.clone())]);
    host.run(&[alter(&HOST, old, new.clone())]);
    assert_eq!(host.found(&new.id().at(HOST)), Some(new.at(HOST)));
}

#[test]
fn a_transaction_is_all_or_nothing() {
    let mut host = furnished();
    host.run(&[create(&HOST, published("192.168.15.2:80"))]);
    let before = host.all();
    let failure = host
        .kernel
        .execute(&[
            create(&HOST, firewall::masquerade("192.168.15.0/24".parse().unwrap())),
            create(&HOST, published("192.168.15.9:80")),
        ])
        .unwrap_err();
    assert_eq!((failure.at, failure.error.errno()), (1, Some(Errno::EXIST)));
    assert!(failure.done.is_empty());
    same(&before, &host.all());
}

#[test]
fn a_missing_table_is_told_from_a_missing_set() {
    let mut host = Host::new();
    let element = published("192.168.15.2:80");
    let key = Box::new(element.id().at(HOST));
    let missing =
        |host: &mut Host| host.kernel.execute(&[create(&HOST, element.clone())]).unwrap_err().error;
    assert_eq!(missing(&mut host), Error::NoTable(key.clone()));
    let Id::Element(ElementKey { set, .. }) = element.id() else { panic!() };
    host.kernel.know_sets(&HOST, firewall::set(&set)).unwrap();
    assert_eq!(missing(&mut host), Error::NoTable(key));
    host.net.sh("nft add table inet ropewalk");
    host.kernel.know_sets(&HOST, firewall::set(&set)).unwrap();
    let error = missing(&mut host);
    assert!(matches!(error, Error::Refused { errno: Errno::NOENT, .. }), "{error:?}");
}

#[test]
fn what_is_to_go_and_has_gone_does_not_hold_up_the_rest() {
    let mut host = furnished();
    let masq = |net: &str| firewall::masquerade(net.parse().unwrap());
    host.run(&[create(&HOST, masq("192.168.15.0/24"))]);
    host.run(&[
        delete(&HOST, masq("192.168.99.0/24")),
        delete(&HOST, masq("192.168.15.0/24")),
        create(&HOST, masq("192.168.16.0/24")),
    ]);
    assert_eq!(host.found(&masq("192.168.15.0/24").id().at(HOST)), None);
    assert!(host.found(&masq("192.168.16.0/24").id().at(HOST)).is_some());
}

fn table() -> TableKey {
    TableKey::new(Family::Ip, "t")
}

fn rule(tag: &str, at: Option<u32>) -> Body {
    let key = RuleKey { chain: table().chain("c"), tag: tag.into() };
    let verdict = Verdict { code: VerdictCode::Accept, chain: None };
    Body::NftRule(Rule { key, exprs: vec![Expr::Verdict(verdict)], at })
}

/// The rules of chain `c`, in order.
fn tags(host: &mut Host) -> Vec<String> {
    let all = host.kernel.read_all(&red()).unwrap();
    let mut rules: Vec<&Rule> = all.iter().filter_map(|f: &Fact| f.body.as_nft_rule()).collect();
    rules.sort_by_key(|rule| rule.at);
    rules.into_iter().map(|rule| rule.key.tag.clone()).collect()
}

#[test]
fn rules_are_put_replaced_and_removed_by_their_place() {
    let mut host = Host::new();
    host.run(&[
        create(&red(), Body::Table(Table { key: table(), dormant: false })),
        create(&red(), Body::Chain(Chain { key: table().chain("c"), base: None })),
        create(&red(), rule("a", None)),
        create(&red(), rule("c", None)),
    ]);
    host.run(&[create(&red(), rule("b", Some(1)))]);
    assert_eq!(tags(&mut host), ["a", "b", "c"]);
    host.run(&[delete(&red(), rule("a", Some(0))), create(&red(), rule("z", Some(0)))]);
    assert_eq!(tags(&mut host), ["z", "b", "c"]);
    let Body::NftRule(mut dropped) = rule("b", Some(1)) else { panic!() };
    dropped.exprs = vec![Expr::Verdict(Verdict { code: VerdictCode::Drop, chain: None })];
    let new = Body::NftRule(dropped);
    host.run(&[alter(&red(), rule("b", Some(1)), new.clone())]);
    assert_eq!(host.found(&new.id().at(red())), Some(new.at(red())));
    assert_eq!(tags(&mut host), ["z", "b", "c"]);
}

#[test]
fn five_thousand_elements_go_in_one_transaction() {
    let mut host = Host::new();
    let set = Set {
        key: table().set("s"),
        key_types: vec!["ipv4_addr".into()],
        value_types: vec![],
        flags: SetFlags::default(),
        timeout_ms: 0,
    };
    let element = |n: u32| {
        let key = Bytes((0x0a00_0000 + n).to_be_bytes().into());
        let key = ElementKey { set: SetKey::clone(&set.key), key, end: None };
        Body::Element(Element { key, value: None::<Value>, derived: false })
    };
    let mut changes = vec![
        create(&red(), Body::Table(Table { key: table(), dormant: false })),
        create(&red(), Body::Set(set.clone())),
    ];
    changes.extend((0..5000).map(|n| create(&red(), element(n))));
    host.run(&changes);
    let all = host.kernel.read_all(&red()).unwrap();
    assert_eq!(all.iter().filter(|f| f.body.as_element().is_some()).count(), 5000);
    // Every element is refused: more words come back than a socket holds.
    let failure = host.kernel.execute(&changes[2..]).unwrap_err();
    assert_eq!((failure.at, failure.error.errno()), (0, Some(Errno::EXIST)));
}
