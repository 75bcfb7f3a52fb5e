//! What happens when a change is refused.

use ropewalk_facts::{Addr, Body, Id, LinkKind, Ns, Route, RouteKey};
use ropewalk_kernel::{Errno, Error};
use ropewalk_plan::Change;

use crate::space::{Host, alter, born, create, implied, link, name, red, same, veth};

/// A pair with an address and a route, the last of which is refused: its gateway is nowhere.
fn doomed() -> Vec<Change> {
    let addr = |text: &str| Addr::global(name("eth0"), text.parse().unwrap());
    let eth0 = veth("eth0", &Ns::HOST, "leg");
    let key = RouteKey::default_v4();
    let route = Route::unicast(key, name("eth0"), Some("10.77.0.1".parse().unwrap()));
    vec![
        create(&Ns::HOST, Body::Link(link("br0", LinkKind::Bridge))),
        create(&Ns::HOST, Body::Link(veth("leg", &red(), "eth0"))),
        implied(create(&red(), Body::Link(born(&eth0)))),
        alter(&red(), Body::Link(born(&eth0)), Body::Link(eth0)),
        create(&red(), Body::Addr(addr("10.0.0.2/24"))),
        create(&red(), Body::Route(route)),
        create(&red(), Body::Addr(addr("fd00::2/64"))),
    ]
}

#[test]
fn a_refusal_names_the_change_and_what_was_done() {
    let mut host = Host::new();
    let failure = host.kernel.execute(&doomed()).unwrap_err();
    assert_eq!(failure.at, 5);
    assert_eq!(failure.done, [0, 1, 2, 3, 4, 6]);
    let Error::Refused { key, errno, extack, .. } = failure.error else { panic!("{failure:?}") };
    assert_eq!(key.map(|k| *k), Some(Id::Route(RouteKey::default_v4()).at(red())));
    assert_eq!(errno, Errno(101));
    assert_eq!(extack.as_deref(), Some("Nexthop has invalid gateway"));
}

#[test]
fn a_list_that_is_refused_leaves_nothing() {
    let mut host = Host::new();
    let before = host.all();
    let failure = host.kernel.apply(&doomed()).unwrap_err();
    assert_eq!((failure.at, failure.stuck), (5, vec![]));
    same(&before, &host.all());
}

#[test]
fn what_was_there_before_is_not_taken_back() {
    let mut host = Host::new();
    host.net.sh("ip link add leg type ifb");
    let before = host.all();
    let failure = host.kernel.apply(&doomed()).unwrap_err();
    assert_eq!((failure.at, failure.error.errno()), (1, Some(Errno::EXIST)));
    same(&before, &host.all());
}

#[test]
fn a_link_that_is_not_there_is_named() {
    let mut host = Host::new();
    let addr = Addr::global(name("eth7"), "10.0.0.2/24".parse().unwrap());
    let failure = host.kernel.execute(&[create(&red(), Body::Addr(addr))]).unwrap_err();
    assert_eq!(failure.error, Error::NoLink { ns: red(), name: name("eth7") });
}

#[test]
fn a_namespace_that_is_not_open_is_named() {
    let mut host = Host::new();
    let green = Ns::new("netns:green");
    let bridge = Body::Link(link("br0", LinkKind::Bridge));
    let failure = host.kernel.execute(&[create(&green, bridge)]).unwrap_err();
    assert_eq!(failure.error, Error::UnknownNs(green));
}

#[test]
fn a_link_made_anew_is_not_taken_for_the_old_one() {
    let mut host = Host::new();
    let br0 = Body::Link(link("br0", LinkKind::Bridge));
    let addr = Body::Addr(Addr::global(name("br0"), "10.0.0.1/24".parse().unwrap()));
    host.run(&[create(&red(), br0.clone()), create(&red(), addr.clone())]);
    host.run(&[
        implied(crate::space::delete(&red(), addr.clone())),
        crate::space::delete(&red(), br0.clone()),
        create(&red(), br0),
        create(&red(), addr.clone()),
    ]);
    assert!(host.found(&addr.id().at(red())).is_some());
}

#[test]
fn what_has_gone_already_need_not_go() {
    let mut host = Host::new();
    host.pair();
    let addr = |dev: &str| Body::Addr(Addr::global(name(dev), "10.0.0.2/24".parse().unwrap()));
    host.run(&[
        crate::space::delete(&red(), addr("eth0")),
        crate::space::delete(&red(), addr("eth9")),
        crate::space::delete(&red(), Body::Link(link("br9", LinkKind::Bridge))),
    ]);
}
