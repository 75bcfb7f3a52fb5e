//! Links that were connected just now.

use ropewalk_facts::{Body, Link, LinkKind, Ns};

use crate::space::{Host, alter, born, create, delete, implied, link, name, red, veth};

/// What sysfs says of a link here, which asks the kernel for nothing else.
fn state(name: &str) -> String {
    std::fs::read_to_string(format!("/sys/class/net/{name}/operstate")).unwrap().trim().to_owned()
}

// Where nobody asks for them, about half of these are not ready here.
#[test]
fn the_first_packet_after_a_sandbox_is_attached_is_not_lost() {
    let mut host = Host::new();
    host.run(&[create(&Ns::HOST, Body::Link(link("br0", LinkKind::Bridge)))]);
    let leg = Link { master: Some(name("br0")), ..veth("leg", &red(), "eth0") };
    let eth0 = veth("eth0", &Ns::HOST, "leg");
    for round in 0..40 {
        host.run(&[
            create(&Ns::HOST, Body::Link(leg.clone())),
            implied(create(&red(), Body::Link(born(&eth0)))),
            alter(&red(), Body::Link(born(&eth0)), Body::Link(eth0.clone())),
        ]);
        host.kernel.settle(&red(), &[name("eth0")]).unwrap();
        host.kernel.settle(&Ns::HOST, &[name("leg"), name("br0")]).unwrap();
        assert_eq!((state("leg"), state("br0")), ("up".into(), "up".into()), "round {round}");
        host.run(&[delete(&Ns::HOST, Body::Link(leg.clone()))]);
    }
}

#[test]
fn a_link_that_is_connected_to_nothing_is_not_waited_for() {
    let mut host = Host::new();
    host.run(&[create(&Ns::HOST, Body::Link(link("br0", LinkKind::Bridge)))]);
    let begun = std::time::Instant::now();
    host.kernel.settle(&Ns::HOST, &[name("br0"), name("lo"), name("gone")]).unwrap();
    assert!(begun.elapsed() < std::time::Duration::from_millis(200), "{:?}", begun.elapsed());
}
