//! The four laws, on a real kernel.
//!
//!     predicted = found · applied: nothing left to do · twice = once · undo restores

use std::fmt::Write as _;

use ropewalk_facts::nft::Expr;
use ropewalk_facts::{
    Addr, Body, Fact, Fdb, FdbKey, Id, Key, LinkKind, MemberFlags, Neigh, NeighKey, Ns, Route,
    RouteKey, Rule, RuleAction, Snapshot, Sysctl, SysctlPath, proto,
};
use ropewalk_plan::{Change, Plan, Step, diff, holds, invert, predict};

use crate::space::{Host, blue, link, mac, name, red, same, veth};

impl Host {
    /// Carries out `plan`, and holds it to the laws.
    pub(crate) fn obey(&mut self, plan: &Plan) {
        let keys: Vec<Key> = plan.steps().iter().map(Step::key).collect();
        let before = self.all_and(&keys);
        let mut predicted = before.clone();
        let changes = predict(plan, &mut predicted).unwrap();
        self.carry_out(&changes);
        let found = self.all_and(&keys);
        if let Err((what, ns)) = come_true(&before, &lasting(&predicted), &lasting(&found)) {
            panic!("{what}\n{}", story(&found, &changes, &ns));
        }
        let rest: Vec<Step> = diff(plan, &found).into();
        let rest = plan_of(rest.into_iter().filter(|step| !proxy(step)));
        assert!(rest.is_empty(), "still to do: {rest:?}");
        assert_eq!(predict(&rest, &mut found.clone()).unwrap(), [], "a second time");
        self.carry_out(&invert(&changes));
        same(&lasting(&before), &lasting(&self.all_and(&keys)));
    }

    /// Everything, and the settings among `keys`, of which not all are read with everything.
    fn all_and(&mut self, keys: &[Key]) -> Snapshot {
        let mut all = self.all();
        let settings = keys.iter().filter(|key| matches!(key.id, Id::Sysctl(_)));
        let open = settings.filter(|key| self.kernel.cookie(&key.ns).is_ok()).cloned();
        all.merge(self.kernel.read_keys(&open.collect::<Vec<_>>()).unwrap());
        all
    }

    /// Executes `changes`, and tells what was there and what was done before one that is refused.
    pub(crate) fn carry_out(&mut self, changes: &[Change]) {
        let Err(failure) = self.kernel.execute(changes) else { return };
        let refused = &changes[failure.at];
        let now = self.all();
        let before = story(&now, &changes[..failure.at], &refused.key.ns);
        panic!("{}\nat {refused:?}\n{before}", failure.error);
    }
}

/// True for a step about a proxy entry.
pub(crate) fn proxy(step: &Step) -> bool {
    matches!(&step.key().id, Id::Neigh(key) if key.proxy)
}

/// What is stated, without proxy entries: they go when a link loses its carrier, some time after
/// what caused that (`neigh_carrier_down`, net/core/neighbour.c). Counters stand at nothing.
pub(crate) fn lasting(snapshot: &Snapshot) -> Snapshot {
    let mut lasting = snapshot.clone().stated();
    lasting.retain(|fact| fact.body.as_neigh().is_none_or(|neigh| !neigh.key.proxy));
    let uncounted = lasting.iter().cloned().map(|mut fact| {
        if let Body::NftRule(rule) = &mut fact.body {
            for expr in &mut rule.exprs {
                if matches!(expr, Expr::Counter { .. }) {
                    *expr = Expr::Counter { packets: 0, bytes: 0 };
                }
            }
        }
        fact
    });
    uncounted.collect()
}

/// What is in a namespace, and what was changed there.
fn story(now: &Snapshot, changes: &[Change], ns: &Ns) -> String {
    let mut story = String::from("there is\n");
    for fact in now.clone().stated().of(ns) {
        if !matches!(fact.body, Body::Sysctl(_)) {
            writeln!(story, "  {:?}", fact.body).unwrap();
        }
    }
    story += "made of\n";
    for change in changes.iter().filter(|c| c.key.ns == *ns) {
        let body = |fact: &Option<Fact>| fact.as_ref().map(|f| f.body.clone());
        let (old, new) = (body(&change.old), body(&change.new));
        writeln!(story, "{} {old:?}\n    -> {new:?}", change.implied).unwrap();
    }
    story
}

/// Everything predicted is there, and nothing else but what the kernel adds to new links and new
/// namespaces.
fn come_true(
    before: &Snapshot,
    predicted: &Snapshot,
    found: &Snapshot,
) -> Result<(), (String, Ns)> {
    for fact in predicted {
        let real = found.fact(&fact.key());
        if !real.is_some_and(|real| holds(fact, real)) {
            return Err((format!("{fact:?}\nis {real:?}"), fact.ns.clone()));
        }
    }
    for fact in found {
        let new_ns = before.of(&fact.ns).next().is_none();
        let added = new_ns && matches!(fact.body, Body::Sysctl(_) | Body::Rule(_));
        let of_new_link = fact.body.as_sysctl().is_some_and(|s| {
            let dev = s.path.dev().map(|dev| Id::Link(dev).at(fact.ns.clone()));
            dev.is_some_and(|dev| !before.contains(&dev))
        });
        if !(added || of_new_link || predicted.contains(&fact.key())) {
            return Err((format!("not predicted: {fact:?}"), fact.ns.clone()));
        }
    }
    Ok(())
}

pub(crate) fn plan_of(steps: impl IntoIterator<Item = Step>) -> Plan {
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
pub(crate) fn bridged() -> Vec<Step> {
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
            vlans: None,
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
            ipproto: None,
            sport: None,
            dport: None,
            action: RuleAction::Lookup(254),
            proto: proto::ROPEWALK,
        }),
    ));
    steps
}

#[test]
fn a_bridged_network_obeys() {
    let mut host = Host::new();
    host.obey(&plan_of(bridged()));
}

#[test]
fn taking_a_bridged_network_down_obeys() {
    let mut host = Host::new();
    let up = plan_of(bridged());
    let changes = predict(&up, &mut host.all()).unwrap();
    host.run(&changes);
    let facts: Vec<Fact> = host.all().iter().cloned().collect();
    let pick = |text: &str| {
        facts.iter().find(|f| matches!(&f.body, Body::Link(l) if l.name.as_str() == text))
    };
    host.obey(&plan_of([gone(pick("leg2").unwrap())]));
    host.obey(&plan_of([gone(pick("rw-web").unwrap())]));
    let all = ["leg2", "leg3", "rw-web"].map(|text| gone(pick(text).unwrap()));
    host.obey(&plan_of(all));
}

#[test]
fn a_sandbox_that_is_made_obeys() {
    let mut host = Host::new();
    let green = Ns::new("netns:green");
    let addr = Addr::global(name("eth0"), "10.0.0.2/24".parse().unwrap());
    host.obey(&plan_of([
        make(&Ns::HOST, Body::Netns("green".into())),
        ensure(&green, Body::Link(link("lo", LinkKind::Loopback))),
        make(&Ns::HOST, Body::Link(veth("leg", &green, "eth0"))),
        make(&green, Body::Link(veth("eth0", &Ns::HOST, "leg"))),
        make(&green, Body::Addr(addr)),
    ]));
}
