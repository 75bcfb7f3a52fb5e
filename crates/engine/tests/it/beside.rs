//! Beside the rules of others: let through, checked, put back, and taken away without a trace.

use std::process::{Child, Command, Stdio};

use ropewalk_engine::Finding;
use ropewalk_facts::Ns;
use ropewalk_testnet::engines::Engine as Daemon;

use crate::Host;
use crate::host::{bridge, endpoint, routed};

/// A LAN in a namespace of its own behind the host, and a sandbox that it reaches and is reached by.
fn pair(host: &Host) {
    host.sh("ip netns add lan; ip link add up0 type veth peer name eth0 netns lan
        ip addr add 10.0.0.1/24 dev up0; ip addr add fd00:1::1/64 dev up0 nodad; ip link set up0 up
        ip -n lan addr add 10.0.0.2/24 dev eth0; ip -n lan addr add fd00:1::2/64 dev eth0 nodad
        ip -n lan link set eth0 up; ip -n lan link set lo up
        ip -n lan route add default via 10.0.0.1; ip -n lan route add default via fd00:1::1
        ip route add default via 10.0.0.2; ip netns add red");
}

const OUT4: &str = "ip netns exec red ping -c1 -W2 10.0.0.2";
const OUT6: &str = "ip netns exec red ping -c1 -W2 fd00:1::2";

/// Rules as iptables sees them; it must be able to.
fn rules(host: &Host, variant: &str) -> String {
    host.sh(&format!("iptables-{variant}-save; ip6tables-{variant}-save"))
        .lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| line.split(" [").next().unwrap_or_default().to_owned() + "\n")
        .collect()
}

/// Something was put right, and all of it on the host.
fn no_sandbox_is_touched(repaired: &[Finding]) {
    assert!(!repaired.is_empty());
    for one in repaired {
        let change = one.change.as_ref();
        assert!(one.repaired && change.is_some_and(|change| change.key.ns == Ns::HOST), "{one:?}");
    }
}

fn web(host: &Host) {
    host.create(&bridge("web", &["192.168.15.0/24", "fd00:15::/64"]));
    host.engine().attach(&endpoint("netns:red", "web", &["8080:80"])).unwrap();
}

fn a_policy_is_answered(variant: &str) {
    let host = Host::new();
    pair(&host);
    host.sh(&format!(
        "for t in iptables-{variant} ip6tables-{variant}; do
            $t -w -P FORWARD DROP; $t -w -A FORWARD -p tcp --dport 9 -j DROP
            $t -w -A FORWARD -m comment --comment 'made by me' -j RETURN
        done"
    ));
    let before = (rules(&host, variant), host.sh("nft --stateless list ruleset"));
    web(&host);
    host.sh(&format!("{OUT4}; {OUT6}"));
    let with = rules(&host, variant);
    let made = "--dport 9 -j DROP\n\
        -A FORWARD -m comment --comment \"made by ropewalk\" -j ROPEWALK\n\
        -A FORWARD -m comment --comment \"made by me\" -j RETURN\n";
    assert_eq!(with.matches(made).count(), 2, "{with}");
    let text = "-A ROPEWALK -i rw+ -o docker+ -m comment --comment \"to docker*\" -j RETURN\n\
        -A ROPEWALK -i rw+ -o br-+ -m comment --comment \"to br-*\" -j RETURN\n\
        -A ROPEWALK -i rw+ -m comment --comment \"from ropewalk\" -j ACCEPT\n\
        -A ROPEWALK -o rw+ -m comment --comment \"to ropewalk\" -j ACCEPT\n";
    assert_eq!(with.matches(text).count(), 2, "{with}");
    assert!(host.engine().check().unwrap().is_empty());
    let view = host.engine().networks().unwrap().remove(0);
    assert_eq!(view.let_through.len(), 2, "{view:?}");

    // Taken away by somebody: found, and put back where it was.
    host.sh(&format!("iptables-{variant} -w -D FORWARD 2; ip6tables-{variant} -w -F ROPEWALK"));
    assert!(!host.works(OUT4) && !host.works(OUT6));
    assert!(!host.engine().check().unwrap().is_empty());
    host.engine().repair().unwrap();
    assert_eq!(rules(&host, variant), with);
    host.sh(&format!("{OUT4}; {OUT6}"));

    // Two networks: the last one takes it away.
    host.create(&routed("far", &["10.9.0.0/24", "fd00:9::/64"]));
    host.engine().detach(&"netns:red".parse().unwrap(), None).unwrap();
    host.engine().remove_network(&"web".parse().unwrap()).unwrap();
    assert_eq!(rules(&host, variant), with);
    assert!(host.engine().check().unwrap().is_empty());
    host.engine().remove_network(&"far".parse().unwrap()).unwrap();
    assert_eq!((rules(&host, variant), host.sh("nft --stateless list ruleset")), before);
}

