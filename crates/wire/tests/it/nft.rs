//! nf_tables against the running kernel: what is made is found, and nft(8) reads it as its own.

use std::collections::BTreeSet;

use ropewalk_facts::nft::{
    Base, Bytes, Chain, Element, ElementKey, Expr, Family, Rule, RuleKey, Set, SetFlags, Table,
    TableKey, Value, Verdict, VerdictCode,
};
use ropewalk_facts::{Body, IfName, Mac, Ns, Snapshot};
use ropewalk_plan::Change;
use ropewalk_testnet::Private;
use ropewalk_topology::firewall;
use ropewalk_wire::nft::{self, Make, Reader, Ruleset};
use ropewalk_wire::nl::{Outcome, Request};

use crate::socket::Socket;

struct Net {
    private: Private,
    nf: Socket,
}

impl Net {
    fn enter() -> Self {
        let private = Private::enter();
        Self { private, nf: Socket::netfilter() }
    }

    fn sh(&self, script: &str) -> String {
        self.private.sh(script)
    }

    /// What nft shows.
    fn listing(&self) -> String {
        self.sh("nft list ruleset")
    }

    /// Everything there is.
    fn found(&self) -> (BTreeSet<String>, Ruleset) {
        let (facts, ruleset) = self.facts();
        (shown(&facts), ruleset)
    }

    fn facts(&self) -> (Vec<Body>, Ruleset) {
        let mut reader = Reader::new();
        let take = |reader: &mut Reader, requests: &[Request]| {
            self.nf.must(requests).iter().for_each(|kept| reader.take(&kept.message()));
        };
        take(&mut reader, &nft::dumps().unwrap());
        let sets: Vec<_> = reader.sets().map(|set| nft::elements_of(set).unwrap()).collect();
        take(&mut reader, &sets);
        reader.done()
    }

    #[track_caller]
    fn commit(&self, requests: Vec<Request>) {
        let refused = self.nf.transact(&nft::transaction(requests));
        assert_eq!(refused, None);
    }

    /// Makes the objects in one transaction.
    #[track_caller]
    fn create(&self, all: &[Body], ruleset: &mut Ruleset) {
        self.commit(requests(all, ruleset));
    }

    /// What the targeted request finds of the same object.
    fn read(&self, body: &Body, ruleset: &Ruleset) -> Option<Body> {
        let mut reader = Reader::with(ruleset);
        let (_, kept) = self.nf.ask(&nft::read(&body.id(), ruleset).unwrap());
        kept.iter().for_each(|kept| reader.take(&kept.message()));
        reader.done().0.into_iter().find(|found| found.id() == body.id())
    }
}

fn requests(all: &[Body], ruleset: &mut Ruleset) -> Vec<Request> {
    all.iter().flat_map(|body| nft::create(body, Make::Exclusive, ruleset).unwrap()).collect()
}

fn shown(all: &[Body]) -> BTreeSet<String> {
    let set: BTreeSet<String> = all.iter().map(|body| format!("{body:?}")).collect();
    assert_eq!(set.len(), all.len(), "an object was found twice");
    set
}

fn elements() -> Vec<Body> {
    let (br, leg) = (IfName::new("rw-web").unwrap(), IfName::new("rwv1").unwrap());
    let nets4 = ["10.9.0.0/24".parse().unwrap(), "10.9.1.0/24".parse().unwrap()];
    let nets6 = ["fd00:9::/64".parse().unwrap()];
    let mut all = firewall::direct(&[&nets4[..], &nets6[..]].concat());
    for net in nets4.into_iter().chain(nets6) {
        all.extend([firewall::masquerade(net), firewall::masquerade_in(net)]);
    }
    for net in ["0.0.0.0/1", "128.0.0.0/1", "::/0"] {
        let (v4, v6) = ("198.51.100.7".parse().unwrap(), "2001:db8::7".parse().unwrap());
        let net = net.parse().unwrap();
        all.extend(firewall::snat(net, v4).or(firewall::snat(net, v6)));
    }
    all.push(firewall::masquerade("192.0.2.9/32".parse().unwrap()));
    let (mac, v4, v6) =
        (Mac([2, 0x72, 10, 9, 0, 2]), [10, 9, 0, 2].into(), "fd00:9::2".parse().unwrap());
    all.extend(firewall::bridged_leg(&leg, mac, &[v4, v6]));
    all.extend(firewall::routed_leg(&leg, mac, &[v4, v6]));
    all.extend(firewall::wire_leg(&br, mac));
    all.extend([firewall::internal(&br), firewall::internal(&leg), firewall::bridged(&br)]);
    for (proto, port) in [(6, 8080), (17, 8080), (132, 65535)] {
        for (at, to) in [
            (None, "10.9.0.2:80"),
            (Some("127.0.0.1"), "10.9.0.3:80"),
            (None, "[fd00:9::2]:80"),
            (Some("2001:db8::1"), "[fd00:9::2]:80"),
        ] {
            let at = at.map(|at| at.parse().unwrap());
            all.push(firewall::publish(proto, at, port, to.parse().unwrap()).unwrap());
        }
    }
    all
}

