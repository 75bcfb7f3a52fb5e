#![expect(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]

use expect_test::expect;
use ropewalk_facts::Snapshot;
use ropewalk_facts::nft::{
    Base, Bytes, Chain, CmpOp, MetaKey, Reg, Rule, RuleKey, Verdict, VerdictCode,
};
use ropewalk_spec::RawNetwork;

use super::*;

/// A table of the host in short: chains, each with its rules. A rule is a verdict, behind `if` for
/// some packets only.
fn table(family: Family, name: &str, drops: bool, chains: &[(&str, &[&str])]) -> Snapshot {
    let table = TableKey::new(family, name);
    let mut all = Snapshot::default();
    for (name, rules) in chains {
        let at_hook = name.eq_ignore_ascii_case("forward");
        let (kind, devs) = ("filter".into(), Vec::new());
        let base = Base { kind, hook: 2, priority: 0, drop: drops, devs };
        let key = table.chain(*name);
        let base = at_hook.then_some(base);
        all.insert(Body::Chain(Chain { key: key.clone(), base }).at(Ns::HOST));
        for (at, text) in (0..).zip(*rules) {
            let exprs = exprs(text);
            let tag = if text.ends_with(CHAIN) { JUMP.into() } else { format!("#{at}") };
            let key = RuleKey { chain: key.clone(), tag };
            all.insert(Body::NftRule(Rule { key, exprs, at: Some(at) }).at(Ns::HOST));
        }
    }
    all
}

fn exprs(text: &str) -> Vec<Expr> {
    let mut all = vec![Expr::Counter { packets: 9, bytes: 9 }];
    let mut words: Vec<&str> = text.split(' ').collect();
    if words.first() == Some(&"if") {
        let name = words.remove(1);
        words.remove(0);
        let data = Bytes(name.as_bytes().to_vec());
        all.insert(0, Expr::Meta { key: MetaKey::IIFNAME, dreg: Reg(0) });
        all.insert(1, Expr::Cmp { sreg: Reg(0), op: CmpOp::Eq, data });
    }
    let verdict = |code, chain: Option<&&str>| {
        Expr::Verdict(Verdict { code, chain: chain.map(ToString::to_string) })
    };
    all.push(match words.as_slice() {
        ["accept"] => verdict(VerdictCode::Accept, None),
        ["drop"] => verdict(VerdictCode::Drop, None),
        ["return"] => verdict(VerdictCode::Return, None),
        ["jump", chain] => verdict(VerdictCode::Jump, Some(chain)),
        ["goto", chain] => verdict(VerdictCode::Goto, Some(chain)),
        ["reject"] => {
            Expr::Xt { target: true, name: "REJECT".into(), rev: 0, data: Bytes::default() }
        }
        ["log"] => Expr::Opaque { name: "log".into(), data: Bytes::default() },
        other => panic!("{other:?}"),
    });
    all
}

/// Where iptables' FORWARD is opened.
fn place(drops: bool, chains: &[(&str, &[&str])]) -> Option<(String, Option<u32>)> {
    let beside = look(&table(Family::Ip, "filter", drops, chains));
    assert_eq!(beside.closed, []);
    let opening = beside.openings.into_iter().next()?;
    Some((opening.chain, opening.at))
}

fn at(chain: &str, at: u32) -> Option<(String, Option<u32>)> {
    Some((chain.into(), Some(at)))
}

#[test]
fn who_else_forwards_is_told_by_the_chains() {
    let found =
        |name: &str, chain: &str| others_forward(&table(Family::Ip, name, false, &[(chain, &[])]));
    assert!(
        found("nat", "DOCKER") && found("nat", "CNI-HOSTPORT-DNAT") && found("netavark", "any")
    );
    assert!(!found("nat", "POSTROUTING") && !found("filter", "ufw-user-forward"));
    assert!(!found("filter", CHAIN) && !found("ropewalk", "forward"));
}

#[test]
fn what_lets_through_is_left_alone() {
    assert_eq!(place(false, &[("FORWARD", &[])]), None);
    assert_eq!(place(false, &[("FORWARD", &["if eth0 drop", "log"])]), None);
    assert_eq!(place(true, &[("FORWARD", &["accept"])]), None);
    assert_eq!(place(true, &[("FORWARD", &["jump ok"]), ("ok", &["accept"])]), None);
}

