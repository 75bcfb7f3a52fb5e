//! Networks broken in one place, repaired by `fix --apply`, and broken again by `undo`.
use serde_json::{Value, json};

use crate::host::{Host, same};

/// Two sandboxes on a bridge that people made, in a namespace that stands for a host, with a way
/// out; nothing of it is ropewalk's.
///
///     c1 10.50.0.2 ─ vc1[br0 10.50.0.1] h eth0 172.31.0.2 ── 172.31.0.1 u (198.51.100.8)
fn wired() -> Host {
    let host = Host::new();
    host.net.sh("for ns in c1 c2 h u; do ip netns add $ns; ip -n $ns link set lo up
            ip netns exec $ns sysctl -qw net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.default.rp_filter=0 \\
                net.ipv4.ip_forward=0 net.bridge.bridge-nf-call-iptables=0
        done
        ip -n h link add br0 type bridge; ip -n h link set br0 up; ip -n h addr add 10.50.0.1/24 dev br0
        for k in 1 2; do
            ip -n c$k link add eth0 type veth peer name vc$k netns h
            ip -n c$k link set eth0 up; ip -n h link set vc$k master br0 up
            ip -n c$k addr add 10.50.0.$((k+1))/24 dev eth0; ip -n c$k route add default via 10.50.0.1
        done
        ip -n h link add eth0 type veth peer name eth0 netns u
        ip -n h link set eth0 up; ip -n u link set eth0 up
        ip -n h addr add 172.31.0.2/24 dev eth0; ip -n u addr add 172.31.0.1/24 dev eth0
        ip -n u addr add 198.51.100.8/32 dev lo; ip -n h route add default via 172.31.0.1
        ip netns exec h sysctl -qw net.ipv4.ip_forward=1
        ip netns exec h iptables -t nat -A POSTROUTING -s 10.50.0.0/24 ! -o br0 -j MASQUERADE
        ip netns exec h iptables-legacy -P FORWARD ACCEPT");
    host
}

/// A way to break it, and what is asked then.
const CASES: &[(&str, &str)] = &[
    ("ip netns exec h sysctl -qw net.ipv4.ip_forward=0", OUT),
    ("ip netns exec h iptables -P FORWARD DROP", OUT),
    ("ip netns exec h iptables-legacy -P FORWARD DROP", OUT),
    ("ip netns exec h iptables-legacy -I FORWARD -s 10.50.0.0/24 -j DROP", OUT),
    ("ip netns exec h iptables -t nat -D POSTROUTING 1", OUT),
    (
        "ip netns exec h nft 'add table inet corp; add chain inet corp fw { type filter hook forward priority 10; }
            add rule inet corp fw ip saddr 10.50.0.0/24 counter drop'",
        OUT,
    ),
    ("ip -n c1 route del default", OUT),
    ("ip -n c1 link set eth0 down", OUT),
    ("ip -n h link set vc1 nomaster", OUT),
    ("ip -n h addr del 10.50.0.1/24 dev br0", OUT),
    ("ip -n h route add blackhole 198.51.100.0/24", OUT),
    ("ip -n h rule add from 10.50.0.0/24 prohibit pref 90", OUT),
    ("ip -n h route add 198.51.100.8 via 172.31.0.9", OUT),
    ("ip -n h addr del 10.50.0.1/24 dev br0; ip -n h addr add 10.50.0.1/24 dev vc1", OUT),
    ("ip -n c1 neigh replace 10.50.0.1 lladdr 02:00:00:00:00:99 dev eth0 nud permanent", OUT),
    ("ip netns exec c1 nft 'add table arp t; add chain arp t in { type filter hook input priority 0; policy drop; }'", OUT),
    ("for k in 1 2; do ip netns exec h bridge link set dev vc$k isolated on; done", NEAR),
    ("ip -n c2 addr del 10.50.0.3/24 dev eth0; ip -n c2 addr add 10.50.0.3/32 dev eth0", NEAR),
    (
        "ip netns exec h nft 'add table bridge t; add chain bridge t f { type filter hook forward priority 0; }
            add rule bridge t f ether type ip counter drop comment \"no talk\"'",
        NEAR,
    ),
];

const OUT: &str = "c1 198.51.100.8";
const NEAR: &str = "c1 10.50.0.3";

/// The namespaces of the test: those of others that run beside it are none of its business.
const NAMES: &str = "host c1 c2 h u";
const SEEN: &str = "--visible c1,c2,h,u";

/// All that is stated, in every namespace, and every setting: names of rules without a comment say
/// when they were made, and are left out.
fn all(host: &Host, names: &str) -> String {
    let found: Value =
        serde_json::from_str(&host.ok(&format!("snapshot {names}"))).expect("a snapshot");
    let mut lines = Vec::new();
    for fact in found["facts"].as_array().expect("facts") {
        let derived = fact.to_string().contains("\"derived\":true");
        let mut fact = fact.clone();
        if let Some(rule) = fact.get_mut("nftrule") {
            if rule["key"]["tag"].as_str().is_some_and(|tag| tag.starts_with('#')) {
                rule["key"]["tag"] = json!("#");
            }
            let exprs = rule["exprs"].as_array_mut().expect("expressions");
            exprs.retain(|expr| expr.get("counter").is_none());
        }
        if !derived {
            lines.push(fact.to_string());
        }
    }
    for (ns, seen) in found["seen"].as_object().expect("namespaces") {
        for (path, value) in seen["settings"].as_object().expect("settings") {
            if !path.contains("conntrack_count") {
                lines.push(format!("{ns} {path} {value}"));
            }
        }
    }
    lines.sort();
    lines.join("\n")
}

fn asked(host: &Host, line: &str) -> Value {
    let ran = host.run(&format!("{line} --json"));
    serde_json::from_str(&ran.out).unwrap_or_else(|e| panic!("{line}: {e}\n{}", ran.err))
}

#[test]
fn a_repair_is_carried_out_and_changed_back() {
    let threads = CASES.iter().map(|case| (case.0, std::thread::spawn(|| repaired(case))));
    let threads: Vec<_> = threads.collect();
    let failed: Vec<&str> = threads
        .into_iter()
        .filter_map(|(name, thread)| thread.join().is_err().then_some(name))
        .collect();
    assert_eq!(failed, Vec::<&str>::new());
}

fn repaired((breaks, question): &(&str, &str)) {
    let host = wired();
    let ping = format!("ip netns exec c1 ping -n -c1 -W1 {}", question.replace("c1 ", ""));
    let works =
        format!("n=0; until {ping}; do test $n = 30 && exit 1; n=$((n+1)); sleep 0.1; done");
    assert!(host.net.try_sh(&works).0, "{breaks}: it works before");
    host.net.sh(breaks);
    let before = all(&host, NAMES);
    let said = host.run(&format!("fix {question} {SEEN}"));
    assert_eq!(said.status, Some(3), "{breaks}: {}{}", said.out, said.err);
    same(&all(&host, NAMES), &before, "fix");
    let wide = said.out.lines().find(|line| line.chars().count() > 80);
    assert_eq!(wide, None, "{breaks}");

    let done = asked(&host, &format!("fix {question} {SEEN} --apply"));
    assert_eq!(done["after"]["code"], "OK", "{breaks}: {done:#}");
    assert!(host.net.try_sh(&works).0, "{breaks}: {done:#}");
    assert_ne!(all(&host, NAMES), before, "{breaks}");
    let again = host.ok(&format!("fix {question} {SEEN} --apply"));
    assert!(again.contains("there is nothing to do"), "{breaks}: {again}");

    let undone = asked(&host, "undo");
    assert_eq!((&undone["id"], &undone["left"]), (&json!(1), &json!([])), "{breaks}: {undone:#}");
    same(&all(&host, NAMES), &before, breaks);
    host.net.sh(
        "for ns in c1 c2; do ip -n $ns neigh flush all nud reachable nud stale nud delay; done",
    );
    assert!(!host.net.try_sh(&ping).0, "{breaks}: it is broken again");
    host.refuses("undo", 1, &["[nothing-to-undo]"]);
}

#[test]
fn what_is_ropewalks_own_is_repaired_by_its_own_verb() {
    let host = Host::new();
    host.ok("network create web --subnet 10.9.0.0/24");
    host.ok("attach new:red web");
    host.ok("attach new:blue web");
    let leg = host.json("ps")[1]["leg"].as_str().expect("a leg").to_owned();
    for breaks in [format!("ip link set {leg} nomaster"), format!("ip link set {leg} down")] {
        host.net.sh(&breaks);
        // It is asked for while it is broken, and the question is still open.
        host.net.sh("ip -n red neigh flush all");
        let _unanswered = host.net.try_sh("ip netns exec red ping -n -c1 -W0.2 10.9.0.3");
        let before = all(&host, "host red blue");
        let said = asked(&host, "fix red blue --visible host,red,blue");
        assert_eq!(said["verbs"], json!(["ropewalk repair"]), "{breaks}: {said:#}");
        let page = host.run("why red blue --no-live --visible host,red,blue").out;
        let (own, by_hand) = ("FIX  ropewalk repair\n     or by hand:\n     ip link set ", &leg);
        assert!(page.contains(&format!("{own}{by_hand}")), "{breaks}: {page}");
        let done = asked(&host, "fix red blue --visible host,red,blue --apply");
        assert_eq!(done["after"]["code"], "OK", "{breaks}: {done:#}");
        let open = host.net.sh("ip -n red neigh show nud incomplete");
        assert_eq!(open, "", "{breaks}: it is not waited for");
        host.ok("check");
        host.ok("undo");
        same(&all(&host, "host red blue"), &before, &breaks);
        host.ok("repair");
    }
}

#[test]
fn what_somebody_changed_since_stays_and_is_told() {
    let host = wired();
    host.net.sh("ip netns exec h iptables -P FORWARD DROP; ip -n c1 link set eth0 down");
    host.ok("fix c1 198.51.100.8 --visible c1,c2,h,u --apply");
    host.net.sh("ip -n c1 link set eth0 mtu 1300");
    let undone = host.ok("undo");
    assert!(undone.contains("eth0 up → down"), "{undone}");
    assert!(host.net.sh("ip -n c1 link show eth0").contains("mtu 1300"));

    host.net.sh("ip netns exec h sysctl -qw net.ipv4.ip_forward=0; ip -n c2 link set eth0 down");
    host.ok("fix c2 198.51.100.8 --visible c1,c2,h,u --apply");
    let listed = host.ok("undo --list");
    assert_eq!(listed.lines().count(), 2 + usize::from(listed.lines().count() > 2), "{listed}");
    host.net.sh("ip netns del c2; ip netns add c2");
    let undone = asked(&host, "undo 1");
    assert!(undone["left"].to_string().contains("gone"), "{undone:#}");
    assert_eq!(host.net.sh("ip netns exec h sysctl -n net.ipv4.ip_forward").trim(), "0");
}

#[test]
fn what_is_not_ropewalks_to_change_is_left_to_a_person() {
    let host = wired();
    host.net.sh("ip -n c1 link set eth0 arp off");
    let said = host.run(&format!("fix c1 10.50.0.3 {SEEN}"));
    assert!(said.out.contains("to be run by hand"), "{}", said.out);
    host.refuses(&format!("fix c1 10.50.0.3 {SEEN} --apply"), 1, &["[by-hand]", "arp on", "NOARP"]);
    host.refuses(&format!("fix c2 10.50.0.99 {SEEN} --apply"), 1, &["[no-repair]"]);
    host.refuses("fix nobody 10.50.0.3 --apply", 1, &["[sandbox-unknown]"]);
    host.refuses("fix c1 10.50.0.3 --proto ospf", 2, &["ospf"]);
    host.refuses("undo 7", 1, &["[nothing-to-undo]", "undo --list"]);
    host.refuses("undo seven", 2, &["seven"]);
    assert_eq!(host.ok("undo --list"), "no repairs\n");
    std::fs::write("/run/ropewalk/s.json", host.ok("snapshot")).expect("a file");
    let said = host.run("fix c1 10.50.0.3 --snapshot /run/ropewalk/s.json");
    assert!(said.out.contains("arp on"), "{}{}", said.out, said.err);
    host.refuses("fix c1 10.50.0.3 --snapshot /run/ropewalk/s.json --apply", 2, &["--apply"]);
}

#[test]
fn a_bridge_that_was_deleted_is_repaired_by_its_own_verb() {
    let host = Host::new();
    host.ok("network create web --subnet 10.9.0.0/24");
    host.ok("attach new:red web");
    host.ok("attach new:blue web");
    host.net.sh("ip link del rw-web");
    for to in ["netns:blue", "10.9.0.1"] {
        let page = host.run(&format!("why netns:red {to} --no-live")).out;
        assert!(page.contains("FIX  ropewalk repair\n"), "{page}");
    }
    host.ok("repair");
    assert_eq!(host.json("why netns:red netns:blue --no-live")["code"], "OK");
}

#[test]
fn a_tunnel_that_was_deleted_is_repaired_by_its_own_verb() {
    let host = Host::new();
    host.net
        .sh("ip link add up0 type ifb; ip link set up0 up; ip addr add 192.168.1.11/24 dev up0");
    let peer = "--peer 192.168.1.12=10.5.2.0/24";
    host.ok(&format!("network create over --mode vxlan --subnet 10.5.1.0/24 {peer}"));
    host.ok("attach new:red over");
    let question = "red 10.5.2.7 --visible host,red";
    let before = host.json(&format!("why {question} --no-live"));
    assert_eq!(before["code"], "OK", "{before:#}");
    host.net.sh("ip link del rwv-over");
    let said = asked(&host, &format!("fix {question}"));
    assert_eq!(said["verbs"], json!(["ropewalk repair"]), "{said:#}");
    let page = host.run(&format!("why {question} --no-live")).out;
    assert!(page.contains("FIX  ropewalk repair\n"), "{page}");
    host.ok("repair");
    assert_eq!(host.json(&format!("why {question} --no-live"))["code"], "OK");
}
