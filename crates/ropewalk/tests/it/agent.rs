//! The agent, a real process, on a host where somebody breaks things.
#![expect(
    clippy::disallowed_methods,
    clippy::print_stderr,
    reason = "waits for another process, and tells how long"
)]

use std::fs::File;
use std::os::unix::net::UnixDatagram;
use std::process::Child;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::host::Host;
use crate::run::{command, ropewalk};

/// How long to wait on a loaded machine; the aim is a second.
const DEADLINE: Duration = Duration::from_secs(30);

/// An agent that is ended with the test.
pub(crate) struct Agent(Child);

impl Agent {
    /// Starts one and waits until it is ready.
    pub(crate) fn start(vars: &[(&str, &str)]) -> Self {
        Self::started("agent --json", vars)
    }

    fn started(line: &str, vars: &[(&str, &str)]) -> Self {
        let log = File::create("/run/ropewalk/agent.out").expect("a file");
        let mut command = command(line, vars);
        let agent = Self(command.stdout(log).spawn().expect("the binary runs"));
        agent.wait("ready", |said| said["event"] == "ready");
        agent
    }

    /// What it has said so far.
    fn said(&self) -> Vec<Value> {
        let text = std::fs::read_to_string("/run/ropewalk/agent.out").expect("its output");
        let whole = text.rfind('\n').map_or("", |end| text.split_at(end).0);
        whole.lines().map(|line| serde_json::from_str(line).expect("a line of JSON")).collect()
    }

    /// Waits until it says what is `meant`.
    fn wait(&self, what: &str, meant: impl Fn(&Value) -> bool) {
        until(what, || self.said().iter().any(&meant));
    }

    /// Tells how long repairs took, from hearing of it.
    fn speed(&self) {
        let all = self.said();
        let ms: Vec<u64> = all.iter().filter_map(|said| said["ms"].as_u64()).collect();
        eprintln!("repaired within {ms:?} ms");
    }

    fn repairs(&self) -> usize {
        self.said().iter().filter(|said| said["event"] == "repaired").count()
    }

    /// Sends a signal, and returns the exit status.
    fn end(mut self, signal: &str, host: &Host) -> Option<i32> {
        host.net.sh(&format!("kill -{signal} {}", self.0.id()));
        self.0.wait().expect("its end").code()
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        let _ended = self.0.kill();
        let _ended = self.0.wait();
    }
}

