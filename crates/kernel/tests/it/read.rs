//! Reading, compared with what ip(8) and bridge(8) say.

use ropewalk_facts::{Body, Fact, Id, LinkKind, Ns};
use serde_json::Value;

use crate::space::{Host, name, red};

fn count(host: &Host, command: &str) -> usize {
    let out = host.net.sh(command);
    let Ok(Value::Array(list)) = serde_json::from_str(&out) else { panic!("{command}: {out}") };
    list.iter().filter(|item| item.as_object().is_some_and(|o| !o.is_empty())).count()
}

#[test]
fn two_hundred_links_are_read_and_counted_as_ip_does() {
    let mut host = Host::new();
    host.net.sh("for i in $(seq 100); do
           echo link add a$i type veth peer name b$i
           echo addr add 10.0.$i.1/24 dev a$i
           echo addr add fd00:$i::1/64 dev a$i nodad
           echo link set a$i up
         done | ip -b -
         ip rule add from 10.0.0.0/8 table 7 pref 7
         ip neigh add proxy 10.0.1.7 dev a1
         ip neigh add 10.0.1.8 lladdr 02:00:00:00:00:08 dev a1 nud permanent");
    let all = host.kernel.read_all(&Ns::HOST).unwrap();
    let of = |pick: fn(&Body) -> bool| all.iter().filter(|f| pick(&f.body)).count();
    assert_eq!(of(|b| b.as_link().is_some()), count(&host, "ip -j link"));
    assert_eq!(of(|b| b.as_link().is_some()), 201);
    let addrs: usize = host.net.sh("ip -o addr").lines().count();
    assert_eq!(of(|b| b.as_addr().is_some()), addrs);
    let v4 = of(|b| b.as_route().is_some_and(|r| r.key.dst.addr().is_ipv4()));
    assert_eq!(v4, count(&host, "ip -j -4 route show table all"));
    let rules = count(&host, "ip -j rule") + count(&host, "ip -j -6 rule");
    assert_eq!(of(|b| b.as_rule().is_some()), rules);
    assert_eq!(of(|b| b.as_neigh().is_some_and(|n| n.key.proxy)), 1);
    assert_eq!(of(|b| b.as_neigh().is_some_and(|n| n.state == 0x80)), 1);
}

#[test]
fn both_ends_of_a_pair_are_known_where_both_namespaces_are() {
    let mut host = Host::new();
    host.net.sh("ip link add leg type veth peer name eth0 netns red");
    let kind = |all: &ropewalk_facts::Snapshot, ns: Ns, text: &str| {
        let key = Id::Link(name(text)).at(ns);
        all.fact(&key).and_then(|f| f.body.as_link()).unwrap().kind.clone()
    };
    let all = host.all();
    assert_eq!(kind(&all, red(), "eth0"), crate::space::veth("eth0", &Ns::HOST, "leg").kind);
    assert_eq!(kind(&all, Ns::HOST, "leg"), crate::space::veth("leg", &red(), "eth0").kind);
    host.kernel.forget(&red());
    let alone = host.kernel.read_all(&Ns::HOST).unwrap();
    assert_eq!(kind(&alone, Ns::HOST, "leg"), LinkKind::Veth { peer: None });
}

#[test]
fn keys_of_nothing_are_answered_with_nothing() {
    let mut host = Host::new();
    let missing = Ns::new("netns:green");
    let keys = [
        Id::Link(name("nope")).at(Ns::HOST),
        Id::Netns("green".into()).at(Ns::HOST),
        Id::Link(name("eth0")).at(missing),
        Id::Addr(ropewalk_facts::AddrKey {
            dev: name("nope"),
            net: "10.0.0.1/24".parse().unwrap(),
        })
        .at(red()),
        Id::Route(ropewalk_facts::RouteKey::default_v6()).at(red()),
        Id::Sysctl(ropewalk_facts::SysctlPath::conf4(&name("nope"), "proxy_arp")).at(red()),
    ];
    assert!(host.kernel.read_keys(&keys).unwrap().is_empty());
}

#[test]
fn names_of_namespaces_are_facts_of_the_host() {
    let _host = Host::new();
    let facts = ropewalk_kernel::netns::facts().unwrap();
    let found: Vec<&Fact> = facts.iter().collect();
    assert_eq!(found.len(), 2);
    assert_eq!(found[1].body, Body::Netns("red".into()));
}
