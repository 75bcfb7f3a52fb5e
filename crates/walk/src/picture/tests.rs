//! Pictures of small worlds: what is in them, and that nothing stands on anything else.
#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

use ropewalk_facts::seen::Device;
use ropewalk_facts::{Addr, Body, IfName, Link, LinkKind, Ns, Peer};

use super::*;
use crate::diagnose;
use crate::question::Question;

/// Containers on a bridge of a host, which has a way out.
fn scan(containers: usize) -> Scan {
    let mut scan = Scan { version: 1, ..Scan::default() };
    let name = |name: &str| IfName::new(name).unwrap();
    let mut link =
        |ns: &str, dev: &str, kind: LinkKind, master: Option<&str>, peer: Option<(&str, &str)>| {
            let ns = Ns::new(format!("netns:{ns}"));
            let link = Link { master: master.map(name), ..Link::up(name(dev), kind) };
            let other =
                peer.map(|(ns, dev)| Peer { ns: Ns::new(format!("netns:{ns}")), name: name(dev) });
            let seen = scan.seen.entry(ns.clone()).or_default();
            let device = Device { other, carrier: true, ..Device::default() };
            seen.devices.insert(name(dev), device);
            scan.facts.insert(Body::Link(link).at(ns));
        };
    let pair = || LinkKind::Veth { peer: None };
    link("h<1>", "br0", LinkKind::Bridge, None, None);
    link("h<1>", "eth0", LinkKind::Other(String::new()), None, None);
    for n in 1..=containers {
        let (ns, leg) = (format!("c{n}"), format!("vc{n}"));
        link(&ns, "eth0", pair(), None, Some(("h<1>", &leg)));
        link("h<1>", &leg, pair(), Some("br0"), Some((&ns, "eth0")));
    }
    let mut addr = |ns: &str, dev: &str, net: &str| {
        let addr = Addr::global(name(dev), net.parse().unwrap());
        scan.facts.insert(Body::Addr(addr).at(Ns::new(format!("netns:{ns}"))));
    };
    addr("h<1>", "br0", "10.50.0.1/24");
    for n in 1..=containers {
        addr(&format!("c{n}"), "eth0", &format!("10.50.0.{}/24", n + 1));
    }
    scan
}

fn asked(scan: &Scan, dst: &str) -> Verdict {
    let question = serde_json::json!({ "src": "c1", "dst": dst });
    let question: Question = serde_json::from_value(question).unwrap();
    diagnose(&World::new(scan), &question)
}

/// Every tag that is opened is closed, in order.
fn is_well_formed(text: &str) {
    let mut open: Vec<&str> = Vec::new();
    for tag in text.split('<').skip(1) {
        let (tag, rest) = tag.split_once('>').unwrap();
        assert!(!rest.contains('>'), "{rest}");
        let name = tag.split_whitespace().next().unwrap_or_default();
        match name.strip_prefix('/') {
            Some(name) => assert_eq!(open.pop(), Some(name)),
            None if tag.ends_with('/') || name == "!DOCTYPE" || name == "meta" => {}
            None => open.push(name),
        }
    }
    assert_eq!(open, Vec::<&str>::new());
}

#[test]
fn everything_is_in_it_and_the_cause_is_marked() {
    let scan = scan(2);
    let verdict = asked(&scan, "198.51.100.8");
    assert_eq!(verdict.code, "NO_ROUTE");
    for text in [svg(&scan, &verdict), html(&scan, &verdict)] {
        is_well_formed(&text);
        for word in
            ["c1", "c2", "h&lt;1&gt;", "vc1", "br0", "10.50.0.1/24", "NO_ROUTE", "class=\"cross\""]
        {
            assert!(text.contains(word), "no {word} in {text}");
        }
        assert!(!text.contains("http") || text.matches("http").count() == 1, "nothing is fetched");
    }
}

#[test]
fn nothing_stands_on_anything_else() {
    for containers in [1, 2, 7, 40] {
        let scan = scan(containers);
        let verdict = asked(&scan, "10.50.0.9");
        let mut scene = scene::Scene::new(&World::new(&scan), &verdict);
        layout::place(&mut scene);
        let rooms = &scene.rooms;
        for (at, a) in rooms.iter().enumerate() {
            for b in rooms.iter().skip(at + 1) {
                let apart = a.x + a.width <= b.x
                    || b.x + b.width <= a.x
                    || a.y + a.height <= b.y
                    || b.y + b.height <= a.y;
                assert!(apart, "{containers}: {} and {}", a.name, b.name);
            }
            for port in &a.ports {
                assert!(
                    (0..=a.height).contains(&port.y),
                    "{containers}: {} in {}",
                    port.dev,
                    a.name
                );
            }
        }
        let (wide, high) = scene.size();
        assert!(wide < 4000 && high < 4000, "{containers}: {wide} × {high}");
        assert_eq!(scene.more > 0, containers > 15, "{containers}");
    }
}