#[test]
fn our_table_is_found_as_it_was_made() {
    let net = Net::enter();
    let mut all = firewall::facts();
    all.extend(elements());
    net.create(&all, &mut Ruleset::new());
    let (found, ruleset) = net.found();
    assert_eq!(found, shown(&all));
    for body in &all {
        assert_eq!(net.read(body, &ruleset).as_ref(), Some(body));
    }
    for absent in [
        firewall::publish(6, None, 81, ([10, 9, 0, 2], 80).into()).unwrap(),
        firewall::masquerade("192.0.2.10/32".parse().unwrap()),
        firewall::masquerade("10.9.0.0/25".parse().unwrap()),
        firewall::masquerade("10.9.0.0/23".parse().unwrap()),
    ] {
        assert_eq!(net.read(&absent, &ruleset), None);
    }
}

/// The lines for making `new` of `old`.
fn script(changes: &[(Option<Body>, Option<Body>)], known: &[Body]) -> String {
    let fact = |body: &Option<Body>| body.clone().map(|body| body.at(Ns::HOST));
    let changes: Vec<Change> = changes
        .iter()
        .map(|(old, new)| {
            let key = fact(new).or_else(|| fact(old)).unwrap().key();
            Change { key, old: fact(old), new: fact(new), implied: false }
        })
        .collect();
    let known: Snapshot = known.iter().map(|body| body.clone().at(Ns::HOST)).collect();
    let changes: Vec<&Change> = changes.iter().collect();
    let lines = ropewalk_plan::render::nft::lines(&changes, &known);
    lines.iter().map(|line| format!("{line}\n")).collect()
}

fn load(net: &Net, script: &str) {
    net.sh(&format!("nft -f - <<'EOF'\n{script}EOF"));
}

/// What the printed script makes by nft and what our requests make are the same.
#[test]
fn printed_and_sent_are_one() {
    let (base, elements) = (firewall::facts(), elements());
    let made = |all: &[Body]| all.iter().map(|body| (None, Some(body.clone()))).collect::<Vec<_>>();
    let mut ruleset = Ruleset::new();
    let sent = Net::enter();
    sent.create(&base, &mut ruleset);
    let listing = sent.listing();
    sent.create(&elements, &mut ruleset);
    let found = sent.found().0;

    let printed = Net::enter();
    load(&printed, &script(&made(&base), &[]));
    assert_eq!(printed.listing(), listing);
    load(&printed, &script(&made(&elements), &base));
    let again = printed.found().0;
    let differences: Vec<&String> = again.symmetric_difference(&found).collect();
    assert!(differences.is_empty(), "{differences:#?}");

    let all = [base, elements].concat();
    let gone: Vec<_> = all.iter().rev().map(|body| (Some(body.clone()), None)).collect();
    load(&printed, &script(&gone, &all));
    assert_eq!(printed.listing(), "");
}

#[test]
fn printed_changes_of_rules_and_values_are_carried_out() {
    let net = Net::enter();
    let table = firewall::table();
    let mk = |tag: &str, at| rule("c", tag, at, VerdictCode::Return);
    let mut known = vec![
        Body::Table(Table { key: table.clone(), dormant: false }),
        Body::Chain(Chain { key: table.chain("c"), base: None }),
    ];
    let step = |known: &mut Vec<Body>, changes: &[(Option<Body>, Option<Body>)]| {
        load(&net, &script(changes, known));
        for (old, new) in changes {
            known.retain(|body| Some(body) != old.as_ref());
            known.extend(new.clone());
        }
    };
    let head: Vec<_> = known.iter().map(|body| (None, Some(body.clone()))).collect();
    load(&net, &script(&head, &[]));
    step(&mut known, &[(None, Some(mk("b", 0))), (None, Some(mk("d", 1)))]);
    step(
        &mut known,
        &[(None, Some(mk("a", 0))), (None, Some(mk("c", 2))), (None, Some(mk("e", 4)))],
    );
    let tags = |net: &Net| -> Vec<String> {
        let rules = net.facts().0.into_iter().filter_map(|b| b.as_nft_rule().cloned());
        rules.map(|r| r.key.tag).collect()
    };
    assert_eq!(tags(&net), ["a", "b", "c", "d", "e"]);
    let places = ["a", "b", "c", "d", "e"].into_iter().zip(0..).map(|(tag, at)| mk(tag, at));
    known.retain(|body| body.as_nft_rule().is_none());
    known.extend(places);
    let other = rule("c", "c", 2, VerdictCode::Drop);
    step(&mut known, &[(Some(mk("c", 2)), Some(other.clone())), (Some(mk("b", 1)), None)]);
    assert_eq!(tags(&net), ["a", "c", "d", "e"]);
    assert!(net.listing().contains("drop comment \"c\""));
}

