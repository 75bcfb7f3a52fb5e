//! Attach, detach, publish and unpublish.

use super::{CARD, DB, FAR, FLAT, Leaves, MACVLAN, TAP, WEB, host};

#[test]
fn an_attach_that_is_killed_leaves_no_interface_and_no_namespace() {
    let host = host();
    host.unharmed(|| {
        host.ok(WEB);
        for sandbox in ["netns:red", "new:blue"] {
            let line = format!(
                "attach {sandbox} web --ip 192.168.15.9 --ip fd00:15::9 \
                 --publish 8080:80 --publish 10.0.0.1:5300-5302:53-55/udp"
            );
            host.survives(Leaves::Nothing, &line, &[&format!("detach {sandbox}")]);
        }
    });
}

#[test]
fn an_attach_to_a_routed_network_that_is_killed_leaves_nothing() {
    let host = host();
    host.unharmed(|| {
        host.ok(FAR);
        let line = "attach new:blue far --ip 10.9.0.9 --ip fd00:9::9 --publish 8080:80";
        host.survives(Leaves::Nothing, line, &["detach new:blue"]);
    });
}

#[test]
fn an_attach_to_a_flat_network_that_is_killed_answers_for_nothing() {
    let host = host();
    host.unharmed(|| {
        host.ok(FLAT);
        let line = "attach new:blue flat --ip 10.0.0.50 --ip fd00:aa::50";
        host.survives(Leaves::Nothing, line, &["detach new:blue"]);
    });
}

#[test]
fn a_detach_from_a_flat_network_that_is_killed_is_finished() {
    let host = host();
    host.unharmed(|| {
        host.ok(FLAT);
        let attach = "attach new:blue flat --ip 10.0.0.50 --ip fd00:aa::50";
        host.ok(attach);
        host.survives(Leaves::NothingOrAll, "detach new:blue", &[attach]);
    });
}

#[test]
fn an_attach_with_rates_that_is_killed_leaves_no_limit() {
    let host = host();
    host.unharmed(|| {
        host.ok(WEB);
        let attach = "attach netns:red web --ip 192.168.15.9 --ip fd00:15::9 --rate-in 10M \
                      --rate-out 5M/64k";
        host.survives(Leaves::Nothing, attach, &["detach netns:red"]);
        host.ok(attach);
        host.survives(Leaves::NothingOrAll, "detach netns:red", &[attach]);
    });
}

#[test]
fn an_attach_with_allow_lists_that_is_killed_leaves_none() {
    let host = host();
    host.unharmed(|| {
        host.ok(WEB);
        let attach = "attach netns:red web --ip 192.168.15.9 --ip fd00:15::9 --allow-in tcp:80 \
                      --allow-out none";
        host.survives(Leaves::Nothing, attach, &["detach netns:red"]);
        host.ok(attach);
        host.survives(Leaves::NothingOrAll, "detach netns:red", &[attach]);
    });
}

#[test]
fn a_second_attach_that_is_killed_leaves_the_first() {
    let host = host();
    host.unharmed(|| {
        host.ok(WEB);
        host.ok(FAR);
        for sandbox in ["netns:red", "new:blue"] {
            host.ok(&format!("attach {sandbox} web --publish 8080:80"));
            let line = format!("attach {sandbox} far --ip 10.9.0.9 --ip fd00:9::9 --publish 81:81");
            host.survives(Leaves::Nothing, &line, &[&format!("detach {sandbox} far")]);
            host.ok(&format!("detach {sandbox}"));
        }
    });
}

