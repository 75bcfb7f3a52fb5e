//! Links that stand on others, in their namespace and in another one, and taps.

use ropewalk_facts::{Body, IpvlanMode, Link, LinkKind, MacvlanMode, Ns, Peer, TapSpec};
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

#[test]
fn macvlans_of_every_mode_in_three_namespaces() {
    let mut host = Host::new();
    host.pair();
    for mode in MacvlanMode::ALL {
        for ns in [HOST, red(), blue()] {
            let kind = LinkKind::Macvlan { lower: on(&HOST, "leg"), mode: *mode };
            let mut wish = whole("mac0", kind, 9);
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
    let kind = LinkKind::Macvlan { lower: on(&HOST, "leg"), mode: MacvlanMode::Bridge };
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
    let kind = LinkKind::Macvlan { lower: on(&HOST, "ifb7"), mode: MacvlanMode::Vepa };
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
    let kind = LinkKind::Macvlan { lower: on(&HOST, "none"), mode: MacvlanMode::Vepa };
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

/// What the kernel here may lack, in the virtual machine.
#[test]
fn ipvlans_vlans_and_dummies() {
    if !vm::inside() {
        return vm::run("kinds::ipvlans_vlans_and_dummies");
    }
    let mut host = Host::new();
    host.comes_and_goes(&red(), Body::Link(whole("dum0", LinkKind::Dummy, 9)));
    host.pair();
    let parents_mac = host.link(&HOST, "leg").unwrap().mac;
    let mut kinds: Vec<LinkKind> = IpvlanMode::ALL
        .iter()
        .map(|mode| LinkKind::Ipvlan { lower: on(&HOST, "leg"), mode: *mode })
        .collect();
    kinds.extend([1, 4094].map(|id| LinkKind::Vlan { lower: on(&HOST, "leg"), id }));
    for kind in kinds {
        for ns in [HOST, red(), blue()] {
            let mut wish = whole("up0", kind.clone(), 9);
            if matches!(kind, LinkKind::Ipvlan { .. }) {
                wish.mac = parents_mac;
            }
            host.comes_and_goes(&ns, Body::Link(wish));
        }
    }
}