#[test]
fn the_jump_goes_before_what_drops() {
    assert_eq!(place(true, &[("FORWARD", &[])]), at("FORWARD", 0));
    assert_eq!(place(true, &[("FORWARD", &["if eth0 accept", "log"])]), at("FORWARD", 2));
    assert_eq!(place(false, &[("FORWARD", &["if eth0 drop", "reject"])]), at("FORWARD", 1));
    assert_eq!(place(true, &[("FORWARD", &["return", "log"])]), at("FORWARD", 0));
    let chains: &[(&str, &[&str])] = &[("FORWARD", &["log", "jump no"]), ("no", &["log", "drop"])];
    assert_eq!(place(false, chains), at("FORWARD", 1));
    let endless: &[(&str, &[&str])] = &[("FORWARD", &["jump a"]), ("a", &["goto a"])];
    assert_eq!(place(true, endless), at("FORWARD", 1));
}

#[test]
fn docker_alone_has_a_chain_for_it() {
    let docker = |more: &'static str| -> [(&str, Vec<&str>); 2] {
        let rules = vec!["jump DOCKER-USER", "jump DOCKER-ISOLATION-STAGE-1", more];
        [("FORWARD", rules), ("DOCKER-USER", vec!["if eth0 drop", "return"])]
    };
    let place_of = |more| {
        let chains = docker(more);
        let chains: Vec<(&str, &[&str])> = chains.iter().map(|(n, r)| (*n, r.as_slice())).collect();
        place(true, &chains)
    };
    assert_eq!(place_of("if docker0 accept"), at("DOCKER-USER", 1));
    // Others have a word too, and are heard.
    assert_eq!(place_of("jump LIBVIRT_FWI"), at("FORWARD", 3));
    assert_eq!(place_of("drop"), at("FORWARD", 2));
}

#[test]
fn ufw_is_heard_before() {
    let ufw: &[&str] = &[
        "jump DOCKER-USER",
        "jump ufw-before-forward",
        "jump ufw-after-forward",
        "jump ufw-after-logging-forward",
        "jump ufw-reject-forward",
    ];
    let chains: &[(&str, &[&str])] = &[("FORWARD", ufw), ("DOCKER-USER", &["return"])];
    assert_eq!(place(true, chains), at("FORWARD", 2));
    let rejects: &[(&str, &[&str])] = &[("FORWARD", ufw), ("ufw-reject-forward", &["reject"])];
    assert_eq!(place(false, rejects), at("FORWARD", 2));
}

#[test]
fn where_it_is_it_stays_unless_it_is_too_late() {
    let there = |chain: &str| Some((chain.into(), None));
    assert_eq!(place(true, &[("FORWARD", &["jump ROPEWALK", "drop"])]), there("FORWARD"));
    assert_eq!(place(false, &[("FORWARD", &["jump ROPEWALK"])]), there("FORWARD"));
    assert_eq!(place(true, &[("FORWARD", &["drop", "jump ROPEWALK"])]), at("FORWARD", 0));
    let docker: &[(&str, &[&str])] =
        &[("FORWARD", &["jump DOCKER-USER"]), ("DOCKER-USER", &["jump ROPEWALK", "return"])];
    assert_eq!(place(true, docker), there("DOCKER-USER"));
    // Nobody comes there any more.
    let left: &[(&str, &[&str])] = &[("FORWARD", &[]), ("DOCKER-USER", &["jump ROPEWALK"])];
    assert_eq!(place(true, left), at("FORWARD", 0));
}

#[test]
fn a_table_of_nobody_in_particular_is_only_told_of() {
    let mine = |rules| look(&table(Family::Inet, "mine", true, &[("forward", rules)]));
    let closed = mine(&["if eth0 accept"]).closed;
    let way_out = closed.iter().map(Closed::way_out).collect::<Vec<_>>();
    assert_eq!(
        way_out,
        ["nft insert rule inet mine forward iifname \"rw*\" accept; \
          nft insert rule inet mine forward oifname \"rw*\" accept"]
    );
    assert_eq!(mine(&["if rw accept"]), Beside::default());
    assert_eq!(mine(&["accept"]), Beside::default());
    let ours = table(Family::Inet, "ropewalk", true, &[("forward", &[])]);
    assert_eq!(look(&ours), Beside::default());
}

fn text(network: &RawNetwork, uplink: &str) -> String {
    let network = network.check().unwrap();
    let beside = look(&table(Family::Ip, "filter", true, &[("FORWARD", &["if eth0 drop"])]));
    let uplink = IfName::new(uplink).ok();
    let host = HostFacts { uplink, ..HostFacts::default() };
    let plan = answer(&network, &beside.openings, &host).unwrap();
    let mut world = table(Family::Ip, "filter", true, &[("FORWARD", &["if eth0 drop"])]);
    let changes = ropewalk_plan::predict(&plan, &mut world.clone()).unwrap();
    for change in &changes {
        assert!(is_answer(&change.key), "{}", change.key);
        assert!(leaving(&change.new.as_ref().unwrap().body).is_some(), "{}", change.key);
    }
    let changes: Vec<_> = changes.iter().collect();
    world.retain(|fact| fact.body.as_nft_rule().is_some());
    ropewalk_plan::render::nft::lines(&changes, &world).join("\n")
}

