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
    cluster.joined(&HOSTS);
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
    let mut cluster = cluster(&[("h2", "ip link set eth0 mtu 1480")]);
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
    let own = format!("[ {} ]", cluster.json("h1", "network inspect web")["subnets"][0]["net"]);
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
    // A block of six is full with the seventh: another one is claimed, and reached from elsewhere.
    cluster.ok("h1", "ropewalk cluster create few --mode routed --subnet 10.6.0.0/24 --block 29");
    peers(&cluster, "h1", "few", 1);
    for n in 0..6 {
        cluster.ok("h1", &format!("ropewalk attach new:few{n} few"));
    }
    until("a seventh has room", || {
        let ran = cluster.run("h1", "ropewalk attach new:few6 few");
        assert!(ran.status == Some(0) || ran.err.contains("[pool-exhausted]"), "{ran:?}");
        ran.status == Some(0)
    });
    let view = cluster.json("h1", "network inspect few");
    assert_eq!(view["subnets"].as_array().map(Vec::len), Some(2), "{view}");
    let rows = view["sandboxes"].as_array().expect("rows").clone();
    let is = |row: &&Value| row["sandbox"].as_str().is_some_and(|name| name.ends_with("few6"));
    let seventh = rows.iter().find(is).expect("a row")["addresses"][0].clone();
    let seventh = seventh.as_str().and_then(|net| net.split('/').next()).expect("one").to_owned();
    for place in ["h2", "h3"] {
        until("it is reached", || {
            cluster.run(place, &format!("ping -c1 -W1 {seventh}")).status == Some(0)
        });
    }
    // A port leads on from any host, directly and by tunnel, over both families.
    let serve = "sh -c \"while :; do echo it is green | nc -l -N 80; done\"";
    let serve6 = "sh -c \"while :; do echo it is green | nc -6 -l -N 80; done\"";
    let mut servers = vec![Running::on("h3/green", serve), Running::on("h2/blue", serve6)];
    cluster.ok("h3", "ropewalk publish netns:green 8080:80 --everywhere");
    cluster.ok("h2", "ropewalk publish netns:blue 8081:80 --everywhere");
    for at in ["192.168.1.12/8080", "192.168.1.11/8080", "fd00:1::11/8081", "fd00:2::13/8081"] {
        until(&format!("it is answered at {at}"), || {
            let ask = format!("timeout 2 bash -c \"exec 3<>/dev/tcp/{at}; cat <&3\"");
            cluster.run("router", &ask).out == "it is green\n"
        });
    }
    servers.clear();
    moved(&cluster);
    for host in HOSTS {
        assert_eq!(cluster.ok(host, "ropewalk check --json"), "[]\n", "{host}");
    }
    let far = format!("ropewalk attach new:away few --ip {}", nobodys(&blocks(&cluster)));
    cluster.stores.clear();
    let refused = cluster.run("h3", &far);
    assert!(refused.err.contains("[cluster-store]"), "{refused:?}");
    cluster.ok("h3", "ropewalk attach new:away few");
}

/// The blocks that hosts have, each with its network before it, while the store is there.
fn blocks(cluster: &Cluster) -> Vec<String> {
    let status = cluster.json("h1", "cluster status");
    let hosts = status["hosts"].as_array().expect("hosts").iter();
    let blocks = hosts.flat_map(|host| host["blocks"].as_array().expect("blocks"));
    blocks.filter_map(|block| block.as_str().map(str::to_owned)).collect()
}

/// An address of network `few` whose block is nobody's.
fn nobodys(taken: &[String]) -> String {
    let free = (0..32).rev().map(|n| format!("10.6.0.{}/29", n * 8));
    let mut free = free.filter(|block| !taken.contains(&format!("few {block}")));
    let block = free.next().expect("a free block");
    block.replace("/29", "").rsplit_once('.').map_or_else(String::new, |(begin, last)| {
        format!("{begin}.{}", last.parse::<u8>().expect("a number") + 3)
    })
}

/// Addresses that are in no block of their host: asked for by number, and moved with a container.
fn moved(cluster: &Cluster) {
    let far = nobodys(&blocks(cluster));
    cluster.ok("h1", &format!("ropewalk attach new:far few --ip {far}"));
    let gone = cluster.ok("h1", "ropewalk detach netns:red web --json");
    let gone: Value = serde_json::from_str(&gone).expect("JSON");
    let red = gone[0]["addresses"][0].as_str().and_then(|net| net.split('/').next());
    let red = red.expect("an address").to_owned();
    cluster.ok("h2", &format!("ropewalk attach new:moved web --ip {red}"));
    for (place, to) in [("h2", &far), ("h3", &far), ("h1", &red), ("h3/green", &red)] {
        until("it is reached", || {
            cluster.run(place, &format!("ping -c1 -W1 {to}")).status == Some(0)
        });
    }
    let again = cluster.run("h3", &format!("ropewalk attach new:twice web --ip {red}"));
    assert!(again.err.contains("is on host h2"), "{again:?}");
}

