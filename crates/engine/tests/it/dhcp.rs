//! Addresses from a DHCP server of the LAN: dnsmasq, and busybox's for one that is another's work.

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use ropewalk_engine::{Code, Row, Tended};
use ropewalk_spec::{Endpoint, RawEndpoint, RawNetwork, SandboxRef};

use crate::Host;
use crate::attach::outside;
use crate::host::{said, same};

/// A server in the namespace `lan`, which ends with its test.
struct Server {
    process: Child,
    log: PathBuf,
    leases: PathBuf,
}

impl Server {
    /// One that lends addresses of `range` for two minutes, the shortest that it can.
    fn start(host: &Host, range: &str, more: &[&str]) -> Self {
        let dir = host.paths().state.with_file_name("dhcp");
        std::fs::create_dir_all(&dir).unwrap();
        let log = (0..).map(|n| dir.join(format!("log{n}"))).find(|log| !log.exists()).unwrap();
        let leases = dir.join("leases");
        let process = Command::new("ip")
            .args(["netns", "exec", "lan", "dnsmasq", "--keep-in-foreground", "--port=0"])
            .args(["--conf-file=/dev/null", "--pid-file=", "--user=root", "--group=root"])
            .args(["--interface=eth0", "--bind-interfaces", "--no-ping", "--log-dhcp"])
            .args(["--dhcp-authoritative", "--dhcp-sequential-ip"])
            .arg(format!("--dhcp-range={range},255.255.255.0,2m"))
            .args(["--dhcp-option=3,10.0.0.2", "--dhcp-option=6,10.0.0.3,10.0.0.4"])
            .args(more)
            .arg(format!("--dhcp-leasefile={}", leases.display()))
            .arg(format!("--log-facility={}", log.display()))
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        let server = Self { process, log, leases };
        server.says("DHCP, sockets bound", 1);
        server
    }

    fn usual(host: &Host) -> Self {
        Self::start(host, "10.0.0.100,10.0.0.110", &[])
    }

