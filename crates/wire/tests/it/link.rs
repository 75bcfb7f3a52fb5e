//! Links, members of bridges and settings against the running kernel.

use std::collections::BTreeSet;
use std::os::fd::AsRawFd as _;

use ropewalk_facts::{Body, Link, LinkKind, MemberFlags, Ns, Peer, VxlanSpec};
use ropewalk_wire::nl::flag;
use ropewalk_wire::rt::{self, Far, Links, Make};
use rustix::fs::{Mode, OFlags, open};

use crate::net::{Net, ip, name};

#[test]
fn links_are_found_as_they_were_made() {
    let net = Net::with_links();
    let with = |n: &str, kind| Link {
        mac: "02:00:00:00:00:31".parse().ok(),
        mtu: Some(1400),
        altnames: ["ropewalk.one".to_owned(), "ropewalk.a-name-longer-than-15".into()].into(),
        ..Link::up(name(n), kind)
    };
    let bridge = with("br1", LinkKind::Bridge);
    net.round(&Body::Link(bridge.clone()));
    net.round(&Body::Link(Link { up: false, ..bridge.clone() }));
    net.round(&Body::Link(with("ifb7", LinkKind::Ifb)));
    net.round(&Body::Link(Link {
        promisc: Some(true),
        allmulti: Some(true),
        txqlen: Some(77),
        ..with("ifb7", LinkKind::Ifb)
    }));
    let spec = |local: Option<&str>, dev: Option<&str>| {
        let (local, dev) = (local.map(ip), dev.map(name));
        LinkKind::Vxlan(VxlanSpec { vni: 9, port: 4790, local, dev, learning: false })
    };
    net.round(&Body::Link(with("vx1", spec(None, None))));
    net.round(&Body::Link(with("vx1", spec(Some("10.2.0.1"), Some("b0")))));
    net.round(&Body::Link(with("vx1", spec(Some("fd02::1"), None))));
    net.create(&Body::Link(Link { altnames: BTreeSet::new(), ..bridge }));
    let member = Link { master: Some(name("br1")), ..with("ifb7", LinkKind::Ifb) };
    net.round(&Body::Link(member));
}

#[test]
fn a_link_is_asked_for_by_any_of_its_names() {
    let net = Net::with_links();
    net.sh("ip link property add dev a0 altname ropewalk.web.eth0.long altname short");
    for n in ["a0", "short", "ropewalk.web.eth0.long"] {
        let links = net.links();
        let kept = net.rt.must(&[rt::link_get(n).unwrap()]);
        let found = rt::decode(&kept.first().unwrap().message(), &links).unwrap();
        assert_eq!(found.first().and_then(Body::as_link).map(|l| l.name.clone()), Some(name("a0")));
    }
    let (outcome, _) = net.rt.ask(&rt::link_get("nothing").unwrap());
    assert_eq!(outcome.errno, libc::ENODEV);
}

#[test]
fn a_link_is_changed_to_what_is_wanted_and_back() {
    let net = Net::with_links();
    net.sh("ip link add br1 type bridge; ip link property add dev a0 altname keep altname go");
    let find = || {
        let found = net.found();
        found.iter().filter_map(Body::as_link).find(|l| l.name == name("a0")).cloned().unwrap()
    };
    let old = find();
    let new = Link {
        mac: "02:00:00:00:00:32".parse().ok(),
        mtu: Some(1300),
        up: false,
        master: Some(name("br1")),
        altnames: ["keep".to_owned(), "come".into()].into(),
        promisc: Some(true),
        txqlen: Some(5),
        ..old.clone()
    };
    net.change(&Body::Link(old.clone()), &Body::Link(new.clone()));
    assert_eq!(find(), new);
    net.change(&Body::Link(new), &Body::Link(old.clone()));
    assert_eq!(find(), old);
}

#[test]
fn members_are_treated_as_wanted() {
    let net = Net::with_links();
    net.sh("ip link add br1 type bridge; ip link set a0 master br1");
    let flags = |on: bool| {
        let on = Some(on);
        Body::Member(MemberFlags {
            dev: name("a0"),
            hairpin: on,
            isolated: on,
            learning: on,
            flood: on,
            neigh_suppress: on,
            vlans: None,
        })
    };
    net.rt.must(&rt::create(&flags(true), Make::Shared, None, &net.links()).unwrap());
    assert_eq!(net.read(&flags(true)), Some(flags(true)));
    net.change(&flags(true), &flags(false));
    assert_eq!(net.read(&flags(false)), Some(flags(false)));
    assert!(net.found().contains(&flags(false)));
    let one = MemberFlags { hairpin: Some(true), ..MemberFlags::of(name("a0")) };
    net.rt.must(&rt::create(&Body::Member(one), Make::Shared, None, &net.links()).unwrap());
    let found = net.read(&flags(true)).and_then(|b| b.as_member().cloned()).unwrap();
    assert_eq!(
        (found.hairpin, found.isolated, found.learning),
        (Some(true), Some(false), Some(false))
    );
}