#[test]
fn a_policy_of_iptables_is_answered_and_left_as_it_was() {
    a_policy_is_answered("nft");
}

/// A server in a namespace that says where it is, gone with its owner.
struct Server(Child);

impl Server {
    fn start(ns: &str) -> Self {
        // A folder that nobody else sees.
        let script = format!(
            "mkdir -p /etc/ropewalk/{ns}; echo {ns} >/etc/ropewalk/{ns}/index.html
            exec ip netns exec {ns} busybox httpd -f -p 80 -h /etc/ropewalk/{ns}"
        );
        let mut shell = Command::new("sh");
        shell.args(["-c", &script]).stdin(Stdio::null()).stdout(Stdio::null());
        Self(shell.stderr(Stdio::null()).spawn().unwrap())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

fn page(from: &str, at: &str) -> String {
    format!("{from} timeout 2 busybox wget -qO- http://{at}")
}

#[test]
fn a_policy_of_legacy_iptables_is_answered_and_left_as_it_was() {
    a_policy_is_answered("legacy");
}

#[test]
fn docker_and_ropewalk_keep_working_whichever_starts_or_stops() {
    let host = Host::new();
    pair(&host);
    // Docker finds forwarding off, and so has FORWARD drop what it does not know.
    let mut docker = Daemon::docker(host.net());
    docker.sh("docker run -d --restart always --stop-signal KILL --name web -p 8081:80 $IMAGE \
               sh -c 'mkdir -p /www; echo theirs > /www/index.html; httpd -p 81 -h /www; exec httpd -f -p 80 -h /www'");
    let rules_of_docker = "iptables-save | grep -v '^[#:]'";
    let before = host.sh(rules_of_docker);
    assert!(host.sh("iptables -S FORWARD").contains("-P FORWARD DROP"));
    web(&host);
    let _server = Server::start("red");
    let lan = "ip netns exec lan";
    let both_work = |docker: &Daemon| {
        host.sh(OUT4);
        assert_eq!(host.sh(&page(lan, "10.0.0.1:8080")), "red\n");
        assert_eq!(
            docker.sh("docker exec web ping -c1 -W2 10.0.0.2 >/dev/null; echo out"),
            "out\n"
        );
        let theirs = "for n in 1 2 3 4 5 6 7 8 9; do ";
        let theirs = theirs.to_owned() + &page(lan, "10.0.0.1:8081") + " && exit; sleep 0.3; done";
        assert_eq!(host.sh(&theirs).lines().last(), Some("theirs"));
    };
    both_work(&docker);
    let user = host.sh("iptables -S DOCKER-USER");
    assert_eq!(
        user,
        "-N DOCKER-USER\n-A DOCKER-USER -m comment --comment \"made by ropewalk\" -j ROPEWALK\n\
        -A DOCKER-USER -j RETURN\n"
    );
    // What Docker lets nobody in to, ropewalk does not open.
    let inside = docker.sh("docker inspect -f '{{.NetworkSettings.IPAddress}}' web");
    host.sh(&format!("{lan} ip route replace 172.17.0.0/16 via 10.0.0.1"));
    assert!(!host.works(&page("ip netns exec red", &format!("{}:81", inside.trim()))));
    assert_eq!(host.sh(&page("ip netns exec red", "10.0.0.1:8081")), "theirs\n");

    docker.restart();
    docker.sh("for n in $(seq 50); do docker exec web true 2>/dev/null && exit; sleep 0.1; done");
    assert!(host.engine().check().unwrap().is_empty());
    both_work(&docker);

    host.sh("nft flush ruleset");
    docker.restart();
    docker.sh("for n in $(seq 50); do docker exec web true 2>/dev/null && exit; sleep 0.1; done");
    host.sh("iptables -P FORWARD DROP");
    assert!(!host.works(OUT4));
    no_sandbox_is_touched(&host.engine().repair().unwrap());
    both_work(&docker);

    host.engine().purge().unwrap();
    assert_eq!(host.sh(rules_of_docker), before);
}

#[test]
fn docker_that_found_forwarding_on_keeps_working_when_ropewalk_goes() {
    let host = Host::new();
    pair(&host);
    web(&host);
    let docker = Daemon::docker(host.net());
    docker.sh("docker run -d --name web $IMAGE sleep 600");
    let theirs = || docker.try_sh("docker exec web ping -c1 -W2 10.0.0.2").0;
    host.sh(&format!("{OUT4}; {OUT6}"));
    assert!(theirs());
    host.engine().purge().unwrap();
    assert!(theirs(), "{}", host.sh("sysctl net.ipv4.ip_forward"));
    web(&host);
    host.sh(&format!("{OUT4}; {OUT6}"));
    assert!(theirs());
}

/// ufw with settings and rules of its own.
const UFW: &str = "mount -t tmpfs tmpfs /run; mkdir -p /run/netns /run/lock /run/own
    for f in /etc/ufw /etc/default/ufw /lib/ufw; do
        copy=/run/own/$(echo $f | tr / .); cp -a $f $copy; mount --bind $copy $f
    done";

#[test]
fn ufw_is_answered_after_its_own_rules() {
    let host = Host::new();
    host.sh(UFW);
    pair(&host);
    host.sh("ufw --force enable; ufw route deny in on rw-web to 10.0.0.3");
    let before = (rules(&host, "nft"), host.sh("nft --stateless list ruleset"));
    web(&host);
    host.sh(&format!("{OUT4}; {OUT6}"));
    let forward = host.sh("iptables -S FORWARD");
    let place = "-A FORWARD -j ufw-before-forward\n\
        -A FORWARD -m comment --comment \"made by ropewalk\" -j ROPEWALK\n\
        -A FORWARD -j ufw-after-forward\n";
    assert!(forward.contains(place), "{forward}");
    // What its owner denies stays denied.
    host.sh("ip -n lan addr add 10.0.0.3/24 dev eth0");
    let _server = Server::start("lan");
    let page = |at| {
        host.net()
            .try_sh(&format!(
                "n=0; until {} 2>/dev/null || test $n = 50; do n=$((n+1)); sleep 0.1; done",
                page("ip netns exec red", at)
            ))
            .1
    };
    assert_eq!(page("10.0.0.2"), "lan\n");
    assert!(!host.works(&crate::beside::page("ip netns exec red", "10.0.0.3")));
    let ruleset = || (rules(&host, "nft"), host.sh("nft --stateless list ruleset"));
    host.engine().purge().unwrap();
    assert!(ruleset() == before, "{:?}", ruleset());

    web(&host);
    host.sh("ufw reload");
    assert!(host.engine().check().unwrap().is_empty());
    host.sh("nft flush ruleset; ufw --force enable");
    let before = ruleset();
    assert!(!host.engine().check().unwrap().is_empty());
    host.engine().repair().unwrap();
    assert_eq!(host.sh("iptables -S FORWARD"), forward);
    host.sh(&format!("{OUT4}; {OUT6}"));
    host.engine().purge().unwrap();
    assert!(ruleset() == before, "{:?}", ruleset());
}

/// firewalld with a bus and settings of its own; it ends with its owner.
struct Firewalld(Vec<Child>);

impl Firewalld {
    fn start(host: &Host) -> Self {
        host.sh("mount -t tmpfs tmpfs /run; mkdir -p /run/netns /run/dbus /run/own
            mount -t tmpfs tmpfs /var/log
            cp -a /etc/firewalld /run/own; mount --bind /run/own/firewalld /etc/firewalld");
        let run = |program: &str, options: &[&str]| {
            let mut command = Command::new(program);
            command.args(options).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
            command.spawn().unwrap()
        };
        let mut all = Self(vec![run("dbus-daemon", &["--system", "--nofork", "--nopidfile"])]);
        host.sh("until test -S /run/dbus/system_bus_socket; do sleep 0.05; done");
        all.0.push(run("firewalld", &["--nofork", "--nopid"]));
        host.sh(
            "n=0; until firewall-cmd --state; do n=$((n+1)); test $n -lt 120; sleep 0.25; done",
        );
        all
    }
}

impl Drop for Firewalld {
    fn drop(&mut self) {
        for child in self.0.iter_mut().rev() {
            child.kill().ok();
            child.wait().ok();
        }
    }
}

#[test]
fn firewalld_is_told_of_with_what_makes_it_let_through() {
    let host = Host::new();
    let _firewalld = Firewalld::start(&host);
    pair(&host);
    let before = host.sh("nft --stateless list ruleset");
    host.create(&bridge("web", &["192.168.15.0/24", "fd00:15::/64"]));
    host.engine().attach(&endpoint("netns:red", "web", &[])).unwrap();
    assert!(!host.works(OUT4) && !host.works(OUT6));
    let found = host.engine().check().unwrap();
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(found[0].object, "chain inet firewalld filter_FORWARD");
    let (_, way_out) = found[0].found.split_once("try: ").unwrap();

    host.sh(way_out);
    host.sh(&format!("{OUT4}; {OUT6}"));
    assert!(host.engine().check().unwrap().is_empty());
    host.sh("firewall-cmd --reload");
    assert!(host.engine().check().unwrap().is_empty());
    // firewalld does not reload without its table.
    host.sh("nft flush ruleset; nft add table inet firewalld; firewall-cmd --reload");
    no_sandbox_is_touched(&host.engine().repair().unwrap());
    assert!(host.engine().check().unwrap().is_empty());
    host.sh(&format!("{OUT4}; {OUT6}"));

    host.sh(
        "firewall-cmd --permanent --zone=trusted --remove-interface=rw+; firewall-cmd --reload",
    );
    host.engine().purge().unwrap();
    assert_eq!(host.sh("nft --stateless list ruleset"), before);
}
