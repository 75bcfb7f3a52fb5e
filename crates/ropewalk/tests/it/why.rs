//! Networks broken in one place: what `why` says, and that its fix repairs them.
#![expect(clippy::disallowed_methods, clippy::disallowed_types, reason = "a server that listens")]

use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::Value;

use crate::host::Host;

/// A process that is ended with the test.
struct Server(Child);

impl Server {
    /// Listens on TCP port 80 in a sandbox.
    fn start(host: &Host, sandbox: &str) -> Self {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", sandbox, "nc", "-lk", "80"]);
        let server = command.stdin(Stdio::null()).stdout(Stdio::null()).spawn().expect("nc");
        let server = Self(server);
        let listens = format!("ip netns exec {sandbox} ss -Hltn sport = :80");
        for _ in 0..500 {
            if !host.net.sh(&listens).is_empty() {
                return server;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        panic!("nc never listened");
    }
}

/// A process with a network for itself, as services have that shall have none.
fn walled_off() -> Server {
    let mut command = Command::new("unshare");
    command.args(["-n", "sleep", "60"]);
    let service = Server(command.stdin(Stdio::null()).spawn().expect("unshare"));
    let net = |pid: u32| std::fs::read_link(format!("/proc/{pid}/ns/net")).expect("a namespace");
    while net(service.0.id()) == net(std::process::id()) {
        std::thread::sleep(Duration::from_millis(5));
    }
    service
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ended = self.0.kill();
        let _ended = self.0.wait();
    }
}

/// red and blue on the bridge network web, and a LAN with somebody who knows nothing of them.
///
///     red 10.9.0.2, blue 10.9.0.3 ── rw-web 10.9.0.1 ─ host ─ up0 10.0.0.1 ── 10.0.0.2 lan (198.51.100.8)
fn wired() -> (Host, Server) {
    let host = Host::new();
    host.net.sh("ip netns add lan; ip -n lan link set lo up
        ip link add up0 type veth peer name eth0 netns lan
        ip link set up0 up; ip -n lan link set eth0 up
        ip addr add 10.0.0.1/24 dev up0; ip -n lan addr add 10.0.0.2/24 dev eth0
        ip addr add fd00:aa::1/64 dev up0 nodad; ip -n lan addr add fd00:aa::2/64 dev eth0 nodad
        ip -n lan addr add 198.51.100.8/32 dev lo; ip -n lan addr add 2001:db8::8/128 dev lo nodad
        ip route add default via 10.0.0.2; ip route add default via fd00:aa::2");
    host.ok("network create web --subnet 10.9.0.0/24 --subnet fd09::/64");
    host.ok("attach new:red web --publish 8080:80");
    host.ok("attach new:blue web");
    let server = Server::start(&host, "red");
    (host, server)
}

fn asked(host: &Host, question: &str) -> Value {
    let ran = host.run(&format!("why --json {question}"));
    serde_json::from_str(&ran.out).unwrap_or_else(|e| panic!("{question}: {e}\n{}", ran.err))
}

#[test]
fn nothing_is_wrong_with_networks_that_work() {
    let (host, _server) = wired();
    for question in [
        "red 198.51.100.8",
        "red 2001:db8::8",
        "red 10.9.0.3",
        "red blue",
        "blue red:80",
        "blue fd09::2",
        "blue 10.9.0.2:80",
        "host 10.9.0.2:80",
        "host fd09::2",
        "red 10.9.0.1",
        "lan 10.0.0.1:8080",
        "blue 10.0.0.1:8080",
        "host 10.0.0.1:8080",
        "red 10.0.0.1:8080",
        "host 127.0.0.1:8080",
    ] {
        let said = asked(&host, question);
        assert_eq!(said["code"], "OK", "{question}: {said:#}");
        assert_eq!(said["model_gaps"], serde_json::json!([]), "{question}");
        assert_eq!(said["certainty"], "predicted+seen", "{question}: {said:#}");
        assert!(host.ok(&format!("why {question} --no-live")).contains("\nOK  "), "{question}");
    }
}

/// A way to break it, what is asked then, the cause and its place, and what works again with the fix.
type Case = (&'static str, &'static str, &'static str, &'static str, &'static str);

const PING: &str = "ip netns exec red ping -n -c2 -i0.2 -W1 198.51.100.8";
const PING6: &str = "ip netns exec red ping -n -c2 -i0.2 -W1 2001:db8::8";
const NEAR: &str = "ip netns exec red ping -n -c2 -i0.2 -W1 10.9.0.3";

const CASES: &[Case] = &[
    ("nft flush ruleset", "red 198.51.100.8", "NO_SNAT", "host:up0", PING),
    ("sysctl -qw net.ipv4.ip_forward=0", "red 198.51.100.8", "IP_FORWARD_OFF", "host", PING),
    (
        "sysctl -qw net.ipv6.conf.all.forwarding=0",
        "red 2001:db8::8",
        "IP6_FORWARD_OFF",
        "host",
        PING6,
    ),
    ("ip -n red route del default", "red 198.51.100.8", "NO_ROUTE", "red", PING),
    ("ip link set $leg nomaster", "red 10.9.0.3", "NOT_ON_BRIDGE", "host:$leg", NEAR),
    ("ip link set $leg down", "red 10.9.0.3", "LINK_DOWN", "host:$leg", NEAR),
    (
        "nft 'add table inet corp; add chain inet corp fw { type filter hook forward priority 10; };
            add rule inet corp fw ip saddr 10.9.0.0/24 counter drop'",
        "red 198.51.100.8",
        "FILTER_DROP",
        "host:inet/corp/fw",
        PING,
    ),
    (
        "iptables-legacy -I FORWARD -s 10.9.0.0/24 -j DROP",
        "red 198.51.100.8",
        "FILTER_DROP",
        "host:legacy/filter/FORWARD",
        PING,
    ),
    ("ip route add blackhole 198.51.100.0/24", "red 198.51.100.8", "BLACKHOLE_ROUTE", "host", PING),
    (
        "ip -6 rule add from fd09::/64 prohibit pref 90",
        "red 2001:db8::8",
        "POLICY_ROUTE",
        "host",
        PING6,
    ),
    ("ip -n red link set eth0 arp off", "red 10.9.0.3", "NOARP", "red:eth0", NEAR),
];

#[test]
fn what_is_broken_is_named_and_its_fix_repairs_it() {
    let threads = CASES.iter().map(|case| (case.0, std::thread::spawn(|| broken(case))));
    let threads: Vec<_> = threads.collect();
    let failed = threads.into_iter().filter(|(_, _)| true);
    let failed: Vec<&str> =
        failed.filter_map(|(name, thread)| thread.join().is_err().then_some(name)).collect();
    assert_eq!(failed, Vec::<&str>::new());
}

fn broken((breaks, question, code, place, probe): &Case) {
    let (host, _server) = wired();
    let leg = host.json("ps")[1]["leg"].as_str().expect("a leg").to_owned();
    assert!(host.net.try_sh(probe).0, "{breaks}: it works before");
    host.net.sh(&format!("leg={leg}\n{breaks}"));
    assert!(!host.net.try_sh(probe).0, "{breaks}: it is broken");
    let said = asked(&host, question);
    assert_eq!(
        (said["code"].as_str(), said["where"].as_str()),
        (Some(*code), Some(place.replace("$leg", &leg).as_str())),
        "{breaks}: {said:#}"
    );
    assert_eq!(said["certainty"], "predicted+seen", "{breaks}: {said:#}");
    if *code == "FILTER_DROP" {
        assert_eq!(said["live"]["drops"][0]["reason"], "NETFILTER_DROP", "{breaks}: {said:#}");
    }
    let page = host.run(&format!("why {question} --no-live"));
    assert_eq!(page.status, Some(3), "{breaks}");
    assert!(page.out.contains("predicted\n"), "{breaks}: nothing was sent\n{}", page.out);
    let wide = page.out.lines().find(|line| line.chars().count() > 80);
    assert_eq!(wide, None, "{breaks}");
    assert!(page.out.contains("──✗"), "{breaks}: {}", page.out);
    let fix = said["fix"].as_array().expect("a fix").iter().filter_map(Value::as_str);
    let fix = fix.collect::<Vec<_>>().join("\n");
    let (done, out) = host.net.try_sh(&fix);
    assert!(done, "{breaks}: {fix}\n{out}");
    // A link that came up takes its time, and so do addresses of IPv6.
    let again = format!(
        "n=0; until {{ {probe}; }} || test $n = 40; do n=$((n+1)); sleep 0.1; done; {probe}"
    );
    assert!(host.net.try_sh(&again).0, "{breaks}: repaired by {fix}");
}

#[test]
fn what_goes_otherwise_than_predicted_is_said() {
    let (host, _server) = wired();
    let visible = "red 198.51.100.8 --visible red,host";
    let said = asked(&host, visible);
    let (answered, seen) = (&said["live"]["answered"], &said["path"][1]["seen"]);
    assert_eq!((answered.as_u64(), seen.as_u64()), (Some(1), Some(1)), "{said:#}");
    host.net.sh("ip netns exec lan iptables -A INPUT -p icmp -j DROP");
    let said = asked(&host, visible);
    let finding = said["live"]["finding"].as_str().expect("a finding");
    assert!(finding.contains("last seen going out of host:up0 (3 of 3)"), "{said:#}");
    assert_eq!(said["live"]["request"]["packet"], "10.0.0.1 > 198.51.100.8", "masqueraded");
    assert!(host.run(&format!("why {visible}")).out.contains("but seen otherwise\n"));
}

#[test]
fn a_service_that_is_not_there_and_one_that_listens_elsewhere() {
    let (host, server) = wired();
    assert_eq!(asked(&host, "blue 10.9.0.2:81")["code"], "NO_LISTENER");
    drop(server);
    assert_eq!(asked(&host, "lan 10.0.0.1:8080")["code"], "NO_LISTENER");
    let _service = walled_off();
    assert_eq!(asked(&host, "blue 10.9.0.99")["code"], "NO_SUCH_HOST");
}

#[test]
fn protection_is_said_in_plain_words() {
    let (host, _server) = wired();
    host.ok("network create other --subnet 10.8.0.0/24");
    host.ok("attach new:green other");
    host.net.sh("ip -n red addr add 10.9.0.77/24 dev eth0");
    for (question, words) in [
        ("red 10.9.0.3 --saddr 10.9.0.77", "sends from the addresses alone that it was given"),
        ("red 10.8.0.2", "networks do not reach each other"),
    ] {
        let said = asked(&host, question);
        let sentence = said["sentence"].as_str().expect("a sentence");
        assert!(sentence.contains(words), "{question}: {said:#}");
        assert_eq!(said["certainty"], "predicted+seen", "{question}: {said:#}");
    }
}

#[test]
fn a_snapshot_is_asked_as_the_machine_was() {
    let (host, _server) = wired();
    host.net.sh("sysctl -qw net.ipv4.ip_forward=0");
    std::fs::write("/run/ropewalk/s.json", host.ok("snapshot")).expect("a file");
    host.net.sh("sysctl -qw net.ipv4.ip_forward=1");
    assert_eq!(asked(&host, "red 198.51.100.8")["code"], "OK");
    let then = "red 198.51.100.8 --snapshot /run/ropewalk/s.json";
    assert_eq!(asked(&host, then)["code"], "IP_FORWARD_OFF");
}

#[test]
fn a_rule_of_arptables_legacy_is_named_and_its_own_command_lifts_it() {
    let (host, _server) = wired();
    host.net.sh("arptables-legacy -A INPUT -i rw-web -s 10.9.0.7 -j DROP
        arptables-legacy -A INPUT -i rw-web --opcode Request -s 10.9.0.2 -j DROP
        ip -n red neigh flush all; ip neigh flush all");
    let said = asked(&host, "red 198.51.100.8 --no-live");
    let found = (&said["code"], &said["where"]);
    let place = "host:legacy/filter/INPUT";
    assert_eq!(found, (&"ARP_FILTER_DROP".into(), &place.into()), "{said:#}");
    assert_eq!(said["certainty"], "predicted", "{said:#}");
    let fix = "arptables-legacy -t filter -D INPUT 2";
    assert_eq!(said["fix"], serde_json::json!([fix]), "{said:#}");
    host.net.sh(fix);
    host.net.sh(PING);
}

#[test]
fn what_cannot_be_asked_is_said_plainly() {
    let (host, _server) = wired();
    std::fs::write("/run/ropewalk/bad.json", "{\"version\": 1").expect("a file");
    std::fs::write("/run/ropewalk/new.json", "{\"version\": 9, \"facts\": [], \"seen\": {}}")
        .expect("a file");
    for (line, words) in [
        ("why rod 10.9.0.3", "did you mean red?"),
        ("why red bleu", "did you mean blue?"),
        ("why red 10.9.0.3 --proto ospf", "ospf"),
        ("why red 10.9.0.3 --snapshot /run/ropewalk/bad.json", "snapshot"),
        ("why red 10.9.0.3 --snapshot /run/ropewalk/new.json", "version 9"),
        ("why red 10.9.0.3 --snapshot /run/ropewalk/none.json", "none.json"),
        ("why --query /run/ropewalk/bad.json", "question"),
    ] {
        let ran = host.run(line);
        assert_ne!(ran.status, Some(0), "{line}\n{}", ran.out);
        assert!(ran.err.contains(words), "{line}: {}", ran.err);
    }
}

/// red 192.168.15.2 and blue 192.168.15.3 on a host that has no way out.
#[test]
fn namespaces_that_come_and_go_meanwhile_are_left_out() {
    let (host, _server) = wired();
    host.net.sh("timeout 60 sh -c 'until [ -e /run/ropewalk/stop ]; do
        ip netns add gone; ip -n gone link set lo up; ip netns del gone; done' >/dev/null 2>&1 &");
    let said: Vec<Value> = (0..8).map(|_| asked(&host, "red blue --no-live")).collect();
    let written = host.ok("snapshot");
    host.net.sh("touch /run/ropewalk/stop");
    assert!(said.iter().all(|said| said["code"] == "OK"), "{said:#?}");
    assert!(serde_json::from_str::<Value>(&written).is_ok());
}

#[test]
fn the_one_rule_among_ten_thousand_is_named() {
    let (host, _server) = wired();
    host.net.sh("{ echo 'add table inet corp'
        echo 'add chain inet corp fw { type filter hook forward priority 10; }'
        for n in $(seq 10000); do
            echo add rule inet corp fw ip saddr 172.16.$((n / 250)).$((n % 250)) tcp dport $n drop
        done
        echo 'add rule inet corp fw ip daddr 198.51.100.8 drop'; } | nft -f -");
    let said = asked(&host, "red 198.51.100.8 --no-live");
    let found = (&said["code"], &said["where"]);
    assert_eq!(found, (&"FILTER_DROP".into(), &"host:inet/corp/fw".into()), "{said:#}");
    let fix = said["fix"][0].as_str().expect("a fix");
    assert!(fix.starts_with("nft ") && fix.contains("corp"), "{fix}");
}

fn without_an_uplink() -> Host {
    let host = Host::new();
    host.ok("network create web --subnet 192.168.15.0/24");
    host.ok("attach new:red web");
    host.ok("attach new:blue web");
    // They know each other as neighbours, which makes none of them a gateway.
    // What is sent on a new link may be lost for as long as the kernel is busy elsewhere.
    host.net.sh("timeout 20 sh -c 'until ip netns exec red ping -c1 -W1 192.168.15.3; do :; done'");
    host
}

#[test]
fn without_a_default_route_the_bridge_is_the_gateway_and_not_another_sandbox() {
    let host = without_an_uplink();
    host.net.sh("ip -n red route del default");
    let said = asked(&host, "red 198.51.100.8 --no-live");
    assert_eq!((&said["code"], &said["where"]), (&"NO_ROUTE".into(), &"red".into()), "{said:#}");
    let fix = "ip netns exec red ip route add default via 192.168.15.1 dev eth0";
    assert_eq!(said["fix"], serde_json::json!([fix]), "{said:#}");
    let then = &said["then"][0];
    assert_eq!((&then["code"], &then["where"]), (&"NO_ROUTE".into(), &"host".into()), "{said:#}");
    assert_eq!(said["fix_checked"], false, "the host has no way out, either");
}

#[test]
fn a_host_without_a_route_is_the_cause_and_no_sandbox_becomes_its_gateway() {
    let host = without_an_uplink();
    for how in ["--no-live", ""] {
        let said = asked(&host, &format!("red 198.51.100.8 {how}"));
        let found = (&said["code"], &said["where"]);
        assert_eq!(found, (&"NO_ROUTE".into(), &"host".into()), "{said:#}");
        assert_eq!(said["fix"], serde_json::json!([]), "no fix is better than a wrong one");
    }
}

#[test]
fn a_small_link_that_says_so_is_no_fault_and_one_that_is_silenced_is() {
    let (host, _server) = wired();
    host.net.sh("ip link set up0 mtu 1200; ip -n lan link set eth0 mtu 1200");
    let long = "red 198.51.100.8 --size 1400 --df --visible host,red,blue,lan";
    let said = asked(&host, long);
    let sentence = said["sentence"].as_str().expect("a sentence");
    assert_eq!(said["code"], "OK", "{said:#}");
    assert!(sentence.contains("host:up0 takes 1200 bytes, and says so"), "{sentence}");
    assert_eq!(said["certainty"], "predicted+seen", "{said:#}");
    host.net.sh("iptables -A OUTPUT -p icmp -j DROP; ip -n red route flush cache");
    let said = asked(&host, long);
    assert_eq!(said["code"], "MTU_BLACKHOLE", "{said:#}");
    let done = host.run(&format!("fix {long} --apply"));
    assert_eq!(done.status, Some(0), "asked again it is right: {}{}", done.out, done.err);
}

#[test]
fn without_a_destination_the_internet_is_asked_for_and_need_not_answer() {
    let (host, _server) = wired();
    let said = asked(&host, "red --visible red,host");
    let sentence = said["sentence"].as_str().expect("a sentence");
    assert!(sentence.ends_with("leaves by host:up0, as 10.0.0.1"), "{sentence}");
    assert_eq!(said["certainty"], "predicted+seen", "{said:#}");
    host.net.sh("ip route del default");
    let said = asked(&host, "red --visible red,host");
    assert_eq!((&said["code"], &said["where"]), (&"NO_ROUTE".into(), &"host".into()), "{said:#}");
}

#[test]
fn a_published_port_is_asked_for_at_the_host() {
    let (host, server) = wired();
    for question in ["lan host:8080", "blue :8080", "host :8080", "red host:8080"] {
        let said = asked(&host, question);
        assert_eq!(said["code"], "OK", "{question}: {said:#}");
        let last = said["path"].as_array().and_then(|path| path.last()).expect("a way");
        assert_eq!(last["netns"], "red", "{question}: {said:#}");
    }
    drop(server);
    assert_eq!(asked(&host, "lan host:8080")["where"], "red");
}

#[test]
fn a_sandbox_without_a_name_is_called_by_what_runs_there() {
    let host = Host::new();
    host.net.sh("cp $(command -v sleep) /run/ropewalk/dozer; ip link set lo up");
    let sleeps = ["-n", "/run/ropewalk/dozer", "60"];
    let spawned = Command::new("unshare").args(sleeps).stdin(Stdio::null()).spawn();
    let _dozer = Server(spawned.expect("unshare"));
    let mut said = Value::Null;
    for _ in 0..250 {
        let ran = host.run("why --json --no-live dozer 10.9.0.3");
        said = serde_json::from_str(&ran.out).unwrap_or_default();
        if !said.is_null() {
            break;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    assert_eq!((&said["code"], &said["where"]), (&"NO_INTERFACE".into(), &"dozer".into()));
    let command = said["evidence"][0]["command"].as_str().expect("a command");
    assert!(command.starts_with("nsenter -t ") && command.contains(" -n "), "{command}");
    let pid = command.split(' ').nth(2).expect("a process");
    assert_eq!(asked(&host, &format!("pid:{pid} 10.9.0.3 --no-live"))["where"], "dozer");
}

#[test]
fn who_is_not_root_is_told_what_he_can_still_do() {
    let (host, _server) = wired();
    let (binary, state) = (env!("CARGO_BIN_EXE_ropewalk"), "/run/ropewalk");
    std::fs::write("/run/ropewalk/s.json", host.ok("snapshot host red blue lan")).expect("a file");
    host.net.sh(&format!(
        "cp {binary} {state}/rw; chmod 755 {state} {state}/rw; chmod 644 {state}/s.json"
    ));
    let nobody = |line: &str| {
        let line =
            format!("setpriv --reuid 65534 --regid 65534 --clear-groups {state}/rw {line} 2>&1");
        let script = format!("if {line}; then echo status 0; else echo status $?; fi");
        host.net.sh(&script)
    };
    for verb in ["why red 10.9.0.3", "why red blue", "why red", "why host:80 :80", "snapshot"] {
        let said = nobody(verb);
        for word in ["this needs root", "--snapshot s.json", "are not to be read", "status 1\n"] {
            assert!(said.contains(word), "{verb}: no {word:?} in\n{said}");
        }
    }
    let said = nobody("why red blue --snapshot /run/ropewalk/s.json");
    assert!(said.contains("\nOK  ") && said.ends_with("status 0\n"), "{said}");
}

#[test]
fn the_lab_of_the_tutorial_breaks_repairs_and_undoes() {
    let _host = Host::new();
    let text = include_str!("../../../../examples/8-why.toml");
    let lab = ropewalk_lab::Lab::parse("8-why", text).expect("a lab");
    let mut record = String::new();
    let mut sink = |event: ropewalk_lab::Event| record += &event.to_string();
    let binary = std::path::Path::new(env!("CARGO_BIN_EXE_ropewalk"));
    let good = ropewalk_lab::play(lab, binary, false, &mut sink);
    assert!(good.expect("it is played"), "{record}");
}

#[test]
fn pictures_are_drawn_into_files() {
    let (host, _server) = wired();
    host.net.sh("sysctl -qw net.ipv4.ip_forward=0");
    let line = "why red 198.51.100.8 --visible host,red,blue,lan --no-live";
    let files = "--svg /run/ropewalk/why.svg --html /run/ropewalk/why.html";
    assert_eq!(host.run(&format!("{line} {files}")).status, Some(3));
    let read = |name: &str| std::fs::read_to_string(format!("/run/ropewalk/{name}")).expect(name);
    let (svg, html) = (read("why.svg"), read("why.html"));
    for word in ["rw-web", "198.51.100.8", "blue", "IP_FORWARD_OFF", "class=\"cross\""] {
        assert!(svg.contains(word) && html.contains(word), "{word}");
    }
    assert!(html.contains("sysctl -w net.ipv4.ip_forward=1"), "{html}");
    host.refuses(&format!("{line} --svg /nowhere/why.svg"), 1, &["/nowhere/why.svg"]);
}
