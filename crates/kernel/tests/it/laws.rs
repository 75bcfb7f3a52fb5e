//! The four laws, on a real kernel.
//!
//!     predicted = found · applied: nothing left to do · twice = once · undo restores

use ropewalk_facts::{
    Addr, Body, Fact, Fdb, FdbKey, Id, LinkKind, MemberFlags, Neigh, NeighKey, Ns, Route, RouteKey,
    Rule, RuleAction, Snapshot, Sysctl, SysctlPath, proto,
};
use ropewalk_plan::{Plan, Step, diff, holds, invert, predict};

use crate::space::{Host, blue, link, mac, name, red, same, veth};

impl Host {
    /// Carries out `plan`, and holds it to the laws.
    pub(crate) fn obey(&mut self, plan: &Plan) {
        let before = self.all();
        let mut predicted = before.clone();
        let changes = predict(plan, &mut predicted).unwrap();
        if let Err(failure) = self.kernel.execute(&changes) {
            panic!("{failure:?}\n{:?}", changes[failure.at]);
        }
        let found = self.all();
        come_true(&before, &predicted.stated(), &found.clone().stated());
        let rest = diff(plan, &found);
        assert!(rest.is_empty(), "still to do: {rest:?}");
        assert_eq!(predict(&rest, &mut found.clone()).unwrap(), [], "a second time");
        let undo = invert(&changes);
        if let Err(failure) = self.kernel.execute(&undo) {
            panic!("undo: {failure:?}\n{:?}", undo[failure.at]);
        }
        same(&before.stated(), &self.all().stated());
    }
}

/// Everything predicted is there, and nothing else but what the kernel adds to new links and new
/// namespaces.
fn come_true(before: &Snapshot, predicted: &Snapshot, found: &Snapshot) {
    for fact in predicted {
        let real = found.fact(&fact.key());
        assert!(real.is_some_and(|real| holds(fact, real)), "{fact:?}\nis {real:?}");
    }
    for fact in found {
        let new_ns = before.of(&fact.ns).next().is_none();
        let added = new_ns && matches!(fact.body, Body::Sysctl(_) | Body::Rule(_));
        let of_new_link = fact.body.as_sysctl().is_some_and(|s| {
            let dev = s.path.dev().map(|dev| Id::Link(dev).at(fact.ns.clone()));
            dev.is_some_and(|dev| !before.contains(&dev))
        });
        assert!(added || of_new_link || predicted.contains(&fact.key()), "not predicted: {fact:?}");
    }
}

fn plan(steps: impl IntoIterator<Item = Step>) -> Plan {
    let mut plan = Plan::new();
    steps.into_iter().for_each(|step| plan.push(step).unwrap());
    plan
}

fn make(ns: &Ns, body: Body) -> Step {
    Step::Create(body.at(ns.clone()))
}

fn ensure(ns: &Ns, body: Body) -> Step {
    Step::Ensure(body.at(ns.clone()))
}

fn gone(fact: &Fact) -> Step {
    Step::Absent(fact.key())
}

/// Two sandboxes on a bridge with a gateway, and every other noun somewhere.
fn bridged() -> Vec<Step> {
    let host = Ns::HOST;
    let mut br = link("rw-web", LinkKind::Bridge);
    br.altnames.insert("ropewalk.network.web".into());
    br.mac = mac(1);
    let addr = |dev: &str, net: &str| Body::Addr(Addr::global(name(dev), net.parse().unwrap()));
    let mut steps = vec![
        ensure(&host, Body::Link(br)),
        ensure(&host, addr("rw-web", "192.168.15.1/24")),
        ensure(&host, addr("rw-web", "fd00:15::1/64")),
        ensure(&host, Body::Sysctl(Sysctl { path: SysctlPath::ip_forward(), value: "1".into() })),
    ];
    for (n, ns) in [(2, red()), (3, blue())] {
        let leg = format!("leg{n}");
        let mut near = veth(&leg, &ns, "eth0");
        near.master = Some(name("rw-web"));
        near.altnames.insert(format!("ropewalk.{n}.eth0"));
        let mut far = veth("eth0", &host, &leg);
        far.mac = mac(n);
        far.mtu = Some(1400);
        let hairpin = MemberFlags {
            dev: name(&leg),
            hairpin: Some(true),
            isolated: None,
            learning: None,
            flood: None,
            neigh_suppress: None,
        };
        let gateway = |text: &str| Some(text.parse().unwrap());
        let eth0 = || name("eth0");
        let entry =
            FdbKey { dev: name(&leg), mac: mac(n).unwrap(), own: false, dst: None, vlan: None };
        let key = NeighKey { dev: eth0(), ip: "192.168.15.1".parse().unwrap(), proxy: false };
        let neigh = Neigh { key, mac: mac(1), state: 0x80, proto: proto::ROPEWALK, derived: false };
        steps.extend([
            make(&host, Body::Link(near)),
            make(&host, Body::Member(hairpin)),
            make(&host, Body::Fdb(Fdb { key: entry, state: 0x40, derived: false })),
            make(&ns, Body::Link(far)),
            make(&ns, addr("eth0", &format!("192.168.15.{n}/24"))),
            make(&ns, addr("eth0", &format!("fd00:15::{n}/64"))),
            make(
                &ns,
                Body::Route(Route::unicast(
                    RouteKey::default_v4(),
                    eth0(),
                    gateway("192.168.15.1"),
                )),
            ),
            make(
                &ns,
                Body::Route(Route::unicast(RouteKey::default_v6(), eth0(), gateway("fd00:15::1"))),
            ),
            make(&ns, Body::Neigh(neigh)),
        ]);
    }
    steps.push(make(
        &host,
        Body::Rule(Rule {
            v6: false,
            priority: 100,
            from: Some("192.168.15.0/24".parse().unwrap()),
            to: None,
            iif: None,
            oif: None,
            mark: None,
            not: false,
            suppress: None,
            action: RuleAction::Lookup(254),
            proto: proto::ROPEWALK,
        }),
    ));
    steps
}

#[test]
fn a_bridged_network_obeys() {
    let mut host = Host::new();
    host.obey(&plan(bridged()));
}

#[test]
fn taking_a_bridged_network_down_obeys() {
    let mut host = Host::new();
    let up = plan(bridged());
    let changes = predict(&up, &mut host.all()).unwrap();
    host.run(&changes);
    let facts: Vec<Fact> = host.all().iter().cloned().collect();
    let pick = |text: &str| {
        facts.iter().find(|f| matches!(&f.body, Body::Link(l) if l.name.as_str() == text))
    };
    host.obey(&plan([gone(pick("leg2").unwrap())]));
    host.obey(&plan([gone(pick("rw-web").unwrap())]));
    let all = ["leg2", "leg3", "rw-web"].map(|text| gone(pick(text).unwrap()));
    host.obey(&plan(all));
}

#[test]
fn a_sandbox_that_is_made_obeys() {
    let mut host = Host::new();
    let green = Ns::new("netns:green");
    let addr = Addr::global(name("eth0"), "10.0.0.2/24".parse().unwrap());
    host.obey(&plan([
        make(&Ns::HOST, Body::Netns("green".into())),
        ensure(&green, Body::Link(link("lo", LinkKind::Loopback))),
        make(&Ns::HOST, Body::Link(veth("leg", &green, "eth0"))),
        make(&green, Body::Link(veth("eth0", &Ns::HOST, "leg"))),
        make(&green, Body::Addr(addr)),
    ]));
}
