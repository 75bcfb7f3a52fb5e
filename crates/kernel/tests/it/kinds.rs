//! Links that stand on others, in their namespace and in another one, and taps.

use ropewalk_facts::{
    Body, Id, IpvlanMode, Link, LinkKind, MacvlanMode, MemberFlags, MemberVlan, Ns, Peer, TapSpec,
};
use ropewalk_plan::{Plan, Step, predict};
use ropewalk_testnet::vm;

use crate::space::{Host, alter, blue, create, delete, link, mac, name, red};

const HOST: Ns = Ns::HOST;

fn on(ns: &Ns, lower: &str) -> Option<Peer> {
    Some(Peer { ns: ns.clone(), name: name(lower) })
}

fn whole(text: &str, kind: LinkKind, last: u8) -> Link {
    let altnames = [format!("ropewalk.{text}")].into();
    Link { mac: mac(last), mtu: Some(1400), altnames, ..link(text, kind) }
}

/// A name for a link there: elsewhere that of its lower link.
fn free(ns: &Ns) -> &'static str {
    if ns.is_host() { "up0" } else { "leg" }
}

#[test]
fn macvlans_of_every_mode_in_three_namespaces() {
    let mut host = Host::new();
    host.pair();
    for mode in MacvlanMode::ALL {
        for ns in [HOST, red(), blue()] {
            let kind = LinkKind::Macvlan { lower: on(&HOST, "leg"), mode: *mode, queue: Some(77) };
            let mut wish = whole(free(&ns), kind, 9);
            if *mode == MacvlanMode::Passthru {
                wish.mac = host.link(&HOST, "leg").unwrap().mac;
            }
            host.comes_and_goes(&ns, Body::Link(wish));
        }
    }
}

#[test]
fn a_macvlan_joins_a_bridge_of_its_namespace_and_is_altered_there() {
    let mut host = Host::new();
    host.pair();
    let kind =
        LinkKind::Macvlan { lower: on(&HOST, "leg"), mode: MacvlanMode::Bridge, queue: None };
    let wish = Link { master: Some(name("br0")), ..whole("mac0", kind, 9) };
    host.run(&[
        create(&blue(), Body::Link(link("br0", LinkKind::Bridge))),
        create(&blue(), Body::Link(wish.clone())),
    ]);
    assert_eq!(host.link(&blue(), "mac0"), Some(wish.clone()));
    let other = Link { mtu: Some(1300), up: false, master: None, mac: mac(10), ..wish.clone() };
    host.run(&[alter(&blue(), Body::Link(wish), Body::Link(other.clone()))]);
    assert_eq!(host.link(&blue(), "mac0"), Some(other.clone()));
    host.run(&[delete(&blue(), Body::Link(other))]);
    assert_eq!(host.link(&blue(), "mac0"), None);
}

#[test]
fn a_link_on_one_that_waits_to_be_made() {
    let mut host = Host::new();
    let kind = LinkKind::Macvlan { lower: on(&HOST, "ifb7"), mode: MacvlanMode::Vepa, queue: None };
    let wish = whole("mac0", kind, 9);
    host.run(&[
        create(&HOST, Body::Link(link("ifb7", LinkKind::Ifb))),
        create(&red(), Body::Link(wish.clone())),
    ]);
    assert_eq!(host.link(&red(), "mac0"), Some(wish));
}

#[test]
fn a_lower_link_that_is_not_there_is_named() {
    let mut host = Host::new();
    let kind = LinkKind::Macvlan { lower: on(&HOST, "none"), mode: MacvlanMode::Vepa, queue: None };
    let failure = host.kernel.apply(&[create(&red(), Body::Link(link("m", kind)))]).unwrap_err();
    assert_eq!(failure.error.to_string(), "there is no link none in namespace host");
}

#[test]
fn taps_with_and_without_an_owner() {
    let mut host = Host::new();
    let specs = [
        TapSpec::default(),
        TapSpec { owner: Some(1000), group: Some(100), multi_queue: true },
        TapSpec { owner: Some(0), group: None, multi_queue: false },
    ];
    for spec in specs {
        for ns in [HOST, red()] {
            host.comes_and_goes(&ns, Body::Link(whole("tap0", LinkKind::Tap(spec.clone()), 9)));
        }
    }
}

