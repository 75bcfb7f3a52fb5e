//! Networks, made and removed.

use super::{DB, FAR, FLAT, Leaves, MACVLAN, OVER, TAP, WEB, host, killed_each};

#[test]
fn a_network_whose_making_is_killed_leaves_nothing() {
    let host = host();
    let rm = ["network rm web"];
    host.unharmed(|| {
        host.survives(Leaves::NothingOrAll, WEB, &rm);
        for options in ["--internal --subnet 192.168.15.0/24", "--l2"] {
            let line = format!("network create web {options}");
            host.survives(Leaves::NothingOrAll, &line, &rm);
        }
    });
}

#[test]
fn a_routed_network_whose_making_is_killed_leaves_nothing() {
    let host = host();
    host.unharmed(|| {
        host.survives(Leaves::NothingOrAll, FAR, &["network rm far"]);
        host.ok(WEB);
        host.survives(Leaves::NothingOrAll, FAR, &["network rm far"]);
    });
}

#[test]
fn a_flat_network_whose_making_or_removal_is_killed_leaves_nothing() {
    let host = host();
    host.unharmed(|| {
        host.survives(Leaves::NothingOrAll, FLAT, &["network rm flat"]);
        host.ok(FLAT);
        host.survives(Leaves::NothingOrAll, "network rm flat", &[FLAT]);
    });
}

#[test]
fn a_network_beside_the_hosts_stack_whose_making_or_removal_is_killed_leaves_nothing() {
    let host = host();
    host.unharmed(|| {
        for (line, rm) in [(MACVLAN, "network rm own"), (TAP, "network rm vm")] {
            host.survives(Leaves::NothingOrAll, line, &[rm]);
            host.ok(line);
            host.survives(Leaves::NothingOrAll, rm, &[line]);
            host.ok(rm);
        }
    });
}

#[test]
fn a_network_whose_removal_is_killed_is_removed_or_whole() {
    let host = host();
    host.unharmed(|| {
        host.ok(WEB);
        host.survives(Leaves::NothingOrAll, "network rm web", &[WEB]);
        host.ok(FAR);
        host.survives(Leaves::NothingOrAll, "network rm far", &[FAR]);
    });
}

#[test]
fn a_network_whose_removal_is_killed_leaves_others_what_they_share() {
    let host = host();
    host.unharmed(|| {
        host.ok(WEB);
        host.ok(DB);
        // Each in turn is the one that turned forwarding on.
        host.survives(Leaves::NothingOrAll, "network rm web", &[WEB]);
        host.survives(Leaves::NothingOrAll, "network rm db", &[DB]);
        host.survives(Leaves::NothingOrAll, "network rm web", &[WEB]);
        host.ok("network rm db");
        host.ok("network rm web");
    });
}

#[test]
fn a_bridge_of_others_is_as_it_was_after_a_network_on_it_is_killed() {
    let host = host();
    host.net.sh("ip link add mine address 02:00:00:00:00:09 type bridge
        ip addr add 172.17.0.1/16 dev mine");
    host.unharmed(|| {
        let create = "network create web --bridge mine --subnet 172.17.0.0/16 \
                      --subnet fd00:17::/64 --masquerade no --masquerade-in yes";
        host.survives(Leaves::NothingOrAll, create, &["network rm web"]);
        host.ok(create);
        let attach = "attach new:blue web --ip 172.17.0.9 --ip fd00:17::9 --publish 8080:80";
        host.survives(Leaves::Nothing, attach, &["detach new:blue"]);
        host.survives(Leaves::NothingOrAll, "network rm web", &[create]);
    });
}

#[test]
fn the_rules_of_others_are_as_they_were_after_a_network_beside_them_is_killed() {
    let host = host();
    host.net.sh("iptables -P FORWARD DROP; iptables -A FORWARD -s 10.99.0.0/16 -j REJECT
        ip6tables-legacy -P FORWARD DROP");
    host.unharmed(|| {
        host.survives(Leaves::NothingOrAll, WEB, &["network rm web"]);
        host.ok(WEB);
        host.ok(DB);
        host.survives(Leaves::NothingOrAll, "network rm web", &[WEB]);
        host.ok("network rm db");
    });
}

#[test]
fn a_tunnel_whose_making_or_removal_is_killed_is_whole_or_gone() {
    let host = host();
    host.unharmed(|| {
        host.survives(Leaves::NothingOrAll, OVER, &["network rm over"]);
        host.ok(OVER);
        let attach = "attach netns:red over --ip 10.5.1.9 --ip fd00:5:1::9";
        host.survives(Leaves::Nothing, attach, &["detach netns:red"]);
        host.survives(Leaves::NothingOrAll, "network rm over", &[OVER]);
    });
}

#[test]
fn peers_whose_change_is_killed_are_repaired_or_changed_again() {
    let host = host();
    let more = format!("{OVER} --peer 10.0.0.13=10.5.3.0/24");
    let other = OVER.replace("10.0.0.12=10.5.2", "10.0.0.14=10.5.4");
    host.unharmed(|| {
        host.ok(OVER);
        host.ok("attach netns:red over");
        let start = host.scene();
        for line in [more, other] {
            host.ok(&line);
            let end = host.scene();
            host.ok(OVER);
            start.same(&host.scene(), &format!("{line}: there and back"));
            let steps = killed_each(&line, |at| {
                host.ok("repair");
                host.is_healthy(at);
                host.ok(&line);
                end.same(&host.scene(), &format!("{at}, repaired, then again"));
                host.ok(OVER);
                start.same(&host.scene(), &format!("{at}, and back"));
            });
            assert!(steps.len() > 4, "{steps:?}");
            host.ok(OVER);
        }
    });
}
