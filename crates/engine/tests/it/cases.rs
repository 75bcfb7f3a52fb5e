//! Networks that were broken in one place, as they were found: the cause and its place.
//!
//! Data only, in tests/cases: no kernel, no root.

use std::fs;

use ropewalk_facts::nft::{
    Base, Bytes, Chain, CmpOp, Expr, Family, Payload, Reg, Rule, RuleKey, TableKey, Verdict,
    VerdictCode,
};
use ropewalk_facts::seen::{Classic, Filter, InVlan, NeighTable, Scan, Xdp};
use ropewalk_facts::{Body, Fact, IfName, IpvlanMode, LinkKind, Mac, Neigh, Ns, SysctlPath};
use ropewalk_walk::{Question, Suspect, World, suspected, trip};
use serde::Deserialize;

#[derive(Deserialize)]
struct Case {
    question: Question,
    codes: Vec<String>,
    #[serde(rename = "where")]
    place: String,
    scan: Scan,
}

#[test]
fn every_case_is_named_and_placed() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/cases");
    let mut files: Vec<_> = fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|kind| kind == "json"));
    files.sort();
    let wrong: Vec<String> = files.iter().filter_map(|path| wrong(path)).collect();
    assert!(files.len() > 80, "only {} cases", files.len());
    assert_eq!(wrong, Vec::<String>::new());
}

/// What is said otherwise than it should be.
fn wrong(path: &std::path::Path) -> Option<String> {
    let text = fs::read_to_string(path).unwrap();
    let case: Case = serde_json::from_str(&text).unwrap();
    let said = ropewalk_engine::why_in(&case.scan, &case.question).unwrap();
    let right = case.codes[0] == said.code && case.place.split('|').any(|p| p == said.place);
    let name = path.file_stem().unwrap().to_string_lossy().into_owned();
    (!right).then(|| {
        format!("{name}: {} at {}, not {:?} at {}", said.code, said.place, case.codes, case.place)
    })
}

/// A working network of tests/cases.
fn healthy() -> Case {
    case("nat-healthy")
}