#[test]
fn a_link_is_lent_and_given_back_under_names_that_others_have() {
    let mut host = Host::new();
    host.pair();
    host.net.sh("ip link add nic0 type veth peer name far; ip link set nic0 mtu 1400 up
        ip link set far up; ip link property add dev nic0 altname enp3s0
        ip address add 10.5.0.1/24 dev nic0; ip address add fd00:5::1/64 dev nic0 nodad
        ip route add 10.6.0.0/24 via 10.5.0.9; ip link add eth0 type ifb
        sysctl -qw net.ipv4.conf.nic0.rp_filter=2; ip -n blue link add nic0 type ifb");
    let before = host.all();
    let mut wish = link("eth0", LinkKind::Moved { from: Peer { ns: HOST, name: name("nic0") } });
    wish.mtu = Some(1300);
    wish.altnames.insert("ropewalk.blue".into());
    let plan = Plan::try_from(vec![Step::Create(Body::Link(wish.clone()).at(blue()))]).unwrap();
    let changes = predict(&plan, &mut before.clone()).unwrap();
    host.run(&changes);
    let found = host.link(&blue(), "eth0").unwrap();
    assert_eq!((found.mtu, found.up, host.link(&HOST, "nic0")), (Some(1300), true, None));
    assert!(found.altnames.contains("ropewalk.blue") && found.altnames.contains("enp3s0"));
    assert!(host.kernel.take_back(&changes).is_empty());
    crate::space::same(&before.stated(), &host.all().stated());
    // A name that is taken there: it stays where it was.
    let taken = Link { name: name("nic0"), ..wish };
    let refused = create(&blue(), Body::Link(taken));
    let error = host.kernel.execute(std::slice::from_ref(&refused)).unwrap_err();
    assert_eq!(error.error.errno().unwrap().to_string(), "EEXIST", "{error:?}");
    assert!(host.link(&HOST, "nic0").is_some());
}

fn vlans_of_a_member(host: &mut Host) {
    let bridge = Link { vlan_filtering: Some(true), ..link("br0", LinkKind::Bridge) };
    let mut port = link("ifb8", LinkKind::Ifb);
    port.master = Some(name("br0"));
    host.run(&[create(&HOST, Body::Link(bridge.clone())), create(&HOST, Body::Link(port))]);
    let vlan = |id, own| MemberVlan { id, pvid: own, untagged: own };
    let of = |vlans: &[MemberVlan]| MemberFlags {
        vlans: Some(vlans.iter().copied().collect()),
        ..MemberFlags::of(name("ifb8"))
    };
    let found = |host: &mut Host| {
        let key = Id::Member(name("ifb8")).at(HOST);
        let one = host.found(&key).and_then(|fact| fact.body.as_member().cloned()).unwrap();
        let all = host.all().fact(&key).and_then(|fact| fact.body.as_member().cloned());
        assert_eq!(Some(&one), all.as_ref());
        one.vlans
    };
    assert_eq!(found(host), None);
    let (own, trunk) =
        (of(&[vlan(100, true)]), of(&[vlan(1, true), vlan(7, false), vlan(8, false)]));
    let usual = MemberFlags { vlans: None, ..own.clone() };
    for (old, new) in [(&usual, &own), (&own, &trunk), (&trunk, &usual)] {
        let bodies = (Body::Member(old.clone()), Body::Member(new.clone()));
        host.run(&[alter(&HOST, bodies.0, bodies.1)]);
        assert_eq!(found(host), new.vlans);
    }
    let plain = Link { vlan_filtering: None, ..bridge.clone() };
    host.run(&[alter(&HOST, Body::Link(bridge), Body::Link(plain.clone()))]);
    assert_eq!(host.link(&HOST, "br0").unwrap().vlan_filtering, None);
    host.run(&[
        delete(&HOST, Body::Link(plain)),
        delete(&HOST, Body::Link(link("ifb8", LinkKind::Ifb))),
    ]);
}

/// What the kernel here may lack, in the virtual machine.
#[test]
fn ipvlans_vlans_and_dummies() {
    if !vm::inside() {
        let machine = vm::Machine { modules: vec!["vrf"], ..vm::Machine::default() };
        return machine.run("kinds::ipvlans_vlans_and_dummies");
    }
    let mut host = Host::new();
    host.comes_and_goes(&red(), Body::Link(whole("dum0", LinkKind::Dummy, 9)));
    host.comes_and_goes(&red(), Body::Link(whole("vrf0", LinkKind::Vrf { table: 321 }, 9)));
    vlans_of_a_member(&mut host);
    host.pair();
    let parents_mac = host.link(&HOST, "leg").unwrap().mac;
    let mut kinds: Vec<LinkKind> = IpvlanMode::ALL
        .iter()
        .map(|mode| LinkKind::Ipvlan { lower: on(&HOST, "leg"), mode: *mode })
        .collect();
    kinds.extend([1, 4094].map(|id| LinkKind::Vlan { lower: on(&HOST, "leg"), id }));
    for kind in kinds {
        for ns in [HOST, red(), blue()] {
            let mut wish = whole(free(&ns), kind.clone(), 9);
            if matches!(kind, LinkKind::Ipvlan { .. }) {
                wish.mac = parents_mac;
            }
            host.comes_and_goes(&ns, Body::Link(wish));
        }
    }
}