#[test]
fn what_exists_is_refused_or_shared_as_asked() {
    let net = Net::enter();
    let mut ruleset = Ruleset::new();
    let mut all = firewall::facts();
    all.retain(|body| !matches!(body, Body::NftRule(_)));
    all.extend(elements());
    net.create(&all, &mut ruleset);
    for body in &all {
        let again = nft::create(body, Make::Exclusive, &mut ruleset).unwrap();
        let refused = net.nf.transact(&nft::transaction(again)).unwrap();
        assert_eq!(refused.1.errno, 17, "{body:?}: {refused:?}");
        net.commit(nft::create(body, Make::Shared, &mut ruleset).unwrap());
    }
    assert_eq!(net.found().0, shown(&all));
}

#[test]
fn what_was_made_goes_again() {
    let net = Net::enter();
    let mut all = firewall::facts();
    let base = all.len();
    all.extend(elements());
    net.create(&all, &mut Ruleset::new());
    let (_, mut ruleset) = net.found();
    let delete = |range: &[Body], ruleset: &mut Ruleset| {
        range.iter().rev().flat_map(|b| nft::delete(&b.id(), ruleset).unwrap()).collect()
    };
    let (base, elements) = all.split_at(base);
    net.commit(delete(elements, &mut ruleset));
    assert_eq!(net.found().0, shown(base));
    net.commit(delete(base, &mut ruleset));
    assert_eq!(net.listing(), "");
    net.create(base, &mut ruleset);
    let tables: Vec<Body> = base.iter().filter(|b| b.as_table().is_some()).cloned().collect();
    net.commit(delete(&tables, &mut ruleset));
    assert_eq!(net.listing(), "");
}

#[test]
fn a_transaction_is_all_or_nothing() {
    let net = Net::enter();
    let mut ruleset = Ruleset::new();
    let mut all = firewall::facts();
    all.push(all.first().unwrap().clone());
    let list = nft::transaction(requests(&all, &mut ruleset));
    let (place, refused) = net.nf.transact(&list).unwrap();
    assert_eq!((place, refused.errno), (list.len() - 2, 17));
    assert_eq!(net.listing(), "");
}

fn rule(chain: &str, tag: &str, at: u32, code: VerdictCode) -> Body {
    let chain = firewall::table().chain(chain);
    let key = RuleKey { chain, tag: tag.into() };
    let exprs = vec![Expr::Verdict(Verdict { code, chain: None })];
    Body::NftRule(Rule { key, exprs, at: Some(at) })
}

#[test]
fn rules_go_to_their_places_and_are_replaced_there() {
    let net = Net::enter();
    let table = firewall::table();
    let heads = [
        Body::Table(Table { key: table.clone(), dormant: false }),
        Body::Chain(Chain { key: table.chain("c"), base: None }),
    ];
    net.create(&heads, &mut Ruleset::new());
    let tags = |net: &Net| -> Vec<String> {
        let rules = net.facts().0.into_iter().filter_map(|b| b.as_nft_rule().cloned());
        rules.map(|r| format!("{} {}", r.at.unwrap(), r.key.tag)).collect()
    };
    let mk = |tag: &str, at| rule("c", tag, at, VerdictCode::Return);
    net.create(&[mk("b", 0), mk("e", 1)], &mut net.found().1);
    net.create(&[mk("a", 0), mk("c", 2), mk("d", 3), mk("f", 5)], &mut net.found().1);
    assert_eq!(tags(&net), ["0 a", "1 b", "2 c", "3 d", "4 e", "5 f"]);

    let other = rule("c", "c", 2, VerdictCode::Drop);
    net.commit(nft::change(&mk("c", 2), &other, &mut net.found().1).unwrap());
    assert_eq!(tags(&net), ["0 a", "1 b", "2 c", "3 d", "4 e", "5 f"]);
    assert!(net.facts().0.contains(&other));

    net.commit(nft::change(&other, &mk("c", 0), &mut net.found().1).unwrap());
    assert_eq!(tags(&net), ["0 c", "1 a", "2 b", "3 d", "4 e", "5 f"]);
}

