//! Beside others on the bridge: what a sandbox may say there, and packet filters that see frames.

use super::{LAN, small};

/// A sandbox that speaks with addresses that are not its own: what of it comes back.
const PRETEND: &str = "ip -n red addr add 10.0.0.55/24 dev eth0
    ip -n red addr add fd00:aa::55/64 dev eth0 nodad
    for way in '10.0.0.55 10.0.0.254' 'fd00:aa::55 fd00:aa::254'; do
        ip netns exec red ping -c1 -W2 -I $way >/dev/null && echo heard || echo silence
    done
    ip -n red link set eth0 address 02:00:00:00:00:55
    ip netns exec red ping -c1 -W2 10.0.0.254 >/dev/null && echo heard || echo silence
    ip -n red addr del 10.0.0.55/24 dev eth0; ip -n red addr del fd00:aa::55/64 dev eth0";

#[test]
fn a_sandbox_on_the_lan_speaks_for_itself_alone() {
    let host = small();
    host.ok(LAN);
    host.ok("attach netns:red lan");
    host.net.sh("ip netns exec red ping -c1 -W5 10.0.0.254
        ip netns exec red ping -c1 -W5 fd00:aa::254");
    assert_eq!(host.net.sh(PRETEND), "silence\nsilence\nsilence\n");
    host.ok("detach netns:red");
    host.ok("attach netns:red lan --allow-spoofing");
    assert_eq!(host.net.sh(PRETEND), "heard\nheard\nheard\n");
}

#[test]
fn filters_that_see_bridged_frames_let_those_of_the_lan_pass() {
    let host = small();
    host.net.sh("for f in /proc/sys/net/bridge/bridge-nf-call-ip*tables; do echo 1 > $f; done
        iptables -w -P FORWARD DROP; ip6tables -w -P FORWARD DROP");
    let rules = || host.net.sh("iptables -w -S; ip6tables -w -S");
    let before = rules();
    host.ok(LAN);
    host.ok("attach netns:red lan");
    host.net.sh("for ip in 10.0.0.100 fd00:aa::100; do
        ip netns exec lan ping -c1 -W5 $ip; done");
    host.ok("detach netns:red");
    host.ok("network rm lan");
    assert_eq!(rules(), before);
}

#[test]
fn a_nic_that_others_stand_on_is_refused() {
    let host = small();
    host.ok("network create other --mode flat --parent eth1 --subnet 10.0.0.0/24 \
             --range 10.0.0.120-10.0.0.125");
    let words = ["eth1 is the parent of network other", "[parent-taken]"];
    let line = "network create lan --mode uplink --parent eth1";
    host.refuses(line, 1, &words);
    host.ok("network rm other");
    host.net.sh("ip link add mv0 link eth1 type macvlan mode bridge");
    host.refuses(line, 1, &["mv0 stands on eth1", "[parent-taken]"]);
    host.net.sh("ip link del mv0");
    host.ok(line);
}
