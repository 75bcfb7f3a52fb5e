//! What stands in the way of a plan, and what does not.

use ropewalk_facts::{Body, Link, LinkKind, Neigh, Ns, Scope, Snapshot};
use ropewalk_plan::{Conflict, Step, diff, predict};

use crate::world::{addr, bridge, built, host, link_key, name, neigh, plan, red, told, veth};

fn refusal(step: Step, snap: &Snapshot) -> String {
    predict(&plan([step]), &mut snap.clone()).unwrap_err().to_string()
}

#[test]
fn what_is_made_must_not_be_there() {
    let snap = built([host(Body::Link(bridge("br0")))]);
    let step = Step::Create(host(Body::Link(bridge("br0"))));
    let refused = predict(&plan([step]), &mut snap.clone());
    assert_eq!(refused, Err(Conflict::AlreadyThere(Box::new(link_key(&Ns::HOST, "br0")))));
    let far = Body::Link(veth(&red(), "eth0", &Ns::HOST, "br0")).at(red());
    assert_eq!(refusal(Step::Create(far), &snap), "link br0 is already there");
}

#[test]
fn a_bridge_does_not_become_a_veth() {
    let snap = built([host(Body::Link(bridge("br0")))]);
    let step = Step::Ensure(host(Body::Link(veth(&Ns::HOST, "br0", &red(), "eth0"))));
    assert!(refusal(step, &snap).starts_with("link br0 is of kind Bridge, not Veth"));
}

#[test]
fn a_pair_that_leads_elsewhere_is_another_one() {
    let snap = built([host(Body::Link(veth(&Ns::HOST, "leg", &red(), "eth0")))]);
    let blue = Ns::new("netns:blue");
    let step = Step::Ensure(host(Body::Link(veth(&Ns::HOST, "leg", &blue, "eth0"))));
    assert!(refusal(step, &snap).starts_with("link leg is of kind"));
}

#[test]
fn a_network_card_cannot_be_made_nor_loopback_removed() {
    let card = Link::up(name("eth0"), LinkKind::Other(String::new()));
    let step = Step::Ensure(host(Body::Link(card)));
    assert_eq!(refusal(step, &Snapshot::default()), "link eth0 is not there and cannot be made");
    let snap = built([host(Body::Link(Link::up(name("lo"), LinkKind::Loopback)))]);
    let step = Step::Absent(link_key(&Ns::HOST, "lo"));
    assert_eq!(refusal(step, &snap), "link lo cannot be removed");
}

#[test]
fn the_scope_of_an_ipv4_address_is_settled_when_it_is_made() {
    let snap = built([host(addr("a", "10.1.0.1/24"))]);
    let mut body = addr("a", "10.1.0.1/24");
    if let Body::Addr(addr) = &mut body {
        addr.scope = Scope::LINK;
    }
    assert_eq!(
        refusal(Step::Ensure(host(body)), &snap),
        "address 10.1.0.1/24 dev a is there with another scope, which cannot be changed"
    );
}

#[test]
fn what_the_kernel_learned_makes_room() {
    let mut learned = neigh("a", "10.1.0.9", Some("02:00:00:00:00:01"));
    if let Body::Neigh(x) = &mut learned {
        (x.state, x.derived) = (2, true);
    }
    let snap: Snapshot = [host(learned)].into_iter().collect();
    let wish = host(neigh("a", "10.1.0.9", Some("02:00:00:00:00:02")));
    assert_eq!(
        told(Step::Create(wish), &snap),
        "+ neigh 10.1.0.9 lladdr 02:00:00:00:00:02 dev a nud permanent\n"
    );
    assert_eq!(Neigh::PERMANENT, 0x80);
}

#[test]
fn a_wish_leaves_open_what_it_does_not_say() {
    let found = Link { mtu: Some(1450), up: false, ..bridge("br0") };
    let found = Link { altnames: ["a".to_string(), "b".to_string()].into(), ..found };
    let snap: Snapshot = [host(Body::Link(found))].into_iter().collect();
    let wish = Link { altnames: ["b".to_string()].into(), ..bridge("br0") };
    let wish = plan([Step::Create(host(Body::Link(wish)))]);
    let rest = diff(&wish, &snap);
    assert!(matches!(rest.steps(), [Step::Ensure(_)]));
    let changes = predict(&rest, &mut snap.clone()).unwrap();
    assert_eq!(crate::world::lines(&changes), "~ link br0 down → up\n");
}