#[test]
fn values_policies_and_dormancy_change() {
    let net = Net::enter();
    let mut ruleset = Ruleset::new();
    net.create(&firewall::facts(), &mut ruleset);
    let publish = |host| firewall::publish(6, None, 8080, ([10, 9, 0, host], 80).into()).unwrap();
    let range = |host: u8| {
        let source = [198, 51, 100, host].into();
        firewall::snat("10.0.0.0/8".parse().unwrap(), source).unwrap()
    };
    let chain = |drop| {
        let base = Base { kind: "filter".into(), hook: 2, priority: 0, drop, devs: Vec::new() };
        Body::Chain(Chain { key: firewall::table().chain("forward"), base: Some(base) })
    };
    let table = |dormant| Body::Table(Table { key: firewall::table(), dormant });
    net.create(&[publish(1), range(1)], &mut ruleset);
    for (old, new) in [
        (publish(1), publish(2)),
        (range(1), range(2)),
        (chain(false), chain(true)),
        (chain(true), chain(false)),
        (table(false), table(true)),
        (table(true), table(false)),
    ] {
        net.commit(nft::change(&old, &new, &mut ruleset).unwrap());
        let facts = net.facts().0;
        assert!(facts.contains(&new) && !facts.contains(&old), "{new:?}");
    }
}

/// A verdict map, a set with a timeout, types in the order of the host, a chain of a device.
#[test]
fn other_sets_and_chains_are_found_as_they_were_made() {
    let net = Net::enter();
    net.sh("ip link add d0 type veth peer name d1");
    let table = TableKey::new(Family::Netdev, "t");
    let set = |name: &str, keys: &[&str], values: &[&str], flags, timeout_ms| {
        let names = |types: &[&str]| types.iter().map(ToString::to_string).collect();
        let (key_types, value_types) = (names(keys), names(values));
        Body::Set(Set { key: table.set(name), key_types, value_types, flags, timeout_ms })
    };
    let plain = SetFlags::default();
    let interval = SetFlags { interval: true, ..plain };
    let element = |set: &str, key: &[u8], end: Option<&[u8]>, value| {
        let end = end.map(|b| Bytes(b.to_vec()));
        let key = ElementKey { set: table.set(set), key: Bytes(key.to_vec()), end };
        Body::Element(Element { key, value, derived: false })
    };
    let verdict = |code, chain: Option<&str>| {
        Some(Value::Verdict(Verdict { code, chain: chain.map(str::to_owned) }))
    };
    let data = |b: &[u8]| Some(Value::Data(Bytes(b.to_vec())));
    let hook = |devs: &[&str]| Base {
        kind: "filter".into(),
        hook: 0,
        priority: -5,
        drop: true,
        devs: devs.iter().map(|dev| IfName::new(*dev).unwrap()).collect(),
    };
    let all = [
        Body::Table(Table { key: table.clone(), dormant: false }),
        set("v", &["inet_service"], &["verdict"], plain, 0),
        set("w", &["mark", "ifname"], &["verdict"], plain, 0),
        set("m", &["inet_service"], &["mark"], interval, 0),
        set("n", &["ipv4_addr", "inet_service"], &["ether_addr"], interval, 0),
        set("e", &["ether_addr", "inet_proto"], &[], SetFlags { constant: true, ..plain }, 0),
        set("aging", &["ipv4_addr"], &[], plain, 60_000),
        Body::Chain(Chain { key: table.chain("c"), base: None }),
        Body::Chain(Chain { key: table.chain("one"), base: Some(hook(&["d0"])) }),
        Body::Chain(Chain { key: table.chain("two"), base: Some(hook(&["d0", "d1"])) }),
        element("v", &[0, 80], None, verdict(VerdictCode::Drop, None)),
        element("v", &[0, 81], None, verdict(VerdictCode::Jump, Some("c"))),
        element("v", &[0, 82], None, verdict(VerdictCode::Goto, Some("c"))),
        element(
            "w",
            &[[1; 4].as_slice(), &[b'x'; 16]].concat(),
            None,
            verdict(VerdictCode::Return, None),
        ),
        element("m", &[0, 0], Some(&[0, 9]), data(&[1, 0, 0, 0])),
        element("m", &[0, 10], None, data(&[2, 0, 0, 0])),
        element("m", &[255, 0], Some(&[255, 255]), data(&[3, 0, 0, 0])),
        element("n", &[1, 1, 1, 1, 0, 80, 0, 0], Some(&[1, 1, 1, 9, 0, 90, 0, 0]), data(&[2; 6])),
        element("n", &[2, 1, 1, 1, 0, 80, 0, 0], None, data(&[4; 6])),
        element("e", &[2, 1, 1, 1, 0, 80, 0, 0, 6, 0, 0, 0], None, None),
    ];
    net.create(&all, &mut Ruleset::new());
    assert_eq!(net.found().0, shown(&all), "{}", net.listing());
    net.sh("nft add element netdev t aging '{ 1.2.3.4 }'");
    let derived = |body: &&Body| body.as_element().is_some_and(|e| e.derived);
    assert_eq!(net.facts().0.iter().filter(derived).count(), 1);
}