/// Gives a block to a host, as the store would after the block's rest.
fn give(cluster: &Cluster, block: &str, host: &Value) {
    let (network, net) = block.split_once(' ').expect("two words");
    let (ip, len) = net.split_once('/').expect("a prefix");
    let ip: std::net::Ipv4Addr = ip.parse().expect("an address");
    let key = format!("/ropewalk/v1/blk/{network}/{:08x}-{len}", ip.to_bits());
    let value = format!(r#"{{"h":{host},"gen":9,"state":"own"}}"#);
    let put = r#"text() { printf %s "$1" | base64 -w0; }
        put="{\"key\":\"$(text KEY)\",\"value\":\"$(text 'VALUE')\"}"
        exec 3<>/dev/tcp/192.168.1.11/2379
        printf 'POST /v3/kv/put HTTP/1.0\r\nContent-Length: %d\r\n\r\n%s' ${#put} "$put" >&3
        grep -q ' 200 ' <&3"#;
    cluster.script("h1", &put.replace("KEY", &key).replace("VALUE", &value));
}

#[test]
fn a_host_that_is_back_says_whose_its_sandboxes_addresses_are_by_now_and_what_to_do() {
    let mut cluster = Cluster::lab(LAB);
    cluster.joined(&["h1", "h2"]);
    let all = [("web", "routed", "netns:blue"), ("over", "vxlan", "netns:tv")];
    cluster.ok("h2", "ip netns add tv");
    for (n, (network, mode, sandbox)) in (5..).zip(all) {
        let create = format!("cluster create {network} --mode {mode} --subnet 10.{n}.0.0/16");
        cluster.ok("h1", &format!("ropewalk {create}"));
        for host in ["h1", "h2"] {
            until("it is made", || cluster.ok(host, "ropewalk network ls").contains(network));
        }
        until("it is attached", || {
            cluster.run("h2", &format!("ropewalk attach {sandbox} {network}")).status == Some(0)
        });
    }
    let hosts = cluster.json("h1", "host ls");
    let row = |name: &str| {
        let mut rows = hosts.as_array().expect("rows").iter();
        rows.find(|row| row["name"] == name).expect("a host").clone()
    };
    let blocks: Vec<String> = serde_json::from_value(row("h2")["blocks"].clone()).expect("texts");
    assert_eq!(blocks.len(), 2, "{blocks:?}");
    let told = |cluster: &Cluster| {
        let told = blocks.iter().map(|block| {
            let net = block.split(' ').next_back().expect("a prefix");
            cluster.ok("h2", &format!("ip route show exact {net} type unreachable"))
        });
        told.collect::<String>()
    };
    assert!(told(&cluster).contains("unreachable"));
    // It is lost, taken out, and what it had is another's when it returns.
    cluster.agents[1].kill();
    cluster.ok("h1", "ropewalk host rm h2");
    blocks.iter().for_each(|block| give(&cluster, block, &row("h1")["id"]));
    cluster.agents[1] = Running::on("h2", "ropewalk agent");
    let fenced = |cluster: &Cluster| {
        let rows = cluster.json("h2", "ps");
        rows.as_array().expect("rows").iter().filter(|row| row["state"] == "fenced").count()
    };
    until("it answers for nothing", || fenced(&cluster) == 2);
    assert_eq!(told(&cluster), "", "no speaker of BGP is told of it");
    cluster.ok("h2", "ropewalk join etcd://192.168.1.11 --name h2");
    for (network, _, sandbox) in all {
        let does = format!("ropewalk detach {sandbox} {network}, and attach it again");
        until(&format!("it says what to do: {does}"), || {
            let mut all = cluster.alarms("h2").into_iter();
            all.any(|alarm| alarm.contains("is host h1's by now") && alarm.contains(&does))
        });
        let found = cluster.run("h2", "ropewalk check");
        assert!(found.out.contains(&format!("ropewalk detach {sandbox} {network}")), "{found:?}");
    }
    assert_eq!((fenced(&cluster), told(&cluster).as_str()), (2, ""));
    // And that does it.
    for (network, _, sandbox) in all {
        cluster.ok("h2", &format!("ropewalk detach {sandbox} {network}"));
        until("it gets another", || {
            cluster.run("h2", &format!("ropewalk attach {sandbox} {network}")).status == Some(0)
        });
    }
    for row in cluster.json("h2", "ps").as_array().expect("rows") {
        let ip = row["addresses"][0].as_str().and_then(|net| net.split('/').next()).expect("one");
        until("it is reached", || {
            cluster.run("h1", &format!("ping -c1 -W1 {ip}")).status == Some(0)
        });
    }
    until("nothing is amiss", || {
        cluster.alarms("h2").is_empty() && cluster.ok("h2", "ropewalk check --json") == "[]\n"
    });
}
