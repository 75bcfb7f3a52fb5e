//! Input that cannot be done: each is refused by a message that names the object and the remedy,
//! and nothing is changed.

use crate::host::{Host, same};

fn host_with_web() -> Host {
    let host = Host::new();
    host.ok("network create web --subnet 10.9.0.0/24");
    host
}

#[test]
fn subnets_of_two_networks_overlap() {
    let host = host_with_web();
    let words = ["10.9.0.128/25", "web", "[subnet-overlap]", "try:"];
    host.refuses("network create lan --subnet 10.9.0.128/25", 1, &words);
    host.refuses("network create lan --subnet 10.0.0.0/8", 1, &["10.9.0.0/24", "web"]);
}

#[test]
fn the_host_routes_the_subnet_already() {
    let host = Host::new();
    host.net.sh("ip link add up0 type ifb; ip link set up0 up; ip addr add 10.8.0.2/16 dev up0
        ip route add 10.7.0.0/24 via 10.8.0.1");
    let words = ["10.8.3.0/24", "10.8.0.0/16", "up0", "[subnet-routed]", "try:"];
    host.refuses("network create web --subnet 10.8.3.0/24", 1, &words);
    host.refuses("network create web --subnet 10.7.0.0/24", 1, &["10.7.0.0/24", "up0"]);
}

#[test]
fn the_pool_is_exhausted() {
    let host = Host::new();
    host.ok("network create tiny --subnet 10.9.0.0/30");
    host.ok("attach new:red tiny");
    host.refuses("attach new:blue tiny", 1, &["10.9.0.0/30", "tiny", "[pool-exhausted]", "try:"]);
}

#[test]
fn an_address_is_outside_of_the_subnet() {
    let host = host_with_web();
    for (ip, word) in [
        ("10.8.0.5", "10.8.0.5"),
        ("10.9.0.1", "gateway"),
        ("10.9.0.255", "broadcast"),
        ("10.9.0.0", "10.9.0.0/24"),
        ("fd00::5", "fd00::5"),
    ] {
        let line = format!("attach new:red web --ip {ip}");
        host.refuses(&line, 1, &[word, "[addr-outside]", "try:"]);
    }
}

#[test]
fn an_address_is_in_use() {
    let host = host_with_web();
    host.ok("attach new:red web --ip 10.9.0.7");
    let words = ["10.9.0.7", "netns:red", "[addr-taken]", "try:"];
    host.refuses("attach new:blue web --ip 10.9.0.7", 1, &words);
}

#[test]
fn a_sandbox_is_unknown() {
    let host = host_with_web();
    for sandbox in ["netns:nope", "pid:2147483647", "/run/netns/nope"] {
        let words = [sandbox, "[sandbox-unknown]", "try:"];
        host.refuses(&format!("attach {sandbox} web"), 1, &words);
    }
}

#[test]
fn a_sandbox_is_the_host_itself() {
    let host = host_with_web();
    host.refuses("attach /proc/self/ns/net web", 1, &["[sandbox-is-host]"]);
}

#[test]
fn a_file_is_no_namespace() {
    let host = host_with_web();
    let err = host.refuses("attach /etc/passwd web", 1, &["/etc/passwd"]);
    assert!(err.contains("try:"), "{err}");
}

#[test]
fn a_container_engine_is_not_running() {
    let host = host_with_web();
    host.net.sh("mount -t tmpfs none /var/run 2>/dev/null || mount -t tmpfs none /run");
    for (sandbox, engine) in [("docker:web", "ocker"), ("podman:web", "odman")] {
        let words = [engine, ".sock", "[engine-down]", "try:"];
        let ran = host.run(&format!("attach {sandbox} web"));
        assert_eq!((ran.status, ran.out.as_str()), (Some(1), ""), "{ran:?}");
        assert!(words.iter().all(|word| ran.err.contains(word)), "{}", ran.err);
    }
}

#[test]
fn a_network_is_unknown() {
    let host = host_with_web();
    host.net.sh("ip netns add red");
    for line in ["attach netns:red wbe", "network inspect wbe", "network rm wbe", "routes wbe"] {
        host.refuses(line, 1, &["wbe", "[network-unknown]", "try:"]);
    }
}

#[test]
fn a_network_exists_with_other_settings() {
    let host = host_with_web();
    let words = ["web", "[network-exists]", "try:"];
    host.refuses("network create web --subnet 10.7.0.0/24", 1, &words);
    host.ok("network create web --subnet 10.9.0.0/24");
}

#[test]
fn a_network_is_in_use() {
    let host = host_with_web();
    host.ok("attach new:red web");
    host.refuses("network rm web", 1, &["web", "netns:red", "[network-in-use]", "try:"]);
}

#[test]
fn the_bridge_named_is_no_bridge() {
    let host = Host::new();
    host.net.sh("ip link add up0 type ifb");
    let line = "network create web --subnet 10.9.0.0/24 --bridge up0";
    host.refuses(line, 1, &["up0", "[bridge-unfit]", "try:"]);
}

#[test]
fn an_interface_exists_in_the_sandbox() {
    let host = host_with_web();
    host.net.sh("ip netns add red; ip -n red link add eth0 type ifb");
    let words = ["eth0", "netns:red", "[ifname-taken]", "--name"];
    host.refuses("attach netns:red web --name eth0", 1, &words);
    host.ok("attach netns:red web");
    assert_eq!(host.json("ps")[0]["interface"], "eth1");
}

#[test]
fn a_sandbox_is_attached_already_in_another_way() {
    let host = host_with_web();
    host.ok("attach new:red web --ip 10.9.0.7");
    let words = ["netns:red", "web", "[already-attached]", "try:"];
    host.refuses("attach netns:red web --ip 10.9.0.8", 1, &words);
    let again = host.ok("attach netns:red web --ip 10.9.0.7");
    assert!(again.starts_with("netns:red is on web already"), "{again}");
}

#[test]
fn a_port_is_published_for_another() {
    let host = host_with_web();
    host.ok("attach new:red web --publish 8080:80");
    let words = ["8080", "netns:red", "[port-taken]", "try:"];
    host.refuses("attach new:blue web --publish 8080:81", 1, &words);
    host.ok("attach new:blue web");
    host.refuses("publish netns:blue 8000-8090:80-170", 1, &words);
    host.ok("publish netns:blue 8080:80/udp");
}

#[test]
fn a_process_listens_on_the_port() {
    let host = host_with_web();
    let listener = std::net::TcpListener::bind("0.0.0.0:8080").expect("a listener");
    let words = ["8080", &format!("pid {}", std::process::id()), "[port-taken]", "try:"];
    host.refuses("attach new:red web --publish 8080:80", 1, &words);
    drop(listener);
    host.ok("attach new:red web --publish 8080:80");
}

#[test]
fn what_is_not_attached_or_published_cannot_be_taken_off() {
    let host = host_with_web();
    host.ok("network create lan --subnet 10.7.0.0/24");
    host.ok("attach new:red web");
    host.net.sh("ip netns add blue");
    host.refuses("detach netns:blue", 1, &["netns:blue", "[not-attached]", "try:"]);
    host.refuses("detach netns:red lan", 1, &["netns:red", "lan", "[not-attached]"]);
    host.refuses("publish netns:blue 80:80", 1, &["netns:blue", "[not-attached]"]);
    host.refuses("unpublish netns:red 80:80", 1, &["netns:red", "80:80", "[not-published]"]);
}

#[test]
fn a_file_is_not_there() {
    let host = Host::new();
    let words = ["/run/ropewalk/no.toml", "No such file", "[bad-file]"];
    for verb in ["up", "down", "plan"] {
        host.refuses(&format!("{verb} /run/ropewalk/no.toml"), 1, &words);
    }
}

#[test]
fn a_file_is_no_toml_or_says_what_cannot_be() {
    let host = Host::new();
    let file = "/run/ropewalk/web.toml";
    for (text, words) in [
        ("[network.web]\nsubnet = 10.9.0.0/24\n", ["web.toml:2:", "in quotes"]),
        ("[network.web]\nsubnets = \"10.9.0.0/24\"\n", ["web.toml:2:1", "expected"]),
        ("[network.web]\nsubnet = \"10.9.0.0\"\n", ["web.toml:2:10", "10.9.0.0/24"]),
        ("[network.web\n", ["web.toml:1:", "expected"]),
        ("[[attach]]\nsandbox = \"red\"\nnetwork = \"web\"\n", ["web.toml:2:11", "netns:NAME"]),
        ("[[attach]]\nsandbox = \"new:red\"\nnetwork = \"web\"\n", ["web.toml:3:11", "\"web\""]),
    ] {
        std::fs::write(file, text).expect(file);
        for verb in ["up", "down", "plan"] {
            host.refuses(&format!("{verb} {file}"), 1, &[words[0], words[1], "[bad-file]"]);
        }
    }
}

#[test]
fn a_file_fails_half_way_and_nothing_of_it_stays() {
    let host = Host::new();
    let file = "/run/ropewalk/web.toml";
    let text = "[network.web]\nsubnet = \"10.9.0.0/24\"\n\
        [[attach]]\nsandbox = \"new:red\"\nnetwork = \"web\"\n\
        [[attach]]\nsandbox = \"netns:nope\"\nnetwork = \"web\"\n";
    std::fs::write(file, text).expect(file);
    host.refuses(&format!("up {file}"), 1, &["netns:nope", "[sandbox-unknown]"]);
    assert_eq!(host.json("ps"), serde_json::json!([]));
}

#[test]
fn privileges_are_missing() {
    let host = host_with_web();
    let binary = "/run/ropewalk/bin/ropewalk";
    host.net.sh(&format!(
        "mkdir /run/ropewalk/bin; cp {} {binary}; chmod 755 /run/ropewalk/bin {binary}",
        env!("CARGO_BIN_EXE_ropewalk")
    ));
    let before = host.trace();
    for line in [
        "network create lan --subnet 10.7.0.0/24",
        "network ls",
        "attach pid:1 web",
        "ps",
        "check",
        "gc",
        "purge --yes",
    ] {
        let (done, out) =
            host.net.try_sh(&format!("setpriv --reuid 65534 --clear-groups {binary} {line}"));
        assert!(!done && out.contains("root") && out.contains("[not-privileged]"), "{line}: {out}");
    }
    same(&host.trace(), &before, "in all");
}

#[test]
fn the_state_folder_is_read_only() {
    let host = Host::new();
    host.net.sh("mount -o remount,ro /run/ropewalk");
    let words = ["/run/ropewalk", "[state-unusable]", "ROPEWALK_STATE"];
    host.refuses("network create web --subnet 10.9.0.0/24", 1, &words);
}

#[test]
fn the_folder_of_definitions_is_read_only() {
    let host = Host::new();
    host.net.sh("mount -o remount,ro /etc/ropewalk");
    let words = ["/etc/ropewalk/networks", "try:"];
    host.refuses("network create web --subnet 10.9.0.0/24", 1, &words);
}

#[test]
fn the_state_folder_is_a_file_or_garbage() {
    let host = Host::new();
    host.net.sh("umount /run/ropewalk; mount -t tmpfs none /run; mkdir /run/netns
        echo hello > /run/ropewalk");
    host.refuses("network ls", 1, &["/run/ropewalk", "[state-unusable]", "ROPEWALK_STATE"]);
}

#[test]
fn a_tunnel_cannot_be() {
    let host = Host::new();
    host.net.sh("ip link add up0 type ifb; ip link set up0 up; ip addr add 10.8.0.2/16 dev up0
        ip link add dark type ifb; ip addr add 10.6.0.2/16 dev dark; ip link add bare type ifb
        ip link set bare up; ip route add default via 10.8.0.1");
    let create = "network create over --mode vxlan --subnet 10.5.1.0/24";
    let peer = "--peer 10.8.0.3=10.5.2.0/24";
    for (options, status, words) in [
        ("--vni 0", 2, &["0", "16777215"][..]),
        ("--vni 16777216", 2, &["16777216", "16777215"]),
        ("--peer 10.8.0.3", 2, &["10.8.0.3"]),
        ("--peer host=10.5.2.0/24", 2, &["host"]),
        ("--peer 10.8.0.3=10.5.2.1/24", 2, &["10.5.2.1/24", "10.5.2.0/24"]),
        ("--peer 10.8.0.3=10.5.1.128/25", 2, &["10.5.1.128/25", "10.5.1.0/24"]),
        ("--peer 224.0.0.3=10.5.2.0/24", 2, &["224.0.0.3"]),
        ("--peer 10.8.0.3=fd00:5::/64", 2, &["fd00:5::"]),
        ("--peer 10.8.0.2=10.5.2.0/24", 2, &["10.8.0.2", "own", "try:"]),
        ("--peer 10.8.0.3=10.8.3.0/24", 1, &["10.8.0.0/16", "up0", "[subnet-routed]", "try:"]),
        (&format!("{peer} --mtu 1451"), 1, &["1451", "up0", "1450", "[parent-unfit]", "try:"]),
        (&format!("{peer} --parent nope"), 1, &["nope", "[parent-unfit]", "try:"]),
        (&format!("{peer} --parent dark"), 1, &["dark", "down", "[parent-unfit]", "try:"]),
        (&format!("{peer} --parent bare"), 1, &["bare", "IPv4", "[parent-unfit]", "try:"]),
    ] {
        host.refuses(&format!("{create} {options}"), status, words);
    }
    host.net.sh("ip link add other type vxlan id 42 dstport 4789 local 10.8.0.2 nolearning");
    let words = ["other", "42", "4789", "--vni"];
    host.refuses(&format!("{create} {peer} --vni 42"), 2, &words);
}

#[test]
fn a_store_is_written_with_a_scheme_of_the_web_or_without_one() {
    let host = Host::new();
    let says = |line: &str, meant: &str| {
        host.refuses(
            line,
            2,
            &["etcd://", "[bad-input]", &format!("try:    ropewalk join {meant}\n")],
        )
    };
    says("join http://192.168.1.11:2379", "etcd://192.168.1.11:2379");
    says("join https://etcd.lan", "etcds://etcd.lan");
    says("join 192.168.1.11", "etcd://192.168.1.11");
    says("join etcd://fd00:1::11", "etcd://[fd00:1::11]");
    host.refuses("join ftp://192.168.1.11", 2, &["[bad-input]", "ropewalk help join"]);
}

#[test]
fn a_store_is_asked_where_no_etcd_listens() {
    let host = Host::new();
    let words = ["127.0.0.1:2379", "Connection refused", "[cluster-store]", "try:    start etcd"];
    host.refuses("join etcd://127.0.0.1", 1, &words);
}

#[test]
fn a_network_of_the_cluster_is_attached_to_where_no_agent_has_made_it() {
    let host = Host::new();
    host.ok("join here");
    let made = host.ok("cluster create over --subnet 10.5.0.0/16");
    assert!(made.contains("no agent of this host runs"), "{made}");
    let words =
        ["network over is the cluster's", "none of this host runs", "try:    systemctl start"];
    let said = host.refuses("attach new:red over", 1, &words);
    assert!(!said.contains("network create"), "{said}");
    host.refuses("attach new:red other", 1, &["there is no network other"]);
}

#[test]
fn the_state_folder_is_open_to_others() {
    let host = host_with_web();
    host.net.sh("chmod 1777 /run/ropewalk");
    let words = ["/run/ropewalk", "[state-unusable]", "chmod 755 /run/ropewalk\n"];
    host.refuses("attach new:red web", 1, &words);
    host.net.sh("chown root /run/ropewalk && chmod 755 /run/ropewalk");
    host.ok("attach new:red web");
}
