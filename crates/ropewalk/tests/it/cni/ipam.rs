//! host-local and static, beside Debian's.

use super::{Whose, json};
use crate::host::Host;

/// A host with a folder of leases.
struct Pool {
    host: Host,
    whose: Whose,
}

const ENV: &str = "PATH=/usr/lib/cni NETNS=/run/netns/none IFNAME=eth0";

impl Pool {
    fn new(whose: Whose) -> Self {
        Self { host: Host::new(), whose }
    }

    /// Runs host-local with `ipam` and further fields: `ADD c1`.
    fn run(&self, call: &str, ipam: &str, more: &str) -> crate::run::Ran {
        let (command, container) = call.split_once(' ').expect("a verb and a container");
        let env = format!("{ENV} COMMAND={command} CONTAINERID={container}");
        let conf = format!(
            r#"{{"cniVersion": "1.0.0", "name": "web", "type": "bridge",
                "ipam": {{"type": "host-local", "dataDir": "/run/ropewalk/cni", {ipam}}}{more}}}"#
        );
        self.whose.run("host-local", &env, &conf)
    }

    fn add(&self, container: &str, ipam: &str) -> String {
        let ran = self.run(&format!("ADD {container}"), ipam, "");
        assert_eq!(ran.status, Some(0), "{ran:?}");
        let ips = json(&ran)["ips"].as_array().cloned().unwrap_or_default();
        let all: Vec<&str> = ips.iter().filter_map(|ip| ip["address"].as_str()).collect();
        all.join(" ")
    }

    /// All leases with their holders, and what was given last. What is in the lock is nobody's business.
    fn files(&self) -> String {
        self.host.net.sh("cd /run/ropewalk/cni/web && find . -type f -not -path '*/.ropewalk/*' \
            | LC_ALL=C sort | while read f; do
                case $f in ./lock) echo $f;; *) echo $f $(tr '\\r\\n' '|/' <$f);; esac; done")
    }
}

/// An answer, for comparing: the words of a refusal are everybody's own, and so is the order of
/// fields; older releases printed a `dns` that said nothing.
fn answer(ran: &crate::run::Ran) -> String {
    if ran.status != Some(0) || ran.out.is_empty() {
        return format!("{:?}", ran.status);
    }
    let mut value = json(ran);
    if value["dns"].as_object().is_some_and(serde_json::Map::is_empty) {
        value.as_object_mut().map(|object| object.remove("dns"));
    }
    value.to_string()
}

const NET: &str = r#""subnet": "10.9.0.0/29", "routes": [{"dst": "0.0.0.0/0"}]"#;
const TWO: &str = r#""resolvConf": "/run/ropewalk/resolv", "ranges": [
    [{"subnet": "10.9.0.0/24", "rangeStart": "10.9.0.5", "rangeEnd": "10.9.0.6"},
     {"subnet": "10.9.1.0/24", "gateway": "10.9.1.254"}],
    [{"subnet": "fd00:9::/64"}]]"#;

