//! Faults of hosts: their agents, their kernels' state, their names.

use crate::cluster::{Cluster, HOSTS, Running, agent, until};

/// Twice the time that the kernel may take to tell of a link.
const LINK_WATCH: std::time::Duration = std::time::Duration::from_secs(2);

pub(super) fn agents_begin_anew(cluster: &mut Cluster) {
    let count = |cluster: &Cluster, host: &str| {
        let said = cluster.ok(host, "cat /run/agent.out");
        said.lines().filter(|line| line.contains(r#""event":"ready""#)).count()
    };
    let ready = HOSTS.map(|host| count(cluster, host));
    let line = "sh -c \"exec ip monitor link address route rule >>/run/changed\"";
    let watches: Vec<Running> = HOSTS.iter().map(|host| Running::on(host, line)).collect();
    // That a link has come up is told up to a second later (net/core/link_watch.c).
    std::thread::sleep(LINK_WATCH);
    for host in HOSTS {
        cluster.script(host, ": >/run/changed");
    }
    let mut agents = std::mem::take(&mut cluster.agents);
    for (host, process) in HOSTS.iter().zip(&mut agents) {
        cluster.signal(process, "TERM");
        let _ended = process.0.wait();
        *process = agent(host);
    }
    cluster.agents = agents;
    for (host, before) in HOSTS.iter().zip(ready) {
        until("it begins", || count(cluster, host) > before);
    }
    cluster.news("h1", &HOSTS);
    drop(watches);
    for host in HOSTS {
        let changed = cluster.ok(host, "cat /run/changed");
        let ours = |line: &&str| line.contains("-over") || line.contains("10.5.");
        let changed: Vec<&str> = changed.lines().filter(ours).collect();
        assert!(changed.is_empty(), "{host}: {changed:?}");
    }
}

pub(super) fn flushed(cluster: &mut Cluster) {
    // What others made goes, too, and comes back by their own hands.
    cluster.script(
        "h1",
        "nft list table inet canary >/run/canary
        ip route flush table main; nft flush ruleset; sysctl -qw net.ipv4.ip_forward=0
        ip route add 192.168.1.0/24 dev eth0 proto kernel scope link src 192.168.1.11
        ip route add 10.77.0.0/24 via 192.168.1.99 proto static
        ip route add blackhole 10.78.0.0/24 proto 78
        nft -f /run/canary",
    );
}

pub(super) fn flap(cluster: &mut Cluster) {
    // The kernel takes the routes and neighbours of others along.
    cluster.script(
        "h2",
        "ip link set eth0 down; ip link set eth0 up
        ip route add 10.77.0.0/24 via 192.168.1.99 proto static
        ip neigh add 192.168.1.99 lladdr 02:00:00:00:00:99 dev eth0 nud permanent",
    );
}

pub(super) fn same_id(cluster: &mut Cluster) {
    cluster.agents[0].kill();
    let hosts = cluster.json("h1", "host ls");
    let id = |n: usize| hosts[n]["id"].as_str().expect("an id").to_owned();
    let turn = |from: usize, to: usize| {
        format!("sed -i s/{}/{}/ /etc/ropewalk/cluster.toml", id(from), id(to))
    };
    cluster.ok("h1", &turn(0, 1));
    cluster.agents[0] = agent("h1");
    until("it says so", || cluster.alarms("h1").iter().any(|alarm| alarm.contains("has the id")));
    cluster.reach();
    cluster.agents[0].kill();
    cluster.ok("h1", &turn(1, 0));
    cluster.agents[0] = agent("h1");
    until("it is itself again", || cluster.alarms("h1").is_empty());
}

pub(super) fn returns(cluster: &mut Cluster) {
    cluster.agents[2].kill();
    cluster.ok("h1", "ropewalk host rm h3");
    until("nothing leads to it", || cluster.ways("h1") == 1);
    cluster.agents[2] = agent("h3");
    until("it knows", || cluster.alarms("h3").iter().any(|alarm| alarm.contains("removed")));
    cluster.ok("h3", "ropewalk detach netns:green");
    cluster.ok("h3", "ropewalk join etcd://192.168.1.13,192.168.1.11 --name h3");
    cluster.made("over");
    cluster.ok("h3", "ropewalk attach netns:green over");
}

pub(super) fn lossy(cluster: &mut Cluster) {
    let fifth = |chain: &str| {
        format!(
            "nft 'add chain inet loss {chain} {{ type filter hook {chain} priority 0; }}
            add rule inet loss {chain} numgen random mod 100 < 20 drop'\n"
        )
    };
    cluster
        .script("h2", &format!("nft add table inet loss\n{}{}", fifth("input"), fifth("output")));
    cluster.news("h2", &HOSTS);
    cluster.ok("h2", "nft delete table inet loss");
}

pub(super) fn killed_at_every_step(cluster: &mut Cluster) {
    for (verb, there) in [("create late --subnet 10.67.0.0/16", true), ("rm late", false)] {
        for step in 1.. {
            cluster.agents[0].kill();
            let done = || cluster.ok("h1", "ropewalk network ls").contains("late") == there;
            let vars = format!("ROPEWALK_FAILPOINT={step} ROPEWALK_FAILPOINT_LIST=/run/steps");
            let mut dying = Running::on(
                "h1",
                &format!(
                    "sh -c \"rm -f /run/steps; exec env {vars} ropewalk agent --json >>/run/agent.out 2>&1\""
                ),
            );
            let _again = cluster.run("h2", &format!("ropewalk cluster {verb}"));
            until(&format!("step {step} of {verb}: it dies or is done"), || {
                dying.0.try_wait().expect("a child").is_some() || done()
            });
            // What is there may be written down only then.
            let hit = || cluster.run("h1", "cat /run/steps").out.lines().count();
            let (mut died, mut steps) = (false, None);
            while !died && steps != Some(hit()) {
                steps = Some(hit());
                std::thread::sleep(std::time::Duration::from_secs(1));
                died = dying.0.try_wait().expect("a child").is_some();
            }
            drop(dying);
            cluster.agents[0] = agent("h1");
            until("the next one ends it", || {
                cluster.ok("h1", "ropewalk network ls").contains("late") == there
            });
            cluster.is_whole(&format!("killed at step {step} of {verb}"));
            if !died {
                assert!(step > 10, "{step} steps of {verb}");
                break;
            }
            // And back, for the next step.
            let back = if there { "rm late" } else { "create late --subnet 10.67.0.0/16" };
            cluster.ok("h2", &format!("ropewalk cluster {back}"));
            until("it is as before", || {
                cluster.ok("h1", "ropewalk network ls").contains("late") != there
            });
        }
    }
}