fn case(name: &str) -> Case {
    let path = format!("{}/tests/cases/{name}.json", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

/// The same with ipvlans in the place of macvlans: they have the hardware address of the link below.
fn with_ipvlans(mut case: Case) -> Case {
    let lower = |scan: &Scan, ns: &Ns, name: &IfName| {
        let peer = scan.seen[ns].devices[name].other.clone().unwrap();
        let of =
            |f: &&Fact| f.ns == peer.ns && f.body.as_link().is_some_and(|l| l.name == peer.name);
        let link = scan.facts.iter().find(of).unwrap().body.as_link().unwrap();
        (Some(peer), link.mac)
    };
    let mut facts: Vec<Fact> = case.scan.facts.iter().cloned().collect();
    for fact in &mut facts {
        if let Body::Link(link) = &mut fact.body
            && case.scan.seen[&fact.ns].devices.get(&link.name).is_some_and(|d| d.kind == "macvlan")
        {
            let (lower, mac) = lower(&case.scan, &fact.ns, &link.name);
            link.kind = LinkKind::Ipvlan { lower, mode: IpvlanMode::L2 };
            link.mac = mac;
        }
    }
    // What neighbours were known by is not so any more.
    facts.retain(|f| !matches!(f.body, Body::Neigh(_)));
    case.scan.facts = facts.into_iter().collect();
    for device in case.scan.seen.values_mut().flat_map(|seen| seen.devices.values_mut()) {
        if device.kind == "macvlan" {
            device.kind = "ipvlan".to_owned();
            device.macvlan = None;
        }
    }
    case
}

#[test]
fn ipvlans_are_walked_and_the_link_below_does_not_reach_them() {
    let fine = with_ipvlans(case("healthy-macvlan"));
    let said = ropewalk_engine::why_in(&fine.scan, &fine.question).unwrap();
    assert_eq!((said.code.as_str(), said.model_gaps.len()), ("OK", 0), "{said:#?}");
    let apart = with_ipvlans(case("macvlan-host"));
    let said = ropewalk_engine::why_in(&apart.scan, &apart.question).unwrap();
    assert_eq!((said.code.as_str(), said.place), ("MACVLAN_HOST_ISOLATION", apart.place));
    assert!(said.sentence.contains("ipvlans") && said.fix.is_empty(), "{}", said.sentence);
}

#[test]
fn a_member_in_another_vlan_than_its_bridge_is_named() {
    let mut case = healthy();
    let host = case
        .scan
        .seen
        .iter_mut()
        .find(|(_, seen)| seen.devices.values().any(|d| d.kind == "bridge"));
    let (ns, seen) = host.unwrap();
    let place = ropewalk_walk::called(ns).to_owned();
    let vlan = |id| vec![InVlan { id, pvid: true, untagged: true }];
    for device in seen.devices.values_mut() {
        if device.kind == "bridge" {
            device.vlan_filtering = true;
        }
        device.vlans = vlan(1);
    }
    let fine = ropewalk_engine::why_in(&case.scan, &case.question).unwrap();
    assert_eq!(fine.code, "OK", "all are in one");
    let seen = case.scan.seen.iter_mut().find(|(ns, _)| ropewalk_walk::called(ns) == place);
    let leg = IfName::new("vc1").unwrap();
    seen.unwrap().1.devices.get_mut(&leg).unwrap().vlans = vlan(10);
    let said = ropewalk_engine::why_in(&case.scan, &case.question).unwrap();
    assert_eq!((said.code.as_str(), said.place), ("VLAN_MISMATCH", format!("{place}:vc1")));
    assert!(
        said.fix_checked && said.fix[1].ends_with("bridge vlan add dev vc1 vid 1 pvid untagged")
    );
}

#[test]
fn a_full_table_of_neighbours_is_named() {
    let mut case = healthy();
    for seen in case.scan.seen.values_mut() {
        seen.tables = vec![NeighTable { v6: false, entries: 1024, room: 1024 }];
    }
    // Nobody knows anybody yet.
    let facts = case.scan.facts.iter().filter(|f| !matches!(f.body, Body::Neigh(_)));
    case.scan.facts = facts.cloned().collect();
    let said = ropewalk_engine::why_in(&case.scan, &case.question).unwrap();
    assert_eq!(said.code, "NEIGH_TABLE_FULL", "{said:#?}");
    assert!(said.fix.iter().any(|fix| fix.contains("gc_thresh3")), "{:?}", said.fix);
}

#[test]
fn a_full_table_of_neighbours_hides_no_other_cause() {
    for name in ["veth-not-enslaved", "port-isolated", "arp-ignore"] {
        let mut case = case(name);
        for seen in case.scan.seen.values_mut() {
            seen.tables = vec![NeighTable { v6: false, entries: 1024, room: 1024 }];
        }
        let said = ropewalk_engine::why_in(&case.scan, &case.question).unwrap();
        assert_eq!((&said.code, said.place), (&case.codes[0], case.place), "{name}");
    }
}

#[test]
fn a_program_that_nobody_can_look_into_is_named_and_no_cause() {
    let mut case = healthy();
    let device = IfName::new("vc1").unwrap();
    let seen = case.scan.seen.values_mut().find(|seen| seen.devices.contains_key(&device));
    let dev = seen.unwrap().devices.get_mut(&device).unwrap();
    dev.xdp = Some(Xdp { id: 7, generic: true, always: None });
    dev.tc_in = vec!["bpf".to_owned()];
    let said = ropewalk_engine::why_in(&case.scan, &case.question).unwrap();
    assert_eq!(said.code, "OK");
    assert_ne!(said.certainty, "predicted", "it hangs on the program");
    let gaps = said.model_gaps.join("\n");
    assert!(gaps.contains("vc1: an XDP program") && gaps.contains("vc1: a filter of tc"), "{gaps}");
}

#[test]
fn two_faults_are_named_in_order() {
    let mut case = healthy();
    let forwarding = SysctlPath::new("net/ipv4/conf/br0/forwarding").unwrap();
    let mut facts: Vec<Fact> = case.scan.facts.iter().cloned().collect();
    facts.retain(|f| {
        let default = matches!(&f.body, Body::Route(r) if r.key.dst.prefix_len() == 0);
        !(default && ropewalk_walk::called(&f.ns) == case.question.src)
    });
    for fact in &mut facts {
        if let Body::Sysctl(x) = &mut fact.body
            && x.path == forwarding
        {
            x.value = "0".to_owned();
        }
    }
    case.scan.facts = facts.into_iter().collect();
    for seen in case.scan.seen.values_mut() {
        if let Some(on) = seen.settings.get_mut("net/ipv4/conf/br0/forwarding") {
            *on = "0".to_owned();
        }
    }
    let said = ropewalk_engine::why_in(&case.scan, &case.question).unwrap();
    let then: Vec<&str> = said.then.iter().map(|then| then.code.as_str()).collect();
    assert_eq!((said.code.as_str(), then), ("NO_ROUTE", vec!["IP_FORWARD_OFF"]), "{said:#?}");
    assert!(said.fix_checked, "both are repaired: {:?}", said.fix);
}

#[test]
fn hosts_of_several_snapshots_are_joined_where_their_subnets_meet() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/cases/no-such-host-lan.json");
    let case: Case = serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap();
    let part = |names: &[&str], host: &str| {
        let of = |ns: &Ns| names.contains(&ropewalk_walk::called(ns));
        let facts = case.scan.facts.iter().filter(|f| of(&f.ns)).cloned().collect();
        let seen = case.scan.seen.iter().filter(|(ns, _)| of(ns));
        let seen = seen.map(|(ns, s)| (ns.clone(), s.clone())).collect();
        Scan { version: Scan::VERSION, facts, seen }.of_host(host)
    };
    let both = part(&["w1"], "a").beside(part(&["w2", "c"], "b"));
    let question = Question {
        src: "w1@a".to_owned(),
        dst: "192.168.2.10".parse().unwrap(),
        visible: Vec::new(),
        ..case.question.clone()
    };
    let said = ropewalk_engine::why_in(&both, &question).unwrap();
    let way: Vec<&str> = said.path.iter().map(|step| step.netns.as_str()).collect();
    assert_eq!((said.code.as_str(), way.last().copied()), ("OK", Some("c@b")), "{way:?}");
    let gone = ropewalk_engine::why_in(&both, &Question { src: "w9".to_owned(), ..question });
    assert!(gone.unwrap_err().to_string().contains("no sandbox w9"));
}

/// With rules of IP shown to what bridges pass on, as Docker wants it.
fn bridges_call_iptables(mut case: Case) -> Case {
    let paths = ["ip", "ip6"].map(|v| format!("net/bridge/bridge-nf-call-{v}tables"));
    let facts = case.scan.facts.iter().cloned().map(|mut fact| {
        if let Body::Sysctl(setting) = &mut fact.body
            && paths.iter().any(|path| path == setting.path.as_str())
        {
            "1".clone_into(&mut setting.value);
        }
        fact
    });
    case.scan.facts = facts.collect();
    case
}

#[test]
fn translations_of_the_host_stand_before_the_way_to_the_host() {
    let mut translated = 0;
    for name in ["publish-healthy", "healthy-docker", "nat-healthy", "h-decoys1", "h-decoys2"] {
        let case = bridges_call_iptables(case(name));
        let said = ropewalk_engine::why_in(&case.scan, &case.question).unwrap();
        for way in [&said.path, &said.reply] {
            let mut at = &way[0].netns;
            for (before, step) in way.iter().zip(&way[1..]) {
                translated += usize::from(step.action.starts_with("translates"));
                let over = before.action.starts_with("goes over to") || before.action == "leaves";
                assert!(step.netns == *at || over, "{name}: {before:?} then {step:?}");
                at = &step.netns;
            }
        }
    }
    assert!(translated > 2, "{translated}");
}

#[test]
fn tables_that_are_not_read_are_named_where_the_answer_hangs_on_them() {
    let mut fine = case("same-bridge-forward-off");
    let mut said = |table: &str| {
        let bridges = |seen: &&mut ropewalk_facts::seen::Seen| {
            seen.devices.values().any(|device| device.kind == "bridge")
        };
        fine.scan
            .seen
            .values_mut()
            .filter(bridges)
            .for_each(|seen| seen.legacy = vec![table.into()]);
        ropewalk_engine::why_in(&fine.scan, &fine.question).unwrap()
    };
    for (table, tool) in [("bridge/filter", "ebtables-legacy"), ("arp/filter", "arptables-legacy")]
    {
        let said = said(table);
        assert_eq!(said.code, "OK");
        assert!(said.certainty.contains("does not understand"), "{said:?}");
        assert!(said.model_gaps.iter().any(|gap| gap.contains(tool)), "{said:?}");
    }
    assert_eq!(said("ip/filter").model_gaps, Vec::<String>::new());
}

#[test]
fn a_ping_right_after_the_fix_waits_for_no_question_that_was_asked_before() {
    let stuck = |name: &str, state| {
        let mut case = case(name);
        let mut facts: Vec<Fact> = case.scan.facts.iter().cloned().collect();
        for fact in &mut facts {
            if let Body::Neigh(neigh) = &mut fact.body
                && neigh.mac.is_none()
            {
                neigh.state = state;
            }
        }
        case.scan.facts = facts.into_iter().collect();
        ropewalk_engine::why_in(&case.scan, &case.question).unwrap().fix
    };
    let (open, given_up) = (1, 0x20);
    for (name, line) in [
        ("veth-not-enslaved", "ip netns exec c1 ip neigh del 10.50.0.3 dev eth0"),
        ("rp-filter-strict", "ip netns exec g ip neigh del 172.31.5.2 dev eth0"),
        ("nd-bridge", "ip netns exec c1 ip neigh del fd50::3 dev eth0"),
    ] {
        let fix = stuck(name, open);
        assert!(fix.len() > 1 && fix.last().unwrap() == line, "{name}: {fix:?}");
        assert!(stuck(name, given_up).iter().all(|fix| !fix.contains("neigh")), "{name}");
    }
    // A gateway that is nobody's is not asked for any more.
    let fix = stuck("gateway-unreachable", open);
    assert!(fix.iter().all(|fix| !fix.contains("neigh")), "{fix:?}");
}

#[test]
fn where_nobody_answers_who_was_written_down_or_is_not_translated_is_suspected() {
    let suspect = |case: &Case| -> Option<Suspect> {
        let world = World::new(&case.scan);
        suspected(&world, &trip(&world, &case.question))
    };
    let mut case = healthy();
    assert_eq!(suspect(&case), None);
    let mut facts: Vec<Fact> = case.scan.facts.iter().cloned().collect();
    for fact in &mut facts {
        if let Body::Neigh(neigh) = &mut fact.body
            && neigh.key.ip.to_string() == "172.31.0.1"
        {
            neigh.state = Neigh::PERMANENT;
        }
    }
    case.scan.facts = facts.into_iter().collect();
    let found = suspect(&case).unwrap();
    assert_eq!((found.code, found.place.as_str()), ("NEIGH_WRONG_MAC", "h:eth0"));
    assert_eq!(found.fix, ["ip netns exec h ip neigh del 172.31.0.1 dev eth0"]);
    // What a site keeps to itself (fc00::/7) leaves for the world.
    let found = suspect(&self::case("healthy-v6")).unwrap();
    assert_eq!((found.code, found.place.as_str()), ("NO_SNAT", "h:eth0"));
    assert!(found.sentence.contains("fd50::2") && found.fix[0].contains("-s fd50::/64 -o eth0"));
}

#[test]
fn where_nobody_answers_through_a_tunnel_its_other_end_is_suspected_and_no_entry_of_its_own() {
    let case = case("healthy-tunnel-to-a-host-not-seen");
    let world = World::new(&case.scan);
    let found = suspected(&world, &trip(&world, &case.question)).unwrap();
    assert_eq!((found.code, found.place.as_str()), ("TUNNEL_SILENT", "host:rwv-over"));
    assert!(found.sentence.contains("tunnel 8782574 from the host 192.168.1.12"), "{found:?}");
    // The neighbours of a tunnel are written down for good, and are right.
    assert_eq!(found.fix, Vec::<String>::new());
}

#[test]
fn a_firewall_here_that_drops_what_comes_back_through_a_tunnel_is_named() {
    let mut case = case("healthy-tunnel-to-a-host-not-seen");
    let key = TableKey::new(Family::Inet, "fw").chain("in");
    let base = Base { kind: "filter".into(), hook: 1, priority: 0, drop: false, devs: vec![] };
    let exprs = vec![
        Expr::Payload { what: Payload { base: 2, offset: 2, len: 2 }, dreg: Reg(0) },
        Expr::Cmp { sreg: Reg(0), op: CmpOp::Eq, data: Bytes(4789_u16.to_be_bytes().into()) },
        Expr::Verdict(Verdict { code: VerdictCode::Drop, chain: None }),
    ];
    let rule = Rule { key: RuleKey { chain: key.clone(), tag: "#1".into() }, exprs, at: None };
    case.scan.facts.insert(Body::Chain(Chain { key, base: Some(base) }).at(Ns::default()));
    case.scan.facts.insert(Body::NftRule(rule).at(Ns::default()));
    let said = ropewalk_engine::why_in(&case.scan, &case.question).unwrap();
    assert_eq!(said.place, "host:inet/fw/in", "{} {}", said.code, said.sentence);
    assert!(said.code.starts_with("FILTER_DROP"), "{}", said.code);
}

#[test]
fn the_answer_of_a_host_that_is_not_seen_comes_by_the_bridged_tunnel_that_the_request_took() {
    let mut case = case("healthy-vxlan");
    let hidden = ["netns:c2", "netns:w2", "netns:sw"].map(Ns::new);
    case.scan.seen.retain(|ns, _| !hidden.contains(ns));
    let facts = case.scan.facts.iter().filter(|f| !hidden.contains(&f.ns)).cloned();
    case.scan.facts = facts.collect();
    let said = ropewalk_engine::why_in(&case.scan, &case.question).unwrap();
    assert_eq!((said.code.as_str(), said.place.as_str()), ("OK", "-"), "{}", said.sentence);
    let back: Vec<&str> = said.reply.iter().map(|hop| hop.netns.as_str()).collect();
    assert!(back.contains(&"w1") && back.contains(&"c1"), "{back:?}");
}

#[test]
fn a_chain_that_was_there_before_any_translated_sees_what_is_translated() {
    let said = |first: bool| {
        let mut case = case("publish-healthy");
        let h = Ns::new("netns:h");
        let key = TableKey::new(Family::Inet, "t").chain("b");
        let base =
            Base { kind: "filter".into(), hook: 0, priority: -100, drop: false, devs: vec![] };
        let exprs = vec![
            Expr::Payload { what: Payload { base: 1, offset: 16, len: 4 }, dreg: Reg(0) },
            Expr::Cmp { sreg: Reg(0), op: CmpOp::Eq, data: Bytes(vec![10, 50, 0, 2]) },
            Expr::Verdict(Verdict { code: VerdictCode::Drop, chain: None }),
        ];
        let rule = Rule { key: RuleKey { chain: key.clone(), tag: "#1".into() }, exprs, at: None };
        let translates = TableKey::new(Family::Ip, "nat").chain("PREROUTING");
        let mut made = vec![key.clone(), translates];
        if !first {
            made.reverse();
        }
        case.scan.seen.get_mut(&h).unwrap().chains = made;
        case.scan.facts.insert(Body::Chain(Chain { key, base: Some(base) }).at(h.clone()));
        case.scan.facts.insert(Body::NftRule(rule).at(h));
        ropewalk_engine::why_in(&case.scan, &case.question).unwrap()
    };
    let (before, after) = (said(true), said(false));
    assert_eq!((before.code.as_str(), before.place.as_str()), ("FILTER_DROP", "h:inet/t/b"));
    assert_eq!(after.code, "OK", "of one priority the later chain comes first: {after:?}");
}

#[test]
fn what_a_filter_of_tc_sends_out_of_another_link_is_gone_unless_it_arrives() {
    let said = |to: &str, how: u32| {
        let mut case = case("same-bridge-forward-off");
        let seen = case.scan.seen.get_mut(&Ns::new("netns:h")).unwrap();
        let name = |name: &str| IfName::new(name).unwrap();
        let to = Some(seen.devices[&name(to)].index);
        let device = seen.devices.get_mut(&name("vc1")).unwrap();
        // Everything of IPv4, and that is c1's to c2.
        let code = vec![Classic(6, 0, 0, how)];
        let (out, proto, direct, acts, always) = (false, 0x0800, true, false, None);
        device.filters = vec![Filter { out, proto, direct, acts, code, always, to }];
        device.tc_in = vec!["u32".to_owned()];
        let said = ropewalk_engine::why_in(&case.scan, &case.question).unwrap();
        assert_eq!(said.model_gaps, Vec::<String>::new());
        (said.code, said.place)
    };
    let (stolen, passes) = (4, 0);
    assert_eq!(said("eth0", passes).0, "OK");
    assert_eq!(said("vc2", stolen).0, "OK", "the bridge would send it there, too");
    assert_eq!(said("br0", stolen).0, "OK", "the bridge sends it there");
    let back = said("vc1", stolen);
    assert_eq!(back, ("TC_DROP".to_owned(), "h:vc1".to_owned()), "it goes back to its sender");
}

#[test]
fn a_tunnel_that_sends_from_an_address_of_others_sends_nothing() {
    let mut case = case("healthy-vxlan");
    let mut facts: Vec<Fact> = case.scan.facts.iter().cloned().collect();
    for fact in facts.iter_mut().filter(|fact| fact.ns == Ns::new("netns:w1")) {
        if let Body::Link(link) = &mut fact.body
            && let LinkKind::Vxlan(spec) = &mut link.kind
        {
            spec.local = Some("172.31.0.50".parse().unwrap());
        }
    }
    // Nobody knows anybody yet.
    facts.retain(|fact| !matches!(fact.body, Body::Neigh(_)));
    case.scan.facts = facts.into_iter().collect();
    let said = ropewalk_engine::why_in(&case.scan, &case.question).unwrap();
    assert_eq!((said.code.as_str(), said.place.as_str()), ("WRONG_SOURCE", "w1:vx0"), "{said:#?}");
    assert!(said.fix.iter().any(|fix| fix.contains("local 172.31.0.2 ")), "{:?}", said.fix);
}

#[test]
fn a_member_of_the_wrong_bridge_is_named_though_that_bridge_answered_for_the_right_one() {
    let mut case = case("wrong-bridge");
    let mac = Mac([2, 0, 0, 0, 0, 7]);
    let mut facts: Vec<Fact> = case.scan.facts.iter().cloned().collect();
    for fact in &mut facts {
        if let Body::Link(link) = &mut fact.body
            && link.name.as_str() == "br1"
        {
            link.mac = Some(mac);
        }
        if let Body::Neigh(neigh) = &mut fact.body
            && neigh.key.ip.to_string() == "10.50.0.1"
        {
            neigh.mac = Some(mac);
        }
    }
    case.scan.facts = facts.into_iter().collect();
    let said = ropewalk_engine::why_in(&case.scan, &case.question).unwrap();
    assert_eq!((said.code.as_str(), said.place.as_str()), ("WRONG_BRIDGE", "h:vc1"), "{said:#?}");
    let forget = "ip netns exec c1 ip neigh del 10.50.0.1 dev eth0";
    assert!(said.fix.iter().any(|fix| fix == forget), "{:?}", said.fix);
}

#[test]
fn a_service_that_is_bound_to_another_link_is_relayed_to_over_that_link() {
    let case = case("listen-bound-dev");
    let said = ropewalk_engine::why_in(&case.scan, &case.question).unwrap();
    assert!(said.sentence.contains("is bound to the link"), "{}", said.sentence);
    let relay = said.fix.iter().find(|fix| fix.contains("socat")).unwrap();
    let here = relay.contains("bind=10.50.0.3,so-bindtodevice=eth0");
    assert!(here && relay.contains(" TCP4:127.0.0.1:80 "), "it is bound to lo: {relay}");
}

#[test]
fn a_service_whose_queue_is_full_is_stood_in_for_on_another_port() {
    let case = case("overflow");
    let said = ropewalk_engine::why_in(&case.scan, &case.question).unwrap();
    let all = said.fix.join("\n");
    assert!(all.contains("TCP4-LISTEN:18000"), "the service keeps its own port: {all}");
    assert!(all.contains("--dport 80 -j REDIRECT --to-ports 18000"), "{all}");
    assert!(said.advice.unwrap().contains("restart the service in c1"));
}
