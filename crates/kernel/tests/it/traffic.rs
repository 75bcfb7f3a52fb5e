//! Queueing disciplines and filters made, changed and removed for real, and as tc(8) sees them.

use ropewalk_facts::{
    Body, Filter, FilterKey, FilterKind, LinkKind, Ns, Qdisc, QdiscKind, Side, Tbf,
};

use crate::space::{Host, alter, create, delete, implied, link, name};

const HOST: Ns = Ns::HOST;

fn tbf(rate: u64, burst: u32, limit: u32) -> Body {
    let kind = QdiscKind::Tbf(Tbf { rate, burst, limit });
    Body::Qdisc(Qdisc::new(name("leg"), Side::Root, kind))
}

fn ingress() -> Body {
    Body::Qdisc(Qdisc::new(name("leg"), Side::Ingress, QdiscKind::Ingress))
}

fn redirect(to: Option<&str>) -> Body {
    let key = FilterKey { dev: name("leg"), pref: 7 };
    Body::Filter(Filter { key, kind: FilterKind::Redirect(to.map(name)) })
}

fn shaped() -> Host {
    let mut host = Host::new();
    host.pair();
    host.run(&[create(&HOST, Body::Link(link("ifb", LinkKind::Ifb)))]);
    host
}

#[test]
fn token_buckets_of_every_size() {
    let mut host = shaped();
    for (rate, burst) in [(125, 1 << 10), (1_250_000, 16 << 10), (12_500_000_000, 4 << 20)] {
        host.comes_and_goes(&HOST, tbf(rate, burst, burst + 1));
    }
}

#[test]
fn a_token_bucket_is_altered_in_place() {
    let mut host = shaped();
    let (slow, fast) = (tbf(125_000, 16 << 10, 64 << 10), tbf(5_000_000_000, 1 << 20, 2 << 20));
    host.run(&[create(&HOST, slow.clone()), alter(&HOST, slow, fast.clone())]);
    assert_eq!(host.found(&fast.id().at(HOST)), Some(fast.at(HOST)));
    let told = host.net.sh("tc qdisc show dev leg root");
    assert!(told.contains("tbf") && told.contains("rate 40Gbit"), "{told}");
}

#[test]
fn the_same_by_hand() {
    let mut host = shaped();
    host.net.sh("tc qdisc add dev leg root tbf rate 10mbit burst 16kb limit 64kb");
    host.net.sh("tc qdisc add dev leg ingress");
    host.net.sh("tc filter add dev leg ingress pref 7 protocol all u32 match u32 0 0 \
         action mirred egress redirect dev ifb");
    for body in [tbf(1_250_000, 16 << 10, 64 << 10), ingress(), redirect(Some("ifb"))] {
        let fact = body.at(HOST);
        assert_eq!(host.found(&fact.key()), Some(fact.clone()));
        assert_eq!(host.all().fact(&fact.key()), Some(&fact));
    }
}

#[test]
fn what_others_use_is_seen_but_not_understood() {
    let mut host = shaped();
    host.net.sh("tc qdisc add dev leg root htb default 1 && tc qdisc add dev leg ingress");
    host.net.sh("tc filter add dev leg ingress pref 7 protocol ip u32 match u32 1 1 \
         action mirred egress redirect dev ifb");
    let htb = Qdisc::new(name("leg"), Side::Root, QdiscKind::Other("htb".into()));
    let key = FilterKey { dev: name("leg"), pref: 7 };
    let filter = Filter { key, kind: FilterKind::Other("u32".into()) };
    for fact in [Body::Qdisc(htb).at(HOST), Body::Filter(filter).at(HOST)] {
        assert_eq!(host.all().fact(&fact.key()), Some(&fact));
    }
}

#[test]
fn a_redirection_comes_and_goes_and_loses_its_target() {
    let mut host = shaped();
    host.comes_and_goes(&HOST, ingress());
    host.run(&[create(&HOST, ingress())]);
    host.comes_and_goes(&HOST, redirect(Some("ifb")));
    host.run(&[
        create(&HOST, Body::Link(link("ifb2", LinkKind::Ifb))),
        create(&HOST, redirect(Some("ifb"))),
        alter(&HOST, redirect(Some("ifb")), redirect(Some("ifb2"))),
    ]);
    let told = host.net.sh("tc filter show dev leg ingress");
    assert!(told.contains("(Egress Redirect to device ifb2) stolen"), "{told}");
    host.run(&[
        implied(alter(&HOST, redirect(Some("ifb2")), redirect(None))),
        delete(&HOST, Body::Link(link("ifb2", LinkKind::Ifb))),
    ]);
    let blind = redirect(None).at(HOST);
    assert_eq!(host.found(&blind.key()), Some(blind.clone()));
}
