#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests fail by panicking")]

use expect_test::expect;
use ropewalk_facts::nft::{
    Bytes, Chain, CmpOp, Expr, Family, Payload, Reg, Rule, RuleKey, TableKey, Verdict, VerdictCode,
};
use ropewalk_facts::{Body, Ns, Snapshot};

use super::*;

const WHOSE: Whose<'_> = Whose { network: "net", container: "box-c1" };

fn nets(texts: &[&str]) -> Vec<IpNet> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

fn publish(texts: &[&str]) -> Vec<Publish> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

fn mapping(ports: &[Publish]) -> Mapping<'_> {
    let mark = Mark::Bit(MARK_BIT);
    Mapping { ports, snat: true, all: false, mark, conditions: [&[], &[]] }
}

fn empty(all: &[Chains]) -> String {
    all.iter().map(|one| script(one, &Snapshot::default(), false)).collect()
}

/// As the reference plugins name them (`FormatChainName`, `MustFormatChainNameWithPrefix`).
#[test]
fn names_are_those_of_the_reference_plugins() {
    let whose = Whose { network: "test", container: "1234" };
    assert_eq!(whose.chain(Kind::Masquerade), "CNI-2bbe0c48b91a7d1b8a6753a8");
    let whose = Whose { network: "test", container: "icee6giejonei6so" };
    let names = Kind::ALL.map(|kind| whose.chain(kind));
    assert!(names.iter().all(|name| name.len() == NAME_MAX), "{names:?}");
    assert_eq!(names[1], "CNI-DN-022110f36292712c8bb50");
    assert_eq!(names[2], "CNI-SN-022110f36292712c8bb50");
}