/// Rules of all sorts.
const ALL_SORTS: &str = r#"
table inet t {
    counter hits { }
    set s { type ipv4_addr; flags dynamic; size 100; }
    map m { type ipv4_addr : mark; }
    map v { type ifname : verdict; }
    chain other { }
    chain c {
        type filter hook prerouting priority -300; policy accept;
        ip saddr 10.0.0.0/8 counter packets 0 bytes 0 accept
        ip saddr 10.0.0.0/9 tcp dport 1000-2000 drop comment "range"
        ip daddr != 10.1.2.3 udp sport != 5000-5001 meta mark set 0x00000007
        iifname "eth*" meta mark & 0x000000ff == 0x00000001 notrack
        meta mark set ip saddr map @m
        iifname vmap @v
        ct state established,related accept comment "an established one"
        ct original ip saddr 1.2.3.4 ct mark set meta mark
        ether saddr 02:00:00:00:00:01 limit rate 10/second
        fib saddr . iif oif 0 drop
        fib daddr type local accept
        ip saddr @s log prefix "hello" continue
        tcp flags syn tcp option maxseg size set 1400
        ip ttl 64 goto other
        ip6 daddr fd00::/8 ip6 hoplimit set 5
        add @s { ip saddr }
        meta l4proto 132 th dport 99 jump other
        icmp type 8 quota over 5 mbytes counter name "hits"
        meta priority set 1:2 meta pkttype 1
        tcp dport { 22, 80, 443 } accept
    }
    chain f {
        type filter hook forward priority 0; policy drop;
        reject with tcp reset
        reject with icmpx port-unreachable
        ip protocol 1 reject with icmp host-unreachable
        rt ip nexthop 1.2.3.4 drop
    }
    chain n {
        type nat hook postrouting priority 100; policy accept;
        ip saddr 10.0.0.0/8 snat ip to 1.2.3.4
        ip saddr 10.0.0.0/8 meta l4proto 6 snat ip to 1.2.3.4:1000-2000 random
        meta l4proto 6 masquerade to :1024-65535 random,persistent
        masquerade fully-random
    }
    chain d {
        type nat hook prerouting priority -100; policy accept;
        tcp dport 80 redirect to :8080
        tcp dport 81 dnat ip to 10.0.0.1:81
        ip6 daddr fd00::1 meta l4proto 17 dnat ip6 to [fd00::2]:80 persistent
    }
}"#;