#[test]
fn the_answer_in_the_language_of_nft() {
    let subnet = vec!["10.1.0.0/24".to_owned()];
    let web = RawNetwork { name: "web".into(), subnet: subnet.clone(), ..RawNetwork::default() };
    let own = RawNetwork { bridge: Some("br0".into()), ..web.clone() };
    let internal = RawNetwork { internal: true, ..web.clone() };
    let v6 = RawNetwork { subnet: vec!["fd00::/64".into()], ..web.clone() };
    assert_eq!(text(&internal, "eth0"), "");
    assert_eq!(text(&v6, "eth0"), "");
    expect![[r#"
        add chain ip filter ROPEWALK
        add rule ip filter ROPEWALK iifname "rw*" oifname "br-lan" counter accept comment "to br-lan"
        add rule ip filter ROPEWALK iifname "rw*" oifname "docker*" counter return comment "to docker*"
        add rule ip filter ROPEWALK iifname "rw*" oifname "br-*" counter return comment "to br-*"
        add rule ip filter ROPEWALK iifname "rw*" counter accept comment "from ropewalk"
        add rule ip filter ROPEWALK oifname "rw*" counter accept comment "to ropewalk"
        add rule ip filter FORWARD counter jump ROPEWALK comment "made by ropewalk""#]].assert_eq(&text(&web, "br-lan"));
    expect![[r#"
        add chain ip filter ROPEWALK
        add rule ip filter ROPEWALK iifname "rw*" oifname "docker*" counter return comment "to docker*"
        add rule ip filter ROPEWALK iifname "rw*" oifname "br-*" counter return comment "to br-*"
        add rule ip filter ROPEWALK iifname "rw*" counter accept comment "from ropewalk"
        add rule ip filter ROPEWALK oifname "rw*" counter accept comment "to ropewalk"
        add rule ip filter ROPEWALK iifname "br0" counter accept comment "from br0"
        add rule ip filter ROPEWALK oifname "br0" counter accept comment "to br0"
        add rule ip filter FORWARD counter jump ROPEWALK comment "made by ropewalk""#]].assert_eq(&text(&own, "eth0"));
    let first: Vec<String> = text(&web, "rw-lan").lines().take(3).map(ToOwned::to_owned).collect();
    assert_eq!(
        first.get(1..).unwrap_or_default(),
        [
            "add rule ip filter ROPEWALK iifname \"rw-lan\" oifname != \"rw*\" counter return \
             comment \"from rw-lan\"",
            "add rule ip filter ROPEWALK iifname != \"rw*\" oifname \"rw-lan\" counter return \
             comment \"to rw-lan\"",
        ]
    );
}

#[test]
fn a_rule_of_somebody_with_our_comment_is_not_ours() {
    let world = table(Family::Ip, "filter", true, &[("FORWARD", &["accept", "jump ROPEWALK"])]);
    let places: Vec<_> = world.iter().filter_map(|fact| leaving(&fact.body)).collect();
    assert_eq!(places, [0]);
    let mut rule = world.iter().find_map(|fact| fact.body.as_nft_rule()).unwrap().clone();
    rule.key.tag = JUMP.into();
    assert_eq!(leaving(&Body::NftRule(rule)), None);
}

#[test]
fn what_is_new_from_outside_is_the_hosts_decision_on_networks_of_runtimes() {
    let runtimes = |bridge: Option<&str>| RawNetwork {
        name: "cni.web".into(),
        mode: Some("cni".into()),
        bridge: bridge.map(Into::into),
        ..RawNetwork::default()
    };
    let to_it = |network: &RawNetwork, link: &str| -> Vec<String> {
        let all = text(network, "eth0");
        all.lines().filter(|line| line.contains(link)).map(ToOwned::to_owned).collect()
    };
    let answers = |link: &str, name: &str| {
        let rule = "add rule ip filter ROPEWALK";
        [
            format!("{rule} iifname \"{link}\" counter accept comment \"from {name}\""),
            format!(
                "# no words for: {rule} oifname \"{link}\" /* conntrack */ counter accept \
                 comment \"answers to {name}\""
            ),
        ]
    };
    assert_eq!(to_it(&runtimes(Some("cni0")), "cni0"), answers("cni0", "cni0"));
    assert_eq!(to_it(&runtimes(None), "veth"), answers("veth*", "veth"));
}
