//! Tables of iptables-legacy, beside iptables-legacy itself.

use ropewalk_facts::nft::{
    Bytes, Chain, CmpOp, Expr, Family, MetaKey, Reg, Rule, RuleKey, TableKey, Verdict, VerdictCode,
};
use ropewalk_facts::{Body, Fact, Ns};
use ropewalk_kernel::Kernel;
use ropewalk_plan::{Change, invert};
use ropewalk_testnet::Private;

/// Rules of all sorts, some of which have counted packets.
const FOREIGN: &str = "for t in iptables-legacy ip6tables-legacy; do
        $t -w -P FORWARD DROP; $t -w -N MINE; $t -w -N zz; $t -w -A MINE -p tcp --dport 80 -m limit --limit 3/min -j LOG
        $t -w -A MINE -p udp -m multiport --dports 53,67 -j zz; $t -w -A MINE -i eth+ -o eth0 -g zz
        $t -w -A FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT; $t -w -A FORWARD -j MINE
        $t -w -A FORWARD ! -i lo; $t -w -A zz -m comment --comment x -j REJECT; $t -w -A INPUT -j MINE
    done
    ping -c2 -W1 127.0.0.1; ping -c2 -W1 ::1";

fn saved(net: &Private) -> String {
    net.sh("iptables-legacy-save -c; ip6tables-legacy-save -c")
        .lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| line.to_owned() + "\n")
        .collect()
}

fn changes(family: Family) -> Vec<Change> {
    let table = TableKey::new(family, "filter");
    let chain = Chain { key: table.chain("ROPEWALK"), base: None };
    let counter = Expr::Counter { packets: 0, bytes: 0 };
    let rule = |chain: &str, tag: &str, exprs: &[Expr], at| {
        let key = RuleKey { chain: table.chain(chain), tag: tag.into() };
        Body::NftRule(Rule { key, exprs: exprs.to_vec(), at })
    };
    let verdict = |code, chain| Expr::Verdict(Verdict { code, chain });
    let cmp = Expr::Cmp { sreg: Reg(0), op: CmpOp::Eq, data: Bytes(b"rw".into()) };
    let from = [Expr::Meta { key: MetaKey::IIFNAME, dreg: Reg(0) }, cmp];
    let accept = [&from[..], &[counter.clone(), verdict(VerdictCode::Accept, None)]].concat();
    let jump = [counter, verdict(VerdictCode::Jump, Some("ROPEWALK".into()))];
    let all = [
        Body::Chain(chain),
        rule("ROPEWALK", "from ropewalk", &accept, Some(0)),
        rule("FORWARD", "made by ropewalk", &jump, Some(1)),
    ];
    all.map(|body| Change::made(body.at(Ns::HOST))).into()
}

fn rules(kernel: &mut Kernel) -> Vec<Fact> {
    kernel.read_rules(&Ns::HOST).unwrap().iter().cloned().collect()
}

#[test]
fn what_iptables_shows_is_what_was_written_and_the_rest_stays_to_the_byte() {
    let net = Private::enter();
    net.sh(FOREIGN);
    let before = saved(&net);
    assert!(before.contains("[4:"), "nothing was counted\n{before}");
    let mut kernel = Kernel::new().unwrap();
    for (family, tool) in [(Family::Iptables, "iptables"), (Family::Ip6tables, "ip6tables")] {
        let changes = changes(family);
        kernel.apply(&changes).unwrap();
        let shown = net.sh(&format!("{tool}-legacy -S FORWARD; {tool}-legacy -S ROPEWALK"));
        let rule = "-A FORWARD -m comment --comment \"made by ropewalk\" -j ROPEWALK";
        assert_eq!(shown.lines().position(|line| line == rule), Some(2), "{shown}");
        let rule = "-A ROPEWALK -i rw+ -m comment --comment \"from ropewalk\" -j ACCEPT";
        assert_eq!(shown.lines().last(), Some(rule));
        let keys: Vec<_> = changes.iter().map(|change| change.key.clone()).collect();
        let found = kernel.read_keys(&keys).unwrap();
        for change in &changes {
            assert_eq!(found.fact(&change.key), change.new.as_ref());
        }
        // What iptables writes is written again as it is.
        net.sh(&format!(
            "{tool}-legacy-save -c >/etc/ropewalk/x; {tool}-legacy-restore -w -c </etc/ropewalk/x"
        ));
        assert_eq!(kernel.read_keys(&keys).unwrap(), found);
        assert!(kernel.take_back(&changes).is_empty());
        kernel.apply(&changes).unwrap();
        kernel.execute(&invert(&changes)).unwrap();
    }
    assert_eq!(saved(&net), before);
}

#[test]
fn a_table_that_nobody_made_is_not_made_by_reading() {
    let net = Private::enter();
    let names =
        "cat /proc/net/ip_tables_names /proc/net/ip6_tables_names /proc/net/arp_tables_names";
    let mut kernel = Kernel::new().unwrap();
    assert_eq!(rules(&mut kernel), []);
    assert!(kernel.read_all_rules(&Ns::HOST).unwrap().iter().next().is_none());
    let refused = kernel.execute(&changes(Family::Iptables)).unwrap_err();
    assert!(refused.to_string().contains("ENOENT"), "{refused}");
    assert_eq!(net.sh(names), "");
    net.sh("iptables-legacy -w -S");
    assert_eq!(rules(&mut kernel).len(), 3);
    // Those of ARP are seen with all rules, and never stated.
    net.sh("arptables-legacy -P FORWARD DROP; arptables-legacy -A INPUT -s 10.0.0.1 -j DROP");
    assert_eq!(rules(&mut kernel).len(), 3);
    let all = kernel.read_all_rules(&Ns::HOST).unwrap();
    let base = |fact: &Fact| fact.body.as_chain().and_then(|chain| chain.base.clone());
    let dropping = all.iter().filter(|fact| base(fact).is_some_and(|base| base.drop));
    assert_eq!(dropping.count(), 1, "{all:?}");
    assert_eq!(all.iter().count(), 7, "{all:?}");
}

#[test]
fn two_who_write_at_once_lose_nothing() {
    let net = Private::enter();
    net.sh("iptables-legacy -w -P FORWARD DROP");
    let other = std::thread::spawn(|| {
        let net = Private::inherited();
        net.sh("for n in $(seq 40); do
            iptables-legacy -w -A FORWARD -s 10.0.0.$n -j DROP; done
            iptables-legacy -w -S FORWARD | grep -c 10.0.0")
    });
    let mut kernel = Kernel::new().unwrap();
    let changes = changes(Family::Iptables);
    for _ in 0..40 {
        kernel.apply(&changes).unwrap();
        assert!(kernel.take_back(&changes).is_empty());
    }
    assert_eq!(other.join().unwrap(), "40\n");
    assert_eq!(net.sh("iptables-legacy -w -S | grep -c -i ropewalk || true"), "0\n");
}