#[test]
fn ports_as_iptables_restore_reads_them() {
    let ports = publish(&["8080:80", "192.0.2.1:5353:53/udp", "[::1]:81:81"]);
    let all = portmap(WHOSE, &nets(&["10.9.0.2/24", "10.8.0.2/24"]), &mapping(&ports));
    expect![[r#"
        *nat
        :CNI-HOSTPORT-DNAT - [0:0]
        :CNI-HOSTPORT-SETMARK - [0:0]
        :CNI-HOSTPORT-MASQ - [0:0]
        :CNI-DN-521f3315a0d950d7c92a2 - [0:0]
        -A CNI-DN-521f3315a0d950d7c92a2 -p tcp --dport 8080 -s 10.9.0.2/24 -j CNI-HOSTPORT-SETMARK
        -A CNI-DN-521f3315a0d950d7c92a2 -p tcp --dport 8080 -s 127.0.0.1 -j CNI-HOSTPORT-SETMARK
        -A CNI-DN-521f3315a0d950d7c92a2 -p tcp --dport 8080 -j DNAT --to-destination 10.9.0.2:80
        -A CNI-DN-521f3315a0d950d7c92a2 -p udp --dport 5353 -d 192.0.2.1 -s 10.9.0.2/24 -j CNI-HOSTPORT-SETMARK
        -A CNI-DN-521f3315a0d950d7c92a2 -p udp --dport 5353 -d 192.0.2.1 -s 127.0.0.1 -j CNI-HOSTPORT-SETMARK
        -A CNI-DN-521f3315a0d950d7c92a2 -p udp --dport 5353 -d 192.0.2.1 -j DNAT --to-destination 10.9.0.2:53
        -A PREROUTING -m addrtype --dst-type LOCAL -j CNI-HOSTPORT-DNAT
        -A OUTPUT -m addrtype --dst-type LOCAL -j CNI-HOSTPORT-DNAT
        -A CNI-HOSTPORT-SETMARK -m comment --comment "CNI portfwd masquerade mark" -j MARK --set-xmark 0x2000/0x2000
        -A CNI-HOSTPORT-MASQ -m mark --mark 0x2000/0x2000 -j MASQUERADE
        -I POSTROUTING 1 -m comment --comment "CNI portfwd requiring masquerade" -j CNI-HOSTPORT-MASQ
        -A CNI-HOSTPORT-DNAT -m comment --comment "dnat name: \"net\" id: \"box-c1\"" -p tcp -m multiport --destination-ports 8080,81 -j CNI-DN-521f3315a0d950d7c92a2
        -A CNI-HOSTPORT-DNAT -m comment --comment "dnat name: \"net\" id: \"box-c1\"" -p udp -m multiport --destination-ports 5353 -j CNI-DN-521f3315a0d950d7c92a2
        COMMIT
    "#]]
    .assert_eq(&empty(&all));
}

#[test]
fn conditions_and_somebodys_mark_and_everybody() {
    let ports = publish(&["8080:80"]);
    let condition = ["-s".to_owned(), "fd00::9/128".into(), "-m".into(), "a b\"\\c".into()];
    let all = portmap(
        WHOSE,
        &nets(&["fd00:9::2/64"]),
        &Mapping {
            all: true,
            mark: Mark::Chain("THEIRS"),
            conditions: [&[], &condition],
            ..mapping(&ports)
        },
    );
    expect![[r#"
        *nat
        :CNI-HOSTPORT-DNAT - [0:0]
        :CNI-DN-521f3315a0d950d7c92a2 - [0:0]
        -A CNI-DN-521f3315a0d950d7c92a2 -p tcp --dport 8080 -s ::/0 -j THEIRS
        -A CNI-DN-521f3315a0d950d7c92a2 -p tcp --dport 8080 -j DNAT --to-destination [fd00:9::2]:80
        -A PREROUTING -m addrtype --dst-type LOCAL -j CNI-HOSTPORT-DNAT
        -A OUTPUT -m addrtype --dst-type LOCAL -j CNI-HOSTPORT-DNAT
        -A CNI-HOSTPORT-DNAT -m comment --comment "dnat name: \"net\" id: \"box-c1\"" -p tcp -m multiport --destination-ports 8080 -s fd00::9/128 -m "a b\"\\c" -j CNI-DN-521f3315a0d950d7c92a2
        COMMIT
    "#]]
    .assert_eq(&empty(&all));
}

#[test]
fn a_rule_takes_fifteen_ports() {
    let ports = publish(&["8000-8019:80-99"]);
    let all = portmap(WHOSE, &nets(&["10.9.0.2/24"]), &Mapping { snat: false, ..mapping(&ports) });
    let text = empty(&all);
    let lists: Vec<usize> = text
        .lines()
        .filter_map(|line| line.split("--destination-ports ").nth(1))
        .map(|rest| rest.split(' ').next().unwrap().split(',').count())
        .collect();
    assert_eq!(lists, [15, 5]);
    assert_eq!(text.matches("-j DNAT").count(), 20);
    assert!(!text.contains("SETMARK") && !text.contains("MASQ"));
}

#[test]
fn masquerading_and_the_firewall() {
    let both = nets(&["10.9.0.2/24", "fd00:9::2/64"]);
    expect![[r#"
        *nat
        :CNI-521f3315a0d950d7c92a267a - [0:0]
        -A CNI-521f3315a0d950d7c92a267a -d 10.9.0.0/24 -m comment --comment "name: \"net\" id: \"box-c1\"" -j ACCEPT
        -A CNI-521f3315a0d950d7c92a267a ! -d 224.0.0.0/4 -m comment --comment "name: \"net\" id: \"box-c1\"" -j MASQUERADE
        -A POSTROUTING -s 10.9.0.2 -m comment --comment "name: \"net\" id: \"box-c1\"" -j CNI-521f3315a0d950d7c92a267a
        COMMIT
    "#]]
    .assert_eq(&empty(&masquerade(WHOSE, &both[..1])));
    expect![[r#"
        *filter
        :CNI-FORWARD - [0:0]
        :CNI-ADMIN - [0:0]
        -I FORWARD 1 -m comment --comment "CNI firewall plugin rules" -j CNI-FORWARD
        -I CNI-FORWARD 1 -m comment --comment "CNI firewall plugin admin overrides" -j CNI-ADMIN
        -A CNI-FORWARD -d fd00:9::2/128 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
        -A CNI-FORWARD -s fd00:9::2/128 -j ACCEPT
        COMMIT
    "#]]
    .assert_eq(&empty(&firewall(&both[1..], ADMIN)));
    assert_eq!(firewall(&both, ADMIN).len(), 2);
}

/// A rule as iptables-nft has it: an address, a verdict.
fn rule(table: &TableKey, chain: &str, at: u32, exprs: Vec<Expr>) -> Body {
    let key = RuleKey { chain: table.chain(chain), tag: format!("#{at}") };
    Body::NftRule(Rule { key, exprs, at: Some(at) })
}

fn verdict(code: VerdictCode, chain: Option<&str>) -> Expr {
    Expr::Verdict(Verdict { code, chain: chain.map(ToOwned::to_owned) })
}

fn address(offset: u32, ip: [u8; 4]) -> [Expr; 2] {
    let what = Payload { base: 1, offset, len: 4 };
    let data = Bytes(ip.to_vec());
    [Expr::Payload { what, dreg: Reg(0) }, Expr::Cmp { sreg: Reg(0), op: CmpOp::Eq, data }]
}

/// What `iptables-restore` would have made of the firewall's script for 10.9.0.2.
fn made() -> Snapshot {
    let table = TableKey::new(Family::Ip, "filter");
    let jump = |chain| vec![verdict(VerdictCode::Jump, Some(chain))];
    let accept =
        |offset, ip| [&address(offset, ip)[..], &[verdict(VerdictCode::Accept, None)]].concat();
    let mut all: Vec<Body> = [FORWARD, ADMIN, "FORWARD"]
        .map(|name| Body::Chain(Chain { key: table.chain(name), base: None }))
        .into();
    all.push(rule(&table, "FORWARD", 0, jump(FORWARD)));
    all.push(rule(&table, FORWARD, 0, jump(ADMIN)));
    all.push(rule(&table, FORWARD, 1, accept(16, [10, 9, 0, 2])));
    all.push(rule(&table, FORWARD, 2, accept(12, [10, 9, 0, 2])));
    all.push(rule(&table, FORWARD, 3, accept(12, [10, 9, 0, 3])));
    all.into_iter().map(|body| body.at(Ns::HOST)).collect()
}

#[test]
fn only_what_is_missing_is_written() {
    let chains = &firewall(&nets(&["10.9.0.2/24"]), ADMIN)[0];
    let mut found = made();
    assert_eq!(script(chains, &found, false), "");
    // Tables of nf_tables are no tables of iptables-legacy.
    assert_eq!(script(chains, &found, true).lines().count(), 8);
    found.retain(|fact| fact.body.as_nft_rule().is_none_or(|rule| rule.at != Some(2)));
    assert_eq!(
        script(chains, &found, false),
        "*filter\n-A CNI-FORWARD -s 10.9.0.2/32 -j ACCEPT\nCOMMIT\n"
    );
}

#[test]
fn what_goes_is_told_by_address_and_by_chain() {
    let gone = |chains: &Chains, found: &Snapshot| -> Vec<String> {
        leaving(found, chains).iter().map(|change| change.key.to_string()).collect()
    };
    let chains = &firewall(&nets(&["10.9.0.2/24"]), ADMIN)[0];
    assert_eq!(
        gone(chains, &made()),
        ["rule ip filter CNI-FORWARD \"#2\"", "rule ip filter CNI-FORWARD \"#1\""]
    );
    let table = TableKey::new(Family::Ip, "nat");
    let own = WHOSE.chain(Kind::Dnat);
    let key = RuleKey { chain: table.chain(DNAT), tag: format!("dnat {}", WHOSE.comment()) };
    let exprs = vec![verdict(VerdictCode::Jump, Some(&own))];
    let mut found: Snapshot = [
        Body::Chain(Chain { key: table.chain(DNAT), base: None }),
        Body::Chain(Chain { key: table.chain(own.clone()), base: None }),
        Body::NftRule(Rule { key, exprs, at: Some(0) }),
        rule(&table, &own, 0, vec![verdict(VerdictCode::Return, None)]),
    ]
    .map(|body| body.at(Ns::HOST))
    .into_iter()
    .collect();
    assert_eq!(containers(&found, "net"), ["box-c1"]);
    assert_eq!(containers(&found, "other"), [""; 0]);
    let masq = WHOSE.chain(Kind::Masquerade);
    let jump = verdict(VerdictCode::Jump, Some(&masq));
    let exprs = [&address(12, [10, 9, 0, 2])[..], &[jump]].concat();
    found.insert(rule(&table, "POSTROUTING", 0, exprs).at(Ns::HOST));
    assert_eq!(sources(&found, &masq), ["10.9.0.2".parse::<IpAddr>().unwrap()]);
    assert_eq!(sources(&found, &own), [] as [IpAddr; 0]);
    let ports = publish(&["8080:80"]);
    let chains = &portmap(WHOSE, &nets(&["10.9.0.2/24"]), &mapping(&ports))[0];
    let removals = leaving(&found, chains);
    assert_eq!(removals.len(), 3);
    assert!(removals.last().unwrap().key.to_string().contains("chain"), "{removals:?}");
    removals.iter().for_each(|change| drop(found.remove(&change.key)));
    assert_eq!(containers(&found, "net"), [""; 0]);
    assert_eq!(leaving(&found, chains), []);
}