    /// Waits until the log has `words` so many times, or more: what is not answered at once is said
    /// again.
    fn says(&self, words: &str, times: usize) {
        let count = || self.log().lines().filter(|line| line.contains(words)).count();
        for _ in 0..500 {
            if count() >= times {
                break;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        assert!(count() >= times, "{words}: {}", self.log());
    }

    fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    fn leases(&self) -> String {
        std::fs::read_to_string(&self.leases).unwrap_or_default()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn network(mode: &str) -> RawNetwork {
    RawNetwork {
        name: "lan".into(),
        mode: Some(mode.into()),
        parent: Some("up0".into()),
        dhcp: true,
        ..RawNetwork::default()
    }
}

/// A host beside a LAN, with a network whose addresses are lent there.
fn host(mode: &str) -> Host {
    with(&network(mode))
}

/// The same, with little patience.
fn impatient(mode: &str) -> Host {
    with(&RawNetwork { dhcp_timeout: Some(2), ..network(mode) })
}

fn with(network: &RawNetwork) -> Host {
    let host = Host::new();
    outside(&host);
    host.create(network);
    host
}

fn in_seconds(s: u64) -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    u64::try_from(now.as_millis()).unwrap() + s * 1000
}

/// Renews as if it were so much later.
fn renewed(host: &Host, s: u64) -> Tended {
    host.engine().renew_at(in_seconds(s)).unwrap().unwrap()
}

/// Until when it is lent, and by whom.
fn lent(host: &Host) -> (Option<String>, String) {
    let lease = row(host).lease.unwrap();
    (lease.until, lease.server)
}

/// Renews nothing yet.
fn rests(host: &Host, s: u64) {
    let before = lent(host);
    let tended = renewed(host, s);
    assert!(tended.faults.is_empty() && tended.findings.is_empty(), "{s}: {tended:?}");
    assert_eq!(lent(host), before, "{s}");
}

/// Renews at one of these times: a server may be slow on a busy machine.
fn renews(host: &Host, times: [u64; 3]) {
    let before = lent(host);
    for s in times {
        let tended = renewed(host, s);
        assert!(tended.faults.is_empty() && tended.findings.is_empty(), "{s}: {tended:?}");
        if lent(host) != before {
            return;
        }
    }
    assert_ne!(lent(host), before, "{times:?}");
}

fn red() -> SandboxRef {
    "netns:red".parse().unwrap()
}

fn row(host: &Host) -> Row {
    host.engine().ps().unwrap().remove(0)
}

fn addresses(host: &Host) -> String {
    host.sh("ip -n red -4 -o addr show dev eth0 | sed 's/.*inet //; s/ .*//'").trim().to_owned()
}

fn asking_for(ip: &str) -> Endpoint {
    let (sandbox, network) = ("new:red".into(), "lan".into());
    RawEndpoint { sandbox, network, ip: vec![ip.into()], ..RawEndpoint::default() }.check().unwrap()
}

/// Borrowed, renewed in time, given back.
fn lives(mode: &str, gateway: &str, prefix: u8) {
    let host = host(mode);
    let server = Server::usual(&host);
    let before = host.snapshot();
    let row = host.attach("new:red", "lan").unwrap().row;
    assert_eq!(addresses(&host), format!("10.0.0.100/{prefix}"), "{row:?}");
    assert_eq!(row.gateway, [gateway]);
    let lease = row.lease.unwrap();
    assert_eq!(
        (lease.server.as_str(), lease.dns),
        ("10.0.0.2", vec!["10.0.0.3".into(), "10.0.0.4".into()])
    );
    assert!(server.leases().contains(row.mac.as_ref().unwrap()), "{}", server.leases());
    assert!(server.leases().contains(" red "), "{}", server.leases());
    assert!(!host.attach("netns:red", "lan").unwrap().changed);
    host.sh("ip netns exec lan ping -qc1 -W2 10.0.0.100; ip netns exec red ping -qc1 -W2 10.0.0.2");
    host.sh(&format!("ip netns exec red ping -qc1 -W2 {gateway}"));
    server.says("DHCPACK", 1);
    // Before half of the two minutes, after it, and after half of the next.
    rests(&host, 50);
    renews(&host, [61, 90, 100]);
    rests(&host, 110);
    renews(&host, [125, 150, 175]);
    assert_eq!(host.engine().check().unwrap(), []);
    host.engine().detach(&red(), None).unwrap();
    server.says("DHCPRELEASE", 1);
    for _ in 0..100 {
        if server.leases().is_empty() {
            break;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(server.leases(), "");
    same(&before, &host.snapshot());
}

#[test]
fn a_flat_sandbox_has_an_address_of_the_lans_server_as_long_as_it_is_there() {
    lives("flat", "169.254.1.1", 32);
}

#[test]
fn a_macvlan_sandbox_has_address_and_router_of_the_lans_server() {
    lives("macvlan", "10.0.0.2", 24);
}

#[test]
fn an_address_that_a_server_lends_though_it_is_taken_is_declined() {
    for mode in ["flat", "macvlan"] {
        let host = host(mode);
        let server = Server::start(&host, "10.0.0.100,10.0.0.101", &[]);
        host.sh("ip -n lan addr add 10.0.0.100/24 dev eth0");
        host.attach("new:red", "lan").unwrap();
        assert!(addresses(&host).starts_with("10.0.0.101/"), "{mode}");
        server.says("DHCPDECLINE", 1);
    }
}

#[test]
fn a_server_tells_of_routes_and_mtu() {
    let host = host("macvlan");
    let routes = "--dhcp-option=121,0.0.0.0/0,10.0.0.9,172.20.0.0/16,10.0.0.8,10.9.9.9/32,0.0.0.0";
    let _server = Server::start(&host, "10.0.0.100,10.0.0.110", &[routes, "--dhcp-option=26,1400"]);
    let row = host.attach("new:red", "lan").unwrap().row;
    assert_eq!((row.gateway, row.mtu), (vec!["10.0.0.9".to_owned()], 1400));
    let found = host.sh("ip -n red route show");
    for route in
        ["default via 10.0.0.9 dev eth0", "172.20.0.0/16 via 10.0.0.8", "10.9.9.9 dev eth0"]
    {
        assert!(found.contains(route), "{found}");
    }
    assert_eq!(host.engine().check().unwrap(), []);
}

#[test]
fn an_address_that_is_asked_for_is_lent_or_refused() {
    let host = host("flat");
    let server = Server::usual(&host);
    let before = host.snapshot();
    let (code, text) = said(host.engine().attach(&asking_for("10.0.0.200")));
    assert_eq!((code, text.contains("10.0.0.200")), (Code::DhcpRefused, true), "{text}");
    same(&before, &host.snapshot());
    host.engine().attach(&asking_for("10.0.0.107")).unwrap();
    assert_eq!(addresses(&host), "10.0.0.107/32");
    server.says("DHCPACK", 1);
}

/// Nobody renews it: the address goes when its time is over, and another is had when that is
/// possible again.
fn lapses(mode: &str) {
    let host = host(mode);
    let server = Server::usual(&host);
    host.attach("new:red", "lan").unwrap();
    let with = host.snapshot();
    drop(server);
    assert!(renewed(&host, 70).findings.is_empty());
    assert!(!addresses(&host).is_empty());
    let over = renewed(&host, 130);
    assert_eq!((over.findings.len(), over.findings[0].repaired), (1, false), "{over:?}");
    assert_eq!(over.findings[0].owner, "netns:red/eth0");
    assert_eq!(over.faults.iter().map(|fault| fault.code).collect::<Vec<_>>(), [Code::DhcpRefused]);
    assert_eq!(addresses(&host), "");
    let told = host.engine().check().unwrap();
    assert!(told.len() == 1 && told[0].found.contains("none lends one"), "{told:?}");
    assert_eq!(row(&host).lease, None);
    let _server = Server::usual(&host);
    assert!(renewed(&host, 132).findings.is_empty());
    let again = renewed(&host, 150);
    assert!(again.faults.is_empty() && again.findings.iter().all(|f| f.repaired), "{again:?}");
    same(&with, &host.snapshot());
    assert_eq!(host.engine().check().unwrap(), []);
    host.sh("ip netns exec lan ping -qc1 -W2 10.0.0.100");
}

#[test]
fn a_flat_address_goes_when_its_lease_is_over_and_comes_again_with_the_server() {
    lapses("flat");
}

#[test]
fn a_macvlan_address_goes_when_its_lease_is_over_and_comes_again_with_the_server() {
    lapses("macvlan");
}

#[test]
fn a_refused_renewal_takes_the_address_and_gets_another() {
    let host = host("flat");
    let before = host.snapshot();
    let server = Server::usual(&host);
    let mut wish = crate::host::endpoint("new:red", "lan", &["8080:80"]);
    wish.rate_in = Some("100M".parse().unwrap());
    host.engine().attach(&wish).unwrap();
    std::fs::remove_file(&server.leases).unwrap();
    drop(server);
    let server = Server::start(&host, "10.0.0.120,10.0.0.130", &[]);
    // A server that is slow on a busy machine is asked again.
    let mut tended = renewed(&host, 70);
    for s in [90, 100, 110] {
        if tended.findings.is_empty() {
            tended = renewed(&host, s);
        }
    }
    server.says("DHCPNAK", 1);
    let repaired: Vec<bool> = tended.findings.iter().map(|finding| finding.repaired).collect();
    assert_eq!((repaired, tended.faults.len()), (vec![false, true], 0), "{tended:?}");
    assert_eq!(addresses(&host), "10.0.0.120/32");
    host.sh("ip netns exec lan ping -qc1 -W2 10.0.0.120; ip neigh show proxy | grep -q 10.0.0.120
        ! ip neigh show proxy | grep -q 10.0.0.100; ! ip route | grep -q 10.0.0.100");
    assert_eq!(host.engine().check().unwrap(), []);
    host.engine().detach(&red(), None).unwrap();
    server.says("DHCPRELEASE", 1);
    same(&before, &host.snapshot());
}

#[test]
fn another_server_may_renew_what_the_first_no_longer_does() {
    let host = host("flat");
    let server = Server::usual(&host);
    host.attach("new:red", "lan").unwrap();
    drop(server);
    host.sh("ip -n lan addr del 10.0.0.2/24 dev eth0
        ip -n lan addr add 10.0.0.3/24 dev eth0");
    let server = Server::usual(&host);
    // Until 105 s the first alone is asked.
    rests(&host, 70);
    renews(&host, [106, 114, 118]);
    server.says("DHCPACK", 1);
    assert_eq!(lent(&host).1, "10.0.0.3");
}

#[test]
fn a_lan_without_a_server_and_one_without_addresses_are_refused_by_name() {
    let host = impatient("flat");
    host.sh("ip netns add red");
    let before = host.snapshot();
    let refused = |sandbox: &str| {
        let (code, text) = said(host.attach(sandbox, "lan"));
        assert_eq!((code, text.contains("up0 within 2 s")), (Code::DhcpRefused, true), "{text}");
    };
    refused("netns:red");
    same(&before, &host.snapshot());
    assert!(host.engine().ps().unwrap().is_empty());
    let server = Server::start(&host, "10.0.0.100,10.0.0.100", &[]);
    host.attach("netns:red", "lan").unwrap();
    let before = host.snapshot();
    refused("new:blue");
    same(&before, &host.snapshot());
    server.says("DHCPACK", 1);
}

#[test]
fn a_server_that_dies_between_offer_and_request_is_told_of() {
    let host = impatient("flat");
    let server = Server::usual(&host);
    // Requests are lost: option 53 stands first, with the value 3.
    host.sh("ip netns exec lan nft 'table inet t { chain c { type filter hook input priority 0
        udp dport 67 @th,1984,24 0x350103 drop; }; }'");
    let before = host.snapshot();
    let (code, text) = said(host.attach("new:red", "lan"));
    assert_eq!((code, text.contains("10.0.0.2 on up0")), (Code::DhcpRefused, true), "{text}");
    same(&before, &host.snapshot());
    assert!(!server.log().contains("DHCPACK"), "{}", server.log());
}

#[test]
fn an_attach_that_fails_gives_its_address_back() {
    let host = host("flat");
    let server = Server::usual(&host);
    host.sh("ip netns add red; ip -n red link add eth5 type ifb");
    let before = host.snapshot();
    let mut wish = crate::host::endpoint("netns:red", "lan", &[]);
    wish.ifname = Some("eth5".parse().unwrap());
    assert_eq!(said(host.engine().attach(&wish)).0, Code::IfnameTaken);
    server.says("DHCPRELEASE", 1);
    same(&before, &host.snapshot());
}

#[test]
fn a_sandbox_that_was_made_anew_keeps_its_address() {
    let host = host("flat");
    let _server = Server::usual(&host);
    host.attach("new:red", "lan").unwrap();
    host.sh("ip netns del red");
    host.attach("new:red", "lan").unwrap();
    assert_eq!(addresses(&host), "10.0.0.100/32");
    renews(&host, [61, 90, 100]);
}

#[test]
fn leases_of_seconds_are_renewed_by_a_server_of_another_make() {
    let host = host("flat");
    let config = host.file(
        "udhcpd.conf",
        "start 10.0.0.100\nend 10.0.0.110\ninterface eth0\nlease_file /dev/null\npidfile /dev/null\n\
         option subnet 255.255.255.0\noption router 10.0.0.2\noption lease 20\nmin_lease 1\n",
    );
    let process = Command::new("ip")
        .args(["netns", "exec", "lan", "busybox", "udhcpd", "-f", &config])
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let _server = Server { process, log: PathBuf::new(), leases: PathBuf::new() };
    host.attach("new:red", "lan").unwrap();
    renews(&host, [11, 14, 17]);
    assert!(renewed(&host, 11).again.unwrap() <= Duration::from_secs(10));
}