/// Rules of all sorts, made by nft: read, written elsewhere, and shown by nft as before.
#[test]
fn rules_that_nft_made_survive_reading_and_writing() {
    // Anonymous sets and named counters are objects that no fact holds. The kernel itself does not
    // take back what it says of a TCP option that is set, or of a rule that adds to a set.
    let plain = |script: &str| -> String {
        let odd = ["{ 22", "hits", "maxseg", "add @s"];
        let lines = script.lines().filter(|line| !odd.iter().any(|odd| line.contains(odd)));
        lines.map(|line| format!("{line}\n")).collect()
    };
    let first = Net::enter();
    first.sh(&format!("nft -f - <<'EOF'\n{ALL_SORTS}\nEOF"));
    assert!(first.facts().0.len() > 35);
    first.sh(&format!("nft -f - <<'EOF'\nflush ruleset\n{}\nEOF", plain(ALL_SORTS)));
    let (before, facts) = (first.listing(), first.facts().0);

    let second = Net::enter();
    let dynamic: Vec<Body> =
        facts.iter().filter(|b| !matches!(b, Body::Set(s) if s.key.set == "s")).cloned().collect();
    second.sh(
        "nft add table inet t; nft add set inet t s '{ type ipv4_addr; flags dynamic; size 100; }'",
    );
    second.create(&dynamic[1..], &mut Ruleset::new());
    let after = second.listing();
    let sorted = |text: &str| text.lines().map(str::to_owned).collect::<BTreeSet<_>>();
    assert_eq!(sorted(&after), sorted(&before));
    // A rule without a comment is named by its handle, which differs.
    let rules = |facts: &[Body]| -> BTreeSet<String> {
        let rules = facts.iter().filter_map(|b| b.as_nft_rule());
        rules.map(|r| format!("{:?} {:?} {:?}", r.key.chain, r.at, r.exprs)).collect()
    };
    assert_eq!(rules(&second.facts().0), rules(&facts));
    let opaque = facts.iter().filter_map(|b| b.as_nft_rule()).flat_map(|r| &r.exprs);
    let opaque: BTreeSet<&str> = opaque
        .filter_map(|e| if let Expr::Opaque { name, .. } = e { Some(name.as_str()) } else { None })
        .collect();
    assert_eq!(opaque.into_iter().collect::<Vec<_>>(), ["log", "masq", "nat", "payload"]);
}

/// Of every rule that is told in full, nft makes the same rule again.
#[test]
fn what_is_told_of_foreign_rules_is_true() {
    let first = Net::enter();
    first.sh(&format!("nft -f - <<'EOF'\n{ALL_SORTS}\nEOF"));
    let facts = first.facts().0;
    let (rules, mut heads): (Vec<Body>, Vec<Body>) =
        facts.into_iter().partition(|body| body.as_nft_rule().is_some());
    heads.retain(|body| {
        body.as_element().is_none() && !body.as_set().is_some_and(|s| s.flags.anonymous)
    });
    let made = |all: &[Body]| all.iter().map(|body| (None, Some(body.clone()))).collect::<Vec<_>>();
    let (told, untold): (Vec<_>, Vec<_>) = rules
        .iter()
        .partition(|body| !script(&[(None, Some((*body).clone()))], &heads).starts_with('#'));
    let text = script(&made(&rules), &heads);
    assert_eq!(untold.len(), 7, "{text}");

    let second = Net::enter();
    load(&second, &script(&made(&heads), &[]));
    load(&second, &text);
    let exprs = |rules: &mut dyn Iterator<Item = &Body>| -> Vec<String> {
        let rules = rules.filter_map(|b| b.as_nft_rule());
        rules.map(|r| format!("{:?} {:?}", r.key.chain.chain, r.exprs)).collect()
    };
    assert_eq!(exprs(&mut second.facts().0.iter()), exprs(&mut told.into_iter()));
}

#[test]
fn a_comment_that_stands_twice_names_one_rule() {
    let net = Net::enter();
    net.sh("nft -f - <<'EOF'
        table ip t {
 chain c {
 drop comment \"x\"
 accept comment \"x\"
 accept
 }
}
EOF");
    let (facts, ruleset) = net.facts();
    let keys: Vec<_> =
        facts.iter().filter_map(|b| b.as_nft_rule().map(|r| r.key.clone())).collect();
    assert_eq!(keys[0].tag, "x");
    assert!(keys[1].tag.starts_with('#') && keys[2].tag.starts_with('#'), "{keys:?}");
    assert!(keys.iter().all(|key| ruleset.handle(key).is_some()));
    let mut ruleset = ruleset;
    net.commit(nft::delete(&facts.last().unwrap().id(), &mut ruleset).unwrap());
    assert_eq!(net.facts().0.len(), facts.len() - 1);
}

#[test]
fn the_answer_says_which_request_was_refused() {
    let net = Net::enter();
    let mut ruleset = Ruleset::new();
    net.create(&firewall::facts(), &mut ruleset);
    let good = firewall::publish(6, None, 1, ([10, 0, 0, 1], 1).into()).unwrap();
    let bad = rule("absent", "x", 0, VerdictCode::Drop);
    let list = nft::transaction(requests(&[good, bad], &mut ruleset));
    let (place, Outcome { errno, .. }) = net.nf.transact(&list).unwrap();
    assert_eq!((place, errno), (2, 2));
}
