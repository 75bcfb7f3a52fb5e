//! Traffic control: as commands, as lines, and what goes with a link that goes.

use expect_test::expect;
use ropewalk_facts::{
    Body, Filter, FilterKey, FilterKind, Link, LinkKind, Ns, Qdisc, QdiscKind, Side, Tbf,
};
use ropewalk_plan::{Step, invert, predict, render};

use crate::world::{built, host, lines, link_key, name, plan, red, told, veth};

fn bucket(dev: &str, rate: u64) -> Body {
    let kind = QdiscKind::Tbf(Tbf { rate, burst: 16 << 10, limit: 64 << 10 });
    Body::Qdisc(Qdisc::new(name(dev), Side::Root, kind))
}

fn redirect(to: &str) -> Body {
    let key = FilterKey { dev: name("leg"), pref: 1 };
    Body::Filter(Filter { key, kind: FilterKind::Redirect(Some(name(to))) })
}

fn shaped() -> [Body; 6] {
    let ifb = Link { alias: Some("red:eth0 out".into()), ..Link::up(name("ifb"), LinkKind::Ifb) };
    [
        Body::Link(ifb),
        Body::Link(veth(&Ns::HOST, "leg", &red(), "eth0")),
        bucket("leg", 1_250_000),
        bucket("ifb", 125_000),
        Body::Qdisc(Qdisc::new(name("leg"), Side::Ingress, QdiscKind::Ingress)),
        redirect("ifb"),
    ]
}

#[test]
fn limits_are_commands_of_tc() {
    let steps = shaped().map(|body| Step::Create(host(body)));
    let changes = predict(&plan(steps), &mut built([])).unwrap();
    expect![[r#"
        #!/bin/sh
        set -e
        ip link add name ifb type ifb
        ip link set dev ifb up alias 'red:eth0 out'
        ip link add name leg type veth peer name eth0 netns red
        ip link set dev leg up
        tc qdisc add dev leg root tbf rate 1250000bps burst 16384 limit 65536
        tc qdisc add dev ifb root tbf rate 125000bps burst 16384 limit 65536
        tc qdisc add dev leg ingress
        tc filter add dev leg ingress pref 1 protocol all u32 match u32 0 0 action mirred egress redirect dev ifb
    "#]]
    .assert_eq(&render(&changes, &built([])));
}

#[test]
fn a_rate_is_replaced_and_a_redirection_made_anew() {
    let before = built(shaped().map(host));
    let other = Body::Link(Link::up(name("ifb2"), LinkKind::Ifb));
    let steps = [other, bucket("leg", 99), redirect("ifb2")].map(|x| Step::Ensure(host(x)));
    let changes = predict(&plan(steps), &mut before.clone()).unwrap();
    expect![[r#"
        #!/bin/sh
        set -e
        ip link add name ifb2 type ifb
        ip link set dev ifb2 up
        tc qdisc replace dev leg root tbf rate 99bps burst 16384 limit 65536
        tc filter del dev leg ingress pref 1 protocol all
        tc filter add dev leg ingress pref 1 protocol all u32 match u32 0 0 action mirred egress redirect dev ifb2
    "#]]
    .assert_eq(&render(&changes, &before));
}

#[test]
fn a_link_that_goes_leaves_those_that_send_to_it_blind() {
    let before = built(shaped().map(host));
    let gone = Step::Absent(link_key(&Ns::HOST, "ifb"));
    expect![[r#"
        ~ filter dev leg ingress pref 1 protocol all u32 match u32 0 0 action mirred egress redirect dev ifb → filter dev leg ingress pref 1 protocol all u32 match u32 0 0 action mirred egress redirect dev none (implied)
        - qdisc dev ifb root tbf rate 125000bps burst 16384 limit 65536 (implied)
        - link ifb ifb, up, alias red:eth0 out
    "#]]
    .assert_eq(&told(gone.clone(), &before));
    let mut after = before.clone();
    let back = invert(&predict(&plan([gone]), &mut after).unwrap());
    expect![[r#"
        + link ifb ifb, up, alias red:eth0 out
        + qdisc dev ifb root tbf rate 125000bps burst 16384 limit 65536
        ~ filter dev leg ingress pref 1 protocol all u32 match u32 0 0 action mirred egress redirect dev none → filter dev leg ingress pref 1 protocol all u32 match u32 0 0 action mirred egress redirect dev ifb
    "#]]
    .assert_eq(&lines(&back));
}

#[test]
fn what_others_queue_by_is_not_replaced() {
    let theirs = Body::Qdisc(Qdisc::new(name("leg"), Side::Root, QdiscKind::Other("htb".into())));
    let mut before = built([host(Body::Link(veth(&Ns::HOST, "leg", &red(), "eth0")))]);
    before.insert(host(theirs));
    let refused = predict(&plan([Step::Ensure(host(bucket("leg", 1)))]), &mut before);
    let refused = refused.unwrap_err().to_string();
    assert_eq!(refused, "qdisc root dev leg is there with another kind, which cannot be changed");
}
