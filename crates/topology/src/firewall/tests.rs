#![expect(clippy::unwrap_used, clippy::panic, clippy::wildcard_enum_match_arm, reason = "tests")]

use std::collections::BTreeSet;
use std::net::IpAddr;

use super::*;

fn key_of(body: Body) -> (String, String, Option<String>) {
    let Body::Element(e) = body else { panic!("{body:?}") };
    (e.key.set.set, e.key.key.to_string(), e.key.end.map(|end| end.to_string()))
}

fn value_of(body: Body) -> String {
    let Body::Element(e) = body else { panic!("{body:?}") };
    let Some(ropewalk_facts::nft::Value::Data(data)) = e.value else { panic!("{:?}", e.value) };
    data.to_string()
}

#[test]
fn every_fact_has_a_key_of_its_own_and_needs_only_what_came_before() {
    let plan = base().unwrap();
    assert_eq!(plan.steps().len(), facts().len());
    let (mut chains, mut sets) = (BTreeSet::new(), BTreeSet::new());
    for body in facts() {
        match &body {
            Body::Chain(c) => {
                chains.insert(c.key.chain.clone());
            }
            Body::Set(s) => {
                sets.insert(s.key.set.clone());
            }
            Body::NftRule(r) => {
                assert!(chains.contains(&r.key.chain.chain), "{:?}", r.key);
                for expr in &r.exprs {
                    use ropewalk_facts::nft::{Expr, Verdict};
                    if let Expr::Lookup { set, .. } = expr {
                        assert!(sets.contains(set), "{set}");
                    }
                    if let Expr::Verdict(Verdict { chain: Some(chain), .. }) = expr {
                        assert!(chains.contains(chain), "{chain}");
                    }
                }
            }
            _ => assert!(matches!(body, Body::Table(_)), "{body:?}"),
        }
    }
}

#[test]
fn every_element_has_a_set() {
    let (v4, v6) = ("10.1.0.0/16".parse().unwrap(), "fd00::/64".parse().unwrap());
    let (ip4, ip6): (IpAddr, IpAddr) = ([10, 1, 0, 9].into(), "fd00::9".parse().unwrap());
    let dev = ropewalk_facts::IfName::new("rw-web").unwrap();
    let mut all = direct(&[v4, v6]);
    assert_eq!(all.len(), 2);
    all.extend([masquerade(v4), masquerade_in(v6), internal(&dev), bridged(&dev)]);
    all.extend([snat(v4, ip4), snat_in(v6, ip6)].into_iter().flatten());
    for (at, to) in [(None, ip4), (Some(ip4), ip4), (None, ip6), (Some(ip6), ip6)] {
        all.push(publish(6, at, 8080, (to, 80).into()).unwrap());
    }
    assert_eq!(all.len(), 12);
    for body in all {
        let Body::Element(e) = body else { panic!("{body:?}") };
        let set = set(&e.key.set).unwrap();
        assert_eq!(e.value.is_some(), !set.value_types.is_empty(), "{:?}", e.key);
        assert_eq!(e.key.end.is_some(), set.flags.interval, "{:?}", e.key);
    }
    assert_eq!(snat(v4, ip6), None);
    assert_eq!(publish(6, Some(ip4), 1, (ip6, 1).into()), None);
}

#[test]
fn fields_lie_as_the_kernel_wants_them() {
    let to = ([192, 168, 15, 2], 80).into();
    let any = publish(6, None, 8080, to).unwrap();
    assert_eq!(key_of(any.clone()), ("publish4".into(), "060000001f900000".into(), None));
    assert_eq!(value_of(any), "c0a80f0200500000");
    let at = publish(17, Some([127, 0, 0, 1].into()), 53, to).unwrap();
    assert_eq!(key_of(at).1, "7f0000011100000000350000");

    let net = "10.1.2.3/30".parse().unwrap();
    let (set, first, last) = key_of(masquerade(net));
    assert_eq!(
        (set.as_str(), first.as_str(), last.as_deref()),
        ("masq4", "0a010200", Some("0a010203"))
    );
    let host = "10.1.2.3/32".parse().unwrap();
    assert_eq!(key_of(masquerade(host)).2, None);
    let pairs = direct(&[net, host]);
    assert_eq!(pairs.len(), 4);
    let (_, first, last) = pairs.into_iter().map(key_of).nth(1).unwrap();
    assert_eq!((first.as_str(), last.as_deref()), ("0a0102000a010203", Some("0a0102030a010203")));
    let dev = ropewalk_facts::IfName::new("br0").unwrap();
    assert_eq!(key_of(internal(&dev)).1, "62723000000000000000000000000000");
}
