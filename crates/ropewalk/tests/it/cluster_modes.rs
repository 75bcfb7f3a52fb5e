//! The modes of networks across hosts: two on one LAN and one behind a router, one member of etcd.

use serde_json::Value;

use crate::cluster::{Cluster, Running, until};

const LAB: &str = r#"
name = "modes"
about = "two hosts on a LAN, one behind a router"

[lan.a]
subnet = ["192.168.1.0/24", "fd00:1::/64"]

[lan.b]
subnet = ["192.168.2.0/24", "fd00:2::/64"]

[host.router]
nic.eth0 = { lan = "a", ip = ["192.168.1.1", "fd00:1::1"] }
nic.eth1 = { lan = "b", ip = ["192.168.2.1", "fd00:2::1"] }
forward = true

[host.h1]
nic.eth0 = { lan = "a", ip = ["192.168.1.11", "fd00:1::11"] }
gateway = ["192.168.1.1", "fd00:1::1"]
container.red = {}

[host.h2]
nic.eth0 = { lan = "a", ip = ["192.168.1.12", "fd00:1::12"] }
gateway = ["192.168.1.1", "fd00:1::1"]
container.blue = {}

[host.h3]
nic.eth0 = { lan = "b", ip = ["192.168.2.13", "fd00:2::13"] }
gateway = ["192.168.2.1", "fd00:2::1"]
container.green = {}
"#;

const HOSTS: [&str; 3] = ["h1", "h2", "h3"];
const CONTAINERS: [(&str, &str); 3] = [("h1", "red"), ("h2", "blue"), ("h3", "green")];

/// The lab with `before` done in it, a store on the first host, every host a member.
fn cluster(before: &[(&str, &str)]) -> Cluster {
    let mut cluster = Cluster::lab(LAB);
    for (place, line) in before {
        cluster.ok(place, line);
    }
    let (client, peer) = ("http://192.168.1.11:2379", "http://192.168.1.11:2380");
    let line = format!(
        "etcd --name e1 --data-dir /run/etcd --listen-client-urls {client} \
         --advertise-client-urls {client} --listen-peer-urls {peer} \
         --initial-advertise-peer-urls {peer} --initial-cluster e1={peer} --log-level error"
    );
    cluster.stores.push(Running::on("h1", &line));
    for host in HOSTS {
        let join = format!("ropewalk join etcd://192.168.1.11 --name {host}");
        until("it joins", || cluster.run(host, &join).status == Some(0));
    }
    cluster.agents = HOSTS.iter().map(|host| Running::on(host, "ropewalk agent")).collect();
    cluster
}

/// Waits until a host has made the network, and knows so many blocks of each of the two others.
fn peers(cluster: &Cluster, host: &str, name: &str, blocks: usize) {
    until(&format!("{host} has {name}"), || {
        let ran = cluster.run(host, &format!("ropewalk network inspect {name} --json"));
        let view: Value = serde_json::from_str(&ran.out).unwrap_or_default();
        let all = |peer: &Value| {
            let (_, theirs) = peer.as_str().unwrap_or_default().split_once('=').unwrap_or_default();
            theirs.split(',').count() == blocks
        };
        let peers = view["tunnel"]["peers"].as_array().cloned().unwrap_or_default();
        peers.len() == 2 && peers.iter().all(all)
    });
}

/// The addresses of the container of a host, IPv4 first.
fn addresses(cluster: &Cluster, host: &str) -> Vec<String> {
    let rows = cluster.json(host, "ps");
    let all = rows[0]["addresses"].as_array().expect("addresses").clone();
    let plain = |net: &Value| net.as_str()?.split('/').next().map(str::to_owned);
    all.iter().filter_map(plain).collect()
}

/// Every container reaches every other, over both families.
fn reach(cluster: &Cluster) {
    for (on, from) in CONTAINERS {
        for (other, _) in CONTAINERS.iter().filter(|(other, _)| *other != on) {
            for address in addresses(cluster, other) {
                cluster.ok(&format!("{on}/{from}"), &format!("ping -c1 -W5 {address}"));
            }
        }
    }
}

#[test]
fn a_routed_network_leads_directly_on_a_lan_and_by_tunnel_behind_a_router() {
    let cluster = cluster(&[("h2", "ip link set eth0 mtu 1480")]);
    let create =
        "ropewalk cluster create web --mode routed --subnet 10.5.0.0/16 --subnet fd00:5::/48";
    cluster.ok("h1", create);
    for (host, container) in CONTAINERS {
        peers(&cluster, host, "web", 2);
        cluster.ok(host, &format!("ropewalk attach netns:{container} web"));
    }
    reach(&cluster);
    let routes = cluster.ok("h1", "ip route show proto 114");
    let way = |to: &str| routes.lines().find(|line| line.contains(to)).unwrap_or_default();
    assert!(way("192.168.1.12").contains("dev eth0"), "{routes}");
    assert!(way("rwv-web").contains("onlink"), "{routes}");
    let routes6 = cluster.ok("h1", "ip -6 route show proto 114");
    assert!(routes6.contains("via fd00:1::12 dev eth0"), "{routes6}");

    // What the LAN's router needs is known on every host, of all of them.
    let hints = cluster.json("h3", "routes web");
    let to = |via: &str| {
        hints.as_array().map(|all| all.iter().filter(|hint| hint["via"][0] == via).count())
    };
    for (v4, v6) in [("192.168.1.11", "fd00:1::11"), ("192.168.2.13", "fd00:2::13")] {
        assert_eq!((to(v4), to(v6)), (Some(1), Some(1)), "{hints}");
    }
    let bird = cluster.ok("h1", "ropewalk routes web --bird --router 192.168.1.1");
    let own = format!("route {}", cluster.json("h1", "network inspect web")["subnets"][0]["net"]);
    assert!(bird.contains(&own.replace('"', "")), "{own} {bird}");

    // What is too long for the way is told at once, and what fits passes: 1480 to the second host,
    // whose link takes no more, 1450 through the tunnel to the third.
    for (host, fits) in [("h2", 1480), ("h3", 1450)] {
        let to = addresses(&cluster, host)[0].clone();
        let ping = |bytes: u32| format!("ping -c1 -W5 -M do -s {} {to}", bytes - 28);
        let told = cluster.run("h1/red", &ping(1500));
        assert!(told.out.contains(&format!("mtu = {fits}")), "{told:?}");
        cluster.ok("h1/red", &ping(fits));
    }
    // Nobody's address is changed on the way, be it direct or by tunnel.
    let red = addresses(&cluster, "h1")[0].clone();
    for (host, container) in &CONTAINERS[1..] {
        let place = format!("{host}/{container}");
        let chain = "{ type filter hook input priority 0 ; }";
        cluster.ok(
            &place,
            &format!(
                "sh -c \"nft add table ip t; nft 'add chain ip t in {chain}'; \
             nft add rule ip t in ip saddr {red} counter\""
            ),
        );
        let to = addresses(&cluster, host)[0].clone();
        cluster.ok("h1/red", &format!("ping -c1 -W5 {to}"));
        let counted = cluster.ok(&place, "nft list table ip t");
        assert!(counted.contains("packets 1"), "{counted}");
        // The host itself reaches them, too.
        cluster.ok("h1", &format!("ping -c1 -W5 {to}"));
    }
    for host in HOSTS {
        assert_eq!(cluster.ok(host, "ropewalk check --json"), "[]\n", "{host}");
    }
}
