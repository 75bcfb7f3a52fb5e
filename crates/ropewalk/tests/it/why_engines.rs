//! Containers of real engines, broken in five ways each: `why` looks through the engines' own rules.
//!
//!     web 172.17.0.2:80 ─ docker0 ─ host up0 10.0.0.1 (8080 → web) ── 10.0.0.2 lan (198.51.100.8)
//!
//! One engine is started for all of it.

use ropewalk_testnet::engines::Engine;
use serde_json::Value;

use crate::host::Host;
use crate::run::ropewalk_with;

/// A host with a way out, to somebody who knows nothing of containers.
fn host() -> Host {
    let host = Host::new();
    host.net.sh("ip netns add lan; ip -n lan link set lo up
        ip link add up0 type veth peer name eth0 netns lan
        ip link set up0 up; ip -n lan link set eth0 up
        ip addr add 10.0.0.1/24 dev up0; ip -n lan addr add 10.0.0.2/24 dev eth0
        ip -n lan addr add 198.51.100.8/32 dev lo; ip route add default via 10.0.0.2");
    host
}

/// A container that serves on port 80, which is the host's 8080, and one on another network.
const CONTAINERS: &str = "
    mkdir -p $DIR/root/www
    $0 network create $OPTION other
    $0 run -d --name $0-web -p 8080:80 $IMAGE \\
        sh -c 'mkdir -p /www; echo hello > /www/index.html; httpd -p 80 -h /www; exec sleep 600'
    $0 run -d --name $0-cli --network other $IMAGE sleep 600";

/// How it is broken, by whom (the host's shell or the engine), what mends it, who is asked for what,
/// and what is wrong then, where.
struct Broken {
    breaks: &'static str,
    mends: &'static str,
    inside: bool,
    from: &'static str,
    to: &'static str,
    code: &'static str,
    place: &'static str,
}

const OUT: &str = "198.51.100.8";
const PORT: &str = "10.0.0.1:8080";

/// The engine, and what it has the containers named by.
struct Beside {
    host: Host,
    engine: Engine,
    web: String,
    cli: String,
    address: String,
}

impl Beside {
    fn new(host: Host, engine: Engine, name: &str, option: &str) -> Self {
        engine.sh(&CONTAINERS.replace("$0", name).replace("$OPTION", option));
        // They are called as their engine calls them.
        let (web, cli) = (format!("{name}-web"), format!("{name}-cli"));
        let of = "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}";
        let address = engine.sh(&format!("{name} inspect --format '{of}' {web}")).trim().to_owned();
        Self { host, engine, web, cli, address }
    }

    fn asked(&self, from: &str, to: &str, how: &str) -> Value {
        let from = match from {
            "web" => &self.web,
            "cli" => &self.cli,
            other => other,
        };
        let to = if to == "web" { &self.address } else { to };
        let seen = format!("host,lan,{},{}", self.web, self.cli);
        let line = format!("why {from} {to} --visible {seen} --json {how}");
        let ran = ropewalk_with(&line, &[("DOCKER_HOST", &self.engine.host())]);
        serde_json::from_str(&ran.out).unwrap_or_else(|e| panic!("{from} {to}: {e}\n{}", ran.err))
    }

    /// What works, by packets and as it is said.
    fn is_fine(&self, how: &str) {
        let page = r"for n in 1 2 3 4 5 6 7 8 9; do
            printf 'GET / HTTP/1.0\r\n\r\n' | ip netns exec lan nc -w 3 10.0.0.1 8080 |
                grep -x hello && exit; sleep 0.3
            done; exit 1";
        assert_eq!(self.host.net.sh(page).trim(), "hello");
        for (from, to) in [("web", OUT), ("lan", PORT), ("host", "web"), ("web", "10.0.0.1")] {
            let said = self.asked(from, to, how);
            assert_eq!(said["code"], "OK", "{from} {to}: {said:#}");
        }
    }

    fn run(&self, script: &str, inside: bool) {
        drop(if inside { self.engine.sh(script) } else { self.host.net.sh(script) });
    }

    fn is_told(&self, case: &Broken) {
        self.run(case.breaks, case.inside);
        let said = self.asked(case.from, case.to, "");
        let found = (said["code"].as_str(), said["where"].as_str());
        let place = match case.place {
            "web" => &self.web,
            "cli" => &self.cli,
            other => other,
        };
        assert_eq!(found, (Some(case.code), Some(place)), "{}: {said:#}", case.breaks);
        assert_eq!(said["certainty"], "predicted+seen", "{}: {said:#}", case.breaks);
        self.run(case.mends, case.inside);
    }
}

#[test]
fn containers_of_docker_are_looked_into() {
    let host = host();
    let docker = Engine::docker(&host.net);
    let beside = Beside::new(host, docker, "docker", "");
    beside.is_fine("");
    for case in [
        Broken {
            breaks: "iptables -P FORWARD DROP; iptables -D FORWARD -i docker0 ! -o docker0 -j ACCEPT",
            mends: "iptables -A FORWARD -i docker0 ! -o docker0 -j ACCEPT",
            inside: false,
            from: "web",
            to: OUT,
            code: "FILTER_DROP",
            place: "host:ip/filter/FORWARD",
        },
        Broken {
            breaks: "iptables -t nat -D POSTROUTING -s 172.17.0.0/16 ! -o docker0 -j MASQUERADE",
            mends: "iptables -t nat -A POSTROUTING -s 172.17.0.0/16 ! -o docker0 -j MASQUERADE",
            inside: false,
            from: "web",
            to: OUT,
            code: "NO_SNAT",
            place: "host:up0",
        },
        Broken {
            breaks: "docker exec docker-web killall httpd",
            mends: "docker exec docker-web httpd -p 80 -h /www",
            inside: true,
            from: "lan",
            to: PORT,
            code: "NO_LISTENER",
            place: "web",
        },
        Broken {
            breaks: ":",
            mends: ":",
            inside: false,
            from: "cli",
            to: "web",
            code: "FILTER_DROP",
            place: "host:ip/filter/DOCKER-ISOLATION-STAGE-2",
        },
        Broken {
            breaks: "iptables -I DOCKER-USER -d 198.51.100.8 -j DROP",
            mends: "iptables -D DOCKER-USER 1",
            inside: false,
            from: "web",
            to: OUT,
            code: "FILTER_DROP",
            place: "host:ip/filter/DOCKER-USER",
        },
    ] {
        beside.is_told(&case);
    }
    beside.is_fine("--no-live");
}

#[test]
fn containers_of_podman_are_looked_into() {
    let host = host();
    let podman = Engine::podman(&host.net);
    let beside = Beside::new(host, podman, "podman", "--internal");
    beside.is_fine("");
    for case in [
        Broken {
            breaks: "iptables -P FORWARD DROP; iptables -D FORWARD 1",
            mends: "iptables -P FORWARD ACCEPT; iptables -I FORWARD -m comment --comment 'netavark firewall plugin rules' -j NETAVARK_FORWARD",
            inside: false,
            from: "web",
            to: OUT,
            code: "FILTER_DROP",
            place: "host:ip/filter/FORWARD",
        },
        Broken {
            breaks:
                "chain=$(iptables -t nat -S | awk '/^-A NETAVARK-.*MASQUERADE/ { print $2; exit }')
                iptables -t nat -D $chain ! -d 224.0.0.0/4 -j MASQUERADE; echo $chain > /run/chain",
            mends: "iptables -t nat -A $(cat /run/chain) ! -d 224.0.0.0/4 -j MASQUERADE",
            inside: false,
            from: "web",
            to: OUT,
            code: "NO_SNAT",
            place: "host:up0",
        },
        Broken {
            breaks: "podman exec podman-web killall httpd",
            mends: "podman exec podman-web httpd -p 80 -h /www",
            inside: true,
            from: "lan",
            to: PORT,
            code: "NO_LISTENER",
            place: "web",
        },
        Broken {
            breaks: ":",
            mends: ":",
            inside: false,
            from: "cli",
            to: OUT,
            code: "NO_ROUTE",
            place: "cli",
        },
        Broken {
            breaks: "iptables -I FORWARD -s 10.88.0.0/16 -d 198.51.100.8 -j REJECT",
            mends: "iptables -D FORWARD 1",
            inside: false,
            from: "web",
            to: OUT,
            code: "FILTER_REJECT",
            place: "host:ip/filter/FORWARD",
        },
    ] {
        beside.is_told(&case);
    }
    beside.is_fine("--no-live");
}