/// Calls with what they are given beside the ranges; each must be answered alike.
const CALLS: &[(&str, &str, &str)] = &[
    ("ADD c1", NET, ""),
    ("ADD c2", NET, ""),
    ("CHECK c1", NET, ""),
    ("CHECK c9", NET, ""),
    ("DEL c1", NET, ""),
    ("DEL c1", NET, ""),
    ("ADD c3", NET, ""),
    ("ADD c4", NET, r#", "runtimeConfig": {"ips": ["10.9.0.2"]}"#),
    ("ADD c5", NET, r#", "runtimeConfig": {"ips": ["10.9.0.2/29"]}"#),
    ("ADD c5", NET, r#", "runtimeConfig": {"ips": ["10.9.0.1"]}"#),
    ("ADD c5", NET, r#", "args": {"cni": {"ips": ["10.9.0.6"]}}"#),
    ("ADD c6", NET, ""),
    ("ADD c7", NET, ""),
    ("DEL c4", NET, ""),
    ("ADD c7", NET, ""),
    ("ADD d1", TWO, ""),
    ("ADD d2", TWO, ""),
    ("ADD d3", TWO, ""),
    ("ADD d4", TWO, r#", "runtimeConfig": {"ips": ["fd00:9::42", "10.9.1.7"]}"#),
    ("DEL d1", TWO, ""),
    ("ADD d5", TWO, r#", "runtimeConfig": {"ipRanges": [[{"subnet": "10.7.0.0/24"}]]}"#),
    ("ADD e1", r#""subnet": "10.9.0.0/31""#, ""),
    ("ADD e1", r#""subnet": "10.9.0.1/24""#, ""),
    ("ADD e1", r#""routes": []"#, ""),
];

#[test]
fn host_local_answers_and_remembers_as_debians_does() {
    let all = [Whose::Ours, Whose::Debians].map(|whose| {
        let pool = Pool::new(whose);
        pool.host.net.sh("echo nameserver 10.0.0.1 >/run/ropewalk/resolv");
        let mut said = Vec::new();
        for (call, ipam, more) in CALLS {
            let ran = pool.run(call, ipam, more);
            said.push(format!("{call} {more}: {}\n{}", answer(&ran), pool.files()));
        }
        said
    });
    let [ours, debians] = all;
    for (ours, debians) in ours.iter().zip(&debians) {
        assert_eq!(ours, debians);
    }
}

#[test]
fn host_local_gives_the_same_again_to_who_asks_twice() {
    let pool = Pool::new(Whose::Ours);
    assert_eq!(pool.add("c1", NET), "10.9.0.2/29");
    assert_eq!(pool.add("c1", NET), "10.9.0.2/29");
    assert_eq!(pool.add("c2", NET), "10.9.0.3/29");
    // A crash between index and lease, or within the lease.
    pool.host.net.sh("cd /run/ropewalk/cni/web; rm 10.9.0.2; : >10.9.0.3");
    assert_eq!(pool.add("c3", NET), "10.9.0.4/29");
    assert_eq!(pool.run("DEL c2", NET, "").status, Some(0));
    assert_eq!(pool.run("DEL c1", NET, "").status, Some(0));
    let left = pool.files();
    assert!(!left.contains("./10.9.0.2") && !left.contains("./10.9.0.3"), "{left}");
}

#[test]
fn leases_of_an_earlier_boot_free_themselves_and_others_leases_stay() {
    let pool = Pool::new(Whose::Ours);
    pool.add("c1", NET);
    let theirs = Pool { whose: Whose::Debians, ..pool };
    theirs.add("d1", NET);
    let pool = Pool { whose: Whose::Ours, ..theirs };
    pool.host.net.sh("printf %036d 1 >/run/ropewalk/cni/web/lock");
    pool.add("c2", NET);
    let files = pool.files();
    let held: Vec<&str> = files
        .lines()
        .filter_map(|line| line.split(' ').next())
        .filter(|word| word.starts_with("./"))
        .collect();
    assert_eq!(held, ["./10.9.0.3", "./10.9.0.4", "./last_reserved_ip.0", "./lock"]);
    // What Debian's gave is given back by ours, and the other way round.
    pool.run("DEL d1", NET, "");
    Whose::Debians.run("host-local", &format!("{ENV} COMMAND=DEL CONTAINERID=c2"), &format!(
        r#"{{"cniVersion": "1.0.0", "name": "web", "ipam": {{"dataDir": "/run/ropewalk/cni", {NET}}}}}"#
    ));
    assert!(!pool.files().contains("./10"), "{}", pool.files());
}

#[test]
fn gc_keeps_what_is_wanted_and_status_tells_of_a_full_range() {
    let pool = Pool::new(Whose::Ours);
    for container in ["c1", "c2", "c3", "c4", "c5"] {
        pool.add(container, NET);
    }
    let call = |command: &str, more: &str| {
        let conf = format!(
            r#"{{"cniVersion": "1.1.0", "name": "web", "ipam":
                {{"dataDir": "/run/ropewalk/cni", {NET}}}{more}}}"#
        );
        Whose::Ours.run("host-local", &format!("PATH=/x COMMAND={command}"), &conf)
    };
    let full = call("STATUS", "");
    assert_eq!((full.status, &json(&full)["code"]), (Some(1), &serde_json::json!(50)), "{full:?}");
    let one_more = pool.run("ADD c6", NET, "");
    assert_eq!(json(&one_more)["code"], 11, "{one_more:?}");
    let valid = r#", "cni.dev/valid-attachments": [{"containerID": "c2", "ifname": "eth0"},
        {"containerID": "c3", "ifname": "eth1"}]"#;
    assert_eq!(call("GC", valid).status, Some(0));
    let files = pool.files();
    assert!(files.contains("10.9.0.3 c2|/eth0") && files.lines().count() == 3, "{files}");
    assert_eq!(call("STATUS", "").status, Some(0));
}

#[test]
fn sixteen_at_a_time_get_sixteen_addresses() {
    let pool = Pool::new(Whose::Ours);
    let net = r#""subnet": "10.9.0.0/24""#;
    let all: Vec<String> = std::thread::scope(|scope| {
        let one = |n| {
            let pool = &pool;
            scope.spawn(move || pool.add(&format!("c{n}"), net))
        };
        let started: Vec<_> = (0..16).map(one).collect();
        started.into_iter().map(|thread| thread.join().expect("an address")).collect()
    });
    let distinct: std::collections::BTreeSet<&String> = all.iter().collect();
    assert_eq!(distinct.len(), 16, "{all:?}");
}

#[test]
fn static_answers_as_debians_does() {
    let one = r#""addresses": [{"address": "10.9.0.5/24", "gateway": "10.9.0.1"},
        {"address": "fd00:9::5/64"}], "routes": [{"dst": "0.0.0.0/0", "gw": "10.9.0.1"}],
        "dns": {"nameservers": ["10.0.0.1"]}"#;
    let calls = [
        ("1.0.0", one, "", ""),
        ("0.4.0", one, "", ""),
        ("0.2.0", one, "", ""),
        ("1.0.0", one, " ARGS=IP=10.9.0.7/24,10.9.0.8/24;GATEWAY=10.9.0.2", ""),
        ("0.2.0", one, " ARGS=IP=10.9.0.7/24", ""),
        ("1.0.0", one, " ARGS=IP=10.9.0.7", ""),
        ("1.0.0", one, " ARGS=NAME=x", ""),
        ("1.0.0", one, " ARGS=NAME=x;IgnoreUnknown=1", ""),
        ("1.0.0", one, "", r#", "runtimeConfig": {"ips": ["10.9.0.9/24"]}"#),
        ("1.0.0", "", "", ""),
    ];
    for (version, ipam, args, more) in calls {
        let comma = if ipam.is_empty() { "" } else { "," };
        let conf = format!(
            r#"{{"cniVersion": "{version}", "name": "web",
                "ipam": {{"type": "static"{comma} {ipam}}}{more}}}"#
        );
        let env = format!("{ENV} COMMAND=ADD CONTAINERID=c1{args}");
        let [ours, debians] = [Whose::Ours, Whose::Debians].map(|w| w.run("static", &env, &conf));
        assert_eq!(answer(&ours), answer(&debians), "{conf}\n{ours:?}\n{debians:?}");
    }
}