#[test]
fn a_veth_is_one_request_and_its_other_end_is_born_where_it_belongs() {
    let net = Net::with_links();
    net.sh("ip link add br1 type bridge; ip netns add red");
    let red = open("/run/netns/red", OFlags::CLOEXEC, Mode::empty()).unwrap();
    let there = Ns::new("netns:red");
    let end = |ns: &Ns, peer: &str, mac: &str, n: &str| Link {
        mac: mac.parse().ok(),
        mtu: Some(1400),
        ..Link::up(
            name(n),
            LinkKind::Veth { peer: Some(Peer { ns: ns.clone(), name: name(peer) }) },
        )
    };
    let near = end(&there, "eth0", "02:00:00:00:00:41", "leg0");
    let near = Link { master: Some(name("br1")), ..near };
    let far = end(&Ns::HOST, "leg0", "02:00:00:00:00:42", "eth0");
    let fd = Far { ns: Some(red.as_raw_fd()), link: Some(&far), ..Far::default() };
    let body = Body::Link(near.clone());
    let mut all = rt::create(&body, Make::Exclusive, Some(&fd), &net.links()).unwrap();
    assert_eq!(all.len(), 1);
    // The object itself is asked back: it tells both indices.
    all.iter_mut().for_each(|r| r.flags |= flag::ECHO);
    assert_eq!(net.rt.must(&all).len(), 1, "the kernel echoes the link");
    let script = "ip netns exec red ip -o link show eth0";
    let shown = net.sh(script);
    assert!(shown.contains("02:00:00:00:00:42") && shown.contains("mtu 1400"), "{shown}");
    assert!(shown.contains("state DOWN"), "it cannot be born up: {shown}");

    let nsid = net.rt.must(&[rt::nsid_get(red.as_raw_fd()).unwrap()]);
    let nsid = rt::nsid_of(&nsid.first().unwrap().message()).expect("the pair gave it a number");
    let mut over = Links::new(there);
    let index = net.sh("ip netns exec red ip -o link show eth0 | cut -d: -f1");
    over.insert(name("eth0"), index.trim().parse().unwrap());
    let mut links = net.links();
    links.see(nsid, &over);
    let kept = net.rt.must(&[rt::link_get("leg0").unwrap()]);
    let found = rt::decode(&kept.first().unwrap().message(), &links).unwrap();
    assert_eq!(found.first(), Some(&body));
    let blind = rt::decode(&kept.first().unwrap().message(), &net.links()).unwrap();
    let kind = &blind.first().and_then(Body::as_link).unwrap().kind;
    assert_eq!(*kind, LinkKind::Veth { peer: None });
}

#[test]
fn a_pair_in_one_namespace_needs_no_descriptor() {
    let net = Net::enter();
    let peer = |n: &str| LinkKind::Veth { peer: Some(Peer { ns: Ns::HOST, name: name(n) }) };
    let link = |n: &str, p: &str| Link::up(name(n), peer(p));
    let body = Body::Link(link("x0", "x1"));
    net.create(&body);
    let found = net.found();
    let ends: Vec<&Link> =
        found.iter().filter_map(Body::as_link).filter(|l| l.name != name("lo")).collect();
    assert_eq!(
        ends.iter().map(|l| (&l.name, &l.kind, l.up)).collect::<Vec<_>>(),
        [(&name("x1"), &peer("x0"), false), (&name("x0"), &peer("x1"), true),]
    );
}

#[test]
fn settings_come_with_the_link() {
    let net = Net::with_links();
    let script = "for f in 4/conf/a0/proxy_arp 4/conf/a0/route_localnet 6/conf/a0/proxy_ndp \
                  6/conf/a0/keep_addr_on_down; do echo 1 > /proc/sys/net/ipv$f; done; \
                  echo 2 > /proc/sys/net/ipv4/conf/a0/rp_filter";
    net.sh(script);
    let found = net.found();
    let found: Vec<_> = found.iter().filter_map(Body::as_sysctl).collect();
    assert_eq!(found.len(), 5 * 20, "20 settings of 5 links");
    let files: Vec<_> = found.iter().map(|s| s.path.as_str()).collect();
    let there = net.sh(&format!("cd /proc/sys; cat {}", files.join(" ")));
    let said: Vec<_> = found.iter().map(|s| s.value.as_str()).collect();
    assert_eq!(there.split_whitespace().collect::<Vec<_>>(), said);
}