/// Waits for `done`, and tells how long that took.
pub(crate) fn until(what: &str, mut done: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !done() {
        assert!(begun.elapsed() < DEADLINE, "never: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
    eprintln!("{what}: after {} ms", begun.elapsed().as_millis());
}

/// A host with a bridge and a routed network, a sandbox on each.
fn wired() -> Host {
    let host = Host::new();
    host.ok("network create web --subnet 10.9.0.0/24 --subnet fd09::/64");
    host.ok("network create lan --mode routed --subnet 10.8.0.0/24");
    host.ok("attach new:red web --publish 8080:80 --rate-in 100M --rate-out 100M");
    host.ok("attach new:green lan");
    // Links younger than a second are left to whoever makes them.
    std::thread::sleep(Duration::from_millis(1100));
    host
}

#[test]
fn what_is_broken_is_whole_again() {
    let host = wired();
    let agent = Agent::start(&[]);
    assert_eq!(agent.repairs(), 0, "all was well: {:?}", agent.said());
    let leg = host.json("ps")[1]["leg"].as_str().expect("a leg").to_owned();
    for broken in [
        "nft flush ruleset",
        "ip route del 10.8.0.1",
        "ip route flush proto 114; ip -6 route flush proto 114",
        "ip route flush table main; ip -6 route flush table main",
        "ip addr del 10.9.0.1/24 dev rw-web; ip -6 addr del fd09::1/64 dev rw-web",
        "ip link set rw-web down; ip link set rw-web up",
        "ip link set rw-web down",
        &format!("ip link set {leg} nomaster"),
        "nft flush map inet ropewalk dnat4 2>/dev/null || nft flush chain inet ropewalk forward",
        &format!("tc qdisc del dev {leg} root"),
        &format!("tc filter del dev {leg} ingress"),
        &format!("ip link del {}", leg.replacen("rw", "ro", 1)),
        "ip link del rw-web",
        "ip -n red route del default",
        "ip -n green route flush proto 114",
        "ip -n red addr flush dev eth0",
        "iptables -P FORWARD DROP; ip6tables -P FORWARD DROP",
        "iptables -F FORWARD",
    ] {
        host.net.sh(broken);
        until(broken, || host.run("check").status == Some(0));
    }
    host.net.sh(
        "ip netns exec red ping -c1 -W2 10.9.0.1; ip netns exec green ping -c1 -W2 169.254.1.1",
    );
    agent.speed();
    let before = agent.repairs();
    std::thread::sleep(Duration::from_millis(700));
    assert_eq!(agent.repairs(), before, "at rest it repairs nothing: {:?}", agent.said());
}

/// The same with a LAN, which a sandbox has addresses of, and a tunnel to a peer on it.
///
///     up0 ── sw ── lan 10.0.0.2
fn on_a_lan() -> Host {
    let host = Host::new();
    host.net.sh("ip netns add lan; ip netns add sw
        ip -n sw link add br0 type bridge
        ip link add up0 type veth peer name host netns sw
        ip -n lan link add lan0 type veth peer name lan netns sw
        for port in host lan; do ip -n sw link set $port master br0 up; done
        ip -n sw link set br0 up; ip -n lan link set lan0 up; ip link set up0 up
        ip addr add 10.0.0.1/24 dev up0; ip addr add fd00:aa::1/64 dev up0 nodad
        ip -n lan addr add 10.0.0.2/24 dev lan0; ip -n lan addr add fd00:aa::2/64 dev lan0 nodad
        ip route add default via 10.0.0.2");
    host.ok(
        "network create lan --mode flat --parent up0 --subnet 10.0.0.0/24 --subnet fd00:aa::/64",
    );
    host.ok("network create over --mode vxlan --subnet 10.5.1.0/24 --subnet fd00:5:1::/64 \
             --peer 10.0.0.2=10.5.2.0/24,fd00:5:2::/64");
    host.ok("attach new:red lan --ip 10.0.0.51 --ip fd00:aa::51");
    host.ok("attach new:green over");
    std::thread::sleep(Duration::from_millis(1100));
    host
}

#[test]
fn a_lan_that_comes_back_finds_its_sandboxes_and_tunnels_their_peers() {
    let host = on_a_lan();
    let agent = Agent::start(&[]);
    assert_eq!(agent.repairs(), 0, "all was well: {:?}", agent.said());
    let proxies = || host.net.sh("ip neigh show proxy | sort");
    let before = proxies();
    assert_eq!(before.lines().count(), 2, "{before}");
    let mac = host.net.sh("cat /sys/class/net/up0/address").trim().to_owned();
    let stale = "for ip in 10.0.0.51 fd00:aa::51; do
            ip -n lan neigh replace $ip lladdr 02:00:00:00:00:99 dev lan0 nud stale
        done";
    let told = || {
        let known =
            host.net.sh("ip -n lan neigh show to 10.0.0.51; ip -n lan neigh show to fd00:aa::51");
        known.matches(&mac).count() == 2
    };
    for (broken, tells) in [
        // The host's own addresses are looked after by whoever gave them.
        ("ip link set up0 down; ip link set up0 up; ip addr add fd00:aa::1/64 dev up0 nodad", true),
        ("ip -n sw link set host down; sleep 0.2; ip -n sw link set host up", true),
        ("ip neigh del proxy 10.0.0.51 dev up0; ip neigh del proxy fd00:aa::51 dev up0", true),
        ("ip route del 10.0.0.51; ip -6 route del fd00:aa::51", false),
        ("bridge fdb del $(bridge fdb show dev rwv-over | cut -d' ' -f1) dev rwv-over", false),
        ("for v in -4 -6; do ip $v neigh flush dev rwv-over nud permanent; done", false),
        ("ip route del 10.5.2.0/24; ip -6 route del fd00:5:2::/64", false),
        ("ip link set rwv-over down", false),
        ("ip link del rwv-over", false),
    ] {
        if tells {
            // What the LAN knew is out of date; it hears of the sandbox unasked.
            host.net.sh(stale);
        }
        host.net.sh(broken);
        until(broken, || host.run("check").status == Some(0) && proxies() == before);
        if tells {
            until("the LAN is told", told);
        }
    }
    host.net.sh("ping() { ip netns exec lan ping -c1 -W5 $1; }; ping 10.0.0.51; ping fd00:aa::51");
    agent.speed();
}

#[test]
fn what_nobody_tells_of_is_found_by_looking_every_so_often() {
    let host = wired();
    let agent = Agent::started("agent --json --every 1", &[]);
    // Of links inside of sandboxes nothing is told.
    host.net.sh("ip -n red link set eth0 mtu 1400");
    until("the inside of a sandbox", || host.run("check").status == Some(0));
    agent.wait("said", |said| said["why"] == "the look at everything");
}

#[test]
fn what_dies_is_cleared_away_and_verbs_are_not_fought() {
    let host = wired();
    let agent = Agent::start(&[]);
    host.net.sh("ip netns del red");
    let gone = || host.json("ps").as_array().map(Vec::len) == Some(1);
    until("a sandbox that died", gone);
    for n in 0..5 {
        host.ok(&format!("attach new:s{n} web --publish {}:80", 9000 + n));
    }
    for n in 0..5 {
        host.ok(&format!("detach netns:s{n}"));
    }
    host.ok("detach netns:green");
    host.ok("network rm web");
    host.ok("network rm lan");
    std::thread::sleep(Duration::from_millis(500));
    let cleared: Vec<_> = agent.said().into_iter().filter(|s| s["event"] == "cleared").collect();
    assert_eq!(cleared.len(), 1, "{cleared:?}");
    assert_eq!(agent.repairs(), 0, "{:?}", agent.said());
}

#[test]
fn there_is_one_and_it_stops_when_told() {
    let host = Host::new();
    let agent = Agent::start(&[]);
    let pid = agent.0.id();
    let second = ropewalk("agent");
    assert_eq!(second.status, Some(1), "{second:?}");
    assert!(second.err.contains(&format!("process {pid}")), "{second:?}");
    assert!(second.err.contains("[agent-running]"), "{second:?}");
    assert_eq!(agent.end("TERM", &host), Some(0));
    assert_eq!(Agent::start(&[]).end("INT", &host), Some(0));
    let killed = Agent::start(&[]);
    assert_eq!(killed.end("KILL", &host), None);
    assert_eq!(Agent::start(&[]).end("TERM", &host), Some(0), "the lock died with its holder");
}

#[test]
fn systemd_hears_of_it() {
    let host = Host::new();
    let path = "/run/ropewalk/notify";
    let socket = UnixDatagram::bind(path).expect("a socket");
    socket.set_read_timeout(Some(DEADLINE)).expect("a deadline");
    let agent = Agent::start(&[("NOTIFY_SOCKET", path), ("WATCHDOG_USEC", "200000")]);
    let heard = |wanted: &str| {
        let mut buffer = [0; 1024];
        loop {
            let length = socket.recv(&mut buffer).expect(wanted);
            if String::from_utf8_lossy(&buffer[..length]).contains(wanted) {
                return;
            }
        }
    };
    heard("READY=1");
    heard("WATCHDOG=1");
    heard("WATCHDOG=1");
    assert_eq!(agent.end("TERM", &host), Some(0));
    heard("STOPPING=1");
}

#[test]
fn the_unit_starts_what_there_is() {
    let unit = concat!(env!("CARGO_MANIFEST_DIR"), "/../../dist/systemd/ropewalk-agent.service");
    let text = std::fs::read_to_string(unit).expect(unit);
    let value = |name: &str| text.lines().find_map(|line| line.strip_prefix(&format!("{name}=")));
    assert_eq!(value("Type"), Some("notify"));
    let words = value("ExecStart").and_then(|line| line.split_once(' ')).expect("words").1;
    assert_eq!(ropewalk(&format!("{words} --help")).status, Some(0));
    let (done, said) = Host::new().net.try_sh(&format!(
        "sed 's,/usr/local/bin/ropewalk,{},' {unit} > /run/ropewalk/ropewalk-agent.service
        systemd-analyze verify --man=no /run/ropewalk/ropewalk-agent.service",
        env!("CARGO_BIN_EXE_ropewalk")
    ));
    assert!(done && said.is_empty(), "{said}");
}