#[test]
fn a_detach_that_is_killed_is_finished() {
    let host = host();
    host.unharmed(|| {
        host.ok(WEB);
        host.ok(FAR);
        for (sandbox, network, ips) in [
            ("netns:red", "web", "--ip 192.168.15.9 --ip fd00:15::9"),
            ("new:blue", "web", "--ip 192.168.15.9 --ip fd00:15::9"),
            ("netns:red", "far", "--ip 10.9.0.9 --ip fd00:9::9"),
            ("new:blue", "far", "--ip 10.9.0.9 --ip fd00:9::9"),
        ] {
            let attach =
                format!("attach {sandbox} {network} {ips} --publish 8080:80 --publish 5300:53/udp");
            host.ok(&attach);
            host.survives(Leaves::NothingOrAll, &format!("detach {sandbox}"), &[&attach]);
            host.ok(&format!("detach {sandbox}"));
        }
    });
}

#[test]
fn a_detach_from_one_of_two_networks_that_is_killed_leaves_the_other() {
    let host = host();
    let attach = |network| match network {
        "web" => "attach new:blue web --ip 192.168.15.9 --ip fd00:15::9 --name eth0",
        _ => "attach new:blue db --ip 192.168.16.9 --ip fd00:16::9 --name eth1",
    };
    host.unharmed(|| {
        host.ok(WEB);
        host.ok(DB);
        host.ok(attach("web"));
        host.ok(attach("db"));
        // The metric of default routes depends on which of them came first.
        let both = ["detach new:blue", attach("web"), attach("db")];
        host.survives(Leaves::NothingOrAll, "detach new:blue web", &both);
        host.survives(Leaves::NothingOrAll, "detach new:blue db", &both);
    });
}

#[test]
fn a_publish_that_is_killed_leaves_no_port_open() {
    let host = host();
    host.unharmed(|| {
        host.ok(WEB);
        host.ok("attach netns:red web --publish 81:81");
        let ports = "8080:80 5300-5302:53-55/udp 10.0.0.1:8443:443 [fd00:aa::1]:8443:443";
        host.survives(
            Leaves::Nothing,
            &format!("publish netns:red {ports}"),
            &[&format!("unpublish netns:red {ports}")],
        );
        host.ok(FAR);
        host.ok("attach new:blue far");
        let (line, back) = ("publish new:blue 8080:80", "unpublish new:blue 8080:80");
        host.survives(Leaves::Nothing, line, &[back]);
    });
}

#[test]
fn an_unpublish_that_is_killed_is_finished() {
    let host = host();
    host.unharmed(|| {
        host.ok(WEB);
        host.ok(FAR);
        let ports = "8080:80 5300-5302:53-55/udp 10.0.0.1:8443:443";
        for network in ["web", "far"] {
            host.ok(&format!("attach new:blue {network}"));
            let (line, back) =
                (format!("unpublish new:blue {ports}"), format!("publish new:blue {ports}"));
            host.ok(&back);
            host.survives(Leaves::NothingOrAll, &line, &[&back]);
            host.ok("detach new:blue");
        }
    });
}

#[test]
fn an_attach_or_detach_beside_the_hosts_stack_that_is_killed_leaves_nothing_half_done() {
    let host = host();
    host.unharmed(|| {
        host.net.sh("ip link add nic0 address 02:00:00:00:00:0c type veth peer name far
            ip link set nic0 mtu 1400 up; ip addr add 10.5.0.1/24 dev nic0
            ip link set far up; ip route add 10.6.0.0/24 via 10.5.0.9");
        for (network, ips) in [
            (MACVLAN, "--ip 10.0.0.50 --ip fd00:aa::32"),
            (TAP, "--ip 10.1.0.2"),
            (CARD, "--ip 10.5.0.50"),
        ] {
            host.ok(network);
            let name = network.split(' ').nth(2).expect("a name");
            for sandbox in ["netns:red", "new:blue"] {
                let attach = format!("attach {sandbox} {name} {ips}");
                let detach = format!("detach {sandbox}");
                host.survives(Leaves::Nothing, &attach, &[&detach]);
                host.ok(&attach);
                host.survives(Leaves::NothingOrAll, &detach, &[&attach]);
                host.ok(&detach);
            }
        }
        host.ok("network rm card");
        host.net.sh("ip link del nic0");
    });
}
